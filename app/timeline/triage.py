"""What the timeline knows beside the summary: what was judged, and what the last round changed.

Read once in the background, and followed frame by frame after edits; (N, P) as the summary's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal

from app.jobs import Job
from core.diagnosis.summary import NOT_SEEN
from core.project import ReviewState

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.session import Session
    from core.curation.sources import FrameSource
    from core.diagnosis import RecordingSummary
    from core.project import Change, Project

# More frames than this are read anew in the background.
_MAX_FOLLOWED = 100


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """N frames x P persons.

    Attributes:
        persons: P ids, ascending.
        num_judged: (N, P) uint8, joints that are accepted, locked or rejected.
        num_rejected: (N, P) uint8, those of them that are rejected.
        is_changed: (N, P) bool, other in the newest round than in the one before.
    """

    persons: tuple[int, ...]
    num_judged: NDArray[np.uint8]
    num_rejected: NDArray[np.uint8]
    is_changed: NDArray[np.bool_]


class Triage(QObject):
    """Follows the session's summary, source and reviews; ``changed`` tells of new values."""

    changed = Signal()

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._job: Job | None = None
        self._leaving: list[Job] = []
        self.judged: Judged | None = None
        self._seen: tuple[RecordingSummary, NDArray[np.uint8]] | None = None
        session.summary_changed.connect(self._on_summary_changed)
        session.edited.connect(self._on_edited)
        session.project_closing.connect(self._stop)
        session.source_closing.connect(self._drop)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is being read."""
        return self._job is None

    def share_left(self, summary: RecordingSummary) -> NDArray[np.float32]:
        """(N, P) share of the seen joints that nobody has judged yet; NaN where none was seen."""
        if self._seen is None or self._seen[0] is not summary:
            # Once a summary, not once a review. A sum over a short last axis takes twice as long.
            is_seen = (summary.wss_bin != NOT_SEEN).view(np.uint8)
            self._seen = summary, np.einsum("npj->np", is_seen)
        seen = self._seen[1]
        judged = self.judged
        done = 0 if judged is None or judged.persons != summary.persons else judged.num_judged
        left = np.subtract(seen, np.minimum(done, seen), dtype=np.float32)
        with np.errstate(invalid="ignore"):
            return np.divide(left, seen, dtype=np.float32)  # 0 of 0 is NaN

    def _on_summary_changed(self, summary: RecordingSummary | None) -> None:
        if summary is None:
            self._drop()
            self.judged = self._seen = None
        elif self.judged is None or self.judged.persons != summary.persons:
            self._read()

    def _drop(self) -> None:
        """Let go of what is being read; nobody waits for its thread."""
        job, self._job = self._job, None
        if job is not None:
            job.cancel()
            self._leaving.append(job)

    def _stop(self) -> None:
        """The project is about to be closed."""
        self._drop()
        for job in self._leaving:
            job.wait()

    def _read(self) -> None:
        session = self._session
        project, source, summary = session.project, session.source, session.summary
        if project is None or source is None or summary is None:
            return
        self._drop()
        persons, num_frames = summary.persons, summary.num_frames
        job = self._job = Job(
            "Reading reviews", lambda _go: read_judged(project, source, persons, num_frames), self
        )
        job.finished.connect(lambda judged: self._on_read(job, judged))
        job.ended.connect(lambda: self._on_ended(job))
        job.start()

    def _on_read(self, job: Job, judged: Judged) -> None:
        if job is self._job:
            self.judged = judged
            self.changed.emit()

    def _on_ended(self, job: Job) -> None:
        if job in self._leaving:
            self._leaving.remove(job)
        if job is self._job:
            self._job = None

    def _on_edited(self, change: Change) -> None:
        frames = {key.frame for key in change.reviews}
        judged, project = self.judged, self._session.project
        if not frames or project is None or self._session.summary is None:
            return
        if judged is None or self._job is not None or len(frames) > _MAX_FOLLOWED:
            self._read()
            return
        for frame in frames:
            if frame < len(judged.num_judged):
                _count(project, judged, frame, frame + 1)
        self.changed.emit()


def read_judged(
    project: Project, source: FrameSource, persons: tuple[int, ...], num_frames: int
) -> Judged:
    """All reviews, and what the source's newest round changed."""
    size = (num_frames, len(persons))
    judged = Judged(
        persons=persons,
        num_judged=np.zeros(size, dtype=np.uint8),
        num_rejected=np.zeros(size, dtype=np.uint8),
        is_changed=np.zeros(size, dtype=np.bool_),
    )
    _count(project, judged, 0, num_frames)
    rows = source.changed_rows()
    rows = rows[(rows[:, 0] < num_frames) & np.isin(rows[:, 1], persons)]
    judged.is_changed[rows[:, 0], np.searchsorted(persons, rows[:, 1])] = True
    return judged


def _count(project: Project, judged: Judged, start: int, stop: int) -> None:
    rows = project.reviews_between(start, stop)
    known = np.isin(rows.keys[:, 1], judged.persons)
    frame, person, _ = rows.keys[known].T
    place = (frame, np.searchsorted(judged.persons, person))
    judged.num_judged[start:stop] = judged.num_rejected[start:stop] = 0
    np.add.at(judged.num_judged, place, np.uint8(1))
    is_rejected = (rows.state[known] == ReviewState.REJECTED).astype(np.uint8)
    np.add.at(judged.num_rejected, place, is_rejected)
