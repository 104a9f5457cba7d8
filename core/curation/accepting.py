"""From a query to pseudo-labels that are meant, and from those to the edits that judge them.

A `Selection` holds what is needed to accept its points without reading anything again, so that it
can be counted and shown first, and accepted as it was shown.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from core.curation.grounds import HANDS, grounded
from core.curation.pseudo import pseudo_blocks, pseudo_labels, resolved_settings
from core.errors import CommandRefusedError
from core.project import (
    AcceptedPoint,
    AcceptPoints,
    PointKey,
    Provenance,
    ReviewState,
    SetReviews,
    Several,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from core.curation.pseudo import PseudoLabels
    from core.curation.query import Query
    from core.curation.sources import FrameSource
    from core.project import Edit, Project
    from core.settings import TriangulationSettings

    Progress = Callable[[int, int], bool]

RESCUED = "rescued"
"""In the place of a discard rule: a person took the point against it."""
_ENOUGH_HANDS = 2
"""Hand labels in so many views make the 3D label themselves; no machine point is put beside."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Selection:
    """N pseudo-labels, by frame, person, joint, with what their provenance tells.

    Attributes:
        keys: (N, 3) int64: frame, person, joint.
        points_mm: (N, 3) world; NaN = none.
        kept: (N,) bool.
        wss_mm: (N,).
        worst_loo_px: (N,).
        weights: (N, C).
        reprojected: (N, C) bool: the view took part with a reprojected label.
        num_hand: (N,) views in which a person placed the joint.
        state: (N,) values of `ReviewState`.
        settings: that it was triangulated with.
        source: name of the source.
    """

    keys: NDArray[np.int64]
    points_mm: NDArray[np.float64]
    kept: NDArray[np.bool_]
    wss_mm: NDArray[np.float64]
    worst_loo_px: NDArray[np.float64]
    weights: NDArray[np.float64]
    reprojected: NDArray[np.bool_]
    num_hand: NDArray[np.int64]
    state: NDArray[np.uint8]
    settings: TriangulationSettings
    source: str

    def __len__(self) -> int:
        """N."""
        return len(self.keys)

    @property
    def point_keys(self) -> tuple[PointKey, ...]:
        """The keys one by one."""
        return tuple(PointKey(*key) for key in self.keys.tolist())

    @property
    def num_persons(self) -> int:
        """How many people they are of."""
        return len(np.unique(self.keys[:, 1]))

    @property
    def num_frames(self) -> int:
        """In how many frames they are."""
        return len(np.unique(self.keys[:, 0]))

    def where(self, mask: NDArray[np.bool_]) -> Selection:
        """Some of them."""
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        rows = {n: v[mask] for n, v in values.items() if n not in ("settings", "source")}
        return Selection(**{**values, **rows})

    def in_state(self, *states: ReviewState) -> NDArray[np.bool_]:
        """(N,) which of them are in one of these states."""
        return np.isin(self.state, [int(state) for state in states])

    @classmethod
    def of(cls, labels: PseudoLabels, mask: NDArray[np.bool_], source: str) -> Selection:
        """Those of a block that a mask (F, P, J) picks."""
        return cls(**_columns(labels, mask), settings=labels.settings, source=source)

    @classmethod
    def concatenate(cls, parts: Sequence[Selection]) -> Selection:
        """All of all parts, in the order given; at least one part."""
        rows: dict[str, Any] = {
            f.name: np.concatenate([getattr(part, f.name) for part in parts])
            for f in fields(cls)
            if f.name not in ("settings", "source")
        }
        return cls(**rows, settings=parts[0].settings, source=parts[0].source)


def _columns(labels: PseudoLabels, mask: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    frame, person, joint = np.nonzero(mask)
    ids = np.array(labels.persons, dtype=np.int64)
    return {
        "keys": np.stack([frame + labels.start, ids[person], joint], axis=1),
        "points_mm": labels.points_mm[mask],
        "kept": labels.kept[mask],
        "wss_mm": labels.wss_mm[mask],
        "worst_loo_px": labels.worst_loo_px[mask],
        "weights": labels.weights.swapaxes(2, 3)[mask],
        "reprojected": labels.reprojected.swapaxes(2, 3)[mask],
        "num_hand": labels.num_hand[mask],
        "state": labels.state[mask],
    }


def select(
    project: Project,
    source: FrameSource,
    settings: TriangulationSettings,
    query: Query,
    progress: Progress | None = None,
) -> Selection | None:
    """The pseudo-labels of a source that a query means.

    Args:
        project: whose reviews count.
        source: of the observations.
        settings: how to triangulate.
        query: which are meant.
        progress: called after each block with frames done and in all; answers whether to go on.

    Returns:
        None where `progress` said to stop.
    """
    settings = resolved_settings(source, settings)
    is_stopped = False

    def go_on(done: int, total: int) -> bool:
        nonlocal is_stopped
        is_stopped = progress is not None and not progress(done, total)
        return not is_stopped

    # One of nothing, so that a source without frames has a selection too.
    nobody = pseudo_labels(project, source, 0, 1, settings, persons=())
    parts = [Selection.of(nobody, np.zeros(nobody.kept.shape, dtype=np.bool_), source.name)]
    for labels in pseudo_blocks(
        project,
        source,
        settings,
        frames=query.span(source.num_frames),
        persons=query.persons,
        progress=go_on,
    ):
        mask = query.matches(labels)
        if mask.any():
            parts.append(Selection.of(labels, mask, source.name))
    return None if is_stopped else Selection.concatenate(parts)


def select_in(
    labels: PseudoLabels, source: str, *, person: int | None = None, joint: int | None = None
) -> Selection:
    """All that was seen in some frames, of a person, or one joint of it.

    Args:
        labels: of the frames.
        source: the name of the source that they are of.
        person: nobody else; None = everybody.
        joint: no other joint; None = all.
    """
    mask = labels.seen.copy()
    if person is not None:
        mask &= (np.array(labels.persons, dtype=np.int64) == person)[:, None]
    if joint is not None:
        mask &= np.arange(mask.shape[2]) == joint
    return Selection.of(labels, mask, source)


def acceptable(selection: Selection) -> NDArray[np.bool_]:
    """(N,) what there is something to accept of: a point, or hand labels that make one."""
    return np.isfinite(selection.points_mm).all(axis=1) | (selection.num_hand >= _ENOUGH_HANDS)


def accept(
    source: FrameSource,
    selection: Selection,
    state: Literal["accepted", "locked"] = "accepted",
    *,
    name: str = "",
    remark: str = "",
) -> Edit:
    """Accept points, or lock them, with where they come from.

    `name` is the step's, else it is told from the selection, with the remark (a query) added.

    What is locked already stays as it is. Where hand labels in two views make the joint's 3D label
    themselves, and where a point was accepted before and is now locked, only the review is set.

    Raises:
        CommandRefusedError: there is nothing in it that could be accepted.
    """
    selection = selection.where(acceptable(selection) & ~selection.in_state(ReviewState.LOCKED))
    if not len(selection):
        raise CommandRefusedError(
            "Nothing to accept: no joint here has a 3D point, or all are locked."
        )
    has_own = selection.num_hand >= _ENOUGH_HANDS
    is_lock = state == "locked"
    name = name or _named("Accept" if state == "accepted" else "Lock", selection, remark)
    edits: list[Edit] = []
    if not has_own.all():
        points = _accepted_points(source, selection.where(~has_own))
        edits.append(AcceptPoints(points=points, state=state, name=name, keeps_known=is_lock))
    if has_own.any():
        keys = selection.where(has_own).point_keys
        edits.append(SetReviews(keys=keys, state=state, source=HANDS, name=name))
    return edits[0] if len(edits) == 1 else Several(edits=tuple(edits), name=name)


def reject(selection: Selection, *, name: str = "", remark: str = "") -> Edit:
    """Say that points are wrong: they never serve as pseudo-labels; what is locked stays.

    Raises:
        CommandRefusedError: there is nothing in it, or all is locked.
    """
    return _reviewed(selection, "rejected", name or _named("Reject", selection, remark))


def unreview(selection: Selection, *, name: str = "", remark: str = "") -> Edit:
    """Take decisions back, but for locked ones.

    Raises:
        CommandRefusedError: there is nothing in it, or all is locked.
    """
    return _reviewed(selection, None, name or _named("Take back the review of", selection, remark))


def unlock(selection: Selection, *, name: str = "", remark: str = "") -> Edit:
    """Set what is locked back to accepted.

    Raises:
        CommandRefusedError: nothing of it is locked.
    """
    locked = selection.where(selection.in_state(ReviewState.LOCKED))
    if not len(locked):
        raise CommandRefusedError("Nothing here is locked.")
    return SetReviews(
        keys=locked.point_keys,
        state="accepted",
        source=selection.source,
        name=name or _named("Unlock", locked, remark),
    )


def told(selection: Selection) -> str:
    """Such as ``412 joints of 3 persons in 46 frames``."""
    joints = _counted(len(selection), "joint")
    keys = selection.keys
    who = f"#{keys[0, 1]}" if selection.num_persons == 1 else f"{selection.num_persons} persons"
    where = "" if selection.num_frames == 1 else f" in {selection.num_frames:,} frames"
    return f"{joints} of {who}{where}"


def _named(verb: str, selection: Selection, remark: str) -> str:
    return f"{verb} {told(selection)}" + (f" ({remark})" if remark else "")


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _reviewed(selection: Selection, state: Literal["rejected"] | None, name: str) -> Edit:
    free = selection.where(~selection.in_state(ReviewState.LOCKED))
    if not len(free):
        raise CommandRefusedError(
            "Nothing to judge here."
            if not len(selection)
            else "All of it is locked: unlock it first."
        )
    return SetReviews(keys=free.point_keys, state=state, source=selection.source, name=name)


def _origin(source: FrameSource, frame: int) -> tuple[str, int | None, str]:
    return source.name, *source.origin(frame)


def _accepted_points(source: FrameSource, selection: Selection) -> tuple[AcceptedPoint, ...]:
    origins = {f: _origin(source.answering(f), f) for f in np.unique(selection.keys[:, 0]).tolist()}
    settings = selection.settings
    columns = (
        selection.point_keys,
        selection.points_mm.tolist(),
        selection.kept.tolist(),
        selection.wss_mm.tolist(),
        selection.worst_loo_px.tolist(),
        selection.weights.round(4).tolist(),
        selection.reprojected.tolist(),
    )
    return tuple(
        AcceptedPoint(
            key=key,
            point_mm=(x, y, z),
            provenance=grounded(
                Provenance(
                    source=origins[key.frame][0],
                    round=origins[key.frame][1],
                    weights_hash=origins[key.frame][2],
                    wss_mm=wss_mm,
                    worst_loo_px=worst_px,
                    scale_mm=settings.scale_mm,
                    weighting=settings.weighting,
                    rule=settings.rule if is_kept else RESCUED,
                    weights=tuple(weights),
                ),
                put,
            ),
        )
        for key, (x, y, z), is_kept, wss_mm, worst_px, weights, put in zip(*columns, strict=True)
    )
