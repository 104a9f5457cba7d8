"""Edits of labels: frozen values that say what shall be, and the change that they made.

An edit knows nothing of SQLite: asked for its `writes`, it answers with rows to put or to delete,
by table and key. The one writer in `core.project.labels` looks up what stood there before, writes
the journal and the rows in one transaction, and so can undo any of them. A new kind of edit
therefore needs no undo of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from core.errors import CommandRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Visibility = Literal["visible", "occluded", "outside"]
VISIBILITIES: tuple[Visibility, ...] = ("visible", "occluded", "outside")

HAND = "hand"
"""Origin of what a person set in this tool; other origins are ``import:<where from>``."""
REPROJECTED = "reprojected"
"""Origin of a joint that was put where hand labels of other views have it, and accepted there."""
COPIED = "copied"
"""Origin of a joint copied from a prediction or another frame: nobody has looked at it here yet.

It is shown like a reprojected one, and nothing is learned from it before somebody confirms it."""

Value = float | int | str | None
Key = tuple[int, ...]
Row = tuple[Value, ...]
Writes = Mapping[str, Mapping[Key, Row | None]]


class JointKey(NamedTuple):
    """A joint of a person in a view: what a 2D label is keyed by. All 0-based but ``person``."""

    frame: int
    camera: int
    person: int
    joint: int


class PointKey(NamedTuple):
    """A joint of a person in space: what a 3D label is keyed by."""

    frame: int
    person: int
    joint: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where the cursor stood when an edit was made; undo goes back there."""

    frame: int
    camera: int | None = None
    person: int | None = None
    joint: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What an edit, an undo or a redo has done.

    Attributes:
        keys: 2D labels that are other than before.
        points: 3D labels that are other than before.
        reviews: joints whose review, or accepted point, is other than before.
        tracks: (frame, person) whose place on the ground is other than before.
        overrides: observations that count otherwise than before.
        spans: frames whose detections belong to other persons than before.
        description: such as ``Move left_wrist of #7 in ace_2``; ``Undo: …`` and ``Redo: …``.
        place: where to put the cursor; None where the edit has no place.
    """

    keys: frozenset[JointKey]
    points: frozenset[PointKey]
    description: str
    place: Place | None
    reviews: frozenset[PointKey] = frozenset()
    tracks: frozenset[tuple[int, int]] = frozenset()
    overrides: frozenset[JointKey] = frozenset()
    spans: tuple[range, ...] = ()

    @property
    def frames(self) -> frozenset[int]:
        """The frames in which anything changed, but for `spans`, which may be a whole match."""
        keys = (self.keys, self.points, self.reviews, self.tracks, self.overrides)
        return frozenset(key[0] for some in keys for key in some)

    @property
    def is_seen(self) -> bool:
        """Whether more is other than reviews and accepted points, which nobody observes."""
        return bool(self.keys or self.points or self.tracks or self.overrides or self.spans)

    def touches(self, frame: int) -> bool:
        """Whether anything of this frame is other than before."""
        return frame in self.frames or any(frame in span for span in self.spans)

    def __bool__(self) -> bool:
        return self.is_seen or bool(self.reviews)


class LabelReader(Protocol):
    """What an edit may ask the store before it says what to write."""

    @property
    def camera_names(self) -> Sequence[str]:
        """In the rig's order."""
        ...

    @property
    def joint_names(self) -> Sequence[str]:
        """In the skeleton's order."""
        ...

    def rows(self, table: str, keys: Iterable[Key]) -> dict[Key, Row]:
        """The rows that exist under these keys."""
        ...

    def keys_of_person(self, table: str, frame: int, person: int) -> list[Key]:
        """All keys of one person at one frame."""
        ...

    def keys_of_persons(
        self, table: str, start: int, stop: int, persons: Sequence[int]
    ) -> list[Key]:
        """All keys of these persons at the frames start…stop-1."""
        ...

    def next_number(self, table: str) -> int:
        """One more than the largest number in a table whose rows are numbered."""
        ...


class Edit(Protocol):
    """A value that can be applied to a project's labels."""

    def describe(self, reader: LabelReader) -> str:
        """Name of the step in the undo menu."""
        ...

    def writes(self, reader: LabelReader) -> Writes:
        """Rows to put or, where None, to delete.

        A row without time and annotator is stamped by the writer; one that has them, such as a
        label that goes to another person, still tells who made it and when.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SetJoints:
    """Put 2D joints, new ones or moved ones.

    Attributes:
        keys: K places, each once.
        points_px: K points, raw pixels; (NaN, NaN) for a joint that is occluded or outside and
            whose place nobody can tell.
        visibility: one for all.
        origin: `HAND`, or ``import:…``.
        name: of the step; empty = told from the keys.
    """

    keys: tuple[JointKey, ...]
    points_px: tuple[tuple[float, float], ...]
    visibility: Visibility = "visible"
    origin: str = HAND
    name: str = ""

    def __post_init__(self) -> None:
        """Refuse a visible joint without a place."""
        assert 0 < len(self.keys) == len(self.points_px) == len(set(self.keys))
        for x, y in self.points_px:
            if not (math.isfinite(x) and math.isfinite(y)) and self.visibility == "visible":
                raise CommandRefusedError("A visible joint needs a place in the picture.")

    def describe(self, reader: LabelReader) -> str:
        """``Place …`` or, where a label was there already, ``Move …``."""
        if self.name:
            return self.name
        verb = "Move" if reader.rows("labels", self.keys) else "Place"
        return f"{verb} {describe_keys(self.keys, reader)}"

    def writes(self, reader: LabelReader) -> Writes:
        """One label a key, and nothing muted under it: that was what a network had said there."""
        del reader
        return {
            "overrides": dict.fromkeys(self.keys),
            "labels": {
                key: (*_place(x, y), self.visibility, self.origin)
                for key, (x, y) in zip(self.keys, self.points_px, strict=True)
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SetVisibility:
    """Say of labelled joints that they are visible, occluded or outside; point and origin stay.

    A joint without a label gets one without a place, unless it shall be visible.
    """

    keys: tuple[JointKey, ...]
    visibility: Visibility
    name: str = ""

    def describe(self, reader: LabelReader) -> str:
        """``Mark … occluded``."""
        return self.name or f"Mark {describe_keys(self.keys, reader)} {self.visibility}"

    def writes(self, reader: LabelReader) -> Writes:
        """The old point with the new visibility."""
        old = reader.rows("labels", self.keys)
        rows: dict[Key, Row | None] = {}
        for key in self.keys:
            x, y, _, origin = old[key][:4] if key in old else (None, None, None, HAND)
            if x is None and self.visibility == "visible":
                raise CommandRefusedError("Place the joint first, then it is visible.")
            rows[key] = (x, y, self.visibility, origin)
        return {"labels": rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteJoints:
    """Take 2D labels away; what was imported or predicted there shows again."""

    keys: tuple[JointKey, ...]
    name: str = ""

    def describe(self, reader: LabelReader) -> str:
        """``Delete …``."""
        return self.name or f"Delete {describe_keys(self.keys, reader)}"

    def writes(self, reader: LabelReader) -> Writes:
        """No row a key."""
        del reader
        return {"labels": dict.fromkeys(self.keys)}


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPoints:
    """Put 3D labels.

    Attributes:
        keys: K places, each once.
        points_mm: K points, world frame, finite.
        origin: `HAND`, or ``import:…``.
        name: of the step; empty = told from the keys.
    """

    keys: tuple[PointKey, ...]
    points_mm: tuple[tuple[float, float, float], ...]
    origin: str = HAND
    name: str = ""

    def __post_init__(self) -> None:
        """Refuse points at no place."""
        assert 0 < len(self.keys) == len(self.points_mm) == len(set(self.keys))
        if not all(math.isfinite(value) for point in self.points_mm for value in point):
            raise CommandRefusedError("A 3D label needs a place in the world.")

    def describe(self, reader: LabelReader) -> str:
        """``Set … in 3D``."""
        return self.name or f"Set {describe_points(self.keys, reader)} in 3D"

    def writes(self, reader: LabelReader) -> Writes:
        """One point a key."""
        del reader
        return {
            "points3d": {
                key: (*map(float, point), self.origin)
                for key, point in zip(self.keys, self.points_mm, strict=True)
            }
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletePoints:
    """Take 3D labels away."""

    keys: tuple[PointKey, ...]
    name: str = ""

    def describe(self, reader: LabelReader) -> str:
        """``Delete … in 3D``."""
        return self.name or f"Delete {describe_points(self.keys, reader)} in 3D"

    def writes(self, reader: LabelReader) -> Writes:
        """No row a key."""
        del reader
        return {"points3d": dict.fromkeys(self.keys)}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletePerson:
    """Take away all that people said of one person at one frame, but for what they rejected.

    Labels in the views and in space, accepted points and their reviews go. What was rejected stays
    so, or it would serve as a pseudo-label again.
    """

    frame: int
    person: int
    name: str = ""

    def describe(self, reader: LabelReader) -> str:
        """``Delete the labels of #7``."""
        del reader
        return self.name or f"Delete the labels of #{self.person}"

    def writes(self, reader: LabelReader) -> Writes:
        """No row for any key of the person."""
        reviews = reader.rows("reviews", reader.keys_of_person("reviews", self.frame, self.person))
        accepted = [key for key, row in reviews.items() if row[0] != "rejected"]
        return {
            **{
                table: dict.fromkeys(reader.keys_of_person(table, self.frame, self.person))
                for table in ("labels", "points3d", "accepted")
            },
            "reviews": dict.fromkeys(accepted),
        }


def describe_keys(keys: Sequence[JointKey], reader: LabelReader) -> str:
    """Such as ``left wrist of #7 in ace_2`` or ``13 joints of #7 in 4 views``."""
    joints = {key.joint for key in keys}
    persons = {key.person for key in keys}
    views = {(key.frame, key.camera) for key in keys}
    what = _joint_name(keys[0].joint, reader) if len(joints) == 1 else f"{len(joints)} joints"
    who = f"#{keys[0].person}" if len(persons) == 1 else f"{len(persons)} persons"
    where = reader.camera_names[keys[0].camera] if len(views) == 1 else f"{len(views)} views"
    return f"{what} of {who} in {where}"


def describe_points(keys: Sequence[PointKey], reader: LabelReader) -> str:
    """Such as ``left wrist of #7`` or ``13 joints of 2 persons``."""
    joints = {key.joint for key in keys}
    persons = {key.person for key in keys}
    what = _joint_name(keys[0].joint, reader) if len(joints) == 1 else f"{len(joints)} joints"
    who = f"#{keys[0].person}" if len(persons) == 1 else f"{len(persons)} persons"
    return f"{what} of {who}"


def _joint_name(joint: int, reader: LabelReader) -> str:
    """For the eye, as the window writes it."""
    return reader.joint_names[joint].replace("_", " ")


def _place(x: float, y: float) -> tuple[float | None, float | None]:
    if math.isfinite(x) and math.isfinite(y):
        return float(x), float(y)
    return None, None
