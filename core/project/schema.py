"""The tables of labels.db, and how a connection to it is opened.

Human labels stand in ``labels`` and ``points3d``; each step of the journal holds the rows before
and after it; ``acts`` is append-only and tells in which order steps were done, undone and redone,
so that replaying it from nothing gives the state.

Schema 2 added what people say of machine data: ``accepted`` points with their provenance,
``reviews``, ``overrides`` of weights, ``swaps`` of identities and ``track_points``; a step tells in
``tables`` what it touched. A database of schema 1 is brought up when it is opened for writing. Read
only, it is left alone: temporary tables of that connection stand in for what it has not got.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SCHEMA_VERSION = 2
_APPLICATION_ID = 0x7472696C  # "tril"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of state; the last two columns, time and annotator, are stamped by the writer."""

    name: str
    keys: tuple[str, ...]
    values: tuple[str, ...]

    @property
    def columns(self) -> str:
        """All columns, for a statement."""
        return ", ".join(self.keys + self.values)

    @property
    def where(self) -> str:
        """The condition that picks one row."""
        return " AND ".join(f"{key} = ?" for key in self.keys)


TABLES = {
    table.name: table
    for table in (
        Table(
            "labels",
            ("frame", "camera", "person", "joint"),
            ("x_px", "y_px", "visibility", "origin", "time", "annotator"),
        ),
        Table(
            "points3d",
            ("frame", "person", "joint"),
            ("x_mm", "y_mm", "z_mm", "origin", "time", "annotator"),
        ),
        Table(
            "accepted",
            ("frame", "person", "joint"),
            ("x_mm", "y_mm", "z_mm", "provenance", "time", "annotator"),
        ),
        Table(
            "reviews",
            ("frame", "person", "joint"),
            ("state", "source", "time", "annotator"),
        ),
        Table(
            "overrides",
            ("frame", "camera", "person", "joint"),
            ("factor", "time", "annotator"),
        ),
        Table(
            "swaps",
            ("number",),
            ("camera", "start", "stop", "person", "other", "time", "annotator"),
        ),
        Table(
            "track_points",
            ("frame", "person"),
            ("x_mm", "y_mm", "origin", "time", "annotator"),
        ),
    )
}

_CREATE = """
CREATE TABLE cameras (camera INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE joints (joint INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE labels (
    frame INTEGER NOT NULL CHECK (frame >= 0),
    camera INTEGER NOT NULL REFERENCES cameras,
    person INTEGER NOT NULL CHECK (person >= 0),
    joint INTEGER NOT NULL REFERENCES joints,
    x_px REAL, y_px REAL,
    visibility TEXT NOT NULL CHECK (visibility IN ('visible', 'occluded', 'outside')),
    origin TEXT NOT NULL, time TEXT NOT NULL, annotator TEXT NOT NULL,
    PRIMARY KEY (frame, camera, person, joint),
    CHECK ((x_px IS NULL) = (y_px IS NULL)),
    CHECK (x_px IS NOT NULL OR visibility <> 'visible')
) WITHOUT ROWID;
CREATE INDEX labels_by_person ON labels (person, frame);
CREATE TABLE points3d (
    frame INTEGER NOT NULL CHECK (frame >= 0),
    person INTEGER NOT NULL CHECK (person >= 0),
    joint INTEGER NOT NULL REFERENCES joints,
    x_mm REAL NOT NULL, y_mm REAL NOT NULL, z_mm REAL NOT NULL,
    origin TEXT NOT NULL, time TEXT NOT NULL, annotator TEXT NOT NULL,
    PRIMARY KEY (frame, person, joint)
) WITHOUT ROWID;
CREATE INDEX points3d_by_person ON points3d (person, frame);
CREATE TABLE steps (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time TEXT NOT NULL, annotator TEXT NOT NULL, description TEXT NOT NULL,
    place TEXT,
    changes BLOB NOT NULL,
    packed INTEGER NOT NULL CHECK (packed IN (0, 1)),
    state TEXT NOT NULL CHECK (state IN ('done', 'undone', 'dropped'))
);
CREATE INDEX steps_by_state ON steps (state, id);
CREATE TABLE acts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time TEXT NOT NULL, annotator TEXT NOT NULL,
    act TEXT NOT NULL CHECK (act IN ('do', 'undo', 'redo')),
    step INTEGER NOT NULL REFERENCES steps
);
"""

_NEW_IN_2 = (
    """CREATE {temp} TABLE accepted (
    frame INTEGER NOT NULL CHECK (frame >= 0),
    person INTEGER NOT NULL CHECK (person >= 0),
    joint INTEGER NOT NULL {joints},
    x_mm REAL NOT NULL, y_mm REAL NOT NULL, z_mm REAL NOT NULL,
    provenance TEXT NOT NULL, time TEXT NOT NULL, annotator TEXT NOT NULL,
    PRIMARY KEY (frame, person, joint)
) WITHOUT ROWID""",
    """CREATE {temp} TABLE reviews (
    frame INTEGER NOT NULL CHECK (frame >= 0),
    person INTEGER NOT NULL CHECK (person >= 0),
    joint INTEGER NOT NULL {joints},
    state TEXT NOT NULL CHECK (state IN ('accepted', 'locked', 'rejected')),
    source TEXT NOT NULL, time TEXT NOT NULL, annotator TEXT NOT NULL,
    PRIMARY KEY (frame, person, joint)
) WITHOUT ROWID""",
    """CREATE {temp} TABLE overrides (
    frame INTEGER NOT NULL CHECK (frame >= 0),
    camera INTEGER NOT NULL {cameras},
    person INTEGER NOT NULL CHECK (person >= 0),
    joint INTEGER NOT NULL {joints},
    factor REAL NOT NULL CHECK (factor >= 0),
    time TEXT NOT NULL, annotator TEXT NOT NULL,
    PRIMARY KEY (frame, camera, person, joint)
) WITHOUT ROWID""",
    """CREATE {temp} TABLE swaps (
    number INTEGER PRIMARY KEY,
    camera INTEGER NOT NULL {cameras},
    start INTEGER NOT NULL CHECK (start >= 0),
    stop INTEGER NOT NULL CHECK (stop > start),
    person INTEGER NOT NULL CHECK (person >= 0),
    other INTEGER NOT NULL CHECK (other >= 0 AND other <> person),
    time TEXT NOT NULL, annotator TEXT NOT NULL
)""",
    """CREATE {temp} TABLE track_points (
    frame INTEGER NOT NULL CHECK (frame >= 0),
    person INTEGER NOT NULL CHECK (person >= 0),
    x_mm REAL, y_mm REAL,
    origin TEXT NOT NULL, time TEXT NOT NULL, annotator TEXT NOT NULL,
    PRIMARY KEY (frame, person),
    CHECK ((x_mm IS NULL) = (y_mm IS NULL))
) WITHOUT ROWID""",
)
_TABLES_OF_1 = "labels points3d"


def create_database(path: Path, cameras: Sequence[str], joints: Sequence[str]) -> None:
    """Make an empty labels.db for these cameras and joints, in these orders."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.executescript(_CREATE)
        _add_schema_2(connection)
        connection.executemany("INSERT INTO cameras VALUES (?, ?)", enumerate(cameras))
        connection.executemany("INSERT INTO joints VALUES (?, ?)", enumerate(joints))
    finally:
        connection.close()


def connect(path: Path, *, writable: bool) -> sqlite3.Connection:
    """A connection to an existing labels.db, in autocommit mode, for use under one lock.

    Raises:
        DataError: where the file is missing, no labels.db, or of a newer version.
    """
    if not path.is_file():
        raise DataError(
            path,
            expected="the labels of this project",
            found="no file",
            remedy="Restore labels.db (and labels.db-wal) from a backup.",
        )
    mode = "rw" if writable else "ro"
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=10.0,
    )
    try:
        version = _check_version(connection, path)
        if writable:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            if version < 2:
                _migrate(connection)
        elif version < 2:
            _stand_in(connection)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise damaged(path, error) from error
    except DataError:
        connection.close()
        raise
    return connection


def copy_database(path: Path, target: Path) -> None:
    """A snapshot of a labels.db by SQLite's own backup: consistent beside any writer.

    The copy is one file without a WAL, so that it can be read where nothing can be written.

    Args:
        path: an existing labels.db; it is only read.
        target: a file that does not exist yet.

    Raises:
        DataError: as `connect`, or where the file is damaged.
    """
    source = connect(path, writable=False)
    copy = sqlite3.connect(target)
    try:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.DatabaseError as error:
        raise damaged(path, error) from error
    finally:
        copy.close()
        source.close()


def damaged(path: Path, error: sqlite3.DatabaseError) -> DataError:
    """What to say of a database that SQLite cannot read."""
    return DataError(
        path,
        expected="an SQLite database in order",
        found=str(error),
        remedy="Restore labels.db (and labels.db-wal) from a backup.",
    )


def _add_schema_2(connection: sqlite3.Connection) -> None:
    for statement in _NEW_IN_2:
        connection.execute(
            statement.format(temp="", joints="REFERENCES joints", cameras="REFERENCES cameras")
        )
    connection.execute(
        f"ALTER TABLE steps ADD COLUMN tables TEXT NOT NULL DEFAULT '{_TABLES_OF_1}'"
    )


def _migrate(connection: sqlite3.Connection) -> None:
    """From schema 1 to 2, wholly or not at all; the caller holds the project's writer lock."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        _add_schema_2(connection)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _stand_in(connection: sqlite3.Connection) -> None:
    """Let a schema-1 database read as if the new tables were there and empty; the file stays.

    Trap: a reader that was opened so goes on to see none, should a writer bring the file up.
    """
    connection.execute("PRAGMA temp_store = MEMORY")
    for statement in _NEW_IN_2:
        connection.execute(statement.format(temp="TEMP", joints="", cameras=""))
    connection.execute(
        "CREATE TEMP VIEW steps AS SELECT id, time, annotator, description, place, changes, packed,"
        f" state, '{_TABLES_OF_1}' AS tables FROM main.steps"
    )


def _check_version(connection: sqlite3.Connection, path: Path) -> int:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != _APPLICATION_ID:
        raise DataError(
            path,
            expected="the labels of a trilabel project",
            found="another program's database",
            remedy="Restore labels.db (and labels.db-wal) from a backup.",
        )
    if version > SCHEMA_VERSION:
        raise DataError(
            path,
            "version",
            expected=f"{SCHEMA_VERSION} or older",
            found=str(version),
            remedy="Open this project with a newer trilabel.",
        )
    return int(version)
