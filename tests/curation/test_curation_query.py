"""Queries over pseudo-labels: what they find, and how they say no."""

import numpy as np
import pytest

from core.curation.accepting import accept, reject, select, unlock
from core.curation.query import parse_query
from core.curation.sources import DetectionSource
from core.diagnosis import diagnose_frame
from core.errors import CommandRefusedError, DataError
from core.observations import Source
from core.project import (
    JointKey,
    Project,
    Provenance,
    ReviewState,
    SetJoints,
    SetOverrides,
)
from core.settings import TriangulationSettings
from tests.app.views_world import OUTLIER, make_project, make_world
from tests.curation.selecting import select_at

SETTINGS = TriangulationSettings(scale_mm=12.0)
NO_PICTURES = tuple(f"ace_{i}" for i in range(8))


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = tmp_path_factory.mktemp("query") / "court.trilabel"
    make_project(path, make_world(num_persons=4, num_frames=30), without=NO_PICTURES).close()
    return path


@pytest.fixture
def project(stored):
    with Project.open(stored) as project:
        yield project
        while project.undo_description:
            project.undo()


def found(project, text):
    selection = select(project, DetectionSource(project), SETTINGS, parse_query(text, project))
    assert selection is not None
    return selection


def keys(project, text):
    return {tuple(key) for key in found(project, text).keys.tolist()}


def test_that_a_query_finds_what_a_frame_by_frame_search_finds(project):
    wanted = set()
    for frame in range(9, 26):
        seen = project.observations(frame)
        diagnosis = diagnose_frame(seen, project.rig, SETTINGS)
        with np.errstate(invalid="ignore"):
            worst = np.fmax.reduce(diagnosis.loo_residual_px, axis=1, initial=-1.0)
        good = diagnosis.triangulation.kept & (worst >= 0) & (worst < 4)
        for row, joint in np.argwhere(good).tolist():
            if seen.persons[row] in (1, 2):
                wanted.add((frame, seen.persons[row], joint))
    assert len(wanted) > 50
    assert keys(project, "kept residual<4 person=1..2 frame=10..26") == wanted


def test_that_terms_narrow_and_values_of_a_term_are_alternatives(project):
    both = keys(project, "joint=left_wrist,*_ankle frame=3")
    assert {joint for _, _, joint in both} == {
        project.skeleton.joints.index(name) for name in ("left_wrist", "left_ankle", "right_ankle")
    }
    assert keys(project, "joint=left_wrist frame=3") < both
    assert keys(project, "joint!=left_wrist") | keys(project, "joint=left_wrist") == keys(
        project, ""
    )
    assert keys(project, "views>=6").isdisjoint(keys(project, "views<6"))


def test_that_a_camera_makes_residuals_those_of_its_view(project):
    row, camera, joint = OUTLIER
    name = project.rig.names[camera]
    far = keys(project, f"camera={name} residual>30")
    assert (0, row, joint) in far
    assert {key[1:] for key in far} == {(row, joint)}
    assert keys(project, f"camera={name} weight<0.05") >= far


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("keptt", "Did you mean kept?"),
        ("left_wrist", "Did you mean joint=left_wrist?"),
        ("joint=left_wirst", "Did you mean joint=left_wrist?"),
        ("camera=ace2", "Did you mean camera=ace_2?"),
        ("person=77", "The nearest is #3."),
        ("frame=31", "frames 1 to 30"),
        ("frame=9..5", "the smaller first"),
        ("residual=3", "Such as residual<8."),
        ("wss<far", "a number"),
        ("state=done", "one of unreviewed"),
        ("kept discarded", "once"),
        ("person=", "one of"),
    ],
)
def test_that_a_wrong_query_is_refused_with_what_would_be_right(project, text, hint):
    with pytest.raises(DataError) as refused:
        parse_query(text, project)
    assert hint in str(refused.value)


def test_that_acceptance_copies_points_with_their_provenance_and_undo_takes_it_back(project):
    selection = found(project, "kept residual<3 person=2 frame=5")
    assert len(selection) > 3
    change = project.apply(accept(DetectionSource(project), selection, remark="kept residual<3"))
    assert change.reviews == set(selection.point_keys)
    assert change.description == f"Accept {len(selection)} joints of #2 (kept residual<3)"
    rows = project.accepted_between(4, 5)
    np.testing.assert_array_equal(rows.keys, selection.keys)
    np.testing.assert_array_equal(rows.points_mm, selection.points_mm)
    told = Provenance.from_json(rows.provenance[0])
    assert (told.source, told.round, told.rule, told.scale_mm) == (
        "detections",
        None,
        "support",
        12.0,
    )
    assert told.wss_mm == selection.wss_mm[0]
    assert told.worst_loo_px == selection.worst_loo_px[0]
    assert keys(project, "state=accepted") == {tuple(key) for key in selection.keys.tolist()}
    project.undo()
    assert not keys(project, "state=accepted")
    assert not len(project.accepted_between(0, 30).keys)


def test_that_locked_joints_stay_when_everything_is_judged(project):
    source = DetectionSource(project)
    project.apply(accept(source, found(project, "kept person=1 frame=2"), "locked"))
    locked = keys(project, "state=locked")
    assert locked
    project.apply(reject(found(project, "frame=2")))
    assert keys(project, "state=locked") == locked
    assert keys(project, "state=rejected frame=2") == keys(project, "frame=2") - locked
    with pytest.raises(CommandRefusedError, match="locked"):
        reject(found(project, "state=locked"))
    project.apply(unlock(found(project, "")))
    assert keys(project, "state=accepted") == locked


def test_that_locking_keeps_the_point_that_was_accepted(project):
    source = DetectionSource(project)
    project.apply(accept(source, found(project, "kept person=3 joint=nose frame=7")))
    before = project.accepted_between(6, 7)
    key = JointKey(6, 0, 3, 0)
    project.apply(SetJoints(keys=(key,), points_px=((100.0, 100.0),)))
    project.apply(accept(source, found(project, "state=accepted"), "locked"))
    after = project.accepted_between(6, 7)
    np.testing.assert_array_equal(after.points_mm, before.points_mm)
    assert after.provenance == before.provenance


def test_that_a_joint_with_two_hand_views_is_accepted_without_a_machine_point(project):
    seen = project.observations(3)
    for camera in (0, 4):
        place = tuple(seen.points_px[1, camera, 7].tolist())
        if not np.isfinite(place).all():
            place = (50.0 + camera, 60.0)
        project.apply(SetJoints(keys=(JointKey(3, camera, 1, 7),), points_px=(place,)))
    selection = select_at(project, DetectionSource(project), SETTINGS, 3, person=1, joint=7)
    assert selection.num_hand.tolist() == [2]
    project.apply(accept(DetectionSource(project), selection))
    assert project.reviews(3).of([1])[0, 7] == ReviewState.ACCEPTED
    assert not len(project.accepted_between(3, 4).keys)
    assert (3, 1, 7) in keys(project, "hand=yes")
    assert (3, 1, 7) not in keys(project, "hand=no")


def test_that_a_muted_view_has_no_say_in_what_is_found(project):
    row, camera, joint = OUTLIER
    key = JointKey(0, camera, row, joint)
    before = select_at(project, DetectionSource(project), SETTINGS, 0, person=row, joint=joint)
    project.apply(SetOverrides(keys=(key,), muted=True))
    after = select_at(project, DetectionSource(project), SETTINGS, 0, person=row, joint=joint)
    assert before.worst_loo_px[0] > 30
    assert after.worst_loo_px[0] < 15
    assert after.weights[0, camera] == 0


def test_that_a_search_can_be_stopped(project):
    query = parse_query("", project)
    assert select(project, DetectionSource(project), SETTINGS, query, lambda *_: False) is None


def test_that_a_source_of_detections_is_the_project_itself(project):
    source = DetectionSource(project)
    np.testing.assert_array_equal(
        source.observations(2).points_px, project.observations(2).points_px
    )
    assert (project.observations(2).source == Source.NETWORK).any()
    assert source.origin(2) == (None, "")
    assert not len(source.changed_rows())
