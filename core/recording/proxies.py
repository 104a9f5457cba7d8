"""Building proxies: small copies of all pictures, stopped and resumed at will."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from core.errors import CommandRefusedError
from core.recording.cv import cv2
from core.recording.errors import MissingFrameError, ReadCancelledError, UnreadableImageError
from core.recording.proxy_files import (
    CHUNK_FRAMES,
    camera_directory,
    chunk_fingerprint,
    chunk_path,
    read_chunk,
    write_chunk,
)
from core.recording.recording import open_reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from core.recording.pictures import PictureReader, Size
    from core.recording.recording import Recording

DEFAULT_HEIGHT = 360
_QUALITY = 80
_WORTH_IT = 1.25  # a picture smaller than this times the proxy needs none
_REPORT_S = 0.2
_NICENESS = (
    10  # measured: a window's frame takes 25.7 ms beside such a process, 64.8 beside a plain
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyProgress:
    """How far a build is.

    Attributes:
        done: frames, over all cameras, that have their proxy; those of earlier builds included.
        total: frames of all cameras.
        elapsed_s: since this build began.
        remaining_s: estimate; None until there is one.
        written_bytes: by this build.
    """

    done: int
    total: int
    elapsed_s: float = 0.0
    remaining_s: float | None = None
    written_bytes: int = 0

    @property
    def finished(self) -> bool:
        """Whether every frame has its proxy."""
        return self.done >= self.total


def proxy_size(stored: Size, height: int = DEFAULT_HEIGHT) -> Size | None:
    """Size of a camera's proxies: its shorter side becomes `height`.

    Returns:
        (width, height) with even sides; None where the stored picture is small enough itself.
    """
    scale = height / min(stored)
    if scale * _WORTH_IT > 1:
        return None
    return round(stored[0] * scale / 2) * 2, round(stored[1] * scale / 2) * 2


@dataclass(frozen=True, slots=True)
class _Task:
    """One chunk to be made."""

    camera: str
    reader: PictureReader
    size_px: Size
    chunk: int
    path: Path

    @property
    def frames(self) -> range:
        first = self.chunk * CHUNK_FRAMES
        return range(first, min(first + CHUNK_FRAMES, self.reader.num_frames))

    def is_done(self) -> bool:
        found = read_chunk(self.path, chunk_fingerprint(self.reader, self.chunk))
        return found is not None and found.size_px == self.size_px


class _Build:
    """The state that the workers of one build share."""

    def __init__(
        self, done: int, total: int, progress: Callable[[ProxyProgress], bool] | None
    ) -> None:
        self._progress = ProxyProgress(done=done, total=total)
        self._report = progress
        self._began = time.monotonic()
        self._before = done
        self._reported = 0.0
        self._lock = threading.Lock()
        self.cancelled = False

    @property
    def progress(self) -> ProxyProgress:
        with self._lock:
            return self._progress

    def is_cancelled(self) -> bool:
        return self.cancelled

    def step(self, frames: int, written_bytes: int = 0) -> None:
        """Count frames and bytes, and tell, not more often than is of use."""
        with self._lock:
            now = time.monotonic()
            done = self._progress.done + frames
            elapsed = now - self._began
            made = done - self._before
            left = elapsed / made * (self._progress.total - done) if made else None
            self._progress = replace(
                self._progress,
                done=done,
                elapsed_s=elapsed,
                remaining_s=left,
                written_bytes=self._progress.written_bytes + written_bytes,
            )
            due = now - self._reported >= _REPORT_S or done >= self._progress.total
            if self._report is None or not due or self.cancelled:
                return
            self._reported = now
            self.cancelled = not self._report(self._progress)

    def check_space(self, directory: Path) -> None:
        """Refuse to fill the disk, once the size of a frame is known."""
        progress = self.progress
        made = progress.done - self._before
        needed = progress.written_bytes / max(1, made) * (progress.total - progress.done)
        free = shutil.disk_usage(directory).free
        if needed > free:
            self.cancelled = True
            raise CommandRefusedError(
                f"Proxies need {needed / 1e9:.1f} GB more, and {free / 1e9:.1f} GB are free "
                f"at {directory}; what was built so far is used."
            )

    def make(self, directory: Path, task: _Task) -> None:
        """Make one chunk, or leave when cancelled."""
        if self.cancelled:
            return
        fingerprint = chunk_fingerprint(task.reader, task.chunk)
        pictures: list[bytes] = []
        for index in task.frames:
            if self.cancelled:
                self.step(-len(pictures))  # lost with the chunk
                return
            pictures.append(self._encode(task, index))
            self.step(1)
        written = write_chunk(task.path, fingerprint, task.frames.start, task.size_px, pictures)
        self.step(0, written)
        self.check_space(directory)

    def _encode(self, task: _Task, index: int) -> bytes:
        try:
            bgr = task.reader.read(index, task.size_px, "bgr", self.is_cancelled)
        except (MissingFrameError, UnreadableImageError, ReadCancelledError):
            return b""  # an empty slot: the original tells why
        _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        return data.tobytes()


def build_proxies(
    recording: Recording,
    directory: Path,
    *,
    height: int = DEFAULT_HEIGHT,
    progress: Callable[[ProxyProgress], bool] | None = None,
    around: int = 0,
    workers: int | None = None,
) -> ProxyProgress:
    """Make the proxies of all cameras that are not there yet.

    Args:
        recording: whose pictures; videos are opened a second time, so that nobody waits.
        directory: where proxies are kept; `Recording.attach_proxies` uses them as they come.
        height: of the shorter side, in pixels.
        progress: told about five times a second, from worker threads; False stops the build.
        around: the frame from which on to begin.
        workers: threads; None = all processors but one, four at most.

    Returns:
        How far it came: not `finished` when it was stopped. The next build goes on from there.

    Raises:
        CommandRefusedError: the disk has no room for them.
        OSError: the directory cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    count = workers or max(1, min(4, (os.cpu_count() or 1) - 1))
    opened: list[PictureReader] = []
    try:
        tasks = _plan(recording, directory, height, opened)
        todo = [task for task in tasks if not task.is_done()]
        total = sum(len(task.frames) for task in tasks)
        build = _Build(total - sum(len(task.frames) for task in todo), total, progress)
        build.step(0)
        make = partial(build.make, directory)
        with ThreadPoolExecutor(count, "trilabel-proxies", _lower_priority) as pool:
            for group in _by_chunk(todo, around // CHUNK_FRAMES):
                # One chunk of every camera at a time: each camera's decoder simply goes on.
                list(pool.map(make, group))
        return build.progress
    finally:
        for reader in opened:
            reader.close()


def _plan(
    recording: Recording, directory: Path, height: int, opened: list[PictureReader]
) -> list[_Task]:
    tasks: list[_Task] = []
    for camera in recording.cameras:
        reader, spec = recording.reader(camera), recording.sources[camera]
        if reader is None or spec is None or reader.size_px is None:
            continue
        size = proxy_size(reader.size_px, height)
        if size is None:
            continue
        if reader.one_at_a_time:
            reader = open_reader(spec, recording.cache_directory)
            opened.append(reader)
        folder = camera_directory(directory, camera)
        num_chunks = -(-reader.num_frames // CHUNK_FRAMES)
        tasks += [_Task(camera, reader, size, k, chunk_path(folder, k)) for k in range(num_chunks)]
    return tasks


def _by_chunk(tasks: Sequence[_Task], first: int) -> Iterator[list[_Task]]:
    """Groups of one chunk number, from `first` on, those before it last."""
    for number in sorted({task.chunk for task in tasks}, key=lambda k: (k < first, k)):
        yield [task for task in tasks if task.chunk == number]


def _lower_priority() -> None:
    """Let the window go first; only Linux has a priority for one thread."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


BuilderState = Literal["idle", "running", "done", "stopped", "failed"]


class ProxyBuilder:
    """Runs `build_proxies` in a thread of its own.

    Args:
        recording: whose pictures; it must outlive the builder.
        directory: where proxies are kept.
        on_progress: called from worker threads, about five times a second, and once at the end.
        height: of the shorter side.
        around: the frame from which on to begin.
    """

    def __init__(
        self,
        recording: Recording,
        directory: Path,
        *,
        on_progress: Callable[[ProxyBuilder], None] | None = None,
        height: int = DEFAULT_HEIGHT,
        around: int = 0,
    ) -> None:
        self._recording = recording
        self._directory = directory
        self._on_progress = on_progress
        self._height = height
        self._around = around
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="trilabel-proxies", daemon=True)
        self.progress = ProxyProgress(done=0, total=0)
        self.state: BuilderState = "idle"
        self.failure = ""

    def start(self) -> None:
        """Begin; once only."""
        self.state = "running"
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Stop, and wait until nothing is written any more; harmless when it is over."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def _told(self, progress: ProxyProgress) -> bool:
        self.progress = progress
        if self._on_progress is not None:
            self._on_progress(self)
        return not self._stop.is_set()

    def _run(self) -> None:
        _lower_priority()
        try:
            self.progress = build_proxies(
                self._recording,
                self._directory,
                height=self._height,
                progress=self._told,
                around=self._around,
            )
            self.state = "done" if self.progress.finished else "stopped"
        except (CommandRefusedError, OSError) as error:
            self.state, self.failure = "failed", str(error)
        if self._on_progress is not None:
            self._on_progress(self)
