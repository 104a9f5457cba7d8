import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes
from scipy.spatial import procrustes
from scipy.spatial.transform import Rotation

from core.errors import DataError
from core.learning.metrics import (
    PoseErrors,
    procrustes_aligned,
    root_joints,
    root_points,
    scale_aligned,
)
from core.skeleton import Skeleton, load_skeleton

ROOT = (0,)


def poses(num_poses=4, num_joints=7, seed=0):
    return np.random.default_rng(seed).normal(0, 400, (num_poses, num_joints, 3))


def measures(points, truth, root=ROOT, kept=None):
    return PoseErrors.of(points, truth, root, kept).measures()


@pytest.mark.parametrize(
    ("skeleton", "names"),
    [
        ("h36m17", ("pelvis",)),
        ("sportcenter13", ("left_hip", "right_hip")),
        ("crowdpose14", ("left_hip", "right_hip")),
        ("coco17", ("left_hip", "right_hip")),
        ("mouse22", ("spine_middle",)),
    ],
)
def test_the_root_is_the_skeletons_own_or_the_middle_of_the_hips(skeleton, names):
    loaded = load_skeleton(skeleton)
    assert tuple(loaded.joints[joint] for joint in root_joints(loaded)) == names


def test_a_skeleton_nothing_can_be_centred_on_is_refused():
    with pytest.raises(DataError, match="root"):
        root_joints(Skeleton(name="dots", joints=("a", "b"), bones=()))


def test_the_middle_of_two_hips_needs_both():
    points = np.array([[[0.0, 0, 0], [2, 4, 6], [9, 9, 9]]])
    assert root_points(points, (0, 1)).tolist() == [[1, 2, 3]]
    points[0, 1] = np.nan
    assert np.isnan(root_points(points, (0, 1))).all()


def test_measures_are_the_values_worked_by_hand():
    truth = np.array([[[0.0, 0, 0], [100, 0, 0], [0, 200, 0]]])
    points = truth + np.array([10.0, 0, 0])
    points[0, 1] += (0, 40, 0)
    points[0, 2] += (0, 0, 160)
    found = measures(points, truth)
    # Root-aligned distances 0, 40, 160; without alignment 10, √(10² + 40²), √(10² + 160²).
    assert found.mpjpe == pytest.approx(200 / 3)
    assert found.mpjpe_abs == pytest.approx((10 + math.hypot(10, 40) + math.hypot(10, 160)) / 3)
    # Best scale: (100·100 + 200·200) / (100² + 40² + 200² + 160²) = 50000 / 77200.
    s = 50000 / 77200
    second = math.hypot(100 * s - 100, 40 * s)
    third = math.hypot(200 * s - 200, 160 * s)
    assert found.nmpjpe == pytest.approx((second + third) / 3)
    assert found.pck == pytest.approx(200 / 3)
    # Of the thresholds 0, 5, …, 150: the root is within all 31, the second joint within 23.
    assert found.auc == pytest.approx(100 * (31 + 23) / 93)
    assert (found.coverage, found.found, found.measured) == (1, 1, 1)
    assert (found.num_joints, found.num_poses) == (3, 1)


def test_procrustes_is_scipys_where_nothing_is_mirrored():
    truth = poses(30)
    points = truth + np.random.default_rng(1).normal(0, 60, truth.shape)
    aligned = procrustes_aligned(points, truth)
    for pose, target, ours in zip(points, truth, aligned, strict=True):
        p, t = pose - pose.mean(0), target - target.mean(0)
        rotation, scale = orthogonal_procrustes(p, t)
        assert np.linalg.det(rotation) > 0
        theirs = p @ rotation * scale / (p**2).sum() + target.mean(0)
        assert np.allclose(ours, theirs, atol=1e-8)
        disparity = procrustes(target, pose)[2]
        assert ((ours - target) ** 2).sum() / (t**2).sum() == pytest.approx(disparity)


def test_procrustes_never_mirrors():
    truth = poses()
    mirrored = truth * np.array([-1.0, 1, 1])
    assert measures(mirrored, truth).pmpjpe > 50
    for pose, target in zip(mirrored, truth, strict=True):
        assert procrustes(target, pose)[2] < 1e-12  # scipy's does


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.2, 5.0))
def test_each_error_ignores_what_it_aligns_and_nothing_more(seed, scale):
    rng = np.random.default_rng(seed)
    truth = poses(3, seed=seed)
    moved = truth + rng.normal(0, 1000, (3, 1, 3))
    scaled = scale * truth + rng.normal(0, 1000, (3, 1, 3))
    turned = scaled @ Rotation.random(random_state=seed).as_matrix()
    assert measures(moved, truth).mpjpe < 1e-9
    assert measures(moved, truth).mpjpe_abs > 1
    assert measures(scaled, truth).nmpjpe < 1e-9
    assert measures(turned, truth).pmpjpe < 1e-8
    if abs(scale - 1) > 0.01:
        assert measures(scaled, truth).mpjpe > 0.1
    assert measures(turned, truth).nmpjpe > 0.1


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000))
def test_a_joint_without_a_point_is_left_out_of_every_fit(seed):
    rng = np.random.default_rng(seed)
    truth = poses(2, 8, seed)
    points = truth + rng.normal(0, 50, truth.shape)
    points[:, 5] = np.nan
    others = [0, 1, 2, 3, 4, 6, 7]
    with_gap, without = measures(points, truth), measures(points[:, others], truth[:, others])
    for name in ("mpjpe", "mpjpe_abs", "nmpjpe", "pmpjpe"):
        assert getattr(with_gap, name) == pytest.approx(getattr(without, name))
    assert with_gap.found == with_gap.coverage == 7 / 8
    # What has no point counts as missed.
    assert with_gap.pck == pytest.approx(without.pck * 7 / 8)
    assert with_gap.auc == pytest.approx(without.auc * 7 / 8)


def test_errors_are_over_all_points_and_the_kept_ones_stand_beside_them():
    truth = poses(2, 4)
    points = truth.copy()
    points[:, 1] += (0, 300, 0)
    kept = np.ones((2, 4), dtype=bool)
    kept[:, 1] = False
    found = measures(points, truth, kept=kept)
    assert found.mpjpe == pytest.approx(75)
    assert found.mpjpe_kept == 0
    assert (found.coverage, found.found) == (0.75, 1)


def test_a_kept_joint_without_a_point_is_not_covered():
    truth = poses(1, 4)
    points = truth.copy()
    points[0, 2] = np.nan
    found = measures(points, truth, kept=np.ones((1, 4), dtype=bool))
    assert (found.coverage, found.found) == (0.75, 0.75)


def test_a_pose_without_its_root_has_no_root_aligned_error_and_says_so():
    truth = poses(2, 4)
    points = truth + 7.0
    points[0, 0] = np.nan
    found = measures(points, truth)
    assert found.measured == 0.5
    assert found.found == 7 / 8
    assert found.mpjpe == pytest.approx(0, abs=1e-9)
    assert found.mpjpe_abs == pytest.approx(7 * math.sqrt(3))
    assert found.pck == 50  # four joints of eight cannot be found near


def test_joints_without_truth_are_not_asked_for():
    truth = poses(2, 4)
    points = truth.copy()
    truth[0, 3] = np.nan
    truth[1] = np.nan
    found = measures(points, truth)
    assert (found.num_joints, found.num_poses) == (3, 1)
    assert found.pck == 100


def test_two_joints_have_no_procrustes_error():
    truth = poses(1, 2)
    assert math.isnan(measures(truth + 5.0, truth).pmpjpe)


def test_a_pose_in_one_point_has_no_scaled_error():
    truth = poses(1, 4)
    collapsed = np.zeros((1, 4, 3))
    assert np.isnan(scale_aligned(collapsed, truth)).all()
    assert np.isnan(procrustes_aligned(collapsed, truth)).all()
    assert measures(collapsed, truth).mpjpe > 0


@pytest.mark.parametrize("num_poses", [0, 3])
def test_nothing_to_measure_is_nan_and_none_in_json(num_poses):
    truth = np.full((num_poses, 4, 3), np.nan)
    found = measures(np.zeros((num_poses, 4, 3)), truth)
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["num_joints"] == plain["num_poses"] == 0
    assert {plain[name] for name in plain if not name.startswith("num_")} == {None}


def test_subsets_are_measured_by_themselves():
    truth = poses(4, 5)
    points = truth.copy()
    points[2:, 3] += (0, 0, 50)
    errors = PoseErrors.of(points, truth, ROOT)
    late = np.array([False, False, True, True])
    assert errors.measures(poses=late).mpjpe == pytest.approx(10)
    assert errors.measures(poses=~late).mpjpe == 0
    assert errors.measures(joint=3).mpjpe == pytest.approx(25)
    assert errors.measures(poses=late, joint=3).num_joints == 2


def test_poses_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="points_mm"):
        PoseErrors.of(poses(3), poses(4), ROOT)
