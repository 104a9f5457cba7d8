"""What a JPEG or PNG says about itself, checked before its bytes reach a decoder.

Decoders trust lengths and sizes in the file: a damaged PNG of 43 KB made OpenCV allocate 4.1 GB.
So the skeleton of the file is walked first, in Python and without decoding a pixel. It takes some
microseconds. A file that ends early is refused rather than shown half grey, since an annotator
cannot tell a grey wall from lost bytes.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Literal

from core.recording.cv import MAX_PIXELS
from core.recording.errors import UnreadableImageError

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_SIGNATURE = b"\xff\xd8\xff"
_MAX_IMAGE_SIDE = 65535  # a JPEG can say no more, and no camera is wider
_START_OF_SCAN = 0xDA
_END_OF_IMAGE = 0xD9
_BARE_MARKERS = frozenset({0x01, 0xD8, *range(0xD0, 0xD8)})
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """The kind and size of a picture.

    Attributes:
        kind: ``jpeg`` or ``png``.
        size_px: (width, height) as stored; an EXIF orientation is ignored, for a calibration is
            made from the stored pixels.
    """

    kind: Literal["jpeg", "png"]
    size_px: tuple[int, int]


def read_header(data: bytes | memoryview, source: str) -> ImageHeader:
    """Kind and size of a whole picture, after its structure was found sound.

    Args:
        data: all bytes of the file.
        source: the file's name, for the message.

    Raises:
        UnreadableImageError: neither JPEG nor PNG, cut off, damaged, or too large.
    """
    view = bytes(data) if isinstance(data, memoryview) else data
    if view.startswith(_PNG_SIGNATURE):
        header = ImageHeader("png", _png_size(view, source))
    elif view.startswith(_JPEG_SIGNATURE):
        header = ImageHeader("jpeg", _jpeg_size(view, source))
    else:
        raise _unreadable(source, "", "a JPEG or PNG picture", _describe_start(view))
    _check_size(header.size_px, source)
    return header


def _unreadable(source: str, field: str, expected: str, found: str) -> UnreadableImageError:
    remedy = "Copy or extract this picture again."
    return UnreadableImageError(source, field, expected=expected, found=found, remedy=remedy)


def _describe_start(data: bytes) -> str:
    return f"a file that starts with {data[:8].hex(' ')}" if data else "an empty file"


def _check_size(size_px: tuple[int, int], source: str) -> None:
    width, height = size_px
    if not (0 < width <= _MAX_IMAGE_SIDE and 0 < height <= _MAX_IMAGE_SIDE):
        raise _unreadable(source, "size", f"1 to {_MAX_IMAGE_SIDE} pixels a side", f"{size_px}")
    if width * height > MAX_PIXELS:
        limit = f"at most {MAX_PIXELS // 1_000_000} million pixels"
        raise _unreadable(source, "size", limit, f"{width} x {height}")


def _png_size(data: bytes, source: str) -> tuple[int, int]:
    """Walk the chunks (PNG specification, section 5): lengths, order of the ends, checksums."""
    view = memoryview(data)
    position = len(_PNG_SIGNATURE)
    size: tuple[int, int] | None = None
    while True:
        if position + 12 > len(data):
            raise _unreadable(source, "IEND", "the closing chunk", "the end of the file")
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        name = kind.decode("latin-1")
        if end > len(data):
            left = len(data) - position - 12
            raise _unreadable(
                source, f"chunk {name!r}", f"at most {left} bytes, to the file's end", f"{length}"
            )
        if zlib.crc32(view[position + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise _unreadable(source, f"chunk {name!r}", "its checksum", "another one")
        if size is None:
            size = _png_first_chunk(data, kind, length, source)
        if kind == b"IEND":
            return size
        position = end


def _png_first_chunk(data: bytes, kind: bytes, length: int, source: str) -> tuple[int, int]:
    if kind != b"IHDR" or length != 13:
        raise _unreadable(source, "first chunk", "IHDR of 13 bytes", f"{kind!r} of {length}")
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _jpeg_size(data: bytes, source: str) -> tuple[int, int]:
    """Walk the segments (ITU-T T.81, annex B) up to the scan, and find the image's end after it."""
    position = 2
    size: tuple[int, int] | None = None
    while True:
        marker, position = _next_marker(data, position, source)
        if marker == _END_OF_IMAGE:
            raise _unreadable(source, "scan", "picture data", "the end of the image")
        if position + 2 > len(data):
            raise _cut_off(source)
        length = int.from_bytes(data[position : position + 2], "big")
        if length < 2 or position + length > len(data):
            left = len(data) - position
            raise _unreadable(
                source, f"segment FF{marker:02X}", f"2 to {left} bytes", f"{length} bytes"
            )
        if marker in _START_OF_FRAME:
            size = _jpeg_frame_size(data, position, length, source)
        position += length
        if marker == _START_OF_SCAN:
            break
    if size is None:
        raise _unreadable(source, "size", "a frame header before the scan", "none")
    # Scan data escapes FF, so that this marker cannot stand inside; a thumbnail's lies before.
    if data.rfind(b"\xff\xd9", position) < 0:
        raise _cut_off(source)
    return size


def _cut_off(source: str) -> UnreadableImageError:
    return _unreadable(source, "end", "an end-of-image marker", "a file that was cut off")


def _next_marker(data: bytes, position: int, source: str) -> tuple[int, int]:
    """The next marker that carries a length, and the position of that length."""
    while position + 1 < len(data):
        if data[position] != 0xFF:
            found = f"byte {data[position]:02X} at {position}"
            raise _unreadable(source, "segment", "a marker (FF)", found)
        marker = data[position + 1]
        if marker == 0xFF:  # padding before a marker
            position += 1
        elif marker in _BARE_MARKERS:
            position += 2
        else:
            return marker, position + 2
    raise _cut_off(source)


def _jpeg_frame_size(data: bytes, position: int, length: int, source: str) -> tuple[int, int]:
    components = data[position + 7] if length >= 8 else 0
    if components not in (1, 3, 4) or length != 8 + 3 * components:
        found = f"{components} colour components in {length} bytes"
        raise _unreadable(source, "frame header", "1, 3 or 4 colour components", found)
    height, width = struct.unpack_from(">HH", data, position + 3)
    return width, height
