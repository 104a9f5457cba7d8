"""The table of a queue: what is known of each joint, as arrays over rows."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]


@dataclass(slots=True, eq=False, kw_only=True)
class Rows:
    """N joints in C views, by frame, person, joint.

    Attributes:
        keys: (N, 3) int64: frame, person, joint.
        gain_mm: (N, C) what a click is expected to take off the error.
        error_mm: (N,) expected error of the shown point.
        rival_mm: (N,) distance of the most probable other place.
        unknown: (N,) probability that no place is right.
        loo_px: (N, C) leave-one-out residuals; NaN = none.
        kept: (N,) the triangulation is believed.
        hand: (N, C) somebody answered for the view.
        observed: (N, C) an observation takes part.
        points_px: (N, C, 2) raw pixels; NaN = none.
        points_mm: (N, 3) world; NaN = none.
        other_mm: (N,) distance from another source's point; NaN = none.
        closed: (N,) somebody has accepted, locked or rejected it.
        scores: (N, C) of the ranking; 0 = not to be shown.
    """

    keys: NDArray[np.int64]
    gain_mm: Floats
    error_mm: Floats
    rival_mm: Floats
    unknown: Floats
    loo_px: Floats
    kept: Bools
    hand: Bools
    observed: Bools
    points_px: Floats
    points_mm: Floats
    other_mm: Floats
    closed: Bools
    scores: Floats = field(default_factory=lambda: np.zeros((0, 0)))

    @classmethod
    def empty(cls, num_cameras: int) -> Rows:
        """Of nothing."""
        views, none = np.zeros((0, num_cameras)), np.zeros(0)
        flags = np.zeros((0, num_cameras), np.bool_)
        return cls(
            keys=np.zeros((0, 3), np.int64),
            gain_mm=views,
            error_mm=none,
            rival_mm=none,
            unknown=none,
            loo_px=views,
            kept=np.zeros(0, np.bool_),
            hand=flags,
            observed=flags,
            points_px=np.zeros((0, num_cameras, 2)),
            points_mm=np.zeros((0, 3)),
            other_mm=none,
            closed=np.zeros(0, np.bool_),
        )


COLUMNS = tuple(f.name for f in fields(Rows) if f.name != "scores")


def by_joint(values: NDArray[Any]) -> NDArray[Any]:
    """(M, C, J, …) of people as (M x J, C, …) of joints."""
    turned = values.swapaxes(1, 2)
    return turned.reshape(-1, *turned.shape[2:])


def joined(parts: Sequence[Rows]) -> Rows:
    """One after another; scores are to be made anew. At least one."""
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS
    }
    return Rows(**columns)


def taken(rows: Rows, places: NDArray[np.int64]) -> Rows:
    """Some of them, in this order; scores are to be made anew."""
    columns: dict[str, Any] = {name: getattr(rows, name)[places] for name in COLUMNS}
    return Rows(**columns)
