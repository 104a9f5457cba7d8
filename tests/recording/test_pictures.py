"""A picture is decoded at the size asked for, in the colours asked for, as it is stored."""

import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.recording import cv
from core.recording.cv import cv2
from core.recording.pictures import decode_image, reduced_size
from tests.recording.painted import number_in, paint

STORED = (1090, 602)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("size", [(1090, 602), (545, 301), (300, 200), (137, 76), (20, 11), (1, 1)])
def test_the_size_asked_for_is_delivered(suffix: str, size: tuple[int, int]) -> None:
    data = cv2.imencode(suffix, paint(77, STORED))[1].tobytes()
    picture = decode_image(data, "x", size)
    assert picture.shape == (size[1], size[0], 3)
    assert picture.flags.c_contiguous
    if size[0] > 100:
        assert number_in(picture) == 77


def test_a_picture_is_never_enlarged() -> None:
    data = cv2.imencode(".png", paint(5))[1].tobytes()
    assert decode_image(data, "x", (4000, 4000)).shape == (96, 192, 3)
    assert decode_image(data, "x", (100, 4000)).shape == (96, 100, 3)


def test_reduction_in_the_decoder_looks_like_the_average_of_the_pixels() -> None:
    rng = np.random.default_rng(0)
    smooth = cv2.GaussianBlur(rng.integers(0, 256, (602, 1090, 3), np.uint8), (0, 0), 9)
    data = cv2.imencode(".jpg", smooth, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()
    full = decode_image(data, "x")
    for divisor in (2, 4, 8):
        size = reduced_size(STORED, divisor)
        averaged = cv2.resize(full, size, interpolation=cv2.INTER_AREA).astype(int)
        assert np.abs(decode_image(data, "x", size) - averaged).mean() < 1.5


def test_layouts_hold_the_same_colours() -> None:
    rgb = np.zeros((8, 8, 3), np.uint8)
    rgb[:] = (200, 100, 50)
    data = cv2.imencode(".png", rgb[..., ::-1])[1].tobytes()
    assert decode_image(data, "x")[0, 0].tolist() == [200, 100, 50]
    assert decode_image(data, "x", None, "bgr")[0, 0].tolist() == [50, 100, 200]
    assert decode_image(data, "x", None, "bgra")[0, 0].tolist() == [50, 100, 200, 255]


@pytest.mark.parametrize(
    "array",
    [
        np.full((6, 9), 90, np.uint8),
        np.full((6, 9), 90 * 257, np.uint16),
        np.full((6, 9, 4), 90, np.uint8),
    ],
)
def test_grey_deep_and_transparent_pictures_become_eight_bit_colours(array: np.ndarray) -> None:
    data = cv2.imencode(".png", array)[1].tobytes()
    picture = decode_image(data, "x")
    assert picture.shape == (6, 9, 3)
    assert picture.dtype == np.uint8
    np.testing.assert_allclose(picture, 90, atol=1)


@pytest.mark.parametrize("size", [None, (96, 48)])
def test_an_orientation_tag_turns_nothing(size: tuple[int, int] | None) -> None:
    data = cv2.imencode(".jpg", paint(1234))[1].tobytes()
    tiff = b"II*\x00\x08\x00\x00\x00\x01\x00" + struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0) + bytes(4)
    exif = b"Exif\x00\x00" + tiff
    turned = data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR).shape[:2] == (192, 96)
    assert number_in(decode_image(turned, "x", size)) == 1234


@pytest.mark.parametrize("already", [None, "/mine"])
def test_opencv_leaves_the_environment_of_qt_alone(already: str | None) -> None:
    names = ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR")
    env = {key: value for key, value in os.environ.items() if key not in names}
    env |= dict.fromkeys(names, already) if already else {}
    code = f"import os, core.recording.cv; print([os.environ.get(n) for n in {names}])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str([already, already])


def test_opencv_imported_before_by_someone_else_is_cleaned_up_after() -> None:
    code = "import os, cv2, core.recording.cv; print(os.environ.get('QT_QPA_PLATFORM_PLUGIN_PATH'))"
    env = {key: value for key, value in os.environ.items() if not key.startswith("QT_QPA")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "None"


def test_opencv_is_imported_in_one_place_only() -> None:
    root = Path(cv.__file__).parents[2]
    pattern = re.compile(r"^\s*(import cv2|from cv2)", re.MULTILINE)
    found = [
        path.relative_to(root).as_posix()
        for package in ("app", "core", "trainer")
        for path in (root / package).rglob("*.py")
        if pattern.search(path.read_text("utf-8"))
    ]
    assert found == ["core/recording/cv.py"]
