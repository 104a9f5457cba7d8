"""Errors of 3D poses against truth, in millimetres, with what share of the joints they speak of.

MPJPE after moving the root joints onto each other; `absolute` without; NMPJPE after the best scale
as well; PMPJPE after the best similarity (rotation, scale, translation; no mirroring); PCK@150 and
AUC of the root-aligned errors. numpy alone.

Traps: an error over kept joints flatters, so every `Measures` carries the shares beside its errors.
Means are over joints, not over the means of poses: the same where no joint is missing. A joint
without a point has no error, but it counts as missed in PCK and AUC. scipy's Procrustes may mirror;
this one does not.

Shape suffixes: S poses, J joints.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.errors import DataError
from core.skeleton import joint_mapping

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.skeleton import Skeleton

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Bools = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]

PCK_MM = 150.0
# MPI-INF-3DHP's thresholds of the area under the curve: 0, 5, …, 150 mm, both ends counted.
AUC_MM = np.linspace(0.0, PCK_MM, 31)
# Fewer joints than this a similarity fits exactly, whatever they are.
MIN_PROCRUSTES_JOINTS = 3


def root_joints(skeleton: Skeleton) -> tuple[int, ...]:
    """The joints whose mean poses are centred on: the root, or both hips where there is none.

    Raises:
        DataError: the skeleton has neither a root, nor a pelvis, nor two hips.
    """
    if skeleton.root is not None:
        return (skeleton.root,)
    (found,) = joint_mapping(skeleton, ("mid_hip",))
    if not found:
        raise DataError(
            skeleton.name,
            "root",
            expected="a root joint, a pelvis or two hips",
            found=", ".join(skeleton.joints[:6]),
            remedy="Name a root joint in the skeleton, so that poses can be centred on it.",
        )
    return found


def root_points(points_mm: NDArray[np.float64], root: tuple[int, ...]) -> Floats:
    """The root (..., 3) of poses (..., J, 3); NaN where a joint that makes it is NaN."""
    return np.asarray(points_mm, dtype=np.float64)[..., list(root), :].mean(axis=-2)


def scale_aligned(points_mm: Floats, truth_mm: Floats) -> Floats:
    """Poses (S, J, 3), each times the factor that brings it closest to the truth.

    Both are about their root already. Joints that are NaN in either are left out of the fit; NaN
    where a pose has no extent.
    """
    use = _both(points_mm, truth_mm)[..., None]
    p, t = np.where(use, points_mm, 0.0), np.where(use, truth_mm, 0.0)
    extent = (p * p).sum(axis=(-2, -1))
    factor = (p * t).sum(axis=(-2, -1)) / np.where(extent > 0, extent, np.nan)
    return points_mm * factor[..., None, None]


def procrustes_aligned(points_mm: Floats, truth_mm: Floats) -> Floats:
    """Poses (S, J, 3), each after the similarity that brings it closest to the truth (Umeyama).

    Joints that are NaN in either are left out of the fit. NaN where fewer than three are left, or
    where they have no extent. Never a mirror image.
    """
    use = _both(points_mm, truth_mm)[..., None]
    count = use.sum(axis=-2, keepdims=True)
    safe = np.maximum(count, 1)
    mean_p = np.where(use, points_mm, 0.0).sum(axis=-2, keepdims=True) / safe
    mean_t = np.where(use, truth_mm, 0.0).sum(axis=-2, keepdims=True) / safe
    p, t = np.where(use, points_mm - mean_p, 0.0), np.where(use, truth_mm - mean_t, 0.0)
    u, s, vt = np.linalg.svd(p.swapaxes(-1, -2) @ t)
    mirrored = np.linalg.det(u @ vt) < 0
    sign = np.ones_like(s)
    sign[..., 2] = np.where(mirrored, -1.0, 1.0)
    rotation = (u * sign[..., None, :]) @ vt
    extent = (p * p).sum(axis=(-2, -1))
    fits = (count[..., 0, 0] >= MIN_PROCRUSTES_JOINTS) & (extent > 0)
    scale = (s * sign).sum(axis=-1) / np.where(fits, extent, np.nan)
    return scale[..., None, None] * ((points_mm - mean_p) @ rotation) + mean_t


def joint_errors(points_mm: Floats, truth_mm: Floats) -> Floats:
    """Distances (..., J) between points (..., J, 3); NaN where either is."""
    return np.linalg.norm(points_mm - truth_mm, axis=-1)


def known_points(points: NDArray[np.float64]) -> Bools:
    """Where points (..., 2 or 3) are: (...) bool."""
    return np.asarray(np.isfinite(points).all(axis=-1))


def _both(points_mm: Floats, truth_mm: Floats) -> Bools:
    return known_points(points_mm) & known_points(truth_mm)


@dataclass(frozen=True, slots=True)
class Measures:
    """Errors over some joints of some poses, and what share of them each speaks of.

    Attributes:
        mpjpe: mm, root-aligned; over every joint that has a point, kept or not.
        mpjpe_kept: mm, the same over kept joints alone; read it with `coverage`.
        mpjpe_abs: mm, without alignment.
        nmpjpe: mm, root-aligned and scaled.
        pmpjpe: mm, after the best similarity.
        pck: % of the joints within 150 mm, root-aligned; without a point counts as missed.
        auc: %, mean of that over thresholds of 0 to 150 mm.
        coverage: share of the joints with truth that are kept.
        found: share of them that have a point.
        measured: share of them that have a root-aligned error (point and both roots known).
        num_joints: joints with truth.
        num_poses: poses with any.
    """

    mpjpe: float
    mpjpe_kept: float
    mpjpe_abs: float
    nmpjpe: float
    pmpjpe: float
    pck: float
    auc: float
    coverage: float
    found: float
    measured: float
    num_joints: int
    num_poses: int

    def to_dict(self) -> dict[str, float | int | None]:
        """Plain values for JSON; None where there is nothing to measure."""
        values: dict[str, float | int] = asdict(self)
        return {key: value if math.isfinite(value) else None for key, value in values.items()}


@dataclass(frozen=True, slots=True)
class PoseErrors:
    """The errors of every joint of every pose, from which any subset's `Measures` are made.

    Attributes:
        known: (S, J) bool: there is truth.
        kept: (S, J) bool: the triangulation was believed and there is a point.
        found: (S, J) bool: there is a point.
        absolute: (S, J) mm.
        rooted: (S, J) mm, root-aligned.
        scaled: (S, J) mm, root-aligned and scaled.
        similar: (S, J) mm, after the best similarity.
        rootable: (S,) bool: the truth has its root, so that a root-aligned error is possible.
    """

    known: Bools
    kept: Bools
    found: Bools
    absolute: Floats
    rooted: Floats
    scaled: Floats
    similar: Floats
    rootable: Bools

    @classmethod
    def of(
        cls,
        points_mm: NDArray[np.float64],
        truth_mm: NDArray[np.float64],
        root: tuple[int, ...],
        kept: NDArray[np.bool_] | None = None,
    ) -> PoseErrors:
        """Compare poses with the truth.

        Args:
            points_mm: (S, J, 3); NaN = no point.
            truth_mm: (S, J, 3), the same frame; NaN = no truth.
            root: of `root_joints`.
            kept: (S, J); default every joint that has a point.
        """
        points = np.asarray(points_mm, dtype=np.float64)
        truth = np.asarray(truth_mm, dtype=np.float64)
        if points.ndim != 3 or points.shape[-1] != 3 or points.shape != truth.shape:
            expected = f"expected (S, J, 3) as the truth's {truth.shape}"
            raise ValueError(f"points_mm: {expected}, got {points.shape}")
        found = known_points(points)
        known = known_points(truth)
        rooted = points - root_points(points, root)[:, None]
        rooted_truth = truth - root_points(truth, root)[:, None]
        scaled = scale_aligned(rooted, rooted_truth)
        return cls(
            known=known,
            kept=known & found & (True if kept is None else np.asarray(kept, dtype=np.bool_)),
            found=known & found,
            absolute=joint_errors(points, truth),
            rooted=joint_errors(rooted, rooted_truth),
            scaled=joint_errors(scaled, rooted_truth),
            similar=joint_errors(procrustes_aligned(points, truth), truth),
            rootable=known_points(root_points(truth, root)),
        )

    def measures(
        self, *, poses: NDArray[np.bool_] | None = None, joint: int | None = None
    ) -> Measures:
        """The measures over some poses (S,) and one joint, or all."""
        use = self.known.copy()
        if poses is not None:
            use &= poses[:, None]
        if joint is not None:
            use[:, np.arange(use.shape[1]) != joint] = False
        fair = self.rooted[use & self.rootable[:, None]]
        within = np.where(np.isfinite(fair), fair, np.inf)[:, None] <= AUC_MM
        return Measures(
            mpjpe=_mean(self.rooted[use]),
            mpjpe_kept=_mean(self.rooted[use & self.kept]),
            mpjpe_abs=_mean(self.absolute[use]),
            nmpjpe=_mean(self.scaled[use]),
            pmpjpe=_mean(self.similar[use]),
            pck=100 * _mean(within[:, -1]),
            auc=100 * _mean(within),
            coverage=_mean(self.kept[use]),
            found=_mean(self.found[use]),
            measured=_mean(np.isfinite(self.rooted[use])),
            num_joints=int(use.sum()),
            num_poses=int(use.any(axis=1).sum()),
        )


def _mean(values: NDArray[np.float64] | NDArray[np.bool_]) -> float:
    """The mean of what is not NaN; NaN of nothing, without a warning."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else math.nan
