"""What the Retrain button says, from what the runs say and what people did since; no widget."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from app.format import counted, duration, percent
from core.project.runs.states import LIVING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from core.project import Project
    from core.project.runs.config import Stage
    from core.project.runs.estimate import Estimate
    from core.project.runs.following import RunReport
    from core.project.runs.turns import Ticket
    from core.retraining.fresh import Since

STAGE_NAMES: dict[Stage, str] = {
    "pretrain": "pre-train",
    "finetune": "fine-tune",
    "lift": "lift",
    "predict": "predict",
}
_MAX_BADGE = 999


class Runs(Protocol):
    """The part of `app.runs.RunWatch` that is told from."""

    @property
    def living(self) -> tuple[str, ...]:
        """Ids of the runs that live."""
        ...

    @property
    def reports(self) -> Mapping[str, RunReport]:
        """The newest report of each."""
        ...

    def title(self, run_id: str) -> str:
        """What people call a run."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ButtonFace:
    """What the button shows.

    Attributes:
        text: one word.
        badge: a count, or a share done; empty where there is neither.
        share: how far the run is, 0 to 1; None where none lives.
        tip: the whole of it.
    """

    text: str = "Retrain"
    badge: str = ""
    share: float | None = None
    tip: str = ""


def face_of(project: Project | None, runs: Runs, since: Since | None) -> ButtonFace:
    """The button's face now.

    Args:
        project: that is open.
        runs: who follows its runs.
        since: what people did since the newest run that `has_learned` took its snapshot; None where
            there is none.
    """
    if project is None:
        return ButtonFace(tip="Open a project first.")
    working = [run_id for run_id in runs.living if runs.reports[run_id].status != "waiting"]
    shown = (*working, *runs.living)
    if shown:
        return _living_face(shown[0], runs, since)
    if since is None:
        tip = "Retrain…: nothing was trained here yet."
        return ButtonFace(tip=tip)
    if not since:
        return ButtonFace(tip=f"Retrain…: no new labels since the run {runs.title(since.run)}.")
    num = since.hand_joints or len(since.reviews) or len(since.tracks)
    badge = f"{_MAX_BADGE}+" if num > _MAX_BADGE else f"{num}"
    frames = counted(len(since.frames), "frame")
    tip = f"Retrain…: {since.text} in {frames} since the run {runs.title(since.run)}."
    return ButtonFace(badge=badge, tip=tip)


def has_learned(report: RunReport) -> bool:
    """Whether a run has learned from its labels, or does: labels made since are new.

    One that failed or was cancelled has not; one that was stopped has where it can go on.
    """
    if report.status == "stopped":
        return report.state.checkpoint is not None
    return report.status == "done" or report.status in LIVING


def _living_face(run_id: str, runs: Runs, since: Since | None) -> ButtonFace:
    report = runs.reports[run_id]
    share = share_done(report)
    lines = [f"{runs.title(run_id)}: {where_it_is(report)}. Click: the run panel."]
    others = len(runs.living) - 1
    if others > 0:
        lines.append(f"{counted(others, 'other run')} {'waits' if others == 1 else 'wait'}.")
    note = next_round_note(since)
    if note:
        lines.append(note)
    if report.status == "waiting":
        return ButtonFace(text="Waiting", share=0.0, tip="\n".join(lines))
    text = {"starting": "Starting", "stopping": "Stopping"}.get(report.status, "Training")
    badge = percent(share) if report.status == "running" else ""
    return ButtonFace(text=text, badge=badge, share=share, tip="\n".join(lines))


def next_round_note(since: Since | None) -> str:
    """What was edited since the newest run began, as what the next one learns; else empty."""
    if not since:
        return ""
    return f"In the next round: {since.text}."


def where_it_is(report: RunReport) -> str:
    """Stage, steps and time left of a living run, in a few words."""
    state = report.state
    if report.status == "waiting" and state.waiting is not None:
        return f"waits for its turn, {counted(state.waiting.ahead, 'run')} before it"
    if state.stage is None:
        return "starting"
    words = STAGE_NAMES[state.stage.stage]
    latest = state.latest
    if latest is not None:
        words += f" {latest.step:,} of {latest.steps:,}"
        if math.isfinite(latest.seconds_left):
            words += f", {duration(latest.seconds_left)} left in this stage"
    return f"stopping, {words}" if report.status == "stopping" else words


def share_done(report: RunReport) -> float:
    """How far a run is, each of its stages counting the same; 0 to 1."""
    state = report.state
    order: tuple[Stage, ...] = ("pretrain", "finetune", "lift", "predict")
    done = len(state.stages_done)
    if state.stage is None:
        return 0.0
    stage = state.stage.stage
    # Stages before those that it did were left out; of those after nothing is known.
    begun = 0 if stage in state.stages_done else 1
    left = len(order) - 1 - order.index(stage)
    latest = state.latest
    part = latest.step / latest.steps if begun and latest is not None and latest.steps else 0.0
    return min((done + part) / max(done + begun + left, 1), 1.0)


def device_of(estimate: Estimate | None, asked: str, reports: Mapping[str, RunReport]) -> str:
    """Where a training would run: as measured, else as asked for, else as the runs before it.

    Args:
        estimate: of the time; None while it is not measured.
        asked: ``run.device`` of the configuration.
        reports: of the project's runs, oldest first.
    """
    if estimate is not None:
        return estimate.device
    if asked != "auto":
        return asked
    begun = [report.state.started for report in reports.values()]
    return next((one.device for one in reversed(begun) if one is not None), "cpu")


def line_text(line: Sequence[Ticket], title: Callable[[str], str]) -> str:
    """After which runs a training would start; empty where the device is free.

    Args:
        line: who is before it.
        title: what people call a run; its id where it is of another project.
    """
    names = ", ".join(title(ticket.run.name) for ticket in line)
    return f"It waits for its turn: starts after {names}." if names else ""
