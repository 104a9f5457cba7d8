"""One block of predicted frames as an immutable HDF5 file that answers one frame at once.

Rows lie in the order of their keys, ``offsets`` says where each moment's begin, and chunks hold a
few frames, so that one frame is a read of one or two chunks a column. Checksums (fletcher32) stand
on every chunk: a damaged file is refused, never read as other numbers.

Trap: HDF5 has one lock for the whole process; long reads on one thread stall the others.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, cast

import h5py
import numpy as np

from core.errors import DataError
from core.files import write_atomically
from core.project.predictions.rows import (
    AGGREGATES,
    COLUMNS,
    OPTIONAL,
    Aggregates,
    PredictionBlock,
    PredictionRows,
    RoundHeader,
    moment_keys,
)

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path
    from typing import Self

    from numpy.typing import NDArray

BLOCK_FORMAT = "trilabel.predictions.1"
_REMEDY = "Delete this file and predict again: trilabel predict PROJECT --run RUN."
_ROWS_PER_CHUNK = 32
_MAX_ROWS = 1 << 24
_MAX_CHUNK_BYTES = 1 << 27
_MAX_HEADER = 1 << 20
# What h5py raises on damaged bytes, apart from DataError (a ValueError, let through).
_H5_ERRORS = (OSError, KeyError, TypeError, RuntimeError, ValueError, OverflowError, MemoryError)


def block_name(round_number: int, block: int) -> str:
    """The file name of a block, such as ``000002-000031.h5``."""
    return f"{round_number:06}-{block:06}.h5"


def write_predictions(path: Path, header: RoundHeader, block: int, content: PredictionBlock) -> int:
    """Write a block of frames, wholly or not at all.

    Args:
        path: the final name; its folder must exist.
        header: of the round; C and J must fit the rows.
        block: which of the round's blocks it is, from 0.
        content: moments and rows.

    Returns:
        the number of rows.

    Raises:
        OSError: the disk says no; there is no file then.
    """
    for name in header.columns:
        values = getattr(content.rows, name)
        expected = (len(content.rows), *header.axes(COLUMNS[name][1]))
        assert values.shape == expected, f"{name}: {values.shape}, not {expected}"

    def fill(temporary: Path) -> None:
        with h5py.File(temporary, "w", libver="latest") as file:
            put_header(file, BLOCK_FORMAT, header)
            file.attrs["block"] = block
            put_table(file, "moments", content.moments.astype(np.int64))
            put_table(file, "offsets", content.offsets)
            put_table(file, "person", content.rows.persons.astype(np.int32))
            for name, kind in AGGREGATES.items():
                put_table(file, name, getattr(content.rows, name).astype(kind))
            for name in header.columns:
                values = getattr(content.rows, name).astype(COLUMNS[name][0], copy=False)
                put_table(file, name, values, _ROWS_PER_CHUNK)

    write_atomically(path, fill)
    return len(content.rows)


def put_header(file: h5py.File, kind: str, header: RoundHeader) -> None:
    """Say of a new file what it is."""
    file.attrs["format"] = kind
    file.attrs["header"] = json.dumps(header.to_dict(), allow_nan=False)


def put_table(file: h5py.File, name: str, values: NDArray[Any], rows_per_chunk: int = 8192) -> None:
    """Store an array by rows, packed, with checksums; an empty one has one empty chunk."""
    file.create_dataset(
        name,
        data=values,
        maxshape=(None, *values.shape[1:]),
        chunks=(max(1, min(rows_per_chunk, len(values))), *values.shape[1:]),
        compression="lzf",
        shuffle=True,
        fletcher32=True,
    )


class CheckedFile:
    """An HDF5 file of ours, open for reading, whose every failure names the file."""

    def __init__(self, path: Path, kind: str, expected: str) -> None:
        """Open it and read its header.

        Raises:
            DataError: it is missing, damaged, or none of this kind.
        """
        self.path = path
        self._expected = expected
        with self.guard():
            self._file = h5py.File(path, "r")
        try:
            with self.guard():
                if (found := self._file.attrs.get("format")) != kind:
                    self.refuse("format", kind, repr(found)[:80])
                text = str(self._file.attrs["header"])
                if len(text) > _MAX_HEADER:
                    self.refuse("header", f"up to {_MAX_HEADER} characters", str(len(text)))
                self.header = RoundHeader.from_dict(json.loads(text))
        except DataError:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file; twice does nothing."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def table(self, name: str, kind: str, axes: tuple[int, ...], num: int | None) -> h5py.Dataset:
        """A dataset (num, *axes) of a kind, its size looked at before anything is read.

        Raises:
            DataError: there is none such.
        """
        with self.guard():
            found = self._file.get(name)
            if not isinstance(found, h5py.Dataset):
                self.refuse(name, "a dataset of that name", "none")
            shape = tuple(found.shape)
            if shape[1:] != axes or (num is not None and shape[0] != num):
                self.refuse(name, f"shape {('N' if num is None else num, *axes)}", f"{shape}")
            if shape[0] > _MAX_ROWS:
                self.refuse(name, f"up to {_MAX_ROWS} rows", str(shape[0]))
            if found.dtype != np.dtype(kind):
                self.refuse(name, f"values of type {np.dtype(kind)}", str(found.dtype))
            chunk = int(np.prod(found.chunks or shape)) * found.dtype.itemsize
            if chunk > _MAX_CHUNK_BYTES:
                self.refuse(name, f"chunks up to {_MAX_CHUNK_BYTES >> 20} MB", f"{chunk >> 20} MB")
        return found

    @contextmanager
    def guard(self) -> Generator[None, None, None]:
        """Make a `DataError` of whatever h5py raises inside."""
        try:
            yield
        except DataError:
            raise
        except _H5_ERRORS as error:
            found = str(error) or type(error).__name__
            raise DataError(
                self.path, expected=self._expected, found=found, remedy=_REMEDY
            ) from error

    def refuse(self, field: str, expected: str, found: str) -> NoReturn:
        """Say what is wrong with the file."""
        raise DataError(self.path, field, expected=expected, found=found, remedy=_REMEDY)


class PredictionsFile(CheckedFile):
    """A block of predicted frames, open for reading; close it when done.

    Attributes:
        header: of its round.
        block: which of the round's blocks it is.
        moments: (M, 2) int64 (recording, frame), ascending.
        offsets: (M + 1,) where each moment's rows begin.
    """

    def __init__(self, path: Path, *, index_only: bool = False) -> None:
        """Open it; nothing but the index is read.

        Args:
            path: the file.
            index_only: the rows will not be asked for: half the time, where files are many.

        Raises:
            DataError: it is missing, damaged, or no such file.
        """
        super().__init__(path, BLOCK_FORMAT, "a file of predictions")
        try:
            self._read_index()
            self._columns = {} if index_only else self._tables()
        except DataError:
            self.close()
            raise

    def _read_index(self) -> None:
        moments = self.table("moments", "i8", (2,), None)
        offsets = self.table("offsets", "i8", (), len(moments) + 1)
        with self.guard():
            self.block = int(cast("int", self._file.attrs["block"]))
            self.moments: NDArray[np.int64] = moments[()]
            self.offsets: NDArray[np.int64] = offsets[()]
        num = int(self.offsets[-1])
        if self.offsets[0] != 0 or num < 0 or (np.diff(self.offsets) < 0).any():
            self.refuse("offsets", "ascending numbers from 0", str(self.offsets[:4]))
        if (np.diff(moment_keys(self.moments)) <= 0).any() or (self.moments < 0).any():
            self.refuse("moments", "(recording, frame) ascending", "others")
        self._person = self.table("person", "i4", (), num)
        self._small = {name: self.table(name, kind, (), num) for name, kind in AGGREGATES.items()}

    def _tables(self) -> dict[str, h5py.Dataset]:
        axes = {name: self.header.axes(COLUMNS[name][1]) for name in self.header.columns}
        return {
            name: self.table(name, COLUMNS[name][0], shape, len(self))
            for name, shape in axes.items()
        }

    def __len__(self) -> int:
        """Number of rows."""
        return int(self.offsets[-1])

    def _keys(self, low: int, high: int) -> dict[str, NDArray[Any]]:
        """Recording, frame and person of the rows low…high-1."""
        moment = np.searchsorted(self.offsets, np.arange(low, high), side="right") - 1
        return {
            "recordings": self.moments[moment, 0],
            "frames": self.moments[moment, 1],
            "persons": self._person[low:high].astype(np.int64),
        }

    def rows(self, low: int = 0, high: int | None = None) -> PredictionRows:
        """The rows low…high-1, all of them by default.

        Raises:
            DataError: the file turns out to be damaged.
        """
        high = len(self) if high is None else high
        values: dict[str, Any] = dict.fromkeys(OPTIONAL)
        with self.guard():
            values |= self._keys(low, high)
            for name, table in (self._columns | self._small).items():
                values[name] = table[low:high]
        return PredictionRows(**values)

    def at(self, recording: int, frame: int) -> PredictionRows | None:
        """The rows of a moment; None where the file is not about it.

        Raises:
            DataError: the file turns out to be damaged.
        """
        wanted = moment_keys(np.array([[recording, frame]]))[0]
        keys = moment_keys(self.moments)
        place = int(np.searchsorted(keys, wanted))
        if place == len(keys) or keys[place] != wanted:
            return None
        return self.rows(int(self.offsets[place]), int(self.offsets[place + 1]))

    def aggregates(self) -> Aggregates:
        """What a timeline shows of all rows; the rows themselves are not read.

        Raises:
            DataError: the file turns out to be damaged.
        """
        with self.guard():
            small = {name: table[()] for name, table in self._small.items()}
            return Aggregates(**self._keys(0, len(self)), **small)
