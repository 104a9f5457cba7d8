"""A video as a sequence of frames, each one exact.

One decoder a camera, which stays where it is: a frame ahead in the same group of pictures is
reached by decoding on, any other by seeking to the key picture before it. Pictures are recognised
by their stamp when they come out, so that a demuxer that lands elsewhere costs time and never a
wrong picture. Traps met:

- a "key" packet need not restart the decoder cleanly (periodic intra refresh, open groups): when
  the wanted stamp never comes out, the search starts again from an earlier key;
- pictures that nothing refers to are skipped on the way to the target, but only those before it:
  what lies after it must be whole when the decoder goes on;
- a rotation tag is not applied: a calibration is made from the stored pixels.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from typing import TYPE_CHECKING

import numpy as np
from av.error import FFmpegError
from av.video.reformatter import Interpolation, VideoReformatter

from core.recording.errors import MissingFrameError, ReadCancelledError, UnreadableImageError
from core.recording.pictures import fitted_size
from core.recording.video_index import index_video, open_video

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

    from core.recording.pictures import Layout, Size
    from core.recording.sources import VideoSpec
    from core.recording.video_index import VideoIndex

_PIXEL_FORMATS: dict[Layout, str] = {"rgb": "rgb24", "bgr": "bgr24", "bgra": "bgra"}
_DECODE_ON = 12  # frames: across a key, this far ahead, decoding on is cheaper than a seek


class _Decoder:
    """An open container and the place where it stands; used under the reader's lock."""

    def __init__(self, path: Path, index: VideoIndex) -> None:
        self._path = path
        self._index = index
        self._container, self._stream = open_video(path)
        self._packets: Iterator[Packet[VideoStream]] = self._container.demux(self._stream)
        self._ready: deque[VideoFrame] = deque()
        self._last_pts: int | None = None  # of the last picture that came out
        self._skip_until: int | None = None  # packets before this key are dropped undecoded
        self._drained = False
        self._place: int | None = 0  # in the file, of the next packet; None = unknown
        self.num_seeks = 0
        self.num_packets = 0

    def close(self) -> None:
        self._container.close()

    def find(self, pts: int, cancelled: Callable[[], bool] | None) -> VideoFrame | None:
        """The picture presented at a stamp; None where no start yields it."""
        key = self._index.key_before(pts)
        if self._can_decode_on(pts, key):
            frame = self._advance(pts, cancelled)
            if frame is not None and not frame.is_corrupt:
                return frame
        back = 0
        while True:
            row = max(0, key - back)
            self._seek(row)
            frame = self._advance(pts, cancelled)
            if frame is not None and not frame.is_corrupt:
                return frame
            if row == 0:
                break
            back = 2 * back + 1
        # From the very start: what a player shows, be it corrupt, or nothing.
        self._reopen()
        return self._advance(pts, cancelled)

    def _can_decode_on(self, pts: int, key: int) -> bool:
        if self._last_pts is None or pts <= self._last_pts:
            return False
        if self._index.key_pts[key] <= self._last_pts:
            return True
        target, here = self._index.index_of(pts), self._index.index_of(self._last_pts)
        return target is not None and here is not None and target - here <= _DECODE_ON

    def _seek(self, key_row: int) -> None:
        """Stand before a key packet, ready to decode it first."""
        wanted = int(self._index.key_pts[key_row])
        for row in range(key_row, -1, -1):
            dts = int(self._index.key_dts[row])
            try:
                self._container.seek(dts, stream=self._stream, backward=True)
            except FFmpegError:  # a bare stream cannot be sought
                break
            self.num_seeks += 1
            self._restart()
            first = self._next_packet()
            if first is None or first.pts is None:
                break
            # A demuxer may land late; then start from an earlier key.
            if first.pts <= wanted:
                self._skip_until = wanted
                self._feed(first, wanted)
                return
        self._reopen()

    def _reopen(self) -> None:
        """A container that cannot be sought begins anew."""
        self._container.close()
        self._container, self._stream = open_video(self._path)
        self._restart()
        self._place = 0

    def _restart(self) -> None:
        self._packets = self._container.demux(self._stream)
        self._ready.clear()
        self._last_pts = None
        self._skip_until = None
        self._drained = False
        self._place = None

    def _advance(self, pts: int, cancelled: Callable[[], bool] | None) -> VideoFrame | None:
        """Decode on until the stamp comes out, or a later one does."""
        while True:
            while self._ready:
                frame = self._ready[0]
                if frame.pts is not None and frame.pts > pts:
                    return None
                self._ready.popleft()
                if frame.pts is not None:
                    self._last_pts = frame.pts
                if frame.pts == pts:
                    return frame
            if self._drained:
                return None
            if cancelled is not None and cancelled():
                raise ReadCancelledError
            self._feed(self._next_packet(), pts)

    def _next_packet(self) -> Packet[VideoStream] | None:
        """The next packet with the stamp of its picture; None at the end."""
        try:
            packet = next(self._packets, None)
        except FFmpegError:  # cut off: what was read so far still comes out
            return None
        if packet is None or not packet.size:
            return None
        ranks = self._index.ranks
        if len(ranks):
            if self._place is None:
                self._place = self._index.packet_of(packet.dts)
            rank = -1
            if self._place is not None and self._place < len(ranks):
                rank = int(ranks[self._place])
                self._place += 1
            packet.pts = rank if rank >= 0 else None
        return packet

    def _feed(self, packet: Packet[VideoStream] | None, pts: int) -> None:
        if packet is not None and self._skip_until is not None:
            if packet.pts != self._skip_until:
                return
            self._skip_until = None
        context = self._stream.codec_context
        early = packet is not None and packet.pts is not None and packet.pts < pts
        context.skip_frame = "NONREF" if early else "DEFAULT"
        self.num_packets += 1
        # After a damaged packet the decoder goes on with the next; `find` sees what is lacking.
        with contextlib.suppress(FFmpegError):
            self._ready.extend(context.decode(packet))
        self._drained = self._drained or packet is None


class VideoReader:
    """Reads the frames of a `VideoSpec`.

    Args:
        spec: the video.
        cache_directory: where its index is kept; None = it is demuxed each time it is opened.

    Raises:
        DataError: not a video that can be decoded.
    """

    one_at_a_time = True

    def __init__(self, spec: VideoSpec, cache_directory: Path | None = None) -> None:
        self._path = spec.path
        self._index = index_video(spec.path, cache_directory)
        status = spec.path.stat()
        self._fingerprint = f"{spec.path.name} {status.st_size} {status.st_mtime_ns}"
        self._lock = threading.Lock()
        self._decoder: _Decoder | None = None
        self._frame: tuple[int, VideoFrame] | None = None  # the last one, for another size of it
        self._reformatter = VideoReformatter()
        self._closed = False

    @property
    def num_frames(self) -> int:
        """Presented pictures."""
        return len(self._index.pts)

    @property
    def fps(self) -> float | None:
        """Average frames a second."""
        return self._index.fps or None

    @property
    def size_px(self) -> Size | None:
        """Size as stored."""
        return self._index.size_px

    @property
    def num_seeks(self) -> int:
        """Seeks so far; stepping forward adds none."""
        return self._decoder.num_seeks if self._decoder else 0

    @property
    def num_packets(self) -> int:
        """Packets decoded so far."""
        return self._decoder.num_packets if self._decoder else 0

    def has(self, index: int) -> bool:
        """Whether the video is that long."""
        return 0 <= index < self.num_frames

    def read(
        self,
        index: int,
        size_px: Size | None = None,
        layout: Layout = "rgb",
        cancelled: Callable[[], bool] | None = None,
    ) -> NDArray[np.uint8]:
        """As `PictureReader.read`; one at a time, the others wait."""
        if not self.has(index):
            raise MissingFrameError(
                self._path,
                f"frame {index}",
                expected=f"a frame from 0 to {self.num_frames - 1}",
                found="the end of the video",
                remedy="This camera stopped earlier than the others.",
            )
        with self._lock:
            return self._convert(self._find(index, cancelled), size_px, layout)

    def _find(self, index: int, cancelled: Callable[[], bool] | None) -> VideoFrame:
        assert not self._closed, "the recording is closed"
        if self._frame is not None and self._frame[0] == index:
            return self._frame[1]
        if self._decoder is None:
            self._decoder = _Decoder(self._path, self._index)
        frame = self._decoder.find(int(self._index.pts[index]), cancelled)
        if frame is None:
            raise UnreadableImageError(
                self._path,
                f"frame {index}",
                expected="a picture that can be decoded",
                found="damaged data",
                remedy="Copy the video again; the other frames are not affected.",
            )
        self._frame = (index, frame)
        return frame

    def _convert(
        self, frame: VideoFrame, size_px: Size | None, layout: Layout
    ) -> NDArray[np.uint8]:
        width, height = fitted_size((frame.width, frame.height), size_px)
        scaled = (width, height) != (frame.width, frame.height)
        picture = self._reformatter.reformat(
            frame,
            width,
            height,
            _PIXEL_FORMATS[layout],
            dst_color_range="JPEG",
            interpolation=Interpolation.AREA if scaled else Interpolation.BILINEAR,
            threads=1,
        )
        return np.ascontiguousarray(picture.to_ndarray(), np.uint8)

    def fingerprint(self, first: int, stop: int) -> str:
        """The file's name, size and time, whatever the frames."""
        del first, stop
        return self._fingerprint

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._closed = True
            self._frame = None
            if self._decoder is not None:
                self._decoder.close()
                self._decoder = None
