"""Which time stamps a video presents, in order: the bridge from a frame's index to its picture.

A frame is found by its presentation time stamp (PTS), never by counting from the frame rate: with
B-frames packets lie in another order than pictures, with an edit list some packets are never
presented, a stream may start at any time, and a variable rate has no grid. So the file is demuxed
once (nothing is decoded but the first picture), and the sorted stamps of the presented packets are
the index. That reads the whole file, hence a cache on disk, keyed by path, size and time.

Frame 0 is the first picture that a player shows. ffmpeg extracts exactly these pictures with
``-fps_mode passthrough``; its default for ``frame_%06d.jpg`` repeats or drops pictures where the
rate varies, so that pictures extracted without it from such a video count differently.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from av.error import FFmpegError

from core.errors import DataError
from core.recording.cv import MAX_PIXELS

if TYPE_CHECKING:
    from pathlib import Path

    from av.container import InputContainer
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

# Demuxers of files that hold their own data. Play lists (hls, concat, dash) are kept out: they
# would make libav open other files, or the network, at the word of a data file.
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,asf,flv,ogg,mxf,h264,hevc,m4v"
_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": _FORMATS,
    "fflags": "+genpts",  # AVI has no PTS: let libav derive them from the order
}
_MAGIC = b"TLVIDX1\n"
_HEADER = struct.Struct("<8sI8q")


@dataclass(frozen=True, slots=True)
class VideoIndex:
    """The presented pictures of a video stream.

    Attributes:
        pts: (N,) int64 ascending, in the stream's time base.
        key_pts: (K,) int64 ascending; stamps of the key packets, presented or not.
        key_dts: (K,) int64; their decoding stamps, which is what a demuxer seeks by.
        size_px: (width, height) as stored; a rotation tag is ignored.
        fps: average frames a second; 0.0 where unknown.
    """

    pts: NDArray[np.int64]
    key_pts: NDArray[np.int64]
    key_dts: NDArray[np.int64]
    size_px: tuple[int, int]
    fps: float

    def index_of(self, pts: int) -> int | None:
        """The frame presented at this stamp."""
        row = int(np.searchsorted(self.pts, pts))
        return row if row < len(self.pts) and self.pts[row] == pts else None

    def key_before(self, pts: int) -> int:
        """Row of the last key packet presented at or before this stamp (0 where there is none)."""
        return max(0, int(np.searchsorted(self.key_pts, pts, side="right")) - 1)


def open_video(path: Path) -> tuple[InputContainer, VideoStream]:
    """Open a file and choose its video stream, with one decoding thread.

    One thread, for the cameras are decoded beside each other, and frame threads would add a delay
    to every jump.

    Raises:
        DataError: not a video that can be decoded.
    """
    try:
        container = av.open(str(path), options=dict(_OPTIONS))
    except (OSError, FFmpegError, ValueError) as error:
        raise _not_a_video(path, str(error)) from error
    stream = container.streams.best("video")
    if stream is None or stream.type != "video":
        container.close()
        raise _not_a_video(path, "no video stream")
    video: Any = stream
    context = video.codec_context
    if context is None:
        container.close()
        raise _not_a_video(path, "a codec that cannot be decoded")
    if not 0 < context.width * context.height <= MAX_PIXELS:
        container.close()
        raise _not_a_video(path, f"pictures of {context.width} x {context.height}")
    context.thread_count = 1
    context.options = {"max_pixels": str(MAX_PIXELS)}
    return container, video


def _not_a_video(path: Path, found: str) -> DataError:
    return DataError(
        path,
        expected="a video that can be decoded",
        found=found,
        remedy="Check the file with a player, or convert it: ffmpeg -i IN -c:v libx264 OUT.mp4.",
    )


def index_video(path: Path, cache_directory: Path | None = None) -> VideoIndex:
    """The index of a video; from the cache where the file has not changed since.

    Args:
        path: the file.
        cache_directory: where indices are kept; None = demux each time.

    Raises:
        DataError: not a video, or one whose pictures have no distinct time stamps.
    """
    if cache_directory is None:
        return _demux(path)
    try:
        status = path.stat()
    except OSError as error:
        raise _not_a_video(path, error.strerror or str(error)) from error
    key = hashlib.blake2b(str(path.resolve()).encode(), digest_size=16).hexdigest()
    cached = cache_directory / f"{key}.videoindex"
    index = _load(cached, status)
    if index is None:
        index = _demux(path)
        _save(cached, status, index)
    return index


def _demux(path: Path) -> VideoIndex:
    container, stream = open_video(path)
    with container:
        stamps: list[int] = []
        keys: list[tuple[int, int]] = []
        try:
            for packet in container.demux(stream):
                if packet.size == 0:  # the flush at the end
                    continue
                if packet.pts is None:
                    raise _without_stamps(path, "a picture without one")
                if packet.is_keyframe:
                    dts = packet.pts if packet.dts is None else packet.dts
                    keys.append((packet.pts, dts))
                if not packet.is_discard:
                    stamps.append(packet.pts)
        except FFmpegError:
            pass  # a file that was cut off: what a player shows are the pictures up to here
        pts = np.unique(np.array(stamps, np.int64))
        if len(pts) < len(stamps):
            raise _without_stamps(path, f"{len(stamps) - len(pts)} that are used twice")
        fps = float(stream.average_rate) if stream.average_rate else 0.0
        size = (stream.codec_context.width, stream.codec_context.height)
    pts = pts[pts >= _first_decodable(path)] if len(pts) else pts
    if not len(pts) or not keys:
        raise _not_a_video(path, "no picture")
    key_pts, key_dts = np.array(sorted(keys), np.int64).T
    return VideoIndex(pts, key_pts.copy(), key_dts.copy(), size, fps)


def _first_decodable(path: Path) -> int:
    """Stamp of the first picture that comes out of the decoder.

    A stream cut out of a longer one may begin with packets that need pictures before it; no player
    shows them.
    """
    container, stream = open_video(path)
    with container:
        try:
            for frame in container.decode(stream):
                if frame.pts is not None:
                    return int(frame.pts)
        except FFmpegError as error:
            raise _not_a_video(path, str(error)) from error
    raise _not_a_video(path, "no picture")


def _without_stamps(path: Path, found: str) -> DataError:
    return DataError(
        path,
        "time stamps",
        expected="a distinct one for every picture",
        found=found,
        remedy="Encode it again: ffmpeg -i IN -fps_mode passthrough -c:v libx264 -crf 16 OUT.mp4.",
    )


def _load(cached: Path, status: os.stat_result) -> VideoIndex | None:
    """The cached index; None where there is none, or none of this very file."""
    try:
        data = cached.read_bytes()
    except OSError:
        return None
    if len(data) < _HEADER.size:
        return None
    magic, checksum, size, mtime, width, height, fps_n, fps_d, frames, keys = _HEADER.unpack_from(
        data
    )
    body = data[_HEADER.size :]
    sound = (
        magic == _MAGIC
        and (size, mtime) == (status.st_size, status.st_mtime_ns)
        and len(body) == 8 * (frames + 2 * keys)
        and checksum == zlib.crc32(data[12:])
    )
    if not sound:
        return None
    values = np.frombuffer(body, "<i8").astype(np.int64)
    pts, key_pts, key_dts = np.split(values, [frames, frames + keys])
    return VideoIndex(pts, key_pts, key_dts, (width, height), fps_n / fps_d if fps_d else 0.0)


def _save(cached: Path, status: os.stat_result, index: VideoIndex) -> None:
    fps_n = round(index.fps * 1_000_000)
    counts = (len(index.pts), len(index.key_pts))
    numbers = (status.st_size, status.st_mtime_ns, *index.size_px, fps_n, 1_000_000, *counts)
    body = np.concatenate([index.pts, index.key_pts, index.key_dts]).astype("<i8").tobytes()
    unsigned = _HEADER.pack(_MAGIC, 0, *numbers)[12:] + body
    cached.parent.mkdir(parents=True, exist_ok=True)
    temporary = cached.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_bytes(_MAGIC + struct.pack("<I", zlib.crc32(unsigned)) + unsigned)
    temporary.replace(cached)
