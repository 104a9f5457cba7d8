"""Where keys are rebound: a list of all commands, and a field that takes the next key press."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QKeySequenceEdit,
    QLabel,
    QLineEdit,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.key_bindings import shown
from app.keymap import load_commands
from app.theme import GRID_PX, font
from core.errors import CommandRefusedError

if TYPE_CHECKING:
    from app.key_bindings import KeyBindings

_ID = Qt.ItemDataRole.UserRole
_SIZE = (560, 560)


class KeyDialog(QDialog):
    """Choose a command, press its new key; a key of another command is refused by name."""

    def __init__(self, keys: KeyBindings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._keys = keys
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Change keys")
        self.search = QLineEdit()
        self.search.setPlaceholderText("Find a command or a key")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._filter)
        self.tree = QTreeWidget()
        self.tree.setColumnCount(2)
        self.tree.setHeaderHidden(True)
        self.tree.setIndentation(2 * GRID_PX)
        self.tree.currentItemChanged.connect(self._on_chosen)
        self.field = QKeySequenceEdit()
        self.field.setMaximumSequenceLength(1)
        self.field.setFixedWidth(20 * GRID_PX)
        self.field.keySequenceChanged.connect(self._on_typed)
        self.set_button = _button("Set", self._set)
        self.add_button = _button("Add", self._add)
        self.clear_button = _button("No key", self._clear)
        self.reset_button = _button("Reset", self._reset)
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.note.setMinimumHeight(3 * GRID_PX)
        self._lay_out()
        self._fill()
        keys.changed.connect(self._show_keys)
        self._on_chosen()

    def choose(self, command: str) -> None:
        """Select a command."""
        item = self.item(command)
        self.tree.setCurrentItem(item)
        self.tree.scrollToItem(item)

    def item(self, command: str) -> QTreeWidgetItem:
        """The line of a command."""
        return self._items[command]

    def _lay_out(self) -> None:
        line = QHBoxLayout()
        line.addWidget(QLabel("New key"))
        line.addWidget(self.field)
        for button in (self.set_button, self.add_button, self.clear_button, self.reset_button):
            line.addWidget(button)
        line.addStretch()
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        everything = buttons.addButton("Reset all", QDialogButtonBox.ButtonRole.ResetRole)
        everything.clicked.connect(self._reset_all)
        buttons.rejected.connect(self.reject)
        for button in buttons.buttons():
            assert isinstance(button, QPushButton)
            button.setAutoDefault(False)
        column = QVBoxLayout(self)
        column.setContentsMargins(*[2 * GRID_PX] * 4)
        column.setSpacing(GRID_PX)
        column.addWidget(self.search)
        column.addWidget(self.tree)
        column.addLayout(line)
        column.addWidget(self.note)
        column.addWidget(buttons)
        self.resize(*_SIZE)

    def _fill(self) -> None:
        self._items: dict[str, QTreeWidgetItem] = {}
        groups: dict[str, QTreeWidgetItem] = {}
        for name, command in load_commands().items():
            title = command.entry.group
            group = groups.get(title)
            if group is None:
                group = groups[title] = QTreeWidgetItem([title])
                group.setFont(0, font(bold=True))
                group.setFlags(Qt.ItemFlag.ItemIsEnabled)
                self.tree.addTopLevelItem(group)
            item = self._items[name] = QTreeWidgetItem([command.title, ""])
            item.setData(0, _ID, name)
            group.addChild(item)
        self._groups = tuple(groups.values())
        self.tree.expandAll()
        self.tree.setColumnWidth(0, 44 * GRID_PX)
        self._show_keys()

    def _show_keys(self) -> None:
        for name, item in self._items.items():
            item.setText(1, ",  ".join(map(shown, self._keys.keys(name))))
            item.setFont(1, font(bold=self._keys.is_changed(name)))

    def _filter(self, text: str) -> None:
        words = text.lower().split()
        for group in self._groups:
            group.setHidden(True)
        for item in self._items.values():
            line = f"{item.text(0)} {item.text(1)}".lower()
            is_found = all(word in line for word in words)
            item.setHidden(not is_found)
            group = item.parent()
            if is_found and group is not None:
                group.setHidden(False)

    def _chosen(self) -> str | None:
        item = self.tree.currentItem()
        return None if item is None else item.data(0, _ID)  # pyright: ignore[reportUnnecessaryComparison] - None where nothing is chosen

    def _typed(self) -> str:
        return self.field.keySequence().toString(QKeySequence.SequenceFormat.PortableText)

    def _on_chosen(self) -> None:
        self.field.clear()
        self._say("" if self._chosen() else "Choose a command, then press its new key.")
        self._on_typed()

    def _on_typed(self) -> None:
        chosen, typed = self._chosen(), self._typed()
        owner = self._keys.owner(typed) if typed else None
        is_free = owner is None or owner == chosen
        for button in (self.set_button, self.add_button):
            button.setEnabled(bool(chosen and typed and is_free))
        self.clear_button.setEnabled(bool(chosen and self._keys.keys(chosen)))
        self.reset_button.setEnabled(bool(chosen and self._keys.is_changed(chosen)))
        self.field.setEnabled(bool(chosen))
        if owner is not None and not is_free:
            title = load_commands()[owner].title
            self._say(f"{shown(typed)} belongs to “{title}”.", is_problem=True)
        elif typed:
            self._say("")

    def _set(self) -> None:
        self._assign((self._typed(),))

    def _add(self) -> None:
        chosen = self._chosen()
        if chosen:
            self._assign((*self._keys.keys(chosen), self._typed()))

    def _clear(self) -> None:
        self._assign(())

    def _assign(self, keys: tuple[str, ...]) -> None:
        chosen = self._chosen()
        if not chosen:
            return
        try:
            self._keys.assign(chosen, keys)
        except CommandRefusedError as error:
            self._say(str(error), is_problem=True)
            return
        self._on_chosen()
        self._say("Remembered.")

    def _reset(self) -> None:
        chosen = self._chosen()
        if chosen:
            self._assign(load_commands()[chosen].keys)

    def _reset_all(self) -> None:
        self._keys.reset()
        self._on_chosen()
        self._say("All keys are as delivered.")

    def _say(self, text: str, *, is_problem: bool = False) -> None:
        self.note.setText(text)
        self.note.setProperty("problem", is_problem)
        self.note.setProperty("muted", not is_problem)
        self.note.style().unpolish(self.note)
        self.note.style().polish(self.note)


def _button(text: str, act: object) -> QPushButton:
    button = QPushButton(text)
    button.setAutoDefault(False)
    button.clicked.connect(act)
    return button
