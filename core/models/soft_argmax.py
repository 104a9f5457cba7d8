"""From heatmaps to points and back: soft-argmax with a temperature, Gaussian targets, confidence.

Pixel centres are at integers, in the crop as in the heatmap. A heatmap cell covers `STRIDE` x
`STRIDE` crop pixels, so the centre of cell i lies at crop pixel (i + 0.5)·4 − 0.5: half a cell is
lost by whoever multiplies by 4 alone.

Trap: a softmax sees the whole map. On an 80x64 map with one peak of height 1 the 5120 cells of
height 0 outweigh it at temperature 1, and (10, 15) is decoded as (31, 39). From 20 on the peak
wins. Much higher, neighbouring cells no longer share the weight and the point snaps to cell centres
(a Gaussian of σ cells becomes one of σ/√temperature).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

# Crop pixels per heatmap cell, of every detector here.
STRIDE = 4


def soft_argmax(heatmaps: Tensor, temperature: float) -> Tensor:
    """Mean position under the softmax of temperature · heatmap (integral regression).

    Args:
        heatmaps: (..., h, w); half precision is raised to float32 first.
        temperature: β; the higher, the closer to the plain argmax.

    Returns:
        (..., 2) x and y in heatmap cells, cell centres at integers; NaN where the map has one.
    """
    heights = heatmaps if heatmaps.dtype == torch.float64 else heatmaps.float()
    shares = functional.softmax((heights * temperature).flatten(-2), dim=-1).view_as(heights)
    rows = torch.arange(heights.shape[-2], device=heights.device, dtype=heights.dtype)
    columns = torch.arange(heights.shape[-1], device=heights.device, dtype=heights.dtype)
    x = (shares.sum(-2) * columns).sum(-1)
    y = (shares.sum(-1) * rows).sum(-1)
    return torch.stack((x, y), dim=-1)


def crop_px_from_cells(cells: Tensor) -> Tensor:
    """Crop pixels of heatmap positions, both with centres at integers."""
    return (cells + 0.5) * STRIDE - 0.5


def cells_from_crop_px(points_px: Tensor) -> Tensor:
    """Heatmap positions of crop pixels; the inverse of `crop_px_from_cells`."""
    return (points_px + 0.5) / STRIDE - 0.5


def gaussian_maps(
    points_px: Tensor, heatmap_hw: tuple[int, int], sigma_cells: float = 2.0
) -> Tensor:
    """The heatmaps a perfect detector would give: Gaussians of height 1, not rounded to cells.

    Args:
        points_px: (..., 2) crop pixels.
        heatmap_hw: height and width of the maps, in cells.
        sigma_cells: σ in heatmap cells.

    Returns:
        (..., h, w) float32 or float64 as the points; all zero where a point is NaN (mask the
        loss there: a zero map would teach that the joint is nowhere). No gradient.
    """
    cells = cells_from_crop_px(points_px.detach())
    present = torch.isfinite(cells).all(-1)
    cells = torch.where(present[..., None], cells, torch.zeros_like(cells))
    rows = torch.arange(heatmap_hw[0], device=cells.device, dtype=cells.dtype)
    columns = torch.arange(heatmap_hw[1], device=cells.device, dtype=cells.dtype)
    scale = -0.5 / sigma_cells**2
    across = torch.exp(scale * (columns - cells[..., 0:1]) ** 2)
    down = torch.exp(scale * (rows - cells[..., 1:2]) ** 2)
    return down[..., :, None] * across[..., None, :] * present[..., None, None].to(cells.dtype)


def heights_at(heatmaps: Tensor, cells: Tensor) -> Tensor:
    """Heatmap heights at given positions, bilinear, 0 outside the map.

    Args:
        heatmaps: (N, J, h, w).
        cells: (N, J, 2) x and y in heatmap cells.

    Returns:
        (N, J) float32 (float64 for float64 maps).
    """
    num, joints, height, width = heatmaps.shape
    maps = heatmaps if heatmaps.dtype == torch.float64 else heatmaps.float()
    # grid_sample wants [-1, 1] from edge to edge of the outer cells.
    size = torch.tensor((width, height), device=cells.device, dtype=maps.dtype)
    grid = (cells.to(maps.dtype) * 2 + 1) / size - 1
    sampled = functional.grid_sample(
        maps.reshape(num * joints, 1, height, width),
        grid.reshape(num * joints, 1, 1, 2),
        align_corners=False,
    )
    return sampled.view(num, joints)
