"""Reprojected labels agree with what they were made from: nothing may be concluded from that."""

import numpy as np
import pytest

from core.curation.accepting import select
from core.curation.query import parse_query
from core.curation.queue import build_queue
from core.curation.sources import DetectionSource
from core.diagnosis import diagnose_frame, explain_joint
from core.labelling import MoveInSpace, chosen_views, reproject
from core.project import JointKey, PointKey, SetOverrides
from core.settings import TriangulationSettings
from tests.app.views_world import make_project, make_world

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
    dragged.apply(SetOverrides(keys=keys, factor=0.0))
    assert reprojected == pytest.approx(expected_mm())
    assert reprojected > seen + 1.0
