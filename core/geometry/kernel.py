"""The compiled path of triangulation: numpy arrays in, numpy arrays out, no torch.

It owns the walk over blocks of `LANES` joints; the arithmetic is in `kernel_lanes`,
`kernel_median` and `kernel_consensus`. Everything is float64 inside, whatever comes in. The
functions release the GIL and are cached on disk; `warm_up` in the face loads them, or compiles
them on a machine's first start (seconds), so it belongs on a background thread.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from core.geometry.kernel_consensus import (
    HUBER,
    find_consensus,
    huber_weights,
    least_quantile,
)
from core.geometry.kernel_lanes import (
    FAST,
    LANES,
    PARALLEL_WEIGHTED,
    ROW_SLOTS,
    SEEN,
    VIEW_SLOTS,
    solve_pairs,
    solve_total,
    sum_forms,
)
from core.geometry.kernel_load import find_origin, gauge, load_cameras, load_pixels
from core.geometry.kernel_median import (
    FAR,
    STATE_SLOTS,
    SUM_SLOTS,
    TRIAL,
    exp_nonpositive,
    find_median,
    log_view_weights,
    square_distances,
)

EQUAL, PAIRWISE, CONSENSUS, GIVEN = 0, 1, 2, 3
RULE_NONE, RULE_WSS, RULE_SUPPORT = 0, 1, 2
SUPPORT_WEIGHT = 0.05
# c of the Geman-McClure cost, in noise scales.
CONSENSUS_SCALES = 3.5
# Row factors reach from e^-300 to e^9 of the second strongest view's: more would cost the
# strongest view's partner its digits, and changes the answer by less than 1e-5 mm.
STRONGEST = 9.0


@njit(**FAST)
def row_factors_squared(log_weights: np.ndarray, row_exponent: float, omega: np.ndarray) -> None:
    """ω = w^(2 · row_exponent), up to the factor that makes the second strongest view's 1."""
    num_views = len(log_weights) // LANES
    first, second = np.full(LANES, -FAR), np.full(LANES, -FAR)
    for c in range(num_views):
        source = log_weights[c * LANES : (c + 1) * LANES]
        for k in range(LANES):
            x = source[k]
            low = x if x < first[k] else first[k]
            second[k] = low if low > second[k] else second[k]
            first[k] = x if x > first[k] else first[k]
    for c in range(num_views):
        source = log_weights[c * LANES : (c + 1) * LANES]
        out = omega[c * LANES : (c + 1) * LANES]
        for k in range(LANES):
            # where fewer than two views have a weight, the strongest alone says nothing
            x = (source[k] - second[k]) * row_exponent if second[k] > -FAR else 0.0
            x = x if x < STRONGEST else STRONGEST
            w = exp_nonpositive(2.0 * (x - STRONGEST))
            out[k] = w if source[k] > -FAR else 0.0


@njit(**FAST)
def _count_in_front(rows: np.ndarray, views: np.ndarray, offset: np.ndarray, k: int) -> int:
    front = 0
    for c in range(len(rows) // (ROW_SLOTS * LANES)):
        row = rows[c * ROW_SLOTS * LANES : (c + 1) * ROW_SLOTS * LANES]
        depth = row[11 * LANES + k]
        for axis in range(3):
            depth += row[(8 + axis) * LANES + k] * offset[axis * LANES + k]
        if depth > 0.0 and views[(c * VIEW_SLOTS + SEEN) * LANES + k] > 0.0:
            front += 1
    return front


@njit(**FAST)
def _view_weights(
    weighting: int,
    given: np.ndarray,
    first: int,
    num: int,
    views: np.ndarray,
    log_weights: np.ndarray,
    weights: np.ndarray,
) -> None:
    """Bring weights and their logarithms to agree: pairwise from logs, the others to logs."""
    num_views = len(weights) // LANES
    num_joints = given.shape[2]
    for c in range(num_views):
        start = (c * VIEW_SLOTS + SEEN) * LANES
        seen = views[start : start + LANES]
        out = weights[c * LANES : (c + 1) * LANES]
        log = log_weights[c * LANES : (c + 1) * LANES]
        if weighting == PAIRWISE:
            for k in range(LANES):
                w = exp_nonpositive(log[k])
                out[k] = w if log[k] > -700.0 else 0.0
            continue
        for k in range(LANES):
            if weighting == EQUAL:
                out[k] = seen[k]
            if weighting == GIVEN:
                n = first + min(k, num - 1)
                out[k] = given[n // num_joints, c, n % num_joints] * seen[k]
            log[k] = math.log(out[k]) if out[k] > 0.0 else -FAR


@njit(**FAST)
def _kept(
    rule: int,
    weights: np.ndarray,
    wss_m: float,
    threshold_m: float,
    min_views: int,
    k: int,
) -> bool:
    if rule == RULE_WSS:
        return not wss_m > threshold_m
    support = 0
    for c in range(len(weights) // LANES):
        if weights[c * LANES + k] > SUPPORT_WEIGHT:
            support += 1
    return rule == RULE_NONE or support >= min_views


@njit(**FAST)
def _fall_back(
    weighting: int,
    kept: np.ndarray,
    rows: np.ndarray,
    views: np.ndarray,
    inverse_focal: np.ndarray,
    origin: np.ndarray,
    scale_m: float,
    omega: np.ndarray,
) -> None:
    """Discarded joints: Huber's estimate under consensus, otherwise equal weights."""
    if kept.all():
        return
    other = np.empty(len(omega))
    if weighting == CONSENSUS:
        huber_weights(rows, views, inverse_focal, origin, HUBER * scale_m, other)
    else:
        for c in range(len(omega) // LANES):
            start = (c * VIEW_SLOTS + SEEN) * LANES
            other[c * LANES : (c + 1) * LANES] = views[start : start + LANES]
    for i in range(len(omega)):
        omega[i] = omega[i] if kept[i % LANES] else other[i]


@njit(**FAST)
def _store(
    b: int,
    j: int,
    k: int,
    center: np.ndarray,
    origin: np.ndarray,
    middle: np.ndarray,
    offset: np.ndarray,
    candidates: np.ndarray,
    points_mm: np.ndarray,
    centers_mm: np.ndarray,
    candidates_mm: np.ndarray,
) -> None:
    """Lane k's lengths, back in the world's millimetres."""
    x = 1000.0 * origin[k] + center[0]
    y = 1000.0 * origin[LANES + k] + center[1]
    z = 1000.0 * origin[2 * LANES + k] + center[2]
    points_mm[b, j, 0] = x + 1000.0 * offset[k]
    points_mm[b, j, 1] = y + 1000.0 * offset[LANES + k]
    points_mm[b, j, 2] = z + 1000.0 * offset[2 * LANES + k]
    centers_mm[b, j, 0] = x + 1000.0 * middle[k]
    centers_mm[b, j, 1] = y + 1000.0 * middle[LANES + k]
    centers_mm[b, j, 2] = z + 1000.0 * middle[2 * LANES + k]
    for p in range(candidates_mm.shape[1]):
        candidate = candidates[p * 4 * LANES : (p + 1) * 4 * LANES]
        gap = 0.0 if candidate[3 * LANES + k] > 0.0 else math.nan
        candidates_mm[b, p, j, 0] = x + 1000.0 * candidate[k] + gap
        candidates_mm[b, p, j, 1] = y + 1000.0 * candidate[LANES + k] + gap
        candidates_mm[b, p, j, 2] = z + 1000.0 * candidate[2 * LANES + k] + gap


@njit(**FAST)
def _count_in_front(rows: np.ndarray, views: np.ndarray, offset: np.ndarray, k: int) -> int:
    front = 0
    for c in range(len(rows) // (ROW_SLOTS * LANES)):
        row = rows[c * ROW_SLOTS * LANES : (c + 1) * ROW_SLOTS * LANES]
        depth = row[11 * LANES + k]
        for axis in range(3):
            depth += row[(8 + axis) * LANES + k] * offset[axis * LANES + k]
        if depth > 0.0 and views[(c * VIEW_SLOTS + SEEN) * LANES + k] > 0.0:
            front += 1
    return front


@njit(**FAST)
def robust(
    points_px: np.ndarray,
    observed: np.ndarray,
    projections: np.ndarray,
    pairs: np.ndarray,
    pair_of: np.ndarray,
    given: np.ndarray,
    weighting: int,
    rule: int,
    sigma_m: float,
    threshold_m: float,
    scale_m: float,
    min_views: int,
    row_exponent: float,
    points_mm: np.ndarray,
    weights_out: np.ndarray,
    wss_mm: np.ndarray,
    kept_out: np.ndarray,
    centers_mm: np.ndarray,
    candidates_mm: np.ndarray,
) -> None:
    """METHOD, section 1, for (B, C, J, 2) pixels; projections (1 or B, C, 3, 4).

    Writes the last six arrays, shaped as `RobustTriangulation` with one leading axis B.
    """
    num_batch, num_views, num_joints = observed.shape
    num_pairs = len(pairs)
    group = projections.shape[0]
    cameras, centers = np.empty((group, num_views, 12)), np.empty((group, 3))
    focal = np.empty((group, num_views))
    gauge(projections, cameras, centers, focal)

    pixels, lane_cameras = np.empty(3 * num_views * LANES), np.empty(12 * num_views * LANES)
    views, rows = np.empty(VIEW_SLOTS * num_views * LANES), np.empty(ROW_SLOTS * num_views * LANES)
    lane_focal, origin = np.empty(num_views * LANES), np.empty(3 * LANES)
    solvable, candidates = np.empty(LANES), np.zeros((num_pairs + 3) // 4 * 16 * LANES)
    state, sums = np.empty(STATE_SLOTS * LANES), np.empty(SUM_SLOTS * LANES)
    squares, ladder = np.empty(num_pairs * LANES), np.empty(num_views * LANES)
    wss_m, log_weights = np.empty(LANES), np.empty(num_views * LANES)
    weights, omega = np.empty(num_views * LANES), np.empty(num_views * LANES)
    kept, total = np.empty(LANES, dtype=np.bool_), np.empty(VIEW_SLOTS * LANES)
    offset, crosses = np.empty(3 * LANES), np.empty(LANES)
    middle = state[TRIAL * LANES : (TRIAL + 3) * LANES]

    for first in range(0, num_batch * num_joints, LANES):
        num = min(LANES, num_batch * num_joints - first)
        load_pixels(points_px, observed, first, num, pixels)
        if first == 0 or group > 1:
            load_cameras(cameras, focal, first, num, num_joints, lane_cameras, lane_focal)
        find_origin(pixels, lane_cameras, views, rows, origin, solvable)
        solve_pairs(views, origin, pairs, candidates)
        find_median(candidates, num_pairs, state, sums)
        square_distances(candidates, middle, squares, wss_m)
        if weighting == PAIRWISE:
            log_view_weights(squares, pair_of, sigma_m, ladder, log_weights)
        if weighting == CONSENSUS:
            tau_m = CONSENSUS_SCALES * scale_m
            find_consensus(
                candidates[: num_pairs * 4 * LANES],
                rows,
                views,
                lane_focal,
                origin,
                tau_m,
                weights,
            )
        _view_weights(weighting, given, first, num, views, log_weights, weights)
        row_factors_squared(log_weights, row_exponent, omega)
        for k in range(LANES):
            kept[k] = _kept(rule, weights, wss_m[k], threshold_m, min_views, k)
        _fall_back(weighting, kept, rows, views, lane_focal, origin, scale_m, omega)
        sum_forms(views, omega, total)
        solve_total(total, origin, PARALLEL_WEIGHTED, offset, crosses)
        for k in range(num):
            b, j = (first + k) // num_joints, (first + k) % num_joints
            seen = 0.0
            for c in range(num_views):
                weights_out[b, c, j] = weights[c * LANES + k]
                seen += views[(c * VIEW_SLOTS + SEEN) * LANES + k]
            good = wss_m[k] >= 0.0 and crosses[k] > 0.0
            good = good and _count_in_front(rows, views, offset, k) >= 2
            wss_mm[b, j] = 1000.0 * wss_m[k]
            kept_out[b, j] = kept[k] and good and seen >= min_views
            center = centers[b if group > 1 else 0]
            if wss_m[k] != wss_m[k]:
                middle[k] = math.nan
            if not good:
                offset[k] = math.nan
            _store(
                b,
                j,
                k,
                center,
                origin,
                middle,
                offset,
                candidates,
                points_mm,
                centers_mm,
                candidates_mm,
            )


@njit(**FAST)
def weighted(
    points_px: np.ndarray,
    observed: np.ndarray,
    projections: np.ndarray,
    factors: np.ndarray,
    points_mm: np.ndarray,
) -> None:
    """Plain DLT, row factors (B, C, J) given; NaN where it is degenerate."""
    num_batch, num_views, num_joints = observed.shape
    group = projections.shape[0]
    cameras, centers = np.empty((group, num_views, 12)), np.empty((group, 3))
    focal = np.empty((group, num_views))
    gauge(projections, cameras, centers, focal)
    pixels, lane_cameras = np.empty(3 * num_views * LANES), np.empty(12 * num_views * LANES)
    views, rows = np.empty(VIEW_SLOTS * num_views * LANES), np.empty(ROW_SLOTS * num_views * LANES)
    lane_focal, origin = np.empty(num_views * LANES), np.empty(3 * LANES)
    solvable, total = np.empty(LANES), np.empty(VIEW_SLOTS * LANES)
    log_weights, omega = np.empty(num_views * LANES), np.empty(num_views * LANES)
    weights, offset, crosses = np.empty(num_views * LANES), np.empty(3 * LANES), np.empty(LANES)
    for first in range(0, num_batch * num_joints, LANES):
        num = min(LANES, num_batch * num_joints - first)
        load_pixels(points_px, observed, first, num, pixels)
        if first == 0 or group > 1:
            load_cameras(cameras, focal, first, num, num_joints, lane_cameras, lane_focal)
        find_origin(pixels, lane_cameras, views, rows, origin, solvable)
        _view_weights(GIVEN, factors, first, num, views, log_weights, weights)
        row_factors_squared(log_weights, 1.0, omega)
        sum_forms(views, omega, total)
        solve_total(total, origin, PARALLEL_WEIGHTED, offset, crosses)
        for k in range(num):
            b, j = (first + k) // num_joints, (first + k) % num_joints
            good = solvable[k] > 0.0 and crosses[k] > 0.0
            good = good and _count_in_front(rows, views, offset, k) >= 2
            for axis in range(3):
                x = 1000.0 * (origin[axis * LANES + k] + offset[axis * LANES + k])
                x += centers[b if group > 1 else 0, axis]
                points_mm[b, j, axis] = x if good else math.nan


@njit(**FAST)
def residual_scales(
    points_px: np.ndarray,
    observed: np.ndarray,
    projections: np.ndarray,
    pairs: np.ndarray,
    scales_mm: np.ndarray,
) -> None:
    """Per joint the residual of `least_quantile` in mm, NaN with fewer than three views."""
    num_batch, num_views, num_joints = observed.shape
    group = projections.shape[0]
    cameras, centers = np.empty((group, num_views, 12)), np.empty((group, 3))
    focal = np.empty((group, num_views))
    gauge(projections, cameras, centers, focal)
    pixels, lane_cameras = np.empty(3 * num_views * LANES), np.empty(12 * num_views * LANES)
    views, rows = np.empty(VIEW_SLOTS * num_views * LANES), np.empty(ROW_SLOTS * num_views * LANES)
    lane_focal, origin = np.empty(num_views * LANES), np.empty(3 * LANES)
    solvable, candidates = np.empty(LANES), np.empty(len(pairs) * 4 * LANES)
    least = np.empty(LANES)
    for first in range(0, num_batch * num_joints, LANES):
        num = min(LANES, num_batch * num_joints - first)
        load_pixels(points_px, observed, first, num, pixels)
        if first == 0 or group > 1:
            load_cameras(cameras, focal, first, num, num_joints, lane_cameras, lane_focal)
        find_origin(pixels, lane_cameras, views, rows, origin, solvable)
        solve_pairs(views, origin, pairs, candidates)
        least_quantile(candidates, rows, views, lane_focal, least)
        for k in range(num):
            b, j = (first + k) // num_joints, (first + k) % num_joints
            scales_mm[b, j] = 1000.0 * math.sqrt(least[k]) if least[k] < FAR else math.nan
