"""OpenPose: a folder of one JSON per frame, ``people[].pose_keypoints_2d`` = [x, y, c] x J.

Two 25-joint orders exist, BODY_25 and the experimental BODY_25B, and no file says which one it is
(Pose2Sim's demo has the second). They are told apart by what their names claim: BODY_25's joint 8
lies between its hips, BODY_25B's joint 17 between its shoulders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import DataError
from core.formats.detections import CameraDetections, KeypointTable, collect
from core.formats.frame_names import infer_first_number, numbers_from_names
from core.formats.json_input import read_json
from core.formats.keypoint_sets import KeypointSet, keypoint_set

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

MAX_FILES = 10_000_000
MAX_FRAME_BYTES = 64 << 20
_REMEDY = "Run OpenPose with --write_json again, or remove the file."
_BY_COUNT = {13: "sportcenter13", 14: "crowdpose14", 17: "coco17", 26: "halpe26"}

# The orders of OpenPose's own COCO and MPI models.
_COCO18 = (
    "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist "
    "right_hip right_knee right_ankle left_hip left_knee left_ankle "
    "right_eye left_eye right_ear left_ear"
)
_MPI15 = (
    "head_top neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist "
    "right_hip right_knee right_ankle left_hip left_knee left_ankle thorax"
)
_LIMBS = (
    *("neck right_shoulder", "right_shoulder right_elbow", "right_elbow right_wrist"),
    *("neck left_shoulder", "left_shoulder left_elbow", "left_elbow left_wrist"),
    *("right_hip right_knee", "right_knee right_ankle", "left_hip left_knee"),
    *("left_knee left_ankle",),
)
_COCO18_BONES = (
    *_LIMBS,
    *("neck right_hip", "neck left_hip", "neck nose", "nose right_eye", "nose left_eye"),
    *("right_eye right_ear", "left_eye left_ear"),
)
_MPI15_BONES = (
    *_LIMBS,
    *("head_top neck", "neck thorax", "thorax right_hip", "thorax left_hip"),
)


def read_openpose(
    path: Path,
    *,
    camera: str | None = None,
    first_number: int | None = None,
    joints: Sequence[str] | None = None,
) -> CameraDetections:
    """Read the folder of one camera; the frame number stands in the file's name.

    Numbers are taken as counted from 0, OpenPose's own way, unless the first file is number 1.

    Raises:
        DataError: where the folder has no JSON files, two of one frame, or others than OpenPose's.
    """
    files = _files(path)
    file_numbers = numbers_from_names([file.name for file in files], path, "file names")
    _refuse_twice(path, files, file_numbers)
    if first_number is None:
        first_number = infer_first_number(file_numbers, from_pictures=False)
    table = KeypointTable(path)
    numbers: list[int] = []
    identities: list[int] = []
    for file, number in zip(files, file_numbers, strict=True):
        table.source = file
        for person, keypoints in _people(file):
            table.add(keypoints, f"people[{len(numbers)}].pose_keypoints_2d")
            numbers.append(number)
            identities.append(person)
    points, confidence = table.triplets()
    skeleton = KeypointSet(None if joints is None else tuple(joints), ())
    if joints is None and table.num_joints is not None:
        skeleton = _skeleton(points, confidence)
    return collect(
        path,
        numbers=numbers,
        points_px=points,
        confidence=confidence,
        first_number=first_number,
        identity=np.asarray(identities, dtype=np.int64),
        camera=camera,
        joints=skeleton.joints if len(table) else None,
        bones=skeleton.bones,
    )


def _files(path: Path) -> list[Path]:
    try:
        files = sorted(p for p in path.iterdir() if p.suffix.lower() == ".json")
    except OSError as error:
        raise DataError(
            path,
            expected="a folder of OpenPose's JSON files",
            found=error.strerror or str(error),
            remedy="Give the folder of one camera.",
        ) from error
    if not files or len(files) > MAX_FILES:
        raise DataError(
            path,
            expected="one JSON file per frame",
            found=f"{len(files)} JSON files",
            remedy="Give the folder of one camera.",
        )
    return files


def _refuse_twice(path: Path, files: list[Path], numbers: list[int]) -> None:
    by_number: dict[int, Path] = {}
    for file, number in zip(files, numbers, strict=True):
        other = by_number.setdefault(number, file)
        if other is not file:
            raise DataError(
                path,
                f"frame number {number}",
                expected="one file per frame",
                found=f"{other.name} and {file.name}",
                remedy="Give a folder with the files of one camera only.",
            )


def _people(file: Path) -> list[tuple[int, Any]]:
    """(person_id or -1, keypoints) of everyone in the file."""
    content = read_json(file, max_bytes=MAX_FRAME_BYTES)
    people = content.get("people") if isinstance(content, dict) else None
    if not isinstance(people, list):
        raise DataError(
            file, "people", expected="a list", found=type(people).__name__, remedy=_REMEDY
        )
    found: list[tuple[int, Any]] = []
    for i, person in enumerate(people):
        if not isinstance(person, dict) or "pose_keypoints_2d" not in person:
            raise DataError(
                file,
                f"people[{i}]",
                expected="pose_keypoints_2d",
                found=type(person).__name__ if not isinstance(person, dict) else "none",
                remedy=_REMEDY,
            )
        keypoints = person["pose_keypoints_2d"]
        if keypoints:  # an empty list: a face or a hand without a body
            found.append((_person_id(person.get("person_id")), keypoints))
    return found


def _person_id(value: object) -> int:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31:
        return value
    return -1


def _skeleton(points_px: NDArray[np.float64], confidence: NDArray[np.float64]) -> KeypointSet:
    count = points_px.shape[1]
    if count == 25:
        return keypoint_set("body25b" if is_body25b(points_px, confidence) else "body25")
    if count in (15, 18):
        names, bones = (_MPI15, _MPI15_BONES) if count == 15 else (_COCO18, _COCO18_BONES)
        joints = tuple(names.split())
        ends = [bone.split() for bone in bones]
        return KeypointSet(joints, tuple((joints.index(a), joints.index(b)) for a, b in ends))
    return keypoint_set(_BY_COUNT[count]) if count in _BY_COUNT else KeypointSet(None, ())


def is_body25b(points_px: NDArray[np.float64], confidence: NDArray[np.float64]) -> bool:
    """Whether 25 joints (N, 25, 2) are in the order of BODY_25B rather than BODY_25."""
    points = np.where((confidence > 0)[..., None], points_px, np.nan)

    def off_middle(middle: int, left: int, right: int) -> float:
        """How far a joint lies from the middle of two, in heights of the person, at the median."""
        distance = np.linalg.norm(
            points[:, middle] - (points[:, left] + points[:, right]) / 2, axis=-1
        )
        extent = np.where(np.isnan(points), -np.inf, points).max(axis=1) - np.where(
            np.isnan(points), np.inf, points
        ).min(axis=1)
        share = distance / extent.max(axis=-1)
        share = share[np.isfinite(share)]
        return float(np.median(share)) if len(share) else np.inf

    # BODY_25: neck 1 between shoulders 5 and 2, mid_hip 8 between hips 12 and 9.
    # BODY_25B: neck 17 between shoulders 5 and 6; nose 0 between the eyes 1 and 2.
    body25 = min(off_middle(1, 5, 2), off_middle(8, 12, 9))
    body25b = min(off_middle(17, 5, 6), off_middle(0, 1, 2))
    return body25b < body25
