"""A round's changes summed up by person, joint or camera; each table adds up to the tally."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from core.curation.round_diff import NO_CAMERA, Tally, Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.curation.round_diff import RoundDiff

GroupBy = Literal["person", "joint", "camera"]
GROUPINGS: tuple[GroupBy, ...] = get_args(GroupBy)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeGroup:
    """What became of the joints of a person, of a joint of everybody, or of a camera.

    A joint belongs to the camera whose point of it moved furthest in its picture.

    Attributes:
        key: the person's id, or index of the joint or camera; `NO_CAMERA` = joints that no camera
            saw on both sides.
        tally: how many joints are of which verdict.
        median_mm: of how far its joints moved; NaN = none has a point on both sides.
        weight_before: mean weight of the camera's observations; NaN of persons and joints.
        weight_after: the same after.
        mean_px: how far the camera's observations moved on average; NaN of persons and joints.
    """

    key: int
    tally: Tally
    median_mm: float
    weight_before: float = float("nan")
    weight_after: float = float("nan")
    mean_px: float = float("nan")


def change_groups(diff: RoundDiff, by: GroupBy, min_mm: float) -> tuple[ChangeGroup, ...]:
    """All groups with a joint in them, those with most changes first.

    Args:
        diff: of two rounds.
        by: what a group is.
        min_mm: see `ChangeFilter`.
    """
    seen = diff.seen
    verdicts, moved_mm = diff.verdicts(min_mm)[seen], diff.moved_mm[seen]
    keys = _keys(diff, by)[seen]
    order = np.argsort(keys, kind="stable")
    keys, verdicts, moved_mm = keys[order], verdicts[order], moved_mm[order]
    names, starts = np.unique(keys, return_index=True)
    stops = [*starts[1:].tolist(), len(keys)]
    groups = [
        _group(diff, by, name, verdicts[start:stop], moved_mm[start:stop])
        for name, start, stop in zip(names.tolist(), starts.tolist(), stops, strict=True)
    ]
    return tuple(sorted(groups, key=lambda group: -group.tally.num_changed))


def _keys(diff: RoundDiff, by: GroupBy) -> NDArray[np.int64]:
    """(F, P, J) which group each joint is of."""
    if by == "camera":
        return diff.camera.astype(np.int64)
    if by == "person":
        ids = np.array(diff.persons, dtype=np.int64)
        return np.broadcast_to(ids[None, :, None], diff.seen.shape)
    return np.broadcast_to(np.arange(diff.seen.shape[2]), diff.seen.shape)


def _group(
    diff: RoundDiff,
    by: GroupBy,
    key: int,
    verdicts: NDArray[np.uint8],
    moved_mm: NDArray[np.float32],
) -> ChangeGroup:
    known = moved_mm[np.isfinite(moved_mm)]
    median_mm = float(np.median(known)) if len(known) else float("nan")
    tally = Tally.of(verdicts)
    if by != "camera" or key == NO_CAMERA:
        return ChangeGroup(key=key, tally=tally, median_mm=median_mm)
    sums = diff.frame_cameras[:, :, key].sum(axis=0, dtype=np.float64).tolist()
    return ChangeGroup(
        key=key,
        tally=tally,
        median_mm=median_mm,
        weight_before=_mean(sums[1], sums[0]),
        weight_after=_mean(sums[3], sums[2]),
        mean_px=_mean(sums[5], sums[4]),
    )


def _mean(total: float, number: float) -> float:
    return total / number if number else float("nan")


def told(tally: Tally) -> str:
    """``312 moved, 40 newly kept, 12 newly discarded of 2,000 joints``, without what is none."""
    counts = (
        (tally.moved, "moved"),
        (tally.newly_kept, "newly kept"),
        (tally.newly_discarded, "newly discarded"),
    )
    parts = ", ".join(f"{number:,} {what}" for number, what in counts if number)
    return f"{parts or 'nothing changed'} of {tally.num_joints:,} joints"


VERDICT_WORDS: dict[Verdict, str] = {
    Verdict.MOVED: "moved",
    Verdict.NEWLY_KEPT: "newly kept",
    Verdict.NEWLY_DISCARDED: "newly discarded",
}
