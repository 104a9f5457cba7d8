"""Tables that depend on the number of views alone: pairs, and sorting networks.

A sorting network is a fixed list of compare-and-swap steps, so many joints can be sorted side by
side without a branch. Batcher's odd-even merge sort (Knuth, volume 3, 5.3.4); a network that must
bring only some slots into place is pruned to the comparators that reach them.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

# The median's start looks at this many candidates at most.
MOST_STARTERS = 64


def batcher(size: int, wanted: Collection[int] | None = None) -> list[tuple[int, int]]:
    """Comparators (low, high) that sort `size` slots, or bring the wanted slots into place."""
    network: list[tuple[int, int]] = []
    p = 1
    while p < size:
        k = p
        while k >= 1:
            for j in range(k % p, size - k, 2 * k):
                for i in range(min(k, size - j - k)):
                    if (i + j) // (2 * p) == (i + j + k) // (2 * p):
                        network.append((i + j, i + j + k))
            k //= 2
        p *= 2
    if wanted is None:
        return network
    needed, kept = set(wanted), list[tuple[int, int]]()
    for low, high in reversed(network):
        if low in needed or high in needed:
            needed |= {low, high}
            kept.append((low, high))
    return kept[::-1]


@dataclass(frozen=True, slots=True)
class ViewTables:
    """What a number of views C determines.

    Attributes:
        pairs: (num_pairs, 2) view indices in lexicographic order.
        others: (C, C - 1) the pairs of each view.
        starters: (S,) the candidates that the median's start looks at.
        start_network: comparators that bring slot S // 2 of the starters into place.
        view_network: comparators that sort C - 1 slots.
        all_views_network: comparators that sort C slots.
    """

    pairs: NDArray[np.int64]
    others: NDArray[np.int64]
    starters: NDArray[np.int64]
    start_network: NDArray[np.int64]
    view_network: NDArray[np.int64]
    all_views_network: NDArray[np.int64]


@functools.cache
def view_tables(num_views: int) -> ViewTables:
    """The tables of a number of views, read only."""
    pairs = np.stack(np.triu_indices(num_views, 1), axis=1).astype(np.int64)
    others = np.array(
        [np.flatnonzero((pairs == c).any(1)) for c in range(num_views)], dtype=np.int64
    ).reshape(num_views, max(num_views - 1, 0))
    num_starters = min(len(pairs), MOST_STARTERS)
    starters = np.arange(num_starters, dtype=np.int64) * len(pairs) // max(num_starters, 1)

    def table(network: list[tuple[int, int]]) -> NDArray[np.int64]:
        return np.array(network, dtype=np.int64).reshape(-1, 2)

    tables = ViewTables(
        pairs=pairs,
        others=others,
        starters=starters,
        start_network=table(batcher(num_starters, [num_starters // 2])),
        view_network=table(batcher(num_views - 1)),
        all_views_network=table(batcher(num_views)),
    )
    for name in ViewTables.__slots__:
        getattr(tables, name).setflags(write=False)
    return tables
