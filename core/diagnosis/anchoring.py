"""Hand labels count for more than network observations: joints that have both are decided anew.

A robust triangulation takes views alike, so that four views in which a network follows the wrong
person outvote two clicks of somebody who looked. Joints with a hand label and a network's
observation are therefore put where the evidence, each source with its own precision and its own
chance of being wrong, speaks for (`core.diagnosis.hypotheses`). Agreeing network views still make
the point better: it lies within the uncertainty of the hand labels' own (their ghosts').

Only under consensus: ``pairwise`` and ``none`` stay literally what they are. See ADR 17.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from core.diagnosis.hypotheses import evidence_of, find_hypotheses
from core.geometry.method import SCALE_UNKNOWN_MM, SUPPORT_WEIGHT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from core.diagnosis.engine import Bools, Floats, Triangulation

HANDS_TO_KEEP = 2
"""Two clicks that agree are a label, whatever networks say and however few views there are."""


def anchored(
    found: Triangulation,
    points_px: Floats,
    projections: Floats,
    observed: Bools,
    hand: Bools,
    options: Mapping[str, Any],
) -> Triangulation:
    """The triangulation with joints that people touched decided by their labels' precision.

    Args:
        found: of `core.diagnosis.engine.robust`.
        points_px: (..., C, J, 2) undistorted pixels.
        projections: (C, 3, 4).
        observed: (..., C, J) what took part.
        hand: (..., C, J) what somebody placed.
        options: of `core.diagnosis.lengths.arguments`.

    Returns:
        `found` itself where nobody placed anything. Of the joints decided anew, points, weights
        (the probability that the view measures the joint) and `kept` are other.
    """
    by_hand = hand & observed
    touched = by_hand.any(axis=-2)
    if options["weighting"] != "consensus" or not touched.any():
        return found
    clicks = _views_last(by_hand)[touched]
    seen = _views_last(observed)[touched]
    points = np.moveaxis(points_px, -2, -3)[touched]
    proposals = np.moveaxis(found.candidates_mm, -2, -3)[touched]
    near = found.points_mm[touched]
    scale = options["scale_mm"] or SCALE_UNKNOWN_MM
    evidence = evidence_of(points, seen, clicks, near, projections, scale)
    places = find_hypotheses(evidence, np.concatenate([near[:, None], proposals], axis=1))
    mixed = (clicks.sum(axis=1) < seen.sum(axis=1)) & (seen.sum(axis=1) > 1)
    mixed &= np.isfinite(places.points_mm[:, 0]).all(axis=-1)
    weights = np.where(
        mixed[:, None], places.responsibility[:, 0], _views_last(found.weights)[touched]
    )
    supporting = weights > SUPPORT_WEIGHT
    clicked = (supporting & clicks).sum(axis=1) >= HANDS_TO_KEEP
    believed = found.kept[touched]
    if options["discard"] in (None, "support"):
        enough = supporting.sum(axis=1) >= options["min_views"]
        believed = np.where(mixed, enough, believed)
    kept = believed | clicked
    placed = np.where(mixed[:, None], places.points_mm[:, 0], near)
    answer = replace(
        found,
        points_mm=found.points_mm.copy(),
        weights=found.weights.copy(),
        kept=found.kept.copy(),
    )
    answer.points_mm[touched] = placed
    _views_last(answer.weights)[touched] = weights
    answer.kept[touched] = kept & np.isfinite(placed).all(axis=-1)
    return answer


def _views_last(values: NDArray[Any]) -> NDArray[Any]:
    return np.moveaxis(values, -2, -1)
