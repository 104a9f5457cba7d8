"""How good a trained row is: its networks over groups that nothing was learned from.

Each row is measured three ways: multi-view by its own triangulation, multi-view by one common
triangulation (consensus, at one noise scale for all rows of a seed), and single-view by its lifter
with the root's true depth, as the paper does. Crops are never varied here.

Shape suffixes: S poses, C cameras, J joints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from core.geometry import robust_triangulate
from core.learning.batches import GroupLoader
from core.learning.stored_evaluation import aligned, evaluate_groups
from core.learning.unlabelled import Views, measure_scale_mm, needs_scale
from core.models.weights_files import load_detector, load_lifter, load_view_confidence
from core.project.runs.events import ScaleMeasured
from trainer.device import chosen_device, torch_settings
from trainer.networks import Networks
from trainer.prediction_geometry import PredictionSettings, sighting_scale_mm
from trainer.predictor import predict_groups
from trainer.seeing import DetectorPass, see

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from core.geometry.triangulation import Auto
    from core.learning.batches import Batch
    from core.learning.data import GroupList, PoseData
    from core.learning.evaluation import EvaluationInput, EvaluationReport
    from core.project.runs.folder import RunFolder
    from trainer.device import Device
    from trainer.prediction_geometry import Sighting

_GROUPS_AT_ONCE = 16
# Names, σ and λ of the two rules that `kept_by_printed_constants` compares.
_CONSTANTS: tuple[tuple[str, float | Auto, float | Auto], ...] = (
    ("printed", 10.0, 20.0),
    ("automatic", "auto", "auto"),
)


def left_networks(run: RunFolder, device: Device) -> Networks:
    """The networks that a finished run exported, on a device, in evaluation mode."""
    detector, _ = load_detector(run.path / "detector.pt")
    networks = Networks(device.placed(detector).eval())
    if (run.path / "lifter.pt").is_file():
        lifter, _ = load_lifter(run.path / "lifter.pt")
        networks.lifter = device.placed(lifter).eval()
    if run.config.loss.weighting == "learned" and (run.path / "confidence.pt").is_file():
        confidence = load_view_confidence(run.path / "confidence.pt")
        networks.confidence = device.placed(confidence).eval()
    return networks


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Poses:
    """What a row says about S poses.

    Attributes:
        given: 2D, by the row's own triangulation, and lifted with the root's true depth.
        scale_mm: the noise scale of the own triangulation.
    """

    given: EvaluationInput
    scale_mm: float

    @property
    def points_px(self) -> NDArray[np.float64]:
        """(S, C, J, 2) raw pixels; NaN = not in view."""
        assert self.given.points_px is not None
        return self.given.points_px

    @property
    def points_mm(self) -> NDArray[np.float64]:
        """(S, J, 3) world, triangulated; NaN = degenerate."""
        return self.given.points_mm

    @property
    def single_mm(self) -> NDArray[np.float64] | None:
        """(S, C, J, 3) world, lifted; None without a lifter."""
        return self.given.single_mm


def poses_of(
    run: RunFolder,
    data: PoseData,
    groups: GroupList,
    truth_mm: NDArray[np.float64],
    cache_dir: Path | None,
) -> Poses:
    """Ask a run's networks about groups.

    Args:
        run: finished.
        data: the groups' recordings.
        groups: S.
        truth_mm: (S, J, 3); of it only the root's depth is used, by the lifter.
        cache_dir: of crops.
    """
    settings: list[PredictionSettings] = []

    def how(sightings: Sequence[Sighting]) -> PredictionSettings:
        scale_mm = _told_scale_mm(run) or sighting_scale_mm(sightings)
        settings.append(PredictionSettings.own(run.config, scale_mm))
        return settings[-1]

    with torch_settings(run.config.run):
        device = chosen_device(run.config.run)
        networks = left_networks(run, device)
        lift_size = networks.lifter.image_size if networks.lifter is not None else 0
        with GroupLoader(
            data,
            input_hw=networks.detector.spec.input_hw,
            lift_size=lift_size or None,
            cache_dir=cache_dir,
            cache_gb=run.config.data.cache_gb,
        ) as loader:
            batch = _GROUPS_AT_ONCE * data.num_cameras
            rows = predict_groups(networks, data, groups, device, how, batch=batch, loader=loader)
    scale_mm = settings[0].settings.scale_mm
    assert scale_mm is not None
    return Poses(given=aligned(rows, data, groups, truth_mm), scale_mm=scale_mm)


def score(
    poses: Poses,
    data: PoseData,
    groups: GroupList,
    truth_mm: NDArray[np.float64],
    common_scale_mm: float,
) -> EvaluationReport:
    """All measures of a row's poses; see the module's first lines for the three ways."""
    return evaluate_groups(poses.given, data, groups, truth_mm, common_scale_mm=common_scale_mm)


def kept_by_printed_constants(poses: Poses, data: PoseData, groups: GroupList) -> dict[str, float]:
    """Shares of the joints that σ = 10 mm, λ = 20 mm and automatic σ, λ keep of these poses."""
    kept = {"printed": 0, "automatic": 0}
    for place, recording in enumerate(data.recordings):
        here = groups.rows[:, 0] == place
        points = recording.rig.undistort(poses.points_px[here])
        for name, sigma_mm, wss_mm in _CONSTANTS:
            found = robust_triangulate(
                points,
                recording.rig.projections,
                sigma_mm=sigma_mm,
                wss_threshold_mm=wss_mm,
                scale_mm=poses.scale_mm,
            )
            kept[name] += int(np.count_nonzero(found.kept))
    total = max(1, poses.given.kept.size)
    return {name: count / total for name, count in kept.items()}


def _told_scale_mm(run: RunFolder) -> float | None:
    """The noise scale that the run measured; None where it needed none."""
    if run.config.loss.scale_mm:
        return run.config.loss.scale_mm
    events, _ = run.events()
    told = [event.scale_mm for event in events if isinstance(event, ScaleMeasured)]
    return told[-1] if told and needs_scale(run.config.loss) else None


def noise_scale_mm(networks: Networks, device: Device, batches: Sequence[Batch]) -> float:
    """The noise scale of the detector's predictions on these batches."""
    module = DetectorPass(networks.detector, networks.confidence).eval()
    with torch.no_grad():
        seen = [see(module, batch, device) for batch in batches]
        points = torch.cat([one.points_raw for one in seen])
        return measure_scale_mm(points, None, Views.joined([one.batch for one in seen]))
