"""The small card beside the pointer: what is known of a joint in a view, as lines of text.

The text is made by a pure function; only the last function here draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen

from app import theme
from app.views.scene import Form

if TYPE_CHECKING:
    from app.views.hit_test import JointTarget
    from app.views.layout import Box
    from core.diagnosis import FrameDiagnosis
    from core.observations import FrameObservations

_PADDING = 8.0
_OFFSET = 16.0
_FORM_WORDS = {
    Form.HAND: "by hand",
    Form.NETWORK: "from a network",
    Form.ACCEPTED: "copied, or put from other views",
    Form.HELD: "by hand",
    Form.GHOST: "where hand labels of other views put it; drag it, or accept it",
    Form.REPROJECTED: "not seen here; reprojected from the other views",
}

_UNSEEN = (Form.REPROJECTED, Form.GHOST)


@dataclass(frozen=True, slots=True)
class Card:
    """Text of the card.

    Attributes:
        title: joint and person.
        rows: label and value; an empty label makes a line of its own.
        color: of the person, #rrggbb.
        is_problem: the joint is discarded.
    """

    title: str
    rows: tuple[tuple[str, str], ...]
    color: str
    is_problem: bool = False


def joint_card(
    target: JointTarget,
    joint_name: str,
    observations: FrameObservations,
    diagnosis: FrameDiagnosis | None,
) -> Card:
    """All that is known of the joint in the view it was hit in.

    Args:
        target: the hit; its row is one of ``observations``.
        joint_name: as the skeleton says.
        observations: of the frame shown.
        diagnosis: of the same frame, or None while it is not there yet.
    """
    place = (target.row, target.camera, target.joint)
    rows: list[tuple[str, str]] = [("", _FORM_WORDS[target.form])]
    if target.form not in _UNSEEN:
        x, y = observations.points_px[place].tolist()
        rows.append(("pixel", f"{x:.1f}, {y:.1f}"))
        confidence = float(observations.confidence[place])
        if np.isfinite(confidence):
            rows.append(("confidence", f"{confidence:.2f}"))
    is_problem = False
    if diagnosis is not None:
        kept = bool(diagnosis.triangulation.kept[target.row, target.joint])
        is_problem = not kept
        rows += _diagnosis_rows(target, diagnosis)
        rows.append(("", "kept" if kept else "discarded"))
    return Card(
        title=f"{joint_name.replace('_', ' ')} · #{target.person}",
        rows=tuple(rows),
        color=theme.person_color(target.person).name(),
        is_problem=is_problem,
    )


def _diagnosis_rows(target: JointTarget, diagnosis: FrameDiagnosis) -> list[tuple[str, str]]:
    place = (target.row, target.camera, target.joint)
    values = (
        ("weight", float(diagnosis.triangulation.weights[place]), ".2f", ""),
        ("residual", float(diagnosis.residual_px[place]), ".1f", " px"),
        ("without this view", float(diagnosis.loo_residual_px[place]), ".1f", " px"),
        ("spread", float(diagnosis.triangulation.wss_mm[target.row, target.joint]), ".0f", " mm"),
    )
    is_seen = target.form not in _UNSEEN
    return [
        (label, f"{value:{form}}{unit}")
        for label, value, form, unit in values
        if np.isfinite(value) and (is_seen or label == "spread")
    ]


def paint_card(
    painter: QPainter, card: Card, x: float, y: float, area: Box, look: theme.Theme
) -> None:
    """Draw the card near (x, y), on the side where there is room."""
    body, head = theme.font(theme.SMALL_PT), theme.font(theme.SMALL_PT, bold=True)
    metrics, head_metrics = QFontMetricsF(body), QFontMetricsF(head)
    line = metrics.height() + 2
    labels = max((metrics.horizontalAdvance(label) for label, _ in card.rows if label), default=0)
    values = max(
        (metrics.horizontalAdvance(value) for label, value in card.rows if label), default=0
    )
    alone = max((metrics.horizontalAdvance(value) for label, value in card.rows if not label))
    width = 2 * _PADDING + max(
        labels + 16 + values, alone, head_metrics.horizontalAdvance(card.title) + 14
    )
    height = 2 * _PADDING + line * (len(card.rows) + 1)
    left = x + _OFFSET if x + _OFFSET + width <= area.right else x - _OFFSET - width
    top = min(max(y + _OFFSET, area.y), max(area.bottom - height, area.y))
    left = max(left, area.x)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    fill = QColor(look.panel)
    fill.setAlphaF(0.96)
    painter.setPen(QPen(QColor(look.line), 1))
    painter.setBrush(fill)
    painter.drawRoundedRect(QRectF(left + 0.5, top + 0.5, width, height), 4, 4)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(card.color))
    painter.drawEllipse(QRectF(left + _PADDING, top + _PADDING + line / 2 - 5, 8, 8))
    painter.setPen(QColor(look.text))
    painter.setFont(head)
    row_box = QRectF(left + _PADDING, top + _PADDING, width - 2 * _PADDING, line)
    start = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
    end = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
    painter.drawText(row_box.adjusted(14, 0, 0, 0), start, card.title)
    painter.setFont(body)
    for label, value in card.rows:
        row_box.translate(0, line)
        if label:
            painter.setPen(QColor(look.muted))
            painter.drawText(row_box, start, label)
            painter.setPen(QColor(look.text))
            painter.drawText(row_box, end, value)
        else:
            is_verdict = card.is_problem and value == "discarded"
            painter.setPen(QColor(look.problem if is_verdict else look.muted))
            painter.drawText(row_box, start, value)
