"""Waiting for the turn on a device, said as events; see `core.project.runs.turns`.

Of several processes the first on each machine takes the tickets for all of them: of every device
that they use, one after the other in the order of the lines, so that two runs never hold what the
other waits for. The others wait with it.

Trap: the ranks' own patience with one another is bounded, so they agree every few instants while
they wait, however long that is. Nothing is put onto the device before the turn has come, but for
what nccl needs where there are several.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from core.errors import CommandRefusedError
from core.project.runs.events import Notice, Waiting
from core.project.runs.turns import line_name, take_turn
from trainer.context import LeftEarlyError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from typing import Literal

    from core.project.runs.config import RunOptions
    from core.project.runs.events import Event
    from core.project.runs.folder import RunFolder
    from core.project.runs.turns import Ticket
    from trainer.device import Device
    from trainer.distributed import Ranks

_POLL_S = 0.3


@contextmanager
def its_turn(
    folder: RunFolder,
    device: Device,
    devices: Sequence[str],
    ranks: Ranks,
    emit: Callable[[Event], None],
    asked_to_leave: Callable[[], Literal["stop", "cancel"] | None],
) -> Generator[None]:
    """Inside of this no other run works on these devices.

    Args:
        folder: of the run.
        device: of this process.
        devices: to wait for on this machine (`devices_here`).
        ranks: the processes of the run.
        emit: says `Waiting`, on the first rank.
        asked_to_leave: whether somebody wants it to leave.

    Raises:
        LeftEarlyError: somebody asked to leave before the turn had come.
    """
    line = _Line(folder, emit)
    with ExitStack() as held:
        for name in devices:
            if ranks.local_rank == 0:
                line.join(name, held)
            while ranks.any(line.is_waiting(), device.device):
                _leave_if_asked(ranks, device, asked_to_leave())
                time.sleep(_POLL_S)
        yield


def devices_here(options: RunOptions, device_of: Callable[[RunOptions, int], Device]) -> list[str]:
    """The devices that the run's processes on this machine use, in the order of their lines.

    That order is the same for all runs, whatever each calls its devices (CUDA_VISIBLE_DEVICES).

    Args:
        options: of the run.
        device_of: the device of a process, by its place on this machine.
    """
    count = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    devices = {str(device_of(options, place).device) for place in range(count)}
    return sorted(devices, key=lambda device: line_name(device, os.environ))


class _Line:
    """This process's place in the line of the device that it waits for now."""

    def __init__(self, folder: RunFolder, emit: Callable[[Event], None]) -> None:
        self._folder = folder
        self._emit = emit
        self._ahead: Callable[[], tuple[Ticket, ...]] = tuple
        self._device = ""
        self._said: tuple[str, int] | None = None

    def join(self, device: str, held: ExitStack) -> None:
        """Take a ticket, given back at the end; where there is no line, say so and go on."""
        self._device, self._said = device, None
        try:
            turn = take_turn(device, self._folder.path)
        except CommandRefusedError as error:
            text = f"{error} The run goes on without waiting for others."
            self._emit(Notice(level="warning", code="no-turns", text=text))
            self._ahead = tuple
            return
        held.callback(turn.give_back)
        self._ahead = turn.ahead

    def is_waiting(self) -> bool:
        """Whether others are before this process; said whenever that changes."""
        ahead = self._ahead()
        if not ahead:
            return False
        place = (str(ahead[0].run), len(ahead))
        if place != self._said:
            self._said = place
            self._emit(Waiting(device=self._device, ahead=place[1], run=place[0]))
        return True


def _leave_if_asked(ranks: Ranks, device: Device, asked: Literal["stop", "cancel"] | None) -> None:
    if ranks.any(asked == "cancel", device.device):
        raise LeftEarlyError("cancelled", "Cancelled while it waited for its turn.")
    if ranks.any(asked == "stop", device.device):
        raise LeftEarlyError("stopped", "Stopped while it waited for its turn; resume it to go on.")
