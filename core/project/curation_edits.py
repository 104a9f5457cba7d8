"""Edits of what people decide about machine data: accept, lock, reject, mute; many as one step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from core.errors import CommandRefusedError
from core.project.edits import PointKey, describe_keys, describe_points

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from core.project.edits import Edit, JointKey, Key, LabelReader, Row, Writes
    from core.project.reviewing import Provenance, ReviewName


@dataclass(frozen=True, slots=True)
class AcceptedPoint:
    """A machine's point of a joint, world frame, finite, and where it comes from."""

    key: PointKey
    point_mm: tuple[float, float, float]
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptPoints:
    """Copy points, with their provenance, and say that they are right.

    A joint that is locked with the very same point stays locked.

    Attributes:
        points: each joint once.
        state: ``accepted``, or ``locked`` at once.
        name: of the step; empty = told from the keys.
        keeps_known: a point that was accepted before stays, and only its review is set.
    """

    points: tuple[AcceptedPoint, ...]
    state: Literal["accepted", "locked"] = "accepted"
    name: str = ""
    keeps_known: bool = False

    def __post_init__(self) -> None:
        """Refuse points at no place."""
        assert 0 < len(self.points) == len({point.key for point in self.points})
        if not all(math.isfinite(x) for point in self.points for x in point.point_mm):
            raise CommandRefusedError("There is no point to accept: this joint has none.")

    def describe(self, reader: LabelReader) -> str:
        """``Accept …``."""
        verb = "Accept" if self.state == "accepted" else "Lock"
        return self.name or f"{verb} {describe_points([p.key for p in self.points], reader)}"

    def writes(self, reader: LabelReader) -> Writes:
        """A point and a review for each joint."""
        keys = [point.key for point in self.points]
        old = reader.rows("reviews", keys)
        known = reader.rows("accepted", keys) if self.keeps_known else {}
        locked = {key for key, row in old.items() if row[0] == "locked"}
        texts: dict[int, str] = {}  # one text where many points share a provenance
        accepted: dict[Key, Row | None] = {}
        for point in self.points:
            if point.key in known:
                continue
            of = point.provenance
            text = texts.setdefault(id(of), "") or of.to_json()
            texts[id(of)] = text
            x, y, z = point.point_mm
            accepted[point.key] = (float(x), float(y), float(z), text)
        reviews: dict[Key, Row | None] = {
            point.key: (self.state, point.provenance.source)
            for point in self.points
            if point.key not in locked
        }
        return {"accepted": accepted, "reviews": reviews}


@dataclass(frozen=True, slots=True, kw_only=True)
class SetReviews:
    """Say of joints that they are accepted, locked or rejected, or not reviewed after all.

    Accepting and locking needs something to accept: a label of the joint, or a point that was
    accepted before. Rejecting, and None, drop the accepted point. A locked joint is unlocked by
    setting it back to ``accepted``; anything else is refused of it.
    """

    keys: tuple[PointKey, ...]
    state: ReviewName | None
    source: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        """Refuse nothing at all."""
        assert 0 < len(self.keys) == len(set(self.keys))

    def describe(self, reader: LabelReader) -> str:
        """``Accept …``, ``Lock …``, ``Unlock …``, ``Reject …`` or ``Take back the review of …``."""
        if self.name:
            return self.name
        verbs = {"locked": "Lock", "rejected": "Reject", None: "Take back the review of"}
        verb = verbs.get(self.state, "Accept")
        old = reader.rows("reviews", self.keys)
        if self.state == "accepted" and all(row[0] == "locked" for row in old.values()) and old:
            verb = "Unlock"
        return f"{verb} {describe_points(self.keys, reader)}"

    def writes(self, reader: LabelReader) -> Writes:
        """A review a key, or none; no accepted point where it is not accepted any more."""
        if self.state is None:
            return {"reviews": dict.fromkeys(self.keys), "accepted": dict.fromkeys(self.keys)}
        old = reader.rows("reviews", self.keys)
        sources = {key: str(row[1]) for key, row in old.items()}
        reviews: dict[Key, Row | None] = {
            key: (self.state, self.source or sources.get(key, "")) for key in self.keys
        }
        if self.state == "rejected":
            return {"reviews": reviews, "accepted": dict.fromkeys(self.keys)}
        self._refuse_nothing(reader)
        return {"reviews": reviews}

    def _refuse_nothing(self, reader: LabelReader) -> None:
        known = {*reader.rows("accepted", self.keys), *reader.rows("points3d", self.keys)}
        left = [key for key in self.keys if key not in known]
        labelled = {
            PointKey(frame, person, key[-1])
            for frame, person in {(key.frame, key.person) for key in left}
            for key in reader.keys_of_person("labels", frame, person)
        }
        for key in left:
            if key not in labelled:
                raise CommandRefusedError(
                    f"{reader.joint_names[key.joint]} of #{key.person} has neither a label nor an"
                    f" accepted point to be {self.state}."
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class SetOverrides:
    """Mute observations, or let them count again; never what is learned from.

    The store keeps a factor: 0 = muted. Other factors, of older rows, are read as not muted.

    Attributes:
        keys: K observations, each once.
        muted: they take no part in the triangulation; False = they count as it finds.
        name: of the step; empty = told from the keys.
    """

    keys: tuple[JointKey, ...]
    muted: bool
    name: str = ""

    def __post_init__(self) -> None:
        """Refuse nothing, and the same twice."""
        assert 0 < len(self.keys) == len(set(self.keys))

    def describe(self, reader: LabelReader) -> str:
        """``Mute …`` or ``Unmute …``."""
        verb = "Mute" if self.muted else "Unmute"
        return self.name or f"{verb} {describe_keys(self.keys, reader)}"

    def writes(self, reader: LabelReader) -> Writes:
        """Factor 0 a key, or no row."""
        del reader
        row = (0.0,) if self.muted else None
        return {"overrides": dict.fromkeys(self.keys, row)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Several:
    """Edits in a row as one step of the journal; a later one sees what those before it wrote."""

    edits: tuple[Edit, ...]
    name: str

    def __post_init__(self) -> None:
        """Refuse a step without a name, or of nothing."""
        assert self.edits
        assert self.name

    def describe(self, reader: LabelReader) -> str:
        """The name."""
        del reader
        return self.name

    def writes(self, reader: LabelReader) -> Writes:
        """The last word on every key."""
        after = _After(reader)
        for edit in self.edits:
            after.add(edit.writes(after))
        return after.written


class _After:
    """A reader that answers as if some rows had been written already."""

    def __init__(self, reader: LabelReader) -> None:
        self._reader = reader
        self.written: dict[str, dict[Key, Row | None]] = {}

    def add(self, writes: Writes) -> None:
        """Let these rows be written."""
        for table, rows in writes.items():
            self.written.setdefault(table, {}).update(rows)

    @property
    def camera_names(self) -> Sequence[str]:
        return self._reader.camera_names

    @property
    def joint_names(self) -> Sequence[str]:
        return self._reader.joint_names

    def rows(self, table: str, keys: Iterable[Key]) -> dict[Key, Row]:
        keys, written = list(keys), self.written.get(table, {})
        found = self._reader.rows(table, [key for key in keys if key not in written])
        found.update({key: row for key in keys if (row := written.get(key)) is not None})
        return found

    def keys_of_person(self, table: str, frame: int, person: int) -> list[Key]:
        return self.keys_of_persons(table, frame, frame + 1, [person])

    def keys_of_persons(
        self, table: str, start: int, stop: int, persons: Sequence[int]
    ) -> list[Key]:
        written = self.written.get(table, {})
        old = self._reader.keys_of_persons(table, start, stop, persons)
        # Frame is the first of every key; the person is the second but for what lies in a view.
        place = 1 if table not in ("labels", "overrides") else 2
        new = [
            key
            for key, row in written.items()
            if row is not None and start <= key[0] < stop and key[place] in persons
        ]
        return [key for key in old if key not in written] + new

    def next_number(self, table: str) -> int:
        numbers = [key[0] + 1 for key in self.written.get(table, {})]
        return max([self._reader.next_number(table), *numbers])
