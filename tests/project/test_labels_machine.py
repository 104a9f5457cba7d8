"""The store against a dictionary that knows what should be: edits, undo, redo, reopening."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from core.errors import CommandRefusedError
from core.project.edits import (
    DeleteJoints,
    DeletePerson,
    DeletePoints,
    JointKey,
    Place,
    PointKey,
    SetJoints,
    SetPoints,
    SetVisibility,
)
from core.project.journal import BulkLabels
from core.project.labels import LabelStore

CAMERAS, JOINTS = ("a", "b"), ("nose", "wrist")
numbers = st.floats(-1e4, 1e4, allow_nan=False).map(lambda x: round(x, 3))
joint_keys = st.builds(JointKey, *(st.integers(0, n) for n in (2, 1, 1, 1)))
point_keys = st.builds(PointKey, *(st.integers(0, n) for n in (2, 1, 1)))
some_joints = st.lists(joint_keys, min_size=1, max_size=4, unique=True).map(tuple)
some_points = st.lists(point_keys, min_size=1, max_size=3, unique=True).map(tuple)
places = st.none() | st.builds(Place, st.integers(0, 9), st.none() | st.integers(0, 1))


class Labels(RuleBasedStateMachine):
    @initialize()
    def start(self):
        self.folder = Path(tempfile.mkdtemp(prefix="labels-machine-"))
        LabelStore.create(self.folder / "labels.db", CAMERAS, JOINTS)
        self.model = {}
        self.done, self.undone = [], []
        self.acts = 0
        self.open()

    def open(self):
        self.store = LabelStore(self.folder / "labels.db", CAMERAS, JOINTS, writable=True)

    def teardown(self):
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder)

    @rule()
    def reopen(self):
        self.store.close()
        self.open()

    def apply(self, edit, after, place):
        change = self.store.apply(edit, place=place, annotator="a")
        touched = {key for key in {*self.model, *after} if self.model.get(key) != after.get(key)}
        assert {*change.keys, *change.points} == touched
        if touched:
            self.done.append((self.model, place, change.description))
            self.undone = []
            self.acts += 1
        self.model = after

    @rule(
        keys=some_joints,
        points=st.lists(st.tuples(numbers, numbers), min_size=4, max_size=4),
        visibility=st.sampled_from(["visible", "occluded"]),
        place=places,
    )
    def set_joints(self, keys, points, visibility, place):
        points = tuple(points[: len(keys)])
        edit = SetJoints(keys=keys, points_px=points, visibility=visibility)
        after = {key: (*point, visibility, "hand") for key, point in zip(keys, points, strict=True)}
        self.apply(edit, {**self.model, **after}, place)

    @rule(keys=some_joints, visibility=st.sampled_from(["visible", "occluded", "outside"]))
    def set_visibility(self, keys, visibility):
        edit = SetVisibility(keys=keys, visibility=visibility)
        old = {key: self.model.get(key, (None, None, None, "hand")) for key in keys}
        if visibility == "visible" and any(row[0] is None for row in old.values()):
            with pytest.raises(CommandRefusedError):
                self.store.apply(edit, place=None, annotator="a")
            return
        after = {key: (*row[:2], visibility, row[3]) for key, row in old.items()}
        self.apply(edit, {**self.model, **after}, None)

    @rule(keys=some_joints, place=places)
    def delete_joints(self, keys, place):
        after = {key: row for key, row in self.model.items() if key not in keys}
        self.apply(DeleteJoints(keys=keys), after, place)

    @rule(keys=some_points, point=st.tuples(numbers, numbers, numbers), place=places)
    def set_points(self, keys, point, place):
        edit = SetPoints(keys=keys, points_mm=(point,) * len(keys))
        self.apply(edit, {**self.model, **dict.fromkeys(keys, (*point, "hand"))}, place)

    @rule(keys=some_points)
    def delete_points(self, keys):
        after = {key: row for key, row in self.model.items() if key not in keys}
        self.apply(DeletePoints(keys=keys), after, None)

    @rule(frame=st.integers(0, 2), person=st.integers(0, 1))
    def delete_person(self, frame, person):
        after = {
            key: row
            for key, row in self.model.items()
            if (key.frame, key.person) != (frame, person)
        }
        self.apply(DeletePerson(frame=frame, person=person), after, None)

    @rule(keys=some_joints, point=st.tuples(numbers, numbers))
    def import_labels(self, keys, point):
        bulk = BulkLabels(
            keys=np.array(keys, dtype=np.int64),
            points_px=np.array([point] * len(keys)),
            occluded=np.zeros(len(keys), bool),
            point_keys=np.zeros((0, 3), np.int64),
            points_mm=np.zeros((0, 3)),
            origin="import:test",
        )
        new = {key: (*point, "visible", "import:test") for key in keys if key not in self.model}
        assert self.store.import_labels(bulk, description="i", annotator="a") == len(new)
        if new:
            self.model = {**self.model, **new}
            self.done, self.undone = [], []
            self.acts += 1

    @rule()
    def undo(self):
        if not self.done:
            with pytest.raises(CommandRefusedError):
                self.store.undo("a")
            return
        before, place, description = self.done.pop()
        self.undone.append((self.model, place, description))
        change = self.store.undo("a")
        assert (change.place, change.description) == (place, f"Undo: {description}")
        self.model = before
        self.acts += 1

    @rule()
    def redo(self):
        if not self.undone:
            with pytest.raises(CommandRefusedError):
                self.store.redo("a")
            return
        after, place, description = self.undone.pop()
        self.done.append((self.model, place, description))
        assert self.store.redo("a").place == place
        self.model = after
        self.acts += 1

    @invariant()
    def the_tables_hold_what_they_should(self):
        if not hasattr(self, "store"):
            return
        state = self.store.state()
        found = {JointKey(*key): row[:4] for key, row in state["labels"].items()}
        found |= {PointKey(*key): row[:4] for key, row in state["points3d"].items()}
        assert found == self.model
        assert self.store.replay() == state
        assert self.store.revision == self.acts
        assert self.store.undo_description == (self.done[-1][2] if self.done else None)
        assert self.store.redo_description == (self.undone[-1][2] if self.undone else None)
        frames = sorted({key.frame for key in self.model if isinstance(key, JointKey)})
        assert self.store.frames().tolist() == frames


TestLabels = Labels.TestCase
TestLabels.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
