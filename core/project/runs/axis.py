"""One axis of steps through all stages: a stage begins where the one before it has ended.

Whoever draws or compares curves of runs puts them on it, so that a step is at the same place
wherever it is shown. A stage is as long as it got: one that was cut short leaves no gap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.project.runs.config import STAGES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.project.runs.config import Stage
    from core.project.runs.states import RunState


def stage_offsets(reached: Mapping[Stage, int]) -> dict[Stage, int]:
    """Where each stage begins on the axis.

    Args:
        reached: the last step of each stage that has said anything; others have length 0.
    """
    offsets: dict[Stage, int] = {}
    end = 0
    for stage in STAGES:
        offsets[stage] = end
        end += reached.get(stage, 0)
    return offsets


def steps_reached(state: RunState) -> dict[Stage, int]:
    """The last step that each stage of a run has said anything of."""
    reached: dict[Stage, int] = {}
    for events in (state.progress, state.evaluations, state.weights):
        for event in events:
            if event.step >= reached.get(event.stage, 0):
                reached[event.stage] = event.step
    return reached
