"""What every source of pictures offers, and how bytes become a picture of the size asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from core.recording.cv import cv2
from core.recording.errors import UnreadableImageError
from core.recording.headers import read_header

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

Layout = Literal["rgb", "bgr", "bgra"]
"""``rgb`` and ``bgr``: 3 bytes a pixel; ``bgra``: 4, the order of QImage.Format_RGB32."""

Size = tuple[int, int]
"""(width, height) in pixels."""


class PictureReader(Protocol):
    """One camera's pictures, addressed by the source's own 0-based index; safe across threads."""

    @property
    def num_frames(self) -> int:
        """One more than the last index that has a picture."""
        ...

    @property
    def fps(self) -> float | None:
        """Frames a second, where the source knows them."""
        ...

    @property
    def size_px(self) -> Size | None:
        """Size of the stored pictures; None where no picture could be read."""
        ...

    @property
    def one_at_a_time(self) -> bool:
        """Whether concurrent reads would only wait for each other, as those of a video do."""
        ...

    def has(self, index: int) -> bool:
        """Whether there is a picture at this index."""
        ...

    def read(
        self,
        index: int,
        size_px: Size | None = None,
        layout: Layout = "rgb",
        cancelled: Callable[[], bool] | None = None,
    ) -> NDArray[np.uint8]:
        """Decode one picture: (height, width, 3 or 4).

        Args:
            index: of the picture, 0-based.
            size_px: the size wanted; a picture is never enlarged. None = as stored.
            layout: order of the colours.
            cancelled: asked now and then during a long decode.

        Raises:
            MissingFrameError: there is none at this index.
            UnreadableImageError: there is one, but it cannot be decoded.
            ReadCancelledError: `cancelled` said so.
        """
        ...

    def fingerprint(self, first: int, stop: int) -> str:
        """Changes whenever the pictures from `first` up to `stop` may have; cheap."""
        ...

    def close(self) -> None:
        """Let go of files; the reader cannot be used afterwards."""
        ...


def fitted_size(stored: Size, wanted: Size | None) -> Size:
    """The size that is delivered when `wanted` is asked for: never larger than stored."""
    if wanted is None:
        return stored
    return max(1, min(stored[0], wanted[0])), max(1, min(stored[1], wanted[1]))


def reduced_size(stored: Size, divisor: int) -> Size:
    """What a JPEG decoder yields at 1/2, 1/4 or 1/8: sides are rounded up."""
    return -(-stored[0] // divisor), -(-stored[1] // divisor)


_IGNORE_ORIENTATION = cv2.IMREAD_IGNORE_ORIENTATION
_REDUCED = (
    (8, cv2.IMREAD_REDUCED_COLOR_8 | _IGNORE_ORIENTATION),
    (4, cv2.IMREAD_REDUCED_COLOR_4 | _IGNORE_ORIENTATION),
    (2, cv2.IMREAD_REDUCED_COLOR_2 | _IGNORE_ORIENTATION),
)


def _decode_flags(kind: str, stored: Size, wanted: Size) -> int:
    """The strongest reduction inside the JPEG decoder that still leaves `wanted` pixels."""
    if kind == "jpeg":
        for divisor, flags in _REDUCED:
            reduced = reduced_size(stored, divisor)
            if reduced[0] >= wanted[0] and reduced[1] >= wanted[1]:
                return flags
    return cv2.IMREAD_COLOR | _IGNORE_ORIENTATION


def decode_image(
    data: bytes, source: str, size_px: Size | None = None, layout: Layout = "rgb"
) -> NDArray[np.uint8]:
    """Decode the bytes of a JPEG or PNG file at the size asked for.

    Args:
        data: the whole file.
        source: its name, for the message.
        size_px: (width, height) wanted; never enlarged. None = as stored.
        layout: order of the colours.

    Returns:
        (height, width, 3) RGB or (height, width, 4) BGRA with alpha 255, contiguous.

    Raises:
        UnreadableImageError: the bytes are not a sound picture.
    """
    header = read_header(data, source)
    size = fitted_size(header.size_px, size_px)
    buffer = np.frombuffer(data, np.uint8)
    try:
        bgr = cv2.imdecode(buffer, _decode_flags(header.kind, header.size_px, size))
    except cv2.error as error:
        raise _undecodable(source, str(error)) from error
    if bgr is None:
        raise _undecodable(source, "damaged ones")
    if (bgr.shape[1], bgr.shape[0]) != size:
        bgr = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)
    if layout != "bgr":
        bgr = cv2.cvtColor(bgr, cv2.COLOR_BGR2BGRA if layout == "bgra" else cv2.COLOR_BGR2RGB)
    return np.ascontiguousarray(bgr, np.uint8)


def _undecodable(source: str, found: str) -> UnreadableImageError:
    return UnreadableImageError(
        source,
        "picture data",
        expected="data that can be decoded",
        found=found,
        remedy="Copy or extract this picture again.",
    )
