"""One view of the grid: its camera, what it shows now, and its layers drawn ahead.

A panel is a plain object, not a widget: one widget paints them all (eight widgets beside a GL
viewer cost five times as much). What it looks like follows from values alone, so a layer is
redrawn exactly when one of the values that it was drawn from is another.

The picture and the people over it are of the same frame. While the next picture is awaited the
panel is *held*: it goes on showing the last pair. If that takes long it becomes *stale*: the new
people appear, the old picture is dimmed and the title says "loading".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPixmap

from app.views import overlay
from app.views.layout import Box, Cell
from app.views.scene import ViewScene
from app.views.transform import ViewTransform, Zoom, framing_box

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from app.theme import Theme
    from app.views.aids import ViewAids
    from app.views.feed import Picture
    from app.views.overlay import OverlayStyle
    from core.geometry import Camera, Rig
    from core.recording import Recording

_NOWHERE = Cell(Box(0, 0, 0, 0), Box(0, 0, 1, 1))
STALE_OPACITY = 0.3
# Beyond this magnification pixels are shown as squares: what is clicked is what was recorded.
_SQUARE_PIXELS_SCALE = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What is emphasised in a view.

    Attributes:
        row: of the selected person, None where it is not in the frame.
        joint: selected joint.
        is_residuals: draw leave-one-out vectors.
    """

    row: int | None = None
    joint: int | None = None
    is_residuals: bool = False


class ViewPanel:
    """A camera's view: where it lies, what it shows, how it is zoomed."""

    def __init__(self, camera: int, name: str, size_px: tuple[int, int]) -> None:
        self.camera = camera
        self.name = name
        self.size_px = size_px
        self.cell: Cell = _NOWHERE
        self.zoom = Zoom()
        self.scene: ViewScene | None = None
        self.picture: Picture | None = None
        self.is_held = False
        # What was drawn over the scene last; a held view goes on showing it.
        self.aids: ViewAids | None = None
        self._layers: dict[str, tuple[tuple[Any, ...], QPixmap]] = {}

    @property
    def aspect(self) -> float:
        """Width over height of the picture."""
        return self.size_px[0] / self.size_px[1]

    @property
    def transform(self) -> ViewTransform:
        """Picture pixels to widget pixels, as laid out and zoomed now."""
        return ViewTransform(self.cell.picture, self.size_px, self.zoom)

    @property
    def is_stale(self) -> bool:
        """Whether the picture is of another frame than the people over it."""
        if self.scene is None or self.picture is None:
            return False
        return self.picture.frame != self.scene.frame

    @property
    def is_loading(self) -> bool:
        """Whether the picture of the frame shown is still to come."""
        return self.scene is not None and (self.picture is None or self.is_stale)

    @property
    def note(self) -> str:
        """The picture's state in a word or two; empty while all is well."""
        if self.is_loading and not self.is_held:
            return "loading"
        states = {"missing": "frame missing", "no_pictures": "no pictures"}
        states["unreadable"] = "unreadable picture"
        return states.get(self.picture.state, "") if self.picture is not None else ""

    def place_of(self, person: int | None, joint: int | None) -> QPointF | None:
        """Where a joint is drawn in the widget; None where it is not in this view's picture."""
        row = None if self.scene is None else self.scene.row_of(person)
        if self.scene is None or row is None or joint is None:
            return None
        place = joint_place(self.scene, self.transform, row, joint)
        if place is None or not self.cell.picture.contains(place.x(), place.y()):
            return None
        return place

    def picture_layer(self, ratio: float, theme: Theme) -> QPixmap:
        """The picture as large as it is shown, or a blank."""
        transform = self.transform
        key = (self.picture, transform, ratio, self.is_stale, theme)

        def draw(painter: QPainter) -> None:
            self._paint_picture(painter, transform)

        return self._layer("picture", key, QColor(theme.canvas), draw)

    def people_layer(self, style: OverlayStyle) -> QPixmap | None:
        """Everyone, none emphasised; None where there is nobody."""
        scene, transform = self.scene, self.transform
        if scene is None or not (scene.persons or scene.bystanders_px):
            return None

        def draw(painter: QPainter) -> None:
            overlay.paint_people(painter, scene, transform, style)

        return self._layer("people", (scene, transform, style), None, draw)

    def marks_layer(self, style: OverlayStyle, marks: Marks) -> QPixmap | None:
        """The selected person and joint and the residual vectors; None where there are none."""
        scene, transform = self.scene, self.transform
        if scene is None or (marks.row is None and not marks.is_residuals):
            return None

        def draw(painter: QPainter) -> None:
            paint_marks(painter, scene, transform, style, marks)

        # The vectors are of this scene alone; what else is drawn may be like a former one's.
        vectors = scene.loo_px if marks.is_residuals else None
        return self._layer("marks", (scene, transform, style, marks, vectors), None, draw)

    def _layer(
        self,
        name: str,
        key: tuple[Any, ...],
        background: QColor | None,
        draw: Callable[[QPainter], None],
    ) -> QPixmap:
        found = self._layers.get(name)
        if found is not None and _same(found[0], key):
            return found[1]
        box, ratio = self.cell.picture, self._ratio_of(key)
        width, height = round(box.width * ratio), round(box.height * ratio)
        if found is not None and (found[1].width(), found[1].height()) == (width, height):
            pixmap = found[1]
        else:
            pixmap = QPixmap(max(width, 1), max(height, 1))
        pixmap.setDevicePixelRatio(ratio)
        pixmap.fill(Qt.GlobalColor.transparent if background is None else background)
        painter = QPainter(pixmap)
        painter.translate(-box.x, -box.y)
        draw(painter)
        painter.end()
        self._layers[name] = (key, pixmap)
        return pixmap

    @staticmethod
    def _ratio_of(key: tuple[Any, ...]) -> float:
        for value in key:
            if isinstance(value, float):
                return value
            if isinstance(value, overlay.OverlayStyle):
                return value.glyphs.pixel_ratio
        raise AssertionError("a layer's key names its device pixel ratio")

    def _paint_picture(self, painter: QPainter, transform: ViewTransform) -> None:
        if self.picture is None or self.picture.image is None:
            return
        painter.setOpacity(STALE_OPACITY if self.is_stale else 1.0)
        paint_image(painter, self.picture, transform)


def view_size_px(camera: Camera, recorded: tuple[int, int] | None) -> tuple[int, int]:
    """The size of a camera's full picture in the pixels that observations are given in.

    Calibrated and recorded size may differ: copies are stretched to the calibrated size, other
    pictures keep their own pixels (`Camera.is_copied_by`).
    """
    if recorded is not None and not camera.is_copied_by(recorded):
        return recorded
    width, height = (max(1, round(length)) for length in camera.extent_px)
    return width, height


def make_panels(rig: Rig, recording: Recording | None) -> dict[int, ViewPanel]:
    """A view for each camera, by its index in the rig."""
    panels: dict[int, ViewPanel] = {}
    for index, camera in enumerate(rig):
        recorded = None if recording is None else recording.size_px(index)
        panels[index] = ViewPanel(index, camera.name, view_size_px(camera, recorded))
    return panels


def frame_person(panels: Iterable[ViewPanel], scenes: Sequence[ViewScene], person: int) -> int:
    """Zoom every view that can see a person to it; gives their number.

    Args:
        panels: of the cameras.
        scenes: of the cursor's frame, by camera: a view may still be holding the one before.
        person: id.
    """
    num_framed = 0
    for panel, scene in zip(panels, scenes, strict=False):  # none while the first frame is read
        row = scene.row_of(person)
        if row is None:
            continue
        corners = framing_box(scene.boxes_px[row], scene.points_px[row])
        if corners is not None:
            panel.zoom = panel.transform.framed(*corners)
            num_framed += 1
    return num_framed


def paint_image(painter: QPainter, picture: Picture, transform: ViewTransform) -> None:
    """Draw a picture of any resolution where the transform puts the full one."""
    if picture.image is None:
        return
    smooth = transform.scale < _SQUARE_PIXELS_SCALE
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
    left, top = transform.origin
    width, height = (length * transform.scale for length in transform.size_px)
    painter.drawImage(QRectF(left, top, width, height), picture.image)


def paint_marks(
    painter: QPainter,
    scene: ViewScene,
    transform: ViewTransform,
    style: OverlayStyle,
    marks: Marks,
) -> None:
    """Draw what is emphasised."""
    if marks.row is not None:
        overlay.paint_selected(painter, scene, transform, style, marks.row)
    if marks.is_residuals:
        rows = range(len(scene.persons)) if marks.row is None else [marks.row]
        overlay.paint_residuals(painter, scene, transform, style, rows)
    if marks.row is not None and marks.joint is not None:
        middle = joint_place(scene, transform, marks.row, marks.joint)
        if middle is not None:
            radius = overlay.joint_radius(scene, transform, style.display.point_size) + 4.0
            overlay.paint_ring(painter, middle, radius, style, is_strong=True)


def joint_place(scene: ViewScene, transform: ViewTransform, row: int, joint: int) -> QPointF | None:
    """Where a joint is drawn, None where it has no place in this view."""
    x, y = transform.to_widget(scene.points_px[row, joint]).tolist()
    return QPointF(x, y) if x == x and y == y else None  # noqa: PLR0124 - NaN test


def _same(first: tuple[Any, ...], second: tuple[Any, ...]) -> bool:
    """Arrays and images are the same when they are one object; small values when equal.

    Scenes are, when they are drawn alike.
    """
    return len(first) == len(second) and all(
        a is b
        or (isinstance(a, _COMPARED) and a == b)
        or (isinstance(a, ViewScene) and isinstance(b, ViewScene) and a.is_drawn_as(b))
        for a, b in zip(first, second, strict=True)
    )


_COMPARED = (ViewTransform, Marks, float, bool)
