"""What a run said over its steps, as numbers to draw: losses, shares kept, weights, errors.

One axis goes through all stages: a stage begins where the one before it ends, so that several runs
lie over one another. The axis is what `comparing` and `tensorboard` share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.project.runs.config import STAGES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.project.runs import events as ev
    from core.project.runs.config import Stage
    from core.project.runs.states import RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A figure that runs have: its key in the events, what it is called, its unit.

    Attributes:
        key: such as ``mv_mpjpe``.
        title: for people.
        unit: ``mm``, ``px``, ``%`` or empty.
        is_lower_better: None where neither is better.
        factor: from what the events hold to the unit.
    """

    key: str
    title: str
    unit: str = ""
    is_lower_better: bool | None = None
    factor: float = 1.0


# Metrics on the held-out groups, in the order in which people ask for them.
METRICS: tuple[Measure, ...] = (
    Measure(key="mv_mpjpe", title="MPJPE multi-view", unit="mm", is_lower_better=True),
    Measure(key="sv_mpjpe", title="MPJPE single-view", unit="mm", is_lower_better=True),
    Measure(
        key="common_mpjpe", title="MPJPE common triangulation", unit="mm", is_lower_better=True
    ),
    Measure(key="mv_nmpjpe", title="N-MPJPE multi-view", unit="mm", is_lower_better=True),
    Measure(key="mv_pmpjpe", title="P-MPJPE multi-view", unit="mm", is_lower_better=True),
    Measure(key="sv_pmpjpe", title="P-MPJPE single-view", unit="mm", is_lower_better=True),
    Measure(key="mv_pck", title="PCK multi-view", unit="%", is_lower_better=False),
    Measure(key="sv_pck", title="PCK single-view", unit="%", is_lower_better=False),
    Measure(
        key="mv_coverage",
        title="Joints triangulated",
        unit="%",
        is_lower_better=False,
        factor=100.0,
    ),
    Measure(key="error_px", title="2D error", unit="px", is_lower_better=True),
)
KEPT = Measure(key="kept_share", title="Share kept", unit="%", factor=100.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One figure of one run over its steps.

    Attributes:
        measure: what it is.
        group: ``held-out``, ``triangulation`` or ``loss``.
        steps: (N,) through all stages, ascending.
        values: (N,) in the measure's unit; NaN where the step had none.
        times: (N,) seconds since 1970.
    """

    measure: Measure
    group: str
    steps: NDArray[np.int64]
    values: NDArray[np.float64]
    times: NDArray[np.float64]


def stage_offsets(state: RunState) -> dict[Stage, int]:
    """Where each stage begins on the axis through all of them."""
    lengths: dict[Stage, int] = {}
    for said in (*state.progress, *state.evaluations, *state.weights):
        steps = getattr(said, "steps", said.step)
        lengths[said.stage] = max(lengths.get(said.stage, 0), steps)
    offsets: dict[Stage, int] = {}
    total = 0
    for stage in STAGES:
        offsets[stage] = total
        total += lengths.get(stage, 0)
    return offsets


def curves_of(state: RunState) -> tuple[Curve, ...]:
    """All figures of a run, held-out first; what `predict` says is progress, and no curve."""
    offsets = stage_offsets(state)
    rows: dict[tuple[str, Measure], list[tuple[int, float, float]]] = {}

    def add(
        said: ev.Evaluated | ev.WeightsMeasured | ev.Progress, group: str, m: Measure, value: float
    ) -> None:
        step = offsets[said.stage] + said.step
        rows.setdefault((group, m), []).append((step, value * m.factor, said.time))

    known = {measure.key: measure for measure in METRICS}
    for evaluated in state.evaluations:
        for key, value in evaluated.metrics.items():
            add(evaluated, "held-out", known.get(key) or Measure(key=key, title=key), value)
    for measured in state.weights:
        add(measured, "triangulation", KEPT, measured.kept_share)
        for camera, value in measured.mean_weight.items():
            add(measured, "triangulation", _weight_of(camera), value)
    for progress in state.progress:
        if progress.stage != "predict":
            for name, value in progress.losses.items():
                add(progress, "loss", Measure(key=name, title=f"Loss: {name}"), value)
    return tuple(_curve(group, m, said) for (group, m), said in rows.items())


def _weight_of(camera: str) -> Measure:
    return Measure(key=f"weight_{camera}", title=f"Mean weight of {camera}")


def _curve(group: str, measure: Measure, said: list[tuple[int, float, float]]) -> Curve:
    steps, values, times = zip(*said, strict=True)
    order = np.argsort(np.array(steps), kind="stable")
    return Curve(
        measure=measure,
        group=group,
        steps=np.array(steps, dtype=np.int64)[order],
        values=np.array(values, dtype=np.float64)[order],
        times=np.array(times, dtype=np.float64)[order],
    )
