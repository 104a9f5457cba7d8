"""The cameras of a batch of groups as tensors: projection, lenses and Eq. 7, whatever the rigs.

Groups of one batch may come from several recordings with a rig each (Human3.6M's subjects). Their
cameras are stacked once per device and picked by group, so that a batch of five rigs costs what a
batch of one does. Everything is float64; Apple's GPUs have none, so there the geometry of a batch
runs on the CPU (`geometry_device`).

Shape suffixes: G groups, C cameras, J joints.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.geometry.distortion import LensModel
from core.geometry.lens import Lens, lens_of_many
from core.geometry.torch_lens import TensorLenses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from core.geometry import Camera, Rig


def geometry_device(device: torch.device | str) -> torch.device:
    """Where the geometry of tensors on `device` is done: the CPU where float64 is unknown."""
    device = torch.device(device)
    return torch.device("cpu") if device.type == "mps" else device


def exact(values: Tensor) -> Tensor:
    """The values as float64, moved where float64 is known; differentiable."""
    return values.to(geometry_device(values.device)).double()


@dataclass(frozen=True, slots=True, eq=False)
class GroupCameras:
    """The C cameras of G groups; float64 tensors with an axis G, or without where all share a rig.

    Attributes:
        projections: ([G,] C, 3, 4) px_from_world, undistorted pixels from millimetres.
        rotations: ([G,] C, 3, 3) cam_from_world.
        translations_mm: ([G,] C, 3) cam_from_world.
        lenses: raw from undistorted pixels (G, C, J, 2) and back.
    """

    projections: Tensor
    rotations: Tensor
    translations_mm: Tensor
    lenses: TensorLenses

    @property
    def num_cameras(self) -> int:
        """C."""
        return self.projections.shape[-3]

    def project(self, points_mm: Tensor) -> Tensor:
        """World points (G, J, 3) mm in every camera: undistorted pixels (G, C, J, 2).

        NaN where the point is and where it is not ahead of the camera; the gradient is zero there.
        """
        points = points_mm.double()[:, None]
        known = points.isfinite().all(-1, keepdim=True)
        X = torch.where(known, points, 0.0)
        q = X @ self.projections[..., :3].mT + self.projections[..., None, :, 3]
        ahead = known & (q[..., 2:] > 0)
        return torch.where(ahead, q[..., :2] / torch.where(ahead, q[..., 2:], 1.0), math.nan)

    def depths_mm(self, points_mm: Tensor) -> Tensor:
        """Depths (G, C, J) of world points (G, J, 3) along each camera's axis; NaN stays."""
        cam = points_mm.double()[:, None] @ self.rotations.mT[..., 2:]
        return cam[..., 0] + self.translations_mm[..., None, 2]

    def rays(self, points_undistorted: Tensor) -> Tensor:
        """K⁻¹ (u, v, 1) of undistorted pixels (G, C, J, 2): (G, C, J, 3), depth 1; NaN stays."""
        points = points_undistorted.double()
        x, y = self.lenses.lens.to_normalised(points[..., 0], points[..., 1])
        return torch.stack([x, y, torch.ones_like(x)], dim=-1)

    def world_from_cam(self, points_cam_mm: Tensor) -> Tensor:
        """Points (G, C, J, 3), each in its camera's frame, in the world."""
        moved = points_cam_mm - self.translations_mm[..., None, :]
        # A calibration's R may differ from a rotation by 1e-3: its inverse is not its transpose.
        return moved @ torch.linalg.inv(self.rotations).mT

    def cam_from_world(self, points_mm: Tensor) -> Tensor:
        """World points (G, J, 3) in each camera's frame, (G, C, J, 3) mm; NaN stays."""
        X = points_mm.double()[:, None]
        return X @ self.rotations.mT + self.translations_mm[..., None, :]


class RigTensors:
    """Stacks the rigs it meets, once each, and hands out the cameras of a batch."""

    def __init__(self, device: torch.device | str = "cpu", rigs: Sequence[Rig] = ()) -> None:
        self.device = geometry_device(device)
        self._places: dict[bytes, int] = {}
        self._rigs: list[Rig] = []
        self._stacked: GroupCameras | None = None
        for rig in rigs:
            self._place(rig)

    def of_groups(self, rigs: Sequence[Rig], rig_index: Tensor | Sequence[int]) -> GroupCameras:
        """The cameras of groups whose rigs are ``rigs[rig_index]``, in that order.

        Args:
            rigs: distinct rigs, all with the same number of cameras.
            rig_index: (G,) whole numbers.
        """
        places = [self._place(rig) for rig in rigs]
        stacked = self._stack()
        if len(set(places)) == 1:
            return _picked(stacked, places[0])
        index = torch.as_tensor(rig_index, dtype=torch.long, device=self.device)
        return _picked(stacked, torch.tensor(places, device=self.device)[index])

    def _place(self, rig: Rig) -> int:
        # By content: recordings may make a sub-rig anew each time they are asked for one.
        parts = [rig.projections.tobytes()]
        for camera in rig:
            parts += [camera.K.tobytes(), camera.distortion.tobytes()]
        key = b"|".join(parts)
        if key not in self._places:
            num_cameras = len(self._rigs[0]) if self._rigs else len(rig)
            if len(rig) != num_cameras:
                expected = f"expected {num_cameras} cameras, as in the first rig"
                raise ValueError(f"rigs: {expected}, got {len(rig)}")
            self._places[key] = len(self._rigs)
            self._rigs.append(rig)
            self._stacked = None
        return self._places[key]

    def _stack(self) -> GroupCameras:
        if self._stacked is None:
            self._stacked = _stack(self._rigs, self.device)
        return self._stacked


def _stack(rigs: Sequence[Rig], device: torch.device) -> GroupCameras:
    """All rigs along a first axis."""
    cameras: list[Camera] = [camera for rig in rigs for camera in rig]
    num_cameras = len(rigs[0])

    def per_rig(value: Any) -> Any:  # noqa: ANN401 - arrays become tensors, plain floats stay
        if isinstance(value, np.ndarray):
            return torch.from_numpy(value.copy()).to(device).reshape(-1, num_cameras, 1)
        return value

    def stacked(values: list[NDArray[np.float64]]) -> Tensor:
        array = np.stack(values)
        return torch.from_numpy(array).to(device).reshape(-1, num_cameras, *array.shape[1:])

    lens = lens_of_many([camera.lens for camera in cameras])
    model = LensModel(
        tuple(per_rig(c) for c in lens.model.coefficients),
        per_rig(lens.model.limit),
        torch.from_numpy(lens.model.table.copy()).to(device),
        per_rig(lens.model.first_cell),
    )
    fx, fy, skew, cx, cy = map(per_rig, (lens.fx, lens.fy, lens.skew, lens.cx, lens.cy))
    return GroupCameras(
        projections=stacked([camera.P for camera in cameras]),
        rotations=stacked([camera.R for camera in cameras]),
        translations_mm=stacked([camera.t_mm for camera in cameras]),
        lenses=TensorLenses(Lens(fx, fy, skew, cx, cy, model), num_cameras),
    )


def _picked(stacked: GroupCameras, index: int | Tensor) -> GroupCameras:
    def pick(value: Any) -> Any:  # noqa: ANN401 - as above
        return value[index] if isinstance(value, torch.Tensor) else value

    lens, model = stacked.lenses.lens, stacked.lenses.lens.model
    picked = LensModel(
        tuple(pick(c) for c in model.coefficients),
        pick(model.limit),
        model.table,
        pick(model.first_cell),
    )
    fx, fy, skew, cx, cy = map(pick, (lens.fx, lens.fy, lens.skew, lens.cx, lens.cy))
    return GroupCameras(
        projections=stacked.projections[index],
        rotations=stacked.rotations[index],
        translations_mm=stacked.translations_mm[index],
        lenses=TensorLenses(Lens(fx, fy, skew, cx, cy, picked), stacked.num_cameras),
    )
