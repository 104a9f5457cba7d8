"""Crops of people: which part of a picture becomes which pixels, exactly.

Every step (cut, resize, shift, turn, mirror) is one affine map ``raw_from_crop`` (2, 3), so that a
point found in a crop goes back to the raw picture without any rounding. Pixel centres are integers
in both: a crop of width w covers -0.5 … w - 0.5, and these edges are the edges of its box.

Traps: a box is grown to the crop's aspect, never squeezed; and where a picture is made smaller by
more than two, bilinear sampling alone would alias, hence the block means first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.recording.cv import cv2

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from core.geometry import Camera

WIDE_MARGIN = 1.3
"""A wide crop covers so many times the box, so that varied crops can be made from it alone: with
the default strengths 0.4 % of their area lies outside."""


@dataclass(frozen=True, slots=True)
class CropShape:
    """A crop's size, and that of the wide crop round it, which has the same pixels in its middle.

    Attributes:
        height: of the crop, pixels.
        width: of the crop, pixels.
        margin: the wide crop covers so many times the box.
    """

    height: int
    width: int
    margin: float = 1.0

    @property
    def pad_x(self) -> int:
        """Columns of the wide crop on each side of the crop."""
        return math.ceil((self.margin - 1) / 2 * self.width)

    @property
    def pad_y(self) -> int:
        """Rows of the wide crop above and below the crop."""
        return math.ceil((self.margin - 1) / 2 * self.height)

    @property
    def wide_hw(self) -> tuple[int, int]:
        """Height and width of the wide crop."""
        return self.height + 2 * self.pad_y, self.width + 2 * self.pad_x

    def grown(self, boxes_px: NDArray[np.float64]) -> NDArray[np.float64]:
        """Boxes (..., 4) x0 y0 x1 y1, each grown about its centre to this shape's aspect."""
        low, high = boxes_px[..., :2], boxes_px[..., 2:]
        size, center = high - low, (low + high) / 2
        per_px = np.max(size / (self.width, self.height), axis=-1, keepdims=True)
        half = per_px * (self.width / 2, self.height / 2)
        return np.concatenate([center - half, center + half], axis=-1)

    def raw_from_crop(self, grown_px: NDArray[np.float64]) -> NDArray[np.float64]:
        """The maps (..., 2, 3) of the crops that show these boxes (..., 4) of the right aspect."""
        low, size = grown_px[..., :2], grown_px[..., 2:] - grown_px[..., :2]
        per_px = size / (self.width, self.height)
        maps = np.zeros((*grown_px.shape[:-1], 2, 3))
        maps[..., 0, 0], maps[..., 1, 1] = per_px[..., 0], per_px[..., 1]
        maps[..., 2] = low + per_px / 2
        return maps

    def raw_from_wide(self, raw_from_crop: NDArray[np.float64]) -> NDArray[np.float64]:
        """The maps (..., 2, 3) of the wide crops round these crops."""
        crop_from_wide = np.array([[1.0, 0.0, -self.pad_x], [0.0, 1.0, -self.pad_y]])
        return composed(raw_from_crop, crop_from_wide)

    def middle(self, wide: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The crop itself: a view into its wide crop, without any resampling."""
        y, x = self.pad_y, self.pad_x
        return wide[y : y + self.height, x : x + self.width]


def composed(c_from_b: NDArray[np.float64], b_from_a: NDArray[np.float64]) -> NDArray[np.float64]:
    """c_from_a, for affine maps (..., 2, 3)."""
    linear = c_from_b[..., :2] @ b_from_a[..., :2]
    offset = c_from_b[..., :2] @ b_from_a[..., 2:] + c_from_b[..., 2:]
    return np.concatenate([linear, offset], axis=-1)


def inverted(b_from_a: NDArray[np.float64]) -> NDArray[np.float64]:
    """a_from_b, for affine maps (..., 2, 3)."""
    linear = np.asarray(np.linalg.inv(b_from_a[..., :2]), dtype=np.float64)
    return np.concatenate([linear, -linear @ b_from_a[..., 2:]], axis=-1)


def applied(b_from_a: NDArray[np.float64], points: ArrayLike) -> NDArray[np.float64]:
    """Points (..., J, 2) through affine maps (..., 2, 3); NaN stays."""
    points = np.asarray(points, dtype=np.float64)
    return points @ np.swapaxes(b_from_a[..., :2], -1, -2) + b_from_a[..., None, :, 2]


def stored_from_raw(camera: Camera, stored_px: tuple[int, int]) -> NDArray[np.float64]:
    """The map (2, 3) from the pixels that observations are given in to those of a stored picture.

    Copies of another size are scaled, other pictures keep their own pixels (`is_copied_by`).
    """
    scale = np.ones(2)
    if camera.is_copied_by(stored_px):
        scale = np.array(stored_px) / camera.extent_px
    return np.column_stack([np.diag(scale), (scale - 1) / 2])  # outer edges stay at -0.5


def cut(
    picture: NDArray[np.uint8],
    raw_from_crop: NDArray[np.float64],
    height: int,
    width: int,
) -> NDArray[np.uint8]:
    """Cut a crop out of a picture; black where the picture ends.

    Args:
        picture: (h, w, 3) uint8.
        raw_from_crop: (2, 3), pixels of this picture from those of the crop.
        height: of the crop.
        width: of the crop.

    Returns:
        (height, width, 3) uint8, contiguous.
    """
    px_per_px = math.sqrt(abs(float(np.linalg.det(raw_from_crop[:, :2]))))
    step = max(1, int(px_per_px + 1e-6))  # 3.9999999 is 4
    low, high = _covered(raw_from_crop, height, width, picture.shape[1], picture.shape[0])
    if (high <= low).any():
        return np.zeros((height, width, 3), np.uint8)
    high = low + -(-(high - low) // step) * step  # whole blocks, but for the picture's last ones
    part = picture[low[1] : high[1], low[0] : high[0]]
    if step > 1:
        part = _block_means(part, step)
    # Pixel r of the block means has its centre at raw pixel low + step * r + (step - 1) / 2.
    part_from_raw = np.array([[1 / step, 0, 0], [0, 1 / step, 0]])
    part_from_raw[:, 2] = -(low + (step - 1) / 2) / step
    return sampled_crop(part, composed(part_from_raw, raw_from_crop), height, width)


def sampled_crop(
    source: NDArray[np.uint8],
    source_from_crop: NDArray[np.float64],
    height: int,
    width: int,
    out: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """Sample a crop bilinearly through an affine map (2, 3); black outside of the source.

    Args:
        source: (h, w, 3) uint8.
        source_from_crop: (2, 3).
        height: of the crop.
        width: of the crop.
        out: (height, width, 3) uint8, contiguous, to be written to; None makes one.
    """
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    # Four channels are sampled in half the time of three, to the same values.
    four = cv2.cvtColor(source, cv2.COLOR_RGB2RGBA)
    four = cv2.warpAffine(four, source_from_crop, (width, height), flags=flags)
    return np.asarray(cv2.cvtColor(four, cv2.COLOR_RGBA2RGB, dst=out), np.uint8)


def _covered(
    raw_from_crop: NDArray[np.float64], height: int, width: int, picture_w: int, picture_h: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and one past the last pixel (x, y) of the picture that a crop can see."""
    right, bottom = width - 0.5, height - 0.5
    corners = np.array([(-0.5, -0.5), (right, -0.5), (-0.5, bottom), (right, bottom)])
    raw = applied(raw_from_crop, corners)
    end = np.array([picture_w, picture_h])
    low = np.clip(np.floor(raw.min(axis=0)) - 1, 0, end)
    high = np.clip(np.ceil(raw.max(axis=0)) + 2, 0, end)
    return low.astype(np.int64), high.astype(np.int64)


def _block_means(part: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """Means of blocks of step x step pixels; the last ones are filled up with the edge's pixels."""
    height, width = part.shape[:2]
    rows, columns = -(-height // step), -(-width // step)
    below, right = rows * step - height, columns * step - width
    if below or right:
        part = np.asarray(
            cv2.copyMakeBorder(part, 0, below, 0, right, cv2.BORDER_REPLICATE), np.uint8
        )
    means = cv2.resize(part, (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(means, np.uint8)
