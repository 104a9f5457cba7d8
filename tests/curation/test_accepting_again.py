"""Locking what was accepted before, also where what was accepted has gone since."""

import numpy as np
import pytest

from core.curation.accepting import accept
from core.curation.query import parse_query
from core.curation.sources import DetectionSource
from core.labelling import place_joint
from core.project import DeleteJoints, JointKey, PointKey
from core.settings import TriangulationSettings
from tests.app.views_world import make_project, make_world
from tests.curation.selecting import select_at

SETTINGS = TriangulationSettings(scale_mm=12.0)
JOINT = 6


@pytest.fixture
def project(tmp_path):
    world = make_world(num_persons=4, num_frames=2)
    with make_project(tmp_path / "own.trilabel", world) as project:
        yield project


def person(project):
    return select_at(project, DetectionSource(project), SETTINGS, 0, person=2)


def point_of(project, joint):
    persons, points = project.accepted(0)
    return points[persons.index(2), joint]


def test_a_person_is_locked_though_labels_that_were_accepted_have_gone(project):
    seen, source = project.observations(0), DetectionSource(project)
    keys = tuple(JointKey(0, camera, 2, JOINT) for camera in (0, 1))
    for key in keys:
        project.apply(place_joint(key, seen.points_px[2, key.camera, JOINT]))
    project.apply(accept(source, person(project)))
    assert np.isnan(point_of(project, JOINT)).all(), "its two labels make the point"
    project.apply(DeleteJoints(keys=keys))
    found = person(project)
    project.apply(accept(source, found, "locked"))
    assert project.review(PointKey(0, 2, JOINT)).state == "locked"
    row = found.keys[:, 2].tolist().index(JOINT)
    np.testing.assert_array_equal(point_of(project, JOINT), found.points_mm[row])


def test_locking_keeps_the_points_that_were_accepted(project):
    source, first = DetectionSource(project), person(project)
    first.points_mm[:] += 7.0
    project.apply(accept(source, first))
    before = point_of(project, JOINT).copy()
    project.apply(accept(source, person(project), "locked"))
    np.testing.assert_array_equal(point_of(project, JOINT), before)
    assert project.review(PointKey(0, 2, JOINT)).state == "locked"


@pytest.mark.parametrize(
    ("text", "hand"), [("hand=yes,no", None), ("hand=no", False), ("hand!=no", True)]
)
def test_several_values_of_a_term_are_alternatives_for_hand_too(project, text, hand):
    assert parse_query(text, project).hand == hand
