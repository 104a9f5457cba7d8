"""What people did to joints, by its form: ghosts of their labels, reviews, a joint being dragged.

A ghost is translucent, with a hairline to the joint that the triangulation makes of everything.
An accepted joint has a diamond about it, a locked one a square, a rejected one a grey cross; they
stand at the accepted point where there is one. Red is a warning only: a ghost of rays that are
nearly parallel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.scene.shapes import polyline
from app.scene.strokes import crosses, dots, lines, no_strokes, outlines, rgba
from app.theme import person_color
from core.labelling.ghosts import NEAR_PARALLEL_DEGREES
from core.project import ReviewState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from app.scene.dragging import SpaceDrag
    from app.scene.figures import Figures
    from app.scene.stage import Stage
    from app.scene.strokes import Strokes
    from app.theme import Theme
    from core.labelling import Ghosts
    from core.project import PointKey, Project

_SQUARE = ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0))
_DIAMOND = ((0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0))
_SELECTED_PX, _OTHERS_PX = 6.5, 4.0
_GHOST = 0.028  # of a body's size
# Shorter leashes would only be dirt on the joint, share of a body's size.
_SHORTEST_LEASH = 0.012
_LEVEL_RADIUS, _PAST = 0.3, 0.25  # of a body's size


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """What people decided about the joints of a frame, in the rows of its figures.

    Attributes:
        state: (P, J) uint8, values of `ReviewState`.
        accepted: (P, J, 3) accepted points, stage units; NaN = none.
        muted: (P, C, J) observations that were taken out.
    """

    state: NDArray[np.uint8]
    accepted: NDArray[np.float64]
    muted: NDArray[np.bool_]


def read_decisions(project: Project, stage: Stage, frame: int, persons: Sequence[int]) -> Decisions:
    """What is stored about these persons at a frame."""
    shape = (len(persons), project.skeleton.num_joints, 3)
    accepted = np.full(shape, np.nan)
    known, points_mm = project.accepted(frame)
    for row, person in enumerate(persons):
        if person in known:
            accepted[row] = stage.place(points_mm[known.index(person)])
    return Decisions(
        state=project.reviews(frame).of(persons),
        accepted=accepted,
        muted=project.muted(frame, persons),
    )


def review_strokes(
    figures: Figures,
    decisions: Decisions,
    selected: int | None,
    theme: Theme,
) -> Strokes:
    """The forms of accepted, locked and rejected joints.

    Args:
        figures: who is there.
        decisions: about them.
        selected: row of the selected person; None = nobody.
        theme: colours.
    """
    parts = [no_strokes()]
    has_accepted = np.isfinite(decisions.accepted[..., 0])
    places = np.where(has_accepted[..., None], decisions.accepted, figures.points)
    shown = np.isfinite(places[..., 0]) & (decisions.state != ReviewState.UNREVIEWED)
    for row in np.flatnonzero(shown.any(axis=1)).tolist():
        is_own = selected in (None, row)
        arm = _SELECTED_PX if is_own else _OTHERS_PX
        color = rgba(person_color(figures.persons[row]).name(), 1.0 if is_own else 0.7)
        for state, corners in ((ReviewState.ACCEPTED, _DIAMOND), (ReviewState.LOCKED, _SQUARE)):
            points = places[row, shown[row] & (decisions.state[row] == state)]
            sized = [(arm * x, arm * y) for x, y in corners]
            parts.append(outlines(points, color, sized, px=0.9 if is_own else 0.6))
        rejected = places[row, shown[row] & (decisions.state[row] == ReviewState.REJECTED)]
        parts.append(crosses(rejected, rgba(theme.muted), arm_px=0.8 * arm, px=0.9))
        ends = np.stack([figures.points[row], decisions.accepted[row]], axis=1)
        parts.append(_leashes(ends[shown[row]], 0.0, color))
    return np.concatenate(parts)


def ghost_strokes(
    stage: Stage, figures: Figures, ghosts: Ghosts | None, selected: int | None, theme: Theme
) -> Strokes:
    """Where labels of the hand alone put joints."""
    parts = [no_strokes()]
    if ghosts is None:
        return parts[0]
    placed = stage.place(ghosts.points_mm)
    known = np.linalg.norm(placed, axis=2) < 2.5 * stage.radius
    for row in np.flatnonzero(known.any(axis=1)).tolist():
        person = ghosts.persons[row]
        is_own = selected is not None and figures.persons[selected] == person
        color = rgba(person_color(person).name(), 0.5 if is_own else 0.3)
        joints = np.flatnonzero(known[row])
        parts.append(dots(placed[row, joints], color, radius=_GHOST * stage.body, px=(3.0, 12.0)))
        doubtful = joints[ghosts.angle_deg[row, joints] < NEAR_PARALLEL_DEGREES]
        parts.append(dots(placed[row, doubtful], rgba(theme.problem), px=(7.0, 7.0), ring_px=1.2))
        if person in figures.persons:
            joined = figures.points[figures.persons.index(person), joints]
            ends = np.stack([placed[row, joints], joined], axis=1)
            parts.append(_leashes(ends, _SHORTEST_LEASH * stage.body, color))
    return np.concatenate(parts)


def drag_strokes(
    stage: Stage,
    figures: Figures,
    bones: Sequence[tuple[int, int]],
    points_mm: Mapping[PointKey, tuple[float, float, float]],
    drag: SpaceDrag | None,
    theme: Theme,
) -> Strokes:
    """Joints that are being dragged in space: their bones, where they came from, where they stand.

    Args:
        stage: where it is drawn.
        figures: who is there.
        bones: pairs of joint indices.
        points_mm: where the joints are, world.
        drag: what the pointer is doing here; None = nothing.
        theme: colours.
    """
    parts = [no_strokes()]
    for key, point_mm in points_mm.items():
        if key.person not in figures.persons:
            continue
        row = figures.persons.index(key.person)
        point = stage.place(np.array(point_mm))
        color = rgba(person_color(key.person).name())
        neighbours = [b if a == key.joint else a for a, b in bones if key.joint in (a, b)]
        ends = np.stack([_fan(point, len(neighbours)), figures.points[row, neighbours]], axis=1)
        parts.append(_leashes(ends, 0.0, color, px=1.4))
        foot = point * (1.0, 1.0, 0.0)
        parts.append(lines(np.stack([point, foot]), rgba(theme.muted), px=(0.5, 0.5)))
        parts.append(dots(foot[None], rgba(theme.muted), px=(3.0, 3.0), ring_px=1.0))
        came = np.stack([figures.points[row, key.joint], point])[None]
        parts.append(_leashes(came, 0.0, rgba(theme.accent, 0.8)))
        if drag is not None:
            parts.append(_constraint(stage, drag, theme))
        parts.append(dots(point[None], color, px=(4.0, 4.0), outline_px=1.0))
        parts.append(dots(point[None], rgba(theme.accent), px=(7.5, 7.5), ring_px=1.6))
    return np.concatenate(parts)


def _constraint(stage: Stage, drag: SpaceDrag, theme: Theme) -> Strokes:
    """What the drag keeps to: a level circle, or the camera's ray; the picture's plane is plain."""
    color = rgba(theme.accent, 0.9)
    if drag.constraint == "level":
        angles = np.linspace(0, 2 * np.pi, 33)
        around = np.column_stack([np.cos(angles), np.sin(angles), np.zeros_like(angles)])
        circle = drag.point + _LEVEL_RADIUS * stage.body * around
        return lines(polyline(circle), color, px=(0.6, 0.6), outline_px=0.6)
    if drag.constraint == "ray":
        direction = drag.ray.direction / np.linalg.norm(drag.ray.direction)
        end = drag.point + _PAST * stage.body * direction
        ends = np.stack([drag.ray.origin, end])
        return lines(ends, color, px=(0.9, 0.9), outline_px=0.7)
    return no_strokes()


def _fan(point: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    return np.broadcast_to(point, (count, 3))


def _leashes(
    ends: NDArray[np.float64],
    shortest: float,
    color: tuple[float, float, float, float],
    *,
    px: float = 0.5,
) -> Strokes:
    """Lines between pairs (N, 2, 3) of points, where both are known and apart."""
    long = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1) > shortest
    return lines(ends[long].reshape(-1, 3), color, px=(px, px), outline_px=0.5)
