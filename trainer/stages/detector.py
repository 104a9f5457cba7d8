"""What the detector's two stages share: optimiser, stream of crops, what a checkpoint keeps.

Shape suffixes: G groups, C cameras, J joints.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from core.learning.batches import BatchRequest, sampled
from core.learning.losses import Term, supervised_term
from trainer.feedback import Feedback
from trainer.gradients import Phase
from trainer.loop import seeded
from trainer.measuring import HeldOut
from trainer.samples import SampleCrops
from trainer.seeing import DetectorPass, Seen, heatmap_term, see, set_training

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from core.learning.batches import Batch, GroupLoader
    from core.learning.data import GroupList
    from core.learning.unlabelled import TriangulationLoss
    from core.project.runs.config import FinetuneOptions, PretrainOptions, Stage
    from core.project.runs.events import WeightsMeasured
    from trainer.context import Context
    from trainer.networks import Networks

# What the draws of groups are told apart by.
LABELLED, UNLABELLED, STUDENT = 1, 2, 3


class DetectorLesson:
    """A stage that trains the detector; see `trainer.loop.Lesson`."""

    stage: Stage

    def __init__(
        self,
        context: Context,
        networks: Networks,
        loader: GroupLoader,
        options: PretrainOptions | FinetuneOptions,
        loss: TriangulationLoss | None = None,
    ) -> None:
        self.context = context
        self.networks = networks
        self.loader = loader
        self.options = options
        self.loss = loss
        self.steps = options.steps
        context.device.compiled(networks.detector)
        inside = DetectorPass(networks.detector, networks.confidence)
        set_training(inside, freeze_batch_norm=options.freeze_batch_norm)
        self.module: nn.Module = context.ranks.wrapped(inside, context.device.device)
        self.optimizer = adam(inside, options.learning_rate)
        self.held_out = HeldOut(context, loader)
        self.samples = SampleCrops(context, loader)
        self.feedback = Feedback(context, loader)

    def learning_rate(self, step: int) -> float:
        """Of this step."""
        return decayed(self.options.learning_rate, self.options.decay, step, self.steps)

    def stream(self, requests: Iterator[BatchRequest]) -> Generator[Batch]:
        """The batches, loaded ahead."""
        return self.loader.stream(requests)

    def request(
        self,
        groups: GroupList,
        num_groups: int,
        step: int,
        kind: int,
        *,
        cutout: float | None = None,
    ) -> BatchRequest:
        """This rank's share of a step's groups; where it has none, one that will not count."""
        seed = self.context.config.run.seed
        indices = sampled(len(groups), num_groups, step, seeded(seed, min(kind, UNLABELLED)))
        mine = indices[self.context.ranks.mine]
        chosen = groups.take(mine if len(mine) else indices[:1])
        key = (seed, kind, step)
        return BatchRequest(groups=chosen, key=key, augmented=True, cutout=cutout)

    def counts(self, num_groups: int) -> bool:
        """Whether this rank has a share of so many groups."""
        return self.context.ranks.rank < num_groups

    def see(self, batch: Batch) -> Seen:
        """Pass a batch through the networks in training."""
        return see(self.module, batch, self.context.device)

    def labelled_phase(self, batch: Batch, num_groups: int) -> Phase[Batch]:
        """All that is learned from labels: L_sup, heatmaps, learned view weights."""
        weights = {"supervised": 1.0}
        if self.options.heatmap_weight:
            weights["heatmap"] = self.options.heatmap_weight
        if self.networks.confidence is not None:
            weights["learned"] = 1.0
        return Phase(batch, self._labelled_terms, weights, num_groups, self.counts(num_groups))

    def _labelled_terms(self, batch: Batch) -> dict[str, Term]:
        seen = self.see(batch)
        there = seen.batch
        terms = {
            "supervised": supervised_term(
                seen.points_raw, there.targets_px, there.boxes_px, there.in_view[..., None]
            )
        }
        if self.options.heatmap_weight:
            terms["heatmap"] = heatmap_term(seen, self.networks.detector.spec, there.targets_px)
        if seen.weights is not None:
            assert self.loss is not None
            terms["learned"] = self.loss.learned_weights_term(
                seen.points_raw, seen.weights, there.points_mm, there
            )
        return terms

    def requests(self, step: int) -> Sequence[BatchRequest]:
        """This rank's batches of this step."""
        raise NotImplementedError

    def after_step(self, step: int) -> None:
        """Nothing follows a step, unless there is a teacher."""

    def evaluated_networks(self) -> Networks:
        """Those that are measured, and that later stages begin with."""
        return self.networks

    def triangulated(self, step: int) -> WeightsMeasured | None:
        """How the unlabelled groups were triangulated since the last time, where there are any."""

    def evaluate(self, step: int) -> float | None:
        """Multi-view error on the held-out groups, said; in between, predictions for the window."""
        context, networks, last = self.context, self.evaluated_networks(), step == self.steps
        score = self.held_out.measure(
            self.stage, step, networks, final=last, unlabelled=self.triangulated(step)
        )
        self.samples.save(self.stage, step, networks)
        if context.config.run.feedback and context.folder.project_dir is not None and not last:
            self.feedback.show(
                self.stage,
                step,
                networks,
                seconds_per_group=self.held_out.seconds_per_group,
                scale_mm=self.held_out.scale_mm,
            )
        return score

    def state(self) -> dict[str, Any]:
        """Networks, optimiser and the noise scale."""
        return {
            **self.networks.detector_state(),
            "optimizer": self.optimizer.state_dict(),
            "micro_batch": self.context.micro_batch,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up the optimiser of a checkpoint; the networks have been."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.context.micro_batch = state["micro_batch"]


def adam(module: nn.Module, learning_rate: float) -> torch.optim.Adam:
    """Adam without weight decay, over what trains."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    fused = all(p.device.type in {"cpu", "cuda"} for p in parameters)
    return torch.optim.Adam(parameters, learning_rate, fused=fused)


def decayed(learning_rate: float, decay: Literal["none", "cosine"], step: int, steps: int) -> float:
    """The learning rate of a step."""
    if decay == "none":
        return learning_rate
    return learning_rate * (1 + math.cos(math.pi * step / steps)) / 2
