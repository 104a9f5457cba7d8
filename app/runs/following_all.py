"""All runs of a project, followed together; for one thread, and without Qt.

Whatever is wrong with a run's folder is said in its entry and never ends the following: a folder
of a newer trilabel, a damaged exit.json, a run that somebody deletes meanwhile.
"""

from __future__ import annotations

import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from core.errors import CommandRefusedError, DataError
from core.project.runs.folder import RUNS_FOLDER, RunFolder
from core.project.runs.following import RunFollower
from core.project.runs.states import LIVING
from core.project.runs.trouble import Trouble, trouble_with_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from core.project.runs.following import RunReport

# A trainer that shows no sign of life is reported again each time so much more time has passed.
_SILENCE_STEP_S = 5.0
_PAUSE_S = 1e-4
# Files that only a run's folder has: one of them, and a folder is a run that has lost something.
_MARKS = ("run.toml", "config.toml", "events.jsonl", "exit.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEntry:
    """A run in the list.

    Attributes:
        id: the folder's name; sorts by time.
        path: the folder.
        run: to be asked; None where the folder cannot be read as a run at all.
        name: what its maker called it; the id where that cannot be read.
        created: ISO 8601, UTC; empty where it cannot be read.
        trouble: what is wrong with the folder, and what to do; None where nothing is.
    """

    id: str
    path: Path
    run: RunFolder | None
    name: str
    created: str
    trouble: Trouble | None = None

    @property
    def error(self) -> str:
        """What is wrong with the folder, in one text; empty where nothing is."""
        trouble = self.trouble
        parts = () if trouble is None else (trouble.what, trouble.why, trouble.todo)
        return " ".join(part for part in parts if part)


class RunsFollower:
    """Follows every run of a project; one thread only."""

    def __init__(self, project_dir: Path) -> None:
        """Begin; nothing is read yet."""
        self._folder = project_dir / RUNS_FOLDER
        self._entries: dict[str, RunEntry] = {}
        self._followers: dict[str, RunFollower] = {}
        # What was wrong with each when it was opened, whatever following it says.
        self._faults: dict[str, Trouble | None] = {}
        self._living: set[str] = set()
        self._said: dict[str, tuple[str, str, int]] = {}

    @property
    def entries(self) -> tuple[RunEntry, ...]:
        """The runs, oldest first."""
        return tuple(self._entries.values())

    @property
    def has_living(self) -> bool:
        """Whether a trainer works on one of them, or is being started."""
        return bool(self._living)

    def list_anew(self, *, fresh: bool = False) -> bool:
        """Look which runs there are; True where the entries are others than before.

        Args:
            fresh: read names again, too, also of runs that are known.
        """
        before = self.entries
        known = {} if fresh else {entry.id: entry for entry in before if entry.run is not None}
        self._entries = {
            path.name: known.get(path.name) or _entry(path) for path in _folders(self._folder)
        }
        self._faults = {
            key: self._faults.get(key) if key in known else entry.trouble
            for key, entry in self._entries.items()
        }
        for gone in self._followers.keys() - self._entries.keys():
            del self._followers[gone]
            self._living.discard(gone)
            self._said.pop(gone, None)
        return self.entries != before

    def poll(
        self, *, only_living: bool = False
    ) -> Iterator[tuple[RunEntry, RunReport | None, bool]]:
        """What is new: entry, report (None where it cannot be read), whether the entry is another.

        Living runs come first, then the newest: whoever has just opened a project sees those first.
        Of a long run that is new here it is told first what it is doing, which is read at once.
        """
        order = self._in_order(only_living=only_living)
        yield from self._glance([entry for entry in order if entry.id not in self._followers])
        for entry in order:
            assert entry.run is not None, "only what can be asked is polled"
            follower = self._followers.setdefault(entry.id, RunFollower(entry.run, _pause))
            trouble = self._faults[entry.id]
            report = None
            try:
                report = follower.poll()
            except (DataError, CommandRefusedError, OSError) as problem:
                trouble = _trouble(entry.path, problem)
            except Exception as problem:  # noqa: BLE001 - one run of many must not end the following
                traceback.print_exc()
                trouble = _trouble(entry.path, problem)
            if report is not None and report.status in LIVING:
                self._living.add(entry.id)
            else:
                self._living.discard(entry.id)
            is_new = report is not None and self._is_new(entry.id, report)
            if trouble != entry.trouble:
                self._entries[entry.id] = replace(entry, trouble=trouble)
                yield self._entries[entry.id], report, True
            elif is_new:
                yield entry, report, False

    def _glance(self, entries: list[RunEntry]) -> Iterator[tuple[RunEntry, RunReport | None, bool]]:
        for entry in entries:
            assert entry.run is not None, "only what can be asked is polled"
            with suppress(DataError, CommandRefusedError, OSError):  # told when all of it is read
                report = RunFollower(entry.run, _pause).glance()
                if report is not None:
                    yield entry, report, False

    def _is_new(self, run_id: str, report: RunReport) -> bool:
        said = (report.status, report.text, int(report.silent_s / _SILENCE_STEP_S))
        is_new = bool(report.events) or self._said.get(run_id) != said
        self._said[run_id] = said
        return is_new

    def _in_order(self, *, only_living: bool) -> list[RunEntry]:
        entries = [entry for entry in reversed(self.entries) if entry.run is not None]
        if only_living:
            return [entry for entry in entries if entry.id in self._living]
        return sorted(entries, key=lambda entry: not self._seems_alive(entry))

    def _seems_alive(self, entry: RunEntry) -> bool:
        if entry.id in self._followers:
            return entry.id in self._living
        try:
            return entry.run is not None and entry.run.is_alive()
        except DataError:
            return False


def _pause() -> None:
    """Let the window's thread work: it would wait for each of many short turns otherwise."""
    time.sleep(_PAUSE_S)


def _folders(folder: Path) -> list[Path]:
    """Folders of runs, oldest first; those with a leading dot are being made or deleted."""
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return []  # no run was ever made
    return [path for path in paths if any((path / mark).is_file() for mark in _MARKS)]


def _entry(path: Path) -> RunEntry:
    name, created, trouble = path.name, "", None
    run: RunFolder | None = None
    try:
        run = RunFolder.open(path)
        name, created = run.name, run.created
        _ = run.config  # kept there, so that nobody reads it on the window's thread
        run.sweep()
    except (DataError, OSError) as problem:
        trouble = _trouble(path, problem)
    return RunEntry(id=path.name, path=path, run=run, name=name, created=created, trouble=trouble)


def _trouble(path: Path, problem: Exception) -> Trouble:
    """What is wrong with a folder, in words."""
    if isinstance(problem, DataError):
        return trouble_with_folder(problem)
    expected = "files of a run that can be read"
    found = getattr(problem, "strerror", None) or f"{type(problem).__name__}: {problem}"
    remedy = "Check that you may read the run's folder."
    return trouble_with_folder(DataError(path, expected=expected, found=found, remedy=remedy))
