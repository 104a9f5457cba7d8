"""Epipolar curves and world boxes."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import DataError
from core.geometry import Camera, Rig, WorldBox, epipolar_curve
from tests.geometry.camera_rigs import LENSES, court_rig, look_at

COURT = WorldBox(np.array([-7000.0, -4000, 0]), np.array([7000.0, 4000, 2500]))


def side_by_side(distortion=()) -> Rig:
    """Two cameras 1 m apart, both looking along z; 1000 px focal length, 1001 x 801 pictures."""
    K = np.array([[1000.0, 0, 500], [0, 1000, 400], [0, 0, 1]])
    a = Camera("a", K, np.array(distortion), np.eye(3), np.zeros(3), (1001, 801))
    b = Camera("b", K, np.array(distortion), np.eye(3), np.array([-1000.0, 0, 0]), (1001, 801))
    return Rig((a, b))


def distance_to_polylines(points, polylines):
    """Distance of each point (n, 2) to the nearest segment."""
    best = np.full(len(points), np.inf)
    for line in polylines:
        for start, end in pairwise(line):
            step = end - start
            along = ((points - start) @ step / max(step @ step, 1e-12)).clip(0, 1)
            best = np.minimum(best, np.linalg.norm(points - start - along[:, None] * step, axis=-1))
    return best


def test_a_curve_by_hand_runs_along_the_row_from_the_border_to_the_vanishing_point():
    (line,) = epipolar_curve(side_by_side(), 0, [600, 300], 1)
    np.testing.assert_allclose(line[0], [-0.5, 300], atol=1e-6)
    np.testing.assert_allclose(line[-1], [600, 300], atol=1e-6)


def test_a_curve_by_hand_is_clipped_to_the_volume():
    volume = WorldBox(np.array([-9e3, -9e3, 2000]), np.array([9e3, 9e3, 5000]))
    (line,) = epipolar_curve(side_by_side(), 0, [600, 300], 1, volume)
    np.testing.assert_allclose(line[0], [100, 300], atol=1e-6)
    np.testing.assert_allclose(line[-1], [400, 300], atol=1e-6)


def dense_truth(rig, a, pixel, b, volume, num=4000):
    origin, direction = rig[a].rays(pixel)
    span = volume.clip_ray(origin, direction) if np.isfinite(direction).all() else None
    if span is None:
        return np.zeros((0, 2))
    along = np.linspace(*span, num)[:, None]
    points = rig[b].project(origin + along * direction)
    width, height = rig[b].extent_px
    with np.errstate(invalid="ignore"):
        inside = ((points >= -0.5) & (points <= [width - 0.5, height - 0.5])).all(-1)
    return points[inside]


@given(st.sampled_from(sorted(LENSES)), st.floats(0, 1399), st.floats(0, 899), st.integers(1, 3))
@settings(deadline=None, max_examples=60)
def test_a_curve_is_the_image_of_the_ray_and_all_of_it(lens, u, v, b):
    rig = Rig(
        tuple(
            look_at(f"c{i}", center, distortion=LENSES[lens])
            for i, center in enumerate(
                [(9e3, 9e3, 6e3), (-9e3, 8e3, 6e3), (-2e3, -2e3, 3e3), (10.0, 20.0, 9e3)]
            )
        )
    )
    truth = dense_truth(rig, 0, [u, v], b, COURT)
    lines = epipolar_curve(rig, 0, [u, v], b, COURT)
    if len(truth):
        assert distance_to_polylines(truth, lines).max() < 0.2
    for line in lines:
        assert len(line) >= 2
        assert (line >= -0.5 - 1e-9).all()
        assert (line <= np.array(rig[b].extent_px) - 0.5 + 1e-9).all()
        if len(truth) > 100:
            gaps = np.linalg.norm(line[:, None] - truth, axis=-1).min(axis=1)
            spacing = np.linalg.norm(np.diff(truth, axis=0), axis=-1).max()
            assert gaps.max() < 0.2 + spacing


def test_a_curve_passes_through_the_image_of_every_point_that_the_pixel_may_be():
    rig = court_rig(8)
    point = np.array([1200.0, -800, 1500])
    raw = rig.project(point[None])[:, 0]
    for b in range(1, 8):
        lines = epipolar_curve(rig, 0, raw[0], b, COURT)
        assert distance_to_polylines(raw[b][None], lines)[0] < 0.15


def test_a_curve_under_distortion_is_bent():
    rig = court_rig(2)
    (line,) = epipolar_curve(rig, 0, [300, 500], 1)
    chord = line[-1] - line[0]
    normal = np.array([-chord[1], chord[0]]) / np.linalg.norm(chord)
    assert np.abs((line - line[0]) @ normal).max() > 3


def test_a_curve_that_leaves_the_picture_and_comes_back_is_two_pieces():
    # A barrel lens bows a line that runs along the border outwards in its middle.
    rig = side_by_side([-0.3, 0.0, 0, 0])
    v = float(rig[1].distort([500.0, -30.0])[1])
    tall = Rig((rig[0].with_size(1001, 2001), rig[1]))
    pieces = epipolar_curve(tall, 0, rig[0].distort([900.0, -30.0]), 1)
    assert v < -0.5, "the middle of the curve must be above the picture, or this shows none"
    assert len(pieces) == 2
    assert pieces[0][-1][1] == pytest.approx(-0.5, abs=1e-6)
    assert pieces[1][0][1] == pytest.approx(-0.5, abs=1e-6)


def test_no_curve_where_there_is_nothing_to_draw():
    rig = side_by_side()
    behind = Camera("c", rig[0].K, [], np.diag([1.0, -1, -1]), [0, 0, -100.0], (1001, 801))
    rig = Rig((*rig.cameras, behind, Camera("d", rig[0].K, [], np.eye(3), np.zeros(3))))
    assert epipolar_curve(rig, 0, [600, 300], 2) == []
    assert epipolar_curve(rig, 0, [np.nan, 300], 1) == []
    far_up = WorldBox(np.array([0, -9e6, 100]), np.array([1.0, -8e6, 200]))
    assert epipolar_curve(rig, 0, [600, 300], 1, far_up) == []
    assert sum(len(line) for line in epipolar_curve(rig, 0, [600, 300], 3)) <= 17


def test_a_ray_is_clipped_to_a_box_by_hand():
    box = WorldBox(np.array([1.0, -1, -1]), np.array([3.0, 1, 1]))
    assert box.clip_ray(np.zeros(3), np.array([1.0, 0, 0])) == (1, 3)
    assert box.clip_ray(np.zeros(3), np.array([2.0, 0, 0])) == (0.5, 1.5)
    assert box.clip_ray(np.array([2.0, 0, 0]), np.array([-1.0, 0, 0])) == (0, 1)
    assert box.clip_ray(np.zeros(3), np.array([-1.0, 0, 0])) is None
    assert box.clip_ray(np.array([0.0, 2, 0]), np.array([1.0, 0, 0])) is None
    assert box.clip_ray(np.zeros(3), np.array([0.0, 1, 0])) is None


def test_a_box_knows_its_corners_and_what_is_inside():
    box = WorldBox(np.array([0.0, 0, 0]), np.array([1.0, 2, 3]))
    expected = [[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3], [1, 2, 3]]
    np.testing.assert_array_equal(box.corners_mm[[0, 1, 2, 4, 7]], expected)
    np.testing.assert_array_equal(box.center_mm, [0.5, 1, 1.5])
    np.testing.assert_array_equal(
        box.contains([[0, 0, 0], [1, 2, 3.1], [np.nan, 0, 0]]), [True, False, False]
    )


@pytest.mark.parametrize(
    ("low", "high", "field"),
    [
        ((0, 0), (1, 1, 1), "low_mm"),
        ((0, 0, 0), (1, np.inf, 1), "high_mm"),
        ((0,) * 3, (1, 0, 1), "high_mm"),
    ],
)
def test_an_empty_box_is_refused(low, high, field):
    with pytest.raises(DataError, match=field):
        WorldBox(np.array(low), np.array(high))
