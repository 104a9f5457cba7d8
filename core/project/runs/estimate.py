"""How long a run will take: from a short measured warm-up, and from what a configuration asks for.

A warm-up (`trainer.warmup`) measures steps and crops on the real data; the rest is arithmetic over
the counts of the configuration, so another number of steps needs no new warm-up. It is kept in the
project's cache, by machine and by all of the configuration that its figures depend on.
"""

from __future__ import annotations

import hashlib
import json
import math
import platform
import sys
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from core.errors import DataError
from core.files import write_text_atomically
from core.formats.fields import read_json
from core.project.runs.config import STAGES, RunOptions
from core.project.runs.config_io import config_hash
from core.project.runs.launching import num_cores

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from core.project.runs.config import Stage, TrainConfig

WARMUP_SCHEMA = 2
# Groups that are looked at after some steps, at the end of a stage, and for the noise scale.
INTERIM_GROUPS, FINAL_GROUPS, SCALE_GROUPS = 200, 2000, 200
FEEDBACK_SHARE = 0.12  # of a detector stage's time, at most, goes into predictions to look at
_SMALL = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How much there is to do it on.

    Attributes:
        labelled: groups.
        unlabelled: groups.
        held_out: groups.
        predicted: groups that the last stage predicts.
        uncut: 0…1, the share of groups whose crops are not in the project's cache yet.
    """

    labelled: int
    unlabelled: int
    held_out: int
    predicted: int
    uncut: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUp:
    """What a warm-up measured; NaN where it measured nothing.

    Attributes:
        device: as torch names it.
        device_name: to show.
        memory_bytes: of the device.
        start_s: from the start of the process to the first stage.
        seconds_per_step: by stage.
        seconds_per_cut: to cut the crops of a group, in all its views.
        seconds_per_look: to pass a group (in all its views) through the detector and triangulate.
        seconds_per_prediction: the same with reading its pictures, lifting, and writing it down.
        input_hw: height and width of the detector's crops.
        counts: of the data.
        took_s: the whole warm-up.
    """

    device: str
    device_name: str
    memory_bytes: int
    start_s: float
    seconds_per_step: dict[str, float]
    seconds_per_cut: float
    seconds_per_look: float
    seconds_per_prediction: float
    input_hw: tuple[int, int]
    counts: Counts
    took_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """How long a run will take.

    Attributes:
        seconds_by_stage: of those that the run does, in their order.
        total_s: with its start; NaN where a stage could not be measured.
        device: as torch names it.
        device_name: to show.
        memory_bytes: of the device.
        basis: what it is made from, in words.
    """

    seconds_by_stage: dict[Stage, float]
    total_s: float
    device: str
    device_name: str
    memory_bytes: int
    basis: str


def estimate_from(warmup: WarmUp, config: TrainConfig, counts: Counts | None = None) -> Estimate:
    """How long a run of this configuration will take.

    Args:
        warmup: measured with a configuration of the same `warmup_key`.
        config: what is asked for; its steps count, not those of the warm-up.
        counts: how much data there is now; None = as when it was measured.
    """
    there = counts or warmup.counts
    seconds: dict[Stage, float] = {}
    cut = 0
    for stage in STAGES:
        if stage not in config.run.stages:
            continue
        uses = _groups_used(config, there, stage)
        seconds[stage] = _stage_seconds(warmup, config, there, stage)
        seconds[stage] += max(0, uses - cut) * there.uncut * warmup.seconds_per_cut
        cut = max(cut, uses)
    return Estimate(
        seconds_by_stage=seconds,
        total_s=warmup.start_s + sum(seconds.values()),
        device=warmup.device,
        device_name=warmup.device_name,
        memory_bytes=warmup.memory_bytes,
        basis=f"{warmup.took_s:.0f} s of warm-up on {warmup.device_name}, with "
        f"{there.labelled:,} labelled and {there.unlabelled:,} unlabelled poses",
    )


def _stage_seconds(warmup: WarmUp, config: TrainConfig, there: Counts, stage: Stage) -> float:
    """Of a stage, without cutting crops."""
    if stage == "predict":
        return there.predicted * warmup.seconds_per_prediction
    steps: int = getattr(config, stage).steps
    every = config.run.evaluate_every
    interim = max(0, (steps - 1) // every) if every and steps else 0
    if every and steps and stage != "lift" and stage == config.run.stages[0]:
        # What it begins with is looked at, too, unless that knows nothing (`trainer.loop`).
        interim += config.model.weights not in ("", "none")
    looks = min(there.held_out, FINAL_GROUPS) + interim * min(there.held_out, INTERIM_GROUPS)
    if stage == "finetune" and not config.loss.scale_mm:
        looks += min(there.unlabelled or there.labelled, SCALE_GROUPS)
    if stage == "lift":
        looks += _groups_used(config, there, stage) - there.held_out
    work = looks * warmup.seconds_per_look if looks else 0.0
    work += steps * warmup.seconds_per_step.get(stage, math.nan) if steps else 0.0
    if stage != "lift" and config.run.feedback and interim:
        work /= 1.0 - FEEDBACK_SHARE
    return work


def _groups_used(config: TrainConfig, there: Counts, stage: Stage) -> int:
    """Groups whose crops a stage needs, those that are held out with them."""
    if stage == "predict":
        return 0
    if stage == "pretrain":
        used = min(there.labelled, config.pretrain.steps * config.pretrain.groups)
    elif stage == "finetune":
        options = config.finetune
        used = min(there.labelled, options.steps * options.labelled_groups)
        used += min(there.unlabelled, options.steps * options.unlabelled_groups)
    else:
        used = there.labelled + min(
            there.unlabelled, config.lift.max_unlabelled or there.unlabelled
        )
    return used + there.held_out


def warmup_key(config: TrainConfig) -> str:
    """Names all of a configuration that a warm-up's figures depend on: steps and seeds do not."""
    plain = RunOptions()
    run = replace(
        config.run,
        seed=0,
        checkpoint_every=plain.checkpoint_every,
        report_every=plain.report_every,
        evaluate_every=plain.evaluate_every,
        feedback=True,
        stages=STAGES,
    )
    same = replace(
        config,
        run=run,
        pretrain=replace(config.pretrain, steps=1),
        finetune=replace(config.finetune, steps=1),
        lift=replace(config.lift, steps=1),
    )
    return config_hash(same)


def warmup_path(cache_dir: Path, config: TrainConfig) -> Path:
    """Where the warm-up of a configuration on this machine is kept, under a project's cache."""
    machine = "|".join((platform.node(), platform.machine(), str(num_cores())))
    name = hashlib.blake2b(f"{machine}|{warmup_key(config)}".encode(), digest_size=8).hexdigest()
    return cache_dir / "warm-ups" / f"{name}.json"


def warmup_command(project_dir: Path, config_file: Path, out: Path) -> list[str]:
    """The command that measures; it prints lines of JSON ``{"done": 0…1, "text": …}``."""
    words = [str(project_dir), "--config", str(config_file), "--out", str(out)]
    return [sys.executable, "-m", "trainer.warmup", *words]


def write_warmup(path: Path, warmup: WarmUp) -> None:
    """Keep a warm-up; its folder is made.

    Raises:
        OSError: the folder cannot be written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {"schema": WARMUP_SCHEMA, **_plain(asdict(warmup))}
    write_text_atomically(path, json.dumps(told, indent=1) + "\n")


def read_warmup(path: Path) -> WarmUp | None:
    """A warm-up that was kept; None where there is none that this trilabel can use."""
    try:
        node = read_json(path, _SMALL)
        if node["schema"].integer(0, 1 << 31) != WARMUP_SCHEMA:
            return None
        counts = node["counts"]

        def number(name: str) -> float:
            return math.nan if node[name].value is None else node[name].number()

        return WarmUp(
            device=node["device"].text(),
            device_name=node["device_name"].text(),
            memory_bytes=node["memory_bytes"].integer(0, 1 << 60),
            start_s=node["start_s"].number(),
            seconds_per_step={
                stage: math.nan if seconds.value is None else seconds.number()
                for stage, seconds in node["seconds_per_step"].items()
            },
            seconds_per_cut=number("seconds_per_cut"),
            seconds_per_look=number("seconds_per_look"),
            seconds_per_prediction=number("seconds_per_prediction"),
            input_hw=node["input_hw"].size_px(),
            counts=Counts(
                **{name: counts[name].integer(0, 1 << 40) for name in _WHOLE},
                uncut=counts["uncut"].number(),
            ),
            took_s=node["took_s"].number(),
        )
    except DataError:
        return None


_WHOLE = ("labelled", "unlabelled", "held_out", "predicted")


def _plain(told: Mapping[str, Any]) -> dict[str, Any]:
    """Without what JSON cannot say."""
    return {name: _plain_value(value) for name, value in told.items()}


def _plain_value(value: Any) -> Any:  # noqa: ANN401 - of any entry
    if isinstance(value, dict):
        return _plain(cast("dict[str, Any]", value))
    return None if isinstance(value, float) and not math.isfinite(value) else value
