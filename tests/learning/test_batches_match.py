"""Batches of a generated match, read as any data set is."""

from pathlib import Path

import numpy as np
import pytest
import torch

from core.geometry import robust_triangulate
from core.learning.batches import GroupLoader, sampled
from core.learning.data import PoseData, open_data
from core.project.runs.config import AugmentOptions, DataOptions
from core.synthetic import AnnotatedRange, SynthConfig, synthesise
from tests.learning.crop_camera import camera_of_crop

PROTOCOL = """
title = "Everybody"
dataset = "sportcenter"
cameras = ["ace_0", "ace_2", "ace_5"]
[unlabelled]
every = 1
min_views = 2
"""


@pytest.fixture(scope="module")
def match(tmp_path_factory) -> PoseData:
    folder = tmp_path_factory.mktemp("match")
    config = SynthConfig(
        num_frames=2,
        num_people=4,
        num_bystanders=0,
        picture_scale=0.25,
        cameras=("ace_0", "ace_2", "ace_5"),
        annotated=(AnnotatedRange(first=1, stop=3),),
        annotation_noise_px=0.0,
        detections=False,
        num_workers=1,
    )
    synthesise(config, folder / "match")
    (folder / "all.toml").write_text(PROTOCOL)
    options = DataOptions(
        protocol=str(folder / "all.toml"), source=str(folder / "match"), held_out_percent=0
    )
    with open_data(options) as data:
        yield data


def test_a_match_becomes_batches_whose_labels_lie_in_their_crops(match: PoseData, tmp_path: Path):
    with GroupLoader(
        match, input_hw=(128, 96), augment=AugmentOptions(), cache_dir=tmp_path, workers=2
    ) as loader:
        assert loader.prefill((*match.labelled, *match.held_out))
        chosen = [match.labelled[int(i)] for i in sampled(len(match.labelled), 4, 0, 1)]
        batch = loader.batch(chosen, (0, 1), augmented=False)
        varied = loader.batch(chosen, (0, 1), augmented=True)
        assert loader.problems == ()
    points = batch.crop_points(batch.targets_px)[batch.in_view]
    inside = (points > -0.5).all(-1) & (points < torch.tensor([95.5, 127.5])).all(-1)
    assert inside.double().mean() > 0.9  # an arm may reach out of its cylinder
    assert batch.images[batch.in_view].float().std() > 10
    assert torch.allclose(
        varied.raw_points(varied.crop_points(varied.targets_px)).nan_to_num(),
        batch.targets_px.nan_to_num(),
    )


def test_what_is_found_in_varied_crops_triangulates_to_the_labels(match: PoseData):
    with GroupLoader(match, input_hw=(128, 96), augment=AugmentOptions(), workers=0) as loader:
        groups = (*match.labelled, *match.held_out)
        batch = loader.batch(groups, (4,), augmented=True)
    assert batch.mirrored.any()
    found = batch.crop_points(batch.targets_px)  # what a perfect network says about these crops
    raw = batch.raw_points(found).numpy()
    rig = batch.rigs[0]
    seen = batch.in_view.numpy()[..., None] & np.isfinite(raw).all(-1)
    points = robust_triangulate(
        rig.undistort(raw), rig.projections, observed=seen, weighting="none"
    ).points_mm
    error = np.linalg.norm(points - batch.points_mm.numpy(), axis=-1)
    enough = (seen.sum(axis=1) >= 2) & np.isfinite(error)
    assert enough.sum() > 50
    assert error[enough].max() < 0.01
    crop = camera_of_crop(rig[0], batch.raw_from_crop[0, 0].numpy())
    expected = found[0, 0].numpy()
    if batch.mirrored[0, 0]:
        expected = expected[list(match.skeleton.mirror)]
    assert np.allclose(crop.project(batch.points_mm[0].numpy()), expected, atol=1e-6)
