"""A query that is counted in the background, and what it found judged in one undoable step.

The count is a preview. What is judged is searched for anew in the same job, so that it is never
about points that an edit has changed since; accepting and locking leave what people decided before
as it is, unless the query names a state. Thousands of rows take longer than a window may stand
still, so they are written in that job too; the session follows once they are durable.

Trap: a count that is not wanted any more ends at its next block. Nobody waits for it but who is
about to close what it reads.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from app.jobs import Job
from core.curation.accepting import Selection, accept, reject, select, unlock, unreview
from core.curation.query import parse_query
from core.errors import CommandRefusedError, DataError
from core.project import Place, ReviewState

if TYPE_CHECKING:
    from app.curation.review_commands import Verb
    from app.jobs import Progress
    from app.session import Session
    from core.curation.query import Query
    from core.project import Change, Project

# Nobody has stopped typing before.
_SETTLE_MS = 350
# Two cores that count all the time are none for the window.
_LONG_S = 2.0


class Search(QObject):
    """The query of a panel: ``found`` after each count, ``changed`` whenever it is another state.

    Attributes:
        error: why the query is none, in words; empty where it is one.
        selection: what was found; None while it is being counted.
        share: how far the count is, 0 to 1.
        is_judging: whether what was found is being judged.
        is_stale: whether something was edited since, and it was not counted again.
    """

    changed = Signal()

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._text = ""
        self._query: Query | None = None
        self._job: Job | None = None
        self._leaving: list[Job] = []
        self._is_active = False
        self.error = ""
        self.selection: Selection | None = None
        self.share = 0.0
        self.is_judging = self.is_stale = False
        self._took_s = 0.0
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.timeout.connect(self._count)
        session.project_closing.connect(self._stop)
        session.source_closing.connect(self._drop)
        for signal in (
            session.project_changed,
            session.source_changed,
            session.settings_changed,
            session.engine_warmed,
        ):
            signal.connect(self._count_later)
        session.edited.connect(self._on_edited)
        session.taken_up.connect(self._on_edited)

    @property
    def is_counting(self) -> bool:
        """Whether a count is under way or about to begin."""
        return self._settle.isActive() or (self._job is not None and not self.is_judging)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is under way."""
        return self._job is None and not self._settle.isActive()

    def set_active(self, is_active: bool) -> None:
        """Count only while somebody looks."""
        self._is_active = is_active
        if is_active and self.selection is None:
            self._count_later()

    def set_text(self, text: str) -> None:
        """Search for something else."""
        self._text = text
        self._count_later()

    def judge(self, verb: Verb) -> None:
        """Judge all that the query finds, in one step.

        Raises:
            CommandRefusedError: there is no query, or something is being judged already.
        """
        session, query = self._session, self._query
        project, source, settings = session.require_project(), session.source, session.settings
        if query is None or source is None or self._settle.isActive():
            raise CommandRefusedError(self.error or "Wait until it is counted.")
        if self.is_judging:
            raise CommandRefusedError("Something is being judged already.")
        cursor = session.cursor
        place = Place(cursor.frame, cursor.camera, cursor.person, cursor.joint)

        def work(progress: Progress) -> Change | None:
            found = select(project, source, settings, query, progress)
            if found is None:
                return None
            if verb in ("accept", "lock"):
                state = "accepted" if verb == "accept" else "locked"
                edit = accept(source, _undecided(found, query, verb), state, remark=query.text)
            else:
                judged = {"reject": reject, "unlock": unlock, "unreview": unreview}[verb]
                edit = judged(found, remark=query.text)
            return project.apply(edit, place=place)

        self._drop()
        self.is_judging = True
        job = self._start(f"{_TITLES[verb]}…", work)
        job.finished.connect(lambda change: self._on_judged(project, change))
        job.failed.connect(session.message_posted)

    def _on_judged(self, project: Project, change: Change | None) -> None:
        if change is not None and self._session.project is project:
            self._session.follow(change)

    def step(self, direction: int) -> None:
        """Go to the next (+1) or previous (-1) joint that was found, in the view that is worst.

        Raises:
            CommandRefusedError: nothing was found.
        """
        found, cursor = self.selection, self._session.cursor
        if found is None or not len(found):
            raise CommandRefusedError("Nothing was found to go to.")
        keys = [tuple(key) for key in found.keys.tolist()]
        here = (
            cursor.frame,
            -1 if cursor.person is None else cursor.person,
            -1 if cursor.joint is None else cursor.joint,
        )
        if direction > 0:
            later = [key for key in keys if key > here]
            frame, person, joint = later[0] if later else keys[0]
        else:
            earlier = [key for key in keys if key < here]
            frame, person, joint = earlier[-1] if earlier else keys[-1]
        self._session.set_frame(frame)
        self._session.select(person=person, joint=joint)
        self._select_worst_view()

    def _select_worst_view(self) -> None:
        """Select the view that is farthest off: there a joint is fixed, if it is to be fixed."""
        session, diagnosis = self._session, self._session.diagnosis
        row, joint = session.person_row, session.cursor.joint
        if diagnosis is None or row is None or joint is None:
            return
        residuals = diagnosis.loo_residual_px[row, :, joint]
        if np.isfinite(residuals).any():
            session.select(camera=int(np.nanargmax(residuals)))

    def _drop(self) -> None:
        """Ask for no answer of what runs; a step that is being written is finished and told."""
        self._settle.stop()
        job, self._job = self._job, None
        if job is not None:
            if not self.is_judging:
                job.cancel()
            self._leaving.append(job)
        self.is_judging = False

    def _stop(self) -> None:
        """The same, and wait: the project is about to be closed."""
        self._drop()
        for job in self._leaving:
            job.wait(60.0)

    def _on_edited(self, _change: object) -> None:
        """Count again, but not after every edit where it takes long."""
        if self.selection is not None and self._took_s > _LONG_S and not self.is_judging:
            self.is_stale = True
            self.changed.emit()
        else:
            self._count_later()

    def _count_later(self, _what: object = None) -> None:
        if self.is_judging:
            return
        self.selection, self.is_stale = None, False
        if self._is_active and self._session.project is not None:
            self._settle.start(self._session.rest_ms(_SETTLE_MS))
        self.changed.emit()

    def _count(self) -> None:
        session = self._session
        project, source, settings = session.project, session.source, session.settings
        if project is None or source is None or not session.is_engine_ready or self.is_judging:
            return
        self._drop()
        self.error, self._query = "", None
        try:
            query = self._query = parse_query(self._text, project)
        except DataError as error:
            self.error = f"Expected {error.expected}. {error.remedy}"
            if error.field:
                self.error = f"{error.field}: found {error.found}. {error.remedy}"
            self.changed.emit()
            return
        began = time.monotonic()
        job = self._start("Counting", lambda go: select(project, source, settings, query, go))
        job.finished.connect(lambda found: self._on_counted(found, time.monotonic() - began))

    def _start(self, title: str, work: object) -> Job:
        job = Job(title, work, self)  # pyright: ignore[reportArgumentType] - one of the two above
        self._job, self.share = job, 0.0
        job.progressed.connect(self._on_progressed)
        job.ended.connect(lambda: self._on_ended(job))
        job.start()
        self.changed.emit()
        return job

    def _on_progressed(self, done: int, total: int, _left_s: float) -> None:
        self.share = done / max(total, 1)
        self.changed.emit()

    def _on_counted(self, selection: Selection | None, took_s: float) -> None:
        self.selection, self._took_s = selection, took_s

    def _on_ended(self, job: Job) -> None:
        if job in self._leaving:
            self._leaving.remove(job)
        if self._job is job:
            self._job = None
            was_judging, self.is_judging = self.is_judging, False
            if was_judging:
                self._count_later()
            self.changed.emit()


def _undecided(found: Selection, query: Query, verb: Verb) -> Selection:
    """What is accepted or locked of it: a query over everything overrides nobody's decision.

    Raises:
        CommandRefusedError: all of it was decided before.
    """
    if query.states is not None:
        return found
    free = [ReviewState.UNREVIEWED]
    if verb == "lock":
        free.append(ReviewState.ACCEPTED)
    left = found.where(found.in_state(*free))
    if len(found) and not len(left):
        raise CommandRefusedError(
            "All of it was decided before: name a state, such as state=rejected, to decide anew."
        )
    return left


_TITLES: dict[Verb, str] = {
    "accept": "Accept",
    "reject": "Reject",
    "lock": "Lock",
    "unlock": "Unlock",
    "unreview": "Take back reviews",
}
