"""How fast the window is: opening, frame steps, selection, playing, memory, the longest block.

    python benchmarks/window.py [--project PROJECT] [--steps 10000] [--match PROJECT]

Times are wall clock, from the command to the moment when everything that it changes has been
painted (pictures of all views included); "cpu 50" and "cpu 95" are the processor time of the
window's thread from one to the other, which other programs on the machine cannot lengthen. "block"
is the longest gap between two turns of the event loop in that part of the run, seen by a timer of
1 ms; "cpu" is the most processor time of one gap; "over" counts the gaps of more than 50 ms. The
demo match and a match of 67,000 frames (made where none is named, without pictures) are measured in
a process each, so that memory is their own.
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
from window_editing import EditingRows  # these three stand beside this script
from window_timing import HEAD, NONE_MS, Heartbeat, Timing, memory_mb, until
from window_training import TrainingRows

if TYPE_CHECKING:
    from app.main_window import MainWindow

_SIZE = (1600, 900)
_PLAYED_S = 5.0
_NUM_WARM_FRAMES = 30


class Bench(Timing):
    """The window: opened, gone through, played."""

    def __init__(self, window: MainWindow, beat: Heartbeat) -> None:
        super().__init__(window, beat)
        self._randomly = random.Random(0)

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
        self.row(
            "background work after it", [(1000 * (time.perf_counter() - started), float("nan"))], ""
        )

    def jump(self, num: int, title: str) -> None:
        """Anywhere, with no picture in memory."""
        session, times = self.window.session, list[tuple[float, float]]()
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
        self.row("its summary arrives", [NONE_MS], "")

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
        self.row("play: frame to frame", _wall_only((1000 * np.diff(shown)).tolist()), "")

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
        self.row("orbit the 3D view", _wall_only(self.window.scene.orbit_times_ms(num)), "p50 33")


def _wall_only(times_ms: list[float]) -> list[tuple[float, float]]:
    """Times by wall clock of what is not one act of the window's thread."""
    return [(time_ms, float("nan")) for time_ms in times_ms] or [NONE_MS]


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
    print(HEAD)
    bench.row("start, block: until warm", _wall_only([shown]), "")
    return bench


def copy_of(project: Path, folder: Path) -> Path:
    """A project to write in: pictures beside it are linked, not copied."""
    for sibling in project.resolve().parent.iterdir():
        if sibling != project.resolve():
            (folder / sibling.name).symlink_to(sibling)
    return Path(shutil.copytree(project, folder / project.name))


def measure_editing(project: Path) -> None:
    """Selecting and editing alone, on a copy."""
    with tempfile.TemporaryDirectory() as folder:
        bench = start_window()
        bench.open(copy_of(project, Path(folder)))
        bench.settle()
        bench.select(100)
        EditingRows(bench).measure(100)
        bench.window.close()


def measure_training(project: Path) -> None:
    """Working beside a short training, on a copy."""
    with tempfile.TemporaryDirectory() as folder:
        bench = start_window()
        bench.open(copy_of(project, Path(folder)))
        bench.settle()
        TrainingRows(bench).measure()
        bench.window.close()


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
    EditingRows(bench).measure(200)
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
    parser.add_argument(
        "--part",
        choices=["demo", "long", "editing", "training"],
        help="only this part, on --project (by default the demo match)",
    )
    arguments = parser.parse_args()
    from app.demo import prepare_demo
    from app.virtual_display import virtual_display

    if arguments.part is not None:
        arguments.project = arguments.project or prepare_demo(None, report=print)
        with virtual_display():
            if arguments.part == "demo":
                measure_match(arguments.project, arguments.steps)
            elif arguments.part == "editing":
                measure_editing(arguments.project)
            elif arguments.part == "training":
                measure_training(arguments.project)
            else:
                measure_long(arguments.project)
        return
    project = arguments.project or prepare_demo(None, report=print)
    with tempfile.TemporaryDirectory() as temporary:
        match = arguments.match or Path(temporary) / "long.trilabel"
        run_all(project, match, arguments.steps)


if __name__ == "__main__":
    main()
