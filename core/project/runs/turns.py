"""Whose turn it is on a device of this machine: a line of tickets, one line for each device.

A trainer takes a ticket, waits until it is the oldest living one, trains, and gives it back; so two
runs never share a GPU, whichever windows, terminals or projects they come from. Tickets lie in the
user's state folder; a ticket lives as long as the lock beside it is held, so that a killed trainer
holds nobody up, and its ticket is swept away by the next who comes.

Traps: the order is a count, never the clock, which may be wrong. Changes are made under the line's
own guard, or two could take the same number; giving back needs none, since it takes its files away
while it still holds the lock. A GPU named by its index in one process and by its
UUID in another (CUDA_VISIBLE_DEVICES) has two lines.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from core.errors import CommandRefusedError, DataError
from core.files import write_text_atomically
from core.formats.fields import read_json
from core.project.runs import liveness

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

STATE_ENV = "TRILABEL_STATE"
_GUARD = "guard.lock"
_GUARD_WAIT_S = 10.0
_SMALL = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A trainer's place in the line of a device; the first of a line is the one at work.

    Attributes:
        number: in the order of coming.
        pid: of the trainer.
        run: the run's folder.
        time: when it came, seconds since 1970; to show, never to compare.
    """

    number: int
    pid: int
    run: Path
    time: float


class Turn:
    """A place in a line that this process holds; ends with `give_back` or with the process."""

    def __init__(self, folder: Path, ticket: Ticket, lock: liveness.AliveLock) -> None:
        """Made by `take_turn`."""
        self.ticket = ticket
        self._folder = folder
        self._lock = lock
        self._is_over = False

    def ahead(self) -> tuple[Ticket, ...]:
        """Living tickets before this one, the one at work first; empty where it is its turn."""
        return tuple(t for t in _living(self._folder) if t.number < self.ticket.number)

    def give_back(self) -> None:
        """Let the next one go on. Twice does nothing."""
        if self._is_over:
            return
        self._is_over = True
        path, lock_path = _paths(self._folder, self.ticket.number)
        path.unlink(missing_ok=True)
        if sys.platform != "win32":  # there it goes with the lock itself
            # While it is held: once it is not, somebody else may be given this very number.
            lock_path.unlink(missing_ok=True)
        self._lock.release()


def take_turn(device: str, run: Path) -> Turn:
    """Join the line of a device, at its end.

    Args:
        device: as torch names it, such as ``cuda:0`` or ``cpu``.
        run: the run's folder.

    Raises:
        CommandRefusedError: the line cannot be joined, since the state folder cannot be written to.
    """
    folder = _line_folder(device)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _guarded(folder):
            _sweep(folder)
            number = max(_numbers(folder), default=0) + 1
            path, lock_path = _paths(folder, number)
            lock = liveness.acquire(lock_path, wait_s=1.0)
            assert lock is not None, "nobody else has this number"
            ticket = Ticket(number=number, pid=os.getpid(), run=run.absolute(), time=time.time())
            told = {"pid": ticket.pid, "run": str(ticket.run), "time": ticket.time}
            try:
                write_text_atomically(path, json.dumps(told))
            except BaseException:
                lock.release()
                raise
    except OSError as error:
        why = error.strerror or str(error)
        raise CommandRefusedError(f"The line of {device} cannot be joined: {why}.") from error
    return Turn(folder, ticket, lock)


def waiting_line(device: str) -> tuple[Ticket, ...]:
    """Who works on a device of this machine, then who waits for it; empty where it is free."""
    return _living(_line_folder(device))


def state_folder() -> Path:
    """Where lines are kept: the user's state folder, or where TRILABEL_STATE says."""
    told = os.environ.get(STATE_ENV)
    return Path(told) if told else platformdirs.user_state_path("trilabel", appauthor=False)


def line_name(device: str, environ: Mapping[str, str]) -> str:
    """The line of a device: of the GPU itself, where this process sees only some of them."""
    kind, _, index = device.partition(":")
    seen = environ.get("CUDA_VISIBLE_DEVICES", "")
    if kind != "cuda":
        return kind
    place = int(index) if index.isdigit() else 0
    names = [name.strip() for name in seen.split(",") if name.strip()]
    name = names[place] if place < len(names) else str(place)
    return "cuda-" + re.sub(r"[^A-Za-z0-9-]+", "-", name)


def _line_folder(device: str) -> Path:
    # Of this machine: a home folder may be shared by many, and their locks with it.
    host = re.sub(r"[^A-Za-z0-9.-]+", "-", socket.gethostname()) or "here"
    return state_folder() / "turns" / host / line_name(device, os.environ)


def _paths(folder: Path, number: int) -> tuple[Path, Path]:
    return folder / f"{number:08d}.json", folder / f"{number:08d}.lock"


def _numbers(folder: Path) -> list[int]:
    names = {entry.stem for entry in folder.glob("*.json")} | {
        entry.stem for entry in folder.glob("*.lock")
    }
    return sorted(int(name) for name in names if name.isdigit())


def _living(folder: Path) -> tuple[Ticket, ...]:
    """The living tickets in their order; damaged ones are nobody's."""
    found = (_ticket(folder, number) for number in _numbers(folder))
    return tuple(ticket for ticket in found if ticket is not None)


def _ticket(folder: Path, number: int) -> Ticket | None:
    path, lock = _paths(folder, number)
    try:
        if not liveness.is_held(lock):
            return None
        node = read_json(path, _SMALL)
        return Ticket(
            number=number,
            pid=node["pid"].integer(0, 1 << 31),
            run=Path(node["run"].text()),
            time=node["time"].number(),
        )
    except (OSError, DataError):  # given back in this instant, or damaged
        return None


def _sweep(folder: Path) -> None:
    """Remove what the dead left behind; under the guard."""
    for number in _numbers(folder):
        path, lock = _paths(folder, number)
        if not liveness.is_held(lock):
            path.unlink(missing_ok=True)
            lock.unlink(missing_ok=True)
    for temporary in folder.glob(".*.tmp*"):
        temporary.unlink(missing_ok=True)


@contextmanager
def _guarded(folder: Path) -> Generator[None]:
    guard = liveness.acquire(folder / _GUARD, wait_s=_GUARD_WAIT_S)
    if guard is None:
        raise OSError("another process keeps its guard")
    with guard:
        yield
