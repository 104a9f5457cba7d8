"""From Qt's pointer events on the canvas to what is meant: a click, a drag, a turn of the wheel.

An event filter in front of vispy's widget. It takes the events for good, so that vispy neither
interprets them its own way nor warns about Qt calls that it should not use any more. Positions
are logical pixels, like everything in `app.scene.viewpoint`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QMouseEvent, QWheelEvent

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from app.scene.viewpoint import Place

Drag = Literal["turn", "move"]
Constraint = Literal["picture", "level", "ray"]

# A hand shakes that much while it clicks.
_SLACK_PX = 4.0
_ZOOM_PER_NOTCH = 1.15


class PointerTarget(Protocol):
    """Who is told."""

    def clicked(self, position: Place) -> None:
        """The left button was pressed and released in one place."""
        ...

    def double_clicked(self, position: Place) -> None:
        """Twice."""
        ...

    def gripped(self, position: Place) -> bool:
        """The left button was pressed; whether what is there is to be dragged itself."""
        ...

    def pulled(self, position: Place, constraint: Constraint) -> None:
        """What was gripped is dragged there."""
        ...

    def dropped(self) -> None:
        """What was pulled is let go."""
        ...

    def dragged(self, kind: Drag, dx: float, dy: float) -> None:
        """The pointer moved by so much with a button down."""
        ...

    def wheeled(self, factor: float, position: Place) -> None:
        """Nearer (factor < 1) or farther."""
        ...

    def hovered(self, position: Place | None) -> None:
        """The pointer is there with no button down; None = it has left."""
        ...


class Pointer(QObject):
    """Watches a widget."""

    def __init__(self, widget: QWidget, target: PointerTarget) -> None:
        super().__init__(widget)
        self._target = target
        self._pressed_at: Place | None = None
        self._last: Place = (0.0, 0.0)
        self._kind: Drag = "turn"
        self._button = Qt.MouseButton.NoButton
        self._is_drag = False
        self._has_grip = False
        widget.setMouseTracking(True)
        widget.installEventFilter(self)

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """Take pointer events, leave everything else to the widget."""
        kind = event.type()
        if isinstance(event, QWheelEvent):
            notches = event.angleDelta().y() / 120
            self._target.wheeled(_ZOOM_PER_NOTCH**-notches, _place(event))
        elif isinstance(event, QMouseEvent):
            if kind == QEvent.Type.MouseButtonPress:
                self._on_press(event)
            elif kind == QEvent.Type.MouseButtonDblClick:
                self._on_double_click(event)
            elif kind == QEvent.Type.MouseMove:
                self._on_move(event)
            elif kind == QEvent.Type.MouseButtonRelease:
                self._on_release(event)
        elif kind == QEvent.Type.Leave:
            self._target.hovered(None)
            return False
        else:
            return False
        event.accept()
        return True

    def _on_press(self, event: QMouseEvent) -> None:
        if self._pressed_at is not None:
            return  # a second button during a drag
        self._button = event.button()
        is_turn = self._button == Qt.MouseButton.LeftButton and not event.modifiers()
        self._kind = "turn" if is_turn else "move"
        self._pressed_at = self._last = _place(event)
        self._is_drag = False
        is_left = self._button == Qt.MouseButton.LeftButton
        self._has_grip = is_left and self._target.gripped(self._pressed_at)

    def _on_double_click(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._target.double_clicked(_place(event))

    def _on_move(self, event: QMouseEvent) -> None:
        position = _place(event)
        if self._pressed_at is None:
            self._target.hovered(position)
            return
        if not self._is_drag:
            if _distance(position, self._pressed_at) <= _SLACK_PX:
                return
            self._is_drag = True
        if self._has_grip:
            self._target.pulled(position, _constraint(event))
            return
        dx, dy = position[0] - self._last[0], position[1] - self._last[1]
        self._last = position
        self._target.dragged(self._kind, dx, dy)

    def _on_release(self, event: QMouseEvent) -> None:
        if event.button() != self._button or self._pressed_at is None:
            return
        is_click = not self._is_drag and self._button == Qt.MouseButton.LeftButton
        self._pressed_at = None
        self._button = Qt.MouseButton.NoButton
        if self._has_grip:
            self._target.dropped()
        if is_click and not event.modifiers():
            self._target.clicked(_place(event))


def _place(event: QMouseEvent | QWheelEvent) -> Place:
    position = event.position()
    return position.x(), position.y()


def _constraint(event: QMouseEvent) -> Constraint:
    """What a joint that is dragged keeps to, by the keys that are held."""
    if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
        return "ray"
    return "level" if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else "picture"


def _distance(first: Place, second: Place) -> float:
    return ((first[0] - second[0]) ** 2 + (first[1] - second[1]) ** 2) ** 0.5
