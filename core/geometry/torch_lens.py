"""Undistortion and distortion of a whole rig's points for tensors, differentiable.

The solution is found without a gradient; one more Newton step at it, held constant, carries the
gradient: its derivative is the inverse of the lens's Jacobian, exactly, whatever number of
iterations it took. Points that fail their round trip are NaN in the answer and get a zero
gradient, so that they never spoil a batch. Computed in float64 whatever the input's type.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from core.geometry.distortion import LensModel, Numbers, distort, newton_step
from core.geometry.lens import Lens

if TYPE_CHECKING:
    from torch import Tensor

    from core.geometry.camera import Rig


@dataclass(frozen=True, slots=True, eq=False)
class TensorLenses:
    """The lenses of C cameras on a device: `undistort` and `distort` for points (..., C, J, 2)."""

    lens: Lens
    num_cameras: int

    @classmethod
    def of(cls, rig: Rig, device: torch.device | str = "cpu") -> TensorLenses:
        """The rig's lenses, in its order of cameras."""

        def moved(value: Numbers) -> Numbers:
            if isinstance(value, np.ndarray):
                return torch.from_numpy(value.copy()).to(device)
            return value

        lens, model = rig.lens, rig.lens.model
        tensors = LensModel(
            tuple(moved(c) for c in model.coefficients),
            moved(model.limit),
            moved(model.table),
            moved(model.first_cell),
        )
        fx, fy, skew, cx, cy = map(moved, (lens.fx, lens.fy, lens.skew, lens.cx, lens.cy))
        return cls(Lens(fx, fy, skew, cx, cy, tensors), len(rig))

    def undistort(self, points_px: Tensor) -> Tensor:
        """Raw to undistorted pixels.

        Args:
            points_px: (..., C, J, 2), float32 or float64, NaN = absent.

        Returns:
            The same shape and type; NaN where the point is, and where no believable ray is imaged
            (the round trip fails).
        """
        xd, yd = self._normalised(points_px)
        model = self.lens.model
        with torch.no_grad():
            x, y, sound = model.undistort(xd, yd)
        if model.coefficients:
            zero = torch.zeros_like(xd)
            x, y, xd, yd = (torch.where(sound, value, zero) for value in (x, y, xd, yd))
            x, y, _ = newton_step(x, y, xd, yd, model.coefficients)
        return self._pixels(x, y, sound, points_px)

    def distort(self, points_px: Tensor) -> Tensor:
        """Undistorted to raw pixels, (..., C, J, 2); NaN stays, and beyond the fold radius."""
        x, y = self._normalised(points_px)
        sound = self.lens.model.within(x, y)
        zero = torch.zeros_like(x)
        x, y = torch.where(sound, x, zero), torch.where(sound, y, zero)
        return self._pixels(*distort(x, y, self.lens.model.coefficients), sound, points_px)

    def _normalised(self, points_px: Tensor) -> tuple[Tensor, Tensor]:
        if points_px.ndim < 3 or tuple(points_px.shape[-3::2]) != (self.num_cameras, 2):
            expected = f"(..., {self.num_cameras}, J, 2)"
            raise ValueError(f"points_px: expected {expected}, got {tuple(points_px.shape)}")
        points = points_px.double()
        return self.lens.to_normalised(points[..., 0], points[..., 1])

    def _pixels(self, x: Tensor, y: Tensor, sound: Tensor, like: Tensor) -> Tensor:
        points = torch.stack(self.lens.to_px(x, y), dim=-1)
        nan = torch.full_like(points, torch.nan)
        return torch.where(sound[..., None], points, nan).to(like.dtype)
