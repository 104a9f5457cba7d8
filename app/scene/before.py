"""The side before in 3D: of the selected person a thin broken figure, of everybody what changed.

A joint that moved further than the limit, or is kept on one side only, has a ring where it was, on
a hairline to where it is. While the blink key is held the figures themselves are the side before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app.scene.figures import place_figures
from app.scene.strokes import dashed, dots, lines, no_strokes, rgba
from app.theme import person_color
from core.curation.round_frame import changed_joints

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from app.scene.figures import Figures
    from app.scene.stage import Stage
    from app.scene.strokes import Strokes
    from app.session import Session
    from core.diagnosis import FrameDiagnosis

_DASH = 0.05  # of a body's size
_LONGEST_BONE = 0.6
_RING_PX = (3.5, 3.5)


def shown_diagnosis(session: Session) -> FrameDiagnosis | None:
    """Whose points are drawn as people: the side after, or while it blinks the other."""
    if session.is_blinking and session.before_diagnosis is not None:
        return session.before_diagnosis
    return session.diagnosis


def selected_row(session: Session, figures: Figures) -> int | None:
    """The row of the selected person among figures; None where it is not there."""
    person = session.cursor.person
    return figures.persons.index(person) if person in figures.persons else None


def before_strokes(
    session: Session, stage: Stage, figures: Figures, bones: Sequence[tuple[int, int]]
) -> Strokes:
    """What there is to draw of the side before; nothing where nothing is compared, or it blinks.

    Args:
        session: with both sides.
        stage: where it is drawn.
        figures: of the side after.
        bones: pairs of joint indices.
    """
    if session.compared is None or session.is_blinking:
        return no_strokes()
    before, after = session.before_diagnosis, session.diagnosis
    if before is None or after is None:
        return no_strokes()
    was = place_figures(stage, before)
    changed = changed_joints(before, after, session.display.moved_mm)
    parts = [no_strokes()]
    for row, person in enumerate(was.persons):
        is_own = person == session.cursor.person
        color = rgba(person_color(person).name(), 0.9 if is_own else 0.6)
        points = was.points[row]
        if is_own:
            parts.append(_broken_bones(stage, points, bones, color))
        joints = np.flatnonzero(changed[row] & np.isfinite(points[:, 0]))
        parts.append(dots(points[joints], color, px=_RING_PX, ring_px=0.9, outline_px=0.5))
        if person in figures.persons:
            now = figures.points[figures.persons.index(person), joints]
            ends = np.stack([points[joints], now], axis=1)
            ends = ends[np.isfinite(ends).all(axis=(1, 2))]
            parts.append(lines(ends.reshape(-1, 3), color, px=(0.6, 0.6), outline_px=0.5))
    return np.concatenate(parts)


def _broken_bones(
    stage: Stage,
    points: NDArray[np.float64],
    bones: Sequence[tuple[int, int]],
    color: tuple[float, float, float, float],
) -> Strokes:
    parts = [no_strokes()]
    for first, second in bones:
        start, end = points[first], points[second]
        if np.linalg.norm(end - start) < _LONGEST_BONE * stage.body:  # NaN is not
            dashes = dashed(start, end, _DASH * stage.body)
            parts.append(lines(dashes, color, px=(0.7, 0.7), outline_px=0.5))
    return np.concatenate(parts)
