"""Frame numbers from file names, and which number is the first frame.

Tools disagree on counting: OpenPose, SLEAP and DeepLabCut from 0, ffmpeg (so everything that ran on
extracted pictures, SportCenter among them) from 1. What is inferred here is reported by the import.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MAX_DIGITS = 18


def numbers_from_names(names: Sequence[str], source: Path, field: str) -> list[int]:
    """The frame number of each name: the last group of digits that differs among the names.

    ``cam01.0007.json`` is 7, ``S2_000000000012_keypoints.json`` is 12, ``frame_000021.jpg`` is 21.

    Args:
        names: file names; folders and the extension do not count.
        source: named in errors.
        field: named in errors.

    Raises:
        DataError: where a name has no digits, or too many for a frame number.
    """
    groups = {name: re.findall(r"\d+", _stem(name)) for name in set(names)}
    counts = {len(g) for g in groups.values()}
    place = -1
    if len(counts) == 1 and len(groups) > 1:
        columns = range(counts.pop())
        differing = [i for i in columns if len({g[i] for g in groups.values()}) > 1]
        place = differing[-1] if differing else -1
    for name, found in groups.items():
        if not found or len(found[place]) > MAX_DIGITS:
            raise DataError(
                source,
                field,
                expected="a frame number in the name, such as frame_000001",
                found=repr(name[:80]),
                remedy="Rename the pictures so that each name carries its frame number.",
            )
    return [int(groups[name][place]) for name in names]


def _stem(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).stem


def infer_first_number(numbers: Sequence[int], *, from_pictures: bool) -> int:
    """Which number is frame 0, where nobody said so.

    Args:
        numbers: those found.
        from_pictures: whether the names are those of extracted pictures, which ffmpeg counts from
            1: then 0, unless no picture 0 was found, and otherwise 1 only where the first is 1.
    """
    if not len(numbers):
        return 0
    low = min(numbers)
    return int(low > 0) if from_pictures else int(low == 1)
