"""The queue of clicks: its order, what an edit does to it, and that it never sees the truth."""

from dataclasses import replace

import numpy as np
import pytest

from core.curation.queue import Filters, build_queue
from core.curation.ranking import RANKINGS
from core.curation.sources import DetectionSource
from core.project import JointKey, PointKey, Project, SetOverrides, SetReviews
from core.project.importing import import_sportcenter
from core.settings import TriangulationSettings
from core.synthetic import SynthConfig, synthesise
from core.synthetic.annotator import Annotator, Habits
from core.synthetic.truth import TRUTH_NAME, read_truth, write_truth

_SETTINGS = TriangulationSettings(scale_mm=33.0)
_FRAMES = (6, 7, 12)


@pytest.fixture(scope="module")
def match(tmp_path_factory):
    """A match without pictures, and its detections."""
    folder = tmp_path_factory.mktemp("queue") / "match"
    config = SynthConfig(num_frames=16, seed=3, num_people=10, pictures="none", annotated=())
    assert synthesise(config, folder)
    return folder


@pytest.fixture
def project(match, tmp_path):
    """The match imported, to be edited."""
    path = tmp_path / "match.trilabel"
    import_sportcenter(
        match, path, detections=[f"alphapose:{match / 'alphapose'}"], report=lambda _text: None
    )
    with Project.open(path) as project:
        yield project


def make_queue(project, ranking="uncertainty", **options):
    queue = build_queue(
        project, DetectionSource(project), _SETTINGS, ranking, frames=_FRAMES, **options
    )
    assert queue is not None
    return queue


def taken(queue, number, filters=None):
    items = [queue.next(filters) for _ in range(number)]
    return [item for item in items if item is not None]


def test_that_permuting_the_truth_leaves_the_order_as_it_was(match, tmp_path):
    def order(name):
        path = tmp_path / f"{name}.trilabel"
        import_sportcenter(
            match, path, detections=[f"alphapose:{match / 'alphapose'}"], report=lambda _text: None
        )
        with Project.open(path) as opened:
            return taken(make_queue(opened), 200)

    before = order("before")
    truth = read_truth(match / TRUTH_NAME)
    shuffled = np.random.default_rng(0).permutation(truth.points_mm.reshape(-1, 3))
    views = np.random.default_rng(1).permutation(truth.points_px.reshape(-1, 2))
    try:
        write_truth(
            match / TRUTH_NAME,
            replace(
                truth,
                points_mm=shuffled.reshape(truth.points_mm.shape),
                points_px=views.reshape(truth.points_px.shape),
                visible=~truth.visible,
            ),
        )
        assert order("after") == before
        assert len(before) == 200
    finally:
        write_truth(match / TRUTH_NAME, truth)


@pytest.mark.parametrize("ranking", [name for name in RANKINGS if name != "disagreement"])
def test_that_scores_fall_and_nothing_comes_twice(project, ranking):
    items = taken(make_queue(project, ranking), 60)
    assert items
    scores = [item.score for item in items]
    assert scores == sorted(scores, reverse=True)
    assert len({item.key for item in items}) == len(items)
    assert all(item.reason for item in items)


def test_that_what_was_skipped_comes_again_when_asked_for_but_not_at_once(project):
    queue = make_queue(project)
    first, second = taken(queue, 2)
    queue.forget()
    again = queue.next()
    assert again == first
    queue.forget()
    assert queue.next() == second


def test_that_filters_let_only_their_own_through(project):
    person = project.persons[2]
    filters = Filters(cameras=frozenset({1, 4}), persons=frozenset({person}), frames=range(12, 13))
    items = taken(make_queue(project), 20, filters)
    assert items
    assert {item.person for item in items} == {person}
    assert {item.camera for item in items} <= {1, 4}
    assert {item.frame for item in items} == {12}


def test_that_what_somebody_judged_is_not_asked_for(project):
    first = make_queue(project).next()
    project.apply(
        SetReviews(keys=(PointKey(first.frame, first.person, first.joint),), state="rejected")
    )
    left = taken(make_queue(project), 100)
    joint = (first.frame, first.person, first.joint)
    assert joint not in {(item.frame, item.person, item.joint) for item in left}


def test_that_answers_lower_the_expected_error(project, match):
    truth = read_truth(match / TRUTH_NAME)
    annotator = Annotator(truth, Habits(noise_px=0.7))
    queue = make_queue(project)
    expected = queue.expected_error_mm
    for _ in range(60):
        item = queue.next()
        queue.refresh(project.apply(annotator.answer(item.key)))
    assert queue.expected_error_mm < 0.9 * expected
    assert annotator.num_answers == 60


def test_that_following_edits_comes_to_what_building_anew_gives(project, match):
    annotator = Annotator(read_truth(match / TRUTH_NAME))
    queue = make_queue(project)
    for _ in range(8):
        queue.refresh(project.apply(annotator.answer(queue.next().key)))
    fresh = make_queue(project)
    # What answers taught of neighbours in time, only the queue that heard them knows.
    assert queue.expected_error_mm == pytest.approx(fresh.expected_error_mm, rel=0.05)


def test_that_another_source_that_agrees_leaves_nothing_to_disagree_with(project):
    queue = make_queue(project, "disagreement", other=DetectionSource(project))
    assert queue.next() is None


def test_that_stopping_gives_no_queue(project):
    source = DetectionSource(project)
    assert build_queue(project, source, _SETTINGS, progress=lambda _done, _total: False) is None


def test_that_a_joint_which_no_view_sees_is_asked_for_where_its_person_is_seen_best(project):
    frame, person, joint = 6, int(project.observations(6).persons[0]), 5
    seen = project.observations(frame)
    row = seen.persons.index(person)
    keys = tuple(JointKey(frame, camera, person, joint) for camera in range(len(project.rig)))
    project.apply(SetOverrides(keys=keys, muted=True))
    queue = make_queue(project)
    filters = Filters(persons=frozenset({person}), joints=frozenset({joint}), frames=range(6, 7))
    item = queue.next(filters)
    assert item is not None
    assert "no view sees" in item.reason
    shares = np.isfinite(seen.points_px[row]).all(-1).sum(axis=1)
    assert shares[item.camera] >= np.median(shares)
    assert item.score < 250


def test_that_what_an_answer_teaches_may_be_looked_at_bit_by_bit(project, match):
    annotator = Annotator(read_truth(match / TRUTH_NAME))
    whole, queue = make_queue(project), make_queue(project)
    for _ in range(12):
        key = whole.next().key
        queue.skip([key])
        change = project.apply(annotator.answer(key))
        whole.refresh(change)
        queue.follow(change)
        rounds = 0
        while not queue.is_caught_up:
            queue.catch_up(2)
            rounds += 1
        assert rounds >= 1
    assert queue.expected_error_mm == pytest.approx(whole.expected_error_mm)
