"""Real processes that write to a run and are killed: what is left tells the truth."""

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.errors import CommandRefusedError
from core.files import write_text_atomically
from core.project.runs import events as ev
from core.project.runs import launching
from core.project.runs.config import RunOptions, TrainConfig
from core.project.runs.folder import RunFolder
from core.project.runs.following import RunFollower, report_of
from core.project.runs.launching import (
    NICENESS,
    cancel_trainer,
    environment,
    num_cores,
    read_launch,
    start_trainer,
    trainer_command,
)
from core.project.runs.states import LIVING

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills by signals")

# A small trainer in earnest: it locks, counts, obeys STOP, and goes on where it was.
TRAINER = """
import sys, time
from pathlib import Path
from core.project.runs import events as ev
from core.project.runs.folder import RunFolder

run, pause, steps = RunFolder.open(Path(sys.argv[1])), float(sys.argv[2]), int(sys.argv[3])
with run.lock():
    done = run.state().progress
    first = done[-1].step if done else 0
    run.append(ev.RunStarted(device="cpu", device_name="CPU", memory_bytes=1, num_processes=1,
                             resumed=first > 0, labelled=1, unlabelled=1, held_out=1))
    run.append(ev.StageStarted(stage="pretrain", steps=steps, first_step=first))
    for step in range(first + 1, steps + 1):
        run.append(ev.Progress(stage="pretrain", step=step, steps=steps, seconds_left=1.0,
                               losses={"supervised": 1 / step}, seconds_per_step=pause))
        run.beat()
        if run.stop_requested():
            run.finish("stopped", "Asked to stop.")
            sys.exit(0)
        time.sleep(pause)
    run.append(ev.StageFinished(stage="pretrain"))
    run.finish("done")
"""
LONG = 1_000_000


@pytest.fixture
def run(tmp_path):
    return RunFolder.create(tmp_path / "runs", TrainConfig(run=RunOptions(threads=1)))


def command(run, pause=0.001, steps=LONG):
    return [sys.executable, "-c", TRAINER, str(run.path), str(pause), str(steps)]


def wait_for(run, condition, seconds=20.0):
    follower = RunFollower(run)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        report = follower.poll()
        if condition(report):
            return report
        time.sleep(0.01)
    raise AssertionError(f"still {report.status} after {seconds} s: {run.stderr_tail()}")


def is_working(report):
    return report.status == "running" and report.state.progress != ()


def end(process):
    """A killed process must not be left to the tests after this one."""
    process.kill()
    process.wait(timeout=10)


def test_a_run_from_start_to_end(run):
    assert report_of(run).status == "created"
    process = start_trainer(run, command=command(run, 0.0, 20))
    first = report_of(run)
    assert first.status in {"starting", "running"}
    report = wait_for(run, lambda report: report.status not in LIVING)
    assert report.status == "done"
    assert [event.step for event in report.state.progress] == list(range(1, 21))
    assert process.wait(timeout=10) == 0
    assert run.exit_record().code == 0
    assert not run.is_alive()


def test_that_a_trainer_that_was_started_is_none_that_was_refused(run, monkeypatch):
    """On a disk that is full by then its number cannot be noted; it works all the same."""

    def write(path, text):
        if '"pid": 0' not in text:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_text_atomically(path, text)

    monkeypatch.setattr(launching, "write_text_atomically", write)
    process = start_trainer(run, command=command(run, 0.0, 20))
    assert wait_for(run, lambda report: report.status not in LIVING).status == "done"
    assert process.wait(timeout=10) == 0
    assert read_launch(run).pid == 0


def test_a_stop_is_obeyed_and_a_resume_goes_on(run):
    process = start_trainer(run, command=command(run))
    wait_for(run, is_working)
    run.request_stop()
    stopped = wait_for(run, lambda report: report.status == "stopped")
    assert process.wait(timeout=10) == 0
    last = stopped.state.progress[-1].step
    run.request_stop()  # one that came too late must not end the next one at once
    process = start_trainer(run, command=command(run, 0.0, last + 5))
    report = wait_for(run, lambda report: report.status not in LIVING)
    assert process.wait(timeout=10) == 0
    assert report.status == "done"
    assert report.state.started.resumed
    assert [event.step for event in report.state.progress] == list(range(1, last + 6))


def test_a_trainer_outlives_who_started_it_and_is_found_again(run):
    starter = (
        "import sys\nfrom pathlib import Path\n"
        "from core.project.runs.folder import RunFolder\n"
        "from core.project.runs.launching import start_trainer\n"
        "print(start_trainer(RunFolder.open(Path(sys.argv[1])), command=sys.argv[2:]).pid)\n"
    )
    root = Path(__file__).parents[2]
    told = subprocess.run(
        [sys.executable, "-c", starter, str(run.path), *command(run)],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
    )
    pid = int(told.stdout)
    wait_for(run, is_working)
    assert run.holder().pid == pid
    assert os.getsid(pid) == pid
    assert os.getpriority(os.PRIO_PROCESS, pid) >= NICENESS
    with pytest.raises(CommandRefusedError, match="already"):
        start_trainer(run, command=command(run))
    cancel_trainer(run, grace_s=5)
    report = report_of(run)
    assert report.status == "cancelled"
    assert not run.is_alive()


def test_a_trainer_that_heeds_no_signal_is_killed(run):
    deaf = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + TRAINER
    words = command(run)
    process = start_trainer(run, command=[*words[:2], deaf, *words[3:]])
    wait_for(run, is_working)
    cancel_trainer(run, grace_s=0.3)
    assert process.wait(timeout=10) == -signal.SIGKILL
    assert report_of(run).status == "cancelled"
    cancel_trainer(run)  # nothing lives; nothing happens


def test_a_trainer_that_does_not_start_is_said_with_its_last_line(run):
    process = start_trainer(run, command=[sys.executable, "-c", "raise MemoryError('no room')"])
    assert process.wait(timeout=10) == 1
    report = report_of(run)
    assert report.status == "failed"
    assert "no room" in report.text
    assert report.state.started is None


def test_a_trainer_is_starting_until_it_speaks_and_only_one_may(run):
    process = start_trainer(run, command=[sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        assert report_of(run).status == "starting"
        with pytest.raises(CommandRefusedError, match="being started"):
            start_trainer(run, command=command(run))
        cancel_trainer(run, grace_s=5)
        assert report_of(run).status == "cancelled"
    finally:
        end(process)


def test_a_program_that_is_not_there_is_refused(run):
    with pytest.raises(CommandRefusedError, match="no-such-program"):
        start_trainer(run, command=["no-such-program"])
    assert report_of(run).status == "failed"


def test_nothing_is_imported_from_a_runs_folder(run):
    (run.path / "planted.py").write_text("print('imported')")
    process = start_trainer(run, command=[sys.executable, "-m", "planted"])
    assert process.wait(timeout=10) == 1
    assert "imported" not in run.stderr_tail()


def test_the_environment_shares_the_cores(run, tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert environment(run)["OMP_NUM_THREADS"] == "1"
    plain = RunFolder.create(tmp_path / "runs", TrainConfig(), name="plain")
    assert environment(plain)["OMP_NUM_THREADS"] == str(num_cores())
    assert environment(plain, processes=1000)["OMP_NUM_THREADS"] == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert environment(plain)["OMP_NUM_THREADS"] == "3"


def test_the_command_is_one_process_or_torchs_launcher(run):
    assert trainer_command(run) == [sys.executable, "-m", "trainer", str(run.path)]
    several = trainer_command(run, processes=4, resume=True)
    assert several[1:5] == ["-m", "torch.distributed.run", "--nproc-per-node=4", "--standalone"]
    assert several[5:] == ["-m", "trainer", str(run.path), "--resume"]


def test_a_forked_child_does_not_keep_a_dead_trainer_alive(run):
    forking = (
        "import os, sys, time\nfrom pathlib import Path\n"
        "from core.project.runs.folder import RunFolder\n"
        "run = RunFolder.open(Path(sys.argv[1]))\nlock = run.lock()\n"
        "child = os.fork()\n"
        "if child == 0:\n    time.sleep(30)\n    os._exit(0)\n"
        "print(child, flush=True)\ntime.sleep(30)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", forking, str(run.path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as parent:
        child = int(parent.stdout.readline())
        try:
            assert run.is_alive()
            parent.kill()
            parent.wait()
            assert not run.is_alive()
        finally:
            os.kill(child, signal.SIGKILL)


def kill_often(run, num_kills):
    """Kill a trainer at random moments, watched all the while; return the last step."""
    rng = random.Random(11)
    follower = RunFollower(run)
    seen = 0
    for _ in range(num_kills):
        process = start_trainer(run, command=command(run, 0.0))
        assert read_launch(run).pid == process.pid
        # Half of them while they start, half while they write.
        is_early = rng.random() < 0.5
        lifetime_s = rng.uniform(0.0, 1.5 if is_early else 0.1)
        began = time.monotonic() if is_early else None
        while began is None or time.monotonic() < began + lifetime_s:
            report = follower.poll()
            assert report.status in {"starting", "running"}, report.text
            if began is None and len(report.state.progress) > seen:
                began = time.monotonic()
        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=10)
        report = follower.poll()
        assert report.status in {"killed", "failed"}
        assert (report.status == "killed") == (report.state.started is not None) or seen
        steps = [event.step for event in report.state.progress]
        assert steps == list(range(1, len(steps) + 1)), "each step is told once"
        assert len(steps) >= seen, "what was told is never lost"
        seen = len(steps)
        assert report.state.unknown == ()
        assert report.state == run.state(), "a follower sees what a newcomer sees"
    return seen


def test_a_trainer_killed_at_any_moment_leaves_whole_lines_and_the_truth(run):
    assert kill_often(run, 8) > 0
    process = start_trainer(run, command=command(run, 0.0, run.state().progress[-1].step + 3))
    report = wait_for(run, lambda report: report.status not in LIVING)
    assert process.wait(timeout=10) == 0
    assert report.status == "done"


@pytest.mark.slow
def test_a_trainer_killed_a_hundred_times_leaves_whole_lines_and_the_truth(run):
    assert kill_often(run, 100) > 0


def test_half_written_ends_of_any_length_are_survived(run):
    """What kills within a write leave, at every length; the system itself makes few of them."""
    with run.lock():
        run.append(ev.Notice(level="info", code="a", text="first"))
    line = ev.encode_event(ev.Notice(level="info", code="b", text="second"))
    path = run.path / "events.jsonl"
    whole = path.read_bytes()
    for cut in range(1, len(line)):
        path.write_bytes(whole + line[:cut])
        assert [notice.code for notice in run.state().notices] == ["a"]
        with run.lock():
            run.append(ev.Notice(level="info", code="c", text="third"))
        assert [notice.code for notice in run.state().notices] == ["a", "c"]
