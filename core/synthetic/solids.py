"""Solids that pictures and visibility are made of: tapered limbs, tubes and boxes, as arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from core.synthetic.raster import BOX, CONE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.geometry.camera import Camera

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Solids:
    """M solids at T instants; metres, world frame.

    A cone's local frame has its axis along z, its front along y (squashed) and, where the axis
    points up a body, the wearer's left along x: local = linear @ (world - origin). It may be left
    handed; nothing here minds.

    Attributes:
        linear: (T, M, 3, 3) local_from_world, without the shift.
        origin: (T, M, 3) the local frame's origin.
        ends: (T, M, 2, 3) both ends, for boxes in the picture.
        reach: (M,) thickness around the line between the ends.
        shape: (M, 4) length, radius at the start, radius at the end, kind.
        patches: (M, 4) int64 first row, first column, rows and columns in the atlas.
    """

    linear: Floats
    origin: Floats
    ends: Floats
    reach: Floats
    shape: Floats
    patches: Ints

    def __len__(self) -> int:
        return len(self.shape)

    def at(self, instant: int) -> Solids:
        """One instant, T = 1."""
        one = slice(instant, instant + 1)
        return replace(self, linear=self.linear[one], origin=self.origin[one], ends=self.ends[one])

    def ordered(self, order: Ints) -> Solids:
        """The solids of these indices, in this order."""
        return Solids(
            linear=self.linear[:, order],
            origin=self.origin[:, order],
            ends=self.ends[:, order],
            reach=self.reach[order],
            shape=self.shape[order],
            patches=self.patches[order],
        )

    def seen_from(self, camera: Camera) -> tuple[Floats, Floats]:
        """(T, M, 3, 3) local_from_cam and (T, M, 3) the camera's centre in the local frames."""
        linear = self.linear @ camera.R.T
        center = camera.center_mm / 1000.0 - self.origin
        return linear, np.einsum("tmij,tmj->tmi", self.linear, center)

    def strokes_px(self, camera: Camera) -> Floats:
        """(T, M, 5) x0 y0 x1 y1 r in raw pixels: strokes that cover the solids in the picture.

        NaN where neither end has an image; where one has none, both are the other.
        """
        points, radius = self._lines_px(camera, 1)
        start, end = points[..., 0, :], points[..., 1, :]
        start, end = (
            np.where(np.isnan(start), end, start),
            np.where(np.isnan(end), start, end),
        )
        return np.concatenate([start, end, radius.max(axis=-1, keepdims=True)], axis=-1)

    def boxes_px(self, camera: Camera, steps: int) -> Floats:
        """(M, 4) x0 y0 x1 y1 in raw pixels around long tubes, which the lens bends.

        Args:
            camera: the view.
            steps: parts into which a solid's line is cut.

        Returns:
            boxes, NaN where no point of the line has an image and infinite where only some have.
        """
        points, radius = self._lines_px(camera, steps)
        known = np.isfinite(points)
        low = np.where(known, points - radius[..., None], np.inf).min(axis=(0, 2))
        high = np.where(known, points + radius[..., None], -np.inf).max(axis=(0, 2))
        num_known = known.all(axis=-1).sum(axis=(0, 2))
        cut = ((num_known > 0) & (num_known < known.shape[0] * known.shape[2]))[:, None]
        boxes = np.concatenate([np.where(cut, -np.inf, low), np.where(cut, np.inf, high)], axis=-1)
        return np.where((num_known > 0)[:, None], boxes, np.nan)

    def _lines_px(self, camera: Camera, steps: int) -> tuple[Floats, Floats]:
        """(T, M, steps + 1, 2) points along the solids, and (T, M, steps + 1) how thick there."""
        share = np.linspace(0, 1, steps + 1)[:, None]
        line_mm = 1000.0 * (self.ends[..., :1, :] * (1 - share) + self.ends[..., 1:, :] * share)
        depth_m = np.maximum(camera.depth_mm(line_mm) / 1000.0, 0.05)
        focal = max(camera.K[0, 0], camera.K[1, 1])
        return camera.project(line_mm), 1.08 * focal * self.reach[:, None] / depth_m + 1.0


def boxes_of(strokes: Floats) -> Floats:
    """(M, 4) x0 y0 x1 y1 around strokes (T, M, 5) of all instants; NaN where one is NaN."""
    radius = strokes[..., 4:]
    low = np.minimum(strokes[..., :2], strokes[..., 2:4]) - radius
    high = np.maximum(strokes[..., :2], strokes[..., 2:4]) + radius
    return np.concatenate([low.min(axis=0), high.max(axis=0)], axis=-1)


def cones(
    starts: Floats,
    ends: Floats,
    radii: Floats,
    fronts: Floats,
    squash: Floats,
    patches: Ints,
) -> Solids:
    """Rounded cones.

    Args:
        starts: (T, M, 3) metres, world.
        ends: (T, M, 3).
        radii: (M, 2) at start and end, measured to the side.
        fronts: (T, M, 3) directions of the front; any length, not along the axis.
        squash: (M,) side radius divided by front radius.
        patches: (M, 4).
    """
    axis = ends - starts
    length = np.linalg.norm(axis, axis=-1)
    z = axis / np.maximum(length, 1e-6)[..., None]
    y = fronts - (fronts * z).sum(-1, keepdims=True) * z
    y /= np.maximum(np.linalg.norm(y, axis=-1, keepdims=True), 1e-9)
    linear = np.stack([np.cross(z, y), y * squash[:, None], z], axis=-2)
    # Limbs are rigid, but for the trunk, whose length over time differs by millimetres.
    mean = np.maximum(length.mean(axis=0), 1e-3)
    end_radii = np.clip(radii[:, 1], radii[:, 0] - 0.9 * mean, radii[:, 0] + 0.9 * mean)
    shape = np.stack([mean, radii[:, 0], end_radii, np.full(len(mean), float(CONE))], axis=-1)
    return Solids(
        linear=linear,
        origin=starts,
        ends=np.stack([starts, ends], axis=-2),
        reach=radii.max(axis=-1),
        shape=shape,
        patches=patches,
    )


def boxes(centers: Floats, halves: Floats, patches: Ints) -> Solids:
    """Boxes along the world's axes: centers and halves (M, 3) metres, patches (M, 4)."""
    linear = np.zeros((1, len(centers), 3, 3))
    linear[0, :, [0, 1, 2], [0, 1, 2]] = 1 / halves.T
    along = np.zeros_like(centers)
    widest = halves.argmax(axis=1)
    rows = np.arange(len(centers))
    along[rows, widest] = halves[rows, widest]
    rest = halves.copy()
    rest[rows, widest] = 0
    return Solids(
        linear=linear,
        origin=centers[None],
        ends=np.stack([centers - along, centers + along], axis=1)[None],
        reach=np.linalg.norm(rest, axis=1),
        shape=np.tile([1.0, 0.0, 0.0, float(BOX)], (len(centers), 1)),
        patches=patches,
    )


def joined(parts: list[Solids]) -> Solids:
    """Several sets of the same instants as one."""
    return Solids(
        linear=np.concatenate([part.linear for part in parts], axis=1),
        origin=np.concatenate([part.origin for part in parts], axis=1),
        ends=np.concatenate([part.ends for part in parts], axis=1),
        reach=np.concatenate([part.reach for part in parts]),
        shape=np.concatenate([part.shape for part in parts]),
        patches=np.concatenate([part.patches for part in parts]),
    )
