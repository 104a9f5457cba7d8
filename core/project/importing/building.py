"""A new project, made wholly or not at all.

It is filled in a hidden folder beside its final place and renamed when complete, so that a failed
or interrupted import leaves nothing that looks like a project. Everything that can be wrong in the
input is read and checked before that.
"""

from __future__ import annotations

import shutil
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from core.errors import CommandRefusedError, DataError
from core.formats.coco import OCCLUDED_CONFIDENCE
from core.geometry import WorldBox, estimate_scale_mm, robust_triangulate
from core.people import IdentifiedDetections, assign_identities
from core.project.journal import BulkLabels
from core.project.project import Project
from core.project.spec import refuse_existing

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from core.formats.detections import CameraDetections
    from core.people import GroundTracks
    from core.project.spec import ProjectSpec

    Report = Callable[[str], None]
    Progress = Callable[[int, int], bool]

_FRAMES_PER_BLOCK = 512
_SAMPLE_FRAMES = 200
_GROUND_MARGIN_MM = 1000.0
_ROOM_HEIGHT_MM = 3000.0  # a raised hand in a jump


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contents:
    """What goes into a new project beside its spec.

    Attributes:
        tracks: where people stand, or None.
        detections: one for each camera of the rig, in its order and the project's skeleton; empty
            where there are none at all.
        labels: hand labels of other tools, with what each import is called.
        provenance: where the detections come from, as ``FORMAT:[CAM=]PATH`` each.
    """

    tracks: GroundTracks | None = None
    detections: tuple[CameraDetections, ...] = ()
    labels: tuple[tuple[str, BulkLabels], ...] = ()
    provenance: tuple[str, ...] = ()


def build_project(
    path: Path,
    spec: ProjectSpec,
    contents: Contents,
    *,
    report: Report,
    progress: Progress | None = None,
) -> None:
    """Make the project folder.

    Raises:
        DataError: where the contents do not fit, or there is something at `path` already.
        CommandRefusedError: where `progress` asked to stop.
    """
    with _made_wholly(path) as folder, Project.create(folder, spec) as project:
        if contents.tracks is not None:
            project.write_tracks(contents.tracks)
            report(
                f"  tracks: {len(contents.tracks.persons)} people, {len(contents.tracks)} places"
            )
        for name, bulk in contents.labels:
            project.import_labels(bulk, name)
            report(f"  {name}: {_count(bulk)}")
        if contents.detections:
            _add_detections(project, contents, report, progress)
        _derive(project)


@contextmanager
def _made_wholly(path: Path) -> Generator[Path, None, None]:
    path = path.absolute()
    refuse_existing(path)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        yield partial
        if path.exists():  # an empty folder, which Windows does not replace
            path.rmdir()
        partial.rename(path)
    except OSError as error:
        raise DataError(
            path,
            expected="a place where a folder can be made",
            found=error.strerror or str(error),
            remedy="Choose another place, or make room.",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _add_detections(
    project: Project, contents: Contents, report: Report, progress: Progress | None
) -> None:
    """Give the detections their people; those made by hand become labels, the others an import."""
    hand: list[IdentifiedDetections] = []
    bystanders = 0

    def machine_rows() -> Iterator[IdentifiedDetections]:
        nonlocal bystanders
        for rows in _identified(project, contents, progress):
            is_label = rows.is_hand & (rows.person >= 0)
            hand.append(_rows(rows, np.flatnonzero(is_label)))
            bystanders += int((rows.person < 0).sum())
            yield _rows(rows, np.flatnonzero(~is_label))

    count = project.add_import(machine_rows(), ", ".join(contents.provenance))
    formats = ", ".join(dict.fromkeys(text.partition(":")[0] for text in contents.provenance))
    labels = _as_labels(hand, f"import:{formats}")
    if len(labels):
        project.import_labels(labels, f"Import labels of {formats}")
        report(f"  placed by hand: {_count(labels)}")
    report(
        f"  people: {len(project.persons)}; {count} detections, "
        f"{bystanders} of them belong to nobody"
    )


def _identified(
    project: Project, contents: Contents, progress: Progress | None
) -> Iterator[IdentifiedDetections]:
    """Detections with identities; with tracks frame by frame, so in blocks of bounded memory."""
    tracks, rig, num_joints = contents.tracks, project.rig, project.skeleton.num_joints

    def ask(done: int, total: int) -> bool:
        if progress is not None and not progress(done, total):
            raise CommandRefusedError("Stopped; no project was made.")
        return True

    if tracks is None:
        yield assign_identities(contents.detections, rig, None, num_joints, progress=ask)
        return
    for start in range(0, project.num_frames, _FRAMES_PER_BLOCK):
        stop = start + _FRAMES_PER_BLOCK
        block = [_between(one, start, stop) for one in contents.detections]
        if any(len(one) for one in block):
            yield assign_identities(block, rig, tracks, num_joints)
        ask(min(stop, project.num_frames), project.num_frames)


def _between(detections: CameraDetections, start: int, stop: int) -> CameraDetections:
    low, high = np.searchsorted(detections.frames, (start, stop))
    names = ("frames", "points_px", "confidence", "score", "identity", "hand")
    return replace(detections, **{name: getattr(detections, name)[low:high] for name in names})


def _rows(rows: IdentifiedDetections, chosen: NDArray[np.intp]) -> IdentifiedDetections:
    return IdentifiedDetections(
        frame=rows.frame[chosen],
        camera=rows.camera[chosen],
        person=rows.person[chosen],
        points_px=rows.points_px[chosen],
        confidence=rows.confidence[chosen],
        score=rows.score[chosen],
        is_hand=rows.is_hand[chosen],
    )


def _as_labels(blocks: Sequence[IdentifiedDetections], origin: str) -> BulkLabels:
    keys: list[NDArray[np.int64]] = []
    points: list[NDArray[np.float64]] = []
    occluded: list[NDArray[np.bool_]] = []
    for rows in blocks:
        row, joint = np.nonzero(np.isfinite(rows.points_px).all(axis=-1))
        columns = (rows.frame[row], rows.camera[row], rows.person[row], joint)
        keys.append(np.stack([column.astype(np.int64) for column in columns], axis=1))
        points.append(rows.points_px[row, joint].astype(np.float64))
        occluded.append(rows.confidence[row, joint] == OCCLUDED_CONFIDENCE)
    every = np.concatenate([np.zeros((0, 4), np.int64), *keys])
    unique, first = np.unique(every, axis=0, return_index=True)
    return BulkLabels(
        keys=unique,
        points_px=np.concatenate([np.zeros((0, 2)), *points])[first],
        occluded=np.concatenate([np.zeros(0, bool), *occluded])[first],
        point_keys=np.zeros((0, 3), np.int64),
        points_mm=np.zeros((0, 3)),
        origin=origin,
    )


def labels_from_arrays(
    points_px: NDArray[np.float64],
    points_mm: NDArray[np.float64],
    *,
    frames: NDArray[np.int64],
    person: int,
    cameras: Sequence[int],
    origin: str,
) -> BulkLabels:
    """Labels of one person.

    Args:
        points_px: (F, C, J, 2) raw pixels; NaN = no label.
        points_mm: (F, J, 3) world; NaN = no label.
        frames: (F,) 0-based.
        person: id.
        cameras: C indices into the rig.
        origin: ``import:<where from>``.
    """
    frame, camera, joint = np.nonzero(np.isfinite(points_px).all(axis=-1))
    frame_3d, joint_3d = np.nonzero(np.isfinite(points_mm).all(axis=-1))
    who, who_3d = np.full(len(frame), person), np.full(len(frame_3d), person)
    indices = np.asarray(cameras, dtype=np.int64)
    return BulkLabels(
        keys=np.stack([frames[frame], indices[camera], who, joint], axis=1).astype(np.int64),
        points_px=points_px[frame, camera, joint],
        occluded=np.zeros(len(frame), dtype=bool),
        point_keys=np.stack([frames[frame_3d], who_3d, joint_3d], axis=1).astype(np.int64),
        points_mm=points_mm[frame_3d, joint_3d],
        origin=origin,
    )


def joined_labels(parts: Sequence[BulkLabels]) -> BulkLabels:
    """All of them as one; their keys must differ."""
    return BulkLabels(
        keys=np.concatenate([part.keys for part in parts]),
        points_px=np.concatenate([part.points_px for part in parts]),
        occluded=np.concatenate([part.occluded for part in parts]),
        point_keys=np.concatenate([part.point_keys for part in parts]),
        points_mm=np.concatenate([part.points_mm for part in parts]),
        origin=parts[0].origin,
    )


def _count(bulk: BulkLabels) -> str:
    return f"{len(bulk.keys)} labels in the views, {len(bulk.point_keys)} in space"


def _derive(project: Project) -> None:
    """Remember what follows from the data: its noise scale and the volume it is about."""
    points_px = _sample(project)
    if len(points_px):
        scale = float(estimate_scale_mm(points_px, project.rig.projections))
        if np.isfinite(scale):
            project.set_settings(replace(project.settings, scale_mm=scale))
    project.update(world_volume=_volume(project, points_px))


def _sample(project: Project) -> NDArray[np.float64]:
    """(N, C, J, 2) undistorted pixels of people in frames spread over those with observations."""
    frames = project.observed_frames()
    chosen = frames[np.linspace(0, len(frames) - 1, min(len(frames), _SAMPLE_FRAMES)).astype(int)]
    shape = (len(project.rig), project.skeleton.num_joints, 2)
    found = [project.observations(int(frame)).points_px for frame in chosen]
    points = np.concatenate([np.zeros((0, *shape)), *found])
    return project.rig.undistort(points[np.isfinite(points).any(axis=(1, 2, 3))])


def _volume(project: Project, points_px: NDArray[np.float64]) -> WorldBox | None:
    tracks = project.tracks
    if tracks is not None and len(tracks):
        low, high = tracks.row_ground_mm.min(axis=0), tracks.row_ground_mm.max(axis=0)
        return WorldBox(
            np.append(low - _GROUND_MARGIN_MM, -0.1 * _GROUND_MARGIN_MM),
            np.append(high + _GROUND_MARGIN_MM, _ROOM_HEIGHT_MM),
        )
    _, points_mm = project.labels.points_between(0, project.num_frames)
    if not len(points_mm):
        points_mm = _triangulated(points_px, project)
    points_mm = points_mm[np.isfinite(points_mm).all(axis=1)]
    if len(points_mm) < 2:
        return None
    low, high = np.percentile(points_mm, (1, 99), axis=0)
    margin = max(0.25 * float((high - low).max()), 1.0)
    return WorldBox(low - margin, high + margin)


def _triangulated(points_px: NDArray[np.float64], project: Project) -> NDArray[np.float64]:
    """(N, 3) the joints that can be trusted."""
    if not len(points_px):
        return np.zeros((0, 3))
    found = robust_triangulate(
        points_px, project.rig.projections, scale_mm=project.settings.scale_mm
    )
    return found.points_mm[np.asarray(found.kept, dtype=np.bool_)]
