"""A calibrated camera and a rig of them: values, checked when they are made.

Raw points are what the pictures show (distorted); undistorted ones are what triangulation works
on. Both directions answer NaN, never a wrong pixel: behind the camera, and beyond the radius at
which the lens polynomial folds over (`core.geometry.distortion`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from core.errors import DataError
from core.geometry.distortion import NUM_COEFFICIENTS
from core.geometry.lens import Lens, lens_of, lens_of_many

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """One camera; world to camera is ``x_cam = R @ x_world + t`` (x right, y down, z ahead).

    Attributes:
        name: unique in its rig.
        K: (3, 3) float64, upper triangular, pixels; skew allowed.
        distortion: (0|4|5|8|12,) float64, OpenCV's order.
        R: (3, 3) float64, cam_from_world.
        t_mm: (3,) float64, cam_from_world, millimetres.
        size_px: (width, height), or None where the calibration does not say.
        lens: K and distortion made ready for use; derived.
        P: (3, 4) float64, px_from_world, K [R | t]: undistorted pixels from millimetres; derived.
        center_mm: (3,) float64, the camera's centre in the world; derived.

    Raises:
        DataError: naming the camera and the field, where a value makes no camera.
    """

    name: str
    K: NDArray[np.float64]
    distortion: NDArray[np.float64]
    R: NDArray[np.float64]
    t_mm: NDArray[np.float64]
    size_px: tuple[int, int] | None = None
    lens: Lens = field(init=False, repr=False)
    P: NDArray[np.float64] = field(init=False, repr=False)
    center_mm: NDArray[np.float64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse what is no camera, naming the camera and the field."""
        for name, shape in (("K", (3, 3)), ("R", (3, 3)), ("t_mm", (3,))):
            object.__setattr__(self, name, self._checked(name, getattr(self, name), shape))
        coefficients = np.ravel(self._checked("distortion", self.distortion, None))
        if len(coefficients) not in NUM_COEFFICIENTS:
            self._refuse("distortion", "0, 4, 5, 8 or 12 coefficients", str(len(coefficients)))
        object.__setattr__(self, "distortion", coefficients)
        self._check_intrinsics()
        self._check_rotation()
        self._check_size()
        object.__setattr__(self, "lens", lens_of(self.K, self.distortion))
        P = self.K @ np.column_stack([self.R, self.t_mm])
        center = -np.linalg.solve(self.R, self.t_mm)  # exact where R is a rotation to 1e-3 only
        for name, value in (("P", P), ("center_mm", center)):
            value.setflags(write=False)
            object.__setattr__(self, name, value)

    def _refuse(
        self,
        name: str,
        expected: str,
        found: str,
        remedy: str = "Correct the calibration of this camera.",
    ) -> NoReturn:
        place = f"{self.name}.{name}"
        raise DataError("calibration", place, expected=expected, found=found, remedy=remedy)

    def _checked(
        self, name: str, value: ArrayLike, shape: tuple[int, ...] | None
    ) -> NDArray[np.float64]:
        try:
            array = np.array(value, dtype=np.float64)
        except (TypeError, ValueError):
            self._refuse(name, "numbers", repr(value)[:80])
        if shape is not None and array.shape != shape:
            self._refuse(name, f"shape {shape}", f"shape {array.shape}")
        if not np.isfinite(array).all():
            self._refuse(name, "finite numbers", "NaN or infinity")
        array.setflags(write=False)
        return array

    def _check_intrinsics(self) -> None:
        K = self.K
        if K[0, 0] <= 0 or K[1, 1] <= 0:
            self._refuse("K", "positive focal lengths", f"fx = {K[0, 0]:g}, fy = {K[1, 1]:g}")
        scale = max(K[0, 0], K[1, 1])
        below = max(abs(K[1, 0]), abs(K[2, 0]), abs(K[2, 1]))
        if below > 1e-9 * scale or abs(K[2, 2] - 1) > 1e-9:
            right = max(abs(K[0, 2]), abs(K[1, 2]), 1e-9 * scale)
            self._refuse(
                "K",
                "an upper triangular matrix with last row 0 0 1",
                np.array2string(K, precision=4),
                "Transpose K: this looks like MATLAB's order (DANNCE, Label3D, JARVIS)."
                if below > right
                else "Correct the calibration of this camera.",
            )

    def _check_rotation(self) -> None:
        error = float(np.abs(self.R.T @ self.R - np.eye(3)).max())
        if error > 1e-3:
            self._refuse("R", "a rotation: RᵀR = 1 within 1e-3", f"a difference of {error:.3g}")
        if np.linalg.det(self.R) < 0:
            self._refuse("R", "a rotation: det R = +1", "det R = -1, a mirror image")

    def _check_size(self) -> None:
        if self.size_px is None:
            return
        size = tuple(int(value) for value in self.size_px)
        if len(size) != 2 or min(size) <= 0 or size != tuple(self.size_px):
            self._refuse("size_px", "a whole width and height above 0", str(self.size_px))
        object.__setattr__(self, "size_px", size)

    @property
    def extent_px(self) -> tuple[float, float]:
        """Width and height; twice the principal point where the calibration does not say."""
        if self.size_px is not None:
            return float(self.size_px[0]), float(self.size_px[1])
        return 2 * abs(float(self.K[0, 2])) + 1, 2 * abs(float(self.K[1, 2])) + 1

    def with_size(self, width: int, height: int) -> Camera:
        """The same camera with this picture size in pixels."""
        return replace(self, size_px=(width, height))

    def is_copied_by(self, size_px: tuple[int, int]) -> bool:
        """Whether pictures of this (width, height) are the calibrated ones, maybe scaled.

        Pictures of the calibrated shape are taken for smaller or larger copies. Others were cropped
        or padded (1088 calibrated lines, 1080 recorded ones): they keep their own pixels, as all do
        where the calibration does not say its size.
        """
        if self.size_px is None:
            return False
        width, height = self.size_px
        return abs(size_px[0] - width * size_px[1] / height) <= 1

    def cam_from_world(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """World points (..., 3) in this camera's frame, mm: x right, y down, z ahead."""
        return np.asarray(points_mm, dtype=np.float64) @ self.R.T + self.t_mm

    def depth_mm(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """Distance of world points (..., 3) along the optical axis, (...); negative = behind."""
        return np.asarray(points_mm, dtype=np.float64) @ self.R[2] + self.t_mm[2]

    def project(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """World points (..., 3) mm to raw pixels (..., 2), in or out of the picture.

        NaN where the point is, where it is not in front of the camera, and where it lies beyond
        the fold-over of the lens.
        """
        return self.lens.project(self.cam_from_world(points_mm))

    def undistort(self, points_px: ArrayLike) -> NDArray[np.float64]:
        """Raw pixels (..., 2) to undistorted ones; NaN stays, and where no ray is imaged."""
        return self.lens.undistort(np.asarray(points_px, dtype=np.float64))

    def distort(self, points_px: ArrayLike) -> NDArray[np.float64]:
        """Undistorted pixels (..., 2) to raw ones; NaN stays, and beyond the fold-over."""
        return self.lens.distort(np.asarray(points_px, dtype=np.float64))

    def rays(self, points_px: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The rays of raw pixels (..., 2): origin (3,) mm and unit directions (..., 3), world.

        NaN where the pixel is, and where no ray is imaged.
        """
        u, v = np.moveaxis(self.undistort(points_px), -1, 0)
        x, y = self.lens.to_normalised(u, v)
        directions = np.stack([x, y, np.ones_like(x)], axis=-1)
        directions = directions @ np.linalg.inv(self.R).T  # R may differ from a rotation by 1e-3
        return self.center_mm, directions / np.linalg.norm(directions, axis=-1, keepdims=True)

    def frustum(self, depth_mm: float) -> NDArray[np.float64]:
        """(5, 3) mm, world: the centre, and where the picture's corners are at that depth.

        Corners from the top left, clockwise in the picture. A corner that the lens model cannot
        see (it folds over before) is drawn where a straight lens would have it.
        """
        width, height = self.extent_px
        low, right, bottom = -0.5, width - 0.5, height - 0.5
        corners = np.array([(low, low), (right, low), (right, bottom), (low, bottom)])
        seen = self.undistort(corners)
        x, y = self.lens.to_normalised(*np.where(np.isnan(seen), corners, seen).T)
        at_depth = np.stack([x, y, np.ones(4)], axis=-1) * depth_mm
        return np.vstack([self.center_mm, (at_depth - self.t_mm) @ np.linalg.inv(self.R).T])


@dataclass(frozen=True, slots=True, eq=False)
class Rig:
    """The synchronised cameras of a recording, in the order used everywhere (axis C)."""

    cameras: tuple[Camera, ...]
    names: tuple[str, ...] = field(init=False)
    projections: NDArray[np.float64] = field(init=False, repr=False)
    lens: Lens = field(init=False, repr=False)
    _cam_from_world: NDArray[np.float64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse a rig without cameras, or whose cameras cannot be told apart by name."""
        object.__setattr__(self, "cameras", tuple(self.cameras))
        if not self.cameras:
            self._refuse("", "at least one camera", "none", "Give a calibration with cameras.")
        names = tuple(camera.name for camera in self.cameras)
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            found = f"{names.count(twice[0])} cameras of that name"
            self._refuse(twice[0], "every camera name once", found, "Rename one of them.")
        for name in names:  # a line break would break reports
            if not name.isprintable() or not name.strip():
                expected = "a camera's name of printable characters"
                self._refuse("", expected, repr(name[:40]), "Rename the camera.")
        object.__setattr__(self, "names", names)
        projections = np.stack([camera.P for camera in self.cameras])
        projections.setflags(write=False)
        object.__setattr__(self, "projections", projections)
        object.__setattr__(self, "lens", lens_of_many([camera.lens for camera in self.cameras]))
        rotations = np.stack([np.column_stack([c.R, c.t_mm]) for c in self.cameras])
        object.__setattr__(self, "_cam_from_world", rotations)

    @staticmethod
    def _refuse(name: str, expected: str, found: str, remedy: str) -> NoReturn:
        raise DataError("calibration", name, expected=expected, found=found, remedy=remedy)

    def __len__(self) -> int:
        return len(self.cameras)

    def __iter__(self) -> Iterator[Camera]:
        return iter(self.cameras)

    def __getitem__(self, index: int) -> Camera:
        return self.cameras[index]

    def index(self, name: str) -> int:
        """The camera's place on axis C.

        Raises:
            DataError: where the rig has no camera of that name.
        """
        if name not in self.names:
            remedy = "Use a name of the calibration, or correct the calibration."
            self._refuse(name, f"one of {', '.join(self.names)}", "no camera of that name", remedy)
        return self.names.index(name)

    def project(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """World points (..., J, 3) mm in every camera: raw pixels (..., C, J, 2).

        NaN as in `Camera.project`.
        """
        return self.project_each(np.asarray(points_mm, dtype=np.float64)[..., None, :, :])

    def project_each(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """World points (..., C, J, 3) mm, each in its own camera only: raw pixels (..., C, J, 2).

        NaN as in `Camera.project`.
        """
        R, t = self._cam_from_world[:, :, :3], self._cam_from_world[:, :, 3]
        points = np.asarray(points_mm, dtype=np.float64)
        return self.lens.project(points @ R.transpose(0, 2, 1) + t[:, None, :])

    def undistort(self, points_px: ArrayLike) -> NDArray[np.float64]:
        """Raw pixels (..., C, J, 2), camera by camera, to undistorted ones; NaN as in `Camera`."""
        return self.lens.undistort(self._checked_points(points_px))

    def distort(self, points_px: ArrayLike) -> NDArray[np.float64]:
        """Undistorted pixels (..., C, J, 2), camera by camera, to raw ones; NaN as in `Camera`."""
        return self.lens.distort(self._checked_points(points_px))

    def _checked_points(self, points_px: ArrayLike) -> NDArray[np.float64]:
        points = np.asarray(points_px, dtype=np.float64)
        if points.ndim < 3 or points.shape[-3] != len(self) or points.shape[-1] != 2:
            raise ValueError(f"points_px: expected (..., {len(self)}, J, 2), got {points.shape}")
        return points
