import json

import cv2
import numpy as np
import pytest

from core.errors import CommandRefusedError, DataError
from core.formats.alphapose import write_alphapose
from core.formats.detections import CameraDetections
from core.formats.rig_toml import write_rig_toml
from core.formats.sportcenter import (
    HumanPoses,
    Trajectories,
    write_calibration,
    write_human_poses,
    write_trajectories,
)
from core.geometry import Rig
from core.observations import Source
from core.project import JointKey, Project
from core.project.importing import import_sportcenter, new_project
from core.recording.sources import FolderSpec, VideoSpec
from core.skeleton import load_skeleton

SPORTCENTER = load_skeleton("sportcenter13")
HEIGHTS = (1700, *(1450,) * 2, *(1100,) * 2, *(900,) * 2, *(950,) * 2, *(500,) * 2, *(80,) * 2)


def quiet(_text):
    pass


def people(num_frames):
    """(2, F, 13, 3) mm: person 7 walks along x, person 3 stands; joints above each other."""
    points = np.zeros((2, num_frames, 13, 3))
    points[..., 2] = HEIGHTS
    points[..., 0] += np.linspace(-150, 150, 13)
    points[0, :, :, 0] += 100.0 * np.arange(num_frames)[:, None] - 1000
    points[1, :, :, 0] += 1500
    return points


def detections_of(rig, camera, points_mm, *, joints=SPORTCENTER.joints, first_number=1):
    """What a perfect detector sees of the people, person by person within a frame."""
    num_people, num_frames, num_joints = points_mm.shape[:3]
    points = rig[camera].project(points_mm).astype(np.float32)
    count = num_people * num_frames
    return CameraDetections(
        joints=joints,
        frames=np.repeat(np.arange(num_frames), num_people),
        points_px=points.transpose(1, 0, 2, 3).reshape(count, num_joints, 2),
        confidence=np.full((count, num_joints), 0.75, np.float32),
        score=np.full(count, 0.5, np.float32),
        identity=np.full(count, -1, np.int32),
        hand=np.zeros(count, bool),
        first_number=first_number,
    )


@pytest.fixture
def sportcenter_rig(rig):
    return Rig(
        tuple(
            type(camera)(f"ace_{c}", camera.K, np.zeros(5), camera.R, camera.t_mm, (1280, 720))
            for c, camera in enumerate(rig)
        )
    )


@pytest.fixture
def dataset(tmp_path, sportcenter_rig):
    """A SportCenter folder: 10 frames, subjects 7 (test) and 3, poses of 7 at two frames."""
    folder = tmp_path / "sportcenter"
    folder.mkdir()
    rig, points = sportcenter_rig, people(10)
    write_calibration(folder / "calibration.json", rig)
    head = points[:, :, 0]
    write_trajectories(
        folder / "trajectories.json",
        Trajectories(
            person=np.repeat([7, 3], 10),
            frame=np.tile(np.arange(10), 2),
            head_mm=head.reshape(-1, 3),
        ),
    )
    frames = np.array([4, 7])
    poses = points[0, frames]
    views = np.stack([camera.project(poses) for camera in rig], axis=1)
    views[0, 1, 12] = np.nan
    write_human_poses(
        folder,
        "5_8_3",
        7,
        HumanPoses(frames=frames, cameras=rig.names, points_px=views, points_mm=poses),
    )
    (folder / "alphapose").mkdir()
    for c in range(3):
        write_alphapose(folder / "alphapose" / f"ace_{c}.json", detections_of(rig, c, points))
    return folder


def write_pictures(folder, numbers, size=(64, 48)):
    folder.mkdir(parents=True)
    for number in numbers:
        picture = np.full((size[1], size[0], 3), number, np.uint8)
        assert cv2.imwrite(str(folder / f"frame_{number:06d}.jpg"), picture)


def test_sportcenter_is_imported_whole(dataset, tmp_path):
    lines = []
    import_sportcenter(
        dataset,
        tmp_path / "match.trilabel",
        detections=[f"alphapose:{dataset / 'alphapose'}"],
        report=lines.append,
    )
    with Project.open(tmp_path / "match.trilabel") as project:
        assert (project.name, project.num_frames, project.first_frame_number) == ("match", 10, 1)
        assert project.split("test") == (7,)
        assert project.split("train") == (3,)
        assert project.labelled_frames().tolist() == [4, 7]
        seen = project.observations(4)
        assert seen.persons == (3, 7)
        assert seen.source[1, 0].tolist() == [Source.HAND] * 13
        assert seen.source[1, 1, 12] == Source.NETWORK
        assert seen.source[0].tolist() == [[Source.NETWORK] * 13] * 3
        assert seen.unmatched == ()
        expected = people(10)[[1, 0], 4]
        for c, camera in enumerate(project.rig):
            np.testing.assert_allclose(seen.points_px[:, c], camera.project(expected), atol=0.01)
        persons, points = project.points3d(7)
        assert persons == (7,)
        np.testing.assert_allclose(points[0], people(10)[0, 7], atol=1e-6)
        np.testing.assert_allclose(seen.ground_mm[1], [-600 - 150, 0, 0], atol=1e-6)
        assert project.label(JointKey(4, 0, 7, 0)).origin == "import:sportcenter"
        assert project.undo_description is None
        assert project.settings.scale_mm is not None
        assert project.world_volume.contains(people(10)).all()
        assert [camera.size_px for camera in project.rig] == [(1376, 992), (1536, 896), (1536, 896)]
    assert "ace_0.json is camera ace_0" in "\n".join(lines)


def test_sportcenter_without_detections_says_how_to_add_them(dataset, tmp_path):
    lines = []
    import_sportcenter(dataset, tmp_path / "p", report=lines.append)
    assert "--detections alphapose:" in "\n".join(lines)
    with Project.open(tmp_path / "p") as project:
        assert project.detections is None
        assert project.observations(0).persons == (3, 7)
        assert np.isnan(project.observations(0).points_px).all()
        assert np.isfinite(project.observations(0).boxes_px).any()


def test_ffmpegs_numbers_meet_the_annotations(dataset, tmp_path):
    write_pictures(dataset / "multicam" / "ace_1", range(3, 9))
    import_sportcenter(dataset, tmp_path / "p", report=quiet)
    with Project.open(tmp_path / "p") as project, project.recording() as recording:
        assert project.num_frames == 10
        assert recording.state("ace_1", 1) == "missing"
        assert recording.read("ace_1", 4)[0, 0, 0] == pytest.approx(5, abs=2)  # frame_000005.jpg
        assert recording.state("ace_0", 4) == "no_pictures"
        assert project.rig[1].size_px == (64, 48)
        assert isinstance(project.spec.sources["ace_1"], FolderSpec)


def write_video(path, num_frames):
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 25.0, (64, 48))
    for number in range(num_frames):
        writer.write(np.full((48, 64, 3), 10 * number, np.uint8))
    writer.release()


@pytest.mark.parametrize(("num_pictures", "chosen"), [(10, FolderSpec), (9, VideoSpec)])
def test_pictures_are_preferred_to_their_video_where_they_are_complete(
    dataset, tmp_path, num_pictures, chosen
):
    write_video(dataset / "multicam" / "ace_0.mp4", 10)
    write_pictures(dataset / "multicam" / "ace_0", range(1, num_pictures + 1))
    import_sportcenter(dataset, tmp_path / "p", report=quiet)
    with Project.open(tmp_path / "p") as project:
        assert isinstance(project.spec.sources["ace_0"], chosen)
        assert project.spec.roots == (dataset / "multicam",)


def test_a_failed_import_leaves_nothing(dataset, tmp_path):
    (dataset / "alphapose" / "ace_2.json").write_text("[{]")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DataError, match="ace_2"):
        import_sportcenter(
            dataset,
            tmp_path / "p",
            detections=[f"alphapose:{dataset / 'alphapose'}"],
            report=quiet,
        )
    assert sorted(tmp_path.iterdir()) == before


def test_a_stopped_import_leaves_nothing(dataset, tmp_path):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(CommandRefusedError, match="no project was made"):
        import_sportcenter(
            dataset,
            tmp_path / "p",
            detections=[f"alphapose:{dataset / 'alphapose'}"],
            report=quiet,
            progress=lambda done, total: False,
        )
    assert sorted(tmp_path.iterdir()) == before


def test_nothing_is_imported_over_something(dataset, tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "thesis.txt").write_text("precious")
    with pytest.raises(DataError, match="Choose another name"):
        import_sportcenter(dataset, tmp_path / "p", report=quiet)
    assert (tmp_path / "p" / "thesis.txt").read_text() == "precious"


@pytest.fixture
def calibration(tmp_path, rig):
    write_rig_toml(tmp_path / "rig.toml", rig)
    return tmp_path / "rig.toml"


def test_a_calibration_alone_makes_a_project_of_one_empty_frame(calibration, tmp_path):
    lines = []
    new_project(tmp_path / "p", calibration, report=lines.append)
    with Project.open(tmp_path / "p") as project:
        assert project.num_frames == 1
        assert project.skeleton.name == "coco17"
        assert project.rig.names == ("cam_0", "cam_1", "cam_2")
    assert any("one empty frame" in line for line in lines)


def test_folders_are_matched_by_name_and_the_matching_is_told(calibration, tmp_path, rig):
    for c in range(3):
        write_pictures(tmp_path / "jpg" / f"cam0{c}_images", range(5, 8))
    lines = []
    new_project(tmp_path / "p", calibration, images=[str(tmp_path / "jpg")], report=lines.append)
    text = "\n".join(lines)
    assert "cam02_images is camera cam_2" in text
    assert "64x48, calibrated for 1280x720" in text
    with Project.open(tmp_path / "p") as project:
        assert project.num_frames == 3
        assert project.first_frame_number == 5
        assert [camera.size_px for camera in project.rig] == [(1280, 720)] * 3


def test_picture_folders_that_begin_later_stay_in_step(calibration, tmp_path):
    write_pictures(tmp_path / "jpg" / "cam_0", range(1, 6))
    write_pictures(tmp_path / "jpg" / "cam_1", range(3, 6))
    new_project(tmp_path / "p", calibration, images=[str(tmp_path / "jpg")], report=quiet)
    with Project.open(tmp_path / "p") as project, project.recording() as recording:
        assert recording.state("cam_1", 1) == "missing"
        pictures = [recording.read(name, 3)[0, 0, 0] for name in ("cam_0", "cam_1")]
        assert pictures[0] == pictures[1]


def test_an_ambiguous_name_is_refused(calibration, tmp_path):
    for name in ("cam01", "cam001"):
        write_pictures(tmp_path / "jpg" / name, [1])
    with pytest.raises(DataError, match="CAM=PATH"):
        new_project(tmp_path / "p", calibration, images=[str(tmp_path / "jpg")], report=quiet)
    assert not (tmp_path / "p").exists()


def test_a_camera_can_be_named(calibration, tmp_path):
    write_pictures(tmp_path / "left", [1, 2])
    write_video(tmp_path / "right.mp4", 4)
    new_project(
        tmp_path / "p",
        calibration,
        images=[f"cam_0={tmp_path / 'left'}"],
        videos=[f"cam_2={tmp_path / 'right.mp4'}"],
        report=quiet,
    )
    with Project.open(tmp_path / "p") as project:
        assert project.num_frames == 4
        assert list(project.spec.sources) == ["cam_0", "cam_2"]
    with pytest.raises(DataError, match="one of the cameras cam_0"):
        new_project(tmp_path / "q", calibration, images=["cam_9=nowhere"], report=quiet)
    with pytest.raises(DataError, match="one source of pictures"):
        new_project(
            tmp_path / "q",
            calibration,
            images=[f"cam_0={tmp_path / 'left'}"],
            videos=[f"cam_0={tmp_path / 'right.mp4'}"],
            report=quiet,
        )


def write_coco(path, rig, cameras, points_mm, joints, *, score=None, folders=True):
    images, annotations = [], []
    for c in cameras:
        found = detections_of(rig, c, points_mm, joints=joints)
        for row, frame in enumerate(found.frames):
            name = f"frame_{frame + 1:06d}.jpg"
            image = 1000 * c + int(frame)
            if image not in [one["id"] for one in images]:
                file = f"{rig.names[c]}/{name}" if folders else name
                images.append({"id": image, "file_name": file})
            triplets = np.column_stack([found.points_px[row], np.full(len(joints), 2.0)])
            item = {"id": len(annotations), "image_id": image, "category_id": 1}
            item["keypoints"] = triplets.ravel().tolist()
            annotations.append(item if score is None else {**item, "score": score})
    category = {"id": 1, "name": "person", "keypoints": list(joints), "skeleton": [[1, 2]]}
    content = {"images": images, "annotations": annotations, "categories": [category]}
    path.write_text(json.dumps(content))


def test_one_coco_file_of_several_cameras_is_split_by_folder(calibration, tmp_path, rig):
    points = people(4)[:1]
    write_coco(tmp_path / "all.json", rig, (0, 2), points, SPORTCENTER.joints, score=0.9)
    lines = []
    new_project(
        tmp_path / "p",
        calibration,
        detections=[f"coco:{tmp_path / 'all.json'}"],
        report=lines.append,
    )
    with Project.open(tmp_path / "p") as project:
        assert project.skeleton.name == "sportcenter13"
        assert project.first_frame_number == 1
        (person,) = project.persons
        seen = project.observations(2)
        present = np.isfinite(seen.points_px).all(axis=(0, 2, 3))
        assert present.tolist() == [True, False, True]
        np.testing.assert_allclose(seen.points_px[0, 2], rig[2].project(people(4)[0, 2]), atol=1e-3)
        assert project.label(JointKey(2, 0, person, 0)) is None


def test_detections_placed_by_hand_become_labels(calibration, tmp_path, rig):
    points = people(4)[:1]
    write_coco(tmp_path / "hand.json", rig, (0, 1), points, SPORTCENTER.joints)
    new_project(
        tmp_path / "p", calibration, detections=[f"coco:{tmp_path / 'hand.json'}"], report=quiet
    )
    with Project.open(tmp_path / "p") as project:
        (person,) = project.persons
        assert project.labels.count() == 4 * 2 * 13
        assert project.label(JointKey(2, 1, person, 0)).origin == "import:coco"
        assert (project.observations(2).source[0, :2] == Source.HAND).all()
        assert len(project.detections) == 0


def test_joints_of_another_skeleton_are_mapped(calibration, tmp_path, rig):
    """H36M's pelvis is the middle of SportCenter's hips; its spine has no counterpart."""
    write_coco(tmp_path / "cam_0.json", rig, (0,), people(2)[:1], SPORTCENTER.joints, score=0.9)
    lines = []
    new_project(
        tmp_path / "p",
        calibration,
        detections=[f"coco:{tmp_path / 'cam_0.json'}"],
        skeleton="h36m17",
        report=lines.append,
    )
    with Project.open(tmp_path / "p") as project:
        names = project.skeleton.joints
        seen = project.observations(1).points_px[0, 0]
        hips = rig[0].project(people(2)[0, 1])[[7, 8]]
        np.testing.assert_allclose(seen[names.index("pelvis")], hips.mean(axis=0), atol=1e-3)
        assert np.isnan(seen[names.index("spine")]).all()
    assert any("no detections of" in line and "spine" in line for line in lines)


def test_detections_without_any_common_joint_are_refused(calibration, tmp_path, rig):
    (tmp_path / "other.toml").write_text('name = "tail"\njoints = ["base", "tip"]\n')
    write_coco(tmp_path / "cam_0.json", rig, (0,), people(2)[:1], SPORTCENTER.joints, score=0.9)
    with pytest.raises(DataError, match="--skeleton"):
        new_project(
            tmp_path / "p",
            calibration,
            detections=[f"coco:{tmp_path / 'cam_0.json'}"],
            skeleton=str(tmp_path / "other.toml"),
            report=quiet,
        )
    assert not (tmp_path / "p").exists()


def test_cameras_whose_detections_begin_later_are_not_shifted(calibration, tmp_path, rig):
    for c, start in enumerate((1, 3)):
        folder = tmp_path / "openpose" / f"cam_{c}"
        folder.mkdir(parents=True)
        for number in range(start, 6):
            triplet = np.column_stack([np.full((13, 2), 100.0 + number), np.full(13, 0.9)])
            people_list = [{"pose_keypoints_2d": triplet.ravel().tolist()}]
            (folder / f"{number:012d}_keypoints.json").write_text(
                json.dumps({"people": people_list})
            )
    new_project(
        tmp_path / "p", calibration, detections=[f"openpose:{tmp_path / 'openpose'}"], report=quiet
    )
    with Project.open(tmp_path / "p") as project:
        assert (project.num_frames, project.first_frame_number) == (5, 1)
        seen = project.observations(3).points_px[0, :, 0, 0]
        assert seen[:2].tolist() == [104, 104]
        assert np.isnan(project.observations(1).points_px[:, 1]).all()


def test_a_wrong_detection_argument_is_explained(calibration, tmp_path):
    for text in ("kinect:somewhere", "somewhere", "openpose:"):
        with pytest.raises(DataError, match="FORMAT:PATH"):
            new_project(tmp_path / "p", calibration, detections=[text], report=quiet)
    with pytest.raises(DataError, match="Check the path"):
        new_project(tmp_path / "p", calibration, detections=["openpose:nowhere"], report=quiet)


def test_tracks_give_people_their_ids(calibration, dataset, tmp_path, rig):
    for c in range(3):
        write_alphapose(
            tmp_path / f"cam_{c}.json", detections_of(rig, c, people(10), joints=SPORTCENTER.joints)
        )
    new_project(
        tmp_path / "p",
        calibration,
        detections=[f"alphapose:cam_{c}={tmp_path / f'cam_{c}.json'}" for c in range(3)],
        tracks=dataset / "trajectories.json",
        report=quiet,
    )
    with Project.open(tmp_path / "p") as project:
        assert project.persons == (3, 7)
        np.testing.assert_allclose(
            project.observations(5).points_px[1, 2], rig[2].project(people(10)[0, 5]), atol=0.01
        )


def test_openposes_order_of_joints_is_one_for_all_cameras(calibration, tmp_path, rig):
    """A camera whose own poses look like the other order must not get other joints."""
    body25 = load_skeleton("body25").joints
    rng = np.random.default_rng(3)
    upright = rng.normal(0, 200, (25, 2)) + 500
    at = {name: upright[i] for i, name in enumerate(body25)}
    at["neck"][:] = (at["left_shoulder"] + at["right_shoulder"]) / 2
    at["mid_hip"][:] = (at["left_hip"] + at["right_hip"]) / 2
    odd = rng.normal(0, 200, (25, 2)) + 500
    odd[0], odd[17] = (odd[1] + odd[2]) / 2, (odd[5] + odd[6]) / 2  # as BODY_25B's would be
    for name, points, num_frames in ((rig.names[0], odd, 2), (rig.names[1], upright, 9)):
        folder = tmp_path / "openpose" / name
        folder.mkdir(parents=True)
        for number in range(num_frames):
            triplets = np.column_stack([points, np.full(25, 0.9)]).ravel().tolist()
            text = json.dumps({"people": [{"pose_keypoints_2d": triplets}]})
            (folder / f"{number:012d}_keypoints.json").write_text(text)
    lines: list[str] = []
    new_project(
        tmp_path / "p",
        calibration,
        detections=[f"openpose:{tmp_path / 'openpose'}"],
        report=lines.append,
    )
    assert any("in the order of body25 (" in line for line in lines)
    with Project.open(tmp_path / "p") as project:
        assert project.skeleton.joints == body25
    new_project(
        tmp_path / "q",
        calibration,
        detections=[f"openpose:{tmp_path / 'openpose'}"],
        skeleton="body25b",
        report=lines.append,
    )
    assert any("in the order of body25b (the skeleton that was chosen)" in line for line in lines)
