"""The box a person casts in each view: a cylinder on the ground location, projected.

A cylinder is the convex hull of its two rims, so without distortion the rims alone give its exact
outline; a third ring half-way keeps the box right under strong distortion, and where one rim is
behind the camera or outside the lens (`Rig.project` gives NaN there).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.geometry import Rig

_LEVELS = (0.0, 0.5, 1.0)


def cylinder_boxes(
    ground_mm: NDArray[np.float64],
    rig: Rig,
    height_mm: float = 1800.0,
    radius_mm: float = 500.0,
    margin: float = 0.1,
    *,
    num_angles: int = 16,
) -> NDArray[np.float64]:
    """Boxes of the upright cylinders that stand at the given places.

    Args:
        ground_mm: (..., P, 3) world, millimetres; z is up and gives the foot of the cylinder.
        rig: C cameras.
        height_mm: of the cylinder.
        radius_mm: of the cylinder.
        margin: the box becomes this share of its width and height larger, half on each side.
        num_angles: samples on each ring; 16 underestimate a radius by 2 % at most.

    Returns:
        (..., P, C, 4) x0 y0 x1 y1 in raw pixels, clipped to the image where its size is known (the
        image's outer edges are at -0.5 and w - 0.5). NaN where the place is NaN or nothing of the
        cylinder is in view.
    """
    ground = np.asarray(ground_mm, dtype=np.float64)
    angles = 2 * np.pi * np.arange(num_angles) / num_angles
    samples = np.empty((len(_LEVELS), num_angles, 3))
    samples[..., 0] = radius_mm * np.cos(angles)
    samples[..., 1] = radius_mm * np.sin(angles)
    samples[..., 2] = height_mm * np.asarray(_LEVELS)[:, None]
    outline = rig.project(ground[..., None, :] + samples.reshape(-1, 3))  # (..., P, C, S, 2)
    seen = np.isfinite(outline).all(axis=-1, keepdims=True)
    low = np.where(seen, outline, np.inf).min(axis=-2)
    high = np.where(seen, outline, -np.inf).max(axis=-2)
    edge_low, edge_high = _image_edges(rig)
    in_view = ((high > low) & (high > edge_low) & (low < edge_high)).all(axis=-1)
    low, high = np.where(in_view[..., None], (low, high), np.nan)
    grown = margin / 2 * (high - low)
    boxes = np.concatenate(
        [np.maximum(low - grown, edge_low), np.minimum(high + grown, edge_high)], axis=-1
    )
    return np.where(in_view[..., None], boxes, np.nan)


def _image_edges(rig: Rig) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(C, 2) outer edges of the images; infinite where a size is not known."""
    low, high = np.full((len(rig), 2), -np.inf), np.full((len(rig), 2), np.inf)
    for c, camera in enumerate(rig):
        if camera.size_px is not None:
            low[c], high[c] = -0.5, np.asarray(camera.size_px) - 0.5
    return low, high
