"""Where a joint may be, and how likely each place is: views are right, somewhat off, or wrong.

Every observation is, with some probability, a measurement of the joint with a known noise (now and
then four times that), and otherwise anywhere about the person. A click of somebody who looked is
nearly always the former; a network's observation less often. Each pair of views proposes a place,
the best of them are refined to maxima of the likelihood, and Laplace's approximation gives each its
probability. What is left is the probability that none of them is right.

This is what weighs hand labels against network observations (ADR 17), and what the queue of
`core.curation` calls the expected error of a joint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

HAND_NOISE_PX = 1.0
"""Standard deviation of a click along each axis."""
HAND_INLIER = 0.98
"""A slip of the hand, or a click on the other wrist, is that rare."""
NETWORK_INLIER = 0.8
PRIOR_MM = 250.0
"""Standard deviation along each axis of a joint of which nothing is known but the person."""

_TOGETHER = 17.0
"""Networks also err together (all follow the same wrong person): however many agree elsewhere, that
speaks against a place by no more than this, in natural logarithms. One slip of the hand costs about
11, two cost 22: so two clicks outvote any number of networks, and one does not.
"""
_NOISE_OF_SCALE = 1 / 1.6  # the noise scale is 1.2 times about the 60 % quantile of a radius
_OUTLIER_DENSITY = 1 / 100.0**2  # per square pixel: anywhere about a person
_SLOPPY_SHARE, _SLOPPY = 0.2, 4.0
_NUM_KEPT = 5
_APART_MM = 60.0  # nearer proposals are one
_STEPS = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hypotheses:
    """Up to K places of each of N joints, seen by C cameras.

    Attributes:
        points_mm: (N, K, 3) world, the most probable first; NaN = fewer were found.
        probability: (N, K); with `unknown`, their sum over K is 1.
        unknown: (N,) probability that none of them is right.
        information: (N, K, 3, 3) per mm²: the inverse of each place's covariance.
        responsibility: (N, K, C) probability that a view's observation measures that place.
    """

    points_mm: Floats
    probability: Floats
    unknown: Floats
    information: Floats
    responsibility: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """What was observed of N joints by C cameras.

    Attributes:
        points_px: (N, C, 2) undistorted pixels; anything where not observed.
        observed: (N, C).
        inlier: (N, C) probability that an observation measures the joint at all.
        noise_px: (N, C) standard deviation of one that does, along each axis.
        hand: (N, C) somebody placed it.
        projections: (C, 3, 4) px_from_world.
    """

    points_px: Floats
    observed: Bools
    inlier: Floats
    noise_px: Floats
    hand: Bools
    projections: Floats


def evidence_of(
    points_px: Floats,
    observed: Bools,
    hand: Bools,
    near_mm: Floats,
    projections: Floats,
    scale_mm: float,
    inlier: Floats | None = None,
) -> Evidence:
    """The evidence of clicks and network observations.

    Args:
        points_px: (N, C, 2) undistorted pixels.
        observed: (N, C).
        hand: (N, C) somebody placed it.
        near_mm: (N, 3) a point near the joint, for its distance from the cameras; NaN = unknown.
        projections: (C, 3, 4).
        scale_mm: the recording's noise scale; the network's noise follows from it.
        inlier: (N, C) of network observations, where more is known than `NETWORK_INLIER`.
    """
    scale = np.linalg.norm(projections[:, 2, :3], axis=1)
    depth = (near_mm @ projections[:, 2, :3].T + projections[:, 2, 3]) / scale
    focal = np.sqrt(np.abs(np.linalg.det(projections[:, :, :3])) / scale**3)
    middle = np.nanmedian(depth) if np.isfinite(depth).any() else 15_000.0
    depth = np.where(np.isfinite(depth) & (depth > 100.0), depth, middle)
    network = np.maximum(scale_mm * _NOISE_OF_SCALE * focal / depth, 0.5)
    trusted = np.full(observed.shape, NETWORK_INLIER) if inlier is None else inlier
    return Evidence(
        points_px=np.where(observed[..., None], points_px, 0.0),
        observed=observed,
        inlier=np.where(hand, HAND_INLIER, trusted),
        noise_px=np.where(hand, HAND_NOISE_PX, network),
        hand=hand,
        projections=projections,
    )


def find_hypotheses(evidence: Evidence, candidates_mm: Floats) -> Hypotheses:
    """The places that the evidence speaks for.

    Args:
        evidence: of N joints.
        candidates_mm: (N, H, 3) proposals, such as those of pairs of views; NaN = none.
    """
    proposals = np.where(np.isfinite(candidates_mm), candidates_mm, np.nan)
    score = np.where(
        np.isfinite(proposals[..., 0]), _log_likelihood(evidence, np.nan_to_num(proposals)), -np.inf
    )
    points, score = _best_apart(proposals, score, _NUM_KEPT)
    there = np.isfinite(score)
    points = np.where(there[..., None], points, 0.0)
    for _ in range(_STEPS):
        points = points + _newton_step(evidence, points)
    score = np.where(there, _log_likelihood(evidence, points), -np.inf)
    points, score = _best_apart(np.where(there[..., None], points, np.nan), score, _NUM_KEPT)
    return _weighed(evidence, points, score)


def view_slopes(points_mm: Floats, projections: Floats) -> tuple[Floats, Floats]:
    """Undistorted pixels (..., C, 2) of points (..., 3), and their derivatives (..., C, 2, 3)."""
    q = np.einsum("cij,...j->...ci", projections[:, :, :3], points_mm) + projections[:, :, 3]
    depth = q[..., 2]
    depth = np.where(np.abs(depth) > 1e-9, depth, 1e-9)
    uv = q[..., :2] / depth[..., None]
    slopes = projections[:, :2, :3] - uv[..., None] * projections[:, None, 2, :3]
    return uv, slopes / depth[..., None, None]


def _weighed(evidence: Evidence, points_mm: Floats, score: Floats) -> Hypotheses:
    there = np.isfinite(score)
    safe = np.where(there[..., None], points_mm, 0.0)
    uv, slopes = view_slopes(safe, evidence.projections)
    squares = ((uv - evidence.points_px[:, None]) ** 2).sum(axis=-1)
    responsibility, precision = _shares(evidence, squares)
    information = np.einsum("nkc,nkcia,nkcib->nkab", precision, slopes, slopes)
    information = information + np.eye(3) / PRIOR_MM**2
    # Laplace: the height of a maximum times its width, over the width of what was known before.
    width = -0.5 * np.linalg.slogdet(information * PRIOR_MM**2)[1]
    log = np.where(there, score + width, -np.inf)
    nothing = evidence.observed.sum(axis=-1) * np.log(_OUTLIER_DENSITY)
    top = np.maximum(log.max(axis=1, initial=-np.inf), nothing)
    share = np.exp(log - top[:, None])
    left = np.exp(nothing - top)
    total = share.sum(axis=1) + left
    order = np.argsort(-share, axis=1, kind="stable")

    def sorted_by(values: Floats) -> Floats:
        return np.take_along_axis(
            values, order.reshape(*order.shape, *[1] * (values.ndim - 2)), axis=1
        )

    return Hypotheses(
        points_mm=sorted_by(points_mm),
        probability=sorted_by(share / total[:, None]),
        unknown=left / total,
        information=sorted_by(information),
        responsibility=sorted_by(np.where(there[..., None], responsibility, 0.0)),
    )


def _densities(evidence: Evidence, squares: Floats) -> tuple[Floats, Floats, Floats]:
    """(N, H, C) of a sharp measurement, a sloppy one, and of anything else."""
    sharp = evidence.noise_px[:, None] ** 2
    sloppy = _SLOPPY**2 * sharp
    inlier = evidence.inlier[:, None]
    one = inlier * (1 - _SLOPPY_SHARE) * np.exp(-squares / (2 * sharp)) / (2 * np.pi * sharp)
    two = inlier * _SLOPPY_SHARE * np.exp(-squares / (2 * sloppy)) / (2 * np.pi * sloppy)
    return one, two, np.broadcast_to((1 - inlier) * _OUTLIER_DENSITY, one.shape)


def _shares(evidence: Evidence, squares: Floats) -> tuple[Floats, Floats]:
    """(N, H, C) the probability that an observation measures a place, and its precision there."""
    one, two, wrong = _densities(evidence, squares)
    total = one + two + wrong
    seen = evidence.observed[:, None]
    sharp = 1 / evidence.noise_px[:, None] ** 2
    precision = (one + two / _SLOPPY**2) / total * sharp
    return np.where(seen, (one + two) / total, 0.0), np.where(seen, precision, 0.0)


def _log_likelihood(evidence: Evidence, points_mm: Floats) -> Floats:
    """(N, H) of points (N, H, 3); a view that has the point behind it speaks against it."""
    P = evidence.projections
    q = np.einsum("cij,nhj->nhci", P[:, :, :3], points_mm) + P[:, :, 3]
    ahead = q[..., 2] > 0
    uv = q[..., :2] / np.where(ahead, q[..., 2], 1.0)[..., None]
    squares = ((uv - evidence.points_px[:, None]) ** 2).sum(axis=-1)
    one, two, wrong = _densities(evidence, np.where(ahead, squares, 1e12))
    logs = np.where(evidence.observed[:, None], np.log(one + two + wrong), 0.0)
    by_hand = evidence.hand[:, None]
    networks = np.where(by_hand, 0.0, logs).sum(axis=-1)
    most = networks.max(axis=1, keepdims=True, initial=-np.inf)
    bounded = np.logaddexp(networks, most - _TOGETHER)
    return np.where(by_hand, logs, 0.0).sum(axis=-1) + bounded


def _newton_step(evidence: Evidence, points_mm: Floats) -> Floats:
    """(N, K, 3): one step of iteratively reweighted least squares, at most a metre."""
    uv, slopes = view_slopes(points_mm, evidence.projections)
    gap = evidence.points_px[:, None] - uv
    _, precision = _shares(evidence, (gap**2).sum(axis=-1))
    weighted = precision[..., None, None] * slopes
    information = np.einsum("nkcia,nkcib->nkab", weighted, slopes)
    # Along a direction that no view tells, stay.
    information = information + 1e-9 * np.eye(3)
    pull = np.einsum("nkcia,nkci->nka", weighted, gap)
    step = np.linalg.solve(information, pull[..., None])[..., 0]
    length = np.linalg.norm(step, axis=-1, keepdims=True)
    return step * np.minimum(1.0, 1000.0 / np.maximum(length, 1e-9))


def _best_apart(points_mm: Floats, score: Floats, num: int) -> tuple[Floats, Floats]:
    """The best `num` of (N, H, 3), no two nearer than 60 mm; NaN and -inf where there are fewer."""
    rows = np.arange(len(score))
    left = score.copy()
    kept = np.full((len(score), num, 3), np.nan)
    scores = np.full((len(score), num), -np.inf)
    for place in range(num):
        best = left.argmax(axis=1)
        value = left[rows, best]
        found = np.isfinite(value)
        chosen = points_mm[rows, best]
        kept[found, place], scores[found, place] = chosen[found], value[found]
        near = ((points_mm - chosen[:, None]) ** 2).sum(axis=-1) < _APART_MM**2
        left[near] = -np.inf
        left[rows, best] = -np.inf
    return kept, scores
