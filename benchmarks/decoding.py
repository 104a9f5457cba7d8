"""What a set of eight views costs to decode, by source and by the way it is reached.

    python benchmarks/decoding.py [--frames 250] [--keep DIR]

Eight cameras of SportCenter's sizes film a drifting texture, which is stored as JPEGs (quality 95),
as h264 in one long group with B-frames, and as proxies; and, to tell which proxies are worth it,
as 360-line h264 in groups of 12 and as 360-line MJPEG video. Each line is one kind of source:

- cold: the first set after opening, wall time, the page cache warm;
- sequential, jump: the median set, through a `FrameLoader` with its cache emptied: wall time, and
  processor time of all threads.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, cast

import av
import numpy as np

from core.recording import (
    FolderSpec,
    FrameLoader,
    ImageRequest,
    Recording,
    SourceSpec,
    VideoSpec,
    build_proxies,
)
from core.recording.cv import cv2
from core.recording.proxies import proxy_size

if TYPE_CHECKING:
    from av.video.stream import VideoStream

SIZES = (
    *((1376, 992), (1536, 896), (1536, 896), (1328, 1024)),
    *((1392, 928), (1360, 896), (1392, 928), (1392, 928)),
)
JUMPS = 24
STEPS = 48


@dataclass(frozen=True)
class Line:
    """One line of the table, in milliseconds a set of eight views."""

    name: str
    cold: float
    sequential: tuple[float, float]
    jump: tuple[float, float]
    kilobytes: float


class Camera:
    """A drifting texture with a few moving discs and noise; bit rates like a real camera's."""

    def __init__(self, size: tuple[int, int], seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._size = size
        width, height = size
        rough = rng.integers(0, 256, (height // 8, width // 8 + 64, 3), np.uint8)
        wide = (width + 512, height)
        self._wall = cv2.resize(rough, wide, interpolation=cv2.INTER_CUBIC)
        self._noise = rng.normal(0, 3, (height, width + 64, 3)).astype(np.int8)
        self._discs = rng.uniform(0.1, 0.9, (12, 4))

    def picture(self, frame: int) -> np.ndarray:
        """(h, w, 3) BGR."""
        width, height = self._size
        picture = self._wall[:, frame // 4 : frame // 4 + width].copy()
        for x, y, dx, dy in self._discs:
            where = (
                int((x + dx * frame / 100) % 1 * width),
                int((y + dy * frame / 200) % 1 * height),
            )
            cv2.circle(picture, where, 40, (40, 80, 200), -1, cv2.LINE_AA)
        noise = self._noise[:, frame * 7 % 64 :][:, :width]
        return cv2.add(picture, noise, dtype=cv2.CV_8U)


class Writer:
    """A video that is being written."""

    def __init__(self, path: Path, size: tuple[int, int], codec: str, gop: int) -> None:
        self._container = av.open(str(path), "w")
        intra = codec == "mjpeg"
        options = {"qmin": "4", "qmax": "4"} if intra else {"preset": "veryfast", "crf": "23"}
        stream = cast("VideoStream", self._container.add_stream(codec, rate=25, options=options))
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if intra else "yuv420p"
        stream.codec_context.gop_size = gop
        stream.codec_context.max_b_frames = 0 if intra else 2
        self._stream = stream

    def add(self, bgr: np.ndarray) -> None:
        """Append (h, w, 3) BGR."""
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(bgr), format="bgr24")
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Finish the file."""
        self._container.mux(self._stream.encode(None))
        self._container.close()


def make(directory: Path, frames: int) -> None:
    """Write all sources."""
    for camera, size in enumerate(SIZES):
        small = proxy_size(size) or size
        folder = directory / "jpeg" / f"cam{camera}"
        folder.mkdir(parents=True)
        for kind in ("long", "h264_12", "mjpeg"):
            (directory / kind).mkdir(exist_ok=True)
        writers = (
            Writer(directory / "long" / f"cam{camera}.mp4", size, "libx264", 250),
            Writer(directory / "h264_12" / f"cam{camera}.mp4", small, "libx264", 12),
            Writer(directory / "mjpeg" / f"cam{camera}.mov", small, "mjpeg", 1),
        )
        scene = Camera(size, camera)
        for frame in range(frames):
            picture = scene.picture(frame)
            data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
            (folder / f"{frame:06d}.jpg").write_bytes(data.tobytes())
            reduced = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
            for writer, image in zip(writers, (picture, reduced, reduced), strict=True):
                writer.add(image)
        for writer in writers:
            writer.close()
        print(f"made camera {camera + 1} of {len(SIZES)}", flush=True)


def one_set(loader: FrameLoader, recording: Recording, frame: int, small: bool) -> None:
    """Ask for one frame of all views and wait for it."""
    arrived = threading.Semaphore(0)
    requests: list[ImageRequest] = []
    for camera in range(len(recording.cameras)):
        stored = recording.size_px(camera)
        size = proxy_size(stored) if small and stored is not None else None
        requests.append(ImageRequest(camera, frame, size))
    loader.request(requests, lambda _generation, _result: arrived.release())
    for _ in requests:
        arrived.acquire()


def timed(
    loader: FrameLoader, recording: Recording, order: list[int], small: bool
) -> tuple[float, float]:
    """Median wall and processor milliseconds of the sets in this order."""
    walls: list[float] = []
    works: list[float] = []
    for frame in order:
        loader.clear()
        wall, work = time.perf_counter(), time.process_time()
        one_set(loader, recording, frame, small)
        walls.append(1000 * (time.perf_counter() - wall))
        works.append(1000 * (time.process_time() - work))
    return median(walls), median(works)


def measure(
    name: str,
    sources: dict[str, SourceSpec],
    *,
    cache: Path,
    size: int,
    small: bool = True,
    proxies: Path | None = None,
) -> Line:
    """One line of the table."""
    with Recording(sources, cache_directory=cache):
        pass  # the index of a video is made once, when a project is
    began = time.perf_counter()
    with Recording(sources, cache_directory=cache, proxies=proxies) as recording:
        loader = FrameLoader(recording)
        one_set(loader, recording, 3, small)
        cold = 1000 * (time.perf_counter() - began)
        steps = timed(loader, recording, list(range(4, 4 + STEPS)), small)
        order = np.random.default_rng(0).permutation(recording.num_frames)[:JUMPS].tolist()
        jumps = timed(loader, recording, order, small)
        loader.close()
        kilobytes = size / recording.num_frames / len(sources) / 1000
    return Line(name, cold, steps, jumps, kilobytes)


def folders(directory: Path) -> dict[str, SourceSpec]:
    """Cameras of JPEGs."""
    return {path.name: FolderSpec(directory=path) for path in sorted(directory.iterdir())}


def videos(directory: Path) -> dict[str, SourceSpec]:
    """Cameras of videos."""
    return {path.stem: VideoSpec(path=path) for path in sorted(directory.iterdir())}


def bytes_of(directory: Path) -> int:
    """Of all files below."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def lines(directory: Path) -> list[Line]:
    """Measure all sources."""
    cache = directory / "cache"
    jpeg, long = folders(directory / "jpeg"), videos(directory / "long")
    jpeg_size, long_size = bytes_of(directory / "jpeg"), bytes_of(directory / "long")
    found = [
        measure("JPEG, full size", jpeg, cache=cache, size=jpeg_size, small=False),
        measure("JPEG, at 360 lines", jpeg, cache=cache, size=jpeg_size),
        measure("long-group h264, full size", long, cache=cache, size=long_size, small=False),
        measure("long-group h264, at 360 lines", long, cache=cache, size=long_size),
    ]
    for name, sources in (("JPEG", jpeg), ("h264", long)):
        proxies = directory / f"proxies_{name}"
        began = time.perf_counter()
        with Recording(sources, cache_directory=cache) as recording:
            done = build_proxies(recording, proxies)
        taken = time.perf_counter() - began
        print(f"proxies of {name}: {done.written_bytes / 1e6:.0f} MB in {taken:.1f} s, "
              f"{1000 * taken / max(1, done.total):.1f} ms a view")  # fmt: skip
        size = bytes_of(proxies)
        found.append(
            measure(f"proxies of {name}", sources, cache=cache, size=size, proxies=proxies)
        )
    for kind, name in (("h264_12", "360-line h264, groups of 12"), ("mjpeg", "360-line MJPEG")):
        size = bytes_of(directory / kind)
        small = videos(directory / kind)
        found.append(measure(name, small, cache=cache, size=size, small=False))
    return found


def main() -> None:
    """Make the sources, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--frames", type=int, default=250, help="frames a camera (default 250)")
    parser.add_argument("--keep", type=Path, help="make the sources here, or use those made here")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory: Path = told.keep or Path(temporary)
        if not (directory / "jpeg").is_dir():
            make(directory, max(told.frames, STEPS + 8))
        table = lines(directory)
    print(f"\n{'8 views, ms':32}{'cold':>8}{'sequential':>20}{'jump':>20}{'kB a view':>11}")
    print(f"{'':32}{'wall':>8}" + f"{'wall':>10}{'cpu':>10}" * 2)
    for line in table:
        numbers = (line.cold, *line.sequential, *line.jump)
        print(f"{line.name:32}{numbers[0]:8.0f}" + "".join(f"{n:10.1f}" for n in numbers[1:])
              + f"{line.kilobytes:11.1f}")  # fmt: skip


if __name__ == "__main__":
    main()
