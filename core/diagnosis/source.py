"""Where a recording's observations come from, in blocks or as a sample.

`core.project.Project` is such a source; nothing here knows it by name, so that a test or an
experiment may hand in arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from core.diagnosis.engine import observed_in
from core.geometry import estimate_scale_mm
from core.geometry.method import SCALE_UNKNOWN_MM
from core.observations import Source
from core.project.detections import one_per_person

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from core.geometry import Rig
    from core.people.identified import IdentifiedDetections
    from core.skeleton import Skeleton

    Progress = Callable[[int, int], bool]
    """Is told how much is done and of how much, and answers whether to go on."""

_BLOCK_FRAMES = 64


class Block(Protocol):
    """Observations of consecutive frames, F frames x P persons x C cameras x J joints."""

    @property
    def persons(self) -> tuple[int, ...]:
        """P person ids, ascending."""
        ...

    @property
    def points_px(self) -> NDArray[np.float64]:
        """(F, P, C, J, 2) raw pixels; NaN = none."""
        ...

    @property
    def source(self) -> NDArray[np.uint8]:
        """(F, P, C, J) values of `core.observations.Source`."""
        ...


class RecordingSource(Protocol):
    """What a summary needs to know of a project."""

    @property
    def rig(self) -> Rig:
        """The cameras."""
        ...

    @property
    def skeleton(self) -> Skeleton:
        """The joints."""
        ...

    @property
    def num_frames(self) -> int:
        """Length of the recording."""
        ...

    @property
    def persons(self) -> tuple[int, ...]:
        """All person ids of the recording, ascending."""
        ...

    def observations_block(self, start: int, stop: int) -> Block:
        """Observations of the frames start…stop-1; at least one frame."""
        ...

    def labelled_frames(self) -> NDArray[np.int64]:
        """Frames with hand labels, ascending."""
        ...


class DetectedSource(RecordingSource, Protocol):
    """A recording whose detections can be had without the labels over them."""

    def identified(self, start: int, stop: int) -> Iterable[IdentifiedDetections]:
        """Detections of the frames start…stop-1, in pieces, with the identities in force."""
        ...


def detected_px(
    source: DetectedSource, start: int, stop: int, persons: Sequence[int]
) -> NDArray[np.float64]:
    """What was detected of these persons in the frames start…stop-1, beneath all labels.

    Returns:
        (F, P, C, J, 2) raw pixels; NaN = none.
    """
    shape = (stop - start, len(persons), len(source.rig), source.skeleton.num_joints, 2)
    points = np.full(shape, np.nan)
    ids = np.array(persons, dtype=np.int64)
    for rows in source.identified(start, stop):
        chosen = one_per_person(rows)
        chosen = chosen[np.isin(rows.person[chosen], ids)]
        who = np.searchsorted(ids, rows.person[chosen])
        points[rows.frame[chosen] - start, who, rows.camera[chosen]] = rows.points_px[chosen]
    return points


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """People at some frames of a recording, one a row.

    Attributes:
        frames: (N,) frame of each row.
        persons: (N,) person id of each row.
        points_px: (N, C, J, 2) raw pixels; NaN = none. Every row has an observation.
    """

    frames: NDArray[np.int64]
    persons: NDArray[np.int64]
    points_px: NDArray[np.float64]


def sample_observations(
    source: RecordingSource, num_frames: int, progress: Progress | None = None
) -> Sample:
    """Observations of at most `num_frames` frames, spread evenly over the recording.

    Half of them are labelled frames where there are so many: in a sparsely labelled recording
    without detections there is nothing anywhere else. Labels that were reprojected from other views
    are left out: they agree with those, and with the calibration, whatever it is. Stops early where
    `progress` says so.
    """
    labelled = _spread(np.asarray(source.labelled_frames(), dtype=np.int64), num_frames // 2)
    everywhere = _spread(np.arange(source.num_frames), num_frames - len(labelled))
    wanted = np.union1d(labelled, everywhere)
    shape = (len(source.rig), source.skeleton.num_joints, 2)
    frames = [np.zeros(0, np.int64)]
    persons = [np.zeros(0, np.int64)]
    points = [np.zeros((0, *shape))]
    runs = list(_runs(wanted))
    for done, (start, stop, chosen) in enumerate(runs):
        block = source.observations_block(start, stop)
        reprojected = block.source[chosen - start] == Source.REPROJECTED
        rows = np.where(reprojected[..., None], np.nan, block.points_px[chosen - start])
        row, person = np.nonzero(observed_in(rows).any(axis=(-1, -2)))
        frames.append(chosen[row])
        persons.append(np.array(block.persons, dtype=np.int64)[person])
        points.append(rows[row, person])
        if progress is not None and not progress(done + 1, len(runs)):
            break
    return Sample(np.concatenate(frames), np.concatenate(persons), np.concatenate(points))


def _spread(values: NDArray[np.int64], num: int) -> NDArray[np.int64]:
    if len(values) <= num:
        return values
    return values[np.linspace(0, len(values) - 1, num).round().astype(np.int64)]


def _runs(frames: NDArray[np.int64]) -> Iterator[tuple[int, int, NDArray[np.int64]]]:
    """Frames gathered into few short reads: start, stop and the frames of each."""
    start = 0
    while start < len(frames):
        stop = int(np.searchsorted(frames, frames[start] + _BLOCK_FRAMES))
        chosen = frames[start:stop]
        near = np.flatnonzero(np.diff(chosen) > 8)  # a gap is cheaper to skip than to read
        chosen = chosen[: near[0] + 1] if len(near) else chosen
        yield int(chosen[0]), int(chosen[-1]) + 1, chosen
        start += len(chosen)


def estimate_recording_scale_mm(
    source: RecordingSource, progress: Progress | None = None, *, num_frames: int = 400
) -> float:
    """The noise scale of a recording (`estimate_scale_mm`) from a sample of its frames, mm.

    The same recording gives the same scale. 10 where no joint is seen by three views.
    """
    sample = sample_observations(source, num_frames, progress)
    if not len(sample.points_px):
        return SCALE_UNKNOWN_MM
    return estimate_scale_mm(source.rig.undistort(sample.points_px), source.rig.projections)
