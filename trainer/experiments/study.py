"""Rows trained side by side from one pre-trained detector for each seed, then measured.

Everything is a run folder under OUT/runs whose name tells its seed, its row and a fingerprint of
its whole configuration: a finished run is never done again, a stopped one goes on, and another
configuration is another run. Training comes first for all rows, measuring after it, so that what
is missing for measuring alone (a match's truth.h5) costs no training.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from core.errors import CommandRefusedError
from core.project.runs.config_io import config_hash, preset, with_settings
from core.project.runs.events import Evaluated, Notice, WeightsMeasured
from core.project.runs.events import Progress as Step
from core.project.runs.folder import RunFolder
from trainer.experiments.parts import fingerprint

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from core.project.runs.config import TrainConfig
    from trainer.experiments.progress import Progress
    from trainer.experiments.request import Request
    from trainer.experiments.rows import Row

_PRESETS = {"cpu": "cpu", "gpu": "paper"}
_LOOK_EVERY_S = 1.0
_LIFT_STEP_COST = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What the rows learn from.

    Attributes:
        project_dir: a project; None where `data.source` names a data set.
        labels_db: its labels.
        settings: of the training, for all rows; before the user's own.
    """

    project_dir: Path | None
    labels_db: Path | None
    settings: tuple[str, ...] = ()


class Study:
    """The runs of an experiment.

    Args:
        request: what was asked for.
        source: what is learned from.
        own_sections: sections of ``--set`` that are the experiment's own.
        progress: is told about every step.
    """

    def __init__(
        self, request: Request, source: Source, own_sections: Sequence[str], progress: Progress
    ) -> None:
        self.request, self.source, self.progress = request, source, progress
        self._user = request.training_settings(*own_sections)
        self._runs = request.out / "runs"
        # Wrong settings are refused before anything is rendered or trained.
        self.base = self._config(())

    def _config(self, settings: Sequence[str], after: Sequence[str] = ()) -> TrainConfig:
        """Preset, then the experiment's and the user's settings, then what makes a row a row."""
        config = preset(_PRESETS[self.request.preset])
        return with_settings(config, [*self.source.settings, *self._user, *settings, *after])

    def cost(self, rows: Sequence[Row]) -> float:
        """Of all rows of one seed, in groups that pass the detector in training."""
        shared = _costs(self.base)
        each = shared["finetune"] + shared["lift"]
        own = sum(row.own_start for row in rows)
        return shared["pretrain"] * (1 + own) + len(rows) * each

    def pretrained(self, seed: int, settings: Sequence[str] = ()) -> RunFolder:
        """The detector of this seed that every row starts from, on the labelled groups alone."""
        config = self._config(settings, (f"run.seed={seed}", "run.stages=pretrain"))
        return self._trained(f"seed{seed}-pretrained", config)

    def row(self, seed: int, row: Row, start: RunFolder, settings: Sequence[str] = ()) -> RunFolder:
        """A row fine-tuned from `start`, and its lifter."""
        settings = (*settings, *row.settings)
        if row.own_start:
            after = (f"run.seed={seed}", "run.stages=pretrain,finetune,lift")
            return self._trained(f"seed{seed}-{row.key}", self._config(settings, after))
        weights = f"model.weights={start.path / 'detector.pt'}"
        after = (f"run.seed={seed}", "run.stages=finetune,lift", weights)
        return self._trained(f"seed{seed}-{row.key}", self._config(settings, after), start)

    def _trained(self, name: str, config: TrainConfig, start: RunFolder | None = None) -> RunFolder:
        """The run of this name and configuration, taken to its end."""
        told = _portable(config, start)
        costs = {
            stage: cost for stage, cost in _costs(config).items() if stage in config.run.stages
        }
        path = self._runs / f"{name}-{fingerprint([told, self._labels_place()])[:8]}"
        if path.is_dir():
            run = RunFolder.open(path)
            record = run.exit_record()
            if record is not None and record.status == "done":
                self.progress.skip(sum(costs.values()))
                return run
        else:
            run = RunFolder.create(
                self._runs,
                config,
                project_dir=self.source.project_dir,
                labels_db=self.source.labels_db,
                name=path.name,
                stamp=False,
            )
        with _Follower(run, self.progress, name, costs):
            self._execute(run)
        return run

    def _labels_place(self) -> str:
        """Where the labels lie as seen from the runs, so that both may be moved together."""
        labels = self.source.labels_db
        return "" if labels is None else os.path.relpath(labels, self._runs)

    @staticmethod
    def _execute(run: RunFolder) -> None:
        """Train, or go on.

        Raises:
            CommandRefusedError: the training failed.
            KeyboardInterrupt: it was stopped.
        """
        from trainer.process import execute

        events, _ = run.events()
        finished = execute(run.path, resume=bool(events))
        if finished.status in ("stopped", "cancelled"):
            raise KeyboardInterrupt
        if finished.status != "done":
            raise CommandRefusedError(
                f"The run {run.path} is {finished.status}: {finished.text} "
                "The same command goes on from here."
            )


def _portable(config: TrainConfig, start: RunFolder | None) -> str:
    """What a configuration says, wherever the experiment's folder lies."""
    name = "" if start is None else start.id
    weights = config.model.weights if start is None else name
    return config_hash(replace(config, model=replace(config.model, weights=weights)))


def _costs(config: TrainConfig) -> dict[str, float]:
    """Of each stage, in groups that pass the detector in training."""
    fine = config.finetune
    groups = fine.labelled_groups + fine.unlabelled_groups * (1.4 if config.loss.teacher else 1.0)
    return {
        "pretrain": float(config.pretrain.steps * config.pretrain.groups),
        "finetune": fine.steps * groups,
        "lift": _LIFT_STEP_COST * config.lift.steps,
    }


class _Follower:
    """Tells the progress of a run while it trains in this process."""

    def __init__(
        self, run: RunFolder, progress: Progress, name: str, costs: dict[str, float]
    ) -> None:
        self._run, self._progress, self._name, self._costs = run, progress, name, costs
        self._ended = threading.Event()
        self._offset = run.events()[1]
        self._told = 0.0
        self._shares: dict[str, float] = {}
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._progress.tell(self._name, sum(self._costs.values()) - self._told)

    def _follow(self) -> None:
        while not self._ended.wait(_LOOK_EVERY_S):
            events, self._offset = self._run.events(self._offset)
            for event in events:
                if isinstance(event, Step):
                    self._shares[event.stage] = event.step / max(1, event.steps)
            done = sum(self._costs.get(stage, 0.0) * s for stage, s in self._shares.items())
            stage = next(reversed(self._shares), "start")
            self._progress.tell(f"{self._name}: {stage}", max(0.0, done - self._told))
            self._told = max(self._told, done)


def told_by(run: RunFolder) -> dict[str, Any]:
    """What a run's events say of its making, for reports: weights, notices, shares kept."""
    events, _ = run.events()
    notices = [e.text for e in events if isinstance(e, Notice)]
    kept = [e.kept_share for e in events if isinstance(e, WeightsMeasured)]
    curve = [
        {"stage": e.stage, "step": e.step, **e.metrics} for e in events if isinstance(e, Evaluated)
    ]
    losses = [{"stage": e.stage, "step": e.step, **e.losses} for e in events if isinstance(e, Step)]
    return {
        "notices": sorted(set(notices), key=notices.index),
        "kept_share": kept,
        "held_out": curve,
        "losses": losses,
    }
