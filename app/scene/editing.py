"""Dragging a joint through space: from the pointer on the canvas to one edit of the session.

Only the selected joint can be dragged, by the ring about it: a court holds a hundred joints, and
whoever turns the view must never move one by accident. While it is dragged the session has a
preview, and the chosen views show it; letting go makes one edit, Escape makes none.

Escape has to be caught before the window's shortcuts, wherever the focus is: the application is
filtered, during a drag only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication

from app.format import counted
from app.scene.choices import CHOICE_TITLES
from app.scene.dragging import SpaceDrag
from app.state import EditPreview
from core.errors import CommandRefusedError, DataError
from core.labelling import (
    VIEW_CHOICES,
    MoveInSpace,
    Ray,
    chosen_views,
    reproject,
)
from core.project import PointKey, ReviewState

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.scene.content import SceneContent
    from app.scene.drawing import SceneDrawing
    from app.scene.pointer import Constraint
    from app.scene.viewpoint import Place
    from app.session import Session
    from core.labelling import Reprojection, ViewChoice
    from core.project import Project

GRIP_PX = 10.0
_KEPT_TO: dict[Constraint, str] = {
    "picture": "in the picture's plane  ·  Shift: level, Ctrl: ray",
    "level": "level, as high as it is",
    "ray": "along the ray of {camera}",
}


class SceneEditing(QObject):
    """Starts, follows and ends a drag of the selected joint.

    Attributes:
        choice: which views' labels a drag moves.
        drag: the one in progress, or None.
    """

    choice_changed = Signal(str)

    def __init__(self, session: Session, content: SceneContent, drawing: SceneDrawing) -> None:
        super().__init__()
        self._session = session
        self._content = content
        self._drawing = drawing
        self._key = PointKey(0, 0, 0)
        self._cameras: tuple[int, ...] = ()
        self._grip: Place | None = None
        self._moved: Reprojection | None = None
        self.choice: ViewChoice = "free"
        self.drag: SpaceDrag | None = None
        session.cursor_changed.connect(self._on_elsewhere)
        session.project_closing.connect(self._on_elsewhere)
        session.edited.connect(self._on_elsewhere)

    # Which views.

    def choose(self, choice: ViewChoice) -> None:
        """Say which views' labels a drag moves."""
        self.choice = choice
        self.choice_changed.emit(choice)
        title = CHOICE_TITLES[choice]
        self._session.message_posted.emit(f"A drag in 3D moves: {title[0].lower()}{title[1:]}.")

    def choose_next(self) -> None:
        """The next choice of views, round and round."""
        at = VIEW_CHOICES.index(self.choice)
        self.choose(VIEW_CHOICES[(at + 1) % len(VIEW_CHOICES)])

    # A drag.

    def is_handle(self, position: Place) -> bool:
        """Whether the selected joint is drawn there."""
        if self._session.project is None:
            return False
        point = self._content.selected_joint_point()
        if point is None:
            return False
        x, y = self._drawing.canvas_positions(point).tolist()
        return bool(np.hypot(x - position[0], y - position[1]) <= GRIP_PX)

    def begin(self, position: Place) -> bool:
        """Be ready to drag the selected joint, where it is there; nothing happens yet."""
        self._grip = position if self.is_handle(position) else None
        return self._grip is not None

    def _take(self, project: Project, position: Place) -> None:
        session, stage = self._session, self._content.stage
        point = self._content.selected_joint_point()
        observations, cursor = session.observations, session.cursor
        assert stage is not None
        assert point is not None
        assert observations is not None
        assert cursor.person is not None
        assert cursor.joint is not None
        if project.read_only:
            raise CommandRefusedError(f"Nothing can be moved: {project.read_only_reason}")
        key = PointKey(cursor.frame, cursor.person, cursor.joint)
        row = self._content.figures.persons.index(key.person)
        decisions = self._content.decisions
        if decisions is not None and decisions.state[row, key.joint] == ReviewState.LOCKED:
            name = project.skeleton.joints[key.joint]
            raise CommandRefusedError(f"{name} of #{key.person} is locked: unlock it first.")
        self._cameras = chosen_views(observations, key, self.choice, cursor.camera)
        self._key, self._moved = key, None
        ray = self._ray(project, stage.world_mm(point))
        ray = Ray(stage.place(ray.origin), stage.direct(ray.direction))
        self.drag = SpaceDrag(point, position, ray, reach=2.5 * stage.radius)
        self._content.drag = self.drag
        application = QApplication.instance()
        assert application is not None
        application.installEventFilter(self)

    def _ray(self, project: Project, point_mm: NDArray[np.float64]) -> Ray:
        """The focused camera's ray of the joint, world; through the joint where it saw none."""
        session = self._session
        row, joint = session.person_row, self._key.joint
        assert session.observations is not None
        camera = session.cursor.camera
        origin, direction = project.rig[camera].rays(
            session.observations.points_px[row, camera, joint]
        )
        if not np.isfinite(direction).all():
            direction = point_mm - origin
        return Ray(origin, direction)

    def move(self, position: Place, constraint: Constraint) -> None:
        """Follow the pointer; the session's preview follows too."""
        session, stage, project = self._session, self._content.stage, self._session.project
        if project is None or stage is None or session.observations is None:
            return
        grip, self._grip = self._grip, None
        if grip is not None:
            try:
                self._take(project, grip)
            except CommandRefusedError as refusal:
                session.message_posted.emit(str(refusal))
        if self.drag is None:
            return
        if not self.drag.move(position, constraint, self._drawing.pinhole):
            return
        point = stage.world_mm(self.drag.point)
        moved = reproject(project.rig, session.observations, self._key, point, self._cameras)
        self._moved = moved
        self._content.drag_note = self._note(project)
        x, y, z = point.tolist()
        session.set_preview(
            EditPreview(
                points_px=moved.points_px,
                reprojected=frozenset(moved.points_px) - moved.by_hand,
                points_mm={self._key: (x, y, z)},
            )
        )

    def finish(self) -> None:
        """Let go: one edit, or none where nothing has moved."""
        moved = self._moved
        if self.drag is None or moved is None:
            self.cancel()
            return
        self._let_go()
        try:
            self._session.apply(MoveInSpace(reprojection=moved))
        except (CommandRefusedError, DataError) as refusal:
            self._session.set_preview(None)
            self._session.message_posted.emit(str(refusal))
            return
        if moved.unseen:
            project = self._session.require_project()
            names = ", ".join(project.rig.names[camera] for camera in moved.unseen)
            self._session.message_posted.emit(f"Moved; not in the picture of {names}.")

    def cancel(self) -> None:
        """Leave everything as it was."""
        if self.drag is None:
            return
        self._let_go()
        if self._session.preview is not None:
            self._session.set_preview(None)

    def _let_go(self) -> None:
        self.drag = self._moved = self._content.drag = None
        self._content.drag_note = ""
        application = QApplication.instance()
        assert application is not None
        application.removeEventFilter(self)
        self._content.mark("forms", "labels")

    def _note(self, project: Project) -> str:
        """What the drag does, for the viewer's corner."""
        if self.drag is None or self.drag.constraint is None or self._moved is None:
            return ""
        camera = project.rig.names[self._session.cursor.camera]
        kept = _KEPT_TO[self.drag.constraint].format(camera=camera)
        return f"{counted(len(self._moved.points_px), 'view')}  ·  {kept}"

    def _on_elsewhere(self, *_: object) -> None:
        """Another frame, joint or project, or an undo: what was taken is not there any more."""
        self._grip = None
        self.cancel()

    # Qt's own.

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """Escape ends a drag, and nothing else hears of it."""
        is_key = event.type() in (QEvent.Type.ShortcutOverride, QEvent.Type.KeyPress)
        if not (is_key and isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape):
            return False
        event.accept()
        if event.type() == QEvent.Type.KeyPress:
            self.cancel()
        return True
