"""What there is to show, as a list to choose from, and the opening of what was chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.curation.sources import DetectionSource, RunSource, run_title
from core.errors import DataError
from core.project.predictions import RunPredictions
from core.project.runs.folder import find_run, runs_of

if TYPE_CHECKING:
    from core.curation.sources import FrameSource
    from core.project import Project
    from core.project.runs.folder import RunFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChoice:
    """Something that can be shown, for a chooser.

    Attributes:
        run: id of the run; None = the imported detections.
        round: of the run; None = the newest answer for every frame.
        title: to show.
        detail: when and from what, in words.
        is_empty: whether nothing but labels stands in it.
    """

    run: str | None
    round: int | None
    title: str
    detail: str
    is_empty: bool = False


def source_choices(project: Project) -> tuple[SourceChoice, ...]:
    """The detections, then the runs that have predictions, the newest first, and their rounds.

    Runs that cannot be read, or were made for other cameras or joints, are left out.
    """
    entry = project.spec.detections
    detail = "no detections were imported" if entry is None else entry.provenance
    detections = SourceChoice(
        run=None, round=None, title="Detections", detail=detail, is_empty=entry is None
    )
    found = [detections]
    for run in reversed(runs_of(project)):
        try:
            found += _choices_of(project, run)
        except (DataError, OSError):
            continue
    return tuple(found)


def _choices_of(project: Project, run: RunFolder) -> list[SourceChoice]:
    with RunPredictions(run) as predictions:
        states = [
            state
            for state in predictions.rounds
            if state.header.cameras == tuple(project.rig.names)
            and state.header.joints == tuple(project.skeleton.joints)
        ]
    if not states:
        return []
    newest = SourceChoice(
        run=run.id,
        round=None,
        title=run_title(run, None),
        detail=f"run {run.id}: of every frame the newest round that has it",
    )
    rounds = [
        SourceChoice(
            run=run.id,
            round=state.header.round,
            title=run_title(run, state.header.round),
            detail=(
                f"run {run.id}: {state.header.stage}, step {state.header.step:,}, "
                f"{state.num_moments:,} frames"
            ),
        )
        for state in reversed(states)
    ]
    return [newest, *rounds] if len(rounds) > 1 else [newest]


def open_source(project: Project, choice: SourceChoice) -> FrameSource:
    """What was chosen.

    Raises:
        DataError: the run is gone, or its predictions do not fit the project.
    """
    if choice.run is None:
        return DetectionSource(project)
    return RunSource(project, find_run(project, choice.run), choice.round)


def open_over(project: Project, run: RunFolder, shown: FrameSource) -> RunSource:
    """A run's newest predictions, and what was shown so far wherever it has none yet.

    Args:
        project: whose run it is.
        run: with predictions; it may still predict.
        shown: is opened anew, and stays open.

    Raises:
        DataError: the run has no predictions, or they do not fit the project.
    """
    below = _opened_again(project, shown)
    if isinstance(below, RunSource) and below.name == run.id:
        below.close()
        below = _opened_again(project, below.over) if below.over else DetectionSource(project)
    try:
        return RunSource(project, run, over=below)
    except BaseException:
        below.close()
        raise


def _opened_again(project: Project, source: FrameSource) -> FrameSource:
    """The same once more; without what lies below it where that has nothing more to say."""
    if not isinstance(source, RunSource):
        return DetectionSource(project)
    over = None
    if source.over is not None and len(np.setdiff1d(source.over.frames(), source.frames())):
        over = _opened_again(project, source.over)
    return RunSource(project, source.run, source.round, over=over)
