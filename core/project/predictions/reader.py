"""`RunPredictions`: what a run has predicted so far, the newest answer for every frame.

Only files that events.jsonl announces count. Opening reads the events and, of each finished round,
one index; of an unfinished one the small tables of its blocks. A frame is read when it is asked
for. A training writes on meanwhile: `look` reads what was announced since, `take` takes it in.

Traps: `at` and `aggregates` compose rounds, so neighbouring frames may come from different weights;
give `round_number` where that must not be (evaluation). A damaged file's frames are answered by an
older round, or not at all, and it stands in `problems`: show them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from core.errors import DataError
from core.project.predictions.announced import Composed, News, Round, announced
from core.project.predictions.file import PredictionsFile, block_name
from core.project.predictions.index import (
    RoundIndex,
    index_name,
    read_block_index,
    read_index,
    row_moments,
)
from core.project.predictions.rows import (
    Aggregates,
    PredictionRows,
    RoundHeader,
    moment_keys,
    moments_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Self

    from numpy.typing import NDArray

    from core.project.runs.events import Event

_MAX_OPEN = 8


class AnnouncingRun(Protocol):
    """What of a run folder is needed here."""

    @property
    def predictions_dir(self) -> Path:
        """Where the files are."""
        ...

    def events(self, offset: int = 0) -> tuple[Sequence[Event], int]:
        """The events from a byte offset on, and where to go on."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundState:
    """How far a round has come.

    Attributes:
        header: what the round says of itself.
        finished: whether its last file is written.
        num_blocks: files written so far.
        num_moments: frames that they cover.
        num_rows: people at those frames.
    """

    header: RoundHeader
    finished: bool
    num_blocks: int
    num_moments: int
    num_rows: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FramePredictions:
    """Everybody at one frame.

    Attributes:
        header: of the round that answered.
        recording: 0 in a project.
        frame: 0-based.
        rows: by person, ascending; none where nobody was in view.
    """

    header: RoundHeader
    recording: int
    frame: int
    rows: PredictionRows


class RunPredictions:
    """The predictions of one run; close it when done. May be used from several threads."""

    def __init__(self, run: AnnouncingRun) -> None:
        """Take in what the run has announced so far.

        Raises:
            DataError: where the events cannot be read.
        """
        self._run = run
        self._lock = threading.RLock()
        self._offset = 0
        self._rounds: dict[int, Round] = {}
        self._open: OrderedDict[str, PredictionsFile] = OrderedDict()
        self._problems: dict[str, DataError] = {}
        self._composed: Composed | None = None
        self._aggregates: Aggregates | None = None
        self._take_in()

    def close(self) -> None:
        """Close all files; twice does nothing."""
        with self._lock:
            for file in self._open.values():
                file.close()
            self._open.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def refresh(self) -> NDArray[np.int64]:
        """Take in what was announced since: the (M, 2) moments (recording, frame) it is about."""
        news = self.look()
        return self.take(news)

    def look(self) -> News:
        """Read what was announced since, and change nothing yet: for a thread of its own.

        Raises:
            DataError: where the events cannot be read.
        """
        with self._lock:
            start, rounds = self._offset, dict(self._rounds)
        events, stop = self._run.events(start)
        found: list[NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
        for number, added in announced(events).items():
            known = rounds.get(number) or Round(number)
            names = [name for name in added.names if name not in known.files]
            rounds[number], keys = self._grown(known, names, is_finished=added.is_finished)
            found.append(keys)
        keys = np.unique(np.concatenate(found))
        composed = self._compose_of(rounds) if len(keys) else None
        return News(
            moments=moments_of(keys), start=start, stop=stop, rounds=rounds, composed=composed
        )

    def take(self, news: News) -> NDArray[np.int64]:
        """Answer with what was read from now on; takes no time.

        Returns:
            the (M, 2) moments that it is about; none where others were taken in since `look`.
        """
        with self._lock:
            if news.start != self._offset:
                return moments_of(np.zeros(0, dtype=np.int64))
            self._offset, self._rounds = news.stop, news.rounds
            if news.composed is not None:
                self._composed, self._aggregates = news.composed, None
            return news.moments

    def _grown(
        self, known: Round, names: list[str], *, is_finished: bool
    ) -> tuple[Round, NDArray[np.int64]]:
        """A round with more files, and the moments that these are about; the one given stays."""
        with self._lock:
            index = self._index(known)
        grown = replace(
            known,
            files=[*known.files, *names],
            finished=known.finished or is_finished,
            parts=dict(known.parts),
            names=dict(known.names),
        )
        self._read_parts(grown)
        parts = [part for name in names if (part := grown.parts[name]) is not None]
        if not parts:
            return grown, np.zeros(0, dtype=np.int64)
        assert grown.header is not None, "a part was read, and its header with it"
        grown.index = index.with_blocks(parts) if index else RoundIndex.of(grown.header, parts)
        _ = grown.index.persons  # kept there, for whoever takes the news has no time to sort
        return grown, moment_keys(np.concatenate([part.moments for part in parts]))

    def _take_in(self) -> None:
        """What there is at the beginning; indices are read when they are needed."""
        events, self._offset = self._run.events(0)
        for number, added in announced(events).items():
            self._rounds[number] = Round(number, files=added.names, finished=added.is_finished)

    @property
    def problems(self) -> tuple[DataError, ...]:
        """The files that could not be read, each with what is wrong with it."""
        with self._lock:
            self._compose()
            return tuple(self._problems.values())

    @property
    def rounds(self) -> tuple[RoundState, ...]:
        """All rounds that have a readable file, the oldest first."""
        with self._lock:
            found = ((known, self._index(known)) for _, known in sorted(self._rounds.items()))
            return tuple(
                RoundState(
                    header=index.header,
                    finished=known.finished,
                    num_blocks=len(known.names),
                    num_moments=len(index.keys),
                    num_rows=len(index.aggregates),
                )
                for known, index in found
                if index is not None
            )

    def newest_covering(self, moments: Iterable[tuple[int, int]]) -> RoundState | None:
        """The newest round, finished or not, that has all of these (recording, frame)."""
        wanted = moment_keys(np.array(list(moments), dtype=np.int64).reshape(-1, 2))
        with self._lock:
            for state in reversed(self.rounds):
                index = self._index(self._rounds[state.header.round])
                if index is not None and np.isin(wanted, index.keys).all():
                    return state
        return None

    def at(
        self, frame: int, *, recording: int = 0, round_number: int | None = None
    ) -> FramePredictions | None:
        """Everybody at a frame, from the newest round that has it, or from a certain one.

        Returns:
            None where it has not been predicted.

        Raises:
            DataError: its file turns out to be damaged.
        """
        key = int(moment_keys(np.array([[recording, frame]]))[0])
        with self._lock:
            name = self._file_of(key, round_number)
            if name is None:
                return None
            file = self._opened(name)
            rows = file.at(recording, frame)
            if rows is None:
                file.refuse("moments", f"frame {frame}, as the index says", "it missing")
            return FramePredictions(header=file.header, recording=recording, frame=frame, rows=rows)

    def _file_of(self, key: int, round_number: int | None) -> str | None:
        if round_number is None:
            keys, rounds = self._compose()
            place = int(np.searchsorted(keys, key))
            if place == len(keys) or keys[place] != key:
                return None
            round_number = int(rounds[place])
        known = self._rounds.get(round_number)
        index = None if known is None else self._index(known)
        if known is None or index is None:
            return None
        place = int(np.searchsorted(index.keys, key))
        if place == len(index.keys) or index.keys[place] != key:
            return None
        return known.names[int(index.blocks[place])]

    def aggregates(self, round_number: int | None = None) -> Aggregates | None:
        """What a timeline shows, of all frames predicted so far; the rows are not read.

        Args:
            round_number: of this round alone; by default the newest answer for every frame.

        Returns:
            sorted by (recording, frame, person); None where nothing has been predicted.
        """
        with self._lock:
            if round_number is not None:
                known = self._rounds.get(round_number)
                index = None if known is None else self._index(known)
                return None if index is None else index.aggregates
            if self._aggregates is None:
                self._aggregates = self._composed_aggregates()
            return self._aggregates

    def persons(self, round_number: int | None = None) -> tuple[int, ...]:
        """Whom the predictions of a round, or of any round, are about; ascending."""
        with self._lock:
            rounds = self._rounds
            chosen = rounds.values() if round_number is None else [rounds.get(round_number)]
            found: set[int] = set()
            for known in chosen:
                index = None if known is None else self._index(known)
                if index is not None:
                    found.update(index.persons)
            return tuple(sorted(found))

    def moments(self, round_number: int | None = None) -> NDArray[np.int64]:
        """(M, 2) the (recording, frame) predicted so far, by a certain round or by any."""
        with self._lock:
            if round_number is None:
                return moments_of(self._compose()[0])
            known = self._rounds.get(round_number)
            index = None if known is None else self._index(known)
            return moments_of(np.zeros(0, dtype=np.int64) if index is None else index.keys)

    def rows(
        self, moments: Iterable[tuple[int, int]], round_number: int | None = None
    ) -> PredictionRows | None:
        """Everybody at these (recording, frame), in this order; None where there is nobody.

        Raises:
            DataError: a file turns out to be damaged.
        """
        found = [self.at(f, recording=r, round_number=round_number) for r, f in moments]
        parts = [one.rows for one in found if one is not None and len(one.rows)]
        return PredictionRows.concatenate(parts) if parts else None

    def _compose(self) -> Composed:
        """All moments and the newest round of each."""
        if self._composed is None:
            self._composed = self._compose_of(self._rounds)
        return self._composed

    def _compose_of(self, rounds: Mapping[int, Round]) -> Composed:
        # The newest first, since np.unique keeps the first of equal keys.
        with self._lock:
            found = [
                (known, index)
                for _, known in sorted(rounds.items(), reverse=True)
                if (index := self._index(known)) is not None
            ]
        nothing = np.zeros(0, dtype=np.int64)
        keys = np.concatenate([nothing, *(index.keys for _, index in found)])
        numbers = np.concatenate(
            [nothing, *(np.full(len(index.keys), known.number) for known, index in found)]
        )
        unique, first = np.unique(keys, return_index=True)
        return unique, numbers[first]

    def _composed_aggregates(self) -> Aggregates | None:
        keys, rounds = self._compose()
        parts: list[Aggregates] = []
        for number in np.unique(rounds).tolist():
            index = self._index(self._rounds[number])
            assert index is not None, "composed of a round without index"
            own = index.aggregates
            won = keys[rounds == number]
            if len(won) < len(index.keys):
                own = own.select(np.isin(row_moments(own), won))
            parts.append(own)
        if len(parts) < 2:
            return parts[0] if parts else None
        whole = Aggregates.concatenate(parts)
        return whole.select(np.argsort(row_moments(whole), kind="stable"))

    def _index(self, known: Round) -> RoundIndex | None:
        """The round's index; from its blocks where it is unfinished or its index is damaged."""
        if known.index is None and known.files:
            known.index = self._index_file(known) if known.finished else None
            if known.index is None:
                known.index = self._index_of_blocks(known)
        return known.index

    def _index_file(self, known: Round) -> RoundIndex | None:
        try:
            index = read_index(self._run.predictions_dir / index_name(known.number))
        except DataError as error:
            self._problems.setdefault(error.source, error)
            return None
        names = {b: block_name(known.number, b) for b in np.unique(index.blocks).tolist()}
        if not set(names.values()) <= set(known.files):
            return None
        known.names = names
        return index

    def _index_of_blocks(self, known: Round) -> RoundIndex | None:
        self._read_parts(known)
        parts = [part for part in known.parts.values() if part is not None]
        if not parts or known.header is None:
            return None
        return RoundIndex.of(known.header, parts)

    def _read_parts(self, known: Round) -> None:
        """Read what the index needs of those files that were not read yet."""
        for name in known.files:
            if name in known.parts or name in known.names.values():
                continue
            try:
                header, part = read_block_index(self._run.predictions_dir / name)
            except DataError as error:
                with self._lock:
                    self._problems.setdefault(error.source, error)
                known.parts[name] = None
                continue
            known.header, known.parts[name] = header, part
            known.names[part.block] = name

    def _opened(self, name: str) -> PredictionsFile:
        if name in self._open:
            self._open.move_to_end(name)
        else:
            self._open[name] = PredictionsFile(self._run.predictions_dir / name)
            if len(self._open) > _MAX_OPEN:
                self._open.popitem(last=False)[1].close()
        return self._open[name]
