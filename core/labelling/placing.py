"""Edits of single joints: place, nudge, move a person, confirm, reset, take away.

What somebody puts is a hand label, wherever it was before. Only `MoveJoints` knows that a joint
that was called occluded stays occluded when it is moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.errors import CommandRefusedError
from core.observations import Source
from core.project.curation_edits import SetOverrides, Several
from core.project.edits import HAND, DeleteJoints, DeletePerson, JointKey, describe_keys
from core.project.people_edits import SetTrackPoints

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from core.observations import FrameObservations
    from core.project.edits import Edit, Key, LabelReader, Row, Writes


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveJoints:
    """Put 2D joints by hand; those that were called occluded stay so, all others are visible.

    What was muted counts again: it was what a network had said there.

    Attributes:
        keys: K places, each once.
        points_px: K points, raw pixels, finite.
        name: of the step; empty = told from the keys.
        spares_muted: what somebody muted and nobody labelled stays as it is. For edits of many
            joints, which nobody means one by one: a detection that was taken away would come back
            as a label.
    """

    keys: tuple[JointKey, ...]
    points_px: tuple[tuple[float, float], ...]
    name: str = ""
    spares_muted: bool = False

    def __post_init__(self) -> None:
        """Refuse a joint at no place."""
        assert 0 < len(self.keys) == len(self.points_px) == len(set(self.keys))
        if not np.isfinite(self.points_px).all():
            raise CommandRefusedError("A joint needs a place in the picture.")

    def describe(self, reader: LabelReader) -> str:
        """``Place …`` or, where a label was there already, ``Move …``."""
        if self.name:
            return self.name
        verb = "Move" if reader.rows("labels", self.keys) else "Place"
        return f"{verb} {describe_keys(self.keys, reader)}"

    def writes(self, reader: LabelReader) -> Writes:
        """One hand label a key, and nothing muted under it."""
        old = reader.rows("labels", self.keys)
        spared = reader.rows("overrides", self.keys) if self.spares_muted else {}
        rows: dict[Key, Row | None] = {}
        for key, (x, y) in zip(self.keys, self.points_px, strict=True):
            if key in spared and key not in old:
                continue
            is_occluded = key in old and old[key][2] == "occluded"
            state = "occluded" if is_occluded else "visible"
            rows[key] = (float(x), float(y), state, HAND)
        return {"labels": rows, "overrides": dict.fromkeys(rows)}


def row_of(observations: FrameObservations, person: int) -> int:
    """The row of a person in the arrays of a frame.

    Raises:
        CommandRefusedError: the person is not there.
    """
    if person not in observations.persons:
        raise CommandRefusedError(f"There is nothing of #{person} in this frame.")
    return observations.persons.index(person)


def point_of(observations: FrameObservations, key: JointKey) -> NDArray[np.float64] | None:
    """(2,) raw pixels of what is observed under a key; None where nothing is."""
    if key.person not in observations.persons:
        return None
    row = observations.persons.index(key.person)
    point = observations.points_px[row, key.camera, key.joint]
    return point if np.isfinite(point).all() else None


def source_of(observations: FrameObservations, key: JointKey) -> Source:
    """Where what is observed under a key comes from."""
    if key.person not in observations.persons:
        return Source.NONE
    row = observations.persons.index(key.person)
    return Source(int(observations.source[row, key.camera, key.joint]))


def place_joint(key: JointKey, point_px: Sequence[float] | NDArray[np.float64]) -> Edit:
    """Put a joint by hand, raw pixels; also what the end of a drag gives.

    A joint that was called occluded stays occluded, one that was called outside is visible.
    """
    x, y = (float(value) for value in point_px)
    return MoveJoints(keys=(key,), points_px=((x, y),))


def nudged(observations: FrameObservations, key: JointKey, dx_px: float, dy_px: float) -> Edit:
    """Move a joint a little, from wherever it is observed; it is a hand label then.

    Raises:
        CommandRefusedError: nothing is observed there.
    """
    point = point_of(observations, key)
    if point is None:
        raise CommandRefusedError("The joint has no place in this view yet: place it first.")
    return place_joint(key, (point[0] + dx_px, point[1] + dy_px))


def moved_person(
    observations: FrameObservations,
    camera: int,
    person: int,
    delta_px: tuple[float, float],
) -> Edit:
    """Move all joints of a person in one view by (dx, dy) raw pixels; they are hand labels then.

    Args:
        observations: of the frame.
        camera: index into the rig.
        person: id.
        delta_px: raw pixels.

    Raises:
        CommandRefusedError: nothing of the person is observed in that view.
    """
    row = row_of(observations, person)
    points = observations.points_px[row, camera]
    joints = np.flatnonzero(np.isfinite(points).all(axis=-1))
    if not len(joints):
        raise CommandRefusedError(f"Nothing of #{person} is in this view: there is nothing to move")
    moved = points[joints] + delta_px
    return MoveJoints(
        keys=tuple(JointKey(observations.frame, camera, person, int(joint)) for joint in joints),
        points_px=tuple((float(x), float(y)) for x, y in moved),
        spares_muted=True,
    )


def confirmed(observations: FrameObservations, keys: Iterable[JointKey]) -> Edit:
    """Make hand labels of joints where they are: somebody has looked, and they are right.

    Joints that are hand labels already, and those without a place, are left out.

    Raises:
        CommandRefusedError: none is left.
    """
    chosen = {
        key: point
        for key in keys
        if source_of(observations, key) != Source.HAND
        and (point := point_of(observations, key)) is not None
    }
    if not chosen:
        raise CommandRefusedError("Nothing to confirm: no joint here that is not by hand already.")
    count = len(chosen)
    return MoveJoints(
        keys=tuple(chosen),
        points_px=tuple((float(x), float(y)) for x, y in chosen.values()),
        name="" if count == 1 else f"Confirm {count} joints of #{next(iter(chosen)).person}",
        spares_muted=count > 1,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetJoints:
    """Let the prediction show again: labels are taken away, and nothing is muted any more.

    Attributes:
        keys: each once.
        name: of the step; empty = told from the keys.
    """

    keys: tuple[JointKey, ...]
    name: str = ""

    def describe(self, reader: LabelReader) -> str:
        """``Reset …``."""
        return self.name or f"Reset {describe_keys(self.keys, reader)}"

    def writes(self, reader: LabelReader) -> Writes:
        """No label and no override a key."""
        del reader
        return {"labels": dict.fromkeys(self.keys), "overrides": dict.fromkeys(self.keys)}


def reset_joint(key: JointKey) -> Edit:
    """Let the prediction of a joint show again in its view."""
    return ResetJoints(keys=(key,))


def reset_person(observations: FrameObservations, person: int, *, cameras: Iterable[int]) -> Edit:
    """Let the prediction of a person show again in some views.

    Args:
        observations: of the frame.
        person: id.
        cameras: indices into the rig.

    Raises:
        CommandRefusedError: nothing of the person is there.
    """
    row_of(observations, person)
    return ResetJoints(
        keys=tuple(
            JointKey(observations.frame, camera, person, joint)
            for camera in cameras
            for joint in range(observations.points_px.shape[2])
        ),
        name=f"Reset #{person} to the prediction",
    )


def removed(observations: FrameObservations, key: JointKey) -> Edit:
    """Take a joint away: a label is deleted, what a network found is muted.

    A muted detection takes no part any more, and says nothing that could be learned from; to say
    that a joint is hidden or outside, mark it so.

    Raises:
        CommandRefusedError: there is nothing.
    """
    source = source_of(observations, key)
    if source == Source.NONE:
        raise CommandRefusedError("There is no joint here to delete.")
    if source == Source.NETWORK:
        return SetOverrides(keys=(key,), muted=True)
    return DeleteJoints(keys=(key,))


def removed_person(observations: FrameObservations, person: int) -> Edit:
    """Take a person out of a frame: labels, ground location; what a network found is muted.

    Raises:
        CommandRefusedError: nothing of the person is there.
    """
    row = row_of(observations, person)
    frame = observations.frame
    edits: list[Edit] = [DeletePerson(frame=frame, person=person)]
    if np.isfinite(observations.ground_mm[row]).all():
        edits.append(SetTrackPoints(points=(((frame, person), None),)))
    detected = np.argwhere(observations.source[row] == Source.NETWORK)
    if len(detected):
        keys = tuple(JointKey(frame, int(c), person, int(j)) for c, j in detected)
        edits.append(SetOverrides(keys=keys, muted=True))
    return Several(edits=tuple(edits), name=f"Take #{person} out of the frame")
