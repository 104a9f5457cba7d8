"""How long it will take and on what: the answer, or the bar of the warm-up that measures it.

Another configuration is measured a moment after the last change, and only where no warm-up of its
kind is known; what was being measured before is ended.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QTimer, Signal
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from app.format import duration
from app.jobs import Job
from app.retrain.estimating import known_estimate, measured_estimate
from app.retrain.telling import STAGE_NAMES
from app.theme import GRID_PX, TITLE_PT, font, theme_named

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent

    from app.jobs import Progress
    from app.session import Session
    from core.project.runs.config import TrainConfig
    from core.project.runs.estimate import Estimate

_PAUSE_MS = 700
_DAY_S = 86_400
_BAR_PX = GRID_PX
_MEASURING = "A short warm-up of the trainer on this machine. Start need not wait for it."
_INKS = (0.85, 0.6, 0.4, 0.25)


class EstimateView(QWidget):
    """`changed` when an estimate came or went."""

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._config: TrainConfig | None = None
        self._job: Job | None = None
        self._is_anew = False
        self.estimate: Estimate | None = None
        self.title = QLabel()
        self.title.setFont(font(TITLE_PT, bold=True))
        self.detail = QLabel()
        self.detail.setWordWrap(True)
        self.detail.setProperty("muted", True)
        self.shares = _StageBar(session)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(_BAR_PX)
        self.button = QPushButton("Skip")
        self.button.setAutoDefault(False)
        self.button.clicked.connect(self._on_button)
        head = QHBoxLayout()
        head.addWidget(self.title, 1)
        head.addWidget(self.button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID_PX // 2)
        column.addLayout(head)
        column.addWidget(self.shares)
        column.addWidget(self.bar)
        column.addWidget(self.detail)
        column.addStretch(1)
        # As high as an answer is, so that nothing below moves when it comes.
        self.setMinimumHeight(12 * GRID_PX)
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE_MS)
        self._pause.timeout.connect(self._look)
        self._show("", "")

    @property
    def is_measuring(self) -> bool:
        """Whether a warm-up runs, or is about to."""
        return self._job is not None or self._pause.isActive()

    def ask(self, config: TrainConfig) -> None:
        """Estimate this configuration soon; the same again does nothing."""
        if config == self._config:
            return
        self.stop()
        self._config, self.estimate, self._is_anew = config, None, False
        self._show("Measuring the time…", _MEASURING)
        self._pause.start()

    def refuse(self, why: str) -> None:
        """There is nothing to estimate."""
        self.stop()
        self._config = self.estimate = None
        self._show("Time not known", why)
        self.changed.emit()

    def stop(self) -> None:
        """End what is being measured; a process of it dies with its job."""
        self._pause.stop()
        job, self._job = self._job, None
        if job is not None:
            job.cancel()

    def _look(self) -> None:
        project, config, is_anew = self._session.project, self._config, self._is_anew
        if project is None or config is None:
            return

        def work(progress: Progress) -> Estimate:
            known = None if is_anew else known_estimate(project, config)
            return known or measured_estimate(project, config, progress)

        job = self._job = Job("Measuring the time", work)
        job.progressed.connect(self._on_progressed)
        job.finished.connect(lambda estimate: self._on_finished(job, estimate))
        job.failed.connect(lambda text: self._on_failed(job, text))
        self._show_bar(is_on=True)
        job.start()

    def _on_progressed(self, done: int, total: int, _left: float) -> None:
        if self.sender() is self._job:
            self.bar.setRange(0, total if done else 0)
            self.bar.setValue(done)

    def _on_finished(self, job: Job, estimate: Estimate) -> None:
        if job is not self._job:
            return
        self._job, self.estimate = None, estimate
        self._show(*_texts(estimate))
        self.shares.show_shares(estimate)
        self._offer("Measure again")
        self.changed.emit()

    def _on_failed(self, job: Job, text: str) -> None:
        if job is self._job:
            self._job = None
            self._show("Time not known", text)
            self._offer("Measure")
            self.changed.emit()

    def _on_button(self) -> None:
        if self.is_measuring:
            self.stop()
            self._show("Time not measured", "It can be started all the same.")
            self._offer("Measure")
            self.changed.emit()
        elif self._config is not None:
            # What was measured before may have been on a machine that was busier, or less so.
            config, self._config = self._config, None
            self.ask(config)
            self._is_anew = True

    def _offer(self, text: str) -> None:
        self.button.setText(text)
        self.button.show()

    def _show(self, title: str, detail: str) -> None:
        self.title.setText(title)
        self.detail.setText(detail)
        self.shares.show_shares(None)
        self.button.setText("Skip")
        self._show_bar(is_on=title.endswith("…"))

    def _show_bar(self, *, is_on: bool) -> None:
        self.bar.setRange(0, 0 if is_on else 1)
        self.bar.setVisible(is_on)
        self.button.setVisible(is_on)


class _StageBar(QWidget):
    """The stages' shares of the time, side by side."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._seconds: tuple[float, ...] = ()
        self.setFixedHeight(_BAR_PX)

    def show_shares(self, estimate: Estimate | None) -> None:
        """Of an estimate, or none."""
        seconds = () if estimate is None else tuple(estimate.seconds_by_stage.values())
        self._seconds = seconds if all(map(math.isfinite, seconds)) else ()
        self.setVisible(bool(self._seconds))
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """From the first stage to the last, the first the strongest."""
        painter = QPainter(self)
        text = theme_named(self._session.display.theme).text
        total = sum(self._seconds) or 1.0
        left = 0.0
        for seconds, ink in zip(self._seconds, _INKS, strict=False):
            width = self.width() * seconds / total
            color = QColor(text)
            color.setAlphaF(ink)
            painter.fillRect(QRectF(left, 0, max(width - 2, 1), self.height()), color)
            left += width
        painter.end()


def _texts(estimate: Estimate) -> tuple[str, str]:
    stages = " · ".join(
        f"{STAGE_NAMES[stage]} {_time(seconds)}"
        for stage, seconds in estimate.seconds_by_stage.items()
    )
    memory = f", {estimate.memory_bytes / 2**30:.0f} GB" if estimate.memory_bytes else ""
    # The device stands in the lines that can be broken: names of GPUs are long.
    told = f"{stages}\nOn {estimate.device_name}{memory}. From {estimate.basis}."
    return f"About {_time(estimate.total_s)}", told


def _time(seconds: float) -> str:
    """Rounded to what an estimate can mean."""
    if not math.isfinite(seconds):
        return "an unknown time"
    if seconds >= 2 * _DAY_S:
        return f"{seconds / _DAY_S:.0f} days"
    if seconds >= 3600:
        return f"{seconds / 3600:.1f} h"
    if seconds >= 90:
        return f"{seconds / 60:.0f} min"
    return duration(max(5 * round(seconds / 5), 1))
