"""Editing with the mouse: joints dragged, joints placed one after another, whole people moved.

A small state machine over values. A press gives a `Grab`: which joints, and where they were; each
move says through `Session.set_preview` where they would be; the release makes one edit, and Esc
none. Between press and release nothing is written, so nothing has to be taken back.

Trap: the pointer rarely hits a joint in its middle. What moves is the joint by as much as the
pointer moves over the picture, so that a joint never jumps when it is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from PySide6.QtCore import QObject, Signal

from app.format import joint_name
from app.state import EditPreview
from core.errors import CommandRefusedError
from core.labelling import moved_person, place_joint
from core.observations import Source
from core.project import JointKey, ReviewState

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from PySide6.QtCore import QPointF

    from app.session import Session
    from app.views.aids import Aids
    from app.views.hit_test import JointTarget
    from app.views.panel import ViewPanel
    from core.project import Edit


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grab:
    """What is being moved, as it was when it was taken.

    Attributes:
        kind: a joint, a joint that is being placed, or all of a person in one view.
        panel: the view.
        keys: K joints.
        points_px: (K, 2) raw pixels, where they were; where the pointer was if they are placed.
        at_px: where the pointer was, raw pixels.
    """

    kind: Literal["joint", "placing", "person"]
    panel: ViewPanel
    keys: tuple[JointKey, ...]
    points_px: NDArray[np.float64]
    at_px: tuple[float, float]

    def delta_px(self, at: QPointF) -> NDArray[np.float64]:
        """(2,) how far the pointer is over the picture from where it was, raw pixels."""
        return np.subtract(self.panel.transform.to_picture(at.x(), at.y()), self.at_px)


class Editing(QObject):
    """What the mouse edits in the views of a session.

    ``placing_changed(bool)`` tells when clicks begin, or cease, to place joints.
    """

    placing_changed = Signal(bool)

    def __init__(self, session: Session, aids: Aids, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._aids = aids
        self._grab: Grab | None = None
        self._delta_px = np.zeros(2)
        self._is_placing = False
        session.project_changed.connect(self._on_project_changed)
        session.edited.connect(self._on_edited)

    @property
    def is_placing(self) -> bool:
        """Whether a click places the selected joint."""
        return self._is_placing

    @property
    def grab(self) -> Grab | None:
        """What is being moved now."""
        return self._grab

    def toggle_placing(self) -> None:
        """Let each click place the selected joint and go on to the next, or cease to.

        Raises:
            CommandRefusedError: no project is open, it is read-only, or nobody is selected.
        """
        if self._is_placing:
            self._set_placing(is_on=False)
            return
        project = self._session.require_project()
        if project.read_only:
            raise CommandRefusedError(f"Read-only: {project.read_only_reason}")
        if self._session.cursor.person is None:
            raise CommandRefusedError(
                "Select a person first: click a joint, or press Tab."
                if project.persons
                else "Nobody is in this project yet: New person first, in the Edit menu."
            )
        if self._session.cursor.joint is None:
            self._session.select(joint=0)
        self._set_placing(is_on=True)

    @property
    def can_cancel(self) -> bool:
        """Whether there is anything to leave."""
        session = self._session
        modes = (session.preview, session.feet_mode, session.track_preview)
        return self._is_placing or any(mode is not None for mode in modes)

    def cancel(self) -> None:
        """Let go of what is being moved, as it was; else leave the placing of joints."""
        if self._grab is not None:
            self.let_go()
        elif self._is_placing:
            self._set_placing(is_on=False)
        elif self._session.feet_mode is not None:
            self._session.set_feet_mode(None)
        elif self._session.track_preview is not None:
            self._session.set_track_preview(None)

    def press(self, panel: ViewPanel, at: QPointF, target: JointTarget | None) -> bool:
        """Take what is under the pointer; tells whether there was anything to take.

        Args:
            panel: the view.
            at: where in the widget.
            target: the joint there.
        """
        self.let_go()
        if self._is_placing:
            self._take_new(panel, at)
        elif target is not None:
            self._take_joint(panel, at, target)
        return self._grab is not None

    def press_person(self, panel: ViewPanel, at: QPointF) -> bool:
        """Take all of the selected person in a view; tells whether there is anything."""
        self.let_go()
        seen, row = self._session.observations, self._session.person_row
        if seen is None or row is None:
            return False
        person = seen.persons[row]
        points = seen.points_px[row, panel.camera]
        joints = np.flatnonzero(np.isfinite(points).all(axis=-1)).tolist()
        keys = tuple(JointKey(seen.frame, panel.camera, person, joint) for joint in joints)
        if keys:
            self._take("person", panel, at, keys, points[joints])
        return bool(keys)

    def move(self, at: QPointF, *, is_otherwise: bool = False) -> None:
        """Show where things would be if they were let go here.

        Args:
            at: where in the widget.
            is_otherwise: snap where it is off, and not where it is on.
        """
        grab = self._grab
        if grab is None:
            return
        reason = self._why_fixed(grab)
        if reason:
            self.let_go()
            self._session.message_posted.emit(reason)
            return
        self._delta_px = grab.delta_px(at)
        if grab.kind != "person" and self._session.display.snapping != is_otherwise:
            (start,) = grab.points_px
            aimed = start + self._delta_px
            snapped = self._aids.snapped(grab.panel.camera, aimed, grab.panel.transform)
            self._delta_px = snapped - start
        moved = (grab.points_px + self._delta_px).tolist()
        self._session.set_preview(
            EditPreview(
                points_px={key: (x, y) for key, (x, y) in zip(grab.keys, moved, strict=True)}
            )
        )

    def _why_fixed(self, grab: Grab) -> str:
        """Why this cannot be moved; empty where it can."""
        session = self._session
        project, seen, reviews = session.require_project(), session.observations, session.reviews
        if project.read_only:
            return f"Read-only: {project.read_only_reason}"
        person = grab.keys[0].person
        if seen is None or reviews is None or person not in seen.persons:
            return ""
        row = seen.persons.index(person)
        locked = [key.joint for key in grab.keys if reviews[row, key.joint] == ReviewState.LOCKED]
        if not locked:
            return ""
        name = joint_name(project.skeleton.joints[locked[0]])
        more = f" and {len(locked) - 1} more joints are" if len(locked) > 1 else " is"
        return f"{name} of #{person}{more} locked: unlock first, in the Review menu."

    def release(self, *, is_moved: bool) -> None:
        """Let go: one edit, unless it was a click on something that is not being placed."""
        grab, delta = self._grab, self._delta_px
        self._grab = None
        if grab is None or not (is_moved or grab.kind == "placing"):
            return
        if self._attempt(lambda: self._edit_of(grab, delta)) and grab.kind == "placing":
            self._go_on(grab.keys[0])

    def _edit_of(self, grab: Grab, delta_px: NDArray[np.float64]) -> Edit:
        seen, key = self._session.observations, grab.keys[0]
        if grab.kind == "person":
            assert seen is not None
            delta = (float(delta_px[0]), float(delta_px[1]))
            return moved_person(seen, key.camera, key.person, delta)
        return place_joint(key, grab.points_px[0] + delta_px)

    def _attempt(self, make: Callable[[], Edit]) -> bool:
        """Apply an edit; where it is refused, say why and show what was before."""
        try:
            self._session.apply(make())
        except CommandRefusedError as error:
            self._session.message_posted.emit(str(error))
            return False
        finally:
            self._session.set_preview(None)
        return True

    def _take_joint(self, panel: ViewPanel, at: QPointF, target: JointTarget) -> None:
        frame = self._session.cursor.frame
        key = JointKey(frame, target.camera, target.person, target.joint)
        self._take("joint", panel, at, (key,), np.array([target.point_px]))

    def _take_new(self, panel: ViewPanel, at: QPointF) -> None:
        cursor = self._session.cursor
        if cursor.person is None or cursor.joint is None:
            self._session.message_posted.emit("Select a person and a joint to place.")
            return
        key = JointKey(cursor.frame, panel.camera, cursor.person, cursor.joint)
        point = panel.transform.to_picture(at.x(), at.y())
        self._take("placing", panel, at, (key,), np.array([point]))
        self.move(at)

    def _take(
        self,
        kind: Literal["joint", "placing", "person"],
        panel: ViewPanel,
        at: QPointF,
        keys: tuple[JointKey, ...],
        points_px: NDArray[np.float64],
    ) -> None:
        self._delta_px = np.zeros(2)
        self._grab = Grab(
            kind=kind,
            panel=panel,
            keys=keys,
            points_px=points_px,
            at_px=panel.transform.to_picture(at.x(), at.y()),
        )

    def _go_on(self, placed: JointKey) -> None:
        """Select the next joint that nobody placed in this view, or say that all are."""
        seen, row = self._session.observations, self._session.person_row
        if seen is None or row is None:
            return
        is_open = seen.source[row, placed.camera] != Source.HAND
        order = np.roll(np.arange(len(is_open)), -placed.joint - 1)
        following = order[is_open[order]]
        if len(following):
            self._session.select(joint=int(following[0]))
        else:
            self._session.message_posted.emit(
                f"All joints of #{placed.person} are placed in this view."
            )

    def let_go(self) -> None:
        """Leave what is being moved where it was."""
        if self._grab is not None:
            self._grab = None
            self._session.set_preview(None)

    def _set_placing(self, *, is_on: bool) -> None:
        self._is_placing = is_on
        self.placing_changed.emit(is_on)
        if is_on:
            self._session.message_posted.emit(
                "Placing: each click puts the selected joint and goes on to the next. Esc leaves."
            )
        elif self._session.project is not None:
            self._session.message_posted.emit("Placing has ended: a click selects again.")

    def _on_project_changed(self) -> None:
        self._grab = None
        if self._is_placing:
            self._set_placing(is_on=False)

    def _on_edited(self, _change: object) -> None:
        # Something else was edited, or taken back, under the drag: what it started from is gone.
        self._grab = None
