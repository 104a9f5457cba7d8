"""Why a joint was kept or discarded."""

from dataclasses import replace

import numpy as np
import pytest

from core.diagnosis import diagnose_frame, explain_joint
from core.geometry import Camera, Rig
from core.settings import TriangulationSettings
from tests.diagnosis.recordings import frame_of, observed, people
from tests.geometry.camera_rigs import court_rig, look_at

RIG = court_rig(6)
PAIRWISE = TriangulationSettings(
    weighting="pairwise", sigma_mm=10.0, wss_threshold_mm=20.0, scale_mm=10.0
)
CONSENSUS = TriangulationSettings(scale_mm=10.0)


def explained(offsets, settings=PAIRWISE, seen=range(6), rig=RIG):
    """Joint 0 of one person, seen exactly but for pixel offsets by view."""
    points = observed(rig, people(1, 1)[0])
    for view, offset in offsets.items():
        points[0, view, 0] += offset
    points[0, [c for c in range(len(rig)) if c not in seen], 0] = np.nan
    return explain_joint(diagnose_frame(frame_of(points), rig, settings), rig, 0, 0)


def test_a_kept_joint_says_its_value_against_the_threshold():
    found = explained({})
    assert found.kept
    assert found.reason == "kept"
    assert found.unit == "mm"
    assert found.threshold == 20
    assert found.value < 0.1
    assert found.sentence == "Kept: WSS 0.0 mm is within the threshold 20 mm."
    assert found.disagreeing == ()


def test_one_wrong_view_is_named_and_would_rescue_the_joint():
    found = explained({4: [40.0, 25.0]})
    assert not found.kept
    assert found.reason == "wss"
    assert found.rule == "wss"
    assert found.disagreeing == (4,)
    assert [case.camera for case in found.what_if if case.would_be_kept] == [4]
    assert found.what_if[4].value < 0.1 < found.threshold < found.value
    assert found.sentence == (
        f"Discarded: WSS {found.value:.0f} mm is over the threshold 20 mm. cam_4 disagrees with "
        "the others; without cam_4 it would be 0.0 mm and kept."
    )


def test_two_wrong_views_of_which_one_suffices():
    settings = replace(PAIRWISE, wss_threshold_mm=100.0)
    found = explained({4: [60.0, 45.0], 1: [4.0, 3.0]}, settings)
    assert found.disagreeing == (1, 4)
    assert [case.camera for case in found.what_if if case.would_be_kept] == [4]
    assert found.sentence == (
        f"Discarded: WSS {found.value:.0f} mm is over the threshold 100 mm. cam_1 and cam_4 "
        f"disagree with the others; without cam_4 it would be {found.what_if[4].value:.0f} mm "
        "and kept."
    )


def test_two_wrong_views_that_must_both_go():
    found = explained({4: [40.0, 25.0], 1: [-60.0, 30.0]})
    assert found.disagreeing == (1, 4)
    assert not any(case.would_be_kept for case in found.what_if)
    assert found.sentence.endswith(
        "cam_1 and cam_4 disagree with the others; without cam_1 and cam_4 it would be 0.0 mm and "
        "kept."
    )


def test_views_that_all_disagree_blame_nobody():
    rng = np.random.default_rng(3)
    found = explained({view: rng.normal(0, 150, 2) for view in range(6)})
    assert not found.kept
    assert not any(case.would_be_kept for case in found.what_if)
    assert found.sentence.endswith("no one or two of its views are to blame.") or (
        "No one or two of its views are to blame." in found.sentence
    )


def test_support_counts_views_that_agree():
    found = explained({4: [40.0, 25.0]}, CONSENSUS)
    assert found.kept
    assert (found.value, found.threshold, found.unit) == (5, 3, "views")
    assert found.sentence == (
        "Kept: 5 of 6 views agree, 3 are needed. cam_4 disagrees with the others."
    )
    assert found.format_value(1.0) == "1 view"
    assert found.format_value(4.0) == "4 views"


def test_too_little_support_names_who_agrees():
    offsets = {2: [200.0, 0], 3: [0, 200.0], 4: [-200.0, 100.0], 5: [90.0, -190.0]}
    settings = TriangulationSettings(scale_mm=5.0, min_views=4)
    found = explained(offsets, settings)
    assert not found.kept
    assert found.reason == "support"
    assert found.value < 4
    assert found.sentence.startswith("Discarded: of 6 views only ")
    assert "4 are needed" in found.sentence


def test_a_joint_seen_by_too_few_views_says_so():
    found = explained({}, seen=(1, 5))
    assert not found.kept
    assert not found.degenerate
    assert found.reason == "too_few_views"
    assert found.sentence == "Discarded: only cam_1 and cam_5 see it, and 3 views are needed."
    assert len(found.what_if) == 2
    assert all(np.isnan(case.value) and not case.would_be_kept for case in found.what_if)
    assert found.format_value(found.what_if[0].value) == "–"


@pytest.mark.parametrize(
    ("seen", "sentence"),
    [
        ((), "No 3D point: no view sees it, and two views are the least."),
        ((2,), "No 3D point: only cam_2 sees it, and two views are the least."),
    ],
)
def test_a_joint_that_cannot_be_triangulated_says_so(seen, sentence):
    found = explained({}, seen=seen)
    assert found.degenerate
    assert not found.kept
    assert found.reason == "degenerate"
    assert np.isnan(found.value)
    assert found.what_if == ()
    assert found.sentence == sentence


def test_parallel_rays_are_called_parallel():
    K = np.array([[1000.0, 0, 500], [0, 1000, 400], [0, 0, 1]])
    rig = Rig(
        tuple(
            Camera(name, K, [], np.eye(3), [-100.0 * i, 0, 0], (1000, 800))
            for i, name in enumerate(("a", "b", "c"))
        )
    )
    points = np.full((1, 3, 1, 2), [500.0, 400.0])
    diagnosis = diagnose_frame(frame_of(points), rig, CONSENSUS)
    found = explain_joint(diagnosis, rig, 0, 0)
    assert found.degenerate
    assert found.sentence == "No 3D point: the rays of a, b and c are all but parallel (0.00°)."


def test_rays_that_meet_behind_the_cameras_are_called_so():
    K = np.array([[1000.0, 0, 500], [0, 1000, 400], [0, 0, 1]])
    rig = Rig(
        tuple(
            Camera(name, K, [], np.eye(3), [-1000.0 * i, 0, 0], (1000, 800))
            for i, name in enumerate(("a", "b"))
        )
    )
    points = np.array([[[[100.0, 400.0]], [[900.0, 400.0]]]])
    diagnosis = diagnose_frame(frame_of(points), rig, CONSENSUS)
    found = explain_joint(diagnosis, rig, 0, 0)
    assert found.degenerate
    assert "the rays of a and b meet behind a camera" in found.sentence


def test_a_view_that_the_lens_cannot_have_seen_is_named():
    folding = look_at("folding", (0, -9000.0, 3000.0), distortion=[-0.3, 0.0, 0, 0])
    rig = Rig((folding, *RIG.cameras[:1]))
    points = observed(rig, people(1, 1)[0])
    points[0, 0, 0] = [5000.0, 5000.0]
    diagnosis = diagnose_frame(frame_of(points), rig, CONSENSUS)
    found = explain_joint(diagnosis, rig, 0, 0)
    assert found.sentence == (
        "No 3D point: only cam_0 sees it (folding: outside what the lens can image), and two "
        "views are the least."
    )


def test_without_a_rule_everything_with_views_enough_is_kept():
    found = explained({4: [40.0, 25.0]}, TriangulationSettings(weighting="none", scale_mm=10.0))
    assert found.kept
    assert found.rule == "none"
    assert found.sentence.startswith("Kept: 6 views see it, and no rule judges them.")
    assert "cam_4 disagrees with the others." in found.sentence


def test_what_if_is_what_a_frame_without_that_view_would_say():
    offsets = {4: [9.0, 5.0], 0: [-6.0, 2.0]}
    found = explained(offsets)
    for case in found.what_if:
        seen = [c for c in range(6) if c != case.camera]
        alone = explained(offsets, seen=seen)
        assert alone.kept == case.would_be_kept
        assert alone.value == pytest.approx(case.value, rel=1e-6)
