"""The geometry of predictions, and of their evaluation, on points that are known."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from core.learning.data.groups import Group, GroupList
from core.learning.lifting import LiftInputs, lift_inputs, root_depths_mm
from core.learning.rig_tensors import RigTensors
from core.learning.stored_evaluation import rerooted_mm
from core.learning.unlabelled import Views
from core.project.runs.config import LossOptions, PredictOptions, TrainConfig
from tests.trainer.prediction_world import (
    ALONE,
    EVERYWHERE,
    context_of,
    court_data,
    networks,
    run_folder,
    truth_mm,
)
from trainer.prediction_geometry import (
    PredictionSettings,
    Sighting,
    sighting_scale_mm,
    triangulated,
)
from trainer.prediction_plan import (
    WantedFirst,
    blocks_of,
    by_whole_frames,
    every_moment,
    groups_at,
    most_telling,
)
from trainer.predictor import Predictor, SeenPart

ROOT = (1, 2)


def scene(noise_px=0.0, num=6):
    data = court_data(num)
    rig = data.recordings[0].rig
    truth = np.stack([truth_mm(1, frame) for frame in range(num)])
    rng = np.random.default_rng(0)
    points = rig.project(truth)
    points += noise_px * rng.normal(size=points.shape)
    return rig, truth, points


def settings(scale_mm=10.0, **options):
    config = TrainConfig(predict=PredictOptions(**options))
    return PredictionSettings.of(config, scale_mm)


def seen(rig, points_px, **arguments):
    in_view = np.isfinite(points_px).all(axis=-1).any(axis=-1)
    return Sighting(rig=rig, points_px=points_px, in_view=in_view, **arguments)


@pytest.mark.parametrize("weighting", ["none", "pairwise", "consensus"])
def test_exact_points_give_the_truth_back(weighting):
    rig, truth, points = scene()
    found = triangulated(seen(rig, points), settings(weighting=weighting))
    np.testing.assert_allclose(found["points_mm"], truth, atol=0.01)
    assert found["kept"].all()
    assert (found["worst_residual_px"] < 0.01).all()
    np.testing.assert_allclose(found["kept_share"], 1)
    np.testing.assert_allclose(found["mean_weight"], 1, atol=0.01)
    assert (found["num_views"] == 4).all()
    assert (found["deviation_mm"] > 5).all()
    assert (found["deviation_mm"] < 30).all()


def test_a_wrong_view_shows_in_the_residual_and_its_weight():
    rig, truth, points = scene(noise_px=0.5)
    points[2, 1, 3] += 80
    found = triangulated(seen(rig, points), settings())
    assert found["worst_residual_px"].argmax() == 2
    assert found["worst_residual_px"][2] > 60
    assert np.delete(found["worst_residual_px"], 2).max() < 10
    assert found["weights"][2, 1, 3] < 0.05
    np.testing.assert_allclose(found["points_mm"], truth, atol=60)


def test_a_point_is_less_sure_the_fewer_views_there_are():
    rig, _, points = scene(noise_px=1.0)
    fewer = points.copy()
    fewer[:, 2:] = np.nan
    all_views = triangulated(seen(rig, points), settings())
    two_views = triangulated(seen(rig, fewer), settings())
    assert (two_views["deviation_mm"] > all_views["deviation_mm"]).mean() > 0.9
    assert not two_views["kept"].any()
    assert np.isfinite(two_views["points_mm"]).all()
    assert (two_views["num_views"] == 2).all()


def test_the_deviation_is_that_of_repeated_noise():
    rig, truth, _ = scene(num=1)
    clean = rig.project(np.repeat(truth, 3000, axis=0))
    noise = 3.0 * np.random.default_rng(1).normal(size=clean.shape)
    found = triangulated(seen(rig, clean + noise), settings(weighting="none"))
    spread = np.sqrt(found["points_mm"].var(axis=0).mean(axis=-1))
    said = np.sqrt((found["deviation_mm"] ** 2).mean(axis=0))
    np.testing.assert_allclose(said, spread, rtol=0.2)


def test_learned_weights_decide_the_point():
    rig, truth, points = scene()
    points[:, 3] += 50
    weights = np.full(points.shape[:3], 0.33)
    weights[:, 3] = 1e-5
    found = triangulated(seen(rig, points, weights=weights), settings(weighting="learned"))
    np.testing.assert_allclose(found["points_mm"], truth, atol=1)
    assert found["kept"].all()


def test_the_noise_scale_is_that_of_all_sightings_together():
    rig, _, points = scene(noise_px=4.0, num=20)
    whole = sighting_scale_mm([seen(rig, points)])
    parts = sighting_scale_mm([seen(rig, points[:7]), seen(rig, points[7:])])
    assert whole == pytest.approx(parts)
    assert whole > sighting_scale_mm([seen(rig, scene(noise_px=0.1)[2])])
    assert sighting_scale_mm([]) == 10.0


def test_the_discard_rule_of_the_loss_counts_for_its_own_weighting_alone():
    loss = LossOptions(weighting="pairwise", discard="support", sigma_mm=12.0)
    same = TrainConfig(loss=loss, predict=PredictOptions(weighting="pairwise"))
    other = TrainConfig(loss=loss, predict=PredictOptions(weighting="consensus"))
    assert PredictionSettings.of(same).settings.discard == "support"
    assert PredictionSettings.of(other).settings.discard is None
    assert PredictionSettings.of(other).settings.sigma_mm == 12.0
    learned = TrainConfig(predict=PredictOptions(weighting="learned"))
    assert PredictionSettings.of(learned, 9.0).to_dict()["weighting"] == "learned"


def lifted_rows(tmp_path, points, in_view, depths):
    """Rows of the people in frame 4, with 2D points and lifter's depths given."""
    data = court_data()
    rig = data.recordings[0].rig
    boxes = np.concatenate([np.nanmin(points, 2) - 15, np.nanmax(points, 2) + 15], -1)
    views = Views(
        (rig,),
        torch.zeros(len(points), dtype=torch.int64),
        torch.from_numpy(boxes),
        torch.from_numpy(in_view),
    )
    hidden = np.where(in_view[..., None, None], points, np.nan)
    cameras = RigTensors().of_groups(views.rigs, views.rig_index)
    inputs = lift_inputs(torch.from_numpy(hidden), views, cameras)
    part = SeenPart(
        groups=tuple(Group(0, person, 4) for person in EVERYWHERE),
        views=views,
        points_px=hidden,
        confidence=np.ones(points.shape[:3], np.float32),
        weights=None,
        inputs=LiftInputs(inputs.points_box, inputs.points_undistorted, inputs.seen),
        depths_m=torch.from_numpy(depths),
    )
    folder = run_folder(tmp_path)
    context = context_of(folder, data)
    with Predictor(networks(), data, context.device, workers=0) as predictor:
        return predictor.finished([part], settings()), rig


def true_depths(rig, truth):
    """(G, C, J) metres relative to the root, and the root's (G, C) mm."""
    cam = np.stack([camera.depth_mm(truth) for camera in rig], axis=1)
    root = cam[..., list(ROOT)].mean(axis=-1)
    return (cam - root[..., None]) / 1e3, root


def test_right_depths_lift_each_view_to_the_truth(tmp_path):
    truth = np.stack([truth_mm(person, 4) for person in EVERYWHERE])
    rig = court_data().recordings[0].rig
    in_view = np.ones((2, 4), dtype=bool)
    in_view[1, 1:] = False
    rows, _ = lifted_rows(tmp_path, rig.project(truth), in_view, true_depths(rig, truth)[0])
    np.testing.assert_allclose(rows.points_mm[0], truth[0], atol=0.01)
    for view in range(4):
        np.testing.assert_allclose(rows.single_mm[0, view], truth[0], atol=0.5)
    # One view alone: as deep as a body of the labelled people's size is.
    assert np.isnan(rows.points_mm[1]).all()
    np.testing.assert_allclose(rows.single_mm[1, 0], truth[1], atol=5)
    assert np.isnan(rows.single_mm[1, 1:]).all()


def test_lifted_poses_move_to_the_true_root_exactly(tmp_path):
    truth = np.stack([truth_mm(person, 4) for person in EVERYWHERE])
    rig = court_data().recordings[0].rig
    depths, root = true_depths(rig, truth)
    points = rig.project(truth)
    cameras = RigTensors().of_groups((rig,), torch.zeros(2, dtype=torch.int64))
    assert root == pytest.approx(
        root_depths_mm(torch.from_numpy(truth), ROOT, cameras).numpy(), rel=1e-6
    )
    wrong = points.copy()
    wrong[:, 2] += 30  # a view that is off moves the triangulated root
    rows, _ = lifted_rows(tmp_path, wrong, np.ones((2, 4), dtype=bool), depths)
    shifted = rows.root_depth_mm + 321.0
    moved = rerooted_mm(rows.single_mm.astype(np.float64), rows.root_depth_mm, shifted, rig)
    back = rerooted_mm(moved, shifted, root, rig)
    for view in (0, 1, 3):
        np.testing.assert_allclose(back[:, view], truth, atol=0.5)


def test_the_plan_names_everybody_with_a_box_by_frame_and_person():
    data = court_data(6)
    moments = every_moment(data, PredictOptions())
    assert moments.tolist() == [[0, frame] for frame in range(6)]
    groups = groups_at(data, moments[[4, 1]])
    assert groups == [Group(0, p, f) for f in (1, 4) for p in (*EVERYWHERE, ALONE)]
    parts = list(by_whole_frames(groups, 2))
    assert [{group.frame for group in part} for part in parts] == [{1}, {4}]
    assert [len(part) for part in by_whole_frames(groups, 4)] == [6]


def test_held_out_frames_are_predicted_even_where_each_nth_frame_is_asked_for():
    data = replace(court_data(10), held_out=GroupList([(0, ALONE, 4), (0, ALONE, 9)]))
    moments = every_moment(data, PredictOptions(every=3, stop_frame=8))
    assert moments[:, 1].tolist() == [0, 3, 4, 6]


def test_blocks_keep_the_order_of_moments_and_are_sorted_inside():
    moments = np.array([[0, 9], [0, 2], [1, 0], [0, 5], [0, 1]])
    blocks = [block.tolist() for block in blocks_of(moments, 2)]
    assert blocks == [[[0, 2], [0, 9]], [[0, 5], [1, 0]], [[0, 1]]]


def test_the_first_frames_shown_are_spread_where_nothing_is_known():
    data = court_data(40)
    frames = most_telling(data, PredictOptions(), None, 6)[:, 1].tolist()
    assert frames[0] == 39  # held out
    labelled = {group.frame for group in data.labelled}
    assert frames[1] in labelled
    assert len(set(frames)) == 6
    assert max(np.diff(sorted(set(frames) - labelled))) <= 20


def test_wanted_frames_are_shown_first_whatever_the_options_leave_out():
    data = court_data(40)
    options = PredictOptions(every=10)
    frames = most_telling(data, options, None, 6, (23, 5, 23, 400))[:, 1].tolist()
    assert frames[:3] == [23, 5, 39]
    assert len(frames) == len(set(frames)) == 6


def test_blocks_with_wanted_frames_come_first_and_everybody_sees_one_order():
    wanted = [12]
    moments = blocks_of(np.array([[0, frame] for frame in range(20)]), 5)
    order = WantedFirst(range(4), moments, lambda: wanted)
    ahead, behind = iter(order), iter(order)
    assert next(ahead) == 2
    wanted[:] = [3, 19]
    assert [next(ahead), next(ahead)] == [0, 3]
    wanted.clear()
    assert list(ahead) == [1]
    assert list(behind) == [2, 0, 3, 1]
