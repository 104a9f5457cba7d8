"""The menu of a joint, opened by a right click on it: the window's commands that are about it.

The click has selected the joint and its view, so the commands mean it; their keys stand beside
them, and whoever reads them needs the menu no more. What cannot be done now is greyed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QMenu

from core.project import JointKey

if TYPE_CHECKING:
    from app.commands import Commands
    from app.session import Session
    from app.views.grid import ViewGrid
    from app.views.hit_test import JointTarget

_JOINT: tuple[tuple[str, ...], ...] = (
    ("mark_visible", "mark_occluded", "mark_outside"),
    ("confirm_joint", "accept_ghost", "reset_joint", "delete_joint"),
    ("mute_view", "accept_joint", "reject_joint", "lock_joint", "unreview_joint"),
)
_PERSON: tuple[tuple[str, ...], ...] = (
    ("copy_pose", "copy_previous", "swap_sides", "swap_sides_all"),
    ("confirm_person", "accept_ghosts_view", "accept_ghosts_all", "reset_person"),
)


def make_joint_menu(
    grid: ViewGrid, session: Session, commands: Commands, target: JointTarget
) -> QMenu:
    """What can be done with a joint and its person."""
    project = session.require_project()
    menu = QMenu(grid)
    menu.setToolTipsVisible(True)
    joint = project.skeleton.joints[target.joint].replace("_", " ")
    _add_heading(menu, f"{joint} of #{target.person} in {project.rig.names[target.camera]}")
    key = JointKey(session.cursor.frame, target.camera, target.person, target.joint)
    label = project.label(key)
    state = "" if label is None else f"mark_{label.visibility}"
    _fill(menu, commands, _JOINT, state)
    menu.addSeparator()
    _add_heading(menu, f"All of #{target.person}")
    _fill(menu, commands, _PERSON, "")
    return menu


def _add_heading(menu: QMenu, text: str) -> None:
    heading = menu.addAction(text)
    heading.setEnabled(False)


def _fill(
    menu: QMenu, commands: Commands, groups: tuple[tuple[str, ...], ...], checked: str
) -> None:
    for index, names in enumerate(groups):
        if index:
            menu.addSeparator()
        for name in names:
            _add_command(menu, commands, name, is_checked=name == checked)


def _add_command(menu: QMenu, commands: Commands, name: str, *, is_checked: bool) -> None:
    """A line that does what the command does; the command's own action keeps its key and state."""
    action = commands.actions[name]
    keys = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
    line = menu.addAction(f"{action.text()}\t{keys}" if keys else action.text(), action.trigger)
    line.setObjectName(name)
    line.setIcon(action.icon())
    reason = commands.reason_against(name)
    line.setEnabled(not reason)
    line.setToolTip(reason)
    if is_checked:
        line.setCheckable(True)
        line.setChecked(True)
