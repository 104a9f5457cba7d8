"""What a run is doing now, for whoever watches: a window, a progress bar, a table.

A `RunFollower` reads only what is new. Trap: liveness must be asked *before* the events are read;
the other way round, a trainer that ends in between would look killed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from core.project.runs.gist import gist_of
from core.project.runs.launching import is_launch_alive, read_launch
from core.project.runs.states import RunState, RunStatus, fold

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.project.runs.events import Event
    from core.project.runs.folder import RunFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """A run at an instant.

    Attributes:
        status: what it is doing.
        text: why, in a sentence; empty where there is nothing to say.
        state: what its events add up to.
        events: those since the last report.
        silent_s: seconds since its heart was seen to beat; 0 where it does not live.
        quiet_s: seconds since its newest event was read, by this machine's steady clock; a time
            left that was said counts down by these, whatever the clocks of the machines say.
        is_whole: whether all events are in the state; else its curves have their end only.
    """

    status: RunStatus
    text: str
    state: RunState
    events: tuple[Event, ...]
    silent_s: float
    quiet_s: float = 0.0
    is_whole: bool = True


class _Life(NamedTuple):
    """Whether anybody works on a run; `events_end_at_launch` is None where nobody launched it."""

    is_alive: bool
    is_launched: bool
    events_end_at_launch: int | None


class RunFollower:
    """Watches one run; `poll` now and then, from one thread."""

    def __init__(self, run: RunFolder, pause: Callable[[], None] | None = None) -> None:
        """Begin before the first event.

        Args:
            run: to be watched.
            pause: as for `RunFolder.events`.
        """
        self.run = run
        self._pause = pause
        self._offset = 0
        self._state = RunState()
        self._beat: int | None = None
        self._beat_seen = self._heard = time.monotonic()

    def glance(self) -> RunReport | None:
        """What a long run is doing, before all that it said is read; `poll` still gives all.

        Returns:
            A report that is not whole and brings no events; None where the run is short.

        Raises:
            DataError: a file of the run cannot be read.
        """
        life = self._life()
        found = gist_of(self.run, self._pause)
        if found is None:
            return None
        events, end = found
        return self._report(life, fold(events), end, is_whole=False)

    def poll(self) -> RunReport:
        """What the run is doing now, and what it said since the last time.

        Raises:
            DataError: a file of the run cannot be read.
        """
        life = self._life()
        events, self._offset = self.run.events(self._offset, self._pause)
        if events:
            self._state, self._heard = fold(events, self._state), time.monotonic()
        return self._report(life, self._state, self._offset, events)

    def _life(self) -> _Life:
        is_alive = self.run.is_alive()
        launch = read_launch(self.run)
        is_launched = launch is not None and is_launch_alive(self.run, launch)
        return _Life(is_alive, is_launched, None if launch is None else launch.events_end)

    def _report(
        self,
        life: _Life,
        state: RunState,
        end: int,
        events: tuple[Event, ...] = (),
        *,
        is_whole: bool = True,
    ) -> RunReport:
        status, text = _judge(
            self.run,
            state,
            is_alive=life.is_alive,
            is_launched=life.is_launched,
            has_spoken=life.events_end_at_launch != end,
        )
        return RunReport(
            status=status,
            text=text,
            state=state,
            events=events,
            silent_s=self._silence() if life.is_alive else 0.0,
            quiet_s=time.monotonic() - self._heard,
            is_whole=is_whole,
        )

    def _silence(self) -> float:
        beat = self.run.heartbeat()
        now = time.monotonic()
        if beat != self._beat:
            self._beat, self._beat_seen = beat, now
        return now - self._beat_seen


def report_of(run: RunFolder) -> RunReport:
    """What a run is doing now, from its first event on."""
    return RunFollower(run).poll()


def _judge(
    run: RunFolder, state: RunState, *, is_alive: bool, is_launched: bool, has_spoken: bool
) -> tuple[RunStatus, str]:
    if not has_spoken:
        is_coming = is_alive or is_launched
        return ("starting", "") if is_coming else ("failed", _ended("did not start", run))
    left = state.finished or (None if is_alive else run.exit_record())
    if left is not None:
        return left.status, left.text
    if is_alive:
        going = "running" if state.waiting is None else "waiting"
        return ("stopping" if run.stop_requested() else going), ""
    if state.started is None and state.waiting is None:
        return "created", ""
    return "killed", _ended("was killed, or its machine went down", run)


def _ended(how: str, run: RunFolder) -> str:
    last = run.stderr_tail(1).strip()
    return f"The trainer {how}." + (f" Its last line: {last}" if last else "")
