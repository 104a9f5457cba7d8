"""Predictions of 67,000 frames x 12 people open at once and read only what is shown.

Bytes and memory are bounded here; `benchmarks/predictions.py` prints the wall times.
"""

import sys

import pytest

from benchmarks.predictions import build, measure

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measured through /proc")
NUM_FRAMES, NUM_PEOPLE = 67_000, 12


def check(path, **size):
    build(path, num_frames=NUM_FRAMES, num_people=NUM_PEOPLE, **size)
    found = measure(path, NUM_FRAMES, NUM_PEOPLE)
    assert found["rows"] == NUM_FRAMES * NUM_PEOPLE
    assert found["table"] == [NUM_FRAMES, NUM_PEOPLE]
    # Keys and aggregates of 804,000 rows are 30 MB in memory, and 10 MB on the disk.
    assert found["grown_mb"] < 200
    assert found["open_read_mb"] < 30
    assert found["frame_read_mb"] < 1


def test_a_whole_match_opens_by_its_index_alone(tmp_path):
    check(tmp_path / "run", num_cameras=2, num_joints=2, block=1000, single=False)


@pytest.mark.slow
def test_a_whole_match_in_eight_views_opens_as_well(tmp_path):
    check(tmp_path / "run", num_cameras=8)


@pytest.mark.slow
def test_a_round_under_way_opens_by_the_small_tables_of_its_files(tmp_path):
    check(tmp_path / "run", num_cameras=8, finish=False)
