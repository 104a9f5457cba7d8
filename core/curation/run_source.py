"""A run's predictions as a source: its newest points, or those of one round, labels on top.

Trap: a run's own triangulation was made with the run's settings; what the window shows is made
anew from its 2D points under the window's settings. `RunSource.own` has the former.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import DataError
from core.observations import FrameObservations, Source
from core.project import ObservationsBlock
from core.project.predictions import RunPredictions

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from core.curation.sources import FrameSource
    from core.geometry import Rig
    from core.project import Project
    from core.project.predictions import FramePredictions, News, PredictionRows
    from core.project.runs.folder import RunFolder
    from core.skeleton import Skeleton

_OTHER_RESIDUAL = math.log(1.5)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Contents:
    """What a run source knows of its run without reading a frame.

    Attributes:
        size: number of rounds, and of their frames together; grows with each file.
        persons: whom the predictions are about, ascending.
        frames: those predicted, ascending.
    """

    size: tuple[int, int]
    persons: tuple[int, ...]
    frames: NDArray[np.int64]


class RunSource:
    """What a run predicted in 2D, with the project's labels on top; close it when done.

    Frames that the run has not predicted show labels only, never the imported detections, unless it
    was laid over another source: then that one answers them, so that somebody who follows a
    training goes on working wherever it has not been yet.

    A training predicts on: `look` reads what it has announced since, on any thread, and `take`
    answers with it from then on.
    """

    def __init__(
        self,
        project: Project,
        run: RunFolder,
        round_number: int | None = None,
        *,
        over: FrameSource | None = None,
        predictions: RunPredictions | None = None,
    ) -> None:
        """Open the predictions of a run.

        Args:
            project: whose run it is.
            run: the run.
            round_number: a certain round; None = the newest answer for every frame.
            over: answers the frames that the run has not predicted; it is this source's from now
                on, and closed with it.
            predictions: of the run, where they are open already; closed with it, too.

        Raises:
            DataError: the run has no predictions, not that round, or other cameras or joints than
                the project.
        """
        self._project = project
        self.run = run
        self.name = run.id
        self.round = round_number
        self.predictions = predictions or RunPredictions(run)
        self.rig: Rig = project.rig
        self.skeleton: Skeleton = project.skeleton
        self.num_frames: int = project.num_frames
        self.problem = ""
        self.over = over
        try:
            self._check(project)
            self._taken = self._contents()
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
        under = () if self.over is None else self.over.persons
        return tuple(sorted({*self._project.persons, *self._taken.persons, *under}))

    @property
    def data_key(self) -> str:
        """Changes whenever the project's observations or the predictions do."""
        under = "" if self.over is None else self.over.data_key
        text = repr((self._project.data_key, self.name, self.round, self._taken.size, under))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def refresh(self) -> bool:
        """Take in what the run has predicted since; whether there was anything."""
        return bool(len(self.take(self.look())))

    def look(self) -> News:
        """Read what the run has announced since, and change nothing yet; safe on any thread.

        Raises:
            DataError: where its events cannot be read.
        """
        return self.predictions.look()

    def take(self, news: News) -> NDArray[np.int64]:
        """Answer with what was read from now on; a millisecond or two in a long recording.

        Returns:
            the frames whose answer is another now, ascending.
        """
        moments = self.predictions.take(news)
        if not len(moments):
            return np.zeros(0, dtype=np.int64)
        before, self._taken = self._taken, self._contents()
        frames = moments[moments[:, 0] == 0, 1]
        if self.round is not None:  # what other rounds say is nothing new
            frames = np.setdiff1d(self._taken.frames, before.frames)
        return frames[frames < self.num_frames]

    def _contents(self) -> _Contents:
        states = self.predictions.rounds
        if self.round is not None:
            states = tuple(state for state in states if state.header.round == self.round)
        moments = self.predictions.moments(self.round)
        frames = moments[moments[:, 0] == 0, 1]
        return _Contents(
            size=(len(states), sum(state.num_moments for state in states)),
            persons=self.predictions.persons(self.round),
            frames=frames[frames < self.num_frames],
        )

    def at_round(self, round_number: int | None) -> RunSource:
        """The same run at another round (None = the newest), over the same source; at once.

        It reads through the same open files: closing one closes them, and whichever is asked next
        opens them again.

        Raises:
            DataError: the run has no such round (yet).
        """
        return RunSource(
            self._project, self.run, round_number, over=self.over, predictions=self.predictions
        )

    def own(self, frame: int) -> FramePredictions | None:
        """The run's own 2D points, weights and triangulation; None where it has not predicted."""
        try:
            return self.predictions.at(frame, round_number=self.round)
        except DataError as error:  # a damaged file: its frames have no predictions
            self.problem = str(error)
            return None

    def observations(self, frame: int) -> FrameObservations:
        """The run's points as network observations, labels on top; it knows no bystanders."""
        found = self.own(frame)
        if found is None and self.over is not None:
            return self.over.observations(frame)
        base = self._project.observations(frame)
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
        frames = self._taken.frames[slice(*np.searchsorted(self._taken.frames, (start, stop)))]
        if self.over is not None and len(frames) < stop - start:
            under = self.over.observations_block(start, stop)
            if not len(frames):
                return under
            return _laid_over(under, self._own_block(base, frames), frames)
        return self._own_block(base, frames)

    def _own_block(self, base: ObservationsBlock, frames: NDArray[np.int64]) -> ObservationsBlock:
        """The project's block with what was predicted of some frames; the others have labels."""
        start = base.start
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
        return self._taken.frames

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

    def answering(self, frame: int) -> FrameSource:
        """Itself, where it has predicted the frame or lies over nothing."""
        if self.over is None or self.own(frame) is not None:
            return self
        return self.over.answering(frame)

    def cache_path(self, key: str, suffix: str = ".h5") -> Path:
        """See `core.project.Project.cache_path`."""
        return self._project.cache_path(key, suffix)

    def close(self) -> None:
        """Close the files of predictions."""
        self.predictions.close()
        if self.over is not None:
            self.over.close()

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


def _laid_over(
    under: ObservationsBlock, own: ObservationsBlock, frames: NDArray[np.int64]
) -> ObservationsBlock:
    """One block of the same frames as the other, but for some that another block answers."""
    persons = tuple(sorted({*under.persons, *own.persons}))
    rows = frames - under.start
    whole: dict[str, Any] = {}
    for name, empty in (
        ("points_px", np.nan),
        ("confidence", np.nan),
        ("source", Source.NONE),
        ("present", False),
    ):
        below, above = (
            _grown(
                getattr(block, name).swapaxes(0, 1),
                np.searchsorted(persons, np.array(block.persons, dtype=np.int64)),
                len(persons),
                empty,
            ).swapaxes(0, 1)
            for block in (under, own)
        )
        below[rows] = above[rows]
        whole[name] = np.ascontiguousarray(below)
    return ObservationsBlock(start=under.start, persons=persons, **whole)


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
