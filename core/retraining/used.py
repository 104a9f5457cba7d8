"""Which labels a training learns from and is measured by: counted, and told apart by a hash.

Counted is what `open_data` hands to the trainer, so that a label that the protocol leaves out, a
person that no camera sees or a copied prediction that nobody confirmed counts for nothing here
either.

Trap: accepted points are laid into the labels by `open_data`; they are told from people's own by
being equal to the accepted ones to the last bit, with no label in any view.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from core.files import write_text_atomically
from core.learning.data import open_data
from core.project.runs.config_io import config_hash
from core.project.spec import RIG_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from core.learning.data import GroupList, PoseData, PoseRecording
    from core.learning.data.recordings import LabelTable
    from core.project import Project
    from core.project.runs.folder import RunFolder

_VERSION = 1
_NO_LABEL = np.iinfo(np.int64).min
_PX, _MM = 1e4, 1e3  # steps of the hash: finer is no label's meaning, but a machine's rounding
_LARGEST = 2.0**62  # wrong labels of two views can meet anywhere
_MAX_BYTES = 1 << 22


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedLabels:
    """What a training learns from, in numbers.

    Attributes:
        hand_joints: joints labelled in a view, each view counted; imported labels count, too, and
            those put where other views have them and accepted there.
        space_joints: joints labelled in space and in no view.
        hand_frames: frames with any of these.
        frames: 0-based, ascending, of everything that is learned from with labels or accepted
            points; empty where there are several recordings.
        hand_persons: people with any of these.
        accepted_points: accepted pseudo-labels that are learned from.
        accepted_frames: frames with any of these.
        labelled_groups: people at frames whose labels, or accepted points, are learned from.
        unlabelled_groups: people at frames that are learned from without labels.
        unlabelled_frames: the frames of those.
        held_out_groups: people at frames that are kept for evaluation.
        held_out_frames: the frames of those.
        held_out_persons: the people of those, ascending.
        rejected_joints: joints of unlabelled groups that never serve as pseudo-labels, because
            somebody rejected them.
        content_hash: 16 hex digits of exactly the labels learned from: the same labels give the
            same hash, from whatever database, made in whatever order.
        held_out_hash: likewise of the labels kept for evaluation; empty where there are none.
    """

    hand_joints: int
    space_joints: int
    hand_frames: int
    frames: tuple[int, ...]
    hand_persons: int
    accepted_points: int
    accepted_frames: int
    labelled_groups: int
    unlabelled_groups: int
    unlabelled_frames: int
    held_out_groups: int
    held_out_frames: int
    held_out_persons: tuple[int, ...]
    rejected_joints: int
    content_hash: str
    held_out_hash: str


def used_labels(data: PoseData) -> UsedLabels:
    """Count and hash what a training of this data learns from."""
    learned = [_Learned.of(one, keys) for one, keys in _by_recording(data, data.labelled)]
    held_out = data.held_out.rows
    hand_keys = _together([one.hand_keys for one in learned])
    return UsedLabels(
        hand_joints=sum(one.hand_joints for one in learned),
        space_joints=sum(one.space_joints for one in learned),
        hand_frames=_num_frames(hand_keys),
        frames=_frames(data, data.labelled),
        hand_persons=len(np.unique(hand_keys[:, [0, 1]], axis=0)),
        accepted_points=sum(one.accepted_points for one in learned),
        accepted_frames=_num_frames(_together([one.accepted_keys for one in learned])),
        labelled_groups=len(data.labelled),
        unlabelled_groups=len(data.unlabelled),
        unlabelled_frames=_num_frames(data.unlabelled.rows),
        held_out_groups=len(data.held_out),
        held_out_frames=_num_frames(held_out),
        held_out_persons=tuple(np.unique(held_out[:, 1]).tolist()),
        rejected_joints=sum(
            int(one.rejected.of(keys).sum())
            for one, keys in _by_recording(data, data.unlabelled)
            if one.rejected is not None
        ),
        content_hash=_hash_of(data, data.labelled),
        held_out_hash=_hash_of(data, data.held_out),
    )


def labels_of_run(project: Project, run: RunFolder) -> UsedLabels:
    """What a run of the project learned from: its own snapshot, by its own configuration.

    A run's snapshot never changes, so this is counted once for a rig, for test people and whatever
    else of the project says what is learned from, and kept in the cache.

    Args:
        project: whose run it is.
        run: with a snapshot of labels, or about other data.

    Raises:
        DataError: its data cannot be opened any more.
    """
    key = repr((_VERSION, run.id, run.created, config_hash(run.config)))
    path = project.cache_path(f"labels of a run {key} {_divided_by(project)}", ".json")
    known = _read(path)
    if known is None:
        with open_data(
            run.config.data,
            project_dir=project.path,
            labels_db=run.labels_db,
            seed=run.config.run.seed,
        ) as data:
            known = used_labels(data)
        write_text_atomically(path, json.dumps(asdict(known)))
    return known


def _divided_by(project: Project) -> str:
    """All of a project but its labels that says which people and views are learned from."""
    spec = project.spec
    digest = hashlib.blake2b(digest_size=8)
    digest.update((project.path / RIG_FILE).read_bytes())
    digest.update(project.tracks_key)
    pictures = [(name, spec.sources.get(name), spec.offsets.get(name)) for name in spec.rig.names]
    body = (spec.num_frames, spec.person_height_mm, spec.person_radius_mm)
    held_out = project.split("test")
    detections = spec.detections and spec.detections.file
    digest.update(repr((pictures, body, held_out, detections, spec.skeleton.joints)).encode())
    return digest.hexdigest()


def _read(path: Path) -> UsedLabels | None:
    """What was kept; None where nothing, or something else, was: it is counted again then."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            return None
        values: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(values, dict):
        return None
    known = cast("dict[str, Any]", values)
    if set(known) != {one.name for one in fields(UsedLabels)}:
        return None
    for name in ("frames", "held_out_persons"):
        known[name] = tuple(known[name])
    return UsedLabels(**known)


@dataclass(frozen=True, slots=True)
class _Learned:
    """The labelled groups of one recording; keys (N, 2) are person, frame."""

    hand_joints: int
    space_joints: int
    accepted_points: int
    hand_keys: NDArray[np.int32]
    accepted_keys: NDArray[np.int32]

    @classmethod
    def of(cls, recording: PoseRecording, keys: NDArray[np.int32]) -> _Learned:
        table = recording.labels.of(keys)
        in_space = np.isfinite(table.points_mm).all(axis=-1)
        num_views = np.zeros(in_space.shape, dtype=np.int64)
        if table.label_px is not None:
            num_views = np.isfinite(table.label_px).all(axis=-1).sum(axis=1)
        any_view = num_views > 0
        accepted = _accepted(recording, table) & in_space & ~any_view
        space = in_space & ~any_view & ~accepted
        return cls(
            hand_joints=int(num_views.sum()),
            space_joints=int(space.sum()),
            accepted_points=int(accepted.sum()),
            hand_keys=table.keys[(any_view | space).any(axis=1)],
            accepted_keys=table.keys[accepted.any(axis=1)],
        )


def _accepted(recording: PoseRecording, table: LabelTable) -> NDArray[np.bool_]:
    """(N, J) whether the 3D label of a row is the accepted point of that joint."""
    found = np.zeros(table.points_mm.shape[:2], dtype=np.bool_)
    if recording.accepted is not None and len(recording.accepted):
        rows = recording.accepted.rows_of(table.keys)
        there = rows >= 0
        points = recording.accepted.points_mm[rows[there]]
        found[there] = (points == table.points_mm[there]).all(axis=-1)
    return found


def _by_recording(
    data: PoseData, groups: GroupList
) -> list[tuple[PoseRecording, NDArray[np.int32]]]:
    """Each recording with the keys (person, frame) of its groups."""
    rows = groups.rows
    return [
        (recording, rows[rows[:, 0] == number, 1:])
        for number, recording in enumerate(data.recordings)
    ]


def _together(keys: list[NDArray[np.int32]]) -> NDArray[np.int32]:
    """(N, 3) recording, person, frame."""
    parts = [np.column_stack([np.full(len(own), n), own]) for n, own in enumerate(keys)]
    return np.concatenate([np.zeros((0, 3), np.int32), *parts]).astype(np.int32)


def _num_frames(rows: NDArray[np.int32]) -> int:
    return len(np.unique(rows[:, [0, 2]], axis=0))


def _frames(data: PoseData, groups: GroupList) -> tuple[int, ...]:
    return tuple(np.unique(groups.rows[:, 2]).tolist()) if len(data.recordings) == 1 else ()


def _hash_of(data: PoseData, groups: GroupList) -> str:
    """Of the labels of these groups; cameras and joints by name, since their order may differ."""
    if not len(groups):
        return ""
    digest = hashlib.blake2b(digest_size=8)
    joints = np.argsort(data.skeleton.joints)
    digest.update(repr(sorted(data.skeleton.joints)).encode())
    for recording, keys in _by_recording(data, groups):
        table = recording.labels.of(keys)
        cameras = np.argsort(recording.rig.names)
        digest.update(repr((len(table), sorted(recording.rig.names))).encode())
        digest.update(np.ascontiguousarray(table.keys, dtype="<i4").data)
        digest.update(_steps(table.points_mm[:, joints], _MM))
        if table.label_px is not None and np.isfinite(table.label_px).any():
            digest.update(_steps(table.label_px[:, cameras][:, :, joints], _PX))
    return digest.hexdigest()


def _steps(values: NDArray[np.floating], steps: float) -> bytes:
    known = np.isfinite(values)
    bounded = np.clip(np.where(known, values, 0.0) * steps, -_LARGEST, _LARGEST)
    whole = np.round(bounded).astype("<i8")
    return np.where(known, whole, _NO_LABEL).astype("<i8").tobytes()
