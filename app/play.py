"""Playing a recording: frames follow the clock, and are dropped rather than late.

The next frame is shown only when the last one is: to ask for another while pictures are still
being decoded would throw that work away, and on a slow machine no picture would ever arrive.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.session import Session

_DEFAULT_FPS = 25.0


class Player(QObject):
    """Steps the session's frame in time with the recording's frame rate.

    Args:
        session: whose frame it is.
        is_ready: whether the frame that was set last is on the screen.
        parent: owner.
    """

    playing_changed = Signal(bool)

    def __init__(
        self, session: Session, is_ready: Callable[[], bool], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._is_ready = is_ready
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._on_tick)
        self._started_at = 0.0
        self._started_frame = 0
        session.project_changed.connect(self.stop)

    @property
    def is_playing(self) -> bool:
        """Whether frames are moving."""
        return self._timer.isActive()

    def toggle(self) -> None:
        """Play, or pause."""
        if self.is_playing:
            self.stop()
        elif self._session.project is not None:
            self._started_at = time.monotonic()
            self._started_frame = self._session.cursor.frame
            self._timer.start(round(1000 / self._fps()))
            self.playing_changed.emit(True)

    def stop(self) -> None:
        """Pause."""
        if self._timer.isActive():
            self._timer.stop()
            self.playing_changed.emit(False)

    def _fps(self) -> float:
        project = self._session.project
        return (project.fps if project is not None else None) or _DEFAULT_FPS

    def _on_tick(self) -> None:
        project = self._session.project
        if project is None or not self._is_ready():
            return
        elapsed = time.monotonic() - self._started_at
        frame = self._started_frame + int(elapsed * self._fps())
        self._session.set_frame(frame)
        if self._session.cursor.frame >= project.num_frames - 1:
            self.stop()
