"""Commands that edit labels by key: states, nudges, ghosts, resets, swaps, people, undo and redo.

They are about the selected joint **in the view under the pointer**, else in the selected one, as
the other keys of the views are: a joint that cannot be seen cannot be clicked either. What can be
about one view or all of them is about the large view where there is one, and about all in the grid.

Arrow keys alone nudge only a joint that was placed or moved since this frame was come to; else they
step through frames and joints. Nobody who goes through frames with the arrows moves a joint by
accident. With Shift or Ctrl they always nudge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from app.keymap import load_commands
from app.stepping import Stepping
from core.errors import CommandRefusedError
from core.labelling import (
    accepted_ghosts,
    confirmed,
    nudged,
    removed,
    removed_person,
    reset_joint,
    reset_person,
    source_of,
    swapped_sides,
)
from core.observations import Source
from core.project import JointKey, SetVisibility

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.commands import Commands
    from app.session import Session
    from app.state import Cursor
    from app.views import ViewGrid
    from core.labelling import Ghosts
    from core.observations import FrameObservations
    from core.project import Change, Visibility

# Right and down, raw pixels.
_ARROWS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
_FAR_PX, _FINE_PX = 10.0, 0.1


class LabelCommands(QObject):
    """What keys do to labels of a session."""

    def __init__(self, session: Session, views: ViewGrid, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._views = views
        self.stepping = Stepping(session, self)
        # Joints that were placed or moved since this frame was come to: arrows nudge them.
        self._touched: set[JointKey] = set()
        # What the last edit nudged; None where it was no nudge.
        self._nudged: JointKey | None = None
        self._is_repeating: Callable[[], bool] = lambda: False
        session.edited.connect(self._on_edited)
        session.cursor_changed.connect(self._on_cursor_changed)

    def bind_commands(self, commands: Commands) -> None:
        """Bind them all."""
        bind, why_not = commands.bind, self._why_no_joint
        self._is_repeating = lambda: commands.held_s > 0
        states: tuple[tuple[str, Visibility], ...] = (
            ("mark_occluded", "occluded"),
            ("mark_visible", "visible"),
            ("mark_outside", "outside"),
        )
        for name, state in states:
            bind(name, lambda state=state: self.mark(state), why_not)
        bind("delete_joint", self.delete_joint, why_not)
        bind("reset_joint", self.reset_joint, why_not)
        bind("reset_person", self.reset_person, self._why_no_person)
        bind("confirm_joint", self.confirm_joint, why_not)
        bind("confirm_person", self.confirm_person, self._why_no_person)
        bind("accept_ghost", self.accept_ghost, self._why_no_ghost)
        bind("accept_ghosts_view", self.accept_ghosts_of_view, self._why_no_ghost)
        bind("accept_ghosts_all", self.accept_all_ghosts, self._why_no_ghost)
        bind("swap_sides", self.swap_sides, self._why_no_person)
        bind("swap_sides_all", self.swap_sides_everywhere, self._why_no_person)
        bind("new_person", self.new_person)
        bind("delete_person", self.delete_person, self._why_no_person)
        for name, (dx, dy) in _ARROWS.items():
            step = self._step_of(commands, name)
            bind(f"arrow_{name}", lambda dx=dx, dy=dy, step=step: self._arrow(dx, dy, step))
            for kind, px in (("far", _FAR_PX), ("fine", _FINE_PX)):
                bind(
                    f"nudge_{kind}_{name}",
                    lambda dx=dx * px, dy=dy * px: self.nudge(dx, dy),
                    why_not,
                )
        self._bind_undo(commands)

    def _step_of(self, commands: Commands, arrow: str) -> Callable[[], None]:
        """What an arrow does while there is nothing to nudge."""
        name = {
            "left": "previous_frame",
            "right": "next_frame",
            "up": "previous_joint",
            "down": "next_joint",
        }[arrow]
        return commands.actions[name].trigger

    # Joints.

    def mark(self, state: Visibility) -> None:
        """Say of the joint in this view that it is visible, occluded or outside."""
        self._session.apply(SetVisibility(keys=(self._key(),), visibility=state))

    def delete_joint(self) -> None:
        """Take the joint away in this view."""
        self._session.apply(removed(self._observations(), self._key()))

    def reset_joint(self) -> None:
        """Let the prediction of the joint show again in this view."""
        self._session.apply(reset_joint(self._key()))

    def confirm_joint(self) -> None:
        """Make the joint a hand label where it is."""
        self._session.apply(confirmed(self._observations(), [self._key()]))

    def nudge(self, dx_px: float, dy_px: float) -> None:
        """Move the joint a little in this view; while a key is held, undo takes all back as one."""
        key = self._key()
        edit = nudged(self._observations(), key, dx_px, dy_px)
        is_going_on = self._is_repeating() and self._nudged == key
        self._session.apply(edit, is_going_on=is_going_on)
        self._nudged = key

    def _arrow(self, dx_px: float, dy_px: float, step: Callable[[], None]) -> None:
        if self._is_armed():
            self.nudge(dx_px, dy_px)
        else:
            step()

    def _is_armed(self) -> bool:
        """Whether arrows nudge: the joint was edited here, and is a label still."""
        observations = self._session.observations
        if observations is None or self._why_no_joint():
            return False
        key = self._key(follow=False)
        is_label = source_of(observations, key) in (Source.HAND, Source.REPROJECTED)
        return key in self._touched and is_label

    # Ghosts.

    def accept_ghost(self) -> None:
        """Put the joint where its ghosts are, in every view that has no hand label of it."""
        key = self._key(follow=False)
        self._accept(key.person, None, [key.joint])

    def accept_ghosts_of_view(self) -> None:
        """Put all joints of the person where their ghosts are, in this view."""
        self._accept(self._person(), [self._camera()], None)

    def accept_all_ghosts(self) -> None:
        """Put all joints of the person where their ghosts are, in all views."""
        self._accept(self._person(), None, None)

    def _accept(self, person: int, cameras: list[int] | None, joints: list[int] | None) -> None:
        edit = accepted_ghosts(
            self._ghosts(),
            self._observations(),
            self._session.require_project().rig,
            person=person,
            cameras=cameras,
            joints=joints,
        )
        self._session.apply(edit)

    # Persons.

    def reset_person(self) -> None:
        """Let the prediction of the person show again: in the large view, or in all."""
        edit = reset_person(self._observations(), self._person(), cameras=self.cameras())
        self._session.apply(edit)

    def confirm_person(self) -> None:
        """Make hand labels of all joints of the person in this view."""
        observations, person, camera = self._observations(), self._person(), self._camera()
        num_joints = observations.points_px.shape[2]
        keys = [JointKey(observations.frame, camera, person, joint) for joint in range(num_joints)]
        self._session.apply(confirmed(observations, keys))

    def swap_sides(self) -> None:
        """Swap left and right of the person in this view."""
        self._swap_sides([self._camera()])

    def swap_sides_everywhere(self) -> None:
        """Swap left and right of the person in all views of this frame."""
        self._swap_sides(list(range(len(self._session.require_project().rig))))

    def _swap_sides(self, cameras: list[int]) -> None:
        skeleton = self._session.require_project().skeleton
        frames = [self._observations()]
        self._session.apply(swapped_sides(frames, skeleton, self._person(), cameras=cameras))

    def new_person(self) -> None:
        """Select somebody who is not there yet: the first joint that is placed makes them be."""
        project = self._session.require_project()
        if project.read_only:
            raise CommandRefusedError(f"Read-only: {project.read_only_reason}")
        person = project.next_person()
        self._session.select(person=person, joint=0)
        self._session.message_posted.emit(
            f"#{person} is new: place the first joint, and it is there."
        )

    def delete_person(self) -> None:
        """Take the person out of this frame."""
        person = self._person()
        self._session.apply(removed_person(self._observations(), person))

    # Undo.

    def _bind_undo(self, commands: Commands) -> None:
        session = self._session

        def name_them() -> None:
            project = session.project
            for name, found in (
                ("undo", None if project is None else project.undo_description),
                ("redo", None if project is None else project.redo_description),
            ):
                title = load_commands()[name].title
                commands.actions[name].setText(f"{title}: {found}" if found else title)

        def why_not(found: str | None, what: str) -> str:
            return "" if found else f"There is nothing to {what}."

        bind = commands.bind
        bind(
            "undo",
            self.stepping.undo,
            lambda: why_not(session.require_project().undo_description, "undo"),
        )
        bind(
            "redo",
            self.stepping.redo,
            lambda: why_not(session.require_project().redo_description, "redo"),
        )
        session.edited.connect(name_them)
        session.project_changed.connect(name_them)
        name_them()

    # What they are about.

    def cameras(self) -> list[int]:
        """The views that a command about a person is about: the large one, or all."""
        focused = self._views.focused_camera
        if focused is not None:
            return [focused]
        return list(range(len(self._session.require_project().rig)))

    def _camera(self) -> int:
        """The view under the pointer, else the selected one; it is selected from now on."""
        camera = self._views.meant_camera
        self._session.select(camera=camera)
        return camera

    def _person(self) -> int:
        person = self._session.cursor.person
        if person is None:
            raise CommandRefusedError(self._why_no_person())
        return person

    def _key(self, *, follow: bool = True) -> JointKey:
        """The selected joint in the view that is meant.

        Args:
            follow: select that view.
        """
        cursor = self._session.cursor
        if cursor.person is None or cursor.joint is None:
            raise CommandRefusedError(self._why_no_joint())
        camera = self._camera() if follow else self._views.meant_camera
        return JointKey(cursor.frame, camera, cursor.person, cursor.joint)

    def _observations(self) -> FrameObservations:
        self._session.require_project()
        assert self._session.observations is not None
        return self._session.observations

    def _ghosts(self) -> Ghosts:
        ghosts = self._session.ghosts
        if ghosts is None:
            raise CommandRefusedError("The triangulation is still being prepared.")
        return ghosts

    def _why_no_person(self) -> str:
        is_there = self._session.cursor.person is not None
        return "" if is_there else "Select a person first: click a joint, or press Tab."

    def _why_no_joint(self) -> str:
        cursor = self._session.cursor
        is_there = cursor.person is not None and cursor.joint is not None
        return "" if is_there else "Select a joint first: click it, or press S."

    def _why_no_ghost(self) -> str:
        ghosts, cursor = self._session.ghosts, self._session.cursor
        if ghosts is not None and cursor.person in ghosts.persons:
            row = ghosts.persons.index(cursor.person)
            if (ghosts.placed[row].sum(axis=0) >= 2).any():
                return ""
        return "Place a joint by hand in two views first."

    # What happened.

    def _on_edited(self, change: Change) -> None:
        self._nudged = None
        frame = self._session.cursor.frame
        self._touched |= {key for key in change.keys if key.frame == frame}

    def _on_cursor_changed(self, old: Cursor, new: Cursor) -> None:
        if old.frame != new.frame:
            self._touched.clear()
