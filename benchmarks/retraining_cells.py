"""The cells of `benchmarks.retraining`: each an arm with a seed, trained and measured once.

A cell that is done lies in OUT/parts with all that it was made from; one that was stopped goes on
from its newest checkpoint. Its project and run stay in OUT, to be opened and looked at.

Traps: a run that went on cut its crops already, so its minutes are those of all its lives; the
processor's minutes are what the trainer's process took, alone on the machine or not.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from app.demo import prepare_demo
from benchmarks.retraining_fixes import apply_fixes, as_json, beside, fixes_of, nearby
from core.formats.sportcenter import TEST_SUBJECTS
from core.learning.data import GroupList, open_data
from core.learning.stored_evaluation import label_points_mm
from core.project import Project
from core.project.opening import LABELS_FILE
from core.project.runs.config_io import config_text, preset, with_settings
from core.project.runs.events import RunStarted
from core.project.runs.folder import RUNS_FOLDER, RunFolder
from core.synthetic.truth import TRUTH_NAME, read_truth
from trainer.experiments.parts import Parts
from trainer.experiments.report import rounded
from trainer.experiments.scoring import poses_of, score

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmarks.retraining_fixes import Fix, Place
    from core.learning.data import PoseData
    from core.project.runs.config import TrainConfig
    from core.synthetic.truth import Truth

    Figures = dict[str, Any]

NUM_FIXES = 5
_AGREEMENT = "data.protocol=project-detections"
_NO_STEPS = ("run.stages=pretrain", "pretrain.steps=0")
_RUN = "retrain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way to retrain.

    Attributes:
        settings: beside the preset.
        num_fixes: made before it.
        is_shuffled: whether their clicks go to other joints.
    """

    settings: tuple[str, ...] = ()
    num_fixes: int = 0
    is_shuffled: bool = False


ARMS = {
    "start": Arm(settings=_NO_STEPS),
    "labels": Arm(settings=("loss.unlabelled_weight=0",)),
    "without": Arm(),
    "fixed": Arm(num_fixes=NUM_FIXES),
    "shuffled": Arm(num_fixes=NUM_FIXES, is_shuffled=True),
    "many": Arm(num_fixes=10 * NUM_FIXES),
}


class Cells:
    """The folder of all cells."""

    def __init__(self, out: Path, settings: Sequence[str] = ()) -> None:
        self.out = out
        self._settings = tuple(settings)
        self._parts = Parts(out / "parts")

    def find(self, name: str, seed: int) -> Figures | None:
        """The figures of a cell that is done."""
        return self._parts.find(f"{name}-{seed}", self._made_from(name, seed))

    def find_agreement(self, project: Path, name: str, seed: int) -> Figures | None:
        """The same of a recording without truth."""
        config = self._config(name, seed, _AGREEMENT)
        return self._parts.find(_agreement_key(project, name, seed), config_text(config))

    def do(self, name: str, seed: int) -> None:
        """Fix, train and measure, where that was not done before.

        Raises:
            SystemExit: the training failed.
        """
        if self.find(name, seed) is not None:
            return
        pristine = prepare_demo(self.out / "demo", report=print)
        truth = read_truth(pristine.with_suffix("") / TRUTH_NAME)
        fixes = self._fixes(pristine, truth, seed, max(ARMS[name].num_fixes, NUM_FIXES))
        project = self._project(pristine, name, seed, fixes)
        config = self._config(name, seed)
        run = _run_in(project / RUNS_FOLDER, _RUN, config, project, project / LABELS_FILE)
        figures = {**self._train(run), **measured(run, truth, fixes[:NUM_FIXES])}
        self._parts.get(f"{name}-{seed}", self._made_from(name, seed), lambda: rounded(figures))
        shutil.rmtree(project / "cache", ignore_errors=True)

    def do_agreement(self, project: Path, name: str, seed: int) -> None:
        """Train on a recording without truth and measure, where that was not done before.

        Raises:
            SystemExit: the training failed.
        """
        config = self._config(name, seed, _AGREEMENT)
        key = _agreement_key(project, name, seed)

        def make() -> Figures:
            run = _run_in(self.out / RUNS_FOLDER, key, config, project, project / LABELS_FILE)
            return rounded({**self._train(run), **_agreement(run)})

        self._parts.get(key, config_text(config), make)

    def _config(self, name: str, seed: int, *more: str) -> TrainConfig:
        """The preset with what the arm changes."""
        settings = (*self._settings, *more, *ARMS[name].settings, f"run.seed={seed}")
        return with_settings(preset("quick"), settings)

    def _made_from(self, name: str, seed: int) -> object:
        arm = ARMS[name]
        return [config_text(self._config(name, seed)), arm.num_fixes, arm.is_shuffled]

    def _fixes(self, pristine: Path, truth: Truth, seed: int, count: int) -> tuple[Fix, ...]:
        """Each seed fixes others; kept beside the cells, to be read."""
        fixes = fixes_of(pristine, truth, seed=seed, first=seed * NUM_FIXES, count=count)
        self._parts.get(f"fixes-{seed}-{count}", None, lambda: as_json(fixes))
        return fixes

    def _project(self, pristine: Path, name: str, seed: int, fixes: Sequence[Fix]) -> Path:
        """The cell's project: a fresh copy beside the original, with what the arm fixes.

        Beside it, since a project tells its pictures' places from its own.
        """
        project = pristine.with_name(f"{name}-{seed}.trilabel")
        if not project.is_dir():
            scratch = pristine.with_name("copying.trilabel")
            shutil.rmtree(scratch, ignore_errors=True)
            shutil.copytree(pristine, scratch, ignore=shutil.ignore_patterns("cache", ".writer*"))
            arm = ARMS[name]
            shuffled_by = seed if arm.is_shuffled else None
            apply_fixes(scratch, fixes[: arm.num_fixes], shuffled_by=shuffled_by)
            scratch.rename(project)
        return project

    def _train(self, run: RunFolder) -> Figures:
        """Train to the end, as a process of its own; wall and processor time in minutes.

        It neither waits for this machine's other trainings nor lets them wait: a queue of its own.

        Raises:
            SystemExit: the training failed; it goes on when the command is repeated.
        """
        usage = run.path / "usage.json"
        record = run.exit_record()
        if record is None or record.status != "done":
            resume = ["--resume"] if run.events_end() else []
            used_s, code = _spent(
                [sys.executable, "-m", "trainer", str(run.path), *resume], self.out / "state"
            )
            before_s = json.loads(usage.read_text()) if usage.is_file() else 0.0
            usage.write_text(json.dumps(before_s + used_s))
            if code:
                sys.exit(f"{run.path}: {RunFolder.open(run.path).exit_record()}")
        return {"minutes": _wall_s(run) / 60, "cpu_minutes": json.loads(usage.read_text()) / 60}


def _agreement_key(project: Path, name: str, seed: int) -> str:
    return f"agreement-{project.stem}-{name}-{seed}"


def _run_in(runs: Path, name: str, config: TrainConfig, project: Path, labels: Path) -> RunFolder:
    """The run of this name; made where it is not there."""
    if (runs / name).is_dir():
        return RunFolder.open(runs / name)
    return RunFolder.create(
        runs, config, project_dir=project, labels_db=labels, name=name, stamp=False
    )


def _spent(words: Sequence[str], state: Path) -> tuple[float, int]:
    """Seconds of the processor that a program took, and its exit code."""
    process = subprocess.Popen(words, env={**os.environ, "TRILABEL_STATE": str(state)})
    try:
        _, status, used = os.wait4(process.pid, 0)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    process.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime, process.returncode


def _wall_s(run: RunFolder) -> float:
    """Over all lives of the run, from each start to the last word before the next."""
    total, began, last = 0.0, math.nan, math.nan
    for event in run.events()[0]:
        if isinstance(event, RunStarted):
            total += 0.0 if math.isnan(began) else last - began
            began = event.time
        last = event.time
    return total + last - began


def measured(run: RunFolder, truth: Truth, fixes: Sequence[Fix]) -> Figures:
    """Errors of a finished run: held-out people, and joints at and about the fixes."""
    learners = [p for p in truth.persons.tolist() if p not in TEST_SUBJECTS]
    places = {
        "fixed": tuple(fix.place for fix in fixes),
        "near": nearby(fixes, len(truth.frames)),
        "beside": beside(fixes, learners, len(truth.joints)),
    }
    assert run.project_dir is not None
    with Project.open(run.project_dir, read_only=True) as project:
        scale_mm = project.settings.scale_mm
    with _data(run) as data:
        held_out = _held_out(run, data, truth, scale_mm)
        about = _distances(run, data, truth, [one for some in places.values() for one in some])
    return {
        **held_out,
        **{
            name: float(np.median([about[place] for place in some]))
            for name, some in places.items()
        },
        "counts": {name: len(some) for name, some in places.items()},
    }


def _held_out(run: RunFolder, data: PoseData, truth: Truth, scale_mm: float | None) -> Figures:
    """The test people in every frame."""
    groups = GroupList([(0, p, f) for f in truth.frames.tolist() for p in TEST_SUBJECTS])
    truth_mm = _truth_mm(truth, groups)
    poses = poses_of(run, data, groups, truth_mm, None)
    report = score(poses, data, groups, truth_mm, scale_mm or poses.scale_mm).headline()
    return {
        "mv": report["common_mpjpe"],
        "mv_own": report["mv_mpjpe"],
        "sv": report.get("sv_mpjpe"),
        "pck": report["common_pck"],
        "coverage": report["common_coverage"],
        "noise_scale_mm": poses.scale_mm,
    }


def _distances(
    run: RunFolder, data: PoseData, truth: Truth, places: Sequence[Place]
) -> dict[Place, float]:
    """How far the run's own triangulation is from the truth, mm; infinite where there is none."""
    groups = GroupList(sorted({(0, place.person, place.frame) for place in places}))
    truth_mm = _truth_mm(truth, groups)
    found = poses_of(run, data, groups, truth_mm, None).points_mm
    gaps = np.nan_to_num(np.linalg.norm(found - truth_mm, axis=-1), nan=np.inf)
    rows = {(person, frame): row for row, (_, person, frame) in enumerate(groups.rows.tolist())}
    return {place: float(gaps[rows[place.person, place.frame], place.joint]) for place in places}


def _agreement(run: RunFolder) -> Figures:
    """The held-out groups against their labels, which are triangulated detections."""
    with _data(run) as data:
        groups = data.held_out
        labels_mm = label_points_mm(data, groups)
        poses = poses_of(run, data, groups, labels_mm, None)
        assert run.project_dir is not None
        with Project.open(run.project_dir, read_only=True) as project:
            scale_mm = project.settings.scale_mm or poses.scale_mm
        report = score(poses, data, groups, labels_mm, scale_mm).headline()
    return {
        "mv": report["common_mpjpe"],
        "sv": report.get("sv_mpjpe"),
        "coverage": report["common_coverage"],
        "counts": {"held_out": len(groups)},
    }


def _truth_mm(truth: Truth, groups: GroupList) -> NDArray[np.float64]:
    """(S, J, 3) world."""
    return truth.points_mm[groups.rows[:, 2], np.searchsorted(truth.persons, groups.rows[:, 1])]


def _data(run: RunFolder) -> PoseData:
    """What the run learned from."""
    return open_data(
        run.config.data,
        project_dir=run.project_dir,
        labels_db=run.labels_db,
        seed=run.config.run.seed,
    )
