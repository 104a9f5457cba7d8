"""AlphaPose: one JSON list ``{image_id, keypoints [x, y, c] x J, score, idx?}`` per camera."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from core.errors import DataError
from core.files import write_atomically
from core.formats.detections import CameraDetections, KeypointTable, collect
from core.formats.frame_names import infer_first_number, numbers_from_names
from core.formats.json_input import iterate_list
from core.formats.keypoint_sets import KeypointSet, keypoint_set

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_BY_COUNT = {
    13: "sportcenter13",
    14: "crowdpose14",
    17: "coco17",
    26: "halpe26",
}
_REMEDY = "Export AlphaPose's default format (--format unset) again."


def read_alphapose(
    path: Path,
    *,
    camera: str | None = None,
    first_number: int | None = None,
    joints: Sequence[str] | None = None,
) -> CameraDetections:
    """Read AlphaPose's results; the frame number stands in ``image_id``.

    Pictures without a number 0 are taken as counted from 1, as ffmpeg does, unless ``image_id`` is
    a bare number: AlphaPose names the frames of a video ``0.jpg``, ``1.jpg``, ….

    Raises:
        DataError: where the file is not such a list.
    """
    names: list[str] = []
    scores: list[float] = []
    identities: list[int] = []
    table = KeypointTable(path)
    for i, item in enumerate(iterate_list(path)):
        if not isinstance(item, dict) or "keypoints" not in item or "image_id" not in item:
            found = f"keys {', '.join(item)}" if isinstance(item, dict) else type(item).__name__
            raise DataError(
                path, f"[{i}]", expected="image_id and keypoints", found=found, remedy=_REMEDY
            )
        table.add(item["keypoints"], f"[{i}].keypoints")
        names.append(str(item["image_id"]))
        scores.append(_number(item.get("score")))
        identities.append(_identity(item.get("idx", item.get("track_id"))))
    numbers = numbers_from_names(names, path, "image_id")
    if first_number is None:
        bare = all(name.split(".")[0] == str(n) for name, n in zip(names, numbers, strict=True))
        first_number = infer_first_number(numbers, from_pictures=not bare)
    points, confidence = table.triplets()
    skeleton = _skeleton(table.num_joints, joints)
    return collect(
        path,
        numbers=numbers,
        points_px=points,
        confidence=confidence,
        first_number=first_number,
        score=np.asarray(scores),
        identity=np.asarray(identities, dtype=np.int64),
        camera=camera,
        joints=skeleton.joints if len(table) else None,
        bones=skeleton.bones,
    )


def _skeleton(num_joints: int | None, joints: Sequence[str] | None) -> KeypointSet:
    if joints is not None or num_joints is None:
        return KeypointSet(None if joints is None else tuple(joints), ())
    name = _BY_COUNT.get(num_joints)
    return keypoint_set(name) if name else KeypointSet(None, ())


def _number(value: object) -> float:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]  # some versions wrap the score
    if isinstance(value, bool) or not isinstance(value, int | float):
        return float("nan")
    return float(value) if abs(value) < 1e30 else float("nan")


def _identity(value: object) -> int:
    number = _number(value)
    return int(number) if 0 <= number < 2**31 and number == int(number) else -1


def write_alphapose(
    path: Path, detections: CameraDetections, *, pattern: str = "frame_{:06d}.jpg"
) -> None:
    """Write detections as AlphaPose does; `read_alphapose` gives them back.

    Args:
        path: the JSON file; replaced as a whole.
        detections: identities are written as ``idx`` where there is one. An absent joint becomes
            0, 0, 0; a joint without a confidence has 1.
        pattern: the picture's name, from the frame number (the first number + frame).
    """

    def fill(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.write("[")
            for i, line in enumerate(_lines(detections, pattern)):
                file.write(",\n" if i else "\n")
                file.write(line)
            file.write("\n]\n")

    write_atomically(path, fill)


def _lines(detections: CameraDetections, pattern: str) -> Iterator[str]:
    points = detections.points_px.astype(np.float64)
    shares = detections.confidence.astype(np.float64)
    present = np.all(np.isfinite(points), axis=-1)
    shares = np.where(present, np.where(np.isnan(shares), 1.0, shares), 0.0)
    table = np.concatenate([np.where(present[..., None], points, 0.0), shares[..., None]], axis=-1)
    table = table.round(3).reshape(len(points), 3 * points.shape[1])
    for i, row in enumerate(table):
        seen = points[i][present[i]]
        low, high = (seen.min(axis=0), seen.max(axis=0)) if len(seen) else (np.zeros(2),) * 2
        score = float(detections.score[i])
        item: dict[str, object] = {
            "image_id": pattern.format(int(detections.frames[i]) + detections.first_number),
            "category_id": 1,
            "keypoints": row.tolist(),
            "score": round(score, 4) if np.isfinite(score) else 0.0,
            "box": np.concatenate([low, high - low]).round(2).tolist(),
        }
        if detections.identity[i] >= 0:
            item["idx"] = int(detections.identity[i])
        yield json.dumps(item, separators=(",", ":"))
