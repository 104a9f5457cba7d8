"""What a retraining brings, and which part of it comes from the fixes: errors against the truth.

    python -m benchmarks.retraining OUT [--seeds 3] [--arms without fixed shuffled] [--table]
    python -m benchmarks.retraining OUT --agreement PROJECT.trilabel

On fresh copies of the demo match a simulated annotator fixes five joints
(`benchmarks.retraining_fixes`), then the trainer runs as the window starts it, preset ``quick``:

    start      the weights that every retraining begins with: before the round
    labels     the labels alone, nothing fixed, no loss on unlabelled people
    without    labels and unlabelled people, nothing fixed
    fixed      the same, after the five fixes
    shuffled   the same clicks, but on other joints of the same people: fixes that say nothing true
    many       fifty fixes instead of five, the first of them the same

So *without* against *start* tells what retraining gives, *without* against *labels* what unlabelled
people give, *fixed* against *without* what fixes give, and *shuffled* whether it is what they say.

Measured against the truth: held-out people (root-aligned MPJPE over every frame, by one common
triangulation and from single views), the fixed joints themselves, the same joints up to three
frames away, and everybody else's joints in the fixed frames (median distance without alignment,
joints that were not found counting as infinitely far). Five of 1,560 labelled joints can hardly
move the first figure; the next two are where they would show. The table gives mean ± spread over
seeds, and differences seed by seed.

Every cell (an arm with a seed) is a folder of its own and is done once; a run that was stopped goes
on. ``--agreement`` retrains on a recording without truth, its triangulated detections in the place
of labels: what it says is agreement with those, no accuracy.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.retraining_cells import ARMS, Cells
from trainer.experiments.report import mean_and_spread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Found = dict[tuple[str, int], dict[str, Any]]

_DEFAULT = ("start", "without", "fixed", "shuffled")
_WIDTH = 15
# Key of a figure, heading.
_COLUMNS = (
    ("mv", "multi-view"),
    ("sv", "single-view"),
    ("fixed", "fixed joints"),
    ("near", "±3 frames"),
    ("beside", "beside"),
    ("minutes", "minutes"),
    ("cpu_minutes", "of one core"),
)
_PAIRS = (
    ("without", "start", "what retraining gives"),
    ("without", "labels", "what unlabelled people give"),
    ("fixed", "without", "what five fixes give"),
    ("fixed", "shuffled", "what they say"),
    ("many", "without", "what fifty fixes give"),
)


def table(found: Found, arms: Sequence[str], seeds: Sequence[int]) -> str:
    """Mean ± spread of every arm, then differences seed by seed."""
    heads = [head for _, head in _COLUMNS]
    lines = [_line("mm", heads), *_rows(found, arms, seeds)]
    shown = [pair for pair in _PAIRS if {pair[0], pair[1]} <= set(arms)]
    if shown:
        lines += ["", "differences, seed by seed (less than 0 = better)"]
    for better, worse, title in shown:
        both = [seed for seed in seeds if {(better, seed), (worse, seed)} <= found.keys()]
        cells = [_cell(found, both, better, worse, key) for key, _ in _COLUMNS[:5]]
        lines.append(_line(f"{better} - {worse}", cells) + f"  {title}, n = {len(both)}")
    return "\n".join(lines) + "\n"


def _rows(found: Found, arms: Sequence[str], seeds: Sequence[int]) -> list[str]:
    lines: list[str] = []
    for arm in arms:
        done = [found[arm, seed] for seed in seeds if (arm, seed) in found]
        cells = [mean_and_spread([_value(one, key) for one in done]) for key, _ in _COLUMNS]
        lines.append(_line(f"{arm} ({len(done)})", cells))
    return lines


def _cell(found: Found, seeds: Sequence[int], better: str, worse: str, key: str) -> str:
    return mean_and_spread(
        [_value(found[better, seed], key) - _value(found[worse, seed], key) for seed in seeds]
    )


def _value(figures: dict[str, Any], key: str) -> float:
    value = figures.get(key)
    return math.nan if value is None else float(value)


def _line(name: str, cells: Sequence[str]) -> str:
    return f"{name:<20}" + "".join(f"{cell:>{_WIDTH}}" for cell in cells)


def _gathered(
    find: Callable[[str, int], dict[str, Any] | None], arms: Sequence[str], seeds: Sequence[int]
) -> Found:
    cells = {(arm, seed): find(arm, seed) for arm in arms for seed in seeds}
    return {key: figures for key, figures in cells.items() if figures is not None}


def main() -> None:
    """Do what is missing, then print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    add = parser.add_argument
    add("out", type=Path, help="folder of all cells, done and to do")
    add("--seeds", type=int, default=3)
    add("--arms", nargs="+", choices=ARMS, default=_DEFAULT)
    add("--agreement", type=Path, metavar="PROJECT", help="a recording without truth instead")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="beside the preset")
    add("--table", action="store_true", help="print what is done, do nothing")
    given = parser.parse_args()
    seeds, out = range(given.seeds), given.out.absolute()
    cells = Cells(out, given.set)
    project = None if given.agreement is None else given.agreement.absolute()
    arms = [arm for arm in given.arms if project is None or not ARMS[arm].num_fixes]

    def find(arm: str, seed: int) -> dict[str, Any] | None:
        return (
            cells.find(arm, seed) if project is None else cells.find_agreement(project, arm, seed)
        )

    # Seed by seed, so that what is done early can be compared.
    for seed, arm in ((seed, arm) for seed in seeds for arm in arms):
        if not given.table:
            cells.do(arm, seed) if project is None else cells.do_agreement(project, arm, seed)
            sys.stdout.write(f"{arm}-{seed}: {find(arm, seed)}\n")
            sys.stdout.flush()
    sys.stdout.write(table(_gathered(find, arms, seeds), arms, seeds))


if __name__ == "__main__":
    main()
