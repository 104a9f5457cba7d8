"""Where each view lies in the grid: pure arithmetic on aspects, no widgets.

Views keep their order, read like text, and keep their pictures' aspect. Rows are justified like a
newspaper's, so that cameras of unlike aspect leave little unused; the number of rows is the one
that gives the pictures the most area. A row with few views may grow, but only a quarter above the
lowest one, so that the last row of five views does not shout.

Lengths are logical widget pixels. A cell is a title strip with the picture right under it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP = 4.0
TITLE_HEIGHT = 20.0
MAX_ROW_GROWTH = 1.25
# The filmstrip takes at most this share of the widget, and its area counts so much more.
STRIP_SHARE = 0.2
STRIP_WORTH = 2.0
MIN_PICTURE = 8.0


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in widget pixels: left, top, width, height."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """The first x beyond it."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """The first y beyond it."""
        return self.y + self.height

    def contains(self, x: float, y: float) -> bool:
        """Whether the point lies inside; the right and bottom edges belong to the neighbour."""
        return self.x <= x < self.right and self.y <= y < self.bottom


@dataclass(frozen=True, slots=True)
class Cell:
    """One view's place.

    Attributes:
        title: the strip with the camera's name.
        picture: the image area, of the view's aspect (up to rounding).
    """

    title: Box
    picture: Box

    @property
    def whole(self) -> Box:
        """Title and picture together."""
        return Box(
            self.title.x, self.title.y, self.title.width, self.title.height + self.picture.height
        )


def grid_cells(aspects: Sequence[float], area: Box) -> list[Cell]:
    """Lay views out in rows that fill ``area`` best.

    Args:
        aspects: width / height of each view, in the order shown.
        area: where they may lie.

    Returns:
        One cell a view, in the same order; whole pixels, so that picture edges are crisp.
    """
    if not aspects:
        return []
    rows_of = [_split(aspects, num_rows) for num_rows in range(1, len(aspects) + 1)]
    best = max(rows_of, key=lambda rows: _picture_area(rows, _row_heights(rows, area)))
    return _place(best, _row_heights(best, area), area)


def focus_cells(aspects: Sequence[float], focused: int, area: Box) -> list[Cell]:
    """Lay one view out large and the others as a filmstrip below it or to its right.

    Args:
        aspects: width / height of each view, in the order shown.
        focused: position of the large one in ``aspects``.
        area: where they may lie.

    Returns:
        One cell a view, in the same order.
    """
    others = [aspect for i, aspect in enumerate(aspects) if i != focused]
    if not others:
        return grid_cells(aspects, area)
    choices = [_strip_below(others, area), _strip_beside(others, area)]
    layouts = [(grid_cells([aspects[focused]], large), strip) for large, strip in choices]

    def score(layout: tuple[list[Cell], list[Cell]]) -> float:
        large, strip = (sum(c.picture.width * c.picture.height for c in cells) for cells in layout)
        return large + STRIP_WORTH * strip

    large, strip = max(layouts, key=score)
    strip.insert(focused, large[0])
    return strip


def _strip_below(aspects: Sequence[float], area: Box) -> tuple[Box, list[Cell]]:
    """What is left for the large view, and a row of the others along the bottom."""
    by_width = (area.width - GAP * (len(aspects) - 1)) / sum(aspects)
    height = max(min(by_width, STRIP_SHARE * area.height), MIN_PICTURE)
    total = height + TITLE_HEIGHT
    strip = Box(area.x, area.bottom - total, area.width, total)
    large = Box(area.x, area.y, area.width, area.height - total - GAP)
    return large, _place([aspects], [height], strip)


def _strip_beside(aspects: Sequence[float], area: Box) -> tuple[Box, list[Cell]]:
    """What is left for the large view, and a column of the others along the right edge."""
    free = area.height - len(aspects) * (TITLE_HEIGHT + GAP) + GAP
    by_height = free / sum(1 / aspect for aspect in aspects)
    width = max(min(by_height, STRIP_SHARE * area.width), MIN_PICTURE)
    strip = Box(area.right - width, area.y, width, area.height)
    large = Box(area.x, area.y, area.width - width - GAP, area.height)
    return large, _place([[a] for a in aspects], [width / a for a in aspects], strip)


def _split(aspects: Sequence[float], num_rows: int) -> list[list[float]]:
    """Break the sequence into at most ``num_rows`` rows of about equal total aspect."""
    total = sum(aspects)
    rows: list[list[float]] = [[] for _ in range(num_rows)]
    before = 0.0
    for aspect in aspects:
        middle = (before + aspect / 2) / total
        rows[min(int(middle * num_rows), num_rows - 1)].append(aspect)
        before += aspect
    return [row for row in rows if row]


def _row_heights(rows: Sequence[Sequence[float]], area: Box) -> list[float]:
    """Picture height of each row."""
    by_width = [(area.width - GAP * (len(row) - 1)) / sum(row) for row in rows]
    lowest = max(min(by_width), MIN_PICTURE)
    heights = [min(height, lowest * MAX_ROW_GROWTH) for height in by_width]
    free = area.height - len(rows) * TITLE_HEIGHT - GAP * (len(rows) - 1)
    shrink = min(1.0, max(free, MIN_PICTURE) / sum(heights))
    return [max(height * shrink, MIN_PICTURE) for height in heights]


def _picture_area(rows: Sequence[Sequence[float]], heights: Sequence[float]) -> float:
    return sum(sum(row) * height**2 for row, height in zip(rows, heights, strict=True))


def _place(rows: Sequence[Sequence[float]], heights: Sequence[float], area: Box) -> list[Cell]:
    used = sum(heights) + len(rows) * TITLE_HEIGHT + GAP * (len(rows) - 1)
    y = area.y + max(0.0, (area.height - used) / 2)
    cells: list[Cell] = []
    for row, height in zip(rows, heights, strict=True):
        x = area.x + max(0.0, (area.width - sum(row) * height - GAP * (len(row) - 1)) / 2)
        for aspect in row:
            left, right = round(x), round(x + aspect * height)
            top, bottom = round(y + TITLE_HEIGHT), round(y + TITLE_HEIGHT + height)
            width = max(right - left, 1)
            cells.append(
                Cell(
                    Box(left, round(y), width, top - round(y)),
                    Box(left, top, width, max(bottom - top, 1)),
                )
            )
            x += aspect * height + GAP
        y += TITLE_HEIGHT + height + GAP
    return cells
