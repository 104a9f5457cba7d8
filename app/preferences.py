"""What the window remembers between starts: layout, recent projects, display settings."""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from PySide6.QtCore import QByteArray, QSettings
from PySide6.QtWidgets import QDockWidget

from app.state import DisplaySettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PySide6.QtWidgets import QMainWindow

Closing = Literal["ask", "leave", "stop"]
_NUM_RECENT = 8
_POSITIVE = 0x7FFFFFFF  # Qt's version is a signed 32-bit number
# Raise this when panels stand elsewhere at first; that there are others is found by their names.
_LAYOUT_VERSION = 3


class Preferences:
    """A face on the platform's settings store (or, in tests, a file)."""

    def __init__(self, file: Path | None = None) -> None:
        self._store = (
            QSettings("trilabel", "trilabel")
            if file is None
            else QSettings(str(file), QSettings.Format.IniFormat)
        )

    def recent(self) -> list[Path]:
        """Projects opened last that still exist, newest first."""
        value: Any = self._store.value("recent", [])
        names = [value] if isinstance(value, str) else list(value or [])
        return [path for path in map(Path, names) if path.is_dir()]

    def add_recent(self, path: Path) -> None:
        """Put a project first."""
        path = path.resolve()
        others = [other for other in self.recent() if other != path]
        self._store.setValue("recent", [str(each) for each in [path, *others][:_NUM_RECENT]])

    def display(self) -> DisplaySettings:
        """The remembered display settings; defaults for what is missing or of another type."""
        values: dict[str, Any] = {}
        for entry in fields(DisplaySettings):
            stored: Any = self._store.value(f"display/{entry.name}")
            kind = type(getattr(DisplaySettings(), entry.name))
            if stored is None:
                continue
            if kind is bool:
                values[entry.name] = str(stored).lower() == "true"
            elif kind is float:
                number = _as_float(stored)
                if number is not None:
                    values[entry.name] = number
            else:
                values[entry.name] = str(stored)
        return DisplaySettings(**values)

    def set_display(self, display: DisplaySettings) -> None:
        """Remember them."""
        for entry in fields(DisplaySettings):
            self._store.setValue(f"display/{entry.name}", getattr(display, entry.name))

    def keys(self) -> dict[str, list[str]]:
        """The keys that were rebound, by command; what cannot be read is as if it was not."""
        try:
            stored: Any = json.loads(str(self._store.value("keys", "")))
            return {str(name): [str(key) for key in keys] for name, keys in stored.items()}
        except (ValueError, TypeError, AttributeError):
            return {}

    def set_keys(self, keys: Mapping[str, Sequence[str]]) -> None:
        """Remember them."""
        self._store.setValue("keys", json.dumps({name: list(own) for name, own in keys.items()}))

    def closing(self) -> Closing:
        """What happens to living trainings when the window is closed."""
        stored = self._store.value("closing")
        return stored if stored in ("leave", "stop") else "ask"

    def set_closing(self, answer: Closing) -> None:
        """Remember it."""
        self._store.setValue("closing", answer)

    def set_views(self, project: Path, state: dict[str, Any]) -> None:
        """Remember order, focus and hidden cameras of a project's views."""
        self._store.setValue(f"views/{_key(project)}", json.dumps(state))

    def views(self, project: Path) -> dict[str, Any] | None:
        """What was remembered of a project's views, or None."""
        try:
            state = json.loads(str(self._store.value(f"views/{_key(project)}", "")))
        except ValueError:
            return None
        return cast("dict[str, Any]", state) if isinstance(state, dict) else None

    def save_layout(self, window: QMainWindow) -> None:
        """Remember where docks are."""
        self._store.setValue("layout/geometry", window.saveGeometry())
        self._store.setValue("layout/state", window.saveState(_layout_version(window)))

    def restore_layout(self, window: QMainWindow) -> bool:
        """Put docks where they were; False where nothing is remembered, or of other docks."""
        geometry: Any = self._store.value("layout/geometry")
        state: Any = self._store.value("layout/state")
        if not isinstance(geometry, QByteArray) or not isinstance(state, QByteArray):
            return False
        version = _layout_version(window)
        return window.restoreGeometry(geometry) and window.restoreState(state, version)


def _layout_version(window: QMainWindow) -> int:
    """A number for the docks there are: Qt leaves those that a layout does not know anywhere."""
    names = sorted(dock.objectName() for dock in window.findChildren(QDockWidget))
    return zlib.crc32("\n".join([str(_LAYOUT_VERSION), *names]).encode()) & _POSITIVE


def _key(project: Path) -> str:
    return hashlib.sha1(str(project.resolve()).encode(), usedforsecurity=False).hexdigest()[:16]


def _as_float(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None
