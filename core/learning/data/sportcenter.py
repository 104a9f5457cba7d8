"""A SportCenter folder as a data set, without making a project of it first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.errors import DataError
from core.formats import sportcenter
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
from core.learning.data.recordings import LabelTable, PoseRecording
from core.learning.data.tracked import CombinedPlaces, PicturedPlaces, TrackBoxes
from core.project.importing.pictures import open_pictures, with_sizes
from core.project.importing.sportcenter import SKELETON, choose_pictures
from core.skeleton import load_skeleton

if TYPE_CHECKING:
    from pathlib import Path

    from core.geometry import Rig
    from core.learning.data.recordings import Places

LAYOUT = (
    "calibration.json, trajectories.json, multicam/ace_0.mp4 … (or multicam/ace_0/frame_000001.jpg "
    "…) and human_poses/<range>/pose_subject<ID>.json"
)
_HEIGHT_MM, _RADIUS_MM = 1800.0, 500.0


def open_sportcenter(folder: Path, cameras: tuple[str, ...]) -> DataSet:
    """Read a SportCenter folder.

    Args:
        folder: with calibration.json.
        cameras: names of those in use; empty = all.

    Raises:
        DataError: where a file is missing or damaged, or there is no camera of a name.
    """
    if not (folder / "calibration.json").is_file():
        raise DataError(
            folder,
            expected=LAYOUT,
            found="no calibration.json" if folder.is_dir() else "no such folder",
            remedy="Give the folder of the data set: --set data.source=FOLDER.",
        )
    dataset = sportcenter.read_dataset(folder.resolve())
    notes: list[str] = []
    pictures = open_pictures(choose_pictures(dataset, lambda _: None), dataset.rig)
    whole = with_sizes(dataset.rig, pictures.sizes_px, sportcenter.PUBLISHED_SIZES_PX, notes.append)
    rig, places = part_of(whole, cameras)
    sources = {name: pictures.sources.get(name) for name in rig.names}
    notes.extend(no_pictures_notes(sources))
    labels = _labels(dataset, whole, places)
    recording = PoseRecording(
        name=folder.resolve().name,
        rig=rig,
        skeleton=load_skeleton(SKELETON),
        labels=labels,
        places=PicturedPlaces(
            _places(dataset, rig, labels), [source is not None for source in sources.values()]
        ),
        pictures=SourcePictures(sources, Library()),
        first_frame_number=sportcenter.FIRST_FRAME_NUMBER,
    )
    return DataSet(
        name=recording.name,
        recordings=(recording,),
        skeleton=recording.skeleton,
        test_people=frozenset(sportcenter.TEST_SUBJECTS),
        notes=tuple(note.strip() for note in notes),
    )


def _labels(dataset: sportcenter.SportCenterDataset, whole: Rig, cameras: list[int]) -> LabelTable:
    num_joints = sportcenter.NUM_JOINTS
    keys = [np.zeros((0, 2), np.int64)]
    points_mm = [np.zeros((0, num_joints, 3))]
    points_px = [np.zeros((0, len(whole), num_joints, 2))]
    for subject, poses in dataset.poses.items():
        keys.append(np.stack([np.full(len(poses.frames), subject), poses.frames], axis=1))
        points_mm.append(poses.points_mm)
        points_px.append(poses.points_px)
    label_px = np.concatenate(points_px)
    points = completed_points(np.concatenate(points_mm), label_px, whole)
    said = has_label(points, label_px)
    return LabelTable.from_rows(
        np.concatenate(keys)[said], points[said], label_px[said][:, cameras]
    )


def _places(dataset: sportcenter.SportCenterDataset, rig: Rig, labels: LabelTable) -> Places:
    parts: list[Places] = []
    if dataset.trajectories is not None:
        tracks = dataset.trajectories.ground_tracks(dataset.directory / "trajectories.json")
        parts.append(TrackBoxes(tracks, rig, _HEIGHT_MM, _RADIUS_MM))
    parts.append(StoredBoxes(labels.keys, pose_boxes(labels.points_mm, labels.label_px, rig)))
    return CombinedPlaces(parts)
