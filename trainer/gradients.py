"""The gradient of a whole batch that passes the network in micro-batches, on one rank or several.

A loss is a weighted sum of means, each over its own terms (kept joints x views, labelled joints).
How many terms there are is known only when the last micro-batch has passed, so gradients of the
undivided sums are gathered first and divided once; the answer is that of the whole batch at once.
Sums, counts and gradients are reduced over ranks: with `Ranks` the whole batch is that of all.

Traps: batch statistics, where they train, are those of a micro-batch: only frozen ones make
micro-batches equal to the whole. Every rank passes the same number of micro-batches, since shared
statistics wait for each other; a rank with fewer groups repeats one that counts nothing.
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar, cast

import torch

from core.learning.losses import Term
from trainer.distributed import unsynchronised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from torch import Tensor, nn

    from trainer.distributed import Ranks


class Divisible(Protocol):
    """A batch of groups that can be cut."""

    def micro(self, size: int) -> Sequence[Self]:
        """Consecutive parts of so many groups, the last one possibly smaller."""
        ...


BatchT = TypeVar("BatchT", bound=Divisible)


@dataclass(frozen=True, slots=True)
class Phase(Generic[BatchT]):
    """Groups of a step that have the same losses.

    Attributes:
        batch: this rank's groups.
        terms: passes a part of them through the network: losses by name, undivided.
        weights: factor of each loss; others that `terms` may answer are left out.
        num_groups: groups of all ranks.
        counted: False where this rank has no group of its own and repeats one.
    """

    batch: BatchT
    terms: Callable[[BatchT], Mapping[str, Term]]
    weights: Mapping[str, float]
    num_groups: int
    counted: bool = True

    def parts(self, micro_batch: int, num_ranks: int) -> list[tuple[BatchT, bool]]:
        """This rank's micro-batches, as many as every rank has, and whether each counts."""
        largest = math.ceil(self.num_groups / num_ranks)
        if micro_batch in range(1, largest):
            cut = list(self.batch.micro(micro_batch))
        else:
            micro_batch, cut = largest, [self.batch]
        wanted = math.ceil(largest / micro_batch)
        parts = [(part, self.counted) for part in cut]
        return parts + [(cut[0], False)] * (wanted - len(parts))


class GradientSum:
    """The undivided sum of one loss over micro-batches, and its gradient."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self._parameters = parameters
        self._gradients: list[Tensor | None] = [None] * len(parameters)
        self.total: Tensor | None = None
        self.count: Tensor | None = None

    def add(self, term: Term, *, last_of_graph: bool) -> None:
        """Add a micro-batch's loss; its graph is let go where nothing else needs it."""
        self.note(term)
        if not term.total.requires_grad:
            return
        found = torch.autograd.grad(
            term.total, self._parameters, retain_graph=not last_of_graph, allow_unused=True
        )
        gradients = cast("tuple[Tensor | None, ...]", found)  # as allow_unused means
        for i, gradient in enumerate(gradients):
            old = self._gradients[i]
            if old is None or gradient is None:
                self._gradients[i] = gradient if old is None else old
            else:
                old.add_(gradient)

    def note(self, term: Term) -> None:
        """Count a micro-batch's loss whose gradient goes its own way."""
        total, count = term.total.detach(), term.count.detach()
        self.total = total if self.total is None else self.total + total
        self.count = count if self.count is None else self.count + count

    def give(self, factor: float) -> None:
        """Add the gathered gradient times a factor to that of the parameters."""
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            if gradient is None:
                continue
            scaled = gradient.mul_(factor)
            parameter.grad = scaled if parameter.grad is None else parameter.grad.add_(scaled)


def accumulate(
    module: nn.Module, phases: Sequence[Phase[BatchT]], ranks: Ranks, *, micro_batch: int = 0
) -> dict[str, float]:
    """Leave in the parameters the gradient of Σ weight · Σ totals / Σ counts over all phases.

    Args:
        module: what the phases pass through, as `Ranks.wrapped` gave it; gradients are zeroed.
        phases: at least one.
        ranks: this process among those of the run.
        micro_batch: groups at once on a rank; 0 = all.

    Returns:
        every loss's mean over the whole batch (of all ranks), without its weight; 0 where nothing
        counted.
    """
    parameters = [p for p in module.parameters() if p.requires_grad]
    losses: dict[str, float] = {}
    for phase in phases:
        *first, last = phase.parts(micro_batch, ranks.size)
        sums = {name: GradientSum(parameters) for name in phase.weights}
        for part, counted in first:
            with unsynchronised(module):
                _gather(sums, _active(phase.terms(part), sums, counted))
        with nullcontext() if phase is phases[-1] else unsynchronised(module):
            losses |= _finish(phase, sums, _active(phase.terms(last[0]), sums, last[1]), ranks)
    return losses


def _active(
    terms: Mapping[str, Term], sums: Mapping[str, GradientSum], counted: bool
) -> dict[str, Term]:
    """The losses that were asked for; nothing where the part does not count."""
    found = {name: terms[name] for name in sums}
    if counted:
        return found
    return {name: Term(term.total * 0.0, term.count * 0.0) for name, term in found.items()}


def _gather(sums: Mapping[str, GradientSum], terms: Mapping[str, Term]) -> None:
    for i, (name, term) in enumerate(terms.items(), 1):
        sums[name].add(term, last_of_graph=i == len(terms))


def _finish(
    phase: Phase[BatchT],
    sums: Mapping[str, GradientSum],
    terms: Mapping[str, Term],
    ranks: Ranks,
) -> dict[str, float]:
    """Pass the last micro-batch backward with everything divided by its whole count."""
    for name, term in terms.items():
        sums[name].note(term)
    totals, counts = ranks.total(_stacked(sums.values())).tolist()
    losses: dict[str, float] = {}
    loss: Tensor | None = None
    for name, total, count in zip(sums, totals, counts, strict=True):
        losses[name] = total / max(count, 1.0)
        # DistributedDataParallel means gradients over ranks: the factor makes a sum of it.
        factor = phase.weights[name] * ranks.size / max(count, 1.0)
        sums[name].give(factor)
        part = terms[name].total * factor
        loss = part if loss is None else loss + part
    if loss is not None and loss.requires_grad:
        loss.backward()
    return losses


def _stacked(sums: Iterable[GradientSum]) -> Tensor:
    rows: list[Tensor] = []
    for one in sums:
        assert one.total is not None
        assert one.count is not None
        rows.append(torch.stack([one.total, one.count]))
    return torch.stack(rows, dim=1)
