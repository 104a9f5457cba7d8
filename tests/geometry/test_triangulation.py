import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from core import geometry
from core.errors import DataError
from core.geometry import (
    RobustTriangulation,
    estimate_scale_mm,
    leave_one_out,
    point_covariance_mm2,
    robust_triangulate,
    triangulate,
)
from core.geometry.torch_triangulation import robust_eager
from core.geometry.triangulation import Options
from tests.geometry.triangulation_cases import (
    HAND_RIG,
    court_rig,
    court_scene,
    errors_mm,
    project,
    shift_one_view,
)


def test_importing_geometry_loads_neither_torch_nor_numba():
    code = (
        "import sys; from core.geometry import robust_triangulate, warm_up;"
        "assert not {'torch', 'numba'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_arrays_are_triangulated_without_torch():
    code = (
        "import sys; from core.geometry import warm_up; warm_up();"
        "assert 'torch' not in sys.modules and 'numba' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_compiled_file_is_part_of_the_cache_key():
    folder = Path(geometry.__file__).parent
    compiled = [path.name for path in folder.glob("*.py") if "@njit" in path.read_text("utf-8")]
    assert len(compiled) > 3
    assert all(name.startswith("kernel") for name in compiled)


def test_a_point_worked_out_by_hand_is_found():
    # The point (200, 100, 50): in A depth 1200, u = 100*100/1200, v = 50*100/1200;
    # in B depth 1100, u = -200*100/1100, v = 50*100/1100.
    points_px = np.array(
        [[[100 * 100 / 1200, 50 * 100 / 1200]], [[-200 * 100 / 1100, 5000 / 1100]]]
    )
    np.testing.assert_allclose(triangulate(points_px, HAND_RIG), [[200, 100, 50]], atol=1e-9)
    answer = robust_triangulate(points_px, HAND_RIG, min_views=2)
    np.testing.assert_allclose(answer.points_mm, [[200, 100, 50]], atol=1e-9)
    assert answer.kept.all()
    np.testing.assert_allclose(answer.weights, 1.0)
    np.testing.assert_array_equal(answer.pairs, [[0, 1]])


def test_weights_follow_equations_4_to_6():
    scene = court_scene(40, seed=3, noise_px=1.0, num_cameras=5)
    answer = robust_triangulate(scene.points_px, scene.projections, sigma_mm=50.0)
    d = np.linalg.norm(answer.candidates_mm - answer.centers_mm, axis=-1)
    w = np.exp(-(d**2) / 50.0**2)
    for c in range(5):
        mine = w[(answer.pairs == c).any(1)]
        np.testing.assert_allclose(answer.weights[c], np.median(mine, axis=0), rtol=1e-9)
    np.testing.assert_allclose(answer.wss_mm, np.sqrt((d**2).mean(0)), rtol=1e-9)


@pytest.mark.parametrize("batch", [(), (1,), (2, 3), (0,)])
def test_any_leading_shape_gives_the_same_joints(batch):
    scene = court_scene(17, noise_px=1.0)
    single = robust_triangulate(scene.points_px, scene.projections)
    points_px = np.broadcast_to(scene.points_px, (*batch, 8, 17, 2))
    answer = robust_triangulate(points_px, scene.projections)
    assert answer.points_mm.shape == (*batch, 17, 3)
    assert answer.weights.shape == (*batch, 8, 17)
    assert answer.wss_mm.shape == answer.kept.shape == (*batch, 17)
    assert answer.candidates_mm.shape == (*batch, 28, 17, 3)
    np.testing.assert_array_equal(
        answer.points_mm, np.broadcast_to(single.points_mm, (*batch, 17, 3))
    )


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_every_item_of_a_batch_may_have_its_own_projections(kind):
    scenes = [court_scene(5, seed=s, num_cameras=4) for s in range(3)]
    moved = np.array([[500.0, 0, 0], [0, 900.0, 0], [0, 0, -300.0]])
    matrices = np.stack([s.projections for s in scenes])
    matrices[..., 3] -= np.einsum("bcij,bj->bci", matrices[..., :3], moved)
    points_px = np.stack([s.points_px for s in scenes])
    together = robust_triangulate(
        kind(points_px), kind(matrices), weighting="consensus", scale_mm=20
    )
    for b, scene in enumerate(scenes):
        alone = robust_triangulate(
            scene.points_px, scene.projections, weighting="consensus", scale_mm=20
        )
        np.testing.assert_allclose(together.points_mm[b], alone.points_mm + moved[b], atol=1e-5)


def test_float32_pixels_give_float32_answers():
    scene = court_scene(5)
    answer = robust_triangulate(scene.points_px.astype(np.float32), scene.projections)
    assert answer.points_mm.dtype == answer.weights.dtype == answer.wss_mm.dtype == np.float32
    assert answer.candidates_mm.dtype == answer.centers_mm.dtype == np.float32


class TestTheThreeCases:
    def test_a_discarded_joint_has_the_equal_weights_point(self):
        scene = court_scene(20, noise_px=3.0)
        answer = robust_triangulate(scene.points_px, scene.projections)
        assert not answer.kept.any()
        plain = triangulate(scene.points_px, scene.projections)
        np.testing.assert_allclose(answer.points_mm, plain, atol=1e-8)

    @pytest.mark.parametrize("weighting", ["none", "pairwise", "consensus"])
    @pytest.mark.parametrize("seen", [0, 1])
    def test_too_few_rays_are_degenerate_and_touch_nothing_else(self, weighting, seen):
        scene = court_scene(9, noise_px=1.0)
        whole = robust_triangulate(
            scene.points_px, scene.projections, weighting=weighting, scale_mm=20
        )
        scene.points_px[seen:, 4] = np.nan
        answer = robust_triangulate(
            scene.points_px, scene.projections, weighting=weighting, scale_mm=20
        )
        assert np.isnan(answer.points_mm[4]).all()
        assert np.isnan(answer.centers_mm[4]).all()
        assert not answer.kept[4]
        rest = np.arange(9) != 4
        np.testing.assert_allclose(answer.points_mm[rest], whole.points_mm[rest], atol=1e-9)

    def test_parallel_rays_are_degenerate(self):
        # The same camera, shifted sideways: the same pixel means parallel rays.
        P = np.stack([HAND_RIG[0], HAND_RIG[0], HAND_RIG[0]])
        P[1, 0, 3] = 20000.0
        P[2, 1, 3] = 20000.0
        answer = robust_triangulate(np.full((3, 1, 2), 7.0), P)
        assert np.isnan(answer.points_mm).all()
        assert np.isnan(answer.candidates_mm).all()
        assert not answer.kept.any()

    def test_a_point_behind_the_cameras_is_degenerate(self):
        # (-2000, -2000, 10) projects into both images of the hand rig, from behind.
        points_px = project(HAND_RIG, np.array([[-2000.0, -2000.0, 10.0]]))
        answer = robust_triangulate(points_px, HAND_RIG, min_views=2)
        assert np.isnan(answer.points_mm).all()
        assert not answer.kept.any()
        assert np.isnan(triangulate(points_px, HAND_RIG)).all()

    def test_an_unusable_pair_is_left_out_of_its_joint(self):
        # Views 0 and 1 are one camera: their rays are parallel, the other pairs are not.
        P = np.stack([HAND_RIG[0], HAND_RIG[0], HAND_RIG[1]])
        points_px = project(P, np.array([[200.0, 100.0, 50.0]]))
        answer = robust_triangulate(points_px, P)
        assert np.isnan(answer.candidates_mm[0]).all()
        np.testing.assert_allclose(answer.points_mm, [[200, 100, 50]], atol=1e-8)
        assert answer.kept.all()

    def test_fewer_views_than_min_views_give_the_point_but_do_not_keep_it(self):
        scene = court_scene(3, noise_px=0.0)
        scene.points_px[2:, 1] = np.nan
        for weighting in ("none", "pairwise", "consensus"):
            answer = robust_triangulate(
                scene.points_px, scene.projections, weighting=weighting, scale_mm=10
            )
            np.testing.assert_allclose(answer.points_mm, scene.truth_mm, atol=1e-6)
            np.testing.assert_array_equal(answer.kept, [True, False, True])

    def test_observed_hides_a_view(self):
        scene = court_scene(6, noise_px=2.0)
        observed = np.ones((8, 6), dtype=bool)
        observed[3] = False
        hidden = robust_triangulate(scene.points_px, scene.projections, observed=observed)
        without = np.arange(8) != 3
        answer = robust_triangulate(scene.points_px[without], scene.projections[without])
        assert (hidden.weights[3] == 0).all()
        # the gauge's origin moves with the set of cameras, hence not to the last digit
        np.testing.assert_allclose(hidden.points_mm, answer.points_mm, atol=0.5)


class TestKnownFacts:
    """METHOD's last part of section 1: what is known about the rules."""

    @pytest.fixture
    def one_bad(self):
        scene = court_scene(400, seed=5, noise_px=0.0, num_cameras=6)
        shift_one_view(scene, 50.0)
        return scene

    def test_with_one_bad_view_plain_dlt_is_far_worse_than_the_weighted(self, one_bad):
        plain = triangulate(one_bad.points_px, one_bad.projections)
        pairwise = robust_triangulate(one_bad.points_px, one_bad.projections, discard="none")
        assert errors_mm(plain, one_bad.truth_mm).mean() > 100
        assert errors_mm(pairwise.points_mm, one_bad.truth_mm).mean() < 1

    def test_with_one_bad_view_the_wss_rule_discards_the_joint(self, one_bad):
        answer = robust_triangulate(one_bad.points_px, one_bad.projections)
        assert answer.kept.mean() < 0.05

    @pytest.mark.parametrize("weighting", ["none", "pairwise", "consensus", "given"])
    @pytest.mark.parametrize("kind", ["array", "tensor", "eager"])
    def test_a_single_view_makes_every_joint_degenerate(self, weighting, kind):
        scene = court_scene(40, seed=6, noise_px=1.0, num_cameras=1)
        chosen = np.full((1, 40), 0.25) if weighting == "given" else weighting
        points, projections = scene.points_px, scene.projections
        if kind != "array":
            points, projections = torch.from_numpy(points), torch.from_numpy(projections)
            chosen = torch.from_numpy(chosen) if weighting == "given" else chosen
        if kind == "eager":
            weights = chosen if weighting == "given" else None
            rules = {"pairwise": "wss", "consensus": "support"}
            answer = robust_eager(
                points,
                projections,
                None,
                weights,
                Options(
                    weighting=weighting,
                    rule=rules.get(weighting, "none"),
                    sigma_mm=10.0,
                    wss_threshold_mm=20.0,
                    scale_mm=10.0,
                    min_views=3,
                    row_exponent=1.0,
                ),
            )
        else:
            answer = robust_triangulate(points, projections, weighting=chosen)
        expected = {"none": 1.0, "given": 0.25}.get(weighting, 0.0)
        assert np.isnan(np.asarray(answer.points_mm)).all()
        assert np.isnan(np.asarray(answer.wss_mm)).all()
        assert not np.asarray(answer.kept).any()
        assert (np.asarray(answer.weights) == expected).all()
        assert tuple(answer.candidates_mm.shape) == (0, 40, 3)
        assert estimate_scale_mm(points, projections) == 10.0

    def test_with_noise_everywhere_the_papers_constants_discard_every_joint(self):
        scene = court_scene(400, seed=6, noise_px=2.0)
        answer = robust_triangulate(scene.points_px, scene.projections)
        assert answer.kept.mean() < 0.02
        assert 20 < np.median(answer.wss_mm) < 320

    def test_with_one_bad_view_and_noise_consensus_beats_pairwise_beats_plain(self):
        scene = court_scene(600, seed=7, noise_px=1.0, num_cameras=6)
        shift_one_view(scene, 50.0)
        error = {}
        for name in ("none", "pairwise", "consensus"):
            answer = robust_triangulate(
                scene.points_px, scene.projections, weighting=name, discard="none"
            )
            error[name] = errors_mm(answer.points_mm, scene.truth_mm).mean()
        assert error["consensus"] < error["pairwise"] < error["none"] / 4

    def test_two_views_on_one_wrong_person_defeat_the_papers_rule_but_not_consensus(self):
        scene = court_scene(600, seed=8, noise_px=1.0, num_cameras=6)
        neighbour = project(scene.projections, scene.truth_mm + np.array([800.0, 600.0, 0.0]))
        scene.points_px[[1, 4]] = neighbour[[1, 4]]
        error = {}
        for name in ("pairwise", "consensus"):
            answer = robust_triangulate(scene.points_px, scene.projections, weighting=name)
            error[name] = errors_mm(answer.points_mm, scene.truth_mm).mean()
        assert error["consensus"] < 40
        assert error["pairwise"] > 4 * error["consensus"]


class TestOptions:
    def test_support_counts_the_views_with_weight(self):
        scene = court_scene(300, seed=9, noise_px=4.0, outliers=0.3)
        answer = robust_triangulate(
            scene.points_px, scene.projections, discard="support", sigma_mm=60.0, min_views=4
        )
        supporting = (answer.weights > 0.05).sum(0)
        np.testing.assert_array_equal(answer.kept, supporting >= 4)
        assert 0 < answer.kept.mean() < 1

    def test_nothing_is_discarded_under_the_rule_none(self):
        scene = court_scene(50, noise_px=20.0)
        answer = robust_triangulate(scene.points_px, scene.projections, discard="none")
        assert answer.kept.all()

    def test_given_weights_are_the_weights_of_the_rows(self):
        scene = court_scene(50, noise_px=3.0)
        weights = np.random.default_rng(0).uniform(0.1, 1, (8, 50))
        answer = robust_triangulate(scene.points_px, scene.projections, weighting=weights)
        np.testing.assert_array_equal(answer.weights, weights)
        expected = triangulate(scene.points_px, scene.projections, weights=weights)
        np.testing.assert_allclose(answer.points_mm, expected, atol=1e-9)

    def test_row_exponent_is_a_power_of_the_weight(self):
        scene = court_scene(50, noise_px=3.0)
        weights = np.random.default_rng(0).uniform(0.1, 1, (8, 50))
        half = robust_triangulate(
            scene.points_px, scene.projections, weighting=weights, row_exponent=0.5
        )
        roots = triangulate(scene.points_px, scene.projections, weights=np.sqrt(weights))
        np.testing.assert_allclose(half.points_mm, roots, atol=1e-8)

    def test_weights_too_small_for_a_number_still_count_by_their_ratios(self):
        scene = court_scene(200, seed=11, noise_px=1.0, num_cameras=4)
        shift_one_view(scene, 50.0)
        answer = robust_triangulate(
            scene.points_px, scene.projections, sigma_mm=0.5, discard="none"
        )
        assert (answer.weights.max(0) < 1e-100).any()
        assert np.isfinite(answer.points_mm).all()
        assert np.median(errors_mm(answer.points_mm, scene.truth_mm)) < 40

    def test_unsupported_joints_fall_back_to_a_robust_estimate_under_consensus(self):
        scene = court_scene(100, seed=12, noise_px=2.0)
        scene.points_px[1:] += np.random.default_rng(0).normal(0, 60, (7, 100, 2))
        answer = robust_triangulate(
            scene.points_px, scene.projections, weighting="consensus", scale_mm=3.0
        )
        assert not answer.kept.all()
        assert np.isfinite(answer.points_mm).all()

    def test_a_given_scale_makes_a_joint_independent_of_its_batch(self):
        scene = court_scene(64, seed=13, noise_px=2.0, outliers=0.1)
        options = {"weighting": "consensus", "scale_mm": 25.0, "sigma_mm": "auto"}
        whole = robust_triangulate(scene.points_px, scene.projections, **options)
        part = robust_triangulate(scene.points_px[:, 7:20], scene.projections, **options)
        np.testing.assert_allclose(whole.points_mm[7:20], part.points_mm, atol=1e-9)


class TestRefusals:
    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"points_px": np.zeros((8, 5, 3))}, "points_px"),
            ({"points_px": np.zeros((8, 5, 2), dtype=np.int64)}, "points_px"),
            ({"projections": np.zeros((7, 3, 4))}, "projections"),
            ({"observed": np.ones((5, 8), dtype=bool)}, "observed"),
            ({"observed": torch.ones(8, 5, dtype=torch.bool)}, "observed"),
            ({"weighting": "median"}, "weighting"),
            ({"weighting": np.ones((8, 4))}, "weighting"),
            ({"discard": "all"}, "discard"),
            ({"sigma_mm": 0.0}, "sigma_mm"),
            ({"sigma_mm": "wide"}, "sigma_mm"),
            ({"wss_threshold_mm": -1.0}, "wss_threshold_mm"),
            ({"scale_mm": float("nan")}, "scale_mm"),
            ({"min_views": 1}, "min_views"),
            ({"row_exponent": 0.0}, "row_exponent"),
        ],
    )
    def test_a_wrong_argument_is_named(self, change, field):
        scene = court_scene(5)
        arguments = {"points_px": scene.points_px, "projections": scene.projections} | change
        with pytest.raises(DataError) as refused:
            robust_triangulate(
                arguments.pop("points_px"), arguments.pop("projections"), **arguments
            )
        assert refused.value.field == field
        assert refused.value.expected
        assert refused.value.found


class TestSiblings:
    def test_leave_one_out_names_the_view_that_disagrees(self):
        scene = court_scene(50, seed=14, noise_px=0.5)
        scene.points_px[2] += [40.0, 0.0]
        answer = leave_one_out(scene.points_px, scene.projections)
        assert answer.points_mm.shape == (8, 50, 3)
        assert (answer.residuals_px.argmax(0) == 2).mean() > 0.8
        np.testing.assert_allclose(answer.residuals_px[2], 40, atol=4)

    def test_leave_one_out_is_the_triangulation_of_the_others(self):
        scene = court_scene(10, seed=15, noise_px=2.0)
        weights = np.random.default_rng(1).uniform(0.2, 1, (8, 10))
        answer = leave_one_out(scene.points_px, scene.projections, weights=weights)
        others = weights.copy()
        others[5] = 0
        expected = triangulate(scene.points_px, scene.projections, weights=others)
        np.testing.assert_allclose(answer.points_mm[5], expected, atol=1e-9)
        seen = project(scene.projections, expected)[5]
        np.testing.assert_allclose(
            answer.residuals_px[5], np.linalg.norm(seen - scene.points_px[5], axis=-1), atol=1e-9
        )

    def test_leave_one_out_is_nan_where_a_view_or_its_others_are_missing(self):
        scene = court_scene(3, noise_px=1.0)
        scene.points_px[2:, 0] = np.nan
        observed = np.ones((8, 3), dtype=bool)
        observed[4, 1] = False
        answer = leave_one_out(scene.points_px, scene.projections, observed=observed)
        assert np.isnan(answer.residuals_px[:, 0]).all()
        assert np.isnan(answer.residuals_px[4, 1])
        assert np.isfinite(answer.residuals_px[:, 2]).all()

    def test_covariance_matches_the_spread_of_noisy_triangulations(self):
        clean = court_scene(1, seed=16, noise_px=0.0)
        rng = np.random.default_rng(2)
        noisy = clean.points_px + rng.normal(0, 1.5, (4000, 8, 1, 2))
        spread = np.cov(triangulate(noisy, clean.projections)[:, 0].T)
        told = point_covariance_mm2(clean.truth_mm, clean.projections, noise_px=1.5)[0]
        # Plain DLT weighs near and far cameras alike, so it can only be a little worse.
        assert np.linalg.det(spread) > 0.9 * np.linalg.det(told)
        np.testing.assert_allclose(np.diag(spread), np.diag(told), rtol=0.25)

    def test_covariance_is_nan_without_a_second_view(self):
        points_mm = np.array([[0.0, 0.0, 1000.0], [np.nan] * 3, [500.0, 0.0, 1000.0]])
        observed = np.ones((8, 3), dtype=bool)
        observed[1:, 0] = False
        answer = point_covariance_mm2(points_mm, court_rig(), observed=observed)
        assert np.isnan(answer[:2]).all()
        assert (np.linalg.eigvalsh(answer[2]) > 0).all()

    def test_siblings_take_tensors_and_agree(self):
        scene = court_scene(12, seed=17, noise_px=2.0, missing=0.1)
        tensors = torch.from_numpy(scene.points_px), torch.from_numpy(scene.projections)
        arrays = scene.points_px, scene.projections
        np.testing.assert_allclose(triangulate(*tensors), triangulate(*arrays), atol=1e-7)
        assert estimate_scale_mm(*tensors) == pytest.approx(estimate_scale_mm(*arrays), rel=1e-9)
        ours, theirs = leave_one_out(*tensors), leave_one_out(*arrays)
        np.testing.assert_allclose(ours.residuals_px, theirs.residuals_px, atol=1e-7)
        np.testing.assert_allclose(ours.points_mm, theirs.points_mm, atol=1e-6)
        points = scene.truth_mm
        told = point_covariance_mm2(torch.from_numpy(points), tensors[1])
        np.testing.assert_allclose(told, point_covariance_mm2(points, arrays[1]))

    def test_the_scale_is_clipped_and_has_an_answer_for_nothing(self):
        clean, wild = court_scene(50, noise_px=0.0), court_scene(50, noise_px=50.0)
        assert estimate_scale_mm(clean.points_px, clean.projections) == 3.0
        assert estimate_scale_mm(wild.points_px, wild.projections) == 60.0
        empty = np.full((8, 4, 2), np.nan)
        assert estimate_scale_mm(empty, clean.projections) == 10.0


def test_everything_public_is_exported():
    assert geometry.RobustTriangulation is RobustTriangulation
    for name in geometry.__all__:
        assert hasattr(geometry, name)
