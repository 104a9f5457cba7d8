"""The next best click: a queue over joints and views that follows every edit.

`build_queue` goes through frames in blocks, on a background thread; `Queue.next` then only looks up
the largest score that the filters let through. After an edit `Queue.refresh` looks at the frames it
touched again, so that the next item already knows of the last click.

Nothing here ever reads the truth of a generated match.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.curation.information import Prospects
from core.curation.looking import Onlooker
from core.curation.queue_rows import COLUMNS, Rows, joined, taken
from core.curation.ranking import Findings, Ranking, most_diverse, scores_of
from core.project import JointKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from core.curation.sources import FrameSource
    from core.project import Change, Project
    from core.settings import TriangulationSettings

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Progress = Callable[[int, int], bool]

MAX_FRAMES = 300
"""A queue over more frames would take minutes to build and nobody ever sees its end."""
_BLOCK_FRAMES = 6
_LEAST = {"uncertainty": 0.05, "residual": 2.0}


class QueueItem(NamedTuple):
    """What to look at next, and why."""

    frame: int
    person: int
    joint: int
    camera: int
    kind: Ranking
    score: float
    reason: str

    @property
    def key(self) -> JointKey:
        """The joint in its view."""
        return JointKey(self.frame, self.camera, self.person, self.joint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What items may be about; empty = anything."""

    cameras: frozenset[int] = frozenset()
    persons: frozenset[int] = frozenset()
    joints: frozenset[int] = frozenset()
    frames: range | None = None


class Queue:
    """Joints and views by what a click there is worth; made by `build_queue`.

    Attributes:
        ranking: what counts.
        frames: those that were gone through, ascending.
    """

    def __init__(
        self,
        project: Project,
        source: FrameSource,
        settings: TriangulationSettings,
        ranking: Ranking,
        frames: NDArray[np.int64],
        other: FrameSource | None = None,
    ) -> None:
        """Prepare an empty queue; `fill` looks at the frames."""
        self.ranking: Ranking = ranking
        self.frames = frames
        self._known = frozenset(frames.tolist())
        self._source, self._other = source, other
        self._onlooker = Onlooker(project, source, settings, other)
        self._rows: Rows | None = None
        self._seen: set[JointKey] = set()
        self._last: QueueItem | None = None
        # Frame and person of whom an edit or an answer tells something that was not looked at yet.
        self._pending: dict[tuple[int, int], None] = {}

    @property
    def is_caught_up(self) -> bool:
        """Whether all that edits have changed is looked at."""
        return not self._pending

    @property
    def num_joints(self) -> int:
        """Joints that may still be asked for."""
        return 0 if self._rows is None else int((~self._rows.closed).sum())

    @property
    def expected_error_mm(self) -> float:
        """Mean expected error of all joints; NaN where there is none."""
        if self._rows is None or not len(self._rows.error_mm):
            return math.nan
        return float(self._rows.error_mm.mean())

    def fill(self, progress: Progress | None = None) -> bool:
        """Look at all frames; False where `progress` said to stop."""
        parts = [Rows.empty(len(self._source.rig))]
        for start in range(0, len(self.frames), _BLOCK_FRAMES):
            chosen = self.frames[start : start + _BLOCK_FRAMES]
            parts.append(self._onlooker.look(None, chosen.tolist()))
            if progress is not None and not progress(start + len(chosen), len(self.frames)):
                return False
        self._rows = joined(parts)
        self._score()
        return True

    def upcoming_frames(self, num: int, filters: Filters | None = None) -> tuple[int, ...]:
        """The frames of the best `num` items that were not shown yet, the best first.

        Safe on any thread; in a long recording it takes as long as `next`.
        """
        rows = self._rows
        if rows is None or not len(rows.keys):
            return ()
        allowed = self._allowed(rows, filters)
        scores = rows.scores if allowed is None else np.where(allowed, rows.scores, 0.0)
        best = scores.max(axis=1)
        num = min(num, len(best))
        top = np.argpartition(-best, num - 1)[:num]
        top = top[best[top] > 0]
        frames = rows.keys[top[np.argsort(-best[top])], 0]
        return tuple(dict.fromkeys(frames.tolist()))

    def next(self, filters: Filters | None = None) -> QueueItem | None:
        """The best item that was not shown yet; None where there is none left.

        What was shown comes back only after `forget`; so nothing comes twice in a row.
        """
        rows = self._rows
        if rows is None or not len(rows.keys):
            return None
        scores = rows.scores
        allowed = self._allowed(rows, filters)
        if allowed is not None:
            scores = np.where(allowed, scores, 0.0)
        flat = int(scores.argmax())
        row, camera = divmod(flat, scores.shape[1])
        score = float(scores[row, camera])
        if score <= _LEAST.get(self.ranking, 0.0):
            return None
        frame, person, joint = rows.keys[row].tolist()
        item = QueueItem(
            frame, person, joint, camera, self.ranking, score, self._reason(row, camera, score)
        )
        self._seen.add(item.key)
        rows.scores[row, camera] = 0.0
        self._last = item
        return item

    def forget(self) -> None:
        """Let everything that was shown and not answered come again, but for the latest."""
        self._seen = {self._last.key} if self._last is not None else set()
        if self._rows is not None:
            self._score()

    def skip(self, keys: Iterable[JointKey]) -> None:
        """Count these as shown."""
        self._seen |= set(keys)
        if self._rows is not None:
            self._strike_seen(self._rows)

    def people_of(self, change: Change) -> set[tuple[int, int]]:
        """Frame and person of whom `refresh` will look at again."""
        people = {*change.tracks}
        people |= {(key.frame, key.person) for key in change.keys | change.overrides}
        people |= {(key.frame, key.person) for key in change.reviews | change.points}
        for span in change.spans:
            people |= {(f, p) for f in self._known.intersection(span) for p in self._source.persons}
        return {one for one in people if one[0] in self._known}

    def refresh(self, change: Change) -> None:
        """Take in all that an edit has changed; frames of no interest cost nothing."""
        self.follow(change)
        self.catch_up(None)

    def follow(self, change: Change) -> None:
        """Remember whom an edit is about, for `catch_up`; takes no time."""
        self._pending = dict.fromkeys(sorted(self.people_of(change))) | self._pending

    def catch_up(self, at_most: int | None) -> None:
        """Look again at some of those whom edits were about, those of the latest edit first.

        Args:
            at_most: people at frames, together 15 to 20 ms for one or two; None = all.
        """
        while self._pending:
            some = set([*self._pending][:at_most])
            for one in some:
                del self._pending[one]
            self._look_again(some)
            if at_most is not None:
                return

    def _look_again(self, people: set[tuple[int, int]]) -> None:
        if self._rows is None or not people:
            return
        rows, taught = self._rows, set[tuple[int, int]]()
        new = self._onlooker.look(people)
        old = _rows_of(rows.keys, people)
        if len(old) == len(new.keys) and (new.keys == rows.keys[old]).all():
            taught = self._onlooker.learn(rows, old, new)
            _put(rows, old, new)
        else:
            left = np.ones(len(rows.keys), dtype=np.bool_)
            left[old] = False
            rows = joined([taken(rows, np.flatnonzero(left)), new])
            self._rows = rows = taken(rows, np.lexsort(rows.keys.T[::-1]))
        taught = {one for one in taught - people if one[0] in self._known}
        self._pending |= dict.fromkeys(sorted(taught))
        self._score()

    def _allowed(self, rows: Rows, filters: Filters | None) -> Bools | None:
        if filters is None or filters == Filters():
            return None
        keys = rows.keys
        allowed = np.ones(len(keys), dtype=np.bool_)
        for column, values in ((1, filters.persons), (2, filters.joints)):
            if values:
                allowed &= np.isin(keys[:, column], list(values))
        if filters.frames is not None:
            allowed &= (keys[:, 0] >= filters.frames.start) & (keys[:, 0] < filters.frames.stop)
        views = np.ones(rows.scores.shape[1], dtype=np.bool_)
        if filters.cameras:
            views[:] = False
            views[list(filters.cameras)] = True
        return allowed[:, None] & views

    def _score(self) -> None:
        rows = self._rows
        assert rows is not None
        scores = scores_of(self.ranking, _findings(rows))
        if self.ranking == "diversity" and len(rows.keys):
            scores = scores * self._diversity(rows)[:, None]
        rows.scores = np.where(rows.closed[:, None], 0.0, np.nan_to_num(scores))
        self._strike_seen(rows)

    def _strike_seen(self, rows: Rows) -> None:
        """Let nothing come again that was shown; rows are in order of their keys."""
        if not self._seen or not len(rows.keys):
            return
        seen = np.array([(k.frame, k.person, k.joint, k.camera) for k in self._seen], np.int64)
        # One number a key, in the keys' own order.
        sizes = np.maximum(rows.keys.max(axis=0), seen[:, :3].max(axis=0)) + 1
        factors = np.array([sizes[1] * sizes[2], sizes[2], 1])
        known, wanted = rows.keys @ factors, seen[:, :3] @ factors
        place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        there = known[place] == wanted
        rows.scores[place[there], seen[there, 3]] = 0.0

    def _diversity(self, rows: Rows) -> Floats:
        num_joints = self._source.skeleton.num_joints
        people, place = np.unique(rows.keys[:, :2], axis=0, return_inverse=True)
        poses = np.full((len(people), num_joints, 3), np.nan)
        poses[place, rows.keys[:, 2]] = rows.points_mm
        known = np.zeros(len(people), dtype=np.bool_)
        known[place[rows.hand.any(axis=1)]] = True
        return most_diverse(poses, known)[place]

    def _reason(self, row: int, camera: int, score: float) -> str:
        rows, name = self._rows, self._source.rig.names[camera]
        assert rows is not None
        match self.ranking:
            case "residual":
                return f"{name} is {score:.0f} px from where the other views put the joint."
            case "disagreement":
                return f"{rows.other_mm[row]:.0f} mm from what {self._other_title} says."
            case "discarded":
                return f"Discarded; {self._why_unsure(row)}"
            case "diversity":
                return "A pose unlike those labelled so far."
            case "uncertainty":
                gain = rows.gain_mm[row, camera]
                return f"About {gain:.0f} mm to gain: {self._why_unsure(row)}"

    @property
    def _other_title(self) -> str:
        return "the other source" if self._other is None else self._other.title

    def _why_unsure(self, row: int) -> str:
        rows = self._rows
        assert rows is not None
        num = int(rows.observed[row].sum())
        error = rows.error_mm[row]
        if num == 0:
            return "no view sees the joint."
        if num == 1:
            return "only one view sees the joint."
        if rows.unknown[row] > 0.3:
            return "no two views agree on a place."
        if rows.rival_mm[row] > 60.0:
            return f"the views speak for two places {rows.rival_mm[row]:.0f} mm apart."
        if num == 2:
            return "only two views see the joint."
        return f"expected to be {error:.0f} mm off."


def build_queue(
    project: Project,
    source: FrameSource,
    settings: TriangulationSettings,
    ranking: Ranking = "uncertainty",
    *,
    frames: Iterable[int] | None = None,
    other: FrameSource | None = None,
    progress: Progress | None = None,
) -> Queue | None:
    """A queue over some frames; runs on any thread.

    Args:
        project: whose labels, reviews and muted observations count.
        source: of the observations that are shown.
        settings: with a noise scale.
        ranking: what counts.
        frames: 0-based; None = those with a label and others evenly, at most `MAX_FRAMES`.
        other: what ``disagreement`` compares with.
        progress: called with frames done and in all; answers whether to go on.

    Returns:
        None where `progress` said to stop.
    """
    chosen = default_frames(source) if frames is None else np.unique(np.array([*frames], np.int64))
    queue = Queue(project, source, settings, ranking, chosen, other)
    return queue if queue.fill(progress) else None


def default_frames(source: FrameSource) -> NDArray[np.int64]:
    """The frames of a queue where none are named: labelled ones first, then evenly spread."""
    known = source.frames()
    if len(known) <= MAX_FRAMES:
        return known
    labelled = np.intersect1d(source.labelled_frames(), known)[:MAX_FRAMES]
    spread = known[np.linspace(0, len(known) - 1, MAX_FRAMES - len(labelled)).astype(np.int64)]
    return np.union1d(labelled, spread)


def _findings(rows: Rows) -> Findings:
    prospects = Prospects(
        error_mm=rows.error_mm, gain_mm=rows.gain_mm, rival_mm=rows.rival_mm, unknown=rows.unknown
    )
    return Findings(
        prospects=prospects,
        loo_px=rows.loo_px,
        kept=rows.kept,
        hand=rows.hand,
        other_mm=rows.other_mm,
    )


def _rows_of(keys: NDArray[np.int64], people: set[tuple[int, int]]) -> NDArray[np.int64]:
    """Indices of the rows of these (frame, person), ascending."""
    wanted = np.array(sorted(people), dtype=np.int64)
    size = int(max(keys[:, 1].max(initial=0), wanted[:, 1].max())) + 1
    return np.flatnonzero(np.isin(keys[:, 0] * size + keys[:, 1], wanted @ (size, 1)))


def _put(rows: Rows, places: NDArray[np.int64], new: Rows) -> None:
    for name in COLUMNS:
        getattr(rows, name)[places] = getattr(new, name)
