"""Predictions in the middle of a training, so that a person sees what has become better.

After an evaluation the frames that matter most are predicted: those that a window wants
(``wanted.json``), then some that are judged and some that are labelled, then the worst. They come
in files of a few frames, the first within seconds.

Trap: a training is not there to be looked at. All of this together takes no more than a tenth or
so of a stage's time (`FEEDBACK_SHARE`), so fewer frames are predicted where a frame takes long; but
the first file always comes, or a person would see nothing at all.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from core.project.predictions import RunPredictions
from core.project.runs.estimate import FEEDBACK_SHARE
from trainer.predicting import Outcome, predict
from trainer.prediction_plan import groups_at, most_telling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from core.learning.batches import GroupLoader
    from core.learning.data import PoseData
    from core.project.runs.config import Stage
    from trainer.context import Context
    from trainer.networks import Networks

LIMIT = 200
FIRST_FRAMES = 4
_FILES = 16
# Crops of frames that were never looked at must be cut first.
_UNSEEN_FACTOR = 2.0


class Feedback:
    """What one stage shows while it trains, and the time that this has taken.

    Args:
        context: of the run.
        loader: of the stage; its cache makes frames that are shown again cheap.
        share: of the stage's time, 0…1.
    """

    def __init__(
        self, context: Context, loader: GroupLoader, share: float = FEEDBACK_SHARE
    ) -> None:
        self._context = context
        self._loader = loader
        self._share = share
        self._began = time.monotonic()
        self._seconds_per_group = 0.0
        self.spent_s = 0.0
        self.num_shown = 0

    def show(
        self,
        stage: Stage,
        step: int,
        networks: Networks,
        *,
        seconds_per_group: float = 0.0,
        scale_mm: float | None = None,
    ) -> Outcome:
        """Predict what there is time for; every rank calls this at the same point.

        Args:
            stage: which.
            step: steps done.
            networks: as they are now.
            seconds_per_group: how long an evaluation takes for a group; 0 = not known.
            scale_mm: noise scale of the triangulation, where these networks have none of their own.
        """
        began = time.monotonic()
        seconds = self._share * (began - self._began) - self.spent_s
        if self.num_shown and self._context.ranks.from_first(seconds <= 0):
            return Outcome(round=0, finished=True, num_moments=0, num_rows=0)
        rate = self._seconds_per_group or _UNSEEN_FACTOR * seconds_per_group
        outcome = predict_most_telling(
            self._context,
            networks,
            stage=stage,
            step=step,
            seconds=seconds,
            seconds_per_group=rate,
            is_first=not self.num_shown,
            loader=self._loader,
            scale_mm=scale_mm,
        )
        took = time.monotonic() - began
        self.spent_s += took
        self.num_shown += outcome.round > 0
        if outcome.num_rows:
            self._seconds_per_group = took / outcome.num_rows
        return outcome


def predict_most_telling(
    context: Context,
    networks: Networks,
    *,
    stage: Stage,
    step: int,
    limit: int = LIMIT,
    seconds: float = 60.0,
    seconds_per_group: float = 0.0,
    is_first: bool = True,
    loader: GroupLoader | None = None,
    scale_mm: float | None = None,
) -> Outcome:
    """A short round of the frames that tell most (`prediction_plan.most_telling`).

    Args:
        context: of the run.
        networks: on the device.
        stage: after which they are as they are.
        step: of that stage.
        limit: frames at most.
        seconds: that it should not take longer than; the first few frames are done all the same.
        seconds_per_group: how long a group takes; 0 = not known, so the first few frames only
            where there is little time.
        is_first: whether the first frames come even where there is no time for them.
        loader: see `predict`.
        scale_mm: see `predict`.
    """
    moments = np.zeros((0, 2), dtype=np.int64)
    if context.ranks.is_first:
        moments = _affordable(context, limit, seconds, seconds_per_group, is_first=is_first)
    moments = context.ranks.from_first(moments)
    block = min(context.config.predict.block, max(FIRST_FRAMES, len(moments) // _FILES))
    config = replace(context.config, predict=replace(context.config.predict, block=block))
    return predict(
        replace(context, config=config),
        networks,
        stage=stage,
        step=step,
        moments=moments,
        # The plan fits into the time; this is for the case that it turns out to be much slower.
        seconds=2 * max(seconds, 0.0),
        at_least=1,
        loader=loader,
        scale_mm=scale_mm,
    )


def _affordable(
    context: Context, limit: int, seconds: float, seconds_per_group: float, *, is_first: bool
) -> NDArray[np.int64]:
    """The most telling moments that there is time for."""
    with RunPredictions(context.folder) as before:
        known = before.aggregates()
    wanted = context.folder.wanted_frames()
    moments = most_telling(context.data, context.config.predict, known, limit, wanted)
    count = _count(context.data, moments, seconds, seconds_per_group)
    return moments[: max(count, FIRST_FRAMES if is_first else 0)]


def _count(
    data: PoseData, moments: NDArray[np.int64], seconds: float, seconds_per_group: float
) -> int:
    """How many of the moments, in their order, take so long at most; a file's worth at least.

    0 where there is not even time for one file.
    """
    if seconds_per_group <= 0:
        return FIRST_FRAMES if seconds > 0 else 0
    people = Counter((group.recording, group.frame) for group in groups_at(data, moments))
    numbers: Sequence[int] = [people[recording, frame] for recording, frame in moments.tolist()]
    affordable = seconds / seconds_per_group
    count = sum(total <= affordable for total in accumulate(numbers))
    return count if count >= min(FIRST_FRAMES, len(moments)) else 0
