"""SportCenter files: what is written is read back, the traps of the format hold."""

import json
from pathlib import Path

import numpy as np
import pytest

from core.errors import DataError
from core.formats import sportcenter
from core.formats.sportcenter import HumanPoses, Trajectories
from core.geometry import Camera, Rig


def a_camera(name: str, t_mm=(0.0, 0.0, 5000.0), distortion=(-0.3, 0.1, 1e-3, 2e-3, 0.01)):
    K = np.array([[900.0, 0, 700], [0, 910, 400], [0, 0, 1]])
    return Camera(name, K, np.array(distortion), np.diag([1.0, -1, -1]), np.array(t_mm))


@pytest.fixture
def rig() -> Rig:
    return Rig((a_camera("ace_0"), a_camera("ace_1", (1.0, 2.0, 7500.0))))


def some_poses(cameras=("ace_0", "ace_1")) -> HumanPoses:
    rng = np.random.default_rng(3)
    points_px = rng.uniform(0, 900, (4, len(cameras), 13, 2))
    points_px[1, 0] = np.nan
    points_px[2, 1, 5] = np.nan
    points_mm = rng.uniform(-5000, 5000, (4, 13, 3))
    points_mm[3] = np.nan
    frames = np.array([21379, 21382, 21385, 21388])
    return HumanPoses(frames=frames, cameras=cameras, points_px=points_px, points_mm=points_mm)


def test_a_written_calibration_reads_back_the_same(tmp_path: Path, rig: Rig):
    sportcenter.write_calibration(tmp_path / "calibration.json", rig)
    back = sportcenter.read_calibration(tmp_path / "calibration.json")
    assert back.names == rig.names
    for camera, other in zip(rig, back, strict=True):
        np.testing.assert_allclose(other.P, camera.P, rtol=1e-12)
        np.testing.assert_array_equal(other.distortion, camera.distortion)


def test_calibration_is_written_in_metres_with_five_coefficients(tmp_path: Path):
    rig = Rig((a_camera("ace_0", distortion=()),))
    sportcenter.write_calibration(tmp_path / "c.json", rig)
    entry = json.loads((tmp_path / "c.json").read_text())["ace_0"]
    assert entry["t"] == [0, 0, 5]
    assert entry["dist"] == [0] * 5


def test_a_lens_too_rich_for_the_format_is_refused(tmp_path: Path):
    rig = Rig((a_camera("ace_0", distortion=(0.1,) * 8),))
    with pytest.raises(DataError, match=r"c\.json: ace_0\.dist"):
        sportcenter.write_calibration(tmp_path / "c.json", rig)
    assert not (tmp_path / "c.json").exists()


def test_trajectories_read_back_the_same(tmp_path: Path):
    head = np.array([[1000.0, 2000, 1800], [np.nan] * 3, [-3000, 10, 1700]])
    rows = Trajectories(person=np.array([7, 7, 12]), frame=np.array([0, 1, 5]), head_mm=head)
    sportcenter.write_trajectories(tmp_path / "t.json", rows)
    back = sportcenter.read_trajectories(tmp_path / "t.json")
    np.testing.assert_array_equal(back.person, rows.person)
    np.testing.assert_array_equal(back.frame, rows.frame)
    np.testing.assert_allclose(back.head_mm, rows.head_mm)


def test_trajectories_number_frames_from_one_and_lie_on_the_ground_under_the_head(tmp_path: Path):
    rows = '"indexes": [0, 1, 3], "positions": [[9, 9, 9], [1, 2, 1.8], [1.5, 2, 1.7]]'
    (tmp_path / "t.json").write_text('{"12": {' + rows + "}}")
    trajectories = sportcenter.read_trajectories(tmp_path / "t.json")
    np.testing.assert_array_equal(trajectories.frame, [0, 2])
    persons, ground = trajectories.ground_tracks().at(2)
    np.testing.assert_array_equal(persons, [12])
    np.testing.assert_allclose(ground, [[1500, 2000, 0]])


def test_poses_read_back_the_same(tmp_path: Path):
    poses = some_poses()
    sportcenter.write_human_poses(tmp_path, "21380_21440_3", 7, poses)
    back = sportcenter.read_human_poses(tmp_path, poses.cameras)[7]
    np.testing.assert_array_equal(back.frames, poses.frames)
    np.testing.assert_allclose(back.points_px, poses.points_px)
    np.testing.assert_allclose(back.points_mm, poses.points_mm)


def test_pose_index_21380_is_frame_21379_and_metres_become_millimetres(tmp_path: Path):
    pose = [[float(j), 1.0, 2.0] for j in range(13)]
    pose[4][1] = float("nan")
    content = {
        "3d": {"idx_frame": [21380], "pose": [pose]},
        "2d": {"ace_1": {"idx_frame": [21383], "pose": [[[10.0, 20.0]] * 13]}},
    }
    path = tmp_path / "pose_subject3.json"
    path.write_text(json.dumps(content))
    poses = sportcenter.read_pose_file(path, ("ace_0", "ace_1"))
    np.testing.assert_array_equal(poses.frames, [21379, 21382])
    np.testing.assert_allclose(poses.points_mm[0, 3], [3000, 1000, 2000])
    assert np.isnan(poses.points_mm[0, 4]).all(), "half a point is no point"
    assert np.isnan(poses.points_mm[1]).all()
    assert np.isnan(poses.points_px[0]).all()
    assert np.isnan(poses.points_px[1, 0]).all()
    np.testing.assert_array_equal(poses.points_px[1, 1], [[10, 20]] * 13)


def test_ranges_of_a_subject_are_joined(tmp_path: Path):
    first = some_poses()
    second = HumanPoses(
        frames=np.array([29999, 30000, 30001, 30002]),
        cameras=first.cameras,
        points_px=first.points_px,
        points_mm=first.points_mm,
    )
    sportcenter.write_human_poses(tmp_path, "30000_30050_1", 7, second)
    sportcenter.write_human_poses(tmp_path, "21380_21440_3", 7, first)
    sportcenter.write_human_poses(tmp_path, "21380_21440_3", 1, first)
    poses = sportcenter.read_human_poses(tmp_path, first.cameras)
    assert list(poses) == [1, 7]
    np.testing.assert_array_equal(poses[7].frames, [*first.frames, *second.frames])


def test_a_frame_annotated_in_two_ranges_is_refused(tmp_path: Path):
    for name in ("a", "b"):
        sportcenter.write_human_poses(tmp_path, name, 7, some_poses())
    with pytest.raises(DataError, match="frame 21380"):
        sportcenter.read_human_poses(tmp_path, ("ace_0", "ace_1"))


def test_poses_of_an_unknown_camera_are_refused(tmp_path: Path):
    sportcenter.write_human_poses(tmp_path, "a", 7, some_poses())
    with pytest.raises(DataError, match=r"pose_subject7\.json: 2d\.ace_1"):
        sportcenter.read_human_poses(tmp_path, ("ace_0",))


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ('{"x": {"indexes": [1], "positions": [[1, 2, 3]]}}', ": x: "),
        ('{"1": {"indexes": [1, 2], "positions": [[1, 2, 3]]}}', "1.positions"),
        ('{"1": {"indexes": [1.5], "positions": [[1, 2, 3]]}}', "1.indexes"),
        ('{"1": {"indexes": [-1], "positions": [[1, 2, 3]]}}', "1.indexes"),
        ('{"1": {"indexes": ["1"], "positions": [[1, 2, 3]]}}', "1.indexes"),
        ('{"1": {"indexes": [1], "positions": [[1, 2]]}}', "1.positions"),
        ('{"1": {"indexes": [1], "positions": [[1, 2, Infinity]]}}', "1.positions"),
        ('{"1": {"indexes": [1]}}', "1.positions"),
        ("[]", "a table"),
        ("{", "JSON"),
    ],
)
def test_a_broken_trajectory_is_named(tmp_path: Path, content: str, field: str):
    (tmp_path / "t.json").write_text(content)
    with pytest.raises(DataError) as caught:
        sportcenter.read_trajectories(tmp_path / "t.json")
    assert str(tmp_path / "t.json") in str(caught.value)
    assert field in str(caught.value)


def test_a_data_set_names_its_pictures(tmp_path: Path, rig: Rig):
    sportcenter.write_calibration(tmp_path / "calibration.json", rig)
    (tmp_path / "multicam" / "ace_1").mkdir(parents=True)
    (tmp_path / "multicam" / "ace_0.mp4").touch()
    (tmp_path / "multicam" / "ace_1" / "frame_000001.jpg").touch()
    dataset = sportcenter.read_dataset(tmp_path)
    assert dataset.trajectories is None
    assert dataset.poses == {}
    assert dataset.pictures["ace_0"].video == tmp_path / "multicam" / "ace_0.mp4"
    assert dataset.pictures["ace_0"].folder is None
    assert dataset.pictures["ace_1"].video is None
    assert dataset.pictures["ace_1"].folder == tmp_path / "multicam" / "ace_1"


@pytest.mark.data
def test_the_real_calibration_hangs_its_cameras_over_seven_metres_high(real_data: Path):
    rig = sportcenter.read_calibration(real_data / "sportcenter" / "calibration.json")
    assert rig.names == tuple(f"ace_{i}" for i in range(8))
    heights = np.array([camera.center_mm[2] for camera in rig])
    assert (heights > 7100).all()
    assert (heights < 7900).all()
