"""Which joints a camera really sees: rays from the camera to the joint through everything solid.

A joint lies inside its limb, so that what hides it is a surface *clearly* in front: nearer than the
flesh around that joint for the person's own body, nearer at all for anything else. Five rays within
3 cm are cast, and a joint counts as visible where at least three arrive.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numba import njit

from core.synthetic.body import JOINT_NAMES
from core.synthetic.figures import SOLIDS_PER_PERSON, Cast, frame_solids
from core.synthetic.raster import CONE, KERNEL, hit_box, hit_cone

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]

    from core.geometry.camera import Camera
    from core.synthetic.solids import Solids

    Floats = NDArray[np.float64]


class Sight(IntEnum):
    """How a camera sees a joint."""

    VISIBLE = 0
    SELF = 1
    """hidden by the person's own body"""
    PERSON = 2
    """hidden by someone else, or the ball"""
    FRAME = 3
    """hidden by something that does not move, such as a basket frame"""
    OUTSIDE = 4
    """not in the picture"""


_FLESH_M = {
    "nose": 0.045, "shoulder": 0.115, "elbow": 0.075, "wrist": 0.065, "hip": 0.175, "knee": 0.090,
    "ankle": 0.080,
}  # fmt: skip
_DEPTH_M = np.array([_FLESH_M[name.split("_")[-1]] for name in JOINT_NAMES])
_SPREAD_M = 0.03
_NUM_RAYS = 5
NOBODY = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sights:
    """What one camera sees of N people.

    Attributes:
        points_px: (N, 13, 2) raw pixels, also outside the picture; NaN where there is no image.
        sight: (N, 13) uint8, values of `Sight`.
        share: (N, 13) float32 share of rays that arrive; 0 outside the picture.
        hidden_by: (N, 13) int16 index of the person in front, N for the ball, NOBODY otherwise.
    """

    points_px: Floats
    sight: NDArray[np.uint8]
    share: NDArray[np.float32]
    hidden_by: NDArray[np.int16]


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewTruth:
    """What one camera truly sees over F frames of N people (bystanders too); filled by `watch`.

    Attributes:
        points_px: (F, N, 13, 2) float32 raw pixels; NaN where there is no image.
        sight: (F, N, 13) uint8, values of `Sight`.
        share: (F, N, 13) float32 visible share of the joint.
        hidden_by: (F, N, 13) int16 index of the person in front, N for the ball, NOBODY otherwise.
    """

    points_px: NDArray[np.float32]
    sight: NDArray[np.uint8]
    share: NDArray[np.float32]
    hidden_by: NDArray[np.int16]

    @classmethod
    def empty(cls, num_frames: int, num_people: int) -> ViewTruth:
        """Room for so many frames and people, zeros."""
        shape = (num_frames, num_people, len(JOINT_NAMES))
        return cls(
            points_px=np.zeros((*shape, 2), np.float32),
            sight=np.zeros(shape, np.uint8),
            share=np.zeros(shape, np.float32),
            hidden_by=np.zeros(shape, np.int16),
        )

    def part(self, frames: slice) -> ViewTruth:
        """Some of the frames."""
        return ViewTruth(
            points_px=self.points_px[frames],
            sight=self.sight[frames],
            share=self.share[frames],
            hidden_by=self.hidden_by[frames],
        )


def watch(camera: Camera, cast: Cast, static: Solids, frames: range, truth: ViewTruth) -> None:
    """Fill these frames of `truth` with what the camera sees of everyone."""
    solids, bodies = frame_solids(cast, np.array(frames, dtype=np.float64))
    joints = bodies.joints_mm
    for row, frame in enumerate(frames):
        sights = see(camera, joints[row], solids.at(row), static)
        truth.points_px[frame] = sights.points_px
        truth.sight[frame] = sights.sight
        truth.share[frame] = sights.share
        truth.hidden_by[frame] = sights.hidden_by


@njit(**KERNEL)
def _first_hit(
    d: Array, first: int, stop: int, linear: Array, local: Array, shape: Array, nearest: float
) -> float:
    """Smallest parameter below `nearest` at which the ray d meets solids first…stop."""
    ray = np.empty(3)
    for m in range(first, stop):
        A = linear[m]
        for i in range(3):
            ray[i] = A[i, 0] * d[0] + A[i, 1] * d[1] + A[i, 2] * d[2]
        if shape[m, 3] == CONE:
            x, y, z = local[m]
            length, ra, rb, _ = shape[m]
            t = hit_cone(ray[0], ray[1], ray[2], x, y, z, length, ra, rb)
        else:
            t = hit_box(local[m], ray)
        nearest = min(nearest, t)
    return nearest


@njit(**KERNEL)
def _trace(
    rays: Array,
    owner: Array,
    depth: Array,
    linear: Array,
    local: Array,
    shape: Array,
    starts: Array,
    middles: Array,
    radii: Array,
    kinds: Array,
    by: Array,
) -> None:
    """Fill kinds (n,) with 0 visible, 1 self, 2 person, 3 frame, and by (n,) with the group.

    Rays run from the camera and end at the joint; groups are bounded by balls about `middles`, and
    group g is person g, then the ball, then the groups of `owner` above: frames.
    """
    num_groups = len(starts) - 1
    num_people = num_groups - 3
    for k in range(len(rays)):
        d = rays[k]
        length = np.sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2])
        best = 1.0
        kinds[k], by[k] = 0, -1
        for g in range(num_groups):
            m = middles[g]
            along = (d[0] * m[0] + d[1] * m[1] + d[2] * m[2]) / length
            off = m[0] * m[0] + m[1] * m[1] + m[2] * m[2] - along * along
            if off > radii[g] * radii[g] or along - radii[g] > length:
                continue
            limit = 1 - depth[k] / length if g == owner[k] else 1.0
            t = _first_hit(d, starts[g], starts[g + 1], linear, local, shape, np.inf)
            if t < limit and t < best:
                best = t
                by[k] = g
                kinds[k] = 1 if g == owner[k] else (2 if g <= num_people else 3)


def _groups(
    people: Solids, frames: Solids, center_m: Floats
) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Starts (G + 1,), middles relative to the camera (G, 3) and radii (G,): people, ball, ±y."""
    num = len(people) // SOLIDS_PER_PERSON
    starts = np.append(np.arange(num + 1) * SOLIDS_PER_PERSON, len(people))
    half = int((frames.origin[0, :, 1] < 0).argmax())
    bounds = np.concatenate([starts, [len(people) + half, len(people) + len(frames)]])
    ends = np.concatenate([people.ends[0], frames.ends[0]])
    reach = np.concatenate([people.reach, frames.reach])
    middles, radii = np.zeros((len(bounds) - 1, 3)), np.zeros(len(bounds) - 1)
    for g, (first, stop) in enumerate(pairwise(bounds.tolist())):
        points = ends[first:stop].reshape(-1, 3)
        middles[g] = 0.5 * (points.min(axis=0) + points.max(axis=0))
        far = np.linalg.norm(points - middles[g], axis=1).max()
        radii[g] = far + reach[first:stop].max()
    return bounds.astype(np.int64), middles - center_m, radii


def see(camera: Camera, joints_mm: Floats, people: Solids, frames: Solids) -> Sights:
    """What a camera sees of the joints.

    Args:
        camera: with a size.
        joints_mm: (N, 13, 3) world.
        people: solids of N people and the ball, one instant.
        frames: what does not move, +y before -y.
    """
    points = camera.project(joints_mm)
    inside = inside_picture(camera, points)
    center_m = camera.center_mm / 1000.0
    linear = np.concatenate([people.linear[0], frames.linear[0]])
    origin = np.concatenate([people.origin[0], frames.origin[0]])
    local = np.einsum("mij,mj->mi", linear, center_m - origin)
    starts, middles, radii = _groups(people, frames, center_m)
    right, down = _SPREAD_M * camera.R[0], _SPREAD_M * camera.R[1]
    spread = np.stack([0 * right, right, -right, down, -down])
    rays = (joints_mm[:, :, None] / 1000.0 + spread - center_m).reshape(-1, 3)
    num, per_person = len(joints_mm), len(JOINT_NAMES) * _NUM_RAYS
    kinds, by = np.zeros(len(rays), np.uint8), np.full(len(rays), NOBODY, np.int16)
    _trace(
        rays,
        np.repeat(np.arange(num), per_person),
        np.tile(np.repeat(_DEPTH_M, _NUM_RAYS), num),
        linear,
        local,
        np.concatenate([people.shape, frames.shape]),
        starts,
        middles,
        radii,
        kinds,
        by,
    )
    return _summed(points, inside, kinds, by)


def _summed(
    points: Floats,
    inside: NDArray[np.bool_],
    kinds: NDArray[np.uint8],
    by: NDArray[np.int16],
) -> Sights:
    """Rays of a joint into one answer: the majority, or what stops most of them."""
    each = kinds.reshape(*inside.shape, _NUM_RAYS)
    counts = np.stack([(each == kind).sum(axis=-1) for kind in range(4)], axis=-1)
    share = np.where(inside, counts[..., 0] / _NUM_RAYS, 0)
    hidden = counts[..., 1:].argmax(axis=-1) + 1
    sight = np.where(counts[..., 0] >= 3, int(Sight.VISIBLE), hidden)
    sight = np.where(inside, sight, int(Sight.OUTSIDE))
    others = np.where(each == int(Sight.PERSON), by.reshape(each.shape), NOBODY).max(axis=-1)
    return Sights(
        points_px=points,
        sight=sight.astype(np.uint8),
        share=share.astype(np.float32),
        hidden_by=np.where(sight == int(Sight.PERSON), others, NOBODY).astype(np.int16),
    )


def inside_picture(camera: Camera, points_px: Floats) -> NDArray[np.bool_]:
    """(…,) whether raw pixels (…, 2) lie in the picture; False for NaN."""
    assert camera.size_px is not None
    width, height = camera.size_px
    with np.errstate(invalid="ignore"):
        return (
            (points_px[..., 0] >= -0.5)
            & (points_px[..., 0] < width - 0.5)
            & (points_px[..., 1] >= -0.5)
            & (points_px[..., 1] < height - 0.5)
        )
