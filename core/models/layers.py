"""Building blocks that FastPose, its small sister and the ResNet-50 image branch share.

Attribute names are those of the public state dicts (AlphaPose's, torchvision's), since they are the
keys by which weights are loaded. Everything is plain convolution, so all of it runs on CPU, CUDA
and MPS and in channels_last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

EXPANSION = 4


class PixelNormalisation(nn.Module):
    """RGB pixels 0..255, uint8 or float, as a network wants them: (pixel / 255 − mean) / std.

    Its constants move with the module but are in no state dict.
    """

    def __init__(self, means: Sequence[float], stds: Sequence[float]) -> None:
        super().__init__()
        self._scale: Tensor
        self._shift: Tensor
        scale = torch.tensor([1 / (255 * std) for std in stds])
        shift = torch.tensor([-mean / std for mean, std in zip(means, stds, strict=True)])
        self.register_buffer("_scale", scale.view(3, 1, 1), persistent=False)
        self.register_buffer("_shift", shift.view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, h, w) → the same shape, float."""
        return torch.addcmul(self._shift, images.to(self._scale.dtype), self._scale)


class SqueezeExcite(nn.Module):
    """Scales channels by a gate made from their means (squeeze-and-excitation).

    ``reduction`` 1 keeps the hidden layer as wide as the input, as AlphaPose does.
    """

    def __init__(self, channels: int, reduction: int = 1) -> None:
        super().__init__()
        hidden = channels // reduction
        self.fc = nn.Sequential(
            nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, h, w) → the same shape."""
        gate = self.fc(functional.adaptive_avg_pool2d(x, 1).flatten(1))
        return x * gate[:, :, None, None]


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 residual block; the stride is on the 3x3, the gate before the sum."""

    def __init__(
        self, in_channels: int, channels: int, *, stride: int, downsample: bool, gate: bool
    ) -> None:
        super().__init__()
        out_channels = channels * EXPANSION
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.se = SqueezeExcite(out_channels) if gate else None
        self.downsample = (
            nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )
            if downsample
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, h, w) → (N, 4·channels, h/stride, w/stride)."""
        out = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        out = functional.relu(self.bn2(self.conv2(out)), inplace=True)
        out = self.bn3(self.conv3(out))
        if self.se is not None:
            out = self.se(out)
        shortcut = x if self.downsample is None else self.downsample(x)
        return functional.relu(out + shortcut, inplace=True)


class ResNetTrunk(nn.Module):
    """ResNet-50 or -101 up to its last stage, with or without squeeze-and-excitation.

    Gates stand in the first block of each stage only, as in AlphaPose's SE-ResNet.
    """

    num_features = 512 * EXPANSION

    def __init__(self, depth: int, *, gates: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = _stage(64, 64, 3, stride=1, gates=gates)
        self.layer2 = _stage(256, 128, 4, stride=2, gates=gates)
        self.layer3 = _stage(512, 256, {50: 6, 101: 23}[depth], stride=2, gates=gates)
        self.layer4 = _stage(1024, 512, 3, stride=2, gates=gates)
        initialise_convolutions(self)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, h, w) → (N, 2048, h/32, w/32)."""
        x = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        x = functional.max_pool2d(x, 3, 2, 1)
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


class DenseUpsample(nn.Module):
    """DUC: a 3x3 convolution makes four times the channels, pixel shuffle doubles the map."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels * 4, 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(out_channels * 4)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, h, w) → (N, out, 2h, 2w)."""
        return functional.pixel_shuffle(functional.relu(self.bn(self.conv(x)), inplace=True), 2)


def initialise_convolutions(module: nn.Module) -> None:
    """Kaiming initialisation of all convolutions in it (fan-out, ReLU), as ResNets are begun."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")


def initialise_head(head: nn.Conv2d) -> None:
    """Heatmaps that begin near zero."""
    nn.init.normal_(head.weight, std=0.001)
    if head.bias is not None:
        nn.init.zeros_(head.bias)


def _stage(
    in_channels: int, channels: int, num_blocks: int, *, stride: int, gates: bool
) -> nn.Sequential:
    first = Bottleneck(in_channels, channels, stride=stride, downsample=True, gate=gates)
    others = (
        Bottleneck(channels * EXPANSION, channels, stride=1, downsample=False, gate=False)
        for _ in range(num_blocks - 1)
    )
    return nn.Sequential(first, *others)
