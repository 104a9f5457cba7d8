"""The training loop of every stage: a batch, a step, and what is said and kept in between.

A step is a pure function of its number, of the weights and of the optimiser's state: its groups,
their crops and the random numbers of dropout are drawn anew from (seed, stage, step), so a run that
goes on from a checkpoint makes the same steps as one that was never interrupted.

Traps: a step that was skipped, or begun again with a smaller micro-batch, must leave no trace, so
batch statistics are put back; every rank must take the same decisions.
"""

from __future__ import annotations

import math
import time
from collections import deque
from contextlib import closing
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import nn

from core.project.runs.config import STAGES
from core.project.runs.events import Progress
from core.project.runs.trouble import NOT_FINITE, OUT_OF_MEMORY
from trainer.context import TrainingFailedError
from trainer.device import is_out_of_memory
from trainer.gradients import accumulate
from trainer.seeing import BATCH_NORMS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from core.learning.batches import Batch, BatchRequest
    from core.project.runs.config import Stage
    from trainer.context import Context
    from trainer.gradients import Phase

MAX_BAD_STEPS = 10
_PACE_STEPS = 20


class Lesson(Protocol):
    """A stage as the loop sees it.

    Attributes:
        stage: its name.
        steps: in all.
        module: what is trained, as `Ranks.wrapped` gave it.
        optimizer: of its parameters.
    """

    stage: Stage
    steps: int
    module: nn.Module
    optimizer: torch.optim.Adam

    def learning_rate(self, step: int) -> float:
        """Of this step."""
        ...

    def requests(self, step: int) -> Sequence[BatchRequest]:
        """This rank's batches of this step; the same number in every step."""
        ...

    def stream(self, requests: Iterator[BatchRequest]) -> Generator[Batch]:
        """The batches, loaded ahead, in the order they were asked for."""
        ...

    def phases(self, step: int, batches: Sequence[Batch]) -> Sequence[Phase[Any]]:
        """What the batches pass through, and their losses."""
        ...

    def after_step(self, step: int) -> None:
        """What follows a step that was not skipped."""
        ...

    def evaluate(self, step: int) -> float | None:
        """Measure and say how good it is after so many steps; a score (less is better), or None."""
        ...

    def state(self) -> dict[str, Any]:
        """All that a resumed stage needs, tensors and plain values."""
        ...


def train(lesson: Lesson, context: Context, first_step: int) -> None:
    """Take a stage from its first (or next) step to its end.

    Raises:
        LeftEarlyError: somebody asked to leave; a checkpoint is written.
        TrainingFailedError: ten steps in a row were not finite.
    """
    options, stage, last = context.config.run, lesson.stage, lesson.steps
    pace, report = Pace(first_step, last), Report()
    if first_step == 0 and _is_worth_a_look(lesson, context):
        lesson.evaluate(0)
    with closing(stepwise_batches(lesson, first_step)) as batches:
        for step in range(first_step, last):
            context.leave_if_asked(partial(context.save, stage, step, lesson.state))
            losses = take_step(lesson, context, step, next(batches))
            report.add(losses, context, stage, step)
            pace.step()
            done = step + 1
            if done % options.report_every == 0 or done == last:
                context.emit(report.progress(stage, done, pace))
            if done == last:
                break
            score = _evaluated(lesson, context, done)
            if done % options.checkpoint_every == 0 or score is not None:
                context.save(stage, done, lesson.state, score=score)
    score = lesson.evaluate(last)
    context.save(stage, last, lesson.state, finished=True, score=score)


def take_step(
    lesson: Lesson, context: Context, step: int, batches: Sequence[Batch]
) -> dict[str, float] | None:
    """One optimiser step; again with half the micro-batch where memory is short.

    Returns:
        the losses, or None where the step was skipped, since something was not finite.
    """
    undo = _remembered(lesson.module)
    while True:
        try:
            losses = _gradients(lesson, context, step, batches)
            break
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            text = str(error)
        undo()
        _halve(context, batches, text)
    norm = _gradient_norm(lesson, context.config.run.clip_gradient)
    if not all(map(math.isfinite, (norm, *losses.values()))):
        undo()
        return None
    for group in lesson.optimizer.param_groups:
        group["lr"] = lesson.learning_rate(step)
    lesson.optimizer.step()
    lesson.after_step(step)
    return losses


def seeded(seed: int, *key: int) -> int:
    """A seed for torch from a run's seed and a key, well mixed."""
    import numpy as np

    # The key's length in front: trailing zeros would make no difference.
    entropy = [len(key), seed, *key]
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1)


class Pace:
    """How fast steps go, and how long the rest will take."""

    def __init__(self, first_step: int, steps: int) -> None:
        self.steps = steps
        self._left = steps - first_step
        self._began = time.monotonic()
        self._done = 0
        self._times: deque[float] = deque([self._began], maxlen=_PACE_STEPS + 1)

    def step(self) -> None:
        """A step is done."""
        self._done += 1
        self._times.append(time.monotonic())

    @property
    def seconds_per_step(self) -> float:
        """Lately, with all that happens between steps."""
        return (self._times[-1] - self._times[0]) / max(1, len(self._times) - 1)

    @property
    def seconds_left(self) -> float:
        """Until the end of the stage, at the mean pace so far (evaluations included)."""
        if not self._done:
            return math.nan
        mean = (time.monotonic() - self._began) / self._done
        return mean * (self._left - self._done)


class Report:
    """Losses since the last line of progress, and steps that went wrong in a row."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._steps = 0
        self._bad = 0

    def add(
        self, losses: dict[str, float] | None, context: Context, stage: Stage, step: int
    ) -> None:
        """Count a step.

        Raises:
            TrainingFailedError: too many in a row were not finite.
        """
        if losses is None:
            self._bad += 1
            text = f"Step {step} of {stage} was skipped: its loss or gradient is not finite."
            context.notice("warning", "not-finite", text)
            if self._bad >= MAX_BAD_STEPS:
                raise TrainingFailedError(_give_up(context, stage), NOT_FINITE)
            return
        self._bad = 0
        self._steps += 1
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    def progress(self, stage: Stage, step: int, pace: Pace) -> Progress:
        """The line of progress; losses are means since the last one, none if all were skipped."""
        means = {name: value / self._steps for name, value in self._sums.items()}
        self._sums, self._steps = {}, 0
        return Progress(
            stage=stage,
            step=step,
            steps=pace.steps,
            seconds_left=pace.seconds_left,
            losses=means,
            seconds_per_step=pace.seconds_per_step,
        )


def stepwise_batches(lesson: Lesson, first_step: int) -> Generator[list[Batch]]:
    """The batches of one step after the other, loaded ahead."""
    steps = range(first_step, lesson.steps)
    per_step = len(lesson.requests(first_step))
    with closing(lesson.stream(chain.from_iterable(map(lesson.requests, steps)))) as stream:
        for _ in steps:
            yield list(islice(stream, per_step))


def _is_worth_a_look(lesson: Lesson, context: Context) -> bool:
    """Whether to measure and show what a run begins with, which all of it is held against.

    Detectors that know nothing yet would only spoil the curves.
    """
    options = context.config.run
    is_detectors = lesson.stage in ("pretrain", "finetune") and lesson.stage == options.stages[0]
    knows = context.config.model.weights not in ("", "none")
    return is_detectors and knows and options.evaluate_every > 0 and lesson.steps > 0


def _evaluated(lesson: Lesson, context: Context, done: int) -> float | None:
    """The score after so many steps, where it is time for one."""
    every = context.config.run.evaluate_every
    if not every or done % every:
        return None
    return lesson.evaluate(done)


def _remembered(module: nn.Module) -> Callable[[], None]:
    """Keeps the batch statistics that train; the answer puts them back."""
    norms = [m for m in module.modules() if isinstance(m, BATCH_NORMS) and m.training]
    buffers = [buffer for norm in norms for buffer in norm.buffers()]
    copies = [buffer.clone() for buffer in buffers]

    def undo() -> None:
        with torch.no_grad():
            for buffer, copy in zip(buffers, copies, strict=True):
                buffer.copy_(copy)

    return undo


def _gradients(
    lesson: Lesson, context: Context, step: int, batches: Sequence[Batch]
) -> dict[str, float]:
    ranks = context.ranks
    torch.manual_seed(seeded(context.config.run.seed, STAGES.index(lesson.stage), step, ranks.rank))
    lesson.optimizer.zero_grad(set_to_none=True)
    phases = lesson.phases(step, batches)
    return accumulate(lesson.module, phases, ranks, micro_batch=context.micro_batch)


def _gradient_norm(lesson: Lesson, longest: float) -> float:
    parameters = [p for p in lesson.module.parameters() if p.grad is not None]
    return float(nn.utils.clip_grad_norm_(parameters, longest or math.inf))


def _halve(context: Context, batches: Sequence[Batch], error: str) -> None:
    """Go on with half as many groups at once.

    Raises:
        TrainingFailedError: it was one group already, or other ranks wait for this one.
    """
    device = context.device
    now = min(context.micro_batch or math.inf, max(len(batch.groups) for batch in batches))
    if context.ranks.size > 1:
        text = f"Out of memory on rank {context.ranks.rank}: set run.micro_batch below {now}."
        raise TrainingFailedError(text, OUT_OF_MEMORY)
    if now <= 1:
        text = f"Not even one group fits into the memory of {device.name} ({error[:200]})."
        text += " Use a smaller network, crop or number of cameras."
        raise TrainingFailedError(text, OUT_OF_MEMORY)
    if device.device.type == "cuda":
        torch.cuda.empty_cache()
    context.micro_batch = math.ceil(now / 2)
    text = f"Out of memory: {context.micro_batch} groups at once from now on; results stay equal."
    context.notice("warning", "out-of-memory", text)


def _give_up(context: Context, stage: Stage) -> str:
    places = context.checkpoints.places()
    kept = f"The last good checkpoint is {places[-1].file}. " if places else ""
    return (
        f"{MAX_BAD_STEPS} steps of {stage} in a row were not finite. {kept}"
        "Lower the learning rate, or set run.clip_gradient."
    )
