"""The menu of one view, opened on its title."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QMenu

from app.views.transform import Zoom

if TYPE_CHECKING:
    from app.views.grid import ViewGrid


def make_menu(grid: ViewGrid, camera: int) -> QMenu:
    """What can be done with a camera's view."""
    menu = QMenu(grid)
    is_focused = camera == grid.focused_camera
    menu.addAction("Show all alike" if is_focused else "Focus", lambda: grid.toggle_focus(camera))
    menu.addAction("Whole picture", lambda: grid.set_zoom(camera, Zoom()))
    hide = menu.addAction("Hide", lambda: grid.toggle_camera_visible(camera))
    hide.setEnabled(len(grid.visible_cameras) > 1)
    if grid.hidden_cameras:
        menu.addSeparator()
    for other in grid.hidden_cameras:
        show = menu.addAction(f"Show {grid.panel_of(other).name}")
        show.triggered.connect(
            lambda _checked=False, other=other: grid.toggle_camera_visible(other)
        )
    return menu
