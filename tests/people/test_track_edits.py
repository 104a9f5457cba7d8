"""Plans of track edits: what they put, what they run into, and that paths behave."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import CommandRefusedError
from core.people import GroundTracks
from core.people.track_conflicts import find_conflicts
from core.people.track_edits import (
    delete_track,
    extend_track,
    frames_in_scope,
    gap_about,
    interpolate_track,
    merge_tracks,
    move_person,
    path_through,
    place_and_fill,
    split_track,
    spot_of,
    swap_tracks,
)


def _tracks(*people):
    """Each person as (id, frames, x of every frame); y is ten times the id."""
    rows = [(p, f, (x, 10.0 * p)) for p, frames, xs in people for f, x in zip(frames, xs)]  # noqa: B905
    return GroundTracks.from_rows([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows])


def _applied(tracks, plan):
    """The tracks after a plan, made the simple way."""
    places = {
        (int(f), int(p)): (float(x), float(y))
        for f, p, (x, y) in zip(
            tracks.row_frames, tracks.row_persons, tracks.row_ground_mm, strict=True
        )
    }
    places.update(plan.spots_mm)
    rows = [(key, spot) for key, spot in places.items() if spot is not None]
    return GroundTracks.from_rows(
        [k[1] for k, _ in rows], [k[0] for k, _ in rows], [s for _, s in rows]
    )


WALK = _tracks((1, range(20), [100.0 * f for f in range(20)]), (2, range(20), [500.0] * 20))


def test_a_path_goes_through_every_anchor_and_keeps_a_steady_speed():
    frames = np.array([0, 4, 10, 20])
    places = np.stack([frames * 30.0, frames * -5.0], axis=-1)
    every = np.arange(21)
    path = path_through(frames, places, every)
    np.testing.assert_allclose(path, np.stack([every * 30.0, every * -5.0], axis=-1), atol=1e-9)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(0, 300), min_size=2, max_size=9, unique=True).map(sorted),
    st.integers(0, 2**32 - 1),
)
def test_a_path_never_leaves_the_span_of_the_anchors_beside_it(frames, seed):
    places = np.random.default_rng(seed).normal(0, 3000, (len(frames), 2))
    every = np.arange(frames[0], frames[-1] + 1)
    path = path_through(np.array(frames), places, every)
    for k in range(len(frames) - 1):
        part = path[(every >= frames[k]) & (every <= frames[k + 1])]
        low, high = np.minimum(places[k], places[k + 1]), np.maximum(places[k], places[k + 1])
        assert (part >= low - 1e-6).all()
        assert (part <= high + 1e-6).all()
    np.testing.assert_allclose(path[np.array(frames) - frames[0]], places, atol=1e-9)


def test_a_moved_person_takes_near_frames_along_and_leaves_far_ones():
    plan = move_person(WALK, 1, 10, (1000.0, 400.0), reach=3)
    after = _applied(WALK, plan)
    y = [spot_of(after, 1, f)[1] for f in range(20)]
    assert y[10] == 400.0
    assert y[:7] == [10.0] * 7
    assert y[14:] == [10.0] * 6
    assert (np.diff(y[6:11]) > 0).all()
    assert {part.origin for part in plan.parts} == {"hand", "interpolated"}


def test_a_click_fills_the_frames_to_the_clicks_beside_it():
    empty = GroundTracks.from_rows([], [], np.zeros((0, 2)))
    plan = place_and_fill(empty, 4, 20, (2000.0, 0.0), {0: (0.0, 0.0), 10: (1000.0, 0.0)})
    spots = plan.spots_mm
    assert set(spots) == {(f, 4) for f in range(21)} - {(0, 4), (10, 4)}
    assert spots[20, 4] == (2000.0, 0.0)
    np.testing.assert_allclose([spots[f, 4][0] for f in (5, 15)], [500.0, 1500.0])


def test_interpolation_follows_the_speed_on_both_sides():
    curved = _tracks(
        (1, [*range(5), *range(15, 20)], [100.0 * f for f in [*range(5), *range(15, 20)]])
    )
    plan = interpolate_track(curved, 1, 4, 15)
    assert gap_about(curved, 1, 8) == (4, 15)
    np.testing.assert_allclose(
        [plan.spots_mm[f, 1][0] for f in range(5, 15)], [100.0 * f for f in range(5, 15)]
    )
    with pytest.raises(CommandRefusedError, match="no place at that end"):
        interpolate_track(curved, 1, 4, 10)


def test_filling_only_what_is_missing_leaves_the_rest():
    holed = _tracks((1, [0, 1, 5, 9, 10], [0.0, 0.0, 777.0, 0.0, 0.0]))
    plan = interpolate_track(holed, 1, 1, 9, only_missing=True)
    assert set(plan.spots_mm) == {(f, 1) for f in (2, 3, 4, 6, 7, 8)}


def test_an_extended_track_goes_on_and_slows_down():
    plan = extend_track(WALK, 1, 60)
    x = np.array([plan.spots_mm[f, 1][0] for f in range(20, 61)])
    steps = np.diff(x)
    assert 80 < x[0] - 1900 < 100
    assert (np.diff(steps) < 0).all()
    assert x[-1] - 1900 < 100 * 13
    with pytest.raises(CommandRefusedError, match="already"):
        extend_track(WALK, 1, 5)


def test_a_split_moves_the_rest_to_a_new_person():
    plan = split_track(WALK, 1, 7, frames_in_scope("forward", 12, 20))
    after = _applied(WALK, plan)
    assert list(after.frames_of(1)) == list(range(12))
    assert list(after.frames_of(7)) == list(range(12, 20))
    assert [(e.start, e.stop) for e in plan.exchanges] == [(12, 20)]
    with pytest.raises(CommandRefusedError, match="merge instead"):
        split_track(WALK, 1, 2, range(12, 20))


@pytest.mark.parametrize(("prefer", "x"), [("mine", 0.0), ("theirs", 100.0), ("mean", 50.0)])
def test_a_merge_keeps_what_is_preferred_where_both_are(prefer, x):
    tracks = _tracks((1, range(6), [0.0] * 6), (2, range(4, 10), [100.0] * 6))
    plan = merge_tracks(tracks, 1, 2, range(10), prefer=prefer)
    after = _applied(tracks, plan)
    assert after.persons == (1,)
    assert list(after.frames_of(1)) == list(range(10))
    assert spot_of(after, 1, 5)[0] == x
    assert spot_of(after, 1, 8)[0] == 100.0
    assert plan.doubles == (4, 5)
    # Detections and labels follow only where nothing is in doubt.
    assert [(e.start, e.stop) for e in plan.exchanges] == [(6, 10)]


@settings(deadline=None, max_examples=40)
@given(st.sets(st.integers(0, 15)), st.sets(st.integers(0, 15)), st.integers(0, 15))
def test_swapping_twice_changes_nothing(first, second, start):
    tracks = _tracks(
        (1, sorted(first), [1.0 * f for f in sorted(first)]),
        (2, sorted(second), [50.0 - f for f in sorted(second)]),
    )
    frames = range(start, 16)
    if not any(f in frames for f in first | second):
        return
    once = _applied(tracks, swap_tracks(tracks, 1, 2, frames))
    assert [f for f in once.frames_of(1) if f >= start] == sorted(f for f in second if f >= start)
    twice = _applied(once, swap_tracks(once, 1, 2, frames))
    np.testing.assert_array_equal(twice.row_ground_mm, tracks.row_ground_mm)
    np.testing.assert_array_equal(twice.row_persons, tracks.row_persons)


def test_deleting_takes_only_the_frames_asked_for():
    after = _applied(WALK, delete_track(WALK, 2, range(5, 8)))
    assert sorted(set(range(20)) - set(after.frames_of(2).tolist())) == [5, 6, 7]


def test_conflicts_name_work_of_people_and_jumps():
    plan = swap_tracks(WALK, 1, 2, range(10, 20))
    found = {
        c.kind: c.frames
        for c in find_conflicts(
            plan, WALK, fps=25, by_hand={(12, 1)}, labelled={(3, 1), (14, 2)}, locked={(14, 2)}
        )
    }
    assert found["by_hand"] == (12,)
    assert found["labelled"] == (14,)
    assert found["locked"] == (14,)
    assert "jump" not in found  # half a metre apart at frame 10
    far = swap_tracks(WALK, 1, 2, range(15, 20))
    assert {c.kind: c.frames for c in find_conflicts(far, WALK, fps=25)} == {"jump": (15,)}


def test_filling_tells_only_of_places_set_by_hand():
    plan = interpolate_track(WALK, 1, 2, 8)
    found = find_conflicts(plan, WALK, fps=25, by_hand={(5, 1)}, labelled={(5, 1)})
    assert [(c.kind, c.frames) for c in found] == [("by_hand", (5,))]
