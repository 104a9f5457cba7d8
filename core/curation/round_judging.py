"""Accept, reject and roll back what a round changed: pseudo-labels and reviews, never labels.

A change is judged as any pseudo-label is (`core.curation.accepting`): its point is copied with its
provenance, and hand labels are not touched by any edit made here. One joint is judged as it is;
many at once with care: what is kept, and what nobody has decided about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from core.curation.accepting import Selection, accept, acceptable, reject
from core.curation.pseudo import BLOCK_FRAMES, pseudo_labels, resolved_settings
from core.curation.sources import DETECTIONS
from core.errors import CommandRefusedError
from core.project import PointKey, Provenance, ReviewState, SetReviews

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from core.curation.query import Query
    from core.curation.sources import FrameSource
    from core.project import Edit, Project
    from core.settings import TriangulationSettings

    Progress = Callable[[int, int], bool]

_READ_FRAMES = 2000


def changes_at(
    project: Project,
    source: FrameSource,
    settings: TriangulationSettings,
    keys: NDArray[np.int64],
    progress: Progress | None = None,
) -> Selection | None:
    """Joints of a source as they are now, by their keys.

    Args:
        project: whose reviews count.
        source: the side after.
        settings: how to triangulate.
        keys: (N, 3) frame, person, joint; each once, in any order.
        progress: called after each block with frames done and in all; answers whether to go on.

    Returns:
        Those of them that some view saw, by frame, person, joint; None where `progress` said to
        stop.
    """
    settings = resolved_settings(source, settings)
    nobody = pseudo_labels(project, source, 0, 1, settings, persons=())
    parts = [Selection.of(nobody, np.zeros(nobody.kept.shape, dtype=np.bool_), source.name)]
    keys = keys[np.lexsort(keys.T[::-1])]
    frames = np.unique(keys[:, 0])
    done = 0
    for start, stop in _stretches(frames):
        low, high = np.searchsorted(keys[:, 0], (start, stop)).tolist()
        here = keys[low:high]
        persons = tuple(np.unique(here[:, 1]).tolist())
        labels = pseudo_labels(project, source, start, stop, settings, persons)
        here = here[np.isin(here[:, 1], labels.persons)]
        mask = np.zeros(labels.kept.shape, dtype=np.bool_)
        rows = np.searchsorted(np.array(labels.persons, dtype=np.int64), here[:, 1])
        mask[here[:, 0] - start, rows, here[:, 2]] = True
        parts.append(Selection.of(labels, mask & labels.seen, source.name))
        done += stop - start
        if progress is not None and not progress(min(done, len(frames)), len(frames)):
            return None
    return Selection.concatenate(parts)


def matching(
    project: Project,
    source: FrameSource,
    settings: TriangulationSettings,
    query: Query,
    keys: NDArray[np.int64],
    progress: Progress | None = None,
) -> NDArray[np.bool_] | None:
    """Which joints of a source a query means.

    Args:
        project: whose reviews count.
        source: the side after.
        settings: how to triangulate.
        query: of `core.curation.query`.
        keys: (N, 3) frame, person, joint, in any order.
        progress: called after each block with frames done and in all; answers whether to go on.

    Returns:
        (N,); None where `progress` said to stop.
    """
    found = np.ones(len(keys), dtype=np.bool_)
    if query.frames is not None:
        found &= np.isin(keys[:, 0], np.concatenate([np.array(part) for part in query.frames]))
    if query.persons is not None:
        found &= np.isin(keys[:, 1], query.persons)
    if query.joints is not None:
        found &= np.isin(keys[:, 2], query.joints)
    rest = (query.kept, query.hand, query.cameras, query.states)
    if not query.numbers and all(each is None for each in rest):
        return found
    settings = resolved_settings(source, settings)
    left = np.flatnonzero(found)
    left = left[np.argsort(keys[left, 0], kind="stable")]
    frames = np.unique(keys[left, 0])
    done = 0
    for start, stop in _stretches(frames):
        low, high = np.searchsorted(keys[left, 0], (start, stop)).tolist()
        here = left[low:high]
        frame, person, joint = keys[here].T
        persons = tuple(np.unique(person).tolist())
        labels = pseudo_labels(project, source, start, stop, settings, persons)
        known = np.isin(person, labels.persons)
        rows = np.searchsorted(np.array(labels.persons, dtype=np.int64), person[known])
        meant = np.zeros(len(here), dtype=np.bool_)
        meant[known] = query.matches(labels)[frame[known] - start, rows, joint[known]]
        found[here] = meant
        done += stop - start
        if progress is not None and not progress(min(done, len(frames)), len(frames)):
            return None
    return found


def states_of(project: Project, keys: NDArray[np.int64]) -> NDArray[np.uint8]:
    """(N,) values of `ReviewState` of joints (N, 3): frame, person, joint."""
    states = np.zeros(len(keys), dtype=np.uint8)
    if not len(keys):
        return states
    codes = _codes(keys)
    for start, stop in _spans(np.unique(keys[:, 0])):
        rows = project.reviews_between(start, stop)
        if not len(rows.state):
            continue
        known = _codes(rows.keys)
        order = np.argsort(known)
        place = np.searchsorted(known[order], codes)
        place = np.minimum(place, len(known) - 1)
        is_there = known[order][place] == codes
        states[is_there] = rows.state[order][place[is_there]]
    return states


def _codes(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """One number a key."""
    return (keys[:, 0] << 32) | (keys[:, 1] << 12) | keys[:, 2]


def _spans(frames: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Few reads that cover all frames: first, and one more than the last."""
    at = 0
    while at < len(frames):
        stop = int(np.searchsorted(frames, frames[at] + _READ_FRAMES))
        yield int(frames[at]), int(frames[stop - 1]) + 1
        at = stop


def judge_changes(
    source: FrameSource,
    selection: Selection,
    verb: Literal["accept", "reject"],
    *,
    name: str = "",
    remark: str = "",
) -> Edit:
    """Accept or reject changes, as one step.

    Raises:
        CommandRefusedError: nothing of it can be accepted, or all was decided before.
    """
    if len(selection) > 1:
        selection = _undecided(selection, verb)
    elif verb == "accept" and len(selection) and not selection.kept[0]:
        raise CommandRefusedError(
            "It is discarded in this round, so there is nothing to accept: reject it, or rescue"
            " the joint if it is right."
        )
    if verb == "accept":
        return accept(source, selection, name=name, remark=remark)
    return reject(selection, name=name, remark=remark)


def _undecided(selection: Selection, verb: Literal["accept", "reject"]) -> Selection:
    free = selection.in_state(ReviewState.UNREVIEWED)
    if verb == "accept":
        if not (selection.kept & acceptable(selection)).any():
            raise CommandRefusedError("Nothing of it is kept in this round: nothing to accept.")
        free &= selection.kept
    left = selection.where(free)
    if not len(left):
        raise CommandRefusedError(
            "All of it was decided before: take the review back, or judge joint by joint."
        )
    return left


def roll_back(
    project: Project,
    after: FrameSource,
    before: FrameSource | None,
    progress: Progress | None = None,
) -> Edit | None:
    """Take back all that was accepted from a round; what is locked stays.

    Of a run whose newest answers are shown, the rounds later than the one before are meant where
    that is of the same run, else all its rounds.

    Args:
        project: whose accepted points they are.
        after: the round.
        before: what it was compared with.
        progress: called with frames done and in all; answers whether to go on.

    Returns:
        None where nothing was accepted from it, or `progress` said to stop.

    Raises:
        CommandRefusedError: `after` is no run's, or all that was accepted from it is locked.
    """
    if after.name == DETECTIONS:
        raise CommandRefusedError("Detections are no round: show a run's predictions first.")
    keys: list[PointKey] = []
    for start in range(0, project.num_frames, _READ_FRAMES):
        stop = min(start + _READ_FRAMES, project.num_frames)
        keys += _accepted_from(project, after, before, start, stop)
        if progress is not None and not progress(stop, project.num_frames):
            return None
    if not keys:
        return None
    locked = _locked_among(project, keys)
    free = tuple(key for key in keys if key not in locked)
    if not free:
        raise CommandRefusedError(
            "All that was accepted from this round is locked: unlock it first."
        )
    number = f"{len(free):,} accepted {'point' if len(free) == 1 else 'points'}"
    stays = f", {len(locked):,} locked stay" if locked else ""
    return SetReviews(
        keys=free, state=None, source=after.name, name=f"Roll back {after.title}: {number}{stays}"
    )


def _accepted_from(
    project: Project, after: FrameSource, before: FrameSource | None, start: int, stop: int
) -> Iterator[PointKey]:
    rows = project.accepted_between(start, stop)
    for key, text in zip(rows.keys.tolist(), rows.provenance, strict=True):
        if after.name in text and _is_of(Provenance.from_json(text), after, before):
            yield PointKey(*key)


def _is_of(provenance: Provenance, after: FrameSource, before: FrameSource | None) -> bool:
    if provenance.source != after.name or provenance.round is None:
        return False
    if after.round is not None:
        return provenance.round == after.round
    if before is not None and before.name == after.name and before.round is not None:
        return provenance.round > before.round
    return True


def _locked_among(project: Project, keys: list[PointKey]) -> set[PointKey]:
    rows = project.reviews_between(keys[0].frame, keys[-1].frame + 1)
    locked = rows.keys[rows.state == ReviewState.LOCKED]
    return {PointKey(*key) for key in locked.tolist()}.intersection(keys)


def _stretches(frames: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    for run in np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1):
        for start in range(0, len(run), BLOCK_FRAMES):
            part = run[start : start + BLOCK_FRAMES]
            yield int(part[0]), int(part[-1]) + 1
