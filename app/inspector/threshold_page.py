"""σ, λ, noise scale and rule, changed live, over what they do to the whole recording."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.afterwards import Afterwards
from app.format import counted, joint_name, length, percent
from app.inspector.bar_list import BarList
from app.inspector.histogram import WssHistogram
from app.inspector.log_slider import LengthSlider
from app.inspector.precision import PrecisionPanel
from app.theme import GRID_PX
from app.toolbar import NumberField
from core.diagnosis import effective_lengths_mm
from core.settings import TriangulationSettings

if TYPE_CHECKING:
    from PySide6.QtGui import QShowEvent

    from app.session import Session
    from core.diagnosis import RecordingSummary

_RULES = (
    ("support", "too few views agree (support)"),
    ("wss", "candidates scatter (WSS, the paper)"),
    ("none", "nothing: keep all"),
)
_SHORT = {"support": "too few views agree", "wss": "candidates scatter", "none": "nothing"}
_UNKNOWN = "Going through the recording: the histogram and the shares follow."


class ThresholdPage(QScrollArea):
    """Settings above, consequences below."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._persons: tuple[int, ...] = ()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        page = QWidget()
        self.setWidget(page)
        column = QVBoxLayout(page)
        column.setContentsMargins(*[GRID_PX] * 4)
        column.addLayout(self._make_form())
        self.shares_text = QLabel(_UNKNOWN)
        self.shares_text.setWordWrap(True)
        column.addWidget(self.shares_text)
        self.plot = WssHistogram(session)
        column.addWidget(self.plot)
        self.precision = PrecisionPanel(session)
        column.addWidget(self.precision)
        self.by_joint = BarList(session, "Kept, by joint")
        self.by_person = BarList(session, "Kept, by person")
        self.by_camera = BarList(session, "Mean weight, by camera")
        bars = QHBoxLayout()
        bars.setSpacing(2 * GRID_PX)
        column.addLayout(bars)
        bars.addWidget(self.by_joint, 1, Qt.AlignmentFlag.AlignTop)
        right = QVBoxLayout()
        right.setSpacing(GRID_PX)
        bars.addLayout(right, 1)
        right.addWidget(self.by_camera)
        right.addWidget(self.by_person)
        right.addStretch()
        column.addStretch()
        self._connect()
        self._on_project_changed()

    def _connect(self) -> None:
        session, change = self._session, self._session.set_settings
        self.rule.activated.connect(lambda row: change(discard=self.rule.itemData(row)))
        self.scale.changed.connect(lambda value: change(scale_mm=value))
        self.sigma.changed.connect(lambda value: change(sigma_mm=value))
        self.threshold.changed.connect(lambda value: change(wss_threshold_mm=value))
        self.plot.threshold_moved.connect(lambda value: change(wss_threshold_mm=value))
        self.min_views.valueChanged.connect(lambda value: change(min_views=value))
        self.reset.clicked.connect(self._on_reset)
        self.by_joint.chosen.connect(lambda joint: session.select(joint=joint))
        self.by_camera.chosen.connect(lambda camera: session.select(camera=camera))
        self.by_person.chosen.connect(lambda row: session.select(person=self._persons[row]))
        session.settings_changed.connect(self._show_settings)
        session.project_changed.connect(self._on_project_changed)
        session.summary_changed.connect(self._show_summary)
        self._later = Afterwards(self, self._show_joint)
        session.diagnosis_changed.connect(self._later.ask)
        session.cursor_changed.connect(self._later.ask)

    def _make_form(self) -> QGridLayout:
        form = QGridLayout()
        form.setHorizontalSpacing(2 * GRID_PX)
        form.setVerticalSpacing(GRID_PX // 2)
        form.setColumnStretch(1, 1)
        self.rule = QComboBox()
        self.rule.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.rule.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.rule.setMinimumContentsLength(16)
        self.rule.addItem("", None)
        for value, caption in _RULES:
            self.rule.addItem(caption, value)
        self.scale = LengthSlider(1, 200, automatic=False)
        self.sigma = LengthSlider(1, 1000, automatic=True)
        self.threshold = LengthSlider(1, 1000, automatic=True)
        self.min_views = NumberField()
        self.min_views.setRange(2, 64)
        self.min_views.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.min_views.setMaximumWidth(72)
        self.reset = QPushButton("Defaults")
        self.reset.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.reset.setToolTip("Rule, σ, λ and least views as the tool sets them")
        last = QWidget()
        row = QHBoxLayout(last)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.min_views)
        row.addStretch()
        row.addWidget(self.reset)
        for index, (caption, widget, tip) in enumerate(
            (
                ("Discard where", self.rule, "When a joint's triangulation is not believed"),
                (
                    "Noise scale",
                    self.scale,
                    "How far honest observations of a joint lie apart; estimated once per project",
                ),
                (
                    "σ, pair distance",
                    self.sigma,
                    "Pairwise weighting only: at this distance from their centre a pair of views "
                    "counts 1/e (Eq. 5); auto: three noise scales",
                ),
                (
                    "λ, most scatter",
                    self.threshold,
                    "WSS rule only: more scatter than this discards a joint; auto: four noise "
                    "scales",
                ),
                ("Least views", last, "A joint that fewer views see is never kept"),
            )
        ):
            label = QLabel(caption)
            label.setToolTip(tip)
            widget.setToolTip(tip)
            form.addWidget(label, index, 0)
            form.addWidget(widget, index, 1)
            if widget is self.sigma:
                self._sigma_label = label
            elif widget is self.threshold:
                self._threshold_label = label
        return form

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what happened while another page was in front."""
        super().showEvent(event)
        self._show_joint()

    def _on_reset(self) -> None:
        default = TriangulationSettings()
        self._session.set_settings(
            discard=default.discard,
            sigma_mm=default.sigma_mm,
            wss_threshold_mm=default.wss_threshold_mm,
            min_views=default.min_views,
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
        own = replace(settings, discard=None).rule
        self.rule.setItemText(0, f"{_SHORT[own]} (goes with {settings.weighting})")
        self.rule.setCurrentIndex(self.rule.findData(settings.discard))
        self.scale.show_value(lengths.scale_mm)
        self.sigma.show_value(lengths.sigma_mm, is_auto=settings.sigma_mm == "auto")
        self.threshold.show_value(
            lengths.wss_threshold_mm, is_auto=settings.wss_threshold_mm == "auto"
        )
        with QSignalBlocker(self.min_views):
            self.min_views.setValue(settings.min_views)
        # What the rule in force does not read is greyed, so that no slider is moved in vain.
        for widget in (self.sigma, self._sigma_label):
            widget.setEnabled(settings.weighting == "pairwise")
        for widget in (self.threshold, self._threshold_label):
            widget.setEnabled(settings.rule == "wss")
        self.plot.show_threshold(lengths.wss_threshold_mm, in_force=settings.rule == "wss")
        default = TriangulationSettings(
            weighting=settings.weighting,
            scale_mm=settings.scale_mm,
            row_exponent=settings.row_exponent,
        )
        self.reset.setEnabled(settings != default)

    def _show_summary(self, summary: RecordingSummary | None) -> None:
        project = self._session.project
        has_joints = summary is not None and project is not None and summary.num_joints > 0
        for widget in (self.plot, self.by_joint, self.by_person, self.by_camera):
            widget.setVisible(has_joints)
        if project is None:
            self.shares_text.setText("No project is open.")
        elif summary is None:
            self.shares_text.setText(_UNKNOWN)
        elif not has_joints:
            self.shares_text.setText("No 2D joint in the whole recording: nothing to triangulate.")
        else:
            self._show_shares(summary)

    def _show_shares(self, summary: RecordingSummary) -> None:
        project = self._session.require_project()
        text = (
            f"{percent(summary.kept_share, 1)} of {counted(summary.num_joints, 'joint')} of the "
            f"recording kept; median WSS {length(summary.median_wss_mm)}."
        )
        flat = int(summary.wss_counts[0])
        if flat:
            text += f" {counted(flat, 'joint')} without scatter (two views) not drawn."
        self.shares_text.setText(text)
        self.plot.show_counts(summary.wss_edges_mm, summary.wss_counts)
        names = [joint_name(name) for name in project.skeleton.joints]
        self.by_joint.show_shares(names, list(summary.kept_by_joint))
        self.by_camera.show_shares(project.rig.names, list(summary.weight_by_camera))
        self._persons = summary.persons
        self.by_person.show_shares(
            [f"#{person}" for person in summary.persons], list(summary.kept_by_person)
        )

    def _show_joint(self, *_what: object) -> None:
        session = self._session
        diagnosis, row, joint = session.diagnosis, session.person_row, session.cursor.joint
        value = float("nan")
        if diagnosis is not None and row is not None and joint is not None:
            value = float(diagnosis.triangulation.wss_mm[row, joint])
        self.plot.show_joint(value)
