"""Floor to widget and back: seen from above, the long side of the recording lies level.

A view from above is never mirrored: x to the right and y up, or the whole turned by a quarter, so
that left and right are those of somebody who looks down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.scene.shapes import court_is_along_y

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.geometry import Rig
    from core.geometry.volume import WorldBox
    from core.people import GroundTracks

# Some air about the area.
_MARGIN = 1.06
_MIN_SPAN_MM = 500.0
_BODY_MM = 600.0
_COURT_MM = (28_000.0, 15_000.0)
_RUN_OFF_MM = 1_500.0


@dataclass(frozen=True, slots=True)
class FloorArea:
    """A rectangle of the floor to show.

    Attributes:
        low_mm, high_mm: world x and y of the corners.
    """

    low_mm: tuple[float, float]
    high_mm: tuple[float, float]

    @property
    def is_turned(self) -> bool:
        """Whether the longer side is y."""
        return self.high_mm[1] - self.low_mm[1] > self.high_mm[0] - self.low_mm[0]


@dataclass(frozen=True, slots=True)
class FloorTransform:
    """World x and y (mm) to widget pixels.

    Attributes:
        center_mm: what lies in the middle of the widget.
        middle: of the widget, pixels.
        scale: widget pixels a millimetre.
        is_turned: world y points to the right, and x down.
    """

    center_mm: tuple[float, float]
    middle: tuple[float, float]
    scale: float
    is_turned: bool

    def to_widget(self, spots_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., 2) world to (..., 2) widget; NaN stays."""
        x, y = np.moveaxis(spots_mm - np.array(self.center_mm), -1, 0) * self.scale
        right, up = (y, -x) if self.is_turned else (x, y)
        return np.stack([self.middle[0] + right, self.middle[1] - up], axis=-1)

    def to_floor(self, x: float, y: float) -> tuple[float, float]:
        """A widget point to world x and y."""
        right, up = (x - self.middle[0]) / self.scale, (self.middle[1] - y) / self.scale
        dx, dy = (-up, right) if self.is_turned else (right, up)
        return self.center_mm[0] + dx, self.center_mm[1] + dy


@dataclass(frozen=True, slots=True)
class FloorZoom:
    """What the user made of the whole area: magnification, and the place in the middle."""

    factor: float = 1.0
    center_mm: tuple[float, float] | None = None


def area_of(
    rig: Rig, tracks: GroundTracks | None, volume: WorldBox | None, *, is_court: bool
) -> FloorArea:
    """The part of the floor that a recording is about.

    The court with its run-off; else where people walk, or the recorded volume, or the floor
    between the cameras.
    """
    if is_court:
        length, width = (side / 2 + _RUN_OFF_MM for side in _COURT_MM)
        half = (width, length) if court_is_along_y(rig) else (length, width)
        low, high = np.array(half) * -1.0, np.array(half)
    elif volume is not None:
        low, high = volume.low_mm[:2].copy(), volume.high_mm[:2].copy()
    else:
        centers = np.stack([camera.center_mm[:2] for camera in rig])
        low, high = centers.min(axis=0), centers.max(axis=0)
    if tracks is not None and len(tracks) and not is_court:
        low = np.minimum(low, np.percentile(tracks.row_ground_mm, 1, axis=0) - _BODY_MM)
        high = np.maximum(high, np.percentile(tracks.row_ground_mm, 99, axis=0) + _BODY_MM)
    short = np.maximum(_MIN_SPAN_MM - (high - low), 0) / 2
    low, high = low - short, high + short
    return FloorArea((float(low[0]), float(low[1])), (float(high[0]), float(high[1])))


def fitted(area: FloorArea, width: float, height: float, zoom: FloorZoom) -> FloorTransform:
    """The transform that shows an area in a widget, zoomed."""
    span = np.array(area.high_mm) - np.array(area.low_mm)
    right, up = (span[1], span[0]) if area.is_turned else (span[0], span[1])
    scale = min(width / (right * _MARGIN), height / (up * _MARGIN)) * zoom.factor
    middle = (np.array(area.high_mm) + np.array(area.low_mm)) / 2
    center = zoom.center_mm or (float(middle[0]), float(middle[1]))
    return FloorTransform(center, (width / 2, height / 2), max(float(scale), 1e-6), area.is_turned)


def zoomed(
    zoom: FloorZoom, transform: FloorTransform, factor: float, at: tuple[float, float]
) -> FloorZoom:
    """The zoom after magnifying about a widget point, which stays where it is."""
    new = min(max(zoom.factor * factor, 1.0), 40.0)
    if new == 1.0:
        return FloorZoom()
    held, change = transform.to_floor(*at), new / zoom.factor
    center = tuple(h + (c - h) / change for h, c in zip(held, transform.center_mm, strict=True))
    return FloorZoom(new, (center[0], center[1]))


def panned(zoom: FloorZoom, transform: FloorTransform, step: tuple[float, float]) -> FloorZoom:
    """The zoom after dragging the floor by a widget step."""
    x, y = transform.middle
    return FloorZoom(zoom.factor, transform.to_floor(x - step[0], y - step[1]))


def grid_step_mm(transform: FloorTransform) -> float:
    """A round distance that is some 40 pixels or more."""
    wanted = 40.0 / transform.scale
    power = 10.0 ** np.floor(np.log10(wanted))
    return float(next(m * power for m in (1, 2, 5, 10) if m * power >= wanted * (1 - 1e-9)))
