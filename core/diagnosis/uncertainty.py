"""How well the views that count determine a joint: its covariance as an ellipsoid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.geometry import point_covariance_mm2
from core.geometry.method import SUPPORT_WEIGHT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.diagnosis.frame import FrameDiagnosis
    from core.geometry import Rig

_LEAST_NOISE_PX = 1.0  # nobody marks a joint better than that, however well three views agree

_ENOUGH = 2  # views determine a point


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JointUncertainty:
    """The ellipsoid of one standard deviation around a joint.

    Attributes:
        covariance_mm2: (3, 3) world.
        semi_axes_mm: (3,) one standard deviation along each axis, the longest first.
        axes: (3, 3) unit vectors, world, one a row; right-handed.
        noise_px: the standard deviation of an observation that was assumed.
    """

    covariance_mm2: NDArray[np.float64]
    semi_axes_mm: NDArray[np.float64]
    axes: NDArray[np.float64]
    noise_px: float


def joint_uncertainty(
    diagnosis: FrameDiagnosis, rig: Rig, person_row: int, joint: int
) -> JointUncertainty | None:
    """The uncertainty of a joint, from its geometry and from how far its own views are off.

    The noise is the root mean square of the residuals of the views that count, for the degrees of
    freedom that are left, and at least 1 px. A kept joint's views count by their weights; all
    views of a discarded one count alike. Reprojected views have no part: they say nothing that
    the views they were made from did not say.

    Args:
        diagnosis: of the frame.
        rig: the one it was diagnosed with.
        person_row: index into `diagnosis.persons`.
        joint: index of the joint.

    Returns:
        None where the joint is degenerate, or network and hand do not determine it.
    """
    point = diagnosis.triangulation.points_mm[person_row, joint]
    if not np.isfinite(point).all():
        return None
    put = diagnosis.reprojected[person_row, :, joint]
    observed = diagnosis.observed[person_row, :, joint] & ~put
    weights = np.where(observed, 1.0, 0.0)
    if diagnosis.triangulation.kept[person_row, joint]:
        weights = np.where(observed, diagnosis.triangulation.weights[person_row, :, joint], 0.0)
        weights = weights / max(float(weights.max()), 1e-300)
    if put.any() and (weights > SUPPORT_WEIGHT).sum() < _ENOUGH:
        return None
    noise = _noise_px(diagnosis.residual_px[person_row, :, joint], weights)
    (covariance,) = point_covariance_mm2(
        point[None], rig.projections, weights=weights[:, None], noise_px=noise
    )
    if not np.isfinite(covariance).all():
        return None
    variances, vectors = np.linalg.eigh(covariance)
    axes = vectors.T[::-1]
    return JointUncertainty(
        covariance_mm2=covariance,
        semi_axes_mm=np.sqrt(np.maximum(variances[::-1], 0.0)),
        axes=axes * np.linalg.det(axes),
        noise_px=noise,
    )


def _noise_px(residuals: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    counts = (weights > SUPPORT_WEIGHT) & np.isfinite(residuals)
    freedom = 2 * int(counts.sum()) - 3
    if freedom < 1:
        return _LEAST_NOISE_PX
    squares = float((weights[counts] * residuals[counts] ** 2).sum())
    return max(_LEAST_NOISE_PX, float(np.sqrt(squares / freedom)))
