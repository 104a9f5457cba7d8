"""All cameras in one widget: layout, focus, zoom, pictures, people, selection.

One `QPainter` paints everything; eight widgets beside a GL viewer were measured five times as
slow. The grid reads the session and listens to it, and never talks to another panel. What the
mouse does is in `pointer`, what a view looks like in `panel`, and the keys are the window's.
"""

from __future__ import annotations

from math import ceil, floor
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QPoint, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QWidget

from app.views.aids import Aids
from app.views.arrangement import Arrangement
from app.views.before import shown_scenes
from app.views.editing import Editing
from app.views.feed import ImageFeed
from app.views.feet import Feet
from app.views.layout import GAP, Box
from app.views.menu import make_menu
from app.views.painting import GridPainting
from app.views.panel import ViewPanel, frame_person, make_panels
from app.views.pointer import Pointer
from app.views.scene import ViewScene, with_preview
from app.views.tone import Tone
from app.views.transform import Zoom
from core.errors import CommandRefusedError

if TYPE_CHECKING:
    from PySide6.QtCore import QEvent
    from PySide6.QtGui import (
        QCloseEvent,
        QContextMenuEvent,
        QMouseEvent,
        QPaintEvent,
        QResizeEvent,
        QShowEvent,
        QWheelEvent,
    )

    from app.session import Session
    from app.state import Cursor, DisplaySettings, EditPreview
    from app.views.feed import Picture

# How long a view may go on showing the last frame before it says that it is loading.
STALE_AFTER_MS = 100


class ViewGrid(QWidget):
    """The camera views of the session's frame.

    Signals: ``frame_shown(frame)`` when every visible view shows its picture of the frame (or
    why there is none); ``layout_changed()`` when views were focused, hidden or reordered;
    ``joint_menu_requested(JointTarget, QPoint)`` when a joint was clicked with the right button,
    which has selected it.
    """

    frame_shown = Signal(int)
    layout_changed = Signal()
    joint_menu_requested = Signal(object, QPoint)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self._panels: dict[int, ViewPanel] = {}
        self._arrangement = Arrangement()
        self._scenes: tuple[ViewScene, ...] = ()
        self._is_people_hidden = False
        self._is_loupe = False
        self._is_previewing = False
        self.aids = Aids(session)
        self.editing = Editing(session, self.aids, self)
        self.feet = Feet(session)
        self._pointer = Pointer(self)
        self._painting = GridPainting(self, self._pointer)
        self._feed = ImageFeed(self)
        self._feed.set_tone(Tone.of(session.display))
        self._feed.picture_arrived.connect(self._on_picture_arrived)
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(STALE_AFTER_MS)
        self._patience.timeout.connect(self._on_patience_ended)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAccessibleName("Camera views")
        self.setMinimumSize(240, 160)
        session.project_changed.connect(self._on_project_changed)
        session.cursor_changed.connect(self._on_cursor_changed)
        for signal in (session.diagnosis_changed, session.blink_changed, session.compared_changed):
            signal.connect(self._on_diagnosis_changed)
        session.display_changed.connect(self._on_display_changed)
        session.hover_changed.connect(self._on_hover_changed)
        session.track_preview_changed.connect(self._on_feet_changed)
        session.feet_mode_changed.connect(self._on_feet_changed)
        session.preview_changed.connect(self._on_preview_changed)
        self.editing.placing_changed.connect(self._on_placing_changed)
        self._on_project_changed()

    # What the window's keys and menus call.

    @property
    def focused_camera(self) -> int | None:
        """The camera shown large, None while all are alike."""
        return self._arrangement.focused

    @property
    def meant_camera(self) -> int:
        """The camera that a key means: the one under the pointer, else the selected one."""
        return self._meant_camera()

    @property
    def visible_cameras(self) -> list[int]:
        """The cameras shown, in their order."""
        return self._arrangement.visible

    @property
    def hidden_cameras(self) -> list[int]:
        """The cameras not shown."""
        return self._arrangement.hidden

    @property
    def visible_panels(self) -> list[ViewPanel]:
        """The views shown, in their order."""
        return [self._panels[camera] for camera in self._arrangement.visible]

    @property
    def is_loupe_shown(self) -> bool:
        """Whether the loupe follows the pointer."""
        return self._is_loupe

    @property
    def are_people_hidden(self) -> bool:
        """Whether the bare pictures are shown."""
        return self._is_people_hidden

    @property
    def is_settled(self) -> bool:
        """Whether every visible view shows its picture of the session's frame, or why not."""
        return not any(panel.is_loading or panel.is_held for panel in self.visible_panels)

    def focus_camera(self, camera: int | None) -> None:
        """Show one camera large and the others as a filmstrip; None shows all alike.

        Raises:
            CommandRefusedError: there is no such camera.
        """
        self._arrangement.focus(camera)
        if camera is not None:
            self.session.select(camera=camera)
        self._lay_out()

    def toggle_focus(self, camera: int | None = None) -> None:
        """Focus a camera (default: the one under the pointer, else the current one), or leave.

        Raises:
            CommandRefusedError: no project is open.
        """
        camera = self._meant_camera() if camera is None else camera
        self.focus_camera(None if camera == self.focused_camera else camera)

    def toggle_focus_under_pointer(self) -> None:
        """`toggle_focus` of the camera under the pointer, as its key does."""
        self.toggle_focus()

    def frame_person(self) -> None:
        """Zoom every view that can see the selected person to it.

        Raises:
            CommandRefusedError: nobody is selected, or the person is in no view of this frame.
        """
        person = self.session.cursor.person
        if person is None:
            raise CommandRefusedError("Select a person first: click a joint, or press Tab.")
        if not frame_person(self._panels.values(), self._scenes, person):
            raise CommandRefusedError(f"Person #{person} is in no view of this frame.")
        self._ask_for_pictures()
        self.update()

    def reset_zoom(self) -> None:
        """Show all of every picture."""
        for panel in self._panels.values():
            panel.zoom = Zoom()
        self._ask_for_pictures()
        self.update()

    def set_zoom(self, camera: int, zoom: Zoom) -> None:
        """Show another part of a camera's picture."""
        panel = self.panel_of(camera)
        if zoom != panel.zoom:
            panel.zoom = zoom
            self._ask_for_pictures()
            self._update_panel(panel)

    def set_overlays_hidden(self, is_hidden: bool) -> None:
        """Show the bare pictures while True."""
        self._is_people_hidden = is_hidden
        self.update()

    def set_loupe(self, is_shown: bool) -> None:
        """Magnify what is under the pointer while True."""
        self._is_loupe = is_shown
        self._ask_for_pictures()
        self.update()

    def toggle_camera_visible(self, camera: int) -> None:
        """Hide a camera's view, or show it again.

        Raises:
            CommandRefusedError: there is no such camera, or no other is shown.
        """
        self._arrangement.toggle_visible(camera)
        self._lay_out()

    def hide_camera_under_pointer(self) -> None:
        """Hide the view under the pointer, else the current camera's.

        Raises:
            CommandRefusedError: it is the last view.
        """
        camera = self._meant_camera()
        if camera in self.visible_cameras:
            self.toggle_camera_visible(camera)

    def show_all_cameras(self) -> None:
        """Bring hidden views back."""
        self._arrangement.show_all()
        self._lay_out()

    def move_camera(self, camera: int, target: int) -> None:
        """Move a view to the place of another, which makes room.

        Raises:
            CommandRefusedError: there is no such camera.
        """
        self._arrangement.move(camera, target)
        self._lay_out()

    def drop_pictures(self) -> None:
        """Forget decoded pictures, so that the next frame is read from the disk again."""
        self._feed.drop_pictures()

    def layout_state(self) -> dict[str, Any]:
        """Order, hidden and focused cameras by name, as plain values to be remembered."""
        return self._arrangement.state()

    def restore_layout_state(self, state: dict[str, Any]) -> None:
        """Take what `layout_state` gave; cameras that are gone are skipped."""
        self._arrangement.restore(state)
        self._lay_out()

    def panel_at(self, x: float, y: float) -> ViewPanel | None:
        """The view at a widget point."""
        for panel in self.visible_panels:
            if panel.cell.whole.contains(x, y):
                return panel
        return None

    def position_of_selected_joint(self) -> QPoint | None:
        """Where the selected joint is drawn, in the largest view that shows it; None if in none."""
        cursor = self.session.cursor
        panels = sorted(self.visible_panels, key=lambda panel: -panel.cell.picture.width)
        for panel in panels:
            place = panel.place_of(cursor.person, cursor.joint)
            if place is not None:
                return place.toPoint()
        return None

    def panel_of(self, camera: int) -> ViewPanel:
        """A camera's view."""
        return self._panels[camera]

    def sizeHint(self) -> QSize:
        """Two thirds of a small screen."""
        return QSize(840, 480)

    # What the session says.

    def _on_project_changed(self) -> None:
        project = self.session.project
        self._patience.stop()
        self._pointer.forget()
        self.aids.forget()
        self._scenes = ()
        self._panels = {}
        recording = self.session.recording
        self._feed.set_recording(recording)
        if project is not None:
            self._panels = make_panels(project.rig, recording)
        self._arrangement = Arrangement([panel.name for panel in self._panels.values()])
        self._lay_out()
        self._on_diagnosis_changed()

    def _on_cursor_changed(self, old: Cursor, new: Cursor) -> None:
        if old.frame == new.frame:
            self.update()
        else:
            self.editing.let_go()

    def _on_diagnosis_changed(self, _what: object = None) -> None:
        self._scenes = shown_scenes(self.session)
        if len(self._scenes) != len(self._panels):
            return
        frame = self.session.cursor.frame
        for panel in self._panels.values():
            is_new = panel.scene is None or panel.scene.frame != frame
            panel.is_held = is_new and panel.picture is not None and not panel.is_stale
            if not panel.is_held:
                panel.scene = self._scenes[panel.camera]
        self._ask_for_pictures()
        if any(panel.is_held for panel in self._panels.values()) and not self._patience.isActive():
            self._patience.start()
        self._pointer.update_hover()
        self.update()

    def _on_picture_arrived(self, picture: Picture) -> None:
        panel = self._panels.get(picture.camera)
        if panel is None or picture.frame != self.session.cursor.frame:
            return
        panel.picture = picture
        panel.is_held = False
        if self._scenes:
            panel.scene = self._scenes[panel.camera]
        self._update_panel(panel)
        if panel is self._pointer.panel:
            self._pointer.update_hover()
        if self.is_settled:
            self._patience.stop()
            self.frame_shown.emit(picture.frame)

    def _on_patience_ended(self) -> None:
        for panel in self._panels.values():
            if panel.is_held:
                panel.is_held = False
                panel.scene = self._scenes[panel.camera]
        self.update()

    def _on_display_changed(self, display: DisplaySettings) -> None:
        if self._feed.set_tone(Tone.of(display)):
            self._ask_for_pictures()
        self.update()

    def update_pointer_shape(self) -> None:
        """Let the pointer say what a press would do."""
        if self.editing.is_placing or self.editing.grab is not None:
            shape = Qt.CursorShape.CrossCursor
        elif self._pointer.is_at_handle:
            shape = Qt.CursorShape.SizeAllCursor
        else:
            shape = Qt.CursorShape.ArrowCursor
        if shape != self.cursor().shape():
            self.setCursor(shape)

    def _on_placing_changed(self, _is_on: bool) -> None:
        self.setFocus()
        self.update_pointer_shape()
        self.update()

    def _on_preview_changed(self, preview: EditPreview | None) -> None:
        if len(self._scenes) == len(self._panels):
            for panel, scene in zip(self._panels.values(), self._scenes, strict=True):
                if not panel.is_held:
                    panel.scene = scene if preview is None else with_preview(scene, preview)
        is_first = preview is not None and not self._is_previewing
        self._is_previewing = preview is not None
        if preview is None or is_first or self.editing.is_placing:
            self.update()  # a card may lie over gaps and titles
            return
        for panel in self.visible_panels:  # their titles tell nothing of what is being dragged
            box = panel.cell.picture
            left, top = ceil(box.x), ceil(box.y)
            self.update(left, top, floor(box.right) - left, floor(box.bottom) - top)

    def _on_hover_changed(self, _target: object) -> None:
        self.update()

    def _on_feet_changed(self, _what: object) -> None:
        shape = Qt.CursorShape.CrossCursor if self.feet.is_on else Qt.CursorShape.ArrowCursor
        self.setCursor(shape)
        self.update()

    # Layout and pictures.

    def _meant_camera(self) -> int:
        under = self._pointer.panel
        return self.session.cursor.camera if under is None else under.camera

    def _lay_out(self) -> None:
        area = Box(GAP, GAP, self.width() - 2 * GAP, self.height() - 2 * GAP)
        aspects = [panel.aspect for panel in self._panels.values()]
        for camera, cell in self._arrangement.cells(aspects, area).items():
            self._panels[camera].cell = cell
        self._ask_for_pictures()
        self._pointer.update_hover()
        self.layout_changed.emit()
        self.update()

    def _ask_for_pictures(self) -> None:
        """Ask for what is not asked for yet: another frame, or a larger picture."""
        ratio = self.devicePixelRatioF()
        under = self._pointer.panel if self._is_loupe else None
        wanted: dict[int, tuple[int, int]] = {}
        for panel in self.visible_panels:
            scale = panel.transform.scale * ratio
            width, height = panel.size_px
            size = (round(width * scale), round(height * scale))
            wanted[panel.camera] = panel.size_px if panel is under else size
        if wanted:
            self._feed.show(self.session.cursor.frame, wanted)

    def _update_panel(self, panel: ViewPanel) -> None:
        whole = panel.cell.whole
        self.update(
            QRectF(whole.x, whole.y, whole.width, whole.height)
            .toAlignedRect()
            .adjusted(-2, -2, 2, 2)
        )

    # What Qt says.

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the views that are dirty, from their layers."""
        painter = QPainter(self)
        # PySide crashes on an exception that leaves an override without having met a Python
        # handler, and Qt on a painter that is left active: hence the finally.
        try:
            self._painting.paint(painter, event)
        finally:
            painter.end()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Stop reading pictures."""
        self._feed.close()
        super().closeEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lay the views out anew."""
        super().resizeEvent(event)
        self._lay_out()

    def showEvent(self, event: QShowEvent) -> None:
        """Ask for pictures: the screen's pixel ratio is known only now."""
        super().showEvent(event)
        self._ask_for_pictures()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Select, or begin a drag; never of the side before, which nobody edits."""
        if not self.session.is_blinking:
            self._pointer.press(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Hover or drag."""
        self._pointer.move(event)
        if self._is_loupe:
            self._ask_for_pictures()
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End a drag."""
        self._pointer.release(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Focus a view, or leave it."""
        self._pointer.double_click(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom about the pointer."""
        self._pointer.wheel(event)
        event.accept()

    def leaveEvent(self, event: QEvent) -> None:
        """Forget what was under the pointer."""
        super().leaveEvent(event)
        self._pointer.leave()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Open a view's menu on its title; a right press on the picture moves that."""
        panel = self.panel_at(event.pos().x(), event.pos().y())
        if panel is not None and panel.cell.title.contains(event.pos().x(), event.pos().y()):
            menu = make_menu(self, panel.camera)
            menu.exec(event.globalPos())
            menu.deleteLater()
