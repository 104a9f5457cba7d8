"""Calibration TOML of Anipose, sleap-anipose, Lightning Pose and Pose2Sim.

One table a camera: name, size [w, h], matrix, distortions, rotation (a rotation vector) and
translation. Other tables (``[metadata]``) are passed over. Trap: no unit is written, see
`core.formats.units`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.formats.fields import make_camera, make_rig, rotation_matrix

if TYPE_CHECKING:
    from core.formats.fields import Node
    from core.geometry.camera import Camera, Rig

_CAMERA_KEYS = {"matrix", "rotation", "translation"}


def rig_from_toml(root: Node) -> Rig:
    """The cameras of a parsed file, lengths in the file's unit."""
    cameras = [
        _camera(key, entry)
        for key, entry in root.items()
        if isinstance(entry.value, dict) and _CAMERA_KEYS & set(entry.value)
    ]
    return make_rig(root.source, cameras)


def _camera(key: str, entry: Node) -> Camera:
    fisheye = entry.get("fisheye")
    if fisheye is not None and fisheye.value is not False:
        fisheye.refuse(
            "false: a fisheye lens has another model",
            remedy="Calibrate this camera with OpenCV's standard model.",
        )
    name, distortions, size = entry.get("name"), entry.get("distortions"), entry.get("size")
    return make_camera(
        entry.source,
        key if name is None else name.text(),
        K=entry["matrix"].array(3, 3),
        distortion=np.zeros(0) if distortions is None else distortions.vector(-1),
        R=rotation_matrix(entry["rotation"].vector(3)),
        t_mm=entry["translation"].vector(3),
        size_px=None if size is None else size.size_px(),
    )
