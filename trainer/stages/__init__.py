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
from core.learning.unlabelled import TriangulationLoss
from core.project.runs.config import STAGES, Stage
from core.project.runs.config_io import refuse_contradictions
from core.project.runs.events import StageFinished, StageStarted
from trainer.checkpoint import ORDER, Place
from trainer.loop import seeded, train
from trainer.networks import (
    export,
    new_lifter,
    new_networks,
    restored_lifter,
    restored_networks,
)
from trainer.stages.detector import LABELLED, UNLABELLED
from trainer.stages.finetune import Finetuning, frozen_targets, measured_scale, num_unlabelled
from trainer.stages.lift import Lifting, candidates, filled_bank, need_poses
from trainer.stages.predict import predict_all
from trainer.stages.pretrain import Pretraining

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
    refuse_contradictions(context.config)
    _warn_of_few_cameras(context)
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
        do_stage(context, networks, stage, first, state)
        context.emit(StageFinished(stage=stage))


def do_stage(
    context: Context,
    networks: Networks,
    stage: Stage,
    first: int = 0,
    state: Mapping[str, Any] | None = None,
) -> None:
    """Do one stage, from its first step or with the state of a checkpoint from a later one.

    Raises:
        LeftEarlyError, TrainingFailedError, DataError: as `run_stages`.
    """
    _DO[stage](context, networks, first, state)


def _warn_of_few_cameras(context: Context) -> None:
    """Say where the options ask for more views than there are: no joint would ever be kept."""
    cameras, loss = context.data.num_cameras, context.config.loss
    for name, views in (("min_views", loss.min_views), ("gate_views", loss.gate_views)):
        if views > cameras:
            text = (
                f"loss.{name} is {views}, but there are {cameras} cameras: no triangulated joint "
                "will ever count. Set it lower."
            )
            context.notice("warning", "few-cameras", text)


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
    options, labelled = context.config.pretrain, context.data.labelled
    need_labels(context)
    loss = None
    if networks.confidence is not None:
        # For the loss of the view weights, which needs no noise scale: any number will do.
        scale_mm = networks.scale_mm or 1.0
        loss = TriangulationLoss(
            context.config.loss, scale_mm=scale_mm, device=context.device.device
        )
    with loading(context, networks) as loader:
        prefill(
            context, loader, used_groups(context, labelled, LABELLED, options.groups, "pretrain")
        )
        lesson = Pretraining(context, networks, loader, options, loss)
        if state is not None:
            lesson.restore(state)
        train(lesson, context, first)
    export(context, networks, "pretrain", options.steps)


def _finetune(
    context: Context, networks: Networks, first: int, state: Mapping[str, Any] | None
) -> None:
    options, data = context.config.finetune, context.data
    with loading(context, networks) as loader:
        per_step = num_unlabelled(context)
        unlabelled = used_groups(context, data.unlabelled, UNLABELLED, per_step, "finetune")
        labelled = used_groups(
            context, data.labelled, LABELLED, options.labelled_groups, "finetune"
        )
        if not len(unlabelled):
            need_labels(context, options.labelled_groups)
        prefill(context, loader, labelled + unlabelled)
        if networks.scale_mm is None:
            networks.scale_mm = measured_scale(context, networks, loader)
        loss = TriangulationLoss(
            context.config.loss, scale_mm=networks.scale_mm, device=context.device.device
        )
        frozen = None
        if context.config.loss.gradient == "frozen" and len(unlabelled):
            frozen = frozen_targets(
                context, networks, loader, loss, unlabelled, fresh=state is None
            )
        lesson = Finetuning(context, networks, loader, loss, frozen)
        if state is not None:
            lesson.restore(state)
        train(lesson, context, first)
        networks.detector = lesson.evaluated_networks().detector
    export(context, networks, "finetune", options.steps)


def _lift(
    context: Context, networks: Networks, first: int, state: Mapping[str, Any] | None
) -> None:
    if state is None or networks.lifter is None:
        networks.lifter = new_lifter(context)
    with loading(context, networks, lift_size=networks.lifter.image_size or None) as loader:
        need_poses(context)
        prefill(context, loader, candidates(context))
        if networks.scale_mm is None:
            networks.scale_mm = measured_scale(context, networks, loader)
        bank = filled_bank(context, networks, loader, fresh=state is None)
        lesson = Lifting(context, networks, loader, bank)
        if state is not None:
            lesson.restore(state)
        train(lesson, context, first)
    export(context, networks, "lift", context.config.lift.steps)


def _predict(
    context: Context, networks: Networks, first: int, state: Mapping[str, Any] | None
) -> None:
    assert (first, state) == (0, None), "prediction has its own way to go on"
    predict_all(context, networks)


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


def need_labels(context: Context, per_step: int = 1) -> None:
    """Refuse to learn from labels where there are none, or none of them is asked for.

    Raises:
        DataError: there is no labelled group, or steps have none.
    """
    if not per_step:
        raise DataError(
            context.data.name,
            "unlabelled groups",
            expected="at least one, since finetune.labelled_groups is 0",
            found="none",
            remedy="Set finetune.labelled_groups, or leave finetune out of run.stages.",
        )
    if not len(context.data.labelled):
        raise DataError(
            context.data.name,
            "labelled groups",
            expected="at least one person at one frame with labels",
            found="none",
            remedy="Label some frames, or leave this stage out of run.stages.",
        )


def used_groups(
    context: Context, groups: GroupList, kind: int, per_step: int, stage: Stage
) -> GroupList:
    """Those groups that a stage will ever ask for."""
    steps = num_steps(context, stage)
    if steps * per_step >= len(groups):
        return groups
    seed = seeded(context.config.run.seed, kind)
    drawn = [sampled(len(groups), per_step, step, seed) for step in range(steps)]
    return groups.take(np.unique(np.concatenate(drawn))) if drawn else groups[:0]


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


_DO = {"pretrain": _pretrain, "finetune": _finetune, "lift": _lift, "predict": _predict}
