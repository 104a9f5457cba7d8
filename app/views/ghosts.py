"""Ghosts in a view: where hand labels of other views put the selected person's joints.

A ghost is drawn translucent with a broken outline and hangs on a leash from what is observed
there. Where the rays that made it are nearly parallel its depth is hardly known: it is ringed in
red and tells the angle. In a view where the joint was placed by hand only the selected joint has
one, made without that view (`core.labelling.left_out_ghosts`): how far off it is, is its error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QLineF, QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from app import theme
from app.views.hit_test import HIT_RADIUS, JointTarget
from app.views.overlay import joint_radius
from app.views.scene import Form, look_of
from core.labelling.ghosts import NEAR_PARALLEL_DEGREES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.views.overlay import OverlayStyle
    from app.views.scene import ViewScene
    from app.views.transform import ViewTransform
    from core.labelling import Ghosts

# Leashes shorter than this would be hidden by what hangs on them; widget pixels.
_MIN_LEASH = 4.0
_GHOST_LOOK = look_of(Form.GHOST)
_WARNING_GAP = 4.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ViewGhosts:
    """The ghosts of one person in one view, N of them.

    Attributes:
        camera: index into the rig.
        person: id.
        row: of the person in the scene's arrays.
        joints: (N,) indices into the skeleton.
        points_px: (N, 2) raw pixels.
        angle_deg: (N,) the widest angle between two of the rays that made it.
    """

    camera: int
    person: int
    row: int
    joints: NDArray[np.int64]
    points_px: NDArray[np.float64]
    angle_deg: NDArray[np.float64]

    @property
    def is_doubtful(self) -> NDArray[np.bool_]:
        """(N,) whether the rays are nearly parallel."""
        return np.less(self.angle_deg, NEAR_PARALLEL_DEGREES)

    def at(self, transform: ViewTransform, x: float, y: float) -> JointTarget | None:
        """The ghost under the widget point (x, y), None where none is near."""
        away = np.linalg.norm(transform.to_widget(self.points_px) - (x, y), axis=-1)
        if not len(away) or not (best := float(away.min())) <= HIT_RADIUS:
            return None
        index = int(away.argmin())
        return JointTarget(
            camera=self.camera,
            row=self.row,
            person=self.person,
            joint=int(self.joints[index]),
            form=Form.GHOST,
            distance=best,
            point_px=(float(self.points_px[index, 0]), float(self.points_px[index, 1])),
        )


def view_ghosts(
    ghosts: Ghosts | None,
    camera: int,
    person: int | None,
    joint: int | None,
    left_out_px: NDArray[np.float64] | None,
) -> ViewGhosts | None:
    """What there is to show in a view; None where there is nothing.

    Args:
        ghosts: of the frame.
        camera: index into the rig.
        person: selected.
        joint: selected.
        left_out_px: (C, 2) raw pixels, the ghosts of the selected joint without each view.
    """
    if ghosts is None or person is None or person not in ghosts.persons:
        return None
    row = ghosts.persons.index(person)
    points = np.where(ghosts.placed[row, camera, :, None], np.nan, ghosts.points_px[row, camera])
    if joint is not None and left_out_px is not None:
        points[joint] = left_out_px[camera]
    joints = np.flatnonzero(np.isfinite(points).all(axis=-1))
    if not len(joints):
        return None
    return ViewGhosts(
        camera=camera,
        person=person,
        row=row,
        joints=joints,
        points_px=points[joints],
        angle_deg=ghosts.angle_deg[row, joints],
    )


def paint_ghosts(
    painter: QPainter,
    shown: ViewGhosts,
    scene: ViewScene,
    transform: ViewTransform,
    style: OverlayStyle,
    joint: int | None,
) -> None:
    """Draw ghosts on their leashes, and the angle at the selected one if it is doubtful."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    places = transform.to_widget(shown.points_px)
    box = transform.box
    inside = np.all((places >= (box.x, box.y)) & (places <= (box.right, box.bottom)), axis=-1)
    color = theme.person_color(shown.person)
    row = scene.row_of(shown.person)
    if row is not None:
        start = transform.to_widget(scene.points_px[row, shown.joints])
        _paint_leashes(painter, start, places, color)
    radius = joint_radius(scene, transform, style.display.point_size)
    mark, half = style.glyphs.joints_of(color.name(), radius)[_GHOST_LOOK]
    for x, y in places[inside].tolist():
        painter.drawPixmap(QPointF(x - half, y - half), mark)
    for index in np.flatnonzero(inside & shown.is_doubtful).tolist():
        middle = QPointF(*places[index].tolist())
        is_selected = int(shown.joints[index]) == joint
        angle = float(shown.angle_deg[index]) if is_selected else None
        _paint_warning(painter, middle, radius, angle, style)


def _paint_leashes(
    painter: QPainter, start: NDArray[np.float64], end: NDArray[np.float64], color: QColor
) -> None:
    away = np.linalg.norm(end - start, axis=-1)
    far = away >= _MIN_LEASH  # NaN, where nothing is observed, is not
    lines = [QLineF(*line) for line in np.concatenate([start, end], axis=-1)[far].tolist()]
    if not lines:
        return
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
    painter.setPen(QPen(QColor(0, 0, 0, 100), 3))
    painter.drawLines(lines)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    pen = QPen(color, 1.0)
    pen.setDashPattern([3.0, 3.0])
    painter.setPen(pen)
    painter.drawLines(lines)


def _paint_warning(
    painter: QPainter, middle: QPointF, radius: float, angle: float | None, style: OverlayStyle
) -> None:
    """A red ring: problems only; with the angle in words where there is one."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(style.theme.problem), 1.6))
    painter.drawEllipse(middle, radius + 2.5, radius + 2.5)
    if angle is None:
        return
    tag = style.glyphs.tag(f"rays {angle:.0f}° apart", style.theme.problem, bold=False)
    painter.drawPixmap(
        QPointF(middle.x() + radius + _WARNING_GAP, middle.y() + radius + _WARNING_GAP), tag
    )
