"""``python -m trainer.experiments NAME --out DIR``; what ``trilabel experiment`` starts.

Exit codes: 0 done, 1 the data has a problem (named on stderr), 2 wrong usage, 130 stopped.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import CommandRefusedError, DataError
from trainer.experiments.registry import EXPERIMENTS
from trainer.experiments.request import PRESETS, Request, seeds_of

if TYPE_CHECKING:
    from collections.abc import Sequence


def _seeds(text: str) -> tuple[int, ...]:
    try:
        return seeds_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="trilabel experiment")
    add = parser.add_argument
    add("name", choices=list(EXPERIMENTS), metavar="NAME")
    add("project", type=Path, nargs="?", metavar="PROJECT")
    add("--out", type=Path, required=True, metavar="DIR")
    add("--seeds", "--seed", type=_seeds, default=(0, 1, 2), metavar="LIST")
    add("--preset", choices=PRESETS, default="cpu")
    add("--set", action="append", default=[], dest="settings", metavar="SECTION.KEY=VALUE")
    add("--data", type=Path, metavar="DIR")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run an experiment; returns the exit code."""
    parsed = _parsed(arguments)
    request = Request(
        name=parsed.name,
        out=parsed.out,
        seeds=parsed.seeds,
        preset=parsed.preset,
        settings=tuple(parsed.settings),
        data=parsed.data,
        project=parsed.project,
    )
    try:
        request.out.mkdir(parents=True, exist_ok=True)
        EXPERIMENTS[request.name].run(request)
    except (DataError, CommandRefusedError) as error:
        sys.stderr.write(f"trilabel: {error}\n")
        return 1
    except OSError as error:
        # What no reader or writer foresaw the system saying no to: a full disk, a lost drive.
        place = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"trilabel: {place}{error.strerror or error}. Stopped.\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("trilabel: stopped; the same command goes on from here.\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
