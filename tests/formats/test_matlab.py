"""MATLAB files of version 5 and 7 are read as scipy wrote them."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from core.errors import DataError
from core.formats.matlab import read_mat

NUMBERS = arrays.arrays(
    st.sampled_from([np.float64, np.float32, np.int8, np.uint16, np.int32, np.uint64]),
    arrays.array_shapes(min_dims=2, max_dims=3, min_side=0, max_side=4),
)
TEXTS = st.text("abcXYZ äßé012", min_size=1, max_size=9)


def cells(items) -> np.ndarray:
    array = np.empty((1, len(items)), dtype=object)
    for i, item in enumerate(items):
        array[0, i] = item
    return array


VALUES = st.recursive(
    NUMBERS | TEXTS,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(cells)
        | st.dictionaries(st.sampled_from(["a", "b", "long_name"]), inner, min_size=1, max_size=3)
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("matlab")


def assert_same(read, written) -> None:
    if isinstance(written, dict):
        assert list(read) == list(written)
        for key, value in written.items():
            assert_same(read[key], value)
    elif isinstance(written, str):
        assert read == written
    elif written.dtype == object:
        assert len(read) == written.size
        for one, other in zip(read, written.flat, strict=True):
            assert_same(one, other)
    else:
        assert read.shape == written.shape
        np.testing.assert_array_equal(read, written)


@settings(deadline=None, max_examples=100)
@given(value=VALUES, compressed=st.booleans())
def test_what_scipy_writes_is_read_back(folder: Path, value, compressed: bool):
    path = folder / "a.mat"
    scipy.io.savemat(path, {"wanted": value, "other": np.zeros(3)}, do_compression=compressed)
    content = read_mat(path, ("wanted", "missing")).table()
    assert list(content) == ["wanted"]
    assert_same(content["wanted"], value)


def test_what_is_neither_numbers_text_cell_nor_struct_is_nothing(folder: Path):
    scipy.io.savemat(folder / "s.mat", {"sparse": scipy.sparse.eye_array(3, format="csc")})
    assert read_mat(folder / "s.mat", ("sparse",)).value == {"sparse": None}


@pytest.mark.parametrize("size", [0, 100, 127, 128, 131])
def test_a_file_without_variables_is_empty_or_an_error(folder: Path, size: int):
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + b"\0" * 8
    (folder / "short.mat").write_bytes(header[:size])
    if size < 128:
        with pytest.raises(DataError, match=r"short\.mat"):
            read_mat(folder / "short.mat", ("a",))
    else:
        assert read_mat(folder / "short.mat", ("a",)).value == {}
