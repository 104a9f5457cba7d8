"""Walking through JSON and TOML that others wrote, with distrust.

A `Node` is a value together with its place in a file. It answers with a value of the type asked
for or raises a `DataError` that names the file and the place, so that readers need no checks of
their own and are total: whatever bytes they are given, a value or a `DataError`.

Traps: numpy turns "1.5" into a number, ragged lists into objects and huge integers into objects;
Python's JSON accepts NaN and Infinity (SportCenter uses NaN) and recurses over nested lists.
"""

from __future__ import annotations

import json
import math
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from core.errors import DataError
from core.geometry.camera import Camera, Rig

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

MAX_TEXT_BYTES = 1 << 30
MAX_IMAGE_SIDE = 65_535
# Far beyond any pixel or millimetre, and small enough that no product of a few overflows.
MAX_MAGNITUDE = 1e12
_REMEDY = "Correct the file, or export it again."


@dataclass(frozen=True, slots=True)
class Node:
    """A value at a place of a file.

    Attributes:
        source: the file.
        field: the place, such as ``ace_3.K``; empty for the whole file.
        value: what stands there.
    """

    source: Path | str
    field: str
    value: Any

    def refuse(self, expected: str, found: str | None = None, remedy: str = _REMEDY) -> NoReturn:
        """Raise the `DataError` of this place; `found` is described from the value by default."""
        raise DataError(
            self.source,
            self.field,
            expected=expected,
            found=describe(self.value) if found is None else found,
            remedy=remedy,
        )

    def __getitem__(self, key: str) -> Node:
        """The entry of a table; refused where it is missing."""
        node = self.get(key)
        if node is None:
            self._at(key).refuse("this entry", "none")
        return node

    def get(self, key: str) -> Node | None:
        """The entry of a table, or None where it is missing."""
        self.table()
        return (
            Node(self.source, self._at(key).field, self.value[key]) if key in self.value else None
        )

    def _at(self, key: str) -> Node:
        return Node(self.source, f"{self.field}.{key}" if self.field else key, None)

    def table(self) -> dict[str, Any]:
        """The value as a table with text keys."""
        if not isinstance(self.value, dict) or not all(isinstance(key, str) for key in self.value):
            self.refuse("a table of names and values")
        return self.value

    def items(self) -> Iterator[tuple[str, Node]]:
        """The entries of a table, in the file's order."""
        for key in self.table():
            yield key, self[key]

    def elements(self) -> list[Node]:
        """The elements of a list."""
        if not isinstance(self.value, list):
            self.refuse("a list")
        return [
            Node(self.source, f"{self.field}[{i}]", element) for i, element in enumerate(self.value)
        ]

    def text(self) -> str:
        """The value as text that is not blank."""
        if not isinstance(self.value, str) or not self.value.strip():
            self.refuse("some text")
        return self.value

    def number(self) -> float:
        """The value as a finite number (up to `MAX_MAGNITUDE`)."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            self.refuse("a number")
        try:
            number = float(self.value)
        except OverflowError:
            self.refuse("a finite number", "a number too large")
        if not abs(number) <= MAX_MAGNITUDE:
            self.refuse(f"a number of up to {MAX_MAGNITUDE:g}")
        return number

    def integer(self, low: int, high: int) -> int:
        """The value as a whole number (1.0 counts as one) from `low` to `high`."""
        number = self.number()
        if number != math.floor(number) or not low <= number <= high:
            self.refuse(f"a whole number from {low} to {high}")
        return int(number)

    def array(self, *shape: int, nan: bool = False) -> NDArray[np.float64]:
        """The value as numbers of this shape, float64.

        Args:
            shape: -1 stands for any length (an empty list fits a shape that starts with -1).
            nan: whether NaN (absent) may occur; infinity and more than `MAX_MAGNITUDE` never may.
        """
        wanted = " x ".join("n" if n < 0 else str(n) for n in shape)
        expected = f"{wanted} numbers"
        if not isinstance(self.value, list | int | float | np.ndarray):
            self.refuse(expected)
        try:
            array = np.array(self.value)
        except (ValueError, OverflowError, RecursionError):
            self.refuse(expected, "lists of unequal lengths, or something else than numbers")
        is_empty = array.shape == (0,) or (isinstance(self.value, np.ndarray) and not array.size)
        if is_empty and shape[0] < 0:
            return np.zeros([max(n, 0) for n in shape])
        if array.dtype.kind not in "iuf":
            self.refuse(expected, "something else than numbers")
        same = array.ndim == len(shape) and all(
            n in (-1, m) for n, m in zip(shape, array.shape, strict=True)
        )
        if not same:
            self.refuse(expected, " x ".join(map(str, array.shape)) or "one number")
        array = array.astype(np.float64)
        if (np.abs(array) > MAX_MAGNITUDE).any() or (not nan and np.isnan(array).any()):
            expected = f"numbers of up to {MAX_MAGNITUDE:g}" + (" or NaN" if nan else "")
            self.refuse(expected, "infinity or more" if nan else "NaN, infinity or more")
        return array

    def vector(self, length: int) -> NDArray[np.float64]:
        """`length` numbers, written as a list, a row [[…]] or a column [[.], [.]]; -1 = any."""
        flat = self.value
        if isinstance(flat, list) and len(flat) == 1 and isinstance(flat[0], list):
            flat = flat[0]
        elif isinstance(flat, list) and all(isinstance(x, list) and len(x) == 1 for x in flat):
            flat = [x[0] for x in flat]
        return Node(self.source, self.field, flat).array(length)

    def size_px(self) -> tuple[int, int]:
        """The value as [width, height] of an image."""
        width, height = self.vector(2)
        sides = [Node(self.source, self.field, float(side)) for side in (width, height)]
        return sides[0].integer(1, MAX_IMAGE_SIDE), sides[1].integer(1, MAX_IMAGE_SIDE)


def describe(value: object) -> str:
    """What a value is, in a few words."""
    if isinstance(value, dict):
        return f"a table with {len(value)} entries"
    if isinstance(value, list):
        return f"a list with {len(value)} elements"
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 1 << 63 else "a very large integer"
    return "nothing (null)" if value is None else str(value)[:40]


def read_bytes(path: Path, max_bytes: int = MAX_TEXT_BYTES) -> bytes:
    """The file's bytes.

    Raises:
        DataError: where it cannot be read or is larger than `max_bytes`.
    """
    remedy = "Check the path, and that you may read the file."
    try:
        size = path.stat().st_size
        if size > max_bytes:
            found = f"{size >> 20} MB"
            raise DataError(
                path, expected=f"up to {max_bytes >> 20} MB", found=found, remedy=_REMEDY
            )
        return path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            path, expected="a readable file", found=_why_unread(path, error), remedy=remedy
        ) from error


def _why_unread(path: Path, error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "a folder"
    if isinstance(error, NotADirectoryError):
        return f"that {path.parent} is no folder"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def read_text(path: Path, max_bytes: int = MAX_TEXT_BYTES) -> str:
    """The file's text (UTF-8, a byte order mark is left out)."""
    try:
        return read_bytes(path, max_bytes).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = f"bytes that are no text (at position {error.start})"
        raise DataError(path, expected="text", found=found, remedy=_REMEDY) from error


def parse_json(path: Path, text: str) -> Node:
    """The JSON value of a file's text; NaN and Infinity are let through to `Node.array`."""
    try:
        return Node(path, "", json.loads(text))
    except (ValueError, RecursionError) as error:
        raise DataError(path, expected="JSON", found=str(error), remedy=_REMEDY) from error


def parse_toml(path: Path, text: str) -> Node:
    """The TOML table of a file's text."""
    try:
        return Node(path, "", tomllib.loads(text))
    except (ValueError, RecursionError) as error:
        raise DataError(path, expected="TOML", found=str(error), remedy=_REMEDY) from error


def read_json(path: Path, max_bytes: int = MAX_TEXT_BYTES) -> Node:
    """The file's JSON value."""
    return parse_json(path, read_text(path, max_bytes))


def read_toml(path: Path, max_bytes: int = MAX_TEXT_BYTES) -> Node:
    """The file's TOML table."""
    return parse_toml(path, read_text(path, max_bytes))


def rotation_matrix(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3) rotation about `vector` (3,) by its length in radians (Rodrigues' formula)."""
    angle = float(np.linalg.norm(vector))
    x, y, z = vector / angle if angle > 0 else vector
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * (cross @ cross)


def make_camera(
    source: Path | str,
    name: str,
    *,
    K: NDArray[np.float64],
    distortion: NDArray[np.float64],
    R: NDArray[np.float64],
    t_mm: NDArray[np.float64],
    size_px: tuple[int, int] | None = None,
) -> Camera:
    """A `Camera` whose refusals name the file; coefficients are padded to a count OpenCV knows."""
    try:
        return Camera(name, K, pad_distortion(distortion), R, t_mm, size_px)
    except DataError as error:
        raise of_file(error, source) from error


def make_rig(source: Path | str, cameras: Sequence[Camera]) -> Rig:
    """A `Rig` of at least one camera whose refusals name the file."""
    if not cameras:
        raise DataError(source, expected="at least one camera", found="none", remedy=_REMEDY)
    try:
        return Rig(tuple(cameras))
    except DataError as error:
        raise of_file(error, source) from error


def of_file(error: DataError, source: Path | str) -> DataError:
    """The same refusal, told of the file that the value was read from."""
    return DataError(
        source, error.field, expected=error.expected, found=error.found, remedy=error.remedy
    )


def pad_distortion(coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coefficients in a count of 0, 4, 5, 8 or 12: zeros change nothing; others are left alone."""
    flat = coefficients.reshape(-1)
    used = len(np.trim_zeros(flat, "b"))
    for count in (0, 4, 5, 8, 12):
        if len(flat) == count:
            return flat
    for count in (4, 5, 8, 12):
        if used <= count:
            return np.concatenate([flat, np.zeros(count)])[:count]
    return flat
