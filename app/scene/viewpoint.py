"""Where the 3D viewer stands: pure geometry between the stage and the canvas, without OpenGL.

There are two ways to look: about a point (`OrbitView`, which the pointer turns), and through a
calibrated camera (`PictureView`). Both come down to a `Pinhole` for a canvas of a given size, and
drawing, picking and labels all use that one. A calibrated camera's K is taken as it is, with its
principal point, skew and two focal lengths; so what is seen through a camera is its undistorted
picture exactly, scaled and shifted to fit. Only the lens distortion is left out: lines stay
straight here.

Canvas positions are logical pixels, x right and y down from the top left corner. On a high-DPI
screen a logical pixel is several of the framebuffer's; only `app.scene.canvas` knows those.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.geometry import Camera

Size = tuple[float, float]
Place = tuple[float, float]

FOV_DEGREES = 34.0
_MAX_ELEVATION = 89.0
_MIN_ELEVATION = -30.0
_DEGREES_PER_PX = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class Pinhole:
    """A straight lens in front of a canvas.

    Attributes:
        K: (3, 3) canvas_from_view, logical pixels.
        R: (3, 3) view_from_stage: rows are right, down and ahead.
        eye: (3,) where it stands, stage units.
    """

    K: NDArray[np.float64]
    R: NDArray[np.float64]
    eye: NDArray[np.float64]

    def depth(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far ahead stage points (..., 3) are, stage units; negative = behind."""
        return (points - self.eye) @ self.R[2]

    def project(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Stage points (..., 3) to canvas positions (..., 2); NaN for what is not ahead."""
        seen = (points - self.eye) @ self.R.T
        depth = np.where(seen[..., 2:] > 1e-9, seen[..., 2:], np.nan)
        return (seen / depth) @ self.K[:2].T

    def direction(self, position: Place) -> NDArray[np.float64]:
        """(3,) from the eye through a canvas position, one unit deep, stage axes."""
        return np.linalg.solve(self.K, np.array([*position, 1.0])) @ self.R

    def clip_matrix(self, size: Size, near: float) -> NDArray[np.float32]:
        """(4, 4) OpenGL's clip_from_stage, columns to multiply; z clips at ``near`` only."""
        width, height = size
        ndc = np.array([[2 / width, 0, -1], [0, -2 / height, 1], [0, 0, 1]]) @ self.K
        rows = np.stack([ndc[0], ndc[1], np.array([0.0, 0.0, 1.0]), np.array([0.0, 0.0, 1.0])])
        matrix = np.zeros((4, 4))
        matrix[:, :3] = rows @ self.R
        matrix[:, 3] = -matrix[:, :3] @ self.eye
        matrix[2, 3] -= 2 * near
        return matrix.astype(np.float32)

    @property
    def focal(self) -> float:
        """Canvas pixels of a unit length one unit ahead."""
        return float(np.sqrt(abs(self.K[0, 0] * self.K[1, 1])))


@dataclass(frozen=True, slots=True, eq=False)
class OrbitView:
    """About a point, z up.

    Attributes:
        center: (3,) what it turns about, stage units.
        distance: from there, stage units.
        azimuth: degrees about z; 0 looks along +y.
        elevation: degrees above the ground.
    """

    center: NDArray[np.float64]
    distance: float
    azimuth: float = 25.0
    elevation: float = 28.0

    def pinhole(self, size: Size) -> Pinhole:
        """The lens for a canvas of this size: as wide an angle whatever its shape."""
        focal = 0.5 * np.sqrt(size[0] * size[1]) / np.tan(np.radians(FOV_DEGREES) / 2)
        K = np.array([[focal, 0, size[0] / 2], [0, focal, size[1] / 2], [0, 0, 1]])
        axes = self._axes()
        return Pinhole(K, axes, self.center - self.distance * axes[2])

    def _axes(self) -> NDArray[np.float64]:
        azimuth, elevation = np.radians(self.azimuth), np.radians(self.elevation)
        level = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
        up = np.array([0.0, 0.0, 1.0])
        ahead = np.cos(elevation) * level - np.sin(elevation) * up
        right = np.cross(level, up)
        return np.stack([right, np.cross(ahead, right), ahead])

    def about(self, center: NDArray[np.float64]) -> OrbitView:
        """The same, about another point."""
        return replace(self, center=center)

    def turned(self, dx: float, dy: float) -> OrbitView:
        """After a drag of so many pixels: what was grabbed follows the pointer."""
        elevation = float(np.clip(self.elevation + dy * _DEGREES_PER_PX, *_ELEVATIONS))
        azimuth = (self.azimuth - dx * _DEGREES_PER_PX + 180) % 360 - 180
        return replace(self, azimuth=azimuth, elevation=elevation)

    def moved(self, dx: float, dy: float, size: Size) -> OrbitView:
        """After a drag that shifts: the plane of the centre follows the pointer."""
        pinhole = self.pinhole(size)
        shift = (dx * pinhole.R[0] + dy * pinhole.R[1]) * self.distance / pinhole.focal
        return replace(self, center=self.center - shift)

    def zoomed(self, factor: float, position: Place | None, size: Size, limits: Size) -> OrbitView:
        """Nearer (factor < 1) or farther; what is under ``position`` stays there.

        Args:
            factor: of the distance.
            position: on the canvas; None = its middle.
            size: of the canvas.
            limits: least and greatest distance.
        """
        distance = float(np.clip(self.distance * factor, *limits))
        center = self.center
        if position is not None:
            pinhole = self.pinhole(size)
            grabbed = pinhole.eye + self.distance * pinhole.direction(position)
            center = center + (1 - distance / self.distance) * (grabbed - center)
        return replace(self, center=center, distance=distance)

    def fitted(self, points: NDArray[np.float64], size: Size, margin_px: float) -> OrbitView:
        """As near as it gets, from the same side, with all of ``points`` (N, 3) on the canvas.

        The four sides of the view are planes through the eye; each pair of opposite ones gives
        the nearest eye between which all points lie, and the farther of the two pairs decides.
        """
        width, height = size
        pinhole = self.pinhole(size)
        seen = points @ pinhole.R.T
        half = np.maximum([width / 2 - margin_px, height / 2 - margin_px], 0.2 * min(size))
        slope = half / pinhole.focal
        high = (seen[:, :2] - slope * seen[:, 2:]).max(axis=0)
        low = (-seen[:, :2] - slope * seen[:, 2:]).max(axis=0)
        depth = float((-(high + low) / (2 * slope)).min())
        eye = np.array([*((high - low) / 2), depth])
        middle = float(np.median(seen[:, 2]))
        center = np.array([eye[0], eye[1], middle]) @ pinhole.R
        return replace(self, center=center, distance=middle - depth)


_ELEVATIONS = (_MIN_ELEVATION, _MAX_ELEVATION)


@dataclass(frozen=True, slots=True, eq=False)
class PictureView:
    """Through a calibrated camera.

    Attributes:
        K: (3, 3) px_from_cam of the camera, undistorted pixels.
        R: (3, 3) cam_from_stage.
        eye: (3,) the camera's centre, stage units.
        frame_px: (left, top, right, bottom) of what is to be seen, undistorted pixels.
        zoom: (scale, dx, dy) applied to canvas positions about nothing: p -> scale p + d.
    """

    K: NDArray[np.float64]
    R: NDArray[np.float64]
    eye: NDArray[np.float64]
    frame_px: tuple[float, float, float, float]
    zoom: tuple[float, float, float] = (1.0, 0.0, 0.0)

    def pinhole(self, size: Size) -> Pinhole:
        """The camera, its picture scaled alike in x and y to fit the canvas."""
        scale, x, y = self.canvas_from_px(size)
        fit = np.array([[scale, 0, x], [0, scale, y], [0, 0, 1]])
        return Pinhole(fit @ self.K, self.R, self.eye)

    def canvas_from_px(self, size: Size) -> tuple[float, float, float]:
        """(scale, dx, dy): undistorted pixel p is at scale p + d on a canvas of this size."""
        left, top, right, bottom = self.frame_px
        scale = min(size[0] / (right - left), size[1] / (bottom - top))
        x = size[0] / 2 - scale * (left + right) / 2
        y = size[1] / 2 - scale * (top + bottom) / 2
        gain, dx, dy = self.zoom
        return gain * scale, gain * x + dx, gain * y + dy

    def moved(self, dx: float, dy: float) -> PictureView:
        """After a drag that shifts."""
        gain, x, y = self.zoom
        return replace(self, zoom=(gain, x + dx, y + dy))

    def zoomed(self, factor: float, position: Place) -> PictureView:
        """Nearer (factor < 1) or farther; what is under ``position`` stays there."""
        gain, x, y = self.zoom
        wanted = float(np.clip(gain / factor, 0.5, 60.0))
        change = wanted / gain
        left = position[0] + change * (x - position[0])
        top = position[1] + change * (y - position[1])
        return replace(self, zoom=(wanted, left, top))

    def orbit(self, pivot_distance: float) -> OrbitView:
        """About a point straight ahead, from the same place, upright.

        A camera that looks straight down says by its picture which way is up on the screen.
        """
        ahead = self.R[2] / np.linalg.norm(self.R[2])
        flat = float(np.hypot(ahead[0], ahead[1]))
        level = ahead if flat > 0.05 else -self.R[1]
        return OrbitView(
            center=self.eye + pivot_distance * ahead,
            distance=pivot_distance,
            azimuth=float(np.degrees(np.arctan2(-level[0], level[1]))),
            elevation=float(
                np.clip(np.degrees(np.arcsin(np.clip(-ahead[2], -1, 1))), *_ELEVATIONS)
            ),
        )


def border_px(camera: Camera, num_steps: int = 12) -> NDArray[np.float64]:
    """(4 n, 2) the picture's border, clockwise from the top left, in undistorted pixels.

    NaN where the lens model sees nothing (it folds over before the corner).
    """
    width, height = camera.extent_px
    steps = np.arange(num_steps) / num_steps
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]) * (width, height) - 0.5
    raw = [a + steps[:, None] * (b - a) for a, b in pairwise(corners)]
    return camera.undistort(np.concatenate(raw))


def frame_px(camera: Camera) -> tuple[float, float, float, float]:
    """The rectangle of undistorted pixels that holds the picture: (left, top, right, bottom).

    A wide lens stretches the corners of its undistorted picture without end; the frame reaches at
    most a third of the picture's size beyond it, and the corners may be cut.
    """
    width, height = camera.extent_px
    border = border_px(camera)
    low = np.nanmin(np.vstack([border, [(-0.5, -0.5)]]), axis=0)
    high = np.nanmax(np.vstack([border, [(width - 0.5, height - 0.5)]]), axis=0)
    room = np.array([width, height]) / 3
    low = np.maximum(low, -room)
    high = np.minimum(high, np.array([width, height]) + room)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])
