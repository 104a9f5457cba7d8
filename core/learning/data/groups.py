"""Groups: one person at one frame in all views, the samples of everything that is learned.

A match of 67,000 frames has 0.8 million of them, so lists of groups are integer arrays that make a
`Group` only where one is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True, order=True)
class Group:
    """One person at one frame.

    Attributes:
        recording: index into `PoseData.recordings`.
        person: id.
        frame: 0-based, of that recording.
    """

    recording: int
    person: int
    frame: int


class GroupList(Sequence[Group]):
    """Groups as a sequence, kept as 12 bytes each; a slice or an index array gives a `GroupList`.

    Attributes:
        rows: (N, 3) int32: recording, person, frame; not writable.
    """

    __slots__ = ("rows",)

    def __init__(self, rows: ArrayLike | None = None) -> None:
        """Take (N, 3) whole numbers; none by default."""
        empty = np.zeros((0, 3), dtype=np.int32)
        table = empty if rows is None else np.array(rows, dtype=np.int32).reshape(-1, 3)
        table.setflags(write=False)
        self.rows: NDArray[np.int32] = table

    @classmethod
    def of(cls, groups: Iterable[Group]) -> GroupList:
        """The list of these groups."""
        return cls([(group.recording, group.person, group.frame) for group in groups])

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Group: ...
    @overload
    def __getitem__(self, index: slice) -> GroupList: ...
    def __getitem__(self, index: int | slice) -> Group | GroupList:
        if isinstance(index, slice):
            return GroupList(self.rows[index])
        recording, person, frame = self.rows[index].tolist()
        return Group(recording, person, frame)

    def __iter__(self) -> Iterator[Group]:
        for row in self.rows:
            yield Group(*row.tolist())

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, Group):
            return False
        wanted = (value.recording, value.person, value.frame)
        return bool((self.rows == wanted).all(axis=1).any())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GroupList) and np.array_equal(self.rows, other.rows)

    def __hash__(self) -> int:
        return hash(self.rows.tobytes())

    def __repr__(self) -> str:
        return f"GroupList({len(self)} groups)"

    def take(self, indices: ArrayLike) -> GroupList:
        """The groups at these positions, or where this (N,) mask is true."""
        chosen = np.asarray(indices)
        return GroupList(self.rows[chosen if chosen.size else chosen.astype(np.intp)])

    def __add__(self, other: GroupList) -> GroupList:
        """These groups, then those."""
        return GroupList(np.concatenate([self.rows, other.rows]))
