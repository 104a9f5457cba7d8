"""The simulated detector: wrong where and as detectors are."""

import numpy as np
import pytest

from core.synthetic import SynthConfig
from core.synthetic.detector import simulate_detector
from core.synthetic.figures import make_cast
from core.synthetic.hall import build_hall
from core.synthetic.rig import court_camera
from core.synthetic.sight import Sight, ViewTruth, watch

CONFIG = SynthConfig(num_frames=300, seed=5)


@pytest.fixture(scope="module")
def truth():
    cast = make_cast(CONFIG)
    seen = ViewTruth.empty(CONFIG.num_frames, len(cast.looks))
    frames = range(CONFIG.num_frames)
    watch(court_camera("ace_4"), cast, build_hall(CONFIG.seed).frames, frames, seen)
    return seen


@pytest.fixture(scope="module")
def found(truth):
    return simulate_detector(truth, camera="ace_4", size_px=(1392, 928), seed=[1])


@pytest.fixture(scope="module")
def matched(truth, found):
    """For each detection the person whom it resembles most, and the median error to him."""
    points = truth.points_px[found.frames]
    error = np.linalg.norm(points - found.points_px[:, None], axis=-1)
    median = np.nanmedian(np.where(np.isnan(error), np.inf, error), axis=-1)
    who = median.argmin(axis=1)
    rows = np.arange(len(who))
    return who, error[rows, who], median[rows, who]


def test_players_overlap_enough_to_be_confused(truth):
    inside = truth.sight != Sight.OUTSIDE
    assert (truth.sight == Sight.PERSON)[inside].mean() > 0.05


def test_errors_grow_with_what_hides_a_joint(truth, found, matched):
    who, error, median = matched
    true_ones = median < 12
    sight = truth.sight[found.frames, who][true_ones]
    error = error[true_ones]
    typical = {kind: np.median(error[sight == kind]) for kind in (0, 1, 2)}
    assert 0.8 < typical[Sight.VISIBLE] < 3.5
    assert typical[Sight.SELF] > 1.5 * typical[Sight.VISIBLE]
    assert typical[Sight.PERSON] > 1.5 * typical[Sight.SELF]


def test_confidence_falls_with_what_hides_a_joint_but_is_not_reliable(truth, found, matched):
    who, error, median = matched
    true_ones = median < 12
    sight = truth.sight[found.frames, who][true_ones]
    confidence, error = found.confidence[true_ones], error[true_ones]
    means = [confidence[sight == kind].mean() for kind in (0, 1, 2)]
    assert means[0] > means[1] > means[2]
    wrong = error > 15
    assert wrong.sum() > 50
    assert (confidence[wrong] > 0.6).mean() > 0.15
    assert np.corrcoef(confidence.ravel(), error.ravel())[0, 1] < -0.2


def test_some_hidden_joints_are_taken_from_whoever_stands_in_front(truth, found, matched):
    who, error, median = matched
    front = truth.hidden_by[found.frames, who].astype(int)
    rows, joints = np.nonzero(
        (front >= 0) & (front < truth.sight.shape[1]) & (median < 12)[:, None]
    )
    other = truth.points_px[found.frames[rows], front[rows, joints], joints]
    own = error[rows, joints]
    theirs = np.linalg.norm(found.points_px[rows, joints] - other, axis=-1)
    apart = np.linalg.norm(truth.points_px[found.frames[rows], who[rows], joints] - other, axis=-1)
    jumped = (theirs < 8) & (own > 12) & (apart > 20)
    assert 0.08 < jumped[(apart > 20) & (apart < 60)].mean() < 0.5


def test_left_and_right_are_swapped_now_and_then(truth, found, matched):
    who, error, median = matched
    points = truth.points_px[found.frames, who]
    swapped = points[:, [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11]]
    mirror = np.linalg.norm(found.points_px - swapped, axis=-1)
    apart = np.linalg.norm(points - swapped, axis=-1)
    legs = [7, 8, 9, 10, 11, 12]
    telling = (apart[:, legs].min(axis=1) > 6) & (median < 25)
    flipped = mirror[:, legs].mean(axis=1) < 0.6 * error[:, legs].mean(axis=1)
    assert 0.005 < flipped[telling].mean() < 0.25


def test_most_people_are_found_and_some_are_missed(truth, found, matched):
    who, _, median = matched
    present = (truth.sight != Sight.OUTSIDE).sum(axis=2) >= 5
    hits = np.zeros(present.shape, bool)
    hits[found.frames[median < 40], who[median < 40]] = True
    assert 0.75 < hits[present].mean() < 0.995


def test_a_few_detections_are_nobody(matched):
    _, _, median = matched
    assert 0.0005 < (median > 60).mean() < 0.02


def test_errors_last_longer_than_a_frame(found, matched):
    who, _, median = matched
    good = median < 12
    rows = {
        (int(f), int(p)): i
        for i, (f, p) in enumerate(zip(found.frames, who, strict=True))
        if good[i]
    }
    pairs = [(i, rows[f + 1, p]) for (f, p), i in rows.items() if (f + 1, p) in rows]
    confidence = found.confidence[:, 3]
    a, b = np.array(pairs).T
    assert np.corrcoef(confidence[a], confidence[b])[0, 1] > 0.3


def test_detections_are_unnamed_and_best_first(found):
    assert (found.identity == -1).all()
    assert (np.diff(found.frames) >= 0).all()
    same = np.diff(found.frames) == 0
    assert (np.diff(found.score)[same] <= 0).all()


def test_points_stay_in_the_picture_and_confidence_in_0_to_1(found):
    finite = np.isfinite(found.points_px)
    assert found.points_px[finite].min() >= 0
    assert found.points_px[..., 0][finite[..., 0]].max() <= 1391
    shares = found.confidence[np.isfinite(found.confidence)]
    assert shares.min() > 0
    assert shares.max() < 1


def test_the_same_seed_gives_the_same_detections(truth, found):
    again = simulate_detector(truth, camera="ace_4", size_px=(1392, 928), seed=[1])
    np.testing.assert_array_equal(again.points_px, found.points_px)
    other = simulate_detector(truth, camera="ace_4", size_px=(1392, 928), seed=[2])
    assert len(other) != len(found) or (other.points_px != found.points_px).any()
