"""What `trilabel runs` does to runs that exist: names, notes, space, weights, comparing."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli.common import report
from app.format import byte_size, duration, measured

if TYPE_CHECKING:
    import argparse

    from core.project.runs.managing import Comparison
    from core.project.runs.managing.comparing import Figure

_MAX_VALUE = 40


def add_managing_arguments(chosen: argparse._ActionsContainer) -> None:  # pyright: ignore[reportPrivateUsage] - argparse names its groups only so
    """Declare them among the things of which one can be done at a time."""
    add = chosen.add_argument
    add("--rename", nargs=2, metavar=("RUN", "NAME"), help="call it something else; the id stays")
    add("--note", nargs=2, metavar=("RUN", "TEXT"), help="note something; an empty TEXT removes it")
    add("--compare", nargs="+", metavar="RUN", help="runs side by side, or one alone")
    add("--size", action="store_true", help="what each run takes on the disk")
    add("--clean", metavar="RUN", help="remove checkpoints but for the newest and the best")
    add("--delete", metavar="RUN", help="delete it for good; accepted points stay")
    add(
        "--export-weights",
        nargs=2,
        metavar=("RUN", "FOLDER"),
        help="copy its networks and where they come from into a new folder",
    )
    add(
        "--tensorboard",
        nargs=2,
        metavar=("RUN", "FOLDER"),
        help="write its curves as TensorBoard events into FOLDER/RUN",
    )


def manage(arguments: argparse.Namespace) -> bool:
    """Do what was asked for, if it is one of these; whether it was."""
    project = arguments.project.absolute()
    if arguments.size:
        _sizes(project, as_json=arguments.json)
    elif arguments.compare:
        _compare(project, arguments.compare, as_json=arguments.json)
    else:
        return _change(arguments, project)
    return True


def _change(arguments: argparse.Namespace, project: Path) -> bool:
    from core.project.runs import managing
    from core.project.runs.folder import find_run

    if arguments.rename:
        run = find_run(project, arguments.rename[0])
        report(f"Run {run.id} is called {managing.rename(run, arguments.rename[1])} now.")
    elif arguments.note:
        run = find_run(project, arguments.note[0])
        note = managing.set_note(run, arguments.note[1])
        report(f"Run {run.id}: {note}" if note else f"Run {run.id} has no note any more.")
    elif arguments.clean:
        run = find_run(project, arguments.clean)
        report(f"Run {run.id}: {byte_size(managing.clean(run))} of checkpoints removed.")
    elif arguments.delete:
        managing.sweep_trash(project)
        run = find_run(project, arguments.delete)
        report(f"Run {run.id} is deleted; {byte_size(managing.delete(run))} freed.")
    elif arguments.export_weights:
        run = find_run(project, arguments.export_weights[0])
        files = managing.export_weights(run, Path(arguments.export_weights[1]))
        report(f"Wrote {', '.join(file.name for file in files)} into {files[0].parent}")
    elif arguments.tensorboard:
        run = find_run(project, arguments.tensorboard[0])
        folder = managing.to_tensorboard(run, Path(arguments.tensorboard[1]))
        report(f"Wrote {folder}\nLook at it with: tensorboard --logdir {folder.parent}")
    else:
        return False
    return True


def _sizes(project: Path, *, as_json: bool) -> None:
    from core.project.runs.folder import runs_of
    from core.project.runs.managing import removable_checkpoints, size_of

    told: list[dict[str, Any]] = []
    for run in runs_of(project):
        size = size_of(run)
        removable = removable_checkpoints(run)[1]
        told.append({"id": run.id, "total": size.total, "removable": removable, **asdict(size)})
    if as_json:
        report(json.dumps(told, indent=2))
        return
    heads = ("run", "size", "checkpoints", "predictions", "weights", "others", "--clean frees")
    rows: list[tuple[str, ...]] = [heads]
    for entry in told:
        others = entry["labels"] + entry["samples"] + entry["others"]
        parts = (entry["checkpoints"], entry["predictions"], entry["weights"], others)
        sizes = (entry["total"], *parts, entry["removable"])
        rows.append((entry["id"], *map(byte_size, sizes)))
    report(table(rows))
    report(f"\nAll: {byte_size(sum(entry['total'] for entry in told))}")


def _compare(project_dir: Path, names: list[str], *, as_json: bool) -> None:
    from core.project import Project
    from core.project.runs.folder import find_run
    from core.retraining.side_by_side import compare_runs

    runs = [find_run(project_dir, name) for name in names]
    with Project.open(project_dir, read_only=True) as project:
        comparison = compare_runs(project, runs)
    report(_comparison_json(comparison) if as_json else _comparison_text(comparison))


def _comparison_text(comparison: Comparison) -> str:
    runs = comparison.runs
    parts = [table([("", *(run.id for run in runs)), ("name", *(run.name for run in runs))])]
    rows = [
        (figure.measure.title, *(_cell(figure, i) for i in range(len(runs))))
        for figure in comparison.figures
    ]
    parts.append("What they used, and what came out (* the best):\n" + table(rows))
    options = [option for option in comparison.options if not option.is_same or len(runs) == 1]
    if options:
        rows = [(o.row.key, *(_value(value) for value in o.values)) for o in options]
        where = "where they differ" if len(runs) > 1 else "where it is not the default"
        parts.append(f"Configuration, {where}:\n{table(rows)}")
    else:
        parts.append("Their configurations are the same.")
    parts.extend(comparison.notes)
    return "\n\n".join(parts)


def _cell(figure: Figure, column: int) -> str:
    value = figure.values[column]
    if figure.measure.unit == "s":
        return duration(value) if math.isfinite(value) else "–"
    return measured(value, figure.measure.unit) + (" *" if column in figure.best else "")


def _value(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)  # pyright: ignore[reportUnknownArgumentType]
    return text if len(text) <= _MAX_VALUE else f"…{text[1 - _MAX_VALUE :]}"


def _comparison_json(comparison: Comparison) -> str:
    told = {
        "runs": [asdict(run) for run in comparison.runs],
        "figures": {
            figure.measure.key: [value if math.isfinite(value) else None for value in figure.values]
            for figure in comparison.figures
        },
        "options": {
            option.row.key: list(option.values)
            for option in comparison.options
            if not option.is_same
        },
        "notes": list(comparison.notes),
    }
    return json.dumps(told, indent=2, allow_nan=False)


def table(rows: list[tuple[str, ...]]) -> str:
    """Cells in columns that are as wide as what stands in them."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
