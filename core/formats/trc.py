"""TRC, the marker files of OpenSim and Pose2Sim: tab-separated text, a row a frame.

Five lines of header, then Frame#, Time and x, y, z of each marker; an absent marker is three empty
cells. Frames count from 1. Rows follow each other without gaps, as OpenSim wants them. Coordinates
are written as the world has them (here usually z up); OpenSim's own models are y up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import numpy as np

from core.errors import DataError
from core.files import write_text_atomically
from core.formats.markers import MarkerFrames
from core.formats.units import MM_PER_UNIT

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 2 << 30
MAX_CELLS = 1 << 29
_REMEDY = "Export the TRC file again."
_UNKNOWN_RATE = 1.0


def write_trc(path: Path, markers: MarkerFrames) -> None:
    """Write the markers, every digit of them; an existing file is replaced.

    Where the rate is not known, 1 Hz is written, so that Time counts frames.
    """
    rows = markers.without_gaps()
    rate = rows.rate_hz or _UNKNOWN_RATE
    count, first = len(rows.frames), int(rows.frames[0]) + 1
    head = (
        f"PathFileType\t4\t(X/Y/Z)\t{path.name}",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame"
        "\tOrigNumFrames",
        f"{rate:g}\t{rate:g}\t{count}\t{len(rows.markers)}\tmm\t{rate:g}\t{first}\t{count}",
        "Frame#\tTime\t" + "\t\t\t".join(rows.markers) + "\t\t",
        "\t\t" + "\t".join(f"{a}{i}" for i in range(1, len(rows.markers) + 1) for a in "XYZ"),
    )
    lines = [
        f"{frame + 1}\t{frame / rate!r}\t"
        + "\t".join("" if np.isnan(value) else repr(value) for value in values)
        for frame, values in zip(
            rows.frames.tolist(), rows.points_mm.reshape(count, -1).tolist(), strict=True
        )
    ]
    write_text_atomically(path, "\n".join([*head, *lines]) + "\n")


def read_trc(path: Path) -> MarkerFrames:
    """Read the markers; rows in which none has a place are left out.

    Raises:
        DataError: where the file is no TRC, or a cell is no number.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            _refuse(path, "", f"up to {MAX_BYTES >> 20} MB", f"{size >> 20} MB")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        _refuse(path, "", "a readable file", error.strerror or str(error))
    except UnicodeDecodeError as error:
        _refuse(path, "", "text in UTF-8", str(error))
    if len(lines) < 5 or not lines[0].startswith("PathFileType"):
        _refuse(path, "line 1", "PathFileType …", lines[0][:40] if lines else "an empty file")
    about = dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=False))
    factor = MM_PER_UNIT.get(about.get("Units", "").strip())
    if factor is None:
        _refuse(path, "Units", "mm, cm or m", repr(about.get("Units")))
    names = tuple(name.strip() for name in lines[3].split("\t")[2::3] if name.strip())
    if not names or len(set(names)) != len(names):
        _refuse(path, "line 4", "a name for each marker, each once", lines[3][:60])
    rows = [line for line in lines[5:] if line.strip()]
    if len(rows) * (3 * len(names) + 2) > MAX_CELLS:
        _refuse(path, "", f"up to {MAX_CELLS} numbers", str(len(rows) * 3 * len(names)))
    frames = np.zeros(len(rows), dtype=np.int64)
    points = np.full((len(rows), 3 * len(names)), np.nan)
    for number, row in enumerate(rows):
        cells = row.split("\t")
        values = (cells[2:] + [""] * points.shape[1])[: points.shape[1]]
        try:
            frames[number] = int(cells[0]) - 1
            points[number] = [float(cell) if cell.strip() else np.nan for cell in values]
        except (ValueError, OverflowError) as error:
            _refuse(path, f"row {number + 1}", "a frame number and numbers", str(error))
    if len(frames) and (frames.min() < 0 or (np.diff(frames) <= 0).any()):
        _refuse(path, "Frame#", "numbers from 1, ascending", "others")
    found = MarkerFrames(
        markers=names,
        frames=frames,
        points_mm=points.reshape(len(rows), len(names), 3) * factor,
        rate_hz=_rate(about.get("DataRate", "")),
    )
    return found.without_empty()


def _rate(text: str) -> float | None:
    try:
        rate = float(text)
    except ValueError:
        return None
    return rate if np.isfinite(rate) and rate > 0 else None


def _refuse(path: Path, field: str, expected: str, found: str) -> NoReturn:
    raise DataError(path, field, expected=expected, found=found, remedy=_REMEDY)
