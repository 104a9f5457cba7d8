"""What the timeline's colours and marks mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QPainter, QPen
from PySide6.QtWidgets import QWidget

from app.theme import SMALL_PT, font, quantity_table, theme_named

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PySide6.QtGui import QPaintEvent

    from app.session import Session

# Residuals are coloured by their logarithm: the worst joint of a person is often far off, and the
# map must still tell a slip of 10 px from a limb of somebody else.
_LOW_RESIDUAL_PX, _HIGH_RESIDUAL_PX = 2.0, 200.0
_STRIP_PX = 90
_HEIGHT_PX = 16
_MARKS = ("annotated", "judged", "changed")


def residual_share(residual_px: NDArray[np.float32]) -> NDArray[np.float32]:
    """Where residuals stand between the low and the high end, 0 to 1; NaN stays NaN."""
    clipped = np.clip(residual_px, _LOW_RESIDUAL_PX, _HIGH_RESIDUAL_PX)
    span = np.log(_HIGH_RESIDUAL_PX / _LOW_RESIDUAL_PX)
    return (np.log(clipped / _LOW_RESIDUAL_PX) / span).astype(np.float32)


def colored(values: NDArray[np.float32], nothing: QColor) -> QImage:
    """(P, N) values in 0..1 as an image of P rows in viridis; NaN in the colour of nothing."""
    table = quantity_table()
    index = np.nan_to_num(np.clip(values, 0, 1) * 255).astype(np.uint8)
    image = table[index]
    image[np.isnan(values)] = nothing.rgba()
    height, width = image.shape
    return QImage(image.tobytes(), width, height, 4 * width, QImage.Format.Format_RGB32).copy()


def paint_annotated(painter: QPainter, center: QPointF, radius: float) -> None:
    """The mark of a hand label, in the painter's brush."""
    x, y = center.x(), center.y()
    painter.drawPolygon(
        [
            QPointF(x - radius, y),
            QPointF(x, y - radius),
            QPointF(x + radius, y),
            QPointF(x, y + radius),
        ]
    )


def paint_judged(painter: QPainter, cell: QRectF, share: float) -> None:
    """The mark of reviews: a bar at the cell's foot, over the share of joints that were judged."""
    bar = QRectF(cell.left(), cell.bottom() - 3, cell.width() * share, 2.5)
    painter.fillRect(bar.adjusted(-0.5, -0.5, 0.5, 0.5), QColor("#101114"))
    painter.fillRect(bar, QColor("#ffffff"))


def paint_changed(painter: QPainter, cell: QRectF) -> None:
    """The mark of a row that the newest round changed: a corner folded over."""
    size = min(cell.width(), cell.height()) * 0.55
    corner = cell.topRight()
    painter.save()
    painter.setPen(QPen(QColor("#101114"), 0.5))
    painter.setBrush(QColor("#ffffff"))
    painter.drawPolygon([corner, corner - QPointF(size, 0), corner + QPointF(0, size)])
    painter.restore()


class Legend(QWidget):
    """From little to much, then the marks of annotated, judged and changed rows."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._mode = "residual"
        metrics = QFontMetricsF(font(SMALL_PT))
        self._low_px = metrics.horizontalAdvance("0 px  ")
        self._high_px = metrics.horizontalAdvance("≥ 200 px  ")
        self._mark_px = [metrics.horizontalAdvance(name) + 26 for name in _MARKS]
        marks = sum(self._mark_px) + 12
        self.setFixedSize(round(self._low_px + _STRIP_PX + 6 + self._high_px + marks), _HEIGHT_PX)
        session.display_changed.connect(self.update)

    def set_mode(self, mode: str) -> None:
        """Follow what the rows are coloured by."""
        self._mode = mode
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """A strip of viridis between its two ends."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        theme = theme_named(self._session.display.theme)
        painter.setFont(font(SMALL_PT))
        painter.setPen(QColor(theme.muted))
        low, high = "0 %", "100 %"
        if self._mode == "residual":
            low, high = f"{_LOW_RESIDUAL_PX:.0f} px", f"≥ {_HIGH_RESIDUAL_PX:.0f} px"
        middle = Qt.AlignmentFlag.AlignVCenter
        box = QRectF(0, 0, self._low_px - 4, _HEIGHT_PX)
        painter.drawText(box, middle | Qt.AlignmentFlag.AlignRight, low)
        strip = colored(np.linspace(0, 1, _STRIP_PX, dtype=np.float32)[None], QColor(theme.canvas))
        painter.drawImage(QRectF(self._low_px, 4, _STRIP_PX, 8), strip)
        x = self._low_px + _STRIP_PX + 6
        painter.drawText(QRectF(x, 0, self._high_px, _HEIGHT_PX), middle, high)
        x += self._high_px + 10
        for name, width in zip(_MARKS, self._mark_px, strict=True):
            painter.setBrush(QColor(theme.text))
            painter.setPen(Qt.PenStyle.NoPen)
            cell = QRectF(x - 6, 2, 12, 11)
            if name == "annotated":
                paint_annotated(painter, QPointF(x, _HEIGHT_PX / 2), 4)
            elif name == "judged":
                paint_judged(painter, cell, 1.0)
            else:
                paint_changed(painter, cell)
            painter.setPen(QColor(theme.muted))
            painter.drawText(QRectF(x + 10, 0, width, _HEIGHT_PX), middle, name)
            x += width
