"""From camera coordinates to raw pixels and back, for one camera or for a whole rig at once.

`Lens` holds the intrinsics of one camera (plain floats) or of many (arrays that broadcast against
the points), so that `Camera` and `Rig` share these lines, and 8 cameras x 156 points cost one
call. Guards become NaN here, silently: numpy's warnings are switched off around the arithmetic
because far points overflow on purpose and are then refused by the fold-over guard.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.geometry.distortion import LensModel, Numbers, distort, fold_radius, start_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Float = np.float64


@dataclass(frozen=True, slots=True, eq=False)
class Lens:
    """K and distortion of one camera, or of C cameras along an axis before the points' own.

    Attributes:
        fx, fy, skew, cx, cy: entries of K in pixels; floats, or (C, 1) arrays or tensors.
        model: the bending of normalised points.
    """

    fx: Numbers
    fy: Numbers
    skew: Numbers
    cx: Numbers
    cy: Numbers
    model: LensModel

    def to_px(self, x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
        """K times normalised points."""
        return self.fx * x + self.skew * y + self.cx, self.fy * y + self.cy

    def to_normalised(self, u: Numbers, v: Numbers) -> tuple[Numbers, Numbers]:
        """The inverse of K times pixels."""
        y = (v - self.cy) / self.fy
        return (u - self.cx - self.skew * y) / self.fx, y

    def project(self, points_cam: NDArray[Float]) -> NDArray[Float]:
        """Camera coordinates (..., 3), any length unit, to raw pixels (..., 2); NaN if unseen."""
        with np.errstate(all="ignore"):
            depth = points_cam[..., 2]
            depth = np.where(depth > 0, depth, np.nan)
            return self._bent(points_cam[..., 0] / depth, points_cam[..., 1] / depth)

    def distort(self, points_px: NDArray[Float]) -> NDArray[Float]:
        """Undistorted to raw pixels, (..., 2); NaN beyond the fold radius."""
        with np.errstate(all="ignore"):
            return self._bent(*self.to_normalised(points_px[..., 0], points_px[..., 1]))

    def _bent(self, x: NDArray[Float], y: NDArray[Float]) -> NDArray[Float]:
        x = np.where(self.model.within(x, y), x, np.nan)
        return _stacked(*self.to_px(*distort(x, y, self.model.coefficients)))

    def undistort(self, points_px: NDArray[Float]) -> NDArray[Float]:
        """Raw to undistorted pixels, (..., 2); NaN where no believable ray is imaged."""
        if not self.model.coefficients:
            return np.where(np.isfinite(points_px).all(-1, keepdims=True), points_px, np.nan)
        with np.errstate(all="ignore"):
            xd, yd = self.to_normalised(points_px[..., 0], points_px[..., 1])
            x, y, sound = self.model.undistort(xd, yd)
            return _stacked(*self.to_px(np.where(sound, x, np.nan), y))


def _stacked(u: NDArray[Float], v: NDArray[Float]) -> NDArray[Float]:
    points = np.stack([u, v], axis=-1)
    points[np.isnan(u) | np.isnan(v)] = np.nan
    return points


def lens_of(K: NDArray[Float], coefficients: NDArray[Float]) -> Lens:
    """The lens of one camera: K (3, 3), coefficients as OpenCV orders them."""
    values = [float(c) for c in coefficients]
    if not any(values):
        values = []
    limit = fold_radius(values)
    table = start_table(values, limit) if values else np.ones(1)
    model = LensModel(tuple(values), limit, table, 0)
    fx, skew, cx, fy, cy = (float(K[i]) for i in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2)))
    return Lens(fx, fy, skew, cx, cy, model)


def lens_of_many(lenses: Sequence[Lens]) -> Lens:
    """C lenses as one, for points (..., C, J, 2)."""

    def column(values: list[Numbers]) -> Numbers:
        return np.array(values, dtype=np.float64)[:, None] if any(values) else 0.0

    models = [lens.model for lens in lenses]
    bent = [m for m in models if m.coefficients]
    width = max((len(m.table) for m in bent), default=1)
    padded = [[*m.coefficients, *[0.0] * 12][:12] for m in models]
    model = LensModel(
        tuple(column(list(values)) for values in zip(*padded, strict=True)) if bent else (),
        np.array([m.limit for m in models])[:, None],
        np.concatenate([m.table if m.coefficients else np.ones(width) for m in models]),
        width * np.arange(len(models))[:, None],
    )
    fx, fy, cx, cy = (
        np.array([getattr(lens, name) for lens in lenses])[:, None]
        for name in ("fx", "fy", "cx", "cy")
    )
    return Lens(fx, fy, column([lens.skew for lens in lenses]), cx, cy, model)
