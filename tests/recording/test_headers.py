"""Pictures that lie about themselves are refused before a decoder sees them."""

import struct
import time
import zlib

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.recording.cv import MAX_PIXELS, cv2
from core.recording.errors import UnreadableImageError
from core.recording.headers import read_header
from core.recording.pictures import decode_image
from tests.recording.painted import number_in, paint


def encoded(suffix: str, number: int = 1234, *, progressive: bool = False) -> bytes:
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)] if suffix == ".jpg" else []
    return cv2.imencode(suffix, paint(number)[..., ::-1], options)[1].tobytes()


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png(width: int, height: int, *chunks: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_sound_picture_tells_its_size(suffix: str, progressive: bool) -> None:
    data = encoded(suffix, progressive=progressive)
    header = read_header(data, "x")
    assert (header.kind, header.size_px) == (suffix[1:].replace("jpg", "jpeg"), (192, 96))
    assert number_in(decode_image(data, "x")) == 1234


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.8, 0.999])
def test_a_cut_off_picture_is_refused(suffix: str, share: float) -> None:
    data = encoded(suffix)
    with pytest.raises(UnreadableImageError, match=r"cam/f_7"):
        read_header(data[: int(len(data) * share)], "cam/f_7")


def test_a_thumbnails_end_is_not_taken_for_the_pictures() -> None:
    data = encoded(".jpg")
    thumbnail = b"Exif\x00\x00\xff\xd8\xff\xd9"
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    whole = data[:2] + segment + data[2:]
    assert read_header(whole, "x").size_px == (192, 96)
    with pytest.raises(UnreadableImageError, match="cut off"):
        read_header(whole[:-200], "x")


def test_a_chunk_longer_than_the_file_is_refused_without_memory() -> None:
    data = bytearray(encoded(".png"))
    position = data.index(b"IDAT") - 4
    data[position : position + 4] = struct.pack(">I", 0x7FFFFFF0)
    before = psutil.Process().memory_info().rss
    started = time.perf_counter()
    with pytest.raises(UnreadableImageError, match="IDAT"):
        decode_image(bytes(data), "x")
    assert time.perf_counter() - started < 0.5
    assert psutil.Process().memory_info().rss - before < 64 << 20


def test_a_small_file_of_a_huge_picture_is_refused_without_memory() -> None:
    rows = zlib.compress(bytes(1000 * 30001), 9)
    data = png(30000, 30000, chunk(b"IDAT", rows), chunk(b"IEND", b""))
    before = psutil.Process().memory_info().rss
    with pytest.raises(UnreadableImageError, match="30000 x 30000"):
        decode_image(data, "x")
    assert psutil.Process().memory_info().rss - before < 64 << 20


def test_a_huge_jpeg_is_refused() -> None:
    data = bytearray(encoded(".jpg"))
    position = data.index(b"\xff\xc0") + 5
    data[position : position + 4] = struct.pack(">HH", 65000, 65000)
    with pytest.raises(UnreadableImageError, match="65000 x 65000"):
        decode_image(bytes(data), "x")


@pytest.mark.parametrize("size", [(0, 0), (0, 50), (50, 0)])
def test_an_empty_size_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(UnreadableImageError, match="size"):
        read_header(png(*size, chunk(b"IEND", b"")), "x")


def test_damage_inside_a_png_is_refused() -> None:
    data = bytearray(encoded(".png"))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(UnreadableImageError, match="checksum"):
        read_header(bytes(data), "x")


@pytest.mark.parametrize("data", [b"", b"GIF89a" + bytes(50), b"<html>", b"\xff\xd8\xff"])
def test_other_kinds_are_refused(data: bytes) -> None:
    with pytest.raises(UnreadableImageError):
        decode_image(data, "x")


@settings(deadline=None, max_examples=150)
@given(
    suffix=st.sampled_from([".jpg", ".png"]),
    place=st.floats(0, 1, exclude_max=True),
    damage=st.binary(min_size=1, max_size=6),
)
def test_any_damage_gives_a_picture_of_sane_size_or_a_clear_error(
    suffix: str, place: float, damage: bytes
) -> None:
    data = bytearray(encoded(suffix))
    start = int(place * len(data))
    data[start : start + len(damage)] = damage
    try:
        picture = decode_image(bytes(data), "x", (64, 32))
    except UnreadableImageError:
        return
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    assert picture.size <= 64 * 32 * 3


@settings(deadline=None, max_examples=150)
@given(st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"]), st.binary(max_size=200))
def test_any_bytes_give_a_header_or_a_clear_error(start: bytes, rest: bytes) -> None:
    try:
        header = read_header(start + rest, "x")
    except UnreadableImageError:
        return
    assert header.size_px[0] * header.size_px[1] <= MAX_PIXELS
