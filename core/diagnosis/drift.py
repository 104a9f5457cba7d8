"""Is a camera off as a whole? A shift of its picture that explains its residuals, or none.

A camera that was knocked, or whose calibration has aged, is off everywhere alike: its picture is
moved, turned or scaled against where the other views put the joints. Somebody who is hidden, or
mistaken for another, is off here and there in all directions. So a similarity of the picture is
fitted to the residuals, robustly, in one half of the frames, and judged in the other half: only
what both halves agree on is a drift.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.diagnosis.engine import Floats

_LEAST_SAMPLES = 20
_LEAST_FRAMES = 2
_PASSES = 20
_EXPLAINED = 0.65
_LEAST_SHIFT_PX = 2.0
RAYLEIGH_MEDIAN = 1.1774
"""Median distance from the origin of a circular normal distribution of variance 1 per axis."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drift:
    """How a camera's picture lies against the other views.

    Attributes:
        num: residuals that it was judged by.
        before_px: their median length.
        after_px: the same after the shift was taken out, as told by the other half of the frames;
            NaN where too few tell.
        shift_px: (2,) the median shift: right, down.
        is_drift: the shift explains the residuals.
        model: the shift everywhere; nothing where there is no drift.
    """

    num: int
    before_px: float
    after_px: float
    shift_px: tuple[float, float]
    is_drift: bool
    model: _Similarity

    def fitted_px(self, points_px: Floats) -> Floats:
        """(..., 2) the shift at raw pixels (..., 2)."""
        return self.model.at(points_px)


@dataclass(frozen=True, slots=True, eq=False)
class _Similarity:
    """Shift (a x - b y + c, b x + a y + d) about the middle of the samples, in their extent."""

    middle: Floats
    extent: float
    values: Floats

    def at(self, points_px: Floats) -> Floats:
        a, b, c, d = self.values
        x, y = np.moveaxis((points_px - self.middle) / self.extent, -1, 0)
        return np.stack([a * x - b * y + c, b * x + a * y + d], axis=-1)


def find_drift(
    points_px: Floats, residuals_px: Floats, frames: NDArray[np.int64], noise_px: float
) -> Drift:
    """Judge one camera.

    Args:
        points_px: (N, 2) raw pixels where the joints should be.
        residuals_px: (N, 2) from there to where they were observed, finite.
        frames: (N,) of each.
        noise_px: standard deviation per axis of an honest observation; 0 = unknown.
    """
    num, times = len(points_px), np.unique(frames)
    nothing = _Similarity(np.zeros(2), 1.0, np.zeros(4))
    before = float(np.median(np.linalg.norm(residuals_px, axis=-1))) if num else float("nan")
    if num < _LEAST_SAMPLES or len(times) < _LEAST_FRAMES:
        return Drift(
            num=num,
            before_px=before,
            after_px=float("nan"),
            shift_px=(0.0, 0.0),
            is_drift=False,
            model=nothing,
        )
    odd = np.searchsorted(times, frames) % 2 == 1
    after = np.empty(num)
    for half in (odd, ~odd):
        model = _fit(points_px[~half], residuals_px[~half])
        after[half] = np.linalg.norm(residuals_px[half] - model.at(points_px[half]), axis=-1)
    model = _fit(points_px, residuals_px)
    fitted = model.at(points_px)
    right, down = np.median(fitted, axis=0).tolist()
    shift = float(np.median(np.linalg.norm(fitted, axis=-1)))
    after_px = float(np.median(after))
    is_drift = after_px < _EXPLAINED * before and shift > max(_LEAST_SHIFT_PX, noise_px)
    return Drift(
        num=num,
        before_px=before,
        after_px=after_px,
        shift_px=(right, down),
        is_drift=is_drift,
        model=model if is_drift else nothing,
    )


def _fit(points_px: Floats, residuals_px: Floats) -> _Similarity:
    """Reweighted least squares with Geman and McClure's cost, from the median shift on."""
    middle = points_px.mean(axis=0)
    extent = max(float(np.sqrt(((points_px - middle) ** 2).sum(axis=-1).mean())), 1.0)
    start = np.median(residuals_px, axis=0)
    model = _Similarity(middle, extent, np.array([0.0, 0.0, *start]))
    x, y = ((points_px - middle) / extent).T
    one, nil = np.ones_like(x), np.zeros_like(x)
    rows = np.concatenate(
        [np.stack([x, -y, one, nil], axis=-1), np.stack([y, x, nil, one], axis=-1)]
    )
    target = np.concatenate([residuals_px[:, 0], residuals_px[:, 1]])
    for _ in range(_PASSES):
        left = np.linalg.norm(residuals_px - model.at(points_px), axis=-1)
        scale = max(float(np.median(left)) * 2.0, 0.5)
        weights = 1.0 / (1.0 + (left / scale) ** 2)
        doubled = np.concatenate([weights, weights])
        solved = np.linalg.lstsq(rows * doubled[:, None], target * doubled, rcond=None)[0]
        model = _Similarity(middle, extent, np.asarray(solved, dtype=np.float64))
    return model
