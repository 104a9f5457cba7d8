"""wanted.json: which frames a window would like a trainer to predict first.

A wish, written by whoever looks at the run, read now and then by its trainer. Reading is total: a
file that is missing, damaged or too large says nothing.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from core.files import write_text_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

WANTED = "wanted.json"
MAX_WANTED = 4096
_MAX_BYTES = 1 << 17


def write_wanted(path: Path, frames: Sequence[int]) -> None:
    """Put these frames down, the most urgent first; those beyond 4096 are left out.

    Raises:
        OSError: the folder cannot be written to.
    """
    told = list(dict.fromkeys(int(frame) for frame in frames if frame >= 0))[:MAX_WANTED]
    write_text_atomically(path, json.dumps({"frames": told}))


def read_wanted(path: Path) -> tuple[int, ...]:
    """The frames, the most urgent first, each once; empty where nothing can be read."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        told = json.loads(data) if len(data) <= _MAX_BYTES else None
    except (OSError, ValueError, RecursionError):
        return ()
    frames = cast("dict[str, object]", told).get("frames") if isinstance(told, dict) else None
    if not isinstance(frames, list):
        return ()
    numbers = [f for f in cast("list[object]", frames) if type(f) is int and 0 <= f < 1 << 31]
    return tuple(dict.fromkeys(numbers))[:MAX_WANTED]
