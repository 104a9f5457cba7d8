"""Qualisys calibration (``*.qca.txt``, XML) as Pose2Sim uses it.

Per camera: the centre (x, y, z) in mm, a rotation r whose y and z axes point the other way than
OpenCV's, and intrinsics in 1/64 pixel. ``fov_video`` is the part of the sensor that was filmed:
it gives the image size, and its corner is taken off the principal point. The distortion
coefficients are OpenCV's. Trap: a file may declare entities that expand to gigabytes; document
types are refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np

from core.errors import DataError
from core.formats.fields import Node, make_camera, make_rig

if TYPE_CHECKING:
    from pathlib import Path

    from core.geometry.camera import Camera, Rig

_REMEDY = "Export the calibration from QTM again."
_PER_PIXEL = 64
# OpenCV's camera looks along +z with y down; Qualisys' along -z with y up.
_FLIP = np.diag([1.0, -1.0, -1.0])


def rig_from_xml(path: Path, text: str) -> Rig:
    """The cameras of a file's text, lengths in mm."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        found = "a document type"
        raise DataError(path, expected="plain XML", found=found, remedy=_REMEDY)
    try:
        root = ET.fromstring(text)
    except (ET.ParseError, ValueError) as error:
        raise DataError(path, expected="XML", found=str(error), remedy=_REMEDY) from error
    elements = [camera for camera in root.iterfind("cameras/camera") if _films(camera)]
    return make_rig(path, [_camera(path, i, element) for i, element in enumerate(elements)])


def _films(camera: ET.Element[Any]) -> bool:
    """Whether it is a video camera and not one that sees markers only."""
    model = camera.get("model", "none").lower()
    return model == "none" or "video" in model


def _camera(path: Path, index: int, element: ET.Element[Any]) -> Camera:
    name = element.get("serial") or f"camera {index}"
    transform, lens = (_Attributes(path, name, element, tag) for tag in ("transform", "intrinsic"))
    r = np.array([[transform.number(f"r{i}{j}") for j in (1, 2, 3)] for i in (1, 2, 3)])
    center_mm = np.array([transform.number(axis) for axis in "xyz"])
    view = _Attributes(path, name, element, "fov_video")
    left, top = view.number("left"), view.number("top")
    size = [view.number("right") - left + 1, view.number("bottom") - top + 1]
    sensor_K = np.array(
        [
            [lens.number("focalLengthU"), lens.number("skew", 0.0), lens.number("centerPointU")],
            [0, lens.number("focalLengthV"), lens.number("centerPointV")],
            [0, 0, _PER_PIXEL],
        ]
    )
    corner = np.array([[0, 0, left], [0, 0, top], [0, 0, 0]])
    # "tangental" is how the file spells it.
    keys = ["radialDistortion1", "radialDistortion2", "tangentalDistortion1"]
    keys += ["tangentalDistortion2", "radialDistortion3"]
    R = _FLIP @ r
    return make_camera(
        path,
        name,
        K=sensor_K / _PER_PIXEL - corner,
        distortion=np.array([lens.number(key, 0.0) for key in keys]),
        R=R,
        t_mm=-R @ center_mm,
        size_px=Node(path, f"{name}.fov_video", size).size_px(),
    )


class _Attributes:
    """The numbers of one element of a camera."""

    def __init__(self, path: Path, camera: str, element: ET.Element[Any], tag: str) -> None:
        child = element.find(tag)
        if child is None:
            raise DataError(
                path, f"{camera}.{tag}", expected="this element", found="none", remedy=_REMEDY
            )
        self._values = child.attrib
        self._place = f"{camera}.{tag}"
        self._path = path

    def number(self, key: str, default: float | None = None) -> float:
        text = self._values.get(key)
        if text is None and default is not None:
            return default
        node = Node(self._path, f"{self._place}.{key}", text)
        try:
            value = float(text or "")
        except ValueError:
            node.refuse("a number", remedy=_REMEDY)
        return Node(self._path, node.field, value).number()
