"""Ground and cameras: what stays on the stage for the whole recording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.scene.shapes import (
    court_areas,
    court_lines,
    disc,
    frustum_faces,
    frustum_lines,
    polyline,
    round_grid,
)
from app.scene.strokes import faces, lines, mixed, no_faces, no_strokes, rgba
from app.scene.viewpoint import border_px

if TYPE_CHECKING:
    from app.scene.stage import Stage
    from app.scene.strokes import Faces, Strokes
    from app.theme import Theme
    from core.geometry import Camera, Rig

_FRUSTUM_REACH = 0.085  # of the stage's radius
_GRID_REACH = 1.15  # of the stage's radius


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraMarks:
    """Which camera is shown how.

    Attributes:
        focused: the session's camera.
        hovered: under the pointer, or None.
        through: the one that is looked through, or None.
    """

    focused: int
    hovered: int | None = None
    through: int | None = None


def ground_faces(stage: Stage, theme: Theme) -> Faces:
    """A soft floor, a little lighter than the background."""
    if stage.is_court:
        return np.concatenate(
            [
                faces(triangles / stage.unit_mm, mixed(theme.canvas, theme.line, strength))
                for triangles, strength in court_areas()
            ]
        )
    floor = disc(np.zeros(3), _GRID_REACH * stage.radius, 48)
    result = faces(floor, rgba(theme.line, 0.0))
    result["a_color"][0::3] = rgba(theme.line, 0.7)
    return result


def ground_lines(stage: Stage, theme: Theme) -> Strokes:
    """The court's lines, or a grid that fades away from the middle."""
    if stage.is_court:
        color = mixed(theme.line, theme.muted, 0.75)
        return lines(court_lines() / stage.unit_mm, color, radius=0.025, px=(0.5, 1.8))
    reach = min(_GRID_REACH * stage.radius, 24 * stage.grid_step)
    segments, distance = round_grid(reach, stage.grid_step)
    colors = np.tile(rgba(theme.muted), (len(distance), 1))
    colors[:, 3] = 0.38 * np.clip(1 - distance / reach, 0, 1)
    return lines(segments, colors)


def camera_lines(stage: Stage, rig: Rig, theme: Theme, marks: CameraMarks) -> Strokes:
    """The frusta; the focused camera's and the hovered one's stand out."""
    reach = _reach_mm(stage)
    parts = [no_strokes()]
    for index, camera in enumerate(rig):
        if index == marks.through:
            parts.append(_picture_border(stage, camera, theme))
            continue
        stands_out = index in (marks.focused, marks.hovered)
        color = rgba(theme.accent) if stands_out else mixed(theme.canvas, theme.muted, 0.75)
        half = 0.8 if stands_out else 0.55
        segments = stage.place(frustum_lines(camera, reach))
        parts.append(lines(segments, color, px=(half, half), outline_px=0.6))
    return np.concatenate(parts)


def camera_faces(stage: Stage, rig: Rig, theme: Theme, marks: CameraMarks) -> Faces:
    """A breath of colour in the frusta that stand out."""
    chosen = {marks.focused, marks.hovered} - {None, marks.through}
    parts = [no_faces()]
    for index in chosen:
        assert index is not None
        sides = stage.place(frustum_faces(rig[index], _reach_mm(stage)))
        parts.append(faces(sides, rgba(theme.accent, 0.07)))
    return np.concatenate(parts)


def _reach_mm(stage: Stage) -> float:
    return _FRUSTUM_REACH * stage.radius * stage.unit_mm


def _picture_border(stage: Stage, camera: Camera, theme: Theme) -> Strokes:
    """Where the picture ends, as the camera sees it: curved by the undoing of its distortion."""
    border = border_px(camera)
    K_inverse = np.linalg.inv(camera.K)
    rays = np.column_stack([border, np.ones(len(border))]) @ K_inverse.T
    points = camera.center_mm + (rays * _reach_mm(stage)) @ camera.R
    segments = polyline(stage.place(points), closed=True).reshape(-1, 2, 3)
    segments = segments[np.isfinite(segments).all(axis=(1, 2))].reshape(-1, 3)
    return lines(segments, rgba(theme.muted), px=(0.6, 0.6))
