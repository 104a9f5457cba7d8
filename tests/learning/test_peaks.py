"""Triangulation of whole heatmaps: modes stay apart until all views have been asked."""

import dataclasses

import numpy as np
import pytest
import torch

from core.errors import DataError
from core.geometry import robust_triangulate
from core.learning.batches import Batch
from core.learning.peaks import triangulate_peaks
from core.learning.rig_tensors import RigTensors
from core.learning.unlabelled import TriangulationLoss
from core.models.soft_argmax import gaussian_maps
from core.project.runs.config import LossOptions
from tests.geometry.camera_rigs import court_rig

HW = (32, 24)
OPTIONS = LossOptions(evidence="heatmaps", gradient="detach_target", loss_views="all")


@pytest.fixture
def scene():
    """Three people of four joints in six views: batch, raw pixels and truth."""
    rig = court_rig(6)
    rng = np.random.default_rng(3)
    truth = rng.uniform([-5000, -3000, 900], [5000, 3000, 900], (3, 1, 3))
    truth = truth + rng.uniform([-300, -300, -600], [300, 300, 600], (3, 4, 3))
    raw = torch.from_numpy(rig.project(truth))
    low, high = raw.amin(2) - 25, raw.amax(2) + 25
    middle, half = (low + high) / 2, ((high - low) / 2).amax(-1, keepdim=True)
    maps = torch.zeros(3, 6, 2, 3, dtype=torch.float64)
    scale = half / torch.tensor([HW[1] * 2.0, HW[0] * 2.0])
    maps[..., 0, 0], maps[..., 1, 1] = scale[..., 0], scale[..., 1]
    maps[..., 2] = middle - half
    batch = Batch(
        groups=(),
        rigs=(rig,),
        rig_index=torch.zeros(3, dtype=torch.long),
        mirror=(0, 2, 1, 3),
        images=torch.zeros(3, 6, 3, 0, 0, dtype=torch.uint8),
        in_view=torch.ones(3, 6, dtype=torch.bool),
        raw_from_crop=maps,
        mirrored=torch.zeros(3, 6, dtype=torch.bool),
        boxes_px=torch.cat([middle - half, middle + half], dim=-1),
        targets_px=torch.full_like(raw, float("nan")),
        points_mm=torch.full((3, 4, 3), float("nan"), dtype=torch.float64),
    )
    return rig, batch, raw, torch.from_numpy(truth)


def heatmaps(batch, raw, height=1.0):
    inverse = torch.linalg.inv(batch.raw_from_crop[..., :2])
    crop = (raw - batch.raw_from_crop[..., None, :, 2]) @ inverse.mT
    return height * gaussian_maps(crop.float(), HW, 2.0)


def solve(maps, batch, rig, seen=None):
    seen = torch.ones(maps.shape[:3], dtype=torch.bool) if seen is None else seen
    return triangulate_peaks(maps, seen, batch, RigTensors("cpu", [rig]).of_groups([rig], [0] * 3))


def test_peaks_at_the_projections_give_the_points(scene):
    rig, batch, raw, truth = scene
    found = solve(heatmaps(batch, raw), batch, rig)
    # A cell is some 30 mm here; the peaks are placed by fractions of it.
    assert (found.points_mm - truth).norm(dim=-1).max() < 8.0
    assert found.agreement.min() > 0.95
    assert found.spread_mm.max() < 40.0


def test_a_higher_wrong_mode_in_half_of_the_views_is_outvoted(scene):
    rig, batch, raw, truth = scene
    away = torch.tensor([[40.0, 0], [-40, 0], [0, 40]], dtype=torch.float64)
    wrong = raw.clone()
    wrong[:, :3] += away[None, :, None]
    maps = heatmaps(batch, raw, 0.7)
    maps[:, :3] = torch.maximum(maps[:, :3], heatmaps(batch, wrong)[:, :3])
    found = solve(maps, batch, rig)
    ours = (found.points_mm - truth).norm(dim=-1)
    assert ours.max() < 15.0
    # The highest peak of each view alone misleads even consensus, or leaves it far less sure.
    peaks = torch.where(torch.arange(6)[:, None, None] < 3, wrong, raw)
    straight = torch.from_numpy(rig.undistort(peaks.numpy()))
    single = robust_triangulate(
        straight, torch.from_numpy(rig.projections.copy()), weighting="none"
    ).points_mm
    assert (single - truth).norm(dim=-1).min() > 3 * ours.max()


def test_points_that_fewer_than_two_views_have_a_peak_for_are_absent(scene):
    rig, batch, raw, _ = scene
    seen = torch.ones(3, 6, 4, dtype=torch.bool)
    seen[0, 1:, 2] = False
    found = solve(heatmaps(batch, raw), batch, rig, seen)
    assert found.points_mm[0, 2].isnan().all()
    assert found.points_mm.isnan().any(-1).sum() == 1
    assert (found.strengths[0, 1:, 2] == 0).all()


def test_views_that_contradict_one_another_are_not_kept(scene):
    rig, batch, raw, _ = scene
    loss = TriangulationLoss(OPTIONS, [rig])
    rng = np.random.default_rng(0)
    scattered = raw + torch.from_numpy(rng.choice([-45.0, 45.0], raw.shape))
    assert loss.peak_targets(heatmaps(batch, raw), batch).kept.all()
    assert loss.peak_targets(heatmaps(batch, scattered), batch).kept.double().mean() < 0.3


def test_targets_of_heatmaps_are_constants_that_lead_points_to_them(scene):
    rig, batch, raw, _ = scene
    loss = TriangulationLoss(OPTIONS, [rig])
    maps = heatmaps(batch, raw).requires_grad_()
    targets = loss.peak_targets(maps, batch)
    points = (raw + 10.0).requires_grad_()
    loss.term(points, targets).mean().backward()
    assert maps.grad is None
    assert (points.grad > 0).all()
    moved = points.detach() - 20 * points.grad / points.grad.abs().max()
    assert loss.term(moved, targets).mean() < loss.term(points.detach(), targets).mean()


@pytest.mark.parametrize("field", [{"gradient": "full"}, {"weighting": "learned"}])
def test_heatmaps_with_what_has_no_use_for_them_are_refused(field):
    with pytest.raises(DataError, match="evidence"):
        TriangulationLoss(dataclasses.replace(OPTIONS, **field))
