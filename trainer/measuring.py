"""How good the networks are on the held-out groups, while they train: said as events, and kept.

Poses are triangulated as the run's own configuration says (`mv_…`) and once more in the one common
way (`common_…`); the tables by joint, camera and person go to ``evaluations/STAGE-STEP.json``.

Traps: nothing is learned or chosen from these groups, so the score only marks the best checkpoint;
before the noise scale is measured it is estimated from these very poses. Crops are never varied.
"""

from __future__ import annotations

import json
import math
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from core.files import write_text_atomically
from core.learning.batches import BatchRequest
from core.learning.stored_evaluation import aligned, evaluate_groups, label_points_mm
from core.project.predictions import PredictionRows
from core.project.runs.estimate import FINAL_GROUPS, INTERIM_GROUPS
from core.project.runs.events import Evaluated, WeightsMeasured
from trainer.prediction_geometry import PredictionSettings, sighting_scale_mm
from trainer.predictor import predict_groups
from trainer.seeing import DetectorPass, see

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from torch import nn

    from core.learning.batches import GroupLoader
    from core.learning.data import Group, GroupList
    from core.learning.evaluation import EvaluationReport
    from core.project.runs.config import Stage
    from trainer.context import Context
    from trainer.networks import Networks
    from trainer.prediction_geometry import Sighting
    from trainer.seeing import Seen

GROUPS_AT_ONCE = 16


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
) -> Iterator[Seen]:
    """What the detector says about groups, batch by batch, in their order; without a gradient.

    Points are NaN where nobody is in view.
    """
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
            with resting(inside):
                seen = see(inside, batch, context.device)
            there = seen.batch
            points = torch.where(there.in_view[..., None, None], seen.points_raw, math.nan)
            yield replace(seen, points_raw=points)
    finally:
        stream.close()


class HeldOut:
    """The held-out groups of a run."""

    def __init__(self, context: Context, loader: GroupLoader) -> None:
        self.context = context
        self.loader = loader
        # Of the last time, on this rank: what predictions in between can be planned by.
        self.seconds_per_group = 0.0
        self.scale_mm: float | None = None

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
        began = time.monotonic()
        here = self._predicted(groups[context.ranks.mine], networks, stage)
        self.seconds_per_group = (time.monotonic() - began) / max(1, len(here))
        parts = context.ranks.gathered(here)
        if not context.ranks.is_first:
            return context.ranks.from_first(None)
        rows = PredictionRows.concatenate(parts)
        report = self._report(rows, groups, networks)
        metrics = report.headline() | {"poses": float(report.num_poses)}
        context.emit(Evaluated(stage=stage, step=step, metrics=metrics))
        context.emit(unlabelled or weights_measured(context, stage, step, rows))
        self._keep(stage, step, report)
        score = metrics.get("sv_mpjpe" if stage == "lift" else "mv_mpjpe")
        return context.ranks.from_first(score)

    def _predicted(self, groups: GroupList, networks: Networks, stage: Stage) -> PredictionRows:
        """This rank's share, triangulated as the run does in training."""
        context = self.context
        at_once = context.micro_batch or GROUPS_AT_ONCE

        def how(sightings: Sequence[Sighting]) -> PredictionSettings:
            scale_mm = self._known_scale_mm(networks)
            if scale_mm is None:
                shares = context.ranks.gathered(sightings)
                scale_mm = sighting_scale_mm([one for share in shares for one in share])
            self.scale_mm = scale_mm
            return PredictionSettings.own(context.config, scale_mm)

        return predict_groups(
            networks,
            context.data,
            groups,
            context.device,
            how,
            batch=at_once * context.data.num_cameras,
            single_view=stage == "lift",
            loader=self.loader,
            look=context.leave_if_asked_here,
            said=lambda code, text: context.notice("warning", code, text),
        )

    def _known_scale_mm(self, networks: Networks) -> float | None:
        return self.context.config.loss.scale_mm or networks.scale_mm

    def _report(
        self, rows: PredictionRows, groups: GroupList, networks: Networks
    ) -> EvaluationReport:
        data = self.context.data
        truth_mm = label_points_mm(data, groups)
        return evaluate_groups(
            aligned(rows, data, groups, truth_mm),
            data,
            groups,
            truth_mm,
            common_scale_mm=self._known_scale_mm(networks),
            min_views=self.context.config.loss.min_views,
        )

    def _keep(self, stage: Stage, step: int, report: EvaluationReport) -> None:
        folder = self.context.folder.path / "evaluations"
        folder.mkdir(exist_ok=True)
        text = json.dumps(report.to_dict(), indent=1) + "\n"
        write_text_atomically(folder / f"{stage}-{step:06d}.json", text)


def weights_measured(
    context: Context, stage: Stage, step: int, rows: PredictionRows
) -> WeightsMeasured:
    """How a triangulation went, as an event."""
    found = np.isfinite(rows.points_mm).all(axis=-1).sum()
    means = rows.weights.sum(axis=(0, 2)) / max(rows.weights[:, 0].size, 1)
    names = context.data.recordings[0].rig.names
    return WeightsMeasured(
        stage=stage,
        step=step,
        kept_share=float(rows.kept.sum() / max(found, 1)),
        mean_weight=dict(zip(names, means.tolist(), strict=True)),
    )


def evenly(groups: GroupList, at_most: int) -> GroupList:
    """All groups, or so many of them, evenly spaced."""
    if at_most <= 0 or len(groups) <= at_most:
        return groups
    return groups.take(np.linspace(0, len(groups) - 1, at_most).round().astype(np.int64))
