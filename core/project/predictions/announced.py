"""What a run's events say of its predictions: files by round, and how they are kept while read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from core.project.runs.events import Predicted, PredictionRoundFinished

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from core.project.predictions.index import BlockIndex, RoundIndex
    from core.project.predictions.rows import RoundHeader
    from core.project.runs.events import Event


@dataclass(slots=True, eq=False)
class Round:
    """A round as the events tell it; its index is read when it is needed."""

    number: int
    files: list[str] = field(default_factory=list[str])
    finished: bool = False
    index: RoundIndex | None = None
    parts: dict[str, BlockIndex | None] = field(default_factory=dict[str, "BlockIndex | None"])
    names: dict[int, str] = field(default_factory=dict[int, str])
    header: RoundHeader | None = None


@dataclass(slots=True)
class Added:
    """Files of a round that events announce, in their order, and whether one says it is whole."""

    names: list[str] = field(default_factory=list[str])
    is_finished: bool = False


Composed = tuple["NDArray[np.int64]", "NDArray[np.int64]"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class News:
    """What a run has announced since, read and ready to be taken in.

    Attributes:
        moments: (M, 2) int64 (recording, frame) that it is about.
        start: byte of the events from which on it was read.
        stop: up to here.
        rounds: all rounds, those without news as they were.
        composed: all moments and the newest round of each; None where none are new.
    """

    moments: NDArray[np.int64]
    start: int
    stop: int
    rounds: dict[int, Round]
    composed: Composed | None


def announced(events: Sequence[Event]) -> dict[int, Added]:
    """The files that events announce, by round."""
    found: dict[int, Added] = {}
    for event in events:
        if isinstance(event, Predicted):
            added, name = found.setdefault(event.round, Added()), Path(event.file).name
            if name not in added.names:
                added.names.append(name)
        elif isinstance(event, PredictionRoundFinished):
            found.setdefault(event.round, Added()).is_finished = True
    return found
