"""Cameras and rigs that the geometry tests share: lenses of every model, and a court's rig."""

import numpy as np

from core.geometry.camera import Camera, Rig

LENSES = {
    "none": [],
    "brown4": [-0.2, 0.05, 0.001, -0.002],
    "brown5": [-0.3, 0.1, 0.0014, 0.001, -0.0132],  # like ace_1: folds inside the corner
    "concave_then_convex": [-0.3605, 0.1483, -0.0032, 0.001, -0.0125],  # like ace_3
    "pincushion": [0.12, 0.03, 0.0005, 0.0005, 0.01],
    "rational": [0.4, -0.1, 0.0005, -0.0008, 0.01, 0.7, -0.05, 0.02],
    "thin_prism": [-0.2, 0.06, 0.001, -0.001, -0.004, 0.02, 0.01, 0.0, 0.003, -0.001, -0.002, 5e-4],
}


def rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    """The rotation by `angle` radians about `axis` (Rodrigues' formula)."""
    x, y, z = np.asarray(axis, dtype=np.float64) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def look_at(
    name: str,
    center_mm: tuple[float, float, float],
    target_mm: tuple[float, float, float] = (0.0, 0.0, 1000.0),
    *,
    focal_px: float = 900.0,
    skew_px: float = 0.0,
    distortion: list[float] | tuple[float, ...] = (),
    size_px: tuple[int, int] | None = (1400, 900),
) -> Camera:
    """A camera at `center_mm` that sees `target_mm` in the middle, upright."""
    center = np.array(center_mm, dtype=np.float64)
    ahead = np.array(target_mm, dtype=np.float64) - center
    ahead /= np.linalg.norm(ahead)
    right = np.cross(ahead, [0, 0, 1.0])
    if np.linalg.norm(right) < 1e-9:
        right = np.array([1.0, 0, 0])
    right /= np.linalg.norm(right)
    R = np.stack([right, np.cross(ahead, right), ahead])
    K = np.array([[focal_px, skew_px, 699.5], [0, focal_px * 1.02, 449.5], [0, 0, 1]])
    return Camera(name, K, np.array(distortion), R, -R @ center, size_px)


def court_rig(num_cameras: int = 8, distortion: tuple[float, ...] = (-0.25, 0.06)) -> Rig:
    """Cameras 7.5 m up around a basketball court, looking at its middle."""
    coefficients = [*distortion, 0.0005, -0.0005] if distortion else []
    cameras: list[Camera] = []
    for index in range(num_cameras):
        angle = 2 * np.pi * index / num_cameras + 0.2
        center = (15000 * np.cos(angle), 10000 * np.sin(angle), 7000.0 + 200 * index)
        cameras.append(look_at(f"cam_{index}", center, distortion=coefficients))
    return Rig(tuple(cameras))
