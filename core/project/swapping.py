"""Swapped identities, laid over imported detections as they are read; the file never changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.people.identified import IdentifiedDetections
    from core.project.labels import LabelStore


@dataclass(frozen=True, slots=True)
class Swap:
    """Two persons' detections that change places in one camera, for frames start…stop-1."""

    number: int
    camera: int
    start: int
    stop: int
    person: int
    other: int
    time: str
    annotator: str


def read_swaps(store: LabelStore) -> tuple[Swap, ...]:
    """All swaps, in the order in which they are laid over each other."""
    return tuple(Swap(*row) for row in store.all_rows("swaps"))


def with_swaps(rows: IdentifiedDetections, swaps: Sequence[Swap]) -> IdentifiedDetections:
    """Detections with the identities that people say; bystanders stay bystanders."""
    if not len(rows):
        return rows
    first, last = int(rows.frame[0]), int(rows.frame[-1])
    person = None
    for swap in swaps:
        if swap.stop <= first or swap.start > last:
            continue
        if person is None:
            person = rows.person.copy()
        within = rows.rows(swap.start, swap.stop)
        here = np.flatnonzero(rows.camera[within] == swap.camera) + within.start
        who = person[here]
        person[here] = np.select(
            [who == swap.person, who == swap.other], [swap.other, swap.person], who
        )
    return rows if person is None else replace(rows, person=person)
