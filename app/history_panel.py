"""The journal as a list: what was done when, by whom, and where; the newest first.

Nothing is ever taken out of it. A double click goes to the place of a step, a right click takes
back all that followed it, or brings it back; what was undone is drawn back, what can no longer be
redone is struck through.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QPoint, Qt
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QHeaderView,
    QLabel,
    QMenu,
    QStackedLayout,
    QTableView,
    QWidget,
)

from app.afterwards import Afterwards
from app.format import counted
from app.theme import GRID_PX, font
from core.errors import CommandRefusedError

if TYPE_CHECKING:
    from PySide6.QtGui import QShowEvent

    from app.session import Session
    from core.project import Step

_Index = QModelIndex | QPersistentModelIndex
_COLUMNS = ("When", "What", "Frame", "Who")
_NUM_STEPS = 1000
# A key that is held edits more often than anybody reads.
_LATER_MS = 30
_STATES = {"done": "", "undone": "undone: redo brings it back", "dropped": "undone for good"}


def local_time(stamp: str, *, now: datetime | None = None) -> str:
    """A step's time on this machine's clock, with the date where it is another day's."""
    when = datetime.fromisoformat(stamp).astimezone()
    now = now or datetime.now().astimezone()
    return f"{when:%H:%M:%S}" if when.date() == now.date() else f"{when:%d %b %Y  %H:%M}"


class HistoryPanel(QWidget):
    """The latest thousand steps."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._is_stale = True
        self.model = _Steps()
        self.table = QTableView()
        self.table.setModel(self.model)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setShowGrid(False)
        self.table.setWordWrap(False)
        self.table.setFrameShape(QTableView.Shape.NoFrame)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(3 * GRID_PX)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        header.setHighlightSections(False)
        self.table.doubleClicked.connect(self._go_to)
        self.table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.table.customContextMenuRequested.connect(self._show_menu)
        self._empty = QLabel(
            "Nothing was edited yet.\n\nEvery edit is saved at once and listed here, with its time"
            " and annotator. A double click goes to its place; a right click takes back all that"
            " followed it."
        )
        self._empty.setWordWrap(True)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self._empty.setContentsMargins(*[2 * GRID_PX] * 4)
        self._empty.setProperty("muted", True)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(self._empty)
        self._stack.addWidget(self.table)
        self._later = Afterwards(self, self._read, _LATER_MS)
        session.edited.connect(self._on_edited)
        session.project_changed.connect(self._on_changed)

    def showEvent(self, event: QShowEvent) -> None:
        """Take in what has happened while nobody looked."""
        super().showEvent(event)
        self._read()

    def _on_edited(self) -> None:
        self._is_stale = True
        self._later.ask()

    def _on_changed(self) -> None:
        self._is_stale = True
        if self.isVisible():
            self._read()

    def _read(self) -> None:
        if not self._is_stale:
            return
        self._is_stale = False
        project = self._session.project
        steps = [] if project is None else project.history(_NUM_STEPS)
        first = 0 if project is None else project.first_frame_number
        self.model.take(steps, first)
        self._stack.setCurrentWidget(self.table if steps else self._empty)

    def _go_to(self, index: QModelIndex) -> None:
        place = self.model.steps[index.row()].place
        if place is None:
            self._session.message_posted.emit("This step is about no single place.")
            return
        self._session.set_frame(place.frame)
        self._session.select(person=place.person, joint=place.joint, camera=place.camera)

    def _show_menu(self, at: QPoint) -> None:
        """What can be done about the step that was clicked."""
        index = self.table.indexAt(at)
        if index.isValid():
            menu = self.make_menu(index.row())
            menu.exec(self.table.viewport().mapToGlobal(at))
            menu.deleteLater()

    def make_menu(self, row: int) -> QMenu:
        """The menu of a step."""
        steps, step = self.model.steps, self.model.steps[row]
        menu = QMenu(self)
        place = menu.addAction("Go to its place", lambda: self._go_to(self.model.index(row, 0)))
        place.setEnabled(step.place is not None)
        if step.state == "undone":
            menu.addAction("Redo up to here", lambda: self._go_back_to(step))
        elif step.state == "dropped":
            menu.addAction("Undone for good: other edits followed").setEnabled(False)
        else:
            num_after = sum(other.state == "done" for other in steps[:row])
            title = f"Undo back to here: {counted(num_after, 'step')}"
            back = menu.addAction(title, lambda: self._go_back_to(step))
            back.setEnabled(num_after > 0)
        return menu

    def _go_back_to(self, step: Step) -> None:
        try:
            self._session.go_to_step(step.id)
        except CommandRefusedError as error:
            self._session.message_posted.emit(str(error))


class _Steps(QAbstractTableModel):
    """The steps, as a table."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self._first_frame_number = 0

    def take(self, steps: list[Step], first_frame_number: int) -> None:
        """Show these."""
        self.beginResetModel()
        self.steps = steps
        self._first_frame_number = first_frame_number
        self.endResetModel()

    def rowCount(self, parent: _Index | None = None) -> int:
        """A row a step."""
        return 0 if parent is not None and parent.isValid() else len(self.steps)

    def columnCount(self, parent: _Index | None = None) -> int:
        """When, what, frame, who."""
        return 0 if parent is not None and parent.isValid() else len(_COLUMNS)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:  # noqa: ANN401 - Qt's
        """Names of the columns."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return _COLUMNS[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: ANN401 - Qt's
        """Text, and the form of what is no longer in force."""
        step = self.steps[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(step, index.column())
        if role == Qt.ItemDataRole.ToolTipRole:
            note = _STATES[step.state]
            return f"{step.description}\n{note}" if note else step.description
        if role == Qt.ItemDataRole.ForegroundRole and step.state != "done":
            return QApplication.palette().color(QPalette.ColorRole.PlaceholderText)
        if role == Qt.ItemDataRole.FontRole and step.state == "dropped":
            struck = font()
            struck.setStrikeOut(True)
            return struck
        return None

    def _text(self, step: Step, column: int) -> str:
        if column == 0:
            return local_time(step.time)
        if column == 1:
            held = f" × {step.num_edits}" if step.num_edits > 1 else ""
            return step.description + held + ("  (undone)" if step.state == "undone" else "")
        if column == 2:
            return "" if step.place is None else str(step.place.frame + self._first_frame_number)
        return step.annotator
