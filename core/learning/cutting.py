"""From recordings to un-augmented crops: read, cut, keep.

A picture costs far more to decode than its crops to cut (8.8 ms against 0.1 at 1080p), so that it
is decoded once for all its people, and its crops are kept in the cache, wide enough to be varied.
No decoder at hand yields a part of a JPEG or a video frame without decoding the whole.

A view without a picture (a gap in the recording, a camera without any) is a view in which nobody
is seen; one whose picture is damaged is so too, and stands in `problems`.
"""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from core.errors import DataError
from core.learning.cache import CropCache
from core.learning.crops import WIDE_MARGIN, CropShape, composed, cut, stored_from_raw
from core.learning.shards import KEY_BYTES
from core.recording.errors import MissingFrameError, NoPicturesError, UnreadableImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path
    from typing import TypeAlias

    from numpy.typing import NDArray

    from core.learning.data import Group, GroupList, PoseData, PoseRecording

    Picture: TypeAlias = NDArray[np.uint8]
    Progress: TypeAlias = Callable[[int, int], bool]

_NUM_PROBES = 60


class FramePictures:
    """The decoded pictures of one frame of a recording, each decoded when first asked for."""

    def __init__(self, recording: PoseRecording, frame: int, problems: dict[str, str]) -> None:
        self.frame = frame
        self._recording = recording
        self._problems = problems
        self._pictures: dict[int, Picture | None] = {}

    def get(self, camera: int) -> Picture | None:
        """The camera's picture (h, w, 3) RGB; None where there is none that can be read."""
        if camera not in self._pictures:
            self._pictures[camera] = self._read(camera)
        return self._pictures[camera]

    def map_from_raw(self, camera: int, size_px: tuple[int, int]) -> NDArray[np.float64]:
        """(2, 3) stored pixels from raw ones, for a picture of this (width, height)."""
        return stored_from_raw(self._recording.rig[camera], size_px)

    def _read(self, camera: int) -> Picture | None:
        try:
            picture = self._recording.read(camera, self.frame)
        except (MissingFrameError, NoPicturesError):
            return None
        except UnreadableImageError as error:
            self._problems[error.source] = str(error)
            return None
        return picture


class Cutter:
    """Un-augmented wide crops of people, of one or more shapes at once, through the cache.

    Args:
        data: the recordings.
        shapes: of the crops; each is cut round the box grown to its aspect.
        cache_dir: folder of the cache; None = nothing is kept.
        cache_gb: its bound in 10^9 bytes; 0 = nothing is kept.

    Attributes:
        problems: damaged pictures, by name, and what is wrong with them.

    Raises:
        DataError: the cache folder cannot be written to.
    """

    def __init__(
        self,
        data: PoseData,
        shapes: Sequence[CropShape],
        cache_dir: Path | None,
        cache_gb: float,
    ) -> None:
        self._data = data
        self._shapes = tuple(shapes)
        self.problems: dict[str, str] = {}
        limit_bytes = int(cache_gb * 1e9)
        self._caches: tuple[CropCache, ...] = ()
        if cache_dir is not None and limit_bytes > 0:
            sizes = [shape.wide_hw for shape in self._shapes]
            self._caches = tuple(CropCache(cache_dir, h, w, limit_bytes) for h, w in sizes)

    @property
    def cache_problems(self) -> tuple[str, ...]:
        """Why crops are no longer kept, where a disk failed."""
        return tuple(cache.problem for cache in self._caches if cache.problem)

    def close(self) -> None:
        """Let go of the cache."""
        for cache in self._caches:
            cache.close()

    def pictures(self, recording: int, frame: int) -> FramePictures:
        """The pictures of a frame, to be shared by all its people."""
        return FramePictures(self._data.recordings[recording], frame, self.problems)

    def holds(self, recording: int, frame: int, boxes_px: NDArray[np.float64]) -> bool:
        """Whether all crops of a person with these boxes (C, 4) are in the cache already."""
        keys = [
            self.key(recording, camera, frame, boxes_px[camera])
            for camera in np.flatnonzero(are_boxes(boxes_px)).tolist()
        ]
        return bool(self._caches) and all(
            key is None or all(key in cache for cache in self._caches) for key in keys
        )

    def key(
        self, recording: int, camera: int, frame: int, box_px: NDArray[np.float64]
    ) -> bytes | None:
        """What names the crops of this box (4,) in the cache; None where there is no picture."""
        try:
            picture = self._data.recordings[recording].picture_key(camera, frame)
        except (MissingFrameError, NoPicturesError):
            return None
        box = np.asarray(box_px, dtype="<f8").tobytes()
        return hashlib.blake2b(picture.encode() + b"\0" + box, digest_size=KEY_BYTES).digest()

    def crops(
        self, key: bytes, camera: int, box_px: NDArray[np.float64], pictures: FramePictures
    ) -> list[Picture] | None:
        """The wide crops of a person in a view, one for each shape, maybe read-only.

        Args:
            key: of that view and box.
            camera: index in the rig.
            box_px: (4,) x0 y0 x1 y1 raw pixels, finite, of positive size.
            pictures: of the frame.

        Returns:
            None where the view has no readable picture.
        """
        kept = [cache.get(key) for cache in self._caches]
        found = [crop for crop in kept if crop is not None]
        if len(found) == len(self._shapes):
            return found
        made = self._cut_all(camera, box_px, pictures)
        if made is not None:
            for cache, crop in zip(self._caches, made, strict=False):  # no caches, none kept
                cache.put(key, crop)
        return made

    def prefill(self, groups: Iterable[Group], progress: Progress | None, num_threads: int) -> bool:
        """Put the crops of these groups into the cache, each picture decoded once.

        Args:
            groups: any number, in any order.
            progress: called with view pictures done and in all; False stops.
            num_threads: that decode.

        Returns:
            whether all was done; False where stopped, or where the cache is full.
        """
        if not self._caches:
            return True
        frames: dict[tuple[int, int], list[int]] = {}
        for group in groups:
            people = frames.setdefault((group.recording, group.frame), [])
            people.append(group.person)
        num_views = [len(recording.rig) for recording in self._data.recordings]
        total = sum(num_views[recording] for recording, _ in frames)
        done = 0
        with ThreadPoolExecutor(num_threads, "trilabel-prefill") as pool:
            tasks = self._prefill_tasks(pool, frames)
            try:
                for task in _some_ahead(tasks, 2 * num_threads):
                    kept = task.result()
                    done += 1
                    if progress is not None and not progress(done, total):
                        return False
                    if not kept:
                        return False
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
        return True

    def _prefill_tasks(
        self, pool: ThreadPoolExecutor, frames: dict[tuple[int, int], list[int]]
    ) -> Iterator[Future[bool]]:
        # By time: a video's decoder then passes each of its frames once.
        for (recording, frame), people in sorted(frames.items()):
            source = self._data.recordings[recording]
            boxes = [source.boxes_px(person, frame) for person in sorted(set(people))]
            for camera in range(len(source.rig)):
                in_view = [box[camera] for box in boxes if are_boxes(box[camera])]
                yield pool.submit(self._fill_view, recording, camera, frame, in_view)

    def _fill_view(
        self, recording: int, camera: int, frame: int, boxes: list[NDArray[np.float64]]
    ) -> bool:
        """Keep the crops of one picture; False where the cache takes no more."""
        pictures = self.pictures(recording, frame)
        for box in boxes:
            key = self.key(recording, camera, frame, box)
            if key is None or all(key in cache for cache in self._caches):
                continue
            made = self._cut_all(camera, box, pictures)
            if made is None:
                break
            for cache, crop in zip(self._caches, made, strict=True):
                if not cache.put(key, crop):
                    return False
        return True

    def _cut_all(
        self, camera: int, box_px: NDArray[np.float64], pictures: FramePictures
    ) -> list[Picture] | None:
        picture = pictures.get(camera)
        if picture is None:
            return None
        height, width = picture.shape[:2]
        picture_from_raw = pictures.map_from_raw(camera, (width, height))
        made: list[Picture] = []
        for shape in self._shapes:
            raw_from_wide = shape.raw_from_wide(shape.raw_from_crop(shape.grown(box_px)))
            picture_from_wide = composed(picture_from_raw, raw_from_wide)
            made.append(cut(picture, picture_from_wide, *shape.wide_hw))
        return made


def share_uncut(
    data: PoseData,
    groups: GroupList,
    input_hw: tuple[int, int],
    cache_dir: Path | None,
    cache_gb: float,
) -> float:
    """0…1, the share of groups whose crops are not in a cache; asked of some of them, evenly.

    Args:
        data: that the groups are of.
        groups: any number; 1.0 where there are none.
        input_hw: height and width of the detector's crops.
        cache_dir: folder of the cache; it need not exist.
        cache_gb: its bound in 10^9 bytes.
    """
    if cache_dir is None or not cache_dir.is_dir() or not len(groups):
        return 1.0
    rows = np.linspace(0, len(groups) - 1, min(len(groups), _NUM_PROBES)).round().astype(np.int64)
    try:
        cutter = Cutter(data, [CropShape(*input_hw, margin=WIDE_MARGIN)], cache_dir, cache_gb)
    except DataError:  # nothing can be kept there, so nothing is
        return 1.0
    try:
        probes = groups.take(rows)
        held = [cutter.holds(one.recording, one.frame, data.boxes_px(one)) for one in probes]
    finally:
        cutter.close()
    return 1.0 - sum(held) / len(held)


def are_boxes(boxes_px: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(...,) which of these (..., 4) are boxes at all: finite, of positive size."""
    sized = (boxes_px[..., 2:] > boxes_px[..., :2]).all(axis=-1)  # NaN is not above anything
    return np.logical_and(sized, np.isfinite(boxes_px).all(axis=-1))


def _some_ahead(tasks: Iterator[Future[bool]], count: int) -> Iterator[Future[bool]]:
    """The same tasks in the same order, so many of them started before the first is waited for."""
    started: deque[Future[bool]] = deque()
    for task in tasks:
        started.append(task)
        if len(started) > count:
            yield started.popleft()
    yield from started
