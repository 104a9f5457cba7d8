"""The `?` sheet: every command and its keys in force, made from the key table itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRect, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter, QPalette
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.key_bindings import shown
from app.keymap import load_keymap
from app.theme import GRID_PX, SMALL_PT, font

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent

    from app.key_bindings import KeyBindings
    from app.keymap import KeyAction

_Rows = list[tuple[tuple[str, ...], str]]

_MAX_COLUMNS = 4
_ROW_GAP, _CAP_GAP = 2, GRID_PX // 2
_LEFT = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
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

    @property
    def texts(self) -> set[str]:
        """Every heading, key and title on it."""
        return set[str]().union(*(block.texts for block in self.findChildren(_Block)))


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
            blocks[name].widen_caps(caps_width)
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
    """A heading, and under it keys and titles in line.

    It paints them: as labels, the rows of all blocks are three hundred widgets, which take a tenth
    of a second to lay out.
    """

    def __init__(self, name: str, entries: _Rows) -> None:
        super().__init__()
        self._name = name
        self._entries = entries
        self._fonts = font(bold=True), font(SMALL_PT)
        heading, small = (QFontMetrics(each) for each in self._fonts)
        self._row_px = small.height() + 2
        self._head_px = heading.height()
        self._widths = [[_cap_width(small, key) for key in keys] for keys, _ in entries]
        self.caps_width = max(sum(row) + _CAP_GAP * (len(row) - 1) for row in self._widths)
        self._titles_px = max(small.horizontalAdvance(title) for _, title in entries)
        self._name_px = heading.horizontalAdvance(name)
        self.texts = {name, *(text for keys, title in entries for text in (*keys, title))}
        lines = (f"{', '.join(keys)}: {title}" for keys, title in entries)
        self.setAccessibleName(name)
        self.setAccessibleDescription("\n".join(lines))

    def widen_caps(self, width: int) -> None:
        """Stand in line with the blocks above and below."""
        self.caps_width = width
        self.updateGeometry()

    def sizeHint(self) -> QSize:
        """All of it."""
        width = max(self.caps_width + GRID_PX + self._titles_px, self._name_px)
        return QSize(width + 1, self._head_px + len(self._entries) * (self._row_px + _ROW_GAP))

    def minimumSizeHint(self) -> QSize:
        """All of it."""
        return self.sizeHint()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """The heading, then row by row."""
        painter, palette = QPainter(self), self.palette()
        heading, small = self._fonts
        painter.setFont(heading)
        painter.setPen(palette.color(QPalette.ColorRole.WindowText))
        painter.drawText(QRect(0, 0, self.width(), self._head_px), _LEFT, self._name)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(small)
        for row, (keys, title) in enumerate(self._entries):
            top = self._head_px + _ROW_GAP + row * (self._row_px + _ROW_GAP)
            left = self.caps_width - sum(self._widths[row]) - _CAP_GAP * (len(keys) - 1)
            for key, width in zip(keys, self._widths[row], strict=True):
                cap = QRect(left, top, width, self._row_px)
                painter.setPen(palette.color(QPalette.ColorRole.Mid))
                painter.setBrush(palette.color(QPalette.ColorRole.Base))
                painter.drawRoundedRect(QRectF(cap).adjusted(0.5, 0.5, -0.5, -0.5), 3, 3)
                painter.setPen(palette.color(QPalette.ColorRole.WindowText))
                painter.drawText(cap, Qt.AlignmentFlag.AlignCenter, key)
                left += width + _CAP_GAP
            painter.setPen(palette.color(QPalette.ColorRole.PlaceholderText))
            room = QRect(self.caps_width + GRID_PX, top, self.width(), self._row_px)
            painter.drawText(room, _LEFT, title)
        painter.end()


def _cap_width(metrics: QFontMetrics, key: str) -> int:
    """Of a key as it looks on a keyboard."""
    return metrics.horizontalAdvance(key) + 12
