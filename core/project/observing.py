"""From rows to arrays: what was seen of whom, hand labels laid over imported detections.

A hand label wins over a detection of the same joint, also where it says that the joint is outside
the view: then the observation is absent, with source HAND (REPROJECTED, where it says where other
views put the joint). What belongs to nobody, and a second
detection of the same person in the same view, is handed on as unmatched, not hidden.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.observations import Source, UnmatchedDetection
from core.project.detections import one_per_person

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from core.people.identified import IdentifiedDetections
    from core.project.label_rows import LabelRows

HAND_CONFIDENCE = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ObservationsBlock:
    """Observations of consecutive frames, F frames x P persons x C cameras x J joints.

    Attributes:
        start: the first frame.
        persons: P person ids, ascending: all who are there in any of the frames.
        points_px: (F, P, C, J, 2) float64, raw pixels; NaN = none.
        confidence: (F, P, C, J) float32; NaN = none, 1 for a hand label with a place.
        source: (F, P, C, J) uint8, values of `core.observations.Source`.
        present: (F, P) bool: tracked, detected or labelled at that frame.
    """

    start: int
    persons: tuple[int, ...]
    points_px: NDArray[np.float64]
    confidence: NDArray[np.float32]
    source: NDArray[np.uint8]
    present: NDArray[np.bool_]

    @property
    def stop(self) -> int:
        """One more than the last frame."""
        return self.start + len(self.points_px)


def assemble_block(
    start: int,
    stop: int,
    shape: tuple[int, int],
    *,
    detections: Sequence[IdentifiedDetections],
    labels: LabelRows,
    tracked: tuple[NDArray[np.int32], NDArray[np.int32]],
) -> ObservationsBlock:
    """Lay the rows of the frames start…stop-1 into arrays.

    Args:
        start: first frame.
        stop: one more than the last frame.
        shape: C and J.
        detections: in pieces.
        labels: of these frames.
        tracked: frames and persons of the rows of the ground tracks, these frames only.
    """
    num_cameras, num_joints = shape
    best = [one_per_person(rows) for rows in detections]
    found = [rows.person[kept] for rows, kept in zip(detections, best, strict=True)]
    persons = np.unique(np.concatenate([tracked[1], labels.keys[:, 2], *found])).astype(np.int64)
    size = (stop - start, len(persons), num_cameras, num_joints)
    points = np.full((*size, 2), np.nan)
    confidence = np.full(size, np.nan, dtype=np.float32)
    source = np.zeros(size, dtype=np.uint8)
    present = np.zeros(size[:2], dtype=bool)
    present[tracked[0] - start, np.searchsorted(persons, tracked[1])] = True
    for rows, kept in zip(detections, best, strict=True):
        frame = rows.frame[kept] - start
        person = np.searchsorted(persons, rows.person[kept])
        camera = rows.camera[kept]
        points[frame, person, camera] = rows.points_px[kept]
        confidence[frame, person, camera] = rows.confidence[kept]
        seen = np.isfinite(rows.points_px[kept]).all(axis=-1)
        source[frame, person, camera] = np.where(seen, Source.NETWORK, Source.NONE)
        present[frame, person] = True
    frame, camera, person, joint = labels.keys.T
    place = (frame - start, np.searchsorted(persons, person), camera, joint)
    points[place] = labels.points_px
    placed = np.isfinite(labels.points_px).all(axis=-1)
    confidence[place] = np.where(placed, HAND_CONFIDENCE, np.nan)
    source[place] = np.where(labels.is_reprojected, Source.REPROJECTED, Source.HAND)
    present[place[:2]] = True
    return ObservationsBlock(
        start=start,
        persons=tuple(persons.tolist()),
        points_px=points,
        confidence=confidence,
        source=source,
        present=present,
    )


def unmatched_detections(rows: IdentifiedDetections) -> tuple[UnmatchedDetection, ...]:
    """The detections of one frame that are nobody's, or not the best of their person."""
    left = np.ones(len(rows), dtype=bool)
    left[one_per_person(rows)] = False
    return tuple(
        UnmatchedDetection(
            camera=int(rows.camera[row]),
            points_px=rows.points_px[row].astype(np.float64),
            confidence=rows.confidence[row],
            score=float(rows.score[row]),
        )
        for row in np.flatnonzero(left)
    )
