"""Two cameras whose observations (or calibrations) were swapped, and rigs that do not agree at all.

A swap is the mistake that leave-one-out figures cannot place in a small rig: with two of four
cameras wrong every camera has only one honest witness left, and nobody stands out. Trying the swap
can: the right one brings all cameras together at once. Accused is only a swap that makes the
agreement several times better; measured: 4 to 7 times on real recordings of four cameras, and on
recordings that are in order every swap makes it at least four times worse.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from core.diagnosis.engine import observed_in
from core.diagnosis.strain import agreement_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from core.diagnosis.engine import Floats
    from core.geometry import Rig

_TIMES_BETTER = 3.0
_WORTH_TRYING_PX = 3.0  # cameras that agree better than this are not swapped
_AHEAD_SHARE = 0.95
_FEW_CAMERAS = 8  # beyond, only cameras that are contradicted are tried
_MAX_ROWS = 100
_DISAGREEMENT = 0.02  # of the picture's diagonal


def find_swap(rig: Rig, points_px: Floats, strained: Collection[int]) -> tuple[int, int] | None:
    """The two cameras that agree with all others once their observations are exchanged.

    Args:
        rig: the calibration.
        points_px: (N, C, J, 2) undistorted pixels; NaN = none.
        strained: cameras that are contradicted by the others.
    """
    if len(rig) < 3:
        return None
    rows = np.unique(np.linspace(0, len(points_px) - 1, _MAX_ROWS).astype(int))
    sample = points_px[rows] if len(points_px) else points_px
    now_px = rig_noise_px(rig, sample)
    if not now_px > _WORTH_TRYING_PX:
        return None
    cameras: Iterable[int] = range(len(rig)) if len(rig) <= _FEW_CAMERAS else sorted(strained)
    noise = {
        (a, b): rig_noise_px(rig, exchanged(rig, sample, a, b)) for a, b in combinations(cameras, 2)
    }
    best = min(noise, key=lambda pair: np.nan_to_num(noise[pair], nan=np.inf), default=None)
    if best is None or not noise[best] * _TIMES_BETTER < now_px:
        return None
    # Beside one bad camera a swap of others may help by chance; leaving that one out helps more.
    trusted = [camera for camera in range(len(rig)) if camera not in strained]
    without = agreement_of(trusted, sample, rig.projections).noise_px if strained else np.nan
    return None if noise[best] > _WORTH_TRYING_PX + 1.5 * without else best


def exchanged(rig: Rig, points_px: Floats, a: int, b: int) -> Floats:
    """The undistorted pixels as they are if the raw observations of two cameras change places."""
    changed = points_px.copy()
    changed[:, a] = rig[a].undistort(rig[b].distort(points_px[:, b]))
    changed[:, b] = rig[b].undistort(rig[a].distort(points_px[:, a]))
    return changed


def rig_noise_px(rig: Rig, points_px: Floats) -> float:
    """How well all cameras agree; NaN where nobody knows, infinite where points lie behind them."""
    found = agreement_of(range(len(rig)), points_px, rig.projections)
    seen = observed_in(points_px) & found.solved[:, None]
    if not seen.any():
        return float("nan")
    return found.noise_px if found.ahead[seen].mean() >= _AHEAD_SHARE else float("inf")


def is_disagreement(rig: Rig, noise_px: float) -> bool:
    """Whether cameras that agree to so many pixels can hardly look at the same thing."""
    diagonals = [float(np.hypot(*camera.size_px)) for camera in rig if camera.size_px is not None]
    return bool(diagonals) and noise_px > _DISAGREEMENT * max(diagonals)
