"""The frame in which the 3D viewer draws: metres, z up, about the middle of the action."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.scene.shapes import court_lines, ground_grid, up_direction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.geometry import Rig


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """A rotation that puts up on z, an origin, and a unit that suits the rig's size.

    Attributes:
        rotation: (3, 3) stage_from_world.
        origin_mm: (3,) world point at the stage's origin.
        unit_mm: world millimetres in one stage unit.
        ground: segments of court or grid, stage coordinates.
        radius: how far the action reaches from the origin, stage units.
    """

    rotation: NDArray[np.float64]
    origin_mm: NDArray[np.float64]
    unit_mm: float
    ground: NDArray[np.float64]
    radius: float

    def place(self, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """World (…, 3) millimetres to stage units."""
        return (points_mm - self.origin_mm) @ self.rotation.T / self.unit_mm

    def direct(self, directions: NDArray[np.float64]) -> NDArray[np.float64]:
        """World directions (…, 3) as seen on the stage."""
        return directions @ self.rotation.T


def make_stage(rig: Rig, points_mm: NDArray[np.float64], *, is_court: bool) -> Stage:
    """The stage of a recording.

    Args:
        rig: its cameras.
        points_mm: (N, 3) some triangulated points, NaN allowed; they tell where the ground is in
            a recording without a court.
        is_court: the world's origin is the centre of a basketball court, z up.
    """
    if is_court:
        ground = court_lines() / 1000
        return Stage(np.eye(3), np.zeros(3), 1000.0, ground, 16.0)
    up = up_direction(list(rig))
    side = np.eye(3)[int(np.abs(up).argmin())]
    first = np.cross(side, up)
    first /= np.linalg.norm(first)
    rotation = np.stack([first, np.cross(up, first), up])
    centers = np.stack([camera.center_mm for camera in rig])
    points = points_mm[np.isfinite(points_mm).all(axis=-1)]
    middle = np.median(points, axis=0) if len(points) else _looked_at(rig)
    reach = float(np.linalg.norm(centers - middle, axis=1).max()) or 1000.0
    height = points @ up if len(points) else np.array([middle @ up])
    level = float(np.percentile(height, 5))
    origin = middle + (level - middle @ up) * up
    step = 10.0 ** np.floor(np.log10(reach / 2))
    unit = reach / 10
    grid = ground_grid(np.zeros(3), np.eye(3)[:2], 2 * reach / unit, step / unit)
    return Stage(rotation, origin, unit, grid, 10.0)


def _looked_at(rig: Rig) -> NDArray[np.float64]:
    """The point closest to all optical axes."""
    system, right = np.zeros((3, 3)), np.zeros(3)
    for camera in rig:
        axis = camera.R[2]
        across = np.eye(3) - np.outer(axis, axis)
        system += across
        right += across @ camera.center_mm
    return np.asarray(np.linalg.lstsq(system, right, rcond=None)[0], dtype=np.float64)
