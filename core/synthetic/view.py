"""Pictures of one camera: the empty hall painted once, people ray cast into it frame by frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.geometry.distortion import fold_radius
from core.recording.cv import cv2
from core.synthetic import raster
from core.synthetic.body import Point
from core.synthetic.figures import SHUTTER_S, SOLIDS_PER_PERSON, Cast, frame_solids
from core.synthetic.hall_raster import paint_hall
from core.synthetic.solids import boxes_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.geometry.camera import Camera
    from core.synthetic.body import Bodies
    from core.synthetic.hall import Hall
    from core.synthetic.solids import Solids

    Floats = NDArray[np.float64]
    Picture = NDArray[np.uint8]

_GRID_PX = 4
_TILE_PX = 512
_SHADOW_M = 0.9


def ray_grid(camera: Camera) -> NDArray[np.float32]:
    """(h, w, 2) normalised undistorted positions of raw pixels; NaN beyond the fold-over.

    Undistorted every fourth pixel and interpolated between: 0.01 px at most off.
    """
    width, height = _size(camera)
    u = np.arange(0, width + 2 * _GRID_PX, _GRID_PX, dtype=np.float64)
    v = np.arange(0, height + 2 * _GRID_PX, _GRID_PX, dtype=np.float64)
    straight = camera.undistort(np.stack(np.meshgrid(u, v), axis=-1))
    y = (straight[..., 1] - camera.K[1, 2]) / camera.K[1, 1]
    x = (straight[..., 0] - camera.K[0, 2] - camera.K[0, 1] * y) / camera.K[0, 0]
    coarse = np.stack([x, y], axis=-1).astype(np.float32)
    cols = np.broadcast_to(np.arange(width, dtype=np.float32) / _GRID_PX, (height, width))
    rows = np.broadcast_to(np.arange(height, dtype=np.float32)[:, None] / _GRID_PX, (height, width))
    fine = cv2.remap(coarse, cols.copy(), rows.copy(), cv2.INTER_LINEAR)
    return np.asarray(fine, np.float32)


def _size(camera: Camera) -> tuple[int, int]:
    assert camera.size_px is not None
    return camera.size_px


def lens_gain(camera: Camera, rays: NDArray[np.float32]) -> NDArray[np.float32]:
    """(h, w) light that the lens lets through: falls outward, to black at the fold-over."""
    radius = np.linalg.norm(rays, axis=-1)
    fold = min(fold_radius(camera.distortion.tolist()), 10.0)
    edge = np.clip((0.99 * fold - radius) / (0.34 * fold), 0, 1)
    gain = edge * edge * (3 - 2 * edge) / (1 + 0.12 * radius**2)
    return np.nan_to_num(gain, nan=0.0).astype(np.float32)


class CameraRenderer:
    """Renders any frame of a match as one camera sees it; not for several threads at once.

    Attributes:
        camera: with a size.
        background: (h, w, 3) uint8 BGR, the empty hall without noise.
    """

    def __init__(self, camera: Camera, cast: Cast, hall: Hall) -> None:
        self.camera, self._cast, self._hall = camera, cast, hall
        width, height = _size(camera)
        self._rays = ray_grid(camera)
        self._gain = lens_gain(camera, self._rays)
        self.background = np.zeros((height, width, 3), np.uint8)
        self._floor_m = np.empty((height, width, 2), np.float32)
        self._seed = [cast.config.seed, 4, _camera_number(camera.name)]
        self._paint_hall()
        self._static_z, self._ids = raster.sample_buffers(height, width)
        self._light = self._lights()
        self._draw_frames()
        self._z = self._static_z.copy()
        rng = np.random.default_rng(self._seed)
        self._balance = np.array([1.0, 1.0, 1.0]) + rng.normal(0, 0.025, 3)
        self._brightness = rng.uniform(0.94, 1.06)
        self._gamma = rng.uniform(0.92, 1.08)
        self._tile = _noise_tile(rng, rng.uniform(1.0, 2.0))

    def _paint_hall(self) -> None:
        paint_hall(
            self._rays,
            np.ascontiguousarray(self.camera.R.T),
            self.camera.center_mm / 1000.0,
            self._hall.room,
            self._gain,
            self.background,
            self._floor_m,
        )

    def _lights(self) -> Floats:
        """(3, 3) up, key and fill light in the camera's frame."""
        world = np.array([[0.0, 0.0, 1.0], [0.75, 0.15, 0.64], [-0.5, -0.7, 0.5]])
        world /= np.linalg.norm(world, axis=1, keepdims=True)
        return np.ascontiguousarray(world @ self.camera.R.T)

    def _draw_frames(self) -> None:
        """Basket frames into the background and the depth that people are compared with."""
        frames = self._hall.frames
        boxes = self._clipped(frames.boxes_px(self.camera, 24))
        casting = self._casting(frames, self._static_z)
        raster.draw(casting, boxes, np.full((1, len(frames), 5), np.inf))
        levels = np.full(len(frames), 0.95)
        shading = self._shading(frames, self._hall.palette, levels)
        raster.resolve(self.background, casting, shading, boxes)

    def _casting(self, solids: Solids, z: NDArray[np.float32]) -> raster.Casting:
        linear, offset = solids.seen_from(self.camera)
        return raster.Casting(
            rays=self._rays, linear=linear, offset=offset, shape=solids.shape, z=z, ids=self._ids
        )

    def _shading(self, solids: Solids, atlas: Picture, levels: Floats) -> raster.Shading:
        return raster.Shading(
            patches=solids.patches,
            atlas=atlas,
            levels=levels,
            light=self._light,
            gain=self._gain,
        )

    def _clipped(self, boxes_px: Floats) -> NDArray[np.int64]:
        """Whole-pixel boxes within the picture less one pixel; empty where there is no image."""
        width, height = _size(self.camera)
        known = np.asarray(~np.isnan(boxes_px).any(axis=1))
        filled = np.where(known[:, None], boxes_px, 0)
        limit = np.array([width - 1, height - 1])
        low = np.clip(np.floor(filled[:, :2]), 0, limit)
        high = np.clip(np.ceil(filled[:, 2:]) + 1, 0, limit) * known[:, None]
        return np.concatenate([low, np.maximum(high, low)], axis=1).astype(np.int64)

    def render(self, frame: int) -> Picture:
        """(h, w, 3) uint8 BGR of a 0-based frame, as it comes from the camera."""
        shutter = SHUTTER_S * self._cast.config.fps
        solids, bodies = frame_solids(self._cast, frame + shutter * (raster.SAMPLE_TIMES - 0.5))
        image = self.background.copy()
        self._cast_shadows(image, bodies)
        self._draw_people(image, solids, bodies)
        return self._developed(image, frame)

    def _cast_shadows(self, image: Picture, bodies: Bodies) -> None:
        points = bodies.points_m[0]
        feet = [
            points[:, p]
            for p in (Point.LEFT_TOE, Point.LEFT_HEEL, Point.RIGHT_TOE, Point.RIGHT_HEEL)
        ]
        spots = np.zeros((len(points), 5, 4))
        for i, foot in enumerate(feet):
            spots[:, i, :2] = foot[:, :2]
            spots[:, i, 2] = 1 / 0.13**2
            spots[:, i, 3] = 0.30 * np.clip(1 - foot[:, 2] / 0.25, 0, 1)
        spots[:, 4, :2] = points[:, Point.PELVIS, :2]
        spots[:, 4, 2:] = 1 / 0.55**2, 0.20
        ring = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1], [0, 0]]) * _SHADOW_M
        corners = np.zeros((len(points), 5, 3))
        corners[..., :2] = points[:, Point.PELVIS, None, :2] + ring
        px = self.camera.project(1000.0 * corners)
        boxes = self._clipped(np.concatenate([px.min(axis=1), px.max(axis=1)], axis=-1))
        raster.cast_shadows(image, self._floor_m, boxes, spots)

    def _draw_people(self, image: Picture, solids: Solids, bodies: Bodies) -> None:
        strokes = solids.strokes_px(self.camera)
        boxes = self._clipped(boxes_of(strokes))
        regions = _regions(boxes)
        for x0, y0, x1, y1 in regions:
            self._z[:, y0:y1, x0:x1] = self._static_z[:, y0:y1, x0:x1]
        casting = self._casting(solids, self._z)
        raster.draw(casting, boxes, strokes)
        ground = bodies.points_m[0, :, Point.PELVIS, :2]
        levels = np.append(np.repeat(self._hall.brightness(ground), SOLIDS_PER_PERSON), 1.0)
        raster.resolve(image, casting, self._shading(solids, self._cast.atlas, levels), regions)

    def _developed(self, image: Picture, frame: int) -> Picture:
        """Soft lens, exposure, colour balance and noise."""
        rng = np.random.default_rng([*self._seed, frame])
        soft = np.asarray(cv2.GaussianBlur(image, (3, 3), 0.62), np.uint8)
        exposure = self._brightness * rng.normal(1, 0.006)
        level = np.linspace(0, 1, 256)[:, None] ** self._gamma
        table = np.clip(255 * exposure * self._balance * level + 0.5, 0, 255).astype(np.uint8)
        row, col = rng.integers(0, _TILE_PX, 2)
        raster.add_noise(soft, self._tile, int(row), int(col), table)
        return soft


def _regions(boxes: NDArray[np.int64]) -> NDArray[np.int64]:
    """One box a person and one for the ball, around their solids' boxes; empty ones left out."""
    people = boxes[:-1].reshape(-1, SOLIDS_PER_PERSON, 4)
    seen = people[..., 2] > people[..., 0]
    far = np.iinfo(np.int64).max
    low = np.where(seen[..., None], people[..., :2], far).min(axis=1)
    high = np.where(seen[..., None], people[..., 2:], 0).max(axis=1)
    regions = np.concatenate([np.concatenate([low, high], axis=1), boxes[-1:]])
    return regions[regions[:, 2] > regions[:, 0]]


def _camera_number(name: str) -> int:
    return int("".join(letter for letter in name if letter.isdigit()) or "0")


def _noise_tile(rng: np.random.Generator, sigma: float) -> NDArray[np.int8]:
    """Grain: mostly luminance, a little colour, a little soft."""
    shape = (_TILE_PX, _TILE_PX)
    grain = rng.standard_normal((*shape, 1)) + 0.5 * rng.standard_normal((*shape, 3))
    soft = cv2.GaussianBlur(grain, (3, 3), 0.5)
    return np.clip(np.round(sigma * soft / soft.std()), -20, 20).astype(np.int8)
