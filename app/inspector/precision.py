"""Precision and recall of the discard rule on labelled frames, live under the sliders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.format import counted, length, percent
from app.inspector.histogram import LengthAxis
from app.inspector.log_slider import LengthSlider
from app.inspector.work_bar import WorkBar
from app.theme import GRID_PX, SMALL_PT, font, quantity_color, theme_named
from core.diagnosis import CORRECT_MM, effective_lengths_mm, threshold_samples

if TYPE_CHECKING:
    from PySide6.QtGui import QShowEvent

    from app.session import Session
    from app.theme import Theme
    from core.diagnosis import ThresholdCurve, ThresholdSamples
    from core.settings import TriangulationSettings

_SETTLE_MS = 400
_HEIGHT_PX = 140
_NO_LABELS = (
    "No labelled frame to measure the rule by: label some joints by hand in two views, and this "
    "shows how many of the kept joints are right, and how many right ones are lost."
)
_NO_DETECTIONS = (
    "The labelled frames have no detections in two views of a labelled joint, so there is nothing "
    "to measure the rule by."
)


class PrecisionPanel(QWidget):
    """Sentence, tolerance and curves; the samples are made anew where the sliders ask for it."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.samples: ThresholdSamples | None = None
        self._made_of: str = ""
        column = QVBoxLayout(self)
        column.setContentsMargins(0, GRID_PX, 0, 0)
        column.setSpacing(GRID_PX // 2)
        title = QLabel("Where people labelled")
        title.setFont(font(bold=True))
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.work = WorkBar(session, "", Qt.FocusPolicy.NoFocus)
        self.tolerance = LengthSlider(5, 500, automatic=False)
        self.tolerance.setToolTip("A joint nearer than this to where people say it is, is correct")
        self.tolerance.show_value(CORRECT_MM)
        self._tolerance_mm = CORRECT_MM
        row = QHBoxLayout()
        row.setSpacing(2 * GRID_PX)
        row.addWidget(QLabel("Correct within"))
        row.addWidget(self.tolerance, 1)
        self.plot = PrecisionPlot(session)
        column.addWidget(title)
        column.addWidget(self.words)
        column.addWidget(self.work)
        column.addLayout(row)
        column.addWidget(self.plot)
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(_SETTLE_MS)
        self._settle.timeout.connect(self._make)
        self.tolerance.changed.connect(self._on_tolerance)
        session.settings_changed.connect(self._on_changed)
        session.display_changed.connect(self._show)
        session.edited.connect(self._on_changed)
        session.engine_warmed.connect(self._settle.start)
        session.project_changed.connect(self._on_project_changed)
        self._on_project_changed()

    @property
    def is_settled(self) -> bool:
        """Whether what is shown is of the settings and labels in force."""
        return not self.work.is_busy and not self._settle.isActive()

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up."""
        super().showEvent(event)
        self._on_changed()

    def _on_project_changed(self) -> None:
        self.samples, self._made_of = None, ""
        self.words.setText("")
        self.tolerance.setEnabled(False)
        self.plot.setVisible(False)
        self._on_changed()

    def _on_changed(self, _what: object = None) -> None:
        session = self._session
        if session.project is None or not self.isVisible():
            return
        if self._is_current():
            self._show()
        else:
            self._settle.start()

    def _is_current(self) -> bool:
        project = self._session.project
        return (
            project is not None
            and self.samples is not None
            and self.samples.fit(self._session.settings)
            and self._made_of == project.data_key
        )

    def _make(self) -> None:
        session, project = self._session, self._session.project
        if project is None or self._is_current() or not session.is_engine_ready:
            return
        settings = session.settings
        if settings.scale_mm is None:
            return  # it is being estimated; settings_changed follows
        self._made_of = project.data_key
        self.work.run(
            "Measuring the discard rule",
            lambda progress: threshold_samples(project, settings, progress),
            self._on_made,
        )

    def _on_made(self, samples: ThresholdSamples) -> None:
        self.samples = samples
        self._show()

    def _on_tolerance(self, value_mm: float) -> None:
        self._tolerance_mm = value_mm
        self.tolerance.show_value(value_mm)
        self._show()

    def _show(self, _what: object = None) -> None:
        samples, settings = self.samples, self._session.settings
        if samples is None:
            return
        has_any = len(samples) > 0
        self.tolerance.setEnabled(has_any)
        self.plot.setVisible(has_any)
        if not has_any:
            labelled = len(self._session.require_project().labelled_frames())
            self.words.setText(_NO_DETECTIONS if labelled else _NO_LABELS)
            return
        score = samples.score(settings, self._tolerance_mm)
        theme = theme_named(self._session.display.theme)
        named = f'<b style="color:{precision_ink(theme).name()}">Precision'
        self.words.setText(
            f"Of {counted(score.num_joints, 'labelled joint')} the rule keeps "
            f"{score.num_kept:,}. {named} {percent(score.precision, 1)}</b>: kept joints within "
            f"{length(self._tolerance_mm)} of their label. "
            f'<b style="color:{theme.muted}">Recall {percent(score.recall, 1)}</b>: joints within '
            "it that are kept."
        )
        curve = samples.curve(settings, self._tolerance_mm)
        self.plot.show_curve(curve, _threshold(settings))


class PrecisionPlot(pg.PlotWidget):
    """Precision and recall over the threshold; a line where the threshold stands."""

    def __init__(self, session: Session) -> None:
        super().__init__(axisItems={"bottom": LengthAxis("bottom")})
        self._session = session
        self.setFixedHeight(_HEIGHT_PX)
        self.setMinimumWidth(120)
        self.setMenuEnabled(False)
        self.hideButtons()
        self.setMouseEnabled(x=False, y=False)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        box: Any = self.getViewBox()
        box.setYRange(0, 1.04, padding=0)
        self._box = box
        axis = self.getAxis("left")
        axis.setTicks([[(0, "0"), (0.5, "50 %"), (1, "100 %")]])
        for side in ("left", "bottom"):
            self.getAxis(side).setStyle(tickFont=font(SMALL_PT))
        self.precision = pg.PlotCurveItem()
        self.recall = pg.PlotCurveItem()
        self.line = pg.InfiniteLine(movable=False, angle=90)
        for item in (self.precision, self.recall, self.line):
            self.addItem(item)
        session.display_changed.connect(self._color)
        self._color()

    def _color(self, _display: object = None) -> None:
        theme = theme_named(self._session.display.theme)
        self.setBackground(theme.canvas)
        for side in ("left", "bottom"):
            self.getAxis(side).setPen(QColor(theme.line))
            self.getAxis(side).setTextPen(QColor(theme.muted))
        solid, dashed = Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine
        self.precision.setPen(pg.mkPen(precision_ink(theme), width=2, style=solid))
        self.recall.setPen(pg.mkPen(QColor(theme.muted), width=2, style=dashed))
        self.line.setPen(pg.mkPen(theme.problem, width=2))

    def show_curve(self, curve: ThresholdCurve, threshold: float) -> None:
        """Draw another curve, and where the threshold stands."""
        is_length = curve.rule == "wss"
        x = np.log10(curve.thresholds) if is_length else curve.thresholds
        axis: Any = self.getAxis("bottom")
        axis.setLogMode(is_length, False)
        self.setLabel("bottom", "λ, mm" if is_length else "least views that agree")
        axis.setTicks(None if is_length else [[(float(v), f"{v:.0f}") for v in x]])
        margin = 0.0 if is_length else 0.3
        self._box.setXRange(float(x[0]) - margin, float(x[-1]) + margin, padding=0)
        for item, values in ((self.precision, curve.precision), (self.recall, curve.recall)):
            item.setData(x, values, connect="finite")
        self.line.setValue(float(np.log10(threshold) if is_length else threshold))


def precision_ink(theme: Theme) -> QColor:
    """A colour of viridis that reads on either background."""
    return quantity_color(0.7 if theme.name == "dark" else 0.45)


def _threshold(settings: TriangulationSettings) -> float:
    if settings.rule == "support":
        return float(settings.min_views)
    return effective_lengths_mm(settings).wss_threshold_mm
