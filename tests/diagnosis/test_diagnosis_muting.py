"""What a muted view changes, and what a card says of it."""

import numpy as np
import pytest

from core.diagnosis import diagnose_frame, explain_joint
from core.settings import TriangulationSettings
from tests.diagnosis.recordings import frame_of, observed, people
from tests.geometry.camera_rigs import court_rig

RIG = court_rig(6)
CONSENSUS = TriangulationSettings(scale_mm=10.0)
PAIRWISE = TriangulationSettings(
    weighting="pairwise", sigma_mm=10.0, wss_threshold_mm=20.0, scale_mm=10.0
)
EVERY = [CONSENSUS, PAIRWISE, TriangulationSettings(weighting="none")]


def world(offset=(40.0, 25.0)):
    """One person; joint 0 is off in camera 4."""
    points = observed(RIG, people(1, 1)[0])
    points[0, 4, 0] += offset
    muted = np.zeros(points.shape[:-1], dtype=bool)
    muted[0, 4, 0] = True
    return points, muted


@pytest.mark.parametrize("settings", EVERY)
def test_a_muted_view_takes_no_part_and_keeps_its_residuals(settings):
    points, muted = world()
    found = diagnose_frame(frame_of(points), RIG, settings, muted)
    absent = points.copy()
    absent[0, 4, 0] = np.nan
    expected = diagnose_frame(frame_of(absent), RIG, settings)
    np.testing.assert_array_equal(found.triangulation.points_mm, expected.triangulation.points_mm)
    np.testing.assert_array_equal(found.triangulation.weights, expected.triangulation.weights)
    assert not found.observed[0, 4, 0]
    assert found.muted.sum() == 1
    off = np.hypot(40.0, 25.0)
    assert found.residual_px[0, 4, 0] == pytest.approx(off, abs=0.1)
    assert found.loo_residual_px[0, 4, 0] == pytest.approx(off, abs=0.1)
    assert np.isfinite(found.points_px[0, 4, 0]).all()


def test_a_frame_s_own_noise_scale_does_not_hear_muted_views():
    points, muted = world()
    points[0, 5] += 90.0
    muted[0, 5] = True
    settings = TriangulationSettings(scale_mm=None)
    quiet = points.copy()
    quiet[muted] = np.nan
    found = diagnose_frame(frame_of(points), RIG, settings, muted).settings.scale_mm
    assert found == diagnose_frame(frame_of(quiet), RIG, settings).settings.scale_mm


def test_muting_where_nothing_was_seen_mutes_nothing():
    points, muted = world()
    points[0, 4, 0] = np.nan
    assert not diagnose_frame(frame_of(points), RIG, CONSENSUS, muted).muted.any()


def test_the_card_says_who_is_muted_and_what_it_would_be_with_it():
    points, muted = world()
    found = explain_joint(diagnose_frame(frame_of(points), RIG, PAIRWISE, muted), RIG, 0, 0)
    assert found.kept
    assert found.muted == (4,)
    assert found.sentence.endswith("cam_4 is muted.")
    with_it = next(case for case in found.what_if if case.camera == 4)
    assert with_it.is_muted
    assert not with_it.would_be_kept
    plain = explain_joint(diagnose_frame(frame_of(points), RIG, PAIRWISE), RIG, 0, 0)
    assert with_it.value == pytest.approx(plain.value)


def test_the_cure_of_a_discarded_joint_is_where_it_would_be():
    points, muted = world()
    truth = people(1, 1)[0, 0, 0]
    plain = explain_joint(diagnose_frame(frame_of(points), RIG, PAIRWISE), RIG, 0, 0)
    assert not plain.kept
    assert plain.cure.without == (4,)
    np.testing.assert_allclose(plain.cure.point_mm, truth, atol=0.1)
    after = diagnose_frame(frame_of(points), RIG, PAIRWISE, muted)
    np.testing.assert_allclose(plain.cure.point_mm, after.triangulation.points_mm[0, 0], atol=1e-6)


def test_all_views_muted_is_a_joint_without_a_point():
    points, muted = world()
    muted[0, :, 0] = True
    found = explain_joint(diagnose_frame(frame_of(points), RIG, CONSENSUS, muted), RIG, 0, 0)
    assert found.degenerate
    assert "no view sees it" in found.sentence
    assert "outside what the lens" not in found.sentence
    assert len(found.what_if) == 6
