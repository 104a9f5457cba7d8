"""Pictures and videos whose frame number can be read back from their pixels."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BITS = 12
COLUMNS, ROWS = 6, 2
SIZE = (192, 96)
"""(width, height) of a painted picture: blocks of 32 x 48 pixels."""


def paint(number: int, size_px: tuple[int, int] = SIZE) -> np.ndarray:
    """A picture (h, w, 3) RGB of black and white blocks that spell `number`, slightly noisy."""
    width, height = size_px
    noise = np.random.default_rng(number).integers(0, 24, (height, width, 3), dtype=np.uint8)
    bits = [(number >> k) & 1 for k in range(BITS)]
    grid = np.array(bits, np.uint8).reshape(ROWS, COLUMNS) * 200
    rows = np.arange(height) * ROWS // height
    columns = np.arange(width) * COLUMNS // width
    return noise + grid[rows][:, columns][..., None]


def number_in(picture: np.ndarray) -> int:
    """The number painted into a picture, whatever its size and order of colours."""
    height, width = picture.shape[:2]
    number = 0
    for k in range(BITS):
        row, column = divmod(k, COLUMNS)
        y = int((row + 0.5) * height / ROWS)
        x = int((column + 0.5) * width / COLUMNS)
        dy, dx = max(1, height // 16), max(1, width // 32)
        block = picture[y - dy : y + dy, x - dx : x + dx, :3]
        number |= int(float(block.mean()) > 110) << k
    return number


def write_video(
    path: Path,
    num_frames: int,
    *,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    stamps: list[int] | None = None,
    container_options: dict[str, str] | None = None,
    gop: int = 250,
    b_frames: int = 3,
    size_px: tuple[int, int] = SIZE,
    pix_fmt: str = "yuv420p",
    first: int = 0,
) -> Path:
    """Encode frames first, first + 1, …; `stamps` in 1/1000 s replace 25 frames a second."""
    time_base = Fraction(1, 1000) if stamps else Fraction(1, 25)
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height = size_px
        stream.pix_fmt = pix_fmt
        stream.codec_context.gop_size = gop
        stream.codec_context.max_b_frames = b_frames
        stream.codec_context.time_base = time_base
        stream.codec_context.thread_count = 1
        for k in range(num_frames):
            frame = av.VideoFrame.from_ndarray(paint(first + k, size_px), format="rgb24")
            frame.pts = stamps[k] if stamps else k
            frame.time_base = time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _box(data: bytes, path: str) -> tuple[int, int]:
    """Start and end of the content of a box inside nested boxes, such as moov/trak."""
    start, end = 0, len(data)
    for name in path.split("/"):
        position = start
        while True:
            size, kind = struct.unpack_from(">I4s", data, position)
            if size == 1:
                size = struct.unpack_from(">Q", data, position + 8)[0]
            if kind == name.encode():
                start, end = position + 8, position + size
                break
            position += size
            assert position < end, f"no box {name}"
    return start, end


def shift_edit_list(path: Path, num_frames: int) -> None:
    """Move the start of an MP4's only edit `num_frames` later, as a trimming tool does."""
    data = bytearray(path.read_bytes())
    start, _ = _box(bytes(data), "moov/trak/edts/elst")
    version_flags, entries = struct.unpack_from(">II", data, start)
    assert version_flags >> 24 == 0
    assert entries == 1
    duration, media_time = struct.unpack_from(">Ii", data, start + 8)
    scale = struct.unpack_from(">I", data, _box(bytes(data), "moov/trak/mdia/mdhd")[0] + 12)[0]
    movie_scale = struct.unpack_from(">I", data, _box(bytes(data), "moov/mvhd")[0] + 12)[0]
    duration -= num_frames * movie_scale // 25
    struct.pack_into(">Ii", data, start + 8, duration, media_time + num_frames * scale // 25)
    path.write_bytes(data)


def shorten_edit_list(path: Path, num_frames: int) -> None:
    """End an MP4's only edit `num_frames` earlier."""
    data = bytearray(path.read_bytes())
    start, _ = _box(bytes(data), "moov/trak/edts/elst")
    duration = struct.unpack_from(">I", data, start + 8)[0]
    movie_scale = struct.unpack_from(">I", data, _box(bytes(data), "moov/mvhd")[0] + 12)[0]
    struct.pack_into(">I", data, start + 8, duration - num_frames * movie_scale // 25)
    path.write_bytes(data)
