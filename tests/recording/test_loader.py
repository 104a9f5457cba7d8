"""What the window asked for last comes first, once, and nothing else comes at all."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from core.recording import FolderSpec, FrameLoader, ImageRequest, ImageResult, Recording, VideoSpec
from core.recording.cv import cv2
from core.recording.errors import ReadCancelledError
from core.recording.pictures import decode_image
from tests.recording.painted import number_in, paint, write_video

WAIT_S = 10.0


class Answers:
    """Collects what a loader hands over, and waits for it."""

    def __init__(self) -> None:
        self.got: list[tuple[int, ImageResult]] = []
        self.threads: set[str] = set()
        self._changed = threading.Condition()

    def __call__(self, generation: int, result: ImageResult) -> None:
        with self._changed:
            self.got.append((generation, result))
            self.threads.add(threading.current_thread().name)
            self._changed.notify_all()

    def wait(self, count: int) -> list[tuple[int, ImageResult]]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.got) >= count, WAIT_S), self.got
            return list(self.got)


class SlowReader:
    """A camera whose decoding takes as long as the test wants; it notes what it is asked."""

    num_frames = 1000
    fps = None
    size_px = (192, 96)
    one_at_a_time = True

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)
        self.begun = threading.Semaphore(0)
        self.asked: list[int] = []

    def has(self, index: int) -> bool:
        return 0 <= index < 1000

    def read(self, index, size_px=None, layout="rgb", cancelled=None):
        self.asked.append(index)
        self.begun.release()
        while not self.gate.acquire(timeout=0.002):
            if cancelled is not None and cancelled():
                raise ReadCancelledError
        data = cv2.imencode(".jpg", paint(index))[1].tobytes()
        return decode_image(data, "x", size_px, layout)

    def fingerprint(self, first: int, stop: int) -> str:
        return ""

    def close(self) -> None:
        pass


@pytest.fixture
def folders(tmp_path: Path):
    sources = {}
    for name in "abc":
        (tmp_path / name).mkdir()
        for number in range(40):
            if (name, number) != ("b", 7):
                data = cv2.imencode(".jpg", paint(number))[1].tobytes()
                (tmp_path / name / f"{number:04d}.jpg").write_bytes(data)
        sources[name] = FolderSpec(directory=tmp_path / name)
    (tmp_path / "c" / "0009.jpg").write_bytes(b"torn")
    sources["none"] = None
    with Recording(sources) as recording:
        yield recording


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch):
    """A recording of two slow cameras, and their readers."""
    readers = [SlowReader(), SlowReader()]
    stack = iter(readers)
    monkeypatch.setattr("core.recording.recording.open_reader", lambda *_: next(stack))
    paths = {name: VideoSpec(path=Path(name)) for name in "ab"}
    with Recording(paths) as recording:
        yield recording, [recording.reader(name) for name in "ab"]


def frame_set(frame: int, cameras: int = 3, size: tuple[int, int] = (96, 48)) -> list[ImageRequest]:
    return [ImageRequest(camera, frame, size) for camera in range(cameras)]


def test_every_request_is_answered_once_from_a_worker(folders: Recording) -> None:
    loader, answers = FrameLoader(folders), Answers()
    generation = loader.request(frame_set(5), answers)
    got = answers.wait(3)
    time.sleep(0.05)
    assert len(answers.got) == 3
    assert {number for number, _ in got} == {generation}
    assert sorted(result.camera for _, result in got) == [0, 1, 2]
    assert all(number_in(result.image) == 5 for _, result in got)
    assert all(name.startswith("trilabel-frames") for name in answers.threads)
    loader.close()


def test_images_fit_a_qimage_without_a_copy(folders: Recording) -> None:
    loader, answers = FrameLoader(folders), Answers()
    loader.request([ImageRequest(0, 5)], answers)
    image = answers.wait(1)[0][1].image
    assert image is not None
    assert image.shape == (96, 192, 4)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert not image.flags.writeable
    assert (image[..., 3] == 255).all()
    loader.close()


def test_what_cannot_be_shown_says_which_and_why(folders: Recording) -> None:
    loader, answers = FrameLoader(folders), Answers()
    loader.request([ImageRequest(1, 7), ImageRequest(2, 9), ImageRequest(3, 0)], answers)
    states = {result.camera: result for _, result in answers.wait(3)}
    assert {camera: r.state for camera, r in states.items()} == {
        1: "missing",
        2: "unreadable",
        3: "no_pictures",
    }
    assert all(r.image is None and r.detail for r in states.values())
    assert "number 7" in states[1].detail
    loader.close()


def test_what_was_delivered_is_cached_for_that_size_only(folders: Recording) -> None:
    loader, answers = FrameLoader(folders), Answers()
    request = ImageRequest(0, 5, (96, 48))
    assert loader.cached(request) is None
    loader.request([request], answers)
    result = answers.wait(1)[0][1]
    assert loader.cached(request) is result
    assert loader.cached(ImageRequest(0, 5, (48, 24))) is None
    loader.close()


def test_the_cache_never_exceeds_its_bytes_and_keeps_the_latest(folders: Recording) -> None:
    one = 96 * 48 * 4
    loader = FrameLoader(folders, cache_bytes=5 * one, workers=1)
    for frame in range(12):
        answers = Answers()
        loader.request([ImageRequest(0, frame, (96, 48))], answers)
        answers.wait(1)
        assert loader.cached_bytes <= 5 * one
    kept = [f for f in range(12) if loader.cached(ImageRequest(0, f, (96, 48))) is not None]
    assert kept == [7, 8, 9, 10, 11]
    loader.close()


def test_a_picture_seen_again_stays_longer(folders: Recording) -> None:
    one = 96 * 48 * 4
    loader = FrameLoader(folders, cache_bytes=3 * one, workers=1)
    for frame in (0, 1, 2, 0, 3):
        answers = Answers()
        loader.request([ImageRequest(0, frame, (96, 48))], answers)
        answers.wait(1)
    kept = [f for f in range(4) if loader.cached(ImageRequest(0, f, (96, 48))) is not None]
    assert kept == [0, 2, 3]
    loader.close()


def test_a_newer_request_replaces_what_still_waits(slow) -> None:
    recording, (a, _) = slow
    loader, old, new = FrameLoader(recording, workers=2), Answers(), Answers()
    loader.request([ImageRequest(0, frame) for frame in range(1, 9)], old)
    assert a.begun.acquire(timeout=WAIT_S)
    loader.request([ImageRequest(0, 50)], new)
    assert a.begun.acquire(timeout=WAIT_S)  # frame 1 was broken off without the gate being opened
    a.gate.release()
    assert number_in(new.wait(1)[0][1].image) == 50
    assert a.asked == [1, 50]
    assert old.got == []
    loader.close()


def test_a_decode_that_the_newer_request_wants_too_goes_on(slow) -> None:
    recording, (a, _) = slow
    loader, old, new = FrameLoader(recording, workers=2), Answers(), Answers()
    loader.request([ImageRequest(0, 1), ImageRequest(0, 2)], old)
    assert a.begun.acquire(timeout=WAIT_S)
    second = loader.request([ImageRequest(0, 1)], new)
    time.sleep(0.05)
    a.gate.release()
    assert [(n, r.frame) for n, r in new.wait(1)] == [(second, 1)]
    assert a.asked == [1]
    assert old.got == []
    loader.close()


def test_the_screen_comes_before_the_frames_around(slow) -> None:
    recording, (a, _) = slow
    loader, answers = FrameLoader(recording, workers=1), Answers()
    loader.prefetch([ImageRequest(0, 10, (96, 48))])
    assert a.begun.acquire(timeout=WAIT_S)  # frame 11 is being decoded ahead
    loader.request([ImageRequest(0, 500, (96, 48))], answers)
    assert a.begun.acquire(timeout=WAIT_S)
    a.gate.release()
    assert answers.wait(1)[0][1].frame == 500
    assert a.asked == [11, 500]
    loader.close()


def test_the_frames_around_wait_for_the_screen(slow) -> None:
    recording, (a, _) = slow
    loader, answers = FrameLoader(recording, workers=1), Answers()
    requests = [ImageRequest(0, frame, (96, 48)) for frame in (1, 2, 3)]
    loader.request(requests, answers)
    loader.prefetch(requests[:1], reach=4)
    a.gate.release(100)
    answers.wait(3)
    assert a.asked[:3] == [1, 2, 3]
    loader.close()


def test_one_slow_camera_leaves_the_workers_to_the_others(slow) -> None:
    recording, (a, b) = slow
    loader, answers = FrameLoader(recording, workers=2), Answers()
    loader.request([ImageRequest(0, 1), ImageRequest(0, 2), ImageRequest(1, 1)], answers)
    assert a.begun.acquire(timeout=WAIT_S)
    assert b.begun.acquire(timeout=WAIT_S)
    b.gate.release()
    assert answers.wait(1)[0][1].camera == 1
    assert a.asked == [1]
    a.gate.release(2)
    assert len(answers.wait(3)) == 3
    loader.close()


@pytest.mark.parametrize(
    ("direction", "wanted"),
    [(1, [21, 22, 23]), (-1, [17, 18, 19]), (0, [21, 22, 23, 17, 18, 19])],
)
def test_prefetch_follows_the_direction_of_play(slow, direction: int, wanted: list[int]) -> None:
    recording, (a, _) = slow
    loader = FrameLoader(recording, workers=1)
    a.gate.release(100)
    loader.prefetch([ImageRequest(0, 20, (96, 48))], direction=direction, reach=3)
    deadline = time.monotonic() + WAIT_S
    while len(a.asked) < len(wanted) and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.05)
    assert a.asked == wanted
    assert loader.cached(ImageRequest(0, wanted[0], (96, 48))) is not None
    loader.close()


def test_prefetch_stops_at_the_ends_and_at_half_the_cache(slow) -> None:
    recording, (a, _) = slow
    a.gate.release(100)
    loader = FrameLoader(recording, workers=1, cache_bytes=8 * 96 * 48 * 4)
    loader.prefetch([ImageRequest(0, 998, (96, 48))], direction=1)
    loader.close()
    assert a.asked in ([], [999])
    loader = FrameLoader(recording, workers=1, cache_bytes=8 * 96 * 48 * 4)
    a.asked.clear()
    loader.prefetch([ImageRequest(0, 100, (96, 48))], direction=1)
    deadline = time.monotonic() + WAIT_S
    while len(a.asked) < 4 and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.05)
    assert a.asked == [101, 102, 103, 104]
    loader.close()


def test_a_storm_of_requests_ends_with_the_last_and_delivers_nothing_stale(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", 120, gop=40)
    sources = {name: VideoSpec(path=path) for name in "abcd"}
    with Recording(sources) as recording:
        loader = FrameLoader(recording, workers=4)
        current = [0]
        stale: list[int] = []
        finished = threading.Event()
        seen: dict[int, list[ImageResult]] = {}

        def ready(generation: int, result: ImageResult) -> None:
            if generation < current[0]:
                stale.append(generation)
            seen.setdefault(generation, []).append(result)
            if generation == 60 and len(seen[generation]) == 4:
                finished.set()

        rng = np.random.default_rng(0)
        for frame in rng.integers(0, 120, 60).tolist():
            requests = frame_set(frame, 4)
            current[0] = loader.request(requests, ready)
            loader.prefetch(requests)
            time.sleep(float(rng.uniform(0, 0.01)))
        assert finished.wait(WAIT_S)
        loader.close()
        assert stale == []
        for results in seen.values():
            assert len({r.camera for r in results}) == len(results)
            assert all(number_in(r.image) == r.frame for r in results)
        assert {r.frame for r in seen[60]} == {frame}


def test_a_callback_may_ask_for_the_next_frame(folders: Recording) -> None:
    loader, answers = FrameLoader(folders), Answers()

    def play(generation: int, result: ImageResult) -> None:
        answers(generation, result)
        if result.frame < 5:
            loader.request([ImageRequest(0, result.frame + 1)], play)

    loader.request([ImageRequest(0, 0)], play)
    assert [r.frame for _, r in answers.wait(6)] == [0, 1, 2, 3, 4, 5]
    loader.close()


def test_clearing_forgets_the_pictures(folders: Recording) -> None:
    loader, answers = FrameLoader(folders), Answers()
    loader.request(frame_set(5), answers)
    answers.wait(3)
    loader.clear()
    assert loader.cached_bytes == 0
    assert loader.cached(frame_set(5)[0]) is None
    loader.close()


def test_closing_is_quick_in_the_midst_of_work_and_leaves_no_thread(slow) -> None:
    recording, (a, b) = slow
    before = set(threading.enumerate())
    loader, answers = FrameLoader(recording, workers=4), Answers()
    loader.request(frame_set(3, 2), answers)
    assert a.begun.acquire(timeout=WAIT_S)
    assert b.begun.acquire(timeout=WAIT_S)
    started = time.monotonic()
    loader.close()
    assert time.monotonic() - started < 1.0
    assert not set(threading.enumerate()) - before
    assert answers.got == []
    loader.close()
