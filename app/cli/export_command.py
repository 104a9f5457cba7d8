"""`trilabel export`: labels and accepted pseudo-labels for other tools, with their datasheet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.common import Manual, report, terminal_progress

if TYPE_CHECKING:
    import argparse

FORMATS = ("sportcenter", "coco", "dlc", "slp", "anipose", "trc", "c3d", "npz", "hdf5")

_DESCRIPTION = """\
Write labels and accepted pseudo-labels for another tool.

  sportcenter  human_poses/ as in the SportCenter data set, 2D and 3D, with calibration.json
  coco         COCO keypoints, a JSON file for each camera
  dlc          DeepLabCut's CollectedData CSV, a folder for each camera
  slp          a SLEAP project with all cameras (through sleap-io)
  anipose      Anipose's 3D CSV, a file for each person
  trc, c3d     markers for biomechanics (OpenSim, Mokka), a file for each person
  npz, hdf5    arrays of everything, with where each point comes from

In space there are 3D labels, joints labelled in two views or more, and accepted points;
where a joint has a label, the label counts. In the views there are labels, and accepted
points where they project to.

Beside the files lie DATASHEET.md, datasheet.json and datasheet.csv: source, run, round,
weights, residuals, thresholds, annotator and time of every point. Every file is read
again and compared before the folder gets its name; nothing is ever written over.
"""

_EPILOG = """\
examples:
  trilabel export match.trilabel --format coco --out coco/
  trilabel export match.trilabel --format c3d --out c3d/ --what accepted --query "person=5"
  trilabel export match.trilabel --format npz --out good/ --query "kept residual<8" --run last

A query is that of the Curate panel: kept, discarded, residual<8, wss<20, weight<0.2,
views>=4, person=5,7, joint=*_ankle, camera=ace_2, frame=310..355, state=locked, hand=yes.
"""

MANUAL = Manual(
    name="export",
    summary="write labels and accepted pseudo-labels for other tools",
    description=_DESCRIPTION,
    epilog=_EPILOG,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("project", type=Path, metavar="PROJECT", help="a folder NAME.trilabel")
    add("--format", required=True, choices=FORMATS, help="what to write, see above")
    add("--out", type=Path, required=True, metavar="DIR", help="a new or empty folder")
    add(
        "--what",
        choices=["labels", "accepted", "both"],
        default="both",
        help="what people labelled, what they accepted of a machine's, or both (the default)",
    )
    add("--query", default="", metavar="QUERY", help="only joints that fit it, see below")
    add(
        "--run",
        dest="run_id",
        metavar="RUN",
        help="the run whose triangulation the query is about; default: the imported detections",
    )
    add("--overwrite", action="store_true", help="replace an earlier export in DIR")


def run(arguments: argparse.Namespace) -> int:
    """Export, and say what."""
    from core.exporting import export_project
    from core.project import Project

    with Project.open(arguments.project, read_only=True) as project:
        done = export_project(
            project,
            arguments.out,
            format=arguments.format,
            what=arguments.what,
            query=arguments.query,
            run=arguments.run_id,
            overwrite=arguments.overwrite,
            progress=terminal_progress("Exporting"),
        )
    report(f"Exported {done.told}, in {done.path}")
    for sentence in done.left_out:
        report(f"  {sentence}")
    report(f"Where each point comes from: {done.path / 'DATASHEET.md'}")
    return 0
