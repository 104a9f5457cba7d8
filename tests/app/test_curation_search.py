"""Queries of the Curate panel without a window: what they judge, and what they never wait for."""

import time

import numpy as np
import pytest
from PySide6.QtCore import QTimer

from app.curation.queue_walk import QueueWalk
from app.curation.search import Search
from app.session import Session
from core.curation.accepting import accept
from core.curation.sources import DetectionSource
from core.labelling import place_joint
from core.project import JointKey, PointKey, ReviewState, SetReviews
from tests.app.views_world import make_project, make_world
from tests.curation.selecting import select_at

BAD, OLD = PointKey(0, 1, 5), PointKey(0, 1, 6)


@pytest.fixture
def session(qtbot, tmp_path):
    """A session on a project of its own, which may be changed."""
    path = tmp_path / "own.trilabel"
    make_project(path, make_world(num_persons=4, num_frames=6)).close()
    session = Session()
    with qtbot.waitSignal(session.diagnosis_changed, timeout=60_000):
        session.warm_up()
    session.open_project(path)
    session.set_settings(scale_mm=12.0)
    yield session
    session.close_project()


def counted(qtbot, session, text):
    search = Search(session)
    search.set_active(True)
    search.set_text(text)
    qtbot.waitUntil(lambda: search.is_settled and search.selection is not None, timeout=20_000)
    return search


def judge(qtbot, search, verb):
    search.judge(verb)
    qtbot.waitUntil(lambda: search.is_settled and not search.is_judging, timeout=20_000)


def decide(session):
    """One joint rejected, another accepted with a point of before."""
    project = session.project
    session.apply(SetReviews(keys=(BAD,), state="rejected"))
    found = select_at(project, session.source, session.settings, 0, person=1, joint=OLD.joint)
    found.points_mm[:] += 1000.0
    session.apply(accept(session.source, found))


def points_of(project, key):
    rows = project.accepted_between(key.frame, key.frame + 1)
    return rows.points_mm[(rows.keys == np.array(key)).all(axis=1)]


@pytest.mark.parametrize("verb", ["accept", "lock"])
def test_accepting_what_a_query_finds_leaves_decisions_alone(qtbot, session, verb):
    decide(session)
    before = points_of(session.project, OLD)
    search = counted(qtbot, session, "person=1 frame=1")
    judge(qtbot, search, verb)
    project = session.project
    assert project.review(BAD).state == "rejected"
    assert not len(points_of(project, BAD))
    np.testing.assert_array_equal(points_of(project, OLD), before)
    assert project.review(PointKey(0, 1, 7)).state == f"{verb}ed"
    assert project.review(OLD).state == f"{verb}ed"


def test_a_query_that_names_a_state_judges_it_anew(qtbot, session):
    decide(session)
    search = counted(qtbot, session, "person=1 frame=1 state=rejected")
    judge(qtbot, search, "accept")
    assert session.project.reviews(0).of([1])[0, BAD.joint] == ReviewState.ACCEPTED


class Slow(DetectionSource):
    """Detections that take their time."""

    def observations_block(self, start, stop):
        time.sleep(0.6)
        return super().observations_block(start, stop)


def test_counting_anew_does_not_hold_the_window_up(qtbot, session):
    session.set_source(Slow(session.project))
    search = Search(session)
    search.set_active(True)
    search.set_text("kept")
    qtbot.wait(500)  # the count has begun
    assert search.is_counting
    gaps, last = [], [time.perf_counter()]

    def tick():
        gaps.append(time.perf_counter() - last[0])
        last[0] = time.perf_counter()

    timer = QTimer()
    timer.timeout.connect(tick)
    timer.start(5)
    search.set_text("kept person=1")
    qtbot.waitUntil(lambda: search.is_settled and search.selection is not None, timeout=20_000)
    timer.stop()
    assert set(search.selection.keys[:, 1].tolist()) == {1}
    assert max(gaps) < 0.3


def test_an_edit_while_the_queue_is_built_builds_it_anew_and_holds_nothing_up(qtbot, session):
    session.set_source(Slow(session.project))
    walk = QueueWalk(session)
    walk.build(then_go=True)
    qtbot.wait(300)
    assert walk.is_building
    began = time.perf_counter()
    x, y = session.observations.points_px[session.person_row, 1, 3]
    person = session.cursor.person
    session.apply(place_joint(JointKey(0, 1, person, 3), (x + 9.0, y)))
    assert time.perf_counter() - began < 0.3
    qtbot.waitUntil(lambda: walk.item is not None, timeout=30_000)
    assert walk.item.key != JointKey(0, 1, person, 3), "it knows of the edit"
    session.set_source(None)
