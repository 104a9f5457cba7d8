"""Commands of the window: one QAction for each line of the key table, bound to what it does.

A refused command says why in the status bar; every command is found by its id, in menus, the
toolbar, tests and the demo's walk alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QEvent, QKeyCombination, QObject, Qt
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QAbstractSpinBox, QApplication, QLineEdit, QWidget

from app.icons import icon
from app.keymap import load_keymap
from core.errors import CommandRefusedError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.session import Session
    from app.theme import Theme

_TEXT_INPUTS = (QLineEdit, QAbstractSpinBox)


def first_key(keys: str) -> QKeyCombination:
    """The first key of a sequence such as ``Ctrl+G``."""
    combination: Any = QKeySequence(keys)[0]  # pyright: ignore[reportIndexIssue] - Qt's stub lacks it
    return combination


class Commands(QObject):
    """All actions of a window, by id."""

    def __init__(self, window: QWidget, session: Session, theme: Theme) -> None:
        super().__init__(window)
        self._session = session
        self._holds: dict[int, tuple[str, Callable[[bool], None]]] = {}
        self.actions: dict[str, QAction] = {}
        self._icons: dict[str, str] = {}
        for entry in load_keymap():
            for name, keys in entry.commands:
                action = QAction(entry.title, window)
                if not entry.hold:
                    action.setShortcuts([QKeySequence(key) for key in keys])
                key = QKeySequence(keys[0]).toString(QKeySequence.SequenceFormat.NativeText)
                action.setToolTip(f"{entry.title}  ({key})")
                self._icons[name] = entry.icon
                self.actions[name] = action
                window.addAction(action)
        self.set_theme(theme)
        self._window = window
        application = QApplication.instance()
        assert application is not None
        application.installEventFilter(self)

    def bind(self, name: str, handler: Callable[[], object]) -> None:
        """Say what a command does."""

        def run() -> None:
            try:
                handler()
            except (CommandRefusedError, DataError) as error:
                self._session.message_posted.emit(str(error))

        self.actions[name].triggered.connect(run)

    def bind_hold(self, name: str, handler: Callable[[bool], None]) -> None:
        """Say what happens while a key is held: called with True, then with False."""
        entry = next(each for each in load_keymap() if each.id == name)
        for key in entry.keys:
            self._holds[first_key(key).key()] = (name, handler)

    def set_theme(self, theme: Theme) -> None:
        """Draw the icons in the theme's colours."""
        for name, action in self.actions.items():
            if self._icons[name]:
                action.setIcon(icon(self._icons[name], theme))

    def set_icon(self, name: str, icon_name: str, theme: Theme) -> None:
        """Give a command another icon, as when playing starts."""
        self._icons[name] = icon_name
        self.actions[name].setIcon(icon(icon_name, theme))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow held keys, wherever the focus is, but not while text is typed."""
        if event.type() in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
            assert isinstance(event, QKeyEvent)
            hold = self._holds.get(event.key())
            is_ours = isinstance(watched, QWidget) and watched.window() is self._window
            plain = event.modifiers() in (
                Qt.KeyboardModifier.NoModifier,
                Qt.KeyboardModifier.KeypadModifier,
            )
            if hold is not None and is_ours and plain and not isinstance(watched, _TEXT_INPUTS):
                if not event.isAutoRepeat():
                    hold[1](event.type() == QEvent.Type.KeyPress)
                return True
        return super().eventFilter(watched, event)
