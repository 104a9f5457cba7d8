"""Reprojected labels agree with what they were made from: nothing may be concluded from that."""

import numpy as np
import pytest

from core.curation.accepting import accept, select
from core.curation.query import parse_query
from core.curation.queue import build_queue
from core.curation.sources import DetectionSource
from core.diagnosis import diagnose_frame, explain_joint, joint_uncertainty, summarise
from core.labelling import MoveInSpace, chosen_views, reproject
from core.project import JointKey, PointKey, Provenance, SetJoints, SetOverrides
from core.settings import TriangulationSettings
from tests.app.views_world import make_project, make_world
from tests.curation.selecting import select_at

SETTINGS = TriangulationSettings(scale_mm=12.0)
KEY = PointKey(0, 0, 5)


@pytest.fixture
def dragged(tmp_path):
    """A joint that somebody dragged half a metre off in 3D, in all views at once."""
    world = make_world(num_persons=4, num_frames=2)
    with make_project(tmp_path / "own.trilabel", world) as project:
        seen = project.observations(0)
        point = diagnose_frame(seen, project.rig, SETTINGS).triangulation.points_mm[0, KEY.joint]
        views = chosen_views(seen, KEY, "free", 0)
        moved = reproject(project.rig, seen, KEY, point + np.array([500.0, 0.0, 0.0]), views)
        project.apply(MoveInSpace(reprojection=moved))
        yield project


def found(project, text):
    chosen = select(project, DetectionSource(project), SETTINGS, parse_query(text, project))
    return KEY in chosen.point_keys


def test_a_query_for_small_residuals_finds_no_joint_that_only_agrees_with_itself(dragged):
    assert found(dragged, "kept person=0 frame=1")
    assert not found(dragged, "kept residual<8")
    assert not found(dragged, "residual>8")


def test_a_reprojected_label_is_something_that_a_person_said(dragged):
    assert found(dragged, "hand=yes")
    assert not found(dragged, "hand=no")


def test_the_card_says_that_reprojected_views_prove_nothing(dragged):
    diagnosis = diagnose_frame(dragged.observations(0), dragged.rig, SETTINGS)
    explanation = explain_joint(diagnosis, dragged.rig, 0, KEY.joint)
    assert explanation.sentence.endswith("8 of them were reprojected, which proves nothing.")
    other = explain_joint(diagnosis, dragged.rig, 0, KEY.joint + 1)
    assert "reprojected" not in other.sentence


def test_the_queue_expects_of_reprojected_views_what_it_expects_of_none(dragged):
    source = DetectionSource(dragged)

    def expected_mm():
        return build_queue(dragged, source, SETTINGS, "uncertainty", frames=[0]).expected_error_mm

    reprojected = expected_mm()
    dragged.undo()
    seen = expected_mm()
    views = range(len(dragged.rig))
    keys = tuple(JointKey(KEY.frame, camera, KEY.person, KEY.joint) for camera in views)
    dragged.apply(SetOverrides(keys=keys, muted=True))
    assert reprojected == pytest.approx(expected_mm())
    assert reprojected > seen + 1.0


def test_what_is_accepted_of_reprojected_views_says_so_and_has_no_figures(dragged):
    source = DetectionSource(dragged)
    chosen = select(dragged, source, SETTINGS, parse_query("kept person=0 frame=1", dragged))
    dragged.apply(accept(source, chosen))
    rows = dragged.accepted_between(0, 1)
    stories = {
        PointKey(*key): Provenance.from_json(text)
        for key, text in zip(rows.keys.tolist(), rows.provenance, strict=True)
    }
    story = stories.pop(KEY)
    assert story.rests_on == "reprojected"
    assert np.isnan([story.wss_mm, story.worst_loo_px, *story.weights]).all()
    assert {other.rests_on for other in stories.values()} == {"views"}
    assert np.isfinite([other.wss_mm for other in stories.values()]).all()


def test_what_two_views_and_reprojected_ones_make_rests_on_both(dragged):
    dragged.undo()
    seen = dragged.observations(0)
    point = diagnose_frame(seen, dragged.rig, SETTINGS).triangulation.points_mm[0, KEY.joint]
    moved = reproject(dragged.rig, seen, KEY, point, range(4))
    dragged.apply(MoveInSpace(reprojection=moved))
    source = DetectionSource(dragged)
    chosen = select_at(dragged, source, SETTINGS, 0, person=0, joint=KEY.joint)
    dragged.apply(accept(source, chosen))
    story = Provenance.from_json(dragged.accepted_between(0, 1).provenance[0])
    assert story.rests_on == "views, reprojected"
    assert np.isnan(story.wss_mm)
    assert np.isfinite(story.worst_loo_px)
    assert np.isnan(story.weights[:4]).all()
    assert (np.array(story.weights[4:]) > 0.05).any()


def test_labels_that_make_the_point_themselves_are_named_as_its_source(dragged):
    dragged.undo()
    image = dragged.rig.project(np.array([[0.0, 0.0, 1000.0]]))[:, 0]
    keys = tuple(JointKey(0, camera, 0, KEY.joint) for camera in (0, 4))
    points = tuple((float(image[c, 0]), float(image[c, 1])) for c in (0, 4))
    dragged.apply(SetJoints(keys=keys, points_px=points))
    source = DetectionSource(dragged)
    chosen = select_at(dragged, source, SETTINGS, 0, person=0, joint=KEY.joint)
    dragged.apply(accept(source, chosen))
    assert dragged.review(KEY).source == "hand labels"


def test_an_ellipsoid_rests_on_network_and_hand_alone(dragged):
    diagnosis = diagnose_frame(dragged.observations(0), dragged.rig, SETTINGS)
    assert diagnosis.triangulation.kept[0, KEY.joint]
    assert joint_uncertainty(diagnosis, dragged.rig, 0, KEY.joint) is None
    dragged.undo()
    seen = dragged.observations(0)
    before = diagnose_frame(seen, dragged.rig, SETTINGS)
    point = before.triangulation.points_mm[0, KEY.joint]
    moved = reproject(dragged.rig, seen, KEY, point, range(5))
    dragged.apply(MoveInSpace(reprojection=moved))
    after = diagnose_frame(dragged.observations(0), dragged.rig, SETTINGS)
    wide, narrow = (
        joint_uncertainty(each, dragged.rig, 0, KEY.joint).semi_axes_mm[0]
        for each in (after, before)
    )
    assert wide > narrow


def test_reprojected_views_are_nobodys_witnesses(dragged):
    """Two views that disagree by 40 px do so still once all others were put where one has it."""
    dragged.undo()
    seen = dragged.observations(0)
    point = diagnose_frame(seen, dragged.rig, SETTINGS).triangulation.points_mm[0, KEY.joint]
    views = [c for c in range(8) if c not in (0, 1)]
    moved = reproject(dragged.rig, seen, KEY, point + np.array([300.0, 0.0, 0.0]), views)
    dragged.apply(MoveInSpace(reprojection=moved))
    observations = dragged.observations(0)
    found = diagnose_frame(observations, dragged.rig, SETTINGS)
    observations.points_px[0, 2:, KEY.joint] = np.nan
    alone = diagnose_frame(observations, dragged.rig, SETTINGS)
    both = [each.loo_residual_px[0, :2, KEY.joint] for each in (found, alone)]
    np.testing.assert_allclose(*both, rtol=1e-6)
    source = DetectionSource(dragged)
    labels = select_at(dragged, source, SETTINGS, 0, person=0, joint=KEY.joint)
    worst = np.fmax.reduce(both[0]) if np.isfinite(both[0]).any() else np.nan
    np.testing.assert_allclose(labels.worst_loo_px, [worst])


def test_the_timeline_does_not_take_reprojected_views_for_agreement(dragged):
    dragged.undo()
    before = summarise(dragged, SETTINGS).worst_residual_px[0, 0]
    seen = dragged.observations(0)
    for joint in range(13):
        key = PointKey(0, 0, joint)
        point = diagnose_frame(seen, dragged.rig, SETTINGS).triangulation.points_mm[0, joint]
        moved = reproject(dragged.rig, seen, key, point, range(8))
        dragged.apply(MoveInSpace(reprojection=moved))
    assert np.isfinite(before)
    assert np.isnan(summarise(dragged, SETTINGS).worst_residual_px[0, 0])
