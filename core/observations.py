"""What was seen of every person in every view at one frame: the input of triangulation.

An *observation* is a 2D joint in a view together with its source. Rows are keyed by person id,
camera and joint, never by the order in which a detector listed them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Source(IntEnum):
    """Where an observation comes from; also its form in every panel (filled, ring, …)."""

    NONE = 0
    NETWORK = 1
    HAND = 2
    REPROJECTED = 3
    """Where hand labels of other views put the joint, and somebody accepted it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmatchedDetection:
    """A detection that belongs to no tracked person: a bystander, or a false alarm.

    Attributes:
        camera: index into the rig.
        points_px: (J, 2) float64, raw pixels; NaN where the joint was not detected.
        confidence: (J,) float32.
        score: of the whole detection; NaN where the format has none.
    """

    camera: int
    points_px: NDArray[np.float64]
    confidence: NDArray[np.float32]
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameObservations:
    """All observations of one frame, P persons x C cameras x J joints.

    Attributes:
        frame: 0-based frame index.
        persons: P person ids, ascending.
        points_px: (P, C, J, 2) float64, raw (distorted) pixels of the full image; NaN = none.
        confidence: (P, C, J) float32; NaN = none.
        source: (P, C, J) uint8, values of `Source`.
        boxes_px: (P, C, 4) float64, x0 y0 x1 y1 of the person's cylinder; NaN where the person has
            no ground location at this frame or is outside the view.
        ground_mm: (P, 3) float64, world; NaN where unknown.
        unmatched: detections of nobody's.
    """

    frame: int
    persons: tuple[int, ...]
    points_px: NDArray[np.float64]
    confidence: NDArray[np.float32]
    source: NDArray[np.uint8]
    boxes_px: NDArray[np.float64]
    ground_mm: NDArray[np.float64]
    unmatched: tuple[UnmatchedDetection, ...] = ()
