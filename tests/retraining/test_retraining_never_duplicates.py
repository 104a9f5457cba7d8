"""A second round over the same data leaves labels, decisions and predictions as many as before."""

import numpy as np

from core.curation.sources import RunSource
from core.project.edits import PointKey
from core.project.predictions import RunPredictions
from core.retraining.used import labels_of_run
from tests.learning.test_data_decisions import accept, reject
from tests.learning.test_data_project import (
    add_labels,
    add_tracks,
    project,  # noqa: F401 - a fixture
    rig,  # noqa: F401 - a fixture
)
from tests.retraining.retraining_world import finish, make_run, predict_poses
from tests.trainer.conftest import SETTINGS
from trainer.process import execute

# The fixtures have the names of what they are.
# ruff: noqa: F811

SHORT = ("run.stages=pretrain,predict", "pretrain.steps=1", "predict.every=6")


def predicted_keys(project, runs):
    """(K, 2) frame and person of every row that the runs together tell, each as often as told."""
    found = []
    for run in runs:
        with RunPredictions(run) as predictions:
            rows = predictions.aggregates()
            found.append(np.stack([rows.frames, rows.persons], axis=1))
    return np.concatenate(found)


def test_that_a_second_training_adds_no_label_no_decision_and_no_predicted_person(
    project,
):
    add_tracks(project)
    for frame in (0, 4, 9):
        add_labels(project, frame, 3, (0, 1, 2))
    accept(project, 6, 7)
    reject(project, 7, 7, (1,))
    before = project.labels.state()
    runs = []
    for name in ("first", "second"):
        runs.append(make_run(project, name, *SETTINGS, *SHORT))
        assert execute(runs[-1].path).status == "done"
        assert project.labels.state() == before
    one, both = (np.unique(predicted_keys(project, part), axis=0) for part in (runs[:1], runs))
    np.testing.assert_array_equal(one, both)
    assert len(predicted_keys(project, runs[1:])) == len(one), "each person once at a frame"
    assert len(one) > 0
    used = [labels_of_run(project, run) for run in runs]
    assert used[0] == used[1], "nothing of the first is a label of the second"
    source = RunSource(project, runs[1])
    block = source.observations_block(0, 12)
    source.close()
    assert len(block.persons) == len(set(block.persons)) == 2


def test_that_a_second_round_of_a_run_answers_in_the_place_of_the_first(project):
    add_tracks(project)
    run = make_run(project)
    predict_poses(project, run, 1)
    first = predicted_keys(project, [run])
    predict_poses(project, run, 2, offsets_mm={(0, 3, 0): 9.0})
    finish(run)
    again = predicted_keys(project, [run])
    assert len(again) == len(first) == len(np.unique(again, axis=0)) == 24


def test_that_accepting_what_two_rounds_say_of_a_joint_keeps_one_point(project):
    add_tracks(project)
    accept(project, 4, 3, joints=(0, 1))
    accept(project, 4, 3, joints=(0, 1), offset_mm=5.0)
    rows = project.accepted_between(0, 12)
    keys = [PointKey(*key) for key in rows.keys.tolist()]
    assert keys == [PointKey(4, 3, 0), PointKey(4, 3, 1)]
    run = finish(make_run(project, "quick", "data.held_out_percent=0"))
    assert labels_of_run(project, run).accepted_points == 2
