"""ResNet-50 with the key names of the public ImageNet state dict.

Ours and not torchvision's: torchvision and timm from PyPI cannot be imported beside a CPU build of
torch 2.13. The stride is on the 3x3 convolution, as in torchvision's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from core.models.layers import ResNetTrunk

if TYPE_CHECKING:
    from torch import Tensor

PIXEL_MEANS = (0.485, 0.456, 0.406)
PIXEL_STDS = (0.229, 0.224, 0.225)


class ResNet50(ResNetTrunk):
    """Picture features, or ImageNet's classes.

    Model card:
        input: (N, 3, h, w) float, (RGB / 255 − mean) / std of ImageNet; 224x224 in the
            classification, 256x256 crops in the paper's lifter.
        output: (N, 2048) means over the last stage; (N, num_classes) through `fc` where there is
            one.
        size: 23.5 M parameters, 25.6 M with the 1000 classes.
        source: He et al., "Deep residual learning" (2015); public ImageNet weights load strictly.

    Args:
        num_classes: outputs of ``fc``; 0 leaves it out.
    """

    def __init__(self, num_classes: int = 0) -> None:
        super().__init__(50, gates=False)
        self.fc = nn.Linear(self.num_features, num_classes) if num_classes else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, h, w) → (N, 2048), or (N, num_classes)."""
        pooled = super().forward(x).mean((2, 3))
        return pooled if self.fc is None else self.fc(pooled)
