"""Joints in space over time, as formats of motion capture hold them: one person, named markers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MarkerFrames:
    """Markers of one person.

    Attributes:
        markers: J names.
        frames: (F,) int64, 0-based, ascending.
        points_mm: (F, J, 3) world; NaN = none.
        rate_hz: frames a second; None = not known.
    """

    markers: tuple[str, ...]
    frames: NDArray[np.int64]
    points_mm: NDArray[np.float64]
    rate_hz: float | None = None

    def without_gaps(self) -> MarkerFrames:
        """The same with a row for every frame from the first to the last, empty where none was."""
        first, last = int(self.frames[0]), int(self.frames[-1])
        points = np.full((last - first + 1, *self.points_mm.shape[1:]), np.nan)
        points[self.frames - first] = self.points_mm
        return MarkerFrames(
            markers=self.markers,
            frames=np.arange(first, last + 1),
            points_mm=points,
            rate_hz=self.rate_hz,
        )

    def without_empty(self) -> MarkerFrames:
        """The same without the rows in which no marker has a place."""
        there = np.isfinite(self.points_mm).all(axis=-1).any(axis=-1)
        return MarkerFrames(
            markers=self.markers,
            frames=self.frames[there],
            points_mm=self.points_mm[there],
            rate_hz=self.rate_hz,
        )
