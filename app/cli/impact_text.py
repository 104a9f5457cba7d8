"""`trilabel runs --impact`: what changed from the run before, and the learning curve."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.cli.common import report, terminal_progress
from app.format import duration, length

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from core.retraining.learning_curve import CurvePoint, LearningCurve

_HEADINGS = ("run", "ended", "labels", "frames", "accepted", "multi-view", "single-view", "took")


def show_impact(folder: Path, name: str) -> int:
    """Print what changed from the newest complete run before this one, then the curve.

    Raises:
        CommandRefusedError: no complete run is older.
        DataError: there is no such run, or it cannot be read.
    """
    from core.errors import CommandRefusedError
    from core.project import Project
    from core.project.runs.folder import find_run
    from core.retraining.fresh import since_snapshot
    from core.retraining.impact import correction_impact, own_gain, run_before
    from core.retraining.learning_curve import learning_curve

    run = find_run(folder, name)
    with Project.open(folder, read_only=True) as project:
        before = run_before(project, run)
        if before is None:
            raise CommandRefusedError(
                f"No complete training is older than {run.id}: there is nothing to compare it with."
            )
        impact = correction_impact(
            project, before, run, progress=terminal_progress("Comparing pseudo-labels")
        )
        report(f"From {impact.before} to {impact.after}:\n{impact.sentence}")
        if impact.other_options:
            report("\n" + "\n".join(f"  {told}" for told in impact.other_options))
        if gain := own_gain(run.state()):
            report(f"\n{gain}")
        if since := since_snapshot(project, run):
            report(f"\nIn the next round: {since.text}.")
        report("\n" + curve_text(learning_curve(project)))
    return 0


def curve_text(curve: LearningCurve) -> str:
    """The complete runs as a table, oldest first, and a notice where errors no longer fall."""
    from core.retraining.learning_curve import plateau

    comparable = {point.run for point in curve.comparable}
    lines = _table([_HEADINGS, *(_cells(point, comparable) for point in curve.points)])
    if any(point.run not in comparable for point in curve.points):
        lines.append("* measured on other held-out labels than the newest, or not at all")
    notice = plateau(curve)
    lines += ["", notice] if notice else []
    return "\n".join([*lines, *curve.problems])


def _cells(point: CurvePoint, comparable: set[str]) -> tuple[str, ...]:
    figures = point.figures
    star = "" if point.run in comparable else " *"
    return (
        point.run,
        _when(figures.time),
        f"{point.hand_joints:,}",
        f"{point.hand_frames:,}",
        f"{point.accepted_points:,}",
        length(figures.mv_mpjpe) + star,
        length(figures.sv_mpjpe),
        duration(figures.seconds) if math.isfinite(figures.seconds) else "–",
    )


def _when(time: float) -> str:
    return f"{datetime.fromtimestamp(time, UTC).astimezone():%d %b %Y, %H:%M}"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
