"""Pseudo-labels: what the triangulation says of a source's frames, beside what people decided.

One block of frames is one set of arrays, computed with the same calls as `core.diagnosis`: what a
query finds is what the window shows. Only people whom some view saw are triangulated. Of a frame
that was diagnosed already they are had without triangulating it again (`diagnosed_labels`).

Trap: the noise scale decides what is kept. Give settings in which `scale_mm` is set
(`resolved_settings`), or each block would estimate its own and the same joint come out otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from core.diagnosis import estimate_recording_scale_mm
from core.diagnosis.engine import (
    imaged_left_out,
    left_out_by_evidence,
    observed_in,
    robust,
    straightened,
)
from core.diagnosis.lengths import arguments
from core.observations import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from core.curation.sources import FrameSource
    from core.diagnosis import FrameDiagnosis
    from core.observations import FrameObservations
    from core.project import ObservationsBlock, Project
    from core.settings import TriangulationSettings

    Floats = NDArray[np.float64]
    Progress = Callable[[int, int], bool]

BLOCK_FRAMES = 24  # 40 ms for 12 people in 8 views, so that a stopped search ends at once


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PseudoLabels:
    """What is known of F consecutive frames, P persons, C cameras, J joints.

    Attributes:
        start: the first frame.
        persons: P person ids, ascending: all who are there in any of the frames.
        settings: those in force, with the noise scale.
        source: (F, P, C, J) uint8, values of `core.observations.Source`.
        observed: (F, P, C, J) bool: the observation took part; muted ones do not.
        points_mm: (F, P, J, 3) world; a discarded joint has one too; NaN = degenerate or not seen.
        kept: (F, P, J) bool: the triangulation is believed.
        wss_mm: (F, P, J); NaN = no pair of views.
        weights: (F, P, C, J) in [0, 1].
        loo_residual_px: (F, P, C, J) raw pixels between an observation and the point of the other
            views; NaN = either absent, or the view was reprojected from the others: that it agrees
            with them says nothing.
        state: (F, P, J) uint8, values of `core.project.ReviewState`.
    """

    start: int
    persons: tuple[int, ...]
    settings: TriangulationSettings
    source: NDArray[np.uint8]
    observed: NDArray[np.bool_]
    points_mm: Floats
    kept: NDArray[np.bool_]
    wss_mm: Floats
    weights: Floats
    loo_residual_px: Floats
    state: NDArray[np.uint8]

    @property
    def stop(self) -> int:
        """One more than the last frame."""
        return self.start + len(self.source)

    @property
    def seen(self) -> NDArray[np.bool_]:
        """(F, P, J) whether any view's observation took part."""
        return np.asarray(self.observed.any(axis=2))

    @property
    def reprojected(self) -> NDArray[np.bool_]:
        """(F, P, C, J) whether a label that was put from elsewhere took part."""
        return np.asarray((self.source == Source.REPROJECTED) & self.observed)

    @property
    def num_hand(self) -> NDArray[np.int64]:
        """(F, P, J) in how many views a person placed the joint."""
        return ((self.source == Source.HAND) & self.observed).sum(axis=2)

    @property
    def has_hand(self) -> NDArray[np.bool_]:
        """(F, P, J) whether a person said something of the joint in any view."""
        return np.asarray((self.source >= Source.HAND).any(axis=2))

    @property
    def worst_loo_px(self) -> Floats:
        """(F, P, J) the largest leave-one-out residual of any view; NaN where none could be had."""
        largest = np.fmax.reduce(self.loo_residual_px, axis=2, initial=-1.0)
        return np.where(largest < 0, np.nan, largest)


def resolved_settings(
    source: FrameSource, settings: TriangulationSettings, progress: Progress | None = None
) -> TriangulationSettings:
    """The settings with a noise scale: theirs, or the recording's as the window estimates it."""
    if settings.scale_mm is not None or settings.weighting == "none":
        return settings
    return replace(settings, scale_mm=estimate_recording_scale_mm(source, progress))


def pseudo_labels(
    project: Project,
    source: FrameSource,
    start: int,
    stop: int,
    settings: TriangulationSettings,
    persons: Sequence[int] | None = None,
) -> PseudoLabels:
    """The pseudo-labels of the frames start…stop-1.

    Args:
        project: whose reviews and muted observations count.
        source: of the observations.
        start: first frame.
        stop: one more than the last; at most a few dozen frames, for memory.
        settings: with a noise scale.
        persons: leave out all others; None = everybody.
    """
    block = source.observations_block(start, stop)
    chosen = [
        row for row, person in enumerate(block.persons) if persons is None or person in persons
    ]
    ids = tuple(block.persons[row] for row in chosen)
    muted = project.muted_between(start, block.stop, ids)
    raw = np.where(muted[..., None], np.nan, block.points_px[:, chosen])
    found = _Arrays.empty(raw.shape[:-1])
    frame, row = np.nonzero(observed_in(raw).any(axis=(-1, -2)))
    if len(frame):
        said = block.source[:, chosen][frame, row]
        found.fill((frame, row), source, raw[frame, row], said, settings)
    reprojected = block.source[:, chosen] == Source.REPROJECTED
    return PseudoLabels(
        start=start,
        persons=ids,
        settings=settings,
        source=block.source[:, chosen],
        observed=found.observed,
        points_mm=found.points_mm,
        kept=found.kept,
        wss_mm=found.wss_mm,
        weights=found.weights,
        loo_residual_px=np.where(reprojected, np.nan, found.loo_residual_px),
        state=_states(project, block, ids),
    )


def diagnosed_labels(
    observations: FrameObservations, diagnosis: FrameDiagnosis, state: NDArray[np.uint8]
) -> PseudoLabels:
    """`pseudo_labels` of one frame, from its diagnosis: the same numbers, at once.

    Args:
        observations: of the frame, P persons.
        diagnosis: made of them.
        state: (P, J) what people decided, values of `core.project.ReviewState`.
    """
    found, observed = diagnosis.triangulation, diagnosis.observed
    unsaid = diagnosis.muted | diagnosis.reprojected
    return PseudoLabels(
        start=observations.frame,
        persons=observations.persons,
        settings=diagnosis.settings,
        source=observations.source[None],
        observed=observed[None],
        points_mm=found.points_mm[None],
        kept=(found.kept & observed.any(axis=1))[None],
        wss_mm=found.wss_mm[None],
        weights=np.where(observed, found.weights, 0.0)[None],
        loo_residual_px=np.where(unsaid, np.nan, diagnosis.loo_residual_px)[None],
        state=state[None],
    )


def pseudo_blocks(
    project: Project,
    source: FrameSource,
    settings: TriangulationSettings,
    *,
    frames: range | None = None,
    persons: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> Iterator[PseudoLabels]:
    """Block after block of a range of frames; ends early where `progress` says so.

    Frames that the source says nothing about are skipped where whole blocks of them are.
    """
    settings = resolved_settings(source, settings)
    frames = range(source.num_frames) if frames is None else frames
    known = source.frames()
    for start in range(frames.start, frames.stop, BLOCK_FRAMES):
        stop = min(start + BLOCK_FRAMES, frames.stop)
        low, high = np.searchsorted(known, (start, stop))
        if low < high:
            yield pseudo_labels(project, source, start, stop, settings, persons)
        if progress is not None and not progress(stop - frames.start, len(frames)):
            return


@dataclass(slots=True, eq=False)
class _Arrays:
    """The computed arrays of a block, to be filled where somebody was seen."""

    observed: NDArray[np.bool_]
    points_mm: Floats
    kept: NDArray[np.bool_]
    wss_mm: Floats
    weights: Floats
    loo_residual_px: Floats

    @classmethod
    def empty(cls, shape: tuple[int, ...]) -> _Arrays:
        """Of nobody, for (F, P, C, J)."""
        joints = (*shape[:2], shape[3])
        return cls(
            observed=np.zeros(shape, dtype=np.bool_),
            points_mm=np.full((*joints, 3), np.nan),
            kept=np.zeros(joints, dtype=np.bool_),
            wss_mm=np.full(joints, np.nan),
            weights=np.zeros(shape),
            loo_residual_px=np.full(shape, np.nan),
        )

    def fill(
        self,
        place: tuple[NDArray[np.int64], NDArray[np.int64]],
        source: FrameSource,
        raw_px: Floats,
        said: NDArray[np.uint8],
        settings: TriangulationSettings,
    ) -> None:
        """Triangulate people at some places: raw points (N, C, J, 2), and their sources."""
        rig = source.rig
        hand, reprojected = said == Source.HAND, said == Source.REPROJECTED
        points, observed = straightened(rig, raw_px)
        found = robust(points, rig.projections, observed, arguments(settings), hand)
        factors = found.weights**settings.row_exponent
        others = left_out_by_evidence(points, rig.projections, observed, factors, reprojected)
        self.observed[place] = observed
        self.points_mm[place] = found.points_mm
        self.kept[place] = found.kept & observed.any(axis=-2)
        self.wss_mm[place] = found.wss_mm
        self.weights[place] = np.where(observed, found.weights, 0.0)
        self.loo_residual_px[place] = imaged_left_out(rig, raw_px, others)[1]


def _states(
    project: Project, block: ObservationsBlock, persons: tuple[int, ...]
) -> NDArray[np.uint8]:
    num_frames, _, _, num_joints = block.source.shape
    state = np.zeros((num_frames, len(persons), num_joints), dtype=np.uint8)
    rows = project.reviews_between(block.start, block.stop)
    known = np.isin(rows.keys[:, 1], persons)
    frame, person, joint = rows.keys[known].T
    state[frame - block.start, np.searchsorted(persons, person), joint] = rows.state[known]
    return state
