from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.geometry import Camera, Rig
from core.people import cylinder_boxes
from tests.people.crowd import court_rig, look_at


def plain_rig(size=(1000, 800)) -> Rig:
    """One pinhole camera at the origin of x, 10 m away and 0.9 m high, looking along +y."""
    R = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    K = np.array([[1000.0, 0, 500], [0, 1000, 400], [0, 0, 1]])
    eye = np.array([0, -10_000.0, 900])
    return Rig((Camera("a", K, np.zeros(0), R, -R @ eye, size),))


def test_a_box_solvable_by_hand():
    # The near rim is 9.5 m away, 0.9 m above and below the axis; the sides touch at sin = 0.05.
    box = cylinder_boxes(np.zeros((1, 3)), plain_rig(), margin=0, num_angles=720)[0, 0]
    half_height = 1000 * 900 / 9500
    half_width = 1000 * np.tan(np.arcsin(0.05))
    expected = [500 - half_width, 400 - half_height, 500 + half_width, 400 + half_height]
    np.testing.assert_allclose(box, expected, atol=0.01)


def test_few_angles_are_close_to_many():
    exact = cylinder_boxes(np.zeros((1, 3)), plain_rig(), num_angles=720)
    np.testing.assert_allclose(cylinder_boxes(np.zeros((1, 3)), plain_rig()), exact, atol=2.0)


def test_the_margin_grows_the_box_about_its_middle():
    rig = plain_rig()
    bare, grown = (cylinder_boxes(np.zeros((1, 3)), rig, margin=m)[0, 0] for m in (0, 0.5))
    np.testing.assert_allclose(grown[2:] - grown[:2], 1.5 * (bare[2:] - bare[:2]))
    np.testing.assert_allclose(grown[2:] + grown[:2], bare[2:] + bare[:2])


@pytest.mark.parametrize(
    ("place", "seen"),
    [((0, 0, 0), True), ((0, -20_000, 0), False), ((30_000, 0, 0), False), ((np.nan, 0, 0), False)],
)
def test_whoever_is_behind_or_beside_the_view_has_no_box(place, seen):
    box = cylinder_boxes(np.array([place], dtype=float), plain_rig())
    assert np.isfinite(box).all() == seen
    assert np.isnan(box).any() != seen


def test_a_box_ends_at_the_edge_of_the_image():
    box = cylinder_boxes(np.array([[5000.0, 0, 0]]), plain_rig())[0, 0]
    assert box[2] == 999.5
    assert 900 < box[0] < 999.5
    unknown = cylinder_boxes(np.array([[5000.0, 0, 0]]), plain_rig(size=None))[0, 0]
    assert unknown[2] > 1000


@settings(deadline=None, max_examples=40)
@given(st.floats(-6000, 6000), st.floats(-4000, 4000))
def test_every_point_of_the_body_is_in_its_box(x, y):
    rig = court_rig(7)
    rng = np.random.default_rng(0)
    angle, radius = rng.uniform(0, 6.3, 200), 500 * np.sqrt(rng.uniform(0, 1, 200))
    body = np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=-1)
    px = rig.project(np.column_stack([body, rng.uniform(0, 1800, 200)]))
    boxes = cylinder_boxes(np.array([[x, y, 0.0]]), rig)[0]
    for c, camera in enumerate(rig):
        in_image = ((px[c] >= -0.5) & (px[c] <= np.array(camera.size_px) - 0.5)).all(axis=-1)
        low, high = boxes[c, :2], boxes[c, 2:]
        inside = ((px[c] >= low) & (px[c] <= high)).all(axis=-1)
        assert inside[in_image].all()


def test_many_frames_are_boxed_at_once():
    rig = court_rig(3)
    ground = np.random.default_rng(0).uniform(-3000, 3000, (4, 5, 3)) * (1, 1, 0)
    boxes = cylinder_boxes(ground, rig)
    assert boxes.shape == (4, 5, 3, 4)
    np.testing.assert_array_equal(boxes[2], cylinder_boxes(ground[2], rig))


def test_a_person_below_a_camera_that_looks_down_has_a_round_box():
    rig = Rig((look_at("down", (0, 0, 7000), (0, 0, 0), focal=600, k1=0.0),))
    x0, y0, x1, y1 = cylinder_boxes(np.zeros((1, 3)), rig, margin=0)[0, 0]
    assert x1 - x0 == pytest.approx(y1 - y0, rel=1e-6)
    assert x1 - x0 == pytest.approx(600 * 1000 / (7000 - 1800), rel=0.02)
