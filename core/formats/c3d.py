"""C3D, the marker files of motion-capture laboratories: binary, blocks of 512 bytes, one person.

Written as little-endian single-precision floats, which is what the format has: of a point 20 m away
the last digit is a thousandth of a millimetre. An absent marker has the residual -1. Frames count
from 1 and follow each other without gaps. Recordings of more than 65,535 frames, and frame numbers
beyond, do not fit into the header's 16 bits: then TRIAL:ACTUAL_START_FIELD and ACTUAL_END_FIELD
tell. Read are little-endian files, floats or scaled integers; analog channels are passed over.

The layout is that of the C3D User Guide (Motion Lab Systems); files written here are read alike by
ezc3d. There is no library among the dependencies for it: both directions are 200 lines, and what
reads files of unknown origin should not be C++ that trusts them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from core.errors import DataError
from core.files import write_bytes_atomically
from core.formats.markers import MarkerFrames
from core.formats.units import MM_PER_UNIT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Parameters = dict[tuple[str, str], "NDArray[Any] | list[str]"]

MAX_BYTES = 4 << 30
_BLOCK = 512
_KEY = 0x50
_INTEL = 84
_MAX_WORD = 65535
_MAX_MARKERS = 255
_CHAR, _INT16, _FLOAT = -1, 2, 4
_REMEDY = "Export the C3D file again, as little-endian (Intel) data."


def write_c3d(path: Path, markers: MarkerFrames) -> None:
    """Write the markers as single-precision floats; an existing file is replaced.

    Where the rate is not known, 1 Hz is written.

    Raises:
        DataError: there are more than 255 markers.
    """
    rows = markers.without_gaps()
    count, num = rows.points_mm.shape[:2]
    if num > _MAX_MARKERS:
        _refuse(path, "markers", f"up to {_MAX_MARKERS}", str(num), "Choose another format.")
    rate = rows.rate_hz or 1.0
    first, last = int(rows.frames[0]) + 1, int(rows.frames[-1]) + 1
    parameters = _parameters(rows.markers, count, (first, last), rate)
    num_blocks = len(parameters) // _BLOCK
    data_start = 2 + num_blocks
    parameters = _parameters(rows.markers, count, (first, last), rate, data_start)
    header = bytearray(_BLOCK)
    words = (num, 0, min(first, _MAX_WORD), min(last, _MAX_WORD), 0)
    struct.pack_into("<BB5HfHHf", header, 0, 2, _KEY, *words, -1.0, data_start, 0, rate)
    data = np.zeros((count, num, 4), dtype="<f4")
    there = np.isfinite(rows.points_mm).all(axis=-1)
    data[..., :3][there] = rows.points_mm[there]
    data[..., 3] = np.where(there, 0.0, -1.0)
    raw = data.tobytes()
    padding = bytes(-len(raw) % _BLOCK)
    write_bytes_atomically(path, bytes(header) + parameters + raw + padding)


def _parameters(
    markers: Sequence[str], count: int, span: tuple[int, int], rate: float, data_start: int = 0
) -> bytes:
    """The parameter section, whole blocks."""
    first, last = ([number & 0xFFFF, number >> 16] for number in span)
    groups: dict[str, list[bytes]] = {
        "POINT": [
            _parameter(1, "USED", _INT16, [len(markers)]),
            _parameter(1, "SCALE", _FLOAT, [-1.0]),
            _parameter(1, "RATE", _FLOAT, [rate]),
            _parameter(1, "DATA_START", _INT16, [data_start]),
            # More than fit stand in TRIAL alone.
            _parameter(1, "FRAMES", _INT16, [min(count, _MAX_WORD)]),
            _texts(1, "LABELS", markers),
            _texts(1, "DESCRIPTIONS", [""] * len(markers)),
            _texts(1, "UNITS", ["mm"], flat=True),
        ],
        "ANALOG": [
            _parameter(2, "USED", _INT16, [0]),
            _parameter(2, "GEN_SCALE", _FLOAT, [1.0]),
            _parameter(2, "RATE", _FLOAT, [rate]),
        ],
        "TRIAL": [
            _parameter(3, "ACTUAL_START_FIELD", _INT16, first, (2,)),
            _parameter(3, "ACTUAL_END_FIELD", _INT16, last, (2,)),
        ],
    }
    body = b""
    for number, (name, parameters) in enumerate(groups.items(), start=1):
        # Name, the way to the next entry (from that number on), no description.
        body += struct.pack("<bb", len(name), -number) + name.encode() + struct.pack("<HB", 3, 0)
        body += b"".join(parameters)
    body += bytes(2)
    num_blocks = -(-(4 + len(body)) // _BLOCK)
    head = struct.pack("<BBBB", 1, _KEY, num_blocks, _INTEL)
    return (head + body).ljust(num_blocks * _BLOCK, b"\0")


def _parameter(
    group: int, name: str, kind: int, values: Sequence[float], shape: tuple[int, ...] = ()
) -> bytes:
    if kind == _INT16:
        data = struct.pack(f"<{len(values)}H", *map(int, values))
    else:
        data = struct.pack(f"<{len(values)}f", *values)
    return _entry(group, name, kind, shape, data)


def _texts(group: int, name: str, texts: Sequence[str], *, flat: bool = False) -> bytes:
    raw = [text.encode("utf-8")[:_MAX_MARKERS] for text in texts]
    width = max(1, *map(len, raw))
    shape = (width,) if flat else (width, len(raw))
    return _entry(group, name, _CHAR, shape, b"".join(text.ljust(width) for text in raw))


def _entry(group: int, name: str, kind: int, shape: tuple[int, ...], data: bytes) -> bytes:
    body = struct.pack("<bB", kind, len(shape)) + bytes(shape) + data + b"\0"
    head = struct.pack("<bb", len(name), group) + name.encode()
    return head + struct.pack("<H", len(body) + 2) + body


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """Where the points lie in a file."""

    num_markers: int
    num_analog: int
    first: int
    num_frames: int
    scale: float
    start: int
    rate: float


def read_c3d(path: Path) -> MarkerFrames:
    """Read the markers; rows in which none has a place are left out.

    Raises:
        DataError: where the file is no C3D of the forms that are read, or is cut off.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            _refuse(path, "", f"up to {MAX_BYTES >> 20} MB", "more")
        raw = path.read_bytes()
    except OSError as error:
        _refuse(path, "", "a readable file", error.strerror or str(error))
    if len(raw) < 2 * _BLOCK or raw[1] != _KEY or raw[0] == 0:
        _refuse(path, "header", "a C3D file", "another kind of file")
    parameters = _read_parameters(path, raw, (raw[0] - 1) * _BLOCK)
    layout = _layout(path, raw, parameters)
    names = _labels(parameters, layout.num_markers)
    if len(set(names)) != len(names):
        _refuse(path, "POINT:LABELS", "every marker once", "one that occurs twice")
    points = _points(path, raw, layout)
    unit = "".join(parameters.get(("POINT", "UNITS"), ["mm"])).strip() or "mm"
    if unit not in MM_PER_UNIT:
        _refuse(path, "POINT:UNITS", "mm, cm or m", repr(unit))
    found = MarkerFrames(
        markers=names,
        frames=np.arange(layout.num_frames) + layout.first - 1,
        points_mm=points * MM_PER_UNIT[unit],
        rate_hz=layout.rate if np.isfinite(layout.rate) and layout.rate > 0 else None,
    )
    return found.without_empty()


def _layout(path: Path, raw: bytes, parameters: Parameters) -> _Layout:
    _, _, num, analog, first, last, _ = struct.unpack_from("<BB5H", raw)
    scale, start, _, rate = struct.unpack_from("<fHHf", raw, 12)
    count = last - first + 1
    if ("TRIAL", "ACTUAL_END_FIELD") in parameters:
        ends = [parameters.get(("TRIAL", f"ACTUAL_{end}_FIELD")) for end in ("START", "END")]
        low, high = (_wide(value) for value in ends)
        if low is not None and high is not None:
            first, count = low, high - low + 1
    if num < 1 or first < 1 or count < 1 or start < 2 or not np.isfinite(scale) or scale == 0:
        _refuse(path, "header", "markers, frames and a scale", f"{num} markers, {count} frames")
    return _Layout(
        num_markers=num,
        num_analog=analog,
        first=first,
        num_frames=count,
        scale=scale,
        start=(start - 1) * _BLOCK,
        rate=rate,
    )


def _wide(values: object) -> int | None:
    if not isinstance(values, np.ndarray) or values.size != 2:
        return None
    low, high = (int(value) & 0xFFFF for value in values.ravel().tolist())
    return low | high << 16


def _points(path: Path, raw: bytes, layout: _Layout) -> NDArray[np.float64]:
    kind = np.dtype("<f4" if layout.scale < 0 else "<i2")
    per_frame = 4 * layout.num_markers + layout.num_analog
    size = layout.num_frames * per_frame * kind.itemsize
    if layout.start + size > len(raw):
        _refuse(path, "data", f"{layout.num_frames} frames", "a file that ends before")
    words = np.frombuffer(raw, kind, layout.num_frames * per_frame, layout.start)
    words = words.reshape(layout.num_frames, per_frame)[:, : 4 * layout.num_markers]
    quads = words.reshape(layout.num_frames, layout.num_markers, 4)
    points = quads[..., :3].astype(np.float64) * (1.0 if layout.scale < 0 else layout.scale)
    points[(quads[..., 3] < 0) | ~np.isfinite(points).all(axis=-1)] = np.nan
    return points


def _labels(parameters: Parameters, num_markers: int) -> tuple[str, ...]:
    names = parameters.get(("POINT", "LABELS"), [])
    known = [name for name in names if isinstance(name, str)][:num_markers]
    return (*known, *(f"marker_{i}" for i in range(len(known), num_markers)))


def _read_parameters(path: Path, raw: bytes, start: int) -> Parameters:
    if start + 4 > len(raw) or raw[start + 3] != _INTEL:
        _refuse(path, "parameters", "little-endian (Intel) data", "another processor's")
    place, groups = start + 4, dict[int, str]()
    found: dict[tuple[int, str], NDArray[Any] | list[str]] = {}
    try:
        while raw[place]:
            length, group = struct.unpack_from("<bb", raw, place)
            name = raw[place + 2 : place + 2 + abs(length)].decode("ascii", "replace").upper()
            at = place + 2 + abs(length)
            (step,) = struct.unpack_from("<H", raw, at)
            if group < 0:
                groups[-group] = name
            else:
                found[group, name] = _value(raw, at + 2)
            if step < 3:
                break
            place = at + step
    except (IndexError, struct.error, ValueError) as error:
        _refuse(path, "parameters", "a parameter section in order", str(error))
    return {(groups.get(group, ""), name): value for (group, name), value in found.items()}


def _value(raw: bytes, at: int) -> NDArray[Any] | list[str]:
    kind, num_dims = struct.unpack_from("<bB", raw, at)
    shape = tuple(raw[at + 2 : at + 2 + num_dims])
    count = int(np.prod(shape)) if shape else 1
    at += 2 + num_dims
    if kind == _CHAR:
        width = shape[0] if shape else 1
        text = raw[at : at + count]
        parts = range(0, count, width) if width else ()
        return [text[i : i + width].decode("utf-8", "replace").strip() for i in parts]
    dtype = {1: "<i1", _INT16: "<i2", _FLOAT: "<f4"}.get(kind)
    if dtype is None:
        raise ValueError(f"a value of kind {kind}")
    return np.frombuffer(raw, dtype, count, at)


def _refuse(path: Path, field: str, expected: str, found: str, remedy: str = _REMEDY) -> NoReturn:
    raise DataError(path, field, expected=expected, found=found, remedy=remedy)
