"""`trilabel proxies`: small copies of the pictures, so that stepping is instant."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.common import Manual, report, terminal_progress

if TYPE_CHECKING:
    import argparse

_DESCRIPTION = """\
Make small copies of a project's pictures, in the project's own folder.

The window makes them in the background by itself; this command makes them beforehand,
on a machine without a screen for example. It goes on where it was stopped.
"""

MANUAL = Manual(
    name="proxies",
    summary="make small copies of the pictures, for fast stepping",
    description=_DESCRIPTION,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("project", type=Path, metavar="PROJECT", help="a folder NAME.trilabel")


def run(arguments: argparse.Namespace) -> int:
    """Make those that are missing."""
    from core.project import Project
    from core.recording import build_proxies

    show = terminal_progress("Proxies")
    with Project.open(arguments.project) as project, project.recording() as recording:
        build_proxies(
            recording,
            project.proxies_dir,
            progress=lambda state: show(state.done, state.total),
        )
    report("Proxies are complete.")
    return 0
