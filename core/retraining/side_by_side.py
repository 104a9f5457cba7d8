"""Runs of a project side by side, and whether their errors may be compared at all.

`core.project.runs.managing.compare` knows runs alone; here it is asked of each run's own snapshot
which labels were kept for evaluation, so that errors on other poses are never shown as if they were
on the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import DataError
from core.project.runs.managing import compare
from core.retraining.used import labels_of_run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core.project import Project
    from core.project.runs.folder import RunFolder
    from core.project.runs.following import RunReport
    from core.project.runs.managing import Comparison

    Progress = Callable[[int, int], bool]


def compare_runs(
    project: Project,
    runs: Sequence[RunFolder],
    progress: Progress | None = None,
    *,
    reports: Sequence[RunReport] = (),
) -> Comparison:
    """Put runs of a project side by side.

    Args:
        project: whose runs they are.
        runs: in the order of the columns.
        progress: told how many runs have been looked at; the answer does not stop it, since it
            takes a fraction of a second.
        reports: of each, where somebody follows them anyway; none = read now.

    Raises:
        CommandRefusedError: none, or one of them twice.
        DataError: a run cannot be read.
    """
    hashes: list[str] = []
    for number, run in enumerate(runs):
        hashes.append(_held_out(project, run))
        if progress is not None:
            progress(number + 1, len(runs))
    return compare(runs, held_out=hashes, reports=reports)


def _held_out(project: Project, run: RunFolder) -> str:
    """What stands for the labels that a run was evaluated on; empty where that cannot be told."""
    try:
        return labels_of_run(project, run).held_out_hash
    except DataError:
        return ""
