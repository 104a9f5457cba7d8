"""How near the selected joint is to being discarded: its WSS against λ, and the views that agree.

Both are drawn whatever the rule, since a researcher asks for both; the one that decides is in full
colour, the other is muted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.format import length
from app.theme import GRID_PX, SMALL_PT, font, theme_named

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent

    from app.session import Session
    from app.theme import Theme

_HEIGHT_PX = 20
_PIP_PX = 10.0
# The scale reaches from λ/30 to 30 λ, with λ in the middle.
_REACH = math.log(30.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a joint stands; ``wss_mm`` is NaN where it has none."""

    wss_mm: float
    threshold_mm: float
    num_agreeing: int
    num_seen: int
    num_needed: int
    rule: Literal["wss", "support", "none"]
    kept: bool


def place_on_scale(value_mm: float, threshold_mm: float) -> float:
    """Where a WSS stands between the ends of the gauge, 0 to 1; the threshold is at 0.5."""
    if not value_mm > 0:
        return 0.0
    share = 0.5 + math.log(value_mm / threshold_mm) / (2 * _REACH)
    return min(max(share, 0.0), 1.0)


class JointGauge(QWidget):
    """One line: WSS against λ at the left, agreeing views against those needed at the right."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._standing: Standing | None = None
        self.setFixedHeight(_HEIGHT_PX)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        session.display_changed.connect(self.update)

    @property
    def standing(self) -> Standing | None:
        """What is shown."""
        return self._standing

    def show_standing(self, standing: Standing) -> None:
        """Replace what is shown."""
        self._standing = standing
        rule = {
            "wss": "The rule in force is WSS: over λ, a joint is discarded.",
            "support": "The rule in force is support: too few agreeing views discard a joint.",
            "none": "No rule discards joints, except too few views.",
        }[standing.rule]
        self.setToolTip(
            f"{rule}\nWSS {length(standing.wss_mm)}: how far the points of the pairs of views lie "
            f"from their centre; λ {length(standing.threshold_mm)}.\n"
            f"{standing.num_agreeing} of {standing.num_seen} views that see the joint have a "
            f"weight over 0.05; {standing.num_needed} are needed."
        )
        self.update()

    def minimumSizeHint(self) -> QSize:
        """Two captions with their numbers."""
        return QSize(260, _HEIGHT_PX)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """The two gauges side by side."""
        standing = self._standing
        if standing is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(font(SMALL_PT))
        theme = theme_named(self._session.display.theme)
        half = self.width() / 2
        self._paint_wss(painter, theme, QRectF(0, 0, half - GRID_PX, _HEIGHT_PX), standing)
        self._paint_views(painter, theme, QRectF(half, 0, half, _HEIGHT_PX), standing)

    def _caption(self, painter: QPainter, theme: Theme, box: QRectF, left: str, right: str) -> None:
        painter.setPen(QColor(theme.muted))
        painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, left)
        painter.setPen(QColor(theme.text))
        painter.drawText(box, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, right)

    def _paint_wss(self, painter: QPainter, theme: Theme, box: QRectF, standing: Standing) -> None:
        text = f"{length(standing.wss_mm)} · λ {length(standing.threshold_mm)}"
        self._caption(painter, theme, box, "WSS", text)
        bar = _between(box, "WSS", text)
        decides = standing.rule == "wss"
        painter.fillRect(bar, QColor(theme.panel))
        filled = QRectF(bar)
        filled.setWidth(bar.width() * place_on_scale(standing.wss_mm, standing.threshold_mm))
        is_over = decides and standing.wss_mm > standing.threshold_mm
        ink = theme.problem if is_over else (theme.text if decides else theme.muted)
        painter.fillRect(filled, QColor(ink))
        painter.setPen(QPen(QColor(theme.accent if decides else theme.muted), 2))
        middle = bar.center().x()
        painter.drawLine(QPointF(middle, bar.top() - 4), QPointF(middle, bar.bottom() + 4))

    def _paint_views(
        self, painter: QPainter, theme: Theme, box: QRectF, standing: Standing
    ) -> None:
        text = f"{standing.num_agreeing} of {standing.num_seen} · needs {standing.num_needed}"
        self._caption(painter, theme, box, "agree", text)
        bar = _between(box, "agree", text)
        num_pips = max(standing.num_seen, standing.num_needed)
        step = min(_PIP_PX, bar.width() / max(num_pips, 1))
        radius = max(step / 2 - 1.5, 1.0)
        is_short = standing.num_agreeing < standing.num_needed
        decides = standing.rule == "support"
        ink = QColor(theme.problem if decides and is_short else theme.text)
        if not decides:
            ink = QColor(theme.muted)
        for index in range(num_pips):
            center = QPointF(bar.left() + (index + 0.5) * step, box.center().y())
            is_seen = index < standing.num_seen
            painter.setPen(QPen(ink if is_seen else QColor(theme.line), 1))
            painter.setBrush(ink if index < standing.num_agreeing else Qt.BrushStyle.NoBrush)
            painter.drawEllipse(center, radius, radius)
        painter.setPen(QPen(QColor(theme.accent if decides else theme.muted), 1))
        x = bar.left() + standing.num_needed * step
        painter.drawLine(QPointF(x, bar.top() - 4), QPointF(x, bar.bottom() + 4))


def _between(box: QRectF, left: str, right: str) -> QRectF:
    """The room between two captions, as a flat bar."""
    metrics = QFontMetricsF(font(SMALL_PT))
    start = box.left() + metrics.horizontalAdvance(left) + GRID_PX
    end = box.right() - metrics.horizontalAdvance(right) - GRID_PX
    return QRectF(start, box.center().y() - 3, max(end - start, 8.0), 6)
