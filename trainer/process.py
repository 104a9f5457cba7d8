"""The life of a trainer: it takes the run's lock, works, and says why it leaves, whatever happens.

`execute` is what ``python -m trainer RUN`` does, and what experiments call in their own process:
nothing global stays behind (threads, signal handlers, torch's settings). Asked to leave by STOP it
writes a checkpoint first; terminated it leaves what was saved. A failure is told in `RunFinished`
and exit.json, in words; its traceback goes to the run's stderr.log.

Traps: a signal only raises a flag, which is looked at between steps, so that no file is ever left
half written; signal handlers can be set in a program's main thread alone.
"""

from __future__ import annotations

import errno
import signal
import sys
import threading
import traceback
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Literal

from core.errors import CommandRefusedError, DataError
from core.project.runs.events import Event, RunFinished, RunStarted
from core.project.runs.folder import RunFolder
from trainer.context import Context, LeftEarlyError, TrainingFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path
    from types import FrameType

    from core.project.runs.config import TrainConfig
    from core.project.runs.events import FinalStatus
    from trainer.distributed import Ranks

_BEAT_S = 1.0
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def execute(
    run_folder: Path,
    *,
    resume: bool = False,
    work: Callable[[Context], str] | None = None,
    config: TrainConfig | None = None,
) -> RunFinished:
    """Train a run to its end, or as far as it goes.

    Args:
        run_folder: made by `RunFolder.create`.
        resume: go on from the newest checkpoint; without one, and by default, from the beginning.
        work: something else to do with a run, begun or not, such as predicting; answers what to say
            when it is done.
        config: in the place of the run's own, for such a work.

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
        status, text = _outcome(folder, config, ranks, terminated, task, resume=resume)
        if ranks.is_first:
            _say_goodbye(folder, status, text)
    return RunFinished(status=status, text=text)


def _refuse_to_begin_twice(folder: RunFolder, *, resume: bool) -> None:
    if not resume and any(folder.checkpoints_dir.glob("*.pt")):
        text = f"The run {folder.id} has begun already; resume it, or make a new one."
        raise CommandRefusedError(text)


def _outcome(
    folder: RunFolder,
    config: TrainConfig,
    ranks: Ranks,
    terminated: threading.Event,
    task: Callable[[Context], str],
    *,
    resume: bool,
) -> tuple[FinalStatus, str]:
    """Work, and tell how it ended."""
    try:
        text = _work(folder, config, ranks, terminated, task, resume=resume)
    except LeftEarlyError as left:
        return left.status, str(left)
    except KeyboardInterrupt:
        return "cancelled", "Interrupted; what was saved before stays."
    except Exception as error:  # noqa: BLE001 - whatever it was, the run's folder must tell it
        _keep_traceback(folder)
        if isinstance(error, DataError | CommandRefusedError | TrainingFailedError):
            return "failed", str(error)
        if isinstance(error, OSError) and error.errno in _FULL:
            return "failed", f"No room on the disk ({error}). Make some, then resume the run."
        text = f"{type(error).__name__}: {error}. The traceback is in stderr.log."
        return "failed", text if ranks.size == 1 else f"{text} Another process may be the cause."
    return "done", text


def _work(
    folder: RunFolder,
    config: TrainConfig,
    ranks: Ranks,
    terminated: threading.Event,
    task: Callable[[Context], str],
    *,
    resume: bool,
) -> str:
    from core.learning.data import open_data
    from trainer.checkpoint import Checkpoints
    from trainer.device import chosen_device, torch_settings

    with ExitStack() as held:
        held.enter_context(torch_settings(config.run))
        device = chosen_device(config.run, ranks.local_rank)
        data = held.enter_context(
            open_data(
                config.data,
                project_dir=folder.project_dir,
                labels_db=folder.labels_db,
                seed=config.run.seed,
            )
        )

        def asked() -> Literal["stop", "cancel"] | None:
            if terminated.is_set():
                return "cancel"
            return "stop" if ranks.is_first and folder.stop_requested() else None

        context = Context(
            folder=folder,
            config=config,
            data=data,
            device=device,
            ranks=ranks,
            checkpoints=Checkpoints(folder.checkpoints_dir),
            emit=folder.append if ranks.is_first else _silent,
            asked_to_leave=asked,
            micro_batch=config.run.micro_batch,
        )
        context.emit(
            RunStarted(
                device=str(device.device),
                device_name=device.name,
                memory_bytes=device.memory_bytes,
                num_processes=ranks.size,
                resumed=resume,
                labelled=len(data.labelled),
                unlabelled=len(data.unlabelled),
                held_out=len(data.held_out),
                notes=tuple(data.notes),
            )
        )
        return task(context)


def _silent(event: Event) -> None:
    """What the other ranks say: nothing."""


def _keep_traceback(folder: RunFolder) -> None:
    text = traceback.format_exc()
    try:
        with folder.stderr_log.open("a", encoding="utf-8") as log:
            log.write(text)
    except OSError:
        sys.stderr.write(text)


def _say_goodbye(folder: RunFolder, status: FinalStatus, text: str) -> None:
    try:
        folder.finish(status, text)
    except OSError as error:
        # The very disk that cannot be written to: this process's own output is all that is left.
        sys.stderr.write(f"trainer: {text} (and its folder cannot be written to: {error})\n")


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
