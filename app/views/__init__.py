"""The camera views: all cameras of a frame in one widget."""

from app.views.grid import ViewGrid

__all__ = ["ViewGrid"]
