"""What can be done to ground tracks, as plans: new places by (frame, person).

Pure: a plan changes nothing. The window shows it, asks where it must, and makes one undoable edit
of it. Paths between known places are monotone cubics (Fritsch and Carlson 1980, with the harmonic
mean of Fritsch and Butland 1984): they pass through every place, follow the speed on both sides,
and never overshoot, so that nobody who stands still is carried off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from core.errors import CommandRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from core.people.tracks import GroundTracks

Spot = tuple[float, float]
TrackKey = tuple[int, int]
Scope = Literal["frame", "forward", "backward", "all"]
Preference = Literal["mine", "theirs", "mean"]
BY_HAND, INTERPOLATED, EXTENDED, TRIANGULATED = "hand", "interpolated", "extended", "triangulated"

_PACE_FRAMES = 3  # the speed at a place is told by places this far beyond it
_FADE_FRAMES = 12  # frames in which somebody who is lost sight of slows to a third
_COINCIDING_MM = 1.0


@dataclass(frozen=True, slots=True)
class TrackPart:
    """Places of one origin; None = nobody there any more.

    Attributes:
        origin: how they were found; ``hand``, ``interpolated``, …
        spots_mm: world x and y by (frame, person).
    """

    origin: str
    spots_mm: Mapping[TrackKey, Spot | None]


@dataclass(frozen=True, slots=True)
class Exchange:
    """Frames start…stop-1 in which two persons' places change hands."""

    person: int
    other: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackPlan:
    """An operation on tracks that has not been carried out.

    Attributes:
        name: of the step in the undo menu.
        parts: what to put; no key twice.
        exchanges: who takes over whose places: two persons and consecutive frames. What was seen
            and labelled there may now be of the other one.
        doubles: frames at which two tracks that become one are at two places.
        apart_mm: how far apart they are there at most.
    """

    name: str
    parts: tuple[TrackPart, ...]
    exchanges: tuple[Exchange, ...] = ()
    doubles: tuple[int, ...] = ()
    apart_mm: float = 0.0

    @property
    def spots_mm(self) -> dict[TrackKey, Spot | None]:
        """All places by (frame, person)."""
        return {key: spot for part in self.parts for key, spot in part.spots_mm.items()}

    @property
    def frames(self) -> tuple[int, ...]:
        """The frames it changes, ascending."""
        return tuple(sorted({frame for part in self.parts for frame, _ in part.spots_mm}))

    def __bool__(self) -> bool:
        """Whether it changes anything."""
        return any(part.spots_mm for part in self.parts)


def frames_in_scope(scope: Scope, frame: int, num_frames: int) -> range:
    """This frame, from here on, up to here, or all frames."""
    spans = {
        "frame": range(frame, frame + 1),
        "forward": range(frame, num_frames),
        "backward": range(frame + 1),
        "all": range(num_frames),
    }
    return spans[scope]


def path_between(
    tracks: GroundTracks | None, person: int, start: int, stop: int
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """A person's frames (N,) in start…stop-1, ascending, and places (N, 2) mm."""
    if tracks is None:
        return np.zeros(0, dtype=np.int32), np.zeros((0, 2))
    rows = tracks.rows(max(start, 0), stop)
    mine = tracks.row_persons[rows] == person
    return tracks.row_frames[rows][mine], tracks.row_ground_mm[rows][mine]


def spot_of(tracks: GroundTracks | None, person: int, frame: int) -> Spot | None:
    """Where a person stands; None where that is not known."""
    _, places = path_between(tracks, person, frame, frame + 1)
    return _spot(places[0]) if len(places) else None


def path_through(
    anchors: NDArray[np.integer], places_mm: NDArray[np.float64], frames: NDArray[np.integer]
) -> NDArray[np.float64]:
    """The smooth path through known places.

    Args:
        anchors: (N,) frames, ascending, at least one.
        places_mm: (N, 2).
        frames: (M,) where to tell it; before the first and after the last anchor it stands still.

    Returns:
        (M, 2) mm; monotone on each axis between two anchors.
    """
    if len(anchors) == 1:
        return np.repeat(places_mm, len(frames), axis=0)
    t = anchors.astype(np.float64)
    width = np.diff(t)[:, None]
    slope = np.diff(places_mm, axis=0) / width
    tangent = np.concatenate([slope[:1], _inner_tangents(width, slope), slope[-1:]])
    x = np.clip(frames.astype(np.float64), t[0], t[-1])
    k = np.clip(np.searchsorted(t, x, side="right") - 1, 0, len(t) - 2)
    h = width[k]
    s = ((x - t[k])[:, None]) / h
    low, high = places_mm[k], places_mm[k + 1]
    smooth = s * s * (3 - 2 * s)
    bend = s * (1 - s) * ((1 - s) * tangent[k] - s * tangent[k + 1]) * h
    return low + (high - low) * smooth + bend


def _inner_tangents(width: NDArray[np.float64], slope: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N - 2, 2) weighted harmonic means of the slopes on both sides; 0 where they turn."""
    before, after = slope[:-1], slope[1:]
    same = before * after > 0
    first, second = 2 * width[1:] + width[:-1], width[1:] + 2 * width[:-1]
    safe_before, safe_after = np.where(same, before, 1.0), np.where(same, after, 1.0)
    mean = (first + second) / (first / safe_before + second / safe_after)
    return np.where(same, mean, 0.0)


def move_person(
    tracks: GroundTracks | None, person: int, frame: int, spot: Spot, *, reach: int = 0
) -> TrackPlan:
    """Put a person at a place by hand.

    Args:
        tracks: as they are.
        person: who.
        frame: when.
        spot: world x and y, mm.
        reach: neighbouring frames follow up to so many frames away, the nearer the more.
    """
    before = spot_of(tracks, person, frame)
    parts = [TrackPart(BY_HAND, {(frame, person): spot})]
    if reach and before is not None:
        frames, places = path_between(tracks, person, frame - reach, frame + reach + 1)
        share = 0.5 + 0.5 * np.cos(np.pi * (frames - frame) / (reach + 1))
        moved = places + share[:, None] * (np.array(spot) - before)
        followers = frames != frame
        parts.append(_part(INTERPOLATED, person, frames[followers], moved[followers]))
    verb = "Place" if before is None else "Move"
    return TrackPlan(name=f"{verb} #{person} on the ground", parts=tuple(parts))


def place_and_fill(
    tracks: GroundTracks | None,
    person: int,
    frame: int,
    spot: Spot,
    anchors: Mapping[int, Spot],
) -> TrackPlan:
    """Put a person at a place by hand, and fill the frames to the nearest places by hand.

    Args:
        tracks: as they are.
        person: who.
        frame: when.
        spot: world x and y, mm.
        anchors: other places by hand of this person, by frame; all others between the nearest two
            on each side are made anew.
    """
    known = {**anchors, frame: spot}
    order = sorted(known)
    here = order.index(frame)
    # Two on each side: a new place also tells the speed at its neighbours.
    near = order[max(here - 2, 0) : here + 3]
    frames = np.array([f for f in range(near[0], near[-1] + 1) if f not in known], dtype=np.int32)
    plan = move_person(tracks, person, frame, spot)
    if not len(frames):
        return plan
    path = path_through(np.array(near), np.array([known[f] for f in near]), frames)
    filled = _part(INTERPOLATED, person, frames, path)
    return TrackPlan(name=f"{plan.name} and fill {len(frames)} frames", parts=(*plan.parts, filled))


def interpolate_track(
    tracks: GroundTracks | None, person: int, first: int, last: int, *, only_missing: bool = False
) -> TrackPlan:
    """Make the frames between two known places anew.

    Raises:
        CommandRefusedError: the person has no place at one of the two ends, or nothing lies
            between.
    """
    around, places = path_between(tracks, person, first - _PACE_FRAMES, last + _PACE_FRAMES + 1)
    for end in (first, last):
        if end not in around:
            raise CommandRefusedError(f"#{person} has no place at that end: put one there first.")
    frames = np.arange(first + 1, last, dtype=np.int32)
    if only_missing:
        frames = np.setdiff1d(frames, around)
    if not len(frames):
        raise CommandRefusedError("There is nothing to fill between these frames.")
    outside = (around <= first) | (around >= last)
    path = path_through(around[outside], places[outside], frames)
    return TrackPlan(
        name=f"Interpolate #{person} over {len(frames)} frames",
        parts=(_part(INTERPOLATED, person, frames, path),),
    )


def gap_about(tracks: GroundTracks | None, person: int, frame: int) -> tuple[int, int] | None:
    """The known frames on both sides of the gap at a frame; None where it is in none."""
    frames, _ = path_between(tracks, person, 0, np.iinfo(np.int32).max)
    index = int(np.searchsorted(frames, frame))
    if index in (0, len(frames)) or frames[index] == frame:
        return None
    return int(frames[index - 1]), int(frames[index])


def extend_track(tracks: GroundTracks | None, person: int, frame: int) -> TrackPlan:
    """Go on from the nearest known place to a frame, ever slower.

    Raises:
        CommandRefusedError: the person has no place at all, or one at the frame already.
    """
    frames, places = path_between(tracks, person, 0, np.iinfo(np.int32).max)
    if not len(frames):
        raise CommandRefusedError(f"#{person} has no track to extend: place it once first.")
    if frame in frames:
        raise CommandRefusedError(f"#{person} has a place at this frame already.")
    is_forward = bool((frames < frame).any())
    end = int(np.flatnonzero(frames < frame)[-1]) if is_forward else 0
    start_frame, start = int(frames[end]), places[end]
    ahead = 1 if is_forward else -1
    new = np.arange(start_frame + ahead, frame + ahead, ahead, dtype=np.int32)
    other = end - ahead * _PACE_FRAMES
    velocity = np.zeros(2)
    if 0 <= other < len(frames):
        elapsed = abs(start_frame - int(frames[other]))
        if elapsed <= 2 * _PACE_FRAMES:
            velocity = (start - places[other]) / elapsed
    elapsed = np.abs(new - start_frame)[:, None]
    path = start + velocity * _FADE_FRAMES * (1 - np.exp(-elapsed / _FADE_FRAMES))
    return TrackPlan(
        name=f"Extend #{person} by {len(new)} frames",
        parts=(_part(EXTENDED, person, new, path),),
    )


def split_track(
    tracks: GroundTracks | None, person: int, new_person: int, frames: range
) -> TrackPlan:
    """Give a person's places in these frames to a new person.

    Raises:
        CommandRefusedError: the person has none there, or the new one has a track there.
    """
    found, places = _required(tracks, person, frames)
    if len(path_between(tracks, new_person, frames.start, frames.stop)[0]):
        raise CommandRefusedError(f"#{new_person} has a track in these frames: merge instead.")
    return TrackPlan(
        name=f"Split #{new_person} off #{person}",
        parts=(_moved(person, new_person, found, places),),
        exchanges=_exchanges(person, new_person, found),
    )


def merge_tracks(
    tracks: GroundTracks | None,
    person: int,
    other: int,
    frames: range,
    *,
    prefer: Preference = "mine",
) -> TrackPlan:
    """Give the places of another person in these frames to this one.

    Args:
        tracks: as they are.
        person: who stays.
        other: who ends in these frames.
        frames: consecutive frames.
        prefer: what holds where both have a place.

    Raises:
        CommandRefusedError: it is the same person, or the other has no place there.
    """
    if person == other:
        raise CommandRefusedError("Choose somebody else to merge with.")
    their_frames, theirs = _required(tracks, other, frames)
    my_frames, mine = path_between(tracks, person, frames.start, frames.stop)
    both, here, there = np.intersect1d(my_frames, their_frames, return_indices=True)
    spots = theirs.copy()
    if prefer == "mine":
        spots[there] = mine[here]
    elif prefer == "mean":
        spots[there] = (mine[here] + theirs[there]) / 2
    part = _moved(other, person, their_frames, spots)
    apart = np.linalg.norm(mine[here] - theirs[there], axis=-1)
    return TrackPlan(
        name=f"Merge #{other} into #{person}",
        parts=(part,),
        # Where both are seen, either's detections may be the right ones: they stay.
        exchanges=_exchanges(person, other, np.setdiff1d(their_frames, my_frames)),
        doubles=tuple(both[apart > _COINCIDING_MM].tolist()),
        apart_mm=float(apart.max(initial=0.0)),
    )


def swap_tracks(tracks: GroundTracks | None, person: int, other: int, frames: range) -> TrackPlan:
    """Let two persons change places in these frames.

    Raises:
        CommandRefusedError: it is the same person, or neither has a place there.
    """
    if person == other:
        raise CommandRefusedError("Choose somebody else to swap with.")
    paths = {p: path_between(tracks, p, frames.start, frames.stop) for p in (person, other)}
    spots: dict[TrackKey, Spot | None] = {
        (frame, p): None for p, (found, _) in paths.items() for frame in found.tolist()
    }
    for source, target in ((person, other), (other, person)):
        spots.update(_part(BY_HAND, target, *paths[source]).spots_mm)
    if not spots:
        raise CommandRefusedError(f"Neither #{person} nor #{other} has a place there.")
    return TrackPlan(
        name=f"Swap #{person} and #{other}",
        parts=(TrackPart(BY_HAND, spots),),
        exchanges=_exchanges(person, other, np.union1d(*(found for found, _ in paths.values()))),
    )


def delete_track(tracks: GroundTracks | None, person: int, frames: range) -> TrackPlan:
    """Say that a person is nowhere in these frames.

    Raises:
        CommandRefusedError: the person has no place there.
    """
    found, _ = _required(tracks, person, frames)
    spots = dict.fromkeys(((f, person) for f in found.tolist()), None)
    name = f"Delete #{person}'s track in {len(found)} frame{'s'[: len(found) != 1]}"
    return TrackPlan(name=name, parts=(TrackPart(BY_HAND, spots),))


def _required(
    tracks: GroundTracks | None, person: int, frames: range
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    found, places = path_between(tracks, person, frames.start, frames.stop)
    if not len(found):
        raise CommandRefusedError(f"#{person} has no track in these frames.")
    return found, places


def _exchanges(person: int, other: int, frames: NDArray[np.int32]) -> tuple[Exchange, ...]:
    """One for each run of consecutive frames."""
    if not len(frames):
        return ()
    runs = np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1)
    return tuple(Exchange(person, other, int(run[0]), int(run[-1]) + 1) for run in runs)


def _moved(
    source: int, target: int, frames: NDArray[np.int32], places: NDArray[np.float64]
) -> TrackPart:
    part = _part(BY_HAND, target, frames, places)
    gone = dict.fromkeys(((f, source) for f in frames.tolist()), None)
    return TrackPart(BY_HAND, {**gone, **part.spots_mm})


def _part(
    origin: str, person: int, frames: NDArray[np.int32], places: NDArray[np.float64]
) -> TrackPart:
    keys = ((frame, person) for frame in frames.tolist())
    return TrackPart(origin, dict(zip(keys, map(tuple, places.tolist()), strict=True)))


def _spot(place: NDArray[np.float64]) -> Spot:
    return float(place[0]), float(place[1])
