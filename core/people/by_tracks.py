"""Whose a detection is, where ground tracks say who stands where.

First every detection is compared with the upright bodies at the tracked places; then, since people
who overlap in one view are apart in others, the people are intersected from all views and every
detection is compared with them again. The worst place for the first step is a crowd seen from low
down; the second one is what tells them apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.people.cylinder import cylinder_boxes
from core.people.rays import CAP, intersect, misfits, ray_bundles
from core.skeleton import plain_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from core.geometry import Rig
    from core.people.tracks import GroundTracks

    Floats = NDArray[np.float64]
    Ints = NDArray[np.intp]

BODY_MM = 1800.0
GATE_MM = 1000.0  # a player who leans or reaches is this far from the track at most
FIT_GATE = 0.2  # sizes, against the intersected person
_FAR = 1e6

# Heights of a standing body's levels, by joint name, in shares of its height.
_LEVELS: dict[float, tuple[str, ...]] = {
    0.05: ("left_ankle", "right_ankle"),
    0.28: ("left_knee", "right_knee"),
    0.52: ("left_hip", "right_hip", "pelvis", "mid_hip"),
    0.81: ("left_shoulder", "right_shoulder", "neck"),
    0.92: ("nose", "left_eye", "right_eye", "left_ear", "right_ear", "head"),
}
_UNNAMED = (0.0, 0.5, 1.0)  # bottom, middle and top of the detection's box


class TrackMatcher:
    """Matches chunks of frames; made once for a recording."""

    def __init__(self, rig: Rig, tracks: GroundTracks, joints: Sequence[str] | None) -> None:
        self.rig, self.tracks = rig, tracks
        names = [plain_name(name) for name in joints or ()]
        groups = {
            share: [names.index(name) for name in level if name in names]
            for share, level in _LEVELS.items()
        }
        self.groups = {share: found for share, found in groups.items() if found}
        shares = list(self.groups) or list(_UNNAMED)
        self.levels_mm = np.zeros((len(shares), 3))
        self.levels_mm[:, 2] = BODY_MM * np.asarray(shares)

    def match(
        self,
        frame: NDArray[np.integer],
        camera: NDArray[np.integer],
        points_px: NDArray[np.floating],
        confidence: NDArray[np.floating],
    ) -> NDArray[np.int32]:
        """Person ids of N detections, sorted by frame, then camera; -1 = nobody's.

        Args:
            frame: (N,) consecutive frames of the recording.
            camera: (N,) index into the rig.
            points_px: (N, J, 2) raw pixels.
            confidence: (N, J).
        """
        nobody = np.full(len(frame), -1, dtype=np.int32)
        if not len(frame):
            return nobody
        track_rows = self.tracks.rows(int(frame[0]), int(frame[-1]) + 1)
        track_frames = self.tracks.row_frames[track_rows]
        if not len(track_frames):
            return nobody
        ids = self.tracks.row_persons[track_rows]
        ground = np.zeros((len(ids), 3))
        ground[:, :2] = self.tracks.row_ground_mm[track_rows]
        rows, people = _pairs(frame, track_frames)
        groups = _groups(frame, camera)
        far_mm = self._standing_distance(ground, camera, points_px, rows, people)
        first = _assign(groups, rows, people, far_mm, GATE_MM, len(frame))
        if len(self.rig) > 1 and points_px.shape[1] >= 3:
            fit = self._fit(first, camera, points_px, confidence, len(ids), rows, people)
            first = _assign(groups, rows, people, _combined(fit, far_mm), 1.0, len(frame))
        return np.where(first >= 0, ids[first], -1).astype(np.int32)

    def _standing_distance(
        self,
        ground_mm: Floats,
        camera: NDArray[np.integer],
        points_px: NDArray[np.floating],
        rows: Ints,
        people: Ints,
    ) -> Floats:
        """(K,) mm between detection and upright body, plus what sticks out of its cylinder."""
        body_px = self.rig.project(ground_mm[:, None] + self.levels_mm)  # (T, C, L, 2)
        anchors = self._anchors(points_px)
        middle = ground_mm + np.array([0, 0, BODY_MM / 2])
        px_per_mm = np.stack([c.K[1, 1] / np.abs(c.depth_mm(middle)) for c in self.rig], axis=1)
        views = camera[rows]
        offset = np.linalg.norm(anchors[rows] - body_px[people, views], axis=-1)
        offset_mm = offset / px_per_mm[people, views][:, None]
        known = np.isfinite(offset_mm)
        mean = np.where(known, np.minimum(offset_mm, 2 * GATE_MM), 0).sum(axis=1)
        mean = mean / np.maximum(known.sum(axis=1), 1)
        boxes = cylinder_boxes(ground_mm, self.rig, BODY_MM, num_angles=8)[people, views]
        low, high = boxes[:, None, :2], boxes[:, None, 2:]
        joints = points_px[rows]
        inside = ((joints >= low) & (joints <= high)).all(axis=-1).sum(axis=1)
        present = np.isfinite(joints[..., 0]).sum(axis=1)
        outside = 1 - inside / np.maximum(present, 1)
        return np.where(known.any(axis=1) & (outside < 0.7), mean + 500 * outside, _FAR)

    def _anchors(self, points_px: NDArray[np.floating]) -> Floats:
        """(N, L, 2) where each level of the body is in the detection; NaN = not seen."""
        points = points_px.astype(np.float64)
        if self.groups:
            return np.stack([_mean(points[:, found]) for found in self.groups.values()], axis=1)
        known = np.isfinite(points)
        low = np.where(known, points, np.inf).min(axis=1)
        high = np.where(known, points, -np.inf).max(axis=1)
        x = (low[:, 0] + high[:, 0]) / 2
        box = np.stack([high[:, 1], (low[:, 1] + high[:, 1]) / 2, low[:, 1]], axis=1)
        return np.stack([np.broadcast_to(x[:, None], box.shape), box], axis=-1)

    def _fit(
        self,
        owner: Ints,
        camera: NDArray[np.integer],
        points_px: NDArray[np.floating],
        confidence: NDArray[np.floating],
        num_people: int,
        rows: Ints,
        people: Ints,
    ) -> Floats:
        """(K,) misfit of detections against people intersected from their first owners."""
        bundles = ray_bundles(self.rig, camera, points_px, confidence)
        num_joints = points_px.shape[1]
        owned = np.flatnonzero(owner >= 0)
        shape = (num_people, len(self.rig))
        directions = np.zeros((*shape, num_joints, 3))
        weights = np.zeros((*shape, num_joints))
        directions[owner[owned], camera[owned]] = bundles.directions[owned]
        weights[owner[owned], camera[owned]] = bundles.weights[owned]
        centers = np.stack([c.center_mm for c in self.rig])
        points = intersect(np.broadcast_to(centers, (*shape, 3)), directions, weights)
        return misfits(points, bundles, people, rows)


def _combined(fit: Floats, far_mm: Floats) -> Floats:
    """One cost from the misfit and the distance, 1 = the gate; a person in one view has no fit."""
    alone = np.isinf(fit)
    close = far_mm / GATE_MM
    both = 0.75 * np.minimum(fit, CAP) / FIT_GATE + 0.25 * close
    return np.where(far_mm >= _FAR, _FAR, np.where(alone, 0.5 + 0.5 * close, both))


def _mean(points: Floats) -> Floats:
    known = np.isfinite(points)
    count = known.sum(axis=1)
    total = np.where(known, points, 0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _pairs(frame: NDArray[np.integer], track_frames: NDArray[np.integer]) -> tuple[Ints, Ints]:
    """All (detection, track row) of the same frame, detection by detection."""
    start = np.searchsorted(track_frames, frame)
    count = np.searchsorted(track_frames, frame, side="right") - start
    rows = np.repeat(np.arange(len(frame)), count)
    offset = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
    return rows, start[rows] + offset


def _groups(frame: NDArray[np.integer], camera: NDArray[np.integer]) -> Ints:
    """(G + 1,) where each view's detections begin."""
    change = (np.diff(frame) != 0) | (np.diff(camera) != 0)
    return np.concatenate([[0], np.flatnonzero(change) + 1, [len(frame)]])


def _assign(groups: Ints, rows: Ints, people: Ints, cost: Floats, gate: float, count: int) -> Ints:
    """(N,) track row of each detection, at most one per view and person; -1 = none."""
    # Here: SciPy takes a quarter of a second to load, and the window seldom needs it.
    from scipy.optimize import linear_sum_assignment

    owner = np.full(count, -1, dtype=np.intp)
    cost = np.where(cost <= gate, cost - gate, 0.0)  # nobody's is as good as the gate
    start = np.searchsorted(rows, groups)
    for g in range(len(groups) - 1):
        low, high = start[g], start[g + 1]
        if low == high or not cost[low:high].any():
            continue
        first, num = groups[g], groups[g + 1] - groups[g]
        table = cost[low:high].reshape(num, -1)
        i, j = linear_sum_assignment(table)
        taken = table[i, j] < 0
        owner[first + i[taken]] = people[low + j[taken]]
    return owner
