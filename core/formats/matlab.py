"""MATLAB files, version 5 to 7 (scipy) and 7.3 (HDF5), as plain nested values.

Both become the same `Node`: a struct is a table, a cell array a list, text a str, numbers an array
with MATLAB's shape. Only the variables asked for are read.

Traps. Damaged files make scipy raise nearly anything. A 7.3 file holds every matrix transposed and
every cell as a reference, which may lead back to itself: depth and number of values are bounded.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import scipy.io
from scipy.io.matlab import MatReadError

from core.errors import DataError
from core.formats.fields import Node, read_bytes
from core.formats.hdf5 import open_h5

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MAX_BYTES = 1 << 30
_MAX_VALUES = 200_000
_MAX_DEPTH = 16
_EXPECTED = "a MATLAB file"
_REMEDY = "Save it again with MATLAB, or copy it again."
# What scipy.io.loadmat raises, or warns of, on damaged files, found by fuzzing.
_SCIPY_ERRORS = (
    Warning,
    MatReadError,
    NotImplementedError,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    MemoryError,
    RecursionError,
    SystemError,
    UnboundLocalError,
    struct.error,
    zlib.error,
)


def is_mat(start: bytes) -> bool:
    """Whether a file that starts so is a MATLAB file (its header is text, also before HDF5)."""
    return start.startswith((b"MATLAB", b"\x89HDF"))


def read_mat(path: Path, names: Sequence[str]) -> Node:
    """The variables of these names that the file has, as a table.

    Raises:
        DataError: where the file is missing, damaged or larger than 1 GB.
    """
    start = read_bytes(path, MAX_BYTES)[:520]
    is_hdf5 = b"\x89HDF\r\n\x1a\n" in (start[:8], start[512:520])
    return Node(path, "", _read_hdf5(path, names) if is_hdf5 else _read_scipy(path, names))


def _read_scipy(path: Path, names: Sequence[str]) -> dict[str, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            content = scipy.io.loadmat(path, variable_names=list(names), chars_as_strings=True)
        return {name: _plain(content[name], 0) for name in names if name in content}
    except _SCIPY_ERRORS as error:
        found = f"damage ({type(error).__name__}: {error})"
        raise DataError(path, expected=_EXPECTED, found=found, remedy=_REMEDY) from error


def _plain(value: Any, depth: int) -> Any:  # noqa: ANN401  (whatever MATLAB holds)
    """Arrays of arrays from scipy without the arrays that only hold one thing."""
    if depth > _MAX_DEPTH or not isinstance(value, np.ndarray):
        return value if isinstance(value, str | int | float) else None
    if value.dtype.names is not None:
        rows = [
            {name: _plain(row[name], depth + 1) for name in value.dtype.names} for row in value.flat
        ]
        return rows[0] if len(rows) == 1 else rows
    if value.dtype == object:
        return [_plain(item, depth + 1) for item in value.flat]
    if value.dtype.kind == "U":
        return str(value.flat[0]) if value.size == 1 else [str(item) for item in value.flat]
    return value


def _read_hdf5(path: Path, names: Sequence[str]) -> dict[str, Any]:
    with open_h5(path, _EXPECTED, _REMEDY) as file:
        reader = _Hdf5Reader(file)
        return {name: reader.plain(file[name], 0) for name in names if name in file}


class _Hdf5Reader:
    """Follows references, and counts what it has read."""

    def __init__(self, file: h5py.File) -> None:
        self._file = file
        self._num_values = 0

    def plain(self, item: Any, depth: int) -> Any:  # noqa: ANN401
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
            references = np.asarray(item[()]).T.reshape(-1)
            return [self.plain(self._file[reference], depth + 1) for reference in references]
        values = np.asarray(item[()]).T
        if item.attrs.get("MATLAB_class", b"") in (b"char", "char"):
            return "".join(map(chr, values.reshape(-1).tolist()))
        return values
