"""The Curves tab: losses, held-out errors, what the triangulation keeps, weights of the cameras.

One axis of steps through all stages, shared by all plots. What is new is taken over in parts, each
in a turn of its own, so that a run that has said 100,000 things never stops the window.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from app.afterwards import Afterwards
from app.cli.following import STAGE_TITLES
from app.format import number
from app.runs.plot import CameraPlot, Curve, CurvePlot, PlotBase, margins
from app.runs.series import KEPT, RunSeries
from app.theme import GRID_PX, SMALL_PT, font, theme_named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from PySide6.QtGui import QShowEvent

    from app.session import Session
    from core.project.runs.states import RunState

# Not more often than anybody can read; what is new comes every half second.
_DRAW_AFTER_MS = 60
_LOSSES = {"supervised": "L_sup", "unlabelled": "L_tri", "lift": "lift"}
_ERRORS = {"mv_mpjpe": "multi", "sv_mpjpe": "single"}
_HITS = {"mv_pck": "multi", "sv_pck": "single"}
_TEACH = "wheel: zoom   double click: all"


class Curves(QWidget):
    """Four plots in two rows."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.series = RunSeries()
        self._state: RunState | None = None
        self._is_zoomed = False
        self.losses = CurvePlot(
            "Loss",
            "Means since the last report, on a logarithmic axis: L_sup on labelled crops, L_tri of "
            "the triangulation on unlabelled ones. Faint: each report; bold: their running mean.",
            lambda value: f"{value:.2g}" if np.isfinite(value) else "–",
            is_log=True,
        )
        self.errors = CurvePlot(
            "MPJPE, mm",
            "Mean error of held-out poses, which nothing is learned from: triangulated from all "
            "views (multi), and lifted from a single one.",
            number,
            has_dots=True,
        )
        self.hits = CurvePlot(
            "PCK, %",
            "Share of held-out joints within 150 mm, from all views (multi) and from a single one; "
            "and the share of unlabelled joints whose triangulation is believed (kept).",
            lambda value: f"{value:.0f}" if np.isfinite(value) else "–",
            has_dots=True,
        )
        self.cameras = CameraPlot(
            "Weights",
            "How much the triangulation trusts each camera, 0 (dark) to 1 (bright): a camera that "
            "stays dark is badly calibrated, badly placed or badly detected.",
        )
        # For whoever has room for it: the corner of the tabs.
        self.readout = QLabel(_TEACH)
        self.readout.setFont(font(SMALL_PT))
        self.readout.setProperty("muted", True)
        self.readout.setContentsMargins(0, 0, GRID_PX, 0)
        page = QWidget()
        grid = QGridLayout(page)
        grid.setContentsMargins(*margins())
        grid.setSpacing(GRID_PX // 2)
        for index, plot in enumerate(self.plots):
            grid.addWidget(plot, index // 2, index % 2)
        for plot in (self.losses, self.errors):
            plot.surface.hideAxis("bottom")  # the plots below have the same
        grid.setRowStretch(0, 1)
        grid.setRowStretch(1, 1)
        # A low window shows the first row: the plots must not take the timeline's rows.
        scroll = QScrollArea()
        scroll.setWidget(page)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(scroll, 1)
        self._later = Afterwards(self, self._take, _DRAW_AFTER_MS)
        self._connect()
        self._color()

    @property
    def plots(self) -> tuple[PlotBase, ...]:
        """In reading order."""
        return (self.losses, self.errors, self.hits, self.cameras)

    def _connect(self) -> None:
        for plot in self.plots:
            plot.hovered.connect(self._point_at)
            plot.left.connect(lambda: self._point_at(None))
            plot.reset_asked.connect(self.show_all)
            plot.surface.resized.connect(self._later.ask)
            plot.box.sigRangeChangedManually.connect(self._on_zoomed)
            if plot is not self.losses:
                plot.surface.setXLink(self.losses.surface)
        self._session.display_changed.connect(self._color)

    def show_state(self, state: RunState | None, *, is_other: bool = False) -> None:
        """Show a run; `is_other` begins anew with another one."""
        self._state = state
        if is_other:
            self.series = RunSeries()
            self._is_zoomed = False
        self._later.ask()

    def show_all(self) -> None:
        """Zoom out to the whole run."""
        self._is_zoomed = False
        self.draw()

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what happened while another tab was in front."""
        super().showEvent(event)
        self._later.ask()

    def _color(self, _display: object = None) -> None:
        theme = theme_named(self._session.display.theme)
        palette = self.palette()
        second = (palette.highlight() if theme.name == "light" else palette.link()).color()
        for plot in (self.losses, self.errors, self.hits):
            plot.set_theme(theme, second)
        self.cameras.set_theme(theme)
        self._later.ask()

    def _take(self) -> None:
        if self._state is not None and self.series.take(self._state):
            # The rest in turns of its own; somebody may have done something meanwhile.
            QTimer.singleShot(0, self, self._take)
            return
        self.draw()

    def draw(self) -> None:
        """Draw what was taken over."""
        series = self.series
        offsets = series.offsets
        span = self._span(max(offsets["predict"], 1))
        if not self._is_zoomed:
            self.losses.box.setXRange(*span, padding=0.03)
        steps = series.losses.positions(offsets)
        losses = [
            Curve(name=title, x=steps, y=series.losses.column(name))
            for name, title in _LOSSES.items()
            if name in series.losses.names
        ]
        measured = series.metrics.positions(offsets)
        errors, hits = (self._measured(names, measured) for names in (_ERRORS, _HITS))
        weighed = series.triangulation.positions(offsets)
        if len(weighed):
            kept = Curve(name="kept", x=weighed, y=100 * series.triangulation.column(KEPT))
            hits = [*hits, kept]
        self.losses.show_curves(losses, *span)
        self.errors.show_curves(errors, *span)
        self.hits.show_curves(hits, *span)
        names = series.cameras()
        columns = [series.triangulation.column(name) for name in names]
        weights = np.stack(columns, axis=1) if columns else np.empty((0, 0))
        self.cameras.show_weights(names, weighed, weights, span)
        theme = theme_named(self._session.display.theme)
        borders = [float(offsets[stage]) for stage in series.stages if offsets[stage]]
        for plot in self.plots:
            plot.show_borders(borders, theme)

    def _measured(self, names: Mapping[str, str], x: NDArray[np.float64]) -> list[Curve]:
        table = self.series.metrics
        return [
            Curve(name=title, x=x, y=table.column(name))
            for name, title in names.items()
            if name in table.names
        ]

    def _span(self, end: float) -> tuple[float, float]:
        if not self._is_zoomed:
            return 0.0, float(end)
        low, high = self.losses.box.viewRange()[0]
        return float(low), float(high)

    def _on_zoomed(self, _mask: object = None) -> None:
        self._is_zoomed = True
        self._later.ask()

    def _point_at(self, place: float | None) -> None:
        for plot in self.plots:
            plot.point_at(place)
        self.readout.setText(_TEACH if place is None else self._where(place))

    def _where(self, place: float) -> str:
        offsets = self.series.offsets
        for stage in reversed(self.series.stages):
            if place >= offsets[stage]:
                return f"{STAGE_TITLES[stage]}, step {place - offsets[stage]:,.0f}"
        return _TEACH
