"""A small detector of FastPose's family, for machines without a GPU and for the demo.

The same parts: residual blocks with squeeze-and-excitation in the first of each stage, pixel
shuffle, DUC, 3x3 head, heatmaps at a quarter of the input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn
from torch.nn import functional

from core.models.fastpose import full_precision_head
from core.models.layers import (
    DenseUpsample,
    SqueezeExcite,
    initialise_convolutions,
    initialise_head,
)

if TYPE_CHECKING:
    from torch import Tensor

PIXEL_MEANS = (0.45, 0.45, 0.45)
PIXEL_STDS = (0.25, 0.25, 0.25)
DEPTH = 2
WIDTH = 32
INPUT_HW = (128, 96)


class SmallPose(nn.Module):
    """Heatmaps of a person's joints from a small crop, fast on a CPU.

    Model card:
        input: (N, 3, h, w) float, (RGB / 255 − 0.45) / 0.25; h and w multiples of 16, 128x96 by
            default.
        output: heatmaps (N, J, h/4, w/4), peaks of height 1 where trained on `gaussian_heatmaps`;
            features (N, 6·width, h/16, w/16).
        source: ours.

    Args:
        num_joints: J.
        depth: residual blocks in each of the three stages.
        width: channels of the first stage.
    """

    pixel_means = PIXEL_MEANS
    pixel_stds = PIXEL_STDS

    def __init__(self, num_joints: int, *, depth: int = DEPTH, width: int = WIDTH) -> None:
        super().__init__()
        self.num_features = 6 * width
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 7, 4, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )
        self.layer1 = _stage(width, width, depth, stride=1)
        self.layer2 = _stage(width, 3 * width, depth, stride=2)
        self.layer3 = _stage(3 * width, self.num_features, depth, stride=2)
        self.up1 = DenseUpsample(self.num_features // 4, 2 * width)
        self.conv_out = nn.Conv2d(2 * width, num_joints, 3, 1, 1)
        initialise_convolutions(self)
        initialise_head(self.conv_out)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised pixels (N, 3, h, w) → heatmaps (N, J, h/4, w/4), features."""
        features = self.layer3(self.layer2(self.layer1(self.stem(x))))
        maps = self.up1(functional.pixel_shuffle(features, 2))
        return full_precision_head(self.conv_out, maps), features


class BasicBlock(nn.Module):
    """Two 3x3 convolutions round a shortcut."""

    def __init__(self, in_channels: int, channels: int, *, stride: int, gate: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.se = SqueezeExcite(channels) if gate else None
        self.downsample = (
            nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )
            if stride != 1 or in_channels != channels
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, h, w) → (N, channels, h/stride, w/stride)."""
        out = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        out = self.bn2(self.conv2(out))
        if self.se is not None:
            out = self.se(out)
        shortcut = x if self.downsample is None else self.downsample(x)
        return functional.relu(out + shortcut, inplace=True)


def _stage(in_channels: int, channels: int, num_blocks: int, *, stride: int) -> nn.Sequential:
    blocks = [BasicBlock(in_channels, channels, stride=stride, gate=True)]
    blocks += [BasicBlock(channels, channels, stride=1, gate=False) for _ in range(num_blocks - 1)]
    return nn.Sequential(*blocks)
