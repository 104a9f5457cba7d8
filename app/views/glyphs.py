"""Small pre-drawn marks: joints and number tags, drawn once and stamped many times.

Stamping a pixmap costs a fifth of drawing an antialiased ring, and a frame has some 1,200 joints
in 8 views. The form says what a joint is (hand filled, network ring, reprojected translucent,
discarded crossed); its size and opacity say the weight. A dark casing keeps every colour readable
on a bright floor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen, QPixmap

from app import theme
from app.views.scene import Form

if TYPE_CHECKING:
    from numpy.typing import NDArray

NUM_LEVELS = 6
# A ring smaller than this would fill itself; it becomes a dot.
_MIN_RING = 2.2
_CASING = QColor(0, 0, 0, 150)
_TAG_DARK_TEXT = QColor("#101114")


@dataclass(frozen=True, slots=True)
class Glyph:
    """What one joint mark looks like.

    Attributes:
        color: of the person, #rrggbb.
        form: hand, network or reprojected.
        discarded: crossed.
        level: weight in steps, 0 to `NUM_LEVELS` - 1.
        radius: at full weight, logical pixels.
    """

    color: str
    form: Form
    discarded: bool
    level: int
    radius: float


def weight_levels(weight: NDArray[np.float64]) -> NDArray[np.int64]:
    """Weights 0 to 1 in `NUM_LEVELS` steps; an unknown weight (NaN) is drawn as a full one."""
    known = np.where(np.isnan(weight), 1.0, np.clip(weight, 0.0, 1.0))
    return np.rint(known * (NUM_LEVELS - 1)).astype(np.int64)


def level_radius(radius: float, level: int) -> float:
    """The radius that says this weight."""
    return radius * (0.5 + 0.5 * level / (NUM_LEVELS - 1))


def level_opacity(level: int) -> float:
    """The opacity that says this weight."""
    return 0.4 + 0.6 * level / (NUM_LEVELS - 1)


class GlyphCache:
    """Marks by what they look like, for one device pixel ratio."""

    def __init__(self, pixel_ratio: float) -> None:
        self.pixel_ratio = pixel_ratio
        self._joints: dict[Glyph, QPixmap] = {}
        self._tags: dict[tuple[str, str, bool], QPixmap] = {}

    def joint(self, glyph: Glyph) -> QPixmap:
        """A square pixmap with the joint in its middle."""
        pixmap = self._joints.get(glyph)
        if pixmap is None:
            pixmap = self._joints[glyph] = self._draw_joint(glyph)
        return pixmap

    def tag(self, text: str, color: str, *, bold: bool) -> QPixmap:
        """A pill with a person's number."""
        key = (text, color, bold)
        pixmap = self._tags.get(key)
        if pixmap is None:
            pixmap = self._tags[key] = self._draw_tag(text, color, bold=bold)
        return pixmap

    def _blank(self, width: float, height: float) -> QPixmap:
        ratio = self.pixel_ratio
        pixmap = QPixmap(int(np.ceil(width * ratio)), int(np.ceil(height * ratio)))
        pixmap.setDevicePixelRatio(ratio)
        pixmap.fill(Qt.GlobalColor.transparent)
        return pixmap

    def _draw_joint(self, glyph: Glyph) -> QPixmap:
        radius = level_radius(glyph.radius, glyph.level)
        side = 2 * np.ceil(radius + 3) + 1
        pixmap = self._blank(side, side)
        painter = QPainter(pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setOpacity(level_opacity(glyph.level))
        logical = pixmap.width() / self.pixel_ratio
        draw_joint(painter, QPointF(logical / 2, logical / 2), radius, glyph)
        painter.end()
        return pixmap

    def _draw_tag(self, text: str, color: str, *, bold: bool) -> QPixmap:
        font = theme.font(theme.SMALL_PT - (0.0 if bold else 1.0), bold=bold)
        metrics = QFontMetricsF(font)
        height = metrics.height()
        width = max(metrics.horizontalAdvance(text) + 6, height)
        pixmap = self._blank(width + 1, height + 1)
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
    if glyph.form == Form.REPROJECTED:
        color.setAlphaF(0.45)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color)
        painter.drawEllipse(middle, radius, radius)
    elif glyph.form == Form.HAND or radius < _MIN_RING:
        painter.setPen(QPen(_CASING, 1))
        painter.setBrush(color)
        painter.drawEllipse(middle, radius, radius)
    else:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(_CASING, 3))
        painter.drawEllipse(middle, radius - 0.75, radius - 0.75)
        painter.setPen(QPen(color, 1.6))
        painter.drawEllipse(middle, radius - 0.75, radius - 0.75)
    if glyph.discarded:
        _draw_cross(painter, middle, radius + 1.5, color)


def _draw_cross(painter: QPainter, middle: QPointF, arm: float, color: QColor) -> None:
    d = arm * 0.8
    x, y = middle.x(), middle.y()
    for pen in (QPen(_CASING, 3), QPen(color, 1.4)):
        painter.setPen(pen)
        painter.drawLine(QPointF(x - d, y - d), QPointF(x + d, y + d))
        painter.drawLine(QPointF(x - d, y + d), QPointF(x + d, y - d))
