import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.learning.augment import Variation, drawn
from core.learning.crops import applied
from core.project.runs.config import AugmentOptions

H, W = 64, 48
STILL = AugmentOptions(color=0, scale=0, shift=0, rotation=0, flip=0, cutout=0)
CENTER = np.array([(W - 1) / 2, (H - 1) / 2])


def vary(options: AugmentOptions | None, seed: int = 0, num_views: int = 8, **more) -> Variation:
    return drawn(options, np.random.default_rng(seed), num_views, H, W, **more)


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(60, 180, (H, W, 3), dtype=np.uint8)


def test_strengths_of_zero_change_nothing():
    variation = vary(STILL)
    crop = picture()
    before = crop.copy()
    variation.paint(0, crop)
    assert not variation.resampled
    assert not variation.mirrored.any()
    assert np.array_equal(crop, before)


def test_the_same_numbers_give_the_same_variation():
    first, again = vary(AugmentOptions(cutout=0.5), 3), vary(AugmentOptions(cutout=0.5), 3)
    other = vary(AugmentOptions(cutout=0.5), 4)
    for name in ("plain_from_varied", "mirrored", "contrast", "cut_out", "parts", "paints"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    assert not np.array_equal(first.plain_from_varied, other.plain_from_varied)


def test_an_option_turned_off_leaves_the_others_draws_as_they_were():
    full, colorless = vary(AugmentOptions()), vary(AugmentOptions(color=0))
    assert np.array_equal(full.plain_from_varied, colorless.plain_from_varied)
    unturned = vary(AugmentOptions(rotation=0))
    assert np.array_equal(full.mirrored, unturned.mirrored)
    assert np.array_equal(full.contrast, unturned.contrast)


def test_a_mirrored_crop_shows_its_first_column_last():
    variation = vary(AugmentOptions(color=0, scale=0, shift=0, rotation=0, flip=1))
    assert variation.mirrored.all()
    corner = applied(variation.plain_from_varied, np.array([(0.0, 0.0)]))
    assert np.allclose(corner, (W - 1, 0))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6))
def test_crops_vary_within_the_strengths(seed):
    options = AugmentOptions(scale=0.2, shift=0.08, rotation=15, flip=0.5)
    variation = vary(options, seed)
    linear = variation.plain_from_varied[..., :2]
    scale = np.sqrt(np.abs(np.linalg.det(linear)))
    assert ((scale > 1 / 1.2 - 1e-9) & (scale < 1.2 + 1e-9)).all()
    assert np.array_equal(np.linalg.det(linear) < 0, variation.mirrored)
    assert (linear[:, 1, 1] / scale > np.cos(np.radians(15)) - 1e-9).all()
    moved = applied(variation.plain_from_varied, CENTER[None])[:, 0] - CENTER
    assert (np.abs(moved) <= 0.08 * np.array([W, H]) + 1e-9).all()


def test_about_the_share_asked_for_is_mirrored_and_cut_out():
    variation = vary(AugmentOptions(flip=0.25, cutout=0.75), num_views=2000)
    assert 0.2 < variation.mirrored.mean() < 0.3
    assert 0.7 < variation.cut_out.mean() < 0.8


def test_a_share_of_cut_outs_asked_for_wins_over_the_options():
    assert vary(AugmentOptions(cutout=0), cutout=1.0).cut_out.all()
    assert not vary(AugmentOptions(cutout=1), cutout=0.0).cut_out.any()
    assert vary(None, cutout=1.0).cut_out.all()


def test_a_cut_out_paints_its_part_and_nothing_else():
    variation = vary(STILL, cutout=1.0)
    for view in range(8):
        crop = picture()
        before = crop.copy()
        variation.paint(view, crop)
        x0, y0, x1, y1 = variation.parts[view]
        assert (crop[y0:y1, x0:x1] == variation.paints[view]).all()
        crop[y0:y1, x0:x1] = before[y0:y1, x0:x1]
        assert np.array_equal(crop, before)
        assert 0 < (x1 - x0) * (y1 - y0) <= 0.26 * H * W


@pytest.mark.parametrize("seed", range(4))
def test_colours_follow_brightness_contrast_saturation_and_hue(seed):
    variation = vary(AugmentOptions(color=0.3), seed)
    crop = picture(seed)
    values = crop.astype(float)
    luma = np.array([0.299, 0.587, 0.114])
    mean = (values.mean(axis=(0, 1)) * luma).sum()
    contrasted = variation.contrast[2] * (values @ variation.colors[2].T - mean) + mean
    expected = np.clip(variation.brightness[2] * contrasted, 0, 255)
    variation.paint(2, crop)
    assert np.abs(crop - expected).max() < 0.8  # OpenCV computes with 10 binary places


def test_saturation_and_hue_leave_grey_grey():
    colors = vary(AugmentOptions(color=1)).colors
    assert np.allclose(colors @ np.ones(3), 1, atol=5e-3)
    assert np.ptp(colors, axis=0).max() > 0.2
