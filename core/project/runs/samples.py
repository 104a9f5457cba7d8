"""Sample crops of a run with what its networks see in them, as files ``samples/STAGE-STEP.npz``.

The same people, frames and cameras in all files of a run, so that they can be laid over one
another. A file is renamed onto its name when it is whole; an event `SamplesSaved` announces it.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import DataError
from core.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SAMPLES_FOLDER = "samples"
MAX_SAMPLES = 64
_ARRAYS = ("crops", "points_px", "confidence", "target_px", "persons", "frames", "cameras")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """Some crops, N of them, of J joints.

    Attributes:
        crops: (N, h, w, 3) uint8 RGB.
        points_px: (N, J, 2) float32, as predicted, in pixels of the crop.
        confidence: (N, J) float32, 0…1.
        target_px: (N, J, 2) float32, as labelled; NaN = no label.
        persons: (N,) int64, as the run counts them.
        frames: (N,) int64.
        cameras: (N,) names.
    """

    crops: NDArray[np.uint8]
    points_px: NDArray[np.float32]
    confidence: NDArray[np.float32]
    target_px: NDArray[np.float32]
    persons: NDArray[np.int64]
    frames: NDArray[np.int64]
    cameras: tuple[str, ...]

    def __len__(self) -> int:
        """How many."""
        return len(self.crops)


def write_samples(path: Path, samples: Samples) -> None:
    """Write a file of samples, whole or not at all; its folder is made.

    Raises:
        OSError: the disk is full or gone.
    """
    path.parent.mkdir(exist_ok=True)
    arrays: dict[str, Any] = {name: getattr(samples, name) for name in _ARRAYS}
    arrays["cameras"] = np.array(samples.cameras, dtype=np.str_)

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)

    write_atomically(path, write)


def read_samples(path: Path) -> Samples:
    """Read a file of samples.

    Raises:
        DataError: it is missing, damaged, or none of samples.
    """
    try:
        # Opened here: numpy leaves a damaged archive open.
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays: dict[str, NDArray[Any]] = {name: file[name] for name in _ARRAYS}
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        found = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        raise _refused(path, "a file of samples", found) from error
    crops, points = arrays["crops"], arrays["points_px"]
    if crops.ndim != 4 or crops.shape[-1] != 3 or crops.dtype != np.uint8 or points.ndim != 3:
        found = f"crops {crops.shape} of {crops.dtype}, points {points.shape}"
        raise _refused(path, "crops (N, h, w, 3) of bytes, points (N, J, 2)", found)
    number, joints = points.shape[:2]
    wanted = {
        "crops": (number, *crops.shape[1:]),
        "points_px": (number, joints, 2),
        "confidence": (number, joints),
        "target_px": (number, joints, 2),
        "persons": (number,),
        "frames": (number,),
        "cameras": (number,),
    }
    for name, shape in wanted.items():
        if arrays[name].shape != shape:
            raise _refused(path, f"{name} of shape {shape}", str(arrays[name].shape))
    try:
        return Samples(
            crops=crops,
            points_px=points.astype(np.float32),
            confidence=arrays["confidence"].astype(np.float32),
            target_px=arrays["target_px"].astype(np.float32),
            persons=arrays["persons"].astype(np.int64),
            frames=arrays["frames"].astype(np.int64),
            cameras=tuple(str(name) for name in arrays["cameras"].tolist()),
        )
    except (ValueError, TypeError) as error:
        raise _refused(path, "numbers", str(error)) from error


def _refused(path: Path, expected: str, found: str) -> DataError:
    remedy = "The run goes on without it; its next evaluation writes a new one."
    return DataError(path, expected=expected, found=found, remedy=remedy)
