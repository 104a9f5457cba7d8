"""The compiled path of triangulation: numpy arrays in, numpy arrays out, no torch.

It owns the walk over blocks of `LANES` joints; the arithmetic is in `kernel_lanes`,
`kernel_median` and `kernel_consensus`. Everything is float64. The entry points release the GIL and
are cached on disk; `warm_up` in the face loads them, or compiles them on a machine's first start
(seconds), so it belongs on a background thread.

Trap: numba's cache looks at the file of the entry point alone, and would go on using the old code
of a changed helper. So each entry point is made inside a function and holds a fingerprint of all
the kernel's files: what a closure holds is part of numba's key.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numba import njit

from core.geometry.kernel_consensus import find_consensus, huber_weights, least_quantile
from core.geometry.kernel_lanes import (
    CANDIDATE_SLOTS,
    FAST,
    FORM_SLOTS,
    LANES,
    ROW_SLOTS,
    USABLE,
    make_forms,
    make_rows,
    solve_pairs,
)
from core.geometry.kernel_load import gauge, load_cameras, load_pixels
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
from core.geometry.kernel_solve import solve_weighted
from core.geometry.method import (
    CONSENSUS_SCALES,
    HUBER,
    PARALLEL_WEIGHTED,
    STRONGEST,
    SUPPORT_WEIGHT,
)

if TYPE_CHECKING:
    from collections.abc import Callable

CACHED: Any = {**FAST, "cache": True}

EQUAL, PAIRWISE, CONSENSUS, GIVEN = 0, 1, 2, 3
RULE_NONE, RULE_WSS, RULE_SUPPORT = 0, 1, 2


def _fingerprint() -> str:
    files = [*sorted(Path(__file__).parent.glob("kernel*.py")), Path(__file__).parent / "method.py"]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


class Tables(NamedTuple):
    """`networks.ViewTables`, as the kernel takes it."""

    pairs: np.ndarray
    others: np.ndarray
    starters: np.ndarray
    start_network: np.ndarray
    view_network: np.ndarray
    all_views_network: np.ndarray


class Rules(NamedTuple):
    """The options of a call; lengths in metres."""

    weighting: int
    discard: int
    sigma_m: float
    threshold_m: float
    scale_m: float
    min_views: int
    row_exponent: float


class Answer(NamedTuple):
    """What `robust` fills: millimetres, shaped as `RobustTriangulation` with one leading axis B.

    `omega` (B, C, J) are the squared row factors of the final solve, up to a factor per joint.
    """

    points_mm: np.ndarray
    weights: np.ndarray
    wss_mm: np.ndarray
    kept: np.ndarray
    omega: np.ndarray
    centers_mm: np.ndarray
    candidates_mm: np.ndarray


class Block(NamedTuple):
    """A block of joints in lanes, and the cameras of its batch."""

    cameras: np.ndarray
    centers: np.ndarray
    focal: np.ndarray
    pixels: np.ndarray
    lane_cameras: np.ndarray
    lane_focal: np.ndarray
    rows: np.ndarray
    forms: np.ndarray


class Work(NamedTuple):
    """Scratch of one block's robust triangulation."""

    candidates: np.ndarray
    state: np.ndarray
    sums: np.ndarray
    start_ladder: np.ndarray
    squares: np.ndarray
    ladder: np.ndarray
    wss_m: np.ndarray
    log_weights: np.ndarray
    weights: np.ndarray
    omega: np.ndarray
    kept: np.ndarray
    total: np.ndarray
    points: np.ndarray
    crosses: np.ndarray


@njit(**FAST)
def _new_block(projections: np.ndarray) -> Block:
    group, num_views = projections.shape[:2]
    cameras, centers = np.empty((group, num_views, 12)), np.empty((group, 3))
    focal = np.empty((group, num_views))
    gauge(projections, cameras, centers, focal)
    lanes = num_views * LANES
    return Block(
        cameras,
        centers,
        focal,
        np.empty(3 * lanes),
        np.empty(12 * lanes),
        np.empty(lanes),
        np.empty(ROW_SLOTS * lanes),
        np.empty(FORM_SLOTS * lanes),
    )


@njit(**FAST)
def _new_work(num_views: int, tables: Tables) -> Work:
    lanes = num_views * LANES
    num_pairs = len(tables.pairs)
    # Padded to a multiple of four pairs with candidates that are not usable.
    padded = (num_pairs + 3) // 4 * 4
    return Work(
        np.zeros(padded * CANDIDATE_SLOTS * LANES),
        np.empty(STATE_SLOTS * LANES),
        np.empty(SUM_SLOTS * LANES),
        np.empty((len(tables.starters) + 1) * 3 * LANES),
        np.empty(num_pairs * LANES),
        np.empty(num_views * lanes),
        np.empty(LANES),
        np.empty(lanes),
        np.empty(lanes),
        np.empty(lanes),
        np.empty(LANES, dtype=np.bool_),
        np.empty(FORM_SLOTS * LANES),
        np.empty(3 * LANES),
        np.empty(LANES),
    )


@njit(**FAST)
def _load(points_px: np.ndarray, observed: np.ndarray, first: int, num: int, block: Block) -> None:
    load_pixels(points_px, observed, first, num, block.pixels)
    if first == 0 or block.cameras.shape[0] > 1:
        num_joints = observed.shape[2]
        load_cameras(
            block.cameras, block.focal, first, num, num_joints, block.lane_cameras, block.lane_focal
        )
    make_rows(block.pixels, block.lane_cameras, block.rows)
    make_forms(block.rows, block.pixels, block.forms)


@njit(**FAST)
def row_factors_squared(log_weights: np.ndarray, row_exponent: float, omega: np.ndarray) -> None:
    """ω = w^(2 · row_exponent), up to the factor that makes the strongest view's 1."""
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
            # The strongest counts as at most e^STRONGEST of the second.
            top = (first[k] - second[k]) * row_exponent
            top = top if top < STRONGEST else STRONGEST
            x = (source[k] - second[k]) * row_exponent
            x = x if x < top else top
            w = exp_nonpositive(2.0 * (x - top))
            out[k] = w if source[k] > -FAR else 0.0


@njit(**FAST)
def _agree_weights(
    weighting: int,
    given: np.ndarray,
    first: int,
    num: int,
    pixels: np.ndarray,
    log_weights: np.ndarray,
    weights: np.ndarray,
) -> None:
    """Bring weights and their logarithms to agree: pairwise from logs, the others to logs."""
    num_joints = given.shape[2]
    for c in range(len(weights) // LANES):
        seen = pixels[(c * 3 + 2) * LANES : (c * 3 + 3) * LANES]
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
def _is_kept(rules: Rules, weights: np.ndarray, wss_m: float, k: int) -> bool:
    if rules.discard == RULE_WSS:
        return not wss_m > rules.threshold_m
    support = 0
    for c in range(len(weights) // LANES):
        if weights[c * LANES + k] > SUPPORT_WEIGHT:
            support += 1
    return rules.discard == RULE_NONE or support >= rules.min_views


@njit(**FAST)
def _fall_back(rules: Rules, block: Block, kept: np.ndarray, omega: np.ndarray) -> None:
    """Discarded joints: Huber's estimate under consensus, otherwise equal weights."""
    if kept.all():
        return
    other = np.empty(len(omega))
    if rules.weighting == CONSENSUS:
        limit_m = HUBER * rules.scale_m
        huber_weights(block.rows, block.forms, block.pixels, block.lane_focal, limit_m, other)
    else:
        for c in range(len(omega) // LANES):
            start = (c * 3 + 2) * LANES
            other[c * LANES : (c + 1) * LANES] = block.pixels[start : start + LANES]
    for i in range(len(omega)):
        omega[i] = omega[i] if kept[i % LANES] else other[i]


@njit(**FAST)
def _triangulate_block(
    block: Block,
    tables: Tables,
    rules: Rules,
    given: np.ndarray,
    first: int,
    num: int,
    work: Work,
) -> None:
    num_pairs = len(tables.pairs)
    middle = work.state[TRIAL * LANES : (TRIAL + 3) * LANES]
    solve_pairs(block.forms, tables.pairs, work.candidates)
    find_median(
        work.candidates,
        tables.starters,
        tables.start_network,
        work.start_ladder,
        work.state,
        work.sums,
    )
    square_distances(work.candidates, middle, work.squares, work.wss_m)
    if rules.weighting == PAIRWISE:
        log_view_weights(
            work.squares,
            tables.others,
            tables.view_network,
            rules.sigma_m,
            work.ladder,
            work.log_weights,
        )
    if rules.weighting == CONSENSUS:
        find_consensus(
            work.candidates[: num_pairs * CANDIDATE_SLOTS * LANES],
            block.rows,
            block.forms,
            block.pixels,
            block.lane_focal,
            CONSENSUS_SCALES * rules.scale_m,
            work.weights,
        )
    _agree_weights(rules.weighting, given, first, num, block.pixels, work.log_weights, work.weights)
    row_factors_squared(work.log_weights, rules.row_exponent, work.omega)
    for k in range(LANES):
        work.kept[k] = _is_kept(rules, work.weights, work.wss_m[k], k)
    _fall_back(rules, block, work.kept, work.omega)
    solve_weighted(
        block.rows,
        block.forms,
        work.omega,
        PARALLEL_WEIGHTED,
        work.total,
        work.points,
        work.crosses,
    )


@njit(**FAST)
def _count_seen(
    pixels: np.ndarray, rows: np.ndarray, points: np.ndarray, k: int
) -> tuple[int, int]:
    """In how many views lane k's joint was observed, and how many of them have it in front."""
    seen, front = 0, 0
    for c in range(len(pixels) // (3 * LANES)):
        if pixels[(c * 3 + 2) * LANES + k] > 0.0:
            row = rows[c * ROW_SLOTS * LANES : (c + 1) * ROW_SLOTS * LANES]
            depth = row[11 * LANES + k]
            for axis in range(3):
                depth += row[(8 + axis) * LANES + k] * points[axis * LANES + k]
            seen += 1
            front += 1 if depth > 0.0 else 0
    return seen, front


@njit(**FAST)
def _store_candidates(
    block: Block, candidates: np.ndarray, first: int, num: int, out_mm: np.ndarray
) -> None:
    """The block's candidates in the world's millimetres, pair by pair: runs of memory."""
    num_joints = out_mm.shape[2]
    many = block.centers.shape[0] > 1
    for p in range(out_mm.shape[1]):
        candidate = candidates[p * CANDIDATE_SLOTS * LANES : (p + 1) * CANDIDATE_SLOTS * LANES]
        b, j = first // num_joints, first % num_joints
        for k in range(num):
            center = block.centers[b if many else 0]
            out = out_mm[b, p, j]
            gap = 0.0 if candidate[USABLE * LANES + k] > 0.0 else math.nan
            out[0] = 1e3 * candidate[k] + center[0] + gap
            out[1] = 1e3 * candidate[LANES + k] + center[1] + gap
            out[2] = 1e3 * candidate[2 * LANES + k] + center[2] + gap
            j += 1
            if j == num_joints:
                b, j = b + 1, 0


@njit(**FAST)
def _store(block: Block, rules: Rules, work: Work, first: int, num: int, answer: Answer) -> None:
    """The block's joints, back in the world's millimetres."""
    num_views, num_joints = answer.weights.shape[1:]
    for k in range(num):
        b, j = (first + k) // num_joints, (first + k) % num_joints
        for c in range(num_views):
            answer.weights[b, c, j] = work.weights[c * LANES + k]
            answer.omega[b, c, j] = work.omega[c * LANES + k]
        seen, front = _count_seen(block.pixels, block.rows, work.points, k)
        has_center = work.wss_m[k] >= 0.0
        good = has_center and work.crosses[k] > 0.0 and front >= 2
        answer.wss_mm[b, j] = 1e3 * work.wss_m[k]
        answer.kept[b, j] = work.kept[k] and good and seen >= rules.min_views
        center = block.centers[b if block.centers.shape[0] > 1 else 0]
        for axis in range(3):
            point = 1e3 * work.points[axis * LANES + k] + center[axis]
            middle = 1e3 * work.state[(TRIAL + axis) * LANES + k] + center[axis]
            answer.points_mm[b, j, axis] = point if good else math.nan
            answer.centers_mm[b, j, axis] = middle if has_center else math.nan
    _store_candidates(block, work.candidates, first, num, answer.candidates_mm)


def _make_robust(fingerprint: str) -> Callable[..., None]:
    @njit(**CACHED)
    def robust(
        points_px: np.ndarray,
        observed: np.ndarray,
        projections: np.ndarray,
        tables: Tables,
        rules: Rules,
        given: np.ndarray,
        answer: Answer,
    ) -> None:
        """METHOD, sections 1 and 2, for (B, C, J, 2) pixels and (1 or B, C, 3, 4) projections.

        `observed` is (B, C, J); so is `given`, the weights, where they are given.
        """
        assert fingerprint
        num_batch, num_views, num_joints = observed.shape
        block, work = _new_block(projections), _new_work(num_views, tables)
        for first in range(0, num_batch * num_joints, LANES):
            num = min(LANES, num_batch * num_joints - first)
            _load(points_px, observed, first, num, block)
            _triangulate_block(block, tables, rules, given, first, num, work)
            _store(block, rules, work, first, num, answer)

    return robust


def _make_weighted(fingerprint: str) -> Callable[..., None]:
    @njit(**CACHED)
    def weighted(
        points_px: np.ndarray,
        observed: np.ndarray,
        projections: np.ndarray,
        factors: np.ndarray,
        points_mm: np.ndarray,
    ) -> None:
        """Plain DLT, row factors (B, C, J) given; NaN where it is degenerate."""
        assert fingerprint
        num_batch, num_views, num_joints = observed.shape
        block = _new_block(projections)
        lanes = num_views * LANES
        log_weights, omega, weights = np.empty(lanes), np.empty(lanes), np.empty(lanes)
        total, points, crosses = np.empty(FORM_SLOTS * LANES), np.empty(3 * LANES), np.empty(LANES)
        for first in range(0, num_batch * num_joints, LANES):
            num = min(LANES, num_batch * num_joints - first)
            _load(points_px, observed, first, num, block)
            _agree_weights(GIVEN, factors, first, num, block.pixels, log_weights, weights)
            row_factors_squared(log_weights, 1.0, omega)
            solve_weighted(
                block.rows, block.forms, omega, PARALLEL_WEIGHTED, total, points, crosses
            )
            for k in range(num):
                b, j = (first + k) // num_joints, (first + k) % num_joints
                good = crosses[k] > 0.0 and _count_seen(block.pixels, block.rows, points, k)[1] >= 2
                center = block.centers[b if block.centers.shape[0] > 1 else 0]
                for axis in range(3):
                    x = 1e3 * points[axis * LANES + k] + center[axis]
                    points_mm[b, j, axis] = x if good else math.nan

    return weighted


def _make_residual_scales(fingerprint: str) -> Callable[..., None]:
    @njit(**CACHED)
    def residual_scales(
        points_px: np.ndarray,
        observed: np.ndarray,
        projections: np.ndarray,
        tables: Tables,
        scales_mm: np.ndarray,
    ) -> None:
        """Per joint (B, J) the residual of `least_quantile` in mm; NaN below three views."""
        assert fingerprint
        num_batch, _, num_joints = observed.shape
        block = _new_block(projections)
        candidates, least = np.empty(len(tables.pairs) * CANDIDATE_SLOTS * LANES), np.empty(LANES)
        for first in range(0, num_batch * num_joints, LANES):
            num = min(LANES, num_batch * num_joints - first)
            _load(points_px, observed, first, num, block)
            solve_pairs(block.forms, tables.pairs, candidates)
            least_quantile(
                candidates,
                block.rows,
                block.pixels,
                block.lane_focal,
                tables.all_views_network,
                least,
            )
            for k in range(num):
                b, j = (first + k) // num_joints, (first + k) % num_joints
                scales_mm[b, j] = 1e3 * math.sqrt(least[k]) if least[k] < FAR else math.nan

    return residual_scales


_FINGERPRINT = _fingerprint()
robust = _make_robust(_FINGERPRINT)
weighted = _make_weighted(_FINGERPRINT)
residual_scales = _make_residual_scales(_FINGERPRINT)
