"""`RunFolder`: one training on the disk, and the only channel between a trainer and anybody else.

    run.toml        schema, name, when made, of which project
    about.toml      what people call it now, and noted        `core.project.runs.about`
    config.toml     what was asked for                        `core.project.runs.config_io`
    labels.db       the project's labels as they were         (a snapshot; absent without a project)
    events.jsonl    what the trainer said                     `core.project.runs.events`
    alive.lock      held by a living trainer                  `core.project.runs.liveness`
    holder.json heartbeat STOP exit.json launch.json stderr.log
    reserve         room for a trainer's last words where the disk is full
    wanted.json     frames to predict first           `core.project.runs.wanted`
    checkpoints/ predictions/ samples/

One process writes: the one that holds `lock`. Everybody may read at any time, also from folders
that cannot be written to. Traps: the last line of events.jsonl may be half written, now (another
line is on its way) or for ever (the trainer was killed); it is never read, and the next trainer
cuts it off before it writes. Nothing is ever judged by modification times or by a file's mere
existence, but for STOP, which is a request and consumed by the trainer that obeys.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import threading
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w

from core.errors import CommandRefusedError, DataError
from core.files import sweep, sync_file, temporary_beside, write_text_atomically
from core.formats.fields import read_json, read_toml
from core.project.runs import event_file, liveness
from core.project.runs.about import read_about
from core.project.runs.config_io import read_config, with_absolute_paths, write_config
from core.project.runs.events import (
    Event,
    FinalStatus,
    RunFinished,
    RunStarted,
    Waiting,
    decode_event,
    encode_event,
)
from core.project.runs.making import RUNS_FOLDER, named, stamped, told_from, unwritable
from core.project.runs.states import RunState, fold
from core.project.runs.wanted import WANTED, read_wanted, write_wanted
from core.project.schema import copy_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType
    from typing import Self

    from core.project.project import Project
    from core.project.runs.config import TrainConfig

RUN_SCHEMA = 1
_RUN, _CONFIG, _LABELS, EVENTS = "run.toml", "config.toml", "labels.db", "events.jsonl"
LOCK_FILE, _HOLDER, _HEARTBEAT = "alive.lock", "holder.json", "heartbeat"
_STOP, _EXIT, _STDERR = "STOP", "exit.json", "stderr.log"
_RESERVE, _RESERVE_BYTES = "reserve", 1 << 16
_WRITTEN = ("checkpoints", "predictions", "evaluations", "samples")
_SMALL = 1 << 20
_LOCK_WAIT_S = 2.0  # longer than anybody who only asks could hold it
_TAIL_BYTES = 1 << 14
_PAUSE_LINES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The process that holds, or last held, the lock of a run."""

    pid: int
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitRecord:
    """exit.json: why the trainer left, when (seconds since 1970), and with which exit code."""

    status: FinalStatus
    text: str
    code: int
    time: float


class RunLock:
    """The right to write to a run; a context manager. Ends with `release` or with the process."""

    def __init__(self, let_go: Callable[[], None]) -> None:
        self._let_go = let_go

    def release(self) -> None:
        """Let others write. Twice does nothing."""
        self._let_go()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


class RunFolder:
    """A run; make one with `create` or `open`. Thread-safe."""

    def __init__(self, path: Path) -> None:
        """Adopt a folder that `create` or `open` has checked."""
        self.path = path
        self._guard = threading.Lock()
        self._events_fd: int | None = None
        self._beats: int | None = None

    @classmethod
    def create(
        cls,
        parent: Path,
        config: TrainConfig,
        *,
        project_dir: Path | None = None,
        labels_db: Path | None = None,
        name: str | None = None,
        stamp: bool = True,
    ) -> Self:
        """Make a run that nobody trains yet. It appears whole or not at all.

        Args:
            parent: the folder to make it in; made where it is missing. Of a project: its runs/.
            config: what is asked for; relative paths in it are taken from the working folder.
            project_dir: the project that it is about; None where it is about none.
            labels_db: the database to take a snapshot of; None where there is none.
            name: becomes a part of the id; None is ``run``.
            stamp: whether the id begins with the time (UTC); without, it is the name alone.

        Raises:
            DataError: the labels cannot be read, or the folder cannot be made.
            CommandRefusedError: without a stamp, where a run of that name exists.
        """
        parent = parent.absolute()
        slug = re.sub(r"[^a-z0-9_-]+", "-", (name or "run").lower()).strip("-") or "run"
        now = datetime.now(UTC)
        scratch = temporary_beside(parent / "new")
        try:
            scratch.mkdir(parents=True)
            for folder in ("checkpoints", "predictions"):
                (scratch / folder).mkdir()
            write_config(scratch / _CONFIG, with_absolute_paths(config, Path.cwd()))
            if labels_db is not None:
                copy_database(labels_db, scratch / _LABELS)
                sync_file(scratch / _LABELS)
            about = {"schema": RUN_SCHEMA, "name": name or slug, "created": now.isoformat()}
            if project_dir is not None:
                about["project"] = told_from(parent, project_dir.absolute())
            write_text_atomically(scratch / _RUN, tomli_w.dumps(about))
            path = named(scratch, stamped(parent, slug, now) if stamp else slug, once=not stamp)
        except OSError as error:
            raise unwritable(parent, error) from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a run that exists.

        Raises:
            DataError: it is no run, or a newer trilabel made it.
        """
        path = path.absolute()
        if not (path / _RUN).is_file():
            raise DataError(
                path,
                expected="the folder of a run, with a run.toml",
                found="no run.toml" if path.is_dir() else "no such folder",
                remedy="'trilabel runs PROJECT' lists the runs of a project.",
            )
        schema = read_toml(path / _RUN, _SMALL)["schema"]
        if schema.integer(1, 1 << 31) > RUN_SCHEMA:
            remedy = "A newer trilabel made this run; update to open it."
            schema.refuse(f"{RUN_SCHEMA} or older", remedy=remedy)
        return cls(path)

    @property
    def id(self) -> str:
        """The folder's name; sorts by time."""
        return self.path.name

    @cached_property
    def config(self) -> TrainConfig:
        """What was asked for.

        Raises:
            DataError: config.toml is missing or wrong, or a newer trilabel wrote it.
        """
        return read_config(self.path / _CONFIG)

    @property
    def name(self) -> str:
        """What it is called now; until somebody renames it, what its maker called it."""
        return read_about(self.path).name or read_toml(self.path / _RUN, _SMALL)["name"].text()

    @cached_property
    def created(self) -> str:
        """When it was made, ISO 8601, UTC."""
        return read_toml(self.path / _RUN, _SMALL)["created"].text()

    @cached_property
    def project_dir(self) -> Path | None:
        """The project that it is about, absolute; None where it is about none."""
        node = read_toml(self.path / _RUN, _SMALL).get("project")
        return None if node is None else Path(os.path.normpath(self.path.parent / node.text()))

    @property
    def labels_db(self) -> Path | None:
        """The snapshot of the project's labels; None where none was taken."""
        path = self.path / _LABELS
        return path if path.is_file() else None

    @property
    def checkpoints_dir(self) -> Path:
        """Where checkpoints are."""
        return self.path / "checkpoints"

    @property
    def predictions_dir(self) -> Path:
        """Where files of predictions are; only those that an event announced are complete."""
        return self.path / "predictions"

    @property
    def stderr_log(self) -> Path:
        """What the trainer printed."""
        return self.path / _STDERR

    # The one who writes.

    def lock(self) -> RunLock:
        """Become the one who writes to this run.

        Raises:
            CommandRefusedError: another process works on it, or the folder cannot be written to.
        """
        try:
            lock = liveness.acquire(self.path / LOCK_FILE, wait_s=_LOCK_WAIT_S)
        except OSError as error:
            why = error.strerror or str(error)
            raise CommandRefusedError(f"The run {self.id} cannot be locked: {why}.") from error
        if lock is None:
            holder = self.holder()
            who = f" (process {holder.pid} on {holder.host})" if holder else ""
            raise CommandRefusedError(f"A trainer works on the run {self.id} already{who}.")
        try:
            self.sweep()
            me = Holder(pid=os.getpid(), host=socket.gethostname())
            write_text_atomically(self.path / _HOLDER, json.dumps(asdict(me)))
            self._events_fd = event_file.open_for_appending(self.path / EVENTS)
            self._beats = self.heartbeat() or 0
            (self.path / _RESERVE).write_bytes(bytes(_RESERVE_BYTES))
        except BaseException:
            lock.release()
            raise

        def let_go() -> None:
            self._close_files()
            lock.release()

        return RunLock(let_go)

    def sweep(self) -> int:
        """Take away what killed trainers left unfinished, nothing of a living one; how much."""
        return sweep(self.path, *(self.path / folder for folder in _WRITTEN))

    def append(self, event: Event) -> None:
        """Write an event as one whole line; the lock must be held.

        A `RunStarted`, or a `Waiting` before it, begins a new life: the exit.json of a former one
        is removed first.

        Raises:
            OSError: the disk is full or gone; what was written of the line is taken back, or cut
                off later.
        """
        if isinstance(event, RunStarted | Waiting):
            (self.path / _EXIT).unlink(missing_ok=True)
        with self._guard:
            assert self._events_fd is not None, "events are written under the run's lock"
            event_file.append_line(self._events_fd, encode_event(event))

    def beat(self) -> None:
        """Count the heartbeat up by one, to be done every second or so; the lock must be held."""
        with self._guard:
            assert self._beats is not None, "the heart beats under the run's lock"
            self._beats += 1
            # In place and in one go: as many digits each time, so that no reader sees a part.
            flags = os.O_WRONLY | os.O_CREAT | event_file.BINARY
            descriptor = os.open(self.path / _HEARTBEAT, flags, 0o666)
            try:
                os.write(descriptor, b"%019d\n" % self._beats)
            finally:
                os.close(descriptor)

    def finish(
        self, status: FinalStatus, text: str = "", *, code: int | None = None, reason: str = ""
    ) -> None:
        """Say why the trainer leaves: the last event, exit.json; a STOP is consumed.

        What was reserved for it is let go of first, so that a full disk can still be told.

        Args:
            status: ``done``, ``stopped``, ``failed`` or ``cancelled``.
            text: one or two sentences.
            code: the exit code of the process; None is 0 for done and stopped, else 1.
            reason: of a failure, for programs (`core.project.runs.trouble`).
        """
        event = RunFinished(status=status, text=text, reason=reason)
        left = ExitRecord(
            status=status,
            text=text,
            code=(0 if status in ("done", "stopped") else 1) if code is None else code,
            time=event.time,
        )
        (self.path / _RESERVE).unlink(missing_ok=True)
        try:
            self.append(event)
        finally:
            write_text_atomically(self.path / _EXIT, json.dumps(asdict(left)))
            self.withdraw_stop()

    def withdraw_stop(self) -> None:
        """Take a request to stop back: it was obeyed, or a trainer is to be started anew."""
        (self.path / _STOP).unlink(missing_ok=True)

    def stop_requested(self) -> bool:
        """Whether somebody wants the trainer to save and leave; cheap enough for every step."""
        return (self.path / _STOP).exists()

    # Everybody else.

    def request_stop(self) -> None:
        """Ask the trainer to write a checkpoint after this step, and leave."""
        (self.path / _STOP).touch()

    def want_frames(self, frames: Sequence[int]) -> None:
        """Ask the trainer to predict these first, the most urgent first; others are forgotten."""
        write_wanted(self.path / WANTED, frames)

    def wanted_frames(self) -> tuple[int, ...]:
        """What `want_frames` asked for; empty where nobody did, or it cannot be read."""
        return read_wanted(self.path / WANTED)

    def is_alive(self) -> bool:
        """Whether a process works on the run now (this one counts, too)."""
        try:
            return liveness.is_held(self.path / LOCK_FILE)
        except OSError as error:
            raise DataError(
                self.path / LOCK_FILE,
                expected="a lock that can be asked",
                found=error.strerror or str(error),
                remedy="Check that you may read the run's folder.",
            ) from error

    def heartbeat(self) -> int | None:
        """A count that grows as long as the trainer is well; None before its first beat."""
        try:
            text = (self.path / _HEARTBEAT).read_bytes()
        except FileNotFoundError:
            return None
        return int(text) if text.strip().isdigit() else None

    def holder(self) -> Holder | None:
        """The process that works, or last worked, on the run; None where none ever did."""
        node = _json_if_there(self.path / _HOLDER)
        if node is None:
            return None
        return Holder(pid=node["pid"].integer(1, 1 << 31), host=node["host"].text())

    def exit_record(self) -> ExitRecord | None:
        """exit.json; None while a trainer works, or where it was killed.

        Raises:
            DataError: it is damaged.
        """
        node = _json_if_there(self.path / _EXIT)
        if node is None:
            return None
        status = node["status"]
        if status.value not in ("done", "stopped", "failed", "cancelled"):
            status.refuse("done, stopped, failed or cancelled")
        return ExitRecord(
            status=status.value,
            text=str(node["text"].value),
            code=node["code"].integer(-(1 << 31), 1 << 31),
            time=node["time"].number(),
        )

    def events(
        self, offset: int = 0, pause: Callable[[], None] | None = None
    ) -> tuple[tuple[Event, ...], int]:
        """The events from a byte offset on, whole lines only, and where to go on reading.

        Args:
            offset: of the first line that is wanted.
            pause: called every few dozen lines, so that reading a long run lets others work.

        Raises:
            DataError: the file cannot be read, or has become shorter than `offset`.
        """
        lines, end = event_file.read_lines(self.path / EVENTS, offset)
        return tuple(decoded(lines, pause)), end

    def events_end(self) -> int:
        """The byte offset after the last whole line of events.jsonl."""
        return event_file.end_of_last_line(self.path / EVENTS)

    def state(self) -> RunState:
        """What all events so far add up to."""
        return fold(self.events()[0])

    def stderr_tail(self, num_lines: int = 20) -> str:
        """The last lines that the trainer printed; empty where it printed nothing."""
        if not self.stderr_log.is_file():
            return ""
        with self.stderr_log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
        return "\n".join(lines[-num_lines:])

    def _close_files(self) -> None:
        with self._guard:
            if self._events_fd is not None:
                os.close(self._events_fd)
            self._events_fd = None
            self._beats = None


def decoded(lines: Sequence[bytes], pause: Callable[[], None] | None = None) -> Iterator[Event]:
    """The events of lines, with a pause every few dozen of them where one is given."""
    for index, line in enumerate(lines, start=1):
        yield decode_event(line)
        if pause is not None and index % _PAUSE_LINES == 0:
            pause()


def runs_of(project: Project | Path) -> tuple[RunFolder, ...]:
    """The runs of a project, oldest first; folders that are no run of this trilabel are left out.

    Args:
        project: an open project, or its folder.
    """
    folder = (project if isinstance(project, Path) else project.path) / RUNS_FOLDER
    if not folder.is_dir():
        return ()
    names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    return tuple(RunFolder(folder / name) for name in names if (folder / name / _RUN).is_file())


def find_run(project: Project | Path, name: str) -> RunFolder:
    """The run of a project by its id, the beginning or end of it, or ``last``.

    Raises:
        DataError: there is none, or several fit.
    """
    runs = runs_of(project)
    folder = project if isinstance(project, Path) else project.path
    exact = [run for run in runs if run.id == name]
    near = [run for run in runs if run.id.startswith(name) or run.id.endswith(name)]
    found = exact or (list(runs[-1:]) if name == "last" else near)
    if len(found) == 1:
        return RunFolder.open(found[0].path)
    ids = ", ".join(run.id for run in (found or runs)[-8:])
    raise DataError(
        folder,
        "run",
        expected=f"one of {ids}" if ids else "a run; there are none yet",
        found=f"{name!r}, which {'fits several' if found else 'fits none'}",
        remedy="'trilabel runs PROJECT' lists them.",
    )


def _json_if_there(path: Path) -> Any:  # noqa: ANN401 - a Node, or None
    return read_json(path, _SMALL) if path.is_file() else None
