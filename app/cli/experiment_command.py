"""`trilabel experiment`: the paper's figures and tables, by command.

The experiments live in the trainer, which this package never imports: they run as a process of
their own, with this terminal.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from app.cli.common import Manual

EXPERIMENTS = {
    "figure4": "triangulation with noise in some of six views (a minute, no training)",
    "table2": "all variants of the method, with controls, on a synthetic court",
    "figure2": "errors against the share of labels: ours, learned weights, supervised-only",
    "figure3": "pictures of crowded people, with weights and without",
    "gradients": "either path of the loss's gradient blocked; the gradients compared",
    "h36m": "Table 1: Human3.6M, 10 % of the labels and S1 only (needs --data)",
    "mpi-inf-3dhp": "Table 3: MPI-INF-3DHP, S1 only (needs --data)",
    "sportcenter": "Table 2 on the real SportCenter (needs --data)",
    "demo-weights": "train the small detector that comes with trilabel, on generated practices",
    "agreement": "your own PROJECT without truth: agreement with its detections",
}

_DESCRIPTION = (
    """\
Do an experiment of the paper, or one on your own recording, and write a report.

experiments:
"""
    + "\n".join(f"  {name:<14} {summary}" for name, summary in EXPERIMENTS.items())
    + """

DIR gets report.md, plots (PNG and SVG), results.json with every figure, and
configuration.json with everything that was set. Where it was stopped, the same command
goes on; what is finished is not done again.
"""
)

_EPILOG = """\
examples:
  trilabel experiment figure4 --out figure4/
  trilabel experiment figure4 --out figure4/ --data sportcenter/ --set figure4.points=5000
  trilabel experiment table2 --out table2/ --seeds 0,1,2
  trilabel experiment table2 --out sanity/ --data table2/ --set data.shuffle_labels=true
  trilabel experiment h36m --out h36m/ --data Human3.6M/ --preset gpu --set model.weights=FILE
  trilabel experiment agreement walk.trilabel --out walk/

exit codes: 0 done, 1 the data has a problem (it is named), 2 wrong usage
"""

MANUAL = Manual(
    name="experiment",
    summary="reproduce the paper's figures and tables",
    description=_DESCRIPTION,
    epilog=_EPILOG,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("name", choices=list(EXPERIMENTS), metavar="NAME", help=", ".join(EXPERIMENTS))
    add("project", type=Path, nargs="?", metavar="PROJECT", help="agreement: a trilabel project")
    add("--out", type=Path, required=True, metavar="DIR", help="the folder to write")
    add(
        "--seeds",
        "--seed",
        type=_seeds,
        default="0,1,2",
        metavar="LIST",
        help="repetitions, such as 0,1,2; default: %(default)s",
    )
    add(
        "--preset",
        choices=["cpu", "gpu"],
        default="cpu",
        help="cpu: small networks, few steps; gpu: the paper's; default: %(default)s",
    )
    add(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="SECTION.KEY=VALUE",
        help="change an option of the training or of the experiment; may be repeated",
    )
    add("--data", type=Path, metavar="DIR", help="the data set's folder, where one is needed")


def _seeds(text: str) -> str:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts) or len(set(parts)) != len(parts):
        expected = "expected different whole numbers with commas such as 0,1,2"
        raise argparse.ArgumentTypeError(f"{expected}, found {text!r}")
    return ",".join(parts)


def run(arguments: argparse.Namespace) -> int:
    """Start the experiment's process and wait for it; Ctrl-C reaches it by itself."""
    command = [sys.executable, "-m", "trainer.experiments", arguments.name]
    if arguments.project is not None:
        command.append(str(arguments.project))
    command += ["--out", str(arguments.out), "--seeds", arguments.seeds]
    command += ["--preset", arguments.preset]
    if arguments.data is not None:
        command += ["--data", str(arguments.data)]
    for setting in arguments.settings:
        command += ["--set", setting]
    with subprocess.Popen(command) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue  # the process was told too; it says so and ends by itself
