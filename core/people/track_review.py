"""Where ground tracks are worth a look: people who cross, hide each other, jump, or are lost.

Two who come within arm's reach may have left under each other's number; somebody whose box is
covered in most views is placed by few; a step that nobody can run is a swap or a wrong place; a gap
is a person without boxes. The list is what the paper's authors went through by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from core.errors import CommandRefusedError
from core.people.cylinder import cylinder_boxes
from core.people.track_conflicts import longest_step_mm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from core.geometry import Rig
    from core.people.tracks import GroundTracks

    Floats = NDArray[np.float64]
    Progress = Callable[[int, int], bool]

EncounterKind = Literal["crossing", "hidden", "jump", "gap"]

CROSSING_MM = 800.0  # closer than that two cylinders of the usual radius lie half in each other
COVERED_SHARE = 0.6  # of a box, by the box of somebody nearer to the camera
MIN_FREE_VIEWS = 3  # as many as a triangulation wants
_CHUNK = 256  # frames at a time
_PAUSE_FRAMES = 6  # meetings with a shorter pause between them are one
_STRIDE_S = 0.2  # boxes are looked at so often
_USUAL_FPS = 25.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Encounter:
    """A stretch of frames to look at.

    Attributes:
        kind: what happens.
        persons: one or two, ascending.
        start, stop: frames start…stop-1.
        frame: where it is worst.
        severity: 0 to 1, the worse the more; comparable within a kind.
        text: how much, in a word or two: how near, in how many views, how long.
    """

    kind: EncounterKind
    persons: tuple[int, ...]
    start: int
    stop: int
    frame: int
    severity: float
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """Tracks of a block as (F, P, 2) mm; NaN = nowhere."""

    start: int
    persons: NDArray[np.int32]
    spots_mm: Floats


def find_encounters(
    tracks: GroundTracks,
    rig: Rig,
    *,
    fps: float | None,
    size_mm: tuple[float, float] = (1800.0, 500.0),
    span: range | None = None,
    progress: Progress | None = None,
) -> tuple[Encounter, ...]:
    """All stretches worth a look, by the frame where they are worst.

    Args:
        tracks: of a recording.
        rig: C cameras.
        fps: frames a second; None is taken for 25.
        size_mm: height and radius of a person's cylinder.
        span: only what lies in these frames, or begins there; None = all.
        progress: told (frames done, frames in all); returns whether to go on.

    Raises:
        CommandRefusedError: where `progress` said to stop.
    """
    span = range(tracks.num_frames) if span is None else span
    stride = max(round(_STRIDE_S * (fps or _USUAL_FPS)), 1)
    marks: dict[tuple[EncounterKind, tuple[int, ...]], list[tuple[int, float]]] = {}

    def mark(kind: EncounterKind, persons: tuple[int, ...], frame: int, value: float) -> None:
        marks.setdefault((kind, persons), []).append((frame, value))

    for start in range(span.start, span.stop, _CHUNK):
        stop = min(start + _CHUNK, span.stop)
        grid = _grid_of(tracks, start, stop)
        for first, second, frame, distance in _meetings(grid):
            mark("crossing", (first, second), frame, distance)
        for person, frame, free in _hidden(grid, rig, size_mm, stride):
            mark("hidden", (person,), frame, free)
        if progress is not None and not progress(stop - span.start, len(span)):
            raise CommandRefusedError("Stopped while looking for crossings.")
    pauses = {"crossing": _PAUSE_FRAMES, "hidden": 2 * stride}
    found = [
        _encounter(kind, persons, stretch)
        for (kind, persons), seen in marks.items()
        for stretch in _stretches(seen, pauses[kind])
    ]
    found += _breaks(tracks, span, fps)
    return tuple(sorted(found, key=lambda e: (e.frame, e.kind, e.persons)))


def updated_encounters(
    known: Iterable[Encounter],
    tracks: GroundTracks,
    rig: Rig,
    frames: range,
    *,
    fps: float | None,
    size_mm: tuple[float, float] = (1800.0, 500.0),
) -> tuple[Encounter, ...]:
    """The list after tracks have changed in some frames; only their surroundings are gone through.

    Args:
        known: the list before.
        tracks: as they are now.
        rig: C cameras.
        frames: where they have changed.
        fps: frames a second; None is taken for 25.
        size_mm: height and radius of a person's cylinder.
    """
    start, stop = max(frames.start - 2 * _PAUSE_FRAMES, 0), frames.stop + 2 * _PAUSE_FRAMES
    known = tuple(known)
    before = None
    while before != (start, stop):  # whole stretches only, or one would be cut in two
        before = (start, stop)
        touched = [item for item in known if item.start < stop and start < item.stop]
        start = min([start, *(item.start for item in touched)])
        stop = max([stop, *(item.stop for item in touched)])
    stop = min(stop, max(tracks.num_frames, start))
    new = find_encounters(tracks, rig, fps=fps, size_mm=size_mm, span=range(start, stop))
    kept = [item for item in known if item.stop <= start or item.start >= stop]
    return tuple(sorted([*kept, *new], key=lambda e: (e.frame, e.kind, e.persons)))


def _grid_of(tracks: GroundTracks, start: int, stop: int) -> _Grid:
    rows = tracks.rows(start, stop)
    persons, column = np.unique(tracks.row_persons[rows], return_inverse=True)
    spots = np.full((stop - start, len(persons), 2), np.nan)
    spots[tracks.row_frames[rows] - start, column] = tracks.row_ground_mm[rows]
    return _Grid(start, persons, spots)


def _meetings(grid: _Grid) -> list[tuple[int, int, int, float]]:
    """Two persons, frame and distance (mm) wherever two are within arm's reach."""
    first, second = np.triu_indices(len(grid.persons), 1)
    distance = np.linalg.norm(grid.spots_mm[:, first] - grid.spots_mm[:, second], axis=-1)
    frame, pair = np.nonzero(distance < CROSSING_MM)
    return list(
        zip(
            grid.persons[first[pair]].tolist(),
            grid.persons[second[pair]].tolist(),
            (frame + grid.start).tolist(),
            distance[frame, pair].tolist(),
            strict=True,
        )
    )


def _hidden(
    grid: _Grid, rig: Rig, size_mm: tuple[float, float], stride: int
) -> list[tuple[int, int, float]]:
    """Person, frame and number of free views, where they are fewer than a triangulation wants."""
    height, radius = size_mm
    offset = -grid.start % stride  # the same frames whatever block they are in
    spots = grid.spots_mm[offset::stride]
    if not spots.size:
        return []
    ground = np.concatenate([spots, np.zeros((*spots.shape[:-1], 1))], axis=-1)
    boxes = cylinder_boxes(ground, rig, height, radius, margin=0.0, num_angles=8)  # (F, P, C, 4)
    centers = np.stack([camera.center_mm for camera in rig])
    far = np.linalg.norm(ground[:, :, None] - centers, axis=-1)  # (F, P, C)
    covered = _covered(boxes, far)
    seen = np.isfinite(boxes[..., 0])
    free = (seen & (covered < COVERED_SHARE)).sum(axis=-1)
    # Who is in the picture of two cameras only is not hidden, but out of sight.
    few = (free < np.minimum(MIN_FREE_VIEWS, len(rig))) & (free < seen.sum(axis=-1))
    frame, row = np.nonzero(few)
    frames = frame * stride + offset + grid.start
    persons = grid.persons[row]
    return list(zip(persons.tolist(), frames.tolist(), free[frame, row].tolist(), strict=True))


def _covered(boxes: Floats, far: Floats) -> Floats:
    """(F, P, C) share of each box (F, P, C, 4) that the most covering nearer one hides."""
    low, high = boxes[..., :2], boxes[..., 2:]
    area = np.maximum((high - low).prod(axis=-1), 1e-9)
    covered = np.zeros(area.shape)
    for other in range(area.shape[1]):
        a, b = boxes[:, other, None, :, :2], boxes[:, other, None, :, 2:]
        common = np.clip(np.minimum(high, b) - np.maximum(low, a), 0, None).prod(axis=-1)
        is_nearer = far[:, other, None] < far
        share = np.where(is_nearer, common / area, 0.0)
        covered = np.fmax(covered, share)
    return covered


def _stretches(seen: list[tuple[int, float]], pause: int) -> list[list[tuple[int, float]]]:
    """Marks in ascending frames, cut where the pause is longer."""
    seen = sorted(seen)
    cuts = [i for i in range(1, len(seen)) if seen[i][0] - seen[i - 1][0] > pause]
    limits = zip([0, *cuts], [*cuts, len(seen)], strict=True)
    return [seen[low:high] for low, high in limits]


def _encounter(
    kind: EncounterKind, persons: tuple[int, ...], stretch: list[tuple[int, float]]
) -> Encounter:
    frame, least = min(stretch, key=lambda mark: mark[1])
    if kind == "crossing":
        severity, text = 1 - least / CROSSING_MM, f"{least / 1000:.2f} m"
    else:
        severity = 1 - least / MIN_FREE_VIEWS
        text = f"free in {least:.0f} view{'s'[: least != 1]}"
    return Encounter(
        kind=kind,
        persons=persons,
        start=stretch[0][0],
        stop=stretch[-1][0] + 1,
        frame=frame,
        severity=severity,
        text=text,
    )


def _breaks(tracks: GroundTracks, span: range, fps: float | None) -> list[Encounter]:
    """Jumps and gaps of every person."""
    rows = tracks.rows(max(span.start - 1, 0), span.stop + 1)
    order = np.argsort(tracks.row_persons[rows], kind="stable")
    persons = tracks.row_persons[rows][order]
    frames = tracks.row_frames[rows][order].astype(np.int64)
    step = np.linalg.norm(np.diff(tracks.row_ground_mm[rows][order], axis=0), axis=-1)
    same = np.diff(persons) == 0
    after = np.diff(frames)
    limit = longest_step_mm(fps)
    jumps = np.flatnonzero(same & (after == 1) & (step > limit))
    gaps = np.flatnonzero(same & (after > 1))
    return [
        _break("jump", int(persons[i]), frames[i : i + 2], float(1 - limit / step[i]))
        for i in jumps.tolist()
    ] + [
        # A second without a place is as bad as half of all.
        _break("gap", int(persons[i]), frames[i : i + 2], float((after[i] - 1) / (after[i] + 24)))
        for i in gaps.tolist()
    ]


def _break(kind: EncounterKind, person: int, ends: NDArray[np.int64], severity: float) -> Encounter:
    first, last = int(ends[0]), int(ends[1])
    num_missing = last - first - 1
    text = "too fast" if kind == "jump" else f"{num_missing} frame{'s'[: num_missing != 1]}"
    return Encounter(
        kind=kind,
        persons=(person,),
        start=first,
        stop=last + 1,
        frame=last if kind == "jump" else first + 1,
        severity=severity,
        text=text,
    )
