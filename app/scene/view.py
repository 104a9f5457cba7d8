"""The 3D viewer's widget: where one stands, what the pointer means, and what the session hears.

There is no OpenGL on some platforms (Qt's offscreen one for example): then a line of text stands
where the viewer would be, and everything else works. Joints are picked by projecting them on the
CPU, which for a court of players takes a fraction of a millisecond.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QLabel, QToolTip, QVBoxLayout, QWidget

from app.scene.choices import ViewChoiceButton
from app.scene.framing import first_view, person_view, picture_view
from app.scene.hints import camera_hint, drag_hint, joint_hint
from app.scene.opengl import has_opengl
from app.scene.pointer import Pointer
from app.scene.viewpoint import OrbitView, PictureView

if TYPE_CHECKING:
    from PySide6.QtGui import QCloseEvent, QImage, QResizeEvent

    from app.scene.content import SceneContent
    from app.scene.drawing import SceneDrawing
    from app.scene.editing import SceneEditing
    from app.scene.pointer import Constraint, Drag
    from app.scene.viewpoint import Place, Size
    from app.session import Session
    from app.state import Cursor, HoverTarget


class SceneView(QWidget):
    """Orbit (drag), pan (Shift or middle drag), zoom (wheel); click a joint, name or camera.

    A drag of the selected joint moves it (`app.scene.editing`).
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._drawing: SceneDrawing | None = None
        self._content: SceneContent | None = None
        self._editing: SceneEditing | None = None
        self._choice: ViewChoiceButton | None = None
        # While nobody has moved the view, it is fitted anew to every size of the dock.
        self._is_untouched = True
        self._fitted_size: Size = (0.0, 0.0)
        self._hover_told: HoverTarget | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        if not has_opengl():
            note = QLabel("3D unavailable: this display has no OpenGL.")
            note.setAlignment(Qt.AlignmentFlag.AlignCenter)
            note.setProperty("muted", True)
            column.addWidget(note)
            return
        from app.scene.content import SceneContent
        from app.scene.drawing import SceneDrawing
        from app.scene.editing import SceneEditing

        self._drawing = SceneDrawing(self._prepare)
        self._content = SceneContent(session, self._drawing)
        column.addWidget(self._drawing.widget)
        self._editing = SceneEditing(session, self._content, self._drawing)
        self._choice = ViewChoiceButton(self, self._editing.choose)
        self._editing.choice_changed.connect(self._choice.show_choice)
        Pointer(self._drawing.widget, self)
        session.project_changed.connect(self._on_project_changed)
        session.cursor_changed.connect(self._on_cursor_changed)
        for signal in (session.diagnosis_changed, session.blink_changed, session.compared_changed):
            signal.connect(self._on_diagnosis_changed)
        session.hover_changed.connect(self._on_hover_changed)
        session.display_changed.connect(self._on_display_changed)
        session.truth_changed.connect(self._on_truth_changed)
        session.preview_changed.connect(self._on_preview_changed)
        session.edited.connect(self._on_edited)
        self._on_display_changed(session.display)
        self._offer_choice()

    # Commands.

    def reset_view(self) -> None:
        """Show everything."""
        if self._content is None:
            return
        self._stop_following()
        self._is_untouched = True
        self._fitted_size = (0.0, 0.0)
        self._leave_picture()

    def toggle_follow(self) -> None:
        """Keep the selected person in the middle, or stop."""
        if self._content is None:
            return
        if self._content.is_following:
            self._stop_following()
            self._session.message_posted.emit("The 3D view stays where it is.")
            return
        self._leave_picture()
        points = self._content.selected_points()
        if self._content.stage is None or not len(points):
            self._session.message_posted.emit("Nobody to follow: select a person first.")
            return
        self._content.is_following = True
        self._is_untouched = False
        assert self._drawing is not None
        self._drawing.viewpoint = person_view(
            self._orbit(), points, self._content.stage.body, self._drawing.size
        )
        self._content.mark("labels")
        self._session.message_posted.emit("The 3D view follows the selected person.")

    def look_through(self, camera: int) -> None:
        """See the scene as a camera does."""
        project = self._session.project
        if self._drawing is None or self._content is None or project is None:
            return
        self._content.refresh()
        assert self._content.stage is not None
        self._stop_following()
        self._is_untouched = False
        self._content.through = camera
        self._drawing.viewpoint = picture_view(self._content.stage, project.rig[camera])
        self._content.mark("cameras", "labels", "joint")
        name = project.rig.names[camera]
        self._session.message_posted.emit(f"3D: through {name}. G shows everything again.")

    def choose_next_views(self) -> None:
        """Let a drag of the selected joint move other views' labels."""
        if self._editing is not None:
            self._editing.choose_next()

    @property
    def is_following(self) -> bool:
        """Whether the selected person is kept in the middle."""
        return self._content is not None and self._content.is_following

    @property
    def drawing(self) -> SceneDrawing | None:
        """What is on the canvas; None without OpenGL."""
        return self._drawing

    @property
    def content(self) -> SceneContent | None:
        """What of the session is on the stage; None without OpenGL."""
        return self._content

    def render_image(self) -> QImage | None:
        """What the viewer shows, or None without OpenGL."""
        if self._drawing is None:
            return None
        image = self._drawing.grab()
        if self._choice is not None and self._choice.isVisible():
            painter = QPainter(image)
            place = self._choice.pos() - self._drawing.widget.pos()
            painter.drawPixmap(place * self.devicePixelRatioF(), self._choice.grab())
            painter.end()
        return image

    def canvas_rect(self, window: QWidget) -> QRect:
        """Where the viewer is in a window."""
        return QRect(self.mapTo(window, QPoint(0, 0)), self.size())

    def orbit_times_ms(self, num_frames: int) -> list[float]:
        """Turn once about the scene and time every painted picture, for the benchmark."""
        if self._drawing is None:
            return [float("nan")]
        self._is_untouched = False
        self._drawing.viewpoint = self._orbit()
        return self._drawing.orbit_times_ms(num_frames)

    # What happened.

    def _on_project_changed(self) -> None:
        assert self._content is not None
        self._offer_choice()
        self._content.forget()
        self.reset_view()

    def _on_diagnosis_changed(self, _diagnosis: object) -> None:
        assert self._content is not None
        self._content.mark("people", "joint", "truth", "hover", "labels")

    def _on_cursor_changed(self, old: Cursor, new: Cursor) -> None:
        assert self._content is not None
        if old.camera != new.camera:
            self._content.mark("cameras", "labels")
        if (old.person, old.frame) != (new.person, new.frame):
            self._content.mark("people", "joint", "labels")
        elif old.joint != new.joint:
            self._content.mark("ellipsoids", "joint")

    def _on_hover_changed(self, _target: object) -> None:
        assert self._content is not None
        self._content.mark("hover", "joint")

    def _on_display_changed(self, _display: object) -> None:
        assert self._content is not None
        assert self._choice is not None
        self._choice.set_theme(self._content.theme)
        self._content.mark("ground", "cameras", "people", "joint", "truth", "hover", "labels")

    def _on_preview_changed(self, _preview: object) -> None:
        assert self._content is not None
        self._content.mark("forms", "labels")

    def _on_edited(self, _change: object) -> None:
        assert self._content is not None
        self._content.mark("people", "joint", "labels")

    def _on_truth_changed(self) -> None:
        assert self._content is not None
        self._content.mark("truth")

    def _prepare(self) -> None:
        """Right before a painting: bring everything up to date."""
        assert self._content is not None
        assert self._drawing is not None
        is_new_stage = self._content.refresh()
        stage = self._content.stage
        if stage is None or self._session.project is None:
            return
        if is_new_stage and not self._is_untouched:
            self.reset_view()  # the viewpoint belongs to the stage that was
        size = self._drawing.size
        if self._is_untouched and (is_new_stage or size != self._fitted_size):
            self._drawing.viewpoint = first_view(stage, size)
            self._fitted_size = size
        view = self._drawing.viewpoint
        if self._content.is_following and isinstance(view, OrbitView):
            points = self._content.selected_points()
            if len(points):
                self._drawing.viewpoint = view.about(np.median(points, axis=0))

    def _stop_following(self) -> None:
        assert self._content is not None
        if self._content.is_following:
            self._content.is_following = False
            self._content.mark("labels")

    def _leave_picture(self) -> None:
        """Stop looking through a camera, where one is looked through."""
        assert self._content is not None
        assert self._drawing is not None
        self._drawing.viewpoint = self._orbit()
        if self._content.through is not None:
            self._content.through = None
            self._content.mark("cameras", "labels", "joint")
        self._drawing.update()

    def _orbit(self) -> OrbitView:
        """The orbit nearest to how it is seen now."""
        assert self._drawing is not None
        assert self._content is not None
        view = self._drawing.viewpoint
        if isinstance(view, OrbitView):
            return view
        stage = self._content.stage
        points = self._content.selected_points()
        middle = np.median(points, axis=0) if len(points) else np.zeros(3)
        ahead = float(self._drawing.pinhole.depth(middle))
        return view.orbit(max(ahead, stage.body if stage is not None else 1.0))

    # The pointer.

    def clicked(self, position: Place) -> None:
        """Select a joint or a person, or look through a camera."""
        assert self._content is not None
        person = self._content.person_label_at(position)
        if person is not None:
            self._session.select(person=person)
            return
        target = self._content.joint_at(position)
        if target is not None:
            self._session.select(person=target.person, joint=target.joint)
            return
        camera = self._content.camera_at(position)
        if camera is not None:
            self._session.select(camera=camera)
            self.look_through(camera)

    def double_clicked(self, position: Place) -> None:
        """Turn about the joint that is there."""
        assert self._content is not None
        assert self._drawing is not None
        target = self._content.joint_at(position)
        if target is None or isinstance(self._drawing.viewpoint, PictureView):
            return
        row = self._content.figures.persons.index(target.person)
        self._stop_following()
        self._is_untouched = False
        point = self._content.figures.points[row, target.joint]
        self._drawing.viewpoint = self._drawing.viewpoint.about(point)
        self._drawing.update()

    def gripped(self, position: Place) -> bool:
        """Be ready to drag the selected joint, if it is there."""
        assert self._editing is not None
        return self._editing.begin(position)

    def pulled(self, position: Place, constraint: Constraint) -> None:
        """Drag it."""
        assert self._editing is not None
        self._is_untouched = False
        QToolTip.hideText()
        self._editing.move(position, constraint)

    def dropped(self) -> None:
        """Let it go."""
        assert self._editing is not None
        self._editing.finish()

    def dragged(self, kind: Drag, dx: float, dy: float) -> None:
        """Turn, or shift."""
        assert self._drawing is not None
        self._is_untouched = False
        QToolTip.hideText()
        if kind == "turn":
            self._leave_picture()
            self._drawing.viewpoint = self._orbit().turned(dx, dy)
        else:
            self._stop_following()
            view = self._drawing.viewpoint
            if isinstance(view, OrbitView):
                self._drawing.viewpoint = view.moved(dx, dy, self._drawing.size)
            else:
                self._drawing.viewpoint = view.moved(dx, dy)
        self._drawing.update()

    def wheeled(self, factor: float, position: Place) -> None:
        """Nearer or farther, towards what is under the pointer."""
        assert self._drawing is not None
        assert self._content is not None
        if self._content.stage is None:
            return
        self._is_untouched = False
        view, size = self._drawing.viewpoint, self._drawing.size
        if isinstance(view, PictureView):
            self._drawing.viewpoint = view.zoomed(factor, position)
        else:
            stage = self._content.stage
            limits = (0.05 * stage.body, 8 * stage.radius)
            toward = None if self._content.is_following else position
            self._drawing.viewpoint = view.zoomed(factor, toward, size, limits)
        self._drawing.update()

    def hovered(self, position: Place | None) -> None:
        """Say what is there."""
        assert self._content is not None
        assert self._drawing is not None
        target = None if position is None else self._content.joint_at(position)
        camera = None
        if position is not None and target is None:
            camera = self._content.camera_at(position)
        changed = (target, camera) != (self._hover_told, self._content.hovered_camera)
        if camera != self._content.hovered_camera:
            self._content.hovered_camera = camera
            self._content.mark("cameras", "labels")
        self._session.hover(target)
        if changed:
            self._hover_told = target
            self._show_hint(target, camera, position)

    def _show_hint(
        self, target: HoverTarget | None, camera: int | None, position: Place | None
    ) -> None:
        assert self._drawing is not None
        canvas, project = self._drawing.widget, self._session.project
        is_something = target is not None or camera is not None
        assert self._editing is not None
        is_handle = position is not None and self._editing.is_handle(position)
        shape = Qt.CursorShape.PointingHandCursor if is_something else Qt.CursorShape.ArrowCursor
        canvas.setCursor(Qt.CursorShape.SizeAllCursor if is_handle else shape)
        if project is None or position is None or not is_something:
            QToolTip.hideText()
            return
        text = camera_hint(project.rig.names[camera]) if camera is not None else ""
        if target is not None and self._session.diagnosis is not None:
            text = joint_hint(self._session.diagnosis, project, target)
            if is_handle:
                text += drag_hint(project.rig.names[self._session.cursor.camera])
        place = canvas.mapToGlobal(QPoint(round(position[0]) + 8, round(position[1]) + 8))
        QToolTip.showText(place, text, canvas)

    def _offer_choice(self) -> None:
        project = self._session.project
        if self._choice is not None:
            self._choice.setVisible(project is not None and not project.read_only)

    # Qt's own.

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the button in its corner."""
        super().resizeEvent(event)
        if self._choice is not None:
            self._choice.stand_in_corner()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Let go of the canvas."""
        if self._drawing is not None:
            self._drawing.close()
        super().closeEvent(event)
