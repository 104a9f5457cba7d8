"""The handle below the selected person, by which all of them is moved in a view.

Of constant screen size, and apart from the joints: taking a joint never moves a whole person, and
the other way round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from app import theme
from app.views.scene import Form

if TYPE_CHECKING:
    from app.views.panel import ViewPanel

SIDE = 15.0
HANDLE_RADIUS = 11.0
# Below the lowest joint, clear of its mark.
_GAP = 20.0
# People drawn smaller than this are looked at, not edited.
_MIN_EXTENT = 56.0
_INK = QColor("#101114")


def handle_place(panel: ViewPanel, person: int | None) -> QPointF | None:
    """The middle of a person's handle in the widget; None where they have none.

    That is where nothing of them was seen, or too little of it is in sight.
    """
    row = None if panel.scene is None else panel.scene.row_of(person)
    if panel.scene is None or row is None:
        return None
    seen = panel.scene.form[row] >= Form.NETWORK
    if not seen.any():
        return None
    places = panel.transform.to_widget(panel.scene.points_px[row, seen])
    if float(np.ptp(places, axis=0).max()) < _MIN_EXTENT:
        return None
    x = float((places[:, 0].min() + places[:, 0].max()) / 2)
    y = float(places[:, 1].max()) + _GAP
    box, half = panel.cell.picture, SIDE / 2 + 1
    # At the foot of the picture it stays in sight; a person out of sight has none.
    inside = np.all((places >= (box.x, box.y)) & (places <= (box.right, box.bottom)), axis=-1)
    if not inside.any():
        return None
    return QPointF(
        min(max(x, box.x + half), box.right - half), min(max(y, box.y + half), box.bottom - half)
    )


def handle_distance(panel: ViewPanel, person: int | None, at: QPointF) -> float:
    """How far the widget point ``at`` is from the handle; infinite where that is out of reach."""
    place = handle_place(panel, person)
    if place is None:
        return float("inf")
    away = float(np.hypot(place.x() - at.x(), place.y() - at.y()))
    return away if away <= HANDLE_RADIUS else float("inf")


def paint_handle(painter: QPainter, middle: QPointF, person: int, *, is_hovered: bool) -> None:
    """Draw a square of the person's colour with four arrows on it."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    fill = theme.person_color(person)
    fill.setAlphaF(1.0 if is_hovered else 0.75)
    painter.setPen(QPen(QColor(0, 0, 0, 150), 1))
    painter.setBrush(fill)
    x, y = middle.x(), middle.y()
    painter.drawRoundedRect(QRectF(x - SIDE / 2, y - SIDE / 2, SIDE, SIDE), 3, 3)
    painter.setPen(QPen(_INK, 1.2))
    painter.drawLine(QPointF(x - 4, y), QPointF(x + 4, y))
    painter.drawLine(QPointF(x, y - 4), QPointF(x, y + 4))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(_INK)
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        tip = QPointF(x + 5.8 * dx, y + 5.8 * dy)
        left = QPointF(x + 3.4 * dx + 2.2 * dy, y + 3.4 * dy + 2.2 * dx)
        right = QPointF(x + 3.4 * dx - 2.2 * dy, y + 3.4 * dy - 2.2 * dx)
        painter.drawPolygon(QPolygonF([tip, left, right]))
