"""Prediction as a process: by command, by several ranks, killed, stopped, and then measured."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch

from app.cli import main
from core.models import Detector, DetectorSpec, Lifter, LifterSpec
from core.models.weights_files import save_model
from core.project.predictions import RunPredictions
from core.project.predictions.starting import predict_command, prediction_run
from core.project.runs.config import TrainConfig
from core.project.runs.config_io import with_settings
from core.project.runs.events import Predicted, Progress, RunFinished
from core.project.runs.folder import runs_of
from core.project.spec import read_spec
from tests.project.prediction_samples import assert_equal_rows
from trainer.predict import main as predict_here
from trainer.process import execute

SETTINGS = (
    "run.device=cpu",
    "run.threads=1",
    "data.workers=0",
    "loss.scale_mm=20",
    "predict.block=1",
    "predict.batch=16",
)


@pytest.fixture(scope="module")
def weights(match, tmp_path_factory):
    """A detector and a lifter that nobody trained, but that say they were."""
    folder = tmp_path_factory.mktemp("weights")
    joints = read_spec(match).skeleton.joints
    torch.manual_seed(0)
    detector = Detector(
        DetectorSpec(
            family="small", depth=1, width=8, joints=joints, input_hw=(32, 32), temperature=20.0
        )
    )
    save_model(folder / "detector.pt", detector, detector.spec, {"stage": "finetune", "step": 12})
    lifter = Lifter(LifterSpec(joints=joints, hidden=8, image_branch="none"))
    save_model(folder / "lifter.pt", lifter, lifter.spec, {})
    return folder / "detector.pt"


@pytest.fixture
def run(match, weights):
    config = with_settings(TrainConfig(), SETTINGS)
    return prediction_run(match, str(weights), config)


def finish(command):
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    return done


def rows_of(folder):
    with RunPredictions(folder) as found:
        assert found.rounds[-1].finished
        return found.rows([tuple(moment) for moment in found.moments().tolist()])


def test_predict_and_evaluate_by_command(match, weights, capsys):
    settings = [word for one in SETTINGS for word in ("--set", one)]
    predict = ["predict", str(match), "--weights", str(weights), *settings]
    assert main([*predict, "--set", "predict.first_frame=7"]) == 0
    folder = runs_of(match)[-1]
    assert f"Run {folder.id}: done. Predicted 1 frames (round 1)." in capsys.readouterr().out
    assert main(["evaluate", str(match), "--run", folder.id]) == 1
    refusal = capsys.readouterr().err
    wanted = f"trilabel predict {match} --run {folder.id} --held-out"
    assert wanted in refusal
    assert main([*wanted.split()[1:], *settings]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(match), "--run", folder.id, "--truth", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["stage"], found["step"], found["round"]) == ("finetune", 12, 2)
    assert found["against"].endswith("truth.h5")
    assert found["num_poses"] == found["groups"] > 0
    for way in ("multi_view", "common", "single_view"):
        assert 50 < found[way]["total"]["mpjpe"] < 3000
    assert main(["evaluate", str(match), "--run", folder.id]) == 0
    text = capsys.readouterr().out
    assert "against the labels of" in text
    assert "Single-view" in text


def test_a_run_left_in_the_middle_of_a_stage_predicts_with_what_it_has_learned(make_run):
    run = make_run("pretrain.steps=1000000")

    def ask():
        while not any(isinstance(event, Progress) for event in run.events()[0]):
            time.sleep(0.01)
        run.request_stop()

    asker = threading.Thread(target=ask)
    asker.start()
    assert execute(run.path).status == "stopped"
    asker.join()
    assert predict_here([str(run.path)]) == 0
    with RunPredictions(run) as found:
        (state,) = found.rounds
    assert (state.header.stage, state.header.step) == ("pretrain", run.state().checkpoint.step)
    assert "which is not done" in state.header.provenance


def test_evaluation_needs_no_torch(match, run):
    assert predict_here([str(run.path), "--held-out"]) == 0
    script = (
        "import sys\nfrom app.cli import main\n"
        f"code = main(['evaluate', {str(match)!r}, '--run', {run.id!r}])\n"
        "assert 'torch' not in sys.modules\nsys.exit(code)\n"
    )
    assert "held-out groups" in finish([sys.executable, "-c", script]).stdout


@pytest.mark.slow
def test_two_processes_predict_what_one_does(match, weights, run):
    config = with_settings(TrainConfig(), SETTINGS)
    other = prediction_run(match, str(weights), config)
    assert predict_here([str(run.path)]) == 0
    finish(predict_command(other, processes=2))
    one, two = rows_of(run), rows_of(other)
    assert len(one) > 20
    np.testing.assert_array_equal(one.kept, two.kept)
    assert_equal_rows(one, two)
    started = other.state().started
    assert started.num_processes == 2
    files = [event.file for event in other.events()[0] if isinstance(event, Predicted)]
    assert len(files) == len(set(files)) == 8


def predicted_files(folder):
    return [event.file for event in folder.events()[0] if isinstance(event, Predicted)]


def begin_and_wait(folder, num_files):
    process = subprocess.Popen(
        predict_command(folder),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
    )
    until = time.monotonic() + 60
    while len(predicted_files(folder)) < num_files:
        assert process.poll() is None or len(predicted_files(folder)) >= num_files
        assert time.monotonic() < until
        time.sleep(0.005)
    return process


def test_a_killed_prediction_goes_on_where_it_was(match, weights, run):
    config = with_settings(TrainConfig(), SETTINGS)
    whole = prediction_run(match, str(weights), config)
    assert predict_here([str(whole.path)]) == 0
    with begin_and_wait(run, 2) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    announced = predicted_files(run)
    inodes = {name: (run.path / name).stat().st_ino for name in announced}
    assert len(announced) < 8
    assert predict_here([str(run.path)]) == 0
    assert {name: (run.path / name).stat().st_ino for name in announced} == inodes
    assert len(set(predicted_files(run))) == len(predicted_files(run)) == 8
    assert_equal_rows(rows_of(run), rows_of(whole))


@pytest.mark.slow
def test_stop_ends_it_and_it_goes_on(run):
    with begin_and_wait(run, 1) as process:
        run.request_stop()
        process.wait(60)
    (left,) = [event for event in run.events()[0] if isinstance(event, RunFinished)]
    assert left.status == "stopped"
    assert not run.stop_requested()
    assert predict_here([str(run.path)]) == 0
    assert len(rows_of(run)) > 20


def test_untrained_networks_are_refused(match, capfd):
    config = with_settings(TrainConfig(), SETTINGS)
    folder = prediction_run(match, "none", config)
    assert predict_here([str(folder.path)]) == 1
    assert "a detector that was trained" in capfd.readouterr().err
    assert folder.exit_record().status == "failed"
