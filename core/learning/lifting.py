"""From a 2D pose in one view to 3D: the lifter's input, Eq. 7, its loss, and the root's depth.

A lifter answers depths in metres relative to the root; with the root's depth and the undistorted
pixels they are 3D points (Eq. 7 of the paper). The root's depth is the truth's in evaluation, the
triangulated root's in use, and where a single view sees a person it is the distance at which the
lifted pose has the body's size. Everything is float64 beyond the network.

Trap: the lifter sees pixels undistorted, so its box is undistorted too (`undistorted_boxes`); that
of the detector's losses is raw.

Shape suffixes: G groups, C cameras, J joints, B bones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from core.errors import DataError
from core.learning.losses import BoxFrame, Term, no_autocast
from core.learning.rig_tensors import exact
from core.learning.unlabelled import undistorted_points
from core.skeleton import plain_name

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from core.learning.rig_tensors import GroupCameras
    from core.learning.unlabelled import GroupGeometry
    from core.skeleton import Skeleton

# Shares of the stature, after Drillis and Contini (1966), as in Winter's Biomechanics.
_SHARES_OF_STATURE = {
    ("elbow", "shoulder"): 0.186,
    ("elbow", "wrist"): 0.146,
    ("hip", "shoulder"): 0.288,
    ("hip", "knee"): 0.245,
    ("ankle", "knee"): 0.246,
}
STATURE_MM = 1800.0  # METHOD's average person
_HALVINGS = 50  # of a range of at most kilometres: far below a micrometre
_NEAREST_MM = 100.0  # no joint is nearer to a camera than this


@dataclass(frozen=True, slots=True)
class LiftInputs:
    """What goes into a lifter, and what its depths belong to.

    Attributes:
        points_box: (G, C, J, 2) float32 in [-1, 1] of the undistorted box; 0 where not seen.
        points_undistorted: (G, C, J, 2) float64 pixels; NaN where not seen.
        seen: (G, C, J) bool.
    """

    points_box: Tensor
    points_undistorted: Tensor
    seen: Tensor


def undistorted_boxes(boxes_px: Tensor, cameras: GroupCameras) -> Tensor:
    """Raw boxes (G, C, 4) moved and scaled as the lens does at their middle; float64 pixels.

    The middle alone is undistorted: corners may lie where no ray is imaged. NaN where there is no
    box, or its middle lies there.
    """
    boxes = exact(boxes_px)
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2
    offsets = middle.new_tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    straight = cameras.lenses.undistort(middle[..., None, :] + offsets)
    center = straight[..., 0, :]
    grown = torch.linalg.vector_norm(straight[..., 1:3, :] - straight[..., 3:5, :], dim=-1) / 2
    half = (boxes[..., 2:] - boxes[..., :2]) / 2 * grown
    return torch.cat([center - half, center + half], dim=-1)


@torch.no_grad()
def lift_inputs(
    points_raw: Tensor,
    batch: GroupGeometry,
    cameras: GroupCameras,
    observed: Tensor | None = None,
) -> LiftInputs:
    """Raw 2D poses as a lifter takes them; constants, as the detector is fixed by then.

    Args:
        points_raw: (G, C, J, 2) raw pixels; NaN = absent.
        batch: the groups' boxes and views.
        cameras: of the groups.
        observed: (G, C, J) bool; default all.
    """
    with no_autocast(points_raw):
        points, seen = undistorted_points(points_raw, observed, batch, cameras)
        frame = BoxFrame.of(undistorted_boxes(batch.boxes_px, cameras))
        seen = seen & frame.known
        box = torch.where(seen[..., None], frame.normalise(points), 0.0)
        return LiftInputs(box.float().to(points_raw.device), points, seen)


def lifted_points_cam_mm(
    points_undistorted: Tensor, depths_m: Tensor, root_depth_mm: Tensor, cameras: GroupCameras
) -> Tensor:
    """Eq. 7: joints (G, C, J, 3) mm in each camera's frame; NaN stays. Differentiable.

    Args:
        points_undistorted: (G, C, J, 2) pixels.
        depths_m: (G, C, J) relative to the root, metres.
        root_depth_mm: (G, C) of the root, along each camera's axis.
        cameras: of the groups.
    """
    root_depth = exact(root_depth_mm)[..., None]
    rays = cameras.rays(exact(points_undistorted))
    known = rays.detach().isfinite().all(-1) & root_depth.detach().isfinite()
    # NaN is put aside before the product: its gradient would reach the depths as NaN.
    depth = torch.where(known, root_depth, 0.0) + 1e3 * exact(depths_m)
    points = torch.where(known[..., None], rays, 0.0) * depth[..., None]
    return torch.where(known[..., None], points, math.nan)


def lifted_points_mm(
    points_undistorted: Tensor, depths_m: Tensor, root_depth_mm: Tensor, cameras: GroupCameras
) -> Tensor:
    """`lifted_points_cam_mm` in the world, (G, C, J, 3) mm."""
    return cameras.world_from_cam(
        lifted_points_cam_mm(points_undistorted, depths_m, root_depth_mm, cameras)
    )


def root_depths_mm(
    points_mm: Tensor, root: tuple[int, ...], cameras: GroupCameras, kept: Tensor | None = None
) -> Tensor:
    """Depth (G, C) mm of the root of poses (G, J, 3) in each camera.

    Args:
        points_mm: world, labels or triangulated; NaN = none.
        root: of `core.learning.metrics.root_joints`; their mean is the root.
        cameras: of the groups.
        kept: (G, J) bool: joints that are believed; default all.

    Returns:
        NaN where a joint that makes the root is NaN or not kept, and behind a camera.
    """
    points = exact(points_mm)[:, list(root)]
    if kept is not None:
        points = torch.where(kept.to(points.device)[:, list(root), None], points, math.nan)
    depth = cameras.depths_mm(points.mean(dim=1, keepdim=True))[..., 0]
    return torch.where(depth > 0, depth, math.nan)


def lifting_term(
    depths_m: Tensor,
    inputs: LiftInputs,
    target_mm: Tensor,
    root: tuple[int, ...],
    cameras: GroupCameras,
    kept: Tensor | None = None,
) -> Term:
    """The 3D loss of the lifter (Eq. 2): squared distance in square metres, the root's depth given.

    Args:
        depths_m: (G, C, J) answered by the lifter.
        inputs: of the same groups.
        target_mm: (G, J, 3) labels or triangulated points, world; NaN = none.
        root: of `core.learning.metrics.root_joints`.
        cameras: of the groups.
        kept: (G, J) bool: which targets count; default all. Where the root is not among them, no
            joint of the group counts: its depths are relative to nothing.

    Returns:
        Sum over x, y, z of joints seen in a view; their number.
    """
    with no_autocast(depths_m):
        depths = exact(depths_m)
        target = exact(target_mm.detach())
        root_depth = root_depths_mm(target, root, cameras, kept)
        wanted = cameras.cam_from_world(target)
        lifted = lifted_points_cam_mm(inputs.points_undistorted, depths, root_depth, cameras)
        known = inputs.seen & wanted.isfinite().all(-1) & root_depth.isfinite()[..., None]
        if kept is not None:
            known = known & kept.to(known.device)[:, None]
        error_m = _masked_difference(lifted, wanted, known) * 1e-3
        return Term(error_m.square().sum(), known.sum().double())


def _masked_difference(points: Tensor, others: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask[..., None], points - others, 0.0)


@dataclass(frozen=True, slots=True)
class BodySize:
    """How long the bones of a body are, which tells how far away it stands.

    Attributes:
        bones: (B, 2) joint indices.
        lengths_mm: (B,).
    """

    bones: tuple[tuple[int, int], ...]
    lengths_mm: tuple[float, ...]

    @classmethod
    def of_stature(cls, skeleton: Skeleton, stature_mm: float = STATURE_MM) -> BodySize:
        """Limbs and flanks of an average person of that height.

        Raises:
            DataError: the skeleton has none of the bones whose share of the stature is known.
        """
        plain = [plain_name(joint) for joint in skeleton.joints]
        found: dict[tuple[int, int], float] = {}
        for side in ("left_", "right_"):
            for (a, b), share in _SHARES_OF_STATURE.items():
                if side + a in plain and side + b in plain:
                    bone = (plain.index(side + a), plain.index(side + b))
                    found[bone] = share * stature_mm
        if not found:
            raise DataError(
                skeleton.name,
                "joints",
                expected="left and right shoulders, elbows, wrists, hips, knees or ankles",
                found=", ".join(skeleton.joints[:6]),
                remedy="Measure the body from labelled poses instead (BodySize.measured).",
            )
        return cls(tuple(found), tuple(found.values()))

    @classmethod
    def measured(cls, points_mm: NDArray[np.float64], skeleton: Skeleton) -> BodySize:
        """The median length of each bone of the skeleton over poses (N, J, 3) mm; NaN = none.

        Raises:
            DataError: no pose has both ends of any bone.
        """
        found: dict[tuple[int, int], float] = {}
        for a, b in skeleton.bones:
            lengths = np.linalg.norm(points_mm[:, a] - points_mm[:, b], axis=-1)
            lengths = lengths[np.isfinite(lengths)]
            if lengths.size:
                found[a, b] = float(np.median(lengths))
        if not found:
            raise DataError(
                skeleton.name,
                "bones",
                expected="poses with both ends of a bone",
                found=f"{len(points_mm)} poses without",
                remedy="Label some poses, or use the average person (BodySize.of_stature).",
            )
        return cls(tuple(found), tuple(found.values()))


@torch.no_grad()
def root_depth_by_size_mm(
    inputs: LiftInputs, depths_m: Tensor, body: BodySize, cameras: GroupCameras
) -> Tensor:
    """The depth (G, C) mm at which a pose lifted from one view is as large as the body.

    Bones have length |Z a + c| at depth Z, a from the pixels and c from the relative depths: their
    sum is convex in Z, and bisection finds where its rising side passes the body's size. Where the
    pose is too deep to be that small, the depth at which it is smallest. Bones with an end out of
    sight are left out on both sides; NaN without any.

    Args:
        inputs: of the groups.
        depths_m: (G, C, J) answered by the lifter.
        body: whose size is believed.
        cameras: of the groups.
    """
    relative_mm = 1e3 * exact(depths_m)
    rays = cameras.rays(inputs.points_undistorted)
    first, second = torch.tensor(body.bones, device=rays.device).T
    use = (inputs.seen[..., first] & inputs.seen[..., second])[..., None]
    deep = rays * relative_mm[..., None]
    a = torch.where(use, rays[..., first, :] - rays[..., second, :], 0.0)
    c = torch.where(use, deep[..., first, :] - deep[..., second, :], 0.0)
    wanted = (rays.new_tensor(body.lengths_mm) * use[..., 0]).sum(-1)
    spread = torch.linalg.vector_norm(a, dim=-1).sum(-1)
    usable = use[..., 0].any(-1) & (spread > 0)
    far = (wanted + torch.linalg.vector_norm(c, dim=-1).sum(-1)) / torch.where(usable, spread, 1.0)
    low = _NEAREST_MM - torch.where(inputs.seen, relative_mm, math.inf).amin(-1)
    high = torch.maximum(far, low)
    for _ in range(_HALVINGS):
        depth = (low + high) / 2
        bones = depth[..., None, None] * a + c
        lengths = torch.linalg.vector_norm(bones, dim=-1)
        slope = ((a * bones).sum(-1) / lengths.clamp_min(1e-9)).sum(-1)
        beyond = (slope > 0) & (lengths.sum(-1) > wanted)
        low, high = torch.where(beyond, low, depth), torch.where(beyond, depth, high)
    return torch.where(usable, high, math.nan)
