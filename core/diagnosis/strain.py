"""Which camera do the others contradict?

Each camera is left out in turn. The others give a 3D point, its covariance, and the noise with
which they agree among themselves; from these follows how far the point's image in the camera left
out may lie from the observation. *Strain* is how far it does lie, in units of that: the median
over joints, scaled to be 1 where everything is in order.

Measured: 0.8 to 1.4 on good rigs whatever their noise, 2.5 for the worst camera of the real mouse
recording (whose plain errors differ by a factor of five between its cameras), 3 to 4 for a
camera whose detections are five times noisier than the others'; over 9 for a camera turned by 3
degrees, with its principal point's signs flipped, its rotation transposed, or with the
calibration of another, even at 3 px of noise.

Traps: beside a bad camera every good one looks bad in plain errors, not in strain, since the
others' noise is then large too; so two bad cameras hide one another, and are tried as pairs. Two
remaining cameras agree with whatever lies in their epipolar planes, and are believed less.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from core.diagnosis.engine import Array, Bools, Floats, observed_in, plain
from core.geometry import point_covariance_mm2

if TYPE_CHECKING:
    from collections.abc import Sequence


SUSPECT_STRAIN = 6.0
"""Six times its own uncertainty for half of all joints; see the module's measurements."""
SUSPECT_STRAIN_OF_THREE = 7.0
"""The same in a rig of three, where the other two are little of a witness."""
_LEAST_NOISE_PX = 1.0  # observations are never trusted to be better, exact though they may seem
_LEAST_JOINTS = 20
_MEDIAN_OF_RADIUS = 0.8326  # of a circular normal distribution of variance 1 in all


@dataclass(frozen=True, slots=True)
class Strain:
    """One camera against the others.

    Attributes:
        strain: 1 where everything is in order; NaN where too few joints tell, infinite where the
            others put most joints behind the camera.
        residual_px: median distance between observation and the others' point.
        noise_px: with which the others agree among themselves.
    """

    strain: float
    residual_px: float
    noise_px: float


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """What some cameras make of the observations, and how well they agree on it.

    Attributes:
        points_mm: (N, J, 3) plain DLT; NaN = none.
        covariance: (N, J, 3, 3) of the points for a noise of 1 px.
        residual_px: (N, C, J) distance from the points' images, in every camera.
        ahead: (N, C, J) the point is in front of the camera.
        solved: (N, J) at least two of the cameras see the joint.
        noise_px: standard deviation of an observation along each axis, NaN where nobody knows.
    """

    points_mm: Floats
    covariance: Floats
    residual_px: Floats
    ahead: Bools
    solved: Bools
    noise_px: float


def agreement_of(cameras: Sequence[int], points_px: Floats, projections: Floats) -> Agreement:
    """Triangulate by these cameras alone; arguments as for `strain_of`."""
    chosen = np.zeros(len(projections), dtype=np.bool_)
    chosen[list(cameras)] = True
    seen = observed_in(points_px) & chosen[:, None]
    points_mm = plain(points_px, projections, seen)
    image_px, ahead = _projected(points_mm, projections)
    residual = np.linalg.norm(image_px - points_px, axis=-1)
    freedom = 2 * seen.sum(axis=-2) - 3
    squares = np.where(seen & ahead, residual**2, 0.0).sum(axis=-2)
    solved = observed_in(points_mm) & (freedom >= 1)
    noise = np.nan
    if solved.sum() >= _LEAST_JOINTS:
        # The median of chi-squared over its freedom (Wilson and Hilferty), so that few views that
        # happen to agree are not taken for little noise.
        usual = (1 - 2 / (9 * freedom[solved])) ** 3
        noise = float(np.sqrt(np.median(squares[solved] / freedom[solved] / usual)))
    witnesses: Array = seen
    covariance = point_covariance_mm2(points_mm, projections, observed=witnesses)
    return Agreement(points_mm, covariance, residual, ahead, solved, noise)


def strain_of(
    camera: int, points_px: Floats, projections: Floats, trusted: Sequence[int]
) -> Strain:
    """How much the trusted cameras contradict a camera.

    Args:
        camera: the one that is judged.
        points_px: (N, C, J, 2) undistorted pixels; NaN = none.
        projections: (C, 3, 4).
        trusted: the cameras to judge by, `camera` not among them.
    """
    judges = agreement_of(trusted, points_px, projections)
    noise = judges.noise_px
    judged = judges.solved & observed_in(points_px[:, camera])
    ahead = judges.ahead[:, camera]
    if np.isnan(noise) or judged.sum() < _LEAST_JOINTS:
        return Strain(np.nan, np.nan, noise)
    J = _derivatives(judges.points_mm, projections[camera])
    spread = np.einsum("...ab,...bc,...ac->...", J, judges.covariance, J) + 2.0
    off = judges.residual_px[:, camera]
    in_units = off / (max(noise, _LEAST_NOISE_PX) * np.sqrt(spread) * _MEDIAN_OF_RADIUS)
    in_units = np.where(ahead, in_units, np.inf)[judged]
    known = in_units[~np.isnan(in_units)]
    if len(known) < _LEAST_JOINTS:
        return Strain(np.nan, np.nan, noise)
    off = off[judged & ahead]
    return Strain(float(np.median(known)), float(np.median(off)) if len(off) else np.nan, noise)


def find_strained(
    points_px: Floats, projections: Floats, *, exclude: Sequence[int] = ()
) -> dict[int, Strain]:
    """The cameras that the others contradict, worst first; see the module's text.

    Args:
        points_px: (N, C, J, 2) undistorted pixels; NaN = none.
        projections: (C, 3, 4).
        exclude: cameras known to be wrong already, no witnesses and not judged.
    """
    trusted = [camera for camera in range(len(projections)) if camera not in exclude]
    found: dict[int, Strain] = {}
    while len(trusted) > (3 if found else 2):
        judged = {c: strain_of(c, points_px, projections, _but(trusted, c)) for c in trusted}
        worst = max(trusted, key=lambda c: np.nan_to_num(judged[c].strain, nan=-1.0, posinf=1e9))
        limit = SUSPECT_STRAIN if len(trusted) > 3 else SUSPECT_STRAIN_OF_THREE
        if judged[worst].strain > limit:
            found[worst] = judged[worst]
            trusted.remove(worst)
            continue
        pair = _strained_pair(points_px, projections, trusted)
        found |= pair
        if not pair:
            break
        trusted = [camera for camera in trusted if camera not in pair]
    return found


def _strained_pair(
    points_px: Floats, projections: Floats, trusted: Sequence[int]
) -> dict[int, Strain]:
    """The two cameras that all others contradict most, if they contradict both."""
    best: dict[int, Strain] = {}
    limit = SUSPECT_STRAIN
    for pair in combinations(trusted, 2) if len(trusted) >= 5 else ():
        others = _but(trusted, *pair)
        strains = {c: strain_of(c, points_px, projections, others) for c in pair}
        lesser = min(np.nan_to_num(s.strain, nan=-1.0, posinf=1e9) for s in strains.values())
        if lesser > limit:
            best, limit = strains, lesser
    return best


def _but(cameras: Sequence[int], *left_out: int) -> list[int]:
    return [camera for camera in cameras if camera not in left_out]


def _projected(points_mm: Floats, projections: Floats) -> tuple[Floats, Bools]:
    """Undistorted pixels (N, C, J, 2) of points (N, J, 3), and which are in front."""
    homogeneous = np.einsum("cij,nkj->ncki", projections[..., :3], points_mm)
    homogeneous = homogeneous + projections[:, None, :, 3]
    depth = homogeneous[..., 2:]
    ahead = depth > 0
    return homogeneous[..., :2] / np.where(ahead, depth, np.nan), ahead[..., 0]


def _derivatives(points_mm: Floats, P: Floats) -> Floats:
    """(..., 2, 3) derivative of a camera's undistorted pixel by the point (..., 3)."""
    homogeneous = points_mm @ P[:, :3].T + P[:, 3]
    depth = np.where(homogeneous[..., 2] != 0, homogeneous[..., 2], np.nan)[..., None, None]
    image = homogeneous[..., :2, None] / depth
    return (P[:2, :3] - image * P[2, :3]) / depth
