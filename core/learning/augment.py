"""How crops are varied for training: geometry as exact affine maps, colour as one 3x4 matrix.

All views of a group are drawn at once from one generator, and every option takes its numbers
whether it is used or not: turning one option off leaves the others' draws as they were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.recording.cv import cv2

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.project.runs.config import AugmentOptions

_LUMA = np.array([0.299, 0.587, 0.114])
_YIQ_FROM_RGB = np.array([_LUMA, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_RGB_FROM_YIQ = np.linalg.inv(_YIQ_FROM_RGB)
_FULL_HUE = np.radians(36.0)
_CUTOUT_SIDE = (0.2, 0.5)


@dataclass(frozen=True, slots=True, eq=False)
class Variation:
    """The variation of V crops.

    Attributes:
        plain_from_varied: (V, 2, 3), pixels of the plain crop from those of the varied one.
        mirrored: (V,) bool.
        colors: (V, 3, 3) saturation and hue; None = colours as they are.
        contrast: (V,) factor about the crop's mean brightness.
        brightness: (V,) factor.
        cut_out: (V,) bool, whether a part is painted over.
        parts: (V, 4) int, x0 y0 x1 y1 of that part.
        paints: (V, 3) its colour.
        resampled: whether pixels move.
    """

    plain_from_varied: NDArray[np.float64]
    mirrored: NDArray[np.bool_]
    colors: NDArray[np.float64] | None
    contrast: NDArray[np.float64]
    brightness: NDArray[np.float64]
    cut_out: NDArray[np.bool_]
    parts: NDArray[np.int64]
    paints: NDArray[np.int64]
    resampled: bool

    def paint(self, view: int, crop: NDArray[np.uint8]) -> None:
        """Give one crop (h, w, 3) its colours and its painted part, in place."""
        if self.colors is not None:
            contrast, brightness = self.contrast[view], self.brightness[view]
            matrix = np.empty((3, 4))
            matrix[:, :3] = brightness * contrast * self.colors[view]
            matrix[:, 3] = brightness * (1 - contrast) * (_LUMA @ cv2.mean(crop)[:3])
            cv2.transform(crop, matrix, dst=crop)
        if self.cut_out[view]:
            x0, y0, x1, y1 = self.parts[view]
            crop[y0:y1, x0:x1] = self.paints[view]


_IDENTITY = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def drawn(
    options: AugmentOptions | None,
    rng: np.random.Generator,
    num_views: int,
    height: int,
    width: int,
    *,
    cutout: float | None = None,
) -> Variation:
    """Draw the variation of a group's crops.

    Args:
        options: the strengths; None = no variation (but `cutout` counts).
        rng: where the numbers come from; always the same count of them.
        num_views: V.
        height: of the crops.
        width: of the crops.
        cutout: share of crops with a part painted over; None = as the options say.
    """
    geometry = rng.uniform(-1, 1, (5, num_views))
    color = rng.uniform(-1, 1, (4, num_views))
    chance, *part = rng.uniform(0, 1, (5, num_views))
    paints = rng.integers(0, 256, (num_views, 3))
    share = cutout if cutout is not None else (options.cutout if options is not None else 0.0)
    still = np.broadcast_to(_IDENTITY, (num_views, 2, 3))
    maps, mirrored = still, np.zeros(num_views, np.bool_)
    if options is not None:
        maps, mirrored = _maps(options, geometry, height, width)
    strength = options.color if options is not None else 0.0
    return Variation(
        plain_from_varied=maps,
        mirrored=mirrored,
        colors=_colors(strength * color[0], strength * color[1]) if strength > 0 else None,
        contrast=1 + strength * color[2],
        brightness=1 + strength * color[3],
        cut_out=chance < share,
        parts=_parts(np.stack(part), height, width),
        paints=paints,
        resampled=bool((maps != _IDENTITY).any()),
    )


def _maps(
    options: AugmentOptions, drawn_numbers: NDArray[np.float64], height: int, width: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Scale, turn and mirror about the crop's centre, then shift."""
    scaled, turned, right, down, chance = drawn_numbers
    mirrored = (chance + 1) / 2 < options.flip
    scale = (1 + options.scale) ** scaled
    angle = np.radians(options.rotation) * turned
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    side = np.where(mirrored, -1.0, 1.0)
    maps = np.empty((len(scale), 2, 3))
    maps[:, 0, 0], maps[:, 0, 1] = side * cos, -sin
    maps[:, 1, 0], maps[:, 1, 1] = side * sin, cos
    center = np.array([(width - 1) / 2, (height - 1) / 2])
    shift = options.shift * np.stack([right * width, down * height], axis=-1)
    maps[:, :, 2] = center + shift - maps[:, :, :2] @ center
    return maps, mirrored


def _colors(saturation: NDArray[np.float64], hue: NDArray[np.float64]) -> NDArray[np.float64]:
    """(V, 3, 3) RGB from RGB: the colour plane of YIQ scaled by 1 + saturation, turned by hue."""
    angle = _FULL_HUE * hue
    cos, sin = (1 + saturation) * np.cos(angle), (1 + saturation) * np.sin(angle)
    plane = np.zeros((len(hue), 3, 3))
    plane[:, 0, 0] = 1
    plane[:, 1, 1], plane[:, 1, 2] = cos, -sin
    plane[:, 2, 1], plane[:, 2, 2] = sin, cos
    return _RGB_FROM_YIQ @ plane @ _YIQ_FROM_RGB


def _parts(numbers: NDArray[np.float64], height: int, width: int) -> NDArray[np.int64]:
    """(V, 4) x0 y0 x1 y1 of rectangles with their centre anywhere in the crop."""
    size = np.array([width, height])
    low, high = _CUTOUT_SIDE
    sides = (low + (high - low) * numbers[:2].T) * size
    corner = numbers[2:].T * size - sides / 2
    edges = np.concatenate([corner, corner + sides], axis=-1)
    return np.clip(np.round(edges), 0, np.tile(size, 2)).astype(np.int64)
