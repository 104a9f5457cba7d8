"""A labels.db of schema 1: read as it is, brought up when somebody may write."""

import shutil
import sqlite3

import pytest

from core.errors import CommandRefusedError, DataError
from core.project import JointKey, Project, SetJoints, SetOverrides, SetTrackPoints
from core.project.schema import SCHEMA_VERSION, copy_database

KEY = JointKey(3, 1, 4, 2)
NEW = ("accepted", "reviews", "overrides", "swaps", "track_points")


def version(path):
    with sqlite3.connect(path) as connection:
        found = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.close()
    return found


def tables(path):
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master").fetchall()
    connection.close()
    return dict(rows)


def make_old(path):
    """What schema 1 was: without the new tables, and steps that do not tell theirs."""
    with sqlite3.connect(path) as connection:
        for name in NEW:
            connection.execute(f"DROP TABLE {name}")
        connection.execute("ALTER TABLE steps DROP COLUMN tables")
        connection.execute("PRAGMA user_version = 1")
    connection.close()


@pytest.fixture
def old(project):
    """A project of schema 1 with two steps, the second undone."""
    for x in (1.0, 2.0):
        project.apply(SetJoints(keys=(KEY,), points_px=((x, 0.0),)))
    project.undo()
    project.close()
    make_old(project.path / "labels.db")
    return project.path


def test_an_old_project_is_brought_up_with_its_journal(old):
    with Project.open(old) as project:
        assert project.label(KEY).x_px == 1
        project.redo()
        assert project.label(KEY).x_px == 2
        key = project.data_key
        project.apply(SetOverrides(keys=(KEY,), muted=True))
        assert project.data_key != key
        assert project.labels.replay() == project.labels.state()
        project.undo()
        project.undo()
        project.undo()
        assert project.label(KEY) is None
    assert version(old / "labels.db") == SCHEMA_VERSION


def test_an_old_database_brought_up_has_the_tables_of_a_new_one(old, tmp_path, spec):
    Project.open(old).close()
    Project.create(tmp_path / "new.trilabel", spec).close()
    assert tables(old / "labels.db") == tables(tmp_path / "new.trilabel" / "labels.db")


def test_an_old_project_read_only_is_left_as_it_is_and_shows_nothing_new(old):
    before = (old / "labels.db").read_bytes()
    with Project.open(old, read_only=True) as project:
        assert project.label(KEY).x_px == 1
        assert project.redo_description == "Move wrist of #4 in cam_1"
        assert len(project.history()) == 2
        assert project.reviews(3).persons == ()
        assert project.accepted(3)[0] == ()
        assert project.swaps() == ()
        assert project.tracks is None
        assert not project.muted(3, [4]).any()
        assert project.observations(3).persons == (4,)
        assert project.labels.replay() == project.labels.state()
        assert project.data_key
        with pytest.raises(CommandRefusedError, match="reading only"):
            project.apply(SetTrackPoints(points=(((0, 4), None),)))
    assert (old / "labels.db").read_bytes() == before


def test_a_snapshot_of_an_old_database_can_be_read(old, tmp_path):
    copy_database(old / "labels.db", tmp_path / "snapshot.db")
    assert version(tmp_path / "snapshot.db") == 1
    shutil.copyfile(tmp_path / "snapshot.db", old / "labels.db")
    with Project.open(old, read_only=True) as project:
        assert project.label(KEY).x_px == 1
        assert not project.labels.count("reviews")


def test_a_database_that_cannot_be_brought_up_stays_as_it_was(old):
    with sqlite3.connect(old / "labels.db") as connection:
        connection.execute("CREATE TABLE swaps (something TEXT)")  # somebody else's
    connection.close()
    before = tables(old / "labels.db")
    with pytest.raises(DataError, match="swaps"):
        Project.open(old)
    assert version(old / "labels.db") == 1
    assert tables(old / "labels.db") == before
