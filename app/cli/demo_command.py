"""`trilabel demo`: a generated match, imported and opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.common import Manual, report, terminal_progress

if TYPE_CHECKING:
    import argparse

_DESCRIPTION = """\
Open trilabel on a basketball match seen by 8 synchronised, calibrated cameras.

The match is generated and imported on the first run (under a minute) and kept for the
next. Without a display, a virtual one is started, the demo is walked through with real
mouse and key events, and pictures of every step are saved: the window, five joints that
are fixed, a training that is watched, and what it changed. The walk has a copy of its own.
"""

MANUAL = Manual(
    name="demo",
    summary="open a generated basketball match seen by 8 cameras",
    description=_DESCRIPTION,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("--dir", type=Path, metavar="DIR", help="where to keep the match (default: your cache)")
    add("--fresh", action="store_true", help="generate it anew")
    add("--walk", action="store_true", help="walk through the demo even where there is a display")
    add("--no-retrain", action="store_true", help="walk through the window alone")
    add(
        "--shots",
        type=Path,
        default=Path("demo-shots"),
        metavar="DIR",
        help="where a walk saves its pictures (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Make the match where it is missing, then open or walk."""
    from app.demo import prepare_demo, walk_demo
    from app.main import run_window
    from app.virtual_display import has_display

    project = prepare_demo(
        arguments.dir, fresh=arguments.fresh, report=report, progress=terminal_progress("Rendering")
    )
    if arguments.walk or not has_display():
        walk_demo(project, arguments.shots, report=report, retrain=not arguments.no_retrain)
        return 0
    return run_window(project)
