"""A merge for the eye and for the record: both sides of every conflict, and which one was taken."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from core.files import write_text_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from core.project.edits import Row
    from core.project.merge import Conflict, Kind, Merge, Side
    from core.project.project import Project

KIND_NAMES: dict[Kind, str] = {
    "labels": "label",
    "points3d": "3D label",
    "decisions": "review",
    "overrides": "mute",
    "track_points": "place on the ground",
    "swaps": "swap of identities",
}


def side_text(conflict: Conflict, side: Side) -> str:
    """A side of a conflict for the eye, such as ``412.0, 80.5 visible, by ann 2026-03-01``."""
    told = [_row_text(table, row) for table, row in side.items() if row is not None]
    if not told:
        return "nothing" if conflict.kind != "decisions" else "not reviewed"
    stamps = [row[-2:] for row in side.values() if row is not None]
    time, annotator = max(stamps, key=lambda stamp: str(stamp[0]))
    return f"{'; '.join(told)}, by {annotator} {_local(str(time))}"


def _local(time: str) -> str:
    return f"{datetime.fromisoformat(time).astimezone():%Y-%m-%d %H:%M}"


def _row_text(table: str, row: Row) -> str:
    values: Any = row
    if table == "labels":
        place = "no place" if values[0] is None else f"{values[0]:.1f}, {values[1]:.1f}"
        origin = "" if values[3] == "hand" else f" ({values[3]})"
        return f"{place} {values[2]}{origin}"
    if table in ("points3d", "accepted"):
        return f"{values[0]:.0f}, {values[1]:.0f}, {values[2]:.0f} mm"
    if table == "track_points":
        return "not there" if values[0] is None else f"{values[0]:.0f}, {values[1]:.0f} mm"
    if table == "overrides":
        return "muted" if values[0] == 0 else "not muted"
    if table == "reviews":
        return str(values[0])
    return f"#{values[3]} and #{values[4]}, {values[2] - values[1]} frames"


def write_report(path: Path, project: Project, merge: Merge) -> None:
    """Write both sides of every conflict, and which one was taken, as JSON."""
    conflicts = [
        {
            "kind": KIND_NAMES[conflict.kind],
            "frame_number": conflict.frame + project.first_frame_number,
            "person": conflict.person,
            "joint": None if conflict.joint is None else project.skeleton.joints[conflict.joint],
            "camera": None if conflict.camera is None else project.rig.names[conflict.camera],
            "locked": conflict.is_locked,
            "taken": "theirs" if index in merge.theirs and not conflict.is_locked else "mine",
            "mine": dict(conflict.mine),
            "theirs": dict(conflict.theirs),
        }
        for index, conflict in enumerate(merge.plan.conflicts)
    ]
    content = {
        "merged": str(merge.plan.other),
        "annotators": list(merge.plan.annotators),
        "taken_over": {KIND_NAMES[kind]: count for kind, count in merge.plan.counts.items()},
        "conflicts": conflicts,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(path, json.dumps(content, indent=1))


def merge_and_report(project: Project, merge: Merge, apply: Callable[[Merge], object]) -> Path:
    """Carry a merge out, and write its report into the project's ``exports``.

    Args:
        project: ours.
        merge: the plan and the choices.
        apply: how an edit is applied: the project's own way, or a window's.

    Returns:
        the report.

    Raises:
        CommandRefusedError: as `Merge.writes`.
    """
    apply(merge)
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    path = project.path / "exports" / f"merge-{stamp}.json"
    write_report(path, project, merge)
    return path
