"""Readers are total: whatever bytes they are given, a value or an error that names the file."""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.errors import DataError
from core.formats import sportcenter
from core.formats.calibration import CALIBRATION_FORMATS, read_calibration, read_rig
from core.formats.rig_toml import read_rig_toml
from core.geometry import Rig
from tests.formats import calibration_files as files

T = TypeVar("T")
STARTS = (
    b"",
    b"{",
    b"[cam_0]\n",
    b"<a>",
    b"%YAML:1.0\n",
    b"Skeletool Camera Calibration File V1\n",
)
MAT_START = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
ODD_VALUES = (
    None, True, 0, -1, 1.5, math.nan, math.inf, 10**400, 1e308, 1e-320, "", "1", "x" * 50,
    [], [[]], [1, [2]], [None], {}, {"K": 1}, [[[0.0] * 3] * 3], [10**30, 1.0], "\x00", "ｘ",
)  # fmt: skip


def value_or_error(read: Callable[[], T], path: Path) -> T | DataError:
    """What reading gives; anything but a value or a `DataError` of this file fails the test."""
    try:
        return read()
    except DataError as error:
        refusal = error
    assert str(path) in refusal.source
    assert refusal.expected
    assert refusal.remedy
    return refusal


def rig_or_error(path: Path, format_name: str | None = None) -> Rig | DataError:
    result = value_or_error(lambda: read_calibration(path, format_name).rig, path)
    if isinstance(result, Rig):
        assert np.isfinite(result.projections).all()
    return result


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damage")


@pytest.fixture(scope="module")
def samples(folder: Path) -> dict[str, bytes]:
    """The bytes of a valid file per tool (of the YAML folders: of one camera)."""
    found: dict[str, bytes] = {}
    for name, (write, _, _) in files.WRITERS.items():
        path = folder / f"sample-{name}"
        write(path, files.a_rig())
        found[name] = next(path.iterdir()).read_bytes() if path.is_dir() else path.read_bytes()
    return found


@settings(deadline=None, max_examples=150)
@given(st.sampled_from((*STARTS, MAT_START, b"\x89HDF\r\n\x1a\n")), st.binary(max_size=300))
def test_random_bytes_are_an_error(folder: Path, start: bytes, noise: bytes):
    (folder / "noise").write_bytes(start + noise)
    assert isinstance(rig_or_error(folder / "noise"), DataError)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(CALIBRATION_FORMATS)), st.binary(max_size=200))
@example("dannce", b"")
def test_random_bytes_are_an_error_in_every_format(folder: Path, name: str, noise: bytes):
    (folder / "noise").write_bytes(noise)
    assert isinstance(rig_or_error(folder / "noise", name), DataError)


@pytest.mark.parametrize("name", sorted(files.WRITERS))
@settings(deadline=None, max_examples=25)
@given(share=st.floats(0, 0.999))
def test_a_truncated_file_is_a_smaller_rig_or_an_error(folder, samples, name: str, share: float):
    whole = samples[name]
    (folder / "part").write_bytes(whole[: int(len(whole) * share)])
    result = rig_or_error(folder / "part")
    if not isinstance(result, DataError):
        assert len(result) <= 3


@pytest.mark.parametrize("name", sorted(files.WRITERS))
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_flipped_bytes_are_a_rig_or_an_error(folder, samples, name: str, data: st.DataObject):
    content = bytearray(samples[name])
    places = st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255))
    for place, value in data.draw(st.lists(places, min_size=1, max_size=6)):
        content[place] = value
    (folder / "flipped").write_bytes(bytes(content))
    rig_or_error(folder / "flipped")


def replaced(value, path, odd):
    """The nested value with one part of it exchanged, chosen by the numbers of ``path``."""
    if not path or not value or not isinstance(value, dict | list):
        return odd
    key = list(value)[path[0] % len(value)] if isinstance(value, dict) else path[0] % len(value)
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[key] = replaced(value[key], path[1:], odd)
    return changed


PATHS = st.lists(st.integers(0, 20), max_size=5)


@pytest.mark.parametrize("name", ["sportcenter", "human36m", "panoptic", "campus_shelf"])
@settings(deadline=None, max_examples=80)
@given(path=PATHS, odd=st.sampled_from(ODD_VALUES))
def test_an_odd_json_value_is_a_rig_or_an_error(folder, samples, name: str, path, odd):
    content = replaced(json.loads(samples[name]), path, odd)
    (folder / "odd.json").write_text(json.dumps(content))
    rig_or_error(folder / "odd.json")
    rig_or_error(folder / "odd.json", name)


@pytest.mark.parametrize("odd", ['"x"', "nan", "inf", "1e300", "[]", "true", "1979-05-27", "{}"])
@pytest.mark.parametrize(
    "key", ["matrix", "rotation", "translation", "distortions", "size", "name"]
)
def test_an_odd_toml_value_is_an_error_of_its_field(folder: Path, key: str, odd: str):
    path = folder / "odd.toml"
    files.write_anipose(path, files.a_rig())
    lines = path.read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith(f"{key} ="))
    lines[first] = f"{key} = {odd}"
    path.write_text("\n".join(lines))
    result = rig_or_error(path)
    may_be = {("name", '"x"'), ("distortions", "[]")}
    if (key, odd) in may_be:
        assert isinstance(result, Rig)
    else:
        assert isinstance(result, DataError)
        assert key in result.field


def test_nesting_without_end_is_an_error(folder: Path):
    for name, text in [("a.json", '{"a":' + "[" * 100_000), ("a.toml", "a = " + "[" * 100_000)]:
        (folder / name).write_text(text)
        assert isinstance(rig_or_error(folder / name), DataError)


def test_a_matrix_that_claims_to_be_huge_is_an_error(folder: Path):
    text = (
        "%YAML:1.0\nK: !!opencv-matrix\n   rows: 9999\n   cols: 9999\n   dt: d\n   data: [ 1. ]\n"
    )
    (folder / "huge.yaml").write_text(text)
    result = rig_or_error(folder / "huge.yaml")
    assert isinstance(result, DataError)
    assert result.field == "K.data"


@settings(deadline=None, max_examples=100)
@given(path=PATHS, odd=st.sampled_from(ODD_VALUES))
def test_an_odd_value_in_poses_is_poses_or_an_error(folder: Path, path, odd):
    content = {
        "3d": {"idx_frame": [1, 2], "pose": [[[0.5] * 3] * 13] * 2},
        "2d": {"ace_0": {"idx_frame": [2], "pose": [[[5.5] * 2] * 13]}},
    }
    file = folder / "pose_subject7.json"
    file.write_text(json.dumps(replaced(content, path, odd)))
    poses = value_or_error(lambda: sportcenter.read_pose_file(file, ("ace_0", "ace_1")), file)
    if isinstance(poses, DataError):
        return
    assert poses.points_px.shape == (len(poses.frames), 2, 13, 2)
    assert poses.points_mm.shape == (len(poses.frames), 13, 3)
    assert (np.diff(poses.frames) > 0).all()


@settings(deadline=None, max_examples=100)
@given(path=PATHS, odd=st.sampled_from(ODD_VALUES))
def test_an_odd_value_in_trajectories_is_rows_or_an_error(folder: Path, path, odd):
    content = {"7": {"indexes": [1, 2], "positions": [[0.5] * 3] * 2}}
    file = folder / "trajectories.json"
    file.write_text(json.dumps(replaced(content, path, odd)))
    rows = value_or_error(lambda: sportcenter.read_trajectories(file), file)
    if isinstance(rows, DataError):
        return
    assert rows.head_mm.shape == (len(rows.person), 3)
    assert (rows.frame >= 0).all()


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=200))
def test_any_text_in_a_rig_toml_is_an_error(folder: Path, text: str):
    (folder / "rig.toml").write_text(text, encoding="utf-8", errors="replace")
    with pytest.raises(DataError):
        read_rig_toml(folder / "rig.toml")


def test_what_cannot_be_read_is_told_in_plain_words(folder: Path):
    binary = folder / "binary.toml"
    binary.write_bytes(b"ab\xff\xfe\x9c")
    for path, words in (
        (folder / "none.toml", "found no such file"),
        (binary / "inside.toml", f"found that {binary} is no folder"),
        (binary, "found bytes that are no text"),
    ):
        with pytest.raises(DataError, match=re.escape(words)) as refused:
            read_rig(path)
        assert "Errno" not in str(refused.value)


def test_a_file_that_is_no_calibration_is_told_what_is_read(folder: Path):
    path = folder / "other.json"
    path.write_text('{"frames": {}}')
    with pytest.raises(DataError, match="Give a calibration of a format that is read: sportcenter"):
        read_rig(path)


@pytest.mark.parametrize("name", ["", " ", "a\\nb", "a\\u0007"])
def test_a_camera_without_a_printable_name_is_refused(folder: Path, name: str):
    path = folder / "names.toml"
    text = (
        f'[cam_0]\nname = "{name}"\nsize = [64, 48]\n'
        "matrix = [[50.0, 0.0, 32.0], [0.0, 50.0, 24.0], [0.0, 0.0, 1.0]]\n"
        "distortions = [0.0, 0.0, 0.0, 0.0, 0.0]\n"
        "rotation = [0.0, 0.0, 0.0]\ntranslation = [0.0, 0.0, 1.0]\n"
    )
    path.write_text(text)
    with pytest.raises(DataError, match="name"):
        read_rig(path)
    path.write_text(text.replace(f'"{name}"', '"Kamera ü 1"'))
    assert read_rig(path).names == ("Kamera ü 1",)
