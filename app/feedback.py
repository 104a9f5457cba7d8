"""What a training says flows into the open window, and what the window looks at into the training.

A living run is told which frames are wanted first: the one on screen with its neighbours, those
that the queue comes to next, and the annotated ones. What the run shown announces is read on a
thread of its own and taken up by the session between two turns of the event loop. With *Follow* on,
a run is shown as soon as it has predicted its first frame, over what was shown before it, so that
frames it has not come to look as they did.

Trap: nothing here may change what somebody holds with the mouse; news wait until it is let go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from app.jobs import Job
from core.curation.choices import open_over
from core.curation.sources import RunSource
from core.project.runs.events import Predicted, PredictionRoundFinished
from core.project.runs.states import LIVING

if TYPE_CHECKING:
    from app.commands import Commands
    from app.curation.queue_walk import QueueWalk
    from app.jobs import Progress
    from app.runs import RunWatch
    from app.session import Session
    from core.project import Project
    from core.project.predictions import News
    from core.project.runs.following import RunReport

# Whoever steps through frames wants the one where they stay.
_SETTLE_MS = 300
_NEIGHBOURS = (1, -1, 2, -2, 3, -3)
_UPCOMING = 24
_NEWS = frozenset({Predicted, PredictionRoundFinished})


class Feedback(QObject):
    """Takes up what runs predict, follows them, and asks for the frames that matter.

    Signals: ``following_changed(is_on)``.
    """

    following_changed = Signal(bool)

    def __init__(
        self, session: Session, watch: RunWatch, queue: QueueWalk, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._watch = watch
        self._queue = queue
        self._is_following = False
        self._known: set[str] = set()
        self._followed: str | None = None
        self._opened: RunSource | None = None
        self._opening: Job | None = None
        self._looking: Job | None = None
        self._has_more = False
        self._wanting: Job | None = None
        self._wanted: dict[str, tuple[int, ...]] = {}
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_SETTLE_MS)
        self._soon.timeout.connect(self._want)
        watch.reported.connect(self._on_reported)
        session.project_closing.connect(self._stop)
        session.source_closing.connect(self._drop_look)
        session.source_changed.connect(self._on_source_changed)
        dropped = (session.preview_changed, session.track_preview_changed, session.edited)
        for signal in (*dropped, session.cursor_changed):
            signal.connect(self._show_later)
        for signal in (session.cursor_changed, session.edited, queue.changed):
            signal.connect(self._want_soon)

    @property
    def is_following(self) -> bool:
        """Whether a training's predictions are shown as soon as there are any."""
        return self._is_following

    @property
    def is_settled(self) -> bool:
        """Whether nothing is being read, opened or asked for."""
        jobs = (self._looking, self._opening, self._wanting)
        return not any(jobs) and self._opened is None and not self._soon.isActive()

    def set_following(self, is_on: bool) -> None:
        """Show the newest run's predictions from now on as they come, or stay with what is shown.

        Raises:
            CommandRefusedError: no project is open.
        """
        self._session.require_project()
        if is_on == self._is_following:
            return
        self._is_following = is_on
        self.following_changed.emit(is_on)
        if not is_on:
            self._drop_opening()
            self._session.message_posted.emit("Follows no training: what is shown stays.")
        elif not self._show_newest():
            self._session.message_posted.emit(
                "Follows the next training: it is shown as soon as it has predicted a frame."
            )

    def bind_commands(self, commands: Commands) -> None:
        """The command that follows, and its button, which stays down while it does."""
        action = commands.actions["follow_training"]

        def toggle() -> None:
            try:
                self.set_following(not self._is_following)
            finally:
                action.setChecked(self._is_following)  # Qt has toggled it, refused or not

        commands.bind("follow_training", toggle)
        self.following_changed.connect(action.setChecked)

    # What runs say.

    def _on_reported(self, run_id: str, report: RunReport) -> None:
        is_here = run_id in self._watch.started_here and run_id not in self._known
        # One that has ended is only read again: its project was closed in between.
        if is_here and report.status in LIVING:
            self._known.add(run_id)
            self._is_following = True
            self.following_changed.emit(True)
        is_new = not _NEWS.isdisjoint(map(type, report.events))
        if is_new and not self._look(run_id) and self._is_following:
            self._show_newest()
        if run_id in self._watch.living and run_id not in self._wanted:
            self._want_soon()

    def _look(self, run_id: str) -> bool:
        """Read the news of the run shown; whether it is that one, and not a certain round of it."""
        source = self._session.source
        if not isinstance(source, RunSource) or source.name != run_id:
            return False
        if source.round is not None:
            return True  # somebody looks back: the run is not forced upon them
        if self._looking is not None:
            self._has_more = True
            return True
        job = self._looking = Job("Reading predictions", lambda _go: source.look(), self)
        job.finished.connect(lambda news: self._on_looked(job, source, news))
        job.failed.connect(self._session.message_posted)
        job.ended.connect(lambda: self._on_look_ended(job, run_id))
        job.start()
        return True

    def _on_looked(self, job: Job, source: RunSource, news: News) -> None:
        if job is self._looking:
            self._session.take_up(source, news)

    def _on_look_ended(self, job: Job, run_id: str) -> None:
        if job is not self._looking:
            return
        self._looking = None
        if self._has_more:
            self._has_more = False
            self._look(run_id)

    def _drop_look(self) -> None:
        job, self._looking, self._has_more = self._looking, None, False
        if job is not None:
            job.cancel()

    # Following.

    def _show_newest(self) -> bool:
        """Show the newest run that has predicted anything; whether there is one."""
        run_id = self._newest()
        project, source = self._session.project, self._session.source
        if run_id is None or project is None or source is None:
            return False
        if source.name == run_id:
            self._followed = run_id
        if source.name == run_id or self._opening is not None or self._opened is not None:
            return True
        run = self._watch.run(run_id)
        job = self._opening = Job(
            f"Opening {run_id}", lambda _progress: open_over(project, run, source)
        )
        job.finished.connect(lambda opened: self._on_opened(job, project, opened))
        job.dropped.connect(_close)
        job.failed.connect(self._session.message_posted)
        job.ended.connect(lambda: self._on_open_ended(job))
        job.start()
        return True

    def _newest(self) -> str | None:
        for entry in reversed(self._watch.entries):
            report = self._watch.report(entry.id)
            if entry.run is not None and report is not None and report.state.predicted:
                return entry.id
        return None

    def _on_opened(self, job: Job, project: Project, source: RunSource) -> None:
        if job is not self._opening or project is not self._session.project:
            source.close()
            return
        self._opened = source
        self._show_opened()

    def _on_open_ended(self, job: Job) -> None:
        if job is self._opening:
            self._opening = None

    def _show_later(self, *_: object) -> None:
        if self._opened is not None and not self._session.is_dragging:
            # In a turn of its own: what was dragged is dropped, and the drop may be an edit first.
            QTimer.singleShot(0, self, self._show_opened)

    def _show_opened(self) -> None:
        if self._opened is None or self._session.is_dragging:
            return
        source, self._opened = self._opened, None
        below = "" if source.over is None else source.over.title
        self._followed = source.name
        self._session.set_source(source)
        self._session.message_posted.emit(
            f"Follows {source.title}. Frames that it has not predicted show: {below}."
        )

    def _on_source_changed(self, _source: object) -> None:
        """Somebody chose something else than the run that is followed: they mean to stay there.

        A run is read as it was when it was opened: what it has said since is looked for at once.
        """
        if self._session.source is not None:
            self._look(self._session.source.name)
        shown, followed = self._session.source, self._followed
        if followed is not None and shown is not None and shown.name != followed:
            self._followed = None
            if self._is_following:
                self.set_following(False)

    def _drop_opening(self) -> None:
        job, self._opening = self._opening, None
        if job is not None:
            job.cancel()
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    # What is wanted.

    def _want_soon(self, *_: object) -> None:
        if self._watch.living:
            self._soon.start()

    def _want(self) -> None:
        """Tell the living runs, off the window's thread."""
        project = self._session.project
        runs = [entry.run for entry in self._watch.entries if entry.id in self._watch.living]
        if project is None or not runs:
            return
        if self._wanting is not None:
            self._soon.start()
            return
        frame, num_frames = self._session.cursor.frame, project.num_frames
        near = [frame, *(frame + step for step in _NEIGHBOURS)]
        queue, filters, told = self._queue.queue, self._queue.filters, dict(self._wanted)

        def work(_progress: Progress) -> dict[str, tuple[int, ...]]:
            ahead = () if queue is None else queue.upcoming_frames(_UPCOMING, filters)
            frames = [*near, *ahead, *project.labelled_frames().tolist()]
            wanted = tuple(dict.fromkeys(f for f in frames if 0 <= f < num_frames))
            for run in runs:
                if run is not None and told.get(run.id) != wanted:
                    run.want_frames(wanted)
            return {run.id: wanted for run in runs if run is not None}

        job = self._wanting = Job("Asking for predictions", work)
        job.finished.connect(self._wanted.update)
        job.ended.connect(self._on_wanted)
        job.start()

    def _on_wanted(self) -> None:
        self._wanting = None

    def _stop(self) -> None:
        """The project is about to be closed."""
        self._drop_look()
        self._drop_opening()
        self._soon.stop()
        if self._wanting is not None:
            self._wanting.wait()
        self._wanted.clear()
        self._known.clear()
        self._followed = None
        if self._is_following:
            self._is_following = False
            self.following_changed.emit(False)


def _close(source: RunSource) -> None:
    source.close()
