"""How the grid paints itself: views from their layers, then what follows the pointer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QPainter

from app.theme import theme_named
from app.views import chrome
from app.views.card import Card, joint_card, paint_card
from app.views.ghosts import paint_ghosts
from app.views.glyphs import GlyphCache
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

    def _paint_panel(self, painter: QPainter, panel: ViewPanel, style: OverlayStyle) -> None:
        look, box, marks = style.theme, panel.cell.picture, self._marks_of(panel)
        is_current = panel.camera == self._session.cursor.camera
        is_known = self._session.diagnosis is not None
        info = chrome.title_info(panel, marks, is_current=is_current, is_known=is_known)
        chrome.paint_title(painter, panel.cell.title, info, look)
        painter.save()
        painter.setClipRect(QRectF(box.x, box.y, box.width, box.height))
        picture = panel.picture_layer(style.glyphs.pixel_ratio, look)
        painter.drawPixmap(round(box.x), round(box.y), picture)
        chrome.paint_blank(painter, panel, look)
        if not self._grid.are_people_hidden:
            self._paint_people(painter, panel, style, marks)
        painter.restore()
        if is_current:
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
        ghosts = self._grid.aids.ghosts_in(panel.camera)
        if ghosts is not None and panel.scene is not None and not panel.is_held:
            paint_ghosts(painter, ghosts, panel.scene, panel.transform, style, marks.joint)
        emphasised = panel.marks_layer(style, marks)
        if emphasised is not None:
            painter.drawPixmap(left, top, emphasised)
        self._grid.feet.paint(painter, panel, style.theme)
        target = self._session.hover_target
        if target is not None:
            chrome.paint_hover(painter, panel, target.person, target.joint, style)

    def _paint_pointer(self, painter: QPainter, style: OverlayStyle) -> None:
        place, panel = self._pointer.place, self._pointer.panel
        drop = self._pointer.drop_panel
        if drop is not None:
            chrome.paint_drop(painter, drop.cell.whole, style.theme)
        if place is None or panel is None:
            return
        is_bare = self._grid.are_people_hidden
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
        elif not is_bare and not (self._pointer.is_panning or self._pointer.is_editing):
            self._paint_card(painter, style)

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
