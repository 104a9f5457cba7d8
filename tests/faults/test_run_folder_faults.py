"""Run folders that something else has damaged, outgrown or set to another hour."""

import sys

import pytest

if sys.platform == "win32":
    pytest.skip("goes on with trainers that it kills", allow_module_level=True)

from benchmarks.fault_cases import damaged_predictions, newer, skewed


def test_no_damage_to_a_prediction_file_gives_other_values_or_frames_gone_without_a_word(done_run):
    case = damaged_predictions(done_run, times=12, seed=1)
    assert case.wrong == []
    assert case.told["the file, named"] > 0


@pytest.mark.slow
def test_three_hundred_damages_give_no_other_values(done_run):
    assert damaged_predictions(done_run, times=300, seed=2).wrong == []


def test_a_run_of_a_newer_version_is_told_as_such(done_run):
    case = newer(done_run)
    assert case.wrong == []
    assert case.told == {"Made by a newer trilabel": 3}


def test_clocks_that_are_an_hour_off_change_neither_state_nor_figures(done_run):
    case = skewed(done_run, resumed=False)
    assert case.wrong == []
    assert case.told == {"done": 2, "killed": 2}


@pytest.mark.slow
def test_a_run_goes_on_under_a_clock_that_is_an_hour_off(done_run):
    assert skewed(done_run, resumed=True).wrong == []
