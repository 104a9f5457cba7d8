"""2D detections of other tools: which files they are, and in which skeleton they end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from core.errors import DataError
from core.formats.camera_names import match_cameras
from core.formats.detections import DETECTION_FORMATS, CameraDetections, read_detections
from core.formats.json_input import read_json
from core.formats.openpose import is_body25b
from core.project.importing.pictures import report_matches, split_named
from core.skeleton import Skeleton, joint_mapping, load_skeleton, skeleton_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

LABEL3D = "label3d"
_FROM_PICTURES = ("alphapose", "coco")
# Suffixes by format, the better one first; OpenPose's are folders.
_SUFFIXES = {
    "openpose": (".json",),
    "alphapose": (".json",),
    "coco": (".json",),
    "sleap": (".slp", ".h5", ".hdf5"),
    "dlc": (".csv", ".h5", ".hdf5"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionsPath:
    """A file or folder of one camera.

    Attributes:
        format: a key of `DETECTION_FORMATS`.
        camera: the camera's name.
        path: absolute.
    """

    format: str
    camera: str
    path: Path


def split_format(text: str) -> tuple[str, str]:
    """``FORMAT:[CAM=]PATH`` as format and the rest."""
    name, separator, rest = text.partition(":")
    known = (*DETECTION_FORMATS, LABEL3D)
    if not separator or name not in known or not rest:
        raise DataError(
            "detections",
            expected=f"FORMAT:PATH or FORMAT:CAM=PATH, FORMAT one of {', '.join(known)}",
            found=repr(text),
            remedy="Say which tool made them, such as openpose:folder.",
        )
    return name, rest


def find_detections(
    text: str, camera_names: Sequence[str], report: Callable[[str], None]
) -> list[DetectionsPath]:
    """The files that ``FORMAT:[CAM=]PATH`` means, one for a camera.

    Raises:
        DataError: where nothing is found, or a match is ambiguous.
    """
    name, rest = split_format(text)
    camera, path = split_named(rest, camera_names)
    if camera is not None:
        found = {camera: _one_of(path, name) if path.is_dir() else path}
    else:
        choices = _choices(path, name)
        folders = _coco_folders(next(iter(choices.values()))) if name == "coco" else []
        if len(choices) == 1 and len(folders) > 1:
            choices = dict.fromkeys(folders, next(iter(choices.values())))
        matches = match_cameras(list(choices), camera_names, source=str(path))
        report_matches(matches, choices, "detections", report)
        found = {c: choices[entry] for c, entry in matches.items()}
    return [DetectionsPath(format=name, camera=c, path=p) for c, p in found.items()]


def _coco_folders(path: Path) -> list[str]:
    """The folders of a COCO file's pictures: one a camera, where there are several."""
    content = read_json(path)
    images = content.get("images") if isinstance(content, dict) else None
    names = [
        image["file_name"].replace("\\", "/")
        for image in (images if isinstance(images, list) else [])
        if isinstance(image, dict) and isinstance(image.get("file_name"), str)
    ]
    return sorted({str(PurePosixPath(name).parent) for name in names})


def _choices(path: Path, name: str) -> dict[str, Path]:
    """Candidates in a folder, by file or folder name."""
    if path.is_file():
        return {path.name: path}
    if _is_openpose_folder(path, name):
        return {path.name: path}
    found = {file.name: file for file in _files(path, name)}
    for folder in sorted(p for p in path.iterdir() if p.is_dir()):
        if name == "openpose":
            if _is_openpose_folder(folder, name):
                found[folder.name] = folder
        elif _files(folder, name):
            found[folder.name] = _one_of(folder, name)
    if not found:
        raise DataError(
            path,
            expected=f"files of {DETECTION_FORMATS[name]}",
            found="none",
            remedy="Check the path and the format.",
        )
    return found


def _one_of(folder: Path, name: str) -> Path:
    if _is_openpose_folder(folder, name):
        return folder
    files = _files(folder, name)
    if len(files) != 1:
        raise DataError(
            folder,
            expected=f"one file of {DETECTION_FORMATS[name]}",
            found=", ".join(file.name for file in files[:6]) or "none",
            remedy="Name the file: FORMAT:CAM=FILE.",
        )
    return files[0]


def _is_openpose_folder(path: Path, name: str) -> bool:
    return name == "openpose" and path.is_dir() and bool(_files(path, name))


def _files(folder: Path, name: str) -> list[Path]:
    """Files with the best suffix of the format that any of them has."""
    entries = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    for suffix in _SUFFIXES[name]:
        found = [p for p in entries if p.name.lower().endswith(suffix)]
        if found:
            return found
    return []


def read_all(
    paths: Sequence[DetectionsPath],
    *,
    first_number: int | None,
    joints: Sequence[str] | None,
    report: Callable[[str], None],
) -> list[CameraDetections]:
    """Read all files, and number their frames alike.

    Args:
        paths: whose files.
        first_number: what the pictures call frame 0; None where no picture says.
        joints: names for files that have none but as many joints.
        report: told of what was read.
    """
    found: list[CameraDetections] = []
    for one in paths:
        first = first_number if one.format in _FROM_PICTURES else None
        rows = read_detections(one.format, one.path, camera=one.camera, first_number=first)
        if rows.joints is None and joints is not None and len(joints) == rows.num_joints:
            rows = replace(rows, joints=tuple(joints))
        report(
            f"  detections: {len(rows)} of {one.camera}, "
            f"{len(np.unique(rows.frames))} frames ({one.path.name})"
        )
        found.append(replace(rows, camera=one.camera))
    guessed = [i for i, one in enumerate(paths) if one.format == "openpose"]
    for i, rows in zip(
        guessed, _in_one_order([found[i] for i in guessed], joints, report), strict=True
    ):
        found[i] = rows
    return _numbered_alike(found)


def _in_one_order(
    found: list[CameraDetections], joints: Sequence[str] | None, report: Callable[[str], None]
) -> list[CameraDetections]:
    """One order of OpenPose's 25 joints for all cameras, which each folder was guessed by itself.

    The chosen skeleton decides where it is one of the two, else the poses of all cameras together.
    """
    orders = {skeleton.joints: skeleton for skeleton in map(load_skeleton, ("body25", "body25b"))}
    guessed = [d for d in found if d.joints in orders and len(d)]
    if not guessed:
        return found
    chosen = None if joints is None else orders.get(tuple(joints))
    why = "the skeleton that was chosen" if chosen else "told from the poses; see --skeleton"
    if chosen is None:
        points = np.concatenate([d.points_px for d in guessed]).astype(np.float64)
        confidence = np.concatenate([d.confidence for d in guessed]).astype(np.float64)
        chosen = load_skeleton("body25b" if is_body25b(points, confidence) else "body25")
    report(f"  detections: 25 joints in the order of {chosen.name} ({why})")
    return [
        replace(d, joints=chosen.joints, bones=chosen.bones) if d.joints in orders else d
        for d in found
    ]


def _numbered_alike(found: list[CameraDetections]) -> list[CameraDetections]:
    """One first number for all: a camera that begins later must not be shifted to frame 0.

    Each file's own is 0 or 1, guessed from its first number, or that of the pictures.
    """
    some = [d for d in found if len(d)]
    lowest = min((int(d.frames[0]) + d.first_number for d in some), default=0)
    common = min(lowest, max((d.first_number for d in some), default=0))
    return [
        replace(d, frames=d.frames + (d.first_number - common), first_number=common)
        if len(d)
        else d
        for d in found
    ]


def skeleton_of(found: Iterable[CameraDetections]) -> Skeleton | None:
    """The skeleton that detections carry: a known one, or their own; None where none does."""
    for detections in found:
        if detections.joints is not None:
            return known_skeleton(detections.joints, detections.bones)
        if detections.num_joints:
            return numbered_skeleton(detections.num_joints)
    return None


def known_skeleton(joints: Sequence[str], bones: Sequence[tuple[int, int]]) -> Skeleton:
    """The skeleton of these joints that comes with trilabel, or one made of joints and bones."""
    for name in skeleton_names():
        skeleton = load_skeleton(name)
        if skeleton.joints == tuple(joints):
            return skeleton
    return Skeleton(name="imported", joints=tuple(joints), bones=tuple(bones))


def numbered_skeleton(num_joints: int) -> Skeleton:
    """Joints without names or bones."""
    return Skeleton(
        name="imported", joints=tuple(f"joint_{j:02d}" for j in range(num_joints)), bones=()
    )


def in_skeleton(
    detections: CameraDetections, skeleton: Skeleton, report: Callable[[str], None]
) -> CameraDetections:
    """The same detections with the joints of a skeleton.

    A joint made of two (the middle of the hips) is there where both are, with the lesser
    confidence; one without a counterpart is absent, and told.

    Raises:
        DataError: where no joint has a counterpart.
    """
    if not len(detections):
        return _none(detections, skeleton)
    names = detections.joints
    if names == skeleton.joints or (names is None and detections.num_joints == skeleton.num_joints):
        return replace(detections, joints=skeleton.joints, bones=skeleton.bones)
    mapping = joint_mapping(names, skeleton) if names is not None else ()
    if not any(mapping):
        raise DataError(
            f"detections of {detections.camera}",
            "joints",
            expected=f"joints of {skeleton.name} ({', '.join(skeleton.joints[:4])}, …)",
            found=", ".join(names[:4]) if names else f"{detections.num_joints} unnamed joints",
            remedy="Choose the skeleton that the detections were made in (--skeleton).",
        )
    missing = [j for j, sources in zip(skeleton.joints, mapping, strict=True) if not sources]
    if missing:
        report(f"  {detections.camera}: no detections of {', '.join(missing)}")
    return replace(_gather(detections, mapping), joints=skeleton.joints, bones=skeleton.bones)


def in_every_camera(
    found: Sequence[CameraDetections],
    camera_names: Sequence[str],
    skeleton: Skeleton,
    report: Callable[[str], None],
) -> tuple[CameraDetections, ...]:
    """One for each camera of the rig, in its order and in one skeleton; nothing at all of nothing.

    Several files of one camera are put together.
    """
    if not found:
        return ()
    mapped = [in_skeleton(one, skeleton, report) for one in found]
    return tuple(
        _joined(name, [one for one in mapped if one.camera == name], skeleton)
        for name in camera_names
    )


def _joined(name: str, parts: Sequence[CameraDetections], skeleton: Skeleton) -> CameraDetections:
    num_joints = skeleton.num_joints
    empty = CameraDetections(
        camera=name,
        joints=skeleton.joints,
        bones=skeleton.bones,
        frames=np.zeros(0, np.int64),
        points_px=np.zeros((0, num_joints, 2), np.float32),
        confidence=np.zeros((0, num_joints), np.float32),
        score=np.zeros(0, np.float32),
        identity=np.zeros(0, np.int32),
        hand=np.zeros(0, np.bool_),
    )
    if not parts:
        return empty
    if len(parts) == 1:
        return parts[0]
    order = np.argsort(np.concatenate([part.frames for part in parts]), kind="stable")
    names = ("frames", "points_px", "confidence", "score", "identity", "hand")
    return replace(
        empty,
        **{n: np.concatenate([getattr(part, n) for part in parts])[order] for n in names},
    )


def _none(detections: CameraDetections, skeleton: Skeleton) -> CameraDetections:
    shape = (0, skeleton.num_joints)
    return replace(
        detections,
        joints=skeleton.joints,
        points_px=np.zeros((*shape, 2), np.float32),
        confidence=np.zeros(shape, np.float32),
    )


def _gather(detections: CameraDetections, mapping: Sequence[tuple[int, ...]]) -> CameraDetections:
    count = len(detections)
    points: NDArray[np.float32] = np.full((count, len(mapping), 2), np.nan, np.float32)
    confidence: NDArray[np.float32] = np.full((count, len(mapping)), np.nan, np.float32)
    for j, sources in enumerate(mapping):
        if sources:
            points[:, j] = detections.points_px[:, list(sources)].mean(axis=1)
            confidence[:, j] = detections.confidence[:, list(sources)].min(axis=1)
    return replace(detections, points_px=points, confidence=confidence)
