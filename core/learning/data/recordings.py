"""`PoseRecording`: synchronised views of people, with their boxes and labels, whatever the format.

A data set fills four parts, each of them compact: a rig, a table of labels, the places where
people are, and the pictures. All frames are 0-based, points in raw pixels, millimetres in the
world. Everything may be asked from several threads at once.

Trap: a *key* is (person, frame), and tables are sorted by frame, then person; a look-up packs both
into one integer and searches.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from core.geometry import Rig
    from core.skeleton import Skeleton

MIN_VISIBLE = 0.25
"""A person with less of the box inside the picture than this share is not in view."""


def packed(keys: NDArray[np.integer]) -> NDArray[np.int64]:
    """(N,) one integer for each key (person, frame), ordered by frame, then person."""
    table = np.asarray(keys, dtype=np.int64)
    return (table[:, 1] << 32) | table[:, 0]


def rows_among(index: NDArray[np.int64], keys: NDArray[np.integer]) -> NDArray[np.intp]:
    """(K,) the row of each key (person, frame) among sorted, `packed` ones; -1 = not there."""
    if not len(index):
        return np.full(len(keys), -1, dtype=np.intp)
    wanted = packed(keys)
    row = np.minimum(np.searchsorted(index, wanted), len(index) - 1)
    return np.where(index[row] == wanted, row, -1)


@dataclass(frozen=True, slots=True, eq=False)
class LabelTable:
    """The labels of one recording.

    Attributes:
        keys: (N, 2) int32 person, frame; sorted by frame, then person, each once.
        points_mm: (N, J, 3) world; NaN = no 3D label of that joint.
        label_px: (N, C, J, 2) raw pixels, C the recording's cameras; NaN = no 2D label. None where
            there are no 2D labels at all.
    """

    keys: NDArray[np.int32]
    points_mm: NDArray[np.floating]
    label_px: NDArray[np.floating] | None = None
    _packed: NDArray[np.int64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Index the keys."""
        index = packed(self.keys)
        assert (np.diff(index) > 0).all(), "keys must be sorted by frame, then person"
        object.__setattr__(self, "_packed", index)

    @classmethod
    def from_rows(
        cls,
        keys: ArrayLike,
        points_mm: NDArray[np.floating],
        label_px: NDArray[np.floating] | None = None,
    ) -> LabelTable:
        """A table of rows in any order, each key once."""
        table = np.asarray(keys, dtype=np.int32).reshape(-1, 2)
        order = np.argsort(packed(table), kind="stable")
        return cls(table[order], points_mm[order], None if label_px is None else label_px[order])

    def __len__(self) -> int:
        return len(self.keys)

    def rows_of(self, keys: NDArray[np.integer]) -> NDArray[np.intp]:
        """(K,) the row of each key; -1 where it has no label."""
        return rows_among(self._packed, keys)

    def of(self, keys: NDArray[np.integer]) -> LabelTable:
        """The labels of these keys alone; keys without a label are left out."""
        rows = np.unique(self.rows_of(keys))
        rows = rows[rows >= 0]
        views = None if self.label_px is None else self.label_px[rows]
        return LabelTable(self.keys[rows], self.points_mm[rows], views)

    def completed_by(self, others: LabelTable) -> LabelTable:
        """With the 3D labels of others for joints that have no label here, in space or in a view.

        A joint that somebody placed in one view after accepting its point was not right as it was.
        """
        index = np.union1d(self._packed, others._packed)
        keys = np.stack([index & 0xFFFFFFFF, index >> 32], axis=1).astype(np.int32)
        mine, theirs = self.rows_of(keys), others.rows_of(keys)
        points = _picked(others.points_mm, theirs)
        own = _picked(self.points_mm, mine)
        views = None if self.label_px is None else _picked(self.label_px, mine)
        if views is not None:
            placed = np.isfinite(views).all(-1).sum(axis=1) > 0  # (N, J), in any view
            points[placed] = np.nan
        return LabelTable(keys, np.where(np.isnan(own), points, own), views)


def _picked(values: NDArray[np.floating], rows: NDArray[np.intp]) -> NDArray[np.floating]:
    """The rows of these numbers; NaN for -1."""
    found = np.full((len(rows), *values.shape[1:]), np.nan)
    found[rows >= 0] = values[rows[rows >= 0]]
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Rejected:
    """Joints that somebody rejected: they never serve as pseudo-labels.

    Attributes:
        keys: (N, 2) int32 person, frame; sorted by frame, then person, each once.
        joints: (N, J) bool.
    """

    keys: NDArray[np.int32]
    joints: NDArray[np.bool_]

    def of(self, keys: NDArray[np.integer]) -> NDArray[np.bool_]:
        """(K, J) the rejected joints of each key (person, frame)."""
        rows = rows_among(packed(self.keys), keys)
        found = np.zeros((len(keys), self.joints.shape[1]), dtype=np.bool_)
        found[rows >= 0] = self.joints[rows[rows >= 0]]
        return found


class Places(Protocol):
    """Where people are in the views of a recording."""

    @property
    def keys(self) -> NDArray[np.int32]:
        """(M, 2) person, frame of all who are somewhere, sorted by frame, then person."""
        ...

    def boxes_of(self, keys: NDArray[np.integer]) -> NDArray[np.float64]:
        """(K, C, 4) x0 y0 x1 y1 in raw pixels; NaN where the person is not in view."""
        ...


class PictureSource(Protocol):
    """The pictures of a recording's cameras; `camera` is the place in its rig."""

    def read(
        self, camera: int, frame: int, size_px: tuple[int, int] | None = None
    ) -> NDArray[np.uint8]:
        """(h, w, 3) RGB, as large as stored or the nearest smaller size to `size_px` (w, h)."""
        ...

    def key(self, camera: int, frame: int) -> str:
        """What names this picture in a cache: the same text, the same picture."""
        ...

    def close(self) -> None:
        """Close all files; closing twice does nothing."""
        ...


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PoseRecording:
    """One recording of a data set, in the C cameras in use.

    Attributes:
        name: to show, and to leave it out by.
        rig: the C cameras in use.
        skeleton: J joints.
        labels: who is labelled, and how.
        accepted: pseudo-labels that somebody accepted, where a training may learn from them; they
            are no part of `labels`, so that nothing is ever evaluated on them. None = none.
        rejected: joints that never serve as pseudo-labels; None = none.
        places: who is where.
        pictures: of these C cameras.
        first_frame_number: what people call frame 0.
    """

    name: str
    rig: Rig
    skeleton: Skeleton
    labels: LabelTable
    places: Places
    pictures: PictureSource
    first_frame_number: int = 0
    accepted: LabelTable | None = None
    rejected: Rejected | None = None

    def boxes_px(self, person: int, frame: int) -> NDArray[np.float64]:
        """(C, 4) x0 y0 x1 y1 in raw pixels; NaN where the person is not in view, or not there."""
        return self.boxes_of(np.array([(person, frame)]))[0]

    def boxes_of(self, keys: NDArray[np.integer]) -> NDArray[np.float64]:
        """(K, C, 4) the boxes of many (K, 2) person, frame at once."""
        return self.places.boxes_of(keys)

    def points_mm(self, person: int, frame: int) -> NDArray[np.float64]:
        """(J, 3) the 3D label, world; NaN = none."""
        row = self._row(person, frame)
        if row < 0:
            return np.full((self.skeleton.num_joints, 3), np.nan)
        return self.labels.points_mm[row].astype(np.float64)

    def label_px(self, person: int, frame: int) -> NDArray[np.float64]:
        """(C, J, 2) the labels in the views, raw pixels; NaN = none."""
        row = self._row(person, frame)
        if row < 0 or self.labels.label_px is None:
            return np.full((len(self.rig), self.skeleton.num_joints, 2), np.nan)
        return self.labels.label_px[row].astype(np.float64)

    def rejected_joints(self, person: int, frame: int) -> NDArray[np.bool_]:
        """(J,) the joints that somebody rejected."""
        if self.rejected is None:
            return np.zeros(self.skeleton.num_joints, dtype=np.bool_)
        return self.rejected.of(np.array([(person, frame)]))[0]

    def read(
        self, camera: int, frame: int, size_px: tuple[int, int] | None = None
    ) -> NDArray[np.uint8]:
        """Decode a picture.

        Args:
            camera: place in `rig`.
            frame: 0-based.
            size_px: (width, height) wanted; None = as stored.

        Returns:
            (h, w, 3) uint8 RGB.

        Raises:
            DataError: of core.recording: there is no such picture, or it cannot be decoded.
        """
        return self.pictures.read(camera, frame, size_px)

    def picture_key(self, camera: int, frame: int) -> str:
        """What names a picture in a cache that data sets and runs may share."""
        return self.pictures.key(camera, frame)

    def close(self) -> None:
        """Close all files."""
        self.pictures.close()

    def _row(self, person: int, frame: int) -> int:
        return int(self.labels.rows_of(np.array([(person, frame)]))[0])


def in_view(boxes_px: NDArray[np.float64], rig: Rig) -> NDArray[np.float64]:
    """Boxes cut to the pictures; NaN where less than `MIN_VISIBLE` of one is inside.

    Args:
        boxes_px: (..., C, 4) x0 y0 x1 y1, raw pixels, uncut; NaN = none.
        rig: C cameras. Of one whose size is not known the whole plane counts as its picture.
    """
    low, high = np.full((len(rig), 2), -np.inf), np.full((len(rig), 2), np.inf)
    for c, camera in enumerate(rig):
        if camera.size_px is not None:
            low[c], high[c] = -0.5, np.asarray(camera.size_px) - 0.5
    cut = np.concatenate(
        [np.maximum(boxes_px[..., :2], low), np.minimum(boxes_px[..., 2:], high)], -1
    )
    sides, whole = cut[..., 2:] - cut[..., :2], boxes_px[..., 2:] - boxes_px[..., :2]
    with np.errstate(invalid="ignore"):
        inside = (sides > 0).all(-1) & (sides.prod(-1) >= MIN_VISIBLE * whole.prod(-1))
    return np.where(inside[..., None], cut, np.nan)
