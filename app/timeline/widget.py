"""The timeline: its track, and the bar that says and chooses what the colours mean.

The bar can serve as the title of a dock, which saves the height of two persons' rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app.theme import GRID_PX
from app.timeline.legend import Legend
from app.timeline.track import Track

if TYPE_CHECKING:
    from app.session import Session

_MODES = (
    ("residual", "Worst leave-one-out residual"),
    ("discarded", "Share of joints discarded"),
    ("review", "Left to judge"),
    ("changed", "Changed in the round"),
)
_HINT = "wheel: zoom   right drag: move   double click: all"


class Timeline(QWidget):
    """The track; its bar of choices stands above it."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID_PX, 0, GRID_PX, GRID_PX // 2)
        column.setSpacing(0)
        self.head = QWidget()
        column.addWidget(self.head)
        head = QHBoxLayout(self.head)
        head.setContentsMargins(GRID_PX, 2, GRID_PX, 2)
        title = QLabel("Timeline")
        title.setProperty("muted", True)
        head.addWidget(title)
        head.addSpacing(GRID_PX)
        self.mode = QComboBox()
        self.mode.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.mode.setToolTip("What the colour of a person's row means")
        for name, caption in _MODES:
            self.mode.addItem(caption, name)
        head.addWidget(self.mode)
        self._legend = Legend(session)
        head.addWidget(self._legend)
        hint = QLabel(_HINT)
        hint.setProperty("muted", True)
        hint.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        # It gives way where the window is narrow.
        hint.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        head.addWidget(hint, 1)
        self.track = Track(session)
        column.addWidget(self.track, 1)
        self.mode.currentIndexChanged.connect(self._on_mode_chosen)

    def _on_mode_chosen(self) -> None:
        mode = str(self.mode.currentData())
        self.track.set_mode(mode)
        self._legend.set_mode(mode)
