"""A finished round on one page: which file answers each moment, and what a timeline shows.

Derived from the round's blocks and written when the last of them is, so that 67,000 frames open by
reading one file of some megabytes. Where it is lost or damaged, the blocks tell the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from core.files import write_atomically
from core.project.predictions.file import CheckedFile, PredictionsFile, put_header, put_table
from core.project.predictions.rows import AGGREGATES, Aggregates, RoundHeader, moment_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

INDEX_FORMAT = "trilabel.predictions-index.1"


def index_name(round_number: int) -> str:
    """The file name of a round's index, such as ``000002-index.h5``."""
    return f"{round_number:06}-index.h5"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BlockIndex:
    """What the index needs to know of one block: its number, moments and aggregates."""

    block: int
    moments: NDArray[np.int64]
    aggregates: Aggregates


@dataclass(frozen=True, kw_only=True, eq=False)
class RoundIndex:
    """The moments of a round and the aggregates of its rows, in the order of their keys.

    Attributes:
        header: of the round.
        keys: (M,) int64, `moment_keys` of the moments, ascending.
        blocks: (M,) int32, the block that answers each.
        aggregates: of all N rows.
    """

    header: RoundHeader
    keys: NDArray[np.int64]
    blocks: NDArray[np.int32]
    aggregates: Aggregates

    @cached_property
    def persons(self) -> tuple[int, ...]:
        """Whom it is about, ascending."""
        return tuple(np.unique(self.aggregates.persons).tolist())

    @classmethod
    def of(cls, header: RoundHeader, parts: Sequence[BlockIndex]) -> RoundIndex:
        """The index of some blocks, at least one."""
        keys = np.concatenate([moment_keys(part.moments) for part in parts])
        blocks = np.repeat(
            np.array([part.block for part in parts], dtype=np.int32),
            [len(part.moments) for part in parts],
        )
        order = np.argsort(keys, kind="stable")
        rows = Aggregates.concatenate([part.aggregates for part in parts])
        if len(parts) > 1:
            rows = rows.select(np.argsort(row_moments(rows), kind="stable"))
        return cls(header=header, keys=keys[order], blocks=blocks[order], aggregates=rows)

    def with_blocks(self, parts: Sequence[BlockIndex]) -> RoundIndex:
        """The index once these blocks of the same round are there, too; at least one."""
        more = RoundIndex.of(self.header, parts)
        keys = np.concatenate([self.keys, more.keys])
        order = np.argsort(keys, kind="stable")
        rows = Aggregates.concatenate([self.aggregates, more.aggregates])
        return RoundIndex(
            header=self.header,
            keys=keys[order],
            blocks=np.concatenate([self.blocks, more.blocks])[order],
            aggregates=rows.select(np.argsort(row_moments(rows), kind="stable")),
        )


def row_moments(rows: Aggregates) -> NDArray[np.int64]:
    """(N,) the moment key of each row."""
    return moment_keys(np.stack([rows.recordings, rows.frames], axis=1))


def read_block_index(path: Path) -> tuple[RoundHeader, BlockIndex]:
    """What the index needs to know of a block's file, and its round.

    Raises:
        DataError: it is missing, damaged, or no file of predictions.
    """
    with PredictionsFile(path, index_only=True) as file:
        part = BlockIndex(block=file.block, moments=file.moments, aggregates=file.aggregates())
        return file.header, part


def finish_round(folder: Path, files: Iterable[str]) -> RoundIndex:
    """Write the index of a round whose blocks are all there.

    Args:
        folder: the run's predictions.
        files: names of the round's blocks, at least one.

    Raises:
        DataError: a block cannot be read.
    """
    found = [read_block_index(folder / name) for name in files]
    header = found[0][0]
    index = RoundIndex.of(header, [part for _, part in found])
    write_index(folder / index_name(header.round), index)
    return index


def write_index(path: Path, index: RoundIndex) -> None:
    """Write a round's index, wholly or not at all."""

    def fill(temporary: Path) -> None:
        rows = index.aggregates
        starts = np.searchsorted(row_moments(rows), index.keys)
        with h5py.File(temporary, "w", libver="latest") as file:
            put_header(file, INDEX_FORMAT, index.header)
            put_table(file, "keys", index.keys)
            put_table(file, "blocks", index.blocks)
            counts = np.diff(np.append(starts, len(rows))).astype(np.int32)
            put_table(file, "num_rows", counts)
            put_table(file, "person", rows.persons.astype(np.int32))
            for name, kind in AGGREGATES.items():
                put_table(file, name, getattr(rows, name).astype(kind))

    write_atomically(path, fill)


class _IndexFile(CheckedFile):
    def __init__(self, path: Path) -> None:
        super().__init__(path, INDEX_FORMAT, "the index of a round of predictions")

    def read(self) -> RoundIndex:
        keys = self._all("keys", "i8", None)
        blocks = self._all("blocks", "i4", len(keys))
        counts = self._all("num_rows", "i4", len(keys))
        if (np.diff(keys) <= 0).any() or (counts < 0).any():
            self.refuse("keys", "ascending moments", "others")
        num = int(counts.sum(dtype=np.int64))
        moments = np.repeat(keys, counts)
        return RoundIndex(
            header=self.header,
            keys=keys,
            blocks=blocks,
            aggregates=Aggregates(
                recordings=moments >> 32,
                frames=moments & 0xFFFFFFFF,
                persons=self._all("person", "i4", num).astype(np.int64),
                **{name: self._all(name, kind, num) for name, kind in AGGREGATES.items()},
            ),
        )

    def _all(self, name: str, kind: str, num: int | None) -> NDArray[Any]:
        table = self.table(name, kind, (), num)
        with self.guard():
            return np.asarray(table[()])


def read_index(path: Path) -> RoundIndex:
    """The index that `write_index` stored.

    Raises:
        DataError: it is missing, damaged, or no index.
    """
    with _IndexFile(path) as file:
        return file.read()
