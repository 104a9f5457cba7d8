"""What is in the way of a swap of identities: decisions of people that would not move with it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from core.project import ReviewState

if TYPE_CHECKING:
    from core.project import Project

Kind = Literal["labels", "locked", "accepted"]
_STATES: dict[int, Kind] = {ReviewState.LOCKED: "locked", ReviewState.ACCEPTED: "accepted"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapConflict:
    """Something that people decided about one of two who shall change places.

    Attributes:
        frame: 0-based.
        person: one of the two.
        kind: ``labels`` in the view of the swap, which lie over the detections and stay unless
            they are moved too; ``locked`` and ``accepted`` joints, which were judged as they were.
        num_joints: how many.
    """

    frame: int
    person: int
    kind: Kind
    num_joints: int


def swap_conflicts(
    project: Project, camera: int, start: int, stop: int, persons: tuple[int, int]
) -> tuple[SwapConflict, ...]:
    """The conflicts of a swap in one camera, for frames start…stop-1, in their order."""
    found: Counter[tuple[int, int, Kind]] = Counter()
    for frame, where, person, _ in project.labels.labels_between(start, stop).keys.tolist():
        if where == camera and person in persons:
            found[frame, person, "labels"] += 1
    reviews = project.reviews_between(start, stop)
    for (frame, person, _), state in zip(
        reviews.keys.tolist(), reviews.state.tolist(), strict=True
    ):
        if person in persons and state in _STATES:
            found[frame, person, _STATES[state]] += 1
    return tuple(
        SwapConflict(frame=frame, person=person, kind=kind, num_joints=count)
        for (frame, person, kind), count in sorted(found.items())
    )
