"""The one place where OpenCV is imported: ``from core.recording.cv import cv2``.

Three traps are closed here, so nothing else may ``import cv2``:

- the wheel's import points ``QT_QPA_PLATFORM_PLUGIN_PATH`` and ``QT_QPA_FONTDIR`` at its own Qt,
  and a PySide6 window started afterwards dies with "could not load the xcb plugin";
- its pixel limit is read from the environment at import (a 109 KB PNG of 30000 x 30000 pixels took
  5.2 GB before); the numbers a person set in the environment are respected where lower;
- its own thread pool: a picture is decoded by one worker of several, and a pool inside each only
  makes them wait for each other.
"""

from __future__ import annotations

import os

__all__ = ["MAX_PIXELS", "cv2"]

MAX_PIXELS = 1 << 27
"""Largest picture that is decoded, in pixels (134 million: 400 MB as colours)."""

_QT_VARIABLES = ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR")


def _limit_pixels() -> None:
    name = "OPENCV_IO_MAX_IMAGE_PIXELS"
    told = os.environ.get(name, "")
    if not told.isdecimal() or int(told) > MAX_PIXELS:
        os.environ[name] = str(MAX_PIXELS)


_before = {name: os.environ.get(name) for name in _QT_VARIABLES}
_limit_pixels()

import cv2  # noqa: E402  (the limit above must be set first)

_package = os.path.dirname(cv2.__file__)  # noqa: PTH120  (compared with strings of the environment)
for _name, _value in _before.items():
    # A value inside the wheel is OpenCV's own: someone imported it before us.
    if _value is None or _value.startswith(_package):
        os.environ.pop(_name, None)
    else:
        os.environ[_name] = _value

cv2.setNumThreads(1)
