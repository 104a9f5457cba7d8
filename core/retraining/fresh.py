"""What people did since a run took its snapshot of the labels: it goes into the next round.

A snapshot is a copy of labels.db with its journal, so the acts that the project has in addition
are exactly what came since. Following them costs what was done since the last look, however long
the match is. Where the snapshot is no earlier state of this journal (labels.db was restored from a
backup, say), the rows themselves are compared, once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from core.errors import DataError
from core.project.edits import JointKey, PointKey
from core.project.labels import LabelStore
from core.project.schema import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from core.project import Project
    from core.project.edits import Key, Row
    from core.project.journal import RowChange
    from core.project.runs.folder import RunFolder

_STAMPED = 2  # the last two values of a row: time and annotator
_LABELS = ("labels", "points3d")
# Which set of `Since` the rows of a table go into, and what their keys are there.
_FOLLOWED: dict[str, tuple[str, Callable[..., tuple[int, ...]]]] = {
    "labels": ("keys", JointKey),
    "points3d": ("points", PointKey),
    "reviews": ("reviews", PointKey),
    "accepted": ("reviews", PointKey),
    "track_points": ("tracks", lambda frame, person: (frame, person)),
}
_KEPT = ("keys", "points", "reviews", "tracks")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """Labels and decisions that are other than in a run's snapshot.

    What was done and undone again is no difference.

    Attributes:
        run: id.
        added: labels, in a view or in space, that the snapshot has not got.
        changed: those that are there, too, but otherwise.
        deleted: those that only the snapshot has.
        keys: labels in views that are other.
        points: labels in space that are other.
        reviews: joints whose review or accepted point is other.
        tracks: (frame, person) whose place on the ground somebody put elsewhere.
        frames: with anything other.
    """

    run: str
    added: int
    changed: int
    deleted: int
    keys: frozenset[JointKey]
    points: frozenset[PointKey]
    reviews: frozenset[PointKey]
    tracks: frozenset[tuple[int, int]]
    frames: frozenset[int]

    @property
    def hand_joints(self) -> int:
        """How many labels are other, in views and in space."""
        return len(self.keys) + len(self.points)

    def __bool__(self) -> bool:
        """Whether anything is other."""
        return bool(self.keys or self.points or self.reviews or self.tracks)

    @property
    def text(self) -> str:
        """In words: ``23 labels (20 new, 3 changed) and 2 reviews``; empty where nothing is."""
        kinds = ((self.added, "new"), (self.changed, "changed"), (self.deleted, "deleted"))
        parts: list[str] = []
        if self.hand_joints:
            told = ", ".join(f"{count:,} {kind}" for count, kind in kinds if count)
            parts.append(f"{_counted(self.hand_joints, 'label')} ({told})")
        if self.reviews:
            parts.append(_counted(len(self.reviews), "review"))
        if self.tracks:
            parts.append(_counted(len(self.tracks), "track point"))
        return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


class FreshLabels:
    """Follows what people do since the snapshot of one run; ask `since` after each edit.

    Use one from one thread. Nothing is held open.
    """

    def __init__(self, project: Project, run: RunFolder) -> None:
        """Look into the run's snapshot; to a run without one all labels are new.

        Raises:
            DataError: the snapshot is damaged, or of another project.
        """
        self._run = run.id
        self._store = project.labels
        self._rows = _Rows()
        self._act = 0
        if run.labels_db is not None:
            self._act = _begin(self._store, run.labels_db, self._rows)
        self._since = self._rows.since(self._run)

    def since(self) -> Since:
        """What is other now; costs what was done since it was asked last."""
        revision = self._store.revision
        if revision != self._act:
            self._rows.follow(self._store.changes_after(self._act))
            self._act = revision
            self._since = self._rows.since(self._run)
        return self._since


def since_snapshot(project: Project, run: RunFolder) -> Since:
    """What people did since a run took its snapshot; `FreshLabels` where it is asked repeatedly.

    Raises:
        DataError: the snapshot is damaged, or of another project.
    """
    return FreshLabels(project, run).since()


def changes_between(project: Project, before: RunFolder, after: RunFolder) -> Since:
    """What people did from the snapshot of one run to that of a later one.

    Raises:
        DataError: one of them is damaged, of another project, or was never taken.
    """
    for run in (before, after):
        if run.labels_db is None:
            raise DataError(
                run.path,
                "labels.db",
                expected="a snapshot of the project's labels",
                found="none",
                remedy="This run is about other data: choose runs of this project's labels.",
            )
    assert before.labels_db is not None
    assert after.labels_db is not None
    rows = _Rows()
    store = _opened(after.labels_db, project.labels)
    try:
        act = _begin(store, before.labels_db, rows)
        rows.follow(store.changes_after(act))
    finally:
        store.close()
    return rows.since(before.id)


def _opened(path: Path, like: LabelStore) -> LabelStore:
    return LabelStore(path, like.camera_names, like.joint_names, writable=False)


def _begin(store: LabelStore, path: Path, rows: _Rows) -> int:
    """The act of the store from which on it has to be followed; what a comparison told is put."""
    snapshot = _opened(path, store)
    try:
        act = snapshot.revision
        if not act or store.acts(act - 1)[:1] == snapshot.acts(act - 1):
            return act
        act = store.revision
        for table in _FOLLOWED:
            was, now = _state(snapshot, table), _state(store, table)
            for key in was.keys() | now.keys():
                rows.put(table, key, was.get(key), now.get(key))
        return act
    finally:
        snapshot.close()


def _state(store: LabelStore, table: str) -> dict[Key, Row]:
    size = len(TABLES[table].keys)
    return {tuple(row[:size]): tuple(row[size:]) for row in store.all_rows(table)}


class _Rows:
    """Which rows are other than in a snapshot; what is asked often is kept as it is told.

    Rows that are as they were again are remembered, so that a change that is followed twice (a
    writer in between) does no harm. Trap: there may be a hundred thousand of them, and an edit must
    not go through them all: whole sets are copied, never built, and only those that are other.
    """

    def __init__(self) -> None:
        self._was: dict[tuple[str, Key], Row | None] = {}
        self._kinds: dict[tuple[str, Key], str] = {}
        self._counts = {"added": 0, "changed": 0, "deleted": 0}
        # How many tables say of a key, or a frame, that it is other.
        self._keys: dict[str, dict[tuple[int, ...], int]] = {name: {} for name in _KEPT}
        self._frames: dict[int, int] = {}
        self._told: dict[str, frozenset[Any]] = {}

    def follow(self, changes: Iterable[RowChange]) -> None:
        for table, key, before, after in changes:
            if table in _FOLLOWED:
                self.put(table, key, before, after)

    def put(self, table: str, key: Key, before: Row | None, now: Row | None) -> None:
        row = table, key
        was = self._was.setdefault(row, before)
        known, kind = self._kinds.pop(row, None), _kind(was, now)
        if kind is not None:
            self._kinds[row] = kind
        if table in _LABELS:
            for name, step in ((known, -1), (kind, 1)):
                if name is not None:
                    self._counts[name] += step
        if (known is None) != (kind is None):
            self._count(table, key, 1 if known is None else -1)

    def _count(self, table: str, key: Key, step: int) -> None:
        name, make = _FOLLOWED[table]
        _add(self._keys[name], make(*key), step)
        _add(self._frames, key[0], step)
        self._told.pop(name, None)
        self._told.pop("frames", None)

    def since(self, run: str) -> Since:
        for name, counter in (*self._keys.items(), ("frames", self._frames)):
            if name not in self._told:
                self._told[name] = frozenset(counter)
        told, counts = self._told, self._counts
        return Since(
            run=run,
            **counts,
            keys=told["keys"],
            points=told["points"],
            reviews=told["reviews"],
            tracks=told["tracks"],
            frames=told["frames"],
        )


def _add(counts: dict[_T, int], one: _T, step: int) -> None:
    """Count; what is counted down to nothing is not there. A plain dict: it is copied quickest."""
    number = counts.get(one, 0) + step
    if number:
        counts[one] = number
    else:
        del counts[one]


def _kind(was: Row | None, now: Row | None) -> str | None:
    """How a row differs, whoever put it when; None = not at all."""
    if was is None or now is None:
        return None if was is now else ("added" if was is None else "deleted")
    return "changed" if was[:-_STAMPED] != now[:-_STAMPED] else None


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
