"""Anipose's ``pose-3d`` CSV: a row a frame, six columns a joint, one person.

For each joint ``<joint>_x``, ``_y``, ``_z``, then ``_error`` (mean reprojection error, px),
``_ncams`` (views that took part) and ``_score``; then the rotation ``M_00`` … ``M_22`` and
``center_0`` … that Anipose turned the points by (none here), and ``fnum``, the frame from 0.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from core.errors import DataError
from core.files import write_text_atomically
from core.formats.markers import MarkerFrames

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

MAX_BYTES = 2 << 30
_REMEDY = "Export the CSV again (anipose triangulate)."
_TURN = {f"M_{i}{j}": float(i == j) for i in range(3) for j in range(3)}
_CENTER = {f"center_{i}": 0.0 for i in range(3)}


def write_points_csv(
    path: Path,
    markers: MarkerFrames,
    *,
    error_px: NDArray[np.float64],
    num_views: NDArray[np.int64],
    score: NDArray[np.float64],
) -> None:
    """Write the joints, every digit of them, in millimetres; an existing file is replaced.

    Args:
        path: the file.
        markers: one person.
        error_px: (F, J) mean reprojection error; NaN = not known.
        num_views: (F, J).
        score: (F, J), 1 for a label.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    ends = ("x", "y", "z", "error", "ncams", "score")
    names = [f"{joint}_{end}" for joint in markers.markers for end in ends]
    writer.writerow([*names, *_TURN, *_CENTER, "fnum"])
    extra = np.stack([error_px, num_views.astype(np.float64), score], axis=-1)
    values = np.concatenate([markers.points_mm, extra], axis=-1).reshape(len(markers.frames), -1)
    fixed = [*_TURN.values(), *_CENTER.values()]
    for frame, row in zip(markers.frames.tolist(), values.tolist(), strict=True):
        shown = ["" if np.isnan(value) else repr(value) for value in row]
        writer.writerow([*shown, *fixed, frame])
    write_text_atomically(path, text.getvalue())


def read_points_csv(path: Path) -> MarkerFrames:
    """Read the joints of one person, turned back to the frame they were triangulated in.

    Raises:
        DataError: where the header or a cell is not Anipose's.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            _refuse(path, "", f"up to {MAX_BYTES >> 20} MB", f"{size >> 20} MB")
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            rows = [row for row in reader if row]
    except OSError as error:
        _refuse(path, "", "a readable file", error.strerror or str(error))
    except (csv.Error, UnicodeDecodeError) as error:
        _refuse(path, "", "CSV in UTF-8", str(error))
    joints = tuple(name[:-2] for name in header if name.endswith("_x"))
    wanted = [f"{joint}_{axis}" for joint in joints for axis in "xyz"]
    missing = [name for name in [*wanted, "fnum"] if name not in header]
    if not joints or missing:
        _refuse(
            path, "header", "joint_x, joint_y, joint_z …, fnum", ", ".join(missing[:4]) or "none"
        )
    table = _numbers(path, rows, len(header))
    place = {name: i for i, name in enumerate(header)}
    points = table[:, [place[name] for name in wanted]].reshape(len(rows), len(joints), 3)
    turn, center = np.eye(3), np.zeros(3)
    if rows and all(name in place for name in (*_TURN, *_CENTER)):
        turn = table[0, [place[name] for name in _TURN]].reshape(3, 3)
        center = table[0, [place[name] for name in _CENTER]]
    if not (np.array_equal(turn, np.eye(3)) and not center.any()):
        points = (points + center) @ np.linalg.inv(turn).T
    numbers = table[:, place["fnum"]]
    whole = np.isfinite(numbers) & (numbers >= 0) & (numbers == np.floor(numbers))
    if not whole.all() or (np.diff(numbers) <= 0).any():
        _refuse(path, "fnum", "whole frame numbers, ascending", "others")
    markers = MarkerFrames(markers=joints, frames=numbers.astype(np.int64), points_mm=points)
    return markers.without_empty()


def _numbers(path: Path, rows: Sequence[Sequence[str]], width: int) -> NDArray[np.float64]:
    table = np.full((len(rows), width), np.nan)
    for number, row in enumerate(rows):
        if len(row) != width:
            _refuse(path, f"line {number + 2}", f"{width} cells", str(len(row)))
        try:
            table[number] = [float(cell) if cell.strip() else np.nan for cell in row]
        except ValueError as error:
            _refuse(path, f"line {number + 2}", "numbers", str(error))
    return table


def _refuse(path: Path, field: str, expected: str, found: str) -> NoReturn:
    raise DataError(path, field, expected=expected, found=found, remedy=_REMEDY)
