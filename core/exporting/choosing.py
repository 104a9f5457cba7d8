"""Which joints an export means: a query in the words of `core.curation.query`.

A query about frames, persons, joints and reviews is answered from the labels alone. One that asks
for residuals, weights, views or the verdict is answered as the Curate panel answers it: from the
triangulation of a source, the imported detections or a run's predictions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.curation.accepting import select
from core.curation.query import Query, parse_query
from core.curation.sources import DetectionSource, RunSource
from core.errors import CommandRefusedError
from core.project import ReviewState
from core.project.runs.folder import find_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from core.project import Project

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]
    Progress = Callable[[int, int], bool]


def chosen(
    project: Project, text: str, run: str | None = None, progress: Progress | None = None
) -> Callable[[Ints], Bools] | None:
    """A function that tells of (N, 3) frame, person, joint which are meant; None = all.

    Args:
        project: whose.
        text: the query; empty = all.
        run: id of the run whose triangulation is asked; None = the imported detections.
        progress: told (done, total); answers whether to go on.

    Raises:
        DataError: the query is none, or there is no such run.
        CommandRefusedError: `progress` asked to stop.
    """
    if not text.strip():
        return None
    query = parse_query(text, project)
    if _is_about_keys(query):
        return _Keys(project, query)
    source = DetectionSource(project) if run is None else RunSource(project, find_run(project, run))
    try:
        selection = select(project, source, project.settings, query, progress)
    finally:
        source.close()
    if selection is None:
        raise CommandRefusedError("Stopped; nothing was exported.")
    wanted = np.sort(_packed(selection.keys))

    def is_among(keys: Ints) -> Bools:
        return np.isin(_packed(keys), wanted)

    return is_among


class _Keys:
    """A query that frames, persons, joints and reviews answer."""

    def __init__(self, project: Project, query: Query) -> None:
        self._query = query
        span = query.span(project.num_frames)
        rows = project.reviews_between(span.start, max(span.stop, span.start))
        packed = _packed(rows.keys)
        self._by_state = {
            int(state): packed[rows.state == state] for state in np.unique(rows.state)
        }
        self._reviewed = packed

    def __call__(self, keys: Ints) -> Bools:
        query = self._query
        found = np.ones(len(keys), dtype=np.bool_)
        if query.frames is not None:
            inside = np.zeros(len(keys), dtype=np.bool_)
            for part in query.frames:
                inside |= (keys[:, 0] >= part.start) & (keys[:, 0] < part.stop)
            found &= inside
        if query.persons is not None:
            found &= np.isin(keys[:, 1], query.persons)
        if query.joints is not None:
            found &= np.isin(keys[:, 2], query.joints)
        if query.states is not None:
            found &= self._in_states(keys, query.states)
        return found

    def _in_states(self, keys: Ints, states: tuple[int, ...]) -> Bools:
        packed = _packed(keys)
        found = np.zeros(len(keys), dtype=np.bool_)
        for state in states:
            if state == ReviewState.UNREVIEWED:
                found |= ~np.isin(packed, self._reviewed)
            elif state in self._by_state:
                found |= np.isin(packed, self._by_state[state])
        return found


def _is_about_keys(query: Query) -> bool:
    return query.kept is None and query.hand is None and query.cameras is None and not query.numbers


def _packed(keys: Ints) -> Ints:
    """One number a key: 27 bits of frame, 26 of person and 10 of joint."""
    return (keys[:, 0] << 36) | (keys[:, 1] << 10) | keys[:, 2]
