"""The box-normalised frame of the 2D losses, sums with their counts, and L_sup (Eq. 1).

A loss is a `Term`: the sum over its terms and how many there are, not their mean, because the mean
is over a whole batch and a batch may be spread over micro-batches and processes. All sums are
float64 whatever the network's type, and autocast is off inside.

Trap: what is masked is decided by targets and boxes, not by the prediction. A prediction that is
not finite where there is a target makes the sum NaN, so that a diverged network is found out.

Shape suffixes: G groups, C cameras, J joints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from core.learning.rig_tensors import exact

if TYPE_CHECKING:
    from torch import Tensor

# Narrower than this a box is no frame to measure in.
MIN_BOX_PX = 1.0


@dataclass(frozen=True, slots=True)
class Term:
    """A loss before division.

    Attributes:
        total: () float64, the sum over its terms; carries the gradient.
        count: () float64, the number of terms; 0 where nothing counts.
    """

    total: Tensor
    count: Tensor

    def __add__(self, other: Term) -> Term:
        return Term(self.total + other.total, self.count + other.count)

    def mean(self) -> Tensor:
        """The total over the count, (); 0 with a zero gradient where nothing counts."""
        return self.total / self.count.clamp_min(1.0)


def no_autocast(tensor: Tensor) -> torch.autocast:
    """A context in which autocast leaves the arithmetic on this tensor's device alone."""
    return torch.autocast(device_type=tensor.device.type, enabled=False)


@dataclass(frozen=True, slots=True)
class BoxFrame:
    """Raw pixels to [-1, 1] by each person's box, axis by axis (the paper's section 3.2.1).

    Attributes:
        center_px: (..., C, 1, 2) float64; 0 where there is no box.
        half_px: (..., C, 1, 2) float64, half of width and height; 1 where there is no box.
        known: (..., C, 1) bool: there is a box.
    """

    center_px: Tensor
    half_px: Tensor
    known: Tensor

    @classmethod
    def of(cls, boxes_px: Tensor) -> BoxFrame:
        """The frames of boxes (..., C, 4): x0 y0 x1 y1, NaN = not in view."""
        boxes = exact(boxes_px.detach())
        low, high = boxes[..., None, :2], boxes[..., None, 2:]
        known = (boxes.isfinite().all(-1) & (boxes[..., 2:] - boxes[..., :2] > MIN_BOX_PX).all(-1))[
            ..., None
        ]
        return cls(
            center_px=torch.where(known[..., None], (low + high) / 2, 0.0),
            half_px=torch.where(known[..., None], (high - low) / 2, 1.0),
            known=known,
        )

    def normalise(self, points_px: Tensor) -> Tensor:
        """Points (..., C, J, 2) px in the boxes' frames; NaN stays."""
        return (exact(points_px) - self.center_px) / self.half_px


def squared_distance(
    points_px: Tensor, targets_px: Tensor, frame: BoxFrame, mask: Tensor
) -> Tensor:
    """‖x̂ − x̄‖² summed over x and y, box-normalised, (..., C, J); 0 without a gradient off `mask`.

    Args:
        points_px: (..., C, J, 2) raw.
        targets_px: the same shape.
        frame: of the persons' boxes.
        mask: (..., C, J) bool.
    """
    difference = (exact(points_px) - exact(targets_px)) / frame.half_px
    # Put aside before squaring: the gradient of NaN times 0 would be NaN.
    return torch.where(mask[..., None], difference, 0.0).square().sum(-1)


def supervised_term(
    points_raw: Tensor, targets_raw: Tensor, boxes_px: Tensor, mask: Tensor | None = None
) -> Term:
    """L_sup (Eq. 1): squared box-normalised error of every labelled joint of every view.

    The targets are projections of 3D labels, so occluded joints count as well.

    Args:
        points_raw: (..., C, J, 2) predicted, raw pixels.
        targets_raw: the same shape, raw pixels; NaN = no label.
        boxes_px: (..., C, 4) raw x0 y0 x1 y1; NaN = the person is not in that view.
        mask: (..., C, J) or (..., C, 1) bool: what counts beside that; default all.

    Returns:
        The sum over x, y, joints, views and groups; the count is that of labelled joints in view.
    """
    with no_autocast(points_raw):
        frame = BoxFrame.of(boxes_px)
        targets = exact(targets_raw.detach())
        counted = targets.isfinite().all(-1) & frame.known
        if mask is not None:
            counted = counted & mask.to(counted.device)
        squared = squared_distance(points_raw, targets, frame, counted)
        return Term(squared.sum(), counted.sum().double())
