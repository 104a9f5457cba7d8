"""Pictures to disk: a folder of JPEGs or one H.264 file a camera, named as SportCenter's are."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

import av

from core.recording.cv import cv2
from core.synthetic.config import FIRST_FRAME_NUMBER

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from core.synthetic.config import SynthConfig

    Picture = NDArray[np.uint8]


class PictureSink(Protocol):
    """Takes the pictures of one camera in order."""

    def add(self, picture: Picture) -> None:
        """(h, w, 3) uint8 BGR, the next frame's."""
        ...

    def close(self) -> None:
        """Everything is on disk after this."""
        ...


class JpegFolder:
    """``frame_000001.jpg`` and so on; the same picture gives the same bytes."""

    def __init__(self, folder: Path, quality: int) -> None:
        folder.mkdir(parents=True)
        self._folder, self._quality = folder, quality
        self._number = FIRST_FRAME_NUMBER

    def add(self, picture: Picture) -> None:
        """Write the next file."""
        done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, self._quality])
        assert done
        (self._folder / f"frame_{self._number:06d}.jpg").write_bytes(data.tobytes())
        self._number += 1

    def close(self) -> None:
        """Nothing is left to do."""


class Movie:
    """One mp4, H.264 4:2:0; sizes must be even."""

    def __init__(self, path: Path, fps: float, size_px: tuple[int, int]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = av.open(str(path), "w")
        rate = Fraction(fps).limit_denominator(1001)
        self._stream = self._file.add_stream("libx264", rate=rate)
        self._stream.width, self._stream.height = size_px
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = {"crf": "20", "preset": "veryfast", "threads": "1"}

    def add(self, picture: Picture) -> None:
        """Encode the next frame."""
        frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
        self._file.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Flush the encoder and finish the file."""
        self._file.mux(self._stream.encode(None))
        self._file.close()


class NoPictures:
    """Keeps nothing."""

    def add(self, picture: Picture) -> None:
        """Drop it."""

    def close(self) -> None:
        """Nothing is left to do."""


def open_sink(
    config: SynthConfig, directory: Path, camera: str, size_px: tuple[int, int]
) -> PictureSink:
    """Where a camera's pictures go, under ``multicam``."""
    if config.pictures == "jpeg":
        return JpegFolder(directory / "multicam" / camera, config.jpeg_quality)
    if config.pictures == "video":
        return Movie(directory / "multicam" / f"{camera}.mp4", config.fps, size_px)
    return NoPictures()
