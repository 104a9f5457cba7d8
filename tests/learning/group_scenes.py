"""Groups of people on a court, projected: what the tests of losses and lifting share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from core.learning.unlabelled import Views
from tests.geometry.camera_rigs import court_rig

if TYPE_CHECKING:
    from core.geometry import Rig


@dataclass(frozen=True)
class Scene:
    """G people of J joints in C views; `raw` is what a detector says, with its noise."""

    rig: Rig
    truth_mm: torch.Tensor
    raw: torch.Tensor
    batch: Views

    def leaf(self, dtype=torch.float64) -> torch.Tensor:
        return self.raw.to(dtype).clone().requires_grad_()


def boxes_around(points_px: torch.Tensor, margin: float = 20.0) -> torch.Tensor:
    """(G, C, 4) around (G, C, J, 2)."""
    return torch.cat([points_px.amin(2) - margin, points_px.amax(2) + margin], -1)


def court_groups(
    num_groups: int = 3,
    num_joints: int = 5,
    num_cameras: int = 6,
    *,
    noise_px: float = 0.0,
    seed: int = 0,
    rig: Rig | None = None,
) -> Scene:
    rig = court_rig(num_cameras) if rig is None else rig
    rng = np.random.default_rng(seed)
    ground = rng.uniform([-5000, -3000, 0], [5000, 3000, 0], (num_groups, 1, 3))
    body = rng.uniform([-400, -400, 100], [400, 400, 1800], (num_groups, num_joints, 3))
    truth = ground + body
    clean = rig.project(truth)
    raw = torch.from_numpy(clean + noise_px * rng.normal(0, 1, clean.shape))
    batch = Views(
        rigs=(rig,),
        rig_index=torch.zeros(num_groups, dtype=torch.long),
        boxes_px=boxes_around(torch.from_numpy(clean)),
        in_view=torch.ones(raw.shape[:2], dtype=torch.bool),
    )
    return Scene(rig, torch.from_numpy(truth), raw, batch)
