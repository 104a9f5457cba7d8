"""A run as a job of two tasks, by submitit's executor for this machine."""

import pickle

import pytest

from core.errors import CommandRefusedError
from core.project.runs import events as ev
from trainer.slurm import Allocation, TrainTask, submit


@pytest.mark.slow
def test_a_job_of_two_tasks_trains_one_run(make_run, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    run = make_run("pretrain.steps=1")
    job = submit(run, Allocation(tasks=2, cpus=1, memory_gb=4, hours=0.1, local=True))
    assert job.results() == ["done", "done"]
    (started,) = [event for event in run.events()[0] if isinstance(event, ev.RunStarted)]
    assert started.num_processes == 2
    assert (run.path / "detector.pt").is_file()


def test_a_preempted_task_is_queued_again_to_go_on():
    task = pickle.loads(pickle.dumps(TrainTask("/runs/a", resume=False)))
    again = task.checkpoint()
    assert again.function.resume
    assert again.function.run == "/runs/a"


def test_without_slurm_the_job_is_refused(make_run, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CommandRefusedError, match="no Slurm"):
        submit(make_run(), Allocation())
