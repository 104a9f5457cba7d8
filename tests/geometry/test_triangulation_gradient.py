import numpy as np
import pytest
import torch

from core.geometry import leave_one_out, robust_triangulate, triangulate
from core.geometry.torch_triangulation import robust_eager
from core.geometry.triangulation import Options
from tests.geometry.svd_reference import gauge, rows_of, smallest
from tests.geometry.triangulation_cases import court_scene

TOLERANCE = {"eps": 1e-4, "atol": 1e-4, "rtol": 1e-4}


def tensors(num_joints: int = 4, **kinds):
    scene = court_scene(num_joints, seed=21, noise_px=3.0, num_cameras=5, **kinds)
    return torch.from_numpy(scene.points_px), torch.from_numpy(scene.projections)


@pytest.mark.parametrize("weighting", ["none", "given"])
@pytest.mark.parametrize("row_exponent", [0.5, 1.0])
def test_the_point_passes_gradcheck_in_pixels_and_given_weights(weighting, row_exponent):
    points_px, projections = tensors()
    weights = torch.rand(5, 4, dtype=torch.float64, generator=torch.manual_seed(0)) * 0.8 + 0.2

    def solve(pixels, factors):
        chosen = factors if weighting == "given" else "none"
        return robust_triangulate(
            pixels, projections, weighting=chosen, row_exponent=row_exponent
        ).points_mm

    inputs = points_px.requires_grad_(), weights.requires_grad_(weighting == "given")
    assert torch.autograd.gradcheck(solve, inputs, **TOLERANCE)


@pytest.mark.parametrize("weighting", ["pairwise", "consensus"])
@pytest.mark.parametrize("discard", ["wss", "none"])
def test_the_gradient_is_that_of_the_dlt_with_the_weights_held(weighting, discard):
    points_px, projections = tensors(30)
    points_px.requires_grad_()
    answer = robust_triangulate(
        points_px,
        projections,
        weighting=weighting,
        discard=discard,
        sigma_mm=60.0,
        wss_threshold_mm=120.0,
        scale_mm=30.0,
    )
    used = answer.weights.clamp_min(1e-9)
    if discard == "wss":
        # a discarded joint under pairwise is the DLT of equal weights; the rest are compared
        used = torch.where(answer.kept, used, 1.0)
    same = answer.kept if weighting == "consensus" else torch.ones_like(answer.kept)
    held = robust_triangulate(points_px, projections, weighting=used)
    up = torch.randn(30, 3, dtype=torch.float64, generator=torch.manual_seed(1)) * same[:, None]
    (ours,) = torch.autograd.grad((answer.points_mm * up).sum(), points_px)
    (theirs,) = torch.autograd.grad((held.points_mm * up).sum(), points_px)
    assert same.any()
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


def test_the_gradient_is_that_of_an_unrolled_svd():
    points_px, projections = tensors(20)
    points_px.requires_grad_()
    P, center = gauge(projections)
    A = rows_of(points_px.permute(1, 0, 2), P)
    reference = smallest(A.flatten(1, 2)) * 1000 + center
    ours = triangulate(points_px, projections)
    torch.testing.assert_close(ours, reference, rtol=0, atol=1e-6)
    (a,) = torch.autograd.grad(reference.square().sum(), points_px)
    (b,) = torch.autograd.grad(ours.square().sum(), points_px)
    torch.testing.assert_close(b, a, rtol=1e-6, atol=1e-4)


def test_only_the_point_carries_a_gradient():
    points_px, projections = tensors()
    answer = robust_triangulate(points_px.requires_grad_(), projections)
    assert answer.points_mm.requires_grad
    for name in ("weights", "wss_mm", "kept", "centers_mm", "candidates_mm"):
        assert not getattr(answer, name).requires_grad


@pytest.mark.parametrize("real", [torch.float32, torch.float64])
@pytest.mark.parametrize("weighting", ["none", "pairwise", "consensus", "given"])
def test_degenerate_joints_give_no_nan_gradient(weighting, real):
    points_px, projections = tensors(8)
    points_px[:, 1] = torch.nan
    points_px[1:, 2] = torch.nan
    points_px[:, 3] = torch.inf
    points_px[2, 4] = torch.nan
    points_px = points_px.to(real).requires_grad_()
    weights = torch.ones(5, 8, dtype=real)
    weights[:, 5] = 0
    weights[1:, 6] = 0
    weights.requires_grad_()
    chosen = weights if weighting == "given" else weighting
    answer = robust_triangulate(points_px, projections, weighting=chosen, scale_mm=20.0)
    loss = torch.where(answer.points_mm.isfinite(), answer.points_mm, 0.0).square().sum()
    loss.backward()
    assert points_px.grad is not None
    assert points_px.grad.isfinite().all()
    assert (points_px.grad[:, 0] != 0).any()
    assert (points_px.grad[:, 1:4] == 0).all()
    if weighting == "given":
        assert weights.grad is not None
        assert weights.grad.isfinite().all()


def test_a_nan_from_above_stays_with_its_joint():
    points_px, projections = tensors(6)
    points_px[1:, 2] = torch.nan
    points_px.requires_grad_()
    robust_triangulate(points_px, projections).points_mm.sum().backward()
    assert points_px.grad is not None
    assert points_px.grad.isfinite().all()


def test_a_discarded_joint_gives_no_gradient_to_given_weights():
    points_px, projections = tensors(6)
    weights = torch.full((5, 6), 0.7, dtype=torch.float64)
    weights[2] = 0.4
    weights.requires_grad_()
    answer = robust_triangulate(
        points_px, projections, weighting=weights, discard="wss", wss_threshold_mm=1e-3
    )
    assert not answer.kept.any()
    answer.points_mm.sum().backward()
    assert weights.grad is not None
    assert (weights.grad == 0).all()


def test_leave_one_out_is_differentiable_and_free_of_nan():
    points_px, projections = tensors(3)
    points_px[1:, 2] = torch.nan
    points_px.requires_grad_()
    answer = leave_one_out(points_px, projections)
    answer.residuals_px.nansum().backward()
    assert points_px.grad is not None
    assert points_px.grad.isfinite().all()
    assert (points_px.grad[:, :2] != 0).all()


def test_eager_and_compiled_gradients_agree():
    points_px, projections = tensors(60, outliers=0.1, missing=0.1)
    options = Options(
        weighting="pairwise",
        rule="wss",
        sigma_mm=60.0,
        wss_threshold_mm=100.0,
        scale_mm=20.0,
        min_views=3,
        row_exponent=1.0,
    )
    up = torch.randn(60, 3, dtype=torch.float64, generator=torch.manual_seed(2))
    gradients = []
    for eager in (False, True):
        leaf = points_px.clone().requires_grad_()
        if eager:
            answer = robust_eager(leaf, projections, None, None, options)
        else:
            answer = robust_triangulate(leaf, projections, sigma_mm=60.0, wss_threshold_mm=100.0)
        (answer.points_mm * up).nansum().backward()
        gradients.append(leaf.grad)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-6, atol=1e-6)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("weighting", ["none", "pairwise", "consensus"])
def test_a_gpu_gives_the_answer_and_gradient_of_the_cpu(weighting):
    points_px, projections = tensors(500, outliers=0.1, missing=0.1)
    gradients, answers = [], []
    for device in ("cpu", "cuda"):
        leaf = points_px.to(device).requires_grad_()
        answer = robust_triangulate(
            leaf, projections.to(device), weighting=weighting, scale_mm=30.0, sigma_mm="auto"
        )
        answer.points_mm.nansum().backward()
        answers.append(answer.points_mm.detach().cpu().numpy())
        gradients.append(leaf.grad.cpu().numpy())
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-5)
    np.testing.assert_allclose(gradients[0], gradients[1], rtol=1e-5, atol=1e-5)
