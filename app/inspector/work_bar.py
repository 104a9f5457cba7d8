"""A button that starts a page's work, its progress with time left, and Stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QWidget

from app.format import duration
from app.jobs import Job
from app.theme import GRID_PX

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtCore import Qt

    from app.jobs import Progress
    from app.session import Session

_BAR_PX = 96


class WorkBar(QWidget):
    """One job at a time; it ends with the project.

    ``button`` is the page's to connect; without a caption there is none.
    """

    def __init__(self, session: Session, caption: str, focus: Qt.FocusPolicy) -> None:
        super().__init__()
        self._session = session
        self._job: Job | None = None
        self.button = QPushButton(caption)
        self.stop = QPushButton("Stop")
        self.bar = QProgressBar()
        self.bar.setFixedWidth(_BAR_PX)
        self.bar.setTextVisible(False)
        self.left = QLabel()
        self.left.setProperty("muted", True)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID_PX)
        for widget in (self.button, self.bar, self.left, self.stop):
            widget.setFocusPolicy(focus)
            row.addWidget(widget)
        row.addStretch()
        self.stop.clicked.connect(self.cancel)
        session.project_closing.connect(self._on_closing)
        self._show()

    @property
    def is_busy(self) -> bool:
        """Whether its work goes on."""
        return self._job is not None

    def run(
        self,
        title: str,
        work: Callable[[Progress], Any],
        then: Callable[[Any], None],
        failed: Callable[[str], None] | None = None,
    ) -> None:
        """Start work in the place of what is going on.

        Args:
            title: of the job.
            work: on a thread of its own; is given a progress function.
            then: on the window's thread, with what the work answered.
            failed: is told why it failed; None = the status bar is.
        """
        self.cancel()
        job = Job(title, work)
        self._job = job
        job.progressed.connect(self._on_progressed)
        job.finished.connect(lambda result: then(result) if job is self._job else None)
        job.failed.connect(failed or self._session.message_posted.emit)
        job.ended.connect(lambda: self._on_ended(job))
        self.bar.setRange(0, 0)
        self.left.setText("")
        self._show()
        job.start()

    def cancel(self) -> None:
        """Stop what is going on."""
        job, self._job = self._job, None
        if job is not None:
            job.cancel()
        self._show()

    def _on_closing(self) -> None:
        job = self._job
        self.cancel()
        if job is not None:
            job.wait()

    def _on_progressed(self, done: int, total: int, left_s: float) -> None:
        self.bar.setRange(0, max(total, 1))
        self.bar.setValue(done)
        self.left.setText(f"{duration(left_s)} left" if left_s == left_s else "")  # noqa: PLR0124 - NaN

    def _on_ended(self, job: Job) -> None:
        if job is self._job:
            self._job = None
            self._show()

    def _show(self) -> None:
        self.button.setVisible(not self.is_busy and bool(self.button.text()))
        for widget in (self.bar, self.left, self.stop):
            widget.setVisible(self.is_busy)
