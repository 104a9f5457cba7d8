"""What people did since a run's snapshot: exactly what differs, whatever way it came about."""

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from core.errors import CommandRefusedError, DataError
from core.project import SetReviews, SetTrackPoints
from core.project.edits import (
    DeleteJoints,
    JointKey,
    PointKey,
    SetJoints,
    SetPoints,
)
from core.project.journal import BulkLabels
from core.project.labels import LabelStore
from core.project.schema import copy_database
from core.retraining.fresh import (
    FreshLabels,
    Since,
    changes_between,
    since_snapshot,
)
from tests.learning.test_data_project import (
    add_labels,
    add_points,
    project,  # noqa: F401 - a fixture
    rig,  # noqa: F401 - a fixture
)
from tests.retraining.retraining_world import make_run

# The fixtures have the names of what they are.
# ruff: noqa: F811

CAMERAS, JOINTS = ("a", "b"), ("nose", "wrist")
joint_keys = st.builds(JointKey, *(st.integers(0, 1) for _ in range(4)))
point_keys = st.builds(PointKey, *(st.integers(0, 1) for _ in range(3)))
some = st.sampled_from([1.0, 2.0])


@dataclass
class Labelled:
    """The one thing of a project that is asked for here."""

    labels: LabelStore


@dataclass
class Snapped:
    """The two things of a run that are asked for here."""

    id: str
    labels_db: Path | None


class Following(RuleBasedStateMachine):
    """A store that is written to after a snapshot, beside a plain comparison of all rows."""

    @initialize()
    def start(self):
        self.folder = Path(tempfile.mkdtemp(prefix="fresh-"))
        LabelStore.create(self.folder / "labels.db", CAMERAS, JOINTS)
        self.store = LabelStore(self.folder / "labels.db", CAMERAS, JOINTS, writable=True)
        self.snapshots = 0
        self.fresh = None

    def teardown(self):
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder)

    @rule(key=joint_keys, x=some)
    def place(self, key, x):
        self.edit(SetJoints(keys=(key,), points_px=((x, x),)))

    @rule(key=joint_keys)
    def delete(self, key):
        self.edit(DeleteJoints(keys=(key,)))

    @rule(key=point_keys, x=some)
    def place_in_space(self, key, x):
        self.edit(SetPoints(keys=(key,), points_mm=((x, x, x),)))

    @rule(key=point_keys, state=st.sampled_from(["rejected", None]))
    def review(self, key, state):
        self.edit(SetReviews(keys=(key,), state=state))

    @rule(x=some)
    def put_track(self, x):
        self.edit(SetTrackPoints(points=(((0, 1), (x, x)),)))

    @rule()
    def undo(self):
        try:
            self.store.undo("a")
        except CommandRefusedError:
            assert self.store.undo_description is None

    @rule()
    def redo(self):
        try:
            self.store.redo("a")
        except CommandRefusedError:
            assert self.store.redo_description is None

    @rule()
    def take_snapshot(self):
        self.snapshots += 1
        path = self.folder / f"snapshot-{self.snapshots}.db"
        copy_database(self.store.path, path)
        self.was = self.store.state()
        self.run = Snapped("run", path)
        self.fresh = FreshLabels(Labelled(self.store), self.run)

    def edit(self, edit):
        try:
            self.store.apply(edit, place=None, annotator="a")
        except CommandRefusedError:
            return

    @precondition(lambda self: self.fresh is not None)
    @invariant()
    def tells_exactly_what_differs(self):
        now = self.store.state()
        other = {
            table: {
                key
                for key in {*self.was[table], *now[table]}
                if values(self.was[table].get(key)) != values(now[table].get(key))
            }
            for table in now
        }
        found = self.fresh.since()
        assert found.keys == other["labels"]
        assert found.points == other["points3d"]
        assert found.reviews == other["reviews"] | other["accepted"]
        assert found.tracks == other["track_points"]
        every = (found.keys, found.points, found.reviews, found.tracks)
        assert found.frames == {key[0] for keys in every for key in keys}
        assert found.added + found.changed + found.deleted == found.hand_joints
        assert found == since_snapshot(Labelled(self.store), self.run)
        assert bool(found) == bool(found.text)


def values(row):
    return None if row is None else row[:-2]


TestFollowing = Following.TestCase
TestFollowing.settings = settings(max_examples=12, stateful_step_count=14, deadline=None)


def test_that_labels_in_views_and_in_space_are_told_with_their_frames(project):
    add_labels(project, 1, 3, (0,), joints=(0, 1))
    run = make_run(project)
    add_labels(project, 2, 3, (0,), joints=(1,))
    project.apply(DeleteJoints(keys=(JointKey(1, 0, 3, 0),)))
    add_points(project, 5, 7)
    since = since_snapshot(project, run)
    assert (since.added, since.changed, since.deleted) == (14, 0, 1)
    assert since.text == "15 labels (14 new, 1 deleted)"
    assert since.frames == {1, 2, 5}
    assert since.keys == {JointKey(1, 0, 3, 0), JointKey(2, 0, 3, 1)}


def test_that_a_restored_database_is_compared_row_by_row(project, tmp_path):
    add_labels(project, 1, 3, (0,), joints=(0,))
    older = tmp_path / "older.db"
    copy_database(project.labels.path, older)
    add_labels(project, 2, 3, (0,), joints=(0,))
    run = make_run(project)
    restored = LabelStore(older, project.rig.names, project.skeleton.joints, writable=True)
    keys = (JointKey(3, 0, 3, 0),)
    for x in (5.0, 6.0):  # as many acts as the snapshot has, and one more
        restored.apply(SetJoints(keys=keys, points_px=((x, x),)), place=None, annotator="b")
    found = since_snapshot(Labelled(restored), run)
    assert found.keys == {JointKey(2, 0, 3, 0), JointKey(3, 0, 3, 0)}
    assert (found.added, found.deleted) == (1, 1)
    restored.close()


def test_that_a_run_without_a_snapshot_knows_no_label(project):
    add_labels(project, 1, 3, (0,), joints=(0, 1))
    bare, run = make_run(project), make_run(project)
    assert bare.labels_db is not None
    bare.labels_db.unlink()
    assert since_snapshot(project, bare).added == 2
    for pair in ((bare, run), (run, bare)):
        with pytest.raises(DataError, match="snapshot"):
            changes_between(project, *pair)


def test_that_what_came_between_two_snapshots_is_told_whatever_came_later(project):
    add_labels(project, 1, 3, (0,), joints=(0, 1))
    first = make_run(project)
    add_labels(project, 2, 3, (0,), joints=(1,))
    second = make_run(project)
    add_labels(project, 3, 3, (0,), joints=(1,))
    found = changes_between(project, first, second)
    assert found.keys == {JointKey(2, 0, 3, 1)}
    back = changes_between(project, second, first)
    assert (back.added, back.deleted) == (0, 1), "what the later run has, the earlier has not"


def test_that_another_cameras_labels_are_refused(project, tmp_path):
    run = make_run(project)
    other = tmp_path / "other.db"
    LabelStore.create(other, ("x", "y"), JOINTS)
    assert run.labels_db is not None
    shutil.copyfile(other, run.labels_db)
    with pytest.raises(DataError):
        since_snapshot(project, run)


def test_that_an_edit_among_a_hundred_thousand_labels_is_told_at_once(tmp_path):
    LabelStore.create(tmp_path / "labels.db", CAMERAS, JOINTS)
    store = LabelStore(tmp_path / "labels.db", CAMERAS, JOINTS, writable=True)
    frames = np.arange(25_000)
    keys = np.array([(f, c, 1, j) for f in frames for c in (0, 1) for j in (0, 1)])
    bulk = BulkLabels(
        keys=keys,
        points_px=np.ones((len(keys), 2)),
        occluded=np.zeros(len(keys), bool),
        point_keys=np.zeros((0, 3), np.int64),
        points_mm=np.zeros((0, 3)),
        origin="import:a test",
    )
    store.import_labels(bulk, description="Import", annotator="a")
    copy_database(store.path, tmp_path / "snapshot.db")
    fresh = FreshLabels(Labelled(store), Snapped("run", tmp_path / "snapshot.db"))
    took = []
    for frame in range(60):
        edit = SetJoints(keys=(JointKey(frame, 0, 1, 0),), points_px=((2.0, 2.0),))
        store.apply(edit, place=None, annotator="a")
        begun = time.perf_counter()
        assert len(fresh.since().keys) == frame + 1
        took.append(time.perf_counter() - begun)
    assert np.median(took) < 0.005
    store.close()


def test_that_an_edit_beside_many_new_labels_is_told_as_quickly(tmp_path):
    LabelStore.create(tmp_path / "labels.db", CAMERAS, JOINTS)
    store = LabelStore(tmp_path / "labels.db", CAMERAS, JOINTS, writable=True)
    copy_database(store.path, tmp_path / "snapshot.db")
    fresh = FreshLabels(Labelled(store), Snapped("run", tmp_path / "snapshot.db"))
    keys = np.array([(frame, 1, joint) for frame in range(15_000) for joint in (0, 1)])
    bulk = BulkLabels(
        keys=np.zeros((0, 4), np.int64),
        points_px=np.ones((0, 2)),
        occluded=np.zeros(0, bool),
        point_keys=keys,
        points_mm=np.ones((len(keys), 3)),
        origin="import:a test",
    )
    store.import_labels(bulk, description="Import", annotator="a")
    assert len(fresh.since().points) == len(keys)
    took = []
    for frame in range(20):
        edit = SetJoints(keys=(JointKey(frame, 0, 1, 0),), points_px=((2.0, 2.0),))
        store.apply(edit, place=None, annotator="a")
        begun = time.perf_counter()
        found = fresh.since()
        assert (len(found.keys), len(found.frames)) == (frame + 1, 15_000)
        took.append(time.perf_counter() - begun)
    assert np.median(took) < 0.01
    store.close()


def test_that_the_sentence_counts_each_kind():
    since = Since(
        run="r",
        added=1,
        changed=0,
        deleted=0,
        keys=frozenset({JointKey(0, 0, 1, 0)}),
        points=frozenset(),
        reviews=frozenset({PointKey(0, 1, 0), PointKey(0, 1, 1)}),
        tracks=frozenset({(0, 1)}),
        frames=frozenset({0}),
    )
    assert since.text == "1 label (1 new), 2 reviews and 1 track point"
