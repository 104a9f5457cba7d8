"""MPI-INF-3DHP's ``camera.calibration``: lines of a key and numbers, per camera from ``name`` on.

Read by key, since the columns are padded as it happens. ``intrinsic`` and ``extrinsic`` are 4 x 4,
row by row; world to camera, mm. ``radial`` is a switch, not a coefficient: 0 in every file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.errors import DataError
from core.formats.fields import Node, make_camera, make_rig

if TYPE_CHECKING:
    from pathlib import Path

    from core.geometry.camera import Camera, Rig

HEADER = "Skeletool Camera Calibration File"
_REMEDY = "Take the camera.calibration file of the data set."


def rig_from_text(path: Path, text: str) -> Rig:
    """The cameras of a file's text, lengths in mm."""
    header, _, body = text.partition("\n")
    if not header.startswith(HEADER):
        raise DataError(path, expected=f"the header {HEADER}", found=header[:60], remedy=_REMEDY)
    blocks: list[dict[str, list[str]]] = []
    for line in body.splitlines():
        words = line.split()
        if words and words[0] == "name":
            blocks.append({})
        if words and blocks:
            blocks[-1][words[0]] = words[1:]
    return make_rig(path, [_camera(path, block) for block in blocks])


def _camera(path: Path, block: dict[str, list[str]]) -> Camera:
    name = " ".join(block["name"])
    if not name:
        Node(path, "name", None).refuse("a camera's name", "a blank", remedy=_REMEDY)
    if any(_numbers(path, name, "radial", block, default=(0.0,))):
        Node(path, f"{name}.radial", None).refuse("0", "a radial distortion", remedy=_REMEDY)
    intrinsic = Node(path, f"{name}.intrinsic", _numbers(path, name, "intrinsic", block))
    extrinsic = Node(path, f"{name}.extrinsic", _numbers(path, name, "extrinsic", block))
    cam_from_world = extrinsic.array(16).reshape(4, 4)
    size = Node(path, f"{name}.size", _numbers(path, name, "size", block)).size_px()
    return make_camera(
        path,
        name,
        K=intrinsic.array(16).reshape(4, 4)[:3, :3],
        distortion=np.zeros(0),
        R=cam_from_world[:3, :3],
        t_mm=cam_from_world[:3, 3],
        size_px=size,
    )


def _numbers(
    path: Path,
    camera: str,
    key: str,
    block: dict[str, list[str]],
    default: tuple[float, ...] | None = None,
) -> list[float]:
    if key not in block and default is not None:
        return list(default)
    try:
        return [float(word) for word in block.get(key, [])]
    except ValueError:
        found = " ".join(block[key])[:40]
        Node(path, f"{camera}.{key}", None).refuse("numbers", found, remedy=_REMEDY)
