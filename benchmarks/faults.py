"""What happens to a training, and to what was labelled, when something goes wrong: a table.

    xvfb-run -a python -m benchmarks.faults [--kills 60] [--windows 20] [--mounted FOLDER]

Each fault is made for real, on a small real training (`benchmarks.fault_cases`). *told after* is
how long the slowest of them took until a follower told it; *went on* says that the run came to its
end afterwards (cancelled, where it was halted); *wrong* counts what must not be: edits,
predictions, checkpoints or events that were acknowledged and are gone, values that changed,
processes and half files that are left over. ``--mounted`` is an empty file system of a few hundred
megabytes that may be filled, such as ``mount -t tmpfs -o size=300m tmpfs FOLDER``.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.fault_cases import (
    Case,
    damaged_predictions,
    full_disk,
    full_file_system,
    hung,
    killed,
    newer,
    skewed,
)
from benchmarks.fault_window import killed_window
from benchmarks.fault_world import make_project, new_run, to_the_end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_HEAD = f"{'fault':<26}{'times':>6}  {'told after':>10}  {'went on':>7}  {'wrong':>5}  told as"


def line(case: Case) -> str:
    """One row of the table, and under it whatever is wrong."""
    told = ", ".join(f"{title} ({count})" for title, count in sorted(case.told.items()))
    goes = "yes" if case.went_on else "NO"
    first = f"{case.fault:<26}{case.times:>6}  {case.slowest_s:>8.2f} s  {goes:>7}"
    return "\n".join([f"{first}  {len(case.wrong):>5}  {told}", *(f"    {w}" for w in case.wrong)])


def _cases(folder: Path, given: argparse.Namespace) -> Iterator[Callable[[], Case]]:
    project = make_project(folder)
    done = new_run(project, "done")
    assert to_the_end(done).status == "done"
    yield lambda: killed(project, given.kills, given.seed)
    yield lambda: killed_window(project, folder, given.windows, given.seed)
    yield lambda: hung(project)
    yield lambda: full_disk(project, 100_000, seed=given.seed)
    yield lambda: full_disk(project, 1_000, seed=given.seed)
    if given.mounted is not None:
        yield lambda: full_file_system(project, given.mounted)
    yield lambda: damaged_predictions(done, given.damages, given.seed)
    yield lambda: newer(done)
    yield lambda: skewed(done)


def main() -> None:
    """Hurt, look, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=60, help="of the trainer")
    parser.add_argument("--windows", type=int, default=20, help="kills of the window")
    parser.add_argument("--damages", type=int, default=100, help="of a prediction file")
    parser.add_argument("--mounted", type=Path, metavar="FOLDER")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    sys.stdout.write(_HEAD + "\n")
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["TRILABEL_STATE"] = str(Path(temporary) / "state")
        for case in _cases(Path(temporary), given):
            sys.stdout.write(line(case()) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
