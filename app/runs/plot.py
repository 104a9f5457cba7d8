"""One plot of the run panel: a caption that reads its values, curves below it.

Form tells the curves apart (solid, dashed, dotted), since colour says who or how much elsewhere.
Curves come thinned to what the screen can show, peaks kept; painting does not grow with the run.
"""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QColor, QFontMetrics
from PySide6.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from app.runs.series import at, smoothed, thinned
from app.theme import GRID_PX, SMALL_PT, Theme, font, quantity_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from PySide6.QtGui import QResizeEvent

_STYLES = (
    (Qt.PenStyle.SolidLine, "━"),
    (Qt.PenStyle.DashLine, "╍"),
    (Qt.PenStyle.DotLine, "┅"),
)
_AXIS_PX, _FOOT_PX, _TICK_PX = 40, 18, 13
_TICK_LENGTH = -4
# So many points, and single ones say less than how they lie together.
_MANY = 60
_SMOOTH_SHARE = 0.02
_FAINT = 90
_GAP = "  "
_NOTHING = "nothing yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A curve: its name for people, and (N,) positions and values, NaN = gap."""

    name: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]


class Surface(pg.PlotWidget):
    """The area of a plot: x is linked, zoomed and moved by hand; y follows what is seen."""

    resized = Signal()
    left = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setMenuEnabled(False)
        self.hideButtons()
        self.setMouseEnabled(x=True, y=False)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setMinimumSize(120, 64)
        for name in ("left", "bottom"):
            self.getAxis(name).setStyle(tickFont=font(SMALL_PT - 1), tickLength=_TICK_LENGTH)
        self.getAxis("left").setWidth(_AXIS_PX)
        self.getAxis("bottom").setHeight(_FOOT_PX)
        self.cursor_line = pg.InfiniteLine(angle=90)
        self.cursor_line.setVisible(False)
        self.box.addItem(self.cursor_line, ignoreBounds=True)

    @property
    def box(self) -> Any:  # noqa: ANN401 - pyqtgraph's ViewBox
        """What is zoomed and moved."""
        return self.getViewBox()

    def resizeEvent(self, ev: QResizeEvent) -> None:
        """Other widths want other thinning."""
        super().resizeEvent(ev)
        self.resized.emit()

    def leaveEvent(self, ev: Any) -> None:  # noqa: ANN401 - pyqtgraph's
        """Nothing is under the pointer any more."""
        super().leaveEvent(ev)
        self.left.emit()

    def set_theme(self, theme: Theme) -> None:
        """Background, axes and the line under the pointer."""
        self.setBackground(theme.canvas)
        for name in ("left", "bottom"):
            axis = self.getAxis(name)
            axis.setPen(QColor(theme.line))
            axis.setTextPen(QColor(theme.muted))
        self.cursor_line.setPen(pg.mkPen(theme.muted, width=1))


class PlotBase(QWidget):
    """A caption over a surface, and lines where stages begin."""

    hovered = Signal(float)
    left = Signal()
    reset_asked = Signal()

    def __init__(self, title: str, tip: str) -> None:
        super().__init__()
        self._title = title
        self.caption = QLabel()
        self.caption.setFont(font(SMALL_PT))
        self.caption.setToolTip(tip)
        self.caption.setTextFormat(Qt.TextFormat.RichText)
        self.caption.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.surface = Surface()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.caption)
        column.addWidget(self.surface, 1)
        self._borders: list[pg.InfiniteLine] = []
        self._place: float | None = None
        scene: Any = self.surface.scene()
        scene.sigMouseMoved.connect(self._on_moved)
        scene.sigMouseClicked.connect(self._on_clicked)
        self.surface.left.connect(self.left)
        self._is_empty = False
        self._set_empty(is_empty=True)

    @property
    def box(self) -> Any:  # noqa: ANN401 - pyqtgraph's ViewBox
        """What is zoomed and moved."""
        return self.surface.box

    def columns(self) -> int:
        """How many pixels the curves are wide."""
        return max(int(self.box.width()), 60)

    def _set_empty(self, *, is_empty: bool) -> None:
        """An empty plot is a word: the numbers of its axes would be of nothing."""
        if is_empty != self._is_empty:
            self._is_empty = is_empty
            for name in ("left", "bottom"):
                length = 0 if is_empty else _TICK_LENGTH
                self.surface.getAxis(name).setStyle(showValues=not is_empty, tickLength=length)

    def show_borders(self, places: Sequence[float], theme: Theme) -> None:
        """Draw where stages begin."""
        pen = pg.mkPen(theme.line, width=1, style=Qt.PenStyle.DashLine)
        while len(self._borders) > len(places):
            self.box.removeItem(self._borders.pop())
        while len(self._borders) < len(places):
            line = pg.InfiniteLine(angle=90)
            self._borders.append(line)
            self.box.addItem(line, ignoreBounds=True)
        for line, place in zip(self._borders, places, strict=True):
            line.setPen(pen)
            line.setValue(place)

    def point_at(self, place: float | None) -> None:
        """Read the values at a place; None reads the newest."""
        self._place = place
        self.surface.cursor_line.setVisible(place is not None)
        if place is not None:
            self.surface.cursor_line.setValue(place)
        self._write()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """As many values as there is room for."""
        super().resizeEvent(event)
        self._write()

    def _write(self) -> None:
        """Title and values; those that there is no room for are left to the pointer and the eye."""
        bold, plain = QFontMetrics(font(SMALL_PT, bold=True)), self.caption.fontMetrics()
        room = self.width() - bold.horizontalAdvance(self._title)
        parts: list[str] = []
        for text, color in self._values():
            room -= plain.horizontalAdvance(_GAP + text)
            if room < 0 and parts:
                break
            style = f" style='color:{color}'" if color else ""
            parts.append(f"<span{style}>{html.escape(text)}</span>")
        if self._is_empty:
            parts = [_NOTHING]
        gap = "&nbsp;" * len(_GAP)
        self.caption.setText(gap.join([f"<b>{self._title}</b>", *parts]))

    def _values(self) -> list[tuple[str, str]]:
        """What is read at the place, the most important first, and colours ("" = as text)."""
        raise NotImplementedError

    def _on_moved(self, position: Any) -> None:  # noqa: ANN401 - a scene's point
        if self.box.sceneBoundingRect().contains(position):
            self.hovered.emit(float(self.box.mapSceneToView(position).x()))
        else:
            self.left.emit()

    def _on_clicked(self, event: Any) -> None:  # noqa: ANN401 - pyqtgraph's own
        if event.double():
            self.reset_asked.emit()


class CurvePlot(PlotBase):
    """Up to three curves."""

    def __init__(
        self,
        title: str,
        tip: str,
        text_of: Callable[[float], str],
        *,
        is_log: bool = False,
        has_dots: bool = False,
    ) -> None:
        super().__init__(title, tip)
        self._text_of = text_of
        self._is_log = is_log
        self._has_dots = has_dots
        self._curves: tuple[Curve, ...] = ()
        self._colors: tuple[QColor, ...] = ()
        self._lines = [pg.PlotDataItem() for _ in _STYLES]
        self._faint = [pg.PlotCurveItem() for _ in _STYLES]
        for item in (*self._faint, *self._lines):
            self.surface.addItem(item)

    def set_theme(self, theme: Theme, second: QColor) -> None:
        """Take colours."""
        self.surface.set_theme(theme)
        self._colors = (QColor(theme.text), second, QColor(theme.muted))
        for line, faint, color, (style, _) in zip(
            self._lines, self._faint, self._colors, _STYLES, strict=True
        ):
            pen = pg.mkPen(color, width=1.5, style=style)
            line.setPen(pen)
            line.setSymbolSize(4)
            line.setSymbolPen(None)
            line.setSymbolBrush(color)
            pale = QColor(color)
            pale.setAlpha(_FAINT)
            faint.setPen(pg.mkPen(pale, width=1))
        self.point_at(self._place)

    def show_curves(self, curves: Sequence[Curve], low: float, high: float) -> None:
        """Draw these, thinned to the part from `low` to `high`."""
        self._curves = tuple(curves[: len(_STYLES)])
        extent: list[NDArray[np.float64]] = []
        for row, (line, faint) in enumerate(zip(self._lines, self._faint, strict=True)):
            is_there = row < len(self._curves)
            line.setVisible(is_there)
            faint.setVisible(False)
            if is_there:
                extent.append(self._draw(self._curves[row], line, faint, low, high))
        values = np.concatenate(extent) if extent else np.empty(0)
        self._set_empty(is_empty=not values.size)
        self._fit(values)
        self.point_at(self._place)

    def _draw(
        self,
        curve: Curve,
        line: pg.PlotDataItem,
        faint: pg.PlotCurveItem,
        low: float,
        high: float,
    ) -> NDArray[np.float64]:
        x, y = curve.x, curve.y
        if self._is_log:
            y = np.log10(np.where(y > 0, y, np.nan))
        columns = self.columns()
        if len(y) > _MANY and not self._has_dots:
            faint.setVisible(True)
            faint.setData(*thinned(x, y, low, high, columns))
            y = smoothed(y, max(int(len(y) * _SMOOTH_SHARE), 5))
            columns //= 4
        shown_x, shown_y = thinned(x, y, low, high, columns)
        has_dots = self._has_dots and len(shown_x) <= _MANY
        line.setData(shown_x, shown_y, symbol="o" if has_dots else None)
        whole = faint.getData()[1] if faint.isVisible() else shown_y
        return shown_y if whole is None else whole

    def _fit(self, values: NDArray[np.float64]) -> None:
        if not values.size:
            return
        low, high = float(values.min()), float(values.max())
        if self._has_dots or len(values) < _MANY:
            margin = (high - low) * 0.08
        else:  # one bad step must not press the rest flat
            low, high = (float(value) for value in np.percentile(values, (0.2, 99.8)))
            margin = (high - low) * 0.08
        margin = margin or max(abs(high) * 0.05, 0.01)
        self.box.setYRange(low - margin, high + margin, padding=0)
        if self._is_log:
            room = int(self.box.height()) // _TICK_PX
            self.surface.getAxis("left").setTicks([log_ticks(low - margin, high + margin, room)])

    def _values(self) -> list[tuple[str, str]]:
        place = math.inf if self._place is None else self._place
        return [
            (f"{sign}{curve.name} {self._text_of(at(curve.x, curve.y, place))}", color.name())
            for curve, color, (_, sign) in zip(self._curves, self._colors, _STYLES, strict=False)
        ]


class CameraPlot(PlotBase):
    """A row for each camera, viridis = its mean weight: how much, as everywhere."""

    def __init__(self, title: str, tip: str) -> None:
        super().__init__(title, tip)
        self._names: tuple[str, ...] = ()
        self._x: NDArray[np.float64] = np.empty(0)
        self._weights: NDArray[np.float64] = np.empty((0, 0))
        self._row: int | None = None
        self._image = pg.ImageItem()
        table = quantity_table()
        channels = [(table >> shift & 255).astype(np.uint8) for shift in (16, 8, 0)]
        self._image.setLookupTable(np.stack(channels, axis=1))
        self._image.setZValue(-10)
        self.box.addItem(self._image, ignoreBounds=True)
        self.box.invertY(True)
        scene: Any = self.surface.scene()
        scene.sigMouseMoved.connect(self._on_row)

    def set_theme(self, theme: Theme) -> None:
        """Take colours."""
        self.surface.set_theme(theme)
        self.point_at(self._place)

    def show_weights(
        self,
        names: Sequence[str],
        x: NDArray[np.float64],
        weights: NDArray[np.float64],
        span: tuple[float, float],
    ) -> None:
        """Draw (N, C) weights at (N,) places from `span[0]` to `span[1]`; NaN is left empty."""
        self._names, self._x, self._weights = tuple(names), x, weights
        number = len(self._names)
        self._set_empty(is_empty=not (number and len(x)))
        self._image.setVisible(not self._is_empty)
        if not self._is_empty:
            low, high = max(span[0], float(x[0])), max(span[1], span[0] + 1)
            places = np.linspace(low, high, self.columns(), endpoint=False)
            rows = np.maximum(np.searchsorted(x, places, side="right") - 1, 0)
            self._image.setImage(weights[rows].astype(np.float32), autoLevels=False, levels=(0, 1))
            self._image.setRect(QRectF(low, 0, high - low, number))
            self.box.setYRange(0, number, padding=0)
        every = max(int(np.ceil(number * _TICK_PX / max(self.box.height(), 1))), 1)
        ticks = [(row + 0.5, name[-6:]) for row, name in enumerate(self._names) if row % every == 0]
        self.surface.getAxis("left").setTicks([ticks])
        self.point_at(self._place)

    def _on_row(self, position: Any) -> None:  # noqa: ANN401 - a scene's point
        is_here = self.box.sceneBoundingRect().contains(position)
        self._row = int(self.box.mapSceneToView(position).y()) if is_here else None

    def _values(self) -> list[tuple[str, str]]:
        if not self._names or not len(self._x):
            return []
        place = math.inf if self._place is None else self._place
        row = max(int(np.searchsorted(self._x, place, side="right")) - 1, 0)
        values = self._weights[row]
        camera = self._row
        if camera is not None and 0 <= camera < len(self._names):
            return [(f"{self._names[camera]} {values[camera]:.2f}", "")]
        if not np.isfinite(values).any():
            return []
        ends = (int(np.nanargmin(values)), int(np.nanargmax(values)))
        return [(f"{self._names[camera]} {values[camera]:.2f}", "") for camera in ends]


def log_ticks(low: float, high: float, room: int) -> list[tuple[float, str]]:
    """Ticks of an axis of powers of ten, at most `room` (but one): 1, 2, 5 or decades alone."""
    lowest, highest = math.floor(low), math.ceil(high)
    ticks: list[tuple[float, str]] = []
    for steps in ((1, 2, 5), (1, 3), (1,)):
        values = [step * 10.0**power for power in range(lowest, highest + 1) for step in steps]
        ticks = [
            (math.log10(value), f"{value:.3g}")
            for value in values
            if low <= math.log10(value) <= high
        ]
        if len(ticks) <= max(room, 1):
            return ticks
    return ticks[:: -(-len(ticks) // max(room, 1))]


def margins() -> tuple[int, int, int, int]:
    """Around the plots of a tab."""
    return (GRID_PX, GRID_PX // 2, GRID_PX, GRID_PX // 2)
