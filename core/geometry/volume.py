"""A box of the world: what a recording is about, such as the court up to the height of a jump."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True, eq=False)
class WorldBox:
    """An axis-aligned box in world millimetres.

    Attributes:
        low_mm, high_mm: (3,) float64, opposite corners; low < high on every axis.

    Raises:
        DataError: where a corner is no finite point, or the box is empty.
    """

    low_mm: NDArray[np.float64]
    high_mm: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Refuse an empty box."""
        for name in ("low_mm", "high_mm"):
            corner = np.array(getattr(self, name), dtype=np.float64)
            if corner.shape != (3,) or not np.isfinite(corner).all():
                self._refuse(name, "three finite numbers", str(corner.tolist()))
            corner.setflags(write=False)
            object.__setattr__(self, name, corner)
        if not (self.low_mm < self.high_mm).all():
            self._refuse("high_mm", f"more than {self.low_mm.tolist()}", f"{self.high_mm.tolist()}")

    def _refuse(self, name: str, expected: str, found: str) -> None:
        remedy = "Give the two opposite corners of the recorded volume, in millimetres."
        raise DataError("world volume", name, expected=expected, found=found, remedy=remedy)

    @property
    def corners_mm(self) -> NDArray[np.float64]:
        """(8, 3) the corners; bit 0 of the row number is x, bit 1 y, bit 2 z."""
        high = np.array([[row >> axis & 1 for axis in range(3)] for row in range(8)], dtype=bool)
        return np.where(high, self.high_mm, self.low_mm)

    @property
    def center_mm(self) -> NDArray[np.float64]:
        """(3,) the middle."""
        return (self.low_mm + self.high_mm) / 2

    def contains(self, points_mm: ArrayLike) -> NDArray[np.bool_]:
        """Whether points (..., 3) lie inside or on the box; False for NaN."""
        points = np.asarray(points_mm, dtype=np.float64)
        return np.asarray(((points >= self.low_mm) & (points <= self.high_mm)).all(axis=-1))

    def clip_ray(
        self, origin_mm: NDArray[np.float64], direction: NDArray[np.float64]
    ) -> tuple[float, float] | None:
        """The part of the ray ``origin + s * direction``, s ≥ 0, inside the box, or None.

        Args:
            origin_mm: (3,).
            direction: (3,), not zero; s is in units of its length.

        Returns:
            s at entry and at exit, 0 ≤ entry < exit.
        """
        enter, leave = 0.0, np.inf
        for axis in range(3):
            low, high = self.low_mm[axis] - origin_mm[axis], self.high_mm[axis] - origin_mm[axis]
            speed = direction[axis]
            if speed == 0:
                if low > 0 or high < 0:
                    return None
                continue
            first, second = sorted((low / speed, high / speed))
            enter, leave = max(enter, float(first)), min(leave, float(second))
        return (enter, leave) if enter < leave else None
