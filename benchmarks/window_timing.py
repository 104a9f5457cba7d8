"""How a window is driven and timed: one act, until all that it changes is painted."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtWidgets import QWidget

    from app.main_window import MainWindow

_BLOCK_MS = 50.0
# Wall clock and processor time of the window's thread, milliseconds.
Spent = tuple[float, float]
NONE_MS = (float("nan"), float("nan"))
HEAD = (
    f"{'':<30}{'n':>7}{'p50 ms':>9}{'p95 ms':>9}{'max ms':>9}{'cpu 50':>9}{'cpu 95':>9}"
    f"{'block':>8}{'cpu':>8}{'over':>6}   goal"
)


class Heartbeat:
    """Gaps between turns of the event loop, by wall clock and by the thread's processor time."""

    def __init__(self) -> None:
        from PySide6.QtCore import Qt, QTimer

        self._gaps_ms: list[tuple[float, float]] = []
        self._last = (0.0, 0.0)
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)
        self._timer.start(1)
        self.restart()

    def restart(self) -> None:
        """Forget the gaps until now."""
        self._gaps_ms = [(0.0, 0.0)]
        self._last = (time.perf_counter(), time.thread_time())

    def _beat(self) -> None:
        now = (time.perf_counter(), time.thread_time())
        self._gaps_ms.append((1000 * (now[0] - self._last[0]), 1000 * (now[1] - self._last[1])))
        self._last = now

    def take(self) -> str:
        """Longest gap, most processor time of one gap, and how many were long, since the last."""
        gaps = np.array(self._gaps_ms)
        self.restart()
        longest, cpu = gaps.max(axis=0)
        return f"{longest:>8.1f}{cpu:>8.1f}{int((gaps[:, 0] > _BLOCK_MS).sum()):>6}"


def until(is_done: Callable[[], bool]) -> None:
    """Turn the event loop until something holds, and what it asked to be painted has been."""
    from PySide6.QtWidgets import QApplication

    while not is_done():
        QApplication.processEvents()
    for _ in range(2):
        QApplication.processEvents()


def _paint_counter(widget: QWidget) -> Any:  # noqa: ANN401 - a class that Qt's import makes
    """Counts what is painted of a widget, from now on, in its ``count``."""
    from PySide6.QtCore import QEvent, QObject

    class Paints(QObject):
        count = 0

        def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
            self.count += event.type() == QEvent.Type.Paint
            return False

    paints = Paints()
    widget.installEventFilter(paints)
    return paints


class Timing:
    """A window, the beat of its event loop, and the lines of the table."""

    def __init__(self, window: MainWindow, beat: Heartbeat) -> None:
        self.window = window
        self.beat = beat

    def shown(self, act: Callable[[], object]) -> Spent:
        """`timed`, but only until the views have painted: other panels follow in later turns."""
        from PySide6.QtWidgets import QApplication

        paints = _paint_counter(self.window.views)
        started = (time.perf_counter(), time.thread_time())
        act()
        while not paints.count:
            QApplication.processEvents()
        ended = (time.perf_counter(), time.thread_time())
        self.window.views.removeEventFilter(paints)
        until(lambda: self.window.views.is_settled)
        return 1000 * (ended[0] - started[0]), 1000 * (ended[1] - started[1])

    def row(self, title: str, times_ms: Sequence[Spent], goal: str) -> None:
        """Print a line of the table and begin the next part.

        Args:
            title: what was done.
            times_ms: wall clock and processor time of each act.
            goal: what the time should be.
        """
        wall, cpu = np.array(times_ms, dtype=np.float64).reshape(-1, 2).T
        numbers = "".join(f"{value:>9.1f}" for value in np.percentile(wall, [50, 95, 100]))
        numbers += "".join(f"{value:>9.1f}" for value in np.percentile(cpu, [50, 95]))
        print(f"{title:<30}{len(wall):>7}{numbers}{self.beat.take()}   {goal}", flush=True)

    def timed(self, act: Callable[[], object], is_done: Callable[[], bool] | None = None) -> Spent:
        """Milliseconds from an act to its last paint, and processor time of the window's thread.

        The event loop calls the act, as it does for a key: what is painted after it is painted in
        a turn of its own.

        Args:
            act: what is done.
            is_done: whether it has come to its end; when the views are settled, by default.
        """
        from PySide6.QtCore import QTimer

        called: list[bool] = []

        def call() -> None:
            try:
                act()
            finally:
                called.append(True)

        started = (time.perf_counter(), time.thread_time())
        QTimer.singleShot(0, call)
        until(lambda: bool(called))
        until(is_done or (lambda: self.window.views.is_settled))
        ended = (time.perf_counter(), time.thread_time())
        return 1000 * (ended[0] - started[0]), 1000 * (ended[1] - started[1])


def memory_mb(field: str = "VmRSS") -> float:
    """Memory of this process: ``VmRSS`` now, ``VmHWM`` at most (Linux)."""
    with Path("/proc/self/status").open() as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field)) / 1024
