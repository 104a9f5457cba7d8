"""The vispy side of the 3D viewer: one canvas, and layers of strokes, faces and labels on it.

The canvas is vispy's plain one with gloo programs, not its scene graph: a frame is seven draw
calls and no walk over transforms, and the lens may be any (`app.scene.viewpoint`). Pointer events
never reach vispy (`app.scene.pointer` takes them), which spares its Qt calls of old and a
rendering for picking at every press.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QImage, QPainter
from PySide6.QtWidgets import QWidget
from vispy import app, gloo

from app.scene import shaders
from app.scene.strokes import FACE, STROKE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from PySide6.QtGui import QPaintEvent

    from app.scene.labels import Atlas, PlacedLabel
    from app.scene.strokes import Faces, Strokes
    from app.scene.viewpoint import Pinhole, Size

_CORNERS = np.array([(0, -1), (0, 1), (1, 1), (1, -1)], dtype=np.float32)
_QUAD = np.array([0, 1, 2, 0, 2, 3], dtype=np.uint32)
_SPRITE = np.dtype([("a_position", "f4", 2), ("a_texcoord", "f4", 2)])
# Between two paintings that other panels ask for; a painting takes some 10 ms.
_LAZY_MS = 33
# Nothing is drawn nearer to the eye, stage units.
NEAR = 0.01


def _indices(order: NDArray[np.intp]) -> NDArray[np.uint32]:
    """(6 N,) the corners of quads, painted in this order."""
    return (order.astype(np.uint32)[:, None] * 4 + _QUAD).ravel()


class Lens:
    """What the shaders must know of the viewpoint and the canvas."""

    def __init__(self, pinhole: Pinhole, size: Size, ratio: float) -> None:
        self.matrix = np.ascontiguousarray(pinhole.clip_matrix(size, NEAR).T)
        self.size = (size[0] * ratio, size[1] * ratio)
        self.focal = pinhole.focal
        self.ratio = ratio


class StrokeLayer:
    """Some strokes, drawn in one call."""

    def __init__(self) -> None:
        self._program: Any = gloo.Program(shaders.STROKE_VERTEX, shaders.STROKE_FRAGMENT)
        self._vertices: Any = gloo.VertexBuffer(np.zeros(4, dtype=STROKE))
        self._indices: Any = gloo.IndexBuffer(_QUAD)
        self._program.bind(self._vertices)
        self.outline = (0.0, 0.0, 0.0, 0.0)
        self._count = 0

    def set(self, strokes: Strokes) -> None:
        """Draw these from now on, in their order."""
        self._count = len(strokes)
        if self._count:
            corners = np.repeat(strokes, 4)
            corners["a_corner"] = np.tile(_CORNERS, (self._count, 1))
            self._vertices.set_data(corners)
            self.set_order(np.arange(self._count))

    def set_order(self, order: NDArray[np.intp]) -> None:
        """Paint them in this order."""
        if len(order):
            self._indices.set_data(_indices(order))

    def draw(self, lens: Lens) -> None:
        """Paint them."""
        if not self._count:
            return
        program = self._program
        program["u_matrix"] = lens.matrix
        program["u_size"] = lens.size
        program["u_focal"] = lens.focal
        program["u_near"] = NEAR
        program["u_ratio"] = lens.ratio
        program["u_outline"] = self.outline
        program.draw("triangles", self._indices)


class FaceLayer:
    """Some filled triangles."""

    def __init__(self) -> None:
        self._program: Any = gloo.Program(shaders.FACE_VERTEX, shaders.FACE_FRAGMENT)
        self._vertices: Any = gloo.VertexBuffer(np.zeros(3, dtype=FACE))
        # A program keeps to the number of vertices it was bound with: indices say how many.
        self._indices: Any = gloo.IndexBuffer(np.arange(3, dtype=np.uint32))
        self._program.bind(self._vertices)
        self._count = 0

    def set(self, corners: Faces) -> None:
        """Draw these from now on."""
        self._count = len(corners)
        if self._count:
            self._vertices.set_data(corners)
            self._indices.set_data(np.arange(self._count, dtype=np.uint32))

    def draw(self, lens: Lens) -> None:
        """Paint them."""
        if self._count:
            self._program["u_matrix"] = lens.matrix
            self._program.draw("triangles", self._indices)


class LabelLayer:
    """Pictures of labels."""

    def __init__(self) -> None:
        self._program: Any = gloo.Program(shaders.SPRITE_VERTEX, shaders.SPRITE_FRAGMENT)
        self._vertices: Any = gloo.VertexBuffer(np.zeros(4, dtype=_SPRITE))
        self._indices: Any = gloo.IndexBuffer(_QUAD)
        self._program.bind(self._vertices)
        self._texture: Any = None

    def draw(self, placed: Sequence[PlacedLabel], atlas: Atlas, lens: Lens) -> None:
        """Paint them at their boxes."""
        if not placed:
            return
        if self._texture is None or atlas.is_changed:
            self._upload(atlas)
        corners = np.zeros((len(placed), 4), dtype=_SPRITE)
        boxes = np.array([item.box for item in placed]) * lens.ratio
        cells = np.array([item.cell for item in placed], dtype=np.float64)
        cells[:, 2:] += cells[:, :2]
        cells /= atlas.side_px
        for field, edges in (("a_position", boxes), ("a_texcoord", cells)):
            corners[field] = edges[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
        self._vertices.set_data(corners.ravel())
        self._indices.set_data(_indices(np.arange(len(placed))))
        self._program["u_size"] = lens.size
        self._program.draw("triangles", self._indices)

    def _upload(self, atlas: Atlas) -> None:
        pixels = atlas.pixels()
        if self._texture is None:
            self._texture = gloo.Texture2D(pixels, interpolation="nearest")
            self._program["u_atlas"] = self._texture
        else:
            self._texture.set_data(pixels)


class Screen(QWidget):
    """Shows what an OpenGL widget paints, which is itself in no window.

    Qt draws a whole window through OpenGL where one of its widgets does: without a graphics card
    that was measured to cost 12 ms at each repaint of any panel. Reading the picture back costs 1.
    """

    def __init__(self, canvas: Any) -> None:  # noqa: ANN401 - vispy's QOpenGLWidget is untyped
        super().__init__()
        self._canvas: Any = canvas  # None once it was let go of
        canvas.setAttribute(Qt.WidgetAttribute.WA_DontShowOnScreen)
        canvas.show()
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setFocusPolicy(Qt.FocusPolicy.WheelFocus)

    def let_go(self) -> Any:  # noqa: ANN401 - as above
        """Show nothing from now on; the OpenGL widget, or None where it was let go of before."""
        canvas, self._canvas = self._canvas, None
        return canvas

    def image(self) -> QImage:
        """What is shown, painted now; without pixels where it was let go of."""
        if self._canvas is None:
            return QImage()
        if self._canvas.size() != self.size():
            self._canvas.resize(self.size())
        return self._canvas.grabFramebuffer()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Paint by OpenGL, and show that."""
        image = self.image()
        painter = QPainter(self)
        painter.drawImage(self.rect(), image)
        painter.end()


class SceneCanvas:
    """The canvas in its widget; calls ``on_paint`` whenever Qt wants it painted."""

    def __init__(self, on_paint: Callable[[], None]) -> None:
        # No multisampling: the shaders smooth their own edges.
        config = {"samples": 0, "depth_size": 0, "stencil_size": 0}
        # Sizes here come from Qt; asked for none, vispy runs programs of X to find the screen's.
        self._canvas: Any = app.Canvas(
            app="pyside6", show=False, keys=None, config=config, autoswap=False, dpi=96
        )
        self._screen = Screen(self._canvas.native)
        self._soon = QTimer(self._screen)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._screen.update)
        self._on_paint = on_paint
        self._painted_at = -math.inf
        self._canvas.events.draw.connect(self._on_draw)
        self.background = (0.0, 0.0, 0.0, 1.0)

    @property
    def widget(self) -> Screen:
        """The canvas, to be put in a layout."""
        return self._screen

    @property
    def size(self) -> Size:
        """Logical pixels."""
        return float(max(self.widget.width(), 1)), float(max(self.widget.height(), 1))

    @property
    def ratio(self) -> float:
        """Physical pixels in a logical one."""
        return self.widget.devicePixelRatioF()

    def update(self) -> None:
        """Have it painted soon, in a turn of its own: not within one block with the views."""
        self._soon.start(0)

    def update_lazily(self) -> None:
        """Have it painted soon, but at most every `_LAZY_MS`: a drag in the views goes first."""
        if not self._soon.isActive():
            since_ms = 1000 * (time.monotonic() - self._painted_at)
            self._soon.start(math.ceil(_LAZY_MS - since_ms) if since_ms < _LAZY_MS else 0)

    def close(self) -> None:
        """Let go of the canvas and of what its driver holds; twice does nothing.

        Trap: what is deleted must not be touched again, not even to be closed. Qt closes a window a
        second time that its program closed, and an exception on that way ends the program.
        """
        native = self._screen.let_go()
        if native is None:
            return
        self._soon.stop()
        self._canvas.events.draw.disconnect()
        self._canvas.close()
        # It has no parent, and the garbage collector may come by on another thread.
        native.deleteLater()

    def _on_draw(self, _event: object) -> None:
        self._on_paint()
        self._painted_at = time.monotonic()

    def begin(self) -> None:
        """Clear everything and set the state that all layers share."""
        context = self._canvas.context
        width, height = self.size
        context.set_viewport(0, 0, round(width * self.ratio), round(height * self.ratio))
        context.set_clear_color(self.background)
        context.clear(color=True, depth=False)
        context.set_state(depth_test=False, cull_face=False, blend=True)
        self.blend_straight()

    def blend_straight(self) -> None:
        """Colours come with their alpha beside them."""
        self._canvas.context.set_blend_func("src_alpha", "one_minus_src_alpha")

    def blend_premultiplied(self) -> None:
        """Colours come multiplied by their alpha, as Qt paints labels."""
        self._canvas.context.set_blend_func("one", "one_minus_src_alpha")
