"""Walks along the queue: builds it in the background, goes to items, keeps it in step with edits.

The panel shows what is told here, and the keys act here. A queue is about one source, one set of
settings and one choice of frames; when one of them changes it is stale, and is built again at the
next step, or when somebody looks at the panel. An edit while it is built builds it anew.

Trap: what is built in vain ends at its next block. Nobody waits for it but who is about to close
what it reads.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from app.jobs import Job
from core.curation.choices import SourceChoice, open_source, source_choices
from core.curation.pseudo import resolved_settings
from core.curation.queue import Filters, Queue, build_queue
from core.errors import CommandRefusedError

if TYPE_CHECKING:
    from app.jobs import Progress
    from app.session import Session
    from core.curation.queue import QueueItem
    from core.curation.ranking import Ranking
    from core.curation.sources import FrameSource
    from core.project import Change, Project
    from core.settings import TriangulationSettings

_MOST_FOLLOWED = 16
"""An edit of more people at frames than this makes the queue stale."""
_ANEW_MS = 20_000
"""A training announces a few frames at a time; building goes through the whole recording."""
_AT_ONCE = 2
"""People at frames that are looked at without a pause, on the window's thread: 15 to 20 ms."""


class QueueWalk(QObject):
    """The queue of the open project.

    Signals: ``changed`` when anything to be shown is other; ``arrived(item)`` after the cursor went
    to an item.

    Attributes:
        item: where the walk stands; None before the first step.
        num_shown: items shown since the project was opened.
        num_answered: of them, those whose joint was labelled in the view or judged.
        first_error_mm: mean expected error when the first queue was built; NaN before.
        share: how far building is, 0 to 1.
        error: why it could not be built.
    """

    changed = Signal()
    arrived = Signal(object)
    job_started = Signal(object)

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._queue: Queue | None = None
        self._other: FrameSource | None = None
        self._job: Job | None = None
        self._leaving: list[Job] = []
        self._goes_on = False
        self._trail: list[QueueItem] = []
        self._place = -1
        self._num_shown = 0
        self._answered: set[QueueItem] = set()
        self.ranking: Ranking = "uncertainty"
        self.filters = Filters()
        self.first_error_mm = float("nan")
        self.share = 0.0
        self.error = ""
        session.project_closing.connect(self._stop)
        session.source_closing.connect(self._leave)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self._catch_up)
        session.project_changed.connect(self._on_project_changed)
        session.source_changed.connect(self._spoil)
        session.settings_changed.connect(self._spoil)
        session.edited.connect(self._on_edited)
        session.taken_up.connect(self._on_taken_up)
        self._anew = QTimer(self)
        self._anew.setSingleShot(True)
        self._anew.setInterval(_ANEW_MS)
        self._anew.timeout.connect(self._build_anew)

    @property
    def item(self) -> QueueItem | None:
        """Where the walk stands."""
        return self._trail[self._place] if self._trail else None

    @property
    def num_shown(self) -> int:
        """Items shown since the project was opened."""
        return self._num_shown

    @property
    def num_answered(self) -> int:
        """Items shown whose joint was labelled in the view, or judged."""
        return len(self._answered)

    @property
    def queue(self) -> Queue | None:
        """What was built; None while it is not, or is stale."""
        return self._queue

    @property
    def is_building(self) -> bool:
        """Whether it is being built."""
        return self._job is not None

    def set_ranking(self, ranking: Ranking) -> None:
        """Rank by something else."""
        if ranking != self.ranking:
            self.ranking = ranking
            self._turn()
            self._spoil()

    def set_filters(self, filters: Filters) -> None:
        """Let only some items through."""
        self.filters = filters
        self._turn()
        self.changed.emit()

    def next(self) -> None:
        """Go to the next item; builds the queue first where there is none.

        Raises:
            CommandRefusedError: nothing is left, or nothing can be built yet.
        """
        if self._place < len(self._trail) - 1:
            self._go(self._place + 1)
            return
        if self._queue is None:
            self.build(then_go=True)
            return
        item = self._queue.next(self.filters)
        if item is None:
            self.changed.emit()
            raise CommandRefusedError(
                "Nothing is left in the queue: change its filters or ranking, or take frames in."
            )
        self._trail.append(item)
        self._num_shown += 1
        self._go(len(self._trail) - 1)

    def back(self) -> None:
        """Go to the item before.

        Raises:
            CommandRefusedError: there is none.
        """
        if self._place <= 0:
            raise CommandRefusedError("This is the first item of the queue.")
        self._go(self._place - 1)

    def forget(self) -> None:
        """Let what was shown and not answered come again."""
        if self._queue is not None:
            self._queue.forget()
        self.changed.emit()

    def build(self, *, then_go: bool = False) -> None:
        """Build the queue in the background.

        Raises:
            CommandRefusedError: no project is open, or the triangulation is still being loaded.
        """
        session = self._session
        project, source, settings = session.require_project(), session.source, session.settings
        self._goes_on = then_go
        if self._job is not None:
            return
        if source is None or not session.is_engine_ready:
            raise CommandRefusedError("The triangulation is being prepared: try again in a moment.")
        ranking = self.ranking
        self._let_go()

        def work(progress: Progress) -> tuple[Queue | None, FrameSource | None]:
            other = _to_compare(project, source) if ranking == "disagreement" else None
            return _built(project, source, settings, ranking, other, progress), other

        job = self._job = Job("Building the queue", work, self)
        self.share, self.error = 0.0, ""
        job.progressed.connect(self._on_progressed)
        job.finished.connect(self._on_built)
        job.failed.connect(self._on_failed)
        job.ended.connect(lambda: self._on_ended(job))
        self.job_started.emit(job)
        job.start()
        self.changed.emit()

    def _turn(self) -> None:
        """Something else was asked for: what lay ahead on the way back is no more."""
        del self._trail[self._place + 1 :]

    def _go(self, place: int) -> None:
        self._place = place
        item = self._trail[place]
        self._session.set_frame(item.frame)
        self._session.select(person=item.person, joint=item.joint, camera=item.camera)
        self.changed.emit()
        self.arrived.emit(item)

    def _on_progressed(self, done: int, total: int, _left: float) -> None:
        self.share = done / max(total, 1)
        self.changed.emit()

    def _on_built(self, answer: tuple[Queue | None, FrameSource | None]) -> None:
        self._job = None
        self._queue, self._other = answer
        if self._queue is not None:
            if math.isnan(self.first_error_mm):
                self.first_error_mm = self._queue.expected_error_mm
            self._queue.skip(item.key for item in self._trail)
        self.changed.emit()
        if self._goes_on and self._queue is not None:
            try:
                self.next()
            except CommandRefusedError as error:
                self._session.message_posted.emit(str(error))

    def _on_failed(self, text: str) -> None:
        self.error = text
        self._session.message_posted.emit(text)

    def _on_ended(self, job: Job) -> None:
        if job in self._leaving:
            self._leaving.remove(job)
        if job is self._job:
            self._job = None
        self.changed.emit()

    def _on_taken_up(self, _frames: object) -> None:
        """Training has predicted on: the queue serves until another one is built, in a while."""
        if self._queue is not None and not self._anew.isActive():
            self._anew.start()

    def _build_anew(self) -> None:
        if self._queue is not None and self._job is None:
            self.build()

    def _on_edited(self, change: Change) -> None:
        self._count_answers(change)
        if self._job is not None:
            # What it has read of these frames may be from before the edit.
            self._drop_job()
            self.build(then_go=self._goes_on)
        elif self._queue is not None:
            if len(self._queue.people_of(change)) > _MOST_FOLLOWED:
                self._queue = None
            else:
                self._queue.follow(change)
                self._catch_up()
        self.changed.emit()

    def _catch_up(self) -> None:
        """Look at those of the latest edit, and at the rest between what else the window does."""
        if self._queue is None:
            return
        self._queue.catch_up(_AT_ONCE)
        if not self._queue.is_caught_up:
            self._soon.start()
        elif not self._soon.isActive():
            self.changed.emit()

    def _count_answers(self, change: Change) -> None:
        judged = change.reviews | change.points
        self._answered |= {
            item
            for item in self._trail
            if item.key in change.keys or (item.frame, item.person, item.joint) in judged
        }

    def _on_project_changed(self) -> None:
        self._trail, self._place, self._answered = [], -1, set()
        self._num_shown = 0
        self.first_error_mm = float("nan")
        self._spoil()

    def _spoil(self, _what: object = None) -> None:
        self._drop_job()
        self._queue = None
        self.changed.emit()

    def _stop(self) -> None:
        """The project that the queue reads from is about to be closed."""
        self._leave()
        for job in self._leaving:
            job.wait()

    def _leave(self) -> None:
        """Another source is about to be shown; what is read of this one ends by itself."""
        self._drop_job()
        self._queue = None
        self._let_go()

    def _drop_job(self) -> None:
        job, self._job = self._job, None
        if job is not None:
            job.cancel()
            self._leaving.append(job)

    def _let_go(self) -> None:
        other, self._other = self._other, None
        if other is not None:
            other.close()


def _built(
    project: Project,
    source: FrameSource,
    settings: TriangulationSettings,
    ranking: Ranking,
    other: FrameSource | None,
    progress: Progress,
) -> Queue | None:
    settings = resolved_settings(source, settings, progress)
    return build_queue(project, source, settings, ranking, other=other, progress=progress)


def _to_compare(project: Project, source: FrameSource) -> FrameSource:
    """What the source is compared with: the newest run, or the detections if a run is shown.

    Raises:
        CommandRefusedError: there is nothing else.
    """
    shown = (None if source.name == "detections" else source.name, source.round)
    choices = [c for c in source_choices(project) if (c.run, c.round) != shown]
    runs = [choice for choice in choices if choice.run is not None]
    chosen: list[SourceChoice] = runs if shown[0] is None else choices
    if not chosen:
        raise CommandRefusedError(
            "Nothing to disagree with: the ranking compares what is shown with a run's predictions."
        )
    return open_source(project, chosen[0])
