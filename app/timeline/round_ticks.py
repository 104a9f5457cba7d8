"""Where two rounds differ, as the timeline shows it: counted in the background, a value a cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal

from app.jobs import Job
from core.curation.round_diff import ChangeFilter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from app.session import Session
    from core.curation.round_diff import RoundDiff
    from core.diagnosis import RecordingSummary


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ticks:
    """F compared frames x P persons of a diff.

    Attributes:
        frames: (F,) ascending.
        persons: P ids, ascending.
        num_changed: (F, P) joints that moved further than the limit, or are kept on one side only.
        num_seen: (F, P) joints that any view saw, on either side.
    """

    frames: NDArray[np.int64]
    persons: tuple[int, ...]
    num_changed: NDArray[np.uint16]
    num_seen: NDArray[np.uint16]

    def at(self, frame: int, person: int) -> tuple[int, int] | None:
        """Changed and seen joints of a cell; None where it was not compared."""
        row = int(np.searchsorted(self.frames, frame))
        if row >= len(self.frames) or self.frames[row] != frame or person not in self.persons:
            return None
        column = self.persons.index(person)
        return int(self.num_changed[row, column]), int(self.num_seen[row, column])

    def share(self, start: int, stop: int, persons: Sequence[int]) -> NDArray[np.float32]:
        """(stop - start, P) share of the seen joints of persons that changed; NaN = not known."""
        found = np.full((stop - start, len(persons)), np.nan, dtype=np.float32)
        low, high = np.searchsorted(self.frames, (start, stop)).tolist()
        rows = self.frames[low:high] - start
        changed, seen = self.num_changed[low:high], self.num_seen[low:high]
        for column, person in enumerate(persons):
            if person in self.persons:
                own = self.persons.index(person)
                with np.errstate(divide="ignore", invalid="ignore"):
                    share = changed[:, own].astype(np.float32) / seen[:, own]  # 0 of 0 is NaN
                found[rows, column] = share
        return found


def count_ticks(diff: RoundDiff, min_mm: float) -> Ticks:
    """Count a diff's changes."""
    return Ticks(
        frames=diff.frames,
        persons=diff.persons,
        num_changed=diff.ticks(ChangeFilter(min_mm=min_mm)),
        num_seen=diff.seen.sum(axis=2, dtype=np.uint16),
    )


class RoundTicks(QObject):
    """Follows the session's diff and the limit; ``changed`` tells of other ticks.

    Attributes:
        ticks: None while nothing is compared, or has not been counted yet.
    """

    changed = Signal()

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._job: Job | None = None
        self._min_mm = session.display.moved_mm
        self.ticks: Ticks | None = None
        session.diff_changed.connect(self._on_diff_changed)
        session.display_changed.connect(self._on_display_changed)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is being counted."""
        return self._job is None

    def share(self, summary: RecordingSummary, frames: range | None = None) -> NDArray[np.float32]:
        """(N, P) share of the seen joints that changed, as the summary's; NaN = not compared.

        Args:
            summary: of the recording.
            frames: some of its frames; None = all.
        """
        frames = range(summary.num_frames) if frames is None else frames
        if self.ticks is None:
            return np.full((len(frames), len(summary.persons)), np.nan, dtype=np.float32)
        return self.ticks.share(frames.start, frames.stop, summary.persons)

    def _on_diff_changed(self, diff: RoundDiff | None) -> None:
        if diff is None:
            self._drop()
            if self.ticks is not None:
                self.ticks = None
                self.changed.emit()
        else:
            self._count(diff)

    def _on_display_changed(self, _display: object) -> None:
        min_mm, diff = self._session.display.moved_mm, self._session.diff
        if min_mm != self._min_mm:
            self._min_mm = min_mm
            if diff is not None:
                self._count(diff)

    def _drop(self) -> None:
        job, self._job = self._job, None
        if job is not None:
            job.cancel()

    def _count(self, diff: RoundDiff) -> None:
        self._drop()
        min_mm = self._min_mm
        job = self._job = Job("Counting changes", lambda _go: count_ticks(diff, min_mm))
        job.finished.connect(lambda ticks: self._on_counted(job, ticks))
        job.ended.connect(lambda: self._on_ended(job))
        job.start()

    def _on_counted(self, job: Job, ticks: Ticks) -> None:
        if job is self._job:
            self.ticks = ticks
            self.changed.emit()

    def _on_ended(self, job: Job) -> None:
        if job is self._job:
            self._job = None
