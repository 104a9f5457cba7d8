"""The reference that everybody knows: RANSAC over all pairs of views, then DLT on the inliers.

Exhaustive, so nothing is random in it. It needs a threshold in pixels, which the other methods do
not; that is its weakness where all views are a little noisy.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from core.geometry import robust_triangulate, triangulate

if TYPE_CHECKING:
    from numpy.typing import NDArray


def ransac_triangulate(
    points_px: NDArray[np.float64], projections: NDArray[np.float64], threshold_px: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The pair whose candidate most views agree with, then plain DLT of those views.

    Of pairs with equally many inliers the one with the least mean residual of them wins.

    Args:
        points_px: (..., C, J, 2) undistorted pixels; NaN = not observed.
        projections: (C, 3, 4) px_from_world, millimetres.
        threshold_px: an inlier's residual is at most this.

    Returns:
        points (..., J, 3) mm, NaN where degenerate; inliers (..., C, J) bool.
    """
    pairs = robust_triangulate(points_px, projections, weighting="none", discard="none")
    residuals = _residuals_px(pairs.candidates_mm, points_px, projections)
    inlier = residuals <= threshold_px
    count = inlier.sum(axis=-2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # pairs without any inlier
        mean = np.where(inlier, residuals, 0.0).sum(axis=-2) / count
    # A pair's own views come first in what it explains: at equal counts the residual decides.
    score = count - np.where(np.isnan(mean), 1.0, mean / (1.0 + threshold_px))
    best = score.argmax(axis=-2)[..., None, None, :]
    inliers = np.take_along_axis(inlier, best, axis=-3)[..., 0, :, :]
    points_mm = triangulate(points_px, projections, weights=inliers.astype(np.float64))
    return points_mm, inliers


def _residuals_px(
    candidates_mm: NDArray[np.float64],
    points_px: NDArray[np.float64],
    projections: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(..., num_pairs, C, J) distance of each pair's reprojection; inf where there is none."""
    M, m = projections[:, :, :3], projections[:, :, 3]
    q = candidates_mm[..., None, :, :] @ M.transpose(0, 2, 1) + m[:, None, :]
    depth = np.where(q[..., 2:] > 0, q[..., 2:], np.nan)
    residual = np.linalg.norm(q[..., :2] / depth - points_px[..., None, :, :, :], axis=-1)
    return np.where(np.isnan(residual), np.inf, residual)
