"""Every frame of every kind of video is the one that was painted there."""

import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from core.errors import DataError
from core.recording.errors import MissingFrameError, ReadCancelledError
from core.recording.sources import VideoSpec
from core.recording.video import VideoReader
from core.recording.video_index import index_video
from tests.recording.painted import (
    number_in,
    paint,
    shift_edit_list,
    shorten_edit_list,
    write_video,
)

N = 72
H264 = {"x264-params": "scenecut=0:b-adapt=0"}
OPEN = {"x264-params": "scenecut=0:b-adapt=0:open-gop=1:b-pyramid=normal"}
STAMPS = np.cumsum(np.random.default_rng(1).integers(10, 90, N)).tolist()

KINDS: dict[str, tuple[str, dict]] = {
    "one long group with B-frames": ("a.mp4", {"options": H264}),
    "open groups with a B-pyramid": ("a.mp4", {"options": OPEN, "gop": 12}),
    "matroska": ("a.mkv", {"options": H264, "gop": 20}),
    "transport stream with offset start": ("a.ts", {"options": H264, "gop": 20}),
    "fragmented": (
        "a.mp4",
        {"options": H264, "gop": 20, "container_options": {"movflags": "frag_keyframe+empty_moov"}},
    ),
    "variable rate": ("a.mp4", {"options": H264, "gop": 20, "stamps": STAMPS}),
    "start before zero": (
        "a.mkv",
        {"options": H264, "gop": 20, "stamps": [stamp - 500 for stamp in STAMPS]},
    ),
    "start at three seconds": (
        "a.mp4",
        {"options": H264, "gop": 20, "stamps": [stamp + 3000 for stamp in STAMPS]},
    ),
    "periodic intra refresh": (
        "a.mp4",
        {"options": {"x264-params": "scenecut=0:intra-refresh=1"}, "gop": 20, "b_frames": 0},
    ),
    "hevc with leading pictures": (
        "a.mp4",
        {
            "codec": "libx265",
            "options": {"x265-params": "log-level=none:keyint=16:open-gop=1:scenecut=0:pools=1"},
        },
    ),
    "vp9 with hidden frames": (
        "a.webm",
        {
            "codec": "libvpx-vp9",
            "gop": 20,
            "b_frames": 0,
            "options": {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "12"},
        },
    ),
    "avi without time stamps": ("a.avi", {"options": H264, "gop": 15}),
    "avi of mpeg4 with B-frames": ("a.avi", {"codec": "mpeg4", "gop": 15, "b_frames": 2}),
    "avi of jpegs": ("a.avi", {"codec": "mjpeg", "b_frames": 0, "pix_fmt": "yuvj420p"}),
    "program stream": ("a.mpg", {"codec": "mpeg2video", "gop": 12, "b_frames": 2}),
    "bare h264": ("a.h264", {"options": H264, "gop": 20}),
}


def assert_exact(path: Path, first: int, num_frames: int) -> None:
    """Every frame forwards, backwards by leaps, and 40 random ones carry their number."""
    reader = VideoReader(VideoSpec(path=path))
    assert reader.num_frames == num_frames
    forwards = [number_in(reader.read(i)) for i in range(num_frames)]
    assert forwards == list(range(first, first + num_frames))
    jumps = [
        *range(num_frames - 1, 0, -7),
        *np.random.default_rng(3).integers(0, num_frames, 40).tolist(),
    ]
    assert [number_in(reader.read(i)) for i in jumps] == [first + i for i in jumps]
    reader.close()


@pytest.mark.parametrize("kind", KINDS)
def test_every_frame_is_the_painted_one(kind: str, tmp_path: Path) -> None:
    name, how = KINDS[kind]
    path = write_video(tmp_path / name, N, **how)
    assert_exact(path, 0, N)


@pytest.mark.parametrize(("gop", "shift"), [(250, 5), (12, 30)])
def test_frame_zero_is_the_first_one_that_an_edit_list_presents(
    gop: int, shift: int, tmp_path: Path
) -> None:
    path = write_video(tmp_path / "a.mp4", N, options=OPEN, gop=gop)
    shift_edit_list(path, shift)
    assert_exact(path, shift, N - shift)


def test_frames_after_the_end_of_an_edit_list_are_not_presented(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", N, options=H264)
    shorten_edit_list(path, 10)
    assert_exact(path, 0, N - 10)


def test_a_stream_cut_in_a_group_starts_at_its_first_decodable_picture(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.ts", N, options=H264, gop=24)
    data = path.read_bytes()
    path.write_bytes(data[188 * 30 :])
    assert_exact(path, 24, N - 24)


def test_a_cut_off_file_keeps_the_frames_before_the_cut(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", N, options=H264, gop=20)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    reader = VideoReader(VideoSpec(path=path))
    assert 10 < reader.num_frames < N
    good = reader.num_frames - 4  # the cut may leave the last group without a reference
    assert [number_in(reader.read(i)) for i in range(good)] == list(range(good))
    reader.close()


def test_stepping_forward_never_seeks_again_even_across_groups(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", N, options=OPEN, gop=12)
    reader = VideoReader(VideoSpec(path=path))
    reader.read(0)
    seeks, packets = reader.num_seeks, reader.num_packets
    for index in range(1, N):
        reader.read(index)
    assert reader.num_seeks == seeks
    assert reader.num_packets <= packets + N + 1
    reader.close()


def test_a_frame_ahead_in_the_group_is_reached_by_decoding_on(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", N, options=H264)
    reader = VideoReader(VideoSpec(path=path))
    reader.read(10)
    seeks = reader.num_seeks
    assert number_in(reader.read(60)) == 60
    assert reader.num_seeks == seeks
    reader.close()


def test_pictures_skipped_on_the_way_leave_the_target_the_same(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", N, options=OPEN, gop=24)
    with av.open(str(path)) as container:
        whole = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    reader = VideoReader(VideoSpec(path=path))
    for index in (47, 13, 30, 46, 22, 71, 5):
        off = np.abs(reader.read(index).astype(int) - whole[index])
        assert off.max() <= 3  # two paths of one colour conversion
    reader.close()


def test_a_size_is_honoured_and_never_enlarged(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", 4, options=H264)
    reader = VideoReader(VideoSpec(path=path))
    small = reader.read(3, (96, 48), "bgra")
    assert small.shape == (48, 96, 4)
    assert small.flags.c_contiguous
    assert number_in(small) == 3
    assert (small[..., 3] == 255).all()
    assert reader.read(3, (999, 999)).shape == (96, 192, 3)
    reader.close()


def test_black_and_white_fill_the_whole_range(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        picture = np.zeros((64, 64, 3), np.uint8)
        picture[:, 32:] = 255
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    reader = VideoReader(VideoSpec(path=path))
    got = reader.read(0)
    assert got[:, :28].max() <= 3
    assert got[:, 36:].min() >= 252
    reader.close()


def test_colours_keep_their_order_in_each_layout(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv444p"
        picture = np.zeros((64, 64, 3), np.uint8)
        picture[:] = (230, 120, 20)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    reader = VideoReader(VideoSpec(path=path))
    for layout, wanted in (("rgb", (230, 120, 20)), ("bgr", (20, 120, 230))):
        np.testing.assert_allclose(reader.read(0, None, layout)[32, 32], wanted, atol=6)
    np.testing.assert_allclose(reader.read(0, None, "bgra")[32, 32], (20, 120, 230, 255), atol=6)
    reader.close()


def test_a_frame_beyond_the_end_is_missing(tmp_path: Path) -> None:
    reader = VideoReader(VideoSpec(path=write_video(tmp_path / "a.mp4", 5, options=H264)))
    assert not reader.has(5)
    with pytest.raises(MissingFrameError, match="frame 5"):
        reader.read(5)
    with pytest.raises(MissingFrameError):
        reader.read(-1)
    reader.close()


def test_a_cancelled_read_stops_and_the_next_one_is_exact(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", N, options=H264)
    reader = VideoReader(VideoSpec(path=path))
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 10

    with pytest.raises(ReadCancelledError):
        reader.read(70, cancelled=cancelled)
    assert reader.num_packets < 20
    assert [number_in(reader.read(i)) for i in (3, 40, 70)] == [3, 40, 70]
    reader.close()


def test_the_index_is_kept_and_made_again_when_the_file_changes(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", 20, options=H264)
    fresh = index_video(path, tmp_path / "cache")
    (cached,) = (tmp_path / "cache").iterdir()
    written = cached.stat().st_mtime_ns
    again = index_video(path, tmp_path / "cache")
    assert cached.stat().st_mtime_ns == written
    for name in ("pts", "key_pts", "key_dts", "ranks", "packet_dts", "size_px"):
        np.testing.assert_array_equal(getattr(again, name), getattr(fresh, name))
    assert again.fps == fresh.fps == 25.0
    write_video(path, 33, options=H264)
    assert len(index_video(path, tmp_path / "cache").pts) == 33


def test_a_cache_that_cannot_be_written_does_not_matter(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", 20, options=H264)
    (tmp_path / "cache").write_bytes(b"a file in the directory's place")
    assert len(index_video(path, tmp_path / "cache").pts) == 20


@pytest.mark.parametrize("keep", [0, 7, 60, -9])
def test_a_damaged_index_is_made_again(keep: int, tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", 20, options=H264)
    index_video(path, tmp_path / "cache")
    (cached,) = (tmp_path / "cache").iterdir()
    cached.write_bytes(cached.read_bytes()[:keep] + b"\x00" * 5)
    assert len(index_video(path, tmp_path / "cache").pts) == 20


@pytest.mark.parametrize(
    "content", [b"", b"not a video at all", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"]
)
def test_what_is_no_video_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cam.mp4"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"cam\.mp4.*a video that can be decoded"):
        VideoReader(VideoSpec(path=path))


PLAYLISTS = {
    "a.mp4": "ffconcat version 1.0\nfile good.ts\n",
    "a.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\ngood.ts\n#EXT-X-ENDLIST\n",
}


@pytest.mark.parametrize("name", PLAYLISTS)
def test_a_playlist_of_good_videos_is_not_followed(name: str, tmp_path: Path) -> None:
    write_video(tmp_path / "good.ts", 10, options=H264)
    playlist = tmp_path / name
    playlist.write_text(PLAYLISTS[name], "utf-8")
    with av.open(str(playlist)) as container:
        assert container.streams.video  # libav by itself follows it
    with pytest.raises(DataError, match="a video that can be decoded"):
        VideoReader(VideoSpec(path=playlist))


def test_damage_inside_never_shows_a_wrong_number(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", N, options=H264, gop=12)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 64] = bytes(64)
    path.write_bytes(data)
    reader = VideoReader(VideoSpec(path=path))
    assert reader.num_frames == N
    right = 0
    for index in range(N):
        try:
            right += number_in(reader.read(index)) == index
        except DataError:
            continue
    assert right >= N - 12  # all but the damaged group
    assert number_in(reader.read(N - 1)) == N - 1
    reader.close()


def test_painting_can_be_read_back() -> None:
    assert all(number_in(paint(n)) == n for n in (0, 1, 1234, 4095))


@pytest.mark.data
def test_real_videos_jump_to_the_pictures_that_they_play(real_data: Path) -> None:
    folder = real_data / "pose2sim" / "videos"
    for path in sorted(folder.glob("*.mp4")):
        reader = VideoReader(VideoSpec(path=path))
        assert reader.num_frames == 100
        with av.open(str(path)) as container:
            played = [
                frame.reformat(108, 192, "gray").to_ndarray() for frame in container.decode(video=0)
            ]
        for index in (99, 3, 57):
            gray = reader.read(index, (108, 192)).astype(float).mean(axis=2)
            errors = [float(np.abs(gray - other).mean()) for other in played]
            assert int(np.argmin(errors)) == index
        reader.close()


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="compares with ffmpeg where it is")
def test_an_edit_list_counts_as_ffmpeg_counts(tmp_path: Path) -> None:
    import subprocess

    path = write_video(tmp_path / "a.mp4", 30, options=OPEN, gop=12)
    shift_edit_list(path, 7)
    command = ["ffmpeg", "-v", "error", "-i", str(path), str(tmp_path / "frame_%06d.png")]
    subprocess.run(command, check=True)
    extracted = sorted(tmp_path.glob("frame_*.png"))
    reader = VideoReader(VideoSpec(path=path))
    assert len(extracted) == reader.num_frames == 23
    from core.recording.pictures import decode_image

    for index in (0, 11, 22):
        picture = decode_image(extracted[index].read_bytes(), "x")
        assert number_in(picture) == number_in(reader.read(index)) == index + 7
    reader.close()
