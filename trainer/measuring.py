"""How good the networks are on the held-out groups, while they train: said as events, and kept.

Poses are triangulated as the run's own configuration says (`mv_…`) and once more in the one common
way (`common_…`); the tables by joint, camera and person go to ``evaluations/STAGE-STEP.json``.

Traps: nothing is learned or chosen from these groups, so the score only marks the best checkpoint;
before the noise scale is measured it is estimated from these very poses.
"""

from __future__ import annotations

import json
import math
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.files import write_text_atomically
from core.learning.batches import BatchRequest
from core.learning.evaluation import EvaluationInput, evaluate
from core.learning.lifting import lift_inputs, lifted_points_mm, root_depths_mm
from core.learning.metrics import root_joints
from core.learning.rig_tensors import RigTensors
from core.learning.unlabelled import TriangulationLoss, Views, measure_scale_mm
from core.project.runs.events import Evaluated, WeightsMeasured
from trainer.seeing import DetectorPass, see

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from core.learning.batches import Batch, GroupLoader
    from core.learning.data import Group, GroupList
    from core.learning.evaluation import EvaluationReport
    from core.learning.unlabelled import PseudoTargets
    from core.project.runs.config import Stage
    from trainer.context import Context
    from trainer.networks import Networks

INTERIM_GROUPS = 200
FINAL_GROUPS = 2000
GROUPS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Sight:
    """What the networks say about a batch, without a gradient.

    Attributes:
        batch: where geometry is computed.
        points_raw: (G, C, J, 2) raw pixels, NaN where nobody is in view.
        confidence: (G, C, J).
        weights: (G, C, J) learned; None without them.
        depths_m: (G, C, J) root-relative, of the lifter; None without one.
    """

    batch: Batch
    points_raw: Tensor
    confidence: Tensor
    weights: Tensor | None
    depths_m: Tensor | None


@contextmanager
def resting(*modules: nn.Module | None) -> Generator[None]:
    """Networks in evaluation mode and without gradients; each part's mode is put back after."""
    parts = [part for module in modules if module is not None for part in module.modules()]
    modes = [part.training for part in parts]
    try:
        for part in parts:
            part.training = False
        with torch.no_grad():
            yield
    finally:
        for part, mode in zip(parts, modes, strict=True):
            part.training = mode


def looked(
    context: Context, networks: Networks, loader: GroupLoader, groups: Sequence[Group]
) -> Iterator[Sight]:
    """What the networks say about groups, un-augmented, batch by batch, in their order."""
    at_once = context.micro_batch or GROUPS_AT_ONCE
    inside = DetectorPass(networks.detector, networks.confidence)
    requests = (
        BatchRequest(groups=groups[start : start + at_once])
        for start in range(0, len(groups), at_once)
    )
    stream = loader.stream(requests)
    try:
        for batch in stream:
            context.leave_if_asked_here()
            with resting(inside, networks.lifter):
                sight = _look(context, networks, inside, batch)
            yield sight
    finally:
        stream.close()


def _look(context: Context, networks: Networks, inside: DetectorPass, batch: Batch) -> Sight:
    seen = see(inside, batch, context.device)
    there = seen.batch
    points = torch.where(there.in_view[..., None, None], seen.points_raw, math.nan)
    depths = None
    if networks.lifter is not None:
        depths = lifted_depths(context, networks, there, points, batch.lift_images)
    return Sight(there, points, seen.confidence, seen.weights, depths)


def lifted_depths(
    context: Context,
    networks: Networks,
    batch: Batch,
    points_raw: Tensor,
    lift_images: Tensor | None,
) -> Tensor:
    """The lifter's root-relative depths (G, C, J), metres, of raw 2D poses (G, C, J, 2)."""
    lifter, device = networks.lifter, context.device
    assert lifter is not None
    cameras = RigTensors(device.geometry).of_groups(batch.rigs, batch.rig_index)
    inputs = lift_inputs(points_raw, batch, cameras)
    flat = inputs.points_box.flatten(0, 1).to(device.device)
    images = None if lift_images is None else device.pictures(lift_images.flatten(0, 1))
    with device.autocast():
        depths = lifter(flat, images)
    return depths.to(device.geometry).view(points_raw.shape[:3])


class HeldOut:
    """The held-out groups of a run."""

    def __init__(self, context: Context, loader: GroupLoader) -> None:
        self.context = context
        self.loader = loader

    def measure(
        self,
        stage: Stage,
        step: int,
        networks: Networks,
        *,
        final: bool = False,
        unlabelled: WeightsMeasured | None = None,
    ) -> float | None:
        """Measure, say it, and keep the tables.

        Args:
            stage: which.
            step: steps done.
            networks: as they are now.
            final: whether to take more groups.
            unlabelled: how the triangulation of the unlabelled groups went; said instead of that
                of the held-out ones.

        Returns:
            the error in millimetres, the same on all ranks; None where there is nothing to measure.
        """
        context = self.context
        groups = evenly(context.data.held_out, FINAL_GROUPS if final else INTERIM_GROUPS)
        if not len(groups):
            return None
        mine = groups[context.ranks.mine]
        here = _Poses.of(looked(context, networks, self.loader, mine))
        parts = context.ranks.gathered(here)
        if not context.ranks.is_first:
            return context.ranks.from_first(None)
        poses = _Poses.interleaved(parts, len(groups))
        report, targets = self._report(poses, groups, networks)
        metrics = report.headline() | {"poses": float(report.num_poses)}
        context.emit(Evaluated(stage=stage, step=step, metrics=metrics))
        context.emit(unlabelled or weights_measured(context, stage, step, targets))
        self._keep(stage, step, report)
        score = metrics.get("sv_mpjpe" if stage == "lift" else "mv_mpjpe")
        return context.ranks.from_first(score)

    def _report(
        self, poses: _Poses, groups: GroupList, networks: Networks
    ) -> tuple[EvaluationReport, PseudoTargets]:
        context, data = self.context, self.context.data
        rigs = tuple(recording.rig for recording in data.recordings)
        index = groups.rows[:, 0].astype(np.int64)
        views = Views(
            rigs,
            torch.from_numpy(index),
            torch.from_numpy(poses.boxes_px),
            torch.from_numpy(poses.in_view),
        )
        points = torch.from_numpy(poses.points_raw)
        known = context.config.loss.scale_mm or networks.scale_mm
        scale = known or measure_scale_mm(points, None, views)
        loss = TriangulationLoss(context.config.loss, rigs, scale)
        weights = None if poses.weights is None else torch.from_numpy(poses.weights)
        targets = loss.targets(points, None, views, weights)
        single = None
        if poses.depths_m is not None:
            cameras = loss.cameras(views)
            inputs = lift_inputs(points, views, cameras)
            truth = torch.from_numpy(poses.truth_mm)
            depth = root_depths_mm(truth, root_joints(data.skeleton), cameras)
            single = lifted_points_mm(
                inputs.points_undistorted, torch.from_numpy(poses.depths_m), depth, cameras
            ).numpy()
        given = EvaluationInput(
            points_mm=targets.points_mm.numpy(),
            kept=targets.kept.numpy(),
            points_px=poses.points_raw,
            single_mm=single,
            in_view=poses.in_view,
        )
        report = evaluate(
            given,
            poses.truth_mm,
            groups.rows[:, 1].tolist(),
            rigs[0].names,
            data.skeleton,
            rigs=rigs,
            rig_index=index,
            common_scale_mm=known,
            min_views=context.config.loss.min_views,
        )
        return report, targets

    def _keep(self, stage: Stage, step: int, report: EvaluationReport) -> None:
        folder = self.context.folder.path / "evaluations"
        folder.mkdir(exist_ok=True)
        text = json.dumps(report.to_dict(), indent=1) + "\n"
        write_text_atomically(folder / f"{stage}-{step:06d}.json", text)


def weights_measured(
    context: Context, stage: Stage, step: int, targets: PseudoTargets
) -> WeightsMeasured:
    """How a triangulation went, as an event."""
    found = targets.points_mm.isfinite().all(-1)
    names = context.data.recordings[0].rig.names
    return WeightsMeasured(
        stage=stage,
        step=step,
        kept_share=float(targets.kept.sum() / found.sum().clamp_min(1)),
        mean_weight=dict(zip(names, targets.mean_weights().tolist(), strict=True)),
    )


def evenly(groups: GroupList, at_most: int) -> GroupList:
    """All groups, or so many of them, evenly spaced."""
    if at_most <= 0 or len(groups) <= at_most:
        return groups
    return groups.take(np.linspace(0, len(groups) - 1, at_most).round().astype(np.int64))


@dataclass(frozen=True, slots=True)
class _Poses:
    """What the networks say about some groups, as arrays that can be sent between ranks."""

    points_raw: NDArray[np.float64]
    boxes_px: NDArray[np.float64]
    in_view: NDArray[np.bool_]
    truth_mm: NDArray[np.float64]
    weights: NDArray[np.float32] | None
    depths_m: NDArray[np.float32] | None

    @classmethod
    def of(cls, sights: Iterable[Sight]) -> _Poses | None:
        """All of them; None of no group."""
        rows = [cls._row(sight) for sight in sights]
        return cls._joined(rows) if rows else None

    @classmethod
    def _row(cls, sight: Sight) -> _Poses:
        batch = sight.batch
        return cls(
            sight.points_raw.double().cpu().numpy(),
            batch.boxes_px.double().cpu().numpy(),
            batch.in_view.cpu().numpy(),
            batch.points_mm.double().cpu().numpy(),
            None if sight.weights is None else sight.weights.cpu().numpy(),
            None if sight.depths_m is None else sight.depths_m.cpu().numpy(),
        )

    @classmethod
    def _joined(cls, parts: Sequence[_Poses]) -> _Poses:
        def join(name: str) -> Any:  # noqa: ANN401 - one of the fields
            values = [getattr(part, name) for part in parts]
            return None if values[0] is None else np.concatenate(values)

        return cls(*(join(field.name) for field in fields(cls)))

    @classmethod
    def interleaved(cls, parts: Sequence[_Poses | None], number: int) -> _Poses:
        """The shares of all ranks in the order of the whole list."""
        there = [part for part in parts if part is not None]
        order = np.concatenate([np.arange(r, number, len(parts)) for r in range(len(parts))])
        joined, place = cls._joined(there), np.argsort(order)

        def sorted_(value: Any) -> Any:  # noqa: ANN401 - one of the fields
            return None if value is None else value[place]

        return cls(*(sorted_(getattr(joined, field.name)) for field in fields(cls)))
