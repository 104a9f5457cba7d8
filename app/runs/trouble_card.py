"""What is wrong with a run: what happened, why, what to do; its log is one click away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout

from app.theme import BODY_PT, GRID_PX, SMALL_PT, font, theme_named

if TYPE_CHECKING:
    from PySide6.QtGui import QResizeEvent

    from app.session import Session
    from core.project.runs.trouble import Trouble


class TroubleCard(QFrame):
    """Hidden while nothing is wrong."""

    log_asked = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.title, self.text = QLabel(), QLabel()
        self.title.setFont(font(BODY_PT, bold=True))
        self.title.setProperty("problem", True)
        for label in (self.title, self.text):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
        self.text.setFont(font(SMALL_PT))
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.log = QPushButton("Show the log's end")
        self.log.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.log.clicked.connect(self.log_asked)
        row = QHBoxLayout()
        row.addWidget(self.title, 1)
        row.addWidget(self.log)
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID_PX, GRID_PX // 2, GRID_PX, GRID_PX // 2)
        column.setSpacing(GRID_PX // 2)
        column.addLayout(row)
        column.addWidget(self.text)
        self.setObjectName("trouble")
        session.display_changed.connect(self._color)
        self._color()
        self.hide()

    def show_trouble(self, trouble: Trouble | None) -> None:
        """Say what is wrong; None hides it."""
        if trouble is not None:
            said = (trouble.what, trouble.why, trouble.todo)
            self.title.setText(trouble.title)
            self.text.setText(" ".join(part for part in said if part))
            self._make_room()
        self.setVisible(trouble is not None)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Other widths break the lines elsewhere."""
        super().resizeEvent(event)
        self._make_room()

    def _make_room(self) -> None:
        """All lines can be read, however low the panel is: what to do stands in the last."""
        self.text.setMinimumHeight(max(self.text.heightForWidth(self.text.width()), 0))

    def _color(self, _display: object = None) -> None:
        theme = theme_named(self._session.display.theme)
        self.setStyleSheet(
            f"#trouble {{ background: {theme.panel}; border: 0;"
            f" border-left: 3px solid {theme.problem}; }}"
        )
