"""A whole recording under one set of settings: what the timeline and the threshold page show.

Worked through in blocks of frames, on a background thread; the compiled kernel releases the GIL.
Only joints that somebody saw count, so a sparsely labelled recording costs next to nothing. No
ground truth takes part anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from core.diagnosis.engine import (
    imaged_left_out,
    observed_in,
    robust,
    robust_leave_one_out,
    straightened,
)
from core.diagnosis.lengths import arguments
from core.diagnosis.source import estimate_recording_scale_mm
from core.geometry.method import SUPPORT_WEIGHT
from core.observations import Source

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.diagnosis.source import Block, Progress, RecordingSource
    from core.geometry import Rig
    from core.settings import TriangulationSettings

    Floats = NDArray[np.float64]

_BLOCK_FRAMES = 24  # 40 ms for 12 people in 8 views, so that a stopped summary ends at once
WSS_EDGES_MM = np.logspace(-1, 4, 121)
"""24 bins a decade, 0.1 mm to 10 m; what lies outside is counted in the first or last bin."""


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
        num_joints: joints of a person at a frame that any view saw.
        num_kept: those of them that were kept.
        wss_edges_mm: (B + 1,) ascending, logarithmic.
        wss_counts: (B,) joints by their WSS (root).
        kept_by_joint: (J,) share kept.
        kept_by_person: (P,) share kept.
        weight_by_camera: (C,) mean weight of an observation.
        support_by_camera: (C,) share of observations with a weight over 0.05.
        observations_by_camera: (C,) int64, number of observed joints.
    """

    settings: TriangulationSettings
    persons: tuple[int, ...]
    worst_residual_px: NDArray[np.float32]
    share_discarded: NDArray[np.float32]
    annotated: NDArray[np.bool_]
    num_joints: int
    num_kept: int
    wss_edges_mm: Floats
    wss_counts: NDArray[np.int64]
    kept_by_joint: Floats
    kept_by_person: Floats
    weight_by_camera: Floats
    support_by_camera: Floats
    observations_by_camera: NDArray[np.int64]

    @property
    def num_frames(self) -> int:
        """N."""
        return len(self.worst_residual_px)

    @property
    def kept_share(self) -> float:
        """Of all joints that any view saw; NaN where there are none."""
        return self.num_kept / self.num_joints if self.num_joints else float("nan")

    @property
    def median_wss_mm(self) -> float:
        """From the histogram, so good to a twentieth; NaN where there is no joint."""
        total = int(self.wss_counts.sum())
        if not total:
            return float("nan")
        below = np.concatenate([[0], np.cumsum(self.wss_counts)])
        logs = np.log(self.wss_edges_mm)
        return float(np.exp(np.interp(total / 2, below, logs)))


def summarise(
    source: RecordingSource, settings: TriangulationSettings, progress: Progress | None = None
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
    scale = settings.scale_mm
    if scale is None:
        scale = estimate_recording_scale_mm(source)
    tally = _Tally(source)
    options = {**arguments(settings), "scale_mm": scale}
    for start in range(0, source.num_frames, _BLOCK_FRAMES):
        stop = min(start + _BLOCK_FRAMES, source.num_frames)
        tally.add(start, source.observations_block(start, stop), options, settings.row_exponent)
        if progress is not None and not progress(stop, source.num_frames):
            return None
    return tally.summary(settings)


@dataclass(slots=True, eq=False)
class _Tally:
    """The running sums over blocks."""

    source: RecordingSource
    rig: Rig = field(init=False)
    persons: NDArray[np.int64] = field(init=False)
    worst: NDArray[np.float32] = field(init=False)
    discarded: NDArray[np.float32] = field(init=False)
    annotated: NDArray[np.bool_] = field(init=False)
    wss_counts: NDArray[np.int64] = field(init=False)
    joints: NDArray[np.int64] = field(init=False)
    cameras: Floats = field(init=False)

    def __post_init__(self) -> None:
        source = self.source
        self.rig = source.rig
        self.persons = np.array(source.persons, dtype=np.int64)
        size = (source.num_frames, len(self.persons))
        self.worst = np.full(size, np.nan, dtype=np.float32)
        self.discarded = np.full(size, np.nan, dtype=np.float32)
        self.annotated = np.zeros(size, dtype=np.bool_)
        self.wss_counts = np.zeros(len(WSS_EDGES_MM) - 1, dtype=np.int64)
        # Axis 0: seen, kept.
        self.joints = np.zeros((2, len(self.persons), source.skeleton.num_joints), dtype=np.int64)
        # Axis 0: observations, sum of weights, observations with a weight that counts.
        self.cameras = np.zeros((3, len(self.rig)))

    def add(self, start: int, block: Block, options: dict[str, Any], exponent: float) -> None:
        """Triangulate a block and add it up."""
        if not len(block.persons):
            return
        columns = np.searchsorted(self.persons, np.array(block.persons, dtype=np.int64))
        hand = (block.source == Source.HAND).any(axis=(-1, -2))
        self.annotated[start : start + len(hand), columns] = hand
        any_seen = observed_in(block.points_px).any(axis=(-1, -2))
        frame, row = np.nonzero(any_seen)
        if not len(frame):
            return
        raw = block.points_px[frame, row]
        points, observed = straightened(self.rig, raw)
        by_hand = block.source[frame, row] == Source.HAND
        found = robust(points, self.rig.projections, observed, options, by_hand)
        others = robust_leave_one_out(
            points, self.rig.projections, observed, found.weights**exponent
        )
        residuals = imaged_left_out(self.rig, raw, others)[1]
        person = columns[row]
        seen = observed.any(axis=-2)
        kept = found.kept & seen
        place = (start + frame, person)
        self.worst[place] = _largest(residuals)
        with np.errstate(invalid="ignore"):
            self.discarded[place] = 1 - kept.sum(axis=-1) / seen.sum(axis=-1)
        np.add.at(self.joints[0], person, seen)
        np.add.at(self.joints[1], person, kept)
        self._count_wss(found.wss_mm[np.isfinite(found.wss_mm) & seen])
        weights = np.where(observed, found.weights, 0.0)
        for row_of_sums, values in enumerate((observed, weights, weights > SUPPORT_WEIGHT)):
            self.cameras[row_of_sums] += values.sum(axis=(0, 2))

    def _count_wss(self, wss_mm: Floats) -> None:
        inside = np.clip(wss_mm, WSS_EDGES_MM[0], WSS_EDGES_MM[-1])
        self.wss_counts += np.histogram(inside, WSS_EDGES_MM)[0]

    def summary(self, settings: TriangulationSettings) -> RecordingSummary:
        """What it came to."""
        seen, kept = self.joints
        return RecordingSummary(
            settings=settings,
            persons=tuple(self.persons.tolist()),
            worst_residual_px=self.worst,
            share_discarded=self.discarded,
            annotated=self.annotated,
            num_joints=int(seen.sum()),
            num_kept=int(kept.sum()),
            wss_edges_mm=WSS_EDGES_MM,
            wss_counts=self.wss_counts,
            kept_by_joint=_share(kept.sum(axis=0), seen.sum(axis=0)),
            kept_by_person=_share(kept.sum(axis=1), seen.sum(axis=1)),
            weight_by_camera=_share(self.cameras[1], self.cameras[0]),
            support_by_camera=_share(self.cameras[2], self.cameras[0]),
            observations_by_camera=self.cameras[0].astype(np.int64),
        )


def _largest(residuals_px: Floats) -> NDArray[np.float32]:
    """(N,) the largest of (N, C, J); NaN where all are NaN."""
    largest = np.fmax.reduce(residuals_px.reshape(len(residuals_px), -1), axis=1, initial=-1.0)
    return np.where(largest < 0, np.nan, largest).astype(np.float32)


def _share(part: NDArray[np.number], whole: NDArray[np.number]) -> Floats:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
