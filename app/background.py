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
_SETTLE_MS = 600


class BackgroundWork(QObject):
    """Starts, restarts and cancels the jobs of the open project."""

    job_started = Signal(object)

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._job: Job | None = None
        self._proxies_done = False
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(_SETTLE_MS)
        self._settle.timeout.connect(self._next)
        session.project_changed.connect(self._on_project_changed)
        session.settings_changed.connect(lambda _settings: self._settle.start())
        session.labels_changed.connect(lambda _keys: self._settle.start())

    @property
    def is_idle(self) -> bool:
        """Whether everything that can be computed has been."""
        return self._job is None and not self._settle.isActive()

    def stop(self) -> None:
        """Cancel what is running and wait for its thread."""
        self._settle.stop()
        job, self._job = self._job, None
        if job is not None:
            job.cancel()
            job.wait()

    def _on_project_changed(self) -> None:
        self.stop()
        self._proxies_done = False
        if self._session.project is not None:
            self._settle.start()

    def _next(self) -> None:
        self.stop()
        project, settings = self._session.project, self._session.settings
        if project is None or not self._session.is_engine_ready:
            if project is not None:
                self._settle.start()
            return
        if settings.scale_mm is None and settings.weighting != "none":
            self._run(
                "Estimating the noise scale",
                lambda progress: estimate_recording_scale_mm(project, progress),
                self._on_scale,
            )
        elif self._session.summary is None or self._session.summary.settings != settings:
            self._run(
                "Going through the recording",
                lambda progress: load_or_summarise(project, settings, progress),
                self._on_summary,
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

        def finish(result: Any) -> None:  # noqa: ANN401 - whatever the work returns
            self._job = None
            then(result)

        job.finished.connect(finish)
        job.failed.connect(lambda _text: self._on_failed(job))
        job.cancelled.connect(lambda: self._on_failed(job))
        self.job_started.emit(job)
        job.start()

    def _on_failed(self, job: Job) -> None:
        if self._job is job:
            self._job = None

    def _on_scale(self, scale_mm: float) -> None:
        # The change of settings starts the next job.
        self._session.set_settings(scale_mm=scale_mm)

    def _on_summary(self, summary: Any) -> None:  # noqa: ANN401 - None where it was cancelled
        if summary is not None:
            self._session.set_summary(summary)
            self._next()

    def _on_proxies(self, _result: object) -> None:
        self._proxies_done = True
        self._session.pictures_improved.emit()


def _make_proxies(project: Project, progress: Progress) -> None:
    with project.recording() as recording:
        build_proxies(
            recording,
            project.proxies_dir,
            progress=lambda state: progress(state.done, state.total),
        )
