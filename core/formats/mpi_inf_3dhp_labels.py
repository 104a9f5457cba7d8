"""MPI-INF-3DHP's annotations: ``annot.mat`` of the training set, ``annot_data.mat`` of the tests.

    S1/Seq1/annot.mat       annot2[camera] (N, 56) px, annot3[camera] (N, 84) mm, 28 joints
    TS1/annot_data.mat      annot2 (N, 1, 17, 2), annot3 (N, 1, 17, 3), valid_frame (N, 1); HDF5

Traps: annot3 is in the frame of each camera, not of the world. The 17 joints of the test sets stand
in an order of their own. The test sets come without a calibration, but their 2D points are the
projection of their 3D ones, which tells the intrinsics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.errors import DataError
from core.formats.fields import make_camera
from core.formats.hdf5 import h5_array, open_h5
from core.formats.matlab import read_mat

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from core.formats.fields import Node
    from core.geometry.camera import Camera, Rig

TO_17 = (4, 23, 24, 25, 18, 19, 20, 3, 5, 6, 7, 9, 10, 11, 14, 15, 16)
"""Of the 28 joints those of ``mpi_inf_3dhp17``, in its order."""
TEST_TO_17 = (14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4)
"""The same of the test sets' own order: head top, neck, arms, legs (right first), pelvis, spine,
head."""
MAX_MISFIT_PX = 5.0
_REMEDY = "Take the data set's files as they are published."
_NUM_CHECKED = 50


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TestSet:
    """A test set, in the frame of its one camera.

    Attributes:
        camera: at the world's origin, looking along z.
        frames: (N,) 0-based, those that are said to be valid.
        points_mm: (N, 17, 3) in the order of ``mpi_inf_3dhp17``.
    """

    camera: Camera
    frames: NDArray[np.int64]
    points_mm: NDArray[np.float64]


def read_sequence(path: Path, rig: Rig) -> NDArray[np.float64]:
    """The poses of a training sequence's annot.mat, (N, 17, 3) mm in the world.

    Args:
        path: the file.
        rig: all cameras of the sequence's camera.calibration, whose order is the file's.

    Raises:
        DataError: where the file is missing, damaged, or does not fit the calibration: more than
            5 px between its 2D points and its projected 3D ones.
    """
    root = read_mat(path, ("annot2", "annot3"))
    cells = root["annot3"].elements()
    if len(cells) != len(rig):
        root["annot3"].refuse(f"one cell a camera: {len(rig)}", str(len(cells)), remedy=_REMEDY)
    camera = rig[0]
    points_cam = cells[0].array(-1, 84, nan=True).reshape(-1, 28, 3)
    points = (points_cam - camera.t_mm) @ np.linalg.inv(camera.R).T
    _check_projections(root["annot2"], rig, points)
    return points[:, TO_17]


def _check_projections(annot2: Node, rig: Rig, points_mm: NDArray[np.float64]) -> None:
    """Refuse a calibration that is not these poses' own."""
    rows = np.linspace(0, len(points_mm) - 1, min(len(points_mm), _NUM_CHECKED)).astype(int)
    projected = rig.project(points_mm[rows])
    for c, cell in enumerate(annot2.elements()[: len(rig)]):
        found = cell.array(-1, 56, nan=True)
        if len(found) != len(points_mm):
            cell.refuse(f"{len(points_mm)} rows, as in annot3", str(len(found)), remedy=_REMEDY)
        distance = np.linalg.norm(projected[:, c] - found[rows].reshape(-1, 28, 2), axis=-1)
        known = distance[np.isfinite(distance)]
        if len(known) and np.median(known) > MAX_MISFIT_PX:
            cell.refuse(
                f"2D points within {MAX_MISFIT_PX:g} px of the projected 3D ones",
                f"{np.median(known):.1f} px for camera {rig.names[c]}",
                remedy="Check that camera.calibration and annot.mat are of the same sequence.",
            )


def read_test_set(path: Path, name: str, size_px: tuple[int, int]) -> TestSet:
    """A test set's annot_data.mat.

    Args:
        path: the file.
        name: to call its camera.
        size_px: (width, height) of its pictures.

    Raises:
        DataError: where the file is missing, damaged, or its 2D points are no projection of its
            3D ones.
    """
    with open_h5(path, "a test set of MPI-INF-3DHP (HDF5)", _REMEDY) as file:
        points = _test_array(path, h5_array(file, "annot3", _REMEDY), "annot3", (17, 3))
        pixels = _test_array(path, h5_array(file, "annot2", _REMEDY), "annot2", (17, 2))
        valid = np.asarray(h5_array(file, "valid_frame", _REMEDY), dtype=np.float64).reshape(-1)
    if not len(points) == len(pixels) == len(valid):
        found = f"{len(points)}, {len(pixels)} and {len(valid)}"
        raise DataError(
            path, "annot3", expected="as many rows as annot2", found=found, remedy=_REMEDY
        )
    frames = np.flatnonzero(valid > 0)
    K = _intrinsics(path, points[frames], pixels[frames])
    camera = make_camera(
        path, name, K=K, distortion=np.zeros(0), R=np.eye(3), t_mm=np.zeros(3), size_px=size_px
    )
    return TestSet(camera=camera, frames=frames, points_mm=points[frames][:, TEST_TO_17])


def _test_array(
    path: Path, values: NDArray[np.generic], name: str, tail: tuple[int, int]
) -> NDArray[np.float64]:
    if values.dtype.kind not in "iuf" or values.shape[1:] != (1, *tail):
        raise DataError(
            path,
            name,
            expected=f"numbers of shape (N, 1, {tail[0]}, {tail[1]})",
            found=f"{values.dtype} of shape {values.shape}",
            remedy=_REMEDY,
        )
    return values[:, 0].astype(np.float64)


def _intrinsics(
    path: Path, points_mm: NDArray[np.float64], pixels: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The K, without skew, that projects the points onto the pixels best."""
    K = np.eye(3)
    with np.errstate(divide="ignore", invalid="ignore"):
        plane = points_mm[..., :2] / points_mm[..., 2:]
    known = np.isfinite(plane).all(-1) & np.isfinite(pixels).all(-1) & (points_mm[..., 2] > 0)
    misfit = np.inf
    if known.sum() >= 4:
        flat, seen = plane[known], pixels[known]
        for axis in range(2):
            system = np.column_stack([flat[:, axis], np.ones(len(flat))])
            K[axis, [axis, 2]] = np.linalg.lstsq(system, seen[:, axis], rcond=None)[0]
        projected = flat * K[[0, 1], [0, 1]] + K[:2, 2]
        misfit = float(np.median(np.linalg.norm(projected - seen, axis=-1)))
    if misfit > MAX_MISFIT_PX:
        raise DataError(
            path,
            "annot2",
            expected=f"the projection of annot3 within {MAX_MISFIT_PX:g} px",
            found=f"a median of {misfit:.1f} px",
            remedy=_REMEDY,
        )
    return K
