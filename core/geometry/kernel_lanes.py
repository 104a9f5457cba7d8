"""Arithmetic of the compiled triangulation: many joints side by side in lanes, one joint per lane.

Every function here works on flat scratch arrays laid out ``[slot * LANES + lane]`` and ends in a
loop over the lanes without a branch, which LLVM turns into vector instructions. Traps:

- The scratch is flat and `LANES` is a constant on purpose: with a 2D array the strides are unknown
  to LLVM, it cannot prove that slots do not overlap, and the loop stays scalar.
- Slots are reached through a slice whose index starts at zero: an index of unknown sign costs a
  select per access (Python's negative indices) and with it the vector loads.
- Inner loops over anything but lanes are written out (the calls to `halley`), for only innermost
  loops are vectorised, and helpers are `INLINED`, for a call is never vectorised.
- `FAST` leaves NaN and infinity their meaning. Nothing is cached on disk here: only the entry
  points in `kernel` are, under a key that knows all these files.

Lengths are metres in the gauge, image points thousands of pixels: normal matrices are then of
order one, far from the limits of float32, in which some reciprocals are begun. For a pair the
gauge's origin is near enough to be computed about; unequal weights need `kernel_solve`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba import njit

from core.geometry.method import DETERMINANT_FLOOR, PARALLEL

if TYPE_CHECKING:
    import numpy as np

LANES = 16
FAST: Any = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract", "arcp", "nsz"},
}
INLINED: Any = {**FAST, "forceinline": True}

# Slots of a view in `forms`: Σ m mᵀ (00 01 02 11 12 22), Σ m e, Σ e², then whether it was observed.
SEEN = 10
FORM_SLOTS = 11
# Slots of a view in `rows`: the u row and the v row (m, e), and the depth row.
ROW_SLOTS = 12
# Slots of a candidate: its point, and whether the pair is usable (1 or 0).
USABLE = 3
CANDIDATE_SLOTS = 4


@njit(**INLINED)
def halley(c0: float, c1: float, c2: float, c3: float, x: float) -> float:
    """One step from the left towards the smallest root of x⁴ + c3 x³ + c2 x² + c1 x + c0.

    Where all roots are real, as here, it never oversteps, and it converges cubically as Laguerre's
    does, without the square root.
    """
    p = (((x + c3) * x + c2) * x + c1) * x + c0
    p1 = ((4.0 * x + 3.0 * c3) * x + 2.0 * c2) * x + c1
    p2 = (6.0 * x + 3.0 * c3) * x + c2
    return x - p * p1 / (p1 * p1 - p * p2 + 1e-300)


@njit(**INLINED)
def homogeneous_point(
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
    parallel: float,
) -> tuple[float, float, float, float]:
    """The point of the smallest singular vector of the DLT rows, from their normal form.

    Minimises (XᵀNX + 2gᵀX + ρ) / (1 + |X|²): with λ the smallest root of the quartic
    det([N g; gᵀ ρ] − λI), X solves (N − λI) X = −g by the adjugate.

    Args:
        n00: N, as are the next five.
        n01: see n00.
        n02: see n00.
        n11: see n00.
        n12: see n00.
        n22: see n00.
        g0: g, as are the next two.
        g1: see g0.
        g2: see g0.
        rho: ρ.
        parallel: rays are called parallel where det N is below this share of trace³ N.

    Returns:
        X, and 1 where the rays are not parallel, else 0.
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
    # adj(N) g, and (trace I − N) g
    a0 = a00 * g0 + a01 * g1 + a02 * g2
    a1 = a01 * g0 + a11 * g1 + a12 * g2
    a2 = a02 * g0 + a12 * g1 + a22 * g2
    b0 = (n11 + n22) * g0 - n01 * g1 - n02 * g2
    b1 = (n00 + n22) * g1 - n01 * g0 - n12 * g2
    b2 = (n00 + n11) * g2 - n02 * g0 - n12 * g1
    c0 = rho * e3 - (g0 * a0 + g1 * a1 + g2 * a2)
    c1 = g0 * b0 + g1 * b1 + g2 * b2 - rho * e2 - e3
    c2 = rho * e1 + e2 - (g0 * g0 + g1 * g1 + g2 * g2)
    c3 = -rho - e1
    root = halley(c0, c1, c2, c3, 0.0)
    root = halley(c0, c1, c2, c3, root)
    root = halley(c0, c1, c2, c3, root)
    root = halley(c0, c1, c2, c3, root)

    cube = e1 * e1 * e1
    floor = 1e-300 + DETERMINANT_FLOOR * cube
    det = ((e1 - root) * root - e2) * root + e3
    inverse = 1.0 / (det if det > floor else floor)
    x = ((b0 - g0 * root) * root - a0) * inverse
    y = ((b1 - g1 * root) * root - a1) * inverse
    z = ((b2 - g2 * root) * root - a2) * inverse
    return x, y, z, 1.0 if e3 > parallel * cube else 0.0


@njit(**FAST)
def make_rows(pixels: np.ndarray, cameras: np.ndarray, rows: np.ndarray) -> None:
    """DLT rows of every view: u·P3 − P1 and v·P3 − P2, zero where nothing was observed."""
    for c in range(len(pixels) // (3 * LANES)):
        pixel = pixels[c * 3 * LANES : (c + 1) * 3 * LANES]
        for s in range(4):
            start = (c * 12 + s) * LANES
            first = cameras[start : start + 9 * LANES]
            out = rows[start : start + 9 * LANES]
            for k in range(LANES):
                third, seen = first[8 * LANES + k], pixel[2 * LANES + k]
                out[k] = seen * (pixel[k] * third - first[k])
                out[4 * LANES + k] = seen * (pixel[LANES + k] * third - first[4 * LANES + k])
                out[8 * LANES + k] = third


@njit(**FAST)
def make_forms(rows: np.ndarray, pixels: np.ndarray, forms: np.ndarray) -> None:
    """Every view's normal form; forms add up over views."""
    for c in range(len(pixels) // (3 * LANES)):
        row = rows[c * ROW_SLOTS * LANES : (c + 1) * ROW_SLOTS * LANES]
        seen = pixels[(c * 3 + 2) * LANES : (c + 1) * 3 * LANES]
        form = forms[c * FORM_SLOTS * LANES : (c + 1) * FORM_SLOTS * LANES]
        for k in range(LANES):
            a0, a1, a2, a3 = row[k], row[LANES + k], row[2 * LANES + k], row[3 * LANES + k]
            b0, b1 = row[4 * LANES + k], row[5 * LANES + k]
            b2, b3 = row[6 * LANES + k], row[7 * LANES + k]
            form[k] = a0 * a0 + b0 * b0
            form[LANES + k] = a0 * a1 + b0 * b1
            form[2 * LANES + k] = a0 * a2 + b0 * b2
            form[3 * LANES + k] = a1 * a1 + b1 * b1
            form[4 * LANES + k] = a1 * a2 + b1 * b2
            form[5 * LANES + k] = a2 * a2 + b2 * b2
            form[6 * LANES + k] = a0 * a3 + b0 * b3
            form[7 * LANES + k] = a1 * a3 + b1 * b3
            form[8 * LANES + k] = a2 * a3 + b2 * b3
            form[9 * LANES + k] = a3 * a3 + b3 * b3
            form[10 * LANES + k] = seen[k]


@njit(**FAST)
def sum_forms(forms: np.ndarray, omega: np.ndarray, total: np.ndarray) -> None:
    """Sum the views' normal forms, each times its ω (the square of its row factor)."""
    total[:] = 0.0
    for c in range(len(omega) // LANES):
        weight = omega[c * LANES : (c + 1) * LANES]
        form = forms[c * FORM_SLOTS * LANES : (c + 1) * FORM_SLOTS * LANES]
        for s in range(FORM_SLOTS):
            source = form[s * LANES : (s + 1) * LANES]
            target = total[s * LANES : (s + 1) * LANES]
            for k in range(LANES):
                target[k] += weight[k] * source[k]


@njit(**FAST)
def solve_pairs(forms: np.ndarray, pairs: np.ndarray, candidates: np.ndarray) -> None:
    """The candidate of every pair, zero where the pair is not usable."""
    size = FORM_SLOTS * LANES
    for p in range(len(pairs)):
        a = forms[pairs[p, 0] * size : (pairs[p, 0] + 1) * size]
        b = forms[pairs[p, 1] * size : (pairs[p, 1] + 1) * size]
        out = candidates[p * CANDIDATE_SLOTS * LANES : (p + 1) * CANDIDATE_SLOTS * LANES]
        for k in range(LANES):
            x, y, z, crossing = homogeneous_point(
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
                PARALLEL,
            )
            usable = crossing * a[10 * LANES + k] * b[10 * LANES + k]
            out[k] = x if usable > 0.0 else 0.0
            out[LANES + k] = y if usable > 0.0 else 0.0
            out[2 * LANES + k] = z if usable > 0.0 else 0.0
            out[3 * LANES + k] = usable


@njit(**FAST)
def sort_lanes(values: np.ndarray, network: np.ndarray, width: int) -> None:
    """Put slots of `width` numbers into order, number by number, by a network's comparators."""
    for n in range(len(network)):
        a = values[network[n, 0] * width : (network[n, 0] + 1) * width]
        b = values[network[n, 1] * width : (network[n, 1] + 1) * width]
        for k in range(width):
            x, y = a[k], b[k]
            a[k] = x if x < y else y
            b[k] = y if x < y else x
