import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import DataError
from core.geometry import robust_triangulate
from core.geometry.camera import Rig
from core.learning.losses import BoxFrame
from core.learning.unlabelled import PseudoTargets, TriangulationLoss, Views
from core.project.runs.config import LossOptions
from tests.geometry.camera_rigs import LENSES, court_rig, look_at
from tests.learning.group_scenes import boxes_around, court_groups

torch.set_num_threads(1)

LITERAL = {"sigma_mm": 10.0, "wss_threshold_mm": 20.0}
WEIGHTINGS = ("none", "pairwise", "consensus", "learned")
GRADIENTS = ("full", "detach_target", "detach_prediction", "frozen")


def loss_of(scale_mm=20.0, **options) -> TriangulationLoss:
    return TriangulationLoss(LossOptions(**options), scale_mm=scale_mm)


def given_weights(scene, weighting="learned"):
    """Weights that sum to one over the views, where the weighting takes them."""
    if weighting != "learned":
        return None
    weights = 0.5 + torch.rand(scene.raw.shape[:3], generator=torch.manual_seed(1)).double()
    return weights / weights.sum(1, keepdim=True)


def backward(loss, points, batch, weights=None):
    targets = loss.targets(points, None, batch, weights)
    term = loss.term(points, targets)
    term.mean().backward()
    return term, targets


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_consistent_predictions_have_no_loss_and_give_back_the_truth(weighting):
    scene = court_groups()
    loss = loss_of(weighting=weighting)
    targets = loss.targets(scene.raw, None, scene.batch, given_weights(scene, weighting))
    term = loss.term(scene.raw, targets)
    assert targets.counted.all()
    assert term.count.item() == scene.raw[..., 0].numel()
    assert term.total.item() < 1e-12
    assert torch.allclose(targets.points_mm, scene.truth_mm, atol=1e-5)
    assert torch.allclose(targets.reprojection_raw, scene.raw, atol=1e-6)


@pytest.mark.parametrize("num_cameras", [4, 5, 6, 7])
def test_the_loss_is_equation_3_worked_with_numpy(num_cameras):
    scene = court_groups(4, 9, num_cameras, noise_px=1.0)
    literal = {"sigma_mm": 60.0, "wss_threshold_mm": 30.0}
    found = robust_triangulate(
        scene.rig.undistort(scene.raw.numpy()), scene.rig.projections, **literal
    )
    boxes = scene.batch.boxes_px.numpy()
    half = (boxes[..., None, 2:] - boxes[..., None, :2]) / 2
    error = (scene.raw.numpy() - scene.rig.project(found.points_mm)) / half
    squared = found.weights * (error**2).sum(-1) * found.kept[:, None]
    loss = loss_of(**literal)
    term = loss.term(scene.raw, loss.targets(scene.raw, None, scene.batch))
    assert 0 < found.kept.sum() < found.kept.size
    assert term.total.item() == pytest.approx(squared.sum(), rel=1e-6)
    assert term.count.item() == found.kept.sum() * num_cameras


@pytest.mark.parametrize("weighting", ["none", "learned"])
@pytest.mark.parametrize("loss_views", ["weighted", "all"])
def test_the_full_gradient_passes_gradcheck(weighting, loss_views):
    scene = court_groups(num_groups=2, num_joints=2, num_cameras=4, noise_px=3.0)
    loss = loss_of(weighting=weighting, loss_views=loss_views)
    weights = given_weights(scene, weighting)

    def value(points):
        return loss.term(points, loss.targets(points, None, scene.batch, weights)).mean()

    assert torch.autograd.gradcheck(value, (scene.leaf(),), eps=1e-4, atol=1e-7, rtol=1e-4)


@pytest.mark.parametrize("weighting", ["pairwise", "consensus"])
def test_weights_of_geometry_are_constants_of_the_step(weighting):
    scene = court_groups(noise_px=2.0)
    found = loss_of(weighting=weighting, discard="none")
    points = scene.leaf()
    _, targets = backward(found, points, scene.batch)
    same = loss_of(weighting="learned", discard="none", scale_mm=None)
    again = scene.leaf()
    backward(same, again, scene.batch, targets.weights)
    # Given weights count C times as much (they sum to one over the views).
    assert points.grad.abs().max() > 0
    assert torch.allclose(again.grad, points.grad * len(scene.rig), rtol=1e-7, atol=1e-14)


@pytest.mark.parametrize(
    ("gradient", "open_paths"),
    [
        ("full", {"target", "prediction"}),
        ("detach_target", {"prediction"}),
        ("detach_prediction", {"target"}),
        ("frozen", {"prediction"}),
    ],
)
def test_each_gradient_variant_blocks_its_path_entirely(gradient, open_paths):
    scene = court_groups(noise_px=2.0)
    loss = loss_of(gradient=gradient, weighting="none")
    paths = {"target": scene.leaf(), "prediction": scene.leaf()}
    targets = loss.targets(paths["target"], None, scene.batch)
    loss.term(paths["prediction"], targets).mean().backward()
    moved = {name for name, leaf in paths.items() if leaf.grad is not None and leaf.grad.any()}
    assert moved == open_paths


def test_the_two_paths_add_up_to_the_full_gradient():
    scene = court_groups(noise_px=2.0)
    grads = {}
    for gradient in ("full", "detach_target", "detach_prediction"):
        points = scene.leaf()
        backward(loss_of(gradient=gradient), points, scene.batch)
        grads[gradient] = points.grad
    both = grads["detach_target"] + grads["detach_prediction"]
    assert torch.allclose(grads["full"], both, rtol=1e-9, atol=1e-15)
    assert not torch.allclose(grads["full"], grads["detach_target"], rtol=1e-3)


def test_frozen_targets_outlive_the_predictions_they_were_made_of():
    scene = court_groups(noise_px=2.0)
    loss = loss_of(gradient="frozen")
    stored = loss.targets(scene.leaf(), None, scene.batch).detached()
    halves = [stored.pick(slice(0, 1)), stored.pick(torch.tensor([1, 2]))]
    later = (scene.raw + 1.0).requires_grad_()
    term = loss.term(later, PseudoTargets.joined(halves).to("cpu"))
    term.mean().backward()
    frame = BoxFrame.of(scene.batch.boxes_px)
    error = (later - stored.reprojection_raw) / frame.half_px**2
    expected = 2 * stored.factors[..., None] * error / term.count
    assert torch.allclose(later.grad, torch.where(stored.counted[..., None], expected, 0.0))


def test_counting_all_views_pulls_views_that_the_weights_gave_up():
    scene = court_groups(num_joints=3)
    scene.raw[:, 2] += 40.0
    grads, pulls = {}, {}
    for views in ("weighted", "all"):
        points = scene.leaf()
        term, targets = backward(
            loss_of(weighting="consensus", loss_views=views, gradient="detach_target"),
            points,
            scene.batch,
        )
        assert (targets.weights[:, 2] < 0.01).all()
        assert term.count.item() == scene.raw[..., 0].numel()
        grads[views] = points.grad
        pulls[views] = targets.factors[:, 2]
    assert (pulls["all"] == 1).all()
    assert (pulls["weighted"] < 0.01).all()
    assert torch.allclose(
        grads["weighted"][:, 2], grads["all"][:, 2] * pulls["weighted"][..., None], rtol=1e-9
    )


@pytest.mark.parametrize("weighting", ["consensus", "learned"])
def test_the_gate_counts_views_of_some_weight(weighting):
    scene = court_groups(num_joints=3, noise_px=0.2)
    scene.raw[1, :2] += torch.tensor([[60.0, -50.0], [-70.0, 40.0]])[:, None]
    weights = None
    if weighting == "learned":
        weights = torch.full(scene.raw.shape[:3], 1 / 6)
        weights[1, :2] = 0.01
    for gate, open_groups in ((0, 3), (4, 3), (5, 2), (6, 2), (7, 0)):
        loss = loss_of(weighting=weighting, gate_views=gate)
        targets = loss.targets(scene.raw, None, scene.batch, weights)
        assert targets.kept.all()
        assert targets.counted.any(1).any(1).sum().item() == open_groups


@pytest.mark.parametrize(
    ("discard", "kept"), [("auto", False), ("wss", False), ("support", True), ("none", True)]
)
def test_the_discard_rule_is_the_one_asked_for(discard, kept):
    scene = court_groups(noise_px=0.0)
    scene.raw[:, 0] += 200.0
    loss = loss_of(discard=discard, **LITERAL)
    points = scene.leaf()
    term, targets = backward(loss, points, scene.batch)
    assert targets.kept.unique().tolist() == [kept]
    assert (term.count.item() > 0) == kept


def test_no_kept_joint_is_a_zero_loss_with_a_zero_gradient():
    scene = court_groups(noise_px=60.0)
    points = scene.leaf()
    term, targets = backward(loss_of(**LITERAL), points, scene.batch)
    assert not targets.kept.any()
    assert targets.points_mm.isfinite().all()
    assert (term.total.item(), term.count.item()) == (0, 0)
    assert torch.equal(points.grad, torch.zeros_like(points))


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("num_cameras", [1, 2])
def test_too_few_views_count_nothing_and_spoil_nothing(weighting, num_cameras):
    scene = court_groups(num_cameras=num_cameras, noise_px=1.0)
    loss = loss_of(weighting=weighting)
    points = scene.leaf()
    term, targets = backward(loss, points, scene.batch, given_weights(scene, weighting))
    assert targets.points_mm.isfinite().all().item() == (num_cameras == 2)
    assert not targets.kept.any()
    assert term.count.item() == 0
    assert torch.equal(points.grad, torch.zeros_like(points))


@pytest.mark.parametrize("weighting", ["none", "pairwise", "consensus"])
def test_a_view_the_person_is_not_in_is_as_if_it_were_not_there(weighting):
    scene = court_groups(noise_px=1.0)
    points = scene.leaf()
    boxes, in_view = scene.batch.boxes_px.clone(), scene.batch.in_view.clone()
    boxes[:, 1], in_view[:, 1] = math.nan, False
    loss = loss_of(weighting=weighting)
    term, targets = backward(loss, points, replace(scene.batch, boxes_px=boxes, in_view=in_view))
    others = [0, 2, 3, 4, 5]
    few = scene.raw[:, others].clone().requires_grad_()
    loss = loss_of(weighting=weighting)
    fewer = Views(
        (Rig(tuple(scene.rig[c] for c in others)),),
        scene.batch.rig_index,
        boxes[:, others],
        in_view[:, others],
    )
    expected, _ = backward(loss, few, fewer)
    assert expected.count.item() > 0
    assert term.count.item() == expected.count.item()
    # The gauge is about the mean camera, so that a camera left out moves an answer a little.
    assert term.total.item() == pytest.approx(expected.total.item(), rel=1e-2)
    assert (points.grad[:, 1] == 0).all()
    assert (targets.weights[:, 1] == 0).all()


def test_observed_leaves_predictions_out():
    scene = court_groups(noise_px=1.0)
    observed = torch.ones(scene.raw.shape[:3], dtype=torch.bool)
    observed[0, :4, 1] = False
    loss = loss_of(weighting="none")
    targets = loss.targets(scene.raw, observed, scene.batch)
    assert not targets.kept[0, 1]
    assert targets.kept.sum().item() == targets.kept.numel() - 1


@pytest.mark.parametrize("power", [1e-30, 1e-200])
def test_weights_that_are_all_tiny_still_count_by_their_ratios(power):
    scene = court_groups(noise_px=1.0)
    weights = given_weights(scene)
    loss = loss_of(weighting="learned")
    usual = loss.targets(scene.raw, None, scene.batch, weights)
    points = scene.leaf()
    _, tiny = backward(loss, points, scene.batch, weights * power)
    assert torch.allclose(tiny.points_mm, usual.points_mm, atol=1e-4)
    assert tiny.counted.all()
    assert points.grad.isfinite().all()


def test_learned_weights_count_one_on_average_and_get_no_gradient():
    scene = court_groups(noise_px=1.0)
    weights = given_weights(scene).requires_grad_()
    points = scene.leaf()
    term, targets = backward(
        loss_of(weighting="learned", scale_mm=None), points, scene.batch, weights
    )
    assert term.count.item() > 0
    assert targets.factors.mean().item() == pytest.approx(1.0)
    assert weights.grad is None
    assert points.grad.any()


def test_a_prediction_that_is_not_finite_touches_no_other_joint():
    scene = court_groups(noise_px=1.0)
    clean = scene.leaf()
    backward(loss_of(), clean, scene.batch)
    spoilt = scene.raw.clone()
    spoilt[0, :, 2] = math.nan
    spoilt[1, 3, 0] = math.inf
    spoilt.requires_grad_()
    loss = loss_of()
    targets = loss.targets(spoilt, None, scene.batch)
    loss.term(spoilt, targets).total.backward()
    assert spoilt.grad.isfinite().all()
    reference = scene.leaf()
    loss.term(reference, loss.targets(reference, None, scene.batch)).total.backward()
    untouched = torch.ones(scene.raw.shape[:3], dtype=torch.bool)
    untouched[0, :, 2] = untouched[1, :, 0] = False
    assert torch.equal(spoilt.grad[untouched], reference.grad[untouched])


def test_a_pixel_that_no_ray_is_imaged_at_is_not_observed():
    folding = tuple(
        look_at(f"cam_{i}", center, distortion=LENSES["brown5"])
        for i, center in enumerate(
            [(9000, 0, 3000), (0, 9000, 3000), (-9000, 0, 3000), (0, -9000, 3000)]
        )
    )
    scene = court_groups(rig=Rig(folding), noise_px=0.5)
    scene.raw[0, 0, 0] = torch.tensor([9000.0, 9000.0])
    boxes = boxes_around(scene.raw)
    points = scene.leaf()
    loss = loss_of(weighting="none")
    _, targets = backward(loss, points, replace(scene.batch, boxes_px=boxes))
    assert not targets.counted[0, 0, 0]
    assert targets.counted.sum().item() == targets.counted.numel() - 1
    assert (points.grad[0, 0, 0] == 0).all()
    assert points.grad.isfinite().all()


def test_groups_of_several_rigs_are_as_each_by_itself():
    plain = court_groups(noise_px=2.0, seed=1, rig=court_rig(5, ()))
    bent = court_groups(noise_px=2.0, seed=2, rig=court_rig(5, (-0.3, 0.1)))
    joined = Views.joined([plain.batch, bent.batch, plain.batch])
    assert joined.rigs == (plain.rig, bent.rig)
    assert joined.rig_index.tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0]
    order = torch.tensor([0, 3, 6, 1, 4, 7, 2, 5, 8])
    mixed = Views(
        joined.rigs, joined.rig_index[order], joined.boxes_px[order], joined.in_view[order]
    )
    loss = loss_of(weighting="consensus")
    points = torch.cat([plain.raw, bent.raw, plain.raw])[order].requires_grad_()
    backward(loss, points, mixed)
    alone = []
    for scene in (plain, bent, plain):
        leaf = scene.leaf()
        backward(loss, leaf, scene.batch)
        alone.append(leaf.grad / 3)
    assert torch.allclose(points.grad, torch.cat(alone)[order], rtol=1e-6, atol=1e-12)


def test_a_rig_made_anew_is_not_stacked_again():
    scene = court_groups()
    loss = loss_of()
    for _ in range(3):
        again = replace(scene.batch, rigs=(court_rig(6),))
        loss.targets(scene.raw, None, again)
    assert len(loss.cameras(scene.batch).projections) == 6


def test_rigs_of_different_numbers_of_cameras_are_refused():
    with pytest.raises(ValueError, match="expected 6 cameras"):
        TriangulationLoss(LossOptions(), [court_rig(6), court_rig(5)], 20.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_geometry_is_float64_whatever_the_network_and_autocast_say(dtype):
    scene = court_groups(noise_px=2.0)
    coarse = scene.raw.to(dtype).requires_grad_()
    fine = coarse.detach().double().requires_grad_()
    loss = loss_of(weighting="none")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        term, targets = backward(loss, coarse, scene.batch)
    exact, _ = backward(loss, fine, scene.batch)
    assert targets.points_mm.dtype == term.total.dtype == torch.float64
    assert term.total.item() == exact.total.item()
    assert coarse.grad.dtype == dtype
    # The two paths' gradients are rounded to the network's type before they are added.
    assert torch.allclose(
        coarse.grad.double(), fine.grad, rtol=4 * torch.finfo(dtype).eps, atol=2e-7
    )


@pytest.mark.parametrize("gradient", ["detach_prediction", "frozen"])
def test_a_teacher_with_a_gradient_that_needs_its_own_is_refused(gradient):
    with pytest.raises(DataError, match=r"loss\.gradient"):
        loss_of(teacher=True, gradient=gradient)


def test_weights_are_taken_where_they_are_learned_and_there_alone():
    scene = court_groups()
    with pytest.raises(DataError, match="found no weights, and learned"):
        loss_of(weighting="learned").targets(scene.raw, None, scene.batch)
    with pytest.raises(DataError, match="found weights, and none"):
        loss_of(weighting="none").targets(scene.raw, None, scene.batch, given_weights(scene))


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 1000),
    num_cameras=st.integers(1, 7),
    weighting=st.sampled_from(WEIGHTINGS),
    gradient=st.sampled_from(GRADIENTS),
    discard=st.sampled_from(["auto", "wss", "support", "none"]),
    loss_views=st.sampled_from(["weighted", "all"]),
    gate_views=st.integers(0, 4),
    noise_px=st.sampled_from([0.0, 1.0, 30.0, 3000.0]),
)
def test_no_option_and_no_damage_ever_makes_a_gradient_nan(
    seed, num_cameras, weighting, gradient, discard, loss_views, gate_views, noise_px
):
    scene = court_groups(2, 4, num_cameras, noise_px=noise_px, seed=seed)
    rng = torch.Generator().manual_seed(seed)

    def chance(shape, share):
        return torch.rand(shape, generator=rng) < share

    lost = chance(scene.raw.shape[:2], 0.2)
    boxes = torch.where(lost[..., None], math.nan, scene.batch.boxes_px)
    raw = torch.where(chance(scene.raw.shape, 0.05), math.nan, scene.raw)
    raw = torch.where(chance(scene.raw.shape[:3], 0.05)[..., None], 1e12, raw)
    weights = given_weights(scene, weighting)
    if weights is not None:
        weights = torch.where(chance(weights.shape, 0.2), 0.0, weights)
    loss = loss_of(
        weighting=weighting,
        gradient=gradient,
        discard=discard,
        loss_views=loss_views,
        gate_views=gate_views,
        residual_weight=1.0,
    )
    points = raw.requires_grad_()
    batch = replace(scene.batch, boxes_px=boxes, in_view=~lost)
    targets = loss.targets(points, None, batch, weights)
    term = loss.term(points, targets)
    residual = loss.residual_term(points, targets, batch)
    (term.mean() + residual.mean()).backward()
    assert term.total.isfinite()
    assert residual.total.isfinite()
    assert points.grad.isfinite().all()
    assert (points.grad[~targets.counted.any(1)[:, None].expand(scene.raw.shape[:3])] == 0).all()


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_a_gpu_gives_the_loss_and_gradient_of_the_cpu(weighting):
    scene = court_groups(noise_px=2.0)
    found = {}
    for device in ("cpu", "cuda"):
        batch = Views(
            scene.batch.rigs,
            scene.batch.rig_index.to(device),
            scene.batch.boxes_px.to(device),
            scene.batch.in_view.to(device),
        )
        points = scene.raw.to(device).requires_grad_()
        weights = given_weights(scene, weighting)
        weights = None if weights is None else weights.to(device)
        loss = TriangulationLoss(LossOptions(weighting=weighting), scale_mm=20.0, device=device)
        targets = loss.targets(points, None, batch, weights)
        term = loss.term(points, targets) + loss.residual_term(points, targets, batch)
        term.total.backward()
        found[device] = (term.total.item(), points.grad.cpu())
    assert found["cuda"][0] == pytest.approx(found["cpu"][0], rel=1e-6)
    assert torch.allclose(found["cuda"][1], found["cpu"][1], rtol=1e-4, atol=1e-10)
