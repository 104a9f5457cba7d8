"""Pictures for a window: decoded by workers, the latest request first, the rest forgotten.

A person who scrubs asks for more frames than can be decoded. Each request replaces the one before:
what it still waited for is dropped, and a long decode that nobody waits for any more is broken
off. Only then come the frames around, in the direction of play. What was decoded is kept up to a
number of bytes. For a video one worker decodes at a time; the others take other cameras.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from core.recording.errors import (
    MissingFrameError,
    NoPicturesError,
    ReadCancelledError,
    UnreadableImageError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from core.recording.pictures import Size
    from core.recording.recording import Recording

DEFAULT_CACHE_BYTES = 256 << 20
DEFAULT_REACH = 8
_JOIN_S = 10.0
ImageState = Literal["ok", "missing", "no_pictures", "unreadable"]


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """One picture wanted.

    Attributes:
        camera: index into the recording's cameras.
        frame: 0-based.
        size_px: (width, height) wanted, see `Recording.fitting_size`; None = as stored.
    """

    camera: int
    frame: int
    size_px: Size | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageResult:
    """The answer to a request.

    Attributes:
        request: what was asked.
        image: (height, width, 4) uint8 BGRA, contiguous, read-only, fits QImage.Format_RGB32 with
            ``bytesPerLine = 4 * width``; None unless `state` is ``ok``.
        state: ``missing`` = no picture at this frame, ``no_pictures`` = none of this camera,
            ``unreadable`` = there is one that cannot be decoded.
        detail: why there is no image, as a sentence; empty for ``ok``.
    """

    request: ImageRequest
    image: NDArray[np.uint8] | None
    state: ImageState
    detail: str = ""

    @property
    def camera(self) -> int:
        """Index of the camera."""
        return self.request.camera

    @property
    def frame(self) -> int:
        """0-based frame."""
        return self.request.frame


class _Cache:
    """Results by request, least recently used out first; used under the loader's lock."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.num_bytes = 0
        self._results: OrderedDict[ImageRequest, ImageResult] = OrderedDict()

    def get(self, request: ImageRequest) -> ImageResult | None:
        result = self._results.get(request)
        if result is not None:
            self._results.move_to_end(request)
        return result

    def put(self, result: ImageResult) -> None:
        if result.image is None or result.image.nbytes > self.max_bytes:
            return  # a picture that is not there costs nothing to find out again
        old = self._results.pop(result.request, None)
        if old is not None and old.image is not None:
            self.num_bytes -= old.image.nbytes
        self._results[result.request] = result
        self.num_bytes += result.image.nbytes
        while self.num_bytes > self.max_bytes:
            _, dropped = self._results.popitem(last=False)
            self.num_bytes -= dropped.image.nbytes if dropped.image is not None else 0

    def clear(self) -> None:
        self._results.clear()
        self.num_bytes = 0


@dataclass(frozen=True, slots=True)
class _Job:
    """A request with the generation that waits for it; prefetched frames have none (0)."""

    request: ImageRequest
    generation: int


class FrameLoader:
    """Decodes pictures in the background.

    Args:
        recording: whose pictures; it must outlive the loader.
        cache_bytes: bound of what is kept.
        workers: threads; None = one a processor, eight at most.
    """

    def __init__(
        self,
        recording: Recording,
        *,
        cache_bytes: int = DEFAULT_CACHE_BYTES,
        workers: int | None = None,
    ) -> None:
        self._recording = recording
        self._exclusive = [
            reader is not None and reader.one_at_a_time
            for reader in map(recording.reader, range(len(recording.cameras)))
        ]
        self._cache = _Cache(cache_bytes)
        self._generation = 0
        self._wanted: deque[_Job] = deque()
        self._ahead: deque[_Job] = deque()
        self._running: dict[ImageRequest, int] = {}  # to the number of workers on it
        self._busy: set[int] = set()  # cameras whose decoder is taken
        self._on_ready: Callable[[int, ImageResult], None] | None = None
        self._closed = False
        self._changed = threading.Condition()
        # Held while an answer is handed over, so that none is handed over after its request was
        # replaced. A callback may request again (hence reentrant).
        self._handing_over = threading.RLock()
        count = workers or min(8, os.cpu_count() or 1)
        self._threads = [
            threading.Thread(target=self._work, name=f"trilabel-frames-{k}", daemon=True)
            for k in range(count)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def cached_bytes(self) -> int:
        """Bytes of pictures that are kept now."""
        with self._changed:
            return self._cache.num_bytes

    def cached(self, request: ImageRequest) -> ImageResult | None:
        """The picture, if it can be had without decoding; never waits for a decoder."""
        with self._changed:
            return self._cache.get(request)

    def request(
        self,
        requests: Sequence[ImageRequest],
        on_ready: Callable[[int, ImageResult], None],
    ) -> int:
        """Ask for the pictures on the screen, instead of all that were asked for before.

        Args:
            requests: most wanted first.
            on_ready: called as ``on_ready(generation, result)`` once for each request, from worker
                threads, one call at a time. It must not wait for the thread that calls `request`.
                Never called for a generation that was replaced.

        Returns:
            The generation, ascending from 1.
        """
        with self._handing_over, self._changed:
            assert not self._closed, "the loader is closed"
            self._generation += 1
            self._on_ready = on_ready
            self._wanted = deque(_Job(request, self._generation) for request in requests)
            self._ahead.clear()
            self._changed.notify_all()
            return self._generation

    def prefetch(
        self, requests: Sequence[ImageRequest], *, direction: int = 1, reach: int = DEFAULT_REACH
    ) -> None:
        """Decode the frames around these, once nothing on the screen is waited for.

        Args:
            requests: those on the screen.
            direction: of play, +1 or -1; 0 = standing still, both ways.
            reach: frame sets in each direction; fewer where they would fill half the cache.
        """
        num_frames = self._recording.num_frames
        reach = min(reach, self._reach_in_cache(requests, 2 if direction == 0 else 1))
        steps = list(range(1, reach + 1)) if direction >= 0 else []
        if direction <= 0:
            # Backwards in time, yet upwards in number: a video's decoder then passes them once.
            steps += list(range(-reach, 0))
        jobs = [
            _Job(ImageRequest(request.camera, request.frame + step, request.size_px), 0)
            for step in steps
            for request in requests
            if 0 <= request.frame + step < num_frames
        ]
        with self._changed:
            assert not self._closed, "the loader is closed"
            self._ahead = deque(jobs)
            self._changed.notify_all()

    def _reach_in_cache(self, requests: Sequence[ImageRequest], ways: int) -> int:
        total = 0
        for request in requests:
            size = self._recording.delivered_size(request.camera, request.size_px)
            total += 4 * size[0] * size[1] if size is not None else 0
        return self._cache.max_bytes // 2 // (total * ways) if total else 0

    def clear(self) -> None:
        """Forget what is cached and what was to be read ahead (pictures have changed)."""
        with self._changed:
            self._cache.clear()
            self._ahead.clear()

    def close(self) -> None:
        """Break off, and wait for the workers to leave."""
        with self._changed:
            self._closed = True
            self._wanted.clear()
            self._ahead.clear()
            self._changed.notify_all()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(_JOIN_S)

    def _work(self) -> None:
        while True:
            with self._changed:
                job = self._next_job()
                while job is None:
                    if self._closed:
                        return
                    self._changed.wait()
                    job = self._next_job()
                result = self._cache.get(job.request)
                if result is None:
                    self._begin(job.request)
            if result is None:
                result = self._decode(job)
                with self._changed:
                    self._end(job.request)
                    if result is not None:
                        self._cache.put(result)
                    self._changed.notify_all()
            if result is not None:
                self._hand_over(job, result)

    def _next_job(self) -> _Job | None:
        """The first request that can be worked on now; under the lock."""
        if self._closed:
            return None
        for queue in (self._wanted, self._ahead):
            for job in queue:
                free = job.request.camera not in self._busy and job.request not in self._running
                if free or self._cache.get(job.request) is not None:
                    queue.remove(job)
                    return job
        return None

    def _begin(self, request: ImageRequest) -> None:
        self._running[request] = 1
        if self._exclusive[request.camera]:
            self._busy.add(request.camera)

    def _end(self, request: ImageRequest) -> None:
        del self._running[request]
        self._busy.discard(request.camera)

    def _decode(self, job: _Job) -> ImageResult | None:
        """The answer; None when nobody waits for it any more."""
        request = job.request

        def cancelled() -> bool:
            return self._is_stale(job)

        try:
            image = self._recording.read(
                request.camera,
                request.frame,
                request.size_px,
                layout="bgra",
                cancelled=cancelled,
            )
        except ReadCancelledError:
            return None
        except MissingFrameError as error:
            return ImageResult(request=request, image=None, state="missing", detail=str(error))
        except NoPicturesError as error:
            return ImageResult(request=request, image=None, state="no_pictures", detail=str(error))
        except UnreadableImageError as error:
            return ImageResult(request=request, image=None, state="unreadable", detail=str(error))
        image.setflags(write=False)
        return ImageResult(request=request, image=image, state="ok")

    def _is_stale(self, job: _Job) -> bool:
        """Whether a decode may be broken off: its camera is wanted for another picture."""
        with self._changed:
            if self._closed:
                return True
            if job.generation == self._generation:
                return False
            waiting = [other.request for other in self._wanted]
            if job.request in waiting:
                return False
            return any(request.camera == job.request.camera for request in waiting)

    def _hand_over(self, job: _Job, result: ImageResult) -> None:
        if job.generation == 0:
            return
        with self._handing_over:
            with self._changed:
                current = job.generation == self._generation and not self._closed
                on_ready = self._on_ready if current else None
            if on_ready is not None:
                on_ready(job.generation, result)
