"""The Samples tab: the same crops after each evaluation, with what the networks saw in them.

As in the views: colour = who, a ring = the network, filled = the label; a leash joins the two, and
a joint that the network is unsure of is pale. Files are read in the background, a few are kept.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QColor, QImage, QPainter, QPen
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QSlider,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from app.cli.following import STAGE_TITLES
from app.jobs import Job
from app.theme import GRID_PX, SMALL_PT, font, person_color, theme_named
from core.project.runs.samples import Samples, read_samples

if TYPE_CHECKING:
    from PySide6.QtGui import QMouseEvent, QPaintEvent, QShowEvent

    from app.runs.watch import RunWatch
    from app.session import Session
    from core.project.runs.events import SamplesSaved

_KEPT_FILES = 24
_CAPTION_PX = 16
# Radii of a crop that is so many pixels wide; smaller crops have smaller joints.
_RING_PX, _DOT_PX, _FULL_PX = 3.0, 2.4, 120.0
_EMPTY = (
    "No sample crops yet.\n\nAfter each evaluation the trainer saves a few held-out people as its"
    " networks see them, always the same ones: rings are predicted, filled dots are labels. The"
    " slider goes back through the steps."
)


class SampleGrid(QWidget):
    """The crops of one step, as large as there is room for; a click goes to the frame."""

    picked = Signal(int)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._samples: Samples | None = None
        self._images: list[QImage] = []
        self.setMinimumHeight(6 * GRID_PX)
        self.setToolTip(
            "Ring: predicted, pale where unsure. Filled: labelled. A click goes to the frame."
        )
        session.display_changed.connect(self.update)

    def show_samples(self, samples: Samples | None) -> None:
        """Draw these; None draws nothing."""
        self._samples = samples
        crops = () if samples is None else np.ascontiguousarray(samples.crops)
        self._images = [_image(crop) for crop in crops]
        self.update()

    def cells(self) -> list[QRectF]:
        """Where each crop with its caption is."""
        samples = self._samples
        if samples is None or not len(samples):
            return []
        height, width = samples.crops.shape[1:3]
        number = len(samples)
        columns, scale = _best_columns(number, width, height, self.width(), self.height())
        step_x, step_y = width * scale + GRID_PX, height * scale + _CAPTION_PX + GRID_PX / 2
        left = (self.width() - columns * step_x + GRID_PX) / 2
        return [
            QRectF(
                left + row % columns * step_x,
                row // columns * step_y,
                width * scale,
                height * scale + _CAPTION_PX,
            )
            for row in range(number)
        ]

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose a crop."""
        for row, cell in enumerate(self.cells()):
            if cell.contains(event.position()):
                self.picked.emit(row)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Crops, joints, captions."""
        samples = self._samples
        if samples is None:
            return
        theme = theme_named(self._session.display.theme)
        project = self._session.project
        first = 0 if project is None else project.first_frame_number
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setFont(font(SMALL_PT - 1))
        for row, cell in enumerate(self.cells()):
            picture = cell.adjusted(0, 0, 0, -_CAPTION_PX)
            painter.drawImage(picture, self._images[row])
            _paint_joints(painter, picture, samples, row)
            painter.setPen(QColor(theme.muted))
            place = QRectF(cell.left(), picture.bottom(), cell.width(), _CAPTION_PX)
            parts = [f"#{samples.persons[row]}", f"{samples.frames[row] + first}"]
            text = " · ".join([*parts, samples.cameras[row]])
            if painter.fontMetrics().horizontalAdvance(text) > place.width():
                text = " · ".join(parts)
            painter.drawText(place, Qt.AlignmentFlag.AlignCenter, text)
        painter.end()


class SamplesTab(QWidget):
    """Crops, and a slider through the steps at which they were saved."""

    def __init__(self, session: Session, watch: RunWatch) -> None:
        super().__init__()
        self._session = session
        self._watch = watch
        self._run_id = ""
        self._events: tuple[SamplesSaved, ...] = ()
        self._read: OrderedDict[Path, Samples] = OrderedDict()
        self._reading: Job | None = None
        self._shown: Path | None = None
        self.grid = SampleGrid(session)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Step of the samples")
        self.slider.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.title = QLabel()
        self.title.setFont(font(SMALL_PT))
        self.title.setMinimumWidth(176)
        self._empty = QLabel(_EMPTY)
        self._empty.setWordWrap(True)
        self._empty.setProperty("muted", True)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self._empty.setContentsMargins(*[2 * GRID_PX] * 4)
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(GRID_PX, GRID_PX, GRID_PX, GRID_PX // 2)
        column.addWidget(self.grid, 1)
        row = QHBoxLayout()
        row.addWidget(self.title)
        row.addWidget(self.slider, 1)
        column.addLayout(row)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(self._empty)
        self._stack.addWidget(page)
        self.slider.valueChanged.connect(self._show_step)
        self.grid.picked.connect(self._go_to)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is being read."""
        return self._reading is None

    def show_samples(self, run_id: str, events: tuple[SamplesSaved, ...]) -> None:
        """Show the samples of a run; whoever looks at the newest goes on to the next one."""
        is_same = run_id == self._run_id
        if is_same and events == self._events:
            return
        was_newest = not is_same or self.slider.value() == self.slider.maximum()
        self._run_id, self._events = run_id, events
        self._stack.setCurrentIndex(1 if events else 0)
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, max(len(events) - 1, 0))
            self.slider.setPageStep(1)
            if was_newest:
                self.slider.setValue(self.slider.maximum())
        if not is_same:
            self.grid.show_samples(None)
            self._shown = None
        self._show_step()

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what happened while another tab was in front."""
        super().showEvent(event)
        self._show_step()

    def _show_step(self, _step: int = 0) -> None:
        if not self._events or not self.isVisible():
            return
        event = self._events[self.slider.value()]
        self.title.setText(f"{STAGE_TITLES[event.stage]}, step {event.step:,}")
        entry = self._watch.entry(self._run_id)
        if entry is None or Path(event.file).is_absolute() or ".." in Path(event.file).parts:
            return
        path = entry.path / event.file
        if path in self._read:
            self._read.move_to_end(path)
            self._show(path)
        elif self._reading is None:
            self._start_reading(path)

    def _start_reading(self, path: Path) -> None:
        job = self._reading = Job("Reading samples", lambda _progress: read_samples(path))
        job.finished.connect(lambda samples: self._keep(path, samples))
        job.failed.connect(self.title.setText)
        job.failed.connect(lambda _text: self._on_failed(path))
        job.ended.connect(self._on_read)
        job.start()

    def _keep(self, path: Path, samples: Samples) -> None:
        self._read[path] = samples
        while len(self._read) > _KEPT_FILES:
            self._read.popitem(last=False)
        self._show(path)

    def _on_failed(self, path: Path) -> None:
        # Not asked for again and again; another step clears it.
        self._shown = path
        self.grid.show_samples(None)

    def _on_read(self) -> None:
        self._reading = None
        entry, events = self._watch.entry(self._run_id), self._events
        if entry is not None and events:
            wanted = entry.path / events[self.slider.value()].file
            if wanted != self._shown:
                self._show_step()  # the slider has gone on meanwhile

    def _show(self, path: Path) -> None:
        if path != self._shown:
            self._shown = path
            self.grid.show_samples(self._read[path])

    def _go_to(self, row: int) -> None:
        project = self._session.project
        samples = self._read.get(self._shown) if self._shown is not None else None
        if project is None or samples is None:
            return
        names = list(project.rig.names)
        name = samples.cameras[row]
        self._session.set_frame(int(samples.frames[row]))
        self._session.select(
            person=int(samples.persons[row]),
            camera=names.index(name) if name in names else None,
        )


def _image(crop: np.ndarray) -> QImage:
    height, width = crop.shape[:2]
    return QImage(crop.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888).copy()


def _best_columns(
    number: int, width: int, height: int, room_x: float, room_y: float
) -> tuple[int, float]:
    """How many columns let the crops be largest, and their scale then."""
    best = (1, 0.05)
    for columns in range(1, number + 1):
        rows = -(-number // columns)
        scale = min(
            (room_x / columns - GRID_PX) / width,
            (room_y / rows - _CAPTION_PX - GRID_PX / 2) / height,
        )
        if scale > best[1]:
            best = (columns, scale)
    return best


def _paint_joints(painter: QPainter, picture: QRectF, samples: Samples, row: int) -> None:
    height, width = samples.crops.shape[1:3]
    scale = np.array([picture.width() / width, picture.height() / height])
    origin = np.array([picture.left(), picture.top()])
    # Centres of pixels are at integers.
    points = (samples.points_px[row] + 0.5) * scale + origin
    targets = (samples.target_px[row] + 0.5) * scale + origin
    color = person_color(int(samples.persons[row]))
    size = min(max(math.sqrt(picture.width() / _FULL_PX), 0.4), 1.5)
    for point, target, sure in zip(points, targets, samples.confidence[row], strict=True):
        has_point, has_target = bool(np.isfinite(point).all()), bool(np.isfinite(target).all())
        if has_point and has_target:
            painter.setPen(QPen(QColor(255, 255, 255, 150), 1))
            painter.drawLine(QPointF(*point), QPointF(*target))
        if has_target:
            painter.setPen(QPen(QColor(0, 0, 0, 160), 1))
            painter.setBrush(color)
            painter.drawEllipse(QPointF(*target), _DOT_PX * size, _DOT_PX * size)
        if has_point:
            ink = QColor(color)
            ink.setAlphaF(0.35 + 0.65 * min(max(float(np.nan_to_num(sure)), 0.0), 1.0))
            painter.setPen(QPen(ink, 1.6 * min(size, 1.0)))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(QPointF(*point), _RING_PX * size, _RING_PX * size)
