"""Rows trained on a generated match: settings, runs, measures, and what the tables say of them."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from core.errors import DataError
from core.formats.sportcenter import TEST_SUBJECTS
from core.project.runs.config import TrainConfig
from core.project.runs.config_io import preset, with_settings
from core.project.runs.folder import RunFolder
from core.synthetic.truth import TRUTH_NAME
from tests.learning.data_worlds import ring_rig, write_3dhp_sequence, write_3dhp_test_set
from trainer.experiments.__main__ import main
from trainer.experiments.bench import HeldOutBench
from trainer.experiments.court import Court
from trainer.experiments.datasets import (
    LAYOUTS,
    PROTOCOLS,
    data_source,
    measured_on_test_sets,
    published,
)
from trainer.experiments.figure3 import covered
from trainer.experiments.match import Match, MatchOptions
from trainer.experiments.published import TABLE2_MULTI_VIEW
from trainer.experiments.report import Report
from trainer.experiments.request import Request
from trainer.experiments.rows import ROWS, rows_of
from trainer.experiments.table2 import statements
from trainer.experiments.tables import add_tables, comparison, mean_of

if TYPE_CHECKING:
    from pathlib import Path

TINY_MATCH = ("frames=12", "people=4", "cameras=3", "scale=0.2", "annotate_every=4")
TINY = (
    *(f"match.{one}" for one in TINY_MATCH),
    "model.weights=none",
    "pretrain.heatmap_weight=1",
    "pretrain.steps=2",
    "pretrain.groups=2",
    "finetune.steps=2",
    "finetune.labelled_groups=2",
    "finetune.unlabelled_groups=2",
    "lift.steps=2",
    "lift.groups=2",
    "lift.hidden=16",
    "lift.max_unlabelled=4",
    "data.max_labelled=4",
    "data.max_unlabelled=4",
    "run.threads=1",
)


def arguments(out: Path, *more: str, name: str = "table2") -> list[str]:
    settings = [part for one in TINY for part in ("--set", one)]
    return [name, "--out", str(out), "--seeds", "0", *settings, *more]


ROWS_OF_TINY = ("--set", "table2.rows=supervised,ours")


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Path:
    """A finished table2 of two rows."""
    out = tmp_path_factory.mktemp("court") / "out"
    assert main(arguments(out, *ROWS_OF_TINY)) == 0
    return out


def results_of(out: Path) -> dict[str, Any]:
    return json.loads((out / "results.json").read_text())["results"]


def runs_of(out: Path) -> list[RunFolder]:
    folders = sorted(p for p in (out / "runs").iterdir() if not p.name.startswith("."))
    return [RunFolder.open(folder) for folder in folders]


class TestRows:
    @pytest.mark.parametrize("base", [TrainConfig(), preset("cpu"), preset("paper")])
    @pytest.mark.parametrize("key", list(ROWS))
    def test_every_row_is_a_valid_configuration(self, key, base):
        loss = with_settings(base, ROWS[key].settings).loss
        asks = max(loss.unlabelled_weight, loss.heatmap_weight, loss.residual_weight) > 0
        assert asks != key.startswith("supervised")

    def test_the_papers_rows_differ_as_the_paper_says(self):
        loss = {k: with_settings(TrainConfig(), ROWS[k].settings).loss for k in TABLE2_MULTI_VIEW}
        assert {k for k in loss if loss[k].gradient == "detach_target"} == {
            "nondiff-noweights", "nondiff",
        }  # fmt: skip
        assert {k for k in loss if loss[k].weighting == "pairwise"} == {"nondiff", "ours"}
        assert all(one.discard == "none" for one in loss.values() if one.weighting != "pairwise")

    def test_an_unknown_row_is_refused(self):
        with pytest.raises(DataError, match="'best'"):
            rows_of("ours,best")


class TestStudy:
    def test_rows_start_from_the_detector_that_their_seed_pre_trained(self, done):
        runs = {run.id.rsplit("-", 1)[0]: run for run in runs_of(done)}
        assert set(runs) == {"seed0-pretrained", "seed0-supervised", "seed0-ours"}
        start = runs["seed0-pretrained"].path / "detector.pt"
        for key in ("seed0-supervised", "seed0-ours"):
            assert runs[key].config.model.weights == str(start)
            assert runs[key].config.run.stages == ("finetune", "lift")

    def test_the_supervised_row_sees_no_unlabelled_group(self, done):
        run = next(run for run in runs_of(done) if "supervised" in run.id)
        assert run.config.finetune.unlabelled_groups == 0

    def test_a_finished_experiment_is_not_trained_again(self, done):
        before = {run.id: (run.path / "events.jsonl").stat().st_size for run in runs_of(done)}
        first = results_of(done)
        assert main(arguments(done, *ROWS_OF_TINY)) == 0
        assert before == {
            run.id: (run.path / "events.jsonl").stat().st_size for run in runs_of(done)
        }
        assert results_of(done) == first

    def test_the_report_says_how_rows_start_and_shows_no_figure_of_the_paper(self, done):
        report = (done / "report.md").read_text()
        assert "Start of every row of a seed" in report
        assert "starts untrained" in report
        triples = [" / ".join(map(str, row)) for row in TABLE2_MULTI_VIEW.values()]
        assert not any(triple in report for triple in triples)
        assert "| the paper's |" not in report

    def test_every_way_of_measuring_has_its_coverage(self, done):
        for row in results_of(done)["rows"].values():
            for way in ("multi_view", "common", "single_view"):
                total = row["seeds"][0][way]["total"]
                assert total["mpjpe"] > 0
                assert 0 <= total["coverage"] <= 1

    def test_all_rows_are_measured_by_one_common_scale(self, done):
        scales = {row["seeds"][0]["common_scale_mm"] for row in results_of(done)["rows"].values()}
        assert len(scales) == 1

    def test_test_people_are_learned_from_by_no_row(self, done):
        request = Request(name="table2", out=done, seeds=(0,), settings=TINY)
        court = Court(request, ("table2",), ())
        with court.data(runs_of(done)[0]) as data:
            learned = {*data.labelled.rows[:, 1], *data.unlabelled.rows[:, 1]}
            assert not learned & set(TEST_SUBJECTS)
            assert set(court.eval_groups(data).rows[:, 1]) == set(TEST_SUBJECTS)

    def test_without_truth_everything_trains_and_only_measuring_is_refused(
        self, done, tmp_path, capsys
    ):
        truth = done / "match" / TRUTH_NAME
        hidden = truth.rename(truth.with_suffix(".hidden"))
        out = tmp_path / "blind"
        try:
            given = (*ROWS_OF_TINY, "--data", str(done))
            assert main(arguments(out, *given)) == 1
            assert "only evaluation opens" in capsys.readouterr().err
            blind = {run.id: (run.path / "detector.pt").read_bytes() for run in runs_of(out)}
        finally:
            hidden.rename(truth)
        assert not (out / "report.md").exists()
        assert len(blind) == 3
        assert main(arguments(out, *given)) == 0
        assert results_of(out) == results_of(done)

    def test_an_experiment_refuses_the_match_of_another(self, done, capsys):
        given = (*ROWS_OF_TINY, "--set", "match.frames=99")
        assert main(arguments(done, *given)) == 1
        assert "match.frames: expected 99, found 12" in capsys.readouterr().err

    def test_an_interrupted_row_goes_on(self, done):
        run = next(run for run in runs_of(done) if "ours" in run.id)
        before = (run.path / "detector.pt").read_bytes()
        (run.path / "exit.json").unlink()  # as if it had been killed after its last checkpoint
        assert main(arguments(done, *ROWS_OF_TINY)) == 0
        record = run.exit_record()
        assert record is not None
        assert record.status == "done"
        assert (run.path / "detector.pt").read_bytes() == before


def fake(mpjpe: float) -> dict[str, Any]:
    total = dict.fromkeys(("mpjpe", "nmpjpe", "pmpjpe", "mpjpe_kept"), mpjpe) | {"coverage": 0.9}
    return {way: {"total": total} for way in ("multi_view", "common", "single_view")}


class TestTables:
    def test_statements_follow_from_the_figures(self):
        order = ("ours", "noweights", "nondiff", "learned", "nondiff-noweights", "supervised")
        results = {key: [fake(100.0 + i), fake(101.0 + i)] for i, key in enumerate(order)}
        told = "\n".join(statements(results))
        assert "own triangulation 100.5 against 101.5 mm, better in 2 of 2 seeds" in told
        assert "Worst of the paper's rows**: nondiff-noweights in multi-view" in told
        assert "Better than supervised-only single-view**: ours" in told

    def test_nothing_better_than_the_control_is_said(self):
        results = {"supervised": [fake(90.0)], "ours": [fake(100.0)]}
        assert "under the common triangulation**: none" in "\n".join(statements(results))

    def test_comparison_counts_seeds(self):
        results = {"a": [fake(1.0), fake(5.0)], "b": [fake(2.0), fake(3.0)]}
        assert (
            comparison(results, "a", "b", "common") == "3.0 against 2.5 mm, better in 1 of 2 seeds"
        )

    def test_the_papers_figures_stand_beside_ours_only_where_given(self):
        rows = rows_of("supervised,ours")
        results = {row.key: [fake(80.0)] for row in rows}
        plain, beside = Report("a"), Report("b")
        add_tables(plain, rows, results)
        add_tables(beside, rows, results, published=published("sportcenter", "sportcenter"))
        assert "66.9" not in plain.to_markdown()
        assert "66.9 / 65.5 / 55.4" in beside.to_markdown()

    def test_what_was_not_measured_is_no_number(self):
        assert math.isnan(mean_of({"a": [{"common": None}]}, "a", "common"))

    def test_h36m_has_the_papers_figures_for_both_protocols(self):
        assert published("h36m", "h36m-s1")["single_view"]["ours"] == (60.8, 60.4, 48.4)
        assert published("mpi-inf-3dhp", "3dhp-test")["single_view"]["ours"][0] == 102.2
        assert not published("mpi-inf-3dhp", "3dhp-s1"), "the paper measures on the test sets"


class TestDatasets:
    @pytest.mark.parametrize("name", list(PROTOCOLS))
    def test_missing_data_is_said_in_one_line_with_its_layout(self, name, tmp_path, capsys):
        assert main([name, "--out", str(tmp_path / "out")]) == 1
        told = capsys.readouterr().err
        assert told.count("\n") == 1
        assert LAYOUTS[PROTOCOLS[name][0]] in told
        assert "--data DIR" in told
        assert main([name, "--out", str(tmp_path / "out"), "--data", str(tmp_path)]) == 1
        assert str(tmp_path) in capsys.readouterr().err

    def test_an_agreement_study_needs_a_project(self, tmp_path, capsys):
        assert main(["agreement", "--out", str(tmp_path)]) == 1
        assert "agreement NAME.trilabel" in capsys.readouterr().err


@pytest.fixture
def mpi_inf_3dhp(tmp_path) -> Path:
    """S1, S2 and S8 in the five cameras, and one test set."""
    folder = tmp_path / "3dhp"
    rig = ring_rig(tuple(str(i) for i in range(14)))
    for name in ("S1/Seq1", "S2/Seq2", "S8/Seq1"):
        write_3dhp_sequence(folder / name, rig)
    write_3dhp_test_set(folder / "mpi_inf_3dhp_test_set" / "TS1", rig[3])
    return folder


class TestMpiInf3dhp:
    def test_the_papers_figures_stand_beside_those_of_the_test_sets_alone(
        self, mpi_inf_3dhp, tmp_path
    ):
        given = ("--data", str(mpi_inf_3dhp), "--set", "mpi-inf-3dhp.rows=supervised,ours")
        settings = [one for one in TINY if not one.startswith("match.")]
        rest = [part for one in settings for part in ("--set", one)]
        out = tmp_path / "out"
        assert main(["mpi-inf-3dhp", "--out", str(out), "--seeds", "0", *given, *rest]) == 0
        found = results_of(out)
        assert set(found) == {"3dhp-s1", "3dhp-test"}
        (held_out,), (test,) = found["3dhp-s1"]["ours"], found["3dhp-test"]["ours"]
        assert held_out["multi_view"]["total"]["mpjpe"] > 0
        assert test["multi_view"]["total"]["mpjpe"] is None, "one view each"
        assert test["single_view"]["total"]["mpjpe"] > 0
        report = (out / "report.md").read_text()
        trained, tested = report.split("## Protocol 3dhp-test")
        assert "102.2 / 99.6 / 93.6" in tested
        assert "102.2" not in trained

    def test_missing_test_sets_are_said_in_the_report(self, mpi_inf_3dhp, tmp_path):
        shutil.rmtree(mpi_inf_3dhp / "mpi_inf_3dhp_test_set")
        report, request = Report("a"), Request(name="mpi-inf-3dhp", out=tmp_path, seeds=(0,))
        request = replace(request, data=mpi_inf_3dhp)
        bench = HeldOutBench(request, data_source(request, "3dhp-s1"), ("mpi-inf-3dhp",))
        assert measured_on_test_sets(report, request, bench, (), {}, {}) == {}
        assert "found no TS1/annot_data.mat" in report.to_markdown()


class TestFigure3:
    def test_coverage_of_a_box_is_the_share_that_others_cover(self):
        mine = np.array([[0.0, 0, 10, 10], [0.0, 0, 10, 10], [np.nan] * 4])
        half, none, gone = [5.0, 0, 20, 10], [20.0, 20, 30, 30], [np.nan] * 4
        others = np.array([[half, none, half], [none, gone, none]])
        assert np.allclose(covered(mine, others), [0.5, 0.0, np.nan], equal_nan=True)


class TestMatch:
    def test_measured_groups_are_the_test_people_at_every_third_frame(self, tmp_path):
        match = Match(options=MatchOptions(frames=9), folder=tmp_path, project_dir=tmp_path)
        rows = match.eval_groups().rows.tolist()
        assert rows == [[0, p, f] for f in (0, 3, 6) for p in TEST_SUBJECTS]
