"""Where every person stands, frame by frame: compact arrays, made for whole matches.

12 people over 67,000 frames are 0.8 million rows; a dictionary of them takes seconds to build and
hundreds of megabytes, these arrays 20 MB. Rows are keyed by (frame, person) and sorted so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

MAX_FRAME = 2**31 - 1


@dataclass(frozen=True, eq=False)
class GroundTracks:
    """Ground locations (x, y, 0) of people; make one with `from_rows`.

    Attributes:
        persons: P person ids, ascending.
        names: P names to show, in the order of `persons`.
        row_frames: (N,) int32, 0-based, ascending.
        row_persons: (N,) int32, ascending within a frame, each at most once.
        row_ground_mm: (N, 2) float64, world x and y.
    """

    persons: tuple[int, ...]
    names: tuple[str, ...]
    row_frames: NDArray[np.int32] = field(repr=False)
    row_persons: NDArray[np.int32] = field(repr=False)
    row_ground_mm: NDArray[np.float64] = field(repr=False)

    @classmethod
    def from_rows(
        cls,
        persons: ArrayLike,
        frames: ArrayLike,
        ground_mm: ArrayLike,
        *,
        names: Mapping[int, str] | None = None,
        source: str = "tracks",
    ) -> GroundTracks:
        """Tracks from rows in any order.

        Args:
            persons: (N,) person ids, 0 or more.
            frames: (N,) 0-based frames.
            ground_mm: (N, 2) or (N, 3), world; a third column is ignored. A row with a NaN is a
                frame where the place is not known, and is left out.
            names: what to call them; the id where missing. A named person without a row is kept.
            source: named in errors.

        Raises:
            DataError: where shapes disagree, a value is out of range or infinite, or a person is
                twice at one frame.
        """
        row_persons = _integers(persons, "person", source)
        row_frames = _integers(frames, "frame", source)
        ground = np.asarray(ground_mm, dtype=np.float64)
        if ground.ndim != 2 or ground.shape[1] not in (2, 3):
            ground = _reshape_empty(ground, source)
        if not len(row_persons) == len(row_frames) == len(ground):
            raise DataError(
                source,
                "rows",
                expected="as many persons as frames and locations",
                found=f"{len(row_persons)}, {len(row_frames)} and {len(ground)}",
                remedy="Give every location its person and frame.",
            )
        ground = ground[:, :2]
        if np.isinf(ground).any():
            raise DataError(
                source,
                "location",
                expected="finite millimetres, or NaN for unknown",
                found="infinity",
                remedy="Remove the row, or write NaN.",
            )
        known = ~np.isnan(ground).any(axis=1)
        row_persons, row_frames, ground = row_persons[known], row_frames[known], ground[known]
        order = np.lexsort((row_persons, row_frames))
        row_persons, row_frames, ground = row_persons[order], row_frames[order], ground[order]
        _refuse_twice(row_persons, row_frames, source)
        titles = dict(names or {})
        ids = tuple(sorted({int(p) for p in np.unique(row_persons)} | set(titles)))
        for array in (row_frames, row_persons, ground):
            array.setflags(write=False)
        return cls(ids, tuple(titles.get(p, str(p)) for p in ids), row_frames, row_persons, ground)

    def __len__(self) -> int:
        """Number of rows: known locations."""
        return len(self.row_frames)

    @property
    def num_frames(self) -> int:
        """One more than the last frame with a location; 0 without any."""
        return int(self.row_frames[-1]) + 1 if len(self.row_frames) else 0

    def rows(self, first: int, stop: int) -> slice:
        """The rows of the frames first…stop-1."""
        # Of the same type, or numpy converts all rows first.
        limits = np.array((first, stop), dtype=self.row_frames.dtype)
        low, high = np.searchsorted(self.row_frames, limits)
        return slice(int(low), int(high))

    def at(self, frame: int) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Who is where at a frame: ids (P,) ascending, and locations (P, 3) mm with z = 0."""
        rows = self.rows(frame, frame + 1)
        ground = np.zeros((rows.stop - rows.start, 3))
        ground[:, :2] = self.row_ground_mm[rows]
        return self.row_persons[rows], ground

    def frames_of(self, person: int) -> NDArray[np.int32]:
        """(N,) frames at which the person has a location, ascending; empty for a stranger."""
        return self.row_frames[self._rows_of(person)]

    def path_of(self, person: int) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """The person's frames (N,), ascending, and locations (N, 3) mm with z = 0."""
        rows = self._rows_of(person)
        ground = np.zeros((len(rows), 3))
        ground[:, :2] = self.row_ground_mm[rows]
        return self.row_frames[rows], ground

    def _rows_of(self, person: int) -> NDArray[np.intp]:
        order, sorted_persons = self._by_person
        low, high = np.searchsorted(sorted_persons, (person, person + 1))
        return order[low:high]

    @cached_property
    def _by_person(self) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
        order = np.argsort(self.row_persons, kind="stable")
        return order, self.row_persons[order]


def _integers(values: ArrayLike, name: str, source: str) -> NDArray[np.int32]:
    array = np.asarray(values)
    if array.size == 0:
        return np.zeros(0, dtype=np.int32)
    wrong = ""
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        wrong = f"an array of {array.dtype}, shape {array.shape}"
    elif not np.isfinite(array).all() or (array != np.floor(array)).any():
        wrong = "numbers that are not whole"
    elif array.min() < 0 or array.max() > MAX_FRAME:
        wrong = f"values from {array.min()} to {array.max()}"
    if wrong:
        raise DataError(
            source,
            name,
            expected=f"a list of whole numbers from 0 to {MAX_FRAME}",
            found=wrong,
            remedy="Correct these values.",
        )
    return array.astype(np.int32)


def _reshape_empty(ground: NDArray[np.float64], source: str) -> NDArray[np.float64]:
    if ground.size == 0:
        return np.zeros((0, 2))
    raise DataError(
        source,
        "location",
        expected="x and y (and z) of every row",
        found=f"shape {ground.shape}",
        remedy="Give each row two or three coordinates.",
    )


def _refuse_twice(persons: NDArray[np.int32], frames: NDArray[np.int32], source: str) -> None:
    same = np.flatnonzero((np.diff(persons) == 0) & (np.diff(frames) == 0))
    if len(same):
        raise DataError(
            source,
            f"person {persons[same[0]]}, frame {frames[same[0]]}",
            expected="a person at one place per frame",
            found="two locations",
            remedy="Remove one of the two rows.",
        )
