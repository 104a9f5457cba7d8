"""Hand labels of DANNCE and Label3D."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import DataError
from core.formats.dannce import read_dannce_labels, read_dannce_rig
from tests.formats import calibration_files as files

RIG = files.a_rig()
WRITERS = {"7": files.write_dannce, "7.3": files.write_dannce_73}


def some_labels(num_frames: int = 4, num_joints: int = 5):
    """What MATLAB would hold per camera, and the 2D and 3D points it stands for."""
    points_mm = np.random.default_rng(1).uniform(-300, 300, (num_frames, num_joints, 3))
    points_mm[1, 2] = np.nan
    points_px = RIG.project(points_mm)
    frames = np.arange(num_frames) * 10 + 27
    cells = [
        {
            "data_2d": points_px[:, c].reshape(num_frames, -1),
            "data_3d": points_mm.reshape(num_frames, -1),
            "data_frame": frames[None].astype(float),
        }
        for c in range(len(RIG))
    ]
    return cells, frames, points_px, points_mm


@pytest.mark.parametrize("version", WRITERS)
def test_labels_are_read_as_they_were_set(tmp_path: Path, version: str):
    cells, frames, points_px, points_mm = some_labels()
    WRITERS[version](tmp_path / "a.mat", RIG, cells)
    labels = read_dannce_labels(tmp_path / "a.mat")
    assert labels.camera_names == RIG.names
    np.testing.assert_array_equal(labels.frames, frames)
    np.testing.assert_allclose(labels.points_px, points_px)
    np.testing.assert_allclose(labels.points_mm, points_mm)


def test_frames_are_brought_into_order(tmp_path: Path):
    cells, frames, points_px, _ = some_labels()
    backwards = [
        {k: v[:, ::-1] if k == "data_frame" else v[::-1] for k, v in c.items()} for c in cells
    ]
    files.write_dannce(tmp_path / "a.mat", RIG, backwards)
    labels = read_dannce_labels(tmp_path / "a.mat")
    np.testing.assert_array_equal(labels.frames, frames)
    np.testing.assert_allclose(labels.points_px, points_px)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("data_frame", np.array([[1.0, 2, 3, 4]]), "the frames of left"),
        ("data_2d", np.zeros((4, 8)), "5 joints"),
        ("data_2d", np.zeros((4, 7)), "a multiple of 2"),
        ("data_2d", np.zeros((3, 10)), "4 x n numbers"),
        ("data_frame", np.array([[1.0, 2, 3, -4]]), "whole numbers"),
    ],
)
def test_labels_that_disagree_are_named(tmp_path: Path, key: str, value, message: str):
    cells = some_labels()[0]
    cells[1][key] = value
    files.write_dannce(tmp_path / "a.mat", RIG, cells)
    with pytest.raises(DataError, match=message) as caught:
        read_dannce_labels(tmp_path / "a.mat")
    assert caught.value.field == f"labelData[1].{key}"


def test_a_file_without_labels_is_refused_for_labels_only(tmp_path: Path):
    files.write_dannce(tmp_path / "a.mat", RIG)
    assert read_dannce_rig(tmp_path / "a.mat").names == RIG.names
    with pytest.raises(DataError, match="labelData: expected this entry"):
        read_dannce_labels(tmp_path / "a.mat")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dannce")
    for version, write in WRITERS.items():
        write(folder / f"{version}.mat", RIG, some_labels()[0])
    return folder


@pytest.mark.parametrize("version", WRITERS)
@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_a_damaged_file_is_labels_or_an_error(folder: Path, version: str, data: st.DataObject):
    content = bytearray((folder / f"{version}.mat").read_bytes())
    flips = st.tuples(st.integers(0, len(content) - 1), st.integers(1, 255))
    for place, bits in data.draw(st.lists(flips, min_size=1, max_size=5)):
        content[place] ^= bits
    path = folder / "damaged.mat"
    path.write_bytes(
        bytes(content[: data.draw(st.integers(0, len(content)))])
        if data.draw(st.booleans())
        else bytes(content)
    )
    try:
        labels = read_dannce_labels(path)
    except DataError as error:
        refusal = error
    else:
        assert labels.points_px.shape[:2] == (len(labels.frames), len(labels.camera_names))
        return
    assert str(path) in refusal.source


@pytest.mark.data
def test_the_demo_s_3d_points_project_onto_its_2d_points(real_data: Path):
    path = real_data / "dannce_demo" / "label3d_dannce.mat"
    labels, rig = read_dannce_labels(path), read_dannce_rig(path)
    assert labels.camera_names == rig.names
    assert labels.points_px.shape == (81, 6, 22, 2)
    distance_px = np.linalg.norm(rig.project(labels.points_mm) - labels.points_px, axis=-1)
    assert np.isfinite(distance_px).sum() > 10_000
    assert np.nanmax(distance_px) < 5e-4
