"""CMU Panoptic Studio's ``calibration_<sequence>.json``: up to 521 cameras, lengths in cm.

``cameras[]`` of name, type, resolution, K, distCoef (5), R, t; world to camera. The VGA, HD and
Kinect cameras stand in one list and are all read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.formats.fields import make_camera, make_rig

if TYPE_CHECKING:
    from core.formats.fields import Node
    from core.geometry.camera import Camera, Rig


def rig_from_json(root: Node) -> Rig:
    """The cameras of a parsed file, lengths in cm."""
    return make_rig(root.source, [_camera(entry) for entry in root["cameras"].elements()])


def _camera(entry: Node) -> Camera:
    size = entry.get("resolution")
    return make_camera(
        entry.source,
        entry["name"].text(),
        K=entry["K"].array(3, 3),
        distortion=entry["distCoef"].vector(-1),
        R=entry["R"].array(3, 3),
        t_mm=entry["t"].vector(3),
        size_px=None if size is None else size.size_px(),
    )
