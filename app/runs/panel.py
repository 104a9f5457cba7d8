"""The run panel: which training, how it goes, and what to do where it went wrong.

Only the run that is chosen is painted, only while somebody looks, and not more often than anybody
can read; the rest is a state that the watch keeps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QLabel,
    QPushButton,
    QStackedLayout,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from app.afterwards import Afterwards
from app.runs.curves import Curves
from app.runs.facts_tab import FactsTab
from app.runs.head import RunHead
from app.runs.impact_tab import ImpactTab
from app.runs.log_tab import LogTab
from app.runs.samples_tab import SamplesTab
from app.runs.trouble_card import TroubleCard
from app.theme import GRID_PX
from core.errors import CommandRefusedError
from core.project.runs.states import LIVING
from core.project.runs.trouble import trouble_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QResizeEvent, QShowEvent

    from app.commands import Commands
    from app.runs.watch import RunEntry, RunWatch
    from app.session import Session
    from core.project.runs.following import RunReport

_SHOW_AFTER_MS = 100
_NO_PROJECT = "Open a project to see its trainings."
_EMPTY = (
    "Nothing was trained in this project yet.\n\n"
    "Label a few frames, then press Retrain (Ctrl+R): a detector learns from your labels and from"
    " all frames that nobody labelled, while you go on working. Here you see how it goes: losses,"
    " held-out errors, the weight of each camera, and sample crops; its pseudo-labels appear in the"
    " views as they come."
)


class RunPanel(QWidget):
    """Head, what is wrong, tabs, and a foot for the rounds of predictions.

    ``chosen(run_id)`` when another run is shown; an empty id where there is none.
    """

    chosen = Signal(str)

    def __init__(self, session: Session, watch: RunWatch) -> None:
        super().__init__()
        self._session = session
        self._watch = watch
        self._run_id = ""
        self._met: set[str] = set()
        self.head = RunHead(session, watch)
        self.trouble = TroubleCard(session)
        self.curves = Curves(session)
        self.samples = SamplesTab(session, watch)
        self.log = LogTab(session, watch)
        self.facts = FactsTab(session)
        self.impact = ImpactTab(session, watch)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.tabBar().setFocusPolicy(Qt.FocusPolicy.NoFocus)
        for widget, title in (
            (self.curves, "Curves"),
            (self.samples, "Samples"),
            (self.log, "Log"),
            (self.facts, "Facts"),
            (self.impact, "Impact"),
        ):
            self.tabs.addTab(widget, title)
        self.tabs.setCornerWidget(self.curves.readout)
        self.tabs.currentChanged.connect(self._show_readout)
        self.empty = QLabel(_NO_PROJECT)
        self.empty.setWordWrap(True)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.empty.setProperty("muted", True)
        self.retrain_button = QPushButton("Retrain…")
        self.retrain_button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        nothing = QWidget()
        column = QVBoxLayout(nothing)
        column.setContentsMargins(*[2 * GRID_PX] * 4)
        column.setSpacing(2 * GRID_PX)
        column.addWidget(self.empty)
        column.addWidget(self.retrain_button, 0, Qt.AlignmentFlag.AlignLeft)
        column.addStretch(1)
        page = QWidget()
        self._column = QVBoxLayout(page)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self._column.addWidget(self.head)
        self._column.addWidget(self.trouble)
        self._column.addWidget(self.tabs, 1)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(nothing)
        self._stack.addWidget(page)
        self._later = Afterwards(self, self._show, _SHOW_AFTER_MS)
        self._connect()
        self._on_listed()

    @property
    def run_id(self) -> str:
        """The run that is shown; empty where there is none."""
        return self._run_id

    def set_foot(self, widget: QWidget) -> None:
        """Put something below the tabs, such as the slider through the rounds."""
        self._column.addWidget(widget)

    def set_note(self, text: str) -> None:
        """Say something in the head, such as what is for the next round; empty takes it away."""
        self.head.set_note(text)

    def choose(self, run_id: str) -> None:
        """Show a run."""
        if run_id == self._run_id:
            return
        self._run_id = run_id
        report = self._watch.report(run_id)
        self.curves.show_state(None if report is None else report.state, is_other=True)
        self.chosen.emit(run_id)
        self._show()

    def show_log(self) -> None:
        """Bring the log to the front."""
        self.tabs.setCurrentWidget(self.log)

    def bind_commands(self, commands: Commands, show: Callable[[], None]) -> None:
        """Bind the commands about the run that is shown.

        Args:
            commands: of the window.
            show: brings this panel to the front.
        """
        commands.bind("run_panel", show)
        commands.bind("stop_run", self.stop)
        commands.bind("cancel_run", self.cancel)
        commands.bind("resume_run", self.resume)
        self.retrain_button.clicked.connect(commands.actions["retrain"].trigger)

    def stop(self) -> None:
        """Ask the trainer of the shown run to save and leave."""
        self._watch.stop(self._require_living("stop"))
        self._session.message_posted.emit("Stopping after this step, with a checkpoint.")

    def cancel(self) -> None:
        """End the trainer of the shown run by force."""
        self._watch.cancel(self._require_living("cancel"))
        self._session.message_posted.emit("Cancelling the run …")

    def resume(self) -> None:
        """Let the shown run go on from its newest checkpoint."""
        report = self._watch.report(self._run_id)
        if report is None:
            raise CommandRefusedError("No run is shown; choose one in the Runs panel.")
        if report.status in LIVING:
            raise CommandRefusedError("This run is at work; there is nothing to resume.")
        if report.status == "done":
            raise CommandRefusedError("This run is done; start a new one from its weights.")
        self._watch.resume(self._run_id)
        self._session.message_posted.emit("The run goes on from its newest checkpoint.")

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what happened while nobody looked."""
        super().showEvent(event)
        self._show()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The tabs come first."""
        super().resizeEvent(event)
        self._show_readout()

    def _show_readout(self, _tab: int = 0) -> None:
        """Where the pointer is among the steps: where there is room beside the tabs."""
        needed = self.tabs.tabBar().sizeHint().width() + self.curves.readout.sizeHint().width()
        is_in_front = self.tabs.currentWidget() is self.curves
        self.curves.readout.setVisible(is_in_front and needed + GRID_PX < self.width())

    def _connect(self) -> None:
        watch = self._watch
        watch.listed.connect(self._on_listed)
        watch.reported.connect(self._on_reported)
        self._session.project_changed.connect(self._on_project)
        self.head.chosen.connect(self.choose)
        for button, command in (
            (self.head.stop, self.stop),
            (self.head.cancel, self.cancel),
            (self.head.resume, self.resume),
        ):
            button.clicked.connect(lambda _on=False, command=command: self._do(command))
        self.trouble.log_asked.connect(self.show_log)

    def _do(self, command: Callable[[], None]) -> None:
        try:
            command()
        except CommandRefusedError as refused:
            self._session.message_posted.emit(str(refused))

    def _require_living(self, what: str) -> str:
        report = self._watch.report(self._run_id)
        if report is None or report.status not in LIVING:
            raise CommandRefusedError(f"No run is at work here: there is nothing to {what}.")
        return self._run_id

    def _on_project(self) -> None:
        self.log.keeper.clear()
        self._met.clear()
        self.head.set_note("")
        self._on_listed()

    def _on_listed(self, _entries: object = None) -> None:
        """Choose a run where none is chosen, or another one was started from here."""
        entries = self._watch.entries
        ids = [entry.id for entry in entries]
        is_open = self._session.project is not None
        self.empty.setText(_EMPTY if is_open else _NO_PROJECT)
        self.retrain_button.setVisible(is_open)
        self._stack.setCurrentIndex(1 if ids else 0)
        if self._run_id not in ids:
            self.choose(ids[-1] if ids else "")
        self._later.ask()

    def _on_reported(self, run_id: str, report: RunReport) -> None:
        self.log.keeper.add(run_id, report.events)
        if run_id == self._run_id:
            self.curves.show_state(report.state)
        if report.status not in LIVING:
            self._met.discard(run_id)
        elif run_id not in self._met:
            # Whoever opens a project, or starts another run, wants to see the one at work; once,
            # since somebody may look at an older one beside it.
            self._met.add(run_id)
            if self._is_over(self._run_id):
                self.choose(run_id)
        self._later.ask()

    def _is_over(self, run_id: str) -> bool:
        report = self._watch.report(run_id)
        return report is not None and report.status not in LIVING

    def _show(self) -> None:
        """Everything but the curves, which follow in their own time."""
        watch, run_id = self._watch, self._run_id
        entry, report = watch.entry(run_id), watch.report(run_id)
        self.head.show_list(run_id)
        self.head.show_report(run_id, report)
        self._show_trouble(entry, report)
        self.samples.show_samples(run_id, () if report is None else report.state.samples)
        self.log.show_report(run_id, report)
        self.facts.show_run(entry, report)
        self.impact.show_run(entry, report)

    def _show_trouble(self, entry: RunEntry | None, report: RunReport | None) -> None:
        trouble = None if entry is None else entry.trouble
        if trouble is None and report is not None:
            trouble = trouble_of(report)
        self.trouble.show_trouble(trouble)
