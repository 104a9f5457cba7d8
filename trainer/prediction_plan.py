"""Which frames are predicted, in which order, and who stands in them.

A *moment* is a (recording, frame). Rounds over everything go through time, so that a video's
decoder passes each frame once; what a person is shown during training begins with the frames that
tell most.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from core.learning.data.groups import Group
from core.project.predictions.rows import moment_keys, moments_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from core.learning.data import GroupList, PoseData
    from core.project.predictions import Aggregates
    from core.project.runs.config import PredictOptions

    Moments = NDArray[np.int64]

# Of the moments shown first, so many in each three are the worst; the others cover the recording.
_WORST_OF_THREE = 2
_KNOWN = ("held_out", "labelled")


def every_moment(data: PoseData, options: PredictOptions) -> Moments:
    """(M, 2) all moments that the options ask for, ascending; also those where nobody stands.

    A recording ends with the last frame at which anybody is anywhere. Where only each n-th frame
    is asked for, those held out are among them all the same: a run that cannot be evaluated is
    worth little.
    """
    parts: list[Moments] = []
    held_out = moments_of_groups(data.held_out)
    for number, recording in enumerate(data.recordings):
        frames = recording.places.keys[:, 1]
        end = int(frames[-1]) + 1 if len(frames) else 0
        stop = min(options.stop_frame or end, end)
        chosen = np.arange(options.first_frame, max(stop, options.first_frame), options.every)
        judged = held_out[held_out[:, 0] == number, 1]
        judged = judged[(judged >= options.first_frame) & (judged < stop)]
        chosen = np.union1d(chosen, judged)
        parts.append(np.stack([np.full_like(chosen, number), chosen], axis=1))
    return np.concatenate(parts).astype(np.int64)


def moments_of_groups(groups: GroupList) -> Moments:
    """(M, 2) the moments of these groups, ascending, each once."""
    return moments_of(np.unique(moment_keys(groups.rows[:, [0, 2]])))


def most_telling(
    data: PoseData,
    options: PredictOptions,
    known: Aggregates | None,
    limit: int,
    wanted: Sequence[int] = (),
) -> Moments:
    """(M, 2) up to `limit` moments, the most telling first, for the window to show in training.

    Those that somebody waits for come first. Then some that are held out, since they are judged,
    by turns with some that are labelled, since they are known best; then of what an earlier round
    has said the worst by residual and discarded joints, mixed with moments spread over the
    recording. Those wanted or labelled count also where the options ask for each n-th frame alone.

    Args:
        data: the recordings.
        options: which frames there are to choose from.
        known: of an earlier round; None before the first.
        limit: how many.
        wanted: frames of the first recording, the most urgent first.
    """
    candidates = moment_keys(every_moment(data, options))
    there = moment_keys(every_moment(data, replace(options, every=1)))
    asked = moment_keys(np.array([(0, frame) for frame in wanted], np.int64).reshape(-1, 2))
    first = [asked, _by_turns(*(_some(data, kind, there, limit) for kind in _KNOWN))]
    first = np.concatenate(first)
    first = first[np.isin(first, there)]
    rest = candidates[_spread(len(candidates), limit)]
    worst = np.zeros(0, dtype=np.int64) if known is None else _worst_first(known)
    worst = worst[np.isin(worst, candidates)][:limit]
    order = np.concatenate([first, _mixed(worst, rest)])
    _, places = np.unique(order, return_index=True)
    return moments_of(order[np.sort(places)][:limit])


def _some(data: PoseData, kind: str, there: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """Some moments of the groups of a kind, evenly."""
    keys = moment_keys(moments_of_groups(getattr(data, kind)))
    keys = keys[np.isin(keys, there)]
    return keys[_spread(len(keys), max(1, limit // 3))]


def _by_turns(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    """One of the first, one of the second, and so on; then whatever is left of either."""
    place = np.concatenate([np.arange(len(one)) * 2, np.arange(len(other)) * 2 + 1])
    return np.concatenate([one, other])[np.argsort(place, kind="stable")]


def _worst_first(known: Aggregates) -> NDArray[np.int64]:
    """Moments by the rank of their worst person, in residual and in discarded joints."""
    keys = moment_keys(np.stack([known.recordings, known.frames], axis=1))
    residual = np.nan_to_num(known.worst_residual_px, nan=0.0)
    badness = residual.argsort().argsort() + (-known.kept_share).argsort().argsort()
    order = np.argsort(-badness, kind="stable")
    _, places = np.unique(keys[order], return_index=True)
    return keys[order][np.sort(places)]


def _mixed(worst: NDArray[np.int64], rest: NDArray[np.int64]) -> NDArray[np.int64]:
    """Two of the worst, one of the rest, and so on; then whatever is left of either."""
    place = np.concatenate(
        [
            np.arange(len(worst)) * 3 / _WORST_OF_THREE,
            np.arange(len(rest)) * 3 + _WORST_OF_THREE,
        ]
    )
    return np.concatenate([worst, rest])[np.argsort(place, kind="stable")]


def _spread(count: int, limit: int) -> NDArray[np.int64]:
    """Up to `limit` of so many, evenly."""
    return np.unique(np.linspace(0, count - 1, min(count, limit)).round().astype(np.int64))


def blocks_of(moments: Moments, size: int) -> list[Moments]:
    """The moments in blocks of `size`, in the order given; each block ascending."""
    keys = moment_keys(moments)
    return [moments_of(np.sort(keys[i : i + size])) for i in range(0, len(keys), size)]


class WantedFirst:
    """Blocks in their order, but those with frames that somebody waits for before the others.

    The wish is asked for anew whenever the next block is chosen. Iterated several times it is the
    same order each time: what is loaded ahead chooses for whoever comes behind.

    Args:
        blocks: numbers of the blocks to do.
        moments: of all blocks.
        wanted: tells the frames of the first recording that are wanted.
    """

    def __init__(
        self,
        blocks: Sequence[int],
        moments: Sequence[Moments],
        wanted: Callable[[], Sequence[int]],
    ) -> None:
        self._left = list(blocks)
        self._moments = moments
        self._wanted = wanted
        self._chosen: list[int] = []

    def __iter__(self) -> Iterator[int]:
        place = 0
        while place < len(self._chosen) or self._left:
            if place == len(self._chosen):
                self._chosen.append(self._left.pop(self._next()))
            yield self._chosen[place]
            place += 1

    def _next(self) -> int:
        """The place among those left of the one with the most urgent frame, else the first."""
        wanted = self._wanted()
        urgency = {frame: place for place, frame in enumerate(wanted)}
        if not urgency:
            return 0
        none = len(wanted)

        def rank(place: int) -> int:
            block = self._moments[self._left[place]]
            frames = block[block[:, 0] == 0, 1].tolist()
            return min((urgency.get(frame, none) for frame in frames), default=none)

        return min(range(len(self._left)), key=rank)


def groups_at(data: PoseData, moments: Moments) -> list[Group]:
    """Everybody at these moments whose box is in a view, by recording, frame, person."""
    found: list[Group] = []
    for number in np.unique(moments[:, 0]).tolist():
        recording = data.recordings[number]
        frames = np.unique(moments[moments[:, 0] == number, 1])
        keys = recording.places.keys
        low, high = np.searchsorted(keys[:, 1], [frames[0], frames[-1] + 1])
        keys = keys[low:high]
        keys = keys[np.isin(keys[:, 1], frames)]
        if len(keys):
            seen = np.isfinite(recording.boxes_of(keys)).all(axis=-1).any(axis=-1)
            found += [Group(number, person, frame) for person, frame in keys[seen].tolist()]
    return found


def by_whole_frames(groups: Sequence[Group], least: int) -> Iterator[list[Group]]:
    """The groups in parts of whole frames, each of `least` groups or more (but for the last).

    The people of a frame share its pictures, which are decoded once for a part.
    """
    part: list[Group] = []
    for group in groups:
        if len(part) >= least and (group.recording, group.frame) != (
            part[-1].recording,
            part[-1].frame,
        ):
            yield part
            part = []
        part.append(group)
    if part:
        yield part
