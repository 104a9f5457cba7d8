"""Pseudo-labels from whole heatmaps: every strong peak of every view is a hypothesis.

The soft-argmax makes one point of a heatmap with two modes, between them, and no weighting of such
points brings the right mode back. Here the modes stay apart until all views have been asked: each
pair of peaks in two views is a candidate (as in Eq. 4, with several observations a view), a
candidate counts the sum over the views of their heatmaps where it would be seen, and the answer is
the mean of the candidates near the best one, weighted by what they count.

Nothing here is differentiable: such targets are constants of the step.

Shape suffixes: G groups, C cameras, J joints, K peaks, N candidates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from core.geometry import triangulate
from core.learning.rig_tensors import exact
from core.models.soft_argmax import cells_from_crop_px, crop_px_from_cells

if TYPE_CHECKING:
    from torch import Tensor

    from core.learning.batches import Batch
    from core.learning.rig_tensors import GroupCameras

NUM_PEAKS = 3
# A peak lower than this (labelled ones are 1 high) is no hypothesis.
LEAST_PEAK = 0.1
# Candidates as near as this to the best one are averaged, by exp(sharpness * count).
NEAR_MM = 80.0
_SHARPNESS = 12.0
# The views' heatmaps at the answer, as a share of their own peaks: less is no agreement.
LEAST_AGREEMENT = 0.8


@dataclass(frozen=True, slots=True)
class PeakTriangulation:
    """What heatmaps say together.

    Attributes:
        points_mm: (G, J, 3) world, float64; NaN where fewer than two views have a peak.
        strengths: (G, C, J) a view's heatmap where it would see the point, 0 to about 1.
        agreement: (G, J) sum of the strengths over the sum of the views' own peaks.
        spread_mm: (G, J) root mean squared distance of the averaged candidates to the answer.
    """

    points_mm: Tensor
    strengths: Tensor
    agreement: Tensor
    spread_mm: Tensor


@torch.no_grad()
def triangulate_peaks(
    heatmaps: Tensor, seen: Tensor, batch: Batch, cameras: GroupCameras
) -> PeakTriangulation:
    """The 3D points that all heatmaps of a joint support best.

    Args:
        heatmaps: (G, C, J, h, w) of the crops, joints by their names (left and right put right).
        seen: (G, C, J) bool, which of them may be used.
        batch: the crops' maps to raw pixels.
        cameras: of the groups.
    """
    maps = heatmaps.detach().to(exact(batch.raw_from_crop).device, torch.float32).clamp_min(0)
    maps = torch.where(seen[..., None, None], maps, 0.0)
    peaks_crop, heights = _peaks(maps)
    raw_from_crop = exact(batch.raw_from_crop)
    raw = _mapped(raw_from_crop, peaks_crop.flatten(2, 3))
    straight = cameras.lenses.undistort(raw).unflatten(2, peaks_crop.shape[2:4])
    straight = torch.where((heights > LEAST_PEAK)[..., None], straight, math.nan)
    candidates = _candidates(straight, cameras)
    strengths = _strengths(candidates, maps, raw_from_crop, cameras)
    counts = strengths.sum(1)
    counts = torch.where(candidates.isfinite().all(-1), counts, -1.0)
    best = counts.argmax(-1, keepdim=True)
    points, spread = _averaged(candidates, counts, best)
    final = _strengths(points[:, :, None], maps, raw_from_crop, cameras)[..., 0]
    own = heights[..., 0].sum(1).clamp_min(LEAST_PEAK)
    return PeakTriangulation(points, final.double(), (final.sum(1) / own).double(), spread)


def _peaks(maps: Tensor) -> tuple[Tensor, Tensor]:
    """The highest local maxima: crop pixels (G, C, J, K, 2) and heights (G, C, J, K)."""
    shape, width = maps.shape[:3], maps.shape[-1]
    flat = maps.flatten(0, 2)[:, None]
    is_peak = flat >= functional.max_pool2d(flat, 3, stride=1, padding=1)
    values = torch.where(is_peak, flat, 0.0).flatten(1)
    heights, index = values.topk(NUM_PEAKS, dim=-1)
    # Between cells: the top of the parabola through a peak and its neighbours, along each axis.
    around = functional.unfold(functional.pad(flat, (1, 1, 1, 1)), 3)
    nine = around.gather(2, index[:, None].expand(-1, 9, -1))
    left, right, above, below, top = (nine[:, cell] for cell in (3, 5, 1, 7, 4))
    x = index % width + _summit(left, top, right)
    y = index.div(width, rounding_mode="floor") + _summit(above, top, below)
    cells = torch.stack([x, y], dim=-1).double()
    return crop_px_from_cells(cells).unflatten(0, shape), heights.double().unflatten(0, shape)


def _summit(before: Tensor, top: Tensor, after: Tensor) -> Tensor:
    """Where between -1/2 and 1/2 a parabola through three neighbours is highest."""
    bend = (2 * top - before - after).clamp_min(1e-6)
    return (0.5 * (after - before) / bend).clamp(-0.5, 0.5)


def _mapped(maps: Tensor, points: Tensor) -> Tensor:
    """Points (G, C, M, 2) through affine maps (G, C, 2, 3)."""
    return points @ maps[..., :2].mT + maps[..., None, :, 2]


def _candidates(straight: Tensor, cameras: GroupCameras) -> Tensor:
    """(G, J, N, 3) mm: each pair of peaks of each pair of views; NaN where either is none.

    Args:
        straight: (G, C, J, K, 2) undistorted pixels, NaN = no peak.
        cameras: of the groups.
    """
    groups, num_cameras, joints, num_peaks, _ = straight.shape
    pairs = list(combinations(range(num_cameras), 2))
    first = torch.tensor([a for a, _ in pairs], device=straight.device)
    second = torch.tensor([b for _, b in pairs], device=straight.device)
    shape = (groups, len(pairs), joints, num_peaks, num_peaks, 2)
    one = straight[:, first, :, :, None].expand(shape)
    other = straight[:, second, :, None].expand(shape)
    points = torch.stack([one, other], dim=2).flatten(3, 5)
    projections = cameras.projections.expand(groups, -1, -1, -1)
    chosen = torch.stack([projections[:, first], projections[:, second]], dim=2)
    found = triangulate(points, chosen, observed=points.isfinite().all(-1))
    found = found.unflatten(2, (joints, num_peaks * num_peaks))
    return found.permute(0, 2, 1, 3, 4).flatten(2, 3)


def _strengths(
    points_mm: Tensor, maps: Tensor, raw_from_crop: Tensor, cameras: GroupCameras
) -> Tensor:
    """(G, C, J, N): each view's heatmap where it would see the points (G, J, N, 3)."""
    groups, joints, number, _ = points_mm.shape
    num_cameras, height, width = maps.shape[1], *maps.shape[3:]
    raw = cameras.lenses.distort(cameras.project(points_mm.flatten(1, 2)))
    inverse, _ = torch.linalg.inv_ex(raw_from_crop[..., :2])
    crop = (raw - raw_from_crop[..., None, :, 2]) @ inverse.mT
    cells = cells_from_crop_px(crop) + 0.5
    grid = torch.stack([cells[..., 0] / width, cells[..., 1] / height], dim=-1) * 2 - 1
    grid = torch.where(grid.isfinite(), grid, 9.0).clamp(-9.0, 9.0).to(maps)
    grid = grid.reshape(groups * num_cameras * joints, 1, number, 2)
    flat = maps.reshape(groups * num_cameras * joints, 1, height, width)
    found = functional.grid_sample(flat, grid, padding_mode="zeros", align_corners=False)
    return found.reshape(groups, num_cameras, joints, number)


def _averaged(candidates: Tensor, counts: Tensor, best: Tensor) -> tuple[Tensor, Tensor]:
    """(G, J, 3) mean of the candidates near the best, and (G, J) how far they spread."""
    chosen = candidates.gather(2, best[..., None].expand(-1, -1, -1, 3))
    away = (candidates - chosen).square().sum(-1)
    share = torch.exp(_SHARPNESS * (counts - counts.gather(2, best))).double()
    share = torch.where((away < NEAR_MM**2) & (counts >= 0), share, 0.0)
    known = counts.gather(2, best)[..., 0] >= 0
    total = torch.where(known, share.sum(-1), 1.0)[..., None]
    there = torch.where(candidates.isfinite(), candidates, 0.0)
    mean = (share[..., None] * there).sum(2) / total
    square = (share * (there - mean[:, :, None]).square().sum(-1)).sum(-1) / total[..., 0]
    missing = torch.full_like(mean, math.nan)
    return torch.where(known[..., None], mean, missing), square.sqrt()
