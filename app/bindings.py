"""What every command does: the one place where the key table and the rooms meet.

A room with more than a line or two has a ``bind_commands`` of its own, called here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.inspector.trust import bind_trust
from app.retrain.binding import bind_retrain
from app.stride import Stride
from app.views.binding import bind_editing

if TYPE_CHECKING:
    from app.main_window import MainWindow


def bind_commands(window: MainWindow) -> None:
    """Bind all commands of a window."""
    _bind_moving(window)
    _bind_views(window)
    bind, session, scene = window.commands.bind, window.session, window.scene
    bind("open", window.choose_project)
    bind("new", window.new_project)
    bind("close", session.close_project)
    bind("export", window.export)
    bind("merge", window.merge)
    bind("load_truth", window.load_truth)
    bind("quit", window.close)
    bind("scene_reset", scene.reset_view)
    bind("scene_follow", scene.toggle_follow)
    bind("scene_camera", lambda: scene.look_through(session.cursor.camera))
    bind("scene_views", scene.choose_next_views)
    bind("keys", window.show_keys)
    bind("change_keys", window.change_keys)
    bind("palette", window.show_palette)
    # The rooms, one line each.
    bind_trust(window.commands, session)
    window.panels.inspector.identity_page.bind_commands(window.commands)
    window.labels.bind_commands(window.commands)
    window.panels.tracks.bind_commands(window.commands)
    window.copying.bind_commands(window.commands)
    window.panels.curate.bind_commands(window.commands)
    window.panels.queue.bind_commands(window.commands, window.views.frame_person)
    window.panels.queue.walk.job_started.connect(window.status.follow)
    window.feedback.bind_commands(window.commands)
    panels = window.panels
    panels.rounds.bind_commands(window.commands, lambda: window.docks.show(panels.rounds))
    window.panels.runs.bind_commands(window.commands, lambda: window.docks.show(window.panels.runs))
    button, set_note = window.context_bar.retrain, window.panels.runs.set_note
    bind_retrain(window.commands, button, window.retrain, set_note)
    bind("runs", window.manage_runs)
    bind("swap_sides_frames", window.swap_sides_over_frames)
    bind("history", lambda: window.docks.show(window.panels.history))


def _bind_moving(window: MainWindow) -> None:
    bind, session = window.commands.bind, window.session
    stride = Stride(session, window.commands, lambda: window.views.is_settled)
    bind("previous_frame", lambda: stride.step(-1))
    bind("next_frame", lambda: stride.step(1))
    bind("back_10", lambda: session.step(-10))
    bind("forward_10", lambda: session.step(10))
    bind("play", window.player.toggle)
    bind("previous_labelled", lambda: session.step_labelled(-1))
    bind("next_labelled", lambda: session.step_labelled(1))
    bind("first_frame", lambda: session.set_frame(0))
    bind("last_frame", lambda: session.set_frame(session.require_project().num_frames - 1))
    bind("jump", window.jump)
    bind("previous_joint", lambda: session.step_joint(-1))
    bind("next_joint", lambda: session.step_joint(1))
    bind("next_person", lambda: session.step_person(1))
    bind("previous_person", lambda: session.step_person(-1))


def _bind_views(window: MainWindow) -> None:
    bind, session, views = window.commands.bind, window.session, window.views
    for number in range(1, 10):
        bind(f"camera_{number}", lambda number=number: views.focus_camera(number - 1))
    bind("grid", lambda: views.focus_camera(None))
    bind("focus", views.toggle_focus_under_pointer)
    bind("frame_person", views.frame_person)
    bind("reset_zoom", views.reset_zoom)
    bind("hide_camera", views.hide_camera_under_pointer)
    bind("show_cameras", views.show_all_cameras)
    window.commands.bind_hold("hide_overlays", views.set_overlays_hidden)
    window.commands.bind_hold("loupe", views.set_loupe)
    for name, field in (
        ("residuals", "residuals"),
        ("epipolar", "epipolar"),
        ("snapping", "snapping"),
        ("boxes", "boxes"),
        ("bystanders", "bystanders"),
        ("person_labels", "labels"),
        ("ellipsoids", "ellipsoids"),
    ):
        bind(name, lambda field=field: _toggle(window, field))
    bind_editing(views, session, window.commands)
    bind("picture_tone", window.show_tone)
    bind("theme", lambda: session.set_display(theme=_other_theme(window)))


def _toggle(window: MainWindow, field: str) -> None:
    session = window.session
    session.set_display(**{field: not getattr(session.display, field)})


def _other_theme(window: MainWindow) -> str:
    return "dark" if window.session.display.theme == "light" else "light"
