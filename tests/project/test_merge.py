"""Merging a second annotator's copy: what is taken over, what is a conflict, what is kept."""

import contextlib
import json
import shutil
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.cli import main
from core.errors import CommandRefusedError, DataError
from core.project import (
    AcceptedPoint,
    AcceptPoints,
    DeleteJoints,
    JointKey,
    Merge,
    PointKey,
    Project,
    Provenance,
    RemoveSwap,
    SetJoints,
    SetOverrides,
    SetReviews,
    SetTrackPoints,
    SwapIdentities,
    plan_merge,
)
from core.project.merge import all_theirs
from core.project.merge_report import merge_and_report, side_text
from tests.project.conftest import SKELETON, looking_along_y

KEY = JointKey(3, 0, 4, 2)
POINT = PointKey(3, 4, 2)


def place(key=KEY, point=(1.0, 2.0)):
    return SetJoints(keys=(key,), points_px=(point,))


def accepted(key=POINT, point=(1.0, 2.0, 3.0), state="accepted"):
    made = AcceptedPoint(key, point, Provenance(source="run-7"))
    return AcceptPoints(points=(made,), state=state)


@pytest.fixture
def copies(project, tmp_path):
    """Two copies with some history in common: ours, and theirs, whose annotator is ann."""
    project.apply(place(point=(10.0, 20.0)))
    project.apply(SetTrackPoints(points=(((3, 4), (5.0, 6.0)),)))
    project.apply(SwapIdentities(camera=0, start=0, stop=5, person=4, other=9))
    other = tmp_path / "copy.trilabel"
    shutil.copytree(project.path, other)
    with Project.open(other) as theirs:
        theirs.annotator = "ann"
        project.annotator = "bob"
        yield project, theirs


def merged(ours, theirs, choose=lambda plan: frozenset()):
    plan = plan_merge(ours, theirs.path)
    ours.apply(Merge(plan=plan, theirs=choose(plan)))
    return plan


def test_what_only_they_did_is_taken_over_with_who_made_it_and_what_we_did_stays(copies):
    ours, theirs = copies
    theirs.apply(place(JointKey(4, 1, 9, 0), (7.0, 8.0)))
    theirs.apply(accepted(PointKey(4, 9, 0)))
    theirs.apply(SetOverrides(keys=(JointKey(4, 2, 9, 0),), muted=True))
    theirs.apply(SetTrackPoints(points=(((4, 9), None),)))
    ours.apply(place(JointKey(5, 1, 9, 0), (3.0, 3.0)))
    plan = merged(ours, theirs)
    assert plan.conflicts == ()
    assert plan.counts == {"labels": 1, "decisions": 1, "overrides": 1, "track_points": 1}
    assert ours.label(JointKey(4, 1, 9, 0)) == theirs.label(JointKey(4, 1, 9, 0))
    assert ours.label(JointKey(4, 1, 9, 0)).annotator == "ann"
    assert ours.label(JointKey(5, 1, 9, 0)).annotator == "bob"
    assert ours.accepted_between(0, 9).stamps == theirs.accepted_between(0, 9).stamps
    assert ours.history(1)[0].description == "Merge the labels of ann (copy.trilabel)"
    assert ours.history(1)[0].annotator == "bob"


def test_a_merge_is_one_step_to_undo_and_to_redo(copies):
    ours, theirs = copies
    theirs.apply(place(JointKey(4, 1, 9, 0)))
    theirs.apply(DeleteJoints(keys=(KEY,)))
    before = ours.labels.state()
    merged(ours, theirs)
    after = ours.labels.state()
    assert ours.label(KEY) is None
    ours.undo()
    assert ours.labels.state() == before
    ours.redo()
    assert ours.labels.state() == after == ours.labels.replay()


def test_what_they_deleted_goes_and_what_we_deleted_does_not_come_back(copies):
    ours, theirs = copies
    ours.apply(DeleteJoints(keys=(KEY,)))
    theirs.apply(SetTrackPoints(points=(((3, 4), None),)))
    plan = merged(ours, theirs)
    assert ours.label(KEY) is None
    assert plan.counts == {"track_points": 1}


def test_what_both_changed_differently_is_a_conflict_and_the_choice_decides(copies):
    ours, theirs = copies
    ours.apply(place(point=(11.0, 20.0)))
    theirs.apply(place(point=(12.0, 20.0)))
    theirs.apply(place(JointKey(4, 0, 4, 2), (1.0, 1.0)))
    plan = plan_merge(ours, theirs.path)
    (conflict,) = plan.conflicts
    assert (conflict.frame, conflict.camera, conflict.person, conflict.joint) == KEY
    assert side_text(conflict, conflict.mine).startswith("11.0, 20.0 visible, by bob 2")
    assert side_text(conflict, conflict.theirs).startswith("12.0, 20.0 visible, by ann 2")
    ours.apply(Merge(plan=plan))
    assert ours.label(KEY).x_px == 11
    assert ours.label(JointKey(4, 0, 4, 2)) is not None
    ours.undo()
    ours.apply(Merge(plan=plan_merge(ours, theirs.path), theirs=frozenset({0})))
    assert (ours.label(KEY).x_px, ours.label(KEY).annotator) == (12, "ann")


def test_a_deletion_against_a_move_is_a_conflict_both_ways(copies):
    ours, theirs = copies
    ours.apply(DeleteJoints(keys=(KEY,)))
    theirs.apply(place(point=(12.0, 20.0)))
    (conflict,) = plan_merge(ours, theirs.path).conflicts
    assert side_text(conflict, conflict.mine) == "nothing"
    (conflict,) = plan_merge(theirs, ours.path).conflicts
    assert side_text(conflict, conflict.theirs) == "nothing"


def test_the_same_said_twice_is_no_conflict_and_merging_again_does_nothing(copies):
    ours, theirs = copies
    for side in copies:
        side.apply(place(point=(11.0, 20.0)))
        side.apply(SwapIdentities(camera=1, start=0, stop=5, person=4, other=9))
    theirs.apply(place(JointKey(4, 0, 4, 2)))
    merged(ours, theirs)
    assert len(ours.swaps()) == 2
    again = plan_merge(ours, theirs.path)
    assert (again.num_additions, again.conflicts) == (0, ())
    assert not ours.apply(Merge(plan=again))


def test_an_accepted_point_and_its_review_are_one_decision(copies):
    ours, theirs = copies
    ours.apply(accepted())
    theirs.apply(SetReviews(keys=(POINT,), state="rejected"))
    plan = plan_merge(ours, theirs.path)
    assert [conflict.kind for conflict in plan.conflicts] == ["decisions"]
    ours.apply(Merge(plan=plan, theirs=all_theirs(plan)))
    assert ours.review(POINT).state == "rejected"
    assert ours.accepted(3)[0] == ()


def test_what_is_locked_here_stays_whatever_is_chosen(copies):
    ours, theirs = copies
    ours.apply(SetReviews(keys=(POINT,), state="locked"))
    theirs.apply(place(point=(12.0, 20.0)))
    theirs.apply(place(JointKey(4, 0, 4, 2)))
    plan = plan_merge(ours, theirs.path)
    assert [conflict.is_locked for conflict in plan.conflicts] == [True]
    assert all_theirs(plan) == frozenset()
    ours.apply(Merge(plan=plan, theirs=frozenset({0})))
    assert ours.label(KEY).x_px == 10
    assert ours.label(JointKey(4, 0, 4, 2)) is not None


def test_swaps_of_both_are_put_after_each_other_unless_they_meet(copies):
    ours, theirs = copies
    ours.apply(SwapIdentities(camera=1, start=0, stop=5, person=4, other=9))
    theirs.apply(SwapIdentities(camera=2, start=0, stop=5, person=4, other=9))
    theirs.apply(SwapIdentities(camera=1, start=4, stop=8, person=4, other=12))
    theirs.apply(RemoveSwap(number=1))
    plan = plan_merge(ours, theirs.path)
    assert plan.counts == {"swaps": 2}
    (conflict,) = plan.conflicts
    assert (conflict.kind, conflict.camera, conflict.frame) == ("swaps", 1, 4)
    ours.apply(Merge(plan=plan, theirs=all_theirs(plan)))
    assert [(s.camera, s.start, s.stop) for s in ours.swaps()] == [(2, 0, 5), (1, 4, 8)]
    ours.undo()
    ours.apply(Merge(plan=plan_merge(ours, theirs.path)))
    assert [(s.camera, s.start, s.stop) for s in ours.swaps()] == [(1, 0, 5), (2, 0, 5)]


def test_a_plan_that_was_overtaken_by_an_edit_is_refused(copies):
    ours, theirs = copies
    theirs.apply(place(point=(12.0, 20.0)))
    plan = plan_merge(ours, theirs.path)
    ours.apply(place(point=(13.0, 20.0)))
    with pytest.raises(CommandRefusedError, match="edited since"):
        ours.apply(Merge(plan=plan))
    assert ours.label(KEY).x_px == 13


def test_projects_without_a_common_history_meet_by_what_they_hold(project, tmp_path, spec):
    with Project.create(tmp_path / "second.trilabel", spec) as other:
        project.apply(place(point=(1.0, 1.0)))
        other.apply(place(point=(2.0, 2.0)))
        other.apply(place(JointKey(4, 0, 4, 2)))
        plan = plan_merge(project, other.path)
    assert not plan.is_copy
    assert "no common history" in plan.notes[0]
    assert (plan.counts, len(plan.conflicts)) == ({"labels": 1}, 1)


def test_a_copy_made_before_anything_was_labelled_is_a_copy(project, tmp_path):
    other = tmp_path / "copy.trilabel"
    shutil.copytree(project.path, other)
    with Project.open(other) as theirs:
        theirs.apply(place())
        plan = plan_merge(project, other)
    assert plan.is_copy
    assert (plan.notes, plan.counts) == ((), {"labels": 1})


def test_edits_that_two_copies_make_in_one_millisecond_are_told_apart(
    project, tmp_path, monkeypatch
):
    class Clock:
        """Ticks once a microsecond."""

        ticks = 0

        @classmethod
        def now(cls, zone):
            cls.ticks += 1
            return datetime(2026, 11, 23, 12, 0, 0, cls.ticks, tzinfo=zone)

    project.apply(place(point=(10.0, 20.0)))
    other = tmp_path / "copy.trilabel"
    shutil.copytree(project.path, other)
    monkeypatch.setattr("core.project.labels.datetime", Clock)
    with Project.open(other) as theirs:
        theirs.annotator = project.annotator
        theirs.apply(place(key=KEY._replace(joint=1)))
        project.apply(place(key=KEY._replace(joint=0)))
    assert set(plan_merge(project, other).additions["labels"]) == {KEY._replace(joint=1)}


def test_another_recording_is_refused(project, tmp_path, spec):
    from dataclasses import replace

    from core.geometry import Rig

    rig = Rig(tuple(looking_along_y(f"left_{c}", 1000.0 * c) for c in range(3)))
    with (
        Project.create(tmp_path / "second.trilabel", replace(spec, rig=rig)) as other,
        pytest.raises(DataError, match=r"cameras: expected those of arms.*found left_0"),
    ):
        plan_merge(project, other.path)
    with pytest.raises(CommandRefusedError, match="itself"):
        plan_merge(project, project.path)


def test_the_report_holds_both_sides_of_every_conflict(copies):
    ours, theirs = copies
    ours.apply(place(point=(11.0, 20.0)))
    theirs.apply(place(point=(12.0, 20.0)))
    plan = plan_merge(ours, theirs.path)
    path = merge_and_report(ours, Merge(plan=plan, theirs=all_theirs(plan)), ours.apply)
    (told,) = json.loads(path.read_text())["conflicts"]
    assert (told["taken"], told["joint"], told["frame_number"]) == ("theirs", "wrist", 4)
    assert told["mine"]["labels"][:2] == [11, 20]
    assert told["theirs"]["labels"][:2] == [12, 20]


def test_the_command_lists_conflicts_and_merges_only_when_told_whose_side(copies, capsys):
    ours, theirs = copies
    ours.apply(place(point=(11.0, 20.0)))
    theirs.apply(place(point=(12.0, 20.0)))
    mine, other = str(ours.path), str(theirs.path)
    ours.close()
    theirs.close()
    assert main(["merge", mine, other]) == 1
    told = capsys.readouterr().out
    assert "frame 4, #4, wrist, cam_0: label" in told
    assert "11.0, 20.0 visible, by bob" in told
    assert "12.0, 20.0 visible, by ann" in told
    assert main(["merge", mine, other, "--dry-run", "--prefer", "theirs"]) == 0
    with Project.open(ours.path) as again:
        assert again.label(KEY).x_px == 11
    assert main(["merge", mine, other, "--prefer", "theirs"]) == 0
    with Project.open(ours.path) as again:
        assert again.label(KEY).x_px == 12
        again.undo()
        assert again.label(KEY).x_px == 11


_EDITS = st.one_of(
    st.builds(
        lambda f, j, x: place(JointKey(f, 0, 4, j), (float(x), 0.0)),
        *(st.integers(0, 1), st.integers(0, 1), st.integers(0, 2)),
    ),
    st.builds(
        lambda f, j: DeleteJoints(keys=(JointKey(f, 0, 4, j),)),
        *(st.integers(0, 1), st.integers(0, 1)),
    ),
    st.builds(
        lambda f, x: accepted(PointKey(f, 4, 0), (float(x), 0.0, 0.0)),
        *(st.integers(0, 1), st.integers(0, 2)),
    ),
    st.builds(
        lambda f, s: SetReviews(keys=(PointKey(f, 4, 0),), state=s),
        *(st.integers(0, 1), st.sampled_from(["rejected", "locked", "accepted", None])),
    ),
    st.just("undo"),
)


def _do(project, edit):
    with contextlib.suppress(CommandRefusedError):
        project.undo() if edit == "undo" else project.apply(edit)


@settings(max_examples=25, deadline=None)
@given(*(st.lists(_EDITS, max_size=5) for _ in range(3)), st.booleans())
def test_a_merge_has_all_of_both_sides_but_what_was_decided(
    tmp_path_factory, common, mine, theirs, prefer_theirs
):
    from core.geometry import Rig
    from core.project import ProjectSpec

    folder = tmp_path_factory.mktemp("merge")
    rig = Rig(tuple(looking_along_y(f"cam_{c}", 1000.0 * c) for c in range(3)))
    spec = ProjectSpec(name="arms", rig=rig, skeleton=SKELETON, num_frames=10)
    with Project.create(folder / "a.trilabel", spec) as ours:
        for edit in common:
            _do(ours, edit)
        shutil.copytree(ours.path, folder / "b.trilabel")
        base = ours.labels.state()
        with Project.open(folder / "b.trilabel") as other:
            for edit in theirs:
                _do(other, edit)
            for edit in mine:
                _do(ours, edit)
            before, there = ours.labels.state(), other.labels.state()
            plan = plan_merge(ours, other.path)
        chosen = all_theirs(plan) if prefer_theirs else frozenset()
        taken = {(c.kind, c.key): i in chosen for i, c in enumerate(plan.conflicts)}
        ours.apply(Merge(plan=plan, theirs=chosen))
        after = ours.labels.state()
        for table, kind in (("labels", "labels"), ("accepted", "decisions")):
            for key in {*base[table], *before[table], *there[table]}:
                was, here, theirs_row = (
                    (state[table].get(key) or (None,) * 2)[:-2] for state in (base, before, there)
                )
                got = (after[table].get(key) or (None,) * 2)[:-2]
                if (kind, key) in taken:
                    assert got == (theirs_row if taken[kind, key] else here)
                else:
                    assert got == (here if theirs_row == was else theirs_row)
        assert ours.labels.replay() == after
        if ours.labels.state() != before:
            ours.undo()
        assert ours.labels.state() == before
