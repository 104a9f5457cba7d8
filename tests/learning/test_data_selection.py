"""A protocol divides a data set so that nothing that is tested is learned from."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.learning.data.dataset import DataSet, StoredBoxes
from core.learning.data.protocols import HeldOutRule, LabelledRule, Protocol, UnlabelledRule
from core.learning.data.recordings import LabelTable, PoseRecording
from core.learning.data.selection import evenly_spaced, select
from core.project.runs.config import DataOptions
from core.skeleton import Skeleton
from tests.learning.data_worlds import ring_rig

RIG = ring_rig(("a", "b", "c"))
ONE = Skeleton(name="one", joints=("head",), bones=())
PROJECT = Protocol(
    name="test",
    title="A test.",
    dataset="project",
    unlabelled=UnlabelledRule(unused_labels=False),
    held_out=HeldOutRule(last_frames=True),
)


def recording(labelled, located, *, seen_in=3, first_frame_number=1):
    """People (person, frame) with labels, and those with a place, in `seen_in` of 3 views."""
    located = np.array(sorted({*labelled, *located}, key=lambda k: (k[1], k[0]))).reshape(-1, 2)
    boxes = np.tile(np.array([0.0, 0, 9, 9]), (len(located), 3, 1))
    boxes[:, seen_in:] = np.nan
    keys = np.array(labelled).reshape(-1, 2)
    return PoseRecording(
        name=f"seen in {seen_in}",
        rig=RIG,
        skeleton=ONE,
        labels=LabelTable.from_rows(keys, np.zeros((len(keys), 1, 3))),
        places=StoredBoxes(located, boxes),
        pictures=None,
        first_frame_number=first_frame_number,
    )


def dataset(*recordings, test=()):
    return DataSet(
        name="d", recordings=recordings, skeleton=ONE, test_people=frozenset(test), notes=("odd",)
    )


def everybody(persons, frames):
    return [(person, frame) for frame in frames for person in persons]


def people(groups):
    return {group.person for group in groups}


def frames(groups):
    return {group.frame for group in groups}


def test_test_people_are_held_out_and_never_learned_from():
    data = dataset(
        recording(everybody((1, 2, 7), (2, 4)), everybody((1, 2, 7, 9), range(8))), test=(7,)
    )
    found = select(data, PROJECT, DataOptions())
    assert (people(found.labelled), people(found.held_out)) == ({1, 2}, {7})
    assert people(found.unlabelled) == {1, 2, 9}
    assert frames(found.unlabelled) == {0, 1, 3, 5, 6, 7}
    assert "Test people: 7." in found.notes
    assert "odd" in found.notes


def test_a_fixed_joint_takes_its_own_person_out_of_the_pool_and_nobody_else_where_asked_for():
    data = dataset(recording([(1, 4), (7, 4)], everybody((1, 2, 3, 7), range(8))), test=(7,))
    strict = select(data, PROJECT, DataOptions())
    assert 4 not in frames(strict.unlabelled)
    rule = replace(PROJECT.unlabelled, beside_labels=True)
    found = select(data, replace(PROJECT, unlabelled=rule), DataOptions())
    assert {g.person for g in found.unlabelled if g.frame == 4} == {2, 3}
    assert len(found.unlabelled) == len(strict.unlabelled) + 2
    assert people(found.held_out) == {7}


def test_test_people_join_the_unlabelled_only_where_asked_for_and_it_is_said():
    data = dataset(recording(everybody((1, 7), (2, 4)), everybody((1, 7), range(8))), test=(7,))
    found = select(data, PROJECT, DataOptions(test_people_unlabelled=True))
    assert people(found.unlabelled) == {1, 7}
    assert not set(found.unlabelled) & {*found.held_out, *found.labelled}
    assert any("data.test_people_unlabelled" in note for note in found.notes)


def test_without_test_people_the_last_labelled_frames_are_one_held_out_block():
    data = dataset(recording(everybody((1, 2), range(0, 40, 4)), everybody((1, 2), range(40))))
    found = select(data, PROJECT, DataOptions(held_out_percent=30))
    assert frames(found.held_out) == {28, 32, 36}
    assert frames(found.labelled) == set(range(0, 28, 4))
    assert not frames(found.unlabelled) & set(range(28, 37)), "nor frames between held-out ones"
    assert {37, 38, 39} < frames(found.unlabelled)
    assert "Held out: frames 29 to 37 of seen in 3." in found.notes


def test_one_labelled_frame_is_learned_from_rather_than_held_out():
    found = select(dataset(recording([(1, 5)], [])), PROJECT, DataOptions(held_out_percent=50))
    assert (len(found.labelled), len(found.held_out)) == (1, 0)
    assert "There are no held-out poses." in found.notes


def test_only_people_in_enough_views_are_unlabelled_groups():
    data = dataset(*(recording([], everybody((1,), range(3)), seen_in=n) for n in (0, 1, 2, 3)))
    found = select(data, PROJECT, DataOptions())
    assert {group.recording for group in found.unlabelled} == {2, 3}
    bounded = select(data, PROJECT, DataOptions(max_unlabelled=4))
    assert len(bounded.unlabelled) == 4
    assert {group.recording for group in bounded.unlabelled} <= {2, 3}


def test_labelled_people_in_no_view_are_left_out_and_counted():
    found = select(
        dataset(recording([(1, 3), (2, 3)], [], seen_in=0), recording([(1, 3)], [])),
        replace(PROJECT, held_out=HeldOutRule()),
        DataOptions(),
    )
    assert [group.recording for group in found.labelled] == [1]
    assert any(note.startswith("2 labelled poses are in no picture") for note in found.notes)


def test_unlabelled_frames_come_from_the_ranges_of_the_protocol_by_frame_number():
    rule = UnlabelledRule(frames=((11, 16), (31, 34)), every=3)
    data = dataset(recording([], everybody((1,), range(40))))
    found = select(data, replace(PROJECT, unlabelled=rule), DataOptions())
    assert [group.frame + 1 for group in found.unlabelled] == [11, 14, 31, 34]
    faster = select(data, replace(PROJECT, unlabelled=rule), DataOptions(unlabelled_rate=5))
    assert [group.frame + 1 for group in faster.unlabelled] == [11, 16, 31]


def test_labels_that_are_not_used_are_unlabelled_where_the_protocol_says_so():
    every = everybody((1, 2), range(10))
    rule = replace(PROJECT, held_out=HeldOutRule(), unlabelled=UnlabelledRule(unused_labels=True))
    found = select(dataset(recording(every, [])), rule, DataOptions(labelled_percent=20))
    assert len(found.labelled) == 4
    assert frames(found.labelled).isdisjoint(frames(found.unlabelled))
    assert len(found.unlabelled) == 20 - 2 * len(frames(found.labelled))
    strict = replace(rule, unlabelled=UnlabelledRule(unused_labels=False))
    assert not select(dataset(recording(every, [])), strict, DataOptions()).unlabelled


def test_a_share_of_the_labels_is_spread_over_people_and_time():
    data = dataset(recording(everybody(range(10), range(70)), []))
    rule = replace(PROJECT, held_out=HeldOutRule())
    found = select(data, rule, DataOptions(labelled_percent=10)).labelled
    assert len(found) == 70
    counts = np.unique(found.rows[:, 1], return_counts=True)[1]
    assert counts.tolist() == [7] * 10
    assert max(np.diff(sorted(g.frame for g in found if g.person == 4))) <= 11
    assert len(select(data, rule, DataOptions(max_labelled=24)).labelled) == 24


def test_a_share_in_whole_frames_has_everybody_of_a_frame():
    rule = replace(
        PROJECT, held_out=HeldOutRule(), labelled=LabelledRule(percent=10, whole_frames=True)
    )
    data = dataset(recording(everybody(range(5), range(40)), []))
    found = select(data, rule, DataOptions()).labelled
    assert [group.frame for group in found] == sorted([5, 15, 25, 35] * 5)
    assert len(select(data, rule, DataOptions(max_labelled=9)).labelled) == 5
    assert len(select(data, rule, DataOptions(max_labelled=3)).labelled) == 3


def test_each_nth_labelled_frame_counts_within_its_recording():
    rule = replace(PROJECT, held_out=HeldOutRule(people=(7,), every=3))
    parts = [recording(everybody((1, 7), range(a, a + 8, 2)), []) for a in (0, 1)]
    found = select(dataset(*parts), rule, DataOptions())
    rows = [(group.recording, group.frame) for group in found.held_out]
    assert rows == [(0, 0), (0, 6), (1, 1), (1, 7)]
    assert people(found.unlabelled) <= {1}


KEYS = st.sets(st.tuples(st.sampled_from((1, 2, 7)), st.integers(0, 15)), max_size=25)
OPTIONS = st.builds(
    DataOptions,
    labelled_percent=st.sampled_from((0.0, 10.0, 50.0, 100.0)),
    max_labelled=st.integers(0, 3),
    unlabelled_rate=st.integers(0, 3),
    max_unlabelled=st.integers(0, 4),
    held_out_percent=st.sampled_from((0.0, 20.0, 90.0)),
    test_people_unlabelled=st.booleans(),
)
RULES = st.builds(
    replace,
    st.just(PROJECT),
    unlabelled=st.builds(UnlabelledRule, unused_labels=st.booleans(), beside_labels=st.booleans()),
    labelled=st.builds(LabelledRule, whole_frames=st.booleans(), every=st.integers(1, 2)),
    held_out=st.builds(
        HeldOutRule,
        people=st.sampled_from(((), (7,))),
        last_frames=st.booleans(),
        every=st.integers(1, 3),
    ),
)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(KEYS, KEYS), min_size=1, max_size=2), RULES, OPTIONS)
def test_whatever_the_rules_the_three_lists_never_meet(parts, rules, options):
    data = dataset(*(recording(sorted(a), sorted(b)) for a, b in parts))
    found = select(data, rules, options)
    labelled, unlabelled, held = (
        set(part) for part in (found.labelled, found.unlabelled, found.held_out)
    )
    assert len(labelled | unlabelled | held) == len(labelled) + len(unlabelled) + len(held)
    assert [len(p) for p in (labelled, unlabelled, held)] == [
        len(p) for p in (found.labelled, found.unlabelled, found.held_out)
    ]
    if not rules.unlabelled.beside_labels:
        assert {(g.recording, g.frame) for g in labelled}.isdisjoint(
            (g.recording, g.frame) for g in unlabelled
        )
    assert not people(labelled) & set(rules.held_out.people)
    if not options.test_people_unlabelled:
        assert not people(unlabelled) & set(rules.held_out.people)
    for bound, part in ((options.max_labelled, labelled), (options.max_unlabelled, unlabelled)):
        assert not bound or len(part) <= bound
    again = select(data, rules, options)
    assert (again.labelled, again.unlabelled) == (found.labelled, found.unlabelled)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 60), st.integers(0, 70))
def test_evenly_spaced_rows_are_as_many_as_asked_for_and_in_order(num_rows, count):
    rows = np.array([(0, i % 3, i // 3) for i in range(num_rows)], np.int32)
    chosen = evenly_spaced(rows, count)
    assert len(chosen) == min(count, num_rows)
    place = [rows.tolist().index(row) for row in chosen.tolist()]
    assert place == sorted(set(place))


@pytest.mark.parametrize("kind", ["hand", "detections"])
def test_labels_made_of_detections_are_said_to_be_that(kind):
    found = select(dataset(recording([(1, 1)], [])), replace(PROJECT, labels=kind), DataOptions())
    assert any("agreement" in note for note in found.notes) == (kind == "detections")
