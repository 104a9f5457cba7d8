"""Edits of who is who and who stands where: identities, swapped detections, ground tracks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import CommandRefusedError
from core.project.edits import HAND

if TYPE_CHECKING:
    from core.project.edits import Key, LabelReader, Row, Writes

_IN_VIEWS = ("labels", "overrides")
_IN_SPACE = ("points3d", "accepted", "reviews")


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapIdentities:
    """Let the detections of two persons change places in one view, for frames start…stop-1.

    The imported detections stay as they are; swaps are laid over them in the order they were made.

    Attributes:
        camera: index into the rig.
        start: first frame.
        stop: one more than the last.
        person: one of the two.
        other: the other.
        move_labels: let the labels in that view change places too.
        name: of the step; empty = told from the rest.
    """

    camera: int
    start: int
    stop: int
    person: int
    other: int
    move_labels: bool = False
    name: str = ""

    def __post_init__(self) -> None:
        """Refuse to swap somebody with nobody."""
        _check_pair(self.person, self.other, self.start, self.stop)

    def describe(self, reader: LabelReader) -> str:
        """``Swap #4 and #7 in ace_2``."""
        return self.name or f"Swap #{self.person} and #{self.other} in {_views(reader, self)}"

    def writes(self, reader: LabelReader) -> Writes:
        """One more swap, and the labels of that view under each other's name."""
        if not 0 <= self.camera < len(reader.camera_names):
            raise CommandRefusedError(f"There is no camera {self.camera} in this project.")
        row = (self.camera, self.start, self.stop, self.person, self.other)
        writes: dict[str, dict[Key, Row | None]] = {"swaps": {(reader.next_number("swaps"),): row}}
        if self.move_labels:
            for table in _IN_VIEWS:
                writes[table] = _exchanged(reader, table, self, (self.camera,))
        else:
            writes["overrides"] = self._mutes_that_follow(reader)
        return writes

    def _mutes_that_follow(self, reader: LabelReader) -> dict[Key, Row | None]:
        """What was muted is a detection, so it goes along; a muted label stays, as it does itself.

        Where a label of the other stands in the way, nothing is muted any more: the label counts.
        """
        pair = (self.person, self.other)
        keys = reader.keys_of_persons("overrides", self.start, self.stop, pair)
        targets = {
            key: (*key[:2], pair[1] if key[2] == pair[0] else pair[0], key[3])
            for key in keys
            if key[1] == self.camera
        }
        labelled = reader.rows("labels", {*targets, *targets.values()})
        moving = {key: to for key, to in targets.items() if key not in labelled}
        rows: dict[Key, Row | None] = dict.fromkeys(moving)
        for key, row in reader.rows("overrides", moving).items():
            if moving[key] not in labelled:
                rows[moving[key]] = row
        return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveSwap:
    """Let detections that were swapped belong to whom they belonged before."""

    number: int
    name: str = ""

    def describe(self, reader: LabelReader) -> str:
        """``Take back the swap of #4 and #7``."""
        row = reader.rows("swaps", [(self.number,)]).get((self.number,))
        who = f" of #{row[3]} and #{row[4]}" if row else ""
        return self.name or f"Take back the swap{who}"

    def writes(self, reader: LabelReader) -> Writes:
        """No row of that number."""
        if not reader.rows("swaps", [(self.number,)]):
            raise CommandRefusedError(f"There is no swap {self.number}.")
        return {"swaps": {(self.number,): None}}


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapPersonLabels:
    """Let the labels of two persons change places, for frames start…stop-1.

    Attributes:
        start: first frame.
        stop: one more than the last.
        person: one of the two.
        other: the other.
        cameras: the views it happens in; None = everywhere, and then 3D labels, accepted points
            and reviews change places too.
        name: of the step; empty = told from the rest.
    """

    start: int
    stop: int
    person: int
    other: int
    cameras: tuple[int, ...] | None = None
    name: str = ""

    def __post_init__(self) -> None:
        """Refuse to swap somebody with nobody."""
        _check_pair(self.person, self.other, self.start, self.stop)

    def describe(self, reader: LabelReader) -> str:
        """``Swap the labels of #4 and #7``."""
        del reader
        return self.name or f"Swap the labels of #{self.person} and #{self.other}"

    def writes(self, reader: LabelReader) -> Writes:
        """Every row under the other's name."""
        tables = _IN_VIEWS if self.cameras is not None else _IN_VIEWS + _IN_SPACE
        return {table: _exchanged(reader, table, self, self.cameras) for table in tables}


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTrackPoints:
    """Say where people stand; laid over the imported tracks, which stay as they are.

    Attributes:
        points: K of ((frame, person), (x, y) mm world), each key once; None = is not here.
        origin: `HAND`, ``interpolated``, ``triangulated``, …
        name: of the step; empty = told from the points.
    """

    points: tuple[tuple[tuple[int, int], tuple[float, float] | None], ...]
    origin: str = HAND
    name: str = ""

    def __post_init__(self) -> None:
        """Refuse places that are none."""
        assert 0 < len(self.points) == len({key for key, _ in self.points})
        if not all(math.isfinite(x) for _, point in self.points if point for x in point):
            raise CommandRefusedError("A place on the ground needs two finite coordinates.")

    def describe(self, reader: LabelReader) -> str:
        """``Move #7 on the ground`` or ``Take #7 off the ground at 40 frames``."""
        del reader
        if self.name:
            return self.name
        persons = {person for (_, person), _ in self.points}
        frames = {frame for (frame, _), _ in self.points}
        who = f"#{self.points[0][0][1]}" if len(persons) == 1 else f"{len(persons)} persons"
        gone = all(point is None for _, point in self.points)
        when = "" if len(frames) == 1 else f" at {len(frames)} frames"
        return f"Take {who} off the ground{when}" if gone else f"Move {who} on the ground{when}"

    def writes(self, reader: LabelReader) -> Writes:
        """One place a key."""
        del reader
        rows: dict[Key, Row | None] = {}
        for (frame, person), point in self.points:
            place = (None, None) if point is None else (float(point[0]), float(point[1]))
            rows[int(frame), int(person)] = (*place, self.origin)
        return {"track_points": rows}


def _exchanged(
    reader: LabelReader,
    table: str,
    swap: SwapIdentities | SwapPersonLabels,
    cameras: tuple[int, ...] | None,
) -> dict[Key, Row | None]:
    """The rows of both persons under each other's id, and no row where none came in turn.

    They keep their stamps: who placed a joint has placed it, whosever it turned out to be.
    """
    pair = (swap.person, swap.other)
    keys = reader.keys_of_persons(table, swap.start, swap.stop, pair)
    place = 2 if table in _IN_VIEWS else 1
    if cameras is not None:
        keys = [key for key in keys if key[1] in cameras]
    rows: dict[Key, Row | None] = dict.fromkeys(keys)
    for key, row in reader.rows(table, keys).items():
        other = pair[1] if key[place] == pair[0] else pair[0]
        rows[*key[:place], other, *key[place + 1 :]] = row
    return rows


def _check_pair(person: int, other: int, start: int, stop: int) -> None:
    if person == other:
        raise CommandRefusedError("Choose two persons who are not the same.")
    if not 0 <= start < stop:
        raise CommandRefusedError("Choose at least one frame.")


def _views(reader: LabelReader, swap: SwapIdentities) -> str:
    known = 0 <= swap.camera < len(reader.camera_names)
    return reader.camera_names[swap.camera] if known else f"camera {swap.camera}"
