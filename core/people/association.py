"""One identity in all views for every imported detection.

Three ways, chosen by what there is: ground tracks say who is where (`by_tracks`); without them the
views have to agree among themselves (`by_geometry`); and where no view ever shows more than one,
there is one person and nothing to decide, whatever the calibration says.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from core.errors import CommandRefusedError, DataError
from core.people.by_geometry import GeometryMatcher
from core.people.by_tracks import TrackMatcher
from core.people.identified import IdentifiedDetections
from core.people.rays import ray_bundles

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from core.formats.detections import CameraDetections
    from core.geometry import Rig
    from core.people.tracks import GroundTracks

_CHUNK = 1500  # detections at a time: the arrays of their pairs stay in the cache


def assign_identities(
    detections: Sequence[CameraDetections | None],
    rig: Rig,
    tracks: GroundTracks | None,
    num_joints: int,
    progress: Callable[[int, int], bool] | None = None,
) -> IdentifiedDetections:
    """Give each detection the person it shows, the same one in all views.

    Args:
        detections: one per camera, in the rig's order; None for a camera without.
        rig: C cameras.
        tracks: whose ids are given to the detections; None: ids from 0, the most present first.
        num_joints: J, of every detection.
        progress: told (frames done, frames in all); returns whether to go on.

    Returns:
        All detections, sorted by frame, then camera. At most one per view and frame has a given
        person; bystanders and doubles have -1.

    Raises:
        DataError: where a camera's detections have another number of joints.
        CommandRefusedError: where `progress` said to stop.
    """
    assert len(detections) == len(rig), "one CameraDetections (or None) per camera of the rig"
    rows = _collected(detections, rig, num_joints)
    if not len(rows) or _is_single(rows):
        person = np.zeros(len(rows), dtype=np.int32)
        if tracks is not None and len(tracks.persons) == 1:
            person += tracks.persons[0]
        if tracks is None or len(tracks.persons) <= 1:
            return _with_person(rows, person)
    identity = _identities(detections, rows)
    report = _Report(rows.frame, progress)
    if tracks is not None:
        return _with_person(rows, _by_tracks(rows, rig, tracks, _joints(detections), report))
    return _with_person(rows, _by_geometry(rows, rig, identity, report))


class _Report:
    """Tells progress in frames, and stops where asked to."""

    def __init__(
        self, frames: NDArray[np.int32], progress: Callable[[int, int], bool] | None
    ) -> None:
        self._progress = progress
        self._total = int(frames[-1]) + 1 if len(frames) else 0

    def at(self, frame: int) -> None:
        if self._progress is not None and not self._progress(frame, self._total):
            raise CommandRefusedError("Stopped while giving identities; nothing was imported.")

    def finish(self) -> None:
        self.at(self._total)


def _collected(
    detections: Sequence[CameraDetections | None], rig: Rig, num_joints: int
) -> IdentifiedDetections:
    """All detections in one, sorted; copied once, as a match fills a gigabyte."""
    order, cameras = _order(detections)
    count = len(cameras)
    points = np.full((count, num_joints, 2), np.nan, dtype=np.float32)
    confidence = np.full((count, num_joints), np.nan, dtype=np.float32)
    score = np.full(count, np.nan, dtype=np.float32)
    frame = np.zeros(count, dtype=np.int32)
    hand = np.zeros(count, dtype=np.bool_)
    for c, found in enumerate(detections):
        if found is None or not len(found):
            continue
        if found.num_joints != num_joints:
            raise DataError(
                f"detections of {rig.names[c]}",
                "joints",
                expected=f"{num_joints} joints, as in the project's skeleton",
                found=f"{found.num_joints}",
                remedy="Import the detections of one skeleton, or choose its skeleton.",
            )
        place = order[c]
        points[place], confidence[place] = found.points_px, found.confidence
        score[place], hand[place] = found.score, found.hand
        frame[place] = found.frames
    return IdentifiedDetections(
        frame=frame,
        camera=cameras,
        person=np.full(count, -1, dtype=np.int32),
        points_px=points,
        confidence=confidence,
        score=score,
        is_hand=hand,
    )


def _order(
    detections: Sequence[CameraDetections | None],
) -> tuple[list[NDArray[np.intp]], NDArray[np.int16]]:
    """For each camera where its rows go, and the camera of each row."""
    counts = [0 if found is None else len(found) for found in detections]
    frames = [np.zeros(0, dtype=np.int64) if d is None else d.frames for d in detections]
    cameras = np.repeat(np.arange(len(detections), dtype=np.int16), counts)
    order = np.argsort(np.concatenate(frames), kind="stable") if detections else np.zeros(0, int)
    place = np.empty(len(order), dtype=np.intp)
    place[order] = np.arange(len(order))
    starts = np.cumsum([0, *counts])
    places = [place[a:b] for a, b in pairwise(starts)]
    return places, cameras[order]


def _identities(
    detections: Sequence[CameraDetections | None], rows: IdentifiedDetections
) -> NDArray[np.int32]:
    places, _ = _order(detections)
    identity = np.full(len(rows), -1, dtype=np.int32)
    for place, found in zip(places, detections, strict=True):
        if found is not None:
            identity[place] = found.identity
    return identity


def _joints(detections: Sequence[CameraDetections | None]) -> tuple[str, ...] | None:
    names = [found.joints for found in detections if found is not None and found.joints]
    return names[0] if names else None


def _is_single(rows: IdentifiedDetections) -> bool:
    """Whether no view ever shows more than one."""
    return not ((np.diff(rows.frame) == 0) & (np.diff(rows.camera) == 0)).any()


def _with_person(rows: IdentifiedDetections, person: NDArray[np.int32]) -> IdentifiedDetections:
    return IdentifiedDetections(
        frame=rows.frame,
        camera=rows.camera,
        person=person,
        points_px=rows.points_px,
        confidence=rows.confidence,
        score=rows.score,
        is_hand=rows.is_hand,
    )


def _by_tracks(
    rows: IdentifiedDetections,
    rig: Rig,
    tracks: GroundTracks,
    joints: Sequence[str] | None,
    report: _Report,
) -> NDArray[np.int32]:
    matcher = TrackMatcher(rig, tracks, joints)
    person = np.full(len(rows), -1, dtype=np.int32)
    start = 0
    while start < len(rows):
        report.at(int(rows.frame[start]))
        last = int(rows.frame[min(start + _CHUNK, len(rows)) - 1])
        stop = rows.rows(last, last + 1).stop  # whole frames
        part = slice(start, stop)
        person[part] = matcher.match(
            rows.frame[part], rows.camera[part], rows.points_px[part], rows.confidence[part]
        )
        start = stop
    report.finish()
    return person


def _by_geometry(
    rows: IdentifiedDetections, rig: Rig, identity: NDArray[np.int32], report: _Report
) -> NDArray[np.int32]:
    matcher = GeometryMatcher(rig)
    number = np.full(len(rows), -1, dtype=np.int64)
    frames, starts = np.unique(rows.frame, return_index=True)
    stops = np.append(starts[1:], len(rows))
    i = 0
    while i < len(frames):
        report.at(int(frames[i]))
        # Rays of many frames at once; the people then frame by frame.
        j = max(int(np.searchsorted(stops, starts[i] + _CHUNK, side="right")), i + 1)
        part = slice(int(starts[i]), int(stops[j - 1]))
        bundles = ray_bundles(rig, rows.camera[part], rows.points_px[part], rows.confidence[part])
        for k in range(i, j):
            here = slice(int(starts[k]), int(stops[k]))
            local = slice(here.start - part.start, here.stop - part.start)
            number[here] = matcher.match(int(frames[k]), bundles.take(local), identity[here])
        i = j
    report.finish()
    return matcher.believed(len(frames))[number]
