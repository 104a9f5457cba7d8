"""Every tool's calibration gives the same rig; what is wrong is named."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import DataError
from core.formats.calibration import (
    CALIBRATION_FORMATS,
    read_calibration,
    read_rig,
    sniff_calibration,
)
from core.formats.rig_toml import read_rig_toml, write_rig_toml
from core.geometry import Rig
from tests.formats import calibration_files as files

BY_NAME = sorted(files.WRITERS)


def expected_rig(name: str) -> Rig:
    rig = files.a_rig()
    for leave_out in files.WRITERS[name][2]:
        rig = leave_out(rig)
    order = sorted(rig.names) if name in {"opencv", "jarvis"} else rig.names
    return Rig(tuple(rig[rig.names.index(camera)] for camera in order))


@pytest.mark.parametrize("name", BY_NAME)
def test_the_same_rig_is_read_from_every_tools_file(tmp_path: Path, name: str):
    write, format_name, _ = files.WRITERS[name]
    write(tmp_path / "calibration", files.a_rig())
    calibration = read_calibration(tmp_path / "calibration")
    assert calibration.format == format_name
    wanted = expected_rig(name)
    assert calibration.rig.names == wanted.names
    for camera, right in zip(calibration.rig, wanted, strict=True):
        np.testing.assert_allclose(camera.P, right.P, rtol=1e-9, atol=1e-6)
        np.testing.assert_allclose(camera.distortion[:5], right.distortion, atol=1e-12)
        assert camera.size_px == right.size_px


@pytest.mark.parametrize("name", BY_NAME)
def test_a_format_that_is_named_needs_no_telling(tmp_path: Path, name: str):
    write, format_name, _ = files.WRITERS[name]
    write(tmp_path / "calibration", files.a_rig())
    explicit = "pose2sim" if name == "pose2sim" else format_name
    rig = read_rig(tmp_path / "calibration", explicit)
    np.testing.assert_allclose(rig.projections, expected_rig(name).projections, atol=1e-6)


def test_every_format_is_described_and_tried():
    tried = {row[1] for row in files.WRITERS.values()} | {"pose2sim"}
    assert set(CALIBRATION_FORMATS) == tried


@pytest.mark.parametrize(("mm_per_unit", "unit"), [(1.0, "mm"), (1000.0, "m")])
def test_the_unit_of_a_toml_is_told_from_the_cameras_distance_and_reported(
    tmp_path: Path, mm_per_unit: float, unit: str
):
    files.write_anipose(tmp_path / "c.toml", files.a_rig(), mm_per_unit)
    calibration = read_calibration(tmp_path / "c.toml")
    assert calibration.unit == unit
    assert f"taken as {unit}" in calibration.notes[0]
    np.testing.assert_allclose(calibration.rig[0].center_mm, [4000, 3000, 2000])


def test_a_given_unit_is_obeyed_and_not_reported(tmp_path: Path):
    files.write_anipose(tmp_path / "c.toml", files.a_rig(), 10.0)
    calibration = read_calibration(tmp_path / "c.toml", unit="cm")
    assert calibration.notes == ()
    np.testing.assert_allclose(calibration.rig[0].center_mm, [4000, 3000, 2000])


def test_the_unit_of_a_single_camera_is_told_from_its_distance_to_the_origin(tmp_path: Path):
    rig = Rig((files.a_rig()[0],))
    files.write_anipose(tmp_path / "c.toml", rig, 1000.0)
    assert read_calibration(tmp_path / "c.toml").unit == "m"


def test_a_subject_is_asked_for_where_there_are_several(tmp_path: Path):
    path = tmp_path / "camera-parameters.json"
    files.write_human36m(path, files.a_rig())
    content = json.loads(path.read_text())
    content["extrinsics"]["S5"] = content["extrinsics"]["S1"]
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"extrinsics: expected a subject: one of S1, S5"):
        read_rig(path)
    assert len(read_rig(path, subject="S5")) == 3
    with pytest.raises(DataError, match="found S9"):
        read_rig(path, subject="S9")


@pytest.mark.parametrize("name", ["sportcenter", "human36m", "panoptic", "campus_shelf"])
def test_a_rotation_that_is_none_names_file_camera_and_field(tmp_path: Path, name: str):
    path = tmp_path / "calibration.json"
    files.WRITERS[name][0](path, files.a_rig())
    content = json.loads(path.read_text())
    places = {
        "sportcenter": lambda: content["right"],
        "human36m": lambda: content["extrinsics"]["S1"]["right"],
        "panoptic": lambda: content["cameras"][1],
        "campus_shelf": lambda: content["right"],
    }
    places[name]()["R"][0] = [2, 0, 0]
    path.write_text(json.dumps(content))
    with pytest.raises(DataError) as caught:
        read_rig(path)
    assert caught.value.source == str(path)
    assert caught.value.field == "right.R"


def test_a_missing_entry_is_named(tmp_path: Path):
    path = tmp_path / "calibration.json"
    files.write_sportcenter(path, files.a_rig())
    content = json.loads(path.read_text())
    del content["rear"]["t"]
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"calibration\.json: rear\.t: expected this entry"):
        read_rig(path)


def test_two_cameras_of_a_name_are_refused(tmp_path: Path):
    path = tmp_path / "c.toml"
    files.write_anipose(path, files.a_rig())
    path.write_text(path.read_text().replace('"right"', '"left"'))
    with pytest.raises(DataError, match=r"c\.toml: left"):
        read_rig(path)


def test_a_fisheye_lens_is_refused(tmp_path: Path):
    files.write_anipose(tmp_path / "c.toml", files.a_rig(), extra="fisheye = true")
    with pytest.raises(DataError, match=r"cam_0\.fisheye"):
        read_rig(tmp_path / "c.toml")


def test_an_image_of_a_million_pixels_a_side_is_refused(tmp_path: Path):
    path = tmp_path / "c.toml"
    files.write_anipose(path, files.a_rig())
    path.write_text(path.read_text().replace("[1280, 1024]", "[1000000, 1024]"))
    with pytest.raises(DataError, match=r"cam_0\.size"):
        read_rig(path)


def test_entities_that_could_expand_without_end_are_refused(tmp_path: Path):
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><calibration>&b;</calibration>'
    (tmp_path / "c.qca.txt").write_text(f"<?xml version='1.0'?>{bomb}")
    with pytest.raises(DataError, match="plain XML"):
        read_rig(tmp_path / "c.qca.txt")


def test_a_file_that_is_no_calibration_is_answered_with_the_known_formats(tmp_path: Path):
    (tmp_path / "c.json").write_text('{"a": 1}')
    with pytest.raises(DataError, match="sportcenter, anipose"):
        sniff_calibration(tmp_path / "c.json")
    with pytest.raises(DataError, match="YAML"):
        sniff_calibration(tmp_path)
    with pytest.raises(DataError, match=r"none\.json"):
        read_rig(tmp_path / "none.json")


@pytest.mark.parametrize("arguments", [{"format": "x"}, {"unit": "inch"}])
def test_an_unknown_choice_is_answered_with_the_known_ones(tmp_path: Path, arguments):
    with pytest.raises(DataError, match="one of"):
        read_rig(tmp_path, **arguments)


def test_a_rig_toml_keeps_every_digit(tmp_path: Path):
    rig = files.a_rig()
    rig = Rig((replace(rig[0], size_px=None, distortion=np.zeros(0)), rig[1], rig[2]))
    write_rig_toml(tmp_path / "rig.toml", rig)
    back = read_rig_toml(tmp_path / "rig.toml")
    assert back.names == rig.names
    for camera, right in zip(back, rig, strict=True):
        for name in ("K", "distortion", "R", "t_mm"):
            np.testing.assert_array_equal(getattr(camera, name), getattr(right, name))
        assert camera.size_px == right.size_px


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("version = 1", "version = 2", "version"),
        ('unit = "mm"', 'unit = "m"', "unit"),
        ('"trilabel-rig"', '"other"', "format"),
    ],
)
def test_another_rig_toml_is_refused(tmp_path: Path, old: str, new: str, field: str):
    path = tmp_path / "rig.toml"
    write_rig_toml(path, files.a_rig())
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError) as caught:
        read_rig_toml(path)
    assert caught.value.field == field
