"""σ and λ from the noise scale: 90 % of clean joints are kept, and one bad view is told."""

import numpy as np
import pytest

from core.geometry import estimate_scale_mm, robust_triangulate
from tests.geometry.triangulation_cases import court_rig, court_scene, shift_one_view

AUTO = {"sigma_mm": "auto", "wss_threshold_mm": "auto"}


@pytest.mark.parametrize("noise_px", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("num_cameras", [6, 8])
def test_auto_keeps_nine_in_ten_clean_court_joints(noise_px, num_cameras):
    scene = court_scene(2000, seed=31, noise_px=noise_px, num_cameras=num_cameras)
    scale_mm = estimate_scale_mm(scene.points_px, scene.projections)
    for weighting in ("pairwise", "consensus"):
        answer = robust_triangulate(
            scene.points_px, scene.projections, weighting=weighting, scale_mm=scale_mm, **AUTO
        )
        assert answer.kept.mean() >= 0.9


@pytest.mark.parametrize(
    ("noise_px", "told", "discarded"), [(1.0, 0.98, 0.95), (2.0, 0.95, 0.9), (3.0, 0.9, 0.75)]
)
def test_auto_tells_one_bad_view(noise_px, told, discarded):
    scene = court_scene(2000, seed=32, noise_px=noise_px)
    scale_mm = estimate_scale_mm(scene.points_px, scene.projections)
    views = shift_one_view(scene, 50.0)
    answer = robust_triangulate(scene.points_px, scene.projections, scale_mm=scale_mm, **AUTO)
    assert (answer.weights.argmin(0) == views).mean() >= told
    bad = answer.weights[views, np.arange(2000)]
    assert np.median(bad) < 0.01
    assert np.median(answer.weights) > 0.5
    assert 1 - answer.kept.mean() >= discarded


def test_the_scale_follows_the_noise():
    scales = [
        estimate_scale_mm(scene.points_px, scene.projections)
        for scene in (court_scene(500, seed=33, noise_px=n) for n in (0.5, 1.0, 2.0))
    ]
    assert scales[1] == pytest.approx(2 * scales[0], rel=0.1)
    assert scales[2] == pytest.approx(2 * scales[1], rel=0.1)


def test_the_scale_is_unmoved_by_one_bad_view():
    scene = court_scene(500, seed=34, noise_px=1.0)
    before = estimate_scale_mm(scene.points_px, scene.projections)
    shift_one_view(scene, 50.0)
    after = estimate_scale_mm(scene.points_px, scene.projections)
    assert after == pytest.approx(before, rel=0.4)


def test_auto_without_a_scale_is_auto_with_the_batchs_own():
    scene = court_scene(100, seed=35, noise_px=2.0)
    own = robust_triangulate(scene.points_px, scene.projections, **AUTO)
    scale_mm = estimate_scale_mm(scene.points_px, scene.projections)
    given = robust_triangulate(scene.points_px, scene.projections, scale_mm=scale_mm, **AUTO)
    np.testing.assert_array_equal(own.weights, given.weights)


@pytest.mark.data
@pytest.mark.parametrize("noise_px", [1.0, 2.0, 3.0])
def test_auto_keeps_nine_in_ten_clean_joints_of_the_real_court(real_data, noise_px):
    from core.formats.calibration import read_rig

    rig = read_rig(real_data / "sportcenter" / "calibration.json")
    rng = np.random.default_rng(36)
    truth_mm = rng.uniform([-7000, -13000, 0], [7000, 13000, 2000], (3000, 3))
    points_px = rig.undistort(rig.project(truth_mm))
    points_px += rng.normal(0, noise_px, points_px.shape)
    seen = np.isfinite(points_px).all(-1).sum(0) >= 3
    points_px = points_px[:, seen]
    scale_mm = estimate_scale_mm(points_px, rig.projections)
    answer = robust_triangulate(points_px, rig.projections, scale_mm=scale_mm, **AUTO)
    assert seen.sum() > 1000
    assert answer.kept.mean() >= 0.9


def test_the_court_of_these_tests_is_like_the_real_one():
    P = court_rig()
    centers = -np.linalg.solve(P[:, :, :3], P[:, :, 3:])[..., 0]
    np.testing.assert_allclose(centers[:, 2], 7500)
    assert np.abs(centers[:, :2]).max() < 20000
