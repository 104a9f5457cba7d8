"""How good a trained row is: its networks over groups that nothing was learned from.

Each row is measured three ways: multi-view by its own triangulation, multi-view by one common
triangulation (consensus, at one noise scale for all rows of a seed), and single-view by its lifter
with the root's true depth, as the paper does. Crops are never varied here.

Shape suffixes: S poses, C cameras, J joints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.geometry import robust_triangulate
from core.learning.batches import BatchRequest, GroupLoader
from core.learning.evaluation import EvaluationInput, EvaluationReport, evaluate
from core.learning.lifting import lift_inputs, lifted_points_mm, root_depths_mm
from core.learning.metrics import root_joints
from core.learning.unlabelled import (
    TriangulationLoss,
    Views,
    measure_scale_mm,
    needs_scale,
    undistorted_points,
)
from core.models.weights_files import load_detector, load_lifter, load_view_confidence
from core.project.runs.events import ScaleMeasured
from trainer.device import chosen_device, torch_settings
from trainer.seeing import DetectorPass, see

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from core.geometry.triangulation import Auto
    from core.learning.batches import Batch
    from core.learning.data import GroupList, PoseData
    from core.models import Detector, Lifter, ViewConfidence
    from core.project.runs.folder import RunFolder
    from trainer.device import Device
    from trainer.seeing import Seen

_GROUPS_AT_ONCE = 16
# Names, σ and λ of the two rules that `kept_by_printed_constants` compares.
_CONSTANTS: tuple[tuple[str, float | Auto, float | Auto], ...] = (
    ("printed", 10.0, 20.0),
    ("automatic", "auto", "auto"),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowNetworks:
    """What a run left behind, ready to be asked.

    Attributes:
        detector: f_θ.
        lifter: g_φ; None where it was not trained.
        confidence: learned view weights; None where there are none.
        device: where they are.
    """

    detector: Detector
    lifter: Lifter | None
    confidence: ViewConfidence | None
    device: Device

    @classmethod
    def of(cls, run: RunFolder) -> RowNetworks:
        """The networks that a finished run exported."""
        device = chosen_device(run.config.run)
        detector, _ = load_detector(run.path / "detector.pt")
        lifter, confidence = None, None
        if (run.path / "lifter.pt").is_file():
            lifter, _ = load_lifter(run.path / "lifter.pt")
            device.placed(lifter).eval()
        if run.config.loss.weighting == "learned" and (run.path / "confidence.pt").is_file():
            confidence = load_view_confidence(run.path / "confidence.pt")
            device.placed(confidence).eval()
        return cls(
            detector=device.placed(detector).eval(),
            lifter=lifter,
            confidence=confidence,
            device=device,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Poses:
    """What a row says about S poses.

    Attributes:
        points_px: (S, C, J, 2) raw pixels; NaN = not in view.
        in_view: (S, C).
        points_mm: (S, J, 3) by the row's own triangulation.
        kept: (S, J).
        weights: (S, C, J) of the views.
        single_mm: (S, C, J, 3) world, lifted; None without a lifter.
        scale_mm: the noise scale of the own triangulation.
    """

    points_px: NDArray[np.float64]
    in_view: NDArray[np.bool_]
    points_mm: NDArray[np.float64]
    kept: NDArray[np.bool_]
    weights: NDArray[np.float64]
    single_mm: NDArray[np.float64] | None
    scale_mm: float


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
    root = root_joints(data.skeleton)
    with torch_settings(run.config.run), torch.no_grad():
        networks = RowNetworks.of(run)
        lift_size = networks.lifter.image_size if networks.lifter is not None else 0
        with GroupLoader(
            data,
            input_hw=networks.detector.spec.input_hw,
            lift_size=lift_size or None,
            cache_dir=cache_dir,
            cache_gb=run.config.data.cache_gb,
        ) as loader:
            seen = list(_seen(networks, loader, groups))
        scale_mm = _scale_mm(run, seen)
        loss = TriangulationLoss(
            run.config.loss, scale_mm=scale_mm, device=networks.device.geometry
        )
        parts = [
            _pose_part(networks, loss, one, truth_mm[first : first + len(one.batch)], root)
            for one, first in zip(seen, _starts(seen), strict=True)
        ]
    joined = [np.concatenate(column) for column in zip(*(part[:5] for part in parts), strict=True)]
    singles = [part[5] for part in parts]
    return Poses(
        points_px=joined[0],
        in_view=joined[1],
        points_mm=joined[2],
        kept=joined[3],
        weights=joined[4],
        single_mm=np.concatenate(singles) if networks.lifter is not None else None,
        scale_mm=scale_mm,
    )


def score(
    poses: Poses,
    data: PoseData,
    groups: GroupList,
    truth_mm: NDArray[np.float64],
    common_scale_mm: float,
) -> EvaluationReport:
    """All measures of a row's poses; see the module's first lines for the three ways."""
    rigs, index = _rigs(data, groups)
    return evaluate(
        EvaluationInput(
            points_mm=poses.points_mm,
            kept=poses.kept,
            points_px=poses.points_px,
            single_mm=poses.single_mm,
            in_view=poses.in_view,
        ),
        truth_mm,
        groups.rows[:, 1].tolist(),
        data.recordings[0].rig.names,
        data.skeleton,
        rigs=rigs,
        rig_index=index,
        common_scale_mm=common_scale_mm,
    )


def kept_by_printed_constants(poses: Poses, data: PoseData, groups: GroupList) -> dict[str, float]:
    """Shares of the joints that σ = 10 mm, λ = 20 mm and automatic σ, λ keep of these poses."""
    rigs, index = _rigs(data, groups)
    kept = {"printed": 0, "automatic": 0}
    for place, rig in enumerate(rigs):
        here = index == place
        points = rig.undistort(poses.points_px[here])
        for name, sigma_mm, wss_mm in _CONSTANTS:
            found = robust_triangulate(
                points,
                rig.projections,
                sigma_mm=sigma_mm,
                wss_threshold_mm=wss_mm,
                scale_mm=poses.scale_mm,
            )
            kept[name] += int(np.count_nonzero(found.kept))
    total = max(1, poses.kept.size)
    return {name: count / total for name, count in kept.items()}


def _rigs(data: PoseData, groups: GroupList) -> tuple[list[Any], NDArray[np.int64]]:
    """The recordings' rigs, and which of them each group is seen by."""
    rigs = [recording.rig for recording in data.recordings]
    return rigs, groups.rows[:, 0].astype(np.int64)


def _seen(networks: RowNetworks, loader: GroupLoader, groups: GroupList) -> Iterator[Seen]:
    module = DetectorPass(networks.detector, networks.confidence).eval()
    requests = (
        BatchRequest(groups=groups[first : first + _GROUPS_AT_ONCE])
        for first in range(0, len(groups), _GROUPS_AT_ONCE)
    )
    for batch in loader.stream(requests):
        yield see(module, batch, networks.device)


def _starts(seen: Sequence[Seen]) -> list[int]:
    return np.cumsum([0, *(len(one.batch) for one in seen[:-1])]).tolist()


def _scale_mm(run: RunFolder, seen: Sequence[Seen]) -> float:
    """The noise scale that the run measured; where it needed none, that of these predictions."""
    if run.config.loss.scale_mm:
        return run.config.loss.scale_mm
    events, _ = run.events()
    told = [event.scale_mm for event in events if isinstance(event, ScaleMeasured)]
    if told and needs_scale(run.config.loss):
        return told[-1]
    points = torch.cat([one.points_raw for one in seen])
    return measure_scale_mm(points, None, Views.joined([one.batch for one in seen]))


def noise_scale_mm(networks: RowNetworks, batches: Sequence[Batch]) -> float:
    """The noise scale of the detector's predictions on these batches."""
    module = DetectorPass(networks.detector, networks.confidence).eval()
    with torch.no_grad():
        seen = [see(module, batch, networks.device) for batch in batches]
        points = torch.cat([one.points_raw for one in seen])
        return measure_scale_mm(points, None, Views.joined([one.batch for one in seen]))


def _pose_part(
    networks: RowNetworks,
    loss: TriangulationLoss,
    seen: Seen,
    truth_mm: NDArray[np.float64],
    root: tuple[int, ...],
) -> tuple[NDArray[Any], ...]:
    """Points, in view, own 3D, kept, weights and lifted 3D of one batch, as arrays."""
    batch, cameras = seen.batch, loss.cameras(seen.batch)
    weights = seen.weights if loss.options.weighting == "learned" else None
    own = loss.targets(seen.points_raw, None, batch, weights)
    _, observed = undistorted_points(seen.points_raw, None, batch, cameras)
    points_px = torch.where(observed[..., None], seen.points_raw.double(), torch.nan)
    single = torch.full((*seen.points_raw.shape[:3], 3), torch.nan)
    if networks.lifter is not None:
        inputs = lift_inputs(seen.points_raw, batch, cameras)
        num_groups, num_views, num_joints = seen.points_raw.shape[:3]
        images = batch.lift_images
        device = networks.device
        depths_m = networks.lifter(
            inputs.points_box.flatten(0, 1).to(device.device),
            None if images is None else device.pictures(images.flatten(0, 1)),
        ).view(num_groups, num_views, num_joints)
        truth = torch.as_tensor(truth_mm, device=device.geometry)
        root_mm = root_depths_mm(truth, root, cameras)
        depths_m = depths_m.to(device.geometry)
        single = lifted_points_mm(inputs.points_undistorted, depths_m, root_mm, cameras)
    columns = (points_px, batch.in_view, own.points_mm, own.kept, own.weights, single)
    return tuple(column.cpu().numpy() for column in columns)
