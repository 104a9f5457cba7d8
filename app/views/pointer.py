"""What the mouse does in the views: select, hover, zoom, pan, focus, reorder.

Kept apart from the widget as a small state machine over its public methods: a press chooses what
the drag will be, the release ends it. Drags of joints are handed on to `editing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from PySide6.QtCore import Qt

from app.state import HoverTarget
from app.views.handle import handle_distance
from app.views.hit_test import nearest_joint

if TYPE_CHECKING:
    from PySide6.QtCore import QPointF
    from PySide6.QtGui import QMouseEvent, QWheelEvent

    from app.views.grid import ViewGrid
    from app.views.hit_test import JointTarget
    from app.views.panel import ViewPanel

# A press that moves less than this is a click.
DRAG_DISTANCE = 5.0
_ZOOM_PER_NOTCH = 1.2
_NOTCH = 120.0


@dataclass(slots=True)
class _Drag:
    kind: Literal["pan", "title", "edit"]
    panel: ViewPanel
    start: QPointF
    last: QPointF
    is_moving: bool = False


class Pointer:
    """The mouse over a grid of views."""

    def __init__(self, grid: ViewGrid) -> None:
        self._grid = grid
        self._drag: _Drag | None = None
        self.place: QPointF | None = None
        self.target: JointTarget | None = None
        # Whether the handle of the selected person is under the pointer.
        self.is_at_handle = False
        # Where the target was first met: its card stays there and does not dance with the hand.
        self.anchor: QPointF | None = None

    @property
    def panel(self) -> ViewPanel | None:
        """The view under the pointer."""
        return None if self.place is None else self._grid.panel_at(self.place.x(), self.place.y())

    @property
    def drop_panel(self) -> ViewPanel | None:
        """The view that a dragged title would take the place of."""
        drag = self._drag
        if drag is None or drag.kind != "title" or not drag.is_moving:
            return None
        return self.panel if self.panel is not drag.panel else None

    @property
    def is_panning(self) -> bool:
        """Whether a picture is being moved."""
        return self._is_moving("pan")

    @property
    def is_editing(self) -> bool:
        """Whether joints are being moved."""
        return self._is_moving("edit") and self._grid.editing.grab is not None

    def _is_moving(self, kind: str) -> bool:
        return self._drag is not None and self._drag.kind == kind and self._drag.is_moving

    def forget(self) -> None:
        """Another project is shown: what was hit or dragged is no more."""
        self._drag = self.target = self.anchor = None

    def press(self, event: QMouseEvent) -> None:
        """Select, or begin to pan or to move a view."""
        at = event.position()
        self.place = at
        panel = self.panel
        if panel is None:
            self._drag = None
            return
        in_title = panel.cell.title.contains(at.x(), at.y())
        is_left = event.button() == Qt.MouseButton.LeftButton
        kind = "title" if in_title and is_left else "pan"
        self._drag = _Drag(kind, panel, at, at)
        if is_left and not in_title:
            self._press_picture(self._drag)
        elif is_left:
            self._grid.session.select(camera=panel.camera)

    def _press_picture(self, drag: _Drag) -> None:
        """Select what is there, and take it: if the pointer moves, it moves along."""
        panel, at = drag.panel, drag.start
        if self._grid.feet.press(panel, at):
            self._drag = None
            return
        if panel.is_held:
            self._grid.session.select(camera=panel.camera)
            return
        target = self._hit(panel, at)
        editing = self._grid.editing
        is_on_handle = self._is_at_handle(panel, at, target)
        if target is None or is_on_handle or editing.is_placing:
            self._grid.session.select(camera=panel.camera)
        else:
            self._select(target)
        if is_on_handle:
            is_taken = editing.press_person(panel, at)
        else:
            is_taken = editing.press(panel, at, target)
        if is_taken:
            drag.kind = "edit"
            # What is being placed is where the pointer is, from the first moment on.
            drag.is_moving = editing.is_placing
            self._grid.update_pointer_shape()

    def _select(self, target: JointTarget) -> None:
        self._grid.session.select(person=target.person, joint=target.joint, camera=target.camera)

    def _is_at_handle(self, panel: ViewPanel, at: QPointF, target: JointTarget | None) -> bool:
        """Whether the person's handle is meant, and not a joint that is nearer."""
        if self._grid.editing.is_placing or self._grid.feet.is_on:
            return False
        away = handle_distance(panel, self._grid.session.cursor.person, at)
        return away < (float("inf") if target is None else target.distance)

    def move(self, event: QMouseEvent) -> None:
        """Hover, pan, or show where a view would land."""
        at = event.position()
        self.place = at
        drag = self._drag
        if drag is None or not event.buttons():
            self.update_hover()
            self._grid.feet.hover(self.panel, at)
            return
        away = at - drag.start
        if not drag.is_moving and abs(away.x()) + abs(away.y()) < DRAG_DISTANCE:
            return
        drag.is_moving = True
        if drag.kind == "pan":
            step = at - drag.last
            self._grid.set_zoom(drag.panel.camera, drag.panel.transform.panned(step.x(), step.y()))
        elif drag.kind == "edit":
            is_otherwise = bool(event.modifiers() & Qt.KeyboardModifier.AltModifier)
            self._grid.editing.move(at, is_otherwise=is_otherwise)
        else:
            self._grid.update()
        drag.last = at

    def release(self, event: QMouseEvent) -> bool:
        """End the drag; tells whether the press was a click in place."""
        self.place = event.position()
        drag, drop = self._drag, self.drop_panel
        self._drag = None
        if drag is not None and drop is not None:
            self._grid.move_camera(drag.panel.camera, drop.camera)
        if drag is not None and drag.kind == "edit":
            self._grid.editing.release(is_moved=drag.is_moving)
        self._grid.update()
        self.update_hover()
        is_click = drag is not None and not drag.is_moving
        if is_click and event.button() == Qt.MouseButton.RightButton:
            self._ask_for_menu(event)
        return is_click

    def _ask_for_menu(self, event: QMouseEvent) -> None:
        """A right click in place on a joint: what can be done with it."""
        if self.target is not None:
            self._select(self.target)
            self._grid.joint_menu_requested.emit(self.target, event.globalPosition().toPoint())

    def double_click(self, event: QMouseEvent) -> None:
        """Focus the view, or go back to all of them; while joints are placed, one more click."""
        self.place = event.position()
        if self._grid.editing.is_placing:
            self.press(event)
            return
        panel = self.panel
        self._drag = None
        if panel is not None and event.button() == Qt.MouseButton.LeftButton:
            in_title = panel.cell.title.contains(self.place.x(), self.place.y())
            if not in_title and self._grid.feet.press(panel, self.place):
                return
            self._grid.toggle_focus(panel.camera)

    def wheel(self, event: QWheelEvent) -> None:
        """Zoom about the pointer."""
        at = event.position()
        self.place = at
        panel = self.panel
        if panel is None:
            return
        factor = _ZOOM_PER_NOTCH ** (event.angleDelta().y() / _NOTCH)
        self._grid.set_zoom(panel.camera, panel.transform.zoomed(factor, at.x(), at.y()))
        self.update_hover()

    def leave(self) -> None:
        """The pointer is elsewhere."""
        self.place = None
        self.update_hover()
        self._grid.feet.hover(None, None)

    def update_hover(self) -> None:
        """Find what is under the pointer, and say so if it is another joint.

        In a view that still shows the last frame nothing is looked for: what is there now will be
        known in a moment.
        """
        panel = self.panel
        if panel is not None and panel.is_held:
            return
        target, is_on_handle = None, False
        if panel is not None and self.place is not None:
            target = self._hit(panel, self.place)
            is_on_handle = self._is_at_handle(panel, self.place, target)
            target = None if is_on_handle else target
        if is_on_handle != self.is_at_handle:
            self.is_at_handle = is_on_handle
            self._grid.update()
        self._grid.update_pointer_shape()
        is_same = _place_of(target) == _place_of(self.target)
        self.target = target
        if not is_same:
            self.anchor = self.place
            self._grid.update()
        self._grid.session.hover(
            None
            if target is None
            else HoverTarget(person=target.person, joint=target.joint, camera=target.camera)
        )

    def _hit(self, panel: ViewPanel, at: QPointF) -> JointTarget | None:
        if panel.scene is None or not panel.cell.picture.contains(at.x(), at.y()):
            return None
        x, y, transform = at.x(), at.y(), panel.transform
        person = self._grid.session.cursor.person
        joint = nearest_joint(panel.scene, transform, x, y, selected_person=person)
        ghosts = self._grid.aids.ghosts_in(panel.camera)
        ghost = None if ghosts is None else ghosts.at(transform, x, y)
        if joint is None or ghost is None:
            return joint or ghost
        return ghost if ghost.distance < joint.distance else joint


def _place_of(target: JointTarget | None) -> tuple[int, ...] | None:
    """Which joint in which view a target is, however near the pointer."""
    if target is None:
        return None
    return target.camera, target.person, target.joint, target.form
