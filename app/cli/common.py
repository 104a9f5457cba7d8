"""What several commands share: paragraphs of help, progress on a terminal, checked arguments."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.format import duration

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, kw_only=True)
class Manual:
    """What a command's help says before and after its arguments; paragraphs stay as written."""

    name: str
    summary: str
    description: str
    epilog: str = ""


def report(text: str) -> None:
    """Print a line about what was done."""
    print(text, flush=True)


def terminal_progress(title: str) -> Callable[[int, int], bool]:
    """A callback (done, total) that draws a progress line with the time left on a terminal.

    On anything but a terminal it prints nothing. It always asks to go on; Ctrl-C stops the work.
    """
    started = time.monotonic()
    last = 0.0

    def show(done: int, total: int) -> bool:
        nonlocal last
        now = time.monotonic()
        if sys.stderr.isatty() and total and (now - last > 0.1 or done >= total):
            last = now
            filled = round(24 * done / total)
            left = (now - started) * (total - done) / done if done else 0.0
            note = f"{duration(left)} left" if done < total else f"{duration(now - started)}"
            bar = "█" * filled + "·" * (24 - filled)
            print(f"\r{title}  {bar}  {done:,}/{total:,}  {note}   ", end="", file=sys.stderr)
            if done >= total:
                print(file=sys.stderr)
        return True

    return show


DETECTION_FORMATS = ("openpose", "alphapose", "coco", "sleap", "dlc", "label3d")


def detections(text: str) -> str:
    """``FORMAT:[CAM=]PATH`` as it is, for argparse.

    Raises:
        argparse.ArgumentTypeError: there is no such format, or no path.
    """
    name, _, path = text.partition(":")
    if name not in DETECTION_FORMATS or not path:
        known = ", ".join(DETECTION_FORMATS)
        raise argparse.ArgumentTypeError(
            f"expected FORMAT:PATH or FORMAT:CAM=PATH, FORMAT one of {known}; found {text!r}"
        )
    return text


def png_path(text: str) -> Path:
    """A path that ends in ``.png``, for argparse.

    Raises:
        argparse.ArgumentTypeError: it ends otherwise.
    """
    if not text.lower().endswith(".png"):
        raise argparse.ArgumentTypeError(f"expected a name that ends in .png, found {text!r}")
    return Path(text)


def num_processes(text: str) -> int:
    """A number from 1 to 1024, for argparse.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to 1024, found {text!r}")
    return int(text)


def window_size(text: str) -> tuple[int, int]:
    """``1600x900`` as (1600, 900), for argparse.

    Raises:
        argparse.ArgumentTypeError: it is not of that form, or out of bounds.
    """
    width, separator, height = text.lower().partition("x")
    if not separator or not width.isdecimal() or not height.isdecimal():
        raise argparse.ArgumentTypeError(f"expected WIDTHxHEIGHT such as 1600x900, found {text!r}")
    size = int(width), int(height)
    if not (320 <= size[0] <= 7680 and 240 <= size[1] <= 4320):
        raise argparse.ArgumentTypeError(f"expected 320x240 to 7680x4320, found {text!r}")
    return size
