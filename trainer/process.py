"""The life of a trainer: it takes the run's lock, works, and says why it leaves, whatever happens.

`execute` is what ``python -m trainer RUN`` does, and what experiments call in their own process:
nothing global stays behind (threads, signal handlers, torch's settings). Asked to leave by STOP it
writes a checkpoint first; terminated it leaves what was saved. A failure is told in `RunFinished`
and exit.json, in words; its traceback goes to the run's stderr.log.

Traps: a signal only raises a flag, which is looked at between steps, so that no file is ever left
half written; signal handlers can be set in a program's main thread alone.
"""

from __future__ import annotations

import signal
import sys
import threading
import traceback
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from core.errors import CommandRefusedError
from core.project.runs.events import Event, RunFinished, RunStarted
from core.project.runs.folder import RunFolder
from core.project.runs.trouble import UNEXPECTED
from trainer.context import Context, LeftEarlyError
from trainer.failing import failure

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path
    from types import FrameType

    from core.project.runs.config import TrainConfig
    from trainer.distributed import Ranks

_BEAT_S = 1.0


def execute(
    run_folder: Path,
    *,
    resume: bool = False,
    work: Callable[[Context], str] | None = None,
    config: TrainConfig | None = None,
    queue: bool = False,
) -> RunFinished:
    """Train a run to its end, or as far as it goes.

    Args:
        run_folder: made by `RunFolder.create`.
        resume: go on from the newest checkpoint; without one, and by default, from the beginning.
        work: something else to do with a run, begun or not, such as predicting; answers what to say
            when it is done.
        config: in the place of the run's own, for such a work.
        queue: wait until no other run works on the device, where the configuration wants that;
            for a process of its own.

    Returns:
        why it left, as its last event says.

    Raises:
        DataError: the folder is no run, or its configuration is wrong.
        CommandRefusedError: another trainer works on it, or it was begun and `resume` is not given.
    """
    from trainer.distributed import joined

    folder = RunFolder.open(run_folder)
    config = config or folder.config
    if work is None:

        def train(context: Context) -> str:
            from trainer.stages import run_stages

            run_stages(context, resume=resume)
            return ""

        task = train
    else:
        task = work
    with ExitStack() as held:
        ranks = held.enter_context(joined(config.run.device))
        if ranks.is_first:
            held.enter_context(folder.lock())
            _refuse_to_begin_twice(folder, resume=resume or work is not None)
            held.enter_context(_heartbeat(folder))
        terminated = held.enter_context(_terminations())
        life = _Life(
            folder, config, ranks, terminated, resume=resume, queue=queue and config.run.wait_turn
        )
        finished = _outcome(life, task)
        if ranks.is_first:
            _say_goodbye(folder, finished)
    return finished


def _refuse_to_begin_twice(folder: RunFolder, *, resume: bool) -> None:
    if not resume and any(folder.checkpoints_dir.glob("*.pt")):
        text = f"The run {folder.id} has begun already; resume it, or make a new one."
        raise CommandRefusedError(text)


@dataclass(frozen=True, slots=True)
class _Life:
    """What one start of a trainer is given."""

    folder: RunFolder
    config: TrainConfig
    ranks: Ranks
    terminated: threading.Event
    resume: bool
    queue: bool

    def asked_to_leave(self) -> Literal["stop", "cancel"] | None:
        """What somebody wants of this process."""
        if self.terminated.is_set():
            return "cancel"
        return "stop" if self.ranks.is_first and self.folder.stop_requested() else None

    @property
    def emit(self) -> Callable[[Event], None]:
        """Says an event, on the first rank."""
        return self.folder.append if self.ranks.is_first else _silent


def _outcome(life: _Life, task: Callable[[Context], str]) -> RunFinished:
    """Work, and tell how it ended."""
    try:
        text = _work(life, task)
    except LeftEarlyError as left:
        return RunFinished(status=left.status, text=str(left))
    except KeyboardInterrupt:
        return RunFinished(status="cancelled", text="Interrupted; what was saved before stays.")
    except Exception as error:  # noqa: BLE001 - whatever it was, the run's folder must tell it
        _keep_traceback(life.folder)
        text, reason = failure(error)
        if reason == UNEXPECTED and life.ranks.size > 1:
            text += " Another process may be the cause."
        return RunFinished(status="failed", text=text, reason=reason)
    return RunFinished(status="done", text=text)


def _work(life: _Life, task: Callable[[Context], str]) -> str:
    from core.learning.data import open_data
    from trainer.checkpoint import Checkpoints
    from trainer.device import chosen_device, torch_settings
    from trainer.device_use import TellingDeviceUse
    from trainer.waiting import devices_here, its_turn

    folder, config, ranks = life.folder, life.config, life.ranks
    with ExitStack() as held:
        held.enter_context(torch_settings(config.run))
        device = chosen_device(config.run, ranks.local_rank)
        if life.queue:
            names = devices_here(config.run, chosen_device)
            held.enter_context(
                its_turn(folder, device, names, ranks, life.emit, life.asked_to_leave)
            )
        data = held.enter_context(
            open_data(
                config.data,
                project_dir=folder.project_dir,
                labels_db=folder.labels_db,
                seed=config.run.seed,
            )
        )
        context = Context(
            folder=folder,
            config=config,
            data=data,
            device=device,
            ranks=ranks,
            checkpoints=Checkpoints(folder.checkpoints_dir),
            emit=TellingDeviceUse(life.emit, device) if ranks.is_first else _silent,
            asked_to_leave=life.asked_to_leave,
            micro_batch=config.run.micro_batch,
        )
        context.emit(_started(context, resume=life.resume))
        return task(context)


def _started(context: Context, *, resume: bool) -> RunStarted:
    device, data = context.device, context.data
    return RunStarted(
        device=str(device.device),
        device_name=device.name,
        memory_bytes=device.memory_bytes,
        num_processes=context.ranks.size,
        resumed=resume,
        labelled=len(data.labelled),
        unlabelled=len(data.unlabelled),
        held_out=len(data.held_out),
        notes=tuple(data.notes),
    )


def _silent(event: Event) -> None:
    """What the other ranks say: nothing."""


def _keep_traceback(folder: RunFolder) -> None:
    text = traceback.format_exc()
    try:
        with folder.stderr_log.open("a", encoding="utf-8") as log:
            log.write(text)
    except OSError:
        say(text)


def _say_goodbye(folder: RunFolder, finished: RunFinished) -> None:
    try:
        folder.finish(finished.status, finished.text, reason=finished.reason)
    except OSError as error:
        # The very disk that cannot be written to: this process's own output is all that is left.
        say(f"trainer: {finished.text} (and its folder cannot be written to: {error})\n")


def say(text: str) -> None:
    """Write to this process's own output, which may lie on the very disk that is full."""
    with suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()


@contextmanager
def _heartbeat(folder: RunFolder) -> Generator[None]:
    """A thread that counts up as long as this process is well."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(_BEAT_S):
            try:
                folder.beat()
            except OSError:  # a full disk: the work itself meets it and tells it
                continue

    folder.beat()
    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def _terminations() -> Generator[threading.Event]:
    """A flag that SIGTERM raises; a second one ends the process at once, as ever."""
    raised = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield raised
        return

    def raise_flag(number: int, frame: FrameType | None) -> None:
        if raised.is_set():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        raised.set()

    before: Callable[[int, FrameType | None], Any] | int | None
    before = signal.signal(signal.SIGTERM, raise_flag)
    try:
        yield raised
    finally:
        signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)
