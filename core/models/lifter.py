"""The lifter g_φ: from one view's 2D pose and its picture to root-relative depths.

METHOD section 3: an MLP with two hidden layers on the undistorted 2D pose, normalised to [−1, 1] by
the person's box, beside a 16-number picture feature h_ψ. Eq. 7 makes depths into 3D points; that is
the caller's, who knows the root's depth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.errors import DataError
from core.models import resnet50
from core.models.layers import PixelNormalisation, initialise_convolutions
from core.models.small import PIXEL_MEANS, PIXEL_STDS, BasicBlock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.project.runs.config import LiftOptions, ModelOptions

ImageBranch = Literal["resnet50", "small", "none"]
IMAGE_BRANCHES: tuple[ImageBranch, ...] = ("resnet50", "small", "none")
# Side of the square crops each branch looks at, in pixels; 0 = it looks at none.
IMAGE_SIZES: dict[ImageBranch, int] = {"resnet50": 256, "small": 64, "none": 0}
IMAGE_FEATURES = 16
# Hidden layer of the MLP that shrinks ResNet-50's 2048 features to 16.
IMAGE_HIDDEN = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class LifterSpec:
    """What a lifter is, apart from its weights; checked when made.

    Attributes:
        joints: names of the J joints.
        hidden: width of both hidden layers.
        dropout: share of hidden units left out in training, after each hidden layer.
        image_branch: the network behind the picture feature.

    Raises:
        DataError: naming the value that no network can be made of.
    """

    joints: tuple[str, ...]
    hidden: int = 2048
    dropout: float = 0.1
    image_branch: ImageBranch = "resnet50"

    def __post_init__(self) -> None:
        """Refuse what no network can be made of."""
        _check(bool(self.joints), "joints", "at least one joint", "none")
        _check(self.hidden >= 1, "hidden", "at least 1", self.hidden)
        _check(0 <= self.dropout < 1, "dropout", "0 or more, below 1", self.dropout)
        branches = ", ".join(IMAGE_BRANCHES)
        _check(self.image_branch in IMAGE_BRANCHES, "image_branch", branches, self.image_branch)

    @classmethod
    def resolve(
        cls,
        model: ModelOptions,
        lift: LiftOptions,
        joints: Sequence[str],
        device: torch.device | str,
    ) -> LifterSpec:
        """The spec that options mean on this device."""
        has_gpu = torch.device(device).type != "cpu"
        chosen = model.image_branch
        branch: ImageBranch = ("resnet50" if has_gpu else "small") if chosen == "auto" else chosen
        return cls(
            joints=tuple(joints), hidden=lift.hidden, dropout=lift.dropout, image_branch=branch
        )


class Lifter(nn.Module):
    """Root-relative depths of a pose seen in one view.

    Model card:
        input: points (N, J, 2), undistorted, normalised to [−1, 1] by the person's box, all finite;
            crops (N, 3, s, s) RGB, uint8 or float 0..255, s = `image_size`, where there is an image
            branch.
        output: (N, J) metres, depth of the joint minus depth of the root, along the optical axis.
        size: 4.3 M parameters for 13 joints without pictures, 28.4 M with ResNet-50, 4.5 M with the
            small branch.
        source: METHOD section 3; the paper's section 4.2.

    Attributes:
        spec: what it is.
        image_branch: the picture network, None without one. Freezing it is the trainer's.
    """

    def __init__(self, spec: LifterSpec) -> None:
        super().__init__()
        self.spec = spec
        self.image_branch = _make_image_branch(spec.image_branch)
        num_joints = len(spec.joints)
        num_inputs = 2 * num_joints + (0 if self.image_branch is None else IMAGE_FEATURES)
        self.mlp = nn.Sequential(
            nn.Linear(num_inputs, spec.hidden),
            nn.ReLU(),
            nn.Dropout(spec.dropout),
            nn.Linear(spec.hidden, spec.hidden),
            nn.ReLU(),
            nn.Dropout(spec.dropout),
            nn.Linear(spec.hidden, num_joints),
        )

    @property
    def image_size(self) -> int:
        """Side of the square crops to give, in pixels; 0 where none are looked at."""
        return IMAGE_SIZES[self.spec.image_branch]

    def forward(self, points_box: Tensor, images: Tensor | None = None) -> Tensor:
        """Points (N, J, 2) in [−1, 1] and crops (N, 3, s, s) → depths (N, J) in metres."""
        inputs = points_box.flatten(1)
        if self.image_branch is not None:
            assert images is not None, f"this lifter looks at {self.image_size} px crops"
            features = self.image_branch(images).to(inputs.dtype)
            inputs = torch.cat((inputs, features), dim=1)
        return self.mlp(inputs).float()


class ResNetBranch(nn.Module):
    """h_ψ of the paper: ResNet-50 whose last layer is an MLP from 2048 to 16."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = resnet50.ResNet50()
        self.shrink = nn.Sequential(
            nn.Linear(self.trunk.num_features, IMAGE_HIDDEN),
            nn.ReLU(),
            nn.Linear(IMAGE_HIDDEN, IMAGE_FEATURES),
        )
        self.normalise = PixelNormalisation(resnet50.PIXEL_MEANS, resnet50.PIXEL_STDS)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, s, s) 0..255 → (N, 16)."""
        return self.shrink(self.trunk(self.normalise(images)))


class SmallBranch(nn.Module):
    """The same idea in 0.2 M parameters, for 64x64 crops on a CPU."""

    def __init__(self) -> None:
        super().__init__()
        self.normalise = PixelNormalisation(PIXEL_MEANS, PIXEL_STDS)
        self.stem = nn.Sequential(
            nn.Conv2d(3, 24, 7, 4, 3, bias=False), nn.BatchNorm2d(24), nn.ReLU(inplace=True)
        )
        self.blocks = nn.Sequential(
            BasicBlock(24, 32, stride=1, gate=True),
            BasicBlock(32, 48, stride=2, gate=True),
            BasicBlock(48, 96, stride=2, gate=True),
        )
        self.shrink = nn.Linear(96, IMAGE_FEATURES)
        initialise_convolutions(self)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, s, s) 0..255 → (N, 16)."""
        features = self.blocks(self.stem(self.normalise(images)))
        return self.shrink(functional.adaptive_avg_pool2d(features, 1).flatten(1))


def _make_image_branch(branch: ImageBranch) -> nn.Module | None:
    if branch == "resnet50":
        return ResNetBranch()
    return SmallBranch() if branch == "small" else None


def _check(right: bool, field: str, expected: str, found: object) -> None:
    if not right:
        remedy = "Correct the sections [model] and [lift] of the configuration."
        raise DataError("lifter", field, expected=expected, found=str(found), remedy=remedy)
