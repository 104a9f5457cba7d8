"""The written folder: read back by the SportCenter reader, and held against the truth."""

import subprocess
import sys
from dataclasses import replace

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import CommandRefusedError, DataError
from core.formats.alphapose import read_alphapose
from core.formats.sportcenter import TEST_SUBJECTS, read_dataset
from core.recording.cv import cv2
from core.synthetic import AnnotatedRange, SynthConfig, synthesise
from core.synthetic.figures import make_cast
from core.synthetic.rig import court_rig
from core.synthetic.sight import Sight
from core.synthetic.truth import read_truth

SMALL = SynthConfig(
    num_frames=14,
    seed=3,
    picture_scale=0.25,
    num_people=8,
    annotated=(
        AnnotatedRange(first=4, stop=8, step=3),
        AnnotatedRange(first=9, stop=12, step=1),
    ),
    num_workers=2,
)


@pytest.fixture(scope="module")
def small_match(tmp_path_factory):
    """A whole data set of SMALL; read only."""
    directory = tmp_path_factory.mktemp("synthetic") / "match"
    assert synthesise(SMALL, directory)
    return directory


@pytest.fixture(scope="module")
def small_truth(small_match):
    return read_truth(small_match / "truth.h5")


def test_the_reader_gives_back_the_cameras(small_match):
    found, made = read_dataset(small_match).rig, court_rig(SMALL)
    assert found.names == made.names == tuple(f"ace_{i}" for i in range(8))
    for a, b in zip(found, made, strict=True):
        np.testing.assert_allclose(a.P, b.P, rtol=1e-9)
        np.testing.assert_allclose(a.distortion, b.distortion)


def test_pictures_have_the_calibrated_sizes_and_count_from_one(small_match):
    data = read_dataset(small_match)
    for camera in court_rig(SMALL):
        folder = data.pictures[camera.name].folder
        names = sorted(path.name for path in folder.iterdir())
        assert names == [f"frame_{n:06d}.jpg" for n in range(1, SMALL.num_frames + 1)]
        height, width = cv2.imread(str(folder / names[0])).shape[:2]
        assert (width, height) == camera.size_px


def test_cameras_differ_in_size():
    assert len({camera.size_px for camera in court_rig()}) >= 6


def test_trajectories_follow_the_heads(small_match, small_truth):
    tracks = read_dataset(small_match).trajectories
    assert set(tracks.person.tolist()) == set(small_truth.persons.tolist())
    for person, frame, head in zip(tracks.person, tracks.frame, tracks.head_mm, strict=True):
        row = int(np.searchsorted(small_truth.persons, person))
        nose = small_truth.points_mm[frame, row, 0]
        assert np.linalg.norm(head - nose) < 160
    assert (tracks.head_mm[:, 2] > 1000).all()


def test_every_subject_is_annotated_in_both_ranges(small_match, small_truth):
    poses = read_dataset(small_match).poses
    assert set(poses) == set(small_truth.persons.tolist()) >= set(TEST_SUBJECTS)
    for subject in poses:
        assert poses[subject].frames.tolist() == [3, 6, 8, 9, 10]
    assert {path.name for path in (small_match / "human_poses").iterdir()} == {"4_8_3", "9_12_1"}


def test_annotations_are_the_truth_with_the_errors_of_clicks(small_match, small_truth):
    poses = read_dataset(small_match).poses
    rows = [int(np.searchsorted(small_truth.persons, subject)) for subject in poses]
    frames = next(iter(poses.values())).frames
    truth_px = small_truth.points_px[frames][:, rows]
    found_px = np.stack([poses[subject].points_px for subject in poses], axis=1)
    visible = small_truth.visible[frames][:, rows]
    outside = small_truth.sight[frames][:, rows] == Sight.OUTSIDE
    assert np.isnan(found_px[outside]).all()
    assert np.isfinite(found_px[~outside]).all()
    error = found_px - truth_px
    assert 0.9 < error[visible].std() < 1.1
    assert 1.8 < error[~visible & ~outside].std() < 2.2
    found_mm = np.stack([poses[subject].points_mm for subject in poses], axis=1)
    distance = np.linalg.norm(found_mm - small_truth.points_mm[frames][:, rows], axis=-1)
    # A quarter of full size: a pixel is four of the real cameras'.
    assert 5 < np.nanmedian(distance) < 80


def test_the_truth_projects_onto_itself(small_truth):
    projected = court_rig(SMALL).project(small_truth.points_mm)
    np.testing.assert_allclose(projected, small_truth.points_px, atol=2e-3)


def test_the_truth_says_where_everybody_is(small_truth):
    assert small_truth.points_px.shape == (14, 8, 8, 13, 2)
    np.testing.assert_array_equal(small_truth.visible, small_truth.sight == Sight.VISIBLE)
    inside = small_truth.sight != Sight.OUTSIDE
    assert 0.5 < inside.mean() < 0.98
    assert 0.4 < small_truth.visible[inside].mean() < 0.85


def test_detections_are_read_back_for_every_camera(small_match, small_truth):
    for name in small_truth.cameras:
        found = read_alphapose(small_match / "alphapose" / f"{name}.json")
        assert found.frames.max(initial=0) < SMALL.num_frames
        assert found.num_joints == 13 or not len(found)
        assert (found.identity == -1).all()


def _files(directory):
    return sorted(p.relative_to(directory) for p in directory.rglob("*") if p.is_file())


def test_the_same_seed_gives_the_same_bytes_whatever_the_threads(small_match, tmp_path):
    again = tmp_path / "again"
    assert synthesise(replace(SMALL, num_workers=1), again)
    files = sorted(p.relative_to(again) for p in again.rglob("*") if p.is_file())
    assert files == sorted(
        p.relative_to(small_match) for p in small_match.rglob("*") if p.is_file()
    )
    for file in files:
        if file.suffix != ".h5":
            assert (again / file).read_bytes() == (small_match / file).read_bytes(), file
    first, second = read_truth(small_match / "truth.h5"), read_truth(again / "truth.h5")
    np.testing.assert_array_equal(first.points_mm, second.points_mm)
    np.testing.assert_array_equal(first.sight, second.sight)


def test_another_seed_gives_another_match(small_match, tmp_path):
    other = tmp_path / "other"
    assert synthesise(replace(SMALL, seed=4, cameras=("ace_4",), num_frames=12), other)
    name = "multicam/ace_4/frame_000001.jpg"
    assert (other / name).read_bytes() != (small_match / name).read_bytes()


def test_a_subset_of_cameras_shows_the_same_pictures(small_match, tmp_path):
    part = tmp_path / "part"
    assert synthesise(replace(SMALL, cameras=("ace_5", "ace_2"), detections=False), part)
    assert read_dataset(part).rig.names == ("ace_5", "ace_2")
    assert not (part / "alphapose").exists()
    name = "multicam/ace_2/frame_000014.jpg"
    assert (part / name).read_bytes() == (small_match / name).read_bytes()


def test_videos_hold_every_frame(tmp_path):
    config = replace(SMALL, pictures="video", cameras=("ace_3",), detections=False)
    assert synthesise(config, tmp_path / "video")
    with av.open(str(tmp_path / "video" / "multicam" / "ace_3.mp4")) as file:
        frames = [frame.to_ndarray(format="bgr24") for frame in file.decode(video=0)]
        assert file.streams.video[0].average_rate == 25
    assert len(frames) == SMALL.num_frames
    camera = court_rig(config)[0]
    assert frames[0].shape[1::-1] == camera.size_px


def test_without_pictures_everything_else_is_there(tmp_path):
    config = replace(SMALL, pictures="none", cameras=("ace_0", "ace_1", "ace_6"))
    assert synthesise(config, tmp_path / "bare")
    data = read_dataset(tmp_path / "bare")
    assert all(p.video is None and p.folder is None for p in data.pictures.values())
    assert data.poses
    assert data.trajectories is not None


def test_stopping_leaves_nothing_behind(tmp_path):
    seen = []

    def stop_soon(done: int, total: int) -> bool:
        seen.append((done, total))
        return False

    assert not synthesise(SMALL, tmp_path / "match", stop_soon)
    assert list(tmp_path.iterdir()) == []
    assert seen[-1][1] == SMALL.num_frames * 8


def test_progress_ends_at_the_total(tmp_path):
    seen = []
    config = replace(SMALL, pictures="none", cameras=("ace_1",))
    assert synthesise(
        config, tmp_path / "m", lambda done, total: seen.append((done, total)) or True
    )
    assert seen[-1] == (14, 14)
    assert seen == sorted(seen)


def test_a_folder_with_something_in_it_is_refused(tmp_path):
    (tmp_path / "keep.txt").write_text("mine")
    with pytest.raises(CommandRefusedError, match="not empty"):
        synthesise(SMALL, tmp_path)
    assert (tmp_path / "keep.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_frames", 1),
        ("fps", 0),
        ("seed", -1),
        ("num_people", 14),
        ("num_bystanders", -1),
        ("pictures", "png"),
        ("jpeg_quality", 0),
        ("picture_scale", 0),
        ("annotation_noise_px", -1),
        ("num_workers", 0),
        ("cameras", ()),
        ("cameras", ("ace_8",)),
        ("cameras", ("ace_1", "ace_1")),
        ("annotated", (AnnotatedRange(first=0, stop=2),)),
        ("annotated", (AnnotatedRange(first=1, stop=5), AnnotatedRange(first=4, stop=6))),
    ],
)
def test_an_impossible_config_is_refused_by_field(field, value):
    with pytest.raises(DataError) as caught:
        SynthConfig(**{field: value})
    assert caught.value.field == field


@given(num_frames=st.integers(2, 70_000))
@settings(deadline=None, max_examples=60)
def test_annotated_ranges_lie_inside_any_recording(num_frames):
    ranges = SynthConfig(num_frames=num_frames).annotated_ranges
    numbers = [number for part in ranges for number in part.frame_numbers]
    assert numbers
    assert len(numbers) <= 70
    assert min(numbers) >= 1
    assert max(numbers) <= num_frames
    assert len(set(numbers)) == len(numbers)


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, core.synthetic; "
        "print([m for m in ('numba', 'cv2', 'h5py', 'scipy', 'av') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_practice_has_low_cameras_that_move_with_the_seed_and_clothes_without_teams():
    config = SynthConfig(num_frames=4, num_people=8, setting="practice")
    rig, other = court_rig(config), court_rig(replace(config, seed=1))
    centers = np.stack([camera.center_mm for camera in rig])
    assert centers[:, 2].max() < 4700 < np.stack([c.center_mm for c in court_rig()])[:, 2].min()
    assert not np.allclose(centers, np.stack([camera.center_mm for camera in other]))
    assert (make_cast(config).atlas != make_cast(replace(config, setting="match")).atlas).any()
