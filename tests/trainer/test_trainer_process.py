"""The life of a run: to its end, stopped, killed, refused, failed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch

from core.errors import CommandRefusedError
from core.project.predictions import RunPredictions
from core.project.runs import events as ev
from core.project.runs.folder import RunFolder
from trainer.process import execute

ALL = ("pretrain", "finetune", "lift", "predict")


def start(run, *arguments):
    """A trainer in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "trainer", str(run.path), *arguments]
    with run.stderr_log.open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=environment)


def wait_for(run, wanted, process=None, limit_s=60):
    """Return once an event fits."""
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        if any(wanted(event) for event in run.events()[0]):
            return
        assert process is None or process.poll() is None, run.stderr_tail()
        time.sleep(0.01)
    pytest.fail(f"nothing fits in {run.events()[0]}")


def said(run, kind):
    return [event for event in run.events()[0] if isinstance(event, kind)]


def losses_of(run, stage):
    """By step; steps that were done twice must have said the same."""
    found = {}
    for event in said(run, ev.Progress):
        if event.stage == stage and event.losses:
            assert found.setdefault(event.step, event.losses) == event.losses
    return found


def weights_of(run, name):
    return torch.load(run.path / name, weights_only=True)["state"]


def test_a_run_passes_all_its_stages_and_leaves_networks_and_predictions(make_run):
    run = make_run(stages=ALL)
    finished = execute(run.path)
    assert (finished.status, finished.text) == ("done", "")
    assert [event.stage for event in said(run, ev.StageFinished)] == list(ALL)
    assert json.loads((run.path / "exit.json").read_text())["status"] == "done"
    (scale,) = said(run, ev.ScaleMeasured)
    assert 3 <= scale.scale_mm <= 60
    last = said(run, ev.Evaluated)[-1]
    assert last.stage == "lift"
    assert {"mv_mpjpe", "mv_coverage", "common_mpjpe", "sv_mpjpe"} <= last.metrics.keys()
    for weights in said(run, ev.WeightsMeasured):
        assert 0 <= weights.kept_share <= 1
        assert set(weights.mean_weight) == {"ace_0", "ace_1", "ace_2", "ace_3"}
    for name in ("detector.pt", "lifter.pt", "evaluations/finetune-000003.json"):
        assert (run.path / name).is_file()
    with RunPredictions(run) as predictions:
        assert len(predictions.rounds) == 1
    assert int(run.heartbeat()) >= 1


def check_killed(make_run, *stages, killed_in):
    settings = ("pretrain.steps=6", "finetune.steps=6", "lift.steps=6", "augment.cutout=0.5")
    whole, broken = (make_run(*settings, stages=stages, name=n) for n in ("whole", "broken"))
    assert execute(whole.path).status == "done"
    for stage in killed_in:
        process = start(broken, *(() if stage == killed_in[0] else ("--resume",)))

        def is_under_way(event, stage=stage):
            return isinstance(event, ev.Progress) and (event.stage, event.step) == (stage, 3)

        wait_for(broken, is_under_way, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert execute(broken.path, resume=True).status == "done"
    for stage in stages:
        assert losses_of(broken, stage) == losses_of(whole, stage)
        assert len(losses_of(whole, stage)) == 6
    for name in ("detector.pt", "lifter.pt")[: len(stages) - 1]:
        ours, theirs = weights_of(broken, name), weights_of(whole, name)
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_a_killed_run_goes_on_and_ends_bit_for_bit_as_an_uninterrupted_one(make_run):
    check_killed(make_run, "pretrain", "finetune", killed_in=("finetune",))


@pytest.mark.slow
def test_a_run_killed_in_every_stage_ends_bit_for_bit_as_an_uninterrupted_one(make_run):
    stages = ("pretrain", "finetune", "lift")
    check_killed(make_run, *stages, killed_in=stages)


def test_stop_writes_a_checkpoint_of_the_very_step_and_leaves(make_run):
    run = make_run("pretrain.steps=100000", "run.checkpoint_every=1000000")

    def ask():
        wait_for(run, lambda event: isinstance(event, ev.Progress))
        run.request_stop()

    asker = threading.Thread(target=ask)
    asker.start()
    finished = execute(run.path)
    asker.join()
    assert finished.status == "stopped"
    (saved,) = said(run, ev.CheckpointSaved)
    assert saved.step == said(run, ev.Progress)[-1].step > 0
    assert (run.path / saved.file).is_file()
    assert not run.stop_requested()


def test_sigterm_ends_a_run_as_cancelled_and_it_can_go_on(make_run):
    run = make_run("pretrain.steps=25")
    process = start(run)
    wait_for(run, lambda event: isinstance(event, ev.CheckpointSaved), process)
    process.terminate()
    assert process.wait(20) == 1
    assert run.exit_record().status == "cancelled"
    assert execute(run.path, resume=True).status == "done"
    assert said(run, ev.StageStarted)[-1].first_step >= 2


def test_a_failure_is_told_in_words_and_its_traceback_is_kept(make_run, match, tmp_path):
    run = make_run("data.protocol=no-such-protocol")
    finished = execute(run.path)
    assert finished.status == "failed"
    assert "no-such-protocol" in finished.text
    assert run.exit_record().text == finished.text
    assert "Traceback" in run.stderr_tail(100)


@pytest.mark.skipif(os.name == "nt", reason="limits of a process are POSIX")
def test_no_room_for_a_checkpoint_is_told_in_words_and_the_run_can_go_on(make_run):
    import resource

    def little_room():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))

    run = make_run("pretrain.steps=2", "data.cache_gb=0")
    with run.stderr_log.open("ab") as log:
        command = [sys.executable, "-m", "trainer", str(run.path)]
        done = subprocess.run(command, stderr=log, preexec_fn=little_room, check=False)
    assert done.returncode == 1
    assert "No room on the disk" in run.exit_record().text
    assert list(run.checkpoints_dir.iterdir()) == []
    assert execute(run.path, resume=True).status == "done"


def test_nothing_global_stays_behind(make_run):
    handler, threads = signal.getsignal(signal.SIGTERM), threading.active_count()
    random = torch.random.get_rng_state()
    execute(make_run("run.threads=2", "pretrain.steps=1").path)
    assert signal.getsignal(signal.SIGTERM) is handler
    assert threading.active_count() == threads
    assert torch.equal(torch.random.get_rng_state(), random)
    assert torch.get_num_threads() == 1


def test_a_run_in_a_thread_needs_no_signals(make_run):
    run, found = make_run("pretrain.steps=1"), []
    worker = threading.Thread(target=lambda: found.append(execute(run.path)))
    worker.start()
    worker.join()
    assert found[0].status == "done"


def test_a_run_that_was_begun_is_not_begun_again(make_run):
    run = make_run("pretrain.steps=1")
    execute(run.path)
    with pytest.raises(CommandRefusedError, match="resume"):
        execute(run.path)


def test_two_trainers_cannot_work_on_one_run(make_run):
    run = make_run()
    with RunFolder.open(run.path).lock(), pytest.raises(CommandRefusedError, match="already"):
        execute(run.path)


def test_a_done_run_that_is_resumed_does_nothing_again(make_run):
    run = make_run(stages=("pretrain", "finetune"))
    execute(run.path)
    before = (run.path / "detector.pt").read_bytes()
    assert execute(run.path, resume=True).status == "done"
    assert len(said(run, ev.StageStarted)) == 2
    assert (run.path / "detector.pt").read_bytes() == before


def test_more_steps_than_before_go_on_where_the_stage_ended(make_run):
    run = make_run("pretrain.steps=2")
    execute(run.path)
    config = run.path / "config.toml"
    config.write_text(config.read_text().replace("steps = 2\n", "steps = 4\n", 1))
    longer = RunFolder.open(run.path)
    assert longer.config.pretrain.steps == 4
    assert execute(run.path, resume=True).status == "done"
    assert said(run, ev.StageStarted)[-1].first_step == 2
    assert said(run, ev.Progress)[-1].step == 4
