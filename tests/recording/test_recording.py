"""Cameras of one recording stay in step, whatever each of them lacks."""

from pathlib import Path

import numpy as np
import pytest

from core.recording import (
    FolderSpec,
    MissingFrameError,
    NoPicturesError,
    Recording,
    UnreadableImageError,
    VideoSpec,
)
from core.recording.cv import cv2
from tests.recording.painted import number_in, paint, write_video


def fill(folder: Path, numbers: list[int]) -> Path:
    folder.mkdir(parents=True)
    for number in numbers:
        data = cv2.imencode(".jpg", paint(number))[1].tobytes()
        (folder / f"frame_{number:06d}.jpg").write_bytes(data)
    return folder


@pytest.fixture
def mixed(tmp_path: Path):
    """A long video, a folder with gaps (numbered from 1), a short video, a blank, a lost disk."""
    sources = {
        "long": VideoSpec(path=write_video(tmp_path / "long.mp4", 30)),
        "gaps": FolderSpec(directory=fill(tmp_path / "gaps", [1, 2, 5, 6, 20]), first_number=1),
        "short": VideoSpec(path=write_video(tmp_path / "short.mp4", 10)),
        "blank": None,
        "lost": VideoSpec(path=tmp_path / "unmounted" / "lost.mp4"),
    }
    with Recording(sources) as recording:
        yield recording


def test_the_longest_camera_gives_the_number_of_frames(mixed: Recording) -> None:
    assert mixed.num_frames == 30
    assert [mixed.num_frames_of(name) for name in mixed.cameras] == [30, 20, 10, 0, 0]


def test_each_picture_is_that_of_its_frame_or_absent_for_its_own_reason(mixed: Recording) -> None:
    for frame in range(32):
        for name in ("long", "gaps", "short"):
            number = frame + (name == "gaps")
            there = (
                number in (1, 2, 5, 6, 20)
                if name == "gaps"
                else number < (30 if name == "long" else 10)
            )
            assert mixed.state(name, frame) == ("ok" if there else "missing")
            if there:
                assert number_in(mixed.read(name, frame)) == number
            else:
                with pytest.raises(MissingFrameError):
                    mixed.read(name, frame)


def test_a_camera_without_pictures_says_so(mixed: Recording) -> None:
    assert mixed.state("blank", 0) == mixed.state("lost", 0) == "no_pictures"
    assert mixed.size_px("blank") is None
    with pytest.raises(NoPicturesError, match="blank"):
        mixed.read("blank", 0)


def test_a_source_that_is_gone_keeps_the_others_and_is_named(mixed: Recording) -> None:
    assert list(mixed.problems) == ["lost"]
    with pytest.raises(NoPicturesError, match=r"lost\.mp4"):
        mixed.read("lost", 0)


def test_frames_before_zero_are_missing(mixed: Recording) -> None:
    for name in ("long", "gaps"):
        with pytest.raises(MissingFrameError):
            mixed.read(name, -1)


def test_cameras_are_addressed_by_name_or_place(mixed: Recording) -> None:
    np.testing.assert_array_equal(mixed.read("short", 3), mixed.read(2, 3))
    assert mixed.size_px(0) == mixed.size_px("long") == (192, 96)
    assert mixed.fps == 25.0


def test_a_cameras_offset_says_where_its_own_pictures_begin(tmp_path: Path) -> None:
    sources = {name: VideoSpec(path=write_video(tmp_path / f"{name}.mp4", 20)) for name in "abc"}
    with Recording(sources, offsets={"b": 5, "c": -4}) as recording:
        assert [recording.num_frames_of(name) for name in "abc"] == [20, 15, 24]
        assert recording.num_frames == 24
        assert [number_in(recording.read(name, 10)) for name in "abc"] == [10, 15, 6]
        assert recording.state("c", 3) == "missing"
        with pytest.raises(MissingFrameError, match=r"frame 3.*from 4"):
            recording.read("c", 3)
        assert recording.state("b", -1) == "missing"
        with pytest.raises(MissingFrameError):
            recording.read("b", -1)  # its source has a picture before frame 0


def test_an_unreadable_picture_is_told_from_a_missing_one(tmp_path: Path) -> None:
    folder = fill(tmp_path / "a", [0, 1, 2])
    (folder / "frame_000001.jpg").write_bytes(b"\xff\xd8\xff torn")
    with Recording({"a": FolderSpec(directory=folder)}) as recording:
        with pytest.raises(UnreadableImageError):
            recording.read("a", 1)
        assert number_in(recording.read("a", 2)) == 2


def test_fitting_sizes_are_steps_that_decoders_yield(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    data = cv2.imencode(".jpg", paint(3, (1376, 992)))[1].tobytes()
    (folder / "0.jpg").write_bytes(data)
    with Recording({"a": FolderSpec(directory=folder), "b": None}) as recording:
        assert recording.fitting_size("a", (100, 70)) == (172, 124)
        assert recording.fitting_size("a", (330, 230)) == (344, 248)
        assert recording.fitting_size("a", (400, 290)) == (688, 496)
        assert recording.fitting_size("a", (720, 510)) == (688, 496)  # a little enlarged
        assert recording.fitting_size("a", (4000, 3000)) == (1376, 992)
        assert recording.fitting_size("b", (10, 10)) is None
        assert recording.read("a", 0, (344, 248)).shape == (248, 344, 3)


def test_a_recording_without_any_pictures_has_no_frames() -> None:
    with Recording({"a": None, "b": None}) as recording:
        assert recording.num_frames == 0
        assert recording.fps is None


def test_closing_lets_go_of_the_files(tmp_path: Path) -> None:
    psutil = pytest.importorskip("psutil")
    path = write_video(tmp_path / "a.mp4", 5)
    recording = Recording({"a": VideoSpec(path=path)})
    recording.read("a", 2)
    opened = {Path(file.path) for file in psutil.Process().open_files()}
    assert path in opened
    recording.close()
    assert path not in {Path(file.path) for file in psutil.Process().open_files()}
