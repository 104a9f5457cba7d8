"""The heatmaps' term in mirrored crops: who is left there is right in the pictures."""

import pytest
import torch

from core.learning.batches import GroupLoader
from core.models import DetectorSpec, gaussian_heatmaps
from core.project.runs.config import AugmentOptions
from tests.learning.crop_world import SKELETON, DotRecording, data_of
from trainer.seeing import Seen, heatmap_term

SPEC = DetectorSpec(
    family="small",
    depth=1,
    width=64,
    joints=SKELETON.joints,
    input_hw=(128, 96),
    temperature=20.0,
)


@pytest.fixture(scope="module")
def perfect():
    """Mirrored crops, and heatmaps whose peaks are where the labels are."""
    data = data_of(DotRecording())
    flipped = AugmentOptions(flip=1.0)
    with GroupLoader(data, input_hw=SPEC.input_hw, augment=flipped, workers=0) as loader:
        batch = loader.batch(data.labelled, (1,), augmented=True)
    assert bool(batch.mirrored[batch.in_view].all())
    shape = batch.targets_px.shape[:3]
    peaks = batch.crop_points(batch.targets_px).flatten(0, 1).float()
    return Seen(
        batch=batch,
        points_raw=batch.targets_px,
        confidence=torch.ones(shape),
        heatmaps=gaussian_heatmaps(peaks, SPEC),
        chosen=torch.arange(shape[0] * shape[1]),
        weights=None,
    )


def test_heatmaps_at_their_targets_cost_nothing_also_when_mirrored(perfect):
    term = heatmap_term(perfect, SPEC, perfect.batch.targets_px)
    assert float(term.total) == pytest.approx(0.0, abs=1e-9)
    assert float(term.count) == torch.isfinite(perfect.batch.targets_px).all(-1).sum()


def test_a_joint_of_factor_nought_costs_nothing_and_the_other_side_does(perfect):
    left, right = SKELETON.joints.index("left_hand"), SKELETON.joints.index("right_hand")
    wrong = perfect.batch.targets_px.clone()
    wrong[:, :, left] += 60.0
    factors = torch.ones(wrong.shape[:3], dtype=torch.float64)
    factors[:, :, left] = 0.0
    assert float(heatmap_term(perfect, SPEC, wrong, factors).total) == pytest.approx(0, abs=1e-9)
    factors[:, :, left], factors[:, :, right] = 0.5, 0.0
    half = float(heatmap_term(perfect, SPEC, wrong, factors).total)
    assert half > 0.1
    factors[:, :, left] = 1.0
    assert float(heatmap_term(perfect, SPEC, wrong, factors).total) == pytest.approx(2 * half)
