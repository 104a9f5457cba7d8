"""Errors against labels, run after run, and whether they still fall.

Two runs can be compared only where they were measured on the same held-out labels; a plateau is
told of those alone. What is called spread is measured: how much a run's own error goes up and down
from one evaluation to the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.project import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One complete run.

    Attributes:
        run: id.
        name: to show.
        time: when it ended, seconds since 1970.
        hand_joints: joints labelled in views, or in space, that it learned from.
        accepted_points: accepted pseudo-labels that it learned from.
        mv_mpjpe: multi-view error, mm; NaN = not measured.
        sv_mpjpe: single-view error, mm; NaN = not measured.
        spread_mm: how much the multi-view error went up and down between the last evaluations of
            its detector; NaN = fewer than three.
        seconds: that it took.
        held_out_hash: of the labels that it was measured on; empty = none.
    """

    run: str
    name: str
    time: float
    hand_joints: int
    accepted_points: int
    mv_mpjpe: float
    sv_mpjpe: float
    spread_mm: float
    seconds: float
    held_out_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningCurve:
    """The complete runs of a project, oldest first.

    Attributes:
        points: one a run.
        problems: runs that could not be read, in words.
    """

    points: tuple[CurvePoint, ...]
    problems: tuple[str, ...] = ()


def learning_curve(project: Project) -> LearningCurve:
    """The curve over all complete runs of a project that trained something."""
    raise NotImplementedError


def plateau(curve: LearningCurve) -> str | None:
    """A notice where the last runs gained less than their spread.

    Returns:
        None where they gained more, or where there is too little to tell.
    """
    raise NotImplementedError
