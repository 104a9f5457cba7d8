"""DANNCE and Label3D: ``*_dannce.mat`` with cameras and hand labels in one file.

    camnames           names
    params{camera}     K, r, t, RDistort (k1, k2[, k3]), TDistort (p1, p2)
    labelData{camera}  data_2d (F, 2J) raw pixels, data_3d (F, 3J), data_frame (F)

Traps. MATLAB multiplies rows from the left: K and r are stored transposed, and K has skew. Label3D
keeps the joints of a frame as x1 y1 x2 y2 …. 2D labels are reprojections of the 3D ones, in raw
pixels. data_frame is the 0-based frame that DANNCE looks up in its videos. No joint names are
stored. The unit is millimetres by DANNCE's convention.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.formats.fields import Node, make_camera, make_rig
from core.formats.matlab import read_mat

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from core.geometry.camera import Camera, Rig

MAX_FRAME = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DannceLabels:
    """The hand labels of one animal.

    Attributes:
        camera_names: C names, in the order of the rig.
        frames: (F,) int64, 0-based, ascending.
        points_px: (F, C, J, 2) float64, raw pixels; NaN where not labelled.
        points_mm: (F, J, 3) float64, world; NaN where not labelled.
    """

    camera_names: tuple[str, ...]
    frames: NDArray[np.int64]
    points_px: NDArray[np.float64]
    points_mm: NDArray[np.float64]


def read_dannce_rig(path: Path) -> Rig:
    """The file's cameras, lengths in mm; image sizes are not in it."""
    root = read_mat(path, ("camnames", "params"))
    parameters = _cells(root["params"])
    names = _names(root, len(parameters))
    return make_rig(
        path, [_camera(name, entry) for name, entry in zip(names, parameters, strict=True)]
    )


def read_dannce_labels(path: Path) -> DannceLabels:
    """The file's hand labels.

    Raises:
        DataError: where the cameras were not labelled at the same frames, too.
    """
    root = read_mat(path, ("camnames", "labelData"))
    views = _cells(root["labelData"])
    names = _names(root, len(views))
    if not views:
        root["labelData"].refuse("at least one camera", "none")
    frames = _frames(views[0]["data_frame"])
    points_mm = _points(views[0]["data_3d"], len(frames), 3)
    points_px = np.full((len(frames), len(views), points_mm.shape[1], 2), np.nan)
    for c, view in enumerate(views):
        if not np.array_equal(_frames(view["data_frame"]), frames):
            view["data_frame"].refuse(f"the frames of {names[0]}", "other frames")
        points = _points(view["data_2d"], len(frames), 2)
        if points.shape != points_px[:, c].shape:
            found = f"{points.shape[1]} joints"
            view["data_2d"].refuse(f"{points_mm.shape[1]} joints, as in data_3d", found)
        points_px[:, c] = points
    order = np.argsort(frames, kind="stable")
    if (np.diff(frames[order]) == 0).any():
        views[0]["data_frame"].refuse("every frame once", "a frame that occurs twice")
    return DannceLabels(
        camera_names=names,
        frames=frames[order],
        points_px=points_px[order],
        points_mm=points_mm[order],
    )


def _camera(name: str, entry: Node) -> Camera:
    radial, tangential = (_flat(entry[key]) for key in ("RDistort", "TDistort"))
    if len(radial) not in (2, 3) or len(tangential) != 2:
        entry.refuse(
            "RDistort of 2 or 3 and TDistort of 2 coefficients",
            f"{len(radial)} and {len(tangential)}",
        )
    k1, k2, k3 = [*radial, 0.0][:3]
    t = _flat(entry["t"])
    return make_camera(
        entry.source,
        name,
        K=entry["K"].array(3, 3).T,
        distortion=np.array([k1, k2, *tangential, k3]),
        R=entry["r"].array(3, 3).T,
        t_mm=Node(entry.source, f"{entry.field}.t", t).array(3),
    )


def _names(root: Node, count: int) -> tuple[str, ...]:
    node = root.get("camnames")
    if node is None:
        return tuple(f"Camera{i + 1}" for i in range(count))
    names = tuple(cell.text().strip() for cell in _cells(node))
    if len(names) != count:
        node.refuse(f"a name for each of {count} cameras", str(len(names)))
    return names


def _cells(node: Node) -> list[Node]:
    """The elements of a cell array; a single one may stand without its cell."""
    value = node.value if isinstance(node.value, list) else [node.value]
    return Node(node.source, node.field, value).elements()


def _flat(node: Node) -> NDArray[np.float64]:
    flat = np.reshape(node.value, -1) if isinstance(node.value, np.ndarray) else node.value
    return Node(node.source, node.field, flat).array(-1)


def _frames(node: Node) -> NDArray[np.int64]:
    numbers = _flat(node)
    if ((numbers != np.floor(numbers)) | (numbers < 0) | (numbers > MAX_FRAME)).any():
        node.refuse(f"whole numbers from 0 to {MAX_FRAME}", "something else")
    return numbers.astype(np.int64)


def _points(node: Node, num_frames: int, dims: int) -> NDArray[np.float64]:
    """(F, J, dims) from (F, J·dims); a point with a NaN is no point."""
    flat = node.array(num_frames, -1, nan=True)
    if flat.shape[1] % dims:
        node.refuse(f"a multiple of {dims} columns", str(flat.shape[1]))
    points = flat.reshape(num_frames, flat.shape[1] // dims, dims)
    points[np.isnan(points).any(-1)] = np.nan
    return points
