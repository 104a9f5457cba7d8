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
    covariances, noises = _covariances(diagnosis, rig, person_row, [joint])
    covariance = covariances[0]
    if not np.isfinite(covariance).all():
        return None
    variances, vectors = np.linalg.eigh(covariance)
    axes = vectors.T[::-1]
    return JointUncertainty(
        covariance_mm2=covariance,
        semi_axes_mm=np.sqrt(np.maximum(variances[::-1], 0.0)),
        axes=axes * np.linalg.det(axes),
        noise_px=float(noises[0]),
    )


def person_covariances_mm2(
    diagnosis: FrameDiagnosis, rig: Rig, person_row: int
) -> NDArray[np.float64]:
    """The covariances of all joints of a person at once, world; as `joint_uncertainty` has them.

    Returns:
        (J, 3, 3); NaN where a joint is degenerate, or network and hand do not determine it.
    """
    num_joints = diagnosis.triangulation.kept.shape[1]
    return _covariances(diagnosis, rig, person_row, list(range(num_joints)))[0]


def _covariances(
    diagnosis: FrameDiagnosis, rig: Rig, row: int, joints: list[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(K, 3, 3) covariances of K joints of a person, and (K,) the noise that was assumed."""
    found = diagnosis.triangulation
    put = diagnosis.reprojected[row][:, joints]
    observed = diagnosis.observed[row][:, joints] & ~put
    weights = np.where(observed, found.weights[row][:, joints], 0.0)
    largest = np.maximum(weights.max(axis=0), 1e-300)
    weights = np.where(found.kept[row, joints], weights / largest, observed.astype(np.float64))
    noise = _noise_px(diagnosis.residual_px[row][:, joints], weights)
    covariances = point_covariance_mm2(
        found.points_mm[row, joints], rig.projections, weights=weights
    )
    is_alone = put.any(axis=0) & ((weights > SUPPORT_WEIGHT).sum(axis=0) < _ENOUGH)
    scaled = covariances * (noise**2)[:, None, None]
    return np.where(is_alone[:, None, None], np.nan, scaled), noise


def _noise_px(residuals: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """(K,) of (C, K) residuals and weights."""
    counts = (weights > SUPPORT_WEIGHT) & np.isfinite(residuals)
    freedom = 2 * counts.sum(axis=0) - 3
    squares = np.where(counts, weights * residuals**2, 0.0).sum(axis=0)
    root = np.sqrt(squares / np.maximum(freedom, 1))
    return np.where(freedom < 1, _LEAST_NOISE_PX, np.maximum(_LEAST_NOISE_PX, root))
