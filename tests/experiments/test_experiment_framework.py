"""What all experiments share: requests, finished parts, progress, reports."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.cli import experiment_command
from core.errors import DataError
from core.text import duration
from trainer.experiments.parts import Parts
from trainer.experiments.progress import Progress
from trainer.experiments.registry import EXPERIMENTS
from trainer.experiments.report import Report, mean_and_spread, rounded, write_report
from trainer.experiments.request import Request, seeds_of


@dataclass(frozen=True)
class Own:
    points: int = 3
    share: float = 0.5
    floors: tuple[float, ...] = (1.0,)
    fast: bool = False
    name: str = "a"


def request(*settings: str, out: Path = Path("out")) -> Request:
    return Request(name="figure4", out=out, seeds=(0, 2), settings=settings)


class TestRequest:
    def test_own_settings_are_read_by_their_type(self):
        given = request(
            "own.points=7",
            "own.share=0.25",
            "own.floors=0,2.5",
            "own.fast=true",
            "own.name=b",
            "loss.teacher=true",
        )
        assert given.own("own", Own()) == Own(7, 0.25, (0.0, 2.5), True, "b")
        assert given.training_settings("own") == ("loss.teacher=true",)

    def test_a_value_of_another_kind_is_refused(self):
        with pytest.raises(DataError, match="expected int"):
            request("own.points=many").own("own", Own())

    def test_the_command_can_be_pasted(self):
        text = request("a.b=c d").command()
        assert (
            text == "trilabel experiment figure4 --out out --seeds 0,2 --preset cpu --set 'a.b=c d'"
        )

    @pytest.mark.parametrize("text", ["", "1,", "-1", "1,1", "a"])
    def test_seeds_that_are_none_are_refused(self, text):
        with pytest.raises(ValueError, match="expected"):
            seeds_of(text)


class TestParts:
    def test_a_part_is_made_once(self, tmp_path):
        made: list[int] = []
        for _ in range(2):
            value = Parts(tmp_path).get("a", {"x": 1}, lambda: made.append(1) or {"y": 2})
            assert value == {"y": 2}
        assert made == [1]

    def test_another_configuration_is_another_part(self, tmp_path):
        parts = Parts(tmp_path)
        assert parts.get("a", {"x": 1}, lambda: 1) == 1
        assert parts.get("a", {"x": 2}, lambda: 2) == 2
        assert parts.get("a", {"x": 1}, lambda: 3) == 1

    def test_a_damaged_part_is_made_again(self, tmp_path):
        parts = Parts(tmp_path)
        parts.get("a", 1, lambda: 1)
        next(tmp_path.iterdir()).write_text("{")
        assert parts.find("a", 1) is None
        assert parts.get("a", 1, lambda: 5) == 5


class TestProgress:
    def test_time_left_counts_only_what_this_call_does(self, monkeypatch):
        now = [0.0]
        monkeypatch.setattr("trainer.experiments.progress.time.monotonic", lambda: now[0])
        stream = io.StringIO()
        progress = Progress(10.0, stream)
        progress.skip(8.0)
        now[0] = 30.0
        progress.tell("a row", cost=1.0)
        assert stream.getvalue() == " 90%  a row, about 30 s left\n"

    @pytest.mark.parametrize(
        ("seconds", "text"), [(12, "12 s"), (200, "3 min 20 s"), (3900, "1 h 05 min")]
    )
    def test_durations_are_told_in_words(self, seconds, text):
        assert duration(seconds) == text


class TestReport:
    def test_mean_and_spread_are_those_of_the_seeds(self):
        assert mean_and_spread([1.0, 2.0, 3.0]) == "2.0 ± 1.0"
        assert mean_and_spread([1.0]) == "1.0"
        assert mean_and_spread([float("nan")]) == "–"

    def test_results_are_json_also_where_something_is_unknown(self, tmp_path):
        report = Report("T")
        report.table(["a", "b"], [["x", "1"]])
        results = {"v": float("nan"), "w": [1.23456789]}
        write_report(request(out=tmp_path), report, results, {"c": 1}, 1.0)
        found = json.loads((tmp_path / "results.json").read_text())
        assert found["results"] == {"v": None, "w": [1.2346]}
        assert "| x | 1 |" in (tmp_path / "report.md").read_text()

    def test_rounding_keeps_significant_digits(self):
        assert rounded({"a": 0.000123456, "n": 7}) == {"a": 0.00012346, "n": 7}


def test_the_command_knows_the_experiments_of_the_trainer():
    assert list(experiment_command.EXPERIMENTS) == list(EXPERIMENTS)
