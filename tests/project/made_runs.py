"""Runs as a trainer leaves them, written by hand: events, checkpoints, weights."""

import time

from core.project.runs import events as ev
from core.project.runs.config_io import preset, with_settings
from core.project.runs.folder import RUNS_FOLDER, RunFolder

STEPS = {"pretrain": 20, "finetune": 30, "lift": 10}


def make_run(
    parent,
    name="quick",
    *,
    settings=(),
    error_mm=50.0,
    held_out=24,
    stages=("pretrain", "finetune", "lift"),
    end="done",
    project_dir=None,
    weights=True,
):
    """A run whose errors fall to `error_mm`; `end` None leaves it as one that was killed."""
    config = with_settings(preset("quick"), settings)
    run = RunFolder.create(parent, config, project_dir=project_dir, name=name)
    now = time.time() - 1000
    with run.lock():
        run.append(
            ev.RunStarted(
                time=now,
                device="cpu",
                device_name="Some CPU",
                memory_bytes=1,
                num_processes=1,
                resumed=False,
                labelled=120,
                unlabelled=360,
                held_out=held_out,
            )
        )
        for stage in stages:
            now = _train(run, stage, error_mm, now)
        if weights:
            (run.path / "detector.pt").write_bytes(b"d" * 4000)
        if end is not None:
            run.finish(end, "It ended so." if end == "failed" else "")
    return run


def _train(run, stage, error_mm, now):
    steps = STEPS[stage]
    run.append(ev.StageStarted(time=now, stage=stage, steps=steps, first_step=0))
    for step in range(5, steps + 1, 5):
        now += 1.0
        losses = {"supervised": 1.0 / step}
        run.append(
            ev.Progress(
                time=now,
                stage=stage,
                step=step,
                steps=steps,
                seconds_left=0.0,
                losses=losses,
                seconds_per_step=0.2,
            )
        )
        if step % 10 == 0:
            metrics = {"mv_mpjpe": error_mm + (steps - step), "mv_pck": 80.0}
            weights = {"ace_0": 0.5, "ace_1": 0.25}
            run.append(ev.Evaluated(time=now, stage=stage, step=step, metrics=metrics))
            run.append(
                ev.WeightsMeasured(
                    time=now, stage=stage, step=step, kept_share=0.75, mean_weight=weights
                )
            )
            file = f"checkpoints/{stage}-{step:06d}.pt"
            (run.path / file).write_bytes(b"c" * 1000)
            run.append(ev.CheckpointSaved(time=now, stage=stage, step=step, file=file))
    run.append(ev.StageFinished(time=now, stage=stage))
    return now


def runs_dir(project):
    """Where the runs of a project are."""
    return project.path / RUNS_FOLDER
