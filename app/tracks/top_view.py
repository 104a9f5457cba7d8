"""The floor from above: everybody's way about the cursor; people are dragged, ways scrubbed.

A drag shows where the person's box would be in every view while it goes on (through the session's
preview), and is one edit when it ends. Nothing here writes but through `session.apply`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from PySide6.QtCore import QPointF, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QToolTip, QWidget

from app.afterwards import Afterwards
from app.state import TrackPreview
from app.theme import font, theme_named
from app.tracks import painting
from app.tracks.editing import edit_of
from app.tracks.plane import FloorArea, FloorZoom, area_of, fitted, panned, zoomed
from app.tracks.trails import reach_frames, trails_about
from core.errors import CommandRefusedError, DataError
from core.people.track_edits import move_person

if TYPE_CHECKING:
    from PySide6.QtCore import QEvent
    from PySide6.QtGui import QContextMenuEvent, QMouseEvent, QPaintEvent, QWheelEvent

    from app.session import Session
    from app.state import Cursor
    from app.tracks.plane import FloorTransform
    from app.tracks.trails import Trail
    from core.people.track_edits import Spot
    from core.project import Change

_DRAG_PX = 4.0
_HIT_PX, _TRAIL_HIT_PX = 13.0, 7.0
_NOTCH = 120.0
_NO_PROJECT = "Open a project to see its people from above."


@dataclass(slots=True)
class _Drag:
    kind: Literal["person", "trail", "pan"]
    start: QPointF
    last: QPointF
    person: int = -1
    grip_mm: tuple[float, float] = (0.0, 0.0)
    reach: int = 0
    is_moving: bool = False


@dataclass(slots=True, eq=False)
class _Shown:
    """What was read for the frame under the cursor."""

    trails: tuple[Trail, ...] = ()
    area: FloorArea = field(default_factory=lambda: FloorArea((0.0, 0.0), (1000.0, 1000.0)))


class TopView(QWidget):
    """Signals: ``menu_requested(person or None, spot, global place)`` on a right click."""

    menu_requested = Signal(object, object, object)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._shown = _Shown()
        self._is_stale = True
        self._zoom = FloorZoom()
        self._drag: _Drag | None = None
        self._hovered: int | None = None
        self._pair: tuple[int, ...] = ()
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setMinimumSize(180, 110)
        self.setAccessibleName("Ground tracks from above")
        session.project_changed.connect(self._on_project_changed)
        session.cursor_changed.connect(self._on_cursor_changed)
        session.edited.connect(self._on_edited)
        session.track_preview_changed.connect(self._on_preview_changed)
        session.feet_mode_changed.connect(self._on_something)
        session.display_changed.connect(self._on_something)
        self._later = Afterwards(self, self.update)
        session.diagnosis_changed.connect(self._later.ask)

    def sizeHint(self) -> QSize:
        """A court."""
        return QSize(480, 270)

    @property
    def transform(self) -> FloorTransform:
        """Floor to widget, as shown now."""
        return fitted(self._shown.area, self.width(), self.height(), self._zoom)

    def place_of(self, person: int) -> QPointF | None:
        """Where a person is drawn; None where it is not on the ground at this frame."""
        for who in self._standing():
            if who.person == person:
                return QPointF(*self.transform.to_widget(np.array(who.spot_mm)).tolist())
        return None

    def mark_pair(self, persons: tuple[int, ...]) -> None:
        """Join two persons whose meeting is being looked at."""
        self._pair = persons
        self.update()

    def show_all(self) -> None:
        """Show the whole floor."""
        self._zoom = FloorZoom()
        self.update()

    # What the session says.

    def _on_project_changed(self) -> None:
        self._drag, self._pair, self._zoom = None, (), FloorZoom()
        self._is_stale = True
        self.update()

    def _on_cursor_changed(self, old: Cursor, new: Cursor) -> None:
        if old.frame != new.frame or self._session.project is None:
            self._is_stale = True
            if self._drag is not None and self._drag.kind == "person":
                self._drag = None
                self._session.set_track_preview(None)
        self.update()

    def _on_edited(self, change: Change) -> None:
        if change.tracks:
            self._is_stale = True
            self.update()

    def _on_preview_changed(self, preview: TrackPreview | None) -> None:
        drag = self._drag
        if preview is None and drag is not None and drag.kind == "person" and drag.is_moving:
            self._drag = None  # Esc, or something else was edited
        self.update()

    def _on_something(self, _what: object) -> None:
        self.update()

    def _refresh(self) -> None:
        """Read the ways anew, where the frame or the tracks are others."""
        project = self._session.project
        if not self._is_stale:
            return
        self._is_stale = False
        if project is None:
            self._shown = _Shown()
            return
        self._shown = _Shown(
            trails_about(project, self._session.cursor.frame),
            area_of(project.rig, project.tracks, project.world_volume, is_court=project.is_court),
        )

    def _standing(self) -> list[painting.Standing]:
        self._refresh()
        frame, preview = self._session.cursor.frame, self._session.track_preview
        moved = {} if preview is None else dict(preview.places_mm)
        standing = [
            painting.Standing(person=trail.person, spot_mm=spot)
            for trail in self._shown.trails
            if trail.person not in moved and (spot := trail.spot_at(frame)) is not None
        ]
        return standing + [
            painting.Standing(person=person, spot_mm=spot, is_moved=True)
            for person, spot in moved.items()
        ]

    # Painting.

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Floor, cameras, people; words where there is nobody."""
        painter = QPainter(self)
        try:
            self._paint(painter)
        finally:
            painter.end()

    def _paint(self, painter: QPainter) -> None:
        session, project = self._session, self._session.project
        theme = theme_named(session.display.theme)
        painter.fillRect(self.rect(), QColor(theme.canvas))
        if project is None:
            self._paint_words(painter, _NO_PROJECT)
            return
        standing = self._standing()
        transform = self.transform
        painting.paint_floor(painter, transform, project.rig, theme, is_court=project.is_court)
        painting.paint_cameras(painter, transform, project.rig, session.cursor.camera, theme)
        picture = painting.Picture(
            frame=session.cursor.frame,
            trails=self._shown.trails,
            standing=standing,
            selected=session.cursor.person,
            hovered=self._hovered,
            camera=session.cursor.camera,
            radius_mm=project.spec.person_radius_mm,
            pair=self._pair,
        )
        painting.paint_people(painter, transform, picture, theme)
        painting.paint_scale(painter, transform, self.height(), theme)

    def _paint_words(self, painter: QPainter, text: str) -> None:
        theme = theme_named(self._session.display.theme)
        painter.setFont(font())
        painter.setPen(QColor(theme.muted))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, text)

    # The pointer.

    def person_at(self, at: QPointF) -> int | None:
        """Who stands under a place; the selected one wins over those who cover it."""
        best: tuple[float, int] | None = None
        for who in self._standing():
            x, y = self.transform.to_widget(np.array(who.spot_mm)).tolist()
            distance = float(np.hypot(x - at.x(), y - at.y()))
            if who.person == self._session.cursor.person:
                distance -= 4.0
            if distance <= _HIT_PX and (best is None or distance < best[0]):
                best = (distance, who.person)
        return None if best is None else best[1]

    def trail_at(self, at: QPointF) -> tuple[int, int] | None:
        """The person and frame of the way under a place."""
        best: tuple[float, int, int] | None = None
        for trail in self._shown.trails:
            away = self.transform.to_widget(trail.spots_mm) - (at.x(), at.y())
            distance = np.hypot(away[:, 0], away[:, 1])
            index = int(distance.argmin())
            near = float(distance[index]) - 3.0 * (trail.person == self._session.cursor.person)
            if near <= _TRAIL_HIT_PX and (best is None or near < best[0]):
                best = (near, trail.person, int(trail.frames[index]))
        return None if best is None else best[1:]

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take a person, a way, or the floor."""
        if self._session.project is None:
            return
        at = event.position()
        if event.button() == Qt.MouseButton.MiddleButton:
            self._drag = _Drag("pan", at, at)
        if event.button() != Qt.MouseButton.LeftButton:
            return
        person, way = self.person_at(at), self.trail_at(at)
        if person is not None:
            self._session.select(person=person)
            self._drag = self._grip(person, event)
        elif way is not None:
            self._session.select(person=way[0])
            self._drag = _Drag("trail", at, at, person=way[0])
            self._session.set_frame(way[1])
        else:
            self._drag = _Drag("pan", at, at)

    def _grip(self, person: int, event: QMouseEvent) -> _Drag:
        at = event.position()
        place = self.place_of(person) or at
        off = at - place
        is_soft = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        reach = reach_frames(self._session.require_project().fps) // 2 if is_soft else 0
        return _Drag("person", at, at, person, (off.x(), off.y()), reach)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Move what was taken, or tell what is under the pointer."""
        at, drag = event.position(), self._drag
        if drag is None or not event.buttons():
            self._hover(event)
            return
        away = at - drag.start
        if not drag.is_moving and abs(away.x()) + abs(away.y()) < _DRAG_PX:
            return
        drag.is_moving = True
        if drag.kind == "person":
            self._session.set_track_preview(TrackPreview(places_mm={drag.person: self._let_go(at)}))
        elif drag.kind == "trail":
            way = self._nearest_on(drag.person, at)
            if way is not None:
                self._session.set_frame(way)
        else:
            step = at - drag.last
            self._zoom = panned(self._zoom, self.transform, (step.x(), step.y()))
            self.update()
        drag.last = at

    def _let_go(self, at: QPointF) -> Spot:
        """Where the person in hand would stand."""
        assert self._drag is not None
        x, y = self._drag.grip_mm
        return self.transform.to_floor(at.x() - x, at.y() - y)

    def _nearest_on(self, person: int, at: QPointF) -> int | None:
        for trail in self._shown.trails:
            if trail.person == person:
                away = self.transform.to_widget(trail.spots_mm) - (at.x(), at.y())
                return int(trail.frames[np.hypot(away[:, 0], away[:, 1]).argmin()])
        return None

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Put the person where it is."""
        drag, at = self._drag, event.position()
        if drag is None or event.button() == Qt.MouseButton.RightButton:
            return
        if drag.kind == "person" and drag.is_moving:
            self._put(drag, self._let_go(at))
        self._drag = None

    def _put(self, drag: _Drag, spot: Spot) -> None:
        session = self._session
        project = session.require_project()
        plan = move_person(
            project.tracks, drag.person, session.cursor.frame, spot, reach=drag.reach
        )
        try:
            session.apply(edit_of(plan, project))
        except (CommandRefusedError, DataError) as error:
            session.message_posted.emit(str(error))
        session.set_track_preview(None)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Show the whole floor."""
        if self.person_at(event.position()) is None:
            self.show_all()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom about the pointer."""
        factor = 1.2 ** (event.angleDelta().y() / _NOTCH)
        at = event.position()
        self._zoom = zoomed(self._zoom, self.transform, factor, (at.x(), at.y()))
        self.update()
        event.accept()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Ask for what can be done with whom, or with the place, under the pointer."""
        if self._session.project is None:
            return
        at = QPointF(event.pos())
        person = self.person_at(at)
        if person is None:
            way = self.trail_at(at)
            person = None if way is None else way[0]
        if person is not None:
            self._session.select(person=person)
        spot = self.transform.to_floor(at.x(), at.y())
        self.menu_requested.emit(person, spot, event.globalPos())

    def leaveEvent(self, event: QEvent) -> None:
        """Nobody is under the pointer."""
        super().leaveEvent(event)
        self._hovered = None
        self.update()

    def _hover(self, event: QMouseEvent) -> None:
        person = self.person_at(event.position())
        if person != self._hovered:
            self._hovered = person
            self.update()
        if person is None:
            QToolTip.hideText()
            return
        where = QRect(event.position().toPoint(), QSize(1, 1))
        QToolTip.showText(event.globalPosition().toPoint(), self.tip(person), self, where)

    def tip(self, person: int) -> str:
        """What there is to say of somebody who stands on the floor."""
        spots = {who.person: np.array(who.spot_mm) for who in self._standing()}
        x, y = spots[person] / 1000
        lines = [f"#{person}  x {x:.2f} m, y {y:.2f} m"]
        others = {p: float(np.hypot(*(s - spots[person]))) for p, s in spots.items() if p != person}
        if others:
            nearest = min(others, key=others.__getitem__)
            lines.append(f"{others[nearest] / 1000:.2f} m from #{nearest}")
        lines.append("drag: move   Shift+drag: and the frames around   right click: more")
        return "\n".join(lines)
