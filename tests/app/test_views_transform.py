"""Tests that zoom and pan are exact, and that pixel centres are integers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.views.layout import Box
from app.views.tone import Tone, apply_tone
from app.views.transform import MAX_SCALE, ViewTransform, Zoom, framing_box

BOX = Box(100, 50, 384, 224)
SIZE = (1536, 896)
WHOLE = ViewTransform(BOX, SIZE, Zoom())
inside_x, inside_y = st.floats(BOX.x, BOX.right), st.floats(BOX.y, BOX.bottom)


def corners(transform: ViewTransform) -> np.ndarray:
    width, height = transform.size_px
    return transform.to_widget(np.array([[-0.5, -0.5], [width - 0.5, height - 0.5]]))


def test_pixel_centres_are_integers():
    # The first pixel covers -0.5 to 0.5, so its centre lies half a pixel inside the box.
    assert WHOLE.to_widget(np.array([0.0, 0.0])) == pytest.approx([100 + 0.5 / 4, 50 + 0.5 / 4])
    assert corners(WHOLE) == pytest.approx(np.array([[100, 50], [484, 274]]))


def test_a_point_that_is_not_there_stays_so():
    assert np.isnan(WHOLE.to_widget(np.array([np.nan, np.nan]))).all()


@given(inside_x, inside_y, st.floats(1, 40))
@settings(deadline=None, max_examples=100)
def test_a_widget_point_comes_back_from_the_picture(x, y, factor):
    transform = ViewTransform(BOX, SIZE, WHOLE.zoomed(factor, x, y))
    assert transform.to_widget(np.array(transform.to_picture(x, y))) == pytest.approx((x, y))


@given(inside_x, inside_y, st.floats(1.01, 20))
@settings(deadline=None, max_examples=100)
def test_zooming_holds_the_point_under_the_pointer(x, y, factor):
    # Zooming in from the whole picture never needs to be shifted back inside.
    before = WHOLE.to_picture(x, y)
    after = ViewTransform(BOX, SIZE, WHOLE.zoomed(factor, x, y)).to_picture(x, y)
    assert after == pytest.approx(before, abs=1e-6)


@given(st.lists(st.tuples(st.floats(0.3, 4), inside_x, inside_y, st.floats(-400, 400))))
@settings(deadline=None, max_examples=100)
def test_no_void_is_ever_shown_beside_a_picture(moves):
    transform = WHOLE
    for factor, x, y, distance in moves:
        transform = ViewTransform(BOX, SIZE, transform.zoomed(factor, x, y))
        transform = ViewTransform(BOX, SIZE, transform.panned(distance, -distance))
        low, high = corners(transform)
        assert (low <= np.array([BOX.x, BOX.y]) + 1e-6).all()
        assert (high >= np.array([BOX.right, BOX.bottom]) - 1e-6).all()
        assert transform.zoom.factor >= 1
        assert transform.scale <= MAX_SCALE + 1e-9


def test_panning_moves_the_picture_with_the_hand():
    zoomed = ViewTransform(BOX, SIZE, WHOLE.zoomed(4, 292, 162))
    at = np.array([700.0, 400.0])
    moved = ViewTransform(BOX, SIZE, zoomed.panned(30, -12))
    assert moved.to_widget(at) - zoomed.to_widget(at) == pytest.approx((30, -12))


def test_a_picture_of_another_aspect_is_centred_in_its_box():
    low, high = corners(ViewTransform(Box(0, 0, 200, 100), (100, 100), Zoom()))
    assert low == pytest.approx((50, 0))
    assert high == pytest.approx((150, 100))


def test_framing_shows_all_of_the_box_with_air_around_it():
    low, high = np.array([600.0, 300.0]), np.array([680.0, 420.0])
    framed = ViewTransform(BOX, SIZE, WHOLE.framed(low, high))
    shown = framed.to_widget(np.stack([low, high]))
    assert (shown[0] > (BOX.x + 20, BOX.y + 20)).all()
    assert (shown[1] < (BOX.right - 20, BOX.bottom - 20)).all()
    assert shown[1, 1] - shown[0, 1] == pytest.approx(0.7 * BOX.height)


def test_framing_gives_plain_floats():
    # A numpy number in a zoom ends up as numpy.bool in a Qt call, which refuses it.
    zoom = WHOLE.framed(np.array([600.0, 300.0]), np.array([680.0, 420.0]))
    assert [type(value) for value in (zoom.factor, *zoom.center)] == [float] * 3


def test_the_zoom_survives_another_place_in_the_layout():
    zoom = WHOLE.framed(np.array([600.0, 300.0]), np.array([680.0, 420.0]))
    elsewhere = ViewTransform(Box(0, 0, 768, 448), SIZE, zoom)
    assert elsewhere.to_widget(np.array([640.0, 360.0])) == pytest.approx((384, 224), abs=3)


def test_framing_takes_the_cylinder_then_the_joints_then_nothing():
    joints = np.array([[10.0, 20.0], [np.nan, np.nan], [30.0, 60.0]])
    low, high = framing_box(np.array([1.0, 2.0, 3.0, 4.0]), joints)
    assert [*low, *high] == [1, 2, 3, 4]
    low, high = framing_box(np.full(4, np.nan), joints)
    assert [*low, *high] == [10, 20, 30, 60]
    assert framing_box(np.full(4, np.nan), np.full((3, 2), np.nan)) is None


def test_a_neutral_tone_leaves_the_very_same_pixels():
    pixels = np.arange(48, dtype=np.uint8).reshape(3, 4, 4)
    assert apply_tone(pixels, Tone()) is pixels


@pytest.mark.parametrize(
    ("tone", "expected"),
    [
        (Tone(brightness=0.2), [51, 128 + 51, 255]),
        (Tone(contrast=2.0), [0, 129, 255]),
        (Tone(gamma=0.5), [0, 181, 255]),
    ],
)
def test_a_tone_changes_black_grey_and_white_as_told(tone, expected):
    pixels = np.full((1, 3, 4), [[0], [128], [255]], dtype=np.uint8)
    assert apply_tone(pixels, tone)[0, :, 0].tolist() == pytest.approx(expected, abs=1)
