"""The empty sports hall: floor with lines of several sports, walls, light, and basket frames.

Textures are uint8 BGR, as cv2 encodes them. The floor's row is y and its column is x; a wall's row
grows downward from the ceiling. The basket frames hang from the ceiling in front of the end
cameras, as in SportCenter, and hide people.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from core.recording.cv import cv2
from core.synthetic.hall_raster import Room, stacked
from core.synthetic.solids import Solids, boxes, cones, joined

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]

HALF_M = (9.3, 16.7)
HEIGHT_M = 9.2
FLOOR_PER_M = 100
WALL_PER_M = 50
MIRROR_PER_M = 5
CENTER_CIRCLE_M = 1.8
RIM_HEIGHT_M = 3.05

_SHIFT = 4
_BLACK, _BLUE, _ORANGE, _RED = (38, 36, 34), (150, 98, 52), (96, 148, 190), (66, 62, 140)
_STEEL, _WHITE, _RIM, _NET, _WOOD = (92, 88, 84), (214, 214, 212), (40, 70, 190), (190, 190, 186), (
    70, 110, 150,
)  # fmt: skip
_PALETTE = (_STEEL, _WHITE, _RIM, _NET, _WOOD, _BLUE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hall:
    """Everything that does not move.

    Attributes:
        room: box and textures.
        light: (rows, columns) float32 brightness over the floor, every quarter of a metre.
        frames: basket frames, boards, rims, benches; those at +y come first.
        palette: (1, n, 3) atlas of the frames' colours.
    """

    room: Room
    light: NDArray[np.float32]
    frames: Solids
    palette: Picture

    def brightness(self, ground_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """(…,) light at places (…, 2) on the floor."""
        rows, cols = self.light.shape
        col = np.clip(((ground_m[..., 0] + HALF_M[0]) * 4).astype(int), 0, cols - 1)
        row = np.clip(((ground_m[..., 1] + HALF_M[1]) * 4).astype(int), 0, rows - 1)
        return self.light[row, col].astype(np.float64)


class _Floor:
    """Draws lines in metres on the floor's texture."""

    def __init__(self, texture: Picture) -> None:
        self.texture = texture

    def _px(self, points_m: NDArray[np.float64]) -> NDArray[np.int32]:
        scaled = (points_m + np.array(HALF_M)) * FLOOR_PER_M * (1 << _SHIFT)
        return np.round(scaled).astype(np.int32)

    def path(self, points_m: NDArray[np.float64], colour: tuple[int, ...], width_m: float) -> None:
        thick = max(1, round(width_m * FLOOR_PER_M))
        cv2.polylines(self.texture, [self._px(points_m)], False, colour, thick, cv2.LINE_AA, _SHIFT)

    def line(self, x0: float, y0: float, x1: float, y1: float, **style: object) -> None:
        colour, width = _style(style)
        self.path(np.array([[x0, y0], [x1, y1]]), colour, width)

    def rectangle(self, x0: float, y0: float, x1: float, y1: float, **style: object) -> None:
        colour, width = _style(style)
        corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]])
        self.path(corners, colour, width)

    def arc(
        self, x: float, y: float, radius: float, start: float, stop: float, **style: object
    ) -> None:
        colour, width = _style(style)
        angle = np.linspace(np.deg2rad(start), np.deg2rad(stop), 181)
        ring = np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=-1)
        self.path(ring, colour, width)


def _style(style: dict[str, object]) -> tuple[tuple[int, ...], float]:
    colour, width = style.get("colour", _BLACK), style.get("width", 0.05)
    assert isinstance(colour, tuple)
    assert isinstance(width, float)
    return colour, width


def _cloud(rng: np.random.Generator, shape: tuple[int, int], cell: int) -> NDArray[np.float32]:
    """Smooth noise of unit deviation, features of `cell` texels."""
    rows, cols = shape[0] // cell + 3, shape[1] // cell + 3
    noise = rng.standard_normal((rows, cols)).astype(np.float32)
    smooth = cv2.resize(noise, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth, np.float32)


def _basketball(floor: _Floor) -> None:
    floor.rectangle(-7.5, -14, 7.5, 14)
    floor.line(-7.5, 0, 7.5, 0)
    floor.arc(0, 0, CENTER_CIRCLE_M, 0, 360)
    corner = float(np.sqrt(6.75**2 - 6.6**2))
    for side in (1.0, -1.0):
        basket = side * 12.425
        floor.rectangle(-2.45, side * 14, 2.45, side * 8.2)
        floor.arc(0, side * 8.2, 1.8, 0, 360 if side > 0 else -360)
        floor.arc(0, basket, 1.25, 0, -180 * side)
        edge = float(np.rad2deg(np.arctan2(corner, 6.6)))
        floor.arc(0, basket, 6.75, -edge * side, (-180 + edge) * side)
        for x in (-6.6, 6.6):
            floor.line(x, side * 14, x, basket - side * corner)


def _other_sports(floor: _Floor) -> None:
    for x in (-4.5, 4.5):
        floor.line(x, -9, x, 9, colour=_BLUE, width=0.05)
    for y in (-9.0, -3.0, 3.0, 9.0):
        floor.line(-4.5, y, 4.5, y, colour=_BLUE, width=0.05)
    floor.rectangle(-8.6, -15.4, 8.6, 15.4, colour=_BLUE, width=0.05)
    for y in (-10.0, 0.5, 10.0):
        floor.rectangle(-6.7, y - 3.05, -0.6, y + 3.05, colour=_ORANGE, width=0.02)
        floor.rectangle(0.6, y - 3.05, 6.7, y + 3.05, colour=_ORANGE, width=0.02)
    for side in (1.0, -1.0):
        floor.arc(0, side * 15.4, 6.0, 0, -180 * side, colour=_RED, width=0.03)
        floor.arc(0, side * 15.4, 8.5, 0, -180 * side, colour=_RED, width=0.02)


def _floor_texture(rng: np.random.Generator, light: NDArray[np.float32]) -> Picture:
    shape = (round(2 * HALF_M[1] * FLOOR_PER_M), round(2 * HALF_M[0] * FLOOR_PER_M))
    texture = np.empty((*shape, 3), np.uint8)
    texture[:] = (172, 180, 178)
    floor = _Floor(texture)
    _other_sports(floor)
    _basketball(floor)
    for _ in range(40):
        place = rng.uniform(-1, 1, 2) * (7.0, 13.5)
        way = rng.normal(0, 0.25, 2)
        style = (int(rng.integers(110, 150)),) * 3
        floor.path(np.stack([place, place + way]), style, 0.01)
    texture = cv2.GaussianBlur(texture, (3, 3), 0.8)
    shade = cv2.resize(light, shape[::-1], interpolation=cv2.INTER_CUBIC)
    shade *= 1 + 0.012 * _cloud(rng, shape, 90) + 0.006 * _cloud(rng, shape, 12)
    return np.clip(texture * shade[..., None], 0, 255).astype(np.uint8)


def _light_map(rng: np.random.Generator) -> NDArray[np.float32]:
    """Windows along +x, lamps in two rows, and slow unevenness."""
    rows, cols = round(8 * HALF_M[1]), round(8 * HALF_M[0])
    y, x = np.mgrid[0:rows, 0:cols] / 4.0
    x, y = x - HALF_M[0], y - HALF_M[1]
    level = 0.86 + 0.016 * x + 0.05 * np.cos(2 * np.pi * y / 8.0) + 0.006 * y
    for side in (-5.0, 5.5):
        level += 0.13 * np.exp(-((x - 3.5) ** 2 + (y - side) ** 2) / 14)
    level += 0.03 * _cloud(rng, (rows, cols), 24)
    return np.clip(level, 0.55, 1.18).astype(np.float32)


def _wall_texture(rng: np.random.Generator, length_m: float, kind: int) -> Picture:
    shape = (round(HEIGHT_M * WALL_PER_M), round(length_m * WALL_PER_M))
    tint = ((196, 198, 194), (186, 190, 190), (202, 200, 196), (192, 196, 198))[kind]
    wall = np.empty((*shape, 3), np.uint8)
    wall[:] = tint

    def box(x0: float, z0: float, x1: float, z1: float, colour: tuple[int, int, int]) -> None:
        corner = (round(x0 * WALL_PER_M), round((HEIGHT_M - z1) * WALL_PER_M))
        other = (round(x1 * WALL_PER_M), round((HEIGHT_M - z0) * WALL_PER_M))
        cv2.rectangle(wall, corner, other, colour, -1)

    box(0, 0, length_m, 0.12, (90, 92, 92))
    if kind < 2:
        _gallery(rng, box, length_m)
    else:
        _wall_bars(box, length_m)
    for place in rng.uniform(2.0, length_m - 3.0, 3):
        box(place, 0, place + rng.uniform(1.0, 1.9), 2.2, (46, 46, 50))
        box(place + 0.1, 0.05, place + 0.5, 2.1, (74, 70, 66))
    for place in rng.uniform(1.0, length_m - 2.0, 4):
        kit = np.round(rng.integers(40, 140) + 0.25 * rng.integers(-60, 60, 3)).astype(int).tolist()
        box(
            place, 0, place + rng.uniform(0.4, 1.6), rng.uniform(0.3, 0.9), (kit[0], kit[1], kit[2])
        )
    shade = 1 + 0.05 * _cloud(rng, shape, 160) + 0.012 * _cloud(rng, shape, 8)
    shade *= np.linspace(1.05, 0.86, shape[0], dtype=np.float32)[:, None]
    wall = cv2.GaussianBlur(wall, (3, 3), 0.7)
    return np.clip(wall * shade[..., None], 0, 255).astype(np.uint8)


def _gallery(rng: np.random.Generator, box: object, length_m: float) -> None:
    """A glazed gallery above, as long as the wall."""
    assert callable(box)
    box(2.0, 4.6, length_m - 2.0, 7.6, (120, 126, 122))
    for x in np.arange(2.2, length_m - 3.2, 1.7):
        glow = int(rng.integers(90, 235))
        box(x, 5.5, x + 1.5, 7.4, (glow, glow, min(255, glow + 6)))
        inside = int(rng.integers(50, 130))
        box(x + rng.uniform(0, 0.8), 5.5, x + rng.uniform(0.9, 1.5), rng.uniform(6.0, 6.9),
            (inside, inside, inside))  # fmt: skip
    for x in np.arange(2.0, length_m - 2.0, 0.16):
        box(x, 4.7, x + 0.03, 5.5, (70, 74, 74))
    box(2.0, 5.45, length_m - 2.0, 5.52, (60, 62, 62))


def _wall_bars(box: object, length_m: float) -> None:
    """Climbing bars beside the basket, a vent and a big window."""
    assert callable(box)
    for first in (length_m / 2 - 6.0, length_m / 2 + 2.8):
        box(first, 0.1, first + 3.2, 2.9, (150, 170, 182))
        for z in np.arange(0.2, 2.85, 0.14):
            box(first, z, first + 3.2, z + 0.045, (80, 112, 140))
        for x in np.arange(first, first + 3.3, 0.8):
            box(x, 0.1, x + 0.07, 2.9, (70, 100, 128))
    box(length_m / 2 - 1.2, 4.6, length_m / 2 + 1.2, 5.2, (110, 114, 116))
    for x in (1.5, length_m - 5.0):
        box(x, 5.2, x + 3.5, 8.2, (236, 232, 226))
        box(x + 1.7, 5.2, x + 1.8, 8.2, (110, 112, 112))
        box(x, 6.7, x + 3.5, 6.8, (110, 112, 112))


def _ceiling_texture(rng: np.random.Generator) -> Picture:
    shape = (round(2 * HALF_M[1] * WALL_PER_M), round(2 * HALF_M[0] * WALL_PER_M))
    ceiling = np.empty((*shape, 3), np.uint8)
    ceiling[:] = (148, 152, 150)
    for row in range(0, shape[0], 2 * WALL_PER_M):
        cv2.rectangle(ceiling, (0, row), (shape[1], row + 12), (104, 108, 110), -1)
    for col in range(150, shape[1], 300):
        for row in range(60, shape[0], 190):
            cv2.rectangle(ceiling, (col, row), (col + 24, row + 100), (252, 252, 250), -1)
    pipe = round(2.2 * WALL_PER_M)
    cv2.rectangle(ceiling, (pipe, 0), (pipe + 40, shape[0]), (176, 180, 180), -1)
    noise = 1 + 0.03 * _cloud(rng, shape, 60)
    return np.clip(cv2.GaussianBlur(ceiling, (5, 5), 1) * noise[..., None], 0, 255).astype(np.uint8)


def _tubes() -> tuple[NDArray[np.float64], list[int]]:
    """(n, 7) start, end and radius of the frames of one basket at +y, and their colours."""
    hung, board = 10.6, 12.98
    tubes: list[tuple[float, ...]] = []
    for x in (-0.75, 0.75):
        tubes.append((x, hung, 9.2, x, board, 3.1, 0.035))
        tubes.append((x, hung + 0.45, 8.1, x * 0.1, 8.6, 9.2, 0.022))
    for low, high in ((0.05, 0.33), (0.36, 0.62), (0.66, 0.95)):
        y0, z0 = hung + low * (board - hung), 9.2 - low * 6.1
        y1, z1 = hung + high * (board - hung), 9.2 - high * 6.1
        tubes.append((-0.75, y1, z1, 0.75, y1, z1, 0.022))
        tubes.append((-0.75, y0, z0, 0.75, y1, z1, 0.015))
        tubes.append((0.75, y0, z0, -0.75, y1, z1, 0.015))
    colours = [0] * len(tubes)
    angles = np.linspace(0, 2 * np.pi, 15)
    ring = np.stack([0.225 * np.cos(angles), 12.425 + 0.225 * np.sin(angles)], axis=-1)
    for (x0, y0), (x1, y1) in pairwise(ring):
        tubes.append((x0, y0, RIM_HEIGHT_M, x1, y1, RIM_HEIGHT_M, 0.012))
        tubes.append((x0, y0, RIM_HEIGHT_M, 0.55 * x1, 12.425 + 0.55 * (y1 - 12.425), 2.62, 0.006))
        colours += [2, 3]
    tubes.append((0.0, 12.65, RIM_HEIGHT_M, 0.0, 12.95, RIM_HEIGHT_M, 0.03))
    return np.array(tubes), [*colours, 2]


def _frames() -> Solids:
    tubes, colours = _tubes()
    both = np.concatenate([tubes, tubes * np.array([1, -1, 1, 1, -1, 1, 1])])
    patches = np.array([[0, colour, 1, 1] for colour in colours * 2])
    fronts = np.broadcast_to(np.array([0.31, 0.77, 0.55]), (1, len(both), 3))
    radii = np.repeat(both[:, 6:7], 2, axis=1)
    pipes = cones(both[None, :, :3], both[None, :, 3:6], radii, fronts, np.ones(len(both)), patches)
    plates: list[tuple[float, float, float, float, float, float, int]] = []
    for side in (1.0, -1.0):
        plates.append((0, side * 12.83, 3.425, 0.9, 0.02, 0.525, 1))
        plates.append((0, side * 12.80, 2.92, 0.92, 0.03, 0.03, 5))
        for x in (-0.9, 0.9):
            plates.append((x, side * 12.80, 3.1, 0.03, 0.03, 0.2, 5))
        for dx in (-0.295, 0.295):
            plates.append((dx, side * 12.80, 3.3, 0.025, 0.005, 0.225, 0))
        for z in (3.1, 3.5):
            plates.append((0, side * 12.80, z, 0.295, 0.005, 0.025, 0))
    for y in (-6.5, -3.2, 4.0):
        plates.append((8.75, y, 0.38, 0.17, 1.4, 0.03, 4))
        plates.append((8.75, y - 1.1, 0.18, 0.12, 0.04, 0.18, 0))
        plates.append((8.75, y + 1.1, 0.18, 0.12, 0.04, 0.18, 0))
    rows = np.array(plates)
    colours_of = np.array([[0, int(row[6]), 1, 1] for row in plates])
    every = joined([pipes, boxes(rows[:, :3], rows[:, 3:6], colours_of)])
    return every.ordered(np.argsort(every.origin[0, :, 1] < 0, kind="stable"))


@lru_cache(maxsize=2)
def build_hall(seed: int) -> Hall:
    """The hall of a seed; kept, since all cameras look at the same one."""
    rng = np.random.default_rng([seed, 2])
    light = _light_map(rng)
    floor = _floor_texture(rng, light)
    lengths = (2 * HALF_M[1], 2 * HALF_M[1], 2 * HALF_M[0], 2 * HALF_M[0])
    walls = [_wall_texture(rng, length, kind) for kind, length in enumerate(lengths)]
    walls.append(_ceiling_texture(rng))
    factor = MIRROR_PER_M / WALL_PER_M
    mirrors = [
        cv2.GaussianBlur(
            cv2.resize(wall, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), (0, 0), 2.2
        )
        for wall in walls
    ]
    wall_stack, walls_at = stacked(walls)
    mirror_stack, mirrors_at = stacked([np.asarray(mirror, np.uint8) for mirror in mirrors])
    room = Room(
        floor=floor,
        floor_per_m=float(FLOOR_PER_M),
        walls=wall_stack,
        walls_at=walls_at,
        wall_per_m=float(WALL_PER_M),
        mirrors=mirror_stack,
        mirrors_at=mirrors_at,
        mirror_per_m=float(MIRROR_PER_M),
        half=np.array(HALF_M),
        height=HEIGHT_M,
    )
    palette = np.array([_PALETTE], np.uint8)
    return Hall(room=room, light=light, frames=_frames(), palette=palette)
