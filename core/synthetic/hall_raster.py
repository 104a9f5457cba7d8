"""Compiled painting of the empty hall: a box seen from inside, with a polished floor.

Every pixel's ray is cast at the floor, the walls or the ceiling, whose textures are looked up
there; the floor also mirrors, dimly and blurred, what its reflected ray meets.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from core.synthetic.raster import KERNEL, NUM_SAMPLES, SAMPLE_OFFSETS_PX, Array


class Room(NamedTuple):
    """The hall's box and textures, uint8.

    Attributes:
        floor: (rows along y, columns along x, 3).
        floor_per_m: its texels a metre.
        walls: five textures: -x, +x, -y, +y, ceiling; rows grow downward.
        wall_per_m: texels a metre of walls.
        mirrors: the walls, blurred, as the floor's polish shows them.
        mirror_per_m: texels a metre of mirrors.
        half: (2,) half sizes along x and y, metres.
        height: metres.
    """

    floor: Array
    floor_per_m: float
    walls: tuple[Array, ...]
    wall_per_m: float
    mirrors: tuple[Array, ...]
    mirror_per_m: float
    half: Array
    height: float


@njit(**KERNEL)
def _texel(texture: Array, u: float, v: float, out: Array) -> None:
    """Bilinear colour at column u and row v, in texels, held at the borders."""
    rows, cols = texture.shape[0], texture.shape[1]
    u, v = min(max(u, 0.0), cols - 1.001), min(max(v, 0.0), rows - 1.001)
    c, r = int(u), int(v)
    fu, fv = u - c, v - r
    for i in range(3):
        top = texture[r, c, i] * (1 - fu) + texture[r, c + 1, i] * fu
        low = texture[r + 1, c, i] * (1 - fu) + texture[r + 1, c + 1, i] * fu
        out[i] = top * (1 - fv) + low * fv


@njit(**KERNEL)
def _wall(
    textures: tuple[Array, ...],
    per_m: float,
    half: Array,
    height: float,
    o: Array,
    d: Array,
    out: Array,
) -> None:
    """Colour of wall or ceiling that a ray inside the hall meets first."""
    tx = (np.sign(d[0]) * half[0] - o[0]) / d[0] if d[0] != 0 else np.inf
    ty = (np.sign(d[1]) * half[1] - o[1]) / d[1] if d[1] != 0 else np.inf
    tz = (height - o[2]) / d[2] if d[2] > 0 else np.inf
    if tz < min(tx, ty):
        x, y = o[0] + tz * d[0], o[1] + tz * d[1]
        _texel(textures[4], (x + half[0]) * per_m, (y + half[1]) * per_m, out)
    elif tx < ty:
        y, z = o[1] + tx * d[1], o[2] + tx * d[2]
        _texel(textures[0 if d[0] < 0 else 1], (y + half[1]) * per_m, (height - z) * per_m, out)
    else:
        x, z = o[0] + ty * d[0], o[2] + ty * d[2]
        _texel(textures[2 if d[1] < 0 else 3], (x + half[0]) * per_m, (height - z) * per_m, out)


@njit(**KERNEL)
def _floor_hit(
    x: float, y: float, world_from_cam: Array, center: Array, half: Array, d: Array, at: Array
) -> bool:
    """Whether the ray (x, y, 1) meets the floor: fills its direction d, and where (at z = 0)."""
    for i in range(3):
        r = world_from_cam[i]
        d[i] = r[0] * x + r[1] * y + r[2]
    if d[2] >= 0:
        return False
    t = -center[2] / d[2]
    at[0], at[1], at[2] = center[0] + t * d[0], center[1] + t * d[1], 0.0
    return abs(at[0]) < half[0] and abs(at[1]) < half[1]


@njit(**KERNEL)
def _gloss(room: Room, d: Array, at: Array, out: Array) -> float:
    """Share and (in `out`) colour of what the floor mirrors at `at` for a ray d; turns d upward."""
    sine = -d[2] / np.sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2])
    d[2] = -d[2]
    _wall(room.mirrors, room.mirror_per_m, room.half, room.height, at, d, out)
    return 0.05 + 0.55 * (1 - sine) ** 4


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
    half, per_m = room.half, room.floor_per_m
    d, at, colour, gloss, total = np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(3)
    for row in range(rays.shape[0]):
        below = min(row + 1, rays.shape[0] - 1)
        for col in range(rays.shape[1]):
            after = min(col + 1, rays.shape[1] - 1)
            total[:] = 0
            floor_m[row, col] = np.nan
            x0, y0 = rays[row, col, 0], rays[row, col, 1]
            x1, y1 = rays[row, after, 0] - x0, rays[row, after, 1] - y0
            x2, y2 = rays[below, col, 0] - x0, rays[below, col, 1] - y0
            if np.isnan(x0 + x1 + x2) or gain[row, col] <= 0:
                image[row, col] = 0
                continue
            polish = 0.0
            if _floor_hit(x0, y0, world_from_cam, center, half, d, at):
                floor_m[row, col, 0], floor_m[row, col, 1] = at[0], at[1]
                polish = _gloss(room, d, at, gloss)
            for s in range(NUM_SAMPLES):
                u, v = SAMPLE_OFFSETS_PX[s, 0], SAMPLE_OFFSETS_PX[s, 1]
                x, y = x0 + u * x1 + v * x2, y0 + u * y1 + v * y2
                if _floor_hit(x, y, world_from_cam, center, half, d, at):
                    _texel(room.floor, (at[0] + half[0]) * per_m, (at[1] + half[1]) * per_m, colour)
                    for i in range(3):
                        total[i] += colour[i] * (1 - 0.6 * polish) + polish * gloss[i]
                else:
                    _wall(room.walls, room.wall_per_m, half, room.height, center, d, colour)
                    total += colour
            for i in range(3):
                value = total[i] / NUM_SAMPLES * gain[row, col] + 0.5
                image[row, col, i] = np.uint8(min(255.0, value))
