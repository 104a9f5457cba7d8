"""The room of ground tracks: who stands where, seen from above and corrected."""

from app.tracks.panel import TracksPanel

__all__ = ["TracksPanel"]
