"""Accept, reject and roll back from the Changes panel, each as one step that undo takes back.

What is of a frame or two is judged at once; more goes over a worker's thread with progress.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from PySide6.QtCore import QObject, Signal

from app.jobs import Job
from core.curation.round_judging import changes_at, judge_changes, roll_back, states_of
from core.errors import CommandRefusedError
from core.project import Change, Place

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from app.jobs import Progress
    from app.session import Session
    from core.curation.sources import FrameSource

Verb = Literal["accept", "reject"]

_AT_ONCE_FRAMES = 2


class Judging(QObject):
    """``changed`` tells when work begins, goes on and ends."""

    changed = Signal()

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._job: Job | None = None
        self.share = 0.0
        session.project_closing.connect(self._stop)

    @property
    def is_busy(self) -> bool:
        """Whether something is being judged or rolled back."""
        return self._job is not None

    def judge(self, verb: Verb, keys: NDArray[np.int64], remark: str) -> None:
        """Accept or reject joints (N, 3): frame, person, joint.

        Raises:
            CommandRefusedError: there is nothing to judge, or something is being judged already.
        """
        session = self._session
        project, source, diff = session.require_project(), session.source, session.diff
        if source is None or diff is None:
            raise CommandRefusedError("Nothing is compared yet.")
        if not len(keys):
            raise CommandRefusedError("No change is listed here.")
        self._refuse_two()
        settings, place = diff.settings, self._place()
        if len(np.unique(keys[:, 0])) <= _AT_ONCE_FRAMES:
            found = changes_at(project, source, settings, keys)
            assert found is not None
            session.apply(judge_changes(source, found, verb, remark=remark))
            return

        def work(progress: Progress) -> object:
            found = changes_at(project, source, settings, keys, progress)
            if found is None:
                return None
            # What somebody decided while this was read stays decided.
            found = found.where(states_of(project, found.keys) == found.state)
            return project.apply(judge_changes(source, found, verb, remark=remark), place=place)

        self._start("Judging changes", work, self._follow)

    def roll_back(self) -> None:
        """Take back all that was accepted from the round shown, and show the one before.

        Raises:
            CommandRefusedError: nothing is compared, or something is being judged already.
        """
        session = self._session
        project, source, before = session.require_project(), session.source, session.compared
        if source is None or before is None:
            raise CommandRefusedError("Choose what to go back to first: the side before.")
        if project.read_only:
            raise CommandRefusedError("This project is open read-only: nothing is rolled back.")
        self._refuse_two()
        place = self._place()

        def work(progress: Progress) -> object:
            edit = roll_back(project, source, before, progress)
            return None if edit is None else project.apply(edit, place=place)

        self._start("Rolling back", work, lambda result: self._on_rolled_back(source, result))

    def _on_rolled_back(self, after: FrameSource, result: object) -> None:
        session = self._session
        what = f"Nothing was accepted from {after.title}"
        if isinstance(result, Change):
            session.follow(result)
            what = result.description
        before = session.compared
        if before is not None and session.source is after:
            # It is the session's already: it changes places, and nothing is compared any more.
            session.set_source(before)
            session.set_compared(None)
            session.message_posted.emit(f"{what}. Shown: {before.title}.")

    def _follow(self, result: object) -> None:
        if isinstance(result, Change):
            self._session.follow(result)

    def _refuse_two(self) -> None:
        if self.is_busy:
            raise CommandRefusedError("Something is being judged already.")

    def _place(self) -> Place:
        cursor = self._session.cursor
        return Place(cursor.frame, cursor.camera, cursor.person, cursor.joint)

    def _start(
        self, title: str, work: Callable[[Progress], object], then: Callable[[object], None]
    ) -> None:
        job = self._job = Job(title, work)
        self.share = 0.0
        job.progressed.connect(self._on_progressed)
        job.finished.connect(lambda result: self._on_finished(job, result, then))
        job.failed.connect(self._session.message_posted)
        job.ended.connect(lambda: self._on_ended(job))
        job.start()
        self.changed.emit()

    def _on_finished(self, job: Job, result: object, then: Callable[[object], None]) -> None:
        if job is self._job:
            self._job = None
            then(result)

    def _on_progressed(self, done: int, total: int, _left_s: float) -> None:
        self.share = done / max(total, 1)
        self.changed.emit()

    def _on_ended(self, job: Job) -> None:
        if job is self._job:
            self._job = None
        self.changed.emit()

    def _stop(self) -> None:
        """The project is about to be closed: a step that is being written is finished.

        Where only another source is shown nobody waits: files of a source open again by themselves.
        """
        if self._job is not None:
            self._job.wait(60.0)
        self._job = None
