"""Arithmetic of the compiled triangulation: many joints side by side in lanes, one joint per lane.

Every function here works on flat scratch arrays laid out ``[slot * LANES + lane]`` and ends in a
loop over the lanes without a branch, which LLVM turns into vector instructions. Traps:

- The scratch is flat and `LANES` is a constant on purpose: with a 2D array the strides are unknown
  to LLVM, it cannot prove that slots do not overlap, and the loop stays scalar.
- Slots are reached through a slice whose index starts at zero: an index of unknown sign costs a
  select per access (Python's negative indices) and with it the vector loads.
- Inner loops over anything but lanes are written out (the calls to `_halley`), for only innermost
  loops are vectorised.
- `FAST` leaves NaN and infinity their meaning.

Lengths are metres in the gauge of `core.geometry.gauge`; δ is relative to the local origin X1.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

LANES = 16
FAST: Any = {
    "cache": True,
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract", "arcp", "nsz"},
}

INLINED: Any = {**FAST, "forceinline": True}

# Slots of a view in the `views` scratch: the normal form about X1, then whether it was observed.
# N is symmetric: 00 01 02 11 12 22.
NORMAL = 0
GRADIENT = 6
CONSTANT = 9
SEEN = 10
VIEW_SLOTS = 11

# Slots of a view in the `rows` scratch: what the consensus needs to score a hypothesis.
ROW_U = 0
ROW_V = 3
RESIDUAL_U = 6
RESIDUAL_V = 7
ROW_DEPTH = 8
DEPTH = 11
ROW_SLOTS = 12

# Below this share of trace³ a 3x3 normal matrix is singular: rays parallel within 1e-6 radians.
PARALLEL = 1e-13
# A weighted sum may lean on one view by e^18 and still be solvable.
PARALLEL_WEIGHTED = 1e-15


@njit(**INLINED)
def _halley(c0: float, c1: float, c2: float, c3: float, x: float) -> float:
    """One step from the left towards the smallest root of x⁴ + c3 x³ + c2 x² + c1 x + c0.

    Where all roots are real, as here, it never oversteps, and it converges cubically as Laguerre's
    does, without the square root.
    """
    p = (((x + c3) * x + c2) * x + c1) * x + c0
    p1 = ((4.0 * x + 3.0 * c3) * x + 2.0 * c2) * x + c1
    p2 = (6.0 * x + 3.0 * c3) * x + c2
    return x - p * p1 / (p1 * p1 - p * p2 + 1e-300)


@njit(**INLINED)
def homogeneous_offset(
    n00: float,
    n01: float,
    n02: float,
    n11: float,
    n12: float,
    n22: float,
    g0: float,
    g1: float,
    g2: float,
    rho: float,
    x0: float,
    x1: float,
    x2: float,
    parallel: float,
) -> tuple[float, float, float, float]:
    """The smallest singular vector of the DLT rows, as an offset δ from (x0, x1, x2).

    Minimises (δᵀNδ + 2gᵀδ + ρ) / (1 + |X1 + δ|²): with λ the smallest root of the quartic
    det([N g; gᵀ ρ] − λ [I X1; X1ᵀ 1 + |X1|²]), δ solves (N − λI) δ = λ X1 − g.

    Args:
        n00, n01, n02, n11, n12, n22: N.
        g0, g1, g2: g.
        rho: ρ.
        x0, x1, x2: the local origin X1.
        parallel: rays are called parallel where det N is below this share of trace³ N.

    Returns:
        δ, and 1 where the rays are not parallel, else 0.
    """
    a00 = n11 * n22 - n12 * n12
    a01 = n02 * n12 - n01 * n22
    a02 = n01 * n12 - n02 * n11
    a11 = n00 * n22 - n02 * n02
    a12 = n01 * n02 - n00 * n12
    a22 = n00 * n11 - n01 * n01
    e1 = n00 + n11 + n22
    e2 = a00 + a11 + a22
    e3 = n00 * a00 + n01 * a01 + n02 * a02

    ag0 = a00 * g0 + a01 * g1 + a02 * g2
    ag1 = a01 * g0 + a11 * g1 + a12 * g2
    ag2 = a02 * g0 + a12 * g1 + a22 * g2
    ax0 = a00 * x0 + a01 * x1 + a02 * x2
    ax1 = a01 * x0 + a11 * x1 + a12 * x2
    ax2 = a02 * x0 + a12 * x1 + a22 * x2
    # (trace I − N) applied to g and to X1
    bg0 = (n11 + n22) * g0 - n01 * g1 - n02 * g2
    bg1 = (n00 + n22) * g1 - n01 * g0 - n12 * g2
    bg2 = (n00 + n11) * g2 - n02 * g0 - n12 * g1
    bx0 = (n11 + n22) * x0 - n01 * x1 - n02 * x2
    bx1 = (n00 + n22) * x1 - n01 * x0 - n12 * x2
    bx2 = (n00 + n11) * x2 - n02 * x0 - n12 * x1

    xx = x0 * x0 + x1 * x1 + x2 * x2
    gx = g0 * x0 + g1 * x1 + g2 * x2
    gg = g0 * g0 + g1 * g1 + g2 * g2
    gag = g0 * ag0 + g1 * ag1 + g2 * ag2
    xag = x0 * ag0 + x1 * ag1 + x2 * ag2
    xax = x0 * ax0 + x1 * ax1 + x2 * ax2
    gbg = g0 * bg0 + g1 * bg1 + g2 * bg2
    xbg = x0 * bg0 + x1 * bg1 + x2 * bg2
    xbx = x0 * bx0 + x1 * bx1 + x2 * bx2
    c0 = rho * e3 - gag
    c1 = 2.0 * xag + gbg - rho * e2 - e3 * (1.0 + xx)
    c2 = rho * e1 + e2 * (1.0 + xx) - xax - 2.0 * xbg - gg
    c3 = xbx + 2.0 * gx - rho - e1 * (1.0 + xx)
    root = _halley(c0, c1, c2, c3, 0.0)
    root = _halley(c0, c1, c2, c3, root)
    root = _halley(c0, c1, c2, c3, root)
    root = _halley(c0, c1, c2, c3, root)

    floor = 1e-300 + 1e-16 * e1 * e1 * e1
    det = ((e1 - root) * root - e2) * root + e3
    det = det if det > floor else floor
    inverse = 1.0 / det
    d0 = (((x0 * root - bx0 - g0) * root + ax0 + bg0) * root - ag0) * inverse
    d1 = (((x1 * root - bx1 - g1) * root + ax1 + bg1) * root - ag1) * inverse
    d2 = (((x2 * root - bx2 - g2) * root + ax2 + bg2) * root - ag2) * inverse
    return d0, d1, d2, 1.0 if e3 > parallel * e1 * e1 * e1 else 0.0


@njit(**FAST)
def local_forms(
    pixels: np.ndarray, cameras: np.ndarray, origin: np.ndarray, views: np.ndarray, rows: np.ndarray
) -> None:
    """Turn each view's pixels into rows, and into its normal form about `origin` (X1)."""
    for c in range(len(pixels) // (3 * LANES)):
        pixel = pixels[c * 3 * LANES : (c + 1) * 3 * LANES]
        camera = cameras[c * 12 * LANES : (c + 1) * 12 * LANES]
        view = views[c * VIEW_SLOTS * LANES : (c + 1) * VIEW_SLOTS * LANES]
        row = rows[c * ROW_SLOTS * LANES : (c + 1) * ROW_SLOTS * LANES]
        for k in range(LANES):
            x0, x1, x2 = origin[k], origin[LANES + k], origin[2 * LANES + k]
            seen = pixel[2 * LANES + k]
            p20 = camera[8 * LANES + k]
            p21 = camera[9 * LANES + k]
            p22 = camera[10 * LANES + k]
            p23 = camera[11 * LANES + k]
            depth = p20 * x0 + p21 * x1 + p22 * x2 + p23
            u, w = pixel[k], pixel[LANES + k]
            a0 = seen * (u * p20 - camera[k])
            a1 = seen * (u * p21 - camera[LANES + k])
            a2 = seen * (u * p22 - camera[2 * LANES + k])
            a3 = seen * (u * p23 - camera[3 * LANES + k])
            b0 = seen * (w * p20 - camera[4 * LANES + k])
            b1 = seen * (w * p21 - camera[5 * LANES + k])
            b2 = seen * (w * p22 - camera[6 * LANES + k])
            b3 = seen * (w * p23 - camera[7 * LANES + k])
            ra = a0 * x0 + a1 * x1 + a2 * x2 + a3
            rb = b0 * x0 + b1 * x1 + b2 * x2 + b3
            row[k] = a0
            row[LANES + k] = a1
            row[2 * LANES + k] = a2
            row[3 * LANES + k] = b0
            row[4 * LANES + k] = b1
            row[5 * LANES + k] = b2
            row[6 * LANES + k] = ra
            row[7 * LANES + k] = rb
            row[8 * LANES + k] = p20
            row[9 * LANES + k] = p21
            row[10 * LANES + k] = p22
            row[11 * LANES + k] = depth
            view[k] = a0 * a0 + b0 * b0
            view[LANES + k] = a0 * a1 + b0 * b1
            view[2 * LANES + k] = a0 * a2 + b0 * b2
            view[3 * LANES + k] = a1 * a1 + b1 * b1
            view[4 * LANES + k] = a1 * a2 + b1 * b2
            view[5 * LANES + k] = a2 * a2 + b2 * b2
            view[6 * LANES + k] = a0 * ra + b0 * rb
            view[7 * LANES + k] = a1 * ra + b1 * rb
            view[8 * LANES + k] = a2 * ra + b2 * rb
            view[9 * LANES + k] = ra * ra + rb * rb
            view[10 * LANES + k] = seen


@njit(**FAST)
def sum_forms(views: np.ndarray, omega: np.ndarray, total: np.ndarray) -> None:
    """Sum the views' normal forms, each times its ω (the square of its row factor)."""
    total[:] = 0.0
    for c in range(len(omega) // LANES):
        weight = omega[c * LANES : (c + 1) * LANES]
        for s in range(VIEW_SLOTS):
            start = (c * VIEW_SLOTS + s) * LANES
            view = views[start : start + LANES]
            target = total[s * LANES : (s + 1) * LANES]
            for k in range(LANES):
                target[k] += weight[k] * view[k]


@njit(**FAST)
def solve_total(
    total: np.ndarray,
    origin: np.ndarray,
    parallel: float,
    offset: np.ndarray,
    crosses: np.ndarray,
) -> None:
    """The DLT answer of one summed form per lane: δ from X1, and whether its rays cross (1 or 0)."""
    for k in range(LANES):
        d0, d1, d2, crossing = homogeneous_offset(
            total[k],
            total[LANES + k],
            total[2 * LANES + k],
            total[3 * LANES + k],
            total[4 * LANES + k],
            total[5 * LANES + k],
            total[6 * LANES + k],
            total[7 * LANES + k],
            total[8 * LANES + k],
            total[9 * LANES + k],
            origin[k],
            origin[LANES + k],
            origin[2 * LANES + k],
            parallel,
        )
        offset[k] = d0
        offset[LANES + k] = d1
        offset[2 * LANES + k] = d2
        crosses[k] = crossing


@njit(**FAST)
def solve_pairs(
    views: np.ndarray, origin: np.ndarray, pairs: np.ndarray, candidates: np.ndarray
) -> None:
    """The candidate of every pair: δ from X1 and whether the pair is usable (1 or 0)."""
    for p in range(len(pairs)):
        first, second = pairs[p, 0] * VIEW_SLOTS * LANES, pairs[p, 1] * VIEW_SLOTS * LANES
        a = views[first : first + VIEW_SLOTS * LANES]
        b = views[second : second + VIEW_SLOTS * LANES]
        y = candidates[p * 4 * LANES : (p + 1) * 4 * LANES]
        for k in range(LANES):
            d0, d1, d2, crossing = homogeneous_offset(
                a[k] + b[k],
                a[LANES + k] + b[LANES + k],
                a[2 * LANES + k] + b[2 * LANES + k],
                a[3 * LANES + k] + b[3 * LANES + k],
                a[4 * LANES + k] + b[4 * LANES + k],
                a[5 * LANES + k] + b[5 * LANES + k],
                a[6 * LANES + k] + b[6 * LANES + k],
                a[7 * LANES + k] + b[7 * LANES + k],
                a[8 * LANES + k] + b[8 * LANES + k],
                a[9 * LANES + k] + b[9 * LANES + k],
                origin[k],
                origin[LANES + k],
                origin[2 * LANES + k],
                PARALLEL,
            )
            both = a[10 * LANES + k] * b[10 * LANES + k]
            usable = both * crossing
            y[k] = d0 if usable > 0.0 else 0.0
            y[LANES + k] = d1 if usable > 0.0 else 0.0
            y[2 * LANES + k] = d2 if usable > 0.0 else 0.0
            y[3 * LANES + k] = usable
