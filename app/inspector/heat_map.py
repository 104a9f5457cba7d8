"""Joints x cameras: the weights of the selected person at this frame.

Rows never get lower than a line of text: a skeleton of 25 joints in a small dock scrolls, under
its camera names, and the selected joint stays in sight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QPainter, QPen
from PySide6.QtWidgets import QScrollBar, QToolTip, QWidget

from app.afterwards import Afterwards
from app.format import joint_name, pixels
from app.inspector.empty import why_empty
from app.state import HoverTarget
from app.theme import (
    GRID_PX,
    SMALL_PT,
    font,
    person_color,
    quantity_color,
    quantity_ink,
    theme_named,
)
from core.project import ReviewState

if TYPE_CHECKING:
    from PySide6.QtCore import QEvent
    from PySide6.QtGui import QMouseEvent, QPaintEvent, QResizeEvent, QWheelEvent

    from app.session import Session
    from app.theme import Theme

_CAPTION_PX = 110
_HEAD_PX = 22
_LEGEND_PX = 20
_MIN_ROW_PX, _MAX_ROW_PX = 14.0, 26.0
_BAR_PX = 12
_CENTER = Qt.AlignmentFlag.AlignCenter


class HeatMap(QWidget):
    """Viridis says how much; a red cross is discarded; empty was not seen, hatched is muted."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.setMouseTracking(True)
        self._bar = QScrollBar(Qt.Orientation.Vertical, self)
        self._bar.valueChanged.connect(self.update)
        self._bar.setVisible(False)
        self._later = Afterwards(self, self.update)
        for signal in (session.diagnosis_changed, session.display_changed, session.hover_changed):
            signal.connect(self._later.ask)
        session.project_changed.connect(self._lay_out)
        session.cursor_changed.connect(self._on_cursor_changed)

    def _shape(self) -> tuple[int, int]:
        project = self._session.project
        return (project.skeleton.num_joints, len(project.rig)) if project is not None else (1, 1)

    def _room(self) -> float:
        return max(self.height() - _HEAD_PX - _LEGEND_PX, 1.0)

    def _row_height(self) -> float:
        return min(max(self._room() / self._shape()[0], _MIN_ROW_PX), _MAX_ROW_PX)

    def _lay_out(self) -> None:
        hidden = self._row_height() * self._shape()[0] - self._room()
        self._bar.setVisible(hidden > 1)
        self._bar.setRange(0, max(round(hidden), 0))
        self._bar.setPageStep(round(self._room()))
        self._bar.setSingleStep(round(self._row_height()))
        self._bar.setGeometry(self.width() - _BAR_PX, _HEAD_PX, _BAR_PX, round(self._room()))
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Rows follow the height."""
        super().resizeEvent(event)
        self._lay_out()
        self._show_selected()

    def _on_cursor_changed(self) -> None:
        self._show_selected()
        self._later.ask()

    def _show_selected(self) -> None:
        joint = self._session.cursor.joint
        if joint is None or self._bar.maximum() == 0:
            return
        height = self._row_height()
        top = joint * height
        value = min(max(self._bar.value(), top + height - self._room()), top)
        self._bar.setValue(round(value))

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll the joints."""
        if self._bar.maximum() > 0:
            self._bar.setValue(self._bar.value() - round(event.angleDelta().y() / 120 * 40))
            event.accept()

    def cell(self, joint: int, camera: int) -> QRectF:
        """Where a joint's cell for a camera is drawn."""
        bar = _BAR_PX if self._bar.maximum() > 0 else 0
        width = (self.width() - _CAPTION_PX - GRID_PX - bar) / self._shape()[1]
        height = self._row_height()
        top = _HEAD_PX + joint * height - self._bar.value()
        return QRectF(_CAPTION_PX + camera * width, top, width, height)

    def _target_at(self, point: QPointF) -> tuple[int, int | None] | None:
        num_joints, num_cameras = self._shape()
        first = self.cell(0, 0)
        joint = int((point.y() - first.top()) // first.height())
        if not 0 <= joint < num_joints or not _HEAD_PX <= point.y() < _HEAD_PX + self._room():
            return None
        camera = int((point.x() - first.left()) // first.width())
        return joint, camera if 0 <= camera < num_cameras else None

    def paintEvent(self, _event: QPaintEvent) -> None:
        """The rows under the names of the cameras, the legend below."""
        session = self._session
        painter = QPainter(self)
        theme = theme_named(session.display.theme)
        painter.setFont(font(SMALL_PT))
        if session.project is None or session.diagnosis is None or session.person_row is None:
            painter.setPen(QColor(theme.muted))
            box = QRectF(self.rect()).adjusted(GRID_PX, 0, -GRID_PX, 0)
            painter.drawText(box, _CENTER | Qt.TextFlag.TextWordWrap, why_empty(session))
            return
        painter.setClipRect(QRectF(0, _HEAD_PX, self.width(), self._room()))
        for joint in range(self._shape()[0]):
            self._paint_row(painter, theme, joint)
        self._paint_outlines(painter, theme)
        painter.setClipping(False)
        self._paint_head(painter, theme)
        self._paint_legend(painter, theme)

    def _paint_head(self, painter: QPainter, theme: Theme) -> None:
        session = self._session
        person = session.cursor.person
        assert person is not None
        painter.setFont(font(bold=True))
        painter.setPen(person_color(person))
        corner = QRectF(GRID_PX, 0, _CAPTION_PX - GRID_PX, _HEAD_PX)
        painter.drawText(corner, Qt.AlignmentFlag.AlignVCenter, f"#{person}")
        for camera, name in enumerate(session.require_project().rig.names):
            cell = self.cell(0, camera)
            is_selected = camera == session.cursor.camera
            painter.setFont(font(SMALL_PT, bold=is_selected))
            painter.setPen(QColor(theme.text if is_selected else theme.muted))
            shown = painter.fontMetrics().elidedText(
                name, Qt.TextElideMode.ElideMiddle, int(cell.width()) - 2
            )
            painter.drawText(QRectF(cell.left(), 0, cell.width(), _HEAD_PX), _CENTER, shown)

    def _paint_row(self, painter: QPainter, theme: Theme, joint: int) -> None:
        session = self._session
        diagnosis, row = session.diagnosis, session.person_row
        assert diagnosis is not None
        assert row is not None
        weights = diagnosis.triangulation.weights[row, :, joint]
        observed = diagnosis.observed[row, :, joint]
        is_selected = joint == session.cursor.joint
        first = self.cell(joint, 0)
        painter.setFont(font(SMALL_PT, bold=is_selected))
        painter.setPen(QColor(theme.text if is_selected else theme.muted))
        name = joint_name(session.require_project().skeleton.joints[joint])
        room = _CAPTION_PX - 20 - GRID_PX
        shown = painter.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, room)
        caption = QRectF(GRID_PX, first.top(), room, first.height())
        painter.drawText(
            caption, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, shown
        )
        if not diagnosis.triangulation.kept[row, joint]:
            _cross(painter, QPointF(_CAPTION_PX - 10, first.center().y()), theme.problem)
        if session.reviews is not None:
            state = ReviewState(int(session.reviews[row, joint]))
            _review(painter, QPointF(6, first.center().y()), state, theme)
        painter.setFont(font(SMALL_PT))
        for camera in range(self._shape()[1]):
            cell = self.cell(joint, camera).adjusted(1, 1, -1, -1)
            weight = float(weights[camera])
            if diagnosis.muted[row, camera, joint]:
                _hatched(painter, cell, theme)
                continue
            if not observed[camera] or not np.isfinite(weight):
                _empty(painter, cell, theme)
                continue
            painter.fillRect(cell, quantity_color(weight))
            if is_selected and cell.width() >= 28:
                painter.setPen(quantity_ink(weight))
                painter.drawText(cell, _CENTER, f"{weight:.2f}")

    def _paint_outlines(self, painter: QPainter, theme: Theme) -> None:
        cursor, hover = self._session.cursor, self._session.hover_target
        outlined = [(cursor.joint, cursor.camera, 2)]
        if hover is not None and hover.person == cursor.person and hover.camera is not None:
            outlined.append((hover.joint, hover.camera, 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for joint, camera, width in outlined:
            if joint is not None:
                painter.setPen(QPen(QColor(theme.accent), width))
                painter.drawRect(self.cell(joint, camera))

    def _paint_legend(self, painter: QPainter, theme: Theme) -> None:
        middle = self.height() - _LEGEND_PX / 2
        metrics = painter.fontMetrics()
        x = float(GRID_PX)

        def say(text: str) -> None:
            nonlocal x
            painter.setPen(QColor(theme.muted))
            box = QRectF(
                x, middle - _LEGEND_PX / 2, metrics.horizontalAdvance(text) + 2, _LEGEND_PX
            )
            painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, text)
            x += box.width() + 6

        say("weight  0")
        for step in range(60):
            painter.fillRect(QRectF(x + step, middle - 4, 1.5, 8), quantity_color(step / 59))
        x += 66
        say("1")
        x += GRID_PX
        _cross(painter, QPointF(x + 4, middle), theme.problem)
        x += 14
        say("discarded")
        x += GRID_PX
        _empty(painter, QRectF(x, middle - 5, 16, 10), theme)
        x += 22
        say("not seen")
        x += GRID_PX
        _hatched(painter, QRectF(x, middle - 5, 16, 10), theme)
        x += 22
        say("muted")
        for state in (ReviewState.ACCEPTED, ReviewState.LOCKED, ReviewState.REJECTED):
            if x + metrics.horizontalAdvance(state.name.lower()) + 30 > self.width():
                break
            x += GRID_PX
            _review(painter, QPointF(x + 4, middle), state, theme)
            x += 14
            say(state.name.lower())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Tell what a cell holds, to every panel."""
        session = self._session
        target, person = self._target_at(event.position()), session.cursor.person
        has_cells = session.diagnosis is not None and session.person_row is not None
        if target is None or target[1] is None or not has_cells or person is None:
            session.hover(None)
            QToolTip.hideText()
            return
        joint, camera = target[0], target[1]
        session.hover(HoverTarget(person=person, joint=joint, camera=camera))
        QToolTip.showText(event.globalPosition().toPoint(), self.tip(joint, camera), self)

    def tip(self, joint: int, camera: int) -> str:
        """What a cell says, in words."""
        session = self._session
        diagnosis, row = session.diagnosis, session.person_row
        if diagnosis is None or row is None:
            return ""
        project = session.require_project()
        text = f"{joint_name(project.skeleton.joints[joint])} in {project.rig.names[camera]}"
        is_muted = bool(diagnosis.muted[row, camera, joint])
        if not diagnosis.observed[row, camera, joint] and not is_muted:
            return f"{text}\nnot seen"
        verdict = "kept" if diagnosis.triangulation.kept[row, joint] else "discarded"
        weight = float(diagnosis.triangulation.weights[row, camera, joint])
        return (
            f"{text}\n{'muted' if is_muted else f'weight {weight:.2f}'}"
            f"\nresidual {pixels(float(diagnosis.residual_px[row, camera, joint]))}"
            "\nleave-one-out residual "
            f"{pixels(float(diagnosis.loo_residual_px[row, camera, joint]))}\njoint {verdict}"
            f"{self._told_review(row, joint)}"
        )

    def _told_review(self, row: int, joint: int) -> str:
        reviews = self._session.reviews
        state = ReviewState.UNREVIEWED if reviews is None else ReviewState(int(reviews[row, joint]))
        return "" if state == ReviewState.UNREVIEWED else f", {state.name.lower()}"

    def leaveEvent(self, _event: QEvent) -> None:
        """The pointer is elsewhere."""
        self._session.hover(None)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Select the joint, and the camera where a cell was meant."""
        target = self._target_at(event.position())
        if target is not None and self._session.project is not None:
            self._session.select(joint=target[0], camera=target[1])


def _review(painter: QPainter, center: QPointF, state: ReviewState, theme: Theme) -> None:
    """Tick = accepted, square = locked, cross = rejected; nothing = unreviewed."""
    painter.setPen(QPen(QColor(theme.text), 1.6))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    x, y = center.x(), center.y()
    if state == ReviewState.ACCEPTED:
        painter.drawPolyline([QPointF(x - 4, y), QPointF(x - 1, y + 3), QPointF(x + 4, y - 3)])
    elif state == ReviewState.LOCKED:
        painter.drawRect(QRectF(x - 3.5, y - 3.5, 7, 7))
    elif state == ReviewState.REJECTED:
        _cross(painter, center, theme.text)


def _empty(painter: QPainter, cell: QRectF, theme: Theme) -> None:
    painter.setPen(QPen(QColor(theme.line), 1))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(cell.adjusted(0, 0, -1, -1))


def _hatched(painter: QPainter, cell: QRectF, theme: Theme) -> None:
    painter.setPen(QPen(QColor(theme.line), 1))
    painter.setBrush(QBrush(QColor(theme.muted), Qt.BrushStyle.BDiagPattern))
    painter.drawRect(cell.adjusted(0, 0, -1, -1))
    painter.setBrush(Qt.BrushStyle.NoBrush)


def _cross(painter: QPainter, center: QPointF, color: str) -> None:
    painter.setPen(QPen(QColor(color), 1.6))
    for dx, dy in ((3.5, 3.5), (3.5, -3.5)):
        offset = QPointF(dx, dy)
        painter.drawLine(center - offset, center + offset)
