"""What can wait until the views have painted: other panels follow in turns of their own.

An edit, or a step of a drag, is seen in the views first. A panel beside them asks for its own work
here: however often it is asked for, it is done once, in a later turn of the event loop, and only
while somebody can see it. Who becomes visible catches up by itself (`showEvent`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QWidget


class Afterwards:
    """Work of a widget that is done once the views have painted."""

    def __init__(self, widget: QWidget, work: Callable[[], object], wait_ms: int = 0) -> None:
        """Prepare.

        Args:
            widget: whose work it is; while it cannot be seen, nothing is done.
            work: what is done.
            wait_ms: how long to wait for more of what asks for it.
        """
        self._widget = widget
        self._work = work
        self._timer = QTimer(widget)
        self._timer.setSingleShot(True)
        self._timer.setInterval(wait_ms)
        self._timer.timeout.connect(self._do)

    def ask(self, *_what: object) -> None:
        """Have it done soon; takes whatever a signal brings."""
        if not self._timer.isActive():
            self._timer.start()

    def _do(self) -> None:
        if self._widget.isVisible():
            self._work()
