"""A calibrated camera and a rig of them: values, checked when they are made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from core.errors import DataError
from core.geometry.distortion import NUM_COEFFICIENTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """One camera; world to camera is ``x_cam = R @ x_world + t`` (OpenCV: x right, y down, z ahead).

    Attributes:
        name: unique in its rig.
        K: (3, 3) float64, upper triangular, pixels; skew allowed.
        distortion: (0|4|5|8|12,) float64, OpenCV's order.
        R: (3, 3) float64, cam_from_world.
        t_mm: (3,) float64, cam_from_world, millimetres.
        size_px: (width, height), or None where the calibration does not say.
    """

    name: str
    K: NDArray[np.float64]
    distortion: NDArray[np.float64]
    R: NDArray[np.float64]
    t_mm: NDArray[np.float64]
    size_px: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Refuse what is no camera, naming the camera and the field."""
        for name, shape in (("K", (3, 3)), ("R", (3, 3)), ("t_mm", (3,))):
            object.__setattr__(self, name, self._checked(name, getattr(self, name), shape))
        coefficients = np.asarray(self.distortion, dtype=np.float64).reshape(-1)
        if len(coefficients) not in NUM_COEFFICIENTS:
            self._refuse("distortion", "0, 4, 5, 8 or 12 coefficients", str(len(coefficients)))
        object.__setattr__(
            self, "distortion", self._checked("distortion", coefficients, coefficients.shape)
        )
        self._check_intrinsics()
        self._check_rotation()

    def _refuse(self, name: str, expected: str, found: str) -> None:
        raise DataError(
            "calibration",
            f"{self.name}.{name}",
            expected=expected,
            found=found,
            remedy="Correct the calibration of this camera.",
        )

    def _checked(self, name: str, value: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
        array = np.array(value, dtype=np.float64)
        if array.shape != shape:
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
        if max(abs(K[1, 0]), abs(K[2, 0]), abs(K[2, 1])) > 1e-9 * scale or abs(K[2, 2] - 1) > 1e-9:
            self._refuse(
                "K",
                "an upper triangular matrix with last row 0 0 1",
                np.array2string(K, precision=4),
            )

    def _check_rotation(self) -> None:
        error = float(np.abs(self.R.T @ self.R - np.eye(3)).max())
        if error > 1e-3:
            self._refuse("R", "a rotation: RᵀR = 1 within 1e-3", f"a difference of {error:.3g}")
        if np.linalg.det(self.R) < 0:
            self._refuse("R", "a rotation: det R = +1", "det R = -1, a mirror image")

    @property
    def P(self) -> NDArray[np.float64]:
        """(3, 4) px_from_world, undistorted pixels from millimetres: K [R | t]."""
        return self.K @ np.column_stack([self.R, self.t_mm])

    @property
    def center_mm(self) -> NDArray[np.float64]:
        """(3,) the camera's centre in the world."""
        return -self.R.T @ self.t_mm


@dataclass(frozen=True, slots=True, eq=False)
class Rig:
    """The synchronised cameras of a recording, in the order used everywhere (axis C)."""

    cameras: tuple[Camera, ...]
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Refuse a rig whose cameras cannot be told apart by name."""
        names = tuple(camera.name for camera in self.cameras)
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DataError(
                "calibration",
                twice[0],
                expected="every camera name once",
                found=f"{names.count(twice[0])} cameras of that name",
                remedy="Rename one of them.",
            )
        object.__setattr__(self, "names", names)

    def __len__(self) -> int:
        return len(self.cameras)

    def __iter__(self) -> Iterator[Camera]:
        return iter(self.cameras)

    def __getitem__(self, index: int) -> Camera:
        return self.cameras[index]

    @property
    def projections(self) -> NDArray[np.float64]:
        """(C, 3, 4) px_from_world, undistorted pixels from millimetres."""
        return np.stack([camera.P for camera in self.cameras])
