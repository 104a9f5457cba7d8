"""Following a run on the terminal: a progress bar, or plain lines where nobody watches.

What is shown comes from the run's folder alone, so that it is the same for a run started here, by
the window, or on another machine. Ctrl-C asks the trainer to save and leave, and waits for it; a
second Ctrl-C cancels it. The trainer has a session of its own and hears neither.

Trap: texts of a run may come from elsewhere, so nothing of them may steer the terminal.
"""

from __future__ import annotations

import math
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from app.format import counted, duration, length, percent
from core.project.runs import events as ev
from core.project.runs.following import RunFollower
from core.project.runs.launching import cancel_trainer, start_trainer
from core.project.runs.states import LIVING
from core.project.runs.trouble import HUNG_S, trouble_of

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence

    from core.project.runs.events import Event
    from core.project.runs.folder import RunFolder
    from core.project.runs.following import RunReport

STAGE_TITLES = {
    "pretrain": "Pre-training",
    "finetune": "Fine-tuning",
    "lift": "Lifting",
    "predict": "Predicting",
}
# Metrics of `Evaluated`, and what they are called.
_ERRORS = {
    "mv_mpjpe": "multi-view",
    "common_mpjpe": "common triangulation",
    "sv_mpjpe": "single-view",
}
_POLL_S = 0.2
_PLAIN_EVERY_S = 10.0
_BAR, _SHORT_BAR = 24, 6
# Troubles whose text does not tell what to do; the others' does.
_WORDS_HELP = {"out-of-memory", "killed", "unexpected"}
_MAX_LOSSES = 4


def start_and_follow(
    run: RunFolder,
    *,
    processes: int,
    detach: bool,
    resume: bool = False,
    command: Sequence[str] | None = None,
    again: str = "",
) -> int:
    """Start a run's trainer, and show what it says until it has left.

    Args:
        run: the run.
        processes: that share the work.
        detach: start it, tell how to follow it, and leave.
        resume: go on from its newest checkpoint.
        command: what to start in place of the trainer.
        again: the command that goes on where this one was stopped; empty = resuming the training.

    Returns:
        The exit code, as `follow_run`.
    """
    follower = RunFollower(run)
    follower.poll()  # what was said before is not shown again
    process = start_trainer(run, processes=processes, resume=resume, command=command)
    print(f"Run {run.id}, process {process.pid}", flush=True)
    if detach:
        print(f"Follow it with: trilabel runs {_place(run)} --follow {run.id}", flush=True)
        return 0
    return follow_run(follower, process, again=again)


def follow_run(
    follower: RunFollower, process: subprocess.Popen[bytes] | None = None, *, again: str = ""
) -> int:
    """Show a run until its trainer has left.

    Args:
        follower: of the run; what it has polled already is not shown.
        process: the trainer, where this process has started it.
        again: as for `start_and_follow`.

    Returns:
        The exit code: 0 where it is done or was stopped, 1 otherwise.

    Raises:
        DataError: a file of the run cannot be read.
    """
    run = follower.run
    screen = Screen(sys.stdout)
    interruptions = 0
    while True:
        try:
            report = follower.poll()
            screen.show(report)
            if report.status not in LIVING:
                break
            time.sleep(_POLL_S)
        except KeyboardInterrupt:
            interruptions += 1
            _interrupt(run, screen, interruptions)
    if process is not None:
        process.wait()
    screen.line(outcome(run, report, again))
    return 0 if report.status in ("done", "stopped") else 1


def outcome(run: RunFolder, report: RunReport, again: str = "") -> str:
    """One line about how a run ended, and what can be done next."""
    text = f"Run {run.id}: {report.status}. {report.text}".rstrip()
    trouble = trouble_of(report) if report.status in ("failed", "killed") else None
    if trouble is not None and trouble.why not in text:
        text += f" {trouble.why}"
    if trouble is not None and trouble.code in _WORDS_HELP:
        text += f"\n{trouble.todo}"
    if not again and report.state.checkpoint:
        again = f"trilabel train {_place(run)} --resume {run.id}"
    if again and report.status in ("stopped", "cancelled", "failed", "killed"):
        text += f"\nGo on with: {again}"
    if report.status == "failed" and not report.text:
        text += f"\nWhat it printed is in {run.stderr_log}"
    return _printable(text)


class Screen:
    """Lines, and below them a bar that is drawn anew where the stream is a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._bar = ""
        self._said_at = -math.inf
        self._has_said_silence = False

    def show(self, report: RunReport) -> None:
        """New events as lines; where the run is as a bar, or now and then as a line."""
        for event in report.events:
            if isinstance(event, ev.Progress):
                self._say_now_and_then(event)
            elif text := event_text(event):
                self.line(text)
        self._show_silence(report)
        self._draw(bar_text(report, self._width()) if report.status in LIVING else "")

    def line(self, text: str) -> None:
        """A line that stays, above the bar."""
        bar = self._bar
        self._draw("")
        print(_printable(text), file=self._stream, flush=True)
        self._draw(bar)

    def _width(self) -> int:
        return shutil.get_terminal_size().columns - 1

    def _draw(self, text: str) -> None:
        if self._is_terminal and text != self._bar:
            shown = _printable(text)[: self._width()]
            print(f"\r\x1b[K{shown}", end="", file=self._stream, flush=True)
            self._bar = text

    def _say_now_and_then(self, progress: ev.Progress) -> None:
        """A line where there is no bar: not too many, but the last of each stage for certain."""
        now = time.monotonic()
        is_time = now - self._said_at >= _PLAIN_EVERY_S or progress.step >= progress.steps
        if is_time and not self._is_terminal:
            self._said_at = now
            self.line(progress_text(progress))

    def _show_silence(self, report: RunReport) -> None:
        is_silent = report.silent_s > HUNG_S
        if is_silent and not self._has_said_silence:
            self.line(f"The trainer has shown no sign of life for {duration(report.silent_s)}.")
        self._has_said_silence = is_silent


def bar_text(report: RunReport, width: int = 120) -> str:
    """Where a living run is, in one line of at most so many characters."""
    state = report.state
    if state.waiting is not None:
        return waiting_text(state.waiting)
    if report.status == "starting" or state.stage is None:
        return "Starting the trainer …"
    beginning = "Stopping · " if report.status == "stopping" else ""
    title = beginning + STAGE_TITLES[state.stage.stage]
    latest = state.latest
    return f"{title} …" if latest is None else _bar_of(latest, title, width)


def progress_text(progress: ev.Progress) -> str:
    """Stage, step, losses and time left, without a bar."""
    parts = [
        f"{STAGE_TITLES[progress.stage]} {progress.step:,}/{progress.steps:,}",
        *_losses(progress.losses),
        _pace(progress),
    ]
    return "  ".join(part for part in parts if part)


def event_text(event: Event) -> str:
    """An event as a line for people; empty for those that the bar shows."""
    text = ""
    match event:
        case ev.Waiting():
            text = waiting_text(event)
        case ev.RunStarted():
            text = _started_text(event)
        case ev.Evaluated():
            text = f"Held out, after {counted(event.step, 'step')}: {metrics_text(event.metrics)}"
        case ev.ScaleMeasured():
            text = f"Noise scale: {length(event.scale_mm)}"
        case ev.StageFinished():
            text = f"{STAGE_TITLES[event.stage]} is done."
        case ev.Notice():
            text = event.text if event.level == "info" else f"{event.level}: {event.text}"
        case ev.UnknownEvent(reason="newer"):
            text = "The trainer said something that only a newer trilabel understands."
        case ev.PredictionRoundFinished():
            text = f"Round {event.round} of predictions is complete."
        case _:
            pass
    return text


def metrics_text(metrics: Mapping[str, float | None]) -> str:
    """The figures that say most: mean errors in millimetres, and coverage where it is not whole.

    All metrics are in the events; a name that is not known here is shown where none is known.
    """
    known = [
        f"{title} {length(value)}"
        for name, title in _ERRORS.items()
        if (value := metrics.get(name)) is not None
    ]
    coverage = metrics.get("mv_coverage")
    if coverage is not None and coverage < 1:
        known.append(f"{percent(coverage)} of the joints")
    others = [f"{name} {_figure(value)}" for name, value in metrics.items() if value is not None]
    return ", ".join(known or others[:_MAX_LOSSES]) or "–"


def waiting_text(event: ev.Waiting) -> str:
    """Whom a run waits for."""
    others = event.ahead - 1
    behind = f", behind {counted(others, 'other')}" if others > 0 else ""
    return f"Waiting for {event.device}: starts after the run {Path(event.run).name}{behind}."


def _interrupt(run: RunFolder, screen: Screen, interruptions: int) -> None:
    if interruptions == 1:
        run.request_stop()
        screen.line("Stopping after this step, with a checkpoint; Ctrl-C again cancels at once.")
        return
    screen.line("Cancelling …")
    cancel_trainer(run)


def _started_text(event: ev.RunStarted) -> str:
    how = "Going on" if event.resumed else "Training"
    processes = f", {counted(event.num_processes, 'process')}" if event.num_processes > 1 else ""
    groups = (
        f"{event.labelled:,} labelled, {event.unlabelled:,} unlabelled, "
        f"{event.held_out:,} held-out groups"
    )
    lines = [f"{how} on {event.device_name} ({event.device}{processes}): {groups}", *event.notes]
    return "\n".join(lines)


def _bar_of(progress: ev.Progress, title: str, width: int) -> str:
    """The bar shrinks first, then the least important words go."""
    done = progress.step / progress.steps if progress.steps > 0 else 0.0
    count = f"{progress.step:,}/{progress.steps:,} {percent(done)}"
    losses = _losses(progress.losses)
    for words in (
        [count, *losses, _pace(progress)],
        [count, *losses, _time_left(progress)],
        [count, *losses[:1], _time_left(progress)],
        [count, _time_left(progress)],
    ):
        text = "  ".join(word for word in words if word)
        room = min(_BAR, width - len(title) - len(text) - 4)
        if room >= _SHORT_BAR:
            filled = round(room * min(max(done, 0.0), 1.0))
            return f"{title}  {'█' * filled}{'·' * (room - filled)}  {text}"
    return f"{title}  {count}"


def _pace(progress: ev.Progress) -> str:
    each = progress.seconds_per_step
    parts = [f"{each:.2g} s a step" if math.isfinite(each) else "", _time_left(progress)]
    return ", ".join(part for part in parts if part)


def _time_left(progress: ev.Progress) -> str:
    left = progress.seconds_left
    return f"{duration(left)} left" if math.isfinite(left) else ""


def _losses(losses: dict[str, float]) -> list[str]:
    return [f"{name} {_figure(value)}" for name, value in list(losses.items())[:_MAX_LOSSES]]


def _figure(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "–"


def _place(run: RunFolder) -> str:
    return str(run.project_dir) if run.project_dir else str(run.path)


def _printable(text: str) -> str:
    """The text without characters that steer a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)
