"""Feet clicked in the views: where somebody stands, with the box live in every view.

While the session's feet mode is on, the pointer over a picture stands on the floor: the box that a
click would make follows it in all views. With two views asked for, the first click waits for one in
another view. A click is one edit, and goes on by as many frames as the mode says.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPen, QPolygonF

from app.state import TrackPreview
from app.theme import SMALL_PT, font, person_color
from app.tracks.editing import edit_of, feet_meeting, feet_plan
from core.errors import CommandRefusedError, DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.session import Session
    from app.state import FeetMode
    from app.theme import Theme
    from app.views.panel import ViewPanel

_RING_POINTS = 32
_CROSS_PX = 7.0
# Levels of the floor nearer than that are the same.
_LEVEL_MM = 20.0


class Feet:
    """What clicks of feet do; keeps the clicks that wait, and the outlines of whom is moved."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._clicks: dict[int, tuple[float, float]] = {}
        self._frame = -1
        self._outlines: dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
        session.feet_mode_changed.connect(self._on_mode_changed)
        session.track_preview_changed.connect(self._on_preview_changed)

    @property
    def is_on(self) -> bool:
        """Whether clicks place people."""
        return self._session.feet_mode is not None

    def hover(self, panel: ViewPanel | None, at: QPointF | None) -> None:
        """Show where the person would stand if this were clicked."""
        mode = self._session.feet_mode
        if mode is None:
            return
        spot = None
        if panel is not None and at is not None and panel.cell.picture.contains(at.x(), at.y()):
            try:
                clicks = self._with(mode, panel, at)
                spot = feet_meeting(self._session.require_project(), clicks, mode.floor_mm).spot_mm
            except CommandRefusedError:
                spot = None  # over the horizon: nothing to show, and a click will say so
        self._session.set_track_preview(
            None if spot is None else TrackPreview(places_mm={mode.person: spot})
        )

    def press(self, panel: ViewPanel, at: QPointF) -> bool:
        """Take a click for feet; tells whether the mode is on."""
        mode = self._session.feet_mode
        if mode is None:
            return False
        if panel.is_held or panel.is_loading:
            self._session.message_posted.emit("This picture is still being read: click again.")
            return True
        try:
            self._click(mode, panel, at)
        except (CommandRefusedError, DataError) as error:
            self._session.message_posted.emit(str(error))
        return True

    def _click(self, mode: FeetMode, panel: ViewPanel, at: QPointF) -> None:
        session = self._session
        project, frame = session.require_project(), session.cursor.frame
        clicks = self._with(mode, panel, at)
        session.select(camera=panel.camera, person=mode.person)
        if len(clicks) < mode.num_views:
            self._clicks, self._frame = clicks, frame
            session.message_posted.emit(
                f"#{mode.person}: now click the same feet in another view (Esc: stop)."
            )
            return
        met = feet_meeting(project, clicks, mode.floor_mm)
        session.apply(edit_of(feet_plan(project, mode, frame, met.spot_mm), project))
        self._clicks = {}
        if len(clicks) > 1 and abs(met.height_mm - mode.floor_mm) > _LEVEL_MM:
            # What two views tell of the floor holds for clicks in one.
            session.set_feet_mode(replace(mode, floor_mm=round(met.height_mm, -1)))
        if mode.step:
            session.step(mode.step)
            if session.cursor.frame == frame:
                session.message_posted.emit(f"#{mode.person} is placed up to the last frame.")
        self.hover(panel, at)

    def _with(
        self, mode: FeetMode, panel: ViewPanel, at: QPointF
    ) -> dict[int, tuple[float, float]]:
        """The clicks there are, with one more; those of another frame or mode do not count."""
        point = panel.transform.to_picture(at.x(), at.y())
        if mode.num_views == 1 or self._frame != self._session.cursor.frame:
            return {panel.camera: point}
        return {**self._clicks, panel.camera: point}

    def _on_mode_changed(self, _mode: object) -> None:
        self._clicks = {}

    def _on_preview_changed(self, preview: TrackPreview | None) -> None:
        self._outlines = {}
        project = self._session.project
        if preview is None or project is None or not preview.places_mm:
            return
        ground = np.array([(*spot, 0.0) for spot in preview.places_mm.values()])
        angles = 2 * np.pi * np.arange(_RING_POINTS) / _RING_POINTS
        ring = np.stack([np.cos(angles), np.sin(angles), np.zeros(_RING_POINTS)], axis=-1)
        rims = ground[:, None] + ring * project.spec.person_radius_mm
        boxes, rims_px = project.boxes_px(ground), project.rig.project(rims)
        self._outlines = {
            person: (boxes[row], rims_px[row]) for row, person in enumerate(preview.places_mm)
        }

    # Painting.

    def paint(self, painter: QPainter, panel: ViewPanel, theme: Theme) -> None:
        """The boxes of those who are being moved, and clicks that wait for another view."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for person, (boxes, rims) in self._outlines.items():
            self._paint_outline(painter, panel, person, boxes[panel.camera], rims[panel.camera])
        waiting = self._clicks.get(panel.camera)
        if waiting is not None and self._frame == self._session.cursor.frame:
            x, y = panel.transform.to_widget(np.array(waiting)).tolist()
            for color, width in ((QColor(0, 0, 0, 150), 4.0), (QColor(theme.accent), 2.0)):
                painter.setPen(QPen(color, width))
                painter.drawLines(
                    [
                        QLineF(x - _CROSS_PX, y, x + _CROSS_PX, y),
                        QLineF(x, y - _CROSS_PX, x, y + _CROSS_PX),
                    ]
                )

    def _paint_outline(
        self,
        painter: QPainter,
        panel: ViewPanel,
        person: int,
        box: NDArray[np.float64],
        rim: NDArray[np.float64],
    ) -> None:
        color = person_color(person)
        seen = rim[np.isfinite(rim).all(axis=-1)]
        for pen in (QPen(QColor(0, 0, 0, 130), 3.5), QPen(color, 1.8)):
            painter.setPen(pen)
            fill = QColor(color)
            fill.setAlphaF(0.2)
            painter.setBrush(fill if len(seen) == len(rim) else Qt.BrushStyle.NoBrush)
            places = [QPointF(*p) for p in panel.transform.to_widget(seen).tolist()]
            if len(seen) == len(rim):
                painter.drawPolygon(QPolygonF(places))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            if np.isfinite(box).all():
                (x0, y0), (x1, y1) = panel.transform.to_widget(box.reshape(2, 2)).tolist()
                painter.drawRect(QRectF(x0, y0, x1 - x0, y1 - y0))
        if np.isfinite(box).all():
            x, y = panel.transform.to_widget(box[:2]).tolist()
            _paint_tag(painter, QPointF(x, y), f"#{person}", color, font(SMALL_PT, bold=True))


def _paint_tag(painter: QPainter, at: QPointF, text: str, color: QColor, face: QFont) -> None:
    painter.setFont(face)
    width = painter.fontMetrics().horizontalAdvance(text) + 8
    box = QRectF(at.x(), at.y() - 16, width, 15)
    painter.fillRect(box, color)
    painter.setPen(QColor("#101114"))
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
