"""The inspector: why the selected joint is where it is, and what the thresholds do."""

from app.inspector.panel import Inspector

__all__ = ["Inspector"]
