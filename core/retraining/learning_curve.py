"""Errors against labels, run after run, and whether they still fall.

Runs can be compared only where they were measured on the same held-out labels; a plateau is told of
those alone. What is called spread is measured: how far a detector's error goes up and down from one
evaluation to the next of one and the same run, its trend taken out.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import DataError
from core.files import write_text_atomically
from core.project.runs.folder import runs_of
from core.retraining.used import labels_of_run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from core.project import Project
    from core.project.runs.config import Stage
    from core.project.runs.events import Evaluated
    from core.project.runs.folder import RunFolder
    from core.project.runs.states import RunState

_VERSION = 2
_TRAINING = frozenset({"pretrain", "finetune", "lift"})
_LAST = 3  # runs that a plateau is told of
_ENOUGH = 4  # evaluations that a spread is told of
_LEAST_SHARE = 0.005  # of the error: a smaller gain is none, whatever the spread


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFigures:
    """What a complete run ended with.

    Attributes:
        time: when it ended, seconds since 1970.
        seconds: that trainers worked on it, also those who went on with it or predicted later.
        mv_mpjpe: multi-view error on its held-out labels, mm; NaN = not measured.
        sv_mpjpe: single-view error, likewise.
        num_poses: that these errors are means of; 0 = none.
        spread_mm: of the multi-view error between evaluations; NaN = too few of them.
    """

    time: float
    seconds: float
    mv_mpjpe: float
    sv_mpjpe: float
    num_poses: int
    spread_mm: float

    @classmethod
    def of(cls, state: RunState) -> RunFigures:
        """From all that a run has said."""
        ended = state.finished.time if state.finished else state.last_time
        return cls(
            time=ended,
            seconds=state.worked_s,
            mv_mpjpe=newest_metric(state, "mv_mpjpe"),
            sv_mpjpe=newest_metric(state, "sv_mpjpe"),
            num_poses=round(_known(newest_metric(state, "poses"))),
            spread_mm=_spread(state.evaluations),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One complete run.

    Attributes:
        run: id.
        name: to show.
        hand_joints: joints labelled in views, or in space, that it learned from.
        hand_frames: frames with any of these.
        accepted_points: accepted pseudo-labels that it learned from.
        held_out_hash: of the labels that it was measured on; empty = none.
        figures: what it ended with.
    """

    run: str
    name: str
    hand_joints: int
    hand_frames: int
    accepted_points: int
    held_out_hash: str
    figures: RunFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningCurve:
    """The complete runs of a project that trained something, oldest first.

    Attributes:
        points: one a run.
        problems: runs that could not be read, in words.
    """

    points: tuple[CurvePoint, ...]
    problems: tuple[str, ...] = ()

    @property
    def comparable(self) -> tuple[CurvePoint, ...]:
        """Those measured on the same held-out labels as the newest that was measured at all."""
        measured = [one for one in self.points if math.isfinite(one.figures.mv_mpjpe)]
        if not measured:
            return ()
        newest = measured[-1].held_out_hash
        return tuple(one for one in measured if one.held_out_hash == newest)


def learning_curve(project: Project) -> LearningCurve:
    """The curve over the complete runs of a project.

    What a run ended with never changes, so it is read once and kept in the cache; the first time
    takes some tenths of a second a run.
    """
    points: list[CurvePoint] = []
    problems: list[str] = []
    for run in complete_runs(project):
        try:
            points.append(_point(project, run))
        except DataError as error:
            problems.append(f"{run.id}: {error}")
    return LearningCurve(points=tuple(points), problems=tuple(problems))


def complete_runs(project: Project) -> tuple[RunFolder, ...]:
    """The runs of a project that trained something and came to their end, oldest first."""
    found: list[tuple[str, str, RunFolder]] = []
    for run in runs_of(project):
        try:
            record = run.exit_record()
            if record is not None and record.status == "done" and _TRAINING & {*_stages(run)}:
                found.append((run.created, run.id, run))
        except DataError:  # told in the list of runs
            continue
    return tuple(run for _, _, run in sorted(found, key=lambda one: one[:2]))


def _stages(run: RunFolder) -> tuple[Stage, ...]:
    return run.config.run.stages


def plateau(curve: LearningCurve) -> str | None:
    """A notice where the last three runs gained less than their spread.

    Returns:
        None where they gained more, or where there are too few comparable runs to tell.
    """
    points = curve.comparable[-_LAST:]
    if len(points) < _LAST:
        return None
    errors = [point.figures.mv_mpjpe for point in points]
    spread = _spread_of(points)
    gain = errors[0] - errors[-1]
    if gain >= spread:
        return None
    return (
        f"The last {_LAST} runs went from {errors[0]:.1f} to {errors[-1]:.1f} mm on the held-out "
        f"labels, which is less than the {spread:.1f} mm that such errors go up and down anyway. "
        "More labels of the same kind hardly show; other people, moments and poses might."
    )


def run_figures(project: Project, run: RunFolder) -> RunFigures:
    """What a complete run ended with; from the cache where its events were read before.

    Raises:
        DataError: its events cannot be read.
    """
    key = f"figures {_VERSION} {run.id} {run.created} {run.events_end()}"
    path = project.cache_path(key, ".json")
    known = _read(path)
    if known is None:
        known = RunFigures.of(run.state())
        values = [getattr(known, name) for name in RunFigures.__slots__]
        write_text_atomically(path, json.dumps(values))
    return known


def newest_metric(state: RunState, name: str) -> float:
    """The newest value of a metric of a run; NaN where it was never measured."""
    for event in reversed(state.evaluations):
        if math.isfinite(value := event.metrics.get(name, math.nan)):
            return value
    return math.nan


def _point(project: Project, run: RunFolder) -> CurvePoint:
    used = labels_of_run(project, run)
    return CurvePoint(
        run=run.id,
        name=run.name,
        hand_joints=used.hand_joints + used.space_joints,
        hand_frames=used.hand_frames,
        accepted_points=used.accepted_points,
        held_out_hash=used.held_out_hash,
        figures=run_figures(project, run),
    )


def _read(path: Path) -> RunFigures | None:
    """What was kept; None where that is damaged or missing: it is read again then."""
    try:
        values: Any = json.loads(path.read_text(encoding="utf-8"))
        time, seconds, mv, sv, poses, spread = (float(value) for value in values)
    except (OSError, ValueError, TypeError):
        return None
    return RunFigures(
        time=time,
        seconds=seconds,
        mv_mpjpe=mv,
        sv_mpjpe=sv,
        num_poses=int(poses),
        spread_mm=spread,
    )


def _spread(evaluations: Sequence[Evaluated]) -> float:
    """Of the evaluations of one detector stage on the same groups; NaN = too few."""
    last = next((one.stage for one in reversed(evaluations) if one.stage != "lift"), None)
    own = [
        one.metrics for one in evaluations if one.stage == last and "mv_mpjpe" in one.metrics
    ]  # the last of a stage is of more groups than those before
    errors = [one["mv_mpjpe"] for one in own if one.get("poses") == own[0].get("poses")]
    errors = errors[len(errors) // 2 :] if len(errors) >= 2 * _ENOUGH else errors
    if len(errors) < _ENOUGH:
        return math.nan
    return float(np.std(np.diff(errors), ddof=1) / math.sqrt(2))


def _spread_of(points: Sequence[CurvePoint]) -> float:
    """How far the errors of three runs go up and down: within them, and about their line."""
    errors = [point.figures.mv_mpjpe for point in points]
    within = [s for point in points if math.isfinite(s := point.figures.spread_mm)]
    about_line = abs(errors[0] - 2 * errors[1] + errors[2]) / math.sqrt(6)
    least = _LEAST_SHARE * errors[-1]
    return max(float(np.median(within)) if within else 0.0, about_line, least)


def _known(value: float) -> float:
    return value if math.isfinite(value) else 0.0
