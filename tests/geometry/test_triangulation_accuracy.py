"""METHOD's accuracy gates: against a float64 SVD, and between the two implementations."""

import numpy as np
import pytest
import torch

from core.geometry import robust_triangulate
from core.geometry.torch_triangulation import robust_eager
from core.geometry.triangulation import Options
from tests.geometry.svd_reference import pairwise
from tests.geometry.triangulation_cases import Scene, court_scene

POINTS = ("points_mm", "centers_mm", "candidates_mm")


def by_svd(scene: Scene, **options):
    points_px = torch.from_numpy(scene.points_px).permute(1, 0, 2)
    return pairwise(points_px.double(), torch.from_numpy(scene.projections), **options)


def percentile_99(ours, reference) -> float:
    return float(np.percentile(np.abs(np.asarray(ours, np.float64) - reference.numpy()), 99))


def mixed_scene(num_joints: int, num_cameras: int, seed: int) -> Scene:
    """Clean, noisy, with outliers, gaps and every kind of degenerate joint."""
    scene = court_scene(
        num_joints, seed=seed, num_cameras=num_cameras, outliers=0.1, missing=0.15, noise_px=2.0
    )
    clean = court_scene(num_joints, seed=seed, num_cameras=num_cameras, noise_px=0.0)
    kind = np.random.default_rng(seed + 100).random(num_joints)
    scene.points_px[:, kind < 0.05] = clean.points_px[:, kind < 0.05]
    scene.points_px[:, (kind > 0.05) & (kind < 0.06)] = np.nan
    scene.points_px[1:, (kind > 0.06) & (kind < 0.07)] = np.nan
    scene.points_px[0, (kind > 0.07) & (kind < 0.08)] = np.inf
    return scene


@pytest.mark.parametrize(("sigma_mm", "threshold_mm"), [(10.0, 20.0), (100.0, 150.0)])
@pytest.mark.parametrize("num_cameras", [3, 5, 8])
def test_float64_is_the_svds_answer_within_1e_5_mm(num_cameras, sigma_mm, threshold_mm):
    scene = court_scene(700, seed=num_cameras, num_cameras=num_cameras, outliers=0.08)
    expected = by_svd(scene, sigma_mm=sigma_mm, threshold_mm=threshold_mm)
    answer = robust_triangulate(
        scene.points_px, scene.projections, sigma_mm=sigma_mm, wss_threshold_mm=threshold_mm
    )
    assert percentile_99(answer.points_mm, expected.points_mm) <= 1e-5
    assert percentile_99(answer.candidates_mm.transpose(1, 0, 2), expected.candidates_mm) <= 1e-5
    assert percentile_99(answer.centers_mm, expected.centers_mm) <= 1e-5
    assert percentile_99(answer.wss_mm, expected.wss_mm) <= 1e-5
    assert percentile_99(answer.weights.T, expected.weights) <= 1e-8
    np.testing.assert_array_equal(answer.kept, expected.kept.numpy())


@pytest.mark.parametrize("row_exponent", [0.5, 1.0])
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_float32_is_the_svds_answer_within_0_02_mm(kind, row_exponent):
    scene = court_scene(700, seed=2, outliers=0.08)
    scene.points_px = scene.points_px.astype(np.float32)
    expected = by_svd(scene, sigma_mm=100.0, threshold_mm=150.0, row_exponent=row_exponent)
    answer = robust_triangulate(
        kind(scene.points_px),
        kind(scene.projections),
        sigma_mm=100.0,
        wss_threshold_mm=150.0,
        row_exponent=row_exponent,
    )
    assert percentile_99(answer.points_mm, expected.points_mm) <= 0.02
    assert percentile_99(answer.centers_mm, expected.centers_mm) <= 0.02


def test_exact_observations_give_exact_points():
    scene = court_scene(500, noise_px=0.0)
    for weighting in ("none", "pairwise", "consensus"):
        answer = robust_triangulate(
            scene.points_px, scene.projections, weighting=weighting, scale_mm=10
        )
        np.testing.assert_allclose(answer.points_mm, scene.truth_mm, atol=1e-6)


def tolerance_mm(name: str, values: np.ndarray) -> np.ndarray:
    """1e-5, but leading digits for what lies far off, as the candidates of parallel rays do."""
    size = np.nan_to_num(np.abs(values))
    if name in POINTS:
        size = np.linalg.norm(size, axis=-1, keepdims=True)
    return np.where(size < 1e5, 1e-5, 1e-7 * size)


def compare(scene: Scene, weighting: str, rule: str, given: np.ndarray) -> tuple[int, int]:
    """Joints compared, and those that differ by more than 1e-5 mm or in kind."""
    options = Options(
        weighting=weighting,
        rule=rule,
        sigma_mm=90.0,
        wss_threshold_mm=120.0,
        scale_mm=30.0,
        min_views=3,
        row_exponent=1.0,
    )
    tensors = torch.from_numpy(scene.points_px), torch.from_numpy(scene.projections)
    factors = torch.from_numpy(given) if weighting == "given" else None
    theirs = robust_eager(*tensors, None, factors, options)
    ours = robust_triangulate(
        scene.points_px,
        scene.projections,
        weighting=given if weighting == "given" else weighting,
        discard=rule,
        sigma_mm=90.0,
        wss_threshold_mm=120.0,
        scale_mm=30.0,
    )
    num_joints = scene.points_px.shape[1]
    wrong = np.zeros(num_joints, dtype=bool)
    for name in ("points_mm", "centers_mm", "candidates_mm", "weights", "wss_mm", "kept"):
        a = np.asarray(getattr(ours, name), dtype=np.float64)
        b = getattr(theirs, name).numpy().astype(np.float64)
        tolerance = tolerance_mm(name, b)
        differs = ~(np.abs(a - b) <= tolerance) & ~(np.isnan(a) & np.isnan(b))
        if name in ("points_mm", "centers_mm"):
            differs = differs.any(-1)
        elif name == "candidates_mm":
            differs = differs.any((0, 2))
        elif name == "weights":
            differs = differs.any(0)
        wrong |= differs
    return num_joints, int(wrong.sum())


def test_kernel_and_tensor_path_agree_on_100000_joints():
    total, different = 0, 0
    rng = np.random.default_rng(0)
    cases = [
        ("pairwise", "wss", 4600),
        ("pairwise", "none", 4600),
        ("consensus", "support", 2900),
        ("given", "none", 1200),
        ("none", "support", 1000),
    ]
    for num_cameras in range(2, 9):
        for seed, (weighting, rule, num_joints) in enumerate(cases):
            scene = mixed_scene(num_joints, num_cameras, seed + 10 * num_cameras)
            given = rng.uniform(0, 1, scene.points_px.shape[:2])
            compared, wrong = compare(scene, weighting, rule, given)
            total, different = total + compared, different + wrong
    assert total >= 100_000
    assert different == 0
