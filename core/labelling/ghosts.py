"""Ghosts: where hand labels of two views or more put a joint in all the others.

Only what people placed themselves takes part; what a network found, and reprojections that were
accepted, do not, so that a ghost never agrees with itself. The triangulation is the plain DLT.
Computed anew at every move of a drag, so only joints with two hand views are touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.diagnosis.engine import observed_in, plain
from core.observations import Source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from core.geometry import Rig
    from core.observations import FrameObservations
    from core.project import JointKey

NEAR_PARALLEL_DEGREES = 5.0
"""Below this widest angle between its rays a joint's depth is hardly known: say so."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ghosts:
    """P persons x C cameras x J joints of one frame.

    Attributes:
        persons: P person ids.
        points_mm: (P, J, 3) world; NaN where fewer than two views were placed by hand.
        points_px: (P, C, J, 2) raw pixels of that point in every view, placed by hand or not; NaN
            where there is none or the lens cannot see it.
        placed: (P, C, J) bool, placed by hand in that view.
        angle_deg: (P, J) the widest angle between two rays; NaN = no point.
    """

    persons: tuple[int, ...]
    points_mm: NDArray[np.float64]
    points_px: NDArray[np.float64]
    placed: NDArray[np.bool_]
    angle_deg: NDArray[np.float64]


def hand_ghosts(
    observations: FrameObservations,
    rig: Rig,
    moved_px: Mapping[JointKey, tuple[float, float]] | None = None,
) -> Ghosts:
    """The ghosts of a frame.

    Args:
        observations: of the frame.
        rig: C cameras.
        moved_px: joints that are being dragged, raw pixels, in place of what is observed there.
    """
    points = observations.points_px
    placed = (observations.source == Source.HAND) & np.isfinite(points).all(axis=-1)
    if moved_px:
        points, placed = points.copy(), placed.copy()
        for key, point in moved_px.items():
            if key.person in observations.persons:
                place = (observations.persons.index(key.person), key.camera, key.joint)
                points[place] = point
                placed[place] = True
    num_persons, num_cameras, num_joints = placed.shape
    ghosts = Ghosts(
        persons=observations.persons,
        points_mm=np.full((num_persons, num_joints, 3), np.nan),
        points_px=np.full((num_persons, num_cameras, num_joints, 2), np.nan),
        placed=placed,
        angle_deg=np.full((num_persons, num_joints), np.nan),
    )
    person, joint = np.nonzero(placed.sum(axis=1) >= 2)
    if not len(person):
        return ghosts
    seen = placed[person, :, joint]
    raw = np.where(seen[..., None], points[person, :, joint], np.nan)
    straight = rig.undistort(raw[:, :, None])
    found = plain(straight, rig.projections, observed_in(straight))
    ghosts.points_mm[person, joint] = found[:, 0]
    ghosts.points_px[person, :, joint] = rig.project(found)[:, :, 0]
    ghosts.angle_deg[person, joint] = _widest_angles(rig, found[:, 0], seen)
    return ghosts


def _widest_angles(
    rig: Rig, points_mm: NDArray[np.float64], seen: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(N,) degrees, between the rays from the seeing cameras (N, C) to the points (N, 3)."""
    centres = np.stack([camera.center_mm for camera in rig])
    rays = points_mm[:, None] - centres
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    cosines = np.clip(np.einsum("nax,nbx->nab", rays, rays), -1.0, 1.0)
    both = seen[:, :, None] & seen[:, None, :]
    return np.degrees(np.arccos(np.where(both, cosines, 1.0).min(axis=(1, 2))))
