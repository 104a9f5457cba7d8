"""A folder of numbered pictures as a sequence of frames.

The number in a name decides the frame, never the position in the listing: a gap is a missing
frame, and every later picture stays where it belongs. The folder is listed once, when opened.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from core.errors import DataError
from core.recording.errors import MissingFrameError, UnreadableImageError
from core.recording.headers import read_header
from core.recording.pictures import decode_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from core.recording.pictures import Layout, Size
    from core.recording.sources import FolderSpec

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
_MAX_FRAMES = 10_000_000  # 4.6 days at 25 frames a second; beyond it, numbers are time stamps
_MAX_FILE_BYTES = 1 << 29
_PROBES = 8  # pictures looked at to learn the size, if the first ones are damaged
_DIGITS = re.compile(r"(\d+)")
_PLACEHOLDER = re.compile(r"%(?:0(\d+))?d")


def is_image_name(name: str) -> bool:
    """Whether a file of this name is a picture of ours; hidden files are not."""
    return name[-5:].lower().endswith(IMAGE_SUFFIXES) and name[0] != "."


def number_names(names: Iterable[str], pattern: str, source: str) -> dict[int, str]:
    """The number of each picture, from its name.

    Args:
        names: file names of pictures.
        pattern: as `FolderSpec.pattern`; names that do not fit it are left out. Empty: the number
            is the one run of digits in which the names differ (the last one of a lone name).
        source: the folder, for the message.

    Raises:
        DataError: two pictures with one number, or no telling which digits are the number.
    """
    found = sorted(names)
    even = _number_even_names(found) if not pattern else None
    if even is not None:
        return dict(zip(even.tolist(), found, strict=True))
    regex = _pattern_regex(pattern, source) if pattern else _guess_regex(found, source)
    numbered: dict[int, str] = {}
    for name in found:
        match = regex.fullmatch(name)
        if match is None:
            continue
        number = int(match[1])
        if number in numbered:
            raise DataError(
                source,
                f"frame number {number}",
                expected="one picture for each number",
                found=f"{numbered[number]} and {name}",
                remedy="Remove one of them, or give a pattern such as frame_%06d.jpg.",
            )
        numbered[number] = name
    return numbered


def _pattern_regex(pattern: str, source: str) -> re.Pattern[str]:
    places = list(_PLACEHOLDER.finditer(pattern))
    if len(places) != 1:
        raise DataError(
            source,
            "pattern",
            expected="one %d or %06d in the place of the number",
            found=repr(pattern),
            remedy="Write the pattern as ffmpeg does, such as frame_%06d.jpg.",
        )
    place = places[0]
    digits = rf"(\d{{{int(place[1])},}})" if place[1] else r"(\d+)"
    head, tail = pattern[: place.start()], pattern[place.end() :]
    return re.compile(re.escape(head) + digits + re.escape(tail), re.ASCII)


def _number_even_names(names: list[str]) -> NDArray[np.int64] | None:
    """The numbers of names of one length that differ in one run of digits, the common case.

    Done on all names at once: 67,000 of them take 30 ms, and 300 one by one.

    Returns:
        One number for each name; None where names differ in length or elsewhere.
    """
    lengths = set(map(len, names))
    if len(names) < 2 or len(lengths) != 1 or not all(map(str.isascii, names)):
        return None
    text = "".join(names).encode("ascii")
    table = np.frombuffer(text, np.uint8).reshape(len(names), lengths.pop())
    changing = np.flatnonzero((table != table[0]).any(axis=0))
    digit = (table >= ord("0")) & (table <= ord("9"))
    whole = np.asarray(digit.all(axis=0))  # columns of digits in every name
    dot = names[0].rfind(".")
    start, stop = int(changing[0]), int(changing[-1]) + 1
    if stop > dot or not whole[start:stop].all():
        return None
    while start > 0 and whole[start - 1]:
        start -= 1
    while stop < dot and whole[stop]:
        stop += 1
    if stop - start > 18:  # more than an int64 holds
        return None
    powers = 10 ** np.arange(stop - start - 1, -1, -1, dtype=np.int64)
    return (table[:, start:stop].astype(np.int64) - ord("0")) @ powers


def _guess_regex(names: list[str], source: str) -> re.Pattern[str]:
    """The commonest shape of name, and in it the one run of digits that changes."""
    split = [_DIGITS.split(name.rsplit(".", 1)[0]) for name in names]
    shapes = Counter(tuple(parts[::2]) for parts in split if len(parts) > 1)
    if not shapes:
        return re.compile(r"(?!)")  # no name has a number: nothing fits
    shape, _ = shapes.most_common(1)[0]
    columns = list(zip(*(p[1::2] for p in split if tuple(p[::2]) == shape), strict=True))
    changing = [k for k, column in enumerate(columns) if len(set(column)) > 1]
    if len(changing) > 1:
        example = names[0]
        raise DataError(
            source,
            "names",
            expected="names that differ in one number only",
            found=f"{len(changing)} numbers that change, as in {example}",
            remedy="Give a pattern such as frame_%06d.jpg.",
        )
    place = changing[0] if changing else len(columns) - 1
    text = re.escape(shape[0])
    for k, column in enumerate(columns):
        text += r"(\d+)" if k == place else re.escape(column[0])
        text += re.escape(shape[k + 1])
    return re.compile(text + r"\.(?:jpe?g|png)", re.IGNORECASE | re.ASCII)


class FolderReader:
    """Reads the pictures of a `FolderSpec`.

    Raises:
        DataError: the folder is not there, holds no numbered picture, or its numbers make no
            sequence.
    """

    fps: float | None = None
    one_at_a_time = False

    def __init__(self, spec: FolderSpec) -> None:
        self._spec = spec
        self._directory = spec.directory
        numbered = number_names(list_images(spec.directory), spec.pattern, str(spec.directory))
        _check_numbers(numbered, spec)
        numbers = np.array(sorted(numbered), np.int64)
        self._names = [numbered[int(number)] for number in numbers]
        self._indices = numbers - spec.first_number
        self._size: Size | None = None
        self._size_known = False

    @property
    def num_frames(self) -> int:
        """One more than the last index that has a picture."""
        return int(self._indices[-1]) + 1

    @property
    def num_pictures(self) -> int:
        """Pictures that are there; less than `num_frames` where the numbering has gaps."""
        return len(self._names)

    @property
    def size_px(self) -> Size | None:
        """Size of the first picture whose header is sound, of the first few."""
        if not self._size_known:
            self._size = self._probe_size()
            self._size_known = True
        return self._size

    def _probe_size(self) -> Size | None:
        for name in self._names[:_PROBES]:
            try:
                path = self._directory / name
                return read_header(_read_bytes(path), str(path)).size_px
            except UnreadableImageError:
                continue
        return None

    def _row(self, index: int) -> int | None:
        row = int(np.searchsorted(self._indices, index))
        return row if row < len(self._names) and self._indices[row] == index else None

    def has(self, index: int) -> bool:
        """Whether a picture carries this index's number."""
        return self._row(index) is not None

    def path_of(self, index: int) -> Path:
        """The file of one frame.

        Raises:
            MissingFrameError: no picture carries its number.
        """
        row = self._row(index)
        if row is None:
            number = index + self._spec.first_number
            raise MissingFrameError(
                self._directory,
                f"frame number {number}",
                expected=f"a picture with number {number} in its name",
                found="none",
                remedy="Extract or copy it; frames after it are not affected.",
            )
        return self._directory / self._names[row]

    def read(
        self,
        index: int,
        size_px: Size | None = None,
        layout: Layout = "rgb",
        cancelled: Callable[[], bool] | None = None,
    ) -> NDArray[np.uint8]:
        """As `PictureReader.read`; a picture is quick, so that `cancelled` is not asked."""
        del cancelled
        path = self.path_of(index)
        return decode_image(_read_bytes(path), str(path), size_px, layout)

    def fingerprint(self, first: int, stop: int) -> str:
        """Digest of the names, sizes and times of the pictures from `first` up to `stop`."""
        digest = hashlib.blake2b(digest_size=16)
        low, high = np.searchsorted(self._indices, [first, stop])
        for row in range(int(low), int(high)):
            name = self._names[row]
            try:
                status = (self._directory / name).stat()
                state = f"{status.st_size} {status.st_mtime_ns}"
            except OSError:
                state = "gone"
            digest.update(f"{self._indices[row]} {name} {state}\n".encode())
        return digest.hexdigest()

    def close(self) -> None:
        """Nothing is held open."""


def list_images(directory: Path) -> list[str]:
    """Names of the pictures in a folder, in no order.

    Raises:
        DataError: not a folder that can be read.
    """
    try:
        with os.scandir(directory) as entries:  # half the time of Path.iterdir
            return [entry.name for entry in entries if is_image_name(entry.name)]
    except OSError as error:
        raise DataError(
            directory,
            expected="a folder of pictures",
            found=error.strerror or str(error),
            remedy="Mount or move the folder back, or relocate the recording.",
        ) from error


def _check_numbers(numbered: dict[int, str], spec: FolderSpec) -> None:
    if not numbered:
        raise DataError(
            spec.directory,
            expected="pictures (.jpg, .jpeg or .png) with their frame number in the name",
            found="none" if not spec.pattern else f"none that fit {spec.pattern}",
            remedy="Name the folder that holds the pictures, or correct the pattern.",
        )
    first, last = min(numbered), max(numbered)
    if first < spec.first_number:
        raise DataError(
            spec.directory,
            "first_number",
            expected=f"at most {first}, the smallest number there ({numbered[first]})",
            found=str(spec.first_number),
            remedy="Set the number of the picture of frame 0.",
        )
    if last - spec.first_number >= _MAX_FRAMES:
        raise DataError(
            spec.directory,
            "numbers",
            expected=f"at most {_MAX_FRAMES:,} frames from number {spec.first_number}",
            found=numbered[last],
            remedy="Rename pictures that carry time stamps to consecutive numbers.",
        )


def _read_bytes(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_FILE_BYTES:
            found = f"{status.st_size} bytes" if stat.S_ISREG(status.st_mode) else "something else"
            raise UnreadableImageError(
                path,
                expected=f"a file of at most {_MAX_FILE_BYTES >> 20} MiB",
                found=found,
                remedy="Copy or extract this picture again.",
            )
        return path.read_bytes()
    except OSError as error:
        raise UnreadableImageError(
            path,
            expected="a file that can be read",
            found=error.strerror or str(error),
            remedy="Check that the disk is mounted and the file may be read.",
        ) from error
