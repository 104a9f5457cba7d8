"""Consensus weighting as tensors: the steps of `kernel_consensus`, joints on the last axis."""

from __future__ import annotations

import math

import torch

from core.geometry.method import (
    HUBER,
    HUBER_STEPS,
    NUM_REFINED,
    REFINE_STEPS,
)
from core.geometry.torch_forms import gauss_newton_step, project_rows


class Views:
    """One chunk of joints: what every view observed, ready to judge points.

    Attributes:
        rows: (C, 2, 4, n) DLT rows.
        forms: (10, C, n) normal forms.
        seen: (C, n) bool.
        depth_rows: (C, 1, 4, 1 or n).
        inverse_focal: (C, 1 or n).
    """

    def __init__(
        self,
        rows: torch.Tensor,
        forms: torch.Tensor,
        seen: torch.Tensor,
        cameras: torch.Tensor,
        inverse_focal: torch.Tensor,
    ) -> None:
        self.rows = rows
        self.forms = forms
        self.seen = seen
        self.depth_rows = cameras[:, 2:3]
        self.inverse_focal = inverse_focal

    def depths(self, points: torch.Tensor) -> torch.Tensor:
        """Depth in metres of points (3, ..., n) in every view: (C, ..., n)."""
        return project_rows(self.depth_rows, points).squeeze(1)

    def squares(self, points: torch.Tensor) -> torch.Tensor:
        """Squared residuals in m² (C, ..., n): inf behind the camera, 0 where nothing was seen."""
        squares = (project_rows(self.rows, points) ** 2).sum(1)
        shape = (len(self.seen), *(1,) * (points.ndim - 2), -1)
        squares = squares * (self.inverse_focal**2).reshape(shape)
        squares = torch.where(self.depths(points) > 0, squares, math.inf)
        return torch.where(self.seen.reshape(shape), squares, 0.0)

    def step(self, omega: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        """A Gauss-Newton step from points (3, n) on residuals in metres weighted by ω (C, n)."""
        return gauss_newton_step(self.rows, self.forms, omega * self.inverse_focal**2, points)


def _shares(squares: torch.Tensor, tau_m: float) -> torch.Tensor:
    """Geman-McClure cost e²/(e² + τ²); 1 for infinity."""
    return torch.where(squares < math.inf, squares / (squares + tau_m**2), 1.0)


def _geman_mcclure(squares: torch.Tensor, seen: torch.Tensor, tau_m: float) -> torch.Tensor:
    return (1.0 / (1.0 + squares / tau_m**2)) ** 2 * seen


def find_consensus(
    views: Views, candidates: torch.Tensor, usable: torch.Tensor, tau_m: float
) -> torch.Tensor:
    """Weights (C, n) at the best of the refined hypotheses among candidates (3, P, n)."""
    cost = _shares(views.squares(candidates), tau_m).sum(0)
    cost = torch.where(usable, cost, math.inf)
    best = cost.topk(min(NUM_REFINED, len(cost)), dim=0, largest=False).indices
    lowest = torch.full_like(cost[0], math.inf)
    weights = torch.zeros_like(views.forms[0])
    for index in best:
        points = candidates.gather(1, index.expand(3, 1, -1)).squeeze(1)
        for _ in range(REFINE_STEPS):
            omega = _geman_mcclure(views.squares(points), views.seen, tau_m)
            points = views.step(omega, points)
        squares = views.squares(points)
        found = usable.gather(0, index[None]).squeeze(0)
        cost = torch.where(found, _shares(squares, tau_m).sum(0), math.inf)
        weights = torch.where(cost < lowest, _geman_mcclure(squares, views.seen, tau_m), weights)
        lowest = torch.minimum(lowest, cost)
    return weights


def huber_weights(views: Views, scale_m: float) -> torch.Tensor:
    """Huber's weights (C, n), begun at equal weights."""
    limit = HUBER * scale_m
    omega = views.seen.to(views.forms.dtype)
    points = torch.zeros_like(views.forms[:3, 0])
    for _ in range(HUBER_STEPS):
        points = views.step(omega, points)
        squares = views.squares(points)
        omega = torch.where(squares <= limit**2, 1.0, limit / squares.sqrt())
        omega = torch.where(squares < math.inf, omega, 1e-6) * views.seen
    return omega


def least_quantile(views: Views, candidates: torch.Tensor, usable: torch.Tensor) -> torch.Tensor:
    """(n,) the least (⌈n/2⌉ + 1)-th residual in m over the hypotheses; NaN below three views."""
    squares = views.squares(candidates)
    squares = torch.where(views.seen[:, None], squares, -1.0).sort(0).values
    count = views.seen.sum(0)
    rank = (len(views.seen) - count + (count + 1) // 2).clamp_max(len(views.seen) - 1)
    ranked = squares.gather(0, rank.expand(1, squares.shape[1], -1)).squeeze(0)
    least = torch.where(usable, ranked, math.inf).amin(0)
    return torch.where((count >= 3) & (least < math.inf), least, math.nan).sqrt()
