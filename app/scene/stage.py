"""The frame in which the 3D viewer draws: z up, the ground at 0, about the middle of the action.

A court says where its ground is. Any other rig is stood upright by what its cameras tell of "up",
and the ground is put under the lowest joints of a few frames. One stage unit is a metre on a
court, and a tenth of the rig's reach elsewhere, so that a mouse and a match look alike to the
viewer, and 32-bit floats resolve both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.scene.shapes import court_is_along_y, court_outline, up_direction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.geometry import Rig

_COURT_UNIT_MM = 1000.0
_ALONG_Y = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
_COURT_RADIUS = 16.0
_PERSON_MM = 1800.0
# Of the rig's reach, where nobody has been seen yet.
_UNKNOWN_BODY = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """A rotation that puts up on z, an origin, and a unit that suits the rig's size.

    Attributes:
        rotation: (3, 3) stage_from_world.
        origin_mm: (3,) world point at the stage's origin.
        unit_mm: world millimetres in one stage unit.
        radius: how far the cameras reach from the origin, stage units.
        body: how large a person (or animal) is, stage units.
        is_court: the ground is a basketball court.
        grid_step: distance of the ground grid's lines, stage units; 0 on a court.
        action: (N, 3) stage points that the first picture should fill.
        cameras: (C, 3) the cameras' centres, stage units.
    """

    rotation: NDArray[np.float64]
    origin_mm: NDArray[np.float64]
    unit_mm: float
    radius: float
    body: float
    is_court: bool
    grid_step: float
    action: NDArray[np.float64]
    cameras: NDArray[np.float64]

    def place(self, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """World (…, 3) millimetres to stage units."""
        return (points_mm - self.origin_mm) @ self.rotation.T / self.unit_mm

    def world_mm(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Stage units (…, 3) to world millimetres."""
        return points @ self.rotation * self.unit_mm + self.origin_mm

    def direct(self, directions: NDArray[np.float64]) -> NDArray[np.float64]:
        """World directions (…, 3) as seen on the stage."""
        return directions @ self.rotation.T

    @property
    def scale_note(self) -> str:
        """What a cell of the grid measures; empty on a court."""
        if self.is_court:
            return ""
        step = self.grid_step * self.unit_mm
        return f"grid {step / 1000:g} m" if step >= 1000 else f"grid {step:g} mm"


def make_stage(rig: Rig, points_mm: NDArray[np.float64], *, is_court: bool) -> Stage:
    """The stage of a recording.

    Args:
        rig: its cameras.
        points_mm: (F, P, J, 3) poses of some frames, NaN allowed; F or P may be 0. They tell
            where the ground is in a recording without a court, and what the first picture shows.
        is_court: the world's origin is the centre of a basketball court, z up.
    """
    if is_court:
        return _court_stage(rig)
    points = points_mm.reshape(-1, 3)
    points = points[np.isfinite(points).all(axis=1)]
    centers = np.stack([camera.center_mm for camera in rig])
    middle = np.median(points, axis=0) if len(points) else _looked_at(rig)
    points = _without_strays(points, middle, centers)
    up = up_direction(list(rig), middle)
    first = np.cross(np.eye(3)[int(np.abs(up).argmin())], up)
    first /= np.linalg.norm(first)
    rotation = np.stack([first, np.cross(up, first), up])
    heights = points @ up if len(points) else np.array([middle @ up])
    origin = middle + (float(np.percentile(heights, 2)) - middle @ up) * up
    reach = float(np.linalg.norm(centers - origin, axis=1).max()) or 1000.0
    unit = reach / 10
    action = (points - origin) @ rotation.T / unit
    body = _body_size(points_mm) / unit or 10 * _UNKNOWN_BODY
    return Stage(
        rotation=rotation,
        origin_mm=origin,
        unit_mm=unit,
        radius=10.0,
        body=body,
        is_court=False,
        grid_step=_round_step(unit * max(body, 1.0) / 2) / unit,
        action=_padded(action if len(action) else np.zeros((1, 3)), body),
        cameras=(centers - origin) @ rotation.T / unit,
    )


def _court_stage(rig: Rig) -> Stage:
    """The court lies along the stage's x, whichever way it lies in the world."""
    rotation = _ALONG_Y if court_is_along_y(rig) else np.eye(3)
    centers = np.stack([camera.center_mm for camera in rig]) @ rotation.T / _COURT_UNIT_MM
    corners = court_outline() / _COURT_UNIT_MM
    head = np.array([0, 0, _PERSON_MM / _COURT_UNIT_MM])
    return Stage(
        rotation=rotation,
        origin_mm=np.zeros(3),
        unit_mm=_COURT_UNIT_MM,
        radius=_COURT_RADIUS,
        body=_PERSON_MM / _COURT_UNIT_MM,
        is_court=True,
        grid_step=0.0,
        action=np.concatenate([corners, corners + head]),
        cameras=centers,
    )


def _without_strays(
    points: NDArray[np.float64], middle: NDArray[np.float64], centers: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Points no farther out than the cameras: a wrong joint may lie anywhere."""
    reach = np.linalg.norm(centers - middle, axis=1).max()
    return points[np.linalg.norm(points - middle, axis=1) <= max(float(reach), 1.0)]


def _body_size(poses_mm: NDArray[np.float64]) -> float:
    """The median, over poses, of the largest distance of two joints; 0 where there is none."""
    poses = poses_mm.reshape(-1, *poses_mm.shape[-2:])
    poses = poses[np.isfinite(poses).all(axis=2).sum(axis=1) >= 2][:200]
    if not len(poses):
        return 0.0
    apart = np.linalg.norm(poses[:, :, None] - poses[:, None], axis=-1)
    return float(np.median(np.nanmax(apart, axis=(1, 2))))


def _padded(points: NDArray[np.float64], body: float) -> NDArray[np.float64]:
    """The corners of a box about the points, a little larger."""
    low, high = np.percentile(points, 1, axis=0), np.percentile(points, 99, axis=0)
    low, high = low - 0.2 * body, high + 0.2 * body
    low[2] = min(low[2], 0.0)
    pick = np.array([[i & 1, i >> 1 & 1, i >> 2 & 1] for i in range(8)], dtype=np.bool_)
    return np.where(pick, high, low)


def _round_step(length_mm: float) -> float:
    """The 1, 2 or 5 times a power of ten that is next below."""
    power = 10.0 ** np.floor(np.log10(length_mm))
    return float(power * max(m for m in (1, 2, 5) if m * power <= length_mm * (1 + 1e-9)))


def _looked_at(rig: Rig) -> NDArray[np.float64]:
    """The point closest to all optical axes."""
    system, right = np.zeros((3, 3)), np.zeros(3)
    for camera in rig:
        axis = camera.R[2]
        across = np.eye(3) - np.outer(axis, axis)
        system += across
        right += across @ camera.center_mm
    return np.asarray(np.linalg.lstsq(system, right, rcond=None)[0], dtype=np.float64)
