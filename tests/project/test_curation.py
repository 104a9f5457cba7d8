"""Decisions about machine data: what is refused, what a step is called, what follows from it."""

import json
import sqlite3
import time

import numpy as np
import pytest

from core.errors import CommandRefusedError
from core.observations import Source
from core.people import GroundTracks
from core.project import (
    REPROJECTED,
    AcceptedPoint,
    AcceptPoints,
    DeletePerson,
    JointKey,
    PointKey,
    Project,
    Provenance,
    RemoveSwap,
    ReviewState,
    SetJoints,
    SetOverrides,
    SetPoints,
    SetReviews,
    SetTrackPoints,
    SetVisibility,
    Several,
    SwapIdentities,
    SwapPersonLabels,
)
from core.project.track_overlay import TrackOverlay

KEY = PointKey(3, 4, 2)
ORIGIN = Provenance(
    source="run-7",
    round=1,
    weights_hash="ab12",
    wss_mm=4.5,
    scale_mm=10.0,
    weighting="consensus",
    rule="support",
    weights=(0.5, float("nan"), 0.0),
)


def accepted(*keys, point=(1.0, 2.0, 3.0), state="accepted"):
    points = tuple(AcceptedPoint(key, point, ORIGIN) for key in keys)
    return AcceptPoints(points=points, state=state)


def journal(project):
    """What the steps hold, oldest first."""
    with sqlite3.connect(project.path / "labels.db") as connection:
        rows = connection.execute("SELECT changes FROM steps ORDER BY id").fetchall()
    connection.close()
    return [row[0] for row in rows]


def test_an_accepted_point_keeps_its_provenance_and_tells_who_accepted_it(project):
    project.annotator = "ann"
    project.apply(accepted(KEY))
    rows = project.accepted_between(0, 10)
    assert rows.keys.tolist() == [list(KEY)]
    assert rows.points_mm.tolist() == [[1.0, 2.0, 3.0]]
    found = Provenance.from_json(rows.provenance[0])
    assert found.weights[0] == 0.5
    assert np.isnan(found.weights[1])
    assert np.isnan(found.worst_loo_px)
    assert (found.source, found.round, found.wss_mm) == ("run-7", 1, 4.5)
    review = project.review(KEY)
    assert (review.state, review.source, review.annotator) == ("accepted", "run-7", "ann")
    assert rows.stamps == ((review.time, "ann"),)
    assert project.review(KEY._replace(joint=0)) is None


def test_a_locked_joint_refuses_edits_and_says_who_locked_it_and_the_way_out(project):
    project.annotator = "ann"
    project.apply(accepted(KEY, state="locked"))
    project.annotator = "bob"
    before = project.labels.state()
    view = JointKey(3, 0, 4, 2)
    for edit in (
        SetJoints(keys=(view._replace(joint=0), view), points_px=((1.0, 2.0),) * 2),
        SetVisibility(keys=(view,), visibility="occluded"),
        SetPoints(keys=(KEY,), points_mm=((1.0, 2.0, 3.0),)),
        accepted(KEY, point=(9.0, 9.0, 9.0)),
        SetReviews(keys=(KEY,), state="rejected"),
        SetReviews(keys=(KEY,), state=None),
        DeletePerson(frame=3, person=4),
        SwapPersonLabels(start=0, stop=9, person=4, other=9),
        Several(edits=(SetReviews(keys=(KEY,), state="rejected"),), name="all"),
    ):
        with pytest.raises(CommandRefusedError, match=r"wrist of #4 is locked \(by ann, .*unlock"):
            project.apply(edit)
    assert project.labels.state() == before
    project.apply(SetJoints(keys=(view._replace(joint=0),), points_px=((1.0, 2.0),)))
    change = project.apply(SetReviews(keys=(KEY,), state="accepted"))
    assert change.description == "Unlock wrist of #4"
    project.apply(accepted(KEY, point=(9.0, 9.0, 9.0)))


def test_a_refusal_counts_the_other_locked_joints(project):
    project.apply(accepted(*(PointKey(3, 4, joint) for joint in range(3)), state="locked"))
    with pytest.raises(
        CommandRefusedError, match=r"shoulder of #4 .* and 2 more joints are: unlock"
    ):
        project.apply(DeletePerson(frame=3, person=4))


def test_undo_and_redo_pass_through_a_lock(project):
    project.apply(accepted(KEY))
    project.apply(SetReviews(keys=(KEY,), state="locked"))
    project.undo()
    assert project.undo().reviews == {KEY}
    assert not project.labels.count("accepted")
    project.redo()
    project.redo()
    assert project.review(KEY).state == "locked"


def test_accepting_the_same_point_again_leaves_it_locked(project):
    project.apply(accepted(KEY, state="locked"))
    assert not project.apply(accepted(KEY))
    assert project.review(KEY).state == "locked"


def test_there_must_be_something_to_accept_or_lock(project):
    for state in ("accepted", "locked"):
        with pytest.raises(CommandRefusedError, match="wrist of #4 has neither"):
            project.apply(SetReviews(keys=(KEY,), state=state))
    project.apply(SetJoints(keys=(JointKey(3, 1, 4, 2),), points_px=((1.0, 2.0),)))
    assert project.apply(SetReviews(keys=(KEY,), state="locked"))


def test_rejecting_drops_the_accepted_point_and_deleting_the_person_keeps_the_rejection(project):
    project.apply(accepted(KEY))
    project.apply(SetReviews(keys=(KEY,), state="rejected"))
    assert project.accepted(3)[0] == ()
    assert project.review(KEY).source == "run-7"
    project.apply(DeletePerson(frame=3, person=4))
    reviews = project.reviews(3)
    assert reviews.of([9, 4]).tolist() == [[0, 0, 0], [0, 0, ReviewState.REJECTED]]
    rows = project.reviews_between(0, 9)
    assert (rows.keys.tolist(), rows.state.tolist()) == ([list(KEY)], [ReviewState.REJECTED])


def test_steps_have_names_for_the_undo_menu(project):
    view = JointKey(3, 1, 4, 2)
    named = [
        (accepted(KEY, KEY._replace(joint=1)), "Accept 2 joints of #4"),
        (SetReviews(keys=(KEY,), state="locked"), "Lock wrist of #4"),
        (SetReviews(keys=(KEY,), state="accepted"), "Unlock wrist of #4"),
        (SetReviews(keys=(KEY,), state="rejected"), "Reject wrist of #4"),
        (SetReviews(keys=(KEY,), state=None), "Take back the review of wrist of #4"),
        (SetOverrides(keys=(view,), muted=True), "Mute wrist of #4 in cam_1"),
        (SetOverrides(keys=(view,), muted=False), "Unmute wrist of #4 in cam_1"),
        (SwapIdentities(camera=2, start=0, stop=5, person=4, other=9), "Swap #4 and #9 in cam_2"),
        (RemoveSwap(number=1), "Take back the swap of #4 and #9"),
        (SetTrackPoints(points=(((0, 4), (1.0, 2.0)),)), "Move #4 on the ground"),
        (
            SetTrackPoints(points=(((0, 4), None), ((1, 4), None))),
            "Take #4 off the ground at 2 frames",
        ),
    ]
    for edit, name in named:
        assert project.apply(edit).description == name
    assert [step.description for step in project.history()] == [name for _, name in named[::-1]]


def test_a_refusal_within_several_edits_leaves_nothing_of_them(project):
    edits = (
        SetOverrides(keys=(JointKey(3, 1, 4, 2),), muted=True),
        SetReviews(keys=(KEY,), state="locked"),
    )
    with pytest.raises(CommandRefusedError, match="neither"):
        project.apply(Several(edits=edits, name="both"))
    assert not any(project.labels.state().values())
    assert project.undo_description is None


def test_reviews_leave_the_data_as_it_is_and_everything_else_does_not(project, tracks):
    project.write_tracks(tracks)
    key = project.data_key
    project.apply(accepted(KEY))
    project.apply(SetReviews(keys=(KEY,), state="locked"))
    project.undo()
    assert project.data_key == key
    seen = {key}
    for edit in (
        SetOverrides(keys=(JointKey(3, 1, 4, 2),), muted=True),
        SwapIdentities(camera=0, start=3, stop=4, person=4, other=9),
        SetTrackPoints(points=(((12, 4), (1.0, 2.0)),)),
        SetJoints(keys=(JointKey(3, 1, 4, 2),), points_px=((1.0, 2.0),)),
    ):
        project.apply(edit)
        assert project.data_key not in seen
        seen.add(project.data_key)
    project.undo()
    assert project.data_key not in seen
    path, key = project.path, project.data_key
    project.close()
    with Project.open(path) as again:
        assert again.data_key == key


def test_swapped_detections_belong_to_each_other_for_the_frames_and_the_camera_alone(
    project, make_rows
):
    rows = [(f, c, p) for f in (3, 4) for c in (0, 1) for p in (4, 9)]
    project.add_import([make_rows(rows)], "some")
    before = {f: project.observations(f).points_px.copy() for f in (3, 4)}
    change = project.apply(SwapIdentities(camera=1, start=3, stop=4, person=4, other=9))
    assert change.touches(3)
    assert not change.touches(4)
    after = project.observations(3).points_px
    np.testing.assert_array_equal(after[:, 1], before[3][::-1, 1])
    np.testing.assert_array_equal(after[:, 0], before[3][:, 0])
    np.testing.assert_array_equal(project.observations(4).points_px, before[4])
    block = project.observations_block(3, 5)
    np.testing.assert_array_equal(block.points_px[0], after)
    assert project.swaps()[0].annotator == project.annotator
    project.undo()
    np.testing.assert_array_equal(project.observations(3).points_px, before[3])


def test_what_is_muted_follows_its_detection_when_two_are_swapped(project, make_rows):
    project.add_import([make_rows([(3, 1, 4), (3, 1, 9)])], "some")
    project.apply(SetOverrides(keys=(JointKey(3, 1, 4, 2),), muted=True))
    bad = project.observations(3).points_px[0, 1, 2]
    project.apply(SwapIdentities(camera=1, start=3, stop=4, person=4, other=9))
    found, muted = project.observations(3), project.muted(3, (4, 9))
    assert np.argwhere(muted).tolist() == [[1, 1, 2]]
    np.testing.assert_array_equal(found.points_px[1, 1, 2], bad)
    project.undo()
    assert np.argwhere(project.muted(3, (4, 9))).tolist() == [[0, 1, 2]]
    project.apply(SetJoints(keys=(JointKey(3, 1, 9, 2),), points_px=((5.0, 6.0),)))
    project.apply(SwapIdentities(camera=1, start=3, stop=4, person=4, other=9))
    assert not project.muted(3, (4, 9)).any(), "a label is never muted by that"


def test_a_detection_swapped_with_nobody_goes_to_the_other_and_bystanders_stay(project, make_rows):
    project.add_import([make_rows([(3, 0, -1), (3, 0, 4), (3, 1, 4)])], "some")
    project.apply(SwapIdentities(camera=0, start=3, stop=4, person=4, other=9))
    found = project.observations(3)
    assert found.persons == (4, 9)
    seen = np.isfinite(found.points_px[..., 0, 0])
    assert seen.tolist() == [[False, True, False], [True, False, False]]
    assert len(found.unmatched) == 1


def test_a_label_that_goes_to_another_person_still_tells_who_made_it(project):
    project.annotator = "ann"
    project.apply(SetJoints(keys=(JointKey(3, 1, 4, 2),), points_px=((5.0, 6.0),)))
    made = project.label(JointKey(3, 1, 4, 2))
    project.annotator = "bob"
    swap = SwapIdentities(camera=1, start=3, stop=4, person=4, other=9, move_labels=True)
    project.apply(swap)
    assert project.label(JointKey(3, 1, 9, 2)) == made
    assert project.label(JointKey(3, 1, 4, 2)) is None


def test_labels_placed_and_swapped_in_one_step_are_whole(project):
    edits = (
        SetJoints(keys=(JointKey(3, 1, 4, 2),), points_px=((5.0, 6.0),)),
        SwapPersonLabels(start=3, stop=4, person=4, other=9),
    )
    project.apply(Several(edits=edits, name="both"))
    label = project.label(JointKey(3, 1, 9, 2))
    assert (label.x_px, label.y_px, label.visibility, label.origin) == (5, 6, "visible", "hand")
    assert label.annotator == project.annotator
    assert project.labels.count() == 1


def test_a_swap_needs_a_camera_two_persons_and_a_frame(project):
    with pytest.raises(CommandRefusedError, match="no camera 3"):
        project.apply(SwapIdentities(camera=3, start=0, stop=1, person=4, other=9))
    with pytest.raises(CommandRefusedError, match="two persons"):
        SwapIdentities(camera=0, start=0, stop=1, person=4, other=4)
    with pytest.raises(CommandRefusedError, match="at least one frame"):
        SwapPersonLabels(start=5, stop=5, person=4, other=9)
    with pytest.raises(CommandRefusedError, match="no swap 1"):
        project.apply(RemoveSwap(number=1))


def test_an_accepted_reprojection_is_observed_and_known_as_what_it_is(project):
    key = JointKey(3, 1, 4, 2)
    project.apply(SetJoints(keys=(key,), points_px=((5.0, 6.0),), origin=REPROJECTED))
    found = project.observations(3)
    assert found.source[0, 1, 2] == Source.REPROJECTED
    assert found.points_px[0, 1, 2].tolist() == [5.0, 6.0]
    assert found.confidence[0, 1, 2] == 1
    rows = project.labels.labels_between(3, 4)
    assert (rows.is_hand.tolist(), rows.is_reprojected.tolist()) == ([False], [True])
    project.apply(SetJoints(keys=(key,), points_px=((5.0, 6.0),)))
    assert project.observations(3).source[0, 1, 2] == Source.HAND


def test_a_corrected_track_is_where_people_stand(project, tracks):
    project.write_tracks(tracks)
    project.apply(SetTrackPoints(points=(((12, 9), (70.0, 80.0)), ((12, 4), None))))
    found = project.observations(12)
    assert found.persons == (9,)
    assert found.ground_mm[0].tolist() == [70.0, 80.0, 0.0]
    project.undo()
    assert project.observations(12).persons == (4, 9)
    np.testing.assert_array_equal(project.tracks.row_ground_mm, tracks.row_ground_mm)
    with pytest.raises(CommandRefusedError, match="two finite"):
        SetTrackPoints(points=(((12, 9), (float("nan"), 0.0)),))


def test_a_project_without_tracks_gets_some_and_loses_them_again(project):
    assert project.tracks is None
    project.apply(SetTrackPoints(points=(((12, 30), (70.0, 80.0)),), origin="triangulated"))
    assert project.tracks.persons == (30,)
    assert project.persons == (4, 9, 30)
    assert project.next_person() == 31
    project.undo()
    assert project.tracks is None
    assert project.next_person() == 10


def test_new_persons_get_ids_that_nothing_has_been_said_of(project):
    project.apply(SwapIdentities(camera=0, start=0, stop=1, person=4, other=20))
    assert project.next_person() == 21
    project.apply(accepted(PointKey(0, 40, 0)))
    assert project.next_person() == 41


def test_tracks_read_beside_a_writer_follow_its_edits(project, tracks):
    project.write_tracks(tracks)
    with Project.open(project.path, read_only=True) as reader:
        assert reader.tracks.path_of(9)[1][2].tolist() == [200.0, 0.0, 0.0]
        project.apply(SetTrackPoints(points=(((12, 9), (70.0, 80.0)),)))
        assert reader.tracks.path_of(9)[1][2].tolist() == [70.0, 80.0, 0.0]
        project.apply(SwapIdentities(camera=0, start=0, stop=1, person=4, other=9))
        assert len(reader.swaps()) == 1


def test_moving_somebody_in_a_whole_match_touches_that_frame_alone(project):
    frames, persons = np.repeat(np.arange(100), 12), np.tile(np.arange(12), 100)
    ground = np.random.default_rng(0).normal(size=(1200, 2))
    project.write_tracks(GroundTracks.from_rows(persons, frames, ground))
    before = project.tracks
    before.path_of(3)
    project.apply(SetTrackPoints(points=(((50, 3), (1.0, 2.0)),)))
    after = project.tracks
    assert after.row_frames is before.row_frames, "shared, not copied"
    assert np.flatnonzero((after.row_ground_mm != before.row_ground_mm).any(axis=1)).tolist() == [
        50 * 12 + 3
    ]
    np.testing.assert_array_equal(after.path_of(3)[1][50], (1.0, 2.0, 0.0))
    assert not after.row_ground_mm.flags.writeable


def test_twenty_thousand_rows_are_one_quick_step_and_a_small_one(project):
    keys = [PointKey(f, p, j) for f in range(100) for p in range(34) for j in range(3)][:10_000]
    edit = accepted(*keys)
    start = time.process_time()
    change = project.apply(edit)  # a point and a review each
    took_s = time.process_time() - start
    assert took_s < 2, "0.3 s on two old cores"
    assert len(change.reviews) == 10_000
    assert len(journal(project)[0]) < 500_000, "compressed"
    assert project.labels.replay() == project.labels.state()
    project.undo()
    assert project.labels.count("accepted") == 0


def test_the_journal_is_json_to_read_by_eye(project):
    project.apply(SetOverrides(keys=(JointKey(3, 1, 4, 2),), muted=True))
    ((table, key, before, after),) = json.loads(journal(project)[0])
    assert (table, key, before, after[0]) == ("overrides", [3, 1, 4, 2], None, 0.0)


def test_tracks_follow_when_two_threads_wrote_before_either_was_followed(project, tracks):
    project.write_tracks(tracks)
    store = project.labels
    overlay = TrackOverlay(store, tracks)
    assert overlay.tracks.path_of(4)[1][0].tolist() == [0.0, 0.0, 0.0]
    before = store.revision
    first = store.apply(
        SetReviews(keys=(PointKey(10, 4, 0),), state="rejected"), place=None, annotator="job"
    )
    moved = SetTrackPoints(points=(((10, 4), (7.0, 8.0)),))
    second = store.apply(moved, place=None, annotator="window")
    overlay.follow(first.tracks, before)
    overlay.follow(second.tracks, before + 1)
    assert overlay.tracks.path_of(4)[1][0].tolist() == [7.0, 8.0, 0.0]


def test_who_has_detections_by_a_swap_alone_is_a_person_of_the_project(project, make_rows):
    project.add_import(make_rows([(3, 1, 4)]), "a test")
    project.apply(SwapIdentities(camera=1, start=0, stop=9, person=4, other=30))
    assert 30 in project.observations(3).persons
    assert 30 in project.persons
    project.undo()
    assert 30 not in project.persons
