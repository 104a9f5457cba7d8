"""Rigs and observations of which the truth is known, for the tests of triangulation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Two cameras at right angles, 1000 mm from the origin, focal length 100 px, centre (0, 0).
# Camera A looks along +x (its image: u = world y, v = world z), camera B along +y (u = -x, v = z).
HAND_RIG = np.array(
    [
        [[0.0, 100.0, 0.0, 0.0], [0.0, 0.0, 100.0, 0.0], [1.0, 0.0, 0.0, 1000.0]],
        [[-100.0, 0.0, 0.0, 0.0], [0.0, 0.0, 100.0, 0.0], [0.0, 1.0, 0.0, 1000.0]],
    ]
)


def court_rig(num_cameras: int = 8, focal_px: float = 900.0) -> NDArray[np.float64]:
    """(C, 3, 4): cameras 7.5 m high on an ellipse around a 28 x 15 m court."""
    angles = np.linspace(0, 2 * np.pi, num_cameras, endpoint=False) + 0.2
    matrices: list[NDArray[np.float64]] = []
    for angle in angles:
        center = np.array([17000 * np.cos(angle), 10500 * np.sin(angle), 7500.0])
        ahead = np.array([0.0, 0.0, 1000.0]) - center
        ahead /= np.linalg.norm(ahead)
        right = np.cross(ahead, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        R = np.stack([right, np.cross(ahead, right), ahead])
        K = np.array([[focal_px, 0.0, 960.0], [0.0, focal_px, 540.0], [0.0, 0.0, 1.0]])
        matrices.append(K @ np.column_stack([R, -R @ center]))
    return np.stack(matrices)


def project(
    projections: NDArray[np.float64], points_mm: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(C, J, 2) pixels of (J, 3) points."""
    q = np.einsum("cij,nj->cni", projections[:, :, :3], points_mm) + projections[:, None, :, 3]
    return q[..., :2] / q[..., 2:]


@dataclass
class Scene:
    """Joints on the court.

    Attributes:
        projections: (C, 3, 4).
        truth_mm: (J, 3).
        points_px: (C, J, 2).
    """

    projections: NDArray[np.float64]
    truth_mm: NDArray[np.float64]
    points_px: NDArray[np.float64]


def court_scene(
    num_joints: int,
    *,
    seed: int = 0,
    noise_px: float = 2.0,
    num_cameras: int = 8,
    outliers: float = 0.0,
    missing: float = 0.0,
) -> Scene:
    """Random joints up to 2 m above the court, with noise, shares of outliers and of gaps."""
    rng = np.random.default_rng(seed)
    projections = court_rig(num_cameras)
    truth_mm = rng.uniform([-14000, -7500, 0], [14000, 7500, 2000], (num_joints, 3))
    points_px = project(projections, truth_mm)
    points_px += rng.normal(0, noise_px, points_px.shape) if noise_px else 0.0
    wrong = rng.random(points_px.shape[:2]) < outliers
    points_px[wrong] += rng.normal(0, 80, (int(wrong.sum()), 2))
    points_px[rng.random(points_px.shape[:2]) < missing] = np.nan
    return Scene(projections, truth_mm, points_px)


def shift_one_view(scene: Scene, radius_px: float, *, seed: int = 1) -> NDArray[np.intp]:
    """Move every joint in one view of its own by `radius_px`; returns those views (J,)."""
    rng = np.random.default_rng(seed)
    num_cameras, num_joints = scene.points_px.shape[:2]
    views = rng.integers(0, num_cameras, num_joints)
    angles = rng.uniform(0, 2 * np.pi, num_joints)
    shift = radius_px * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    scene.points_px[views, np.arange(num_joints)] += shift
    return views


def errors_mm(points_mm: NDArray[np.float64], truth_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.linalg.norm(points_mm - truth_mm, axis=-1)
