"""The keys in force: those of the table, and over them what people chose.

Choices are remembered per user by command. A key belongs to one command: to give it to another one
is refused by name. What people chose wins over the table, also over lines that a later version
brings: such a command then goes without that key until somebody gives it one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QKeySequence

from app.keymap import load_commands
from core.errors import CommandRefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.preferences import Preferences


def portable(key: str) -> str:
    """A key in the one way that it is compared and stored, such as ``Ctrl+Shift+P``."""
    return QKeySequence(key).toString(QKeySequence.SequenceFormat.PortableText)


def shown(key: str) -> str:
    """A key as it is called on this platform."""
    return QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText)


class KeyBindings(QObject):
    """Which key does what; ``changed`` after anything was rebound."""

    changed = Signal()

    def __init__(self, preferences: Preferences, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._preferences = preferences
        known = load_commands()
        self._chosen = {
            name: tuple(map(portable, keys))
            for name, keys in preferences.keys().items()
            if name in known and all(map(portable, keys))
        }
        self._keys: dict[str, tuple[str, ...]] = {}
        self._compose()

    def keys(self, command: str) -> tuple[str, ...]:
        """The keys of a command; the first is shown in menus."""
        return self._keys[command]

    def is_changed(self, command: str) -> bool:
        """Whether its keys are others than those of the table."""
        return command in self._chosen

    def owner(self, key: str) -> str | None:
        """The command that a key belongs to."""
        key = portable(key)
        return next((name for name, keys in self._keys.items() if key in keys), None)

    def assign(self, command: str, keys: Sequence[str]) -> None:
        """Give a command these keys in place of its own; none = it has no key.

        Raises:
            CommandRefusedError: a key belongs to another command, or is none for this one.
        """
        new = tuple(dict.fromkeys(map(portable, keys)))
        entry = load_commands()[command].entry
        for key in new:
            other = self.owner(key)
            if other is not None and other != command:
                title = load_commands()[other].title
                raise CommandRefusedError(f"{shown(key)} belongs to “{title}”.")
            if entry.hold and "+" in key[:-1]:
                raise CommandRefusedError("A key that is held must be a single key.")
        if new == tuple(map(portable, load_commands()[command].keys)):
            self._chosen.pop(command, None)
        else:
            self._chosen[command] = new
        self._store()

    def reset(self, command: str | None = None) -> None:
        """Give a command, or all of them, the keys of the table again.

        Raises:
            CommandRefusedError: one of them belongs to another command now.
        """
        if command is not None:
            self.assign(command, load_commands()[command].keys)
            return
        self._chosen.clear()
        self._store()

    def _store(self) -> None:
        self._preferences.set_keys(self._chosen)
        self._compose()
        self.changed.emit()

    def _compose(self) -> None:
        taken = {key for keys in self._chosen.values() for key in keys}
        self._keys = {}
        for name, command in load_commands().items():
            own = tuple(key for key in map(portable, command.keys) if key not in taken)
            self._keys[name] = self._chosen.get(name, own)
