"""Why the selected joint is where it is: rays, candidates, their median, the ellipsoid.

A ray's colour and thickness are the weight of its view (viridis); the ray of a muted view is
dashed. Where a ray passes by the point, a hairline leads from the point to the ray: its length is
how far that view is off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.scene.shapes import ellipsoid_lines
from app.scene.strokes import crosses, dashed, dots, lines, no_strokes, rgba
from app.theme import person_color, quantity_color
from core.diagnosis import joint_uncertainty, person_covariances_mm2

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.scene.stage import Stage
    from app.scene.strokes import Strokes
    from app.theme import Theme
    from core.diagnosis import FrameDiagnosis
    from core.geometry import Camera, Rig

    Color = tuple[float, float, float, float]

_NUM_SIGMAS, _ELLIPSE_SIDES = 2.0, 24
# With more pair candidates than this (12 views) only the nearest to their median are drawn.
_MAX_CANDIDATES = 66
# Of a body's size.
_PAST_THE_POINT, _DASH = 0.1, 0.12


def joint_strokes(
    stage: Stage,
    rig: Rig,
    diagnosis: FrameDiagnosis,
    row: int,
    joint: int,
    theme: Theme,
    *,
    muted: NDArray[np.bool_] | None = None,
    hovered_camera: int | None = None,
    through: int | None = None,
) -> Strokes:
    """All that is drawn about one joint.

    Args:
        stage: where it is drawn.
        rig: the cameras.
        diagnosis: of the frame.
        row: of the person in its arrays.
        joint: index of the joint.
        theme: colours.
        muted: (C) views that somebody took out; None = none.
        hovered_camera: its ray is drawn in the accent.
        through: the camera that is looked through; its own ray would be a dot.
    """
    if muted is None:
        muted = np.zeros(len(rig), dtype=np.bool_)
    return np.concatenate(
        [
            _rays(stage, rig, diagnosis, (row, joint), theme, muted, (hovered_camera, through)),
            _ellipsoid(stage, rig, diagnosis, row, joint, theme),
            _candidates(stage, diagnosis, row, joint, theme),
            _point(stage, diagnosis, row, joint, theme),
        ]
    )


def _rays(
    stage: Stage,
    rig: Rig,
    diagnosis: FrameDiagnosis,
    place: tuple[int, int],
    theme: Theme,
    muted: NDArray[np.bool_],
    special: tuple[int | None, int | None],
) -> Strokes:
    row, joint = place
    hovered, through = special
    point = diagnosis.triangulation.points_mm[row, joint]
    seen = np.isfinite(diagnosis.undistorted_px[row, :, joint]).all(axis=-1)
    parts = [no_strokes()]
    for index in np.flatnonzero(diagnosis.observed[row, :, joint] | (muted & seen)).tolist():
        if index == through:
            continue
        origin, direction = _ray(rig[index], diagnosis.undistorted_px[row, index, joint])
        along = float((point - origin) @ direction)
        reach = 2.0 * stage.radius * stage.unit_mm
        if along > 0:
            reach = along + _PAST_THE_POINT * stage.body * stage.unit_mm
        weight = float(np.nan_to_num(diagnosis.triangulation.weights[row, index, joint]))
        weight = min(max(weight, 0.0), 1.0)
        color = theme.muted if muted[index] else quantity_color(weight).name()
        color = theme.accent if index == hovered else color
        half = 0.5 + 0.4 * weight + (0.4 if index == hovered else 0.0)
        ends = stage.place(np.stack([origin, origin + reach * direction]))
        if muted[index]:
            ends = dashed(ends[0], ends[1], _DASH * stage.body)
        parts.append(lines(ends, rgba(color), px=(half, half), outline_px=0.7))
        if along > 0:
            miss = stage.place(np.stack([point, origin + along * direction]))
            parts.append(lines(miss, rgba(color, 0.9), px=(0.5, 0.5), outline_px=0.7))
    return np.concatenate(parts)


def _ray(
    camera: Camera, undistorted_px: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Origin and unit direction (3,) of an undistorted pixel, world, mm."""
    x, y = camera.lens.to_normalised(undistorted_px[0], undistorted_px[1])
    direction = np.linalg.solve(camera.R, np.array([x, y, 1.0]))
    return camera.center_mm, direction / np.linalg.norm(direction)


def _ellipsoid(
    stage: Stage, rig: Rig, diagnosis: FrameDiagnosis, row: int, joint: int, theme: Theme
) -> Strokes:
    uncertainty = joint_uncertainty(diagnosis, rig, row, joint)
    if uncertainty is None:
        return no_strokes()
    center = diagnosis.triangulation.points_mm[row, joint]
    segments = ellipsoid_lines(center, uncertainty.covariance_mm2)
    return lines(stage.place(segments), rgba(theme.text, 0.7), px=(0.5, 0.5))


@dataclass(frozen=True, slots=True, eq=False)
class Ellipsoids:
    """How well joints are known: N centres (N, 3) and covariances (N, 3, 3), stage units.

    ``joints`` (N,) says whose they are.
    """

    centers: NDArray[np.float64]
    covariances: NDArray[np.float64]
    joints: NDArray[np.int64]

    def without(self, joint: int | None) -> Ellipsoids:
        """All but one joint's."""
        others = self.joints != joint
        return Ellipsoids(self.centers[others], self.covariances[others], self.joints[others])


NO_ELLIPSOIDS = Ellipsoids(np.empty((0, 3)), np.empty((0, 3, 3)), np.empty(0, dtype=np.int64))


def person_ellipsoids(stage: Stage, rig: Rig, diagnosis: FrameDiagnosis, row: int) -> Ellipsoids:
    """Those of a person's kept joints; `joint_strokes` has the selected one's already."""
    covariances = person_covariances_mm2(diagnosis, rig, row)
    is_known = diagnosis.triangulation.kept[row] & np.isfinite(covariances).all(axis=(1, 2))
    joints = np.flatnonzero(is_known)
    if not len(joints):
        return NO_ELLIPSOIDS
    turned = stage.rotation @ covariances[joints] @ stage.rotation.T
    centers = stage.place(diagnosis.triangulation.points_mm[row, joints])
    return Ellipsoids(centers, turned / stage.unit_mm**2, joints)


def ellipse_strokes(ellipsoids: Ellipsoids, axes: NDArray[np.float64], color: Color) -> Strokes:
    """The outlines of ellipsoids at two standard deviations, as they are seen.

    A few pixels across, the three circles of an ellipsoid would be a blot; its outline is not.

    Args:
        ellipsoids: which.
        axes: (3, 3) view_from_stage of whoever looks.
        color: of the lines.
    """
    if not len(ellipsoids.centers):
        return no_strokes()
    across = axes[:2] @ ellipsoids.covariances @ axes[:2].T
    variances, directions = np.linalg.eigh(across)
    spread = directions * np.sqrt(np.maximum(variances, 0.0))[:, None]
    angles = np.linspace(0, 2 * np.pi, _ELLIPSE_SIDES + 1)
    circle = _NUM_SIGMAS * np.stack([np.cos(angles), np.sin(angles)])
    rim = ellipsoids.centers[:, None] + (spread @ circle).transpose(0, 2, 1) @ axes[:2]
    ends = np.stack([rim[:, :-1], rim[:, 1:]], axis=2)
    return lines(ends.reshape(-1, 3), color, px=(0.55, 0.55), outline_px=0.6)


def _candidates(
    stage: Stage, diagnosis: FrameDiagnosis, row: int, joint: int, theme: Theme
) -> Strokes:
    candidates = diagnosis.triangulation.candidates_mm[row, :, joint]
    center = diagnosis.triangulation.centers_mm[row, joint]
    distance = np.linalg.norm(candidates - center, axis=1)
    near = distance < 2 * stage.radius * stage.unit_mm
    shown = np.argsort(np.where(near, distance, np.inf))[: min(int(near.sum()), _MAX_CANDIDATES)]
    rings = dots(
        stage.place(candidates[shown]),
        rgba(theme.text, 0.8),
        radius=0.006 * stage.body,
        px=(1.8, 3.5),
        ring_px=1.0,
    )
    middle = stage.place(center[None][np.isfinite(center).all(keepdims=True)])
    plus = crosses(middle, rgba(theme.accent), arm_px=6.5, px=0.8, upright=True)
    return np.concatenate([rings, plus])


def _point(stage: Stage, diagnosis: FrameDiagnosis, row: int, joint: int, theme: Theme) -> Strokes:
    """A ring about the joint: white while it is kept, red with a cross where it was discarded."""
    point = diagnosis.triangulation.points_mm[row, joint]
    placed = _finite(stage.place(point))
    size = {"radius": 0.024 * stage.body, "ring_px": 1.6, "outline_px": 0.8}
    if not diagnosis.triangulation.kept[row, joint]:
        ring = dots(placed, rgba(theme.problem), px=(6.5, 12.0), **size)
        return np.concatenate([crosses(placed, rgba(theme.problem), arm_px=3.6, px=1.0), ring])
    color = rgba(person_color(diagnosis.persons[row]).name())
    ring = dots(placed, rgba(theme.accent), px=(5.5, 12.0), **size)
    return np.concatenate([dots(placed, color, px=(2.6, 2.6), outline_px=0.8), ring])


def hover_strokes(stage: Stage, point: NDArray[np.float64], theme: Theme) -> Strokes:
    """A thin ring about the joint under the pointer, at a stage point (3,)."""
    return dots(
        _finite(point),
        rgba(theme.accent),
        radius=0.024 * stage.body,
        px=(5.0, 12.0),
        ring_px=1.0,
        outline_px=0.8,
    )


def _finite(point: NDArray[np.float64]) -> NDArray[np.float64]:
    return point[None][np.isfinite(point).all(keepdims=True)]
