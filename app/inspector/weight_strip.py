"""A cell per camera: weight, residuals, and what the selected joint would be without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QWidget

from app.format import number
from app.session import HoverTarget
from app.theme import SMALL_PT, THEMES, font, quantity_color

if TYPE_CHECKING:
    from PySide6.QtCore import QEvent
    from PySide6.QtGui import QMouseEvent, QPaintEvent

    from app.session import Session
    from app.theme import Theme

_CAPTION_PX = 86
_ROW_PX = 18
_BAR_PX = 46
_MIN_CELL_PX = 34
# A narrower cell has no room for words.
_WORDY_CELL_PX = 52


class WeightStrip(QWidget):
    """Hover names the view everywhere; a click selects its camera."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.setMouseTracking(True)
        self._without: dict[int, tuple[float, bool]] = {}
        self._unit = "mm"
        self.setFixedHeight(_ROW_PX + _BAR_PX + 3 * _ROW_PX)
        for signal in (
            session.diagnosis_changed,
            session.cursor_changed,
            session.display_changed,
            session.hover_changed,
        ):
            signal.connect(self.update)

    def show_without(self, without: dict[int, tuple[float, bool]], unit: str) -> None:
        """Say for each camera what the joint would come to without it, and if it were kept."""
        self._without = without
        self._unit = unit
        self.update()

    def minimumSizeHint(self) -> QSize:
        """Narrow cells still hold a number."""
        project = self._session.project
        num_cameras = len(project.rig) if project is not None else 8
        return QSize(_CAPTION_PX + num_cameras * _MIN_CELL_PX, self.height())

    def cell(self, camera: int) -> QRectF:
        """Where a camera's cell is drawn."""
        project = self._session.project
        assert project is not None
        width = (self.width() - _CAPTION_PX) / len(project.rig)
        return QRectF(_CAPTION_PX + camera * width, 0, width, self.height())

    def _camera_at(self, x: float) -> int | None:
        project = self._session.project
        if project is None or x < _CAPTION_PX:
            return None
        width = (self.width() - _CAPTION_PX) / len(project.rig)
        return min(int((x - _CAPTION_PX) / width), len(project.rig) - 1)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Captions, then the cells."""
        session = self._session
        project, diagnosis, row = session.project, session.diagnosis, session.person_row
        joint = session.cursor.joint
        if project is None or diagnosis is None or row is None or joint is None:
            return
        theme = THEMES["light" if session.display.theme == "light" else "dark"]
        painter = QPainter(self)
        painter.setFont(font(SMALL_PT))
        painter.setPen(QColor(theme.muted))
        for top, height, caption in (
            (_ROW_PX, _BAR_PX, "weight"),
            (_ROW_PX + _BAR_PX, _ROW_PX, "residual, px"),
            (2 * _ROW_PX + _BAR_PX, _ROW_PX, "left out, px"),
            (3 * _ROW_PX + _BAR_PX, _ROW_PX, f"without, {self._unit}"),
        ):
            rect = QRectF(0, top, _CAPTION_PX - 8, height)
            painter.drawText(
                rect, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, caption
            )
        for camera, name in enumerate(project.rig.names):
            self._paint_cell(
                painter,
                theme,
                camera,
                name,
                weight=float(diagnosis.triangulation.weights[row, camera, joint]),
                is_observed=bool(diagnosis.observed[row, camera, joint]),
                residual=float(diagnosis.residual_px[row, camera, joint]),
                left_out=float(diagnosis.loo_residual_px[row, camera, joint]),
            )

    def _paint_cell(
        self,
        painter: QPainter,
        theme: Theme,
        camera: int,
        name: str,
        *,
        weight: float,
        is_observed: bool,
        residual: float,
        left_out: float,
    ) -> None:
        cell = self.cell(camera)
        hover = self._session.hover_target
        is_hovered = hover is not None and hover.camera == camera
        if is_hovered or camera == self._session.cursor.camera:
            painter.fillRect(cell.adjusted(1, 0, -1, 0), QColor(theme.panel))
        center = Qt.AlignmentFlag.AlignCenter
        painter.setPen(QColor(theme.text if is_observed else theme.muted))
        painter.drawText(QRectF(cell.left(), 0, cell.width(), _ROW_PX), center, name)
        bar = QRectF(cell.left() + 4, _ROW_PX + 2, cell.width() - 8, _BAR_PX - 4)
        painter.setPen(QPen(QColor(theme.line), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(bar)
        if not is_observed:
            painter.setPen(QColor(theme.muted))
            painter.drawText(bar, center, "not seen" if cell.width() >= _WORDY_CELL_PX else "–")
            return
        weight = weight if np.isfinite(weight) else 0.0
        filled = QRectF(bar)
        filled.setTop(bar.bottom() - bar.height() * min(weight, 1.0))
        painter.fillRect(filled.adjusted(1, 0, 0, 0), quantity_color(weight))
        # On the bright upper half of viridis dark digits read best, below it the theme's.
        painter.setPen(QColor("#101114" if weight > 0.62 else theme.text))
        painter.drawText(bar, center, f"{weight:.2f}")
        painter.setPen(QColor(theme.text))
        top = _ROW_PX + _BAR_PX
        for value in (residual, left_out):
            painter.drawText(QRectF(cell.left(), top, cell.width(), _ROW_PX), center, number(value))
            top += _ROW_PX
        if camera in self._without:
            value, is_kept = self._without[camera]
            painter.setPen(QColor(theme.text if is_kept else theme.problem))
            text = number(value) if self._unit == "mm" else f"{value:.0f}"
            mark = "" if is_kept else " ✕"
            painter.drawText(
                QRectF(cell.left(), top, cell.width(), _ROW_PX), center, f"{text}{mark}"
            )

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Name the view under the pointer to every panel."""
        cursor = self._session.cursor
        camera = self._camera_at(event.position().x())
        if cursor.person is None or cursor.joint is None or camera is None:
            self._session.hover(None)
            return
        self._session.hover(HoverTarget(person=cursor.person, joint=cursor.joint, camera=camera))

    def leaveEvent(self, _event: QEvent) -> None:
        """The pointer is elsewhere."""
        self._session.hover(None)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Select the camera."""
        camera = self._camera_at(event.position().x())
        if camera is not None:
            self._session.select(camera=camera)
