"""The tensor side of `core.geometry.triangulation`: differentiable, on any device.

Arguments have been checked by the face. Weights, centre, WSS and selection are constants of the
step: on a CPU the compiled kernel computes them (one thread, no graph), elsewhere `eager` does, in
chunks that bound the memory. The gradient flows through the final weighted DLT alone, backward by
the implicit function theorem, never by unrolling or through an SVD: from the points' derivative to
pixels and given weights in one 3x3 solve per joint. All of it in float64 whatever comes in.

Trap: projections receive no gradient.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.geometry.method import (
    CONSENSUS_SCALES,
    PARALLEL,
    PARALLEL_WEIGHTED,
    SCALE_FACTOR,
    SCALE_RANGE_MM,
    SCALE_UNKNOWN_MM,
    SUPPORT_WEIGHT,
)
from core.geometry.networks import view_tables
from core.geometry.torch_consensus import (
    Views,
    find_consensus,
    huber_weights,
    least_quantile,
)
from core.geometry.torch_forms import (
    IMAGE_SCALE,
    Gauge,
    adjugate,
    apply_symmetric,
    make_forms,
    make_gauge,
    make_rows,
    project_rows,
    solve_forms,
    solve_weighted,
)
from core.geometry.torch_median import find_median, log_view_weights, row_factors_squared
from core.geometry.triangulation import LeaveOneOut, RobustTriangulation

if TYPE_CHECKING:
    from core.geometry.triangulation import Options

# Numbers per chunk in the largest intermediate (pairs x joints, or pairs x views x joints).
CHUNK_CPU = 1 << 15
CHUNK_CUDA = 1 << 25


@dataclass(frozen=True, slots=True)
class Inputs:
    """One call's data with joints on the last axis, n = B · J.

    Attributes:
        uv: (C, 2, n) float64, thousands of pixels, 0 where not seen; carries the gradient.
        seen: (C, n) bool.
        gauge: the cameras.
        lead: the caller's leading shape.
        num_joints: J.
    """

    uv: torch.Tensor
    seen: torch.Tensor
    gauge: Gauge
    lead: tuple[int, ...]
    num_joints: int

    def joints_last(self, values: torch.Tensor) -> torch.Tensor:
        """(..., C, J) to (C, n)."""
        return values.reshape(-1, *values.shape[-2:]).transpose(0, 1).reshape(len(self.seen), -1)

    def per_joint(self, values: torch.Tensor) -> torch.Tensor:
        """(n,) to (..., J)."""
        return values.reshape(*self.lead, self.num_joints)

    def per_view(self, values: torch.Tensor) -> torch.Tensor:
        """(C, n) to (..., C, J)."""
        batched = values.reshape(len(values), -1, self.num_joints).transpose(0, 1)
        return batched.reshape(*self.lead, len(values), self.num_joints)

    def points(self, points: torch.Tensor) -> torch.Tensor:
        """(3, n) metres to (..., J, 3) millimetres."""
        world = 1e3 * points + self.gauge.center_mm
        return world.T.reshape(*self.lead, self.num_joints, 3)

    def candidates(self, points: torch.Tensor) -> torch.Tensor:
        """(3, P, n) metres to (..., P, J, 3) millimetres."""
        world = 1e3 * points + self.gauge.center_mm[:, None]
        num_pairs = points.shape[1]
        batch = world.shape[2] // self.num_joints
        world = world.reshape(3, num_pairs, batch, self.num_joints).permute(2, 1, 3, 0)
        return world.reshape(*self.lead, num_pairs, self.num_joints, 3)


def _inputs(
    points_px: torch.Tensor, projections: torch.Tensor, observed: torch.Tensor | None
) -> Inputs:
    num_views, num_joints = points_px.shape[-3:-1]
    pixels = points_px.reshape(-1, num_views, num_joints, 2).double()
    seen = pixels.detach().isfinite().all(-1)
    if observed is not None:
        seen = seen & observed.reshape(seen.shape).bool()
    pixels = torch.where(seen[..., None], pixels, 0.0) * IMAGE_SCALE
    uv = pixels.permute(1, 3, 0, 2).reshape(num_views, 2, -1)
    matrices = projections.reshape(-1, num_views, 3, 4).to(points_px.device)
    return Inputs(
        uv=uv,
        seen=seen.transpose(0, 1).reshape(num_views, -1),
        gauge=make_gauge(matrices, num_joints),
        lead=tuple(points_px.shape[:-3]),
        num_joints=num_joints,
    )


class _AttachGradient(torch.autograd.Function):
    """Hand a solved point on as a function of the image points and of ω (Eq. 6, implicitly).

    With x = (X, 1), rows m, e of residual r = m·X + e, N = Σ ω m mᵀ and λ = Σ ω r² / |x|², the
    point satisfies Σ ω m r = λ X; differentiating gives the formulas of `backward`.
    """

    @staticmethod
    def forward(ctx: Any, *tensors: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
        """`tensors` are uv (C, 2, n), omega (C, n), points (3, n) metres, seen, cameras."""
        ctx.save_for_backward(*tensors)
        return tensors[2].clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride] (the decorator's signature)
        ctx: Any,  # noqa: ANN401
        *grad_outputs: torch.Tensor,
    ) -> tuple[torch.Tensor | None, ...]:
        """Degenerate joints (NaN) give zero, and touch no other joint."""
        (gradient,) = grad_outputs
        uv, omega, points, seen, cameras = ctx.saved_tensors
        good = points.isfinite().all(0)
        X = torch.where(good, points, 0.0)
        g = torch.where(good, gradient, 0.0)
        rows = make_rows(uv, seen, cameras)
        r = project_rows(rows, X)
        depth = project_rows(cameras[:, 2:3], X)
        scale = 1.0 / (1.0 + (X * X).sum(0))
        root = (omega[:, None] * r * r).sum((0, 1)) * scale
        n = (make_forms(rows)[:6] * omega).sum(1)
        n = torch.stack([n[0] - root, n[1], n[2], n[3] - root, n[4], n[5] - root])
        adj = adjugate(n)
        det = n[0] * adj[0] + n[1] * adj[1] + n[2] * adj[2]
        solvable = good & (det > 0)
        s = apply_symmetric(adj, g) * torch.where(
            solvable, 1.0 / torch.where(solvable, det, 1.0), 0.0
        )
        kappa = (s * X).sum(0) * scale
        along = rows[:, :, 0] * s[0] + rows[:, :, 1] * s[1] + rows[:, :, 2] * s[2]
        third = cameras[:, 2:3, 0] * s[0] + cameras[:, 2:3, 1] * s[1] + cameras[:, 2:3, 2] * s[2]
        to_uv = to_omega = None
        if ctx.needs_input_grad[0]:
            to_uv = (2.0 * kappa * depth - third) * r - along * depth
            to_uv = to_uv * (omega * seen)[:, None]
        if ctx.needs_input_grad[1]:
            to_omega = ((kappa * r - along) * r).sum(1)
        return to_uv, to_omega, None, None, None


def _attach(
    inputs: Inputs, given: torch.Tensor | None, power: float, omega: torch.Tensor, X: torch.Tensor
) -> torch.Tensor:
    """X (3, n) with a gradient to the image points and, where ω came of it, to `given` (C, n)."""
    if given is not None and given.requires_grad:
        # ω keeps its value; its relative change is that of w to the power.
        positive = given.detach() > 0
        ratio = torch.where(positive, given, 1.0) / torch.where(positive, given.detach(), 1.0)
        omega = omega * ratio**power
    return _AttachGradient.apply(inputs.uv, omega, X, inputs.seen, inputs.gauge.cameras)


def _finish(
    views: Views,
    inputs: Inputs,
    omega: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The final DLT (3, n), and whether it is no degenerate one."""
    points, share = solve_weighted(views.rows, views.forms, omega)
    front = ((views.depths(points) > 0) & views.seen).sum(0)
    good = (share > PARALLEL_WEIGHTED) & (front >= 2)
    return torch.where(good, points, math.nan), good


@dataclass(frozen=True, slots=True)
class Solved:
    """What `eager` finds, joints last, metres in the gauge."""

    points: torch.Tensor
    omega: torch.Tensor
    weights: torch.Tensor
    wss_m: torch.Tensor
    kept: torch.Tensor
    centers: torch.Tensor
    candidates: torch.Tensor


def _views(inputs: Inputs, part: slice) -> Views:
    def pick(values: torch.Tensor) -> torch.Tensor:
        return values[..., part] if values.shape[-1] > 1 else values

    cameras = pick(inputs.gauge.cameras)
    rows = make_rows(inputs.uv[..., part], inputs.seen[..., part], cameras)
    return Views(
        rows, make_forms(rows), inputs.seen[..., part], cameras, pick(inputs.gauge.inverse_focal)
    )


def _solve_pairs(views: Views) -> tuple[torch.Tensor, torch.Tensor]:
    """Candidates (3, P, n), zero where not usable, and usable (P, n)."""
    pairs = torch.from_numpy(view_tables(len(views.seen)).pairs.copy()).to(views.seen.device)
    forms = views.forms[:, pairs[:, 0]] + views.forms[:, pairs[:, 1]]
    candidates, crosses = solve_forms(forms, PARALLEL)
    usable = crosses & views.seen[pairs[:, 0]] & views.seen[pairs[:, 1]]
    return torch.where(usable, candidates, 0.0), usable


def _log(weights: torch.Tensor) -> torch.Tensor:
    return torch.where(weights > 0, weights.clamp_min(0).log(), -math.inf)


def _selected(wss_mm: torch.Tensor, weights: torch.Tensor, options: Options) -> torch.Tensor:
    """Which joints (n,) the discard rule leaves, from (n,) and (C, n)."""
    if options.rule == "wss":
        return ~(wss_mm > options.wss_threshold_mm)
    if options.rule == "support":
        return (weights > SUPPORT_WEIGHT).sum(0) >= options.min_views
    return torch.ones_like(wss_mm, dtype=torch.bool)


def _solve_chunk(
    inputs: Inputs, given: torch.Tensor | None, options: Options, part: slice
) -> Solved:
    views = _views(inputs, part)
    candidates, usable = _solve_pairs(views)
    centers = find_median(candidates, usable)
    squares = ((candidates - centers[:, None]) ** 2).sum(0)
    wss_m = ((squares * usable).sum(0) / usable.sum(0)).sqrt()
    if options.weighting == "pairwise":
        others = torch.from_numpy(view_tables(len(views.seen)).others.copy())
        log_weights = log_view_weights(
            squares, usable, others.to(usable.device), options.sigma_mm * 1e-3
        )
        weights = log_weights.exp()
    else:
        if options.weighting == "consensus":
            tau_m = CONSENSUS_SCALES * options.scale_mm * 1e-3
            weights = find_consensus(views, candidates, usable, tau_m)
        elif given is not None:
            weights = given[:, part] * views.seen
        else:
            weights = views.seen.to(squares.dtype)
        log_weights = _log(weights)
    kept = _selected(1e3 * wss_m, weights, options)
    omega = row_factors_squared(log_weights, options.row_exponent)
    if options.rule != "none":
        if options.weighting == "consensus":
            other = huber_weights(views, options.scale_mm * 1e-3)
        else:
            other = views.seen.to(omega.dtype)
        omega = torch.where(kept, omega, other)
    points, good = _finish(views, inputs, omega)
    good = good & usable.any(0)
    return Solved(
        points=torch.where(good, points, math.nan),
        omega=omega,
        weights=weights,
        wss_m=wss_m,
        kept=kept & good & (views.seen.sum(0) >= options.min_views),
        centers=torch.where(usable.any(0), centers, math.nan),
        candidates=torch.where(usable, candidates, math.nan),
    )


def _chunks(inputs: Inputs, per_joint: int) -> list[slice]:
    budget = CHUNK_CUDA if inputs.uv.is_cuda else CHUNK_CPU
    size = max(1, budget // max(1, per_joint))
    num = inputs.seen.shape[1]
    return [slice(start, start + size) for start in range(0, num, size)] or [slice(0, 0)]


def _no_pairs(inputs: Inputs, given: torch.Tensor | None, options: Options) -> Solved:
    """The answer of a single view."""
    alone = float(options.weighting == "none") if given is None else given
    weights = torch.zeros_like(inputs.uv[:, 0]) + inputs.seen * alone
    nowhere = torch.full_like(inputs.uv[0, :1], math.nan).expand(3, -1)
    kept, candidates = torch.zeros_like(inputs.seen[0]), nowhere[:, None][:, :0]
    return Solved(nowhere, 0.0 * weights, weights, nowhere[0], kept, nowhere, candidates)


@torch.no_grad()
def eager(inputs: Inputs, given: torch.Tensor | None, options: Options) -> Solved:
    """METHOD, sections 1 and 2, in torch operations: the path of a GPU."""
    num_views = len(inputs.seen)
    if num_views < 2:
        return _no_pairs(inputs, given, options)
    per_joint = num_views * (num_views - 1) // 2
    if options.weighting == "consensus":
        per_joint *= num_views
    parts = [_solve_chunk(inputs, given, options, part) for part in _chunks(inputs, per_joint)]
    return Solved(
        *(torch.cat([getattr(part, name) for part in parts], dim=-1) for name in Solved.__slots__)
    )


def robust_eager(
    points_px: torch.Tensor,
    projections: torch.Tensor,
    observed: torch.Tensor | None,
    given: torch.Tensor | None,
    options: Options,
) -> RobustTriangulation[torch.Tensor]:
    """`robust_triangulate` by torch operations alone."""
    inputs = _inputs(points_px, projections, observed)
    factors = None if given is None else inputs.joints_last(given.double())
    solved = eager(inputs, None if factors is None else factors.detach(), options)
    if factors is not None:
        # A discarded joint's factors are equal, and no function of the given ones.
        selected = _selected(1e3 * solved.wss_m, solved.weights, options)
        factors = torch.where(selected, factors, 1.0)
    points = _attach(inputs, factors, 2.0 * options.row_exponent, solved.omega, solved.points)
    real = points_px.dtype
    pairs = view_tables(len(inputs.seen)).pairs.copy()
    return RobustTriangulation(
        points_mm=inputs.points(points).to(real),
        weights=inputs.per_view(solved.weights).to(real),
        wss_mm=inputs.per_joint(1e3 * solved.wss_m).to(real),
        kept=inputs.per_joint(solved.kept),
        centers_mm=inputs.points(solved.centers).to(real),
        candidates_mm=inputs.candidates(solved.candidates).to(real),
        pairs=torch.from_numpy(pairs).to(points_px.device),
    )


def _robust_compiled(
    points_px: torch.Tensor,
    projections: torch.Tensor,
    observed: torch.Tensor | None,
    given: torch.Tensor | None,
    options: Options,
) -> RobustTriangulation[torch.Tensor]:
    """`robust_triangulate` of CPU tensors: constants from the kernel, gradient as everywhere."""
    from core.geometry import numpy_triangulation

    num_views, num_joints = points_px.shape[-3:-1]
    lead, real = points_px.shape[:-3], points_px.dtype
    pixels = points_px.detach().double().contiguous().reshape(-1, num_views, num_joints, 2)
    batch = len(pixels)
    if observed is None:
        mask = np.ones((batch, num_views, num_joints), dtype=np.bool_)
    else:
        mask = observed.bool().contiguous().reshape(batch, num_views, num_joints).numpy()
    matrices = projections.detach().double().contiguous().reshape(-1, num_views, 3, 4)
    factors = None
    if given is not None:
        factors = given.detach().double().contiguous().reshape(mask.shape).numpy()
    answer = numpy_triangulation.solve(pixels.numpy(), mask, matrices.numpy(), factors, options)
    solved = {name: torch.from_numpy(value) for name, value in answer._asdict().items()}
    points_mm = solved["points_mm"]
    if points_px.requires_grad or (given is not None and given.requires_grad):
        inputs = _inputs(points_px, projections, observed)
        weights = None if given is None else inputs.joints_last(given.double())
        if weights is not None:
            reported = inputs.joints_last(solved["weights"])
            selected = _selected(solved["wss_mm"].reshape(-1), reported, options)
            weights = torch.where(selected, weights, 1.0)
        X = (points_mm.reshape(-1, 3).T - inputs.gauge.center_mm) * 1e-3
        omega = inputs.joints_last(solved["omega"])
        points_mm = inputs.points(_attach(inputs, weights, 2.0 * options.row_exponent, omega, X))
    return RobustTriangulation(
        points_mm=points_mm.reshape(*lead, num_joints, 3).to(real),
        weights=solved["weights"].reshape(*lead, num_views, num_joints).to(real),
        wss_mm=solved["wss_mm"].reshape(*lead, num_joints).to(real),
        kept=solved["kept"].reshape(*lead, num_joints),
        centers_mm=solved["centers_mm"].reshape(*lead, num_joints, 3).to(real),
        candidates_mm=solved["candidates_mm"].reshape(*lead, -1, num_joints, 3).to(real),
        pairs=torch.from_numpy(view_tables(num_views).pairs.copy()),
    )


def robust(
    points_px: torch.Tensor,
    projections: torch.Tensor,
    observed: torch.Tensor | None,
    given: torch.Tensor | None,
    options: Options,
) -> RobustTriangulation[torch.Tensor]:
    """`robust_triangulate` on tensors."""
    path = _robust_compiled if points_px.device.type == "cpu" else robust_eager
    return path(points_px, projections.to(points_px.device), observed, given, options)


@torch.no_grad()
def estimate_scale(
    points_px: torch.Tensor, projections: torch.Tensor, observed: torch.Tensor | None
) -> float:
    """`estimate_scale_mm` on tensors."""
    inputs = _inputs(points_px, projections, observed)
    num_views = len(inputs.seen)
    if num_views < 3:
        return SCALE_UNKNOWN_MM
    found: list[torch.Tensor] = []
    for part in _chunks(inputs, num_views * num_views * (num_views - 1) // 2):
        views = _views(inputs, part)
        found.append(least_quantile(views, *_solve_pairs(views)))
    scales = torch.cat(found)
    known = scales[scales.isfinite()]
    if not known.numel():
        return SCALE_UNKNOWN_MM
    low, high = SCALE_RANGE_MM
    # The mean of the two middle values, as numpy's median.
    middle = float(known.quantile(0.5)) if known.numel() < 1 << 24 else float(known.median())
    return min(max(SCALE_FACTOR * 1e3 * middle, low), high)


def _weighted(inputs: Inputs, factors: torch.Tensor) -> torch.Tensor:
    """The DLT answer (3, n) with a gradient to image points and row factors (C, n)."""
    with torch.no_grad():
        log_weights = _log(factors.detach() * inputs.seen)
        omega = row_factors_squared(log_weights, 1.0)
        views = _views(inputs, slice(None))
        points, _ = _finish(views, inputs, omega)
    return _attach(inputs, factors, 2.0, omega, points)


def _factors(inputs: Inputs, weights: torch.Tensor | None) -> torch.Tensor:
    if weights is None:
        return torch.ones_like(inputs.uv[:, 0].detach())
    return inputs.joints_last(weights.double())


def weighted(
    points_px: torch.Tensor,
    projections: torch.Tensor,
    observed: torch.Tensor | None,
    weights: torch.Tensor | None,
) -> torch.Tensor:
    """`triangulate` on tensors."""
    inputs = _inputs(points_px, projections, observed)
    return inputs.points(_weighted(inputs, _factors(inputs, weights))).to(points_px.dtype)


def leave_one_out(
    points_px: torch.Tensor,
    projections: torch.Tensor,
    observed: torch.Tensor | None,
    weights: torch.Tensor | None,
) -> LeaveOneOut[torch.Tensor]:
    """`leave_one_out` on tensors; points and residuals carry a gradient."""
    inputs = _inputs(points_px, projections, observed)
    factors = _factors(inputs, weights)
    points_mm: list[torch.Tensor] = []
    residuals: list[torch.Tensor] = []
    for c in range(len(factors)):
        others = torch.arange(len(factors), device=factors.device)[:, None] != c
        X = _weighted(inputs, torch.where(others, factors, 0.0))
        # NaN is put aside before any arithmetic, lest its gradient reach the pixels.
        q = project_rows(inputs.gauge.cameras[c : c + 1], torch.where(X.isfinite(), X, 0.0))[0]
        ahead = (q[2] > 0) & inputs.seen[c] & X.isfinite().all(0)
        seen = q[:2] / torch.where(ahead, q[2], 1.0)
        distance = torch.linalg.vector_norm((inputs.uv[c] - seen) / IMAGE_SCALE, dim=0)
        residuals.append(torch.where(ahead, distance, math.nan))
        points_mm.append(inputs.points(X))
    return LeaveOneOut(
        points_mm=torch.stack(points_mm, dim=-3).to(points_px.dtype),
        residuals_px=inputs.per_view(torch.stack(residuals)).to(points_px.dtype),
    )


def covariance(
    points_mm: torch.Tensor,
    projections: torch.Tensor,
    observed: torch.Tensor | None,
    weights: torch.Tensor | None,
    noise_px: float,
) -> torch.Tensor:
    """`point_covariance_mm2` on tensors, a constant of the step."""
    from core.geometry import numpy_triangulation

    def array(values: torch.Tensor | None) -> Any:  # noqa: ANN401
        return None if values is None else values.detach().cpu().numpy()

    answer = numpy_triangulation.covariance(
        array(points_mm), array(projections), array(observed), array(weights), noise_px
    )
    return torch.from_numpy(answer).to(points_mm.device)
