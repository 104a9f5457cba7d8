"""Everything with a shape in the 3D viewer is a stroke: a line with round ends, or a dot.

A stroke goes from one stage point to another, each moved by some pixels on the canvas; a dot is a
stroke of no length, a cross is two strokes about one point. Its thickness is a length of the
stage held between two limits in pixels: what is near looks solid, and what is far stays legible.
One kind of thing means one small shader and a handful of draw calls, which a machine without a
graphics card manages at full speed too.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtGui import QColor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

# Names are those of the shader's attributes (`app.scene.shaders`).
STROKE = np.dtype(
    [
        ("a_start", "f4", 3),
        ("a_end", "f4", 3),
        ("a_offsets", "f4", 4),  # logical pixels: start x, y, end x, y; y down
        ("a_color", "f4", 4),
        ("a_radius", "f4", 3),  # stage units, least and greatest logical pixels
        ("a_style", "f4", 3),  # width of a ring's line (0 = filled), outline px, shading 0..1
        ("a_corner", "f4", 2),  # which corner of the quad; filled in by the layer
    ]
)
FACE = np.dtype([("a_position", "f4", 3), ("a_color", "f4", 4)])

Strokes = np.ndarray  # (N,) STROKE
Faces = np.ndarray  # (3 N,) FACE: triangles

_NOWHERE = np.zeros(4, dtype=np.float32)


def no_strokes() -> Strokes:
    """None at all."""
    return np.zeros(0, dtype=STROKE)


def no_faces() -> Faces:
    """None at all."""
    return np.zeros(0, dtype=FACE)


def lines(
    segments: NDArray[np.float64],
    color: ArrayLike,
    *,
    radius: ArrayLike = 0.0,
    px: tuple[float, float] = (0.5, 0.5),
    outline_px: float = 0.0,
    shading: float = 0.0,
) -> Strokes:
    """Strokes along segments.

    Args:
        segments: (2N, 3) stage units, each pair of rows a line.
        color: (4,) or (N, 4) RGBA.
        radius: half the thickness in stage units; a number or (N,).
        px: limits of half the thickness in logical pixels.
        outline_px: of the background's colour, around it.
        shading: how much darker its sides are.
    """
    strokes = np.zeros(len(segments) // 2, dtype=STROKE)
    strokes["a_start"], strokes["a_end"] = segments[0::2], segments[1::2]
    strokes["a_color"] = color
    strokes["a_radius"][:, 0] = radius
    strokes["a_radius"][:, 1:] = px
    strokes["a_style"][:, 1:] = outline_px, shading
    return strokes


def dots(
    points: NDArray[np.float64],
    color: ArrayLike,
    *,
    radius: ArrayLike = 0.0,
    px: tuple[float, float] = (2.0, 2.0),
    ring_px: float = 0.0,
    outline_px: float = 0.0,
    shading: float = 0.0,
) -> Strokes:
    """Discs, or rings where ``ring_px`` is the width of their line; (N, 3) points."""
    strokes = lines(
        np.repeat(points, 2, axis=0),
        color,
        radius=radius,
        px=px,
        outline_px=outline_px,
        shading=shading,
    )
    strokes["a_style"][:, 0] = ring_px
    return strokes


def crosses(
    points: NDArray[np.float64],
    color: ArrayLike,
    *,
    arm_px: float,
    px: float = 0.8,
    outline_px: float = 1.0,
    upright: bool = False,
) -> Strokes:
    """An x, or a + where ``upright``, at each of (N, 3) points, of a constant size."""
    arms = [(-1, 0, 1, 0), (0, -1, 0, 1)] if upright else [(-1, -1, 1, 1), (-1, 1, 1, -1)]
    both = [dots(points, color, px=(px, px), outline_px=outline_px) for _ in arms]
    for strokes, arm in zip(both, arms, strict=True):
        strokes["a_offsets"] = np.array(arm, dtype=np.float32) * arm_px
    return np.concatenate(both)


def outlines(
    points: NDArray[np.float64],
    color: ArrayLike,
    corners: Sequence[tuple[float, float]],
    *,
    px: float = 0.8,
    outline_px: float = 1.0,
) -> Strokes:
    """A polygon of a constant size about each of (N, 3) points.

    Args:
        points: stage units.
        color: (4,) or (N, 4) RGBA.
        corners: from the point, logical pixels, y down; the last one joins the first.
        px: half the thickness of its line.
        outline_px: of the background's colour, around the line.
    """
    sides = [dots(points, color, px=(px, px), outline_px=outline_px) for _ in corners]
    for strokes, start, end in zip(sides, corners, (*corners[1:], corners[0]), strict=True):
        strokes["a_offsets"] = np.array((*start, *end), dtype=np.float32)
    return np.concatenate(sides)


def dashed(
    start: NDArray[np.float64], end: NDArray[np.float64], period: float
) -> NDArray[np.float64]:
    """(2N, 3) every other half ``period`` of the way from one point to another."""
    count = max(int(np.linalg.norm(end - start) / period), 1)
    at = np.arange(2 * count)[:, None] / (2 * count - 1)
    return start + at * (end - start)


def faces(triangles: NDArray[np.float64], color: ArrayLike) -> Faces:
    """Filled triangles: (3N, 3) corners, one colour (4,) or one a corner (3N, 4)."""
    result = np.zeros(len(triangles), dtype=FACE)
    result["a_position"], result["a_color"] = triangles, color
    return result


@lru_cache(maxsize=256)
def rgba(color: str, alpha: float = 1.0) -> tuple[float, float, float, float]:
    """A colour #rrggbb as the shaders take it."""
    qt = QColor(color)
    return (qt.redF(), qt.greenF(), qt.blueF(), alpha)


def mixed(color: str, other: str, share: float) -> tuple[float, float, float, float]:
    """``share`` of the way from one colour to another, opaque.

    Mixing with the background dims a thing; transparency would show the joins of its strokes.
    """
    first, second = np.array(rgba(color)), np.array(rgba(other))
    red, green, blue, _ = (first + share * (second - first)).tolist()
    return (red, green, blue, 1.0)
