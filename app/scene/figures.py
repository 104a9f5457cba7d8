"""People on the stage: bones, joints, what was discarded, their shadows, and the truth.

A kept joint is a solid dot, a discarded one a red cross at the point it fell back to. Bones that
lead to a discarded joint are hairlines, drawn only where they could be a bone: a fallback point
may lie anywhere. The selected person has full colour and thickness, everybody else is dimmed
towards the background.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.scene.strokes import crosses, dots, faces, lines, mixed, no_faces, no_strokes, rgba
from app.theme import person_color

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from app.scene.stage import Stage
    from app.scene.strokes import Faces, Strokes
    from app.scene.viewpoint import Pinhole
    from app.theme import Theme
    from core.diagnosis import FrameDiagnosis

# Shares of a body's size.
_JOINT, _BONE, _SHADOW = 0.019, 0.0095, 0.19
_LONGEST_BONE = 0.6
_DOT_LEAD = 0.15  # more than half a usual bone
# Limits of half the thickness, logical pixels: (joint, bone) of the selected person and of others.
_SELECTED_PX = ((2.4, 9.0), (1.3, 5.5))
_OTHERS_PX = ((1.2, 7.0), (0.8, 4.5))
_DIMMED = {"dark": 0.42, "light": 0.3}
# Joints stand out from bones: towards white or black by so much.
_LIGHTER, _LIGHTEST = 0.3, {"dark": 1.0, "light": 0.0}
_CROSS_PX, _FAINT_CROSS_PX = 4.0, 2.4


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """The people of a frame on the stage.

    Attributes:
        persons: (P) ids.
        points: (P, J, 3) stage units; NaN where there is none, or where it is nowhere near.
        kept: (P, J) solid joints.
        tops: (P, 3) above each head, where the label goes; NaN for somebody without joints.
    """

    persons: tuple[int, ...]
    points: NDArray[np.float64]
    kept: NDArray[np.bool_]
    tops: NDArray[np.float64]


NOBODY = Figures((), np.empty((0, 1, 3)), np.empty((0, 1), dtype=np.bool_), np.empty((0, 3)))


def place_figures(stage: Stage, diagnosis: FrameDiagnosis | None) -> Figures:
    """Where the people of a diagnosed frame are."""
    if diagnosis is None or not len(diagnosis.persons):
        return NOBODY
    points = stage.place(diagnosis.triangulation.points_mm)
    far = ~(np.linalg.norm(points, axis=2) < 2.5 * stage.radius)
    points = np.where(far[..., None], np.nan, points)
    kept: NDArray[np.bool_] = diagnosis.triangulation.kept & ~far
    return Figures(tuple(diagnosis.persons), points, kept, _tops(stage, points, kept))


def _tops(
    stage: Stage, points: NDArray[np.float64], kept: NDArray[np.bool_]
) -> NDArray[np.float64]:
    tops = np.full((len(points), 3), np.nan)
    for row, (joints, solid) in enumerate(zip(points, kept, strict=True)):
        placed = joints[solid] if solid.any() else joints[np.isfinite(joints[:, 2])]
        if len(placed):
            tops[row] = *np.median(placed[:, :2], axis=0), placed[:, 2].max() + 0.06 * stage.body
    return tops


def person_colors(
    persons: Sequence[int], selected: int | None, theme: Theme
) -> NDArray[np.float64]:
    """(P, 4) their colours, dimmed for all but the selected row where there is one."""
    names = [person_color(person).name() for person in persons]
    return np.array(
        [
            rgba(name)
            if selected in (None, row)
            else mixed(name, theme.canvas, _DIMMED[theme.name])
            for row, name in enumerate(names)
        ]
    ).reshape(-1, 4)


def figure_strokes(
    stage: Stage,
    figures: Figures,
    bones: Sequence[tuple[int, int]],
    selected: int | None,
    theme: Theme,
    *,
    size: float = 1.0,
) -> Strokes:
    """Bones and joints of everybody.

    Args:
        stage: where they are drawn.
        figures: who is there.
        bones: pairs of joint indices.
        selected: row of the selected person; None = nobody, and all look alike.
        theme: colours.
        size: factor of all thicknesses.
    """
    if not figures.persons:
        return no_strokes()
    colors = person_colors(figures.persons, selected, theme)
    strokes = np.concatenate(
        [
            _bone_strokes(stage, figures, bones, selected, colors),
            _joint_strokes(stage, figures, selected, colors, theme),
            _discarded_strokes(figures, selected, theme),
        ]
    )
    strokes["a_radius"] *= size
    return strokes


def _bone_strokes(
    stage: Stage,
    figures: Figures,
    bones: Sequence[tuple[int, int]],
    selected: int | None,
    colors: NDArray[np.float64],
) -> Strokes:
    if not bones:
        return no_strokes()
    pairs = np.asarray(bones)
    ends = figures.points[:, pairs]  # (P, B, 2, 3)
    is_solid = figures.kept[:, pairs[:, 0]] & figures.kept[:, pairs[:, 1]]
    length = np.linalg.norm(ends[:, :, 0] - ends[:, :, 1], axis=2)
    is_shown = is_solid | (length < _LONGEST_BONE * stage.body)
    row, bone = np.nonzero(is_shown & np.isfinite(length))
    solid = is_solid[row, bone]
    strokes = lines(
        ends[row, bone].reshape(-1, 3),
        colors[row],
        radius=np.where(solid, _BONE * stage.body, 0.0),
        outline_px=1.0,
        shading=0.3,
    )
    limits = np.where((row == selected)[:, None], _SELECTED_PX[1], _OTHERS_PX[1])
    strokes["a_radius"][:, 1:] = np.where(solid[:, None], limits, 0.5)
    return strokes


def _joint_strokes(
    stage: Stage,
    figures: Figures,
    selected: int | None,
    colors: NDArray[np.float64],
    theme: Theme,
) -> Strokes:
    row, joint = np.nonzero(figures.kept)
    lit = colors + (_LIGHTEST[theme.name] - colors) * _LIGHTER
    lit[:, 3] = 1.0
    strokes = dots(
        figures.points[row, joint],
        lit[row],
        radius=_JOINT * stage.body,
        shading=0.25,
    )
    limits = np.where((row == selected)[:, None], _SELECTED_PX[0], _OTHERS_PX[0])
    strokes["a_radius"][:, 1:] = limits
    return strokes


def _discarded_strokes(figures: Figures, selected: int | None, theme: Theme) -> Strokes:
    row, joint = np.nonzero(np.isfinite(figures.points[..., 0]) & ~figures.kept)
    points = figures.points[row, joint]
    own = (row == selected) | (selected is None)
    faint = mixed(theme.problem, theme.canvas, _DIMMED[theme.name])
    return np.concatenate(
        [
            crosses(points[~own], faint, arm_px=_FAINT_CROSS_PX, px=0.6),
            crosses(points[own], rgba(theme.problem), arm_px=_CROSS_PX, px=0.9),
        ]
    )


def shadow_faces(stage: Stage, figures: Figures, theme: Theme) -> Faces:
    """A soft spot on the ground under everybody: it tells where they stand."""
    feet = figures.tops[np.isfinite(figures.tops[:, 0])] * (1.0, 1.0, 0.0)
    if not len(feet):
        return no_faces()
    angles = np.linspace(0, 2 * np.pi, 17)
    rim = np.column_stack([np.cos(angles), np.sin(angles), np.zeros(17)]) * _SHADOW * stage.body
    spot = np.stack([np.zeros((16, 3)), rim[:-1], rim[1:]], axis=1).reshape(-1, 3)
    dark = "#000000" if theme.name == "dark" else theme.text
    result = faces((feet[:, None] + spot).reshape(-1, 3), rgba(dark, 0.0))
    result["a_color"][0::3] = rgba(dark, 0.55 if theme.name == "dark" else 0.4)
    return result


def truth_strokes(
    stage: Stage,
    points_mm: NDArray[np.float64],
    bones: Sequence[tuple[int, int]],
    theme: Theme,
) -> Strokes:
    """The true poses (P, J, 3) of a generated match, thin."""
    if not len(points_mm) or not bones:
        return no_strokes()
    ends = stage.place(points_mm)[:, np.asarray(bones)]
    ends = ends[np.isfinite(ends).all(axis=(2, 3))]
    return lines(ends.reshape(-1, 3), rgba(theme.accent), px=(0.6, 0.6), outline_px=0.6)


def far_to_near(body: float, strokes: Strokes, pinhole: Pinhole) -> NDArray[np.intp]:
    """(N,) the order in which strokes are painted so that near ones cover far ones.

    Bones count by their middle, dots as a little nearer than they are: a joint then lies over the
    bones that it ends, and still behind a limb that passes in front of it.
    """
    depth = pinhole.depth((strokes["a_start"] + strokes["a_end"]) / 2)
    is_dot = (strokes["a_start"] == strokes["a_end"]).all(axis=1)
    return np.argsort(_DOT_LEAD * body * is_dot - depth, kind="stable")
