"""Predicting a recording: who is predicted, what it does not depend on, stops, kills, bounds."""

import gc
import shutil
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import torch

from core.errors import DataError
from core.learning.data.groups import Group
from core.project.predictions import RunPredictions, block_name
from core.project.predictions.index import index_name
from core.project.runs.events import Notice, Predicted, PredictionRoundFinished, Progress
from tests.project.prediction_samples import assert_equal_rows
from tests.trainer.prediction_world import (
    ALONE,
    EVERYWHERE,
    asked_after,
    context_of,
    court_data,
    networks,
    run_folder,
)
from trainer.feedback import predict_most_telling
from trainer.measuring import weights_measured
from trainer.predicting import predict
from trainer.prediction_geometry import PredictionSettings
from trainer.predictor import predict_groups


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def folder(tmp_path):
    return run_folder(tmp_path)


@pytest.fixture(scope="module")
def data():
    return court_data()


def predicted(folder, data, *settings, nets=None, **arguments):
    with folder.lock():
        context = context_of(folder, data, *settings)
        return predict(context, nets or networks(), stage="finetune", step=7, **arguments)


def all_rows(folder, num_frames=10):
    with RunPredictions(folder) as found:
        assert found.problems == ()
        return found.rows([(0, frame) for frame in range(num_frames)])


def said(folder, kind):
    return [event for event in folder.events()[0] if isinstance(event, kind)]


def test_everybody_in_a_view_is_predicted_and_nobody_else(folder, data):
    outcome = predicted(folder, data)
    assert outcome.finished
    assert outcome.num_moments == 10
    rows = all_rows(folder)
    expected = [(f, p) for f in range(10) for p in (*EVERYWHERE, ALONE)]
    assert list(zip(rows.frames.tolist(), rows.persons.tolist(), strict=True)) == expected
    assert outcome.num_rows == len(expected)
    finished = said(folder, PredictionRoundFinished)
    assert [(e.round, e.stage, e.step) for e in finished] == [(1, "finetune", 7)]


def test_somebody_in_one_view_has_no_triangulated_pose_but_a_lifted_one(folder, data):
    predicted(folder, data)
    rows = all_rows(folder)
    alone = rows.select(rows.persons == ALONE)
    assert np.isnan(alone.points_mm).all()
    assert not alone.kept.any()
    assert (alone.num_views == 1).all()
    assert np.isnan(alone.worst_residual_px).all()
    assert np.isfinite(alone.single_mm[:, 0]).all()
    assert np.isnan(alone.single_mm[:, 1:]).all()
    assert np.isfinite(alone.confidence[:, 0]).all()
    others = rows.select(rows.persons != ALONE)
    assert np.isfinite(others.points_mm).all()
    assert np.isfinite(others.single_mm).all()
    assert (others.root_depth_mm > 1000).all()


def test_an_answer_depends_neither_on_its_batch_nor_on_its_block(tmp_path, data):
    first, second = run_folder(tmp_path / "a"), run_folder(tmp_path / "b")
    scale = "loss.scale_mm=20"
    predicted(first, data, scale)
    predicted(second, data, scale, "predict.batch=400", "predict.block=7", "data.workers=2")
    one, other = all_rows(first), all_rows(second)
    for name in ("points_px", "points_mm", "single_mm", "weights", "worst_residual_px"):
        np.testing.assert_allclose(
            getattr(one, name), getattr(other, name), rtol=1e-4, atol=0.05, err_msg=name
        )
    np.testing.assert_array_equal(one.kept, other.kept)


def test_a_stopped_round_goes_on_without_doing_again_what_is_done(tmp_path, data):
    whole, folder = run_folder(tmp_path / "a"), run_folder(tmp_path / "b")
    predicted(whole, data)
    with folder.lock():
        context = context_of(folder, data)
        # The scale takes ten looks (one a frame and part), a block of four frames as many.
        outcome = predict(asked_after(context, 17), networks(), stage="finetune", step=7)
    assert not outcome.finished
    done = said(folder, Predicted)
    assert 0 < len(done) < 3
    assert not said(folder, PredictionRoundFinished)
    inodes = {event.file: (folder.path / event.file).stat().st_ino for event in done}
    again = predicted(folder, data)
    assert again.finished
    assert again.num_moments == 10 - outcome.num_moments
    assert {name: (folder.path / name).stat().st_ino for name in inodes} == inodes
    assert {event.round for event in said(folder, Predicted)} == {1}
    assert_equal_rows(all_rows(folder), all_rows(whole))


def test_what_is_complete_is_not_done_again_and_other_weights_make_another_round(folder, data):
    predicted(folder, data)
    before = len(folder.events()[0])
    assert predicted(folder, data).num_moments == 0
    assert len(folder.events()[0]) == before
    assert predicted(folder, data, nets=networks(seed=1)).round == 2
    with RunPredictions(folder) as found:
        assert found.at(3).header.round == 2
        assert found.at(3, round_number=1) is not None


def test_a_file_that_was_never_announced_is_taken_over(tmp_path, data):
    folder, killed = run_folder(tmp_path / "a"), run_folder(tmp_path / "b")
    predicted(folder, data)
    # What a process leaves that was killed between the rename and the announcement.
    name = block_name(1, 0)
    shutil.copy(folder.predictions_dir / name, killed.predictions_dir / name)
    inode = (killed.predictions_dir / name).stat().st_ino
    outcome = predicted(killed, data)
    assert outcome.finished
    assert outcome.num_moments == 6
    assert (killed.predictions_dir / name).stat().st_ino == inode
    assert next(event.file for event in said(killed, Predicted)) == f"predictions/{name}"
    assert_equal_rows(all_rows(killed), all_rows(folder))


def test_a_round_killed_before_its_end_was_said_is_finished(tmp_path, data):
    folder, killed = run_folder(tmp_path / "a"), run_folder(tmp_path / "b")
    predicted(folder, data)
    with killed.lock():
        for event in said(folder, Predicted):
            killed.append(event)
            name = event.file.rpartition("/")[2]
            shutil.copy(folder.predictions_dir / name, killed.predictions_dir / name)
    assert predicted(killed, data).finished
    assert said(killed, PredictionRoundFinished)
    assert (killed.predictions_dir / index_name(1)).is_file()


def test_a_damaged_file_is_named_and_predicted_again(folder, data):
    predicted(folder, data)
    path = folder.predictions_dir / block_name(1, 1)
    path.write_bytes(path.read_bytes()[:1000])
    with RunPredictions(folder) as found, pytest.raises(DataError, match=path.name):
        found.at(5)
    outcome = predicted(folder, data)
    assert outcome.num_moments == 4
    assert path.name in said(folder, Notice)[-1].text
    assert len(all_rows(folder)) == 30


def test_progress_grows_to_the_end_and_knows_the_time_left(folder, data, monkeypatch):
    monkeypatch.setattr("trainer.predicting.PROGRESS_S", 0.0)
    predicted(folder, data, say_progress=True)
    steps = [event.step for event in said(folder, Progress)]
    assert len(steps) > 5
    assert steps == sorted(steps)
    last = said(folder, Progress)[-1]
    assert (last.step, last.steps, last.seconds_left) == (10, 10, 0.0)


def test_options_choose_the_frames(folder, data):
    predicted(folder, data, "predict.first_frame=1", "predict.stop_frame=8", "predict.every=3")
    with RunPredictions(folder) as found:
        assert found.moments().tolist() == [[0, 1], [0, 4], [0, 7]]


def test_a_short_round_in_training_shows_the_held_out_and_the_worst_first(folder, data):
    with folder.lock():
        context = context_of(folder, data)
        predict(context, networks(), stage="pretrain", step=5)
        outcome = predict_most_telling(context, networks(1), stage="pretrain", step=9, limit=4)
    assert outcome.finished
    with RunPredictions(folder) as found:
        state = found.rounds[-1]
        assert state.header.scope == "some"
        assert state.num_moments == 4
        assert found.at(9).header.round == 2  # held out
        known = found.aggregates(1)
        worst = known.frames[np.nanargmax(known.worst_residual_px)]
        assert found.at(int(worst)) is not None
        assert len(found.moments()) == 10


def test_networks_are_left_in_the_state_they_were_in(folder, data):
    nets = networks()
    nets.detector.train()
    nets.lifter.eval()
    before = {name: value.clone() for name, value in nets.detector.state_dict().items()}
    predicted(folder, data, nets=nets)
    assert nets.detector.training
    assert not nets.lifter.training
    after = nets.detector.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_learned_weights_are_asked_for_only_where_there_are_any(folder, data):
    with pytest.raises(DataError, match=r"predict\.weighting"):
        predicted(folder, data, "predict.weighting=learned")


def test_memory_does_not_grow_with_the_recording(tmp_path):
    def peak(num_frames):
        data = court_data(num_frames, persons=EVERYWHERE)
        folder = run_folder(tmp_path / str(num_frames))
        gc.collect()
        tracemalloc.start()
        try:
            predicted(folder, data, "predict.block=2")
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(4)  # what is kept once and for all
    short, long = peak(8), peak(24)
    assert long < 1.1 * short + 200_000


def test_groups_in_memory_equal_those_in_files(folder, data):
    nets = networks()
    predicted(folder, data, "loss.scale_mm=20", nets=nets)
    context = context_of(folder, data, "loss.scale_mm=20")
    how = PredictionSettings.of(context.config, 20.0)
    groups = [Group(0, person, frame) for frame in (8, 2) for person in (ALONE, *EVERYWHERE)]
    looks = []
    found = predict_groups(
        nets,
        data,
        groups,
        context.device,
        lambda sightings: how if len(sightings) else pytest.fail("nobody was seen"),
        batch=8,
        look=lambda: looks.append(1),
    )
    assert looks
    rows = all_rows(folder)
    wanted = rows.select(np.isin(rows.frames, (2, 8)))
    np.testing.assert_array_equal(found.frames, wanted.frames)
    np.testing.assert_array_equal(found.persons, wanted.persons)
    np.testing.assert_allclose(found.points_mm, wanted.points_mm, atol=0.05)


def test_how_a_triangulation_went_is_told_of_known_joints_and_of_each_camera(folder, data):
    predicted(folder, data)
    rows = all_rows(folder).select([0, 1])
    points = np.zeros((2, 5, 3), np.float32)
    points[0, 0] = np.nan
    kept = np.zeros((2, 5), np.bool_)
    kept[0, 1:4] = True
    weights = np.zeros((2, 4, 5), np.float32)
    weights[:, 1], weights[0, 2] = 0.5, 1.0
    rows = replace(rows, points_mm=points, kept=kept, weights=weights)
    told = weights_measured(context_of(folder, data), "finetune", 3, rows)
    assert told.kept_share == pytest.approx(3 / 9)
    assert list(told.mean_weight.values()) == pytest.approx([0, 0.5, 0.5, 0])
    assert tuple(told.mean_weight) == data.recordings[0].rig.names


def test_short_memory_halves_the_batch_and_is_said(folder, data, monkeypatch):
    nets = networks()
    forward = nets.detector.forward
    largest = []

    def choosy(images):
        if len(images) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory (as if)")
        largest.append(len(images))
        return forward(images)

    monkeypatch.setattr(nets.detector, "forward", choosy)
    assert predicted(folder, data, "predict.batch=32", nets=nets).finished
    assert max(largest) <= 5
    notices = said(folder, Notice)
    assert {notice.code for notice in notices} == {"out-of-memory"}
    assert len(all_rows(folder)) == 30


def test_a_full_disk_leaves_no_half_file(folder, data, monkeypatch):
    def full(*_arguments, **_named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.files.sync_file", full)
    with pytest.raises(OSError, match="No space"):
        predicted(folder, data)
    monkeypatch.undo()
    assert not list(folder.predictions_dir.iterdir())
    assert not said(folder, Predicted)
    assert predicted(folder, data).finished


def test_a_run_that_predicts_for_seconds_goes_on_later(folder, data):
    short = predicted(folder, data, seconds=0.0)
    assert not short.finished
    assert short.num_moments == 0
    assert predicted(folder, data).finished


def test_a_recording_without_people_has_nothing_to_predict(folder):
    data = court_data(3)
    nobody = replace(
        data.recordings[0], places=type(data.recordings[0].places)([], np.zeros((0, 4, 4)))
    )
    outcome = predicted(folder, replace(data, recordings=(nobody,)))
    assert outcome.finished
    assert outcome.round == 0
    assert not list(folder.predictions_dir.iterdir())
