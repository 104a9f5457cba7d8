"""Synchronised cameras: the picture of camera c at frame f, at the size asked for.

`frame` is the 0-based index into the recording for every camera; a camera's offset says where its
own pictures begin. A camera may have no pictures, fewer than the others, or gaps: it is told so,
and nothing is ever shifted to fill them. A source that cannot be opened (a disk not mounted) does
not keep the recording from opening; it stands in `problems`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal

from core.errors import DataError
from core.recording.errors import MissingFrameError, NoPicturesError
from core.recording.folder import FolderReader
from core.recording.pictures import fitted_size, reduced_size
from core.recording.proxy_files import ProxyReader
from core.recording.sources import FolderSpec
from core.recording.video import VideoReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    import numpy as np
    from numpy.typing import NDArray

    from core.recording.pictures import Layout, PictureReader, Size
    from core.recording.sources import SourceSpec

PictureState = Literal["ok", "missing", "no_pictures"]
_LADDER = (8, 4, 2)
_ENLARGED = 1.15  # a view may be this much larger than its picture before a larger one is fetched


def open_reader(spec: SourceSpec, cache_directory: Path | None = None) -> PictureReader:
    """Open one camera's source.

    Raises:
        DataError: it is not there, or not what it is said to be.
    """
    if isinstance(spec, FolderSpec):
        return FolderReader(spec)
    return VideoReader(spec, cache_directory)


class Recording:
    """The pictures of all cameras.

    Args:
        sources: camera name to its source, in rig order; None = a camera without pictures.
        offsets: camera name to the index, in its own source, of the picture of frame 0; 0 where
            not named.
        cache_directory: where the indices of videos are kept, so that they open at once.
        proxies: the directory of `build_proxies`; used for what has been built there.

    Attributes:
        cameras: names, in rig order.
        sources: as given.
        cache_directory: as given.
        problems: cameras whose source could not be opened, and why.
    """

    def __init__(
        self,
        sources: Mapping[str, SourceSpec | None],
        *,
        offsets: Mapping[str, int] | None = None,
        cache_directory: Path | None = None,
        proxies: Path | None = None,
    ) -> None:
        self.cameras = tuple(sources)
        self.sources = dict(sources)
        self.cache_directory = cache_directory
        self.problems: dict[str, DataError] = {}
        self._offsets = [int((offsets or {}).get(name, 0)) for name in self.cameras]
        self._readers = self._open()
        self._proxies: list[ProxyReader | None] = [None] * len(self.cameras)
        if proxies is not None:
            self.attach_proxies(proxies)

    def _open(self) -> list[PictureReader | None]:
        def open_one(name: str) -> PictureReader | None:
            spec = self.sources[name]
            if spec is None:
                return None
            try:
                return open_reader(spec, self.cache_directory)
            except DataError as error:
                self.problems[name] = error
                return None

        # Listing folders and demuxing videos waits for the disk more than for a processor.
        with ThreadPoolExecutor(max_workers=4) as pool:
            return list(pool.map(open_one, self.cameras))

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all files; close a `FrameLoader` that uses this recording before."""
        for reader in self._readers:
            if reader is not None:
                reader.close()

    def attach_proxies(self, directory: Path) -> None:
        """Use the proxies that are, or will be, built in this directory."""
        for camera, reader in enumerate(self._readers):
            if reader is not None:
                name = self.cameras[camera]
                self._proxies[camera] = ProxyReader(directory, name, reader)

    def index(self, camera: str | int) -> int:
        """A camera's place in the rig, by its name."""
        return camera if isinstance(camera, int) else self.cameras.index(camera)

    def reader(self, camera: str | int) -> PictureReader | None:
        """A camera's own pictures, by their own index; None where it has none."""
        return self._readers[self.index(camera)]

    @property
    def num_frames(self) -> int:
        """Frames of the longest camera."""
        return max((self.num_frames_of(camera) for camera in range(len(self.cameras))), default=0)

    def num_frames_of(self, camera: str | int) -> int:
        """One more than the last frame at which this camera has a picture."""
        row = self.index(camera)
        reader = self._readers[row]
        return max(0, reader.num_frames - self._offsets[row]) if reader is not None else 0

    def size_px(self, camera: str | int) -> Size | None:
        """(width, height) of a camera's stored pictures; None where it has none."""
        reader = self._readers[self.index(camera)]
        return reader.size_px if reader is not None else None

    @property
    def fps(self) -> float | None:
        """Frames a second of the first camera that knows them."""
        known = (reader.fps for reader in self._readers if reader is not None)
        return next((fps for fps in known if fps), None)

    def state(self, camera: str | int, frame: int) -> PictureState:
        """Whether there is a picture, without decoding it."""
        row = self.index(camera)
        reader = self._readers[row]
        if reader is None:
            return "no_pictures"
        return "ok" if frame >= 0 and reader.has(frame + self._offsets[row]) else "missing"

    def fitting_size(self, camera: str | int, wanted_px: Size) -> Size | None:
        """The cheapest size to ask for when a view is to be painted at `wanted_px`.

        It is the proxy's, the stored one, or 1/2, 1/4 or 1/8 of that, so that decoders need no
        second scaling, and a view resized or zoomed a little finds its pictures in the cache.

        Returns:
            (width, height); None where the camera has no pictures.
        """
        row = self.index(camera)
        stored = self.size_px(row)
        if stored is None:
            return None
        proxy = self._proxies[row]
        choices = [reduced_size(stored, divisor) for divisor in _LADDER]
        if proxy is not None and proxy.size_px is not None:
            choices.append(proxy.size_px)
        for size in sorted(choices):
            if size[0] * _ENLARGED >= wanted_px[0] and size[1] * _ENLARGED >= wanted_px[1]:
                return size
        return stored

    def read(
        self,
        camera: str | int,
        frame: int,
        size_px: Size | None = None,
        *,
        layout: Layout = "rgb",
        cancelled: Callable[[], bool] | None = None,
    ) -> NDArray[np.uint8]:
        """Decode one picture.

        Args:
            camera: name or index.
            frame: 0-based.
            size_px: (width, height) wanted; a picture is never enlarged. None = as stored.
            layout: ``rgb`` (3 channels) or ``bgra`` (4, fits QImage.Format_RGB32).
            cancelled: asked during a long decode; True ends it with `ReadCancelledError`.

        Returns:
            (height, width, 3 or 4) uint8, contiguous.

        Raises:
            NoPicturesError: the camera has no pictures, or its source could not be opened.
            MissingFrameError: it has none at this frame.
            UnreadableImageError: it has one that cannot be decoded.
        """
        row = self.index(camera)
        reader = self._readers[row]
        if reader is None:
            raise self._no_pictures(row)
        index = frame + self._offsets[row]
        if frame < 0 or index < 0:
            raise _before_start(self.cameras[row], frame, self._offsets[row])
        proxy = self._proxies[row]
        if proxy is not None and size_px is not None:
            picture = proxy.read(index, size_px, layout)
            if picture is not None:
                return picture
        return reader.read(index, size_px, layout, cancelled)

    def delivered_size(self, camera: str | int, wanted_px: Size | None) -> Size | None:
        """The size that `read` yields; None where the camera has no pictures."""
        stored = self.size_px(camera)
        return fitted_size(stored, wanted_px) if stored is not None else None

    def _no_pictures(self, row: int) -> NoPicturesError:
        name = self.cameras[row]
        problem = self.problems.get(name)
        return NoPicturesError(
            name,
            "pictures",
            expected="a video or a folder of pictures",
            found=str(problem) if problem is not None else "none",
            remedy="Name its pictures in the project's recording.",
        )


def _before_start(name: str, frame: int, offset: int) -> MissingFrameError:
    return MissingFrameError(
        name,
        f"frame {frame}",
        expected=f"a frame from {max(0, -offset)}",
        found="the time before this camera started",
        remedy="This camera started later than the others.",
    )
