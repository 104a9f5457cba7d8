"""Background work of the window: one thread a job, progress with time left, cancel.

Results come back as queued signals, so receivers run on the window's thread. A job that was
cancelled says nothing more; that is how stale answers are dropped.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Qt, Signal

from core.errors import CommandRefusedError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    Progress = Callable[[int, int], bool]

# A bar that is redrawn more often than this says nothing new.
_REPORT_INTERVAL_S = 0.1
# Whoever started a job may be gone before its thread is.
_going: set[Job] = set()


def wait_for_jobs(timeout_s: float) -> None:
    """Let jobs come to their end before the program does, which would leave half of their work.

    Their threads end with the program wherever they are; what they have begun (a run that is being
    made, a process that is being ended) stays behind then.
    """
    until = time.monotonic() + timeout_s
    for job in tuple(_going):
        job.wait(max(0.0, until - time.monotonic()))


class Job(QObject):
    """One piece of work on a thread of its own.

    The work is called with a progress function (done, total) that answers whether to go on.
    ``finished``, ``failed`` or ``cancelled`` says how it went; ``ended`` follows in every case,
    once its thread has nothing left to do. What the work of a cancelled job answered all the same
    is ``dropped``, for whoever has to close it. A job without a parent lives until it has ended, so
    that nobody who goes has to wait for it.
    """

    progressed = Signal(int, int, float)
    finished = Signal(object)
    failed = Signal(str)
    cancelled = Signal()
    ended = Signal()
    dropped = Signal(object)
    _answered = Signal(object, str)

    def __init__(
        self, title: str, work: Callable[[Progress], Any], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.title = title
        self._work = work
        self._cancelled = threading.Event()
        self._started = 0.0
        self._reported = 0.0
        self._answered.connect(self._on_answered, Qt.ConnectionType.QueuedConnection)
        self._thread = threading.Thread(target=self._run, name=title, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._started = time.monotonic()
        _going.add(self)
        self._thread.start()

    def cancel(self) -> None:
        """Ask the work to stop, and let it say nothing more."""
        if not self._cancelled.is_set():
            self._cancelled.set()
            self.cancelled.emit()

    def wait(self, timeout_s: float = 5.0) -> bool:
        """Wait for the thread to end; True if it did."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _progress(self, done: int, total: int) -> bool:
        now = time.monotonic()
        if now - self._reported >= _REPORT_INTERVAL_S and not self._cancelled.is_set():
            self._reported = now
            left = (now - self._started) * (total - done) / done if done else float("nan")
            self.progressed.emit(done, total, left)
        return not self._cancelled.is_set()

    def _run(self) -> None:
        try:
            result = self._work(self._progress)
        except (DataError, CommandRefusedError, OSError, MemoryError) as error:
            self._answered.emit(None, str(error) or type(error).__name__)
        except BaseException as error:
            # A fault of ours: whoever waits for the end gets it, and the traceback is told.
            self._answered.emit(None, f"It broke off ({type(error).__name__}: {error})")
            raise
        else:
            self._answered.emit(result, "")

    def _on_answered(self, result: Any, error: str) -> None:  # noqa: ANN401 - whatever work returns
        if not self._cancelled.is_set():
            if error:
                self.failed.emit(error)
            else:
                self.finished.emit(result)
        elif result is not None:
            self.dropped.emit(result)
        _going.discard(self)
        self.ended.emit()
