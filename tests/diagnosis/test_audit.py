"""A drifted camera is told from one in which people are hidden, and a good one is left alone."""

import numpy as np
import pytest

from core.diagnosis.audit import VERDICTS, audit_weights
from core.diagnosis.drift import find_drift
from core.geometry import Camera, Rig
from core.settings import TriangulationSettings
from tests.diagnosis.recordings import ArraySource, observed, people
from tests.geometry.camera_rigs import court_rig, rotation

RIG = court_rig(6)
SETTINGS = TriangulationSettings(scale_mm=15.0)
FRAMES, PEOPLE = 10, 4


def turned(camera: Camera, degrees: float) -> Camera:
    """The camera as it stands after a knock: its calibration does not know."""
    R = rotation(np.array([0.3, 1.0, 0.4]), np.radians(degrees)) @ camera.R
    return Camera(
        camera.name, camera.K, camera.distortion, R, -R @ camera.center_mm, camera.size_px
    )


def recording(knocked=(), hand_views=(0, 1, 2, 3, 4, 5), noise_px=3.0, seed=0, degrees=1.0):
    """Detections with noise, labels by people in some views, and what is true of the cameras."""
    real = Rig(tuple(turned(c, degrees) if i in knocked else c for i, c in enumerate(RIG)))
    truth = people(FRAMES, PEOPLE, seed=seed)
    detected = observed(real, truth, noise_px=noise_px, missing=0.1, seed=seed)
    hand = observed(real, truth, noise_px=1.0, seed=seed + 100)
    points = detected.copy()
    points[:, :, list(hand_views)] = hand[:, :, list(hand_views)]
    everyone = tuple((frame, row) for frame in range(FRAMES) for row in range(PEOPLE))
    source = LabelledViews(
        rig=RIG, points_px=points, persons=(3, 5, 8, 9), hand=everyone, detected_px=detected
    )
    source.hand_views = hand_views
    return source


class LabelledViews(ArraySource):
    """Labelled by hand in some views only."""

    hand_views = ()

    def observations_block(self, start, stop):
        block = super().observations_block(start, stop)
        others = [c for c in range(len(self.rig)) if c not in self.hand_views]
        block.source[:, :, others] = np.minimum(block.source[:, :, others], 1)
        return block


def hide(source, camera, share, joints=slice(None), seed=5):
    """Detections that jump elsewhere, as where people are hidden."""
    rng = np.random.default_rng(seed)
    part = source.detected_px[:, :, camera, joints]
    wrong = rng.random(part.shape[:-1]) < share
    part[wrong] += rng.normal(0, 90, (int(wrong.sum()), 2))
    if camera not in source.hand_views:
        source.points_px[:, :, camera, joints] = part


def verdicts(audit):
    return [camera.verdict for camera in audit.cameras]


@pytest.mark.parametrize("hand_views", [(0, 1, 2, 3, 4, 5), (1, 3, 4), (0, 5)])
@pytest.mark.parametrize("seed", [0, 1])
def test_good_cameras_are_all_fine(hand_views, seed):
    audit = audit_weights(recording(hand_views=hand_views, seed=seed), SETTINGS)
    assert verdicts(audit) == ["fine"] * 6
    assert (audit.verdict == VERDICTS.index("fine")).all()
    assert audit.noise_px == pytest.approx(3.2, rel=0.3)
    assert (audit.num > 20).all()
    assert audit.num_frames == FRAMES


@pytest.mark.parametrize("hand_views", [(0, 1, 2, 3, 4, 5), (0, 1, 4, 5), (1, 2, 5)])
def test_a_knocked_camera_has_drifted_and_no_other(hand_views):
    audit = audit_weights(recording(knocked=(2,), hand_views=hand_views), SETTINGS)
    assert verdicts(audit) == ["fine", "fine", "drift", "fine", "fine", "fine"]
    found = audit.cameras[2]
    assert found.drift_after_px < 5
    assert found.drift_before_px > 10
    assert np.hypot(*found.shift_px) > 10
    assert "cam_2 has drifted" in found.sentence
    assert "Calibrate it anew" in found.sentence


def test_two_knocked_cameras_are_both_found():
    audit = audit_weights(recording(knocked=(1, 4)), SETTINGS)
    assert verdicts(audit) == ["fine", "drift", "fine", "fine", "drift", "fine"]


@pytest.mark.parametrize("hand_views", [(0, 1, 2, 3, 4, 5), (0, 1, 3, 5)])
def test_a_camera_in_which_people_are_hidden_has_not_drifted(hand_views):
    source = recording(hand_views=hand_views)
    hide(source, 2, 0.45)
    audit = audit_weights(source, SETTINGS)
    assert verdicts(audit) == ["fine", "fine", "occlusion", "fine", "fine", "fine"]
    assert audit.cameras[2].shift_px == (0.0, 0.0)
    assert audit.cameras[2].share_far == pytest.approx(0.43, abs=0.06)
    assert "The calibration holds" in audit.cameras[2].sentence


def test_hidden_people_and_a_knock_are_told_apart_in_one_recording():
    source = recording(knocked=(4,))
    hide(source, 1, 0.5)
    audit = audit_weights(source, SETTINGS)
    assert verdicts(audit) == ["fine", "occlusion", "fine", "fine", "drift", "fine"]


def test_one_joint_that_is_hidden_is_named_alone():
    source = recording()
    hide(source, 3, 0.6, joints=slice(5, 6))
    audit = audit_weights(source, SETTINGS)
    assert verdicts(audit) == ["fine"] * 6
    assert np.argwhere(audit.verdict == VERDICTS.index("occlusion")).tolist() == [[3, 5]]
    words = audit.sentence(3, 5, "cam_3", "left_wrist")
    assert "left_wrist in cam_3: mean weight 0." in words
    assert "wrong" in words


def test_weights_that_trust_a_wrong_view_are_counted():
    source = recording(hand_views=(0, 1, 2, 3, 4, 5), noise_px=1.0)
    # Everybody's wrist is somebody else's in four of six views: the weights follow the majority.
    source.detected_px[:, :, 2:, 5] = source.detected_px[:, :, 2:, 6]
    audit = audit_weights(source, SETTINGS)
    assert audit.share_misled[2:, 5].min() > 0.5
    assert audit.share_misled[:, 7].max() == 0
    assert "trusted all the same" in audit.sentence(3, 5, "cam_3", "left_wrist")


def test_3d_labels_are_witnesses_too():
    source = recording(knocked=(2,), hand_views=())
    source.hand = ()
    source.label_mm = people(FRAMES, PEOPLE, seed=0)
    source.labelled_frames = lambda: np.arange(FRAMES)
    audit = audit_weights(source, SETTINGS)
    assert verdicts(audit) == ["fine", "fine", "drift", "fine", "fine", "fine"]


def test_without_detections_the_labels_judge_one_another():
    source = recording(knocked=(2,))
    source.detected_px = np.full_like(source.points_px, np.nan)
    audit = audit_weights(source, SETTINGS)
    assert audit.is_hand
    assert verdicts(audit)[2] == "drift"
    assert verdicts(audit).count("fine") == 5


def test_without_labels_nothing_is_said():
    source = recording()
    source.hand = ()
    audit = audit_weights(source, SETTINGS)
    assert audit.num_frames == 0
    assert verdicts(audit) == ["too few"] * 6
    assert not audit.num.any()
    assert "nothing can be said" in audit.cameras[0].sentence


def test_a_shift_that_only_some_frames_show_is_no_drift():
    rng = np.random.default_rng(0)
    points, frames = rng.uniform(0, 1000, (400, 2)), np.repeat(np.arange(8), 50)
    residuals = rng.normal(0, 3, (400, 2))
    assert not find_drift(points, residuals, frames, 3.0).is_drift
    moved = residuals + np.array([15.0, -8.0])
    found = find_drift(points, moved, frames, 3.0)
    assert found.is_drift
    np.testing.assert_allclose(found.shift_px, (15, -8), atol=1)
    once = residuals + np.where(frames[:, None] == 2, 60.0, 0.0)
    assert not find_drift(points, once, frames, 3.0).is_drift
