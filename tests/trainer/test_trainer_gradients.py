"""Micro-batches divide exactly: the gradient is that of the whole batch at once."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from core.learning.losses import Term
from trainer.distributed import Ranks
from trainer.gradients import Phase, accumulate


@dataclass
class Rows:
    """Rows of numbers; those above 0 count."""

    values: Tensor

    def micro(self, size):
        return [Rows(part) for part in self.values.split(size)]


@pytest.fixture
def module():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).double()


def masked_terms(module):
    """Two losses whose counts are known only after the forward pass, and differ."""

    def terms(rows):
        found = module(rows.values)
        kept = found.detach() > 0
        far = found.detach().abs() > 0.2
        return {
            "kept": Term((found.square() * kept).sum(), kept.sum().double()),
            "far": Term((found.abs() * far).sum(), far.sum().double()),
        }

    return terms


def gradient_of(module, phases, **options):
    module.zero_grad()
    losses = accumulate(module, phases, Ranks(), **options)
    return losses, [p.grad.clone() for p in module.parameters()]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("weights", [{"kept": 2.0}, {"kept": 2.0, "far": 0.5}])
def test_micro_batches_give_the_gradient_of_the_whole_batch(module, size, weights):
    torch.manual_seed(1)
    first, second = Rows(torch.randn(7, 4).double()), Rows(torch.randn(5, 4).double())
    terms = masked_terms(module)
    phases = [Phase(first, terms, weights, 7), Phase(second, terms, {"far": 3.0}, 5)]
    whole_losses, whole = gradient_of(module, phases)
    losses, gradients = gradient_of(module, phases, micro_batch=size)
    assert losses == pytest.approx(whole_losses, rel=1e-12)
    for ours, theirs in zip(gradients, whole, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)


def test_the_gradient_is_that_of_the_weighted_means(module):
    torch.manual_seed(2)
    rows = Rows(torch.randn(6, 4).double())
    terms = masked_terms(module)
    _, gradients = gradient_of(module, [Phase(rows, terms, {"kept": 2.0, "far": 0.5}, 6)])
    found = terms(rows)
    loss = 2 * found["kept"].mean() + 0.5 * found["far"].mean()
    for ours, theirs in zip(
        gradients, torch.autograd.grad(loss, list(module.parameters())), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_a_loss_without_a_single_term_is_zero_and_has_no_gradient(module):
    rows = Rows(torch.zeros(4, 4).double())

    def terms(part):
        found = module(part.values)
        return {"kept": Term((found * 0).sum(), torch.zeros((), dtype=torch.float64))}

    losses, gradients = gradient_of(module, [Phase(rows, terms, {"kept": 1.0}, 4)], micro_batch=2)
    assert losses == {"kept": 0.0}
    assert all(not gradient.any() for gradient in gradients)


def test_a_rank_without_groups_of_its_own_adds_nothing(module):
    rows = Rows(torch.randn(2, 4).double())
    terms = masked_terms(module)
    phase = Phase(rows, terms, {"kept": 1.0}, 2, counted=False)
    losses, gradients = gradient_of(module, [phase])
    assert losses == {"kept": 0.0}
    assert all(not gradient.any() for gradient in gradients)


def test_every_rank_passes_the_same_number_of_micro_batches():
    parts = {
        rank: Phase(Rows(torch.zeros(own, 4)), lambda _: {}, {}, 7).parts(2, 3)
        for rank, own in ((0, 3), (1, 2), (2, 2))
    }
    assert [len(found) for found in parts.values()] == [2, 2, 2]
    assert [sum(len(p.values) for p, counts in found if counts) for found in parts.values()] == [
        3,
        2,
        2,
    ]
