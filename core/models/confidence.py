"""The learned-weights baseline: view weights from the detector's features.

Iskakov et al., "Learnable triangulation of human pose" (2019), algebraic variant, as METHOD section
1 words it. The weights go into the triangulation as ``weighting=tensor``, without a discard rule,
and learn from the 3D loss on labelled groups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

# Added after the division, so that no view ever weighs nothing.
FLOOR = 1e-5


class ViewConfidence(nn.Module):
    """How much each view should count for each joint.

    Model card:
        input: features (N, F, h', w') of a detector, N = G·C with the views of a group together;
            any map size (small maps are pooled to no less than one cell).
        output: weights (G, C, J) > 0 whose sum over the views is 1 (+ C·1e-5).
        source: Iskakov et al. 2019: two (convolution 3x3, batch norm, max-pool 2, ReLU) blocks of
            512 and 256 channels, mean, 256-512-256-J fully connected, sigmoid.

    Args:
        in_channels: F, a detector's ``num_features``.
        num_joints: J.
    """

    def __init__(self, in_channels: int, num_joints: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.num_joints = num_joints
        self.blocks = nn.Sequential(*_block(in_channels, 512), *_block(512, 256))
        self.head = nn.Sequential(
            nn.Linear(256, 512),
            nn.ReLU(),
            nn.Linear(512, 256),
            nn.ReLU(),
            nn.Linear(256, num_joints),
        )

    def forward(self, features: Tensor, num_views: int, in_view: Tensor | None = None) -> Tensor:
        """Weights of the views.

        Args:
            features: (G·C, F, h', w'), groups first.
            num_views: C.
            in_view: (G, C) bool; views without the person weigh 0 before the floor.

        Returns:
            (G, C, J) float32.
        """
        pooled = self.blocks(features).mean((2, 3))
        scores = torch.sigmoid(self.head(pooled).float())
        scores = scores.view(-1, num_views, self.num_joints)
        if in_view is not None:
            scores = scores * in_view[..., None].to(scores.dtype)
        # A sigmoid can underflow and a group can be out of all views: no division by zero.
        total = scores.sum(1, keepdim=True).clamp_min(torch.finfo(scores.dtype).tiny)
        return scores / total + FLOOR


class _Pool(nn.Module):
    """Max-pool 2 that leaves a side of one cell alone."""

    def forward(self, x: Tensor) -> Tensor:
        steps = (min(2, x.shape[2]), min(2, x.shape[3]))
        return functional.max_pool2d(x, steps)


def _block(in_channels: int, channels: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(in_channels, channels, 3, 1, 1)
    return convolution, nn.BatchNorm2d(channels), _Pool(), nn.ReLU()
