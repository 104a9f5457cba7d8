"""A whole project against dictionaries: decisions, swaps, tracks, locks, undo, crash and reopening.

The model is written down anew here, by other means than the edits': whatever an edit does, its undo
and the journal's replay must agree with it.
"""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from core.errors import CommandRefusedError
from core.geometry import Rig
from core.people import GroundTracks, IdentifiedDetections
from core.project import (
    AcceptedPoint,
    AcceptPoints,
    DeletePerson,
    JointKey,
    Place,
    PointKey,
    Project,
    ProjectSpec,
    Provenance,
    RemoveSwap,
    ReviewState,
    SetJoints,
    SetOverrides,
    SetPoints,
    SetReviews,
    SetTrackPoints,
    SetVisibility,
    Several,
    SwapIdentities,
    SwapPersonLabels,
)
from core.project.merge import Merge, all_theirs, plan_merge
from core.project.schema import TABLES
from tests.project.conftest import SKELETON, looking_along_y

FRAMES, PERSONS, CAMERAS = range(3), range(3), range(2)
IN_VIEWS = ("labels", "overrides")
ORIGIN = Provenance(source="run-1", round=2, weights=(0.25, float("nan")), wss_mm=3.5)
JOINTS = range(2)

numbers = st.sampled_from([0.0, 1.5, -20.25])
joint_keys = st.builds(
    JointKey, *(st.sampled_from(axis) for axis in (FRAMES, CAMERAS, PERSONS, JOINTS))
)
point_keys = st.builds(PointKey, *(st.sampled_from(axis) for axis in (FRAMES, PERSONS, JOINTS)))
some_joints = st.lists(joint_keys, min_size=1, max_size=4, unique=True).map(tuple)
some_points = st.lists(point_keys, min_size=1, max_size=4, unique=True).map(tuple)
pairs = st.permutations(list(PERSONS)).map(lambda people: tuple(people[:2]))
spans = st.tuples(st.integers(0, 2), st.integers(1, 3)).filter(lambda span: span[0] < span[1])
places = st.lists(
    st.tuples(st.tuples(st.integers(0, 4), st.integers(0, 3)), st.none() | st.just((7.0, 8.0))),
    min_size=1,
    max_size=4,
    unique_by=lambda place: place[0],
).map(tuple)


def base_tracks():
    """Persons 0 and 1 in the frames 0…3."""
    frames = np.tile(np.arange(4), 2)
    return GroundTracks.from_rows(np.repeat([0, 1], 4), frames, np.arange(16.0).reshape(8, 2))


def detections():
    """Everybody in every view; the first joint lies at x = 100 · person + camera."""
    frame, camera, person = (a.ravel() for a in np.indices((3, 2, 3)))
    points = np.zeros((len(frame), 3, 2), np.float32)
    points[..., 0] = (100 * person + camera)[:, None]
    return IdentifiedDetections(
        frame=frame.astype(np.int32),
        camera=camera.astype(np.int16),
        person=person.astype(np.int32),
        points_px=points,
        confidence=np.full((len(frame), 3), 0.5, np.float32),
        score=np.full(len(frame), 0.5, np.float32),
        is_hand=np.zeros(len(frame), bool),
    )


def joint_of(table, key):
    return PointKey(key[0], *key[-2:])


class Curation(RuleBasedStateMachine):
    @initialize()
    def start(self):
        self.folder = Path(tempfile.mkdtemp(prefix="curation-machine-"))
        self.path = self.folder / "0.trilabel"
        rig = Rig(tuple(looking_along_y(f"cam_{c}", 1000.0 * c) for c in CAMERAS))
        spec = ProjectSpec(name="m", rig=rig, skeleton=SKELETON, num_frames=5)
        with Project.create(self.path, spec) as project:
            project.write_tracks(base_tracks())
            project.add_import(detections(), "all")
        self.model = {name: {} for name in TABLES}
        self.done, self.undone = [], []
        self.project = Project.open(self.path)

    def teardown(self):
        if hasattr(self, "project"):
            self.project.close()
            shutil.rmtree(self.folder)

    def locked(self):
        return {key for key, row in self.model["reviews"].items() if row[0] == "locked"}

    def is_refused(self, touched, after):
        for table, keys in touched.items():
            for key in keys:
                if table in ("labels", "points3d", "accepted"):
                    if joint_of(table, key) in self.locked():
                        return True
                elif table == "reviews" and key in self.locked():
                    row = after["reviews"].get(key)
                    if row is None or row[0] != "accepted":
                        return True
        return False

    def apply(self, edit, writes, place=None, *, refused=False):
        """Carry out an edit of which these rows are expected."""
        after = {name: dict(rows) for name, rows in self.model.items()}
        for table, rows in writes.items():
            for key, row in rows.items():
                if row is None:
                    after[table].pop(key, None)
                else:
                    after[table][key] = row
        touched = {
            name: {
                key
                for key in {*self.model[name], *after[name]}
                if self.model[name].get(key) != after[name].get(key)
            }
            for name in TABLES
        }
        if refused or self.is_refused(touched, after):
            with pytest.raises(CommandRefusedError):
                self.project.apply(edit, place=place)
            return
        change = self.project.apply(edit, place=place)
        assert change.keys == touched["labels"]
        assert change.points == touched["points3d"]
        assert change.reviews == touched["reviews"] | touched["accepted"]
        assert change.overrides == touched["overrides"]
        assert change.tracks == touched["track_points"]
        assert len(change.spans) == len(touched["swaps"])
        assert all(change.touches(key[0]) for n in TABLES if n != "swaps" for key in touched[n])
        if any(touched.values()):
            self.done.append((self.model, place, change.description))
            self.undone = []
            self.model = after

    @rule()
    def reopen(self):
        self.project.close()
        self.project = Project.open(self.path)

    @rule()
    def crash(self):
        """What a dead process leaves: the files as they are at that moment, the WAL unfolded."""
        left = self.folder / f"{int(self.path.stem) + 1}.trilabel"
        shutil.copytree(self.path, left, ignore=shutil.ignore_patterns("*-shm", ".writer*"))
        self.project.close()
        shutil.rmtree(self.path)
        self.path = left
        self.project = Project.open(left)

    @rule(keys=some_points, x=numbers, state=st.sampled_from(["accepted", "locked"]))
    def accept(self, keys, x, state):
        points = tuple(AcceptedPoint(key, (x, 1.0, 2.0), ORIGIN) for key in keys)
        writes = {
            "accepted": dict.fromkeys(keys, (x, 1.0, 2.0, ORIGIN.to_json())),
            "reviews": {k: (state, "run-1") for k in keys if k not in self.locked()},
        }
        self.apply(AcceptPoints(points=points, state=state), writes, Place(1, 0, 2))

    @rule(keys=some_points, state=st.sampled_from(["accepted", "locked", "rejected", None]))
    def review(self, keys, state):
        known = {joint_of(t, k) for t in ("accepted", "points3d", "labels") for k in self.model[t]}
        sources = {key: row[1] for key, row in self.model["reviews"].items()}
        row = {key: None if state is None else (state, sources.get(key, "")) for key in keys}
        keeps = state in ("accepted", "locked")
        self.apply(
            SetReviews(keys=keys, state=state),
            {"reviews": row, "accepted": {} if keeps else dict.fromkeys(keys)},
            refused=keeps and not known >= set(keys),
        )

    @rule(keys=some_joints, is_muted=st.booleans())
    def override(self, keys, is_muted):
        row = (0.0,) if is_muted else None
        self.apply(SetOverrides(keys=keys, muted=is_muted), {"overrides": dict.fromkeys(keys, row)})

    @rule(camera=st.sampled_from(CAMERAS), span=spans, pair=pairs, move=st.booleans())
    def swap(self, camera, span, pair, move):
        number = max([key[0] for key in self.model["swaps"]], default=0) + 1
        writes = {"swaps": {(number,): (camera, *span, *pair)}}
        if move:
            writes |= {t: self.exchanged(t, span, pair, (camera,)) for t in IN_VIEWS}
        else:
            writes["overrides"] = self.following_mutes(span, pair, camera)
        self.apply(
            SwapIdentities(
                camera=camera,
                start=span[0],
                stop=span[1],
                person=pair[0],
                other=pair[1],
                move_labels=move,
            ),
            writes,
        )

    def following_mutes(self, span, pair, camera):
        """What is muted of detections; a muted label stays, and no label gets muted by it."""
        rows, labels = {}, self.model["labels"]
        for frame in range(*span):
            for joint in {key[3] for key in self.model["overrides"]}:
                here, there = ((frame, camera, person, joint) for person in pair)
                free = [key for key in (here, there) if key not in labels]
                muted = {key: self.model["overrides"].get(key) for key in free}
                rows |= dict.fromkeys(key for key, row in muted.items() if row is not None)
                if len(free) == 2:
                    rows |= {
                        to: muted[key]
                        for key, to in ((here, there), (there, here))
                        if muted[key] is not None
                    }
        return {JointKey(*key): row for key, row in rows.items()}

    @rule(number=st.integers(1, 3))
    def remove_swap(self, number):
        known = (number,) in self.model["swaps"]
        self.apply(RemoveSwap(number=number), {"swaps": {(number,): None}}, refused=not known)

    @rule(span=spans, pair=pairs, cameras=st.sampled_from([None, (0,), (0, 1)]))
    def swap_labels(self, span, pair, cameras):
        tables = IN_VIEWS if cameras else (*IN_VIEWS, "points3d", "accepted", "reviews")
        edit = SwapPersonLabels(
            start=span[0], stop=span[1], person=pair[0], other=pair[1], cameras=cameras
        )
        self.apply(edit, {t: self.exchanged(t, span, pair, cameras) for t in tables})

    def exchanged(self, table, span, pair, cameras):
        place = 2 if table in IN_VIEWS else 1
        other = {pair[0]: pair[1], pair[1]: pair[0]}
        moving = {
            key: row
            for key, row in self.model[table].items()
            if key[0] in range(*span)
            and key[place] in pair
            and (cameras is None or place == 1 or key[1] in cameras)
        }
        rows = dict.fromkeys(moving)
        for key, row in moving.items():
            rows[type(key)(*key[:place], other[key[place]], *key[place + 1 :])] = row
        return rows

    @rule(points=places)
    def track(self, points):
        rows = {key: (*(point or (None, None)), "hand") for key, point in points}
        self.apply(SetTrackPoints(points=points), {"track_points": rows})

    @rule(keys=some_joints, x=numbers)
    def label(self, keys, x):
        self.put(keys, x)

    def put(self, keys, x):
        edit = SetJoints(keys=keys, points_px=((x, 1.0),) * len(keys))
        row = (x, 1.0, "visible", "hand")
        # What was muted there was a network's word; a label takes its place.
        self.apply(edit, {"labels": dict.fromkeys(keys, row), "overrides": dict.fromkeys(keys)})

    @rule(keys=some_points, x=numbers)
    def label_in_space(self, keys, x):
        edit = SetPoints(keys=keys, points_mm=((x, 1.0, 2.0),) * len(keys))
        self.apply(edit, {"points3d": dict.fromkeys(keys, (x, 1.0, 2.0, "hand"))})

    @rule(key=joint_keys, x=numbers)
    def place_hide_and_lock_at_once(self, key, x):
        point = PointKey(key.frame, key.person, key.joint)
        edits = (
            SetJoints(keys=(key,), points_px=((x, 1.0),)),
            SetVisibility(keys=(key,), visibility="occluded"),
            SetReviews(keys=(point,), state="locked", source="me"),
        )
        self.apply(
            Several(edits=edits, name="all at once"),
            {
                "labels": {key: (x, 1.0, "occluded", "hand")},
                "overrides": {key: None},
                "reviews": {point: ("locked", "me")},
            },
        )

    @rule(frame=st.sampled_from(FRAMES), person=st.sampled_from(PERSONS))
    def delete_person(self, frame, person):
        writes = {
            table: {
                key: None
                for key, row in self.model[table].items()
                if joint_of(table, key)[:2] == (frame, person) and row[0] != "rejected"
            }
            for table in ("labels", "points3d", "accepted", "reviews")
        }
        self.apply(DeletePerson(frame=frame, person=person), writes)

    @rule(theirs=some_joints, mine=some_joints, x=numbers, y=numbers, prefer=st.booleans())
    def merge(self, theirs, mine, x, y, prefer):
        """A copy in which somebody labels, while we go on; then both are brought together."""
        copy = self.folder / "copy.trilabel"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.path, copy, ignore=shutil.ignore_patterns("*-shm", ".writer*"))
        base = self.model["labels"]
        new = (x, 1.0, "visible", "hand")
        with Project.open(copy) as other:
            if any(
                joint_of("labels", key) in self.locked() for key in theirs if base.get(key) != new
            ):
                return
            other.apply(SetJoints(keys=theirs, points_px=((x, 1.0),) * len(theirs)))
        self.put(mine, y)
        plan = plan_merge(self.project, copy)
        here = self.model["labels"]
        taken = {
            key: new
            for key in theirs
            if base.get(key) != new and (here.get(key) == base.get(key) or prefer)
        }
        disputed = {
            key
            for key in theirs
            if base.get(key) != new and here.get(key) not in (base.get(key), new)
        }
        assert {conflict.key for conflict in plan.conflicts} == disputed
        chosen = all_theirs(plan) if prefer else frozenset()
        writes = {"labels": taken, "overrides": dict.fromkeys(theirs)}
        self.apply(Merge(plan=plan, theirs=chosen), writes)

    @rule()
    def undo(self):
        if not self.done:
            with pytest.raises(CommandRefusedError):
                self.project.undo()
            return
        before, place, description = self.done.pop()
        self.undone.append((self.model, place, description))
        change = self.project.undo()
        assert (change.place, change.description) == (place, f"Undo: {description}")
        self.model = before

    @rule()
    def redo(self):
        if not self.undone:
            with pytest.raises(CommandRefusedError):
                self.project.redo()
            return
        after, place, description = self.undone.pop()
        self.done.append((self.model, place, description))
        assert self.project.redo().place == place
        self.model = after

    @invariant()
    def the_tables_hold_what_they_should(self):
        if not hasattr(self, "project"):
            return
        state = self.project.labels.state()
        for name, rows in self.model.items():
            assert {key: row[:-2] for key, row in state[name].items()} == rows, name
        assert self.project.labels.replay() == state
        assert self.project.undo_description == (self.done[-1][2] if self.done else None)
        assert self.project.redo_description == (self.undone[-1][2] if self.undone else None)

    @invariant()
    def people_are_where_the_last_word_says(self):
        if not hasattr(self, "project"):
            return
        base = base_tracks()
        where = dict(
            zip(
                zip(base.row_frames.tolist(), base.row_persons.tolist(), strict=True),
                map(tuple, base.row_ground_mm.tolist()),
                strict=True,
            )
        )
        where |= {key: row[:2] for key, row in self.model["track_points"].items()}
        expected = {key: place for key, place in sorted(where.items()) if place[0] is not None}
        tracks = self.project.tracks
        keys = list(zip(tracks.row_frames.tolist(), tracks.row_persons.tolist(), strict=True))
        assert dict(zip(keys, map(tuple, tracks.row_ground_mm.tolist()), strict=True)) == expected
        assert keys == sorted(expected)
        people = {person for _, person in expected}
        assert tracks.persons == tuple(sorted({0, 1} | people))
        for person in people:
            frames = [frame for frame, other in expected if other == person]
            assert tracks.frames_of(person).tolist() == frames

    @invariant()
    def frames_show_what_people_decided(self):
        if not hasattr(self, "project"):
            return
        for frame in FRAMES:
            self.check_frame(frame)
        assert self.project.next_person() not in self.project.persons

    def check_frame(self, frame):
        states = self.project.reviews(frame).of(PERSONS)
        persons, points = self.project.accepted(frame)
        muted = self.project.muted(frame, PERSONS)
        for person in PERSONS:
            for joint in JOINTS:
                key = (frame, person, joint)
                state = self.model["reviews"].get(key, ("unreviewed",))[0]
                assert states[person, joint] == ReviewState[state.upper()]
                row = self.model["accepted"].get(key)
                found = points[persons.index(person), joint] if person in persons else None
                assert (row is None) == (found is None or np.isnan(found).all())
                assert row is None or found.tolist() == list(row[:3])
                for camera in CAMERAS:
                    factor = self.model["overrides"].get((frame, camera, person, joint))
                    assert muted[person, camera, joint] == (factor == (0.0,))
        self.check_identities(frame)

    def check_identities(self, frame):
        observations = self.project.observations(frame)
        for camera in CAMERAS:
            whose = {person: person for person in PERSONS}  # detection → its owner now
            for _, (view, start, stop, one, other) in sorted(self.model["swaps"].items()):
                if view == camera and frame in range(start, stop):
                    names = {one: other, other: one}
                    whose = {d: names.get(owner, owner) for d, owner in whose.items()}
            for detection, owner in whose.items():
                row = observations.persons.index(owner)
                # The third joint is never labelled here: what shows is the detection.
                assert observations.points_px[row, camera, 2, 0] == 100 * detection + camera


TestCuration = Curation.TestCase
TestCuration.settings = settings(
    max_examples=15,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
