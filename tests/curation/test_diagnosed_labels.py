"""Pseudo-labels of a frame that was diagnosed: the same as those that a query makes of it."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.curation.pseudo import diagnosed_labels, pseudo_labels
from core.curation.sources import DetectionSource
from core.diagnosis import diagnose_frame
from core.labelling import MoveInSpace, reproject
from core.project import (
    JointKey,
    PointKey,
    Project,
    SetJoints,
    SetOverrides,
    SetReviews,
)
from core.settings import TriangulationSettings
from tests.app.views_world import make_project, make_world

NUM_PERSONS, NUM_FRAMES, NUM_CAMERAS, NUM_JOINTS = 4, 3, 8, 13
NO_PICTURES = tuple(f"ace_{i}" for i in range(NUM_CAMERAS))


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = tmp_path_factory.mktemp("diagnosed") / "court.trilabel"
    world = make_world(num_persons=NUM_PERSONS, num_frames=NUM_FRAMES)
    make_project(path, world, without=NO_PICTURES).close()
    return path


def edit_at_random(project, frame, seed):
    """Muted views, hand labels right and wrong, reprojected ones, and reviews."""
    random = np.random.default_rng(seed)
    seen = project.observations(frame)

    def some(num):
        shape = (NUM_PERSONS, NUM_CAMERAS, NUM_JOINTS)
        rows = random.choice(np.prod(shape), num, replace=False)
        for person, camera, joint in zip(*np.unravel_index(rows, shape), strict=True):
            yield JointKey(frame, int(camera), seen.persons[person], int(joint))

    def place(key):
        x, y = seen.points_px[seen.persons.index(key.person), key.camera, key.joint]
        if not np.isfinite(x):
            x, y = random.uniform(50, 500, 2)
        return tuple((np.array([x, y]) + random.normal(0, 12, 2)).tolist())

    labelled = tuple(some(24))
    project.apply(SetJoints(keys=labelled, points_px=tuple(place(key) for key in labelled)))
    found = diagnose_frame(project.observations(frame), project.rig, TriangulationSettings())
    for row, joint in zip(random.integers(0, 4, 3), random.integers(0, 13, 3), strict=True):
        key = PointKey(frame, seen.persons[row], int(joint))
        point = found.triangulation.points_mm[row, joint]
        if np.isfinite(point).all():
            views = random.choice(NUM_CAMERAS, 3, replace=False).tolist()
            moved = reproject(project.rig, project.observations(frame), key, point, views)
            project.apply(MoveInSpace(reprojection=moved))
    project.apply(SetOverrides(keys=tuple(some(40)), muted=True))
    reviewed = tuple({PointKey(key.frame, key.person, key.joint) for key in some(9)})
    project.apply(SetReviews(keys=reviewed, state="rejected"))


@pytest.mark.parametrize("weighting", ["consensus", "pairwise", "none"])
@given(
    frame=st.integers(0, NUM_FRAMES - 1),
    seed=st.integers(0, 10_000),
    discard=st.sampled_from([None, "support", "wss"]),
)
@settings(deadline=None, max_examples=6)
def test_that_a_diagnosis_gives_what_triangulating_anew_gives(
    stored, weighting, frame, seed, discard
):
    options = TriangulationSettings(scale_mm=12.0, weighting=weighting, discard=discard)
    with Project.open(stored) as project:
        try:
            edit_at_random(project, frame, seed)
            seen = project.observations(frame)
            muted = project.muted(frame, seen.persons)
            diagnosis = diagnose_frame(seen, project.rig, options, muted)
            state = project.reviews(frame).of(seen.persons)
            had = diagnosed_labels(seen, diagnosis, state)
            anew = pseudo_labels(project, DetectionSource(project), frame, frame + 1, options)
        finally:
            while project.undo_description:
                project.undo()
    assert muted.any()
    assert had.has_hand.any()
    assert had.reprojected.any()
    assert had.state.any()
    for name in (field.name for field in fields(had)):
        one, other = getattr(had, name), getattr(anew, name)
        if isinstance(one, np.ndarray) and one.dtype.kind == "f":
            np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-7, err_msg=name)
        elif isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, other, err_msg=name)
        else:
            assert one == other, name
