"""Named shares as bars: one look tells which joint, camera or person is worst."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QWidget

from app.theme import SMALL_PT, THEMES, font, quantity_color

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QPaintEvent

    from app.session import Session

_ROW_PX = 16
_CAPTION_PX = 96
_NUMBER_PX = 40


class BarList(QWidget):
    """A heading and a row per name; values are shares from 0 to 1, NaN where nothing is known."""

    def __init__(self, session: Session, heading: str) -> None:
        super().__init__()
        self._session = session
        self._heading = heading
        self._rows: list[tuple[str, float]] = []
        session.display_changed.connect(self.update)

    def show_shares(self, names: Sequence[str], shares: Sequence[float]) -> None:
        """Replace the rows."""
        self._rows = list(zip(names, map(float, shares), strict=True))
        self.setFixedHeight(_ROW_PX * (len(self._rows) + 1) + 4)
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """Captions, bars and numbers."""
        return QSize(_CAPTION_PX + 80 + _NUMBER_PX, _ROW_PX * (len(self._rows) + 1) + 4)

    def minimumSizeHint(self) -> QSize:
        """As it would like."""
        return self.sizeHint()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Heading, then a bar a row."""
        painter = QPainter(self)
        theme = THEMES["light" if self._session.display.theme == "light" else "dark"]
        painter.setFont(font(SMALL_PT, bold=True))
        painter.setPen(QColor(theme.text))
        left = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(QRectF(0, 0, self.width(), _ROW_PX), left, self._heading)
        painter.setFont(font(SMALL_PT))
        room = max(self.width() - _CAPTION_PX - _NUMBER_PX, 10)
        for index, (name, share) in enumerate(self._rows):
            top = _ROW_PX * (index + 1)
            painter.setPen(QColor(theme.muted))
            painter.drawText(QRectF(0, top, _CAPTION_PX - 8, _ROW_PX), left, name)
            bar = QRectF(_CAPTION_PX, top + 4, room, _ROW_PX - 8)
            painter.fillRect(bar, QColor(theme.panel))
            if np.isfinite(share):
                bar.setWidth(room * min(max(share, 0.0), 1.0))
                painter.fillRect(bar, quantity_color(share))
            number = f"{share:.0%}" if np.isfinite(share) else "–"
            painter.setPen(QColor(theme.text))
            box = QRectF(_CAPTION_PX + room + 6, top, _NUMBER_PX - 6, _ROW_PX)
            painter.drawText(box, left, number)
