"""Two people who changed places in one camera: found, to the frame, and nobody else accused."""

import numpy as np
import pytest

from core.diagnosis import diagnose_frame
from core.diagnosis.identity import (
    diagnose_identity,
    scan_identities,
    swaps_in_frame,
)
from core.settings import TriangulationSettings
from tests.diagnosis.recordings import ArraySource, frame_of, observed
from tests.geometry.camera_rigs import court_rig

RIG = court_rig(6)
IDS = (4, 7, 9, 12)
SETTINGS = TriangulationSettings(scale_mm=15.0)


def walkers(num_frames, num_people=4, seed=0):
    """World points (F, P, 13, 3) of bodies that walk straight on, 3 m and more apart."""
    rng = np.random.default_rng(seed)
    body = rng.normal(0, 300, (1, num_people, 13, 3))
    start = np.array([[-4500 + 3000 * row, -1500.0, 900] for row in range(num_people)])
    step = rng.normal(0, 12, (num_people, 3)) * (1, 1, 0)
    return start[None, :, None] + np.arange(num_frames)[:, None, None, None] * step[:, None] + body


def recording(num_frames=80, noise_px=2.0, missing=0.1, seed=0):
    truth = walkers(num_frames, seed=seed)
    points = observed(RIG, truth, noise_px=noise_px, missing=missing, seed=seed)
    return ArraySource(rig=RIG, points_px=points, persons=IDS)


def swap(points, camera, start, stop, p, q):
    points[start:stop, [p, q], camera] = points[start:stop, [q, p], camera]


@pytest.mark.parametrize("span", [(10, 55), (0, 80), (23, 25), (30, 31)])
def test_a_swapped_span_is_found_exactly(span):
    source = recording()
    swap(source.points_px, 2, *span, 0, 1)
    (found,) = scan_identities(source, SETTINGS, 0, 80)
    assert (found.camera, found.person, found.other) == (2, 4, 7)
    assert (found.start, found.stop) == span
    assert found.residual_before_px > 20
    assert found.residual_after_px < 5
    asked = diagnose_identity(source, SETTINGS, span[0], 7)
    assert (asked.person, asked.other) == (7, 4)
    assert (asked.camera, asked.start, asked.stop) == (2, *span)


@pytest.mark.parametrize("seed", range(6))
def test_a_recording_in_order_accuses_nobody(seed):
    source = recording(noise_px=1.0 + 2 * seed, missing=0.3, seed=seed)
    rng = np.random.default_rng(seed)
    wild = rng.random(source.points_px.shape[:-1]) < 0.05  # as detectors err
    source.points_px[wild] += rng.normal(0, 80, (int(wild.sum()), 2))
    assert scan_identities(source, SETTINGS, 0, 80) == ()
    assert diagnose_identity(source, SETTINGS, 40, 4) is None


def test_a_person_who_is_merely_detected_badly_is_not_swapped():
    source = recording()
    source.points_px[20:40, 1, 3] += 120.0
    assert scan_identities(source, SETTINGS, 0, 80) == ()


def test_spans_next_to_one_another_stay_apart():
    source = recording()
    swap(source.points_px, 2, 10, 20, 0, 1)
    swap(source.points_px, 2, 22, 30, 0, 1)
    swap(source.points_px, 5, 15, 60, 2, 3)
    found = scan_identities(source, SETTINGS, 0, 80)
    assert [(each.camera, each.start, each.stop) for each in found] == [
        (2, 10, 20),
        (5, 15, 60),
        (2, 22, 30),
    ]


def test_frames_that_do_not_tell_are_bridged_and_end_no_span():
    source = recording()
    source.points_px[50:60, :2, 2] = np.nan
    source.points_px[18:25, :2, 2] = np.nan
    swap(source.points_px, 2, 10, 55, 0, 1)
    (found,) = scan_identities(source, SETTINGS, 0, 80)
    assert (found.start, found.stop) == (10, 50)


def test_a_detection_under_the_wrong_name_is_found_where_the_other_has_none():
    source = recording()
    source.points_px[30:50, 0, 2] = np.nan
    swap(source.points_px, 2, 30, 50, 0, 1)  # 7's place is empty, 4 bears 7's detection
    (found,) = scan_identities(source, SETTINGS, 0, 80)
    assert (found.camera, found.person, found.other) == (2, 4, 7)
    assert (found.start, found.stop) == (30, 50)


def test_a_right_label_does_not_hide_the_mixed_up_detection_beneath():
    source = recording()
    labelled = source.points_px[33, :2, 2].copy()
    swap(source.points_px, 2, 20, 50, 0, 1)
    source.detected_px = source.points_px.copy()
    source.points_px[33, :2, 2] = labelled
    (found,) = scan_identities(source, SETTINGS, 0, 80)
    assert (found.start, found.stop) == (20, 50)


def test_one_frame_s_diagnosis_names_the_same_pair():
    source = recording()
    assert swaps_in_frame(diagnose_frame(frame_of(source.points_px[5], IDS), RIG, SETTINGS)) == ()
    swap(source.points_px, 2, 5, 6, 1, 3)
    diagnosis = diagnose_frame(frame_of(source.points_px[5], IDS, 5), RIG, SETTINGS)
    (found,) = swaps_in_frame(diagnosis)
    assert (found.camera, found.person, found.other, found.start) == (2, 7, 12, 5)
    words = found.sentence(RIG.names, first_frame_number=1)
    assert "if #7 and #12 swap in cam_2 at 6" in words


def test_a_muted_view_is_not_accused():
    source = recording()
    swap(source.points_px, 2, 5, 6, 1, 3)
    muted = np.zeros(source.points_px.shape[1:-1], dtype=bool)
    muted[:, 2] = True
    frame = frame_of(source.points_px[5], IDS, 5)
    assert swaps_in_frame(diagnose_frame(frame, RIG, SETTINGS, muted)) == ()


def test_a_scan_that_is_stopped_tells_what_it_found_so_far():
    source = recording()
    swap(source.points_px, 2, 5, 10, 0, 1)
    swap(source.points_px, 2, 60, 70, 0, 1)
    told = []
    found = scan_identities(source, SETTINGS, 0, 80, lambda *done: bool(told.append(done)))
    assert [each.start for each in found] == [5]
    assert told == [(24, 80)]
