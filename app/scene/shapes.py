"""Line segments of everything in the 3D viewer, as plain arrays.

A list of segments is (2N, 3): each pair of rows is a line. World coordinates in millimetres.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from core.geometry import Camera, Rig

    Segments = NDArray[np.float64]

# A basketball court (FIBA), millimetres about its centre.
_LENGTH, _WIDTH = 28_000.0, 15_000.0
_KEY_LENGTH, _KEY_WIDTH = 5_800.0, 4_900.0
_CIRCLE = 1_800.0
_ARC, _ARC_CENTER, _ARC_SIDE = 6_750.0, 1_575.0, 900.0
_RUN_OFF = 2_000.0
# Mean squares of what leaves the ground's plane, and of the lesser direction within it.
_LEVEL, _TURNED = 0.02, 0.1


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
    """The painted lines of a basketball court at z = 0, its length along x, centre at 0."""
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


def court_areas() -> list[tuple[NDArray[np.float64], float]]:
    """The court's fields as triangles (3N, 3), and how strongly each is tinted, 0 to 1."""
    x, y, key = _LENGTH / 2, _WIDTH / 2, _KEY_WIDTH / 2
    around = x + _RUN_OFF, y + _RUN_OFF
    areas = [
        (_rectangle(-around[0], -around[1], *around), 0.45),
        (_rectangle(-x, -y, x, y), 0.75),
    ]
    areas += [(_rectangle(s * x, -key, s * (x - _KEY_LENGTH), key), 0.5) for s in (-1, 1)]
    return areas


def _rectangle(left: float, bottom: float, right: float, top: float) -> NDArray[np.float64]:
    corners = _flat([(left, bottom), (right, bottom), (right, top), (left, top)])
    return corners[[0, 1, 2, 0, 2, 3]]


def court_is_along_y(rig: Rig) -> bool:
    """Which way a court about the origin lies: cameras stand farther out at its ends."""
    reach = np.ptp(np.stack([camera.center_mm for camera in rig]), axis=0)
    return bool(reach[1] > reach[0])


def court_outline() -> NDArray[np.float64]:
    """(4, 3) the court's corners."""
    x, y = _LENGTH / 2, _WIDTH / 2
    return _flat([(-x, -y), (x, -y), (x, y), (-x, y)])


def round_grid(reach: float, step: float) -> tuple[Segments, NDArray[np.float64]]:
    """A grid on the ground about the origin, in pieces of a cell within ``reach``.

    Returns:
        The segments (2N, 3), and (N,) how far the middle of each is from the origin.
    """
    count = max(int(np.ceil(reach / step)), 1)
    ticks = np.arange(-count, count + 1) * step
    at, start = np.meshgrid(ticks, ticks[:-1], indexing="ij")
    pieces = np.zeros((2, at.size, 2, 3))
    pieces[0, :, :, 0] = at.reshape(-1, 1)
    pieces[0, :, 0, 1], pieces[0, :, 1, 1] = start.ravel(), start.ravel() + step
    pieces[1, :, :, :2] = pieces[0, :, :, 1::-1]
    segments = pieces.reshape(-1, 2, 3)
    distance = np.linalg.norm(segments.mean(axis=1), axis=1)
    inside = distance <= reach
    return segments[inside].reshape(-1, 3), distance[inside]


def disc(center: NDArray[np.float64], radius: float, num_sides: int = 24) -> NDArray[np.float64]:
    """(3 n, 3) triangles of a level disc; the first corner of each is its centre."""
    angles = np.linspace(0, 2 * np.pi, num_sides + 1)
    rim = center + radius * np.column_stack([np.cos(angles), np.sin(angles), np.zeros_like(angles)])
    middle = np.broadcast_to(center, (num_sides, 3))
    return np.stack([middle, rim[:-1], rim[1:]], axis=1).reshape(-1, 3)


def frustum_lines(camera: Camera, depth_mm: float) -> Segments:
    """Four edges from the camera's centre, the picture's border, and a roof on its upper side."""
    corners = camera.frustum(depth_mm)
    apex, border = corners[0], corners[1:]
    edges = np.stack([np.broadcast_to(apex, border.shape), border], axis=1).reshape(-1, 3)
    left, right = border[0], border[1]
    rise = border[:2].mean(axis=0) - border[2:].mean(axis=0)
    ridge = (left + right) / 2 + 0.22 * rise
    inner = 0.3 * (right - left)
    roof = polyline(np.stack([left + inner, ridge, right - inner]))
    return np.concatenate([edges, polyline(border, closed=True), roof])


def frustum_faces(camera: Camera, depth_mm: float) -> NDArray[np.float64]:
    """(12, 3) the four sides of a frustum as triangles."""
    apex, *border = camera.frustum(depth_mm)
    sides = [[apex, border[i], border[(i + 1) % 4]] for i in range(4)]
    return np.asarray(sides).reshape(-1, 3)


def _ellipsoid_axes(covariance_mm2: NDArray[np.float64], num_sigmas: float) -> Segments:
    """(3, 3) its semi-axes, one a row."""
    variances, axes = np.linalg.eigh(covariance_mm2)
    return (axes * np.sqrt(np.maximum(variances, 0)) * num_sigmas).T


def ellipsoid_lines(
    center_mm: NDArray[np.float64], covariance_mm2: NDArray[np.float64], num_sigmas: float = 2.0
) -> Segments:
    """Three great circles of a covariance ellipsoid; nothing where it is not finite."""
    if not (np.isfinite(center_mm).all() and np.isfinite(covariance_mm2).all()):
        return np.empty((0, 3))
    scaled = _ellipsoid_axes(covariance_mm2, num_sigmas)
    angles = np.linspace(0, 2 * np.pi, 49)[:, None]
    circles = [
        polyline(center_mm + np.cos(angles) * scaled[a] + np.sin(angles) * scaled[b])
        for a, b in ((0, 1), (0, 2), (1, 2))
    ]
    return np.concatenate(circles)


def up_direction(cameras: Sequence[Camera], middle_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Which way is up in a rig that does not say.

    Cameras are mostly mounted level: then their horizontal picture axes all lie in the ground's
    plane, even those of cameras that look straight down. Where they do not, two hints add up: the
    mean of "up in the picture", and the way from ``middle_mm`` (what is filmed) to the cameras,
    which are rather above than below it. An axis of the world that is about there is taken to
    be what was meant.
    """
    away = np.stack([camera.center_mm for camera in cameras]) - middle_mm
    away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-9)
    hint = np.stack([-camera.R[1] for camera in cameras]).mean(axis=0) + away.mean(axis=0)
    sideways = np.stack([camera.R[0] for camera in cameras])
    spread, axes = np.linalg.eigh(sideways.T @ sideways / len(cameras))
    up, doubt_degrees = hint, 25.0
    if spread[0] < _LEVEL and spread[1] > _TURNED:
        up, doubt_degrees = axes[:, 0] * (1.0 if axes[:, 0] @ hint >= 0 else -1.0), 5.0
    norm = float(np.linalg.norm(up))
    if norm < 0.1:
        return np.array([0.0, 0.0, 1.0])
    up = up / norm
    axis = int(np.abs(up).argmax())
    if abs(up[axis]) > np.cos(np.radians(doubt_degrees)):
        up = np.sign(up[axis]) * np.eye(3)[axis]
    return up
