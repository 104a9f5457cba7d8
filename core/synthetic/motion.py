"""Where everyone runs: a match as a crowd simulation with attackers, their guards and officials.

Attackers cut to places around the basket, now and then straight through a team mate; each defender
keeps half a metre to a metre between his man and the basket, so that people meet, overlap and cross
in the pictures. Possession changes after some seconds and all run to the other half. Everything is
in metres and seconds here and leaves the package in millimetres.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter1d

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.synthetic.config import SynthConfig

    Floats = NDArray[np.float64]

BASKET_Y_M = 12.425
HALF_WIDTH_M = 7.3
HALF_LENGTH_M = 14.0
MIN_DISTANCE_M = 0.48
_WARM_UP_S = 6.0
_MAX_TURN = 1.05


class Role(IntEnum):
    """What someone does at the match."""

    HOME = 0
    GUEST = 1
    REFEREE = 2
    COACH = 3
    BYSTANDER = 4


_ROLES = {
    0: Role.HOME, 1: Role.GUEST, 3: Role.HOME, 5: Role.GUEST, 6: Role.HOME, 7: Role.GUEST,
    8: Role.HOME, 9: Role.GUEST, 10: Role.REFEREE, 11: Role.COACH, 12: Role.HOME, 13: Role.GUEST,
    14: Role.REFEREE,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """State of N people (tracked ones first, then bystanders) at T instants.

    Attributes:
        roles: N roles.
        ground_m: (T, N, 2) court position of the pelvis.
        velocity: (T, N, 2) m/s.
        facing: (T, N, 2) unit vectors, where chest and hips point.
        gaze: (T, N, 2) unit vectors, where the head points.
        phase: (T, N) gait cycles done, growing.
        guard: (T, N) 0 to 1, how much the arms defend.
        holder: (T,) who has the ball; the person before a pass until it is caught.
        catcher: (T,) who gets it; equal to holder while nobody passes.
        flight: (T,) 0 to 1, share of the pass done.
        time_s: (T,) since the first frame.
    """

    roles: tuple[Role, ...]
    ground_m: Floats
    velocity: Floats
    facing: Floats
    gaze: Floats
    phase: Floats
    guard: Floats
    holder: NDArray[np.int64]
    catcher: NDArray[np.int64]
    flight: Floats
    time_s: Floats

    def at(self, frames: Floats) -> Motion:
        """The state at fractional frames (T',), linear between frames, held at the ends."""
        last = len(self.time_s) - 1
        low = np.clip(np.floor(frames).astype(np.int64), 0, max(last - 1, 0))
        high = np.minimum(low + 1, last)
        share = np.clip(frames - low, 0, 1)

        def blend(values: Floats) -> Floats:
            part = share.reshape(-1, *[1] * (values.ndim - 1))
            return (1 - part) * values[low] + part * values[high]

        return Motion(
            roles=self.roles,
            ground_m=blend(self.ground_m),
            velocity=blend(self.velocity),
            facing=_unit(blend(self.facing)),
            gaze=_unit(blend(self.gaze)),
            phase=blend(self.phase),
            guard=blend(self.guard),
            holder=self.holder[low],
            catcher=self.catcher[low],
            flight=self._flight_at(low, high, share),
            time_s=blend(self.time_s),
        )

    def _flight_at(self, low: NDArray[np.int64], high: NDArray[np.int64], share: Floats) -> Floats:
        """Shares of passes between frames; where one ends in between, it runs to its end."""
        before, after = self.flight[low], self.flight[high]
        after = np.where(after < before, 1.0, after)
        return (1 - share) * before + share * after


def _unit(vectors: Floats) -> Floats:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def stride_frequency(speed: Floats) -> Floats:
    """Gait cycles a second at a speed in m/s; standing people shift their weight slowly."""
    moving = np.clip(speed / 0.5, 0, 1)
    return 0.12 * (1 - moving) + moving * (0.62 + 0.26 * np.minimum(speed, 2.2) + 0.07 * speed)


class _Crowd:
    """The simulation's state and its rules; stepped once a frame."""

    def __init__(self, roles: tuple[Role, ...], rng: np.random.Generator) -> None:
        self.rng = rng
        self.roles = np.array([int(role) for role in roles])
        self.num = len(roles)
        teams = [np.flatnonzero(self.roles == team) for team in (Role.HOME, Role.GUEST)]
        self.teams = teams
        self.attacking = int(rng.integers(2))
        self.direction = 1.0 if rng.random() < 0.5 else -1.0
        self.possession_left = float(rng.uniform(6, 14))
        self.position = np.zeros((self.num, 2))
        self.velocity = np.zeros((self.num, 2))
        self.target = np.zeros((self.num, 2))
        self.target_left = np.zeros(self.num)
        self.speed_limit = np.full(self.num, 3.0)
        self.gap = rng.uniform(0.6, 1.1, self.num)
        self.sway = rng.uniform(0, 2 * np.pi, (self.num, 2))
        self.holder = int(self.attackers[0])
        self.holder_left = float(rng.uniform(1.5, 4))
        self.mark = self._marks()
        self._place()

    @property
    def attackers(self) -> NDArray[np.int64]:
        return self.teams[self.attacking]

    @property
    def basket(self) -> Floats:
        return np.array([0.0, self.direction * BASKET_Y_M])

    def _marks(self) -> NDArray[np.int64]:
        """For each person whom he guards, -1 for nobody."""
        mark = np.full(self.num, -1)
        defenders = self.teams[1 - self.attacking]
        for place, person in enumerate(defenders):
            mark[person] = self.attackers[place % len(self.attackers)]
        return mark

    def _place(self) -> None:
        """A start in the middle of an attack, officials and bystanders at their places."""
        for person in self.attackers.tolist():
            self.position[person] = self._spot(person)
        for person in np.flatnonzero(self.mark >= 0).tolist():
            self.position[person] = self._guard_place(person)
        for person in np.flatnonzero(self.roles >= Role.REFEREE).tolist():
            self.position[person] = self._official_place(person)

    def _spot(self, person: int) -> Floats:
        """Where an attacker wants to go next."""
        others = [p for p in self.attackers if p != person]
        if others and self.rng.random() < 0.3:
            near = self.position[self.rng.choice(others)]
            return near + self.rng.normal(0, 0.5, 2)
        radius = self.rng.uniform(6, 10) if person == self.holder else self.rng.uniform(1.5, 8.5)
        angle = self.rng.uniform(-1.25, 1.25)
        spot = self.basket - self.direction * radius * np.array([np.sin(angle), np.cos(angle)])
        limit = (HALF_WIDTH_M - 0.6, HALF_LENGTH_M - 0.8)
        return np.clip(spot, np.negative(limit), limit)

    def _guard_place(self, person: int) -> Floats:
        man = self.position[self.mark[person]]
        toward = _unit(self.basket - man)
        side = np.array([-toward[1], toward[0]])
        return man + self.gap[person] * toward + 0.25 * np.sin(self.sway[person, 0]) * side

    def _official_place(self, person: int) -> Floats:
        ball = self.position[self.holder]
        role = self.roles[person]
        if role == Role.REFEREE:
            side = 1.0 if person % 2 else -1.0
            away = np.array([side * 3.5, -2.5 * self.direction])
            place = ball + away + 0.8 * np.sin(self.sway[person])
            limit = (HALF_WIDTH_M - 0.3, HALF_LENGTH_M - 0.5)
            return np.clip(place, np.negative(limit), limit)
        if role == Role.COACH:
            along = 3.0 * np.sin(0.7 * self.sway[person, 0]) - 4.5
            return np.array([7.9, along])
        along = -5.0 + 2.7 * (person % 5) + 0.4 * np.sin(0.2 * self.sway[person, 1])
        return np.array([-8.25, along])

    def step(self, dt: float) -> None:
        """One step: who has the ball, where people want to go, and how they get there."""
        self.sway += dt * np.array([0.9, 0.7])
        self._change_possession(dt)
        self._choose_targets(dt)
        wish = self.target - self.position
        distance = np.linalg.norm(wish, axis=1, keepdims=True)
        limit = self.speed_limit[:, None]
        wanted = wish / np.maximum(distance, 1e-6) * np.minimum(1.8 * distance, limit)
        pull = (wanted - self.velocity) / np.where(self.mark >= 0, 0.22, 0.32)[:, None]
        pull += self._repulsion()
        strength = np.linalg.norm(pull, axis=1, keepdims=True)
        self.velocity += dt * pull * np.minimum(1, 7.5 / np.maximum(strength, 1e-6))
        self.position += dt * self.velocity
        self._part()

    def _change_possession(self, dt: float) -> None:
        self.possession_left -= dt
        self.holder_left -= dt
        if self.possession_left < 0:
            self.attacking = 1 - self.attacking
            self.direction = -self.direction
            self.possession_left = float(self.rng.uniform(9, 18))
            self.mark = self._marks()
            self.target_left[:] = 0
            self.holder_left = 0.0
        if self.holder_left < 0 or self.holder not in self.attackers.tolist():
            others = [p for p in self.attackers if p != self.holder]
            if others:
                gaps = [
                    np.linalg.norm(self.position[p] - self.position[self.holder]) for p in others
                ]
                self.holder = int(others[int(np.argmin(gaps + self.rng.uniform(0, 4, len(gaps))))])
            self.holder_left = float(self.rng.uniform(2.0, 5.0))

    def _choose_targets(self, dt: float) -> None:
        self.target_left -= dt
        away = np.abs(self.basket[1] - self.position[:, 1])
        for person in self.attackers.tolist():
            if self.target_left[person] <= 0:
                self.target[person] = self._spot(person)
                self.target_left[person] = self.rng.uniform(0.9, 3.0)
                far = away[person] > 13
                pace = self.rng.uniform(4.2, 6.2) if far else self.rng.choice([1.2, 2.2, 3.8, 5.0])
                self.speed_limit[person] = pace
        for person in np.flatnonzero(self.mark >= 0).tolist():
            self.target[person] = self._guard_place(person)
            self.speed_limit[person] = 6.3
        for person in np.flatnonzero(self.roles >= Role.REFEREE).tolist():
            self.target[person] = self._official_place(person)
            self.speed_limit[person] = 3.8 if self.roles[person] == Role.REFEREE else 1.3

    def _repulsion(self) -> Floats:
        apart = self.position[:, None] - self.position[None]
        distance = np.linalg.norm(apart, axis=-1) + np.eye(self.num) * 1e3
        push = np.maximum(0, 0.8 - distance) * 30 / np.maximum(distance, 1e-3)
        return (apart * push[..., None]).sum(axis=1)

    def _part(self) -> None:
        """Move apart who stands in another, half each."""
        for _ in range(3):
            apart = self.position[:, None] - self.position[None]
            distance = np.linalg.norm(apart, axis=-1) + np.eye(self.num) * 1e3
            deep = np.maximum(0, MIN_DISTANCE_M - distance) / np.maximum(distance, 1e-3)
            self.position += 0.5 * (apart * deep[..., None]).sum(axis=1)


def simulate(config: SynthConfig) -> Motion:
    """The whole match of a config: T = num_frames, N = num_people + num_bystanders."""
    roles = (
        *[_ROLES[subject] for subject in config.subjects],
        *[Role.BYSTANDER] * config.num_bystanders,
    )
    rng = np.random.default_rng([config.seed, 1])
    crowd = _Crowd(roles, rng)
    dt = 1.0 / config.fps
    for _ in range(round(_WARM_UP_S * config.fps)):
        crowd.step(dt)
    shape = (config.num_frames, len(roles))
    ground, aim, guard = np.zeros((*shape, 2)), np.zeros((*shape, 2)), np.zeros(shape)
    holder = np.zeros(config.num_frames, dtype=np.int64)
    for frame in range(config.num_frames):
        crowd.step(dt)
        ground[frame] = crowd.position
        aim[frame] = _aims(crowd)
        guard[frame] = _guarding(crowd)
        holder[frame] = crowd.holder
    return _smoothed(roles, ground, aim, guard, holder, config.fps)


def _aims(crowd: _Crowd) -> Floats:
    """(N, 2) directions that people attend to: their man, the ball, or the basket."""
    to_ball = crowd.position[crowd.holder] - crowd.position
    to_ball[crowd.holder] = crowd.basket - crowd.position[crowd.holder]
    marked = np.flatnonzero(crowd.mark >= 0)
    to_ball[marked] = crowd.position[crowd.mark[marked]] - crowd.position[marked]
    return _unit(to_ball)


def _guarding(crowd: _Crowd) -> Floats:
    """(N,) 1 for a defender near his man."""
    near = np.zeros(crowd.num)
    for person in np.flatnonzero(crowd.mark >= 0):
        distance = np.linalg.norm(crowd.position[person] - crowd.position[crowd.mark[person]])
        near[person] = float(distance < 1.9)
    return near


def _smoothed(
    roles: tuple[Role, ...],
    ground: Floats,
    aim: Floats,
    guard: Floats,
    holder: NDArray[np.int64],
    fps: float,
) -> Motion:
    ground = gaussian_filter1d(ground, 0.08 * fps, axis=0, mode="nearest")
    velocity = np.gradient(ground, 1 / fps, axis=0)
    speed = np.linalg.norm(velocity, axis=-1)
    # Whoever runs faces where he runs; whoever stands or shuffles faces what he attends to.
    running = np.clip((speed - 1.0) / 1.5, 0, 1)[..., None] * (1 - 0.75 * guard[..., None])
    facing = running * _unit(velocity) + (1 - running) * aim
    facing = _steady(facing, 0.20 * fps)
    gaze = _turned_head(facing, _steady(aim, 0.22 * fps))
    guard = gaussian_filter1d(guard, 0.15 * fps, axis=0, mode="nearest")
    start = np.linspace(0, 1, len(roles), endpoint=False)
    phase = start + np.cumsum(stride_frequency(speed), axis=0) / fps
    catcher, flight = _passes(holder, fps)
    return Motion(
        roles=roles,
        ground_m=ground,
        velocity=velocity,
        facing=facing,
        gaze=gaze,
        phase=phase,
        guard=guard,
        holder=holder,
        catcher=catcher,
        flight=flight,
        time_s=np.arange(len(holder)) / fps,
    )


def _steady(directions: Floats, sigma: float) -> Floats:
    """Directions (T, N, 2) smoothed as angles: averaged vectors flip where they nearly cancel."""
    angle = np.unwrap(np.arctan2(directions[..., 1], directions[..., 0]), axis=0)
    angle = gaussian_filter1d(angle, sigma, axis=0, mode="nearest")
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def _turned_head(facing: Floats, aim: Floats) -> Floats:
    """Where heads point: at what people attend to, as far as necks turn."""
    ahead = (facing * aim).sum(axis=-1)
    aside = facing[..., 0] * aim[..., 1] - facing[..., 1] * aim[..., 0]
    # Behind, the wish fades: a head does not whip round where its aim passes the back.
    angle = _MAX_TURN * np.tanh(1.3 * aside / np.maximum(1 + ahead, 0.25))
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = facing[..., 0], facing[..., 1]
    return np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)


def _passes(holder: NDArray[np.int64], fps: float) -> tuple[NDArray[np.int64], Floats]:
    """Who catches, and how far the ball has flown; a pass ends when its catcher is the holder."""
    catcher, flight = holder.copy(), np.zeros(len(holder))
    length = max(1, round(0.5 * fps))
    for change in np.flatnonzero(np.diff(holder)) + 1:
        first = max(0, change - length)
        first = max(first, int(np.max(np.flatnonzero(np.diff(holder[:change])), initial=-1)) + 1)
        catcher[first:change] = holder[change]
        flight[first:change] = np.linspace(0, 1, change - first, endpoint=False)
    return catcher, flight
