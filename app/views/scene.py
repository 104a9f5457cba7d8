"""What one view shows of a frame, resolved from observations and diagnosis: plain arrays.

The painter and the hit test read the same scene, so what is seen is what is hit. A view keeps its
scene until its picture of the next frame is there: a picture and the joints over it are always of
the same frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from app.views.marking import NUM_MARKS, Mark
from core.observations import Source

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.state import EditPreview
    from core.diagnosis import FrameDiagnosis
    from core.observations import FrameObservations


# Weights are drawn in so many steps.
NUM_LEVELS = 6


class Form(IntEnum):
    """What a joint is in a view; the painter gives each its own form."""

    NONE = 0
    REPROJECTED = 1
    NETWORK = 2
    ACCEPTED = 3
    """A reprojection that somebody accepted: an observation that nobody placed here."""
    HAND = 4
    HELD = 5
    """Being dragged: hollow, so that what is under it can be seen."""
    GHOST = 6
    """Where hand labels of other views put it; in no scene, but hit and drawn like a joint."""


_FORM_OF_SOURCE = np.zeros(len(Source), dtype=np.uint8)
_FORM_OF_SOURCE[Source.NETWORK] = Form.NETWORK
_FORM_OF_SOURCE[Source.HAND] = Form.HAND
_FORM_OF_SOURCE[Source.REPROJECTED] = Form.ACCEPTED


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ViewScene:
    """One camera's part of a frame, P persons x J joints.

    Attributes:
        camera: index into the rig.
        frame: 0-based frame index.
        persons: P person ids.
        points_px: (P, J, 2) raw pixels: the observation, or the reprojected 3D joint where there
            is none; NaN where there is neither.
        form: (P, J) uint8, values of `Form`.
        weight: (P, J) the triangulation's weight of this view, 0 to 1; NaN where unknown.
        discarded: (P, J) bool, the joint is discarded (in all views alike).
        loo_px: (P, J, 2) raw pixels, the joint as the other views alone place it; NaN = none.
        loo_residual_px: (P, J) its distance from the observation; NaN = none.
        level: (P, J) the weight in steps, 0 to `NUM_LEVELS` - 1; an unknown one counts as full.
        look: (P, J) all that the mark of a joint shows, as one number; see `joint_look`.
        typical_height_px: the median extent of the people, raw pixels; 0 where there is nobody.
        boxes_px: (P, 4) cylinder boxes; NaN = out of view.
        bystanders_px: (J, 2) of each detection that belongs to nobody.
    """

    camera: int
    frame: int
    persons: tuple[int, ...]
    points_px: NDArray[np.float64]
    form: NDArray[np.uint8]
    weight: NDArray[np.float64]
    discarded: NDArray[np.bool_]
    loo_px: NDArray[np.float64]
    loo_residual_px: NDArray[np.float64]
    level: NDArray[np.int64]
    look: NDArray[np.int64]
    typical_height_px: float
    boxes_px: NDArray[np.float64]
    bystanders_px: tuple[NDArray[np.float64], ...]

    def row_of(self, person: int | None) -> int | None:
        """The row of a person id, None where it is not in this frame."""
        return self.persons.index(person) if person in self.persons else None

    def is_drawn_as(self, other: ViewScene) -> bool:
        """Whether people look the same: an edit in one view leaves most views as they are.

        Leave-one-out places and residuals are not compared.
        """
        return (self.frame, self.persons, self.typical_height_px, len(self.bystanders_px)) == (
            other.frame,
            other.persons,
            other.typical_height_px,
            len(other.bystanders_px),
        ) and all(
            one.tobytes() == another.tobytes()  # NaN is NaN's like here
            for one, another in (
                (self.points_px, other.points_px),
                (self.look, other.look),
                (self.boxes_px, other.boxes_px),
                *zip(self.bystanders_px, other.bystanders_px, strict=True),
            )
        )


def with_preview(scene: ViewScene, preview: EditPreview) -> ViewScene:
    """The scene with its joints where they are being dragged to; itself where none is."""
    held = {
        (scene.persons.index(key.person), key.joint): point
        for key, point in preview.points_px.items()
        if key.camera == scene.camera and key.person in scene.persons
    }
    if not held:
        return scene
    points, form, look = scene.points_px.copy(), scene.form.copy(), scene.look.copy()
    for place, point in held.items():
        points[place], form[place] = point, Form.HELD
        look[place] = look_of(Form.HELD)
    return replace(scene, points_px=points, form=form, look=look)


def weight_levels(weight: NDArray[np.float64]) -> NDArray[np.int64]:
    """Weights 0 to 1 in `NUM_LEVELS` steps; an unknown weight (NaN) is drawn as a full one."""
    known = np.where(np.isnan(weight), 1.0, np.clip(weight, 0.0, 1.0))
    return np.rint(known * (NUM_LEVELS - 1)).astype(np.int64)


def joint_look(
    form: NDArray[np.uint8], marks: NDArray[np.uint8], level: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Form, marks and level as one number, any shape; `split_look` takes it apart."""
    return (form.astype(np.int64) * NUM_MARKS + marks) * NUM_LEVELS + level


def look_of(form: Form) -> int:
    """The look of a form of full weight that nothing is held of."""
    return int(form) * NUM_MARKS * NUM_LEVELS + NUM_LEVELS - 1


def split_look(look: int) -> tuple[Form, Mark, int]:
    """Form, marks and level of a number made by `joint_look`."""
    rest, level = divmod(look, NUM_LEVELS)
    form, marks = divmod(rest, NUM_MARKS)
    return Form(form), Mark(marks), level


def build_scenes(
    observations: FrameObservations,
    diagnosis: FrameDiagnosis | None,
    marks: NDArray[np.uint8] | None = None,
) -> tuple[ViewScene, ...]:
    """One scene a camera.

    Without a diagnosis (the triangulation is still being loaded) every weight is unknown and
    nothing is reprojected or discarded. A discarded joint is not reprojected: its place is what
    is in doubt.

    Args:
        observations: of the frame.
        diagnosis: of the same frame and the same observations, or None.
        marks: (P, C, J) what people said of joints (`read_marks`); None = nothing.
    """
    num_persons, num_cameras, num_joints = observations.source.shape
    points = observations.points_px
    form = np.where(
        np.isfinite(points).all(axis=-1), _FORM_OF_SOURCE[observations.source], Form.NONE
    ).astype(np.uint8)
    weight = np.full(form.shape, np.nan)
    discarded = np.zeros((num_persons, num_joints), dtype=np.bool_)
    loo = np.full(points.shape, np.nan)
    loo_residual = np.full(form.shape, np.nan)
    if diagnosis is not None:
        kept = np.asarray(diagnosis.triangulation.kept, dtype=np.bool_)
        weight = np.where(form == Form.NONE, np.nan, diagnosis.triangulation.weights)
        discarded = ~kept & (form != Form.NONE).any(axis=1)
        ghost = (
            (form == Form.NONE)
            & kept[:, None, :]
            & np.isfinite(diagnosis.reprojection_px).all(axis=-1)
        )
        points = np.where(ghost[..., None], diagnosis.reprojection_px, points)
        form[ghost] = Form.REPROJECTED
        loo, loo_residual = diagnosis.loo_reprojection_px, diagnosis.loo_residual_px
    level = weight_levels(weight)
    held_of = np.zeros(form.shape, dtype=np.uint8) if marks is None else marks
    held_of = held_of | np.where(discarded[:, None], np.uint8(Mark.DISCARDED), np.uint8(0))
    look = joint_look(form, held_of, level)
    heights = _typical_heights(points)
    return tuple(
        ViewScene(
            camera=camera,
            frame=observations.frame,
            persons=observations.persons,
            points_px=points[:, camera],
            form=form[:, camera],
            weight=weight[:, camera],
            discarded=discarded,
            loo_px=loo[:, camera],
            loo_residual_px=loo_residual[:, camera],
            level=level[:, camera],
            look=look[:, camera],
            typical_height_px=heights[camera],
            boxes_px=observations.boxes_px[:, camera],
            bystanders_px=tuple(
                other.points_px for other in observations.unmatched if other.camera == camera
            ),
        )
        for camera in range(num_cameras)
    )


def _typical_heights(points_px: NDArray[np.float64]) -> list[float]:
    """For each camera of (P, C, J, 2) the median over people of their larger extent."""
    seen = np.isfinite(points_px)
    low = np.min(points_px, axis=2, where=seen, initial=np.inf)
    high = np.max(points_px, axis=2, where=seen, initial=-np.inf)
    extent = (high - low).max(axis=-1)
    columns = (column[np.isfinite(column)] for column in extent.T)
    return [float(np.median(column)) if len(column) else 0.0 for column in columns]
