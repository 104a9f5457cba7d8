"""Where a training runs: this machine, several processes of it, or a Slurm cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QSpinBox,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.retrain.starting import SLURM_EXTRA, Place, has_slurm_extra
from app.theme import GRID_PX

if TYPE_CHECKING:
    from PySide6.QtWidgets import QAbstractSpinBox

_HERE, _SEVERAL, _SLURM = range(3)
_MAX_PROCESSES, _MAX_NODES, _MAX_GPUS = 64, 256, 16


class WhereBox(QWidget):
    """A choice and what it needs to know; `changed` when either is another."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.kind = QComboBox()
        self.kind.addItems(["This machine", "This machine, several processes", "Slurm"])
        self.kind.setAccessibleName("Where to run")
        self.kind.setItemData(
            _SEVERAL,
            "torchrun: one process for each GPU, which share every batch",
            Qt.ItemDataRole.ToolTipRole,
        )
        self.processes = _whole(2, _MAX_PROCESSES)
        self.nodes, self.gpus = _whole(1, _MAX_NODES), _whole(0, _MAX_GPUS)
        self.gpus.setValue(1)
        self.hours = QDoubleSpinBox()
        self.hours.setRange(0.1, 1000)
        self.hours.setDecimals(1)
        self.hours.setValue(24)
        self.partition = QLineEdit()
        self.partition.setPlaceholderText("default")
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.note.setProperty("muted", True)
        self._fields = QStackedWidget()
        self._fields.addWidget(QWidget())
        self._fields.addWidget(_line(("processes", self.processes)))
        self._fields.addWidget(
            _line(
                ("nodes", self.nodes),
                ("GPUs each", self.gpus),
                ("hours", self.hours),
                ("partition", self.partition),
            )
        )
        # As wide as the other fields: else its note would be broken into lines it has no room for.
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.partition.setMinimumWidth(9 * GRID_PX)
        self.hours.setMaximumWidth(9 * GRID_PX)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID_PX // 2)
        column.addWidget(self.kind)
        column.addWidget(self._fields)
        column.addWidget(self.note)
        self.kind.currentIndexChanged.connect(self._on_changed)
        for field in (self.processes, self.nodes, self.gpus, self.hours):
            field.valueChanged.connect(self.changed)
        self.partition.textChanged.connect(self.changed)
        self.say("")
        self._on_changed()

    @property
    def place(self) -> Place:
        """What was chosen."""
        if self.kind.currentIndex() == _SLURM:
            return Place(
                kind="slurm",
                nodes=self.nodes.value(),
                gpus=self.gpus.value(),
                hours=self.hours.value(),
                partition=self.partition.text().strip(),
            )
        is_one = self.kind.currentIndex() == _HERE
        return Place(processes=1 if is_one else self.processes.value())

    @property
    def problem(self) -> str:
        """Why nothing can run there, with the way out; empty where it can."""
        if self.kind.currentIndex() == _SLURM and not has_slurm_extra():
            return f"Slurm jobs need submitit: {SLURM_EXTRA}, then open this dialog again."
        return ""

    def say(self, text: str) -> None:
        """Tell what stands before this training, or another fact about the place."""
        self.note.setText(text)
        self.note.setVisible(bool(text))

    def _on_changed(self) -> None:
        self._fields.setCurrentIndex(self.kind.currentIndex())
        self._fields.setVisible(self.kind.currentIndex() != _HERE)
        self.changed.emit()


def _whole(low: int, high: int) -> QSpinBox:
    field = QSpinBox()
    field.setRange(low, high)
    return field


def _line(*fields: tuple[str, QAbstractSpinBox | QLineEdit]) -> QWidget:
    widget = QWidget()
    row = QHBoxLayout(widget)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(GRID_PX // 2)
    for caption, field in fields:
        label = QLabel(caption)
        label.setProperty("muted", True)
        label.setBuddy(field)
        row.addWidget(label)
        row.addWidget(field)
    row.addStretch()
    return widget
