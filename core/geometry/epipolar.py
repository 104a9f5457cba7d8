"""Epipolar curves: where the ray of a pixel of one view runs through another view.

Under distortion the epipolar "line" is a curve, so it is sampled, not computed from a fundamental
matrix. Everything is clipped in 3D first, where it is convex and exact: to the world volume, to
what lies in front of the second camera, and to the cone within which its lens may be believed.
Only the picture's border, bent against the curve, is clipped on the finished polyline.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from core.geometry.distortion import distort

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from core.geometry.camera import Camera, Rig
    from core.geometry.volume import WorldBox

_TOLERANCE_PX = 0.1
_FIRST_SAMPLES = 17
_MAX_REFINEMENTS = 8
_NEAR = 1e-3  # mm ahead of the second camera


def epipolar_curve(
    rig: Rig,
    camera_a: int,
    point_px: ArrayLike,
    camera_b: int,
    volume: WorldBox | None = None,
) -> list[NDArray[np.float64]]:
    """The image in camera b of the ray of a pixel of camera a.

    Args:
        rig: both cameras' rig.
        camera_a: index of the camera that the pixel belongs to.
        point_px: (2,) raw pixel of a.
        camera_b: index of the camera to draw in.
        volume: the part of the world that counts; None = the whole ray.

    Returns:
        Polylines (n, 2), n ≥ 2, raw pixels of b, inside its picture and in the order from a's
        centre outwards; within 0.1 px of the true curve. Several where the curve leaves the
        picture and comes back; none where it is nowhere in it, where the pixel is NaN or imaged by
        no ray, or where a and b are in one place.
    """
    return epipolar_curves(rig, camera_a, point_px, [camera_b], volume)[0]


def epipolar_curves(
    rig: Rig,
    camera_a: int,
    point_px: ArrayLike,
    cameras: Sequence[int],
    volume: WorldBox | None = None,
) -> list[list[NDArray[np.float64]]]:
    """`epipolar_curve` in several cameras: the ray of the pixel is made and clipped once."""
    a = rig[camera_a]
    origin, direction = a.rays(point_px)
    if not np.isfinite(direction).all():
        return [[] for _ in cameras]
    span = (0.0, np.inf) if volume is None else volume.clip_ray(origin, direction)
    if span is None:
        return [[] for _ in cameras]
    return [_imaged_in(rig[camera], origin, direction, span) for camera in cameras]


def _imaged_in(
    b: Camera,
    origin: NDArray[np.float64],
    direction: NDArray[np.float64],
    span: tuple[float, float],
) -> list[NDArray[np.float64]]:
    ends = _normalised_ends(b.cam_from_world(origin), b.R @ direction, span, _view_radius(b))
    if ends is None:
        return []
    return _inside_picture(_sampled(b, *ends), b.extent_px)


@lru_cache(maxsize=256)
def _view_radius(camera: Camera) -> float:
    """The cone that holds the whole picture, as far as the lens may be believed; normalised."""
    width, height = camera.extent_px
    along = np.linspace(0.0, 1.0, 9)
    u = np.concatenate([along, along, np.zeros(9), np.ones(9)]) * width - 0.5
    v = np.concatenate([np.zeros(9), np.ones(9), along, along]) * height - 0.5
    seen = camera.undistort(np.stack([u, v], axis=-1))
    limit = float(camera.lens.model.limit)
    if np.isnan(seen).any():
        return limit
    x, y = camera.lens.to_normalised(*seen.T)
    return min(limit, 1.05 * float(np.hypot(x, y).max()))


def _normalised_ends(
    start: NDArray[np.float64],
    direction: NDArray[np.float64],
    span: tuple[float, float],
    radius: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """The ray's first and last believable image, (2,) each, or None where there is nothing.

    The ray is start + s * direction in b's frame, s in span. Where it is in front of b and within
    the cone x² + y² ≤ (radius z)², which is convex, it is one piece.
    """
    lens = np.array([1.0, 1.0, -radius * radius])
    square = float((lens * direction * direction).sum())
    linear = float((lens * start * direction).sum())
    constant = float((lens * start * start).sum())
    low, high = span
    cuts = _roots(square, 2 * linear, constant)
    if direction[2] != 0:
        cuts.append((_NEAR - float(start[2])) / float(direction[2]))
    edges = [low, *sorted(cut for cut in cuts if low < cut < high), high]
    for first, last in pairwise(edges):
        middle = _between(first, last)
        x, y, z = start + middle * direction
        if z >= _NEAR and x * x + y * y <= (radius * z) ** 2:
            return _image(start, direction, first), _image(start, direction, last)
    return None


def _roots(square: float, linear: float, constant: float) -> list[float]:
    """Real roots of square s² + linear s + constant, without cancellation."""
    inner = linear * linear - 4 * square * constant
    if inner < 0:
        return []
    q = -0.5 * (linear + np.copysign(np.sqrt(inner), linear))
    return [float(n / d) for n, d in ((q, square), (constant, q)) if d != 0]


def _between(first: float, last: float) -> float:
    return (first + last) / 2 if np.isfinite(last) else 2 * first + 1


def _image(
    start: NDArray[np.float64], direction: NDArray[np.float64], s: float
) -> NDArray[np.float64]:
    x, y, z = start + s * direction if np.isfinite(s) else direction
    return np.array([x / z, y / z])


def _sampled(
    camera: Camera, first: NDArray[np.float64], last: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Raw pixels (n, 2) of the straight normalised segment, close enough to draw as chords."""

    def imaged(share: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = (first + share[:, None] * (last - first)).T
        return np.stack(camera.lens.to_px(*distort(x, y, camera.lens.model.coefficients)), axis=-1)

    shares = np.linspace(0.0, 1.0, _FIRST_SAMPLES)
    points = imaged(shares)
    for _ in range(_MAX_REFINEMENTS):
        middles = (shares[1:] + shares[:-1]) / 2
        halfway = imaged(middles)
        astray = np.linalg.norm(halfway - (points[1:] + points[:-1]) / 2, axis=-1) > _TOLERANCE_PX
        if not astray.any():
            break
        places = np.flatnonzero(astray) + 1
        shares = np.insert(shares, places, middles[astray])
        points = np.insert(points, places, halfway[astray], axis=0)
    return points


def _inside_picture(
    points: NDArray[np.float64], extent_px: tuple[float, float]
) -> list[NDArray[np.float64]]:
    """The pieces of a polyline (n, 2) within the picture, cut where they cross its border."""
    low, high = np.array([-0.5, -0.5]), np.array(extent_px) - 0.5
    start, step = points[:-1], np.diff(points, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossings = np.stack([(low - start) / step, (high - start) / step])
    still = step == 0
    outside = still & ((start < low) | (start > high))
    enter = np.where(still, -np.inf, crossings.min(axis=0)).max(axis=-1).clip(min=0.0)
    leave = np.where(still, np.inf, crossings.max(axis=0)).min(axis=-1).clip(max=1.0)
    seen = (enter < leave) & ~outside.any(axis=-1)
    heads, tails = start + enter[:, None] * step, start + leave[:, None] * step
    pieces: list[NDArray[np.float64]] = []
    run: list[NDArray[np.float64]] = []
    for index in np.flatnonzero(seen):
        if not run:
            run = [heads[index]]
        run.append(tails[index])
        if leave[index] < 1 or index + 1 == len(seen) or not seen[index + 1]:
            pieces.append(np.array(run))
            run = []
    return pieces
