"""A row per person, coloured by its worst joint; annotated frames marked; a play head.

The rows are one image, made anew only when span, width or summary change, so a frame step paints
two rectangles and a line whatever the recording's length. Where people are many, the rows scroll
and the selected person stays in sight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen
from PySide6.QtWidgets import QScrollBar, QToolTip, QWidget

from app.afterwards import Afterwards
from app.theme import SMALL_PT, Theme, font, person_color, theme_named
from app.timeline.bins import Span, tick_step, widened, worst_per_column
from app.timeline.legend import (
    colored,
    paint_annotated,
    paint_changed,
    paint_judged,
    residual_share,
)
from app.timeline.round_ticks import RoundTicks
from app.timeline.tips import told_cell
from app.timeline.triage import Triage
from core.diagnosis.summary import NOT_SEEN

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PySide6.QtGui import QMouseEvent, QPaintEvent, QResizeEvent, QWheelEvent

    from app.session import Session
    from app.state import Cursor

_HEADER_PX = 56
_RULER_PX = 26
_LABEL_PX = 14
_MIN_ROW_PX, _MAX_ROW_PX = 7.5, 24.0
_FULL_TEXT_ROW_PX = 11.0
_TINY_PT = 6.5
_BAR_PX = 12
# The views, and what tells of the selected joint, paint before.
_LATER_MS = 30
# Narrower frames have no room for a mark of their own in each row.
_MARKED_FRAME_PX = 5.0
_CENTER = Qt.AlignmentFlag.AlignCenter


class Track(QWidget):
    """Ruler, rows and play head; scrub with the left button."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._mode = "residual"
        self._span = Span(0, 1)
        self._rows: QImage | None = None
        self._labelled: NDArray[np.int64] | None = None
        self._people: tuple[int, ...] | None = None
        self._drag_from: QPoint | None = None
        self._is_scrubbing = False
        self._before_press: Cursor = session.cursor
        self.triage = Triage(session, self)
        self.round = RoundTicks(session, self)
        self._later = Afterwards(self, self.update, _LATER_MS)
        self._bar = QScrollBar(Qt.Orientation.Vertical, self)
        self._bar.valueChanged.connect(self.update)
        self._bar.setVisible(False)
        self.setMouseTracking(True)
        self.setMinimumHeight(_RULER_PX + round(4 * _MIN_ROW_PX))
        session.project_changed.connect(self._on_project_changed)
        session.cursor_changed.connect(self._on_cursor_changed)
        session.summary_changed.connect(self._on_summary_changed)
        session.display_changed.connect(self._on_summary_changed)
        session.edited.connect(self._on_edited)
        self.triage.changed.connect(self._on_summary_changed)
        self.round.changed.connect(self._on_summary_changed)

    def sizeHint(self) -> QSize:
        """Room for a dozen rows."""
        return QSize(600, _RULER_PX + 12 * 12)

    @property
    def span(self) -> Span:
        """The frames in sight."""
        return self._span

    def set_mode(self, mode: str) -> None:
        """Colour by ``residual``, ``discarded``, what is left to ``review``, or is ``changed``."""
        self._mode = mode
        self._on_summary_changed()

    # Places.

    def _theme(self) -> Theme:
        return theme_named(self._session.display.theme)

    def _track_rect(self) -> QRectF:
        bar = _BAR_PX if self._bar.maximum() > 0 else 0
        width = max(self.width() - _HEADER_PX - bar, 1)
        return QRectF(_HEADER_PX, _RULER_PX, width, max(self.height() - _RULER_PX, 1))

    def _persons(self) -> tuple[int, ...]:
        """The rows; kept, for the project asks its database and a painting asks a hundred times."""
        if self._people is None:
            project = self._session.project
            self._people = () if project is None else tuple(project.persons)
        return self._people

    def row_height(self) -> float:
        """Height of a person's row, logical pixels."""
        room = self._track_rect().height() / max(len(self._persons()), 1)
        return float(min(max(room, _MIN_ROW_PX), _MAX_ROW_PX))

    def row_top(self, row: int) -> float:
        """Where a person's row begins, as far as the rows are scrolled."""
        return _RULER_PX + row * self.row_height() - self._bar.value()

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
        row = int((y - self.row_top(0)) // self.row_height())
        persons = self._persons()
        return persons[row] if 0 <= row < len(persons) and y >= _RULER_PX else None

    def _lay_out(self) -> None:
        hidden = self.row_height() * len(self._persons()) - self._track_rect().height()
        self._bar.setRange(0, max(round(hidden), 0))
        self._bar.setPageStep(round(self._track_rect().height()))
        self._bar.setSingleStep(round(self.row_height()))
        self._bar.setVisible(self._bar.maximum() > 0)
        self._bar.setGeometry(
            self.width() - _BAR_PX, _RULER_PX, _BAR_PX, max(self.height() - _RULER_PX, 1)
        )

    def _show_selected(self) -> None:
        persons, selected = self._persons(), self._session.cursor.person
        if self._bar.maximum() == 0 or selected not in persons:
            return
        top = persons.index(selected) * self.row_height()
        lowest = top + self.row_height() - self._track_rect().height()
        self._bar.setValue(round(min(max(self._bar.value(), lowest), top)))

    # What happened.

    def _on_project_changed(self) -> None:
        self._span = Span(0, self._num_frames())
        self._people = None
        self._before_press = self._session.cursor
        self._bar.setValue(0)
        self._lay_out()
        self._labelled = None
        self._on_summary_changed()

    def _on_edited(self, _change: object) -> None:
        """Somebody may be new, and a frame annotated for the first time or no more."""
        self._labelled = self._people = None
        self._lay_out()
        self._later.ask()

    def _on_summary_changed(self, _what: object = None) -> None:
        self._rows = None
        self._later.ask()

    def _on_cursor_changed(self, old: Cursor, new: Cursor) -> None:
        if (old.frame, old.person) == (new.frame, new.person) and old != new:
            return  # another joint or camera: nothing here tells of it
        span = self._span.showing(new.frame, self._num_frames())
        if span != self._span:
            self._span = span
            self._rows = None
        self._show_selected()
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The rows' image follows the width."""
        super().resizeEvent(event)
        self._lay_out()
        self._show_selected()
        self._rows = None

    # Painting.

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Rows from their image, then ruler, marks and play head."""
        painter = QPainter(self)
        theme = self._theme()
        painter.setFont(font(SMALL_PT))
        rect = self._track_rect()
        painter.fillRect(rect, QColor(theme.canvas))
        missing = self._what_is_missing()
        if missing:
            painter.setPen(QColor(theme.muted))
            painter.drawText(rect, _CENTER, missing)
        if self._session.project is None:
            return
        self._paint_ruler(painter, theme, rect)
        painter.setClipRect(QRectF(0, _RULER_PX, self.width(), rect.height()))
        if self._session.summary is not None and self._persons():
            self._paint_rows(painter, rect)
            self._paint_marks(painter, rect)
        for row, person in enumerate(self._persons()):
            self._paint_header(painter, theme, row, person)
        painter.setClipping(False)
        self._paint_labelled(painter, theme, rect)
        self._paint_head(painter, theme, rect)

    def _what_is_missing(self) -> str:
        session = self._session
        if session.project is None:
            return "Every frame of the open project, a row per person, bright where it is worst"
        if not self._persons():
            return "Nobody is seen in this recording: it has no 2D joints"
        if session.summary is None:
            return "Colours follow when the recording has been gone through"
        if self._mode == "changed" and session.compared is None:
            return "Nothing is compared: choose a side before in the Changes panel"
        return ""

    def _paint_rows(self, painter: QPainter, rect: QRectF) -> None:
        if self._rows is None:
            self._rows = self._make_rows(max(int(rect.width() * self.devicePixelRatioF()), 1))
        height = self.row_height() * self._rows.height()
        painter.drawImage(QRectF(rect.left(), self.row_top(0), rect.width(), height), self._rows)

    def _make_rows(self, num_columns: int) -> QImage:
        summary = self._session.summary
        assert summary is not None
        if self._mode == "residual":
            values = residual_share(summary.worst_residual_px)
        elif self._mode == "discarded":
            values = summary.share_discarded
        elif self._mode == "changed":
            values = self.round.share(summary)
        else:
            values = self.triage.share_left(summary)
        order = [summary.persons.index(p) if p in summary.persons else -1 for p in self._persons()]
        padded = np.column_stack([values, np.full(len(values), np.nan, np.float32)])
        worst = worst_per_column(padded[:, order], self._span, num_columns)
        if self._span.length > num_columns:
            worst = widened(worst)
        return colored(worst, QColor(self._theme().canvas))

    def _paint_marks(self, painter: QPainter, rect: QRectF) -> None:
        """A mark in the row of each person whom somebody annotated, where frames are wide."""
        summary = self._session.summary
        assert summary is not None
        if rect.width() / self._span.length < _MARKED_FRAME_PX:
            return
        start = int(self._span.start)
        stop = int(self._span.start + self._span.length) + 1
        frames, columns = np.nonzero(summary.annotated[start:stop])
        height, row_of = self.row_height(), {who: row for row, who in enumerate(self._persons())}
        middles = {who: self.row_top(row) + height / 2 for who, row in row_of.items()}
        self._paint_judged(painter, start, stop)
        painter.setPen(QPen(QColor("#101114"), 1))
        painter.setBrush(QColor("#ffffff"))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        radius = min(height / 2 - 1, 4.0)
        left, width = self.x_of(start), rect.width() / self._span.length
        for frame, column in zip(frames.tolist(), columns.tolist(), strict=True):
            middle = middles.get(summary.persons[column])
            if middle is not None:
                paint_annotated(painter, QPointF(left + frame * width, middle), radius)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def _paint_judged(self, painter: QPainter, start: int, stop: int) -> None:
        """A bar under what was judged, as long as its share; a corner where a round changed it."""
        judged, summary = self.triage.judged, self._session.summary
        if judged is None or summary is None or judged.persons != summary.persons:
            return
        width = self._track_rect().width() / self._span.length
        height = self.row_height()
        left = self.x_of(start) - width / 2 + 1
        tops = {person: self.row_top(row) for row, person in enumerate(self._persons())}
        seen = (summary.wss_bin[start:stop] != NOT_SEEN).sum(axis=2)
        is_changed = judged.is_changed[start:stop]
        if self.round.ticks is not None:
            frames = range(start, min(stop, summary.num_frames))
            is_changed = np.nan_to_num(self.round.share(summary, frames)) > 0
        for frame, column in np.argwhere((judged.num_judged[start:stop] > 0) | is_changed).tolist():
            top = tops.get(judged.persons[column])
            if top is None:
                continue
            cell = QRectF(left + frame * width, top, width - 2, height)
            share = int(judged.num_judged[start + frame, column]) / max(int(seen[frame, column]), 1)
            if share > 0:
                paint_judged(painter, cell, min(share, 1.0))
            if is_changed[frame, column]:
                paint_changed(painter, cell)

    def _paint_ruler(self, painter: QPainter, theme: Theme, rect: QRectF) -> None:
        project = self._session.project
        assert project is not None
        step = tick_step(self._span, rect.width())
        first = project.first_frame_number
        number = int(np.ceil((self._span.start + first) / step)) * step
        painter.setPen(QColor(theme.muted))
        head = self._head_label()
        while number - first < self._span.start + self._span.length - 0.5:
            x = self.x_of(number - first)
            painter.drawLine(QPointF(x, _RULER_PX - 4), QPointF(x, _RULER_PX))
            box = self._label_box(painter, f"{number:,}", x)
            if not box.intersects(head):
                painter.drawText(box, _CENTER, f"{number:,}")
            number += step

    def _label_box(self, painter: QPainter, text: str, x: float) -> QRectF:
        """Room for a number over a place, moved inside the ruler at its ends."""
        width = painter.fontMetrics().horizontalAdvance(text) + 8
        left = min(max(x - width / 2, 0.0), self._track_rect().right() - width)
        return QRectF(left, 0, width, _LABEL_PX)

    def _head_label(self) -> QRectF:
        frame = self._session.cursor.frame
        if not self._is_in_sight(frame):
            return QRectF()
        metrics = self.fontMetrics()
        width = metrics.horizontalAdvance(f"{self._session.frame_number:,}") + 10
        left = self.x_of(frame) - width / 2
        left = min(max(left, 0.0), self._track_rect().right() - width)
        return QRectF(left, 0, width, _LABEL_PX)

    def _is_in_sight(self, frame: int) -> bool:
        return self._span.start - 0.5 <= frame < self._span.start + self._span.length

    def _paint_header(self, painter: QPainter, theme: Theme, row: int, person: int) -> None:
        height, top = self.row_height(), self.row_top(row)
        is_selected = person == self._session.cursor.person
        if is_selected:
            painter.fillRect(QRectF(0, top, _HEADER_PX - 2, height), QColor(theme.panel))
            painter.setPen(QPen(QColor(theme.accent), 1))
            for y in (top, top + height):
                painter.drawLine(QPointF(0, y), QPointF(self._track_rect().right(), y))
        painter.setBrush(person_color(person))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        radius = min(4.0, height / 2 - 1)
        painter.drawEllipse(QPointF(9, top + height / 2), radius, radius)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(QColor(theme.text if is_selected else theme.muted))
        points = SMALL_PT if height >= _FULL_TEXT_ROW_PX else _TINY_PT
        painter.setFont(font(points, bold=is_selected))
        box = QRectF(18, top - 2, _HEADER_PX - 20, height + 4)
        painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, f"#{person}")
        painter.setFont(font(SMALL_PT))

    def _paint_labelled(self, painter: QPainter, theme: Theme, rect: QRectF) -> None:
        project = self._session.project
        assert project is not None
        if self._labelled is None:
            self._labelled = project.labelled_frames()
        painter.setBrush(QColor(theme.text))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        frames = self._labelled
        inside = (frames >= self._span.start - 1) & (frames <= self._span.start + self._span.length)
        places = np.unique(np.round([self.x_of(int(frame)) for frame in frames[inside]]))
        for x in places[(places >= rect.left()) & (places <= rect.right())]:
            paint_annotated(painter, QPointF(float(x), _RULER_PX - 6), 4)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def _paint_head(self, painter: QPainter, theme: Theme, rect: QRectF) -> None:
        frame = self._session.cursor.frame
        if not self._is_in_sight(frame):
            return
        width = max(rect.width() / self._span.length, 1.0)
        middle = self.x_of(frame)
        left = max(middle - width / 2, rect.left())
        right = min(middle + width / 2, rect.right() - 1)
        painter.setPen(QPen(QColor(theme.accent), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(QRectF(left, _LABEL_PX, max(right - left, 1.0), self.height()))
        label = self._head_label()
        painter.fillRect(label, QColor(theme.accent))
        painter.setPen(QColor(theme.window))
        painter.drawText(label, _CENTER, f"{self._session.frame_number:,}")

    # The pointer.

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Left: go there and select the row's person; right: begin to move."""
        position = event.position()
        if event.button() == Qt.MouseButton.LeftButton:
            self._before_press = self._session.cursor
            person = self._person_at(position.y())
            if person is not None:
                self._session.select(person=person)
            self._is_scrubbing = position.x() >= _HEADER_PX
            if self._is_scrubbing:
                self._session.set_frame(self.frame_at(position.x()))
        else:
            self._drag_from = position.toPoint()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Scrub, move, or tell what is under the pointer."""
        position = event.position()
        if self._is_scrubbing:
            self._session.set_frame(self.frame_at(position.x()))
        elif self._drag_from is not None:
            width = max(self._track_rect().width(), 1)
            frames = (self._drag_from.x() - position.x()) / width * self._span.length
            self._drag_from = position.toPoint()
            self._set_span(self._span.moved(frames, self._num_frames()))
        elif position.x() >= _HEADER_PX:
            self._tell(event)

    def mouseReleaseEvent(self, _event: QMouseEvent) -> None:
        """The drag is over."""
        self._drag_from = None
        self._is_scrubbing = False

    def mouseDoubleClickEvent(self, _event: QMouseEvent) -> None:
        """Show the whole recording; what the first click selected is taken back."""
        before = self._before_press
        if self._session.project is not None:
            self._session.set_frame(before.frame)
            self._session.select(person=before.person)
        self._set_span(Span(0, self._num_frames()))

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom about the pointer; sideways: move; over the persons: scroll them."""
        if self._session.project is None:
            return
        event.accept()
        steps = event.angleDelta().y() / 120
        sideways = event.angleDelta().x() / 120
        if event.position().x() < _HEADER_PX:
            self._bar.setValue(self._bar.value() - round(steps * 3 * self.row_height()))
        elif abs(sideways) > abs(steps):
            moved = self._span.moved(-sideways * self._span.length / 10, self._num_frames())
            self._set_span(moved)
        elif steps:
            about = self.frame_at(event.position().x()) + 0.5
            self._set_span(self._span.zoomed(0.8**steps, about, self._num_frames()))

    def _set_span(self, span: Span) -> None:
        if span != self._span:
            self._span = span
            self._rows = None
            self.update()

    def _tell(self, event: QMouseEvent) -> None:
        person = self._person_at(event.position().y())
        if self._session.project is None or person is None:
            QToolTip.hideText()
            return
        text = self.tip(person, self.frame_at(event.position().x()))
        where = QRect(event.position().toPoint(), QSize(1, 1))
        QToolTip.showText(event.globalPosition().toPoint(), text, self, where)

    def tip(self, person: int, frame: int) -> str:
        """What a row says about a frame, in words."""
        return told_cell(self._session, self.triage.judged, self.round.ticks, person, frame)
