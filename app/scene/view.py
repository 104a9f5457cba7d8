"""The 3D viewer's widget: turns the session into drawn items, and the pointer into selections.

There is no OpenGL on some platforms (Qt's offscreen one for example): then a line of text stands
where the viewer would be, and everything else works. Joints are picked by projecting them on the
CPU, which for a court of players takes a fraction of a millisecond.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QImage, QOffscreenSurface, QOpenGLContext
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from app.scene.stage import Stage, make_stage
from app.session import HoverTarget

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.scene.drawing import SceneDrawing
    from app.session import Cursor, Session

_PICK_PX = 14.0
_CLICK_SLACK_PX = 4.0


def has_opengl() -> bool:
    """Whether this platform can make an OpenGL context."""
    surface = QOffscreenSurface()
    surface.create()
    context = QOpenGLContext()
    return context.create() and context.makeCurrent(surface)


class SceneView(QWidget):
    """Orbit (drag), pan (Shift drag), zoom (wheel); click a joint or a camera."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._stage: Stage | None = None
        self._has_ground = False
        self._is_following = False
        self._pressed_at: tuple[float, float] | None = None
        self._drawing: SceneDrawing | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        if not has_opengl():
            note = QLabel("3D unavailable: this display has no OpenGL.")
            note.setAlignment(Qt.AlignmentFlag.AlignCenter)
            note.setProperty("muted", True)
            column.addWidget(note)
            return
        from app.scene.drawing import SceneDrawing

        self._drawing = SceneDrawing()
        column.addWidget(self._drawing.widget)
        self._drawing.connect_pointer(self._on_press, self._on_release, self._on_move)
        session.project_changed.connect(self._on_project_changed)
        session.cursor_changed.connect(self._on_cursor_changed)
        session.diagnosis_changed.connect(self._on_diagnosis_changed)
        session.hover_changed.connect(self._draw_joint)
        session.display_changed.connect(self._draw_all)
        session.truth_changed.connect(self._draw_truth)
        self._on_project_changed()

    # Commands.

    def reset_view(self) -> None:
        """Show everything."""
        self._is_following = False
        if self._drawing is not None and self._stage is not None:
            self._drawing.look_at(np.array([0, 0, 0.5]), 2.3 * self._stage.radius)

    def toggle_follow(self) -> None:
        """Keep the selected person in the middle, or stop."""
        self._is_following = not self._is_following
        state = "follows the selected person" if self._is_following else "stays where it is"
        self._session.message_posted.emit(f"The 3D view {state}.")
        self._follow(zoom=self._is_following)

    def look_through(self, camera: int) -> None:
        """See the scene as a camera does."""
        project = self._session.project
        if self._drawing is None or project is None or self._stage is None:
            return
        self._is_following = False
        chosen, stage = project.rig[camera], self._stage
        height = chosen.size_px[1] if chosen.size_px else 2 * chosen.K[1, 2]
        self._drawing.look_through(
            stage.place(chosen.center_mm),
            stage.direct(chosen.R),
            fov_degrees=float(np.degrees(2 * np.arctan(height / 2 / chosen.K[1, 1]))),
        )
        self._session.message_posted.emit(f"3D: through {chosen.name}. G shows everything again.")

    def render_image(self) -> QImage | None:
        """What the viewer shows, or None without OpenGL."""
        if self._drawing is None:
            return None
        pixels = np.ascontiguousarray(self._drawing.render())
        height, width = pixels.shape[:2]
        image = QImage(pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_RGBA8888)
        return image.copy()

    def canvas_rect(self, window: QWidget) -> QRect:
        """Where the viewer is in a window."""
        return QRect(self.mapTo(window, QPoint(0, 0)), self.size())

    def orbit_times_ms(self, num_frames: int) -> list[float]:
        """Turn once about the scene and time every painted picture, for the benchmark."""
        if self._drawing is None:
            return [float("nan")]
        return self._drawing.orbit_times_ms(num_frames)

    # What happened.

    def _on_project_changed(self) -> None:
        if self._drawing is None:
            return
        self._stage = None
        self._has_ground = False
        project = self._session.project
        self._drawing.set_visible(visible=project is not None)
        if project is not None:
            self._make_stage()
            self._draw_all()

    def _make_stage(self) -> None:
        project, diagnosis = self._session.project, self._session.diagnosis
        assert project is not None
        points = np.empty((0, 3))
        if diagnosis is not None:
            points = diagnosis.triangulation.points_mm.reshape(-1, 3)
        self._stage = make_stage(project.rig, points, is_court=project.is_court)
        assert self._drawing is not None
        self._drawing.show_stage(self._stage, project.rig)
        self.reset_view()

    def _on_diagnosis_changed(self, diagnosis: object) -> None:
        if self._drawing is None or self._session.project is None:
            return
        # Where the ground is can be told once the first frame has been triangulated.
        if diagnosis is not None and self._stage_waits_for_points():
            self._make_stage()
        self._draw_all()
        self._follow()

    def _stage_waits_for_points(self) -> bool:
        project, diagnosis = self._session.project, self._session.diagnosis
        if project is None or project.is_court or self._has_ground or diagnosis is None:
            return False
        self._has_ground = bool(np.isfinite(diagnosis.triangulation.points_mm).any())
        return self._has_ground

    def _on_cursor_changed(self, old: Cursor, new: Cursor) -> None:
        if self._drawing is None or old.frame != new.frame:
            return  # the new frame's diagnosis draws everything
        self._draw_all()
        self._follow()

    # Drawing.

    def _draw_all(self, _what: object = None) -> None:
        session, stage = self._session, self._stage
        if self._drawing is None or stage is None or session.project is None:
            return
        self._drawing.set_theme(session.display.theme)
        self._drawing.mark_camera(session.cursor.camera)
        self._drawing.show_people(stage, session)
        self._draw_joint()
        self._draw_truth()
        self._drawing.update()

    def _draw_joint(self, _what: object = None) -> None:
        if self._drawing is not None and self._stage is not None:
            self._drawing.show_joint(self._stage, self._session)
            self._drawing.update()

    def _draw_truth(self) -> None:
        if self._drawing is not None and self._stage is not None:
            self._drawing.show_truth(self._stage, self._session)
            self._drawing.update()

    def _follow(self, *, zoom: bool = False) -> None:
        if not self._is_following or self._drawing is None or self._stage is None:
            return
        diagnosis, row = self._session.diagnosis, self._session.person_row
        if diagnosis is None or row is None:
            return
        points = diagnosis.triangulation.points_mm[row]
        points = points[np.isfinite(points).all(axis=1)]
        if len(points):
            middle = self._stage.place(np.median(points, axis=0))
            self._drawing.look_at(middle, self._stage.radius * 0.3 if zoom else None)

    # The pointer.

    def _on_press(self, position: tuple[float, float]) -> None:
        self._pressed_at = position

    def _on_release(self, position: tuple[float, float]) -> None:
        pressed, self._pressed_at = self._pressed_at, None
        if pressed is None or np.hypot(*np.subtract(position, pressed)) > _CLICK_SLACK_PX:
            return  # that was a drag
        target = self._joint_at(position)
        if target is not None:
            self._session.select(person=target.person, joint=target.joint)
            return
        camera = self._camera_at(position)
        if camera is not None:
            self._session.select(camera=camera)
            self.look_through(camera)

    def _on_move(self, position: tuple[float, float]) -> None:
        if self._pressed_at is None:
            self._session.hover(self._joint_at(position))

    def _joint_at(self, position: tuple[float, float]) -> HoverTarget | None:
        diagnosis = self._session.diagnosis
        if diagnosis is None or not len(diagnosis.persons):
            return None
        points = diagnosis.triangulation.points_mm
        found = self._nearest(points.reshape(-1, 3), position)
        if found is None:
            return None
        row, joint = divmod(found, points.shape[1])
        return HoverTarget(person=diagnosis.persons[row], joint=joint)

    def _camera_at(self, position: tuple[float, float]) -> int | None:
        project = self._session.project
        if project is None:
            return None
        return self._nearest(np.stack([camera.center_mm for camera in project.rig]), position)

    def _nearest(self, points_mm: NDArray[np.float64], position: tuple[float, float]) -> int | None:
        """The index of the point drawn nearest to a place, if it is near enough."""
        if self._drawing is None or self._stage is None:
            return None
        drawn: Any = self._drawing.canvas_positions(self._stage.place(points_mm))
        distance = np.hypot(*(drawn - np.asarray(position)).T)
        distance = np.where(np.isfinite(distance), distance, np.inf)
        best = int(distance.argmin())
        return best if distance[best] <= _PICK_PX else None
