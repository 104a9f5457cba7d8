"""The vispy side of the 3D viewer: a canvas, a turntable camera, and a fixed set of visuals.

Visuals are made once and given new data, never rebuilt: a frame step sets a handful of buffers.
vispy asks for RGBA tuples; colour strings cost it a parse at every call.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication
from vispy import scene
from vispy.scene import visuals

from app.scene.shapes import bone_lines, ellipsoid_lines, frustum_lines
from app.theme import THEMES, person_color, quantity_color
from core.diagnosis import joint_uncertainty

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from PySide6.QtWidgets import QWidget

    from app.scene.stage import Stage
    from app.session import Session
    from core.diagnosis import FrameDiagnosis
    from core.geometry import Rig

    Pointer = Callable[[tuple[float, float]], None]

_FOV = 45.0
# How far a frustum reaches, as a share of the stage's radius.
_FRUSTUM_REACH = 0.12
# With more pair candidates than this (12 views) only the nearest to their median are drawn.
_MAX_CANDIDATES = 66


def rgba(color: QColor | str, alpha: float = 1.0) -> tuple[float, float, float, float]:
    """A colour as vispy takes it."""
    red, green, blue, _ = QColor(color).getRgbF()  # pyright: ignore[reportGeneralTypeIssues]
    return (red, green, blue, alpha)


class SceneDrawing:
    """Owns the canvas; draws what it is told, in stage coordinates."""

    def __init__(self) -> None:
        self._canvas: Any = scene.SceneCanvas(
            keys=None, show=False, app="pyside6", config={"samples": 4}
        )
        self._view: Any = self._canvas.central_widget.add_view()
        self._camera: Any = scene.TurntableCamera(fov=_FOV, elevation=28, azimuth=25, distance=30)
        self._view.camera = self._camera
        self._theme = THEMES["dark"]
        self._names: tuple[str, ...] = ()
        self._frusta: list[NDArray[np.float64]] = []
        self._marked = -1
        parent = self._view.scene
        line: dict[str, Any] = {"parent": parent, "connect": "segments", "antialias": False}
        nowhere = np.zeros((2, 3))
        self._ground: Any = visuals.Line(nowhere, **line)
        self._cameras = visuals.Line(nowhere, **line)
        self._bones = visuals.Line(nowhere, width=2, **line)
        self._selected_bones = visuals.Line(nowhere, width=4, **line)
        self._truth = visuals.Line(nowhere, width=1, **line)
        self._rays = visuals.Line(nowhere, width=2, **line)
        self._ellipsoid = visuals.Line(nowhere, width=1, **line)
        text: dict[str, Any] = {"parent": parent, "pos": np.zeros((1, 3)), "font_size": 8}
        self._labels = visuals.Text("", **text)
        self._people_labels = visuals.Text("", **text)
        self._kept = visuals.Markers(parent=parent)
        self._discarded = visuals.Markers(parent=parent)
        self._candidates = visuals.Markers(parent=parent)
        self._center = visuals.Markers(parent=parent)
        self._chosen = visuals.Markers(parent=parent)
        # Joints and labels stay readable in front of lines.
        for order, visual in enumerate(
            (self._kept, self._discarded, self._candidates, self._center, self._chosen)
        ):
            visual.set_gl_state("translucent", depth_test=False)
            visual.order = 10 + order
        for visual in (self._labels, self._people_labels):
            visual.set_gl_state("translucent", depth_test=False)
            visual.order = 20
        self.set_theme("dark")

    @property
    def widget(self) -> QWidget:
        """The canvas, to be put in a layout."""
        return self._canvas.native

    def connect_pointer(self, on_press: Pointer, on_release: Pointer, on_move: Pointer) -> None:
        """Tell where the pointer is pressed (left), released and moved, in canvas coordinates."""

        def press(event: Any) -> None:  # noqa: ANN401 - vispy's event
            if event.button == 1 and not event.modifiers:
                on_press(tuple(event.pos[:2]))

        self._canvas.events.mouse_press.connect(press)

        def release(event: Any) -> None:  # noqa: ANN401 - vispy's event
            on_release(tuple(event.pos[:2]))

        def move(event: Any) -> None:  # noqa: ANN401 - vispy's event
            on_move(tuple(event.pos[:2]))

        self._canvas.events.mouse_release.connect(release)
        self._canvas.events.mouse_move.connect(move)

    def set_visible(self, *, visible: bool) -> None:
        """Show the stage, or an empty canvas."""
        self._view.visible = visible
        self.update()

    def update(self) -> None:
        """Paint again."""
        self._canvas.update()

    def render(self) -> NDArray[np.uint8]:
        """(h, w, 4) RGBA of what is shown."""
        return np.asarray(self._canvas.render(alpha=True), dtype=np.uint8)

    def orbit_times_ms(self, num_frames: int) -> list[float]:
        """Turn once, painting every step to the screen, and time each."""
        times: list[float] = []
        for _ in range(num_frames):
            started = time.perf_counter()
            self._camera.azimuth += 360 / num_frames
            self.widget.repaint()
            QApplication.processEvents()
            times.append(1000 * (time.perf_counter() - started))
        return times

    def close(self) -> None:
        """Let go of the canvas."""
        self._canvas.close()

    # The camera.

    def look_at(self, center: NDArray[np.float64], distance: float | None) -> None:
        """Turn about ``center``; keep the distance where it is None."""
        self._camera.center = tuple(float(c) for c in center)
        if self._camera.fov != _FOV or self._camera.roll != 0:
            self._camera.fov = _FOV
            self._camera.roll = 0
            self._camera.elevation = 28
        if distance is not None:
            self._set_distance(distance)

    def _set_distance(self, distance: float) -> None:
        self._camera.distance = distance
        # vispy derives the clipping planes from this one.
        self._camera.scale_factor = 2 * distance * np.tan(np.radians(self._camera.fov) / 2)

    def look_through(
        self, place: NDArray[np.float64], axes: NDArray[np.float64], *, fov_degrees: float
    ) -> None:
        """Stand at ``place`` with the given right, down and forward (rows of ``axes``)."""
        right, _, forward = axes
        distance = float(np.linalg.norm(place)) or 1.0
        elevation = float(np.degrees(np.arcsin(np.clip(-forward[2], -1, 1))))
        flat = np.hypot(forward[0], forward[1])
        # Straight down, "ahead" is what is up in the picture.
        ahead = forward if flat > 1e-3 else -axes[1]
        azimuth = float(np.degrees(np.arctan2(-ahead[0], ahead[1])))
        level = np.array([np.cos(np.radians(azimuth)), np.sin(np.radians(azimuth)), 0.0])
        other = np.cross(level, forward)
        roll = float(np.degrees(np.arctan2(right @ other, right @ level)))
        self._camera.fov = min(max(fov_degrees, 5.0), 120.0)
        self._camera.elevation = elevation
        self._camera.azimuth = azimuth
        self._camera.roll = roll
        self._camera.center = tuple(float(c) for c in place + distance * forward)
        self._set_distance(distance)
        self.update()

    def canvas_positions(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) where stage points (N, 3) are drawn; NaN for what is behind the viewer."""
        filled = np.nan_to_num(points)
        mapped = np.asarray(self._view.scene.transform.map(filled), dtype=np.float64)
        behind = (mapped[:, 3] <= 0) | ~np.isfinite(points).all(axis=1)
        weight = np.where(behind, 1.0, mapped[:, 3])
        drawn = mapped[:, :2] / weight[:, None]
        drawn[behind] = np.nan
        return drawn

    # What is drawn.

    def set_theme(self, name: str) -> None:
        """Colours of the background, ground and cameras."""
        self._theme = THEMES["light" if name == "light" else "dark"]
        self._canvas.bgcolor = rgba(self._theme.canvas)
        self._labels.color = rgba(self._theme.text)
        self._people_labels.color = rgba(self._theme.text)
        self._ground.set_data(color=rgba(self._theme.muted, 0.55))

    def show_stage(self, stage: Stage, rig: Rig) -> None:
        """Ground and cameras: what stays for the whole recording."""
        self._ground.set_data(stage.ground, color=rgba(self._theme.muted, 0.55))
        reach = _FRUSTUM_REACH * stage.radius * stage.unit_mm
        self._frusta = [stage.place(frustum_lines(camera, reach)) for camera in rig]
        self._names = rig.names
        tips = np.stack([stage.place(camera.center_mm) for camera in rig])
        self._labels.text = list(self._names)
        self._labels.pos = tips + np.array([0, 0, 0.03 * stage.radius])
        self._marked = -1
        self.mark_camera(0)

    def mark_camera(self, marked: int) -> None:
        """Draw one camera stronger than the others."""
        if not self._frusta:
            return
        colors = [
            np.tile(rgba(self._theme.accent if i == marked else self._theme.muted), (len(lines), 1))
            for i, lines in enumerate(self._frusta)
        ]
        self._cameras.set_data(np.concatenate(self._frusta), color=np.concatenate(colors))

    def show_people(self, stage: Stage, session: Session) -> None:
        """Bones and joints of everybody; the selected person stronger, discarded joints crossed."""
        diagnosis, project = session.diagnosis, session.project
        if diagnosis is None or project is None or not len(diagnosis.persons):
            for visual in (self._bones, self._selected_bones, self._kept, self._discarded):
                visual.visible = False
            self._people_labels.visible = False
            return
        points = stage.place(diagnosis.triangulation.points_mm)
        # A fallback point of a discarded joint may lie anywhere: bones to it would be noise.
        kept = diagnosis.triangulation.kept
        solid = np.where(kept[..., None], points, np.nan)
        colors = np.array([rgba(person_color(person)) for person in diagnosis.persons])
        selected = session.person_row
        segments, rows = bone_lines(solid, project.skeleton.bones)
        is_selected = np.repeat(rows == selected, 2)
        shades = np.repeat(colors[rows], 2, axis=0)
        faded = shades.copy()
        faded[:, 3] = 0.55 if selected is not None else 0.9
        _set_lines(self._bones, segments[~is_selected], faded[~is_selected])
        _set_lines(self._selected_bones, segments[is_selected], shades[is_selected])
        self._show_joints(points, kept, colors, selected, stage)
        self._show_people_labels(stage, diagnosis)

    def _show_joints(
        self,
        points: NDArray[np.float64],
        kept: NDArray[np.bool_],
        colors: NDArray[np.float64],
        selected: int | None,
        stage: Stage,
    ) -> None:
        finite = np.isfinite(points).all(axis=2)
        near = finite & (np.linalg.norm(np.nan_to_num(points), axis=2) < 3 * stage.radius)
        row, joint = np.nonzero(kept & finite)
        sizes = np.where(row == selected, 8.0, 5.0)
        _set_markers(self._kept, points[row, joint], colors[row], sizes, "disc")
        # Discarded joints of everybody would be a cloud of crosses: only the selected person's.
        shown = near & ~kept
        if selected is not None:
            shown &= (np.arange(len(points)) == selected)[:, None]
        row, joint = np.nonzero(shown)
        crosses = np.tile(rgba(self._theme.problem), (len(row), 1))
        _set_markers(self._discarded, points[row, joint], crosses, 10.0, "x")

    def _show_people_labels(self, stage: Stage, diagnosis: FrameDiagnosis) -> None:
        points = np.where(
            diagnosis.triangulation.kept[..., None], diagnosis.triangulation.points_mm, np.nan
        )
        texts: list[str] = []
        places: list[NDArray[np.float64]] = []
        for row, person in enumerate(diagnosis.persons):
            placed = stage.place(points[row])
            placed = placed[np.isfinite(placed).all(axis=1)]
            if len(placed):
                texts.append(str(person))
                top = placed[placed[:, 2].argmax()]
                places.append(top + np.array([0, 0, 0.02 * stage.radius]))
        self._people_labels.visible = bool(texts)
        if texts:
            self._people_labels.text = texts
            self._people_labels.pos = np.stack(places)

    def show_joint(self, stage: Stage, session: Session) -> None:
        """Rays, candidates, their median and the ellipsoid of the selected joint."""
        diagnosis, project = session.diagnosis, session.project
        row, joint = session.person_row, session.cursor.joint
        parts = (self._rays, self._candidates, self._center, self._chosen, self._ellipsoid)
        if diagnosis is None or project is None or row is None or joint is None:
            for part in parts:
                part.visible = False
            return
        result = diagnosis.triangulation
        self._show_rays(stage, session, row, joint)
        candidates = result.candidates_mm[row, :, joint]
        center = result.centers_mm[row, joint]
        distance = np.linalg.norm(np.nan_to_num(candidates - center, nan=np.inf), axis=1)
        shown = np.argsort(distance)[:_MAX_CANDIDATES]
        shown = shown[np.isfinite(candidates[shown]).all(axis=1)]
        dots = np.tile(rgba(self._theme.text, 0.75), (len(shown), 1))
        _set_markers(self._candidates, stage.place(candidates[shown]), dots, 5.0, "ring")
        middle = center[None][np.isfinite(center).all(keepdims=True)]
        white = np.tile(rgba(self._theme.accent), (len(middle), 1))
        _set_markers(self._center, stage.place(middle), white, 12.0, "+")
        point = result.points_mm[row, joint]
        there = point[None][np.isfinite(point).all(keepdims=True)]
        is_kept = bool(result.kept[row, joint])
        color = rgba(person_color(diagnosis.persons[row]) if is_kept else self._theme.problem)
        symbol = "disc" if is_kept else "x"
        tint = np.tile(color, (len(there), 1))
        _set_markers(self._chosen, stage.place(there), tint, 14.0, symbol)
        self._show_ellipsoid(stage, session, row, joint)

    def _show_rays(self, stage: Stage, session: Session, row: int, joint: int) -> None:
        diagnosis, project = session.diagnosis, session.project
        assert diagnosis is not None
        assert project is not None
        point = diagnosis.triangulation.points_mm[row, joint]
        hover = session.hover_target
        ends: list[NDArray[np.float64]] = []
        colors: list[tuple[float, float, float, float]] = []
        for index, camera in enumerate(project.rig):
            pixel = diagnosis.points_px[row, index, joint]
            if not diagnosis.observed[row, index, joint] or not np.isfinite(pixel).all():
                continue
            origin, direction = camera.rays(pixel)
            if not np.isfinite(direction).all():
                continue
            reach = 2.0 * stage.radius * stage.unit_mm
            if np.isfinite(point).all():
                reach = 1.04 * float(np.linalg.norm(point - origin))
            weight = float(diagnosis.triangulation.weights[row, index, joint])
            is_hovered = hover is not None and hover.camera == index
            color = self._theme.accent if is_hovered else quantity_color(weight)
            alpha = 1.0 if is_hovered else 0.35 + 0.65 * min(max(weight, 0.0), 1.0)
            ends.append(stage.place(np.stack([origin, origin + reach * direction])))
            colors.append(rgba(color, alpha))
        lines = np.concatenate(ends) if ends else np.empty((0, 3))
        _set_lines(self._rays, lines, np.repeat(np.array(colors).reshape(-1, 4), 2, axis=0))

    def _show_ellipsoid(self, stage: Stage, session: Session, row: int, joint: int) -> None:
        diagnosis, project = session.diagnosis, session.project
        assert diagnosis is not None
        assert project is not None
        uncertainty = joint_uncertainty(diagnosis, project.rig, row, joint)
        lines = np.empty((0, 3))
        if uncertainty is not None:
            center = diagnosis.triangulation.points_mm[row, joint]
            lines = stage.place(ellipsoid_lines(center, uncertainty.covariance_mm2))
        color = np.tile(rgba(self._theme.text, 0.6), (len(lines), 1))
        _set_lines(self._ellipsoid, lines, color)

    def show_truth(self, stage: Stage, session: Session) -> None:
        """The true poses of a generated match, thin."""
        project = session.project
        lines = np.empty((0, 3))
        if project is not None:
            points = stage.place(session.truth_points_mm)
            lines, _ = bone_lines(points, project.skeleton.bones)
        _set_lines(self._truth, lines, np.tile(rgba(self._theme.accent), (len(lines), 1)))


def _set_lines(visual: Any, segments: NDArray[np.float64], colors: NDArray[np.float64]) -> None:  # noqa: ANN401 - untyped vispy
    visual.visible = len(segments) > 0
    if visual.visible:
        visual.set_data(segments.astype(np.float32), color=colors.astype(np.float32))


def _set_markers(
    visual: Any,  # noqa: ANN401 - untyped vispy
    points: NDArray[np.float64],
    colors: NDArray[np.float64],
    size: float | NDArray[np.float64],
    symbol: str,
) -> None:
    visual.visible = len(points) > 0
    if visual.visible:
        visual.set_data(
            points.astype(np.float32),
            face_color=colors.astype(np.float32),
            edge_width=0,
            size=size,
            symbol=symbol,
        )
