"""Joints x cameras: the weights of the selected person at this frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QToolTip, QWidget

from app.format import joint_name, pixels
from app.session import HoverTarget
from app.theme import GRID_PX, SMALL_PT, THEMES, font, quantity_color

if TYPE_CHECKING:
    from PySide6.QtCore import QEvent
    from PySide6.QtGui import QMouseEvent, QPaintEvent

    from app.session import Session

_CAPTION_PX = 110
_HEAD_PX = 22
_MAX_ROW_PX = 26.0


class HeatMap(QWidget):
    """Viridis says how much; a red cross marks a discarded joint; an empty cell was not seen."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.setMouseTracking(True)
        for signal in (
            session.diagnosis_changed,
            session.cursor_changed,
            session.display_changed,
            session.hover_changed,
        ):
            signal.connect(self.update)

    def _shape(self) -> tuple[int, int]:
        project = self._session.project
        return (project.skeleton.num_joints, len(project.rig)) if project is not None else (1, 1)

    def cell(self, joint: int, camera: int) -> QRectF:
        """Where a joint's cell for a camera is drawn."""
        num_joints, num_cameras = self._shape()
        width = (self.width() - _CAPTION_PX - GRID_PX) / num_cameras
        height = min((self.height() - _HEAD_PX - GRID_PX) / num_joints, _MAX_ROW_PX)
        return QRectF(_CAPTION_PX + camera * width, _HEAD_PX + joint * height, width, height)

    def _target_at(self, point: QPointF) -> tuple[int, int | None] | None:
        num_joints, num_cameras = self._shape()
        first = self.cell(0, 0)
        joint = int((point.y() - first.top()) // first.height())
        if not 0 <= joint < num_joints:
            return None
        camera = int((point.x() - first.left()) // first.width())
        return joint, camera if 0 <= camera < num_cameras else None

    def paintEvent(self, _event: QPaintEvent) -> None:
        """One rectangle a cell."""
        session = self._session
        project, diagnosis, row = session.project, session.diagnosis, session.person_row
        painter = QPainter(self)
        theme = THEMES["light" if session.display.theme == "light" else "dark"]
        painter.setFont(font(SMALL_PT))
        if project is None or diagnosis is None or row is None:
            painter.setPen(QColor(theme.muted))
            text = "Select a person to see the weight of each view for each joint."
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, text)
            return
        weights = diagnosis.triangulation.weights[row]
        observed, kept = diagnosis.observed[row], diagnosis.triangulation.kept[row]
        cursor, hover = session.cursor, session.hover_target
        painter.setPen(QColor(theme.muted))
        for camera, name in enumerate(project.rig.names):
            cell = self.cell(0, camera)
            painter.drawText(
                QRectF(cell.left(), 0, cell.width(), _HEAD_PX), Qt.AlignmentFlag.AlignCenter, name
            )
        for joint, name in enumerate(project.skeleton.joints):
            first = self.cell(joint, 0)
            painter.setPen(QColor(theme.text if joint == cursor.joint else theme.muted))
            caption = QRectF(0, first.top(), _CAPTION_PX - 20, first.height())
            painter.drawText(
                caption,
                Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter,
                joint_name(name),
            )
            if not kept[joint]:
                _cross(painter, QPointF(_CAPTION_PX - 10, first.center().y()), theme.problem)
            for camera in range(len(project.rig)):
                cell = self.cell(joint, camera).adjusted(1, 1, -1, -1)
                if observed[camera, joint] and np.isfinite(weights[camera, joint]):
                    painter.fillRect(cell, quantity_color(float(weights[camera, joint])))
                else:
                    painter.setPen(QPen(QColor(theme.line), 1))
                    painter.drawRect(cell.adjusted(0, 0, -1, -1))
        outlined = [(cursor.joint, cursor.camera, 2)]
        if hover is not None and hover.person == cursor.person and hover.camera is not None:
            outlined.append((hover.joint, hover.camera, 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for joint, camera, width in outlined:
            if joint is not None:
                painter.setPen(QPen(QColor(theme.accent), width))
                painter.drawRect(self.cell(joint, camera))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Tell what a cell holds, to every panel."""
        session = self._session
        diagnosis, row, person = session.diagnosis, session.person_row, session.cursor.person
        target = self._target_at(event.position())
        if (
            target is None
            or target[1] is None
            or diagnosis is None
            or row is None
            or person is None
        ):
            session.hover(None)
            QToolTip.hideText()
            return
        joint, camera = target[0], target[1]
        session.hover(HoverTarget(person=person, joint=joint, camera=camera))
        project = session.require_project()
        text = f"{joint_name(project.skeleton.joints[joint])} in {project.rig.names[camera]}"
        if diagnosis.observed[row, camera, joint]:
            text += f"\nweight {float(diagnosis.triangulation.weights[row, camera, joint]):.2f}"
            text += f"\nresidual {pixels(float(diagnosis.residual_px[row, camera, joint]))}"
            text += f"\nleft out {pixels(float(diagnosis.loo_residual_px[row, camera, joint]))}"
        else:
            text += "\nnot observed"
        QToolTip.showText(event.globalPosition().toPoint(), text, self)

    def leaveEvent(self, _event: QEvent) -> None:
        """The pointer is elsewhere."""
        self._session.hover(None)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Select the joint, and the camera where a cell was meant."""
        target = self._target_at(event.position())
        if target is not None:
            self._session.select(joint=target[0], camera=target[1])


def _cross(painter: QPainter, center: QPointF, color: str) -> None:
    painter.setPen(QPen(QColor(color), 1.6))
    for dx, dy in ((3.5, 3.5), (3.5, -3.5)):
        offset = QPointF(dx, dy)
        painter.drawLine(center - offset, center + offset)
