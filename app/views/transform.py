"""From picture pixels to widget pixels and back, per view: zoom and pan that stick.

A `Zoom` belongs to a camera and is kept across frames, layouts and focus; a `ViewTransform` is
that zoom seen through the box where the view lies now. Pixel centres are integers: the pixel
(0, 0) covers [-0.5, 0.5], so the left edge of a picture is x = -0.5 (the classic half-pixel trap).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.views.layout import Box

# No more widget pixels than this for one picture pixel.
MAX_SCALE = 32.0
# A framed person fills this share of the view.
FRAMED_SHARE = 0.7
MAX_FRAMED_SCALE = 8.0


@dataclass(frozen=True, slots=True)
class Zoom:
    """What a camera's view shows.

    Attributes:
        factor: magnification over the whole picture's fit; 1 shows all of it.
        center: the point in the middle of the view as shares of the picture's width and height.
    """

    factor: float = 1.0
    center: tuple[float, float] = (0.5, 0.5)

    @property
    def is_whole(self) -> bool:
        """Whether the whole picture is shown."""
        return self.factor <= 1.0


@dataclass(frozen=True, slots=True)
class ViewTransform:
    """The map between one view's raw pixels and the widget.

    Attributes:
        box: the picture's area in the widget, logical pixels.
        size_px: width and height of the full picture.
        zoom: what of it is shown.
    """

    box: Box
    size_px: tuple[int, int]
    zoom: Zoom

    @property
    def fit_scale(self) -> float:
        """Widget pixels a picture pixel when the whole picture is shown."""
        return min(self.box.width / self.size_px[0], self.box.height / self.size_px[1])

    @property
    def scale(self) -> float:
        """Widget pixels a picture pixel."""
        return self.fit_scale * self.zoom.factor

    @property
    def origin(self) -> tuple[float, float]:
        """Where the picture's top left corner (-0.5, -0.5) lies in the widget."""
        scale = self.scale
        return (
            self.box.x + self.box.width / 2 - self.zoom.center[0] * self.size_px[0] * scale,
            self.box.y + self.box.height / 2 - self.zoom.center[1] * self.size_px[1] * scale,
        )

    def to_widget(self, points_px: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., 2) raw pixels -> (..., 2) widget pixels; NaN stays NaN."""
        return (points_px + 0.5) * self.scale + np.array(self.origin)

    def to_picture(self, x: float, y: float) -> tuple[float, float]:
        """A widget point -> raw pixels."""
        left, top = self.origin
        return (x - left) / self.scale - 0.5, (y - top) / self.scale - 0.5

    def zoomed(self, factor: float, x: float, y: float) -> Zoom:
        """The zoom after magnifying by ``factor`` with the widget point (x, y) held still."""
        new_factor = min(max(self.zoom.factor * factor, 1.0), MAX_SCALE / self.fit_scale)
        held = self.to_picture(x, y)
        new_scale = self.fit_scale * new_factor
        middle = (
            held[0] + 0.5 + (self.box.x + self.box.width / 2 - x) / new_scale,
            held[1] + 0.5 + (self.box.y + self.box.height / 2 - y) / new_scale,
        )
        return self._zoom_at(new_factor, *middle)

    def panned(self, dx: float, dy: float) -> Zoom:
        """The zoom after dragging the picture by (dx, dy) widget pixels."""
        center = self.zoom.center
        return self._zoom_at(
            self.zoom.factor,
            center[0] * self.size_px[0] - dx / self.scale,
            center[1] * self.size_px[1] - dy / self.scale,
        )

    def framed(self, low_px: NDArray[np.float64], high_px: NDArray[np.float64]) -> Zoom:
        """The zoom that shows the raw-pixel box low..high with some air around it."""
        # Plain floats: numpy's would wander on into Qt calls, which do not take them for booleans.
        width, height = np.maximum(high_px - low_px, 1.0).tolist()
        scale = FRAMED_SHARE * min(self.box.width / width, self.box.height / height)
        factor = min(max(scale, self.fit_scale), MAX_FRAMED_SCALE) / self.fit_scale
        x, y = ((low_px + high_px) / 2 + 0.5).tolist()
        return self._zoom_at(max(factor, 1.0), x, y)

    def _zoom_at(self, factor: float, x: float, y: float) -> Zoom:
        """Centre on the edge coordinates (x, y), moved so that no more void shows than must."""
        center: list[float] = []
        for value, size, extent in zip(
            (x, y), self.size_px, (self.box.width, self.box.height), strict=True
        ):
            half = extent / (2 * self.fit_scale * factor)
            center.append(min(max(value, half), size - half) / size if 2 * half < size else 0.5)
        return Zoom(factor, (center[0], center[1]))


def framing_box(
    box_px: NDArray[np.float64], points_px: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """The raw-pixel corners that frame a person in a view.

    Args:
        box_px: (4,) x0 y0 x1 y1 of the person's cylinder; NaN where it is not seen.
        points_px: (J, 2) its joints in that view; NaN where there is none.

    Returns:
        (2,) low and (2,) high corner: the cylinder's, else those of the joints; None where the
        person is in no way in this view.
    """
    if np.isfinite(box_px).all():
        return box_px[:2], box_px[2:]
    seen = points_px[np.isfinite(points_px).all(axis=-1)]
    if not len(seen):
        return None
    return seen.min(axis=0), seen.max(axis=0)
