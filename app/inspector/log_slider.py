"""A length on a logarithmic slider, or automatic."""

from __future__ import annotations

import math

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QSlider, QWidget

from app.format import length
from app.theme import GRID_PX

_STEPS = 400


class LengthSlider(QWidget):
    """Emits `changed` with millimetres, or with "auto"."""

    changed = Signal(object)

    def __init__(self, low_mm: float, high_mm: float, *, automatic: bool) -> None:
        super().__init__()
        self._low, self._high = math.log(low_mm), math.log(high_mm)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID_PX)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, _STEPS)
        self.slider.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.slider.setMinimumWidth(48)
        self._number = QLabel()
        self._number.setMinimumWidth(52)
        self._number.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.automatic = QCheckBox("auto")
        self.automatic.setVisible(automatic)
        self.automatic.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        row.addWidget(self.slider, 1)
        row.addWidget(self._number)
        row.addWidget(self.automatic)
        self.slider.valueChanged.connect(self._on_moved)
        self.automatic.toggled.connect(self._on_automatic)

    def show_value(self, value_mm: float, *, is_auto: bool = False) -> None:
        """Show a value without emitting it; ``value_mm`` is what automatic comes to."""
        with QSignalBlocker(self.slider), QSignalBlocker(self.automatic):
            self.automatic.setChecked(is_auto)
            share = (math.log(max(value_mm, 1e-3)) - self._low) / (self._high - self._low)
            self.slider.setValue(round(min(max(share, 0.0), 1.0) * _STEPS))
        self._number.setText(length(value_mm))

    def _value(self) -> float:
        share = self.slider.value() / _STEPS
        return round(math.exp(self._low + share * (self._high - self._low)), 1)

    def _on_moved(self) -> None:
        self.changed.emit(self._value())

    def _on_automatic(self, is_auto: bool) -> None:
        self.changed.emit("auto" if is_auto else self._value())
