"""Stage 2: the detector on labelled and unlabelled groups (L_sup + L_tri, Eqs. 1-3).

The unlabelled groups pass first, so that only counts known by then divide their gradients (see
`trainer.gradients`). Their targets come from the predictions themselves, from a mean teacher (an
average of past detectors, which sees plain crops while the student sees varied ones with parts
painted over), or from before fine-tuning (frozen).

Trap: with a teacher, the teacher is the outcome: it is evaluated, exported and predicts.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from core.learning.batches import BatchRequest
from core.learning.unlabelled import (
    PseudoTargets,
    TriangulationLoss,
    Views,
    measure_scale_mm,
)
from core.project.runs.estimate import SCALE_GROUPS
from core.project.runs.events import ScaleMeasured, WeightsMeasured
from trainer.checkpoint import store_for, stored_for
from trainer.gradients import Phase
from trainer.measuring import evenly, looked, resting
from trainer.seeing import DetectorPass, heatmap_term, pseudo_targets, see
from trainer.stages.detector import LABELLED, STUDENT, UNLABELLED, DetectorLesson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from core.learning.batches import Batch, GroupLoader
    from core.learning.data import Group, GroupList
    from core.learning.losses import Term
    from core.project.runs.config import LossOptions, Stage
    from trainer.context import Context
    from trainer.networks import Networks
    from trainer.seeing import Seen

_FROZEN = "frozen-targets.pt"


@dataclass(frozen=True, slots=True)
class Taught:
    """Unlabelled groups: as the student sees them, and as the teacher does (None without one)."""

    student: Batch
    teacher: Batch | None

    def micro(self, size: int) -> Sequence[Taught]:
        """Both in parts of so many groups."""
        students = self.student.micro(size)
        if self.teacher is None:
            return [Taught(student, None) for student in students]
        teachers = self.teacher.micro(size)
        return [Taught(*pair) for pair in zip(students, teachers, strict=True)]


class Finetuning(DetectorLesson):
    """Labelled and unlabelled groups."""

    stage: Stage = "finetune"

    def __init__(
        self,
        context: Context,
        networks: Networks,
        loader: GroupLoader,
        loss: TriangulationLoss,
        frozen: FrozenTargets | None,
    ) -> None:
        options = context.config.finetune
        self.teacher = copy.deepcopy(networks.detector) if context.config.loss.teacher else None
        super().__init__(context, networks, loader, options, loss)
        self.triangulation = loss
        self.frozen = frozen
        self.num_labelled = options.labelled_groups if len(context.data.labelled) else 0
        self.num_unlabelled = num_unlabelled(context)
        self.tally = Tally(context)

    def requests(self, step: int) -> Sequence[BatchRequest]:
        """Unlabelled groups (for the student, and for the teacher), then labelled ones."""
        data, wanted = self.context.data, list[BatchRequest]()
        if self.num_unlabelled:
            cutout = self.context.config.loss.student_cutout if self.teacher else None
            kind = STUDENT if self.teacher else UNLABELLED
            student = self.request(data.unlabelled, self.num_unlabelled, step, kind, cutout=cutout)
            wanted.append(student)
            if self.teacher is not None:
                wanted.append(replace(student, augmented=False, cutout=None))
        if self.num_labelled:
            wanted.append(self.request(data.labelled, self.num_labelled, step, LABELLED))
        return wanted

    def phases(self, step: int, batches: Sequence[Batch]) -> list[Phase[Any]]:
        """L_tri and the triangulation residual, then all that is learned from labels."""
        left, found = list(batches), list[Phase[Any]]()
        if self.num_unlabelled:
            taught = Taught(left.pop(0), left.pop(0) if self.teacher is not None else None)
            found.append(
                Phase(
                    taught,
                    self._unlabelled_terms,
                    unlabelled_weights(self.context.config.loss, step),
                    self.num_unlabelled,
                    self.counts(self.num_unlabelled),
                )
            )
        if self.num_labelled:
            found.append(self.labelled_phase(left.pop(0), self.num_labelled))
        return found

    def after_step(self, step: int) -> None:
        """Move the teacher towards the student."""
        if self.teacher is not None:
            decay = self.context.config.loss.teacher_decay
            move_average(self.teacher, self.networks.detector, min(decay, (1 + step) / (10 + step)))

    def evaluated_networks(self) -> Networks:
        """With the teacher in the student's place where there is one."""
        if self.teacher is None:
            return self.networks
        return replace(self.networks, detector=self.teacher)

    def triangulated(self, step: int) -> WeightsMeasured | None:
        """How the unlabelled groups were triangulated since the last time."""
        return self.tally.said(self.stage, step)

    def state(self) -> dict[str, Any]:
        """As in every detector's stage, and the teacher."""
        state = super().state()
        if self.teacher is not None:
            state["teacher"] = self.teacher.state_dict()
        return state

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up the optimiser and the teacher of a checkpoint."""
        super().restore(state)
        if self.teacher is not None:
            self.teacher.load_state_dict(state["teacher"])

    def _unlabelled_terms(self, part: Taught) -> dict[str, Term]:
        seen = self.see(part.student)
        points = seen.points_raw
        if self.frozen is not None:
            targets = self.frozen.of(part.student.groups, points.device)
        elif self.teacher is not None and part.teacher is not None:
            with resting(self.teacher, self.networks.confidence):
                inside = DetectorPass(self.teacher, self.networks.confidence)
                taught = see(inside, part.teacher, self.context.device)
                targets = pseudo_targets(self.triangulation, taught)
        else:
            targets = pseudo_targets(self.triangulation, seen)
        self.tally.add(targets)
        terms = {"unlabelled": self.triangulation.term(points, targets)}
        if self.context.config.loss.residual_weight:
            terms["residual"] = self.triangulation.residual_term(points, targets, seen.batch)
        if self.context.config.loss.heatmap_weight:
            terms["pseudo_heatmap"] = self._pseudo_heatmap_term(seen, targets)
        return terms

    def _pseudo_heatmap_term(self, seen: Seen, targets: PseudoTargets) -> Term:
        """Heatmaps against pseudo-labels as if they were labels: one mode, where it should be."""
        device = seen.points_raw.device
        places = torch.where(targets.counted[..., None], targets.reprojection_raw, math.nan)
        spec = self.networks.detector.spec
        return heatmap_term(seen, spec, places.to(device), targets.factors.to(device))


class Tally:
    """How triangulations of the unlabelled groups went, summed over steps."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.num_cameras = context.data.num_cameras
        self._sums: Tensor | None = None

    def add(self, targets: PseudoTargets) -> None:
        """Count some groups."""
        found = targets.points_mm.detach().isfinite().all(-1)
        kept, number = targets.kept.sum(), found.sum()
        views = targets.weights.detach().sum((0, 2))
        poses = views.new_full((1,), targets.kept.numel())
        sums = torch.cat([torch.stack([kept, number]).to(views), poses, views])
        self._sums = sums if self._sums is None else self._sums + sums

    def said(self, stage: Stage, step: int) -> WeightsMeasured | None:
        """The shares since the last time, over all ranks; None where nothing was counted."""
        if self._sums is None:
            return None
        kept, number, poses, *views = self.context.ranks.total(self._sums).tolist()
        self._sums = None
        names = self.context.data.recordings[0].rig.names
        return WeightsMeasured(
            stage=stage,
            step=step,
            kept_share=kept / max(number, 1.0),
            mean_weight={n: v / max(poses, 1.0) for n, v in zip(names, views, strict=True)},
        )


@dataclass(frozen=True, slots=True)
class FrozenTargets:
    """Targets of all unlabelled groups, as they were before fine-tuning."""

    rows: Mapping[Group, int]
    targets: PseudoTargets

    def of(self, groups: Sequence[Group], device: torch.device) -> PseudoTargets:
        """Those of some groups."""
        index = torch.tensor([self.rows[group] for group in groups])
        return self.targets.pick(index).to(device)


def measured_scale(context: Context, networks: Networks, loader: GroupLoader) -> float:
    """The noise scale of the detector's predictions, millimetres; the same on all ranks.

    Measured on unlabelled groups (labelled ones where there are none), and said.
    """
    if context.config.loss.scale_mm:
        return context.config.loss.scale_mm
    data, scale = context.data, None
    if context.ranks.is_first:
        groups = evenly(data.unlabelled or data.labelled, SCALE_GROUPS)
        # Heatmaps of so many groups are not kept.
        sights = [(s.points_raw, s.batch) for s in looked(context, networks, loader, groups)]
        points = torch.cat([points for points, _ in sights])
        scale = measure_scale_mm(points, None, Views.joined([batch for _, batch in sights]))
        context.emit(ScaleMeasured(scale_mm=scale))
    scale = context.ranks.from_first(scale)
    assert scale is not None
    return scale


def frozen_targets(
    context: Context,
    networks: Networks,
    loader: GroupLoader,
    loss: TriangulationLoss,
    groups: GroupList,
    *,
    fresh: bool,
) -> FrozenTargets:
    """The targets of these groups, computed once and kept in the run's checkpoints."""
    path = context.checkpoints.folder / _FROZEN
    rows = {group: row for row, group in enumerate(groups)}
    kept = None if fresh else stored_for(path, groups)
    if kept is None:
        if not fresh:
            text = "There are no frozen targets of these groups; made by the detector as it is now."
            context.notice("warning", "frozen-targets", text)
        mine = [
            pseudo_targets(loss, sight).detached().to("cpu")
            for sight in looked(context, networks, loader, groups[context.ranks.mine])
        ]
        parts = context.ranks.gathered(PseudoTargets.joined(mine) if mine else None)
        if context.ranks.is_first:
            _keep(path, groups, parts)
        context.ranks.wait()
        kept = stored_for(path, groups)
        assert kept is not None
    return FrozenTargets(rows, PseudoTargets(**kept))


def _keep(path: Path, groups: GroupList, parts: Sequence[PseudoTargets | None]) -> None:
    there = PseudoTargets.joined([part for part in parts if part is not None])
    starts = range(len(parts))
    order = torch.cat([torch.arange(rank, len(groups), len(parts)) for rank in starts])
    whole = there.pick(torch.argsort(order))
    store_for(path, groups, {field.name: getattr(whole, field.name) for field in fields(whole)})


def num_unlabelled(context: Context) -> int:
    """Unlabelled groups a step; 0 where no loss would look at them."""
    loss = context.config.loss
    asked = max(loss.unlabelled_weight, loss.residual_weight, loss.heatmap_weight) > 0
    there = asked and len(context.data.unlabelled) > 0
    return context.config.finetune.unlabelled_groups if there else 0


def unlabelled_weights(loss: LossOptions, step: int) -> dict[str, float]:
    """Factors of the unlabelled losses at a step."""
    ramp = min(1.0, (step + 1) / loss.ramp_steps) if loss.ramp_steps else 1.0
    weights = {"unlabelled": ramp * loss.unlabelled_weight}
    if loss.residual_weight:
        weights["residual"] = ramp * loss.residual_weight
    if loss.heatmap_weight:
        weights["pseudo_heatmap"] = ramp * loss.heatmap_weight
    return weights


@torch.no_grad()
def move_average(average: torch.nn.Module, now: torch.nn.Module, decay: float) -> None:
    """Move parameters: average ← decay · average + (1 - decay) · now; statistics are copied."""
    for mine, theirs in zip(average.parameters(), now.parameters(), strict=True):
        mine.lerp_(theirs.detach(), 1 - decay)
    for mine, theirs in zip(average.buffers(), now.buffers(), strict=True):
        mine.copy_(theirs)
