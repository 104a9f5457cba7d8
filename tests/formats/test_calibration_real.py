"""The published truth of real recordings projects where it was seen: FORMATS' last table."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io

from core.formats.calibration import read_calibration, read_rig

pytestmark = pytest.mark.data

# The published intrinsics of the cameras of the four sample images (all world = camera here, since
# the sample's 3D joints are in the camera's frame).
MPI_INTRINSICS = {
    "0": (1497.693, 1497.103, 1024.704, 1051.394),
    "8": (1500.0686, 1500.6591, 1017.3794, 1043.0628),
}


def mean_distance_px(points: np.ndarray, others: np.ndarray) -> float:
    return float(np.nanmean(np.linalg.norm(points - others, axis=-1)))


def test_human36m_joints_lie_within_a_tenth_of_a_pixel(real_data: Path):
    sample = np.load(real_data / "h36m" / "test_h36m_body3d.npz", allow_pickle=False)
    distances = []
    for name, points_m, seen_px in zip(sample["imgname"], sample["S"], sample["part"], strict=True):
        subject, camera_name = name.split("/")[0], name.split(".")[1][:8]
        rig = read_rig(real_data / "h36m" / "camera-parameters.json", subject=subject)
        camera = rig[rig.names.index(camera_name)]
        points_mm = (points_m[:, :3] * 1000 - camera.t_mm) @ camera.R
        distances.append(mean_distance_px(camera.project(points_mm), seen_px[:, :2]))
    assert np.mean(distances) < 0.1


@pytest.mark.parametrize(
    ("file", "row", "camera"), [("train", 0, "0"), ("train", 1, "8"), ("test", 0, "8")]
)
def test_3dhp_joints_lie_where_they_were_seen(
    real_data: Path, tmp_path: Path, file: str, row: int, camera: str
):
    fx, fy, cx, cy = MPI_INTRINSICS[camera]
    (tmp_path / "camera.calibration").write_text(
        "Skeletool Camera Calibration File V1.0\n"
        f"name          {camera}\n  sensor      10 10\n  size        2048 2048\n  animated    0\n"
        f"  intrinsic   {fx} 0 {cx} 0 0 {fy} {cy} 0 0 0 1 0 0 0 0 1\n"
        "  extrinsic   1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1\n  radial      0\n"
    )
    rig = read_rig(tmp_path / "camera.calibration")
    sample = np.load(real_data / "mpi_inf_3dhp" / f"test_3dhp_{file}.npz", allow_pickle=False)
    projected_px = rig[0].project(sample["S"][row, :, :3] * 1000)
    assert mean_distance_px(projected_px, sample["part"][row, :, :2]) < 0.4


@pytest.mark.parametrize(("name", "limit_px"), [("shelf", 0.03), ("campus", 1.1)])
def test_actors_of_campus_and_shelf_lie_where_they_were_seen(
    real_data: Path, name: str, limit_px: float
):
    rig = read_rig(real_data / "campus_shelf" / name / f"calibration_{name}.json")
    truth = scipy.io.loadmat(real_data / "campus_shelf" / name / "actorsGT.mat")
    distances = []
    for actor_3d, actor_2d in zip(truth["actor3D"].flat, truth["actor2D"].flat, strict=True):
        for points_m, views in zip(actor_3d.flat, actor_2d.flat, strict=True):
            if points_m.shape != (14, 3):
                continue
            for camera, seen_px in zip(rig, views.reshape(-1), strict=True):
                distances.append(mean_distance_px(camera.project(points_m * 1000), seen_px))
    assert len(distances) >= 9
    assert np.mean(distances) < limit_px


def test_the_good_and_the_broken_calibration_of_the_mouse_differ_in_side_only(real_data: Path):
    good, broken = (
        read_calibration(real_data / "sleap_anipose" / f"calibration{tail}.toml")
        for tail in ("", ".broken-side")
    )
    assert good.unit == broken.unit == "mm"
    assert good.rig.names == broken.rig.names == ("back", "mid", "side", "top")
    assert {camera.size_px for camera in good.rig} == {(1280, 1024)}
    side, top = (broken.rig[broken.rig.names.index(name)] for name in ("side", "top"))
    np.testing.assert_array_equal(side.P, top.P)


def test_the_cameras_of_pose2sim_stand_at_eye_level_around_the_volume(real_data: Path):
    rig = read_rig(real_data / "pose2sim" / "Calib.qca.txt")
    assert rig.names == ("cam_01", "cam_02", "cam_03", "cam_04")
    assert {camera.size_px for camera in rig} == {(1088, 1920)}
    for camera in rig:
        assert 1000 < camera.center_mm[2] < 2500
        # All look at the middle of the volume, about a metre above the ground.
        seen_px = camera.project(np.array([0.0, 0.0, 1000.0]))
        assert (seen_px > 0).all()
        assert (seen_px < (1088, 1920)).all()
