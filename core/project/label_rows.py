"""2D labels as they are read: one at a time, or many as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.project.edits import COPIED, HAND, REPROJECTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from core.project.edits import Row, Visibility

_PUT = (REPROJECTED, COPIED)


@dataclass(frozen=True, slots=True)
class Label:
    """A 2D label: raw pixels (NaN where the place is not known), state, and who put it when."""

    x_px: float
    y_px: float
    visibility: Visibility
    origin: str
    time: str
    annotator: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelRows:
    """N labels as arrays, sorted by frame, camera, person, joint.

    Attributes:
        keys: (N, 4) int64: frame, camera, person, joint.
        points_px: (N, 2) float64, raw pixels; NaN where the place is not known or outside.
        visibility: (N,) of `Visibility`.
        is_hand: (N,) bool, put in this tool rather than imported or reprojected.
        is_reprojected: (N,) bool, put from elsewhere: no evidence of its own.
        is_copied: (N,) bool, those of them that nobody has looked at yet.
    """

    keys: NDArray[np.int64]
    points_px: NDArray[np.float64]
    visibility: NDArray[np.str_]
    is_hand: NDArray[np.bool_]
    is_reprojected: NDArray[np.bool_]
    is_copied: NDArray[np.bool_]


def label_of(row: Row) -> Label:
    """The label of a row's values."""
    x, y, *rest = row
    values: Any = rest
    return Label(_or_nan(x), _or_nan(y), *values)


def label_rows(rows: Sequence[tuple[Any, ...]]) -> LabelRows:
    """The labels of whole rows, keys and values, in order of their keys."""
    columns = list(zip(*rows, strict=True)) or [()] * 10
    points = np.array(columns[4:6], dtype=np.float64).T.reshape(-1, 2)
    visibility = np.array(columns[6], dtype="U8")
    points[visibility == "outside"] = np.nan
    return LabelRows(
        keys=np.array(columns[:4], dtype=np.int64).T.reshape(-1, 4),
        points_px=points,
        visibility=visibility,
        is_hand=np.array([origin == HAND for origin in columns[7]], dtype=bool),
        is_reprojected=np.array([origin in _PUT for origin in columns[7]], dtype=bool),
        is_copied=np.array([origin == COPIED for origin in columns[7]], dtype=bool),
    )


def _or_nan(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")
