"""Consensus weighting in lanes: every pair is a hypothesis, judged by all views (METHOD, 2).

A residual in millimetres at the joint is residual_px · depth / focal, and in the gauge the DLT row
at a point *is* residual_px · depth, so a hypothesis is scored without a division by depth.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from core.geometry.kernel_lanes import (
    FAST,
    INLINED,
    LANES,
    ROW_SLOTS,
    sort_lanes,
)
from core.geometry.kernel_median import FAR
from core.geometry.kernel_solve import gauss_newton_step
from core.geometry.method import (
    HUBER_STEPS,
    NUM_REFINED,
    REFINE_STEPS,
)


@njit(**INLINED)
def _square_residual(row: np.ndarray, k: int, x: float, y: float, z: float) -> float:
    """(residual_px · depth)² at a point; FAR behind the camera; 0 where nothing was observed."""
    ru = row[k] * x + row[LANES + k] * y + row[2 * LANES + k] * z + row[3 * LANES + k]
    rv = row[4 * LANES + k] * x + row[5 * LANES + k] * y + row[6 * LANES + k] * z
    rv += row[7 * LANES + k]
    depth = row[8 * LANES + k] * x + row[9 * LANES + k] * y + row[10 * LANES + k] * z
    depth += row[11 * LANES + k]
    return ru * ru + rv * rv if depth > 0.0 else FAR


@njit(**FAST)
def residuals_at(
    rows: np.ndarray,
    pixels: np.ndarray,
    inverse_focal: np.ndarray,
    points: np.ndarray,
    squares: np.ndarray,
) -> None:
    """Squared residuals in m² of every view at a point; -1 where nothing was observed."""
    for c in range(len(squares) // LANES):
        row = rows[c * ROW_SLOTS * LANES : (c + 1) * ROW_SLOTS * LANES]
        seen = pixels[(c * 3 + 2) * LANES : (c * 3 + 3) * LANES]
        inverse = inverse_focal[c * LANES : (c + 1) * LANES]
        out = squares[c * LANES : (c + 1) * LANES]
        for k in range(LANES):
            e2 = _square_residual(row, k, points[k], points[LANES + k], points[2 * LANES + k])
            e2 = e2 * inverse[k] * inverse[k] if e2 < FAR else FAR
            out[k] = e2 if seen[k] > 0.0 else -1.0


@njit(**FAST)
def cost_of(squares: np.ndarray, tau_m: float, cost: np.ndarray) -> None:
    """Geman-McClure cost e²/(e² + τ²), summed over the views that observed the joint."""
    tau2 = tau_m * tau_m
    cost[:] = 0.0
    for c in range(len(squares) // LANES):
        square = squares[c * LANES : (c + 1) * LANES]
        for k in range(LANES):
            e2 = square[k] if square[k] > 0.0 else 0.0
            cost[k] += e2 / (e2 + tau2) if e2 < FAR else 1.0


@njit(**FAST)
def geman_mcclure(squares: np.ndarray, tau_m: float, weights: np.ndarray) -> None:
    """Weights (1 + e²/τ²)⁻² in [0, 1]; 0 behind the camera and where nothing was observed."""
    inverse = 1.0 / (tau_m * tau_m)
    for i in range(len(squares)):
        e2 = squares[i]
        w = 1.0 / (1.0 + e2 * inverse)
        weights[i] = w * w if 0.0 <= e2 < FAR else 0.0


@njit(**FAST)
def _huber(squares: np.ndarray, limit_m: float, weights: np.ndarray) -> None:
    for i in range(len(squares)):
        e2 = squares[i]
        w = 1.0 if e2 <= limit_m * limit_m else limit_m / np.sqrt(e2)
        weights[i] = w if 0.0 <= e2 < FAR else (0.0 if e2 < 0.0 else 1e-6)


@njit(**FAST)
def _score_pairs(
    candidates: np.ndarray,
    rows: np.ndarray,
    pixels: np.ndarray,
    inverse_focal: np.ndarray,
    tau_m: float,
    costs: np.ndarray,
) -> None:
    """The cost of every pair's candidate over all views; FAR for an unusable pair."""
    num_views = len(inverse_focal) // LANES
    tau2 = tau_m * tau_m
    for p in range(len(costs) // LANES):
        y = candidates[p * 4 * LANES : (p + 1) * 4 * LANES]
        cost = costs[p * LANES : (p + 1) * LANES]
        for k in range(LANES):
            cost[k] = 0.0 if y[3 * LANES + k] > 0.0 else FAR
        for c in range(num_views):
            row = rows[c * ROW_SLOTS * LANES : (c + 1) * ROW_SLOTS * LANES]
            seen = pixels[(c * 3 + 2) * LANES : (c * 3 + 3) * LANES]
            inverse = inverse_focal[c * LANES : (c + 1) * LANES]
            for k in range(LANES):
                e2 = _square_residual(row, k, y[k], y[LANES + k], y[2 * LANES + k])
                scaled = e2 * inverse[k] * inverse[k]
                share = scaled / (scaled + tau2)
                share = share if e2 < FAR else 1.0
                cost[k] += seen[k] * share


@njit(**FAST)
def _take_best(costs: np.ndarray, candidates: np.ndarray, start: np.ndarray, k: int) -> bool:
    """Move lane k's cheapest hypothesis into `start`, strike it out; whether there was one."""
    best = 0
    for p in range(1, len(costs) // LANES):
        if costs[p * LANES + k] < costs[best * LANES + k]:
            best = p
    found = costs[best * LANES + k] < FAR
    costs[best * LANES + k] = FAR
    for axis in range(3):
        start[axis * LANES + k] = candidates[(best * 4 + axis) * LANES + k]
    return found


@njit(**FAST)
def find_consensus(
    candidates: np.ndarray,
    rows: np.ndarray,
    forms: np.ndarray,
    pixels: np.ndarray,
    inverse_focal: np.ndarray,
    tau_m: float,
    weights: np.ndarray,
) -> None:
    """Geman-McClure weights of every view at the winner of the refined hypotheses."""
    num_views = len(inverse_focal) // LANES
    costs = np.empty(len(candidates) // 4)
    _score_pairs(candidates, rows, pixels, inverse_focal, tau_m, costs)
    points = np.zeros(3 * LANES)
    squares = np.empty(num_views * LANES)
    omega = np.empty(num_views * LANES)
    cost = np.empty(LANES)
    lowest = np.full(LANES, FAR)
    found = np.empty(LANES, dtype=np.bool_)
    weights[:] = 0.0
    for _ in range(NUM_REFINED):
        for k in range(LANES):
            found[k] = _take_best(costs, candidates, points, k)
        for _ in range(REFINE_STEPS):
            residuals_at(rows, pixels, inverse_focal, points, squares)
            geman_mcclure(squares, tau_m, omega)
            omega *= inverse_focal
            omega *= inverse_focal
            gauss_newton_step(rows, forms, omega, points)
        residuals_at(rows, pixels, inverse_focal, points, squares)
        cost_of(squares, tau_m, cost)
        for k in range(LANES):
            cost[k] = cost[k] if found[k] else FAR
        geman_mcclure(squares, tau_m, omega)
        for i in range(num_views * LANES):
            weights[i] = omega[i] if cost[i % LANES] < lowest[i % LANES] else weights[i]
        for k in range(LANES):
            lowest[k] = min(lowest[k], cost[k])


@njit(**FAST)
def huber_weights(
    rows: np.ndarray,
    forms: np.ndarray,
    pixels: np.ndarray,
    inverse_focal: np.ndarray,
    limit_m: float,
    omega: np.ndarray,
) -> None:
    """Huber's weights for the joints that no consensus supports, begun at equal weights."""
    points = np.zeros(3 * LANES)
    squares = np.empty(len(omega))
    scaled = np.empty(len(omega))
    omega[:] = 1.0
    for _ in range(HUBER_STEPS):
        for i in range(len(omega)):
            scaled[i] = omega[i] * inverse_focal[i] * inverse_focal[i]
        gauss_newton_step(rows, forms, scaled, points)
        residuals_at(rows, pixels, inverse_focal, points, squares)
        _huber(squares, limit_m, omega)


@njit(**FAST)
def least_quantile(
    candidates: np.ndarray,
    rows: np.ndarray,
    pixels: np.ndarray,
    inverse_focal: np.ndarray,
    network: np.ndarray,
    least: np.ndarray,
) -> None:
    """Over the hypotheses, the least (⌈n/2⌉ + 1)-th smallest squared residual of n views, in m²."""
    num_views = len(inverse_focal) // LANES
    squares = np.empty(num_views * LANES)
    points = np.empty(3 * LANES)
    least[:] = FAR
    for p in range(len(candidates) // (4 * LANES)):
        y = candidates[p * 4 * LANES : (p + 1) * 4 * LANES]
        points[:] = y[: 3 * LANES]
        residuals_at(rows, pixels, inverse_focal, points, squares)
        sort_lanes(squares, network, LANES)
        for k in range(LANES):
            unseen = 0
            while unseen < num_views and squares[unseen * LANES + k] < 0.0:
                unseen += 1
            seen = num_views - unseen
            rank = unseen + (seen + 1) // 2
            if seen >= 3 and y[3 * LANES + k] > 0.0:
                least[k] = min(least[k], squares[rank * LANES + k])
