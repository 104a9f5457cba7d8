"""Compiled painting of the empty hall: a box seen from inside, with a polished floor.

Every pixel's ray is cast at the floor, the walls or the ceiling, whose textures are looked up
there; the floor also mirrors, dimly and blurred, what its reflected ray meets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from core.synthetic.raster import KERNEL, NUM_SAMPLES, SAMPLE_OFFSETS_PX, Array

if TYPE_CHECKING:
    from collections.abc import Sequence


class Room(NamedTuple):
    """The hall's box and textures, uint8.

    Attributes:
        floor: (rows along y, columns along x, 3).
        floor_per_m: its texels a metre.
        walls: one picture of all walls, see `stacked`: -x, +x, -y, +y, ceiling.
        walls_at: (5, 3) where each is: first row, rows, columns.
        wall_per_m: texels a metre of walls.
        mirrors: the walls, blurred, as the floor's polish shows them.
        mirrors_at: likewise.
        mirror_per_m: texels a metre of mirrors.
        half: (2,) half sizes along x and y, metres.
        height: metres.
    """

    floor: Array
    floor_per_m: float
    walls: Array
    walls_at: Array
    wall_per_m: float
    mirrors: Array
    mirrors_at: Array
    mirror_per_m: float
    half: Array
    height: float


def stacked(textures: Sequence[Array]) -> tuple[Array, Array]:
    """Textures below each other in one picture, and (n, 3) first row, rows and columns of each."""
    width = max(texture.shape[1] for texture in textures)
    padded = [np.pad(t, ((0, 0), (0, width - t.shape[1]), (0, 0))) for t in textures]
    rows = [len(texture) for texture in textures]
    first = np.cumsum([0, *rows[:-1]])
    places = np.stack([first, rows, [texture.shape[1] for texture in textures]], axis=-1)
    return np.concatenate(padded), places.astype(np.int64)


@njit(**KERNEL)
def _texel(
    texture: Array, first: int, rows: int, cols: int, u: float, v: float
) -> tuple[float, float, float]:
    """Bilinear colour at column u and row v of one texture of a stack, held at its borders."""
    u, v = min(max(u, 0.0), cols - 1.001), min(max(v, 0.0), rows - 1.001)
    c, r = int(u), int(v)
    fu, fv = u - c, v - r
    r += first
    a, b, d, e = (1 - fu) * (1 - fv), fu * (1 - fv), (1 - fu) * fv, fu * fv
    return (
        a * texture[r, c, 0] + b * texture[r, c + 1, 0] + d * texture[r + 1, c, 0]
        + e * texture[r + 1, c + 1, 0],
        a * texture[r, c, 1] + b * texture[r, c + 1, 1] + d * texture[r + 1, c, 1]
        + e * texture[r + 1, c + 1, 1],
        a * texture[r, c, 2] + b * texture[r, c + 1, 2] + d * texture[r + 1, c, 2]
        + e * texture[r + 1, c + 1, 2],
    )  # fmt: skip


@njit(**KERNEL)
def _wall(
    texture: Array, places: Array, per_m: float, hx: float, hy: float, height: float,
    ox: float, oy: float, oz: float, dx: float, dy: float, dz: float,
) -> tuple[float, float, float]:  # fmt: skip
    """Colour of the wall or ceiling that the ray o + t d meets first, from inside."""
    tx = (np.sign(dx) * hx - ox) / dx if dx != 0 else np.inf
    ty = (np.sign(dy) * hy - oy) / dy if dy != 0 else np.inf
    tz = (height - oz) / dz if dz > 0 else np.inf
    if tz < min(tx, ty):
        wall, u, v = 4, ox + tz * dx + hx, oy + tz * dy + hy
    elif tx < ty:
        wall, u, v = 0 if dx < 0 else 1, oy + tx * dy + hy, height - oz - tx * dz
    else:
        wall, u, v = 2 if dy < 0 else 3, ox + ty * dx + hx, height - oz - ty * dz
    return _texel(texture, places[wall, 0], places[wall, 1], places[wall, 2], u * per_m, v * per_m)


@njit(**KERNEL)
def _ray(R: Array, x: float, y: float) -> tuple[float, float, float]:
    """The direction (x, y, 1) of the camera's frame in the world; R is world_from_cam."""
    return (
        R[0, 0] * x + R[0, 1] * y + R[0, 2],
        R[1, 0] * x + R[1, 1] * y + R[1, 2],
        R[2, 0] * x + R[2, 1] * y + R[2, 2],
    )


@njit(**KERNEL)
def paint_hall(
    rays: Array,
    world_from_cam: Array,
    center: Array,
    room: Room,
    gain: Array,
    image: Array,
    floor_m: Array,
) -> None:
    """Ray cast the empty hall.

    Args:
        rays: (h, w, 2) float32 undistorted normalised positions of raw pixels; NaN = black.
        world_from_cam: (3, 3).
        center: (3,) the camera's, metres.
        room: the hall.
        gain: (h, w) float32 what the lens lets through.
        image: (h, w, 3) uint8 to fill.
        floor_m: (h, w, 2) float32 to fill: where on the floor a pixel looks, NaN elsewhere.
    """
    floor, per_m, walls, walls_at, wall_per_m, mirrors, mirrors_at, mirror_per_m, half, up = room
    hx, hy = half
    ox, oy, oz = center
    rows, cols = floor.shape[:2]
    for row in range(rays.shape[0]):
        below = min(row + 1, rays.shape[0] - 1)
        for col in range(rays.shape[1]):
            after = min(col + 1, rays.shape[1] - 1)
            floor_m[row, col] = np.nan
            image[row, col] = 0
            x0, y0 = rays[row, col, 0], rays[row, col, 1]
            x1, y1 = rays[row, after, 0] - x0, rays[row, after, 1] - y0
            x2, y2 = rays[below, col, 0] - x0, rays[below, col, 1] - y0
            if np.isnan(x0 + x1 + x2) or gain[row, col] <= 0:
                continue
            blue = green = red = polish = 0.0
            dx, dy, dz = _ray(world_from_cam, x0, y0)
            t = -oz / dz
            if dz < 0 and abs(ox + t * dx) < hx and abs(oy + t * dy) < hy:
                x, y = ox + t * dx, oy + t * dy
                floor_m[row, col, 0], floor_m[row, col, 1] = x, y
                polish = 0.05 + 0.55 * (1 + dz / np.sqrt(dx * dx + dy * dy + dz * dz)) ** 4
                strong = NUM_SAMPLES * polish
                b, g, r = _wall(
                    mirrors, mirrors_at, mirror_per_m, hx, hy, up, x, y, 0.0, dx, dy, -dz
                )
                blue, green, red = strong * b, strong * g, strong * r
            for s in range(NUM_SAMPLES):
                u, v = SAMPLE_OFFSETS_PX[s, 0], SAMPLE_OFFSETS_PX[s, 1]
                dx, dy, dz = _ray(world_from_cam, x0 + u * x1 + v * x2, y0 + u * y1 + v * y2)
                t = -oz / dz
                x, y, matt = ox + t * dx, oy + t * dy, 1 - 0.6 * polish
                if dz < 0 and abs(x) < hx and abs(y) < hy:
                    b, g, r = _texel(floor, 0, rows, cols, (x + hx) * per_m, (y + hy) * per_m)
                else:
                    b, g, r = _wall(walls, walls_at, wall_per_m, hx, hy, up, ox, oy, oz, dx, dy, dz)
                blue, green, red = blue + matt * b, green + matt * g, red + matt * r
            lens = gain[row, col] / NUM_SAMPLES
            image[row, col, 0] = np.uint8(min(255.0, lens * blue + 0.5))
            image[row, col, 1] = np.uint8(min(255.0, lens * green + 0.5))
            image[row, col, 2] = np.uint8(min(255.0, lens * red + 0.5))
