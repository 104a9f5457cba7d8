"""`trilabel train --dry-run`: what a training would use, as text or as JSON."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from app.format import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.project import Project
    from core.project.runs.config import TrainConfig
    from core.retraining.inputs import RetrainInputs, WeightsChoice
    from core.retraining.used import UsedLabels

_WIDTH = 12


def inputs_json(inputs: RetrainInputs) -> str:
    """All of it; errors that are not known are null."""
    told: dict[str, Any] = asdict(inputs)
    for choice in (*told["weights"], told["start"]):
        choice["error_mm"] = choice["error_mm"] if math.isfinite(choice["error_mm"]) else None
    return json.dumps(told, indent=2, allow_nan=False)


def inputs_text(inputs: RetrainInputs, config: TrainConfig, first_number: int = 0) -> str:
    """All of it for people, a line a fact; `first_number` is what people call frame 0."""
    used = inputs.used
    rows = [
        ("data", inputs.name),
        ("labels", _labels(used)),
        ("accepted", _accepted(used, config)),
        ("frames", frames_text(used.frames, first_number)),
        ("held out", _held_out(inputs)),
        ("unlabelled", _unlabelled(used)),
        ("start from", _start(inputs.start)),
        ("stages", ", ".join(config.run.stages)),
        ("labels hash", used.content_hash or "–"),
    ]
    lines = [f"{title:<{_WIDTH}}  {text}" for title, text in rows]
    lines += ["", *inputs.notes]
    if inputs.warnings:
        lines += ["", *(f"Note: {warning}" for warning in inputs.warnings)]
    return "\n".join(lines)


def dry_run(project: Project, config: TrainConfig, *, as_json: bool) -> str:
    """What a training of the project would use now."""
    from core.retraining.inputs import retrain_inputs

    inputs = retrain_inputs(project, config)
    return (
        inputs_json(inputs) if as_json else inputs_text(inputs, config, project.first_frame_number)
    )


def frames_text(frames: Sequence[int], first_number: int, at_most: int = 8) -> str:
    """Frame numbers as stretches, such as ``1–12, 40 and 3 more``; a dash where there are none."""
    stretches: list[list[int]] = []
    for frame in frames:
        if stretches and frame == stretches[-1][-1] + 1:
            stretches[-1][-1] = frame
        else:
            stretches.append([frame, frame])
    told = [
        f"{a + first_number:,}" if a == b else f"{a + first_number:,}–{b + first_number:,}"
        for a, b in stretches[:at_most]
    ]
    left = sum(b - a + 1 for a, b in stretches[at_most:])
    return ", ".join(told) + (f" and {left:,} more" if left else "") or "–"


def _labels(used: UsedLabels) -> str:
    if not used.hand_joints and not used.space_joints:
        return "none"
    parts = [counted(used.hand_joints, "joint") + " in views"] if used.hand_joints else []
    if used.space_joints:
        parts.append(f"{counted(used.space_joints, 'joint')} in space")
    return f"{' and '.join(parts)}, in {counted(used.hand_frames, 'frame')}, of " + _people(
        used.hand_persons
    )


def _accepted(used: UsedLabels, config: TrainConfig) -> str:
    if used.accepted_points:
        return f"{counted(used.accepted_points, 'point')} in " + counted(
            used.accepted_frames, "frame"
        )
    return "none" if config.data.use_accepted else "not learned from (data.use_accepted)"


def _held_out(inputs: RetrainInputs) -> str:
    used = inputs.used
    if not used.held_out_groups:
        return "none"
    people = ", ".join(f"#{person}" for person in used.held_out_persons)
    who = f"test people {people}" if inputs.test_people else "the last labelled ones"
    return f"{counted(used.held_out_groups, 'group')} in " + (
        f"{counted(used.held_out_frames, 'frame')} ({who})"
    )


def _unlabelled(used: UsedLabels) -> str:
    if not used.unlabelled_groups:
        return "none"
    text = f"{counted(used.unlabelled_groups, 'group')} in "
    text += counted(used.unlabelled_frames, "frame")
    if used.rejected_joints:
        text += f"; {counted(used.rejected_joints, 'rejected joint')} left out"
    return text


def _start(start: WeightsChoice) -> str:
    missing = "" if start.exists else "MISSING: "
    return f"{missing}{start.title} – {start.detail}"


def _people(number: int) -> str:
    return "1 person" if number == 1 else f"{number:,} people"
