"""How fast the window is: frame steps, selection, orbit, memory, and the longest block.

    python benchmarks/window.py [--project PROJECT] [--steps 10000]

Times are wall clock, from the command to the moment when everything that it changes has been
painted (pictures of all views included). "longest block" is the largest gap between two turns of
the event loop in that part of the run, seen by a timer of 1 ms.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.main_window import MainWindow

_SIZE = (1600, 900)


class Heartbeat:
    """Gaps between turns of the event loop."""

    def __init__(self) -> None:
        from PySide6.QtCore import Qt, QTimer

        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)
        self._timer.start(1)
        self._last = time.perf_counter()
        self.longest_s = 0.0

    def _beat(self) -> None:
        now = time.perf_counter()
        self.longest_s = max(self.longest_s, now - self._last)
        self._last = now

    def take(self) -> float:
        """The longest gap since the last call, in milliseconds."""
        longest, self.longest_s = self.longest_s, 0.0
        self._last = time.perf_counter()
        return 1000 * longest


def resident_mb() -> float:
    """Memory of this process."""
    import psutil

    return psutil.Process(os.getpid()).memory_info().rss / 2**20


def until_painted(window: MainWindow, act: Callable[[], object]) -> float:
    """Milliseconds from an act to its last paint."""
    from PySide6.QtWidgets import QApplication

    started = time.perf_counter()
    act()
    while True:
        QApplication.processEvents()
        if window.views.is_settled:
            break
    QApplication.processEvents()
    return 1000 * (time.perf_counter() - started)


def row(title: str, times_ms: list[float], goal: str, block_ms: float) -> str:
    """A line of the table."""
    p50, p95 = np.percentile(times_ms, [50, 95])
    return (
        f"{title:<34}{len(times_ms):>7}{p50:>9.1f}{p95:>9.1f}{max(times_ms):>9.1f}"
        f"{block_ms:>11.1f}   {goal}"
    )


def measure(project: Path, num_steps: int) -> None:
    """Print the table."""
    from PySide6.QtWidgets import QApplication

    from app.main import make_application
    from app.main_window import MainWindow
    from app.preferences import Preferences
    from app.session import DisplaySettings
    from app.shot import settle

    make_application(DisplaySettings())
    scratch = Path(tempfile.mkdtemp(prefix="trilabel-bench-"))
    window = MainWindow(preferences=Preferences(scratch / "preferences.ini"))
    window.resize(*_SIZE)
    window.show()
    settle(lambda: window.session.is_engine_ready)
    beat = Heartbeat()
    beat.take()
    started = time.perf_counter()
    window.session.open_project(project)
    QApplication.processEvents()
    opened = 1000 * (time.perf_counter() - started)
    settle(lambda: window.is_settled)
    open_block = beat.take()
    session = window.session
    num_frames = session.require_project().num_frames
    randomly = random.Random(0)
    print(f"{num_frames:,} frames, {len(session.require_project().rig)} views, ", end="")
    print(f"{len(session.observations.persons) if session.observations else 0} people, {_SIZE}")
    print(f"{'':<34}{'n':>7}{'p50 ms':>9}{'p95 ms':>9}{'max ms':>9}{'block ms':>11}   goal")
    print(row("open project", [opened], "1500", open_block))

    cold: list[float] = []
    for _ in range(40):
        window.views.drop_pictures()
        frame = randomly.randrange(num_frames)
        cold.append(until_painted(window, lambda frame=frame: session.set_frame(frame)))
    print(row("frame jump, nothing cached", cold, "p50 150", beat.take()))

    for frame in range(min(num_frames, 30)):
        until_painted(window, lambda frame=frame: session.set_frame(frame))
    beat.take()
    warm: list[float] = []
    for step in range(300):
        frame = step % min(num_frames, 30)
        warm.append(until_painted(window, lambda frame=frame: session.set_frame(frame)))
    print(row("frame step, warm", warm, "p50 40", beat.take()))

    chosen: list[float] = []
    num_joints = session.require_project().skeleton.num_joints
    for step in range(200):
        chosen.append(until_painted(window, lambda s=step: session.select(joint=s % num_joints)))
    print(row("select a joint", chosen, "p50 20", beat.take()))
    print(row("orbit the 3D view", window.scene.orbit_times_ms(120), "33 (30/s)", beat.take()))

    before = resident_mb()
    walked: list[float] = []
    for step in range(num_steps):
        frame = step % num_frames
        walked.append(until_painted(window, lambda frame=frame: session.set_frame(frame)))
    print(row(f"{num_steps:,} steps", walked, "", beat.take()))
    print(f"memory {before:.0f} MB before, {resident_mb():.0f} MB after (goal: under 1500)")
    window.close()


def main() -> None:
    """Parse arguments, make the demo match where no project is named, measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--project", type=Path, help="default: the demo match")
    parser.add_argument("--steps", type=int, default=10_000, help="default: %(default)s")
    arguments = parser.parse_args()
    from app.demo import prepare_demo
    from app.virtual_display import virtual_display

    project = arguments.project or prepare_demo(None, report=print)
    with virtual_display():
        measure(project, arguments.steps)


if __name__ == "__main__":
    main()
