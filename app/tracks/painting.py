"""Paints the floor seen from above: court or grid, cameras, everybody's way, who stands where.

Colour says who; a filled dot on a way was set by hand, as a filled joint in the views; red is what
nobody can run.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from app.scene.shapes import court_is_along_y, court_lines
from app.theme import SMALL_PT, font, person_color
from app.tracks.plane import grid_step_mm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from app.theme import Theme
    from app.tracks.plane import FloorTransform
    from app.tracks.trails import Trail
    from core.geometry import Rig
    from core.people.track_edits import Spot

DOT_PX = 8.0
_SELECTED_DOT_PX = 9.5
# A number stays in its dot, whatever its digits.
_NUMBER_PT = (SMALL_PT, 7.5, 5.5)
_CAMERA_PX = 9.0
_PAST, _FUTURE = 0.9, 0.45
_SOLID, _DOTTED = Qt.PenStyle.SolidLine, Qt.PenStyle.DotLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Somebody at the cursor's frame.

    Attributes:
        person: id.
        spot_mm: where.
        is_moved: where the person would be after what is being done.
    """

    person: int
    spot_mm: Spot
    is_moved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Everything to be painted.

    Attributes:
        frame: of the cursor.
        trails: ways about it.
        standing: who stands where now.
        selected: person id.
        hovered: person id.
        camera: of the cursor.
        radius_mm: of a person's cylinder.
        pair: two persons whose meeting is being looked at.
    """

    frame: int
    trails: Sequence[Trail]
    standing: Sequence[Standing]
    selected: int | None
    hovered: int | None
    camera: int
    radius_mm: float
    pair: tuple[int, ...] = ()


def paint_floor(
    painter: QPainter, transform: FloorTransform, rig: Rig, theme: Theme, *, is_court: bool
) -> None:
    """The court's lines, or a grid in round steps."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    if is_court:
        segments = _court(court_is_along_y(rig))
        painter.setPen(QPen(_mixed(theme.line, theme.muted, 0.4), 1.2))
    else:
        segments = _grid(transform)
        painter.setPen(QPen(QColor(theme.line), 1))
    ends = transform.to_widget(segments).tolist()
    painter.drawLines([QLineF(*a, *b) for a, b in ends])


def paint_cameras(
    painter: QPainter, transform: FloorTransform, rig: Rig, camera: int, theme: Theme
) -> None:
    """A wedge for each camera that looks the way it does; the current one stands out."""
    painter.setFont(font(SMALL_PT))
    for index, each in enumerate(rig):
        ahead = each.center_mm[:2] + each.R[2, :2] * 1000.0
        ends = transform.to_widget(np.stack([each.center_mm[:2], ahead]))
        way = ends[1] - ends[0]
        length = float(np.hypot(*way))
        x, y = _inside(transform, *ends[0].tolist())
        color = QColor(theme.accent if index == camera else theme.muted)
        painter.setPen(QPen(color, 1.2))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if length > 1e-9 * transform.scale:
            dx, dy = (way / length * _CAMERA_PX).tolist()
            wedge = [(x, y), (x + dx - dy / 2, y + dy + dx / 2), (x + dx + dy / 2, y + dy - dx / 2)]
            painter.drawPolygon(QPolygonF([QPointF(*corner) for corner in wedge]))
        else:
            painter.drawEllipse(QPointF(x, y), 3, 3)
        if index == camera:
            _paint_name(painter, transform, QPointF(x, y), each.name, color)


def paint_people(
    painter: QPainter, transform: FloorTransform, picture: Picture, theme: Theme
) -> None:
    """Ways below, people above, the selected one on top."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for trail in sorted(picture.trails, key=lambda t: t.person == picture.selected):
        _paint_trail(painter, transform, trail, picture)
    _paint_pair(painter, transform, picture, theme)
    for who in sorted(picture.standing, key=lambda s: s.person == picture.selected):
        _paint_person(painter, transform, who, picture, theme)


def paint_scale(painter: QPainter, transform: FloorTransform, height: int, theme: Theme) -> None:
    """A bar of a round length at the lower left."""
    step = grid_step_mm(transform)
    length, y = step * transform.scale, height - 10.0
    painter.setPen(QPen(QColor(theme.muted), 1.2))
    painter.drawLines(
        [
            QLineF(10, y, 10 + length, y),
            QLineF(10, y - 3, 10, y + 3),
            QLineF(10 + length, y - 3, 10 + length, y + 3),
        ]
    )
    painter.setFont(font(SMALL_PT))
    text = f"{step / 1000:g} m" if step >= 1000 else f"{step / 10:g} cm"
    painter.drawText(QPointF(16 + length, y + 4), text)


def _paint_trail(
    painter: QPainter, transform: FloorTransform, trail: Trail, picture: Picture
) -> None:
    is_selected = trail.person == picture.selected
    places = transform.to_widget(trail.spots_mm)
    is_future = trail.frames > picture.frame
    joined = np.diff(trail.frames) == 1
    color = person_color(trail.person)
    width = 2.2 if is_selected else 1.2
    for mask, opacity, style in (
        (joined & ~is_future[1:], _PAST, _SOLID),
        (joined & is_future[1:], _FUTURE, _DOTTED if is_selected else _SOLID),
    ):
        color.setAlphaF(opacity if is_selected else opacity * 0.55)
        painter.setPen(QPen(color, width, style))
        ends = np.concatenate([places[:-1][mask], places[1:][mask]], axis=-1)
        painter.drawLines([QLineF(*line) for line in ends.tolist()])
    if is_selected or trail.person == picture.hovered:
        color.setAlphaF(1.0)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color)
        for x, y in places[trail.by_hand].tolist():
            painter.drawEllipse(QPointF(x, y), 3.2, 3.2)


def _paint_person(
    painter: QPainter, transform: FloorTransform, who: Standing, picture: Picture, theme: Theme
) -> None:
    (x, y), color = transform.to_widget(np.array(who.spot_mm)).tolist(), person_color(who.person)
    middle = QPointF(x, y)
    is_selected = who.person == picture.selected
    body = QColor(color)
    body.setAlphaF(0.3 if is_selected or who.person == picture.hovered else 0.16)
    painter.setPen(QPen(color, 1.0))
    painter.setBrush(body)
    reach = picture.radius_mm * transform.scale
    painter.drawEllipse(middle, reach, reach)
    radius = _SELECTED_DOT_PX if is_selected else DOT_PX
    painter.setBrush(color)
    painter.setPen(QPen(QColor(theme.canvas), 1.0))
    painter.drawEllipse(middle, radius, radius)
    if is_selected:
        painter.setPen(QPen(QColor(theme.accent), 1.6, _DOTTED if who.is_moved else _SOLID))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawEllipse(middle, radius + 2, radius + 2)
    number = str(who.person)
    painter.setFont(font(_NUMBER_PT[min(len(number), len(_NUMBER_PT)) - 1], bold=True))
    painter.setPen(QColor("#101114"))
    box = QRectF(x - 14, y - 8, 28, 16)
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, number)


def _paint_pair(
    painter: QPainter, transform: FloorTransform, picture: Picture, theme: Theme
) -> None:
    ends = [who.spot_mm for who in picture.standing if who.person in picture.pair]
    if len(ends) == 2:
        (ax, ay), (bx, by) = transform.to_widget(np.array(ends)).tolist()
        painter.setPen(QPen(QColor(theme.accent), 1.5, Qt.PenStyle.DashLine))
        painter.drawLine(QLineF(ax, ay, bx, by))


def _paint_name(
    painter: QPainter, transform: FloorTransform, at: QPointF, text: str, color: QColor
) -> None:
    width, height = (2 * half for half in transform.middle)
    room = painter.fontMetrics().horizontalAdvance(text)
    x = min(max(at.x() - room / 2, 4.0), width - room - 4)
    y = at.y() + 22 if at.y() + 26 < height else at.y() - 14
    painter.setPen(color)
    painter.drawText(QPointF(x, y), text)


def _inside(transform: FloorTransform, x: float, y: float) -> tuple[float, float]:
    """A camera outside the widget is shown at its edge, the way it stands."""
    width, height = (2 * half for half in transform.middle)
    return min(max(x, 8.0), width - 8.0), min(max(y, 8.0), height - 8.0)


@cache
def _court(is_along_y: bool) -> NDArray[np.float64]:
    """(N, 2, 2) the court's lines, its length along x or y."""
    lines = court_lines()[:, :2].reshape(-1, 2, 2)
    return lines[..., ::-1] if is_along_y else lines


def _grid(transform: FloorTransform) -> NDArray[np.float64]:
    """(N, 2, 2) lines a round step apart, as far as can be seen."""
    step = grid_step_mm(transform)
    reach = max(transform.middle) / transform.scale
    low, high = (np.array(transform.center_mm) + sign * reach for sign in (-1.5, 1.5))
    parts: list[NDArray[np.float64]] = []
    for axis in (0, 1):
        at = np.arange(np.floor(low[axis] / step), np.ceil(high[axis] / step) + 1) * step
        lines = np.zeros((len(at), 2, 2))
        lines[:, :, axis] = at[:, None]
        lines[:, 0, 1 - axis], lines[:, 1, 1 - axis] = low[1 - axis], high[1 - axis]
        parts.append(lines)
    return np.concatenate(parts)


def _mixed(first: str, second: str, share: float) -> QColor:
    a, b = QColor(first), QColor(second)
    return QColor.fromRgbF(
        *(
            (1 - share) * p + share * q
            for p, q in (
                (a.redF(), b.redF()),
                (a.greenF(), b.greenF()),
                (a.blueF(), b.blueF()),
            )
        )
    )
