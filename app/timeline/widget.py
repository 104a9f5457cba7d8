"""A row per person, coloured by its worst joint; annotated frames ticked; a play head.

The rows are one image, made anew only when span, width or summary change, so a frame step paints
two rectangles and a line whatever the recording's length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QToolTip, QVBoxLayout, QWidget

from app.format import pixels
from app.theme import GRID_PX, SMALL_PT, THEMES, Theme, font, person_color, quantity_table
from app.timeline.bins import Span, tick_step, worst_per_column

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PySide6.QtGui import QMouseEvent, QPaintEvent, QResizeEvent, QWheelEvent

    from app.session import Cursor, Session

_HEADER_PX = 56
_RULER_PX = 22
_MIN_ROW_PX, _MAX_ROW_PX = 6, 20
# Residuals are coloured by their logarithm: the worst joint of a person is often far off, and the
# map must still tell a slip of 10 px from a limb of somebody else.
_LOW_RESIDUAL_PX, _HIGH_RESIDUAL_PX = 2.0, 200.0

_MODES = (
    ("residual", "Worst leave-one-out residual"),
    ("discarded", "Share of joints discarded"),
)


class Timeline(QWidget):
    """The track with its choice of what the colour means."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID_PX, 0, GRID_PX, GRID_PX // 2)
        column.setSpacing(GRID_PX // 2)
        head = QHBoxLayout()
        column.addLayout(head)
        self.mode = QComboBox()
        self.mode.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        for name, caption in _MODES:
            self.mode.addItem(caption, name)
        head.addWidget(self.mode)
        self._legend = _Legend(session)
        head.addWidget(self._legend)
        head.addStretch()
        hint = QLabel("wheel: zoom   right drag: move   double click: whole recording")
        hint.setProperty("muted", True)
        head.addWidget(hint)
        self.track = Track(session)
        column.addWidget(self.track, 1)
        self.mode.currentIndexChanged.connect(self._on_mode_chosen)

    def _on_mode_chosen(self) -> None:
        mode = str(self.mode.currentData())
        self.track.set_mode(mode)
        self._legend.set_mode(mode)


class Track(QWidget):
    """Ruler, rows and play head; scrub with the left button."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._mode = "residual"
        self._span = Span(0, 1)
        self._rows: QImage | None = None
        self._drag_from: QPoint | None = None
        self.setMouseTracking(True)
        self.setMinimumHeight(_RULER_PX + 4 * _MIN_ROW_PX)
        session.project_changed.connect(self._on_project_changed)
        session.cursor_changed.connect(self._on_cursor_changed)
        session.summary_changed.connect(self._on_summary_changed)
        session.labels_changed.connect(self.update)
        session.display_changed.connect(self._on_summary_changed)

    def sizeHint(self) -> QSize:
        """Room for a dozen rows."""
        return QSize(600, _RULER_PX + 12 * 10)

    def set_mode(self, mode: str) -> None:
        """Colour by ``residual`` or by ``discarded``."""
        self._mode = mode
        self._on_summary_changed()

    # Places.

    def _theme(self) -> Theme:
        return THEMES["light" if self._session.display.theme == "light" else "dark"]

    def _track_rect(self) -> QRectF:
        return QRectF(_HEADER_PX, _RULER_PX, self.width() - _HEADER_PX, self.height() - _RULER_PX)

    def _persons(self) -> tuple[int, ...]:
        project = self._session.project
        return tuple(project.persons) if project is not None else ()

    def row_height(self) -> float:
        """Height of a person's row, logical pixels."""
        room = self._track_rect().height() / max(len(self._persons()), 1)
        return float(min(max(room, _MIN_ROW_PX), _MAX_ROW_PX))

    def x_of(self, frame: float) -> float:
        """Where a frame's middle stands."""
        rect = self._track_rect()
        return rect.left() + (frame + 0.5 - self._span.start) / self._span.length * rect.width()

    def frame_at(self, x: float) -> int:
        """The frame under a place, within the recording."""
        rect = self._track_rect()
        frame = self._span.start + (x - rect.left()) / max(rect.width(), 1) * self._span.length
        return int(min(max(frame, 0), self._num_frames() - 1))

    def _num_frames(self) -> int:
        project = self._session.project
        return project.num_frames if project is not None else 1

    def _person_at(self, y: float) -> int | None:
        row = int((y - _RULER_PX) // self.row_height())
        persons = self._persons()
        return persons[row] if 0 <= row < len(persons) and y >= _RULER_PX else None

    # What happened.

    def _on_project_changed(self) -> None:
        self._span = Span(0, self._num_frames())
        self._on_summary_changed()

    def _on_summary_changed(self, _what: object = None) -> None:
        self._rows = None
        self.update()

    def _on_cursor_changed(self, _old: Cursor, new: Cursor) -> None:
        span = self._span.showing(new.frame, self._num_frames())
        if span != self._span:
            self._span = span
            self._rows = None
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The rows' image follows the width."""
        self._rows = None
        super().resizeEvent(event)

    # Painting.

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Rows from their image, then ruler, ticks and play head."""
        painter = QPainter(self)
        theme = self._theme()
        painter.setFont(font(SMALL_PT))
        rect = self._track_rect()
        painter.fillRect(rect, QColor(theme.canvas))
        if self._session.project is None:
            return
        self._paint_ruler(painter, theme, rect)
        if self._session.summary is None:
            painter.setPen(QColor(theme.muted))
            painter.drawText(
                rect, Qt.AlignmentFlag.AlignCenter, "Going through the recording: colours follow"
            )
        else:
            self._paint_rows(painter, rect)
        self._paint_header(painter, theme)
        self._paint_labelled(painter, theme, rect)
        self._paint_head(painter, theme, rect)

    def _paint_rows(self, painter: QPainter, rect: QRectF) -> None:
        if self._rows is None:
            self._rows = self._make_rows(max(int(rect.width() * self.devicePixelRatioF()), 1))
        height = self.row_height() * self._rows.height()
        painter.drawImage(QRectF(rect.left(), rect.top(), rect.width(), height), self._rows)

    def _make_rows(self, num_columns: int) -> QImage:
        summary = self._session.summary
        assert summary is not None
        if self._mode == "residual":
            values = _log_share(summary.worst_residual_px)
        else:
            values = summary.share_discarded
        order = [summary.persons.index(p) if p in summary.persons else -1 for p in self._persons()]
        padded = np.column_stack([values, np.full(len(values), np.nan, np.float32)])
        worst = worst_per_column(padded[:, order], self._span, num_columns)
        return _colored(worst, QColor(self._theme().canvas))

    def _paint_ruler(self, painter: QPainter, theme: Theme, rect: QRectF) -> None:
        project = self._session.project
        assert project is not None
        step = tick_step(self._span, rect.width())
        first = project.first_frame_number
        number = int(np.ceil((self._span.start + first) / step)) * step
        painter.setPen(QColor(theme.muted))
        while number - first < self._span.start + self._span.length:
            x = self.x_of(number - first)
            painter.drawLine(QPointF(x, _RULER_PX - 5), QPointF(x, _RULER_PX))
            if x < rect.right() - 30:
                painter.drawText(QPointF(x + 3, _RULER_PX - 7), f"{number:,}")
            number += step

    def _paint_header(self, painter: QPainter, theme: Theme) -> None:
        height = self.row_height()
        selected = self._session.cursor.person
        for row, person in enumerate(self._persons()):
            top = _RULER_PX + row * height
            if person == selected:
                painter.fillRect(QRectF(0, top, _HEADER_PX - 2, height), QColor(theme.panel))
                painter.setPen(QPen(QColor(theme.accent), 1))
                painter.drawLine(QPointF(0, top + height), QPointF(self.width(), top + height))
                painter.drawLine(QPointF(0, top), QPointF(self.width(), top))
            painter.setBrush(person_color(person))
            painter.setPen(Qt.PenStyle.NoPen)
            painter.drawEllipse(QPointF(9, top + height / 2), 3.5, 3.5)
            painter.setPen(QColor(theme.text if person == selected else theme.muted))
            if height >= 9:
                painter.drawText(
                    QRectF(18, top, _HEADER_PX - 20, height),
                    Qt.AlignmentFlag.AlignVCenter,
                    f"#{person}",
                )

    def _paint_labelled(self, painter: QPainter, theme: Theme, rect: QRectF) -> None:
        project = self._session.project
        assert project is not None
        painter.setBrush(QColor(theme.text))
        painter.setPen(Qt.PenStyle.NoPen)
        frames = project.labelled_frames()
        inside = (frames >= self._span.start - 1) & (frames <= self._span.start + self._span.length)
        places = np.unique(np.round([self.x_of(int(frame)) for frame in frames[inside]]))
        for x in places[(places >= rect.left()) & (places <= rect.right())]:
            painter.drawRect(QRectF(x - 1, _RULER_PX - 4, 2, 4))

    def _paint_head(self, painter: QPainter, theme: Theme, rect: QRectF) -> None:
        frame = self._session.cursor.frame
        width = max(rect.width() / self._span.length, 1.0)
        left = self.x_of(frame) - width / 2
        painter.setPen(QPen(QColor(theme.accent), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(QRectF(left, _RULER_PX - 1, max(width, 1.5), rect.height()))
        painter.setBrush(QColor(theme.accent))
        middle = left + width / 2
        painter.drawPolygon(
            [
                QPointF(middle - 5, _RULER_PX - 8),
                QPointF(middle + 5, _RULER_PX - 8),
                QPointF(middle, _RULER_PX - 1),
            ]
        )

    # The pointer.

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Left: go there and select the row's person; right: begin to move."""
        position = event.position()
        if event.button() == Qt.MouseButton.LeftButton:
            person = self._person_at(position.y())
            if person is not None:
                self._session.select(person=person)
            if position.x() >= _HEADER_PX:
                self._session.set_frame(self.frame_at(position.x()))
        else:
            self._drag_from = position.toPoint()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Scrub, move, or tell what is under the pointer."""
        position = event.position()
        if event.buttons() & Qt.MouseButton.LeftButton and position.x() >= _HEADER_PX:
            self._session.set_frame(self.frame_at(position.x()))
        elif self._drag_from is not None:
            width = max(self._track_rect().width(), 1)
            frames = (self._drag_from.x() - position.x()) / width * self._span.length
            self._drag_from = position.toPoint()
            self._set_span(self._span.moved(frames, self._num_frames()))
        elif position.x() >= _HEADER_PX:
            self._tell(event)

    def mouseReleaseEvent(self, _event: QMouseEvent) -> None:
        """Moving ends."""
        self._drag_from = None

    def mouseDoubleClickEvent(self, _event: QMouseEvent) -> None:
        """Show the whole recording."""
        self._set_span(Span(0, self._num_frames()))

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom about the pointer."""
        if self._session.project is None:
            return
        about = self.frame_at(event.position().x()) + 0.5
        factor = 0.8 ** (event.angleDelta().y() / 120)
        self._set_span(self._span.zoomed(factor, about, self._num_frames()))

    def _set_span(self, span: Span) -> None:
        if span != self._span:
            self._span = span
            self._rows = None
            self.update()

    def _tell(self, event: QMouseEvent) -> None:
        project, summary = self._session.project, self._session.summary
        person = self._person_at(event.position().y())
        if project is None or person is None:
            QToolTip.hideText()
            return
        frame = self.frame_at(event.position().x())
        text = f"#{person}, frame {frame + project.first_frame_number:,}"
        if summary is not None and person in summary.persons:
            column = summary.persons.index(person)
            residual = float(summary.worst_residual_px[frame, column])
            share = float(summary.share_discarded[frame, column])
            if np.isfinite(share):
                text += f"\nworst leave-one-out residual {pixels(residual)}"
                text += f"\n{share:.0%} of joints discarded"
        where = QRect(event.position().toPoint(), QSize(1, 1))
        QToolTip.showText(event.globalPosition().toPoint(), text, self, where)


def _log_share(residual_px: NDArray[np.float32]) -> NDArray[np.float32]:
    """Where residuals stand between the low and the high end, 0 to 1; NaN stays NaN."""
    clipped = np.clip(residual_px, _LOW_RESIDUAL_PX, _HIGH_RESIDUAL_PX)
    span = np.log(_HIGH_RESIDUAL_PX / _LOW_RESIDUAL_PX)
    return (np.log(clipped / _LOW_RESIDUAL_PX) / span).astype(np.float32)


def _colored(values: NDArray[np.float32], nothing: QColor) -> QImage:
    """(P, N) values in 0..1 as an image of P rows in viridis; NaN in the colour of nothing."""
    table = quantity_table()
    index = np.nan_to_num(np.clip(values, 0, 1) * 255).astype(np.uint8)
    image = table[index]
    image[np.isnan(values)] = nothing.rgba()
    height, width = image.shape
    return QImage(image.tobytes(), width, height, 4 * width, QImage.Format.Format_RGB32).copy()


class _Legend(QWidget):
    """From little to much, with what that means."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._mode = "residual"
        self.setFixedSize(210, 16)
        session.display_changed.connect(self.update)

    def set_mode(self, mode: str) -> None:
        """Follow what the rows are coloured by."""
        self._mode = mode
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """A strip of viridis between its two ends."""
        painter = QPainter(self)
        theme = THEMES["light" if self._session.display.theme == "light" else "dark"]
        painter.setFont(font(SMALL_PT))
        painter.setPen(QColor(theme.muted))
        low, high = "0 %", "100 %"
        if self._mode == "residual":
            low, high = f"{_LOW_RESIDUAL_PX:.0f} px", f"≥ {_HIGH_RESIDUAL_PX:.0f} px"
        strip = _colored(np.linspace(0, 1, 90, dtype=np.float32)[None], QColor(theme.canvas))
        painter.drawText(
            QRectF(0, 0, 36, 16), Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, low
        )
        painter.drawImage(QRectF(42, 4, 90, 8), strip)
        painter.drawText(QRectF(138, 0, 70, 16), Qt.AlignmentFlag.AlignVCenter, high)
