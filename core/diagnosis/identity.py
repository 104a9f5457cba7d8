"""Has a view mixed two people up? The residuals that would vanish if they changed places there.

For each person and camera the *other* views say where the person's joints must appear. Where the
observations that bear the person's name lie far from there, and those that bear somebody else's
lie on it (and the other way round), the two have changed places in that camera. A span of frames
ends where the names clearly fit as they are; frames that do not tell (people cross one another, or
are hidden) are bridged inside a span, and never make its end.

Only detections are asked where there are any: a hand label put over a mixed-up detection is right,
and would hide that the detection beneath is not. Trap: somebody mixed up in *all* views at once
fits perfectly; that is a matter of tracks, not of residuals.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.diagnosis.engine import observed_in, robust, robust_leave_one_out, straightened
from core.diagnosis.lengths import arguments
from core.diagnosis.source import detected_px

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from core.diagnosis.engine import Floats
    from core.diagnosis.frame import FrameDiagnosis
    from core.diagnosis.source import DetectedSource, Progress
    from core.geometry import Rig
    from core.settings import TriangulationSettings

_BLOCK_FRAMES = 24
_CACHED_BLOCKS = 64
_LEAST_JOINTS = 3
_LEAST_NOISE_PX = 1.0
# A swap is suggested where it makes the misfit so many times smaller, from so many noises …
_TIMES_BETTER, _FAR_NOISES = 4.0, 5.0
# … to so few; and a frame tells for or against it where one is twice the other, and not by noise.
_NEAR_NOISES, _CLEAR_TIMES, _CLEAR_NOISES = 3.0, 2.0, 2.0
_MAX_GAP = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapSuggestion:
    """Two people who should change places in one camera.

    Attributes:
        camera: index into the rig.
        person, other: ids of the two.
        start, stop: the frames start…stop-1.
        residual_before_px: median distance, raw pixels, of their joints in this camera from where
            the other views put them.
        residual_after_px: the same once they have changed places.
    """

    camera: int
    person: int
    other: int
    start: int
    stop: int
    residual_before_px: float
    residual_after_px: float

    def sentence(self, cameras: Sequence[str], first_frame_number: int = 0) -> str:
        """Such as ``The residual falls from 38 to 3 px if #4 and #7 swap in ace_2 …``."""
        first, last = self.start + first_frame_number, self.stop - 1 + first_frame_number
        when = f"at {first}" if first == last else f"from {first} to {last}"
        return (
            f"The residual falls from {self.residual_before_px:.0f} to "
            f"{self.residual_after_px:.0f} px if #{self.person} and #{self.other} swap in "
            f"{cameras[self.camera]} {when}."
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Evidence:
    """Of consecutive frames: how far the observations of q lie from where p must appear.

    Attributes:
        persons: P ids, ascending.
        misfit_px: (F, C, P, P) float32, [f, c, p, q]; NaN where it cannot be told.
        noise_px: what a right pair's misfit is like.
    """

    persons: tuple[int, ...]
    misfit_px: NDArray[np.float32]
    noise_px: float

    def costs(self, camera: int, person: int, other: int) -> tuple[Floats, Floats]:
        """(F,) the pair's misfit as it is, and as it would be; NaN where it cannot be told."""
        if person not in self.persons or other not in self.persons:
            nothing = np.full(len(self.misfit_px), np.nan)
            return nothing, nothing
        p, q = self.persons.index(person), self.persons.index(other)
        table = self.misfit_px[:, camera].astype(np.float64)
        now = _mean(table[:, p, p], table[:, q, q])
        swapped = _mean(table[:, p, q], table[:, q, p])
        known = np.isfinite(now) & np.isfinite(swapped)
        return np.where(known, now, np.nan), np.where(known, swapped, np.nan)


@dataclass(frozen=True, slots=True)
class _Seed:
    frame: int
    camera: int
    person: int
    other: int
    gain_px: float


def swaps_in_frame(diagnosis: FrameDiagnosis) -> tuple[SwapSuggestion, ...]:
    """The swaps that this frame alone asks for, the largest first; quick enough for a window."""
    points = np.where(diagnosis.observed[..., None], diagnosis.points_px, np.nan)
    evidence = _compare(diagnosis.persons, points[None], diagnosis.loo_reprojection_px[None])
    return tuple(
        _suggestion(seed, diagnosis.frame, diagnosis.frame + 1, [evidence])
        for seed in _seeds(evidence, diagnosis.frame)
    )


def diagnose_identity(
    source: DetectedSource, settings: TriangulationSettings, frame: int, person: int
) -> SwapSuggestion | None:
    """Would a high residual of a person vanish if they changed places with somebody in a camera?

    Args:
        source: the recording.
        settings: how to triangulate.
        frame: where to ask.
        person: whom to ask about.

    Returns:
        The swap that helps most, with the whole span of frames that asks for it.
    """
    scanner = _Scanner(source, settings)
    for seed in scanner.seeds(frame, person):
        return scanner.extended(seed)
    return None


def scan_identities(
    source: DetectedSource,
    settings: TriangulationSettings,
    start: int,
    stop: int,
    progress: Progress | None = None,
) -> tuple[SwapSuggestion, ...]:
    """All swaps that the frames start…stop-1 ask for, in the order of their first frames.

    A span that reaches beyond these frames is told whole.

    Args:
        source: the recording.
        settings: how to triangulate.
        start: the first frame.
        stop: one more than the last.
        progress: called after each block with frames done and in all; answers whether to go on.
    """
    scanner = _Scanner(source, settings)
    found: list[SwapSuggestion] = []
    for low in range(start, stop, _BLOCK_FRAMES):
        high = min(low + _BLOCK_FRAMES, stop)
        for seed in scanner.seeds_between(low, high):
            if not any(_covers(each, seed) for each in found):
                found.append(scanner.extended(seed))
        if progress is not None and not progress(high - start, stop - start):
            break
    return tuple(sorted(found, key=lambda each: (each.start, each.camera, each.person)))


class _Scanner:
    """Evidence of a recording in blocks, the latest kept."""

    def __init__(self, source: DetectedSource, settings: TriangulationSettings) -> None:
        self._source = source
        self._options = arguments(settings)
        self._exponent = settings.row_exponent
        self._blocks: OrderedDict[int, _Evidence] = OrderedDict()

    def seeds(self, frame: int, person: int) -> list[_Seed]:
        """What one frame asks for about a person, the largest gain first."""
        found = [
            seed
            for seed in self.seeds_between(frame, frame + 1)
            if person in (seed.person, seed.other)
        ]
        return [
            seed
            if seed.person == person
            else _Seed(seed.frame, seed.camera, person, seed.person, seed.gain_px)
            for seed in found
        ]

    def seeds_between(self, start: int, stop: int) -> list[_Seed]:
        """What these frames ask for, frame by frame, the largest gain first."""
        seeds: list[_Seed] = []
        for low in range(start - start % _BLOCK_FRAMES, stop, _BLOCK_FRAMES):
            seeds += [each for each in _seeds(self._at(low), low) if start <= each.frame < stop]
        return sorted(seeds, key=lambda seed: (seed.frame, -seed.gain_px))

    def extended(self, seed: _Seed) -> SwapSuggestion:
        """The whole span around a seed."""
        stop = 1 + self._reach(seed, +1)
        start = self._reach(seed, -1)
        low = start - start % _BLOCK_FRAMES
        blocks = [self._at(each) for each in range(low, stop, _BLOCK_FRAMES)]
        return _suggestion(seed, start, stop, blocks, low)

    def _reach(self, seed: _Seed, direction: int) -> int:
        """The last frame of the span, going forward or back."""
        end, touching, gap = seed.frame, True, 0
        for frame, (verdict, lean) in self._walk(seed, direction):
            if verdict < 0 or gap >= _MAX_GAP:
                break
            gap = 0 if verdict > 0 else gap + 1
            touching = touching and (verdict > 0 or lean > 0)
            if verdict > 0:
                end, touching = frame, True
            elif touching:
                end = frame
        return end

    def _walk(self, seed: _Seed, direction: int) -> Iterator[tuple[int, tuple[int, float]]]:
        frame = seed.frame + direction
        while 0 <= frame < self._source.num_frames:
            low = frame - frame % _BLOCK_FRAMES
            evidence = self._at(low)
            now, swapped = evidence.costs(seed.camera, seed.person, seed.other)
            while low <= frame < low + len(now):
                yield frame, _verdict(now[frame - low], swapped[frame - low], evidence.noise_px)
                frame += direction

    def _at(self, low: int) -> _Evidence:
        """The evidence of the block that begins at a frame."""
        found = self._blocks.get(low)
        if found is None:
            found = self._read(low, min(low + _BLOCK_FRAMES, self._source.num_frames))
            self._blocks[low] = found
            if len(self._blocks) > _CACHED_BLOCKS:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(low)
        return found

    def _read(self, start: int, stop: int) -> _Evidence:
        rig = self._source.rig
        seen = self._source.observations_block(start, stop)
        points = detected_px(self._source, start, stop, seen.persons)
        points = np.where(observed_in(points)[..., None], points, seen.points_px)
        images = np.full(points.shape, np.nan)
        frame, row = np.nonzero(observed_in(points).any(axis=(-1, -2)))
        if len(frame):
            images[frame, row] = self._others_px(rig, points[frame, row])
        return _compare(seen.persons, points, images)

    def _others_px(self, rig: Rig, points_px: Floats) -> Floats:
        """(N, C, J, 2) raw pixels where the other views put each joint."""
        straight, observed = straightened(rig, points_px)
        found = robust(straight, rig.projections, observed, self._options)
        factors = found.weights**self._exponent
        others = robust_leave_one_out(straight, rig.projections, observed, factors)
        return rig.project_each(others.points_mm)


def _compare(persons: Sequence[int], points_px: Floats, images_px: Floats) -> _Evidence:
    """Observations (F, P, C, J, 2) of everybody against where everybody must appear."""
    must = np.moveaxis(images_px, 2, 1)[:, :, :, None]
    seen = np.moveaxis(points_px, 2, 1)[:, :, None]
    distance = np.linalg.norm(must - seen, axis=-1)  # F, C, P, Q, J
    enough = np.isfinite(distance).sum(axis=-1) >= _LEAST_JOINTS
    misfit = np.full(enough.shape, np.nan, dtype=np.float32)
    if enough.any():
        misfit[enough] = np.nanmedian(distance[enough], axis=-1)
    own = np.diagonal(misfit, axis1=2, axis2=3)
    own = own[np.isfinite(own)]
    noise = float(np.median(own)) if len(own) else _LEAST_NOISE_PX
    return _Evidence(tuple(persons), misfit, max(noise, _LEAST_NOISE_PX))


def _seeds(evidence: _Evidence, start: int) -> list[_Seed]:
    """Pairs that must have changed places, the largest gain first; `person` < `other`."""
    table = evidence.misfit_px.astype(np.float64)
    own = np.diagonal(table, axis1=2, axis2=3)
    now = _mean(np.broadcast_to(own[..., :, None], table.shape), own[..., None, :])
    swapped = _mean(table, np.swapaxes(table, 2, 3))
    with np.errstate(invalid="ignore"):
        asks = (now > _TIMES_BETTER * swapped) & (now > _FAR_NOISES * evidence.noise_px)
        asks &= swapped < _NEAR_NOISES * evidence.noise_px
        # Nobody may be the worse for it.
        worse = (table > own[..., :, None]) | (np.swapaxes(table, 2, 3) > own[..., None, :])
    asks &= ~worse & np.triu(np.ones(table.shape[2:], dtype=bool), 1)
    seeds = [
        _Seed(
            start + f,
            c,
            evidence.persons[p],
            evidence.persons[q],
            float((now - swapped)[f, c, p, q]),
        )
        for f, c, p, q in np.argwhere(asks).tolist()
    ]
    return sorted(seeds, key=lambda seed: -seed.gain_px)


def _verdict(now: float, swapped: float, noise_px: float) -> tuple[int, float]:
    """1 for, -1 against, 0 undecided; and which way it leans."""
    if np.isnan(now):
        return 0, 0.0
    lean = now - swapped
    if abs(lean) > _CLEAR_NOISES * noise_px:
        if now > _CLEAR_TIMES * swapped:
            return 1, lean
        if swapped > _CLEAR_TIMES * now:
            return -1, lean
    return 0, lean


def _suggestion(
    seed: _Seed, start: int, stop: int, blocks: Sequence[_Evidence], low: int | None = None
) -> SwapSuggestion:
    """`blocks` follow one another from frame `low`, which is `start` where it is None."""
    costs = [each.costs(seed.camera, seed.person, seed.other) for each in blocks]
    first = start - (start if low is None else low)
    span = slice(first, first + stop - start)
    before = np.concatenate([now for now, _ in costs])[span]
    after = np.concatenate([swapped for _, swapped in costs])[span]
    return SwapSuggestion(
        camera=seed.camera,
        person=seed.person,
        other=seed.other,
        start=start,
        stop=stop,
        residual_before_px=float(np.nanmedian(before)),
        residual_after_px=float(np.nanmedian(after)),
    )


def _covers(found: SwapSuggestion, seed: _Seed) -> bool:
    return (
        found.camera == seed.camera
        and found.start <= seed.frame < found.stop
        and bool({found.person, found.other} & {seed.person, seed.other})
    )


def _mean(one: Floats, other: Floats) -> Floats:
    """Of what is known of the two; NaN where neither is."""
    known = np.isfinite(one).astype(np.float64) + np.isfinite(other)
    total = np.nan_to_num(one) + np.nan_to_num(other)
    return np.where(known > 0, total / np.maximum(known, 1), np.nan)
