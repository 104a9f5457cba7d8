"""Named shares as bars, the worst first: one look tells which joint, camera or person is worst."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetrics, QPainter
from PySide6.QtWidgets import QWidget

from app.format import percent
from app.theme import SMALL_PT, font, quantity_color, theme_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QMouseEvent, QPaintEvent

    from app.session import Session

_ROW_PX = 16
_MAX_CAPTION_PX = 104
_MIN_BAR_PX = 32
_NUMBER_PX = 42


class BarList(QWidget):
    """A heading and a row per name; values are shares from 0 to 1, NaN where nothing is known.

    A click says which of the names, by its place in what was given to `show_shares`.
    """

    chosen = Signal(int)

    def __init__(self, session: Session, heading: str) -> None:
        super().__init__()
        self._session = session
        self._heading = heading
        self._caption_px = 40
        self._rows: list[tuple[int, str, float]] = []
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        session.display_changed.connect(self.update)

    @property
    def names(self) -> list[str]:
        """The names from top to bottom."""
        return [name for _, name, _ in self._rows]

    def show_shares(self, names: Sequence[str], shares: Sequence[float]) -> None:
        """Replace the rows; the least share comes first, what is unknown last."""
        rows = [(index, name, float(shares[index])) for index, name in enumerate(names)]
        self._rows = sorted(rows, key=lambda row: np.nan_to_num(row[2], nan=np.inf))
        metrics = QFontMetrics(font(SMALL_PT))
        widest = max((metrics.horizontalAdvance(name) for name in names), default=0)
        self._caption_px = min(widest + 10, _MAX_CAPTION_PX)
        self.setFixedHeight(_ROW_PX * (len(self._rows) + 1) + 4)
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """Captions, bars and numbers."""
        return QSize(self._caption_px + 80 + _NUMBER_PX, self.height())

    def minimumSizeHint(self) -> QSize:
        """A short bar still tells."""
        return QSize(self._caption_px + _MIN_BAR_PX + _NUMBER_PX, _ROW_PX * (len(self._rows) + 1))

    def row_rect(self, row: int) -> QRectF:
        """Where a row is drawn, counted from the top."""
        return QRectF(0, _ROW_PX * (row + 1), self.width(), _ROW_PX)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Heading, then a bar a row."""
        painter = QPainter(self)
        theme = theme_named(self._session.display.theme)
        painter.setFont(font(SMALL_PT, bold=True))
        painter.setPen(QColor(theme.text))
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(QRectF(0, 0, self.width(), _ROW_PX), middle, self._heading)
        painter.setFont(font(SMALL_PT))
        metrics = painter.fontMetrics()
        room = max(self.width() - self._caption_px - _NUMBER_PX, 10)
        for row, (_, name, share) in enumerate(self._rows):
            box = self.row_rect(row)
            painter.setPen(QColor(theme.muted))
            shown = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, self._caption_px - 8)
            painter.drawText(QRectF(0, box.top(), self._caption_px - 8, _ROW_PX), middle, shown)
            bar = QRectF(self._caption_px, box.top() + 4, room, _ROW_PX - 8)
            painter.fillRect(bar, QColor(theme.panel))
            if np.isfinite(share):
                bar.setWidth(room * min(max(share, 0.0), 1.0))
                painter.fillRect(bar, quantity_color(share))
            painter.setPen(QColor(theme.text))
            number = QRectF(0, box.top(), self.width() - 1, _ROW_PX)
            painter.drawText(number, middle | Qt.AlignmentFlag.AlignRight, percent(share))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose what the row is about."""
        row = int(event.position().y() // _ROW_PX) - 1
        if 0 <= row < len(self._rows):
            self.chosen.emit(self._rows[row][0])
