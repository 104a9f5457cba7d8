"""Epipolar curves and footprints: what the other views say of the selected joint, as lines.

A curve is the ray of the joint in another view, within the volume of the recording: if that view
is right, the joint is somewhere on it. Drawn are those of the hand labels and that of the current
camera, the latter stronger. Curves are kept by the pixel they come from: while one view's joint is
dragged only its own are made anew (a third of a millisecond each).

A footprint is the image of the covariance ellipsoid of the 3D viewer, two standard deviations:
how far the joint may be from where it is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from core.geometry import epipolar_curves
from core.observations import Source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from app.views.transform import ViewTransform
    from core.geometry import Rig, WorldBox
    from core.observations import FrameObservations
    from core.project import JointKey

_NUM_SIGMAS = 2.0
_STEP_MM = 1.0
_CORNERS = np.linspace(0.0, 2 * np.pi, 49)[:-1]
_CIRCLE = np.column_stack([np.cos(_CORNERS), np.sin(_CORNERS)])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """The ray of a joint in one view, drawn in another.

    Attributes:
        camera: whose joint it comes from.
        is_by_hand: the joint was placed by hand there, or is being dragged.
        lines_px: polylines (n, 2), raw pixels of the view that it is drawn in.
    """

    camera: int
    is_by_hand: bool
    lines_px: tuple[NDArray[np.float64], ...]


class CurveCache:
    """Curves by the pixel they come from; the latest of each camera are kept."""

    def __init__(self) -> None:
        self._of: dict[int, tuple[tuple[object, ...], list[list[NDArray[np.float64]]]]] = {}

    def curves(
        self, rig: Rig, volume: WorldBox | None, camera: int, point_px: tuple[float, float]
    ) -> list[list[NDArray[np.float64]]]:
        """The ray of a pixel in every camera of the rig; nothing in its own."""
        key = (rig, volume, point_px)
        found = self._of.get(camera)
        if found is None or any(a is not b for a, b in zip(found[0][:2], key[:2], strict=True)):
            found = None
        if found is None or found[0][2] != point_px:
            others = [index for index in range(len(rig)) if index != camera]
            made = epipolar_curves(rig, camera, point_px, others, volume)
            made.insert(camera, [])
            found = self._of[camera] = (key, made)
        return found[1]


def sources_of(
    observations: FrameObservations,
    person: int,
    joint: int,
    current: int,
    moved_px: Mapping[JointKey, tuple[float, float]] | None,
) -> dict[int, tuple[tuple[float, float], bool]]:
    """Where curves of a joint come from: raw pixels, and whether by hand, by camera."""
    found: dict[int, tuple[tuple[float, float], bool]] = {}
    if person in observations.persons:
        row = observations.persons.index(person)
        points = observations.points_px[row, :, joint]
        by_hand = observations.source[row, :, joint] == Source.HAND
        wanted = by_hand.copy()
        wanted[current] = True
        for camera in np.flatnonzero(wanted & np.isfinite(points).all(axis=-1)).tolist():
            x, y = points[camera].tolist()
            found[camera] = ((x, y), bool(by_hand[camera]))
    for key, point in (moved_px or {}).items():
        if (key.person, key.joint) == (person, joint):
            found[key.camera] = (point, True)
    return found


def nearest_on(
    lines_px: Sequence[NDArray[np.float64]], point_px: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float] | None:
    """The nearest point (2,) of some polylines and how far it is; None where there are none."""
    best: tuple[NDArray[np.float64], float] | None = None
    for line in lines_px:
        start, step = line[:-1], np.diff(line, axis=0)
        along = ((point_px - start) * step).sum(axis=-1) / np.maximum((step**2).sum(axis=-1), 1e-12)
        feet = start + np.clip(along, 0.0, 1.0)[:, None] * step
        away = np.linalg.norm(feet - point_px, axis=-1)
        index = int(away.argmin())
        if best is None or away[index] < best[1]:
            best = feet[index], float(away[index])
    return best


def paint_curves(
    painter: QPainter,
    curves: Sequence[Curve],
    current: int,
    transform: ViewTransform,
    color: QColor,
) -> None:
    """Draw curves in the person's colour, that of the current camera stronger.

    Trap: antialiased lines wider than a pixel are twenty times as slow. Only hairlines are; the
    casing is translucent, and no one sees its steps.
    """
    painter.setBrush(Qt.BrushStyle.NoBrush)
    shapes = [
        (_shape(_near(line, transform), transform), curve.camera == current)
        for curve in curves
        for line in curve.lines_px
    ]
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
    for shape, is_strong in shapes:
        painter.setPen(QPen(QColor(0, 0, 0, 110 if is_strong else 60), 3))
        painter.drawPolyline(shape)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for shape, is_strong in shapes:
        line_color = QColor(color)
        line_color.setAlphaF(1.0 if is_strong else 0.6)
        painter.setPen(QPen(line_color, 1.0))
        painter.drawPolyline(shape)


def _near(line_px: NDArray[np.float64], transform: ViewTransform) -> NDArray[np.float64]:
    """The stretch of a polyline from before it enters what is shown to after it has left."""
    box = transform.box
    low = transform.to_picture(box.x, box.y)
    high = transform.to_picture(box.right, box.bottom)
    start, end = line_px[:-1], line_px[1:]
    outside = (np.maximum(start, end) < low) | (np.minimum(start, end) > high)
    shown = np.flatnonzero(~outside.any(axis=-1))
    return line_px[shown[0] : shown[-1] + 2] if len(shown) else line_px[:0]


def footprints(
    rig: Rig, point_mm: NDArray[np.float64], covariance_mm2: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(C, 48, 2) raw pixels: the images of an ellipsoid about (3,) mm; NaN where it is not seen.

    The projection is taken for linear over the ellipsoid's extent.
    """
    steps = _STEP_MM * np.vstack([np.eye(3), -np.eye(3)])
    ends = rig.project(np.vstack([point_mm, point_mm + steps])[None])[0]  # (C, 7, 2)
    jacobian = (ends[:, 1:4] - ends[:, 4:7]) / (2 * _STEP_MM)  # (C, 3, 2)
    spread = np.einsum("cad,ab,cbe->cde", jacobian, covariance_mm2, jacobian)
    known = np.isfinite(spread).all(axis=(1, 2)) & np.isfinite(ends[:, 0]).all(axis=-1)
    found = np.full((len(rig), len(_CIRCLE), 2), np.nan)
    variances, vectors = np.linalg.eigh(spread[known])
    axes = vectors * np.sqrt(np.maximum(variances, 0.0))[:, None] * _NUM_SIGMAS
    found[known] = ends[known, :1] + np.einsum("cde,ne->cnd", axes, _CIRCLE)
    return found


def paint_footprint(
    painter: QPainter, outline_px: NDArray[np.float64], transform: ViewTransform, color: QColor
) -> None:
    """Draw the outline (n, 2) of a footprint, where it is seen."""
    if not np.isfinite(outline_px).all():
        return
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    shape = _shape(outline_px, transform)
    fill = QColor(color)
    fill.setAlphaF(0.2)
    painter.setBrush(fill)
    painter.setPen(QPen(QColor(0, 0, 0, 90), 2.2))
    painter.drawPolygon(shape)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(color, 1.0))
    painter.drawPolygon(shape)


def _shape(points_px: NDArray[np.float64], transform: ViewTransform) -> QPolygonF:
    return QPolygonF([QPointF(x, y) for x, y in transform.to_widget(points_px).tolist()])
