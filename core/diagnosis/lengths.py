"""The lengths in force: what "auto" comes to, once the noise scale is known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from core.geometry import estimate_scale_mm
from core.geometry.method import SCALE_UNKNOWN_MM
from core.geometry.triangulation import SIGMA_SCALES, WSS_SCALES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.settings import TriangulationSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveLengths:
    """Millimetres.

    Attributes:
        scale_mm: the noise scale.
        sigma_mm: σ of Eq. 5.
        wss_threshold_mm: λ, against the root of WSS.
    """

    scale_mm: float
    sigma_mm: float
    wss_threshold_mm: float


def effective_lengths_mm(settings: TriangulationSettings) -> EffectiveLengths:
    """σ, λ and the noise scale as the triangulation will take them.

    A noise scale that has not been estimated counts as 10 mm here.
    """
    scale = SCALE_UNKNOWN_MM if settings.scale_mm is None else settings.scale_mm
    sigma, threshold = settings.sigma_mm, settings.wss_threshold_mm
    return EffectiveLengths(
        scale_mm=scale,
        sigma_mm=SIGMA_SCALES * scale if sigma == "auto" else sigma,
        wss_threshold_mm=WSS_SCALES * scale if threshold == "auto" else threshold,
    )


def with_scale(
    settings: TriangulationSettings,
    points_px: NDArray[np.float64],
    projections: NDArray[np.float64],
) -> TriangulationSettings:
    """The settings with the noise scale filled in, from undistorted points (..., C, J, 2)."""
    if settings.scale_mm is not None:
        return settings
    if not points_px.size:
        return replace(settings, scale_mm=SCALE_UNKNOWN_MM)
    return replace(settings, scale_mm=estimate_scale_mm(points_px, projections))


def arguments(settings: TriangulationSettings) -> dict[str, Any]:
    """The settings as keyword arguments of `core.geometry.robust_triangulate`."""
    return {
        "weighting": settings.weighting,
        "discard": settings.discard,
        "sigma_mm": settings.sigma_mm,
        "wss_threshold_mm": settings.wss_threshold_mm,
        "scale_mm": settings.scale_mm,
        "min_views": settings.min_views,
        "row_exponent": settings.row_exponent,
    }
