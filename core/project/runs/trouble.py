"""What is wrong with a run, in words: what happened, why, and what to do about it.

Made from a `RunReport` alone, so that the window's card and the terminal say the same. A trainer
says why it failed by a code (`RunFinished.reason`); of one that could not say it any more, the end
of its own output tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.project.runs.states import LIVING

if TYPE_CHECKING:
    from core.errors import DataError
    from core.project.runs.following import RunReport
    from core.project.runs.states import RunState

HUNG_S = 30.0
_NEARLY_FULL = 0.9

# Why a run failed, as `RunFinished.reason` tells it.
OUT_OF_MEMORY = "out-of-memory"
DISK_FULL = "disk-full"
BAD_FILE = "bad-file"
NOT_FINITE = "not-finite"
REFUSED = "refused"
UNEXPECTED = "unexpected"

# What a trainer that found no room for its last event printed instead.
NO_ROOM = "No room on the disk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is wrong.

    Attributes:
        code: for programs, such as ``out-of-memory``; in words with hyphens.
        title: a few words, such as ``Out of memory``.
        what: what happened, a sentence.
        why: the cause as far as it is known; may be empty.
        todo: what a person can do, one or two sentences.
        can_resume: whether going on from the newest checkpoint makes sense.
    """

    code: str
    title: str
    what: str
    why: str
    todo: str
    can_resume: bool


@dataclass(frozen=True, slots=True)
class _Words:
    """What is said of a failure of a kind; the trainer's own text is its cause."""

    title: str
    what: str
    todo: str
    can_resume: bool = True


_FAILURES = {
    OUT_OF_MEMORY: _Words(
        "Out of memory",
        "The device has no room for even one group.",
        "Close what else uses the device, or start a run with a smaller network, smaller crops or "
        "fewer cameras.",
    ),
    DISK_FULL: _Words(
        "No room on the disk",
        "The trainer could not write to the run's folder.",
        "Make room (delete old runs, or clean their checkpoints), then resume.",
    ),
    BAD_FILE: _Words(
        "A file cannot be used",
        "The trainer refused a file or an option.",
        "Put right what is named, then resume, or start a new run.",
    ),
    NOT_FINITE: _Words(
        "The training diverged",
        "Losses or gradients were not finite, many steps in a row.",
        "Start a run with a lower learning rate or with run.clip_gradient, from this run's last "
        "good checkpoint or its start weights.",
        can_resume=False,
    ),
    REFUSED: _Words(
        "The trainer refused to begin",
        "The run cannot be trained as it is.",
        "Do as it says, then start again.",
    ),
    UNEXPECTED: _Words(
        "The trainer failed",
        "It met an error that it does not know.",
        "The end of the log has the details. Resume to try again; if it fails at the same place, "
        "report it with the log.",
    ),
}


def trouble_of(report: RunReport) -> Trouble | None:
    """What is wrong with a run; None where nothing is, or where a person wanted it so."""
    if report.status in LIVING:
        return _hung(report) or _unread(report.state)
    if report.status == "killed":
        return _no_room(report) or _killed(report)
    if report.status == "failed":
        if report.state.finished is None and not report.text.startswith("The trainer did not"):
            return _no_room(report) or _failed(report)
        return _failed(report) if report.state.finished else _never_began(report)
    return _unread(report.state)


def trouble_with_folder(error: DataError) -> Trouble:
    """What is wrong with a run's folder that cannot be opened or followed."""
    is_newer = "newer" in error.remedy.lower()
    return Trouble(
        code="newer-run" if is_newer else "damaged-run",
        title="Made by a newer trilabel" if is_newer else "The run cannot be read",
        what=f"{error.source}: expected {error.expected}, found {error.found}.",
        why="",
        todo=error.remedy,
        can_resume=False,
    )


def _failed(report: RunReport) -> Trouble:
    finished = report.state.finished
    code = finished.reason if finished and finished.reason in _FAILURES else UNEXPECTED
    if code == UNEXPECTED and NO_ROOM in report.text:
        code = DISK_FULL
    words = _FAILURES[code]
    return Trouble(
        code=code,
        title=words.title,
        what=words.what,
        why=report.text,
        todo=words.todo,
        can_resume=words.can_resume,
    )


def _never_began(report: RunReport) -> Trouble:
    return _no_room(report) or Trouble(
        code="not-started",
        title="The trainer did not start",
        what="Its process ended before it said anything.",
        why=_last_line(report.text),
        todo="The end of the log tells what it stumbled over; start it again when that is put "
        "right.",
        can_resume=True,
    )


def _no_room(report: RunReport) -> Trouble | None:
    return _failed(report) if NO_ROOM in report.text else None


def _killed(report: RunReport) -> Trouble:
    return Trouble(
        code="killed",
        title="The trainer was killed",
        what=f"It ended without a word{_place(report.state)}.",
        why=_last_line(report.text) or _likely(report.state),
        todo="Resume: it goes on from its newest checkpoint. All that was announced before is "
        "whole."
        if report.state.checkpoint
        else "Resume: it begins anew, for there is no checkpoint yet.",
        can_resume=True,
    )


def _hung(report: RunReport) -> Trouble | None:
    if report.silent_s <= HUNG_S:
        return None
    return Trouble(
        code="hung",
        title="The trainer hangs",
        what=f"It has shown no sign of life for {report.silent_s:.0f} s{_place(report.state)}.",
        why="Its process is halted, or waits for a disk or a device that does not answer.",
        todo="Wait if the machine was busy or asleep; else cancel it and resume: it goes on from "
        "its newest checkpoint.",
        can_resume=False,
    )


def _unread(state: RunState) -> Trouble | None:
    if not state.unknown:
        return None
    is_newer = any(event.reason == "newer" for event in state.unknown)
    return Trouble(
        code="newer-events" if is_newer else "damaged-events",
        title="Made by a newer trilabel" if is_newer else "Damaged lines",
        what=state.warning,
        why="" if is_newer else "The disk or another program changed events.jsonl.",
        todo="Update trilabel to see everything; what is known is shown."
        if is_newer
        else "Nothing must be done: the other lines are whole.",
        can_resume=False,
    )


def _place(state: RunState) -> str:
    latest = state.latest
    if latest is not None:
        return f", in {latest.stage} after step {latest.step} of {latest.steps}"
    return f", at the beginning of {state.stage.stage}" if state.stage else ""


def _likely(state: RunState) -> str:
    """Why a process is killed that says nothing: mostly for want of memory."""
    used = state.device_use[-1] if state.device_use else None
    if used and used.memory_total and used.memory_bytes > _NEARLY_FULL * used.memory_total:
        return "The memory was nearly full: the system has most likely ended it."
    return "Somebody or the system ended it (often for want of memory), or the machine went down."


def _last_line(text: str) -> str:
    """What the report quotes of the trainer's own output."""
    return text.partition("Its last line: ")[2]
