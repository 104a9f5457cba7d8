"""How fast the window is: opening, frame steps, selection, playing, memory, the longest block.

    python benchmarks/window.py [--project PROJECT] [--steps 10000] [--match PROJECT]

Times are wall clock, from the command to the moment when everything that it changes has been
painted (pictures of all views included). "block" is the longest gap between two turns of the event
loop in that part of the run, seen by a timer of 1 ms; "cpu" is the most processor time that the
window's thread took between two turns, which other programs on the machine cannot lengthen; "over"
counts the gaps of more than 50 ms. The demo match and a match of 67,000 frames (made where none is
named, without pictures) are measured in a process each, so that memory is their own.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.labelling import confirmed, nudged
from core.project import JointKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from app.main_window import MainWindow
    from app.session import Session
    from core.project import Edit

_SIZE = (1600, 900)
_BLOCK_MS = 50.0
_PLAYED_S = 5.0
_NUM_WARM_FRAMES = 30


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
        self._start()

    def _start(self) -> None:
        self._gaps_ms = [(0.0, 0.0)]
        self._last = (time.perf_counter(), time.thread_time())

    def _beat(self) -> None:
        now = (time.perf_counter(), time.thread_time())
        self._gaps_ms.append((1000 * (now[0] - self._last[0]), 1000 * (now[1] - self._last[1])))
        self._last = now

    def take(self) -> str:
        """Longest gap, most processor time of one gap, and how many were long, since the last."""
        gaps = np.array(self._gaps_ms)
        self._start()
        longest, cpu = gaps.max(axis=0)
        return f"{longest:>8.1f}{cpu:>8.1f}{int((gaps[:, 0] > _BLOCK_MS).sum()):>6}"


def memory_mb(field: str = "VmRSS") -> float:
    """Memory of this process: ``VmRSS`` now, ``VmHWM`` at most (Linux)."""
    with Path("/proc/self/status").open() as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field)) / 1024


def until(is_done: Callable[[], bool]) -> None:
    """Turn the event loop until something holds, and what it asked to be painted has been."""
    from PySide6.QtWidgets import QApplication

    while not is_done():
        QApplication.processEvents()
    for _ in range(2):
        QApplication.processEvents()


class Bench:
    """The window, driven and timed."""

    def __init__(self, window: MainWindow, beat: Heartbeat) -> None:
        self.window = window
        self._beat = beat
        self._randomly = random.Random(0)

    def row(self, title: str, times_ms: list[float], goal: str) -> None:
        """Print a line of the table and begin the next part."""
        p50, p95, most = np.percentile(times_ms, [50, 95, 100])
        numbers = f"{len(times_ms):>7}{p50:>9.1f}{p95:>9.1f}{most:>9.1f}{self._beat.take()}"
        print(f"{title:<30}{numbers}   {goal}", flush=True)

    def timed(self, act: Callable[[], object]) -> float:
        """Milliseconds from an act to its last paint.

        The event loop calls the act, as it does for a key: what is painted after it is painted in
        a turn of its own.
        """
        from PySide6.QtCore import QTimer

        called: list[bool] = []

        def call() -> None:
            act()
            called.append(True)

        started = time.perf_counter()
        QTimer.singleShot(0, call)
        until(lambda: bool(called))
        until(lambda: self.window.views.is_settled)
        return 1000 * (time.perf_counter() - started)

    def open(self, path: Path) -> None:
        """Open as the window's menu does, until the first frame is painted."""
        window = self.window

        def open_and_wait() -> None:
            window.open_project(path)
            until(lambda: window.session.project is not None)

        self.row("open the project", [self.timed(open_and_wait)], "1500")

    def settle(self) -> None:
        """Noise scale, summary and proxies."""
        started = time.perf_counter()
        until(lambda: self.window.is_settled)
        self.row("background work after it", [1000 * (time.perf_counter() - started)], "")

    def jump(self, num: int, title: str) -> None:
        """Anywhere, with no picture in memory."""
        session, times = self.window.session, list[float]()
        for _ in range(num):
            self.window.views.drop_pictures()
            frame = self._randomly.randrange(session.require_project().num_frames)
            times.append(self.timed(lambda frame=frame: session.set_frame(frame)))
        self.row(title, times, "p50 150")

    def step(self, num: int, title: str, goal: str, num_frames: int) -> None:
        """Frame by frame, round and round."""
        session = self.window.session
        self.row(
            title,
            [
                self.timed(lambda step=step: session.set_frame(step % num_frames))
                for step in range(num)
            ],
            goal,
        )

    def select(self, num: int) -> None:
        """Joint by joint, and person by person now and then."""
        session = self.window.session
        num_joints = session.require_project().skeleton.num_joints
        times = [
            self.timed(lambda step=step: session.select(joint=step % num_joints))
            for step in range(num)
        ]
        self.row("select a joint", times, "p50 20")
        persons = session.observations.persons if session.observations is not None else ()
        if persons:
            times = [self.timed(lambda p=p: session.select(person=p)) for p in persons]
            self.row("select a person", times, "p50 20")

    def drag(self, num: int) -> None:
        """A joint with two more hand labels: from a mouse move to its ghosts painted in all views.

        Labels are written for it and taken back, in the copy that `measure_match` opens.
        """
        from PySide6.QtCore import QPoint, Qt
        from PySide6.QtTest import QTest

        views, session = self.window.views, self.window.session
        num_labels = _label_twice(session)
        camera, person, joint = session.cursor.camera, session.cursor.person, session.cursor.joint
        views.frame_person()
        until(lambda: views.is_settled)
        place = views.panel_of(camera).place_of(person, joint)
        assert place is not None
        start, left = place.toPoint(), Qt.MouseButton.LeftButton
        QTest.mouseMove(views, start)
        QTest.mousePress(views, left, Qt.KeyboardModifier.NoModifier, start)
        self._beat.take()
        times: list[float] = []
        for step in range(num):
            angle = 2 * np.pi * step / 60
            at = start + QPoint(round(24 * np.cos(angle)), round(24 * np.sin(angle)))
            times.append(self.timed(lambda at=at: QTest.mouseMove(views, at)))
        self.row("drag a joint: move → ghosts", times, "p50 16")
        views.editing.cancel()
        QTest.mouseRelease(views, left, Qt.KeyboardModifier.NoModifier, start)
        times = [self.timed(lambda: session.apply(_moved(session))) for _ in range(20)]
        self.row("edit a joint: durable, painted", times, "")
        for _ in range(num_labels + len(times)):
            session.undo()
        views.reset_zoom()
        until(lambda: self.window.is_settled)
        self._beat.take()

    def slide(self, num: int) -> None:
        """The slider of the noise scale, with its page in front."""
        session, inspector = self.window.session, self.window.inspector
        before = session.settings
        inspector.setCurrentWidget(inspector.threshold_page)
        times = [
            self.timed(lambda value=value: session.set_settings(scale_mm=value))
            for value in np.linspace(5, 50, num).tolist()
        ]
        self.row("drag a slider of settings", times, "")
        inspector.setCurrentIndex(0)
        session.set_settings(scale_mm=before.scale_mm)
        until(lambda: self.window.is_settled)
        self.row("its summary arrives", [float("nan")], "")

    def play(self) -> None:
        """Play on from the first frame: the time between two frames that were shown whole."""
        session, shown = self.window.session, list[float]()
        session.set_frame(0)
        self.window.views.drop_pictures()
        self.window.views.frame_shown.connect(lambda _frame: shown.append(time.perf_counter()))
        ended = time.perf_counter() + _PLAYED_S
        self.window.player.toggle()
        until(lambda: time.perf_counter() > ended or not self.window.player.is_playing)
        self.window.player.stop()
        self.row("play: frame to frame", (1000 * np.diff(shown)).tolist() or [float("nan")], "")

    def change_theme(self) -> None:
        """Dark to light and back."""
        session = self.window.session
        times = [
            self.timed(lambda name=name: session.set_display(theme=name))
            for name in ("light", "dark", "light", "dark")
        ]
        self.row("switch the theme", times, "")

    def orbit(self, num: int) -> None:
        """The 3D viewer."""
        self.row("orbit the 3D view", self.window.scene.orbit_times_ms(num), "p50 33")


def _label_twice(session: Session) -> int:
    """Label all joints of the person whom most views see in two views; how many edits it took.

    Select a joint of theirs in a third view.
    """
    seen, project = session.observations, session.require_project()
    assert seen is not None
    there: NDArray[np.bool_] = np.isfinite(seen.points_px).all(axis=-1)
    row = int(there.sum(axis=(1, 2)).argmax())
    first, second, third = np.argsort(-there[row].sum(axis=1))[:3].tolist()
    session.select(person=seen.persons[row], camera=third)
    edits = 0
    for camera in (first, second):
        joints = np.flatnonzero(there[row, camera])
        keys = [JointKey(seen.frame, camera, seen.persons[row], int(joint)) for joint in joints]
        session.apply(confirmed(seen, keys))
        edits += 1
    session.select(joint=int(np.flatnonzero(there[row].all(axis=0) | there[row, third])[0]))
    assert project.undo_description is not None
    return edits


def _moved(session: Session) -> Edit:
    """The selected joint a little to the right."""
    cursor, seen = session.cursor, session.observations
    assert seen is not None
    assert cursor.person is not None
    assert cursor.joint is not None
    return nudged(seen, JointKey(cursor.frame, cursor.camera, cursor.person, cursor.joint), 0.5, 0)


def start_window() -> Bench:
    """The empty window, shown, with the triangulation loaded behind it."""
    started = time.perf_counter()
    from app.main import make_application
    from app.main_window import MainWindow
    from app.preferences import Preferences
    from app.state import DisplaySettings

    make_application(DisplaySettings())
    scratch = Path(tempfile.mkdtemp(prefix="trilabel-bench-"))
    window = MainWindow(preferences=Preferences(scratch / "preferences.ini"))
    window.resize(*_SIZE)
    window.show()
    until(window.isVisible)
    shown = 1000 * (time.perf_counter() - started)
    bench = Bench(window, Heartbeat())
    until(lambda: window.session.is_engine_ready)
    head = f"{'p50 ms':>9}{'p95 ms':>9}{'max ms':>9}{'block':>8}{'cpu':>8}{'over':>6}   goal"
    print(f"{'':<30}{'n':>7}{head}")
    bench.row("start, block: until warm", [shown], "")
    return bench


def copy_of(project: Path, folder: Path) -> Path:
    """A project to write in: pictures beside it are linked, not copied."""
    for sibling in project.resolve().parent.iterdir():
        if sibling != project.resolve():
            (folder / sibling.name).symlink_to(sibling)
    return Path(shutil.copytree(project, folder / project.name))


def measure_match(project: Path, num_steps: int) -> None:
    """All that is done in a window, on a copy of one recording with pictures."""
    with tempfile.TemporaryDirectory() as folder:
        _measure_match(copy_of(project, Path(folder)), num_steps)


def _measure_match(project: Path, num_steps: int) -> None:
    bench = start_window()
    bench.open(project)
    bench.settle()
    opened = bench.window.session.require_project()
    bench.jump(40, "jump, nothing decoded")
    num_warm = min(opened.num_frames, _NUM_WARM_FRAMES)
    bench.step(num_warm, "step, first round", "", num_warm)
    bench.step(300, "step, warm", "p50 40", num_warm)
    bench.select(200)
    bench.drag(200)
    bench.slide(60)
    bench.play()
    bench.change_theme()
    bench.orbit(120)
    before = memory_mb()
    bench.step(num_steps, f"{num_steps:,} steps", "", opened.num_frames)
    print(f"memory {before:.0f} MB before, {memory_mb():.0f} MB after the steps, ", end="")
    print(f"{memory_mb('VmHWM'):.0f} MB at most (goal: under 1500)")
    bench.window.close()


def measure_long(project: Path) -> None:
    """A whole match without pictures, opened in a running window."""
    bench = start_window()
    before = memory_mb()
    bench.open(project)
    print(f"memory {before:.0f} MB before, {memory_mb():.0f} MB with it open (goal: under 700)")
    bench.jump(100, "jump while it is gone through")
    bench.settle()
    bench.jump(100, "jump")
    bench.step(300, "step", "p50 40", bench.window.session.require_project().num_frames)
    bench.change_theme()
    print(f"memory {memory_mb():.0f} MB after, {memory_mb('VmHWM'):.0f} MB at most")
    bench.window.close()


def run_part(part: str, project: Path, num_steps: int) -> None:
    """One part in a process of its own."""
    command = [sys.executable, __file__, "--part", part, "--project", str(project)]
    subprocess.run([*command, "--steps", str(num_steps)], check=True)


def run_all(project: Path, match: Path, num_steps: int) -> None:
    """Both parts, with what the machine is."""
    import project as long_match  # beside this script

    if not match.exists():
        print("Making a match of 67,000 frames", flush=True)
        long_match.build(match, 67_000, 8, 12, 8)
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"{os.cpu_count()} processors, load {load}, window {_SIZE[0]} x {_SIZE[1]}\n")
    for title, part, path in (
        ("The demo match", "demo", project),
        ("67,000 frames, 8 cameras, 12 people, no pictures", "long", match),
    ):
        print(f"{title}: {path}", flush=True)
        run_part(part, path, num_steps)
        print()


def main() -> None:
    """Parse arguments, make the demo match where no project is named, measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--project", type=Path, help="default: the demo match")
    parser.add_argument("--match", type=Path, help="a long match; made there if it is missing")
    parser.add_argument("--steps", type=int, default=10_000, help="default: %(default)s")
    parser.add_argument("--part", choices=["demo", "long"], help="only this part, on --project")
    arguments = parser.parse_args()
    from app.virtual_display import virtual_display

    if arguments.part is not None:
        with virtual_display():
            if arguments.part == "demo":
                measure_match(arguments.project, arguments.steps)
            else:
                measure_long(arguments.project)
        return
    from app.demo import prepare_demo

    project = arguments.project or prepare_demo(None, report=print)
    with tempfile.TemporaryDirectory() as temporary:
        match = arguments.match or Path(temporary) / "long.trilabel"
        run_all(project, match, arguments.steps)


if __name__ == "__main__":
    main()
