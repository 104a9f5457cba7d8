"""What goes on behind an open project: noise scale, summary of the recording, picture proxies.

One job at a time, in that order, so that two cores stay enough for the window. The summary is
made anew, a moment after the settings that it depends on were changed.

After an edit only its frames are gone through again, beside whatever else is running; so are those
that a training predicts. Trap: what is kept on disk is named by the observations that it was made
of, so the name is made with it, and nothing is kept that was made while they changed.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal

from app.jobs import Job
from core.diagnosis import (
    estimate_recording_scale_mm,
    load_or_summarise,
    save_summary,
    summary_path,
)
from core.recording import build_proxies

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.jobs import Progress
    from app.session import Session
    from core.curation.sources import FrameSource
    from core.diagnosis import RecordingSummary
    from core.project import Change, Project

# A slider that is being dragged changes the settings many times.
SETTLE_MS = 600
# Keys that are held edit every 30 ms; the timeline follows once they are let go.
PATCH_AFTER_MS = 120
# Nobody has edited for so long: what followed the edits is written, and closing need not wait.
KEEP_AFTER_MS = 3_000


class BackgroundWork(QObject):
    """Starts, restarts and cancels the jobs of the open project."""

    job_started = Signal(object)

    def __init__(
        self, session: Session, parent: QObject | None = None, *, settle_ms: int = SETTLE_MS
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._job: Job | None = None
        self._proxies_done = False
        self._has_more = False
        self._patch: Job | None = None
        self._leaving: list[Job] = []
        self._edited: set[int] = set()
        # A summary that followed edits, and where it belongs on disk.
        self._unkept: tuple[RecordingSummary, Path] | None = None
        # A thread that starts within an edit takes the window's time before its views are painted.
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(PATCH_AFTER_MS)
        self._soon.timeout.connect(self._patch_summary)
        self._keeper: Job | None = None
        self._keep_soon = QTimer(self)
        self._keep_soon.setSingleShot(True)
        self._keep_soon.setInterval(KEEP_AFTER_MS)
        self._keep_soon.timeout.connect(self._keep_in_background)
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle_ms = settle_ms
        self._settle.timeout.connect(self._next)
        session.project_closing.connect(self.stop)
        session.source_closing.connect(self._leave_source)
        session.source_changed.connect(self._on_changed)
        session.project_changed.connect(self._on_project_changed)
        session.settings_changed.connect(self._on_changed)
        session.edited.connect(self._on_edited)
        session.taken_up.connect(self._on_taken_up)
        session.summary_changed.connect(self._patch_summary)

    @property
    def is_idle(self) -> bool:
        """Whether everything that can be computed has been."""
        is_waiting = self._settle.isActive() or self._soon.isActive()
        return self._job is None and self._patch is None and not is_waiting

    def stop(self) -> None:
        """Cancel what is running and wait for its thread: the project is about to be closed."""
        self._keep_soon.stop()
        if self._keeper is not None:
            self._keeper.wait()
            self._keeper = None
        self._keep_summary()
        self._settle.stop()
        self._soon.stop()
        self._edited.clear()
        jobs = (self._job, self._patch, *self._leaving)
        self._job = self._patch = None
        self._leaving.clear()
        for job in jobs:
            if job is not None:
                job.cancel()
                job.wait()

    def _leave_source(self) -> None:
        """Another source is about to be shown: what is read of this one ends by itself."""
        self._keep_in_background()
        for timer in (self._keep_soon, self._settle, self._soon):
            timer.stop()
        self._edited.clear()
        self._unkept = None
        leaving = [job for job in (self._job, self._patch) if job is not None]
        self._job = self._patch = None
        for job in leaving:
            job.cancel()
        self._leaving = [job for job in (*self._leaving, *leaving) if not job.wait(0)]

    def _keep_summary(self) -> None:
        """Keep a summary that followed edits, so that the next opening need not make it anew."""
        unkept = self._take_unkept()
        if unkept is not None:
            # Where the cache cannot be written, the next opening makes it anew.
            with suppress(OSError):
                save_summary(*unkept)

    def _keep_in_background(self) -> None:
        """Keep it while nobody waits."""
        unkept = None if self._keeper is not None else self._take_unkept()
        if unkept is None:
            return
        job = self._keeper = Job("Keeping the summary", lambda _go: save_summary(*unkept), self)
        job.ended.connect(lambda: self._on_kept(job))
        job.start()

    def _take_unkept(self) -> tuple[RecordingSummary, Path] | None:
        """What is to be kept; None where nothing is, or more edits are to be followed first."""
        if self._edited or self._patch is not None:
            return None
        unkept, self._unkept = self._unkept, None
        return unkept

    def _on_kept(self, job: Job) -> None:
        if job is self._keeper:
            self._keeper = None
            if self._unkept is not None:
                self._keep_soon.start()  # edited meanwhile

    def _on_edited(self, change: Change) -> None:
        """Remember the frames whose observations are others now."""
        keys = (change.keys, change.overrides)
        self._edited |= {key.frame for some in keys for key in some}
        self._edited |= {frame for span in change.spans for frame in span}
        if self._edited:
            self._soon.start()

    def _on_taken_up(self, frames: frozenset[int]) -> None:
        """Remember the frames that a training has predicted since."""
        self._edited |= frames
        self._soon.start()

    def _patch_summary(self, _summary: object = None) -> None:
        """Go through the edited frames again, once there is a summary that they can go into."""
        summary, source = self._session.summary, self._session.source
        if not self._edited or summary is None or source is None or self._patch is not None:
            return
        frames, self._edited = self._edited, set()
        place = _place(source, summary)

        job = Job("Following the edit", lambda _go: summary.with_frames(source, frames), self)
        self._patch = job

        def finish(patched: RecordingSummary) -> None:
            if job is not self._patch:
                return
            if self._session.summary is summary:
                # Edited meanwhile: it may have seen a part of that, and belongs to no state.
                is_whole = place == _place(source, summary)
                self._unkept = (patched, place) if is_whole and place is not None else None
                self._keep_soon.start()
                self._session.set_summary(patched)
            else:  # another one was made meanwhile, perhaps from before the edit
                self._edited.update(frames)

        job.finished.connect(finish)
        job.ended.connect(lambda: self._on_patched(job))
        job.start()

    def _on_patched(self, job: Job) -> None:
        if job is self._patch:
            self._patch = None
            self._patch_summary()

    def _on_project_changed(self) -> None:
        self._proxies_done = False
        self._on_changed()

    def _on_changed(self, _what: object = None) -> None:
        if self._session.project is not None:
            self._settle.start(self._session.rest_ms(self._settle_ms))

    def _next(self) -> None:
        """Start what is wanted next; what still runs for older settings is asked to end first."""
        if self._job is not None:
            self._has_more = True
            self._job.cancel()
            return
        project, settings = self._session.project, self._session.settings
        source = self._session.source
        if project is None or source is None:
            return
        if not self._session.is_engine_ready:
            self._settle.start(self._settle_ms)
        elif settings.scale_mm is None and settings.weighting != "none":
            self._run(
                "Estimating the noise scale",
                lambda progress: estimate_recording_scale_mm(source, progress),
                self._on_scale,
            )
        elif self._session.summary is None or self._session.summary.settings != settings:
            self._run(
                "Going through the recording",
                lambda progress: load_or_summarise(source, settings, progress),
                self._session.set_summary,
            )
        elif not self._proxies_done and not project.read_only and project.has_pictures:
            self._run(
                "Making small copies of the pictures",
                lambda progress: _make_proxies(project, progress),
                self._on_proxies,
            )

    def _run(
        self, title: str, work: Callable[[Progress], Any], then: Callable[[Any], None]
    ) -> None:
        job = Job(title, work, self)
        self._job = job
        self._has_more = False

        def finish(result: Any) -> None:  # noqa: ANN401 - whatever the work returns
            if job is self._job:
                then(result)
                self._has_more = True

        job.finished.connect(finish)
        job.ended.connect(lambda: self._on_ended(job))
        self.job_started.emit(job)
        job.start()

    def _on_ended(self, job: Job) -> None:
        # After Stop, or a failure, nothing follows until something is changed.
        if job is self._job:
            self._job = None
            if self._has_more:
                self._next()

    def _on_scale(self, scale_mm: float) -> None:
        self._session.set_settings(scale_mm=scale_mm)
        self._settle.stop()  # what that change asks for follows at once

    def _on_proxies(self, _result: object) -> None:
        self._proxies_done = True


def _place(source: FrameSource, summary: RecordingSummary) -> Path | None:
    """Where a summary of what the source says now is kept; None where there can be no cache."""
    try:
        return summary_path(source, summary.settings)
    except OSError:
        return None


def _make_proxies(project: Project, progress: Progress) -> None:
    with project.recording() as recording:
        build_proxies(
            recording,
            project.proxies_dir,
            progress=lambda state: progress(state.done, state.total),
        )
