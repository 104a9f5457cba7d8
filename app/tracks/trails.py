"""What the top view draws of everybody about the cursor: where they come from and go to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.project.edits import HAND

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.project import Project

REACH_S = 2.0
_USUAL_FPS = 25.0


@dataclass(frozen=True, slots=True, eq=False)
class Trail:
    """One person's way about a frame.

    Attributes:
        person: id.
        frames: (N,) ascending.
        spots_mm: (N, 2) world.
        by_hand: (N,) bool, set by somebody in this tool.
    """

    person: int
    frames: NDArray[np.int32]
    spots_mm: NDArray[np.float64]
    by_hand: NDArray[np.bool_]

    def spot_at(self, frame: int) -> tuple[float, float] | None:
        """Where the person stands; None where that is not known."""
        index = int(np.searchsorted(self.frames, frame))
        if index == len(self.frames) or self.frames[index] != frame:
            return None
        x, y = self.spots_mm[index].tolist()
        return x, y


def reach_frames(fps: float | None) -> int:
    """How many frames a trail goes back, and ahead."""
    return round(REACH_S * (fps or _USUAL_FPS))


def trails_about(project: Project, frame: int) -> tuple[Trail, ...]:
    """Everybody who has a place near a frame, by id."""
    tracks = project.tracks
    if tracks is None:
        return ()
    reach = reach_frames(project.fps)
    start, stop = max(frame - reach, 0), frame + reach + 1
    rows = tracks.rows(start, stop)
    row_persons, row_frames = tracks.row_persons[rows], tracks.row_frames[rows]
    persons = np.unique(row_persons).tolist()
    hand = hand_places(project, start, stop, persons)
    trails: list[Trail] = []
    for person in persons:
        mine = row_persons == person
        frames = row_frames[mine]
        by_hand = np.array([(f, person) in hand for f in frames.tolist()], dtype=np.bool_)
        trails.append(Trail(person, frames, tracks.row_ground_mm[rows][mine], by_hand))
    return tuple(trails)


def hand_places(
    project: Project, start: int, stop: int, persons: list[int]
) -> dict[tuple[int, int], tuple[float, float]]:
    """The places that somebody set by hand in frames start…stop-1, by (frame, person)."""
    store = project.labels
    keys = store.keys_of_persons("track_points", start, stop, persons)
    places: dict[tuple[int, int], tuple[float, float]] = {}
    for (frame, person), (x, y, origin, *_) in store.rows("track_points", keys).items():
        if origin == HAND and isinstance(x, float) and isinstance(y, float):
            places[frame, person] = (x, y)
    return places
