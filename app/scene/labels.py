"""Names in the 3D viewer: set in the window's own type, and kept from covering each other.

Every label is painted once into an atlas, by Qt, at the screen's density; a frame draws textured
rectangles. Where labels would overlap, the more important one takes its place above its anchor,
the others try beside and below it, and go where there is no room at all: a name that cannot be
read only hides something else. People stay identified by their colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter

from app import theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_ATLAS_PX = 512
_MAX_LABELS = 160  # as many as the atlas surely holds
_PAD_X, _PAD_Y = 4.0, 1.0
_GAP = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelStyle:
    """How a label looks; colours as #rrggbb.

    Attributes:
        text: colour of the letters.
        chip: of the rounded box behind them.
        opacity: of that box.
        bold: weight of the letters.
    """

    text: str
    chip: str
    opacity: float = 0.65
    bold: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Label:
    """A name at a stage point.

    Attributes:
        text: what it says.
        style: how it looks.
        anchor: (3,) stage units; NaN = not shown.
        rank: lower ones are placed first.
        target: what a click on it means: ("camera", index) or ("person", id).
    """

    text: str
    style: LabelStyle
    anchor: NDArray[np.float64]
    rank: float
    target: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class PlacedLabel:
    """Where a label is drawn: logical pixels on the canvas, and where its picture is."""

    label: Label
    box: tuple[float, float, float, float]
    cell: tuple[int, int, int, int]


Cell = tuple[int, int, int, int]


class Atlas:
    """Pictures of labels, side by side; emptied when it is full."""

    def __init__(self) -> None:
        self._cells: dict[tuple[str, LabelStyle], Cell] = {}
        self._ratio = 1.0
        self._num_emptied = 0
        self.is_changed = True
        self._clear()

    def _clear(self) -> None:
        self._num_emptied += 1
        side = self.side_px
        self._image = QImage(side, side, QImage.Format.Format_RGBA8888_Premultiplied)
        self._image.fill(0)
        self._cells.clear()
        self._x = self._y = self._row_height = 0
        self.is_changed = True

    def set_ratio(self, ratio: float) -> None:
        """Physical pixels in a logical one."""
        if ratio != self._ratio:
            self._ratio = ratio
            self._clear()

    def cell(self, text: str, style: LabelStyle) -> Cell:
        """(x, y, width, height) of a label's picture in the atlas, physical pixels."""
        found = self._cells.get((text, style))
        return found if found is not None else self._paint(text, style)

    def cells(self, labels: Sequence[Label]) -> list[Cell]:
        """The pictures of all these labels, in the atlas at the same time."""
        emptied = self._num_emptied
        cells = [self.cell(label.text, label.style) for label in labels]
        if emptied != self._num_emptied:  # it got full on the way, and the first ones are gone
            cells = [self.cell(label.text, label.style) for label in labels]
        return cells

    def _paint(self, text: str, style: LabelStyle) -> Cell:
        font = theme.font(theme.SMALL_PT, bold=style.bold)
        metrics = QFontMetricsF(font)
        width = np.ceil(metrics.horizontalAdvance(text)) + 2 * _PAD_X
        height = np.ceil(metrics.height()) + 2 * _PAD_Y
        cell = self._reserve(round(width * self._ratio), round(height * self._ratio))
        painter = QPainter(self._image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.translate(cell[0], cell[1])
        painter.scale(self._ratio, self._ratio)
        _paint_label(painter, text, style, QRectF(0, 0, width, height), font)
        painter.end()
        self._cells[text, style] = cell
        self.is_changed = True
        return cell

    def _reserve(self, width: int, height: int) -> Cell:
        width = min(width, self.side_px)
        if self._x + width > self.side_px:
            self._x, self._y, self._row_height = 0, self._y + self._row_height + 1, 0
        if self._y + height > self.side_px:
            self._clear()
        cell = (self._x, self._y, width, height)
        self._x += width + 1
        self._row_height = max(self._row_height, height)
        return cell

    def pixels(self) -> NDArray[np.uint8]:
        """(h, w, 4) RGBA, premultiplied."""
        self.is_changed = False
        data = np.frombuffer(self._image.constBits(), dtype=np.uint8)
        return data.reshape(self.side_px, self.side_px, 4).copy()

    @property
    def side_px(self) -> int:
        """Width and height, physical pixels."""
        return _ATLAS_PX * int(np.ceil(self._ratio))

    @property
    def ratio(self) -> float:
        """Physical pixels in a logical one."""
        return self._ratio


def _paint_label(
    painter: QPainter, text: str, style: LabelStyle, area: QRectF, font: QFont
) -> None:
    chip = QColor(style.chip)
    chip.setAlphaF(style.opacity)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(chip)
    painter.drawRoundedRect(area, 3.5, 3.5)
    painter.setFont(font)
    painter.setPen(QColor(style.text))
    baseline = _PAD_Y + QFontMetricsF(font).ascent()
    painter.drawText(QPointF(_PAD_X, baseline), text)


def arrange(
    labels: Sequence[Label],
    places: NDArray[np.float64],
    atlas: Atlas,
    size: tuple[float, float],
    caption: Label | None = None,
) -> list[PlacedLabel]:
    """Give each label a box that no other one covers, the important ones first.

    Args:
        labels: what there is to name.
        places: (N, 2) where their anchors are drawn; NaN = not in sight.
        atlas: makes and keeps their pictures.
        size: of the canvas, logical pixels.
        caption: goes to the bottom left corner before all others, wherever its anchor is.

    Returns:
        Those that found room.
    """
    labels = labels[:_MAX_LABELS]
    captions = [] if caption is None else [caption]
    cells = atlas.cells([*labels, *captions])
    boxes = np.empty((len(labels) + 1, 4))
    placed = [_in_the_corner(each, cells[-1], atlas.ratio, size) for each in captions]
    boxes[: len(placed)] = [item.box for item in placed] or np.empty((0, 4))
    places = places[: len(labels)]
    seen = np.isfinite(places).all(axis=1)
    seen &= (places >= -20).all(axis=1) & (places <= np.add(size, 20)).all(axis=1)
    for index in sorted(np.flatnonzero(seen).tolist(), key=lambda i: labels[i].rank):
        label = labels[index]
        cell = cells[index]
        width, height = cell[2] / atlas.ratio, cell[3] / atlas.ratio
        taken = boxes[: len(placed)]
        x, y = places[index].tolist()
        for wanted, top in _spots(x, y, width, height):
            left = min(max(wanted, 0.0), max(size[0] - width, 0.0))
            box = (left, top, left + width, top + height)
            if not _overlaps(box, taken):
                boxes[len(placed)] = box
                placed.append(PlacedLabel(label, box, cell))
                break
    return placed


def _in_the_corner(
    caption: Label, cell: Cell, ratio: float, size: tuple[float, float]
) -> PlacedLabel:
    width, height = cell[2] / ratio, cell[3] / ratio
    left, top = theme.GRID_PX, round(size[1] - height - theme.GRID_PX)
    return PlacedLabel(caption, (left, top, left + width, top + height), cell)


def _spots(x: float, y: float, width: float, height: float) -> list[tuple[float, float]]:
    """Above, right, left and below, snapped to pixels so that letters stay sharp."""
    left, middle = round(x - width / 2), round(y - height / 2)
    return [
        (left, round(y - height - _GAP)),
        (round(x + 2 * _GAP), middle),
        (round(x - width - 2 * _GAP), middle),
        (left, round(y + _GAP)),
    ]


def _overlaps(box: tuple[float, float, float, float], taken: NDArray[np.float64]) -> bool:
    left, top, right, bottom = box
    apart = (taken[:, 0] >= right) | (taken[:, 2] <= left)
    apart |= (taken[:, 1] >= bottom) | (taken[:, 3] <= top)
    return not apart.all()


def label_at(placed: Sequence[PlacedLabel], x: float, y: float) -> Label | None:
    """The label drawn under a canvas position."""
    for item in placed:
        left, top, right, bottom = item.box
        if left <= x <= right and top <= y <= bottom:
            return item.label
    return None
