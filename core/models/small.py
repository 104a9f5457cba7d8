"""A small detector of FastPose's family, for machines without a GPU and for the demo.

The same parts: residual blocks with squeeze-and-excitation in the first of each stage down to 1/32
of the input, pixel shuffle, two DUC blocks, 3x3 head, heatmaps at a quarter. Two things differ. The
stem goes to a quarter in one step, since a CPU spends its time on large maps. And each map on the
way up is added a 1x1 convolution of the map of its size on the way down: at this size FastPose's
plain way through 4x3 cells costs accuracy (mean error 9.9 px without, 9.1 px with, after 250 steps
on drawn figures of 128x96 px).
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
DEPTH = 1
WIDTH = 32
INPUT_HW = (128, 96)


class SmallPose(nn.Module):
    """Heatmaps of a person's joints from a small crop, fast on a CPU.

    Model card:
        input: (N, 3, h, w) float, (RGB / 255 − 0.45) / 0.25; h and w multiples of 32, 128x96 by
            default.
        output: heatmaps (N, J, h/4, w/4), peaks of height 1 where trained on `gaussian_heatmaps`;
            features (N, 6·width, h/32, w/32).
        size: 1.14 M parameters and 58 M multiply-adds for 13 joints at 128x96.
        source: ours.

    Args:
        num_joints: J.
        depth: residual blocks in each of the four stages.
        width: channels of the last DUC block, a multiple of 8; the stages have 3/4, 2, 4 and 6
            times as many.
    """

    pixel_means = PIXEL_MEANS
    pixel_stds = PIXEL_STDS

    def __init__(self, num_joints: int, *, depth: int = DEPTH, width: int = WIDTH) -> None:
        super().__init__()
        stem, half, quarter = width * 3 // 4, width * 2, width * 4
        self.num_features = width * 6
        self.stem = nn.Sequential(
            nn.Conv2d(3, stem, 7, 4, 3, bias=False), nn.BatchNorm2d(stem), nn.ReLU(inplace=True)
        )
        self.layer1 = _stage(stem, stem, depth, stride=1)
        self.layer2 = _stage(stem, half, depth, stride=2)
        self.layer3 = _stage(half, quarter, depth, stride=2)
        self.layer4 = _stage(quarter, self.num_features, depth, stride=2)
        shuffled, doubled = self.num_features // 4, width * 3 // 2
        self.duc1 = DenseUpsample(shuffled, doubled)
        self.duc2 = DenseUpsample(doubled, width)
        self.lateral3 = nn.Conv2d(quarter, shuffled, 1)
        self.lateral2 = nn.Conv2d(half, doubled, 1)
        self.lateral1 = nn.Conv2d(stem, width, 1)
        self.conv_out = nn.Conv2d(width, num_joints, 3, 1, 1)
        initialise_convolutions(self)
        initialise_head(self.conv_out)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised pixels (N, 3, h, w) → heatmaps (N, J, h/4, w/4), features."""
        fine = self.layer1(self.stem(x))
        middle = self.layer2(fine)
        coarse = self.layer3(middle)
        features = self.layer4(coarse)
        maps = functional.pixel_shuffle(features, 2) + self.lateral3(coarse)
        maps = self.duc1(maps) + self.lateral2(middle)
        maps = self.duc2(maps) + self.lateral1(fine)
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
