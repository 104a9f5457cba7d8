"""``python -m trainer RUN [--resume]``: train a run; under torchrun, as one of its processes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from core.errors import CommandRefusedError, DataError


def main(arguments: list[str] | None = None) -> int:
    """Train; the exit code is 0 where it is done or was stopped, 2 where it could not begin."""
    parser = argparse.ArgumentParser(prog="python -m trainer", description=__doc__)
    parser.add_argument("run", type=Path, help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="go on from the newest checkpoint")
    given = parser.parse_args(arguments)
    from trainer.process import execute, say

    try:
        finished = execute(given.run, resume=given.resume, queue=True)
    except (DataError, CommandRefusedError) as error:
        say(f"trainer: {error}\n")
        return 2
    if finished.text:
        say(f"trainer: {finished.status}: {finished.text}\n")
    return 0 if finished.status in {"done", "stopped"} else 1


if __name__ == "__main__":
    sys.exit(main())
