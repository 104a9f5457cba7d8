import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.geometry import triangulate
from core.learning.crops import (
    CropShape,
    applied,
    composed,
    cut,
    inverted,
    sampled_crop,
    stored_from_raw,
)
from tests.learning.crop_camera import camera_of_crop
from tests.learning.crop_world import ramp, small_rig

SHAPE = CropShape(64, 48, margin=1.3)
EDGES = np.array([(-0.5, -0.5), (47.5, 63.5)])
place = st.floats(-200, 900)
side = st.floats(0.5, 700)


def place_mapped(raw_from_crop: np.ndarray, height: int, width: int) -> np.ndarray:
    """(h, w, 2) raw pixels that the map tells."""
    y, x = np.mgrid[:height, :width]
    points = np.stack([x, y], axis=-1).reshape(-1, 2)
    return applied(raw_from_crop, points).reshape(height, width, 2)


@settings(deadline=None, max_examples=50)
@given(place, place, side, side)
def test_a_box_grows_to_the_crops_aspect_about_its_centre(x, y, width, height):
    box = np.array([x, y, x + width, y + height])
    grown = SHAPE.grown(box)
    assert np.allclose((grown[:2] + grown[2:]) / 2, (box[:2] + box[2:]) / 2)
    grown_width, grown_height = grown[2:] - grown[:2]
    assert np.isclose(grown_width / grown_height, 48 / 64)
    assert (grown[:2] <= box[:2] + 1e-9).all()
    assert (grown[2:] >= box[2:] - 1e-9).all()
    assert np.isclose(grown_width, width) or np.isclose(grown_height, height)


def test_a_crops_outer_edges_are_those_of_its_box():
    grown = np.array([100.0, 50.0, 196.0, 178.0])
    edges = applied(SHAPE.raw_from_crop(grown), EDGES)
    assert np.allclose(edges, [(100, 50), (196, 178)])


def test_the_middle_of_a_wide_crop_has_the_crops_own_map():
    maps = SHAPE.raw_from_crop(np.array([100.0, 50.0, 196.0, 178.0]))
    height, width = SHAPE.wide_hw
    wide = place_mapped(SHAPE.raw_from_wide(maps), height, width)
    assert np.allclose(SHAPE.middle(wide), place_mapped(maps, 64, 48))
    assert (height, width) >= (64 * 1.3, 48 * 1.3)


@pytest.mark.parametrize("px_per_px", [0.4, 1.0, 1.7, 2.1, 3.3, 5.9])
def test_a_crop_shows_what_its_map_says_at_every_reduction(px_per_px):
    maps = CropShape(32, 24).raw_from_crop(
        np.concatenate([(30.3, 40.7), np.array([30.3, 40.7]) + px_per_px * np.array([24, 32])])
    )
    levels_per_px = 200 / (32 * px_per_px + 8)  # as steep as fits, for 256 levels tell coordinates
    picture = np.zeros((480, 640, 3), np.uint8)
    y, x = np.mgrid[:480, :640]
    picture[..., 0] = np.clip(20 + levels_per_px * (x - 28), 0, 255).round()
    picture[..., 1] = np.clip(20 + levels_per_px * (y - 38), 0, 255).round()
    shown = (cut(picture, maps, 32, 24)[..., :2] - 20.0) / levels_per_px + (28, 38)
    error = shown - place_mapped(maps, 32, 24)
    assert np.abs(error).max() < 0.5 / levels_per_px + 0.1 * px_per_px + 0.1
    assert np.abs(error.mean(axis=(0, 1))).max() < 0.06 * px_per_px  # a shift of 1/16 crop pixel


def test_reduction_averages_what_is_finer_than_a_pixel():
    picture = np.zeros((480, 640, 3), np.uint8)
    picture[::2, ::2] = picture[1::2, 1::2] = 200
    maps = SHAPE.raw_from_crop(np.array([100.0, 50.0, 100 + 48 * 4, 50 + 64 * 4]))
    assert np.abs(cut(picture, maps, 64, 48).astype(int) - 100).max() <= 1


def test_what_lies_outside_of_the_picture_is_black():
    white = np.full((480, 640, 3), 255, np.uint8)
    # 2 raw pixels a crop pixel; the picture's left edge is at crop column 10, its top at row 20.
    maps = SHAPE.raw_from_crop(np.array([-20.5, -40.5, 75.5, 87.5]))
    crop = cut(white, maps, 64, 48)
    assert (crop[20:, 10:] == 255).all()
    assert not crop[:19].any()
    assert not crop[:, :9].any()


@pytest.mark.parametrize("box", [(900.0, 50.0, 996.0, 178.0), (-300.0, -300.0, -204.0, -172.0)])
def test_a_box_wholly_outside_of_the_picture_gives_a_black_crop(box):
    assert not cut(ramp() + 1, SHAPE.raw_from_crop(np.array(box)), 64, 48).any()


def test_a_reduced_crop_reaches_to_the_pictures_last_pixels():
    picture = np.full((101, 103, 3), 90, np.uint8)  # no multiple of the blocks of 3
    maps = SHAPE.raw_from_crop(np.array([-0.5, -17.6, 102.5, -17.6 + 103 * 64 / 48]))
    assert np.abs(cut(picture, maps, 64, 48)[12:55, 1:47].astype(int) - 90).max() == 0


@pytest.mark.parametrize(
    ("stored", "corner"),
    [
        ((640, 480), (639.5, 479.5)),
        ((320, 240), (319.5, 239.5)),  # a copy of half the size
        ((1280, 960), (1279.5, 959.5)),
        ((640, 440), (639.5, 479.5)),  # cropped: keeps its own pixels
    ],
)
def test_copies_of_another_size_are_mapped_edge_to_edge(stored, corner):
    camera = small_rig()[0]
    edges = applied(stored_from_raw(camera, stored), np.array([(-0.5, -0.5), (639.5, 479.5)]))
    assert np.allclose(edges, [(-0.5, -0.5), corner])


def test_sampling_writes_into_the_memory_it_is_given():
    out = np.zeros((2, 64, 48, 3), np.uint8)
    maps = SHAPE.raw_from_crop(np.array([100.3, 50.0, 196.3, 178.0]))
    sampled_crop(ramp(), maps, 64, 48, out=out[1])
    assert np.array_equal(out[1], sampled_crop(ramp(), maps, 64, 48))
    assert not out[0].any()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_maps_compose_and_invert(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 4, 2, 3)) + np.array([[3.0, 0, 0], [0, 3.0, 0]])
    points = rng.normal(size=(4, 5, 2)) * 100
    assert np.allclose(applied(composed(a, b), points), applied(a, applied(b, points)))
    if (np.abs(np.linalg.det(a[..., :2])) > 0.1).all():
        assert np.allclose(applied(inverted(a), applied(a, points)), points)


def varied_map(index: int) -> np.ndarray:
    """A crop's map with resize, shift, turn and (odd ones) mirror."""
    angle, side = 0.3 * index - 0.2, -1.0 if index % 2 else 1.0
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = 1.7 * turn @ np.diag([side, 1.0])
    return np.column_stack([linear, [250.0 + 10 * index, 120.0]])


def test_a_crops_camera_projects_to_where_the_crop_shows_the_point():
    rng = np.random.default_rng(0)
    points = rng.uniform((-700, -700, 300), (700, 700, 1700), (9, 3))
    for index, camera in enumerate(small_rig()):
        crop = camera_of_crop(camera, varied_map(index))
        raw = applied(varied_map(index), crop.project(points))
        assert np.allclose(raw, camera.project(points), atol=1e-9)
        assert np.allclose(crop.P, crop.K @ np.column_stack([camera.R, camera.t_mm]))


def test_undistorted_crop_points_triangulate_to_the_point_with_the_crops_projections():
    rng = np.random.default_rng(1)
    points = rng.uniform((-700, -700, 300), (700, 700, 1700), (6, 3))
    crops = [camera_of_crop(camera, varied_map(i)) for i, camera in enumerate(small_rig())]
    found = np.stack([crop.undistort(crop.project(points)) for crop in crops])
    projections = np.stack([crop.P for crop in crops])
    assert np.abs(triangulate(found, projections) - points).max() < 1e-5
    for crop, seen in zip(crops, found, strict=True):
        homogeneous = np.column_stack([points, np.ones(6)]) @ crop.P.T
        assert np.allclose(homogeneous[:, :2] / homogeneous[:, 2:], seen, atol=1e-6)
