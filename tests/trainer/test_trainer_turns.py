"""Waiting, device use, reasons of failures and the warm-up, each by a run or process of its own."""

import errno
import json
import math
import os
import shutil
import sqlite3
import subprocess
import time
from dataclasses import replace

import pytest
import torch

from app.retrain.estimating import known_estimate
from core.errors import CommandRefusedError, DataError
from core.project import Project
from core.project.runs import events as ev
from core.project.runs import trouble as tr
from core.project.runs.config_io import write_config
from core.project.runs.estimate import (
    estimate_from,
    read_warmup,
    warmup_command,
    warmup_path,
    write_warmup,
)
from core.project.runs.folder import RunFolder
from core.project.runs.following import report_of
from core.project.runs.launching import trainer_command
from core.project.runs.turns import take_turn, waiting_line
from trainer import device_use
from trainer.context import TrainingFailedError
from trainer.device import Device, chosen_device
from trainer.failing import failure
from trainer.feedback import Feedback
from trainer.process import execute
from trainer.waiting import devices_here
from trainer.warmup import measure


def said(run, kind):
    return [event for event in run.events()[0] if isinstance(event, kind)]


def wait_for(question, seconds=60.0):
    until = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.05)
    return answer


@pytest.fixture
def start(tmp_path, monkeypatch):
    monkeypatch.setenv("TRILABEL_STATE", str(tmp_path / "state"))
    started = []

    def begin(run, processes=1):
        with run.stderr_log.open("ab") as log:
            process = subprocess.Popen(
                trainer_command(run, processes=processes), stdout=log, stderr=log
            )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


def test_a_run_waits_for_the_one_at_work_and_then_trains(make_run, start, tmp_path):
    held = take_turn("cpu", tmp_path / "other")
    run = make_run("pretrain.steps=2")
    process = start(run)
    wait_for(lambda: report_of(run).status == "waiting")
    (waiting,) = said(run, ev.Waiting)
    assert (waiting.device, waiting.ahead) == ("cpu", 1)
    assert waiting.run == str(tmp_path / "other")
    assert run.heartbeat() is not None
    held.give_back()
    assert process.wait(120) == 0
    assert report_of(run).status == "done"
    assert waiting_line("cpu") == ()


def test_a_run_that_waits_stops_when_it_is_asked_to(make_run, start, tmp_path):
    held = take_turn("cpu", tmp_path / "other")
    run = make_run()
    process = start(run)
    wait_for(lambda: report_of(run).status == "waiting")
    run.request_stop()
    assert process.wait(30) == 0
    report = report_of(run)
    assert (report.status, report.state.started) == ("stopped", None)
    assert [ticket.run.name for ticket in waiting_line("cpu")] == ["other"]
    held.give_back()


@pytest.mark.slow
def test_several_processes_of_a_run_wait_as_one_and_train_together(make_run, start, tmp_path):
    held = take_turn("cpu", tmp_path / "other")
    run = make_run("pretrain.steps=2")
    process = start(run, processes=2)
    wait_for(lambda: report_of(run).status == "waiting", 120)
    assert [ticket.run.name for ticket in waiting_line("cpu")] == ["other", run.id]
    held.give_back()
    assert process.wait(240) == 0
    report = report_of(run)
    assert report.status == "done"
    assert report.state.started is not None
    assert report.state.started.num_processes == 2
    assert len(said(run, ev.Waiting)) == 1


@pytest.mark.parametrize("how", ["option", "own process"])
def test_a_run_that_need_not_wait_does_not(make_run, start, tmp_path, monkeypatch, how):
    monkeypatch.setenv("TRILABEL_STATE", str(tmp_path / "state"))
    held = take_turn("cpu", tmp_path / "other")
    if how == "option":
        run = make_run("pretrain.steps=1", "run.wait_turn=false")
        assert start(run).wait(120) == 0
    else:
        run = make_run("pretrain.steps=1")
        assert execute(run.path).status == "done"
    assert said(run, ev.Waiting) == []
    held.give_back()


def test_without_a_place_for_the_line_a_run_says_so_and_trains(make_run, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TRILABEL_STATE", str(tmp_path / "file"))
    run = make_run("pretrain.steps=1")
    assert execute(run.path, queue=True).status == "done"
    assert [event.code for event in said(run, ev.Notice)][:1] == ["no-turns"]


def test_the_first_process_of_a_machine_waits_for_all_its_devices(make_run, monkeypatch):
    options = make_run().config.run
    assert devices_here(options, chosen_device) == ["cpu"]
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    assert devices_here(options, chosen_device) == ["cpu"]


def test_device_use_is_said_beside_progress_every_few_seconds(make_run, monkeypatch):
    monkeypatch.setattr(device_use, "EVERY_S", 0.0)
    run = make_run("pretrain.steps=3")
    assert execute(run.path).status == "done"
    used = said(run, ev.DeviceUsed)
    assert [(event.stage, event.step) for event in used] == [("pretrain", s) for s in (1, 2, 3)]
    assert all(0 <= event.busy <= 1 for event in used)
    assert all(0 < event.memory_bytes < event.memory_total for event in used)
    assert sum(event.busy for event in used) > 0


def gpu(place):
    device = torch.device("cuda", place)
    return Device(
        device=device,
        geometry=device,
        name="GPU",
        memory_bytes=0,
        amp=False,
        channels_last=False,
        compile=False,
    )


class NotSupportedError(Exception):
    """NVIDIA's library has such, no RuntimeErrors: a part of a GPU (MIG) has no utilisation."""


@pytest.mark.parametrize("error", [NotSupportedError("3"), ModuleNotFoundError("pynvml")])
def test_that_a_gpu_that_tells_no_utilisation_ends_no_training(monkeypatch, error):
    def utilization(device):
        raise error

    monkeypatch.setattr(torch.cuda, "utilization", utilization)
    meter = device_use.DeviceMeter(gpu(0))
    assert math.isnan(meter.busy())


def test_that_devices_are_waited_for_in_the_order_of_their_lines(make_run, monkeypatch):
    """Else two runs that see the same GPUs under other names could wait for each other for ever."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert devices_here(make_run().config.run, lambda _, place: gpu(place)) == ["cuda:1", "cuda:0"]


def test_that_no_warm_up_is_put_on_a_gpu_beside_a_training(match, make_run, tmp_path, monkeypatch):
    monkeypatch.setenv("TRILABEL_STATE", str(tmp_path / "state"))
    monkeypatch.setattr("trainer.device.chosen_device", lambda options, place=0: gpu(place))
    turn = take_turn("cuda:0", tmp_path / "20261123-other")
    with pytest.raises(CommandRefusedError, match="20261123-other"):
        measure(match, make_run().config, tmp_path)
    turn.give_back()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), tr.DISK_FULL),
        (OSError(errno.EFBIG, "File too large"), tr.DISK_FULL),
        (sqlite3.OperationalError("database or disk is full"), tr.DISK_FULL),
        (RuntimeError("PytorchStreamWriter failed writing file data/3"), tr.DISK_FULL),
        (OSError("Can't write data (errno = 28, error message = ...)"), tr.DISK_FULL),
        (PermissionError(errno.EACCES, "Permission denied"), tr.UNEXPECTED),
        (DataError("a.toml", expected="b", found="c", remedy="D."), tr.BAD_FILE),
        (CommandRefusedError("No."), tr.REFUSED),
        (TrainingFailedError("Diverged.", tr.NOT_FINITE), tr.NOT_FINITE),
        (RuntimeError("CUDA out of memory. Tried to allocate"), tr.OUT_OF_MEMORY),
        (MemoryError("Unable to allocate 4 GiB"), tr.OUT_OF_MEMORY),
        (ValueError("what?"), tr.UNEXPECTED),
    ],
)
def test_a_failure_has_a_reason_for_programs_and_words_for_people(error, reason):
    text, found = failure(error)
    assert found == reason
    assert text


def test_a_full_disk_is_found_behind_another_error():
    error = RuntimeError("cannot save")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    text, reason = failure(error)
    assert (text.startswith(tr.NO_ROOM), reason) == (True, tr.DISK_FULL)


def test_a_failed_run_tells_its_reason(make_run):
    run = make_run("data.protocol=nowhere")
    finished = execute(run.path)
    assert (finished.status, finished.reason) == ("failed", tr.BAD_FILE)
    assert report_of(run).state.finished == said(run, ev.RunFinished)[0]


def test_feedback_keeps_to_its_share_but_the_first_frames_always_come(make_run, monkeypatch):
    shown = []

    def show(self, *arguments, **others):
        outcome = original(self, *arguments, **others)
        shown.append((outcome.num_moments, self.spent_s, time.monotonic() - self._began))
        return outcome

    original = Feedback.show
    monkeypatch.setattr(Feedback, "show", show)
    run = make_run("run.feedback=true", "run.evaluate_every=1", "pretrain.steps=9")
    run.want_frames([5])
    assert execute(run.path).status == "done"
    assert len(shown) == 8
    assert shown[0][0] > 0
    assert said(run, ev.Predicted)[0].first_frame <= 5 < said(run, ev.Predicted)[0].stop_frame
    first_s = shown[0][1]
    for _, spent_s, elapsed_s in shown[1:]:
        assert spent_s <= first_s + 0.3 * elapsed_s


def test_a_warm_up_measures_every_stage_and_leaves_nothing(match, make_run, tmp_path):
    config = make_run(stages=("pretrain", "finetune", "lift", "predict")).config
    # What opening a project's data leaves in its cache, whoever opens it.
    (match / "cache" / "videos").mkdir(parents=True, exist_ok=True)
    before = sorted(path for path in match.rglob("*"))
    file, place = tmp_path / "config.toml", tmp_path / "answers"
    place.mkdir()
    write_config(file, config)
    done = subprocess.run(
        warmup_command(match, file, place / "warm.json"),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    told = [json.loads(line)["done"] for line in done.stdout.splitlines()]
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert sorted(path for path in match.rglob("*")) == before
    assert [path.name for path in place.iterdir()] == ["warm.json"]
    warmup = read_warmup(place / "warm.json")
    assert warmup is not None
    assert warmup.seconds_per_step.keys() == {"pretrain", "finetune", "lift"}
    assert warmup.counts.labelled > 0
    assert warmup.counts.uncut == 1.0
    assert math.isfinite(estimate_from(warmup, config).total_s)


def test_that_crops_that_a_run_has_cut_since_cost_no_more_time(match, make_run, tmp_path):
    config = make_run("data.cache_gb=1", stages=("pretrain", "lift")).config
    project_dir = tmp_path / "copy.trilabel"
    shutil.copytree(match, project_dir, ignore=shutil.ignore_patterns("cache", "runs"))
    shutil.copytree(match.parent / "match", tmp_path / "match")
    warmup = measure(project_dir, config, tmp_path)
    with Project.open(project_dir) as project:
        cache = project.cache_path("warm-ups", "").parent
        write_warmup(warmup_path(cache, config), replace(warmup, seconds_per_cut=10.0))
        before = known_estimate(project, config)
        run = RunFolder.create(
            project_dir / "runs", config, project_dir=project_dir, labels_db=project.labels.path
        )
        assert execute(run.path).status == "done"
        after = known_estimate(project, config)
    assert before is not None
    assert after is not None
    none_left = replace(warmup.counts, uncut=0.0)
    assert after.total_s == pytest.approx(estimate_from(warmup, config, none_left).total_s)
    assert before.total_s > after.total_s + 100.0


def test_a_warm_up_that_cannot_be_made_says_why(tmp_path, make_run):
    write_config(tmp_path / "config.toml", make_run().config)
    out = tmp_path / "warm.json"
    done = subprocess.run(
        warmup_command(tmp_path / "none.trilabel", tmp_path / "config.toml", out),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "none.trilabel" in done.stderr
    assert not out.exists()
