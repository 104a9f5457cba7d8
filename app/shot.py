"""`trilabel shot`: the real window, driven to a place, painted into a file."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from app.virtual_display import virtual_display
from core.errors import CommandRefusedError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QImage

    from app.main_window import MainWindow
    from core.project import Project

_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotRequest:
    """What is to be seen; ``frame_number`` as people count."""

    project: Path
    frame_number: int
    out: Path
    person: int | None = None
    joint: str | None = None
    focus: str | None = None
    zoom: bool = False
    size: tuple[int, int] = (1600, 900)
    theme: Literal["dark", "light"] = "dark"


def take_shot(request: ShotRequest) -> None:
    """Write the picture.

    Raises:
        DataError: the project has no such frame, person, joint or camera.
        CommandRefusedError: there is no display, no Xvfb, or the file cannot be written.
    """
    display = virtual_display(request.size[0] + 200, request.size[1] + 200)
    with display, tempfile.TemporaryDirectory(prefix="trilabel-shot-") as scratch:
        # A figure is made on the machine that has the data: nothing here talks to a session bus.
        os.environ.setdefault("QT_LOGGING_RULES", "qt.qpa.*=false")
        from app.main import make_application
        from app.state import DisplaySettings

        make_application(DisplaySettings(theme=request.theme))
        window = _make_window(request, Path(scratch) / "preferences.ini")
        try:
            window.session.open_project(request.project)
            _go_to(window, request)
            settle(lambda: window.is_settled)
            image = grab_window(window)
            request.out.parent.mkdir(parents=True, exist_ok=True)
            if not image.save(str(request.out)):
                raise CommandRefusedError(f"{request.out} cannot be written.")
        finally:
            window.close()


def _make_window(request: ShotRequest, preferences: Path) -> MainWindow:
    from app.main_window import MainWindow
    from app.preferences import Preferences

    window = MainWindow(preferences=Preferences(preferences), read_only=True)
    window.session.set_display(theme=request.theme)
    window.resize(*request.size)
    window.show()
    window.lay_out_docks()
    return window


def _go_to(window: MainWindow, request: ShotRequest) -> None:
    session = window.session
    project = session.require_project()
    source = request.project
    last = project.first_frame_number + project.num_frames - 1
    if not project.first_frame_number <= request.frame_number <= last:
        raise DataError(
            source,
            "frame",
            expected=f"{project.first_frame_number} to {last}",
            found=str(request.frame_number),
            remedy="Choose a frame of the recording.",
        )
    session.set_frame_number(request.frame_number)
    persons = session.observations.persons if session.observations is not None else ()
    if request.person is not None and request.person not in persons:
        raise DataError(
            source,
            "person",
            expected="somebody seen at this frame "
            f"({', '.join(map(str, persons)) or 'there is nobody'})",
            found=str(request.person),
            remedy=_where_seen(project),
        )
    joints = project.skeleton.joints
    if request.joint is not None and request.joint not in joints:
        raise DataError(
            source,
            "joint",
            expected=f"one of {', '.join(joints)}",
            found=request.joint,
            remedy="Choose a joint of the skeleton.",
        )
    joint = None if request.joint is None else joints.index(request.joint)
    session.select(person=request.person, joint=joint)
    if request.focus is not None and request.focus not in project.rig.names:
        raise DataError(
            source,
            "focus",
            expected=f"one of {', '.join(project.rig.names)}",
            found=request.focus,
            remedy="Choose a camera of the rig.",
        )
    if request.focus is not None:
        window.views.focus_camera(project.rig.index(request.focus))
    if request.zoom:
        window.views.frame_person()


def _where_seen(project: Project) -> str:
    """Frames to go to instead."""
    frames = (project.labelled_frames() + project.first_frame_number).tolist()
    if not frames:
        return "Choose somebody who is there, or another frame."
    listed = ", ".join(map(str, frames[:5])) + (" …" if len(frames) > 5 else "")
    return f"Choose somebody who is there, or another frame; annotated are {listed}"


def settle(is_done: Callable[[], bool]) -> None:
    """Let the window work until it has nothing left to do.

    Raises:
        CommandRefusedError: it did not come to rest in two minutes.
    """
    from PySide6.QtWidgets import QApplication

    deadline = time.monotonic() + _TIMEOUT_S
    calm = 0
    while calm < 5:
        QApplication.processEvents()
        calm = calm + 1 if is_done() else 0
        time.sleep(0.02)
        if time.monotonic() > deadline:
            raise CommandRefusedError("The window did not come to rest in two minutes.")


def grab_window(window: MainWindow) -> QImage:
    """The window's picture, the 3D viewer included."""
    from PySide6.QtGui import QPainter

    image = window.grab().toImage()
    scene = window.scene.render_image()
    if scene is not None and window.scene.isVisible():
        painter = QPainter(image)
        painter.drawImage(window.scene.canvas_rect(window), scene)
        painter.end()
    return image
