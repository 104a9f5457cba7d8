"""A whole recording under one set of settings: what the timeline and the threshold page show.

Worked through in blocks of frames, on a background thread; the compiled kernel releases the GIL.
Only joints that somebody saw count, so a sparsely labelled recording costs next to nothing. No
ground truth takes part anywhere.

What each frame added to the sums is kept beside them, so that after an edit its frames are taken
out and put in again (`RecordingSummary.with_frames`), and the rest of the recording is not touched.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from core.diagnosis.engine import (
    imaged_left_out,
    left_out_by_evidence,
    observed_in,
    robust,
    straightened,
)
from core.diagnosis.lengths import arguments
from core.diagnosis.source import RecordingSource, estimate_recording_scale_mm
from core.geometry.method import SUPPORT_WEIGHT
from core.observations import Source

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from core.diagnosis.source import Block, Progress
    from core.settings import TriangulationSettings

    Floats = NDArray[np.float64]

_BLOCK_FRAMES = 24  # 40 ms for 12 people in 8 views, so that a stopped summary ends at once
WSS_EDGES_MM = np.logspace(-1, 4, 121)
"""24 bins a decade, 0.1 mm to 10 m; what lies outside is counted in the first or last bin."""
NOT_SEEN, WITHOUT_WSS = 255, 254
"""In the place of a bin: a joint that no view saw, or that no pair of views did."""


class SummarySource(RecordingSource, Protocol):
    """A recording, and what somebody took out of its triangulation."""

    def muted_between(self, start: int, stop: int, persons: tuple[int, ...]) -> NDArray[np.bool_]:
        """(F, P, C, J) which observations of these persons take no part."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecordingSummary:
    """N frames x P persons, C cameras, J joints; shares are NaN where nothing was seen.

    Attributes:
        settings: those the recording was triangulated with.
        persons: P person ids, ascending.
        worst_residual_px: (N, P) float32, the largest leave-one-out residual of any joint and view,
            as in `FrameDiagnosis`; NaN where none could be had.
        share_discarded: (N, P) float32, of the joints that any view saw; NaN where none did.
        annotated: (N, P) bool, a hand label in any view.
        wss_bin: (N, P, J) uint8, the bin of each joint's WSS; `NOT_SEEN` or `WITHOUT_WSS`.
        kept: (N, P, J) bool.
        frame_cameras: (N, 3, C) observations, sum of their weights, and how many of them count.
        wss_counts: (B,) int64, joints by their WSS (root).
        joint_counts: (2, P, J) int64, seen and kept.
        camera_sums: (3, C), `frame_cameras` over all frames.
    """

    settings: TriangulationSettings
    persons: tuple[int, ...]
    worst_residual_px: NDArray[np.float32]
    share_discarded: NDArray[np.float32]
    annotated: NDArray[np.bool_]
    wss_bin: NDArray[np.uint8]
    kept: NDArray[np.bool_]
    frame_cameras: Floats
    wss_counts: NDArray[np.int64]
    joint_counts: NDArray[np.int64]
    camera_sums: Floats

    @property
    def num_frames(self) -> int:
        """N."""
        return len(self.worst_residual_px)

    @property
    def num_joints(self) -> int:
        """Joints of a person at a frame that any view saw."""
        return int(self.joint_counts[0].sum())

    @property
    def num_kept(self) -> int:
        """Those of them that were kept."""
        return int(self.joint_counts[1].sum())

    @property
    def kept_share(self) -> float:
        """Of all joints that any view saw; NaN where there are none."""
        return self.num_kept / self.num_joints if self.num_joints else float("nan")

    @property
    def wss_edges_mm(self) -> Floats:
        """(B + 1,) ascending, logarithmic."""
        return WSS_EDGES_MM

    @property
    def kept_by_joint(self) -> Floats:
        """(J,) share kept."""
        seen, kept = self.joint_counts.sum(axis=1)
        return _share(kept, seen)

    @property
    def kept_by_person(self) -> Floats:
        """(P,) share kept."""
        seen, kept = self.joint_counts.sum(axis=2)
        return _share(kept, seen)

    @property
    def weight_by_camera(self) -> Floats:
        """(C,) mean weight of an observation."""
        return _share(self.camera_sums[1], self.camera_sums[0])

    @property
    def support_by_camera(self) -> Floats:
        """(C,) share of observations with a weight over 0.05."""
        return _share(self.camera_sums[2], self.camera_sums[0])

    @property
    def observations_by_camera(self) -> NDArray[np.int64]:
        """(C,) number of observed joints."""
        return self.camera_sums[0].round().astype(np.int64)

    @property
    def median_wss_mm(self) -> float:
        """From the histogram, so good to a twentieth; NaN where there is no joint."""
        total = int(self.wss_counts.sum())
        if not total:
            return float("nan")
        below = np.concatenate([[0], np.cumsum(self.wss_counts)])
        logs = np.log(self.wss_edges_mm)
        return float(np.exp(np.interp(total / 2, below, logs)))

    def with_frames(self, source: SummarySource, frames: Iterable[int]) -> RecordingSummary:
        """The summary after an edit of some frames; only these are triangulated.

        Args:
            source: the recording's observations as they are now; it may know more persons.
            frames: those in which anything changed; beyond the recording they are left out.
        """
        wanted = np.unique(np.array([f for f in frames if 0 <= f < self.num_frames], dtype=int))
        if not len(wanted):
            return self
        grown = self._with_persons(tuple(sorted({*self.persons, *source.persons})))
        # With arrays of its own, for somebody else may hold these.
        arrays = {f.name: getattr(grown, f.name).copy() for f in fields(self)[2:]}
        new = replace(grown, **arrays)
        options = _options(source, self.settings)
        breaks = np.flatnonzero(np.diff(wanted) > 1) + 1
        for run in np.split(wanted, breaks):
            for start in range(int(run[0]), int(run[-1]) + 1, _BLOCK_FRAMES):
                stop = min(start + _BLOCK_FRAMES, int(run[-1]) + 1)
                _count(new, slice(start, stop), -1)
                _fill(new, source, start, stop, options)
                _count(new, slice(start, stop), +1)
        return new

    def _with_persons(self, persons: tuple[int, ...]) -> RecordingSummary:
        if persons == self.persons:
            return self
        new = _empty(self.settings, persons, self.num_frames, self.kept.shape[2], self._num_cameras)
        columns = np.searchsorted(persons, self.persons)
        for name in ("worst_residual_px", "share_discarded", "annotated", "wss_bin", "kept"):
            getattr(new, name)[:, columns] = getattr(self, name)
        new.joint_counts[:, columns] = self.joint_counts
        return replace(
            new,
            frame_cameras=self.frame_cameras,
            camera_sums=self.camera_sums,
            wss_counts=self.wss_counts,
        )

    @property
    def _num_cameras(self) -> int:
        return self.camera_sums.shape[1]


def summarise(
    source: SummarySource, settings: TriangulationSettings, progress: Progress | None = None
) -> RecordingSummary | None:
    """Triangulate a whole recording and sum up.

    Args:
        source: the recording's observations.
        settings: where `scale_mm` is None, it is estimated first, for all blocks alike.
        progress: called after each block with frames done and frames in all; answers whether to
            go on.

    Returns:
        None where `progress` said to stop.
    """
    options = _options(source, settings)
    num_frames = source.num_frames
    summary = _empty(
        settings, tuple(source.persons), num_frames, source.skeleton.num_joints, len(source.rig)
    )
    for start in range(0, num_frames, _BLOCK_FRAMES):
        stop = min(start + _BLOCK_FRAMES, num_frames)
        _fill(summary, source, start, stop, options)
        _count(summary, slice(start, stop), +1)
        if progress is not None and not progress(stop, num_frames):
            return None
    return summary


def _options(source: SummarySource, settings: TriangulationSettings) -> dict[str, Any]:
    """For all blocks alike; the noise scale is estimated where it is not known."""
    scale = settings.scale_mm
    if scale is None:
        scale = estimate_recording_scale_mm(source)
    return {**arguments(settings), "scale_mm": scale}


def _empty(
    settings: TriangulationSettings,
    persons: tuple[int, ...],
    num_frames: int,
    num_joints: int,
    num_cameras: int,
) -> RecordingSummary:
    """Of a recording where nobody was seen."""
    size = (num_frames, len(persons))
    return RecordingSummary(
        settings=settings,
        persons=persons,
        worst_residual_px=np.full(size, np.nan, dtype=np.float32),
        share_discarded=np.full(size, np.nan, dtype=np.float32),
        annotated=np.zeros(size, dtype=np.bool_),
        wss_bin=np.full((*size, num_joints), NOT_SEEN, dtype=np.uint8),
        kept=np.zeros((*size, num_joints), dtype=np.bool_),
        frame_cameras=np.zeros((num_frames, 3, num_cameras)),
        wss_counts=np.zeros(len(WSS_EDGES_MM) - 1, dtype=np.int64),
        joint_counts=np.zeros((2, len(persons), num_joints), dtype=np.int64),
        camera_sums=np.zeros((3, num_cameras)),
    )


def _count(summary: RecordingSummary, frames: slice, sign: int) -> None:
    """Add what some frames have to the sums (+1), or take it out again (-1)."""
    bins, kept = summary.wss_bin[frames], summary.kept[frames]
    counts = np.bincount(bins.ravel(), minlength=256)
    summary.wss_counts[:] += sign * counts[: len(summary.wss_counts)]
    summary.joint_counts[0] += sign * (bins != NOT_SEEN).sum(axis=0)
    summary.joint_counts[1] += sign * kept.sum(axis=0)
    summary.camera_sums[:] += sign * summary.frame_cameras[frames].sum(axis=0)


def _fill(
    summary: RecordingSummary, source: SummarySource, start: int, stop: int, options: dict[str, Any]
) -> None:
    """Triangulate a block and write down what its frames have; the sums are left as they are."""
    block = source.observations_block(start, stop)
    _clear(summary, slice(start, stop))
    if not len(block.persons):
        return
    columns = np.searchsorted(summary.persons, np.array(block.persons, dtype=np.int64))
    hand = block.source == Source.HAND
    summary.annotated[start : start + len(hand), columns] = hand.any(axis=(-1, -2))
    raw_px = _unmuted(source, block, start, stop)
    frame, row = np.nonzero(observed_in(raw_px).any(axis=(-1, -2)))
    if not len(frame):
        return
    raw, rig = raw_px[frame, row], source.rig
    points, observed = straightened(rig, raw)
    found = robust(points, rig.projections, observed, options, hand[frame, row])
    exponent = summary.settings.row_exponent
    put = (block.source == Source.REPROJECTED)[frame, row]
    factors = found.weights**exponent
    others = left_out_by_evidence(points, rig.projections, observed, factors, put)
    residual = np.where(put, np.nan, imaged_left_out(rig, raw, others)[1])
    place = (start + frame, columns[row])
    seen = observed.any(axis=-2)
    kept = found.kept & seen
    summary.worst_residual_px[place] = _largest(residual)
    with np.errstate(invalid="ignore"):
        summary.share_discarded[place] = 1 - kept.sum(axis=-1) / seen.sum(axis=-1)
    summary.wss_bin[place] = np.where(seen, _bins(found.wss_mm), NOT_SEEN)
    summary.kept[place] = kept
    weights = np.where(observed, found.weights, 0.0)
    for row_of_sums, values in enumerate((observed, weights, weights > SUPPORT_WEIGHT)):
        np.add.at(summary.frame_cameras[:, row_of_sums], place[0], values.sum(axis=2))


def _clear(summary: RecordingSummary, frames: slice) -> None:
    summary.worst_residual_px[frames] = summary.share_discarded[frames] = np.nan
    summary.annotated[frames] = summary.kept[frames] = False
    summary.wss_bin[frames] = NOT_SEEN
    summary.frame_cameras[frames] = 0


def _unmuted(source: SummarySource, block: Block, start: int, stop: int) -> Floats:
    muted = source.muted_between(start, stop, block.persons)
    return np.where(muted[..., None], np.nan, block.points_px) if muted.any() else block.points_px


def _bins(wss_mm: Floats) -> NDArray[np.uint8]:
    """The bin of each WSS; `WITHOUT_WSS` where it is not finite."""
    inside = np.clip(np.nan_to_num(wss_mm), WSS_EDGES_MM[0], WSS_EDGES_MM[-1])
    bins = np.searchsorted(WSS_EDGES_MM, inside, side="right") - 1
    bins = np.clip(bins, 0, len(WSS_EDGES_MM) - 2)
    return np.where(np.isfinite(wss_mm), bins, WITHOUT_WSS).astype(np.uint8)


def _largest(residuals_px: Floats) -> NDArray[np.float32]:
    """(N,) the largest of (N, C, J); NaN where all are NaN."""
    largest = np.fmax.reduce(residuals_px.reshape(len(residuals_px), -1), axis=1, initial=-1.0)
    return np.where(largest < 0, np.nan, largest).astype(np.float32)


def _share(part: NDArray[np.number], whole: NDArray[np.number]) -> Floats:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
