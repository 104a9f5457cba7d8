"""What surrounds the pictures: title strips, quiet texts, the loupe, the drop mark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPainterPath, QPen

from app import theme
from app.views import overlay
from app.views.layout import Box
from app.views.marking import Mark
from app.views.panel import Marks, paint_image, paint_marks
from app.views.scene import split_look
from app.views.transform import MAX_SCALE, ViewTransform, Zoom

if TYPE_CHECKING:
    from app.views.overlay import OverlayStyle
    from app.views.panel import ViewPanel

LOUPE_RADIUS = 88.0
_LOUPE_GAIN = 3.0
_MIN_LOUPE_SCALE = 4.0
_BAR_WIDTH = 32.0
# Narrower strips have room for the name only.
_MIN_WEIGHT_TITLE = 96.0
_MUTED = "muted"
_START = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
_END = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight


@dataclass(frozen=True, slots=True, kw_only=True)
class TitleInfo:
    """What a title strip says.

    Attributes:
        index: position in the rig from 1, which is also the camera's key.
        name: of the camera.
        note: the picture's state; empty while all is well.
        is_current: the session's camera.
        weight: of the selected joint in this view; NaN = not seen here; None = nothing to say.
        is_discarded: the selected joint is discarded.
        is_muted: somebody took this view out of its triangulation.
    """

    index: int
    name: str
    note: str = ""
    is_current: bool = False
    weight: float | None = None
    is_discarded: bool = False
    is_muted: bool = False


def title_info(panel: ViewPanel, marks: Marks, *, is_current: bool, is_known: bool) -> TitleInfo:
    """What the panel's strip says, given what is selected.

    Args:
        panel: the view.
        marks: what is selected.
        is_current: whether it is the session's camera.
        is_known: whether there is a diagnosis, that is, weights.
    """
    weight, is_discarded, is_muted = None, False, False
    scene = panel.scene
    if is_known and scene is not None and marks.row is not None and marks.joint is not None:
        weight = float(scene.weight[marks.row, marks.joint])
        is_discarded = bool(scene.discarded[marks.row, marks.joint])
        is_muted = Mark.MUTED in split_look(int(scene.look[marks.row, marks.joint]))[1]
    return TitleInfo(
        index=panel.camera + 1,
        name=panel.name,
        note=panel.note,
        is_current=is_current,
        weight=weight,
        is_discarded=is_discarded,
        is_muted=is_muted,
    )


def paint_title(painter: QPainter, box: Box, info: TitleInfo, look: theme.Theme) -> None:
    """Draw a title strip."""
    area = QRectF(box.x, box.y, box.width, box.height)
    painter.fillRect(area, QColor(look.panel))
    inner = area.adjusted(6, 0, -6, 0)
    if info.weight is not None and area.width() >= _MIN_WEIGHT_TITLE:
        inner.setRight(_paint_weight(painter, inner, info, info.weight, look))
    font = theme.font(theme.SMALL_PT, bold=info.is_current)
    metrics = QFontMetricsF(font)
    painter.setFont(theme.font(theme.SMALL_PT))
    painter.setPen(QColor(look.muted))
    painter.drawText(inner, _START, str(info.index))
    inner.setLeft(inner.left() + 6 + metrics.horizontalAdvance(str(info.index)))
    painter.setFont(font)
    painter.setPen(QColor(look.text if info.is_current else look.muted))
    name = metrics.elidedText(info.name, Qt.TextElideMode.ElideMiddle, max(inner.width(), 0))
    painter.drawText(inner, _START, name)
    inner.setLeft(inner.left() + 8 + metrics.horizontalAdvance(name))
    if info.note:
        painter.setFont(theme.font(theme.SMALL_PT))
        painter.setPen(QColor(look.muted))
        note = metrics.elidedText(info.note, Qt.TextElideMode.ElideRight, max(inner.width(), 0))
        painter.drawText(inner, _START, note)


def _paint_weight(
    painter: QPainter, area: QRectF, info: TitleInfo, weight: float, look: theme.Theme
) -> float:
    """Draw the weight at the right end; gives the x up to which there is room left."""
    font = theme.font(theme.SMALL_PT)
    painter.setFont(font)
    if info.is_muted:
        painter.setPen(QColor(look.muted))
        painter.drawText(area, _END, _MUTED)
        return area.right() - QFontMetricsF(font).horizontalAdvance(_MUTED) - 6
    is_seen = bool(np.isfinite(weight))
    text = f"{weight:.2f}" if is_seen else "–"
    painter.setPen(QColor(look.problem if info.is_discarded else look.text))
    painter.drawText(area, _END, text)
    right = area.right() - QFontMetricsF(font).horizontalAdvance("0.00") - 6
    if area.width() < 130:
        return right
    track = QRectF(right - _BAR_WIDTH, area.center().y() - 2, _BAR_WIDTH, 4)
    painter.fillRect(track, QColor(look.line))
    if is_seen:
        share = min(max(weight, 0.0), 1.0)
        filled = QRectF(track.x(), track.y(), _BAR_WIDTH * share, track.height())
        painter.fillRect(filled, theme.quantity_color(share))
    return track.left() - 6


def paint_frame(painter: QPainter, box: Box, look: theme.Theme) -> None:
    """The outline of the current camera's view."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(look.accent), 1))
    painter.drawRect(QRectF(box.x, box.y, box.width - 1, box.height - 1))


def paint_blank(painter: QPainter, panel: ViewPanel, look: theme.Theme) -> None:
    """Why there is no picture, at the foot of the blank: the people over it stay readable."""
    has_picture = panel.picture is not None and panel.picture.image is not None
    if has_picture or panel.is_held or not panel.note:
        return  # an old picture is dimmed instead, and the title says "loading"
    box = panel.cell.picture
    area = QRectF(box.x + 8, box.y, max(box.width - 16, 0), box.height - 6)
    painter.setPen(QColor(look.muted))
    painter.setFont(theme.font(theme.SMALL_PT))
    flags = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom
    painter.drawText(area, flags, panel.note)


def paint_words(painter: QPainter, box: Box, title: str, body: str, look: theme.Theme) -> None:
    """A quiet text in the middle of a box: one line and, below, what to do."""
    area = QRectF(box.x + 8, box.y, max(box.width - 16, 0), box.height)
    middle = area.center().y()
    painter.setFont(theme.font(theme.TITLE_PT))
    painter.setPen(QColor(look.text))
    head = QRectF(area.x(), middle - 40, area.width(), 32)
    painter.drawText(head, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, title)
    painter.setFont(theme.font())
    painter.setPen(QColor(look.muted))
    below = QRectF(area.x(), middle, area.width(), 72)
    painter.drawText(below, Qt.AlignmentFlag.AlignHCenter | Qt.TextFlag.TextWordWrap, body)


def paint_drop(painter: QPainter, box: Box, look: theme.Theme) -> None:
    """Where a dragged view will land."""
    painter.setPen(QPen(QColor(look.accent), 2, Qt.PenStyle.DashLine))
    fill = QColor(look.accent)
    fill.setAlphaF(0.12)
    painter.setBrush(fill)
    painter.drawRect(QRectF(box.x + 1, box.y + 1, box.width - 2, box.height - 2))


def loupe_transform(panel: ViewPanel, x: float, y: float) -> ViewTransform:
    """The magnified map whose middle is the picture's point under (x, y)."""
    here = panel.transform
    at_x, at_y = here.to_picture(x, y)
    box = Box(x - LOUPE_RADIUS, y - LOUPE_RADIUS, 2 * LOUPE_RADIUS, 2 * LOUPE_RADIUS)
    width, height = panel.size_px
    whole = ViewTransform(box, panel.size_px, Zoom())
    scale = min(max(_LOUPE_GAIN * here.scale, _MIN_LOUPE_SCALE), MAX_SCALE)
    zoom = Zoom(scale / whole.fit_scale, ((at_x + 0.5) / width, (at_y + 0.5) / height))
    return ViewTransform(box, panel.size_px, zoom)


def paint_loupe(
    painter: QPainter,
    panel: ViewPanel,
    x: float,
    y: float,
    style: OverlayStyle,
    marks: Marks,
    *,
    is_people_shown: bool,
) -> None:
    """Draw the loupe: the patch under the pointer, magnified, with the joints in it."""
    transform = loupe_transform(panel, x, y)
    round_edge = QPainterPath()
    round_edge.addEllipse(QPointF(x, y), LOUPE_RADIUS, LOUPE_RADIUS)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setClipPath(round_edge)
    box = transform.box
    painter.fillRect(QRectF(box.x, box.y, box.width, box.height), QColor(style.theme.canvas))
    if panel.picture is not None and not panel.is_stale:
        paint_image(painter, panel.picture, transform)
    if panel.scene is not None and is_people_shown:
        overlay.paint_people(painter, panel.scene, transform, style)
        paint_marks(painter, panel.scene, transform, style, marks)
    _paint_crosshair(painter, x, y)
    painter.restore()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(style.theme.line), 3))
    painter.drawPath(round_edge)


def _paint_crosshair(painter: QPainter, x: float, y: float) -> None:
    for color, width in ((QColor(0, 0, 0, 140), 3), (QColor(255, 255, 255, 200), 1)):
        painter.setPen(QPen(color, width))
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            painter.drawLine(QPointF(x + dx * 6, y + dy * 6), QPointF(x + dx * 18, y + dy * 18))


def paint_hover(
    painter: QPainter, panel: ViewPanel, person: int, joint: int, style: OverlayStyle
) -> None:
    """The thin ring about the joint that the pointer is over, in whatever panel it is."""
    place = panel.place_of(person, joint)
    if place is None or panel.scene is None:
        return
    radius = overlay.joint_radius(panel.scene, panel.transform, style.display.point_size) + 3.0
    overlay.paint_ring(painter, place, radius, style, is_strong=False)
