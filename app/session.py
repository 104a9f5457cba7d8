"""The one mutable document of a running window: project, cursor, settings, what follows from them.

Views read the session and listen to its signals; they never talk to each other. Reading a frame
and triangulating it takes a few milliseconds, so both happen at once on the window's thread;
pictures, summaries and proxies are background work (`app.jobs`, `core.recording.FrameLoader`).
"""

from __future__ import annotations

import math
import threading
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QTimer

from app.document import Document
from app.format import counted
from app.state import Cursor, OpenedProject
from core.curation.sources import DetectionSource
from core.errors import CommandRefusedError
from core.project import Place, Project

if TYPE_CHECKING:
    from pathlib import Path

    from PySide6.QtCore import QObject

    from app.state import EditPreview, FeetMode, HoverTarget, TrackPreview
    from core.curation.round_diff import RoundDiff
    from core.curation.sources import FrameSource, RunSource
    from core.diagnosis import RecordingSummary
    from core.project import Change, Edit
    from core.project.predictions import News

# Asking for pictures of any size reads what a camera's files have.
_ANY_SIZE_PX = (1, 1)


class Session(Document):
    """Everything that can be done to the document.

    Edits go one way: a view makes an `Edit` and calls `apply`; once it is durable,
    ``edited(change)`` tells which keys are other than before, after observations, ghosts and
    diagnosis of the frame under the cursor have followed. While something is dragged,
    ``preview_changed(preview)`` tells where it would be (None = no more), with `ghosts` already in
    step; nothing is written.
    """

    def __init__(self, parent: QObject | None = None, *, read_only: bool = False) -> None:
        super().__init__(parent)
        self._is_read_only = read_only
        # What the run shown has predicted since, while something is being dragged.
        self._news: tuple[RunSource, News] | None = None
        self.engine_warmed.connect(self._on_engine_ready)

    def warm_up(self) -> None:
        """Load the compiled triangulation in the background; frames are diagnosed once it is in."""

        def load() -> None:
            from core.diagnosis import warm_up

            warm_up()
            with suppress(RuntimeError):  # the window may be gone by then, and this with it
                self.engine_warmed.emit()

        threading.Thread(target=load, name="warm-up", daemon=True).start()

    def load_project(self, path: Path) -> OpenedProject:
        """Read a project and what its views need; safe on any thread, changes nothing here.

        Raises:
            DataError: the project cannot be read; the message says why.
        """
        project = Project.open(path, read_only=self._is_read_only)
        recording = project.recording()
        # What is slow the first time (files, imports) happens here, not on the window's thread.
        project.observations(0)
        for camera in range(len(project.rig)):
            recording.fitting_size(camera, _ANY_SIZE_PX)
        return OpenedProject(project, recording)

    def open_project(self, path: Path) -> None:
        """Open a project in place of the current one, which stays open if this fails.

        Raises:
            DataError: the project cannot be read; the message says why.
        """
        self.take(self.load_project(path))

    def take(self, opened: OpenedProject) -> None:
        """Show a project that was loaded; the former one is closed."""
        project = opened.project
        self._adopt(opened)
        if project.read_only and not self._is_read_only:
            self.message_posted.emit(f"Opened read-only: {project.read_only_reason}")
        else:
            frames = counted(project.num_frames, "frame")
            self.message_posted.emit(f"Opened {project.name}: {frames}")

    def _adopt(self, opened: OpenedProject | None) -> None:
        previous = self._project
        if previous is not None:
            self.project_closing.emit()
        project = self._project = None if opened is None else opened.project
        self._recording = None if opened is None else opened.recording
        self._hover = self._summary = self._truth = None
        self._preview = None
        self._shown.adopt(project)
        self._news = None
        self._stepped_s = -math.inf
        self.set_blinking(False)
        self.set_feet_mode(None)
        self.set_track_preview(None)
        if project is not None:
            self._settings = project.settings
            self._cursor = Cursor(joint=0)
            self._read_frame()
            persons = self.observations.persons if self.observations else ()
            self._cursor = replace(self._cursor, person=persons[0] if persons else None)
        if previous is not None:
            previous.close()
        self.project_changed.emit()
        self.compared_changed.emit(None)
        self.settings_changed.emit(self._settings)
        self.cursor_changed.emit(self._cursor, self._cursor)
        self.diagnosis_changed.emit(self.diagnosis)

    def step_labelled(self, direction: int) -> None:
        """Go to the next (+1) or previous (-1) frame that people annotated.

        Raises:
            CommandRefusedError: there is none on that side.
        """
        labelled = self.require_project().labelled_frames()
        frame = self._cursor.frame
        side = labelled[labelled > frame] if direction > 0 else labelled[labelled < frame][::-1]
        if not len(side):
            raise CommandRefusedError(
                f"No annotated frame {'after' if direction > 0 else 'before'} this one."
            )
        self.set_frame(int(side[0]))

    def step_joint(self, num_joints: int) -> None:
        """Select the next or previous joint, round and round."""
        project = self.require_project()
        joint = 0 if self._cursor.joint is None else self._cursor.joint + num_joints
        self.select(joint=joint % project.skeleton.num_joints)

    def step_person(self, num_persons: int) -> None:
        """Select the next or previous person of this frame, round and round."""
        persons = self.observations.persons if self.observations is not None else ()
        if not persons:
            raise CommandRefusedError("Nobody is tracked or detected in this frame.")
        row = self.person_row
        self.select(person=persons[0 if row is None else (row + num_persons) % len(persons)])

    def close_project(self) -> None:
        """Close the project; the window shows how to open another."""
        self._adopt(None)

    def set_frame(self, frame: int) -> None:
        """Go to a frame, clipped to the recording."""
        if self._project is None:
            return
        frame = min(max(frame, 0), self._project.num_frames - 1)
        if frame == self._cursor.frame:
            return
        old, self._cursor = self._cursor, replace(self._cursor, frame=frame)
        self._read_frame()
        if self._cursor.person is None and self.observations and self.observations.persons:
            # The recording began with nobody in sight: the first who comes is selected.
            self._cursor = replace(self._cursor, person=self.observations.persons[0])
        self.cursor_changed.emit(old, self._cursor)
        self.diagnosis_changed.emit(self.diagnosis)

    def set_frame_number(self, number: int) -> None:
        """Go to a frame by the number people see, clipped to the recording."""
        if self._project is not None:
            self.set_frame(number - self._project.first_frame_number)

    def step(self, num_frames: int) -> None:
        """Go forward or back."""
        self.set_frame(self._cursor.frame + num_frames)

    def select(
        self, *, person: int | None = None, joint: int | None = None, camera: int | None = None
    ) -> None:
        """Select a person, joint or camera; what is None stays as it is."""
        old = self._cursor
        self._cursor = Cursor(
            frame=old.frame,
            camera=old.camera if camera is None else camera,
            person=old.person if person is None else person,
            joint=old.joint if joint is None else joint,
        )
        if self._cursor != old:
            self.cursor_changed.emit(old, self._cursor)

    # Edits.

    def apply(
        self, edit: Edit, *, is_going_on: bool = False, next_frame: int | None = None
    ) -> Change:
        """Carry out an edit; it is durable, and everything here is in step, when this returns.

        Args:
            edit: what shall be.
            is_going_on: it goes on with the edit before: undo takes both back as one.
            next_frame: go there once it is durable; the frame that is left is not shown again.

        Raises:
            CommandRefusedError: where it cannot be made, or the project is read-only.
        """
        project, cursor = self.require_project(), self._cursor
        place = Place(cursor.frame, cursor.camera, cursor.person, cursor.joint)
        change = project.apply(edit, place=place, is_going_on=is_going_on)
        if next_frame is not None:
            self._cursor = replace(cursor, frame=next_frame)
        self._follow(change, cursor)
        return change

    def undo(self) -> None:
        """Take the latest edit back and go to where it was made.

        Raises:
            CommandRefusedError: there is none, or it is an import.
        """
        self._go_back(self.require_project().undo())

    def redo(self) -> None:
        """Bring the latest undone edit back and go to where it was made.

        Raises:
            CommandRefusedError: there is none.
        """
        self._go_back(self.require_project().redo())

    def go_to_step(self, step: int) -> None:
        """Take back all steps of the history after one, or bring back all up to it.

        Raises:
            CommandRefusedError: it was undone for good, or nothing is to be done.
        """
        self._go_back(self.require_project().go_to_step(step))

    def set_preview(self, preview: EditPreview | None) -> None:
        """Show where joints would be that are being dragged; None ends it."""
        self._preview = preview
        self._shown.find_ghosts(preview)
        self.preview_changed.emit(preview)
        self._take_up_later()

    def set_track_preview(self, preview: TrackPreview | None) -> None:
        """Show where people would stand who are being moved; None ends it."""
        if preview is not None or self._track_preview is not None:
            self._track_preview = preview
            self.track_preview_changed.emit(preview)
            self._take_up_later()

    def set_feet_mode(self, mode: FeetMode | None) -> None:
        """Let clicks in the views say where a person stands; None lets them select again.

        Raises:
            CommandRefusedError: no project is open.
        """
        if mode is not None:
            self.require_project()
        if mode != self._feet_mode:
            self._feet_mode = mode
            self.set_track_preview(None)
            self.feet_mode_changed.emit(mode)

    def come_back(self, change: Change) -> None:
        """Take in what a job has undone or redone, and go to where it was made."""
        self._go_back(change)

    def follow(self, change: Change) -> None:
        """Take in an edit of many rows that a job has carried out on the project."""
        self._follow(change, self._cursor)

    def _go_back(self, change: Change) -> None:
        place, old = change.place, self._cursor
        if place is not None:
            self._cursor = Cursor(
                frame=place.frame,
                camera=old.camera if place.camera is None else place.camera,
                person=old.person if place.person is None else place.person,
                joint=old.joint if place.joint is None else place.joint,
            )
        self._follow(change, old)

    def _follow(self, change: Change, old: Cursor) -> None:
        """Take in what an edit has changed, made from the cursor `old`."""
        self._preview = None
        self.set_track_preview(None)
        self._take_up_later()
        is_other = self._cursor.frame != old.frame
        is_here = is_other or change.touches(self._cursor.frame)
        if is_here and (is_other or change.is_seen):
            self._read_frame()
        elif is_here:
            self._shown.read_reviews()
        if self._cursor != old:
            self.cursor_changed.emit(old, self._cursor)
        if change:
            self.edited.emit(change)
        self.message_posted.emit(
            change.description if change else "Nothing to change: it is like that already."
        )
        if is_here:
            self.diagnosis_changed.emit(self.diagnosis)

    def hover(self, target: HoverTarget | None) -> None:
        """Say which joint the pointer is over."""
        if target != self._hover:
            self._hover = target
            self.hover_changed.emit(target)

    def set_settings(self, **changes: Any) -> None:  # noqa: ANN401 - fields of the settings
        """Change how frames are triangulated; the diagnosis follows at once."""
        settings = replace(self._settings, **changes)
        if settings == self._settings:
            return
        self._settings = settings
        if self._project is not None and not self._project.read_only:
            try:
                self._project.set_settings(settings)
            except OSError as error:
                self.message_posted.emit(f"The settings hold, but could not be saved: {error}")
        self.settings_changed.emit(settings)
        self._shown.diagnose(settings)
        self.diagnosis_changed.emit(self.diagnosis)

    def set_source(self, source: FrameSource | None, *, is_step: bool = False) -> None:
        """Show the observations of another source, and close the former; None = the detections.

        Args:
            source: it is the session's from now on.
            is_step: another one may be shown in a moment: what goes on behind the views waits until
                somebody stays with one (`rest_ms`).

        Raises:
            CommandRefusedError: no project is open.
        """
        project = self.require_project()
        self.source_closing.emit()
        self._shown.show(source or DetectionSource(project))
        self._stepped_s = time.monotonic() if is_step else -math.inf
        self._news = None
        self._read_frame()
        self.set_summary(None)
        self.source_changed.emit(self.source)
        self.cursor_changed.emit(self._cursor, self._cursor)
        self.diagnosis_changed.emit(self.diagnosis)

    def take_up(self, source: RunSource, news: News) -> None:
        """Let the source shown answer with what its run has predicted since; nothing else changes.

        Cursor, selection, zoom and settings stay. While something is dragged it waits until that
        has ended; what comes meanwhile takes its place.

        Args:
            source: whose news they are; where another is shown by now, nothing happens.
            news: what `RunSource.look` read, on a thread of its own.
        """
        self._news = source, news
        self._take_up_waiting()

    def _take_up_waiting(self) -> None:
        if self._news is None or self.is_dragging:
            return
        (source, news), self._news = self._news, None
        if source is not self.source:
            return
        taken = frozenset(source.take(news).tolist())
        is_here = self._cursor.frame in taken
        if is_here:
            self._read_frame()
        if taken:
            self.taken_up.emit(taken)
        if is_here:
            self.diagnosis_changed.emit(self.diagnosis)

    def _take_up_later(self) -> None:
        """In a turn of its own: what was dragged is dropped, and the drop may be an edit first."""
        if self._news is not None:
            QTimer.singleShot(0, self, self._take_up_waiting)

    def set_compared(self, source: FrameSource | None) -> None:
        """Put another source beside the one shown, as the side before; the former is closed.

        Args:
            source: it is the session's from now on, and closed with it; None compares nothing.

        Raises:
            CommandRefusedError: no project is open.
        """
        self.require_project()
        self._shown.compare(source)
        if source is None:
            self.set_blinking(False)
        self.compared_changed.emit(source)

    def set_blinking(self, is_on: bool) -> None:
        """Let views show the side before, as long as a key is held; without one there is none."""
        is_on = is_on and self.compared is not None
        if is_on != self._is_blinking:
            self._is_blinking = is_on
            self.blink_changed.emit(is_on)

    def set_diff(self, diff: RoundDiff | None) -> None:
        """Take up what background work found to differ between `compared` and the source."""
        if diff is not None or self._diff is not None:
            self._diff = diff
            self.diff_changed.emit(diff)

    def set_summary(self, summary: RecordingSummary | None) -> None:
        """Take up what background work found about the whole recording."""
        self._summary = summary
        self.summary_changed.emit(summary)

    def load_truth(self, path: Path) -> None:
        """Show the truth of a generated match in the 3D viewer.

        Raises:
            DataError: the file is none, or of another recording.
        """
        from core.synthetic.truth import read_truth_of

        project = self.require_project()
        self._truth = read_truth_of(path, project.name, project.skeleton.joints)
        self.truth_changed.emit()
        self.message_posted.emit("Truth loaded: drawn as thin white figures in the 3D viewer.")

    def set_display(self, **changes: Any) -> None:  # noqa: ANN401 - fields of the settings
        """Change how things are shown."""
        display = replace(self._display, **changes)
        if display != self._display:
            self._display = display
            self.display_changed.emit(display)

    # What follows from it.

    def _read_frame(self) -> None:
        self._preview = None
        self._take_up_later()
        self._shown.read(self._cursor.frame, self._settings)

    def _on_engine_ready(self) -> None:
        self._shown.is_engine_ready = True
        self._shown.find_ghosts(self._preview)
        self._shown.diagnose(self._settings)
        self.diagnosis_changed.emit(self.diagnosis)
