"""Geometric median of the candidates and the weights of Eqs. 4-6, in lanes (see `kernel_lanes`).

The median minimises Σ √(d² + ε²), ε = 0.1 mm: strictly convex, so that the start decides nothing
but the number of passes. Each pass evaluates one trial point; a Newton step that does not lower
the objective is quartered, but never below Weiszfeld's, which always lowers it: where the median
lies beside a candidate, Weiszfeld's alone takes hundreds of passes, quartering at most forty.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from core.geometry.kernel_lanes import (
    CANDIDATE_SLOTS,
    FAST,
    INLINED,
    LANES,
    USABLE,
    sort_lanes,
)
from core.geometry.method import MAX_PASSES, SMOOTHING_M2, STEP_M2, WILD

FAR = 1e300

# Slots of the median's `state`: the point being tried, the best one so far with its Weiszfeld step
# and its objective, the step from it to the trial, and whether the lane still moves.
TRIAL = 0
BASE = 3
WEISZFELD = 6
STEP = 9
OBJECTIVE = 12
MOVING = 13
STATE_SLOTS = 14
# Slots of its `sums`: objective, Σ1/d, Σ(y-x)/d, Σ (y-x)(y-x)ᵀ/d³ as 00 01 02 11 12 22.
SUM_SLOTS = 11


@njit(**INLINED)
def exp_nonpositive(x: float) -> float:
    """e^x for x <= 0, from arithmetic alone so that a loop over it is vectorised.

    A polynomial on x/1024 in [-0.7, 0], squared ten times: relative error below 1e-12.
    """
    t = (x if x > -700.0 else -700.0) * (1.0 / 1024.0)
    e = 1.0 + t * (1.0 / 13.0)
    e = 1.0 + t * (1.0 / 12.0) * e
    e = 1.0 + t * (1.0 / 11.0) * e
    e = 1.0 + t * (1.0 / 10.0) * e
    e = 1.0 + t * (1.0 / 9.0) * e
    e = 1.0 + t * (1.0 / 8.0) * e
    e = 1.0 + t * (1.0 / 7.0) * e
    e = 1.0 + t * (1.0 / 6.0) * e
    e = 1.0 + t * (1.0 / 5.0) * e
    e = 1.0 + t * (1.0 / 4.0) * e
    e = 1.0 + t * (1.0 / 3.0) * e
    e = 1.0 + t * (1.0 / 2.0) * e
    e = 1.0 + t * e
    e *= e
    e *= e
    e *= e
    e *= e
    e *= e
    e *= e
    e *= e
    e *= e
    e *= e
    return e * e


@njit(**INLINED)
def inverse_root(square: float) -> float:
    """1/√square within 1e-13: begun in float32, where it is four times as fast, and refined once.

    0 where float32 has no number for it (beyond 1e19 m).
    """
    rough = np.float64(np.float32(1.0) / math.sqrt(np.float32(square)))
    return rough * (1.5 - 0.5 * square * rough * rough) if rough > 0.0 else 0.0


@njit(**FAST)
def _start_median(
    candidates: np.ndarray,
    starters: np.ndarray,
    network: np.ndarray,
    ladder: np.ndarray,
    state: np.ndarray,
) -> None:
    """Start each lane at the coordinate-wise median of the starters that are usable.

    In place of an unusable one stands an infinity of alternating sign, which leaves the median
    among the usable ones or, where they are few, gives the gauge's origin.
    """
    width = 3 * LANES
    for n in range(len(starters)):
        start = starters[n] * CANDIDATE_SLOTS * LANES
        source = candidates[start : start + CANDIDATE_SLOTS * LANES]
        target = ladder[n * width : (n + 1) * width]
        gap = FAR if n % 2 else -FAR
        for k in range(LANES):
            usable = source[USABLE * LANES + k] > 0.0
            target[k] = source[k] if usable else gap
            target[LANES + k] = source[LANES + k] if usable else gap
            target[2 * LANES + k] = source[2 * LANES + k] if usable else gap
    sort_lanes(ladder, network, width)
    middle = ladder[len(starters) // 2 * width : (len(starters) // 2 + 1) * width]
    for k in range(width):
        state[TRIAL * LANES + k] = middle[k] if abs(middle[k]) < FAR else 0.0
        state[BASE * LANES + k] = 0.0
        state[WEISZFELD * LANES + k] = 0.0
        state[STEP * LANES + k] = 0.0
    for k in range(LANES):
        state[OBJECTIVE * LANES + k] = FAR
        state[MOVING * LANES + k] = 1.0


@njit(**INLINED)
def _pull(
    y0: float, y1: float, y2: float, usable: float, x0: float, x1: float, x2: float
) -> tuple[float, ...]:
    d0, d1, d2 = y0 - x0, y1 - x1, y2 - x2
    square = d0 * d0 + d1 * d1 + d2 * d2 + SMOOTHING_M2
    inverse = usable * inverse_root(square)
    cube = inverse * inverse * inverse
    e0, e1, e2 = cube * d0, cube * d1, cube * d2
    return (
        square * inverse,
        inverse,
        inverse * d0,
        inverse * d1,
        inverse * d2,
        e0 * d0,
        e0 * d1,
        e0 * d2,
        e1 * d1,
        e1 * d2,
        e2 * d2,
    )


@njit(**FAST)
def _sum_pulls(candidates: np.ndarray, state: np.ndarray, sums: np.ndarray) -> None:
    """Evaluate the trial points; candidates are padded to a multiple of four with usable = 0."""
    sums[:] = 0.0
    trial = state[TRIAL * LANES : (TRIAL + 3) * LANES]
    for p in range(len(candidates) // (16 * LANES)):
        y = candidates[p * 16 * LANES : (p + 1) * 16 * LANES]
        for k in range(LANES):
            x0, x1, x2 = trial[k], trial[LANES + k], trial[2 * LANES + k]
            a = _pull(y[k], y[LANES + k], y[2 * LANES + k], y[3 * LANES + k], x0, x1, x2)
            b = _pull(
                y[4 * LANES + k], y[5 * LANES + k], y[6 * LANES + k], y[7 * LANES + k], x0, x1, x2
            )
            c = _pull(
                y[8 * LANES + k], y[9 * LANES + k], y[10 * LANES + k], y[11 * LANES + k], x0, x1, x2
            )
            d = _pull(
                y[12 * LANES + k],
                y[13 * LANES + k],
                y[14 * LANES + k],
                y[15 * LANES + k],
                x0,
                x1,
                x2,
            )
            sums[k] += (a[0] + b[0]) + (c[0] + d[0])
            sums[LANES + k] += (a[1] + b[1]) + (c[1] + d[1])
            sums[2 * LANES + k] += (a[2] + b[2]) + (c[2] + d[2])
            sums[3 * LANES + k] += (a[3] + b[3]) + (c[3] + d[3])
            sums[4 * LANES + k] += (a[4] + b[4]) + (c[4] + d[4])
            sums[5 * LANES + k] += (a[5] + b[5]) + (c[5] + d[5])
            sums[6 * LANES + k] += (a[6] + b[6]) + (c[6] + d[6])
            sums[7 * LANES + k] += (a[7] + b[7]) + (c[7] + d[7])
            sums[8 * LANES + k] += (a[8] + b[8]) + (c[8] + d[8])
            sums[9 * LANES + k] += (a[9] + b[9]) + (c[9] + d[9])
            sums[10 * LANES + k] += (a[10] + b[10]) + (c[10] + d[10])


@njit(**INLINED)
def _newton(
    s: float, g0: float, g1: float, g2: float, sums: np.ndarray, k: int
) -> tuple[float, float, float]:
    h00, h01, h02 = s - sums[5 * LANES + k], -sums[6 * LANES + k], -sums[7 * LANES + k]
    h11, h12, h22 = s - sums[8 * LANES + k], -sums[9 * LANES + k], s - sums[10 * LANES + k]
    a00, a01, a02 = h11 * h22 - h12 * h12, h02 * h12 - h01 * h22, h01 * h12 - h02 * h11
    a11, a12, a22 = h00 * h22 - h02 * h02, h01 * h02 - h00 * h12, h00 * h11 - h01 * h01
    det = h00 * a00 + h01 * a01 + h02 * a02
    floor = 1e-12 * s * s * s
    inverse = 1.0 / ((det if det > floor else floor) + 1e-300)
    return (
        (a00 * g0 + a01 * g1 + a02 * g2) * inverse,
        (a01 * g0 + a11 * g1 + a12 * g2) * inverse,
        (a02 * g0 + a12 * g1 + a22 * g2) * inverse,
    )


@njit(**FAST)
def _step_median(state: np.ndarray, sums: np.ndarray) -> float:
    """Accept or reject the trial points and propose the next; returns how many lanes still move.

    A step that does not lower the objective is quartered, but never below Weiszfeld's.
    """
    for k in range(LANES):
        x0, x1, x2 = state[k], state[LANES + k], state[2 * LANES + k]
        lowest, moving = state[OBJECTIVE * LANES + k], state[MOVING * LANES + k]
        s = sums[LANES + k] + 1e-300
        g0, g1, g2 = sums[2 * LANES + k], sums[3 * LANES + k], sums[4 * LANES + k]
        n0, n1, n2 = _newton(s, g0, g1, g2, sums, k)
        short = n0 * n0 + n1 * n1 + n2 * n2 <= STEP_M2
        lower = sums[k] <= lowest * (1.0 + 1e-15)
        take = lower or short
        w = 1.0 / s
        # Far outside the candidates Newton's step is boundless, and Weiszfeld's is right.
        wild = n0 * n0 + n1 * n1 + n2 * n2 > WILD * w * w * (g0 * g0 + g1 * g1 + g2 * g2)
        n0, n1, n2 = w * g0 if wild else n0, w * g1 if wild else n1, w * g2 if wild else n2
        w0 = w * g0 if take else state[WEISZFELD * LANES + k]
        w1 = w * g1 if take else state[(WEISZFELD + 1) * LANES + k]
        w2 = w * g2 if take else state[(WEISZFELD + 2) * LANES + k]
        q0, q1, q2 = (
            0.25 * state[STEP * LANES + k],
            0.25 * state[(STEP + 1) * LANES + k],
            0.25 * state[(STEP + 2) * LANES + k],
        )
        tiny = q0 * q0 + q1 * q1 + q2 * q2 < w0 * w0 + w1 * w1 + w2 * w2
        t0 = n0 if take else (w0 if tiny else q0)
        t1 = n1 if take else (w1 if tiny else q1)
        t2 = n2 if take else (w2 if tiny else q2)
        b0 = x0 if take else state[BASE * LANES + k]
        b1 = x1 if take else state[(BASE + 1) * LANES + k]
        b2 = x2 if take else state[(BASE + 2) * LANES + k]
        state[WEISZFELD * LANES + k], state[(WEISZFELD + 1) * LANES + k] = w0, w1
        state[(WEISZFELD + 2) * LANES + k], state[STEP * LANES + k] = w2, t0
        state[(STEP + 1) * LANES + k], state[(STEP + 2) * LANES + k] = t1, t2
        state[BASE * LANES + k], state[(BASE + 1) * LANES + k] = b0, b1
        state[(BASE + 2) * LANES + k] = b2
        state[OBJECTIVE * LANES + k] = sums[k] if lower else lowest
        # A lane that has arrived stays.
        state[k] = b0 + t0 if moving > 0.0 else x0
        state[LANES + k] = b1 + t1 if moving > 0.0 else x1
        state[2 * LANES + k] = b2 + t2 if moving > 0.0 else x2
        state[MOVING * LANES + k] = 0.0 if short else moving
    moving_lanes = 0.0
    for k in range(LANES):
        moving_lanes += state[MOVING * LANES + k]
    return moving_lanes


@njit(**FAST)
def find_median(
    candidates: np.ndarray,
    starters: np.ndarray,
    network: np.ndarray,
    ladder: np.ndarray,
    state: np.ndarray,
    sums: np.ndarray,
) -> None:
    """The geometric median of each lane's usable candidates, left in the TRIAL slots."""
    _start_median(candidates, starters, network, ladder, state)
    for _ in range(MAX_PASSES):
        _sum_pulls(candidates, state, sums)
        if _step_median(state, sums) == 0.0:
            break


@njit(**FAST)
def square_distances(
    candidates: np.ndarray, center: np.ndarray, squares: np.ndarray, wss_m: np.ndarray
) -> None:
    """Squared distances of the candidates to the centre (FAR where unusable), and root of WSS."""
    count = np.zeros(LANES)
    wss_m[:] = 0.0
    for p in range(len(squares) // LANES):
        y = candidates[p * 4 * LANES : (p + 1) * 4 * LANES]
        square = squares[p * LANES : (p + 1) * LANES]
        for k in range(LANES):
            d0, d1, d2 = (
                y[k] - center[k],
                y[LANES + k] - center[LANES + k],
                y[2 * LANES + k] - center[2 * LANES + k],
            )
            d = d0 * d0 + d1 * d1 + d2 * d2
            usable = y[3 * LANES + k]
            square[k] = d if usable > 0.0 else FAR
            wss_m[k] += usable * d
            count[k] += usable
    for k in range(LANES):
        wss_m[k] = math.sqrt(wss_m[k] / (count[k] if count[k] > 0.0 else math.nan))


@njit(**FAST)
def _middles(ladder: np.ndarray, count: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    """The two middle ones of those values of each sorted column that are not FAR."""
    width = len(count)
    num = len(ladder) // width
    count[:] = 0.0
    for i in range(num):
        source = ladder[i * width : (i + 1) * width]
        for k in range(width):
            count[k] += 1.0 if source[k] < FAR else 0.0
    for i in range(num):
        source = ladder[i * width : (i + 1) * width]
        twice = 2.0 * i
        for k in range(width):
            # of n values, the middle ones are (n - 1) // 2 and n // 2
            low[k] = source[k] if twice < count[k] else low[k]
            high[k] = source[k] if twice <= count[k] else high[k]


@njit(**FAST)
def log_view_weights(
    squares: np.ndarray,
    others: np.ndarray,
    network: np.ndarray,
    sigma_m: float,
    ladder: np.ndarray,
    log_weights: np.ndarray,
) -> None:
    """Logarithm of w_c = median over c′ of exp(-d²/σ²); -FAR for a view without a usable pair.

    The exponential is monotonous, so the median is taken of the distances; where their number is
    even, w_c is the mean of the two middle weights.
    """
    num_views, num_others = others.shape
    width = num_views * LANES
    scale = -1.0 / (sigma_m * sigma_m)
    for c in range(num_views):
        for i in range(num_others):
            source = squares[others[c, i] * LANES : (others[c, i] + 1) * LANES]
            start = i * width + c * LANES
            target = ladder[start : start + LANES]
            for k in range(LANES):
                target[k] = source[k]
    sort_lanes(ladder, network, width)
    count, low, high = np.full(width, float(num_others)), np.empty(width), np.empty(width)
    largest = ladder[(num_others - 1) * width : num_others * width]
    if num_others and largest.max() < FAR:
        low[:] = ladder[(num_others - 1) // 2 * width : ((num_others - 1) // 2 + 1) * width]
        high[:] = ladder[num_others // 2 * width : (num_others // 2 + 1) * width]
    else:
        _middles(ladder[: num_others * width], count, low, high)
    for k in range(width):
        log_weights[k] = low[k] * scale if count[k] > 0.0 else -FAR
    for k in range(width):
        if count[k] > 0.0 and low[k] != high[k]:
            log_weights[k] += math.log(0.5 + 0.5 * math.exp((high[k] - low[k]) * scale))
