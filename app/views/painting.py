"""How the grid paints itself: views from their layers, then what follows the pointer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QColor, QPainter

from app.theme import person_color, theme_named
from app.views import chrome
from app.views.before import BeforeLayer, paint_before
from app.views.card import Card, joint_card, paint_card
from app.views.epipolar import paint_curves, paint_footprint
from app.views.ghosts import paint_ghosts
from app.views.glyphs import GlyphCache
from app.views.handle import handle_place, paint_handle
from app.views.layout import Box
from app.views.overlay import OverlayStyle
from app.views.panel import Marks

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent

    from app.state import DisplaySettings
    from app.views.grid import ViewGrid
    from app.views.hit_test import JointTarget
    from app.views.panel import ViewPanel
    from app.views.pointer import Pointer
    from core.project import Project

# Everyone but the selected person.
_OTHERS_OPACITY = 0.6
# Narrower views have no room to say that they show the side before.
_TAGGED_WIDTH = 200.0
_BEFORE = "#e6e7e9"
# Between the pointer and what is written beside it.
_TAG_GAP = 12.0
_NO_PROJECT = (
    "No project is open",
    "Open one with Ctrl+O, or drop a .trilabel folder here.\n"
    "“trilabel demo” opens a basketball match.",
)


class GridPainting:
    """Paints a grid of views; keeps the marks and the card that it has drawn ahead."""

    def __init__(self, grid: ViewGrid, pointer: Pointer) -> None:
        self._grid = grid
        self._session = grid.session
        self._pointer = pointer
        self._style: OverlayStyle | None = None
        self._style_of: tuple[Project | None, DisplaySettings, float] | None = None
        self._card: Card | None = None
        self._before = BeforeLayer(self._session)

    def paint(self, painter: QPainter, event: QPaintEvent) -> None:
        """Paint what is dirty."""
        style = self._overlay_style()
        painter.fillRect(event.rect(), QColor(style.theme.window))
        panels = self._grid.visible_panels
        if not panels:
            box = Box(0, 0, self._grid.width(), self._grid.height())
            chrome.paint_words(painter, box, *_NO_PROJECT, style.theme)
        for panel in panels:
            whole = panel.cell.whole
            area = QRectF(whole.x, whole.y, whole.width, whole.height).toAlignedRect()
            if event.region().intersects(area):
                title = panel.cell.title
                strip = QRectF(title.x, title.y, title.width, title.height).toAlignedRect()
                if event.region().intersects(strip):
                    self._paint_title(painter, panel, style)
                self._paint_panel(painter, panel, style)
        self._paint_pointer(painter, style)

    def _overlay_style(self) -> OverlayStyle:
        project, display = self._session.project, self._session.display
        key = (project, display, self._grid.devicePixelRatioF())
        if self._style is None or self._style_of != key:
            bones = () if project is None else project.skeleton.bones
            self._style_of = key
            self._style = OverlayStyle(
                display=display,
                theme=theme_named(display.theme),
                bones=np.array(bones, dtype=np.int64).reshape(-1, 2),
                glyphs=GlyphCache(key[2]),
            )
        return self._style

    def _marks_of(self, panel: ViewPanel) -> Marks:
        cursor = self._session.cursor
        row = None if panel.scene is None else panel.scene.row_of(cursor.person)
        return Marks(row=row, joint=cursor.joint, is_residuals=self._session.display.residuals)

    def _paint_title(self, painter: QPainter, panel: ViewPanel, style: OverlayStyle) -> None:
        is_current = panel.camera == self._session.cursor.camera
        is_known = self._session.diagnosis is not None
        marks = self._marks_of(panel)
        info = chrome.title_info(panel, marks, is_current=is_current, is_known=is_known)
        chrome.paint_title(painter, panel.cell.title, info, style.theme)

    def _paint_panel(self, painter: QPainter, panel: ViewPanel, style: OverlayStyle) -> None:
        look, box, marks = style.theme, panel.cell.picture, self._marks_of(panel)
        painter.save()
        painter.setClipRect(QRectF(box.x, box.y, box.width, box.height))
        picture = panel.picture_layer(style.glyphs.pixel_ratio, look)
        painter.drawPixmap(round(box.x), round(box.y), picture)
        chrome.paint_blank(painter, panel, look)
        if not self._grid.are_people_hidden:
            self._paint_people(painter, panel, style, marks)
        painter.restore()
        if panel.camera == self._session.cursor.camera:
            chrome.paint_frame(painter, box, look)

    def _paint_people(
        self, painter: QPainter, panel: ViewPanel, style: OverlayStyle, marks: Marks
    ) -> None:
        left, top = round(panel.cell.picture.x), round(panel.cell.picture.y)
        people = panel.people_layer(style)
        if people is not None:
            painter.setOpacity(1.0 if marks.row is None else _OTHERS_OPACITY)
            painter.drawPixmap(left, top, people)
            painter.setOpacity(1.0)
        self._paint_before(painter, panel, style)
        if not self._session.is_blinking:
            self._paint_aids(painter, panel, style)
        emphasised = panel.marks_layer(style, marks)
        if emphasised is not None:
            painter.drawPixmap(left, top, emphasised)
        self._paint_handle(painter, panel)
        self._grid.feet.paint(painter, panel, style.theme)
        target = self._session.hover_target
        if target is not None:
            chrome.paint_hover(painter, panel, target.person, target.joint, style)

    def _paint_before(self, painter: QPainter, panel: ViewPanel, style: OverlayStyle) -> None:
        """Where joints were; or, while that is all that is shown, that it is."""
        side, box = self._before.side, panel.cell.picture
        if side is not None and panel.scene is not None:
            person = self._session.cursor.person
            paint_before(painter, side, panel.scene, panel.transform, style, person)
        elif self._session.is_blinking and box.width >= _TAGGED_WIDTH:
            tag = style.glyphs.tag("before", _BEFORE, bold=True)
            painter.drawPixmap(QPointF(round(box.x) + _TAG_GAP, round(box.y) + _TAG_GAP), tag)

    def _paint_aids(self, painter: QPainter, panel: ViewPanel, style: OverlayStyle) -> None:
        """What the other views say of the selected joint: below the person, to be seen past it."""
        if not panel.is_held:
            panel.aids = self._grid.aids.in_view(panel.camera)
        aids, scene, transform = panel.aids, panel.scene, panel.transform
        if aids is None or scene is None:
            return
        color = person_color(aids.person)
        if aids.curves:
            paint_curves(painter, aids.curves, aids.camera, transform, color)
        if aids.footprint_px is not None:
            paint_footprint(painter, aids.footprint_px, transform, color)
        if aids.ghosts is not None:
            paint_ghosts(painter, aids.ghosts, scene, transform, style, aids.joint)

    def _paint_handle(self, painter: QPainter, panel: ViewPanel) -> None:
        person, pointer = self._session.cursor.person, self._pointer
        editing = self._grid.editing
        if person is None or editing.is_placing or editing.grab is not None:
            return
        if self._grid.feet.is_on:
            return
        place = handle_place(panel, person)
        if place is not None:
            is_hovered = pointer.is_at_handle and pointer.panel is panel
            paint_handle(painter, place, person, is_hovered=is_hovered)

    def _paint_pointer(self, painter: QPainter, style: OverlayStyle) -> None:
        place, panel = self._pointer.place, self._pointer.panel
        drop = self._pointer.drop_panel
        if drop is not None:
            chrome.paint_drop(painter, drop.cell.whole, style.theme)
        if place is None or panel is None:
            return
        is_bare = self._grid.are_people_hidden
        is_moving = self._pointer.is_panning or self._pointer.is_editing
        if self._grid.is_loupe_shown:
            chrome.paint_loupe(
                painter,
                panel,
                place.x(),
                place.y(),
                style,
                self._marks_of(panel),
                is_people_shown=not is_bare,
            )
        elif self._grid.editing.is_placing and panel.cell.picture.contains(place.x(), place.y()):
            self._paint_placing(painter, place)
        elif not (is_bare or is_moving or self._grid.feet.is_on):
            self._paint_card(painter, style)

    def _paint_placing(self, painter: QPainter, at: QPointF) -> None:
        """Beside the pointer, which joint of whom a click places."""
        project, cursor, style = self._session.project, self._session.cursor, self._style
        if project is None or style is None or cursor.person is None or cursor.joint is None:
            return
        words = f"{project.skeleton.joints[cursor.joint].replace('_', ' ')} · #{cursor.person}"
        tag = style.glyphs.tag(words, person_color(cursor.person).name(), bold=True)
        width = tag.width() / style.glyphs.pixel_ratio
        left = at.x() + _TAG_GAP
        left = left if left + width <= self._grid.width() else at.x() - _TAG_GAP - width
        painter.drawPixmap(QPointF(left, at.y() + _TAG_GAP), tag)

    def _paint_card(self, painter: QPainter, style: OverlayStyle) -> None:
        target, anchor = self._pointer.target, self._pointer.anchor
        if target is None or anchor is None:
            return
        if not self._grid.panel_of(target.camera).is_held:
            self._card = self._make_card(target)
        if self._card is not None:
            area = Box(0, 0, self._grid.width(), self._grid.height())
            paint_card(painter, self._card, anchor.x(), anchor.y(), area, style.theme)

    def _make_card(self, target: JointTarget) -> Card | None:
        project, observations = self._session.project, self._session.observations
        if project is None or observations is None or target.person not in observations.persons:
            return None
        name = project.skeleton.joints[target.joint]
        return joint_card(target, name, observations, self._session.diagnosis)
