"""AlphaPose's FastPose, key for key, so that its published weights load strictly.

SE-ResNet trunk at 1/32 of the input, pixel shuffle to 1/16, two DUC blocks to 1/4, one 3x3
convolution to the heatmaps (Fang et al., RMPE; the DUC of Wang et al., "Understanding convolution
for semantic segmentation").

Trap: the published weights were trained with their RGB means in BGR order. `PIXEL_MEANS` keeps
that order for RGB input, as those weights expect it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from core.models.layers import (
    DenseUpsample,
    ResNetTrunk,
    initialise_convolutions,
    initialise_head,
)

if TYPE_CHECKING:
    from torch import Tensor

PIXEL_MEANS = (0.406, 0.457, 0.480)
PIXEL_STDS = (1.0, 1.0, 1.0)
DEPTHS = (50, 101)
WIDTHS = (128, 256)
# The crop size of the paper, height and width.
INPUT_HW = (320, 256)


class FastPose(nn.Module):
    """Heatmaps of a person's joints from a crop.

    Model card:
        input: (N, 3, h, w) float, RGB / 255 minus `PIXEL_MEANS`; h and w multiples of 32. The paper
            uses 320x256, the public zoo's COCO weights 256x192.
        output: heatmaps (N, J, h/4, w/4), peaks of height 1 as trained by AlphaPose; features
            (N, 2048, h/32, w/32).
        size: SE-ResNet-50 with 17 joints and width 128 has 40.5 M parameters, -101 59.5 M.
        source: Fang et al., "RMPE" (2017) and AlphaPose's published models; weights are not part
            of trilabel.

    Args:
        num_joints: J.
        depth: 50 or 101.
        width: channels of the last DUC block, 128 or 256.
    """

    pixel_means = PIXEL_MEANS
    pixel_stds = PIXEL_STDS

    def __init__(self, num_joints: int, *, depth: int = 101, width: int = 128) -> None:
        super().__init__()
        self.preact = ResNetTrunk(depth, gates=True)
        self.duc1 = DenseUpsample(self.preact.num_features // 4, 256)
        self.duc2 = DenseUpsample(256, width)
        self.conv_out = nn.Conv2d(width, num_joints, 3, 1, 1)
        for block in (self.duc1, self.duc2):
            initialise_convolutions(block)
        initialise_head(self.conv_out)

    @property
    def num_features(self) -> int:
        """F, channels of the features."""
        return self.preact.num_features

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised pixels (N, 3, h, w) → heatmaps (N, J, h/4, w/4), features."""
        features = self.preact(x)
        maps = self.duc2(self.duc1(functional.pixel_shuffle(features, 2)))
        return full_precision_head(self.conv_out, maps), features


def full_precision_head(head: nn.Conv2d, x: Tensor) -> Tensor:
    """The last convolution in float32 also under autocast.

    bfloat16 has 8 bits: near a peak of height 1 its steps of 1/256, times the soft-argmax's
    temperature, would move the decoded point.
    """
    with torch.autocast(x.device.type, enabled=False):
        return head(x.to(head.weight.dtype))
