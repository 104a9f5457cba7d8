"""Merge: what a second annotator's copy brings, and the choice for each conflict.

The copy is compared as soon as it is chosen. Conflicts are rows with both sides; a click on a side,
or M and T for the selected rows, takes it. The merge is one step of the journal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QKeyEvent, QPalette
from PySide6.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QProgressBar,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from app.format import counted, joint_name
from app.jobs import Job
from app.new_dialog import PathField
from app.theme import BODY_PT, GRID_PX, font
from core.errors import CommandRefusedError
from core.project import Change, Merge, Place, plan_merge
from core.project.merge import all_theirs
from core.project.merge_report import KIND_NAMES, merge_and_report, side_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from PySide6.QtGui import QCloseEvent

    from app.session import Session
    from core.project import Conflict, MergePlan, Project

_Index = QModelIndex | QPersistentModelIndex
_COLUMNS = ("Frame", "Who", "Where", "What", "Mine", "Theirs")
_MINE, _THEIRS = 4, 5


class ConflictTable(QTableView):
    """The table; M and T are for its selected rows."""

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Take a side of the selected rows."""
        model = self.model()
        sides = {Qt.Key.Key_M: False, Qt.Key.Key_T: True}
        side = sides.get(Qt.Key(event.key()))
        if side is not None and isinstance(model, Conflicts):
            model.take({index.row() for index in self.selectedIndexes()}, is_theirs=side)
            return
        super().keyPressEvent(event)


class Conflicts(QAbstractTableModel):
    """The conflicts of a plan, and whose side is taken of each."""

    def __init__(self) -> None:
        super().__init__()
        self.plan: MergePlan | None = None
        self.theirs: set[int] = set()
        self._project: Project | None = None

    def show(self, project: Project, plan: MergePlan) -> None:
        """Show these; mine is taken of all."""
        self.beginResetModel()
        self.plan, self._project, self.theirs = plan, project, set()
        self.endResetModel()

    @property
    def conflicts(self) -> tuple[Conflict, ...]:
        """The rows."""
        return () if self.plan is None else self.plan.conflicts

    def take(self, rows: Iterable[int], *, is_theirs: bool) -> None:
        """Take a side of these rows; what is locked here stays mine."""
        free = {row for row in rows if not self.conflicts[row].is_locked}
        self.theirs = self.theirs | free if is_theirs else self.theirs - free
        if self.conflicts:
            self.dataChanged.emit(
                self.index(0, 0), self.index(len(self.conflicts) - 1, len(_COLUMNS) - 1)
            )

    def rowCount(self, parent: _Index | None = None) -> int:
        """A row a conflict."""
        return 0 if parent is not None and parent.isValid() else len(self.conflicts)

    def columnCount(self, parent: _Index | None = None) -> int:
        """Where, what, both sides."""
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
        """Text; the side that is taken is bold, the other one muted."""
        row, column = index.row(), index.column()
        conflict = self.conflicts[row]
        is_taken = (row in self.theirs) == (column == _THEIRS)
        if role == Qt.ItemDataRole.DisplayRole:
            text = self._text(conflict, column)
            return f"✓ {text}" if column >= _MINE and is_taken else text
        if role == Qt.ItemDataRole.ToolTipRole:
            if conflict.is_locked:
                return "Locked here: mine stays. Unlock the joint first to take theirs."
            return self._text(conflict, column) if column >= _MINE else None
        if role == Qt.ItemDataRole.FontRole and column >= _MINE and is_taken:
            return font(BODY_PT, bold=True)
        if role == Qt.ItemDataRole.ForegroundRole and column >= _MINE and not is_taken:
            return QApplication.palette().color(QPalette.ColorRole.PlaceholderText)
        return None

    def _text(self, conflict: Conflict, column: int) -> str:
        project = self._project
        assert project is not None
        if column == 0:
            return str(conflict.frame + project.first_frame_number)
        if column == 1:
            joint = "" if conflict.joint is None else project.skeleton.joints[conflict.joint]
            return f"#{conflict.person} {joint_name(joint)}".strip()
        if column == 2:
            return "in space" if conflict.camera is None else project.rig.names[conflict.camera]
        if column == 3:
            locked = " (locked)" if conflict.is_locked else ""
            return KIND_NAMES[conflict.kind] + locked
        return side_text(conflict, conflict.mine if column == _MINE else conflict.theirs)


class MergeDialog(QDialog):
    """The copy, what it brings, its conflicts with a choice for each; Merge."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        """Begin with no copy chosen.

        Raises:
            CommandRefusedError: no project is open, or it is read-only.
        """
        super().__init__(parent)
        self._session = session
        self._project = session.require_project()
        if self._project.read_only:
            raise CommandRefusedError(
                f"This project is open for reading only: {self._project.read_only_reason}."
            )
        self._job: Job | None = None
        self._is_writing = False
        self.setWindowTitle(f"Merge labels into {self._project.name}")
        self.resize(144 * GRID_PX, 64 * GRID_PX)
        self.copy = PathField("the copy of another annotator: NAME.trilabel", folder=True)
        self.copy.changed.connect(self._compare)
        self.told = QLabel()
        self.told.setWordWrap(True)
        self.told.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        self.problem.setProperty("problem", True)
        self.problem.setVisible(False)
        self._make_table()
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(GRID_PX)
        self._bar.setVisible(False)
        buttons = QDialogButtonBox()
        buttons.addButton("Cancel", QDialogButtonBox.ButtonRole.RejectRole)
        self.merge_button = buttons.addButton("Merge", QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.accepted.connect(self._merge)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(*[2 * GRID_PX] * 4)
        column.setSpacing(GRID_PX)
        column.addWidget(self.copy)
        column.addWidget(self.told)
        column.addWidget(self.problem)
        column.addWidget(self._sides)
        column.addWidget(self.table, 1)
        column.addStretch(0)
        column.addWidget(self._bar)
        column.addWidget(buttons)
        session.project_closing.connect(self.reject)
        self._show_nothing(
            "Choose the folder of a copy of this project in which somebody else has labelled.\n\n"
            "What only the copy changed is taken over, with its annotator and time; what only you"
            " changed stays. What both changed is listed here with both sides, to choose from."
            " The merge is one step, which Undo takes back; the copy is only read."
        )

    def _make_table(self) -> None:
        self.model = Conflicts()
        self.model.dataChanged.connect(self._show_choice)
        self.table = ConflictTable()
        self.table.setModel(self.model)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setShowGrid(False)
        self.table.setWordWrap(False)
        self.table.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(3 * GRID_PX)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        for side in (_MINE, _THEIRS):
            header.setSectionResizeMode(side, QHeaderView.ResizeMode.Stretch)
        header.setHighlightSections(False)
        self.table.clicked.connect(self._on_clicked)
        self.table.doubleClicked.connect(self._go_to)
        self._sides = QWidget()
        row = QHBoxLayout(self._sides)
        row.setContentsMargins(0, 0, 0, 0)
        self.all_mine, self.all_theirs = QPushButton("All mine"), QPushButton("All theirs")
        for button, is_theirs in ((self.all_mine, False), (self.all_theirs, True)):
            button.setAutoDefault(False)
            button.clicked.connect(lambda _=False, side=is_theirs: self._take_all(is_theirs=side))
            row.addWidget(button)
        hint = QLabel("Click a side, or M and T for the selected rows; a double click shows it.")
        hint.setProperty("muted", True)
        row.addWidget(hint, 1)

    # Comparing.

    def _compare(self) -> None:
        path, project = self.copy.path, self._project
        if self._job is not None:
            self._job.cancel()
            self._job = None
        self._show_problem("")
        if path is None or not (path / "project.toml").is_file():
            self._show_nothing("" if path is None else "No project lies there.")
            return
        job = Job("Comparing", lambda progress: plan_merge(project, path, progress), self)
        job.progressed.connect(self._on_progressed)
        job.finished.connect(self._on_compared)
        job.failed.connect(self._on_failed)
        self._start(job)
        self._show_nothing("Comparing…")

    def _on_compared(self, plan: MergePlan) -> None:
        if self.sender() is not self._job:
            return
        self._job = None
        self._bar.setVisible(False)
        self.model.show(self._project, plan)
        has_conflicts = bool(plan.conflicts)
        self.table.setVisible(has_conflicts)
        self._sides.setVisible(has_conflicts)
        self.merge_button.setEnabled(bool(plan.num_additions or has_conflicts))
        self._show_choice()

    def _show_choice(self) -> None:
        plan = self.model.plan
        if plan is None:
            return
        brought = ", ".join(counted(n, KIND_NAMES[kind]) for kind, n in plan.counts.items())
        lines = [f"Note: {note}" for note in plan.notes]
        if not plan.num_additions and not plan.conflicts:
            lines.append("There is nothing to merge: the copy has nothing that is not here.")
        elif plan.num_additions:
            who = " and ".join(plan.annotators)
            lines.append(f"Taken over from {who}: {brought}.")
        if plan.conflicts:
            num, locked = len(plan.conflicts), sum(c.is_locked for c in plan.conflicts)
            text = f"{counted(num, 'conflict')}: mine {num - len(self.model.theirs)},"
            text += f" theirs {len(self.model.theirs)}."
            lines.append(text + (f" Locked here, so mine: {locked}." if locked else ""))
        elif plan.num_additions:
            lines.append("No conflicts.")
        self.told.setText("\n".join(lines))

    # Choosing.

    def _take_all(self, *, is_theirs: bool) -> None:
        plan = self.model.plan
        if plan is not None:
            self.model.take(all_theirs(plan), is_theirs=is_theirs)

    def _on_clicked(self, index: QModelIndex) -> None:
        if index.column() >= _MINE:
            self.model.take({index.row()}, is_theirs=index.column() == _THEIRS)

    def _go_to(self, index: QModelIndex) -> None:
        conflict, session = self.model.conflicts[index.row()], self._session
        session.set_frame(conflict.frame)
        session.select(person=conflict.person, joint=conflict.joint, camera=conflict.camera)

    # Merging.

    def _merge(self) -> None:
        plan, project, cursor = self.model.plan, self._project, self._session.cursor
        if plan is None or self._job is not None:
            return
        merge = Merge(plan=plan, theirs=frozenset(self.model.theirs))
        place = Place(cursor.frame, cursor.camera, cursor.person, cursor.joint)

        def write(_progress: Callable[[int, int], bool]) -> tuple[Change, Path]:
            done: list[Change] = []
            path = merge_and_report(
                project, merge, lambda edit: done.append(project.apply(edit, place=place))
            )
            return done[0], path

        job = Job("Merging", write, self)
        job.finished.connect(self._on_merged)
        job.failed.connect(self._on_failed)
        self._is_writing = True
        self._set_enabled(is_enabled=False)
        self._start(job)

    def _on_merged(self, answer: tuple[Change, Path]) -> None:
        change, path = answer
        self._is_writing = False
        self._session.follow(change)
        self._session.message_posted.emit(
            f"{change.description}: done, in one step. Both sides of conflicts: {path.name}"
        )
        self.accept()

    def _on_failed(self, text: str) -> None:
        if self.sender() is not self._job:
            return
        self._job, self._is_writing = None, False
        self._bar.setVisible(False)
        self._set_enabled(is_enabled=True)
        if self.model.plan is None:
            self._show_nothing("")
        self._show_problem(text)

    def _set_enabled(self, *, is_enabled: bool) -> None:
        for widget in (self.copy, self.table, self._sides, self.merge_button):
            widget.setEnabled(is_enabled)

    def _start(self, job: Job) -> None:
        self._job = job
        self._bar.setRange(0, 0)
        self._bar.setVisible(True)
        job.start()

    def _on_progressed(self, done: int, total: int, _seconds_left: float) -> None:
        self._bar.setRange(0, total)
        self._bar.setValue(done)

    def _show_problem(self, text: str) -> None:
        self.problem.setText(text)
        self.problem.setVisible(bool(text))

    def _show_nothing(self, text: str) -> None:
        """No plan: say why."""
        self.model.beginResetModel()
        self.model.plan = None
        self.model.endResetModel()
        self.table.setVisible(False)
        self._sides.setVisible(False)
        self.merge_button.setEnabled(False)
        self.told.setText(text)

    def reject(self) -> None:
        """Stop comparing; a merge that is being written is finished first."""
        if self._is_writing:
            return
        if self._job is not None:
            self._job.cancel()
            self._job.wait()
        super().reject()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Closing the dialog cancels as its button does."""
        if self._is_writing:
            event.ignore()
            return
        self.reject()
        event.accept()
