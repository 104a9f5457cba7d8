"""How people move: plausible bodies, speeds and distances; and how they look."""

import numpy as np
import pytest

from core.synthetic import SynthConfig
from core.synthetic.body import JOINT_NAMES, RIGID_BONES, Point, draw_builds, pose
from core.synthetic.motion import Role, simulate
from core.synthetic.wardrobe import PATCHES, draw_kits, dress

CONFIG = SynthConfig(num_frames=1500, seed=11, num_people=13, num_bystanders=2)


@pytest.fixture(scope="module")
def motion():
    return simulate(CONFIG)


@pytest.fixture(scope="module")
def bodies(motion):
    return pose(motion, draw_builds(motion.roles, np.random.default_rng(0)))


def test_bones_keep_their_length(bodies):
    joints = bodies.joints_mm
    for a, b in RIGID_BONES:
        length = np.linalg.norm(joints[:, :, a] - joints[:, :, b], axis=-1)
        assert np.ptp(length, axis=0).max() < 1e-6


def test_left_and_right_limbs_of_a_person_are_alike(bodies):
    joints = bodies.joints_mm[0]
    for (a, b), (c, d) in (
        ((1, 3), (2, 4)),
        ((3, 5), (4, 6)),
        ((7, 9), (8, 10)),
        ((9, 11), (10, 12)),
    ):
        left = np.linalg.norm(joints[:, a] - joints[:, b], axis=-1)
        np.testing.assert_allclose(left, np.linalg.norm(joints[:, c] - joints[:, d], axis=-1))


def test_bodies_have_human_proportions(motion):
    builds = draw_builds(motion.roles, np.random.default_rng(1))
    assert ((builds.height > 1.6) & (builds.height < 2.1)).all()
    leg = (builds.thigh + builds.shin) / builds.height
    arm = (builds.upper_arm + builds.forearm) / builds.height
    assert ((leg > 0.43) & (leg < 0.55)).all()
    assert ((arm > 0.27) & (arm < 0.38)).all()


def test_people_do_not_stand_in_each_other(motion):
    apart = np.linalg.norm(motion.ground_m[:, :, None] - motion.ground_m[:, None], axis=-1)
    apart += 9 * np.eye(apart.shape[1])
    assert apart.min() > 0.35


def test_guards_stay_within_reach_of_their_men(motion):
    apart = np.linalg.norm(motion.ground_m[:, :, None] - motion.ground_m[:, None], axis=-1)
    teams = np.array(motion.roles)
    across = apart[:, teams == Role.HOME][:, :, teams == Role.GUEST].min(axis=2)
    assert (across < 1.3).mean() > 0.5


def test_speeds_are_those_of_a_game(motion):
    speed = np.linalg.norm(motion.velocity, axis=-1)
    assert speed.max() < 7.5
    players = speed[:, np.array(motion.roles) <= Role.GUEST]
    assert (players > 3.5).mean() > 0.05
    assert (players < 0.7).mean() > 0.05


def test_both_halves_are_played_on(motion):
    players = np.array(motion.roles) <= Role.GUEST
    along = motion.ground_m[:, players, 1].mean(axis=1)
    assert along.max() > 4
    assert along.min() < -4


def test_nobody_leaves_the_hall_or_sinks_into_the_floor(bodies):
    points = bodies.points_m
    assert np.isfinite(points).all()
    assert points[..., 2].min() > -0.08
    assert points[..., 2].max() < 2.9
    assert np.abs(points[..., 0]).max() < 9.3
    assert np.abs(points[..., 1]).max() < 16.7


def test_somebody_touches_the_floor_with_a_foot_most_of_the_time(bodies):
    ankles = bodies.points_m[:, :, [Point.LEFT_ANKLE, Point.RIGHT_ANKLE], 2]
    assert (ankles.min(axis=2) < 0.16).mean() > 0.75


def test_limbs_move_no_faster_than_limbs_do(bodies):
    speed = np.linalg.norm(np.diff(bodies.joints_mm, axis=0), axis=-1) * CONFIG.fps / 1000
    assert np.percentile(speed, 99.9) < 13
    assert speed.max() < 25


def test_knees_and_elbows_bend_the_human_way(bodies):
    points, pelvis = bodies.points_m, bodies.pelvis
    hip, knee = points[:, :, Point.LEFT_HIP], points[:, :, Point.LEFT_KNEE]
    ankle = points[:, :, Point.LEFT_ANKLE]
    share = np.linalg.norm(knee - hip, axis=-1, keepdims=True)
    share = share / (share + np.linalg.norm(ankle - knee, axis=-1, keepdims=True))
    ahead = knee - (hip + share * (ankle - hip))
    assert ((ahead * pelvis[..., 1, :]).sum(-1) > -0.02).mean() > 0.99


def test_the_nose_is_in_front_of_the_head_and_heads_do_not_turn_round(bodies):
    nose = bodies.points_m[:, :, Point.NOSE] - bodies.points_m[:, :, Point.HEAD]
    assert ((nose * bodies.head[..., 1, :]).sum(-1) > 0.08).all()
    turn = (bodies.head[..., 1, :2] * bodies.chest[..., 1, :2]).sum(-1)
    assert turn.min() > -0.3


def test_between_frames_lies_the_way_from_one_to_the_next(motion):
    middle = motion.at(np.array([7.5]))
    expected = 0.5 * (motion.ground_m[7] + motion.ground_m[8])
    np.testing.assert_allclose(middle.ground_m[0], expected)
    np.testing.assert_allclose(motion.at(np.array([8.0])).phase[0], motion.phase[8])


def test_a_pass_ends_where_its_catcher_holds_the_ball(motion):
    ends = np.flatnonzero((motion.flight[:-1] > 0) & (motion.flight[1:] == 0))
    assert len(ends) > 3
    np.testing.assert_array_equal(motion.catcher[ends], motion.holder[ends + 1])


@pytest.mark.parametrize("num_people", range(2, 14))
def test_any_number_of_people_includes_the_test_subjects(num_people):
    config = SynthConfig(num_frames=3, num_people=num_people)
    assert {7, 12} <= set(config.subjects)
    assert len(config.subjects) == num_people
    assert simulate(config).ground_m.shape == (3, num_people + 1, 2)


def test_the_default_people_are_those_of_sportcenter():
    assert SynthConfig().subjects == (0, 1, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13)


@pytest.mark.parametrize("role", list(Role))
def test_fronts_differ_from_backs(role):
    rng = np.random.default_rng(5)
    texture = dress(role, draw_kits(rng)[role], 23, rng).texture.astype(float)
    row, col, rows, cols = PATCHES["torso"]
    torso = texture[row : row + rows, col : col + cols]
    front, back = torso[:, 33:63], np.roll(torso, 48, axis=1)[:, 33:63]
    assert np.abs(front - back).mean() > 8
    row, col, rows, cols = PATCHES["head"]
    head = texture[row : row + rows, col : col + cols]
    assert np.abs(head[:, 36:60] - np.roll(head, 48, axis=1)[:, 36:60]).mean() > 5


def test_team_mates_wear_the_same_and_opponents_do_not():
    rng = np.random.default_rng(6)
    kits = draw_kits(rng)

    def shirt(role):
        texture = dress(role, kits[role], int(rng.integers(4, 60)), rng).texture
        return texture[20:50].reshape(-1, 3).astype(float).mean(axis=0)

    mates = np.linalg.norm(shirt(Role.HOME) - shirt(Role.HOME))
    assert mates * 2 < np.linalg.norm(shirt(Role.HOME) - shirt(Role.GUEST))


def test_joint_names_are_those_of_the_skeleton():
    from core.skeleton import load_skeleton

    assert load_skeleton("sportcenter13").joints == JOINT_NAMES
