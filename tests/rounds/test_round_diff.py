"""What differs between two rounds, counted so that it adds up."""

from dataclasses import replace

import numpy as np
import pytest

from core.curation.choices import source_choices
from core.curation.round_choices import default_before
from core.curation.round_diff import CHANGES, ChangeFilter, Verdict, diff_points
from core.curation.round_diff_file import load_diff, save_diff
from core.curation.round_frame import changed_joints
from core.curation.round_groups import GROUPINGS, change_groups
from core.curation.sources import DetectionSource, RunSource
from core.diagnosis import diagnose_frame
from core.errors import DataError
from core.project import JointKey, Project, SetJoints
from core.settings import TriangulationSettings
from tests.app.views_world import make_project, make_world
from tests.rounds.changed_rounds import make_run, write_round

SETTINGS = TriangulationSettings(scale_mm=12.0)
NO_PICTURES = tuple(f"ace_{i}" for i in range(8))
WORLD = make_world(num_persons=4, num_frames=8)
MOVED, GONE = (3, 1, 5), (4, 2, 7)  # frame, person, joint


def _spoiled(px, frame, persons):
    """One joint 6 cm higher in all views, and another scattered over the pictures."""
    if frame == MOVED[0]:
        here = WORLD.truth_mm[MOVED][None]
        shift = WORLD.rig.project(here + np.array([0, 0, 60.0])) - WORLD.rig.project(here)
        px[persons.index(MOVED[1]), :, MOVED[2]] += shift[:, 0]
    if frame == GONE[0]:
        far = np.random.default_rng(1).uniform(-300, 300, (px.shape[1], 2))
        px[persons.index(GONE[1]), :, GONE[2]] += far


@pytest.fixture
def project(tmp_path):
    path = tmp_path / "court.trilabel"
    make_project(path, WORLD, without=NO_PICTURES).close()
    with Project.open(path) as project:
        yield project


@pytest.fixture
def sides(project):
    run = make_run(project)
    write_round(project, run, 1, range(6), _spoiled)
    write_round(project, run, 2, range(1, 8))
    before, after = RunSource(project, run, 1), RunSource(project, run, 2)
    yield before, after
    before.close()
    after.close()


def test_that_only_frames_of_both_sides_are_compared_and_the_others_counted(project, sides):
    diff = diff_points(project, *sides, SETTINGS)
    assert diff.frames.tolist() == [1, 2, 3, 4, 5]
    assert (diff.num_only_before, diff.num_only_after) == (1, 2)


def test_that_a_joint_that_moved_and_one_that_is_kept_again_are_found_and_nothing_else(
    project, sides
):
    diff = diff_points(project, *sides, SETTINGS)
    rows = diff.rows(ChangeFilter(min_mm=10.0))
    found = {tuple(key): kind for key, kind in zip(*_keys_and_kinds(diff), strict=True)}
    assert found == {MOVED: Verdict.MOVED, GONE: Verdict.NEWLY_KEPT}
    moved = rows.where((rows.keys == MOVED).all(axis=1))
    assert moved.moved_mm[0] == pytest.approx(60.0, abs=5.0)
    back = diff_points(project, sides[1], sides[0], SETTINGS)
    kinds = {tuple(k): v for k, v in zip(*_keys_and_kinds(back), strict=True)}
    assert kinds[GONE] == Verdict.NEWLY_DISCARDED


def _keys_and_kinds(diff):
    rows = diff.rows(ChangeFilter(min_mm=10.0))
    return rows.keys.tolist(), [Verdict(kind) for kind in rows.kind]


def test_that_every_table_adds_up_to_the_tally_at_any_limit(project, sides):
    diff = diff_points(project, *sides, SETTINGS)
    for min_mm in (0.0, 1.0, 30.0, 500.0):
        tally = diff.tally(min_mm)
        assert tally.num_joints == int(diff.seen.sum())
        assert tally.num_changed == len(diff.rows(ChangeFilter(min_mm=min_mm)))
        assert tally.num_changed == int(diff.ticks(ChangeFilter(min_mm=min_mm)).sum())
        for by in GROUPINGS:
            groups = [group.tally for group in change_groups(diff, by, min_mm)]
            for name in ("same", "moved", "newly_kept", "newly_discarded", "never_kept"):
                assert sum(getattr(t, name) for t in groups) == getattr(tally, name), (by, name)


def test_that_filters_pick_their_rows_and_rows_come_furthest_first(project, sides):
    diff = diff_points(project, *sides, SETTINGS)
    everything = diff.rows(ChangeFilter(min_mm=0.0))
    moved = everything.moved_mm[np.isfinite(everything.moved_mm)]
    assert (np.diff(moved) <= 0).all()
    for wanted, column, value in (
        (ChangeFilter(min_mm=10.0, persons=(1,)), 1, 1),
        (ChangeFilter(min_mm=10.0, joints=(7,)), 2, 7),
        (ChangeFilter(min_mm=10.0, frames=range(3, 4)), 0, 3),
    ):
        rows = diff.rows(wanted)
        assert len(rows) == 1
        assert rows.keys[0, column] == value
    by_kind = [len(diff.rows(ChangeFilter(min_mm=10.0, kinds=(kind,)))) for kind in CHANGES]
    assert by_kind == [1, 1, 0]


def test_that_a_side_against_itself_changes_nothing(project, sides):
    tally = diff_points(project, sides[0], sides[0], SETTINGS).tally(0.0)
    assert tally.num_changed == 0
    assert tally.same > 0


def test_that_what_was_placed_by_hand_has_not_moved(project, sides):
    frame, person, joint = MOVED
    keys = tuple(JointKey(frame, camera, person, joint) for camera in range(8))
    seen = project.observations(frame).points_px[1, :, joint]
    there = [k for k in range(8) if np.isfinite(seen[k]).all()]
    project.apply(
        SetJoints(keys=tuple(keys[k] for k in there), points_px=tuple(map(tuple, seen[there])))
    )
    diff = diff_points(project, *sides, SETTINGS)
    assert MOVED not in {tuple(key) for key in diff.rows(ChangeFilter(min_mm=1.0)).keys.tolist()}


def test_that_following_an_edit_is_as_comparing_anew(project, sides):
    old = diff_points(project, *sides, SETTINGS)
    key = JointKey(2, 0, 3, 4)
    project.apply(SetJoints(keys=(key,), points_px=((200.0, 200.0),)))
    followed = old.with_frames(project, *sides, {2, 7, 99})
    anew = diff_points(project, *sides, SETTINGS)
    for name in ("kept_before", "kept_after", "moved_mm", "moved_px", "frame_cameras"):
        found, expected = getattr(followed, name), getattr(anew, name)
        np.testing.assert_allclose(found, expected, atol=1e-3, err_msg=name)
    assert followed.frame_cameras[1].tobytes() != old.frame_cameras[1].tobytes()  # frame 2


def test_that_following_what_a_run_predicts_is_as_comparing_anew(project):
    run = make_run(project)
    write_round(project, run, 1, range(6), _spoiled)
    write_round(project, run, 2, (1, 3))
    before, after = RunSource(project, run, 1), RunSource(project, run)
    try:
        old = diff_points(project, before, after, SETTINGS)
        write_round(project, run, 3, (0, 4, 7))
        taken = after.take(after.look())
        assert set(taken.tolist()) >= {0, 4, 7}
        followed = old.with_frames(project, before, after, taken.tolist())
        anew = diff_points(project, before, after, SETTINGS)
    finally:
        before.close()
        after.close()
    assert followed.num_only_after == anew.num_only_after == 1
    names = ("frames", "seen", "kept_before", "kept_after", "moved_mm", "moved_px")
    for name in (*names, "weight_change", "frame_cameras"):
        found, expected = getattr(followed, name), getattr(anew, name)
        np.testing.assert_allclose(found, expected, atol=1e-3, err_msg=name)


def test_that_one_frame_alone_is_judged_as_the_whole_is(project, sides):
    diff = diff_points(project, *sides, SETTINGS)
    for frame in (MOVED[0], GONE[0]):
        both = [diagnose_frame(side.observations(frame), project.rig, SETTINGS) for side in sides]
        changed = changed_joints(*both, 10.0)
        rows = diff.rows(ChangeFilter(min_mm=10.0, frames=range(frame, frame + 1)))
        expected = {(both[0].persons.index(person), joint) for _, person, joint in rows.keys}
        assert {tuple(place) for place in np.argwhere(changed).tolist()} == expected


def test_that_it_stops_where_progress_says_so(project, sides):
    assert diff_points(project, *sides, SETTINGS, lambda _done, _total: False) is None


def test_that_a_diff_comes_back_from_its_file_and_a_damaged_one_is_refused(
    project, sides, tmp_path
):
    diff, path = diff_points(project, *sides, SETTINGS), tmp_path / "diff.h5"
    save_diff(diff, path)
    found = load_diff(path)
    assert (found.settings, found.persons, found.num_only_after) == (SETTINGS, (0, 1, 2, 3), 2)
    np.testing.assert_array_equal(found.moved_mm, diff.moved_mm)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DataError, match="comparison of two rounds"):
        load_diff(path)


def test_that_a_run_is_held_against_the_run_before_and_a_round_against_its_runs_first(project):
    first, second = make_run(project, "one"), make_run(project, "two")
    write_round(project, first, 1, range(3))
    write_round(project, first, 2, range(3))
    write_round(project, second, 1, range(3))
    write_round(project, second, 2, range(3))
    choices = source_choices(project)

    def before(run, number=None, choices=choices):
        found = default_before(choices, run, number)
        return None if found is None else (found.run, found.round)

    assert before(second.id) == (first.id, None)
    assert before(second.id, 2) == (second.id, 1)
    assert before(second.id, 1) == (first.id, None)
    assert before(first.id) == (None, None)
    assert before(first.id, 1) == (None, None)
    assert before(None) is None
    nothing = (replace(choices[0], is_empty=True), *choices[1:])
    assert before(first.id, choices=nothing) == (first.id, 1), "labels alone tell no side before"


def test_that_detections_can_be_the_side_before(project, sides):
    diff = diff_points(project, DetectionSource(project), sides[0], SETTINGS)
    assert {tuple(key) for key in diff.rows(ChangeFilter(min_mm=10.0)).keys.tolist()} == {
        MOVED,
        GONE,
    }
