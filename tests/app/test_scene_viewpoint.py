"""Where the 3D viewer stands: its lens against `Camera.project`, and what the pointer does."""

import numpy as np
import pytest

from app.scene.framing import first_view, person_view, picture_view
from app.scene.stage import make_stage
from app.scene.viewpoint import OrbitView, frame_px
from core.formats.calibration import read_rig
from core.geometry import Camera, Rig
from tests.app.views_world import make_rig

SIZES = [(544.0, 301.0), (300.0, 480.0), (1300.0, 200.0)]
NO_POSES = np.empty((0, 0, 1, 3))


def random_points(camera: Camera, rng: np.random.Generator) -> np.ndarray:
    """World points spread over and around the camera's picture, near and far."""
    width, height = camera.extent_px
    px = rng.uniform((-0.2, -0.2), (1.2, 1.2), (60, 2)) * (width, height)
    x, y = camera.lens.to_normalised(*px.T)
    depth = rng.uniform(200, 20_000, 60)
    in_camera = np.column_stack([x * depth, y * depth, depth])
    return (in_camera - camera.t_mm) @ np.linalg.inv(camera.R).T


def undistorted(camera: Camera, points: np.ndarray) -> np.ndarray:
    homogeneous = np.column_stack([points, np.ones(len(points))]) @ camera.P.T
    return homogeneous[:, :2] / homogeneous[:, 2:]


def assert_matches_pictures(rig: Rig, *, is_court: bool) -> None:
    stage = make_stage(rig, NO_POSES, is_court=is_court)
    rng = np.random.default_rng(0)
    for camera in rig:
        points = random_points(camera, rng)
        view = picture_view(stage, camera)
        for size in SIZES:
            drawn = view.pinhole(size).project(stage.place(points))
            scale, dx, dy = view.canvas_from_px(size)
            expected = scale * undistorted(camera, points) + (dx, dy)
            np.testing.assert_allclose(drawn, expected, atol=1e-6, err_msg=camera.name)
            # A lens without distortion: what is drawn undistorts the camera's raw pixels.
            raw = camera.project(points)
            there = np.isfinite(raw).all(axis=1)
            again = scale * camera.undistort(raw[there]) + (dx, dy)
            known = np.isfinite(again).all(axis=1)
            assert known.sum() >= 20
            np.testing.assert_allclose(drawn[there][known], again[known], atol=1e-3)


@pytest.mark.data
def test_through_each_sportcenter_camera_is_its_undistorted_picture(real_data):
    rig = read_rig(real_data / "sportcenter" / "calibration.json")
    assert len(rig) == 8
    straight_down = [camera.name for camera in rig if camera.R[2, 2] < -0.95]
    assert len(straight_down) == 2
    assert_matches_pictures(rig, is_court=True)


@pytest.mark.data
@pytest.mark.parametrize("name", ["sleap_anipose/calibration.toml", "pose2sim/Calib.qca.txt"])
def test_through_a_studio_camera_is_its_undistorted_picture(real_data, name):
    assert_matches_pictures(read_rig(real_data / name), is_court=False)


def test_through_a_skewed_camera_off_centre_is_its_undistorted_picture():
    turn, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
    turn *= np.linalg.det(turn)
    K = np.array([[900.0, 30.0, 100.0], [0.0, 700.0, 500.0], [0.0, 0.0, 1.0]])
    odd = Camera("odd", K, np.array([0.1, 0.02, 0.001, -0.002]), turn, np.array([1.0, 2, 3]) * 500)
    assert_matches_pictures(Rig((odd, *make_rig().cameras)), is_court=False)


def test_the_whole_picture_fits_the_canvas():
    for camera in make_rig():
        assert camera.size_px is not None
        left, top, right, bottom = frame_px(camera)
        width, height = camera.size_px
        assert left <= 0
        assert top <= 0
        assert right >= width - 1
        assert bottom >= height - 1
        view = picture_view(make_stage(make_rig(), NO_POSES, is_court=True), camera)
        for size in SIZES:
            scale, dx, dy = view.canvas_from_px(size)
            corners = np.array([(left, top), (right, bottom)]) * scale
            corners += (dx, dy)
            assert (corners >= -1e-6).all()
            assert (corners <= np.array(size) + 1e-6).all()


def test_leaving_a_picture_keeps_the_place_and_the_direction():
    rig = make_rig()
    stage = make_stage(rig, NO_POSES, is_court=True)
    for camera in rig:
        through = picture_view(stage, camera)
        orbit = through.orbit(12.0).pinhole((600, 400))
        assert np.degrees(np.arccos(orbit.R[2] @ through.R[2])) < 1.5, camera.name
        assert np.linalg.norm(orbit.eye - through.eye) < 0.3, camera.name


def test_the_clip_matrix_agrees_with_the_projection():
    view = OrbitView(np.array([1.0, -2.0, 0.5]), 9.0, 40.0, 20.0)
    size = (640.0, 360.0)
    pinhole = view.pinhole(size)
    points = np.random.default_rng(1).uniform(-3, 3, (50, 3))
    clip = np.column_stack([points, np.ones(50)]) @ pinhole.clip_matrix(size, 0.01).T
    ndc = clip[:, :2] / clip[:, 3:]
    expected = pinhole.project(points)
    drawn = (ndc * (1, -1) + 1) / 2 * size
    np.testing.assert_allclose(drawn, expected, atol=1e-3)
    near = pinhole.eye + pinhole.R[2] * 0.009
    assert pinhole.clip_matrix(size, 0.01)[2] @ [*near, 1] < -(
        pinhole.clip_matrix(size, 0.01)[3] @ [*near, 1]
    )


def test_what_is_behind_the_eye_is_nowhere():
    pinhole = OrbitView(np.zeros(3), 5.0).pinhole((100, 100))
    behind = pinhole.eye - pinhole.R[2]
    assert np.isnan(pinhole.project(behind[None])).all()
    np.testing.assert_allclose(pinhole.project(np.zeros((1, 3))), [[50, 50]], atol=1e-9)


def test_up_is_up_and_turning_right_moves_the_near_side_right():
    view = OrbitView(np.zeros(3), 10.0, 0.0, 20.0)
    size = (400.0, 300.0)
    middle, above = view.pinhole(size).project(np.array([[0, 0, 0], [0, 0, 1.0]]))
    assert above[1] < middle[1] - 5
    near = np.array([[0, -2.0, 0]])
    assert view.turned(50, 0).pinhole(size).project(near)[0, 0] > 210
    tilted = view.turned(0, 50)
    assert tilted.elevation > view.elevation
    assert view.turned(0, 10_000).elevation < 90


def test_a_shifting_drag_takes_the_centre_along():
    view = OrbitView(np.array([1.0, 2.0, 0.3]), 8.0, 33.0, 41.0)
    size = (500.0, 300.0)
    moved = view.moved(40, -25, size).pinhole(size).project(view.center[None])
    np.testing.assert_allclose(moved, [[290, 125]], atol=1e-9)


def test_zooming_keeps_what_is_under_the_pointer():
    view = OrbitView(np.array([1.0, 2.0, 0.3]), 8.0, 33.0, 41.0)
    size, at = (500.0, 300.0), (420.0, 60.0)
    pinhole = view.pinhole(size)
    grabbed = pinhole.eye + 8.0 * pinhole.direction(at)
    nearer = view.zoomed(0.5, at, size, (0.1, 100))
    assert nearer.distance == pytest.approx(4.0)
    np.testing.assert_allclose(nearer.pinhole(size).project(grabbed[None]), [at], atol=1e-6)
    assert view.zoomed(1e-9, at, size, (0.1, 100)).distance == pytest.approx(0.1)
    assert view.zoomed(1e9, None, size, (0.1, 100)).distance == pytest.approx(100)


def test_zooming_in_a_picture_keeps_what_is_under_the_pointer():
    rig = make_rig()
    stage = make_stage(rig, NO_POSES, is_court=True)
    size, at = (500.0, 300.0), (120.0, 260.0)
    view = picture_view(stage, rig[0])
    point = view.eye + 5.0 * view.pinhole(size).direction(at)
    nearer = view.zoomed(0.5, at)
    np.testing.assert_allclose(nearer.pinhole(size).project(point[None]), [at], atol=1e-6)
    moved = view.moved(10, 20).pinhole(size).project(point[None])
    np.testing.assert_allclose(moved, [[130, 280]], atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_a_fitted_view_holds_all_points_and_wastes_no_side(size):
    rng = np.random.default_rng(5)
    points = rng.uniform((-14, -7, 0), (14, 7, 3), (40, 3))
    view = OrbitView(np.zeros(3), 1.0, 30.0, 25.0).fitted(points, size, 10.0)
    drawn = view.pinhole(size).project(points)
    room = np.array(size) - 10.0
    assert (drawn >= 10.0 - 1e-6).all()
    assert (drawn <= room + 1e-6).all()
    gaps = np.concatenate([drawn.min(axis=0) - 10.0, room - drawn.max(axis=0)]).reshape(2, 2)
    assert (gaps.max(axis=0) < 1e-6).any()


@pytest.mark.parametrize("size", SIZES)
def test_the_first_view_fills_the_canvas_with_the_court(size):
    stage = make_stage(make_rig(), NO_POSES, is_court=True)
    drawn = first_view(stage, size).pinhole(size).project(stage.action)
    assert (drawn >= 0).all()
    assert (drawn <= size).all()
    assert (np.ptp(drawn, axis=0) / size).max() > 0.6


def test_a_persons_view_is_about_the_person():
    points = np.random.default_rng(2).normal((3, 2, 1), 0.3, (13, 3))
    view = person_view(OrbitView(np.zeros(3), 30.0), points, 1.8, (544, 301))
    np.testing.assert_allclose(view.center, np.median(points, axis=0))
    drawn = view.pinhole((544, 301)).project(points)
    assert ((drawn >= 0) & (drawn <= (544, 301))).all()
    assert view.distance < 8
