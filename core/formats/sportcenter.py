"""SportCenter (EPFL multi-view basketball): calibration, trajectories and annotated poses.

    calibration.json                                    K, dist, R, t; metres; no image sizes
    trajectories.json                                   positions at HEAD height
    multicam/ace_<i>.mp4, multicam/ace_<i>/frame_%06d.jpg   either or both
    human_poses/<range>/pose_subject<ID>.json           3D metres, 2D raw pixels

Traps. The files count frames as ffmpeg names pictures, from 1; here frames are 0-based indices, so
every read subtracts 1 and every write adds 1. A trajectory follows the head: the person stands at
(x, y, 0). Files are written with Python's NaN literal where a joint was not annotated, which other
JSON readers refuse.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import DataError
from core.files import write_text_atomically
from core.formats.fields import make_camera, make_rig, read_json
from core.formats.units import in_mm

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from core.formats.fields import Node
    from core.geometry.camera import Camera, Rig
    from core.people.tracks import GroundTracks

NUM_JOINTS = 13
TEST_SUBJECTS = (7, 12)
FIRST_FRAME_NUMBER = 1
MAX_FRAME_NUMBER = 2**31 - 2
MAX_SUBJECT = 1_000_000
# (width, height) of the published recording's views, for projects made without its pictures.
PUBLISHED_SIZES_PX = {
    "ace_0": (1376, 992),
    "ace_1": (1536, 896),
    "ace_2": (1536, 896),
    "ace_3": (1328, 1024),
    "ace_4": (1392, 928),
    "ace_5": (1360, 896),
}
_POSE_FILE = re.compile(r"pose_subject(\d{1,9})\.json", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trajectories:
    """Where the head of every person is; rows in any order.

    Attributes:
        person: (N,) int64 subject ids.
        frame: (N,) int64, 0-based.
        head_mm: (N, 3) float64, world; NaN where the person was not found.
    """

    person: NDArray[np.int64]
    frame: NDArray[np.int64]
    head_mm: NDArray[np.float64]

    def ground_tracks(self, source: Path | str = "trajectories") -> GroundTracks:
        """The places where the people stand, under their heads."""
        # core.people brings scipy along, which no calibration or pose needs.
        from core.people.tracks import GroundTracks

        return GroundTracks.from_rows(self.person, self.frame, self.head_mm, source=str(source))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HumanPoses:
    """The annotated poses of one subject.

    Attributes:
        frames: (F,) int64, 0-based, ascending.
        cameras: C camera names.
        points_px: (F, C, 13, 2) float64, raw pixels; NaN where not annotated.
        points_mm: (F, 13, 3) float64, world; NaN where there is no 3D joint.
    """

    frames: NDArray[np.int64]
    cameras: tuple[str, ...]
    points_px: NDArray[np.float64]
    points_mm: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """What there is of a camera's pictures.

    Attributes:
        video: ``multicam/<camera>.mp4``, or None.
        folder: ``multicam/<camera>`` with at least one ``frame_<6 digits>.jpg``, or None.
    """

    video: Path | None
    folder: Path | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SportCenterDataset:
    """A whole SportCenter folder, pictures named but not opened.

    Attributes:
        directory: the folder.
        rig: cameras without image sizes.
        trajectories: None where the file is missing.
        poses: by subject, all ranges joined; empty where there are none.
        pictures: by camera name.
    """

    directory: Path
    rig: Rig
    trajectories: Trajectories | None
    poses: dict[int, HumanPoses]
    pictures: dict[str, Pictures]


def read_dataset(directory: Path) -> SportCenterDataset:
    """Read a SportCenter folder; only ``calibration.json`` is required.

    Raises:
        DataError: naming the file and the place.
    """
    rig = read_calibration(directory / "calibration.json")
    trajectories = directory / "trajectories.json"
    return SportCenterDataset(
        directory=directory,
        rig=rig,
        trajectories=read_trajectories(trajectories) if trajectories.exists() else None,
        poses=read_human_poses(directory, rig.names),
        pictures=find_pictures(directory, rig.names),
    )


def read_calibration(path: Path) -> Rig:
    """The cameras of ``calibration.json``, in the file's order; sizes are not in the file."""
    return in_mm(rig_from_json(read_json(path)), "m")


def rig_from_json(root: Node) -> Rig:
    """The cameras of a parsed ``calibration.json``, lengths in metres."""
    cameras = [
        make_camera(
            root.source,
            name,
            K=entry["K"].array(3, 3),
            distortion=entry["dist"].vector(-1),
            R=entry["R"].array(3, 3),
            t_mm=entry["t"].vector(3),
        )
        for name, entry in root.items()
    ]
    return make_rig(root.source, cameras)


def write_calibration(path: Path, rig: Rig) -> None:
    """Write the rig as ``calibration.json``; image sizes have no place in it and are left out.

    Raises:
        DataError: where a lens has more than SportCenter's 5 coefficients.
    """
    write_text_atomically(path, json.dumps({c.name: _calibration_entry(path, c) for c in rig}))


def _calibration_entry(path: Path, camera: Camera) -> dict[str, Any]:
    coefficients = np.trim_zeros(camera.distortion, "b")
    if len(coefficients) > 5:
        raise DataError(
            path,
            f"{camera.name}.dist",
            expected="up to 5 coefficients (k1, k2, p1, p2, k3)",
            found=str(len(coefficients)),
            remedy="Give this camera a simpler lens model.",
        )
    dist = np.zeros(5)
    dist[: len(coefficients)] = coefficients
    return {
        "K": camera.K.tolist(),
        "dist": dist.tolist(),
        "R": camera.R.tolist(),
        "t": (camera.t_mm / 1000).tolist(),
    }


def read_trajectories(path: Path) -> Trajectories:
    """The head positions of ``trajectories.json``.

    Rows numbered 0 are left out: ffmpeg names no picture so.
    """
    persons: list[NDArray[np.int64]] = []
    frames: list[NDArray[np.int64]] = []
    heads: list[NDArray[np.float64]] = []
    for key, entry in read_json(path).items():
        numbers = _frame_numbers(entry["indexes"], low=0)
        head_m = entry["positions"].array(-1, 3, nan=True)
        _require_equal(entry["positions"], len(head_m), len(numbers))
        pictured = numbers >= FIRST_FRAME_NUMBER
        frames.append(numbers[pictured] - FIRST_FRAME_NUMBER)
        heads.append(head_m[pictured] * 1000)
        persons.append(np.full(len(frames[-1]), _subject(entry, key), dtype=np.int64))
    return Trajectories(
        person=np.concatenate([np.zeros(0, np.int64), *persons]),
        frame=np.concatenate([np.zeros(0, np.int64), *frames]),
        head_mm=np.concatenate([np.zeros((0, 3)), *heads]),
    )


def write_trajectories(path: Path, trajectories: Trajectories) -> None:
    """Write ``trajectories.json``, subjects and frames ascending."""
    content: dict[str, Any] = {}
    for subject in np.unique(trajectories.person):
        rows = np.flatnonzero(trajectories.person == subject)
        rows = rows[np.argsort(trajectories.frame[rows], kind="stable")]
        content[str(subject)] = {
            "indexes": (trajectories.frame[rows] + FIRST_FRAME_NUMBER).tolist(),
            "positions": (trajectories.head_mm[rows] / 1000).tolist(),
        }
    write_text_atomically(path, json.dumps(content))


def read_pose_file(path: Path, cameras: Sequence[str]) -> HumanPoses:
    """The poses of one ``pose_subject<ID>.json``.

    Args:
        path: the file.
        cameras: C names; the axis C of the result. A camera without an entry is all NaN.

    Raises:
        DataError: for a camera that is not among `cameras`, too.
    """
    root = read_json(path)
    frames_3d, points_m = _pose_list(root["3d"], 3)
    views: dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}
    for name, entry in root["2d"].items():
        if name not in cameras:
            entry.refuse(f"one of the cameras {', '.join(cameras)}", name)
        views[name] = _pose_list(entry, 2)
    frames = np.unique(np.concatenate([frames_3d, *(view[0] for view in views.values())]))
    points_mm = np.full((len(frames), NUM_JOINTS, 3), np.nan)
    points_mm[np.searchsorted(frames, frames_3d)] = points_m * 1000
    points_px = np.full((len(frames), len(cameras), NUM_JOINTS, 2), np.nan)
    for name, (view_frames, points) in views.items():
        points_px[np.searchsorted(frames, view_frames), list(cameras).index(name)] = points
    return HumanPoses(
        frames=frames, cameras=tuple(cameras), points_px=points_px, points_mm=points_mm
    )


def read_human_poses(directory: Path, cameras: Sequence[str]) -> dict[int, HumanPoses]:
    """The poses of all ranges under ``human_poses``, joined by subject, subjects ascending.

    Args:
        directory: the data set's folder.
        cameras: C names, see `read_pose_file`.

    Raises:
        DataError: where two ranges annotate the same subject at the same frame, too.
    """
    found: dict[int, list[tuple[Path, HumanPoses]]] = {}
    for path in sorted((directory / "human_poses").glob("*/pose_subject*.json")):
        match = _POSE_FILE.fullmatch(path.name)
        if match is None:
            raise DataError(
                path,
                expected="a name like pose_subject7.json",
                found=path.name,
                remedy="Rename or remove the file.",
            )
        found.setdefault(int(match[1]), []).append((path, read_pose_file(path, cameras)))
    return {subject: _joined(found[subject]) for subject in sorted(found)}


def write_human_poses(directory: Path, range_name: str, subject: int, poses: HumanPoses) -> Path:
    """Write ``human_poses/<range_name>/pose_subject<subject>.json`` under `directory`.

    A view's frames are those with at least one annotated joint; the 3D list has all frames.

    Returns:
        the file written.
    """
    path = directory / "human_poses" / range_name / f"pose_subject{subject}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    views: dict[str, Any] = {}
    for c, name in enumerate(poses.cameras):
        points = poses.points_px[:, c]
        annotated = np.asarray(np.isfinite(points).any(axis=(1, 2)))
        views[name] = _pose_entry(poses.frames, points, annotated)
    everywhere = np.ones(len(poses.frames), dtype=bool)
    content = {"3d": _pose_entry(poses.frames, poses.points_mm / 1000, everywhere), "2d": views}
    write_text_atomically(path, json.dumps(content))
    return path


def find_pictures(directory: Path, cameras: Sequence[str]) -> dict[str, Pictures]:
    """The videos and picture folders of these cameras that exist."""
    result: dict[str, Pictures] = {}
    for name in cameras:
        video, folder = directory / "multicam" / f"{name}.mp4", directory / "multicam" / name
        has_pictures = any(folder.glob("frame_" + "[0-9]" * 6 + ".jpg"))
        result[name] = Pictures(
            video=video if video.is_file() else None, folder=folder if has_pictures else None
        )
    return result


def _pose_list(entry: Node, dims: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    numbers = _frame_numbers(entry["idx_frame"], low=FIRST_FRAME_NUMBER)
    points = entry["pose"].array(-1, NUM_JOINTS, dims, nan=True)
    _require_equal(entry["pose"], len(points), len(numbers))
    if len(np.unique(numbers)) != len(numbers):
        entry["idx_frame"].refuse("every frame once", "a frame that occurs twice")
    # Half a point is no point.
    points[np.isnan(points).any(-1)] = np.nan
    return numbers - FIRST_FRAME_NUMBER, points


def _pose_entry(
    frames: NDArray[np.int64], points: NDArray[np.float64], kept: NDArray[np.bool_]
) -> dict[str, Any]:
    return {
        "idx_frame": (frames[kept] + FIRST_FRAME_NUMBER).tolist(),
        "pose": points[kept].tolist(),
    }


def _frame_numbers(node: Node, *, low: int) -> NDArray[np.int64]:
    numbers = node.array(-1)
    wrong = (numbers != np.floor(numbers)) | (numbers < low) | (numbers > MAX_FRAME_NUMBER)
    if wrong.any():
        node.refuse(
            f"whole frame numbers from {low} to {MAX_FRAME_NUMBER}", f"{numbers[wrong][0]:g}"
        )
    return numbers.astype(np.int64)


def _require_equal(node: Node, found: int, expected: int) -> None:
    if found != expected:
        node.refuse(f"as many as there are frames: {expected}", str(found))


def _subject(entry: Node, key: str) -> int:
    if not (key.isascii() and key.isdigit() and len(key) < 10 and int(key) <= MAX_SUBJECT):
        entry.refuse("a subject's number as the name", key[:40])
    return int(key)


def _joined(parts: list[tuple[Path, HumanPoses]]) -> HumanPoses:
    frames = np.concatenate([poses.frames for _, poses in parts])
    order = np.argsort(frames, kind="stable")
    if (np.diff(frames[order]) == 0).any():
        twice = int(frames[order][:-1][np.diff(frames[order]) == 0][0]) + FIRST_FRAME_NUMBER
        raise DataError(
            parts[-1][0],
            f"frame {twice}",
            expected="every frame of a subject once",
            found=f"the frame in two of {', '.join(path.parent.name for path, _ in parts)}",
            remedy="Remove it from one of them.",
        )
    return HumanPoses(
        frames=frames[order],
        cameras=parts[0][1].cameras,
        points_px=np.concatenate([poses.points_px for _, poses in parts])[order],
        points_mm=np.concatenate([poses.points_mm for _, poses in parts])[order],
    )
