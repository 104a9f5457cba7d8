"""Joints x cameras: how far a view's joints lie from the labels, and how much it is trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from app.format import joint_name
from app.theme import GRID_PX, SMALL_PT, font, quantity_color, quantity_ink, theme_named
from core.diagnosis import VERDICTS

if TYPE_CHECKING:
    from PySide6.QtGui import QMouseEvent, QPaintEvent

    from app.session import Session
    from app.theme import Theme
    from core.diagnosis import WeightAudit

_CAPTION_PX, _HEAD_PX, _ROW_PX, _LEGEND_PX = 104, 20, 18, 22
_CENTER = Qt.AlignmentFlag.AlignCenter
_RIGHT = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
_CORNER_PX = 7


class AuditTable(QWidget):
    """The colour is the mean weight, the number the median residual; red corners are problems."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._audit: WeightAudit | None = None
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        session.display_changed.connect(self.update)
        session.cursor_changed.connect(self.update)

    def show_audit(self, audit: WeightAudit) -> None:
        """Replace what is shown."""
        self._audit = audit
        self.setFixedHeight(_HEAD_PX + _ROW_PX * audit.num.shape[1] + _LEGEND_PX)
        self.update()

    def minimumSizeHint(self) -> QSize:
        """Captions and narrow cells."""
        num_cameras = 1 if self._audit is None else len(self._audit.num)
        return QSize(_CAPTION_PX + 30 * num_cameras, self.height())

    def cell(self, camera: int, joint: int) -> QRectF:
        """Where a joint's cell for a camera is drawn."""
        assert self._audit is not None
        width = (self.width() - _CAPTION_PX) / len(self._audit.num)
        return QRectF(_CAPTION_PX + camera * width, _HEAD_PX + joint * _ROW_PX, width, _ROW_PX)

    def _target_at(self, point: QPointF) -> tuple[int, int] | None:
        if self._audit is None or point.x() < _CAPTION_PX or point.y() < _HEAD_PX:
            return None
        first = self.cell(0, 0)
        camera = int((point.x() - first.left()) // first.width())
        joint = int((point.y() - first.top()) // _ROW_PX)
        num_cameras, num_joints = self._audit.num.shape
        return (camera, joint) if camera < num_cameras and joint < num_joints else None

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Names, cells, the selected one's outline, the legend."""
        audit, project = self._audit, self._session.project
        if audit is None or project is None:
            return
        painter = QPainter(self)
        theme = theme_named(self._session.display.theme)
        painter.setFont(font(SMALL_PT))
        metrics = painter.fontMetrics()
        middle = Qt.TextElideMode.ElideMiddle
        cursor = self._session.cursor
        for camera, name in enumerate(project.rig.names):
            top = self.cell(camera, 0)
            is_bad = audit.cameras[camera].verdict in ("drift", "occlusion")
            painter.setPen(QColor(theme.problem if is_bad else theme.muted))
            shown = metrics.elidedText(name, middle, int(top.width()) - 2)
            painter.drawText(QRectF(top.left(), 0, top.width(), _HEAD_PX), _CENTER, shown)
        for joint, name in enumerate(project.skeleton.joints):
            row = QRectF(0, _HEAD_PX + joint * _ROW_PX, _CAPTION_PX - GRID_PX, _ROW_PX)
            painter.setPen(QColor(theme.text if joint == cursor.joint else theme.muted))
            shown = metrics.elidedText(joint_name(name), middle, int(row.width()))
            painter.drawText(row, _RIGHT, shown)
            for camera in range(len(project.rig)):
                self._paint_cell(painter, theme, camera, joint)
        if cursor.joint is not None:
            painter.setPen(QPen(QColor(theme.accent), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.cell(cursor.camera, cursor.joint))
        self._paint_legend(painter, theme)

    def _paint_cell(self, painter: QPainter, theme: Theme, camera: int, joint: int) -> None:
        audit = self._audit
        assert audit is not None
        box = self.cell(camera, joint).adjusted(1, 1, -1, -1)
        weight, off = float(audit.mean_weight[camera, joint]), audit.median_px[camera, joint]
        verdict = VERDICTS[audit.verdict[camera, joint]]
        if verdict == "too few" or not np.isfinite(weight):
            painter.setPen(QPen(QColor(theme.line), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(box.adjusted(0, 0, -1, -1))
            return
        painter.fillRect(box, quantity_color(weight))
        painter.setPen(quantity_ink(weight))
        painter.drawText(box, _CENTER, f"{off:.0f}")
        if verdict in ("drift", "occlusion"):
            _paint_corner(painter, theme, box, is_full=verdict == "drift")

    def _paint_legend(self, painter: QPainter, theme: Theme) -> None:
        audit = self._audit
        assert audit is not None
        top = _HEAD_PX + _ROW_PX * audit.num.shape[1] + 4
        x = float(GRID_PX)

        def say(text: str) -> None:
            nonlocal x
            painter.setPen(QColor(theme.muted))
            width = painter.fontMetrics().horizontalAdvance(text) + 4
            painter.drawText(QRectF(x, top, width, 16), Qt.AlignmentFlag.AlignVCenter, text)
            x += width + 4

        say("number: px off · colour: weight 0")
        for step in range(40):
            painter.fillRect(QRectF(x + step, top + 4, 1.5, 8), quantity_color(step / 39))
        x += 46
        say("1")
        for is_full, word in ((True, "drift"), (False, "hidden or mistaken")):
            mark = QRectF(x, top + 2, 12, 12)
            painter.fillRect(mark, QColor(theme.panel))
            _paint_corner(painter, theme, mark, is_full=is_full)
            x += 16
            say(word)

    def tip(self, camera: int, joint: int) -> str:
        """What a cell says, in words."""
        project = self._session.require_project()
        assert self._audit is not None
        name = joint_name(project.skeleton.joints[joint])
        return self._audit.sentence(camera, joint, project.rig.names[camera], name)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Say what the cell under the pointer holds."""
        target = self._target_at(event.position())
        if target is None:
            QToolTip.hideText()
        else:
            QToolTip.showText(event.globalPosition().toPoint(), self.tip(*target), self)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Select the joint and the camera."""
        target = self._target_at(event.position())
        if target is not None:
            self._session.select(camera=target[0], joint=target[1])


def _paint_corner(painter: QPainter, theme: Theme, box: QRectF, *, is_full: bool) -> None:
    """A red frame for a camera that has drifted, a red corner for a joint that is hidden."""
    if is_full:
        painter.setPen(QPen(QColor(theme.problem), 1.5))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(box.adjusted(0.5, 0.5, -0.5, -0.5))
        return
    right = box.right()
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(theme.problem))
    painter.drawPolygon(
        QPolygonF(
            [
                QPointF(right, box.top()),
                QPointF(right, box.top() + _CORNER_PX),
                QPointF(right - _CORNER_PX, box.top()),
            ]
        )
    )
