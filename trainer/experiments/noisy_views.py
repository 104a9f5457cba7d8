"""Figure 4's simulation: points that six cameras see, and noise on some of the views.

The noise stands on the circle of radius r about the true image point, its angle drawn evenly, as
the paper says; which views are noisy is drawn anew for each point. All radii of a seed share their
points, views and angles, so that a curve shows the radius and not the draw.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.errors import DataError
from core.formats.sportcenter import PUBLISHED_SIZES_PX, read_calibration
from core.geometry import Rig
from core.synthetic.rig import OVERHEAD, court_rig

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

NUM_VIEWS = 6
_BOX_MM = ((-14000.0, -14000.0, 0.0), (14000.0, 14000.0, 2000.0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NoisyViews:
    """J points in C views, and the draws from which every observation of a seed is made.

    Attributes:
        projections: (C, 3, 4) px_from_world, millimetres.
        truth_mm: (J, 3) world.
        image_px: (C, J, 2) undistorted pixels, exact.
        rank: (C, J) the order in which views become noisy: those below k are.
        circle: (C, J, 2) unit vectors.
        normal: (C, J, 2) standard normal draws, for noise on all views.
    """

    projections: NDArray[np.float64]
    truth_mm: NDArray[np.float64]
    image_px: NDArray[np.float64]
    rank: NDArray[np.int64]
    circle: NDArray[np.float64]
    normal: NDArray[np.float64]

    def observe(self, num_noisy: int, radius_px: float, floor_px: float) -> NDArray[np.float64]:
        """(C, J, 2) undistorted pixels: `num_noisy` views off by `radius_px`, floor on all."""
        noise = np.where((self.rank < num_noisy)[..., None], radius_px * self.circle, 0.0)
        return self.image_px + noise + floor_px * self.normal


def six_views(calibration: Path | None) -> tuple[Rig, str]:
    """Six cameras from the sides, and their name for the report.

    Args:
        calibration: the real SportCenter's calibration.json; None = the synthetic court.

    Raises:
        DataError: the file is damaged, or lacks one of the six cameras.
    """
    if calibration is None:
        rig = court_rig()
        sides = [camera for camera in rig if camera.name not in OVERHEAD]
        return Rig(tuple(sides)), "the synthetic court's six side cameras"
    rig = read_calibration(calibration)
    sides = [
        rig[rig.index(f"ace_{i}")].with_size(*PUBLISHED_SIZES_PX[f"ace_{i}"]) for i in range(6)
    ]
    return Rig(tuple(sides)), "SportCenter's real cameras ace_0 to ace_5"


def draw(rig: Rig, num_points: int, seed: int) -> NoisyViews:
    """Points that all views see, up to 2 m above the ground, with their noise.

    Raises:
        DataError: the cameras see no place in common.
    """
    rng = np.random.default_rng([seed, 4])
    found: list[NDArray[np.float64]] = []
    for _ in range(200):
        points_mm = rng.uniform(*_BOX_MM, (max(num_points, 1000), 3))
        found.append(points_mm[_seen_by_all(rig, points_mm)])
        if sum(map(len, found)) >= num_points:
            break
    else:
        raise DataError(
            "calibration",
            expected="cameras that see a place on the court in common",
            found=f"{sum(map(len, found))} points in all views",
            remedy="Give the calibration of cameras that look at the world's origin.",
        )
    truth_mm = np.concatenate(found)[:num_points]
    shape = (len(rig), num_points)
    angle = rng.uniform(0, 2 * np.pi, shape)
    order = rng.permuted(np.tile(np.arange(len(rig))[:, None], (1, num_points)), axis=0)
    return NoisyViews(
        projections=rig.projections,
        truth_mm=truth_mm,
        image_px=rig.undistort(rig.project(truth_mm)),
        rank=order,
        circle=np.stack([np.cos(angle), np.sin(angle)], axis=-1),
        normal=rng.standard_normal((*shape, 2)),
    )


def _seen_by_all(rig: Rig, points_mm: NDArray[np.float64]) -> NDArray[np.bool_]:
    points_px = rig.project(points_mm)
    sizes = np.array([camera.extent_px for camera in rig])[:, None, :]
    inside = (points_px >= -0.5) & (points_px <= sizes - 0.5)  # NaN is outside
    return np.asarray(inside.all(axis=(0, 2)))
