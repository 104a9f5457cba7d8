"""The `?` sheet: every command and its keys, made from the key table itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QDialog, QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.keymap import load_keymap
from app.theme import GRID_PX, font

if TYPE_CHECKING:
    from app.keymap import KeyAction

_POINTER = (
    ("Click", "Select the nearest joint"),
    ("Double click", "Focus a camera, or leave"),
    ("Wheel", "Zoom about the pointer"),
    ("Right drag", "Move the picture"),
    ("Drag a title", "Reorder the cameras"),
    ("3D: drag, wheel", "Orbit, zoom (Shift: pan)"),
)


class KeySheet(QDialog):
    """All keys on one page."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys")
        columns = QHBoxLayout(self)
        columns.setContentsMargins(*[3 * GRID_PX] * 4)
        columns.setSpacing(5 * GRID_PX)
        groups: dict[str, list[KeyAction]] = {}
        for action in load_keymap():
            groups.setdefault(action.group, []).append(action)
        rows = {
            name: [(_keys(each), each.title) for each in group] for name, group in groups.items()
        }
        rows["Pointer"] = list(_POINTER)
        for names in (
            ("Project", "Time"),
            ("Selection", "Views"),
            ("Show", "3D", "Help", "Pointer"),
        ):
            column = QVBoxLayout()
            columns.addLayout(column)
            for name in names:
                column.addLayout(_group(name, rows[name]))
                column.addSpacing(2 * GRID_PX)
            column.addStretch()


def _keys(action: KeyAction) -> str:
    if action.each_key:
        return f"{action.keys[0]} … {action.keys[-1]}"
    shown = [
        QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText) for key in action.keys
    ]
    return "  or  ".join(shown)


def _group(name: str, rows: list[tuple[str, str]]) -> QGridLayout:
    grid = QGridLayout()
    grid.setHorizontalSpacing(2 * GRID_PX)
    grid.setVerticalSpacing(GRID_PX // 2)
    heading = QLabel(name)
    heading.setFont(font(bold=True))
    grid.addWidget(heading, 0, 0, 1, 2)
    for row, (keys, title) in enumerate(rows, start=1):
        key = QLabel(keys)
        key.setAlignment(Qt.AlignmentFlag.AlignRight)
        grid.addWidget(key, row, 0)
        label = QLabel(title)
        label.setProperty("muted", True)
        grid.addWidget(label, row, 1)
    grid.setColumnStretch(1, 1)
    return grid
