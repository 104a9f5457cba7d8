"""Labels given to the wrong frames: the sanity check that must ruin every result.

Each labelled group gets the pose of another labelled group, moved to where its own stands, so that
everything keeps its place and size and only what was to be learned is wrong. Held-out labels stay.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from core.learning.data.recordings import LabelTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.learning.data.groups import GroupList
    from core.learning.data.recordings import PoseRecording


def shuffled(
    recordings: tuple[PoseRecording, ...], labelled: GroupList, seed: int
) -> tuple[PoseRecording, ...]:
    """The recordings with the labels of these groups exchanged among them; nobody keeps their own.

    Args:
        recordings: of the data.
        labelled: whose labels are exchanged.
        seed: same seed, same exchange.
    """
    order = np.random.default_rng([seed, 0x5EED]).permutation(len(labelled))
    donors = np.empty_like(order)
    donors[order] = np.roll(order, -1)
    points = [np.array(one.labels.points_mm) for one in recordings]
    views = [None if (px := one.labels.label_px) is None else np.array(px) for one in recordings]
    places = _label_rows(recordings, labelled)
    for i, donor in enumerate(donors):
        (to, row), (origin, source) = places[i], places[donor]
        points[to][row] = _moved(
            recordings[origin].labels.points_mm[source], recordings[to].labels.points_mm[row]
        )
        own, other = recordings[to].labels.label_px, recordings[origin].labels.label_px
        view = views[to]
        if own is not None and view is not None:
            same = other is not None and other.shape[1:] == own.shape[1:]
            view[row] = _moved(other[source], own[row]) if same and other is not None else np.nan
    return tuple(
        replace(one, labels=LabelTable(one.labels.keys, points[number], views[number]))
        for number, one in enumerate(recordings)
    )


def _label_rows(recordings: tuple[PoseRecording, ...], groups: GroupList) -> NDArray[np.int64]:
    """(N, 2) the recording and the row in its table of each group."""
    rows = np.full((len(groups), 2), -1, dtype=np.int64)
    rows[:, 0] = groups.rows[:, 0]
    for number, recording in enumerate(recordings):
        own = groups.rows[:, 0] == number
        rows[own, 1] = recording.labels.rows_of(groups.rows[own, 1:])
    assert (rows[:, 1] >= 0).all(), "a labelled group without a label"
    return rows


def _moved(pose: NDArray[np.floating], like: NDArray[np.floating]) -> NDArray[np.floating]:
    """The points (..., J, D), moved so that the middle of those there is that of `like`'s."""
    return pose + (_middle(like) - _middle(pose))


def _middle(points: NDArray[np.floating]) -> NDArray[np.floating]:
    """(..., 1, D) mean of the points that are there; NaN without any."""
    known = np.isfinite(points).all(-1, keepdims=True)
    count = known.sum(axis=-2, keepdims=True)
    total = np.where(known, points, 0.0).sum(axis=-2, keepdims=True)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
