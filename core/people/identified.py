"""Imported detections with one identity in all views: what a project stores as an import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IdentifiedDetections:
    """N detections of all cameras, sorted by frame, then camera.

    Attributes:
        frame: (N,) int32, 0-based.
        camera: (N,) int16, index into the rig.
        person: (N,) int32; -1 = nobody's: a bystander, or a false alarm.
        points_px: (N, J, 2) float32, raw pixels; NaN where the joint was not detected.
        confidence: (N, J) float32; NaN where the format has none or the joint is absent.
        score: (N,) float32, of the whole detection; NaN where the format has none.
        is_hand: (N,) bool, placed or proofread by a person (such as SLEAP's user instances).
    """

    frame: NDArray[np.int32]
    camera: NDArray[np.int16]
    person: NDArray[np.int32]
    points_px: NDArray[np.float32]
    confidence: NDArray[np.float32]
    score: NDArray[np.float32]
    is_hand: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def num_joints(self) -> int:
        """J."""
        return self.points_px.shape[1]

    @property
    def persons(self) -> tuple[int, ...]:
        """Ids of all who were recognised, ascending."""
        return tuple(int(p) for p in np.unique(self.person) if p >= 0)

    def rows(self, first: int, stop: int) -> slice:
        """The rows of the frames first…stop-1."""
        low, high = np.searchsorted(self.frame, (first, stop))
        return slice(int(low), int(high))
