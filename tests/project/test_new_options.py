"""The options of `trilabel new` that choose among what a calibration holds."""

import json

import cv2
import numpy as np
import pytest

from core.errors import DataError
from core.project import Project
from core.project.importing import import_sportcenter, new_project


@pytest.fixture
def calibration(tmp_path):
    """Two Panoptic cameras, 2 m apart (the format counts centimetres)."""
    cameras = [
        {
            "name": name,
            "type": "hd",
            "resolution": [640, 480],
            "K": [[500, 0, 320], [0, 500, 240], [0, 0, 1]],
            "distCoef": [0, 0, 0, 0, 0],
            "R": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
            "t": [[x], [0], [300]],
        }
        for name, x in (("00_00", 0), ("00_01", 200), ("00_02", 400))
    ]
    path = tmp_path / "calibration_court.json"
    path.write_text(json.dumps({"cameras": cameras}))
    return path


def test_chosen_cameras_are_taken_in_their_order(calibration, tmp_path):
    path = tmp_path / "a.trilabel"
    new_project(path, calibration, cameras=["00_02", "00_00"], report=lambda _line: None)
    with Project.open(path) as project:
        assert project.rig.names == ("00_02", "00_00")
        assert project.rig[0].t_mm[0] == pytest.approx(4000)


def test_an_unknown_camera_is_refused_by_name(calibration, tmp_path):
    with pytest.raises(DataError, match="00_09"):
        new_project(
            tmp_path / "b.trilabel", calibration, cameras=["00_09"], report=lambda _line: None
        )
    assert not (tmp_path / "b.trilabel").exists()


def test_a_stated_unit_is_believed(calibration, tmp_path):
    path = tmp_path / "c.trilabel"
    new_project(path, calibration, unit="mm", report=lambda _line: None)
    with Project.open(path) as project:
        assert project.rig[1].t_mm[0] == pytest.approx(200)


def test_cameras_without_pictures_are_named(calibration, tmp_path):
    folder = tmp_path / "pictures" / "00_01"
    folder.mkdir(parents=True)
    cv2.imwrite(str(folder / "0.png"), np.zeros((8, 8, 3), np.uint8))
    lines: list[str] = []
    new_project(
        tmp_path / "d.trilabel", calibration, images=[str(folder.parent)], report=lines.append
    )
    assert "1 frame, 3 cameras (no pictures of 00_00, 00_02)" in lines[-1]


def test_a_data_set_that_is_not_there_is_told_as_a_folder(tmp_path):
    with pytest.raises(DataError, match="found no such folder"):
        import_sportcenter(tmp_path / "none", tmp_path / "e.trilabel", report=lambda _line: None)
