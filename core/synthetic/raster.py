"""Compiled inner loops of the renderer: ray casting of tapered limbs, shadows and noise.

A *solid* is a rounded cone (or a box) in a local frame that may be squashed along one axis; a
picture's pixel is a ray (x, y, 1) in the camera's frame, so the ray's parameter is the depth. Rays
come from the undistorted positions of the raw pixels: lens distortion is exact. Each of S samples
of a pixel has an offset and an instant of its own, which is antialiasing and motion blur in one.
The rounded cone's intersection follows I. Quilez, "Rounded cone - intersection" (MIT licence).

Traps: no fastmath and no parallel loops here, since same seed means same bytes; and `nogil`, since
the pictures are drawn by threads.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

KERNEL: Final[dict[str, Any]] = {"cache": True, "nogil": True, "error_model": "numpy"}
CONE, BOX = 0, 1
NOBODY = -1
# Sub-pixel offsets of a rotated grid. Which instant of the shutter a sample sees changes from pixel
# to pixel: with a fixed pairing, a limb that moves as the grid goes would lose its antialiasing.
SAMPLE_OFFSETS_PX = np.array([[-0.125, -0.375], [0.375, -0.125], [-0.375, 0.125], [0.125, 0.375]])
NUM_SAMPLES = len(SAMPLE_OFFSETS_PX)
SAMPLE_TIMES = (np.arange(NUM_SAMPLES) + 0.5) / NUM_SAMPLES


class Casting(NamedTuple):
    """Solids as rays see them, and what the rays found.

    Attributes:
        rays: (h, w, 2) float32 undistorted normalised positions of raw pixels; NaN = black.
        linear: (T, M, 3, 3) local_from_cam of the solids, T = 1 or S instants.
        offset: (T, M, 3) the camera's centre in the solids' frames.
        shape: (M, 4) length, ra, rb, kind.
        z: (S, h, w) float32 depth of what is nearest.
        ids: (S, h, w) int16 index of the solid seen, NOBODY where the background is.
    """

    rays: Array
    linear: Array
    offset: Array
    shape: Array
    z: Array
    ids: Array


class Shading(NamedTuple):
    """How solids look.

    Attributes:
        patches: (M, 4) int64 first row, first column, rows and columns in the atlas.
        atlas: (rows, columns, 3) uint8 colours of all surfaces.
        levels: (M,) brightness of the place where each solid is.
        light: (3, 3) rows: up, key light, fill light; unit vectors in the camera's frame.
        gain: (h, w) float32 what the lens lets through.
    """

    patches: Array
    atlas: Array
    levels: Array
    light: Array
    gain: Array


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
    t = np.inf
    root = np.sqrt(h)
    if k2 > 1e-12 * m4:
        t = (-root - k1) / k2
        if 0 < m1 - ra * rr + t * m2 < d2:
            return t if t > 0 else np.inf
        t = np.inf
    elif k2 < -1e-12 * m4:
        # Steeper than the cone, as seen along a limb from its thin end: either root may be the one
        # on the cone's own half, and a cap may come first.
        for sign in (-1.0, 1.0):
            entry = (sign * root - k1) / k2
            if entry > 0 and 0 < m1 - ra * rr + entry * m2 < d2:
                t = min(t, entry)
    m6 = m3 - m2
    h1 = m3 * m3 - m4 * (m5 - ra * ra)
    h2 = m6 * m6 - m4 * (m5 - 2 * m1 + m0 - rb * rb)
    if h1 > 0:
        entry = (-m3 - np.sqrt(h1)) / m4
        t = min(t, entry if entry > 0 else np.inf)
    if h2 > 0:
        entry = (-m6 - np.sqrt(h2)) / m4
        t = min(t, entry if entry > 0 else np.inf)
    return t


@njit(**KERNEL)
def hit_box(ro: Array, rd: Array) -> float:
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
def _span(line: Array, row: float, first: int, stop: int) -> tuple[int, int]:
    """Columns of a row that the stroke x0, y0, x1, y1, r may cover, within first…stop."""
    x0, y0, x1, y1, r = line
    if not r < 1e6:
        return first, stop
    low, high = 0.0, 1.0
    rise = y1 - y0
    if abs(rise) > 1e-9:
        a, b = (row - r - y0) / rise, (row + r - y0) / rise
        low, high = max(low, min(a, b)), min(high, max(a, b))
    elif abs(row - y0) > r:
        return first, first
    if low > high:
        return first, first
    a, b = x0 + low * (x1 - x0), x0 + high * (x1 - x0)
    return max(first, int(min(a, b) - r)), min(stop, int(max(a, b) + r) + 2)


@njit(**KERNEL)
def draw(casting: Casting, boxes: Array, lines: Array) -> None:
    """Cast every solid over its box, keeping the nearest: updates z and ids.

    Args:
        casting: z holds the depth of what stands there already, ids NOBODY.
        boxes: (M, 4) int64 x0 y0 x1 y1, ends excluded, within the picture less one pixel.
        lines: (T, M, 5) strokes x0 y0 x1 y1 r that cover the solids in the picture; r = inf where
            only the box is known.
    """
    rays, linear, offset, shape, z, ids = casting
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
                first, stop = _span(lines[time, m], row, boxes[m, 0], boxes[m, 2])
                for col in range(first, stop):
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
def _surface(
    x: float, y: float, z: float, length: float, ra: float, rb: float, kind: float
) -> tuple[float, float, float, float, float]:
    """Texture coordinates (u around, 0.5 in front; v from start to end) and the local normal."""
    if kind == BOX:
        ax, ay, az = abs(x), abs(y), abs(z)
        side = ax >= ay and ax >= az
        end = not side and az > ay
        u, v = 0.5 + 0.5 * x, 0.5 + 0.5 * z
        return u, v, x * side, y * (not side and not end), z * end
    rr = ra - rb
    d2 = length * length - rr * rr
    along = length * z - ra * rr
    u, v = 0.5 + np.arctan2(x, y) / (2 * np.pi), (z + ra) / (length + ra + rb)
    if along >= d2:
        return u, v, x, y, z - length
    if along > 0:
        return u, v, d2 * x, d2 * y, d2 * z - length * along
    return u, v, x, y, z


@njit(**KERNEL)
def _brightness(light: Array, x: float, y: float, z: float) -> float:
    """Light on a surface with this normal, of any length, in the camera's frame."""
    size = np.sqrt(x * x + y * y + z * z) + 1e-12
    up = (light[0, 0] * x + light[0, 1] * y + light[0, 2] * z) / size
    key = (light[1, 0] * x + light[1, 1] * y + light[1, 2] * z) / size
    fill = (light[2, 0] * x + light[2, 1] * y + light[2, 2] * z) / size
    return 0.52 + 0.33 * up + 0.30 * max(0.0, key) + 0.12 * max(0.0, fill)


@njit(**KERNEL)
def resolve(image: Array, casting: Casting, shading: Shading, regions: Array) -> None:
    """Shade the samples of `draw` into the picture and clear `ids` again.

    Args:
        image: (h, w, 3) uint8, changed in place.
        casting: as `draw` left it.
        shading: the solids' looks.
        regions: (K, 4) int64 parts of the picture to do; may overlap.
    """
    # Arrays as plain locals, and scalars into the helpers: anything else counts references in the
    # innermost loop, and takes three times as long.
    rays, A, offset, shape, z, ids = casting
    patches, atlas, levels, light, gain = shading
    last = A.shape[0] - 1
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
                    i, t = min((s - 2 * row - col) & 3, last), z[s, row, col]
                    u, v = SAMPLE_OFFSETS_PX[s, 0], SAMPLE_OFFSETS_PX[s, 1]
                    x, y = rays[row, col, 0], rays[row, col, 1]
                    x += u * (rays[row, col + 1, 0] - x) + v * (rays[row + 1, col, 0] - x)
                    y += u * (rays[row, col + 1, 1] - y) + v * (rays[row + 1, col, 1] - y)
                    px = offset[i, m, 0] + t * (
                        A[i, m, 0, 0] * x + A[i, m, 0, 1] * y + A[i, m, 0, 2]
                    )
                    py = offset[i, m, 1] + t * (
                        A[i, m, 1, 0] * x + A[i, m, 1, 1] * y + A[i, m, 1, 2]
                    )
                    pz = offset[i, m, 2] + t * (
                        A[i, m, 2, 0] * x + A[i, m, 2, 1] * y + A[i, m, 2, 2]
                    )
                    u, v, nx, ny, nz = _surface(
                        px, py, pz, shape[m, 0], shape[m, 1], shape[m, 2], shape[m, 3]
                    )
                    bright = levels[m] * _brightness(
                        light,
                        A[i, m, 0, 0] * nx + A[i, m, 1, 0] * ny + A[i, m, 2, 0] * nz,
                        A[i, m, 0, 1] * nx + A[i, m, 1, 1] * ny + A[i, m, 2, 1] * nz,
                        A[i, m, 0, 2] * nx + A[i, m, 1, 2] * ny + A[i, m, 2, 2] * nz,
                    )
                    r = patches[m, 0] + min(max(int(v * patches[m, 2]), 0), patches[m, 2] - 1)
                    c = patches[m, 1] + min(max(int(u * patches[m, 3]), 0), patches[m, 3] - 1)
                    for channel in range(3):
                        total[channel] += bright * atlas[r, c, channel]
                if num_drawn > 0:
                    _blend(image, row, col, num_drawn, gain[row, col], total)


@njit(**KERNEL)
def _blend(image: Array, row: int, col: int, num_drawn: int, gain: float, total: Array) -> None:
    """Put the drawn samples' summed colours over what the others leave of the background."""
    behind = (NUM_SAMPLES - num_drawn) / NUM_SAMPLES
    for channel in range(3):
        value = behind * image[row, col, channel] + gain / NUM_SAMPLES * total[channel] + 0.5
        image[row, col, channel] = np.uint8(min(255.0, value))


@njit(**KERNEL)
def cast_shadows(image: Array, floor_m: Array, regions: Array, spots: Array) -> None:
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
def add_noise(image: Array, tile: Array, shift_row: int, shift_col: int, table: Array) -> None:
    """Map levels by the (256, 3) table, then add the (n, n, 3) int8 tile, shifted and wrapped."""
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


def sample_buffers(height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
    """Empty depth (S, h, w), infinitely far, and ids (S, h, w), nobody."""
    shape = (NUM_SAMPLES, height, width)
    return np.full(shape, np.inf, np.float32), np.full(shape, NOBODY, np.int16)
