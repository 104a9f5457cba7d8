"""The changes that are meant, sorted, summed up and with their reviews: made in the background.

Of a whole match there may be a million; the table shows them without touching them one by one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from app.jobs import Job
from core.curation.query import Query, parse_query
from core.curation.round_diff import CHANGES, ChangeFilter, Tally
from core.curation.round_groups import change_groups
from core.curation.round_judging import matching, states_of
from core.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.jobs import Progress
    from app.session import Session
    from core.curation.round_diff import ChangeRows, RoundDiff, Verdict
    from core.curation.round_groups import ChangeGroup, GroupBy
    from core.curation.sources import FrameSource
    from core.project import Change, Project

_SETTLE_MS = 60
# More joints than this are read anew in the background.
_MAX_FOLLOWED = 2000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Listed:
    """What there is to show of a diff.

    Attributes:
        rows: N changes that are meant.
        states: (N,) uint8, values of `ReviewState`.
        groups: all groups of the whole diff.
        tally: of the whole diff.
        wanted: which are meant, but for the query.
        order: (N,) the changes frame by frame.
        frames: (N,) their frames, ascending.
    """

    rows: ChangeRows
    states: NDArray[np.uint8]
    groups: tuple[ChangeGroup, ...]
    tally: Tally
    wanted: ChangeFilter
    order: NDArray[np.int64]
    frames: NDArray[np.int64]

    def in_frames(self, first: int, last: int) -> NDArray[np.int64]:
        """The changes of some frames, both ends included, as they are listed; never slow."""
        low = np.searchsorted(self.frames, first)
        high = np.searchsorted(self.frames, last, side="right")
        return np.sort(self.order[low:high])


class Listing(QObject):
    """Follows the session's diff while somebody looks; ``changed`` tells of another list.

    Attributes:
        listed: None until there is a list.
        error: what is wrong with the query, in words; or empty.
        by: what the groups are.
        group: the group that is listed; None = all.
    """

    changed = Signal()
    states_changed = Signal()

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._job: Job | None = None
        self._leaving: list[Job] = []
        self._is_active = False
        self._is_stale = True
        self._text = ""
        self._kinds: tuple[Verdict, ...] = CHANGES
        self.by: GroupBy = "person"
        self.group: int | None = None
        self.listed: Listed | None = None
        self.error = ""
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_SETTLE_MS)
        self._soon.timeout.connect(self._list)
        session.diff_changed.connect(self._on_diff_changed)
        session.display_changed.connect(self._on_display_changed)
        session.edited.connect(self._on_edited)
        session.source_closing.connect(self._drop)
        session.project_closing.connect(self._stop)
        self._min_mm = session.display.moved_mm

    @property
    def is_settled(self) -> bool:
        """Whether nothing is under way."""
        return self._job is None and not self._soon.isActive()

    @property
    def query_text(self) -> str:
        """What narrows the list."""
        return self._text

    def set_active(self, is_active: bool) -> None:
        """List only while somebody looks."""
        self._is_active = is_active
        if is_active and self._is_stale:
            self._ask()

    def set_kinds(self, kinds: tuple[Verdict, ...]) -> None:
        """List these kinds of changes."""
        self._kinds = kinds
        self._ask()

    def set_by(self, by: GroupBy) -> None:
        """Sum up by something else; all groups are listed again."""
        self.by, self.group = by, None
        self._ask()

    def set_group(self, group: int | None) -> None:
        """List the changes of one group; None = of all."""
        if group != self.group:
            self.group = group
            self._ask()

    def set_text(self, text: str) -> None:
        """List what a query means."""
        self._text = text
        self._ask()

    def wanted(self) -> ChangeFilter:
        """Which changes are meant, but for the query."""
        wanted = ChangeFilter(min_mm=self._min_mm, kinds=self._kinds)
        if self.group is not None:
            wanted = replace(wanted, **{f"{self.by}s": (self.group,)})
        return wanted

    # What happened.

    def _on_diff_changed(self, diff: RoundDiff | None) -> None:
        if diff is None:
            self._drop()
            self.listed, self.group = None, None
            self.changed.emit()
        self._ask()

    def _on_display_changed(self, _display: object) -> None:
        if self._session.display.moved_mm != self._min_mm:
            self._min_mm = self._session.display.moved_mm
            self._ask()

    def _on_edited(self, change: Change) -> None:
        listed, project = self.listed, self._session.project
        if not change.reviews or listed is None or project is None:
            return
        if len(change.reviews) > _MAX_FOLLOWED:
            self._ask()
            return
        keys = np.array([tuple(key) for key in change.reviews], dtype=np.int64)
        rows = listed.rows.keys
        frames = np.unique(keys[:, 0]).tolist()
        near = np.concatenate([listed.in_frames(frame, frame) for frame in frames])
        states = listed.states.copy()
        states[near] = states_of(project, rows[near])
        self.listed = replace(listed, states=states)
        self.states_changed.emit()

    def _ask(self) -> None:
        self._is_stale = True
        if self._is_active and self._session.diff is not None:
            self._soon.start()

    def _list(self) -> None:
        session = self._session
        project, source, diff = session.project, session.source, session.diff
        if project is None or source is None or diff is None:
            return
        self._drop()
        had, self.error = self.error, ""
        try:
            query = parse_query(self._text, project)
        except DataError as error:
            self.error = f"Expected {error.expected}. {error.remedy}"
            self.changed.emit()
            return
        if had:
            self.changed.emit()
        wanted, by = self.wanted(), self.by
        self._is_stale = False
        job = self._job = Job(
            "Listing changes",
            lambda go: list_changes(project, source, diff, wanted, query, by, go),
        )
        job.finished.connect(lambda listed: self._on_listed(job, listed))
        job.failed.connect(session.message_posted)
        job.ended.connect(lambda: self._on_ended(job))
        job.start()

    def _on_listed(self, job: Job, listed: Listed | None) -> None:
        if job is self._job and listed is not None:
            self.listed = listed
            self.changed.emit()

    def _on_ended(self, job: Job) -> None:
        if job in self._leaving:
            self._leaving.remove(job)
        if job is self._job:
            self._job = None

    def _drop(self) -> None:
        self._soon.stop()
        job, self._job = self._job, None
        if job is not None:
            job.cancel()
            self._leaving.append(job)

    def _stop(self) -> None:
        """What is read from is about to be closed."""
        self._drop()
        for job in self._leaving:
            job.wait(60.0)


def list_changes(
    project: Project,
    source: FrameSource,
    diff: RoundDiff,
    wanted: ChangeFilter,
    query: Query,
    by: GroupBy,
    progress: Progress | None = None,
) -> Listed | None:
    """The changes of a diff that a filter and a query mean; None where `progress` said to stop."""
    rows = diff.rows(wanted)
    if query.text:
        meant = matching(project, source, diff.settings, query, rows.keys, progress)
        if meant is None:
            return None
        rows = rows.where(meant)
    order = np.argsort(rows.keys[:, 0], kind="stable")
    return Listed(
        rows=rows,
        states=states_of(project, rows.keys),
        groups=change_groups(diff, by, wanted.min_mm),
        tally=diff.tally(wanted.min_mm),
        wanted=wanted,
        order=order,
        frames=rows.keys[order, 0],
    )
