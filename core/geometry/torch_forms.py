"""Normal forms of DLT rows as tensors: the arithmetic of `kernel_lanes`, component axis first.

Everything is float64; joints are the last axis (n), so each operation is one long run. The gauge
is METHOD's. A symmetric 3x3 matrix is stored as 00 01 02 11 12 22.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from core.geometry.method import DETERMINANT_FLOOR, HALLEY_STEPS

# Image points are thousands of pixels here, as in the kernel.
IMAGE_SCALE = 1e-3

_ROW = (0, 0, 0, 1, 1, 2, 0, 1, 2, 3)
_COLUMN = (0, 1, 2, 1, 2, 2, 3, 3, 3, 3)
_COLUMNS_OF_SYMMETRIC = ((0, 1, 2), (1, 3, 4), (2, 4, 5))


@dataclass(frozen=True, slots=True)
class Gauge:
    """Cameras in the gauge.

    Attributes:
        cameras: (C, 3, 4, 1 or n) metres to (thousands of pixels, thousands of pixels, 1) · depth.
        center_mm: (3, 1 or n) the mean camera centre.
        inverse_focal: (C, 1 or n): metres at the joint are rows times this.
    """

    cameras: torch.Tensor
    center_mm: torch.Tensor
    inverse_focal: torch.Tensor


@torch.no_grad()
def make_gauge(projections: torch.Tensor, num_joints: int) -> Gauge:
    """The gauge of (G, C, 3, 4) px_from_world; G > 1 is repeated for each of J joints."""
    P = projections.detach().double()
    M, p = P[..., :3], P[..., 3]
    det = torch.linalg.det(M)
    center = -torch.linalg.solve(M, p).mean(-2)
    norm = torch.linalg.vector_norm(M[..., 2, :], dim=-1)
    inverse_focal = (norm**3 / det.abs()).sqrt() / IMAGE_SCALE
    shift = (M @ center[:, None, :, None]).squeeze(-1) + p
    scale = torch.tensor([IMAGE_SCALE, IMAGE_SCALE, 1.0], dtype=P.dtype, device=P.device)
    factor = (det.sign() / norm)[..., None] * scale
    cameras = torch.cat([M * factor[..., None], (shift * factor * 1e-3)[..., None]], dim=-1)
    repeat = num_joints if len(P) > 1 else 1
    return Gauge(
        cameras.movedim(0, -1).repeat_interleave(repeat, -1),
        center.T.repeat_interleave(repeat, -1),
        inverse_focal.T.repeat_interleave(repeat, -1),
    )


def make_rows(uv: torch.Tensor, seen: torch.Tensor, cameras: torch.Tensor) -> torch.Tensor:
    """DLT rows (C, 2, 4, n) from image points (C, 2, n); zero where nothing was observed."""
    return (uv[:, :, None] * cameras[:, None, 2] - cameras[:, :2]) * seen[:, None, None]


def make_forms(rows: torch.Tensor) -> torch.Tensor:
    """Normal forms (10, C, n): Σ m mᵀ, Σ m e, Σ e² of each view; they add up over views."""
    forms = [(rows[:, :, a] * rows[:, :, b]).sum(1) for a, b in zip(_ROW, _COLUMN, strict=True)]
    return torch.stack(forms)


def apply_symmetric(matrix: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
    """(6, ...) times (3, ...)."""
    m, v = matrix, vector
    return torch.stack(
        [m[i] * v[0] + m[j] * v[1] + m[k] * v[2] for i, j, k in _COLUMNS_OF_SYMMETRIC]
    )


def adjugate(n: torch.Tensor) -> torch.Tensor:
    """Adjugate (6, ...) of a symmetric matrix (6, ...)."""
    return torch.stack(
        [
            n[3] * n[5] - n[4] * n[4],
            n[2] * n[4] - n[1] * n[5],
            n[1] * n[4] - n[2] * n[3],
            n[0] * n[5] - n[2] * n[2],
            n[1] * n[2] - n[0] * n[4],
            n[0] * n[3] - n[1] * n[1],
        ]
    )


def _halley(c0: torch.Tensor, c1: torch.Tensor, c2: torch.Tensor, c3: torch.Tensor) -> torch.Tensor:
    """The smallest root of x⁴ + c3 x³ + c2 x² + c1 x + c0, all of whose roots are real."""
    x = torch.zeros_like(c0)
    for _ in range(HALLEY_STEPS):
        p = (((x + c3) * x + c2) * x + c1) * x + c0
        p1 = ((4.0 * x + 3.0 * c3) * x + 2.0 * c2) * x + c1
        p2 = (6.0 * x + 3.0 * c3) * x + c2
        x = x - p * p1 / (p1 * p1 - p * p2 + 1e-300)
    return x


def solve_forms(forms: torch.Tensor, parallel: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The DLT answer (3, ...) of forms (10, ...), and whether its rays cross (bool).

    As `kernel_lanes.homogeneous_point`.
    """
    n, g, rho = forms[:6], forms[6:9], forms[9]
    adj = adjugate(n)
    e1 = n[0] + n[3] + n[5]
    e2 = adj[0] + adj[3] + adj[5]
    e3 = n[0] * adj[0] + n[1] * adj[1] + n[2] * adj[2]
    a = apply_symmetric(adj, g)
    b = e1 * g - apply_symmetric(n, g)
    c0 = rho * e3 - (g * a).sum(0)
    c1 = (g * b).sum(0) - rho * e2 - e3
    c2 = rho * e1 + e2 - (g * g).sum(0)
    c3 = -rho - e1
    root = _halley(c0, c1, c2, c3)
    cube = e1**3
    det = ((e1 - root) * root - e2) * root + e3
    det = torch.maximum(det, 1e-300 + DETERMINANT_FLOOR * cube)
    return ((b - g * root) * root - a) / det, e3 > parallel * cube


def _shifted_solve(
    n: torch.Tensor, shift: torch.Tensor | float, g: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """(N − shift · I)⁻¹ g, and det / trace³ of N − shift · I."""
    n = torch.stack([n[0] - shift, n[1], n[2], n[3] - shift, n[4], n[5] - shift])
    adj = adjugate(n)
    det = n[0] * adj[0] + n[1] * adj[1] + n[2] * adj[2]
    cube = (n[0] + n[3] + n[5]) ** 3 + 1e-300
    share = det / cube
    safe = torch.where(share > DETERMINANT_FLOOR, det, DETERMINANT_FLOOR * cube)
    return apply_symmetric(adj, g) / safe, share


def residual_sums(
    rows: torch.Tensor, omega: torch.Tensor, points: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Σ ω m r (3, n) and Σ ω r² (n,) at points (3, n)."""
    r = project_rows(rows, points)
    weighted = r * omega[:, None]
    g = torch.stack([(weighted * rows[:, :, i]).sum((0, 1)) for i in range(3)])
    return g, (weighted * r).sum((0, 1))


def _smallest_root(
    n: torch.Tensor, g: torch.Tensor, rho: torch.Tensor, x: torch.Tensor
) -> torch.Tensor:
    """λ, the smallest root of det([N g; gᵀ ρ] − λ [I X; Xᵀ 1 + |X|²]) with g and ρ about X."""
    adj = adjugate(n)
    e1, e2 = n[0] + n[3] + n[5], adj[0] + adj[3] + adj[5]
    e3 = n[0] * adj[0] + n[1] * adj[1] + n[2] * adj[2]
    ag, ax = apply_symmetric(adj, g), apply_symmetric(adj, x)
    bg, bx = e1 * g - apply_symmetric(n, g), e1 * x - apply_symmetric(n, x)
    size = 1.0 + (x * x).sum(0)
    c0 = rho * e3 - (g * ag).sum(0)
    c1 = 2.0 * (x * ag).sum(0) + (g * bg).sum(0) - rho * e2 - e3 * size
    c2 = rho * e1 + e2 * size - (x * ax).sum(0) - 2.0 * (x * bg).sum(0) - (g * g).sum(0)
    c3 = (x * bx).sum(0) + 2.0 * (g * x).sum(0) - rho - e1 * size
    return _halley(c0, c1, c2, c3)


def solve_weighted(
    rows: torch.Tensor, forms: torch.Tensor, omega: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The DLT answer (3, n) with views weighted by ω (C, n), and det / trace³ of its N.

    By the steps of `kernel_solve`, exact however unequal the weights.
    """
    total = (forms * omega).sum(1)
    n = total[:6]
    step, share = _shifted_solve(n, 0.0, total[6:9])
    x = -step
    x = x - _shifted_solve(n, 0.0, residual_sums(rows, omega, x)[0])[0]
    g, rho = residual_sums(rows, omega, x)
    root = _smallest_root(n, g, rho, x)
    x = x - _shifted_solve(n, root, g - root * x)[0]
    g, rho = residual_sums(rows, omega, x)
    root = rho / (1.0 + (x * x).sum(0))
    return x - _shifted_solve(n, root, g - root * x)[0], share


def gauss_newton_step(
    rows: torch.Tensor, forms: torch.Tensor, omega: torch.Tensor, points: torch.Tensor
) -> torch.Tensor:
    """One step of weighted least squares of the rows from points (3, n)."""
    n = (forms[:6] * omega).sum(1)
    return points - _shifted_solve(n, 0.0, residual_sums(rows, omega, points)[0])[0]


def project_rows(rows: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Rows (C, R, 4, n) times points (3, ..., n): (C, R, ..., n)."""
    shape = (*rows.shape[:2], *(1,) * (points.ndim - 2), rows.shape[-1])
    x = [rows[:, :, i].reshape(shape) for i in range(4)]
    return x[0] * points[0] + x[1] * points[1] + x[2] * points[2] + x[3]
