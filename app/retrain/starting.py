"""Making a run and starting its trainer: what the dialog's Start does, off the window's thread.

On this machine the trainer is started as everywhere (`start_trainer`). A Slurm job is queued by
``python -m trainer.slurm``, which leaves at once; the run stays "created" until Slurm begins it.
Trap: the queueing process is never noted as the run's trainer, or its end would look like a
trainer that did not start.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from core.errors import CommandRefusedError
from core.project.runs.folder import RUNS_FOLDER, RunFolder
from core.project.runs.launching import environment, start_trainer

if TYPE_CHECKING:
    from core.project import Project
    from core.project.runs.config import TrainConfig

# A snapshot, small networks and their predictions fit in this; bigger ones say it when they fail.
_ROOM_BYTES = 300 << 20
_SUBMIT_S = 120.0
SLURM_EXTRA = "pip install 'trilabel[slurm]'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a training runs.

    Attributes:
        kind: this machine, or a Slurm cluster.
        processes: on this machine, sharing the work; one for each GPU.
        nodes: machines of the cluster.
        gpus: on each; a process for each.
        hours: longest time; a job that needs more is queued again.
        partition: of the cluster; empty = its default.
    """

    kind: Literal["here", "slurm"] = "here"
    processes: int = 1
    nodes: int = 1
    gpus: int = 1
    hours: float = 24.0
    partition: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be trained, where, and under which name."""

    config: TrainConfig
    name: str
    place: Place


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Started:
    """A run that was made, and is being trained or waits for it.

    Attributes:
        run: its folder.
        process: the trainer; None where a cluster starts it.
        text: what to tell.
    """

    run: RunFolder
    process: subprocess.Popen[bytes] | None
    text: str


def has_slurm_extra() -> bool:
    """Whether Slurm jobs can be queued from here."""
    return importlib.util.find_spec("submitit") is not None


def refusal(project: Project) -> str:
    """Why no training of this project can be started at all, and the way out; else empty."""
    if project.read_only:
        return (
            f"The project is open for reading only: {project.read_only_reason}. Retrain from the "
            "window that writes to it, or make a copy of the project's folder and open that."
        )
    free = shutil.disk_usage(project.path).free
    needed = _ROOM_BYTES + 2 * project.labels.path.stat().st_size
    if free < needed:
        return (
            f"The disk has {free / 1e6:,.0f} MB left, and a run needs {needed / 1e6:,.0f} MB at "
            f"least: its folder is in {project.path}. Make room, or delete old runs (Runs…)."
        )
    return ""


def start(project: Project, order: Order) -> Started:
    """Make the run with a snapshot of the labels, and start its trainer.

    Safe on any thread. A run whose trainer cannot be started does not stay behind.

    Raises:
        DataError: the labels cannot be read, or the run's folder cannot be made.
        CommandRefusedError: no trainer can be started; the message says why.
    """
    run = RunFolder.create(
        project.path / RUNS_FOLDER,
        order.config,
        project_dir=project.path,
        labels_db=project.labels.path,
        name=order.name,
    )
    try:
        if order.place.kind == "slurm":
            return Started(run=run, process=None, text=_submit(run, order.place))
        process = start_trainer(run, processes=order.place.processes)
    except CommandRefusedError:
        shutil.rmtree(run.path, ignore_errors=True)
        raise
    return Started(run=run, process=process, text=_started(order.name))


def _started(name: str) -> str:
    return f"The training {name} is started. Go on labelling: Runs tells how far it is."


def slurm_command(run: RunFolder, place: Place) -> list[str]:
    """The command that queues a run at Slurm."""
    words = [sys.executable, "-m", "trainer.slurm", str(run.path)]
    words += ["--nodes", str(place.nodes), "--gpus", str(place.gpus)]
    words += ["--hours", f"{place.hours:g}"]
    return words + (["--partition", place.partition] if place.partition else [])


def _submit(run: RunFolder, place: Place) -> str:
    try:
        done = subprocess.run(
            slurm_command(run, place),
            env=environment(run),
            cwd=run.path,
            capture_output=True,
            text=True,
            timeout=_SUBMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandRefusedError(f"Slurm did not take the run: {error}.") from error
    if done.returncode:
        told = done.stderr.strip().splitlines()
        why = told[-1].removeprefix("trainer.slurm: ") if told else "it did not say why"
        raise CommandRefusedError(f"Slurm did not take the run: {why}")
    return f"Queued at Slurm: {done.stdout.strip() or 'a job'}, run {run.id}."
