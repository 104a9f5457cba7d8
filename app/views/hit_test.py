"""Which joint a pointer means: a pure test on arrays that returns a frozen target.

The radius is generous, since joints are small and hands are not. What the person in front of the
screen most likely means wins over what is nearest by a pixel: an observation over a reprojection,
the selected person over those who cover it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.views.scene import Form

if TYPE_CHECKING:
    from app.views.scene import ViewScene
    from app.views.transform import ViewTransform

HIT_RADIUS = 14.0
# Head starts and handicaps, in widget pixels.
_SELECTED_BONUS = 4.0
_REPROJECTED_PENALTY = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JointTarget:
    """A joint that was hit in a view.

    Attributes:
        camera: index into the rig.
        row: of the person in the scene's arrays.
        person: person id.
        joint: index into the skeleton.
        form: observed by hand, by a network, or only reprojected there.
        distance: from the pointer, in widget pixels.
        point_px: where it is, raw pixels.
    """

    camera: int
    row: int
    person: int
    joint: int
    form: Form
    distance: float
    point_px: tuple[float, float]


def nearest_joint(
    scene: ViewScene,
    transform: ViewTransform,
    x: float,
    y: float,
    *,
    selected_person: int | None = None,
    radius: float = HIT_RADIUS,
) -> JointTarget | None:
    """The joint meant by a pointer at (x, y) in the widget, or None where none is near.

    Args:
        scene: what the view shows.
        transform: how it shows it.
        x: widget pixels.
        y: widget pixels.
        selected_person: the person who is preferred where several are near.
        radius: no joint farther than this is hit, in widget pixels.
    """
    if not scene.form.size:
        return None
    offsets = transform.to_widget(scene.points_px) - (x, y)
    distance = np.where(scene.form == Form.NONE, np.inf, np.hypot(offsets[..., 0], offsets[..., 1]))
    cost = distance + _REPROJECTED_PENALTY * (scene.form == Form.REPROJECTED)
    if selected_person in scene.persons:
        cost[scene.persons.index(selected_person)] -= _SELECTED_BONUS
    cost[~(distance <= radius)] = np.inf
    best = int(np.argmin(cost))
    row, joint = divmod(best, cost.shape[1])
    if not np.isfinite(cost[row, joint]):
        return None
    return JointTarget(
        camera=scene.camera,
        row=row,
        person=scene.persons[row],
        joint=joint,
        form=Form(int(scene.form[row, joint])),
        distance=float(distance[row, joint]),
        point_px=(float(scene.points_px[row, joint, 0]), float(scene.points_px[row, joint, 1])),
    )
