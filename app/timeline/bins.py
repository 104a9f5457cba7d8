"""Many frames in few columns: each column shows the worst of the frames that it stands for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Span:
    """The frames in sight: from ``start`` (may be fractional) over ``length`` frames."""

    start: float
    length: float

    def zoomed(self, factor: float, about: float, num_frames: int) -> Span:
        """Shorter (factor < 1) or longer, with ``about`` staying where it is."""
        length = min(max(self.length * factor, min(12.0, num_frames)), float(num_frames))
        share = (about - self.start) / self.length
        return Span(about - share * length, length).clipped(num_frames)

    def moved(self, num: float, num_frames: int) -> Span:
        """Shifted by ``num`` frames, within the recording."""
        return Span(self.start + num, self.length).clipped(num_frames)

    def showing(self, frame: int, num_frames: int) -> Span:
        """Shifted as little as needed for ``frame`` to be in sight."""
        if self.start <= frame <= self.start + self.length - 1:
            return self
        return Span(frame - self.length / 2, self.length).clipped(num_frames)

    def clipped(self, num_frames: int) -> Span:
        """Moved inside the recording."""
        length = min(self.length, float(num_frames))
        return Span(min(max(self.start, 0.0), num_frames - length), length)


def worst_per_column(
    values: NDArray[np.float32], span: Span, num_columns: int
) -> NDArray[np.float32]:
    """The largest value of the frames under each column.

    Args:
        values: (F, P), NaN = nothing there.
        span: the frames in sight.
        num_columns: how many columns there are.

    Returns:
        (P, num_columns); NaN where a column stands for nothing.
    """
    edges = span.start + span.length * np.arange(num_columns + 1) / num_columns
    first = np.clip(np.floor(edges[:-1]).astype(int), 0, len(values) - 1)
    last = np.clip(np.ceil(edges[1:]).astype(int), first + 1, len(values))
    filled = np.where(np.isnan(values), -np.inf, values)
    if span.length <= num_columns:
        worst = filled[first]
    else:
        low, high = int(first[0]), int(last[-1])
        starts = np.minimum(first - low, high - low - 1)
        worst = np.maximum.reduceat(filled[low:high], starts, axis=0)
    return np.where(np.isneginf(worst), np.nan, worst).astype(np.float32).T


def widened(columns: NDArray[np.float32]) -> NDArray[np.float32]:
    """(P, N) columns with each lone value shown one column wider to either side.

    A frame that is one of thousands under a column would be a hairline otherwise; nothing that is
    there is covered.
    """
    padded = np.pad(columns, ((0, 0), (1, 1)), constant_values=np.nan)
    beside = np.fmax(padded[:, :-2], padded[:, 2:])
    return np.where(np.isnan(columns), beside, columns).astype(np.float32)


def tick_step(span: Span, width_px: float, min_gap_px: float = 80.0) -> int:
    """A round number of frames between two ticks of the ruler."""
    wanted = max(1.0, span.length * min_gap_px / max(width_px, 1.0))
    power = 10 ** int(np.floor(np.log10(wanted)))
    return int(next(m * power for m in (1, 2, 5, 10) if m * power >= wanted))
