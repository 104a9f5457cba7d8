"""A project's own ``rig.toml``: cameras in the project's order, millimetres stated.

Every number is written with all its digits, so that what is read is what was written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tomli_w

from core.files import write_text_atomically
from core.formats.fields import make_camera, make_rig, read_toml

if TYPE_CHECKING:
    from pathlib import Path

    from core.formats.fields import Node
    from core.geometry.camera import Camera, Rig

FORMAT = "trilabel-rig"
VERSION = 1


def write_rig_toml(path: Path, rig: Rig) -> None:
    """Write the rig, atomically."""
    content = {
        "format": FORMAT,
        "version": VERSION,
        "unit": "mm",
        "convention": "x_cam = R x_world + t; OpenCV axes and lens model; pixel centres are whole",
        "cameras": [_entry(camera) for camera in rig],
    }
    write_text_atomically(path, tomli_w.dumps(content))


def read_rig_toml(path: Path) -> Rig:
    """The rig that `write_rig_toml` wrote.

    Raises:
        DataError: naming the file, the camera and the field.
    """
    return rig_from_toml(read_toml(path))


def rig_from_toml(root: Node) -> Rig:
    """The rig of a parsed ``rig.toml``."""
    if root["format"].value != FORMAT:
        root["format"].refuse(FORMAT)
    if root["version"].value != VERSION:
        root["version"].refuse(str(VERSION), remedy="Open it with the trilabel that wrote it.")
    if root["unit"].value != "mm":
        root["unit"].refuse("mm")
    return make_rig(root.source, [_camera(entry) for entry in root["cameras"].elements()])


def _camera(entry: Node) -> Camera:
    size = entry.get("size_px")
    return make_camera(
        entry.source,
        entry["name"].text(),
        K=entry["K"].array(3, 3),
        distortion=entry["distortion"].array(-1),
        R=entry["R"].array(3, 3),
        t_mm=entry["t_mm"].array(3),
        size_px=None if size is None else size.size_px(),
    )


def _entry(camera: Camera) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": camera.name,
        "K": camera.K.tolist(),
        "distortion": camera.distortion.tolist(),
        "R": camera.R.tolist(),
        "t_mm": camera.t_mm.tolist(),
    }
    if camera.size_px is not None:
        entry["size_px"] = list(camera.size_px)
    return entry
