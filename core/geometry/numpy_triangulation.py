"""The numpy side of `core.geometry.triangulation`: shapes in and out of the compiled kernel.

Arguments have been checked by the face. The kernel sees one leading axis and float64 or float32
pixels; results come back in the type of the pixels.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from core.geometry import kernel
from core.geometry.triangulation import LeaveOneOut, RobustTriangulation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.geometry.triangulation import Options

_WEIGHTINGS = {
    "none": kernel.EQUAL,
    "pairwise": kernel.PAIRWISE,
    "consensus": kernel.CONSENSUS,
    "given": kernel.GIVEN,
}
_RULES = {
    "none": kernel.RULE_NONE,
    "wss": kernel.RULE_WSS,
    "support": kernel.RULE_SUPPORT,
}
SCALE_FACTOR = 1.2
SCALE_RANGE_MM = (3.0, 60.0)
SCALE_UNKNOWN_MM = 10.0


@functools.cache
def pair_tables(num_views: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All pairs (num_pairs, 2) in lexicographic order, and the pair of each two views (C, C)."""
    pairs = np.stack(np.triu_indices(num_views, 1), axis=1).astype(np.int64)
    pair_of = np.zeros((num_views, num_views), dtype=np.int64)
    pair_of[pairs[:, 0], pairs[:, 1]] = np.arange(len(pairs))
    pair_of += pair_of.T
    for table in (pairs, pair_of):
        table.setflags(write=False)
    return pairs, pair_of


def _inputs(
    points_px: NDArray[Any], projections: NDArray[Any], observed: NDArray[Any] | None
) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.float64]]:
    """(B, C, J, 2) pixels, (B, C, J) observed, (1 or B, C, 3, 4) projections, all contiguous."""
    num_views, num_joints = points_px.shape[-3:-1]
    pixels = np.ascontiguousarray(points_px).reshape(-1, num_views, num_joints, 2)
    if observed is None:
        mask = np.ones(pixels.shape[:-1], dtype=np.bool_)
    else:
        mask = np.ascontiguousarray(observed, dtype=np.bool_).reshape(pixels.shape[:-1])
    matrices = np.ascontiguousarray(projections, dtype=np.float64).reshape(-1, num_views, 3, 4)
    return pixels, mask, matrices


def robust(
    points_px: NDArray[Any],
    projections: NDArray[Any],
    observed: NDArray[Any] | None,
    given: NDArray[Any] | None,
    options: Options,
) -> RobustTriangulation[NDArray[Any]]:
    """`robust_triangulate` on arrays."""
    pixels, mask, matrices = _inputs(points_px, projections, observed)
    batch, num_views, num_joints = mask.shape
    pairs, pair_of = pair_tables(num_views)
    if given is None:
        factors = np.empty((0, 0, 1))
    else:
        factors = np.ascontiguousarray(given, dtype=np.float64).reshape(mask.shape)
    real = pixels.dtype
    points_mm = np.empty((batch, num_joints, 3), real)
    weights = np.empty((batch, num_views, num_joints), real)
    wss_mm = np.empty((batch, num_joints), real)
    kept = np.empty((batch, num_joints), np.bool_)
    centers_mm = np.empty((batch, num_joints, 3), real)
    candidates_mm = np.empty((batch, len(pairs), num_joints, 3), real)
    kernel.robust(
        pixels,
        mask,
        matrices,
        pairs,
        pair_of,
        factors,
        _WEIGHTINGS[options.weighting],
        _RULES[options.rule],
        float(options.sigma_mm) * 1e-3,
        float(options.wss_threshold_mm) * 1e-3,
        float(options.scale_mm) * 1e-3,
        int(options.min_views),
        float(options.row_exponent),
        points_mm,
        weights,
        wss_mm,
        kept,
        centers_mm,
        candidates_mm,
    )
    lead = points_px.shape[:-3]
    return RobustTriangulation(
        points_mm=points_mm.reshape(*lead, num_joints, 3),
        weights=weights.reshape(*lead, num_views, num_joints),
        wss_mm=wss_mm.reshape(*lead, num_joints),
        kept=kept.reshape(*lead, num_joints),
        centers_mm=centers_mm.reshape(*lead, num_joints, 3),
        candidates_mm=candidates_mm.reshape(*lead, len(pairs), num_joints, 3),
        pairs=pairs,
    )


def estimate_scale(
    points_px: NDArray[Any], projections: NDArray[Any], observed: NDArray[Any] | None
) -> float:
    """`estimate_scale_mm` on arrays."""
    pixels, mask, matrices = _inputs(points_px, projections, observed)
    scales_mm = np.empty((mask.shape[0], mask.shape[2]))
    kernel.residual_scales(pixels, mask, matrices, pair_tables(mask.shape[1])[0], scales_mm)
    known = scales_mm[np.isfinite(scales_mm)]
    if not known.size:
        return SCALE_UNKNOWN_MM
    return float(np.clip(SCALE_FACTOR * np.median(known), *SCALE_RANGE_MM))


def weighted(
    points_px: NDArray[Any],
    projections: NDArray[Any],
    observed: NDArray[Any] | None,
    weights: NDArray[Any] | None,
) -> NDArray[Any]:
    """`triangulate` on arrays."""
    pixels, mask, matrices = _inputs(points_px, projections, observed)
    if weights is None:
        factors = np.ones(mask.shape)
    else:
        factors = np.ascontiguousarray(weights, dtype=np.float64).reshape(mask.shape)
    points_mm = np.empty((mask.shape[0], mask.shape[2], 3), pixels.dtype)
    kernel.weighted(pixels, mask, matrices, factors, points_mm)
    return points_mm.reshape(*points_px.shape[:-3], points_px.shape[-2], 3)


def leave_one_out(
    points_px: NDArray[Any],
    projections: NDArray[Any],
    observed: NDArray[Any] | None,
    weights: NDArray[Any] | None,
) -> LeaveOneOut[NDArray[Any]]:
    """`leave_one_out` on arrays: C plain solves, each without one view."""
    num_views = points_px.shape[-3]
    ones = np.ones(points_px.shape[:-1]) if weights is None else weights
    points_mm = np.empty(points_px.shape[:-1] + (3,), points_px.dtype)
    residuals_px = np.empty(points_px.shape[:-1], points_px.dtype)
    for c in range(num_views):
        factors = np.array(ones, dtype=np.float64)
        factors[..., c, :] = 0.0
        points = weighted(points_px, projections, observed, factors)
        points_mm[..., c, :, :] = points
        P = np.asarray(projections, dtype=np.float64)[..., c, :, :]
        q = points @ np.swapaxes(P[..., :3], -1, -2) + P[..., None, :, 3]
        ahead = q[..., 2:] * np.sign(np.linalg.det(P[..., :3]))[..., None, None] > 0
        seen = np.where(ahead, q[..., :2] / np.where(ahead, q[..., 2:], 1.0), np.nan)
        residuals_px[..., c, :] = np.linalg.norm(points_px[..., c, :, :] - seen, axis=-1)
    if observed is not None:
        residuals_px[~np.asarray(observed, dtype=np.bool_)] = np.nan
    return LeaveOneOut(points_mm=points_mm, residuals_px=residuals_px)


def covariance(
    points_mm: NDArray[Any],
    projections: NDArray[Any],
    observed: NDArray[Any] | None,
    weights: NDArray[Any] | None,
    noise_px: float,
) -> NDArray[Any]:
    """`point_covariance_mm2` on arrays."""
    P = np.asarray(projections, dtype=np.float64)
    points = np.asarray(points_mm, dtype=np.float64)[..., None, :, :]
    q = points @ np.swapaxes(P[..., :3], -1, -2) + P[..., None, :, 3]
    z = q[..., 2, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        uv = q[..., :2] / z
        J = (P[..., None, :2, :3] - uv[..., :, None] * P[..., None, 2:, :3]) / z[..., None]
    counts = np.ones(q.shape[:-1]) if weights is None else np.asarray(weights, dtype=np.float64)
    if observed is not None:
        counts = np.where(observed, counts, 0.0)
    J = np.where((counts > 0)[..., None, None], J, 0.0)
    information = np.einsum("...cj,...cjab,...cjad->...jbd", counts, J, J)
    solvable = np.isfinite(information).all((-1, -2))
    trace = np.trace(information, axis1=-2, axis2=-1)
    solvable &= np.linalg.det(np.where(solvable[..., None, None], information, 0)) > (
        1e-13 * np.where(solvable, trace, 0) ** 3
    )
    safe = np.where(solvable[..., None, None], information, np.eye(3))
    inverse = np.linalg.inv(safe) * noise_px**2
    return np.where(solvable[..., None, None], inverse, np.nan).astype(points_mm.dtype)
