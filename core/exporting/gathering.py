"""Gathering what is exported from a project, block by block of frames.

Labels are what people placed or imported, in the views and in space, and, where a joint has no 3D
label, the DLT of its labels in two views or more, as a training makes it. Accepted pseudo-labels
are points in space; in a view they stand where they are projected to, inside the picture, unless a
label stands there. One whose joint somebody placed in any view is left out and counted, as a
training leaves it out. Muted observations play no part: what somebody muted is about triangulation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import CommandRefusedError
from core.exporting.content import VISIBILITIES, Content, Kind, Record, SpaceRows, ViewRows
from core.geometry import triangulate
from core.project import (
    COPIED,
    HAND,
    REPROJECTED,
    Provenance,
    ReviewState,
    outranked_between,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from core.exporting.content import What
    from core.geometry import Rig
    from core.project import Project
    from core.project.spec import ProjectSpec

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]
    Progress = Callable[[int, int], bool]
    Chosen = Callable[[Ints], Bools]

_BLOCK_FRAMES = 256
_KINDS = {HAND: Kind.HAND, REPROJECTED: Kind.REPROJECTED, COPIED: Kind.COPIED}


def gather(
    project: Project, what: What, chosen: Chosen | None = None, progress: Progress | None = None
) -> Content:
    """Everything that is to be exported.

    Args:
        project: whose labels.
        what: labels, accepted points or both; where a joint has both, the label counts.
        chosen: which of (N, 3) frame, person, joint are meant; None = all.
        progress: told (blocks done, blocks in all); answers whether to go on.

    Raises:
        CommandRefusedError: there is nothing, or `progress` asked to stop.
    """
    gathering = _Gathering(project, chosen)
    frames = np.zeros(0, dtype=np.int64)
    if what != "accepted":
        frames = project.labelled_frames()
    if what != "labels":
        frames = np.union1d(frames, project.labels.frames("accepted"))
    blocks = [frames[i : i + _BLOCK_FRAMES] for i in range(0, len(frames), _BLOCK_FRAMES)]
    for number, block in enumerate(blocks):
        if progress is not None and not progress(number, len(blocks)):
            raise CommandRefusedError("Stopped; nothing was exported.")
        start, stop = int(block[0]), int(block[-1]) + 1
        if what != "accepted":
            gathering.take_labels(start, stop)
        if what != "labels":
            gathering.take_accepted(start, stop)
    content = gathering.content(project.spec, what)
    if not len(content.views.keys) + len(content.space.keys):
        such = "such " if chosen is not None else ""
        what_not = {
            "labels": f"no {such}labels",
            "accepted": f"no {such}accepted points",
            "both": f"no {such}labels and no accepted points",
        }[what]
        raise CommandRefusedError(f"There is nothing to export: the project has {what_not}.")
    return content


_NO_KEYS = np.zeros(0, dtype=np.int64)
_NO_VIEWS = ViewRows(
    keys=_NO_KEYS.reshape(0, 4),
    points_px=np.zeros((0, 2)),
    visibility=np.zeros(0, dtype=np.uint8),
    residual_px=np.zeros(0),
    record=_NO_KEYS,
)
_NO_SPACE = SpaceRows(
    keys=_NO_KEYS.reshape(0, 3),
    points_mm=np.zeros((0, 3)),
    residual_px=np.zeros(0),
    num_views=_NO_KEYS,
    record=_NO_KEYS,
)


class _Gathering:
    """Rows as they come in, block by block."""

    def __init__(self, project: Project, chosen: Chosen | None) -> None:
        self._project, self._rig, self._chosen = project, project.rig, chosen
        self._records: dict[Record, int] = {}
        self._views: list[ViewRows] = []
        self._space: list[SpaceRows] = []
        self._labelled: dict[int, set[tuple[int, int, int]]] = {}
        self._labelled_space: dict[int, set[tuple[int, int]]] = {}
        self._num_outranked = 0
        self._num_refused = 0

    def take_labels(self, start: int, stop: int) -> None:
        """Labels of the frames start…stop-1, and what they make in space."""
        store = self._project.labels
        rows = self._meant(store.rows_between("labels", start, stop), [0, 2, 3], 4)
        rows = self._without_refused_copies(rows, start, stop)
        keys = _keys(rows, 4)
        points = np.array([[_nan(r[4]), _nan(r[5])] for r in rows]).reshape(-1, 2)
        visibility = np.array([VISIBILITIES.index(r[6]) for r in rows], dtype=np.uint8)
        points[visibility == VISIBILITIES.index("outside")] = np.nan
        record = [self._record(Record(_kind(r[7]), r[7], r[9], r[8])) for r in rows]
        space = self._meant(store.rows_between("points3d", start, stop), [0, 1, 2], 3)
        own = [self._record(Record(_kind(r[6]), r[6], r[8], r[7])) for r in space]
        points_mm = np.array([r[3:6] for r in space], dtype=np.float64).reshape(-1, 3)
        made = _Made.of(self._rig, rows, points, _keys(space, 3))
        made_records = [self._record(record) for record in made.records]
        all_keys = np.concatenate([_keys(space, 3), made.keys])
        all_points = np.concatenate([points_mm, made.points_mm])
        residual, mean, count = _residuals(self._rig, keys, points, all_keys, all_points)
        self._labelled[start] = {(k[0], k[1], k[2] << 16 | k[3]) for k in keys.tolist()}
        self._labelled_space[start] = {(k[0], k[1] << 16 | k[2]) for k in all_keys.tolist()}
        self._views.append(
            ViewRows(
                keys=keys,
                points_px=points,
                visibility=visibility,
                residual_px=residual,
                record=_whole(record),
            )
        )
        self._space.append(
            SpaceRows(
                keys=all_keys,
                points_mm=all_points,
                residual_px=mean,
                num_views=count,
                record=_whole([*own, *made_records]),
            )
        )

    def _without_refused_copies(
        self, rows: list[tuple[Any, ...]], start: int, stop: int
    ) -> list[tuple[Any, ...]]:
        """Labels but for copies, which nobody confirmed, of joints that somebody rejected since."""
        reviews = self._project.reviews_between(start, stop)
        rejected = reviews.keys[reviews.state == ReviewState.REJECTED]
        refused = {tuple(key) for key in rejected.tolist()}
        kept = [r for r in rows if r[7] != COPIED or (r[0], r[2], r[3]) not in refused]
        self._num_refused += len(rows) - len(kept)
        return kept

    def take_accepted(self, start: int, stop: int) -> None:
        """Accepted points of the frames start…stop-1 that no label speaks of, and their images."""
        rows = self._meant(self._project.labels.rows_between("accepted", start, stop), [0, 1, 2], 3)
        outranked = outranked_between(self._project.labels, start, stop)
        num_rows = len(rows)
        rows = [row for row in rows if row[:3] not in outranked]
        self._num_outranked += num_rows - len(rows)
        known = self._labelled_space.get(start, set())
        rows = [row for row in rows if (row[0], row[1] << 16 | row[2]) not in known]
        keys = _keys(rows, 3)
        points_mm = np.array([row[3:6] for row in rows], dtype=np.float64).reshape(-1, 3)
        stories = [Provenance.from_json(row[6]) for row in rows]
        record = _whole(
            [
                self._record(Record(Kind.ACCEPTED, story.source, row[8], row[7], story))
                for story, row in zip(stories, rows, strict=True)
            ]
        )
        used = [sum(weight > 0 for weight in story.weights) for story in stories]
        self._space.append(
            SpaceRows(
                keys=keys,
                points_mm=points_mm,
                residual_px=np.full(len(keys), np.nan),
                num_views=_whole(used),
                record=record,
            )
        )
        self._views.append(self._images(keys, points_mm, record, self._labelled.get(start, set())))

    def content(self, spec: ProjectSpec, what: What) -> Content:
        """All of it, sorted."""
        views = _joined(ViewRows, [_NO_VIEWS, *self._views])
        space = _joined(SpaceRows, [_NO_SPACE, *self._space])
        return Content(
            spec=spec,
            what=what,
            views=_sorted(views, (3, 2, 0, 1)),
            space=_sorted(space, (2, 0, 1)),
            records=tuple(self._records),
            num_outranked=self._num_outranked,
            num_refused=self._num_refused,
        )

    def _images(
        self, keys: Ints, points_mm: Floats, record: Ints, known: set[tuple[int, int, int]]
    ) -> ViewRows:
        points = self._rig.project(points_mm[:, None])[:, :, 0]  # (K, C, 2)
        inside = np.zeros(points.shape[:2], dtype=np.bool_)
        for camera, one in enumerate(self._rig):
            width, height = one.extent_px
            with np.errstate(invalid="ignore"):
                low = (points[:, camera] >= -0.5).all(axis=1)  # pixel centres are at integers
                high = (points[:, camera] < (width - 0.5, height - 0.5)).all(axis=1)
            inside[:, camera] = low & high
        row, camera = np.nonzero(inside)
        whole = np.stack([keys[row, 0], camera, keys[row, 1], keys[row, 2]], axis=1)
        free = [(k[0], k[1], k[2] << 16 | k[3]) not in known for k in whole.tolist()]
        left = np.flatnonzero(free)
        return ViewRows(
            keys=whole[left],
            points_px=points[row, camera][left],
            visibility=np.zeros(len(left), dtype=np.uint8),
            residual_px=np.full(len(left), np.nan),
            record=record[row][left],
        )

    def _meant(
        self, rows: Sequence[tuple[Any, ...]], columns: Sequence[int], size: int
    ) -> list[tuple[Any, ...]]:
        if self._chosen is None or not rows:
            return list(rows)
        keep = self._chosen(_keys(rows, size)[:, columns])
        return [row for row, is_kept in zip(rows, keep.tolist(), strict=True) if is_kept]

    def _record(self, record: Record) -> int:
        return self._records.setdefault(record, len(self._records))


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """Points that labels in two views or more make, where nobody gave one in space."""

    keys: Ints
    points_mm: Floats
    records: list[Record]

    @classmethod
    def of(
        cls,
        rig: Rig,
        rows: Sequence[tuple[Any, ...]],
        points_px: Floats,
        known: Ints,
    ) -> _Made:
        given = {tuple(key) for key in known.tolist()}
        joints: dict[tuple[int, int, int], list[int]] = {}
        for number, (frame, _, person, joint, *values) in enumerate(rows):
            is_there = math.isfinite(points_px[number, 0]) and values[3] not in (
                REPROJECTED,
                COPIED,
            )
            if is_there and (frame, person, joint) not in given:
                joints.setdefault((frame, person, joint), []).append(number)
        found = {key: numbers for key, numbers in joints.items() if len(numbers) >= 2}
        seen = np.full((len(found), len(rig), 1, 2), np.nan)
        for place, numbers in enumerate(found.values()):
            for number in numbers:
                seen[place, rows[number][1], 0] = points_px[number]
        solved = np.zeros((0, 3))
        if found:
            solved = triangulate(rig.undistort(seen), rig.projections)[:, 0]
        keys = np.array(list(found), dtype=np.int64).reshape(-1, 3)
        good = np.asarray(np.isfinite(solved).all(axis=1))
        records = [
            Record(
                Kind.TRIANGULATED,
                " ".join(sorted({rows[n][7] for n in numbers})),
                " ".join(sorted({rows[n][9] for n in numbers})),
                max(rows[n][8] for n in numbers),
            )
            for numbers in found.values()
        ]
        kept = [record for record, is_good in zip(records, good.tolist(), strict=True) if is_good]
        return cls(keys[good], solved[good], kept)


def _residuals(
    rig: Rig, keys: Ints, points_px: Floats, space_keys: Ints, points_mm: Floats
) -> tuple[Floats, Floats, Ints]:
    """Of each label in a view; and of each point in space their mean, and how many there are."""
    row_of = {tuple(key): row for row, key in enumerate(space_keys.tolist())}
    row = np.array([row_of.get((k[0], k[2], k[3]), -1) for k in keys.tolist()], dtype=np.int64)
    residual = np.full(len(keys), np.nan)
    for camera, one in enumerate(rig):
        mine = np.flatnonzero((row >= 0) & (keys[:, 1] == camera))
        if len(mine):
            image = one.project(points_mm[row[mine]])
            residual[mine] = np.linalg.norm(image - points_px[mine], axis=1)
    known = np.isfinite(residual)
    count = np.bincount(row[known], minlength=len(space_keys))
    total = np.bincount(row[known], weights=residual[known], minlength=len(space_keys))
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return residual, mean, count.astype(np.int64)


def _columns(rows: ViewRows | SpaceRows) -> Iterator[str]:
    yield from type(rows).__slots__


def _joined(kind: type[Any], parts: Sequence[Any]) -> Any:  # noqa: ANN401 - ViewRows or SpaceRows
    names = list(_columns(parts[0]))
    return kind(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})


def _sorted(rows: Any, order: Sequence[int]) -> Any:  # noqa: ANN401 - ViewRows or SpaceRows
    """By the columns of the keys, the last named first."""
    place = np.lexsort([rows.keys[:, column] for column in order])
    return replace(rows, **{name: getattr(rows, name)[place] for name in _columns(rows)})


def _keys(rows: Sequence[tuple[Any, ...]], size: int) -> Ints:
    return np.array([row[:size] for row in rows], dtype=np.int64).reshape(-1, size)


def _kind(origin: str) -> Kind:
    return _KINDS.get(origin, Kind.IMPORTED)


def _whole(values: Sequence[int]) -> Ints:
    return np.array(values, dtype=np.int64)


def _nan(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
