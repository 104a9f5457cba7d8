"""Merging the labels of a second annotator's copy: a plan with both sides, one undoable step.

Two copies of one project share the beginning of their journals. What each side has done since then
is known row by row, with the row as it stood before, so a merge has three sides and not two: what
only they changed (put, moved or deleted) is taken over, what only we changed stays, and a conflict
is what both changed, and differently. Where the journals share nothing (two imports of the same
data), every row counts as new on both sides.

Rows that are taken over keep their time and annotator. Nothing is lost: the step can be undone, the
copy is only read, and `core.project.merge_report` puts both sides of every conflict on the disk.

Trap: persons are merged by id. A person whom both annotators made anew under one id is one person
here; the conflicts then show it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from core.errors import CommandRefusedError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from core.project.edits import Key, LabelReader, Row, Writes
    from core.project.labels import LabelStore
    from core.project.project import Project

    Side = Mapping[str, Row | None]
    Progress = Callable[[int, int], bool]

Kind = Literal["labels", "points3d", "decisions", "overrides", "track_points", "swaps"]
# What is decided together: an accepted point and its review are one decision.
_TABLES: dict[Kind, tuple[str, ...]] = {
    "labels": ("labels",),
    "points3d": ("points3d",),
    "decisions": ("accepted", "reviews"),
    "overrides": ("overrides",),
    "track_points": ("track_points",),
}
_KINDS: dict[str, Kind] = {table: kind for kind, tables in _TABLES.items() for table in tables}
_GUARDED: tuple[Kind, ...] = ("labels", "points3d", "decisions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Something that both sides changed, and differently.

    Attributes:
        kind: of what.
        key: of the rows; of a swap the number that theirs gets.
        mine: rows by table as they stand here; None = not there.
        theirs: as they stand in the copy.
        is_locked: the joint is locked here: mine stays, whatever is chosen, until it is unlocked.
    """

    kind: Kind
    key: Key
    mine: Side
    theirs: Side
    is_locked: bool = False

    @property
    def frame(self) -> int:
        """0-based; of a swap its first."""
        return _whole(_values(self.theirs)[1]) if self.kind == "swaps" else self.key[0]

    @property
    def camera(self) -> int | None:
        """Of what lies in a view."""
        if self.kind == "swaps":
            return _whole(_values(self.theirs)[0])
        return self.key[1] if self.kind in ("labels", "overrides") else None

    @property
    def person(self) -> int:
        """Whose; of a swap the first of the two."""
        if self.kind == "swaps":
            return _whole(_values(self.theirs)[3])
        return self.key[2] if self.kind in ("labels", "overrides") else self.key[1]

    @property
    def joint(self) -> int | None:
        """Of what is about a joint."""
        return None if self.kind in ("track_points", "swaps") else self.key[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class MergePlan:
    """What a merge would do.

    Attributes:
        other: the copy.
        annotators: who worked in the copy since it was made.
        is_copy: the two share the beginning of their journals.
        additions: rows to put or, where None, to delete, by table: what only they changed.
        expected: what stands under the keys of `additions` and `conflicts` here, to be sure of it.
        conflicts: by frame, person, joint, camera.
        counts: how much of each kind is taken over without a conflict.
        notes: what is to be known of the two projects, as sentences.
    """

    other: Path
    annotators: tuple[str, ...]
    is_copy: bool
    additions: Mapping[str, Mapping[Key, Row | None]]
    expected: Mapping[str, Mapping[Key, Row | None]]
    conflicts: tuple[Conflict, ...]
    counts: Mapping[Kind, int]
    notes: tuple[str, ...] = ()

    @property
    def num_additions(self) -> int:
        """How much is taken over without a conflict."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """A plan carried out, as one step.

    Attributes:
        plan: of `plan_merge`.
        theirs: indices of the conflicts in which the copy's side is taken; mine in all others.
    """

    plan: MergePlan
    theirs: frozenset[int] = field(default=frozenset())

    def describe(self, reader: LabelReader) -> str:
        """``Merge the labels of ann (match-copy.trilabel)``."""
        del reader
        who = " and ".join(self.plan.annotators) or "nobody"
        return f"Merge the labels of {who} ({self.plan.other.name})"

    def writes(self, reader: LabelReader) -> Writes:
        """The rows taken over.

        Raises:
            CommandRefusedError: something was edited here since the plan was made.
        """
        for table, rows in self.plan.expected.items():
            found = reader.rows(table, rows)
            if any(_plain(found.get(key)) != _plain(row) for key, row in rows.items()):
                raise CommandRefusedError("Labels were edited since; look for conflicts again.")
        writes = {table: dict(rows) for table, rows in self.plan.additions.items()}
        for index in sorted(self.theirs):
            conflict = self.plan.conflicts[index]
            if conflict.is_locked:
                continue
            if conflict.kind == "swaps":
                swaps = writes.setdefault("swaps", {})
                swaps.update({_whole_key(row): None for row in conflict.mine})
                swaps[conflict.key] = conflict.theirs["swaps"]
                continue
            for table, row in conflict.theirs.items():
                writes.setdefault(table, {})[conflict.key] = row
        return writes


def plan_merge(project: Project, other: Path, progress: Progress | None = None) -> MergePlan:
    """What merging a copy's labels into this project would take over, and where the two disagree.

    Args:
        project: ours.
        other: the copy's folder; it is only read.
        progress: told (done, total); answers whether to go on.

    Raises:
        DataError: the other is no project, or not of the same cameras, joints and frames.
        CommandRefusedError: it is this very project, or `progress` asked to stop.
    """
    from core.project.project import Project

    if other.resolve() == project.path.resolve():
        raise CommandRefusedError("This is the project itself: choose the copy of another person.")
    with Project.open(other, read_only=True) as theirs:
        _check_same(project, theirs)
        return _Planner(project, theirs, progress).plan()


def all_theirs(plan: MergePlan) -> frozenset[int]:
    """The conflicts in which their side can be taken: all that are not locked here."""
    return frozenset(i for i, conflict in enumerate(plan.conflicts) if not conflict.is_locked)


@dataclass(slots=True)
class _Touched:
    """Rows that one side changed since the journals part, by table and key."""

    before: dict[tuple[str, Key], Row | None]
    after: dict[tuple[str, Key], Row | None]

    @classmethod
    def since(cls, store: LabelStore, act: int, go_on: Callable[[], None]) -> _Touched:
        touched = cls({}, {})
        for number, (table, key, before, after) in enumerate(store.changes_after(act)):
            if number % 4096 == 0:
                go_on()
            touched.before.setdefault((table, key), before)
            touched.after[table, key] = after
        return touched


class _Planner:
    """Compares what two sides did since their journals part."""

    def __init__(self, project: Project, theirs: Project, progress: Progress | None) -> None:
        self._project, self._progress = project, progress
        self._other = theirs
        acts, other_acts = project.labels.acts(), theirs.labels.acts()
        same = 0
        while same < min(len(acts), len(other_acts)) and acts[same] == other_acts[same]:
            same += 1
        self._is_copy = same > 0 or not acts or not other_acts  # copied before anything was done
        self._annotators = tuple(sorted({str(act[2]) for act in other_acts[same:]}))
        self._mine = _Touched.since(project.labels, acts[same - 1][0] if same else 0, self._go_on)
        self._theirs = _Touched.since(
            theirs.labels, other_acts[same - 1][0] if same else 0, self._go_on
        )
        self._additions: dict[str, dict[Key, Row | None]] = {}
        self._expected: dict[str, dict[Key, Row | None]] = {}
        self._conflicts: list[Conflict] = []
        self._counts: dict[Kind, int] = {}

    def plan(self) -> MergePlan:
        units = self._units()
        locked = self._locked(units)
        for number, (kind, key) in enumerate(units):
            if number % 4096 == 0:
                self._go_on(number, len(units))
            self._compare(kind, key, is_locked=(kind, key) in locked)
        self._compare_swaps()
        order = sorted(self._conflicts, key=_place)
        return MergePlan(
            other=self._other.path,
            annotators=self._annotators,
            is_copy=self._is_copy,
            additions=self._additions,
            expected=self._expected,
            conflicts=tuple(order),
            counts=self._counts,
            notes=self._notes(),
        )

    def _go_on(self, done: int = 0, total: int = 1) -> None:
        if self._progress is not None and not self._progress(done, total):
            raise CommandRefusedError("Stopped; nothing was changed.")

    def _units(self) -> list[tuple[Kind, Key]]:
        """What they changed, each decision once."""
        touched: dict[tuple[Kind, Key], None] = {}
        for table, key in self._theirs.after:
            if table != "swaps":
                touched[_KINDS[table], key] = None
        return list(touched)

    def _sides(self, kind: Kind, key: Key) -> tuple[dict[str, Row | None], ...]:
        """Rows by table: as they stand here, as they stand there, as they were in common."""
        mine: dict[str, Row | None] = {}
        theirs: dict[str, Row | None] = {}
        base: dict[str, Row | None] = {}
        for table in _TABLES[kind]:
            place = (table, key)
            own = self._mine.before if place in self._mine.before else self._theirs.before
            # Untouched by one side, a row stands there as it was; by both, as it stands here.
            untouched = None
            if place not in self._mine.after and place not in self._theirs.after:
                untouched = self._project.labels.rows(table, [key]).get(key)
            base[table] = own.get(place, untouched)
            mine[table] = self._mine.after.get(place, base[table])
            theirs[table] = self._theirs.after.get(place, base[table])
        return mine, theirs, base

    def _compare(self, kind: Kind, key: Key, *, is_locked: bool) -> None:
        mine, theirs, base = self._sides(kind, key)
        if _same(mine, theirs) or _same(theirs, base):
            return
        for table, row in mine.items():
            self._expected.setdefault(table, {})[key] = row
        if is_locked or not _same(mine, base):
            conflict = Conflict(kind=kind, key=key, mine=mine, theirs=theirs, is_locked=is_locked)
            self._conflicts.append(conflict)
            return
        for table, row in theirs.items():
            self._additions.setdefault(table, {})[key] = row
        self._counts[kind] = self._counts.get(kind, 0) + 1

    def _locked(self, units: Sequence[tuple[Kind, Key]]) -> set[tuple[Kind, Key]]:
        """What of theirs is about a joint that is locked here, but for a mere unlocking."""
        by_joint: dict[Key, list[tuple[Kind, Key]]] = {}
        for kind, key in units:
            if kind in _GUARDED:
                by_joint.setdefault((key[0], *key[-2:]), []).append((kind, key))
        rows = self._project.labels.rows("reviews", by_joint)
        found: set[tuple[Kind, Key]] = set()
        for joint, row in rows.items():
            if row[0] == "locked" and not self._unlocks(by_joint[joint]):
                found.update(by_joint[joint])
        return found

    def _unlocks(self, units: Sequence[tuple[Kind, Key]]) -> bool:
        if len(units) > 1 or units[0][0] != "decisions":
            return False
        mine, theirs, _ = self._sides(*units[0])
        review = theirs["reviews"]
        is_same_point = _plain(mine["accepted"]) == _plain(theirs["accepted"])
        return is_same_point and review is not None and review[0] == "accepted"

    def _compare_swaps(self) -> None:
        ours = dict(self._project.labels.rows("swaps", self._swap_keys()))
        new_here = {key for table, key in self._mine.after if table == "swaps"} & set(ours)
        number = self._project.labels.next_number("swaps")
        for (table, key), row in self._theirs.after.items():
            if table != "swaps":
                continue
            before = self._theirs.before[table, key]
            if _plain(before) == _plain(row):
                continue
            if before is not None and _plain(ours.get(key)) == _plain(before):
                self._take_swap(key, None, ours[key])
            if row is None or any(_plain(row) == _plain(own) for own in ours.values()):
                continue
            clash = {k: ours[k] for k in sorted(new_here) if _overlap(row, ours[k])}
            if clash:
                mine = {f"swap {k[0]}": own for k, own in clash.items()}
                self._expected.setdefault("swaps", {}).update(clash)
                self._conflicts.append(
                    Conflict(kind="swaps", key=(number,), mine=mine, theirs={"swaps": row})
                )
            else:
                self._take_swap((number,), row, None)
            number += 1

    def _swap_keys(self) -> list[Key]:
        return [(number,) for number in range(1, self._project.labels.next_number("swaps"))]

    def _take_swap(self, key: Key, row: Row | None, expected: Row | None) -> None:
        self._additions.setdefault("swaps", {})[key] = row
        self._expected.setdefault("swaps", {})[key] = expected
        self._counts["swaps"] = self._counts.get("swaps", 0) + 1

    def _notes(self) -> tuple[str, ...]:
        notes: list[str] = []
        if not self._is_copy:
            notes.append(
                "The two have no common history: every label counts as new on both sides, and what"
                " was deleted in one of them cannot be told from what was never there."
            )
        for ours, theirs in zip(self._project.rig, self._other.rig, strict=True):
            here, there = (np.hstack([c.K, c.R, c.t_mm[:, None]]) for c in (ours, theirs))
            if not np.allclose(here, there):
                notes.append(f"{ours.name} is calibrated differently in the copy.")
        return tuple(notes)


def _check_same(project: Project, other: Project) -> None:
    for name, ours, theirs in (
        ("cameras", project.rig.names, other.rig.names),
        ("joints", project.skeleton.joints, other.skeleton.joints),
        ("frames", (str(project.num_frames),), (str(other.num_frames),)),
    ):
        if tuple(ours) != tuple(theirs):
            raise DataError(
                other.path,
                name,
                expected=f"those of {project.path.name}: {', '.join(ours)}",
                found=", ".join(theirs),
                remedy="Choose a copy of this project.",
            )


def _place(conflict: Conflict) -> tuple[int, ...]:
    joint, camera = (-1 if n is None else n for n in (conflict.joint, conflict.camera))
    return (conflict.frame, conflict.person, joint, camera)


def _plain(row: Row | None) -> Row | None:
    """Without time and annotator: the same label placed twice is no conflict."""
    return None if row is None else tuple(row[:-2])


def _same(one: Side, other: Side) -> bool:
    return all(_plain(row) == _plain(other[table]) for table, row in one.items())


def _values(side: Side) -> Row:
    row = next(iter(side.values()))
    assert row is not None
    return row


def _whole_key(name: str) -> Key:
    return (int(name.rpartition(" ")[2]),)


def _whole(value: Any) -> int:  # noqa: ANN401 - a column's value
    assert isinstance(value, int)
    return value


def _overlap(one: Row, other: Row) -> bool:
    """Whether two swaps change the same detections, so that their order would matter."""
    (camera, start, stop), (camera_2, start_2, stop_2) = (map(_whole, r[:3]) for r in (one, other))
    people = {one[3], one[4]} & {other[3], other[4]}
    return camera == camera_2 and start < stop_2 and start_2 < stop and bool(people)
