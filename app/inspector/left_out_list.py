"""Leave one view out: how far each view lies from what the others say, the worst first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.format import length, pixels
from app.state import HoverTarget
from app.theme import GRID_PX, SMALL_PT, font, quantity_color, theme_named

if TYPE_CHECKING:
    from PySide6.QtCore import QEvent
    from PySide6.QtGui import QMouseEvent, QPaintEvent

    from app.session import Session
    from core.diagnosis import FrameDiagnosis

_ROW_PX = 16
_NAME_PX, _RESIDUAL_PX, _MOVED_PX = 72, 52, 132
_MIN_BAR_PX = 40
_MIDDLE = Qt.AlignmentFlag.AlignVCenter
_RIGHT = _MIDDLE | Qt.AlignmentFlag.AlignRight


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One view against the others; NaN where they make no point.

    Attributes:
        camera: index of the view.
        residual_px: from its observation to the point of the others.
        moved_mm: from the joint's point to that of the others; for a muted view there is none.
        is_muted: it takes no part in the joint's point.
    """

    camera: int
    residual_px: float
    moved_mm: float
    is_muted: bool


def left_out_views(diagnosis: FrameDiagnosis, row: int, joint: int) -> list[LeftOut]:
    """The views that see a joint, the largest residual first, unknown ones last."""
    point = diagnosis.triangulation.points_mm[row, joint]
    moved = np.linalg.norm(diagnosis.loo_points_mm[row, :, joint] - point, axis=-1)
    seen = diagnosis.observed[row, :, joint] | diagnosis.muted[row, :, joint]
    rows = [
        LeftOut(
            camera=camera,
            residual_px=float(diagnosis.loo_residual_px[row, camera, joint]),
            moved_mm=float(moved[camera]),
            is_muted=bool(diagnosis.muted[row, camera, joint]),
        )
        for camera in np.flatnonzero(seen).tolist()
    ]
    return sorted(rows, key=lambda each: -np.nan_to_num(each.residual_px, nan=-1.0))


class LeftOutList(QWidget):
    """A row a view; hover names the view everywhere, a click selects its camera."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._rows: list[LeftOut] = []
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setToolTip(
            "Each view against the point that the other views make: its residual, and how far the "
            "joint would move without the view"
        )
        session.display_changed.connect(self.update)
        session.hover_changed.connect(self.update)

    @property
    def rows(self) -> list[LeftOut]:
        """What is shown, from top to bottom."""
        return self._rows

    def show_views(self, rows: list[LeftOut]) -> None:
        """Replace the rows."""
        self._rows = rows
        self.setFixedHeight(_ROW_PX * (len(rows) + 1))
        self.update()

    def minimumSizeHint(self) -> QSize:
        """Words, a short bar and the numbers."""
        width = _NAME_PX + _MIN_BAR_PX + _RESIDUAL_PX + _MOVED_PX
        return QSize(width, _ROW_PX * (len(self._rows) + 1))

    def row_rect(self, row: int) -> QRectF:
        """Where a row is drawn, counted from the top."""
        return QRectF(0, _ROW_PX * (row + 1), self.width(), _ROW_PX)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """A heading and the rows."""
        painter = QPainter(self)
        theme = theme_named(self._session.display.theme)
        painter.setFont(font(SMALL_PT, bold=True))
        painter.setPen(QColor(theme.text))
        painter.drawText(QRectF(0, 0, self.width(), _ROW_PX), _MIDDLE, "Each view left out")
        painter.setFont(font(SMALL_PT))
        known = [each.residual_px for each in self._rows if np.isfinite(each.residual_px)]
        largest = max([*known, 1.0])
        names = self._session.require_project().rig.names if self._rows else ()
        hover, cursor = self._session.hover_target, self._session.cursor
        for index, each in enumerate(self._rows):
            box = self.row_rect(index)
            is_lit = each.camera == cursor.camera or (
                hover is not None and hover.camera == each.camera
            )
            if is_lit:
                painter.fillRect(box, QColor(theme.panel))
            painter.setPen(QColor(theme.muted))
            metrics = painter.fontMetrics()
            name = metrics.elidedText(
                names[each.camera], Qt.TextElideMode.ElideMiddle, _NAME_PX - GRID_PX
            )
            painter.drawText(QRectF(0, box.top(), _NAME_PX, _ROW_PX), _MIDDLE, name)
            self._paint_bar(painter, box, each, largest)
            painter.setPen(QColor(theme.text))
            end = box.right() - _MOVED_PX
            number = QRectF(end - _RESIDUAL_PX, box.top(), _RESIDUAL_PX, _ROW_PX)
            painter.drawText(number, _RIGHT, pixels(each.residual_px))
            painter.setPen(QColor(theme.muted))
            rest = QRectF(end, box.top(), _MOVED_PX - 1, _ROW_PX)
            painter.drawText(rest, _RIGHT, _moved(each))

    def _paint_bar(self, painter: QPainter, box: QRectF, each: LeftOut, largest_px: float) -> None:
        theme = theme_named(self._session.display.theme)
        room = self.width() - _NAME_PX - _RESIDUAL_PX - _MOVED_PX
        bar = QRectF(_NAME_PX, box.top() + 5, room, _ROW_PX - 10)
        painter.fillRect(bar, QColor(theme.line))
        if np.isfinite(each.residual_px):
            share = each.residual_px / largest_px
            bar.setWidth(room * share)
            painter.fillRect(bar, quantity_color(share))

    def _at(self, y: float) -> LeftOut | None:
        row = int(y // _ROW_PX) - 1
        return self._rows[row] if 0 <= row < len(self._rows) else None

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Name the view to every panel."""
        each, cursor = self._at(event.position().y()), self._session.cursor
        if each is None or cursor.person is None or cursor.joint is None:
            self._session.hover(None)
            return
        self._session.hover(
            HoverTarget(person=cursor.person, joint=cursor.joint, camera=each.camera)
        )

    def leaveEvent(self, _event: QEvent) -> None:
        """The pointer is elsewhere."""
        self._session.hover(None)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Select the view's camera."""
        each = self._at(event.position().y())
        if each is not None:
            self._session.select(camera=each.camera)


def _moved(each: LeftOut) -> str:
    if each.is_muted:
        return "muted"
    if not np.isfinite(each.moved_mm):
        return "no point without it"
    return f"moves by {length(each.moved_mm)}"
