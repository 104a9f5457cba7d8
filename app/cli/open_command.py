"""`trilabel open`: the window."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.common import Manual

if TYPE_CHECKING:
    import argparse

_DESCRIPTION = """\
Open the window on a project, or on the start page where none is named.

A project that another window is editing opens read-only, and the window says so.
"""


MANUAL = Manual(
    name="open",
    summary="open the window on a project",
    description=_DESCRIPTION,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "project", nargs="?", type=Path, metavar="PROJECT", help="a folder NAME.trilabel"
    )
    parser.add_argument(
        "--frame", type=int, metavar="N", help="go to this frame number, as the window counts"
    )


def run(arguments: argparse.Namespace) -> int:
    """Show the window until it is closed."""
    from app.main import run_window

    return run_window(arguments.project, frame_number=arguments.frame)
