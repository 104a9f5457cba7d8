"""Files of weights: round trips, joint remapping, damage, and which of them a run starts from."""

from pathlib import Path

import pytest
import torch

from core.errors import DataError
from core.models import (
    Detector,
    DetectorSpec,
    Lifter,
    LifterSpec,
    ViewConfidence,
    load_detector,
    load_image_weights,
    load_lifter,
    load_view_confidence,
    make_detector,
    make_lifter,
    resolve_weights,
    save_model,
)
from core.models.fastpose import FastPose
from core.project.runs.config import LiftOptions, ModelOptions
from tests.models.published_keys import published_state

JOINTS = ("nose", "left_shoulder", "right_shoulder", "left_hip", "right_hip")


def small_spec(joints=JOINTS, **changes) -> DetectorSpec:
    """A detector small enough to be made in no time."""
    values = {"depth": 1, "width": 8, "input_hw": (64, 32), "temperature": 20.0, **changes}
    return DetectorSpec(family="small", joints=joints, **values)


@pytest.fixture
def detector() -> Detector:
    torch.manual_seed(0)
    made = Detector(small_spec())
    torch.nn.init.normal_(made.network.conv_out.weight)
    torch.nn.init.normal_(made.network.conv_out.bias)
    return made


@pytest.fixture
def saved(detector, tmp_path) -> Path:
    save_model(tmp_path / "detector.pt", detector, detector.spec, {"seed": 3, "figures": [1.5]})
    return tmp_path / "detector.pt"


def pictures(spec: DetectorSpec) -> torch.Tensor:
    """Three noisy crops."""
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (3, 3, *spec.input_hw), generator=generator, dtype=torch.uint8)


def test_a_saved_detector_comes_back_the_same(detector, saved):
    loaded, report = load_detector(saved)
    assert loaded.spec == detector.spec
    x = pictures(detector.spec)
    detector.eval()
    loaded.eval()
    assert torch.equal(loaded(x).heatmaps, detector(x).heatmaps)
    assert report.provenance == {"seed": 3, "figures": [1.5]}
    assert report.copied == JOINTS
    assert not report.fresh


def test_a_saved_lifter_comes_back_the_same(tmp_path):
    lifter = Lifter(LifterSpec(joints=JOINTS, hidden=16, image_branch="small")).eval()
    save_model(tmp_path / "lifter.pt", lifter, lifter.spec, {})
    loaded, _ = load_lifter(tmp_path / "lifter.pt")
    loaded.eval()
    points, images = torch.rand(2, 5, 2), torch.rand(2, 3, 64, 64) * 255
    assert torch.equal(loaded(points, images), lifter(points, images))


def test_saved_view_weights_come_back_the_same(tmp_path):
    confidence = ViewConfidence(6, 5).eval()
    save_model(tmp_path / "weights.pt", confidence, None, {})
    loaded = load_view_confidence(tmp_path / "weights.pt").eval()
    features = torch.rand(4, 6, 8, 6)
    assert torch.equal(loaded(features, 2), confidence(features, 2))


def test_crop_size_and_temperature_can_be_chosen_when_loading(saved):
    loaded, _ = load_detector(saved, input_hw=(96, 64), temperature=33.0)
    assert (loaded.spec.input_hw, loaded.spec.temperature) == ((96, 64), 33.0)


def test_joints_are_remapped_by_name_and_the_rest_is_said(detector, saved):
    wanted = ("right_shoulder", "neck", "left_knee", "LHip")
    loaded, report = load_detector(saved, wanted)
    old, new = detector.network.conv_out, loaded.network.conv_out
    assert loaded.spec.joints == wanted
    assert torch.equal(new.weight[0], old.weight[2])
    torch.testing.assert_close(new.bias[1], old.bias[1:3].mean())
    assert torch.equal(new.weight[3], old.weight[3])
    assert new.weight[2].abs().max() < 0.01
    assert new.bias[2] == 0
    assert (report.copied, report.averaged) == (("right_shoulder", "LHip"), ("neck",))
    assert report.fresh == ("left_knee",)
    assert "neck" in report.text
    assert "left_knee" in report.text
    loaded.eval()
    detector.eval()
    x = pictures(detector.spec)
    torch.testing.assert_close(loaded(x).heatmaps[:, 0], detector(x).heatmaps[:, 2])


def test_a_remapped_detector_is_saved_with_its_new_joints(saved, tmp_path):
    loaded, _ = load_detector(saved, ("neck", "nose"))
    save_model(tmp_path / "again.pt", loaded, loaded.spec, {})
    again, _ = load_detector(tmp_path / "again.pt")
    assert again.spec.joints == ("neck", "nose")


def test_alphapose_weights_serve_another_skeleton(tmp_path):
    torch.save(published_state("master_fast_res50_coco17"), tmp_path / "fast.pth")
    loaded, report = load_detector(tmp_path / "fast.pth", ("mid_hip", "left_wrist", "tail"))
    assert loaded.network.conv_out.weight.shape == (3, 128, 3, 3)
    assert report.averaged == ("mid_hip",)
    assert report.fresh == ("tail",)


@pytest.mark.parametrize("content", [b"", b"no tensors", b"PK\x03\x04 broken"])
def test_a_damaged_file_is_refused_by_name(content, tmp_path):
    (tmp_path / "bad.pt").write_bytes(content)
    with pytest.raises(DataError, match=r"bad\.pt: expected tensors saved by torch\.save"):
        load_detector(tmp_path / "bad.pt")


def test_a_file_cut_short_is_refused(saved):
    saved.write_bytes(saved.read_bytes()[:-2000])
    with pytest.raises(DataError, match="tensors saved by"):
        load_detector(saved)


class Payload:
    """Something that runs code when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


def test_a_file_with_code_is_refused_and_not_run(tmp_path):
    torch.save({"conv_out.weight": Payload(tmp_path / "ran")}, tmp_path / "evil.pth")
    with pytest.raises(DataError, match=r"evil\.pth"):
        load_detector(tmp_path / "evil.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"version": 9}, "trilabel-model 9 Detector"),
        ({"kind": "Lifter"}, "trilabel-model 1 Lifter"),
        ({"spec": {"family": "small"}}, "found family"),
        ({"state": {}}, "missing"),
        ({"state": {"network.conv_out.bias": 3}}, "expected a tensor, found int"),
        ({"state": None}, "spec, state and provenance"),
    ],
)
def test_a_file_of_ours_that_is_not_right_is_refused(change, found, saved):
    content = torch.load(saved, weights_only=True)
    torch.save({**content, **change}, saved)
    with pytest.raises(DataError, match=found):
        load_detector(saved)


@pytest.mark.parametrize(
    ("field", "value"),
    [("family", "large"), ("depth", "two"), ("joints", 5), ("input_hw", (60, 32)), ("width", 1e9)],
)
def test_a_spec_that_no_network_can_have_is_refused(field, value, saved):
    content = torch.load(saved, weights_only=True)
    torch.save({**content, "spec": {**content["spec"], field: value}}, saved)
    with pytest.raises(DataError, match=r"Give weights|Correct"):
        load_detector(saved)


def test_other_state_dicts_are_refused_as_no_fastpose(tmp_path):
    torch.save({"conv1.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(DataError, match="expected a FastPose state dict"):
        load_detector(tmp_path / "other.pth")


def test_an_unknown_number_of_joints_is_refused(tmp_path):
    state = {**published_state("master_fast_res50_coco17")}
    state["conv_out.weight"] = torch.zeros(136, 128, 3, 3)
    torch.save(state, tmp_path / "whole.pth")
    with pytest.raises(DataError, match=r"conv_out\.weight: expected 13, 14, 17, 26 joints"):
        load_detector(tmp_path / "whole.pth")


def test_weights_are_found_as_file_as_folder_and_by_run_id(saved):
    folder = saved.parent
    assert resolve_weights(str(saved), "small") == saved
    assert resolve_weights(str(folder), "small") == saved
    assert resolve_weights(folder.name, "small", folder.parent) == saved
    assert resolve_weights("none", "small") is None
    with pytest.raises(DataError, match="no-such-run"):
        resolve_weights("no-such-run", "small", folder)


def test_the_demo_weights_are_left_aside_for_fastpose():
    assert resolve_weights("demo", "fastpose") is None
    options = ModelOptions(detector="fastpose", depth=50, input_height=64, input_width=64)
    detector, report = make_detector(options, JOINTS, "cpu")
    assert isinstance(detector.network, FastPose)
    assert report.fresh == JOINTS
    assert "starts untrained" in report.text


def test_an_untrained_detector_is_repeatable_by_seed():
    options = ModelOptions(weights="none")
    made: list[torch.Tensor] = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        detector, _ = make_detector(options, JOINTS, "cpu")
        made.append(detector.network.conv_out.weight)
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


def test_a_files_own_architecture_wins_unless_another_family_is_asked_for(saved):
    detector, _ = make_detector(ModelOptions(weights=str(saved)), JOINTS, "cpu")
    assert (detector.spec.width, detector.spec.input_hw) == (8, (64, 32))
    with pytest.raises(DataError, match="weights of the fastpose detector"):
        make_detector(ModelOptions(weights=str(saved), detector="fastpose"), JOINTS, "cpu")


def test_imagenet_weights_fill_the_image_branch(tmp_path):
    state = published_state("resnet50_imagenet")
    torch.save(state, tmp_path / "resnet50.pth")
    options = ModelOptions(image_branch="resnet50", image_weights=str(tmp_path / "resnet50.pth"))
    lifter, report = make_lifter(options, LiftOptions(hidden=8), JOINTS, "cpu")
    kept = lifter.state_dict()["image_branch.trunk.layer4.2.conv3.weight"]
    assert torch.equal(kept, state["layer4.2.conv3.weight"])
    assert "resnet50.pth" in report.text


def test_imagenet_weights_are_refused_by_another_branch(tmp_path):
    lifter = Lifter(LifterSpec(joints=JOINTS, hidden=8, image_branch="none"))
    with pytest.raises(DataError, match="expected an image branch of ResNet-50"):
        load_image_weights(lifter, tmp_path / "resnet50.pth")
