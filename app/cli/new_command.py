"""`trilabel new`: a project from a calibration and whatever else there is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.common import Manual, detections, report, terminal_progress

if TYPE_CHECKING:
    import argparse

_DESCRIPTION = """\
Make a project from a calibration, with pictures and 2D detections where there are any.

Only the calibration is needed. A camera without pictures is shown as a blank of its
calibrated size, and everything else works. Folders and files are matched to cameras by
name ('cam01_json' is 'cam_01'); the matching is printed, and an ambiguous one is refused:
name the camera then, as CAM=PATH.
"""

_EPILOG = """\
calibration formats, told apart by content:
  SportCenter JSON · Anipose and Pose2Sim TOML · Qualisys QCA · OpenCV and JARVIS YAML
  DANNCE/Label3D .mat · Human3.6M JSON · MPI-INF-3DHP text · Panoptic JSON
  Campus/Shelf JSON · trilabel's own rig.toml

detection formats (FORMAT:PATH, or FORMAT:CAM=PATH, as often as there are files):
  openpose    a folder of JSON files, one per frame
  alphapose   one JSON list
  coco        COCO keypoints JSON
  sleap       .slp or analysis.h5
  dlc         DeepLabCut CSV or HDF5
  label3d     the 2D and 3D labels of a DANNCE/Label3D .mat
A path may be a folder that holds one file or folder per camera.

skeletons that come with trilabel:
  coco17 crowdpose14 body25 body25b h36m17 mpi_inf_3dhp17 mpi_inf_3dhp28
  sportcenter13 halpe26 panoptic19 shelf14 mouse22

examples:
  trilabel new walk.trilabel --calibration Calib.qca.txt --videos videos/ \\
           --detections openpose:openpose/
  trilabel new mouse.trilabel --calibration calibration.toml --videos . --detections sleap:.
"""


MANUAL = Manual(
    name="new",
    summary="make a project from a calibration, videos and detections",
    description=_DESCRIPTION,
    epilog=_EPILOG,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("project", type=Path, metavar="PROJECT", help="the folder to make, NAME.trilabel")
    add("--calibration", type=Path, required=True, metavar="FILE", help="the cameras (see below)")
    add(
        "--unit",
        choices=["m", "cm", "mm"],
        help="of the calibration's lengths, where the file does not say (default: told from them)",
    )
    add("--subject", metavar="S", help="of a calibration that holds several (Human3.6M: S1 …)")
    add(
        "--cameras",
        nargs="+",
        action="extend",
        default=[],
        metavar="CAM",
        help="take these cameras only, in this order",
    )
    add(
        "--videos",
        nargs="+",
        action="extend",
        default=[],
        metavar="DIR|CAM=FILE",
        help="a folder of videos, or each",
    )
    add(
        "--images",
        nargs="+",
        action="extend",
        default=[],
        metavar="DIR|CAM=DIR",
        help="a folder with a folder of JPEG or PNG pictures per camera, or each",
    )
    add("--skeleton", metavar="NAME|FILE", help="default: the one that the detections carry")
    add(
        "--detections",
        type=detections,
        action="append",
        default=[],
        metavar="FORMAT:[CAM=]PATH",
        help="2D joints made by another tool; may be given several times",
    )
    add(
        "--tracks", type=Path, metavar="FILE", help="ground tracks: a SportCenter trajectories.json"
    )


def run(arguments: argparse.Namespace) -> int:
    """Make the project and say what was found."""
    from core.project.importing import new_project

    new_project(
        arguments.project,
        arguments.calibration,
        videos=arguments.videos,
        images=arguments.images,
        skeleton=arguments.skeleton,
        detections=arguments.detections,
        tracks=arguments.tracks,
        cameras=arguments.cameras,
        unit=arguments.unit,
        subject=arguments.subject,
        report=report,
        progress=terminal_progress("Importing"),
    )
    report(f"Open it with: trilabel open {arguments.project}")
    return 0
