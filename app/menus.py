"""The menu bar: which commands stand in which menu; ``None`` is a line between."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PySide6.QtWidgets import QMenu

    from app.main_window import MainWindow

MENUS: dict[str, tuple[str | None, ...]] = {
    "Project": ("open", "new", "close", None, "export", "merge", "load_truth", None, "quit"),
    "Edit": (
        *("undo", "redo", "history"),
        *(None, "placing", "mark_visible", "mark_occluded", "mark_outside", "delete_joint"),
        *(None, "confirm_joint", "confirm_person", "reset_joint", "reset_person"),
        *(None, "accept_ghost", "accept_ghosts_view", "accept_ghosts_all"),
        *(None, "copy_pose", "copy_previous"),
        *("swap_sides", "swap_sides_all", "swap_sides_frames"),
        *(None, "new_person", "delete_person"),
    ),
    "Review": (
        *("accept_joint", "accept_person", "accept_frame"),
        *(None, "reject_joint", "reject_person"),
        *(None, "lock_joint", "lock_person"),
        *(None, "unreview_joint", "unreview_person"),
    ),
    "Train": (
        "retrain",
        "runs",
        "follow_training",
        None,
        "changes",
        "previous_change",
        "next_change",
        "roll_back",
    ),
    "Trust": (
        *("mute_view", "mute_view_person", "unmute_joint"),
        *(None, "rescue", "confirm_discarded"),
        *(None, "swap_identity", "find_swaps"),
    ),
    "Go": (
        *("previous_frame", "next_frame", "play", "jump"),
        *(None, "previous_labelled", "next_labelled", "first_frame", "last_frame"),
        *(None, "next_person", "previous_person", "next_joint", "previous_joint"),
    ),
    "Views": (
        *("grid", "focus", "frame_person", "reset_zoom", "hide_camera", "show_cameras"),
        *(None, "residuals", "epipolar", "snapping", "boxes", "bystanders", "person_labels"),
        *(None, "picture_tone", "theme"),
    ),
    "Tracks": (
        *("tracks_feet", "tracks_from_detections"),
        *(None, "tracks_split", "tracks_merge", "tracks_swap"),
        *("tracks_interpolate", "tracks_extend", "tracks_delete"),
        *(None, "previous_encounter", "next_encounter"),
    ),
    "3D": ("scene_reset", "scene_follow", "scene_camera", None, "ellipsoids", "scene_views"),
    "Help": ("palette", "keys", "change_keys"),
}


def make_menus(window: MainWindow) -> dict[str, QMenu]:
    """Fill the menu bar; the menus by title."""
    actions = window.commands.actions
    menus: dict[str, QMenu] = {}
    for title, names in MENUS.items():
        menu = menus[title] = window.menuBar().addMenu(title)
        for name in names:
            if name is None:
                menu.addSeparator()
            else:
                menu.addAction(actions[name])
    menu = menus["Views"]
    menu.addSeparator()
    for dock in window.docks.all:
        menu.addAction(dock.toggleViewAction())
    menu.addAction("Default layout", window.lay_out_docks)
    return menus
