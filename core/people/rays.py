"""Detections as bundles of rays, and how far a bundle is from people in space.

Distances are told in *sizes*: the angle between a ray and a joint over the angle that the whole
detection spans. So one threshold serves players at 30 m and mice at 30 cm, and near and far views
alike. Everything here takes many detections at once; a match has millions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.geometry import Rig

    Floats = NDArray[np.float64]
    Ints = NDArray[np.intp]

CAP = 0.5  # one joint of a detection counts this much at most, in sizes
MIN_JOINTS = 3
_FULL_CONFIDENCE = 0.6


@dataclass(frozen=True, slots=True, eq=False)
class RayBundles:
    """N detections as rays.

    Attributes:
        camera: (N,) index into the rig.
        origins_mm: (N, 3) camera centres.
        directions: (N, J, 3) unit, world; 0 where the joint is absent.
        weights: (N, J) 0…1, from the confidence; 0 where absent.
        sizes: (N,) angle that the detection spans, in radians.
    """

    camera: Ints
    origins_mm: Floats
    directions: Floats
    weights: Floats
    sizes: Floats

    def __len__(self) -> int:
        return len(self.camera)

    def take(self, rows: Ints | slice) -> RayBundles:
        """The bundles of some detections."""
        return RayBundles(
            self.camera[rows],
            self.origins_mm[rows],
            self.directions[rows],
            self.weights[rows],
            self.sizes[rows],
        )


def ray_bundles(
    rig: Rig,
    camera: NDArray[np.integer],
    points_px: NDArray[np.floating],
    confidence: NDArray[np.floating],
) -> RayBundles:
    """Rays of N detections.

    Args:
        rig: C cameras.
        camera: (N,) index into the rig.
        points_px: (N, J, 2) raw pixels; NaN = absent.
        confidence: (N, J); NaN counts as full.
    """
    count, num_joints = points_px.shape[:2]
    directions = np.zeros((count, num_joints, 3))
    origins = np.zeros((count, 3))
    sizes = np.full(count, np.nan)
    for c, device in enumerate(rig):
        mine = camera == c
        if mine.any():
            origins[mine], directions[mine] = device.rays(points_px[mine].astype(np.float64))
            sizes[mine] = _sizes(directions[mine], device.R)
    absent = ~np.all(np.isfinite(directions), axis=-1)
    directions[absent] = 0
    shares = np.where(np.isfinite(confidence), confidence / _FULL_CONFIDENCE, 1.0)
    weights = np.where(absent, 0.0, np.clip(shares, 0.02, 1.0))
    return RayBundles(camera.astype(np.intp), origins, directions, weights, sizes)


def _sizes(directions: Floats, R: Floats) -> Floats:
    """Diagonal of the box about each detection, as an angle; at least 0.4 of the view's median."""
    local = directions @ R.T
    plane = local[..., :2] / local[..., 2:]
    known = np.isfinite(plane)
    low = np.where(known, plane, np.inf).min(axis=1)
    high = np.where(known, plane, -np.inf).max(axis=1)
    diagonal = np.hypot(*np.where(high >= low, high - low, 0.0).T)
    wide = diagonal[diagonal > 0]
    floor = 0.4 * float(np.median(wide)) if len(wide) else 1e-2
    return np.maximum(diagonal, floor)


def intersect(
    origins_mm: Floats, directions: Floats, weights: Floats, *, rounds: int = 3
) -> Floats:
    """Points nearest to the rays of the same joint in several views, robustly.

    Args:
        origins_mm: (M, V, 3) camera centres.
        directions: (M, V, J, 3) unit rays.
        weights: (M, V, J), 0 = no ray.
        rounds: of reweighting, which lets a ray count less the farther it passes.

    Returns:
        (M, J, 3) mm; NaN where fewer than two rays meet, or they are parallel.
    """
    reach = directions[..., :, None] * directions[..., None, :]
    across = np.eye(3) - reach  # (M, V, J, 3, 3), across the ray
    pulled = np.einsum("mvjab,mvb->mvja", across, origins_mm)
    usable = (weights > 0).sum(axis=1) >= 2
    share = weights
    points = np.full((*usable.shape, 3), np.nan)
    for _ in range(rounds):
        A = np.einsum("mvj,mvjab->mjab", share, across)
        b = np.einsum("mvj,mvja->mja", share, pulled)
        scale = np.trace(A, axis1=-2, axis2=-1)
        usable &= np.linalg.det(A) > 1e-6 * scale**3
        safe = np.where(usable[..., None, None], A, np.eye(3))
        points = np.linalg.solve(safe, b[..., None])[..., 0]
        if rounds > 1:
            misses = np.linalg.norm(np.einsum("mvjab,mjb->mvja", across, points) - pulled, axis=-1)
            typical = _masked_median(misses, weights > 0)
            share = weights / (1 + (misses / (2 * typical + 1e-9)) ** 2)
    return np.where(usable[..., None], points, np.nan)


def _masked_median(values: Floats, mask: NDArray[np.bool_]) -> Floats:
    """(M, 1, 1) median over views and joints of what the mask lets through."""
    flat = np.sort(np.where(mask, values, np.inf).reshape(len(values), -1), axis=1)
    middle = np.maximum(mask.reshape(len(mask), -1).sum(axis=1) - 1, 0) // 2
    median = np.take_along_axis(flat, middle[:, None], axis=1)[:, :, None]
    return np.where(np.isfinite(median), median, 1.0)


def misfits(points_mm: Floats, bundles: RayBundles, people: Ints, rows: Ints) -> Floats:
    """How far detections are from people, in sizes.

    Args:
        points_mm: (P, J, 3) joints; NaN = not known.
        bundles: N detections.
        people: (K,) rows of `points_mm`.
        rows: (K,) rows of `bundles`.

    Returns:
        (K,) mean over the shared joints, weighted; infinite where they share fewer than 3 (or than
        the skeleton has).
    """
    seen = points_mm[people] - bundles.origins_mm[rows, None]
    ahead = np.einsum("kja,kja->kj", seen, bundles.directions[rows])
    distance2 = np.einsum("kja,kja->kj", seen, seen)
    with np.errstate(invalid="ignore"):
        sine = np.sqrt(np.maximum(distance2 - ahead**2, 0.0)) / np.sqrt(distance2)
        share = np.where(ahead > 0, sine / bundles.sizes[rows, None], CAP)
        known = np.isfinite(points_mm[people, :, 0]) & (bundles.weights[rows] > 0)
    weights = np.where(known, bundles.weights[rows], 0.0)
    total = weights.sum(axis=1)
    value = (weights * np.where(known, np.minimum(share, CAP), 0.0)).sum(axis=1)
    enough = known.sum(axis=1) >= min(MIN_JOINTS, points_mm.shape[1])
    return np.where(enough, value / np.where(total > 0, total, 1.0), np.inf)


def pair_gaps(bundles: RayBundles, first: Ints, second: Ints) -> tuple[Floats, Floats]:
    """How far the rays of detections in two views pass each other.

    Args:
        bundles: N detections.
        first: (K,) rows.
        second: (K,) rows, of other cameras.

    Returns:
        (K,) gap in sizes, weighted mean over the shared joints, infinite where they share too few;
        and (K, J, 3) mm, the middles of the gaps, NaN where a joint is not in both.
    """
    a, b = bundles.directions[first], bundles.directions[second]
    base = (bundles.origins_mm[second] - bundles.origins_mm[first])[:, None]
    weights = np.sqrt(bundles.weights[first] * bundles.weights[second])
    cosine = np.einsum("kja,kja->kj", a, b)
    sine2 = 1 - cosine**2
    along_a, along_b = np.einsum("kja,kja->kj", a, base), np.einsum("kja,kja->kj", b, base)
    known = (weights > 0) & (sine2 > 1e-4)
    sine2 = np.where(known, sine2, 1.0)
    depth_a = (along_a - cosine * along_b) / sine2
    depth_b = (cosine * along_a - along_b) / sine2
    foot_a = depth_a[..., None] * a
    foot_b = base + depth_b[..., None] * b
    gap = np.linalg.norm(foot_a - foot_b, axis=-1)
    ahead = known & (depth_a > 0) & (depth_b > 0)
    span = np.maximum(depth_a * bundles.sizes[first, None], depth_b * bundles.sizes[second, None])
    share = np.where(ahead, np.minimum(gap / np.where(ahead, span, 1.0), CAP), CAP)
    weights = np.where(known, weights, 0.0)
    total = weights.sum(axis=1)
    enough = known.sum(axis=1) >= min(MIN_JOINTS, weights.shape[1])
    value = np.where(enough, (weights * share).sum(axis=1) / np.where(enough, total, 1.0), np.inf)
    middle = bundles.origins_mm[first][:, None] + (foot_a + foot_b) / 2
    return value, np.where(ahead[..., None], middle, np.nan)
