"""A small real training that can be hurt, and what must be true of it afterwards.

The match has eight frames in four views, a step takes some hundredths of a second, and checkpoints,
evaluations, samples and predictions come every few steps, so that a kill at any moment meets one of
them. Trainers are started as the window starts them.

`Wounds.look` says what is wrong after a fault: whether a follower tells it at once and in words,
whether what was announced is still there, and whether a process or a half file is left over.
"""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

from core.project.importing import import_sportcenter
from core.project.opening import LABELS_FILE
from core.project.predictions import RunPredictions
from core.project.runs.config import TrainConfig
from core.project.runs.config_io import with_settings
from core.project.runs.folder import RUNS_FOLDER, RunFolder
from core.project.runs.following import RunFollower, RunReport
from core.project.runs.launching import start_trainer
from core.project.runs.states import LIVING
from core.project.runs.trouble import trouble_of
from core.synthetic import AnnotatedRange, SynthConfig, synthesise

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Sequence
    from pathlib import Path

TOLD_WITHIN_S = 2.0
_PATIENCE_S = 600.0
_LOOK_S = 0.01
_SETTINGS = (
    "run.threads=1",
    "run.device=cpu",
    "run.report_every=1",
    "run.evaluate_every=2",
    "run.checkpoint_every=1",
    "data.workers=0",
    "data.cache_gb=0.01",
    "model.detector=small",
    "model.weights=none",
    "model.image_branch=small",
    "model.input_height=64",
    "model.input_width=64",
    "pretrain.steps=4",
    "pretrain.groups=3",
    "pretrain.heatmap_weight=1",
    "finetune.steps=4",
    "finetune.labelled_groups=2",
    "finetune.unlabelled_groups=3",
    "lift.steps=3",
    "lift.groups=4",
    "lift.hidden=32",
    "predict.block=2",
)


def make_project(folder: Path) -> Path:
    """A project of 8 frames with 4 cameras; every other frame is annotated."""
    config = SynthConfig(
        num_frames=8,
        seed=3,
        cameras=("ace_0", "ace_1", "ace_2", "ace_3"),
        num_bystanders=0,
        picture_scale=0.15,
        annotated=(AnnotatedRange(first=1, stop=9, step=2),),
        num_workers=1,
    )
    match, project = folder / "match", folder / "match.trilabel"
    synthesise(config, match)
    import_sportcenter(
        match,
        project,
        detections=[f"alphapose:{match / 'alphapose'}"],
        report=lambda _line: None,
    )
    return project


def new_run(
    project: Path, name: str, settings: Sequence[str] = (), *, runs: Path | None = None
) -> RunFolder:
    """A run of all four stages that nobody trains yet; in the project, or in another folder."""
    config = with_settings(TrainConfig(), [*_SETTINGS, *settings])
    return RunFolder.create(
        runs or project / RUNS_FOLDER,
        config,
        project_dir=project,
        labels_db=project / LABELS_FILE,
        name=name,
    )


def started(run: RunFolder) -> subprocess.Popen[bytes]:
    """A trainer at work on a run, from its newest checkpoint where it has begun."""
    return start_trainer(run, resume=bool(run.events_end()))


def watched(
    run: RunFolder,
    wanted: Callable[[RunReport], bool],
    *,
    process: subprocess.Popen[bytes] | None = None,
    within_s: float = _PATIENCE_S,
) -> RunReport:
    """The first report that is as wanted, from a follower that begins now.

    Raises:
        TimeoutError: none was, or the trainer ended before.
    """
    follower, until = RunFollower(run), time.monotonic() + within_s
    while True:
        has_ended = process is not None and process.poll() is not None
        report = follower.poll()
        if wanted(report):
            return report
        if has_ended or time.monotonic() > until:
            raise TimeoutError(f"{run.path} is {report.status}: {report.text}{run.stderr_tail()}")
        time.sleep(_LOOK_S)


def to_the_end(run: RunFolder) -> RunReport:
    """Start, or go on, and wait until it lives no more."""
    process = started(run)
    try:
        report = watched(run, lambda report: report.status not in LIVING)
        process.wait(timeout=_PATIENCE_S)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return report


@dataclass(slots=True, kw_only=True)
class Wounds:
    """What a fault did to a run, judged from outside.

    Attributes:
        told_s: seconds until a follower told that the trainer lives no more.
        status: what it told.
        title: of the trouble, in words.
        can_resume: whether that says to go on.
        wrong: sentences about what must not be; empty where all is well.
    """

    told_s: float
    status: str
    title: str
    can_resume: bool
    wrong: list[str] = field(default_factory=list[str])


class Patient:
    """A run that is hurt again and again, and what it had before."""

    def __init__(self, project: Path, run: RunFolder) -> None:
        self.project, self.run = project, run
        self._labels = {path: _digest(path) for path in _databases(project, run)}
        self._events = b""

    def look(self, since: float, pid: int) -> Wounds:
        """What is told and left after the end of a trainer.

        Args:
            since: steady clock at the fault.
            pid: of the trainer, to be waited for by now.
        """
        report = watched(self.run, lambda report: report.status not in LIVING)
        told_s = time.monotonic() - since
        trouble = trouble_of(report)
        wounds = Wounds(
            told_s=told_s,
            status=report.status,
            title=trouble.title if trouble else "",
            can_resume=trouble is not None and trouble.can_resume,
        )
        if told_s > TOLD_WITHIN_S:
            wounds.wrong.append(f"told after {told_s:.1f} s only")
        if report.status != "done" and not trouble:
            wounds.wrong.append(f"{report.status} without a word")
        wounds.wrong += [*self.lost(), *left_over(pid)]
        return wounds

    def lost(self) -> list[str]:
        """What was there and is not, or cannot be read."""
        found = [f"{p.name} changed" for p, was in self._labels.items() if _digest(p) != was]
        events = (self.run.path / "events.jsonl").read_bytes() if self.run.events_end() else b""
        if not events.startswith(self._events):
            found.append("events that were told are gone")
        self._events = events[: events.rfind(b"\n") + 1]
        return found + unreadable(self.run)


def unreadable(run: RunFolder) -> list[str]:
    """What a run announced and cannot be read: predictions, and the newest checkpoint.

    Raises:
        DataError: a file of predictions is damaged.
    """
    state, found = run.state(), list[str]()
    if state.unknown:
        found.append(state.warning)
    if state.checkpoint and not (run.path / state.checkpoint.file).is_file():
        found.append(f"{state.checkpoint.file} is gone")
    with RunPredictions(run) as predictions:
        for number in {event.round for event in state.predicted}:
            for recording, frame in predictions.moments(number).tolist():
                if predictions.at(frame, recording=recording, round_number=number) is None:
                    found.append(f"frame {frame} of round {number} is gone")
        found += [str(problem) for problem in predictions.problems]
    return found


def left_over(pid: int) -> list[str]:
    """Processes of a trainer's session that live on, or that nobody waited for."""
    found: list[str] = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == pid:
                found.append(f"process {process.pid} is {process.status()}")
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def half_files(*folders: Path) -> list[Path]:
    """Temporary files and folders below."""
    return [path for folder in folders for path in folder.rglob("*.tmp*")]


def _databases(project: Path, run: RunFolder) -> list[Path]:
    return [project / LABELS_FILE, run.path / LABELS_FILE]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
