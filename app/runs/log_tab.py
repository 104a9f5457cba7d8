"""The Log tab: what a run said, line by line, and below it what its trainer printed.

Steps are told by the curves: of those, only so many lines are shown as tell how it went on.
"""

from __future__ import annotations

import bisect
from datetime import datetime
from typing import TYPE_CHECKING

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QColor, QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListView,
    QPlainTextEdit,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from app.cli.following import STAGE_TITLES, event_text, progress_text
from app.jobs import Job
from app.theme import GRID_PX, SMALL_PT, font, theme_named
from core.project.runs import events as ev

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from PySide6.QtGui import QShowEvent

    from app.runs.watch import RunWatch
    from app.session import Session
    from core.project.runs.events import Event
    from core.project.runs.following import RunReport
    from core.project.runs.states import RunState

_Index = QModelIndex | QPersistentModelIndex
_TAIL_LINES = 300
_NUM_STEPS = 200
# Told by curves and figures, too many to be read one by one.
_QUIET = frozenset({ev.Progress, ev.WeightsMeasured, ev.DeviceUsed})


class LogKeeper:
    """Lines of events that were reported, by run; kept from when the window opened the project."""

    def __init__(self) -> None:
        self._told: dict[str, list[tuple[float, str, bool]]] = {}
        # Events that nobody has looked at yet.
        self._new: dict[str, list[Event]] = {}

    def clear(self) -> None:
        """Another project."""
        self._told.clear()
        self._new.clear()

    def add(self, run_id: str, events: Iterable[Event]) -> None:
        """Take over what is new; quickly, since 100,000 events may come at once."""
        told = [event for event in events if type(event) not in _QUIET]
        self._new.setdefault(run_id, []).extend(told)

    def lines(self, run_id: str, state: RunState) -> list[tuple[float, str, bool]]:
        """Time, text, and whether it is a problem; with some of the steps, in order of time."""
        told = list(self._lines(run_id))
        every = max(len(state.progress) // _NUM_STEPS, 1)
        for progress in state.progress[every - 1 :: every]:
            line = (progress.time, progress_text(progress), False)
            bisect.insort(told, line, key=lambda one: one[0])
        return told

    def _lines(self, run_id: str) -> list[tuple[float, str, bool]]:
        lines = self._told.setdefault(run_id, [])
        for event in self._new.pop(run_id, ()):
            is_bad = isinstance(event, ev.Notice) and event.level != "info"
            lines.extend((event.time, text, is_bad) for text in _text(event).splitlines())
        return lines


class _Lines(QAbstractListModel):
    """Lines that were kept by the filter; made for the eye when they are seen."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.lines: list[tuple[float, str, bool]] = []

    def take(self, lines: list[tuple[float, str, bool]]) -> None:
        """Show these; where they only go on, what is seen stays where it is."""
        old = len(self.lines)
        if old and lines[:old] == self.lines:
            if len(lines) > old:
                self.beginInsertRows(QModelIndex(), old, len(lines) - 1)
                self.lines = lines
                self.endInsertRows()
            return
        self.beginResetModel()
        self.lines = lines
        self.endResetModel()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        """How many."""
        return 0 if parent.isValid() else len(self.lines)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Text, tooltip, and red for problems."""
        when, text, is_bad = self.lines[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return line_text(when, text)
        if role == Qt.ItemDataRole.ToolTipRole:
            return text
        if role == Qt.ItemDataRole.ForegroundRole and is_bad:
            return QColor(theme_named(self._session.display.theme).problem)
        return None


class LogTab(QWidget):
    """Filter and copy; events; the trainer's own output."""

    def __init__(self, session: Session, watch: RunWatch) -> None:
        super().__init__()
        self._watch = watch
        self._run_id = ""
        self._all: list[tuple[float, str, bool]] = []
        self._tail: Job | None = None
        self.keeper = LogKeeper()
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("Filter: words that a line must have")
        self.filter.setClearButtonEnabled(True)
        self.filter.textChanged.connect(self._filter)
        self.copy = QPushButton("Copy")
        self.copy.setToolTip("Copy the lines that are selected, or all that are shown")
        self.copy.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.copy.clicked.connect(self.copy_lines)
        self.model = _Lines(session)
        self.list = QListView()
        self.list.setModel(self.model)
        self.list.setUniformItemSizes(True)
        self.list.setFont(font(SMALL_PT))
        self.list.setFrameShape(QListView.Shape.NoFrame)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        copying = QShortcut(QKeySequence.StandardKey.Copy, self.list)
        copying.setContext(Qt.ShortcutContext.WidgetShortcut)
        copying.activated.connect(self.copy_lines)
        self.printed = QPlainTextEdit()
        self.printed.setReadOnly(True)
        self.printed.setFont(font(SMALL_PT))
        self.printed.setFrameShape(QPlainTextEdit.Shape.NoFrame)
        self.printed.setLineWrapMode(QPlainTextEdit.LineWrapMode.WidgetWidth)
        self._lay_out()
        session.display_changed.connect(lambda: self.list.viewport().update())

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.addWidget(self.filter, 1)
        row.addWidget(self.copy)
        self._below = QWidget()
        below = QVBoxLayout(self._below)
        below.setContentsMargins(0, 0, 0, 0)
        below.setSpacing(2)
        caption = QLabel("What the trainer printed, its last lines")
        caption.setFont(font(SMALL_PT))
        caption.setProperty("muted", True)
        below.addWidget(caption)
        below.addWidget(self.printed, 1)
        self._below.hide()
        split = QSplitter(Qt.Orientation.Vertical)
        split.addWidget(self.list)
        split.addWidget(self._below)
        split.setChildrenCollapsible(False)
        # Two lines each, if need be: a log that is opened takes nothing from its neighbours.
        for part in (self.list, self.printed):
            part.setMinimumHeight(3 * GRID_PX)
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID_PX, GRID_PX // 2, GRID_PX, GRID_PX // 2)
        column.addLayout(row)
        column.addWidget(split, 1)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is being read."""
        return self._tail is None

    def show_report(self, run_id: str, report: RunReport | None) -> None:
        """Show what a run has said; the list stays at its end where it was there."""
        is_other, self._run_id = run_id != self._run_id, run_id
        if is_other:
            self.printed.clear()
            self._below.hide()
        if not self.isVisible():
            return
        self._all = [] if report is None else self.keeper.lines(run_id, report.state)
        bar = self.list.verticalScrollBar()
        is_at_end = is_other or bar.value() >= bar.maximum() - 1
        self._filter()
        if is_at_end:
            self.list.scrollToBottom()
        self._read_tail()

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what happened while another tab was in front."""
        super().showEvent(event)
        self.show_report(self._run_id, self._watch.report(self._run_id))
        self.list.scrollToBottom()

    def copy_lines(self) -> None:
        """Copy what is selected, or everything that is shown, with what the trainer printed."""
        rows = sorted(index.row() for index in self.list.selectedIndexes())
        lines = self.model.lines
        chosen = [lines[row] for row in rows] if rows else lines
        text = "\n".join(line_text(when, line) for when, line, _ in chosen)
        if not rows and self.printed.toPlainText():
            text += "\n\n" + self.printed.toPlainText()
        QGuiApplication.clipboard().setText(text)

    def _filter(self, _text: str = "") -> None:
        words = self.filter.text().lower().split()
        self.model.take(_with_words(self._all, words))

    def _read_tail(self) -> None:
        entry = self._watch.entry(self._run_id)
        if entry is None or entry.run is None or self._tail is not None:
            return
        run, run_id = entry.run, entry.id
        job = self._tail = Job("Reading the log", lambda _progress: run.stderr_tail(_TAIL_LINES))
        job.finished.connect(lambda text: self._show_tail(run_id, text))
        job.ended.connect(self._on_tail_read)
        job.start()

    def _on_tail_read(self) -> None:
        self._tail = None

    def _show_tail(self, run_id: str, text: str) -> None:
        if run_id != self._run_id or text == self.printed.toPlainText():
            return
        self._below.setVisible(bool(text))
        self.printed.setPlainText(text)
        bar = self.printed.verticalScrollBar()
        bar.setValue(bar.maximum())


def line_text(when: float, text: str) -> str:
    """A line with its time on this machine's clock."""
    try:
        clock = f"{datetime.fromtimestamp(when).astimezone():%H:%M:%S}" if when else "–"
    except (ValueError, OverflowError, OSError):
        clock = "–"  # a clock of another machine, far off
    return f"{clock}  {text}"


def _text(event: Event) -> str:
    """As on the terminal; what its bar shows there is a line here."""
    text = event_text(event)
    match event:
        case ev.StageStarted():
            begin = f" from step {event.first_step:,}" if event.first_step else ""
            steps = f", {event.steps:,} steps" if event.steps else ""
            text = f"{STAGE_TITLES[event.stage]} begins{begin}{steps}."
        case ev.CheckpointSaved():
            text = f"Checkpoint {event.file}"
        case ev.Predicted():
            last = event.stop_frame - 1
            text = f"Predicted frames {event.first_frame:,} to {last:,} ({event.rows:,} poses)."
        case ev.SamplesSaved():
            text = f"Samples {event.file}"
        case ev.RunFinished():
            text = f"The trainer left: {event.status}. {event.text}".rstrip()
        case ev.UnknownEvent(reason="damaged"):
            text = f"A line that is damaged: {event.line[:80]}"
        case _:
            pass
    return text


def _with_words(
    lines: list[tuple[float, str, bool]], words: Sequence[str]
) -> list[tuple[float, str, bool]]:
    if not words:
        return lines
    return [line for line in lines if all(word in line[1].lower() for word in words)]
