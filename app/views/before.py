"""The side before, over the views: where joints were in the round that is compared with.

Of the selected person a thin broken figure and the joints that moved further than the limit or are
kept on one side only, each on a leash to where it is now; where nobody is selected, of everybody
those joints (a crowd of ghosts hides what one looks at). No colour but the person's; what the
triangulation had not seen before is not drawn. While the blink key is held the views show the side
before itself, and none of this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QLineF, QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from app import theme
from app.views.marking import read_marks
from app.views.overlay import joint_radius
from app.views.scene import build_scenes
from core.curation.round_frame import changed_joints

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.session import Session
    from app.views.overlay import OverlayStyle
    from app.views.scene import ViewScene
    from app.views.transform import ViewTransform

_CASING = QColor(0, 0, 0, 110)
_DASHES = [4.0, 3.0]
# Shorter leashes would be hidden by the joint at their end; widget pixels.
_MIN_LEASH = 3.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BeforeSide:
    """A frame of the side before, P persons.

    Attributes:
        frame: 0-based.
        persons: ids.
        points_px: (P, C, J, 2) raw pixels, the observations before; NaN = none.
        is_changed: (P, J) moved further than the limit, or kept on one side only.
    """

    frame: int
    persons: tuple[int, ...]
    points_px: NDArray[np.float64]
    is_changed: NDArray[np.bool_]


def shown_scenes(session: Session) -> tuple[ViewScene, ...]:
    """What the views show of the cursor's frame: the side after, or while it blinks the other."""
    project, seen, diagnosis = session.project, session.observations, session.diagnosis
    reviews = session.reviews
    if project is None or seen is None:
        return ()
    if session.is_blinking and session.before is not None:
        seen, diagnosis = session.before, session.before_diagnosis
        reviews = project.reviews(seen.frame).of(seen.persons)
    return build_scenes(seen, diagnosis, read_marks(project, seen, reviews))


class BeforeLayer:
    """The side before of the frame shown, worked out once for all views and paintings."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._of: tuple[object, ...] = ()
        self._side: BeforeSide | None = None

    @property
    def side(self) -> BeforeSide | None:
        """None where there is nothing to draw."""
        session = self._session
        if session.compared is None:
            return None
        diagnosis, blinks = session.before_diagnosis, session.is_blinking
        key = (diagnosis, session.diagnosis, session.display.moved_mm, blinks)
        if len(key) != len(self._of) or any(a is not b for a, b in zip(key, self._of, strict=True)):
            self._of, self._side = key, before_side(session)
        return self._side


def before_side(session: Session) -> BeforeSide | None:
    """What there is to draw over the views; None where nothing is compared, or while it blinks."""
    if session.compared is None or session.is_blinking:
        return None
    seen, diagnosis, after = session.before, session.before_diagnosis, session.diagnosis
    if seen is None or diagnosis is None or after is None:
        return None
    return BeforeSide(
        frame=seen.frame,
        persons=seen.persons,
        points_px=seen.points_px,
        is_changed=changed_joints(diagnosis, after, session.display.moved_mm),
    )


def paint_before(
    painter: QPainter,
    side: BeforeSide,
    scene: ViewScene,
    transform: ViewTransform,
    style: OverlayStyle,
    selected: int | None,
) -> None:
    """Draw the side before in one view.

    Args:
        painter: of the widget.
        side: the frame before; nothing is drawn where the view shows another one.
        scene: what the view shows now.
        transform: of the view.
        style: bones and sizes.
        selected: id of the selected person.
    """
    if side.frame != scene.frame:
        return
    radius = joint_radius(scene, transform, style.display.point_size)
    points = transform.to_widget(side.points_px[:, scene.camera])
    box = transform.box
    inside = (points >= (box.x, box.y)) & (points <= (box.right, box.bottom))
    points = np.where(inside.all(axis=-1, keepdims=True), points, np.nan)
    for row, person in enumerate(side.persons):
        if selected in side.persons and person != selected:
            continue
        joints = np.flatnonzero(side.is_changed[row] & np.isfinite(points[row, :, 0]))
        color = theme.person_color(person)
        if person == selected and len(style.bones):
            ends = points[row][style.bones]
            _paint_lines(painter, ends[np.isfinite(ends).all(axis=(1, 2))], color, dashed=True)
        if not len(joints):
            continue
        now = scene.row_of(person)
        if now is not None:
            end = transform.to_widget(scene.points_px[now, joints])
            leashes = np.stack([points[row, joints], end], axis=1)
            away = np.linalg.norm(leashes[:, 1] - leashes[:, 0], axis=-1)
            _paint_lines(painter, leashes[away >= _MIN_LEASH], color, dashed=False)
        _paint_rings(painter, points[row, joints], radius * 0.8, color)


def _paint_lines(
    painter: QPainter, ends: NDArray[np.float64], color: QColor, *, dashed: bool
) -> None:
    """Lines (N, 2, 2), thin."""
    if not len(ends):
        return
    lines = [QLineF(*line) for line in ends.reshape(-1, 4).tolist()]
    painter.setPen(QPen(_CASING, 2.6))
    painter.drawLines(lines)
    pen = QPen(color, 1.1)
    if dashed:
        pen.setDashPattern(_DASHES)
    painter.setPen(pen)
    painter.drawLines(lines)


def _paint_rings(
    painter: QPainter, middles: NDArray[np.float64], radius: float, color: QColor
) -> None:
    """Broken rings: ghosts of joints."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    dashed = QPen(color, 1.3, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap)
    dashed.setDashPattern([2.0, 1.5])
    for pen in (QPen(_CASING, 2.6), dashed):
        painter.setPen(pen)
        for x, y in middles.tolist():
            painter.drawEllipse(QPointF(x, y), radius, radius)
