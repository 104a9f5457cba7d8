"""Cameras and rigs: projection by hand and against OpenCV, the guards, and every refusal."""

import json
import re
import time

import cv2
import numpy as np
import pytest

from core.errors import DataError
from core.geometry import Camera, Rig
from tests.geometry.camera_rigs import LENSES, court_rig, look_at, rotation

K = np.array([[100.0, 0, 50], [0, 200, 60], [0, 0, 1]])


def simple(name="front", **changes) -> Camera:
    """A camera at the origin looking along z."""
    values = {"K": K, "distortion": [], "R": np.eye(3), "t_mm": np.zeros(3), **changes}
    return Camera(name, **values)


def test_a_camera_projects_by_hand():
    camera = simple(t_mm=[0, 0, 1000.0])
    points = camera.project([[0, 0, 1000], [100, -50, 1000], [0, 0, 3000]])
    np.testing.assert_allclose(points, [[50, 60], [55, 55], [50, 60]])


def test_skew_moves_u_by_v():
    skewed = K.copy()
    skewed[0, 1] = 30
    camera = simple(K=skewed)
    np.testing.assert_allclose(camera.project([0, 10, 100]), [53, 80])
    np.testing.assert_allclose(camera.rays([53, 80])[1], np.array([0, 10, 100]) / np.hypot(10, 100))


@pytest.mark.parametrize("lens", LENSES)
def test_projection_agrees_with_opencv(lens):
    K_skewless = np.array([[900.0, 0, 700], [0, 880, 450], [0, 0, 1]])
    R = rotation(np.array([1.0, 2, 3]), 0.7)
    camera = Camera("a", K_skewless, np.array(LENSES[lens]), R, np.array([100.0, -200, 4000]))
    points = np.random.default_rng(0).uniform(-1200, 1200, (500, 3))
    expected, _ = cv2.projectPoints(
        points, cv2.Rodrigues(R)[0], camera.t_mm, K_skewless, camera.distortion
    )
    found = camera.project(points)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, expected[:, 0], rtol=0, atol=1e-9)


@pytest.mark.parametrize("lens", LENSES)
def test_undistortion_agrees_with_opencv(lens):
    camera = look_at("a", (0, -6000, 3000), distortion=LENSES[lens])
    raw = np.random.default_rng(0).uniform([300, 100], [1100, 800], (300, 2))
    criteria = (3, 200, 1e-14)
    expected = cv2.undistortPoints(
        raw[:, None], camera.K, camera.distortion, P=camera.K, criteria=criteria
    )[:, 0]
    np.testing.assert_allclose(camera.undistort(raw), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("lens", LENSES)
def test_P_projects_to_what_undistortion_answers(lens):
    camera = look_at("a", (4000, -6000, 3000), distortion=LENSES[lens], skew_px=4.0)
    points = np.random.default_rng(1).uniform(-1000, 1000, (200, 3))
    homogeneous = points @ camera.P[:, :3].T + camera.P[:, 3]
    undistorted = homogeneous[:, :2] / homogeneous[:, 2:]
    np.testing.assert_allclose(camera.undistort(camera.project(points)), undistorted, atol=1e-9)
    np.testing.assert_allclose(camera.distort(undistorted), camera.project(points), atol=1e-9)


def test_nothing_behind_the_camera_or_absent_is_projected():
    camera = simple(t_mm=[0, 0, 1000.0])
    points = np.array([[0, 0, -1001], [0, 0, -1000], [np.nan, 0, 0], [0, 0, -999]], dtype=float)
    np.testing.assert_array_equal(
        np.isnan(camera.project(points)), [[True] * 2, [True] * 2, [True] * 2, [False] * 2]
    )
    np.testing.assert_allclose(camera.depth_mm(points)[[0, 1, 3]], [-1, 0, 1])


def test_a_point_beyond_the_fold_is_not_mistaken_for_one_in_the_picture():
    camera = look_at("ace_1", (0, -5000, 0), (0, 0, 0), distortion=LENSES["brown5"])
    far_aside = camera.center_mm + 1000 * (camera.R.T @ [2.3, 0, 1.0])
    folded, _ = cv2.projectPoints(
        far_aside[None], cv2.Rodrigues(camera.R)[0], camera.t_mm, camera.K, camera.distortion
    )
    assert 0 <= folded[0, 0, 0] < 1400, "OpenCV's answer must be in the picture, or this shows none"
    assert np.isnan(camera.project(far_aside)).all()


def test_a_pixel_that_no_ray_reaches_has_no_undistorted_point():
    camera = look_at("ace_1", (0, -5000, 0), (0, 0, 0), distortion=LENSES["brown5"])
    width = camera.extent_px[0]
    assert np.isnan(camera.undistort([2 * width, 450.0])).all()
    assert np.isfinite(camera.undistort([width - 100, 450.0])).all()
    assert np.isnan(camera.rays([[2 * width, 450.0]])[1]).all()


def test_a_half_absent_point_is_absent():
    for lens in LENSES.values():
        camera = look_at("a", (0, -5000, 0), distortion=lens)
        assert np.isnan(camera.undistort([[np.nan, 4.0], [4.0, np.nan]])).all()
        assert np.isnan(camera.distort([[np.nan, 4.0], [4.0, np.nan]])).all()
        assert np.isnan(camera.undistort([[np.inf, 4.0], [4.0, -np.inf]])).all()


def test_rays_pass_through_the_points_they_image():
    for lens in LENSES.values():
        camera = look_at("a", (0, -5000, 2000), distortion=lens)
        points = np.random.default_rng(2).uniform(-1000, 1000, (5, 4, 3))
        origin, directions = camera.rays(camera.project(points))
        along = ((points - origin) * directions).sum(-1, keepdims=True)
        np.testing.assert_allclose(origin + along * directions, points, atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(directions, axis=-1), 1)


def test_rays_are_right_for_a_rotation_that_is_slightly_off():
    camera = simple(R=np.eye(3) * (1 + 4e-4), t_mm=[10, 20, 3000.0])
    origin, direction = camera.rays(camera.project([100.0, 50, 200]))
    np.testing.assert_allclose(
        np.cross(direction, np.array([100.0, 50, 200]) - origin), 0, atol=1e-9
    )


def test_frustum_corners_project_on_the_pictures_corners():
    camera = look_at("a", (0, -5000, 2000), distortion=LENSES["brown4"])
    frustum = camera.frustum(1500.0)
    np.testing.assert_allclose(frustum[0], camera.center_mm)
    np.testing.assert_allclose(camera.depth_mm(frustum[1:]), 1500)
    corners = [(-0.5, -0.5), (1399.5, -0.5), (1399.5, 899.5), (-0.5, 899.5)]
    np.testing.assert_allclose(camera.project(frustum[1:]), corners, atol=1e-9)


def test_a_frustum_is_finite_where_the_lens_folds_inside_the_corner_or_the_size_is_unknown():
    folding = look_at("a", (0, -5000, 2000), distortion=LENSES["brown5"], size_px=(2600, 1600))
    assert np.isnan(folding.undistort([2600.0, 1600.0])).all()
    assert np.isfinite(folding.frustum(1000.0)).all()
    unknown = look_at("a", (0, -5000, 2000), size_px=None)
    assert unknown.extent_px == (1400.0, 900.0)
    assert np.isfinite(unknown.frustum(1000.0)).all()


def test_a_rig_answers_as_its_cameras_do():
    cameras = [
        look_at(name, (3000.0 * i, -6000, 3000), distortion=lens, skew_px=float(i == 2))
        for i, (name, lens) in enumerate(LENSES.items())
    ]
    rig = Rig(tuple(cameras))
    points = np.random.default_rng(3).uniform(-1500, 1500, (3, 4, 5, 3))
    points[1, 2, 3] = np.nan
    raw = rig.project(points)
    assert raw.shape == (3, 4, len(rig), 5, 2)
    undistorted = rig.undistort(raw)
    for index, camera in enumerate(rig):
        np.testing.assert_allclose(raw[:, :, index], camera.project(points), atol=1e-10)
        np.testing.assert_allclose(
            undistorted[:, :, index], camera.undistort(raw[:, :, index]), atol=1e-9
        )
    np.testing.assert_allclose(rig.distort(undistorted), raw, atol=1e-9)
    with pytest.raises(ValueError, match="points_px"):
        rig.undistort(raw[:, :, :2])


def test_a_rig_without_distortion_leaves_pixels_alone():
    rig = court_rig(3, ())
    raw = rig.project(np.zeros((2, 4, 3)))
    np.testing.assert_array_equal(rig.undistort(raw), raw)


def test_a_rig_finds_cameras_by_name():
    rig = court_rig(3)
    assert rig.index("cam_1") == 1
    assert [camera.name for camera in rig] == list(rig.names)
    assert rig[2].name == "cam_2"
    with pytest.raises(DataError, match=r"cam_9: expected one of cam_0, cam_1, cam_2"):
        rig.index("cam_9")


def test_a_frame_of_12_people_in_8_cameras_is_projected_well_under_a_millisecond():
    rig = court_rig(8)
    points = np.random.default_rng(4).uniform([-7000, -4000, 0], [7000, 4000, 2000], (12, 13, 3))

    def quickest(act, argument):
        times = []
        for _ in range(30):
            start = time.perf_counter()
            act(argument)
            times.append(time.perf_counter() - start)
        return min(times)

    assert quickest(rig.project, points) < 0.4e-3
    assert quickest(rig.undistort, rig.project(points)) < 1.5e-3


def test_a_camera_cannot_be_changed():
    camera = simple()
    with pytest.raises(AttributeError):
        camera.name = "other"  # pyright: ignore[reportAttributeAccessIssue]
    for array in (camera.K, camera.R, camera.t_mm, camera.P, camera.center_mm):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_with_size_changes_the_size_only():
    camera = look_at("a", (0, -5000, 0), distortion=LENSES["rational"]).with_size(640, 480)
    assert camera.size_px == (640, 480)
    np.testing.assert_array_equal(camera.distortion, LENSES["rational"])


MIRROR = np.diag([1.0, 1, -1])
REFUSED = [
    ({"K": np.eye(2)}, "a.K: expected shape (3, 3), found shape (2, 2)"),
    ({"K": K * np.nan}, "a.K: expected finite numbers, found NaN or infinity"),
    ({"K": np.diag([-1.0, 1, 1])}, "a.K: expected positive focal lengths, found fx = -1, fy = 1"),
    ({"K": K.T}, "a.K: expected an upper triangular matrix"),
    ({"K": 2 * K}, "a.K: expected an upper triangular matrix"),
    ({"distortion": [0.1] * 3}, "a.distortion: expected 0, 4, 5, 8 or 12 coefficients, found 3"),
    ({"distortion": [np.inf] * 4}, "a.distortion: expected finite numbers"),
    ({"R": 1.01 * np.eye(3)}, "a.R: expected a rotation: RᵀR = 1 within 1e-3"),
    ({"R": MIRROR}, "a.R: expected a rotation: det R = +1, found det R = -1, a mirror image"),
    ({"R": np.eye(4)}, "a.R: expected shape (3, 3), found shape (4, 4)"),
    ({"t_mm": [0, 0, np.nan]}, "a.t_mm: expected finite numbers"),
    ({"t_mm": [0, 0]}, "a.t_mm: expected shape (3,), found shape (2,)"),
    ({"K": [[1, 2], [3]]}, "a.K: expected numbers"),
    ({"R": "north"}, "a.R: expected numbers"),
    ({"size_px": (0, 4)}, "a.size_px: expected a whole width and height above 0, found (0, 4)"),
    ({"size_px": (1.5, 4)}, "a.size_px: expected a whole width and height above 0"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_what_is_no_camera_is_refused_by_name_and_field(changes, message):
    with pytest.raises(DataError, match=re.escape(message)):
        simple("a", **changes)


def test_the_refusal_of_a_transposed_K_says_what_it_is():
    with pytest.raises(DataError, match="Transpose K"):
        simple("a", K=K.T)


def test_a_rig_refuses_a_name_twice_and_no_cameras():
    with pytest.raises(DataError, match="front: expected every camera name once, found 2"):
        Rig((simple(), simple()))
    with pytest.raises(DataError, match="expected at least one camera"):
        Rig(())


@pytest.mark.data
def test_sportcenters_lenses_agree_with_opencv_and_fold_where_they_should(real_data):
    entries = json.loads((real_data / "sportcenter" / "calibration.json").read_text())
    court = np.random.default_rng(5).uniform([-14000, -7500, 0], [14000, 7500, 2000], (4000, 3))
    for name, entry in entries.items():
        camera = Camera(name, entry["K"], entry["dist"], entry["R"], np.array(entry["t"]) * 1000)
        found = camera.project(court)
        expected, _ = cv2.projectPoints(
            court, cv2.Rodrigues(camera.R)[0], camera.t_mm, camera.K, camera.distortion
        )
        seen = np.isfinite(found).all(-1)
        assert 0.1 < seen.mean() <= 1.0
        np.testing.assert_allclose(found[seen], expected[seen, 0], rtol=0, atol=1e-9)
        _, directions = camera.rays(found[seen])
        back = camera.project(camera.center_mm + 5000 * directions)
        assert np.nanmax(np.abs(back - found[seen])) < 1e-8
        assert np.isnan(back).mean() < 1e-4, "what is projected comes back"
