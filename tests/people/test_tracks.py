from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import DataError
from core.people import GroundTracks, read_tracks, write_tracks

if TYPE_CHECKING:
    from pathlib import Path

rows_of_tracks = st.dictionaries(
    st.tuples(st.integers(0, 6), st.integers(0, 40)),
    st.tuples(*[st.floats(-2e4, 2e4, allow_nan=False)] * 2),
    max_size=60,
)


def tracks_from(rows: dict[tuple[int, int], tuple[float, float]]) -> GroundTracks:
    keys = list(rows)
    return GroundTracks.from_rows([k[0] for k in keys], [k[1] for k in keys], list(rows.values()))


@settings(deadline=None, max_examples=60)
@given(rows_of_tracks)
def test_every_row_is_found_again_by_frame_and_by_person(rows):
    tracks = tracks_from(rows)
    assert tracks.persons == tuple(sorted({p for p, _ in rows}))
    for frame in range(42):
        ids, ground = tracks.at(frame)
        assert list(ids) == sorted(p for p, f in rows if f == frame)
        for person, place in zip(ids, ground, strict=True):
            assert tuple(place) == (*rows[int(person), frame], 0.0)
    for person in tracks.persons:
        frames, ground = tracks.path_of(person)
        assert list(frames) == sorted(f for p, f in rows if p == person)
        assert [tuple(g[:2]) for g in ground] == [rows[person, int(f)] for f in frames]
        assert list(tracks.frames_of(person)) == list(frames)


def test_a_row_without_a_place_is_left_out():
    tracks = GroundTracks.from_rows([3, 3], [0, 1], [[1, 2, 1750], [np.nan, 2, 1750]])
    assert len(tracks.at(1)[0]) == 0
    np.testing.assert_array_equal(tracks.at(0)[1], [[1, 2, 0]])


def test_a_named_person_without_a_row_is_kept():
    tracks = GroundTracks.from_rows([3], [0], [[1, 2]], names={7: "referee"})
    assert tracks.persons == (3, 7)
    assert tracks.names == ("3", "referee")


@pytest.mark.parametrize(
    ("persons", "frames", "ground", "field"),
    [
        ([1, 1], [5, 5], [[0, 0], [1, 1]], "person 1, frame 5"),
        ([-1], [5], [[0, 0]], "person"),
        ([1], [0.5], [[0, 0]], "frame"),
        ([1], [2**40], [[0, 0]], "frame"),
        ([1], [0], [[np.inf, 0]], "location"),
        ([1], [0], [[1, 2], [3, 4]], "rows"),
        ([1], [0], [1.0], "location"),
        (["a"], [0], [[0, 0]], "person"),
    ],
)
def test_wrong_rows_are_refused_by_field(persons, frames, ground, field):
    with pytest.raises(DataError) as caught:
        GroundTracks.from_rows(persons, frames, ground)
    assert caught.value.field == field


def test_a_whole_match_is_compact_and_quick_to_ask():
    num_frames, num_persons = 67_000, 12
    frames = np.repeat(np.arange(num_frames), num_persons)
    persons = np.tile(np.arange(num_persons), num_frames)
    ground = np.random.default_rng(0).normal(0, 8000, (len(frames), 2))
    tracks = GroundTracks.from_rows(persons, frames, ground)
    arrays = (tracks.row_frames, tracks.row_persons, tracks.row_ground_mm)
    assert sum(a.nbytes for a in arrays) < 21e6
    np.testing.assert_array_equal(tracks.at(66_999)[1][:, :2], ground[-12:])


@settings(deadline=None, max_examples=20)
@given(rows_of_tracks)
def test_stored_tracks_are_read_back_unchanged(tmp_path_factory, rows):
    path: Path = tmp_path_factory.mktemp("tracks") / "tracks.h5"
    tracks = GroundTracks.from_rows(
        [k[0] for k in rows], [k[1] for k in rows], list(rows.values()), names={2: "Zoë", 9: "#9"}
    )
    write_tracks(path, tracks)
    again = read_tracks(path)
    assert (again.persons, again.names) == (tracks.persons, tracks.names)
    np.testing.assert_array_equal(again.row_frames, tracks.row_frames)
    np.testing.assert_array_equal(again.row_persons, tracks.row_persons)
    np.testing.assert_array_equal(again.row_ground_mm, tracks.row_ground_mm)
    assert [p.name for p in path.parent.iterdir()] == ["tracks.h5"]


@settings(deadline=None, max_examples=30)
@given(st.binary(max_size=200))
def test_a_damaged_tracks_file_is_named(tmp_path_factory, data):
    path: Path = tmp_path_factory.mktemp("tracks") / "tracks.h5"
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"tracks\.h5.*Import the tracks again"):
        read_tracks(path)
