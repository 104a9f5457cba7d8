"""Where to stand: the first picture, a person's, a camera's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from app.scene.viewpoint import OrbitView, PictureView, frame_px

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.scene.stage import Stage
    from app.scene.viewpoint import Size
    from core.geometry import Camera

# Degrees above the ground, for canvases from so many times as wide as they are high: a tall canvas
# is filled by looking down.
_ELEVATIONS = ((1.2, 27.0), (0.8, 38.0), (0.0, 50.0))
# A little from the side: what is seen straight along its axes looks flat.
_AZIMUTHS = (18.0, 63.0, 108.0, 153.0, 198.0, 243.0, 288.0, 333.0)
_COURT_AZIMUTHS = (18.0, 108.0)
_MARGIN_PX = 22.0
# The cameras come into the first picture unless the action would shrink by more than this.
_MOST_SHRINKING = 2.8


def first_view(stage: Stage, size: Size) -> OrbitView:
    """All of the action, as large as the canvas allows, and the cameras if they are near enough.

    A wide canvas sees a court from its long side, a tall one along it.
    """
    elevation = next(degrees for aspect, degrees in _ELEVATIONS if size[0] >= aspect * size[1])
    azimuths = _COURT_AZIMUTHS if stage.is_court else _AZIMUTHS
    views = [
        _fit(stage, OrbitView(np.zeros(3), 1.0, azimuth, elevation), size) for azimuth in azimuths
    ]
    return max(views, key=lambda view: _apparent_area(stage, view, size))


def _apparent_area(stage: Stage, view: OrbitView, size: Size) -> float:
    """Of the box about the action, as drawn, square pixels."""
    drawn = view.pinhole(size).project(stage.action)
    return float(np.prod(np.ptp(drawn, axis=0)))


def _fit(stage: Stage, view: OrbitView, size: Size) -> OrbitView:
    margin = min(_MARGIN_PX, 0.08 * min(size))
    near = view.fitted(stage.action, size, margin)
    whole = view.fitted(np.concatenate([stage.action, stage.cameras]), size, margin)
    if whole.distance <= _MOST_SHRINKING * near.distance:
        return whole
    # Far cameras: lean towards them as far as that goes.
    middle = stage.action.mean(axis=0)
    for share in (0.8, 0.65, 0.5, 0.35, 0.2):
        halfway = middle + share * (stage.cameras - middle)
        part = view.fitted(np.concatenate([stage.action, halfway]), size, margin)
        if part.distance <= _MOST_SHRINKING * near.distance:
            return part
    return near


def person_view(view: OrbitView, points: NDArray[np.float64], body: float, size: Size) -> OrbitView:
    """Near a person, from the same side.

    Args:
        view: the present one.
        points: (N, 3) the person's joints, stage units.
        body: how large people are.
        size: of the canvas.
    """
    middle = np.median(points, axis=0)
    corners = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    box = middle + body * corners * (0.4, 0.4, 0.62)
    fitted = view.fitted(box, size, 0.0)
    return replace(fitted, center=middle)


def picture_view(stage: Stage, camera: Camera) -> PictureView:
    """Through a camera."""
    return PictureView(
        K=camera.K,
        R=stage.direct(camera.R),
        eye=stage.place(camera.center_mm),
        frame_px=frame_px(camera),
    )
