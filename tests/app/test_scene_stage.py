"""The stage of a recording: which way is up, where the ground is, how large things are."""

import numpy as np
import pytest

from app.scene.shapes import ellipsoid_lines, round_grid, up_direction
from app.scene.stage import make_stage
from core.formats.calibration import read_rig
from core.geometry import Camera, Rig
from tests.app.views_world import look_at, make_rig, make_world

NO_POSES = np.empty((0, 0, 1, 3))


def turned(rig: Rig, rotation: np.ndarray, shift_mm: np.ndarray) -> Rig:
    """The rig in another world frame: x' = rotation x + shift."""
    return Rig(
        tuple(
            Camera(
                camera.name,
                camera.K,
                camera.distortion,
                camera.R @ rotation.T,
                camera.t_mm - camera.R @ rotation.T @ shift_mm,
                camera.size_px,
            )
            for camera in rig
        )
    )


def test_a_court_is_a_metre_a_unit_about_its_centre():
    stage = make_stage(make_rig(), NO_POSES, is_court=True)
    np.testing.assert_allclose(stage.place(np.array([14_000.0, -7_500.0, 100.0])), [14, -7.5, 0.1])
    np.testing.assert_allclose(np.ptp(stage.action, axis=0), [28, 15, 1.8])
    assert stage.scale_note == ""


@pytest.mark.parametrize("seed", range(5))
def test_people_stand_upright_on_the_ground_in_any_world_frame(seed):
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    rotation *= np.linalg.det(rotation)
    shift = rng.uniform(-5000, 5000, 3)
    world = make_world(num_persons=4, num_frames=2)
    rig = turned(world.rig, rotation, shift)
    poses = world.truth_mm @ rotation.T + shift
    stage = make_stage(rig, poses, is_court=False)
    placed = stage.place(poses)
    true_up = stage.direct(rotation @ (0, 0, 1))
    assert true_up[2] > np.cos(np.radians(6))
    height_mm = stage.body * stage.unit_mm
    assert 1400 < height_mm < 1800
    lowest = placed[..., 2].min() * stage.unit_mm
    assert -150 < lowest < 50
    np.testing.assert_allclose(stage.rotation @ stage.rotation.T, np.eye(3), atol=1e-9)


def test_an_axis_of_the_world_is_up_where_it_is_meant():
    rig = make_rig()
    np.testing.assert_array_equal(up_direction(list(rig), np.zeros(3)), [0, 0, 1])


def test_a_wrong_joint_far_away_moves_neither_ground_nor_scale():
    world = make_world(num_persons=4, num_frames=2)
    poses = world.truth_mm.copy()
    stage = make_stage(world.rig, poses, is_court=False)
    poses[0, 0, 0] = (1e6, 1e6, -1e6)
    again = make_stage(world.rig, poses, is_court=False)
    assert again.unit_mm == pytest.approx(stage.unit_mm, rel=0.02)
    np.testing.assert_allclose(again.origin_mm, stage.origin_mm, atol=60)


def test_a_rig_without_any_point_has_a_stage_where_its_cameras_look():
    stage = make_stage(make_rig(), NO_POSES, is_court=False)
    assert np.isfinite(stage.origin_mm).all()
    np.testing.assert_allclose(stage.origin_mm[:2], 0, atol=600)
    assert stage.scale_note == "grid 1 m"


def test_one_camera_is_enough_for_a_stage():
    rig = Rig((look_at("only", (4, 3, 2), (640, 480), 700),))
    stage = make_stage(rig, np.full((1, 1, 13, 3), np.nan), is_court=False)
    assert np.isfinite(stage.cameras).all()
    assert stage.radius > 0


@pytest.mark.data
def test_the_mouse_stands_under_its_cameras(real_data):
    rig = read_rig(real_data / "sleap_anipose" / "calibration.toml")
    mouse = np.array([118.0, 23.0, 513.0]) + np.random.default_rng(0).normal(0, 15, (3, 1, 15, 3))
    stage = make_stage(rig, mouse, is_court=False)
    assert (stage.cameras[:, 2] > 0).all()
    assert stage.cameras[:, 2].max() > 5
    assert stage.scale_note in ("grid 10 mm", "grid 20 mm", "grid 50 mm")


def test_the_grid_is_square_and_round():
    segments, distance = round_grid(10.0, 2.0)
    lengths = np.linalg.norm(segments[1::2] - segments[0::2], axis=1)
    np.testing.assert_allclose(lengths, 2.0)
    assert distance.max() <= 10.0
    assert (segments[:, 2] == 0).all()
    along_x = np.abs(segments[1::2, 0] - segments[0::2, 0]) > 1
    assert along_x.sum() * 2 == len(along_x)


def test_an_ellipsoid_reaches_two_standard_deviations():
    covariance = np.diag([100.0, 400.0, 25.0])
    points = ellipsoid_lines(np.array([1.0, 2, 3]), covariance) - (1, 2, 3)
    np.testing.assert_allclose(np.abs(points).max(axis=0), [20, 40, 10], rtol=1e-3)
    assert not len(ellipsoid_lines(np.full(3, np.nan), covariance))
