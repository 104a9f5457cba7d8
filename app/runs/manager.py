"""Runs…: all runs of a project, what each takes and how good it is, and what can be done to it.

Nothing is read or written on the window's thread. What cannot be taken back (deleting) is asked for
in the dialog itself, with what it frees. A run that is shown goes out of the views before it is
deleted: nobody looks at what is no more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QItemSelectionModel, QModelIndex, QSortFilterProxyModel, Qt, QTimer
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QProgressBar,
    QSplitter,
    QStackedWidget,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from app.format import byte_size
from app.jobs import Job
from app.runs.compare_view import CELL_STYLE, CompareView
from app.runs.manager_actions import RunActions, wrapped
from app.runs.manager_table import BEGUN, COLUMNS, NAME, NOTE, SORT_ROLE, RunRows
from app.runs.manager_work import Details, read_details
from app.theme import GRID_PX
from core.project.runs import managing
from core.project.runs.events import Evaluated
from core.retraining.side_by_side import compare_runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from PySide6.QtGui import QCloseEvent

    from app.runs.manager_table import Row
    from app.runs.watch import RunWatch
    from app.session import Session
    from core.project.runs.following import RunReport
    from core.project.runs.managing import Comparison

_SIZE = (146 * GRID_PX, 80 * GRID_PX)
_LATER_MS = 30
_NOTHING = (
    "No training of this project yet.\n\nRetrain… starts one. Each leaves a folder with what it"
    " was asked for, what it said, its networks and its predictions; here they are compared, named,"
    " exported and deleted."
)
_MANY = "Select two or more (Ctrl or Shift and a click) to lay their curves over one another."


class RunManager(QDialog):
    """The table, what can be done to the selected runs, and several of them side by side.

    `tools` says which run is wanted in the panel, or as the beginning of a training.
    """

    def __init__(self, session: Session, watch: RunWatch, parent: QWidget | None = None) -> None:
        """Show the runs of the open project.

        Raises:
            CommandRefusedError: no project is open.
        """
        super().__init__(parent)
        self._session, self._watch = session, watch
        self._project = session.require_project()
        self._jobs: dict[Job, Callable[[Any], None]] = {}
        self._comparing: Job | None = None
        self._compared: tuple[str, ...] = ()
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(f"Runs of {self._project.name}")
        self.setMinimumSize(100 * GRID_PX, 60 * GRID_PX)
        self.resize(*_SIZE)
        self.rows = RunRows()
        self._make_table()
        self.tools = RunActions(session, self._do)
        self._compare_view: CompareView | None = None
        self.told = wrapped()
        self.problem = wrapped()
        self.problem.setProperty("problem", True)
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setRange(0, 0)
        self._bar.setFixedHeight(GRID_PX)
        self._lay_out()
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(_LATER_MS)
        self._later.timeout.connect(self._compare)
        self._connect()
        self._on_listed()
        self._set_busy()

    @property
    def is_settled(self) -> bool:
        """Whether everything that was asked for is shown."""
        return not self._jobs and self._comparing is None and not self._later.isActive()

    @property
    def compare(self) -> CompareView:
        """Runs side by side; made while the first are compared, since it costs a turn."""
        if self._compare_view is None:
            self._compare_view = CompareView(self._session)
            self._compare_view.setVisible(False)
            self._lower.insertWidget(1, self._compare_view, 1)
        return self._compare_view

    # Making it.

    def _make_table(self) -> None:
        self._proxy = QSortFilterProxyModel(self)
        self._proxy.setSourceModel(self.rows)
        self._proxy.setSortRole(SORT_ROLE)
        self.table = QTableView()
        self.table.setModel(self._proxy)
        self.table.setSortingEnabled(True)
        self.table.sortByColumn(BEGUN, Qt.SortOrder.DescendingOrder)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.table.setEditTriggers(
            QAbstractItemView.EditTrigger.EditKeyPressed
            | QAbstractItemView.EditTrigger.DoubleClicked
        )
        self.table.setShowGrid(False)
        self.table.setStyleSheet(CELL_STYLE)
        self.table.setWordWrap(False)
        self.table.setTabKeyNavigation(False)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(3 * GRID_PX)
        header = self.table.horizontalHeader()
        header.setHighlightSections(False)
        for column in range(len(COLUMNS)):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(NOTE, QHeaderView.ResizeMode.Stretch)
        empty = wrapped(_NOTHING)
        empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.upper = QStackedWidget()
        self.upper.addWidget(self.table)
        self.upper.addWidget(empty)

    def _lay_out(self) -> None:
        # From the outside in: whatever is moved into another parent is styled again, all of it.
        column = QVBoxLayout(self)
        column.setContentsMargins(*[2 * GRID_PX] * 4)
        column.setSpacing(GRID_PX)
        self._splitter = QSplitter(Qt.Orientation.Vertical)
        column.addWidget(self._splitter, 1)
        top, below = QWidget(), QWidget()
        self._splitter.addWidget(top)
        self._splitter.addWidget(below)
        upper = QVBoxLayout(top)
        upper.setContentsMargins(0, 0, 0, 0)
        upper.setSpacing(GRID_PX)
        upper.addWidget(self.upper, 1)
        upper.addWidget(self.tools)
        self._lower = QVBoxLayout(below)
        self._lower.setContentsMargins(0, GRID_PX, 0, 0)
        self._lower.setSpacing(GRID_PX)
        self._lower.addWidget(self.told)
        self._lower.addStretch(0)
        self._splitter.setSizes([5 * _SIZE[1] // 11, 6 * _SIZE[1] // 11])
        self._splitter.setChildrenCollapsible(False)
        close = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        close.button(QDialogButtonBox.StandardButton.Close).setAutoDefault(False)
        close.rejected.connect(self.reject)
        for widget in (self.problem, self._bar, close):
            column.addWidget(widget)

    def _connect(self) -> None:
        watch, session = self._watch, self._session
        watch.listed.connect(self._on_listed)
        watch.reported.connect(self._on_reported)
        watch.finished.connect(self._read)
        session.project_closing.connect(self.close)
        self.rows.edited.connect(self._on_edited)
        self.table.selectionModel().selectionChanged.connect(self._on_selected)
        self.table.doubleClicked.connect(self._on_double_clicked)
        self.tools.done.connect(self._on_done)

    # What there is.

    @property
    def selected(self) -> tuple[str, ...]:
        """Ids of the selected runs, the oldest first."""
        rows = {
            self._proxy.mapToSource(i).row() for i in self.table.selectionModel().selectedRows()
        }
        return tuple(self.rows.rows[row].entry.id for row in sorted(rows))

    def select(self, run_ids: Iterable[str]) -> None:
        """Select these runs."""
        selection = self.table.selectionModel()
        kind = QItemSelectionModel.SelectionFlag
        selection.clearSelection()
        for run_id in run_ids:
            row = self.rows.row_of(run_id)
            if row is not None:
                index = self._proxy.mapFromSource(self.rows.index(row, 0))
                selection.select(index, kind.Select | kind.Rows)

    def _selected_rows(self) -> list[Row]:
        chosen = set(self.selected)
        return [row for row in self.rows.rows if row.entry.id in chosen]

    def _on_listed(self, _entries: object = None) -> None:
        before = self.selected
        self.rows.show(self._watch.entries, self._watch.reports)
        self.upper.setCurrentIndex(0 if self.rows.rows else 1)
        newest = [row.entry.id for row in self.rows.rows[-1:]]
        self.select([run_id for run_id in before if self.rows.row_of(run_id) is not None] or newest)
        self._on_selected()
        self._read()

    def _on_reported(self, run_id: str, report: RunReport) -> None:
        self.rows.take_report(run_id, report)
        self.tools.show_rows(self._selected_rows(), is_same=True)
        if Evaluated in map(type, report.events) and run_id in self.selected:
            # Reading all of a living run again is worth a new error, not each line of progress.
            self._compared = ()
            self._later.start()

    def _read(self, *_: object) -> None:
        runs = [entry.run for entry in self._watch.entries if entry.run is not None]
        folder = self._project.path
        self._do("Reading sizes", lambda go_on: read_details(folder, runs, go_on), self._on_read)

    def _on_read(self, details: dict[str, Details]) -> None:
        self.rows.take_details(details)
        self._on_selected()

    def _on_selected(self, *_: object) -> None:
        self.tools.show_rows(self._selected_rows())
        self._later.start()

    # Side by side.

    def _compare(self) -> None:
        rows = self._selected_rows()
        read = [it for it in rows if it.report is not None and it.report.is_whole]
        known = [(it.entry.run, it.report) for it in read if it.entry.run and it.report]
        runs, reports = [run for run, _ in known], [report for _, report in known]
        if not runs:
            self._compared = ()
            self._drop_comparison()
            if self._compare_view is not None:
                self._compare_view.setVisible(False)
            self._tell("\n".join(self._told_of(rows)))
            return
        ids = tuple(run.id for run in runs)
        if ids == self._compared:
            return
        self._drop_comparison()
        self._compared = ids
        project = self._project
        job = Job(
            "Comparing runs", lambda go_on: compare_runs(project, runs, go_on, reports=reports)
        )
        job.finished.connect(self._on_compared)
        job.failed.connect(self._on_not_compared)
        self._comparing = job
        job.start()
        _ = self.compare

    def _drop_comparison(self) -> None:
        if self._comparing is not None:
            self._comparing.cancel()
            self._comparing = None

    def _on_compared(self, comparison: Comparison) -> None:
        if self.sender() is not self._comparing:
            return
        self._comparing = None
        self.compare.setVisible(True)
        self.compare.show_comparison(comparison)
        rows = self._selected_rows()
        self._tell("\n".join(self._told_of(rows) if len(rows) == 1 else comparison.notes))

    def _on_not_compared(self, text: str) -> None:
        if self.sender() is self._comparing:
            self._comparing = None
            self._compared = ()
            self._tell(text)

    def _tell(self, text: str) -> None:
        self.told.setText(text)
        self.told.setVisible(bool(text))

    def _told_of(self, rows: list[Row]) -> list[str]:
        """What is said of a single run: what is wrong with it, its parts on the disk, its note."""
        if len(rows) != 1:
            return [_MANY] if self.rows.rows else []
        row = rows[0]
        lines = [row.entry.error, row.report.text if row.report else ""]
        if row.details is not None:
            parts = [f"{name} {byte_size(size)}" for name, size in row.details.size.parts() if size]
            lines += [f"{row.entry.id}: {', '.join(parts)}", row.details.problem, row.details.note]
        if len(self.rows.rows) > 1:
            lines.append(_MANY)
        return [line for line in lines if line]

    def _on_edited(self, run_id: str, column: int, text: str) -> None:
        run = self._watch.run(run_id)
        write = managing.rename if column == NAME else managing.set_note
        self._do("Writing", lambda _: write(run, text), lambda _: self._refresh())

    def _on_double_clicked(self, index: QModelIndex) -> None:
        if index.column() not in (NAME, NOTE):
            self.tools.buttons["show"].click()

    # Work.

    def _do(self, title: str, work: Callable[[Any], Any], then: Callable[[Any], None]) -> None:
        job = Job(title, work)
        self._jobs[job] = then
        # Bound methods, no functions: they end with the dialog, which may go before its jobs.
        job.finished.connect(self._on_finished)
        job.failed.connect(self._on_failed)
        job.ended.connect(self._on_ended)
        job.start()
        self._set_busy()

    def _on_finished(self, answer: object) -> None:
        job = self.sender()
        assert isinstance(job, Job)
        self._jobs[job](answer)

    def _on_ended(self) -> None:
        job = self.sender()
        assert isinstance(job, Job)
        del self._jobs[job]
        self._set_busy()

    def _set_busy(self) -> None:
        self._bar.setVisible(any(job.title != "Reading sizes" for job in self._jobs))
        if not self.problem.text():
            self.problem.setVisible(False)

    def _on_failed(self, text: str) -> None:
        self.problem.setText(text)
        self.problem.setVisible(True)
        self._refresh()

    def _refresh(self) -> None:
        self._watch.refresh()
        self._read()

    def _on_done(self, text: str) -> None:
        self.problem.setText("")
        self.problem.setVisible(False)
        self._session.message_posted.emit(text)
        self._refresh()

    # Leaving.

    def reject(self) -> None:
        """Stop reading; what is being removed or written is finished by itself."""
        self._drop_comparison()
        super().reject()

    def closeEvent(self, event: QCloseEvent) -> None:
        """As its button does."""
        self.reject()
        event.accept()
