"""A joint that is being dragged over the canvas, and the one point in space that is meant.

A canvas has two dimensions, so every drag keeps to something: the plane of the picture through the
joint, the level plane through it, or a camera's ray. Pure geometry in stage coordinates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.labelling import Ray, on_line, on_plane

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.scene.pointer import Constraint
    from app.scene.viewpoint import Pinhole, Place

_UP = np.array([0.0, 0.0, 1.0])


class SpaceDrag:
    """From where it was gripped to where it is.

    A change of the constraint in the middle goes on from where the joint is: nothing jumps.

    Args:
        point: (3,) the joint, stage units.
        grip: where the pointer took it, on the canvas; it need not be hit exactly.
        ray: what the constraint "ray" keeps to, stage units.
        reach: nothing is dragged farther from the stage's origin than this.
    """

    def __init__(self, point: NDArray[np.float64], grip: Place, ray: Ray, *, reach: float) -> None:
        self.start = point
        self.point = point
        self.constraint: Constraint | None = None
        self._ray = ray
        self._reach = reach
        self._anchor = point
        self._pointer = grip
        self._offset = np.zeros(2)

    @property
    def ray(self) -> Ray:
        """What the constraint "ray" keeps to."""
        return self._ray

    def move(self, position: Place, constraint: Constraint, pinhole: Pinhole) -> bool:
        """Follow the pointer; False where the constraint has no point there, and nothing moved."""
        if constraint != self.constraint:
            self.constraint = constraint
            self._anchor = self.point
            self._offset = pinhole.project(self.point) - self._pointer
        self._pointer = position
        target = (position[0] + float(self._offset[0]), position[1] + float(self._offset[1]))
        sight = Ray(pinhole.eye, pinhole.direction(target))
        if constraint == "ray":
            found = on_line(sight, self._ray)
        else:
            normal = _UP if constraint == "level" else pinhole.R[2]
            found = on_plane(sight, self._anchor, normal)
        if found is None or not np.linalg.norm(found) < self._reach:
            return False
        self.point = found
        return True
