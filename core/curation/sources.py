"""Where the shown observations come from: the imported detections, or what a run predicted.

A source answers as a project does (frames, blocks, persons, a key that changes with its data), so
that views, diagnosis, summary and curation need not know which one is shown. In every source the
labels that people put lie on top: no network's point ever hides one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from core.curation.run_source import RunSource, run_title
from core.diagnosis.summary import SummarySource

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from core.geometry import Rig
    from core.observations import FrameObservations
    from core.project import ObservationsBlock, Project
    from core.skeleton import Skeleton

__all__ = ["DETECTIONS", "DetectionSource", "FrameSource", "RunSource", "run_title"]

DETECTIONS = "detections"
"""The name of the imported detections as a source; a run's name is its id."""


class FrameSource(SummarySource, Protocol):
    """Observations of a recording by frame or by block, with a name to tell it by."""

    @property
    def name(self) -> str:
        """``detections``, or the id of a run; stands in the provenance of what is accepted."""
        ...

    @property
    def round(self) -> int | None:
        """The run's round that is shown; None = the newest answer for every frame, or no run."""
        ...

    @property
    def title(self) -> str:
        """To show."""
        ...

    @property
    def problem(self) -> str:
        """What could not be read so far, in words; its frames are shown without it. Or empty."""
        ...

    @property
    def data_key(self) -> str:
        """Changes whenever observations or cameras do."""
        ...

    def observations(self, frame: int) -> FrameObservations:
        """Everything seen at one frame, labels on top."""
        ...

    def observations_block(self, start: int, stop: int) -> ObservationsBlock:
        """The same of the frames start…stop-1 as arrays; at least one frame."""
        ...

    def frames(self) -> NDArray[np.int64]:
        """The frames that the source says something about, ascending."""
        ...

    def origin(self, frame: int) -> tuple[int | None, str]:
        """The run's round that answers a frame, and a hash of its weights; None and "" if none."""
        ...

    def answering(self, frame: int) -> FrameSource:
        """The source whose observations these are: itself, or one that it lies over."""
        ...

    def changed_rows(self) -> NDArray[np.int64]:
        """(K, 2) frame and person that the newest round tells otherwise than the one before."""
        ...

    def cache_path(self, key: str, suffix: str = ".h5") -> Path:
        """A file for what can be computed again; see `core.project.Project.cache_path`."""
        ...

    def close(self) -> None:
        """Let go of files; twice does nothing."""
        ...


class DetectionSource:
    """The project as it stands: labels over imported detections."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self.name = DETECTIONS
        self.title = "Detections"
        self.problem = ""
        self.round: int | None = None
        self.rig: Rig = project.rig
        self.skeleton: Skeleton = project.skeleton
        self.num_frames: int = project.num_frames

    @property
    def persons(self) -> tuple[int, ...]:
        """All person ids, ascending."""
        return self._project.persons

    @property
    def data_key(self) -> str:
        """Changes whenever observations or cameras do."""
        return self._project.data_key

    def observations(self, frame: int) -> FrameObservations:
        """Everything seen at one frame."""
        return self._project.observations(frame)

    def observations_block(self, start: int, stop: int) -> ObservationsBlock:
        """The same of the frames start…stop-1 as arrays."""
        return self._project.observations_block(start, stop)

    def muted_between(self, start: int, stop: int, persons: tuple[int, ...]) -> NDArray[np.bool_]:
        """(F, P, C, J) which observations of these persons somebody took out."""
        return self._project.muted_between(start, stop, persons)

    def frames(self) -> NDArray[np.int64]:
        """Frames with a detection or a label."""
        return self._project.observed_frames()

    def labelled_frames(self) -> NDArray[np.int64]:
        """Frames with a label, ascending."""
        return self._project.labelled_frames()

    def changed_rows(self) -> NDArray[np.int64]:
        """None: there are no rounds."""
        return np.zeros((0, 2), dtype=np.int64)

    def origin(self, frame: int) -> tuple[int | None, str]:
        """Of no run."""
        del frame
        return None, ""

    def answering(self, frame: int) -> FrameSource:
        """Itself."""
        del frame
        return self

    def cache_path(self, key: str, suffix: str = ".h5") -> Path:
        """See `core.project.Project.cache_path`."""
        return self._project.cache_path(key, suffix)

    def close(self) -> None:
        """Nothing: the project is not this source's."""
