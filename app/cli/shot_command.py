"""`trilabel shot`: the window as a figure, on a machine with or without a screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.common import Manual, png_path, report, window_size

if TYPE_CHECKING:
    import argparse

_DESCRIPTION = """\
Render the window as a picture: all views, the 3D viewer and the inspector, at a frame,
with a person and a joint selected. Works without a screen, 3D included (Xvfb is started
where that is what it takes).
"""

_EPILOG = """\
example:
  trilabel shot match.trilabel --frame 21380 --person 7 --joint left_wrist --out why.png
"""

MANUAL = Manual(
    name="shot",
    summary="render the window as a picture, also without a screen",
    description=_DESCRIPTION,
    epilog=_EPILOG,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("project", type=Path, metavar="PROJECT", help="a folder NAME.trilabel")
    add("--frame", type=int, required=True, metavar="N", help="frame number, as the window counts")
    add("--person", type=int, metavar="P", help="select this person")
    add("--joint", metavar="J", help="select this joint, by name such as left_wrist")
    add("--focus", metavar="CAM", help="make this camera large, the others a filmstrip")
    add("--zoom", action="store_true", help="zoom to the selected person in all cameras")
    add("--out", type=png_path, required=True, metavar="FILE.png", help="the picture to write")
    add("--size", type=window_size, default=(1600, 900), metavar="WxH", help="default: 1600x900")
    add("--theme", choices=["dark", "light"], default="dark", help="default: %(default)s")


def run(arguments: argparse.Namespace) -> int:
    """Render and say where it is."""
    from app.shot import ShotRequest, take_shot

    take_shot(
        ShotRequest(
            project=arguments.project,
            frame_number=arguments.frame,
            person=arguments.person,
            joint=arguments.joint,
            focus=arguments.focus,
            zoom=arguments.zoom,
            out=arguments.out,
            size=arguments.size,
            theme=arguments.theme,
        )
    )
    report(f"Wrote {arguments.out}")
    return 0
