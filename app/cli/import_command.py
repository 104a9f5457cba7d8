"""`trilabel import sportcenter`: a data set with a layout of its own, whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.common import Manual, detections, report, terminal_progress

if TYPE_CHECKING:
    import argparse

_DESCRIPTION = """\
Import a whole data set whose layout trilabel knows.

  sportcenter   calibration.json, trajectories.json, human_poses/ and multicam/ of the
                SportCenter multi-view basketball data set: cameras, ground tracks,
                annotated 2D and 3D poses, train and test subjects, and the pictures as
                videos (multicam/ace_0.mp4) or extracted JPEGs (multicam/ace_0/frame_%06d.jpg).
                Frame numbers count from 1, as ffmpeg's and the annotations' do.

For anything else see 'trilabel new'.
"""

_EPILOG = """\
example:
  trilabel import sportcenter sportcenter/ match.trilabel --detections alphapose:alphapose/
"""


MANUAL = Manual(
    name="import",
    summary="import a data set (sportcenter) into a new project",
    description=_DESCRIPTION,
    epilog=_EPILOG,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("dataset", choices=["sportcenter"], help="the data set's layout")
    parser.add_argument("directory", type=Path, metavar="DIR", help="where the data set lies")
    parser.add_argument("project", type=Path, metavar="PROJECT", help="the folder to make")
    parser.add_argument(
        "--detections",
        type=detections,
        action="append",
        default=[],
        metavar="FORMAT:[CAM=]PATH",
        help="2D joints of a detector, as for 'trilabel new'; may be given several times",
    )


def run(arguments: argparse.Namespace) -> int:
    """Import it and say what was found."""
    from core.project.importing import import_sportcenter

    import_sportcenter(
        arguments.directory,
        arguments.project,
        detections=arguments.detections,
        report=report,
        progress=terminal_progress("Importing"),
    )
    report(f"Open it with: trilabel open {arguments.project}")
    return 0
