"""The networks of a run as they go from stage to stage, or come out of a checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch

from core.models import Detector, DetectorSpec, Lifter, LifterSpec, ViewConfidence
from core.models.weights_files import make_detector, make_lifter, save_model
from trainer.loop import seeded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.project.runs.config import Stage
    from trainer.context import Context

# What the draws of untrained networks are told apart by.
_DETECTOR_KEY, _CONFIDENCE_KEY, _LIFTER_KEY = 1001, 1002, 1003


@dataclass(slots=True, eq=False)
class Networks:
    """The networks of a run, on its device.

    Attributes:
        detector: f_θ.
        confidence: the learned view weights, where the configuration asks for them.
        lifter: g_φ, once there is one.
        scale_mm: the noise scale, once it is measured.
    """

    detector: Detector
    confidence: ViewConfidence | None = None
    lifter: Lifter | None = None
    scale_mm: float | None = None

    def detector_state(self) -> dict[str, Any]:
        """What a checkpoint of a detector's stage keeps of them."""
        state: dict[str, Any] = {
            "detector_spec": asdict(self.detector.spec),
            "detector": self.detector.state_dict(),
            "scale_mm": self.scale_mm,
        }
        if self.confidence is not None:
            state["confidence"] = self.confidence.state_dict()
        return state


def new_networks(context: Context) -> Networks:
    """The detector that the configuration asks for, and untrained view weights where it does.

    Raises:
        DataError: the weights cannot be had.
    """
    options, seed = context.config.model, context.config.run.seed
    torch.manual_seed(seeded(seed, _DETECTOR_KEY))
    detector, report = make_detector(
        options,
        context.data.skeleton.joints,
        context.device.device,
        runs_dir=context.folder.path.parent,
    )
    context.notice("info", "weights", report.text)
    networks = Networks(context.device.placed(detector))
    _add_confidence(networks, context)
    if networks.confidence is not None:
        context.notice("info", "weights", "The learned view weights start untrained.")
    return networks


def restored_networks(context: Context, state: Mapping[str, Any], *, finished: bool) -> Networks:
    """The networks of a checkpoint of a detector's stage; of a finished one, its teacher's."""
    told: dict[str, Any] = dict(state["detector_spec"])
    told |= {name: tuple(told[name]) for name in ("joints", "input_hw")}
    detector = Detector(DetectorSpec(**told))
    detector.load_state_dict(
        state.get("teacher", state["detector"]) if finished else state["detector"]
    )
    networks = Networks(context.device.placed(detector), scale_mm=state["scale_mm"])
    _add_confidence(networks, context)
    if networks.confidence is not None and "confidence" in state:
        networks.confidence.load_state_dict(state["confidence"])
    return networks


def new_lifter(context: Context) -> Lifter:
    """The lifter that the configuration asks for.

    Raises:
        DataError: its image weights cannot be had.
    """
    config = context.config
    torch.manual_seed(seeded(config.run.seed, _LIFTER_KEY))
    lifter, report = make_lifter(
        config.model, config.lift, context.data.skeleton.joints, context.device.device
    )
    context.notice("info", "weights", report.text)
    return context.device.placed(lifter)


def restored_lifter(context: Context, state: Mapping[str, Any]) -> Lifter:
    """The lifter of a checkpoint of its stage."""
    told: dict[str, Any] = dict(state["lifter_spec"])
    told["joints"] = tuple(told["joints"])
    lifter = Lifter(LifterSpec(**told))
    lifter.load_state_dict(state["lifter"])
    return context.device.placed(lifter)


def export(context: Context, networks: Networks, stage: Stage, step: int) -> None:
    """Write detector.pt, or lifter.pt after its stage, into the run's folder."""
    if not context.ranks.is_first:
        return
    provenance = {
        "run": context.folder.path.name,
        "stage": stage,
        "step": step,
        "data": context.data.name,
        "seed": context.config.run.seed,
        "labelled": len(context.data.labelled),
        "unlabelled": len(context.data.unlabelled),
    }
    folder = context.folder.path
    if stage == "lift":
        assert networks.lifter is not None
        save_model(folder / "lifter.pt", networks.lifter, networks.lifter.spec, provenance)
        return
    save_model(folder / "detector.pt", networks.detector, networks.detector.spec, provenance)
    if networks.confidence is not None:
        save_model(folder / "confidence.pt", networks.confidence, None, provenance)


def _add_confidence(networks: Networks, context: Context) -> None:
    if context.config.loss.weighting != "learned":
        return
    torch.manual_seed(seeded(context.config.run.seed, _CONFIDENCE_KEY))
    detector = networks.detector
    confidence = ViewConfidence(detector.num_features, detector.spec.num_joints)
    networks.confidence = context.device.placed(confidence)
