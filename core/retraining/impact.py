"""What changed from one run to the next: labels, pseudo-labels, held-out errors.

The sentence says what changed beside what, never because of what: a longer training, other
unlabelled frames or another seed move pseudo-labels, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.project import Project
    from core.project.runs.folder import RunFolder
    from core.retraining.fresh import Since

    Progress = Callable[[int, int], bool]

MOVED_MM = 20.0
"""Pseudo-labels that moved farther than this are counted, unless another distance is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PseudoChange:
    """How the pseudo-labels of the final rounds differ.

    Attributes:
        moved: joints with a point on both sides, farther apart than the threshold.
        newly_kept: joints kept only after.
        newly_discarded: joints kept only before.
        compared: joints with a point on either side.
        threshold_mm: what counts as moved.
    """

    moved: int
    newly_kept: int
    newly_discarded: int
    compared: int
    threshold_mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorChange:
    """Held-out errors of both runs, in mm; NaN = not measured.

    Attributes:
        mv_before: multi-view, MPJPE.
        mv_after: likewise.
        sv_before: single-view, MPJPE.
        sv_after: likewise.
        is_same: whether both were measured on exactly the same held-out labels.
        note: why they cannot be compared; empty where they can.
    """

    mv_before: float
    mv_after: float
    sv_before: float
    sv_after: float
    is_same: bool
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """What changed from one run to the next.

    Attributes:
        before: id of the run before.
        after: id of the run.
        fixes: labels and reviews that are other in the later run's snapshot.
        pseudo: how the pseudo-labels differ; None where one side has no predictions.
        errors: held-out errors.
        other_options: options set otherwise, as ``key: before → after``.
    """

    before: str
    after: str
    fixes: Since
    pseudo: PseudoChange | None
    errors: ErrorChange
    other_options: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """All of it in one or two sentences."""
        raise NotImplementedError


def correction_impact(
    project: Project,
    before_run: RunFolder,
    after_run: RunFolder,
    *,
    threshold_mm: float = MOVED_MM,
    progress: Progress | None = None,
) -> Impact:
    """What changed from one run of a project to a later one.

    Raises:
        DataError: a run cannot be read, or has no snapshot of labels.
        CommandRefusedError: `progress` said no.
    """
    raise NotImplementedError
