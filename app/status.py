"""The bar below: what just happened, and what holds for the whole window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QLabel, QProgressBar, QSizePolicy, QStatusBar, QToolButton

from app.format import counted, duration, percent
from app.history_panel import local_time

if TYPE_CHECKING:
    from PySide6.QtGui import QResizeEvent

    from app.jobs import Job
    from app.session import Session
    from core.project import Project

_MESSAGE_MS = 8000


class _Message(QLabel):
    """One line that gives way at its end; the whole of it is the tooltip."""

    def __init__(self) -> None:
        super().__init__()
        self.full = ""
        self.setIndent(6)
        self.setProperty("muted", True)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def say(self, text: str) -> None:
        """Show a message, or none."""
        self.full = text
        self.setToolTip(text)
        self._elide()

    def _elide(self) -> None:
        line = " ".join(self.full.split())
        width = max(self.width() - 10, 0)
        self.setText(self.fontMetrics().elidedText(line, Qt.TextElideMode.ElideRight, width))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """As much as there is room for."""
        super().resizeEvent(event)
        self._elide()


class StatusBar(QStatusBar):
    """Saved or read-only, views, triangulation in force, share kept, background work."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._job: Job | None = None
        self.message_label = _Message()
        self.addWidget(self.message_label, 1)
        self._forgetting = QTimer(self)
        self._forgetting.setSingleShot(True)
        self._forgetting.timeout.connect(lambda: self.message_label.say(""))
        self._job_text = QLabel()
        self._job_bar = QProgressBar()
        self._job_bar.setFixedSize(96, 10)
        self._job_bar.setTextVisible(False)
        self.stop_button = QToolButton()
        self.stop_button.setText("Stop")
        self.stop_button.setAutoRaise(True)
        self.stop_button.clicked.connect(self._on_stop)
        self._facts = QLabel()
        for widget in (self._job_text, self._job_bar, self.stop_button, self._facts):
            self.addPermanentWidget(widget)
        self._show_job_widgets(visible=False)
        session.message_posted.connect(lambda text: self.say(text, _MESSAGE_MS))
        session.project_changed.connect(self._show_facts)
        session.diagnosis_changed.connect(self._show_facts)
        session.edited.connect(self._show_facts)
        self._show_facts()

    @property
    def facts(self) -> str:
        """What holds for the whole window."""
        return self._facts.text()

    @property
    def message(self) -> str:
        """What just happened, in full."""
        return self.message_label.full

    def say(self, text: str, for_ms: int = 0) -> None:
        """Show what happened, for a while or (0) until something else happens."""
        self.message_label.say(text)
        self._forgetting.stop()
        if for_ms:
            self._forgetting.start(for_ms)

    def follow(self, job: Job) -> None:
        """Show a job's progress until it ends."""
        self._job = job
        self._job_text.setText(job.title)
        self._job_bar.setRange(0, 0)
        self._show_job_widgets(visible=True)
        job.progressed.connect(self._on_progressed)
        job.finished.connect(lambda _result: self._forget(job))
        job.failed.connect(lambda text: self._on_failed(job, text))
        job.cancelled.connect(lambda: self._forget(job))

    def _show_job_widgets(self, *, visible: bool) -> None:
        for widget in (self._job_text, self._job_bar, self.stop_button):
            widget.setVisible(visible)

    def _on_progressed(self, done: int, total: int, seconds_left: float) -> None:
        if self.sender() is not self._job or self._job is None:
            return
        self._job_bar.setRange(0, total)
        self._job_bar.setValue(done)
        left = f", {duration(seconds_left)} left" if seconds_left == seconds_left else ""  # noqa: PLR0124 - NaN test
        self._job_text.setText(f"{self._job.title}{left}")

    def _on_stop(self) -> None:
        if self._job is not None:
            self.say(f"{self._job.title}: stopped", _MESSAGE_MS)
            self._job.cancel()

    def _on_failed(self, job: Job, text: str) -> None:
        self.say(f"{job.title}: {text}")
        self._forget(job)

    def _forget(self, job: Job) -> None:
        if job is self._job:
            self._job = None
            self._show_job_widgets(visible=False)

    def _show_facts(self) -> None:
        session = self._session
        project = session.project
        if project is None:
            self._facts.setText("")
            return
        facts = [_saved(project), counted(len(project.rig), "view")]
        settings = session.settings
        scale = "" if settings.scale_mm is None else f", scale {settings.scale_mm:.0f} mm"
        facts.append(f"{settings.weighting}{scale}")
        diagnosis = session.diagnosis
        if diagnosis is None:
            facts.append("preparing the triangulation…")
        else:
            seen = diagnosis.observed.any(axis=1)
            if seen.any():
                share = float(np.mean(diagnosis.triangulation.kept[seen]))
                facts.append(f"{percent(share)} of this frame's joints kept")
        self._facts.setText("  ·  ".join(facts))


def _saved(project: Project) -> str:
    """Since when all edits are on the disk: every one is when it is made."""
    if project.read_only:
        return "read-only"
    latest = project.history(1)
    return f"Saved {local_time(latest[0].time)}" if latest else "Saved"
