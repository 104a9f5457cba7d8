"""FastPose and ResNet-50 against the published state dicts and a plain reading of them."""

import pytest
import torch
from torch.nn import functional

from core.errors import DataError
from core.models import Detector, DetectorSpec, load_detector
from core.models.fastpose import FastPose
from core.models.resnet50 import ResNet50
from core.models.state import load_strictly
from tests.models.published_keys import published_shapes, published_state

COCO = "master_fast_res50_coco17"
CROWDPOSE = "master_fast_res50_crowdpose14_320x256"
PAPER = "pytorch_branch_res101_crowdpose14"
VARIANTS = {COCO: (50, 17), CROWDPOSE: (50, 14), PAPER: (101, 14)}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_network_has_exactly_the_published_keys_and_shapes(variant):
    depth, num_joints = VARIANTS[variant]
    with torch.device("meta"):
        network = FastPose(num_joints, depth=depth)
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert shapes == published_shapes(variant)


def test_resnet50_has_exactly_the_published_keys_and_shapes():
    with torch.device("meta"):
        network = ResNet50(1000)
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert shapes == published_shapes("resnet50_imagenet")


@pytest.mark.parametrize("counters", [True, False])
@pytest.mark.parametrize("variant", [COCO, PAPER])
def test_a_published_file_loads_strictly(variant, counters, tmp_path):
    state = published_state(variant, counters=counters)
    torch.save(state, tmp_path / "fast.pth")
    detector, report = load_detector(tmp_path / "fast.pth")
    depth, num_joints = VARIANTS[variant]
    assert (detector.spec.depth, detector.spec.num_joints) == (depth, num_joints)
    assert detector.spec.input_hw == ((256, 192) if variant == COCO else (320, 256))
    loaded = detector.network.state_dict()
    for key, value in state.items():
        assert torch.equal(loaded[key], value), key
    assert not report.fresh


def test_crowdpose_joints_are_in_the_published_order(tmp_path):
    torch.save({"module." + k: v for k, v in published_state(CROWDPOSE).items()}, tmp_path / "f")
    detector, _ = load_detector(tmp_path / "f")
    assert detector.spec.joints == (
        *("left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist"),
        *("right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle"),
        *("right_ankle", "head_top", "neck"),
    )


def test_missing_misshapen_and_unknown_keys_are_named(tmp_path):
    state = published_state(COCO)
    del state["preact.layer2.1.conv2.weight"]
    state["duc1.bn.weight"] = torch.zeros(7)
    state["extra.weight"] = torch.zeros(1)
    torch.save(state, tmp_path / "fast.pth")
    with pytest.raises(DataError) as refusal:
        load_detector(tmp_path / "fast.pth")
    text = str(refusal.value)
    assert "1 missing: network.preact.layer2.1.conv2.weight" in text
    assert "1 unknown: network.extra.weight" in text
    assert "network.duc1.bn.weight 7 instead of 1024" in text


def test_a_refused_state_leaves_the_network_as_it_was():
    network = ResNet50()
    before = network.conv1.weight.clone()
    with pytest.raises(DataError, match="missing"):
        load_strictly(network, {"conv1.weight": torch.zeros(64, 3, 7, 7)}, "file")
    assert torch.equal(network.conv1.weight, before)


def plain_fastpose(state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """FastPose from its published tensors alone, without a module."""

    def norm(x, key):
        mean, var = state[f"{key}.running_mean"], state[f"{key}.running_var"]
        return functional.batch_norm(x, mean, var, state[f"{key}.weight"], state[f"{key}.bias"])

    def conv(x, key, stride=1, bias=None):
        weight = state[f"{key}.weight"]
        return functional.conv2d(x, weight, bias, stride, padding=weight.shape[-1] // 2)

    def block(x, key, stride):
        y = norm(conv(x, f"{key}.conv1"), f"{key}.bn1").relu()
        y = norm(conv(y, f"{key}.conv2", stride), f"{key}.bn2").relu()
        y = norm(conv(y, f"{key}.conv3"), f"{key}.bn3")
        if f"{key}.se.fc.0.weight" in state:
            gate = y.mean((2, 3)) @ state[f"{key}.se.fc.0.weight"].T + state[f"{key}.se.fc.0.bias"]
            gate = gate.relu() @ state[f"{key}.se.fc.2.weight"].T + state[f"{key}.se.fc.2.bias"]
            y = y * gate.sigmoid()[:, :, None, None]
            x = norm(conv(x, f"{key}.downsample.0", stride), f"{key}.downsample.1")
        return (x + y).relu()

    x = norm(conv(x, "preact.conv1", 2), "preact.bn1").relu()
    x = functional.max_pool2d(x, 3, 2, 1)
    for layer in range(1, 5):
        index = 0
        while f"preact.layer{layer}.{index}.conv1.weight" in state:
            stride = 2 if layer > 1 and index == 0 else 1
            x = block(x, f"preact.layer{layer}.{index}", stride)
            index += 1
    x = functional.pixel_shuffle(x, 2)
    for duc in ("duc1", "duc2"):
        y = norm(conv(x, f"{duc}.conv"), f"{duc}.bn").relu()
        x = functional.pixel_shuffle(y, 2)
    return conv(x, "conv_out", bias=state["conv_out.bias"])


def test_the_network_computes_what_its_published_tensors_mean():
    torch.manual_seed(0)
    network = FastPose(5, depth=50)
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(part.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(part.running_var, 0.5, 1.5)
            torch.nn.init.uniform_(part.weight, 0.4, 0.8)
    torch.nn.init.normal_(network.conv_out.weight, std=0.05)
    network.eval()
    x = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        heatmaps, features = network(x)
        expected = plain_fastpose(network.state_dict(), x)
    assert heatmaps.shape == (1, 5, 16, 24)
    assert features.shape == (1, 2048, 2, 3)
    assert expected.std() > 1e-3
    torch.testing.assert_close(heatmaps, expected, atol=1e-5, rtol=1e-4)


def test_pixels_are_rgb_less_the_published_means():
    spec = DetectorSpec(
        family="fastpose",
        depth=50,
        width=128,
        joints=("nose",),
        input_hw=(64, 64),
        temperature=100,
    )
    detector = Detector(spec)
    pixels = torch.zeros(1, 3, 1, 1, dtype=torch.uint8)
    pixels[0, 0] = 255
    expected = torch.tensor([1 - 0.406, -0.457, -0.480])
    torch.testing.assert_close(detector.normalise(pixels)[0, :, 0, 0], expected)


def test_a_width_of_256_widens_the_last_block_only():
    with torch.device("meta"):
        narrow, wide = (FastPose(13, depth=50, width=width).state_dict() for width in (128, 256))
    changed = {k for k, v in wide.items() if v.shape != narrow[k].shape}
    assert changed == {
        "duc2.conv.weight",
        *(f"duc2.bn.{name}" for name in ("weight", "bias", "running_mean", "running_var")),
        "conv_out.weight",
    }
