"""`trilabel synth`: a generated match in SportCenter's own format."""

from __future__ import annotations

import argparse
from pathlib import Path

from app.cli.common import Manual, report, terminal_progress

_DESCRIPTION = """\
Generate a basketball match seen by 8 calibrated cameras, in SportCenter's own format.

Writes calibration, trajectories, sparse annotated poses, pictures, and the output of a
simulated 2D detector (alphapose/), which errs where joints are occluded. The full truth
is kept beside it in truth.h5, which only evaluation opens. The same seed gives the same
bytes.
"""

_EPILOG = """\
examples:
  trilabel synth match/ --frames 120 --seed 7
  trilabel import sportcenter match/ match.trilabel --detections alphapose:match/alphapose
"""


MANUAL = Manual(
    name="synth",
    summary="generate a basketball match with full truth",
    description=_DESCRIPTION,
    epilog=_EPILOG,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("directory", type=Path, metavar="DIR", help="the folder to make")
    add("--frames", type=_positive, default=120, metavar="N", help="default: %(default)s")
    add("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    add("--people", type=_positive, default=12, metavar="N", help="10 to 13; default: %(default)s")
    add(
        "--pictures",
        choices=["jpeg", "video", "none"],
        default="jpeg",
        help="how to write the pictures; default: %(default)s",
    )
    add(
        "--scale",
        type=float,
        default=1.0,
        metavar="S",
        help="size of the pictures, 0.1 to 2; default: %(default)s",
    )
    add(
        "--fps", type=float, default=25.0, metavar="F", help="frames a second; default: %(default)s"
    )
    add(
        "--setting",
        choices=["match", "practice"],
        default="match",
        help="practice: lower cameras, anywhere, people in clothes of their own; "
        "a source domain to pre-train on",
    )
    add(
        "--annotate",
        type=_range,
        action="append",
        metavar="FIRST:STOP[:STEP]",
        help="frame numbers annotated by hand, may be repeated; default: two ranges as in "
        "SportCenter",
    )
    add("--click-noise", type=float, default=1.0, metavar="PX", help="of annotators; default: 1")


def _positive(text: str) -> int:
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, found {text!r}")
    return value


def _range(text: str) -> tuple[int, int, int]:
    parts = text.split(":")
    if len(parts) not in (2, 3) or not all(part.isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"expected FIRST:STOP or FIRST:STOP:STEP, found {text!r}")
    first, stop, step = (*map(int, parts), 1)[:3]
    return first, stop, step


def run(arguments: argparse.Namespace) -> int:
    """Generate it."""
    from core.synthetic import AnnotatedRange, SynthConfig, synthesise

    annotated = arguments.annotate and tuple(
        AnnotatedRange(first=first, stop=stop, step=step)
        for first, stop, step in arguments.annotate
    )
    config = SynthConfig(
        num_frames=arguments.frames,
        seed=arguments.seed,
        num_people=arguments.people,
        pictures=arguments.pictures,
        fps=arguments.fps,
        picture_scale=arguments.scale,
        setting=arguments.setting,
        annotated=annotated or None,
        annotation_noise_px=arguments.click_noise,
    )
    if not synthesise(config, arguments.directory, progress=terminal_progress("Rendering")):
        return 1
    report(f"Wrote {arguments.directory}")
    return 0
