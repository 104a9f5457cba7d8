"""What a click would tell: the error of a joint that is to be expected, and what a view takes off.

A joint may be in several places (`core.diagnosis.hypotheses`). Its expected error is the distance
of the point that is shown from each of them and their own extent, weighted by their probability. A
click in a view tells apart the places whose images there are apart, and makes the one that is left
narrower across that view's ray; where the joint cannot be seen, a click tells nothing. No truth
takes part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.diagnosis.hypotheses import HAND_NOISE_PX, NETWORK_INLIER, PRIOR_MM, view_slopes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.diagnosis.hypotheses import Evidence, Hypotheses

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

# Mean lengths of normal vectors in three dimensions, and in the one along a click's ray.
_UNKNOWN_MM = 1.6 * PRIOR_MM
_ON_A_RAY_MM = 0.8 * PRIOR_MM
_NUM_CLASSES = 10
_FOUND_MM = 25.0
"""About the error of two clicks alone."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prospects:
    """What is expected of N joints and of clicks in C views.

    Attributes:
        error_mm: (N,) expected distance of the shown point from the joint.
        gain_mm: (N, C) how much of it a click is expected to take off; 0 where nothing can be had.
        rival_mm: (N,) distance of the most probable other place; 0 = there is none.
        unknown: (N,) probability that no place is right.
    """

    error_mm: Floats
    gain_mm: Floats
    rival_mm: Floats
    unknown: Floats


def prospects_of(
    evidence: Evidence, places: Hypotheses, shown_mm: Floats, hand: Bools, visible: Floats
) -> Prospects:
    """What clicks are worth.

    Args:
        evidence: of N joints in C views.
        places: where they may be.
        shown_mm: (N, 3) the point in force; NaN = none.
        hand: (N, C) views that somebody answered for already: nothing more is to be had there.
        visible: (N, C) chance that somebody sees the joint in a view.
    """
    probability = places.probability
    points = np.nan_to_num(places.points_mm)
    covariance = np.linalg.inv(places.information)
    extent = np.trace(covariance, axis1=-2, axis2=-1)
    has_point = np.isfinite(shown_mm).all(axis=-1, keepdims=True)
    shown = np.where(has_point, np.nan_to_num(shown_mm), points[:, 0])
    off = ((points - shown[:, None]) ** 2).sum(axis=-1)
    clicked = (hand & evidence.observed).any(axis=1)
    unknown_mm = np.where(clicked, _ON_A_RAY_MM, _UNKNOWN_MM)
    error = (probability * np.sqrt(off + extent)).sum(axis=1) + places.unknown * unknown_mm
    after_unknown = np.where(clicked, _FOUND_MM, _ON_A_RAY_MM)
    after = _after_click(evidence, places, points) + (places.unknown * after_unknown)[:, None]
    gain = np.maximum(error[:, None] - after, 0.0) * visible
    distant = np.where(probability > 0.02, np.sqrt(off), 0.0)
    return Prospects(
        error_mm=error,
        gain_mm=np.where(hand, 0.0, gain),
        rival_mm=distant.max(axis=1, initial=0.0),
        unknown=places.unknown,
    )


def _after_click(evidence: Evidence, places: Hypotheses, points: Floats) -> Floats:
    """(N, C) the expected error once a click in a view has come, but for the unknown part."""
    probability = places.probability
    uv, slopes = view_slopes(points, evidence.projections)
    one_view = np.einsum("nkcia,nkcib->nkcab", slopes, slopes)
    # A click takes the place of what a network saw there.
    replaced = places.responsibility / evidence.noise_px[:, None] ** 2
    gained = 1 / HAND_NOISE_PX**2 - replaced
    information = places.information[:, :, None] + gained[..., None, None] * one_view
    narrow = np.trace(np.linalg.inv(information), axis1=-2, axis2=-1)
    covariance = np.linalg.inv(places.information)
    spread = np.einsum("nkcia,nkab,nkcib->nkc", slopes, covariance, slopes) / 2
    width = HAND_NOISE_PX**2 + spread
    apart_px = ((uv[:, :, None] - uv[:, None]) ** 2).sum(axis=-1)
    both = width[:, :, None] + width[:, None]
    confused = probability[:, None, :, None] * np.exp(-apart_px / (2 * both))
    confused = confused / np.maximum(confused.sum(axis=2, keepdims=True), 1e-12)
    apart_mm = ((points[:, :, None] - points[:, None]) ** 2).sum(axis=-1)
    squares = (confused * apart_mm[..., None]).sum(axis=2) + narrow
    return (probability[..., None] * np.sqrt(np.maximum(squares, 0.0))).sum(axis=1)


def visible_chance(confidence: Floats, observed: Bools, in_picture: Bools) -> Floats:
    """The chance that somebody who looks sees a joint, (N, C).

    A network is unsure where a joint is hidden; where it found nobody, people often are. Detectors
    differ, so this is only as steep as all of them are.
    """
    sure = np.clip(np.nan_to_num(confidence, nan=0.5), 0.0, 1.0)
    chance = np.where(observed, 0.3 + 0.65 * sure**3, 0.5)
    return np.where(in_picture, chance, 0.0)


def trust_by_confidence(confidence: Floats, observed: Bools, responsibility: Floats) -> Floats:
    """How often observations measure what most views agree on, (10,) by class of confidence.

    Learned from the recording itself: the mean of the views' responsibilities in a class, as if
    forty more of it had been right four times in five.

    Args:
        confidence: (N, C); NaN = the detector tells none.
        observed: (N, C) by a network.
        responsibility: (N, C) of the most probable places.
    """
    group = _classes(confidence)[observed]
    num = np.bincount(group, minlength=_NUM_CLASSES)
    total = np.bincount(group, weights=responsibility[observed], minlength=_NUM_CLASSES)
    return np.clip((total + 40 * NETWORK_INLIER) / (num + 40), 0.05, 0.97)


def trusted(trust: Floats, confidence: Floats) -> Floats:
    """The probability (N, C) that a network's observation of a confidence is right."""
    return trust[_classes(confidence)]


def _classes(confidence: Floats) -> NDArray[np.int64]:
    known = np.nan_to_num(confidence, nan=0.95) * _NUM_CLASSES
    return np.clip(known, 0, _NUM_CLASSES - 1).astype(np.int64)
