"""What a run's events add up to, as one value for a window, a table or a progress bar.

Folding is incremental: the state so far and the events since give the state now. A stage that goes
on from a checkpoint says some steps twice; what was said of steps after that checkpoint is dropped
then, so that curves never run backwards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeVar

from core.project.runs import events as ev

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.project.runs.config import Stage

RunStatus = Literal[
    "created",
    "starting",
    "waiting",
    "running",
    "stopping",
    "done",
    "stopped",
    "failed",
    "cancelled",
    "killed",
]
LIVING: frozenset[RunStatus] = frozenset({"starting", "waiting", "running", "stopping"})

_Stepped = TypeVar(
    "_Stepped", ev.Progress, ev.WeightsMeasured, ev.Evaluated, ev.SamplesSaved, ev.DeviceUsed
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """What a run has said so far.

    Attributes:
        waiting: its place in the line of a device; None where it does not wait.
        started: the newest start; None where no trainer ever began.
        stage: the newest stage begun.
        stages_done: in the order in which they were finished.
        progress: all, for curves; of a stage that went on, each step once.
        weights: all measurements of the triangulation.
        evaluations: all.
        samples: files of sample crops.
        device_use: how busy the device was, all.
        scale_mm: the noise scale; None before it was measured.
        checkpoint: the newest.
        predicted: files of predictions, in the order of their completion.
        rounds: complete rounds of predictions.
        notices: all.
        unknown: whole lines that could not be read.
        finished: why the trainer left; None while it has not, or was killed.
        last_time: of the newest event of a trainer at work (not of one that waits for its turn),
            seconds since 1970, by its clock, which may be wrong or have been put right; 0 = none.
        earlier_s: seconds that trainers worked on it before the newest start.
    """

    waiting: ev.Waiting | None = None
    started: ev.RunStarted | None = None
    stage: ev.StageStarted | None = None
    stages_done: tuple[Stage, ...] = ()
    progress: tuple[ev.Progress, ...] = ()
    weights: tuple[ev.WeightsMeasured, ...] = ()
    evaluations: tuple[ev.Evaluated, ...] = ()
    samples: tuple[ev.SamplesSaved, ...] = ()
    device_use: tuple[ev.DeviceUsed, ...] = ()
    scale_mm: float | None = None
    checkpoint: ev.CheckpointSaved | None = None
    predicted: tuple[ev.Predicted, ...] = ()
    rounds: tuple[ev.PredictionRoundFinished, ...] = ()
    notices: tuple[ev.Notice, ...] = ()
    unknown: tuple[ev.UnknownEvent, ...] = ()
    finished: ev.RunFinished | None = None
    last_time: float = 0.0
    earlier_s: float = 0.0

    @property
    def worked_s(self) -> float:
        """Seconds that trainers worked on it, by their clocks and without pauses; NaN = never."""
        if self.started is None:
            return math.nan
        return self.earlier_s + max(self.last_time - self.started.time, 0.0)

    @property
    def latest(self) -> ev.Progress | None:
        """The newest progress of the present stage; None where it has said none yet."""
        last = self.progress[-1] if self.progress else None
        return last if last and self.stage and last.stage == self.stage.stage else None

    @property
    def warning(self) -> str:
        """One sentence where lines could not be read; empty where all could."""
        newer = sum(event.reason == "newer" for event in self.unknown)
        damaged = len(self.unknown) - newer
        parts = [
            f"{newer} events come from a newer trilabel and are not shown; update to see them."
            if newer
            else "",
            f"{damaged} lines of events.jsonl are damaged and were left out." if damaged else "",
        ]
        return " ".join(part for part in parts if part)


def fold(events: Iterable[ev.Event], before: RunState | None = None) -> RunState:
    """The state after these events.

    Args:
        events: in the order of the file.
        before: the state that they come upon; None is the beginning.
    """
    draft = _Draft(before or RunState())
    for event in events:
        draft.add(event)
    return draft.state()


class _Draft:
    """A state whose sequences can grow without being copied for each event."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._progress = list(state.progress)
        self._weights = list(state.weights)
        self._evaluations = list(state.evaluations)
        self._samples = list(state.samples)
        self._device_use = list(state.device_use)
        self._predicted = list(state.predicted)
        self._notices = list(state.notices)
        self._unknown = list(state.unknown)
        self._last_time = state.last_time

    def state(self) -> RunState:
        return replace(
            self._state,
            progress=tuple(self._progress),
            weights=tuple(self._weights),
            evaluations=tuple(self._evaluations),
            samples=tuple(self._samples),
            device_use=tuple(self._device_use),
            predicted=tuple(self._predicted),
            notices=tuple(self._notices),
            unknown=tuple(self._unknown),
            last_time=self._last_time,
        )

    def add(self, event: ev.Event) -> None:
        before = self._last_time
        if not self._is_of_one_in_line(event):
            self._last_time = event.time or before
        was = self._state.started
        if isinstance(event, ev.RunStarted) and was is not None:
            earlier_s = self._state.earlier_s + max(before - was.time, 0.0)
            self._state = replace(self._state, earlier_s=earlier_s)
        match event:
            case ev.Progress():
                self._progress.append(event)
            case ev.WeightsMeasured():
                self._weights.append(event)
            case ev.Evaluated():
                self._evaluations.append(event)
            case ev.SamplesSaved():
                self._samples.append(event)
            case ev.DeviceUsed():
                self._device_use.append(event)
            case ev.Predicted():
                self._predicted.append(event)
            case ev.Notice():
                self._notices.append(event)
            case ev.UnknownEvent():
                self._unknown.append(event)
            case _:
                self._add_turn(event)

    def _is_of_one_in_line(self, event: ev.Event) -> bool:
        """Whether a trainer says this that waits for its turn, or leaves before that has come."""
        is_waiting = self._state.waiting is not None
        return isinstance(event, ev.Waiting) or (is_waiting and isinstance(event, ev.RunFinished))

    def _add_turn(
        self,
        event: ev.Waiting
        | ev.RunStarted
        | ev.StageStarted
        | ev.StageFinished
        | ev.RunFinished
        | ev.ScaleMeasured
        | ev.CheckpointSaved
        | ev.PredictionRoundFinished,
    ) -> None:
        state = self._state
        match event:
            case ev.Waiting():
                self._state = replace(state, waiting=event, finished=None)
            case ev.RunStarted():
                self._state = replace(state, started=event, waiting=None, finished=None)
            case ev.StageStarted():
                self._state = replace(state, stage=event, stages_done=_without(state, event.stage))
                self._drop_after(event.stage, event.first_step)
            case ev.StageFinished():
                done = (*_without(state, event.stage), event.stage)
                self._state = replace(state, stages_done=done)
            case ev.RunFinished():
                self._state = replace(state, finished=event, waiting=None)
            case ev.ScaleMeasured():
                self._state = replace(state, scale_mm=event.scale_mm)
            case ev.CheckpointSaved():
                self._state = replace(state, checkpoint=event)
            case ev.PredictionRoundFinished():
                self._state = replace(state, rounds=(*state.rounds, event))

    def _drop_after(self, stage: Stage, step: int) -> None:
        """Forget what was said of the steps that this stage is about to do again."""
        self._progress = _kept(self._progress, stage, step)
        self._weights = _kept(self._weights, stage, step)
        self._evaluations = _kept(self._evaluations, stage, step)
        self._samples = _kept(self._samples, stage, step)
        self._device_use = _kept(self._device_use, stage, step)


def _kept(events: list[_Stepped], stage: Stage, step: int) -> list[_Stepped]:
    # A stage that begins at step 0 also says anew what was said before its first step.
    return [event for event in events if event.stage != stage or (step and event.step <= step)]


def _without(state: RunState, stage: Stage) -> tuple[Stage, ...]:
    return tuple(done for done in state.stages_done if done != stage)
