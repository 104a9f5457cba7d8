"""The losses on the cameras of real recordings, whose lenses bend and fold as real ones do."""

from pathlib import Path

import numpy as np
import pytest
import torch

from core.formats.calibration import read_rig
from core.learning.lifting import lift_inputs, lifted_points_mm, lifting_term, root_depths_mm
from core.learning.unlabelled import TriangulationLoss, Views
from core.project.runs.config import LossOptions
from tests.learning.group_scenes import boxes_around

pytestmark = pytest.mark.data
torch.set_num_threads(1)


def rigs_of(real_data: Path, name: str):
    if name == "sportcenter":
        return (read_rig(real_data / "sportcenter" / "calibration.json"),)
    path = real_data / "h36m" / "camera-parameters.json"
    return tuple(read_rig(path, subject=subject) for subject in ("S1", "S5", "S7", "S8"))


def people_between_cameras(rig, num_groups: int, rng: np.random.Generator) -> np.ndarray:
    """Five joints of people near the point that all optical axes pass closest to."""
    centers = np.stack([camera.center_mm for camera in rig])
    axes = np.stack([camera.R[2] for camera in rig])
    planes = np.eye(3) - axes[:, :, None] * axes[:, None]
    middle = np.linalg.solve(planes.sum(0), (planes @ centers[..., None]).sum(0)[:, 0])
    return middle + rng.normal(0, 500, (num_groups, 1, 3)) + rng.normal(0, 400, (num_groups, 5, 3))


@pytest.mark.parametrize("name", ["sportcenter", "h36m"])
@pytest.mark.parametrize("weighting", ["none", "pairwise", "consensus"])
def test_real_lenses_and_rigs_make_no_loss_of_consistent_joints(real_data, name, weighting):
    rigs = rigs_of(real_data, name)
    rng = np.random.default_rng(0)
    truth = np.concatenate([people_between_cameras(rig, 4, rng) for rig in rigs])
    index = torch.arange(len(rigs)).repeat_interleave(4)
    raw = torch.from_numpy(
        np.stack([rigs[i].project(pose) for i, pose in zip(index.tolist(), truth, strict=True)])
    )
    boxes = boxes_around(raw)
    batch = Views(rigs, index, boxes, boxes.isfinite().all(-1))
    assert batch.in_view.double().mean() > 0.7
    points = (raw + torch.from_numpy(rng.normal(0, 0.5, raw.shape))).requires_grad_()
    loss = TriangulationLoss(LossOptions(weighting=weighting), rigs, 10.0)
    exact = loss.targets(raw, None, batch)
    seen = batch.in_view[..., None].expand(raw.shape[:3])
    assert torch.equal(exact.counted, seen)
    assert loss.term(raw, exact).total.item() < 1e-9
    term = loss.term(points, loss.targets(points, None, batch))
    term.mean().backward()
    assert term.total.item() > 1e-9
    assert points.grad.isfinite().all()

    cameras = loss.cameras(batch)
    inputs = lift_inputs(raw, batch, cameras)
    truth_mm = torch.from_numpy(truth)
    root_mm = root_depths_mm(truth_mm, (0,), cameras)
    depths_m = (cameras.depths_mm(truth_mm) - root_mm[..., None]) * 1e-3
    lifted = lifted_points_mm(inputs.points_undistorted, depths_m, root_mm, cameras)
    expected = truth_mm[:, None].expand_as(lifted)
    assert torch.allclose(lifted[inputs.seen], expected[inputs.seen], atol=1e-4)
    assert lifting_term(depths_m, inputs, truth_mm, (0,), cameras).total.item() < 1e-9
