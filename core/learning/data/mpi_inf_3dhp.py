"""MPI-INF-3DHP as data sets: the training sequences, and the test sets with one view each.

A recording is one sequence of one subject. Row n of annot.mat is frame n of the videos. Only the
subjects that the protocol names are read: a sequence's annotations are some hundred megabytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.errors import DataError
from core.formats.fields import read_text
from core.formats.mpi_inf_3dhp import rig_from_text
from core.formats.mpi_inf_3dhp_labels import read_sequence, read_test_set
from core.geometry import Rig
from core.learning.data.dataset import DataSet, StoredBoxes, part_of, pose_boxes
from core.learning.data.pictures import Library, SourcePictures
from core.learning.data.recordings import LabelTable, PoseRecording
from core.learning.data.tracked import PicturedPlaces
from core.recording import FolderSpec, VideoSpec
from core.skeleton import load_skeleton

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from core.learning.data.protocols import Protocol
    from core.recording import SourceSpec

LAYOUT = (
    "S1/Seq1/annot.mat, camera.calibration and imageSequence/video_0.avi … "
    "(or imageFrames/video_0/frame_000001.jpg …)"
)
TEST_LAYOUT = (
    "TS1/annot_data.mat and TS1/imageSequence/img_000001.jpg … (also in mpi_inf_3dhp_test_set/)"
)
SUBJECTS = range(1, 9)
SEQUENCES = (1, 2)
TEST_SIZES_PX = {number: (2048, 2048) if number < 5 else (1920, 1080) for number in range(1, 7)}
_SKELETON = "mpi_inf_3dhp17"
_REMEDY = "Give the folder of the data set: --set data.source=FOLDER."


def open_training_set(folder: Path, protocol: Protocol, cameras: tuple[str, ...]) -> DataSet:
    """Read the sequences of the protocol's subjects.

    Args:
        folder: of the data set.
        protocol: whose subjects are read, and which recordings are left out.
        cameras: names of those in use; empty = all 14.

    Raises:
        DataError: where a file is missing or damaged, or there is no sequence at all.
    """
    library = Library()
    recordings: list[PoseRecording] = []
    missing: list[str] = []
    for subject in protocol.people or SUBJECTS:
        for sequence in SEQUENCES:
            name = f"S{subject}/Seq{sequence}"
            if name in protocol.leave_out:
                continue
            if (folder / name / "annot.mat").is_file():
                recordings.append(_sequence(folder / name, name, subject, cameras, library))
            else:
                missing.append(name)
    if not recordings:
        found = f"no {missing[0]}/annot.mat" if folder.is_dir() else "no such folder"
        raise DataError(folder, expected=LAYOUT, found=found, remedy=_REMEDY)
    return DataSet(
        name="MPI-INF-3DHP",
        recordings=tuple(recordings),
        skeleton=load_skeleton(_SKELETON),
        notes=(f"Not there: {', '.join(missing)}.",) if missing else (),
    )


def _sequence(
    folder: Path, name: str, subject: int, cameras: tuple[str, ...], library: Library
) -> PoseRecording:
    path = folder / "camera.calibration"
    whole = rig_from_text(path, read_text(path))
    rig, _ = part_of(whole, cameras)
    points_mm = read_sequence(folder / "annot.mat", whole)
    sources = {camera: _training_source(folder, camera) for camera in rig.names}
    if not any(sources.values()):
        found = f"no pictures of cameras {', '.join(rig.names)}"
        raise DataError(folder, expected=LAYOUT, found=found, remedy=_REMEDY)
    return _recording(name, subject, np.arange(len(points_mm)), points_mm, rig, sources, library)


def _training_source(folder: Path, camera: str) -> SourceSpec | None:
    video = folder / "imageSequence" / f"video_{camera}.avi"
    if video.is_file():
        return VideoSpec(path=video)
    frames = folder / "imageFrames" / f"video_{camera}"
    if frames.is_dir():
        return FolderSpec(directory=frames, first_number=1, pattern="frame_%06d.jpg")
    return None


def open_test_sets(folder: Path, protocol: Protocol) -> DataSet:
    """Read TS1 to TS6, each a recording of one camera with the number as its person.

    Raises:
        DataError: where a file is damaged, or there is no test set at all.
    """
    library = Library()
    roots = (folder, folder / "mpi_inf_3dhp_test_set")
    recordings: list[PoseRecording] = []
    missing: list[str] = []
    for number, size in TEST_SIZES_PX.items():
        name = f"TS{number}"
        root = next((r / name for r in roots if (r / name / "annot_data.mat").is_file()), None)
        if root is None:
            missing.append(name)
        elif name not in protocol.leave_out:
            recordings.append(_test_set(root, number, size, library))
    if not recordings:
        found = f"no {missing[0]}/annot_data.mat" if folder.is_dir() else "no such folder"
        raise DataError(folder, expected=TEST_LAYOUT, found=found, remedy=_REMEDY)
    return DataSet(
        name="MPI-INF-3DHP's test sets",
        recordings=tuple(recordings),
        skeleton=load_skeleton(_SKELETON),
        test_people=frozenset(TEST_SIZES_PX),
        notes=(f"Not there: {', '.join(missing)}.",) if missing else (),
    )


def _test_set(
    folder: Path, number: int, size_px: tuple[int, int], library: Library
) -> PoseRecording:
    # One name for all: recordings of a data set have the same cameras.
    found = read_test_set(folder / "annot_data.mat", "camera", size_px)
    pictures = folder / "imageSequence"
    if not pictures.is_dir():
        raise DataError(folder, expected=TEST_LAYOUT, found="no imageSequence", remedy=_REMEDY)
    sources: dict[str, SourceSpec | None] = {
        "camera": FolderSpec(directory=pictures, first_number=1, pattern="img_%06d.jpg")
    }
    rig = Rig((found.camera,))
    return _recording(folder.name, number, found.frames, found.points_mm, rig, sources, library)


def _recording(
    name: str,
    person: int,
    frames: NDArray[np.integer],
    points_mm: NDArray[np.float64],
    rig: Rig,
    sources: dict[str, SourceSpec | None],
    library: Library,
) -> PoseRecording:
    keys = np.stack([np.full(len(frames), person), frames], axis=1).astype(np.int32)
    boxes = StoredBoxes(keys, pose_boxes(points_mm, None, rig))
    return PoseRecording(
        name=name,
        rig=rig,
        skeleton=load_skeleton(_SKELETON),
        labels=LabelTable(keys, points_mm),
        places=PicturedPlaces(boxes, [source is not None for source in sources.values()]),
        pictures=SourcePictures(sources, library),
    )
