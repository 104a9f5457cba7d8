"""The detector f_θ: from crops to 2D joints, whatever network is inside.

Owns what goes around the network: its own normalisation of pixels, the soft-argmax that makes
heatmaps into points (so that losses on points reach the network), and the confidence.
`DetectorSpec` is all that must be known to build it again, and is what a weights file stores.

Traps: the network's BN statistics are only frozen if its owner keeps it in eval mode. `compile`
the detector, not the network inside: state dict keys stay as they are that way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch import Tensor, nn

from core.errors import DataError
from core.models import fastpose, small
from core.models.layers import PixelNormalisation
from core.models.soft_argmax import (
    STRIDE,
    crop_px_from_cells,
    gaussian_maps,
    heights_at,
    soft_argmax,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.project.runs.config import ModelOptions

Family = Literal["small", "fastpose"]
FAMILIES: tuple[Family, ...] = ("small", "fastpose")
# Soft-argmax temperatures that decode Gaussian peaks of height 1 (tests/models).
TEMPERATURES: dict[Family, float] = {"small": 20.0, "fastpose": 100.0}
# Sides of the input must be multiples of this.
INPUT_STEP = 32
MAX_SIDE = 2048

__all__ = [
    "Detections",
    "Detector",
    "DetectorSpec",
    "gaussian_heatmaps",
    "soft_argmax",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorSpec:
    """What a detector is, apart from its weights; checked when made.

    Attributes:
        family: ``fastpose`` (AlphaPose's) or ``small``.
        depth: layers of FastPose's trunk (50, 101); blocks in a stage of the small one.
        width: channels of FastPose's last block (128, 256); of the small one's too.
        joints: names of the J joints, in the order of the heatmaps.
        input_hw: height and width of the crops, in pixels; multiples of 32.
        temperature: of the soft-argmax.

    Raises:
        DataError: naming the value that no network can be made of.
    """

    family: Family
    depth: int
    width: int
    joints: tuple[str, ...]
    input_hw: tuple[int, int]
    temperature: float

    def __post_init__(self) -> None:
        """Refuse what no network can be made of."""
        _check(self.family in FAMILIES, "family", " or ".join(FAMILIES), self.family)
        _check(bool(self.joints), "joints", "at least one joint", "none")
        _check(len(set(self.joints)) == len(self.joints), "joints", "each once", self.joints)
        _check(self.temperature > 0, "temperature", "a number above 0", self.temperature)
        right_size = all(s % INPUT_STEP == 0 and 0 < s <= MAX_SIDE for s in self.input_hw)
        expected = f"height and width as multiples of {INPUT_STEP} up to {MAX_SIDE}"
        _check(right_size, "input_hw", expected, self.input_hw)
        if self.family == "fastpose":
            _check(self.depth in fastpose.DEPTHS, "depth", "50 or 101", self.depth)
            _check(self.width in fastpose.WIDTHS, "width", "128 or 256", self.width)
        else:
            _check(1 <= self.depth <= 8, "depth", "1 to 8 blocks", self.depth)
            right_width = self.width % 8 == 0 and 8 <= self.width <= 256
            _check(right_width, "width", "a multiple of 8 up to 256", self.width)

    @property
    def num_joints(self) -> int:
        """J."""
        return len(self.joints)

    @property
    def heatmap_hw(self) -> tuple[int, int]:
        """Height and width of the heatmaps, in cells."""
        return self.input_hw[0] // STRIDE, self.input_hw[1] // STRIDE

    @classmethod
    def resolve(
        cls, options: ModelOptions, joints: Sequence[str], device: torch.device | str
    ) -> DetectorSpec:
        """The spec that options mean on this device: ``auto`` and the zeros filled in.

        Raises:
            DataError: for sizes that the family cannot have.
        """
        has_gpu = torch.device(device).type != "cpu"
        chosen = options.detector
        family: Family = ("fastpose" if has_gpu else "small") if chosen == "auto" else chosen
        is_small = family == "small"
        height, width = small.INPUT_HW if is_small else fastpose.INPUT_HW
        return cls(
            family=family,
            depth=small.DEPTH if is_small else options.depth,
            width=small.WIDTH if is_small else options.width,
            joints=tuple(joints),
            input_hw=(options.input_height or height, options.input_width or width),
            temperature=options.temperature or TEMPERATURES[family],
        )


class Detections(NamedTuple):
    """What a detector says about N crops.

    Attributes:
        points_px: (N, J, 2) x and y in crop pixels, float32; always finite, also for joints that
            are not to be seen.
        confidence: (N, J) 0..1, the heatmap's height at the point. A map with two peaks is decoded
            between them, where it is low: that too reads as no confidence.
        heatmaps: (N, J, h/4, w/4) float32.
        features: (N, F, h', w') of the trunk, for `ViewConfidence`.
    """

    points_px: Tensor
    confidence: Tensor
    heatmaps: Tensor
    features: Tensor


class Detector(nn.Module):
    """A network with its pre-processing in front and its decoding behind.

    Model card:
        input: (N, 3, h, w) RGB, uint8 or float 0..255, any layout; normalised inside.
        output: `Detections`.
        source: see `fastpose.FastPose` and `small.SmallPose`.

    Attributes:
        spec: what it is.
        network: the network, whose keys are the published ones.
        num_features: F.
    """

    def __init__(self, spec: DetectorSpec) -> None:
        super().__init__()
        self.spec = spec
        make = fastpose.FastPose if spec.family == "fastpose" else small.SmallPose
        self.network = make(spec.num_joints, depth=spec.depth, width=spec.width)
        self.num_features: int = self.network.num_features
        self.normalise = PixelNormalisation(self.network.pixel_means, self.network.pixel_stds)

    def forward(self, images: Tensor) -> Detections:
        """Crops (N, 3, h, w) → `Detections`."""
        heatmaps, features = self.network(self.normalise(images))
        cells = soft_argmax(heatmaps, self.spec.temperature)
        confidence = heights_at(heatmaps, cells).clamp(0, 1)
        return Detections(crop_px_from_cells(cells), confidence, heatmaps, features)


def gaussian_heatmaps(points_px: Tensor, spec: DetectorSpec, sigma_cells: float = 2.0) -> Tensor:
    """Targets of the heatmap loss: `gaussian_maps` at a detector's size.

    (..., 2) crop pixels → (..., h/4, w/4); all zero where a point is NaN: mask the loss there.
    """
    return gaussian_maps(points_px, spec.heatmap_hw, sigma_cells)


def _check(right: bool, field: str, expected: str, found: object) -> None:
    if not right:
        remedy = "Correct the section [model] of the configuration."
        raise DataError("detector", field, expected=expected, found=str(found), remedy=remedy)
