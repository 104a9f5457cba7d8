"""Deleting runs, and the checkpoints that nobody needs any more.

A run is moved to a trash name in one step before anything of it goes: whatever happens then, it is
a whole run or none. What a crash left of the trash is swept the next time. While it is moved, its
locks are held, so that no trainer can begin in between.

Accepted points stay: their values and where they came from are the project's own.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import CommandRefusedError, DataError
from core.files import sync_folder
from core.project.runs import liveness
from core.project.runs.folder import LOCK_FILE, RUNS_FOLDER, RunFolder, runs_of
from core.project.runs.following import report_of
from core.project.runs.launching import LAUNCH_LOCK_FILE
from core.project.runs.managing.sizes import size_of
from core.project.runs.states import LIVING

if TYPE_CHECKING:
    from collections.abc import Generator

_TRASH = ".trash-"
_LOCKS = (LOCK_FILE, LAUNCH_LOCK_FILE)
_CHECKPOINT = re.compile(r"(start|pretrain|finetune|lift|predict)-(\d{6,})\.pt")
_ORDER = ("start", "pretrain", "finetune", "lift", "predict")
# Stages by the network that their checkpoints hold.
_NETWORKS = (("start", "pretrain", "finetune"), ("lift", "predict"))


def delete(run: RunFolder) -> int:
    """Delete a run; the bytes that this frees.

    Raises:
        CommandRefusedError: it lives, another run is about to start from its weights (it is told
            which), or the folder cannot be moved.
    """
    waiting = waiting_for(run)
    if waiting:
        names = ", ".join(other.id for other in waiting)
        raise CommandRefusedError(
            f"The run {run.id} stays: {names} has yet to start from its weights."
            f" Let it start, or delete {'it' if len(waiting) == 1 else 'them'} first."
        )
    freed = size_of(run).total
    parent = run.path.parent
    trash = parent / f"{_TRASH}{uuid.uuid4().hex[:8]}-{run.id}"
    try:
        with ExitStack() as held:
            _hold(run, held)
            if os.name == "nt":
                held.close()  # there an open lock file would keep the folder where it is
            run.path.rename(trash)
    except OSError as error:
        why = error.strerror or str(error)
        raise CommandRefusedError(f"The run {run.id} cannot be deleted: {why}.") from error
    sync_folder(parent)
    shutil.rmtree(trash, ignore_errors=True)
    return freed


def waiting_for(run: RunFolder) -> tuple[RunFolder, ...]:
    """Runs of the same folder that have yet to load this run's weights."""
    others = (other for other in _siblings(run) if other.id != run.id)
    return tuple(other for other in others if _has_yet_to_load(other, run))


def sweep_trash(project: Path) -> int:
    """Remove what a crash left of deleted runs, and half files of killed trainers.

    Returns:
        how many deleted runs there were.
    """
    for run in runs_of(project):
        run.sweep()
    left = list((project / RUNS_FOLDER).glob(f"{_TRASH}*"))
    for folder in left:
        shutil.rmtree(folder, ignore_errors=True)
    return len(left)


def removable_checkpoints(run: RunFolder) -> tuple[tuple[Path, ...], int]:
    """The checkpoints that `clean` would remove, and their bytes.

    Kept are the newest of each network, from which the run goes on, and the best of each stage.
    Files of other names are left alone.
    """
    found = [
        (_ORDER.index(match[1]), int(match[2]), path)
        for path in run.checkpoints_dir.glob("*.pt")
        if (match := _CHECKPOINT.fullmatch(path.name))
    ]
    kept = _best(run)
    for stages in _NETWORKS:
        mine = [entry for entry in found if _ORDER[entry[0]] in stages]
        if mine:
            kept.add(max(mine)[2].name)
    gone = tuple(path for _, _, path in sorted(found) if path.name not in kept)
    return gone, sum(map(_num_bytes, gone))


def clean(run: RunFolder) -> int:
    """Remove checkpoints but for the newest and the best; the bytes that this frees.

    A run that was stopped can still be resumed, and weights and predictions stay.

    Raises:
        CommandRefusedError: it lives, or a file cannot be removed.
    """
    try:
        with ExitStack() as held:
            _hold(run, held)
            gone, freed = removable_checkpoints(run)
            for path in gone:
                path.unlink(missing_ok=True)
    except OSError as error:
        why = error.strerror or str(error)
        raise CommandRefusedError(f"Checkpoints of {run.id} cannot be removed: {why}.") from error
    return freed


def _num_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # its trainer let go of it just now
        return 0


def _hold(run: RunFolder, held: ExitStack) -> None:
    """Keep every trainer away from a run that has none."""
    for name in _LOCKS:
        lock = liveness.acquire(run.path / name, wait_s=0.0)
        if lock is None:
            holder = run.holder()
            where = f" (process {holder.pid} on {holder.host})" if holder else ""
            raise CommandRefusedError(
                f"A trainer works on the run {run.id}{where}; stop or cancel it first."
            )
        held.callback(lock.release)


def _siblings(run: RunFolder) -> Generator[RunFolder]:
    if run.path.parent.name != RUNS_FOLDER:
        return
    yield from runs_of(run.path.parent.parent)


def _has_yet_to_load(other: RunFolder, run: RunFolder) -> bool:
    """Whether `other` starts from the weights of `run`, and has not read them yet."""
    try:
        if not _starts_from(other, run) or any(other.checkpoints_dir.glob("*.pt")):
            return False
        status = report_of(other).status
    except DataError:  # a run that cannot be read cannot start either
        return False
    return status == "created" or status in LIVING


def _starts_from(other: RunFolder, run: RunFolder) -> bool:
    weights = other.config.model.weights
    if weights == run.id:
        return True
    path = Path(weights)
    return path.is_absolute() and (path == run.path or run.path in path.parents)


def _best(run: RunFolder) -> set[str]:
    """Names of the best checkpoints, as the trainer noted them."""
    try:
        entries = json.loads((run.checkpoints_dir / "best.json").read_text("utf-8"))
        return {f"{stage}-{entry['step']:06d}.pt" for stage, entry in entries.items()}
    except (FileNotFoundError, ValueError, AttributeError, KeyError, TypeError):
        return set()
