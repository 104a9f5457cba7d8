"""MATLAB files, version 5 to 7 and 7.3 (HDF5), as plain nested values.

Both become the same `Node`: a struct is a table, a cell array a list, text a str, numbers an array
with MATLAB's shape; what else there is (sparse, objects, functions) is None. Only the variables
asked for are read.

Traps. `scipy.io.loadmat` crashes the process on some damaged files (seen by fuzzing: a changed
byte in a cell array of version 5), so that version is read here, after MathWorks' "MAT-File
Format". A 7.3 file holds every matrix transposed and every cell as a reference, which may lead back
to itself. Depth, number of values and bytes are bounded in both.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import DataError
from core.formats.fields import Node, read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import h5py
    from numpy.typing import NDArray

MAX_BYTES = 1 << 30
_MAX_VALUES = 200_000
_MAX_DEPTH = 16
_EXPECTED = "a MATLAB file"
_REMEDY = "Save it again with MATLAB, or copy it again."
_HDF5_MARK = b"\x89HDF\r\n\x1a\n"

# Version 5: types of stored data, and classes of arrays.
_NUMBERS = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
_LETTERS = {1: "u1", 2: "u1", 4: "u2", 16: "u1", 17: "u2", 18: "u4"}
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHAR = 1, 2, 4
_NUMERIC_CLASSES = range(6, 16)
_HEADER_BYTES = 128


def is_mat(start: bytes) -> bool:
    """Whether a file that starts so is a MATLAB file (its header is text, also before HDF5)."""
    return start.startswith((b"MATLAB", _HDF5_MARK))


def read_mat(path: Path, names: Sequence[str]) -> Node:
    """The variables of these names that the file has, as a table.

    Raises:
        DataError: where the file is missing, damaged or larger than 1 GB.
    """
    content = read_bytes(path, MAX_BYTES)
    if _HDF5_MARK in (content[:8], content[512:520]):
        return Node(path, "", _read_hdf5(path, names))
    try:
        return Node(path, "", _Version5(content).read(names))
    except (_DamagedError, zlib.error) as error:
        found = f"damage: {error}"
        raise DataError(path, expected=_EXPECTED, found=found, remedy=_REMEDY) from error


class _DamagedError(Exception):
    """The bytes break the format's rules; the text says which."""


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise _DamagedError(message)


@dataclass(slots=True)
class _Cursor:
    """A stretch of bytes and how far it was read."""

    data: memoryview
    position: int = 0

    @property
    def left(self) -> int:
        return len(self.data) - self.position

    def take(self, count: int) -> memoryview:
        _require(0 <= count <= self.left, "the file ends within a value")
        self.position += count
        return self.data[self.position - count : self.position]


class _Version5:
    """Reads the data elements of a file: each a type, a length and its bytes."""

    def __init__(self, content: bytes) -> None:
        self._content = memoryview(content)
        self._num_values = 0
        mark = content[126:128]
        _require(mark in (b"IM", b"MI"), "no mark of MATLAB's byte order in the header")
        self._order = "<" if mark == b"IM" else ">"

    def read(self, names: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        cursor = _Cursor(self._content, _HEADER_BYTES)
        while cursor.left >= 8:
            kind, data = self._element(cursor)
            if kind == _COMPRESSED:
                kind, data = self._unpacked(data, names)
            if kind == _MATRIX:
                body = _Cursor(data)
                head = self._head(body)
                if head is not None and head.name in names:
                    found[head.name] = self._value(head, body, 0)
        return found

    def _tag(self, cursor: _Cursor) -> tuple[int, int, bool]:
        """Type, number of bytes, and whether they stand within the tag's own 8 bytes."""
        (first,) = struct.unpack(self._order + "I", cursor.take(4))
        if first >> 16:
            return first & 0xFFFF, first >> 16, True
        (count,) = struct.unpack(self._order + "I", cursor.take(4))
        return first, count, False

    def _element(self, cursor: _Cursor) -> tuple[int, memoryview]:
        kind, count, is_small = self._tag(cursor)
        _require(not is_small or count <= 4, "a small value of more than 4 bytes")
        data = cursor.take(count)
        if is_small:
            cursor.take(4 - count)
        elif kind != _COMPRESSED:
            cursor.take(min(-count % 8, cursor.left))
        return kind, data

    def _unpacked(self, data: memoryview, names: Sequence[str]) -> tuple[int, memoryview]:
        """The element within a compressed one; of a variable not asked for only the start."""
        start = zlib.decompressobj().decompress(data, 1024)
        cursor = _Cursor(memoryview(start))
        kind, count, _ = self._tag(cursor)
        head = self._head(_Cursor(cursor.take(min(count, cursor.left))))
        if kind != _MATRIX or head is None or head.name not in names:
            return 0, memoryview(b"")
        whole = zlib.decompressobj().decompress(data, MAX_BYTES)
        return self._element(_Cursor(memoryview(whole)))

    def _head(self, body: _Cursor) -> _Head | None:
        """What stands before an array's values; None for the empty array of an empty cell."""
        if not body.left:
            return None
        flags = self._numbers(body)
        dims = tuple(int(n) for n in self._numbers(body))
        _require(len(flags) > 0 and len(dims) >= 2 and min(dims) >= 0, "an array without a shape")
        _require(len(dims) <= 32, "an array of more than 32 dimensions")
        _, name = self._element(body)
        return _Head(int(flags[0]) & 0xFF, dims, bytes(name).decode("latin-1"))

    def _value(self, head: _Head, body: _Cursor, depth: int) -> Any:  # noqa: ANN401
        self._num_values += 1
        _require(self._num_values <= _MAX_VALUES and depth <= _MAX_DEPTH, "values without end")
        if head.kind in _NUMERIC_CLASSES:
            return self._shaped(self._numbers(body), head.dims)
        if head.kind == _CHAR:
            return self._text(body, head.dims)
        if head.kind == _CELL:
            self._require_room(prod(head.dims), body)
            return [self._matrix(body, depth) for _ in range(prod(head.dims))]
        return self._structs(body, prod(head.dims), depth) if head.kind == _STRUCT else None

    def _matrix(self, body: _Cursor, depth: int) -> Any:  # noqa: ANN401
        kind, data = self._element(body)
        _require(kind == _MATRIX, f"a value of type {kind} in the place of an array")
        inner = _Cursor(data)
        head = self._head(inner)
        return np.zeros((0, 0)) if head is None else self._value(head, inner, depth + 1)

    def _structs(self, body: _Cursor, count: int, depth: int) -> Any:  # noqa: ANN401
        length = self._numbers(body)
        _require(len(length) == 1 and 0 < length[0] <= 4096, "fields without names")
        size = int(length[0])
        raw = bytes(self._element(body)[1])
        parts = [raw[i : i + size] for i in range(0, len(raw), size)]
        names = [part.split(b"\0")[0].decode("latin-1") for part in parts]
        self._require_room(count * max(len(names), 1), body)
        rows = [{name: self._matrix(body, depth) for name in names} for _ in range(count)]
        return rows[0] if len(rows) == 1 else rows

    def _numbers(self, body: _Cursor) -> NDArray[Any]:
        kind, data = self._element(body)
        _require(kind in _NUMBERS, f"values of type {kind} in the place of numbers")
        stored = np.dtype(self._order + _NUMBERS[kind])
        _require(len(data) % stored.itemsize == 0, "a number cut in two")
        return np.frombuffer(data, stored).astype(stored.newbyteorder("="))

    def _text(self, body: _Cursor, dims: tuple[int, ...]) -> Any:  # noqa: ANN401
        """The text of one row, or a list of rows; letters beyond the first plane are not mended."""
        kind, data = self._element(body)
        _require(kind in _LETTERS, f"values of type {kind} in the place of text")
        stored = np.dtype(self._order + _LETTERS[kind])
        _require(len(data) % stored.itemsize == 0, "a letter cut in two")
        codes = np.frombuffer(data, stored)
        if kind == 16:
            letters = bytes(data).decode("utf-8", errors="replace")
            codes = np.array([ord(letter) for letter in letters], dtype=np.uint32)
        table = self._shaped(codes, dims).reshape(dims[0], -1)
        rows = ["".join(chr(code) if code < 0x110000 else "?" for code in row) for row in table]
        return rows[0] if len(rows) == 1 else rows

    def _shaped(self, values: NDArray[Any], dims: tuple[int, ...]) -> NDArray[Any]:
        _require(prod(dims) == len(values), f"{len(values)} values of a shape of {prod(dims)}")
        return values.reshape(dims, order="F")

    def _require_room(self, count: int, body: _Cursor) -> None:
        # Every array has a tag of 8 bytes, but for structs without fields.
        _require(count <= min(max(body.left // 8, 1), _MAX_VALUES), "more values than bytes")


@dataclass(frozen=True, slots=True)
class _Head:
    kind: int
    dims: tuple[int, ...]
    name: str


def _read_hdf5(path: Path, names: Sequence[str]) -> dict[str, Any]:
    from core.formats.hdf5 import open_h5

    with open_h5(path, _EXPECTED, _REMEDY) as file:
        reader = _Hdf5Reader(file)
        return {name: reader.plain(file[name], 0) for name in names if name in file}


class _Hdf5Reader:
    """Follows references, and counts what it has read."""

    def __init__(self, file: h5py.File) -> None:
        self._file = file
        self._num_values = 0

    def plain(self, item: Any, depth: int) -> Any:  # noqa: ANN401  (whatever MATLAB holds)
        import h5py

        self._num_values += 1
        if depth > _MAX_DEPTH or self._num_values > _MAX_VALUES:
            message = "values nested too deeply, or in a circle"
            raise ValueError(message)
        if isinstance(item, h5py.Group):
            return {str(key): self.plain(item[key], depth + 1) for key in item}
        if not isinstance(item, h5py.Dataset) or item.size is None:
            return None
        if item.nbytes > MAX_BYTES:
            message = f"{item.name} of {item.nbytes >> 20} MB"
            raise ValueError(message)
        if item.attrs.get("MATLAB_empty", 0):
            return np.zeros((0, 0))
        if item.dtype == h5py.ref_dtype:
            return list(self._cells(np.asarray(item[()]), depth))
        values = np.asarray(item[()]).T
        if item.attrs.get("MATLAB_class", b"") in (b"char", "char"):
            return "".join(map(chr, values.reshape(-1).tolist()))
        return values

    def _cells(self, references: NDArray[Any], depth: int) -> Iterator[Any]:
        # h5py's axes are MATLAB's reversed: C order here is MATLAB's column order.
        for reference in references.reshape(-1):
            yield self.plain(self._file[reference], depth + 1)
