"""From where people are to how they hold themselves: gait, lean, arms, and the 3D joints.

Legs follow the feet: each foot stands on the floor for its share of the gait cycle and is swung
forward in the rest, the knee is solved from both ends (bone lengths never change). Arms are angles,
blended between swinging, guarding, dribbling, calling and resting. Metres, world frame.
Trap: every function here is a pure function of time, so that the pose between two frames (for
motion blur) and the pose of a frame come from the same lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from core.synthetic.motion import Role, stride_frequency

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.synthetic.motion import Motion

    Floats = NDArray[np.float64]


class Point(IntEnum):
    """Named points of a body; sides: left first."""

    PELVIS = 0
    SPINE = 1
    CHEST = 2
    NECK = 3
    HEAD = 4
    NOSE = 5
    LEFT_SHOULDER = 6
    RIGHT_SHOULDER = 7
    LEFT_ELBOW = 8
    RIGHT_ELBOW = 9
    LEFT_WRIST = 10
    RIGHT_WRIST = 11
    LEFT_HIP = 12
    RIGHT_HIP = 13
    LEFT_KNEE = 14
    RIGHT_KNEE = 15
    LEFT_ANKLE = 16
    RIGHT_ANKLE = 17
    LEFT_HAND = 18
    RIGHT_HAND = 19
    LEFT_HEEL = 20
    RIGHT_HEEL = 21
    LEFT_TOE = 22
    RIGHT_TOE = 23


JOINT_NAMES = (
    "nose", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist",
    "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
"""SportCenter's 13 joints, in its order."""

JOINT_POINTS = tuple(Point[name.upper()] for name in JOINT_NAMES)
RIGID_BONES = ((1, 2), (1, 3), (3, 5), (2, 4), (4, 6), (7, 8), (7, 9), (9, 11), (8, 10), (10, 12))
"""Pairs of joints whose distance is constant for a person: limbs, shoulder and hip widths."""

_SIDES = ((0, 1.0), (1, -1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Builds:
    """Bodies of N people; arrays (N,), metres.

    Attributes:
        height: from sole to crown.
        girth: factor on every thickness, about 1.
        shoulder: half the distance of the shoulder joints.
        hip: half the distance of the hip joints.
        upper_arm: shoulder to elbow.
        forearm: elbow to wrist.
        thigh: hip to knee.
        shin: knee to ankle.
        habit: (N, 8) 0 to 1, personal differences of movement.
    """

    height: Floats
    girth: Floats
    shoulder: Floats
    hip: Floats
    upper_arm: Floats
    forearm: Floats
    thigh: Floats
    shin: Floats
    habit: Floats


def draw_builds(roles: tuple[Role, ...], rng: np.random.Generator) -> Builds:
    """Random bodies with human proportions (Winter, Biomechanics, table 4.1, ± a few per cent)."""
    num = len(roles)
    player = np.array([role <= Role.GUEST for role in roles])
    height = np.where(player, rng.normal(1.86, 0.075, num), rng.normal(1.77, 0.06, num))
    height = np.clip(height, 1.64, 2.05)

    def part(share: float) -> Floats:
        return height * share * rng.normal(1, 0.025, num)

    return Builds(
        height=height,
        girth=np.clip(rng.normal(1.0, 0.07, num), 0.86, 1.18),
        shoulder=part(0.103),
        hip=part(0.052),
        upper_arm=part(0.172),
        forearm=part(0.147),
        thigh=part(0.245),
        shin=part(0.243),
        habit=rng.random((num, 8)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bodies:
    """Posed bodies.

    Attributes:
        points_m: (T, N, 24, 3) named points, see `Point`.
        pelvis: (T, N, 3, 3) rows left, forward, up.
        chest: likewise.
        head: likewise.
    """

    points_m: Floats
    pelvis: Floats
    chest: Floats
    head: Floats

    @property
    def joints_mm(self) -> Floats:
        """(T, N, 13, 3) SportCenter's joints, millimetres."""
        return 1000.0 * self.points_m[:, :, list(JOINT_POINTS)]


def _smooth(x: Floats) -> Floats:
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def _unit(vectors: Floats) -> Floats:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def _across(vectors: Floats, axis: Floats) -> Floats:
    """The part of `vectors` that is perpendicular to the unit vectors `axis`, as unit vectors."""
    return _unit(vectors - (vectors * axis).sum(-1, keepdims=True) * axis)


def _lift(flat: Floats, z: float = 0.0) -> Floats:
    """(…, 2) to (…, 3)."""
    return np.concatenate([flat, np.full((*flat.shape[:-1], 1), z)], axis=-1)


def _turned(forward: Floats, angle: Floats) -> Floats:
    """Flat unit vectors (…, 3) turned about z."""
    cos, sin = np.cos(angle)[..., None], np.sin(angle)[..., None]
    x, y, z = forward[..., :1], forward[..., 1:2], forward[..., 2:]
    return np.concatenate([cos * x - sin * y, sin * x + cos * y, z], axis=-1)


def _frame(forward: Floats, up: Floats) -> Floats:
    """(…, 3, 3) rows left, forward, up; exact in up."""
    ahead = _across(forward, up)
    return np.stack([np.cross(up, ahead), ahead, up], axis=-2)


class _Moves:
    """Quantities of one call that several parts of the body share, all (T, N) or (T, N, 3)."""

    def __init__(self, motion: Motion, builds: Builds) -> None:
        self.motion, self.builds = motion, builds
        self.speed = np.linalg.norm(motion.velocity, axis=-1)
        self.moving = _smooth(self.speed / 0.7)
        self.running = _smooth((self.speed - 1.7) / 1.9)
        self.forward = _lift(motion.facing)
        self.course = np.where(
            self.speed[..., None] > 1e-3, _lift(_unit(motion.velocity)), self.forward
        )
        self.ground = _lift(motion.ground_m)
        people = np.arange(len(motion.roles))
        throws = np.where(motion.flight > 0, 1 - _smooth(3 * motion.flight), 1.0)[:, None]
        catches = _smooth(2 * motion.flight - 1)[:, None]
        self.ball = throws * (people == motion.holder[:, None])
        self.ball = self.ball + catches * (people == motion.catcher[:, None])
        self.guard = motion.guard
        self.crouch = 0.085 * self.guard + 0.045 * self.ball + 0.03 * self.running

    def slow(self, habit: int, period_s: float) -> Floats:
        """(T, N) a personal oscillation between -1 and 1."""
        own = self.builds.habit[:, habit]
        turn = 2 * np.pi * (self.motion.time_s[:, None] / (period_s * (0.7 + 0.6 * own)) + 7 * own)
        return 0.7 * np.sin(turn) + 0.3 * np.sin(2.3 * turn + 5 * own)


def _foot(moves: _Moves, side: int, sign: float) -> tuple[Floats, Floats]:
    """Wanted ankle (T, N, 3) and the heel's rise (T, N) in 0..1 of one foot."""
    builds, motion = moves.builds, moves.motion
    phase = np.mod(motion.phase + 0.5 * side, 1.0)
    stance = 0.62 - 0.29 * moves.running
    stride = moves.speed / np.maximum(stride_frequency(moves.speed), 0.1)
    reach = np.minimum(0.5 * stride * stance, 0.30 * builds.height)
    down, up = phase / stance, (phase - stance) / (1 - stance)
    standing = phase < stance
    along = reach * np.where(standing, 1 - 2 * down, 2 * _smooth(up) - 1)
    rise = np.where(standing, _smooth((down - 0.55) / 0.45), 1 - _smooth(up / 0.8)) * moves.moving
    clear = (0.05 + 0.20 * moves.running) * np.sin(np.pi * np.clip(up, 0, 1))
    lift = np.where(standing, 0, clear) * moves.moving + (0.07 + 0.12 * moves.running) * rise
    left = np.stack([-moves.forward[..., 1], moves.forward[..., 0], 0 * moves.speed], axis=-1)
    wide = builds.hip * (1.0 - 0.5 * moves.running) + 0.16 * moves.guard + 0.03
    stagger = 0.12 * (moves.builds.habit[:, 2] - 0.5) * (1 - moves.moving) + 0.08 * moves.guard
    foot = moves.ground + moves.course * along[..., None]
    foot = foot + sign * (left * wide[..., None] + moves.forward * stagger[..., None])
    foot[..., 2] = 0.045 * builds.height + lift
    return foot, rise


def _pelvis(moves: _Moves, ankles: list[Floats]) -> tuple[Floats, Floats]:
    """(T, N, 3) centre and (T, N, 3, 3) frame of the pelvis, low enough for both feet to reach."""
    builds, phase = moves.builds, moves.motion.phase
    twist = 0.13 * moves.moving * np.cos(2 * np.pi * phase)
    tilt = 0.15 * moves.guard + 0.04 * moves.running
    up = _unit(np.array([0.0, 0.0, 1.0]) + tilt[..., None] * moves.forward)
    frame = _frame(_turned(moves.forward, -twist), up)
    leg = builds.thigh + builds.shin
    bob = 0.022 * builds.height * moves.running * np.cos(4 * np.pi * phase + 1.0)
    height = 0.045 * builds.height + leg * (0.985 - moves.crouch) + bob
    sway = 0.02 * np.sin(2 * np.pi * phase) * moves.moving
    center = moves.ground + frame[..., 0, :] * sway[..., None]
    for (_, sign), ankle in zip(_SIDES, ankles, strict=True):
        hip = center + sign * builds.hip[:, None] * frame[..., 0, :]
        flat = np.linalg.norm((ankle - hip)[..., :2], axis=-1)
        # The trailing foot leaves the floor rather than pull the body down all the way.
        top = ankle[..., 2] + np.sqrt(np.maximum((0.985 * leg) ** 2 - flat**2, (0.72 * leg) ** 2))
        height = -0.03 * np.logaddexp(-height / 0.03, -top / 0.03)
    center[..., 2] = height
    return center, frame


def _leg(
    hip: Floats, ankle: Floats, ahead: Floats, thigh: Floats, shin: Floats
) -> tuple[Floats, Floats]:
    """Knee and ankle (…, 3): two bones from hip towards the wanted ankle, the knee ahead."""
    toward = ankle - hip
    distance = np.linalg.norm(toward, axis=-1)
    axis = toward / np.maximum(distance, 1e-6)[..., None]
    distance = np.clip(distance, np.abs(thigh - shin) + 0.05, 0.998 * (thigh + shin))
    along = (thigh**2 - shin**2 + distance**2) / (2 * distance)
    out = np.sqrt(np.maximum(thigh**2 - along**2, 0))
    knee = hip + axis * along[..., None] + _across(ahead, axis) * out[..., None]
    return knee, hip + axis * distance[..., None]


def _arm_angles(moves: _Moves, side: int, sign: float) -> Floats:
    """(T, N, 4) flexion, abduction, elbow and inward bend of one arm, radians."""
    swing = -sign * np.cos(2 * np.pi * moves.motion.phase)
    amplitude = 0.06 + 0.30 * moves.moving + 0.45 * moves.running
    elbow = 0.22 + 0.20 * moves.moving + 1.05 * moves.running
    zero = 0 * swing
    angles = np.stack(
        [amplitude * swing + 0.05, 0.14 + 0.06 * moves.running, elbow + 0.25 * swing, zero + 0.1],
        axis=-1,
    )
    rest = (1 - moves.moving) * _smooth(2.2 * moves.slow(3, 9.0) - 0.6)
    angles = _towards(angles, rest, [-0.35, 0.75, 1.75, 1.1])
    quick = moves.slow(4 + side, 1.9)
    raised = _smooth(2 * moves.slow(6 - 2 * side, 4.3))
    wide = np.stack([0.55 + 0.3 * quick, 1.05 + zero, 0.55 - 0.2 * quick, 0.25 + zero], axis=-1)
    high = np.stack([2.35 + 0.3 * quick, 0.35 + zero, 0.45 + zero, 0.1 + zero], axis=-1)
    angles = _towards(angles, moves.guard * (1 - raised), wide)
    angles = _towards(angles, moves.guard * raised, high)
    attacker = np.array([role <= Role.GUEST for role in moves.motion.roles])
    call = (
        attacker * (1 - moves.guard) * (1 - moves.running) * _smooth(3 * moves.slow(5, 6.0) - 1.4)
    )
    angles = _towards(angles, call, [1.25, 0.15, 0.9, 0.35])
    pointing = np.array([role == Role.REFEREE for role in moves.motion.roles])
    arm_out = pointing * _smooth(4 * moves.slow(7 - side, 5.0) - 2.2)
    angles = _towards(angles, arm_out, [0.8 + 1.5 * side, 1.1 - 0.8 * side, 0.15, 0.0])
    bounce = 0.28 * np.sin(2 * np.pi * 1.8 * moves.motion.time_s)[:, None] + zero
    dribble = np.stack([0.55 + bounce, 0.30 + zero, 1.05 - bounce, 0.2 + zero], axis=-1)
    if side == 0:
        dribble = np.stack([0.35 + zero, 0.55 + zero, 0.9 + zero, 0.2 + zero], axis=-1)
    return _towards(angles, moves.ball, dribble)


def _towards(angles: Floats, weight: Floats, goal: Floats | list[float]) -> Floats:
    return angles + weight[..., None] * (np.asarray(goal) - angles)


def _arm(
    shoulder: Floats, frame: Floats, angles: Floats, sign: float, lengths: tuple[Floats, Floats]
) -> tuple[Floats, Floats, Floats]:
    """Elbow, wrist and finger tips (T, N, 3)."""
    side, ahead, up = sign * frame[..., 0, :], frame[..., 1, :], frame[..., 2, :]
    flexion, abduction, bend, inward = (angles[..., i, None] for i in range(4))
    plane = np.sin(flexion) * ahead - np.cos(flexion) * up
    upper = np.cos(abduction) * plane + np.sin(abduction) * side
    turn = np.cos(flexion) * ahead + np.sin(flexion) * up - inward * side
    fore = np.cos(bend) * upper + np.sin(bend) * _across(turn, upper)
    elbow = shoulder + lengths[0][:, None] * upper
    wrist = elbow + lengths[1][:, None] * fore
    return elbow, wrist, wrist + 0.62 * lengths[1][:, None] * fore


def pose(motion: Motion, builds: Builds) -> Bodies:
    """Bodies of N people at T instants; a pure function of the motion's state."""
    moves = _Moves(motion, builds)
    points = np.empty((*moves.speed.shape, len(Point), 3))
    feet = [_foot(moves, side, sign) for side, sign in _SIDES]
    center, pelvis = _pelvis(moves, [ankle for ankle, _ in feet])
    chest = _trunk(moves, center, pelvis, points)
    head = _head(moves, chest, points)
    for side, sign in _SIDES:
        _pose_leg(moves, side, pelvis, feet[side], points)
        shoulder = points[:, :, Point.CHEST] + sign * builds.shoulder[:, None] * chest[..., 0, :]
        angles = _arm_angles(moves, side, sign)
        limbs = _arm(shoulder, chest, angles, sign, (builds.upper_arm, builds.forearm))
        points[:, :, Point.LEFT_SHOULDER + side] = shoulder
        for first, place in zip(
            (Point.LEFT_ELBOW, Point.LEFT_WRIST, Point.LEFT_HAND), limbs, strict=True
        ):
            points[:, :, first + side] = place
    return Bodies(points_m=points, pelvis=pelvis, chest=chest, head=head)


def _trunk(moves: _Moves, center: Floats, pelvis: Floats, points: Floats) -> Floats:
    """Fill pelvis, spine, chest and neck; return the chest's frame."""
    builds = moves.builds
    stoop = 0.02 + 0.24 * moves.guard + 0.16 * moves.ball + 0.03 * moves.slow(1, 4.0)
    lean = stoop[..., None] * moves.forward + 0.035 * moves.speed[..., None] * moves.course
    up = _unit(np.array([0.0, 0.0, 1.0]) + lean)
    twist = 0.22 * moves.moving * np.cos(2 * np.pi * moves.motion.phase) + 0.1 * moves.slow(0, 3.1)
    chest = _frame(_turned(moves.forward, twist), up)
    height = builds.height[:, None]
    points[:, :, Point.PELVIS] = center
    points[:, :, Point.SPINE] = center + 0.11 * height * _unit(pelvis[..., 2, :] + up)
    points[:, :, Point.CHEST] = points[:, :, Point.SPINE] + 0.172 * height * up
    points[:, :, Point.NECK] = points[:, :, Point.CHEST] + 0.028 * height * up
    return chest


def _head(moves: _Moves, chest: Floats, points: Floats) -> Floats:
    """Fill head and nose; return the head's frame."""
    height = moves.builds.height[:, None]
    gaze = _turned(_lift(moves.motion.gaze), 0.35 * moves.slow(2, 2.7))
    nod = 0.12 + 0.10 * moves.slow(6, 3.3) + 0.25 * moves.ball
    up = _unit(np.array([0.0, 0.0, 0.75]) + 0.25 * chest[..., 2, :] + nod[..., None] * gaze)
    head = _frame(gaze, up)
    center = points[:, :, Point.NECK] + 0.082 * height * _unit(up + chest[..., 2, :])
    points[:, :, Point.HEAD] = center
    points[:, :, Point.NOSE] = center + 0.060 * height * head[..., 1, :] - 0.006 * height * up
    return head


def _pose_leg(
    moves: _Moves, side: int, pelvis: Floats, foot: tuple[Floats, Floats], points: Floats
) -> None:
    """Fill hip, knee, ankle, heel and toe of one side."""
    builds, sign = moves.builds, _SIDES[side][1]
    wanted, rise = foot
    left, ahead = pelvis[..., 0, :], pelvis[..., 1, :]
    hip = points[:, :, Point.PELVIS] + sign * builds.hip[:, None] * left
    out = ahead + sign * (0.12 + 0.35 * moves.guard[..., None]) * left
    knee, ankle = _leg(hip, wanted, out, builds.thigh, builds.shin)
    pitch = rise * 0.9
    flat = _unit((ahead + sign * 0.14 * left) * np.array([1.0, 1.0, 0.0]))
    up = np.array([0.0, 0.0, 1.0])
    direction = np.cos(pitch)[..., None] * flat - np.sin(pitch)[..., None] * up
    normal = np.cos(pitch)[..., None] * up + np.sin(pitch)[..., None] * flat
    height = builds.height[:, None]
    sole = ankle - 0.026 * height * normal
    points[:, :, Point.LEFT_HIP + side] = hip
    points[:, :, Point.LEFT_KNEE + side] = knee
    points[:, :, Point.LEFT_ANKLE + side] = ankle
    points[:, :, Point.LEFT_HEEL + side] = sole - 0.020 * height * direction
    points[:, :, Point.LEFT_TOE + side] = sole + 0.098 * height * direction
