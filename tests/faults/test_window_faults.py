"""The window killed while it edits and while a trainer that it started works."""

import os
import sys

import pytest

if sys.platform == "win32":
    pytest.skip("kills by POSIX signals", allow_module_level=True)

from benchmarks.fault_window import killed_window
from benchmarks.fault_world import make_project

pytestmark = pytest.mark.skipif(
    sys.platform == "linux" and not os.environ.get("DISPLAY"), reason="no display"
)


def check(tmp_path, times, seed):
    case = killed_window(make_project(tmp_path), tmp_path, times, seed)
    assert case.wrong == []
    assert case.went_on
    assert case.times == times


def test_a_window_killed_at_random_loses_no_edit_and_its_trainer_does_not_notice(tmp_path):
    check(tmp_path, times=2, seed=3)


@pytest.mark.slow
def test_a_window_killed_twenty_times_loses_no_edit(tmp_path):
    check(tmp_path, times=20, seed=4)
