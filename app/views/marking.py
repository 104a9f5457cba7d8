"""What people said about joints, as marks on their forms: occluded, muted, reviewed.

A form tells where a joint comes from, its marks what somebody, or the triangulation, holds of it:
half filled is occluded, a diamond about it accepted, a square locked, a grey cross rejected, a
grey stroke muted in this view, a cross in the person's colour discarded.
"""

from __future__ import annotations

from enum import IntFlag
from typing import TYPE_CHECKING

import numpy as np

from core.project import ReviewState

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.observations import FrameObservations
    from core.project import Project

NUM_MARKS = 64
"""How many sets of marks there are."""


class Mark(IntFlag):
    """What is held of a joint in a view."""

    NONE = 0
    DISCARDED = 1
    OCCLUDED = 2
    MUTED = 4
    ACCEPTED = 8
    LOCKED = 16
    REJECTED = 32


_OF_REVIEW = np.zeros(len(ReviewState), dtype=np.uint8)
_OF_REVIEW[ReviewState.ACCEPTED] = Mark.ACCEPTED
_OF_REVIEW[ReviewState.LOCKED] = Mark.LOCKED
_OF_REVIEW[ReviewState.REJECTED] = Mark.REJECTED


def read_marks(
    project: Project, observations: FrameObservations, reviews: NDArray[np.uint8] | None
) -> NDArray[np.uint8]:
    """(P, C, J) uint8: all marks but `Mark.DISCARDED`, which the triangulation gives.

    Args:
        project: with the labels.
        observations: of the frame.
        reviews: (P, J) values of `ReviewState`; None = nobody reviewed anything.
    """
    frame, persons = observations.frame, observations.persons
    marks = np.zeros(observations.source.shape, dtype=np.uint8)
    if reviews is not None:
        marks |= _OF_REVIEW[reviews][:, None]
    marks[project.muted(frame, persons)] |= np.uint8(Mark.MUTED)
    rows = project.labels.labels_between(frame, frame + 1)
    hidden = rows.keys[rows.visibility == "occluded"]
    for _, camera, person, joint in hidden.tolist():
        if person in persons:
            marks[persons.index(person), camera, joint] |= np.uint8(Mark.OCCLUDED)
    return marks
