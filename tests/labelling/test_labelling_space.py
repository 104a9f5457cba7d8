"""Editing in space: planes, lines, chosen views, and the one edit that reprojects."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import CommandRefusedError
from core.geometry import triangulate
from core.labelling import MoveInSpace, Ray, chosen_views, on_line, on_plane, reproject
from core.observations import Source
from core.project import JointKey, PointKey, SetJoints, SetVisibility
from tests.app.views_world import make_project, make_world

number = st.floats(-5, 5)
vectors = st.tuples(number, number, number).map(np.array)
directions = vectors.filter(lambda v: np.linalg.norm(v) > 0.1)
KEY = PointKey(0, 2, 3)


@pytest.fixture(scope="module")
def world():
    return make_world(num_persons=4, num_frames=1)


@pytest.fixture
def project(tmp_path, world):
    with make_project(tmp_path / "own.trilabel", world) as project:
        yield project


def place_by_hand(project, camera, visibility="visible", by=(0.0, 0.0)):
    x, y = np.add(project.rig[camera].project(truth()), by)
    key = JointKey(KEY.frame, camera, KEY.person, KEY.joint)
    project.apply(SetJoints(keys=(key,), points_px=((x, y),), visibility=visibility))
    return key


def truth(by=(0.0, 0.0, 0.0)):
    joint = make_world(num_persons=4, num_frames=1).truth_mm[0, KEY.person, KEY.joint]
    return np.add(joint, by)


def moved(project, point_mm, choice="free", camera=0):
    observations = project.observations(KEY.frame)
    views = chosen_views(observations, KEY, choice, camera)
    return reproject(project.rig, observations, KEY, point_mm, views)


@settings(deadline=None, max_examples=60)
@given(origin=vectors, direction=directions, point=vectors, normal=directions)
def test_that_a_ray_meets_a_plane_on_both(origin, direction, point, normal):
    found = on_plane(Ray(origin, direction), point, normal)
    if found is None:
        steep = direction @ normal / np.linalg.norm(direction) / np.linalg.norm(normal)
        ahead = (point - origin) @ normal / (direction @ normal) if steep else 0.0
        assert abs(steep) <= 0.021 or ahead <= 0
        return
    scale = 1 + np.abs(found).max()
    assert abs((found - point) @ normal) < 1e-6 * scale * np.linalg.norm(normal)
    assert np.linalg.norm(np.cross(found - origin, direction)) < 1e-6 * scale * 10


@settings(deadline=None, max_examples=60)
@given(origin=vectors, direction=directions, start=vectors, along=directions)
def test_that_no_point_of_a_line_is_nearer_to_the_ray_than_the_one_found(
    origin, direction, start, along
):
    found = on_line(Ray(origin, direction), Ray(start, along))
    if found is None:
        return

    def distance(point):
        return np.linalg.norm(np.cross(point - origin, direction)) / np.linalg.norm(direction)

    assert np.linalg.norm(np.cross(found - start, along)) < 1e-6 * (1 + np.abs(found).max()) * 10
    step = along / np.linalg.norm(along)
    for by in (-0.1, 0.1):
        assert distance(found) <= distance(found + by * step) + 1e-9


def test_that_along_a_plane_or_a_parallel_line_there_is_no_point():
    ray = Ray(np.zeros(3), np.array([1.0, 0.0, 0.0]))
    above = np.array([0.0, 0.0, 1.0])
    assert on_plane(ray, above, above) is None
    assert on_plane(ray, np.array([-1.0, 0, 0]), np.array([1.0, 0, 0])) is None
    assert on_line(ray, Ray(above, np.array([1.0, 0.01, 0.0]))) is None
    assert on_line(ray, Ray(np.array([-2.0, -1, 0]), np.array([0.0, 1, 0]))) is None


def test_that_each_choice_means_its_views(project):
    place_by_hand(project, 1)
    place_by_hand(project, 4)
    observations = project.observations(KEY.frame)
    cameras = set(range(len(project.rig)))
    assert set(chosen_views(observations, KEY, "free", 0)) == cameras - {1, 4}
    assert chosen_views(observations, KEY, "hand", 0) == (1, 4)
    assert chosen_views(observations, KEY, "camera", 4) == (4,)
    assert set(chosen_views(observations, KEY, "all", 0)) == cameras


def test_that_what_was_said_without_a_place_is_left_alone(project):
    key = JointKey(KEY.frame, 5, KEY.person, KEY.joint)
    project.apply(SetVisibility(keys=(key,), visibility="outside"))
    observations = project.observations(KEY.frame)
    for choice in ("free", "all"):
        assert 5 not in chosen_views(observations, KEY, choice, 0)
    with pytest.raises(CommandRefusedError, match="occluded or outside"):
        chosen_views(observations, KEY, "camera", 5)
    with pytest.raises(CommandRefusedError, match="No view has a hand label"):
        chosen_views(observations, KEY, "hand", 0)


def test_that_where_all_views_are_labelled_the_refusal_says_what_to_do(project):
    for camera in range(len(project.rig)):
        place_by_hand(project, camera)
    with pytest.raises(CommandRefusedError, match="let the drag move those"):
        chosen_views(project.observations(KEY.frame), KEY, "free", 0)


def test_that_the_moved_labels_triangulate_to_the_point(project):
    wanted = truth((150.0, -80.0, 60.0))
    reprojection = moved(project, wanted)
    assert len(reprojection.points_px) >= 4
    straight = np.array(
        [project.rig[key.camera].undistort(at) for key, at in reprojection.points_px.items()]
    )
    projections = project.rig.projections[[key.camera for key in reprojection.points_px]]
    found = triangulate(straight[:, None], projections)
    np.testing.assert_allclose(found[0], wanted, atol=0.5)


def test_that_a_view_whose_picture_has_not_the_place_is_told_and_not_written(project):
    reprojection = moved(project, np.array([14_000.0, 7_000.0, 0.0]), "all")
    written = {key.camera for key in reprojection.points_px}
    assert reprojection.unseen
    assert not written & set(reprojection.unseen)
    for key, (x, y) in reprojection.points_px.items():
        width, height = project.rig[key.camera].extent_px
        assert -0.5 <= x <= width - 0.5
        assert -0.5 <= y <= height - 0.5


def test_that_a_reprojection_goes_when_the_joint_leaves_the_picture(project):
    project.apply(MoveInSpace(reprojection=moved(project, truth(), "all")))
    beyond = moved(project, np.array([14_000.0, 7_000.0, 0.0]), "all")
    gone = {JointKey(KEY.frame, camera, KEY.person, KEY.joint) for camera in beyond.unseen}
    stale = {key for key in gone if project.label(key) is not None}
    change = project.apply(MoveInSpace(reprojection=beyond))
    assert stale
    assert change.keys == stale | set(beyond.points_px)
    assert all(project.label(key) is None for key in stale)


def test_that_a_place_in_no_picture_is_refused(project):
    reprojection = moved(project, np.array([0.0, 0.0, 90_000.0]), "all")
    with pytest.raises(CommandRefusedError, match="None of the chosen views"):
        MoveInSpace(reprojection=reprojection)


def test_that_a_moved_hand_label_stays_one_and_new_ones_are_reprojected(project):
    visible, occluded = place_by_hand(project, 1), place_by_hand(project, 2, "occluded")
    before = {key: project.label(key) for key in (visible, occluded)}
    wanted = truth((90.0, 0.0, 40.0))
    change = project.apply(MoveInSpace(reprojection=moved(project, wanted, "all")))
    assert {visible, occluded} < change.keys
    for key in change.keys:
        label = project.label(key)
        assert label.origin == ("hand" if key in before else "reprojected")
        assert label.visibility == ("occluded" if key == occluded else "visible")
        point = (label.x_px, label.y_px)
        np.testing.assert_allclose(point, project.rig[key.camera].project(wanted))
    assert "from 3D" in change.description
    project.undo()
    assert {key: project.label(key) for key in (visible, occluded)} == before
    assert all(project.label(key) is None for key in change.keys - set(before))


def test_that_the_default_never_moves_a_hand_label(project):
    key = place_by_hand(project, 1, by=(5.0, 5.0))
    before = project.label(key)
    change = project.apply(MoveInSpace(reprojection=moved(project, truth())))
    assert key not in change.keys
    assert project.label(key) == before
    observations = project.observations(KEY.frame)
    row = observations.persons.index(KEY.person)
    assert observations.source[row, 1, KEY.joint] == Source.HAND
    other = next(iter(change.keys)).camera
    assert observations.source[row, other, KEY.joint] == Source.REPROJECTED
