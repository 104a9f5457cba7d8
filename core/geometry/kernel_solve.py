"""The weighted DLT in lanes, exact however unequal the weights (see `kernel_lanes` for the layout).

One view e^9 stronger than the next leaves a normal matrix of condition 1e9 and more: solved about
the gauge's origin, its quartic has no right digit left. So the answer is approached: the affine
solution, refined by residuals taken from the rows; about it the homogeneous offset by Halley's
steps; and a Newton step on the eigenvector, again from residuals.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from core.geometry.kernel_lanes import (
    FAST,
    FORM_SLOTS,
    INLINED,
    LANES,
    ROW_SLOTS,
    halley,
    sum_forms,
)
from core.geometry.method import DETERMINANT_FLOOR


@njit(**FAST)
def residual_sums(
    rows: np.ndarray, omega: np.ndarray, points: np.ndarray, total: np.ndarray
) -> None:
    """Overwrite g and ρ of a summed form by those about `points`: Σ ω m r and Σ ω r²."""
    sums = total[6 * LANES : 10 * LANES]
    sums[:] = 0.0
    for c in range(len(omega) // LANES):
        row = rows[c * ROW_SLOTS * LANES : (c + 1) * ROW_SLOTS * LANES]
        weight = omega[c * LANES : (c + 1) * LANES]
        for k in range(LANES):
            x, y, z = points[k], points[LANES + k], points[2 * LANES + k]
            a0, a1, a2 = row[k], row[LANES + k], row[2 * LANES + k]
            b0, b1, b2 = row[4 * LANES + k], row[5 * LANES + k], row[6 * LANES + k]
            ra = a0 * x + a1 * y + a2 * z + row[3 * LANES + k]
            rb = b0 * x + b1 * y + b2 * z + row[7 * LANES + k]
            wa, wb = weight[k] * ra, weight[k] * rb
            sums[k] += wa * a0 + wb * b0
            sums[LANES + k] += wa * a1 + wb * b1
            sums[2 * LANES + k] += wa * a2 + wb * b2
            sums[3 * LANES + k] += wa * ra + wb * rb


@njit(**INLINED)
def _shifted_solve(
    total: np.ndarray, k: int, shift: float, g0: float, g1: float, g2: float
) -> tuple[float, float, float, float]:
    """(N − shift · I)⁻¹ g, and det / trace³ of N − shift · I."""
    n00, n01, n02 = total[k] - shift, total[LANES + k], total[2 * LANES + k]
    n11, n12, n22 = total[3 * LANES + k] - shift, total[4 * LANES + k], total[5 * LANES + k] - shift
    a00, a01, a02 = n11 * n22 - n12 * n12, n02 * n12 - n01 * n22, n01 * n12 - n02 * n11
    a11, a12, a22 = n00 * n22 - n02 * n02, n01 * n02 - n00 * n12, n00 * n11 - n01 * n01
    det = n00 * a00 + n01 * a01 + n02 * a02
    trace = n00 + n11 + n22
    cube = trace * trace * trace + 1e-300
    share = det / cube
    inverse = 1.0 / (det if share > DETERMINANT_FLOOR else DETERMINANT_FLOOR * cube)
    return (
        (a00 * g0 + a01 * g1 + a02 * g2) * inverse,
        (a01 * g0 + a11 * g1 + a12 * g2) * inverse,
        (a02 * g0 + a12 * g1 + a22 * g2) * inverse,
        share,
    )


@njit(**FAST)
def _affine_step(total: np.ndarray, points: np.ndarray) -> None:
    for k in range(LANES):
        g0, g1, g2 = total[6 * LANES + k], total[7 * LANES + k], total[8 * LANES + k]
        d0, d1, d2, _ = _shifted_solve(total, k, 0.0, g0, g1, g2)
        points[k] -= d0
        points[LANES + k] -= d1
        points[2 * LANES + k] -= d2


@njit(**INLINED)
def _smallest_root(total: np.ndarray, points: np.ndarray, k: int) -> float:
    """λ, the smallest root of det([N g; gᵀ ρ] − λ [I X; Xᵀ 1 + |X|²]) with g and ρ about X."""
    n00, n01, n02 = total[k], total[LANES + k], total[2 * LANES + k]
    n11, n12, n22 = total[3 * LANES + k], total[4 * LANES + k], total[5 * LANES + k]
    g0, g1, g2 = total[6 * LANES + k], total[7 * LANES + k], total[8 * LANES + k]
    rho = total[9 * LANES + k]
    x0, x1, x2 = points[k], points[LANES + k], points[2 * LANES + k]
    a00, a01, a02 = n11 * n22 - n12 * n12, n02 * n12 - n01 * n22, n01 * n12 - n02 * n11
    a11, a12, a22 = n00 * n22 - n02 * n02, n01 * n02 - n00 * n12, n00 * n11 - n01 * n01
    e1, e2 = n00 + n11 + n22, a00 + a11 + a22
    e3 = n00 * a00 + n01 * a01 + n02 * a02
    # adj(N) g, adj(N) X, (trace I − N) g, (trace I − N) X
    ag0 = a00 * g0 + a01 * g1 + a02 * g2
    ag1 = a01 * g0 + a11 * g1 + a12 * g2
    ag2 = a02 * g0 + a12 * g1 + a22 * g2
    ax0 = a00 * x0 + a01 * x1 + a02 * x2
    ax1 = a01 * x0 + a11 * x1 + a12 * x2
    ax2 = a02 * x0 + a12 * x1 + a22 * x2
    bg0 = (n11 + n22) * g0 - n01 * g1 - n02 * g2
    bg1 = (n00 + n22) * g1 - n01 * g0 - n12 * g2
    bg2 = (n00 + n11) * g2 - n02 * g0 - n12 * g1
    bx0 = (n11 + n22) * x0 - n01 * x1 - n02 * x2
    bx1 = (n00 + n22) * x1 - n01 * x0 - n12 * x2
    bx2 = (n00 + n11) * x2 - n02 * x0 - n12 * x1
    size = 1.0 + x0 * x0 + x1 * x1 + x2 * x2
    gg = g0 * g0 + g1 * g1 + g2 * g2
    gx = g0 * x0 + g1 * x1 + g2 * x2
    c0 = rho * e3 - (g0 * ag0 + g1 * ag1 + g2 * ag2)
    c1 = 2.0 * (x0 * ag0 + x1 * ag1 + x2 * ag2) + (g0 * bg0 + g1 * bg1 + g2 * bg2)
    c1 -= rho * e2 + e3 * size
    c2 = rho * e1 + e2 * size - (x0 * ax0 + x1 * ax1 + x2 * ax2)
    c2 -= 2.0 * (x0 * bg0 + x1 * bg1 + x2 * bg2) + gg
    c3 = (x0 * bx0 + x1 * bx1 + x2 * bx2) + 2.0 * gx - rho - e1 * size
    root = halley(c0, c1, c2, c3, 0.0)
    root = halley(c0, c1, c2, c3, root)
    root = halley(c0, c1, c2, c3, root)
    return halley(c0, c1, c2, c3, root)


@njit(**FAST)
def _homogeneous_step(total: np.ndarray, points: np.ndarray) -> None:
    for k in range(LANES):
        root = _smallest_root(total, points, k)
        x0, x1, x2 = points[k], points[LANES + k], points[2 * LANES + k]
        g0 = total[6 * LANES + k] - root * x0
        g1 = total[7 * LANES + k] - root * x1
        g2 = total[8 * LANES + k] - root * x2
        d0, d1, d2, _ = _shifted_solve(total, k, root, g0, g1, g2)
        points[k] = x0 - d0
        points[LANES + k] = x1 - d1
        points[2 * LANES + k] = x2 - d2


@njit(**FAST)
def _polish_step(total: np.ndarray, points: np.ndarray) -> None:
    """Newton's step on the eigenvector from residuals at it; λ is the Rayleigh quotient."""
    for k in range(LANES):
        x0, x1, x2 = points[k], points[LANES + k], points[2 * LANES + k]
        root = total[9 * LANES + k] / (1.0 + x0 * x0 + x1 * x1 + x2 * x2)
        g0 = total[6 * LANES + k] - root * x0
        g1 = total[7 * LANES + k] - root * x1
        g2 = total[8 * LANES + k] - root * x2
        d0, d1, d2, _ = _shifted_solve(total, k, root, g0, g1, g2)
        points[k] = x0 - d0
        points[LANES + k] = x1 - d1
        points[2 * LANES + k] = x2 - d2


@njit(**FAST)
def solve_weighted(
    rows: np.ndarray,
    forms: np.ndarray,
    omega: np.ndarray,
    parallel: float,
    total: np.ndarray,
    points: np.ndarray,
    crosses: np.ndarray,
) -> None:
    """The DLT answer with every view's rows weighted by √ω, and whether its rays cross (1 or 0).

    `total` is scratch of `FORM_SLOTS`.
    """
    sum_forms(forms, omega, total)
    for k in range(LANES):
        g0, g1, g2 = total[6 * LANES + k], total[7 * LANES + k], total[8 * LANES + k]
        d0, d1, d2, share = _shifted_solve(total, k, 0.0, g0, g1, g2)
        points[k], points[LANES + k], points[2 * LANES + k] = -d0, -d1, -d2
        crosses[k] = 1.0 if share > parallel else 0.0
    residual_sums(rows, omega, points, total)
    _affine_step(total, points)
    residual_sums(rows, omega, points, total)
    _homogeneous_step(total, points)
    residual_sums(rows, omega, points, total)
    _polish_step(total, points)


@njit(**FAST)
def gauss_newton_step(
    rows: np.ndarray, forms: np.ndarray, omega: np.ndarray, points: np.ndarray
) -> None:
    """One step of weighted least squares of the rows from `points`, in place."""
    total = np.empty(FORM_SLOTS * LANES)
    sum_forms(forms, omega, total)
    residual_sums(rows, omega, points, total)
    _affine_step(total, points)
