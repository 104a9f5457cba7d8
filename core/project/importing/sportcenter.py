"""A whole SportCenter data set as a project.

Cameras, ground tracks, annotated 2D and 3D poses, the published split of subjects, and the
pictures: a camera's extracted JPEGs where all of them are there, since they are quick to jump in,
else its video. Frame numbers are ffmpeg's and the annotations', from 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import DataError
from core.formats import sportcenter
from core.project.importing.building import (
    Contents,
    build_project,
    joined_labels,
    labels_from_arrays,
)
from core.project.importing.pictures import (
    Pictures,
    blank_text,
    counted,
    open_pictures,
    with_sizes,
)
from core.project.importing.sources import find_detections, in_every_camera, read_all
from core.project.spec import ProjectSpec, Subject, refuse_existing
from core.recording import FolderSpec, Recording, VideoSpec
from core.skeleton import load_skeleton

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from core.people import GroundTracks
    from core.project.importing.building import Progress, Report
    from core.project.journal import BulkLabels
    from core.recording import SourceSpec

SKELETON = "sportcenter13"


def import_sportcenter(
    directory: Path,
    project_path: Path,
    *,
    detections: Sequence[str] = (),
    report: Report,
    progress: Progress | None = None,
) -> None:
    """Make a project of a SportCenter folder.

    Args:
        directory: with calibration.json; trajectories.json, human_poses/ and multicam/ may miss.
        project_path: the folder to make.
        detections: ``FORMAT:[CAM=]PATH``, each; 2D joints of a detector.
        report: told, line by line, what was found and decided.
        progress: told (done, total); returns whether to go on.

    Raises:
        DataError: naming the file and the place; no project is left then.
        CommandRefusedError: where `progress` asked to stop.
    """
    refuse_existing(project_path.absolute())
    if not directory.is_dir():
        raise DataError(
            directory,
            expected="the folder of the data set, with its calibration.json",
            found="a file" if directory.exists() else "no such folder",
            remedy="Check the path.",
        )
    dataset = sportcenter.read_dataset(directory.resolve())
    rig = dataset.rig
    report(f"Cameras: {', '.join(rig.names)}")
    pictures = open_pictures(choose_pictures(dataset, report), rig)
    rig = with_sizes(rig, pictures.sizes_px, sportcenter.PUBLISHED_SIZES_PX, report)
    tracks = None
    if dataset.trajectories is not None:
        tracks = dataset.trajectories.ground_tracks(directory / "trajectories.json")
    skeleton = load_skeleton(SKELETON)
    labels = _labels(dataset)
    paths = [one for text in detections for one in find_detections(text, rig.names, report)]
    found = read_all(
        paths,
        first_number=sportcenter.FIRST_FRAME_NUMBER,
        joints=skeleton.joints,
        report=report,
    )
    _hint_at_detections(directory, detections, report)
    num_frames = max(
        1,
        pictures.num_frames,
        tracks.num_frames if tracks is not None else 0,
        max((int(bulk.keys[:, 0].max(initial=-1)) + 1 for bulk in labels), default=0),
        max((int(bulk.point_keys[:, 0].max(initial=-1)) + 1 for bulk in labels), default=0),
        max((one.num_frames for one in found), default=0),
    )
    spec = ProjectSpec(
        name=project_path.stem,
        rig=rig,
        skeleton=skeleton,
        num_frames=num_frames,
        first_frame_number=sportcenter.FIRST_FRAME_NUMBER,
        fps=pictures.fps,
        sources=pictures.sources,
        subjects=_subjects(dataset, tracks),
        court="basketball",
    )
    contents = Contents(
        tracks=tracks,
        detections=in_every_camera(found, rig.names, skeleton, report),
        labels=tuple(("Import SportCenter's annotated poses", bulk) for bulk in labels),
        provenance=tuple(detections),
    )
    build_project(project_path, spec, contents, report=report, progress=progress)
    _report_summary(spec, pictures, report)


def choose_pictures(
    dataset: sportcenter.SportCenterDataset, report: Report
) -> dict[str, SourceSpec]:
    """The pictures to use: the extracted JPEGs where there are all of them, else the video."""
    chosen: dict[str, SourceSpec] = {}
    for name, found in dataset.pictures.items():
        folder = None
        if found.folder is not None:
            folder = FolderSpec(
                directory=found.folder,
                first_number=sportcenter.FIRST_FRAME_NUMBER,
                pattern="frame_%06d.jpg",
            )
        video = None if found.video is None else VideoSpec(path=found.video)
        spec = _whole(folder, video) if folder and video else folder or video
        if spec is None:
            report(f"  {name}: no pictures, shown as a blank")
            continue
        kind = "extracted JPEGs" if spec is folder else "video"
        report(f"  {name}: {kind} {spec.path}")
        chosen[name] = spec
    return chosen


def _whole(folder: FolderSpec, video: VideoSpec) -> SourceSpec:
    """The folder where it has a picture for every frame of the video, else the video."""
    with Recording({"folder": folder, "video": video}) as both:
        for problem in both.problems.values():
            raise problem
        num_frames = both.num_frames_of("video")
        states = (both.state("folder", frame) for frame in range(num_frames))
        return folder if all(state == "ok" for state in states) else video


def _labels(dataset: sportcenter.SportCenterDataset) -> list[BulkLabels]:
    """All poses as one step of the journal."""
    cameras = range(len(dataset.rig))
    parts = [
        labels_from_arrays(
            poses.points_px,
            poses.points_mm,
            frames=poses.frames,
            person=subject,
            cameras=cameras,
            origin="import:sportcenter",
        )
        for subject, poses in dataset.poses.items()
    ]
    return [joined_labels(parts)] if parts else []


def _subjects(
    dataset: sportcenter.SportCenterDataset, tracks: GroundTracks | None
) -> tuple[Subject, ...]:
    known = {*dataset.poses, *(() if tracks is None else tracks.persons)}
    return tuple(
        Subject(
            person=person,
            name=str(person),
            split="test" if person in sportcenter.TEST_SUBJECTS else "train",
        )
        for person in sorted(known)
    )


def _hint_at_detections(directory: Path, detections: Sequence[str], report: Report) -> None:
    folder = directory / "alphapose"
    if not detections and folder.is_dir():
        report(f"  {folder} holds detections; import them with --detections alphapose:{folder}")


def _report_summary(spec: ProjectSpec, pictures: Pictures, report: Report) -> None:
    blank = [name for name in spec.rig.names if name not in pictures.sources]
    report(
        f"{counted(spec.num_frames, 'frame')}, {counted(len(spec.rig), 'camera')}"
        + (f" ({blank_text(blank, spec.rig.names)})" if blank else "")
        + f", {len(spec.subjects)} subjects; frame numbers start at {spec.first_frame_number}"
    )
