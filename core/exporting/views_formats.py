"""Exports to formats of 2D joints, and SportCenter's of both, each written and read again.

A writer fills a folder that is nobody's yet; a check reads it with the importers that everybody
uses and compares every point.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.errors import DataError
from core.exporting.comparing import compare
from core.formats import sportcenter
from core.formats.camera_names import match_cameras
from core.formats.coco import write_coco as write_coco_file
from core.formats.deeplabcut import write_deeplabcut as write_deeplabcut_file
from core.formats.detections import read_detections
from core.formats.sleap_writing import SleapView
from core.formats.sleap_writing import write_sleap as write_sleap_file
from core.skeleton import joint_mapping, load_skeleton

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.exporting.content import Content, Poses
    from core.formats.detections import CameraDetections

_SCORER = "trilabel"


def write_sportcenter(content: Content, folder: Path) -> None:
    """human_poses/FIRST_LAST/pose_subjectID.json, and the cameras where their lenses fit."""
    places = _sportcenter_joints(content)
    frames = content.frames
    name = f"{frames[0] + 1}_{frames[-1] + 1}"
    views = [content.in_view(camera) for camera in range(len(content.rig))]
    for person in content.persons:
        sportcenter.write_human_poses(
            folder, name, person, _human_poses(content, views, person, places)
        )
    if all(len(np.trim_zeros(camera.distortion, "b")) <= 5 for camera in content.rig):
        sportcenter.write_calibration(folder / "calibration.json", content.rig)


def check_sportcenter(content: Content, folder: Path) -> None:
    """Read the poses again, and compare."""
    places = _sportcenter_joints(content)
    found = sportcenter.read_human_poses(folder, content.rig.names)
    views = [content.in_view(camera) for camera in range(len(content.rig))]
    for person in content.persons:
        wanted = _human_poses(content, views, person, places)
        if not len(wanted.frames):
            continue
        got = found[person]
        compare(folder, person, (wanted.frames, got.frames))
        compare(folder, person, (wanted.points_px, got.points_px))
        compare(folder, person, (wanted.points_mm, got.points_mm), within=1e-9)


def _sportcenter_joints(content: Content) -> list[tuple[int, int]]:
    """(theirs, ours) of the joints that both have."""
    target = load_skeleton("sportcenter13")
    mapping = joint_mapping(content.spec.skeleton, target)
    pairs = [(row, sources[0]) for row, sources in enumerate(mapping) if len(sources) == 1]
    if not pairs:
        raise DataError(
            content.spec.name,
            "skeleton",
            expected=f"joints that SportCenter has: {', '.join(target.joints)}",
            found=", ".join(content.joints[:8]),
            remedy="Choose another format.",
        )
    return pairs


def _human_poses(
    content: Content, views: list[Poses], person: int, places: list[tuple[int, int]]
) -> sportcenter.HumanPoses:
    theirs, ours = (list(column) for column in zip(*places, strict=True))
    space = content.of_person(person)
    mine = [np.flatnonzero(view.persons == person) for view in views]
    moments = [view.frames[rows] for view, rows in zip(views, mine, strict=True)]
    frames = np.unique(np.concatenate([space.frames, *moments]))
    points_mm = np.full((len(frames), sportcenter.NUM_JOINTS, 3), np.nan)
    points_mm[np.ix_(np.searchsorted(frames, space.frames), theirs)] = space.points[:, ours]
    points_px = np.full((len(frames), len(views), sportcenter.NUM_JOINTS, 2), np.nan)
    for camera, (view, rows) in enumerate(zip(views, mine, strict=True)):
        place = np.searchsorted(frames, view.frames[rows])
        points_px[place[:, None], camera, np.array(theirs)] = view.points[rows][:, ours]
    there = np.isfinite(points_mm).any(axis=(1, 2)) | np.isfinite(points_px).any(axis=(1, 2, 3))
    return sportcenter.HumanPoses(
        frames=frames[there],
        cameras=content.rig.names,
        points_px=points_px[there],
        points_mm=points_mm[there],
    )


def write_coco(content: Content, folder: Path) -> None:
    """A file for each camera that has a label."""
    for camera, one in enumerate(content.rig):
        poses = content.in_view(camera)
        if len(poses.frames):
            write_coco_file(
                folder / f"{one.name}.json",
                camera=one.name,
                size_px=one.size_px,
                joints=content.joints,
                bones=content.spec.skeleton.bones,
                frames=poses.frames,
                persons=poses.persons,
                points_px=poses.points,
                occluded=poses.occluded,
            )


def check_coco(content: Content, folder: Path) -> None:
    """Read the files again, and compare."""

    def persons(found: CameraDetections) -> NDArray[np.int64]:
        return found.identity.astype(np.int64)

    for camera, one in enumerate(content.rig):
        poses, path = content.in_view(camera), folder / f"{one.name}.json"
        if len(poses.frames):
            found = read_detections("coco", path, camera=one.name)
            _compare_view(path, poses, found, persons(found))
            occluded = found.confidence == 0.5
            there = np.isfinite(poses.points).all(axis=-1)
            is_told = bool((poses.occluded[there] == 0).any())  # all occluded: v is all 1
            if is_told:
                compare(path, "visibility", (poses.occluded & there, occluded))


def write_deeplabcut(content: Content, folder: Path) -> None:
    """A folder for each camera that has a label, as DeepLabCut's own."""
    for camera, one in enumerate(content.rig):
        poses = content.in_view(camera)
        if len(poses.frames):
            path = folder / "labeled-data" / one.name / f"CollectedData_{_SCORER}.csv"
            path.parent.mkdir(parents=True)
            write_deeplabcut_file(
                path,
                camera=one.name,
                scorer=_SCORER,
                joints=content.joints,
                frames=poses.frames,
                persons=poses.persons,
                points_px=poses.points,
            )


def check_deeplabcut(content: Content, folder: Path) -> None:
    """Read the files again, and compare."""
    for camera, one in enumerate(content.rig):
        poses = content.in_view(camera)
        path = folder / "labeled-data" / one.name / f"CollectedData_{_SCORER}.csv"
        if len(poses.frames):
            found = read_detections("dlc", path, camera=one.name)
            _compare_view(path, poses, found, _named_persons(found))


def write_sleap(content: Content, folder: Path) -> None:
    """One project with a video for each camera."""
    views: list[SleapView] = []
    videos = _videos(content)
    for camera, name in enumerate(content.rig.names):
        poses = content.in_view(camera)
        views.append(
            SleapView(
                video=videos[name],
                frames=poses.frames,
                persons=poses.persons,
                points_px=poses.points,
            )
        )
    write_sleap_file(
        folder / f"{content.spec.name}.slp",
        views,
        skeleton=content.spec.skeleton.name,
        joints=content.joints,
        bones=content.spec.skeleton.bones,
    )


def check_sleap(content: Content, folder: Path) -> None:
    """Read the project again, and compare."""
    path = folder / f"{content.spec.name}.slp"
    for camera, name in enumerate(content.rig.names):
        poses = content.in_view(camera)
        if len(poses.frames):
            found = read_detections("sleap", path, camera=name)
            _compare_view(path, poses, found, _named_persons(found))


def _named_persons(found: CameraDetections) -> NDArray[np.int64]:
    names = np.array([int(name) for name in found.identity_names], dtype=np.int64)
    return names[found.identity]


def _compare_view(
    path: Path, poses: Poses, found: CameraDetections, persons: NDArray[np.int64]
) -> None:
    """Readers of 2D keypoints give single precision: a ten-thousandth of a pixel."""
    order = np.lexsort([persons, found.frames])
    compare(path, "frames", (poses.frames, found.frames[order]))
    compare(path, "persons", (poses.persons, persons[order]))
    compare(path, "points", (poses.points.astype(np.float32), found.points_px[order]))


def _videos(content: Content) -> dict[str, str]:
    """Where SLEAP is to look for each camera's pictures.

    The project's own, where their names tell the cameras apart as a reader of the file would; else
    names that do.
    """
    names = content.rig.names
    paths = {name: str(source.path) for name, source in content.spec.sources.items()}
    paths = {name: paths.get(name, f"{name}.mp4") for name in names}
    files = {Path(path).name: name for name, path in paths.items()}
    try:
        found = match_cameras(list(files), names)
    except DataError:
        found = {}
    is_told = len(files) == len(names) and all(files[found.get(n, "")] == n for n in found)
    if is_told and len(found) == len(names):
        return paths
    return {name: f"{name}.mp4" for name in names}
