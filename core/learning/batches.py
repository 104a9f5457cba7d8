"""Batches: groups of people as crops of all their views, with all that leads back to raw pixels.

A batch is a pure function of its request: the random numbers of a group follow from the request's
key and the group alone, so that neither threads, nor the cache, nor how ranks share a list of
groups change a pixel of it. Shapes: G groups, C cameras, J joints.

Trap: networks see crops, geometry wants raw pixels of the picture, and a mirrored crop shows left
as right. `Batch.raw_points` and `Batch.crop_points` are the only ways between the two.
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import torch

from core.learning.augment import drawn
from core.learning.crops import WIDE_MARGIN, CropShape, composed, sampled_crop
from core.learning.cutting import Cutter, are_boxes

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from core.geometry import Rig
    from core.learning.augment import Variation
    from core.learning.cutting import FramePictures
    from core.learning.data import Group, PoseData
    from core.project.runs.config import AugmentOptions

_MOST_WORKERS = 8
_MOST_FACTS = 1 << 14  # groups, of 3 kB each


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRequest:
    """What a batch is to be made of.

    Attributes:
        groups: G groups, in the order of the batch.
        key: whole numbers, such as seed and step, that decide how crops are varied.
        augmented: whether crops are varied.
        cutout: share of crops with a part painted over; None = as the options say where
            `augmented`, else none.
    """

    groups: Sequence[Group]
    key: tuple[int, ...] = ()
    augmented: bool = False
    cutout: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """G groups in C views.

    Attributes:
        groups: G.
        rigs: the different rigs of these groups.
        rig_index: (G,) int64, into `rigs`.
        mirror: for each joint its other side (`Skeleton.mirror`).
        images: (G, C, 3, h, w) uint8 RGB, in the memory order that ``channels_last`` means; black
            where the picture ends and where the person is not in view.
        in_view: (G, C) bool.
        raw_from_crop: (G, C, 2, 3) float64, from pixels of `images`, resize, shift, turn and mirror
            included; finite everywhere.
        mirrored: (G, C) bool, whether a crop shows left as right.
        boxes_px: (G, C, 4) float64 x0 y0 x1 y1, raw: the box grown to the crop's aspect, as if not
            varied; what the [-1, 1] frame of the losses is about. NaN where not in view.
        targets_px: (G, C, J, 2) float64 raw, what the detector should say; NaN = no label.
        points_mm: (G, J, 3) float64, the 3D labels; NaN = none.
        lift_images: (G, C, 3, s, s) uint8, square and never varied; None where not asked for.
        rejected: (G, J) bool, joints that never serve as pseudo-labels; None = none of them.
    """

    groups: tuple[Group, ...]
    rigs: tuple[Rig, ...]
    rig_index: Tensor
    mirror: tuple[int, ...]
    images: Tensor
    in_view: Tensor
    raw_from_crop: Tensor
    mirrored: Tensor
    boxes_px: Tensor
    targets_px: Tensor
    points_mm: Tensor
    lift_images: Tensor | None = None
    rejected: Tensor | None = None

    def __len__(self) -> int:
        return len(self.groups)

    def raw_points(self, points_crop: Tensor, mirror: Sequence[int] | None = None) -> Tensor:
        """What a network found in the crops, in raw pixels, left and right put right.

        Args:
            points_crop: (G, C, J, 2) pixels of `images`, any floating type; differentiable.
            mirror: for each joint its other side; None = the batch's own.

        Returns:
            (G, C, J, 2) raw, in the type of `raw_from_crop` (float64); NaN stays. Values in views
            where the person is not seen mean nothing.
        """
        maps = self.raw_from_crop
        points = self.values_swapped(points_crop.to(maps.dtype), mirror)
        return points @ maps[..., :2].mT + maps[..., None, :, 2]

    def crop_points(self, points_raw: Tensor, mirror: Sequence[int] | None = None) -> Tensor:
        """The inverse of `raw_points`: raw (G, C, J, 2) to pixels of `images`."""
        maps = self.raw_from_crop
        offset = points_raw.to(maps.dtype) - maps[..., None, :, 2]
        inverse, _ = torch.linalg.inv_ex(maps[..., :2])  # does not wait for a GPU, as inv does
        points = offset @ inverse.mT
        return self.values_swapped(points, mirror)

    def to(self, device: torch.device | str) -> Batch:
        """The batch on a device; float32 instead of float64 on one (mps) that has no float64."""
        place = torch.device(device)

        def moved(value: Tensor) -> Tensor:
            if place.type == "mps" and value.dtype == torch.float64:
                value = value.float()
            return value.to(place, non_blocking=True)

        return self._mapped(moved)

    def micro(self, size: int) -> list[Batch]:
        """The batch in parts of `size` groups, in order; the last may be smaller. 0 = whole."""
        if size <= 0 or size >= len(self):
            return [self]
        return [self._part(slice(start, start + size)) for start in range(0, len(self), size)]

    def _part(self, rows: slice) -> Batch:
        return replace(self._mapped(lambda value: value[rows]), groups=self.groups[rows])

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> Batch:
        return replace(
            self,
            rig_index=change(self.rig_index),
            images=change(self.images),
            in_view=change(self.in_view),
            raw_from_crop=change(self.raw_from_crop),
            mirrored=change(self.mirrored),
            boxes_px=change(self.boxes_px),
            targets_px=change(self.targets_px),
            points_mm=change(self.points_mm),
            lift_images=None if self.lift_images is None else change(self.lift_images),
            rejected=None if self.rejected is None else change(self.rejected),
        )

    def values_swapped(self, values: Tensor, mirror: Sequence[int] | None = None) -> Tensor:
        """Values of joints (G, C, J, …) of the crops, such as confidence, left and right put right.

        Its own inverse.
        """
        index = torch.as_tensor(
            self.mirror if mirror is None else tuple(mirror), device=values.device
        )
        mirrored = self.mirrored[(...,) + (None,) * (values.ndim - 2)]
        return torch.where(mirrored, values.index_select(2, index), values)


class GroupLoader:
    """Makes batches of a data set's groups.

    Args:
        data: the groups' recordings; it must outlive the loader.
        input_hw: height and width of the detector's crops.
        augment: how crops are varied; None = never, whatever a request says.
        lift_size: side of the square crops for the lifter; None = none are made.
        cache_dir: folder of the crop cache, which other processes may use too; None = no cache.
        cache_gb: bound of that folder, 10^9 bytes; 0 = no cache.
        workers: threads; -1 = by the machine, 0 = all in the thread that asks.

    Raises:
        DataError: the cache folder cannot be written to.
    """

    def __init__(
        self,
        data: PoseData,
        *,
        input_hw: tuple[int, int],
        augment: AugmentOptions | None = None,
        lift_size: int | None = None,
        cache_dir: Path | None = None,
        cache_gb: float = 4.0,
        workers: int = -1,
    ) -> None:
        self.data = data
        self.shape = CropShape(*input_hw, margin=WIDE_MARGIN)
        shapes = [self.shape]
        if lift_size is not None:
            shapes.append(CropShape(lift_size, lift_size))
        self._cutter = Cutter(data, shapes, cache_dir, cache_gb)
        facts = lru_cache(_MOST_FACTS)(partial(_facts_of, data, self._cutter, self.shape))
        self._means = _Means(data, self._cutter, self.shape, augment, lift_size, facts)
        self._num_threads = workers if workers >= 0 else default_workers()
        everybody = min(_MOST_WORKERS, os.cpu_count() or 1)  # nobody trains while crops are made
        self._num_fillers = max(1, workers if workers >= 0 else everybody)
        self._pool: ThreadPoolExecutor | None = None
        if self._num_threads > 0:
            self._pool = ThreadPoolExecutor(self._num_threads, "trilabel-batch")

    def __enter__(self) -> GroupLoader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the threads and let go of the cache; the data stays open."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        self._cutter.close()

    @property
    def problems(self) -> tuple[str, ...]:
        """What went wrong without stopping: damaged pictures, a cache whose disk is full."""
        return (*self._cutter.problems.values(), *self._cutter.cache_problems)

    def batch(
        self,
        groups: Sequence[Group],
        key: tuple[int, ...] = (),
        *,
        augmented: bool = False,
        cutout: float | None = None,
    ) -> Batch:
        """Make one batch now, all threads working on it; see `BatchRequest`."""
        request = BatchRequest(groups=groups, key=key, augmented=augmented, cutout=cutout)
        making = _Making(self._means, request)
        tasks = making.tasks()
        if self._pool is None or len(tasks) < 2:
            making.run(tasks)
        else:
            shares = [tasks[i :: self._num_threads] for i in range(self._num_threads)]
            for done in [self._pool.submit(making.run, share) for share in shares if share]:
                done.result()
        return making.finished()

    def stream(self, requests: Iterable[BatchRequest]) -> Generator[Batch]:
        """Batches in the order of their requests, made ahead by the threads, one each.

        Requests are asked for a few ahead of the batches handed out. Closing the generator drops
        what was made ahead.
        """
        if self._pool is None:
            for request in requests:
                yield self._made(request)
            return
        ahead: deque[Future[Batch]] = deque()
        try:
            for request in requests:
                ahead.append(self._pool.submit(self._made, request))
                if len(ahead) > self._num_threads + 1:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for task in ahead:
                task.cancel()

    def prefill(
        self, groups: Iterable[Group], progress: Callable[[int, int], bool] | None = None
    ) -> bool:
        """Fill the cache for these groups, each picture decoded once for all people in it.

        Args:
            groups: any number, in any order. Ranks give their own share each.
            progress: called with view pictures done and in all; False stops.

        Returns:
            whether all was done: False where stopped, and where the cache is full (then the rest
            is made when it is asked for).
        """
        return self._cutter.prefill(groups, progress, self._num_fillers)

    def _made(self, request: BatchRequest) -> Batch:
        making = _Making(self._means, request)
        making.run(making.tasks())
        return making.finished()


_Task = tuple[tuple[int, int], list[int]]
"""Recording and frame, and the places in the batch of the groups there."""


@dataclass(frozen=True, slots=True)
class _Means:
    """What a loader makes all its batches with; as told there."""

    data: PoseData
    cutter: Cutter
    shape: CropShape
    augment: AugmentOptions | None
    lift_size: int | None
    facts: Callable[[Group], _Facts]


@dataclass(frozen=True, slots=True)
class _Facts:
    """What does not change about a group, and takes longer to find out than its crops to read.

    Attributes:
        views: those where the person is to be seen, with the keys of their crops.
        boxes_px: (C, 4) as given.
        grown_px: (C, 4) of the crop's aspect.
        raw_from_crop: (C, 2, 3) of the plain crops.
        targets_px: (C, J, 2).
        points_mm: (J, 3).
    """

    views: tuple[tuple[int, bytes], ...]
    boxes_px: NDArray[np.float64]
    grown_px: NDArray[np.float64]
    raw_from_crop: NDArray[np.float64]
    targets_px: NDArray[np.float64]
    points_mm: NDArray[np.float64]


def _facts_of(data: PoseData, cutter: Cutter, shape: CropShape, group: Group) -> _Facts:
    recording = data.recordings[group.recording]
    boxes = recording.boxes_px(group.person, group.frame)
    views: list[tuple[int, bytes]] = []
    for view in np.flatnonzero(are_boxes(boxes)).tolist():
        key = cutter.key(group.recording, view, group.frame, boxes[view])
        if key is not None:
            views.append((view, key))
    grown = shape.grown(boxes)
    points = recording.points_mm(group.person, group.frame)
    maps = shape.raw_from_crop(grown)
    return _Facts(tuple(views), boxes, grown, maps, data.targets_px(group), points)


class _Making:
    """One batch being made; `run` may be called from several threads, for different tasks."""

    def __init__(self, means: _Means, request: BatchRequest) -> None:
        self._data = means.data
        self._cutter = means.cutter
        self._shape = means.shape
        self._augment = means.augment
        self._facts = means.facts
        self._request = request
        self._groups = tuple(request.groups)
        num_groups, num_views = len(self._groups), len(self._data.recordings[0].rig)
        num_joints = self._data.skeleton.num_joints
        height, width = means.shape.height, means.shape.width
        self._images = np.zeros((num_groups, num_views, height, width, 3), np.uint8)
        self._in_view = np.zeros((num_groups, num_views), np.bool_)
        unit = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
        self._maps = np.tile(unit, (num_groups, num_views, 1, 1))
        self._mirrored = np.zeros((num_groups, num_views), np.bool_)
        self._boxes = np.full((num_groups, num_views, 4), np.nan)
        self._targets = np.empty((num_groups, num_views, num_joints, 2))
        self._points = np.empty((num_groups, num_joints, 3))
        side = means.lift_size
        self._lift: NDArray[np.uint8] | None = None
        if side is not None:
            self._lift = np.zeros((num_groups, num_views, side, side, 3), np.uint8)

    def tasks(self) -> list[_Task]:
        """The groups by frame, since people of one frame share its pictures."""

        def frame_of(place: int) -> tuple[int, int]:
            return self._groups[place].recording, self._groups[place].frame

        places = sorted(range(len(self._groups)), key=frame_of)
        return [(frame, list(those)) for frame, those in groupby(places, frame_of)]

    def run(self, tasks: Sequence[_Task]) -> None:
        """Make the crops of these groups."""
        for (recording, frame), places in tasks:
            pictures = self._cutter.pictures(recording, frame)
            for place in places:
                self._make_group(place, pictures)

    def finished(self) -> Batch:
        """The batch, without a copy."""
        rigs: list[Rig] = []
        index: list[int] = []
        for group in self._groups:
            rig = self._data.recordings[group.recording].rig
            if all(rig is not known for known in rigs):
                rigs.append(rig)
            index.append(next(i for i, known in enumerate(rigs) if known is rig))
        lift = self._lift
        return Batch(
            groups=self._groups,
            rigs=tuple(rigs),
            rig_index=torch.tensor(index, dtype=torch.int64),
            mirror=self._data.skeleton.mirror,
            images=torch.from_numpy(self._images).permute(0, 1, 4, 2, 3),
            in_view=torch.from_numpy(self._in_view),
            raw_from_crop=torch.from_numpy(self._maps),
            mirrored=torch.from_numpy(self._mirrored),
            boxes_px=torch.from_numpy(self._boxes),
            targets_px=torch.from_numpy(self._targets),
            points_mm=torch.from_numpy(self._points),
            lift_images=None if lift is None else torch.from_numpy(lift).permute(0, 1, 4, 2, 3),
            rejected=torch.from_numpy(self._data.rejected_joints(self._groups)),
        )

    def _make_group(self, place: int, pictures: FramePictures) -> None:
        group = self._groups[place]
        facts = self._facts(group)
        self._targets[place] = facts.targets_px
        self._points[place] = facts.points_mm
        maps, variation = facts.raw_from_crop, self._variation(group)
        if variation is not None:
            maps = composed(maps, variation.plain_from_varied)
        for view, key in facts.views:
            crops = self._cutter.crops(key, view, facts.boxes_px[view], pictures)
            if crops is None:
                continue
            self._in_view[place, view] = True
            self._boxes[place, view] = facts.grown_px[view]
            self._maps[place, view] = maps[view]
            self._put_crop(place, view, crops[0], variation)
            if self._lift is not None:
                self._lift[place, view] = crops[1]

    def _put_crop(
        self, place: int, view: int, wide: NDArray[np.uint8], variation: Variation | None
    ) -> None:
        shape, image = self._shape, self._images[place, view]
        if variation is None:
            image[...] = shape.middle(wide)
            return
        if variation.resampled:
            wide_from_varied = variation.plain_from_varied[view].copy()
            wide_from_varied[:, 2] += (shape.pad_x, shape.pad_y)
            sampled_crop(wide, wide_from_varied, shape.height, shape.width, out=image)
        else:
            image[...] = shape.middle(wide)
        variation.paint(view, image)
        self._mirrored[place, view] = variation.mirrored[view]

    def _variation(self, group: Group) -> Variation | None:
        request, shape = self._request, self._shape
        options = self._augment if request.augmented else None
        if options is None and not request.cutout:
            return None
        numbers = (*request.key, group.recording, group.person, group.frame)
        # A length in front, and no negative numbers: different keys, different streams.
        entropy = [len(request.key), *(value % (1 << 64) for value in numbers)]
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))
        num_views = self._images.shape[1]
        return drawn(options, rng, num_views, shape.height, shape.width, cutout=request.cutout)


def default_workers() -> int:
    """Half the processors, since networks want the others; one at least, eight at most."""
    return max(1, min(_MOST_WORKERS, (os.cpu_count() or 1) // 2))


def sampled(num_groups: int, groups_per_step: int, step: int, seed: int) -> NDArray[np.int64]:
    """Which groups a step is made of: the list shuffled anew for each epoch, and cut into steps.

    A pure function, so that a resumed run goes on where it was; a rank takes ``[rank::num_ranks]``
    of the answer.

    Args:
        num_groups: length of the list.
        groups_per_step: of all ranks together; an epoch's rest begins the next step's.
        step: 0-based.
        seed: another one for each list.

    Returns:
        (groups_per_step,) int64 indices into the list; empty where the list is.
    """
    if num_groups == 0 or groups_per_step == 0:
        return np.empty(0, np.int64)
    places = np.arange(step * groups_per_step, (step + 1) * groups_per_step)
    epochs, within = np.divmod(places, num_groups)
    answer = np.empty(groups_per_step, np.int64)
    for epoch in np.unique(epochs):
        chosen = epochs == epoch
        answer[chosen] = _shuffled(num_groups, int(epoch), seed)[within[chosen]]
    return answer


@lru_cache(maxsize=8)
def _shuffled(num_groups: int, epoch: int, seed: int) -> NDArray[np.int64]:
    rng = np.random.default_rng(np.random.SeedSequence([seed % (1 << 64), epoch]))
    order = rng.permutation(num_groups)
    order.setflags(write=False)
    return order
