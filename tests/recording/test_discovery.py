"""The cameras of a directory are found by their files' and folders' names."""

from pathlib import Path

import pytest

from core.errors import DataError
from core.recording import Recording, discover_sources
from core.recording.sources import FolderSpec, VideoSpec, spec_from_dict


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_videos_are_cameras_by_their_stems_in_natural_order(tmp_path: Path) -> None:
    touch(*(tmp_path / name for name in ("cam10.mp4", "cam2.MP4", "cam1.avi", "notes.txt")))
    assert discover_sources(tmp_path) == {
        "cam1": VideoSpec(path=tmp_path / "cam1.avi"),
        "cam2": VideoSpec(path=tmp_path / "cam2.MP4"),
        "cam10": VideoSpec(path=tmp_path / "cam10.mp4"),
    }
    assert list(discover_sources(tmp_path)) == ["cam1", "cam2", "cam10"]


def test_folders_of_pictures_share_the_smallest_first_number(tmp_path: Path) -> None:
    touch(*(tmp_path / "a" / f"frame_{n:06d}.jpg" for n in (3, 4, 5)))
    touch(*(tmp_path / "b" / f"frame_{n:06d}.jpg" for n in (1, 2)))
    (tmp_path / "empty").mkdir()
    assert discover_sources(tmp_path) == {
        "a": FolderSpec(directory=tmp_path / "a", first_number=1),
        "b": FolderSpec(directory=tmp_path / "b", first_number=1),
    }


def test_a_video_is_preferred_to_the_pictures_extracted_from_it(tmp_path: Path) -> None:
    touch(tmp_path / "ace_0.mp4", tmp_path / "ace_0" / "frame_000001.jpg")
    assert discover_sources(tmp_path) == {"ace_0": VideoSpec(path=tmp_path / "ace_0.mp4")}


def test_a_directory_of_pictures_is_one_camera(tmp_path: Path) -> None:
    touch(tmp_path / "cam" / "7.png", tmp_path / "cam" / "8.png")
    wanted = {"cam": FolderSpec(directory=tmp_path / "cam", first_number=7)}
    assert discover_sources(tmp_path / "cam") == wanted


def test_two_videos_for_one_camera_are_an_error(tmp_path: Path) -> None:
    touch(tmp_path / "back" / "take1.mp4", tmp_path / "back" / "take2.mp4")
    with pytest.raises(DataError, match=r"take1\.mp4, take2\.mp4.*back=FILE"):
        discover_sources(tmp_path)
    touch(tmp_path / "other" / "cam.mp4", tmp_path / "other" / "cam.avi")
    with pytest.raises(DataError, match="camera cam"):
        discover_sources(tmp_path / "other")


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    touch(tmp_path / "notes.txt")
    assert discover_sources(tmp_path) == {}
    with pytest.raises(DataError, match="directory"):
        discover_sources(tmp_path / "none")


@pytest.mark.parametrize(
    "spec",
    [
        VideoSpec(path=Path("/data/a b.mp4")),
        FolderSpec(directory=Path("/data/cam")),
        FolderSpec(directory=Path("/data/cam"), first_number=1, pattern="f_%06d.jpg"),
    ],
)
def test_a_spec_survives_its_dictionary(spec: VideoSpec | FolderSpec) -> None:
    assert spec_from_dict(spec.to_dict(), "project.toml", "recording.cam") == spec


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"path": "/a"}, "kind"),
        ({"kind": "hologram", "path": "/a"}, "kind"),
        ({"kind": "video"}, "path"),
        ({"kind": "video", "path": 3}, "path"),
        ({"kind": "images", "path": "/a", "first_number": "1"}, "first_number"),
        ({"kind": "images", "path": "/a", "first_number": True}, "first_number"),
    ],
)
def test_a_wrong_dictionary_is_an_error_that_names_the_field(values: dict, field: str) -> None:
    with pytest.raises(DataError, match=rf"project\.toml: recording\.cam\.{field}"):
        spec_from_dict(values, "project.toml", "recording.cam")


@pytest.mark.data
def test_the_real_recordings_are_found(real_data: Path) -> None:
    people = discover_sources(real_data / "pose2sim" / "videos")
    assert list(people) == ["cam01", "cam02", "cam03", "cam04"]
    mouse = discover_sources(real_data / "sleap_anipose")
    assert list(mouse) == ["back", "mid", "side", "top"]
    with Recording(people) as recording:
        assert recording.num_frames == 100
        assert recording.fps == 60.0
        assert [recording.size_px(c) for c in recording.cameras] == [
            (1080, 1920),
            (1080, 1920),
            (1088, 1920),
            (1088, 1920),
        ]
    with Recording(mouse) as recording:
        assert [recording.num_frames_of(c) for c in recording.cameras] == [120] * 4
        assert recording.size_px("side") == (1280, 1024)
