"""Rankings: what makes a click worth more than another, as a score for each joint and view.

All are computed from what the window shows; 0 = nothing to look at there. Scores of one ranking
compare with each other, never with those of another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.curation.information import Prospects

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

Ranking = Literal["uncertainty", "residual", "discarded", "disagreement", "diversity"]
RANKINGS: tuple[Ranking, ...] = get_args(Ranking)
_MAX_DIVERSE = 400
_LEAST_DISAGREEMENT_MM = 10.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Findings:
    """What is known of N joints in C views, row by row.

    Attributes:
        prospects: what clicks are worth.
        loo_px: (N, C) leave-one-out residuals; NaN = none.
        kept: (N,) the triangulation is believed.
        hand: (N, C) somebody answered for the view.
        other_mm: (N,) distance from what another source says; NaN = it says nothing.
    """

    prospects: Prospects
    loo_px: Floats
    kept: Bools
    hand: Bools
    other_mm: Floats


def scores_of(ranking: Ranking, found: Findings) -> Floats:
    """(N, C) scores of every ranking but ``diversity``, which needs whole poses."""
    gain = found.prospects.gain_mm
    # Where a joint as a whole is looked for, it is in the view that tells most.
    best = np.where(gain >= gain.max(axis=1, keepdims=True), 1.0, 0.0) * (gain > 0)
    match ranking:
        case "uncertainty" | "diversity":
            return gain
        case "residual":
            return np.where(found.hand, 0.0, np.nan_to_num(found.loo_px))
        case "discarded":
            return best * np.where(found.kept, 0.0, found.prospects.error_mm)[:, None]
        case "disagreement":
            apart = np.nan_to_num(found.other_mm)
            return best * np.where(apart > _LEAST_DISAGREEMENT_MM, apart, 0.0)[:, None]


def most_diverse(poses_mm: Floats, known: Bools) -> Floats:
    """(M,) of M poses: how early each is taken when the next is always the one most unlike.

    Args:
        poses_mm: (M, J, 3) world; NaN = joint not known.
        known: (M,) poses that somebody labelled already: they are never taken, and what is like
            them is taken late.

    Returns:
        1 for the first, ever less; 0 for those that are not taken.
    """
    score = np.zeros(len(poses_mm))
    shapes = _shapes(poses_mm)
    free = ~known & np.isfinite(poses_mm).all(axis=-1).any(axis=-1)
    if not free.any():
        return score
    if known.any():
        nearest = np.full(len(shapes), np.inf)
        for row in np.flatnonzero(known)[:_MAX_DIVERSE]:
            nearest = np.minimum(nearest, np.linalg.norm(shapes - shapes[row], axis=1))
    else:
        nearest = np.linalg.norm(shapes - shapes[free].mean(axis=0), axis=1)
    nearest = np.where(free, nearest, -1.0)
    for place in range(min(_MAX_DIVERSE, int(free.sum()))):
        row = int(nearest.argmax())
        score[row] = 1.0 / (1 + place)
        nearest = np.minimum(nearest, np.linalg.norm(shapes - shapes[row], axis=1))
        nearest[row] = -1.0
    return score


def _shapes(poses_mm: Floats) -> Floats:
    """(M, 3J) poses about their own middle, turned by the first two axes of their joints' plane."""
    middle = (
        np.nanmean(np.where(np.isfinite(poses_mm), poses_mm, np.nan), axis=1, keepdims=True)
        if len(poses_mm)
        else poses_mm[:, :1]
    )
    centred = np.nan_to_num(poses_mm - middle)
    flat = centred[..., 0] + 1j * centred[..., 1]
    # A pose that is turned about the vertical is the same pose: the widest direction faces x.
    turn = np.exp(-0.5j * np.angle((flat**2).sum(axis=1)))
    turned = flat * turn[:, None]
    return np.stack([turned.real, turned.imag, centred[..., 2]], axis=-1).reshape(len(flat), -1)
