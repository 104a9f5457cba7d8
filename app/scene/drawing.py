"""What the 3D viewer shows, in layers, seen from a viewpoint: the canvas and all that is on it.

`SceneView` says what there is; this says how it comes to the screen. The one rule of time: a
layer's strokes are rebuilt when what they show has changed, and a frame of an orbit only sorts
the people from far to near, outlines a dozen ellipsoids and finds room for the labels.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtWidgets import QApplication

from app.scene.canvas import FaceLayer, LabelLayer, Lens, SceneCanvas, StrokeLayer
from app.scene.evidence import NO_ELLIPSOIDS, ellipse_strokes
from app.scene.figures import far_to_near
from app.scene.labels import Atlas, Label, PlacedLabel, arrange, label_at
from app.scene.strokes import no_strokes, rgba
from app.scene.viewpoint import OrbitView, PictureView, Pinhole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from PySide6.QtGui import QImage
    from PySide6.QtWidgets import QWidget

    from app.scene.evidence import Color, Ellipsoids
    from app.scene.strokes import Faces, Strokes
    from app.scene.viewpoint import Place, Size
    from app.theme import Theme


@dataclass(slots=True)
class _Layers:
    """In the order in which they are painted."""

    ground_faces: FaceLayer = field(default_factory=FaceLayer)
    shadows: FaceLayer = field(default_factory=FaceLayer)
    ground_lines: StrokeLayer = field(default_factory=StrokeLayer)
    camera_faces: FaceLayer = field(default_factory=FaceLayer)
    camera_lines: StrokeLayer = field(default_factory=StrokeLayer)
    people: StrokeLayer = field(default_factory=StrokeLayer)
    ellipsoids: StrokeLayer = field(default_factory=StrokeLayer)
    truth: StrokeLayer = field(default_factory=StrokeLayer)
    evidence: StrokeLayer = field(default_factory=StrokeLayer)
    forms: StrokeLayer = field(default_factory=StrokeLayer)
    hover: StrokeLayer = field(default_factory=StrokeLayer)


class SceneDrawing:
    """Owns the canvas; draws what it is told, in stage coordinates.

    Args:
        prepare: called before every painting, to bring up to date what is shown.
    """

    def __init__(self, prepare: Callable[[], None]) -> None:
        self._prepare = prepare
        self._canvas = SceneCanvas(self._paint)
        self._layers = _Layers()
        self._label_layer = LabelLayer()
        self._atlas = Atlas()
        self._labels: Sequence[Label] = ()
        self._caption: Label | None = None
        self._placed: list[PlacedLabel] = []
        self._people: Strokes = no_strokes()
        self._ellipsoids = NO_ELLIPSOIDS
        self._ellipsoid_color: Color = (1.0, 1.0, 1.0, 1.0)
        self._body = 1.0
        self._is_visible = False
        self.viewpoint: OrbitView | PictureView = OrbitView(np.zeros(3), 30.0)

    @property
    def widget(self) -> QWidget:
        """The canvas, to be put in a layout."""
        return self._canvas.widget

    @property
    def size(self) -> Size:
        """Of the canvas, logical pixels."""
        return self._canvas.size

    @property
    def pinhole(self) -> Pinhole:
        """Through what the stage is seen now."""
        return self.viewpoint.pinhole(self.size)

    def canvas_positions(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., 2) where stage points (..., 3) are drawn, logical pixels; NaN = behind the eye."""
        return self.pinhole.project(points)

    def label_at(self, position: Place) -> Label | None:
        """The label that was last drawn there."""
        return label_at(self._placed, *position)

    @property
    def placed_labels(self) -> Sequence[PlacedLabel]:
        """The labels that found room in the last painting."""
        return tuple(self._placed)

    def update(self) -> None:
        """Paint again soon."""
        self._canvas.update()

    def update_lazily(self) -> None:
        """Paint again soon, but not at every step of what goes on in other panels."""
        self._canvas.update_lazily()

    def grab(self) -> QImage:
        """What is shown, painted now."""
        return self._canvas.widget.image()

    def orbit_times_ms(self, num_frames: int) -> list[float]:
        """Turn once, painting every step to the screen, and time each."""
        if not isinstance(self.viewpoint, OrbitView):
            return []
        times: list[float] = []
        for _ in range(num_frames):
            started = time.perf_counter()
            self.viewpoint = self.viewpoint.turned(360 / num_frames / 0.4, 0)
            self.widget.repaint()
            QApplication.processEvents()
            times.append(1000 * (time.perf_counter() - started))
        return times

    def close(self) -> None:
        """Let go of the canvas."""
        self._canvas.close()

    # What is drawn.

    def set_visible_now(self, *, visible: bool) -> None:
        """Show the stage, or an empty canvas, from the painting on that is being prepared."""
        self._is_visible = visible

    def set_theme(self, theme: Theme) -> None:
        """Colours of the background, and of what sets things off from each other."""
        self._canvas.background = rgba(theme.canvas)
        behind = rgba(theme.canvas, 0.9)
        layers = self._layers
        for layer in (
            layers.people,
            layers.ellipsoids,
            layers.truth,
            layers.camera_lines,
            layers.forms,
            layers.hover,
        ):
            layer.outline = behind
        # Viridis goes from nearly black to nearly white: one end needs an edge in either theme.
        layers.evidence.outline = rgba(theme.muted if theme.name == "dark" else theme.text, 0.7)

    def show_ground(self, surface: Faces, lines: Strokes) -> None:
        """What people stand on."""
        self._layers.ground_faces.set(surface)
        self._layers.ground_lines.set(lines)

    def show_cameras(self, surface: Faces, lines: Strokes) -> None:
        """The frusta."""
        self._layers.camera_faces.set(surface)
        self._layers.camera_lines.set(lines)

    def show_people(self, strokes: Strokes, shadows: Faces, body: float) -> None:
        """Everybody; ``body`` is how large people are."""
        self._body = body
        self._people = strokes
        self._layers.people.set(strokes)
        self._layers.shadows.set(shadows)

    def show_ellipsoids(self, ellipsoids: Ellipsoids, color: Color) -> None:
        """How well the selected person's joints are known; outlined for every viewpoint anew."""
        self._ellipsoids, self._ellipsoid_color = ellipsoids, color

    def show_forms(self, strokes: Strokes) -> None:
        """What people did to joints: ghosts, reviews, what is being dragged."""
        self._layers.forms.set(strokes)

    def show_truth(self, strokes: Strokes) -> None:
        """The true poses."""
        self._layers.truth.set(strokes)

    def show_evidence(self, strokes: Strokes) -> None:
        """What speaks for the selected joint."""
        self._layers.evidence.set(strokes)

    def show_hover(self, strokes: Strokes) -> None:
        """What the pointer is over."""
        self._layers.hover.set(strokes)

    def set_labels(self, labels: Sequence[Label], caption: Label | None) -> None:
        """Names, and the line in the corner."""
        self._labels, self._caption = labels, caption

    # The painting.

    def _paint(self) -> None:
        self._prepare()
        canvas, layers = self._canvas, self._layers
        canvas.begin()
        if not self._is_visible:
            self._placed = []
            return
        pinhole = self.pinhole
        lens = Lens(pinhole, canvas.size, canvas.ratio)
        if len(self._people):
            layers.people.set_order(far_to_near(self._body, self._people, pinhole))
        layers.ellipsoids.set(ellipse_strokes(self._ellipsoids, pinhole.R, self._ellipsoid_color))
        for layer in (
            layers.ground_faces,
            layers.shadows,
            layers.ground_lines,
            layers.camera_faces,
            layers.camera_lines,
            layers.people,
            layers.ellipsoids,
            layers.truth,
            layers.evidence,
            layers.forms,
            layers.hover,
        ):
            layer.draw(lens)
        self._atlas.set_ratio(canvas.ratio)
        anchors = np.array([label.anchor for label in self._labels]).reshape(-1, 3)
        places = pinhole.project(anchors)
        self._placed = arrange(self._labels, places, self._atlas, canvas.size, self._caption)
        canvas.blend_premultiplied()
        self._label_layer.draw(self._placed, self._atlas, lens)
