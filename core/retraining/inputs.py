"""All that a Retrain would use, told before it begins: for its dialog and for ``--dry-run``.

The data is opened exactly as the trainer opens it, so the numbers are those that the run will say
when it starts. One thing may come in between: an edit made before the run takes its snapshot.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import CommandRefusedError, DataError
from core.learning.data import open_data, read_protocol
from core.learning.data.selection import note_of_test_people
from core.project.runs.config import DataOptions
from core.project.runs.folder import RUNS_FOLDER, runs_of
from core.retraining.learning_curve import complete_runs, newest_metric
from core.retraining.used import UsedLabels, labels_of_run, used_labels

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.project import Project
    from core.project.runs.config import TrainConfig
    from core.project.runs.folder import RunFolder

    Progress = Callable[[int, int], bool]

DETECTOR_FILE = "detector.pt"
"""What a run exports; `core.models.weights_files` says so, too, but brings torch along."""
_FEW_FRAMES = 5
_STEPS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsChoice:
    """Something that a training can start from.

    Attributes:
        value: for ``model.weights``.
        title: to show.
        detail: what it is, with its error where one is known.
        exists: whether it is there; what is not there cannot be started from.
        error_mm: multi-view error on that run's held-out groups; NaN = not known.
    """

    value: str
    title: str
    detail: str
    exists: bool
    error_mm: float = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainInputs:
    """What a Retrain of this project by this configuration would use.

    Attributes:
        name: of the data and the protocol.
        used: labels and unlabelled frames, counted and hashed.
        test_people: those whom nothing is learned from; empty = the last labelled frames are held
            out instead, or nothing.
        weights: what it could start from, newest run first.
        start: the one of them that the configuration names.
        same_labels_as: id of the newest complete run that learned from exactly these labels; empty
            where none did.
        notes: what every report of this training will say.
        further_notes: those of them that say more than the figures and people here do.
        warnings: what is wanting, in words; none of them forbids to start.
    """

    name: str
    used: UsedLabels
    test_people: tuple[int, ...]
    weights: tuple[WeightsChoice, ...]
    start: WeightsChoice
    same_labels_as: str
    notes: tuple[str, ...]
    further_notes: tuple[str, ...]
    warnings: tuple[str, ...]


def retrain_inputs(
    project: Project, config: TrainConfig, progress: Progress | None = None
) -> RetrainInputs:
    """What a training of the project would use, were it started now.

    Takes a third of a second for a short match. Of 67,000 frames with 600,000 labels it takes half
    a minute, and longer where every frame is an unlabelled one: do it in a job.

    Args:
        project: open; its labels as they are.
        config: of the training.
        progress: told (done, total) steps; where it says no, this ends.

    Raises:
        DataError: the data cannot be opened as the configuration says, or there is nothing at all
            to learn from.
        CommandRefusedError: `progress` said no.
    """
    go_on = _asking(progress)
    go_on(0)
    with open_data(config.data, project_dir=project.path, seed=config.run.seed) as data:
        go_on(1)
        used, name, notes = used_labels(data), data.name, data.notes
    go_on(2)
    weights = weights_choices(project, config)
    same = _same_labels(project, config, used)
    go_on(_STEPS)
    test_people = _test_people(project, config)
    return RetrainInputs(
        name=name,
        used=used,
        test_people=test_people,
        weights=weights,
        start=next(one for one in weights if one.value == config.model.weights),
        same_labels_as=same,
        notes=notes,
        further_notes=_further(notes, test_people),
        warnings=_warnings(config, used, same),
    )


def weights_choices(project: Project, config: TrainConfig) -> tuple[WeightsChoice, ...]:
    """What a training of the project could start from; what the configuration names is among it."""
    found = [
        WeightsChoice(
            value="demo",
            title="Demo weights",
            detail="The small detector that comes with trilabel, learned on drawn people.",
            exists=True,
        ),
        *(
            _choice_of(run)
            for run in reversed(runs_of(project))
            if (run.path / DETECTOR_FILE).is_file()
        ),
        WeightsChoice(
            value="none", title="Nothing", detail="Networks that know nothing yet.", exists=True
        ),
    ]
    named = config.model.weights
    if all(one.value != named for one in found):
        found.insert(1, _named(project, named))
    return tuple(found)


def _choice_of(run: RunFolder) -> WeightsChoice:
    """A run of the project with its error; one that cannot be read tells so."""
    try:
        state, name = run.state(), run.name
    except DataError as error:
        return WeightsChoice(value=run.id, title=run.id, detail=str(error), exists=False)
    error_mm = newest_metric(state, "mv_mpjpe")
    told = f"{error_mm:.0f} mm on its held-out poses" if math.isfinite(error_mm) else "no error"
    return WeightsChoice(
        value=run.id,
        title=name,
        detail=f"Run {run.id}: {told}.",
        exists=True,
        error_mm=error_mm,
    )


def _named(project: Project, named: str) -> WeightsChoice:
    """A file, a run's folder, or a run of the project that has exported nothing yet."""
    if not named:
        return WeightsChoice(value="", title="Nothing", detail="Networks anew.", exists=True)
    places = [Path(named), Path(named) / DETECTOR_FILE]
    places.append(project.path / RUNS_FOLDER / named / DETECTOR_FILE)
    there = next((place for place in places if place.is_file()), None)
    return WeightsChoice(
        value=named,
        title=Path(named).name,
        detail=str(there) if there else f"{named} is no file, and no run with a detector.",
        exists=there is not None,
    )


def _test_people(project: Project, config: TrainConfig) -> tuple[int, ...]:
    people = read_protocol(config.data.protocol).held_out.people
    if not people and not config.data.source:
        people = tuple(project.split("test"))
    return tuple(sorted(people))


def _further(notes: tuple[str, ...], test_people: tuple[int, ...]) -> tuple[str, ...]:
    said = {read_protocol(DataOptions().protocol).title, note_of_test_people(test_people)}
    return tuple(note for note in notes if note not in said)


def _same_labels(project: Project, config: TrainConfig, used: UsedLabels) -> str:
    """The newest complete run by the same protocol, where it learned from exactly these labels."""
    for run in reversed(complete_runs(project)):
        if replace(run.config.data, workers=0) != replace(config.data, workers=0):
            continue
        try:
            learned = labels_of_run(project, run)
        except DataError:  # a run that cannot be read is told of in the list of runs
            continue
        return run.id if learned.content_hash == used.content_hash else ""
    return ""


def _warnings(config: TrainConfig, used: UsedLabels, same: str) -> tuple[str, ...]:
    stages = config.run.stages
    found: list[str] = []
    # Labels and accepted points may be of other frames; of several recordings it is not told.
    frames = len(used.frames) or max(used.hand_frames, used.accepted_frames)
    if not used.labelled_groups:
        found.append("Nothing is labelled that may be learned from: label somebody first.")
    elif frames < _FEW_FRAMES:
        noun = "frame is" if frames == 1 else "frames are"
        found.append(f"Only {frames} labelled {noun} learned from; a few more say much more.")
    if not used.held_out_groups:
        found.append("No labels are kept for evaluation: no error can be told.")
    if not used.unlabelled_groups and "finetune" in stages:
        found.append("There are no unlabelled poses: fine-tuning learns from the labels alone.")
    if same:
        found.append(f"Run {same} learned from exactly these labels already.")
    return tuple(found)


def _asking(progress: Progress | None) -> Callable[[int], None]:
    def go_on(done: int) -> None:
        if progress is not None and not progress(done, _STEPS):
            raise CommandRefusedError("Looking at the labels was broken off.")

    return go_on
