"""Tests that views are laid out in order, apart, of their aspect, and large."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.views.arrangement import Arrangement
from app.views.layout import Box, focus_cells, grid_cells
from app.views.panel import view_size_px
from core.errors import CommandRefusedError
from core.geometry import Camera

SPORTCENTER = [1376 / 992, 1536 / 896, 1536 / 896, 1328 / 1024, 1392 / 928, 1360 / 896, 1.0, 1.3]
AREA = Box(4, 4, 900, 560)
aspects_strategy = st.lists(st.floats(0.5, 2.5), min_size=1, max_size=16)
areas = st.builds(Box, st.just(4.0), st.just(4.0), st.floats(300, 2000), st.floats(200, 1400))


def overlaps(a: Box, b: Box) -> bool:
    return a.x < b.right and b.x < a.right and a.y < b.bottom and b.y < a.bottom


def assert_sound(cells, aspects, area):
    assert len(cells) == len(aspects)
    for index, (cell, aspect) in enumerate(zip(cells, aspects, strict=True)):
        picture = cell.picture
        # Whole pixels: an edge may be half a pixel off.
        assert picture.width == pytest.approx(aspect * picture.height, abs=1.5 + aspect)
        assert cell.title.bottom == picture.y
        assert cell.title.x == picture.x
        assert cell.title.width == picture.width
        assert cell.whole.x >= area.x - 1
        assert cell.whole.right <= area.right + 1
        assert not any(overlaps(cell.whole, other.whole) for other in cells[index + 1 :])


@given(aspects_strategy, areas)
@settings(deadline=None, max_examples=80)
def test_views_keep_their_aspect_and_never_overlap(aspects, area):
    assert_sound(grid_cells(aspects, area), aspects, area)


@given(aspects_strategy, areas, st.data())
@settings(deadline=None, max_examples=80)
def test_a_focused_view_and_its_filmstrip_never_overlap(aspects, area, data):
    focused = data.draw(st.integers(0, len(aspects) - 1))
    assert_sound(focus_cells(aspects, focused, area), aspects, area)


def test_views_read_like_text_in_their_order():
    cells = grid_cells(SPORTCENTER, AREA)
    places = [(cell.title.y, cell.title.x) for cell in cells]
    assert places == sorted(places)


def test_the_pictures_of_eight_cameras_fill_half_of_a_usual_window():
    used = sum(c.picture.width * c.picture.height for c in grid_cells(SPORTCENTER, AREA))
    assert used > 0.5 * AREA.width * AREA.height


def test_a_wide_widget_gets_fewer_rows_than_a_tall_one():
    wide = grid_cells(SPORTCENTER, Box(0, 0, 1600, 300))
    tall = grid_cells(SPORTCENTER, Box(0, 0, 300, 1600))
    assert len({cell.title.y for cell in wide}) < len({cell.title.y for cell in tall})


def test_the_focused_view_is_by_far_the_largest():
    cells = focus_cells(SPORTCENTER, 2, AREA)
    areas_px = [cell.picture.width * cell.picture.height for cell in cells]
    assert areas_px[2] > 8 * max(areas_px[:2] + areas_px[3:])


def test_a_single_camera_takes_the_whole_widget():
    (cell,) = grid_cells([16 / 9], AREA)
    assert cell.picture.width == pytest.approx(900, abs=1)


@pytest.mark.parametrize(
    ("calibrated", "recorded", "expected"),
    [
        ((1376, 992), None, (1376, 992)),
        ((1376, 992), (1376, 992), (1376, 992)),
        ((1376, 992), (688, 496), (1376, 992)),  # half-size copies
        ((1088, 1920), (1080, 1920), (1080, 1920)),  # padded for the codec
        (None, (640, 480), (640, 480)),
        (None, None, (801, 601)),  # twice the principal point
    ],
)
def test_a_view_has_the_size_that_observations_are_given_in(calibrated, recorded, expected):
    K = np.array([[500.0, 0, 400], [0, 500, 300], [0, 0, 1]])
    camera = Camera("a", K, np.zeros(0), np.eye(3), np.zeros(3), calibrated)
    assert view_size_px(camera, recorded) == expected


def test_no_camera_needs_no_place():
    assert grid_cells([], AREA) == []


def test_moving_a_view_shifts_those_between():
    arrangement = Arrangement(["a", "b", "c", "d"])
    arrangement.move(0, 2)
    assert arrangement.visible == [1, 2, 0, 3]
    arrangement.move(0, 1)
    assert arrangement.visible == [0, 1, 2, 3]


def test_a_hidden_view_has_no_cell_and_comes_back_in_its_place():
    arrangement = Arrangement(["a", "b", "c"])
    arrangement.toggle_visible(1)
    assert sorted(arrangement.cells([1.0, 1.0, 1.0], AREA)) == [0, 2]
    arrangement.toggle_visible(1)
    assert arrangement.visible == [0, 1, 2]


def test_hiding_the_focused_view_leaves_focus():
    arrangement = Arrangement(["a", "b"])
    arrangement.focus(1)
    arrangement.toggle_visible(1)
    assert arrangement.focused is None


def test_focusing_a_hidden_view_shows_it():
    arrangement = Arrangement(["a", "b"])
    arrangement.toggle_visible(1)
    arrangement.focus(1)
    assert arrangement.visible == [0, 1]


def test_the_last_view_cannot_be_hidden():
    arrangement = Arrangement(["a", "b"])
    arrangement.toggle_visible(0)
    with pytest.raises(CommandRefusedError, match="b is the last view"):
        arrangement.toggle_visible(1)
    assert arrangement.visible == [1]


@pytest.mark.parametrize("command", ["focus", "toggle_visible"])
def test_a_camera_that_is_not_there_is_refused_by_the_number_people_see(command):
    with pytest.raises(CommandRefusedError, match="no camera 9"):
        getattr(Arrangement(["a", "b"]), command)(8)


def test_an_arrangement_is_remembered_by_name_across_rigs():
    first = Arrangement(["a", "b", "c"])
    first.move(2, 0)
    first.toggle_visible(0)
    first.focus(1)
    second = Arrangement(["b", "new", "c"])  # a is gone, new has come
    second.restore(first.state())
    assert second.visible == [2, 0, 1]
    assert second.hidden == []
    assert second.focused == 0


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"order": None, "hidden": 3, "focused": ["a"]},
        {"order": ["a", "a", 7], "hidden": ["a", "b"], "focused": "gone"},
    ],
)
def test_a_damaged_remembered_arrangement_shows_all_views_once(state):
    arrangement = Arrangement(["a", "b"])
    arrangement.restore(state)
    assert sorted(arrangement.visible) == [0, 1]
    assert arrangement.focused is None
