"""σ, λ, noise scale and rule, changed live, over what they do to the whole recording."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QComboBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from app.format import joint_name, length
from app.inspector.bar_list import BarList
from app.inspector.log_slider import LengthSlider
from app.theme import GRID_PX, THEMES
from core.diagnosis import effective_lengths_mm

if TYPE_CHECKING:
    from app.session import Session
    from core.diagnosis import RecordingSummary
    from core.settings import TriangulationSettings

_RULES = (
    (None, "the weighting's own"),
    ("support", "support: too few views agree"),
    ("wss", "WSS: the candidates scatter (the paper)"),
    ("none", "none: keep everything"),
)
_UNKNOWN = "Going through the recording: the histogram and the shares follow."


class ThresholdPage(QScrollArea):
    """Settings above, consequences below."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        page = QWidget()
        self.setWidget(page)
        column = QVBoxLayout(page)
        column.setContentsMargins(*[GRID_PX] * 4)
        column.addLayout(self._make_form())
        self.shares_text = QLabel(_UNKNOWN)
        self.shares_text.setWordWrap(True)
        column.addWidget(self.shares_text)
        self._make_histogram()
        column.addWidget(self.plot)
        bars = QHBoxLayout()
        bars.setSpacing(2 * GRID_PX)
        column.addLayout(bars)
        self.by_joint = BarList(session, "Kept, by joint")
        self.by_person = BarList(session, "Kept, by person")
        self.by_camera = BarList(session, "Mean weight, by camera")
        bars.addWidget(self.by_joint, 1, Qt.AlignmentFlag.AlignTop)
        right = QVBoxLayout()
        bars.addLayout(right, 1)
        right.addWidget(self.by_camera)
        right.addWidget(self.by_person)
        right.addStretch()
        column.addStretch()
        session.settings_changed.connect(self._show_settings)
        session.project_changed.connect(self._on_project_changed)
        session.summary_changed.connect(self._show_summary)
        session.diagnosis_changed.connect(self._show_joint)
        session.cursor_changed.connect(self._show_joint)
        session.display_changed.connect(self._color_plot)
        self._on_project_changed()
        self._color_plot()

    def _make_form(self) -> QFormLayout:
        form = QFormLayout()
        form.setHorizontalSpacing(2 * GRID_PX)
        self.rule = QComboBox()
        self.rule.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        for value, caption in _RULES:
            self.rule.addItem(caption, value)
        self.scale = LengthSlider(1, 200, automatic=False)
        self.sigma = LengthSlider(1, 1000, automatic=True)
        self.threshold = LengthSlider(1, 1000, automatic=True)
        self.min_views = QSpinBox()
        self.min_views.setRange(2, 64)
        self.min_views.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.min_views.setMaximumWidth(72)
        for caption, widget, tip in (
            ("Discard by", self.rule, "When a joint's triangulation is not believed"),
            ("Noise scale", self.scale, "How far honest observations of a joint lie apart"),
            ("σ", self.sigma, "Pairwise weights: the distance at which a pair counts 1/e (Eq. 5)"),
            ("λ", self.threshold, "WSS rule: more scatter than this discards a joint"),
            ("Least views", self.min_views, "Fewer views than this never keep a joint"),
        ):
            widget.setToolTip(tip)
            form.addRow(caption, widget)
        change = self._session.set_settings
        self.rule.activated.connect(lambda row: change(discard=self.rule.itemData(row)))
        self.scale.changed.connect(lambda value: change(scale_mm=value))
        self.sigma.changed.connect(lambda value: change(sigma_mm=value))
        self.threshold.changed.connect(lambda value: change(wss_threshold_mm=value))
        self.min_views.valueChanged.connect(lambda value: change(min_views=value))
        return form

    def _make_histogram(self) -> None:
        self.plot = pg.PlotWidget()
        self.plot.setFixedHeight(130)
        self.plot.setMenuEnabled(False)
        self.plot.hideButtons()
        self.plot.setMouseEnabled(x=False, y=False)
        self.plot.setLogMode(x=True, y=False)
        self._plot_box: Any = self.plot.getViewBox()
        self.plot.setLabel("bottom", "WSS (root), mm")
        self.plot.getAxis("left").setVisible(False)
        self._bars = pg.PlotCurveItem([0, 1], [0], stepMode="center", fillLevel=0)
        self.plot.addItem(self._bars)
        self._line = pg.InfiniteLine(movable=True, angle=90)
        self._line.setToolTip("λ: drag it")
        self._mark = pg.InfiniteLine(movable=False, angle=90)
        self.plot.addItem(self._mark)
        self.plot.addItem(self._line)
        self._line.sigPositionChangeFinished.connect(self._on_line_moved)

    def _color_plot(self, _display: object = None) -> None:
        theme = THEMES["light" if self._session.display.theme == "light" else "dark"]
        self.plot.setBackground(theme.canvas)
        for side in ("bottom", "left"):
            axis = self.plot.getAxis(side)
            axis.setPen(QColor(theme.line))
            axis.setTextPen(QColor(theme.muted))
        self._bars.setBrush(QColor(theme.muted))
        self._bars.setPen(QColor(theme.muted))
        self._line.setPen(pg.mkPen(theme.problem, width=2))
        self._line.setHoverPen(pg.mkPen(theme.problem, width=3))
        self._mark.setPen(pg.mkPen(theme.accent, width=1, style=Qt.PenStyle.DashLine))

    def _on_line_moved(self) -> None:
        self._session.set_settings(
            wss_threshold_mm=round(10.0 ** float(str(self._line.value())), 1)
        )

    def _on_project_changed(self) -> None:
        project = self._session.project
        self.setEnabled(project is not None)
        if project is not None:
            with QSignalBlocker(self.min_views):
                self.min_views.setMaximum(max(len(project.rig), 2))
        self._show_summary(None)
        self._show_settings(self._session.settings)

    def _show_settings(self, settings: TriangulationSettings) -> None:
        lengths = effective_lengths_mm(settings)
        self.rule.setCurrentIndex([value for value, _ in _RULES].index(settings.discard))
        self.scale.show_value(lengths.scale_mm)
        self.sigma.show_value(lengths.sigma_mm, is_auto=settings.sigma_mm == "auto")
        self.threshold.show_value(
            lengths.wss_threshold_mm, is_auto=settings.wss_threshold_mm == "auto"
        )
        with QSignalBlocker(self.min_views):
            self.min_views.setValue(settings.min_views)
        # What the rule in force does not read is greyed, so that no slider is moved in vain.
        self.sigma.setEnabled(settings.weighting == "pairwise")
        self.threshold.setEnabled(settings.rule == "wss")
        self._line.setVisible(settings.rule == "wss")
        with QSignalBlocker(self._line):
            self._line.setValue(float(np.log10(lengths.wss_threshold_mm)))

    def _show_summary(self, summary: RecordingSummary | None) -> None:
        project = self._session.project
        has_summary = summary is not None and project is not None
        for widget in (self.plot, self.by_joint, self.by_person, self.by_camera):
            widget.setVisible(has_summary)
        if summary is None or project is None:
            self.shares_text.setText(_UNKNOWN if project is not None else "No project is open.")
            return
        self.shares_text.setText(
            f"{summary.kept_share:.1%} of {summary.num_joints:,} joints kept in the recording; "
            f"half of them scatter by less than {length(summary.median_wss_mm)} (WSS)."
        )
        edges = np.log10(summary.wss_edges_mm)
        self._bars.setData(edges, np.asarray(summary.wss_counts, dtype=float))
        self._plot_box.setXRange(float(edges[0]), float(edges[-1]), padding=0)
        names = [joint_name(name) for name in project.skeleton.joints]
        self.by_joint.show_shares(names, list(summary.kept_by_joint))
        self.by_camera.show_shares(project.rig.names, list(summary.weight_by_camera))
        persons = [f"#{person}" for person in summary.persons]
        self.by_person.show_shares(persons, list(summary.kept_by_person))

    def _show_joint(self, *_what: object) -> None:
        session = self._session
        diagnosis, row, joint = session.diagnosis, session.person_row, session.cursor.joint
        value = float("nan")
        if diagnosis is not None and row is not None and joint is not None:
            value = float(diagnosis.triangulation.wss_mm[row, joint])
        self._mark.setVisible(bool(np.isfinite(value)) and value > 0)
        if np.isfinite(value) and value > 0:
            self._mark.setValue(float(np.log10(value)))
