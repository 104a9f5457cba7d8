"""Every option of a training, made from the configuration's own definition.

A list that is searched (name, help) with the value edited in place, and below it what the chosen
option means, its limits and its default. A value that is refused stays where it was typed, with
the reason in words, and the former one stays in force until it is right; `problem` says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.theme import GRID_PX, font, theme_named
from core.errors import DataError
from core.project.runs.config_io import value_of
from core.project.runs.option_rows import option_table, section_summary, sections

if TYPE_CHECKING:
    from app.retrain.draft import Draft
    from app.session import Session
    from core.project.runs.option_rows import OptionRow, OptionValue

_KEY = Qt.ItemDataRole.UserRole
_NAME, _VALUE, _UNIT, _HELP = range(4)
_Index = QModelIndex | QPersistentModelIndex
_SOURCE = "Advanced"


def value_text(value: OptionValue) -> str:
    """A value as it is typed."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


class _Editing(QStyledItemDelegate):
    """A list of choices where there are some, else a line."""

    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: _Index) -> QWidget:
        """The editor of a value."""
        row = _row_of(index)
        names = _choices(row)
        if not names:
            return super().createEditor(parent, option, index)
        chooser = QComboBox(parent)
        chooser.addItems(names)
        chooser.activated.connect(lambda _row: self._choose(chooser))
        return chooser

    def setEditorData(self, editor: QWidget, index: _Index) -> None:
        """Begin with the value in force."""
        if isinstance(editor, QComboBox):
            editor.setCurrentText(str(index.data(Qt.ItemDataRole.EditRole)))
        else:
            super().setEditorData(editor, index)

    def setModelData(self, editor: QWidget, model: QAbstractItemModel, index: _Index) -> None:
        """Hand over what was chosen or typed."""
        if isinstance(editor, QComboBox):
            model.setData(index, editor.currentText())  # pyright: ignore[reportArgumentType] - both kinds are taken
        else:
            super().setModelData(editor, model, index)

    def _choose(self, chooser: QComboBox) -> None:
        self.commitData.emit(chooser)
        self.closeEditor.emit(chooser)


class OptionsPage(QWidget):
    """`changed(key, value)` when an option was set; ``loaded(path)``, ``saved(path)`` of files."""

    changed = Signal(str, object)
    reset = Signal(str)
    load_requested = Signal(object)
    save_requested = Signal(object)
    problem_changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._rows = {row.key: row for row in option_table()}
        self._keys_of = {
            name: tuple(key for key, row in self._rows.items() if row.section == name)
            for name in sections()
        }
        self._items: dict[str, QTreeWidgetItem] = {}
        self._refused: dict[str, str] = {}
        self._is_showing = False
        self._draft: Draft | None = None
        self.search = QLineEdit()
        self.search.setPlaceholderText("Find an option by its name or what it does")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._filter)
        self.only_changed = QPushButton("Changed only")
        self.only_changed.setCheckable(True)
        self.only_changed.setProperty("choice", True)
        self.only_changed.setAutoDefault(False)
        self.only_changed.toggled.connect(self._filter)
        self.tree = QTreeWidget()
        self.tree.setHeaderLabels(["Option", "Value", "", "What it does"])
        self.tree.setIndentation(2 * GRID_PX)
        self.tree.setItemDelegateForColumn(_VALUE, _Editing(self.tree))
        self.tree.setEditTriggers(QTreeWidget.EditTrigger.NoEditTriggers)
        self.tree.setUniformRowHeights(True)
        self.tree.itemChanged.connect(self._on_edited)
        self.tree.currentItemChanged.connect(self._show_help)
        self.tree.itemClicked.connect(self._on_clicked)
        self.tree.itemActivated.connect(lambda item, _column: self._edit(item))
        self.help = QLabel()
        self.help.setWordWrap(True)
        self.help.setMinimumHeight(7 * GRID_PX)
        self.help.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.reset_button = _button("Reset the option", self._reset)
        self.load_button = _button("Load a file…", self._load)
        self.save_button = _button("Save as a file…", self._save)
        self._lay_out()
        self._fill()
        self._show_help()

    @property
    def problem(self) -> str:
        """The first value that was refused; empty where all are right."""
        return next(iter(self._refused.values()), "")

    @property
    def keys(self) -> tuple[str, ...]:
        """All options, in their order."""
        return tuple(self._rows)

    def item(self, key: str) -> QTreeWidgetItem:
        """The line of an option."""
        return self._items[key]

    def show_draft(self, draft: Draft) -> None:
        """Show what is set now; a refused value stays where it was typed."""
        self._draft, config = draft, draft.config
        self._is_showing = True
        for key, item in self._items.items():
            row = self._rows[key]
            is_changed = key in draft.changes
            item.setFont(_NAME, font(bold=is_changed))
            item.setText(_NAME, f"{row.name}  •" if is_changed else row.name)
            if key not in self._refused:
                item.setText(_VALUE, value_text(value_of(config, row)))
        self._is_showing = False
        self._color()
        self._filter()
        self._show_help()

    def forget_refusals(self) -> None:
        """Another base was chosen: what was typed in vain goes."""
        self._refused.clear()
        self.problem_changed.emit()

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.addWidget(self.search, 1)
        head.addWidget(self.only_changed)
        foot = QHBoxLayout()
        foot.addWidget(self.reset_button)
        foot.addStretch()
        foot.addWidget(self.load_button)
        foot.addWidget(self.save_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, GRID_PX, 0, 0)
        column.setSpacing(GRID_PX)
        column.addLayout(head)
        column.addWidget(self.tree, 1)
        column.addWidget(self.help)
        column.addLayout(foot)

    def _fill(self) -> None:
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        self._is_showing = True
        groups: dict[str, QTreeWidgetItem] = {}
        for name in sections():
            group = groups[name] = QTreeWidgetItem([name, "", "", section_summary(name)])
            group.setFont(_NAME, font(bold=True))
            group.setFlags(Qt.ItemFlag.ItemIsEnabled)
        self.tree.addTopLevelItems(list(groups.values()))
        for key, row in self._rows.items():
            item = self._items[key] = QTreeWidgetItem([row.name, "", row.info.unit, row.info.help])
            item.setData(_NAME, _KEY, key)
            item.setFlags(flags | Qt.ItemFlag.ItemIsEditable)
            item.setToolTip(_HELP, row.info.help)
            groups[row.section].addChild(item)
        self._groups = tuple(groups.values())
        self.tree.expandAll()
        self.tree.setColumnWidth(_NAME, 24 * GRID_PX)
        self.tree.setColumnWidth(_VALUE, 18 * GRID_PX)
        self.tree.setColumnWidth(_UNIT, 7 * GRID_PX)
        self.tree.header().setSectionResizeMode(_HELP, QHeaderView.ResizeMode.Stretch)
        self._is_showing = False

    def _on_clicked(self, item: QTreeWidgetItem, column: int) -> None:
        if column == _VALUE:
            self._edit(item)

    def _edit(self, item: QTreeWidgetItem) -> None:
        if item.data(_NAME, _KEY):
            self.tree.editItem(item, _VALUE)

    def _on_edited(self, item: QTreeWidgetItem, column: int) -> None:
        key = item.data(_NAME, _KEY)
        if self._is_showing or column != _VALUE or not key:
            return
        try:
            value = self._rows[key].from_text(item.text(_VALUE), _SOURCE)
        except DataError as error:
            self._refused[key] = f"{key}: expected {error.expected}, found {error.found}."
            self._color()
            self._show_help()
            self.problem_changed.emit()
            return
        self._refused.pop(key, None)
        self.changed.emit(key, value)
        self.problem_changed.emit()

    def _reset(self) -> None:
        key = self._current()
        if key:
            self._refused.pop(key, None)
            self.reset.emit(key)
            self.problem_changed.emit()

    def _current(self) -> str:
        item = self.tree.currentItem()
        return str(item.data(_NAME, _KEY) or "") if item is not None else ""

    def _show_help(self, *_what: object) -> None:
        key, draft = self._current(), self._draft
        is_changed = draft is not None and (key in draft.changes or key in self._refused)
        self.reset_button.setEnabled(is_changed)
        if not key or draft is None:
            self.help.setText(
                "Click a value to change it. What differs from the preset is bold, and marked •."
            )
        else:
            row = self._rows[key]
            base = value_text(value_of(draft.base, row)) or "empty"
            self.help.setText(
                f"{key} – {row.info.help}\n{row.expected[0].upper()}{row.expected[1:]};"
                f" in {draft.title}: {base}."
            )

    def _color(self) -> None:
        theme = theme_named(self._session.display.theme)
        self._is_showing = True
        for key, item in self._items.items():
            color = theme.problem if key in self._refused else theme.text
            item.setForeground(_VALUE, QColor(color))
            item.setToolTip(_VALUE, self._refused.get(key, ""))
            # Inline: what is wrong stands where else stands what it does.
            item.setText(_HELP, self._refused.get(key, self._rows[key].info.help))
            item.setForeground(
                _HELP, QColor(theme.problem if key in self._refused else theme.muted)
            )
        for group in self._groups:
            group.setForeground(_HELP, QColor(theme.muted))
        self._is_showing = False

    def _filter(self, *_what: object) -> None:
        words = self.search.text().lower().split()
        draft = self._draft
        changed = set(draft.changes) | set(self._refused) if draft is not None else set[str]()
        only = self.only_changed.isChecked()
        for group in self._groups:
            num_shown = 0
            for key in self._keys_of[group.text(_NAME)]:
                item = self._items[key]
                text = f"{key} {self._rows[key].info.help}".lower().replace("_", " ") + key
                is_shown = all(word in text for word in words) and (not only or key in changed)
                item.setHidden(not is_shown)
                num_shown += is_shown
            group.setHidden(not num_shown)

    def _load(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(
            self, "Load a configuration", "", "Configurations (*.toml)"
        )
        if chosen:
            self.load_requested.emit(chosen)

    def _save(self) -> None:
        chosen, _ = QFileDialog.getSaveFileName(
            self, "Save this configuration", "retrain.toml", "Configurations (*.toml)"
        )
        if chosen:
            self.save_requested.emit(chosen)


def _row_of(index: _Index) -> OptionRow:
    key = index.sibling(index.row(), _NAME).data(_KEY)
    return next(row for row in option_table() if row.key == key)


def _choices(row: OptionRow) -> list[str]:
    if row.kind == "bool":
        return ["yes", "no"]
    return [] if row.kind == "list" else [str(choice) for choice in row.choices]


def _button(text: str, handler: object) -> QPushButton:
    button = QPushButton(text)
    button.setAutoDefault(False)
    button.clicked.connect(handler)
    return button
