"""Labelled frames side by side: what people said, and what the detections beneath say.

What the audit and the threshold curves are made from. Detections are read without the labels that
lie over them, so that a label never confirms itself; reprojections that somebody accepted are no
evidence of their own and are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from core.diagnosis.engine import observed_in, plain, straightened
from core.diagnosis.source import DetectedSource, detected_px
from core.observations import Source

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.diagnosis.engine import Floats
    from core.diagnosis.source import Progress
    from core.geometry import Rig

_MAX_FRAMES = 600


class LabelledSource(DetectedSource, Protocol):
    """A recording with labels in 2D, in 3D, or both."""

    def points3d(self, frame: int) -> tuple[tuple[int, ...], NDArray[np.float64]]:
        """The 3D labels of a frame: P persons, and (P, J, 3) mm; NaN = none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelledSample:
    """N people at labelled frames.

    Attributes:
        frames: (N,) frame of each row.
        persons: (N,) person id of each row.
        hand_px: (N, C, J, 2) raw pixels placed by people; NaN = none.
        detected_px: (N, C, J, 2) raw pixels of the detections beneath; NaN = none.
        label_mm: (N, J, 3) 3D labels; NaN = none.
    """

    frames: NDArray[np.int64]
    persons: NDArray[np.int64]
    hand_px: Floats
    detected_px: Floats
    label_mm: Floats

    def truth_mm(self, rig: Rig) -> Floats:
        """(N, J, 3) where people say the joints are; NaN = nobody said.

        The 3D label where there is one, else the plain triangulation of two or more hand labels.
        """
        straight, observed = straightened(rig, self.hand_px)
        placed = plain(straight, rig.projections, observed)
        return np.where(observed_in(self.label_mm)[..., None], self.label_mm, placed)


def read_labelled(source: LabelledSource, progress: Progress | None = None) -> LabelledSample:
    """The labelled frames of a recording, at most 600, spread evenly.

    Args:
        source: the recording.
        progress: called after each frame with frames done and in all; False ends the reading.
    """
    frames = np.asarray(source.labelled_frames(), dtype=np.int64)
    if len(frames) > _MAX_FRAMES:
        frames = frames[np.linspace(0, len(frames) - 1, _MAX_FRAMES).round().astype(np.int64)]
    num_cameras, num_joints = len(source.rig), source.skeleton.num_joints
    parts = [_Part.empty(num_cameras, num_joints)]
    for done, frame in enumerate(frames.tolist(), start=1):
        parts.append(_read_frame(source, frame))
        if progress is not None and not progress(done, len(frames)):
            break
    persons, hand, detected, label = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("persons", "hand_px", "detected_px", "label_mm")
    )
    rows = [len(part.persons) for part in parts]
    return LabelledSample(
        frames=np.repeat(np.r_[0, frames[: len(parts) - 1]], rows),
        persons=persons,
        hand_px=hand,
        detected_px=detected,
        label_mm=label,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    persons: NDArray[np.int64]
    hand_px: Floats
    detected_px: Floats
    label_mm: Floats

    @classmethod
    def empty(cls, num_cameras: int, num_joints: int, persons: tuple[int, ...] = ()) -> _Part:
        points = (len(persons), num_cameras, num_joints, 2)
        return cls(
            np.array(persons, dtype=np.int64),
            np.full(points, np.nan),
            np.full(points, np.nan),
            np.full((len(persons), num_joints, 3), np.nan),
        )


def _read_frame(source: LabelledSource, frame: int) -> _Part:
    """Those of a frame of whom anything was labelled."""
    seen = source.observations_block(frame, frame + 1)
    labelled, label_mm = source.points3d(frame)
    is_hand = (seen.source[0] == Source.HAND) & observed_in(seen.points_px[0])
    placed = {seen.persons[row] for row in np.flatnonzero(is_hand.any(axis=(1, 2)))}
    persons = tuple(sorted(placed | set(labelled)))
    part = _Part.empty(len(source.rig), source.skeleton.num_joints, persons)
    part.detected_px[:] = detected_px(source, frame, frame + 1, persons)[0]
    for row, person in enumerate(persons):
        if person in placed:
            index = seen.persons.index(person)
            hand = np.where(is_hand[index][..., None], seen.points_px[0, index], np.nan)
            part.hand_px[row] = hand
        if person in labelled:
            part.label_mm[row] = label_mm[labelled.index(person)]
    return part
