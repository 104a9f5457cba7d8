"""Small pre-drawn marks: joints and number tags, drawn once and stamped many times.

Stamping a pixmap costs a fifth of drawing an antialiased ring, and a frame has some 1,200 joints
in 8 views. The form says what a joint is (hand filled, network ring, reprojected translucent,
discarded crossed); its size and opacity say the weight. A dark casing keeps every colour readable
on a bright floor.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen, QPixmap, QPolygonF

from app import theme
from app.views.marking import Mark
from app.views.scene import NUM_LEVELS, Form, split_look

if TYPE_CHECKING:
    from collections.abc import Iterable

# A ring smaller than this would fill itself; it becomes a dot.
_MIN_RING = 2.2
_CASING = QColor(0, 0, 0, 150)
# Of what somebody took out: neither a person's colour nor a problem.
_SAID_NO = QColor(214, 216, 220)
# Of a joint that is being dragged: the ticks begin so far from its middle.
_HELD_GAP = 1.5
# Of a ghost's outline, in widths of its pen; few enough to be seen as dashes on so small a ring.
_DASHES = (2.6, 1.8)
_OUTLINES = {
    Form.REPROJECTED: Qt.PenStyle.NoPen,
    Form.ACCEPTED: Qt.PenStyle.SolidLine,
    Form.GHOST: Qt.PenStyle.DashLine,
}
_TAG_DARK_TEXT = QColor("#101114")


@dataclass(frozen=True, slots=True)
class Glyph:
    """What one joint mark looks like, apart from its size and opacity.

    Attributes:
        color: of the person, #rrggbb.
        form: where it comes from.
        marks: what is held of it.
    """

    color: str
    form: Form
    marks: Mark = Mark.NONE


def level_radius(radius: float, level: int) -> float:
    """The radius that says this weight."""
    return radius * (0.5 + 0.5 * level / (NUM_LEVELS - 1))


def level_opacity(level: int) -> float:
    """The opacity that says this weight."""
    return 0.4 + 0.6 * level / (NUM_LEVELS - 1)


class JointMarks(dict[int, tuple[QPixmap, float]]):
    """A person's marks by `ViewScene.look`, each with half its side; drawn when first missed."""

    def __init__(self, cache: GlyphCache, color: str, radius: float) -> None:
        super().__init__()
        self._cache = cache
        self._color = color
        self._radius = radius

    def __missing__(self, look: int) -> tuple[QPixmap, float]:
        form, marks, level = split_look(look)
        glyph = Glyph(self._color, form, marks)
        radius = level_radius(self._radius, level)
        side = 2 * ceil(radius + 5) + 1
        pixmap = self._cache.blank(side, side)
        half = pixmap.width() / self._cache.pixel_ratio / 2
        painter = QPainter(pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setOpacity(level_opacity(level))
        draw_joint(painter, QPointF(half, half), radius, glyph)
        painter.end()
        self[look] = (pixmap, half)
        return self[look]


class GlyphCache:
    """Marks by what they look like, for one device pixel ratio."""

    def __init__(self, pixel_ratio: float) -> None:
        self.pixel_ratio = pixel_ratio
        self._joints: dict[tuple[str, float], JointMarks] = {}
        self._rings: dict[tuple[float, str, bool], tuple[QPixmap, float]] = {}
        self._tags: dict[tuple[str, str, bool], QPixmap] = {}

    def joints_of(self, color: str, radius: float) -> JointMarks:
        """The marks of one person's joints, by look."""
        marks = self._joints.get((color, radius))
        if marks is None:
            marks = self._joints[color, radius] = JointMarks(self, color, radius)
        return marks

    def tag(self, text: str, color: str, *, bold: bool) -> QPixmap:
        """A pill with a person's number."""
        key = (text, color, bold)
        pixmap = self._tags.get(key)
        if pixmap is None:
            pixmap = self._tags[key] = self._draw_tag(text, color, bold=bold)
        return pixmap

    def ring(self, radius: float, look: theme.Theme, *, is_strong: bool) -> tuple[QPixmap, float]:
        """A ring to lay about a joint, and half its side: selected (strong) or hovered."""
        key = (radius, look.name, is_strong)
        ring = self._rings.get(key)
        if ring is None:
            ring = self._rings[key] = self._draw_ring(radius, look, is_strong=is_strong)
        return ring

    def blank(self, width: float, height: float) -> QPixmap:
        """A transparent pixmap of a logical size."""
        ratio = self.pixel_ratio
        pixmap = QPixmap(ceil(width * ratio), ceil(height * ratio))
        pixmap.setDevicePixelRatio(ratio)
        pixmap.fill(Qt.GlobalColor.transparent)
        return pixmap

    def _draw_ring(
        self, radius: float, look: theme.Theme, *, is_strong: bool
    ) -> tuple[QPixmap, float]:
        side = 2 * ceil(radius + 4)
        pixmap = self.blank(side, side)
        half = pixmap.width() / self.pixel_ratio / 2
        casing = QColor(0, 0, 0, 170) if look.name == "dark" else QColor(255, 255, 255, 200)
        width = 2.0 if is_strong else 1.2
        painter = QPainter(pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for pen in (QPen(casing, width + 2), QPen(QColor(look.accent), width)):
            painter.setPen(pen)
            painter.drawEllipse(QPointF(half, half), radius, radius)
        painter.end()
        return pixmap, half

    def _draw_tag(self, text: str, color: str, *, bold: bool) -> QPixmap:
        font = theme.font(theme.SMALL_PT - (0.0 if bold else 1.0), bold=bold)
        metrics = QFontMetricsF(font)
        height = metrics.height()
        width = max(metrics.horizontalAdvance(text) + 6, height)
        pixmap = self.blank(width + 1, height + 1)
        painter = QPainter(pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(0.5, 0.5, width, height)
        fill = QColor(color)
        fill.setAlphaF(1.0 if bold else 0.85)
        painter.setPen(QPen(_CASING, 1))
        painter.setBrush(fill)
        painter.drawRoundedRect(box, 3, 3)
        painter.setPen(_TAG_DARK_TEXT)
        painter.setFont(font)
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
        painter.end()
        return pixmap


def draw_joint(painter: QPainter, middle: QPointF, radius: float, glyph: Glyph) -> None:
    """Draw one joint with an antialiasing painter."""
    color = QColor(glyph.color)
    if glyph.form in _OUTLINES:
        _draw_translucent(painter, middle, radius, color, _OUTLINES[glyph.form])
    elif glyph.form == Form.HELD:
        _draw_held(painter, middle, radius, color)
    elif glyph.marks & Mark.OCCLUDED:
        _draw_half(painter, middle, radius, color)
    elif glyph.form == Form.HAND or radius < _MIN_RING:
        painter.setPen(QPen(_CASING, 1) if radius >= _MIN_RING else Qt.PenStyle.NoPen)
        painter.setBrush(color)
        painter.drawEllipse(middle, radius, radius)
    else:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(_CASING, 3))
        painter.drawEllipse(middle, radius - 0.75, radius - 0.75)
        painter.setPen(QPen(color, 1.6))
        painter.drawEllipse(middle, radius - 0.75, radius - 0.75)
    _draw_marks(painter, middle, radius, glyph)


def _draw_translucent(
    painter: QPainter, middle: QPointF, radius: float, color: QColor, outline: Qt.PenStyle
) -> None:
    """A reprojection: bare, or in a line where it is offered (broken) or was accepted (whole)."""
    if outline == Qt.PenStyle.NoPen:
        painter.setPen(outline)
    else:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(_CASING, 2.6))
        painter.drawEllipse(middle, radius, radius)
        pen = QPen(color, 1.3, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap)
        if outline == Qt.PenStyle.DashLine:
            pen.setDashPattern(_DASHES)
        painter.setPen(pen)
    color.setAlphaF(0.45)
    painter.setBrush(color)
    painter.drawEllipse(middle, radius, radius)


def _draw_held(painter: QPainter, middle: QPointF, radius: float, color: QColor) -> None:
    """A joint under the pointer: four ticks about a point, the picture between them free."""
    x, y = middle.x(), middle.y()
    for pen in (QPen(_CASING, 3), QPen(color, 1.4)):
        painter.setPen(pen)
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            painter.drawLine(
                QPointF(x + dx * _HELD_GAP, y + dy * _HELD_GAP),
                QPointF(x + dx * (radius + 2.5), y + dy * (radius + 2.5)),
            )


def _draw_half(painter: QPainter, middle: QPointF, radius: float, color: QColor) -> None:
    """Occluded: whoever placed it could see only one side of it, so to speak."""
    inner = max(radius - 0.75, 1.0)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(_CASING, 3))
    painter.drawEllipse(middle, inner, inner)
    painter.setPen(QPen(color, 1.6))
    painter.drawEllipse(middle, inner, inner)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(color)
    area = QRectF(middle.x() - inner, middle.y() - inner, 2 * inner, 2 * inner)
    painter.drawPie(area, 180 * 16, 180 * 16)


def _draw_marks(painter: QPainter, middle: QPointF, radius: float, glyph: Glyph) -> None:
    color, marks = QColor(glyph.color), glyph.marks
    painter.setOpacity(1.0)  # what somebody said is not weighed
    around = radius + min(2.5, 0.7 * radius)
    if marks & Mark.ACCEPTED:
        arm = around * 1.25
        _draw_around(painter, middle, color, ((0, -arm), (arm, 0), (0, arm), (-arm, 0)))
    if marks & Mark.LOCKED:
        arm = around * 0.95
        _draw_around(painter, middle, color, ((-arm, -arm), (arm, -arm), (arm, arm), (-arm, arm)))
    if marks & Mark.REJECTED:
        _draw_cross(painter, middle, radius + 2.5, _SAID_NO)
    elif marks & Mark.DISCARDED:
        _draw_cross(painter, middle, radius + 1.5, color)
    if marks & Mark.MUTED:
        _draw_stroke(painter, middle, max(radius, 4.0) + 2.5)


def _draw_around(
    painter: QPainter, middle: QPointF, color: QColor, corners: Iterable[tuple[float, float]]
) -> None:
    shape = QPolygonF([QPointF(middle.x() + x, middle.y() + y) for x, y in corners])
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for pen in (QPen(_CASING, 2.6), QPen(color, 1.2)):
        painter.setPen(pen)
        painter.drawPolygon(shape)


def _draw_stroke(painter: QPainter, middle: QPointF, arm: float) -> None:
    d = arm * 0.8
    for pen in (QPen(_CASING, 3), QPen(_SAID_NO, 1.4)):
        painter.setPen(pen)
        painter.drawLine(
            QPointF(middle.x() - d, middle.y() + d), QPointF(middle.x() + d, middle.y() - d)
        )


def _draw_cross(painter: QPainter, middle: QPointF, arm: float, color: QColor) -> None:
    d = arm * 0.8
    x, y = middle.x(), middle.y()
    for pen in (QPen(_CASING, 3), QPen(color, 1.4)):
        painter.setPen(pen)
        painter.drawLine(QPointF(x - d, y - d), QPointF(x + d, y + d))
        painter.drawLine(QPointF(x - d, y + d), QPointF(x + d, y - d))
