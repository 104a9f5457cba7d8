"""Human3.6M's multi-view label file, ``human36m-multiview-labels-*.npy``.

A pickled table: ``subject_names``, ``camera_names``, ``action_names``, ``cameras`` (subject,
camera) with R, t, K, dist in mm, and ``table`` with a row for each subject, action and frame:
``keypoints`` (17, 3) mm in the world and ``bbox_by_camera_tlbr`` (camera, 4).

Traps: a box is top, left, bottom, right, and all zeros where the view is missing; R and t are
single-precision, so R is a rotation to 1e-6 only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import DataError
from core.formats.fields import Node, make_camera, make_rig
from core.formats.numpy_pickle import read_pickled_table

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from core.geometry.camera import Rig

NUM_JOINTS = 17
_REMEDY = "Take the label file as its makers publish it."
_COLUMNS = ("subject_idx", "action_idx", "frame_idx", "keypoints", "bbox_by_camera_tlbr")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Human36mLabels:
    """The whole file; N rows as the file has them.

    Attributes:
        subjects: names, such as ``S1``.
        actions: names, such as ``Directions-1``.
        rigs: by subject's name; image sizes are not in the file.
        subject: (N,) index into `subjects`.
        action: (N,) index into `actions`.
        frame: (N,) 0-based.
        points_mm: (N, 17, 3) float32, world.
        boxes_px: (N, C, 4) float32 x0 y0 x1 y1; NaN where the view is missing.
    """

    subjects: tuple[str, ...]
    actions: tuple[str, ...]
    rigs: dict[str, Rig]
    subject: NDArray[np.int64]
    action: NDArray[np.int64]
    frame: NDArray[np.int64]
    points_mm: NDArray[np.float32]
    boxes_px: NDArray[np.float32]


def read_labels(path: Path) -> Human36mLabels:
    """Read the file.

    Raises:
        DataError: where it is missing, damaged, or not such a file.
    """
    root = Node(path, "", read_pickled_table(path))
    subjects, actions, cameras = (
        _names(root[key]) for key in ("subject_names", "action_names", "camera_names")
    )
    table = _structured(root["table"], _COLUMNS)
    num_cameras = len(cameras)
    points = _column(root["table"], table, "keypoints", (NUM_JOINTS, 3))
    boxes = _column(root["table"], table, "bbox_by_camera_tlbr", (num_cameras, 4))
    missing = (boxes == 0).all(axis=-1)
    boxes = np.where(missing[..., None], np.nan, boxes[..., [1, 0, 3, 2]])
    return Human36mLabels(
        subjects=subjects,
        actions=actions,
        rigs={name: _rig(root["cameras"], s, cameras) for s, name in enumerate(subjects)},
        subject=_indices(root["table"], table, "subject_idx", len(subjects)),
        action=_indices(root["table"], table, "action_idx", len(actions)),
        frame=_indices(root["table"], table, "frame_idx", 1 << 31),
        points_mm=points.astype(np.float32),
        boxes_px=boxes.astype(np.float32),
    )


def _names(node: Node) -> tuple[str, ...]:
    if not isinstance(node.value, list | tuple | np.ndarray):
        node.refuse("a list of names", remedy=_REMEDY)
    return tuple(str(name) for name in node.value)


def _structured(node: Node, names: tuple[str, ...]) -> NDArray[Any]:
    value = node.value
    found = value.dtype.names if isinstance(value, np.ndarray) else None
    if found is None or not set(names) <= set(found):
        node.refuse(f"rows of {', '.join(names)}", str(found)[:120], remedy=_REMEDY)
    return value


def _column(
    node: Node, table: NDArray[Any], name: str, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    values = np.asarray(table[name])
    if values.dtype.kind not in "iuf" or values.shape != (len(table), *shape):
        raise DataError(
            node.source,
            f"{node.field}.{name}",
            expected=f"numbers of shape {shape} in each row",
            found=f"{values.dtype} of shape {values.shape[1:]}",
            remedy=_REMEDY,
        )
    return values.astype(np.float64)


def _indices(node: Node, table: NDArray[Any], name: str, count: int) -> NDArray[np.int64]:
    values = _column(node, table, name, ())
    if len(values) and not (values.min() >= 0 and values.max() < count):
        found = f"{values.min():g} to {values.max():g}"
        raise DataError(
            node.source,
            f"{node.field}.{name}",
            expected=f"0 to {count - 1}",
            found=found,
            remedy=_REMEDY,
        )
    return values.astype(np.int64)


def _rig(node: Node, subject: int, names: tuple[str, ...]) -> Rig:
    places = _structured(node, ("R", "t", "K", "dist"))
    if places.ndim != 2 or places.shape[0] <= subject or places.shape[1] != len(names):
        node.refuse("a row of cameras for each subject", str(places.shape), remedy=_REMEDY)
    cameras = [
        make_camera(
            node.source,
            name,
            K=_matrix(node, place, "K", 9).reshape(3, 3),
            distortion=_matrix(node, place, "dist", 5),
            R=_matrix(node, place, "R", 9).reshape(3, 3),
            t_mm=_matrix(node, place, "t", 3),
        )
        for name, place in zip(names, places[subject], strict=True)
    ]
    return make_rig(node.source, cameras)


def _matrix(node: Node, place: Any, name: str, count: int) -> NDArray[np.float64]:  # noqa: ANN401
    field = Node(node.source, f"{node.field}.{name}", np.asarray(place[name]).reshape(-1))
    return field.array(count)
