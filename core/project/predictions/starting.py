"""Runs that only predict, and the command that predicts: for the command line and the window."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from core.project.opening import LABELS_FILE
from core.project.runs.folder import RUNS_FOLDER, RunFolder

if TYPE_CHECKING:
    from pathlib import Path

    from core.project.runs.config import TrainConfig

DEMO = "demo"


def prediction_run(project_dir: Path, weights: str, config: TrainConfig) -> RunFolder:
    """A new run of a project that trains nothing and predicts with given weights.

    Args:
        project_dir: the project.
        weights: as ``model.weights``: demo, a file, or the id of a run.
        config: the rest of what is asked for.
    """
    model = replace(config.model, weights=weights)
    if weights == DEMO:
        model = replace(model, detector="small")  # what the demo weights are of, on a GPU, too
    config = replace(config, model=model, run=replace(config.run, stages=("predict",)))
    labels = project_dir / LABELS_FILE
    return RunFolder.create(
        project_dir / RUNS_FOLDER,
        config,
        project_dir=project_dir,
        labels_db=labels if labels.is_file() else None,
        name="predict",
    )


def predict_command(
    run: RunFolder,
    *,
    settings: tuple[str, ...] = (),
    held_out: bool = False,
    processes: int = 1,
) -> list[str]:
    """The command that predicts with the networks of a run, for `start_trainer`.

    Args:
        run: whose networks; its predictions folder is written to.
        settings: ``section.key=value`` over the run's configuration.
        held_out: only the frames of the held-out groups.
        processes: that share the work, one for each GPU.
    """
    launcher = (
        ["-m", "torch.distributed.run", f"--nproc-per-node={processes}", "--standalone"]
        if processes > 1
        else []
    )
    options = [word for setting in settings for word in ("--set", setting)]
    if held_out:
        options.append("--held-out")
    return [sys.executable, *launcher, "-m", "trainer.predict", str(run.path), *options]
