"""Errors run after run: read once, compared only where that is allowed, and a plateau told."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.project.runs import events as ev
from core.project.runs.states import fold
from core.retraining.learning_curve import (
    CurvePoint,
    LearningCurve,
    RunFigures,
    learning_curve,
    plateau,
)
from tests.learning.test_data_project import (
    add_labels,
    add_tracks,
    project,  # noqa: F401 - a fixture
    rig,  # noqa: F401 - a fixture
)
from tests.retraining.retraining_world import finish, make_run

# The fixtures have the names of what they are.
# ruff: noqa: F811


def curve_of(errors, spread=math.nan, hashes=None):
    return LearningCurve(
        points=tuple(
            CurvePoint(
                run=f"run-{number}",
                name="quick",
                hand_joints=100 * number,
                hand_frames=number,
                accepted_points=0,
                held_out_hash="same" if hashes is None else hashes[number],
                figures=RunFigures(
                    time=float(number),
                    seconds=60.0,
                    mv_mpjpe=error,
                    sv_mpjpe=math.nan,
                    num_poses=4,
                    spread_mm=spread,
                ),
            )
            for number, error in enumerate(errors)
        )
    )


@pytest.mark.parametrize(
    ("errors", "spread", "is_plateau"),
    [
        ((60.0, 50.0, 45.0, 41.0), 1.0, False),
        ((60.0, 50.0, 45.0, 41.0), 20.0, True),
        ((60.0, 43.0, 42.9, 42.8), 1.0, True),
        ((60.0, 43.0, 44.0, 45.0), 0.1, True),
        ((60.0, 43.0, 42.95, 42.9), math.nan, True),
        ((60.0, 50.0, 40.0), math.nan, False),
        ((44.0, 43.0), 5.0, False),
        ((44.0, math.nan, 43.9), 5.0, False),
    ],
)
def test_that_a_plateau_is_told_where_the_gain_is_less_than_the_spread(errors, spread, is_plateau):
    notice = plateau(curve_of(errors, spread))
    assert (notice is not None) == is_plateau
    if notice is not None:
        assert f"from {errors[-3]:.1f} to {errors[-1]:.1f} mm" in notice


def test_that_runs_of_other_held_out_labels_have_no_part_in_a_plateau():
    hashes = ["old", "new", "old", "new", "new"]
    curve = curve_of((60.0, 43.0, 43.0, 43.0, 43.0), 1.0, hashes)
    assert [point.run for point in curve.comparable] == ["run-1", "run-3", "run-4"]
    assert plateau(curve) is not None
    assert plateau(curve_of((43.0, 43.0, 43.0, 43.0), 1.0, hashes[:4])) is None


@settings(max_examples=200, deadline=None)
@given(
    errors=st.lists(st.floats(1.0, 500.0), min_size=3, max_size=3),
    spread=st.just(math.nan) | st.floats(0.0, 50.0),
)
def test_that_a_gain_beyond_every_spread_is_never_called_a_plateau(errors, spread):
    notice = plateau(curve_of(errors, spread))
    gain = errors[0] - errors[2]
    if gain <= 0 or (not math.isnan(spread) and gain < spread):
        assert notice is not None
    elif gain > max(500.0, spread or 0.0):
        assert notice is None


def test_that_a_curve_has_the_complete_trainings_with_what_they_learned_from(project):
    add_tracks(project)
    for frame in (1, 8):
        add_labels(project, frame, 3, (0, 1))
    first = finish(make_run(project, "first"), (60.0, 50.0), single_mm=70.0)
    finish(make_run(project, "failed"), (60.0,), status="failed")
    finish(make_run(project, "predicts", "run.stages=predict"))
    add_labels(project, 2, 3, (0,), joints=(0, 1))
    second = finish(make_run(project, "second"), (40.0, 44.0, 41.0, 43.0, 42.0))
    broken = finish(make_run(project, "broken"))
    (broken.path / "labels.db").write_bytes(b"no database")
    curve = learning_curve(project)
    assert [point.run for point in curve.points] == [first.id, second.id]
    one, two = curve.points
    assert (one.hand_joints, one.hand_frames, two.hand_joints, two.hand_frames) == (26, 1, 28, 2)
    assert (one.figures.mv_mpjpe, one.figures.sv_mpjpe) == (50.0, 70.0)
    assert math.isnan(one.figures.spread_mm)
    assert 1.0 < two.figures.spread_mm < 4.0
    assert two.figures.num_poses == 4
    assert len(curve.problems) == 1
    assert broken.id in curve.problems[0]
    assert len(curve.comparable) == 2


def test_that_what_was_kept_of_a_run_is_the_same_as_what_is_read(project):
    add_tracks(project)
    add_labels(project, 1, 3, (0, 1))
    finish(make_run(project), (60.0, 50.0, 55.0, 51.0))
    fresh = learning_curve(project)
    assert repr(learning_curve(project)) == repr(fresh)
    for path in (project.path / "cache").glob("*.json"):
        path.write_text("[1, 2", encoding="utf-8")
    assert repr(learning_curve(project)) == repr(fresh)


def test_that_the_time_of_a_run_is_all_that_was_worked_on_it():
    told = {"device": "cpu", "device_name": "CPU", "memory_bytes": 1, "num_processes": 1}
    told |= {"resumed": True, "labelled": 1, "unlabelled": 2, "held_out": 3}
    events = [
        ev.RunStarted(time=100.0, **told),
        ev.RunFinished(time=160.0, status="stopped"),
        ev.RunStarted(time=2000.0, **told),
        ev.RunFinished(time=2030.0, status="done"),
    ]
    found = RunFigures.of(fold(events))
    assert (found.time, found.seconds) == (2030.0, 90.0)
