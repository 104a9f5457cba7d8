"""The diagnosis of one frame, and the ellipsoid of a joint."""

import time

import numpy as np
import pytest

from core.diagnosis import (
    diagnose_frame,
    effective_lengths_mm,
    joint_uncertainty,
    person_covariances_mm2,
)
from core.settings import TriangulationSettings
from tests.diagnosis.recordings import frame_of, observed, people
from tests.geometry.camera_rigs import court_rig

RIG = court_rig(6)
CONSENSUS = TriangulationSettings(scale_mm=15.0)
PAIRWISE = TriangulationSettings(weighting="pairwise", sigma_mm=10, wss_threshold_mm=20)
EVERY = [CONSENSUS, PAIRWISE, TriangulationSettings(weighting="none")]


@pytest.mark.parametrize("settings", EVERY)
def test_exact_observations_give_the_points_and_no_residuals(settings):
    truth = people(1, 3)[0]
    diagnosis = diagnose_frame(frame_of(observed(RIG, truth)), RIG, settings)
    assert diagnosis.triangulation.kept.all()
    np.testing.assert_allclose(diagnosis.triangulation.points_mm, truth, atol=1e-4)
    np.testing.assert_allclose(diagnosis.reprojection_px, RIG.project(truth), atol=1e-4)
    assert diagnosis.residual_px.shape == (3, 6, 13)
    assert np.nanmax(diagnosis.residual_px) < 1e-4
    np.testing.assert_allclose(diagnosis.loo_points_mm, truth[:, None].repeat(6, 1), atol=1e-3)
    assert np.nanmax(diagnosis.loo_residual_px) < 1e-3


@pytest.mark.parametrize("settings", [CONSENSUS, PAIRWISE])
def test_a_wrong_view_is_shown_by_its_own_residual_and_spoils_no_other(settings):
    points = observed(RIG, people(1, 1)[0])
    points[0, 2, 5] += [40.0, 0.0]
    diagnosis = diagnose_frame(frame_of(points), RIG, settings)
    assert diagnosis.triangulation.weights[0, 2, 5] < 0.05
    residuals = diagnosis.loo_residual_px[0, :, 5]
    assert residuals[2] == pytest.approx(40.0, abs=0.5)
    assert np.delete(residuals, 2).max() < 0.5


def test_leave_one_out_images_are_those_of_the_others_points():
    points = observed(RIG, people(1, 2)[0], noise_px=2.0)
    diagnosis = diagnose_frame(frame_of(points), RIG, CONSENSUS)
    for c, camera in enumerate(RIG):
        expected = camera.project(diagnosis.loo_points_mm[:, c])
        np.testing.assert_allclose(diagnosis.loo_reprojection_px[:, c], expected, atol=1e-9)
        expected = np.linalg.norm(expected - points[:, c], axis=-1)
        np.testing.assert_allclose(diagnosis.loo_residual_px[:, c], expected, atol=1e-9)


def test_a_point_from_equal_weights_stands_in_where_the_others_have_none():
    # Views 0 and 1 agree, the rest are far off: without 0, only 1 has weight.
    points = observed(RIG, people(1, 1)[0])
    points[0, 2:, 5] += np.array([[300.0, 0], [0, 300], [-300, 0], [0, -300]])
    diagnosis = diagnose_frame(frame_of(points), RIG, PAIRWISE)
    assert np.isfinite(diagnosis.loo_residual_px[0, :, 5]).all()


def test_joints_that_nobody_or_one_view_sees_are_absent_not_wrong():
    points = observed(RIG, people(1, 2)[0])
    points[0] = np.nan
    points[1, 1:, 3] = np.nan
    diagnosis = diagnose_frame(frame_of(points), RIG, CONSENSUS)
    assert np.isnan(diagnosis.triangulation.points_mm[0]).all()
    assert not diagnosis.triangulation.kept[0].any()
    assert np.isnan(diagnosis.triangulation.points_mm[1, 3]).all()
    assert np.isnan(diagnosis.residual_px[1, :, 3]).all()
    assert np.isnan(diagnosis.loo_residual_px[1, :, 3]).all()
    assert diagnosis.triangulation.kept[1, 4]


def test_a_frame_without_people_is_diagnosed():
    diagnosis = diagnose_frame(
        frame_of(np.zeros((0, 6, 13, 2))), RIG, TriangulationSettings(scale_mm=None)
    )
    assert diagnosis.persons == ()
    assert diagnosis.residual_px.shape == (0, 6, 13)
    assert diagnosis.settings.scale_mm == 10


def test_an_unknown_noise_scale_is_filled_in_from_the_frame():
    points = observed(RIG, people(1, 5)[0], noise_px=2.0)
    diagnosis = diagnose_frame(frame_of(points), RIG, TriangulationSettings())
    assert diagnosis.settings.scale_mm is not None
    lengths = effective_lengths_mm(diagnosis.settings)
    assert lengths.scale_mm == diagnosis.settings.scale_mm
    assert lengths.wss_threshold_mm > lengths.sigma_mm > lengths.scale_mm > 3
    again = diagnose_frame(frame_of(points), RIG, diagnosis.settings)
    np.testing.assert_array_equal(diagnosis.triangulation.kept, again.triangulation.kept)


def test_lengths_that_are_given_are_the_lengths_in_force():
    lengths = effective_lengths_mm(PAIRWISE)
    assert (lengths.sigma_mm, lengths.wss_threshold_mm, lengths.scale_mm) == (10, 20, 10)


def test_twelve_people_in_eight_views_are_diagnosed_in_5_ms():
    rig = court_rig(8)
    points = observed(rig, people(1, 12)[0], noise_px=2.0, missing=0.2)
    diagnose_frame(frame_of(points), rig, CONSENSUS)
    times = []
    for _ in range(20):
        start = time.perf_counter()
        diagnose_frame(frame_of(points), rig, CONSENSUS)
        times.append(time.perf_counter() - start)
    assert min(times) < 5e-3


def test_uncertainty_is_the_scatter_of_repeated_observations():
    truth = np.array([500.0, -800, 1200])
    trials = np.broadcast_to(truth, (4000, 1, 3))
    points = observed(RIG, trials, noise_px=1.5)
    settings = TriangulationSettings(weighting="none")
    found = diagnose_frame(frame_of(points), RIG, settings).triangulation.points_mm[:, 0]
    one = diagnose_frame(frame_of(points[:1]), RIG, settings)
    uncertainty = joint_uncertainty(one, RIG, 0, 0)
    assert uncertainty is not None
    expected = np.cov(found.T) * (uncertainty.noise_px / 1.5) ** 2
    np.testing.assert_allclose(
        uncertainty.covariance_mm2, expected, atol=0.12 * np.abs(expected).max()
    )


def test_the_ellipsoids_axes_are_those_of_its_covariance():
    points = observed(RIG, people(1, 1)[0], noise_px=3.0)
    points[0, 3:] = np.nan
    diagnosis = diagnose_frame(frame_of(points), RIG, CONSENSUS)
    uncertainty = joint_uncertainty(diagnosis, RIG, 0, 4)
    assert uncertainty is not None
    axes, lengths = uncertainty.axes, uncertainty.semi_axes_mm
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(axes) == pytest.approx(1)
    assert (np.diff(lengths) <= 0).all()
    rebuilt = axes.T @ np.diag(lengths**2) @ axes
    np.testing.assert_allclose(rebuilt, uncertainty.covariance_mm2, rtol=1e-6, atol=1e-9)


def test_all_joints_of_a_person_at_once_are_as_uncertain_as_one_by_one():
    points = observed(RIG, people(2, 1)[0], noise_px=4.0)
    points[0, 1:, 3] = np.nan  # seen once
    points[0, 3:, 5] = np.nan
    diagnosis = diagnose_frame(frame_of(points), RIG, CONSENSUS)
    together = person_covariances_mm2(diagnosis, RIG, 0)
    for joint, covariance in enumerate(together):
        alone = joint_uncertainty(diagnosis, RIG, 0, joint)
        assert (alone is None) == bool(np.isnan(covariance).any())
        if alone is not None:
            np.testing.assert_allclose(covariance, alone.covariance_mm2, rtol=1e-9)
    assert np.isnan(together[3]).all()


def test_observations_that_disagree_make_a_joint_more_uncertain():
    truth = people(1, 1)[0]
    sizes = []
    for noise in (0.0, 8.0):
        settings = TriangulationSettings(weighting="none")
        diagnosis = diagnose_frame(frame_of(observed(RIG, truth, noise)), RIG, settings)
        uncertainty = joint_uncertainty(diagnosis, RIG, 0, 2)
        assert uncertainty is not None
        sizes.append((uncertainty.noise_px, uncertainty.semi_axes_mm[0]))
    assert sizes[0][0] == 1.0
    assert sizes[1][0] > 2.0
    assert sizes[1][1] > 2 * sizes[0][1]


def test_a_joint_without_a_point_has_no_uncertainty():
    points = observed(RIG, people(1, 1)[0])
    points[0, 1:, 0] = np.nan
    diagnosis = diagnose_frame(frame_of(points), RIG, CONSENSUS)
    assert joint_uncertainty(diagnosis, RIG, 0, 0) is None
