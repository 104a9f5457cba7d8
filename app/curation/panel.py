"""The Curate panel: judge the joint, the person or the frame, or all that a query finds.

It shows how things stand (kept, accepted, locked, rejected) before anything is pressed; its buttons
do what the keys do. The words of the query are those of `core.curation.query`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent, QPalette
from PySide6.QtWidgets import (
    QAbstractButton,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.curation.review_commands import ReviewCommands
from app.curation.search import Search
from app.format import counted, joint_name, pixels
from app.icons import icon
from app.theme import GRID_PX, theme_named
from core.curation.query import EXAMPLE
from core.errors import CommandRefusedError
from core.project import PointKey, ReviewState, outranked_between

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QHideEvent, QShowEvent

    from app.curation.review_commands import Scope, Verb
    from app.session import Session
    from core.diagnosis import FrameDiagnosis

_PRESETS = (
    ("Trustworthy, not judged yet", "kept residual<8 hand=no state=unreviewed"),
    ("Kept joints of the selected person", "kept state=unreviewed person={person}"),
    ("Kept, on this frame", "kept state=unreviewed frame={frame}"),
    ("Discarded", "discarded"),
    ("Kept, but far off in some view", "kept residual>30 state=unreviewed"),
    ("The selected joint, far off in this view", "camera={camera} joint={joint} residual>15"),
    ("Accepted, not locked", "state=accepted"),
    ("Rejected", "state=rejected"),
)
_ICONS: dict[Verb, tuple[str, str]] = {
    "accept": ("mdi6.check", "Accept"),
    "reject": ("mdi6.close", "Reject"),
    "lock": ("mdi6.lock-outline", "Lock"),
    "unlock": ("mdi6.lock-open-variant-outline", "Unlock"),
    "unreview": ("mdi6.undo-variant", "Take back the review"),
}
_TITLES: dict[Verb, str] = {
    "accept": "Accept all",
    "reject": "Reject all",
    "lock": "Lock all",
}
_SCOPES: tuple[tuple[Scope, tuple[Verb, ...]], ...] = (
    ("joint", ("accept", "reject", "lock", "unlock", "unreview")),
    ("person", ("accept", "reject", "lock", "unlock", "unreview")),
    ("frame", ()),
)


class QueryField(QLineEdit):
    """A line of text whose Return is its own, not the window's "accept"."""

    def event(self, event: QEvent) -> bool:
        """Keep Return, and give the keys back to the window on Escape."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Escape):
                event.accept()
                return True
        elif (
            event.type() == QEvent.Type.KeyPress
            and isinstance(event, QKeyEvent)
            and event.key() == Qt.Key.Key_Escape
        ):
            self.clearFocus()
            return True
        return super().event(event)


class CuratePanel(QScrollArea):
    """How the frame stands, and the query."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._commands = ReviewCommands(session, self)
        self.bind_commands = self._commands.bind_commands
        self.search = Search(session, self)
        self._buttons: list[tuple[QToolButton, str]] = []
        self._facts: dict[Scope, QLabel] = {}
        self._judges: list[QWidget] = []
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        content = QWidget()
        self.setWidget(content)
        column = QVBoxLayout(content)
        column.setContentsMargins(2 * GRID_PX, GRID_PX, GRID_PX, GRID_PX // 2)
        column.setSpacing(GRID_PX // 2)
        column.addLayout(self._make_scopes())
        column.addWidget(_rule())
        self._make_search(column)
        column.addStretch(1)
        for signal in (
            session.diagnosis_changed,
            session.cursor_changed,
            session.source_changed,
            session.project_changed,
        ):
            signal.connect(self._show)
        session.display_changed.connect(self._show_icons)
        self.search.changed.connect(self._show_search)
        self._show_icons()
        self._show()
        self._show_search()

    # Parts.

    def _make_scopes(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(GRID_PX)
        grid.setVerticalSpacing(GRID_PX // 2)
        grid.setColumnStretch(0, 1)
        for row, (scope, verbs) in enumerate(_SCOPES):
            facts = self._facts[scope] = QLabel()
            facts.setTextFormat(Qt.TextFormat.RichText)
            facts.setWordWrap(True)
            facts.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
            grid.addWidget(facts, row, 0)
            buttons = QHBoxLayout()
            buttons.setSpacing(GRID_PX // 4)
            for verb in verbs:
                tip = f"{_ICONS[verb][1]}: the {scope}"
                button = self._make_button(_ICONS[verb][0], tip)
                button.clicked.connect(self._judging(verb, scope))
                buttons.addWidget(button)
                self._judges.append(button)
            if scope == "frame":
                button = self._make_button("mdi6.check-all", "Accept all that is kept, and go on")
                button.clicked.connect(lambda: self._try(self._commands.accept_frame_and_go_on))
                buttons.addWidget(button)
                self._judges.append(button)
            buttons.addStretch(1)
            grid.addLayout(buttons, row, 1)
        return grid

    def _make_search(self, column: QVBoxLayout) -> None:
        head = QHBoxLayout()
        head.setSpacing(GRID_PX // 2)
        self.field = QueryField()
        self.field.setPlaceholderText(EXAMPLE)
        self.field.setClearButtonEnabled(True)
        self.field.setAccessibleName("Query")
        self.field.setToolTip(_HELP)
        self.field.textChanged.connect(self.search.set_text)
        self.field.returnPressed.connect(lambda: self._try(lambda: self.search.step(1)))
        head.addWidget(self.field, 1)
        self.presets = QToolButton()
        self.presets.setText("Queries")
        self.presets.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.presets.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        menu = QMenu(self.presets)
        for title, text in _PRESETS:
            menu.addAction(title, lambda text=text: self._use_preset(text))
        self.presets.setMenu(menu)
        head.addWidget(self.presets)
        column.addLayout(head)
        found = QHBoxLayout()
        self.count = QLabel()
        self.count.setWordWrap(True)
        self.count.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        found.addWidget(self.count, 1)
        for name, tip, direction in (
            ("mdi6.chevron-up", "Previous that was found", -1),
            ("mdi6.chevron-down", "Next that was found (Return in the query)", 1),
        ):
            button = self._make_button(name, tip)
            button.clicked.connect(
                lambda _on=False, way=direction: self._try(lambda: self.search.step(way))
            )
            found.addWidget(button)
        column.addLayout(found)
        row = QHBoxLayout()
        row.setSpacing(GRID_PX // 2)
        self.judge_found: dict[Verb, QAbstractButton] = {}
        for verb, (icon_name, title) in _ICONS.items():
            if verb in _TITLES:
                button = QPushButton(_TITLES[verb])
                button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
                button.setToolTip(f"{title} all that was found, in one step")
            else:
                button = self._make_button(icon_name, f"{title}: all that was found")
            self.judge_found[verb] = button
            button.clicked.connect(self._judging_found(verb))
            row.addWidget(button)
        row.addStretch(1)
        column.addLayout(row)

    def _make_button(self, icon_name: str, tip: str) -> QToolButton:
        button = QToolButton()
        button.setAutoRaise(True)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        button.setToolTip(tip)
        button.setAccessibleName(tip)
        self._buttons.append((button, icon_name))
        return button

    # What was asked for.

    def _judging(self, verb: Verb, scope: Scope) -> Callable[[], None]:
        return lambda: self._try(lambda: self._commands.judge(verb, scope))

    def _try(self, what: Callable[[], None]) -> None:
        try:
            what()
        except CommandRefusedError as error:
            self._session.message_posted.emit(str(error))

    def _judging_found(self, verb: Verb) -> Callable[[], None]:
        return lambda: self._try(lambda: self.search.judge(verb))

    def _use_preset(self, text: str) -> None:
        project, cursor = self._session.project, self._session.cursor
        if project is None:
            return
        joints = project.skeleton.joints
        self.field.setText(
            text.format(
                person=cursor.person,
                frame=self._session.frame_number,
                camera=project.rig.names[cursor.camera],
                joint=joints[cursor.joint or 0],
            )
        )

    def showEvent(self, event: QShowEvent) -> None:
        """Count, now that somebody looks."""
        super().showEvent(event)
        self.search.set_active(True)
        self._show()

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody looks."""
        super().hideEvent(event)
        self.search.set_active(False)

    # What is shown.

    def _show_icons(self, _display: object = None) -> None:
        theme = theme_named(self._session.display.theme)
        for button, name in self._buttons:
            button.setIcon(icon(name, theme))

    def _show(self, *_: object) -> None:
        if not self.isVisible():
            return
        reason = "Open a project to judge its pseudo-labels."
        if self._session.project is not None:
            reason = self._commands.why_not()
        for button in self._judges:
            button.setEnabled(not reason)
        diagnosis = self._session.diagnosis
        if reason or diagnosis is None:
            self._facts["joint"].setText(reason)
            self._facts["person"].setText("")
            self._facts["frame"].setText("")
            return
        self._facts["joint"].setText(self._told_joint(diagnosis))
        row = self._session.person_row
        person = self._session.cursor.person
        assert row is not None
        self._facts["person"].setText(
            f"<b>#{person}</b>  {self._told(diagnosis, slice(row, row + 1))}"
        )
        number = f"{self._session.frame_number:,}"
        self._facts["frame"].setText(f"<b>Frame {number}</b>  {self._told(diagnosis, slice(None))}")

    def _told_joint(self, diagnosis: FrameDiagnosis) -> str:
        session, joint, row = self._session, self._session.cursor.joint, self._session.person_row
        assert row is not None
        if joint is None:
            return "Select a joint to judge it by itself."
        name = joint_name(session.require_project().skeleton.joints[joint])
        if not diagnosis.observed[row, :, joint].any():
            return f"<b>{name}</b>  not seen"
        reviews = session.reviews
        state = 0 if reviews is None else int(reviews[row, joint])
        found = diagnosis.triangulation
        verdict = "kept" if found.kept[row, joint] else "discarded"
        residuals = diagnosis.loo_residual_px[row, :, joint]
        worst = float(np.nanmax(residuals)) if np.isfinite(residuals).any() else float("nan")
        decided = ReviewState(state).name.lower()
        if PointKey(diagnosis.frame, diagnosis.persons[row], joint) in self._outranked(diagnosis):
            decided += ", but a label contradicts it"
        return f"<b>{name}</b>  {verdict} · worst {pixels(worst)} · {decided}"

    def _outranked(self, diagnosis: FrameDiagnosis) -> frozenset[PointKey]:
        """The accepted points of the frame that count no more."""
        labels = self._session.require_project().labels
        return outranked_between(labels, diagnosis.frame, diagnosis.frame + 1)

    def _told(self, diagnosis: FrameDiagnosis, rows: slice) -> str:
        seen = diagnosis.observed[rows].any(axis=1)
        kept = diagnosis.triangulation.kept[rows] & seen
        reviews = self._session.reviews
        state = np.zeros(seen.shape, dtype=np.uint8) if reviews is None else reviews[rows]
        parts = [f"{int(kept.sum())} of {int(seen.sum())} kept"]
        for which in (ReviewState.ACCEPTED, ReviewState.LOCKED, ReviewState.REJECTED):
            number = int((state == which).sum())
            if number:
                parts.append(f"{number} {which.name.lower()}")
        of = diagnosis.persons[rows]
        contradicted = sum(key.person in of for key in self._outranked(diagnosis))
        if contradicted:
            parts.append(f"{contradicted} contradicted by a label")
        left = int((kept & (state == ReviewState.UNREVIEWED)).sum())
        parts.append(f"{left} to judge" if left else "nothing to judge")
        return " · ".join(parts)

    def _show_search(self) -> None:
        search = self.search
        self.count.setProperty("problem", bool(search.error))
        self.count.style().unpolish(self.count)
        self.count.style().polish(self.count)
        found = search.selection
        for button in self.judge_found.values():
            button.setEnabled(found is not None and len(found) > 0 and not search.is_judging)
        if self._session.project is None:
            self.count.setText("")
        elif search.error:
            self.count.setText(search.error)
        elif search.is_judging:
            self.count.setText(f"Judging… {search.share:.0%}")
        elif found is None:
            self.count.setText(f"Counting… {search.share:.0%}")
        elif not len(found):
            self.count.setText("Nothing is like that.")
        else:
            text = f"{counted(len(found), 'joint')} of {counted(found.num_persons, 'person')}"
            text += f" in {counted(found.num_frames, 'frame')}"
            for number, noun in (
                (int((~found.kept).sum()), "discarded"),
                (int(found.in_state(ReviewState.ACCEPTED).sum()), "accepted"),
                (int(found.in_state(ReviewState.LOCKED).sum()), "locked"),
                (int(found.in_state(ReviewState.REJECTED).sum()), "rejected"),
            ):
                if number:
                    text += f", {number:,} {noun}"
            self.count.setText(text + (", before the last edit" if search.is_stale else ""))


_HELP = (
    "<p>Terms with spaces between; all have to hold. Several values with commas.</p>"
    "<p><tt>kept discarded hand=yes|no</tt><br>"
    "<tt>residual&lt;8</tt> worst leave-one-out residual, px<br>"
    "<tt>wss&lt;20</tt> mm, <tt>weight&lt;0.2</tt>, <tt>views&gt;=4</tt><br>"
    "<tt>person=5,7 joint=*_wrist camera=ace_2 frame=310..355</tt><br>"
    "<tt>state=unreviewed|accepted|locked|rejected</tt></p>"
)


def _rule() -> QFrame:
    line = QFrame()
    line.setFrameShape(QFrame.Shape.HLine)
    line.setFrameShadow(QFrame.Shadow.Plain)
    line.setForegroundRole(QPalette.ColorRole.Mid)
    return line
