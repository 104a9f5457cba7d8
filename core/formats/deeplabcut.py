"""DeepLabCut and Lightning Pose: CSV with header rows, and the pandas HDF5 file beside it.

The header says, column by column, scorer, (individual), bodypart and x, y or likelihood; which of
these rows exist varies with the tool's version, so they are known by their first cell. In the
unlabelled index column stands the frame, or in labelled data the picture's path.
"""

from __future__ import annotations

import csv
import io
from array import array
from typing import TYPE_CHECKING

import numpy as np

from core.errors import DataError
from core.files import write_text_atomically
from core.formats.detections import MAX_JOINTS, CameraDetections, collect
from core.formats.frame_names import infer_first_number, numbers_from_names
from core.formats.pandas_hdf5 import read_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_HEADERS = ("scorer", "individuals", "bodyparts", "coords")
_COORDINATES = ("x", "y", "likelihood")
_REMEDY = "Export the predictions as CSV again (DeepLabCut: save_as_csv=True)."
MAX_CELLS = 1 << 29


def read_deeplabcut(
    path: Path,
    *,
    camera: str | None = None,
    first_number: int | None = None,
    joints: Sequence[str] | None = None,
) -> CameraDetections:
    """Read one camera's CSV or HDF5; individuals become identities in the order of the columns.

    Rows are counted from 0, as DeepLabCut does, also where they are pictures it extracted. A file
    without likelihoods is one of labels, and taken as placed by hand.

    Raises:
        DataError: where the header rows or a cell are not DeepLabCut's.
    """
    if path.suffix.lower() in (".h5", ".hdf5"):
        table = read_table(path, _REMEDY)
        columns, index, values = _named(path, table.columns), table.index, table.values
    else:
        columns, index, values = _read_csv(path)
    layout = _Layout(path, columns)
    numbers, from_pictures = _numbers(path, index)
    if first_number is None:
        # DeepLabCut names its pictures by the 0-based frame, so 1 is as good as any other.
        first_number = 0 if from_pictures else infer_first_number(numbers, from_pictures=False)
    count = len(layout.individuals)
    # values gets a NaN column at the end, for what an individual does not have
    padded = np.concatenate([values, np.full((len(values), 1), np.nan)], axis=1)
    cells = padded[:, layout.places].reshape(len(values) * count, len(layout.bodyparts), 3)
    return collect(
        path,
        numbers=np.repeat(np.asarray(numbers, dtype=np.int64), count),
        points_px=cells[..., :2],
        confidence=cells[..., 2],
        first_number=first_number,
        absent_at_zero=False,
        identity=np.tile(np.arange(count) if layout.is_named else np.full(1, -1), len(values)),
        identity_names=layout.individuals if layout.is_named else (),
        hand=not layout.has_likelihood,
        camera=camera,
        joints=layout.bodyparts if joints is None else joints,
    )


def write_deeplabcut(
    path: Path,
    *,
    camera: str,
    scorer: str,
    joints: Sequence[str],
    frames: NDArray[np.int64],
    persons: NDArray[np.int64],
    points_px: NDArray[np.float64],
) -> None:
    """Write the labels of one camera as DeepLabCut's ``CollectedData`` CSV for several animals.

    Rows are named ``labeled-data/<camera>/img000000.png``, from 0 as DeepLabCut does. Occlusion has
    no place in the format. An existing file is replaced.

    Args:
        path: the file.
        camera: its name.
        scorer: who labelled.
        joints: J names.
        frames: (N,) 0-based, ascending.
        persons: (N,) ids, which become the names of the individuals.
        points_px: (N, J, 2) raw pixels; NaN = not labelled.
    """
    people = np.unique(persons)
    moments, row = np.unique(frames, return_inverse=True)
    cells = np.full((len(moments), len(people), len(joints), 2), np.nan)
    cells[row, np.searchsorted(people, persons)] = points_px
    keys = [(str(p), joint, axis) for p in people.tolist() for joint in joints for axis in "xy"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["scorer", "", ""] + [scorer] * len(keys))
    for place, name in enumerate(_HEADERS[1:]):
        writer.writerow([name, "", ""] + [key[place] for key in keys])
    for frame, values in zip(moments.tolist(), cells.reshape(len(moments), -1), strict=True):
        shown = ["" if np.isnan(value) else repr(float(value)) for value in values]
        writer.writerow(["labeled-data", camera, f"img{frame:06d}.png", *shown])
    write_text_atomically(path, text.getvalue())


def _named(path: Path, columns: list[tuple[str, ...]]) -> list[dict[str, str]]:
    """The header rows by name: their order is fixed, their names are not always stored."""
    by_count = {2: _HEADERS[2:], 3: (_HEADERS[0], *_HEADERS[2:]), 4: _HEADERS}
    count = len(columns[0]) if columns else 0
    if count not in by_count or any(len(column) != count for column in columns):
        _refuse(path, "columns", "2, 3 or 4 header rows", str(count))
    return [dict(zip(by_count[count], column, strict=True)) for column in columns]


class _Layout:
    """Which column is which coordinate of whose bodypart.

    Attributes:
        individuals: I names; one empty name for a single animal.
        bodyparts: J names.
        is_named: whether the individuals are certain ones.
        places: (I, J, 3) column of x, y and likelihood; -1 = none.
    """

    def __init__(self, path: Path, columns: list[dict[str, str]]) -> None:
        keys = [
            (c.get("individuals", ""), c.get("bodyparts", ""), c.get("coords", "").lower())
            for c in columns
        ]
        self.individuals = tuple(dict.fromkeys(k[0] for k in keys))
        self.bodyparts = tuple(dict.fromkeys(k[1] for k in keys))
        # A project for one animal calls it "single", or nothing.
        self.is_named = len(self.individuals) > 1 or self.individuals not in (("",), ("single",))
        self.has_likelihood = any(k[2] == "likelihood" for k in keys)
        size = len(self.individuals) * len(self.bodyparts)
        if not 0 < len(self.bodyparts) <= MAX_JOINTS or size > MAX_CELLS // 64:
            _refuse(path, "bodyparts", f"1 to {MAX_JOINTS} bodyparts", str(len(self.bodyparts)))
        self.places = np.full((len(self.individuals), len(self.bodyparts), 3), -1)
        who = {name: i for i, name in enumerate(self.individuals)}
        what = {name: i for i, name in enumerate(self.bodyparts)}
        for column, (individual, bodypart, coordinate) in enumerate(keys):
            if coordinate not in _COORDINATES or not bodypart:
                found = repr(coordinate or bodypart)
                _refuse(path, f"column {column + 1}", "a bodypart's x, y or likelihood", found)
            place = (who[individual], what[bodypart], _COORDINATES.index(coordinate))
            if self.places[place] >= 0:
                _refuse(path, f"column {column + 1}", "each coordinate once", f"{bodypart} again")
            self.places[place] = column


def _numbers(path: Path, index: list[str]) -> tuple[list[int], bool]:
    """Frame numbers of the rows, and whether they come from the names of pictures."""
    if all(text.isdecimal() and len(text) < 12 for text in index):
        return [int(text) for text in index], False
    return numbers_from_names(index, path, "row"), True


def _read_csv(path: Path) -> tuple[list[dict[str, str]], list[str], NDArray[np.float64]]:
    """Columns (header by its name), the index of each row, and the values."""
    cells = array("d")
    index: list[str] = []
    header: dict[str, list[str]] = {}
    num_index = 0
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for number, row in enumerate(csv.reader(file), start=1):
                if not row:
                    continue
                if not index and row[0].strip().lower() in _HEADERS:
                    header[row[0].strip().lower()] = [cell.strip() for cell in row]
                    continue
                if not index:
                    num_index = _num_index(path, header, row)
                    if _is_index_name(row, num_index):
                        continue
                index.append("/".join(row[:num_index]).strip())
                cells.extend(_cells(path, number, row[num_index:], header, num_index))
    except OSError as error:
        _refuse(path, "", "a readable file", error.strerror or str(error))
    except (csv.Error, UnicodeDecodeError) as error:
        _refuse(path, "", "CSV in UTF-8", str(error))
    if not header:
        _refuse(path, "header", "rows named bodyparts and coords", "none")
    width = len(header["bodyparts"]) - num_index if index else 0
    names = list(header)
    columns = [{name: header[name][num_index + i] for name in names} for i in range(width)] or [
        {name: header[name][-1] for name in names}
    ]
    values = np.frombuffer(cells, dtype=np.float64) if cells else np.zeros(0)
    return columns, index, values.reshape(len(index), max(width, 1))


def _num_index(path: Path, header: dict[str, list[str]], row: list[str]) -> int:
    """How many columns at the left are the index: those that no coordinate stands over."""
    if "bodyparts" not in header or "coords" not in header:
        _refuse(path, "header", "rows named bodyparts and coords", ", ".join(header) or "none")
    if len({len(cells) for cells in header.values()} | {len(row)}) > 1:
        _refuse(path, "header", f"{len(row)} cells, as in the first row", "another number of cells")
    coords = [cell.lower() for cell in header["coords"]]
    if not any(cell in _COORDINATES for cell in coords):
        _refuse(path, "coords", "x, y and likelihood", ", ".join(coords[:6]))
    return next(i for i, cell in enumerate(coords) if cell in _COORDINATES)


def _is_index_name(row: list[str], num_index: int) -> bool:
    """Whether the row only names the index, as pandas writes it under the header."""
    return not any(cell.strip() for cell in row[num_index:]) and not any(
        character.isdigit() for cell in row[:num_index] for character in cell
    )


def _cells(
    path: Path, number: int, row: list[str], header: dict[str, list[str]], num_index: int
) -> list[float]:
    if len(row) != len(header["bodyparts"]) - num_index:
        expected = f"{len(header['bodyparts'])} cells, as in the header"
        _refuse(path, f"line {number}", expected, f"{len(row) + num_index}")
    try:
        return [float(cell) if cell and not cell.isspace() else np.nan for cell in row]
    except ValueError as error:
        return _refuse(path, f"line {number}", "numbers", str(error))


def _refuse(path: Path, field: str, expected: str, found: str) -> list[float]:
    raise DataError(path, field, expected=expected, found=found, remedy=_REMEDY)
