"""The Changes panel: what the round shown changed against another one, and what is thought of it.

The side after is what the window shows, the side before stands beside it in the session; the views
and the 3D viewer draw both, and the timeline marks where they differ. A click on a change goes to
it, in the view where it moved most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtWidgets import (
    QLabel,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QSplitter,
    QStackedWidget,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from app.format import counted
from app.rounds.choosers import FilterBar, SidesBar
from app.rounds.comparing import Comparing
from app.rounds.judge_bar import JudgeBar
from app.rounds.judging import Judging
from app.rounds.listing import Listing
from app.rounds.tables import ChangeTable, GroupTable, ListTable
from app.theme import GRID_PX
from core.curation.round_diff import NO_CAMERA
from core.curation.round_groups import told
from core.errors import CommandRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QHideEvent, QShowEvent

    from app.commands import Commands
    from app.rounds.listing import Listed
    from app.session import Session

_TEACH = (
    "Nothing is compared.\n\nA round of predictions can be held against an earlier round, the run "
    "before or the detections. What moved, what is newly kept and newly discarded is listed here, "
    "worst first, marked on the timeline and drawn in the views; accept it, reject it, or roll the "
    "round back. Labels made by hand stay as they are."
)


class RoundPanel(QWidget):
    """Sides, filters, groups beside changes, and the buttons that judge."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._visited: tuple[int, int, int] | None = None
        self.comparing = Comparing(session, self)
        self.listing = Listing(session, self)
        self.judging = Judging(session, self)
        self.sides = SidesBar(session, self.comparing)
        self.filters = FilterBar(session)
        self.bar = JudgeBar(session)
        self.groups, self.changes = GroupTable(), ChangeTable()
        self.group_list, self.list = ListTable("Groups of changes"), ListTable("Changes")
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID_PX, GRID_PX // 2, GRID_PX, GRID_PX // 2)
        column.setSpacing(GRID_PX // 2)
        column.addWidget(self.sides)
        self._pages = QStackedWidget()
        self._pages.addWidget(self._make_note())
        self._pages.addWidget(self._make_lists())
        column.addWidget(self._pages, 1)
        self._connect()
        self._on_project_changed()

    @property
    def is_settled(self) -> bool:
        """Whether nothing is being opened, compared, listed or judged."""
        parts = (self.comparing.is_settled, self.listing.is_settled, self.sides.after.is_settled)
        return all(parts) and not self.judging.is_busy

    def bind_commands(self, commands: Commands, show: Callable[[], None]) -> None:
        """Bind the keys of the room.

        Args:
            commands: of the window.
            show: brings the panel to the front.
        """
        commands.bind("changes", lambda: self._show_changes(show))
        commands.bind("next_change", lambda: self.step(1), self._why_no_step)
        commands.bind("previous_change", lambda: self.step(-1), self._why_no_step)
        commands.bind("roll_back", self._roll_back)
        commands.bind_hold("blink", self._session.set_blinking)
        tips = [commands.actions[name].toolTip() for name in ("previous_change", "next_change")]
        self.bar.set_step_tips(*tips)

    # Parts.

    def _make_note(self) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(GRID_PX, GRID_PX, GRID_PX, 0)
        column.setSpacing(GRID_PX)
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.note.setProperty("muted", True)
        self.note.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        column.addWidget(self.note)
        self.progress = QProgressBar()
        self.progress.setRange(0, 1000)
        self.progress.setTextVisible(False)
        self.progress.setMaximumHeight(GRID_PX // 2)
        column.addWidget(self.progress)
        self.compare_button = QPushButton("Compare with the round before")
        self.compare_button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        column.addWidget(self.compare_button, 0, Qt.AlignmentFlag.AlignLeft)
        column.addStretch(1)
        return page

    def _make_lists(self) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID_PX // 2)
        column.addWidget(self.filters)
        lists = QSplitter(Qt.Orientation.Horizontal)
        lists.setChildrenCollapsible(False)
        self.group_list.setModel(self.groups)
        self.list.setModel(self.changes)
        lists.addWidget(self.group_list)
        lists.addWidget(self.list)
        lists.setStretchFactor(0, 1)
        lists.setStretchFactor(1, 2)
        lists.setSizes([109, 200])
        column.addWidget(lists, 1)
        self.error = QLabel()
        self.error.setProperty("problem", True)
        self.error.setWordWrap(True)
        self.error.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        column.addWidget(self.bar)
        column.addWidget(self.error)
        return page

    def _connect(self) -> None:
        session = self._session
        session.project_changed.connect(self._on_project_changed)
        session.compared_changed.connect(self._show_page)
        session.diff_changed.connect(self._show_page)
        session.cursor_changed.connect(self._on_cursor_changed)
        self.comparing.changed.connect(self._show_page)
        self.listing.changed.connect(self._show_list)
        self.listing.states_changed.connect(self._show_states)
        self.judging.changed.connect(self._show_number)
        self.filters.kinds_changed.connect(self.listing.set_kinds)
        self.filters.by_changed.connect(self.listing.set_by)
        self.group_list.clicked.connect(
            lambda index: self.listing.set_group(self.groups.key_at(index.row()))
        )
        self.group_list.stepped.connect(self._try_step)
        self.list.clicked.connect(self._go_to)
        self.list.activated.connect(self._go_to)
        self.list.stepped.connect(self._try_step)
        self.list.selectionModel().currentRowChanged.connect(self._on_row_changed)
        self.bar.query.textChanged.connect(self.listing.set_text)
        self.bar.query.returnPressed.connect(lambda: self._try_step(1))
        self.bar.stepped.connect(self._try_step)
        self.bar.judged.connect(self._judge)
        self.bar.rolled_back.connect(self._try_roll_back)
        for signal in (self.bar.first, self.bar.last):
            signal.valueChanged.connect(self._show_number)
        self.bar.scope.currentIndexChanged.connect(self._show_number)
        self.compare_button.clicked.connect(lambda: self._try(self.comparing.compare_by_default))

    # What was asked for.

    def _show_changes(self, show: Callable[[], None]) -> None:
        show()
        if self._session.compared is None:
            self.comparing.compare_by_default()

    def _why_no_step(self) -> str:
        listed = self.listing.listed
        return "" if listed is not None and len(listed.rows) else "No changes are listed."

    def step(self, direction: int) -> None:
        """Go to the next (+1) or previous (-1) change that nobody has judged.

        Raises:
            CommandRefusedError: there is none on that side.
        """
        listed = self.listing.listed
        if listed is None or not len(listed.rows):
            raise CommandRefusedError(
                "No changes are listed: compare two rounds in the Changes panel."
            )
        left, at = np.flatnonzero(listed.states == 0), self._visited_row()
        side = left[left > at] if direction > 0 else left[left < at][::-1]
        if not len(side):
            where = "after" if direction > 0 else "before"
            raise CommandRefusedError(f"No change left to judge {where} this one.")
        self.list.selectRow(int(side[0]))
        self._go_to(self.changes.index(int(side[0]), 0))

    def _visited_row(self) -> int:
        """Where the walk through the list has got to; -1 before it begins."""
        listed = self.listing.listed
        if listed is None or self._visited is None:
            return -1
        return _row_of(listed, self._visited)

    def _row(self) -> int:
        """The selected row; -1 where none is."""
        rows = self.list.selectionModel().selectedRows()
        return rows[0].row() if rows else -1

    def _go_to(self, index: QModelIndex) -> None:
        listed = self.listing.listed
        if listed is None:
            return
        row = index.row()
        frame, person, joint = self._visited = self.changes.key_at(row)
        camera = int(listed.rows.camera[row])
        self._session.set_frame(frame)
        self._session.select(
            person=person, joint=joint, camera=None if camera == NO_CAMERA else camera
        )

    def _on_row_changed(self, index: QModelIndex) -> None:
        if self.list.hasFocus() and index.isValid():
            self._go_to(index)

    def _judge(self, verb: str) -> None:
        keys = self.bar.chosen_keys(self.listing.listed)
        remark = self.bar.remark()
        self._try(
            lambda: self.judging.judge("accept" if verb == "accept" else "reject", keys, remark)
        )

    def _roll_back(self) -> None:
        session = self._session
        if session.source is None or session.compared is None:
            raise CommandRefusedError("Choose what to go back to first: the side before.")
        answer = QMessageBox.question(
            self,
            "Roll back",
            f"Take back everything that was accepted from {session.source.title}, and show "
            f"{session.compared.title}?\n\nLabels made by hand and what is locked stay. Undo "
            "brings it back.",
        )
        if answer == QMessageBox.StandardButton.Yes:
            self.judging.roll_back()

    def _try_roll_back(self) -> None:
        self._try(self._roll_back)

    def _try_step(self, direction: int) -> None:
        self._try(lambda: self.step(direction))

    def _try(self, what: Callable[[], None]) -> None:
        try:
            what()
        except CommandRefusedError as error:
            self._session.message_posted.emit(str(error))

    # What is shown.

    def showEvent(self, event: QShowEvent) -> None:
        """List, now that somebody looks."""
        super().showEvent(event)
        self.listing.set_active(True)
        self._show_page()

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody looks."""
        super().hideEvent(event)
        self.listing.set_active(False)

    def _on_project_changed(self) -> None:
        project = self._session.project
        self.setEnabled(project is not None)
        if project is not None:
            first = project.first_frame_number
            self.bar.set_frames(first, first + project.num_frames - 1)
        self._show_page()

    def _show_page(self, _what: object = None) -> None:
        if self._session.diff is None:
            self._visited = None
        session, comparing = self._session, self.comparing
        has_list = session.diff is not None and bool(len(session.diff.frames))
        self._pages.setCurrentIndex(1 if has_list else 0)
        if has_list:
            self._show_count()
            return
        is_busy = session.compared is not None and comparing.is_comparing
        self.compare_button.setVisible(session.project is not None and session.compared is None)
        self.progress.setVisible(is_busy)
        self.progress.setValue(round(1000 * comparing.share))
        self.note.setText(self._note(is_busy))

    def _note(self, is_busy: bool) -> str:
        session = self._session
        if session.project is None:
            return "Open a project to see what a round of predictions changed."
        if session.compared is None:
            return _TEACH
        if self.comparing.error:
            return self.comparing.error
        if is_busy:
            return f"Comparing… {self.comparing.share:.0%}"
        return "The two sides say nothing about the same frames: choose another one."

    def _show_list(self) -> None:
        listing, project = self.listing, self._session.project
        listed = listing.listed
        self.filters.show_tally(None if listed is None else listed.tally)
        self.changes.set_theme(self._session.display.theme)
        self.groups.take(project, listed, listing.by)
        self.group_list.set_columns(*_GROUP_COLUMNS[listing.by])
        self.group_list.selectRow(self.groups.row_of(listing.group))
        self.changes.take(project, listed)
        self.list.set_columns((12, 7, 6, 12, 14), (4, 2))
        self._select_current()
        self._show_page()
        self._show_number()

    def _show_states(self) -> None:
        self.changes.take_states(self.listing.listed)
        self._show_number()

    def _show_count(self) -> None:
        listing, diff = self.listing, self._session.diff
        listed = listing.listed
        self.error.setText(listing.error)
        self.error.setVisible(bool(listing.error))
        if listed is None or diff is None:
            self.bar.show_count("", "")
            return
        number, judged = len(listed.rows), int((listed.states > 0).sum())
        text = f"{counted(number, 'change')} listed, {judged:,} judged; {told(listed.tally)}"
        text += f" in {counted(len(diff.frames), 'frame')}"
        lonely = diff.num_only_before + diff.num_only_after
        if lonely:
            text += f"; {counted(lonely, 'frame')} on one side only, not compared"
        anew = ", anew…" if self.comparing.is_comparing else ""
        self.bar.show_count(f"{number:,} listed{anew}", text)

    def _show_number(self, _what: object = None) -> None:
        number = self.bar.count_left(self.listing.listed)
        self.bar.show_number(number, self.judging.share if self.judging.is_busy else None)
        self._show_count()

    def _on_cursor_changed(self, *_cursors: object) -> None:
        if self.isVisible():
            self._select_current()
            self._show_number()

    def _select_current(self) -> None:
        """Mark the selected joint in the list, where it is there."""
        listed, cursor = self.listing.listed, self._session.cursor
        if listed is None or cursor.person is None or cursor.joint is None:
            return
        row = _row_of(listed, (cursor.frame, cursor.person, cursor.joint))
        if row not in (-1, self._row()):
            self.list.selectRow(row)
            where = self.changes.index(row, 0)
            self.list.scrollTo(where, QTableView.ScrollHint.PositionAtCenter)


# Widths in letters, and the columns that go first where there is no room.
_GROUP_COLUMNS = {
    "person": ((6, 6, 5, 5, 8), (4, 3)),
    "joint": ((14, 6, 5, 5, 8), (4, 3, 2)),
    "camera": ((7, 6, 6, 6), (2,)),
}


def _row_of(listed: Listed, key: tuple[int, int, int]) -> int:
    """The row of a key; -1 where it is not there. By frame first: there may be millions."""
    near = listed.in_frames(key[0], key[0])
    found = near[(listed.rows.keys[near] == key).all(axis=1)]
    return int(found[0]) if len(found) else -1
