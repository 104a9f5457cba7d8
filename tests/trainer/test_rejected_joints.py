"""A joint that somebody rejected is no pseudo-label, however well the views agree on it."""

import torch

from core.learning.batches import GroupLoader
from core.learning.unlabelled import TriangulationLoss
from core.project.runs.config import LossOptions
from tests.learning.crop_world import DotRecording, data_of
from trainer.seeing import Seen, pseudo_targets


def test_rejected_joints_have_no_part_in_the_loss():
    recording = DotRecording()
    data = data_of(recording)
    with GroupLoader(data, input_hw=(64, 48), workers=0) as loader:
        batch = loader.batch(data.unlabelled, (0,), augmented=False)
    truth = torch.from_numpy(data.recordings[0].points_mm(1, 2))
    raw = torch.stack(
        [torch.from_numpy(recording.rig.project(data.points_mm(g))) for g in batch.groups]
    )
    seen = Seen(
        batch=batch,
        points_raw=raw,
        confidence=torch.ones(raw.shape[:3]),
        heatmaps=torch.zeros(0),
        chosen=torch.zeros(0, dtype=torch.long),
        weights=None,
    )
    loss = TriangulationLoss(LossOptions(weighting="none", min_views=2), scale_mm=10.0)
    targets = pseudo_targets(loss, seen)
    place = [(g.person, g.frame) for g in batch.groups].index((1, 2))
    assert targets.kept[place].tolist() == [False, True, True]
    assert not targets.counted[place, :, 0].any()
    assert torch.allclose(targets.points_mm[place], truth, atol=1e-3), "it is still told"

    moved = raw.clone()
    moved[place, :, 0] += 40.0
    assert float(loss.term(moved, targets).total) < 1e-12, "wherever it is said to be"
    others = torch.ones(len(batch), dtype=torch.bool)
    others[place] = False
    assert targets.kept[others].all()
    moved[place, :, 1] += 40.0
    assert float(loss.term(moved, targets).total) > 0.01
