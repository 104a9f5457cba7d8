"""Several runs side by side: their curves over one another, their figures, their configurations."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from app.format import counted, duration, measured
from app.runs.plot import Surface
from app.runs.series import at, thinned
from app.theme import BODY_PT, GRID_PX, font, quantity_color, theme_named
from core.project.runs.managing.curves import METRICS

if TYPE_CHECKING:
    from app.session import Session
    from core.project.runs.managing import Comparison
    from core.project.runs.managing.comparing import Figure, OptionDifference
    from core.project.runs.managing.curves import Curve, Measure

_SYMBOLS_UP_TO = 60
_DASHES = (
    Qt.PenStyle.SolidLine,
    Qt.PenStyle.DashLine,
    Qt.PenStyle.DotLine,
    Qt.PenStyle.DashDotLine,
)
# The part of viridis that stands out from the theme's canvas.
_SHADES = {"dark": (0.95, 0.4), "light": (0.05, 0.7)}
_LONG = 48
# Qt gives cells no room at their sides.
CELL_STYLE = (  # headings stand over their cells
    f"QTableView::item {{ padding: 0 {GRID_PX}px; }}"
    f" QHeaderView::section {{ padding: 0 {GRID_PX}px; }}"
)


class CompareView(QTabWidget):
    """Curves, figures, configuration."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.setDocumentMode(True)
        self.curves = CurvesPage(session)
        self.figures = _table()
        self.options = OptionsPage()
        self.addTab(self.curves, "Curves")
        self.addTab(self.figures, "Figures")
        self.addTab(self.options, "Configuration")

    def show_comparison(self, comparison: Comparison) -> None:
        """Show these runs."""
        self.curves.show_comparison(comparison)
        self.options.show_comparison(comparison)
        _fill(
            self.figures,
            titles_of(comparison),
            [
                (figure.measure.title, [_cell(figure, i) for i in range(len(figure.values))])
                for figure in comparison.figures
            ],
            bold=[set(figure.best) for figure in comparison.figures],
        )


def titles_of(comparison: Comparison) -> list[str]:
    """Names of the runs, with the time where several are called the same."""
    names = [run.name for run in comparison.runs]
    return [
        f"{run.name} {run.id[9:11]}:{run.id[11:13]}" if names.count(run.name) > 1 else run.name
        for run in comparison.runs
    ]


class CurvesPage(QWidget):
    """One figure of all runs over their steps; the pointer reads values."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._comparison: Comparison | None = None
        self._drawn: list[tuple[str, Curve]] = []
        self._items: list[Any] = []
        self.measure = QComboBox()
        self.measure.setMinimumWidth(28 * GRID_PX)
        self.measure.currentIndexChanged.connect(self._draw)
        self.reading = QLabel()
        self.reading.setProperty("muted", True)
        head = QHBoxLayout()
        head.setContentsMargins(0, GRID_PX, 0, 0)
        head.setSpacing(GRID_PX)
        head.addWidget(self.measure)
        head.addWidget(self.reading, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID_PX)
        column.addLayout(head)
        session.display_changed.connect(self._color)
        self._plot: Surface | None = None
        QTimer.singleShot(0, self, lambda: self.plot)

    @property
    def plot(self) -> Surface:
        """The area of the curves; made in a turn of its own, since it takes one."""
        if self._plot is None:
            self._plot = self._made_plot()
            self._color()
        return self._plot

    def _made_plot(self) -> Surface:
        plot = Surface()
        layout = self.layout()
        assert isinstance(layout, QVBoxLayout)
        layout.addWidget(plot, 1)
        plot.setToolTip("Steps through all stages; the wheel zooms, a double click resets")
        self.legend: Any = plot.addLegend(offset=(-8, 8))
        scene: Any = plot.scene()
        scene.sigMouseMoved.connect(self._on_moved)
        scene.sigMouseClicked.connect(self._on_clicked)
        plot.left.connect(lambda: self._read(None))
        plot.resized.connect(self._thin)
        plot.box.setAutoVisible(y=True)
        plot.box.sigXRangeChanged.connect(self._thin)
        return plot

    def show_comparison(self, comparison: Comparison) -> None:
        """Offer what any of the runs has said; the figure looked at stays where it can."""
        self._comparison = comparison
        before = self.measure.currentData()
        found: dict[tuple[str, str], Measure] = {}
        for curves in comparison.curves:
            for curve in curves:
                found.setdefault((curve.group, curve.measure.key), curve.measure)
        self.measure.blockSignals(True)
        self.measure.clear()
        for key, measure in sorted(found.items(), key=lambda entry: _rank(*entry[0])):
            unit = f", {measure.unit}" if measure.unit else ""
            self.measure.addItem(f"{measure.title}{unit}", key)
        self.measure.setCurrentIndex(max(self.measure.findData(before), 0))
        self.measure.blockSignals(False)
        self._draw()

    def _draw(self, _index: int = 0) -> None:
        plot = self.plot
        for item in self._items:
            plot.removeItem(item)
        self.legend.clear()
        self._items, self._drawn = [], []
        comparison, key = self._comparison, self.measure.currentData()
        if comparison is None:
            return
        titles = titles_of(comparison)
        for number, curves in enumerate(comparison.curves):
            for curve in curves:
                if (curve.group, curve.measure.key) == key:
                    self._draw_curve(curve, titles[number], number, len(titles))
        self._show_all()
        self._read(None)

    def _draw_curve(self, curve: Curve, title: str, number: int, count: int) -> None:
        first, last = _SHADES[theme_named(self._session.display.theme).name]
        color = quantity_color(first + (last - first) * number / max(count - 1, 1))
        is_sparse = len(curve.steps) <= _SYMBOLS_UP_TO
        # Wide dashes of thousands of points take Qt 100 ms.
        pen = pg.mkPen(color, width=2 if is_sparse else 1, style=_DASHES[number % len(_DASHES)])
        item: Any = self.plot.plot(pen=pen, name=title)
        if is_sparse:
            item.setSymbol("o")
            item.setSymbolSize(6)
            item.setSymbolPen(None)
            item.setSymbolBrush(color)
        self._items.append(item)
        self._drawn.append((title, curve))

    def _thin(self, *_: object) -> None:
        """Draw no more points than there are pixels, peaks kept."""
        box: Any = self.plot.getViewBox()
        low, high = box.viewRange()[0]
        columns = max(int(box.width()), 60)
        for item, (_title, curve) in zip(self._items, self._drawn, strict=True):
            item.setData(*thinned(curve.steps.astype(np.float64), curve.values, low, high, columns))

    def _show_all(self) -> None:
        last = max((int(curve.steps[-1]) for _, curve in self._drawn), default=1)
        self.plot.setXRange(-0.02 * last, 1.02 * last)
        self._thin()
        self.plot.enableAutoRange(axis="y")

    def _on_moved(self, position: Any) -> None:  # noqa: ANN401 - a scene's point
        box: Any = self.plot.getViewBox()
        is_inside = box.sceneBoundingRect().contains(position)
        self._read(float(box.mapSceneToView(position).x()) if is_inside else None)

    def _on_clicked(self, event: Any) -> None:  # noqa: ANN401 - pyqtgraph's own
        if event.double():
            self._show_all()

    def _read(self, step: float | None) -> None:
        """Tell the values of all runs at a step; without one, the newest."""
        self.plot.cursor_line.setVisible(step is not None)
        if step is not None:
            self.plot.cursor_line.setValue(step)
        place = math.inf if step is None else step
        told: list[str] = []
        for title, curve in self._drawn:
            value = at(curve.steps.astype(np.float64), curve.values, place)
            told.append(f"{title} {measured(value, curve.measure.unit)}")
        when = "newest" if step is None else f"at step {max(step, 0):,.0f}"
        self.reading.setText(f"{when}:   {'   '.join(told)}" if told else "")

    def _color(self, _display: object = None) -> None:
        if self._plot is None:
            return
        theme = theme_named(self._session.display.theme)
        self.plot.set_theme(theme)
        self.legend.setLabelTextColor(QColor(theme.text))
        self.legend.setBrush(QColor(theme.canvas))
        self._draw()


class OptionsPage(QWidget):
    """Options that differ; on demand also those that all have changed alike."""

    def __init__(self) -> None:
        super().__init__()
        self._comparison: Comparison | None = None
        self.shared = QCheckBox("Also what all of them have changed alike")
        self.shared.toggled.connect(self._fill)
        self.told = QLabel()
        self.told.setProperty("muted", True)
        self.table = _table()
        head = QHBoxLayout()
        head.setContentsMargins(0, GRID_PX, 0, 0)
        head.addWidget(self.told, 1)
        head.addWidget(self.shared)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID_PX)
        column.addLayout(head)
        column.addWidget(self.table, 1)

    def show_comparison(self, comparison: Comparison) -> None:
        """Show the options of these runs."""
        self._comparison = comparison
        self._fill()

    def _fill(self, _is_on: bool = False) -> None:
        comparison = self._comparison
        if comparison is None:
            return
        is_single = len(comparison.runs) == 1
        self.shared.setVisible(not is_single)
        differing = [option for option in comparison.options if not option.is_same]
        with_shared = self.shared.isChecked() or is_single
        shown = list(comparison.options) if with_shared else differing
        self.told.setText(_options_told(len(shown if is_single else differing), is_single))
        _fill(
            self.table,
            titles_of(comparison),
            [(option.row.key, [_value(value) for value in option.values]) for option in shown],
            tips=[option.row.info.help for option in shown],
            muted=[_defaults(option) for option in shown],
        )


def _options_told(number: int, is_single: bool) -> str:
    if is_single:
        return f"{counted(number, 'option')} changed; all others are as by default."
    if not number:
        return "Their configurations are the same."
    verb = "differs" if number == 1 else "differ"
    return f"{counted(number, 'option')} {verb}; all others are the same. Muted: the default."


def _defaults(option: OptionDifference) -> set[int]:
    return {i for i, value in enumerate(option.values) if value == option.row.default}


def _table() -> QTableWidget:
    table = QTableWidget()
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
    table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    table.setStyleSheet(CELL_STYLE)
    table.setShowGrid(False)
    table.setWordWrap(False)
    table.verticalHeader().hide()
    table.verticalHeader().setDefaultSectionSize(3 * GRID_PX)
    table.horizontalHeader().setHighlightSections(False)
    return table


def _fill(
    table: QTableWidget,
    titles: list[str],
    rows: list[tuple[str, list[str]]],
    *,
    bold: list[set[int]] | None = None,
    muted: list[set[int]] | None = None,
    tips: list[str] | None = None,
) -> None:
    """A column a run, behind a column of captions."""
    table.clear()
    table.setRowCount(len(rows))
    table.setColumnCount(1 + len(titles))
    table.setHorizontalHeaderLabels(["", *titles])
    faint = table.palette().placeholderText()
    for number, (caption, cells) in enumerate(rows):
        for column, text in enumerate([caption, *cells]):
            item = QTableWidgetItem(text)
            if bold is not None and column - 1 in bold[number]:
                item.setFont(font(BODY_PT, bold=True))
            if muted is not None and column - 1 in muted[number]:
                item.setForeground(faint)
            if tips is not None:
                item.setToolTip(tips[number])
            table.setItem(number, column, item)
    header = table.horizontalHeader()
    header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
    header.setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
    header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)


def _cell(figure: Figure, column: int) -> str:
    value = figure.values[column]
    if figure.measure.unit == "s":
        return duration(value) if math.isfinite(value) else "–"
    return measured(value, figure.measure.unit)


def _value(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)  # pyright: ignore[reportUnknownArgumentType]
    return text if len(text) <= _LONG else f"…{text[1 - _LONG :]}"


def _rank(group: str, key: str) -> tuple[int, int, str]:
    """Held-out errors first, in the order in which people ask for them."""
    known = [measure.key for measure in METRICS]
    place = known.index(key) if key in known else len(known)
    order = ("triangulation", "loss", "held-out")
    return (0 if key in known else 1 + order.index(group), place, key)
