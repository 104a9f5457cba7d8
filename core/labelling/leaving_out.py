"""Ghosts without oneself: where the hand labels of the *other* views put a joint in each view.

Where a joint was placed by hand, the ordinary ghost is pulled towards that very label and hides
its error; the one here is not. Views without a hand label get what `hand_ghosts` gives them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.diagnosis.engine import observed_in, plain
from core.observations import Source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from core.geometry import Rig
    from core.observations import FrameObservations
    from core.project import JointKey


def left_out_ghosts(
    observations: FrameObservations,
    rig: Rig,
    person: int,
    joint: int,
    moved_px: Mapping[JointKey, tuple[float, float]] | None = None,
) -> NDArray[np.float64]:
    """The ghosts of one joint, each made without the view that it is drawn in.

    Args:
        observations: of the frame.
        rig: C cameras.
        person: id.
        joint: index into the skeleton.
        moved_px: joints that are being dragged, raw pixels, in place of what is observed there.

    Returns:
        (C, 2) raw pixels; NaN where fewer than two other views were placed by hand.
    """
    num_cameras = len(rig)
    points = np.full((num_cameras, 2), np.nan)
    if person in observations.persons:
        row = observations.persons.index(person)
        by_hand = observations.source[row, :, joint] == Source.HAND
        points[by_hand] = observations.points_px[row, by_hand, joint]
    for key, point in (moved_px or {}).items():
        if (key.person, key.joint) == (person, joint):
            points[key.camera] = point
    straight = rig.undistort(points[None, :, None])[0, :, 0]
    others = np.repeat(straight[None], num_cameras, axis=0)
    others[np.arange(num_cameras), np.arange(num_cameras)] = np.nan
    ghosts = np.full((num_cameras, 2), np.nan)
    enough = np.flatnonzero(observed_in(others).sum(axis=1) >= 2)
    if len(enough):
        seen = others[enough][:, :, None]
        found = plain(seen, rig.projections, observed_in(seen))
        ghosts[enough] = rig.project(found)[np.arange(len(enough)), enough, 0]
    return ghosts
