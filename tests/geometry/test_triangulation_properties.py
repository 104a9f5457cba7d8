"""What must hold for any rig and any points (Hypothesis)."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from core.geometry import robust_triangulate, triangulate
from tests.geometry.triangulation_cases import court_scene, project

SEEDS = st.integers(0, 2**32 - 1)
VIEWS = st.integers(2, 9)
JOINTS = st.integers(1, 40)
WEIGHTINGS = st.sampled_from(["none", "pairwise", "consensus"])
PROPERTY = settings(deadline=None, max_examples=25)


@PROPERTY
@given(seed=SEEDS, views=VIEWS, joints=JOINTS, weighting=WEIGHTINGS)
def test_triangulating_a_projection_is_the_identity(seed, views, joints, weighting):
    scene = court_scene(joints, seed=seed, noise_px=0.0, num_cameras=views)
    answer = robust_triangulate(
        scene.points_px, scene.projections, weighting=weighting, scale_mm=10, min_views=2
    )
    np.testing.assert_allclose(answer.points_mm, scene.truth_mm, atol=1e-5)
    assert answer.kept.all()
    np.testing.assert_allclose(
        project(scene.projections, answer.points_mm), scene.points_px, atol=1e-6
    )


@PROPERTY
@given(seed=SEEDS, views=VIEWS, weighting=WEIGHTINGS)
def test_moving_the_world_moves_the_answer(seed, views, weighting):
    scene = court_scene(20, seed=seed, num_cameras=views, outliers=0.1)
    rng = np.random.default_rng(seed)
    R = Rotation.random(rng=rng).as_matrix()
    t = rng.uniform(-1e5, 1e5, 3)
    moved = np.concatenate(
        [
            scene.projections[:, :, :3] @ R.T,
            scene.projections[:, :, 3:] - (scene.projections[:, :, :3] @ R.T @ t)[..., None],
        ],
        axis=-1,
    )
    options = {"weighting": weighting, "scale_mm": 30, "sigma_mm": "auto", "min_views": 2}
    before = robust_triangulate(scene.points_px, scene.projections, **options)
    after = robust_triangulate(scene.points_px, moved, **options)
    near = np.linalg.norm(before.points_mm, axis=-1) < 1e5
    np.testing.assert_allclose(after.points_mm[near], (before.points_mm @ R.T + t)[near], atol=1e-3)
    np.testing.assert_allclose(after.weights, before.weights, atol=1e-5)


@PROPERTY
@given(seed=SEEDS, views=VIEWS, weighting=WEIGHTINGS)
def test_the_order_of_the_views_does_not_matter(seed, views, weighting):
    scene = court_scene(20, seed=seed, num_cameras=views, outliers=0.1, missing=0.1)
    order = np.random.default_rng(seed).permutation(views)
    options = {"weighting": weighting, "scale_mm": 30, "sigma_mm": "auto", "min_views": 2}
    before = robust_triangulate(scene.points_px, scene.projections, **options)
    after = robust_triangulate(scene.points_px[order], scene.projections[order], **options)
    np.testing.assert_allclose(after.weights, before.weights[order], atol=1e-6)
    near = np.linalg.norm(before.points_mm, axis=-1) < 1e5
    np.testing.assert_allclose(after.points_mm[near], before.points_mm[near], atol=1e-3)


@PROPERTY
@given(seed=SEEDS, views=st.integers(3, 9))
def test_a_view_of_weight_zero_changes_nothing(seed, views):
    scene = court_scene(20, seed=seed, num_cameras=views)
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.1, 1, (views, 20))
    silent = rng.integers(views)
    weights[silent] = 0
    before = triangulate(scene.points_px, scene.projections, weights=weights)
    scene.points_px[silent] = rng.uniform(-1e4, 1e4, (20, 2))
    after = triangulate(scene.points_px, scene.projections, weights=weights)
    np.testing.assert_allclose(after, before, atol=1e-6)


@PROPERTY
@given(seed=SEEDS, views=VIEWS, power=st.floats(-30, 30))
def test_scaling_all_weights_or_a_projection_changes_nothing(seed, views, power):
    scene = court_scene(10, seed=seed, num_cameras=views)
    weights = np.random.default_rng(seed).uniform(0.1, 1, (views, 10))
    before = triangulate(scene.points_px, scene.projections, weights=weights)
    factor = float(np.exp(power))
    scene.projections[0] *= -factor
    after = triangulate(scene.points_px, scene.projections, weights=weights * factor)
    np.testing.assert_allclose(after, before, atol=1e-5)


@PROPERTY
@given(seed=SEEDS, views=VIEWS, weighting=WEIGHTINGS)
def test_whatever_the_pixels_every_answer_is_finite_or_told_apart(seed, views, weighting):
    rng = np.random.default_rng(seed)
    scene = court_scene(24, seed=seed, num_cameras=views)
    wild = rng.choice([0.0, 1.0, -1e9, 1e18, 1e-18, np.nan, np.inf], scene.points_px.shape)
    points_px = np.where(rng.random(scene.points_px.shape) < 0.3, wild, scene.points_px)
    answer = robust_triangulate(points_px, scene.projections, weighting=weighting, scale_mm=20)
    finite = np.isfinite(answer.points_mm)
    assert (finite.all(-1) | ~finite.any(-1)).all()
    assert not (answer.kept & ~finite.all(-1)).any()
    assert ((answer.weights >= 0) & (answer.weights <= 1)).all()
    seen = np.isfinite(points_px).all(-1)
    assert (answer.weights[~seen] == 0).all()
    assert not answer.kept[seen.sum(0) < 3].any()


@PROPERTY
@given(seed=SEEDS, views=VIEWS)
def test_tensors_get_the_answer_of_arrays(seed, views):
    scene = court_scene(20, seed=seed, num_cameras=views, outliers=0.1, missing=0.1)
    ours = robust_triangulate(scene.points_px, scene.projections)
    theirs = robust_triangulate(
        torch.from_numpy(scene.points_px), torch.from_numpy(scene.projections)
    )
    np.testing.assert_array_equal(ours.points_mm, theirs.points_mm.numpy())
    np.testing.assert_array_equal(ours.kept, theirs.kept.numpy())
