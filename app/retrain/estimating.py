"""How long a training will take, measured: the trainer's warm-up, as a process that can be ended.

A warm-up that was measured before on this machine answers at once (`core.project.runs.estimate`
says which configurations share one). Traps: the process gets nice 10 like a trainer, or it would
take the window's share of the cores; and it is ended by force when nobody waits for its answer any
more, since torch alone takes seconds to come.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import CommandRefusedError
from core.learning.cutting import share_uncut
from core.learning.data import open_data
from core.project.runs.config_io import write_config
from core.project.runs.estimate import (
    estimate_from,
    read_warmup,
    warmup_command,
    warmup_path,
    write_warmup,
)
from core.project.runs.launching import NICENESS, process_environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.project import Project
    from core.project.runs.config import TrainConfig
    from core.project.runs.estimate import Estimate, WarmUp

    Progress = Callable[[int, int], bool]

_STEPS = 1000
_POLL_S = 0.1
_LONGEST_S = 300.0


def known_estimate(project: Project, config: TrainConfig) -> Estimate | None:
    """The estimate from a warm-up that was measured before, for labels and crops as they are now.

    Returns:
        None where none was, or none of all the stages that are wanted.

    Raises:
        DataError: the data cannot be opened as the configuration says.
    """
    warmup = read_warmup(_kept_at(project, config))
    if warmup is None or not _has_all(warmup, config):
        return None
    with open_data(config.data, project_dir=project.path, seed=config.run.seed) as data:
        groups = data.labelled + data.unlabelled + data.held_out
        crops = project.path / "cache" / "crops"
        counts = replace(
            warmup.counts,
            labelled=len(data.labelled),
            unlabelled=len(data.unlabelled),
            held_out=len(data.held_out),
            # A run since then has cut them.
            uncut=share_uncut(data, groups, warmup.input_hw, crops, config.data.cache_gb),
        )
    return estimate_from(warmup, config, counts)


def measured_estimate(project: Project, config: TrainConfig, progress: Progress) -> Estimate:
    """Measure with a short warm-up, and keep it; for a job.

    Raises:
        CommandRefusedError: it could not be measured; the message says why. Also where `progress`
            said no.
    """
    with tempfile.TemporaryDirectory(prefix="trilabel-warm-up-") as scratch:
        file, out = Path(scratch) / "config.toml", Path(scratch) / "warm-up.json"
        write_config(file, config)
        words = warmup_command(project.path, file, out)
        told = _follow(words, process_environment(config.run.threads), Path(scratch), progress)
        warmup = read_warmup(out)
    if warmup is None:
        raise CommandRefusedError(f"The time could not be measured{f': {told}' if told else ''}.")
    with contextlib.suppress(OSError):  # a cache that cannot be written to costs time only
        write_warmup(_kept_at(project, config), warmup)
    return estimate_from(warmup, config)


def _has_all(warmup: WarmUp, config: TrainConfig) -> bool:
    """Whether it was asked for the time of all stages; what could not be measured is NaN there."""
    wanted = set(config.run.stages)
    is_predicted = "predict" not in wanted or math.isfinite(warmup.seconds_per_prediction)
    return is_predicted and wanted - {"predict"} <= set(warmup.seconds_per_step)


def _kept_at(project: Project, config: TrainConfig) -> Path:
    return warmup_path(project.cache_path("warm-ups", "").parent, config)


def _follow(words: list[str], env: dict[str, str], folder: Path, progress: Progress) -> str:
    """Run the command to its end; the answer is the last it said on stderr."""
    process = _popen(words, env, folder)
    done = [0.0]
    last = [""]
    readers = [
        threading.Thread(target=_read_progress, args=(process, done), daemon=True),
        threading.Thread(target=_read_errors, args=(process, last), daemon=True),
    ]
    for reader in readers:
        reader.start()
    waited = 0.0
    try:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_POLL_S)
                break
            waited += _POLL_S
            if not progress(round(done[0] * _STEPS), _STEPS):
                raise CommandRefusedError("Measuring the time was stopped.")
            if waited > _LONGEST_S:
                raise CommandRefusedError("The warm-up did not end.")
    finally:
        process.kill()
        process.wait()
        for reader in readers:
            reader.join()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
    return last[0]


def _popen(words: list[str], env: dict[str, str], folder: Path) -> subprocess.Popen[str]:
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            cwd=folder,
            env=env,
        )
    except OSError as error:
        raise CommandRefusedError(f"The warm-up cannot be started: {error.strerror}.") from error
    if sys.platform != "win32":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
    return process


def _read_progress(process: subprocess.Popen[str], done: list[float]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        with contextlib.suppress(ValueError, TypeError, KeyError):
            told: Any = json.loads(line)
            done[0] = min(max(float(told["done"]), 0.0), 1.0)


def _read_errors(process: subprocess.Popen[str], last: list[str]) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if line.strip():
            last[0] = line.strip()
