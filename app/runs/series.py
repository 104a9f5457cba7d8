"""Curves of a run as arrays on the axis of `core.project.runs.axis`, growing as it runs; no Qt.

A run has said up to 100,000 things; turning them into numbers takes a while, so that `take` does a
part at a time. A run that goes on from a checkpoint forgets what came after it: `RunState` drops
it, and what was taken is thrown away and taken again.
"""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from core.project.runs.axis import stage_offsets
from core.project.runs.config import STAGES, Stage
from core.project.runs.events import Evaluated, Progress, WeightsMeasured

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from core.project.runs.states import RunState

_Stepped = TypeVar("_Stepped", Progress, WeightsMeasured, Evaluated)

# No camera has an empty name.
KEPT = ""
_PART = 4_000


class Table:
    """Numbers by name at steps of stages; columns grow, NaN where nothing was said."""

    def __init__(self) -> None:
        self._stages = array("b")
        self._steps = array("q")
        self._columns: dict[str, array[float]] = {}
        self._last: object = None

    def __len__(self) -> int:
        """How many steps."""
        return len(self._steps)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns, as they came."""
        return tuple(self._columns)

    def column(self, name: str) -> NDArray[np.float64]:
        """(N,) the numbers of a name; NaN where nothing was said."""
        values = self._columns.get(name)
        return np.full(len(self), np.nan) if values is None else np.array(values)

    def positions(self, offsets: Mapping[Stage, int]) -> NDArray[np.float64]:
        """(N,) steps through all stages, rising."""
        shift = np.array([offsets[stage] for stage in STAGES], dtype=np.float64)
        return shift[np.array(self._stages, dtype=np.intp)] + np.array(self._steps)

    def longest(self, stage: Stage) -> int:
        """The last step of a stage here; 0 where there is none."""
        steps = np.array(self._steps)[np.array(self._stages) == STAGES.index(stage)]
        return int(steps[-1]) if steps.size else 0

    def ends_with(self, event: object) -> bool:
        """Whether an event is the one that was added last."""
        return self._last is event

    def clear(self) -> None:
        """Forget everything."""
        self._stages, self._steps = array("b"), array("q")
        self._columns.clear()
        self._last = None

    def add(
        self, event: Progress | WeightsMeasured | Evaluated, values: Mapping[str, float]
    ) -> None:
        """Add a step."""
        for name in values:
            if name not in self._columns:
                self._columns[name] = array("d", [math.nan]) * len(self)
        for name, column in self._columns.items():
            column.append(values.get(name, math.nan))
        self._stages.append(STAGES.index(event.stage))
        self._steps.append(event.step)
        self._last = event


class RunSeries:
    """What a run has said in numbers.

    Attributes:
        losses: by name, of each progress.
        triangulation: `KEPT` (0…1), and mean weights by camera name.
        metrics: by name, of each evaluation.
    """

    def __init__(self) -> None:
        self.losses, self.triangulation, self.metrics = Table(), Table(), Table()

    def take(self, state: RunState, part: int = _PART) -> bool:
        """Take over what is new, at most `part` events; True where more is left."""
        is_more = _take_new(self.losses, state.progress, _losses, part)
        is_more |= _take_new(self.triangulation, state.weights, _shares, part)
        return _take_new(self.metrics, state.evaluations, _metrics, part) or is_more

    @property
    def offsets(self) -> dict[Stage, int]:
        """Where each stage begins on the axis."""
        return stage_offsets({stage: self._reached(stage) for stage in STAGES})

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Those that have said something, in order."""
        return tuple(stage for stage in STAGES if self._reached(stage))

    def _reached(self, stage: Stage) -> int:
        return max(
            table.longest(stage) for table in (self.losses, self.triangulation, self.metrics)
        )

    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras whose weights were measured."""
        return tuple(name for name in self.triangulation.names if name != KEPT)


def thinned(
    x: NDArray[np.float64], y: NDArray[np.float64], low: float, high: float, columns: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A curve with at most about two points a column that keeps every peak.

    Args:
        x: (N,) rising.
        y: (N,) with gaps as NaN.
        low: where the part that is seen begins; one point before it is kept, so that lines go on.
        high: where it ends.
        columns: as many as pixels.

    Returns:
        x (M,) and y (M,), without gaps; M <= 2 columns + 2.
    """
    first = max(int(np.searchsorted(x, low)) - 1, 0)
    last = int(np.searchsorted(x, high, side="right")) + 1
    x, y = x[first:last], y[first:last]
    is_there = np.isfinite(y)
    x, y = x[is_there], y[is_there]
    if len(x) <= 2 * columns:
        return x, y
    edges = np.linspace(0, len(x), columns + 1).astype(np.intp)[:-1]
    pairs = np.stack((np.minimum.reduceat(y, edges), np.maximum.reduceat(y, edges)), axis=1)
    return np.repeat(x[edges], 2), pairs.ravel()


def smoothed(y: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """(N,) the mean of the last `width` numbers, gaps (NaN) left out; NaN in the gaps."""
    is_there = np.isfinite(y)
    sums = np.concatenate(([0.0], np.cumsum(np.where(is_there, y, 0.0))))
    counts = np.concatenate(([0], np.cumsum(is_there)))
    end = np.arange(1, len(y) + 1)
    begin = np.maximum(end - width, 0)
    number = np.maximum(counts[end] - counts[begin], 1)
    return np.where(is_there, (sums[end] - sums[begin]) / number, np.nan)


def at(x: NDArray[np.float64], y: NDArray[np.float64], place: float) -> float:
    """The number that was newest at a place; NaN before the first."""
    is_there = np.isfinite(y)
    x, y = x[is_there], y[is_there]
    row = int(np.searchsorted(x, place, side="right")) - 1
    return float(y[row]) if row >= 0 else math.nan


def _take_new(
    table: Table,
    events: Sequence[_Stepped],
    values: Callable[[_Stepped], Mapping[str, float]],
    part: int,
) -> bool:
    """Add what a table lacks of these events; True where more is left."""
    begin = len(table)
    if begin and (begin > len(events) or not table.ends_with(events[begin - 1])):
        table.clear()
        begin = 0
    for event in events[begin : begin + part]:
        table.add(event, values(event))
    return len(table) < len(events)


def _losses(event: Progress) -> Mapping[str, float]:
    return event.losses


def _shares(event: WeightsMeasured) -> Mapping[str, float]:
    return {KEPT: event.kept_share, **event.mean_weight}


def _metrics(event: Evaluated) -> Mapping[str, float]:
    return event.metrics
