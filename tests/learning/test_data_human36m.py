"""Human3.6M is read from the multi-view label file, the camera JSON and extracted pictures."""

import os

import numpy as np
import pytest

from core.errors import DataError
from core.formats.human36m_labels import read_labels
from core.formats.numpy_pickle import read_pickled_table
from core.learning.data import open_data
from core.project.runs.config import DataOptions
from tests.learning.data_worlds import (
    H36M_CAMERAS,
    STANDING,
    colour,
    ring_rig,
    write_h36m,
    write_h36m_cameras,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("h36m")
    return folder, write_h36m(folder)


def opened(folder, protocol, **options):
    return open_data(DataOptions(protocol=protocol, source=str(folder), **options))


def names(data, groups):
    return {data.recording(group).name for group in groups}


def test_s1_alone_is_labelled_and_the_test_subjects_are_held_out(made):
    folder, _ = made
    with opened(folder, "h36m-s1") as data:
        assert names(data, data.labelled) == {"S1/Directions-1", "S1/Greeting-2"}
        assert len(data.labelled) == 12
        assert names(data, data.unlabelled) == {"S5/Directions-1", "S5/Greeting-2"}
        assert [group.frame for group in data.unlabelled] == [0, 5, 0, 5]
        assert names(data, data.held_out) == {"S9/Directions-1"}, "S9/Greeting-2 is known as bad"
        assert [group.frame for group in data.held_out] == [0]


def test_a_tenth_of_the_training_labels_is_spread_and_the_rest_is_unlabelled(made):
    folder, _ = made
    with opened(folder, "h36m-10pct") as data:
        assert len(data.labelled) == 2
        assert {group.person for group in data.labelled} == {1, 5}
        assert {group.person for group in data.unlabelled} == {1, 5}
    with opened(folder, "h36m", labelled_percent=50) as half:
        assert len(half.labelled) == 12


def test_labels_boxes_and_pictures_are_those_of_the_take(made):
    folder, rigs = made
    with opened(folder, "h36m") as data:
        group = next(g for g in data.labelled if (g.person, g.frame) == (5, 4))
        recording = data.recording(group)
        assert recording.name == "S5/Directions-1"
        points = np.concatenate([STANDING, STANDING[:4]]) + np.array((40, 0, 0))
        np.testing.assert_allclose(data.points_mm(group), points, atol=1e-3)
        seen = rigs[1].project(points)
        np.testing.assert_allclose(data.targets_px(group), seen, atol=0.05)
        box = data.boxes_px(group)
        np.testing.assert_allclose(box[:, 0], seen[..., 0].min(axis=1) - 5, atol=1.5)
        np.testing.assert_allclose(box[:, 3], seen[..., 1].max(axis=1) + 5, atol=1.5)
        picture = recording.read(2, 4)
        assert np.abs(picture[0, 0].astype(int) - colour(2, 4)).max() <= 4


def test_a_box_of_zeros_means_a_missing_view(made):
    folder, _ = made
    with opened(folder, "h36m") as data:
        boxes = data.recordings[0].boxes_px(1, 1)
        assert np.isnan(boxes).all(axis=1).tolist() == [False, False, True, False]


def test_the_recordings_of_a_subject_share_a_rig_and_subjects_do_not(made):
    folder, rigs = made
    with opened(folder, "h36m") as data:
        first, second, third = (recording.rig for recording in data.recordings[:3])
        assert first is second
        assert np.abs(third.projections - rigs[1].projections).max() < 0.5
        assert np.abs(third.projections - first.projections).max() > 1
        assert first[0].size_px == (1000, 1002)


def test_cameras_of_the_json_stand_in_the_label_files_order(made, tmp_path):
    folder, rigs = made
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("extra", "processed"):
        (copy / name).symlink_to(folder / name)
    moved = [ring_rig(H36M_CAMERAS, size_px=None, turn=0.5 + s) for s in range(3)]
    write_h36m_cameras(copy, moved)
    with opened(copy, "h36m-s1") as data:
        rig = data.recordings[0].rig
        assert rig.names == H36M_CAMERAS
        np.testing.assert_allclose(rig.projections, moved[0].projections, rtol=1e-12)
    assert np.abs(rigs[0].projections - rig.projections).max() > 1


def test_only_so_many_takes_are_open_at_a_time(made):
    folder, _ = made
    with opened(folder, "h36m") as data:
        library = data.recordings[0].pictures._library  # noqa: SLF001 - what is tested
        library._limit = 2  # noqa: SLF001
        for _ in range(2):
            for recording in data.recordings:
                assert recording.read(0, 0).shape == (240, 320, 3)
                assert len(library._open) <= 2  # noqa: SLF001


def test_takes_without_pictures_are_left_out_and_said(tmp_path):
    write_h36m(tmp_path)
    (tmp_path / "processed" / "S5").rename(tmp_path / "elsewhere")
    with opened(tmp_path, "h36m") as data:
        assert {group.person for group in data.labelled} == {1}
        assert "No pictures of S5/Directions-1, S5/Greeting-2: not used." in data.notes
    (tmp_path / "processed").rename(tmp_path / "gone")
    with pytest.raises(DataError, match=r"img_000001\.jpg .*, found no pictures of S1/Directions"):
        opened(tmp_path, "h36m")


def test_a_folder_without_a_label_file_or_with_two_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"found no human36m-multiview-labels-\*\.npy"):
        opened(tmp_path, "h36m")
    for name in ("GTbboxes", "SSDbboxes"):
        (tmp_path / f"human36m-multiview-labels-{name}.npy").touch()
    with pytest.raises(DataError, match=r"expected one label file, found .*GT.*SSD"):
        opened(tmp_path, "h36m")


class Mischief:
    def __reduce__(self):
        return os.system, ("echo run > /tmp/mischief",)


@pytest.mark.parametrize("content", [{"table": Mischief()}, {"table": np.array([Mischief()])}])
def test_a_pickle_that_asks_for_more_than_arrays_is_refused_unrun(tmp_path, content):
    path = tmp_path / "labels.npy"
    np.save(path, content)
    with pytest.raises(DataError, match="which is not data"):
        read_pickled_table(path)


@pytest.mark.parametrize("keep", [0, 5, 60, 128, 200, 1000, -1])
def test_a_label_file_cut_short_is_refused(made, tmp_path, keep):
    folder, _ = made
    whole = next(folder.glob("extra/*.npy")).read_bytes()
    path = tmp_path / "labels.npy"
    path.write_bytes(whole[:keep])
    with pytest.raises(DataError):
        read_labels(path)


@pytest.mark.parametrize(
    ("key", "value", "place"),
    [
        ("table", np.zeros(3), "table"),
        ("cameras", np.zeros((3, 4)), "cameras"),
        ("camera_names", ["a", "b"], "bbox_by_camera_tlbr"),
        ("subject_names", ["S1"], "subject_idx"),
        ("action_names", 3, "action_names"),
    ],
)
def test_a_label_file_with_a_wrong_part_names_it(made, tmp_path, key, value, place):
    folder, _ = made
    content = read_pickled_table(next(folder.glob("extra/*.npy")))
    np.save(tmp_path / "labels.npy", {**content, key: value})
    with pytest.raises(DataError, match=place):
        read_labels(tmp_path / "labels.npy")


@pytest.mark.data
def test_the_real_cameras_serve_the_label_file(real_data, tmp_path):
    write_h36m(tmp_path)
    source = real_data / "h36m" / "camera-parameters.json"
    (tmp_path / "camera-parameters.json").write_bytes(source.read_bytes())
    with opened(tmp_path, "h36m-s1") as data:
        rig = data.recordings[0].rig
        assert rig.names == H36M_CAMERAS
        centres = np.stack([camera.center_mm for camera in rig])
        assert np.linalg.norm(centres - centres.mean(axis=0), axis=1) == pytest.approx(
            np.full(4, 5000), abs=1000
        )
        # The real lens: a point in the middle of the room is seen by all four.
        seen = rig.project(np.array([[0.0, 0, 900]]))[:, 0]
        assert ((seen > 300) & (seen < 700)).all()
