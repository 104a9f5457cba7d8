"""Accepted points that count no more, since a person placed the joint in a view or in space.

What somebody placed comes before what somebody accepted: the decision stays in the store, and undo
lets it count again, but a training and an export leave the point out, and the window says so.
A copy that nobody has looked at yet outranks nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.project.edits import COPIED, PointKey

if TYPE_CHECKING:
    from core.project.labels import LabelStore


def outranked_between(store: LabelStore, start: int, stop: int) -> frozenset[PointKey]:
    """Joints with an accepted point that counts no more, of the frames start…stop-1."""
    accepted = {PointKey(*row[:3]) for row in store.rows_between("accepted", start, stop)}
    if not accepted:
        return frozenset()
    placed = {
        PointKey(frame, person, joint)
        for frame, _, person, joint, x, _, visibility, origin, *_ in store.rows_between(
            "labels", start, stop
        )
        if x is not None and visibility != "outside" and origin != COPIED
    }
    placed |= {PointKey(*row[:3]) for row in store.rows_between("points3d", start, stop)}
    return frozenset(accepted & placed)
