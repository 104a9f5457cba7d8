"""COCO keypoints: ``images``, ``annotations`` and ``categories`` in one JSON file.

The category carries the skeleton: joint names, and bones counted from 1. The visibility v of each
keypoint is 0 = absent, 1 = occluded, 2 = visible; predictions put a confidence there instead. One
file may hold several cameras, as the folders of ``file_name``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import DataError
from core.files import write_text_atomically
from core.formats.camera_names import match_cameras
from core.formats.detections import CameraDetections, KeypointTable, collect
from core.formats.frame_names import infer_first_number, numbers_from_names
from core.formats.json_input import read_json
from core.formats.keypoint_sets import KeypointSet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

OCCLUDED_CONFIDENCE = 0.5
_REMEDY = "Export the COCO keypoints again."


def read_coco(
    path: Path,
    *,
    camera: str | None = None,
    first_number: int | None = None,
    joints: Sequence[str] | None = None,
) -> CameraDetections:
    """Read the annotations of one camera; the frame number stands in ``file_name``.

    Pictures without a number 0 are taken as counted from 1. An occluded keypoint has confidence
    0.5, a visible one 1. Annotations without a score are taken as placed by hand.

    Raises:
        DataError: where the file is no such JSON, has several skeletons, or several folders of
            pictures and `camera` names none of them.
    """
    content = read_json(path)
    images = _images(path, content, camera)
    category, skeleton = _category(path, content)
    table = KeypointTable(path)
    names: list[str] = []
    scores: list[float] = []
    identities: list[int] = []
    for i, item in enumerate(_objects(path, content, "annotations")):
        name = images.get(_key(item.get("image_id")))
        chosen = category is None or item.get("category_id", category) == category
        if name is None or not chosen or not item.get("keypoints"):
            continue
        table.add(item["keypoints"], f"annotations[{i}].keypoints")
        names.append(name)
        scores.append(_number(item.get("score")))
        identities.append(_identity(item))
    points, flags = table.triplets()
    # The first number comes from all pictures, also those without an annotation.
    by_name = dict(zip(images.values(), _numbers(path, list(images.values())), strict=True))
    if first_number is None:
        first_number = infer_first_number(list(by_name.values()), from_pictures=True)
    score = np.asarray(scores)
    named = skeleton.joints if joints is None else tuple(joints)
    return collect(
        path,
        numbers=[by_name[name] for name in names],
        points_px=points,
        confidence=_confidence(flags),
        first_number=first_number,
        score=score,
        identity=np.asarray(identities, dtype=np.int64),
        hand=np.isnan(score),
        camera=camera,
        joints=named if len(table) else None,
        bones=skeleton.bones,
    )


def write_coco(
    path: Path,
    *,
    camera: str,
    size_px: tuple[int, int] | None,
    joints: Sequence[str],
    bones: Sequence[tuple[int, int]],
    frames: NDArray[np.int64],
    persons: NDArray[np.int64],
    points_px: NDArray[np.float64],
    occluded: NDArray[np.bool_],
) -> None:
    """Write the labels of one camera; `read_coco` gives them back, as placed by hand.

    Pictures are named ``<camera>/frame_000001.jpg`` from 1, as ffmpeg extracts them, whatever the
    project's own pictures are called. Boxes are those of the joints. An existing file is replaced.

    Args:
        path: the file.
        camera: its name.
        size_px: (width, height) of its pictures; None = not known.
        joints: J names.
        bones: pairs of joint indices.
        frames: (N,) 0-based.
        persons: (N,) ids, which become ``track_id``.
        points_px: (N, J, 2) raw pixels; NaN = not labelled.
        occluded: (N, J).
    """
    width, height = size_px or (0, 0)
    images = [
        {
            "id": frame + 1,
            "file_name": f"{camera}/frame_{frame + 1:06d}.jpg",
            "width": width,
            "height": height,
        }
        for frame in np.unique(frames).tolist()
    ]
    annotations: list[dict[str, Any]] = []
    for number in range(len(frames)):
        there = np.isfinite(points_px[number]).all(axis=-1)
        flags = np.where(there, np.where(occluded[number], 1, 2), 0)
        seen = points_px[number][there]
        low, high = seen.min(axis=0), seen.max(axis=0)
        triplets = np.column_stack([np.where(there[:, None], points_px[number], 0.0), flags])
        annotations.append(
            {
                "id": number + 1,
                "image_id": int(frames[number]) + 1,
                "category_id": 1,
                "track_id": int(persons[number]),
                "keypoints": triplets.ravel().tolist(),
                "num_keypoints": int(there.sum()),
                "bbox": [*low.tolist(), *(high - low).tolist()],
                "area": float(np.prod(high - low)),
                "iscrowd": 0,
            }
        )
    category = {
        "id": 1,
        "name": "person",
        "keypoints": list(joints),
        "skeleton": [[a + 1, b + 1] for a, b in bones],
    }
    content = {"images": images, "annotations": annotations, "categories": [category]}
    write_text_atomically(path, json.dumps(content, allow_nan=False))


def _numbers(path: Path, names: list[str]) -> list[int]:
    numbers = numbers_from_names(names, path, "images.file_name")
    if len(set(numbers)) != len(set(names)):
        raise DataError(
            path,
            "images.file_name",
            expected="a frame number of its own for each picture",
            found="the same number twice",
            remedy="Give the pictures of one camera, numbered by frame.",
        )
    return numbers


def _confidence(flags: NDArray[np.float64]) -> NDArray[np.float64]:
    """Visibility as confidence; kept as it is where it is a confidence already."""
    if np.isin(flags, (0, 1, 2)).all() and (flags == 2).any():
        return np.where(flags == 1, OCCLUDED_CONFIDENCE, flags / 2)
    return flags


def _objects(path: Path, content: object, field: str) -> list[dict[str, Any]]:
    items = content.get(field) if isinstance(content, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        expected, found = "a list of objects", "none" if items is None else "something else"
        if not isinstance(content, dict):
            field, found = "", "a JSON list" if isinstance(content, list) else "a single value"
            expected = "COCO's object with images, annotations and categories"
        raise DataError(path, field, expected=expected, found=found, remedy=_REMEDY)
    return items


def _key(value: object) -> str:
    return str(value) if isinstance(value, int | str) else ""


def _images(path: Path, content: object, camera: str | None) -> dict[str, str]:
    """File name of each image id, of the camera's pictures only."""
    images: dict[str, str] = {}
    for i, item in enumerate(_objects(path, content, "images")):
        name = item.get("file_name")
        if not isinstance(name, str) or not _key(item.get("id")):
            raise DataError(
                path,
                f"images[{i}]",
                expected="id and file_name",
                found=", ".join(map(str, item)),
                remedy=_REMEDY,
            )
        images[_key(item["id"])] = name.replace("\\", "/")
    folders = sorted({_folder(name) for name in images.values()})
    if len(folders) <= 1:
        return images
    if camera is None:
        raise DataError(
            path,
            "images.file_name",
            expected="the pictures of one camera, or a camera's name to choose a folder",
            found=", ".join(folders[:12]),
            remedy="Give CAM=PATH once for each camera.",
        )
    folder = _folder_of(path, folders, camera)
    return {key: name for key, name in images.items() if _folder(name) == folder}


def _folder_of(path: Path, folders: list[str], camera: str) -> str:
    """The camera's folder; of a path like ``S1/ace_0/frames`` the part that differs counts."""
    parts = [folder.split("/") for folder in folders]
    for place in range(max(len(p) for p in parts)):
        names = [p[place] if place < len(p) else "" for p in parts]
        if len(set(names)) == len(names):
            return folders[names.index(match_cameras(names, [camera], source=str(path))[camera])]
    return match_cameras(folders, [camera], source=str(path))[camera]


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _category(path: Path, content: object) -> tuple[object, KeypointSet]:
    """The category with keypoints, and its skeleton."""
    found: dict[tuple[str, ...], tuple[object, KeypointSet]] = {}
    for i, item in enumerate(_objects(path, content, "categories")):
        names = item.get("keypoints")
        if not names:
            continue
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise DataError(
                path,
                f"categories[{i}].keypoints",
                expected="a list of joint names",
                found=type(names).__name__,
                remedy=_REMEDY,
            )
        joints = tuple(names)
        # The same skeleton twice (two classes of player, say): take the detections of both.
        category = None if joints in found else item.get("id")
        found[joints] = (category, KeypointSet(joints, _bones(item.get("skeleton"), len(joints))))
    if len(found) > 1:
        raise DataError(
            path,
            "categories",
            expected="one skeleton",
            found=f"{len(found)} different lists of keypoints",
            remedy="Export the annotations of each skeleton by themselves.",
        )
    return next(iter(found.values()), (None, KeypointSet(None, ())))


def _bones(value: object, num_joints: int) -> tuple[tuple[int, int], ...]:
    """Bones from COCO's 1-based pairs; what is no pair of joints is no bone."""
    pairs = value if isinstance(value, list) else []
    return tuple(
        (pair[0] - 1, pair[1] - 1)
        for pair in pairs
        if isinstance(pair, list)
        and len(pair) == 2
        and all(isinstance(end, int) and 1 <= end <= num_joints for end in pair)
        and pair[0] != pair[1]
    )


def _number(value: object) -> float:
    if isinstance(value, int | float) and abs(value) < 1e30:
        return float(value)
    return float("nan")


def _identity(item: dict[str, Any]) -> int:
    value = item.get("track_id", item.get("instance_id"))
    return int(value) if isinstance(value, int) and 0 <= value < 2**31 else -1
