"""`trilabel runs`: the trainings of a project, and what can be done to them."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli.common import Manual, report
from app.cli.managing_runs import add_managing_arguments, manage, table

if TYPE_CHECKING:
    import argparse

    from core.project.runs.folder import RunFolder
    from core.project.runs.following import RunReport

_DESCRIPTION = """\
List the trainings of a project: what each is doing, how far it is, how good it is.

A run is told alive by a lock that dies with its trainer, so a run is never shown as
running that was killed, nor the other way round:

  created      nobody has trained it yet
  starting     its trainer is loading
  running      its trainer works          stopping   it was asked to stop
  done         all stages are complete    stopped    it was asked to; it can be resumed
  failed       it says why                cancelled  it was ended by force
  killed       its trainer or machine went down without a word; it can be resumed

RUN is the id, its beginning or its end, or last. A run that trains, or whose weights
another run has yet to start from, is not deleted.
"""

_EPILOG = """\
examples:
  trilabel runs match.trilabel
  trilabel runs match.trilabel --follow last
  trilabel runs match.trilabel --stop 20261123-014500-quick
  trilabel runs match.trilabel --note last "more unlabelled frames"
  trilabel runs match.trilabel --impact last
  trilabel runs match.trilabel --compare 014500-quick last
  trilabel runs match.trilabel --export-weights last weights/
"""

MANUAL = Manual(
    name="runs",
    summary="list, follow, stop, compare and delete the trainings of a project",
    description=_DESCRIPTION,
    epilog=_EPILOG,
)

_HEADINGS = ("run", "status", "where", "error on held-out frames", "begun")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("project", type=Path, metavar="PROJECT", help="a folder NAME.trilabel")
    parser.add_argument(
        "--json", action="store_true", help="print the list, sizes or a comparison as JSON"
    )
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--follow", metavar="RUN", help="show a living run's progress")
    chosen.add_argument("--stop", metavar="RUN", help="have it save a checkpoint and leave")
    chosen.add_argument("--cancel", metavar="RUN", help="end it at once; checkpoints stay")
    chosen.add_argument(
        "--impact", metavar="RUN", help="what changed from the training before it, and the curve"
    )
    add_managing_arguments(chosen)


def run(arguments: argparse.Namespace) -> int:
    """List the runs, or do what was asked to one."""
    from core.project.runs.folder import find_run
    from core.project.spec import read_spec

    read_spec(arguments.project)  # so that a folder that is no project is said to be none
    if arguments.follow:
        from app.cli.following import follow_run
        from core.project.runs.following import RunFollower

        follower = RunFollower(find_run(arguments.project, arguments.follow))
        follower.poll()  # shown from now on
        return follow_run(follower)
    if arguments.stop:
        return _stop(find_run(arguments.project, arguments.stop))
    if arguments.cancel:
        return _cancel(find_run(arguments.project, arguments.cancel))
    if arguments.impact:
        from app.cli.impact_text import show_impact

        return show_impact(arguments.project.absolute(), arguments.impact)
    if manage(arguments):
        return 0
    return _list(arguments.project.absolute(), as_json=arguments.json)


def _list(project: Path, *, as_json: bool) -> int:
    """Print all runs; one that cannot be read is told as such, and does not hide the others."""
    from core.errors import DataError
    from core.project.runs.folder import RunFolder, runs_of
    from core.project.runs.following import report_of

    rows: list[dict[str, Any]] = []
    for folder in runs_of(project):
        try:
            checked = RunFolder.open(folder.path)
            rows.append(_told(checked, report_of(checked)))
        except DataError as error:
            rows.append({"id": folder.id, "status": "unreadable", "text": str(error)})
    if as_json:
        report(json.dumps(rows, indent=2, allow_nan=False))
    elif not rows:
        report(f"No runs yet. Start one with: trilabel train {project}")
    else:
        report(_table(rows))
    return 1 if any(row["status"] == "unreadable" for row in rows) else 0


def _told(folder: RunFolder, now: RunReport) -> dict[str, Any]:
    """A run as plain values; numbers that are not finite become null."""
    from core.project.runs.about import read_about
    from core.project.runs.config_io import changed_options, config_hash

    state = now.state
    told: dict[str, Any] = {
        "id": folder.id,
        "name": folder.name,
        "note": read_about(folder.path).note,
        "path": str(folder.path),
        "created": folder.created,
        "config_hash": config_hash(folder.config),
        "changed": {row.key: value for row, value in changed_options(folder.config)},
        "status": now.status,
        "text": now.text,
        "warning": state.warning,
        "stage": state.stage.stage if state.stage else None,
        "stages_done": list(state.stages_done),
        "progress": asdict(state.latest) if state.latest else None,
        "evaluated": asdict(state.evaluations[-1]) if state.evaluations else None,
        "scale_mm": state.scale_mm,
        "checkpoint": state.checkpoint.file if state.checkpoint else None,
        "rounds": len(state.rounds),
        "started": asdict(state.started) if state.started else None,
        "notices": [asdict(notice) for notice in state.notices],
    }
    return _finite(told)


def _finite(value: Any) -> Any:  # noqa: ANN401 - any value of JSON
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return value


def _table(rows: list[dict[str, Any]]) -> str:
    lines = table([_HEADINGS, *(_cells(row) for row in rows)])
    notes = [f"{row['id']}: {note}" for row in rows if (note := _note(row))]
    return "\n".join([lines, *([""] if notes else []), *notes])


def _cells(row: dict[str, Any]) -> tuple[str, str, str, str, str]:
    from app.cli.following import STAGE_TITLES, metrics_text

    if row["status"] == "unreadable":
        return row["id"], "unreadable", "", "", ""
    progress, stage, evaluated = row["progress"], row["stage"], row["evaluated"]
    title = STAGE_TITLES[stage] if stage else "–"
    where = f"{title} {progress['step']:,}/{progress['steps']:,}" if progress else title
    begun = datetime.fromisoformat(row["created"]).astimezone()
    errors = metrics_text(evaluated["metrics"]) if evaluated else "–"
    return _called(row), row["status"], where, errors, f"{begun:%d %b %Y, %H:%M}"


def _called(row: dict[str, Any]) -> str:
    """The id, and the name where somebody gave it another than the id has."""
    return row["id"] if row["name"].lower() in row["id"] else f"{row['id']} ({row['name']})"


def _note(row: dict[str, Any]) -> str:
    told = (row["text"], row.get("note", ""), row.get("warning", ""))
    return " ".join(" / ".join(part.splitlines()) for part in told if part)


def _stop(folder: RunFolder) -> int:
    from core.errors import CommandRefusedError
    from core.project.runs.following import report_of
    from core.project.runs.states import LIVING

    if report_of(folder).status not in LIVING:
        raise CommandRefusedError(f"The run {folder.id} has no trainer that could be stopped.")
    folder.request_stop()
    report(f"Run {folder.id} stops after its present step, with a checkpoint.")
    return 0


def _cancel(folder: RunFolder) -> int:
    from core.errors import CommandRefusedError
    from core.project.runs.following import report_of
    from core.project.runs.launching import cancel_trainer
    from core.project.runs.states import LIVING

    if report_of(folder).status not in LIVING:
        raise CommandRefusedError(f"The run {folder.id} has no trainer that could be cancelled.")
    cancel_trainer(folder)
    report(f"Run {folder.id} is cancelled.")
    return 0
