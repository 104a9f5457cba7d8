"""How the joints of a recording scatter: a histogram of WSS with λ on it, to be dragged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QColor

from app.format import length
from app.theme import SMALL_PT, font, theme_named

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.session import Session

_HEIGHT_PX = 140
# Above the bars: the lines are named there.
_HEADROOM = 1.45
_LOWEST_MM, _HIGHEST_MM = 0.8, 1100.0


class LengthAxis(pg.AxisItem):
    """1, 10, 100, 1000 in place of powers."""

    def logTickStrings(self, values: Any, scale: float, spacing: Any) -> list[str]:  # noqa: ANN401 - pyqtgraph's
        """Whole numbers where they are decades."""
        return [f"{10.0**value:g}" if abs(value - round(value)) < 1e-6 else "" for value in values]


class _LengthLabel(pg.InfLineLabel):
    """The line's value as a length: the plot's x is its logarithm."""

    def __init__(self, line: Any, caption: str, position: float) -> None:  # noqa: ANN401 - pyqtgraph's
        self._caption = caption
        super().__init__(line, position=position, anchors=[(0, 0.5), (1, 0.5)])

    def valueChanged(self) -> None:
        """Write it anew and keep it in sight."""
        if self.isVisible():
            self.setText(f"{self._caption} {length(10.0 ** float(self.line.value()))}")
            self.updatePosition()


class WssHistogram(pg.PlotWidget):
    """Bars; λ where the WSS rule is in force; the selected joint's place."""

    threshold_moved = Signal(float)

    def __init__(self, session: Session) -> None:
        super().__init__(axisItems={"bottom": LengthAxis("bottom")})
        self._session = session
        self._edges: NDArray[np.float64] = np.zeros(2)
        self._counts: NDArray[np.int64] = np.zeros(1, np.int64)
        self.setFixedHeight(_HEIGHT_PX)
        self.setMinimumWidth(120)
        self.setMenuEnabled(False)
        self.hideButtons()
        self.setMouseEnabled(x=False, y=False)
        self.setLogMode(x=True, y=False)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._box: Any = self.getViewBox()
        axis = self.getAxis("bottom")
        axis.setStyle(tickFont=font(SMALL_PT))
        self.setLabel("bottom", "WSS, mm")
        self.getAxis("left").setVisible(False)
        self._bars = pg.PlotCurveItem([0, 1], [0], stepMode="center", fillLevel=0)
        self._over = pg.PlotCurveItem([0, 1], [0], stepMode="center", fillLevel=0)
        self.mark = pg.InfiniteLine(movable=False, angle=90)
        self.mark.setZValue(10)
        self._mark_label = _LengthLabel(self.mark, "this joint", 0.76)
        self.line = pg.InfiniteLine(movable=True, angle=90)
        self._line_label = _LengthLabel(self.line, "λ", 0.92)
        self.line.setToolTip("λ: drag it")
        for item in (self._bars, self._over, self.mark, self.line):
            self.addItem(item)
        self.line.sigPositionChanged.connect(self._on_line_moved)
        session.display_changed.connect(self._color)
        self._color()

    def _color(self, _display: object = None) -> None:
        theme = theme_named(self._session.display.theme)
        self.setBackground(theme.canvas)
        axis = self.getAxis("bottom")
        axis.setPen(QColor(theme.line))
        axis.setTextPen(QColor(theme.muted))
        for bars, color in ((self._bars, theme.muted), (self._over, theme.problem)):
            bars.setBrush(QColor(color))
            bars.setPen(None)
        self.line.setPen(pg.mkPen(theme.problem, width=2))
        self.line.setHoverPen(pg.mkPen(theme.problem, width=4))
        for label in (self._line_label, self._mark_label):
            label.fill = pg.mkBrush(theme.canvas)
        self._line_label.setColor(QColor(theme.problem))
        self.mark.setPen(pg.mkPen(theme.accent, width=1, style=Qt.PenStyle.DashLine))
        self._mark_label.setColor(QColor(theme.text))

    def show_counts(self, edges_mm: NDArray[np.float64], counts: NDArray[np.int64]) -> None:
        """Draw another recording, or the same one under other settings.

        The first bin is left out: it holds the joints of two views, which have one candidate and
        nothing to scatter.
        """
        self._edges, self._counts = np.asarray(edges_mm), np.asarray(counts)
        filled = np.flatnonzero(self._counts[1:]) + 1
        low, high = _LOWEST_MM, _HIGHEST_MM
        if filled.size:
            low = min(low, float(self._edges[filled[0]]))
            high = max(high, float(self._edges[filled[-1] + 1]))
        self._box.setXRange(np.log10(low), np.log10(high), padding=0)
        self._box.setYRange(0, max(int(self._counts[1:].max(initial=0)), 1) * _HEADROOM, padding=0)
        self._draw_bars()

    def _draw_bars(self) -> None:
        edges = np.log10(np.maximum(self._edges[1:], 1e-3))
        counts = self._counts[1:].astype(float)
        if not counts.size:
            return
        is_over = edges[:-1] >= float(str(self.line.value())) - 1e-9
        if not self.line.isVisible():
            is_over[:] = False
        self._bars.setData(edges, np.where(is_over, 0.0, counts))
        self._over.setData(edges, np.where(is_over, counts, 0.0))

    def show_threshold(self, threshold_mm: float, *, in_force: bool) -> None:
        """Put λ in its place; it is hidden where no rule reads it."""
        self.line.setVisible(in_force)
        with QSignalBlocker(self.line):
            self.line.setValue(float(np.log10(threshold_mm)))
        self._line_label.valueChanged()
        self._draw_bars()

    def show_joint(self, wss_mm: float) -> None:
        """Mark where the selected joint stands; NaN or 0 = nowhere."""
        has_place = bool(np.isfinite(wss_mm)) and wss_mm > 0
        self.mark.setVisible(has_place)
        if has_place:
            self.mark.setValue(float(np.log10(wss_mm)))
            self._mark_label.valueChanged()

    def _on_line_moved(self) -> None:
        self._draw_bars()
        self.threshold_moved.emit(round(10.0 ** float(str(self.line.value())), 1))
