"""Which two sources are compared, and what differs: listed, opened and computed in the background.

The source shown is the side after; the session's `compared` is the side before. The difference is
the session's, for whoever shows it. While it is computed sources are opened once more, on the
worker's thread: the session may close its own whenever somebody chooses another.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from app.jobs import Job
from core.curation.choices import SourceChoice, open_source, source_choices
from core.curation.round_choices import default_before, identity, newest_run
from core.curation.round_diff_file import load_or_diff
from core.errors import CommandRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from app.jobs import Progress
    from app.session import Session
    from core.curation.round_diff import RoundDiff
    from core.curation.sources import FrameSource
    from core.project import Change, Project

# A slider of settings asks many times; an edit is painted first.
_SETTLE_MS = 120
# A living run announces files of a few frames.
_TAKE_UP_MS = 1000


class Comparing(QObject):
    """``changed`` tells of another choice, progress or trouble; `Session.diff_changed` of a diff.

    Attributes:
        choices: what there is to compare with, as last listed.
        share: of the frames compared so far, while they are.
        error: why there is no difference, in words; empty where nothing went wrong.
    """

    changed = Signal()

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._listing: Job | None = None
        self._opening: Job | None = None
        self._job: Job | None = None
        self._leaving: list[Job] = []
        self._is_stale = self._is_making = False
        self._edited: set[int] = set()
        self._then: Callable[[], None] | None = None
        self.choices: tuple[SourceChoice, ...] = ()
        self.share = 0.0
        self.error = ""
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.timeout.connect(self._work)
        session.project_changed.connect(self._on_project_changed)
        session.project_closing.connect(self._stop)
        session.compared_changed.connect(self._on_compared_changed)
        session.source_changed.connect(self._on_compared_changed)
        session.settings_changed.connect(self._on_compared_changed)
        session.engine_warmed.connect(lambda: self._ask(0))
        session.edited.connect(self._on_edited)
        session.taken_up.connect(self._on_taken_up)
        self._on_project_changed()

    @property
    def is_comparing(self) -> bool:
        """Whether the difference is being made anew, or is about to be."""
        return self._is_stale or self._is_making

    @property
    def is_settled(self) -> bool:
        """Whether nothing is under way."""
        jobs = (self._job, self._opening, self._listing)
        return all(job is None for job in jobs) and not self._settle.isActive()

    # What is compared.

    def list_choices(self, then: Callable[[], None] | None = None) -> None:
        """Look what there is to compare with, and do something once that is known."""
        project = self._session.project
        self._then = then or self._then
        if project is None or self._listing is not None:
            return
        job = self._listing = Job("Listing runs", lambda _go: source_choices(project))
        job.finished.connect(lambda choices: self._on_listed(job, choices))
        job.ended.connect(lambda: self._on_list_ended(job))
        job.start()

    def compare_by_default(self) -> None:
        """Hold what is shown against the side before that is most likely meant.

        Where the detections are shown, the newest run is shown first.

        Raises:
            CommandRefusedError: no project is open.
        """
        self._session.require_project()
        self.list_choices(self._compare_by_default)

    def _compare_by_default(self) -> None:
        source, newest = self._session.source, newest_run(self.choices)
        if source is None:
            return
        if newest is None:
            self._session.message_posted.emit(
                "No run has predicted anything yet: after Retrain there are rounds to compare."
            )
            return
        run, number = identity(source)
        if run is None:
            before = default_before(self.choices, newest.run, newest.round)
            self._open(newest, self._session.set_source, lambda: self.compare(before))
        else:
            self.compare(default_before(self.choices, run, number))

    def compare(self, choice: SourceChoice | None) -> None:
        """Hold what is shown against something; None = nothing.

        Raises:
            CommandRefusedError: no project is open.
        """
        self._session.require_project()
        if choice is None:
            self._session.set_compared(None)
        else:
            self._open(choice, self._session.set_compared)

    def _open(
        self,
        choice: SourceChoice,
        use: Callable[[FrameSource], None],
        then: Callable[[], None] | None = None,
    ) -> None:
        project = self._session.require_project()
        if self._opening is not None:
            self._opening.cancel()
        job = self._opening = Job(
            f"Opening {choice.title}", lambda _go: open_source(project, choice)
        )

        def take(source: FrameSource) -> None:
            if job is not self._opening or project is not self._session.project:
                source.close()
                return
            self._opening = None
            use(source)
            if then is not None:
                then()

        job.finished.connect(take)
        job.dropped.connect(lambda source: source.close())
        job.failed.connect(self._session.message_posted)
        job.ended.connect(lambda: self._on_open_ended(job))
        job.start()

    def _on_open_ended(self, job: Job) -> None:
        if job is self._opening:
            self._opening = None
        self.changed.emit()

    def _on_listed(self, job: Job, choices: tuple[SourceChoice, ...]) -> None:
        if job is self._listing:
            self.choices = choices
            self.changed.emit()

    def _on_list_ended(self, job: Job) -> None:
        if job is not self._listing:
            return
        self._listing = None
        then, self._then = self._then, None
        if then is not None:
            try:
                then()
            except CommandRefusedError as error:
                self._session.message_posted.emit(str(error))

    # What happened.

    def _on_project_changed(self) -> None:
        self.choices = ()
        self._then = None
        if self._session.project is not None:
            self.list_choices()
        self._on_compared_changed()

    def _on_compared_changed(self, _what: object = None) -> None:
        self._drop()
        self._session.set_diff(None)
        self._edited.clear()
        self.error = self._why_not()
        self._is_stale = self._session.compared is not None and not self.error
        self._ask(self._session.rest_ms(_SETTLE_MS))
        self.changed.emit()

    def _why_not(self) -> str:
        source, compared = self._session.source, self._session.compared
        if source is not None and compared is not None and identity(source) == identity(compared):
            return "Both sides are the same: choose another one."
        return ""

    def _on_edited(self, change: Change) -> None:
        frames = {key.frame for some in (change.keys, change.overrides) for key in some}
        self._edited |= frames | {frame for span in change.spans for frame in span}
        if self._edited:
            self._ask(_SETTLE_MS)

    def _on_taken_up(self, frames: frozenset[int]) -> None:
        """The side after says more: only that is compared; comparing all would go on and on."""
        source, diff = self._session.source, self._session.diff
        if source is None or self._session.compared is None:
            return
        is_lacking = diff is None or not {*source.persons} <= {*diff.persons}
        if is_lacking and not self._is_making:
            self._is_stale = not self.error
        self._edited |= frames
        self._ask(_TAKE_UP_MS)

    # The work.

    def _ask(self, wait_ms: int) -> None:
        if self._session.compared is not None and not self._settle.isActive():
            self._settle.start(wait_ms)

    def _work(self) -> None:
        """Start what is to be done next; one at a time."""
        session = self._session
        project, source, compared = session.project, session.source, session.compared
        if self._job is not None or project is None or source is None or compared is None:
            return
        if not session.is_engine_ready or self.error:
            return
        sides = (_by_identity(compared), _by_identity(source))
        edited, self._edited = self._edited, set()
        diff, settings = session.diff, session.settings

        def compare(progress: Progress) -> RoundDiff | None:
            with _opened(project, sides) as (before, after):
                return load_or_diff(project, before, after, settings, progress)

        def follow(_progress: Progress) -> RoundDiff | None:
            assert diff is not None
            with _opened(project, sides) as (before, after):
                return diff.with_frames(project, before, after, edited)

        if self._is_stale:
            self._is_stale, self._is_making = False, True
            self._run("Comparing two rounds", compare)
        elif diff is not None and edited:
            self._run("Following what changed", follow)

    def _run(self, title: str, work: Callable[[Progress], RoundDiff | None]) -> None:
        job = self._job = Job(title, work)
        self.share = 0.0
        job.progressed.connect(lambda done, total, _left: self._on_progressed(job, done, total))
        job.finished.connect(lambda diff: self._on_compared(job, diff))
        job.failed.connect(lambda error: self._on_failed(job, error))
        job.ended.connect(lambda: self._on_ended(job))
        job.start()
        self.changed.emit()

    def _on_progressed(self, job: Job, done: int, total: int) -> None:
        if job is self._job:
            self.share = done / max(total, 1)
            self.changed.emit()

    def _on_compared(self, job: Job, diff: RoundDiff | None) -> None:
        if job is self._job and diff is not None:
            self._is_making = False
            self._session.set_diff(diff)

    def _on_failed(self, job: Job, error: str) -> None:
        if job is self._job:
            self.error, self._is_making = error, False
            self._session.set_diff(None)

    def _on_ended(self, job: Job) -> None:
        if job in self._leaving:
            self._leaving.remove(job)
        if job is self._job:
            self._job, self._is_making = None, False
            if self._edited or self._is_stale:
                self._ask(0)
            self.changed.emit()

    def _drop(self) -> None:
        self._settle.stop()
        self._is_making = False
        job, self._job = self._job, None
        if job is not None:
            job.cancel()
            self._leaving.append(job)

    def _stop(self) -> None:
        """The project is about to be closed; what reads it has to be done."""
        self._drop()
        for job in (self._listing, self._opening):
            if job is not None:
                job.cancel()
                self._leaving.append(job)
        self._listing = self._opening = None
        for job in self._leaving:
            job.wait(60.0)


def _by_identity(source: FrameSource) -> SourceChoice:
    run, number = identity(source)
    return SourceChoice(run=run, round=number, title=source.title, detail="")


@contextmanager
def _opened(
    project: Project, sides: tuple[SourceChoice, SourceChoice]
) -> Generator[tuple[FrameSource, FrameSource]]:
    """Both sides, closed afterwards."""
    with ExitStack() as stack:
        found: list[FrameSource] = []
        for side in sides:
            found.append(open_source(project, side))
            stack.callback(found[-1].close)
        yield found[0], found[1]
