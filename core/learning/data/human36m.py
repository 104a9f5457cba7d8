"""Human3.6M as a data set: the multi-view label file, cameras, and extracted pictures.

A recording is one action of one subject; a subject's recordings share a rig. Cameras are those of
``camera-parameters.json`` where it lies in the folder, else the label file's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.errors import DataError
from core.formats import human36m
from core.formats.fields import read_json
from core.formats.human36m_labels import Human36mLabels, read_labels
from core.geometry import Rig
from core.learning.data.dataset import DataSet, StoredBoxes, part_of
from core.learning.data.pictures import Library, SourcePictures
from core.learning.data.recordings import LabelTable, PoseRecording, in_view
from core.learning.data.tracked import PicturedPlaces
from core.recording import FolderSpec
from core.skeleton import load_skeleton

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from core.learning.data.protocols import Protocol
    from core.skeleton import Skeleton

LAYOUT = (
    "human36m-multiview-labels-*.npy (also in extra/), and pictures "
    "S1/Directions-1/imageSequence/54138969/img_000001.jpg … (also in processed/)"
)
TEST_SUBJECTS = (9, 11)
PUBLISHED_SIZES_PX = {
    "54138969": (1000, 1002),
    "55011271": (1000, 1000),
    "58860488": (1000, 1000),
    "60457274": (1000, 1002),
}
_LABELS = "human36m-multiview-labels-*.npy"
_REMEDY = "Give the folder of the data set: --set data.source=FOLDER."


def open_human36m(folder: Path, protocol: Protocol, cameras: tuple[str, ...]) -> DataSet:
    """Read the recordings of the protocol's subjects.

    Args:
        folder: of the data set.
        protocol: whose subjects are read, and which recordings are left out.
        cameras: names of those in use; empty = all.

    Raises:
        DataError: where the label file or all pictures are missing, with the layout expected.
    """
    labels = read_labels(_label_file(folder))
    rigs = _rigs(folder, labels, cameras)
    reader = _Reader(folder, labels, rigs, load_skeleton("h36m17"), Library())
    recordings: list[PoseRecording] = []
    missing: list[str] = []
    for subject, action, rows in _takes(labels):
        person = _person(labels, subject)
        name = f"{labels.subjects[subject]}/{labels.actions[action]}"
        if name in protocol.leave_out or person not in (protocol.people or (person,)):
            continue
        recording = reader.recording(name, person, subject, rows)
        if recording is None:
            missing.append(name)
        else:
            recordings.append(recording)
    if not recordings:
        found = f"no pictures of {missing[0]}" if missing else "nothing of the protocol's subjects"
        raise DataError(folder, expected=LAYOUT, found=found, remedy=_REMEDY)
    return DataSet(
        name="Human3.6M",
        recordings=tuple(recordings),
        skeleton=reader.skeleton,
        test_people=frozenset(TEST_SUBJECTS),
        notes=(f"No pictures of {', '.join(missing)}: not used.",) if missing else (),
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    """What the recordings have in common; rigs and the places of their cameras by subject."""

    folder: Path
    labels: Human36mLabels
    rigs: list[tuple[Rig, list[int]]]
    skeleton: Skeleton
    library: Library

    def recording(
        self, name: str, person: int, subject: int, rows: NDArray[np.intp]
    ) -> PoseRecording | None:
        """One take; None where it has no pictures of any camera."""
        rig, cameras = self.rigs[subject]
        sources = {camera: self._source(name, camera) for camera in rig.names}
        if not any(sources.values()):
            return None
        frames = self.labels.frame[rows]
        keys = np.stack([np.full(len(rows), person), frames], axis=1)
        if (np.diff(frames) == 0).any():
            raise DataError(name, "frame_idx", expected="each frame once", found="one twice",
                            remedy="Take the label file as its makers publish it.")  # fmt: skip
        boxes = in_view(self.labels.boxes_px[rows][:, cameras].astype(np.float64), rig)
        return PoseRecording(
            name=name,
            rig=rig,
            skeleton=self.skeleton,
            labels=LabelTable.from_rows(keys, self.labels.points_mm[rows]),
            places=PicturedPlaces(
                StoredBoxes(keys, boxes), [source is not None for source in sources.values()]
            ),
            pictures=SourcePictures(sources, self.library),
        )

    def _source(self, name: str, camera: str) -> FolderSpec | None:
        for root in (self.folder, self.folder / "processed"):
            directory = root / name / "imageSequence" / camera
            if directory.is_dir():
                return FolderSpec(directory=directory, first_number=1, pattern="img_%06d.jpg")
        return None


def _label_file(folder: Path) -> Path:
    found = [*sorted(folder.glob(_LABELS)), *sorted(folder.glob(f"extra/{_LABELS}"))]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(path.name for path in found)
        raise DataError(
            folder,
            expected="one label file",
            found=names,
            remedy="Leave the one that you want in the folder.",
        )
    what = f"no {_LABELS}" if folder.is_dir() else "no such folder"
    raise DataError(folder, expected=LAYOUT, found=what, remedy=_REMEDY)


def _rigs(
    folder: Path, labels: Human36mLabels, cameras: tuple[str, ...]
) -> list[tuple[Rig, list[int]]]:
    """For each subject the cameras in use, in the file's order, and their places in the file."""
    path = folder / "camera-parameters.json"
    root = read_json(path) if path.is_file() else None
    rigs: list[tuple[Rig, list[int]]] = []
    for subject in labels.subjects:
        rig = labels.rigs[subject]
        if root is not None:
            rig = part_of(human36m.rig_of_subject(root, subject), rig.names)[0]
        rigs.append(part_of(_sized(rig), cameras))
    return rigs


def _sized(rig: Rig) -> Rig:
    sizes = PUBLISHED_SIZES_PX
    return Rig(tuple(c.with_size(*sizes[c.name]) if c.name in sizes else c for c in rig))


def _takes(labels: Human36mLabels) -> Iterator[tuple[int, int, NDArray[np.intp]]]:
    """Subject, action, and the rows of each take, by frame."""
    order = np.lexsort((labels.frame, labels.action, labels.subject))
    index = np.stack([labels.subject[order], labels.action[order]], axis=1)
    takes, starts = np.unique(index, axis=0, return_index=True)
    for (subject, action), rows in zip(takes.tolist(), np.split(order, starts[1:]), strict=True):
        yield subject, action, rows


def _person(labels: Human36mLabels, subject: int) -> int:
    name = labels.subjects[subject]
    if not name[1:].isdecimal():
        raise DataError(
            "subject_names",
            expected="names like S1",
            found=repr(name[:20]),
            remedy="Take the label file as its makers publish it.",
        )
    return int(name[1:])
