"""The panel of ground tracks: buttons, the floor from above, and the list of what wants a look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QSize, Qt, Signal
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QMenu,
    QSizePolicy,
    QSplitter,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.format import counted
from app.jobs import Job
from app.theme import GRID_PX
from app.tracks.dialog import Suggestion, TrackDialog
from app.tracks.editing import edit_of
from app.tracks.empty_page import MAKING, EmptyPage
from app.tracks.feet_bar import FeetBar
from app.tracks.review_list import KINDS, Review, ReviewList
from app.tracks.top_view import TopView
from app.tracks.writing import TrackWriter
from core.errors import CommandRefusedError, DataError
from core.people.track_edits import TrackPlan, extend_track, move_person, spot_of
from core.people.track_making import tracks_from_detections

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.commands import Commands
    from app.jobs import Progress
    from app.session import Session
    from app.state import Cursor
    from app.tracks.dialog import Operation
    from core.people.track_edits import Spot, TrackPart
    from core.people.track_review import Encounter
    from core.project import Project

_CHANGING = (
    *("tracks_split", "tracks_merge", "tracks_swap"),
    *("tracks_interpolate", "tracks_extend", "tracks_delete"),
)
_ICON_PX = 16


class TracksPanel(QWidget):
    """Signals: ``job_started(job)`` for work that the status bar follows."""

    job_started = Signal(object)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._commands: Commands | None = None
        self._making: Job | None = None
        self.writer = TrackWriter(session, self)
        self._row: int | None = None
        self.view = TopView(session)
        self.review = Review(session)
        self.list = ReviewList(session, self.review)
        self.feet_bar = FeetBar(session)
        self._bar = QHBoxLayout()
        self._bar.setContentsMargins(GRID_PX, GRID_PX // 2, GRID_PX, GRID_PX // 2)
        self._bar.setSpacing(0)
        self.count = QLabel()
        self.count.setProperty("muted", True)
        self.count.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        # It gives way where the panel is narrow.
        self.count.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._body = body = QSplitter(Qt.Orientation.Horizontal)
        body.addWidget(self.view)
        body.addWidget(self.list)
        body.setStretchFactor(0, 1)
        body.setSizes([340, 190])
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(self._bar)
        column.addWidget(self.feet_bar)
        self._pages = QStackedWidget()
        self._pages.addWidget(body)
        self._empty = EmptyPage()
        self._pages.addWidget(self._empty)
        column.addWidget(self._pages, 1)
        self.view.menu_requested.connect(self._show_menu)
        self.list.chosen.connect(self._go_to)
        self.review.found.connect(self._on_found)
        self.review.searching.connect(self.job_started)
        self.writer.started.connect(self.job_started)
        session.cursor_changed.connect(self._on_cursor_changed)
        session.project_closing.connect(self._stop)
        session.project_changed.connect(self._choose_page)
        session.feet_mode_changed.connect(self._choose_page)
        self._choose_page()
        self._tell_count()

    # Commands.

    def bind_commands(self, commands: Commands) -> None:
        """Say what the room's commands do, and give them buttons."""
        self._commands = commands
        bind = commands.bind
        bind("tracks_feet", self.toggle_feet)
        bind("tracks_from_detections", self.make_from_detections, self._why_not_made)
        bind("tracks_split", lambda: self.ask("split"))
        bind("tracks_merge", lambda: self.ask("merge"))
        bind("tracks_swap", lambda: self.ask("swap"))
        bind("tracks_interpolate", lambda: self.ask("interpolate"))
        bind("tracks_extend", self.extend)
        bind("tracks_delete", lambda: self.ask("delete"))
        bind("next_encounter", lambda: self.step_encounter(1))
        bind("previous_encounter", lambda: self.step_encounter(-1))
        self._empty.bind_commands(commands)
        for name in MAKING:
            self._add_button(name)
        self._bar.addSpacing(GRID_PX)
        for name in _CHANGING:
            self._add_button(name)
        self._bar.addWidget(self.count, 1)
        self._bar.addWidget(self._kinds_button())
        self._add_button("previous_encounter")
        self._add_button("next_encounter")

    def _add_button(self, name: str) -> None:
        assert self._commands is not None
        button = QToolButton()
        button.setDefaultAction(self._commands.actions[name])
        button.setAutoRaise(True)
        button.setIconSize(QSize(_ICON_PX, _ICON_PX))
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._bar.addWidget(button)

    def _kinds_button(self) -> QToolButton:
        button = QToolButton()
        button.setText("Show")
        button.setAutoRaise(True)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        button.setToolTip("What is listed")
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(button)
        words = {
            "crossing": "People who cross",
            "hidden": "Boxes hidden in most views",
            "jump": "Jumps",
            "gap": "Gaps",
        }
        for kind in KINDS:
            action = menu.addAction(words[kind])
            action.setCheckable(True)
            action.setChecked(True)
            action.setData(kind)
            action.toggled.connect(lambda _on: self._choose_kinds(menu))
        button.setMenu(menu)
        return button

    def _choose_kinds(self, menu: QMenu) -> None:
        chosen = [str(action.data()) for action in menu.actions() if action.isChecked()]
        self._row = None
        self.review.set_kinds(frozenset(chosen))

    def toggle_feet(self) -> None:
        """Let clicks in the views place the selected person, or cease to.

        Raises:
            CommandRefusedError: no project is open, or it is read-only.
        """
        if self._session.feet_mode is not None:
            self._session.set_feet_mode(None)
            return
        self._writable()
        self.feet_bar.start()

    def ask(self, operation: Operation, suggestion: Suggestion | None = None) -> None:
        """Open the dialog of an operation on the selected person's track.

        Raises:
            CommandRefusedError: nobody is selected, or the project is read-only.
        """
        self._writable()
        if suggestion is None and operation == "swap":
            suggestion = self._suggested()
        dialog = TrackDialog(
            self._session, operation, self.writer.carry_out, self.window(), suggestion
        )
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def extend(self) -> None:
        """Let the selected person's track go on to this frame, ever slower.

        Raises:
            CommandRefusedError: nobody is selected, or is on the ground here already.
        """
        project, cursor = self._writable(), self._session.cursor
        if cursor.person is None:
            raise CommandRefusedError("Select a person first: press Tab, or click its way.")
        plan = extend_track(project.tracks, cursor.person, cursor.frame)
        self._session.apply(edit_of(plan, project))

    def place(self, person: int, spot: Spot) -> None:
        """Put somebody at a place at this frame.

        Raises:
            CommandRefusedError: the project is read-only.
        """
        project = self._writable()
        plan = move_person(project.tracks, person, self._session.cursor.frame, spot)
        self._session.apply(edit_of(plan, project))
        self._session.select(person=person)

    def make_from_detections(self) -> None:
        """Make tracks of everybody whose joints can be triangulated, where there are none.

        Raises:
            CommandRefusedError: nothing was detected, it is being done, or the project is
                read-only.
        """
        project = self._writable()
        if self._making is not None:
            raise CommandRefusedError("Tracks are being made already.")
        if reason := self._why_not_made():
            raise CommandRefusedError(reason)

        def work(progress: Progress) -> tuple[TrackPart, ...]:
            return tracks_from_detections(project, progress)

        job = self._making = Job("Making tracks from detections", work, self)
        job.finished.connect(lambda parts: self._on_made(project, parts))
        job.ended.connect(self._on_making_ended)
        self.job_started.emit(job)
        job.start()

    def _why_not_made(self) -> str:
        """Why no tracks can be made from detections; empty where they can."""
        has_any = len(self._session.require_project().observed_frames()) > 0
        return "" if has_any else "Nothing was detected here: click people's feet instead."

    def step_encounter(self, direction: int) -> None:
        """Go to the next (+1) or previous (-1) stretch that wants a look.

        Raises:
            CommandRefusedError: there is none, or they are still being looked for.
        """
        self._session.require_project()
        if not self.review.shown and self.review.is_searching:
            raise CommandRefusedError("Crossings are still being looked for.")
        frame = self._session.cursor.frame
        self._go_to(self.review.next_row(frame, self._row, direction))

    def _writable(self) -> Project:
        project = self._session.require_project()
        if project.read_only:
            raise CommandRefusedError(f"Read-only: {project.read_only_reason}")
        return project

    # What happened.

    def _on_made(self, project: Project, parts: tuple[TrackPart, ...]) -> None:
        if project is not self._session.project:
            return
        persons = {person for part in parts for _, person in part.spots_mm}
        who = counted(len(persons), "person")
        plan = TrackPlan(name=f"Make tracks of {who} from detections", parts=parts)
        self._try(lambda: self.writer.carry_out(edit_of(plan, project), len(plan.spots_mm)))

    def _on_making_ended(self) -> None:
        self._making = None

    def _stop(self) -> None:
        self.writer.finish()
        if self._making is not None:
            self._making.cancel()
            self._making.wait()
            self._making = None

    def _go_to(self, row: int) -> None:
        item = self.review.shown[row]
        self._session.set_frame(item.frame)
        person = self._session.cursor.person
        if person not in item.persons:
            self._session.select(person=item.persons[0])
        self._row = row
        self.view.mark_pair(item.persons)
        self.list.setCurrentIndex(self.review.index(row, 0))
        self._tell_count()

    def _on_cursor_changed(self, old: Cursor, new: Cursor) -> None:
        if old.frame != new.frame and self._row is not None:
            item = self._current()
            if item is None or not item.start <= new.frame < item.stop:
                self._leave_row()

    def _leave_row(self) -> None:
        self._row = None
        self.list.clearSelection()
        self.view.mark_pair(())
        self._tell_count()

    def _current(self) -> Encounter | None:
        shown = self.review.shown
        return shown[self._row] if self._row is not None and self._row < len(shown) else None

    def _suggested(self) -> Suggestion | None:
        """Whom to swap with, where two who cross are being looked at."""
        item, person = self._current(), self._session.cursor.person
        if item is None or len(item.persons) != 2 or person not in item.persons:
            return None
        return Suggestion(other=next(p for p in item.persons if p != person))

    def _choose_page(self) -> None:
        """The floor, unless there is nobody on it and nobody is being placed."""
        session, project = self._session, self._session.project
        is_empty = project is not None and (project.tracks is None or not len(project.tracks))
        is_shown = is_empty and session.feet_mode is None
        if is_shown:
            self._empty.offer_detections(is_on=not self._why_not_made())
        self._pages.setCurrentWidget(self._empty if is_shown else self._body)

    def _on_found(self, _is_complete: bool) -> None:
        self._choose_page()
        frame = self._session.cursor.frame
        self._row = self.review.row_at(frame) if self._row is not None else None
        if self._row is not None:
            self.list.setCurrentIndex(self.review.index(self._row, 0))
        self._tell_count()

    def _tell_count(self) -> None:
        total = len(self.review.shown)
        self.list.setVisible(total > 0)
        if self._session.project is None:
            self.count.setText("")
        elif self.review.is_searching and not total:
            self.count.setText("looking…")
        elif self._row is not None:
            self.count.setText(f"{self._row + 1} of {total}")
        else:
            self.count.setText(f"{total} to look at" if total else "nothing to look at")

    # The menu.

    def _show_menu(self, person: int | None, spot: Spot, place: QPoint) -> None:
        menu = self.make_menu(person, spot)
        menu.exec(place)
        menu.deleteLater()

    def make_menu(self, person: int | None, spot: Spot) -> QMenu:
        """What can be done with somebody, or with an empty place, in the top view."""
        assert self._commands is not None
        menu, actions = QMenu(self), self._commands.actions
        if person is not None:
            for name in (*_CHANGING, "tracks_feet"):
                menu.addAction(actions[name])
            return menu
        project, cursor = self._session.require_project(), self._session.cursor
        if cursor.person is not None:
            is_here = spot_of(project.tracks, cursor.person, cursor.frame) is not None
            verb = "Move" if is_here else "Place"
            chosen = cursor.person
            menu.addAction(
                f"{verb} #{chosen} here", lambda: self._try(lambda: self.place(chosen, spot))
            )
        new = project.next_person()
        menu.addAction(f"New person #{new} here", lambda: self._try(lambda: self.place(new, spot)))
        menu.addSeparator()
        for name in MAKING:
            menu.addAction(actions[name])
        menu.addAction("Whole floor", self.view.show_all)
        return menu

    def _placing(self, person: int, spot: Spot) -> Callable[[], None]:
        return lambda: self._try(lambda: self.place(person, spot))

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except (CommandRefusedError, DataError) as error:
            self._session.message_posted.emit(str(error))
