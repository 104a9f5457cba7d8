"""What changed from one run to the next: counted right, and never called an effect."""

import math
from dataclasses import replace

import numpy as np
import pytest

from core.curation.round_diff import DEFAULT_MIN_MM
from core.errors import CommandRefusedError
from core.project.edits import JointKey, PointKey, SetPoints, SetVisibility
from core.project.runs.events import Evaluated
from core.project.runs.states import fold
from core.retraining.impact import (
    correction_impact,
    other_options,
    own_gain,
    placed_by_hand,
    run_before,
)
from tests.learning.test_data_project import (
    POSES,
    add_labels,
    add_tracks,
    project,  # noqa: F401 - a fixture
    rig,  # noqa: F401 - a fixture
)
from tests.retraining.retraining_world import finish, make_run, predict_poses, with_scale

# The fixtures have the names of what they are.
# ruff: noqa: F811


@pytest.fixture
def two_runs(project):
    """Between them two joints are labelled anew, one is placed elsewhere, and one is deleted."""
    with_scale(project)
    add_tracks(project)
    for frame in (1, 8):
        add_labels(project, frame, 3, (0, 1))
    before = make_run(project, "before")
    predict_poses(project, before, lost=[(5, 7, 4), (6, 7, 4)])
    finish(before, (60.0, 46.0), single_mm=70.0)
    add_labels(project, 2, 3, (0, 1), joints=(0,))
    add_labels(project, 1, 3, (0,), joints=(1,), poses=POSES + 30.0)
    after = make_run(project, "after")
    predict_poses(
        project,
        after,
        # The last one was placed by hand, in two of four views.
        offsets_mm={(3, 3, 0): 50.0, (3, 3, 1): 30.0, (4, 7, 2): 10.0, (2, 3, 0): 90.0},
        lost=[(9, 3, 6)],
    )
    finish(after, (45.0, 43.0), single_mm=66.0)
    return before, after


def test_that_everything_that_changed_is_counted(project, two_runs):
    found = correction_impact(project, *two_runs)
    assert (found.fixes.added, found.fixes.changed, found.fixes.deleted) == (2, 1, 0)
    assert found.fixes.frames == {1, 2}
    pseudo = found.pseudo
    assert pseudo is not None
    assert (pseudo.moved, pseudo.newly_kept, pseudo.newly_discarded) == (2, 2, 1)
    by_hand = 2 * 13 + 1
    assert (pseudo.compared, pseudo.frames) == (12 * 2 * 13 - by_hand, 12)
    assert found.errors.is_same
    assert found.other_options == ()
    assert found.sentence == (
        "3 labels (2 new, 1 changed) in 2 frames since the run before; 2 of 285 pseudo-labels "
        "(joints that no hand placed) in 12 frames moved more than 20 mm, 2 newly kept, 1 newly "
        "discarded; held-out MPJPE multi-view 46 → 43 mm, single-view 70 → 66 mm."
    )


@pytest.mark.parametrize(("threshold_mm", "moved"), [(5.0, 3), (DEFAULT_MIN_MM, 2), (40.0, 1)])
def test_that_moved_means_farther_than_was_asked_for(project, two_runs, threshold_mm, moved):
    found = correction_impact(project, *two_runs, threshold_mm=threshold_mm)
    assert found.pseudo is not None
    assert found.pseudo.moved == moved


def test_that_joints_that_people_placed_are_no_pseudo_labels(project, two_runs):
    """They lie on both sides, so they cannot move: in a view or in space alike."""
    point = SetPoints(keys=(PointKey(10, 7, 3),), points_mm=((1.0, 2.0, 3.0),))
    project.apply(point)
    away = JointKey(10, 0, 3, 5)
    project.apply(SetVisibility(keys=(away,), visibility="outside"))
    frames, persons = np.array([2, 10]), (3, 7)
    found = placed_by_hand(project, frames, persons, 13)
    assert found.shape == (2, 2, 13)
    assert sorted(map(tuple, np.argwhere(found).tolist())) == [(0, 0, 0), (1, 1, 3)]
    impact = correction_impact(project, *two_runs)
    assert impact.pseudo is not None
    assert impact.pseudo.compared == 12 * 2 * 13 - 2 * 13 - 2


def test_that_runs_are_compared_under_the_settings_that_are_handed_in(project, two_runs):
    """Which may be other than those on disk: of a session that can only read, for instance."""
    generous = replace(project.settings, scale_mm=5_000.0)
    found = correction_impact(project, *two_runs, settings=generous)
    assert found.pseudo is not None
    assert found.pseudo.newly_kept == 0, "what was lost before is believed, too"


def test_that_two_runs_of_the_same_labels_are_said_to_be_that(project, two_runs):
    again = make_run(project, "again", "finetune.steps=7", "run.seed=5", "data.workers=0")
    finish(again, (43.0,))
    found = correction_impact(project, two_runs[1], again)
    assert not found.fixes
    assert found.sentence.startswith("No label was changed between the two runs; ")
    assert "has no predictions" in found.sentence
    steps = two_runs[1].config.finetune.steps
    assert found.other_options == ("run.seed: 0 → 5", f"finetune.steps: {steps} → 7")
    assert found.sentence.endswith(f"Also set otherwise: {', '.join(found.other_options)}.")


def test_that_errors_of_other_held_out_labels_are_not_set_against_each_other(project, two_runs):
    add_labels(project, 8, 7, (0, 1))
    other = finish(make_run(project, "other"), (30.0,))
    found = correction_impact(project, two_runs[1], other)
    assert not found.errors.is_same
    assert "other held-out labels and cannot be compared" in found.sentence
    assert "→ 30" not in found.sentence


def test_that_errors_of_fewer_poses_are_not_set_against_each_other(project, two_runs):
    other = finish(make_run(project, "other"), (30.0,), poses=3)
    assert not correction_impact(project, two_runs[1], other).errors.is_same


def test_that_a_run_that_was_never_measured_is_said_to_be_that(project, two_runs):
    other = finish(make_run(project, "other"))
    found = correction_impact(project, two_runs[1], other)
    assert "only one of the runs was measured" in found.sentence
    assert math.isnan(found.errors.after.mv_mpjpe)


def test_that_rounds_without_a_frame_in_common_are_not_compared(project, two_runs):
    early, late = (make_run(project, name) for name in ("early", "late"))
    predict_poses(project, early, frames=range(4))
    predict_poses(project, late, frames=range(6, 9))
    found = correction_impact(project, finish(early), finish(late))
    assert found.pseudo is None
    assert "no frame in common" in found.sentence


def test_that_the_final_round_counts_and_none_before_it(project, two_runs):
    later = make_run(project, "later")
    predict_poses(project, later, 1, offsets_mm={(1, 7, 0): 500.0})
    predict_poses(project, later, 2)
    found = correction_impact(project, two_runs[0], finish(later, (43.0,)))
    assert found.pseudo is not None
    assert found.pseudo.moved == 0


def test_that_the_run_before_is_the_newest_complete_training(project, two_runs):
    before, after = two_runs
    finish(make_run(project, "broken"), status="failed")
    finish(make_run(project, "only-predicts", "run.stages=predict"))
    newest = finish(make_run(project, "newest"))
    assert run_before(project, newest).id == after.id
    assert run_before(project, after).id == before.id
    assert run_before(project, before) is None


def test_that_options_that_teach_nothing_are_no_difference(project, two_runs):
    other = make_run(project, "other", "data.workers=3", "run.threads=1", "predict.block=7")
    assert other_options(two_runs[1], other) == ()


def test_that_comparing_can_be_broken_off(project, two_runs):
    with pytest.raises(CommandRefusedError):
        correction_impact(project, *two_runs, progress=lambda _done, _total: False)


def evaluated(stage, step, error, poses=24.0):
    return Evaluated(stage=stage, step=step, metrics={"mv_mpjpe": error, "poses": poses})


@pytest.mark.parametrize(
    ("said", "gain"),
    [
        ([("pretrain", 0, 120.6), ("pretrain", 9, 90.0), ("finetune", 9, 86.2)], "121 mm"),
        ([("finetune", 5, 90.0), ("finetune", 9, 86.2)], ""),
        ([("pretrain", 0, 120.6)], ""),
        ([("pretrain", 0, 120.6), ("finetune", 9, 86.2, 48.0)], ""),
        ([("pretrain", 0, math.nan), ("finetune", 9, 86.2)], ""),
    ],
)
def test_a_training_tells_its_own_course_only_where_both_ends_were_measured_alike(said, gain):
    text = own_gain(fold([evaluated(*one) for one in said]))
    assert gain in text
    assert bool(text) == bool(gain)
    assert not text or text.endswith("86 mm now.")
