"""A picture's frame is the number in its name, whatever is missing around it."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import DataError
from core.recording.cv import cv2
from core.recording.errors import MissingFrameError, UnreadableImageError
from core.recording.folder import FolderReader, number_names
from core.recording.sources import FolderSpec
from tests.recording.painted import number_in, paint


def fill(folder: Path, numbers: list[int], name: str = "frame_{:06d}.jpg") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        path = folder / name.format(number)
        path.write_bytes(cv2.imencode(path.suffix, paint(number))[1].tobytes())
    return folder


@pytest.mark.parametrize(("name"), ["frame_{:06d}.jpg", "{}.png", "cam01.{:04d}.JPEG"])
def test_a_gap_is_missing_and_shifts_nothing(tmp_path: Path, name: str) -> None:
    numbers = [1, 2, 3, 7, 8, 12]
    folder = FolderReader(FolderSpec(directory=fill(tmp_path, numbers, name), first_number=1))
    assert folder.num_frames == 12
    assert folder.num_pictures == 6
    for frame in range(12):
        if frame + 1 in numbers:
            assert number_in(folder.read(frame)) == frame + 1
        else:
            assert not folder.has(frame)
            with pytest.raises(MissingFrameError, match=f"number {frame + 1}"):
                folder.read(frame)


def test_frames_before_the_first_picture_are_missing(tmp_path: Path) -> None:
    folder = FolderReader(FolderSpec(directory=fill(tmp_path, [21, 22]), first_number=1))
    assert folder.num_frames == 22
    assert not folder.has(19)
    assert number_in(folder.read(20)) == 21


def test_a_number_below_the_first_one_is_an_error(tmp_path: Path) -> None:
    fill(tmp_path, [0, 1])
    with pytest.raises(DataError, match=r"first_number.*frame_000000\.jpg"):
        FolderReader(FolderSpec(directory=tmp_path, first_number=1))


def test_other_files_do_not_matter(tmp_path: Path) -> None:
    fill(tmp_path, [0, 1])
    (tmp_path / "notes.txt").write_text("12", "utf-8")
    (tmp_path / "._frame_000005.jpg").write_bytes(b"")
    (tmp_path / "cover.jpg").write_bytes(b"")
    assert FolderReader(FolderSpec(directory=tmp_path)).num_frames == 2


def test_two_pictures_of_one_number_are_an_error(tmp_path: Path) -> None:
    fill(tmp_path, [0, 1])
    fill(tmp_path, [1], "frame_{:06d}.png")
    with pytest.raises(DataError, match=r"frame_000001\.jpg and frame_000001\.png"):
        FolderReader(FolderSpec(directory=tmp_path))


def test_the_number_is_the_one_that_changes() -> None:
    names = [f"S1_cam54138969_{n:06d}_v2.jpg" for n in (3, 4, 9)]
    assert number_names(names, "", "x") == dict(zip((3, 4, 9), names, strict=True))


def test_a_lone_picture_is_numbered_by_its_last_digits() -> None:
    assert list(number_names(["S1_1.54138969_000026.jpg"], "", "x")) == [26]


def test_names_with_two_changing_numbers_ask_for_a_pattern() -> None:
    names = ["a1_01.jpg", "a2_02.jpg"]
    with pytest.raises(DataError, match="pattern"):
        number_names(names, "", "x")
    assert list(number_names(names, "a2_%02d.jpg", "x")) == [2]


def test_a_pattern_leaves_other_names_out(tmp_path: Path) -> None:
    fill(tmp_path, [0, 1, 2])
    fill(tmp_path, [0, 1], "mask_{:06d}.jpg")
    spec = FolderSpec(directory=tmp_path, pattern="mask_%06d.jpg")
    assert FolderReader(spec).num_frames == 2


def test_numbers_may_outgrow_their_padding() -> None:
    names = ["f_99.jpg", "f_100.jpg"]
    assert list(number_names(names, "f_%02d.jpg", "x")) == [100, 99]


@pytest.mark.parametrize("pattern", ["frame.jpg", "%d_%d.jpg", "frame_%s.jpg"])
def test_a_pattern_without_one_number_is_an_error(pattern: str) -> None:
    with pytest.raises(DataError, match="pattern"):
        number_names(["frame_1.jpg"], pattern, "x")


def test_time_stamps_for_names_are_an_error_not_a_long_recording(tmp_path: Path) -> None:
    fill(tmp_path, [0])
    (tmp_path / "frame_1623412341234567.jpg").write_bytes(b"")
    with pytest.raises(DataError, match="time stamps"):
        FolderReader(FolderSpec(directory=tmp_path))


@pytest.mark.parametrize("names", [[], ["readme.txt"], ["cover.jpg"]])
def test_a_folder_without_numbered_pictures_is_an_error(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError, match="pictures"):
        FolderReader(FolderSpec(directory=tmp_path))


def test_a_folder_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a folder of pictures"):
        FolderReader(FolderSpec(directory=tmp_path / "none"))


def test_a_damaged_picture_is_unreadable_and_the_next_is_not(tmp_path: Path) -> None:
    folder = FolderReader(FolderSpec(directory=fill(tmp_path, [0, 1, 2])))
    path = folder.path_of(1)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(UnreadableImageError, match="cut off"):
        folder.read(1)
    assert number_in(folder.read(2)) == 2


def test_a_picture_removed_since_is_unreadable(tmp_path: Path) -> None:
    folder = FolderReader(FolderSpec(directory=fill(tmp_path, [0, 1])))
    folder.path_of(1).unlink()
    with pytest.raises(UnreadableImageError, match="frame_000001"):
        folder.read(1)


def test_a_directory_with_a_pictures_name_is_unreadable(tmp_path: Path) -> None:
    fill(tmp_path, [0])
    (tmp_path / "frame_000001.jpg").mkdir()
    with pytest.raises(UnreadableImageError, match="something else"):
        FolderReader(FolderSpec(directory=tmp_path)).read(1)


def test_the_size_is_that_of_the_first_sound_picture(tmp_path: Path) -> None:
    fill(tmp_path, [0, 1])
    (tmp_path / "frame_000000.jpg").write_bytes(b"broken")
    assert FolderReader(FolderSpec(directory=tmp_path)).size_px == (192, 96)


def test_the_fingerprint_changes_only_where_pictures_do(tmp_path: Path) -> None:
    folder = FolderReader(FolderSpec(directory=fill(tmp_path, list(range(10)))))
    before = [folder.fingerprint(0, 5), folder.fingerprint(5, 10)]
    fill(tmp_path, [7], "frame_{:06d}.jpg")
    folder.path_of(7).write_bytes(folder.path_of(6).read_bytes() + b"\x00")
    after = [folder.fingerprint(0, 5), folder.fingerprint(5, 10)]
    assert after[0] == before[0]
    assert after[1] != before[1]


@pytest.mark.parametrize("extra", [[], ["other_take_9.jpg"], ["täke_0000012.jpg"]])
def test_names_numbered_at_once_and_one_by_one_agree(extra: list[str]) -> None:
    names = [f"cam2_take{n:05d}_v3.jpg" for n in range(7, 400, 3)]
    numbered = number_names([*names, *extra], "", "x")
    assert numbered == {n: f"cam2_take{n:05d}_v3.jpg" for n in range(7, 400, 3)}


def test_numbers_of_other_lengths_or_hexadecimal_are_not_misread() -> None:
    assert number_names([f"f{n}.jpg" for n in (8, 9, 10)], "", "x").keys() == {8, 9, 10}
    names = ["a1b.jpg", "a1c.jpg"]
    with pytest.raises(DataError, match="frame number 1"):
        number_names(["a1.jpg", "a1.png"], "", "x")
    assert len(number_names(names, "", "x")) == 1  # two shapes of name; one is followed


def test_opening_a_long_recording_of_pictures_is_quick(tmp_path: Path) -> None:
    for number in range(1, 20_001):
        os.close(os.open(tmp_path / f"frame_{number:06d}.jpg", os.O_CREAT | os.O_WRONLY))
    started = time.process_time()
    folder = FolderReader(FolderSpec(directory=tmp_path, first_number=1))
    assert time.process_time() - started < 0.25
    assert folder.num_frames == folder.num_pictures == 20_000


@settings(deadline=None, max_examples=60)
@given(st.sets(st.integers(0, 99_999), min_size=2, max_size=40), st.sampled_from([1, 4, 6]))
def test_numbers_in_names_are_found_again(numbers: set[int], width: int) -> None:
    names = {n: f"take2_cam03.{n:0{width}d}.png" for n in numbers}
    assert number_names(names.values(), "", "x") == names
