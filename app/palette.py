"""The command palette: every command by a few letters of its name, with its key.

What cannot be done now stands there all the same and says why. It is made from the key table, so
no command is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QRect, QSize, Qt
from PySide6.QtGui import QKeyEvent, QPainter, QPalette
from PySide6.QtWidgets import (
    QDialog,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from app.fuzzy import match_score
from app.key_bindings import shown
from app.keymap import load_commands
from app.theme import GRID_PX, SMALL_PT, TITLE_PT, font

if TYPE_CHECKING:
    from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex

    from app.commands import Commands
    from app.key_bindings import KeyBindings

_ID, _NOTE, _KEYS, _REASON = (Qt.ItemDataRole.UserRole + number for number in range(4))
_WIDTH_PX, _NUM_ROWS, _ROW_PX = 80 * GRID_PX, 12, 4 * GRID_PX
# How much worse than its letters a command counts that cannot be done now.
_CANNOT = 2.0
_PASSED_ON = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown)


class Palette(QDialog):
    """Type, choose with the arrows, Return does it; the ones used last come first."""

    _recent: tuple[str, ...] = ()

    def __init__(self, commands: Commands, keys: KeyBindings, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self._commands = commands
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Commands")
        self.search = QLineEdit()
        self.search.setPlaceholderText("What shall be done?")
        self.search.setFont(font(TITLE_PT))
        self.search.textChanged.connect(self._find)
        self.search.returnPressed.connect(self._run)
        self.search.installEventFilter(self)
        self.list = QListWidget()
        self.list.setItemDelegate(_Row(self.list))
        self.list.setUniformItemSizes(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.itemClicked.connect(self._run)
        column = QVBoxLayout(self)
        column.setContentsMargins(*[GRID_PX] * 4)
        column.addWidget(self.search)
        column.addWidget(self.list)
        self._lines = {
            name: (
                commands.actions[name].text(),  # "Undo: …" says more than the table
                command.entry.group,
                ",  ".join(map(shown, keys.keys(name))),
                commands.reason_against(name),
            )
            for name, command in load_commands().items()
        }
        self._find("")
        self.list.setFixedHeight(_NUM_ROWS * _ROW_PX + 2 * self.list.frameWidth())
        self.setFixedWidth(min(_WIDTH_PX, parent.width() - 4 * GRID_PX))
        self.adjustSize()
        left = parent.width() // 2 - self.width() // 2
        self.move(parent.mapToGlobal(parent.rect().topLeft()).x() + left, self._top(parent))
        self.search.setFocus()

    @staticmethod
    def _top(parent: QWidget) -> int:
        return parent.mapToGlobal(parent.rect().topLeft()).y() + 8 * GRID_PX

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Let the arrows choose while text is typed."""
        if event.type() == QEvent.Type.KeyPress:
            assert isinstance(event, QKeyEvent)
            if event.key() in _PASSED_ON:
                self.list.event(event)
                return True
        return super().eventFilter(watched, event)

    def _find(self, query: str) -> None:
        """List what fits, the best first."""
        ranked: list[tuple[float, int, str]] = []
        for number, (name, (title, group, _, reason)) in enumerate(self._lines.items()):
            score = match_score(query, title)
            if score is None:
                wide = match_score(query, f"{group}: {title}")
                if wide is None:
                    continue
                score = wide / 2
            if reason:
                score -= _CANNOT
            if not query:
                # Those used last, then as in the table; what cannot be done now comes last.
                used = self._recent.index(name) if name in self._recent else len(self._recent)
                score = -used - (len(self._lines) if reason else 0)
            ranked.append((-score, number, name))
        self.list.clear()
        # What is far worse than the best has the letters by chance.
        worst = min(ranked, default=(0.0, 0, ""))[0] / 2 + _CANNOT if query else float("inf")
        for rank, _, name in sorted(ranked):
            if rank > worst:
                break
            title, group, own_keys, reason = self._lines[name]
            item = QListWidgetItem(title)
            for role, value in ((_ID, name), (_NOTE, group), (_KEYS, own_keys), (_REASON, reason)):
                item.setData(role, value)
            item.setToolTip(reason)
            self.list.addItem(item)
        self.list.setCurrentRow(0)

    def _run(self) -> None:
        item = self.list.currentItem()
        if item is None:  # pyright: ignore[reportUnnecessaryComparison] - None where nothing fits
            return
        name = str(item.data(_ID))
        if self._commands.is_held(name):
            return
        Palette._recent = (name, *(other for other in self._recent if other != name))[:8]
        self.close()
        # Also where it cannot be done: the status bar then says why.
        self._commands.actions[name].trigger()


class _Row(QStyledItemDelegate):
    """Title, group, and at the right the key, or why it cannot be done now."""

    def sizeHint(
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> QSize:
        """One height for all."""
        return QSize(super().sizeHint(option, index).width(), _ROW_PX)

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        """Everything on one line."""
        state, box, palette = option.state, QRect(option.rect), option.palette  # pyright: ignore[reportAttributeAccessIssue] - absent from the stub
        is_chosen = bool(state & QStyle.StateFlag.State_Selected)
        reason = str(index.data(_REASON))
        painter.save()
        if is_chosen:
            painter.fillRect(box, palette.highlight())
        role = QPalette.ColorRole.HighlightedText if is_chosen else QPalette.ColorRole.Text
        group = QPalette.ColorGroup.Disabled if reason else QPalette.ColorGroup.Active
        box.adjust(GRID_PX, 0, -GRID_PX, 0)
        painter.setPen(palette.color(group, role))
        painter.setFont(font())
        title = str(index.data(Qt.ItemDataRole.DisplayRole))
        painter.drawText(box, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, title)
        used = painter.fontMetrics().horizontalAdvance(title) + 2 * GRID_PX
        muted = palette.color(QPalette.ColorGroup.Active, QPalette.ColorRole.PlaceholderText)
        painter.setPen(palette.color(role) if is_chosen else muted)
        keys = str(index.data(_KEYS))
        right = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
        painter.drawText(box, right, keys)
        painter.setFont(font(SMALL_PT))
        keys_width = painter.fontMetrics().horizontalAdvance(keys) + 3 * GRID_PX if keys else 0
        box.adjust(used, 0, -keys_width, 0)
        text = f"{index.data(_NOTE)}" + (f"  ·  {reason}" if reason else "")
        text = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, box.width())
        painter.drawText(box, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)
        painter.restore()
