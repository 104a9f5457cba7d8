"""A run's predictions as a source: labels on top, rounds, and runs that do not fit."""

import numpy as np
import pytest

from core.curation.accepting import accept, select
from core.curation.choices import open_source, source_choices
from core.curation.query import parse_query
from core.curation.sources import RunSource
from core.errors import DataError
from core.observations import Source
from core.project import JointKey, Project, Provenance, SetJoints
from core.project.runs.config import TrainConfig
from core.project.runs.folder import RunFolder
from core.settings import TriangulationSettings
from tests.app.views_world import make_project, make_world
from tests.curation.predicted_rounds import predict

SETTINGS = TriangulationSettings(scale_mm=12.0)
NO_PICTURES = tuple(f"ace_{i}" for i in range(8))


@pytest.fixture
def project(tmp_path):
    path = tmp_path / "court.trilabel"
    make_project(path, make_world(num_persons=4, num_frames=12), without=NO_PICTURES).close()
    with Project.open(path) as project:
        yield project


@pytest.fixture
def run(project):
    return RunFolder.create(project.path / "runs", TrainConfig(), name="try")


def test_that_a_run_shows_its_points_with_labels_on_top_and_no_detections(project, run):
    content = predict(project, run, 1, [0, 1, 3])
    x, y = 321.0, 123.0
    project.apply(SetJoints(keys=(JointKey(0, 2, 1, 5),), points_px=((x, y),)))
    source = RunSource(project, run)
    seen = source.observations(0)
    assert seen.persons == (0, 1, 2, 3)
    rows = content.rows.select(content.rows.frames == 0)
    expected = rows.points_px[0].astype(np.float64)
    expected[2, 5] = (x, y)
    np.testing.assert_array_equal(seen.points_px[1], expected)
    assert seen.source[1, 2, 5] == Source.HAND
    assert not seen.source[0].any()  # detected, but not predicted
    assert np.isfinite(seen.boxes_px).any()
    assert not source.observations(2).source.any()
    source.close()


def test_that_a_block_of_a_run_is_its_frames(project, run):
    predict(project, run, 1, [0, 1, 3, 4, 9])
    project.apply(SetJoints(keys=(JointKey(3, 2, 1, 5),), points_px=((5.0, 6.0),)))
    source = RunSource(project, run)
    whole = source.observations_block(1, 8)
    assert whole.persons == (0, 1, 2, 3)
    for frame in range(1, 8):
        one = source.observations(frame)
        for name in ("points_px", "confidence", "source"):
            found = getattr(whole, name)[frame - 1]
            np.testing.assert_array_equal(found, getattr(one, name), err_msg=f"{name} {frame}")
    source.close()


def test_that_the_newest_round_answers_unless_one_was_chosen(project, run):
    predict(project, run, 1, [0, 1, 3], seed=1)
    newer = predict(project, run, 2, [0], seed=2)
    both, first = RunSource(project, run), RunSource(project, run, 1)
    np.testing.assert_array_equal(
        both.observations(0).points_px[1], newer.rows.points_px[0].astype(np.float64)
    )
    assert both.origin(0) == (2, "weights-2")
    assert both.origin(1) == (1, "weights-1")
    assert both.origin(5) == (None, "")
    assert first.origin(0) == (1, "weights-1")
    assert both.data_key != first.data_key
    assert both.changed_rows().tolist() == [[0, 1], [0, 2]]
    assert not len(first.changed_rows())
    both.close()
    first.close()


def test_that_new_predictions_are_taken_in_and_change_the_key(project, run):
    predict(project, run, 1, [0, 1])
    source = RunSource(project, run)
    key = source.data_key
    assert not source.refresh()
    predict(project, run, 2, [4, 6])
    assert source.refresh()
    assert source.frames().tolist() == [0, 1, 4, 6]
    assert source.data_key != key
    source.close()


def test_that_what_is_accepted_of_a_run_names_run_round_and_weights(project, run):
    predict(project, run, 1, [0, 1])
    source = RunSource(project, run)
    selection = select(project, source, SETTINGS, parse_query("person=1 frame=1", project))
    assert selection is not None
    project.apply(accept(source, selection))
    (text, *_), (stamp, *_) = (
        project.accepted_between(0, 1).provenance,
        project.accepted_between(0, 1).stamps,
    )
    told = Provenance.from_json(text)
    assert (told.source, told.round, told.weights_hash) == (run.id, 1, "weights-1")
    assert len(told.weights) == len(project.rig)
    assert stamp[1] == project.annotator
    source.close()


def test_that_the_chooser_lists_detections_then_runs_with_predictions(project, run):
    RunFolder.create(project.path / "runs", TrainConfig(), name="empty")
    predict(project, run, 1, [0, 1])
    predict(project, run, 2, [0])
    choices = source_choices(project)
    assert [(choice.run, choice.round) for choice in choices] == [
        (None, None),
        (run.id, None),
        (run.id, 2),
        (run.id, 1),
    ]
    for choice in choices:
        source = open_source(project, choice)
        assert (source.name, source.round) == (choice.run or "detections", choice.round)
        source.close()


def test_that_a_run_without_predictions_or_of_other_joints_is_refused(project, run):
    with pytest.raises(DataError, match="trilabel predict"):
        RunSource(project, run)
    predict(project, run, 1, [0])
    with pytest.raises(DataError, match="a round 7"):
        RunSource(project, run, 7)


def test_that_a_damaged_file_leaves_its_frames_without_points_and_is_told(project, run):
    predict(project, run, 1, [0, 1])
    source = RunSource(project, run)
    source.own(0)
    source.close()
    (path,) = (p for p in run.predictions_dir.iterdir() if "index" not in p.name)
    path.write_bytes(path.read_bytes()[:500])
    assert not source.observations(0).source.any()
    assert path.name in source.problem
    source.close()
