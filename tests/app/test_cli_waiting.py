"""What the terminal says of a run that waits, and of one in trouble."""

import numpy as np
import pytest

from app.cli import main
from app.cli.following import bar_text, event_text, outcome
from core.geometry import Camera, Rig
from core.project import Project
from core.project.runs import events as ev
from core.project.runs.config import TrainConfig
from core.project.runs.folder import RunFolder
from core.project.runs.following import report_of
from core.project.spec import ProjectSpec
from core.skeleton import Skeleton

WAITING = ev.Waiting(device="cuda:0", ahead=3, run="/data/a.trilabel/runs/2026-first")
STARTED = ev.RunStarted(
    device="cpu",
    device_name="CPU",
    memory_bytes=8,
    num_processes=1,
    resumed=False,
    labelled=1,
    unlabelled=1,
    held_out=1,
)


@pytest.fixture
def run(tmp_path):
    return RunFolder.create(tmp_path / "runs", TrainConfig())


def test_a_run_that_waits_tells_whom_for(run):
    told = "Waiting for cuda:0: starts after the run 2026-first, behind 2 others."
    assert event_text(WAITING) == told
    with run.lock():
        run.append(WAITING)
        assert bar_text(report_of(run)) == told
        run.append(ev.Waiting(device="cpu", ahead=1, run="/x/second"))
        assert bar_text(report_of(run)) == "Waiting for cpu: starts after the run second."
        run.append(STARTED)
        assert bar_text(report_of(run)) == "Starting the trainer …"


def test_a_killed_run_is_told_with_its_likely_cause_and_the_way_out(run):
    with run.lock():
        run.append(STARTED)
    told = outcome(run, report_of(run))
    assert "for want of memory" in told
    assert "begins anew" in told


def test_a_run_that_failed_for_memory_tells_what_to_do(run):
    with run.lock():
        run.append(STARTED)
        run.finish("failed", "Not even one group fits.", reason="out-of-memory")
    told = outcome(run, report_of(run))
    assert told.count("Not even one group fits.") == 1
    assert "smaller network" in told


def test_the_list_of_runs_shows_one_that_waits(tmp_path, capsys):
    K = np.array([[1000.0, 0, 640], [0, 1000, 360], [0, 0, 1]])
    cameras = tuple(
        Camera(name, K, np.zeros(0), np.eye(3), np.array([x, 0.0, 0.0]), (1280, 720))
        for name, x in (("a", 0.0), ("b", 500.0))
    )
    arm = Skeleton(name="arm", joints=("elbow", "wrist"), bones=((0, 1),))
    spec = ProjectSpec(name="arms", rig=Rig(cameras), skeleton=arm, num_frames=10)
    with Project.create(tmp_path / "arms.trilabel", spec) as project:
        run = RunFolder.create(
            project.path / "runs", TrainConfig(), project_dir=project.path, name="later"
        )
        with run.lock():
            run.append(WAITING)
            assert main(["runs", str(project.path)]) == 0
    assert "waiting" in capsys.readouterr().out
