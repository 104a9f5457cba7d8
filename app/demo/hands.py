"""A person's hands and eyes in front of the window: keys, mouse, patience, and a camera.

Everything goes through real Qt events, so that a walk shows what a person would get, and fails
where a person would.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from core.errors import CommandRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PySide6.QtCore import QPoint
    from PySide6.QtWidgets import QWidget

    from app.main_window import MainWindow

_PAUSE_S = 0.02
_STEPS = 6
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")


class Hands:
    """Works on one window and keeps pictures of it.

    Args:
        window: shown and active.
        shots: folder of the pictures.
        report: told the name of each.
    """

    def __init__(self, window: MainWindow, shots: Path, report: Callable[[str], None]) -> None:
        self.window = window
        self.report = report
        self._shots = shots
        self.num_shots = 0

    def key(self, keys: str) -> None:
        """Press and let go of a key, such as ``Ctrl+R``."""
        from PySide6.QtTest import QTest

        from app.commands import first_key

        self._be_in_front()
        combination = first_key(keys)
        QTest.keyClick(self.window.views, combination.key(), combination.keyboardModifiers())

    def _be_in_front(self) -> None:
        """Shortcuts belong to the active window, which a dialog was that has just closed."""
        self.window.activateWindow()
        self.wait(self.window.isActiveWindow, "the front")

    def hold(self, keys: str, while_held: Callable[[], None]) -> None:
        """Hold a key down for a while."""
        from PySide6.QtTest import QTest

        from app.commands import first_key

        combination = first_key(keys)
        views, modifiers = self.window.views, combination.keyboardModifiers()
        QTest.keyPress(views, combination.key(), modifiers)
        while_held()
        QTest.keyRelease(views, combination.key(), modifiers)

    def click(self, widget: QWidget, place: QPoint | None = None) -> None:
        """Click a widget, in its middle or at a place."""
        from PySide6.QtCore import Qt
        from PySide6.QtTest import QTest

        place = widget.rect().center() if place is None else place
        QTest.mouseClick(widget, Qt.MouseButton.LeftButton, pos=place)

    def drag(self, widget: QWidget, start: QPoint, end: QPoint) -> None:
        """Drag from one place to another, as steadily as a hand does."""
        from PySide6.QtCore import Qt
        from PySide6.QtTest import QTest

        button, nothing = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        QTest.mouseMove(widget, start)
        QTest.mousePress(widget, button, nothing, start)
        for step in range(1, _STEPS + 1):
            QTest.mouseMove(widget, start + (end - start) * step / _STEPS)
            self.look()
        QTest.mouseRelease(widget, button, nothing, end)

    def look(self) -> None:
        """Let the window do what it has to."""
        from PySide6.QtWidgets import QApplication

        QApplication.processEvents()
        time.sleep(_PAUSE_S)

    def wait(self, is_there: Callable[[], object], what: str, *, at_most_s: float = 120.0) -> None:
        """Wait until something is there.

        Raises:
            CommandRefusedError: it does not come.
        """
        deadline = time.monotonic() + at_most_s
        while not is_there():
            self.look()
            if time.monotonic() > deadline:
                text = f"The window did not come to {what} within {at_most_s:.0f} s."
                raise CommandRefusedError(text)

    def shot(self, title: str, widget: QWidget | None = None, *, settled: bool = True) -> None:
        """Keep a picture of the window, or of a dialog.

        Args:
            title: becomes the file's name.
            widget: a dialog; None = the window.
            settled: wait first until the window has nothing left to do.
        """
        from app.shot import grab_window, settle

        if settled:
            settle(lambda: self.window.is_settled)
        self.num_shots += 1
        name = f"{self.num_shots:02d}-{_NOT_IN_NAMES.sub('-', title.lower()).strip('-')}.png"
        image = grab_window(self.window) if widget is None else widget.grab().toImage()
        image.save(str(self._shots / name))
        self.report(f"  {name}")
