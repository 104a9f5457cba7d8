"""`trilabel predict`: everybody in every frame, by the networks of a run or by given weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.common import Manual, num_processes

if TYPE_CHECKING:
    import argparse

    from core.project.runs.folder import RunFolder

_DESCRIPTION = """\
Predict everybody in every frame of a project.

For each person: 2D joints with confidence in every view, 3D joints with the weights of
the views, which of them are believed and how sure they are, and a 3D pose from each view
alone where the run has trained a lifter. Training does this at its end by itself; this
command does it again, for other frames or with other weights.

The work is done by a process of its own that goes on when this terminal is closed. Ctrl-C
stops it; the same command goes on where it was. What is complete is not done again.
"""

_EPILOG = """\
examples:
  trilabel predict match.trilabel                        the newest run, all frames
  trilabel predict match.trilabel --run 20260301 --set predict.every=5
  trilabel predict match.trilabel --run last --held-out  what 'trilabel evaluate' needs
  trilabel predict match.trilabel --weights demo         the detector that comes along

'trilabel train --options predict' tells the options of the section [predict].
exit codes: 0 done or stopped, 1 failed or the data has a problem, 2 wrong usage
"""

MANUAL = Manual(
    name="predict",
    summary="predict all people and frames with a run's networks",
    description=_DESCRIPTION,
    epilog=_EPILOG,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("project", type=Path, metavar="PROJECT", help="a folder NAME.trilabel")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--run",
        dest="run_id",
        metavar="RUN",
        default="last",
        help="its id, a part of it, or last (the default)",
    )
    which.add_argument(
        "--weights",
        metavar="W",
        help="instead of a run's: demo, or a file of weights; makes a new run",
    )
    add("--held-out", action="store_true", help="only the frames kept for evaluation")
    add(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="SECTION.KEY=VALUE",
        help="change one option; may be repeated",
    )
    add(
        "--processes",
        type=num_processes,
        default=1,
        metavar="N",
        help="processes that share the frames, one for each GPU; default: 1",
    )
    add("--detach", action="store_true", help="start it and leave; see 'trilabel runs'")


def run(arguments: argparse.Namespace) -> int:
    """Find or make the run, start the process that predicts, follow it."""
    from app.cli.following import start_and_follow
    from core.project.predictions.starting import predict_command
    from core.project.runs.config_io import with_settings

    folder = _run(arguments)
    with_settings(folder.config, arguments.settings)  # a wrong one is named before anything starts
    command = predict_command(
        folder,
        settings=tuple(arguments.settings),
        held_out=arguments.held_out,
        processes=arguments.processes,
    )
    again = f"trilabel predict {arguments.project} --run {folder.id}"
    return start_and_follow(
        folder,
        processes=arguments.processes,
        detach=arguments.detach,
        command=command,
        again=again + (" --held-out" if arguments.held_out else ""),
    )


def _run(arguments: argparse.Namespace) -> RunFolder:
    from core.project.predictions.starting import DEMO, prediction_run
    from core.project.runs.config import TrainConfig
    from core.project.runs.config_io import with_settings
    from core.project.runs.folder import find_run
    from core.project.spec import read_spec

    read_spec(arguments.project)  # so that a folder that is no project is said to be none
    if not arguments.weights:
        return find_run(arguments.project, arguments.run_id)
    weights = arguments.weights
    if weights != DEMO and Path(weights).exists():
        weights = str(Path(weights).absolute())
    config = with_settings(TrainConfig(), arguments.settings)
    return prediction_run(arguments.project.absolute(), weights, config)
