"""Seconds a step of fine-tuning, and what they go to; crops a second that are predicted.

    python -m benchmarks.training PROJECT.trilabel [--set model.detector=fastpose] [--steps 10]

The network alone is its forward and backward pass on the very tensors of the step, without a loss
of ours; "on top" is what a real step takes beyond it, the wait for data included. Medians over
steps; on CUDA with the device's work waited for. Predicting counts everything but the writing of
files: pictures are decoded and cut anew.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from core.learning.data import open_data
from core.learning.unlabelled import TriangulationLoss
from core.project.runs.config import TrainConfig
from core.project.runs.config_io import with_settings
from core.project.runs.folder import RunFolder
from trainer.checkpoint import Checkpoints
from trainer.context import Context
from trainer.device import chosen_device, torch_settings
from trainer.distributed import Ranks
from trainer.loop import stepwise_batches, take_step
from trainer.networks import new_networks
from trainer.prediction_geometry import PredictionSettings
from trainer.prediction_plan import every_moment, groups_at
from trainer.predictor import predict_groups
from trainer.seeing import see
from trainer.stages import loading, prefill
from trainer.stages.finetune import Finetuning, measured_scale

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.learning.batches import Batch
    from core.learning.data import Group
    from trainer.networks import Networks

# On a processor that others use as well, seconds of the processor tell more than the clock's.
CLOCK = time.process_time if "--cpu-time" in sys.argv else time.perf_counter
PREDICTED_FRAMES = 20
SETTINGS = ("model.weights=none", "loss.scale_mm=30", "run.feedback=false")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--cpu-time", action="store_true", help="seconds of the processor")
    given = parser.parse_args()
    config = with_settings(TrainConfig(), [*SETTINGS, *given.set])
    with tempfile.TemporaryDirectory() as scratch, torch_settings(config.run):
        folder = RunFolder.create(Path(scratch), config, project_dir=given.project)
        with open_data(config.data, project_dir=given.project) as data:
            context = Context(
                folder=folder,
                config=config,
                data=data,
                device=chosen_device(config.run),
                ranks=Ranks(),
                checkpoints=Checkpoints(folder.checkpoints_dir),
                emit=lambda _event: None,
                asked_to_leave=lambda: None,
                micro_batch=config.run.micro_batch,
            )
            measure(context, given.steps)


def measure(context: Context, steps: int) -> None:
    """Take real steps of fine-tuning, and time their parts on the same tensors."""
    networks = new_networks(context)
    with loading(context, networks) as loader:
        data, device = context.data, context.device
        prefill(context, loader, data.labelled + data.unlabelled)
        networks.scale_mm = measured_scale(context, networks, loader)
        loss = TriangulationLoss(
            context.config.loss, scale_mm=networks.scale_mm, device=device.device
        )
        lesson = Finetuning(context, networks, loader, loss, None)
        lesson.steps = steps + 2
        times: dict[str, list[float]] = {"data": [], "step": [], "network": [], "loss": []}
        crops = 0
        with closing(stepwise_batches(lesson, 0)) as batches:
            for step in range(lesson.steps):
                began = CLOCK()
                given = next(batches)
                times["data"].append(CLOCK() - began)
                work = partial(take_step, lesson, context, step, given)
                times["step"].append(timed(context, work))
                times["network"].append(sum(bare_network(context, lesson, b) for b in given))
                times["loss"].append(loss_alone(context, lesson, loss, given[0]))
                crops = sum(int(batch.in_view.sum()) for batch in given)
        say(context, {name: statistics.median(found[2:]) for name, found in times.items()}, crops)
    say_prediction(context, networks)


def timed(context: Context, work: Callable[[], object]) -> float:
    """Seconds until the work is done, on the device too."""
    cuda = context.device.device.type == "cuda"
    if cuda:
        torch.cuda.synchronize()
    began = CLOCK()
    work()
    if cuda:
        torch.cuda.synchronize()
    return CLOCK() - began


def bare_network(context: Context, lesson: Finetuning, batch: Batch) -> float:
    """Forward and backward of the detector alone on a batch's crops, and nothing else."""
    device = context.device
    shown = batch.in_view.flatten()
    images = device.pictures(batch.images.flatten(0, 1)[shown])
    detector = lesson.networks.detector
    at_once = (context.micro_batch or len(batch)) * batch.in_view.shape[1]

    def work() -> None:
        for part in images.split(at_once):
            with device.autocast():
                heatmaps, _ = detector.network(detector.normalise(part))
            heatmaps.sum().backward()

    return timed(context, work)


def loss_alone(
    context: Context, lesson: Finetuning, loss: TriangulationLoss, batch: Batch
) -> float:
    """Triangulation, reprojection, L_tri and its gradient in the points, of the first batch."""
    seen = see(lesson.module, batch, context.device)
    points = seen.points_raw.detach().requires_grad_()

    def work() -> None:
        targets = loss.targets(points, None, seen.batch)
        loss.term(points, targets).total.backward()

    return timed(context, work)


def say_prediction(context: Context, networks: Networks) -> None:
    """Predict some whole frames, and print at what rate."""
    scale_mm = networks.scale_mm
    assert scale_mm is not None
    how = PredictionSettings.of(context.config, scale_mm)
    moments = every_moment(context.data, context.config.predict)[: PREDICTED_FRAMES + 1]
    warm, groups = groups_at(context.data, moments[:1]), groups_at(context.data, moments[1:])
    batch = context.config.predict.batch

    def work(some: list[Group]) -> None:
        predict_groups(networks, context.data, some, context.device, lambda _seen: how, batch=batch)

    work(warm)
    seconds = timed(context, partial(work, groups))
    boxes = [context.data.boxes_px(group) for group in groups]
    crops = sum(int(np.isfinite(one).all(axis=-1).sum()) for one in boxes)
    print(f"predicting: {crops / seconds:.0f} crops a second ({crops} crops, {seconds:.1f} s)")


def say(context: Context, seconds: dict[str, float], crops: int) -> None:
    """Print the split."""
    network, step, data = seconds["network"], seconds["step"], seconds["data"]
    rest = step - network - seconds["loss"]
    print(f"{context.device.name}; {crops} crops a step")
    for name, value in (
        ("waiting for data", data),
        ("network alone, forward and backward", network),
        ("triangulation loss, forward and backward", seconds["loss"]),
        ("rest (decoding, L_sup, optimiser)", rest),
        ("whole step", step + data),
    ):
        print(f"{name:<44}{1e3 * value:>10.1f} ms{100 * value / network:>8.1f} % of the network")
    on_top = 100 * ((step + data) / network - 1)
    print(f"{crops / (step + data):.0f} crops a second; {on_top:.1f} % on top of the network")
    if context.device.device.type == "cuda":
        print(f"peak memory {torch.cuda.max_memory_allocated() / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
