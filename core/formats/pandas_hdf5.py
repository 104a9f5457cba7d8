"""The HDF5 files of pandas, read without pandas: tables of numbers with several header rows.

pandas has two layouts: ``fixed`` stores levels and codes of the columns as datasets, ``table``
stores them pickled in an attribute (see `core.formats.plain_pickle`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from core.errors import DataError
from core.formats.hdf5 import h5_array, open_h5
from core.formats.plain_pickle import load_plain

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

Header = tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class NumberTable:
    """A table of R rows and K columns.

    Attributes:
        columns: K headers, each as long as there are header rows.
        index: R row names; the parts of a name that has several are joined by ``/``.
        values: (R, K).
    """

    columns: list[Header]
    index: list[str]
    values: NDArray[np.float64]


def read_table(path: Path, remedy: str) -> NumberTable:
    """The one data frame in the file.

    Raises:
        DataError: where there is none or several, or its layout is not one of pandas' two.
    """
    with open_h5(path, "an HDF5 file of pandas", remedy) as file:
        groups = [g for g in file.values() if isinstance(g, h5py.Group) and _is_frame(g)]
        if len(groups) != 1:
            raise DataError(
                path,
                expected="one data frame of pandas",
                found=f"{len(groups)}, among {', '.join(list(file)[:8]) or 'nothing'}",
                remedy=remedy,
            )
        reader = _Reader(path, groups[0], remedy)
        return reader.table() if "table" in groups[0] else reader.fixed()


def _is_frame(group: h5py.Group) -> bool:
    return _text(group.attrs.get("pandas_type", b"")) in ("frame", "frame_table")


class _Reader:
    """One data frame's group."""

    def __init__(self, path: Path, group: h5py.Group, remedy: str) -> None:
        self.path, self.group, self.remedy = path, group, remedy

    def _refusal(self, field: str, expected: str, found: str) -> DataError:
        return DataError(self.path, field, expected=expected, found=found, remedy=self.remedy)

    def table(self) -> NumberTable:
        """format="table": one compound dataset, headers pickled."""
        group = self.group["table"]
        if not isinstance(group, h5py.Group | h5py.Dataset):
            raise self._refusal("table", "a dataset", type(group).__name__)
        rows = h5_array(self.group, "table", self.remedy)
        fields = rows.dtype.names or ()
        names = [name for name in fields if name.startswith("values_block_")]
        if "index" not in fields or not names or rows.ndim != 1:
            raise self._refusal("table", "index and values_block_0", ", ".join(fields))
        axes = self._pickled(self.group, "non_index_axes")
        if not (isinstance(axes, list) and len(axes) == 1 and isinstance(axes[0], tuple)):
            raise self._refusal("non_index_axes", "one list of columns", type(axes).__name__)
        blocks = {
            name: (
                self._headers(self._pickled(group, f"{name}_kind"), name),
                rows[name].reshape(len(rows), int(np.prod(rows[name].shape[1:]))),
            )
            for name in names
        }
        columns = self._headers(axes[0][-1], "non_index_axes")
        index = [_text(value) for value in rows["index"].tolist()]
        return self._joined(columns, index, blocks)

    def fixed(self) -> NumberTable:
        """format="fixed": levels and codes as datasets."""
        count = self.group.attrs.get("nblocks", 0)
        blocks = {
            f"block{b}_values": (
                self._axis(f"block{b}_items"),
                h5_array(self.group, f"block{b}_values", self.remedy),
            )
            for b in range(min(int(count), 64))
        }
        index = ["/".join(entry) for entry in self._axis("axis1")]
        return self._joined(self._axis("axis0"), index, blocks)

    def _joined(
        self,
        columns: list[Header],
        index: list[str],
        blocks: dict[str, tuple[list[Header], NDArray[Any]]],
    ) -> NumberTable:
        """One array from pandas' blocks of columns of one type."""
        place = {header: i for i, header in enumerate(columns)}
        values = np.full((len(index), len(columns)), np.nan)
        for field, (headers, block) in blocks.items():
            if block.shape != (len(index), len(headers)) or block.dtype.kind not in "fiu":
                expected = f"{len(index)} rows of {len(headers)} numbers"
                raise self._refusal(field, expected, f"{block.dtype}, shape {block.shape}")
            strange = [header for header in headers if header not in place]
            if strange:
                raise self._refusal(field, "columns of the header", str(strange[0]))
            values[:, [place[header] for header in headers]] = block
        return NumberTable(columns, index, values)

    def _pickled(self, item: h5py.Group | h5py.Dataset, field: str) -> object:
        data = item.attrs.get(field)
        if not isinstance(data, bytes):
            raise self._refusal(field, "a header written by pandas", type(data).__name__)
        try:
            return load_plain(bytes(data))
        except ValueError as error:
            raise self._refusal(field, "a header of plain text", str(error)) from error

    def _headers(self, items: object, field: str) -> list[Header]:
        if not isinstance(items, list) or not all(isinstance(item, tuple) for item in items):
            raise self._refusal(field, "columns with several header rows", type(items).__name__)
        return [tuple(map(_text, item)) for item in items]

    def _axis(self, name: str) -> list[Header]:
        """The entries of an index with one or several levels."""
        if f"{name}_level0" not in self.group:
            return [(_text(value),) for value in self._list(name)]
        levels: list[list[str]] = []
        while f"{name}_level{len(levels)}" in self.group:
            number = len(levels)
            values = [_text(value) for value in self._list(f"{name}_level{number}")]
            codes = h5_array(self.group, f"{name}_label{number}", self.remedy)
            outside = codes.dtype.kind not in "iu" or codes.ndim != 1
            if outside or (codes.size and (codes.min() < 0 or codes.max() >= len(values))):
                raise self._refusal(f"{name}_label{number}", f"0 to {len(values) - 1}", "others")
            levels.append([values[code] for code in codes.tolist()])
        if len({len(level) for level in levels}) != 1:
            raise self._refusal(name, "levels of equal length", "others")
        return list(zip(*levels, strict=True))

    def _list(self, name: str) -> list[Any]:
        return h5_array(self.group, name, self.remedy).ravel().tolist()


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
