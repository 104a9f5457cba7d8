"""Recordings in memory, for the tests of diagnosis."""

from dataclasses import dataclass, field

import numpy as np

from core.geometry import Rig
from core.observations import FrameObservations, Source
from core.people import IdentifiedDetections
from core.skeleton import Skeleton


@dataclass(frozen=True)
class ArrayBlock:
    persons: tuple[int, ...]
    points_px: np.ndarray
    source: np.ndarray


@dataclass
class ArraySource:
    """Points (F, P, C, J, 2) as a recording; a block lists only who is seen in it."""

    rig: Rig
    points_px: np.ndarray
    persons: tuple[int, ...]
    hand: tuple[tuple[int, int], ...] = ()  # (frame, person row) labelled by hand
    muted: list[tuple[int, int, int, int]] = field(default_factory=list)  # F, P, C, J
    reads: list[tuple[int, int]] = field(default_factory=list)
    detected_px: np.ndarray | None = None  # beneath the labels; None = the same points
    label_mm: np.ndarray | None = None  # 3D labels (F, P, J, 3)
    skeleton: Skeleton = field(init=False)

    def __post_init__(self):
        joints = tuple(f"joint_{j}" for j in range(self.points_px.shape[3]))
        self.skeleton = Skeleton(name="test", joints=joints, bones=())

    @property
    def num_frames(self) -> int:
        return len(self.points_px)

    def muted_between(self, start: int, stop: int, persons: tuple[int, ...]) -> np.ndarray:
        rows = np.searchsorted(self.persons, persons)
        muted = np.zeros(self.points_px.shape[:-1], dtype=bool)
        for key in self.muted:
            muted[key] = True
        return muted[start:stop, rows]

    def labelled_frames(self) -> np.ndarray:
        return np.unique(np.array([frame for frame, _ in self.hand], dtype=np.int64))

    def observations_block(self, start: int, stop: int) -> ArrayBlock:
        self.reads.append((start, stop))
        points = self.points_px[start:stop]
        seen = np.isfinite(points).all(-1)
        source = np.where(seen, Source.NETWORK, Source.NONE).astype(np.uint8)
        for frame, row in self.hand:
            if start <= frame < stop:
                source[frame - start, row][seen[frame - start, row]] = Source.HAND
        there = seen.any(axis=(0, 2, 3))
        persons = tuple(np.array(self.persons)[there].tolist())
        return ArrayBlock(persons, points[:, there], source[:, there])

    def identified(self, start: int, stop: int) -> list[IdentifiedDetections]:
        points = self.points_px if self.detected_px is None else self.detected_px
        frame, row, camera = np.nonzero(np.isfinite(points).all(-1).any(-1)[start:stop])
        order = np.lexsort((row, camera, frame))
        frame, row, camera = frame[order] + start, row[order], camera[order]
        rows = points[frame, row, camera]
        return [
            IdentifiedDetections(
                frame=frame.astype(np.int32),
                camera=camera.astype(np.int16),
                person=np.array(self.persons, dtype=np.int32)[row],
                points_px=rows.astype(np.float32),
                confidence=np.ones(rows.shape[:2], np.float32),
                score=np.ones(len(rows), np.float32),
                is_hand=np.zeros(len(rows), np.bool_),
            )
        ]

    def points3d(self, frame: int) -> tuple[tuple[int, ...], np.ndarray]:
        if self.label_mm is None:
            return (), np.zeros((0, self.skeleton.num_joints, 3))
        there = np.flatnonzero(np.isfinite(self.label_mm[frame]).any(axis=(1, 2)))
        return tuple(np.array(self.persons)[there].tolist()), self.label_mm[frame, there]


def frame_of(points_px: np.ndarray, persons=None, frame=0) -> FrameObservations:
    """Points (P, C, J, 2) as the observations of a frame."""
    size = points_px.shape[:3]
    return FrameObservations(
        frame=frame,
        persons=tuple(range(size[0])) if persons is None else persons,
        points_px=points_px,
        confidence=np.ones(size, dtype=np.float32),
        source=np.ones(size, dtype=np.uint8),
        boxes_px=np.full((*size[:2], 4), np.nan),
        ground_mm=np.full((size[0], 3), np.nan),
    )


def people(num_frames: int, num_people: int, num_joints: int = 13, seed: int = 0) -> np.ndarray:
    """World points (F, P, J, 3) of bodies on a court."""
    rng = np.random.default_rng(seed)
    places = rng.uniform([-6000, -3500, 900], [6000, 3500, 1000], (num_frames, num_people, 1, 3))
    return places + rng.normal(0, 350, (num_frames, num_people, num_joints, 3))


def observed(rig: Rig, points_mm: np.ndarray, noise_px=0.0, missing=0.0, seed=0) -> np.ndarray:
    """Raw pixels (..., C, J, 2) with noise and gaps."""
    rng = np.random.default_rng(seed)
    points = rig.project(points_mm)
    points = points + rng.normal(0, noise_px, points.shape)
    points[rng.random(points.shape[:-1]) < missing] = np.nan
    return points
