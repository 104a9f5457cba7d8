"""Several runs side by side: how they were asked for, what they used, what came out, their curves.

Trap: errors can be compared only where the same groups were held out; `Comparison.notes` says where
they were not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import CommandRefusedError
from core.project.runs.config_io import value_of
from core.project.runs.following import report_of
from core.project.runs.managing.curves import METRICS, Curve, Measure, curves_of
from core.project.runs.option_rows import option_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from core.project.runs.folder import RunFolder
    from core.project.runs.following import RunReport
    from core.project.runs.option_rows import OptionRow, OptionValue
    from core.project.runs.states import RunState, RunStatus

_INPUTS = (
    Measure(key="labelled", title="Labelled groups"),
    Measure(key="unlabelled", title="Unlabelled groups"),
    Measure(key="held_out", title="Held-out groups"),
)
_STEPS = Measure(key="steps", title="Steps")
_TIME = Measure(key="seconds", title="Time", unit="s")
_SCALE = Measure(key="scale_mm", title="Noise scale", unit="mm")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRun:
    """Which run a column is of."""

    id: str
    name: str
    note: str
    created: str
    status: RunStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionDifference:
    """An option and what each run has it set to.

    Attributes:
        row: the option.
        values: in the order of the runs.
        is_same: whether all runs agree (and none has the default).
    """

    row: OptionRow
    values: tuple[OptionValue, ...]
    is_same: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure of each run.

    Attributes:
        measure: what it is.
        values: in the order of the runs; NaN where a run has none.
        best: indices of the best; empty where neither is better, or all are the same.
    """

    measure: Measure
    values: tuple[float, ...]
    best: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Runs side by side.

    Attributes:
        runs: in the order asked for.
        options: first those that differ; then those that all runs have changed from the default
            to the same value. All others are as by default.
        figures: what they used, then what came out; the newest value of each metric.
        curves: by run; see `curves_of`.
        notes: what a reader of the figures must know.
    """

    runs: tuple[ComparedRun, ...]
    options: tuple[OptionDifference, ...]
    figures: tuple[Figure, ...]
    curves: tuple[tuple[Curve, ...], ...]
    notes: tuple[str, ...]


def compare(
    runs: Sequence[RunFolder],
    *,
    held_out: Sequence[str] = (),
    reports: Sequence[RunReport] = (),
) -> Comparison:
    """Put runs side by side; of a single one, its figures, curves and changed options.

    Args:
        runs: in the order of the columns.
        held_out: what stands for the labels that each was evaluated on, where that is known; empty
            texts and none at all mean that it is not.
        reports: of each, where somebody follows them anyway; none = read now.

    Raises:
        CommandRefusedError: none, or one of them twice.
        DataError: a run cannot be read.
    """
    if len({run.path for run in runs}) < max(1, len(runs)):
        raise CommandRefusedError("Choose different runs to compare.")
    reports = reports or [report_of(run) for run in runs]
    states = [report.state for report in reports]
    return Comparison(
        runs=tuple(_compared(run, report) for run, report in zip(runs, reports, strict=True)),
        options=_differences(runs),
        figures=_figures(states),
        curves=tuple(curves_of(state) for state in states),
        notes=tuple(_notes(runs, states, held_out)),
    )


def newest_metrics(state: RunState) -> dict[str, float]:
    """The newest value of each metric on the held-out groups."""
    newest: dict[str, float] = {}
    for evaluated in state.evaluations:
        newest.update({k: v for k, v in evaluated.metrics.items() if math.isfinite(v)})
    return newest


def _compared(run: RunFolder, report: RunReport) -> ComparedRun:
    from core.project.runs.about import read_about

    about = read_about(run.path)
    return ComparedRun(
        id=run.id, name=run.name, note=about.note, created=run.created, status=report.status
    )


def _differences(runs: Sequence[RunFolder]) -> tuple[OptionDifference, ...]:
    differing: list[OptionDifference] = []
    shared: list[OptionDifference] = []
    for row in option_table():
        values = tuple(value_of(run.config, row) for run in runs)
        if len(set(values)) > 1:
            differing.append(OptionDifference(row=row, values=values, is_same=False))
        elif values[0] != row.default:
            shared.append(OptionDifference(row=row, values=values, is_same=True))
    return (*differing, *shared)


def _figures(states: Sequence[RunState]) -> tuple[Figure, ...]:
    metrics = [newest_metrics(state) for state in states]
    steps = tuple(float(_num_steps(state)) for state in states)
    found = [
        *(
            Figure(measure=m, values=tuple(_input(state, m.key) for state in states))
            for m in _INPUTS
        ),
        Figure(measure=_STEPS, values=steps),
        Figure(measure=_TIME, values=tuple(state.worked_s for state in states)),
        Figure(measure=_SCALE, values=tuple(_scale(state) for state in states)),
        *(_metric(m, [each.get(m.key, math.nan) * m.factor for each in metrics]) for m in METRICS),
    ]
    return tuple(figure for figure in found if any(map(math.isfinite, figure.values)))


def _metric(measure: Measure, values: list[float]) -> Figure:
    known = [value for value in values if math.isfinite(value)]
    best: tuple[int, ...] = ()
    if len(set(known)) > 1:
        target = min(known) if measure.is_lower_better else max(known)
        best = tuple(i for i, value in enumerate(values) if value == target)
    return Figure(measure=measure, values=tuple(values), best=best)


def _input(state: RunState, key: str) -> float:
    return math.nan if state.started is None else float(getattr(state.started, key))


def _scale(state: RunState) -> float:
    return math.nan if state.scale_mm is None else state.scale_mm


def _num_steps(state: RunState) -> int:
    """Steps done in all stages that train."""
    done: dict[str, int] = {}
    for progress in state.progress:
        if progress.step > done.get(progress.stage, 0):
            done[progress.stage] = progress.step
    done.pop("predict", None)
    return sum(done.values())


def _notes(
    runs: Sequence[RunFolder], states: Sequence[RunState], held_out: Sequence[str]
) -> Iterable[str]:
    counts = [state.started.held_out for state in states if state.started is not None]
    if len(set(counts)) > 1:
        told = " and ".join(f"{count:,}" for count in counts)
        yield f"Other groups were held out ({told}): the errors are not of the same poses."
    elif len(set(filter(None, held_out))) > 1:
        yield "Other labels were held out: the errors are not of the same poses."
    for run, state in zip(runs, states, strict=True):
        if state.started is None:
            yield f"{run.name} has not been trained yet."
        elif not state.evaluations:
            yield f"{run.name} has no held-out errors."
