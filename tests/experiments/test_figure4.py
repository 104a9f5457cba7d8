"""Figure 4: its simulation, RANSAC, the shape of the curves, and the report."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from core.errors import DataError
from trainer.experiments.__main__ import main
from trainer.experiments.figure4 import Figure4Options, simulate
from trainer.experiments.figure4_report import Curves, shape_against_plain, statements
from trainer.experiments.noisy_views import draw, six_views
from trainer.experiments.progress import Progress
from trainer.experiments.ransac import ransac_triangulate

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def curves(tmp_path_factory) -> Curves:
    options = Figure4Options(points=150, radius_step_px=20.0)
    rig, _ = six_views(None)
    with (tmp_path_factory.mktemp("log") / "log").open("w") as log:
        found = {seed: simulate(rig, options, seed, Progress(1.0, log)) for seed in (0, 1)}
    return Curves(radii_px=options.radii_px(), floors_px=list(options.floors_px), by_seed=found)


class TestSimulation:
    def test_exactly_k_views_are_off_by_exactly_r(self):
        views = draw(six_views(None)[0], 200, seed=3)
        off = np.linalg.norm(views.observe(2, 30.0, 0.0) - views.image_px, axis=-1)
        assert np.allclose(np.sort(off, axis=0), np.array([0, 0, 0, 0, 30, 30.0])[:, None])

    def test_every_view_is_noisy_equally_often(self):
        views = draw(six_views(None)[0], 6000, seed=3)
        assert np.abs((views.rank < 1).mean(axis=1) - 1 / 6).max() < 0.02

    def test_all_points_are_seen_by_all_views(self):
        rig, _ = six_views(None)
        views = draw(rig, 300, seed=5)
        raw = rig.project(views.truth_mm)
        sizes = np.array([camera.size_px for camera in rig])[:, None]
        assert ((raw >= -0.5) & (raw <= sizes - 0.5)).all()

    def test_another_seed_gives_other_points_and_the_same_seed_the_same(self):
        rig, _ = six_views(None)
        assert np.array_equal(draw(rig, 50, 1).truth_mm, draw(rig, 50, 1).truth_mm)
        assert not np.array_equal(draw(rig, 50, 1).truth_mm, draw(rig, 50, 2).truth_mm)

    @pytest.mark.data
    def test_the_real_cameras_see_points_in_common(self, real_data):
        rig, name = six_views(real_data / "sportcenter" / "calibration.json")
        assert "real" in name
        assert len(draw(rig, 500, 0).truth_mm) == 500

    def test_the_same_seed_gives_the_same_figures_and_another_seed_others(self, tmp_path):
        options = Figure4Options(points=30, radius_step_px=50.0, floors_px=(1.0,))
        rig, _ = six_views(None)
        with (tmp_path / "log").open("w") as log:
            first, again, other = (
                simulate(rig, options, seed, Progress(1.0, log)) for seed in (0, 0, 1)
            )
        assert first == again
        assert first != other


class TestRansac:
    def test_it_finds_the_point_in_spite_of_two_wrong_views(self):
        views = draw(six_views(None)[0], 100, seed=1)
        points_mm, inliers = ransac_triangulate(views.observe(2, 80.0, 0.0), views.projections, 10)
        assert np.linalg.norm(points_mm - views.truth_mm, axis=-1).max() < 0.1
        assert (inliers.sum(axis=0) == 4).all()

    def test_with_no_noise_every_view_is_an_inlier(self):
        views = draw(six_views(None)[0], 50, seed=1)
        _, inliers = ransac_triangulate(views.image_px, views.projections, 1.0)
        assert inliers.all()

    def test_two_views_are_enough_and_one_is_not(self):
        views = draw(six_views(None)[0], 20, seed=2)
        points_px = views.image_px.copy()
        points_px[2:] = np.nan
        points_px[1, 10:] = np.nan
        points_mm, _ = ransac_triangulate(points_px, views.projections, 5.0)
        assert np.allclose(points_mm[:10], views.truth_mm[:10], atol=0.1)
        assert np.isnan(points_mm[10:]).all()


class TestShape:
    def test_literal_wss_is_plain_dlt_with_one_bad_view_beyond_a_few_pixels(self, curves):
        wss, plain = curves.mean(0.0, 1, "wss"), curves.mean(0.0, 1, "plain")
        far = np.array(curves.radii_px) >= 40
        assert np.allclose(wss[far], plain[far])
        assert curves.mean(0.0, 1, "wss", "kept")[far].max() == 0

    def test_support_is_better_with_fewer_than_half_of_the_views_noisy_at_every_radius(
        self, curves
    ):
        for k in (1, 2):
            assert shape_against_plain(curves, 0.0, k, "support").better == 1.0

    def test_support_is_on_par_with_half_of_the_views_noisy_or_more(self, curves):
        for k in (3, 4, 5):
            assert shape_against_plain(curves, 0.0, k, "support").worst_ratio < 1.05

    def test_without_a_discard_most_views_noisy_is_worse_than_plain(self, curves):
        assert shape_against_plain(curves, 0.0, 5, "no_wss").worst_ratio > 1.2

    def test_consensus_bears_two_bad_views_of_six(self, curves):
        far = np.array(curves.radii_px) >= 40
        assert curves.mean(1.0, 2, "consensus")[far].max() < 20
        assert curves.mean(1.0, 2, "plain")[far].min() > 100

    def test_the_papers_constants_keep_nothing_with_three_pixels_on_all_views(self, curves):
        assert curves.mean(3.0, 1, "wss", "kept")[0] < 0.05
        assert curves.mean(3.0, 1, "auto_wss", "kept")[0] > 0.9

    def test_the_words_say_what_literal_wss_does(self, curves):
        told = statements(curves)[0]
        assert "it *is* plain DLT" in told
        assert "at none of the radii drawn" in told


class TestCommand:
    SMALL = (
        "--set", "figure4.points=40",
        "--set", "figure4.radius_step_px=50",
        "--set", "figure4.floors_px=0",
    )  # fmt: skip

    def run(self, out: Path, *more: str) -> dict[str, object]:
        assert main(["figure4", "--out", str(out), "--seeds", "0", *self.SMALL, *more]) == 0
        return json.loads((out / "results.json").read_text())

    def test_it_writes_report_plots_results_and_configuration(self, tmp_path):
        results = self.run(tmp_path)
        assert results["seeds"] == [0]
        report = (tmp_path / "report.md").read_text()
        assert "Literal WSS" in report
        assert "trilabel experiment figure4" in report
        for name in ("figure4.png", "figure4.svg", "figure4_kept.png"):
            assert (tmp_path / name).stat().st_size > 10_000
        configuration = json.loads((tmp_path / "configuration.json").read_text())
        assert configuration["figure4"]["points"] == 40

    def test_a_second_call_computes_nothing_again(self, tmp_path):
        self.run(tmp_path)
        before = {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").iterdir()}
        self.run(tmp_path)
        assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").iterdir()}

    def test_an_unknown_option_is_refused_with_the_nearest_name(self, tmp_path, capsys):
        assert main(["figure4", "--out", str(tmp_path), "--set", "figure4.point=3"]) == 1
        assert "Did you mean figure4.points?" in capsys.readouterr().err

    def test_an_option_of_training_is_refused(self, tmp_path, capsys):
        assert main(["figure4", "--out", str(tmp_path), "--set", "loss.teacher=true"]) == 1
        assert "figure4 trains nothing" in capsys.readouterr().err

    def test_cameras_that_share_no_place_are_refused(self):
        rig, _ = six_views(None)
        first, back = rig[0], np.diag([-1.0, 1.0, -1.0])  # half a turn about its own y axis
        away = replace(first, name="away", R=back @ first.R, t_mm=back @ first.t_mm)
        with pytest.raises(DataError, match="in common"):
            draw(type(rig)((*rig.cameras[1:], away)), 10, 0)
