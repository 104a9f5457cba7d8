"""Editing in space: where a pointer's ray meets a plane or a line, and points put into the views.

Nothing of a drag in 3D is stored in 3D. The point is reprojected into chosen views, and what
changes are the 2D labels there: one edit. A label of the hand that is moved this way stays one
(whoever drags moves on purpose what a hand had placed); in a view without one the label is of
origin `REPROJECTED`, and so never speaks for itself in ghosts or training labels. What a hand
said without a place (occluded, outside) is left as it was said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from core.errors import CommandRefusedError
from core.observations import Source
from core.project.edits import COPIED, HAND, REPROJECTED, JointKey, PointKey, describe_keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from core.geometry import Rig
    from core.observations import FrameObservations
    from core.project.edits import Key, LabelReader, Row, Writes

ViewChoice = Literal["free", "hand", "camera", "all"]
VIEW_CHOICES: tuple[ViewChoice, ...] = ("free", "hand", "camera", "all")
"""Views without a label of the hand, views with one, one camera's, all."""

# Sines below this are parallel: the meeting point would be anywhere.
_PARALLEL = 0.02


class Ray(NamedTuple):
    """A half-line: origin (3,) and direction (3,) of any length, both in one frame."""

    origin: NDArray[np.float64]
    direction: NDArray[np.float64]


def on_plane(
    ray: Ray, point: NDArray[np.float64], normal: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Where a ray meets the plane through ``point`` (3,) across ``normal`` (3,).

    None where it runs along the plane, within about a degree, or leaves it behind.
    """
    steep = float(ray.direction @ normal)
    if abs(steep) < _PARALLEL * float(np.linalg.norm(ray.direction) * np.linalg.norm(normal)):
        return None
    along = float((point - ray.origin) @ normal) / steep
    return ray.origin + along * ray.direction if along > 0 else None


def on_line(ray: Ray, line: Ray) -> NDArray[np.float64] | None:
    """The point of a half-line that is nearest to a ray.

    None where they are parallel, within about a degree, and where it would lie behind either's
    origin.
    """
    first = ray.direction / np.linalg.norm(ray.direction)
    second = line.direction / np.linalg.norm(line.direction)
    cosine = float(first @ second)
    sine_squared = 1.0 - cosine**2
    if sine_squared < _PARALLEL**2:
        return None
    apart = ray.origin - line.origin
    along = float(apart @ second - cosine * (apart @ first)) / sine_squared
    if along <= 0 or float((line.origin + along * second - ray.origin) @ first) <= 0:
        return None
    return line.origin + along * second


def chosen_views(
    observations: FrameObservations, key: PointKey, choice: ViewChoice, camera: int
) -> tuple[int, ...]:
    """The cameras whose labels of a joint a drag in space moves.

    Args:
        observations: of the frame of ``key``.
        key: the joint.
        choice: which views.
        camera: the one that ``choice`` "camera" means.

    Raises:
        CommandRefusedError: there is none; it says what else can be chosen.
    """
    source, points = observations.source, observations.points_px
    row = observations.persons.index(key.person)
    by_hand = source[row, :, key.joint] == Source.HAND
    placed = by_hand & np.isfinite(points[row, :, key.joint]).all(axis=-1)
    chosen = {
        "free": ~by_hand,
        "hand": placed,
        "camera": np.arange(len(by_hand)) == camera,
        "all": np.ones_like(by_hand),
    }[choice] & ~(by_hand & ~placed)
    if chosen.any():
        return tuple(np.flatnonzero(chosen).tolist())
    raise CommandRefusedError(
        {
            "free": "Every view has a hand label of this joint: let the drag move those.",
            "hand": "No view has a hand label of this joint: let the drag move other views.",
            "camera": "This view says that the joint is occluded or outside: make it visible (V).",
            "all": "Every view says that the joint is occluded or outside.",
        }[choice]
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reprojection:
    """A point in space, and where it lies in the chosen views.

    Attributes:
        key: which joint.
        point_mm: (3,) world.
        points_px: raw pixels in the views whose picture has it.
        by_hand: those of them that have a label of the hand with a place.
        unseen: chosen cameras whose picture does not have it.
    """

    key: PointKey
    point_mm: NDArray[np.float64]
    points_px: Mapping[JointKey, tuple[float, float]]
    by_hand: frozenset[JointKey]
    unseen: tuple[int, ...]


def reproject(
    rig: Rig,
    observations: FrameObservations,
    key: PointKey,
    point_mm: NDArray[np.float64],
    cameras: Sequence[int],
) -> Reprojection:
    """Put a point (3,) into the pictures of ``cameras``."""
    row = observations.persons.index(key.person)
    pixels = rig.project(point_mm[None])[:, 0]
    points: dict[JointKey, tuple[float, float]] = {}
    by_hand: set[JointKey] = set()
    unseen: list[int] = []
    for camera in cameras:
        x, y = pixels[camera].tolist()
        width, height = rig[camera].extent_px
        if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
            unseen.append(camera)
            continue
        place = JointKey(key.frame, camera, key.person, key.joint)
        points[place] = (x, y)
        if observations.source[row, camera, key.joint] == Source.HAND:
            by_hand.add(place)
    return Reprojection(
        key=key,
        point_mm=point_mm,
        points_px=points,
        by_hand=frozenset(by_hand),
        unseen=tuple(unseen),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MoveInSpace:
    """Put the 2D labels of a joint where its point in space was dragged to.

    A label that was there keeps its visibility; a new one is visible. Where the picture does not
    have the place, an earlier reprojection is taken away: it would speak for the former place.
    """

    reprojection: Reprojection
    name: str = ""

    def __post_init__(self) -> None:
        """Refuse a point that no chosen picture has."""
        if not self.reprojection.points_px:
            raise CommandRefusedError("None of the chosen views has that place in its picture.")

    def describe(self, reader: LabelReader) -> str:
        """``Move left_wrist of #7 in 6 views from 3D``."""
        what = describe_keys(tuple(self.reprojection.points_px), reader)
        return self.name or f"Move {what} from 3D"

    def writes(self, reader: LabelReader) -> Writes:
        """One label a view, and nothing muted under it."""
        moved = self.reprojection
        frame, person, joint = moved.key
        unseen = [JointKey(frame, camera, person, joint) for camera in moved.unseen]
        old = reader.rows("labels", [*moved.points_px, *unseen])
        rows: dict[Key, Row | None] = {}
        for key, (x, y) in moved.points_px.items():
            visibility = old[key][2] if key in old else "visible"
            rows[key] = (x, y, visibility, HAND if key in moved.by_hand else REPROJECTED)
        for key in unseen:
            if key in old and old[key][3] in (REPROJECTED, COPIED):
                rows[key] = None
        return {"labels": rows, "overrides": dict.fromkeys(moved.points_px)}
