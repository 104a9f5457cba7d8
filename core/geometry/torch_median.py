"""Geometric median of the candidates and the weights of Eqs. 4-6, as tensors (`kernel_median`)."""

from __future__ import annotations

import math

import torch

from core.geometry.method import MAX_PASSES, SMOOTHING_M2, STEP_M2, STRONGEST, WILD
from core.geometry.torch_forms import adjugate, apply_symmetric

# On a GPU, asking whether all joints have arrived stops the queue, so it is asked this seldom.
PASSES_PER_QUESTION = 4


def _start(candidates: torch.Tensor, usable: torch.Tensor) -> torch.Tensor:
    """Coordinate-wise median of the usable candidates (3, P, n); 0 where there is none."""
    start = torch.where(usable, candidates, math.nan).nanmedian(1).values
    return start.nan_to_num(0.0)


def _evaluate(
    candidates: torch.Tensor, use: torch.Tensor, x: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Objective at x (3, n), Weiszfeld's step and Newton's."""
    d = candidates - x[:, None]
    square = (d * d).sum(0) + SMOOTHING_M2
    inverse = square.rsqrt() * use
    objective = (square * inverse).sum(0)
    s = inverse.sum(0) + 1e-300
    pull = d * inverse
    g = pull.sum(1)
    e = pull * (inverse * inverse)
    h = [-(e[i] * d[j]).sum(0) for i, j in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))]
    hessian = torch.stack([s + h[0], h[1], h[2], s + h[3], h[4], s + h[5]])
    adj = adjugate(hessian)
    det = hessian[0] * adj[0] + hessian[1] * adj[1] + hessian[2] * adj[2]
    det = torch.maximum(det, 1e-12 * s**3) + 1e-300
    return objective, g / s, apply_symmetric(adj, g) / det


def find_median(candidates: torch.Tensor, usable: torch.Tensor) -> torch.Tensor:
    """Geometric median (3, n) of candidates (3, P, n), usable (P, n) bool.

    Joints that have arrived leave the computation, so that few slow ones do not cost all passes.
    """
    use = usable.to(candidates.dtype)
    x = _start(candidates, usable)
    found, index = x.clone(), torch.arange(x.shape[1], device=x.device)
    base, weiszfeld, step = (torch.zeros_like(x) for _ in range(3))
    lowest = torch.full_like(x[0], math.inf)
    moving = torch.ones_like(x[0], dtype=torch.bool)
    for count in range(MAX_PASSES):
        objective, majorised, newton = _evaluate(candidates, use, x)
        lower = objective <= lowest * (1.0 + 1e-15)
        short = (newton * newton).sum(0) <= STEP_M2
        take = lower | short
        wild = (newton * newton).sum(0) > WILD * (majorised * majorised).sum(0)
        newton = torch.where(wild, majorised, newton)
        lowest = torch.where(lower, objective, lowest)
        base = torch.where(take, x, base)
        weiszfeld = torch.where(take, majorised, weiszfeld)
        step = 0.25 * step
        tiny = (step * step).sum(0) < (weiszfeld * weiszfeld).sum(0)
        step = torch.where(take, newton, torch.where(tiny, weiszfeld, step))
        x = torch.where(moving, base + step, x)
        moving = moving & ~short
        if x.is_cuda and count % PASSES_PER_QUESTION != PASSES_PER_QUESTION - 1:
            continue
        rest = moving.nonzero().squeeze(1)
        if 4 * len(rest) < 3 * len(index):
            found[:, index] = x
            index, candidates, use = index[rest], candidates[:, :, rest], use[:, rest]
            x, base, weiszfeld, step = (v[:, rest] for v in (x, base, weiszfeld, step))
            lowest, moving = lowest[rest], moving[rest]
        if not len(rest):
            break
    found[:, index] = x
    return found


def log_view_weights(
    squares: torch.Tensor, usable: torch.Tensor, others: torch.Tensor, sigma_m: float
) -> torch.Tensor:
    """Logarithm (C, n) of w_c from squared distances (P, n); -inf without a usable pair."""
    ladder = torch.where(usable, squares, math.inf)[others].sort(1).values
    count = usable[others].sum(1, keepdim=True)
    low = ladder.gather(1, (count - 1).clamp_min(0) // 2)
    high = ladder.gather(1, count // 2 if ladder.shape[1] > 1 else count * 0)
    a, b = -low / sigma_m**2, -high / sigma_m**2
    mean = a + torch.log(0.5 + 0.5 * torch.exp(torch.where(high > low, b - a, 0.0)))
    return torch.where(count > 0, mean, -math.inf).squeeze(1)


def row_factors_squared(log_weights: torch.Tensor, row_exponent: float) -> torch.Tensor:
    """ω (C, n) = w^(2 · row_exponent), up to the factor that makes the strongest view's 1."""
    if len(log_weights) < 2:
        return (log_weights > -math.inf).to(log_weights.dtype)
    first, second = log_weights.topk(2, dim=0).values
    second = torch.where(second > -math.inf, second, first)
    second = torch.where(second > -math.inf, second, 0.0)
    first = torch.where(first > -math.inf, first, 0.0)
    top = ((first - second) * row_exponent).clamp_max(STRONGEST)
    x = torch.minimum((log_weights - second) * row_exponent, top)
    return torch.exp(2.0 * (x - top).clamp_min(-350.0)) * (log_weights > -math.inf)
