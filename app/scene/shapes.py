"""Line segments of everything in the 3D viewer, as plain arrays.

A list of segments is (2N, 3): each pair of rows is a line. World coordinates in millimetres.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from core.geometry import Camera

    Segments = NDArray[np.float64]

# A basketball court (FIBA), millimetres about its centre.
_LENGTH, _WIDTH = 28_000.0, 15_000.0
_KEY_LENGTH, _KEY_WIDTH = 5_800.0, 4_900.0
_CIRCLE = 1_800.0
_ARC, _ARC_CENTER, _ARC_SIDE = 6_750.0, 1_575.0, 900.0


def polyline(points: NDArray[np.float64], *, closed: bool = False) -> Segments:
    """The segments of a path of (N, 3) points."""
    ends = np.roll(points, -1, axis=0) if closed else points[1:]
    starts = points if closed else points[:-1]
    return np.stack([starts, ends], axis=1).reshape(-1, 3)


def _flat(points: Sequence[tuple[float, float]] | NDArray[np.float64]) -> NDArray[np.float64]:
    array = np.asarray(points, dtype=np.float64)
    return np.column_stack([array, np.zeros(len(array))])


def _arc(center: tuple[float, float], radius: float, start: float, stop: float) -> Segments:
    angles = np.radians(np.linspace(start, stop, 49))
    points = np.column_stack([np.cos(angles), np.sin(angles)]) * radius + center
    return polyline(_flat(points))


def court_lines() -> Segments:
    """The painted lines of a basketball court at z = 0, its centre at the origin."""
    x, y = _LENGTH / 2, _WIDTH / 2
    parts = [
        polyline(_flat([(-x, -y), (x, -y), (x, y), (-x, y)]), closed=True),
        polyline(_flat([(0, -y), (0, y)])),
        _arc((0, 0), _CIRCLE, 0, 360),
    ]
    for side in (-1, 1):
        inner = side * (x - _KEY_LENGTH)
        half = _KEY_WIDTH / 2
        parts.append(
            polyline(_flat([(side * x, -half), (inner, -half), (inner, half), (side * x, half)]))
        )
        parts.append(_arc((inner, 0), _CIRCLE, 0, 360))
        basket = (side * (x - _ARC_CENTER), 0.0)
        straight = y - _ARC_SIDE
        turn = np.degrees(np.arcsin(straight / _ARC))
        middle = 180.0 if side > 0 else 0.0
        parts.append(_arc(basket, _ARC, middle - turn, middle + turn))
        reach = basket[0] - side * np.cos(np.radians(turn)) * _ARC
        for edge in (-straight, straight):
            parts.append(polyline(_flat([(side * x, edge), (reach, edge)])))
    return np.concatenate(parts)


def ground_grid(
    center: NDArray[np.float64], axes: NDArray[np.float64], size_mm: float, step_mm: float
) -> Segments:
    """A square grid about ``center`` (3,) spanned by the two rows of ``axes`` (2, 3)."""
    count = max(int(size_mm // (2 * step_mm)), 1)
    places = np.arange(-count, count + 1) * step_mm
    reach = count * step_mm
    lines = [
        [center + p * along - reach * across, center + p * along + reach * across]
        for along, across in ((axes[0], axes[1]), (axes[1], axes[0]))
        for p in places
    ]
    return np.asarray(lines).reshape(-1, 3)


def frustum_lines(camera: Camera, depth_mm: float) -> Segments:
    """Four edges from the camera's centre and the picture's border."""
    corners = camera.frustum(depth_mm)
    apex, border = corners[0], corners[1:]
    edges = np.stack([np.broadcast_to(apex, border.shape), border], axis=1).reshape(-1, 3)
    return np.concatenate([edges, polyline(border, closed=True)])


def bone_lines(
    points_mm: NDArray[np.float64], bones: Sequence[tuple[int, int]]
) -> tuple[Segments, NDArray[np.intp]]:
    """The bones of P people, without those that lack an end.

    Args:
        points_mm: (P, J, 3); NaN = no point.
        bones: pairs of joint indices.

    Returns:
        The segments (2N, 3), and for each of the N segments its person's row.
    """
    if not bones or not len(points_mm):
        return np.empty((0, 3)), np.empty(0, dtype=np.intp)
    segments = points_mm[:, np.asarray(bones)]
    rows = np.repeat(np.arange(len(points_mm)), len(bones)).reshape(len(points_mm), -1)
    is_there = np.isfinite(segments).all(axis=(2, 3))
    return segments[is_there].reshape(-1, 3), rows[is_there]


def ellipsoid_lines(
    center_mm: NDArray[np.float64], covariance_mm2: NDArray[np.float64], num_sigmas: float = 2.0
) -> Segments:
    """Three great circles of a covariance ellipsoid; nothing where it is not finite."""
    if not (np.isfinite(center_mm).all() and np.isfinite(covariance_mm2).all()):
        return np.empty((0, 3))
    variances, axes = np.linalg.eigh(covariance_mm2)
    scaled = (axes * np.sqrt(np.maximum(variances, 0)) * num_sigmas).T
    angles = np.linspace(0, 2 * np.pi, 49)[:, None]
    circles = [
        polyline(center_mm + np.cos(angles) * scaled[a] + np.sin(angles) * scaled[b])
        for a, b in ((0, 1), (0, 2), (1, 2))
    ]
    return np.concatenate(circles)


def up_direction(cameras: Sequence[Camera]) -> NDArray[np.float64]:
    """Which way is up in a rig that does not say: the mean of "up in the picture".

    Cameras that look straight down or up say nothing of it, and weigh accordingly little. An axis
    of the world within 25 degrees is taken to be what was meant.
    """
    ups = np.stack([-camera.R[1] for camera in cameras])
    total = ups.sum(axis=0)
    norm = float(np.linalg.norm(total))
    if norm < 0.1 * len(cameras):
        return np.array([0.0, 0.0, 1.0])
    up = total / norm
    axis = int(np.abs(up).argmax())
    if abs(up[axis]) > np.cos(np.radians(25)):
        up = np.sign(up[axis]) * np.eye(3)[axis]
    return up
