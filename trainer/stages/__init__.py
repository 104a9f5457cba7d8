"""The stages of a run in their order: pretrain → finetune → lift → predict.

Each may be skipped, and each goes on from the newest checkpoint. What a stage leaves behind is in
the run's folder: checkpoints, and ``detector.pt`` or ``lifter.pt`` for whoever comes next.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import DataError
from core.learning.batches import GroupLoader, sampled
from core.project.runs.config import STAGES, Stage
from core.project.runs.events import StageFinished, StageStarted
from trainer.checkpoint import ORDER, Place
from trainer.loop import seeded, train
from trainer.networks import export, new_networks, restored_lifter, restored_networks

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from core.learning.data import GroupList
    from trainer.context import Context
    from trainer.networks import Networks

_DETECTOR_STAGES = ("start", "pretrain", "finetune")


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest checkpoint: how far the run has come.

    Attributes:
        place: stage and step.
        finished: whether that stage is done.
        state: of the stage.
    """

    place: Place
    finished: bool
    state: Mapping[str, Any]

    def first_step(self, stage: str, steps: int) -> int | None:
        """The step at which a stage goes on; None where it is done."""
        number = ORDER.index(stage)
        if number != self.place.stage_number:
            return 0 if number > self.place.stage_number else None
        done = self.finished and self.place.step >= steps
        return None if done else min(self.place.step, steps)


def run_stages(context: Context, *, resume: bool) -> None:
    """Do what the configuration asks for, from the beginning or from the newest checkpoint.

    Raises:
        LeftEarlyError: somebody asked to leave.
        TrainingFailedError: the training cannot go on.
        DataError: something that the stages need is missing or wrong.
    """
    networks, newest = _begin(context, resume=resume)
    for stage in STAGES:
        if stage not in context.config.run.stages:
            continue
        steps = num_steps(context, stage)
        first = newest.first_step(stage, steps)
        if first is None:
            continue
        context.leave_if_asked()
        context.emit(StageStarted(stage=stage, steps=steps, first_step=first))
        state = newest.state if newest.place.stage == stage and first else None
        _DO[stage](context, networks, first, state)
        context.emit(StageFinished(stage=stage))


def num_steps(context: Context, stage: Stage) -> int:
    """Steps of a stage; predict counts none."""
    return 0 if stage == "predict" else getattr(context.config, stage).steps


def _begin(context: Context, *, resume: bool) -> tuple[Networks, Newest]:
    """The networks as they were left, or as the configuration wants them to begin."""

    def said(text: str) -> None:
        context.notice("warning", "checkpoint", text)

    found = context.checkpoints.newest(said) if resume else None
    if found is None:
        networks = new_networks(context)
        start = Place.of("start", 0)
        if context.ranks.is_first:
            context.checkpoints.save(start, networks.detector_state(), finished=True)
        return networks, Newest(start, True, {})
    newest = Newest(*found)
    of_detector = found
    if newest.place.stage not in _DETECTOR_STAGES:
        of_detector = context.checkpoints.newest(said, stages=_DETECTOR_STAGES)
    if of_detector is None:
        raise DataError(
            context.checkpoints.folder,
            expected="a checkpoint with the detector",
            found="none that can be read",
            remedy="Begin a new run; its model.weights may be a file of this one.",
        )
    place, finished, state = of_detector
    of_place = Newest(place, finished, state)
    finished = of_place.first_step(place.stage, _steps_of(context, place)) is None
    networks = restored_networks(context, state, finished=finished)
    if newest.place.stage == "lift":
        networks.lifter = restored_lifter(context, newest.state)
    return networks, newest


def _steps_of(context: Context, place: Place) -> int:
    return next((num_steps(context, stage) for stage in STAGES if stage == place.stage), 0)


def _pretrain(
    context: Context, networks: Networks, first: int, state: Mapping[str, Any] | None
) -> None:
    from core.learning.unlabelled import TriangulationLoss
    from trainer.stages.pretrain import Pretraining

    options = context.config.pretrain
    need_labels(context)
    loss = None
    if networks.confidence is not None:
        loss = TriangulationLoss(context.config.loss, device=context.device.device)
    with loading(context, networks) as loader:
        used = used_groups(context, context.data.labelled, options.groups, options.steps, 1)
        prefill(context, loader, used)
        lesson = Pretraining(context, networks, loader, options, loss)
        if state is not None:
            lesson.restore(state)
        train(lesson, context, first)
    export(context, networks, "pretrain", options.steps)


@contextmanager
def loading(
    context: Context, networks: Networks, *, lift_size: int | None = None
) -> Generator[GroupLoader]:
    """The loader of a stage; what went wrong without stopping is said at its end."""
    options = context.config.data
    with GroupLoader(
        context.data,
        input_hw=networks.detector.spec.input_hw,
        augment=context.config.augment,
        lift_size=lift_size,
        cache_dir=context.cache_dir,
        cache_gb=options.cache_gb,
        workers=options.workers,
    ) as loader:
        try:
            yield loader
        finally:
            for problem in loader.problems[:20]:
                context.notice("warning", "pictures", problem)


def need_labels(context: Context) -> None:
    """Refuse to learn from labels where there are none.

    Raises:
        DataError: there is no labelled group.
    """
    if not len(context.data.labelled):
        raise DataError(
            context.data.name,
            "labelled groups",
            expected="at least one person at one frame with labels",
            found="none",
            remedy="Label some frames, or leave this stage out of run.stages.",
        )


def used_groups(
    context: Context, groups: GroupList, per_step: int, steps: int, kind: int
) -> GroupList:
    """Those groups that a stage will ever ask for."""
    if steps * per_step >= len(groups):
        return groups
    seed = seeded(context.config.run.seed, kind)
    drawn = [sampled(len(groups), per_step, step, seed) for step in range(steps)]
    return groups.take(np.unique(np.concatenate(drawn))) if drawn else groups.take([])


def prefill(context: Context, loader: GroupLoader, groups: GroupList) -> None:
    """Cut this rank's share of crops into the cache, each picture read once for all its people.

    Raises:
        LeftEarlyError: somebody asked to leave.
    """
    if not context.config.data.cache_gb:
        return

    def go_on(done: int, total: int) -> bool:
        return context.asked_to_leave() is None

    loader.prefill(groups[context.ranks.mine], go_on)
    context.leave_if_asked()


_DO = {"pretrain": _pretrain}
