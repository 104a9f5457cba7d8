"""What the window shows while no project is open: what to do next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from app.theme import GRID_PX, TITLE_PT, font

if TYPE_CHECKING:
    from PySide6.QtGui import QResizeEvent

_FIRST_STEPS = """\
A project is a folder <b>NAME.trilabel</b>. Drop one here, or make one by command:
<p><code>trilabel demo</code> &nbsp; a generated basketball match, 8 cameras<br>
<code>trilabel import sportcenter DATASET match.trilabel</code><br>
<code>trilabel new lab.trilabel --calibration FILE --videos DIR</code></p>
"""
_WIDTH_PX = 560


class StartPage(QWidget):
    """Recent projects, open, new; projects may be dropped on it."""

    open_requested = Signal()
    new_requested = Signal()
    path_chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        outer = QHBoxLayout(self)
        outer.addStretch()
        column = QVBoxLayout()
        column.setSpacing(GRID_PX)
        outer.addLayout(column)
        outer.addStretch()
        column.addStretch()
        title = QLabel("trilabel")
        title.setFont(font(2 * TITLE_PT, bold=True))
        column.addWidget(title)
        what = QLabel("3D human poses from many synchronised, calibrated cameras")
        what.setProperty("muted", True)
        column.addWidget(what)
        column.addSpacing(2 * GRID_PX)
        buttons = QHBoxLayout()
        column.addLayout(buttons)
        for text, signal in (
            ("Open project…", self.open_requested),
            ("New project…", self.new_requested),
        ):
            button = QPushButton(text)
            button.setMinimumSize(16 * GRID_PX, 4 * GRID_PX)
            button.clicked.connect(signal)
            buttons.addWidget(button)
        buttons.addStretch()
        column.addSpacing(2 * GRID_PX)
        self._recent_title = QLabel("Recent")
        self._recent_title.setFont(font(bold=True))
        column.addWidget(self._recent_title)
        self._recent = QVBoxLayout()
        self._recent.setSpacing(GRID_PX // 2)
        column.addLayout(self._recent)
        column.addSpacing(2 * GRID_PX)
        steps = QLabel(_FIRST_STEPS)
        steps.setTextFormat(Qt.TextFormat.RichText)
        steps.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        column.addWidget(steps)
        column.addStretch()

    def show_recent(self, paths: list[Path]) -> None:
        """List the projects opened last."""
        while (item := self._recent.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                # Deleted later, but gone at once: no name stands there twice meanwhile.
                widget.setParent(None)
                widget.deleteLater()
        self._recent_title.setVisible(bool(paths))
        for path in paths:
            button = QPushButton()
            button.setProperty("recent", True)
            button.setProperty("path", str(path))
            button.setToolTip(str(path))
            button.setCursor(Qt.CursorShape.PointingHandCursor)
            button.clicked.connect(lambda _checked=False, path=path: self.path_chosen.emit(path))
            self._recent.addWidget(button)
        self._elide()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Long paths give way in their middle."""
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        room = min(self.width() - 4 * GRID_PX, _WIDTH_PX)
        metrics = QFontMetrics(font())
        for index in range(self._recent.count()):
            item = self._recent.itemAt(index)
            button = item.widget() if item is not None else None
            if not isinstance(button, QPushButton):
                continue
            path = Path(str(button.property("path")))
            button.setFixedWidth(max(room, 160))
            text = f"{path.stem}    {_short(path.parent)}"
            # An ampersand would underline what follows it.
            shown = metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, room - 3 * GRID_PX)
            button.setText(shown.replace("&", "&&"))


def _short(folder: Path) -> str:
    home = Path.home()
    return f"~/{folder.relative_to(home)}" if folder.is_relative_to(home) else str(folder)
