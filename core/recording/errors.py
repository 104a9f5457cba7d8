"""Why a picture cannot be shown: not recorded, no source at all, or not readable."""

from __future__ import annotations

from core.errors import DataError


class MissingFrameError(DataError):
    """This camera has no picture at this frame: a gap in the numbering, or beyond the end."""


class NoPicturesError(DataError):
    """This camera has no pictures at all; its view is a blank of the calibrated size."""


class UnreadableImageError(DataError):
    """The picture is there, but damaged, hostile or of an unknown kind."""


class ReadCancelledError(Exception):
    """The reader was told that nobody waits for this picture any more; never shown to a person."""
