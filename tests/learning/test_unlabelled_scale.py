"""The noise scale of predictions: measured over many groups, and asked for where it matters."""

import numpy as np
import pytest
import torch

from core.errors import DataError
from core.learning.unlabelled import TriangulationLoss, Views, measure_scale_mm
from core.project.runs.config import LossOptions
from tests.geometry.camera_rigs import court_rig
from tests.learning.group_scenes import court_groups

torch.set_num_threads(1)


def test_the_scale_of_clean_predictions_is_the_least_there_is():
    scene = court_groups()
    assert measure_scale_mm(scene.raw, None, scene.batch) == 3.0


def test_the_scale_grows_with_the_noise_over_groups_of_all_rigs():
    scales = []
    for noise in (1.0, 2.0, 4.0):
        scenes = [
            court_groups(20, noise_px=noise, seed=seed, rig=court_rig(6, lens))
            for seed, lens in ((0, ()), (1, (-0.25, 0.06)))
        ]
        joined = Views.joined([scene.batch for scene in scenes])
        points = torch.cat([scene.raw for scene in scenes]).float()
        scales.append(measure_scale_mm(points, None, joined))
    assert np.diff(scales).min() > 3
    assert scales[1] / scales[0] == pytest.approx(2, rel=0.2)


@pytest.mark.parametrize(
    ("options", "needed"),
    [
        ({"weighting": "consensus"}, True),
        ({"weighting": "pairwise", "sigma_mm": 10.0}, True),
        ({"weighting": "pairwise", "sigma_mm": 10.0, "discard": "none"}, False),
        ({"weighting": "pairwise", "sigma_mm": 10.0, "wss_threshold_mm": 20.0}, False),
        ({"weighting": "none"}, False),
        ({"weighting": "none", "discard": "wss"}, True),
        ({"weighting": "learned"}, False),
    ],
)
def test_a_noise_scale_is_asked_for_where_it_matters_and_never_made_up(options, needed):
    if not needed:
        assert TriangulationLoss(LossOptions(**options)).scale_mm is None
        return
    with pytest.raises(DataError, match="scale_mm"):
        TriangulationLoss(LossOptions(**options))
    assert TriangulationLoss(LossOptions(scale_mm=7.0, **options)).scale_mm == 7.0
