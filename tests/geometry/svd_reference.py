"""The naive route, as slow and as plain as the equations: what the fast paths are held against.

`torch.linalg.svd` of the DLT rows of every pair, in METHOD's gauge (world in metres around the
mean camera centre, |P3| = 1) and in float64. Two medians: `weiszfeld`, what the naive route of the
benchmark uses, and `exact_median`, Newton with backtracking down to rounding, for accuracy.
Every view is taken as observed unless its row of `observed` says otherwise.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

SMOOTHING_M = 1e-4


@dataclass
class Reference:
    points_mm: torch.Tensor
    weights: torch.Tensor
    wss_mm: torch.Tensor
    kept: torch.Tensor
    centers_mm: torch.Tensor
    candidates_mm: torch.Tensor


def gauge(projections: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(C, 3, 4) matrices from metres around the mean centre, and that centre in mm."""
    M, p = projections[:, :, :3], projections[:, :, 3]
    center = -torch.linalg.solve(M, p).mean(0)
    shifted = torch.cat([M * 1000.0, (M @ center + p)[:, :, None]], dim=2)
    norm = torch.linalg.norm(shifted[:, 2, :3], dim=1) * torch.linalg.det(M).sign()
    return shifted / norm[:, None, None], center


def rows_of(points_px: torch.Tensor, projections_m: torch.Tensor) -> torch.Tensor:
    """DLT rows (N, C, 2, 4) from pixels (N, C, 2)."""
    third = projections_m[None, :, 2, None, :]
    return points_px[..., None] * third - projections_m[None, :, :2, :]


def smallest(rows: torch.Tensor) -> torch.Tensor:
    """The 3D point of the smallest singular vector of rows (N, R, 4), in metres."""
    _, _, v = torch.linalg.svd(rows, full_matrices=False)
    x = v[:, -1]
    return x[:, :3] / x[:, 3:]


def weiszfeld(candidates: torch.Tensor, iterations: int = 50) -> torch.Tensor:
    """Geometric median over dim 1, from the mean."""
    x = candidates.mean(1)
    for _ in range(iterations):
        d = ((candidates - x[:, None]) ** 2).sum(-1).add(SMOOTHING_M**2).rsqrt()
        x = (candidates * d[..., None]).sum(1) / d.sum(1, keepdim=True)
    return x


def exact_median(candidates: torch.Tensor, usable: torch.Tensor | None = None) -> torch.Tensor:
    """Geometric median over dim 1 of the smoothed objective, to rounding."""
    use = torch.ones_like(candidates[..., 0]) if usable is None else usable.to(candidates)
    y = torch.where(use[..., None] > 0, candidates, 0.0)

    def objective(x: torch.Tensor) -> torch.Tensor:
        return (use * ((y - x[:, None]) ** 2).sum(-1).add(SMOOTHING_M**2).sqrt()).sum(1)

    x = weiszfeld(torch.where(use[..., None] > 0, y, y[:, :1]), 200)
    for _ in range(60):
        d = y - x[:, None]
        s = use * (d**2).sum(-1).add(SMOOTHING_M**2).rsqrt()
        gradient = (s[..., None] * d).sum(1)
        hessian = s.sum(1)[:, None, None] * torch.eye(3, dtype=x.dtype) - torch.einsum(
            "np,npa,npb->nab", s**3, d, d
        )
        step = torch.linalg.solve(hessian, gradient)
        size, best = torch.ones(len(x), dtype=x.dtype), objective(x)
        for _ in range(40):
            worse = objective(x + size[:, None] * step) > best
            size = torch.where(worse, size / 2, size)
        x = x + size[:, None] * step
    return x


def pairwise(
    points_px: torch.Tensor,
    projections: torch.Tensor,
    *,
    sigma_mm: float = 10.0,
    threshold_mm: float = 20.0,
    discard: bool = True,
    row_exponent: float = 1.0,
    median: Callable[[torch.Tensor], torch.Tensor] = exact_median,
    constants: bool = True,
) -> Reference:
    """Eqs. 3-6 for (N, C, 2) pixels observed in all views.

    `constants`: weights, centre and WSS carry no gradient, as METHOD decides; without it autograd
    unrolls them, as the naive route would.
    """
    P, center = gauge(projections.double())
    A = rows_of(points_px.double(), P)
    num_views = A.shape[1]
    pairs = list(itertools.combinations(range(num_views), 2))
    with torch.set_grad_enabled(not constants and torch.is_grad_enabled()):
        y = torch.stack([smallest(A[:, [i, j]].flatten(1, 2)) for i, j in pairs], dim=1)
        x = median(y)
        d2 = ((y - x[:, None]) ** 2).sum(-1) * 1e6
        w = torch.exp(-d2 / sigma_mm**2)
        views = []
        for c in range(num_views):
            mine = torch.stack([w[:, k] for k, pair in enumerate(pairs) if c in pair], dim=1)
            ordered = mine.sort(1).values
            n = mine.shape[1]
            views.append((ordered[:, (n - 1) // 2] + ordered[:, n // 2]) / 2)
        weights = torch.stack(views, dim=1)
        wss = d2.mean(1).sqrt()
        kept = wss <= threshold_mm
        factor = weights.clamp_min(1e-300) ** row_exponent
        if discard:
            factor = torch.where(kept[:, None], factor, 1.0)
    points = smallest((A * factor[..., None, None]).flatten(1, 2))
    return Reference(
        points * 1000 + center, weights, wss, kept, x * 1000 + center, y * 1000 + center
    )
