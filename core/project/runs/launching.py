"""Starting a trainer that outlives whoever started it, and ending it by force.

The trainer is a process of its own session with nice 10, whose only channel is the run's folder. A
lock that it inherits (launch.lock) tells from its first instant on whether the process that was
started still lives, long before it has imported torch and holds the run's own lock.

Traps: never QProcess, it dies with the window. A pid may belong to somebody else by now, so signals
are sent only while the lock shows that the process which wrote it lives. Windows cannot hand locks
down; there a trainer that has said nothing for a while after its launch counts as dead.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import CommandRefusedError
from core.files import write_text_atomically
from core.formats.fields import read_json
from core.project.runs import liveness

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.project.runs.folder import RunFolder

NICENESS = 10
_LAUNCH, LAUNCH_LOCK_FILE = "launch.json", "launch.lock"
_START_S = 60.0  # only where locks cannot be handed down
_POLL_S = 0.05
_SMALL = 1 << 20
_PACKAGE_FOLDERS = ("site-packages", "dist-packages")


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """launch.json: the newest start of a trainer.

    Attributes:
        time: seconds since 1970.
        host: where.
        events_end: of events.jsonl then; as long as it is the same, the trainer has said nothing.
        pid: of the process that was started; 0 where it could not be noted any more.
    """

    time: float
    host: str
    events_end: int
    pid: int = 0


def trainer_command(run: RunFolder, *, processes: int = 1, resume: bool = False) -> list[str]:
    """The command that trains a run: one process, or torch's own launcher of several."""
    launcher = (
        ["-m", "torch.distributed.run", f"--nproc-per-node={processes}", "--standalone"]
        if processes > 1
        else []
    )
    options = ["--resume"] if resume else []
    return [sys.executable, *launcher, "-m", "trainer", str(run.path), *options]


def start_trainer(
    run: RunFolder,
    *,
    processes: int = 1,
    resume: bool = False,
    command: Sequence[str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a trainer in the background; it goes on when this process ends.

    Args:
        run: to train; a pending request to stop is taken back.
        processes: that share the work, one for each GPU.
        resume: go on from the newest checkpoint.
        command: another program that works on the run's folder, such as a prediction.

    Returns:
        The process; poll it now and then, so that the system can forget it when it has ended.

    Raises:
        CommandRefusedError: a trainer works on the run already, or it cannot be started.
    """
    if run.is_alive():
        raise CommandRefusedError(f"A trainer works on the run {run.id} already.")
    words = list(command or trainer_command(run, processes=processes, resume=resume))
    launch = Launch(time=time.time(), host=socket.gethostname(), events_end=run.events_end())
    try:
        lock = liveness.acquire(run.path / LAUNCH_LOCK_FILE, wait_s=0.5)
        if lock is None:
            raise CommandRefusedError(f"A trainer of the run {run.id} is being started already.")
        with lock:
            run.withdraw_stop()
            _write(run, launch)
            process = _popen(run, words, environment(run, processes), lock)
            with suppress(OSError):  # it has been started, and says itself where it finds no room
                _write(run, replace(launch, pid=process.pid))
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        why = error.strerror or str(error)
        raise CommandRefusedError(f"The trainer cannot be started: {place}{why}.") from error
    return process


def read_launch(run: RunFolder) -> Launch | None:
    """The newest start; None where the trainer was never started by `start_trainer`."""
    path = run.path / _LAUNCH
    if not path.is_file():
        return None
    node = read_json(path, _SMALL)
    return Launch(
        time=node["time"].number(),
        host=node["host"].text(),
        events_end=node["events_end"].integer(0, 1 << 40),
        pid=node["pid"].integer(0, 1 << 31),
    )


def is_launch_alive(run: RunFolder, launch: Launch) -> bool:
    """Whether the process that was started still lives."""
    if sys.platform == "win32":
        return run.is_alive() or time.time() - launch.time < _START_S
    return liveness.is_held(run.path / LAUNCH_LOCK_FILE)


def cancel_trainer(run: RunFolder, *, grace_s: float = 15.0) -> None:
    """End the trainer of a run by force: terminate, then kill; the run says so afterwards.

    Args:
        run: whose trainer to end; nothing happens where none lives.
        grace_s: seconds between the two.

    Raises:
        CommandRefusedError: it runs on another machine, or does not end.
    """
    if not _is_anything_alive(run):
        return
    signals = (signal.SIGTERM,) if sys.platform == "win32" else (signal.SIGTERM, signal.SIGKILL)
    for number in signals:
        for pid in _pids(run):
            _signal(pid, number)
        until = time.monotonic() + grace_s
        while _is_anything_alive(run) and time.monotonic() < until:
            time.sleep(_POLL_S)
    if _is_anything_alive(run):
        raise CommandRefusedError(f"The trainer of the run {run.id} does not end.")
    with run.lock():
        if run.state().finished is None:
            run.finish("cancelled", "Ended on request, without a last checkpoint.")


def environment(run: RunFolder, processes: int = 1) -> dict[str, str]:
    """The environment of a trainer: its share of the CPU, and where its modules are.

    A number of threads that the run or the caller's own environment asks for stays.
    """
    return process_environment(run.config.run.threads, processes)


def process_environment(threads: int = 0, processes: int = 1) -> dict[str, str]:
    """As `environment`, for a process of the trainer's package that works on no run.

    Args:
        threads: of each process; 0 = as the caller's own environment asks, or its share.
        processes: that share the CPU.
    """
    share = max(1, num_cores() // processes)
    root = _source_root()
    path = [root, os.environ.get("PYTHONPATH", "")] if root else [os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "OMP_NUM_THREADS": str(threads or os.environ.get("OMP_NUM_THREADS") or share),
        "PYTHONPATH": os.pathsep.join(part for part in path if part),
        # A run's folder may come from elsewhere: no module is ever imported from it.
        "PYTHONSAFEPATH": "1",
        "PYTHONFAULTHANDLER": "1",
    }


def num_cores() -> int:
    """CPU cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _popen(
    run: RunFolder, words: list[str], env: dict[str, str], lock: liveness.AliveLock
) -> subprocess.Popen[bytes]:
    with run.stderr_log.open("ab") as log:
        if sys.platform == "win32":
            flags = (
                subprocess.CREATE_NEW_PROCESS_GROUP
                | subprocess.CREATE_NO_WINDOW
                | subprocess.BELOW_NORMAL_PRIORITY_CLASS
            )
            return subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=run.path,
                env=env,
                creationflags=flags,
            )
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=run.path,
            env=env,
            start_new_session=True,
            pass_fds=(lock.descriptor,),
        )
    try:
        # At once, while it has one thread only: later threads and processes inherit it.
        os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
    except (ProcessLookupError, PermissionError):
        return process  # it is gone already, or it was started nicer than this
    return process


def _source_root() -> str:
    """The folder of a trainer that is not installed, or an empty text."""
    spec = importlib.util.find_spec("trainer")
    if spec is None or spec.origin is None:
        return ""
    root = Path(spec.origin).parents[1]
    return "" if root.name in _PACKAGE_FOLDERS else str(root)


def _write(run: RunFolder, launch: Launch) -> None:
    write_text_atomically(run.path / _LAUNCH, json.dumps(asdict(launch)))


def _is_anything_alive(run: RunFolder) -> bool:
    launch = read_launch(run)
    return run.is_alive() or (launch is not None and is_launch_alive(run, launch))


def _pids(run: RunFolder) -> set[int]:
    """Living processes of a run on this machine: the one started, and the one that writes."""
    launch, holder = read_launch(run), run.holder()
    alive: dict[int, str] = {}
    if launch is not None and launch.pid and is_launch_alive(run, launch):
        alive[launch.pid] = launch.host
    if holder is not None and run.is_alive():
        alive[holder.pid] = holder.host
    here = socket.gethostname()
    elsewhere = {host for host in alive.values() if host != here}
    if elsewhere:
        raise CommandRefusedError(
            f"The trainer of the run {run.id} works on {', '.join(sorted(elsewhere))}; "
            "cancel it there, or ask it to stop."
        )
    assert os.getpid() not in alive, "a process does not cancel itself"
    return set(alive)


def _signal(pid: int, number: int) -> None:
    """Send a signal to a process, and to its group where it leads one; it may be gone by now."""
    try:
        if sys.platform != "win32" and os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        return
