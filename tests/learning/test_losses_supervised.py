import math

import pytest
import torch

from core.learning.losses import BoxFrame, Term, supervised_term

BOXES = torch.tensor([[[0.0, 0.0, 100.0, 200.0], [10.0, 20.0, 50.0, 40.0]]])


def test_a_box_reaches_from_minus_one_to_one_on_both_axes():
    corners = torch.tensor([[[[0.0, 0.0], [100.0, 200.0]], [[10.0, 40.0], [30.0, 30.0]]]])
    frame = BoxFrame.of(BOXES)
    assert frame.normalise(corners).tolist() == [[[[-1, -1], [1, 1]], [[-1, 1], [0, 0]]]]


def test_the_supervised_loss_is_the_value_worked_by_hand():
    targets = torch.tensor([[[[50.0, 100.0]], [[30.0, 30.0]]]])
    points = targets + torch.tensor([[[[10.0, 20.0]], [[-4.0, 1.0]]]])
    term = supervised_term(points, targets, BOXES)
    # (10/50)² + (20/100)² in the first view, (4/20)² + (1/10)² in the second.
    assert term.total.item() == pytest.approx(0.08 + 0.05, abs=1e-12)
    assert term.count.item() == 2
    assert term.mean().item() == pytest.approx(0.065, abs=1e-12)


def test_joints_without_label_box_or_mask_neither_count_nor_pull():
    points = torch.full((1, 4, 2, 2), 30.0, requires_grad=True)
    targets = torch.full((1, 4, 2, 2), 20.0)
    targets[0, 0, 1] = math.nan
    boxes = torch.tensor([[[0.0, 0, 100, 100], [math.nan] * 4, [0, 0, 0.5, 100], [0, 0, 100, 100]]])
    mask = torch.tensor([[[True], [True], [True], [False]]])
    term = supervised_term(points, targets, boxes, mask)
    term.mean().backward()
    assert term.count.item() == 1
    pulled = (points.grad != 0).any(-1)
    assert pulled.nonzero().tolist() == [[0, 0, 0]]


def test_nothing_to_learn_from_is_a_zero_with_a_zero_gradient():
    points = torch.rand(2, 3, 4, 2, requires_grad=True)
    term = supervised_term(points, torch.full((2, 3, 4, 2), math.nan), torch.rand(2, 3, 4))
    term.mean().backward()
    assert (term.total.item(), term.count.item(), term.mean().item()) == (0, 0, 0)
    assert torch.equal(points.grad, torch.zeros_like(points))


def test_a_diverged_prediction_makes_the_sum_nan_so_that_it_is_found_out():
    points = torch.full((1, 2, 1, 2), math.nan)
    targets = torch.full((1, 2, 1, 2), 5.0)
    assert math.isnan(supervised_term(points, targets, BOXES).total.item())


def test_terms_of_parts_add_up_to_the_term_of_the_whole():
    points, targets = torch.rand(6, 2, 3, 2) * 90, torch.rand(6, 2, 3, 2) * 90
    targets[2, 1] = math.nan
    boxes = BOXES.expand(6, 2, 4)
    whole = supervised_term(points, targets, boxes)
    parts = Term(torch.zeros(()), torch.zeros(()))
    for rows in (slice(0, 1), slice(1, 4), slice(4, 6)):
        parts = parts + supervised_term(points[rows], targets[rows], boxes[rows])
    assert parts.count.item() == whole.count.item() == 33
    assert parts.mean().item() == pytest.approx(whole.mean().item(), rel=1e-12)


def test_coarse_types_are_summed_in_float64_under_autocast_too():
    points = (torch.rand(2, 2, 3, 2) * 90).bfloat16()
    targets, boxes = torch.rand(2, 2, 3, 2) * 90, BOXES.expand(2, 2, 4)
    exact = supervised_term(points.double(), targets, boxes).total
    with torch.autocast("cpu", dtype=torch.bfloat16):
        coarse = supervised_term(points, targets, boxes).total
    assert coarse.dtype == torch.float64
    assert coarse.item() == exact.item()


def test_the_supervised_loss_passes_gradcheck():
    points = (torch.rand(2, 2, 3, 2, dtype=torch.float64) * 90).requires_grad_()
    targets, boxes = torch.rand(2, 2, 3, 2).double() * 90, BOXES.expand(2, 2, 4)
    assert torch.autograd.gradcheck(lambda p: supervised_term(p, targets, boxes).mean(), (points,))
