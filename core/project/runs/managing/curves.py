"""What a run said over its steps, as numbers to draw: losses, shares kept, weights, errors.

All are on the axis of `core.project.runs.axis`, so that several runs lie over one another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.project.runs.axis import stage_offsets, steps_reached

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.project.runs import events as ev
    from core.project.runs.config import Stage
    from core.project.runs.states import RunState

    # Steps, values, seconds since 1970.
    _Columns = tuple[list[int], list[float], list[float]]


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


def curves_of(state: RunState) -> tuple[Curve, ...]:
    """All figures of a run, held-out first; what `predict` says is progress, and no curve."""
    offsets = stage_offsets(steps_reached(state))
    known = {measure.key: measure for measure in METRICS}
    held_out = _read([(it, it.metrics) for it in state.evaluations], offsets)
    kept = [(it, {KEPT.key: it.kept_share}) for it in state.weights]
    weights = _read([(it, it.mean_weight) for it in state.weights], offsets)
    losses = _read([(it, it.losses) for it in state.progress if it.stage != "predict"], offsets)
    return (
        *(
            _curve("held-out", known.get(key) or Measure(key=key, title=key), said)
            for key, said in held_out.items()
        ),
        *(_curve("triangulation", KEPT, said) for said in _read(kept, offsets).values()),
        *(_curve("triangulation", _weight_of(camera), said) for camera, said in weights.items()),
        *(
            _curve("loss", Measure(key=name, title=f"Loss: {name}"), said)
            for name, said in losses.items()
        ),
    )


def _read(
    said: list[tuple[ev.Evaluated, dict[str, float]]]
    | list[tuple[ev.WeightsMeasured, dict[str, float]]]
    | list[tuple[ev.Progress, dict[str, float]]],
    offsets: dict[Stage, int],
) -> dict[str, _Columns]:
    """By key, what was said of it; a long run has 100,000 of these, so little is done to each."""
    found: dict[str, _Columns] = {}
    for event, values in said:
        step, time = offsets[event.stage] + event.step, event.time
        for key, value in values.items():
            columns = found.get(key)
            if columns is None:
                columns = found[key] = ([], [], [])
            columns[0].append(step)
            columns[1].append(value)
            columns[2].append(time)
    return found


def _weight_of(camera: str) -> Measure:
    return Measure(key=f"weight_{camera}", title=f"Mean weight of {camera}")


def _curve(group: str, measure: Measure, said: _Columns) -> Curve:
    steps, values, times = said
    positions = np.array(steps, dtype=np.int64)
    order = np.argsort(positions, kind="stable")
    return Curve(
        measure=measure,
        group=group,
        steps=positions[order],
        values=np.array(values, dtype=np.float64)[order] * measure.factor,
        times=np.array(times, dtype=np.float64)[order],
    )
