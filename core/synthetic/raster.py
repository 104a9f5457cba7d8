"""Compiled inner loops of the renderer: ray casting of tapered limbs and of the hall.

A *solid* is a rounded cone (or a box) in a local frame that may be squashed along one axis; a
picture's pixel is a ray (x, y, 1) in the camera's frame, so the ray's parameter is the depth. Rays
come from the undistorted positions of the raw pixels: lens distortion is exact. Each of S samples
of a pixel has an offset and an instant of its own, which is antialiasing and motion blur in one.
The rounded cone's intersection follows I. Quilez, "Rounded cone - intersection" (MIT licence).

Traps: no fastmath and no parallel loops here, since same seed means same bytes; and `nogil`, since
the pictures are drawn by threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

KERNEL: Final = {"cache": True, "nogil": True, "error_model": "numpy"}
CONE, BOX = 0, 1
NOBODY = -1
# Sub-pixel offsets of a rotated grid. Which instant of the shutter a sample sees changes from pixel
# to pixel: with a fixed pairing, a limb that moves along the grid's order would lose its antialiasing.
SAMPLE_OFFSETS_PX = np.array([[-0.125, -0.375], [0.375, -0.125], [-0.375, 0.125], [0.125, 0.375]])
NUM_SAMPLES = len(SAMPLE_OFFSETS_PX)
SAMPLE_TIMES = (np.arange(NUM_SAMPLES) + 0.5) / NUM_SAMPLES


@njit(**KERNEL)
def hit_cone(
    dx: float, dy: float, dz: float, px: float, py: float, pz: float,
    length: float, ra: float, rb: float,
) -> float:  # fmt: skip
    """Parameter of the first hit of the local ray p + t d (d of any length); inf = none.

    The cone runs from the origin (radius ra) to (0, 0, length) (radius rb). What depends on p alone
    is the same for all pixels of a solid, and the compiler takes it out of their loop.
    """
    rr = ra - rb
    m0 = length * length
    m1 = length * pz
    m5 = px * px + py * py + pz * pz
    d2 = m0 - rr * rr
    k0 = d2 * m5 - m1 * m1 + 2 * m1 * rr * ra - m0 * ra * ra
    m2 = length * dz
    m3 = dx * px + dy * py + dz * pz
    m4 = dx * dx + dy * dy + dz * dz
    k2 = d2 * m4 - m2 * m2
    k1 = d2 * m3 - m1 * m2 + m2 * rr * ra
    h = k1 * k1 - k0 * k2
    if not h >= 0:
        return np.inf
    if k2 > 1e-12 * m4:
        t = (-np.sqrt(h) - k1) / k2
        y = m1 - ra * rr + t * m2
        if 0 < y < d2:
            return t if t > 0 else np.inf
    m6 = m3 - m2
    h1 = m3 * m3 - m4 * (m5 - ra * ra)
    h2 = m6 * m6 - m4 * (m5 - 2 * m1 + m0 - rb * rb)
    t = np.inf
    if h1 > 0:
        t = -m3 - np.sqrt(h1)
    if h2 > 0:
        t = min(t, -m6 - np.sqrt(h2))
    return t / m4 if t > 0 else np.inf


@njit(**KERNEL)
def hit_box(ro, rd):  # noqa: ANN001, ANN202
    """Parameter of the first hit of a local ray on the cube from -1 to 1; inf = none."""
    near, far = -np.inf, np.inf
    for axis in range(3):
        step = rd[axis]
        # A ray along a face: the slab is met nowhere or everywhere.
        if abs(step) < 1e-12:
            step = 1e-12
        a, b = (-1 - ro[axis]) / step, (1 - ro[axis]) / step
        near, far = max(near, min(a, b)), min(far, max(a, b))
    return near if near < far and near > 0 else np.inf


@njit(**KERNEL)
def draw(rays, linear, offset, shape, boxes, z, ids):  # noqa: ANN001, ANN201
    """Cast every solid over its box, keeping the nearest: fills z and ids.

    Args:
        rays: (h, w, 2) float32 undistorted normalised positions of raw pixels; NaN = black.
        linear: (T, M, 3, 3) local_from_cam of the solids, T = 1 or S instants.
        offset: (T, M, 3) the camera's centre in the solids' frames.
        shape: (M, 4) length, ra, rb, kind.
        boxes: (M, 4) int64 x0 y0 x1 y1, ends excluded, within the picture less one pixel.
        z: (S, h, w) float32 depth, holding what stands before.
        ids: (S, h, w) int16 index of the solid seen, NOBODY where the background is.
    """
    d, ro = np.empty(3), np.empty(3)
    for m in range(len(shape)):
        length, ra, rb, kind = shape[m]
        for instant in range(NUM_SAMPLES):
            time = min(instant, linear.shape[0] - 1)
            a00, a01, a02 = linear[time, m, 0]
            a10, a11, a12 = linear[time, m, 1]
            a20, a21, a22 = linear[time, m, 2]
            ro[:] = offset[time, m]
            px, py, pz = ro
            for row in range(boxes[m, 1], boxes[m, 3]):
                for col in range(boxes[m, 0], boxes[m, 2]):
                    s = (instant + 2 * row + col) & 3
                    u, v = SAMPLE_OFFSETS_PX[s, 0], SAMPLE_OFFSETS_PX[s, 1]
                    x0, y0 = rays[row, col, 0], rays[row, col, 1]
                    x = x0 + u * (rays[row, col + 1, 0] - x0) + v * (rays[row + 1, col, 0] - x0)
                    y = y0 + u * (rays[row, col + 1, 1] - y0) + v * (rays[row + 1, col, 1] - y0)
                    dx = a00 * x + a01 * y + a02
                    dy = a10 * x + a11 * y + a12
                    dz = a20 * x + a21 * y + a22
                    if kind == CONE:
                        t = hit_cone(dx, dy, dz, px, py, pz, length, ra, rb)
                    else:
                        d[0], d[1], d[2] = dx, dy, dz
                        t = hit_box(ro, d)
                    if t < z[s, row, col]:
                        z[s, row, col] = t
                        ids[s, row, col] = m


@njit(**KERNEL)
def _surface(p, length, ra, rb, kind, normal):  # noqa: ANN001, ANN202
    """Texture coordinates (u around, 0.5 in front; v from start to end) and the local normal."""
    if kind == BOX:
        axis = 0
        for i in range(1, 3):
            if abs(p[i]) > abs(p[axis]):
                axis = i
        normal[:] = 0
        normal[axis] = np.sign(p[axis])
        return 0.5 + 0.5 * p[0], 0.5 + 0.5 * p[2]
    rr = ra - rb
    d2 = length * length - rr * rr
    y = length * p[2] - ra * rr
    normal[:] = p
    if y >= d2:
        normal[2] = p[2] - length
    elif y > 0:
        normal[0], normal[1], normal[2] = d2 * p[0], d2 * p[1], d2 * p[2] - length * y
    return 0.5 + np.arctan2(p[0], p[1]) / (2 * np.pi), (p[2] + ra) / (length + ra + rb)


@njit(**KERNEL)
def resolve(  # noqa: ANN201
    image, rays, linear, offset, shape, patches, atlas, levels, light, gain, regions, z, ids  # noqa: ANN001
):
    """Shade the samples of `draw` into the picture and clear `ids` again.

    Args:
        image: (h, w, 3) uint8, changed in place.
        rays: as in `draw`, likewise linear, offset, shape, z and ids.
        linear: see rays.
        offset: see rays.
        shape: see rays.
        patches: (M, 4) int64 first row, first column, rows and columns in the atlas.
        atlas: (rows, columns, 3) uint8 colours of all surfaces.
        levels: (M,) brightness of the place where each solid is.
        light: (3, 3) rows: up, key light, fill light; unit vectors in the camera's frame.
        gain: (h, w) float32 what the lens lets through.
        regions: (K, 4) int64 parts of the picture to do; may overlap.
        z: see rays.
        ids: see rays.
    """
    p, n = np.empty(3), np.empty(3)
    total = np.empty(3)
    for k in range(len(regions)):
        for row in range(regions[k, 1], regions[k, 3]):
            for col in range(regions[k, 0], regions[k, 2]):
                num_drawn = 0
                total[:] = 0
                for s in range(NUM_SAMPLES):
                    m = ids[s, row, col]
                    if m == NOBODY:
                        continue
                    ids[s, row, col] = NOBODY
                    num_drawn += 1
                    time = min((s - 2 * row - col) & 3, linear.shape[0] - 1)
                    A, t = linear[time, m], z[s, row, col]
                    u, v = SAMPLE_OFFSETS_PX[s]
                    x0, y0 = rays[row, col, 0], rays[row, col, 1]
                    x = x0 + u * (rays[row, col + 1, 0] - x0) + v * (rays[row + 1, col, 0] - x0)
                    y = y0 + u * (rays[row, col + 1, 1] - y0) + v * (rays[row + 1, col, 1] - y0)
                    for i in range(3):
                        p[i] = offset[time, m, i] + t * (A[i, 0] * x + A[i, 1] * y + A[i, 2])
                    length, ra, rb, kind = shape[m]
                    along_u, along_v = _surface(p, length, ra, rb, kind, n)
                    nx = A[0, 0] * n[0] + A[1, 0] * n[1] + A[2, 0] * n[2]
                    ny = A[0, 1] * n[0] + A[1, 1] * n[1] + A[2, 1] * n[2]
                    nz = A[0, 2] * n[0] + A[1, 2] * n[1] + A[2, 2] * n[2]
                    size = np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-12
                    up = (light[0, 0] * nx + light[0, 1] * ny + light[0, 2] * nz) / size
                    key = (light[1, 0] * nx + light[1, 1] * ny + light[1, 2] * nz) / size
                    fill = (light[2, 0] * nx + light[2, 1] * ny + light[2, 2] * nz) / size
                    bright = 0.52 + 0.33 * up + 0.30 * max(0.0, key) + 0.12 * max(0.0, fill)
                    bright *= levels[m]
                    r = patches[m, 0] + min(max(int(along_v * patches[m, 2]), 0), patches[m, 2] - 1)
                    c = patches[m, 1] + min(max(int(along_u * patches[m, 3]), 0), patches[m, 3] - 1)
                    for i in range(3):
                        total[i] += bright * atlas[r, c, i]
                if num_drawn == 0:
                    continue
                behind = (NUM_SAMPLES - num_drawn) / NUM_SAMPLES
                lens = gain[row, col] / NUM_SAMPLES
                for i in range(3):
                    value = behind * image[row, col, i] + lens * total[i] + 0.5
                    image[row, col, i] = np.uint8(min(255.0, value))


@njit(**KERNEL)
def cast_shadows(image, floor_m, regions, spots):  # noqa: ANN001, ANN201
    """Darken the floor beneath people.

    Args:
        image: (h, w, 3) uint8, changed in place.
        floor_m: (h, w, 2) float32 place on the floor seen by a pixel; NaN where no floor is.
        regions: (K, 4) int64 part of the picture around each person.
        spots: (K, B, 4) blobs of a person: x, y, 1 / radius², depth of the shadow.
    """
    for k in range(len(regions)):
        for row in range(regions[k, 1], regions[k, 3]):
            for col in range(regions[k, 0], regions[k, 2]):
                x, y = floor_m[row, col, 0], floor_m[row, col, 1]
                if np.isnan(x):
                    continue
                left = 1.0
                for b in range(spots.shape[1]):
                    dx, dy = x - spots[k, b, 0], y - spots[k, b, 1]
                    fall = 1 + (dx * dx + dy * dy) * spots[k, b, 2]
                    left *= 1 - spots[k, b, 3] / (fall * fall)
                for i in range(3):
                    image[row, col, i] = np.uint8(image[row, col, i] * left)


@njit(**KERNEL)
def add_noise(image, tile, shift_row, shift_col, table):  # noqa: ANN001, ANN201
    """Map levels by the (256, 3) table, add the (n, n, 3) int8 tile, shifted and wrapped; in place."""
    size = tile.shape[0]
    for row in range(image.shape[0]):
        source = (row + shift_row) % size
        for first in range(0, image.shape[1], size):
            for col in range(first, min(first + size, image.shape[1])):
                at = col - first + shift_col
                at = at - size if at >= size else at
                for i in range(3):
                    value = int(table[image[row, col, i], i]) + int(tile[source, at, i])
                    image[row, col, i] = np.uint8(min(255, max(0, value)))


@njit(**KERNEL)
def _texel(texture, u, v, out):  # noqa: ANN001, ANN202
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
def _wall(textures, per_m, half, height, o, d, out):  # noqa: ANN001, ANN202
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
def _floor_hit(x, y, world_from_cam, center, half, d, at):  # noqa: ANN001, ANN202
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
def paint_hall(  # noqa: ANN201
    rays, world_from_cam, center, floor, floor_per_m, walls, mirrors, wall_per_m, mirror_per_m,  # noqa: ANN001
    half, height, gain, image, floor_m,  # noqa: ANN001
):  # fmt: skip
    """Ray cast the empty hall, a box of half sizes `half` and `height` metres.

    Args:
        rays: as in `draw`.
        world_from_cam: (3, 3).
        center: (3,) the camera's, metres.
        floor: (rows along y, columns along x, 3) uint8 texture.
        floor_per_m: its texels a metre.
        walls: five textures: -x, +x, -y, +y, ceiling.
        mirrors: the same, blurred, as the floor's polish shows them.
        wall_per_m: texels a metre of walls.
        mirror_per_m: texels a metre of mirrors.
        half: (2,) metres.
        height: metres.
        gain: (h, w) float32 what the lens lets through.
        image: (h, w, 3) uint8 to fill.
        floor_m: (h, w, 2) float32 to fill: where on the floor a pixel looks, NaN elsewhere.
    """
    d, colour, gloss, total = np.empty(3), np.empty(3), np.zeros(3), np.empty(3)
    at = np.zeros(3)
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
                sine = -d[2] / np.sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2])
                polish = 0.05 + 0.55 * (1 - sine) ** 4
                d[2] = -d[2]
                _wall(mirrors, mirror_per_m, half, height, at, d, gloss)
            for s in range(NUM_SAMPLES):
                u, v = SAMPLE_OFFSETS_PX[s, 0], SAMPLE_OFFSETS_PX[s, 1]
                x, y = x0 + u * x1 + v * x2, y0 + u * y1 + v * y2
                if _floor_hit(x, y, world_from_cam, center, half, d, at):
                    col_f, row_f = (at[0] + half[0]) * floor_per_m, (at[1] + half[1]) * floor_per_m
                    _texel(floor, col_f, row_f, colour)
                    for i in range(3):
                        total[i] += colour[i] * (1 - 0.6 * polish) + polish * gloss[i]
                else:
                    _wall(walls, wall_per_m, half, height, center, d, colour)
                    for i in range(3):
                        total[i] += colour[i]
            for i in range(3):
                value = total[i] / NUM_SAMPLES * gain[row, col] + 0.5
                image[row, col, i] = np.uint8(min(255.0, value))


def sample_buffers(height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
    """Empty depth (S, h, w), infinitely far, and ids (S, h, w), nobody."""
    shape = (NUM_SAMPLES, height, width)
    return np.full(shape, np.inf, np.float32), np.full(shape, NOBODY, np.int16)
