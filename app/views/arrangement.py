"""Which views are shown, in what order, and which is large: the state behind the layout, no Qt.

It is remembered by camera name, since a rig may be calibrated anew with cameras added or gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from app.views.layout import Box, Cell, focus_cells, grid_cells
from core.errors import CommandRefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence


class Arrangement:
    """Order, hidden views and focus of the cameras of a rig.

    Attributes:
        focused: the camera shown large, None while all are alike.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        self._names = tuple(names)
        self._order = list(range(len(self._names)))
        self._hidden: set[int] = set()
        self.focused: int | None = None

    @property
    def visible(self) -> list[int]:
        """The cameras shown, in their order."""
        return [camera for camera in self._order if camera not in self._hidden]

    @property
    def hidden(self) -> list[int]:
        """The cameras not shown, in rig order."""
        return sorted(self._hidden)

    def require(self, camera: int) -> None:
        """Make sure of a camera.

        Raises:
            CommandRefusedError: there is none of that index.
        """
        if not 0 <= camera < len(self._names):
            raise CommandRefusedError(f"There is no camera {camera + 1}.")

    def focus(self, camera: int | None) -> None:
        """Make one view large, also if it was hidden; None makes all alike.

        Raises:
            CommandRefusedError: there is no such camera.
        """
        if camera is not None:
            self.require(camera)
            self._hidden.discard(camera)
        self.focused = camera

    def toggle_visible(self, camera: int) -> None:
        """Hide a view, or show it again.

        Raises:
            CommandRefusedError: there is no such camera, or no other view is shown.
        """
        self.require(camera)
        if camera in self._hidden:
            self._hidden.remove(camera)
            return
        if self.visible == [camera]:
            raise CommandRefusedError(f"{self._names[camera]} is the last view; it stays.")
        self._hidden.add(camera)
        if self.focused == camera:
            self.focused = None

    def show_all(self) -> None:
        """Bring hidden views back."""
        self._hidden.clear()

    def move(self, camera: int, target: int) -> None:
        """Move a view to the place of another; those between make room.

        Raises:
            CommandRefusedError: there is no such camera.
        """
        self.require(camera)
        self.require(target)
        place = self._order.index(target)
        self._order.remove(camera)
        self._order.insert(place, camera)

    def cells(self, aspects: Sequence[float], area: Box) -> dict[int, Cell]:
        """The place of each visible view.

        Args:
            aspects: width / height by camera index, hidden ones included.
            area: where views may lie.
        """
        visible = self.visible
        shown = [aspects[camera] for camera in visible]
        if self.focused is None:
            cells = grid_cells(shown, area)
        else:
            cells = focus_cells(shown, visible.index(self.focused), area)
        return dict(zip(visible, cells, strict=True))

    def state(self) -> dict[str, Any]:
        """Plain values to be remembered; `restore` takes them."""
        return {
            "order": [self._names[camera] for camera in self._order],
            "hidden": [self._names[camera] for camera in self.hidden],
            "focused": None if self.focused is None else self._names[self.focused],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take remembered values; names that are not of this rig are skipped."""
        order = self._known(state.get("order"))
        self._order = order + [camera for camera in self._order if camera not in order]
        self._hidden = set(self._known(state.get("hidden")))
        if len(self._hidden) == len(self._names):
            self._hidden.clear()
        focused = self._known([state.get("focused")])
        self.focused = focused[0] if focused and focused[0] not in self._hidden else None

    def _known(self, names: object) -> list[int]:
        listed = cast("list[object]", names) if isinstance(names, list) else []
        index = {name: camera for camera, name in enumerate(self._names)}
        found = [index[name] for name in listed if isinstance(name, str) and name in index]
        return list(dict.fromkeys(found))
