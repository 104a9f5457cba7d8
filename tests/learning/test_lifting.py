import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from core.errors import DataError
from core.learning.lifting import (
    BodySize,
    lift_inputs,
    lifted_points_cam_mm,
    lifted_points_mm,
    lifting_term,
    root_depth_by_size_mm,
    root_depths_mm,
    undistorted_boxes,
)
from core.learning.rig_tensors import RigTensors
from core.skeleton import Skeleton, load_skeleton
from tests.geometry.camera_rigs import court_rig
from tests.learning.group_scenes import boxes_around, court_groups

torch.set_num_threads(1)

ROOT = (0, 1)


def lifted_scene(**kinds):
    """A scene, its cameras, the lifter's inputs, true root depths and true relative depths."""
    scene = court_groups(**kinds)
    cameras = RigTensors().of_groups(scene.batch.rigs, scene.batch.rig_index)
    inputs = lift_inputs(scene.raw, scene.batch, cameras)
    root_depth = root_depths_mm(scene.truth_mm, ROOT, cameras)
    depths_m = (cameras.depths_mm(scene.truth_mm) - root_depth[..., None]) * 1e-3
    return scene, cameras, inputs, root_depth, depths_m


def test_true_depths_lift_every_view_back_to_the_truth():
    scene, cameras, inputs, root_depth, depths_m = lifted_scene()
    lifted = lifted_points_mm(inputs.points_undistorted, depths_m, root_depth, cameras)
    assert torch.allclose(lifted, scene.truth_mm[:, None].expand_as(lifted), atol=1e-5)


def test_equation_7_is_the_value_worked_by_hand():
    _, cameras, *_ = lifted_scene(num_groups=1, num_joints=2, rig=court_rig(1, ()))
    # Focal lengths 900 and 918 about (699.5, 449.5); root at 9 m, the joint 1 m nearer.
    points = torch.tensor([[[[699.5, 449.5], [799.5, 551.5]]]]).double()
    lifted = lifted_points_cam_mm(
        points, torch.tensor([[[0.0, -1.0]]]), torch.tensor([[9000.0]]), cameras
    )
    expected = [[0, 0, 9000], [100 / 900 * 8000, 102 / 918 * 8000, 8000]]
    assert torch.allclose(lifted[0, 0], torch.tensor(expected).double(), atol=1e-9)


def test_a_root_that_is_not_kept_or_behind_the_camera_has_no_depth():
    scene, cameras, *_ = lifted_scene()
    kept = torch.ones(scene.truth_mm.shape[:2], dtype=torch.bool)
    kept[0, 1] = False
    kept[1, 3] = False
    depths = root_depths_mm(scene.truth_mm, ROOT, cameras, kept)
    assert depths[0].isnan().all()
    assert (depths[1:] > 0).all()
    behind = scene.truth_mm + torch.from_numpy(scene.rig[0].center_mm * 2.0)
    assert root_depths_mm(behind, ROOT, cameras)[:, 0].isnan().all()


def test_the_lifting_loss_of_the_truth_is_nothing():
    scene, cameras, inputs, _, depths_m = lifted_scene()
    term = lifting_term(depths_m, inputs, scene.truth_mm, ROOT, cameras)
    assert term.total.item() < 1e-12
    assert term.count.item() == depths_m.numel()


def test_the_lifting_loss_is_in_square_metres_along_the_ray():
    scene, cameras, inputs, _, depths_m = lifted_scene()
    term = lifting_term(depths_m + 0.1, inputs, scene.truth_mm, ROOT, cameras)
    lengths = cameras.rays(inputs.points_undistorted).square().sum(-1)
    assert term.total.item() == pytest.approx(0.01 * lengths.sum().item(), rel=1e-6)


def test_joints_and_groups_without_a_believed_target_do_not_pull_the_lifter():
    scene, cameras, inputs, _, depths_m = lifted_scene()
    kept = torch.ones(scene.truth_mm.shape[:2], dtype=torch.bool)
    kept[0, 0] = False  # half of the root
    kept[1, 4] = False
    target = scene.truth_mm.clone()
    target[2, 2] = math.nan
    depths = (depths_m.float() + 0.2).requires_grad_()
    term = lifting_term(depths, inputs, target, ROOT, cameras, kept)
    term.mean().backward()
    expected = torch.ones(depths.shape, dtype=torch.bool)
    expected[0] = expected[1, :, 4] = expected[2, :, 2] = False
    assert term.count.item() == expected.sum().item()
    assert depths.grad.isfinite().all()
    assert torch.equal(depths.grad != 0, expected)


def test_joints_out_of_sight_neither_count_nor_make_the_gradient_nan():
    scene = court_groups()
    boxes, in_view = scene.batch.boxes_px.clone(), scene.batch.in_view.clone()
    boxes[0, 2], in_view[0, 2] = math.nan, False
    raw = scene.raw.clone()
    raw[1, 0, 3] = math.nan
    batch = replace(scene.batch, boxes_px=boxes, in_view=in_view)
    cameras = RigTensors().of_groups(batch.rigs, batch.rig_index)
    inputs = lift_inputs(raw, batch, cameras)
    depths = torch.zeros(raw.shape[:3], requires_grad=True)
    term = lifting_term(depths, inputs, scene.truth_mm, ROOT, cameras)
    term.mean().backward()
    assert term.count.item() == depths.numel() - 6
    assert depths.grad.isfinite().all()
    assert (depths.grad[0, 2] == 0).all()
    assert inputs.points_box.isfinite().all()
    assert (inputs.points_box[1, 0, 3] == 0).all()


def test_nothing_to_lift_is_a_zero_loss_with_a_zero_gradient():
    scene, cameras, inputs, *_ = lifted_scene()
    depths = torch.zeros(scene.raw.shape[:3], requires_grad=True)
    kept = torch.zeros(scene.truth_mm.shape[:2], dtype=torch.bool)
    term = lifting_term(depths, inputs, scene.truth_mm, ROOT, cameras, kept)
    term.mean().backward()
    assert (term.total.item(), term.count.item()) == (0, 0)
    assert (depths.grad == 0).all()


def test_the_lifting_loss_passes_gradcheck():
    scene, cameras, inputs, _, depths_m = lifted_scene(num_groups=2, num_joints=3, num_cameras=2)
    leaf = (depths_m + 0.1 * torch.rand(depths_m.shape).double()).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda d: lifting_term(d, inputs, scene.truth_mm, ROOT, cameras).mean(), (leaf,)
    )


def test_the_lifters_input_fills_the_undistorted_box():
    scene, cameras, inputs, *_ = lifted_scene(rig=court_rig(5, (-0.25, 0.06)))
    straight = torch.from_numpy(scene.rig.undistort(scene.raw.numpy()))
    tight = boxes_around(straight)
    boxes = undistorted_boxes(scene.batch.boxes_px, cameras)
    assert torch.allclose(boxes, tight, atol=8.0)
    assert not torch.allclose(scene.batch.boxes_px, tight, atol=8.0)
    assert inputs.points_box.dtype == torch.float32
    assert inputs.points_box.abs().max() < 1.1


def test_without_a_lens_the_undistorted_box_is_the_raw_one():
    scene, cameras, *_ = lifted_scene(rig=court_rig(4, ()))
    boxes = undistorted_boxes(scene.batch.boxes_px, cameras)
    assert torch.allclose(boxes, scene.batch.boxes_px, atol=1e-9)


@pytest.mark.parametrize("pair", [0, 3])
def test_a_body_of_known_size_stands_where_it_does(pair):
    scene, cameras, inputs, root_depth, depths_m = lifted_scene(num_groups=4, num_joints=6)
    chain = tuple((i, i + 1) for i in range(5))
    skeleton = Skeleton(name="chain", joints=tuple("abcdef"), bones=chain)
    person = slice(pair, pair + 1)
    body = BodySize.measured(scene.truth_mm[person].numpy(), skeleton)
    depth = root_depth_by_size_mm(inputs, depths_m, body, cameras)[person]
    assert torch.allclose(depth, root_depth[person], rtol=1e-9)


def test_an_average_person_is_found_within_its_stature():
    skeleton = load_skeleton("coco17")
    body = BodySize.of_stature(skeleton, 1800.0)
    named = {
        frozenset((skeleton.joints[a], skeleton.joints[b])): length
        for (a, b), length in zip(body.bones, body.lengths_mm, strict=True)
    }
    assert len(named) == 10
    assert named[frozenset(("left_hip", "left_knee"))] == pytest.approx(441.0)
    assert named[frozenset(("right_wrist", "right_elbow"))] == pytest.approx(262.8)


def test_a_bone_out_of_sight_is_left_out_of_the_size():
    scene, cameras, _, root_depth, depths_m = lifted_scene(num_groups=1, num_joints=6)
    chain = tuple((i, i + 1) for i in range(5))
    skeleton = Skeleton(name="chain", joints=tuple("abcdef"), bones=chain)
    body = BodySize.measured(scene.truth_mm.numpy(), skeleton)
    raw = scene.raw.clone()
    raw[0, 1, 5] = math.nan
    raw[0, 2] = math.nan
    fewer = lift_inputs(raw, scene.batch, cameras)
    depth = root_depth_by_size_mm(fewer, depths_m, body, cameras)
    assert depth[0, 2].isnan()
    known = [0, 1, 3, 4, 5]
    assert torch.allclose(depth[0, known], root_depth[0, known], rtol=1e-9)


def test_a_pose_too_deep_for_the_body_stands_where_it_is_smallest():
    _, cameras, inputs, _, depths_m = lifted_scene(num_groups=1, num_joints=6)
    bones = tuple((i, i + 1) for i in range(5))
    tiny = BodySize(bones, (1.0,) * 5)
    depth = root_depth_by_size_mm(inputs, depths_m, tiny, cameras)
    assert depth.isfinite().all()
    joints = (depth[..., None] + 1e3 * depths_m)[0]
    assert (joints >= 100 - 1e-6).all()

    def size(at):
        points = lifted_points_cam_mm(inputs.points_undistorted, depths_m, at, cameras)
        return (points[..., 1:, :] - points[..., :-1, :]).norm(dim=-1).sum(-1)

    nearest = depth <= 100 - 1e3 * depths_m.amin(-1) + 1e-3
    assert (nearest | (size(depth) <= size(depth - 20.0))).all()
    assert (size(depth) <= size(depth + 20.0)).all()


def test_a_body_nothing_is_known_of_is_refused():
    mouse = load_skeleton("mouse22")
    with pytest.raises(DataError, match="measured"):
        BodySize.of_stature(Skeleton(name="dots", joints=("a", "b"), bones=((0, 1),)))
    with pytest.raises(DataError, match="bones"):
        BodySize.measured(np.full((3, 22, 3), np.nan), mouse)
