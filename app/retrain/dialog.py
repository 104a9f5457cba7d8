"""The Retrain dialog: what a training will use, how long it will take, and Start.

One draft is the truth; both pages show it and ask for changes of it. After each change three
things follow, none on the window's thread: what would be used (`retrain_inputs`), how long it
would take (a measured warm-up), and which runs are before it in the line of the device.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QScrollArea,
    QSizePolicy,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from app.jobs import Job
from app.retrain.draft import first_draft
from app.retrain.inputs_card import InputsCard
from app.retrain.options_page import OptionsPage
from app.retrain.overview_page import OverviewPage
from app.retrain.starting import Order, refusal, start
from app.retrain.telling import device_of, line_text
from app.theme import GRID_PX
from core.errors import DataError
from core.project.runs.config_io import write_config
from core.project.runs.turns import waiting_line
from core.retraining.inputs import retrain_inputs

if TYPE_CHECKING:
    from PySide6.QtGui import QCloseEvent

    from app.jobs import Progress
    from app.preferences import Preferences
    from app.retrain.draft import Draft
    from app.retrain.starting import Started
    from app.runs import RunWatch
    from app.session import Session
    from core.project.runs.turns import Ticket
    from core.retraining.inputs import RetrainInputs

_SIZE = (126 * GRID_PX, 70 * GRID_PX)
_PAUSE_MS = 200


class RetrainDialog(QDialog):
    """`started(run)` once its trainer was started; the dialog closes by itself then."""

    started = Signal(object)

    def __init__(
        self,
        session: Session,
        watch: RunWatch,
        preferences: Preferences,
        parent: QWidget | None = None,
        *,
        weights: str | None = None,
    ) -> None:
        """Begin with the default preset.

        Args:
            session: with the project.
            watch: is told of the run.
            preferences: what happens at closing is chosen here, too.
            parent: of the dialog.
            weights: to start from, as ``model.weights``; None = the preset's.

        Raises:
            CommandRefusedError: no project is open.
        """
        super().__init__(parent)
        self._session, self._watch, self._preferences = session, watch, preferences
        self._project = session.require_project()
        self._draft = first_draft(weights)
        self._inputs: RetrainInputs | None = None
        self._inputs_problem = ""
        self._counted: object = None
        self._counting: Job | None = None
        self._lining: Job | None = None
        self._starting: Job | None = None
        self._is_closed = False
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(f"Retrain {self._project.name}")
        self.overview = OverviewPage(session)
        self.card = InputsCard(session)
        self._options: OptionsPage | None = None
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE_MS)
        self._pause.timeout.connect(self._count)
        self._lay_out()
        self._connect()
        self.overview.set_closing(preferences.closing())
        self._take(self._draft)

    @property
    def draft(self) -> Draft:
        """What would be asked for."""
        return self._draft

    @property
    def inputs(self) -> RetrainInputs | None:
        """What would be used; None while it is being counted."""
        return self._inputs

    @property
    def is_settled(self) -> bool:
        """Whether nothing is being counted or measured."""
        is_idle = self._counting is None and self._lining is None and self._starting is None
        return is_idle and not self._pause.isActive() and not self.overview.estimate.is_measuring

    @property
    def options(self) -> OptionsPage:
        """The page of all options; made when it is first asked for, since it costs a turn."""
        if self._options is None:
            page = self._options = OptionsPage(self._session)
            page.changed.connect(lambda key, value: self._take(self._draft.with_value(key, value)))
            page.reset.connect(lambda key: self._take(self._draft.without(key)))
            page.problem_changed.connect(self._show_problem)
            page.load_requested.connect(self._load)
            page.save_requested.connect(self._save)
            page.show_draft(self._draft)
            self._advanced_column.addWidget(page)
        return self._options

    def _lay_out(self) -> None:
        # From the outside in: whatever is moved into another parent is styled again, all of it.
        column = QVBoxLayout(self)
        column.setContentsMargins(*[2 * GRID_PX] * 4)
        column.setSpacing(GRID_PX)
        self.tabs = QTabWidget()
        column.addWidget(self.tabs, 1)
        first = QWidget()
        self.tabs.addTab(first, "Retrain")
        self._advanced = QWidget()
        self._advanced_column = QVBoxLayout(self._advanced)
        self._advanced_column.setContentsMargins(0, 0, 0, 0)
        self.tabs.addTab(self._advanced, "Advanced")
        row = QHBoxLayout(first)
        row.setContentsMargins(0, GRID_PX, 0, 0)
        row.setSpacing(3 * GRID_PX)
        row.addWidget(self.overview, 6)
        scroll = QScrollArea()
        row.addWidget(scroll, 5)
        scroll.setWidget(self.card)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        for side in (self.overview, scroll):  # the same shares whatever they say
            side.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        self.problem.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.problem.setProperty("problem", True)
        # Its line is kept free, so that nothing moves when something is wrong.
        policy = self.problem.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.problem.setSizePolicy(policy)
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setRange(0, 0)
        self._bar.setFixedHeight(GRID_PX)
        buttons = QDialogButtonBox()
        self.cancel_button = buttons.addButton("Cancel", QDialogButtonBox.ButtonRole.RejectRole)
        self.start_button = buttons.addButton("Start", QDialogButtonBox.ButtonRole.AcceptRole)
        self.start_button.setDefault(True)
        buttons.accepted.connect(self._start)
        buttons.rejected.connect(self.reject)
        for widget in (self.problem, self._bar, buttons):
            column.addWidget(widget)
        self.resize(*_SIZE)

    def _connect(self) -> None:
        page = self.overview
        page.preset_chosen.connect(self._on_preset)
        page.weights_chosen.connect(
            lambda value: self._take(self._draft.with_value("model.weights", value))
        )
        page.stage_toggled.connect(
            lambda stage, is_on: self._take(self._draft.with_stage(stage, is_on=is_on))
        )
        page.closing_chosen.connect(self._preferences.set_closing)
        page.where.changed.connect(self._show_problem)
        page.where.changed.connect(self._look_at_line)
        page.estimate.changed.connect(self._look_at_line)
        self._watch.listed.connect(self._look_at_line)
        self._watch.finished.connect(self._look_at_line)
        self._look_at_line()
        self.tabs.currentChanged.connect(lambda _index: self.options)
        self._session.project_closing.connect(self.reject)
        # Methods and no lambdas, which would outlive this dialog.
        self._session.edited.connect(self._on_edited)

    # The draft.

    def _on_preset(self, name: str) -> None:
        if self._options is not None:
            self._options.forget_refusals()
        self._take(self._draft.with_preset(name))

    def _load(self, path: str) -> None:
        try:
            draft = self._draft.with_file(Path(path))
        except DataError as error:
            self._say(str(error))
            return
        self.options.forget_refusals()
        self._take(draft)

    def _save(self, path: str) -> None:
        place = Path(path)
        place = place if place.suffix else place.with_suffix(".toml")
        try:
            write_config(place, self._draft.config)
        except OSError as error:
            self._say(f"{place} cannot be written: {error.strerror or error}.")
            return
        self._session.message_posted.emit(f"Saved as {place}")

    def _take(self, draft: Draft) -> None:
        self._draft = draft
        self.overview.show_draft(draft)
        if self._options is not None:
            self._options.show_draft(draft)
        changed = len(draft.changes)
        self.tabs.setTabText(1, f"Advanced ({changed} changed)" if changed else "Advanced")
        self._show_problem()
        problem = draft.problem()
        if problem:
            self.overview.estimate.refuse("Choose something that can be trained first.")
        else:
            self.overview.estimate.ask(draft.config)
        key = (draft.config.data, draft.weights, draft.stages, draft.config.run.seed)
        if key != self._counted:
            self._counted = key
            self.card.wait()
            self._pause.start()

    # What would be used.

    def _on_edited(self, _change: object) -> None:
        self._pause.start()

    def _count(self) -> None:
        if self._is_closed:
            return
        project, config = self._project, self._draft.config
        if self._counting is not None:
            self._counting.cancel()

        def work(progress: Progress) -> RetrainInputs:
            return retrain_inputs(project, config, progress)

        job = self._counting = Job("Looking at the labels", work)
        job.finished.connect(lambda inputs: self._on_counted(job, inputs))
        job.failed.connect(lambda text: self._on_not_counted(job, text))
        self.card.wait()
        job.start()

    def _on_counted(self, job: Job, inputs: RetrainInputs) -> None:
        if job is not self._counting:
            return
        self._counting = None
        self._inputs, self._inputs_problem = inputs, ""
        self.card.show_inputs(inputs)
        self.overview.show_weights(inputs.weights, self._draft.weights)
        self._show_problem()

    def _on_not_counted(self, job: Job, text: str) -> None:
        if job is not self._counting:
            return
        self._counting = None
        self._inputs, self._inputs_problem = None, text
        self.card.show_problem("")
        self._show_problem()

    # Whose turn it is.

    def _look_at_line(self, *_what: object) -> None:
        if self._lining is not None or self._is_closed:
            return
        asked = self._draft.config.run.device
        device = device_of(self.overview.estimate.estimate, asked, self._watch.reports)
        job = self._lining = Job("Looking who trains", lambda _progress: waiting_line(device))
        job.finished.connect(lambda line: self._on_lined(job, line))
        job.failed.connect(lambda _text: self._on_lined(job, ()))
        job.start()

    def _on_lined(self, job: Job, line: tuple[Ticket, ...]) -> None:
        if job is self._lining:
            self._lining = None
            if self.overview.where.place.kind == "slurm":
                note = "The time is this machine's; that of a cluster's GPUs will be another."
            else:
                is_waited = self._draft.config.run.wait_turn
                note = line_text(line, self._watch.title) if is_waited else ""
            self.overview.where.say(note)

    # Start.

    def _show_problem(self) -> None:
        self._say(self._problem())

    def _problem(self) -> str:
        """What stands in the way; else empty."""
        try:
            refused = refusal(self._project)
        except OSError as error:
            refused = f"{self._project.path}: {error.strerror or error}"
        return (
            refused
            or ("" if self._options is None else self._options.problem)
            or self._draft.problem()
            or self._inputs_problem
            or self._nothing_to_learn()
            or self.overview.where.problem
        )

    def _nothing_to_learn(self) -> str:
        """The case that the trainer would refuse only when it has come to it."""
        inputs, stages = self._inputs, self._draft.stages
        if inputs is None:
            return ""
        if not inputs.start.exists:
            return f"There are no weights to start from: {inputs.start.detail}"
        if inputs.used.labelled_groups or "pretrain" not in stages:
            return ""
        return (
            "No labels may be learned from. Place joints in a frame first (N, then click them; two "
            "views or more make a 3D label), accept some pseudo-labels, or leave out Pre-train."
        )

    def _say(self, problem: str) -> None:
        is_busy = self._starting is not None
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))
        self._bar.setVisible(is_busy)
        self.start_button.setEnabled(not problem and not is_busy)
        self.tabs.setEnabled(not is_busy)

    def _start(self) -> None:
        project, place, watch = self._project, self.overview.where.place, self._watch
        name = self.overview.name.text().strip() or self._draft.title
        order = Order(config=self._draft.config, name=name, place=place)
        self.overview.estimate.stop()
        job = self._starting = Job("Starting a training", lambda _progress: start(project, order))
        # Followed also where the dialog was closed in the meantime.
        job.finished.connect(lambda made: watch.add(made.run, made.process))
        job.finished.connect(self._on_started)
        job.failed.connect(self._on_not_started)
        self._say("")
        job.start()

    def _on_started(self, made: Started) -> None:
        self._starting = None
        self._session.message_posted.emit(made.text)
        self.started.emit(made.run)
        self.accept()

    def _on_not_started(self, text: str) -> None:
        self._starting = None
        self._say(text)
        self.start_button.setEnabled(True)

    # Coming and going.

    def open(self) -> None:
        """Show it, unless it was closed before it came to that."""
        if not self._is_closed:
            super().open()

    def done(self, result: int) -> None:
        """Nothing goes on for a dialog that is closed, but a start that was asked for."""
        self._is_closed = True
        self._pause.stop()
        self.overview.estimate.stop()
        for job in (self._counting, self._lining):
            if job is not None:
                job.cancel()
        # Nobody waits for them: they open the data by themselves, which of a match takes a while.
        self._counting = self._lining = None
        super().done(result)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Closing the dialog cancels as its button does."""
        self.reject()
        event.accept()
