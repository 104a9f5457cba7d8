"""The command line. Nothing heavy is imported until a command runs, so help answers at once.

Each command is a module with a ``MANUAL``, ``add_arguments(parser)`` and ``run(arguments)``.
Exit codes: 0 done, 1 the data has a problem (named on stderr), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# In the order of the manual.
COMMANDS = (
    "demo",
    "open",
    "new",
    "import",
    "check",
    "shot",
    "export",
    "merge",
    "train",
    "predict",
    "evaluate",
    "runs",
    "synth",
    "proxies",
    "experiment",
)

_DESCRIPTION = """\
Annotate and curate 3D human poses in many synchronised, calibrated cameras.

trilabel shows all views in step with the 2D joints of every person, the weight
that the triangulation gives each view, and the joints it discarded, in 2D and in
a 3D viewer, and tells why. Recordings live in a project, a folder NAME.trilabel.
"""

_EPILOG = """\
first steps:
  trilabel demo                                    a generated basketball match
  trilabel import sportcenter DATASET match.trilabel
  trilabel new lab.trilabel --calibration rig.toml --videos videos/
  trilabel open lab.trilabel
  trilabel train lab.trilabel --preset quick

'trilabel COMMAND --help' tells everything about a command.
exit codes: 0 done, 1 the data has a problem (it is named), 2 wrong usage
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="trilabel",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version and leave")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for command in COMMANDS:
        module = importlib.import_module(f"app.cli.{command}_command")
        manual = module.MANUAL
        subparser = subparsers.add_parser(
            manual.name,
            help=manual.summary,
            description=manual.description,
            epilog=manual.epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the console script's entry.

    Returns:
        The exit code.
    """
    parser = build_parser()
    parsed = parser.parse_args(arguments)
    if parsed.version:
        from importlib.metadata import version

        print("trilabel", version("trilabel"))
        return 0
    if parsed.command is None:
        parsed = parser.parse_args(["open"])
    from core.errors import CommandRefusedError, DataError

    try:
        return int(parsed.run(parsed))
    except (DataError, CommandRefusedError) as error:
        print(f"trilabel: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read our output has seen enough; say nothing more, also not at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        # What no reader or writer foresaw the system saying no to: a full disk, a lost drive.
        place = f"{error.filename}: " if error.filename else ""
        print(f"trilabel: {place}{error.strerror or error}. Stopped.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("trilabel: stopped", file=sys.stderr)
        return 1
