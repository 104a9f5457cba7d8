"""Small copies of the pictures, in chunk files that are written once.

JPEGs, since any of them is decoded by itself: eight views cost about 10 ms, where a jump in a
small-GOP video costs eight times 13 to 44 ms. A chunk holds 256 consecutive frames of one camera,
so that 67,000 frames are 262 files and not 67,000, and so that an interrupted build loses seconds.
Chunks are addressed by the source's own index (a changed offset leaves them right), and carry the
fingerprint of the pictures that they were made from: those of other pictures are never shown. An
empty slot (missing or unreadable picture) sends the reader to the original, which says why.

A chunk: header, then N + 1 offsets of the JPEGs from the file's start, then the JPEGs.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
import threading
from typing import TYPE_CHECKING

import numpy as np

from core.recording.errors import UnreadableImageError
from core.recording.pictures import decode_image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from core.recording.pictures import Layout, PictureReader, Size

CHUNK_FRAMES = 256
_MAGIC = b"TLPROXY1"
_HEADER = struct.Struct("<8s16s4I")  # magic, fingerprint, first, frames, width, height


def camera_directory(directory: Path, camera: str) -> Path:
    """Where a camera's chunks lie: its name, made safe for every file system and unique."""
    safe = re.sub(r"[^A-Za-z0-9_.-]", "_", camera).lstrip(".")
    if safe == camera:
        return directory / safe
    return directory / f"{safe}-{hashlib.blake2b(camera.encode(), digest_size=4).hexdigest()}"


def chunk_path(folder: Path, chunk: int) -> Path:
    """The file of frames 256 * chunk onwards."""
    return folder / f"{chunk:06d}.proxy"


def chunk_fingerprint(reader: PictureReader, chunk: int) -> bytes:
    """16 bytes that change when the pictures of a chunk may have."""
    text = reader.fingerprint(chunk * CHUNK_FRAMES, (chunk + 1) * CHUNK_FRAMES)
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


class Chunk:
    """The table of one chunk file; the pictures stay on the disk."""

    def __init__(self, path: Path, first: int, size_px: Size, offsets: NDArray[np.int64]) -> None:
        self.path = path
        self.first = first
        self.size_px = size_px
        self._offsets = offsets

    def picture(self, index: int) -> bytes | None:
        """The JPEG of one frame; None where there is none."""
        row = index - self.first
        if not 0 <= row < len(self._offsets) - 1:
            return None
        start, stop = int(self._offsets[row]), int(self._offsets[row + 1])
        if start == stop:
            return None
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read(stop - start)


def read_chunk(path: Path, fingerprint: bytes) -> Chunk | None:
    """Open a chunk; None where it is not there, is cut off, or belongs to other pictures."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER.size)
            if len(head) < _HEADER.size:
                return None
            magic, made_from, first, frames, width, height = _HEADER.unpack(head)
            if magic != _MAGIC or made_from != fingerprint or frames > CHUNK_FRAMES:
                return None
            table = file.read(8 * (frames + 1))
            length = os.fstat(file.fileno()).st_size
    except OSError:
        return None
    if len(table) < 8 * (frames + 1):
        return None
    offsets = np.frombuffer(table, "<i8").astype(np.int64)
    sound = offsets[0] == _HEADER.size + len(table) and offsets[-1] == length
    if not sound or bool((np.diff(offsets) < 0).any()):
        return None
    return Chunk(path, first, (width, height), offsets)


def write_chunk(
    path: Path, fingerprint: bytes, first: int, size_px: Size, pictures: Sequence[bytes]
) -> int:
    """Write a chunk in one step: a reader sees all of it or nothing.

    Returns:
        The number of bytes written.
    """
    table_end = _HEADER.size + 8 * (len(pictures) + 1)
    offsets = table_end + np.cumsum([0, *(len(picture) for picture in pictures)])
    head = _HEADER.pack(_MAGIC, fingerprint, first, len(pictures), *size_px)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(head + offsets.astype("<i8").tobytes() + b"".join(pictures))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return int(offsets[-1])


class ProxyReader:
    """One camera's proxies as they are built; safe across threads.

    Args:
        directory: of all cameras' proxies.
        camera: the camera's name.
        original: its own pictures.
    """

    def __init__(self, directory: Path, camera: str, original: PictureReader) -> None:
        self._folder = camera_directory(directory, camera)
        self._original = original
        self._chunks: dict[int, Chunk] = {}
        self._refused: dict[int, int] = {}  # chunk to the time of the file that was not ours
        self._lock = threading.Lock()
        self._size: Size | None = None

    @property
    def size_px(self) -> Size | None:
        """Size of the proxies; None before the first one is known."""
        if self._size is None:
            self._size = self._find_size()
        return self._size

    def _find_size(self) -> Size | None:
        if not self._folder.is_dir():
            return None
        for path in sorted(self._folder.glob("*.proxy"))[:4]:
            if path.stem.isdecimal():
                chunk = self._chunk(int(path.stem))
                if chunk is not None:
                    return chunk.size_px
        return None

    def _chunk(self, number: int) -> Chunk | None:
        with self._lock:
            chunk = self._chunks.get(number)
        if chunk is not None:
            return chunk
        path = chunk_path(self._folder, number)
        try:
            written = path.stat().st_mtime_ns
        except OSError:
            return None  # not built yet
        if self._refused.get(number) == written:
            return None
        chunk = read_chunk(path, chunk_fingerprint(self._original, number))
        with self._lock:
            if chunk is None:
                self._refused[number] = written
            else:
                self._chunks[number] = chunk
                self._size = chunk.size_px
        return chunk

    def read(self, index: int, size_px: Size, layout: Layout) -> NDArray[np.uint8] | None:
        """A picture from the proxies, of exactly the size wanted.

        Returns:
            (height, width, 3 or 4); None where the original has to be read: no proxy yet, a larger
            size is wanted, or there is no picture.
        """
        number = index // CHUNK_FRAMES
        chunk = self._chunk(number)
        if chunk is None or size_px[0] > chunk.size_px[0] or size_px[1] > chunk.size_px[1]:
            return None
        try:
            data = chunk.picture(index)
            return None if data is None else decode_image(data, str(chunk.path), size_px, layout)
        except (OSError, UnreadableImageError):
            # A proxy lost or damaged since it was opened: it can always be made again.
            with self._lock:
                self._chunks.pop(number, None)
            return None
