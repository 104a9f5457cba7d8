"""What a run has predicted so far, as the window reads it."""

from pathlib import Path

import numpy as np
import psutil
import pytest

from core.errors import DataError
from core.project.predictions import (
    PredictionRows,
    RunPredictions,
    block_name,
    finish_round,
    write_predictions,
)
from core.project.predictions.index import index_name, read_index
from core.project.runs.events import Notice, Predicted, PredictionRoundFinished
from tests.project.prediction_samples import assert_equal_rows, block, header


class Announcer:
    """A run whose events are in memory: what it says, and when, is the test's."""

    def __init__(self, folder: Path):
        self.predictions_dir = folder
        self._events = []

    def events(self, offset=0):
        return self._events[offset:], len(self._events)

    def say(self, event):
        self._events.append(event)

    def write(self, about, number, content):
        name = block_name(about.round, number)
        rows = write_predictions(self.predictions_dir / name, about, number, content)
        frames = content.moments[:, 1]
        self.say(
            Predicted(
                round=about.round,
                file=f"predictions/{name}",
                first_frame=int(frames[0]),
                stop_frame=int(frames[-1]) + 1,
                rows=rows,
            )
        )

    def finish(self, about):
        names = [block_name(about.round, number) for number in range(about.num_blocks)]
        finish_round(self.predictions_dir, names)
        self.say(PredictionRoundFinished(round=about.round, stage="finetune", step=about.step))


@pytest.fixture
def run(tmp_path):
    return Announcer(tmp_path)


def write_round(run, number, blocks, *, finish=True, **changes):
    about = header(number, num_blocks=len(blocks), **changes)
    contents = [
        block(frames, about=about, seed=100 * number + i) for i, frames in enumerate(blocks)
    ]
    for i, content in enumerate(contents):
        run.write(about, i, content)
    if finish:
        run.finish(about)
    return contents


def of_frame(contents, frame):
    for content in contents:
        if frame in content.moments[:, 1]:
            return content.rows.select(content.rows.frames == frame)
    raise AssertionError(frame)


def test_a_run_without_predictions_answers_nothing(run):
    run.say(Notice(level="info", code="hello", text="A run begins."))
    with RunPredictions(run) as found:
        assert found.at(0) is None
        assert found.aggregates() is None
        assert found.rounds == ()
        assert found.moments().shape == (0, 2)
        assert found.problems == ()


@pytest.mark.parametrize("finish", [True, False])
def test_each_frame_comes_from_the_newest_round_that_has_it(run, finish):
    whole = write_round(run, 1, [range(30), range(30, 60)])
    # A round of the most interesting frames, in no order of frames.
    some = write_round(run, 2, [[40, 3], [4, 51]], finish=finish, scope="some")
    with RunPredictions(run) as found:
        for frame in range(60):
            newest = some if frame in {3, 4, 40, 51} else whole
            answer = found.at(frame)
            assert answer.header.round == (2 if newest is some else 1)
            assert_equal_rows(answer.rows, of_frame(newest, frame))
            assert_equal_rows(found.at(frame, round_number=1).rows, of_frame(whole, frame))
        assert found.at(5, round_number=2) is None
        assert found.at(60) is None
        assert found.at(3, recording=1) is None
        assert [(r.header.round, r.finished, r.num_moments) for r in found.rounds] == [
            (1, True, 60),
            (2, finish, 4),
        ]
        assert found.newest_covering([(0, 3), (0, 51)]).header.round == 2
        assert found.newest_covering([(0, 3), (0, 5)]).header.round == 1
        assert found.newest_covering([(0, 99)]) is None


@pytest.mark.parametrize("finish", [True, False])
def test_aggregates_are_those_of_the_answers(run, finish):
    write_round(run, 1, [range(30, 60), range(30)])
    write_round(run, 2, [[40, 3], [4, 51]], finish=finish, scope="some")
    with RunPredictions(run) as found:
        expected = PredictionRows.concatenate([found.at(f).rows for f in range(60)]).aggregates
        aggregates = found.aggregates()
        for name in type(expected).__dataclass_fields__:
            np.testing.assert_array_equal(getattr(aggregates, name), getattr(expected, name))
        grid = aggregates.grid("worst_residual_px", (1, 3, 7), 50)
        assert grid.shape == (50, 3)
        assert np.isnan(grid[:, 0]).all()
        row = found.at(40).rows
        np.testing.assert_array_equal(grid[40, 1:], row.worst_residual_px)
        assert np.isnan(grid[2::3]).all()
        own = found.aggregates(2)
        assert sorted(set(own.frames.tolist())) == [3, 4, 40, 51]


def test_what_is_announced_later_is_taken_in_and_named(run):
    about = header(1, num_blocks=2)
    first, second = block(range(10), about=about), block(range(10, 20), about=about, seed=1)
    run.write(about, 0, first)
    with RunPredictions(run) as found:
        assert found.at(12) is None
        assert len(found.aggregates()) == len(first.rows)
        assert found.refresh().shape == (0, 2)
        run.write(about, 1, second)
        np.testing.assert_array_equal(found.refresh(), second.moments)
        assert_equal_rows(found.at(12).rows, of_frame([second], 12))
        run.finish(about)
        assert found.refresh().shape == (0, 2)
        assert found.rounds[0].finished
        assert len(found.aggregates()) == len(first.rows) + len(second.rows)


def test_that_looking_leaves_nothing_to_be_sorted_to_whoever_takes(run, monkeypatch):
    about = header(1, num_blocks=2)
    run.write(about, 0, block(range(10), about=about))
    with RunPredictions(run) as predictions:
        persons = predictions.persons()
        run.write(about, 1, block(range(10, 20), about=about, seed=1))
        news = predictions.look()

        def unique(*_given, **_more):
            raise AssertionError("of a match this takes longer than a turn of the window may")

        monkeypatch.setattr(np, "unique", unique)
        assert len(predictions.take(news)) == 10
        assert predictions.persons() == persons
        assert len(predictions.moments()) == 20


def test_a_file_that_nobody_announced_does_not_count(run):
    about = header(1, num_blocks=2)
    run.write(about, 0, block([0], about=about))
    write_predictions(run.predictions_dir / block_name(1, 1), about, 1, block([1], about=about))
    with RunPredictions(run) as found:
        assert found.moments().tolist() == [[0, 0]]


def test_recordings_are_kept_apart(run):
    about = header(1, num_blocks=2, recordings=("one", "two"))
    contents = [block([4, 6], about=about, seed=r, recording=r) for r in range(2)]
    for number, content in enumerate(contents):
        run.write(about, number, content)
    with RunPredictions(run) as found:
        for recording, content in enumerate(contents):
            assert_equal_rows(
                found.at(6, recording=recording).rows, content.rows.select(content.rows.frames == 6)
            )
        both = found.rows([(1, 4), (0, 6), (0, 5)])
        assert both.recordings.tolist() == [1, 1, 0, 0]
        grid = found.aggregates().grid("mean_weight", (3, 7), 10)
        np.testing.assert_array_equal(grid[4], contents[0].rows.mean_weight[:2])


def test_a_damaged_block_is_named_and_an_older_round_answers(run):
    old = write_round(run, 1, [range(9)])
    write_round(run, 2, [range(4), range(4, 9)], finish=False)
    (run.predictions_dir / block_name(2, 1)).write_bytes(b"nothing")
    with RunPredictions(run) as found:
        assert found.at(3).header.round == 2
        assert_equal_rows(found.at(7).rows, of_frame(old, 7))
        (problem,) = found.problems
        assert "000002-000001.h5" in str(problem)


def test_a_block_that_is_lost_after_its_round_was_finished_is_named_when_it_is_read(run):
    write_round(run, 1, [range(4), range(4, 9)])
    (run.predictions_dir / block_name(1, 1)).unlink()
    with RunPredictions(run) as found:
        assert len(found.at(1).rows) == 2
        with pytest.raises(DataError, match=r"000001-000001\.h5"):
            found.at(7)


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_round_whose_index_is_lost_is_read_from_its_blocks(run, damage):
    contents = write_round(run, 1, [range(4), range(4, 9)])
    path = run.predictions_dir / index_name(1)
    expected = read_index(path)
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-500])
    with RunPredictions(run) as found:
        assert_equal_rows(found.at(7).rows, of_frame(contents, 7))
        np.testing.assert_array_equal(found.aggregates().persons, expected.aggregates.persons)
        assert index_name(1) in str(found.problems[0])


def test_many_files_may_be_read_and_few_are_open(run):
    contents = write_round(run, 1, [[i] for i in range(0, 60, 3)])
    with RunPredictions(run) as found:
        for _ in range(2):
            for frame in range(0, 60, 3):
                assert_equal_rows(found.at(frame).rows, of_frame(contents, frame))
        opened = [file.path for file in psutil.Process().open_files()]
        assert 0 < sum(path.endswith(".h5") for path in opened) <= 8
