"""A batch of crops through the detector, and back into raw pixels of the pictures.

`DetectorPass` holds all that trains in the detector's stages, so that one wrapper for several
processes covers it. Only crops that show somebody pass: the black ones of the other views would
cost as much and spoil batch statistics.

Shape suffixes: G groups, C cameras, J joints, N = crops that pass.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from core.learning.losses import Term
from core.models import gaussian_heatmaps

if TYPE_CHECKING:
    from core.learning.batches import Batch
    from core.learning.unlabelled import PseudoTargets, TriangulationLoss
    from core.models import Detector, DetectorSpec, ViewConfidence
    from trainer.device import Device

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm)
# Of the heatmaps' targets; a target's energy, so that a map of nothing costs 1 a joint.
SIGMA_CELLS = 2.0
TARGET_ENERGY = torch.pi * SIGMA_CELLS**2


class Passed(NamedTuple):
    """What `DetectorPass` answers; a tuple of tensors, as wrappers want.

    Attributes:
        points_crop: (N, J, 2) crop pixels.
        confidence: (N, J).
        heatmaps: (N, J, h/4, w/4).
        weights: (G, C, J) learned view weights; empty without them.
    """

    points_crop: Tensor
    confidence: Tensor
    heatmaps: Tensor
    weights: Tensor


class DetectorPass(nn.Module):
    """The detector, and the learned view weights where there are any."""

    def __init__(self, detector: Detector, confidence: ViewConfidence | None = None) -> None:
        super().__init__()
        self.detector = detector
        self.confidence = confidence

    def forward(self, images: Tensor, chosen: Tensor, in_view: Tensor) -> Passed:
        """Crops (N, 3, h, w), their places (N,) among the (G·C,), and (G, C) who is in view."""
        found = self.detector(images)
        weights = images.new_zeros(0, dtype=torch.float32)
        if self.confidence is not None:
            shape = (in_view.numel(), *found.features.shape[1:])
            features = found.features.new_zeros(shape).index_copy(0, chosen, found.features)
            weights = self.confidence(features, in_view.shape[1], in_view)
        return Passed(found.points_px, found.confidence, found.heatmaps, weights)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the detector saw in a batch.

    Attributes:
        batch: where geometry is computed; without its pictures.
        points_raw: (G, C, J, 2) raw pixels; any number where nobody is in view.
        confidence: (G, C, J), 0 there.
        heatmaps: (N, J, h/4, w/4).
        chosen: (N,) places of the crops that passed among the (G·C,).
        weights: (G, C, J) learned; None without them.
    """

    batch: Batch
    points_raw: Tensor
    confidence: Tensor
    heatmaps: Tensor
    chosen: Tensor
    weights: Tensor | None


def see(module: nn.Module, batch: Batch, device: Device) -> Seen:
    """Pass a batch through a `DetectorPass` (wrapped or not)."""
    num_groups, num_cameras = batch.in_view.shape
    shown = batch.in_view.flatten()
    if not bool(shown.any()):
        shown = torch.ones_like(shown)
    chosen = shown.nonzero()[:, 0]
    images = batch.images.flatten(0, 1)
    images = images if len(chosen) == len(images) else images[chosen]
    batch = replace(batch, images=batch.images[:0]).to(device.geometry)
    places = chosen.to(device.device)
    with device.autocast():
        passed: Passed = module(device.pictures(images), places, batch.in_view.to(device.device))
    num_joints = passed.points_crop.shape[1]
    shape = (num_groups * num_cameras, num_joints)
    at = chosen.to(device.geometry)
    points = passed.points_crop.to(device.geometry)
    points = points.new_zeros((*shape, 2)).index_copy(0, at, points)
    confidence = passed.confidence.detach().to(device.geometry, torch.float32)
    confidence = confidence.new_zeros(shape).index_copy(0, at, confidence)
    crop_points = points.view(num_groups, num_cameras, num_joints, 2)
    return Seen(
        batch=batch,
        points_raw=batch.raw_points(crop_points),
        confidence=batch.values_swapped(confidence.view(num_groups, num_cameras, -1)),
        heatmaps=passed.heatmaps,
        chosen=chosen,
        weights=None
        if not passed.weights.numel()
        else batch.values_swapped(passed.weights.to(device.geometry)),
    )


def pseudo_targets(loss: TriangulationLoss, seen: Seen) -> PseudoTargets:
    """What unlabelled groups are held against, from points or heatmaps as the loss is told to.

    Joints that somebody rejected count for nothing, whatever the views say.
    """
    targets = _targets(loss, seen)
    rejected = seen.batch.rejected
    return targets if rejected is None else targets.without(rejected)


def _targets(loss: TriangulationLoss, seen: Seen) -> PseudoTargets:
    if loss.options.evidence == "points":
        return loss.targets(seen.points_raw, None, seen.batch, seen.weights)
    groups, num_cameras = seen.batch.in_view.shape
    maps = seen.heatmaps.detach().float().to(seen.points_raw.device)
    places = seen.chosen.to(maps.device)
    maps = maps.new_zeros((groups * num_cameras, *maps.shape[1:])).index_copy(0, places, maps)
    return loss.peak_targets(
        seen.batch.values_swapped(maps.unflatten(0, (groups, num_cameras))), seen.batch
    )


def heatmap_term(
    seen: Seen, spec: DetectorSpec, targets_raw: Tensor, factors: Tensor | None = None
) -> Term:
    """Squared error of the heatmaps over joints in view whose place is known.

    Summed over a map's cells and divided by the energy of a target, so that an empty map costs 1
    a joint, whatever its size.

    Args:
        seen: what the detector saw.
        spec: of the detector.
        targets_raw: (G, C, J, 2) raw pixels, labels or pseudo-labels; NaN = unknown.
        factors: (G, C, J) of the terms; None = 1.
    """
    targets = seen.batch.crop_points(targets_raw.detach()).flatten(0, 1)
    targets = targets[seen.chosen.to(targets.device)].to(seen.heatmaps.device, torch.float32)
    wanted = gaussian_heatmaps(targets, spec, SIGMA_CELLS)
    counted = torch.isfinite(targets).all(-1)
    squared = (seen.heatmaps.float() - wanted).square().sum((-1, -2)) / TARGET_ENERGY
    if factors is not None:
        swapped = seen.batch.values_swapped(factors).flatten(0, 1)
        squared = squared * swapped[seen.chosen.to(swapped.device)].to(squared)
    total = torch.where(counted, squared, torch.zeros_like(squared)).sum()
    total, count = (value.to(seen.points_raw.device) for value in (total, counted.sum()))
    return Term(total.double(), count.double())


def set_training(module: nn.Module, *, freeze_batch_norm: bool) -> None:
    """Training mode, with the batch statistics as they are where they are frozen."""
    module.train()
    if freeze_batch_norm:
        for child in module.modules():
            if isinstance(child, BATCH_NORMS):
                child.eval()
