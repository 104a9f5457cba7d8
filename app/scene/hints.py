"""What the viewer says beside the pointer, as rich text that wraps."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from core.diagnosis import explain_joint

if TYPE_CHECKING:
    from app.state import HoverTarget
    from core.diagnosis import FrameDiagnosis
    from core.project import Project


def joint_hint(diagnosis: FrameDiagnosis, project: Project, target: HoverTarget) -> str:
    """Which joint it is, and why it was kept or discarded; empty for somebody not there."""
    if target.person not in diagnosis.persons:
        return ""
    row = diagnosis.persons.index(target.person)
    name = project.skeleton.joints[target.joint].replace("_", " ")
    sentence = explain_joint(diagnosis, project.rig, row, target.joint).sentence
    return f"<b>{escape(name)} of #{target.person}</b><br>{escape(sentence)}"


def camera_hint(name: str) -> str:
    """Which camera it is, and what a click does."""
    return f"<b>{escape(name)}</b><br>Click to look through it."


def drag_hint(camera: str) -> str:
    """How the selected joint is moved."""
    ways = f"<b>Shift</b> level · <b>Ctrl</b> along the ray of {escape(camera)}"
    return f"<br>Drag to move it in the picture's plane · {ways}"
