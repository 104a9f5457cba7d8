"""Ground tracks where there are none: from feet clicked in views, and from triangulated joints.

A click in one view is where its ray meets the floor, z = 0 unless another level is given (a
platform, a treadmill); a foot in the air spoils it. Clicks in two views need no floor: they are
where their rays come nearest, and tell its level.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from core.diagnosis.engine import observed_in, robust, straightened
from core.diagnosis.lengths import arguments
from core.diagnosis.source import estimate_recording_scale_mm
from core.errors import CommandRefusedError
from core.observations import Source
from core.people.track_conflicts import longest_step_mm
from core.people.track_edits import INTERPOLATED, TRIANGULATED, TrackPart, path_through
from core.skeleton import plain_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from core.geometry import Camera
    from core.people.track_edits import Spot, TrackKey
    from core.people.tracks import GroundTracks
    from core.project import Project

    Floats = NDArray[np.float64]

FARTHEST_MM = 100_000.0
"""Nobody is filmed that far away; a ray that meets the floor beyond is as good as level."""
MAX_FILLED_S = 1.0
_SMOOTH_S = 0.2
_BLOCK_FRAMES = 128
_USUAL_FPS = 25.0
_MIN_TRACKED_FRAMES = 3

# What tells where somebody stands, best first, and the median of all joints where none is there.
_STANDING: tuple[tuple[str, ...], ...] = (
    ("left_hip", "right_hip"),
    ("pelvis",),
    ("mid_hip",),
    ("left_ankle", "right_ankle"),
    ("left_shoulder", "right_shoulder"),
)


@dataclass(frozen=True, slots=True)
class Meeting:
    """Where rays from clicks in several views meet.

    Attributes:
        spot_mm: world x and y.
        height_mm: over the floor.
        gap_mm: how far the rays pass from their meeting point, root mean square.
    """

    spot_mm: Spot
    height_mm: float
    gap_mm: float


def feet_on_floor(
    camera: Camera, point_px: tuple[float, float], floor_mm: float = 0.0
) -> Spot | None:
    """Where the ray of a raw pixel meets the level `floor_mm`; None where it does not, or far away.

    The horizon is where rays turn level: above it a camera over the floor sees none of it.
    """
    origin, direction = camera.rays(np.array(point_px))
    if not np.isfinite(direction).all() or direction[2] == 0:
        return None
    distance = (floor_mm - origin[2]) / direction[2]
    place = origin + distance * direction
    if distance <= 0 or np.abs(place - origin).max() > FARTHEST_MM:
        return None
    return float(place[0]), float(place[1])


def feet_between(cameras: Sequence[Camera], points_px: Sequence[tuple[float, float]]) -> Meeting:
    """Where the rays of raw pixels in two views or more come nearest to each other.

    Raises:
        CommandRefusedError: the rays are near parallel, a pixel has none, or they meet behind
            a camera.
    """
    assert len(cameras) == len(points_px) >= 2
    pairs = (camera.rays(np.array(p)) for camera, p in zip(cameras, points_px, strict=True))
    origins, directions = map(np.stack, zip(*pairs, strict=True))
    if not np.isfinite(directions).all():
        raise CommandRefusedError("One of the clicks is where its lens sees nothing.")
    # Nearest point to lines (Hartley & Zisserman 12.2 in the mid-point sense): sum of projectors.
    across = np.eye(3) - directions[:, :, None] * directions[:, None, :]
    normal = across.sum(axis=0)
    if np.linalg.cond(normal) > 1e4:  # less than about a degree and a half apart
        raise CommandRefusedError("The two views look along the same line: click in another one.")
    point = np.linalg.solve(normal, np.einsum("nij,nj->i", across, origins))
    if (np.einsum("ni,ni->n", point - origins, directions) <= 0).any():
        raise CommandRefusedError("These clicks meet behind a camera: they are not the same feet.")
    gaps = np.linalg.norm(np.einsum("nij,nj->ni", across, point - origins), axis=-1)
    x, y, z = point.tolist()
    return Meeting((x, y), z, float(np.sqrt((gaps**2).mean())))


def standing_spots(points_mm: Floats, joints: Sequence[str]) -> Floats:
    """Where people stand, from their joints in space.

    Args:
        points_mm: (..., J, 3) world; NaN = unknown or not to be believed.
        joints: J names.

    Returns:
        (..., 2) x and y: between the hips, else of the next best that is known; NaN where less
        than three joints are.
    """
    names = [plain_name(name) for name in joints]
    spots = np.full((*points_mm.shape[:-2], 2), np.nan)
    for group in _STANDING:
        if all(name in names for name in group):
            members = points_mm[..., [names.index(name) for name in group], :2]
            spots = np.where(np.isfinite(spots), spots, members.mean(axis=-2))
    known = np.isfinite(points_mm).all(axis=-1)
    enough = (known.sum(axis=-1) >= 3)[..., None]
    missing = enough[..., 0] & ~np.isfinite(spots).all(axis=-1)
    if missing.any():
        spots[missing] = np.nanmedian(points_mm[missing][..., :2], axis=-2)
    return np.where(enough, spots, np.nan)


def clean_path(
    spots_mm: Floats, fps: float | None
) -> tuple[NDArray[np.int64], Floats, NDArray[np.bool_]]:
    """A believable path from one spot a frame, some of them missing or wrong.

    Spots that cannot be reached from their surroundings go, holes of up to a second are filled,
    and the rest is smoothed over a fifth of a second.

    Args:
        spots_mm: (F, 2); NaN = unknown.
        fps: None is taken for 25.

    Returns:
        (N,) frames, (N, 2) spots, (N,) whether it was filled in.
    """
    spots = spots_mm.copy()
    rate = fps or _USUAL_FPS
    known = np.flatnonzero(np.isfinite(spots).all(axis=-1))
    for _ in range(2):  # once more: a pair of wrong ones holds each other up
        known = known[~_is_stray(known, spots[known], fps)]
    if len(known) < _MIN_TRACKED_FRAMES:
        return np.zeros(0, dtype=np.int64), np.zeros((0, 2)), np.zeros(0, dtype=np.bool_)
    cuts = np.flatnonzero(np.diff(known) > MAX_FILLED_S * rate) + 1
    half = max(round(_SMOOTH_S * rate / 2), 1)
    frames: list[NDArray[np.int64]] = []
    paths: list[Floats] = []
    for part in np.split(known, cuts):
        every = np.arange(part[0], part[-1] + 1)
        frames.append(every)
        paths.append(_smoothed(path_through(part, spots[part], every), half))
    all_frames = np.concatenate(frames)
    return all_frames, np.concatenate(paths), ~np.isin(all_frames, known)


def tracks_from_detections(
    project: Project,
    progress: Callable[[int, int], bool] | None = None,
    *,
    persons: Sequence[int] = (),
) -> tuple[TrackPart, ...]:
    """Tracks of people whose joints are seen in two views or more.

    Args:
        project: whose observations are triangulated under its settings.
        progress: told (frames done, frames in all); returns whether to go on.
        persons: only these; empty = everybody.

    Returns:
        places found, and places filled in between; only where there is none so far, and nobody
        has said that the person is not there.

    Raises:
        CommandRefusedError: where `progress` said to stop, or nobody can be placed.
    """
    found = _triangulated_spots(project, progress)
    away = {row[:2] for row in project.labels.all_rows("track_points") if row[2] is None}
    seen: dict[TrackKey, Spot | None] = {}
    filled: dict[TrackKey, Spot | None] = {}
    for person, spots in found.items():
        if persons and person not in persons:
            continue
        frames, path, is_filled = clean_path(spots, project.fps)
        tracked = _tracked_frames(project.tracks, person)
        for frame, (x, y), made in zip(
            frames.tolist(), path.tolist(), is_filled.tolist(), strict=True
        ):
            if frame not in tracked and (frame, person) not in away:
                (filled if made else seen)[frame, person] = (x, y)
    if not seen:
        raise CommandRefusedError(
            "Nobody could be placed: tracks need joints seen in two views, of people who have "
            "no track yet. Click their feet instead."
        )
    return tuple(
        part
        for part in (TrackPart(TRIANGULATED, seen), TrackPart(INTERPOLATED, filled))
        if part.spots_mm
    )


def _triangulated_spots(
    project: Project, progress: Callable[[int, int], bool] | None
) -> dict[int, Floats]:
    """(F, 2) spots of each person, before any cleaning."""
    found: dict[int, Floats] = {}
    num_frames, joints = project.num_frames, project.skeleton.joints
    settings = project.settings
    if settings.scale_mm is None:
        settings = replace(settings, scale_mm=estimate_recording_scale_mm(project))
    for start in range(0, num_frames, _BLOCK_FRAMES):
        stop = min(start + _BLOCK_FRAMES, num_frames)
        block = project.observations_block(start, stop)
        muted = project.muted_between(start, stop, block.persons)
        raw = np.where(muted[..., None], np.nan, block.points_px)
        frame, row = np.nonzero(observed_in(raw).any(axis=(-1, -2)))
        if len(frame):
            points, observed = straightened(project.rig, raw[frame, row])
            hand = block.source[frame, row] == Source.HAND
            result = robust(points, project.rig.projections, observed, arguments(settings), hand)
            believed = np.where(result.kept[..., None], result.points_mm, np.nan)
            spots = standing_spots(believed, joints)
            for index, person in enumerate(block.persons):
                path = found.setdefault(int(person), np.full((num_frames, 2), np.nan))
                path[start + frame[row == index]] = spots[row == index]
        if progress is not None and not progress(stop, num_frames):
            raise CommandRefusedError("Stopped; no track was made.")
    return found


def _tracked_frames(tracks: GroundTracks | None, person: int) -> frozenset[int]:
    return frozenset() if tracks is None else frozenset(tracks.frames_of(person).tolist())


def _is_stray(frames: NDArray[np.int64], spots: Floats, fps: float | None) -> NDArray[np.bool_]:
    """(N,) whether a spot is out of reach of the median of its surroundings."""
    if len(frames) < _MIN_TRACKED_FRAMES:
        return np.zeros(len(frames), dtype=np.bool_)
    around = np.clip(np.arange(len(frames))[:, None] + np.arange(-3, 4), 0, len(frames) - 1)
    middle = np.median(spots[around], axis=1)
    elapsed = np.maximum(np.abs(frames[around] - frames[:, None]).max(axis=1), 1)
    reach = np.array([longest_step_mm(fps, n) for n in elapsed.tolist()])
    return np.linalg.norm(spots - middle, axis=-1) > reach


def _smoothed(path: Floats, half: int) -> Floats:
    """A moving mean that is shorter at the ends, so that they stay in place."""
    count = len(path)
    total = np.concatenate([np.zeros((1, 2)), np.cumsum(path, axis=0)])
    index = np.arange(count)
    reach = np.minimum(half, np.minimum(index, count - 1 - index))
    low, high = index - reach, index + reach + 1
    return (total[high] - total[low]) / (high - low)[:, None]
