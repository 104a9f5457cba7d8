"""A trilabel project as a data set: its labels, or its detections in the place of labels.

Labels, identities and tracks come from labels.db (a run's own snapshot, where there is one, so that
a run that is gone on with learns from what it began with): 3D labels as they are, and joints
labelled in two or more views triangulated; a label that was reprojected from other views has no
part in that, and one that was copied from a prediction or another frame counts for nothing before
somebody confirms it. Accepted pseudo-labels are handed on by themselves, where they are asked for,
and what was rejected always. People are where their ground tracks say; without a track, about their
3D pose; without that, where the view itself saw them. Labels of a few joints, or in one
view, say so only of whom nobody detected. Nothing else is read: a generated match's truth.h5 lies
outside the project and is none of its business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.geometry import Rig, estimate_scale_mm, robust_triangulate
from core.learning.data.dataset import (
    DataSet,
    StoredBoxes,
    completed_points,
    has_label,
    no_pictures_notes,
    part_of,
    pose_boxes,
)
from core.learning.data.pictures import Library, SourcePictures
from core.learning.data.recordings import LabelTable, PoseRecording, Rejected
from core.learning.data.tracked import CombinedPlaces, PicturedPlaces, TrackBoxes
from core.project import Project
from core.project.label_rows import LabelRows
from core.project.observing import assemble_block
from core.project.reviewing import ReviewState

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from numpy.typing import NDArray

    from core.learning.data.protocols import Protocol

LAYOUT = "a project folder made by 'trilabel import' or 'trilabel new'"
_FRAMES_PER_BLOCK = 256
_ENOUGH = 0.5  # of the joints: fewer make neither a pose nor a box about it
_NOBODY = np.zeros(0, dtype=np.int32)


def open_project(
    folder: Path,
    protocol: Protocol,
    cameras: tuple[str, ...],
    labels_db: Path | None,
    *,
    use_accepted: bool = False,
) -> DataSet:
    """Read a project.

    Args:
        folder: of the project.
        protocol: says what its labels are.
        cameras: names of those in use; empty = all.
        labels_db: a snapshot of its labels.db; None = the project's own.
        use_accepted: whether accepted pseudo-labels may be learned from.

    Raises:
        DataError: where a file is missing or damaged, or there is no camera of a name.
    """
    with Project.open(folder, read_only=True, snapshot=labels_db) as project:
        rig, places = part_of(project.rig, cameras)
        seen = _Seen.empty(project)
        if protocol.labels == "detections" or project.tracks is None:
            seen = _scan(project)
        rejected = _rejected(project)
        accepted = _accepted(project) if use_accepted else None
        if protocol.labels == "detections":
            whole = _detected_labels(seen, rejected)
        else:
            whole = _label_table(project)
        labels = LabelTable(
            whole.keys,
            whole.points_mm,
            None if whole.label_px is None else whole.label_px[:, places],
        )
        sources = {name: project.spec.sources.get(name) for name in rig.names}
        recording = PoseRecording(
            name=project.name,
            rig=rig,
            skeleton=project.skeleton,
            labels=labels,
            places=PicturedPlaces(
                _places(project, rig, places, labels, seen, accepted),
                [source is not None for source in sources.values()],
            ),
            pictures=SourcePictures(
                sources,
                Library(),
                offsets={n: o for n, o in project.spec.offsets.items() if n in rig.names},
                cache_directory=_video_indices(project),
            ),
            first_frame_number=project.first_frame_number,
            accepted=accepted,
            rejected=rejected,
        )
        return DataSet(
            name=project.name,
            recordings=(recording,),
            skeleton=project.skeleton,
            test_people=frozenset(project.split("test")),
            notes=no_pictures_notes(sources),
        )


def _video_indices(project: Project) -> Path:
    folder = project.cache_path("").parent / "videos"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _label_table(project: Project) -> LabelTable:
    """All labels, in all cameras of the project."""
    store = project.labels
    rows = store.labels_between(0, project.num_frames)
    point_keys, points = store.points_between(0, project.num_frames)
    every = np.concatenate([rows.keys[:, [0, 2]], point_keys[:, :2]])
    keys = np.unique(every, axis=0)  # by frame, then person
    shape = (len(project.rig), project.skeleton.num_joints)
    label_px = np.full((len(keys), *shape, 2), np.nan)
    points_mm = np.full((len(keys), shape[1], 3), np.nan)
    places = (_find(keys, rows.keys[:, [0, 2]]), rows.keys[:, 1], rows.keys[:, 3])
    # A copy of a prediction is no target: a network would learn what a network said.
    label_px[places] = np.where(rows.is_copied[:, None], np.nan, rows.points_px)
    points_mm[_find(keys, point_keys[:, :2]), point_keys[:, 2]] = points
    views_px = label_px.copy()
    frame, camera, person, joint = rows.keys[rows.is_reprojected].T
    row = _find(keys, np.stack([frame, person], axis=1))
    views_px[row, camera, joint] = np.nan  # it would agree with what it was made from
    points_mm = completed_points(points_mm, views_px, project.rig)
    said = has_label(points_mm, label_px)
    return LabelTable(keys[said][:, ::-1].astype(np.int32), points_mm[said], label_px[said])


def _detected_labels(seen: _Seen, rejected: Rejected) -> LabelTable:
    """Triangulated detections in the place of labels, but for what somebody rejected."""
    points = np.where(rejected.of(seen.keys)[..., None], np.nan, seen.points_mm)
    enough = np.isfinite(points).all(-1).mean(axis=1) >= _ENOUGH
    return LabelTable(seen.keys[enough], points[enough])


def _accepted(project: Project) -> LabelTable:
    """All accepted points; locked ones are accepted, too."""
    rows = project.accepted_between(0, project.num_frames)
    keys = np.unique(rows.keys[:, :2], axis=0)  # by frame, then person
    points = np.full((len(keys), project.skeleton.num_joints, 3), np.nan)
    points[_find(keys, rows.keys[:, :2]), rows.keys[:, 2]] = rows.points_mm
    return LabelTable(keys[:, ::-1].astype(np.int32), points)


def _rejected(project: Project) -> Rejected:
    rows = project.reviews_between(0, project.num_frames)
    found = rows.keys[rows.state == ReviewState.REJECTED]
    keys = np.unique(found[:, :2], axis=0)
    joints = np.zeros((len(keys), project.skeleton.num_joints), dtype=np.bool_)
    joints[_find(keys, found[:, :2]), found[:, 2]] = True
    return Rejected(keys[:, ::-1].astype(np.int32), joints)


def _find(keys: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.intp]:
    """Rows of (frame, person) pairs among sorted ones that have them all."""
    index, searched = ((k[:, 0] << 32) | k[:, 1] for k in (keys, wanted))
    return np.searchsorted(index, searched)


class _Seen:
    """Who was detected when, triangulated, over a whole project.

    Attributes:
        keys: (N, 2) int32 person, frame; sorted by frame, then person.
        points_mm: (N, J, 3) float32 world; NaN where the views do not agree on a joint.
        boxes_px: (N, C, 4) float32 in all cameras of the project, uncut by any choice of them.
    """

    def __init__(
        self,
        keys: NDArray[np.int32],
        points_mm: NDArray[np.float32],
        boxes_px: NDArray[np.float32],
    ) -> None:
        self.keys, self.points_mm, self.boxes_px = keys, points_mm, boxes_px

    @classmethod
    def empty(cls, project: Project) -> _Seen:
        """Nobody."""
        num_joints, num_cameras = project.skeleton.num_joints, len(project.rig)
        return cls(
            np.zeros((0, 2), np.int32),
            np.zeros((0, num_joints, 3), np.float32),
            np.zeros((0, num_cameras, 4), np.float32),
        )


def _scan(project: Project) -> _Seen:
    """Triangulate all detections, block by block; hand labels have no part in it."""
    parts = [_Seen.empty(project)]
    scale = project.settings.scale_mm
    for keys, points_px in _detected(project):
        straight = project.rig.undistort(points_px)
        if scale is None:
            scale = estimate_scale_mm(straight, project.rig.projections)
        found = robust_triangulate(
            straight, project.rig.projections, weighting="consensus", scale_mm=scale
        )
        points = np.where(np.asarray(found.kept)[..., None], found.points_mm, np.nan)
        boxes = pose_boxes(points, points_px, project.rig)
        parts.append(_Seen(keys, points.astype(np.float32), boxes.astype(np.float32)))
    return _Seen(
        np.concatenate([part.keys for part in parts]),
        np.concatenate([part.points_mm for part in parts]),
        np.concatenate([part.boxes_px for part in parts]),
    )


def _detected(
    project: Project,
) -> Generator[tuple[NDArray[np.int32], NDArray[np.float64]], None, None]:
    """Keys (K, 2) and raw pixels (K, C, J, 2) of the detected people, block by block."""
    if project.detections is None:
        return
    shape = (len(project.rig), project.skeleton.num_joints)
    for start in range(0, project.num_frames, _FRAMES_PER_BLOCK):
        stop = min(start + _FRAMES_PER_BLOCK, project.num_frames)
        block = assemble_block(
            start,
            stop,
            shape,
            detections=[*project.identified(start, stop)],
            labels=_no_labels(),
            tracked=(_NOBODY, _NOBODY),
        )
        frame, column = np.nonzero(np.isfinite(block.points_px).all(-1).any(-1).any(-1))
        if len(frame):
            person = np.asarray(block.persons)[column]
            keys = np.stack([person, frame + start], axis=1).astype(np.int32)
            yield keys, block.points_px[frame, column]


def _no_labels() -> LabelRows:
    return LabelRows(
        keys=np.zeros((0, 4), np.int64),
        points_px=np.zeros((0, 2)),
        visibility=np.zeros(0, "U8"),
        is_hand=np.zeros(0, bool),
        is_reprojected=np.zeros(0, bool),
        is_copied=np.zeros(0, bool),
    )


def _places(
    project: Project,
    rig: Rig,
    cameras: list[int],
    labels: LabelTable,
    seen: _Seen,
    accepted: LabelTable | None,
) -> CombinedPlaces:
    spec = project.spec
    parts: list[TrackBoxes | StoredBoxes] = []
    if project.tracks is not None:
        parts.append(TrackBoxes(project.tracks, rig, spec.person_height_mm, spec.person_radius_mm))
    labelled = pose_boxes(labels.points_mm, labels.label_px, rig)
    # A joint or two, or a single view, do not say where the whole person is, as the detections do.
    is_whole = np.isfinite(labels.points_mm).all(-1).mean(axis=1) >= _ENOUGH
    parts.append(StoredBoxes(labels.keys[is_whole], labelled[is_whole]))
    if len(seen.keys):
        parts.append(StoredBoxes(seen.keys, seen.boxes_px[:, cameras]))
    if accepted is not None and len(accepted):
        enough = np.isfinite(accepted.points_mm).all(-1).mean(axis=1) >= _ENOUGH
        boxes = pose_boxes(accepted.points_mm[enough], None, rig)
        parts.append(StoredBoxes(accepted.keys[enough], boxes))
    parts.append(StoredBoxes(labels.keys[~is_whole], labelled[~is_whole]))
    return CombinedPlaces(parts)
