"""How a protocol divides a data set: who is learned from with labels, without, and not at all.

Rows are (recording, person, frame), always in arrays. Choosing a share of them goes person by
person: spread over rows ordered by frame, 10 % of ten people would be one and the same person.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from core.learning.data.groups import GroupList

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from core.learning.data.dataset import DataSet
    from core.learning.data.protocols import Protocol
    from core.learning.data.recordings import PoseRecording
    from core.project.runs.config import DataOptions

    Rows = NDArray[np.int32]
    Mask = NDArray[np.bool_]

_CHUNK = (
    512  # of 48 outline points in 8 views: larger ones fall out of the cache, at twice the time
)


@dataclass(slots=True)
class Selection:
    """The three lists, and what is to be said about them."""

    labelled: GroupList
    unlabelled: GroupList
    held_out: GroupList
    notes: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class _HeldOut:
    """What nothing may be learned from: rows of labels, whole frames, and people."""

    rows: Rows
    evaluated: Rows
    people: frozenset[int]
    block: Rows
    notes: list[str]


def select(dataset: DataSet, protocol: Protocol, options: DataOptions) -> Selection:
    """Divide a data set, deterministically.

    Args:
        dataset: what there is.
        protocol: who is who.
        options: shares and bounds.
    """
    every_label = _rows([one.labels.keys for one in dataset.recordings])
    seen = every_label[_num_views(dataset.recordings, every_label) >= 1]
    held = _held_out(dataset, protocol, options, seen)
    by_people = _labelled(seen, held, protocol, options)
    accepted = _accepted(dataset, held, protocol, options)
    labelled = np.concatenate([by_people, _without(accepted, by_people)])
    selection = Selection(
        labelled=GroupList(labelled),
        unlabelled=GroupList(
            _unlabelled(dataset, protocol, options, by_people, accepted, every_label, held)
        ),
        held_out=GroupList(held.evaluated),
    )
    selection.notes = [
        *dataset.notes,
        *held.notes,
        *_accepted_notes(accepted),
        *_notes(dataset, protocol, options, selection, held, len(every_label) - len(seen)),
    ]
    return selection


def evenly_spaced(rows: Rows, count: int) -> Rows:
    """`count` of the rows, as many of each person as the share allows and evenly spaced in time.

    Returned in the order of the rows.
    """
    if count >= len(rows):
        return rows
    by_person = np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0]))
    chosen = ((np.arange(count) + 0.5) * len(rows) / max(count, 1)).astype(np.intp)
    return rows[np.sort(by_person[chosen])]


def note_of_test_people(people: Iterable[int]) -> str:
    """The note that says whom nothing is learned from."""
    return f"Test people: {', '.join(str(person) for person in sorted(people))}."


def _held_out(dataset: DataSet, protocol: Protocol, options: DataOptions, labels: Rows) -> _HeldOut:
    rule, notes = protocol.held_out, list[str]()
    people = frozenset(rule.people) or dataset.test_people
    rows = labels[np.isin(labels[:, 1], list(people))]
    block = np.zeros((0, 3), dtype=np.int32)
    if not len(rows) and rule.last_frames:
        if people:
            notes.append(
                "The test people have no labels, so the last labelled frames are held out."
            )
        rows, block = _last_frames(labels, options.held_out_percent)
    return _HeldOut(
        rows=rows, evaluated=_each(rows, rule.every), people=people, block=block, notes=notes
    )


def _last_frames(labels: Rows, percent: float) -> tuple[Rows, Rows]:
    """Labels of the last frames of every recording, and (R, 3) recording, first and last frame."""
    held, blocks = [labels[:0]], list[tuple[int, int, int]]()
    for recording in np.unique(labels[:, 0]):
        own = labels[labels[:, 0] == recording]
        frames = np.unique(own[:, 2])
        count = min(max(round(percent / 100 * len(frames)), 1), len(frames) - 1)
        if percent > 0 and count > 0:
            first, last = int(frames[-count]), int(frames[-1])
            held.append(own[own[:, 2] >= first])
            blocks.append((int(recording), first, last))
    return np.concatenate(held), np.array(blocks, dtype=np.int32).reshape(-1, 3)


def _labelled(labels: Rows, held: _HeldOut, protocol: Protocol, options: DataOptions) -> Rows:
    rule = protocol.labelled
    free = ~np.isin(labels[:, 1], list(held.people)) & ~_within(labels, held.block)
    if rule.people:
        free &= np.isin(labels[:, 1], rule.people)
    rows = _each(labels[free], rule.every)
    count = round(len(rows) * rule.percent / 100 * options.labelled_percent / 100)
    if rule.percent > 0 and options.labelled_percent > 0:
        count = max(count, min(1, len(rows)))
    if options.max_labelled:
        count = min(count, options.max_labelled)
    return _whole_frames(rows, count) if rule.whole_frames else evenly_spaced(rows, count)


def _accepted(dataset: DataSet, held: _HeldOut, protocol: Protocol, options: DataOptions) -> Rows:
    """Groups with accepted pseudo-labels that may be learned from, whatever share of labels is.

    Unlike a label, an accepted joint leaves the other people of its frame in the unlabelled pool:
    accepting by a query would empty it.
    """
    tables = [one.accepted for one in dataset.recordings]
    rows = _rows([np.zeros((0, 2), np.int32) if t is None else t.keys for t in tables])
    rule = protocol.labelled
    if not len(rows) or rule.percent == 0 or options.labelled_percent == 0:
        return rows[:0]
    free = ~np.isin(rows[:, 1], list(held.people)) & ~_within(rows, held.block)
    if rule.people:
        free &= np.isin(rows[:, 1], rule.people)
    rows = _without(rows[free], held.rows)
    return rows[_num_views(dataset.recordings, rows) >= 1]


def _accepted_notes(accepted: Rows) -> list[str]:
    if not len(accepted):
        return []
    return [
        f"Accepted pseudo-labels of {len(accepted)} groups are learned from (data.use_accepted); "
        "nothing is evaluated on them."
    ]


def _whole_frames(rows: Rows, count: int) -> Rows:
    """About `count` of the rows, never more: those of evenly spaced frames."""
    frames, place = np.unique(_packed_frames(rows), return_inverse=True)
    num_frames = max(count * len(frames) // max(len(rows), 1), min(count, 1))
    chosen = ((np.arange(num_frames) + 0.5) * len(frames) / max(num_frames, 1)).astype(np.intp)
    return evenly_spaced(rows[np.isin(place, chosen)], count)


def _unlabelled(
    dataset: DataSet,
    protocol: Protocol,
    options: DataOptions,
    labelled: Rows,
    accepted: Rows,
    every_label: Rows,
    held: _HeldOut,
) -> Rows:
    """Groups to be looked at without labels; an accepted one closes no frame, only itself."""
    rule = protocol.unlabelled
    rate = options.unlabelled_rate or rule.every
    closed = np.concatenate([labelled, *([] if rule.unused_labels else [every_label])])
    banned = _packed_frames(closed[:0] if rule.beside_labels else closed)
    people = frozenset[int]() if options.test_people_unlabelled else held.people
    wanted = set(rule.people) | (held.people if options.test_people_unlabelled else set[int]())
    parts: list[Rows] = []
    for number, recording in enumerate(dataset.recordings):
        rows = _rows([recording.places.keys], number)
        rows = rows[_sampled(rows[:, 2] + recording.first_frame_number, rule.frames, rate)]
        if rule.people:
            rows = rows[np.isin(rows[:, 1], list(wanted))]
        rows = rows[~np.isin(rows[:, 1], list(people)) & ~_within(rows, held.block)]
        parts.append(rows[~np.isin(_packed_frames(rows), banned)])
    rows = np.concatenate([labelled[:0], *parts])
    rows = _without(rows, np.concatenate([closed, accepted, held.evaluated]))
    if options.max_unlabelled:
        return _bounded(dataset.recordings, rows, rule.min_views, options.max_unlabelled)
    return rows[_num_views(dataset.recordings, rows) >= rule.min_views]


def _bounded(recordings: tuple[PoseRecording, ...], rows: Rows, min_views: int, most: int) -> Rows:
    """At most so many rows seen in enough views, evenly spaced, without looking at all of them."""
    count = 2 * most
    while True:
        tried = evenly_spaced(rows, count)
        good = tried[_num_views(recordings, tried) >= min_views]
        if len(good) >= most or len(tried) == len(rows):
            return evenly_spaced(good, most)
        count *= 4


def _notes(
    dataset: DataSet,
    protocol: Protocol,
    options: DataOptions,
    selection: Selection,
    held: _HeldOut,
    num_unseen: int,
) -> list[str]:
    notes: list[str] = []
    if protocol.labels == "detections":
        notes.append("Labels are triangulated detections: figures tell agreement with them.")
    if held.people:
        notes.append(note_of_test_people(held.people))
        if options.test_people_unlabelled:
            notes.append(
                "Test people are in the unlabelled pool (data.test_people_unlabelled), in the "
                "frames that are not evaluated."
            )
    for recording, first, last in held.block.tolist():
        one = dataset.recordings[recording]
        start = one.first_frame_number
        notes.append(f"Held out: frames {first + start} to {last + start} of {one.name}.")
    if num_unseen:
        notes.append(f"{num_unseen} labelled poses are in no picture of these cameras: not used.")
    if options.shuffle_labels:
        notes.append("LABELS ARE SHUFFLED (data.shuffle_labels): the results must be ruined.")
    for name in ("labelled", "unlabelled", "held_out"):
        if not len(getattr(selection, name)):
            notes.append(f"There are no {name.replace('_', '-')} poses.")
    return notes


def _rows(keys: list[NDArray[np.int32]], first: int = 0) -> Rows:
    """(N, 3) rows of the keys of consecutive recordings."""
    parts = [np.zeros((0, 3), dtype=np.int32)]
    for number, own in enumerate(keys, first):
        parts.append(np.column_stack([np.full(len(own), number, np.int32), own]).astype(np.int32))
    return np.concatenate(parts)


def _each(rows: Rows, every: int) -> Rows:
    """The rows of each n-th frame that a recording has rows of."""
    if every == 1 or not len(rows):
        return rows
    frames, place = np.unique(_packed_frames(rows), return_inverse=True)
    starts = np.searchsorted(frames, frames & ~np.int64(0xFFFFFFFF))
    rank = np.arange(len(frames)) - starts
    return rows[(rank % every == 0)[place]]


def _sampled(numbers: NDArray[np.int32], ranges: tuple[tuple[int, int], ...], rate: int) -> Mask:
    if not ranges:
        return numbers % rate == 0
    parts = [(numbers >= a) & (numbers <= b) & ((numbers - a) % rate == 0) for a, b in ranges]
    return np.logical_or.reduce(parts)


def _within(rows: Rows, blocks: Rows) -> Mask:
    """Whether a row lies in a block (recording, first, last frame)."""
    inside = np.zeros(len(rows), dtype=bool)
    for recording, first, last in blocks:
        inside |= (rows[:, 0] == recording) & (rows[:, 2] >= first) & (rows[:, 2] <= last)
    return inside


def _packed_frames(rows: Rows) -> NDArray[np.int64]:
    return (rows[:, 0].astype(np.int64) << 32) | rows[:, 2]


def _without(rows: Rows, gone: Rows) -> Rows:
    """The rows that are not among `gone`."""
    if not len(gone) or not len(rows):
        return rows
    both = np.ascontiguousarray(np.concatenate([rows, gone]))
    _, place = np.unique(both, axis=0, return_inverse=True)
    place = place.reshape(-1)
    return rows[~np.isin(place[: len(rows)], place[len(rows) :])]


def _num_views(recordings: tuple[PoseRecording, ...], rows: Rows) -> NDArray[np.int64]:
    """(N,) in how many cameras each row's person is in view."""
    counts = np.zeros(len(rows), dtype=np.int64)
    for number, recording in enumerate(recordings):
        own = np.flatnonzero(rows[:, 0] == number)
        for first in range(0, math.ceil(len(own) / _CHUNK) * _CHUNK, _CHUNK):
            part = own[first : first + _CHUNK]
            boxes = recording.boxes_of(rows[part, 1:])
            counts[part] = np.isfinite(boxes[..., 0]).sum(axis=1)
    return counts
