"""A slider through the rounds of a run: what the window shows goes back to an earlier one and on.

Its right end is the newest answer for every frame, which goes on following the training. A step
opens nothing: the rounds of a run are read through the same files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QSignalBlocker, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QSlider, QWidget

from app.cli.following import STAGE_TITLES
from app.format import counted, length
from app.jobs import Job
from app.runs.head import ElidedLabel
from app.theme import GRID_PX, SMALL_PT, font
from core.curation.choices import open_over
from core.curation.sources import RunSource
from core.errors import CommandRefusedError, DataError

if TYPE_CHECKING:
    from app.runs.watch import RunWatch
    from app.session import Session
    from core.project import Project
    from core.project.runs.events import PredictionRoundFinished
    from core.project.runs.states import RunState

_KEYS = (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Home, Qt.Key.Key_End)
_SLIDER_PX = 12 * GRID_PX
_ERRORS = (("mv_mpjpe", "multi"), ("sv_mpjpe", "single"))


class _StepSlider(QSlider):
    """A slider that keeps the arrow keys while it has the focus, and gives them back on Escape."""

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent):
            if event.type() == QEvent.Type.ShortcutOverride and event.key() in _KEYS:
                event.accept()
                return True
            if event.type() == QEvent.Type.KeyPress and event.key() == Qt.Key.Key_Escape:
                self.clearFocus()
                return True
        return super().event(event)


class RoundSlider(QWidget):
    """The finished rounds of a run from left to right, then the newest; and what is shown."""

    def __init__(self, session: Session, watch: RunWatch) -> None:
        super().__init__()
        self._session = session
        self._watch = watch
        self._run_id = ""
        self._rounds: tuple[PredictionRoundFinished, ...] = ()
        self._opening: Job | None = None
        self.label = ElidedLabel()
        self.label.setFont(font(SMALL_PT))
        self.slider = _StepSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Round of predictions")
        self.slider.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.slider.setTickPosition(QSlider.TickPosition.TicksBelow)
        self.slider.setPageStep(1)
        self.slider.setFixedWidth(_SLIDER_PX)
        self.slider.setToolTip(
            "Rounds of predictions, the newest at the right end: drag it, or press the arrow keys"
        )
        self.button = QPushButton("Show")
        self.button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.button.setToolTip("Show this run's newest predictions in the views")
        row = QHBoxLayout(self)
        row.setContentsMargins(GRID_PX, GRID_PX // 2, GRID_PX, GRID_PX // 2)
        row.setSpacing(GRID_PX)
        row.addWidget(self.label, 1)
        row.addWidget(self.slider)
        row.addWidget(self.button)
        self.slider.valueChanged.connect(self._on_moved)
        self.button.clicked.connect(lambda: self._on_moved(self.slider.maximum()))
        watch.reported.connect(self._on_reported)
        session.source_changed.connect(self._show)
        session.project_closing.connect(self._drop)
        self._show()

    @property
    def is_settled(self) -> bool:
        """Whether nothing is being opened."""
        return self._opening is None

    def choose(self, run_id: str) -> None:
        """Be about a run; empty = about none."""
        self._run_id = run_id
        self._show()

    def _on_reported(self, run_id: str, _report: object) -> None:
        if run_id == self._run_id:
            self._show()

    # What is shown.

    def _show(self, _what: object = None) -> None:
        report = self._watch.report(self._run_id)
        state = None if report is None else report.state
        self._rounds = () if state is None else _finished(state)
        has_any = state is not None and bool(state.predicted)
        shown = self._shown()
        numbers = [one.round for one in self._rounds]
        newest = len(numbers)
        place = (
            newest if shown is None or shown.round not in numbers else numbers.index(shown.round)
        )
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, newest)
            self.slider.setValue(place)
        self.slider.setEnabled(has_any and newest > 0)
        self.slider.setVisible(newest > 0)
        self.button.setVisible(has_any and shown is None)
        if state is not None:
            self.label.say(self._words(state, place, shown))
        else:
            self.label.say("")

    def _words(self, state: RunState, place: int, shown: RunSource | None) -> str:
        if not state.predicted:
            return "No predictions yet: the first come after the first evaluation."
        if shown is None:
            return f"{counted(len(self._rounds), 'round')}, not shown"
        if place == len(self._rounds):
            last = self._rounds[-1] if self._rounds else None
            return "Newest" if last is None else f"Newest · {_round_words(state, last)}"
        return (
            f"Round {place + 1} of {len(self._rounds)} · {_round_words(state, self._rounds[place])}"
        )

    def _shown(self) -> RunSource | None:
        """What the window shows, where it is this run."""
        source = self._session.source
        return source if isinstance(source, RunSource) and source.name == self._run_id else None

    # Going through them.

    def _on_moved(self, place: int) -> None:
        number = self._rounds[place].round if place < len(self._rounds) else None
        shown = self._shown()
        if self._session.is_dragging:
            self._show()  # what is in the hand stays where it is
        elif shown is not None:
            self._step(shown, number)
        else:
            self._open(number)

    def _step(self, shown: RunSource, number: int | None) -> None:
        if shown.round == number:
            return
        try:
            source = shown.at_round(number)
        except DataError:
            self._open(number)  # it was finished while an earlier one was looked at
        else:
            self._session.set_source(source, is_step=True)

    def _open(self, number: int | None) -> None:
        """Open the run over what is shown, or anew where it is shown already."""
        project, source = self._session.project, self._session.source
        if project is None or source is None:
            return
        self._drop()
        try:
            run = self._watch.run(self._run_id)
        except CommandRefusedError as error:
            self._session.message_posted.emit(str(error))
            return
        job = self._opening = Job(f"Opening {run.id}", lambda _go: open_over(project, run, source))
        job.finished.connect(lambda opened: self._on_opened(job, project, opened, number))
        job.dropped.connect(_close)
        job.failed.connect(self._session.message_posted)
        job.ended.connect(lambda: self._on_ended(job))
        job.start()

    def _on_opened(self, job: Job, project: Project, source: RunSource, number: int | None) -> None:
        if job is not self._opening or project is not self._session.project:
            source.close()
        else:
            self._session.set_source(source if number is None else source.at_round(number))

    def _on_ended(self, job: Job) -> None:
        if job is self._opening:
            self._opening = None
            self._show()

    def _drop(self) -> None:
        job, self._opening = self._opening, None
        if job is not None:
            job.cancel()


def _finished(state: RunState) -> tuple[PredictionRoundFinished, ...]:
    """The complete rounds by their numbers, each once."""
    return tuple(one for _, one in sorted({one.round: one for one in state.rounds}.items()))


def _round_words(state: RunState, one: PredictionRoundFinished) -> str:
    """After which step it was made, and the networks' held-out errors there."""
    words = f"{STAGE_TITLES[one.stage].lower()} {one.step:,}"
    told = [e for e in state.evaluations if e.stage == one.stage and e.step <= one.step]
    metrics = told[-1].metrics if told else {}
    errors = [f"{length(metrics[key])} {name}" for key, name in _ERRORS if key in metrics]
    return f"{words} · {', '.join(errors)}" if errors else words


def _close(source: RunSource) -> None:
    source.close()
