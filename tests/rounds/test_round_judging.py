"""Accepting, rejecting and rolling back a round; hand labels stay as they are, whatever is done."""

import sqlite3
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.curation.query import parse_query
from core.curation.round_diff import ChangeFilter, diff_points
from core.curation.round_judging import (
    changes_at,
    judge_changes,
    matching,
    roll_back,
    states_of,
)
from core.curation.sources import DetectionSource, RunSource
from core.errors import CommandRefusedError
from core.project import JointKey, PointKey, Project, ReviewState, SetJoints, SetReviews
from core.settings import TriangulationSettings
from tests.app.views_world import make_project, make_world
from tests.rounds.changed_rounds import make_run, write_round

SETTINGS = TriangulationSettings(scale_mm=12.0)
NO_PICTURES = tuple(f"ace_{i}" for i in range(8))


def _noisy(px, _frame, _persons):
    px += np.random.default_rng(5).normal(0, 6.0, px.shape)


def _make(path):
    make_project(path, make_world(num_persons=4, num_frames=4), without=NO_PICTURES).close()
    with Project.open(path) as project:
        run = make_run(project)
        write_round(project, run, 1, range(4), _noisy)
        write_round(project, run, 2, range(4))
        keys = tuple(JointKey(1, camera, 0, joint) for camera in (0, 2) for joint in (3, 4))
        project.apply(SetJoints(keys=keys, points_px=((100.0, 90.0),) * len(keys)))


@pytest.fixture
def project(tmp_path):
    _make(tmp_path / "court.trilabel")
    with Project.open(tmp_path / "court.trilabel") as project:
        yield project


@pytest.fixture
def sides(project):
    (run,) = (project.path / "runs").iterdir()
    found = [_source(project, run.name, number) for number in (1, 2)]
    yield found
    for source in found:
        source.close()


def _source(project, run_id, number):
    from core.project.runs.folder import find_run

    return RunSource(project, find_run(project, run_id), number)


def _changed(project, sides, min_mm=5.0):
    return diff_points(project, *sides, SETTINGS).rows(ChangeFilter(min_mm=min_mm)).keys


def _accept(project, source, keys):
    project.apply(judge_changes(source, changes_at(project, source, SETTINGS, keys), "accept"))


def _accepted(project):
    return {tuple(key) for key in project.accepted_between(0, 4).keys.tolist()}


def test_that_accepted_changes_are_copied_with_their_round_in_one_step(project, sides):
    keys = _changed(project, sides)
    _accept(project, sides[1], keys)
    assert 0 < len(_accepted(project)) <= len(keys)
    assert _accepted(project) <= {tuple(key) for key in keys.tolist()}
    assert '"round":2' in project.accepted_between(0, 4).provenance[0]
    project.undo()
    assert not _accepted(project)


def test_that_many_at_once_override_no_decision_and_one_alone_does(project, sides):
    keys = _changed(project, sides)
    found = changes_at(project, sides[1], SETTINGS, keys)
    chosen = next(key for key, kept in zip(found.point_keys, found.kept, strict=True) if kept)
    project.apply(SetReviews(keys=(chosen,), state="rejected"))
    _accept(project, sides[1], keys)
    assert chosen not in _accepted(project)
    _accept(project, sides[1], np.array([chosen]))
    assert chosen in _accepted(project)
    with pytest.raises(CommandRefusedError, match="decided before"):
        _accept(project, sides[1], keys)


def test_that_a_query_narrows_changes_as_it_does_pseudo_labels(project, sides):
    keys = _changed(project, sides)

    def count(text):
        return int(matching(project, sides[1], SETTINGS, parse_query(text, project), keys).sum())

    assert count("person=1") == int((keys[:, 1] == 1).sum())
    assert count("frame=2..3") == int(np.isin(keys[:, 0], (1, 2)).sum())
    assert count("kept") + count("discarded") == len(keys)
    assert count("kept person=1") + count("discarded person=1") == count("person=1")


def test_that_states_are_read_for_their_keys_in_any_order(project, sides):
    keys = _changed(project, sides)
    rejected = PointKey(*keys[-1].tolist())
    project.apply(SetReviews(keys=(rejected,), state="rejected"))
    for order in (slice(None), slice(None, None, -1)):
        states = states_of(project, keys[order])
        expected = (keys[order] == rejected).all(axis=1) * int(ReviewState.REJECTED)
        assert states.tolist() == expected.tolist()


def test_that_rolling_back_takes_what_this_round_gave_and_nothing_else(project, sides):
    keys = _changed(project, sides)
    half = len(keys) // 2
    _accept(project, sides[0], keys[:half])
    earlier = _accepted(project)
    _accept(project, sides[1], keys[half:])
    assert len(_accepted(project)) > len(earlier)
    project.apply(roll_back(project, sides[1], sides[0]))
    assert _accepted(project) == earlier
    project.undo()
    assert len(_accepted(project)) > len(earlier)


def test_that_rolling_back_the_newest_means_the_rounds_after_the_one_before(project, sides):
    keys = _changed(project, sides)
    _accept(project, sides[0], keys[:3])
    newest = _source(project, sides[1].name, None)
    _accept(project, newest, keys[3:])
    edit = roll_back(project, newest, sides[0])
    project.apply(edit)
    assert _accepted(project) <= {tuple(key) for key in keys[:3].tolist()}
    assert roll_back(project, newest, sides[0]) is None
    newest.close()


def test_that_locked_points_stay_and_detections_are_no_round(project, sides):
    keys = _changed(project, sides)
    _accept(project, sides[1], keys)
    locked = PointKey(*min(_accepted(project)))
    project.apply(SetReviews(keys=(locked,), state="locked"))
    project.apply(roll_back(project, sides[1], sides[0]))
    assert _accepted(project) == {tuple(locked)}
    with pytest.raises(CommandRefusedError, match="locked"):
        roll_back(project, sides[1], sides[0])
    with pytest.raises(CommandRefusedError, match="no round"):
        roll_back(project, DetectionSource(project), sides[0])


def _label_bytes(path):
    """Everything that people labelled, to the byte, as the file has it."""
    connection = sqlite3.connect(path / "labels.db")
    try:
        return repr(
            [
                connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3").fetchall()
                for table in ("labels", "points3d")
            ]
        )
    finally:
        connection.close()


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["accept", "reject", "lock", "roll_back", "undo", "redo"]),
        st.integers(0, 1),
        st.integers(0, 40),
        st.integers(1, 30),
    ),
    min_size=1,
    max_size=8,
)


@pytest.fixture(scope="module")
def opened():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "court.trilabel"
        _make(path)
        with Project.open(path) as project:
            (run,) = (path / "runs").iterdir()
            sides = [_source(project, run.name, number) for number in (1, 2)]
            yield project, sides, _changed(project, sides), len(project.history(10_000))
            for source in sides:
                source.close()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=_STEPS)
def test_that_no_sequence_of_judging_and_rolling_back_touches_a_hand_label(opened, steps):
    project, sides, keys, num_own = opened
    labels = _label_bytes(project.path)
    assert "100.0" in labels
    for verb, side, first, count in steps:
        try:
            _do(project, sides, verb, side, keys[first : first + count], num_own)
        except CommandRefusedError:
            continue
    assert _label_bytes(project.path) == labels


def _do(project, sides, verb, side, keys, num_own):
    if verb == "roll_back":
        edit = roll_back(project, sides[side], sides[1 - side])
        if edit is not None:
            project.apply(edit)
    elif verb == "undo":
        if sum(step.state == "done" for step in project.history(10_000)) > num_own:
            project.undo()
    elif verb == "redo":
        project.redo()
    elif verb == "lock":
        accepted = tuple(PointKey(*key) for key in sorted(_accepted(project))[:3])
        if accepted:
            project.apply(SetReviews(keys=accepted, state="locked"))
    else:
        found = changes_at(project, sides[side], SETTINGS, keys)
        project.apply(judge_changes(sides[side], found, verb))
