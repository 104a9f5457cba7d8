"""Pictures for the views: asks the frame loader, hears its workers, hands over on this thread.

Workers call back on their own threads, where the tone curve is applied; a queued signal brings
the picture here. An answer for a frame or size that is no longer wanted is dropped. Sizes are the
recording's own few (its proxies, and the stored picture by 8, 4, 2 and 1), so that a zoomed step
or a resized window still finds its pictures in the cache.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtGui import QImage

from app.views.tone import Tone, apply_tone
from core.recording import FrameLoader, ImageRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from core.recording import ImageResult, Recording


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """A view's picture, or why there is none.

    Attributes:
        camera: index into the rig.
        frame: 0-based frame index.
        state: ``ok``, ``missing``, ``no_pictures`` or ``unreadable``.
        detail: the reason in a sentence; empty where all is well.
        image: None unless ``ok``; of whatever size was wanted, always of the full view.
        pixels: what ``image`` borrows, kept alive beside it.
    """

    camera: int
    frame: int
    state: str
    detail: str = ""
    image: QImage | None = None
    pixels: NDArray[np.uint8] | None = None


class _Bell(QObject):
    """Rung by workers; it outlives the feed, which may go away while a worker still decodes."""

    rung = Signal()


class _Source:
    """The open recording and its loader, closed together."""

    def __init__(self) -> None:
        self.recording: Recording | None = None
        self.loader: FrameLoader | None = None

    def open(self, recording: Recording) -> None:
        self.recording, self.loader = recording, FrameLoader(recording)

    def close(self) -> None:
        if self.loader is not None:
            self.loader.close()
        if self.recording is not None:
            self.recording.close()
        self.recording = self.loader = None


class ImageFeed(QObject):
    """The pictures of one recording, latest request first.

    ``picture_arrived(Picture)`` comes on the thread this object lives in: during `show` for what
    is at hand, later for the rest.
    """

    picture_arrived = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._source = _Source()
        self._bell = _Bell()
        self._tone = Tone()
        self._frame = 0
        self._wanted: dict[int, ImageRequest | None] = {}
        self._answers: deque[tuple[ImageResult, NDArray[np.uint8] | None]] = deque()
        self._bell.rung.connect(self._on_rung, Qt.ConnectionType.QueuedConnection)
        self.destroyed.connect(self._source.close)

    def set_recording(self, recording: Recording | None) -> None:
        """Show this recording and close it in the end; the former one is closed now."""
        self._source.close()
        self._wanted = {}
        self._answers.clear()
        if recording is not None:
            self._source.open(recording)

    def set_tone(self, tone: Tone) -> bool:
        """Change the tone curve; tells whether it is another.

        Pictures shown keep the old one until `show` is called, which then brings all of them anew.
        """
        if tone == self._tone:
            return False
        self._tone = tone
        self._wanted = {}
        return True

    def show(self, frame: int, wanted_px: Mapping[int, tuple[int, int]]) -> None:
        """Ask for the pictures of one frame, unless it is what was asked for last.

        What was asked for before and has not come is forgotten.

        Args:
            frame: 0-based.
            wanted_px: by camera, (width, height) of the whole view on the screen, device pixels.
        """
        recording, loader = self._source.recording, self._source.loader
        if recording is None or loader is None:
            return
        wanted: dict[int, ImageRequest | None] = {}
        for camera, size in wanted_px.items():
            fitting = recording.fitting_size(camera, size)
            wanted[camera] = None if fitting is None else ImageRequest(camera, frame, fitting)
        if wanted == self._wanted and frame == self._frame:
            return
        direction = (frame > self._frame) - (frame < self._frame)
        self._frame, self._wanted = frame, wanted
        self._fetch(loader, direction)

    def drop_pictures(self) -> None:
        """Forget what was decoded; what is on the screen stays there."""
        if self._source.loader is not None:
            self._source.loader.clear()

    def close(self) -> None:
        """Stop the workers; call it before the widget goes away."""
        self.set_recording(None)

    def _fetch(self, loader: FrameLoader, direction: int) -> None:
        missing: list[ImageRequest] = []
        at_hand: list[ImageResult] = []
        for request in self._wanted.values():
            result = None if request is None else loader.cached(request)
            if result is not None:
                at_hand.append(result)
            elif request is not None:
                missing.append(request)
        tone, bell, answers = self._tone, self._bell, self._answers

        def on_ready(_generation: int, result: ImageResult) -> None:
            answers.append((result, _toned(result, tone)))
            bell.rung.emit()

        loader.request(missing, on_ready)
        pictured = [request for request in self._wanted.values() if request is not None]
        loader.prefetch(pictured, direction=direction)
        for camera, request in list(self._wanted.items()):
            if request is None:
                blank = Picture(camera=camera, frame=self._frame, state="no_pictures")
                self.picture_arrived.emit(blank)
        for result in at_hand:
            self._hand_over(result, _toned(result, tone))

    @Slot()
    def _on_rung(self) -> None:
        while self._answers:
            result, pixels = self._answers.popleft()
            if self._wanted.get(result.camera) == result.request:
                self._hand_over(result, pixels)

    def _hand_over(self, result: ImageResult, pixels: NDArray[np.uint8] | None) -> None:
        self.picture_arrived.emit(
            Picture(
                camera=result.camera,
                frame=result.frame,
                state=result.state,
                detail=result.detail,
                image=_as_image(pixels),
                pixels=pixels,
            )
        )


def _toned(result: ImageResult, tone: Tone) -> NDArray[np.uint8] | None:
    return None if result.image is None else apply_tone(result.image, tone)


def _as_image(pixels: NDArray[np.uint8] | None) -> QImage | None:
    """The same bytes as a QImage; whoever keeps it keeps the pixels, too."""
    if pixels is None:
        return None
    height, width = pixels.shape[:2]
    return QImage(pixels.data, width, height, pixels.strides[0], QImage.Format.Format_RGB32)
