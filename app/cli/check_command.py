"""`trilabel check`: is this recording what it says it is?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.common import Manual, report

if TYPE_CHECKING:
    import argparse

_DESCRIPTION = """\
Check a project's recording and calibration against each other.

Compares frame counts and picture sizes with the calibration, measures the reprojection
error of every camera, joint and person (with each camera left out in turn), and names
suspects in plain words: a camera that the others contradict, two cameras that are swapped
or have the same calibration, pictures that are gone, sequences of different length.

Exit code 0 where nothing is suspect, 1 where something is.
"""


MANUAL = Manual(
    name="check",
    summary="check recording and calibration, name suspects",
    description=_DESCRIPTION,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("project", type=Path, metavar="PROJECT", help="a folder NAME.trilabel")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the report."""
    from core.diagnosis import check_project
    from core.project import Project

    with Project.open(arguments.project, read_only=True) as project:
        result = check_project(project)
    if arguments.json:
        report(json.dumps(result.to_dict(), indent=2, allow_nan=False))
    else:
        report(result.to_text())
    return 1 if result.suspects else 0
