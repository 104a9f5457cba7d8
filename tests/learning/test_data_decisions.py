"""What people decided about pseudo-labels: accepted ones are learned from, rejected ones never."""

import dataclasses

import numpy as np
import pytest

from core.labelling import accepted_ghosts, confirmed, copied_from_frame, hand_ghosts
from core.learning.data import Group, open_data
from core.observations import Source
from core.project import (
    AcceptedPoint,
    AcceptPoints,
    JointKey,
    PointKey,
    Provenance,
    SetJoints,
    SetOverrides,
    SetReviews,
    SetTrackPoints,
    SwapIdentities,
)
from core.project.edits import REPROJECTED
from core.project.runs.config import DataOptions
from core.project.schema import copy_database
from tests.learning.test_data_project import (
    POSES,
    add_detections,
    add_labels,
    add_points,
    add_tracks,
    opened,
    project,  # noqa: F401 - a fixture
    rig,  # noqa: F401 - a fixture
)

# The fixture has the name of what it is.
# ruff: noqa: F811


def accept(project, frame, person, joints=range(13), state="accepted", offset_mm=0.0):
    pose = POSES[(3, 7).index(person), frame] + offset_mm
    points = tuple(
        AcceptedPoint(
            PointKey(frame, person, joint),
            tuple(pose[joint].tolist()),
            Provenance(source="detections"),
        )
        for joint in joints
    )
    project.apply(AcceptPoints(points=points, state=state))


def reject(project, frame, person, joints):
    keys = tuple(PointKey(frame, person, joint) for joint in joints)
    project.apply(SetReviews(keys=keys, state="rejected"))


def test_accepted_and_locked_points_are_labels_only_where_that_is_asked_for(project):
    add_tracks(project)
    add_points(project, 1, 3)
    accept(project, 4, 3)
    accept(project, 5, 7, joints=(0, 1), state="locked")
    with opened(project, use_accepted=False) as data:
        assert list(data.labelled) == [Group(0, 3, 1)]
        assert np.isnan(data.points_mm(Group(0, 3, 4))).all()
    with opened(project, use_accepted=True) as data:
        assert set(data.labelled) == {Group(0, 3, 1), Group(0, 3, 4), Group(0, 7, 5)}
        np.testing.assert_allclose(data.points_mm(Group(0, 3, 4)), POSES[0, 4], atol=1e-9)
        known = np.isfinite(data.points_mm(Group(0, 7, 5))).all(-1)
        assert np.flatnonzero(known).tolist() == [0, 1]
        assert not set(data.labelled) & set(data.unlabelled)
        assert any("2 groups" in note for note in data.notes)


def test_accepting_one_person_leaves_the_others_of_the_frame_unlabelled(project):
    add_tracks(project)
    accept(project, 4, 3)
    with opened(project, use_accepted=True) as data:
        assert Group(0, 7, 4) in data.unlabelled


def test_what_a_person_placed_is_never_replaced_by_an_accepted_point(project):
    add_tracks(project)
    add_points(project, 4, 3)
    accept(project, 4, 3, offset_mm=100.0)
    add_labels(project, 5, 3, (2,), joints=(0,))
    accept(project, 5, 3, joints=(0, 1), offset_mm=100.0)
    with opened(project, use_accepted=True) as data:
        np.testing.assert_allclose(data.points_mm(Group(0, 3, 4)), POSES[0, 4], atol=1e-9)
        found = data.points_mm(Group(0, 3, 5))
        assert np.isnan(found[0]).all(), "placed by hand in one view: the accepted point is out"
        np.testing.assert_allclose(found[1], POSES[0, 5, 1] + 100, atol=1e-9)


def test_nothing_is_ever_held_out_for_its_accepted_points(project):
    add_tracks(project)
    for frame in (1, 2, 3, 8):
        add_points(project, frame, 3)
    accept(project, 8, 3, offset_mm=100.0)
    accept(project, 8, 7)
    accept(project, 11, 3)
    with opened(project, use_accepted=True, held_out_percent=25) as data:
        assert list(data.held_out) == [Group(0, 3, 8)]
        np.testing.assert_allclose(data.points_mm(Group(0, 3, 8)), POSES[0, 8], atol=1e-9)
        assert Group(0, 7, 8) not in data.labelled, "it is of a held-out frame"
        assert Group(0, 3, 11) in data.labelled


def test_no_share_of_labels_means_no_accepted_ones_either(project):
    add_tracks(project)
    add_points(project, 1, 3)
    accept(project, 4, 3)
    with opened(project, use_accepted=True, labelled_percent=0) as data:
        assert not len(data.labelled)


def test_rejected_joints_are_told_for_every_group(project):
    add_tracks(project)
    reject(project, 4, 3, (2, 5))
    with opened(project) as data:
        groups = [Group(0, 3, 4), Group(0, 7, 4)]
        assert np.argwhere(data.rejected_joints(groups)).tolist() == [[0, 2], [0, 5]]


def test_rejected_joints_are_none_of_the_triangulated_detections_in_the_place_of_labels(project):
    add_detections(project)
    reject(project, 4, 3, (2,))
    with opened(project, protocol="project-detections", held_out_percent=75) as data:
        assert np.isnan(data.points_mm(Group(0, 3, 4))[2]).all()
        assert np.isfinite(data.points_mm(Group(0, 3, 5))).all()


def test_a_reprojected_label_is_a_target_in_its_view_and_makes_no_label_in_space(project):
    add_tracks(project)
    add_labels(project, 4, 3, (0,), joints=(0,))
    pixels = project.rig.project(POSES[0, 4])
    for camera in (1, 2):
        project.apply(
            SetJoints(
                keys=(JointKey(4, camera, 3, 0),),
                points_px=(tuple(pixels[camera, 0].tolist()),),
                origin=REPROJECTED,
            )
        )
    with opened(project) as data:
        group = Group(0, 3, 4)
        assert np.isnan(data.points_mm(group)).all()
        assert np.isfinite(data.targets_px(group)[:3, 0]).all()


def test_a_reprojected_label_does_not_pull_at_the_point_of_two_views(project):
    add_labels(project, 4, 3, (0, 1))
    pixels = project.rig.project(POSES[0, 4]) + 50
    keys = tuple(JointKey(4, 2, 3, joint) for joint in range(13))
    project.apply(
        SetJoints(keys=keys, points_px=tuple(map(tuple, pixels[2].tolist())), origin=REPROJECTED)
    )
    with opened(project) as data:
        np.testing.assert_allclose(data.points_mm(Group(0, 3, 4)), POSES[0, 4], atol=1e-3)


def test_a_muted_observation_counts_in_training_as_ever(project):
    add_labels(project, 4, 3, (0, 1))
    before = opened(project).points_mm(Group(0, 3, 4))
    keys = tuple(JointKey(4, 1, 3, joint) for joint in range(13))
    project.apply(SetOverrides(keys=keys, muted=True))
    with opened(project) as data:
        np.testing.assert_array_equal(data.points_mm(Group(0, 3, 4)), before)


@pytest.mark.parametrize("swapped", [False, True])
def test_swapped_identities_hold_for_detections_that_are_learned_from(project, swapped):
    add_detections(project)
    if swapped:
        for camera in range(4):
            project.apply(SwapIdentities(camera=camera, start=4, stop=5, person=3, other=7))
    with opened(project, protocol="project-detections", held_out_percent=75) as data:
        found = data.points_mm(Group(0, 3, 4))
        np.testing.assert_allclose(found, POSES[1 if swapped else 0, 4], atol=0.5)


def test_a_run_learns_from_the_identities_and_tracks_of_its_own_snapshot(project, tmp_path):
    add_detections(project)
    add_tracks(project)
    snapshot = tmp_path / "labels.db"
    copy_database(project.path / "labels.db", snapshot)
    options = DataOptions(protocol="project-detections", held_out_percent=75)
    group = Group(0, 3, 4)

    def learned(labels_db):
        with open_data(options, project_dir=project.path, labels_db=labels_db) as data:
            return data.points_mm(group), data.boxes_px(group)

    pose, boxes = learned(snapshot)
    for camera in range(4):
        project.apply(SwapIdentities(camera=camera, start=4, stop=5, person=3, other=7))
    project.apply(SetTrackPoints(points=(((4, 3), (900.0, 900.0)),)))
    np.testing.assert_array_equal(learned(snapshot)[0], pose)
    np.testing.assert_array_equal(learned(snapshot)[1], boxes)
    assert np.abs(learned(None)[0] - pose).max() > 50.0
    assert np.nanmax(np.abs(learned(None)[1] - boxes)) > 5.0


def test_a_copy_that_nobody_has_looked_at_is_no_target_before_it_is_confirmed(project):
    add_tracks(project)
    seen = project.observations(4)
    pixels = project.rig.project(POSES[0, 4])
    other = dataclasses.replace(seen, persons=(3,), points_px=pixels[None])
    project.apply(copied_from_frame(seen, other, 3, cameras=(2,)))
    accept(project, 4, 3, joints=(1,))
    assert Group(0, 3, 4) not in targets_of(project, use_accepted=False)
    with opened(project, use_accepted=True) as data:
        assert np.isfinite(data.points_mm(Group(0, 3, 4))[1]).all(), "a copy contradicts nothing"
    copied = project.observations(4)
    assert (copied.source[copied.persons.index(3), 2] == Source.REPROJECTED).all()
    project.apply(confirmed(copied, [JointKey(4, 2, 3, 0)]))
    found = targets_of(project, use_accepted=False)[Group(0, 3, 4)]
    assert np.argwhere(np.isfinite(found).all(-1)).tolist() == [[2, 0]]


def test_an_accepted_ghost_is_a_target_of_its_view(project):
    add_tracks(project)
    add_labels(project, 4, 3, (0, 1), joints=(0,))
    seen = project.observations(4)
    ghosts = hand_ghosts(seen, project.rig)
    project.apply(accepted_ghosts(ghosts, seen, project.rig, person=3, cameras=(2,)))
    assert project.label(JointKey(4, 2, 3, 0)).origin == REPROJECTED
    found = targets_of(project, use_accepted=False)[Group(0, 3, 4)]
    assert np.isfinite(found[2, 0]).all()


def targets_of(project, use_accepted):
    with opened(project, use_accepted=use_accepted) as data:
        return {group: data.targets_px(group) for group in data.labelled}
