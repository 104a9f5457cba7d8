"""What the run manager reads and does, away from the window's thread; no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.project.runs.about import read_about
from core.project.runs.managing import removable_checkpoints, size_of, sweep_trash
from core.project.runs.managing.weights import has_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from core.project.runs.folder import RunFolder
    from core.project.runs.managing import RunSize


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What is read of a run on a thread: its size, what can be freed of it, its note."""

    size: RunSize
    removable: int
    note: str
    problem: str
    has_weights: bool


def read_details(
    project_dir: Path, runs: Sequence[RunFolder], progress: Callable[[int, int], bool]
) -> dict[str, Details]:
    """Sizes and notes by run; those that vanish meanwhile are left out."""
    sweep_trash(project_dir)
    found: dict[str, Details] = {}
    for number, run in enumerate(runs):
        if not progress(number, len(runs)):
            break
        if not run.path.is_dir():
            continue
        about = read_about(run.path)
        found[run.id] = Details(
            size=size_of(run),
            removable=removable_checkpoints(run)[1],
            note=about.note,
            problem=about.problem,
            has_weights=has_weights(run),
        )
    return found
