"""The triangulation residual and the 3D loss of the learned weights."""

import math
from dataclasses import replace

import pytest
import torch

from core.learning.losses import BoxFrame
from core.learning.unlabelled import TriangulationLoss, smallest_singular_px
from core.project.runs.config import LossOptions
from tests.geometry.svd_reference import gauge, rows_of
from tests.learning.group_scenes import court_groups

torch.set_num_threads(1)


def loss_of(**options) -> TriangulationLoss:
    return TriangulationLoss(LossOptions(**options), scale_mm=20.0)


def undistorted(scene):
    return torch.from_numpy(scene.rig.undistort(scene.raw.numpy()))


def test_the_residual_is_the_smallest_singular_value_of_the_weighted_matrix():
    scene = court_groups(noise_px=3.0)
    points = undistorted(scene)
    weights = 0.2 + torch.rand(points.shape[:3], generator=torch.manual_seed(0)).double()
    projections, _ = gauge(torch.from_numpy(scene.rig.projections.copy()))
    rows = rows_of(points.movedim(1, 2).reshape(-1, 6, 2), projections)
    rows = rows * weights.movedim(1, 2).reshape(-1, 6)[..., None, None]
    expected = torch.linalg.svdvals(rows.flatten(1, 2))[:, -1].reshape(3, 5)
    cameras = loss_of().cameras(scene.batch)
    seen = torch.ones(points.shape[:3], dtype=torch.bool)
    sigma, solved = smallest_singular_px(points, cameras, seen, weights)
    assert solved.all()
    assert torch.allclose(sigma, expected, rtol=1e-6)


def test_the_residual_of_unit_weights_passes_gradcheck():
    scene = court_groups(num_groups=2, num_joints=2, num_cameras=4, noise_px=3.0)
    loss = loss_of(weighting="none")
    targets = loss.targets(scene.raw, None, scene.batch)

    def value(points):
        return loss.residual_term(points, targets, scene.batch).mean()

    assert torch.autograd.gradcheck(value, (scene.leaf(),), eps=1e-3, atol=1e-8, rtol=1e-4)


def test_the_residual_is_a_share_of_the_persons_box_over_counted_joints():
    scene = court_groups(noise_px=2.0)
    scene.raw[0, :, 1] += torch.tensor(
        [[900.0, 0], [0, 900], [-900, 0], [0, -900], [700, 0], [0, 0]]
    )
    loss = loss_of(weighting="consensus")
    targets = loss.targets(scene.raw, None, scene.batch)
    assert not targets.kept[0, 1]
    term = loss.residual_term(scene.raw, targets, scene.batch)
    assert term.count.item() == targets.kept.sum().item() == 14
    seen = targets.counted
    points = torch.where(seen[..., None], undistorted(scene), math.nan)
    weights = torch.where(seen, targets.weights, 0.0)
    sigma, _ = smallest_singular_px(points, loss.cameras(scene.batch), seen, weights)
    half = BoxFrame.of(scene.batch.boxes_px).half_px.mean((-1, 1))[..., 0]
    expected = (sigma / half[:, None])[targets.kept].sum()
    assert term.total.item() == pytest.approx(expected.item(), rel=1e-9)


def test_consistent_predictions_have_no_residual_and_a_finite_gradient():
    scene = court_groups()
    loss = loss_of(weighting="none")
    points = scene.leaf()
    targets = loss.targets(points, None, scene.batch)
    term = loss.residual_term(points, targets, scene.batch)
    term.mean().backward()
    assert term.total.item() < 1e-8
    assert points.grad.isfinite().all()


def test_a_step_along_the_residual_makes_views_agree_better():
    scene = court_groups(noise_px=3.0)
    loss = loss_of(weighting="none")
    points = scene.leaf()
    values = []
    for _ in range(2):
        term = loss.residual_term(points, loss.targets(points, None, scene.batch), scene.batch)
        values.append(term.total.item())
        (gradient,) = torch.autograd.grad(term.total, points)
        points = (points - gradient / gradient.abs().max()).detach().requires_grad_()
    assert values[1] < values[0]


def test_one_view_has_no_residual():
    scene = court_groups(num_cameras=1, noise_px=1.0)
    loss = loss_of(weighting="none", min_views=2)
    points = scene.leaf()
    targets = loss.targets(points, None, scene.batch)
    term = loss.residual_term(points, targets, scene.batch)
    term.mean().backward()
    assert (term.total.item(), term.count.item()) == (0, 0)
    assert (points.grad == 0).all()


def learned_case(noise_px=0.0):
    scene = court_groups(num_joints=3, noise_px=noise_px)
    weights = torch.full(scene.raw.shape[:3], 1 / 6, dtype=torch.float64)
    return scene, weights.requires_grad_()


def test_the_learned_weights_loss_is_the_squared_error_in_square_metres():
    scene, weights = learned_case()
    truth = scene.truth_mm + torch.tensor([100.0, 0.0, 0.0])
    truth[0, 0] += torch.tensor([0.0, 900.0, 0.0])
    truth[1, 2] = math.nan
    term = loss_of(weighting="learned").learned_weights_term(scene.raw, weights, truth, scene.batch)
    # 10 cm: its square. 0.1² + 0.9² m² lies beyond (20 cm)², and counts by its tenth power.
    soft = 0.82**0.1 * 0.04**0.9
    assert term.count.item() == 8
    assert term.total.item() == pytest.approx(7 * 0.01 + soft, rel=1e-6)


def test_the_learned_weights_loss_lowers_the_weight_of_a_wrong_view():
    scene, weights = learned_case()
    scene.raw[:, 2] += torch.tensor([25.0, -15.0])
    loss = loss_of(weighting="learned")
    loss.learned_weights_term(scene.raw, weights, scene.truth_mm, scene.batch).mean().backward()
    assert (weights.grad[:, 2] > 0).all()


def test_the_learned_weights_loss_passes_gradcheck_in_weights_and_points():
    scene = court_groups(num_groups=1, num_joints=2, num_cameras=4, noise_px=6.0)
    weights = 0.5 + torch.rand(1, 4, 2, generator=torch.manual_seed(3)).double()
    loss = loss_of(weighting="learned")

    def value(points, factors):
        return loss.learned_weights_term(points, factors, scene.truth_mm, scene.batch).total

    leaves = (scene.leaf(), weights.requires_grad_())
    assert torch.autograd.gradcheck(value, leaves, eps=1e-4, atol=1e-8, rtol=1e-4)


def test_views_out_of_sight_leave_the_learned_weights_loss_finite():
    scene, weights = learned_case(noise_px=1.0)
    boxes, in_view = scene.batch.boxes_px.clone(), scene.batch.in_view.clone()
    boxes[0, 1:], in_view[0, 1:] = math.nan, False
    batch = replace(scene.batch, boxes_px=boxes, in_view=in_view)
    points = scene.leaf()
    term = loss_of(weighting="learned").learned_weights_term(points, weights, scene.truth_mm, batch)
    term.mean().backward()
    assert term.count.item() == 6
    assert (points.grad[0] == 0).all()
    assert weights.grad.isfinite().all()
    assert (weights.grad[0] == 0).all()
