"""A project's labels, places and pictures become groups to learn from."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from core.errors import DataError
from core.learning.data import Group, open_data
from core.people import GroundTracks, IdentifiedDetections, cylinder_boxes
from core.project import Project, ProjectSpec, SetJoints, SetPoints, Subject
from core.project.edits import JointKey, PointKey
from core.project.runs.config import DataOptions
from core.recording import FolderSpec, MissingFrameError
from core.skeleton import load_skeleton
from tests.learning.data_worlds import colour, ring_rig, walk, write_picture

CAMERAS = ("north", "east", "south", "west")
SKELETON = load_skeleton("sportcenter13")
POSES = walk(12, 2)
PERSONS = (3, 7)


@pytest.fixture
def rig():
    return ring_rig(CAMERAS, distortion=(-0.1, 0.02, 0, 0))


@pytest.fixture
def project(tmp_path, rig):
    """12 frames of two people in four cameras, with pictures, and nothing else."""
    sources = {}
    for c, name in enumerate(CAMERAS):
        for frame in range(12):
            write_picture(tmp_path / "pictures" / name / f"{frame:03d}.jpg", c, frame)
        sources[name] = FolderSpec(directory=tmp_path / "pictures" / name)
    spec = ProjectSpec(
        name="yard",
        rig=rig,
        skeleton=SKELETON,
        num_frames=12,
        first_frame_number=1,
        sources=sources,
    )
    with Project.create(tmp_path / "yard.trilabel", spec) as project:
        yield project


def add_tracks(project):
    frames = np.tile(np.arange(12), 2)
    ground = POSES[:, :, 7:9].mean(axis=2).reshape(-1, 3)
    project.write_tracks(GroundTracks.from_rows(np.repeat(PERSONS, 12), frames, ground))


def add_labels(project, frame, person, cameras, joints=range(13), poses=POSES):
    """Labels by hand in these cameras, where the joints really are."""
    points = project.rig.project(poses[PERSONS.index(person), frame])
    places = [(camera, joint) for camera in cameras for joint in joints]
    keys = tuple(JointKey(frame, camera, person, joint) for camera, joint in places)
    project.apply(
        SetJoints(keys=keys, points_px=tuple(tuple(points[place].tolist()) for place in places))
    )


def add_points(project, frame, person):
    points = POSES[PERSONS.index(person), frame]
    keys = tuple(PointKey(frame, person, joint) for joint in range(13))
    project.apply(SetPoints(keys=keys, points_mm=tuple(map(tuple, points.tolist()))))


def add_detections(project, wrong=()):
    """What a perfect detector sees of both; wrong by 90 px in the views (frame, camera) named."""
    points = project.rig.project(POSES).transpose(1, 2, 0, 3, 4)  # frame, camera, person
    for frame, camera in wrong:
        points[frame, camera] += 90
    count = points[..., 0, 0].size
    frame, camera, person = (axis.reshape(-1) for axis in np.indices(points.shape[:3]))
    project.add_import(
        IdentifiedDetections(
            frame=frame.astype(np.int32),
            camera=camera.astype(np.int16),
            person=np.array(PERSONS, np.int32)[person],
            points_px=points.reshape(count, 13, 2).astype(np.float32),
            confidence=np.full((count, 13), 0.9, np.float32),
            score=np.full(count, 0.9, np.float32),
            is_hand=np.zeros(count, bool),
        ),
        "perfect",
    )


def opened(project, **options):
    return open_data(DataOptions(**{"held_out_percent": 0, **options}), project_dir=project.path)


def test_a_label_in_space_is_projected_into_every_view(project):
    add_tracks(project)
    add_points(project, 4, 7)
    with opened(project) as data:
        assert list(data.labelled) == [Group(0, 7, 4)]
        np.testing.assert_allclose(data.points_mm(data.labelled[0]), POSES[1, 4], atol=1e-9)
        expected = project.rig.project(POSES[1, 4])
        np.testing.assert_allclose(data.targets_px(data.labelled[0]), expected, atol=1e-9)
        assert np.isnan(data.recordings[0].label_px(7, 4)).all()


def test_joints_labelled_in_two_views_become_labels_in_space_and_targets_in_all_views(project):
    add_labels(project, 4, 3, (0, 1))
    with opened(project) as data:
        np.testing.assert_allclose(data.points_mm(data.labelled[0]), POSES[0, 4], atol=1e-3)
        expected = project.rig.project(POSES[0, 4])
        np.testing.assert_allclose(data.targets_px(data.labelled[0]), expected, atol=1e-3)


def test_a_joint_labelled_in_one_view_is_a_target_there_alone(project):
    add_tracks(project)
    add_labels(project, 4, 3, (0, 1))
    add_labels(project, 5, 3, (2,), joints=(0, 1))
    with opened(project) as data:
        group = Group(0, 3, 5)
        assert group in data.labelled
        assert np.isnan(data.points_mm(group)).all()
        known = np.isfinite(data.targets_px(group)).all(-1)
        assert np.argwhere(known).tolist() == [[2, 0], [2, 1]]


def test_a_label_in_space_wins_over_the_views(project):
    add_tracks(project)
    add_points(project, 4, 3)
    add_labels(project, 4, 3, (0, 1, 2), poses=POSES + 50)
    with opened(project) as data:
        np.testing.assert_allclose(data.points_mm(data.labelled[0]), POSES[0, 4], atol=1e-9)


def test_labels_in_all_cameras_count_also_where_few_cameras_are_in_use(project):
    add_labels(project, 4, 3, (0, 1))
    with opened(project, cameras=("west", "east")) as data:
        assert data.recordings[0].rig.names == ("west", "east")
        np.testing.assert_allclose(data.points_mm(data.labelled[0]), POSES[0, 4], atol=1e-3)
        in_use = data.recordings[0].label_px(3, 4)
        assert np.isnan(in_use[0]).all()
        assert np.isfinite(in_use[1]).all()
        picture = data.recordings[0].read(0, 6)
        assert np.abs(picture[120, 160].astype(int) - colour(3, 6)).max() <= 4


def test_labels_come_from_the_snapshot_of_the_run(project, tmp_path):
    add_tracks(project)
    add_points(project, 4, 3)
    project.close()
    snapshot = shutil.copyfile(project.path / "labels.db", tmp_path / "snapshot.db")
    with Project.open(project.path) as again:
        add_points(again, 5, 7)
    options = DataOptions(held_out_percent=0)
    with open_data(options, project_dir=project.path, labels_db=snapshot) as data:
        assert list(data.labelled) == [Group(0, 3, 4)]
    with open_data(options, project_dir=project.path) as data:
        assert len(data.labelled) == 2


def test_boxes_are_cylinders_on_the_ground_tracks(project):
    add_tracks(project)
    with opened(project) as data:
        assert len(data.unlabelled) == 24
        ground = POSES[0, 6, 7:9].mean(axis=0) * (1, 1, 0)
        expected = cylinder_boxes(ground[None], project.rig)[0]
        np.testing.assert_allclose(data.boxes_px(Group(0, 3, 6)), expected, atol=1e-9)
        assert np.isnan(data.recordings[0].boxes_px(99, 6)).all()


def test_without_tracks_boxes_are_about_the_triangulated_detections(project):
    add_detections(project, wrong=[(6, 1)])
    with opened(project) as data:
        assert len(data.unlabelled) == 24
        seen = project.rig.project(POSES[0, 6])
        boxes = data.boxes_px(Group(0, 3, 6))
        inside = (seen >= boxes[:, None, :2] - 1) & (seen <= boxes[:, None, 2:] + 1)
        assert inside.all(), "also in the view that was wrong"
        margin = 0.15 * (seen.max(axis=1) - seen.min(axis=1)).max(axis=1)
        np.testing.assert_allclose(boxes[:, 0], seen[..., 0].min(axis=1) - margin, atol=2)


def test_labels_of_a_few_joints_leave_the_boxes_where_the_person_was_detected(project):
    add_detections(project)
    groups = [Group(0, 3, 2), Group(0, 3, 5)]
    with opened(project) as data:
        before = [data.boxes_px(group) for group in groups]
    add_labels(project, 2, 3, cameras=[0])  # all joints, in one view
    add_labels(project, 5, 3, cameras=[0, 1], joints=[9])  # one joint
    with opened(project) as data:
        for group, boxes in zip(groups, before, strict=True):
            assert np.isfinite(boxes).all()
            np.testing.assert_allclose(data.boxes_px(group), boxes)


def test_somebody_labelled_off_the_tracks_has_a_box_about_the_labels(project):
    frames = np.arange(12)
    project.write_tracks(GroundTracks.from_rows(np.full(12, 3), frames, POSES[0, :, 7]))
    add_points(project, 4, 7)
    add_labels(project, 5, 7, (2,))
    with opened(project) as data:
        whole, single = data.boxes_px(Group(0, 7, 4)), data.boxes_px(Group(0, 7, 5))
        assert np.isfinite(whole).all()
        assert np.isfinite(single).all(axis=1).tolist() == [False, False, True, False]


def test_people_mostly_outside_a_picture_are_not_in_view(project, rig):
    ground = np.array([(0.0, 0, 0), (0, 3300, 0), (0, 6000, 0)])
    project.write_tracks(GroundTracks.from_rows(np.full(3, 3), np.arange(3), ground))
    with opened(project) as data:
        boxes = np.stack([data.boxes_px(Group(0, 3, frame)) for frame in range(3)])
        seen = np.isfinite(boxes[:, 0, 0])
        uncut = cylinder_boxes(ground, ring_rig(CAMERAS, distortion=(-0.1, 0.02, 0, 0),
                                                size_px=None))[:, 0]  # fmt: skip
        width = np.minimum(uncut[:, 2], 319.5) - np.maximum(uncut[:, 0], -0.5)
        share = width / (uncut[:, 2] - uncut[:, 0])
        assert seen.tolist() == (share >= 0.25).tolist()
        assert seen[0]
        assert not seen[2]
        assert (boxes[seen, 0, 2] <= 319.5).all()


def test_detections_take_the_place_of_labels_where_the_protocol_says_so(project):
    add_detections(project, wrong=[(6, 1)])
    add_labels(project, 2, 3, range(4), poses=POSES + 500)
    with opened(project, protocol="project-detections", held_out_percent=25) as data:
        assert {group.frame for group in data.held_out} == {9, 10, 11}
        assert len(data.labelled) == 2
        assert {group.frame for group in data.labelled} == {4}
        assert {group.frame for group in data.unlabelled} == set(range(9)) - {4}
        assert any("agreement" in note for note in data.notes)
    with opened(project, protocol="project-detections", held_out_percent=75) as data:
        assert {group.frame for group in data.held_out} == set(range(3, 12)), "the wrong one, too"
        for group in (*data.held_out, *data.labelled):
            truth = POSES[PERSONS.index(group.person), group.frame]
            np.testing.assert_allclose(data.points_mm(group), truth, atol=0.5)


def test_labels_of_unlabelled_groups_are_known_to_nobody(project):
    add_detections(project)
    with opened(project, protocol="project-detections", held_out_percent=25) as data:
        assert data.unlabelled
        for group in data.unlabelled:
            assert np.isnan(data.points_mm(group)).all()
            assert np.isnan(data.targets_px(group)).all()
        for group in (*data.labelled, *data.held_out):
            assert np.isfinite(data.points_mm(group)).all()


def test_people_of_the_test_split_are_held_out(project):
    add_tracks(project)
    for frame in (3, 6):
        add_points(project, frame, 3)
        add_points(project, frame, 7)
    project.update(subjects=(Subject(person=7, name="seven", split="test"),))
    with opened(project) as data:
        assert {group.person for group in data.held_out} == {7}
        assert {group.person for group in (*data.labelled, *data.unlabelled)} == {3}


def test_cameras_without_pictures_see_nobody_and_are_named(project):
    add_tracks(project)
    sources = {name: s for name, s in project.spec.sources.items() if name != "east"}
    project.update(sources=sources)
    with opened(project) as data:
        boxes = data.boxes_px(Group(0, 3, 6))
        assert np.isfinite(boxes).all(axis=1).tolist() == [True, False, True, True]
        assert "No pictures of east." in data.notes


def test_pictures_are_read_from_many_threads_by_camera_and_frame(project):
    add_tracks(project)
    with opened(project) as data, ThreadPoolExecutor(4) as pool:
        recording = data.recordings[0]
        places = [(camera, frame) for frame in range(12) for camera in range(4)] * 3
        pictures = list(pool.map(lambda place: recording.read(*place), places))
        for (camera, frame), picture in zip(places, pictures, strict=True):
            assert picture.shape == (240, 320, 3)
            assert np.abs(picture[120, 160].astype(int) - colour(camera, frame)).max() <= 4
        with pytest.raises(MissingFrameError):
            recording.read(0, 12)


def test_pictures_are_named_by_their_source_its_change_and_their_frame(project, tmp_path):
    add_tracks(project)
    add_points(project, 4, 3)
    with opened(project) as data:
        keys = {data.recordings[0].picture_key(c, f) for c in range(4) for f in range(12)}
        assert len(keys) == 48
    with opened(project, cameras=("west",)) as data:
        assert data.recordings[0].picture_key(0, 5) in keys
    write_picture(tmp_path / "pictures" / "west" / "012.jpg", 3, 12)
    with opened(project, cameras=("west",)) as data:
        assert data.recordings[0].picture_key(0, 5) not in keys


def test_shuffled_labels_are_other_peoples_poses_in_the_right_places(project):
    add_tracks(project)
    for frame in range(10):
        add_points(project, frame, 3)
        add_points(project, frame, 7)
    options = DataOptions(held_out_percent=30, shuffle_labels=True)
    honest = open_data(replace(options, shuffle_labels=False), project_dir=project.path)
    with honest, open_data(options, project_dir=project.path, seed=5) as data:
        assert data.labelled == honest.labelled
        assert any("SHUFFLED" in note for note in data.notes)
        for group in data.labelled:
            own, wrong = honest.points_mm(group), data.points_mm(group)
            assert np.abs(wrong - own).max() > 1
            np.testing.assert_allclose(wrong.mean(axis=0), own.mean(axis=0), atol=1e-9)
            poses = [honest.points_mm(other) for other in honest.labelled if other != group]
            centred = [pose - pose.mean(axis=0) for pose in poses]
            assert min(np.abs(wrong - wrong.mean(axis=0) - c).max() for c in centred) < 1e-6
        for group in data.held_out:
            np.testing.assert_array_equal(data.points_mm(group), honest.points_mm(group))
        with open_data(options, project_dir=project.path, seed=5) as again:
            same = [np.array_equal(again.points_mm(g), data.points_mm(g)) for g in data.labelled]
        with open_data(options, project_dir=project.path, seed=6) as other:
            equal = [np.array_equal(other.points_mm(g), data.points_mm(g)) for g in data.labelled]
    assert all(same)
    assert not all(equal)


def test_a_project_with_nobody_in_it_is_refused(project):
    with pytest.raises(DataError, match="expected people with a place, or labels"):
        opened(project)


def test_a_protocol_about_a_project_needs_one():
    with pytest.raises(DataError, match=r"data\.source: expected the folder of a project"):
        open_data(DataOptions())


def test_a_camera_that_is_not_there_is_named(project):
    with pytest.raises(DataError, match="nort: expected one of north, east, south, west"):
        opened(project, cameras=("nort",))
