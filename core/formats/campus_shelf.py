"""The calibrations of Campus and Shelf as VoxelPose and its heirs keep them, lengths in mm.

Per camera R, T, fx, fy, cx, cy, k (k1, k2, k3) and p (p1, p2). Trap: **T is the camera's centre**,
not the translation. Image sizes are not in the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.formats.fields import make_camera, make_rig

if TYPE_CHECKING:
    from core.formats.fields import Node
    from core.geometry.camera import Camera, Rig


def rig_from_json(root: Node) -> Rig:
    """The cameras of a parsed file, lengths in mm."""
    return make_rig(root.source, [_camera(name, entry) for name, entry in root.items()])


def _camera(name: str, entry: Node) -> Camera:
    fx, fy, cx, cy = (entry[key].number() for key in ("fx", "fy", "cx", "cy"))
    k, p = entry["k"].vector(3), entry["p"].vector(2)
    R = entry["R"].array(3, 3)
    return make_camera(
        entry.source,
        name,
        K=np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]),
        distortion=np.array([k[0], k[1], p[0], p[1], k[2]]),
        R=R,
        t_mm=-R @ entry["T"].vector(3),
    )
