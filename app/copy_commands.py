"""Copy a person's pose: from other frames, from the other views, from the predictions of a run.

Hand labels are never written over. The large view is filled where there is one, all views in the
grid. What a run predicts is read in the background: its files may be large.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QCursor
from PySide6.QtWidgets import QMenu

from app.jobs import Job
from core.curation.choices import open_source, source_choices
from core.errors import CommandRefusedError, DataError
from core.labelling import copied_from_frame, copied_from_views

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QWidget

    from app.commands import Commands
    from app.label_commands import LabelCommands
    from app.session import Session
    from core.curation.choices import SourceChoice
    from core.observations import FrameObservations


class CopyCommands(QObject):
    """What can be copied into the frame under the cursor."""

    def __init__(self, session: Session, labels: LabelCommands, window: QWidget) -> None:
        super().__init__(window)
        self._session = session
        self._labels = labels
        self._window = window
        self._menu: QMenu | None = None
        self._reading: Job | None = None

    def bind_commands(self, commands: Commands) -> None:
        """Bind them."""
        commands.bind("copy_pose", self.show_menu)
        commands.bind("copy_previous", self.copy_previous)

    def show_menu(self) -> None:
        """Offer everything that the pose of the selected person can be copied from."""
        menu = self.make_menu()
        menu.popup(QCursor.pos())

    def make_menu(self) -> QMenu:
        """The menu, made for the cursor's person and frame.

        Raises:
            CommandRefusedError: no project is open, or nobody is selected.
        """
        project, person = self._session.require_project(), self._person()
        menu = self._menu = QMenu(self._window)
        menu.setToolTipsVisible(True)
        heading = menu.addAction(
            f"Copy #{person} into {self._where()}, never over hand labels, from"
        )
        heading.setEnabled(False)
        menu.addSeparator()
        frame = self._session.cursor.frame
        number = project.first_frame_number
        for other, name in (
            (frame - 1, "the frame before"),
            (frame + 1, "the frame after"),
            (self._labelled(-1), "the annotated frame before"),
            (self._labelled(1), "the annotated frame after"),
        ):
            if other is not None and 0 <= other < project.num_frames:
                self._add(menu, f"{name} ({other + number})", self._from_frame(other))
        menu.addSeparator()
        self._add(menu, "the other views, triangulated without the view itself", self.copy_views)
        menu.addSeparator()
        choices = source_choices(project)
        for choice in choices:
            title = "the imported detections" if choice.run is None else choice.title
            self._add(menu, title, self._from_source(choice)).setToolTip(choice.detail)
        if len(choices) == 1:
            hint = menu.addAction("Runs show here once they have predicted.")
            hint.setEnabled(False)
        return menu

    def copy_previous(self) -> None:
        """Copy from the frame before."""
        frame = self._session.cursor.frame
        if frame == 0:
            raise CommandRefusedError("This is the first frame: there is none to copy from.")
        self._copy_frame(frame - 1)

    def copy_views(self) -> None:
        """Put joints where the other views see them: each view's point is made without that view.

        Raises:
            CommandRefusedError: there is no triangulation, or nothing is left to put.
        """
        project, person = self._session.require_project(), self._person()
        diagnosis = self._session.diagnosis
        if diagnosis is None:
            raise CommandRefusedError("The triangulation is still being prepared.")
        edit = copied_from_views(
            self._observations(), diagnosis, project.rig, person, cameras=self._labels.cameras()
        )
        self._session.apply(edit)

    def _add(self, menu: QMenu, title: str, act: Callable[[], None]) -> QAction:
        def run() -> None:
            try:
                act()
            except (CommandRefusedError, DataError) as error:
                self._session.message_posted.emit(str(error))

        action = menu.addAction(title)
        action.triggered.connect(run)
        return action

    def _from_frame(self, frame: int) -> Callable[[], None]:
        return lambda: self._copy_frame(frame)

    def _from_source(self, choice: SourceChoice) -> Callable[[], None]:
        return lambda: self._read_source(choice)

    def _copy_frame(self, frame: int) -> None:
        source = self._session.source
        assert source is not None
        number = frame + self._session.require_project().first_frame_number
        self._copy(source.observations(frame), f"frame {number}")

    def _copy(self, other: FrameObservations, origin: str) -> None:
        person = self._person()
        edit = copied_from_frame(
            self._observations(),
            other,
            person,
            cameras=self._labels.cameras(),
            name=f"Copy #{person} from {origin}",
        )
        self._session.apply(edit)

    def _read_source(self, choice: SourceChoice) -> None:
        project, place = self._session.require_project(), self._session.cursor

        def read(_progress: object) -> FrameObservations:
            source = open_source(project, choice)
            try:
                return source.observations(place.frame)
            finally:
                source.close()

        def take(found: FrameObservations) -> None:
            cursor = self._session.cursor
            if (self._session.project, cursor.frame, cursor.person) != (
                project,
                place.frame,
                place.person,
            ):
                return  # somebody went on meanwhile: nothing may change behind their back
            try:
                self._copy(found, choice.title)
            except CommandRefusedError as error:
                self._session.message_posted.emit(str(error))

        job = Job(f"Reading {choice.title}", read, self)
        job.finished.connect(take)
        job.failed.connect(self._session.message_posted.emit)
        self._reading = job
        job.start()

    def _labelled(self, direction: int) -> int | None:
        """The nearest annotated frame on one side."""
        frames = self._session.require_project().labelled_frames()
        frame = self._session.cursor.frame
        side = frames[frames > frame] if direction > 0 else frames[frames < frame][::-1]
        return int(side[0]) if len(side) else None

    def _where(self) -> str:
        cameras = self._labels.cameras()
        names = self._session.require_project().rig.names
        return names[cameras[0]] if len(cameras) == 1 else "all views"

    def _person(self) -> int:
        person = self._session.cursor.person
        if person is None:
            raise CommandRefusedError("Select a person first: click a joint, or press Tab.")
        return person

    def _observations(self) -> FrameObservations:
        assert self._session.observations is not None
        return self._session.observations
