"""MPI-INF-3DHP is read from annot.mat, camera.calibration and the test sets' HDF5."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from core.errors import DataError
from core.geometry import Rig
from core.learning.data import Group, open_data
from core.learning.data.mpi_inf_3dhp import TEST_SIZES_PX
from core.project.runs.config import DataOptions
from tests.learning.data_worlds import (
    TEST_ORDER,
    colour,
    ring_rig,
    write_3dhp_sequence,
    write_3dhp_test_set,
)

CAMERAS = tuple(str(i) for i in range(14))
TO_17 = (4, 23, 24, 25, 18, 19, 20, 3, 5, 6, 7, 9, 10, 11, 14, 15, 16)


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    """S1/Seq1, S2/Seq2 and S8/Seq1 with the pictures of the chest-height cameras."""
    folder = tmp_path_factory.mktemp("3dhp")
    rigs = [ring_rig(CAMERAS, turn=0.1 * s) for s in range(3)]
    points = [
        write_3dhp_sequence(folder / name, rig)
        for name, rig in zip(("S1/Seq1", "S2/Seq2", "S8/Seq1"), rigs, strict=True)
    ]
    return folder, rigs, points


def opened(folder, protocol="3dhp-s1", **options):
    return open_data(DataOptions(protocol=protocol, source=str(folder), **options))


def test_s1_is_labelled_in_the_five_chest_height_cameras(training):
    folder, rigs, points = training
    with opened(folder) as data:
        assert data.recordings[0].rig.names == ("0", "2", "4", "7", "8")
        assert [recording.name for recording in data.recordings] == [
            "S1/Seq1", "S2/Seq2", "S8/Seq1",
        ]  # fmt: skip
        assert list(data.labelled) == [Group(0, 1, frame) for frame in range(6)]
        assert list(data.unlabelled) == [Group(1, 2, 0), Group(1, 2, 5)]
        assert list(data.held_out) == [Group(2, 8, 0)]
        assert np.isnan(data.points_mm(data.unlabelled[1])).all(), "its label is not known"
        seen = rigs[0].project(points[0][3])[[0, 2, 4, 7, 8]][:, TO_17]
        np.testing.assert_allclose(data.targets_px(data.labelled[3]), seen, atol=1e-6)
        boxes = data.boxes_px(data.labelled[3])
        assert ((seen > boxes[:, None, :2]) & (seen < boxes[:, None, 2:])).all()


def test_pictures_of_row_n_are_those_of_frame_n(training):
    folder, *_ = training
    with opened(folder) as data:
        picture = data.recordings[0].read(3, 4)
        assert np.abs(picture[0, 0].astype(int) - colour(7, 4)).max() <= 4


def test_sequences_that_are_not_there_are_named(training):
    folder, *_ = training
    with opened(folder) as data:
        (note,) = (note for note in data.notes if note.startswith("Not there: "))
        assert "S1/Seq2" in note
        assert "S8/Seq1" not in note


def test_a_calibration_of_another_sequence_is_refused(training, tmp_path):
    _, rigs, _ = training
    write_3dhp_sequence(tmp_path / "S1" / "Seq1", rigs[0])
    other = Rig(
        tuple(
            replace(rigs[0][{3: 10, 10: 3}.get(c, c)], name=name) for c, name in enumerate(CAMERAS)
        )
    )
    write_3dhp_sequence(tmp_path / "other", other)
    (tmp_path / "other" / "camera.calibration").replace(
        tmp_path / "S1" / "Seq1" / "camera.calibration"
    )
    with pytest.raises(DataError, match="within 5 px of the projected 3D ones"):
        opened(tmp_path)


def test_folders_without_sequences_or_pictures_are_refused_with_the_layout(tmp_path):
    with pytest.raises(DataError, match=r"S1/Seq1/annot.mat, .* found no S1/Seq1/annot.mat"):
        opened(tmp_path)
    write_3dhp_sequence(tmp_path / "S1" / "Seq1", ring_rig(CAMERAS), cameras=())
    with pytest.raises(DataError, match=r"video_0\.avi .*found no pictures of cameras 0, 2, 4"):
        opened(tmp_path)


@pytest.fixture
def tests(tmp_path):
    camera = ring_rig(CAMERAS)[3]
    folder = tmp_path / "mpi_inf_3dhp_test_set"
    return tmp_path, camera, [write_3dhp_test_set(folder / f"TS{n}", camera) for n in (1, 6)]


def test_test_sets_are_held_out_single_views_in_their_cameras_frame(tests):
    folder, camera, points = tests
    with opened(folder, "3dhp-test") as data:
        assert (len(data.labelled), len(data.unlabelled)) == (0, 0)
        assert [(group.person, group.frame) for group in data.held_out] == [
            (person, frame) for person in (1, 6) for frame in (0, 2, 3)
        ]
        np.testing.assert_allclose(data.points_mm(data.held_out[1]), points[0][2], atol=1e-9)
        rig = data.recordings[0].rig
        np.testing.assert_allclose(rig[0].K, camera.K, atol=1e-6)
        assert [one.rig[0].size_px for one in data.recordings] == [(2048, 2048), (1920, 1080)]
        picture = data.recordings[1].read(0, 2)
        assert np.abs(picture[0, 0].astype(int) - colour(0, 2)).max() <= 4
        assert any("TS2" in note for note in data.notes)


def test_a_test_set_whose_points_do_not_project_is_refused(tests):
    folder, *_ = tests
    path = folder / "mpi_inf_3dhp_test_set" / "TS1" / "annot_data.mat"
    with h5py.File(path, "r+") as file:
        file["annot2"][...] = np.random.default_rng(0).uniform(0, 2000, file["annot2"].shape)
    with pytest.raises(DataError, match="annot2: expected the projection of annot3"):
        opened(folder, "3dhp-test")


@pytest.mark.parametrize("name", ["annot2", "annot3", "valid_frame"])
def test_a_test_set_without_one_of_its_arrays_names_it(tests, name):
    folder, *_ = tests
    path = folder / "mpi_inf_3dhp_test_set" / "TS1" / "annot_data.mat"
    with h5py.File(path, "r+") as file:
        del file[name]
    with pytest.raises(DataError, match=name):
        opened(folder, "3dhp-test")


def test_a_folder_without_test_sets_is_refused_with_the_layout(tmp_path):
    with pytest.raises(DataError, match=r"TS1/annot_data.mat and .* found no TS1"):
        opened(tmp_path, "3dhp-test")


def test_the_orders_of_joints_are_permutations():
    assert sorted(TEST_ORDER) == list(range(17))
    assert len(set(TO_17)) == 17
    assert sorted(TEST_SIZES_PX) == [1, 2, 3, 4, 5, 6]
