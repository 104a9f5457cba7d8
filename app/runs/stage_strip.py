"""The stages of a run as a strip: done with a tick, the present one filled as far as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.cli.following import STAGE_TITLES
from app.theme import GRID_PX, SMALL_PT, font, theme_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QPaintEvent

    from app.session import Session
    from app.theme import Theme
    from core.project.runs.config import Stage

_HEIGHT_PX = 3 * GRID_PX
_TICK_PX = 16
_BAR_PX = 3


class StageStrip(QWidget):
    """A cell for each stage that was asked for."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._stages: tuple[Stage, ...] = ()
        self._done: frozenset[Stage] = frozenset()
        self._present: Stage | None = None
        self._share = 0.0
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        session.display_changed.connect(self.update)

    def sizeHint(self) -> QSize:
        """A line of text over a bar."""
        return QSize(320, _HEIGHT_PX)

    def show_stages(
        self, stages: Sequence[Stage], done: Sequence[Stage], present: Stage | None, share: float
    ) -> None:
        """Show where a run is.

        Args:
            stages: that were asked for, in order.
            done: of them.
            present: the one at work; None where none is.
            share: 0…1, of the present one.
        """
        self._stages, self._done = tuple(stages), frozenset(done)
        self._present, self._share = present, min(max(share, 0.0), 1.0)
        names = {stage: STAGE_TITLES[stage] for stage in stages}
        self.setAccessibleName(
            ", ".join(f"{name}{' done' if stage in done else ''}" for stage, name in names.items())
        )
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Name, tick and bar of each."""
        if not self._stages:
            return
        theme = theme_named(self._session.display.theme)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(font(SMALL_PT))
        width = (self.width() + GRID_PX / 2) / len(self._stages)
        for column, stage in enumerate(self._stages):
            cell = QRectF(column * width, 0, width - GRID_PX / 2, self.height())
            self._paint_cell(painter, cell, stage, theme)
        painter.end()

    def _paint_cell(self, painter: QPainter, cell: QRectF, stage: Stage, theme: Theme) -> None:
        is_done, is_present = stage in self._done, stage == self._present
        ink = QColor(theme.text if is_done or is_present else theme.muted)
        text = cell.adjusted(0, 0, 0, -_BAR_PX - 2)
        if is_done:
            _paint_tick(painter, text, ink)
            text = text.adjusted(_TICK_PX, 0, 0, 0)
        painter.setPen(ink)
        metrics = painter.fontMetrics()
        name = metrics.elidedText(
            STAGE_TITLES[stage], Qt.TextElideMode.ElideRight, int(text.width())
        )
        painter.drawText(text, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, name)
        bar = QRectF(cell.left(), cell.bottom() - _BAR_PX, cell.width(), _BAR_PX)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.fillRect(bar, QColor(theme.line))
        share = 1.0 if is_done else self._share if is_present else 0.0
        if share:
            bar.setWidth(bar.width() * share)
            painter.fillRect(bar, self.palette().link().color() if is_present else ink)


def _paint_tick(painter: QPainter, cell: QRectF, ink: QColor) -> None:
    middle = cell.center().y()
    left = cell.left() + 1
    painter.setPen(QPen(ink, 1.6))
    painter.drawPolyline(
        QPolygonF(
            [
                QPointF(left, middle),
                QPointF(left + 3.5, middle + 3.5),
                QPointF(left + 10, middle - 4),
            ]
        )
    )
