from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import DataError
from core.formats.camera_names import match_cameras
from core.formats.frame_names import infer_first_number, numbers_from_names


@pytest.mark.parametrize(
    ("names", "cameras", "expected"),
    [
        (["cam01_json", "cam02_json"], ["cam_01", "cam_02"], {"cam_01": 0, "cam_02": 1}),
        (["minimal_back.mp4", "minimal_mid.mp4"], ["back", "mid"], {"back": 0, "mid": 1}),
        (["minimal_back.slp", "calibration.toml"], ["back", "mid"], {"back": 0}),
        (["video_0", "video_1"], ["0", "1"], {"0": 0, "1": 1}),
        (["video_0.avi", "notes.txt"], ["0", "1"], {"0": 0}),
        (["CAM1", "cam10", "cam2"], ["cam1", "cam2", "cam10"], {"cam1": 0, "cam2": 2, "cam10": 1}),
        (["ace_1_left", "ace"], ["ace", "ace_1"], {"ace": 1, "ace_1": 0}),
        (["x/ace_0", "x\\ace_1"], ["ace_0", "ace_1"], {"ace_0": 0, "ace_1": 1}),
        (["S1.54138969.h5", "S1.60457274.h5"], ["54138969", "60457274"], {"54138969": 0}),
        (["front-cam_json"], ["front", "back"], {"front": 0}),
    ],
)
def test_names_find_their_camera(names, cameras, expected):
    found = match_cameras(names, cameras)
    assert {camera: names.index(name) for camera, name in found.items()}.items() >= expected.items()
    assert set(found) <= set(cameras)


@pytest.mark.parametrize(
    ("names", "cameras"),
    [
        (["cam1", "cam_001"], ["cam_01"]),  # two folders for one camera
        (["cam0", "cam1"], ["1", "2"]),  # numbered from 0 or from 1: half of it fits
        (["back_front"], ["back", "front"]),
        (["left.mp4", "left.avi"], ["left", "right"]),
        (["a", "b"], ["left", "right"]),
        ([], ["left"]),
    ],
)
def test_an_ambiguous_or_missing_match_is_refused(names, cameras):
    with pytest.raises(DataError, match="CAM=PATH"):
        match_cameras(names, cameras)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.text("ab01_. -", min_size=1, max_size=8), max_size=6, unique=True),
    st.lists(st.text("ab01_. -", min_size=1, max_size=6), max_size=5, unique=True),
)
def test_an_answer_never_gives_one_name_to_two_cameras(names, cameras):
    try:
        found = match_cameras(names, cameras)
    except DataError:
        return
    assert len(set(found.values())) == len(found)
    assert set(found.values()) <= set(names)
    assert set(found) <= set(cameras)


@settings(deadline=None, max_examples=100)
@given(st.permutations(["ace_0", "ace_1", "ace_2", "ace_10"]), st.sampled_from(["{}_json", "v-{}"]))
def test_the_order_of_names_does_not_matter(cameras, pattern):
    names = [pattern.format(camera.replace("_", "")) for camera in reversed(cameras)]
    found = match_cameras(names, cameras)
    assert found == {c: pattern.format(c.replace("_", "")) for c in cameras}


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["cam01.0000.json", "cam01.0017.json"], [0, 17]),
        (["a_000000000003_keypoints.json"], [3]),
        (["frame_000021_v2.jpg", "frame_000022_v2.jpg"], [21, 22]),
        (["7.jpg", "7.jpg", "12.jpg"], [7, 7, 12]),
        (["ace_0/frame_000005.jpg"], [5]),
    ],
)
def test_the_frame_number_is_the_part_of_the_name_that_changes(names, numbers):
    assert numbers_from_names(names, Path("x"), "names") == numbers


@pytest.mark.parametrize("names", [["left.jpg"], ["1" * 30], ["a1", "b"]])
def test_a_name_without_a_frame_number_is_refused(names):
    with pytest.raises(DataError, match="frame number"):
        numbers_from_names(names, Path("x"), "names")


def test_the_first_number_follows_the_tool_that_counts():
    assert infer_first_number([0, 5], from_pictures=True) == 0
    assert infer_first_number([21380, 21383], from_pictures=True) == 1  # ffmpeg's way
    assert infer_first_number([1, 2], from_pictures=False) == 1
    assert infer_first_number([21380], from_pictures=False) == 0
    assert infer_first_number([], from_pictures=True) == 0


def test_the_very_name_of_a_camera_is_never_ambiguous():
    cameras = ["cam01", "cam1", "cam_1"]
    found = match_cameras(["cam_1.mp4", "cam1.mp4", "cam01.mp4"], cameras)
    assert found == {"cam01": "cam01.mp4", "cam1": "cam1.mp4", "cam_1": "cam_1.mp4"}
    with pytest.raises(DataError, match="several"):
        match_cameras(["CAM-1", "cam001"], ["cam_01"])
