"""Commands of the window: one QAction for each command of the key table, bound to what it does.

A refused command says why in the status bar; every command is found by its id, in menus, the
toolbar, the palette, tests and the demo's walk alike. Keys follow `KeyBindings` at once.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QEvent, QKeyCombination, QObject, Qt
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QAbstractSpinBox, QApplication, QLineEdit, QWidget

from app.icons import icon
from app.key_bindings import shown
from app.keymap import load_commands
from core.errors import CommandRefusedError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.key_bindings import KeyBindings
    from app.session import Session
    from app.theme import Theme

_ENTER_KEYS = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
_KEY_EVENTS = frozenset(
    (
        QEvent.Type.ShortcutOverride,
        QEvent.Type.KeyPress,
        QEvent.Type.KeyRelease,
        QEvent.Type.WindowDeactivate,
    )
)
_TEXT_INPUTS = (QLineEdit, QAbstractSpinBox)


def first_key(keys: str) -> QKeyCombination:
    """The first key of a sequence such as ``Ctrl+G``."""
    combination: Any = QKeySequence(keys)[0]  # pyright: ignore[reportIndexIssue] - Qt's stub lacks it
    return combination


class Commands(QObject):
    """All actions of a window, by id."""

    def __init__(self, window: QWidget, session: Session, keys: KeyBindings, theme: Theme) -> None:
        super().__init__(window)
        self._session = session
        self._window = window
        self._bindings = keys
        self._hold_handlers: dict[str, Callable[[bool], None]] = {}
        self._holds: dict[int, Callable[[bool], None]] = {}
        self._held: dict[int, Callable[[bool], None]] = {}
        self._reasons: dict[str, Callable[[], str]] = {}
        self._pressed_at = 0.0
        self._is_repeating = False
        self.actions: dict[str, QAction] = {}
        self._icons: dict[str, str] = {}
        for name, command in load_commands().items():
            action = self.actions[name] = QAction(command.title, window)
            self._icons[name] = command.entry.icon
            window.addAction(action)
        self._take_keys()
        keys.changed.connect(self._take_keys)
        self.set_theme(theme)
        application = QApplication.instance()
        assert application is not None
        application.installEventFilter(self)

    def bind(
        self, name: str, handler: Callable[[], object], when: Callable[[], str] | None = None
    ) -> None:
        """Say what a command does.

        Args:
            name: its id.
            handler: does it, or refuses.
            when: why it cannot be done now, for the palette; empty where it can.
        """

        def run() -> None:
            try:
                handler()
            except (CommandRefusedError, DataError) as error:
                self._session.message_posted.emit(str(error))

        if when is not None:
            self._reasons[name] = when
        self.actions[name].triggered.connect(run)

    def bind_hold(self, name: str, handler: Callable[[bool], None]) -> None:
        """Say what happens while a key is held: called with True, then with False."""
        self._hold_handlers[name] = handler
        self._take_keys()

    def is_held(self, name: str) -> bool:
        """Whether a command acts while its key is down, and so cannot be chosen from a list."""
        return name in self._hold_handlers

    def reason_against(self, name: str) -> str:
        """Why a command cannot be done now; empty where it can."""
        if self.is_held(name):
            return "Hold its key."
        if self._session.project is None and not load_commands()[name].entry.anywhere:
            return "Open a project first."
        reason = self._reasons.get(name)
        return "" if reason is None else reason()

    @property
    def held_s(self) -> float:
        """For how long a key has been held that repeats now, seconds; 0 while none does."""
        return time.monotonic() - self._pressed_at if self._is_repeating else 0.0

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
        kind = event.type()
        if kind not in _KEY_EVENTS:
            return False  # quickly: every event of the program comes by here
        if kind == QEvent.Type.WindowDeactivate:
            if watched is self._window:
                self._let_go()  # whoever is active now hears that the key goes up
            return False
        if kind == QEvent.Type.ShortcutOverride:
            # Comes before any shortcut, also with every repetition.
            assert isinstance(event, QKeyEvent)
            self._is_repeating = event.isAutoRepeat()
            if not self._is_repeating:
                self._pressed_at = time.monotonic()
            if isinstance(watched, _TEXT_INPUTS) and event.key() in _ENTER_KEYS:
                # A command of the window elsewhere; here it enters what was typed.
                event.accept()
                return True
        if kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
            assert isinstance(event, QKeyEvent)
            if kind == QEvent.Type.KeyRelease and not event.isAutoRepeat():
                self._is_repeating = False
            hold = self._holds.get(event.key())
            is_ours = isinstance(watched, QWidget) and watched.window() is self._window
            plain = event.modifiers() in (
                Qt.KeyboardModifier.NoModifier,
                Qt.KeyboardModifier.KeypadModifier,
            )
            is_up = kind == QEvent.Type.KeyRelease and not event.isAutoRepeat()
            if is_up and event.key() in self._held:  # with whatever else is held by now
                self._held.pop(event.key())(False)
                return True
            if hold is not None and is_ours and plain and not isinstance(watched, _TEXT_INPUTS):
                if kind == QEvent.Type.KeyPress and not event.isAutoRepeat():
                    self._held[event.key()] = hold
                    hold(True)
                return True
        return super().eventFilter(watched, event)

    def _let_go(self) -> None:
        """As if every key that acts while it is held had gone up."""
        held = list(self._held.values())
        self._held.clear()
        for hold in held:
            hold(False)

    def _take_keys(self) -> None:
        """Give every action the keys in force."""
        self._holds.clear()
        for name, action in self.actions.items():
            keys = self._bindings.keys(name)
            title = load_commands()[name].title
            action.setToolTip(f"{title}  ({shown(keys[0])})" if keys else title)
            handler = self._hold_handlers.get(name)
            if handler is not None:
                self._holds |= {first_key(key).key(): handler for key in keys}
            elif not load_commands()[name].entry.hold:
                action.setShortcuts([QKeySequence(key) for key in keys])
