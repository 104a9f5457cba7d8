"""Files of weights: trilabel's own, AlphaPose's, and which of them a run starts from.

Our file is a dictionary of torch.save: ``format``, ``version``, ``kind``, ``spec`` (plain values of
the spec), ``state`` (tensors) and ``provenance`` (plain values: the command, seed and figures that
made it). It can be opened without running code. AlphaPose's files are bare state dicts whose
architecture is read off their shapes; their joints are known by number only.

Where a network was trained for other joints, its head is re-used by joint name: copied, averaged
for the middle of two joints, begun anew where nothing corresponds. `LoadReport` says which, as a
run should repeat to its owner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from torch import nn

from core.errors import DataError
from core.files import write_atomically
from core.models.confidence import ViewConfidence
from core.models.detector import TEMPERATURES, Detector, DetectorSpec
from core.models.fastpose import INPUT_HW as FASTPOSE_HW
from core.models.layers import initialise_head
from core.models.lifter import Lifter, LifterSpec, ResNetBranch
from core.models.state import load_strictly, read_plain_file, tensors_of
from core.skeleton import joint_mapping, load_skeleton

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from core.models.detector import Family
    from core.project.runs.config import LiftOptions, ModelOptions

FORMAT = "trilabel-model"
VERSION = 1
# Joints of AlphaPose's published networks, by their number.
ALPHAPOSE_SKELETONS = {
    13: "sportcenter13",
    14: "crowdpose14",
    17: "coco17",
    26: "halpe26",
}
# The public zoo trains COCO's 17 joints at this crop size, the paper's branch at 320x256.
ZOO_HW = (256, 192)
DETECTOR_FILE = "detector.pt"
MAX_SIZE = 1 << 16
_REMEDY = "Give weights that trilabel exported, or an AlphaPose .pth."
_Spec = TypeVar("_Spec", DetectorSpec, LifterSpec)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """What came out of a file of weights, to be said to the person who asked for it.

    Attributes:
        source: the file; "nothing" where the network is untrained.
        copied: joints whose heatmap was learned under a counterpart's name.
        averaged: joints whose heatmap is the mean of two learned ones.
        fresh: joints whose heatmap begins untrained.
        provenance: what the file says about its making.
        notes: further sentences.
    """

    source: str
    copied: tuple[str, ...] = ()
    averaged: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict[str, Any])
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All of it in one or a few sentences."""
        sentences = [f"Weights from {self.source}."]
        if self.averaged:
            sentences.append(f"Mean of two learned joints: {', '.join(self.averaged)}.")
        if self.fresh:
            sentences.append(f"Untrained, nothing corresponds: {', '.join(self.fresh)}.")
        return " ".join((*sentences, *self.notes))


def save_model(
    path: Path,
    module: Detector | Lifter | ViewConfidence,
    spec: DetectorSpec | LifterSpec | None,
    provenance: Mapping[str, Any],
) -> None:
    """Write a network with all that is needed to build it again.

    Args:
        path: replaced as a whole or not at all.
        module: not compiled, not wrapped for several processes.
        spec: the module's own; None for `ViewConfidence`, which is told by its sizes.
        provenance: plain values (text, numbers, lists, dictionaries), since the file is read back
            without running code.
    """
    if isinstance(module, ViewConfidence):
        told = {"in_channels": module.in_channels, "num_joints": module.num_joints}
    else:
        assert spec == module.spec, f"{spec} is not the spec of this module"
        told = asdict(module.spec)
    content = {
        "format": FORMAT,
        "version": VERSION,
        "kind": type(module).__name__,
        "spec": told,
        "state": {key: value.detach().cpu() for key, value in module.state_dict().items()},
        "provenance": dict(provenance),
    }
    write_atomically(path, lambda temporary: torch.save(content, temporary))


def load_detector(
    path: Path,
    joints: Sequence[str] | None = None,
    *,
    input_hw: tuple[int, int] | None = None,
    temperature: float | None = None,
) -> tuple[Detector, LoadReport]:
    """A detector from our file or from AlphaPose's, on the CPU, in training mode.

    Args:
        path: the file.
        joints: what it shall detect; None = what the file's network does.
        input_hw: crop size; None = the file's.
        temperature: of the soft-argmax; None = the file's.

    Raises:
        DataError: where the file is missing, damaged or no detector, or keys are missing, unknown
            or misshapen.
    """
    content = read_plain_file(path)
    if "format" in content:
        spec, tensors, provenance = _our_detector(content, path)
    else:
        tensors = {f"network.{key}": value for key, value in tensors_of(content, path).items()}
        spec, provenance = _alphapose_spec(tensors, path), {}
    spec = replace(
        spec, input_hw=input_hw or spec.input_hw, temperature=temperature or spec.temperature
    )
    detector = Detector(spec)
    load_strictly(detector, tensors, path)
    report = LoadReport(source=str(path), copied=spec.joints, provenance=provenance)
    if joints is not None and tuple(joints) != spec.joints:
        report = remap_joints(detector, joints, report)
    return detector, report


def remap_joints(detector: Detector, joints: Sequence[str], report: LoadReport) -> LoadReport:
    """Give a detector another skeleton, in place; its head is re-used by joint name.

    Returns:
        the report, with what became of each joint.
    """
    mapping = joint_mapping(detector.spec.joints, tuple(joints))
    old = detector.network.conv_out
    new = nn.Conv2d(old.in_channels, len(joints), 3, 1, 1).to(old.weight)
    initialise_head(new)
    with torch.no_grad():
        for parameter, learned in zip(new.parameters(), old.parameters(), strict=True):
            for joint, sources in enumerate(mapping):
                if sources:
                    parameter[joint] = learned[list(sources)].mean(0)
    detector.network.conv_out = new
    detector.spec = replace(detector.spec, joints=tuple(joints))
    named = list(zip(joints, mapping, strict=True))
    return replace(
        report,
        copied=tuple(joint for joint, sources in named if len(sources) == 1),
        averaged=tuple(joint for joint, sources in named if len(sources) > 1),
        fresh=tuple(joint for joint, sources in named if not sources),
    )


def load_lifter(path: Path) -> tuple[Lifter, LoadReport]:
    """A lifter from our file, on the CPU, in training mode.

    Raises:
        DataError: where the file is missing, damaged or no lifter.
    """
    content = read_plain_file(path)
    told, tensors, provenance = _our_content(content, path, "Lifter")
    lifter = Lifter(_make_spec(LifterSpec, told, path))
    load_strictly(lifter, tensors, path)
    return lifter, LoadReport(source=str(path), copied=lifter.spec.joints, provenance=provenance)


def load_view_confidence(path: Path) -> ViewConfidence:
    """Learned view weights from our file, on the CPU, in training mode.

    Raises:
        DataError: where the file is missing, damaged or holds something else.
    """
    told, tensors, _ = _our_content(read_plain_file(path), path, "ViewConfidence")
    sizes = [told.get("in_channels"), told.get("num_joints")]
    if not all(isinstance(size, int) and 1 <= size <= MAX_SIZE for size in sizes):
        raise DataError(path, "spec", expected="two sizes", found=str(told), remedy=_REMEDY)
    confidence = ViewConfidence(*cast("list[int]", sizes))
    load_strictly(confidence, tensors, path)
    return confidence


def load_image_weights(lifter: Lifter, path: Path) -> LoadReport:
    """Put an ImageNet state dict of ResNet-50 into a lifter's image branch; its classes are left.

    Raises:
        DataError: where the lifter has another branch, or keys are missing or misshapen.
    """
    branch = lifter.image_branch
    if not isinstance(branch, ResNetBranch):
        raise DataError(
            "model.image_weights",
            expected="an image branch of ResNet-50",
            found=f"the branch {lifter.spec.image_branch!r}",
            remedy="Set model.image_branch to resnet50, or leave model.image_weights empty.",
        )
    tensors = tensors_of(read_plain_file(path), path)
    trunk = {key: value for key, value in tensors.items() if not key.startswith("fc.")}
    load_strictly(branch.trunk, trunk, path)
    return LoadReport(source=str(path))


def demo_weights_path() -> Path:
    """The small detector that comes with trilabel.

    Raises:
        DataError: where the installation lacks it.
    """
    path = Path(str(resources.files("resources"))) / "weights" / "demo-small.pt"
    if not path.is_file():
        raise DataError(
            path,
            expected="the demo weights",
            found="no such file",
            remedy="Install trilabel again, or set model.weights to none.",
        )
    return path


def resolve_weights(weights: str, family: Family, runs_dir: Path | None = None) -> Path | None:
    """The file that ``model.weights`` means.

    Args:
        weights: ``demo``, ``none``, a file, a run's folder, or the id of a run.
        family: of the network that will start from it; the demo weights are of the small one.
        runs_dir: where runs are looked up by id.

    Returns:
        the file; None where the network shall start untrained.

    Raises:
        DataError: where nothing is found by that name.
    """
    if weights in {"", "none"}:
        return None
    if weights == "demo":
        return demo_weights_path() if family == "small" else None
    places = [Path(weights), Path(weights) / DETECTOR_FILE]
    if runs_dir is not None:
        places.append(runs_dir / weights / DETECTOR_FILE)
    for place in places:
        if place.is_file():
            return place
    raise DataError(
        "model.weights",
        expected="demo, none, a file of weights or a run that has exported its detector",
        found=repr(weights[:120]),
        remedy=f"Looked for {', '.join(map(str, places))}.",
    )


def make_detector(
    options: ModelOptions,
    joints: Sequence[str],
    device: torch.device | str,
    *,
    runs_dir: Path | None = None,
) -> tuple[Detector, LoadReport]:
    """The detector that a configuration asks for, with its weights, on its device.

    A file's own architecture wins over ``depth`` and ``width``, and over ``detector`` where that
    is auto; an untrained network is made with the options' and torch's random numbers.

    Raises:
        DataError: where the weights cannot be had, or are of another family than asked for.
    """
    spec = DetectorSpec.resolve(options, joints, device)
    path = resolve_weights(options.weights, spec.family, runs_dir)
    if path is None:
        note = "The demo weights are of the small detector." if options.weights == "demo" else ""
        untrained = f"The {spec.family} detector starts untrained."
        notes = (untrained, note) if note else (untrained,)
        report = LoadReport(source="nothing", fresh=spec.joints, notes=notes)
        return Detector(spec).to(device), report
    detector, report = load_detector(
        path,
        joints,
        input_hw=spec.input_hw if options.input_height or options.input_width else None,
        temperature=options.temperature or None,
    )
    if options.detector not in {"auto", detector.spec.family}:
        raise DataError(
            path,
            expected=f"weights of the {options.detector} detector",
            found=f"those of the {detector.spec.family} detector",
            remedy="Set model.detector to auto, or model.weights to other weights.",
        )
    return detector.to(device), report


def make_lifter(
    model: ModelOptions, lift: LiftOptions, joints: Sequence[str], device: torch.device | str
) -> tuple[Lifter, LoadReport]:
    """The lifter that a configuration asks for, on its device.

    Raises:
        DataError: where the image weights cannot be had.
    """
    lifter = Lifter(LifterSpec.resolve(model, lift, joints, device))
    notes = ("The lifter starts untrained.",)
    report = LoadReport(source="nothing", fresh=lifter.spec.joints, notes=notes)
    if model.image_weights:
        loaded = load_image_weights(lifter, Path(model.image_weights))
        notes = (*notes, f"Its picture feature starts from {loaded.source}.")
        report = replace(report, notes=notes)
    return lifter.to(device), report


def _our_detector(
    content: Mapping[str, object], path: Path
) -> tuple[DetectorSpec, dict[str, Tensor], dict[str, Any]]:
    told, tensors, provenance = _our_content(content, path, "Detector")
    return _make_spec(DetectorSpec, told, path), tensors, provenance


def _our_content(
    content: Mapping[str, object], path: Path, kind: str
) -> tuple[dict[str, Any], dict[str, Tensor], dict[str, Any]]:
    """Spec, tensors and provenance of a file of ours, of this kind."""
    header = (content.get("format"), content.get("version"), content.get("kind"))
    if header != (FORMAT, VERSION, kind):
        expected = f"a {kind} in format {FORMAT} {VERSION}"
        found = " ".join(map(str, header))
        raise DataError(path, expected=expected, found=found, remedy=_REMEDY)
    parts = [content.get(name) for name in ("spec", "state", "provenance")]
    if not all(isinstance(part, Mapping) for part in parts):
        expected = "spec, state and provenance"
        raise DataError(path, expected=expected, found=", ".join(content), remedy=_REMEDY)
    spec, state, provenance = (dict(cast("Mapping[str, Any]", part)) for part in parts)
    return spec, tensors_of(state, path), provenance


def _make_spec(cls: type[_Spec], told: dict[str, Any], path: Path) -> _Spec:
    wanted = {f.name for f in fields(cls)}
    if set(told) != wanted:
        found = ", ".join(sorted(told))
        expected = ", ".join(sorted(wanted))
        raise DataError(path, "spec", expected=expected, found=found, remedy=_REMEDY)
    try:
        return cls(**told)
    except TypeError as error:
        found = str(error)
        raise DataError(
            path, "spec", expected="plain values", found=found, remedy=_REMEDY
        ) from error


def _alphapose_spec(tensors: Mapping[str, Tensor], path: Path) -> DetectorSpec:
    """The architecture of a FastPose state dict, read off its keys and shapes."""
    head = tensors.get("network.conv_out.weight")
    if head is None or head.ndim != 4:
        found = f"{len(tensors)} tensors without conv_out.weight"
        expected = "a FastPose state dict"
        raise DataError(path, expected=expected, found=found, remedy=_REMEDY)
    num_joints, width = head.shape[:2]
    skeleton = ALPHAPOSE_SKELETONS.get(num_joints)
    if skeleton is None:
        known = ", ".join(map(str, ALPHAPOSE_SKELETONS))
        raise DataError(
            path,
            "conv_out.weight",
            expected=f"{known} joints",
            found=str(num_joints),
            remedy=_REMEDY,
        )
    is_deep = any(key.startswith("network.preact.layer3.6.") for key in tensors)
    return DetectorSpec(
        family="fastpose",
        depth=101 if is_deep else 50,
        width=width,
        joints=load_skeleton(skeleton).joints,
        input_hw=ZOO_HW if num_joints == 17 else FASTPOSE_HW,
        temperature=TEMPERATURES["fastpose"],
    )
