"""What a reader of a data set hands on, before a protocol divides it; and what readers share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.geometry import Rig, triangulate
from core.learning.data.recordings import in_view, packed, rows_among

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from core.learning.data.recordings import PoseRecording
    from core.recording import SourceSpec
    from core.skeleton import Skeleton

_BOX_MARGIN = 0.15
_CHUNK = 4096


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class DataSet:
    """All of a data set that a protocol asks for.

    Attributes:
        name: to show.
        recordings: with the same skeleton and number of cameras.
        skeleton: J joints.
        test_people: whom the data set itself keeps for testing.
        notes: what was left out and why.
    """

    name: str
    recordings: tuple[PoseRecording, ...]
    skeleton: Skeleton
    test_people: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()


class StoredBoxes:
    """Boxes that were read or computed before; places of a recording.

    Args:
        keys: (M, 2) person, frame; sorted by frame, then person, each once.
        boxes_px: (M, C, 4); NaN where not in view.
    """

    def __init__(self, keys: NDArray[np.integer], boxes_px: NDArray[np.floating]) -> None:
        self.keys = np.asarray(keys, dtype=np.int32).reshape(-1, 2)
        self._packed = packed(self.keys)
        self._boxes = np.asarray(boxes_px, dtype=np.float32)

    def boxes_of(self, keys: NDArray[np.integer]) -> NDArray[np.float64]:
        """(K, C, 4); NaN for a key that is not among the stored ones."""
        boxes = np.full((len(keys), *self._boxes.shape[1:]), np.nan)
        row = rows_among(self._packed, keys)
        boxes[row >= 0] = self._boxes[row[row >= 0]]
        return boxes


def no_pictures_notes(sources: Mapping[str, SourceSpec | None]) -> tuple[str, ...]:
    """One note that names the cameras without pictures; none where all have some."""
    blank = [name for name, source in sources.items() if source is None]
    return (f"No pictures of {', '.join(blank)}.",) if blank else ()


def has_label(
    points_mm: NDArray[np.floating], points_px: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """(N,) whether a person (N, J, 3) in space or (N, C, J, 2) in views has any joint at all."""
    in_space = np.isfinite(points_mm).all(-1).sum(axis=-1)
    in_views = np.isfinite(points_px).all(-1).sum(axis=(-2, -1))
    return np.asarray(in_space + in_views > 0)


def part_of(rig: Rig, names: Sequence[str]) -> tuple[Rig, list[int]]:
    """The cameras of these names, in this order, and their places in the whole rig; empty = all.

    Raises:
        DataError: where the rig has no camera of a name, or it is named twice.
    """
    if not names:
        return rig, list(range(len(rig)))
    places = [rig.index(name) for name in names]
    return Rig(tuple(rig[place] for place in places)), places


def completed_points(
    points_mm: NDArray[np.float64], points_px: NDArray[np.float64], rig: Rig
) -> NDArray[np.float64]:
    """3D labels, and where a joint has none the DLT of its labels in two or more views.

    Args:
        points_mm: (N, J, 3) world; NaN = none.
        points_px: (N, C, J, 2) raw pixels; NaN = none.
        rig: C cameras.
    """
    found = points_mm.copy()
    views = np.isfinite(points_px).all(-1).sum(axis=1)
    needed = np.flatnonzero(((views >= 2) & np.isnan(points_mm).any(-1)).any(axis=1))
    for first in range(0, len(needed), _CHUNK):
        rows = needed[first : first + _CHUNK]
        solved = triangulate(rig.undistort(points_px[rows]), rig.projections)
        found[rows] = np.where(np.isnan(found[rows]), solved, found[rows])
    return found


def pose_boxes(
    points_mm: NDArray[np.floating], points_px: NDArray[np.floating] | None, rig: Rig
) -> NDArray[np.float64]:
    """Boxes about poses, with a margin of 15 % of the longer side all round.

    Args:
        points_mm: (N, J, 3) world; NaN = none.
        points_px: (N, C, J, 2) raw pixels, what is in the views; used where a person has no joint
            in space.
        rig: C cameras.

    Returns:
        (N, C, 4) raw pixels, cut to the pictures; NaN where not in view.
    """
    boxes = np.empty((len(points_mm), len(rig), 4))
    for first in range(0, len(points_mm), _CHUNK):
        rows = slice(first, first + _CHUNK)
        seen = rig.project(points_mm[rows])
        if points_px is not None:
            flat = np.isfinite(points_mm[rows]).all(-1).sum(axis=-1) == 0
            seen = np.where(flat[:, None, None, None], points_px[rows], seen)
        boxes[rows] = _about(seen)
    return in_view(boxes, rig)


def _about(points_px: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., 4) box about the known ones of (..., J, 2) points, with the margin; NaN without any."""
    known = np.isfinite(points_px).all(-1, keepdims=True)
    low = np.where(known, points_px, np.inf).min(axis=-2)
    high = np.where(known, points_px, -np.inf).max(axis=-2)
    some = known.sum(axis=-2) > 0
    low, high = np.where(some, low, np.nan), np.where(some, high, np.nan)
    margin = _BOX_MARGIN * (high - low).max(axis=-1, keepdims=True)
    return np.concatenate([low - margin, high + margin], axis=-1)
