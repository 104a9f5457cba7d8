"""The commands of editing with the mouse, bound; and the menu of a joint.

Esc is the window's only while there is something to leave: else line edits and dialogs have it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.views.joint_menu import make_joint_menu

if TYPE_CHECKING:
    from PySide6.QtCore import QPoint

    from app.commands import Commands
    from app.session import Session
    from app.views.grid import ViewGrid
    from app.views.hit_test import JointTarget


def bind_editing(grid: ViewGrid, session: Session, commands: Commands) -> None:
    """Bind placing, leaving, and the right click on a joint."""
    editing, leave = grid.editing, commands.actions["cancel"]
    commands.bind("placing", editing.toggle_placing)
    commands.bind("cancel", editing.cancel)

    def follow(_what: object) -> None:
        leave.setEnabled(editing.can_cancel)

    editing.placing_changed.connect(follow)
    session.preview_changed.connect(follow)
    session.feet_mode_changed.connect(follow)
    session.track_preview_changed.connect(follow)
    follow(None)

    def open_menu(target: JointTarget, at: QPoint) -> None:
        menu = make_joint_menu(grid, session, commands, target)
        menu.exec(at)
        menu.deleteLater()

    grid.joint_menu_requested.connect(open_menu)
