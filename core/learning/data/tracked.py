"""Places of people: from ground tracks, from several tellers in turn, and where pictures are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from core.geometry import Rig
from core.learning.data.recordings import in_view, packed, rows_among
from core.people import cylinder_boxes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from core.learning.data.recordings import Places
    from core.people import GroundTracks


class TrackBoxes:
    """Cylinders on the ground locations, projected when asked for.

    Args:
        tracks: rows are sorted by frame, then person, as keys are.
        rig: C cameras.
        height_mm: of the cylinders.
        radius_mm: of the cylinders.
    """

    def __init__(self, tracks: GroundTracks, rig: Rig, height_mm: float, radius_mm: float) -> None:
        self.keys = np.stack([tracks.row_persons, tracks.row_frames], axis=1)
        self._packed = packed(self.keys)
        self._ground_mm = tracks.row_ground_mm
        self._rig = rig
        self._uncut = Rig(tuple(replace(camera, size_px=None) for camera in rig))
        self._size_mm = (height_mm, radius_mm)

    def boxes_of(self, keys: NDArray[np.integer]) -> NDArray[np.float64]:
        """(K, C, 4) boxes cut to the pictures; NaN without a location, and where not in view."""
        boxes = np.full((len(keys), len(self._rig), 4), np.nan)
        row = rows_among(self._packed, keys)
        known = row >= 0
        ground = np.zeros((int(known.sum()), 3))
        ground[:, :2] = self._ground_mm[row[known]]
        boxes[known] = in_view(cylinder_boxes(ground, self._uncut, *self._size_mm), self._rig)
        return boxes


class CombinedPlaces:
    """Each key's boxes from the first of several that has it."""

    def __init__(self, parts: Sequence[Places]) -> None:
        """Take the parts, the best first."""
        self._parts = [part for part in parts if len(part.keys)] or list(parts[:1])
        self._index = [packed(part.keys) for part in self._parts]
        if len(self._parts) == 1:
            self.keys = self._parts[0].keys
        else:
            union = np.unique(np.concatenate(self._index))
            self.keys = np.stack([union & 0xFFFFFFFF, union >> 32], axis=1).astype(np.int32)

    def boxes_of(self, keys: NDArray[np.integer]) -> NDArray[np.float64]:
        """(K, C, 4); NaN for a key that none has."""
        boxes = self._parts[0].boxes_of(keys)
        open_rows = np.flatnonzero(rows_among(self._index[0], keys) < 0)
        for part, index in zip(self._parts[1:], self._index[1:], strict=True):
            if not len(open_rows):
                break
            boxes[open_rows] = part.boxes_of(keys[open_rows])
            open_rows = open_rows[rows_among(index, keys[open_rows]) < 0]
        return boxes


class PicturedPlaces:
    """Places in the cameras that have pictures at all; in the others nobody is in view.

    Where no camera has any, all count: labels can be compared without pictures.

    Args:
        places: of C cameras.
        pictured: (C,) whether a camera has pictures.
    """

    def __init__(self, places: Places, pictured: Sequence[bool]) -> None:
        self._places = places
        self._blank = ~np.asarray(pictured, dtype=bool) & any(pictured)

    @property
    def keys(self) -> NDArray[np.int32]:
        """(M, 2) person, frame."""
        return self._places.keys

    def boxes_of(self, keys: NDArray[np.integer]) -> NDArray[np.float64]:
        """(K, C, 4); NaN in cameras without pictures."""
        boxes = self._places.boxes_of(keys)
        boxes[:, self._blank] = np.nan
        return boxes
