"""The runs of a project as rows: what each is, what it learned from, how good it is, what it takes.

Name and note are changed in place; `RunRows.edited` asks whoever owns the table to write them.
Sizes and notes are read elsewhere, on a thread, and come later than the rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QPersistentModelIndex,
    Qt,
    Signal,
)
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QApplication

from app.cli.following import STAGE_TITLES
from app.format import byte_size, length, percent
from app.history_panel import local_time
from app.runs.words import STATUS_WORDS
from core.project.runs.managing.comparing import newest_metrics
from core.project.runs.states import LIVING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from PySide6.QtGui import QColor

    from app.runs.manager_work import Details
    from app.runs.watch import RunEntry
    from core.project.runs.events import RunStarted
    from core.project.runs.following import RunReport

_Index = QModelIndex | QPersistentModelIndex
COLUMNS = ("Name", "Begun", "Status", "Labelled", "Multi-view", "Single-view", "Size", "Note")
NAME, BEGUN, STATUS, LABELLED, MULTI_VIEW, SINGLE_VIEW, SIZE, NOTE = range(len(COLUMNS))
SORT_ROLE = Qt.ItemDataRole.UserRole
_NUMBERS = (LABELLED, MULTI_VIEW, SINGLE_VIEW, SIZE)
_ERRORS = {MULTI_VIEW: "mv_mpjpe", SINGLE_VIEW: "sv_mpjpe"}
_TIPS = {
    NAME: "F2 or a double click changes it; the id stays",
    LABELLED: "Poses whose labels it learned from",
    MULTI_VIEW: "MPJPE on held-out poses, triangulated from all views; the newest",
    SINGLE_VIEW: "MPJPE on held-out poses, lifted from one view; the newest",
    SIZE: "On the disk",
    NOTE: "F2 or a double click changes it",
}


@dataclass(slots=True)
class Row:
    """A run in the table."""

    entry: RunEntry
    report: RunReport | None = None
    details: Details | None = None
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])

    def take(self, report: RunReport | None) -> None:
        """Show another report."""
        self.report = report
        self.metrics = {} if report is None else newest_metrics(report.state)

    @property
    def started(self) -> RunStarted | None:
        """Its newest start."""
        return None if self.report is None else self.report.state.started

    @property
    def is_living(self) -> bool:
        """Whether a trainer works on it, or waits to."""
        return self.report is not None and self.report.status in LIVING


class RunRows(QAbstractTableModel):
    """The rows, in the order of the watch."""

    edited = Signal(str, int, str)

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Row] = []

    def show(self, entries: Sequence[RunEntry], reports: Mapping[str, RunReport]) -> None:
        """Show these runs; what was read of those that stay is kept."""
        known = {row.entry.id: row.details for row in self.rows}
        self.beginResetModel()
        self.rows = [Row(entry, details=known.get(entry.id)) for entry in entries]
        for row in self.rows:
            row.take(reports.get(row.entry.id))
        self.endResetModel()

    def take_report(self, run_id: str, report: RunReport) -> None:
        """Show what a run says now."""
        for number, row in enumerate(self.rows):
            if row.entry.id == run_id:
                row.take(report)
                self._changed(number)

    def take_details(self, details: Mapping[str, Details]) -> None:
        """Show sizes and notes that were read."""
        for number, row in enumerate(self.rows):
            if row.entry.id in details:
                row.details = details[row.entry.id]
                self._changed(number)

    def row_of(self, run_id: str) -> int | None:
        """Where a run stands."""
        return next((n for n, row in enumerate(self.rows) if row.entry.id == run_id), None)

    def _changed(self, number: int) -> None:
        self.dataChanged.emit(self.index(number, 0), self.index(number, len(COLUMNS) - 1))

    # Qt's own.

    def rowCount(self, parent: _Index | None = None) -> int:
        """A row a run."""
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: _Index | None = None) -> int:
        """See `COLUMNS`."""
        return 0 if parent is not None and parent.isValid() else len(COLUMNS)

    def flags(self, index: _Index) -> Qt.ItemFlag:
        """Name and note can be edited, once they have been read."""
        flags = super().flags(index)
        row = self.rows[index.row()]
        is_open = row.entry.run is not None and row.details is not None
        return flags | Qt.ItemFlag.ItemIsEditable if is_open and _is_text(index) else flags

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:  # noqa: ANN401 - Qt's
        """Names of the columns, and what they mean."""
        if orientation == Qt.Orientation.Vertical:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section]
        if role == Qt.ItemDataRole.ToolTipRole:
            return _TIPS.get(section)
        return _alignment(section) if role == Qt.ItemDataRole.TextAlignmentRole else None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: ANN401 - Qt's
        """Text, what to sort by, what to edit, hints."""
        row, column = self.rows[index.row()], index.column()
        answers: dict[int, Callable[[Row, int], Any]] = {
            Qt.ItemDataRole.DisplayRole: _text,
            Qt.ItemDataRole.EditRole: _edited_text,
            Qt.ItemDataRole.ToolTipRole: _hint,
            Qt.ItemDataRole.TextAlignmentRole: lambda _row, column: _alignment(column),
            Qt.ItemDataRole.ForegroundRole: _ink,
            SORT_ROLE: _sorted_by,
        }
        answer = answers.get(role)
        return None if answer is None else answer(row, column)

    def setData(self, index: _Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:  # noqa: ANN401 - Qt's
        """Ask for a name or note to be written; it is shown when it is."""
        row, column = self.rows[index.row()], index.column()
        text = str(value).strip()
        if role != Qt.ItemDataRole.EditRole or text == _edited_text(row, column):
            return False
        self.edited.emit(row.entry.id, column, text)
        return True


def _is_text(index: _Index) -> bool:
    return index.column() in (NAME, NOTE)


def _alignment(column: int) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column in _NUMBERS else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter


def _is_broken(row: Row) -> bool:
    return bool(row.entry.error) or (
        row.report is not None and row.report.status in ("failed", "killed")
    )


def _text(row: Row, column: int) -> str:
    details = row.details
    text = "–"
    if column in _ERRORS:
        text = length(row.metrics.get(_ERRORS[column], math.nan))
    elif column == NAME:
        text = row.entry.name
    elif column == STATUS:
        text = status_text(row)
    elif column == SIZE:
        text = byte_size(details.size.total) if details else "…"
    elif column == NOTE:
        text = details.note.replace("\n", " / ") if details else ""
    elif column == BEGUN and row.entry.created:
        text = local_time(row.entry.created)
    elif column == LABELLED and row.started is not None:
        text = f"{row.started.labelled:,}"
    return text


def _ink(row: Row, column: int) -> QColor | None:
    """Red where something is wrong."""
    if column == STATUS and _is_broken(row):
        return QApplication.palette().color(QPalette.ColorRole.BrightText)
    return None


def status_text(row: Row) -> str:
    """What a run is doing, and how far it is."""
    if row.entry.error:
        return "unreadable"
    if row.report is None:
        return "…"
    latest = row.report.state.latest
    if row.report.status not in LIVING or latest is None:
        return STATUS_WORDS[row.report.status]
    share = percent(latest.step / latest.steps) if latest.steps else ""
    return f"{STATUS_WORDS[row.report.status]} · {STAGE_TITLES[latest.stage]} {share}"


def _edited_text(row: Row, column: int) -> str:
    if column == NAME:
        return row.entry.name
    return row.details.note if column == NOTE and row.details else ""


def _sorted_by(row: Row, column: int) -> str | float:
    if column == BEGUN:
        return row.entry.created or row.entry.id
    if column == SIZE:
        return float(row.details.size.total) if row.details else -1.0
    if column in _ERRORS:
        # Those without an error stand behind the others.
        return row.metrics.get(_ERRORS[column], math.inf)
    if column == LABELLED:
        return float(row.started.labelled) if row.started else -1.0
    return _text(row, column).lower()


def _hint(row: Row, column: int) -> str:
    details = row.details
    if row.entry.error:
        return row.entry.error
    if column == STATUS:
        return row.report.text if row.report else ""
    if column == SIZE and details:
        parts = [f"{name}: {byte_size(size)}" for name, size in details.size.parts() if size]
        return "\n".join(parts)
    if column == NOTE and details:
        return details.problem or details.note
    return row.entry.id if column in (NAME, BEGUN) else ""
