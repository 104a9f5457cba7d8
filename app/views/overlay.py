"""Paints people over a picture: bones, joints, number tags, residual vectors, boxes.

Colour says who, form says what, size and opacity say weight (docs: the window's visual language);
residual vectors are a quantity, so they take viridis, and red beyond what can be noise. Work is
batched per person, since a call from Python costs more than most of what it draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from app import theme
from app.views.glyphs import GlyphCache, level_opacity
from app.views.scene import NUM_LEVELS, Form

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from app.state import DisplaySettings
    from app.views.scene import ViewScene
    from app.views.transform import ViewTransform

# A leave-one-out residual beyond this share of a person's extent in the view (some 14 cm) is a
# problem and no longer noise; it tops the colour scale. Few pixels are noise whatever the person's.
_PROBLEM_SHARE = 0.08
_MIN_PROBLEM_PX = 5.0
# People drawn lower than this have no room for number tags, and smaller joints.
_TAGGED_HEIGHT = 36.0
_FULL_SIZE_HEIGHT = 110.0
_CASING = QColor(0, 0, 0, 130)
_BYSTANDER = QColor(150, 153, 160, 170)
_NUM_BONE_LEVELS = 3
_REPROJECTED_OPACITY = 0.4
_NUM_RESIDUAL_COLORS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlayStyle:
    """What the painter must know besides the scene.

    Attributes:
        display: point size, opacity and what is drawn.
        theme: of the window.
        bones: (B, 2) joint indices.
        glyphs: marks for the painter's device.
    """

    display: DisplaySettings
    theme: theme.Theme
    bones: NDArray[np.int64]
    glyphs: GlyphCache


def problem_residual_px(scene: ViewScene) -> float:
    """The leave-one-out residual, raw pixels, from which on a vector is red."""
    return max(_PROBLEM_SHARE * scene.typical_height_px, _MIN_PROBLEM_PX)


def joint_radius(scene: ViewScene, transform: ViewTransform, point_size: float) -> float:
    """The radius of a fully weighted joint: of constant screen size, less where people are tiny."""
    share = (scene.typical_height_px * transform.scale / _FULL_SIZE_HEIGHT) ** 0.5
    return round(point_size * min(max(share, 0.35), 1.0) * 4) / 4


def paint_people(
    painter: QPainter, scene: ViewScene, transform: ViewTransform, style: OverlayStyle
) -> None:
    """Everyone in the view, none emphasised."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    if style.display.bystanders:
        _paint_bystanders(painter, scene, transform, style)
    radius = joint_radius(scene, transform, style.display.point_size)
    everyone = range(len(scene.persons))
    points = _culled(transform.to_widget(scene.points_px), transform)
    _paint_bones(painter, scene, points, everyone, radius, style)
    _paint_joints(painter, scene, points, everyone, radius, style)
    if style.display.boxes:
        for row in everyone:
            _paint_box(painter, scene, transform, row)
    if style.display.labels and scene.typical_height_px * transform.scale >= _TAGGED_HEIGHT:
        for row in everyone:
            _paint_tag(painter, scene, points, row, style, bold=False)


def paint_selected(
    painter: QPainter, scene: ViewScene, transform: ViewTransform, style: OverlayStyle, row: int
) -> None:
    """One person again, emphasised: cased bones, larger joints, its number."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    points = _culled(transform.to_widget(scene.points_px), transform)
    radius = joint_radius(scene, transform, style.display.point_size) + 0.5
    if style.display.boxes:
        _paint_box(painter, scene, transform, row)
    _paint_bones(painter, scene, points, [row], radius, style, is_cased=True)
    _paint_joints(painter, scene, points, [row], radius, style)
    if style.display.labels:
        _paint_tag(painter, scene, points, row, style, bold=True)


def paint_residuals(
    painter: QPainter,
    scene: ViewScene,
    transform: ViewTransform,
    style: OverlayStyle,
    rows: Sequence[int],
) -> None:
    """Lines from each observation to where the other views alone place its joint."""
    if not len(rows):
        return
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    chosen = list(rows)
    observed = np.greater_equal(scene.form[chosen], int(Form.NETWORK))
    start = transform.to_widget(scene.points_px[chosen])[observed]
    end = transform.to_widget(scene.loo_px[chosen])[observed]
    residual = scene.loo_residual_px[chosen][observed]
    usable: NDArray[np.bool_] = np.isfinite(end).all(axis=-1) & np.isfinite(residual)
    share: NDArray[np.float64] = residual / problem_residual_px(scene)
    colors = np.where(share > 1, _NUM_RESIDUAL_COLORS, np.floor(share * _NUM_RESIDUAL_COLORS))
    for index in range(_NUM_RESIDUAL_COLORS + 1):
        mask = usable & (np.minimum(colors, _NUM_RESIDUAL_COLORS) == index)
        if not mask.any():
            continue
        is_problem = index == _NUM_RESIDUAL_COLORS
        color = (
            QColor(style.theme.problem)
            if is_problem
            else theme.quantity_color(index / (_NUM_RESIDUAL_COLORS - 1))
        )
        lines = _lines(start[mask], end[mask])
        painter.setPen(QPen(_CASING, 3.5, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.drawLines(lines)
        painter.setPen(QPen(color, 1.8, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.drawLines(lines)
        painter.setPen(QPen(color, 4, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.drawPoints([QPointF(*point) for point in end[mask].tolist()])


def paint_ring(
    painter: QPainter, middle: QPointF, radius: float, style: OverlayStyle, *, is_strong: bool
) -> None:
    """The mark of the selected joint (strong) or of the one under the pointer."""
    ring, half = style.glyphs.ring(radius, style.theme, is_strong=is_strong)
    painter.drawPixmap(QPointF(middle.x() - half, middle.y() - half), ring)


def _culled(points: NDArray[np.float64], transform: ViewTransform) -> NDArray[np.float64]:
    """Points far outside the view become NaN: a stray projection must not cost a kilometre line."""
    box = transform.box
    low = np.array([box.x - box.width, box.y - box.height])
    high = np.array([box.right + box.width, box.bottom + box.height])
    inside = np.all((points >= low) & (points <= high), axis=-1, keepdims=True)
    return np.where(inside, points, np.nan)


def _lines(start: NDArray[np.float64], end: NDArray[np.float64]) -> list[QLineF]:
    return [QLineF(*line) for line in np.concatenate([start, end], axis=-1).tolist()]


def _paint_bones(
    painter: QPainter,
    scene: ViewScene,
    points: NDArray[np.float64],
    rows: Sequence[int],
    radius: float,
    style: OverlayStyle,
    *,
    is_cased: bool = False,
) -> None:
    """Draw bones, one call for each person and strength: the lesser weight of the two ends."""
    if not len(rows) or not len(style.bones):
        return
    ends = points[rows][:, style.bones]
    strength = scene.level[rows][:, style.bones].min(axis=-1) * _NUM_BONE_LEVELS // NUM_LEVELS
    ends_form = scene.form[rows][:, style.bones]
    ghost = ((ends_form == Form.REPROJECTED) | (ends_form == Form.ACCEPTED)).any(axis=-1)
    strength[ghost] = -1
    key = np.arange(len(rows))[:, None] * (_NUM_BONE_LEVELS + 1) + strength + 1
    usable = np.isfinite(ends).all(axis=(-1, -2))
    if not usable.any():
        return
    ends, key = ends[usable], key[usable]
    order = np.argsort(key, kind="stable")
    lines, keys = _lines(ends[order, 0], ends[order, 1]), key[order]
    width = max(1.0, radius * 0.45)
    painter.setOpacity(style.display.opacity)
    if is_cased:
        painter.setPen(QPen(_CASING, width + min(2.0, 0.5 * radius)))
        painter.drawLines(lines)
    starts = np.flatnonzero(np.diff(keys, prepend=-1)).tolist()
    for start, stop in zip(starts, [*starts[1:], len(lines)], strict=True):
        index, level = divmod(int(keys[start]), _NUM_BONE_LEVELS + 1)
        color = theme.person_color(scene.persons[rows[index]])
        color.setAlphaF(_bone_opacity(level - 1))
        painter.setPen(QPen(color, width))
        painter.drawLines(lines[start:stop])
    painter.setOpacity(1.0)


def _bone_opacity(strength: int) -> float:
    if strength < 0:
        return _REPROJECTED_OPACITY
    return level_opacity((strength + 1) * NUM_LEVELS // _NUM_BONE_LEVELS - 1)


def _paint_joints(
    painter: QPainter,
    scene: ViewScene,
    points: NDArray[np.float64],
    rows: Sequence[int],
    radius: float,
    style: OverlayStyle,
) -> None:
    painter.setOpacity(style.display.opacity)
    drawn = np.isfinite(points[..., 0])
    for row in rows:
        marks = style.glyphs.joints_of(theme.person_color(scene.persons[row]).name(), radius)
        seen = drawn[row]
        for (x, y), look in zip(
            points[row][seen].tolist(), scene.look[row][seen].tolist(), strict=True
        ):
            mark, half = marks[look]
            painter.drawPixmap(QPointF(x - half, y - half), mark)
    painter.setOpacity(1.0)


def _paint_tag(
    painter: QPainter,
    scene: ViewScene,
    points: NDArray[np.float64],
    row: int,
    style: OverlayStyle,
    *,
    bold: bool,
) -> None:
    seen = points[row][np.isfinite(points[row]).all(axis=-1)]
    if not len(seen):
        return
    person = scene.persons[row]
    tag = style.glyphs.tag(str(person), theme.person_color(person).name(), bold=bold)
    ratio = style.glyphs.pixel_ratio
    x, y = seen[int(np.argmin(seen[:, 1]))].tolist()
    width, height = tag.width() / ratio, tag.height() / ratio
    painter.drawPixmap(QPointF(x - width / 2, y - height - 6), tag)


def _paint_box(painter: QPainter, scene: ViewScene, transform: ViewTransform, row: int) -> None:
    box = scene.boxes_px[row]
    if not np.isfinite(box).all():
        return
    (x0, y0), (x1, y1) = transform.to_widget(box.reshape(2, 2)).tolist()
    color = theme.person_color(scene.persons[row])
    color.setAlphaF(0.6)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(color, 1))
    painter.drawRect(QRectF(x0, y0, x1 - x0, y1 - y0))


def _paint_bystanders(
    painter: QPainter, scene: ViewScene, transform: ViewTransform, style: OverlayStyle
) -> None:
    if not scene.bystanders_px or not len(style.bones):
        return
    points = _culled(transform.to_widget(np.stack(scene.bystanders_px)), transform)
    ends = points[:, style.bones]
    usable = np.isfinite(ends).all(axis=(-1, -2))
    painter.setPen(QPen(_BYSTANDER, 1))
    painter.drawLines(_lines(ends[usable][:, 0], ends[usable][:, 1]))
