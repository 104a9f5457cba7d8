"""What an accepted point rests on: views that somebody or something saw, or labels put from others.

A reprojected label agrees with what it was made from. A point made of such labels may be accepted,
since a person vouches for it, but no figure may tell of evidence that there is none of.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from core.geometry.method import SUPPORT_WEIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.project import Provenance

VIEWS, REPROJECTED_ONLY, BOTH = "views", "reprojected", "views, reprojected"
HANDS = "hand labels"
"""In the place of a source: labels in two views make the point themselves."""
_ENOUGH = 2  # views determine a point


def grounded(provenance: Provenance, reprojected: Sequence[bool]) -> Provenance:
    """A provenance that tells what the point rests on, with NaN for what proves nothing.

    Args:
        provenance: with the weights of all cameras.
        reprojected: of the cameras: the view has a reprojected label that took part.
    """
    weights = np.array(provenance.weights)
    put = np.array(reprojected, dtype=np.bool_)
    if not put.any():
        return replace(provenance, rests_on=VIEWS)
    is_alone = int((weights[~put] > SUPPORT_WEIGHT).sum()) < _ENOUGH
    return replace(
        provenance,
        rests_on=REPROJECTED_ONLY if is_alone else BOTH,
        wss_mm=math.nan,
        worst_loo_px=math.nan if is_alone else provenance.worst_loo_px,
        weights=tuple(np.where(put, np.nan, weights).tolist()),
    )
