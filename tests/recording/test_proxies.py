"""Proxies show the same frames as the originals, and are never a hindrance."""

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from core.errors import CommandRefusedError
from core.recording import (
    FolderSpec,
    MissingFrameError,
    ProxyBuilder,
    ProxyProgress,
    Recording,
    UnreadableImageError,
    VideoSpec,
    build_proxies,
)
from core.recording.cv import cv2
from core.recording.proxies import proxy_size
from core.recording.proxy_files import camera_directory, read_chunk, write_chunk
from tests.recording.painted import number_in, paint, write_video

STORED = (384, 192)
SMALL = (192, 96)
LENGTH = 300
HEIGHT = 96


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("originals")
    video = write_video(folder / "v.mp4", LENGTH, size_px=STORED, options={"preset": "ultrafast"})
    pictures = folder / "pictures"
    pictures.mkdir()
    for number in range(1, LENGTH + 1):
        if number % 50:
            data = cv2.imencode(".jpg", paint(number, STORED))[1].tobytes()
            (pictures / f"frame_{number:06d}.jpg").write_bytes(data)
    (pictures / "frame_000011.jpg").write_bytes(b"torn")
    return {
        "video": VideoSpec(path=video),
        "pictures": FolderSpec(directory=pictures, first_number=1),
        "none": None,
    }


def is_proxy(recording: Recording, camera: str, frame: int) -> bool:
    """Whether a small picture of this frame is read from a proxy."""
    reader = recording.reader(camera)
    original = reader.read(frame, SMALL)
    return not np.array_equal(recording.read(camera, frame, SMALL), original)


def test_proxies_hold_the_frames_of_the_originals(sources, tmp_path: Path) -> None:
    with Recording(sources, proxies=tmp_path) as recording:
        done = build_proxies(recording, tmp_path, height=HEIGHT)
        assert done.finished
        assert done.total == 2 * LENGTH - 1  # number 300 is no picture
        for frame in (0, 1, 255, 256, 257, 298):
            assert number_in(recording.read("video", frame, SMALL)) == frame
            assert number_in(recording.read("pictures", frame, SMALL)) == frame + 1
            assert is_proxy(recording, "video", frame)
            assert is_proxy(recording, "pictures", frame)


def test_missing_and_torn_pictures_stay_so(sources, tmp_path: Path) -> None:
    with Recording(sources, proxies=tmp_path) as recording:
        build_proxies(recording, tmp_path, height=HEIGHT)
        with pytest.raises(MissingFrameError, match="number 50"):
            recording.read("pictures", 49, SMALL)
        with pytest.raises(UnreadableImageError, match="frame_000011"):
            recording.read("pictures", 10, SMALL)


def test_larger_sizes_come_from_the_originals(sources, tmp_path: Path) -> None:
    with Recording(sources, proxies=tmp_path) as recording:
        build_proxies(recording, tmp_path, height=HEIGHT)
        assert recording.fitting_size("video", (190, 95)) == SMALL
        for size in (None, STORED, (193, 97)):
            np.testing.assert_array_equal(
                recording.read("video", 7, size), recording.reader("video").read(7, size)
            )
        assert recording.read("video", 7, (96, 48)).shape == (48, 96, 3)


def test_a_recording_uses_proxies_as_they_come(sources, tmp_path: Path) -> None:
    with Recording(sources, proxies=tmp_path) as recording:
        assert not is_proxy(recording, "video", 3)
        build_proxies(recording, tmp_path, height=HEIGHT)
        assert is_proxy(recording, "video", 3)


def test_a_stopped_build_is_resumed_and_not_repeated(sources, tmp_path: Path) -> None:
    with Recording(sources, proxies=tmp_path) as recording:
        told: list[ProxyProgress] = []

        def stop_early(progress: ProxyProgress) -> bool:
            told.append(progress)
            return progress.done < 300

        first = build_proxies(recording, tmp_path, height=HEIGHT, progress=stop_early, workers=1)
        assert not first.finished
        written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.proxy")}
        assert written
        second = build_proxies(recording, tmp_path, height=HEIGHT)
        assert second.finished
        assert second.written_bytes < sum(p.stat().st_size for p in tmp_path.rglob("*.proxy"))
        assert all(path.stat().st_mtime_ns == time for path, time in written.items())
        third = build_proxies(recording, tmp_path, height=HEIGHT)
        assert third.finished
        assert third.written_bytes == 0


def test_a_build_begins_around_the_frame_that_is_looked_at(sources, tmp_path: Path) -> None:
    with Recording(sources, proxies=tmp_path) as recording:
        build_proxies(
            recording,
            tmp_path,
            height=HEIGHT,
            around=280,
            workers=1,
            progress=lambda progress: progress.written_bytes == 0,
        )
        assert [p.name for p in tmp_path.rglob("*.proxy")][:1] == ["000001.proxy"]


def test_progress_ends_at_the_total_with_no_time_left(sources, tmp_path: Path) -> None:
    told: list[ProxyProgress] = []
    with Recording(sources) as recording:

        def keep(progress: ProxyProgress) -> bool:
            told.append(progress)
            return True

        build_proxies(recording, tmp_path, height=HEIGHT, progress=keep, workers=2)
    done = [progress.done for progress in told]
    assert done == sorted(done)
    assert told[0].remaining_s is None
    assert told[-1].done == told[-1].total
    assert told[-1].remaining_s == 0.0


def test_nothing_half_written_is_left_behind(sources, tmp_path: Path) -> None:
    with Recording(sources) as recording:
        build_proxies(recording, tmp_path, height=HEIGHT, progress=lambda p: p.done < 300)
    assert not list(tmp_path.rglob("*.tmp"))


def test_proxies_of_other_pictures_are_not_shown(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", 20, size_px=STORED)
    proxies = tmp_path / "proxies"
    with Recording({"v": VideoSpec(path=path)}) as recording:
        build_proxies(recording, proxies, height=HEIGHT)
    write_video(path, 20, size_px=STORED, first=500)
    with Recording({"v": VideoSpec(path=path)}, proxies=proxies) as recording:
        assert number_in(recording.read("v", 3, SMALL)) == 503
        assert build_proxies(recording, proxies, height=HEIGHT).written_bytes > 0
        assert number_in(recording.read("v", 3, SMALL)) == 503
        assert is_proxy(recording, "v", 3)


def test_another_height_replaces_the_proxies(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", 5, size_px=STORED)
    with Recording({"v": VideoSpec(path=path)}) as recording:
        build_proxies(recording, tmp_path / "p", height=48)
        assert build_proxies(recording, tmp_path / "p", height=HEIGHT).written_bytes > 0
        recording.attach_proxies(tmp_path / "p")
        assert recording.fitting_size("v", (192, 96)) == SMALL


@pytest.mark.parametrize("keep", [0, 20, 200, -1])
def test_a_damaged_proxy_falls_back_to_the_original(tmp_path: Path, keep: int) -> None:
    path = write_video(tmp_path / "v.mp4", 10, size_px=STORED)
    with Recording({"v": VideoSpec(path=path)}) as recording:
        build_proxies(recording, tmp_path / "p", height=HEIGHT)
    (chunk,) = (tmp_path / "p").rglob("*.proxy")
    chunk.write_bytes(chunk.read_bytes()[:keep])
    with Recording({"v": VideoSpec(path=path)}, proxies=tmp_path / "p") as recording:
        assert number_in(recording.read("v", 9, SMALL)) == 9


def test_a_proxy_deleted_while_open_falls_back_to_the_original(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", 10, size_px=STORED)
    with Recording({"v": VideoSpec(path=path)}, proxies=tmp_path / "p") as recording:
        build_proxies(recording, tmp_path / "p", height=HEIGHT)
        assert is_proxy(recording, "v", 2)
        for chunk in (tmp_path / "p").rglob("*.proxy"):
            chunk.unlink()
        assert number_in(recording.read("v", 2, SMALL)) == 2
        assert not is_proxy(recording, "v", 2)


def test_an_offset_leaves_proxies_right(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", 20, size_px=STORED)
    with Recording({"v": VideoSpec(path=path)}) as recording:
        build_proxies(recording, tmp_path / "p", height=HEIGHT)
    spec = {"v": VideoSpec(path=path)}
    with Recording(spec, offsets={"v": 4}, proxies=tmp_path / "p") as recording:
        assert number_in(recording.read("v", 3, SMALL)) == 7


def test_small_pictures_get_no_proxies() -> None:
    assert proxy_size((640, 400)) is None
    assert proxy_size((1920, 1080)) == (640, 360)
    assert proxy_size((1088, 1920)) == (360, 636)
    assert proxy_size((1376, 992)) == (500, 360)


def test_a_full_disk_is_refused_in_plain_words(
    sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("usage", (), {"free": 10})
    monkeypatch.setattr("core.recording.proxies.shutil.disk_usage", lambda _: usage)
    with (
        Recording(sources) as recording,
        pytest.raises(CommandRefusedError, match="GB are free"),
    ):
        build_proxies(recording, tmp_path, height=HEIGHT)


def test_names_of_cameras_become_safe_and_different_folders(tmp_path: Path) -> None:
    names = ["cam 1", "cam_1", "cam/1", "../x", "..", "ä"]
    folders = [camera_directory(tmp_path, name) for name in names]
    assert len(set(folders)) == len(names)
    assert all(folder.parent == tmp_path and folder.name not in ("", "..") for folder in folders)


def test_a_chunk_gives_back_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "000001.proxy"
    write_chunk(path, b"f" * 16, 256, (4, 2), [b"one", b"", b"three"])
    chunk = read_chunk(path, b"f" * 16)
    assert chunk is not None
    assert [chunk.picture(i) for i in (255, 256, 257, 258, 259)] == [
        None,
        b"one",
        None,
        b"three",
        None,
    ]
    assert read_chunk(path, b"g" * 16) is None


def test_the_builder_reports_and_finishes(sources, tmp_path: Path) -> None:
    states: list[str] = []
    with Recording(sources) as recording:
        builder = ProxyBuilder(
            recording, tmp_path, height=HEIGHT, on_progress=lambda b: states.append(b.state)
        )
        builder.start()
        deadline = time.monotonic() + 20
        while builder.state == "running" and time.monotonic() < deadline:
            time.sleep(0.01)
        builder.stop()
        assert builder.state == "done"
        assert builder.progress.finished
        assert states[-1] == "done"


def test_the_builder_stops_quickly_and_leaves_no_thread(sources, tmp_path: Path) -> None:
    with Recording(sources) as recording:
        started = threading.Event()
        builder = ProxyBuilder(
            recording, tmp_path, height=HEIGHT, on_progress=lambda _: started.set()
        )
        builder.start()
        assert started.wait(10)
        before = time.monotonic()
        builder.stop()
        assert time.monotonic() - before < 1.0
        assert builder.state in ("stopped", "done")
    assert not [t for t in threading.enumerate() if t.name.startswith("trilabel-proxies")]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_directory_that_cannot_be_written_fails_in_words(sources, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with Recording(sources) as recording:
        builder = ProxyBuilder(recording, tmp_path / "p", height=HEIGHT)
        builder.start()
        builder.stop()
        assert builder.state == "failed"
        assert "denied" in builder.failure
