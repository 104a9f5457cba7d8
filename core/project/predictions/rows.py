"""Predictions as values: a row is one person at one frame in all cameras.

Rows are keyed by (recording, frame, person) and sorted so, never by the order in which a network
met them. A project is one recording, number 0; data sets such as Human3.6M have several.
A *moment* is a (recording, frame) that was worked through, also where nobody stood in any view.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Setting = str | float | int | bool | None

# dtype and trailing axes of each column, in letters: C cameras, J joints.
COLUMNS: dict[str, tuple[str, str]] = {
    "points_px": ("f4", "CJ2"),
    "confidence": ("f4", "CJ"),
    "points_mm": ("f4", "J3"),
    "weights": ("f4", "CJ"),
    "wss_mm": ("f4", "J"),
    "kept": ("?", "J"),
    "deviation_mm": ("f4", "J"),
    "single_mm": ("f4", "CJ3"),
    "root_depth_mm": ("f4", "C"),
}
AGGREGATES: dict[str, str] = {
    "worst_residual_px": "f4",
    "kept_share": "f4",
    "mean_weight": "f4",
    "num_views": "i2",
}
# What rounds without single-view poses have not.
OPTIONAL = ("single_mm", "root_depth_mm")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundHeader:
    """What a round says of itself; the same in each of its files.

    Attributes:
        run: the run's id.
        round: 1, 2, … in the order of their beginnings.
        num_blocks: files that make it complete.
        scope: ``all`` frames that the options ask for, or ``some`` of them.
        stage: the training stage after which it was made.
        step: the step of that stage.
        key: changes with weights, settings, cameras and frames: a round with the same key is gone
            on with.
        cameras: C names, in the rig's order.
        joints: J names, in the skeleton's order.
        recordings: names of the recordings, by number.
        has_single: whether there are single-view 3D poses.
        settings: how it was triangulated; ``scale_mm`` is the noise scale in force.
        config_hash: of the run's configuration.
        provenance: the weights, in words.
    """

    run: str
    round: int
    num_blocks: int
    scope: str
    stage: str
    step: int
    key: str
    cameras: tuple[str, ...]
    joints: tuple[str, ...]
    recordings: tuple[str, ...] = ("",)
    has_single: bool = False
    settings: Mapping[str, Setting]
    config_hash: str = ""
    provenance: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "settings": dict(self.settings)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RoundHeader:
        """The header that `to_dict` described.

        Raises:
            KeyError, TypeError, ValueError: where something is missing, too much, or no such value.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ValueError(f"unknown entry {unknown[0]}")
        content: dict[str, Any] = dict(values)
        for name in ("round", "num_blocks", "step"):
            content[name] = int(content[name])
        for name in ("cameras", "joints", "recordings"):
            content[name] = tuple(str(entry) for entry in content[name])
        if content["round"] < 1 or content["num_blocks"] < 1:
            raise ValueError(f"round {content['round']} of {content['num_blocks']} blocks")
        if not isinstance(content["settings"], dict):
            raise TypeError("settings are no table")
        return cls(**content)

    def axes(self, letters: str) -> tuple[int, ...]:
        """The lengths of axes named by letters: C cameras, J joints, or a digit."""
        lengths = {"C": len(self.cameras), "J": len(self.joints)}
        return tuple(lengths[a] if a in lengths else int(a) for a in letters)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that its rows have."""
        return tuple(name for name in COLUMNS if name not in OPTIONAL or self.has_single)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Aggregates:
    """Per row what a timeline shows; N rows in the order of their keys.

    Attributes:
        recordings: (N,) int64.
        frames: (N,) int64, 0-based.
        persons: (N,) int64.
        worst_residual_px: (N,) the largest leave-one-out residual of any joint and view, raw
            pixels; NaN where none could be had (fewer than three views).
        kept_share: (N,) share of the person's joints that the triangulation believes.
        mean_weight: (N,) mean weight of the views in which the person is.
        num_views: (N,) in how many views the person is.
    """

    recordings: NDArray[np.int64]
    frames: NDArray[np.int64]
    persons: NDArray[np.int64]
    worst_residual_px: NDArray[np.float32]
    kept_share: NDArray[np.float32]
    mean_weight: NDArray[np.float32]
    num_views: NDArray[np.int16]

    def __len__(self) -> int:
        """N."""
        return len(self.frames)

    def select(self, rows: Any) -> Aggregates:  # noqa: ANN401 - whatever indexes an array
        """The rows that an index, a mask or a slice picks."""
        return Aggregates(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    @classmethod
    def concatenate(cls, parts: Sequence[Aggregates]) -> Aggregates:
        """All rows of all parts, in the order given; at least one part."""
        return cls(
            **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)}
        )

    def grid(self, name: str, persons: Sequence[int], num_frames: int) -> NDArray[np.float32]:
        """One of the aggregates of recording 0 as (F, P), as a timeline wants it; NaN = none.

        Args:
            name: such as ``worst_residual_px``.
            persons: P ids, ascending; rows of others are left out.
            num_frames: F; rows beyond are left out.
        """
        found = np.full((num_frames, len(persons)), np.nan, dtype=np.float32)
        ids = np.asarray(persons, dtype=np.int64)
        known = (self.recordings == 0) & (self.frames < num_frames) & np.isin(self.persons, ids)
        columns = np.searchsorted(ids, self.persons[known])
        found[self.frames[known], columns] = getattr(self, name)[known]
        return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PredictionRows:
    """N people at their frames, C cameras, J joints.

    Attributes:
        recordings: (N,) int64 recording numbers; 0 in a project.
        frames: (N,) int64, 0-based.
        persons: (N,) int64 ids.
        points_px: (N, C, J, 2) float32 raw pixels; NaN where the person is not in the view.
        confidence: (N, C, J) float32 of the detector, 0 to 1; NaN likewise.
        points_mm: (N, J, 3) float32 world; NaN = degenerate, as for a person in one view only.
        weights: (N, C, J) float32 of the views in the triangulation; 0 where not in view.
        wss_mm: (N, J) float32; NaN where no pair of views saw the joint.
        kept: (N, J) bool, whether the triangulation is believed.
        deviation_mm: (N, J) float32 standard deviation of the point (root of the mean variance
            along the axes), from the geometry of the views that count and from how far they are
            off; NaN = not determined.
        single_mm: (N, C, J, 3) float32 world, the lifter's pose from each view alone; NaN where
            not in view. None where the round has none.
        root_depth_mm: (N, C) float32, the root's depth that those were made with: as triangulated,
            else as the body's size tells. None likewise.
        worst_residual_px: (N,) float32, as in `Aggregates`.
        kept_share: (N,) float32.
        mean_weight: (N,) float32.
        num_views: (N,) int16.
    """

    recordings: NDArray[np.int64]
    frames: NDArray[np.int64]
    persons: NDArray[np.int64]
    points_px: NDArray[np.float32]
    confidence: NDArray[np.float32]
    points_mm: NDArray[np.float32]
    weights: NDArray[np.float32]
    wss_mm: NDArray[np.float32]
    kept: NDArray[np.bool_]
    deviation_mm: NDArray[np.float32]
    single_mm: NDArray[np.float32] | None
    root_depth_mm: NDArray[np.float32] | None
    worst_residual_px: NDArray[np.float32]
    kept_share: NDArray[np.float32]
    mean_weight: NDArray[np.float32]
    num_views: NDArray[np.int16]

    def __len__(self) -> int:
        """N."""
        return len(self.frames)

    @property
    def nbytes(self) -> int:
        """Of all arrays."""
        arrays = [getattr(self, field.name) for field in fields(self)]
        return sum(cast("int", array.nbytes) for array in arrays if array is not None)

    def select(self, rows: Any) -> PredictionRows:  # noqa: ANN401 - whatever indexes an array
        """The rows that an index, a mask or a slice picks."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{n: v if v is None else v[rows] for n, v in values.items()})

    @property
    def aggregates(self) -> Aggregates:
        """What a timeline shows of these rows."""
        return Aggregates(**{f.name: getattr(self, f.name) for f in fields(Aggregates)})

    def index_of(self, person: int, frame: int | None = None, recording: int = 0) -> int | None:
        """The row of a person, where there is one."""
        found = (self.persons == person) & (self.recordings == recording)
        if frame is not None:
            found &= self.frames == frame
        rows = np.flatnonzero(found)
        return int(rows[0]) if len(rows) else None

    @classmethod
    def concatenate(cls, parts: Sequence[PredictionRows]) -> PredictionRows:
        """All rows of all parts, in the order given; single-view poses only where all have them."""
        single = all(part.single_mm is not None for part in parts)
        names = [f.name for f in fields(cls) if f.name not in OPTIONAL or single]
        values: dict[str, Any] = dict.fromkeys(OPTIONAL)
        for name in names:
            values[name] = np.concatenate([getattr(part, name) for part in parts])
        return cls(**values)

    @classmethod
    def empty(cls, num_cameras: int, num_joints: int, *, single: bool) -> PredictionRows:
        """No row."""
        lengths = {"C": num_cameras, "J": num_joints}
        values: dict[str, Any] = dict.fromkeys(OPTIONAL)
        for name, (kind, axes) in COLUMNS.items():
            if name not in OPTIONAL or single:
                shape = (lengths[a] if a in lengths else int(a) for a in axes)
                values[name] = np.zeros((0, *shape), dtype=kind)
        values |= {name: np.zeros(0, np.int64) for name in ("recordings", "frames", "persons")}
        values |= {name: np.zeros(0, kind) for name, kind in AGGREGATES.items()}
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PredictionBlock:
    """The moments of one file and the rows of all people at them.

    Attributes:
        moments: (M, 2) int64 (recording, frame), ascending, each once; one may have no rows.
        rows: sorted by (recording, frame, person), each person once, all at `moments`.
    """

    moments: NDArray[np.int64]
    rows: PredictionRows

    def __post_init__(self) -> None:
        """A programmer's mistake is refused here; whoever reads files checks before."""
        keys = moment_keys(self.moments)
        assert self.moments.ndim == 2, self.moments.shape
        assert len(keys), "a block without moments"
        assert (np.diff(keys) > 0).all(), "moments out of order"
        rows = self.rows
        own = moment_keys(np.stack([rows.recordings, rows.frames], axis=1))
        assert np.isin(own, keys).all(), "rows at other moments"
        later = np.diff(own) > 0
        assert (later | ((np.diff(own) == 0) & (np.diff(rows.persons) > 0))).all(), "rows unsorted"

    @property
    def offsets(self) -> NDArray[np.int64]:
        """(M + 1,) where the rows of each moment begin."""
        own = moment_keys(np.stack([self.rows.recordings, self.rows.frames], axis=1))
        starts = np.searchsorted(own, moment_keys(self.moments))
        return np.append(starts, len(self.rows)).astype(np.int64)


def moment_keys(moments: NDArray[np.integer]) -> NDArray[np.int64]:
    """(M, 2) recordings and frames as M single numbers of the same order."""
    recordings, frames = np.asarray(moments, dtype=np.int64).reshape(-1, 2).T
    return (recordings << 32) | frames


def moments_of(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """(M, 2) recordings and frames that `moment_keys` made numbers of."""
    return np.stack([keys >> 32, keys & 0xFFFFFFFF], axis=1)


def sorted_rows(rows: PredictionRows) -> PredictionRows:
    """The same rows in the order of their keys."""
    return rows.select(np.lexsort((rows.persons, rows.frames, rows.recordings)))
