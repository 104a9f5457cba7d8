"""Which time stamps a video presents, in order: the bridge from a frame's index to its picture.

A frame is found by its presentation time stamp (PTS), never by counting from the frame rate: with
B-frames packets lie in another order than pictures, with an edit list some packets are never
presented, a stream may start at any time, and a variable rate has no grid. So the file is demuxed
once (nothing is decoded but the first pictures), and the sorted stamps of the presented packets
are the index. That reads the whole file, hence a cache on disk, keyed by path, size and time.

AVI, MPEG program streams and bare H.264 have no stamps that can be trusted. Then all is decoded
once to learn in which order the packets' pictures come out, and that order serves as the stamps.

Frame 0 is the first picture that a player shows. ffmpeg extracts exactly these pictures with
``-fps_mode passthrough``; its default for ``frame_%06d.jpg`` repeats or drops pictures where the
rate varies, so that pictures extracted without it from such a video count differently.
"""

from __future__ import annotations

import contextlib
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
}
_PROVEN = 24  # pictures decoded to see whether the stamps are those of the pictures
_ORDER_ONLY = {"skip_idct": "all", "skip_loop_filter": "all"}  # twice as fast; the order remains
_MAGIC = b"TLVIDX2\n"
_FPS_UNIT = 1_000_000
_HEADER = struct.Struct("<8sI9q")


@dataclass(frozen=True, slots=True)
class VideoIndex:
    """The presented pictures of a video stream.

    Attributes:
        pts: (N,) int64 ascending, in the stream's time base.
        key_pts: (K,) int64 ascending; stamps of the key packets, presented or not.
        key_dts: (K,) int64; their decoding stamps, which is what a demuxer seeks by.
        size_px: (width, height) as stored; a rotation tag is ignored.
        fps: average frames a second; 0.0 where unknown.
        ranks: empty where stamps can be trusted. Else (M,) int64: for each packet of the file the
            place of its picture in presentation, -1 where none came out of it, and `pts` is
            0 … N - 1.
        packet_dts: (M,) int64 ascending, by which a packet of a file with `ranks` is recognised
            after a seek; empty where it cannot be.
    """

    pts: NDArray[np.int64]
    key_pts: NDArray[np.int64]
    key_dts: NDArray[np.int64]
    size_px: tuple[int, int]
    fps: float
    ranks: NDArray[np.int64]
    packet_dts: NDArray[np.int64]

    def index_of(self, pts: int) -> int | None:
        """The frame presented at this stamp."""
        row = int(np.searchsorted(self.pts, pts))
        return row if row < len(self.pts) and self.pts[row] == pts else None

    def packet_of(self, dts: int | None) -> int | None:
        """Place in the file of the packet with this decoding stamp, where that can be told."""
        if dts is None:
            return None
        row = int(np.searchsorted(self.packet_dts, dts))
        return row if row < len(self.packet_dts) and self.packet_dts[row] == dts else None

    def key_before(self, pts: int) -> int:
        """Row of the last key packet presented at or before this stamp (0 where there is none)."""
        return max(0, int(np.searchsorted(self.key_pts, pts, side="right")) - 1)


def open_video(
    path: Path, options: dict[str, str] | None = None
) -> tuple[InputContainer, VideoStream]:
    """Open a file and choose its video stream, with one decoding thread.

    One thread, for the cameras are decoded beside each other, and frame threads would add a delay
    to every jump.

    Args:
        path: the file.
        options: of the decoder.

    Raises:
        DataError: not a video that can be decoded.
    """
    try:
        container = av.open(str(path), options=dict(_OPTIONS))
    except (OSError, FFmpegError, ValueError) as error:
        found = "a folder" if path.is_dir() else getattr(error, "strerror", None) or str(error)
        raise _not_a_video(path, found) from error
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
    context.options = {"max_pixels": str(MAX_PIXELS), **(options or {})}
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
        with contextlib.suppress(OSError):  # a project opened read-only works without
            _save(cached, status, index)
    return index


@dataclass(frozen=True, slots=True)
class _Packets:
    """What a demuxer says of every packet, in the file's order; None where it says nothing."""

    pts: list[int | None]
    dts: list[int | None]
    keys: list[int]
    discarded: set[int]

    def presented(self) -> NDArray[np.int64] | None:
        """Sorted stamps of the presented packets; None unless each has its own."""
        stamps = [pts for k, pts in enumerate(self.pts) if k not in self.discarded]
        known = [pts for pts in stamps if pts is not None]
        pts = np.unique(np.array(known, np.int64))
        return pts if len(pts) == len(stamps) else None


def _read_packets(container: InputContainer, stream: VideoStream) -> _Packets:
    found = _Packets([], [], [], set())
    with contextlib.suppress(FFmpegError):  # a file that was cut off: what there is up to here
        for packet in container.demux(stream):
            if packet.size == 0:  # the flush at the end
                continue
            if packet.is_keyframe:
                found.keys.append(len(found.pts))
            if packet.is_discard:
                found.discarded.add(len(found.pts))
            found.pts.append(packet.pts)
            found.dts.append(packet.dts)
    return found


def _demux(path: Path) -> VideoIndex:
    container, stream = open_video(path)
    with container:
        packets = _read_packets(container, stream)
        fps = float(stream.average_rate) if stream.average_rate else 0.0
        size = (stream.codec_context.width, stream.codec_context.height)
    if not packets.pts:
        raise _not_a_video(path, "no picture")
    pts = _proven(packets.presented(), path)
    none = np.empty(0, np.int64)
    if pts is None:
        ranks = _presentation_ranks(path, len(packets.pts))
        pts = np.arange(int(ranks.max()) + 1)
        dts = np.array([-1 if d is None else d for d in packets.dts], np.int64)
        packet_dts = dts if bool((np.diff(dts) > 0).all()) else none
        stamps: list[int | None] = [int(rank) if rank >= 0 else None for rank in ranks]
    else:
        ranks, packet_dts, stamps = none, none, packets.pts
    keys: list[tuple[int, int]] = []
    for k in packets.keys:
        key_pts, key_dts = stamps[k], packets.dts[k]
        if key_pts is not None:
            keys.append((key_pts, key_pts if key_dts is None else key_dts))
    if not keys:
        raise _not_a_video(path, "no picture")
    key_rows = np.array(sorted(keys), np.int64)
    return VideoIndex(
        pts, key_rows[:, 0].copy(), key_rows[:, 1].copy(), size, fps, ranks, packet_dts
    )


def _proven(pts: NDArray[np.int64] | None, path: Path) -> NDArray[np.int64] | None:
    """The stamps from the first decodable picture on; None where pictures bear other stamps.

    A stream cut out of a longer one may begin with packets that need pictures before it; no player
    shows them.
    """
    if pts is None:
        return None
    container, stream = open_video(path)
    seen: list[int | None] = []
    with container, contextlib.suppress(FFmpegError):
        for frame in container.decode(stream):
            seen.append(frame.pts)
            if len(seen) >= _PROVEN:
                break
    if not seen:
        raise _not_a_video(path, "no picture")
    if seen[0] is None:
        return None
    pts = pts[pts >= seen[0]]
    return pts if seen == pts[: len(seen)].tolist() else None


def _presentation_ranks(path: Path, num_packets: int) -> NDArray[np.int64]:
    """Decode everything, each packet's place as its stamp, to see in which order they come out."""
    container, stream = open_video(path, _ORDER_ONLY)
    order: list[int] = []
    with container:
        place = 0
        with contextlib.suppress(FFmpegError):
            for packet in container.demux(stream):
                if packet.size:
                    packet.pts = place
                    place += 1
                with contextlib.suppress(FFmpegError):  # a damaged packet; the others are read
                    frames = stream.codec_context.decode(packet if packet.size else None)
                    order += [frame.pts for frame in frames if frame.pts is not None]
    if not order or len(set(order)) < len(order) or max(order) >= num_packets:
        raise _without_stamps(path, "none that tell the pictures apart")
    ranks = np.full(num_packets, -1, np.int64)
    ranks[order] = np.arange(len(order))
    return ranks


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
    magic, checksum, size, mtime, width, height, fps_n, *lengths = _HEADER.unpack_from(data)
    body = data[_HEADER.size :]
    frames, keys, ranks, dts = lengths
    sound = (
        magic == _MAGIC
        and (size, mtime) == (status.st_size, status.st_mtime_ns)
        and len(body) == 8 * (frames + 2 * keys + ranks + dts)
        and checksum == zlib.crc32(data[12:])
    )
    if not sound:
        return None
    values = np.frombuffer(body, "<i8").astype(np.int64)
    arrays = np.split(values, np.cumsum([frames, keys, keys, ranks]))
    pts, key_pts, key_dts, rank_of, packet_dts = arrays
    fps = fps_n / _FPS_UNIT
    return VideoIndex(pts, key_pts, key_dts, (width, height), fps, rank_of, packet_dts)


def _save(cached: Path, status: os.stat_result, index: VideoIndex) -> None:
    arrays = (index.pts, index.key_pts, index.key_dts, index.ranks, index.packet_dts)
    counts = (len(index.pts), len(index.key_pts), len(index.ranks), len(index.packet_dts))
    fps_n = round(index.fps * _FPS_UNIT)
    numbers = (status.st_size, status.st_mtime_ns, *index.size_px, fps_n, *counts)
    body = np.concatenate(arrays).astype("<i8").tobytes()
    unsigned = _HEADER.pack(_MAGIC, 0, *numbers)[12:] + body
    cached.parent.mkdir(parents=True, exist_ok=True)
    temporary = cached.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_bytes(_MAGIC + struct.pack("<I", zlib.crc32(unsigned)) + unsigned)
    temporary.replace(cached)
