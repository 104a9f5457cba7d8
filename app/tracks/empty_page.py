"""What the panel says where nobody has a place on the ground, and the ways to make tracks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from app.theme import GRID_PX

if TYPE_CHECKING:
    from app.commands import Commands

# The commands that make tracks from nothing.
MAKING = ("tracks_feet", "tracks_from_detections")


class EmptyPage(QWidget):
    """What to do where nobody has a place on the ground."""

    def __init__(self) -> None:
        super().__init__()
        self._column = column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID_PX, GRID_PX, 2 * GRID_PX, GRID_PX)
        column.setSpacing(GRID_PX)
        self._buttons: dict[str, QPushButton] = {}
        words = QLabel(
            "Nobody has a place on the ground yet. Tracks give people their boxes in every view, "
            "and detections their identities."
        )
        words.setWordWrap(True)
        words.setProperty("muted", True)
        words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column.addStretch()
        column.addWidget(words)
        column.addStretch()

    def bind_commands(self, commands: Commands) -> None:
        """Offer the ways to make tracks."""
        for place, name in enumerate(MAKING, start=2):
            action = commands.actions[name]
            button = QPushButton(action.icon(), action.text())
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.setToolTip(action.toolTip())
            button.clicked.connect(action.trigger)
            action.changed.connect(  # in the colours of another theme
                lambda button=button, action=action: button.setIcon(action.icon())
            )
            self._buttons[name] = button
            self._column.insertWidget(place, button, alignment=Qt.AlignmentFlag.AlignHCenter)

    def offer_detections(self, *, is_on: bool) -> None:
        """Say whether anything was detected that tracks could be made from."""
        button = self._buttons.get("tracks_from_detections")
        if button is not None:
            button.setVisible(is_on)
