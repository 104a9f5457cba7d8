"""The window beside a living trainer, timed: frame steps, what is taken up, the longest block.

A real run of a few steps is started, niced as always; the first goal is that whoever labels does
not notice it. The run's folder lies in the copy of a project that the benchmark opens.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from window_timing import NONE_MS, until  # beside this script

from core.project.runs.config_io import preset, with_values
from core.project.runs.folder import RUNS_FOLDER, RunFolder

if TYPE_CHECKING:
    from window_timing import Spent, Timing

    from core.curation.sources import RunSource
    from core.project.predictions import News

# As short as a run can be that still trains, evaluates and predicts.
_TINY = {
    "pretrain.steps": 20,
    "finetune.steps": 30,
    "lift.steps": 10,
    "run.wait_turn": False,
    "run.evaluate_every": 10,
    "run.report_every": 2,
    "data.max_unlabelled": 40,
    "predict.every": 8,
}
_STEPS_A_TURN = 30
_LONGEST_S = 900.0
_WORK_STEPS = 60


class TrainingRows:
    """The rows of the table about working while a training runs."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._window = timing.window
        self._taken: list[Spent] = []

    def measure(self) -> None:
        """Start a run, step through frames until it has ended, and say what was taken up."""
        window, timing = self._window, self._timing
        session, watch = window.session, window.watch
        project = session.require_project()
        config = with_values(preset("quick"), _TINY)
        run = RunFolder.create(
            project.path / RUNS_FOLDER,
            config,
            project_dir=project.path,
            labels_db=project.path / "labels.db",
            name="bench",
        )
        self._time_take_up()
        num_frames = project.num_frames
        steps = self._stepped(_WORK_STEPS, num_frames)
        timing.row("step, no training", steps, "p50 40")
        started = time.perf_counter()
        watch.start(run)
        until(lambda: bool(watch.living) or time.perf_counter() - started > _LONGEST_S)
        steps, first_s = [], float("nan")
        while run.id in watch.living and time.perf_counter() - started < _LONGEST_S:
            steps += self._stepped(_STEPS_A_TURN, num_frames)
            report = watch.report(run.id)
            if math.isnan(first_s) and report is not None and report.state.predicted:
                first_s = time.perf_counter() - started
            self._idle(1.0)
        timing.row("step beside a training", steps or [NONE_MS], "p50 60")
        timing.row("take predictions up", self._taken or [NONE_MS], "max 50")
        report = watch.report(run.id)
        status = "unknown" if report is None else report.status
        took = time.perf_counter() - started
        print(f"the run is {status} after {took:.0f} s, the first predictions came after", end=" ")
        print(f"{first_s:.0f} s; shown: {'' if session.source is None else session.source.title}")

    def _stepped(self, num: int, num_frames: int) -> list[Spent]:
        session = self._window.session
        return [
            self._timing.timed(lambda step=step: session.set_frame(step % num_frames))
            for step in range(num)
        ]

    def _idle(self, seconds: float) -> None:
        """Turn the event loop for a while without asking for anything."""
        ended = time.perf_counter() + seconds
        until(lambda: time.perf_counter() > ended)

    def _time_take_up(self) -> None:
        """Time what the window's thread spends on each piece of news."""
        session, taken = self._window.session, self._taken
        take_up = session.take_up

        def timed(source: RunSource, news: News) -> None:
            started = (time.perf_counter(), time.thread_time())
            take_up(source, news)
            ended = (time.perf_counter(), time.thread_time())
            taken.append((1000 * (ended[0] - started[0]), 1000 * (ended[1] - started[1])))

        session.take_up = timed
