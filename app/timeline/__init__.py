"""The timeline: a map of where in the recording something is wrong."""

from app.timeline.widget import Timeline

__all__ = ["Timeline"]
