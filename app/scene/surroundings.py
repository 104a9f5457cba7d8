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
    from numpy.typing import NDArray

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


@dataclass(frozen=True, slots=True, eq=False)
class Frusta:
    """The cameras of a rig on the stage; made once, since lenses are slow to invert.

    Attributes:
        edges: for each camera, the segments of its frustum.
        sides: for each camera, the triangles of its frustum.
        borders: for each camera, the segments of its picture's border as the camera sees it.
    """

    edges: tuple[NDArray[np.float64], ...]
    sides: tuple[NDArray[np.float64], ...]
    borders: tuple[NDArray[np.float64], ...]


def place_frusta(stage: Stage, rig: Rig) -> Frusta:
    """Where the cameras are."""
    reach = _FRUSTUM_REACH * stage.radius * stage.unit_mm
    return Frusta(
        edges=tuple(stage.place(frustum_lines(camera, reach)) for camera in rig),
        sides=tuple(stage.place(frustum_faces(camera, reach)) for camera in rig),
        borders=tuple(_picture_border(stage, camera, reach) for camera in rig),
    )


def camera_lines(frusta: Frusta, theme: Theme, marks: CameraMarks) -> Strokes:
    """The frusta; the focused camera's and the hovered one's stand out."""
    parts = [no_strokes()]
    for index, edges in enumerate(frusta.edges):
        if index == marks.through:
            parts.append(lines(frusta.borders[index], rgba(theme.muted), px=(0.6, 0.6)))
            continue
        stands_out = index in (marks.focused, marks.hovered)
        color = rgba(theme.accent) if stands_out else mixed(theme.canvas, theme.muted, 0.75)
        half = 0.8 if stands_out else 0.55
        parts.append(lines(edges, color, px=(half, half), outline_px=0.6))
    return np.concatenate(parts)


def camera_faces(frusta: Frusta, theme: Theme, marks: CameraMarks) -> Faces:
    """A breath of colour in the frusta that stand out."""
    parts = [
        faces(sides, rgba(theme.accent, 0.07))
        for index, sides in enumerate(frusta.sides)
        if index in (marks.focused, marks.hovered) and index != marks.through
    ]
    return np.concatenate([no_faces(), *parts])


def _picture_border(stage: Stage, camera: Camera, depth_mm: float) -> NDArray[np.float64]:
    """Where the picture ends, curved by the undoing of its distortion."""
    border = border_px(camera)
    x, y = camera.lens.to_normalised(border[:, 0], border[:, 1])
    at_depth = np.stack([x, y, np.ones_like(x)], axis=-1) * depth_mm
    points = (at_depth - camera.t_mm) @ np.linalg.inv(camera.R).T
    segments = polyline(stage.place(points), closed=True).reshape(-1, 2, 3)
    return segments[np.isfinite(segments).all(axis=(1, 2))].reshape(-1, 3)
