"""What people decided about machine points: reviews, accepted points, muted observations, locks.

A joint of a person at a frame is unreviewed, accepted, locked or rejected. Whatever would change
the labels or the accepted point of a locked joint is refused until somebody unlocks it, that is,
sets it back to accepted. Undo and redo are exempt: they go back to what somebody decided.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from core.errors import CommandRefusedError
from core.project.edits import PointKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from core.project.edits import LabelReader
    from core.project.journal import RowChange
    from core.project.labels import LabelStore

ReviewName = Literal["accepted", "locked", "rejected"]
REVIEWS: tuple[ReviewName, ...] = ("accepted", "locked", "rejected")
_GUARDED = ("labels", "points3d", "accepted", "reviews")


class ReviewState(IntEnum):
    """What somebody decided about a joint of a person at a frame."""

    UNREVIEWED = 0
    ACCEPTED = 1
    LOCKED = 2
    REJECTED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where an accepted point comes from, so that its decision can be followed back.

    Attributes:
        source: ``detections``, or the id of a run.
        round: of the run's predictions; None for detections.
        weights_hash: of the run's weights file; empty for detections.
        wss_mm: root of the weighted scatter; NaN = not known.
        worst_loo_px: worst leave-one-out residual; NaN = not known.
        scale_mm: noise scale in force; None where there was none.
        weighting: as in the settings.
        rule: discard rule in force, or ``rescued`` where somebody took it against the rule.
        weights: of the cameras in the rig's order; 0 = no part in the point, NaN = not known, as
            of a view that was reprojected.
        rests_on: ``views`` that a network or a person saw; ``reprojected``, where fewer than two
            did and labels put there from elsewhere make the point; ``views, reprojected`` where
            both have part; empty = not known. Scatter and residual are NaN where they would judge
            reprojected labels by what these were made from.
    """

    source: str
    round: int | None = None
    weights_hash: str = ""
    wss_mm: float = math.nan
    worst_loo_px: float = math.nan
    scale_mm: float | None = None
    weighting: str = ""
    rule: str = ""
    weights: tuple[float, ...] = ()
    rests_on: str = ""

    def to_json(self) -> str:
        """Text for the store; NaN becomes null."""
        return json.dumps(
            {
                "source": self.source,
                "round": self.round,
                "weights_hash": self.weights_hash,
                "wss_mm": _or_none(self.wss_mm),
                "worst_loo_px": _or_none(self.worst_loo_px),
                "scale_mm": self.scale_mm,
                "weighting": self.weighting,
                "rule": self.rule,
                "weights": [_or_none(weight) for weight in self.weights],
                "rests_on": self.rests_on,
            },
            separators=(",", ":"),
            allow_nan=False,
        )

    @classmethod
    def from_json(cls, text: str) -> Provenance:
        """The provenance of `to_json`."""
        values: dict[str, Any] = json.loads(text)
        return cls(
            source=values["source"],
            round=values["round"],
            weights_hash=values["weights_hash"],
            wss_mm=_or_nan(values["wss_mm"]),
            worst_loo_px=_or_nan(values["worst_loo_px"]),
            scale_mm=values["scale_mm"],
            weighting=values["weighting"],
            rule=values["rule"],
            weights=tuple(_or_nan(weight) for weight in values["weights"]),
            rests_on=values.get("rests_on", ""),
        )


@dataclass(frozen=True, slots=True)
class Review:
    """A decision: which, of what (``detections`` or a run's id; may be empty), when and whose."""

    state: ReviewName
    source: str
    time: str
    annotator: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FrameReviews:
    """Reviews of one frame, P persons x J joints.

    Attributes:
        persons: P person ids, ascending; others are unreviewed.
        state: (P, J) uint8, values of `ReviewState`.
    """

    persons: tuple[int, ...]
    state: NDArray[np.uint8]

    def of(self, persons: Sequence[int]) -> NDArray[np.uint8]:
        """(N, J) the states of these persons, in their order."""
        found = np.zeros((len(persons), self.state.shape[1]), dtype=np.uint8)
        for row, person in enumerate(persons):
            if person in self.persons:
                found[row] = self.state[self.persons.index(person)]
        return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReviewRows:
    """N reviews, sorted by frame, person, joint.

    Attributes:
        keys: (N, 3) int64: frame, person, joint.
        state: (N,) uint8, values of `ReviewState`; never UNREVIEWED.
    """

    keys: NDArray[np.int64]
    state: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AcceptedRows:
    """N accepted points, sorted by frame, person, joint.

    Attributes:
        keys: (N, 3) int64: frame, person, joint.
        points_mm: (N, 3) float64, world, finite.
        provenance: N texts of `Provenance.to_json`.
        stamps: N of (time, annotator).
    """

    keys: NDArray[np.int64]
    points_mm: NDArray[np.float64]
    provenance: tuple[str, ...]
    stamps: tuple[tuple[str, str], ...]


def reviews_between(store: LabelStore, start: int, stop: int) -> ReviewRows:
    """All reviews of the frames start…stop-1."""
    rows = store.rows_between("reviews", start, stop)
    states = [ReviewState[str(row[3]).upper()] for row in rows]
    return ReviewRows(keys=_keys(rows, 3), state=np.array(states, dtype=np.uint8))


def reviews_at(store: LabelStore, frame: int) -> FrameReviews:
    """The reviews of one frame."""
    rows = reviews_between(store, frame, frame + 1)
    persons, row = np.unique(rows.keys[:, 1], return_inverse=True)
    state = np.zeros((len(persons), len(store.joint_names)), dtype=np.uint8)
    state[row, rows.keys[:, 2]] = rows.state
    return FrameReviews(persons=tuple(persons.tolist()), state=state)


def review_of(store: LabelStore, key: PointKey) -> Review | None:
    """Who decided what about a joint, and when; None = nobody has."""
    row: Any = store.rows("reviews", [key]).get(key)
    return None if row is None else Review(*row)


def accepted_between(store: LabelStore, start: int, stop: int) -> AcceptedRows:
    """All accepted points of the frames start…stop-1."""
    rows = store.rows_between("accepted", start, stop)
    return AcceptedRows(
        keys=_keys(rows, 3),
        points_mm=np.array([row[3:6] for row in rows], dtype=np.float64).reshape(-1, 3),
        provenance=tuple(str(row[6]) for row in rows),
        stamps=tuple((str(row[7]), str(row[8])) for row in rows),
    )


def accepted_at(store: LabelStore, frame: int) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    """The accepted points of a frame: P persons, ascending, and (P, J, 3) mm; NaN = none."""
    rows = store.rows_between("accepted", frame, frame + 1)
    persons, row = np.unique(_keys(rows, 3)[:, 1], return_inverse=True)
    found = np.full((len(persons), len(store.joint_names), 3), np.nan)
    for place, values in zip(row, rows, strict=True):
        found[place, values[2]] = values[3:6]
    return tuple(persons.tolist()), found


def muted_between(
    store: LabelStore, start: int, stop: int, persons: Sequence[int]
) -> NDArray[np.bool_]:
    """(F, P, C, J) whether somebody took the observation out of the triangulation."""
    shape = (len(store.camera_names), len(store.joint_names))
    muted = np.zeros((stop - start, len(persons), *shape), dtype=np.bool_)
    place = {person: row for row, person in enumerate(persons)}
    for frame, camera, person, joint, factor, *_ in store.rows_between("overrides", start, stop):
        if factor == 0 and person in place:
            muted[frame - start, place[person], camera, joint] = True
    return muted


def refuse_locked(reader: LabelReader, changes: Sequence[RowChange]) -> None:
    """Refuse what would change a locked joint; only setting it back to accepted is allowed.

    Raises:
        CommandRefusedError: naming the joint, the person, who locked it and when.
    """
    touched = {
        (change.key[0], *change.key[-2:])
        for change in changes
        if change.table in _GUARDED and not _unlocks(change)
    }
    locked = {
        key: row for key, row in reader.rows("reviews", touched).items() if row[0] == "locked"
    }
    if not locked:
        return
    key = PointKey(*min(locked))
    _, _, time, annotator = locked[key]
    more = f", and {len(locked) - 1} more joints are" if len(locked) > 1 else ""
    raise CommandRefusedError(
        f"{reader.joint_names[key.joint]} of #{key.person} is locked (by {annotator},"
        f" {str(time)[:16].replace('T', ' ')}){more}: unlock first."
    )


def _unlocks(change: RowChange) -> bool:
    after = change.after
    return change.table == "reviews" and after is not None and after[0] == "accepted"


def _keys(rows: Sequence[tuple[Any, ...]], size: int) -> NDArray[np.int64]:
    return np.array([row[:size] for row in rows], dtype=np.int64).reshape(-1, size)


def _or_none(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else float(value)
