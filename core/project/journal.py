"""How the steps of the journal are stored: JSON for edits, packed columns for bulk imports.

An edit's rows, before and after, are JSON, to be read by eye and by other tools. An import of fifty
thousand labels is one step too, but packed: compressed columns of half a megabyte, of which the
journal can still be replayed. The JSON of many rows (a merge, a query accepted) is compressed.
"""

from __future__ import annotations

import io
import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.project.edits import Change, JointKey, Place, PointKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from core.project.edits import Key, Row, Value

_COMPRESSED_FROM = 1 << 16  # bytes of JSON
_PLACE = 4  # frame, camera, person, joint
ZLIB = b"\x78"  # how a zlib stream begins, and JSON does not


class RowChange(NamedTuple):
    """One row of one table, as it was and as it is then; None = not there."""

    table: str
    key: Key
    before: Row | None
    after: Row | None

    def reversed(self) -> RowChange:
        """The change that takes this one back."""
        return RowChange(self.table, self.key, self.after, self.before)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BulkLabels:
    """Labels of another tool, N in the views and M in space.

    Attributes:
        keys: (N, 4) int64: frame, camera, person, joint; each once.
        points_px: (N, 2) float64, raw pixels, finite.
        occluded: (N,) bool; the others are visible.
        point_keys: (M, 3) int64: frame, person, joint; each once.
        points_mm: (M, 3) float64, world, finite.
        origin: ``import:<where from>``.
    """

    keys: NDArray[np.int64]
    points_px: NDArray[np.float64]
    occluded: NDArray[np.bool_]
    point_keys: NDArray[np.int64]
    points_mm: NDArray[np.float64]
    origin: str

    def __post_init__(self) -> None:
        """Check shapes."""
        num, num_3d = len(self.keys), len(self.point_keys)
        assert self.keys.shape == (num, 4)
        assert self.points_px.shape == (num, 2)
        assert self.occluded.shape == (num,)
        assert self.point_keys.shape == self.points_mm.shape == (num_3d, 3)
        assert np.isfinite(self.points_px).all()
        assert np.isfinite(self.points_mm).all()

    def __len__(self) -> int:
        return len(self.keys) + len(self.point_keys)

    def without(self, known: NDArray[np.bool_], known_3d: NDArray[np.bool_]) -> BulkLabels:
        """The others."""
        return BulkLabels(
            keys=self.keys[~known],
            points_px=self.points_px[~known],
            occluded=self.occluded[~known],
            point_keys=self.point_keys[~known_3d],
            points_mm=self.points_mm[~known_3d],
            origin=self.origin,
        )


def change_of(changes: Sequence[RowChange], description: str, place: Place | None) -> Change:
    """What those who listen are told of changed rows."""
    keys: dict[str, set[Key]] = {}
    for change in changes:
        keys.setdefault(change.table, set()).add(change.key)
    reviewed = keys.get("reviews", set()) | keys.get("accepted", set())
    rows = [row for c in changes if c.table == "swaps" for row in (c.before, c.after) if row]
    return Change(
        keys=frozenset(JointKey(*key) for key in keys.get("labels", ())),
        points=frozenset(PointKey(*key) for key in keys.get("points3d", ())),
        description=description,
        place=place,
        reviews=frozenset(PointKey(*key) for key in reviewed),
        tracks=frozenset((frame, person) for frame, person in keys.get("track_points", ())),
        overrides=frozenset(JointKey(*key) for key in keys.get("overrides", ())),
        spans=tuple(range(_whole(row[1]), _whole(row[2])) for row in rows),
    )


def encode_changes(changes: Sequence[RowChange]) -> bytes:
    """JSON: ``[[table, key, before, after], …]``, compressed by zlib where it is long."""
    text = json.dumps(changes, separators=(",", ":"), allow_nan=False).encode()
    return text if len(text) < _COMPRESSED_FROM else zlib.compress(text, 1)


def encode_bulk(bulk: BulkLabels, time: str, annotator: str) -> bytes:
    """Compressed columns; what was there before is nothing."""
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        keys=bulk.keys.astype(np.int32),
        points_px=bulk.points_px,
        occluded=bulk.occluded,
        point_keys=bulk.point_keys.astype(np.int32),
        points_mm=bulk.points_mm,
        stamp=np.array([bulk.origin, time, annotator]),
    )
    return buffer.getvalue()


def decode_changes(blob: bytes, *, packed: bool) -> list[RowChange]:
    """The rows of a step."""
    if packed:
        return _decode_bulk(blob)
    if blob.startswith(ZLIB):
        blob = zlib.decompress(blob)
    return [
        RowChange(table, tuple(key), _row(before), _row(after))
        for table, key, before, after in json.loads(blob)
    ]


def _decode_bulk(blob: bytes) -> list[RowChange]:
    with np.load(io.BytesIO(blob), allow_pickle=False) as columns:
        stamp = tuple(str(text) for text in columns["stamp"])
        states = np.where(columns["occluded"], "occluded", "visible").tolist()
        changes = [
            RowChange("labels", tuple(key), None, (*point, state, *stamp))
            for key, point, state in zip(
                columns["keys"].tolist(), columns["points_px"].tolist(), states, strict=True
            )
        ]
        changes += [
            RowChange("points3d", tuple(key), None, (*point, *stamp))
            for key, point in zip(
                columns["point_keys"].tolist(), columns["points_mm"].tolist(), strict=True
            )
        ]
    return changes


def encode_place(place: Place | None, *, is_going_on: bool = False) -> str | None:
    """JSON of a cursor place; a fifth entry says that the step goes on with the one before."""
    if place is None:
        return None
    values: list[object] = [place.frame, place.camera, place.person, place.joint]
    return json.dumps([*values, True] if is_going_on else values)


def decode_place(text: object) -> Place | None:
    """The cursor place of `encode_place`."""
    return Place(*json.loads(text)[:_PLACE]) if isinstance(text, str) else None


def goes_on(text: object) -> bool:
    """Whether a step with this place goes on with the step before it."""
    return isinstance(text, str) and len(json.loads(text)) > _PLACE


def _row(values: list[float | int | str | None] | None) -> Row | None:
    return None if values is None else tuple(values)


def _whole(value: Value) -> int:
    assert isinstance(value, int)
    return value
