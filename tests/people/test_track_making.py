"""Tracks from feet and from joints."""

import numpy as np
import pytest

from core.errors import CommandRefusedError
from core.people.track_making import (
    clean_path,
    feet_between,
    feet_on_floor,
    standing_spots,
    tracks_from_detections,
)
from core.project import JointKey, Project, SetOverrides, SetTrackPoints
from tests.app.views_world import make_project, make_world
from tests.people.crowd import court_rig

RIG = court_rig(6)


@pytest.mark.parametrize("level", [0.0, 350.0])
def test_a_click_on_feet_is_where_they_stand(level):
    for spot in [(0.0, 0.0), (2500.0, -1500.0)]:
        for camera in RIG:
            pixel = tuple(camera.project(np.array([*spot, level])).tolist())
            assert feet_on_floor(camera, pixel, level) == pytest.approx(spot, abs=1.0)


def test_a_click_over_the_horizon_is_nowhere():
    camera = RIG[0]
    above = camera.project(camera.center_mm + camera.R[2] * 5000 + np.array([0, 0, 9000.0]))
    assert feet_on_floor(camera, tuple(above.tolist())) is None


def test_clicks_in_two_views_meet_where_the_feet_are_and_tell_the_level():
    foot = np.array([1200.0, -800.0, 260.0])
    pixels = [tuple(camera.project(foot).tolist()) for camera in (RIG[0], RIG[2])]
    met = feet_between((RIG[0], RIG[2]), pixels)
    assert met.spot_mm == pytest.approx((1200.0, -800.0), abs=1.0)
    assert met.height_mm == pytest.approx(260.0, abs=1.0)
    assert met.gap_mm < 1.0


def test_clicks_along_one_line_are_refused():
    foot = np.array([1200.0, -800.0, 0.0])
    pixel = tuple(RIG[0].project(foot).tolist())
    with pytest.raises(CommandRefusedError, match="same line"):
        feet_between((RIG[0], RIG[0]), [pixel, pixel])


def test_somebody_stands_between_the_hips_else_amid_the_joints():
    joints = ("nose", "left_hip", "right_hip", "left_knee", "right_knee")
    points = np.full((3, 5, 3), np.nan)
    points[0] = [(900, 900, 1600), (0, 0, 900), (200, 0, 900), (0, 50, 500), (200, 50, 500)]
    points[1] = points[0]
    points[1, 1] = np.nan  # one hip only
    points[2, :2] = points[0, :2]  # two joints are too few
    spots = standing_spots(points, joints)
    np.testing.assert_allclose(spots[0], (100, 0))
    np.testing.assert_allclose(spots[1], np.median(points[1][[0, 2, 3, 4], :2], axis=0))
    assert np.isnan(spots[2]).all()


def test_a_clean_path_drops_strays_fills_short_holes_and_keeps_long_ones():
    frames = np.arange(200)
    truth = np.stack([frames * 40.0, np.sin(frames / 20) * 500], axis=-1)
    spots = truth + np.random.default_rng(2).normal(0, 20, truth.shape)
    spots[[30, 31, 90]] += 9000.0
    spots[50:60] = np.nan
    spots[120:170] = np.nan
    found, path, is_filled = clean_path(spots, 25.0)
    assert not set(range(120, 170)) & set(found.tolist())
    assert set(range(50, 60)) <= set(found[is_filled].tolist())
    error = np.linalg.norm(path - truth[found], axis=-1)
    assert error.max() < 120.0
    assert np.sqrt((error[~is_filled] ** 2).mean()) < 20.0 * np.sqrt(2)


def test_tracks_from_detections_are_where_the_people_walk(tmp_path):
    world = make_world(num_persons=5, num_frames=12)
    with make_project(tmp_path / "a.trilabel", world, without=world.rig.names) as project:
        with pytest.raises(CommandRefusedError, match="Nobody could be placed"):
            tracks_from_detections(project)  # everybody has a track
        (project.path / "imports" / "tracks.h5").unlink()
    with Project.open(tmp_path / "a.trilabel") as bare:
        assert bare.tracks is None
        parts = tracks_from_detections(bare)
    spots = {key: spot for part in parts for key, spot in part.spots_mm.items()}
    assert len(spots) == 5 * 12
    hips = world.truth_mm[:, :, 7:9, :2].mean(axis=2)
    errors = [np.hypot(*(np.array(s) - hips[f, p])) for (f, p), s in spots.items()]
    assert np.median(errors) < 20.0
    assert max(errors) < 80.0


def test_who_was_taken_off_the_ground_by_hand_or_muted_is_not_put_there_again(tmp_path):
    world = make_world(num_persons=5, num_frames=12)
    path = tmp_path / "a.trilabel"
    make_project(path, world, without=world.rig.names).close()
    (path / "imports" / "tracks.h5").unlink()
    with Project.open(path) as bare:
        bare.apply(SetTrackPoints(points=(((4, 2), None), ((5, 2), None))))
        joints, cameras = bare.skeleton.num_joints, len(bare.rig)
        for frame in range(12):  # nothing that was seen of #3 is of #3
            keys = tuple(JointKey(frame, c, 3, j) for c in range(cameras) for j in range(joints))
            bare.apply(SetOverrides(keys=keys, muted=True))
        parts = tracks_from_detections(bare)
    spots = {key for part in parts for key in part.spots_mm}
    assert {(3, 2), (6, 2)} <= spots
    assert not {(4, 2), (5, 2)} & spots
    assert 3 not in {person for _, person in spots}
