"""A SportCenter folder is learned from without making a project of it."""

import numpy as np
import pytest

from core.errors import DataError
from core.learning.data import Group, open_data
from core.project.runs.config import DataOptions
from tests.learning.data_worlds import colour, ring_rig, write_sportcenter

CAMERAS = tuple(f"ace_{i}" for i in range(8))


@pytest.fixture(scope="module")
def match(tmp_path_factory):
    """12 frames of subjects 3 and 7 in 8 views, every other one labelled from 2 to 8."""
    folder = tmp_path_factory.mktemp("data") / "sportcenter"
    rig = ring_rig(CAMERAS, distortion=(-0.1, 0.02, 0, 0, 0))
    return folder, rig, write_sportcenter(folder, rig, (3, 7))


def test_the_side_views_are_used_and_the_test_subjects_held_out(match):
    folder, rig, points = match
    options = DataOptions(protocol="sportcenter-all", source=str(folder))
    with open_data(options) as data:
        assert data.recordings[0].rig.names == CAMERAS[:6]
        assert list(data.labelled) == [Group(0, 3, frame) for frame in (2, 4, 6, 8)]
        assert list(data.held_out) == [Group(0, 7, frame) for frame in (2, 4, 6, 8)]
        # Every third frame number, from 1, without the labelled frames.
        assert list(data.unlabelled) == [Group(0, 3, frame) for frame in (5, 11)]
        np.testing.assert_allclose(data.points_mm(data.held_out[1]), points[1, 4], atol=1e-6)
        expected = rig.project(points[1, 4])[:6]
        np.testing.assert_allclose(data.targets_px(data.held_out[1]), expected, atol=1e-6)


def test_frame_numbers_of_files_and_labels_fit_together(match):
    folder, *_ = match
    with open_data(DataOptions(protocol="sportcenter-all", source=str(folder))) as data:
        picture = data.recordings[0].read(2, 7)
        assert np.abs(picture[0, 0].astype(int) - colour(2, 7)).max() <= 4
        assert data.recordings[0].first_frame_number == 1


def test_cameras_of_the_options_win_over_those_of_the_protocol(match):
    folder, *_ = match
    options = DataOptions(
        protocol="sportcenter-all", source=str(folder), cameras=("ace_7", "ace_2", "ace_0")
    )
    with open_data(options) as data:
        assert data.num_cameras == 3
        assert data.targets_px(data.labelled[0]).shape == (3, 13, 2)


def test_boxes_stand_on_the_ground_under_the_heads(match):
    folder, rig, points = match
    with open_data(DataOptions(protocol="sportcenter-all", source=str(folder))) as data:
        boxes = data.boxes_px(Group(0, 3, 5))
        seen = rig.project(points[0, 5])[:6]
        assert ((seen >= boxes[:, None, :2]) & (seen <= boxes[:, None, 2:])).all()


def test_a_folder_without_a_calibration_is_refused_with_the_layout(tmp_path):
    with pytest.raises(DataError, match=r"expected calibration.json, .* found no calibration"):
        open_data(DataOptions(protocol="sportcenter", source=str(tmp_path)))
    with pytest.raises(DataError, match="no such folder"):
        open_data(DataOptions(protocol="sportcenter", source=str(tmp_path / "nowhere")))
    with pytest.raises(DataError, match=r"--set data\.source=FOLDER"):
        open_data(DataOptions(protocol="sportcenter"))


@pytest.mark.data
def test_the_published_calibration_alone_has_nobody_to_learn_from(real_data):
    options = DataOptions(protocol="sportcenter", source=str(real_data / "sportcenter"))
    with pytest.raises(DataError, match="found nobody"):
        open_data(options)
