"""One YAML file per camera as OpenCV's FileStorage writes it, JARVIS' included.

Read by a few expressions rather than by ``cv2.FileStorage``, which aborts on some damaged files and
wants a file name in the system's encoding. The camera's name is the file's.

Traps. JARVIS stores K and R transposed, told by which triangle of K is empty. No unit is written.
Every program has its own names for the same four things.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import DataError
from core.formats.fields import Node, make_camera, make_rig, read_text, rotation_matrix

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from core.geometry.camera import Camera, Rig

MAX_BYTES = 1 << 20
_REMEDY = "Give a folder with one YAML file per camera, with matrix, distortion, R and T."
_SUFFIXES = {".yaml", ".yml"}
_KEYS = {
    "K": ("intrinsicmatrix", "cameramatrix", "intrinsics", "k", "m"),
    "distortion": ("distortioncoefficients", "distcoeffs", "distortion", "dist", "d"),
    "R": ("r", "rotationmatrix", "rotation", "rvec"),
    "T": ("t", "translationvector", "translation", "tvec"),
    "width": ("imagewidth", "width"),
    "height": ("imageheight", "height"),
    "size": ("imagesize", "resolution"),
}
_ENTRY = re.compile(r"^(?P<key>[A-Za-z_][\w .-]*):(?P<body>.*(?:\n(?:[ \t-].*|[ \t]*))*)", re.M)
_FIELD = r"^[ \t]+{}:[ \t]*"


def yaml_files(folder: Path) -> list[Path]:
    """The folder's YAML files by name."""
    try:
        return sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    except OSError as error:
        found = str(error)
        raise DataError(folder, expected="a folder", found=found, remedy=_REMEDY) from error


def rig_from_folder(path: Path) -> Rig:
    """The cameras of a folder's YAML files by name (or of one file), in the files' unit."""
    files = yaml_files(path) if path.is_dir() else [path]
    return make_rig(path, [_camera(file) for file in files])


def _camera(path: Path) -> Camera:
    found = _entries(path, read_text(path, MAX_BYTES))
    stored_K = _required(path, found, "K").array(3, 3)
    is_transposed = bool(np.tril(stored_K, -1).any() and not np.triu(stored_K, 1).any())
    stored_R = _rotation(_required(path, found, "R"))
    distortion = found.get("distortion")
    return make_camera(
        path,
        path.stem,
        K=stored_K.T if is_transposed else stored_K,
        distortion=np.zeros(0) if distortion is None else distortion.vector(-1),
        R=stored_R.T if is_transposed else stored_R,
        t_mm=_required(path, found, "T").vector(3),
        size_px=_size_px(path, found),
    )


def _rotation(node: Node) -> NDArray[np.float64]:
    """A matrix, or the matrix of a rotation vector."""
    is_vector = isinstance(node.value, list) and np.size(np.array(node.value)) == 3
    return rotation_matrix(node.vector(3)) if is_vector else node.array(3, 3)


def _size_px(path: Path, found: dict[str, Node]) -> tuple[int, int] | None:
    if "size" in found:
        return found["size"].size_px()
    if "width" in found and "height" in found:
        both = [found["width"].value, found["height"].value]
        return Node(path, "image_width, image_height", both).size_px()
    return None


def _required(path: Path, found: dict[str, Node], name: str) -> Node:
    if name not in found:
        expected = f"one of {', '.join(_KEYS[name])}"
        raise DataError(path, name, expected=expected, found="none", remedy=_REMEDY)
    return found[name]


def _entries(path: Path, text: str) -> dict[str, Node]:
    """The entries known by any of their names, with matrices as nested lists."""
    found: dict[str, Node] = {}
    for match in _ENTRY.finditer(text.replace("\r\n", "\n")):
        plain = re.sub(r"[^a-z]", "", match["key"].lower())
        for name, keys in _KEYS.items():
            if plain in keys and name not in found:
                found[name] = Node(path, match["key"], _value(path, match["key"], match["body"]))
    return found


def _value(path: Path, key: str, body: str) -> Any:  # noqa: ANN401  (whatever YAML holds)
    if "!!opencv-matrix" not in body:
        numbers = _numbers(body)
        plain = body.strip()
        if "[" in plain:
            return numbers
        return numbers[0] if numbers is not None and len(numbers) == 1 else plain
    shape: list[int] = []
    for name in ("rows", "cols"):
        match = re.search(_FIELD.format(name) + r"(\d{1,4})[ \t]*$", body, re.M)
        if match is None:
            Node(path, f"{key}.{name}", None).refuse("a whole number up to 9999", "none")
        shape.append(int(match[1]))
    data = re.search(_FIELD.format("data") + r"\[([^\]]*)\]", body, re.M)
    numbers = None if data is None else _numbers(data[1])
    if numbers is None or len(numbers) != shape[0] * shape[1]:
        found = "none" if numbers is None else str(len(numbers))
        Node(path, f"{key}.data", None).refuse(f"{shape[0]} x {shape[1]} numbers", found)
    return [numbers[i * shape[1] : (i + 1) * shape[1]] for i in range(shape[0])]


def _numbers(text: str) -> list[float] | None:
    """The numbers of ``[1., 2]`` or of a block of ``- 1.``; None where there is anything else."""
    parts = re.sub(r"^[ \t]*- ", ",", text, flags=re.M).strip(" \t\n[]").split(",")
    try:
        return [
            float(part.strip().replace(".Nan", "nan").replace(".Inf", "inf"))
            for part in parts
            if part.strip()
        ]
    except ValueError:
        return None
