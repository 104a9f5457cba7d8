"""Detector, lifter and view weights: shapes, types, options, autocast, compile, layouts."""

import pytest
import torch

from core.errors import DataError
from core.models import (
    Detector,
    DetectorSpec,
    Lifter,
    LifterSpec,
    ViewConfidence,
    gaussian_heatmaps,
)
from core.models.soft_argmax import crop_px_from_cells
from core.project.runs.config import LiftOptions, ModelOptions

JOINTS = ("nose", "left_wrist", "right_wrist")


def detector_of(joints=JOINTS) -> Detector:
    """The default small detector, with a head that says something."""
    torch.manual_seed(0)
    detector = Detector(DetectorSpec.resolve(ModelOptions(), joints, "cpu"))
    torch.nn.init.normal_(detector.network.conv_out.weight, std=0.05)
    return detector


def pictures(num=4, hw=(128, 96)) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (num, 3, *hw), generator=generator, dtype=torch.uint8)


def test_the_default_on_a_cpu_is_the_small_detector_at_its_size():
    spec = DetectorSpec.resolve(ModelOptions(), JOINTS, "cpu")
    assert (spec.family, spec.input_hw, spec.heatmap_hw) == ("small", (128, 96), (32, 24))
    size = sum(parameter.numel() for parameter in Detector(spec).parameters())
    assert 0.5e6 <= size <= 1.2e6


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_the_default_on_a_gpu_is_the_papers_detector(device):
    spec = DetectorSpec.resolve(ModelOptions(), JOINTS, device)
    assert (spec.family, spec.depth, spec.width) == ("fastpose", 101, 128)
    assert (spec.input_hw, spec.heatmap_hw, spec.temperature) == ((320, 256), (80, 64), 100)


def test_options_change_the_spec():
    options = ModelOptions(
        detector="fastpose", depth=50, width=256, input_height=256, input_width=192, temperature=7
    )
    spec = DetectorSpec.resolve(options, JOINTS, "cpu")
    assert (spec.depth, spec.width, spec.input_hw) == (50, 256, (256, 192))
    assert spec.temperature == 7


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"input_hw": (112, 96)}, "input_hw"),
        ({"joints": ()}, "joints"),
        ({"joints": ("nose", "nose")}, "joints"),
        ({"temperature": 0.0}, "temperature"),
        ({"width": 12}, "width"),
        ({"depth": 0}, "depth"),
        ({"family": "fastpose", "depth": 34, "width": 128}, "depth"),
    ],
)
def test_a_spec_that_cannot_be_is_refused_by_field(changes, field):
    values = {"family": "small", "depth": 1, "width": 24, "joints": JOINTS}
    values |= {"input_hw": (128, 96), "temperature": 20.0, **changes}
    with pytest.raises(DataError, match=f"detector: {field}: expected"):
        DetectorSpec(**values)


def test_detections_have_their_shapes_and_ranges():
    detector = detector_of()
    found = detector(pictures())
    assert found.points_px.shape == (4, 3, 2)
    assert found.heatmaps.shape == (4, 3, 32, 24)
    assert found.features.shape[:2] == (4, detector.num_features)
    assert found.confidence.shape == (4, 3)
    assert ((found.confidence >= 0) & (found.confidence <= 1)).all()
    assert ((found.points_px >= -0.5) & (found.points_px <= 127.5)).all()


def test_bytes_and_floats_of_the_same_pixels_give_the_same():
    detector = detector_of().eval()
    found = detector(pictures())
    torch.testing.assert_close(detector(pictures().float()), found)


def test_the_layout_of_the_pictures_changes_nothing():
    detector = detector_of().eval()
    expected = detector(pictures())
    detector.to(memory_format=torch.channels_last)
    last = pictures().contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(detector(last), expected, atol=1e-3, rtol=1e-3)


def test_another_crop_size_needs_no_other_weights():
    detector = detector_of().eval()
    assert detector(pictures(2, (192, 160))).heatmaps.shape == (2, 3, 48, 40)


def test_autocast_keeps_points_and_heatmaps_in_float32():
    detector = detector_of().eval()
    exact = detector(pictures())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = detector(pictures())
    assert found.features.dtype == torch.bfloat16
    assert found.points_px.dtype == found.heatmaps.dtype == found.confidence.dtype == torch.float32
    error = (found.heatmaps - exact.heatmaps).abs().max() / exact.heatmaps.abs().max()
    assert 0 < error < 0.05


def test_every_parameter_learns_from_points_alone():
    detector = detector_of()
    detector(pictures()).points_px.square().sum().backward()
    silent = [
        name
        for name, parameter in detector.named_parameters()
        # A constant added to a whole map moves no point.
        if name != "network.conv_out.bias"
        and (parameter.grad is None or not parameter.grad.abs().max() > 0)
    ]
    assert not silent


def test_compiling_breaks_no_graph_and_changes_nothing():
    detector = detector_of().eval()
    compiled = torch.compile(detector, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(pictures()), detector(pictures()), atol=1e-4, rtol=1e-4)


# Inductor itself imports parts of torch that torch calls deprecated.
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*")
@pytest.mark.slow
def test_the_compiled_networks_learn_as_the_plain_ones_do():
    for training in (False, True):
        detector = detector_of().train(training)
        detector(pictures()).points_px.square().mean().backward()
        plain = {name: p.grad.clone() for name, p in detector.named_parameters()}
        # Its gradient is rounding alone: a constant added to a whole map moves no point.
        del plain["network.conv_out.bias"]
        detector.zero_grad()
        torch.compile(detector)(pictures()).points_px.square().mean().backward()
        for name, expected in plain.items():
            error = (detector.get_parameter(name).grad - expected).norm()
            assert error < 0.01 * expected.norm(), name


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_what_the_cpu_gives():
    detector = detector_of().eval()
    expected = detector(pictures())
    found = detector.cuda()(pictures().cuda())
    torch.testing.assert_close(found.heatmaps.cpu(), expected.heatmaps, atol=1e-2, rtol=1e-2)


def test_targets_of_a_detector_have_the_size_of_its_heatmaps():
    spec = DetectorSpec.resolve(ModelOptions(), JOINTS, "cpu")
    points = crop_px_from_cells(torch.tensor([[[4.0, 6.0], [20.0, 30.0], [0.0, 0.0]]]))
    targets = gaussian_heatmaps(points, spec)
    assert targets.shape == (1, 3, *spec.heatmap_hw)
    assert targets[0, 1, 30, 20] == 1


@pytest.mark.parametrize(("branch", "side"), [("resnet50", 256), ("small", 64), ("none", 0)])
def test_a_lifter_gives_a_depth_a_joint(branch, side):
    lifter = Lifter(LifterSpec(joints=JOINTS, hidden=32, image_branch=branch)).eval()
    assert lifter.image_size == side
    images = pictures(2, (side, side)) if side else None
    assert lifter(torch.rand(2, 3, 2), images).shape == (2, 3)


def test_the_papers_lifter_has_two_hidden_layers_of_2048_behind_16_picture_features():
    lifter = Lifter(LifterSpec(joints=tuple("abcdefghijklm"), image_branch="small"))
    layers = [part for part in lifter.mlp if isinstance(part, torch.nn.Linear)]
    assert [layer.in_features for layer in layers] == [2 * 13 + 16, 2048, 2048]
    drops = [part.p for part in lifter.mlp if isinstance(part, torch.nn.Dropout)]
    assert drops == [0.1, 0.1]


@pytest.mark.parametrize("branch", ["small", "none"])
def test_a_lifter_stays_float32_under_autocast(branch):
    lifter = Lifter(LifterSpec(joints=JOINTS, hidden=32, image_branch=branch)).eval()
    points = torch.rand(2, 3, 2)
    images = pictures(2, (64, 64)) if lifter.image_size else None
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = lifter(points, images)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, lifter(points, images), atol=0.05, rtol=0.1)


def test_the_lifters_options_are_followed():
    model, lift = ModelOptions(), LiftOptions(hidden=64, dropout=0.3)
    on_cpu = LifterSpec.resolve(model, lift, JOINTS, "cpu")
    assert (on_cpu.hidden, on_cpu.dropout, on_cpu.image_branch) == (64, 0.3, "small")
    assert LifterSpec.resolve(model, lift, JOINTS, "cuda").image_branch == "resnet50"
    with pytest.raises(DataError, match="image_branch"):
        LifterSpec(joints=JOINTS, image_branch="vit")


def test_a_lifter_can_tell_front_from_back_by_the_picture():
    """The same 2D pose has two depths; only the picture says which."""
    torch.manual_seed(0)
    lifter = Lifter(LifterSpec(joints=JOINTS, hidden=64, dropout=0.0, image_branch="small"))
    optimiser = torch.optim.Adam(lifter.parameters(), 3e-3)
    points = torch.rand(16, 3, 2) * 2 - 1
    sides = torch.tensor([1.0, -1.0]).repeat(8)
    images = (128 + 80 * sides)[:, None, None, None].expand(16, 3, 64, 64)
    depths = 0.3 * sides[:, None].expand(16, 3)
    for _ in range(60):
        loss = (lifter(points, images) - depths).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.01


def test_view_weights_sum_to_one_over_the_views_of_a_group():
    torch.manual_seed(0)
    confidence = ViewConfidence(12, 5)
    weights = confidence(torch.rand(2 * 3, 12, 8, 6), 3)
    assert weights.shape == (2, 3, 5)
    assert (weights > 0).all()
    torch.testing.assert_close(weights.sum(1), torch.full((2, 5), 1 + 3e-5))


def test_views_of_a_group_stay_together():
    torch.manual_seed(0)
    confidence = ViewConfidence(12, 5).eval()
    features = torch.rand(2 * 3, 12, 8, 6)
    both = confidence(features, 3)
    torch.testing.assert_close(confidence(features[3:], 3)[0], both[1])


def test_a_view_without_the_person_weighs_nothing():
    confidence = ViewConfidence(12, 5)
    in_view = torch.tensor([[True, False, True], [False, False, False]])
    weights = confidence(torch.rand(2 * 3, 12, 8, 6), 3, in_view)
    torch.testing.assert_close(weights[0, 1], torch.full((5,), 1e-5))
    torch.testing.assert_close(weights[1], torch.full((3, 5), 1e-5))


@pytest.mark.parametrize("hw", [(10, 8), (4, 3), (1, 1)])
def test_view_weights_come_from_maps_of_any_size(hw):
    assert ViewConfidence(12, 5).eval()(torch.rand(2, 12, *hw), 2).shape == (1, 2, 5)


def test_view_weights_stay_float32_under_autocast():
    confidence = ViewConfidence(12, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        weights = confidence(torch.rand(4, 12, 8, 6).bfloat16(), 2)
    assert weights.dtype == torch.float32


def blobs(num: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Crops of noise with a red, a green and a blue blob, and where they are."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand((num, 3, 2), generator=generator) * torch.tensor([80.0, 112.0]) + 8
    rows, columns = torch.arange(128.0)[:, None], torch.arange(96.0)
    squared = (columns - points[..., 0, None, None]) ** 2 + (rows - points[..., 1, None, None]) ** 2
    noise = torch.rand((num, 3, 128, 96), generator=generator) * 100
    return (noise + 150 * torch.exp(-squared / 50)).clamp(0, 255).to(torch.uint8), points


def test_the_small_detector_learns_from_scratch_to_localise_blobs():
    detector = detector_of()
    optimiser = torch.optim.Adam(detector.parameters(), 3e-3)
    images, points = blobs(256, 1)
    for step in range(60):
        chosen = torch.arange(16) + 16 * step % 256
        found = detector(images[chosen])
        targets = gaussian_heatmaps(points[chosen], detector.spec)
        off = (found.points_px - points[chosen]) / 64
        loss = 10 * (found.heatmaps - targets).square().mean() + off.square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    detector.eval()
    fresh, truth = blobs(32, 2)
    error = (detector(fresh).points_px - truth).norm(dim=-1)
    assert error.median() < 2
