"""What goes on behind an open project: noise scale, summary of the recording, picture proxies.

One job at a time, in that order, so that two cores stay enough for the window. The summary is
made anew, a moment after the settings that it depends on were changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal

from app.jobs import Job
from core.diagnosis import estimate_recording_scale_mm, load_or_summarise
from core.recording import build_proxies

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.jobs import Progress
    from app.session import Session
    from core.project import Project

# A slider that is being dragged changes the settings many times.
SETTLE_MS = 600


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
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(settle_ms)
        self._settle.timeout.connect(self._next)
        session.project_closing.connect(self.stop)
        session.source_closing.connect(self.stop)
        session.source_changed.connect(self._on_changed)
        session.project_changed.connect(self._on_project_changed)
        session.settings_changed.connect(self._on_changed)

    @property
    def is_idle(self) -> bool:
        """Whether everything that can be computed has been."""
        return self._job is None and not self._settle.isActive()

    def stop(self) -> None:
        """Cancel what is running and wait for its thread: the project is about to be closed."""
        self._settle.stop()
        job, self._job = self._job, None
        if job is not None:
            job.cancel()
            job.wait()

    def _on_project_changed(self) -> None:
        self._proxies_done = False
        self._on_changed()

    def _on_changed(self, _what: object = None) -> None:
        if self._session.project is not None:
            self._settle.start()

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
            self._settle.start()
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


def _make_proxies(project: Project, progress: Progress) -> None:
    with project.recording() as recording:
        build_proxies(
            recording,
            project.proxies_dir,
            progress=lambda state: progress(state.done, state.total),
        )
