"""Precision and recall of what a discard rule keeps, on labelled frames."""

from dataclasses import replace

import numpy as np
import pytest

from core.diagnosis import diagnose_frame
from core.diagnosis.thresholds import threshold_curve, threshold_samples
from core.settings import TriangulationSettings
from tests.diagnosis.recordings import ArraySource, frame_of, observed, people
from tests.geometry.camera_rigs import court_rig

RIG = court_rig(6)
PAIRWISE = TriangulationSettings(
    weighting="pairwise", sigma_mm=20.0, wss_threshold_mm=40.0, scale_mm=10.0
)
CONSENSUS = TriangulationSettings(scale_mm=10.0)
FRAMES, PEOPLE = 6, 4


@pytest.fixture(scope="module")
def source():
    """Labels in three views; a third of the joints is wrong in several views."""
    truth = people(FRAMES, PEOPLE)
    detected = observed(RIG, truth, noise_px=2.0, missing=0.1)
    rng = np.random.default_rng(4)
    wrong = rng.random((FRAMES, PEOPLE, 13)) < 0.35
    for camera in range(6):
        shaken = wrong & (rng.random(wrong.shape) < 0.7)
        detected[:, :, camera][shaken] += rng.normal(0, 60, (int(shaken.sum()), 2))
    points = observed(RIG, truth, noise_px=0.5, seed=9)
    everyone = tuple((frame, row) for frame in range(FRAMES) for row in range(PEOPLE))
    return ArraySource(
        rig=RIG, points_px=points, persons=(1, 2, 4, 6), hand=everyone, detected_px=detected
    )


@pytest.mark.parametrize("settings", [PAIRWISE, CONSENSUS, replace(CONSENSUS, discard="wss")])
def test_what_a_score_counts_as_kept_is_what_the_triangulation_keeps(source, settings):
    samples = threshold_samples(source, settings)
    kept = {}
    for frame in range(FRAMES):
        found = diagnose_frame(frame_of(source.detected_px[frame]), RIG, settings)
        kept[frame] = found.triangulation.kept
    expected = [
        bool(kept[f][(1, 2, 4, 6).index(p), j])
        for f, p, j in zip(samples.frames, samples.persons, samples.joints, strict=True)
    ]
    score = samples.score(settings, tolerance_mm=1e9)
    assert score.num_kept == sum(expected)
    assert 0 < score.num_kept < score.num_joints
    assert score.precision == 1.0
    assert score.recall == score.num_kept / score.num_joints


def test_errors_are_distances_to_what_people_say(source):
    samples = threshold_samples(source, CONSENSUS)
    truth = people(FRAMES, PEOPLE)
    frame, person, joint = samples.frames[0], samples.persons[0], samples.joints[0]
    row = (1, 2, 4, 6).index(person)
    found = diagnose_frame(
        frame_of(source.detected_px[frame]), RIG, replace(CONSENSUS, discard="none", min_views=2)
    )
    off = np.linalg.norm(found.triangulation.points_mm[row, joint] - truth[frame, row, joint])
    assert samples.error_mm[0] == pytest.approx(off, abs=5.0)
    assert len(samples) == pytest.approx(FRAMES * PEOPLE * 13, rel=0.02)


@pytest.mark.parametrize("settings", [PAIRWISE, CONSENSUS])
def test_a_stricter_threshold_keeps_less_and_what_it_keeps_is_better(source, settings):
    curve = threshold_curve(source, settings, tolerance_mm=80.0)  # 2 px are 33 mm at 15 m
    order = slice(None) if curve.rule == "wss" else slice(None, None, -1)
    recall, kept = curve.recall[order], curve.kept[order]
    assert (np.diff(recall) >= 0).all()
    assert (np.diff(kept) >= 0).all()
    strict = curve.precision[order][int(np.argmax(kept > 0.1))]
    assert strict > 0.97
    assert curve.precision[order][-1] < strict - 0.05
    assert curve.rule == settings.rule


def test_the_curve_goes_through_the_score_of_the_settings(source):
    samples = threshold_samples(source, PAIRWISE)
    curve = samples.curve(PAIRWISE, 30.0)
    at = int(np.argmin(np.abs(np.log(curve.thresholds / 40.0))))
    settings = replace(PAIRWISE, wss_threshold_mm=float(curve.thresholds[at]))
    score = samples.score(settings, 30.0)
    assert (score.precision, score.recall) == (curve.precision[at], curve.recall[at])
    support = samples.curve(CONSENSUS, 30.0)
    score = samples.score(replace(CONSENSUS, min_views=4), 30.0)
    at = support.thresholds.tolist().index(4)
    assert (score.precision, score.recall) == (support.precision[at], support.recall[at])


def test_thresholds_need_no_new_triangulation_and_other_settings_do(source):
    samples = threshold_samples(source, PAIRWISE)
    assert samples.fit(replace(PAIRWISE, wss_threshold_mm=7.0, min_views=5, discard="support"))
    assert not samples.fit(replace(PAIRWISE, sigma_mm=11.0))
    assert not samples.fit(CONSENSUS)


def test_labels_alone_never_confirm_themselves(source):
    bare = replace_source(source, detected_px=np.full_like(source.points_px, np.nan))
    samples = threshold_samples(bare, CONSENSUS)
    assert len(samples) == 0
    assert np.isnan(samples.score(CONSENSUS).precision)
    assert np.isnan(samples.curve(CONSENSUS).recall).all()


def replace_source(source, **changes):
    return ArraySource(
        rig=source.rig,
        points_px=source.points_px,
        persons=source.persons,
        hand=source.hand,
        **changes,
    )
