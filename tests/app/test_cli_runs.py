"""Commands about runs, with a real process that writes to a run, on a terminal and on none."""

import json
import math
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from app.cli import main
from app.cli.following import bar_text, event_text, outcome, progress_text
from app.cli.train_command import options_text
from core.geometry import Camera, Rig
from core.project import Project, ProjectSpec
from core.project.runs import events as ev
from core.project.runs.config import TrainConfig
from core.project.runs.config_io import with_settings
from core.project.runs.folder import RUNS_FOLDER, RunFolder
from core.project.runs.following import RunFollower, report_of
from core.project.runs.option_rows import option_table
from core.skeleton import Skeleton

ROOT = Path(__file__).parents[2]
STARTED = ev.RunStarted(
    device="cpu",
    device_name="Some CPU",
    memory_bytes=1,
    num_processes=1,
    resumed=False,
    labelled=8,
    unlabelled=1600,
    held_out=4,
    notes=("Test people are unlabelled, too.",),
)
HALFWAY = ev.Progress(
    stage="finetune",
    step=1000,
    steps=2000,
    seconds_left=95.0,
    losses={"supervised": 0.01234, "triangulation": math.nan},
    seconds_per_step=0.5,
)
BEGUN = ev.StageStarted(stage="finetune", steps=2000, first_step=0)

# Argument: the run. Sixty seconds of steps; STOP is obeyed where the second argument says so.
TRAINER = """
import sys, time
from pathlib import Path
from core.project.runs import events as ev
from core.project.runs.folder import RunFolder

run, is_obedient = RunFolder.open(Path(sys.argv[1])), sys.argv[2] == "obeys"
steps = 6000 if sys.argv[3] == "long" else 3
with run.lock():
    run.append(ev.RunStarted(device="cpu", device_name="Some CPU", memory_bytes=1, num_processes=1,
                             resumed=False, labelled=1, unlabelled=1, held_out=1))
    run.append(ev.StageStarted(stage="pretrain", steps=steps, first_step=0))
    for step in range(1, steps + 1):
        run.append(ev.Progress(stage="pretrain", step=step, steps=steps, seconds_left=9.0,
                               losses={"supervised": 0.5}, seconds_per_step=0.01))
        if is_obedient and run.stop_requested():
            run.append(ev.CheckpointSaved(stage="pretrain", step=step, file="checkpoints/a.pt"))
            run.finish("stopped", "Asked to stop.")
            break
        time.sleep(0.01)
    else:
        run.append(ev.StageFinished(stage="pretrain"))
        run.finish("done")
"""
# What `trilabel train` does, with the trainer above instead of the real one.
FOLLOW = """
import sys
from pathlib import Path
from app.cli.following import follow_run
from core.project.runs.folder import RunFolder
from core.project.runs.following import RunFollower
from core.project.runs.launching import start_trainer

run = RunFolder.open(Path(sys.argv[1]))
words = [sys.executable, "-c", sys.argv[2], *sys.argv[1:2], *sys.argv[3:]]
process = start_trainer(run, command=words)
sys.exit(follow_run(RunFollower(run), process))
"""


@pytest.fixture
def project(tmp_path):
    R = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    K = np.array([[1000.0, 0, 640], [0, 1000, 360], [0, 0, 1]])
    cameras = tuple(
        Camera(name, K, np.zeros(0), R, np.array([x, 1000.0, 8000.0]), (1280, 720))
        for name, x in (("a", 0.0), ("b", 500.0))
    )
    arm = Skeleton(name="arm", joints=("elbow", "wrist"), bones=((0, 1),))
    spec = ProjectSpec(name="arms", rig=Rig(cameras), skeleton=arm, num_frames=10)
    with Project.create(tmp_path / "arms.trilabel", spec) as project:
        yield project


@pytest.fixture
def run(project):
    return RunFolder.create(
        project.path / RUNS_FOLDER, TrainConfig(), project_dir=project.path, name="quick"
    )


def report_after(run, *events):
    """The run's report where a trainer lives that has said these events."""
    with run.lock():
        for event in events:
            run.append(event)
        return report_of(run)


class Terminal:
    """A pseudo-terminal with a process on it."""

    def __init__(self, words):
        self.fd, child = os.openpty()
        self.process = subprocess.Popen(
            words, stdin=child, stdout=child, stderr=child, cwd=ROOT, start_new_session=True
        )
        os.close(child)
        self.text = ""

    def read_until(self, wanted, seconds=30.0):
        until = time.monotonic() + seconds
        while wanted not in self.text and time.monotonic() < until:
            if not select.select([self.fd], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(self.fd, 4096)
            except OSError:  # Linux says so when the last process on it has left
                break
            self.text += data.decode()
        assert wanted in self.text, self.text[-2000:]

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def close(self):
        self.process.kill()
        self.process.wait()
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


@pytest.fixture
def follow(run):
    opened = []

    def start(*arguments):
        terminal = Terminal([sys.executable, "-c", FOLLOW, str(run.path), TRAINER, *arguments])
        opened.append(terminal)
        return terminal

    yield start
    for terminal in opened:
        terminal.close()
    main(["runs", str(run.project_dir), "--cancel", run.id])


needs_terminal = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")


@needs_terminal
def test_a_terminal_shows_a_bar_and_one_interruption_stops_with_a_checkpoint(run, follow):
    terminal = follow("obeys", "long")
    terminal.read_until("Pre-training  ····")
    terminal.read_until("supervised 0.5")
    terminal.interrupt()
    terminal.read_until("Ctrl-C again cancels")
    terminal.read_until(f"--resume {run.id}")
    assert terminal.process.wait(timeout=10) == 0
    assert report_of(run).status == "stopped"
    assert f"trilabel train {run.project_dir} --resume" in terminal.text


@needs_terminal
def test_a_second_interruption_cancels_a_trainer_that_does_not_stop(run, follow):
    terminal = follow("ignores", "long")
    terminal.read_until("supervised 0.5")
    terminal.interrupt()
    terminal.read_until("Stopping · Pre-training")
    terminal.interrupt()
    terminal.read_until("cancelled.")
    assert terminal.process.wait(timeout=10) == 1
    assert report_of(run).status == "cancelled"


@needs_terminal
def test_a_trainer_outlives_the_terminal_that_followed_it(run, follow):
    terminal = follow("obeys", "long")
    terminal.read_until("supervised 0.5")
    terminal.close()
    assert report_of(run).status == "running"
    assert main(["runs", str(run.project_dir), "--stop", "last"]) == 0
    until = time.monotonic() + 10
    while report_of(run).status != "stopped" and time.monotonic() < until:
        time.sleep(0.02)
    assert report_of(run).status == "stopped"


def test_where_nobody_watches_plain_lines_are_printed(run):
    words = [sys.executable, "-c", FOLLOW, str(run.path), TRAINER, "obeys", "short"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "Training on Some CPU (cpu): 1 labelled, 1 unlabelled, 1 held-out groups" in lines
    assert "Pre-training 3/3  supervised 0.5  0.01 s a step, 9 s left" in lines
    assert lines[-1] == f"Run {run.id}: done."
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stdout


def test_a_line_of_progress_tells_stage_losses_and_time_left():
    told = progress_text(HALFWAY)
    assert told.startswith("Fine-tuning 1,000/2,000")
    assert "supervised 0.01234  triangulation –" in told
    assert told.endswith("0.5 s a step, 1 min 35 s left")


def test_a_bar_is_half_full_half_way(run):
    told = bar_text(report_after(run, STARTED, BEGUN, HALFWAY), 140)
    assert "█" * 12 + "·" * 12 in told
    assert "50 %" in told


def test_a_bar_fits_its_terminal_and_always_counts(run):
    report = report_after(run, STARTED, BEGUN, HALFWAY)
    for width in range(20, 121):
        told = bar_text(report, width)
        assert "1,000/2,000" in told
        assert len(told) <= max(width, 29)
        assert ("supervised" in told) == (width >= 74)


def test_a_bar_needs_no_progress_yet(run):
    with run.lock():
        assert bar_text(report_of(run)).startswith("Starting")
    assert bar_text(report_after(run, STARTED, BEGUN)) == "Fine-tuning …"


def test_events_are_told_in_words():
    told = event_text(STARTED)
    assert "8 labelled, 1,600 unlabelled, 4 held-out groups" in told
    assert told.endswith("Test people are unlabelled, too.")
    metrics = {"mv_mpjpe": 61.2, "sv_mpjpe": 104.4, "mv_coverage": 0.875, "mv_pck": 93.0}
    evaluated = ev.Evaluated(stage="finetune", step=200, metrics=metrics)
    told = "Held out, after 200 steps: multi-view 61 mm, single-view 104 mm, 88 % of the joints"
    assert event_text(evaluated) == told
    unknown = ev.Evaluated(stage="lift", step=1, metrics={"new": 3.0, "bad": math.nan})
    assert event_text(unknown) == "Held out, after 1 step: new 3, bad –"
    bad = ev.Notice(level="warning", code="oom", text="Short of memory.")
    assert event_text(bad) == "warning: Short of memory."
    assert "newer" in event_text(ev.UnknownEvent(reason="newer", line="{}"))
    assert event_text(HALFWAY) == ""


def test_texts_of_a_run_cannot_steer_the_terminal(run):
    report = report_after(run, STARTED, ev.RunFinished(status="failed", text="a\x1b[2Jb\rc"))
    assert "\x1b" not in outcome(run, report)
    assert "\r" not in outcome(run, report)


def test_every_option_is_in_the_manual(capsys):
    assert main(["train", "--options"]) == 0
    told = capsys.readouterr().out
    for row in option_table():
        assert f"  {row.key}\n" in told
    flat = " ".join(told.split())
    assert all(" ".join(row.info.help.split()) in flat for row in option_table())
    assert "presets:" in told


def test_the_manual_of_a_section_is_of_that_section():
    told = options_text("lift")
    assert "lift.hidden" in told
    assert "loss." not in told


@pytest.mark.parametrize(
    "arguments",
    [
        ["train"],
        ["train", "--options", "lots"],
        ["train", "x", "--processes", "0"],
        ["runs"],
        ["runs", "x", "--stop", "a", "--cancel", "b"],
    ],
)
def test_wrong_usage_of_training_leaves_with_2(arguments):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--preset", "quik"], "Did you mean quick"),
        (["--set", "loss.wighting=none"], "Did you mean loss.weighting"),
        (["--set", "model.weights=absent.pth"], "absent.pth"),
        (["--resume", "last"], "none yet"),
        (["--resume", "last", "--set", "run.seed=1"], "start a new run"),
    ],
)
def test_a_training_that_cannot_be_is_refused_before_it_starts(project, capsys, arguments, told):
    assert main(["train", str(project.path), *arguments]) == 1
    assert told in capsys.readouterr().err
    assert list((project.path / RUNS_FOLDER).iterdir()) == []


def test_runs_of_no_project_are_refused(tmp_path, capsys):
    assert main(["runs", str(tmp_path)]) == 1
    assert "project.toml" in capsys.readouterr().err


def test_a_project_without_runs_says_how_to_start_one(project, capsys):
    assert main(["runs", str(project.path)]) == 0
    assert "trilabel train" in capsys.readouterr().out


def test_runs_are_listed_with_what_they_do(project, run, capsys):
    evaluated = ev.Evaluated(stage="finetune", step=1000, metrics={"mv_mpjpe": 61.2})
    with run.lock():
        for event in (STARTED, BEGUN, HALFWAY, evaluated):
            run.append(event)
        assert main(["runs", str(project.path)]) == 0
        line = capsys.readouterr().out.splitlines()[1]
        assert line.startswith(run.id)
        assert "running" in line
        assert "Fine-tuning 1,000/2,000" in line
        assert "multi-view 61 mm" in line
    assert main(["runs", str(project.path)]) == 0
    told = capsys.readouterr().out
    assert "killed" in told.splitlines()[1]
    assert f"{run.id}: The trainer was killed" in told


def test_runs_as_json_are_strict_and_whole(project, run, capsys):
    with run.lock():
        for event in (STARTED, BEGUN, HALFWAY):
            run.append(event)
        run.finish("failed", "The disk is full.")
    assert main(["runs", str(project.path), "--json"]) == 0

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    (told,) = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert (told["id"], told["status"], told["text"]) == (run.id, "failed", "The disk is full.")
    assert told["progress"]["losses"] == {"supervised": 0.01234, "triangulation": None}
    assert told["started"]["notes"] == ["Test people are unlabelled, too."]


def test_what_was_changed_for_a_run_stands_in_its_json(project, capsys):
    config = with_settings(TrainConfig(), ["loss.weighting=consensus", "finetune.steps=7"])
    RunFolder.create(project.path / RUNS_FOLDER, config)
    assert main(["runs", str(project.path), "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert told["changed"] == {"finetune.steps": 7, "loss.weighting": "consensus"}


def test_a_damaged_run_does_not_hide_the_others(project, run, capsys):
    other = RunFolder.create(project.path / RUNS_FOLDER, TrainConfig(), name="zebra")
    (run.path / "config.toml").write_text("[loss\n")
    assert main(["runs", str(project.path)]) == 1
    told = capsys.readouterr().out
    assert "unreadable" in told
    assert "config.toml" in told
    assert f"{other.id}  created" in told


@pytest.mark.parametrize("option", ["--stop", "--cancel"])
def test_a_run_without_a_trainer_cannot_be_ended(project, run, capsys, option):
    assert main(["runs", str(project.path), option, run.id]) == 1
    assert "no trainer" in capsys.readouterr().err
    assert not run.stop_requested()


def test_following_a_run_that_has_ended_tells_how(project, run, capsys):
    report_after(run, STARTED, BEGUN, ev.RunFinished(status="done"))
    assert main(["runs", str(project.path), "--follow", "quick"]) == 0
    assert capsys.readouterr().out.strip() == f"Run {run.id}: done."


def test_a_stopped_prediction_tells_the_command_that_goes_on_with_it(tmp_path):
    run = RunFolder.create(tmp_path / "p.trilabel" / "runs", TrainConfig())
    with run.lock():
        run.append(ev.Notice(level="info", code="x", text="hello"))
        run.finish("stopped", "")
    report = RunFollower(run).poll()
    again = f"trilabel predict p.trilabel --run {run.id}"
    assert outcome(run, report, again).endswith(f"Go on with: {again}")
    assert "Go on with" not in outcome(run, report)
