import json
import os
import subprocess
import sys
import time

import pytest

from core.errors import CommandRefusedError
from core.project.runs.liveness import AliveLock
from core.project.runs.turns import STATE_ENV, line_name, take_turn, waiting_line

HOLDS = """
import sys, time
from pathlib import Path
from core.project.runs.turns import take_turn
turn = take_turn(sys.argv[1], Path(sys.argv[2]))
print(len(turn.ahead()), flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv(STATE_ENV, str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def holder():
    started = []

    def start(device, run):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDS, device, str(run)], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process, int(process.stdout.readline())

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_the_first_in_a_line_waits_for_nobody_and_the_next_for_it(tmp_path):
    first = take_turn("cpu", tmp_path / "a")
    assert first.ahead() == ()
    second, third = take_turn("cpu", tmp_path / "b"), take_turn("cpu", tmp_path / "c")
    assert [ticket.run.name for ticket in third.ahead()] == ["a", "b"]
    assert [ticket.run.name for ticket in waiting_line("cpu")] == ["a", "b", "c"]
    first.give_back()
    assert second.ahead() == ()
    assert [ticket.run.name for ticket in third.ahead()] == ["b"]
    second.give_back()
    second.give_back()
    third.give_back()
    assert waiting_line("cpu") == ()


def test_another_device_has_another_line(tmp_path):
    held = take_turn("cuda:0", tmp_path / "a")
    other = take_turn("cuda:1", tmp_path / "b")
    assert other.ahead() == ()
    held.give_back()
    other.give_back()


def test_a_killed_process_holds_nobody_up_and_its_ticket_is_swept_away(tmp_path, holder, state):
    process, ahead = holder("cpu", tmp_path / "killed")
    assert ahead == 0
    mine = take_turn("cpu", tmp_path / "mine")
    (before,) = mine.ahead()
    assert (before.pid, before.run) == (process.pid, tmp_path / "killed")
    process.kill()
    process.wait()
    assert mine.ahead() == ()
    next_one = take_turn("cpu", tmp_path / "next")
    names = sorted(path.name for path in state.rglob("0*"))
    assert len(names) == 4, names
    mine.give_back()
    next_one.give_back()
    assert not list(state.rglob("0*"))


def test_processes_that_come_at_once_get_places_of_their_own(tmp_path, holder):
    ahead = sorted(holder("cpu", tmp_path / f"run-{place}")[1] for place in range(3))
    assert ahead == [0, 1, 2]


def test_the_order_is_that_of_coming_whatever_the_clock_says(tmp_path, monkeypatch):
    first = take_turn("cpu", tmp_path / "a")
    monkeypatch.setattr(time, "time", lambda: 12.0)
    second = take_turn("cpu", tmp_path / "b")
    assert [ticket.run.name for ticket in second.ahead()] == ["a"]
    assert second.ticket.time == 12.0
    first.give_back()
    second.give_back()


def test_a_damaged_ticket_is_nobodys(tmp_path, state):
    held = take_turn("cpu", tmp_path / "a")
    (path,) = state.rglob("*.json")
    path.write_text(json.dumps({"pid": "?"}))
    mine = take_turn("cpu", tmp_path / "b")
    assert mine.ahead() == ()
    mine.give_back()
    held.give_back()


@pytest.mark.skipif(os.name == "nt", reason="a file in the folder's place")
def test_a_line_that_cannot_be_joined_is_refused_in_words(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(STATE_ENV, str(tmp_path / "file"))
    with pytest.raises(CommandRefusedError, match="line of cpu cannot be joined"):
        take_turn("cpu", tmp_path / "a")
    assert waiting_line("cpu") == ()


@pytest.mark.parametrize(
    ("device", "seen", "name"),
    [
        ("cpu", "", "cpu"),
        ("cuda", "", "cuda-0"),
        ("cuda:1", "", "cuda-1"),
        ("cuda:0", "3,1", "cuda-3"),
        ("cuda:1", "GPU-a/b,GPU-c:d", "cuda-GPU-c-d"),
    ],
)
def test_a_gpu_has_one_line_whichever_index_a_process_sees_it_under(device, seen, name):
    assert line_name(device, {"CUDA_VISIBLE_DEVICES": seen}) == name


def test_that_giving_a_turn_back_leaves_one_of_the_same_number_alone(tmp_path, monkeypatch):
    """The next who comes into an empty line may get the number that is just being given back."""
    first = take_turn("cpu", tmp_path / "a")
    came = []

    def release_and_somebody_comes(lock, release=AliveLock.release):
        release(lock)
        monkeypatch.setattr(AliveLock, "release", release)
        came.append(take_turn("cpu", tmp_path / "b"))

    monkeypatch.setattr(AliveLock, "release", release_and_somebody_comes)
    first.give_back()
    assert [ticket.run.name for ticket in waiting_line("cpu")] == ["b"]
    first.give_back()
    assert [ticket.run.name for ticket in waiting_line("cpu")] == ["b"], "twice does nothing"
    third = take_turn("cpu", tmp_path / "c")
    assert [ticket.run.name for ticket in third.ahead()] == ["b"]
    third.give_back()
    came[0].give_back()
