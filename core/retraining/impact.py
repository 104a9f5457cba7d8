"""What changed from one run to the next: labels, pseudo-labels, held-out errors.

The sentence says what changed beside what, never because of what: a longer training, other
unlabelled frames or another seed move pseudo-labels, too. What else was set otherwise is told.
"""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.curation.round_diff import DEFAULT_MIN_MM, Tally, diff_points
from core.curation.sources import RunSource
from core.errors import CommandRefusedError, DataError
from core.project.runs.config_io import changed_options, value_of
from core.retraining.fresh import changes_between
from core.retraining.learning_curve import complete_runs, run_figures
from core.retraining.used import labels_of_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from core.project import Project
    from core.project.runs.folder import RunFolder
    from core.project.runs.option_rows import OptionValue
    from core.project.runs.states import RunState
    from core.retraining.fresh import Since
    from core.retraining.learning_curve import RunFigures
    from core.settings import TriangulationSettings

    Progress = Callable[[int, int], bool]

_ASIDE = frozenset({"data.workers", "data.cache_gb", "predict.block", "predict.batch"})
"""Options that change how a run works, not what it learns; so do those of [run], but the seed."""

_TOLD = 3  # options, in a sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class PseudoChange:
    """How the pseudo-labels of the final rounds differ, under the settings of the comparison.

    Joints that people placed are none of them: their labels lie on both sides, so that they cannot
    move (`placed_by_hand`).

    Attributes:
        moved: joints kept on both sides, farther apart than the threshold.
        newly_kept: joints kept only after.
        newly_discarded: joints kept only before.
        compared: joints kept on either side.
        frames: frames that both rounds predicted; only these are compared.
        threshold_mm: what counts as moved.
    """

    moved: int
    newly_kept: int
    newly_discarded: int
    compared: int
    frames: int
    threshold_mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorChange:
    """Held-out errors of both runs.

    Attributes:
        before: of the run before.
        after: of the run.
        note: why they must not be compared; empty where they may.
    """

    before: RunFigures
    after: RunFigures
    note: str

    @property
    def is_same(self) -> bool:
        """Whether both were measured on exactly the same held-out labels."""
        return not self.note


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """What changed from one run to the next.

    Attributes:
        before: id of the run before.
        after: id of the run.
        fixes: labels and reviews that are other in the later run's snapshot.
        pseudo: how the pseudo-labels differ; None where one side has no predictions.
        pseudo_note: why there is none; empty where there is.
        errors: held-out errors.
        other_options: options that are set otherwise, as ``key: before → after``.
    """

    before: str
    after: str
    fixes: Since
    pseudo: PseudoChange | None
    pseudo_note: str
    errors: ErrorChange
    other_options: tuple[str, ...]

    @property
    def changes(self) -> str:
        """What changed, in a sentence."""
        parts = [_fixes_text(self.fixes), self._pseudo_text(), self._errors_text()]
        return "; ".join(part for part in parts if part) + "."

    @property
    def sentence(self) -> str:
        """What changed, and in a second sentence what else was set otherwise."""
        text = self.changes
        if self.other_options:
            told, left = self.other_options[:_TOLD], len(self.other_options) - _TOLD
            more = f" and {left} more options" if left > 0 else ""
            text += f" Also set otherwise: {', '.join(told)}{more}."
        return text

    def _pseudo_text(self) -> str:
        found = self.pseudo
        if found is None:
            return self.pseudo_note
        more = "".join(
            f", {count:,} {what}"
            for count, what in (
                (found.newly_kept, "newly kept"),
                (found.newly_discarded, "newly discarded"),
            )
            if count
        )
        return (
            f"{found.moved:,} of {found.compared:,} pseudo-labels (joints that no hand placed) in "
            f"{_frames(found.frames)} moved more than {found.threshold_mm:g} mm{more}"
        )

    def _errors_text(self) -> str:
        before, after = self.errors.before, self.errors.after
        if not self.errors.is_same:
            return self.errors.note
        told = [
            f"{way} {was:.0f} → {now:.0f} mm"
            for way, was, now in (
                ("multi-view", before.mv_mpjpe, after.mv_mpjpe),
                ("single-view", before.sv_mpjpe, after.sv_mpjpe),
            )
            if math.isfinite(was) and math.isfinite(now)
        ]
        return f"held-out MPJPE {', '.join(told)}"


def correction_impact(
    project: Project,
    before_run: RunFolder,
    after_run: RunFolder,
    *,
    threshold_mm: float = DEFAULT_MIN_MM,
    settings: TriangulationSettings | None = None,
    progress: Progress | None = None,
) -> Impact:
    """What changed from one run of a project to a later one.

    Both final rounds are triangulated anew, so this takes about as long as a summary of the
    recording: do it in a job.

    Args:
        project: open.
        before_run: complete.
        after_run: complete, and later.
        threshold_mm: pseudo-labels that moved farther are counted.
        settings: how both sides are triangulated; None = as the project has them on disk, which a
            window's may differ from.
        progress: told (done, total) frames; where it says no, this ends.

    Raises:
        DataError: a run cannot be read, or has no snapshot of labels.
        CommandRefusedError: `progress` said no.
    """
    fixes = changes_between(project, before_run, after_run)
    pseudo, pseudo_note = _pseudo_change(
        project, before_run, after_run, threshold_mm, settings or project.settings, progress
    )
    return Impact(
        before=before_run.id,
        after=after_run.id,
        fixes=fixes,
        pseudo=pseudo,
        pseudo_note=pseudo_note,
        errors=_error_change(project, before_run, after_run),
        other_options=other_options(before_run, after_run),
    )


def own_gain(state: RunState) -> str:
    """A training's own course in a sentence: its first error beside its last of the detector.

    Empty where it did not measure what it began with, or not the same number of poses at its end.
    """
    told = [one for one in state.evaluations if one.stage in ("pretrain", "finetune")]
    if not told or told[0].step or told[0].metrics.get("poses") != told[-1].metrics.get("poses"):
        return ""
    was, now = (one.metrics.get("mv_mpjpe", math.nan) for one in (told[0], told[-1]))
    if len(told) < 2 or not (math.isfinite(was) and math.isfinite(now)):
        return ""
    return f"Held-out MPJPE, multi-view: {was:.0f} mm with what it began with, {now:.0f} mm now."


def run_before(project: Project, run: RunFolder) -> RunFolder | None:
    """The newest complete training of the project that is older than this run; None = none."""
    older = [one for one in complete_runs(project) if one.created < run.created]
    return older[-1] if older else None


def other_options(before: RunFolder, after: RunFolder) -> tuple[str, ...]:
    """What was set otherwise and bears upon what is learned, as ``key: before → after``.

    Raises:
        DataError: a configuration cannot be read.
    """
    return tuple(
        f"{row.key}: {_shown(value_of(before.config, row))} → {_shown(value)}"
        for row, value in changed_options(after.config, before.config)
        if row.key not in _ASIDE and (row.section != "run" or row.name == "seed")
    )


def final_round(source: RunSource) -> int | None:
    """The newest complete round of all frames; None = none, take the newest of each frame."""
    states = source.predictions.rounds
    whole = [s.header.round for s in states if s.finished and s.header.scope == "all"]
    return whole[-1] if whole else None


def _pseudo_change(
    project: Project,
    before: RunFolder,
    after: RunFolder,
    threshold_mm: float,
    settings: TriangulationSettings,
    progress: Progress | None,
) -> tuple[PseudoChange | None, str]:
    with ExitStack() as held:
        sources: list[RunSource] = []
        for run in (before, after):
            try:
                sources.append(_final(project, run))
            except DataError:
                return None, f"run {run.id} has no predictions of this project's cameras and joints"
            held.callback(sources[-1].close)
        diff = diff_points(project, sources[0], sources[1], settings, progress)
    if diff is None:
        raise CommandRefusedError("The comparison of the runs was broken off.")
    if not len(diff.frames):
        return None, "the two runs predicted no frame in common"
    num_joints = project.skeleton.num_joints
    compared = diff.seen & ~placed_by_hand(project, diff.frames, diff.persons, num_joints)
    tally = Tally.of(diff.verdicts(threshold_mm)[compared])
    change = PseudoChange(
        moved=tally.moved,
        newly_kept=tally.newly_kept,
        newly_discarded=tally.newly_discarded,
        compared=tally.num_joints - tally.never_kept,
        frames=len(diff.frames),
        threshold_mm=threshold_mm,
    )
    return change, ""


def placed_by_hand(
    project: Project, frames: NDArray[np.int64], persons: tuple[int, ...], num_joints: int
) -> NDArray[np.bool_]:
    """(F, P, J) which joints people placed, in any view or in space; imported labels count, too.

    Args:
        project: whose labels lie on both sides.
        frames: (F,) ascending.
        persons: P ids, ascending.
        num_joints: J.
    """
    placed = np.zeros((len(frames), len(persons), num_joints), dtype=np.bool_)
    if not placed.size:
        return placed
    start, stop = int(frames[0]), int(frames[-1]) + 1
    labels = project.labels.labels_between(start, stop)
    in_view = np.isfinite(labels.points_px).all(axis=1)
    in_space, _ = project.labels.points_between(start, stop)
    keys = np.concatenate([labels.keys[in_view][:, [0, 2, 3]], in_space])
    keys = keys[np.isin(keys[:, 0], frames) & np.isin(keys[:, 1], persons)]
    rows = np.searchsorted(frames, keys[:, 0]), np.searchsorted(persons, keys[:, 1])
    placed[*rows, keys[:, 2]] = True
    return placed


def _final(project: Project, run: RunFolder) -> RunSource:
    source = RunSource(project, run)
    number = final_round(source)
    if number is None:
        return source
    source.close()
    return RunSource(project, run, number)


def _error_change(project: Project, before: RunFolder, after: RunFolder) -> ErrorChange:
    was, now = run_figures(project, before), run_figures(project, after)
    return ErrorChange(before=was, after=now, note=_why_not(project, before, after, was, now))


def _why_not(
    project: Project, before: RunFolder, after: RunFolder, was: RunFigures, now: RunFigures
) -> str:
    """Why two errors must not be compared; empty where they may."""
    measured = [math.isfinite(one.mv_mpjpe) for one in (was, now)]
    if not all(measured):
        return f"{'only one' if any(measured) else 'neither'} of the runs was measured"
    held = [labels_of_run(project, run).held_out_hash for run in (before, after)]
    if held[0] != held[1] or was.num_poses != now.num_poses:
        return (
            f"the errors ({was.mv_mpjpe:.0f} and {now.mv_mpjpe:.0f} mm) are of other held-out "
            "labels and cannot be compared"
        )
    return ""


def _fixes_text(fixes: Since) -> str:
    """What people did between the two snapshots."""
    if not fixes:
        return "No label was changed between the two runs"
    return f"{fixes.text} in {_frames(len(fixes.frames))} since the run before"


def _frames(number: int) -> str:
    return "1 frame" if number == 1 else f"{number:,} frames"


def _shown(value: OptionValue) -> str:
    return (",".join(value) if isinstance(value, tuple) else str(value)) or "none"
