"""The full truth of a synthetic match, ``truth.h5``: for evaluation, and for nothing else.

No trainer, importer or window opens this file by itself; a person loads it on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import h5py
import numpy as np

from core.errors import DataError
from core.files import write_atomically
from core.formats.hdf5 import h5_array, open_h5

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

TRUTH_NAME = "truth.h5"
_REMEDY = "Generate the match again with `trilabel synth`."


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Truth:
    """F frames, P people, C cameras, J joints.

    Attributes:
        persons: (P,) int64 subject ids, ascending.
        cameras: C names.
        joints: J names.
        frames: (F,) int64, 0-based.
        points_mm: (F, P, J, 3) float64, world.
        points_px: (F, P, C, J, 2) float32 raw pixels, also outside the picture; NaN = no image.
        visible: (F, P, C, J) bool, in the picture and not hidden.
        sight: (F, P, C, J) uint8, values of `core.synthetic.sight.Sight`: why it is not visible.
    """

    persons: NDArray[np.int64]
    cameras: tuple[str, ...]
    joints: tuple[str, ...]
    frames: NDArray[np.int64]
    points_mm: NDArray[np.float64]
    points_px: NDArray[np.float32]
    visible: NDArray[np.bool_]
    sight: NDArray[np.uint8]


def write_truth(path: Path, truth: Truth) -> None:
    """Write the file as a whole."""

    def write(temporary: Path) -> None:
        with h5py.File(temporary, "w") as file:
            file.attrs["about"] = "truth of a synthetic match; millimetres, raw pixels, 0-based"
            file["cameras"] = np.array(truth.cameras, dtype=h5py.string_dtype())
            file["joints"] = np.array(truth.joints, dtype=h5py.string_dtype())
            file["persons"], file["frames"] = truth.persons, truth.frames
            for name in ("points_mm", "points_px", "visible", "sight"):
                values = getattr(truth, name)
                chunks = (min(64, max(1, len(values))), *values.shape[1:])
                file.create_dataset(name, data=values, chunks=chunks, compression="lzf")

    write_atomically(path, write)


def read_truth(path: Path) -> Truth:
    """Read a truth file.

    Raises:
        DataError: where it is missing, damaged, or its arrays do not fit each other.
    """
    with open_h5(path, "the truth of a synthetic match", _REMEDY) as file:
        names = {name: h5_array(file, name, _REMEDY) for name in ("cameras", "joints")}
        truth = Truth(
            persons=h5_array(file, "persons", _REMEDY),
            cameras=tuple(str(name) for name in names["cameras"]),
            joints=tuple(str(name) for name in names["joints"]),
            frames=h5_array(file, "frames", _REMEDY),
            points_mm=h5_array(file, "points_mm", _REMEDY),
            points_px=h5_array(file, "points_px", _REMEDY),
            visible=h5_array(file, "visible", _REMEDY).astype(bool),
            sight=h5_array(file, "sight", _REMEDY),
        )
    _check(path, truth)
    return truth


def read_truth_of(path: Path, project: str, joints: tuple[str, ...]) -> Truth:
    """Read a truth file that belongs to a project of these joints.

    Raises:
        DataError: where it is missing, damaged, or of another recording.
    """
    truth = read_truth(path)
    if truth.joints != joints:
        raise DataError(
            path,
            "joints",
            expected=f"those of {project}: {', '.join(joints)}",
            found=", ".join(truth.joints),
            remedy="Load the truth.h5 that was generated with this recording.",
        )
    return truth


def _check(path: Path, truth: Truth) -> None:
    num_people, num_joints = len(truth.persons), len(truth.joints)
    views = (len(truth.frames), num_people, len(truth.cameras), num_joints)
    wanted = {
        "points_mm": (len(truth.frames), num_people, num_joints, 3),
        "points_px": (*views, 2),
        "visible": views,
        "sight": views,
    }
    for name, shape in wanted.items():
        found = getattr(truth, name).shape
        if found != shape:
            raise DataError(
                path, name, expected=f"shape {shape}", found=f"shape {found}", remedy=_REMEDY
            )
