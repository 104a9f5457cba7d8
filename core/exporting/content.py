"""What is exported: labels and accepted points as arrays, each with where it comes from.

`core.exporting.gathering` fills it; the writers and the datasheet read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from core.geometry import Rig
    from core.project import Provenance
    from core.project.spec import ProjectSpec

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

What = Literal["labels", "accepted", "both"]
WHATS: tuple[What, ...] = ("labels", "accepted", "both")
VISIBILITIES = ("visible", "occluded", "outside")


class Kind(IntEnum):
    """Where an exported point comes from."""

    HAND = 0
    IMPORTED = 1
    REPROJECTED = 2
    TRIANGULATED = 3
    ACCEPTED = 4
    COPIED = 5


@dataclass(frozen=True, slots=True)
class Record:
    """The story of a point.

    Attributes:
        kind: where it comes from.
        origin: of a label ``hand``, ``reprojected``, ``copied``, ``import:…``; of an accepted
            point its source.
        annotator: who placed or accepted it; of a triangulated one those of its labels.
        time: when, ISO 8601; of a triangulated one the latest.
        provenance: of an accepted point.
    """

    kind: Kind
    origin: str
    annotator: str
    time: str
    provenance: Provenance | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ViewRows:
    """N joints in views, by camera, frame, person, joint.

    Attributes:
        keys: (N, 4) int64: frame, camera, person, joint.
        points_px: (N, 2) raw pixels; NaN where the place is not known.
        visibility: (N,) uint8, indices of `VISIBILITIES`.
        residual_px: (N,) to the exported point in space; NaN without one, or where made from it.
        record: (N,) indices of `Content.records`.
    """

    keys: Ints
    points_px: Floats
    visibility: NDArray[np.uint8]
    residual_px: Floats
    record: Ints


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpaceRows:
    """M joints in space, by person, frame, joint.

    Attributes:
        keys: (M, 3) int64: frame, person, joint.
        points_mm: (M, 3) world, finite.
        residual_px: (M,) mean distance to the labels in the views; NaN where there are none.
        num_views: (M,) int64: views with a label, or that took part in an accepted point.
        record: (M,) indices of `Content.records`.
    """

    keys: Ints
    points_mm: Floats
    residual_px: Floats
    num_views: Ints
    record: Ints


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Poses:
    """N whole poses, of one view or in space.

    Attributes:
        frames: (N,) int64, 0-based, ascending.
        persons: (N,) int64 ids.
        points: (N, J, 2) raw pixels or (N, J, 3) mm; NaN = none.
        occluded: (N, J) bool; in space nothing is.
        residual_px: (N, J).
        num_views: (N, J) int64; in a view 1 where there is a point.
    """

    frames: Ints
    persons: Ints
    points: Floats
    occluded: Bools
    residual_px: Floats
    num_views: Ints


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Content:
    """All that an export holds.

    Attributes:
        spec: of the project: cameras, skeleton, names.
        what: labels, accepted points or both.
        views: joints in views.
        space: joints in space.
        records: where they come from.
        num_outranked: accepted points that are left out, since somebody placed their joints.
        num_refused: copied labels that are left out, since somebody rejected their joints.
        go_on: called before the poses of a view or a person are made; raises to stop an export.
    """

    spec: ProjectSpec
    what: What
    views: ViewRows
    space: SpaceRows
    records: tuple[Record, ...]
    num_outranked: int = 0
    num_refused: int = 0
    go_on: Callable[[], None] | None = None

    @property
    def rig(self) -> Rig:
        """The cameras."""
        return self.spec.rig

    @property
    def joints(self) -> tuple[str, ...]:
        """J names."""
        return self.spec.skeleton.joints

    @property
    def persons(self) -> tuple[int, ...]:
        """Ids of all who have a point, ascending."""
        return tuple(np.union1d(self.views.keys[:, 2], self.space.keys[:, 1]).tolist())

    @property
    def frames(self) -> Ints:
        """All frames with a point, ascending."""
        return np.union1d(self.views.keys[:, 0], self.space.keys[:, 0])

    def in_view(self, camera: int) -> Poses:
        """The poses of one view that have a joint with a place, by frame, then person."""
        self._ask()
        rows = self.views
        mine = (rows.keys[:, 1] == camera) & np.isfinite(rows.points_px).all(axis=1)
        keys = rows.keys[mine][:, [0, 2, 3]]
        poses = _poses(keys, rows.points_px[mine], rows.residual_px[mine], None, len(self.joints))
        pose, joint = _places(keys)
        poses.occluded[pose, joint] = rows.visibility[mine] == VISIBILITIES.index("occluded")
        return poses

    def of_person(self, person: int) -> Poses:
        """The poses of one person in space, by frame."""
        self._ask()
        rows = self.space
        mine = rows.keys[:, 1] == person
        return _poses(
            rows.keys[mine],
            rows.points_mm[mine],
            rows.residual_px[mine],
            rows.num_views[mine],
            len(self.joints),
        )

    def _ask(self) -> None:
        if self.go_on is not None:
            self.go_on()


def _poses(
    keys: Ints, points: Floats, residual: Floats, num_views: Ints | None, num_joints: int
) -> Poses:
    """Rows (frame, person, joint) as whole poses."""
    owners = np.unique(keys[:, :2], axis=0)
    pose, joint = _places(keys)
    size = (len(owners), num_joints)
    found = np.full((*size, points.shape[1]), np.nan)
    residuals, counts = np.full(size, np.nan), np.zeros(size, dtype=np.int64)
    found[pose, joint], residuals[pose, joint] = points, residual
    counts[pose, joint] = 1 if num_views is None else num_views
    return Poses(
        frames=owners[:, 0],
        persons=owners[:, 1],
        points=found,
        occluded=np.zeros(size, dtype=np.bool_),
        residual_px=residuals,
        num_views=counts,
    )


def _places(keys: Ints) -> tuple[Ints, Ints]:
    _, pose = np.unique(keys[:, :2], axis=0, return_inverse=True)
    return pose.reshape(-1).astype(np.int64), keys[:, 2]
