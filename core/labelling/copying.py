"""Edits that fill joints from elsewhere: ghosts, another frame, other views, a run's prediction.

Nobody has placed such a joint in this view: it is drawn translucent, and makes no ghosts until it
is placed or confirmed by hand. Ghosts come from hand labels and get the origin `REPROJECTED`;
copies of predictions, of what networks see in other views, or of other frames get `COPIED`, and
nothing is learned from them before somebody has looked.
**Hand labels are never written over**, not even those that say "occluded" or "outside".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.errors import CommandRefusedError
from core.labelling.placing import row_of
from core.observations import Source
from core.project.edits import COPIED, REPROJECTED, JointKey, SetJoints

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from core.diagnosis import FrameDiagnosis
    from core.geometry import Rig
    from core.labelling.ghosts import Ghosts
    from core.observations import FrameObservations
    from core.project.edits import Edit


def filled(
    observations: FrameObservations,
    person: int,
    points_px: NDArray[np.float64],
    *,
    cameras: Sequence[int] | None = None,
    joints: Sequence[int] | None = None,
    name: str,
    origin: str = COPIED,
) -> Edit:
    """Put a person's joints where ``points_px`` says, except where there are hand labels.

    Args:
        observations: of the frame that is edited; the person may be new to it.
        person: id.
        points_px: (C, J, 2) raw pixels; NaN = leave as it is.
        cameras: in which views; None = all.
        joints: which joints; None = all.
        name: of the step.
        origin: `COPIED`, or `REPROJECTED` for what hand labels alone put there.

    Raises:
        CommandRefusedError: nothing is left to put.
    """
    wanted = np.isfinite(points_px).all(axis=-1)
    num_cameras, num_joints = points_px.shape[:2]
    wanted &= _only(cameras, num_cameras)[:, None] & _only(joints, num_joints)
    if person in observations.persons:
        row = row_of(observations, person)
        wanted &= observations.source[row] != Source.HAND
    places = np.argwhere(wanted)
    if not len(places):
        raise CommandRefusedError(
            f"{name}: nothing to put. There is no such point, or it is set by hand already."
        )
    return SetJoints(
        keys=tuple(JointKey(observations.frame, int(c), person, int(j)) for c, j in places),
        points_px=tuple((float(points_px[c, j, 0]), float(points_px[c, j, 1])) for c, j in places),
        origin=origin,
        name=name,
    )


def accepted_ghosts(
    ghosts: Ghosts,
    observations: FrameObservations,
    rig: Rig,
    *,
    person: int,
    cameras: Sequence[int] | None = None,
    joints: Sequence[int] | None = None,
) -> Edit:
    """Put joints where their ghosts are: one joint, one view, or all of a person.

    Ghosts beyond the edge of a picture are left out.

    Args:
        ghosts: of the frame.
        observations: of the same frame.
        rig: C cameras.
        person: id.
        cameras: in which views; None = all.
        joints: which joints; None = all.

    Raises:
        CommandRefusedError: no ghost is left to accept.
    """
    if person not in ghosts.persons:
        raise CommandRefusedError(f"There is nothing of #{person} in this frame.")
    row = ghosts.persons.index(person)
    points = within_pictures(ghosts.points_px[row], rig)
    if not np.isfinite(points).any():
        raise CommandRefusedError("No ghosts: place the joint by hand in two views first.")
    name = f"Accept ghosts of #{person}"
    views = {"cameras": cameras, "joints": joints}
    return filled(observations, person, points, name=name, origin=REPROJECTED, **views)


def copied_from_frame(
    observations: FrameObservations,
    other: FrameObservations,
    person: int,
    *,
    cameras: Sequence[int] | None = None,
    name: str = "",
) -> Edit:
    """Put a person's joints where another frame, or another source of this one, has them.

    Args:
        observations: of the frame that is edited.
        other: of the frame to copy from, or what a run predicts of the same frame.
        person: id.
        cameras: in which views; None = all.
        name: of the step.

    Raises:
        CommandRefusedError: the person is not in the other frame, or nothing is left to put.
    """
    if person not in other.persons:
        raise CommandRefusedError(f"There is nothing of #{person} to copy there.")
    points = other.points_px[row_of(other, person)]
    name = name or f"Copy #{person} from another frame"
    return filled(observations, person, points, cameras=cameras, name=name)


def copied_from_views(
    observations: FrameObservations,
    diagnosis: FrameDiagnosis,
    rig: Rig,
    person: int,
    *,
    cameras: Sequence[int] | None = None,
) -> Edit:
    """Put a person's joints where the other views see them.

    Each view's point is made without that view, so that a wrong detection does not hold itself.

    Args:
        observations: of the frame.
        diagnosis: of the same frame.
        rig: C cameras.
        person: id.
        cameras: in which views; None = all.

    Raises:
        CommandRefusedError: the person is not triangulated, or nothing is left to put.
    """
    if person not in diagnosis.persons:
        raise CommandRefusedError(f"Nothing of #{person} is seen in the other views.")
    row = diagnosis.persons.index(person)
    points = diagnosis.loo_reprojection_px[row]
    # Where the view took no part, all that did are others.
    points = np.where(np.isfinite(points), points, diagnosis.reprojection_px[row])
    points[diagnosis.observed[row] & np.isnan(diagnosis.loo_reprojection_px[row, ..., 0])] = np.nan
    name = f"Copy #{person} from the other views"
    return filled(observations, person, within_pictures(points, rig), cameras=cameras, name=name)


def within_pictures(points_px: NDArray[np.float64], rig: Rig) -> NDArray[np.float64]:
    """(C, J, 2) with NaN for points beyond the edge of their picture, where its size is known."""
    inside = points_px.copy()
    for camera, view in enumerate(rig):
        if view.size_px is not None:
            out = (inside[camera] < -0.5) | (inside[camera] > np.array(view.size_px) - 0.5)
            inside[camera][out.any(axis=-1)] = np.nan
    return inside


def _only(chosen: Sequence[int] | None, count: int) -> NDArray[np.bool_]:
    if chosen is None:
        return np.ones(count, dtype=bool)
    mask = np.zeros(count, dtype=bool)
    mask[list(chosen)] = True
    return mask
