import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import DataError
from core.project.runs.config import TrainConfig
from core.project.runs.folder import RunFolder
from core.project.runs.samples import Samples, read_samples, write_samples
from core.project.runs.wanted import MAX_WANTED, read_wanted


def some(number=3, joints=5):
    rng = np.random.default_rng(1)
    target = rng.normal(size=(number, joints, 2)).astype(np.float32)
    target[0, 0] = np.nan
    return Samples(
        crops=rng.integers(0, 255, (number, 8, 6, 3), dtype=np.uint8),
        points_px=rng.normal(size=(number, joints, 2)).astype(np.float32),
        confidence=rng.random((number, joints)).astype(np.float32),
        target_px=target,
        persons=np.arange(number),
        frames=np.arange(number) * 10,
        cameras=tuple(f"cam-{place}" for place in range(number)),
    )


def test_samples_come_back_as_they_were_written(tmp_path):
    path = tmp_path / "samples" / "finetune-000100.npz"
    written = some()
    write_samples(path, written)
    found = read_samples(path)
    assert len(found) == 3
    for name in ("crops", "points_px", "confidence", "target_px", "persons", "frames"):
        there, here = getattr(found, name), getattr(written, name)
        assert there.dtype == here.dtype, name
        np.testing.assert_array_equal(there, here)
    assert found.cameras == written.cameras
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"\x93NUMPY", None])
def test_a_damaged_or_missing_file_of_samples_is_refused_in_words(tmp_path, content):
    path = tmp_path / "a.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.npz"):
        read_samples(path)


def test_a_half_written_file_of_samples_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    write_samples(path, some())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError):
        read_samples(path)


def test_an_array_that_is_no_archive_is_refused(tmp_path):
    with (tmp_path / "a.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(DataError):
        read_samples(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("crops", np.zeros((3, 8, 6), np.uint8)),
        ("points_px", np.zeros((3, 5))),
        ("confidence", np.zeros((2, 5))),
        ("cameras", np.array(["a"])),
        ("persons", np.array(["x", "y", "z"])),
        ("frames", np.array([{}, {}, {}], dtype=object)),
    ],
)
def test_samples_that_do_not_fit_together_are_refused(tmp_path, name, value):
    path = tmp_path / "a.npz"
    write_samples(path, some())
    with np.load(path) as file:
        arrays = {key: file[key] for key in file.files}
    arrays[name] = value
    np.savez(path, **arrays)
    with pytest.raises(DataError):
        read_samples(path)


def test_wanted_frames_come_back_each_once_the_most_urgent_first(tmp_path):
    run = RunFolder.create(tmp_path / "runs", TrainConfig())
    assert run.wanted_frames() == ()
    run.want_frames([7, 3, 7, -1, 12])
    assert run.wanted_frames() == (7, 3, 12)
    run.want_frames(range(2 * MAX_WANTED))
    assert run.wanted_frames() == tuple(range(MAX_WANTED))
    run.want_frames([])
    assert run.wanted_frames() == ()


@settings(deadline=None, max_examples=60)
@given(
    content=st.one_of(
        st.binary(max_size=40),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.just("frames") | st.text(), inner),
            max_leaves=6,
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_any_wanted_file_is_read_as_frames_or_nothing(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("wanted") / "wanted.json"
    path.write_bytes(content)
    found = read_wanted(path)
    assert all(type(frame) is int and frame >= 0 for frame in found)
