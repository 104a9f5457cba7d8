"""Undo and redo for the window: at once where little changes, else in the background.

Taking back a swap over half a match rewrites 67,000 rows, a second or more. Those are written by a
job; the session follows once they are durable, as it does after a large edit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from app.jobs import Job
from core.errors import CommandRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.session import Session
    from core.project import Change, Direction, Project

# Bytes of the journal that are read and written back within some 20 ms.
_MAX_AT_ONCE = 48_000
_LONGEST_S = 60.0


class Stepping(QObject):
    """Signals: ``started(job)`` for a long step, which the status bar follows."""

    started = Signal(object)

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._job: Job | None = None
        session.project_closing.connect(self._finish)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is under way."""
        return self._job is None

    def undo(self) -> None:
        """Take the latest step back.

        Raises:
            CommandRefusedError: there is none, it is an import, or another is under way.
        """
        self._step("undo", self._session.undo, lambda project: project.undo())

    def redo(self) -> None:
        """Bring the latest undone step back.

        Raises:
            CommandRefusedError: there is none, or another is under way.
        """
        self._step("redo", self._session.redo, lambda project: project.redo())

    def _step(
        self, way: Direction, at_once: Callable[[], None], act: Callable[[Project], Change]
    ) -> None:
        session = self._session
        project = session.require_project()
        if self._job is not None:
            raise CommandRefusedError("A long step is under way: wait until that is done.")
        if project.read_only or project.labels.step_size(way) <= _MAX_AT_ONCE:
            at_once()
            return
        done: list[Change] = []
        title = {"undo": "Undoing", "redo": "Redoing"}[way]
        job = self._job = Job(title, lambda _progress: done.append(act(project)), self)
        job.failed.connect(session.message_posted)
        # Not `finished`: who stops it is too late, and what was written has to be shown.
        job.ended.connect(lambda: self._on_written(project, done))
        self.started.emit(job)
        job.start()

    def _on_written(self, project: Project, done: list[Change]) -> None:
        self._job = None
        if done and project is self._session.project:
            self._session.come_back(done[0])

    def _finish(self) -> None:
        """Wait for what was begun: the project is about to close."""
        if self._job is not None:
            self._job.wait(_LONGEST_S)
            self._job = None
