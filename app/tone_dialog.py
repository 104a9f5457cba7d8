"""Brightness, contrast, gamma, point size and opacity: sliders that act at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QGridLayout, QLabel, QPushButton, QSlider, QWidget

from app.state import DisplaySettings
from app.theme import GRID_PX

if TYPE_CHECKING:
    from app.session import Session

# Field, caption, lowest, highest, digits kept, how it is written.
_ROWS = (
    ("brightness", "Brightness", -0.5, 0.5, 2, "{:+.0%}"),
    ("contrast", "Contrast", 0.5, 2.0, 2, "× {:.2f}"),
    ("gamma", "Gamma", 0.4, 2.5, 2, "{:.2f}"),
    ("point_size", "Joint size", 2.0, 10.0, 1, "{:.1f} px"),
    ("opacity", "Joint opacity", 0.2, 1.0, 2, "{:.0%}"),
)
_STEPS = 200


class ToneDialog(QDialog):
    """A small panel that stays open beside the pictures."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent, Qt.WindowType.Tool)
        self.setWindowTitle("Pictures and joints")
        self._session = session
        self.sliders: dict[str, tuple[QSlider, QLabel, float, float, int, str]] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(*[2 * GRID_PX] * 4)
        for row, (name, caption, low, high, digits, form) in enumerate(_ROWS):
            slider = QSlider(Qt.Orientation.Horizontal)
            # The keys stay those of the window, which is stepped through while this is open.
            slider.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            slider.setRange(0, _STEPS)
            slider.setMinimumWidth(200)
            value = QLabel()
            value.setMinimumWidth(56)
            value.setAlignment(Qt.AlignmentFlag.AlignRight)
            slider.valueChanged.connect(lambda step, name=name: self._on_moved(name, step))
            for column, widget in enumerate((QLabel(caption), slider, value)):
                grid.addWidget(widget, row, column)
            self.sliders[name] = (slider, value, low, high, digits, form)
        self.reset = QPushButton("Defaults")
        self.reset.clicked.connect(self._on_reset)
        grid.addWidget(self.reset, len(_ROWS), 1, 1, 2, Qt.AlignmentFlag.AlignRight)
        grid.setHorizontalSpacing(2 * GRID_PX)
        session.display_changed.connect(self._show)
        self._show(session.display)

    def _on_moved(self, name: str, step: int) -> None:
        _, _, low, high, digits, _ = self.sliders[name]
        value = round(low + (high - low) * step / _STEPS, digits)
        self._session.set_display(**{name: value})

    def _on_reset(self) -> None:
        default = DisplaySettings()
        self._session.set_display(**{name: getattr(default, name) for name in self.sliders})

    def _show(self, display: DisplaySettings) -> None:
        default = DisplaySettings()
        is_default = all(getattr(display, n) == getattr(default, n) for n in self.sliders)
        self.reset.setEnabled(not is_default)
        for name, (slider, label, low, high, _, form) in self.sliders.items():
            value = float(getattr(display, name))
            slider.blockSignals(True)
            slider.setValue(round((value - low) / (high - low) * _STEPS))
            slider.blockSignals(False)
            label.setText(form.format(value).replace("%", " %"))
