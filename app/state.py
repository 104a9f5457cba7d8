"""The values that a window's state is made of: where it is, what is shown how, what is being moved.

All frozen: whoever holds one holds what was true when it was made. `app.session` owns the current
ones and tells when they change.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.project import JointKey, PointKey, Project
    from core.recording import Recording


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """The place everything in the window is about.

    Attributes:
        frame: 0-based frame index.
        camera: index into the rig.
        person: person id, or None while nobody is selected.
        joint: index into the skeleton, or None.
    """

    frame: int = 0
    camera: int = 0
    person: int | None = None
    joint: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HoverTarget:
    """The joint under the pointer, in any panel."""

    person: int
    joint: int
    camera: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DisplaySettings:
    """How things are shown; remembered per user, never part of the data.

    Attributes:
        theme: ``dark`` or ``light``.
        point_size: radius of a fully weighted joint, in logical pixels.
        opacity: of bones and joints, 0 to 1.
        boxes: draw the cylinder boxes.
        residuals: draw leave-one-out residuals as vectors.
        bystanders: draw detections that belong to nobody.
        labels: draw person numbers.
        ellipsoids: draw in 3D how well all joints of the selected person are known.
        epipolar: draw the rays of the selected joint in the other views.
        snapping: let a dragged joint go to a ray or a ghost near by.
        brightness: added, -1 to 1.
        contrast: factor about mid-grey.
        gamma: exponent of the picture's tone curve.
        moved_mm: where two rounds are compared, a joint has moved where it did so further.
    """

    theme: str = "dark"
    point_size: float = 4.0
    opacity: float = 1.0
    boxes: bool = False
    residuals: bool = False
    bystanders: bool = True
    labels: bool = True
    ellipsoids: bool = True
    epipolar: bool = True
    snapping: bool = False
    brightness: float = 0.0
    contrast: float = 1.0
    gamma: float = 1.0
    moved_mm: float = 20.0


@dataclass(frozen=True, slots=True)
class OpenedProject:
    """A project that was read, and is not shown yet."""

    project: Project
    recording: Recording


@dataclass(frozen=True, slots=True, kw_only=True)
class EditPreview:
    """2D joints that are being dragged: where they would be if they were let go now.

    Attributes:
        points_px: raw pixels by joint and view, all of the cursor's frame.
        reprojected: those of them that would not be labels of the hand: they make no ghosts.
        points_mm: where joints are that are dragged in space, world.
    """

    points_px: Mapping[JointKey, tuple[float, float]]
    reprojected: frozenset[JointKey] = frozenset()
    points_mm: Mapping[PointKey, tuple[float, float, float]] = field(
        default_factory=dict["PointKey", "tuple[float, float, float]"]
    )

    @property
    def by_hand_px(self) -> Mapping[JointKey, tuple[float, float]]:
        """Those that would be labels of the hand."""
        if not self.reprojected:
            return self.points_px
        return {key: at for key, at in self.points_px.items() if key not in self.reprojected}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackPreview:
    """People who are being moved over the ground: where they would stand if let go now.

    Attributes:
        places_mm: world x and y by person, all of the cursor's frame.
    """

    places_mm: Mapping[int, tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeetMode:
    """A click in a view says where a person stands, instead of selecting a joint.

    Attributes:
        person: whose track the clicks make.
        num_views: 1 = one click, met with the floor; 2 = clicks in two views, whose rays meet.
        step: frames to go on after each place; 0 stays.
        is_filling: fill the frames between this place and the last one.
        floor_mm: world z that clicks in one view are on.
    """

    person: int
    num_views: int = 1
    step: int = 10
    is_filling: bool = True
    floor_mm: float = 0.0
