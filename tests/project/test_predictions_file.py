"""A block of predicted frames on disk."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import DataError
from core.project.predictions import PredictionsFile, write_predictions
from core.project.predictions.rows import PredictionRows
from tests.project.prediction_samples import assert_equal_rows, block, header


@settings(deadline=None, max_examples=20)
@given(
    frames=st.sets(st.integers(0, 5000), min_size=1, max_size=20),
    persons=st.sets(st.integers(0, 60), max_size=4),
    recording=st.integers(0, 7),
    single=st.booleans(),
)
def test_what_is_read_again_equals_what_was_written(
    tmp_path_factory, frames, persons, recording, single
):
    about = header(single=single)
    written = block(frames, persons, about=about, recording=recording)
    path = tmp_path_factory.mktemp("p") / "000001-000000.h5"
    assert write_predictions(path, about, 3, written) == len(written.rows)
    with PredictionsFile(path) as file:
        assert file.header == about
        assert file.block == 3
        assert_equal_rows(file.rows(), written.rows)
        np.testing.assert_array_equal(file.moments, written.moments)
        for frame in frames:
            of_frame = written.rows.select(written.rows.frames == frame)
            assert_equal_rows(file.at(recording, frame), of_frame)
        assert file.at(recording, 6000) is None
        assert file.at(recording + 1, min(frames)) is None
        found, expected = file.aggregates(), written.rows.aggregates
        np.testing.assert_array_equal(found.persons, expected.persons)
        np.testing.assert_array_equal(found.worst_residual_px, expected.worst_residual_px)


def test_a_frame_is_read_without_the_rest_of_the_file(tmp_path):
    about = header(cameras=8, joints=13)
    path = tmp_path / "b.h5"
    write_predictions(path, about, 0, block(range(300), range(12), about=about))
    with PredictionsFile(path) as file:
        whole = file.rows().nbytes
        before = _bytes_read()
        file.at(0, 151)
        read = _bytes_read() - before
    assert whole > 5e6
    assert read < whole / 20


def _bytes_read():
    if not sys.platform.startswith("linux"):
        pytest.skip("measured through /proc")
    with Path("/proc/self/io").open(encoding="ascii") as counts:
        return int(counts.readline().split()[1])


def test_rows_out_of_order_are_a_programmers_mistake(tmp_path):
    about = header()
    good = block([0, 1], about=about)
    with pytest.raises(AssertionError, match="unsorted"):
        type(good)(moments=good.moments, rows=good.rows.select(slice(None, None, -1)))
    with pytest.raises(AssertionError, match="other moments"):
        type(good)(moments=good.moments[:1], rows=good.rows)
    with pytest.raises(AssertionError, match="points_px"):
        write_predictions(tmp_path / "x.h5", header(joints=6), 0, good)
    assert not list(tmp_path.iterdir())


DAMAGE = {
    "missing": lambda path: path.unlink(),
    "text": lambda path: path.write_text("not HDF5"),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "another format": lambda path: _change(path, lambda f: f.attrs.update(format="other")),
    "header": lambda path: _change(path, lambda f: f.attrs.update(header="{}")),
    "header no JSON": lambda path: _change(path, lambda f: f.attrs.update(header="{")),
    "a column less": lambda path: _change(path, lambda f: f.pop("kept")),
    "a shorter column": lambda path: _change(path, lambda f: f["wss_mm"].resize(1, axis=0)),
    "offsets": lambda path: _change(path, lambda f: f["offsets"].write_direct(_huge(f))),
}


def _huge(file):
    values = file["offsets"][()]
    values[-1] = 1 << 40
    return values


def _change(path, change):
    with h5py.File(path, "r+") as file:
        change(file)


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_file_is_named_and_refused(tmp_path, damage):
    about = header()
    path = tmp_path / "000001-000000.h5"
    write_predictions(path, about, 0, block(range(9), about=about))
    damage(path)
    with pytest.raises(DataError, match=r"000001-000000\.h5") as caught:
        PredictionsFile(path)
    assert "predict again" in str(caught.value)


def test_changed_numbers_are_refused_when_they_are_read(tmp_path):
    about = header()
    path = tmp_path / "000001-000000.h5"
    write_predictions(path, about, 0, block(range(90), about=about))
    with h5py.File(path, "r") as file:
        place = file["points_mm"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[place + 20] ^= 0xFF
    path.write_bytes(content)
    with (
        PredictionsFile(path) as file,
        pytest.raises(DataError, match=r"000001-000000\.h5"),
    ):
        file.rows()


def test_rows_of_rounds_with_and_without_single_views_go_together_without(tmp_path):
    parts = [block([0], about=header(single=single)).rows for single in (True, False)]
    assert PredictionRows.concatenate(parts).single_mm is None


def test_an_empty_table_has_the_shapes_of_a_full_one():
    found = PredictionRows.empty(4, 5, single=True)
    expected = block([0], about=header()).rows
    for name in PredictionRows.__dataclass_fields__:
        assert getattr(found, name).shape[1:] == getattr(expected, name).shape[1:]
        assert len(getattr(found, name)) == 0


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
sys.modules.pop("tests", None)
from prediction_samples import block, header
from core.project.predictions import block_name, write_predictions
about = header(cameras=8, joints=13)
content = block(range(300), range(8), about=about)
print("ready", flush=True)
number = 0
while True:
    name = block_name(1, number)
    write_predictions(Path(sys.argv[1]) / name, about, number, content)
    print(name, flush=True)
    number += 1
"""


def test_a_writer_killed_at_any_moment_announced_whole_files_only(tmp_path):
    here = str(Path(__file__).parent)
    rng = np.random.default_rng(5)
    announced = 0
    for attempt in range(6):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), here], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout.readline() == "ready\n"
            try:
                writer.wait(timeout=rng.uniform(0.02, 0.5))
            except subprocess.TimeoutExpired:
                os.kill(writer.pid, signal.SIGKILL)
            names = writer.stdout.read().split("\n")[:-1]
        for path in [*(folder / name for name in names), *folder.glob("0*.h5")]:
            with PredictionsFile(path) as file:
                assert len(file.rows()) == 1600
        announced += len(names)
    assert announced > 0
