import math
import sqlite3
import threading

import numpy as np
import pytest

from core.errors import CommandRefusedError, DataError
from core.project.edits import (
    DeleteJoints,
    DeletePerson,
    JointKey,
    Place,
    PointKey,
    SetJoints,
    SetPoints,
    SetVisibility,
)
from core.project.journal import BulkLabels
from core.project.labels import LabelStore

CAMERAS = ("ace_0", "ace_1", "ace_2")
JOINTS = ("nose", "left_wrist")
KEY = JointKey(21379, 2, 7, 1)


@pytest.fixture
def path(tmp_path):
    LabelStore.create(tmp_path / "labels.db", CAMERAS, JOINTS)
    return tmp_path / "labels.db"


@pytest.fixture
def store(path):
    store = LabelStore(path, CAMERAS, JOINTS, writable=True)
    yield store
    store.close()


def put(store, key=KEY, point=(10.0, 20.0), place=None, **options):
    edit = SetJoints(keys=(key,), points_px=(point,), **options)
    return store.apply(edit, place=place, annotator="ann")


def bulk(keys, points, point_keys=(), points_mm=()):
    return BulkLabels(
        keys=np.array(keys, dtype=np.int64).reshape(-1, 4),
        points_px=np.array(points, dtype=np.float64).reshape(-1, 2),
        occluded=np.zeros(len(keys), dtype=bool),
        point_keys=np.array(point_keys, dtype=np.int64).reshape(-1, 3),
        points_mm=np.array(points_mm, dtype=np.float64).reshape(-1, 3),
        origin="import:test",
    )


def test_a_change_names_the_keys_and_the_step(store):
    place = Place(21379, 2, 7, 1)
    change = put(store, place=place)
    assert change.keys == {KEY}
    assert change.frames == {21379}
    assert change.description == "Place left wrist of #7 in ace_2"
    assert change.place == place
    assert put(store, point=(11, 20)).description == "Move left wrist of #7 in ace_2"


def test_an_edit_that_changes_nothing_leaves_no_step(store):
    put(store)
    assert not put(store)
    assert len(store.history()) == 1
    assert store.revision == 1


def test_undo_returns_to_the_place_of_the_edit_and_to_the_label_before(store):
    put(store, point=(1, 2), place=Place(5))
    put(store, point=(3, 4), place=Place(6))
    change = store.undo("ann")
    assert change.place == Place(6)
    assert change.description == "Undo: Move left wrist of #7 in ace_2"
    assert store.label(KEY).x_px == 1
    assert store.undo("ann").keys == {KEY}
    assert store.label(KEY) is None
    with pytest.raises(CommandRefusedError, match="nothing to undo"):
        store.undo("ann")


def test_undo_and_redo_survive_a_restart(path):
    for x in range(20):
        store = LabelStore(path, CAMERAS, JOINTS, writable=True)
        put(store, point=(x, 0))
        store.close()
    for x in reversed(range(19)):
        store = LabelStore(path, CAMERAS, JOINTS, writable=True)
        store.undo("ann")
        assert store.label(KEY).x_px == x
        store.close()
    store = LabelStore(path, CAMERAS, JOINTS, writable=True)
    for x in range(1, 20):
        store.redo("ann")
        assert store.label(KEY).x_px == x
    assert store.redo_description is None
    store.close()


def test_an_edit_after_an_undo_ends_redo_but_keeps_the_step_in_the_journal(store):
    put(store, point=(1, 2))
    put(store, point=(3, 4))
    store.undo("ann")
    put(store, point=(5, 6))
    assert store.redo_description is None
    with pytest.raises(CommandRefusedError, match="nothing to redo"):
        store.redo("ann")
    assert [step.state for step in store.history()] == ["done", "dropped", "done"]


def test_a_label_remembers_who_and_where_from(store):
    put(store)
    label = store.label(KEY)
    assert (label.annotator, label.origin, label.visibility) == ("ann", "hand", "visible")
    store.apply(
        SetVisibility(keys=(KEY,), visibility="occluded"), place=None, annotator="someone else"
    )
    assert store.label(KEY).annotator == "someone else"
    store.undo("ann")
    assert store.label(KEY) == label


def test_a_joint_outside_needs_no_place_and_shows_none(store):
    store.apply(SetVisibility(keys=(KEY,), visibility="outside"), place=None, annotator="a")
    assert math.isnan(store.label(KEY).x_px)
    rows = store.labels_between(21379, 21380)
    assert np.isnan(rows.points_px).all()
    assert rows.visibility.tolist() == ["outside"]
    with pytest.raises(CommandRefusedError, match="Place the joint first"):
        store.apply(SetVisibility(keys=(KEY,), visibility="visible"), place=None, annotator="a")


def test_a_refused_edit_leaves_no_trace(store):
    for key in (JointKey(0, 3, 0, 0), JointKey(0, 0, 0, 2), JointKey(-1, 0, 0, 0)):
        with pytest.raises(CommandRefusedError, match="There is no"):
            put(store, key=key)
    assert not any(store.state().values())
    assert store.history() == []


def test_deleting_a_person_is_one_step(store):
    other = JointKey(21379, 0, 8, 0)
    put(store)
    put(store, key=other)
    store.apply(
        SetPoints(keys=(PointKey(21379, 7, 0),), points_mm=((1, 2, 3),)),
        place=None,
        annotator="a",
    )
    change = store.apply(DeletePerson(frame=21379, person=7), place=None, annotator="a")
    assert change.keys == {KEY}
    assert change.points == {PointKey(21379, 7, 0)}
    assert list(store.state()["labels"]) == [other]
    store.undo("a")
    assert set(store.state()["labels"]) == {KEY, other}


def test_an_import_is_one_step_that_undo_does_not_pass(store):
    count = store.import_labels(
        bulk([(0, 0, 1, 0), (0, 1, 1, 0)], [(1, 2), (3, 4)], [(0, 1, 0)], [(5, 6, 7)]),
        description="Import",
        annotator="ann",
    )
    assert count == 3
    assert store.count() == 2
    assert store.undo_description is None
    put(store)
    store.undo("ann")
    with pytest.raises(CommandRefusedError, match="nothing to undo"):
        store.undo("ann")
    assert store.count() == 2
    assert store.replay() == store.state()


def test_an_import_never_overwrites_a_label(store):
    put(store, point=(1, 1))
    other = JointKey(0, 0, 0, 0)
    count = store.import_labels(
        bulk([KEY, other], [(9, 9), (8, 8)]), description="Import", annotator="ann"
    )
    assert count == 1
    assert store.label(KEY).x_px == 1
    assert store.label(other).origin == "import:test"


def test_frames_and_persons_are_listed_once(store):
    for frame, person in ((5, 1), (5, 2), (90000, 1)):
        put(store, key=JointKey(frame, 0, person, 0))
        put(store, key=JointKey(frame, 1, person, 1))
    assert store.frames().tolist() == [5, 90000]
    assert store.persons().tolist() == [1, 2]
    rows = store.labels_between(0, 6)
    assert rows.keys.tolist() == [[5, 0, 1, 0], [5, 0, 2, 0], [5, 1, 1, 1], [5, 1, 2, 1]]


def test_labels_of_other_cameras_are_refused(path):
    with pytest.raises(DataError, match="cameras"):
        LabelStore(path, ("ace_1", "ace_0", "ace_2"), JOINTS, writable=True)
    with pytest.raises(DataError, match="joints"):
        LabelStore(path, CAMERAS, ("nose",), writable=True)


def test_a_newer_or_damaged_database_is_refused(path, tmp_path):
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(DataError, match="newer trilabel"):
        LabelStore(path, CAMERAS, JOINTS, writable=True)
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"not a database" * 100)
    with pytest.raises(DataError, match="backup"):
        LabelStore(broken, CAMERAS, JOINTS, writable=True)
    with pytest.raises(DataError, match="no file"):
        LabelStore(tmp_path / "none.db", CAMERAS, JOINTS, writable=True)


def test_a_reader_sees_edits_and_cannot_write(path, store):
    reader = LabelStore(path, CAMERAS, JOINTS, writable=False)
    put(store)
    assert reader.label(KEY).x_px == 10
    with pytest.raises(CommandRefusedError, match="reading only"):
        reader.apply(DeleteJoints(keys=(KEY,)), place=None, annotator="a")
    reader.close()


def test_another_thread_reads_whole_steps_only(store):
    keys = tuple(JointKey(0, camera, 0, joint) for camera in range(3) for joint in range(2))
    seen, done = [], threading.Event()

    def watch():
        while not done.is_set():
            seen.append({x for x, _ in store.labels_between(0, 1).points_px.tolist()})

    thread = threading.Thread(target=watch)
    thread.start()
    for x in range(50):
        edit = SetJoints(keys=keys, points_px=((float(x), 0.0),) * 6)
        store.apply(edit, place=None, annotator="a")
    done.set()
    thread.join()
    assert all(len(values) <= 1 for values in seen)


def test_a_damaged_page_is_named_when_it_is_read(path):
    content = bytearray(path.read_bytes())
    content[4096 : 4096 + 64] = b"X" * 64
    path.write_bytes(content)
    with pytest.raises(DataError, match="backup"):
        LabelStore(path, CAMERAS, JOINTS, writable=False)


def test_an_edit_that_the_database_cannot_take_is_refused_and_changes_nothing(path, store):
    put(store)
    with sqlite3.connect(path) as other:
        other.execute("DROP TABLE acts")
    other.close()
    with pytest.raises(CommandRefusedError, match="could not be written"):
        put(store, KEY._replace(frame=9))
    assert store.label(KEY).x_px == 10
    assert store.label(KEY._replace(frame=9)) is None
