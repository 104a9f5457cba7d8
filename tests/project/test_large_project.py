"""A match of 67,000 frames, 8 cameras and 12 people opens at once and reads only what it shows.

Wall time depends on who else uses the machine; bytes read, memory and processor time do not.
`benchmarks/project.py` prints the wall times.
"""

import sys

import pytest

from benchmarks.project import build, measure

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measured through /proc")


def check(path):
    found = measure(path)
    assert found["shape"] == [12, 8, 13, 2]
    assert found["labelled"] == 70
    assert found["open_cpu_s"] < 1.5
    assert found["peak_mb"] < 700
    # Opening reads the ground tracks, the index of frames and one frame; never the detections.
    assert found["open_read_mb"] < 60
    assert found["frame_read_mb"] < 1
    return found


def test_a_whole_match_opens_without_reading_its_detections(tmp_path):
    build(tmp_path / "p", num_frames=67_000, num_cameras=8, num_people=12, num_views=1)
    (file,) = (tmp_path / "p" / "imports").glob("detections-*.h5")
    assert file.stat().st_size > 60e6, "the bound on bytes read must mean something"
    check(tmp_path / "p")


@pytest.mark.slow
def test_a_whole_match_seen_by_all_cameras_opens_as_well(tmp_path):
    build(tmp_path / "p", num_frames=67_000, num_cameras=8, num_people=12, num_views=8)
    check(tmp_path / "p")
