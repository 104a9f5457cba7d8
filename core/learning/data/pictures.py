"""Pictures of the recordings of a data set, opened when first read and not all at once.

Human3.6M has 840 videos; each that stands open costs memory and file handles, and opening one costs
an index of the whole file. A `Library` keeps the recordings used last open, and closes none that
somebody is reading.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING

from core.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from core.recording import SourceSpec


class Library:
    """At most so many recordings of a data set open at a time, the ones used last. Thread-safe."""

    def __init__(self, limit: int = 8) -> None:
        """Keep up to `limit` open."""
        self._limit = limit
        self._lock = threading.Lock()
        self._open: OrderedDict[SourcePictures, Recording] = OrderedDict()
        self._readers: dict[SourcePictures, int] = {}

    @contextmanager
    def opened(self, pictures: SourcePictures) -> Generator[Recording, None, None]:
        """The recording of these pictures, open at least as long as the block lasts."""
        with self._lock:
            recording = self._open.get(pictures)
            if recording is None:
                recording = self._open[pictures] = pictures.open()
            self._open.move_to_end(pictures)
            self._readers[pictures] = self._readers.get(pictures, 0) + 1
            self._close_surplus()
        try:
            yield recording
        finally:
            with self._lock:
                self._readers[pictures] -= 1
                self._close_surplus()

    def close(self, pictures: SourcePictures) -> None:
        """Close the recording of these pictures, if it is open; it opens again when read."""
        with self._lock:
            recording = self._open.pop(pictures, None)
            if recording is not None:
                recording.close()

    def _close_surplus(self) -> None:
        for pictures in list(self._open):
            if len(self._open) <= self._limit:
                return
            if not self._readers.get(pictures):
                self._open.pop(pictures).close()


class SourcePictures:
    """The pictures of one recording's C cameras, in the order of its rig in use.

    Args:
        sources: by camera name, in that order; None = a camera without pictures.
        library: shared by the recordings of a data set.
        offsets: as for `core.recording.Recording`.
        cache_directory: where the indices of videos are kept.
    """

    def __init__(
        self,
        sources: Mapping[str, SourceSpec | None],
        library: Library,
        *,
        offsets: Mapping[str, int] | None = None,
        cache_directory: Path | None = None,
    ) -> None:
        self._sources = dict(sources)
        self._library = library
        self._offsets = dict(offsets or {})
        self._cache_directory = cache_directory
        self._prefixes = [
            "" if spec is None else f"{_stamped(spec)}:{self._offsets.get(name, 0)}"
            for name, spec in self._sources.items()
        ]

    def open(self) -> Recording:
        """Open the recording; the library does it when one is needed."""
        return Recording(
            self._sources, offsets=self._offsets, cache_directory=self._cache_directory
        )

    def read(
        self, camera: int, frame: int, size_px: tuple[int, int] | None = None
    ) -> NDArray[np.uint8]:
        """(h, w, 3) RGB; see `PoseRecording.read`."""
        with self._library.opened(self) as recording:
            return recording.read(camera, frame, size_px)

    def key(self, camera: int, frame: int) -> str:
        """The source, its time of change, and the frame."""
        return f"{self._prefixes[camera]}:{frame}"

    def close(self) -> None:
        """Close all files; they open again when read."""
        self._library.close(self)


def _stamped(spec: SourceSpec) -> str:
    try:
        changed = spec.path.stat().st_mtime_ns
    except OSError:  # a disk that is not there now: reading says so
        changed = 0
    return f"{spec.path}:{changed}"
