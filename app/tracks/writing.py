"""Writes edits of tracks: at once where they are small, else in the background.

A swap over half a match is 67,000 places: a second of work for the database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from app.jobs import Job
from core.errors import CommandRefusedError
from core.project import Place

if TYPE_CHECKING:
    from app.session import Session
    from core.project import Change, Edit, Project

# More places than that take longer to write than a window may stand still.
_MAX_AT_ONCE = 1_000
_LONGEST_S = 60.0


class TrackWriter(QObject):
    """Signals: ``started(job)`` for a large edit, which the status bar follows."""

    started = Signal(object)

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self._job: Job | None = None

    def carry_out(self, edit: Edit, num_places: int) -> None:
        """Apply an edit.

        Raises:
            CommandRefusedError: it cannot be made, or another one is under way.
        """
        session, cursor = self._session, self._session.cursor
        if num_places <= _MAX_AT_ONCE:
            session.apply(edit)
            return
        if self._job is not None:
            raise CommandRefusedError("Tracks are being written: wait until that is done.")
        project = session.require_project()
        place = Place(cursor.frame, cursor.camera, cursor.person, cursor.joint)
        done: list[Change] = []
        job = self._job = Job(
            "Writing tracks",
            lambda _progress: done.append(project.apply(edit, place=place)),
            self,
        )
        # Not `finished`: who stops it is too late, and what was written has to be shown.
        job.ended.connect(lambda: self._on_written(project, done))
        self.started.emit(job)
        job.start()

    def finish(self) -> None:
        """Wait for what was begun: the project is about to close."""
        if self._job is not None:
            self._job.wait(_LONGEST_S)
            self._job = None

    def _on_written(self, project: Project, done: list[Change]) -> None:
        self._job = None
        if done and project is self._session.project:
            self._session.follow(done[0])
