"""What is said about a run in a line: its state, where it is, how busy its device is; no Qt."""

from __future__ import annotations

import math
import time
from datetime import datetime
from typing import TYPE_CHECKING

from app.cli.following import STAGE_TITLES
from app.format import counted, duration, percent
from core.project.runs.states import LIVING
from core.project.runs.trouble import HUNG_S, trouble_of

if TYPE_CHECKING:
    from app.runs.following_all import RunEntry
    from core.project.runs.config import Stage
    from core.project.runs.events import DeviceUsed
    from core.project.runs.following import RunReport

STATUS_WORDS = {
    "created": "not started",
    "starting": "starting",
    "waiting": "waiting",
    "running": "running",
    "stopping": "stopping",
    "done": "done",
    "stopped": "stopped",
    "failed": "failed",
    "cancelled": "cancelled",
    "killed": "killed",
}
_BEFORE = {"created": "Not started yet", "starting": "Starting the trainer …"}
_GIB = 1 << 30


def entry_title(entry: RunEntry, report: RunReport | None) -> str:
    """Name, when and state of a run, for a list."""
    status = "cannot be read" if entry.error else "" if report is None else report.status
    parts = [entry.name, _when(entry.created), STATUS_WORDS.get(status, status)]
    return " · ".join(part for part in parts if part)


def short_title(entry: RunEntry) -> str:
    """What a run is called in a sentence: its name and when it was made."""
    return " ".join(part for part in (entry.name, _when(entry.created)) if part)


def progress_line(report: RunReport) -> str:
    """What a run is doing, with what is left, in a line."""
    state, status = report.state, report.status
    if status == "waiting" and state.waiting is not None:
        ahead = counted(state.waiting.ahead, "run")
        text = f"Waiting for {state.waiting.device}: {ahead} before this one"
    elif status in _BEFORE:
        text = _BEFORE[status]
    elif status not in LIVING:
        text = end_line(report)
    elif report.silent_s > HUNG_S:
        text = f"No sign of life for {duration(report.silent_s)}"
    elif state.stage is None:
        text = "Reading the data …"
    else:
        text = _stage_line(report, state.stage.stage)
    return text


def _stage_line(report: RunReport, stage: Stage) -> str:
    title = ("Stopping · " if report.status == "stopping" else "") + STAGE_TITLES[stage]
    latest = report.state.latest
    if latest is None:
        return f"{title} …"
    parts = [f"{title} {latest.step:,} of {latest.steps:,}"]
    if math.isfinite(latest.seconds_left):
        parts.append(f"{duration(latest.seconds_left)} left")
    if math.isfinite(latest.seconds_per_step):
        parts.append(f"{latest.seconds_per_step:.2g} s a step")
    return " · ".join(parts)


def end_line(report: RunReport) -> str:
    """How a run has ended, and how long it took."""
    worked_s = report.state.worked_s
    after = f" after {duration(worked_s)}" if worked_s >= 1 else ""  # NaN is not
    return f"{STATUS_WORDS[report.status].capitalize()}{after}"


def can_resume(report: RunReport | None) -> bool:
    """Whether going on with a run that lives no more makes sense."""
    if report is None or report.status in LIVING or report.status == "done":
        return False
    trouble = trouble_of(report)
    return trouble is None or report.status in ("stopped", "cancelled") or trouble.can_resume


def share_done(report: RunReport) -> float:
    """0…1, of the present stage."""
    latest = report.state.latest
    return latest.step / latest.steps if latest is not None and latest.steps > 0 else 0.0


def device_line(report: RunReport) -> str:
    """The device, how busy it is and its memory; empty where nothing is known."""
    state = report.state
    if state.started is None:
        return ""
    used = state.device_use[-1] if state.device_use else None
    parts = [state.started.device]
    if used is not None:
        if math.isfinite(used.busy):
            parts.append(f"{percent(used.busy)} busy")
        parts.append(_memory(used))
    return " · ".join(part for part in parts if part)


def _memory(used: DeviceUsed) -> str:
    if not used.memory_bytes:
        return ""
    held = f"{used.memory_bytes / _GIB:.1f}"
    return f"{held} of {used.memory_total / _GIB:.0f} GB" if used.memory_total else f"{held} GB"


def _when(stamp: str) -> str:
    """The time on this machine's clock, with the day where it is not today's."""
    try:
        when = datetime.fromisoformat(stamp).astimezone()
    except ValueError:
        return ""
    is_today = when.date() == datetime.fromtimestamp(time.time()).astimezone().date()
    return f"{when:%H:%M}" if is_today else f"{when:%d %b %H:%M}"
