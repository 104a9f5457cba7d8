"""The foot of the Changes panel: narrow the list, choose how much is meant, judge it, roll back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QToolButton,
    QWidget,
)

from app.curation.panel import QueryField
from app.icons import icon
from app.theme import GRID_PX, theme_named
from core.project import ReviewState

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.rounds.listing import Listed
    from app.session import Session

Scope = Literal["joint", "person", "frame", "frames", "all"]
_SCOPES: tuple[tuple[Scope, str, str], ...] = (
    ("joint", "the joint", "The selected joint"),
    ("person", "the person", "All changes listed of the selected person in this frame"),
    ("frame", "the frame", "All changes listed of this frame"),
    ("frames", "frames…", "All changes listed of a stretch of frames"),
    ("all", "all listed", "Everything in the list, as narrowed by the query and the rows above"),
)


class JudgeBar(QWidget):
    """Signals: ``judged(verb)``, ``stepped(±1)``, ``rolled_back()`` when somebody asks for it."""

    judged = Signal(str)
    stepped = Signal(int)
    rolled_back = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.query = QueryField()
        self.query.setPlaceholderText("narrow: person=5 frame=31..35")
        self.query.setClearButtonEnabled(True)
        self.query.setAccessibleName("Narrow the list")
        self.query.setToolTip("Lists only what the query means; its words are those of Curate")
        self._count = QLabel()
        self._count.setProperty("muted", True)
        self.scope = QComboBox()
        self.scope.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.scope.setAccessibleName("What is judged")
        for row, (name, title, tip) in enumerate(_SCOPES):
            self.scope.addItem(title, name)
            self.scope.setItemData(row, tip, Qt.ItemDataRole.ToolTipRole)
        self.first, self.last = QSpinBox(), QSpinBox()
        for spin, name in ((self.first, "First frame"), (self.last, "Last frame")):
            spin.setAccessibleName(name)
            spin.setToolTip(name)
            spin.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
            spin.setVisible(False)
        self.accept = self._button("Accept", "Accept what is kept of it and nobody has judged")
        self.reject = self._button("Reject", "Reject what nobody has judged of it")
        self.back = self._button("Roll back…", "")
        self._steps = [self._step_button(-1), self._step_button(1)]
        self._lay_out()
        self.scope.currentIndexChanged.connect(self._on_scope_chosen)
        self.accept.clicked.connect(lambda: self.judged.emit("accept"))
        self.reject.clicked.connect(lambda: self.judged.emit("reject"))
        self.back.clicked.connect(self.rolled_back)
        session.display_changed.connect(self._show_icons)
        self._show_icons()

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(GRID_PX // 2)
        grid.setVerticalSpacing(GRID_PX // 2)
        top = QHBoxLayout()
        top.setSpacing(GRID_PX // 2)
        top.addWidget(self.query, 1)
        # Up here, where the query gives way: below they would widen the panel.
        for spin in (self.first, self.last):
            top.addWidget(spin)
        top.addWidget(self._count)
        for button in self._steps:
            top.addWidget(button)
        grid.addLayout(top, 0, 0)
        row = QHBoxLayout()
        row.setSpacing(GRID_PX // 2)
        for widget in (self.scope, self.accept, self.reject):
            row.addWidget(widget)
        row.addStretch(1)
        row.addWidget(self.back)
        grid.addLayout(row, 1, 0)

    def _button(self, text: str, tip: str) -> QPushButton:
        button = QPushButton(text)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        button.setToolTip(tip)
        return button

    def _step_button(self, direction: int) -> QToolButton:
        button = QToolButton()
        button.setAutoRaise(True)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        button.clicked.connect(lambda: self.stepped.emit(direction))
        return button

    def set_step_tips(self, previous: str, following: str) -> None:
        """What the arrows do, with their keys."""
        for button, tip in zip(self._steps, (previous, following), strict=True):
            button.setToolTip(tip)
            button.setAccessibleName(tip)

    def set_frames(self, first: int, last: int) -> None:
        """The numbers of the recording's first and last frame, as people count."""
        for spin, value in ((self.first, first), (self.last, last)):
            spin.setRange(first, last)
            spin.setValue(value)

    def chosen_keys(self, listed: Listed | None) -> NDArray[np.int64]:
        """(N, 3) the listed changes that a button is about."""
        if listed is None:
            return np.zeros((0, 3), dtype=np.int64)
        return listed.rows.keys[self._chosen(listed)]

    def count_left(self, listed: Listed | None) -> int:
        """How many of them the buttons would judge: one by itself, of many what nobody has."""
        if listed is None:
            return 0
        states = listed.states[self._chosen(listed)]
        if self.scope.currentData() == "joint":
            return len(states)
        return int(np.count_nonzero(states == ReviewState.UNREVIEWED))

    def _chosen(self, listed: Listed) -> NDArray[np.int64] | slice:
        """Where they are in the list."""
        keys, scope = listed.rows.keys, self.scope.currentData()
        if scope == "all":
            return slice(None)
        cursor = self._session.cursor
        if scope == "frames":
            project = self._session.project
            number = 0 if project is None else project.first_frame_number
            first, last = self.first.value() - number, self.last.value() - number
            return listed.in_frames(first, last)
        # Asked for at every step: of a whole match there are millions.
        here = listed.in_frames(cursor.frame, cursor.frame)
        if scope in ("person", "joint"):
            here = here[keys[here, 1] == (-1 if cursor.person is None else cursor.person)]
        if scope == "joint":
            here = here[keys[here, 2] == (-1 if cursor.joint is None else cursor.joint)]
        return here

    def show_count(self, text: str, tip: str) -> None:
        """How many changes are listed, and of what in words."""
        self._count.setText(text)
        self._count.setToolTip(tip)

    def remark(self) -> str:
        """What the step's name tells beside its numbers."""
        return f"changes; {self.query.text()}" if self.query.text() else "changes"

    def show_number(self, number: int, share: float | None) -> None:
        """How many changes the buttons would judge, or how far a judgement has got."""
        if share is not None:
            self.accept.setText(f"Judging… {share:.0%}")
        else:
            self.accept.setText(f"Accept {number:,}" if number else "Accept")
        self.reject.setText(f"Reject {number:,}" if number else "Reject")
        project = self._session.project
        may_judge = share is None and project is not None and not project.read_only
        for button in (self.accept, self.reject):
            button.setEnabled(number > 0 and may_judge)
        self.back.setEnabled(may_judge)

    def _on_scope_chosen(self, _row: int) -> None:
        for spin in (self.first, self.last):
            spin.setVisible(self.scope.currentData() == "frames")

    def _show_icons(self, _display: object = None) -> None:
        theme = theme_named(self._session.display.theme)
        names = ("mdi6.chevron-up", "mdi6.chevron-down")
        for button, name in zip(self._steps, names, strict=True):
            button.setIcon(icon(name, theme))
