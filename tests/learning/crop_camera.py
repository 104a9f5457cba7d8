"""A crop seen as a camera of its own: the reference that the crops' maps are held against."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.geometry import Camera
from core.learning.crops import inverted


@dataclass(frozen=True, slots=True, eq=False)
class CropCamera:
    """A camera as seen through a crop, exact through resize, shift, turn and mirror.

    Not a `Camera`, whose K must be upper triangular with positive focal lengths: a turned or
    mirrored crop has none such.

    Attributes:
        camera: whose picture was cropped.
        raw_from_crop: (2, 3).
        K: (3, 3), undistorted crop pixels from normalised camera coordinates.
        P: (3, 4), undistorted crop pixels from world millimetres, K [R | t].
    """

    camera: Camera
    raw_from_crop: NDArray[np.float64]
    K: NDArray[np.float64]
    P: NDArray[np.float64]

    def project(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """World points (..., 3) mm to pixels of the crop (..., 2), distorted as the picture is."""
        return self._crop_from(self.camera.project(points_mm))

    def undistort(self, points_crop: ArrayLike) -> NDArray[np.float64]:
        """Pixels of the crop (..., 2) to undistorted ones of the crop, which `P` is about."""
        points = np.asarray(points_crop, dtype=np.float64)
        raw = points @ self.raw_from_crop[:, :2].T + self.raw_from_crop[:, 2]
        return self._crop_from(self.camera.undistort(raw))

    def _crop_from(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        crop_from_raw = inverted(self.raw_from_crop)
        return raw @ crop_from_raw[:, :2].T + crop_from_raw[:, 2]


def camera_of_crop(camera: Camera, raw_from_crop: NDArray[np.float64]) -> CropCamera:
    """The camera whose picture is the crop.

    Args:
        camera: of the whole picture.
        raw_from_crop: (2, 3), raw pixels from crop pixels, of a determinant other than 0.
    """
    crop_from_raw = np.vstack([inverted(raw_from_crop), [0.0, 0.0, 1.0]])
    K = crop_from_raw @ camera.K
    return CropCamera(camera, raw_from_crop, K, crop_from_raw @ camera.P)
