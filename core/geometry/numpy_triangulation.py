"""The numpy side of `core.geometry.triangulation`: shapes in and out of the compiled kernel.

Arguments have been checked by the face. The kernel sees one leading axis and float64, so that it is
compiled once; results come back in the type of the pixels.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from core.geometry import kernel
from core.geometry.method import SCALE_FACTOR, SCALE_RANGE_MM, SCALE_UNKNOWN_MM
from core.geometry.networks import view_tables
from core.geometry.triangulation import LeaveOneOut, RobustTriangulation

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

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


def _writable(values: ArrayLike, dtype: type[Any]) -> NDArray[Any]:
    """Contiguous and writable, copied where it is not.

    The kernels are compiled for each kind of array anew, read-only ones included, and two such
    compilations need not round alike: the same joint would differ in its last digit.
    """
    return np.require(values, dtype, ["C", "W"])


@functools.cache
def _tables(num_views: int) -> kernel.Tables:
    tables = view_tables(num_views)
    return kernel.Tables(*(getattr(tables, name) for name in kernel.Tables._fields))


def _inputs(
    points_px: NDArray[Any], projections: NDArray[Any], observed: NDArray[Any] | None
) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.float64]]:
    """(B, C, J, 2) pixels, (B, C, J) observed, (1 or B, C, 3, 4) projections, all contiguous."""
    num_views, num_joints = points_px.shape[-3:-1]
    pixels = _writable(points_px, np.float64).reshape(-1, num_views, num_joints, 2)
    if observed is None:
        mask = np.ones(pixels.shape[:-1], dtype=np.bool_)
    else:
        mask = _writable(observed, np.bool_).reshape(pixels.shape[:-1])
    matrices = _writable(projections, np.float64).reshape(-1, num_views, 3, 4)
    return pixels, mask, matrices


def solve(
    pixels: NDArray[np.float64],
    mask: NDArray[np.bool_],
    matrices: NDArray[np.float64],
    factors: NDArray[np.float64] | None,
    options: Options,
) -> kernel.Answer:
    """One call of the kernel on contiguous arrays: (B, C, J, 2), (B, C, J), (1 or B, C, 3, 4)."""
    batch, num_views, num_joints = mask.shape
    tables = _tables(num_views)
    answer = kernel.Answer(
        points_mm=np.empty((batch, num_joints, 3)),
        weights=np.empty(mask.shape),
        wss_mm=np.empty((batch, num_joints)),
        kept=np.empty((batch, num_joints), np.bool_),
        omega=np.empty(mask.shape),
        centers_mm=np.empty((batch, num_joints, 3)),
        candidates_mm=np.empty((batch, len(tables.pairs), num_joints, 3)),
    )
    rules = kernel.Rules(
        weighting=_WEIGHTINGS[options.weighting],
        discard=_RULES[options.rule],
        sigma_m=float(options.sigma_mm) * 1e-3,
        threshold_m=float(options.wss_threshold_mm) * 1e-3,
        scale_m=float(options.scale_mm) * 1e-3,
        min_views=int(options.min_views),
        row_exponent=float(options.row_exponent),
    )
    if num_views < 2:  # no pair: every joint is degenerate, and the kernel is not made for it
        return _no_pairs(answer, mask, factors, options)
    given = np.empty((0, 0, 1)) if factors is None else factors
    kernel.robust(pixels, mask, matrices, tables, rules, given, answer)
    return answer


def _no_pairs(
    answer: kernel.Answer,
    mask: NDArray[np.bool_],
    factors: NDArray[np.float64] | None,
    options: Options,
) -> kernel.Answer:
    """The answer of a single view, in the words of the kernel's."""
    for values in (answer.points_mm, answer.wss_mm, answer.centers_mm):
        values.fill(np.nan)
    answer.kept.fill(False)
    alone = mask if options.weighting == "none" else 0.0
    answer.weights[...] = alone if factors is None else np.where(mask, factors, 0.0)
    answer.omega.fill(0.0)
    return answer


def robust(
    points_px: NDArray[Any],
    projections: NDArray[Any],
    observed: NDArray[Any] | None,
    given: NDArray[Any] | None,
    options: Options,
) -> RobustTriangulation[NDArray[Any]]:
    """`robust_triangulate` on arrays."""
    pixels, mask, matrices = _inputs(points_px, projections, observed)
    num_views, num_joints = mask.shape[1:]
    factors = None
    if given is not None:
        factors = _writable(given, np.float64).reshape(mask.shape)
    solved = solve(pixels, mask, matrices, factors, options)
    lead, real = points_px.shape[:-3], points_px.dtype
    pairs = view_tables(num_views).pairs

    def shaped(values: NDArray[Any], *tail: int) -> NDArray[Any]:
        return values.reshape(*lead, *tail).astype(real, copy=False)

    return RobustTriangulation(
        points_mm=shaped(solved.points_mm, num_joints, 3),
        weights=shaped(solved.weights, num_views, num_joints),
        wss_mm=shaped(solved.wss_mm, num_joints),
        kept=solved.kept.reshape(*lead, num_joints),
        centers_mm=shaped(solved.centers_mm, num_joints, 3),
        candidates_mm=shaped(solved.candidates_mm, len(pairs), num_joints, 3),
        pairs=pairs,
    )


def estimate_scale(
    points_px: NDArray[Any], projections: NDArray[Any], observed: NDArray[Any] | None
) -> float:
    """`estimate_scale_mm` on arrays."""
    pixels, mask, matrices = _inputs(points_px, projections, observed)
    scales_mm = np.empty((mask.shape[0], mask.shape[2]))
    kernel.residual_scales(pixels, mask, matrices, _tables(mask.shape[1]), scales_mm)
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
        factors = _writable(weights, np.float64).reshape(mask.shape)
    points_mm = np.empty((mask.shape[0], mask.shape[2], 3))
    kernel.weighted(pixels, mask, matrices, factors, points_mm)
    shape = (*points_px.shape[:-3], points_px.shape[-2], 3)
    return points_mm.reshape(shape).astype(points_px.dtype, copy=False)


def leave_one_out(
    points_px: NDArray[Any],
    projections: NDArray[Any],
    observed: NDArray[Any] | None,
    weights: NDArray[Any] | None,
) -> LeaveOneOut[NDArray[Any]]:
    """`leave_one_out` on arrays: C plain solves, each without one view."""
    num_views = points_px.shape[-3]
    ones = np.ones(points_px.shape[:-1]) if weights is None else weights
    points_mm = np.empty((*points_px.shape[:-1], 3), points_px.dtype)
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
        slopes = (P[..., None, :2, :3] - uv[..., :, None] * P[..., None, 2:, :3]) / z[..., None]
    counts = np.ones(q.shape[:-1]) if weights is None else np.asarray(weights, dtype=np.float64)
    if observed is not None:
        counts = np.where(observed, counts, 0.0)
    slopes = np.where((counts > 0)[..., None, None], slopes, 0.0)
    information = np.einsum("...cj,...cjab,...cjad->...jbd", counts, slopes, slopes)
    solvable = np.isfinite(information).all((-1, -2))
    trace = np.trace(information, axis1=-2, axis2=-1)
    solvable &= np.linalg.det(np.where(solvable[..., None, None], information, 0)) > (
        1e-13 * np.where(solvable, trace, 0) ** 3
    )
    safe = np.where(solvable[..., None, None], information, np.eye(3))
    inverse = np.linalg.inv(safe) * noise_px**2
    return np.where(solvable[..., None, None], inverse, np.nan).astype(points_mm.dtype)
