"""Edits made from poses, carried out in a real project."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.diagnosis import diagnose_frame
from core.errors import CommandRefusedError
from core.labelling import (
    MoveInSpace,
    accepted_ghosts,
    confirmed,
    copied_from_frame,
    copied_from_views,
    filled,
    hand_ghosts,
    moved_person,
    nudged,
    place_joint,
    removed,
    removed_person,
    reproject,
    reset_joint,
    reset_person,
    swapped_sides,
)
from core.observations import Source
from core.project import JointKey, PointKey, SetOverrides, SetVisibility
from tests.app.views_world import make_project, make_world


@pytest.fixture(scope="module")
def kept_project(tmp_path_factory):
    path = tmp_path_factory.mktemp("labelling") / "own.trilabel"
    with make_project(path, make_world(num_persons=4, num_frames=3)) as project:
        yield project


@pytest.fixture
def project(kept_project):
    """The project as it was made: what a test does is taken back."""
    yield kept_project
    while kept_project.undo_description is not None:
        kept_project.undo()


def seen(project, frame=0):
    return project.observations(frame)


def point(project, key):
    observed = seen(project, key.frame)
    row = observed.persons.index(key.person)
    return observed.points_px[row, key.camera, key.joint]


def source(project, key):
    observed = seen(project, key.frame)
    return observed.source[observed.persons.index(key.person), key.camera, key.joint]


def a_detected_joint(project, person=0, cameras=range(8)):
    observed = seen(project)
    row = observed.persons.index(person)
    for camera in cameras:
        for joint in range(13):
            if observed.source[row, camera, joint] == Source.NETWORK:
                return JointKey(0, camera, person, joint)
    raise AssertionError("nothing was detected")


def test_a_placed_joint_is_a_hand_label_where_it_was_put(project):
    key = a_detected_joint(project)
    project.apply(place_joint(key, (100.5, 200.25)))
    assert source(project, key) == Source.HAND
    np.testing.assert_array_equal(point(project, key), (100.5, 200.25))


def test_a_moved_joint_that_was_occluded_stays_occluded(project):
    key = a_detected_joint(project)
    project.apply(SetVisibility(keys=(key,), visibility="occluded"))
    project.apply(place_joint(key, (100.0, 200.0)))
    assert project.label(key).visibility == "occluded"
    project.apply(SetVisibility(keys=(key,), visibility="outside"))
    project.apply(place_joint(key, (100.0, 200.0)))
    assert project.label(key).visibility == "visible"


@given(dx=st.floats(-50, 50), dy=st.floats(-50, 50))
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_nudge_moves_by_what_it_says(project, dx, dy):
    key = a_detected_joint(project)
    before = point(project, key)
    project.apply(nudged(seen(project), key, dx, dy))
    np.testing.assert_allclose(point(project, key) - before, (dx, dy), atol=1e-9)
    project.undo()
    np.testing.assert_array_equal(point(project, key), before)


def test_a_joint_that_is_nowhere_cannot_be_nudged(project):
    observed = seen(project)
    _, camera, joint = np.argwhere(observed.source[:1] == Source.NONE)[0]
    with pytest.raises(CommandRefusedError, match="place it first"):
        nudged(observed, JointKey(0, int(camera), observed.persons[0], int(joint)), 1.0, 0.0)


def test_a_person_moves_with_all_joints_of_the_view_and_of_no_other(project):
    before = seen(project)
    project.apply(moved_person(before, 1, 0, (7.0, -3.0)))
    after = seen(project)
    there = before.source[0, 1] != Source.NONE
    moved = before.points_px[0, 1][there] + (7.0, -3.0)
    np.testing.assert_allclose(after.points_px[0, 1][there], moved)
    assert (after.source[0, 1][there] == Source.HAND).all()
    others = np.delete(np.arange(8), 1)
    np.testing.assert_array_equal(after.points_px[0, others], before.points_px[0, others])


def test_confirming_makes_hand_labels_without_moving_anything(project):
    before = seen(project)
    keys = [JointKey(0, 2, 0, joint) for joint in range(13)]
    project.apply(confirmed(before, keys))
    after = seen(project)
    np.testing.assert_allclose(after.points_px, before.points_px)
    there = before.source[0, 2] == Source.NETWORK
    assert (after.source[0, 2][there] == Source.HAND).all()
    with pytest.raises(CommandRefusedError, match="Nothing to confirm"):
        confirmed(after, keys)


def hand_in_two_views(project, person=0):
    """A joint placed by hand in the two first views that see it."""
    observed = seen(project)
    row = observed.persons.index(person)
    joint = int(np.argmax((observed.source[row] == Source.NETWORK).sum(axis=0)))
    cameras = np.flatnonzero(observed.source[row, :, joint] == Source.NETWORK)[:2]
    keys = [JointKey(0, int(camera), person, joint) for camera in cameras]
    for key in keys:
        project.apply(place_joint(key, point(project, key)))
    return keys


def test_accepted_ghosts_are_reprojected_and_never_over_hand_labels(project):
    keys = hand_in_two_views(project)
    joint = keys[0].joint
    third = JointKey(0, next(c for c in range(8) if c not in {k.camera for k in keys}), 0, joint)
    project.apply(SetVisibility(keys=(third,), visibility="occluded"))
    before = seen(project)
    ghosts = hand_ghosts(before, project.rig)
    project.apply(accepted_ghosts(ghosts, before, project.rig, person=0))
    after = seen(project)
    for key in keys:
        np.testing.assert_array_equal(point(project, key), before.points_px[0, key.camera, joint])
        assert source(project, key) == Source.HAND
    assert project.label(third).visibility == "occluded"
    accepted = after.source[0, :, joint] == Source.REPROJECTED
    assert accepted.any()
    np.testing.assert_allclose(
        after.points_px[0, accepted, joint], ghosts.points_px[0, accepted, joint]
    )
    # What was accepted makes no ghost: the ghosts are those of the hand labels as before.
    np.testing.assert_array_equal(
        hand_ghosts(after, project.rig).points_mm[0, joint], ghosts.points_mm[0, joint]
    )


def test_accepted_ghosts_lie_in_the_pictures(project):
    hand_in_two_views(project)
    observed = seen(project)
    edit = accepted_ghosts(hand_ghosts(observed, project.rig), observed, project.rig, person=0)
    for key, (x, y) in zip(edit.keys, edit.points_px, strict=True):
        width, height = project.rig[key.camera].size_px
        assert -0.5 <= x <= width - 0.5
        assert -0.5 <= y <= height - 0.5


def test_there_is_nothing_to_accept_without_two_hand_views(project):
    observed = seen(project)
    with pytest.raises(CommandRefusedError, match="two views"):
        accepted_ghosts(hand_ghosts(observed, project.rig), observed, project.rig, person=0)


def test_a_pose_is_copied_from_another_frame_but_not_over_hand_labels(project):
    key = a_detected_joint(project)
    project.apply(place_joint(key, (11.0, 12.0)))
    other = seen(project, 1)
    project.apply(copied_from_frame(seen(project), other, 0))
    after = seen(project)
    np.testing.assert_array_equal(point(project, key), (11.0, 12.0))
    copied = after.source[0] == Source.REPROJECTED
    assert copied.any()
    np.testing.assert_allclose(after.points_px[0][copied], other.points_px[0][copied])


def test_a_copy_keeps_to_the_cameras_asked_for(project):
    edit = copied_from_frame(seen(project), seen(project, 1), 0, cameras=[3])
    assert {key.camera for key in edit.keys} == {3}


def test_a_copy_from_the_other_views_does_not_believe_the_view_itself(project):
    # The test's world moves joint 5 of person 3 away in camera 2.
    observed = seen(project)
    diagnosis = diagnose_frame(observed, project.rig, project.settings)
    edit = copied_from_views(observed, diagnosis, project.rig, 3, cameras=[2])
    project.apply(edit)
    truth = project.rig.project(make_world(num_persons=4, num_frames=3).truth_mm[0, 3][None])[0]
    key = JointKey(0, 2, 3, 5)
    assert np.linalg.norm(observed.points_px[3, 2, 5] - truth[2, 5]) > 50
    assert np.linalg.norm(point(project, key) - truth[2, 5]) < 10
    assert source(project, key) == Source.REPROJECTED
    assert {key.camera for key in edit.keys} == {2}


def test_somebody_new_can_be_filled(project):
    points = np.full((8, 13, 2), np.nan)
    points[2, 4] = (33.0, 44.0)
    project.apply(filled(seen(project), 77, points, name="Copy"))
    assert 77 in seen(project).persons


def test_a_reset_brings_back_what_the_network_found_and_unmutes_it(project):
    key = a_detected_joint(project)
    before = point(project, key)
    project.apply(removed(seen(project), key))
    assert project.muted(0, [0])[0, key.camera, key.joint]
    project.apply(place_joint(key, (1.0, 2.0)))
    project.apply(reset_joint(key))
    np.testing.assert_array_equal(point(project, key), before)
    assert not project.muted(0, [0]).any()


def test_deleting_a_label_leaves_the_prediction(project):
    key = a_detected_joint(project)
    before = point(project, key)
    project.apply(place_joint(key, (1.0, 2.0)))
    project.apply(removed(seen(project), key))
    np.testing.assert_array_equal(point(project, key), before)
    assert not project.muted(0, [0]).any()


def test_resetting_a_person_keeps_to_the_views_asked_for(project):
    first = a_detected_joint(project)
    second = a_detected_joint(project, cameras=range(first.camera + 1, 8))
    for key in (first, second):
        project.apply(place_joint(key, (5.0, 5.0)))
    project.apply(reset_person(seen(project), 0, cameras=[first.camera]))
    assert source(project, first) == Source.NETWORK
    assert source(project, second) == Source.HAND


def test_a_person_taken_out_takes_no_part_any_more_and_comes_back_by_one_undo(project):
    key = a_detected_joint(project)
    project.apply(place_joint(key, (5.0, 5.0)))
    before = seen(project)
    project.apply(removed_person(before, 0))
    after = seen(project)
    detected = before.source[0] == Source.NETWORK
    assert project.muted(0, [0])[0][detected].all()
    assert project.label(key) is None
    assert np.isnan(after.ground_mm[after.persons.index(0)]).all()
    project.undo()
    again = seen(project)
    np.testing.assert_array_equal(again.ground_mm, before.ground_mm)
    assert not project.muted(0, [0]).any()
    assert source(project, key) == Source.HAND


def test_swapping_twice_gives_the_points_back(project):
    before = seen(project)
    skeleton = project.skeleton
    both = (before.source[0, 1] != Source.NONE) & (
        before.source[0, 1][list(skeleton.mirror)] != Source.NONE
    )
    assert both.any()
    project.apply(swapped_sides([before], skeleton, 0, cameras=[1]))
    once = seen(project).points_px[0, 1]
    mirrored = before.points_px[0, 1][list(skeleton.mirror)]
    np.testing.assert_allclose(once[both], mirrored[both])
    project.apply(swapped_sides([seen(project)], skeleton, 0, cameras=[1]))
    np.testing.assert_allclose(seen(project).points_px[0, 1][both], before.points_px[0, 1][both])


def test_swapping_keeps_state_and_origin_of_labels(project):
    observed, mirror = seen(project), project.skeleton.mirror
    key = next(
        JointKey(0, camera, 0, joint)
        for camera in range(8)
        for joint in range(13)
        if mirror[joint] != joint and observed.source[0, camera, [joint, mirror[joint]]].all()
    )
    project.apply(place_joint(key, (9.0, 9.0)))
    project.apply(SetVisibility(keys=(key,), visibility="occluded"))
    project.apply(swapped_sides([seen(project)], project.skeleton, 0, cameras=[key.camera]))
    other = key._replace(joint=mirror[key.joint])
    label = project.label(other)
    assert (label.x_px, label.visibility, label.origin) == (9.0, "occluded", "hand")


def test_a_swap_over_frames_is_one_step(project):
    frames = [seen(project, frame) for frame in range(3)]
    change = project.apply(swapped_sides(frames, project.skeleton, 0, cameras=[0, 1]))
    assert change.frames == {0, 1, 2}
    project.undo()
    for frame in frames:
        np.testing.assert_array_equal(seen(project, frame.frame).points_px, frame.points_px)


def mute(project, *keys):
    project.apply(SetOverrides(keys=keys, muted=True))


def is_muted(project, key):
    return bool(project.muted(key.frame, (key.person,))[0, key.camera, key.joint])


@pytest.mark.parametrize("how", ["place", "nudge", "confirm", "ghost", "space"])
def test_what_is_put_where_a_detection_was_taken_away_counts(project, how):
    key = JointKey(0, 1, 0, 5)
    at = point(project, key)
    edit = removed(seen(project), key)
    project.apply(edit)
    assert is_muted(project, key)
    if how == "place":
        project.apply(place_joint(key, at))
    elif how == "nudge":
        project.apply(nudged(seen(project), key, 1.0, 0.0))
    elif how == "confirm":
        project.apply(confirmed(seen(project), [key]))
    elif how == "ghost":
        points = np.full((len(project.rig), project.skeleton.num_joints, 2), np.nan)
        points[key.camera, key.joint] = at
        project.apply(filled(seen(project), 0, points, name="Fill"))
    else:
        diagnosis = diagnose_frame(seen(project), project.rig, project.settings)
        joint_mm = diagnosis.triangulation.points_mm[0, 5]
        moved = reproject(project.rig, seen(project), PointKey(0, 0, 5), joint_mm, [1])
        project.apply(MoveInSpace(reprojection=moved))
    assert project.label(key) is not None
    assert not is_muted(project, key)
    project.undo()
    assert is_muted(project, key), "one undo brings the mute back too"


def test_confirming_a_whole_person_brings_nothing_back_that_was_taken_away(project):
    gone, kept = JointKey(0, 1, 0, 5), JointKey(0, 1, 0, 6)
    mute(project, gone)
    project.apply(confirmed(seen(project), [gone, kept]))
    assert project.label(gone) is None
    assert is_muted(project, gone)
    assert project.label(kept).origin == "hand"


def test_moving_a_whole_person_brings_nothing_back_that_was_taken_away(project):
    gone, kept = JointKey(0, 1, 0, 5), JointKey(0, 1, 0, 6)
    mute(project, gone)
    project.apply(moved_person(seen(project), 1, 0, (4.0, 0.0)))
    assert project.label(gone) is None
    assert is_muted(project, gone)
    assert project.label(kept).origin == "hand"


def test_swapping_sides_gives_nobody_what_was_taken_away(project):
    mirror = project.skeleton.mirror
    left = next(joint for joint, other in enumerate(mirror) if joint < other)
    gone, other = JointKey(0, 1, 0, left), JointKey(0, 1, 0, mirror[left])
    at = point(project, other)
    mute(project, gone)
    project.apply(swapped_sides([seen(project)], project.skeleton, 0, cameras=[1]))
    np.testing.assert_allclose(point(project, gone), at)
    assert not is_muted(project, gone)
    assert project.label(other).visibility == "occluded"
    assert np.isnan(project.label(other).x_px)
