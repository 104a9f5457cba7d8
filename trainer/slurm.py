"""A run as a Slurm job, through submitit: ``python -m trainer.slurm RUN --nodes 2 --gpus 8 …``.

One task a GPU, joined as torchrun would join them (`trainer.distributed`). A job that Slurm
preempts or whose time is up is queued again and goes on from the newest checkpoint. ``--local``
starts the same tasks on this machine, without Slurm. Logs of the tasks are in RUN/slurm.

submitit is an extra: ``pip install 'trilabel[slurm]'``.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import CommandRefusedError, DataError
from core.project.runs.folder import RunFolder

if TYPE_CHECKING:
    import submitit


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """What to ask Slurm for.

    Attributes:
        nodes: machines.
        tasks: trainer processes on each, one a GPU.
        gpus: on each node; 0 = train on processors.
        cpus: processors of a task.
        memory_gb: of a node.
        hours: longest time; a job that needs more is queued again.
        partition: of the cluster; empty = its default.
        local: start the tasks on this machine instead.
    """

    nodes: int = 1
    tasks: int = 1
    gpus: int = 0
    cpus: int = 8
    memory_gb: int = 64
    hours: float = 24.0
    partition: str = ""
    local: bool = False


class TrainTask:
    """What each task does; pickled by submitit, so it holds plain values only."""

    def __init__(self, run: str, *, resume: bool) -> None:
        self.run = run
        self.resume = resume

    def __call__(self) -> str:
        """Train as one of the job's processes; the answer is how it ended."""
        from submitit.helpers import TorchDistributedEnvironment

        from trainer.process import execute

        TorchDistributedEnvironment().export(overwrite=True)
        return execute(Path(self.run), resume=self.resume, queue=True).status

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """Called by submitit where the job is preempted or out of time: queue it again."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(TrainTask(self.run, resume=True))


def submit(run: RunFolder, allocation: Allocation, *, resume: bool = False) -> submitit.Job[str]:
    """Queue a run; `job.results()` waits for it and gives every task's status.

    Raises:
        CommandRefusedError: submitit is not installed, or there is no Slurm here.
    """
    try:
        import submitit
    except ImportError as error:
        text = "Slurm jobs need submitit: pip install 'trilabel[slurm]'."
        raise CommandRefusedError(text) from error
    folder = run.path / "slurm"
    try:
        executor = submitit.AutoExecutor(folder, cluster="local" if allocation.local else "slurm")
    except RuntimeError as error:
        raise CommandRefusedError(f"There is no Slurm on this machine ({error}).") from error
    executor.update_parameters(**_parameters(run, allocation))
    return executor.submit(TrainTask(str(run.path), resume=resume))


def _parameters(run: RunFolder, allocation: Allocation) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "name": f"trilabel-{run.id}",
        "nodes": allocation.nodes,
        "tasks_per_node": allocation.tasks,
        "gpus_per_node": allocation.gpus,
        "cpus_per_task": allocation.cpus,
        "mem_gb": allocation.memory_gb,
        "timeout_min": max(1, round(60 * allocation.hours)),
    }
    if allocation.partition:
        parameters["slurm_partition"] = allocation.partition
    return parameters


def main(arguments: list[str] | None = None) -> int:
    """Queue a run and say the job's number; with --local, wait for its end."""
    parser = argparse.ArgumentParser(prog="python -m trainer.slurm", description=__doc__)
    add = parser.add_argument
    add("run", type=Path, help="folder of the run")
    add("--resume", action="store_true", help="go on from the newest checkpoint")
    add("--nodes", type=int, default=1)
    add("--gpus", type=int, default=0, help="on each node, a task for each")
    add("--tasks", type=int, default=0, help="on each node; default: one a GPU, at least one")
    add("--cpus", type=int, default=8, help="of a task")
    add("--memory-gb", type=int, default=64, help="of a node")
    add("--hours", type=float, default=24.0)
    add("--partition", default="")
    add("--local", action="store_true", help="start the tasks on this machine, without Slurm")
    given = parser.parse_args(arguments)
    allocation = Allocation(
        nodes=given.nodes,
        tasks=given.tasks or max(1, given.gpus),
        gpus=given.gpus,
        cpus=given.cpus,
        memory_gb=given.memory_gb,
        hours=given.hours,
        partition=given.partition,
        local=given.local,
    )
    try:
        job = submit(RunFolder.open(given.run), allocation, resume=given.resume)
    except (DataError, CommandRefusedError) as error:
        sys.stderr.write(f"trainer.slurm: {error}\n")
        return 2
    sys.stdout.write(f"job {job.job_id}\n")
    if not given.local:
        return 0
    return 0 if set(job.results()) <= {"done", "stopped"} else 1


if __name__ == "__main__":
    sys.exit(main())
