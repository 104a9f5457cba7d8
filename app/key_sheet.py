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
    (("Click",), "Select the nearest joint"),
    (("Double click",), "Focus a camera, or leave"),
    (("Wheel",), "Zoom about the pointer"),
    (("Right drag",), "Move the picture"),
    (("Drag a title",), "Reorder the cameras"),
    (("3D: drag",), "Orbit"),
    (("3D: Shift+drag",), "Move sideways"),
    (("3D: wheel",), "Zoom"),
    (("Timeline: drag",), "Scrub through the frames"),
    (("Timeline: wheel",), "Zoom in time"),
)


class KeySheet(QDialog):
    """All keys on one page."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys")
        columns = QHBoxLayout(self)
        columns.setContentsMargins(*[3 * GRID_PX] * 4)
        columns.setSpacing(4 * GRID_PX)
        groups: dict[str, list[KeyAction]] = {}
        for action in load_keymap():
            groups.setdefault(action.group, []).append(action)
        rows = {
            name: [(_keys(each), each.title) for each in group] for name, group in groups.items()
        }
        rows["Pointer"] = list(_POINTER)
        for names in (
            ("Project", "Time", "Help"),
            ("Selection", "Views", "3D"),
            ("Show", "Pointer"),
        ):
            columns.addLayout(_column({name: rows[name] for name in names}))


def _keys(action: KeyAction) -> tuple[str, ...]:
    if action.each_key:
        return (f"{action.keys[0]} … {action.keys[-1]}",)
    return tuple(
        QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText) for key in action.keys
    )


def _column(groups: dict[str, list[tuple[tuple[str, ...], str]]]) -> QVBoxLayout:
    """Groups under each other, their keys and titles in line."""
    column = QVBoxLayout()
    grid = QGridLayout()
    grid.setHorizontalSpacing(2 * GRID_PX)
    grid.setVerticalSpacing(GRID_PX // 2)
    column.addLayout(grid)
    column.addStretch()
    row = 0
    for name, entries in groups.items():
        heading = QLabel(name)
        heading.setFont(font(bold=True))
        if row:
            grid.setRowMinimumHeight(row, 2 * GRID_PX)
            row += 1
        grid.addWidget(heading, row, 0, 1, 2)
        for keys, title in entries:
            row += 1
            grid.addWidget(_caps(keys), row, 0, Qt.AlignmentFlag.AlignRight)
            label = QLabel(title)
            label.setProperty("muted", True)
            grid.addWidget(label, row, 1)
        row += 1
    grid.setColumnStretch(1, 1)
    return column


def _caps(keys: tuple[str, ...]) -> QWidget:
    """Keys side by side, as they look on a keyboard; each of them will do."""
    caps = QWidget()
    line = QHBoxLayout(caps)
    line.setContentsMargins(0, 0, 0, 0)
    line.setSpacing(GRID_PX // 2)
    for key in keys:
        cap = QLabel(key)
        cap.setProperty("key", True)
        line.addWidget(cap)
    return caps
