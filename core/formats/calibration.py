"""The calibration of any tool as a rig in millimetres: the one door to the readers of this folder.

The format is told from the contents, never from the name. What a file leaves open is decided here
and reported in `Calibration.notes`: the unit of an Anipose or OpenCV calibration, by how far apart
the cameras stand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import DataError
from core.formats import (
    anipose,
    campus_shelf,
    human36m,
    mpi_inf_3dhp,
    opencv_yaml,
    panoptic,
    qca,
    rig_toml,
    sportcenter,
)
from core.formats.calibration_formats import CALIBRATION_FORMATS
from core.formats.fields import parse_json, parse_toml, read_bytes, read_text
from core.formats.units import MM_PER_UNIT, guess_unit, in_mm

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from core.formats.fields import Node
    from core.geometry.camera import Rig

__all__ = [
    "CALIBRATION_FORMATS",
    "Calibration",
    "read_calibration",
    "read_rig",
    "sniff_calibration",
]

MAX_BYTES = 64 << 20
_UNITS = {"sportcenter": "m", "pose2sim": "m", "panoptic": "cm", "anipose": "", "opencv": ""}
_JSON: dict[str, Callable[[Node], Rig]] = {
    "sportcenter": sportcenter.rig_from_json,
    "panoptic": panoptic.rig_from_json,
    "campus_shelf": campus_shelf.rig_from_json,
}
_TEXT: dict[str, Callable[[Path, str], Rig]] = {
    "qca": qca.rig_from_xml,
    "mpi_inf_3dhp": mpi_inf_3dhp.rig_from_text,
}
_TOML: dict[str, Callable[[Node], Rig]] = {
    "anipose": anipose.rig_from_toml,
    "pose2sim": anipose.rig_from_toml,
    "trilabel": rig_toml.rig_from_toml,
}
# How the files of a format begin.
_MARKS = {mpi_inf_3dhp.HEADER: "mpi_inf_3dhp", "%YAML": "opencv", "<": "qca"}
_REMEDY = f"Give a calibration of a format that is read: {', '.join(CALIBRATION_FORMATS)}."


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibration:
    """A rig and how it was read.

    Attributes:
        rig: in millimetres, cameras in the file's order.
        format: a key of `CALIBRATION_FORMATS`.
        unit: of the file: mm, cm or m.
        notes: what had to be decided, as sentences for whoever imports.
    """

    rig: Rig
    format: str
    unit: str
    notes: tuple[str, ...]


def read_rig(
    path: Path, format: str | None = None, *, unit: str | None = None, subject: str | None = None
) -> Rig:
    """The rig of a calibration file or folder; see `read_calibration`."""
    return read_calibration(path, format, unit=unit, subject=subject).rig


def read_calibration(
    path: Path, format: str | None = None, *, unit: str | None = None, subject: str | None = None
) -> Calibration:
    """Read a calibration file (of OpenCV YAML: a folder).

    Args:
        path: the file or folder.
        format: a key of `CALIBRATION_FORMATS`; told from the contents where None.
        unit: of the file's lengths, mm, cm or m; what the format says, or is told from the
            cameras' distances, where None.
        subject: whose cameras, for Human3.6M.

    Raises:
        DataError: naming the file and the place.
    """
    _refuse_unknown("format", format, CALIBRATION_FORMATS)
    _refuse_unknown("unit", unit, MM_PER_UNIT)
    name = format or sniff_calibration(path)
    rig = _read(path, name, subject)
    notes: list[str] = []
    if unit is None:
        unit = _UNITS.get(name, "mm")
    if not unit:
        unit, spread = guess_unit(rig)
        notes.append(
            f"{path.name} does not state its unit; taken as {unit}, since the cameras are "
            f"{spread:.3g} {unit} apart."
        )
    return Calibration(rig=in_mm(rig, unit), format=name, unit=unit, notes=tuple(notes))


def sniff_calibration(path: Path) -> str:
    """The format of a calibration file or folder, from its contents.

    Raises:
        DataError: where it is none of `CALIBRATION_FORMATS`.
    """
    if path.is_dir():
        if opencv_yaml.yaml_files(path):
            return "opencv"
        found = "a folder without YAML files"
        raise DataError(path, expected="a calibration", found=found, remedy="Give the file itself.")
    # Imported where it is needed: scipy and h5py take longer than all other readers together.
    from core.formats.matlab import is_mat

    if is_mat(read_bytes(path)[:16]):
        return "dannce"
    text = read_text(path, MAX_BYTES)
    start = text.lstrip()[:200]
    for mark, name in _MARKS.items():
        if start.startswith(mark):
            return name
    is_json = start.startswith("{")
    return _sniff_json(parse_json(path, text)) if is_json else _sniff_toml(parse_toml(path, text))


def _sniff_json(root: Node) -> str:
    keys = set(root.table())
    inner: set[str] = set()
    for _, entry in root.items():
        inner |= set(entry.value) if isinstance(entry.value, dict) else set()
    marks = {
        "panoptic": "cameras" in keys,
        "human36m": {"intrinsics", "extrinsics"} <= keys,
        "campus_shelf": "fx" in inner,
        "sportcenter": "K" in inner,
    }
    found = [name for name, fits in marks.items() if fits]
    if not found:
        root.refuse("a calibration", remedy=_REMEDY)
    return found[0]


def _sniff_toml(root: Node) -> str:
    if root.table().get("format") == rig_toml.FORMAT:
        return "trilabel"
    tables = [entry.value for _, entry in root.items() if isinstance(entry.value, dict)]
    if not any("matrix" in table for table in tables):
        root.refuse("a calibration", remedy=_REMEDY)
    return "anipose"


def _read(path: Path, name: str, subject: str | None) -> Rig:
    """The rig, lengths in the file's unit."""
    if name == "opencv":
        return opencv_yaml.rig_from_folder(path)
    if name == "dannce":
        from core.formats.dannce import read_dannce_rig

        return read_dannce_rig(path)
    text = read_text(path, MAX_BYTES)
    if name in _TEXT:
        return _TEXT[name](path, text)
    if name in _TOML:
        return _TOML[name](parse_toml(path, text))
    root = parse_json(path, text)
    return human36m.rig_of_subject(root, subject) if name == "human36m" else _JSON[name](root)


def _refuse_unknown(name: str, value: str | None, known: Mapping[str, object]) -> None:
    if value is not None and value not in known:
        raise DataError(
            "calibration",
            name,
            expected=f"one of {', '.join(known)}",
            found=repr(value),
            remedy="Choose one of these.",
        )
