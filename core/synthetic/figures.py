"""People as solids: which limb runs between which points, how thick, and with which surface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.synthetic.body import Builds, Point, draw_builds, pose
from core.synthetic.motion import Motion, simulate
from core.synthetic.solids import Solids, cones, joined
from core.synthetic.wardrobe import COLS, PATCHES, ROWS, Look, draw_kits, draw_own_kit, dress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.synthetic.body import Bodies
    from core.synthetic.config import SynthConfig

    Floats = NDArray[np.float64]

SOLIDS_PER_PERSON = 24
BALL_RADIUS_M = 0.122
SHUTTER_S = 0.006
# Share of people at a practice in a shirt of their own; the others wear numbers, by which front
# and back can be told from afar, and so left and right.
_NO_NUMBER = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Everyone at a match, how they look and move; N people, tracked ones first.

    Attributes:
        config: what it was made from.
        motion: all frames.
        builds: bodies.
        looks: N appearances.
        atlas: all textures in one, the ball's last.
    """

    config: SynthConfig
    motion: Motion
    builds: Builds
    looks: tuple[Look, ...]
    atlas: NDArray[np.uint8]

    def bodies(self, frames: Floats) -> Bodies:
        """Posed bodies at fractional frames (T,)."""
        return pose(self.motion.at(frames), self.builds)


def make_cast(config: SynthConfig) -> Cast:
    """Simulate and dress everyone of a config."""
    motion = simulate(config)
    rng = np.random.default_rng([config.seed, 3])
    builds = draw_builds(motion.roles, rng)
    numbers = rng.permutation(np.arange(4, 60))
    if config.setting == "practice":
        looks = tuple(
            dress(role, draw_own_kit(rng), None if rng.random() < _NO_NUMBER else int(number), rng)
            for role, number in zip(motion.roles, numbers, strict=False)
        )
    else:
        kits = draw_kits(rng)
        looks = tuple(
            dress(role, kits[role], int(number), rng)
            for role, number in zip(motion.roles, numbers, strict=False)
        )
    ball = np.empty((12, COLS, 3), np.uint8)
    ball[:] = (44, 92, 168)
    ball[:, :: COLS // 4] = ball[6] = (30, 40, 60)
    atlas = np.concatenate([*(look.texture for look in looks), ball])
    return Cast(config=config, motion=motion, builds=builds, looks=looks, atlas=atlas)


def _patch(name: str, person: int) -> tuple[int, int, int, int]:
    row, col, rows, cols = PATCHES[name]
    return person * ROWS + row, col, rows, cols


class _Tailor:
    """Collects the solids of all people, part by part, each part an array over people."""

    def __init__(self, cast: Cast, bodies: Bodies) -> None:
        self.bodies = bodies
        self.scale = cast.builds.height / 1.80
        self.thick = self.scale * cast.builds.girth
        self.starts: list[Floats] = []
        self.ends: list[Floats] = []
        self.fronts: list[Floats] = []
        self.radii: list[Floats] = []
        self.squash: list[float] = []
        self.names: list[str] = []

    def point(self, which: int) -> Floats:
        return self.bodies.points_m[:, :, which]

    def add(
        self,
        name: str,
        start: Floats,
        end: Floats,
        radii: tuple[float | Floats, float | Floats],
        front: Floats,
        squash: float = 1.0,
    ) -> None:
        self.names.append(name)
        self.starts.append(start)
        self.ends.append(end)
        self.fronts.append(front)
        self.radii.append(np.stack([radii[0] * self.thick, radii[1] * self.thick], axis=-1))
        self.squash.append(squash)

    def finished(self) -> Solids:
        """People in order, the parts of each together."""

        def flat(parts: list[Floats]) -> Floats:
            stacked = np.stack(parts, axis=2)
            return stacked.reshape(stacked.shape[0], -1, 3)

        num = len(self.scale)
        patches = [_patch(name, person) for person in range(num) for name in self.names]
        return cones(
            flat(self.starts),
            flat(self.ends),
            np.stack(self.radii, axis=1).reshape(-1, 2),
            flat(self.fronts),
            np.tile(self.squash, num),
            np.array(patches, np.int64),
        )


def _trunk_and_head(tailor: _Tailor, cast: Cast) -> None:
    bodies, scale = tailor.bodies, tailor.scale[:, None]
    hips, spine, chest = (
        tailor.point(Point.PELVIS),
        tailor.point(Point.SPINE),
        tailor.point(Point.CHEST),
    )
    ahead, up = bodies.chest[..., 1, :], bodies.chest[..., 2, :]
    waist = hips + 0.55 * (spine - hips)
    tailor.add("torso", waist, chest - 0.125 * scale * up, (0.142, 0.170), ahead, 1.48)
    low = hips - 0.01 * scale * bodies.pelvis[..., 2, :]
    top = hips + 0.75 * (spine - hips)
    tailor.add("pelvis", low, top, (0.146, 0.140), bodies.pelvis[..., 1, :], 1.42)
    head, ahead, up = tailor.point(Point.HEAD), bodies.head[..., 1, :], bodies.head[..., 2, :]
    tailor.add("skin", chest, head, (0.060, 0.054), ahead)
    crown = head + 0.050 * scale * up
    tailor.add("head", head - 0.055 * scale * up, crown, (0.066, 0.079), ahead, 0.82)
    tail = np.array([0.034 if look.long_hair else 0.012 for look in cast.looks])
    root = head + scale * (0.030 * up - 0.085 * ahead)
    hang = scale * (0.15 * up + 0.045 * ahead) * (tail > 0.02)[:, None]
    tailor.add("hair", root, root - hang - 0.01 * up, (tail, 0.7 * tail), ahead)
    tailor.add("skin", head, tailor.point(Point.NOSE), (0.016, 0.013), up)


def _limbs(tailor: _Tailor, cast: Cast, side: int) -> None:
    bodies = tailor.bodies
    loose = np.array([look.loose for look in cast.looks])
    sleeves = np.array([look.sleeves for look in cast.looks])
    hip, knee, ankle = (
        tailor.point(p + side) for p in (Point.LEFT_HIP, Point.LEFT_KNEE, Point.LEFT_ANKLE)
    )
    ahead = bodies.pelvis[..., 1, :]
    tailor.add("shorts", hip, hip + 0.72 * (knee - hip), (0.090, 0.074 * loose), ahead)
    tailor.add("thigh", hip, knee, (0.084, 0.056), ahead)
    tailor.add("shin", knee, ankle, (0.055, 0.038), ahead, 0.95)
    heel, toe = tailor.point(Point.LEFT_HEEL + side), tailor.point(Point.LEFT_TOE + side)
    tailor.add("shoe", heel, toe, (0.042, 0.036), ankle - heel, 0.9)
    shoulder, elbow, wrist = (
        tailor.point(p + side) for p in (Point.LEFT_SHOULDER, Point.LEFT_ELBOW, Point.LEFT_WRIST)
    )
    ahead = bodies.chest[..., 1, :] + 0.05 * bodies.chest[..., 0, :]
    base = tailor.point(Point.CHEST) + 0.012 * tailor.scale[:, None] * bodies.chest[..., 2, :]
    tailor.add("shoulder", base, shoulder, (0.062, 0.052), ahead)
    tailor.add("upper_arm", shoulder, elbow, (0.050, 0.040), ahead)
    cuff = shoulder + 0.55 * (elbow - shoulder)
    tailor.add("sleeve", shoulder, cuff, (0.060 * sleeves, 0.057 * sleeves), ahead)
    tailor.add("forearm", elbow, wrist, (0.040, 0.028), ahead)
    tailor.add("skin", wrist, tailor.point(Point.LEFT_HAND + side), (0.030, 0.022), ahead, 1.3)


def figure_solids(cast: Cast, bodies: Bodies) -> Solids:
    """(T, N * SOLIDS_PER_PERSON) solids of all people."""
    tailor = _Tailor(cast, bodies)
    _trunk_and_head(tailor, cast)
    for side in (0, 1):
        _limbs(tailor, cast, side)
    assert len(tailor.names) == SOLIDS_PER_PERSON
    return tailor.finished()


def ball_solid(cast: Cast, motion: Motion, bodies: Bodies) -> Solids:
    """(T, 1) the ball: dribbled by who has it, or in flight to who catches it."""
    times = np.arange(len(motion.time_s))
    hand = bodies.points_m[times, motion.holder, Point.RIGHT_HAND]
    bounce = np.abs(np.cos(np.pi * 1.8 * motion.time_s - 0.4))
    held = hand + 0.08 * bodies.pelvis[times, motion.holder, 1]
    held[:, 2] = BALL_RADIUS_M + (np.maximum(hand[:, 2], 0.5) - BALL_RADIUS_M - 0.05) * bounce
    goal = bodies.points_m[times, motion.catcher, Point.CHEST]
    goal = goal + 0.35 * bodies.chest[times, motion.catcher, 1]
    share = motion.flight[:, None]
    center = (1 - share) * held + share * goal
    center[:, 2] += 0.5 * np.sin(np.pi * motion.flight)
    up = np.array([0.0, 0.0, 0.002])
    row = len(cast.looks) * ROWS
    return cones(
        center[:, None] - up,
        center[:, None] + up,
        np.full((1, 2), BALL_RADIUS_M),
        np.broadcast_to([1.0, 0.0, 0.0], (len(times), 1, 3)),
        np.ones(1),
        np.array([[row, 0, 12, COLS]], np.int64),
    )


def frame_solids(cast: Cast, frames: Floats) -> tuple[Solids, Bodies]:
    """People and, last, the ball, at fractional frames (T,); and the bodies."""
    motion = cast.motion.at(frames)
    bodies = pose(motion, cast.builds)
    return joined([figure_solids(cast, bodies), ball_solid(cast, motion, bodies)]), bodies
