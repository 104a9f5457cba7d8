"""The face of robust triangulation: what it takes, what it answers, and which path computes it.

METHOD, section 1 (Eqs. 3-6 of the paper) and section 2 (consensus). Arrays go to the compiled
kernel, tensors to the differentiable torch path; neither is imported before it is called. All
checks of shapes and options stand here, once.

Traps: a joint is *discarded* (finite fallback point, kept False), *degenerate* (NaN point, kept
False) or seen by too few views (its point, kept False); test `kept`, not the point. The noise scale
changes σ, λ and consensus: give `scale_mm` wherever a joint's answer must not depend on its batch.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, TypeVar, cast

import numpy as np

from core.errors import DataError

if TYPE_CHECKING:
    import torch

ArrayT = TypeVar("ArrayT", bound="np.ndarray[Any, Any] | torch.Tensor")
Auto = Literal["auto"]

# Noise scales per σ and per λ where they are "auto"; chosen on the court (test_triangulation_auto).
SIGMA_SCALES = 3.0
WSS_SCALES = 4.0


@dataclass(frozen=True, slots=True)
class RobustTriangulation(Generic[ArrayT]):
    """What `robust_triangulate` answers; arrays or tensors, as they were given.

    Attributes:
        points_mm: (..., J, 3) world; the fallback where discarded, NaN where degenerate.
        weights: (..., C, J) in [0, 1] before any fallback; 0 where nothing was observed.
        wss_mm: (..., J) root of the mean squared distance of the candidates to the centre.
        kept: (..., J) bool.
        centers_mm: (..., J, 3) geometric median of the candidates; NaN without a usable pair.
        candidates_mm: (..., num_pairs, J, 3); NaN where a pair is not usable.
        pairs: (num_pairs, 2) view indices.
    """

    points_mm: ArrayT
    weights: ArrayT
    wss_mm: ArrayT
    kept: ArrayT
    centers_mm: ArrayT
    candidates_mm: ArrayT
    pairs: ArrayT


@dataclass(frozen=True, slots=True)
class LeaveOneOut(Generic[ArrayT]):
    """Every view against the others.

    Attributes:
        points_mm: (..., C, J, 3) the point from the views other than c; NaN where degenerate.
        residuals_px: (..., C, J) distance in view c between that point and the observation,
            undistorted pixels; NaN without an observation or a point in front of the camera.
    """

    points_mm: ArrayT
    residuals_px: ArrayT


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of one call, checked; "auto" and the noise scale resolved to millimetres."""

    weighting: Literal["none", "pairwise", "consensus", "given"]
    rule: Literal["wss", "support", "none"]
    sigma_mm: float
    wss_threshold_mm: float
    scale_mm: float
    min_views: int
    row_exponent: float


def _refuse(field: str, expected: str, found: str, remedy: str) -> NoReturn:
    raise DataError("triangulation", field, expected=expected, found=found, remedy=remedy)


def is_tensor(value: object) -> bool:
    """Whether `value` is a torch tensor, found out without importing torch."""
    torch_module = sys.modules.get("torch")
    return torch_module is not None and isinstance(value, torch_module.Tensor)


def _check_shapes(points_px: Any, projections: Any) -> None:  # noqa: ANN401
    shape: tuple[int, ...] = tuple(points_px.shape)
    if len(shape) < 3 or shape[-1] != 2:
        _refuse(
            "points_px",
            "shape (..., C, J, 2)",
            f"shape {shape}",
            "Give one pixel per view and joint.",
        )
    if str(points_px.dtype).rsplit(".", 1)[-1] not in ("float32", "float64"):
        _refuse("points_px", "float32 or float64", str(points_px.dtype), "Convert the pixels.")
    num_views = shape[-3]
    allowed = {(num_views, 3, 4), (*shape[:-3], num_views, 3, 4)}
    if tuple(projections.shape) not in allowed:
        _refuse(
            "projections",
            f"shape ({num_views}, 3, 4) or (..., {num_views}, 3, 4) with the batch of points_px",
            f"shape {tuple(projections.shape)}",
            "Give one px_from_world matrix per view of points_px.",
        )


def _check_per_view(name: str, value: Any, points_px: Any) -> None:  # noqa: ANN401
    if value is None:
        return
    expected = tuple(points_px.shape[:-1])
    if tuple(value.shape) != expected:
        _refuse(
            name,
            f"shape {expected}, that of points_px without its last axis",
            f"shape {tuple(value.shape)}",
            "Give one value per view and joint.",
        )
    if is_tensor(value) != is_tensor(points_px):
        _refuse(
            name,
            f"the kind of points_px ({type(points_px).__name__})",
            type(value).__name__,
            "Give arrays or tensors, not both.",
        )


def _check_length(name: str, value: object) -> None:
    if isinstance(value, str) and value == "auto":
        return
    number = isinstance(value, int | float | np.number)
    if value is not None and not (number and 0 < value < math.inf):
        _refuse(name, 'a positive number of millimetres, or "auto"', repr(value), "Correct it.")


def _names(weighting: object, discard: object) -> tuple[str, str]:
    """The weighting's name ("given" for a tensor) and the rule in force."""
    if isinstance(weighting, str):
        if weighting not in ("none", "pairwise", "consensus"):
            _refuse(
                "weighting",
                '"none", "pairwise", "consensus" or a (..., C, J) array',
                repr(weighting),
                "Choose one of these.",
            )
        name = weighting
    else:
        name = "given"
    if discard not in (None, "wss", "support", "none"):
        _refuse("discard", '"wss", "support", "none" or None', repr(discard), "Choose one.")
    defaults = {"pairwise": "wss", "consensus": "support"}
    return name, discard if isinstance(discard, str) else defaults.get(name, "none")


def _backend(points_px: object) -> Any:  # noqa: ANN401
    if is_tensor(points_px):
        from core.geometry import torch_triangulation

        return torch_triangulation
    from core.geometry import numpy_triangulation

    return numpy_triangulation


def robust_triangulate(
    points_px: ArrayT,
    projections: ArrayT,
    *,
    observed: ArrayT | None = None,
    weighting: Literal["none", "pairwise", "consensus"] | ArrayT = "pairwise",
    discard: Literal["wss", "support", "none"] | None = None,
    sigma_mm: float | Auto = 10.0,
    wss_threshold_mm: float | Auto = 20.0,
    scale_mm: float | None = None,
    min_views: int = 3,
    row_exponent: float = 1.0,
) -> RobustTriangulation[ArrayT]:
    """3D joints from several views, with a weight per view and a verdict per joint (Eqs. 3-6).

    Args:
        points_px: (..., C, J, 2) undistorted pixels, float32 or float64; NaN = not observed.
        projections: (C, 3, 4) or (..., C, 3, 4) px_from_world, millimetres.
        observed: (..., C, J) bool; default all finite. A point that is not finite never counts.
        weighting: ``none``, ``pairwise`` (the paper's), ``consensus``, or non-negative weights
            (..., C, J), through which the gradient flows.
        discard: None = ``wss`` for pairwise, ``support`` for consensus, ``none`` otherwise.
        sigma_mm: σ of Eq. 5, or ``auto``: from the noise scale.
        wss_threshold_mm: λ, against the root of WSS, or ``auto``.
        scale_mm: the noise scale; None = estimated on this batch where it is needed.
        min_views: joints with fewer observed views (``support``: supporting views) are not kept.
        row_exponent: both rows of view c are multiplied by w_c to this power.

    Returns:
        A `RobustTriangulation` of the same kind and type. The gradient reaches `points_mm` from
        `points_px` and given weights; every other output is a constant of the step.

    Raises:
        DataError: a shape, type or option is wrong.
    """
    _check_shapes(points_px, projections)
    _check_per_view("observed", observed, points_px)
    name, rule = _names(weighting, discard)
    given = None if isinstance(weighting, str) else weighting
    _check_per_view("weighting", given, points_px)
    for field, value in (("sigma_mm", sigma_mm), ("wss_threshold_mm", wss_threshold_mm)):
        _check_length(field, value)
    _check_length("scale_mm", scale_mm)
    if min_views < 2:
        _refuse("min_views", "2 or more", str(min_views), "Two views are the least.")
    if not 0 < row_exponent < math.inf:
        _refuse("row_exponent", "a positive number", repr(row_exponent), "The paper's is 1.")
    needs_scale = name == "consensus" or "auto" in (sigma_mm, wss_threshold_mm)
    if scale_mm is None:
        scale_mm = estimate_scale_mm(points_px, projections, observed) if needs_scale else 10.0
    options = Options(
        weighting=cast("Any", name),
        rule=cast("Any", rule),
        sigma_mm=SIGMA_SCALES * scale_mm if sigma_mm == "auto" else sigma_mm,
        wss_threshold_mm=(
            WSS_SCALES * scale_mm if wss_threshold_mm == "auto" else wss_threshold_mm
        ),
        scale_mm=scale_mm,
        min_views=min_views,
        row_exponent=row_exponent,
    )
    return _backend(points_px).robust(points_px, projections, observed, given, options)


def estimate_scale_mm(
    points_px: ArrayT, projections: ArrayT, observed: ArrayT | None = None
) -> float:
    """The noise of the observations, in millimetres at the joints (METHOD, section 2).

    The median over joints seen by at least three views of the least (⌈C/2⌉ + 1)-th residual that
    any pair's candidate leaves, times 1.2, clipped to 3-60 mm; 10 where no joint is seen by three.

    Args:
        points_px: (..., C, J, 2) undistorted pixels; NaN = not observed.
        projections: (C, 3, 4) or (..., C, 3, 4) px_from_world, millimetres.
        observed: (..., C, J) bool; default all finite.
    """
    _check_shapes(points_px, projections)
    _check_per_view("observed", observed, points_px)
    return _backend(points_px).estimate_scale(points_px, projections, observed)


def triangulate(
    points_px: ArrayT,
    projections: ArrayT,
    *,
    observed: ArrayT | None = None,
    weights: ArrayT | None = None,
) -> ArrayT:
    """Plain DLT, (..., J, 3) mm: the smallest singular vector of all rows in METHOD's gauge.

    Args:
        points_px: (..., C, J, 2) undistorted pixels; NaN = not observed.
        projections: (C, 3, 4) or (..., C, 3, 4) px_from_world, millimetres.
        observed: (..., C, J) bool; default all finite.
        weights: (..., C, J) row factors; default 1. NaN in the answer where it is degenerate.
    """
    _check_shapes(points_px, projections)
    _check_per_view("observed", observed, points_px)
    _check_per_view("weights", weights, points_px)
    return _backend(points_px).weighted(points_px, projections, observed, weights)


def leave_one_out(
    points_px: ArrayT,
    projections: ArrayT,
    *,
    observed: ArrayT | None = None,
    weights: ArrayT | None = None,
) -> LeaveOneOut[ArrayT]:
    """For each view the point of the others, and how far the view's observation is from it.

    Arguments as for `triangulate`; the others are weighted by `weights`.
    """
    _check_shapes(points_px, projections)
    _check_per_view("observed", observed, points_px)
    _check_per_view("weights", weights, points_px)
    return _backend(points_px).leave_one_out(points_px, projections, observed, weights)


def point_covariance_mm2(
    points_mm: ArrayT,
    projections: ArrayT,
    *,
    observed: ArrayT | None = None,
    weights: ArrayT | None = None,
    noise_px: float = 1.0,
) -> ArrayT:
    """Covariance (..., J, 3, 3) of the points in mm² under isotropic pixel noise in every view.

    The inverse of Σ_c w_c J_cᵀJ_c / noise², J_c the 2x3 derivative of view c's projection.

    Args:
        points_mm: (..., J, 3) world.
        projections: (C, 3, 4) or (..., C, 3, 4) px_from_world, millimetres.
        observed: (..., C, J) bool: the views that count; default all.
        weights: (..., C, J) the share of a view's information that counts; default 1.
        noise_px: standard deviation of an observation along each axis.

    Returns:
        NaN where the point is NaN or the views do not determine it.
    """
    shape: tuple[int, ...] = tuple(points_mm.shape)
    if len(shape) < 2 or shape[-1] != 3:
        _refuse("points_mm", "shape (..., J, 3)", f"shape {shape}", "Give 3D points.")
    num_views = projections.shape[-3] if len(projections.shape) >= 3 else 0
    allowed = {(num_views, 3, 4), (*shape[:-2], num_views, 3, 4)}
    if tuple(projections.shape) not in allowed:
        _refuse(
            "projections",
            "shape (C, 3, 4) or (..., C, 3, 4) with the batch of points_mm",
            f"shape {tuple(projections.shape)}",
            "Give one px_from_world matrix per view.",
        )
    per_view = (*shape[:-2], num_views, shape[-2])
    for name, value in (("observed", observed), ("weights", weights)):
        if value is not None and tuple(value.shape) != per_view:
            _refuse(name, f"shape {per_view}", f"shape {tuple(value.shape)}", "Correct it.")
    return _backend(points_mm).covariance(points_mm, projections, observed, weights, noise_px)


def warm_up() -> None:
    """Load the compiled kernels, or compile them on this machine's first start (seconds).

    Loading takes half a second; compiling about twenty, in which other threads of the process are
    held up by as much as 0.1 s at a time. So compile in a process of its own (the cache is shared),
    and load on a background thread.
    """
    rng = np.random.default_rng(0)
    projections = np.zeros((3, 3, 4))
    for c in range(3):
        angle = 2 * math.pi * c / 3
        projections[c] = [
            [500 * math.cos(angle), 0, 500 * math.sin(angle), 0],
            [0, 500, 0, 0],
            [-math.sin(angle), 0, math.cos(angle), 5000],
        ]
    points_px = rng.normal(0, 1, (1, 3, 1, 2))
    robust_triangulate(points_px, projections, weighting="consensus")
    leave_one_out(points_px, projections)
