"""A cell per camera: weight, residuals, and what the selected joint would be without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QColor, QFontMetricsF, QPainter, QPen
from PySide6.QtWidgets import QToolTip, QWidget

from app.afterwards import Afterwards
from app.format import number, pixels
from app.inspector.trust import toggle_muted
from app.state import HoverTarget
from app.theme import GRID_PX, SMALL_PT, font, quantity_color, quantity_ink, theme_named
from core.errors import CommandRefusedError

if TYPE_CHECKING:
    from PySide6.QtCore import QEvent
    from PySide6.QtGui import QMouseEvent, QPaintEvent

    from app.session import Session
    from app.theme import Theme
    from core.diagnosis import JointExplanation

_ROW_PX = 17
_BAR_PX = 36
_MIN_CELL_PX = 36
# Fuller (or emptier) than this, a cell has room for its number in the middle.
_CLEAR = 0.74
_CENTER = Qt.AlignmentFlag.AlignCenter
_MEANING = (
    "weight: how much the view counts\n"
    "residual: from the observation to the reprojected point\n"
    "leave-one-out: the same, with the point made from the other views\n"
    "without it: what the discard rule would measure if the view were muted (in\n"
    "brackets, where it is muted: if it counted again); ✕ discarded\n"
    "A click on a bar mutes the view for this joint, or lets it count again"
)


class WeightStrip(QWidget):
    """Hover names the view everywhere; a click on a name selects the camera, on a bar mutes it."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.setMouseTracking(True)
        self._reasons: JointExplanation | None = None
        self._without: dict[int, tuple[float, bool]] = {}
        self._unit = "mm"
        metrics = QFontMetricsF(font(SMALL_PT))
        widest = max(metrics.horizontalAdvance(caption) for caption in _captions("views"))
        self._caption_px = round(widest) + GRID_PX
        self.setFixedHeight(_ROW_PX + _BAR_PX + 3 * _ROW_PX)
        later = self._later = Afterwards(self, self.update)
        for signal in (
            session.diagnosis_changed,
            session.cursor_changed,
            session.display_changed,
            session.hover_changed,
        ):
            signal.connect(later.ask)

    def show_reasons(self, explanation: JointExplanation) -> None:
        """Say which views disagree, and what the joint would come to without each."""
        self._reasons = explanation
        self._without = {
            case.camera: (case.value, case.would_be_kept) for case in explanation.what_if
        }
        self._unit = explanation.unit
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """Wide enough for a name a cell."""
        return self.minimumSizeHint()

    def minimumSizeHint(self) -> QSize:
        """Narrow cells still hold a number."""
        project = self._session.project
        num_cameras = len(project.rig) if project is not None else 8
        return QSize(self._caption_px + num_cameras * _MIN_CELL_PX, self.height())

    def cell(self, camera: int) -> QRectF:
        """Where a camera's cell is drawn."""
        project = self._session.project
        assert project is not None
        width = (self.width() - self._caption_px) / len(project.rig)
        return QRectF(self._caption_px + camera * width, 0, width, self.height())

    def _camera_at(self, x: float) -> int | None:
        project = self._session.project
        if project is None or x < self._caption_px:
            return None
        width = (self.width() - self._caption_px) / len(project.rig)
        return min(int((x - self._caption_px) / width), len(project.rig) - 1)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Captions, then the cells."""
        session = self._session
        project, diagnosis, row = session.project, session.diagnosis, session.person_row
        joint = session.cursor.joint
        if project is None or diagnosis is None or row is None or joint is None:
            return
        theme = theme_named(session.display.theme)
        painter = QPainter(self)
        painter.setFont(font(SMALL_PT))
        painter.setPen(QColor(theme.muted))
        tops = (_ROW_PX, *(_ROW_PX * row + _BAR_PX for row in (1, 2, 3)))
        heights = (_BAR_PX, _ROW_PX, _ROW_PX, _ROW_PX)
        for top, height, caption in zip(tops, heights, _captions(self._unit), strict=True):
            rect = QRectF(0, top, self._caption_px - GRID_PX, height)
            painter.drawText(
                rect, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, caption
            )
        for camera, name in enumerate(project.rig.names):
            is_seen = bool(diagnosis.observed[row, camera, joint])
            is_muted = bool(diagnosis.muted[row, camera, joint])
            self._paint_head(painter, theme, camera, name, is_seen=is_seen)
            if is_muted:
                self._paint_muted(painter, theme, camera)
            elif not is_seen:
                self._paint_unseen(painter, theme, camera)
                continue
            else:
                weight = float(diagnosis.triangulation.weights[row, camera, joint])
                self._paint_weight(painter, theme, camera, weight)
            residuals = diagnosis.residual_px, diagnosis.loo_residual_px
            self._paint_numbers(
                painter, theme, camera, [float(each[row, camera, joint]) for each in residuals]
            )

    def _paint_head(
        self, painter: QPainter, theme: Theme, camera: int, name: str, *, is_seen: bool
    ) -> None:
        cell = self.cell(camera)
        hover = self._session.hover_target
        is_hovered = hover is not None and hover.camera == camera
        if is_hovered or camera == self._session.cursor.camera:
            painter.fillRect(cell.adjusted(1, 0, -1, 0), QColor(theme.panel))
        disagrees = self._reasons is not None and camera in self._reasons.disagreeing
        ink = theme.problem if disagrees else (theme.text if is_seen else theme.muted)
        painter.setPen(QColor(ink))
        metrics = painter.fontMetrics()
        shown = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, int(cell.width()) - 2)
        painter.drawText(QRectF(cell.left(), 0, cell.width(), _ROW_PX), _CENTER, shown)

    def _bar(self, camera: int) -> QRectF:
        cell = self.cell(camera)
        return QRectF(cell.left() + 4, _ROW_PX + 2, cell.width() - 8, _BAR_PX - 4)

    def _paint_unseen(self, painter: QPainter, theme: Theme, camera: int) -> None:
        bar = self._bar(camera)
        painter.setPen(QPen(QColor(theme.line), 1, Qt.PenStyle.DotLine))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(bar)
        painter.setPen(QColor(theme.muted))
        wordy = painter.fontMetrics().horizontalAdvance("not seen") + 4 <= bar.width()
        painter.drawText(bar, _CENTER, "not seen" if wordy else "–")

    def _paint_muted(self, painter: QPainter, theme: Theme, camera: int) -> None:
        bar = self._bar(camera)
        painter.setPen(QPen(QColor(theme.line), 1))
        painter.setBrush(QBrush(QColor(theme.line), Qt.BrushStyle.BDiagPattern))
        painter.drawRect(bar)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        words = "muted" if painter.fontMetrics().horizontalAdvance("muted") < bar.width() else "off"
        box = painter.fontMetrics().boundingRect(words).adjusted(-2, 0, 2, 0)
        patch = QRectF(box)
        patch.moveCenter(bar.center())
        painter.fillRect(patch, QColor(theme.window))
        painter.setPen(QColor(theme.text))
        painter.drawText(bar, _CENTER, words)

    def _paint_weight(self, painter: QPainter, theme: Theme, camera: int, weight: float) -> None:
        bar = self._bar(camera)
        painter.setPen(QPen(QColor(theme.line), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(bar)
        weight = min(weight, 1.0) if np.isfinite(weight) else 0.0
        filled = QRectF(bar)
        filled.setTop(bar.bottom() - bar.height() * weight)
        painter.fillRect(filled.adjusted(1, 0, 0, 0), quantity_color(weight))
        # The number stands on the colour or off it, never across its edge.
        half = QRectF(bar)
        if 0.5 <= weight < _CLEAR:
            half.setTop(bar.center().y())
        elif 1 - _CLEAR < weight < 0.5:
            half.setBottom(bar.center().y())
        painter.setPen(quantity_ink(weight) if weight >= 0.5 else QColor(theme.text))
        painter.drawText(half, _CENTER, f"{weight:.2f}")

    def _paint_numbers(
        self, painter: QPainter, theme: Theme, camera: int, residuals_px: list[float]
    ) -> None:
        cell = self.cell(camera)
        top = _ROW_PX + _BAR_PX
        painter.setPen(QColor(theme.text))
        for value in residuals_px:
            painter.drawText(
                QRectF(cell.left(), top, cell.width(), _ROW_PX), _CENTER, number(value)
            )
            top += _ROW_PX
        if camera in self._without:
            value, is_kept = self._without[camera]
            painter.setPen(QColor(theme.text if is_kept else theme.problem))
            text = number(value) if self._unit == "mm" else f"{value:.0f}"
            mark = "" if is_kept else " ✕"
            reasons = self._reasons
            if reasons is not None and camera in reasons.muted:
                text = f"({text})"
            painter.drawText(
                QRectF(cell.left(), top, cell.width(), _ROW_PX), _CENTER, f"{text}{mark}"
            )

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Name the view under the pointer to every panel, and say what its numbers mean."""
        cursor = self._session.cursor
        camera = self._camera_at(event.position().x())
        if cursor.person is None or cursor.joint is None or camera is None:
            self._session.hover(None)
            QToolTip.showText(event.globalPosition().toPoint(), _MEANING, self)
            return
        self._session.hover(HoverTarget(person=cursor.person, joint=cursor.joint, camera=camera))
        QToolTip.showText(event.globalPosition().toPoint(), self.tip(camera), self)

    def tip(self, camera: int) -> str:
        """What a cell says, in words."""
        session = self._session
        diagnosis, row, joint = session.diagnosis, session.person_row, session.cursor.joint
        if diagnosis is None or row is None or joint is None:
            return ""
        name = session.require_project().rig.names[camera]
        is_muted = bool(diagnosis.muted[row, camera, joint])
        if not diagnosis.observed[row, camera, joint] and not is_muted:
            return f"{name} does not see the joint"
        weight = float(diagnosis.triangulation.weights[row, camera, joint])
        lines = [
            f"{name}: {'muted, takes no part' if is_muted else f'weight {weight:.2f}'}",
            f"residual {pixels(float(diagnosis.residual_px[row, camera, joint]))} "
            "to the triangulated point",
            f"leave-one-out residual {pixels(float(diagnosis.loo_residual_px[row, camera, joint]))}"
            " to the point of the other views",
        ]
        reasons = self._reasons
        if reasons is not None and camera in self._without:
            value, is_kept = self._without[camera]
            verdict = "kept" if is_kept else "discarded"
            what = "WSS" if reasons.unit == "mm" else "agreeing"
            side = "with it" if is_muted else "without it"
            lines.append(f"{side}: {what} {reasons.format_value(value)}, {verdict}")
        if reasons is not None and camera in reasons.disagreeing:
            lines.append("the other views contradict it")
        lines.append("Click: let it count again" if is_muted else "Click: mute it for this joint")
        return "\n".join(lines)

    def leaveEvent(self, _event: QEvent) -> None:
        """The pointer is elsewhere."""
        self._session.hover(None)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """On a name select the camera; below it, mute the view or let it count again."""
        camera = self._camera_at(event.position().x())
        if camera is None or event.button() != Qt.MouseButton.LeftButton:
            return
        if event.position().y() < _ROW_PX:
            self._session.select(camera=camera)
            return
        try:
            toggle_muted(self._session, camera)
        except CommandRefusedError as error:
            self._session.message_posted.emit(str(error))


def _captions(unit: str) -> tuple[str, ...]:
    return ("weight", "residual, px", "leave-one-out, px", f"without it, {unit}")
