"""The `?` sheet: every command and its keys in force, made from the key table itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.key_bindings import shown
from app.keymap import load_keymap
from app.theme import GRID_PX, SMALL_PT, font

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.key_bindings import KeyBindings
    from app.keymap import KeyAction

_Rows = list[tuple[tuple[str, ...], str]]

_MAX_COLUMNS = 4
_POINTER: _Rows = [
    (("Click",), "Select the nearest joint"),
    (("Double click",), "Focus a camera, or leave"),
    (("Wheel",), "Zoom about the pointer"),
    (("Right drag",), "Move the picture"),
    (("Drag a joint",), "Move it: it is by hand then"),
    (("Drag the handle",), "Move all of the person in the view"),
    (("Right click",), "What can be done with a joint"),
    (("Drag a title",), "Reorder the cameras"),
    (("3D: drag",), "Orbit"),
    (("3D: Shift+drag",), "Move sideways"),
    (("3D: wheel",), "Zoom"),
    (("Tracks: drag",), "Move a person over the floor"),
    (("Tracks: wheel",), "Zoom"),
    (("Timeline: drag",), "Scrub through the frames"),
    (("Timeline: wheel",), "Zoom in time"),
]


class KeySheet(QDialog):
    """All keys on one page."""

    def __init__(self, keys: KeyBindings, change: QPushButton, parent: QWidget) -> None:
        """Show them.

        Args:
            keys: those in force.
            change: opens the dialog that changes them.
            parent: the window.
        """
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Keys")
        page = _page(_groups(keys), parent.width() - 4 * GRID_PX)
        scroll = QScrollArea()
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setWidget(page)
        scroll.setWidgetResizable(True)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 2 * GRID_PX)
        outer.addWidget(scroll)
        foot = QHBoxLayout()
        foot.setContentsMargins(3 * GRID_PX, 0, 3 * GRID_PX, 0)
        foot.addStretch()
        foot.addWidget(change)
        outer.addLayout(foot)
        wanted = page.sizeHint()
        self.resize(
            min(wanted.width() + 3 * GRID_PX, parent.width() - 2 * GRID_PX),
            min(wanted.height() + 8 * GRID_PX, parent.height() - 4 * GRID_PX),
        )


def _page(groups: dict[str, _Rows], width: int) -> QWidget:
    """The groups in as many columns as there is room for."""
    blocks = {name: _Block(name, rows) for name, rows in groups.items()}
    heights = {name: len(rows) + 2 for name, rows in groups.items()}
    columns = [list(groups)]
    for num_columns in range(_MAX_COLUMNS, 1, -1):
        found = _balanced(heights, num_columns)
        widths = [max(blocks[name].sizeHint().width() for name in names) for names in found]
        if sum(widths) + 2 * GRID_PX * (num_columns + 1) <= width:
            columns = found
            break
    page = QWidget()
    line = QHBoxLayout(page)
    line.setContentsMargins(*[2 * GRID_PX] * 4)
    line.setSpacing(2 * GRID_PX)
    for names in columns:
        column = QVBoxLayout()
        column.setSpacing(2 * GRID_PX)
        caps_width = max(blocks[name].caps_width for name in names)
        for name in names:
            blocks[name].grid.setColumnMinimumWidth(0, caps_width)
            column.addWidget(blocks[name])
        column.addStretch()
        line.addLayout(column)
    return page


def _groups(keys: KeyBindings) -> dict[str, _Rows]:
    """The rows of each heading; what has no key stands in menus and in the palette."""
    groups: dict[str, _Rows] = {}
    merged: dict[str, list[KeyAction]] = {}
    for entry in load_keymap():
        merged.setdefault(entry.row or entry.id, []).append(entry)
    for entries in merged.values():
        caps = _keys(entries, keys)
        if caps:
            group = entries[0].group
            title = (entries[0].row or entries[0].title).removeprefix(f"{group}: ")
            groups.setdefault(group, []).append((caps, title[0].upper() + title[1:]))
    groups["Pointer"] = _POINTER
    return groups


def _balanced(heights: dict[str, int], num_columns: int) -> list[list[str]]:
    """The groups in columns of about one height: the highest first, each into the lowest column."""
    columns: list[list[str]] = [[] for _ in range(num_columns)]
    order = list(heights)
    for name in sorted(order, key=lambda name: -heights[name]):
        min(columns, key=lambda column: sum(heights[other] for other in column)).append(name)
    for column in columns:
        column.sort(key=order.index)
    return sorted(columns, key=lambda column: order.index(column[0]) if column else len(order))


def _keys(entries: list[KeyAction], bindings: KeyBindings) -> tuple[str, ...]:
    """Each key; "first … last" of a row of commands that have theirs as delivered."""
    commands = [command for entry in entries for command in entry.commands]
    own = [bindings.keys(command.id) for command in commands]
    if len(commands) > 1 and not any(bindings.is_changed(command.id) for command in commands):
        return (f"{shown(own[0][0])} … {shown(own[-1][0])}",)
    return tuple(shown(key) for keys in own for key in keys)


class _Block(QWidget):
    """A heading, and under it keys and titles in line."""

    def __init__(self, name: str, entries: _Rows) -> None:
        super().__init__()
        self.caps_width = 0
        grid = self.grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(GRID_PX)
        grid.setVerticalSpacing(2)
        heading = QLabel(name)
        heading.setFont(font(bold=True))
        grid.addWidget(heading, 0, 0, 1, 2)
        for row, (keys, title) in enumerate(entries, start=1):
            caps = _caps(keys)
            self.caps_width = max(self.caps_width, caps.sizeHint().width())
            grid.addWidget(caps, row, 0, Qt.AlignmentFlag.AlignRight)
            label = QLabel(title)
            label.setFont(font(SMALL_PT))
            label.setProperty("muted", True)
            grid.addWidget(label, row, 1)
        grid.setColumnStretch(1, 1)


def _caps(keys: Sequence[str]) -> QWidget:
    """Keys side by side, as they look on a keyboard; each of them will do."""
    caps = QWidget()
    line = QHBoxLayout(caps)
    line.setContentsMargins(0, 0, 0, 0)
    line.setSpacing(GRID_PX // 2)
    for key in keys:
        cap = QLabel(key)
        cap.setFont(font(SMALL_PT))
        cap.setProperty("key", True)
        line.addWidget(cap)
    return caps
