"""The runs of the open project, followed on a thread of their own and told as signals.

Nothing of a run is read on the window's thread. Reports come as they are new: a run that says
nothing costs nothing. Trap: what was asked of a project that has been closed since must not be
taken for the present one's; each project has a generation, and what is older is dropped.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Qt, Signal

from app.jobs import Job
from app.runs.following_all import RunEntry, RunsFollower
from app.runs.words import short_title
from core.errors import CommandRefusedError
from core.project.runs.launching import cancel_trainer, start_trainer
from core.project.runs.states import LIVING

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from app.session import Session
    from core.project.runs.folder import RunFolder
    from core.project.runs.following import RunReport

__all__ = ["RunEntry", "RunWatch"]

_LIVING_S, _IDLE_S = 0.5, 5.0
_CLOSE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What the thread found: entries, or what is new of one run; `is_all` ends a first reading."""

    generation: int
    entries: tuple[RunEntry, ...] | None = None
    run_id: str = ""
    report: RunReport | None = None
    is_all: bool = False


class RunWatch(QObject):
    """Follows all runs of the open project.

    ``listed(entries)`` when runs have come or gone, or one cannot be read any more;
    ``reported(run_id, report)`` when a run says something new, `reports` already in step;
    ``finished(run_id, report)`` after that, once, when a run that lived while it was watched lives
    no more. ``refused(run_id, text)`` tells why starting, stopping or cancelling failed.
    """

    listed = Signal(tuple)
    reported = Signal(str, object)
    finished = Signal(str, object)
    refused = Signal(str, str)
    _told = Signal(object)

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._entries: dict[str, RunEntry] = {}
        self._reports: dict[str, RunReport] = {}
        self._lived: set[str] = set()
        self._started_here: set[str] = set()
        self._has_read_all = True
        self._changed = threading.Condition()
        # Under the condition: what the thread shall do next.
        self._generation = 0
        self._folder: Path | None = None
        self._is_asked = self._is_fresh = self._is_closed = False
        self._processes: list[subprocess.Popen[bytes]] = []
        self._told.connect(self._on_told, Qt.ConnectionType.QueuedConnection)
        self._thread = threading.Thread(target=self._follow, name="runs", daemon=True)
        session.project_changed.connect(self._on_project)
        self._on_project()
        self._thread.start()

    @property
    def entries(self) -> tuple[RunEntry, ...]:
        """The runs of the project, oldest first."""
        return tuple(self._entries.values())

    @property
    def reports(self) -> Mapping[str, RunReport]:
        """The newest report of each run that could be read, by its id."""
        return self._reports

    @property
    def living(self) -> tuple[str, ...]:
        """Ids of the runs that a trainer works on, or waits for; oldest first."""
        return tuple(
            run_id
            for run_id in self._entries
            if run_id in self._reports and self._reports[run_id].status in LIVING
        )

    @property
    def started_here(self) -> frozenset[str]:
        """Ids of the runs that were started from this window."""
        return frozenset(self._started_here)

    @property
    def is_settled(self) -> bool:
        """Whether every run of the project has been read once."""
        return self._has_read_all

    def report(self, run_id: str) -> RunReport | None:
        """The newest report of a run; None where there is none (yet)."""
        return self._reports.get(run_id)

    def entry(self, run_id: str) -> RunEntry | None:
        """A run's entry; None where it is gone, or not listed yet."""
        return self._entries.get(run_id)

    def title(self, run_id: str) -> str:
        """What people call a run, as the run panel and the source chooser do."""
        entry = self.entry(run_id)
        return run_id if entry is None else short_title(entry)

    def run(self, run_id: str) -> RunFolder:
        """The folder of a run.

        Raises:
            CommandRefusedError: it is gone, or cannot be read; the message says why.
        """
        entry = self._entries.get(run_id)
        if entry is None or entry.run is None:
            why = entry.error if entry else "its folder is gone"
            raise CommandRefusedError(f"The run {run_id} cannot be read: {why}")
        return entry.run

    def add(self, run: RunFolder, process: subprocess.Popen[bytes] | None = None) -> None:
        """Follow a run that was just made and started, at once; its process is reaped here."""
        self._started_here.add(run.id)
        self._lived.add(run.id)
        with self._changed:
            if process is not None:
                self._processes.append(process)
        self._look()

    def refresh(self) -> None:
        """Look at once which runs there are and what they say; names are read again, too."""
        self._look(fresh=True)

    def start(
        self,
        run: RunFolder,
        *,
        processes: int = 1,
        resume: bool = False,
        command: Sequence[str] | None = None,
    ) -> Job:
        """Start the trainer of a run in the background, and follow it.

        Args:
            run: to train.
            processes: that share the work.
            resume: go on from its newest checkpoint.
            command: what to start in place of the trainer.

        Returns:
            The job, started already; where it fails, ``refused`` tells why.
        """

        def work() -> subprocess.Popen[bytes]:
            return start_trainer(run, processes=processes, resume=resume, command=command)

        return self._do(f"Starting {run.id}", run.id, work, lambda process: self.add(run, process))

    def stop(self, run_id: str) -> Job:
        """Ask the trainer of a run to write a checkpoint and leave."""
        run = self.run(run_id)
        return self._do(f"Stopping {run_id}", run_id, run.request_stop, lambda _: self._look())

    def cancel(self, run_id: str) -> Job:
        """End the trainer of a run by force; what came after its newest checkpoint is lost."""
        run = self.run(run_id)
        return self._do(
            f"Cancelling {run_id}", run_id, lambda: cancel_trainer(run), lambda _: self._look()
        )

    def resume(self, run_id: str) -> Job:
        """Let a run that has ended go on from its newest checkpoint, or begin."""
        report = self.report(run_id)
        has_begun = report is not None and report.status != "created"
        return self.start(self.run(run_id), resume=has_begun)

    def close(self) -> None:
        """Follow nothing any more; trainers go on."""
        with self._changed:
            self._is_closed = True
            self._generation += 1
            self._changed.notify()
        self._thread.join(_CLOSE_S)

    def _look(self, *, fresh: bool = False) -> None:
        with self._changed:
            self._is_asked = True
            self._is_fresh |= fresh
            self._changed.notify()

    def _do(
        self, title: str, run_id: str, work: Callable[[], Any], then: Callable[[Any], None]
    ) -> Job:
        job = Job(title, lambda _progress: work())
        job.finished.connect(then)
        job.failed.connect(lambda text: self._on_refused(run_id, text))
        job.start()
        return job

    def _on_refused(self, run_id: str, text: str) -> None:
        self.refused.emit(run_id, text)
        self._session.message_posted.emit(text)

    # On the window's thread.

    def _on_project(self) -> None:
        project = self._session.project
        path = None if project is None else project.path
        with self._changed:
            self._generation += 1
            self._folder = path
            self._is_asked = True
            self._changed.notify()
        had_entries = bool(self._entries)
        self._entries, self._reports = {}, {}
        self._lived.clear()
        self._has_read_all = path is None
        if had_entries:
            self.listed.emit(())

    def _on_told(self, told: _Told) -> None:
        if told.generation != self._generation:
            return
        if told.is_all:
            self._has_read_all = True
        if told.entries is not None:
            self._entries = {entry.id: entry for entry in told.entries}
            self._reports = {key: it for key, it in self._reports.items() if key in self._entries}
            self.listed.emit(told.entries)
        if told.report is not None and told.run_id in self._entries:
            self._take(told.run_id, told.report)

    def _take(self, run_id: str, report: RunReport) -> None:
        self._reports[run_id] = report
        is_living = report.status in LIVING
        has_ended = run_id in self._lived and not is_living and report.status != "created"
        if is_living:
            self._lived.add(run_id)
        elif has_ended:
            self._lived.discard(run_id)
        self.reported.emit(run_id, report)
        if has_ended:
            self.finished.emit(run_id, report)

    # On its own thread.

    def _follow(self) -> None:
        runs: RunsFollower | None = None
        generation = -1
        looked_at = -_IDLE_S
        with suppress(RuntimeError):  # the window is gone, and this with it
            while True:
                has_living = runs is not None and runs.has_living
                is_asked, fresh = self._wait(_LIVING_S if has_living else _IDLE_S)
                self._reap()
                with self._changed:
                    if self._is_closed:
                        return
                    is_other, generation = generation != self._generation, self._generation
                    folder = self._folder
                if is_other:
                    runs = None if folder is None else RunsFollower(folder)
                if runs is None:
                    continue
                now = time.monotonic()
                is_look = is_other or is_asked or now - looked_at >= _IDLE_S
                looked_at = now if is_look else looked_at
                self._poll(runs, generation, look=is_look, fresh=fresh, is_first=is_other)

    def _wait(self, seconds: float) -> tuple[bool, bool]:
        """Until something is asked, or so long; whether it was, and whether names are read anew."""
        with self._changed:
            if not self._is_asked and not self._is_closed:
                self._changed.wait(seconds)
            asked = self._is_asked, self._is_fresh
            self._is_asked = self._is_fresh = False
            return asked

    def _poll(
        self, runs: RunsFollower, generation: int, *, look: bool, fresh: bool, is_first: bool
    ) -> None:
        if look and runs.list_anew(fresh=fresh):
            self._told.emit(_Told(generation=generation, entries=runs.entries))
        for entry, report, is_changed in runs.poll(only_living=not look):
            if generation != self._generation:
                return
            entries = runs.entries if is_changed else None
            self._told.emit(
                _Told(generation=generation, entries=entries, run_id=entry.id, report=report)
            )
        if is_first:
            self._told.emit(_Told(generation=generation, is_all=True))

    def _reap(self) -> None:
        """Let the system forget the processes that have ended."""
        with self._changed:
            processes = tuple(self._processes)
        ended = [process for process in processes if process.poll() is not None]
        if ended:
            with self._changed:
                self._processes = [it for it in self._processes if it not in ended]
