"""Trainers that are killed, halted, or find no room: told at once, nothing lost, able to go on."""

import os
import subprocess
import sys

import pytest

if sys.platform == "win32":
    pytest.skip("kills and limits by POSIX signals", allow_module_level=True)

from benchmarks.fault_cases import full_disk, full_file_system, hung, killed
from benchmarks.fault_world import TOLD_WITHIN_S


def check(case, *, told=None):
    assert case.wrong == []
    assert case.went_on
    assert case.slowest_s < TOLD_WITHIN_S
    if told is not None:
        assert set(case.told) == {told}


def test_a_trainer_killed_at_random_moments_goes_on_and_loses_nothing(hurt_project):
    check(killed(hurt_project, times=3, seed=5))


@pytest.mark.slow
def test_a_trainer_killed_at_sixty_random_moments_goes_on_and_loses_nothing(hurt_project):
    check(killed(hurt_project, times=60, seed=7))


def test_a_halted_trainer_is_told_silent_goes_on_and_can_be_cancelled(hurt_project):
    check(hung(hurt_project, halt_s=2.5), told="The trainer hangs")


@pytest.mark.slow
def test_a_trainer_that_finds_no_room_says_so_and_goes_on_where_there_is_some(hurt_project):
    check(full_disk(hurt_project, 100_000, seed=1), told="No room on the disk")
    check(full_disk(hurt_project, 1_000, seed=2))


@pytest.fixture
def small_file_system(tmp_path):
    """A file system of its own; only an administrator may make one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_file_system_is_told_by_a_run_that_lies_on_it(hurt_project, small_file_system):
    check(full_file_system(hurt_project, small_file_system), told="No room on the disk")
