"""One frame, triangulated and held against what was observed: what every panel shows.

A frame of 12 people in 8 views is diagnosed on the window's own thread, so each step here is one
vectorised call. Trap: a discarded joint has a point too (the fallback); ask `triangulation.kept`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.diagnosis.engine import imaged_left_out, left_out_by_evidence, observed_in, robust
from core.diagnosis.lengths import arguments, with_scale
from core.observations import Source

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.diagnosis.engine import Triangulation
    from core.geometry import Rig
    from core.observations import FrameObservations
    from core.settings import TriangulationSettings

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FrameDiagnosis:
    """All that follows from the observations of a frame, P persons x C cameras x J joints.

    Attributes:
        frame: 0-based frame index.
        persons: P person ids, as in the observations.
        settings: those asked for, with the noise scale filled in where it was None.
        observed: (P, C, J) bool: the observation took part.
        muted: (P, C, J) bool: there is an observation, and somebody muted it: it took no part, but
            it is shown with its residuals.
        hand: (P, C, J) bool: somebody answered for the view; counts for more (ADR 17).
        reprojected: (P, C, J) bool: the view has the joint where others put it; that it agrees with
            them says nothing.
        points_px: (P, C, J, 2) raw pixels, as observed.
        undistorted_px: (P, C, J, 2) the same undistorted; NaN where the lens cannot have seen it.
        triangulation: points_mm (P, J, 3), weights (P, C, J), … of `robust_triangulate`.
        reprojection_px: (P, C, J, 2) raw pixels of the 3D points, in every view.
        residual_px: (P, C, J) raw pixels between observation and reprojection; NaN = either absent.
        loo_points_mm: (P, C, J, 3) the point from the views other than c, with their weights; from
            network and hand alone, but where c is reprojected itself.
        loo_reprojection_px: (P, C, J, 2) raw pixels of that point in view c.
        loo_residual_px: (P, C, J) raw pixels between it and the observation in view c; undistorted
            ones where it lies beyond the fold-over of the lens. NaN = either absent.
    """

    frame: int
    persons: tuple[int, ...]
    settings: TriangulationSettings
    observed: NDArray[np.bool_]
    muted: NDArray[np.bool_]
    hand: NDArray[np.bool_]
    reprojected: NDArray[np.bool_]
    points_px: Floats
    undistorted_px: Floats
    triangulation: Triangulation
    reprojection_px: Floats
    residual_px: Floats
    loo_points_mm: Floats
    loo_reprojection_px: Floats
    loo_residual_px: Floats


def diagnose_frame(
    observations: FrameObservations,
    rig: Rig,
    settings: TriangulationSettings,
    muted: NDArray[np.bool_] | None = None,
) -> FrameDiagnosis:
    """Triangulate every person of a frame and measure it against every view.

    Where `settings.scale_mm` is None, the noise scale is that of this frame alone.

    Args:
        observations: of the frame.
        rig: C cameras.
        settings: how to triangulate.
        muted: (P, C, J) observations that shall take no part (`Project.muted`); None = none.
    """
    points = observations.points_px
    undistorted = rig.undistort(points)
    seen = observed_in(undistorted)
    silent = np.zeros_like(seen) if muted is None else np.asarray(seen & muted)
    observed = np.asarray(seen & ~silent)
    counted = np.where(observed[..., None], undistorted, np.nan)
    settings = with_scale(settings, counted, rig.projections)
    hand = observations.source == Source.HAND
    triangulation = robust(undistorted, rig.projections, observed, arguments(settings), hand)
    reprojected = observations.source == Source.REPROJECTED
    factors = triangulation.weights**settings.row_exponent
    others = left_out_by_evidence(undistorted, rig.projections, observed, factors, reprojected)
    reprojection = rig.project(triangulation.points_mm)
    loo_reprojection, loo_residual = imaged_left_out(rig, points, others)
    return FrameDiagnosis(
        frame=observations.frame,
        persons=observations.persons,
        settings=settings,
        observed=observed,
        muted=silent,
        hand=hand,
        reprojected=reprojected,
        points_px=points,
        undistorted_px=undistorted,
        triangulation=triangulation,
        reprojection_px=reprojection,
        residual_px=np.linalg.norm(reprojection - points, axis=-1),
        loo_points_mm=others.points_mm,
        loo_reprojection_px=loo_reprojection,
        loo_residual_px=loo_residual,
    )
