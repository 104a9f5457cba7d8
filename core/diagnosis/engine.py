"""The triangulation as this room calls it: numpy arrays only, so that each has its own type.

`core.geometry` takes arrays or tensors, all of one kind, and a type checker then believes that
points and flags are of one type too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.diagnosis.anchoring import anchored
from core.geometry import (
    LeaveOneOut,
    RobustTriangulation,
    leave_one_out,
    robust_triangulate,
    triangulate,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.geometry import Rig

Array: TypeAlias = NDArray[Any]
Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
Triangulation: TypeAlias = RobustTriangulation[Array]


def observed_in(points_px: Floats) -> Bools:
    """Which points (..., 2) are there: (...)."""
    return np.asarray(np.isfinite(points_px).all(axis=-1))


def robust(
    points_px: Array,
    projections: Array,
    observed: Array,
    options: Mapping[str, Any],
    hand: Bools | None = None,
) -> Triangulation:
    """`robust_triangulate` with `core.diagnosis.lengths.arguments`.

    With `hand` (..., C, J), what people placed themselves, joints that they touched are decided by
    the precision of their labels (`core.diagnosis.anchoring`).
    """
    found = robust_triangulate(points_px, projections, observed=observed, **options)
    if hand is None:
        return found
    return anchored(found, points_px, projections, observed, hand, options)


def plain(points_px: Array, projections: Array, observed: Array) -> Floats:
    """`triangulate`: the DLT of all observed views alike, (..., J, 3)."""
    return triangulate(points_px, projections, observed=observed)


def left_out(
    points_px: Array, projections: Array, observed: Array, factors: Array | None = None
) -> LeaveOneOut[Array]:
    """`leave_one_out`."""
    return leave_one_out(points_px, projections, observed=observed, weights=factors)


def straightened(rig: Rig, points_px: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Raw points (N, C, J, 2) undistorted, and which of them count (N, C, J).

    Camera by camera and only where there is a point: over many frames this is twice as fast as
    the whole array at once, of which half is absent.
    """
    undistorted = np.full(points_px.shape, np.nan)
    for index, camera in enumerate(rig):
        there = observed_in(points_px[:, index])
        undistorted[:, index][there] = camera.undistort(points_px[:, index][there])
    return undistorted, observed_in(undistorted)


def robust_leave_one_out(
    points_px: Floats,
    projections: Floats,
    observed: NDArray[np.bool_],
    factors: Array,
) -> LeaveOneOut[Array]:
    """Each view against the others as they were weighted; where that fails, weighted equally.

    Weighted, a view that is wrong is shown by its own residual and spoils nobody else's. It fails
    where fewer than two of the others have any weight; who stands alone there is not for the
    weights to say.

    Args:
        points_px: (..., C, J, 2) undistorted pixels.
        projections: (C, 3, 4).
        observed: (..., C, J).
        factors: (..., C, J) row factors; only their ratios within a joint matter.
    """
    largest = factors.max(axis=-2, keepdims=True, initial=0.0)
    ratios = np.where(largest > 0, factors / np.where(largest > 0, largest, 1.0), 1.0)
    found = left_out(points_px, projections, observed, ratios)
    lost = np.isnan(found.residuals_px) & observed
    joints = lost.any(axis=-2)
    if joints.any():
        again = np.moveaxis(points_px, -2, -3)[joints][:, :, None]
        seen = np.moveaxis(observed, -1, -2)[joints][:, :, None]
        equal = left_out(again, projections, seen)
        replaced = np.moveaxis(lost, -1, -2)[joints]
        for whole, part in (
            (np.moveaxis(found.points_mm, -2, -3), equal.points_mm[:, :, 0]),
            (np.moveaxis(found.residuals_px, -1, -2), equal.residuals_px[:, :, 0]),
        ):
            rows = whole[joints]
            rows[replaced] = part[replaced]
            whole[joints] = rows
    return found


def left_out_by_evidence(
    points_px: Floats,
    projections: Floats,
    observed: Bools,
    factors: Array,
    reprojected: Bools,
) -> LeaveOneOut[Array]:
    """`robust_leave_one_out`, where the reprojected views are nobody's witnesses.

    They agree with what they were made from, so a view is held against network and hand alone; a
    reprojected one itself against all others, as it shows where those have it.

    Args:
        points_px: (..., C, J, 2) undistorted pixels.
        projections: (C, 3, 4).
        observed: (..., C, J).
        factors: (..., C, J) row factors.
        reprojected: (..., C, J) the label was put there from elsewhere.
    """
    found = robust_leave_one_out(points_px, projections, observed, factors)
    if not (reprojected & observed).any():
        return found
    seen, kept = observed & ~reprojected, np.where(reprojected, 0.0, factors)
    own = robust_leave_one_out(points_px, projections, seen, kept)
    return LeaveOneOut(
        points_mm=np.where(reprojected[..., None], found.points_mm, own.points_mm),
        residuals_px=np.where(reprojected, found.residuals_px, own.residuals_px),
    )


def imaged_left_out(
    rig: Rig, points_px: Floats, others: LeaveOneOut[Array]
) -> tuple[Floats, Floats]:
    """Where each view would see the point of the others, and how far from its observation.

    Args:
        rig: the cameras.
        points_px: (..., C, J, 2) raw pixels, as observed.
        others: of `robust_leave_one_out`.

    Returns:
        Raw pixels (..., C, J, 2), and distances (..., C, J) in raw pixels; in undistorted ones
        where the point lies beyond the fold-over of the lens. NaN = either absent.
    """
    image_px = rig.project_each(others.points_mm)
    residual_px = np.linalg.norm(image_px - points_px, axis=-1)
    return image_px, np.where(np.isnan(residual_px), others.residuals_px, residual_px)
