"""What an operation on tracks would run into, told before it is carried out.

Nothing here forbids: a plan is made all the same where its maker wants it. What is told is what
cannot be seen from the top view: work of people that would be overwritten, labels that would
stay with the wrong person, and jumps that no one can make.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from core.people.track_edits import BY_HAND, path_between

if TYPE_CHECKING:
    from collections.abc import Collection

    from core.people.track_edits import Spot, TrackKey, TrackPlan
    from core.people.tracks import GroundTracks

FASTEST_MM_S = 11_000.0
"""Faster than any player sprints; a step of more is another person, or a wrong place."""
_LOCATION_NOISE_MM = 300.0
_USUAL_FPS = 25.0

ConflictKind = Literal["double", "by_hand", "labelled", "locked", "jump"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackConflict:
    """One kind of thing in the way.

    Attributes:
        kind: of thing.
        text: a sentence without the frames.
        frames: where, ascending; never empty.
    """

    kind: ConflictKind
    text: str
    frames: tuple[int, ...]


def longest_step_mm(fps: float | None, num_frames: int = 1) -> float:
    """How far somebody can get in so many frames, as far as tracks tell it."""
    return FASTEST_MM_S / (fps or _USUAL_FPS) * num_frames + _LOCATION_NOISE_MM


def find_conflicts(
    plan: TrackPlan,
    tracks: GroundTracks | None,
    *,
    fps: float | None,
    by_hand: Collection[TrackKey] = (),
    labelled: Collection[TrackKey] = (),
    locked: Collection[TrackKey] = (),
) -> tuple[TrackConflict, ...]:
    """Everything that a plan runs into.

    Args:
        plan: what shall be done.
        tracks: as they are.
        fps: frames a second; None is taken for 25.
        by_hand: places that somebody set.
        labelled: persons with a hand label at a frame.
        locked: persons with a locked joint at a frame.
    """
    found: list[TrackConflict] = []

    def tell(kind: ConflictKind, text: str, frames: Collection[int]) -> None:
        if frames:
            found.append(TrackConflict(kind=kind, text=text, frames=tuple(sorted(frames))))

    metres = plan.apart_mm / 1000
    tell("double", f"Both are tracked there, up to {metres:.1f} m apart", plan.doubles)
    # Who is somewhere else, or nowhere, in these frames may have been labelled there.
    is_identity = bool(plan.exchanges) or None in plan.spots_mm.values()
    automatic = {key for part in plan.parts if part.origin != BY_HAND for key in part.spots_mm}
    changed = set(plan.spots_mm) if is_identity else automatic
    lost = {frame for frame, _ in changed & set(by_hand)}
    tell("by_hand", "Places set by hand change", lost)
    if is_identity:
        keys = set(plan.spots_mm)
        tell("labelled", "Hand labels stay with their person", {f for f, _ in keys & set(labelled)})
        tell("locked", "Locked joints stay with their person", {f for f, _ in keys & set(locked)})
    tell("jump", "Somebody would jump further than people run", _jumps(plan, tracks, fps))
    return tuple(found)


def _jumps(plan: TrackPlan, tracks: GroundTracks | None, fps: float | None) -> set[int]:
    """Frames that a plan changes, from whose unchanged neighbour nobody gets there in time."""
    spots = plan.spots_mm
    jumps: set[int] = set()
    for (frame, person), spot in spots.items():
        for neighbour in (frame - 1, frame + 1):
            if spot is None or (neighbour, person) in spots:
                continue
            _, places = path_between(tracks, person, neighbour, neighbour + 1)
            if len(places) and _distance(spot, places[0]) > longest_step_mm(fps):
                jumps.add(frame)
    return jumps


def _distance(spot: Spot, place: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    return float(np.hypot(spot[0] - place[0], spot[1] - place[1]))
