"""Why a joint was discarded (or kept), and what can be done about it, in one card."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
)

from app.format import length
from app.history_panel import local_time
from app.inspector.trust import confirm, rescue, take_back, unmute
from app.theme import GRID_PX, theme_named
from core.diagnosis import swaps_in_frame
from core.errors import CommandRefusedError
from core.project import PointKey, ReviewState, outranked_between

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QAbstractButton

    from app.session import Session
    from core.diagnosis import FrameDiagnosis, JointExplanation, SwapSuggestion

_STATES = {
    ReviewState.ACCEPTED: "Accepted",
    ReviewState.LOCKED: "Locked",
    ReviewState.REJECTED: "Rejected",
}

OUTRANKED = "A label contradicts it: the accepted point counts no more."


class VerdictCard(QFrame):
    """The verdict's sentence, what people decided, and buttons for what is left to decide.

    ``swap_requested`` carries the `SwapSuggestion` that somebody wants to look at.
    """

    swap_requested = Signal(object)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._swap: SwapSuggestion | None = None
        # Of a whole frame: selecting somebody else in it asks nothing new.
        self._swaps: tuple[FrameDiagnosis, tuple[SwapSuggestion, ...]] | None = None
        self.setObjectName("verdict")
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID_PX, GRID_PX // 2, GRID_PX, GRID_PX // 2)
        column.setSpacing(GRID_PX // 2)
        self.reason = QLabel()
        self.reason.setWordWrap(True)
        self.reason.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.review = QLabel()
        self.review.setWordWrap(True)
        self.review.setProperty("muted", True)
        self.rescue = QToolButton()
        self.rescue.setText("Rescue")
        self.rescue.setToolTip("Take the point against the rule; it is marked as rescued")
        self.rescue.setPopupMode(QToolButton.ToolButtonPopupMode.MenuButtonPopup)
        self.rescue.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
        self.choices = QMenu(self.rescue)
        self.rescue.setMenu(self.choices)
        self.confirm = QPushButton("Confirm")
        self.confirm.setToolTip("The joint is wrong indeed: it never serves as a pseudo-label")
        self.take_back = QPushButton("Take back")
        self.take_back.setToolTip("Let the joint be unreviewed again")
        self.unmute = QPushButton("Unmute all")
        self.unmute.setToolTip("Let every view of this joint count again")
        self.swap = QPushButton()
        self.swap.setToolTip("Look at the swap, its span and its conflicts, before it is made")
        column.addWidget(self.reason)
        column.addWidget(self.review)
        row = QHBoxLayout()
        row.setSpacing(GRID_PX)
        column.addLayout(row)
        for button in (self.rescue, self.confirm, self.take_back, self.unmute):
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            row.addWidget(button)
        row.addStretch()
        self.swap.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        column.addWidget(self.swap, alignment=Qt.AlignmentFlag.AlignLeft)
        self._connect()

    def _connect(self) -> None:
        self._bind(self.rescue, lambda: rescue(self._session))
        self._bind(self.confirm, lambda: confirm(self._session))
        self._bind(self.take_back, lambda: take_back(self._session))
        self._bind(self.unmute, lambda: unmute(self._session))
        self.swap.clicked.connect(lambda: self.swap_requested.emit(self._swap))

    def _bind(self, button: QAbstractButton, deed: Callable[[], None]) -> None:
        button.clicked.connect(lambda: self._do(deed))

    def _do(self, deed: Callable[[], None]) -> None:
        try:
            deed()
        except CommandRefusedError as error:
            self._session.message_posted.emit(str(error))

    def show_words(self, words: str) -> None:
        """Say why there is nothing to judge."""
        self.reason.setText(words)
        self._frame(is_problem=None)
        parts = (self.review, self.rescue, self.confirm, self.take_back, self.unmute, self.swap)
        for part in parts:
            part.setVisible(False)

    def show_verdict(
        self, explanation: JointExplanation, diagnosis: FrameDiagnosis, row: int, joint: int
    ) -> None:
        """Show a joint's verdict and what can be done about it."""
        session = self._session
        project = session.require_project()
        review = project.review(PointKey(diagnosis.frame, diagnosis.persons[row], joint))
        state = ReviewState.UNREVIEWED if review is None else ReviewState[review.state.upper()]
        self.reason.setText(explanation.sentence)
        self._frame(is_problem=not explanation.kept)
        self.review.setVisible(review is not None)
        if review is not None:
            when = local_time(review.time)
            text = f"{_STATES[state]} by {review.annotator}, {when}."
            key = PointKey(diagnosis.frame, diagnosis.persons[row], joint)
            if key in outranked_between(project.labels, key.frame, key.frame + 1):
                text += f" {OUTRANKED}"
            self.review.setText(text)
        can_edit = not project.read_only
        is_open = can_edit and not explanation.kept and state == ReviewState.UNREVIEWED
        self.rescue.setVisible(is_open and not explanation.degenerate)
        self.confirm.setVisible(is_open)
        is_decided = state in (ReviewState.REJECTED, ReviewState.ACCEPTED)
        self.take_back.setVisible(can_edit and is_decided)
        self.unmute.setVisible(can_edit and bool(explanation.muted))
        self._offer_rescue(explanation, diagnosis, row, joint)
        self._offer_swap(diagnosis, row)

    def _offer_rescue(
        self, explanation: JointExplanation, diagnosis: FrameDiagnosis, row: int, joint: int
    ) -> None:
        self.choices.clear()
        session, cure = self._session, explanation.cure
        as_it_is = "Take the point as it is"
        if cure is not None:
            names = session.require_project().rig.names
            without = ", ".join(names[camera] for camera in cure.without)
            point = diagnosis.triangulation.points_mm[row, joint]
            moved = float(np.linalg.norm(np.array(cure.point_mm) - point))
            words = f"Take it without {without}: {explanation.format_value(cure.value)}"
            action = self.choices.addAction(f"{words}, {length(moved)} from here")
            action.triggered.connect(lambda: self._do(partial(rescue, session, cure.without)))
        action = self.choices.addAction(as_it_is)
        action.triggered.connect(lambda: self._do(partial(rescue, session, ())))

    def _offer_swap(self, diagnosis: FrameDiagnosis, row: int) -> None:
        person = diagnosis.persons[row]
        if self._swaps is None or self._swaps[0] is not diagnosis:
            self._swaps = diagnosis, swaps_in_frame(diagnosis)
        found = [each for each in self._swaps[1] if person in (each.person, each.other)]
        self._swap = found[0] if found else None
        self.swap.setVisible(self._swap is not None)
        if self._swap is not None:
            each, names = self._swap, self._session.require_project().rig.names
            self.swap.setText(
                f"Swap #{each.person} and #{each.other} in {names[each.camera]}? "
                f"{each.residual_before_px:.0f} → {each.residual_after_px:.0f} px …"
            )

    def _frame(self, *, is_problem: bool | None) -> None:
        theme = theme_named(self._session.display.theme)
        if is_problem is None:
            self.setStyleSheet("")
            return
        edge = theme.problem if is_problem else theme.line
        self.setStyleSheet(
            f"#verdict {{ background: {theme.panel}; border: 0; border-left: 3px solid {edge}; }}"
        )
