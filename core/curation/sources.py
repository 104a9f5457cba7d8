"""Where the shown observations come from: the imported detections, or what a run predicted.

A source answers as a project does (frames, blocks, persons, a key that changes with its data), so
that views, diagnosis, summary and curation need not know which one is shown. In every source the
labels that people put lie on top: no network's point ever hides one.

Trap: a run's own triangulation was made with the run's settings; what the window shows is made
anew from its 2D points under the window's settings. `RunSource.own` has the former.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from core.diagnosis.summary import SummarySource
from core.errors import DataError
from core.observations import FrameObservations, Source
from core.project import ObservationsBlock
from core.project.predictions import RunPredictions

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from core.geometry import Rig
    from core.project import Project
    from core.project.predictions import FramePredictions, PredictionRows
    from core.project.runs.folder import RunFolder
    from core.skeleton import Skeleton

_OTHER_RESIDUAL = math.log(1.5)
DETECTIONS = "detections"
"""The name of the imported detections as a source; a run's name is its id."""


class FrameSource(SummarySource, Protocol):
    """Observations of a recording by frame or by block, with a name to tell it by."""

    @property
    def name(self) -> str:
        """``detections``, or the id of a run; stands in the provenance of what is accepted."""
        ...

    @property
    def round(self) -> int | None:
        """The run's round that is shown; None = the newest answer for every frame, or no run."""
        ...

    @property
    def title(self) -> str:
        """To show."""
        ...

    @property
    def problem(self) -> str:
        """What could not be read so far, in words; its frames are shown without it. Or empty."""
        ...

    @property
    def data_key(self) -> str:
        """Changes whenever observations or cameras do."""
        ...

    def observations(self, frame: int) -> FrameObservations:
        """Everything seen at one frame, labels on top."""
        ...

    def observations_block(self, start: int, stop: int) -> ObservationsBlock:
        """The same of the frames start…stop-1 as arrays; at least one frame."""
        ...

    def frames(self) -> NDArray[np.int64]:
        """The frames that the source says something about, ascending."""
        ...

    def origin(self, frame: int) -> tuple[int | None, str]:
        """The run's round that answers a frame, and a hash of its weights; None and "" if none."""
        ...

    def changed_rows(self) -> NDArray[np.int64]:
        """(K, 2) frame and person that the newest round tells otherwise than the one before."""
        ...

    def cache_path(self, key: str, suffix: str = ".h5") -> Path:
        """A file for what can be computed again; see `core.project.Project.cache_path`."""
        ...

    def close(self) -> None:
        """Let go of files; twice does nothing."""
        ...


class DetectionSource:
    """The project as it stands: labels over imported detections."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self.name = DETECTIONS
        self.title = "Detections"
        self.problem = ""
        self.round: int | None = None
        self.rig: Rig = project.rig
        self.skeleton: Skeleton = project.skeleton
        self.num_frames: int = project.num_frames

    @property
    def persons(self) -> tuple[int, ...]:
        """All person ids, ascending."""
        return self._project.persons

    @property
    def data_key(self) -> str:
        """Changes whenever observations or cameras do."""
        return self._project.data_key

    def observations(self, frame: int) -> FrameObservations:
        """Everything seen at one frame."""
        return self._project.observations(frame)

    def observations_block(self, start: int, stop: int) -> ObservationsBlock:
        """The same of the frames start…stop-1 as arrays."""
        return self._project.observations_block(start, stop)

    def muted_between(self, start: int, stop: int, persons: tuple[int, ...]) -> NDArray[np.bool_]:
        """(F, P, C, J) which observations of these persons somebody took out."""
        return self._project.muted_between(start, stop, persons)

    def frames(self) -> NDArray[np.int64]:
        """Frames with a detection or a label."""
        return self._project.observed_frames()

    def labelled_frames(self) -> NDArray[np.int64]:
        """Frames with a label, ascending."""
        return self._project.labelled_frames()

    def changed_rows(self) -> NDArray[np.int64]:
        """None: there are no rounds."""
        return np.zeros((0, 2), dtype=np.int64)

    def origin(self, frame: int) -> tuple[int | None, str]:
        """Of no run."""
        del frame
        return None, ""

    def cache_path(self, key: str, suffix: str = ".h5") -> Path:
        """See `core.project.Project.cache_path`."""
        return self._project.cache_path(key, suffix)

    def close(self) -> None:
        """Nothing: the project is not this source's."""


class RunSource:
    """What a run predicted in 2D, with the project's labels on top; close it when done.

    Frames that the run has not predicted show labels only, never the imported detections.
    """

    def __init__(self, project: Project, run: RunFolder, round_number: int | None = None) -> None:
        """Open the predictions of a run.

        Args:
            project: whose run it is.
            run: the run.
            round_number: a certain round; None = the newest answer for every frame.

        Raises:
            DataError: the run has no predictions, not that round, or other cameras or joints than
                the project.
        """
        self._project = project
        self.run = run
        self.name = run.id
        self.round = round_number
        self.predictions = RunPredictions(run)
        self.rig: Rig = project.rig
        self.skeleton: Skeleton = project.skeleton
        self.num_frames: int = project.num_frames
        self.problem = ""
        self._rounds = 0, 0
        try:
            self._check(project)
            self.refresh()
        except BaseException:
            self.predictions.close()
            raise

    @property
    def title(self) -> str:
        """To show, such as ``quick 14:05 · round 12``."""
        return run_title(self.run, self.round)

    @property
    def persons(self) -> tuple[int, ...]:
        """All person ids of the project and of the predictions, ascending."""
        return tuple(sorted({*self._project.persons, *self._predicted_persons}))

    @property
    def data_key(self) -> str:
        """Changes whenever the project's observations or the predictions do."""
        text = repr((self._project.data_key, self.name, self.round, self._rounds))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def refresh(self) -> bool:
        """Take in what the run has predicted since; whether there was anything."""
        self.predictions.refresh()
        found = self.predictions.rounds
        rounds = len(found), sum(state.num_moments for state in found)
        if rounds == self._rounds:
            return False
        self._rounds = rounds
        aggregates = self.predictions.aggregates(self.round)
        self._predicted_persons: list[int] = (
            [] if aggregates is None else np.unique(aggregates.persons).tolist()
        )
        moments = self.predictions.moments(self.round)
        frames = moments[moments[:, 0] == 0, 1]
        self._frames: NDArray[np.int64] = frames[frames < self.num_frames]
        return True

    def own(self, frame: int) -> FramePredictions | None:
        """The run's own 2D points, weights and triangulation; None where it has not predicted."""
        try:
            return self.predictions.at(frame, round_number=self.round)
        except DataError as error:  # a damaged file: its frames have no predictions
            self.problem = str(error)
            return None

    def observations(self, frame: int) -> FrameObservations:
        """The run's points as network observations, labels on top; it knows no bystanders."""
        base = self._project.observations(frame)
        found = self.own(frame)
        rows = None if found is None else found.rows
        predicted = [] if rows is None else rows.persons.tolist()
        persons = tuple(sorted({*base.persons, *predicted}))
        kept = np.searchsorted(persons, np.array(base.persons, dtype=np.int64))
        grown = {
            name: _grown(getattr(base, name), kept, len(persons), empty)
            for name, empty in (
                ("points_px", np.nan),
                ("confidence", np.nan),
                ("source", Source.NONE),
                ("boxes_px", np.nan),
                ("ground_mm", np.nan),
            )
        }
        if rows is not None:
            _lay_under(grown, np.searchsorted(persons, rows.persons), rows)
        else:
            _lay_under(grown, np.zeros(0, dtype=np.int64), None)
        return replace(base, persons=persons, unmatched=(), **grown)

    def observations_block(self, start: int, stop: int) -> ObservationsBlock:
        """The same of the frames start…stop-1 as arrays."""
        base = self._project.observations_block(start, stop)
        stop = base.stop
        frames = self._frames[np.searchsorted(self._frames, start) :]
        frames = frames[: np.searchsorted(frames, stop)]
        rows = self.predictions.rows(((0, f) for f in frames.tolist()), self.round)
        predicted = [] if rows is None else rows.persons.tolist()
        persons = tuple(sorted({*base.persons, *predicted}))
        kept = np.searchsorted(persons, np.array(base.persons, dtype=np.int64))
        whole: dict[str, Any] = {
            name: _grown(getattr(base, name).swapaxes(0, 1), kept, len(persons), empty)
            for name, empty in (
                ("points_px", np.nan),
                ("confidence", np.nan),
                ("source", Source.NONE),
                ("present", False),
            )
        }
        place = None
        if rows is not None:
            place = np.searchsorted(persons, rows.persons), rows.frames - start
            whole["present"][place] = True
        _lay_under(whole, place, rows)
        return ObservationsBlock(
            start=start,
            persons=persons,
            **{name: np.ascontiguousarray(v.swapaxes(0, 1)) for name, v in whole.items()},
        )

    def muted_between(self, start: int, stop: int, persons: tuple[int, ...]) -> NDArray[np.bool_]:
        """(F, P, C, J) which observations of these persons somebody took out."""
        return self._project.muted_between(start, stop, persons)

    def frames(self) -> NDArray[np.int64]:
        """The frames that the run has predicted, or the round."""
        return self._frames

    def labelled_frames(self) -> NDArray[np.int64]:
        """Frames with a label, ascending."""
        return self._project.labelled_frames()

    def changed_rows(self) -> NDArray[np.int64]:
        """(K, 2) frame and person that the newest round tells otherwise than the one before.

        By what the rounds' indices say: another share of joints kept, or a worst leave-one-out
        residual that is half as large again, or less than two thirds. The rows are not read.
        """
        numbers = [state.header.round for state in self.predictions.rounds]
        if self.round is not None:
            numbers = [number for number in numbers if number <= self.round]
        if len(numbers) < 2:
            return np.zeros((0, 2), dtype=np.int64)
        before, after = (self.predictions.aggregates(number) for number in numbers[-2:])
        if before is None or after is None:
            return np.zeros((0, 2), dtype=np.int64)
        first, second = ((rows.frames << 32) | rows.persons for rows in (before, after))
        _, old, new = np.intersect1d(first, second, return_indices=True)
        was, now = before.worst_residual_px[old], after.worst_residual_px[new]
        with np.errstate(divide="ignore", invalid="ignore"):
            is_other = np.abs(np.log(now / was)) > _OTHER_RESIDUAL
        is_other |= np.isfinite(was) != np.isfinite(now)
        is_other |= before.kept_share[old] != after.kept_share[new]
        return np.stack([after.frames[new], after.persons[new]], axis=1)[is_other]

    def origin(self, frame: int) -> tuple[int | None, str]:
        """The round that answers a frame, and the key that changes with its weights."""
        found = self.own(frame)
        return (None, "") if found is None else (found.header.round, found.header.key)

    def cache_path(self, key: str, suffix: str = ".h5") -> Path:
        """See `core.project.Project.cache_path`."""
        return self._project.cache_path(key, suffix)

    def close(self) -> None:
        """Close the files of predictions."""
        self.predictions.close()

    def _check(self, project: Project) -> None:
        states = self.predictions.rounds
        if self.round is not None:
            states = tuple(state for state in states if state.header.round == self.round)
        if not states:
            what = "predictions" if self.round is None else f"a round {self.round}"
            raise DataError(
                self.run.path,
                expected=f"a run with {what}",
                found="none yet",
                remedy=f"Run: trilabel predict {project.path.name} --run {self.run.id}",
            )
        for field, ours, theirs in (
            ("cameras", project.rig.names, states[-1].header.cameras),
            ("joints", project.skeleton.joints, states[-1].header.joints),
        ):
            if tuple(ours) != tuple(theirs):
                raise DataError(
                    self.run.path,
                    field,
                    expected=f"those of the project: {', '.join(ours)}",
                    found=", ".join(theirs),
                    remedy="Train again: this run was made before the project was changed.",
                )


def run_title(run: RunFolder, round_number: int | None) -> str:
    """A run's name with its time, for several runs may have one name."""
    when = datetime.fromisoformat(run.created).astimezone()
    which = "newest" if round_number is None else f"round {round_number}"
    return f"{run.name} {when:%H:%M} · {which}"


def _grown(values: Any, rows: NDArray[np.integer], num: int, empty: Any) -> Any:  # noqa: ANN401
    """The values (P, …) with rows of nothing put in for persons who come in addition."""
    whole = np.full((num, *values.shape[1:]), empty, dtype=values.dtype)
    whole[rows] = values
    return whole


def _lay_under(values: dict[str, Any], place: Any, rows: PredictionRows | None) -> None:  # noqa: ANN401
    """Put predictions where nobody has labelled, and nothing where there are none."""
    labelled = values["source"] > Source.NETWORK
    under = {
        name: np.full_like(values[name], empty)
        for name, empty in (
            ("points_px", np.nan),
            ("confidence", np.nan),
            ("source", Source.NONE),
        )
    }
    if rows is not None:
        seen = np.isfinite(rows.points_px).all(axis=-1)
        under["points_px"][place] = rows.points_px
        under["confidence"][place] = rows.confidence
        under["source"][place] = np.where(seen, Source.NETWORK, Source.NONE)
    for name, found in under.items():
        mask = labelled[..., None] if name == "points_px" else labelled
        values[name] = np.where(mask, values[name], found)
