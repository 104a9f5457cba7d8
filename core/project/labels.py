"""The labels of a project: one writer, a journal, undo and redo without limit.

Every act (do, undo, redo) is one transaction that writes the rows, the step and the act together,
with synchronous=FULL: once `apply` has returned, kill -9 and power loss leave the edit in place.
Undo takes the rows of a step back through the same writer. An edit after undos drops the undone
steps from redo, but they stay in the journal: a researcher can follow every decision back.
Edits of a key that is held are steps of their own on the disk, each of which goes on with the one
before: undo and redo take them as one.
One lock guards the connection, so that a background thread may read while the window writes.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from core.errors import CommandRefusedError, DataError
from core.project.journal import (
    BulkLabels,
    RowChange,
    change_of,
    decode_changes,
    decode_place,
    encode_bulk,
    encode_changes,
    encode_place,
    goes_on,
)
from core.project.label_rows import label_of, label_rows
from core.project.reviewing import refuse_locked
from core.project.schema import TABLES, connect, create_database, damaged
from core.project.steps import Steps

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from core.project.edits import Change, Edit, JointKey, Key, Place, Row, Writes
    from core.project.label_rows import Label, LabelRows
    from core.project.steps import Direction, Step

Act = Literal["do", "undo", "redo"]
_MAX_INTEGER = 1 << 31
_STAMPED = 2  # the last two value columns: time and annotator
_MANY = 64  # keys: from here on one scan is quicker than a look-up each
_SCANNED_PER_KEY = 8
_DECISIONS = ("accepted", "accepted reviews", "reviews")  # they change no observation


class LabelStore:
    """labels.db, opened for one project. Thread-safe; close it when done."""

    def __init__(
        self, path: Path, cameras: Sequence[str], joints: Sequence[str], *, writable: bool
    ) -> None:
        """Open the labels of a project with these cameras and joints.

        Raises:
            DataError: where the file is damaged, or made for other cameras or joints.
        """
        self.path = path
        self.camera_names = tuple(cameras)
        self.joint_names = tuple(joints)
        self._writable = writable
        self._lock = threading.RLock()
        self._connection = connect(path, writable=writable)
        self._data_act = (0, 0)
        self._steps = Steps(self._all)
        try:
            self._check_names("cameras", "camera", self.camera_names)
            self._check_names("joints", "joint", self.joint_names)
        except BaseException:
            self._connection.close()
            raise

    @classmethod
    def create(cls, path: Path, cameras: Sequence[str], joints: Sequence[str]) -> None:
        """Make an empty labels.db."""
        create_database(path, cameras, joints)

    def close(self) -> None:
        """Close the connection; the last one to close folds the WAL into the database."""
        with self._lock:
            self._connection.close()

    def rows(self, table: str, keys: Iterable[Key]) -> dict[Key, Row]:
        """The rows that exist under these keys, values only."""
        keys = dict.fromkeys(keys)
        if len(keys) > _MANY:
            found = self._rows_among(table, keys)
            if found is not None:
                return found
        shape = TABLES[table]
        query = f"SELECT {', '.join(shape.values)} FROM {table} WHERE {shape.where}"
        found = {}
        with self._reading():
            for key in keys:
                row = self._connection.execute(query, key).fetchone()
                if row is not None:
                    found[key] = tuple(row)
        return found

    def _rows_among(self, table: str, keys: Mapping[Key, object]) -> dict[Key, Row] | None:
        """The same by one scan from the first key to the last; None where too much lies between."""
        shape = TABLES[table]
        size, first, limit = len(shape.keys), shape.keys[0], _SCANNED_PER_KEY * len(keys)
        rows = self._all(
            f"SELECT {shape.columns} FROM {table} WHERE {first} BETWEEN ? AND ? LIMIT ?",
            *(min(keys)[0], max(keys)[0], limit),
        )
        if len(rows) == limit:
            return None
        return {key: row[size:] for row in rows if (key := row[:size]) in keys}

    def keys_of_person(self, table: str, frame: int, person: int) -> list[Key]:
        """All keys of one person at one frame."""
        query = f"SELECT {', '.join(TABLES[table].keys)} FROM {table}"
        return [
            tuple(row) for row in self._all(f"{query} WHERE person=? AND frame=?", person, frame)
        ]

    def keys_of_persons(
        self, table: str, start: int, stop: int, persons: Sequence[int]
    ) -> list[Key]:
        """All keys of these persons at the frames start…stop-1."""
        query = (
            f"SELECT {', '.join(TABLES[table].keys)} FROM {table}"
            " WHERE person = ? AND frame >= ? AND frame < ?"
        )
        return [tuple(row) for person in persons for row in self._all(query, person, start, stop)]

    def next_number(self, table: str) -> int:
        """One more than the largest number in a table whose rows are numbered; 1 is the first."""
        return int(self._all(f"SELECT coalesce(max(number), 0) + 1 FROM {table}")[0][0])

    def rows_between(self, table: str, start: int, stop: int) -> list[tuple[Any, ...]]:
        """All rows of the frames start…stop-1, keys and values, in order of their keys."""
        shape = TABLES[table]
        return self._all(
            f"SELECT {shape.columns} FROM {table} WHERE frame >= ? AND frame < ?"
            f" ORDER BY {', '.join(shape.keys)}",
            start,
            stop,
        )

    def all_rows(self, table: str) -> list[tuple[Any, ...]]:
        """All rows of a table, keys and values, in order of their keys."""
        shape = TABLES[table]
        return self._all(f"SELECT {shape.columns} FROM {table} ORDER BY {', '.join(shape.keys)}")

    def label(self, key: JointKey) -> Label | None:
        """The label of a joint in a view."""
        row = self.rows("labels", [key]).get(key)
        return None if row is None else label_of(row)

    def labels_between(self, start: int, stop: int) -> LabelRows:
        """All 2D labels of the frames start…stop-1."""
        return label_rows(self.rows_between("labels", start, stop))

    def points_between(
        self, start: int, stop: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """All 3D labels of the frames start…stop-1: keys (N, 3) frame, person, joint; (N, 3) mm."""
        rows = self._all(
            "SELECT frame, person, joint, x_mm, y_mm, z_mm FROM points3d"
            " WHERE frame >= ? AND frame < ? ORDER BY frame, person, joint",
            start,
            stop,
        )
        array = np.array(rows, dtype=np.float64).reshape(-1, 6)
        return array[:, :3].astype(np.int64), array[:, 3:]

    def frames(self, table: str = "labels") -> NDArray[np.int64]:
        """Frames with any row, ascending; jumps from frame to frame in the index."""
        return self._distinct(table, "frame")

    def persons(self) -> NDArray[np.int64]:
        """Persons with any label, 2D or 3D, or a swap, which gives them detections; ascending."""
        swapped = self._all("SELECT person FROM swaps UNION SELECT other FROM swaps")
        labelled = [self._distinct(table, "person") for table in ("labels", "points3d")]
        return np.unique(np.concatenate([*labelled, np.array(swapped, dtype=np.int64).ravel()]))

    def largest_person(self) -> int:
        """The largest id that anything here is about; -1 = nobody."""
        tables = [name for name, table in TABLES.items() if "person" in table.keys]
        found = [self._all(f"SELECT max(person) FROM {name}")[0][0] for name in tables]
        found += self._all("SELECT max(max(person, other)) FROM swaps")[0]
        return max((int(person) for person in found if person is not None), default=-1)

    def count(self, table: str = "labels") -> int:
        """Number of rows."""
        return int(self._all(f"SELECT count(*) FROM {table}")[0][0])

    @property
    def revision(self) -> int:
        """Grows by one with every act: what caches of anything made from labels are keyed by."""
        return int(self._all("SELECT coalesce(max(id), 0) FROM acts")[0][0])

    @property
    def data_revision(self) -> int:
        """The latest act that changed what is observed, and not only what was decided of it."""
        seen, found = self._data_act
        revision = self.revision
        if revision != seen:
            marks = ", ".join("?" * len(_DECISIONS))
            rows = self._all(
                "SELECT max(acts.id) FROM acts JOIN steps ON step = steps.id"
                f" WHERE acts.id > ? AND acts.id <= ? AND tables NOT IN ({marks})",
                *(seen, revision, *_DECISIONS),
            )
            found = int(rows[0][0] or found)
            self._data_act = (revision, found)
        return found

    @property
    def undo_description(self) -> str | None:
        """Name of the step that undo would take back; None where there is none."""
        return self._steps.name("undo")

    @property
    def redo_description(self) -> str | None:
        """Name of the step that redo would bring back; None where there is none."""
        return self._steps.name("redo")

    def step_size(self, direction: Direction) -> int:
        """About how many bytes undo or redo goes through; 0 where there is nothing to do."""
        return self._steps.size(direction)

    def history(self, limit: int = 100) -> list[Step]:
        """The latest steps, newest first; edits that go on with another are one step with it."""
        return self._steps.history(limit)

    def apply(
        self, edit: Edit, *, place: Place | None, annotator: str, is_going_on: bool = False
    ) -> Change:
        """Carry out an edit, durably; a change of nothing where all stands as it shall already.

        Args:
            edit: what shall be.
            place: where the cursor stands.
            annotator: who makes it.
            is_going_on: it goes on with the edit before, as a key that is held does: on the disk
                by itself, taken back together with that one.

        Raises:
            CommandRefusedError: where the edit cannot be made, a joint of it is locked, or the
                project is read-only.
        """
        with self._writing():
            changes = self._resolve(edit.writes(self), _now(), annotator)
            refuse_locked(self, changes)
            description = edit.describe(self)
            if changes:
                is_going_on = is_going_on and self._steps.can_go_on()
                self._connection.execute("UPDATE steps SET state='dropped' WHERE state='undone'")
                where = encode_place(place, is_going_on=is_going_on)
                step = self._insert_step(description, where, changes, annotator)
                self._put(changes)
                self._record("do", step, annotator)
            return change_of(changes, description, place)

    def import_labels(self, bulk: BulkLabels, *, description: str, annotator: str) -> int:
        """Put the labels of another tool in one compact step, which cannot be undone.

        A label that is there already stays as it is: nothing automatic overwrites it.

        Returns:
            How many rows, 2D and 3D, were put.
        """
        with self._writing():
            bulk = bulk.without(
                self._existing("labels", bulk.keys), self._existing("points3d", bulk.point_keys)
            )
            if not len(bulk):
                return 0
            now = _now()
            self._connection.execute("UPDATE steps SET state='dropped' WHERE state='undone'")
            blob = encode_bulk(bulk, now, annotator)
            changes = decode_changes(blob, packed=True)
            step = self._insert_step(description, None, changes, annotator, packed=blob)
            self._put(changes)
            self._record("do", step, annotator)
            return len(bulk)

    def undo(self, annotator: str) -> Change:
        """Take the latest step back.

        Raises:
            CommandRefusedError: where there is none, or it is an import.
        """
        return self._again("undo", annotator)

    def redo(self, annotator: str) -> Change:
        """Bring the latest undone step back.

        Raises:
            CommandRefusedError: where there is none.
        """
        return self._again("redo", annotator)

    def go_to(self, step: int, annotator: str) -> Change:
        """Take back all steps after this one, or bring back all up to it: in one transaction.

        Args:
            step: id of a step that is done or undone.
            annotator: who does so.

        Raises:
            CommandRefusedError: where it was dropped, an import would have to be taken back, or
                there is nothing to do.
        """
        return self._again(self._steps.direction_to(step), annotator, to=step)

    def acts(self, after: int = 0) -> list[tuple[Any, ...]]:
        """What was done, undone or redone after an act: id, time, annotator, act, step."""
        return self._all("SELECT * FROM acts WHERE id > ? ORDER BY id", after)

    def changes_after(self, act: int) -> Iterator[RowChange]:
        """What the acts after this one did to the rows, in order; 0 = all acts."""
        acts = self._all(
            "SELECT act, changes, packed FROM acts JOIN steps ON step = steps.id"
            " WHERE acts.id > ? ORDER BY acts.id",
            act,
        )
        for name, blob, packed in acts:
            for change in decode_changes(blob, packed=bool(packed)):
                yield change.reversed() if name == "undo" else change

    def replay(self) -> dict[str, dict[Key, Row]]:
        """The state that the journal tells, by table; it must equal `state`."""
        state: dict[str, dict[Key, Row]] = {name: {} for name in TABLES}
        for change in self.changes_after(0):
            if change.after is None:
                del state[change.table][change.key]
            else:
                state[change.table][change.key] = change.after
        return state

    def state(self) -> dict[str, dict[Key, Row]]:
        """All rows, by table and key."""
        return {
            name: {
                tuple(row[: len(table.keys)]): tuple(row[len(table.keys) :])
                for row in self._all(f"SELECT {table.columns} FROM {name}")
            }
            for name, table in TABLES.items()
        }

    def _again(self, act: Direction, annotator: str, *, to: int | None = None) -> Change:
        """Undo or redo one step, or all of them to the state after a step."""
        with self._writing():
            done: list[RowChange] = []
            places: list[str | None] = []
            names: list[str] = []
            for step, name, place, blob in self._steps.following(act, to):
                changes = decode_changes(blob, packed=False)
                if act == "undo":
                    changes = [change.reversed() for change in changes]
                self._put(changes)
                state = "undone" if act == "undo" else "done"
                self._connection.execute("UPDATE steps SET state=? WHERE id=?", (state, step))
                self._record(act, step, annotator)
                done += changes
                places.append(place)
                names.append(name)
            if not done:
                raise CommandRefusedError(f"There is nothing to {act}.")
            num_steps = sum(not goes_on(place) for place in places)
            what = names[-1] if num_steps <= 1 else f"{num_steps} steps"
            return change_of(done, f"{act.capitalize()}: {what}", decode_place(places[-1]))

    def _resolve(self, writes: Writes, now: str, annotator: str) -> list[RowChange]:
        changes: list[RowChange] = []
        for table, wanted in writes.items():
            self._check_keys(table, wanted)
            old = self.rows(table, wanted)
            num_values = len(TABLES[table].values) - _STAMPED
            for key, values in wanted.items():
                before = old.get(key)
                after = values
                if values is not None and len(values) == num_values:
                    after = (*values, now, annotator)
                if (before and before[:-_STAMPED]) != (after and after[:-_STAMPED]):
                    changes.append(RowChange(table, tuple(key), before, after))
        return changes

    def _check_keys(self, table: str, keys: Iterable[Key]) -> None:
        names = TABLES[table].keys
        sizes = {"camera": len(self.camera_names), "joint": len(self.joint_names)}
        limits = [sizes.get(name, _MAX_INTEGER) for name in names]
        for key in keys:
            for name, value, limit in zip(names, key, limits, strict=True):
                if not 0 <= value < limit:
                    raise CommandRefusedError(f"There is no {name} {value} in this project.")

    def _existing(self, table: str, keys: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(N,) whether a row of that key is there already."""
        if not len(keys) or not self.count(table):
            return np.zeros(len(keys), dtype=bool)
        found = self.rows(table, map(tuple, keys.tolist()))
        return np.array([tuple(key) in found for key in keys.tolist()], dtype=bool)

    def _insert_step(
        self,
        description: str,
        place: str | None,
        changes: Sequence[RowChange],
        annotator: str,
        *,
        packed: bytes | None = None,
    ) -> int:
        blob = encode_changes(changes) if packed is None else packed
        cursor = self._connection.execute(
            "INSERT INTO steps"
            " (time, annotator, description, place, changes, packed, state, tables) VALUES"
            " (?, ?, ?, ?, ?, ?, 'done', ?)",
            (
                *(_now(), annotator, description, place, blob),
                *(int(packed is not None), " ".join(sorted({c.table for c in changes}))),
            ),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def _put(self, changes: Sequence[RowChange]) -> None:
        for name, table in TABLES.items():
            gone = [c.key for c in changes if c.table == name and c.after is None]
            new = [c.key + c.after for c in changes if c.table == name and c.after is not None]
            marks = ", ".join("?" * len(table.keys + table.values))
            self._connection.executemany(f"DELETE FROM {name} WHERE {table.where}", gone)
            self._connection.executemany(
                f"INSERT OR REPLACE INTO {name} ({table.columns}) VALUES ({marks})", new
            )

    def _record(self, act: Act, step: int, annotator: str) -> None:
        query = "INSERT INTO acts (time, annotator, act, step) VALUES (?, ?, ?, ?)"
        self._connection.execute(query, (_now(), annotator, act, step))

    @contextmanager
    def _writing(self) -> Generator[None, None, None]:
        """One transaction: everything inside, or nothing."""
        if not self._writable:
            raise CommandRefusedError("This project is open for reading only.")
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield
                self._connection.execute("COMMIT")
            except BaseException as error:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.OperationalError):  # a full disk, somebody's lock
                    text = f"Nothing was changed: {self.path} could not be written ({error})."
                    raise CommandRefusedError(text) from error
                raise

    @contextmanager
    def _reading(self) -> Generator[None, None, None]:
        """Damage shows only where it is read."""
        with self._lock:
            try:
                yield
            except sqlite3.DatabaseError as error:
                raise damaged(self.path, error) from error

    def _all(self, query: str, *parameters: int | str) -> list[Any]:
        with self._reading():
            return self._connection.execute(query, parameters).fetchall()

    def _distinct(self, table: str, column: str) -> NDArray[np.int64]:
        query = (
            f"WITH RECURSIVE seen(x) AS (SELECT min({column}) FROM {table} UNION ALL"
            f" SELECT (SELECT min({column}) FROM {table} WHERE {column} > x) FROM seen"
            " WHERE x IS NOT NULL) SELECT x FROM seen WHERE x IS NOT NULL"
        )
        return np.array(self._all(query), dtype=np.int64).reshape(-1)

    def _check_names(self, table: str, column: str, expected: tuple[str, ...]) -> None:
        found = tuple(
            str(row[0]) for row in self._all(f"SELECT name FROM {table} ORDER BY {column}")
        )
        if found != expected:
            raise DataError(
                self.path,
                table,
                expected=f"those of project.toml: {', '.join(expected)}",
                found=", ".join(found),
                remedy="Restore the project.toml and rig.toml that belong to these labels.",
            )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")  # two copies are told apart by it
