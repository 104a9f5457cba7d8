"""Imported 2D detections as an immutable HDF5 file that answers one frame at once.

Rows are sorted by frame, then camera, and ``frame_offsets`` says where each frame begins, so that a
frame of a 67,000-frame match is a read of one or two chunks. The file is written in blocks to a
temporary name, and renamed when complete; it is never opened for writing again. A new import is
a new file, never an addition to the old one: importing twice does not double anything.

Trap: HDF5 has one lock for the whole process. Long reads from a background thread would stall the
window, so `blocks` reads in small pieces.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import h5py
import numpy as np

from core.errors import DataError
from core.files import write_atomically
from core.people.identified import IdentifiedDetections

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_FORMAT = "trilabel.detections.1"
_REMEDY = "Import the detections again."
_ROWS_PER_CHUNK = 256
_SMALL_ROWS_PER_CHUNK = 8192
_FRAMES_PER_READ = 64
_SMALL = {"camera": "i2", "person": "i4", "score": "f4", "is_hand": "?"}
_H5_ERRORS = (OSError, KeyError, TypeError, RuntimeError, ValueError, OverflowError, MemoryError)


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionsHeader:
    """What a file of detections says of itself.

    Attributes:
        num_frames: F.
        cameras: C names, in the rig's order.
        joints: J names, in the skeleton's order.
        provenance: where they come from, in words.
    """

    num_frames: int
    cameras: tuple[str, ...]
    joints: tuple[str, ...]
    provenance: str = ""


def write_detections(
    path: Path, header: DetectionsHeader, blocks: Iterable[IdentifiedDetections]
) -> int:
    """Write detections, in blocks of ascending frames, wholly or not at all.

    Args:
        path: the final name.
        header: J and F must fit the blocks.
        blocks: each sorted by frame, and none before a frame of the block before it.

    Returns:
        the number of rows.

    Raises:
        DataError: where a block is not in order, or does not fit the header.
    """
    total = 0

    def fill(temporary: Path) -> None:
        nonlocal total
        with h5py.File(temporary, "w", libver="latest") as file:
            total = _fill(file, path, header, blocks)

    write_atomically(path, fill)
    return total


def _fill(
    file: h5py.File, path: Path, header: DetectionsHeader, blocks: Iterable[IdentifiedDetections]
) -> int:
    num_joints = len(header.joints)
    file.attrs["format"] = _FORMAT
    file.attrs["header"] = json.dumps(
        {
            "cameras": header.cameras,
            "joints": header.joints,
            "provenance": header.provenance,
        }
    )
    joints = file.create_dataset(
        "joints",
        (0, num_joints, 3),
        "f4",
        maxshape=(None, num_joints, 3),
        chunks=(_ROWS_PER_CHUNK, num_joints, 3),
        compression="lzf",
        shuffle=True,
        fletcher32=True,  # a damaged file is refused, never read as other numbers
    )
    small = {
        name: file.create_dataset(
            name,
            (0,),
            kind,
            maxshape=(None,),
            chunks=(_SMALL_ROWS_PER_CHUNK,),
            compression="lzf",
            fletcher32=True,
        )
        for name, kind in _SMALL.items()
    }
    counts = np.zeros(header.num_frames, dtype=np.int64)
    persons: set[int] = set()
    last = 0
    for block in blocks:
        if not len(block):
            continue
        _check_block(path, header, block, last)
        last = int(block.frame[-1])
        counts += np.bincount(block.frame, minlength=header.num_frames)
        persons.update(block.persons)
        _append(joints, np.concatenate([block.points_px, block.confidence[..., None]], axis=-1))
        for name, dataset in small.items():
            _append(dataset, getattr(block, name))
    file["frame_offsets"] = np.concatenate([[0], np.cumsum(counts)])
    file["persons"] = np.array(sorted(persons), dtype=np.int32)
    return int(counts.sum())


def _append(dataset: h5py.Dataset, rows: NDArray[Any]) -> None:
    start = dataset.shape[0]
    dataset.resize(start + len(rows), axis=0)
    dataset[start:] = rows


def _check_block(
    path: Path, header: DetectionsHeader, block: IdentifiedDetections, last: int
) -> None:
    def refuse(field: str, expected: str, found: object) -> None:
        raise DataError(
            path, field, expected=expected, found=str(found), remedy="Correct the detections."
        )

    if block.num_joints != len(header.joints):
        refuse("joints", f"{len(header.joints)} joints", block.num_joints)
    if (np.diff(block.frame) < 0).any() or block.frame[0] < last:
        refuse("frame", "rows sorted by frame", "a frame before the one before")
    if block.frame[-1] >= header.num_frames:
        refuse("frame", f"frames 0 to {header.num_frames - 1}", int(block.frame[-1]))
    if block.camera.min() < 0 or block.camera.max() >= len(header.cameras):
        refuse("camera", f"cameras 0 to {len(header.cameras) - 1}", int(block.camera.max()))


class DetectionsFile:
    """A file of detections, open for reading; close it when done. Thread-safe (HDF5's own lock)."""

    def __init__(self, path: Path) -> None:
        """Open the file; nothing but the index is read.

        Raises:
            DataError: where it is missing, damaged, or no such file.
        """
        self.path = path
        with self._guard():
            self._file = h5py.File(path, "r")
        try:
            with self._guard():
                self.header, self.persons = self._read_header()
                self._joints = self._dataset("joints")
                self._small = {name: self._dataset(name) for name in _SMALL}
        except DataError:
            self._file.close()
            raise

    def _read_header(self) -> tuple[DetectionsHeader, tuple[int, ...]]:
        if self._file.attrs.get("format") != _FORMAT:
            self._refuse("format", _FORMAT, repr(self._file.attrs.get("format")))
        values = json.loads(str(self._file.attrs["header"]))
        self._offsets: NDArray[np.int64] = self._dataset("frame_offsets")[()]
        rows = len(self._dataset("joints"))
        if len(self._offsets) < 2 or self._offsets[-1] != rows:
            self._refuse("frame_offsets", f"offsets of {rows} rows", str(self._offsets[-1:]))
        header = DetectionsHeader(
            num_frames=len(self._offsets) - 1,
            cameras=tuple(values["cameras"]),
            joints=tuple(values["joints"]),
            provenance=str(values["provenance"]),
        )
        return header, tuple(int(person) for person in self._dataset("persons")[()])

    def _dataset(self, name: str) -> h5py.Dataset:
        found = self._file.get(name)
        if not isinstance(found, h5py.Dataset):
            self._refuse(name, "a dataset of that name", "none")
        return found

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __len__(self) -> int:
        """Number of rows."""
        return int(self._offsets[-1])

    def rows(self, start: int, stop: int) -> IdentifiedDetections:
        """The detections of the frames start…stop-1; none beyond the last frame.

        Raises:
            DataError: where the file turns out to be damaged.
        """
        start, stop = (min(max(f, 0), self.header.num_frames) for f in (start, stop))
        stop = max(start, stop)
        low, high = int(self._offsets[start]), int(self._offsets[stop])
        counts = np.diff(self._offsets[start : stop + 1])
        with self._guard():
            joints: NDArray[np.float32] = self._joints[low:high]
            small = {name: dataset[low:high] for name, dataset in self._small.items()}
        return IdentifiedDetections(
            frame=np.repeat(np.arange(start, stop, dtype=np.int32), counts),
            points_px=joints[..., :2],
            confidence=joints[..., 2],
            **small,
        )

    def blocks(self, start: int, stop: int) -> Iterator[IdentifiedDetections]:
        """The same in pieces of a few frames, so that other threads get at HDF5 in between."""
        for first in range(start, stop, _FRAMES_PER_READ):
            yield self.rows(first, min(first + _FRAMES_PER_READ, stop))

    def num_rows_by_frame(self) -> NDArray[np.int64]:
        """(F,) how many detections each frame has; needs no reading."""
        return np.diff(self._offsets)

    @contextmanager
    def _guard(self) -> Generator[None, None, None]:
        try:
            yield
        except DataError:
            raise
        except _H5_ERRORS as error:
            self._refuse("", "a file of detections", str(error) or type(error).__name__, error)

    def _refuse(
        self, field: str, expected: str, found: str, cause: Exception | None = None
    ) -> NoReturn:
        raise DataError(self.path, field, expected=expected, found=found, remedy=_REMEDY) from cause


def one_per_person(rows: IdentifiedDetections) -> NDArray[np.intp]:
    """Row numbers of the best detection of each (frame, camera, person); bystanders left out.

    A proofread one is better than a predicted one, then the higher score is.
    """
    named = np.flatnonzero(rows.person >= 0)
    score = np.nan_to_num(rows.score[named], nan=-np.inf)
    keys = (score, rows.is_hand[named], rows.person[named], rows.camera[named], rows.frame[named])
    order = named[np.lexsort(keys)]
    identity = np.stack([rows.frame[order], rows.camera[order], rows.person[order]], axis=1)
    is_last = np.ones(len(order), dtype=bool)
    is_last[:-1] = (np.diff(identity, axis=0) != 0).any(axis=1)
    return order[is_last]


def check_detections(
    path: Path, header: DetectionsHeader, cameras: Sequence[str], joints: Sequence[str]
) -> None:
    """Refuse detections made for other cameras or joints than the project's."""
    for name, found, expected in (
        ("cameras", header.cameras, tuple(cameras)),
        ("joints", header.joints, tuple(joints)),
    ):
        if found != expected:
            raise DataError(
                path,
                name,
                expected=", ".join(expected),
                found=", ".join(found),
                remedy=_REMEDY,
            )
