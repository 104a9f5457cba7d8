"""What a round of predictions changed: two sources of the same frames, joint by joint.

Both sides are triangulated with the same settings and the same noise scale, as the window would
show them, and compared where both say something of a frame; what only one of them has predicted is
counted, never called a change. Hand labels lie on top of both sides, so what people placed
themselves moves nowhere.

Every joint that any view saw, on either side, is of exactly one `Verdict`, so that counts add up.
How far is "moved" is asked afterwards (`ChangeFilter.min_mm`), for the distances are kept.

Trap: a recording's 67,000 frames are worked through in blocks; only a few bytes a joint stay.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from core.curation.pseudo import BLOCK_FRAMES, pseudo_labels, resolved_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from core.curation.pseudo import PseudoLabels
    from core.curation.sources import FrameSource
    from core.project import ObservationsBlock, Project
    from core.settings import TriangulationSettings

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Progress = Callable[[int, int], bool]

DEFAULT_MIN_MM = 20.0
NO_CAMERA = -1
NUM_CAMERA_SUMS = 6


class Verdict(IntEnum):
    """What became of a joint between two rounds; each joint that was seen has exactly one."""

    SAME = 0
    """Kept before and after, and moved no further than the limit."""
    MOVED = 1
    """Kept before and after, and moved further."""
    NEWLY_KEPT = 2
    """Kept now; before it was discarded, or not seen."""
    NEWLY_DISCARDED = 3
    """Kept before; now it is discarded, or not seen."""
    NEVER_KEPT = 4
    """Discarded, or not seen, on both sides."""


CHANGES = (Verdict.MOVED, Verdict.NEWLY_KEPT, Verdict.NEWLY_DISCARDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeFilter:
    """Which changes are meant; all fields have to hold, None = any.

    Attributes:
        min_mm: a joint that is kept on both sides has moved where it did so further than this.
        kinds: the verdicts that are meant.
        persons: ids.
        joints: indices into the skeleton.
        cameras: indices into the rig, of the camera whose point of the joint moved furthest;
            `NO_CAMERA` = no camera saw it on both sides.
        frames: 0-based, of a stretch of frames.
    """

    min_mm: float = DEFAULT_MIN_MM
    kinds: tuple[Verdict, ...] = CHANGES
    persons: tuple[int, ...] | None = None
    joints: tuple[int, ...] | None = None
    cameras: tuple[int, ...] | None = None
    frames: range | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many joints are of which verdict; their sum is `num_joints`."""

    same: int
    moved: int
    newly_kept: int
    newly_discarded: int
    never_kept: int

    @property
    def num_joints(self) -> int:
        """All that any view saw on either side."""
        return self.num_changed + self.same + self.never_kept

    @property
    def num_changed(self) -> int:
        """Moved, newly kept or newly discarded."""
        return self.moved + self.newly_kept + self.newly_discarded

    @classmethod
    def of(cls, verdicts: NDArray[np.uint8]) -> Tally:
        """Of any number of verdicts."""
        counts = np.bincount(verdicts.ravel(), minlength=len(Verdict)).tolist()
        same, moved, kept, discarded, never = counts[: len(Verdict)]
        return cls(
            same=same,
            moved=moved,
            newly_kept=kept,
            newly_discarded=discarded,
            never_kept=never,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChangeRows:
    """N changed joints, the one that moved furthest first; those with a point on one side last.

    Attributes:
        keys: (N, 3) int64: frame, person, joint.
        kind: (N,) uint8, values of `Verdict`.
        moved_mm: (N,) float32; NaN = a point on one side only.
        camera: (N,) int8, whose point of the joint moved furthest in its picture; `NO_CAMERA`.
        moved_px: (N,) float32, how far there; NaN = none saw it on both sides.
        weight_camera: (N,) int8, whose weight for the joint changed most; `NO_CAMERA`.
        weight_change: (N,) float32, by how much, after - before; NaN = as above.
    """

    keys: NDArray[np.int64]
    kind: NDArray[np.uint8]
    moved_mm: NDArray[np.float32]
    camera: NDArray[np.int8]
    moved_px: NDArray[np.float32]
    weight_camera: NDArray[np.int8]
    weight_change: NDArray[np.float32]

    def __len__(self) -> int:
        """N."""
        return len(self.keys)

    def where(self, mask: NDArray[np.bool_]) -> ChangeRows:
        """Some of them."""
        values: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        return ChangeRows(**{name: rows[mask] for name, rows in values.items()})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RoundDiff:
    """F frames that both sides know, P persons, J joints, C cameras.

    Attributes:
        settings: both sides were triangulated with these; with a noise scale.
        frames: (F,) int64, ascending.
        persons: P person ids, ascending.
        num_only_before: frames that only the former side says something about; not compared.
        num_only_after: frames that only the latter does.
        seen: (F, P, J) bool, by any view on either side.
        kept_before: (F, P, J) bool.
        kept_after: (F, P, J) bool.
        moved_mm: (F, P, J) float32, between the two points; NaN = a point is missing.
        camera: (F, P, J) int8, see `ChangeRows`.
        moved_px: (F, P, J) float32.
        weight_camera: (F, P, J) int8.
        weight_change: (F, P, J) float32.
        frame_cameras: (F, 6, C) float32: observations before, sum of their weights, observations
            after, sum of their weights, observations on both sides, sum of their moves in px.
    """

    settings: TriangulationSettings
    frames: NDArray[np.int64]
    persons: tuple[int, ...]
    num_only_before: int
    num_only_after: int
    seen: Bools
    kept_before: Bools
    kept_after: Bools
    moved_mm: NDArray[np.float32]
    camera: NDArray[np.int8]
    moved_px: NDArray[np.float32]
    weight_camera: NDArray[np.int8]
    weight_change: NDArray[np.float32]
    frame_cameras: NDArray[np.float32] = field(repr=False)

    def verdicts(self, min_mm: float = DEFAULT_MIN_MM) -> NDArray[np.uint8]:
        """(F, P, J) values of `Verdict`; what nobody saw is `NEVER_KEPT` (see `seen`)."""
        with np.errstate(invalid="ignore"):
            found = (self.moved_mm > min_mm).astype(np.uint8)  # SAME, MOVED
        found[self.kept_after & ~self.kept_before] = Verdict.NEWLY_KEPT
        found[self.kept_before & ~self.kept_after] = Verdict.NEWLY_DISCARDED
        found[~self.kept_before & ~self.kept_after] = Verdict.NEVER_KEPT
        return found

    def chosen(self, wanted: ChangeFilter) -> Bools:
        """(F, P, J) which joints a filter means."""
        found = np.isin(self.verdicts(wanted.min_mm), [int(kind) for kind in wanted.kinds])
        found &= self.seen
        if wanted.frames is not None:
            inside = (self.frames >= wanted.frames.start) & (self.frames < wanted.frames.stop)
            found &= inside[:, None, None]
        if wanted.persons is not None:
            found &= np.isin(self.persons, wanted.persons)[None, :, None]
        if wanted.joints is not None:
            found &= np.isin(np.arange(found.shape[2]), wanted.joints)
        if wanted.cameras is not None:
            found &= np.isin(self.camera, wanted.cameras)
        return found

    def rows(self, wanted: ChangeFilter) -> ChangeRows:
        """The changes that a filter means, the furthest moved first, else in order of keys."""
        mask = self.chosen(wanted)
        frame, person, joint = np.nonzero(mask)
        ids = np.array(self.persons, dtype=np.int64)
        columns: dict[str, Any] = {
            "keys": np.stack([self.frames[frame], ids[person], joint], axis=1),
            "kind": self.verdicts(wanted.min_mm)[mask],
            **{name: getattr(self, name)[mask] for name in _PER_JOINT},
        }
        order = np.argsort(-np.nan_to_num(columns["moved_mm"], nan=-1.0), kind="stable")
        return ChangeRows(**{name: values[order] for name, values in columns.items()})

    def tally(self, min_mm: float = DEFAULT_MIN_MM) -> Tally:
        """How many of all joints that were seen are of which verdict."""
        return Tally.of(self.verdicts(min_mm)[self.seen])

    def ticks(self, wanted: ChangeFilter) -> NDArray[np.uint16]:
        """(F, P) how many joints of a person a filter means, in each of `frames`."""
        return self.chosen(wanted).sum(axis=2, dtype=np.uint16)

    def with_frames(
        self, project: Project, before: FrameSource, after: FrameSource, frames: Iterable[int]
    ) -> RoundDiff:
        """The diff after an edit, or news, of some frames; only these are compared again.

        Frames that both sides know by now are added. Persons that nobody knew when it was made are
        left out until it is made anew, and a noise scale that was estimated stays.
        """
        asked = np.fromiter(frames, dtype=np.int64)
        known_before, known_after = before.frames(), after.frames()
        both = np.intersect1d(known_before, known_after)
        wanted = np.union1d(np.intersect1d(self.frames, asked), np.intersect1d(both, asked))
        if not len(wanted):
            return self
        every = np.union1d(self.frames, wanted)
        only = tuple(len(np.setdiff1d(known, every)) for known in (known_before, known_after))
        shape = (self.frame_cameras.shape[2], self.seen.shape[2])
        new = _empty(self.settings, every, self.persons, shape, (only[0], only[1]))
        rows = np.searchsorted(every, self.frames)
        for each in fields(self):
            values = getattr(self, each.name)
            if isinstance(values, np.ndarray) and each.name != "frames":
                getattr(new, each.name)[rows] = values
        for start, stop in _stretches(wanted):
            _fill(new, project, before, after, start, stop)
        return new


_PER_JOINT = ("moved_mm", "camera", "moved_px", "weight_camera", "weight_change")


def diff_points(
    project: Project,
    before: FrameSource,
    after: FrameSource,
    settings: TriangulationSettings,
    progress: Progress | None = None,
) -> RoundDiff | None:
    """Compare two sources, over the frames that both say something about.

    Args:
        project: whose muted observations count, on both sides.
        before: the former side.
        after: the latter; where the settings have no noise scale, it is estimated from this one.
        settings: how both are triangulated.
        progress: called after each block with frames done and in all; answers whether to go on.

    Returns:
        None where `progress` said to stop.
    """
    settings = resolved_settings(after, settings)
    known_before, known_after = before.frames(), after.frames()
    frames = np.intersect1d(known_before, known_after)
    persons = tuple(sorted({*before.persons, *after.persons}))
    diff = _empty(
        settings,
        frames,
        persons,
        (len(after.rig), after.skeleton.num_joints),
        (len(known_before) - len(frames), len(known_after) - len(frames)),
    )
    done = 0
    for start, stop in _stretches(frames):
        done += _fill(diff, project, before, after, start, stop)
        if progress is not None and not progress(done, len(frames)):
            return None
    return diff


def _empty(
    settings: TriangulationSettings,
    frames: NDArray[np.int64],
    persons: tuple[int, ...],
    shape: tuple[int, int],
    only: tuple[int, int],
) -> RoundDiff:
    """Of frames where nobody was seen; `shape` is cameras and joints."""
    num_cameras, num_joints = shape
    size = (len(frames), len(persons), num_joints)
    return RoundDiff(
        settings=settings,
        frames=frames,
        persons=persons,
        num_only_before=only[0],
        num_only_after=only[1],
        seen=np.zeros(size, dtype=np.bool_),
        kept_before=np.zeros(size, dtype=np.bool_),
        kept_after=np.zeros(size, dtype=np.bool_),
        moved_mm=np.full(size, np.nan, dtype=np.float32),
        camera=np.full(size, NO_CAMERA, dtype=np.int8),
        moved_px=np.full(size, np.nan, dtype=np.float32),
        weight_camera=np.full(size, NO_CAMERA, dtype=np.int8),
        weight_change=np.full(size, np.nan, dtype=np.float32),
        frame_cameras=np.zeros((len(frames), NUM_CAMERA_SUMS, num_cameras), dtype=np.float32),
    )


def _stretches(frames: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Consecutive frames in blocks of at most `BLOCK_FRAMES`: first, and one more than the last."""
    for run in np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1):
        for start in range(0, len(run), BLOCK_FRAMES):
            part = run[start : start + BLOCK_FRAMES]
            yield int(part[0]), int(part[-1]) + 1


def _fill(
    diff: RoundDiff,
    project: Project,
    before: FrameSource,
    after: FrameSource,
    start: int,
    stop: int,
) -> int:
    """Compare the frames start…stop-1, all of which the diff has; how many they are."""
    first = int(np.searchsorted(diff.frames, start))
    place = slice(first, first + stop - start)
    was = _side(diff, project, before, start, stop)
    now = _side(diff, project, after, start, stop)
    seen_before, seen_after = was.observed, now.observed
    diff.seen[place] = seen_before.any(axis=2) | seen_after.any(axis=2)
    diff.kept_before[place], diff.kept_after[place] = was.kept, now.kept
    diff.moved_mm[place] = np.linalg.norm(now.points_mm - was.points_mm, axis=-1)
    both = seen_before & seen_after
    moved_px = np.where(both, np.linalg.norm(now.points_px - was.points_px, axis=-1), np.nan)
    weight_change = np.where(both, now.weights - was.weights, np.nan)
    diff.camera[place], diff.moved_px[place] = _furthest(moved_px)
    diff.weight_camera[place], diff.weight_change[place] = _furthest(weight_change)
    sums = (
        seen_before,
        np.where(seen_before, was.weights, 0.0),
        seen_after,
        np.where(seen_after, now.weights, 0.0),
        both,
        np.nan_to_num(moved_px),
    )
    for row, values in enumerate(sums):
        diff.frame_cameras[place, row] = values.sum(axis=(1, 3))
    return stop - start


def _furthest(values: Floats) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Of (F, P, C, J) the camera of the largest magnitude, and that value; nobody's where NaN."""
    sizes = np.nan_to_num(np.abs(values), nan=-1.0)
    camera = sizes.argmax(axis=2)
    value = np.take_along_axis(values, camera[:, :, None], axis=2)[:, :, 0]
    return np.where(np.isnan(value), NO_CAMERA, camera).astype(np.int8), value.astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """One side of F frames, for the persons of a diff."""

    observed: Bools
    points_px: Floats
    points_mm: Floats
    kept: Bools
    weights: Floats


def _side(diff: RoundDiff, project: Project, source: FrameSource, start: int, stop: int) -> _Side:
    labels = pseudo_labels(project, source, start, stop, diff.settings, diff.persons)
    points_px = _points_px(source.observations_block(start, stop), labels)
    num_frames, num_persons = stop - start, len(diff.persons)
    rows = np.searchsorted(diff.persons, np.array(labels.persons, dtype=np.int64))

    def spread(values: NDArray[Any], nothing: float | bool) -> NDArray[Any]:
        whole = np.full((num_frames, num_persons, *values.shape[2:]), nothing, dtype=values.dtype)
        whole[:, rows] = values
        return whole

    return _Side(
        observed=spread(labels.observed, False),
        points_px=spread(points_px, np.nan),
        points_mm=spread(labels.points_mm, np.nan),
        kept=spread(labels.kept, False),
        weights=spread(labels.weights, 0.0),
    )


def _points_px(block: ObservationsBlock, labels: PseudoLabels) -> Floats:
    """The observations of the persons of a block's pseudo-labels, in their order."""
    return block.points_px[:, np.searchsorted(block.persons, labels.persons)]
