"""A stand-in for a 2D pose detector: truth, spoiled in the ways detectors are wrong.

Errors grow where a joint is hidden, stay for some frames, jump to the same joint of whoever stands
in front, and swap left and right, most where a person is seen from behind or from the side. The
confidence knows about it, but not reliably: a joint taken from a neighbour looks fine. People are
missed, and things that are no people are found. Detections come without names, best first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.signal import lfilter
from scipy.special import ndtr

from core.formats.detections import CameraDetections
from core.synthetic.body import JOINT_NAMES
from core.synthetic.config import FIRST_FRAME_NUMBER
from core.synthetic.sight import Sight

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.synthetic.sight import ViewTruth

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

_SIGMA_PX = np.array([1.3, 3.4, 7.0, 6.0, 12.0])
_CONFIDENCE = np.array([0.92, 0.74, 0.56, 0.58, 0.20])
_UNSURE = np.array([0.05, 0.13, 0.19, 0.17, 0.10])
_CHUNK = 1024
_BODY_PX = 110.0
_ARMS = ((3, 4), (5, 6))
_LEGS = ((7, 8), (9, 10), (11, 12))


def _lasting(rng: np.random.Generator, shape: tuple[int, ...], memory: float) -> Floats:
    """Unit normal noise over axis 0 that forgets by 1 - memory a frame."""
    fresh = rng.standard_normal(shape)
    fresh[1:] *= np.sqrt(1 - memory**2)
    return np.asarray(lfilter([1.0], [1.0, -memory], fresh, axis=0))


def _happens(rng: np.random.Generator, chance: Floats, memory: float = 0.88) -> Bools:
    """Events of a chance, lasting for some frames."""
    return ndtr(_lasting(rng, chance.shape, memory)) < chance


def _extent(points: NDArray[np.float32]) -> Floats:
    """(F, N) diagonal of a person's joints, 0 where nothing has an image."""
    known = np.isfinite(points)
    high = np.where(known, points, -np.inf).max(axis=2)
    low = np.where(known, points, np.inf).min(axis=2)
    size = np.linalg.norm(np.where(high > low, high - low, 0), axis=-1)
    return np.asarray(size)


def _jumped(rng: np.random.Generator, truth: ViewTruth, extent: Floats) -> tuple[Floats, Bools]:
    """Points with some taken from a neighbour's same joint, and which ones."""
    points, num = truth.points_px.astype(np.float64), truth.points_px.shape[1]
    apart = np.linalg.norm(points[:, :, None] - points[:, None], axis=-1)
    apart[:, np.arange(num), np.arange(num)] = np.inf
    apart = np.where(np.isnan(apart), np.inf, apart)
    nearest = apart.argmin(axis=2)
    front = truth.hidden_by
    known_front = (front >= 0) & (front < num)
    other = np.where(known_front, front, nearest).astype(np.int64)
    distance = np.take_along_axis(apart, other[:, :, None], axis=2)[:, :, 0]
    reach = extent[..., None]
    chance = np.where(known_front & (distance < 0.6 * reach), 0.42, 0.0)
    chance = np.where((distance < 0.22 * reach) & (chance == 0), 0.05, chance)
    jumps = _happens(rng, chance)
    neighbour = np.take_along_axis(points, other[..., None], axis=1)
    return np.where(jumps[..., None], neighbour, points), jumps


def _swapped(rng: np.random.Generator, truth: ViewTruth, points: Floats, extent: Floats) -> Floats:
    """Left and right exchanged for whole arms or legs at times."""
    points = points.copy()
    behind = truth.sight[:, :, 0] == int(Sight.SELF)
    for pairs in (_ARMS, _LEGS):
        a, b = pairs[-1]
        close = np.linalg.norm(points[:, :, a] - points[:, :, b], axis=-1) < 0.12 * extent
        chance = 0.012 + 0.05 * behind + 0.07 * close
        swap = _happens(rng, chance, 0.8)[..., None]
        for left, right in pairs:
            was = points[:, :, left].copy()
            points[:, :, left] = np.where(swap, points[:, :, right], was)
            points[:, :, right] = np.where(swap, was, points[:, :, right])
    return points


def _found(rng: np.random.Generator, truth: ViewTruth, extent: Floats) -> Bools:
    """(F, N) who is detected at all."""
    inside = truth.sight != int(Sight.OUTSIDE)
    num_inside = inside.sum(axis=2)
    seen = truth.share.sum(axis=2) / np.maximum(num_inside, 1)
    chance = 0.012 + 0.85 * np.clip((0.45 - seen) / 0.45, 0, 1) ** 2
    chance = np.clip(chance + 0.35 * np.clip((45 - extent) / 30, 0, 1), 0, 1)
    return ~_happens(rng, chance, 0.75) & (num_inside >= 5)


def _confidence(rng: np.random.Generator, truth: ViewTruth, jumps: Bools, error: Floats) -> Floats:
    unsure = _UNSURE[truth.sight]
    steady = _lasting(rng, unsure.shape, 0.7)
    value = _CONFIDENCE[truth.sight] + unsure * (
        0.7 * steady + 0.7 * rng.standard_normal(unsure.shape)
    )
    # What was taken from a neighbour is a good joint, only somebody else's.
    taken = 0.80 + 0.10 * rng.standard_normal(unsure.shape)
    value = np.where(jumps & (truth.sight != int(Sight.OUTSIDE)), taken, value)
    return np.clip(value - 0.010 * np.minimum(error, 30) * ~jumps, 0.02, 0.99)


def _false_alarms(
    rng: np.random.Generator, points: Floats, found: Bools, size_px: tuple[int, int]
) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Frames (K,), points (K, 13, 2) and confidence (K, 13) of things that are no people."""
    frames = np.flatnonzero(rng.random(len(points)) < 0.03)
    frames = frames[found[frames].any(axis=1)]
    shapes = np.empty((len(frames), len(JOINT_NAMES), 2))
    for row, frame in enumerate(frames):
        model = points[frame, rng.choice(np.flatnonzero(found[frame]))]
        center = rng.uniform(0.08, 0.92, 2) * size_px
        turned = (model - model.mean(axis=0)) * rng.uniform(0.5, 1.1)
        shapes[row] = center + turned + rng.normal(0, 5, model.shape)
    return frames, shapes, rng.uniform(0.08, 0.5, shapes.shape[:2])


def _spoiled(
    rng: np.random.Generator, truth: ViewTruth, size_px: tuple[int, int]
) -> tuple[NDArray[np.int64], Floats, Floats]:
    extent = _extent(truth.points_px)
    points, jumps = _jumped(rng, truth, extent)
    points = _swapped(rng, truth, points, extent)
    sigma = _SIGMA_PX[truth.sight] * np.clip(extent / _BODY_PX, 0.5, 2.5)[..., None]
    drift = _lasting(rng, points.shape, 0.85)
    shake = rng.standard_t(4, points.shape)
    error = sigma[..., None] * (0.75 * drift + 0.45 * shake)
    points = points + error
    confidence = _confidence(rng, truth, jumps, np.linalg.norm(error, axis=-1))
    limit = np.array(size_px) - 1.0
    points = np.clip(points, 0, limit)
    found = _found(rng, truth, extent)
    frame_of, person_of = np.nonzero(found)
    extra = _false_alarms(rng, points, found & np.isfinite(points).all(axis=(2, 3)), size_px)
    return (
        np.concatenate([frame_of, extra[0]]),
        np.concatenate([points[frame_of, person_of], np.clip(extra[1], 0, limit)]),
        np.concatenate([confidence[frame_of, person_of], extra[2]]),
    )


def simulate_detector(
    truth: ViewTruth, *, camera: str, size_px: tuple[int, int], seed: list[int]
) -> CameraDetections:
    """A detector's output for one camera: 13 joints, unnamed, best first within a frame.

    Args:
        truth: what the camera sees.
        camera: its name.
        size_px: width and height; joints outside are put on the border, as networks do.
        seed: same seed, same detections.
    """
    parts: list[tuple[NDArray[np.int64], Floats, Floats]] = []
    for first in range(0, len(truth.points_px), _CHUNK):
        rng = np.random.default_rng([*seed, first])
        frames, points, confidence = _spoiled(
            rng, truth.part(slice(first, first + _CHUNK)), size_px
        )
        parts.append((frames + first, points, confidence))
    frames, points, confidence = (np.concatenate([part[i] for part in parts]) for i in range(3))
    confidence = np.where(np.isfinite(points).all(axis=-1), confidence, np.nan)
    known = np.nan_to_num(confidence)
    # AlphaPose's: the box's score, the mean over joints, and the best joint once more.
    score = 0.9 * known.max(axis=1, initial=0) + known.mean(axis=1) + 1.25 * known.max(axis=1)
    order = np.lexsort((-score, frames))
    return CameraDetections(
        camera=camera,
        joints=JOINT_NAMES,
        frames=frames[order].astype(np.int64),
        points_px=points[order].astype(np.float32),
        confidence=confidence[order].astype(np.float32),
        score=score[order].astype(np.float32),
        identity=np.full(len(order), -1, np.int32),
        hand=np.zeros(len(order), bool),
        first_number=FIRST_FRAME_NUMBER,
    )
