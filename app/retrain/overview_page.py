"""The first page of the Retrain dialog: preset, time, start, stages, place, name.

It shows a draft and says what was chosen; it decides nothing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.retrain.closing import ANSWERS
from app.retrain.draft import presets_in_order
from app.retrain.estimate_view import EstimateView
from app.retrain.where_box import WhereBox
from app.theme import GRID_PX
from core.project.runs.config import STAGES
from core.project.runs.config_io import preset_description

if TYPE_CHECKING:
    from app.retrain.draft import Draft
    from app.session import Session
    from core.project.runs.config import Stage
    from core.retraining.inputs import WeightsChoice

_STAGE_TITLES: dict[Stage, tuple[str, str]] = {
    "pretrain": ("Pre-train", "The detector on the labelled people alone"),
    "finetune": ("Fine-tune", "The detector on labelled and unlabelled frames"),
    "lift": ("Lift", "3D poses from single views"),
    "predict": ("Predict", "Everybody in every frame, at the end"),
}


class OverviewPage(QWidget):
    """Says what is chosen; the dialog makes a draft of it and has it shown again."""

    preset_chosen = Signal(str)
    weights_chosen = Signal(str)
    stage_toggled = Signal(str, bool)
    name_edited = Signal()
    closing_chosen = Signal(str)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._make_presets()
        self.description = QLabel()
        self.description.setWordWrap(True)
        self.description.setProperty("muted", True)
        self.estimate = EstimateView(session)
        self.weights = QComboBox()
        self.weights.setAccessibleName("Start from")
        self.weights.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.weights.activated.connect(
            lambda row: self.weights_chosen.emit(str(self.weights.itemData(row)))
        )
        self.file_button = QToolButton()
        self.file_button.setText("File…")
        self.file_button.setToolTip("AlphaPose's .pth, or weights that were exported from a run")
        self.file_button.clicked.connect(self._choose_file)
        self.stages = {name: self._make_stage(name) for name in STAGES}
        self.where = WhereBox()
        self.name = QLineEdit()
        self.name.setAccessibleName("Name of the run")
        self.name.setMaxLength(60)
        self.name.textEdited.connect(lambda _text: self.name_edited.emit())
        self.closing = QComboBox()
        self.closing.setAccessibleName("When the window is closed")
        for answer, title in ANSWERS.items():
            self.closing.addItem(title, answer)
        self.closing.activated.connect(
            lambda row: self.closing_chosen.emit(str(self.closing.itemData(row)))
        )
        self._lay_out()

    def show_draft(self, draft: Draft) -> None:
        """Show what is set."""
        for name, button in self.presets.items():
            button.setChecked(name == draft.title)
        changed = len(draft.changes)
        note = f"  {changed} changed on top." if changed else ""
        self.description.setText(draft.description + note)
        for name, box in self.stages.items():
            with QSignalBlocker(box):
                box.setChecked(name in draft.stages)
        self.name.setPlaceholderText(draft.title)
        self._select_weights(draft.weights)

    def show_weights(self, choices: tuple[WeightsChoice, ...], chosen: str) -> None:
        """Show what can be started from."""
        with QSignalBlocker(self.weights):
            self.weights.clear()
            for row, choice in enumerate(choices):
                known = math.isfinite(choice.error_mm)
                error = f"  ({choice.error_mm:.0f} mm)" if known else ""
                self.weights.addItem(f"{choice.title}{error}", choice.value)
                self.weights.setItemData(row, choice.detail, Qt.ItemDataRole.ToolTipRole)
        self._select_weights(chosen)

    def set_closing(self, answer: str) -> None:
        """Show what happens to trainings when the window is closed."""
        self.closing.setCurrentIndex(self.closing.findData(answer))

    def _select_weights(self, chosen: str) -> None:
        with QSignalBlocker(self.weights):
            if self.weights.findData(chosen) < 0:
                self.weights.addItem(chosen or "Nothing", chosen)
            self.weights.setCurrentIndex(self.weights.findData(chosen))
        self.weights.setToolTip(
            str(self.weights.currentData(Qt.ItemDataRole.ToolTipRole) or "Start from")
        )

    def _make_presets(self) -> None:
        self.presets: dict[str, QPushButton] = {}
        self._group = QButtonGroup(self)
        # A file that was loaded is none of them.
        self._group.setExclusive(False)
        for name in presets_in_order():
            button = self.presets[name] = QPushButton(name)
            button.setCheckable(True)
            button.setProperty("choice", True)
            button.setAutoDefault(False)
            button.setToolTip(preset_description(name))
            button.clicked.connect(lambda _=False, name=name: self.preset_chosen.emit(name))
            self._group.addButton(button)

    def _make_stage(self, name: Stage) -> QCheckBox:
        title, tip = _STAGE_TITLES[name]
        box = QCheckBox(title)
        box.setToolTip(tip)
        box.toggled.connect(lambda is_on: self.stage_toggled.emit(name, is_on))
        return box

    def _lay_out(self) -> None:
        presets, start, stages = QHBoxLayout(), QHBoxLayout(), QHBoxLayout()
        for row in (presets, start, stages):
            row.setSpacing(GRID_PX // 2)
        for button in self.presets.values():
            presets.addWidget(button)
        presets.addStretch()
        start.addWidget(self.weights, 1)
        start.addWidget(self.file_button)
        stages.setSpacing(2 * GRID_PX)
        for box in self.stages.values():
            stages.addWidget(box)
        stages.addStretch()
        preset = QVBoxLayout()
        preset.setSpacing(GRID_PX // 2)
        preset.addLayout(presets)
        preset.addWidget(self.description)
        form = QFormLayout()
        form.setHorizontalSpacing(2 * GRID_PX)
        form.setVerticalSpacing(2 * GRID_PX)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.addRow("Preset", preset)
        form.addRow("Time", self.estimate)
        form.addRow("Start from", start)
        form.addRow("Stages", stages)
        form.addRow("Where", self.where)
        form.addRow("Name", self.name)
        form.addRow("At closing", self.closing)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, GRID_PX, 0, 0)
        column.addLayout(form)
        column.addStretch(1)

    def _choose_file(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(
            self, "Start from weights in a file", "", "Weights (*.pth *.pt);;All files (*)"
        )
        if chosen:
            self.weights_chosen.emit(chosen)
