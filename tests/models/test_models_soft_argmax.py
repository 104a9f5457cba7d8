"""Soft-argmax, its half-pixel convention and the Gaussian targets, against METHOD's numbers."""

import pytest
import torch

from core.models.detector import TEMPERATURES
from core.models.soft_argmax import (
    cells_from_crop_px,
    crop_px_from_cells,
    gaussian_maps,
    heights_at,
    soft_argmax,
)

PAPER_HW = (80, 64)


def peak(x: float, y: float, hw=PAPER_HW, *, height=1.0, sigma=2.0) -> torch.Tensor:
    """A map with one Gaussian at a heatmap cell."""
    return height * gaussian_maps(crop_px_from_cells(torch.tensor([x, y])), hw, sigma)


def test_temperature_1_decodes_far_from_the_peak_as_method_says():
    decoded = soft_argmax(peak(10, 15), 1.0)
    assert decoded.round().tolist() == [31, 39]


@pytest.mark.parametrize("temperature", [20.0, 50.0, 100.0])
def test_a_temperature_from_20_on_decodes_the_peak(temperature):
    decoded = soft_argmax(peak(10, 15), temperature)
    torch.testing.assert_close(decoded, torch.tensor([10.0, 15.0]), atol=0.01, rtol=0)


@pytest.mark.parametrize(("family", "hw"), [("small", (32, 24)), ("fastpose", PAPER_HW)])
def test_the_default_temperature_decodes_peaks_between_cells(family, hw):
    generator = torch.Generator().manual_seed(0)
    cells = torch.rand((500, 2), generator=generator) * torch.tensor([hw[1] - 9, hw[0] - 9]) + 4
    maps = gaussian_maps(crop_px_from_cells(cells), hw, 2.0)
    error = (soft_argmax(maps, TEMPERATURES[family]) - cells).abs().max().item()
    # The softmax is σ/√β wide: 0.45 cells at 20; 0.2 at 100, which snaps towards cell centres.
    assert error < {"small": 0.05, "fastpose": 0.35}[family]


def test_the_small_detectors_temperature_still_decodes_half_high_peaks_on_its_map():
    decoded = soft_argmax(peak(4.3, 26.6, (32, 24), height=0.5), TEMPERATURES["small"])
    torch.testing.assert_close(decoded, torch.tensor([4.3, 26.6]), atol=0.4, rtol=0)


def test_a_cell_is_four_pixels_wide_with_its_centre_between_them():
    cells = torch.tensor([[0.0, 0.0], [10.0, 15.0]])
    px = crop_px_from_cells(cells)
    assert px.tolist() == [[1.5, 1.5], [41.5, 61.5]]
    torch.testing.assert_close(cells_from_crop_px(px), cells)


def test_targets_are_decoded_as_the_points_they_were_made_from():
    points_px = torch.tensor([[50.25, 40.5], [20.0, 100.75]])
    cells = soft_argmax(gaussian_maps(points_px, (32, 24)), 20.0)
    torch.testing.assert_close(crop_px_from_cells(cells), points_px, atol=0.2, rtol=0)


def test_a_target_has_height_1_at_its_point_and_falls_by_its_sigma():
    target = gaussian_maps(crop_px_from_cells(torch.tensor([5.0, 7.0])), (16, 12), 2.0)
    assert target[7, 5].item() == 1
    torch.testing.assert_close(target[7, 7], torch.tensor(-0.5).exp())
    torch.testing.assert_close(target[9, 7], torch.tensor(-1.0).exp())


def test_a_missing_point_has_an_empty_target():
    points = torch.tensor([[10.0, float("nan")], [10.0, 10.0]])
    empty, full = gaussian_maps(points, (16, 12))
    assert (empty == 0).all()
    assert full.max() > 0.9


def test_heights_are_read_where_they_stand():
    heatmap = torch.zeros(1, 1, 4, 5)
    heatmap[0, 0, 2, 3] = 1
    places = torch.tensor([[[3.0, 2.0]], [[2.5, 2.0]], [[3.0, 1.75]], [[9.0, 9.0]]])
    heights = heights_at(heatmap.expand(4, 1, 4, 5), places)
    torch.testing.assert_close(heights[:, 0], torch.tensor([1.0, 0.5, 0.75, 0.0]))


def test_two_equal_peaks_are_decoded_between_them_where_the_map_is_low():
    both = peak(10, 15) + peak(40, 15)
    cells = soft_argmax(both, 50.0)
    torch.testing.assert_close(cells, torch.tensor([25.0, 15.0]), atol=0.01, rtol=0)
    assert heights_at(both[None, None], cells[None, None]).item() < 0.01


def test_half_precision_maps_are_decoded_in_float32():
    maps = peak(30, 41).bfloat16()
    decoded = soft_argmax(maps, 100.0)
    assert decoded.dtype == torch.float32
    torch.testing.assert_close(decoded, torch.tensor([30.0, 41.0]), atol=0.01, rtol=0)


def test_autocast_leaves_the_decoding_in_float32():
    exact = soft_argmax(peak(30.3, 41.6), 20.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(soft_argmax(peak(30.3, 41.6), 20.0), exact, atol=0, rtol=0)


def test_the_gradient_of_the_decoding_is_exact():
    maps = torch.rand((2, 3, 5, 4), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda m: soft_argmax(m, 7.0), (maps,))
