"""``python -m trainer.warmup PROJECT --config FILE --out JSON``: measure how fast a run would go.

A few steps of each stage on a small part of the real data, with the run's own code, networks and
crops, in a folder of its own that is removed afterwards; nothing is left behind but the answer
(`core.project.runs.estimate.WarmUp`). Progress comes as lines of JSON on stdout: ``done`` from 0
to 1, and ``text``.

Trap: the first steps of a device are slow (kernels are chosen, memory is asked for), so they do
not count. What is measured holds for a machine as busy as it was then.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from core.errors import CommandRefusedError, DataError
from core.project.runs.estimate import Counts, WarmUp, write_warmup
from core.project.runs.events import Progress
from core.project.runs.turns import waiting_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.learning.data import GroupList, PoseData
    from core.project.runs.config import Stage, TrainConfig
    from core.project.runs.events import Event
    from trainer.context import Context
    from trainer.device import Device
    from trainer.networks import Networks

_BEGAN = time.monotonic()
# Seconds for all of the steps of a stage; the whole takes about 20 on two cores.
_BUDGET_S: dict[Stage, float] = {"pretrain": 4.0, "finetune": 4.0, "lift": 2.0}
_SLOW_STEPS, _MOST_STEPS = 2, 60
_NUM_LABELLED, _NUM_UNLABELLED, _NUM_HELD_OUT = 24, 24, 12
_LONG = 1 << 20


@dataclass(slots=True)
class _Clock:
    """Times of the steps of a stage, taken from its events; asks it to leave when it is time."""

    times: list[float] = field(default_factory=list)
    budget_s: float = math.inf

    def hear(self, event: Event) -> None:
        """One `Progress` comes after each step."""
        if isinstance(event, Progress):
            self.times.append(time.monotonic())

    def asked(self) -> Literal["stop", "cancel"] | None:
        """Leave after enough steps, or when the budget is spent and one step is known."""
        steps = len(self.times)
        if steps >= _MOST_STEPS:
            return "cancel"
        is_over = steps > _SLOW_STEPS and self.times[-1] - self.times[0] > self.budget_s
        return "cancel" if is_over else None

    def seconds_per_step(self) -> float:
        """The median, the first steps left out where there are others."""
        gaps = [later - one for one, later in zip(self.times, self.times[1:], strict=False)]
        kept = gaps[_SLOW_STEPS:] or gaps
        return statistics.median(kept) if kept else math.nan


def measure(project_dir: Path, config: TrainConfig, beside: Path) -> WarmUp:
    """Measure; see the module.

    Args:
        project_dir: the project.
        config: what a run would be asked for.
        beside: folder for what is needed meanwhile, which goes with it should this be killed.

    Raises:
        DataError: the project or the configuration is wrong, or there is nothing to learn from.
        CommandRefusedError: a run works on the GPU, whose memory and time are its own.
    """
    from core.learning.data import open_data
    from core.project.runs.folder import RunFolder
    from trainer.checkpoint import Checkpoints
    from trainer.context import Context
    from trainer.device import chosen_device, torch_settings
    from trainer.distributed import Ranks

    with ExitStack() as held:
        scratch = Path(held.enter_context(tempfile.TemporaryDirectory(dir=beside)))
        labels = project_dir / "labels.db"
        folder = RunFolder.create(scratch, _short(config), project_dir=project_dir, name="warm-up")
        held.enter_context(torch_settings(config.run))
        device = chosen_device(config.run)
        _refuse_beside_others(device)
        labels_db = labels if labels.is_file() else None
        whole = held.enter_context(
            open_data(
                config.data, project_dir=project_dir, labels_db=labels_db, seed=config.run.seed
            )
        )
        context = Context(
            folder=folder,
            config=folder.config,
            data=_part_of(whole),
            device=device,
            ranks=Ranks(),
            checkpoints=Checkpoints(folder.checkpoints_dir),
            emit=lambda _event: None,
            asked_to_leave=lambda: None,
            micro_batch=config.run.micro_batch,
        )
        _say(0.2, f"Measuring on {device.name}")
        return _measured(context, whole, config)


def _refuse_beside_others(device: Device) -> None:
    """Leave a GPU to the run at work on it: two at once could both run out of its memory."""
    line = waiting_line(str(device.device)) if device.device.type == "cuda" else ()
    if line:
        raise CommandRefusedError(
            f"The run {line[0].run.name} works on {device.device}: measure again when it is done."
        )


def _measured(context: Context, whole: PoseData, config: TrainConfig) -> WarmUp:
    from trainer.networks import new_networks

    networks = new_networks(context)
    started = time.monotonic() - _BEGAN
    cut, look = _cutting_and_looking(context, networks)
    seconds: dict[str, float] = {}
    stages: list[Stage] = [stage for stage in config.run.stages if stage in _BUDGET_S]
    for place, stage in enumerate(stages):
        _say(0.35 + 0.2 * place, f"Measuring the steps of {stage}")
        seconds[stage] = _steps_of(context, networks, stage)
    _say(0.9, "Measuring predictions")
    predicting = _predicting(context, networks) if "predict" in config.run.stages else math.nan
    _say(0.98, "Counting")
    counts = _counts(whole, config, networks, context.folder.project_dir)
    return WarmUp(
        device=str(context.device.device),
        device_name=context.device.name,
        memory_bytes=context.device.memory_bytes,
        start_s=started,
        seconds_per_step=seconds,
        seconds_per_cut=cut,
        seconds_per_look=look,
        seconds_per_prediction=predicting,
        input_hw=networks.detector.spec.input_hw,
        counts=counts,
        took_s=time.monotonic() - _BEGAN,
    )


def _short(config: TrainConfig) -> TrainConfig:
    """Every step said, nothing evaluated or kept in between, and more steps than there is time."""
    run = replace(
        config.run, report_every=1, evaluate_every=0, checkpoint_every=_LONG, feedback=False
    )
    return replace(config, run=run)


def _part_of(data: PoseData) -> PoseData:
    """Some people of each kind, those of a frame together, as their pictures are decoded once."""
    return replace(
        data,
        labelled=_some(data.labelled, _NUM_LABELLED),
        unlabelled=_some(data.unlabelled, _NUM_UNLABELLED),
        held_out=_some(data.held_out, _NUM_HELD_OUT),
    )


def _some(groups: GroupList, number: int) -> GroupList:
    """About so many groups, of whole frames."""
    import numpy as np

    rows = groups.rows
    if len(rows) <= number:
        return groups
    frames, members = np.unique(rows[:, [0, 2]], axis=0, return_inverse=True)
    members = members.reshape(-1)
    num_frames = max(1, round(number * len(frames) / len(rows)))
    chosen = np.linspace(0, len(frames) - 1, num_frames).round().astype(np.int64)
    return groups.take(np.flatnonzero(np.isin(members, chosen)))


def _cutting_and_looking(context: Context, networks: Networks) -> tuple[float, float]:
    """Seconds to cut a group's crops, and to look at a group whose crops are there."""
    from trainer.measuring import looked
    from trainer.stages import loading, prefill

    data = context.data
    groups = data.labelled + data.unlabelled + data.held_out
    if not len(groups):
        return math.nan, math.nan
    with loading(context, networks) as loader:
        began = time.monotonic()
        prefill(context, loader, groups)
        cut = (time.monotonic() - began) / len(groups)
        few = groups[:_NUM_HELD_OUT]
        for _ in looked(context, networks, loader, few[:2]):
            continue
        began = time.monotonic()
        for _ in looked(context, networks, loader, few):
            continue
        return cut, (time.monotonic() - began) / len(few)


def _steps_of(context: Context, networks: Networks, stage: Stage) -> float:
    """Seconds for a step; NaN where the stage cannot be done on this data."""
    from trainer.context import LeftEarlyError
    from trainer.stages import do_stage

    clock = _Clock(budget_s=_BUDGET_S[stage])
    here = replace(context, emit=clock.hear, asked_to_leave=clock.asked)
    with suppress(LeftEarlyError, DataError):
        do_stage(here, networks, stage)
    context.micro_batch = here.micro_batch
    return clock.seconds_per_step()


def _predicting(context: Context, networks: Networks) -> float:
    """Seconds to predict a group, with all that belongs to it."""
    from trainer.predicting import predict
    from trainer.prediction_plan import moments_of_groups

    data = context.data
    groups = data.held_out or data.labelled or data.unlabelled
    scale = networks.scale_mm or 10.0  # any will do: nobody looks at the answer
    moments = moments_of_groups(groups)
    if not len(moments):
        return math.nan
    with context.folder.lock():
        began = time.monotonic()
        done = predict(context, networks, stage="lift", step=0, moments=moments, scale_mm=scale)
        return (time.monotonic() - began) / max(1, done.num_rows)


def _counts(
    data: PoseData, config: TrainConfig, networks: Networks, project_dir: Path | None
) -> Counts:
    from core.learning.cutting import share_uncut
    from trainer.prediction_plan import every_moment, groups_at

    predicts = "predict" in config.run.stages
    moments = every_moment(data, config.predict) if predicts else None
    groups = data.labelled + data.unlabelled + data.held_out
    cache = None if project_dir is None else project_dir / "cache" / "crops"
    return Counts(
        labelled=len(data.labelled),
        unlabelled=len(data.unlabelled),
        held_out=len(data.held_out),
        predicted=0 if moments is None else len(groups_at(data, moments)),
        uncut=share_uncut(
            data, groups, networks.detector.spec.input_hw, cache, config.data.cache_gb
        ),
    )


def _say(done: float, text: str) -> None:
    sys.stdout.write(json.dumps({"done": round(done, 3), "text": text}) + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the answer; the exit code is 2 where it cannot be measured."""
    parser = argparse.ArgumentParser(prog="python -m trainer.warmup", description=__doc__)
    parser.add_argument("project", type=Path, help="a folder NAME.trilabel")
    parser.add_argument("--config", type=Path, required=True, help="the run's configuration, TOML")
    parser.add_argument("--out", type=Path, required=True, help="file for the answer, JSON")
    given = parser.parse_args(arguments)
    from core.project.runs.config_io import read_config

    try:
        _say(0.0, "Starting")
        config, beside = read_config(given.config), given.out.absolute().parent
        write_warmup(given.out, measure(given.project.absolute(), config, beside))
    except (DataError, CommandRefusedError) as error:
        sys.stderr.write(f"trainer.warmup: {error}\n")
        return 2
    _say(1.0, "Done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
